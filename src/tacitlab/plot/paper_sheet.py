"""What all sheets of paper have in common: style, ticks, and the legend."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from tacitlab.plot import layout, lettering
from tacitlab.plot.chart import Axis
from tacitlab.plot.layout import Interval
from tacitlab.plot.looks import INK, SOFT
from tacitlab.plot.panels import Picture
from tacitlab.plot.paper_marks import EM

GAP = 6.0
SQUARE = 330.0  # longest side of a plot with equal units

# Everything is set here, on top of the library's defaults, so that nobody's own style changes a figure. Fonts in a
# PDF are embedded as TrueType, which journals ask for; a fixed salt makes the same SVG twice.
STYLE: list[Any] = [
    "default",
    {
        "font.family": "DejaVu Sans",
        "font.size": EM,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.labelsize": EM,
        "axes.edgecolor": SOFT,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": EM,
        "ytick.labelsize": EM,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "lines.linewidth": 1.3,
        "lines.solid_capstyle": "butt",
        "legend.fontsize": EM,
        "pdf.fonttype": 42,
        "svg.hashsalt": "tacit",
    },
]


def frame(
    figure: Figure, picture: Picture, keys: Mapping[str, list[Artist]], below: float, height: float
) -> tuple[float, float]:
    """Set title, legend and caption around a plot of this height, whose ticks and label reach down by ``below``.

    The figure keeps its width and becomes as high as it needs. Returns where the plot begins and the height.
    """
    width = figure.get_figwidth() * 72
    caption = lettering.wrap(picture.caption, width - 2 * GAP, EM - 0.5)
    bottom = below + GAP + (lettering.text_height(caption, EM - 0.5) + GAP if caption else 0)
    legend_bottom = bottom + height + 1.5 * GAP
    title_bottom = legend_bottom + legend(figure, keys if picture.legend else {}, width - 2 * GAP)
    title = lettering.wrap(picture.title, width - 2 * GAP, 1.25 * EM)
    total = title_bottom + (lettering.text_height(title, 1.15 * EM) + GAP if title else 0) + 2
    figure.set_size_inches(width / 72, total / 72)
    if figure.legends:
        figure.legends[0].set_bbox_to_anchor((GAP / width, legend_bottom / total))
    style: dict[str, Any] = {"linespacing": 1.25, "parse_math": False}
    if title:
        place = GAP / width, (title_bottom + 2) / total
        figure.text(*place, title, va="bottom", size=1.15 * EM, weight="bold", **style)
    if caption:
        figure.text(GAP / width, (bottom - below - GAP) / total, caption, va="top", size=EM - 0.5, color=SOFT, **style)
    return bottom, total


def legend(figure: Figure, keys: Mapping[str, Sequence[Artist]], room: float) -> float:
    """Put a legend into a figure, in as many columns as fit; returns its height."""
    if not keys:
        return 0.0
    labels = [lettering.wrap(name, min(room - 5 * EM, 26 * EM), EM) for name in keys]
    wide = [lettering.text_width(label, EM) + 5 * EM for label in labels]
    columns = next(n for n in range(len(wide), 0, -1) if n == 1 or sum(map(max, np.array_split(wide, n))) <= room)
    handles: list[Any] = [tuple(key) if len(key) > 1 else key[0] for key in keys.values()]
    drawn = figure.legend(
        handles,
        [" "] * len(labels),  # names are set below: the library drops those that begin with an underscore
        loc="lower left",
        ncol=columns,
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=2,
        labelspacing=0.4,
    )
    for text, label in zip(drawn.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    extent = drawn.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    return extent.height * 72 / figure.dpi + GAP


# --- ticks and text --------------------------------------------------------------------------------------------


def _plain(value: float, decimals: int | None = None, power: bool = False) -> str:
    """A tick label: plain digits in groups of three, powers of ten only where digits would be too many."""
    if power and value != 0:
        exponent = math.floor(math.log10(abs(value)) + 1e-9)
        factor = f"{value / 10.0**exponent:.3g}"
        times = "" if factor == "1" else rf"{factor} \times "
        return f"${times}10^{{{exponent}}}$"
    text = f"{value:,.10g}" if decimals is None else f"{value:,.{decimals}f}"
    return text.replace("-", "−")


class Plain(ticker.Formatter):
    """Tick labels with the same number of decimals all along a linear axis."""

    def __call__(self, value: float, position: int | None = None) -> str:
        return _plain(value)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        ticks = np.asarray(values, dtype=np.float64)
        low, high = np.sort(self.axis.get_view_interval()) if self.axis is not None else (-math.inf, math.inf)
        power = layout.powers(ticks[(ticks >= low) & (ticks <= high)])
        if ticks.size < 2 or (self.axis is not None and self.axis.get_scale() == "log"):  # type: ignore[union-attr]
            return [_plain(value, power=power) for value in ticks]
        step = float(np.min(np.abs(np.diff(ticks))))
        ticks = np.where(np.abs(ticks) < 1e-6 * step, 0.0, ticks)
        enough = (places for places in range(10) if np.all(np.abs(ticks - np.round(ticks, places)) < 1e-3 * step))
        decimals = next(enough, None)
        return [_plain(value, decimals, power) for value in ticks]


def set_ticks(axis: Any, spec: Axis, interval: Interval, most: int) -> None:
    """At most so many ticks on an axis."""
    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_minor_locator(ticker.NullLocator())
    if not spec.log:
        axis.set_major_locator(ticker.MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=spec.whole))
        return
    decades = math.log10(interval[1] / interval[0])
    if decades < 0.7:
        axis.set_major_locator(ticker.MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
        return
    fine = decades * 3 <= most
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if fine else (1.0,), numticks=most + 1))
    if decades < 12:
        axis.set_minor_locator(ticker.LogLocator(subs=[float(n) for n in range(2, 10)], numticks=200))
        axis.set_tick_params(which="minor", length=2, width=0.5, color=SOFT)


def fit_ticks(axis: Any, spec: Axis, interval: Interval, room: float, most: int = 8) -> float:
    """Put as many ticks on a horizontal axis as have room, but at most so many; returns the widest label's width."""
    low, high = interval
    for number in range(most, 0, -1):
        set_ticks(axis, spec, interval, number)
        at = [value for value in axis.get_major_locator()() if low <= value <= high]
        texts = axis.get_major_formatter().format_ticks(at)
        widest = max((lettering.text_width(text, EM) for text in texts), default=0.0)
        if (widest + 0.5 * EM) * len(at) <= room:
            break
    return widest

"""Charts on paper: Matplotlib figures, as PNG, PDF or SVG.

The plot has a fixed height, and the figure grows around it by what title, legend, labels and caption need: text
never covers data. All lengths are in points (1/72 inch).
"""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib import ticker
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from tacit.errors import TacitError
from tacit.report import ink, layout, lettering
from tacit.report.chart import Area, Axis, Bars, Chart, HeatMap, Histogram, HLine, Line, Points, VLine
from tacit.report.ink import EM
from tacit.report.layout import GRID, INK, SOFT, Interval
from tacit.store import atomic

SUFFIXES = (".png", ".pdf", ".svg")
PLOT_HEIGHT = 190.0
GAP = 6.0

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
METADATA: dict[str, dict[str, Any]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def save(chart: Chart, path: str | os.PathLike[str], width: float = 6.3) -> Path:
    """Write a chart as PNG (300 dots per inch), PDF or SVG, by the suffix of the path.

    Parameters
    ----------
    chart : Chart
        What to draw.
    path : path
        The file; its folder must exist.
    width : float
        Width of the figure in inches; the default fills an A4 page.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    TacitError
        If the suffix is unknown or the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise TacitError(f"{path}: cannot save a figure as '{suffix}'; choose {', '.join(SUFFIXES)}")
    content = io.BytesIO()
    drawn = figure(chart, width)
    with matplotlib.style.context(STYLE):
        drawn.savefig(content, format=suffix[1:], dpi=300, metadata=METADATA[suffix])
    return atomic.replace(path, content.getvalue())


def figure(chart: Chart, width: float = 6.3) -> Figure:
    """Draw a chart, ``width`` inches wide and as high as it needs.

    Parameters
    ----------
    chart : Chart
        What to draw.
    width : float
        Width in inches: 6.3 fills an A4 page, 3.4 a column of a two-column journal.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of its own, known to no ``pyplot``.

    Examples
    --------
    >>> from tacit.report.chart import Axis, Line
    >>> figure(Chart("", Axis("period"), Axis("price", "money"), (Line([0, 1], [1.5, 1.6]),))).axes[0].get_ylabel()
    'price (money)'
    """
    with matplotlib.style.context(STYLE):
        return _Sheet(chart, width * 72).finish()


class _Sheet:
    """A figure in the making: its plot, and the blocks of text around it."""

    def __init__(self, chart: Chart, width: float) -> None:
        self.shown = layout.limits(chart)
        self.chart, self.width = layout.ready(chart, self.shown), width
        self.figure = Figure(figsize=(width / 72, 4))
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0.15, 0.2, 0.7, 0.6))
        self.keys: dict[str, list[Artist]] = {}
        self.bar: Axes | None = None
        self.side_room = min(14 * EM, width / 4)  # widest text in the right margin
        self.height = max(PLOT_HEIGHT, lettering.needed_height(chart, self.shown[1], EM, self.side_room))

    def finish(self) -> Figure:
        """Draw, measure from the plot outwards, and put every block in its place."""
        chart, axes = self.chart, self.axes
        self._scales()
        self._marks()
        side = lettering.place_side(chart, self.shown[1], EM, self.side_room, self.height)
        self._position(60, 60, self.width - 120, 400)
        axes.set_ylabel(lettering.wrap(chart.y.title, self.height, EM), labelpad=5, parse_math=False)
        left = self._extent(axes.yaxis)[0] + GAP
        label_room = max((lettering.text_width(label.text, EM) + 22 for label in side), default=0.0)
        bar_room = self._bar_room()
        half = self._x_ticks(self.width - left - label_room - bar_room)
        right = max(label_room + bar_room, half + 2, 2 * EM)
        plot = self.width - left - right
        top = lettering.place_top(chart, self.shown[0], EM, plot, (GAP - left, plot + right - GAP))
        axes.set_xlabel(lettering.wrap(chart.x.title, plot, EM), labelpad=4, parse_math=False)
        self._position(left, 60, plot, 400)
        below = self._extent(axes.xaxis)[1]
        caption = lettering.wrap(chart.caption, self.width - 2 * GAP, EM - 0.5)
        bottom = below + GAP + (lettering.text_height(caption, EM - 0.5) + GAP if caption else 0)

        strip = lettering.top_height(top, EM)
        legend_top = bottom + self.height + strip + 1.5 * GAP
        legend = self._legend(self.width - 2 * GAP)
        title_bottom = legend_top + legend
        title = lettering.wrap(chart.title, self.width - 2 * GAP, 1.25 * EM)
        total = title_bottom + (lettering.text_height(title, 1.15 * EM) + GAP if title else 0) + 2
        self._position(left, bottom, plot, total)
        if self.bar is not None:
            self.bar.set_position(self._share(left + plot + label_room + 12, bottom, 9, self.height, total))
        if self.figure.legends:
            self.figure.legends[0].set_bbox_to_anchor((GAP / self.width, legend_top / total))
        self._block(title, GAP, title_bottom + 2, total, va="bottom", size=1.15 * EM, weight="bold")
        self._block(caption, GAP, bottom - below - GAP, total, va="top", size=EM - 0.5, color=SOFT)
        self._references(side, top)
        return self.figure

    def _share(self, left: float, bottom: float, width: float, height: float, total: float) -> Any:
        return left / self.width, bottom / total, width / self.width, height / total

    def _position(self, left: float, bottom: float, plot: float, total: float) -> None:
        self.figure.set_size_inches(self.width / 72, total / 72)
        self.axes.set_position(self._share(left, bottom, plot, self.height, total))

    def _extent(self, axis: Any) -> tuple[float, float]:
        """How far ticks and label reach to the left of the plot and below it."""
        box = axis.get_tightbbox(self.canvas.get_renderer())
        frame = self.axes.get_window_extent()
        scale = 72 / self.figure.dpi
        return (frame.x0 - box.x0) * scale, (frame.y0 - box.y0) * scale

    def _block(self, text: str, x: float, y: float, total: float, **style: Any) -> None:
        if text:
            self.figure.text(x / self.width, y / total, text, linespacing=1.25, parse_math=False, **style)

    # --- what is drawn -----------------------------------------------------------------------------------------

    def _marks(self) -> None:
        chart, axes = self.chart, self.axes
        by_name, by_mark = layout.looks(chart)
        groups = [mark for mark in chart.marks if isinstance(mark, Bars)]
        counts = iter(layout.counted(chart))
        spots = iter(lettering.point_spots(chart, self.shown, (self.width - 120, self.height), EM))
        for mark, look in zip(chart.marks, by_mark, strict=True):
            match mark:
                case Line():
                    self._key(mark.name, ink.line(axes, mark, look))
                case Points():
                    self._key(mark.name, ink.points(axes, mark, look))
                    if mark.labels is not None:
                        ink.beside(axes, mark, next(spots))
                case Histogram():
                    self._key(mark.name, ink.histogram(axes, *next(counts), look))
                case Bars():
                    place = groups.index(mark), len(groups)
                    self._key(mark.name, ink.bars(axes, mark, look, layout.categories(chart), place))
                case Area():
                    for name, key in ink.area(axes, mark, by_name):
                        self._key(name, key)
                case HeatMap():
                    self._heat(mark)

    def _key(self, name: str, keys: Sequence[Artist]) -> None:
        if name:
            self.keys.setdefault(name, []).extend(keys)

    def _heat(self, mark: HeatMap) -> None:
        x, y = layout.cell_edges(mark.x, self.chart.x.log), layout.cell_edges(mark.y, self.chart.y.log)
        if not mark.z.size:
            return
        finite = mark.z[np.isfinite(mark.z)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        mesh = self.axes.pcolormesh(x, y, np.ma.masked_invalid(mark.z), cmap="cividis", vmin=low, vmax=high)
        mesh.set_rasterized(mark.z.size > 10_000)
        self.bar = self.figure.add_axes((0.9, 0.2, 0.02, 0.6))
        colours = self.figure.colorbar(mesh, cax=self.bar)
        colours.outline.set_visible(False)  # type: ignore[operator]
        self.bar.yaxis.set_major_formatter(_Plain())
        self.bar.set_ylabel(lettering.wrap(mark.label, self.height, EM), labelpad=5, parse_math=False)

    def _references(self, side: list[lettering.Label], top: list[lettering.Label]) -> None:
        axes = self.axes
        style: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 2.5)), "zorder": 1.9}
        if self.bar is not None:  # a pale edge keeps the lines visible on dark cells
            style["path_effects"] = [withStroke(linewidth=2.2, foreground="white", alpha=0.6)]
        for mark in self.chart.marks:
            if isinstance(mark, HLine) and np.isfinite(mark.y):
                axes.axhline(mark.y, **style)
            elif isinstance(mark, VLine) and np.isfinite(mark.x):
                axes.axvline(mark.x, **style)
        leader = {"arrowstyle": "-", "linewidth": 0.5, "color": SOFT, "shrinkA": 0, "shrinkB": 0}
        common: dict[str, Any] = {
            "textcoords": "offset points",
            "annotation_clip": False,
            "linespacing": 1.2,
            "parse_math": False,
        }
        for label in side:
            side_on: dict[str, Any] = {"xy": (1, label.at), "xycoords": axes.get_yaxis_transform()} | common
            axes.annotate("", xytext=(16, label.shift), arrowprops=leader, **side_on)
            axes.annotate(label.text, xytext=(18, label.shift), va="center", **side_on)
        for label in top:
            top_on: dict[str, Any] = {"xy": (label.at, 1), "xycoords": axes.get_xaxis_transform()} | common
            axes.annotate("", xytext=(label.shift, 0.9 * EM), arrowprops=leader, **top_on)
            turn: dict[str, Any] = {"rotation": 90 if label.turned else 0, "ha": "center", "va": "bottom"}
            axes.annotate(label.text, xytext=(label.shift, 1.1 * EM), **turn, **top_on)

    # --- axes and legend ---------------------------------------------------------------------------------------

    def _scales(self) -> None:
        axes, chart = self.axes, self.chart
        axes.set_xscale("log" if chart.x.log else "linear")
        axes.set_yscale("log" if chart.y.log else "linear")
        axes.set_xlim(self.shown[0])
        axes.set_ylim(self.shown[1])
        axes.spines[["top", "right"]].set_visible(False)
        if not any(isinstance(mark, HeatMap) for mark in chart.marks):
            axes.grid(axis="y", color=GRID, linewidth=0.6)
        _ticks(axes.yaxis, chart.y, self.shown[1], max(3, min(7, int(self.height / (3 * EM)))))

    def _x_ticks(self, plot: float) -> float:
        """Put as many ticks on the x axis as have room; returns half the width of the widest label."""
        order = layout.categories(self.chart)
        axis = self.axes.xaxis
        if not order:
            for most in range(8, 0, -1):
                _ticks(axis, self.chart.x, self.shown[0], most)
                low, high = self.shown[0]
                at = [value for value in axis.get_major_locator()() if low <= value <= high]
                texts = axis.get_major_formatter().format_ticks(at)
                widest = max((lettering.text_width(text, EM) for text in texts), default=0.0)
                if (widest + 0.5 * EM) * len(at) <= plot:
                    break
            return widest / 2
        ticks = lettering.category_ticks(order, plot / (len(order) + 0.2), EM)
        turn: dict[str, Any] = {"rotation": 90} if ticks.turned else {}
        self.axes.set_xticks(ticks.at, ticks.texts, linespacing=1.1, parse_math=False, **turn)
        self.axes.tick_params(axis="x", length=0)
        return 0.0

    def _bar_room(self) -> float:
        """Width of the colour scale with its ticks and label."""
        if self.bar is None:
            return 0.0
        box = self.bar.yaxis.get_tightbbox(self.canvas.get_renderer())
        scale = 72 / self.figure.dpi
        return 12 + 9 + (box.x1 - self.bar.get_window_extent().x1) * scale + 4 if box is not None else 30.0

    def _legend(self, room: float) -> float:
        """Put the legend above the plot, in as many columns as fit; returns its height."""
        if not (self.chart.legend and self.keys):
            return 0.0
        labels = [lettering.wrap(name, min(room - 5 * EM, 26 * EM), EM) for name in self.keys]
        wide = [lettering.text_width(label, EM) + 5 * EM for label in labels]
        columns = next(n for n in range(len(wide), 0, -1) if n == 1 or sum(map(max, np.array_split(wide, n))) <= room)
        handles: list[Any] = [tuple(keys) if len(keys) > 1 else keys[0] for keys in self.keys.values()]
        legend = self.figure.legend(
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
        for text, label in zip(legend.get_texts(), labels, strict=True):
            text.set_parse_math(False)
            text.set_text(label)
        extent = legend.get_window_extent(self.canvas.get_renderer())
        return extent.height * 72 / self.figure.dpi + GAP


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


class _Plain(ticker.Formatter):
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


def _ticks(axis: Any, spec: Axis, interval: Interval, most: int) -> None:
    """At most so many ticks on an axis."""
    axis.set_major_formatter(_Plain())
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_minor_locator(ticker.NullLocator())
    if not spec.log:
        axis.set_major_locator(ticker.MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
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

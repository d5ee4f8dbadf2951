"""Charts on paper: Matplotlib figures, as PNG, PDF or SVG.

The plot has a fixed height, and the figure grows around it by what title, legend, labels and caption need: text
never covers data. All lengths are in points (1/72 inch).
"""

import io
import os
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from tacitlab.errors import TacitError
from tacitlab.plot import layout, lettering
from tacitlab.plot import paper_marks as ink
from tacitlab.plot import paper_panels as printed_panels
from tacitlab.plot import paper_sheet as sheet
from tacitlab.plot.chart import Chart, HeatMap
from tacitlab.plot.looks import GRID, SOFT, find_looks
from tacitlab.plot.panels import Panels, Picture
from tacitlab.plot.paper_marks import EM
from tacitlab.plot.paper_sheet import GAP, STYLE
from tacitlab.store import atomic

SUFFIXES = (".png", ".pdf", ".svg")
PLOT_HEIGHT = 190.0
IMAGE_DPI = 180  # of clouds and large heat maps within a PDF or SVG, which are lines and text otherwise

METADATA: dict[str, dict[str, Any]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def save(chart: Picture, path: str | os.PathLike[str], width: float = 6.3) -> Path:
    """Write a chart, or panels, as PNG (300 dots per inch), PDF or SVG, by the suffix of the path.

    Parameters
    ----------
    chart : Chart or Panels
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
        drawn.savefig(content, format=suffix[1:], dpi=300 if suffix == ".png" else IMAGE_DPI, metadata=METADATA[suffix])
    return atomic.replace(path, content.getvalue())


def figure(chart: Picture, width: float = 6.3) -> Figure:
    """Draw a chart, or panels, ``width`` inches wide and as high as it needs.

    Parameters
    ----------
    chart : Chart or Panels
        What to draw.
    width : float
        Width in inches: 6.3 fills an A4 page, 3.4 a column of a two-column journal.

    Returns
    -------
    matplotlib.figure.Figure
        A figure of its own, known to no ``pyplot``.

    Examples
    --------
    >>> from tacitlab.plot.chart import Axis, Line
    >>> figure(Chart("", Axis("period"), Axis("price", "money"), (Line([0, 1], [1.5, 1.6]),))).axes[0].get_ylabel()
    'price (money)'
    """
    with matplotlib.style.context(STYLE):
        if isinstance(chart, Panels):
            return printed_panels.figure(chart, width * 72)
        return _Sheet(chart, width * 72).finish()


class _Sheet:
    """A figure in the making: its plot, and the blocks of text around it."""

    def __init__(self, chart: Chart, width: float) -> None:
        self.shown = layout.limits(chart)
        self.chart, self.width = layout.ready(chart, self.shown), width
        self.figure = Figure(figsize=(width / 72, 4))
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0.15, 0.2, 0.7, 0.6))
        self.bar: Axes | None = None
        self.side_room = min(14 * EM, width / 4)  # widest text in the right margin
        self.height = max(PLOT_HEIGHT, lettering.needed_height(chart, self.shown[1], EM, self.side_room))

    def finish(self) -> Figure:
        """Draw, measure from the plot outwards, and put every block in its place."""
        chart, axes = self.chart, self.axes
        self._scales()
        self._position(60, 60, self.width - 120, 400)
        axes.set_ylabel(lettering.wrap(chart.y.title, self.height, EM), labelpad=5, parse_math=False)
        left = self._extent(axes.yaxis)[0] + GAP
        beside = lettering.side_labels(chart, self.shown[1], EM, self.side_room)
        label_room = max((lettering.text_width(text, EM) + 22 for _, text in beside if text), default=0.0)
        bar_room = self._bar_room()
        room = self.width - left - label_room - bar_room
        half = self._x_ticks(min(room, sheet.SQUARE) if chart.equal else room)
        right = max(label_room + bar_room, half + 2, 2 * EM)
        plot = self.width - left - right
        if chart.equal:
            plot = self.height = min(plot, sheet.SQUARE)
        side = lettering.place_side(chart, self.shown[1], EM, self.side_room, self.height)
        top = lettering.place_top(chart, self.shown[0], EM, plot, (GAP - left, plot + right - GAP))
        axes.set_xlabel(lettering.wrap(chart.x.title, plot, EM), labelpad=4, parse_math=False)
        self._position(left, 60, plot, 400)
        below = self._extent(axes.xaxis)[1]
        keys = ink.draw(axes, chart, find_looks(chart), self.shown, (plot, self.height))
        above = lettering.top_height(top, EM)
        bottom, total = sheet.frame(self.figure, chart, keys, below, self.height + above)
        self._position(left, bottom, plot, total)
        if self.bar is not None:
            self.bar.set_position(self._share(left + plot + label_room + 12, bottom, 9, self.height, total))
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

    # --- what is drawn -----------------------------------------------------------------------------------------

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
        self.bar.yaxis.set_major_formatter(sheet.Plain())
        self.bar.set_ylabel(lettering.wrap(mark.label, self.height, EM), labelpad=5, parse_math=False)

    def _references(self, side: list[lettering.Label], top: list[lettering.Label]) -> None:
        axes = self.axes
        # On a heat map a pale edge keeps the lines visible on dark cells.
        halo = [] if self.bar is None else [withStroke(linewidth=2.2, foreground="white", alpha=0.6)]
        ink.reference_lines(axes, self.chart, path_effects=halo)
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
            axes.grid(axis="both" if chart.equal else "y", color=GRID, linewidth=0.6)
        sheet.set_ticks(axes.yaxis, chart.y, self.shown[1], max(3, min(7, int(self.height / (3 * EM)))))

    def _x_ticks(self, plot: float) -> float:
        """Put as many ticks on the x axis as have room; returns half the width of the widest label."""
        order = layout.categories(self.chart)
        axis = self.axes.xaxis
        if not order:
            return sheet.fit_ticks(axis, self.chart.x, self.shown[0], plot, 7 if self.chart.equal else 8) / 2
        ticks = lettering.category_ticks(order, plot / (len(order) + 0.2), EM)
        turn: dict[str, Any] = {"rotation": 90} if ticks.turned else {}
        self.axes.set_xticks(ticks.at, ticks.texts, linespacing=1.1, parse_math=False, **turn)
        self.axes.tick_params(axis="x", length=0)
        return 0.0

    def _bar_room(self) -> float:
        """Draw heat maps; returns the width of the colour scale with its ticks and label."""
        for mark in self.chart.marks:
            if isinstance(mark, HeatMap):
                self._heat(mark)
        if self.bar is None:
            return 0.0
        box = self.bar.yaxis.get_tightbbox(self.canvas.get_renderer())
        scale = 72 / self.figure.dpi
        return 12 + 9 + (box.x1 - self.bar.get_window_extent().x1) * scale + 4 if box is not None else 30.0

"""Small multiples on paper: a grid of plots with ticks at its left and bottom borders only."""

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tacitlab.plot import layout, lettering
from tacitlab.plot import paper_marks as ink
from tacitlab.plot import paper_sheet as sheet
from tacitlab.plot.looks import GRID, find_looks
from tacitlab.plot.panels import Panels
from tacitlab.plot.paper_marks import EM
from tacitlab.plot.paper_sheet import GAP

HEIGHT = (58.0, 130.0)  # lowest and highest plot
APART = 8.0  # shortest distance of two plots in a row
SMALL = EM - 1.0


def figure(panels: Panels, width: float) -> Figure:
    """Draw panels on a sheet so many points wide."""
    return _Grid(panels, width).finish()


class _Grid:
    """A figure in the making: plots, numbered along the rows, and what stands around them."""

    def __init__(self, panels: Panels, width: float) -> None:
        self.panels, self.width = panels, width
        self.shown = layout.limits(panels.whole())
        self.columns = min(panels.columns, len(panels.panels))
        self.figure = Figure(figsize=(width / 72, 4))
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes = [self._plot() for _ in panels.panels]

    def finish(self) -> Figure:
        """Find the size of a plot, draw into all of them, and put every block in its place."""
        about = self.panels.rows * self._size(60, GAP, APART)[1]
        y_title = lettering.wrap(self.panels.y.title, 0.9 * about, EM)
        left, right, apart = self._margins(lettering.text_height(y_title, EM))
        across, height = self._size(left, right, apart)
        plot = height if self.panels.equal else across
        self._y_ticks(height)
        titles = [lettering.wrap(panel.title, across, SMALL) for panel in self.panels.panels]
        strip = max(lettering.text_height(title, SMALL) if title else 0.0 for title in titles) + 3
        row = height + strip + APART
        keys = self._draw((plot, height))

        x_title = lettering.wrap(self.panels.x.title, self.width - left - GAP, EM)
        below = 1.4 * SMALL + 4 + lettering.text_height(x_title, EM)
        grid = row * self.panels.rows - APART
        bottom, total = sheet.frame(self.figure, self.panels, keys, below, grid)
        for at, (axes, title) in enumerate(zip(self.axes, titles, strict=True)):
            x = left + (at % self.columns) * (across + apart)
            y = bottom + grid - strip - height - (at // self.columns) * row
            axes.set_position((x / self.width, y / total, plot / self.width, height / total))
            place = x / self.width, (y + height + 3) / total
            self.figure.text(*place, title, va="bottom", size=SMALL, linespacing=1.2, parse_math=False)
        middle = (left + (self.columns * (across + apart) - apart) / 2) / self.width
        self.figure.text(middle, (bottom - below) / total, x_title, ha="center", va="bottom", parse_math=False)
        centre = (bottom + grid / 2) / total
        self.figure.text(GAP / self.width, centre, y_title, rotation=90, va="center", parse_math=False)
        return self.figure

    def _plot(self) -> Axes:
        """Empty axes, whose ticks are labelled only at the borders of the grid."""
        at = len(self.figure.axes)
        axes = self.figure.add_axes((0.1, 0.1, 0.8, 0.8), label=str(at))
        axes.set_xscale("log" if self.panels.x.log else "linear")
        axes.set_yscale("log" if self.panels.y.log else "linear")
        axes.set_xlim(self.shown[0])
        axes.set_ylim(self.shown[1])
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="both" if self.panels.equal else "y", color=GRID, linewidth=0.6)
        last = at + self.columns >= len(self.panels.panels)
        axes.tick_params(labelsize=SMALL, labelleft=at % self.columns == 0, labelbottom=last, length=2.5, pad=2)
        return axes

    def _size(self, left: float, right: float, apart: float) -> tuple[float, float]:
        """Width of a column and height of a plot, with these margins and this distance of two columns."""
        across = (self.width - left - right - (self.columns - 1) * apart) / self.columns
        return across, min(across, sheet.SQUARE) if self.panels.equal else min(max(0.75 * across, HEIGHT[0]), HEIGHT[1])

    def _margins(self, beside: float) -> tuple[float, float, float]:
        """What ticks need at the left, the right and between two columns.

        ``beside`` is the room that the title of the vertical axis takes.
        """
        self._y_ticks(HEIGHT[1])
        axes = self.axes[0]
        box = axes.yaxis.get_tightbbox(self.canvas.get_renderer())
        numbers = (axes.get_window_extent().x0 - box.x0) * 72 / self.figure.dpi if box is not None else 0.0
        left = GAP + beside + numbers + 4
        apart, right = APART, GAP
        for _ in range(2):  # ticks depend on the width of a plot, and that on how far they reach beyond it
            before, after = self._x_ticks(self._size(left, right, apart)[0])
            apart, right = max(APART, before + after + 4), max(GAP, after + 2)
        return left, right, apart

    def _x_ticks(self, across: float) -> tuple[float, float]:
        """Set ticks on all horizontal axes; returns how far their labels reach to the left and right of a plot."""
        reach = [(0.0, 0.0)]
        for axes in self.axes:
            sheet.fit_ticks(axes.xaxis, self.panels.x, self.shown[0], across, most=5)
        at = [value for value in axes.get_xticks() if self.shown[0][0] <= value <= self.shown[0][1]]
        for value, text in zip(at, axes.xaxis.get_major_formatter().format_ticks(at), strict=True):
            place = layout.fraction(value, self.shown[0], self.panels.x.log) * across
            half = lettering.text_width(text, SMALL) / 2
            reach.append((half - place, half - across + place))
        return max(before for before, _ in reach), max(after for _, after in reach)

    def _y_ticks(self, height: float) -> None:
        for axes in self.axes:
            sheet.set_ticks(axes.yaxis, self.panels.y, self.shown[1], max(3, min(5, int(height / (1.8 * EM)))))

    def _draw(self, size: tuple[float, float]) -> dict[str, list[Artist]]:
        """Draw all marks; returns what stands in the legend: each name as it is first drawn."""
        keys: dict[str, list[Artist]] = {}
        looks = find_looks(self.panels.whole())
        for axes, (chart, own) in zip(self.axes, layout.split(self.panels, looks, self.shown), strict=True):
            for name, key in ink.draw(axes, chart, own, self.shown, size).items():
                keys.setdefault(name, key)
            ink.reference_lines(axes, chart)
        return keys

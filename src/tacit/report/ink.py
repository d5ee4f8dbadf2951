"""Marks on paper: each function draws one mark with Matplotlib and returns what stands for it in the legend."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tacit.report import layout
from tacit.report.chart import Area, Bars, Line, Numbers, Points
from tacit.report.layout import INK, SOFT, Look

# Two patterns for each round through the palette: plain and ``dash``.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
EM = 8.5  # font size in points
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "cross": "P", "x": "X"}


def line(axes: Axes, mark: Line, look: Look) -> list[Artist]:
    """A curve with its band; lone points as dots."""
    keys: list[Artist] = []
    x, y = mark.x, mark.y
    if mark.low is not None and mark.high is not None:
        for outline in layout.polygons(x, mark.low, mark.high, mark.steps):
            axes.fill(*outline, color=look.colour, alpha=0.2, linewidth=0)
        keys.append(Patch(color=look.colour, alpha=0.2, linewidth=0))
    dashes = DASHES[(2 * look.round + mark.dash) % len(DASHES)]
    path = layout.stairs(x, y) if mark.steps else (x, y)
    axes.plot(*path, color=look.colour, linestyle=dashes)
    alone = layout.lone(x, y)
    if alone.any():
        band = [None if side is None else side[alone] for side in (mark.low, mark.high)]
        points(axes, Points(x[alone], y[alone], symbol="circle", low=band[0], high=band[1]), look)
    return [*keys, Line2D([], [], color=look.colour, linestyle=dashes)]


def points(axes: Axes, mark: Points, look: Look) -> list[Artist]:
    """A scatter with error bars."""
    shape = MARKERS[mark.symbol or look.symbol]
    if mark.low is not None and mark.high is not None:
        known = np.isfinite(mark.x) & np.isfinite(mark.low) & np.isfinite(mark.high)
        axes.vlines(mark.x[known], mark.low[known], mark.high[known], color=look.colour, linewidth=0.9)
    style: dict[str, Any] = {"linestyle": "none", "marker": shape, "markersize": 4.5, "color": look.colour}
    style |= {"markeredgecolor": "white", "markeredgewidth": 0.4, "zorder": 2.5}
    axes.plot(mark.x, mark.y, **style)
    return [Line2D([], [], **style)]


def beside(axes: Axes, mark: Points, spots: list[str]) -> None:
    """Write the labels of points at the spots found for them."""
    for x, y, text, spot in zip(mark.x, mark.y, mark.labels or (), spots, strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        vertical, horizontal = spot.split()
        shift = (
            {"left": -0.6, "center": 0.0, "right": 0.6}[horizontal] * EM,
            {"bottom": -0.4, "middle": 0.0, "top": 0.4}[vertical] * EM,
        )
        ha = {"left": "right", "center": "center", "right": "left"}[horizontal]
        va = {"bottom": "top", "middle": "center", "top": "bottom"}[vertical]
        axes.annotate(text, (x, y), shift, textcoords="offset points", ha=ha, va=va, parse_math=False)


def histogram(axes: Axes, edges: Numbers, counts: Numbers, look: Look) -> list[Artist]:
    """Counts in bins, as an outline lightly filled."""
    base = axes.get_ylim()[0] if axes.get_yscale() == "log" else 0.0
    style: dict[str, Any] = {"facecolor": to_rgba(look.colour, 0.35), "edgecolor": look.colour, "linewidth": 1.0}
    if counts.any():
        axes.stairs(np.maximum(counts, base), edges, baseline=base, fill=True, **style)
    return [Patch(**style)]


def bars(axes: Axes, mark: Bars, look: Look, order: list[str], place: tuple[int, int]) -> list[Artist]:
    """One of several groups of bars side by side."""
    at, wide = layout.bar_places(mark, order, *place)
    axes.bar(at, mark.heights, wide, color=look.colour, linewidth=0)
    if mark.low is not None and mark.high is not None:
        known = np.isfinite(mark.low) & np.isfinite(mark.high)
        axes.vlines(at[known], mark.low[known], mark.high[known], color=INK, linewidth=0.9)
    if axes.get_ylim()[0] < 0:
        axes.axhline(0, color=SOFT, linewidth=0.6)
    return [Patch(color=look.colour, linewidth=0)]


def area(axes: Axes, mark: Area, looks: dict[str, Look]) -> list[tuple[str, list[Artist]]]:
    """Stacked shares, a polygon each."""
    keys: list[tuple[str, list[Artist]]] = []
    for name, lower, upper in layout.stacked(mark):
        colour = looks[name].colour
        hatch = "////" if looks[name].round % 2 else None
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.4, "hatch": hatch}
        for outline in layout.polygons(mark.x, lower, upper):
            axes.fill(*outline, **style)
        keys.append((name, [Patch(**style)]))
    return keys

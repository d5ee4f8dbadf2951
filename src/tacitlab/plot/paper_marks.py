"""Marks on paper: each function draws one mark with Matplotlib and returns what stands for it in the legend."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tacitlab.plot import layout, lettering
from tacitlab.plot.chart import (
    Area,
    Badges,
    Bars,
    Chart,
    Cloud,
    Histogram,
    HLine,
    Line,
    Numbers,
    Points,
    Rectangle,
    VLine,
)
from tacitlab.plot.layout import Interval
from tacitlab.plot.looks import INK, SOFT, Look, Looks, badge_colours, names, text_on

# Two patterns for each round through the palette: plain and ``dash``.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
EM = 8.5  # font size in points
MARKERS: dict[str, Any] = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "cross": "P", "x": "X"}
MARKERS |= {"star": "*", "star-diamond": (4, 1, 0)}
REFERENCE: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 2.5)), "zorder": 1.9}


def draw(
    axes: Axes, chart: Chart, looks: Looks, shown: tuple[Interval, Interval], size: Interval
) -> dict[str, list[Artist]]:
    """Draw the marks of a chart, all but heat maps and reference lines, on a plot of this size in points.

    Returns what stands in the legend for each name.
    """
    groups = [mark for mark in chart.marks if isinstance(mark, Bars)]
    counts = iter(layout.counted(chart))
    spots = iter(lettering.point_spots(chart, shown, size, EM))
    discs = iter(lettering.badge_places(chart, shown, size, EM))
    keys: dict[str, list[Artist]] = {}
    for mark, look in zip(chart.marks, looks.by_mark, strict=True):
        found: list[Artist] = []
        match mark:
            case Line():
                found = line(axes, mark, look)
            case Points():
                found = points(axes, mark, look)
                if mark.labels is not None:
                    beside(axes, mark, next(spots))
            case Histogram():
                found = histogram(axes, *next(counts), look)
            case Bars():
                place = groups.index(mark), len(groups)
                found = bars(axes, mark, look, layout.categories(chart), place)
            case Area():
                for name, key in area(axes, mark, looks.by_name):
                    keys.setdefault(name, []).extend(key)
            case Cloud():
                found = cloud(axes, mark, look, looks.groups)
            case Badges():
                found = badges(axes, mark, next(discs), look, looks.groups)
            case Rectangle():
                found = rectangle(axes, mark, look)
        for name in names(mark)[:1] if found else ():
            keys.setdefault(name, []).extend(found)
    return keys


def reference_lines(axes: Axes, chart: Chart, **style: Any) -> None:
    """Dashed lines across the plot."""
    for mark in chart.marks:
        if isinstance(mark, HLine) and np.isfinite(mark.y):
            axes.axhline(mark.y, **REFERENCE | style)
        elif isinstance(mark, VLine) and np.isfinite(mark.x):
            axes.axvline(mark.x, **REFERENCE | style)


def line(axes: Axes, mark: Line, look: Look) -> list[Artist]:
    """A curve with its band; lone points as dots."""
    keys: list[Artist] = []
    x, y = mark.x, mark.y
    if mark.low is not None and mark.high is not None:
        for outline in layout.polygons(x, mark.low, mark.high, mark.steps):
            axes.fill(*outline, color=look.colour, alpha=0.2, linewidth=0)
        keys.append(Patch(color=look.colour, alpha=0.2, linewidth=0))
    style: dict[str, Any] = {"color": look.colour, "linestyle": DASHES[(2 * look.round + mark.dash) % len(DASHES)]}
    if mark.reference:
        style |= {"linewidth": 0.9}
    path = layout.stairs(x, y) if mark.steps else (x, y)
    axes.plot(*path, **style)
    alone = layout.lone(x, y)
    if alone.any():
        band = [None if side is None else side[alone] for side in (mark.low, mark.high)]
        points(axes, Points(x[alone], y[alone], symbol="circle", low=band[0], high=band[1]), look)
    return [*keys, Line2D([], [], **style)]


def points(axes: Axes, mark: Points, look: Look) -> list[Artist]:
    """A scatter with error bars."""
    shape = MARKERS[mark.symbol or look.symbol]
    if mark.low is not None and mark.high is not None:
        known = np.isfinite(mark.x) & np.isfinite(mark.low) & np.isfinite(mark.high)
        axes.vlines(mark.x[known], mark.low[known], mark.high[known], color=look.colour, linewidth=0.9)
    star = (mark.symbol or look.symbol).startswith("star")
    style: dict[str, Any] = {"linestyle": "none", "marker": shape, "markersize": 10.0 if star else 4.5}
    style |= {"color": look.colour, "markeredgecolor": "white", "markeredgewidth": 0.7 if star else 0.4, "zorder": 2.5}
    if mark.hollow:
        style |= {"markerfacecolor": "white", "markeredgecolor": look.colour, "markeredgewidth": 0.8}
    if star:
        style |= {"zorder": 3.2}  # above badges
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


def cloud(axes: Axes, mark: Cloud, look: Look, groups: dict[int, str]) -> list[Artist]:
    """Very many points, which a file for print holds as an image."""
    drawn = layout.cloud_order(mark)
    colours = look.colour if mark.groups is None else [groups[group] for group in mark.groups[drawn].tolist()]
    style: dict[str, Any] = {"alpha": 0.35, "linewidths": 0, "zorder": 1, "rasterized": True}
    size = min(3.0, 300 / max(len(drawn), 1) ** 0.5)  # square points
    axes.scatter(mark.x[drawn], mark.y[drawn], size, colours, **style)
    return [Line2D([], [], linestyle="none", marker="o", markersize=2.5, color=look.colour, markeredgewidth=0)]


def badges(axes: Axes, mark: Badges, discs: Numbers, look: Look, groups: dict[int, str]) -> list[Artist]:
    """Texts in discs, with lines to the places that they were moved from."""
    colours = badge_colours(mark, look, groups)
    radius = lettering.BADGE * EM
    disc: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2 * radius - 0.6}
    disc |= {"markeredgecolor": "white", "markeredgewidth": 0.6}
    for x, y, text, (to_x, to_y), colour in zip(mark.x, mark.y, mark.texts, discs, colours, strict=True):
        axes.plot([x, to_x], [y, to_y], color=INK, linewidth=0.6, zorder=2.8)
        axes.plot(x, y, linestyle="none", marker="o", markersize=2.2, color=INK, markeredgewidth=0, zorder=2.8)
        axes.plot(to_x, to_y, color=colour, zorder=3, **disc)
        style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 0.72 * EM, "zorder": 3.1}
        axes.text(to_x, to_y, text, color=text_on(colour), clip_on=True, parse_math=False, **style)
    return [Line2D([], [], color=look.colour, **disc)]


def rectangle(axes: Axes, mark: Rectangle, look: Look) -> list[Artist]:
    """A region, outlined and lightly shaded."""
    style: dict[str, Any] = {"facecolor": to_rgba(look.colour, 0.12), "edgecolor": look.colour, "linewidth": 1.0}
    axes.fill([mark.x0, mark.x1, mark.x1, mark.x0], [mark.y0, mark.y0, mark.y1, mark.y1], zorder=1.5, **style)
    return [Patch(**style)]

"""What both renderers must agree on: the part of the plane shown, bins and outlines."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tacitlab.plot.chart import (
    Area,
    Axis,
    Badges,
    Bars,
    Chart,
    Cloud,
    HeatMap,
    Histogram,
    HLine,
    Line,
    Mark,
    Numbers,
    Points,
    Rectangle,
    VLine,
)
from tacitlab.plot.looks import Looks
from tacitlab.plot.panels import Panels

Interval: TypeAlias = tuple[float, float]

# --- the part of the plane shown -------------------------------------------------------------------------------


def visible(values: Numbers, log: bool) -> Numbers:
    """Values with NaN where the axis cannot show them."""
    return np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)


def padded(values: Sequence[Numbers], axis: Axis, pad: float, zero: bool = False) -> Interval:
    """The interval of an axis: its own range, or that of the data with a margin on both sides."""
    if axis.range is not None:
        return axis.range
    pool = np.concatenate([visible(np.ravel(part), axis.log) for part in values] or [np.empty(0)])
    pool = pool[np.isfinite(pool)]
    if not pool.size:
        return (1.0, 10.0) if axis.log else (0.0, 1.0)
    low, high = float(pool.min()), float(pool.max())
    if axis.log:
        if high / low < 1 + 1e-9:
            return low / 2, high * 2
        factor = (high / low) ** pad
        return low / (2.0 if zero else factor), high * factor
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            return 0.0, 1.0
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = 0.1 * abs(low) or 0.5
        return low - half, high + half
    margin = pad * (high - low)
    return (low if zero and low == 0 else low - margin), (high if zero and high == 0 else high + margin)


def limits(chart: Chart) -> tuple[Interval, Interval]:
    """The intervals of x and y that the chart shows; reference lines are always inside unless a range is given."""
    xs: list[Numbers] = []
    ys: list[Numbers] = []
    for edges, counts in counted(chart):
        xs.append(edges)
        ys.append(counts)
    for mark in chart.marks:
        match mark:
            case HLine():
                ys.append(np.array([mark.y]))
            case VLine():
                xs.append(np.array([mark.x]))
            case Rectangle():
                xs.append(np.array([mark.x0, mark.x1]))
                ys.append(np.array([mark.y0, mark.y1]))
            case Cloud() | Badges():
                xs.append(mark.x)
                ys.append(mark.y)
            case Line() | Points():
                xs.append(mark.x)
                ys += [part for part in (mark.y, mark.low, mark.high) if part is not None]
            case Bars():
                ys += [part for part in (mark.heights, mark.low, mark.high) if part is not None]
            case Area():
                xs.append(mark.x)
                ys.append(np.sum(list(mark.parts.values()), axis=0) if mark.parts else np.empty(0))
            case HeatMap():
                xs.append(cell_edges(mark.x, chart.x.log))
                ys.append(cell_edges(mark.y, chart.y.log))
    kinds = {type(mark) for mark in chart.marks}
    if order := categories(chart):
        xs.append(np.array([-0.6, len(order) - 0.4]))
    x = padded(xs, chart.x, 0.03 if kinds & {Points, Histogram, Cloud, Badges} else 0.0)
    y = padded(ys, chart.y, 0.0 if HeatMap in kinds else 0.05, zero=bool(kinds & {Histogram, Bars, Area}))
    if Area in kinds and chart.y.range is None and y[0] == 0 and abs(y[1] / 1.05 - 1) < 1e-6:
        y = (0.0, 1.0)  # shares that add up to one fill the plot
    if chart.equal and chart.x.range is None:
        half = max(x[1] - x[0], y[1] - y[0]) / 2
        (x, y) = ((sum(ends) / 2 - half, sum(ends) / 2 + half) for ends in (x, y))
    return x, y


def fraction(value: float, interval: Interval, log: bool) -> float:
    """Where a value lies on an axis: 0 at its start, 1 at its end, NaN if it cannot be shown."""
    if log and not value > 0:
        return math.nan
    low, high, at = (math.log(item) if log else item for item in (*interval, value))
    return (at - low) / (high - low)


def at_fraction(part: float, interval: Interval, log: bool) -> float:
    """The value that lies at a fraction of an axis."""
    low, high = (math.log(end) if log else end for end in interval)
    at = low + part * (high - low)
    return math.exp(at) if log else at


def ready(chart: Chart, shown: tuple[Interval, Interval]) -> Chart:
    """The chart with gaps where its axes cannot show a value, and with bands that end at the border of the plot."""
    bottom = shown[1][0]

    def clear(mark: Mark) -> Mark:
        if isinstance(mark, Area):
            return replace(mark, x=visible(mark.x, chart.x.log))
        if isinstance(mark, Cloud | Badges):
            return replace(mark, x=visible(mark.x, chart.x.log), y=visible(mark.y, chart.y.log))
        if not isinstance(mark, Line | Points | Bars):
            return mark
        ends: dict[str, Any] = {}
        if mark.low is not None and mark.high is not None:
            low = np.where(mark.low <= 0, bottom, mark.low) if chart.y.log else mark.low
            ends = {"low": visible(low, chart.y.log), "high": visible(mark.high, chart.y.log)}
        if isinstance(mark, Bars):
            return replace(mark, heights=visible(mark.heights, chart.y.log), **ends)
        return replace(mark, x=visible(mark.x, chart.x.log), y=visible(mark.y, chart.y.log), **ends)

    return replace(chart, marks=tuple(clear(mark) for mark in chart.marks))


def split(panels: Panels, whole: Looks, shown: tuple[Interval, Interval]) -> list[tuple[Chart, Looks]]:
    """A chart for each panel, ready to be drawn, with the looks that its marks have among all."""
    result, at = [], 0
    for panel in panels.panels:
        own = whole._replace(by_mark=whole.by_mark[at : at + len(panel.marks)])
        result.append((ready(Chart(panel.title, panels.x, panels.y, panel.marks), shown), own))
        at += len(panel.marks)
    return result


def powers(ticks: Numbers) -> bool:
    """Whether the ticks of an axis are better written as powers of ten."""
    sizes = np.abs(ticks[ticks != 0])
    return bool(sizes.size) and (float(sizes.max()) >= 1e8 or float(sizes.min()) < 1e-5)


# --- geometry of marks -----------------------------------------------------------------------------------------


def categories(chart: Chart) -> list[str]:
    """Categories of all bars, in order of first appearance: category i stands at x = i."""
    return list(dict.fromkeys(name for mark in chart.marks if isinstance(mark, Bars) for name in mark.categories))


def bar_places(mark: Bars, order: list[str], group: int, groups: int) -> tuple[Numbers, float]:
    """Where the bars of one of several groups stand, and how wide they are."""
    wide = 0.8 / groups
    at = np.array([order.index(category) for category in mark.categories], dtype=np.float64)
    return at + (group - (groups - 1) / 2) * wide, wide


def stacked(mark: Area) -> list[tuple[str, Numbers, Numbers]]:
    """Name, lower and upper border of each share."""
    floor = np.zeros_like(mark.x)
    result = []
    for name, share in mark.parts.items():
        result.append((name, floor, floor + share))
        floor = floor + share
    return result


def counted(chart: Chart) -> list[tuple[Numbers, Numbers]]:
    """Bin edges and counts of each histogram, in the order of the marks."""
    marks = [mark for mark in chart.marks if isinstance(mark, Histogram)]
    samples = [visible(mark.values, chart.x.log) for mark in marks]
    samples = [sample[np.isfinite(sample)] for sample in samples]
    pool = np.concatenate(samples or [np.empty(0)])
    finest = max((bin_count(sample, chart.x.log, pool) for sample in samples), default=1)
    found = []
    for mark, sample in zip(marks, samples, strict=True):
        edges = mark.edges if mark.edges is not None else bin_edges(pool, mark.bins or finest, chart.x.log)
        found.append((edges, np.histogram(sample, edges)[0].astype(np.float64)))
    return found


def bin_count(sample: Numbers, log: bool, pool: Numbers) -> int:
    """How many bins over the pool of all samples one sample deserves.

    By the rule of Freedman and Diaconis (1981) or of Sturges (1926), whichever is finer, but at most 60: one far
    outlier would ask for thousands.
    """
    if not sample.size:
        return 1
    scaled = np.log10(sample) if log else sample
    span = float(np.ptp(np.log10(pool) if log else pool))
    lower, upper = np.quantile(scaled, [0.25, 0.75])
    width = 2 * float(upper - lower) / sample.size ** (1 / 3)
    fine = min(60.0, span / width) if width > span / 1000 else 0.0
    return math.ceil(min(60.0, max(fine, math.log2(sample.size) + 1)))


def bin_edges(pool: Numbers, count: int, log: bool) -> Numbers:
    """Equal bins over finite values (equal in the logarithm on a logarithmic axis)."""
    if not pool.size:
        return np.array([1.0, 10.0]) if log else np.array([0.0, 1.0])
    scaled = np.log10(pool) if log else pool
    low, high = float(scaled.min()), float(scaled.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = 0.05 * abs(low) or 0.5
        edges = np.array([low - half, low + half])
    else:
        edges = np.linspace(low, high, count + 1)
    return 10**edges if log else edges


def cell_edges(centres: Numbers, log: bool) -> Numbers:
    """Borders half-way between the centres of cells; on a logarithmic axis half-way in the logarithm."""
    if not centres.size:
        return np.array([1.0, 10.0]) if log else np.array([0.0, 1.0])
    scaled = np.log10(centres) if log else centres
    half = np.diff(scaled) / 2 if scaled.size > 1 else np.array([0.5])
    edges = np.concatenate([[scaled[0] - half[0]], scaled[:-1] + half[: scaled.size - 1], [scaled[-1] + half[-1]]])
    return 10**edges if log else edges


def polygons(x: Numbers, low: Numbers, high: Numbers, steps: bool = False) -> list[tuple[Numbers, Numbers]]:
    """Outlines of a band, one for each run without gaps; a lone point has none (it is drawn as an error bar)."""
    whole = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    outlines = []
    for run in np.split(np.arange(len(x)), np.flatnonzero(np.diff(whole)) + 1):
        if len(run) < 2 or not whole[run[0]]:
            continue
        along, lower, upper = x[run], low[run], high[run]
        if steps:
            along = np.repeat(along, 2)[1:]
            lower, upper = np.repeat(lower, 2)[:-1], np.repeat(upper, 2)[:-1]
        outlines.append((np.concatenate([along, along[::-1]]), np.concatenate([upper, lower[::-1]])))
    return outlines


def stairs(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """The path of a curve that holds each value until the next x, unless a gap comes next."""
    held = np.where(np.isfinite(y[1:]), y[:-1], np.nan)
    return np.repeat(x, 2)[1:], np.insert(y, np.arange(1, len(y)), held)


def lone(x: Numbers, y: Numbers) -> NDArray[np.bool_]:
    """Points between two gaps, which a line would not show."""
    seen = np.isfinite(x) & np.isfinite(y)
    before, after = np.concatenate([[False], seen[:-1]]), np.concatenate([seen[1:], [False]])
    return seen & ~before & ~after


def cloud_order(mark: Cloud, most: int | None = None) -> NDArray[np.int64]:
    """The points of a cloud that are drawn, in their order: by lot, groups in turn, so that none hides another.

    Of more than ``most`` points only the first ``most`` are left: of each group as many, while it has any.
    """
    seen = np.flatnonzero(np.isfinite(mark.x) & np.isfinite(mark.y))
    drawn = np.random.default_rng(0).permutation(seen)
    if mark.groups is not None:
        drawn = drawn[np.argsort(mark.groups[drawn], kind="stable")]
        groups, first = np.unique(mark.groups[drawn], return_index=True)
        turn = np.arange(len(drawn)) - first[np.searchsorted(groups, mark.groups[drawn])]
        drawn = drawn[np.argsort(turn, kind="stable")]
    return drawn[:most]

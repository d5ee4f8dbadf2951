"""What all figures on the screen have in common: style, axes, legend, and the texts around the plot."""

import math
from typing import Any

import numpy as np

from tacitlab.plot import layout, lettering
from tacitlab.plot import screen_marks as traces
from tacitlab.plot.chart import Axis, Badges, Bars, Chart, Cloud, HeatMap, Histogram, HLine, Points, VLine
from tacitlab.plot.layout import Interval
from tacitlab.plot.looks import GRID, INK, SOFT, find_looks
from tacitlab.plot.screen_marks import EM, NUMBER

WIDTH = 704  # pixels for which texts are wrapped and placed; the width of a report's column
GAP = 10.0
SQUARE = 520.0  # longest side of a plot with equal units
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


def has(chart: Chart, *kinds: type) -> bool:
    """Whether a chart has marks of these kinds."""
    return any(isinstance(mark, kinds) for mark in chart.marks)


def frame(chart: Chart, left: float, right: float, below: float, height: float, strip: float = 0.0) -> dict[str, Any]:
    """Height, margins, legend, title and caption of a figure, around a plot of this height.

    ``left``, ``right`` and ``below`` are what ticks and labels need, ``strip`` is the height of labels above the plot.
    """
    legend = _legend_room(chart)
    title = lettering.wrap(chart.title, WIDTH - 2 * GAP, 1.3 * EM)
    caption = lettering.wrap(chart.caption, WIDTH - 2 * GAP, 0.92 * EM)
    above = max(strip + legend + GAP + (lettering.text_height(title, 1.3 * EM) + GAP if title else 0.0), 2.2 * EM)
    bottom = below + (lettering.text_height(caption, EM) + GAP if caption else 0.0)
    blocks = []
    if title:
        bold = {"size": 1.2 * EM}
        blocks.append(_block(f"<b>{traces.plain(title)}</b>", left, 1, strip + legend + GAP, "bottom", bold))
    if caption:
        small = {"size": 0.92 * EM, "color": SOFT}
        blocks.append(_block(traces.plain(caption), left, 0, -below, "top", small))
    return {
        **_style(chart),
        "height": above + height + bottom,
        "margin": {"l": left, "r": right, "t": above, "b": bottom, "pad": 0},
        "legend": {
            "orientation": "h",
            "x": (GAP - left) / (WIDTH - left - right),
            "xanchor": "left",
            "y": 1 + (strip + 0.6 * GAP) / height,
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
        },
        "annotations": blocks,
    }


def _style(chart: Chart) -> dict[str, Any]:
    """What does not depend on sizes."""
    single = has(chart, Points, Histogram, Bars, HeatMap, Cloud, Badges) or len(find_looks(chart).by_name) > 8
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": EM, "color": INK},
        "showlegend": _legend_room(chart) > 0,
        "barmode": "overlay",
        # A reader points at single marks, or, among a few curves, at a moment common to all.
        "hovermode": "closest" if single else "x unified",
        "hoverlabel": {"bgcolor": "white", "bordercolor": GRID, "font": {"color": INK, "size": EM}, "namelength": 60},
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": "#999999",
            "activecolor": SOFT,
            "remove": ["sendChartToCloud", "lasso", "select", "zoom", "pan", "zoomin", "zoomout", "autoscale"],
        },
    }


def axis(spec: Axis, interval: Interval, most: int) -> dict[str, Any]:
    """One axis, with about so many ticks."""
    power = layout.powers(np.array(interval))
    chosen: dict[str, Any] = {"type": "linear", "range": list(interval), "nticks": most}
    if spec.whole and interval[1] - interval[0] < most:
        chosen["dtick"] = 1
    if spec.log:
        low, high = (math.log10(end) for end in interval)
        if high - low > 2.2:  # with more than 0.7 decades to a tick the library labels whole powers of ten only
            most = min(most, int((high - low) / 0.72))
        chosen = {"type": "log", "range": [low, high], "nticks": most}
        if high - low > 1:
            chosen["minor"] = {"ticks": "outside", "ticklen": 2, "tickcolor": SOFT}
        if not power:
            chosen["tickformat"] = ",~r"
    return chosen | {
        "title": {"font": {"size": EM}},
        "tickfont": {"size": 0.85 * EM if power else EM},  # the library enlarges powers
        "showgrid": False,
        "zeroline": False,
        "showline": True,
        "linecolor": SOFT,
        "linewidth": 1,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": SOFT,
        "automargin": True,
        "separatethousands": True,
        "exponentformat": "power" if power else "none",
        "hoverformat": NUMBER,
    }


def _legend_room(chart: Chart) -> float:
    """Height of the legend above the plot, whose entries flow into rows."""
    labels = [traces.short(name) for name in find_looks(chart).by_name] if chart.legend else []
    if not labels:
        return 0.0
    rows, along = [0.0], 0.0
    for label in labels:
        wide = lettering.text_width(label, EM) + 45
        if along + wide > WIDTH - 2 * GAP and along > 0:
            rows, along = [*rows, 0.0], 0.0
        along += wide
        rows[-1] = max(rows[-1], 1.1 * lettering.text_height(label, EM) + 4)
    return sum(rows) + GAP


def _block(text: str, left: float, y: int, shift: float, anchor: str, font: dict[str, Any]) -> dict[str, Any]:
    """A text at the left border of the figure, so many pixels above the bottom (0) or the top (1) of the plot."""
    place = {"x": 0, "xref": "paper", "xshift": GAP - left, "xanchor": "left", "align": "left", "showarrow": False}
    return place | {"text": text, "y": y, "yref": "paper", "yshift": shift, "yanchor": anchor, "font": font}


def lines(chart: Chart, xref: str = "x", yref: str = "y") -> list[dict[str, Any]]:
    """Reference lines; on a heat map with a pale edge, to be seen on dark cells."""
    dashed = {"color": INK, "width": 1.1, "dash": "5px,3px"}
    halo = {"color": "rgba(255,255,255,0.6)", "width": 3}
    shapes: list[dict[str, Any]] = []
    for mark in chart.marks:
        for style in [halo, dashed] if has(chart, HeatMap) else [dashed]:
            place: dict[str, Any] = {"type": "line", "line": style, "layer": "above"}
            if isinstance(mark, HLine) and _drawable(mark.y, chart.y):
                shapes.append(place | {"xref": f"{xref} domain", "x0": 0, "x1": 1, "y0": mark.y, "y1": mark.y})
            elif isinstance(mark, VLine) and _drawable(mark.x, chart.x):
                shapes.append(place | {"yref": f"{yref} domain", "y0": 0, "y1": 1, "x0": mark.x, "x1": mark.x})
    return shapes


def _drawable(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and (value > 0 or not axis.log)

"""Charts on the screen: Plotly figures that readers can zoom, point at and take apart.

The plot has a fixed height in pixels and the width of the page; margins are computed from the texts around it.
"""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tacit.report import layout, lettering, traces
from tacit.report.chart import Axis, Bars, Chart, HeatMap, Histogram, HLine, Points, VLine
from tacit.report.layout import GRID, INK, SOFT, Interval
from tacit.report.traces import EM, NUMBER

WIDTH = 704  # pixels for which texts are wrapped and placed; the width of a report's column
PLOT_HEIGHT = 300.0
GAP = 10.0
LEFT = 64.0
SIDE_ROOM = 14 * EM
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


def figure(chart: Chart) -> go.Figure:
    """Draw a chart for a page: it fills the width it is given and has the height that it needs.

    Parameters
    ----------
    chart : Chart
        What to draw.

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> from tacit.report.chart import Line
    >>> drawn = figure(Chart("", Axis("period"), Axis("price", "money"), (Line([0, 1], [1.5, 1.6], "firm 1"),)))
    >>> drawn.layout.yaxis.title.text, drawn.data[0].name
    ('price (money)', 'firm 1')
    """
    shown = layout.limits(chart)
    height = max(PLOT_HEIGHT, lettering.needed_height(chart, shown[1], EM, SIDE_ROOM))
    side = lettering.place_side(chart, shown[1], EM, SIDE_ROOM, height)
    label_room = max((lettering.text_width(label.text, EM) + 30 for label in side), default=0.0)
    bar_room = 90.0 if _has(chart, HeatMap) else 0.0
    right = max(label_room + bar_room, 3 * EM)
    plot = WIDTH - LEFT - right
    top = lettering.place_top(chart, shown[0], EM, plot, (GAP - LEFT, plot + right - GAP))

    axes, below = _axes(chart, shown, plot, height)
    strip = lettering.top_height(top, EM)
    legend = _legend_room(chart)
    title = lettering.wrap(chart.title, WIDTH - 2 * GAP, 1.3 * EM)
    caption = lettering.wrap(chart.caption, WIDTH - 2 * GAP, 0.92 * EM)
    above = max(strip + legend + GAP + (lettering.text_height(title, 1.3 * EM) + GAP if title else 0.0), 2.2 * EM)
    bottom = below + (lettering.text_height(caption, EM) + GAP if caption else 0.0)
    blocks = []
    if title:
        bold = {"size": 1.2 * EM}
        blocks.append(_block(f"<b>{traces.plain(title)}</b>", 1, strip + legend + GAP, "bottom", bold))
    if caption:
        blocks.append(_block(traces.plain(caption), 0, -below, "top", {"size": 0.92 * EM, "color": SOFT}))
    arrangement = go.Layout(
        **_style(chart),
        **axes,
        height=above + height + bottom,
        margin={"l": LEFT, "r": right, "t": above, "b": bottom, "pad": 0},
        legend={
            "orientation": "h",
            "x": (GAP - LEFT) / plot,
            "xanchor": "left",
            "y": 1 + (strip + 0.6 * GAP) / height,
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
        },
        shapes=_lines(chart),
        annotations=[*_beside(chart, side), *_on_top(chart, top), *blocks],
    )
    return go.Figure(traces.all_traces(layout.ready(chart, shown), shown, (plot, height)), arrangement)


def _has(chart: Chart, *kinds: type) -> bool:
    return any(isinstance(mark, kinds) for mark in chart.marks)


# --- the sheet -------------------------------------------------------------------------------------------------


def _style(chart: Chart) -> dict[str, Any]:
    """What does not depend on sizes."""
    single = _has(chart, Points, Histogram, Bars, HeatMap) or len(layout.looks(chart)[0]) > 8
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


def _axes(
    chart: Chart, shown: tuple[Interval, Interval], plot: float, height: float
) -> tuple[dict[str, dict[str, Any]], float]:
    """Both axes, and the room that ticks and title take below the plot."""
    x_axis, y_axis = _axis(chart.x, shown[0], 7), _axis(chart.y, shown[1], 8)
    tick_room = 1.4 * EM
    if order := layout.categories(chart):
        ticks = lettering.category_ticks(order, plot / (len(order) + 0.2), EM)
        texts = [traces.plain(text) for text in ticks.texts]
        x_axis |= {"tickmode": "array", "tickvals": ticks.at, "ticktext": texts, "ticks": ""}
        if ticks.turned:  # others are left to the library, which turns them if the window is narrow
            x_axis["tickangle"] = -90
        size = lettering.text_width if ticks.turned else lettering.text_height
        tick_room = max(size(text, EM) for text in ticks.texts)
    if not _has(chart, HeatMap):
        y_axis |= {"showgrid": True, "gridcolor": GRID, "zeroline": _has(chart, Bars), "zerolinecolor": SOFT}
    x_title = lettering.wrap(chart.x.title, plot, EM)
    x_axis["title"] |= {"text": traces.plain(x_title), "standoff": 8}
    y_axis["title"] |= {"text": traces.plain(lettering.wrap(chart.y.title, height, EM)), "standoff": 10}
    return {"xaxis": x_axis, "yaxis": y_axis}, 4 + tick_room + 12 + lettering.text_height(x_title, EM) + 8


def _axis(axis: Axis, interval: Interval, most: int) -> dict[str, Any]:
    """One axis, with about so many ticks."""
    power = layout.powers(np.array(interval))
    chosen: dict[str, Any] = {"type": "linear", "range": list(interval), "nticks": most}
    if axis.log:
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
    labels = [traces.short(name) for name in layout.looks(chart)[0]] if chart.legend else []
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


def _block(text: str, y: int, shift: float, anchor: str, font: dict[str, Any]) -> dict[str, Any]:
    """A text at the left border of the figure, so many pixels above the bottom (0) or the top (1) of the plot."""
    place = {"x": 0, "xref": "paper", "xshift": GAP - LEFT, "xanchor": "left", "align": "left", "showarrow": False}
    return place | {"text": text, "y": y, "yref": "paper", "yshift": shift, "yanchor": anchor, "font": font}


# --- reference lines -------------------------------------------------------------------------------------------


def _lines(chart: Chart) -> list[dict[str, Any]]:
    """Reference lines; on a heat map with a pale edge, to be seen on dark cells."""
    dashed = {"color": INK, "width": 1.1, "dash": "5px,3px"}
    halo = {"color": "rgba(255,255,255,0.6)", "width": 3}
    shapes: list[dict[str, Any]] = []
    for mark in chart.marks:
        for style in [halo, dashed] if _has(chart, HeatMap) else [dashed]:
            place: dict[str, Any] = {"type": "line", "line": style, "layer": "above"}
            if isinstance(mark, HLine) and _drawable(mark.y, chart.y):
                shapes.append(place | {"xref": "x domain", "x0": 0, "x1": 1, "y0": mark.y, "y1": mark.y})
            elif isinstance(mark, VLine) and _drawable(mark.x, chart.x):
                shapes.append(place | {"yref": "y domain", "y0": 0, "y1": 1, "x0": mark.x, "x1": mark.x})
    return shapes


def _drawable(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and (value > 0 or not axis.log)


# A label hangs on the end of its line by a thin leader and follows it in a zoom. Annotations, unlike shapes, want
# the logarithm of a place on a logarithmic axis.

LEADER = {"showarrow": True, "arrowhead": 0, "arrowwidth": 0.8, "arrowcolor": SOFT, "standoff": 0}


def _beside(chart: Chart, labels: list[lettering.Label]) -> list[dict[str, Any]]:
    """Labels of horizontal reference lines, in the right margin."""
    return [
        LEADER
        | {"text": traces.plain(label.text), "xref": "paper", "x": 1, "yref": "y"}
        | {"y": math.log10(label.at) if chart.y.log else label.at}
        | {"ax": 20, "ay": -label.shift, "xanchor": "left", "yanchor": "middle", "align": "left"}
        for label in labels
    ]


def _on_top(chart: Chart, labels: list[lettering.Label]) -> list[dict[str, Any]]:
    """Labels of vertical reference lines, above the plot; a turned text and its leader need to be two annotations."""
    notes: list[dict[str, Any]] = []
    for label in labels:
        at = {"xref": "x", "x": math.log10(label.at) if chart.x.log else label.at, "yref": "paper", "y": 1}
        text = {"text": traces.plain(label.text), "showarrow": False, "textangle": -90 if label.turned else 0}
        place = {"xshift": label.shift, "yshift": 0.9 * EM, "xanchor": "center", "yanchor": "bottom"}
        notes.append(LEADER | at | {"text": "", "ax": label.shift, "ay": -1.0 * EM})
        notes.append(at | text | place)
    return notes

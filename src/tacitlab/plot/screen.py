"""Charts on the screen: Plotly figures that readers can zoom, point at and take apart.

The plot has a fixed height in pixels and the width of the page; margins are computed from the texts around it.
"""

import math
from typing import Any

import plotly.graph_objects as go

from tacitlab.plot import layout, lettering
from tacitlab.plot import screen_frame as screen
from tacitlab.plot import screen_marks as traces
from tacitlab.plot import screen_panels as interactive_panels
from tacitlab.plot.chart import Bars, Chart, HeatMap
from tacitlab.plot.layout import Interval
from tacitlab.plot.looks import GRID, SOFT, find_looks
from tacitlab.plot.panels import Panels, Picture
from tacitlab.plot.screen_frame import GAP, WIDTH
from tacitlab.plot.screen_marks import EM

PLOT_HEIGHT = 300.0
LEFT = 64.0
SIDE_ROOM = 14 * EM


def figure(chart: Picture) -> go.Figure:
    """Draw a chart, or panels, for a page: it fills the width it is given and has the height that it needs.

    Parameters
    ----------
    chart : Chart or Panels
        What to draw.

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> from tacitlab.plot.chart import Axis, Line
    >>> drawn = figure(Chart("", Axis("period"), Axis("price", "money"), (Line([0, 1], [1.5, 1.6], "firm 1"),)))
    >>> drawn.layout.yaxis.title.text, drawn.data[0].name
    ('price (money)', 'firm 1')
    """
    if isinstance(chart, Panels):
        return interactive_panels.figure(chart)
    shown = layout.limits(chart)
    texts = [text for _, text in lettering.side_labels(chart, shown[1], EM, SIDE_ROOM) if text]
    label_room = max((lettering.text_width(text, EM) + 30 for text in texts), default=0.0)
    bar_room = 90.0 if screen.has(chart, HeatMap) else 0.0
    right = max(label_room + bar_room, 3 * EM)
    plot = WIDTH - LEFT - right
    height = max(PLOT_HEIGHT, lettering.needed_height(chart, shown[1], EM, SIDE_ROOM))
    if chart.equal:
        plot = height = min(plot, screen.SQUARE)
    side = lettering.place_side(chart, shown[1], EM, SIDE_ROOM, height)
    top = lettering.place_top(chart, shown[0], EM, plot, (GAP - LEFT, WIDTH - LEFT - GAP))
    axes, below = _axes(chart, shown, plot, height)
    frame = screen.frame(chart, LEFT, right, below, height, lettering.top_height(top, EM))
    frame["annotations"] = [*_beside(chart, side), *_on_top(chart, top), *frame["annotations"]]
    arrangement = go.Layout(**frame, **axes, shapes=screen.lines(chart))
    drawn = traces.draw(layout.ready(chart, shown), find_looks(chart), shown, (plot, height))
    return go.Figure(traces.share_legend(drawn), arrangement)


def _axes(
    chart: Chart, shown: tuple[Interval, Interval], plot: float, height: float
) -> tuple[dict[str, dict[str, Any]], float]:
    """Both axes, and the room that ticks and title take below the plot."""
    x_axis, y_axis = screen.axis(chart.x, shown[0], 7), screen.axis(chart.y, shown[1], 8)
    tick_room = 1.4 * EM
    if order := layout.categories(chart):
        ticks = lettering.category_ticks(order, plot / (len(order) + 0.2), EM)
        texts = [traces.plain(text) for text in ticks.texts]
        x_axis |= {"tickmode": "array", "tickvals": ticks.at, "ticktext": texts, "ticks": ""}
        if ticks.turned:  # others are left to the library, which turns them if the window is narrow
            x_axis["tickangle"] = -90
        size = lettering.text_width if ticks.turned else lettering.text_height
        tick_room = max(size(text, EM) for text in ticks.texts)
    if chart.equal:
        # The plot stays square in a narrow window too, and its left upper corner stays where it is.
        x_axis |= {"nticks": 8, "showgrid": True, "gridcolor": GRID, "constrain": "domain", "constraintoward": "left"}
        y_axis |= {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    if not screen.has(chart, HeatMap):
        y_axis |= {"showgrid": True, "gridcolor": GRID, "zeroline": screen.has(chart, Bars), "zerolinecolor": SOFT}
    x_title = lettering.wrap(chart.x.title, plot, EM)
    x_axis["title"] |= {"text": traces.plain(x_title), "standoff": 8}
    y_axis["title"] |= {"text": traces.plain(lettering.wrap(chart.y.title, height, EM)), "standoff": 10}
    return {"xaxis": x_axis, "yaxis": y_axis}, 4 + tick_room + 12 + lettering.text_height(x_title, EM) + 8


# --- labels of reference lines ----------------------------------------------------------------------------------

# A label hangs on the end of its line by a thin leader and follows it in a zoom. Annotations, unlike shapes, want
# the logarithm of a place on a logarithmic axis.

LEADER = {"showarrow": True, "arrowhead": 0, "arrowwidth": 0.8, "arrowcolor": SOFT, "standoff": 0}


def _beside(chart: Chart, labels: list[lettering.Label]) -> list[dict[str, Any]]:
    """Labels of horizontal reference lines, in the right margin."""
    return [
        LEADER
        | {"text": traces.plain(label.text), "xref": "x domain", "x": 1, "yref": "y"}
        | {"y": math.log10(label.at) if chart.y.log else label.at}
        | {"ax": 20, "ay": -label.shift, "xanchor": "left", "yanchor": "middle", "align": "left"}
        for label in labels
    ]


def _on_top(chart: Chart, labels: list[lettering.Label]) -> list[dict[str, Any]]:
    """Labels of vertical reference lines, above the plot; a turned text and its leader need to be two annotations."""
    notes: list[dict[str, Any]] = []
    for label in labels:
        at = {"xref": "x", "x": math.log10(label.at) if chart.x.log else label.at, "yref": "y domain", "y": 1}
        text = {"text": traces.plain(label.text), "showarrow": False, "textangle": -90 if label.turned else 0}
        place = {"xshift": label.shift, "yshift": 0.9 * EM, "xanchor": "center", "yanchor": "bottom"}
        notes.append(LEADER | at | {"text": "", "ax": label.shift, "ay": -1.0 * EM})
        notes.append(at | text | place)
    return notes

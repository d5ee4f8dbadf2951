"""Small multiples on the screen: a grid of plots that zoom together, with ticks at its borders only."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from tacitlab.plot import layout, lettering
from tacitlab.plot import screen_frame as screen
from tacitlab.plot import screen_marks as traces
from tacitlab.plot.looks import GRID, find_looks
from tacitlab.plot.panels import Panels
from tacitlab.plot.screen_frame import GAP, WIDTH
from tacitlab.plot.screen_marks import EM

HEIGHT = (84.0, 190.0)  # lowest and highest plot
APART = 18.0  # distance of two plots in a row or column
SMALL = 0.88 * EM


def figure(panels: Panels) -> go.Figure:
    """Draw panels for a page."""
    whole = panels.whole()
    shown = layout.limits(whole)
    columns = min(panels.columns, len(panels.panels))
    y_title = lettering.wrap(panels.y.title, 0.9 * panels.rows * _size(panels, columns, 70)[1], EM)
    ends = (lettering.text_width(f"{end:,.3g}", SMALL) for end in shown[1])  # about as wide as ticks
    left, right = GAP + lettering.text_height(y_title, EM) + max(ends) + 14, 2 * EM
    size = _size(panels, columns, left + right)
    across = (WIDTH - left - right - (columns - 1) * APART) / columns
    titles = [lettering.wrap(panel.title, across, SMALL) for panel in panels.panels]
    strip = max(lettering.text_height(title, SMALL) if title else 0.0 for title in titles) + 4
    row = size[1] + strip + APART
    grid = row * panels.rows - APART

    drawn: list[Any] = []
    layers: dict[str, Any] = {}
    notes: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    for at, (chart, looks) in enumerate(layout.split(panels, find_looks(whole), shown)):
        x, y = (letter + (str(at + 1) if at else "") for letter in "xy")
        start = (at % columns) * (across + APART) / (WIDTH - left - right)
        top = 1 - ((at // columns) * row + strip) / grid
        place = (start, start + size[0] / (WIDTH - left - right)), (top - size[1] / grid, top)
        pair = _axes(panels, shown, place, (at % columns == 0, at + columns >= len(titles)), at)
        layers |= {f"{name[0]}axis{name[1:]}": spec for name, spec in zip((x, y), pair, strict=True)}
        drawn += [trace.update(xaxis=x, yaxis=y) for trace in traces.draw(chart, looks, shown, size)]
        shapes += screen.lines(chart, x, y)
        notes.append(
            {"text": traces.plain(titles[at]), "xref": f"{x} domain", "x": 0, "yref": f"{y} domain", "y": 1}
            | {"xanchor": "left", "yanchor": "bottom", "showarrow": False, "font": {"size": SMALL}, "align": "left"}
        )
    x_title = lettering.wrap(panels.x.title, WIDTH - left - right, EM)
    below = 4 + 1.4 * EM + 6 + lettering.text_height(x_title, EM) + 8
    frame = screen.frame(whole, left, right, below, grid)
    frame["annotations"] += [*notes, *_titles(x_title, y_title, left)]
    if frame["hovermode"] != "closest":
        frame["hovermode"] = "x"
    return go.Figure(traces.share_legend(drawn), go.Layout(**frame, **layers, shapes=shapes))


def _size(panels: Panels, columns: int, margins: float) -> tuple[float, float]:
    """Width and height of a plot."""
    across = (WIDTH - margins - (columns - 1) * APART) / columns
    square = min(across, screen.SQUARE)
    return (square, square) if panels.equal else (across, min(max(0.75 * across, HEIGHT[0]), HEIGHT[1]))


def _axes(panels: Panels, shown: Any, place: Any, labelled: tuple[bool, bool], at: int) -> list[dict[str, Any]]:
    """Both axes of one plot, at its place in the grid, labelled at the left and the bottom if so told."""
    across, up = np.clip(place, 0, 1).tolist()  # sums of shares may miss the border by a rounding error
    x_axis, y_axis = screen.axis(panels.x, shown[0], 5), screen.axis(panels.y, shown[1], 5)
    number = str(at + 1) if at else ""
    x_axis |= {"domain": across, "anchor": f"y{number}", "showticklabels": labelled[1]}
    y_axis |= {"domain": up, "anchor": f"x{number}", "showticklabels": labelled[0]}
    y_axis |= {"showgrid": True, "gridcolor": GRID}
    if at:
        x_axis["matches"], y_axis["matches"] = "x", "y"
    if panels.equal:
        x_axis |= {"showgrid": True, "gridcolor": GRID, "constrain": "domain", "constraintoward": "left"}
        y_axis |= {"scaleanchor": f"x{number}", "constrain": "domain", "constraintoward": "top"}
    for axis in (x_axis, y_axis):
        axis["tickfont"] = {"size": SMALL}
        axis["automargin"] = False
    return [x_axis, y_axis]


def _titles(x_title: str, y_title: str, left: float) -> list[dict[str, Any]]:
    """Titles of the axes that all plots share."""
    common = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": EM}}
    below = {"x": 0.5, "y": 0, "xanchor": "center", "yanchor": "top", "yshift": -(4 + 1.4 * EM + 6)}
    beside = {"x": 0, "y": 0.5, "xanchor": "left", "yanchor": "middle", "xshift": GAP - left, "textangle": -90}
    return [common | below | {"text": traces.plain(x_title)}, common | beside | {"text": traces.plain(y_title)}]

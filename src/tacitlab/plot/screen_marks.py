"""Marks on the screen: each function turns one mark into Plotly traces."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tacitlab.plot import layout, lettering
from tacitlab.plot.chart import (
    ON_SCREEN,
    Area,
    Badges,
    Bars,
    Chart,
    Cloud,
    HeatMap,
    Histogram,
    Line,
    Numbers,
    Points,
    Rectangle,
)
from tacitlab.plot.layout import Interval
from tacitlab.plot.looks import INK, Look, Looks, badge_colours, text_on

EM = 13.0  # font size in pixels
# Two patterns for each round through the palette: plain and ``dash``.
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = {
    "circle": "circle",
    "square": "square",
    "diamond": "diamond",
    "triangle": "triangle-up",
    "cross": "cross",
    "x": "x",
    "star": "star",
    "star-diamond": "star-diamond",
}
NUMBER = ",.4~r"  # four significant digits, never an exponent


def plain(text: str) -> str:
    """Text in which nothing is taken for markup."""
    return html.escape(text, quote=False).replace("\n", "<br>")


def short(name: str) -> str:
    """The name of a series, wrapped for the legend."""
    return lettering.wrap(name, 26 * EM, EM)


def draw(chart: Chart, looks: Looks, shown: tuple[Interval, Interval], size: Interval) -> list[Any]:
    """Everything that is drawn on the axes of a plot of this size, bands first, so that no band dims a curve."""
    groups = [mark for mark in chart.marks if isinstance(mark, Bars)]
    counts = iter(layout.counted(chart))
    spots = iter(lettering.point_spots(chart, shown, size, EM))
    discs = iter(lettering.badge_places(chart, shown, size, EM))
    bottom = shown[1][0] if chart.y.log else 0.0
    traces: list[Any] = []
    for mark, look in zip(chart.marks, looks.by_mark, strict=True):
        match mark:
            case Line():
                traces += _line(mark, look)
            case Points():
                traces += _points(mark, look, next(spots) if mark.labels is not None else [])
            case Histogram():
                traces.append(_histogram(mark, *next(counts), look, bottom))
            case Bars():
                traces.append(_bars(mark, look, layout.categories(chart), (groups.index(mark), len(groups))))
            case Area():
                traces += _area(mark, looks.by_name)
            case HeatMap():
                traces.append(_heat(mark, chart))
            case Cloud():
                traces += _cloud(mark, look, looks.groups)
            case Badges():
                traces += _badges(mark, next(discs), look, looks.groups)
            case Rectangle():
                traces.append(_rectangle(mark, look))
    return sorted(traces, key=lambda trace: not (trace.showlegend is False and trace.fill == "toself"))


def share_legend(traces: list[Any]) -> list[Any]:
    """Let the first trace of a name stand for it in the legend; all of them answer to a click."""
    keyed: set[str] = set()
    for trace in traces:
        name = trace.name or ""
        if trace.type == "heatmap":
            continue
        trace.update(showlegend=bool(trace.showlegend is not False and name and name not in keyed))
        if trace.showlegend:
            keyed.add(name)
        if name:
            trace.update(legendgroup=name)
    return traces


def _rgba(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _closed(outlines: Sequence[tuple[Numbers, Numbers]]) -> dict[str, Numbers]:
    """Several polygons as one path with gaps."""
    gap = np.array([np.nan])
    parts = [
        np.concatenate([part for outline in outlines for part in (outline[axis], gap)] or [gap]) for axis in (0, 1)
    ]
    return {"x": parts[0], "y": parts[1]}


def _line(mark: Line, look: Look) -> list[Any]:
    name = plain(short(mark.name))
    traces: list[Any] = []
    hover, custom = f"%{{y:{NUMBER}}}", None
    alone = layout.lone(mark.x, mark.y)
    band: list[Numbers | None] = [None, None]
    if mark.low is not None and mark.high is not None:
        outlines = layout.polygons(mark.x, mark.low, mark.high, mark.steps)
        shade = {"fill": "toself", "fillcolor": _rgba(look.colour, 0.2), "line": {"width": 0}, "mode": "lines"}
        traces.append(go.Scatter(**_closed(outlines), **shade, name=name, showlegend=False, hoverinfo="skip"))
        custom = np.column_stack([mark.low, mark.high])
        hover += f" [%{{customdata[0]:{NUMBER}}}, %{{customdata[1]:{NUMBER}}}]"
        band = [mark.low[alone], mark.high[alone]]
    style = {"color": look.colour, "width": 1.3 if mark.reference else 2, "shape": "hv" if mark.steps else "linear"}
    style["dash"] = DASHES[(2 * look.round + mark.dash) % len(DASHES)]
    traces.append(
        go.Scatter(x=mark.x, y=mark.y, mode="lines", name=name, line=style, customdata=custom, hovertemplate=hover)
    )
    if alone.any():
        dots = Points(mark.x[alone], mark.y[alone], mark.name, symbol="circle", low=band[0], high=band[1])
        traces += [
            trace.update(showlegend=False, hoverinfo="skip", hovertemplate=None) for trace in _points(dots, look, [])
        ]
    return traces


def _points(mark: Points, look: Look, spots: list[str]) -> list[Any]:
    bars = None
    if mark.low is not None and mark.high is not None:
        known = np.isfinite(mark.low) & np.isfinite(mark.high)
        above, below = np.where(known, mark.high - mark.y, 0), np.where(known, mark.y - mark.low, 0)
        bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0, "thickness": 1.3}
    symbol = mark.symbol or look.symbol
    marker: dict[str, Any] = {"symbol": SYMBOLS[symbol], "size": 14 if symbol.startswith("star") else 8}
    marker["color"] = "white" if mark.hollow else look.colour
    marker["line"] = {"width": 1.2, "color": look.colour} if mark.hollow else {"width": 0.8, "color": "white"}
    return [
        go.Scatter(
            x=mark.x,
            y=mark.y,
            name=plain(short(mark.name)),
            mode="markers+text" if mark.labels else "markers",
            text=[plain(label) for label in mark.labels] if mark.labels else None,
            textposition=spots or None,
            marker=marker,
            error_y=bars,
            hovertemplate=f"%{{x:{NUMBER}}}, %{{y:{NUMBER}}}",
        )
    ]


def _histogram(mark: Histogram, edges: Numbers, counts: Numbers, look: Look, base: float) -> Any:
    heights = np.maximum(counts, base)
    path_x = np.concatenate([edges[:1], np.repeat(edges, 2)[1:-1], edges[-1:]])
    path_y = np.concatenate([[base], np.repeat(heights, 2), [base]])
    bins = [f"{low:.4g} to {high:.4g}: {count:g}" for low, high, count in zip(edges, edges[1:], counts, strict=False)]
    return go.Scatter(
        x=path_x if counts.any() else [np.nan],
        y=path_y if counts.any() else [np.nan],
        name=plain(short(mark.name)),
        mode="lines",
        line={"color": look.colour, "width": 1.5},
        fill="toself",
        fillcolor=_rgba(look.colour, 0.35),
        text=[bins[0], *np.repeat(bins, 2), bins[-1]],
        hoveron="points",
        hovertemplate="%{text}",
    )


def _bars(mark: Bars, look: Look, order: list[str], place: tuple[int, int]) -> Any:
    at, wide = layout.bar_places(mark, order, *place)
    bars = None
    if mark.low is not None and mark.high is not None:
        above, below = np.nan_to_num(mark.high - mark.heights), np.nan_to_num(mark.heights - mark.low)
        bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
        bars |= {"width": 0, "thickness": 1.3, "color": INK}
    return go.Bar(
        x=at,
        y=mark.heights,
        width=wide,
        name=plain(short(mark.name)),
        marker={"color": look.colour, "line": {"width": 0}},
        error_y=bars,
        customdata=[plain(category) for category in mark.categories],
        hovertemplate=f"%{{customdata}}: %{{y:{NUMBER}}}",
    )


def _area(mark: Area, looks: dict[str, Look]) -> list[Any]:
    traces: list[Any] = []
    for name, lower, upper in layout.stacked(mark):
        look, shown = looks[name], plain(short(name))
        outlines = layout.polygons(mark.x, lower, upper)
        pattern = {"shape": "/" if look.round % 2 else "", "fgcolor": "white", "solidity": 0.2}
        fill = {"fill": "toself", "fillcolor": look.colour, "fillpattern": pattern, "mode": "lines"}
        border = {"color": "white", "width": 0.5}
        traces.append(go.Scatter(**_closed(outlines), **fill, line=border, name=shown, hoverinfo="skip"))
        hover = {"customdata": mark.parts[name], "hovertemplate": f"%{{customdata:{NUMBER}}}"}
        traces.append(
            go.Scatter(x=mark.x, y=upper, mode="lines", line={"width": 0, "color": look.colour}, name=shown, **hover)
        )
    return traces


def _heat(mark: HeatMap, chart: Chart) -> Any:
    return go.Heatmap(
        x=mark.x,
        y=mark.y,
        z=np.where(np.isfinite(mark.z), mark.z, np.nan),
        colorscale="Cividis",
        name="",
        meta=[plain(chart.x.label), plain(chart.y.label), plain(mark.label)],
        hovertemplate=f"%{{meta[0]}} %{{x:{NUMBER}}}<br>%{{meta[1]}} %{{y:{NUMBER}}}<br>%{{meta[2]}} %{{z:{NUMBER}}}",
        colorbar={
            "title": {"text": plain(mark.label), "side": "right", "font": {"size": EM}},
            "tickfont": {"size": EM},
            "xref": "container",
            "x": 1,
            "xanchor": "right",
            "thickness": 12,
            "outlinewidth": 0,
            "separatethousands": True,
            "exponentformat": "none",
            "len": 1,
            "y": 0.5,
            "ypad": 0,
        },
    )


def _cloud(mark: Cloud, look: Look, groups: dict[int, str]) -> list[Any]:
    """Not all points, and those in single precision: a page that carries them all is slow to open and to move."""
    drawn = layout.cloud_order(mark, ON_SCREEN)
    marker: dict[str, Any] = {"size": 3.5, "opacity": 0.55, "color": look.colour, "line": {"width": 0}}
    hover: dict[str, Any] = {"hovertemplate": f"%{{x:{NUMBER}}}, %{{y:{NUMBER}}}"}
    if mark.groups is not None and len(drawn):
        order = list(groups)
        place = np.array([order.index(group) for group in mark.groups[drawn].tolist()], dtype=np.int16)
        scale = [[at / max(len(order) - 1, 1), colour] for at, colour in enumerate(groups.values())]
        marker |= {"color": place, "colorscale": scale if len(scale) > 1 else [*scale, [1, scale[0][1]]]}
        marker |= {"cmin": 0, "cmax": max(len(order) - 1, 1), "showscale": False}
        hover = {"customdata": mark.groups[drawn], "hovertemplate": "%{customdata}: " + hover["hovertemplate"]}
    x, y = mark.x[drawn].astype(np.float32), mark.y[drawn].astype(np.float32)
    name = plain(short(mark.name))
    dots = go.Scatter(x=x, y=y, name=name, mode="markers", marker=marker, showlegend=False, **hover)
    return [dots, _entry(name, {"size": 4, "color": look.colour})]


def _entry(name: str, marker: dict[str, Any]) -> Any:
    """What stands in the legend for symbols of many colours."""
    return go.Scatter(x=[None], y=[None], name=name, mode="markers", marker=marker, hoverinfo="skip")


def _badges(mark: Badges, discs: Numbers, look: Look, groups: dict[int, str]) -> list[Any]:
    """Texts in discs, and below them lines to the places that they were moved from."""
    name, colours = plain(short(mark.name)), badge_colours(mark, look, groups)
    gap = np.full(len(mark.x), np.nan)
    lines = {"x": np.ravel(np.column_stack([mark.x, discs[:, 0], gap]))}
    lines |= {"y": np.ravel(np.column_stack([mark.y, discs[:, 1], gap]))}
    dots = {"color": INK, "size": np.tile([4, 0, 0], len(mark.x)), "line": {"width": 0}}
    style = {"line": {"color": INK, "width": 0.8}, "marker": dots, "mode": "lines+markers"}
    marker = {"size": 2 * lettering.BADGE * EM, "color": colours, "opacity": 1, "line": {"width": 1, "color": "white"}}
    number = f"%{{customdata[0]:{NUMBER}}}, %{{customdata[1]:{NUMBER}}}"
    return [
        go.Scatter(**lines, **style, name=name, showlegend=False, hoverinfo="skip"),
        go.Scatter(
            x=discs[:, 0],
            y=discs[:, 1],
            name=name,
            mode="markers+text",
            marker=marker,
            showlegend=False,
            text=[plain(text) for text in mark.texts],
            textposition="middle center",
            textfont={"size": 0.75 * EM, "color": [text_on(colour) for colour in colours]},
            customdata=np.column_stack([mark.x, mark.y]),
            hovertemplate="%{text}: " + number,
        ),
        _entry(name, {"size": 2 * lettering.BADGE * EM, "color": look.colour}),
    ]


def _rectangle(mark: Rectangle, look: Look) -> Any:
    return go.Scatter(
        x=[mark.x0, mark.x1, mark.x1, mark.x0, mark.x0],
        y=[mark.y0, mark.y0, mark.y1, mark.y1, mark.y0],
        name=plain(short(mark.name)),
        mode="lines",
        line={"color": look.colour, "width": 1.2},
        fill="toself",
        fillcolor=_rgba(look.colour, 0.12),
        hoverinfo="skip",
    )

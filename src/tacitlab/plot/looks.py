"""How series look: colours, symbols and dash patterns, the same on the screen and on paper."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tacitlab.plot.chart import (
    Area,
    Badges,
    Chart,
    Cloud,
    HeatMap,
    HLine,
    Line,
    Mark,
    Points,
    Rectangle,
    Symbol,
    VLine,
)

# Okabe and Ito (2008), in their cyclic order but begun at blue: black is kept for text and reference lines, and
# yellow, hard to see on white, comes last.
PALETTE = ("#0072B2", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#009E73", "#F0E442")
SYMBOLS: tuple[Symbol, ...] = ("circle", "square", "triangle", "diamond", "x", "cross")
INK = "#222222"
SOFT = "#666666"
GRID = "#e4e4e4"


@dataclass(frozen=True)
class Look:
    """How a series looks: its colour, its round through the palette (a dash pattern each), its symbol."""

    colour: str
    round: int
    symbol: Symbol


class Looks(NamedTuple):
    """Looks by name, and by mark (for marks without a name; others have that of their name); colours of groups."""

    by_name: dict[str, Look]
    by_mark: list[Look]
    groups: dict[int, str]


def names(mark: Mark) -> tuple[str, ...]:
    """Names that a mark brings into the legend."""
    if isinstance(mark, Area):
        return tuple(mark.parts)
    if isinstance(mark, HLine | VLine | HeatMap) or not mark.name:
        return ()
    return (mark.name,)


def find_looks(chart: Chart) -> Looks:
    """How everything in a chart looks."""
    by_name: dict[str, Look] = {}
    by_mark = []
    counts = {"series": 0, "reference": 0}

    def following(mark: Mark) -> Look:
        if isinstance(mark, Rectangle):
            return Look(INK, 0, "square")
        if isinstance(mark, Cloud | Badges) and mark.groups is not None:
            return Look(SOFT, 0, "circle")
        if isinstance(mark, HLine | VLine | HeatMap):
            return Look(INK, 0, "circle")
        if isinstance(mark, Line | Points) and mark.reference:
            counts["reference"] += 1
            return Look(INK, counts["reference"] - 1, "star")
        counts["series"] += 1
        at = counts["series"] - 1
        return Look(PALETTE[at % len(PALETTE)], at // len(PALETTE), SYMBOLS[at % len(SYMBOLS)])

    for mark in chart.marks:
        for name in names(mark):
            if name not in by_name:
                by_name[name] = following(mark)
        if named := names(mark):
            by_mark.append(by_name[named[0]])
        elif isinstance(mark, Area):
            by_mark.append(Look(INK, 0, "circle"))
        else:
            by_mark.append(following(mark))
    return Looks(by_name, by_mark, _group_colours(chart))


def _group_colours(chart: Chart) -> dict[int, str]:
    """The palette, then its darker and its paler shades, and again."""
    found = [mark.groups for mark in chart.marks if isinstance(mark, Cloud | Badges) and mark.groups is not None]
    shades = [(0.0, 0.0), (0.0, 0.45), (1.0, 0.45)]
    colours = [mixed(colour, towards, share) for towards, share in shades for colour in PALETTE]
    groups = np.unique(np.concatenate(found)).tolist() if found else []
    return {group: colours[at % len(colours)] for at, group in enumerate(groups)}


def badge_colours(mark: Badges, look: Look, groups: dict[int, str]) -> list[str]:
    """The colour of each disc."""
    return [look.colour] * len(mark.x) if mark.groups is None else [groups[group] for group in mark.groups.tolist()]


def mixed(colour: str, towards: float, share: float) -> str:
    """A colour mixed with a share of black (0) or white (1).

    Examples
    --------
    >>> mixed("#0072B2", 1.0, 0.5)
    '#80b9d9'
    """
    parts = [int(colour[at : at + 2], 16) * (1 - share) + 255 * towards * share for at in (1, 3, 5)]
    return "#" + "".join(f"{int(part + 0.5):02x}" for part in parts)


def text_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour (by the contrast ratio of WCAG 2)."""
    light = 0.0
    for at, weight in ((1, 0.2126), (3, 0.7152), (5, 0.0722)):
        part = int(colour[at : at + 2], 16) / 255
        light += weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else "#000000"

"""Where text stands in a chart, so that no two texts collide.

Lengths are in the renderer's own unit (points on paper, pixels on the screen); ``em`` is its font size. Text is
measured by a rule of thumb on the generous side, so that no renderer has to be asked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from tacitlab.plot.chart import Badges, Chart, HLine, Numbers, Points, VLine
from tacitlab.plot.layout import Interval, at_fraction, fraction

Box: TypeAlias = tuple[float, float, float, float]  # left, bottom, right, top

BADGE = 0.62  # radius of a disc with a text in it, in font sizes

SPOTS = (
    "middle right",
    "middle left",
    "top center",
    "bottom center",
    "top right",
    "bottom right",
    "top left",
    "bottom left",
)


def text_width(text: str, em: float) -> float:
    """Width of the longest line of a text, about."""

    def advance(letter: str) -> float:
        if letter in "fijlrtI.,:;'|!()[]\\/ ":
            return 0.38
        if letter in "mwMW@%—":
            return 0.95
        return 1.0 if ord(letter) > 0x2E7F else 0.72 if letter.isupper() else 0.61

    return max((sum(advance(letter) for letter in line) for line in text.split("\n")), default=0.0) * em


def text_height(text: str, em: float) -> float:
    """Height of a text of several lines, with the space between lines."""
    return (text.count("\n") + 1) * 1.25 * em


def wrap(text: str, room: float, em: float) -> str:
    """Break a text into lines no wider than the room; words that are wider are cut."""
    lines = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}" if line else word
            if text_width(joined, em) <= room:
                line = joined
                continue
            if line:
                lines.append(line)
            while text_width(word, em) > room and len(word) > 1:
                cut = next((n for n in range(2, len(word)) if text_width(word[:n], em) > room), len(word)) - 1
                lines.append(word[:cut])
                word = word[cut:]
            line = word
        lines.append(line)
    return "\n".join(lines)


def spread(centres: Sequence[float], sizes: Sequence[float], low: float, high: float) -> NDArray[np.float64]:
    """Push intervals apart until none overlap, moving them as little as possible and keeping their order.

    Minimises the sum of squared moves. With each centre measured from the sum of the sizes before it, "no overlap"
    reads "increasing": an isotonic regression. If they do not fit between low and high, they run out at low.

    Examples
    --------
    >>> spread([1.5, 1.56, 3.0], [0.4, 0.4, 0.4], 0.0, 4.0)
    array([1.33, 1.73, 3.  ])
    """
    at, size = np.asarray(centres, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if not at.size:
        return at
    order = np.argsort(at, kind="stable")
    before = np.concatenate([[0.0], np.cumsum((size[order][1:] + size[order][:-1]) / 2)])
    apart = isotonic_regression(at[order] - before).x
    first, last = low + size[order][0] / 2, high - size[order][-1] / 2 - before[-1]
    placed = np.empty_like(at)
    placed[order] = np.minimum(np.maximum(apart, first), last) + before
    return placed


@dataclass(frozen=True)
class Label:
    """The text of a reference line: beside the value ``at``, moved along the axis by ``shift``."""

    at: float
    text: str
    shift: float
    turned: bool = False


def side_labels(chart: Chart, interval: Interval, em: float, room: float) -> list[tuple[HLine, str]]:
    """Horizontal reference lines that the interval shows, with their wrapped texts."""
    marks = [mark for mark in chart.marks if isinstance(mark, HLine)]
    inside = [mark for mark in marks if 0 <= fraction(mark.y, interval, chart.y.log) <= 1]
    return [(mark, wrap(mark.text, room, em)) for mark in inside]


def place_side(chart: Chart, interval: Interval, em: float, room: float, height: float) -> list[Label]:
    """Labels of the horizontal reference lines, in the right margin of a plot of this height."""
    pairs = [(mark, text) for mark, text in side_labels(chart, interval, em, room) if text]
    centres = [fraction(mark.y, interval, chart.y.log) * height for mark, _ in pairs]
    placed = spread(centres, [text_height(text, em) for _, text in pairs], -0.5 * em, height + 0.5 * em)
    return [Label(mark.y, text, float(to - at)) for (mark, text), at, to in zip(pairs, centres, placed, strict=True)]


def place_top(chart: Chart, interval: Interval, em: float, width: float, room: Interval) -> list[Label]:
    """Labels of the vertical reference lines, above a plot of this width: upright if there is room, else turned.

    ``room`` is where they may stand, measured from the left border of the plot.
    """
    marks = [mark for mark in chart.marks if isinstance(mark, VLine) and mark.text]
    marks = [mark for mark in marks if 0 <= fraction(mark.x, interval, chart.x.log) <= 1]
    centres = [fraction(mark.x, interval, chart.x.log) * width for mark in marks]
    texts = [wrap(mark.text, 16 * em, em) for mark in marks]
    sizes = [text_width(text, em) + em for text in texts]
    turned = sum(sizes) > room[1] - room[0]
    if turned:
        texts = [wrap(mark.text, 12 * em, em) for mark in marks]
        sizes = [text_height(text, em) for text in texts]
    placed = spread(centres, sizes, *room)
    return [
        Label(mark.x, text, float(to - at), turned)
        for mark, text, at, to in zip(marks, texts, centres, placed, strict=True)
    ]


def needed_height(chart: Chart, interval: Interval, em: float, room: float) -> float:
    """Height of a plot beside which all labels of horizontal reference lines fit."""
    return sum(text_height(text, em) for _, text in side_labels(chart, interval, em, room) if text)


def top_height(labels: list[Label], em: float) -> float:
    """Height of the strip above the plot that holds the labels of vertical reference lines."""
    tall = [text_width(label.text, em) if label.turned else text_height(label.text, em) for label in labels]
    return max(tall) + 1.3 * em if tall else 0.0


def text_box(x: float, y: float, text: str, spot: str, em: float) -> Box:
    """Box of a text that stands at a spot beside a point."""
    vertical, horizontal = spot.split()
    wide, high = text_width(text, em), text_height(text, em)
    left = {"left": x - wide - 0.6 * em, "center": x - wide / 2, "right": x + 0.6 * em}[horizontal]
    bottom = {"bottom": y - high - 0.4 * em, "middle": y - high / 2, "top": y + 0.4 * em}[vertical]
    return left, bottom, left + wide, bottom + high


def overlap(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


def area(box: Box) -> float:
    """Area of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def on_plot(chart: Chart, x: Numbers, y: Numbers, shown: tuple[Interval, Interval], size: Interval) -> Numbers:
    """Places in a plot of this size, (points, 2), measured from its lower left corner."""
    across = [fraction(at, shown[0], chart.x.log) * size[0] for at in x]
    up = [fraction(at, shown[1], chart.y.log) * size[1] for at in y]
    return np.column_stack([across, up])


def _around(x: float, y: float, radius: float) -> Box:
    return x - radius, y - radius, x + radius, y + radius


def point_spots(chart: Chart, shown: tuple[Interval, Interval], size: Interval, em: float) -> list[list[str]]:
    """Where the text of each labelled point stands (one of ``SPOTS``), for each mark with labels in order.

    Greedy: the first spot at which the text meets no point, no other text and no border, or else the least bad.
    """
    marks = [mark for mark in chart.marks if isinstance(mark, Points)]

    def place(mark: Points) -> Numbers:
        return on_plot(chart, mark.x, mark.y, shown, size)

    plot = (0.0, 0.0, *size)
    taken = [_around(x, y, 0.4 * em) for mark in marks for x, y in place(mark)]
    for places in badge_places(chart, shown, size, em):
        taken += [_around(x, y, BADGE * em) for x, y in on_plot(chart, places[:, 0], places[:, 1], shown, size)]
    for mark in marks:
        if mark.low is not None and mark.high is not None:
            ends = [place(Points(mark.x, side)) for side in (mark.low, mark.high)]
            taken += [(x - 1, bottom, x + 1, top) for (x, bottom), (_, top) in zip(*ends, strict=True)]
    result = []
    for mark in marks:
        if mark.labels is None:
            continue
        spots = []
        for (x, y), text in zip(place(mark), mark.labels, strict=True):
            boxes = [text_box(x, y, text, spot, em) for spot in SPOTS]
            badness = [sum(overlap(box, other) for other in taken) + area(box) - overlap(box, plot) for box in boxes]
            best = int(np.argmin(np.nan_to_num(badness, nan=0.0)))
            taken.append(boxes[best])
            spots.append(SPOTS[best])
        result.append(spots)
    return result


def apart(places: Numbers, radius: float, fixed: Numbers, size: Interval, steps: int = 400) -> Numbers:
    """Push discs of one radius apart until none hides another or a fixed one (x, y, radius), near their places.

    Each step pushes discs that overlap away from each other and, at first, pulls all a little towards their places.
    Discs stay within the plot of this size; in a crowd that it cannot hold, overlaps remain.

    Examples
    --------
    >>> apart(np.array([[50.0, 50.0], [51.0, 50.0], [90.0, 90.0]]), 5.0, np.empty((0, 3)), (100.0, 100.0)).round(1)
    array([[45.5, 50. ], [55.5, 50. ], [90. , 90. ]])
    """
    turn = np.arange(len(places)) * math.pi * (3 - math.sqrt(5))  # discs of one place leave it each in its direction
    at = places + 1e-3 * radius * np.column_stack([np.cos(turn), np.sin(turn)])
    reach = radius + np.concatenate([np.full(len(at), radius), fixed[:, 2]])
    walls = np.array([size[0] - radius, size[1] - radius])
    for step in range(steps):
        away = at[:, None] - np.concatenate([at, fixed[:, :2]])
        distance = np.hypot(away[..., 0], away[..., 1])
        distance[np.arange(len(at)), np.arange(len(at))] = np.inf
        overlap = np.maximum(reach - distance, 0.0)
        if step > steps / 2 and not overlap.any():
            break
        overlap[:, : len(at)] /= 2  # both move
        push = np.sum((overlap / np.maximum(distance, 1e-9))[..., None] * away, axis=1)
        pull = 0.02 * (places - at) if step < steps / 2 else 0.0
        at = np.clip(at + 1.02 * push + pull, radius, np.maximum(walls, radius))
    return at


def badge_places(chart: Chart, shown: tuple[Interval, Interval], size: Interval, em: float) -> list[Numbers]:
    """Where the discs of each ``Badges`` stand, (badges, 2) in the units of the axes.

    Discs outside the plot stay where they are; those inside avoid each other and points of reference.
    """
    radius = BADGE * em
    badges = [mark for mark in chart.marks if isinstance(mark, Badges)]
    points = [mark for mark in chart.marks if isinstance(mark, Points) and mark.reference]
    radii = [em * (0.3 if mark.symbol not in (None, "star", "star-diamond") else 0.6) for mark in points]
    places = np.concatenate([np.empty((0, 2)), *(on_plot(chart, mark.x, mark.y, shown, size) for mark in badges)])
    known = [on_plot(chart, mark.x, mark.y, shown, size) for mark in points]
    fixed = [np.column_stack([at, np.full(len(at), own)]) for at, own in zip(known, radii, strict=True)]
    inside = np.all((places >= 0) & (places <= np.array(size)), axis=1)
    around = np.concatenate([np.empty((0, 3)), *fixed])
    places[inside] = apart(places[inside], radius, around[np.isfinite(around).all(axis=1)], size)
    for at, (across, up) in enumerate(places / np.array(size)):
        places[at] = at_fraction(across, shown[0], chart.x.log), at_fraction(up, shown[1], chart.y.log)
    return np.split(places, np.cumsum([len(mark.x) for mark in badges])[:-1]) if badges else []


@dataclass(frozen=True)
class Ticks:
    """Tick labels of categories: places, texts, and whether the texts are turned by a quarter."""

    at: list[int]
    texts: list[str]
    turned: bool


def category_ticks(order: Sequence[str], slot: float, em: float) -> Ticks:
    """Labels of categories that have a slot of this width each: wrapped, or turned, or only some of them."""
    room = slot - 0.6 * em
    if all(text_width(word, em) <= room for name in order for word in name.split()):
        texts = [wrap(name, room, em) for name in order]
        if max((text.count("\n") for text in texts), default=0) < 3:
            return Ticks(list(range(len(order))), texts, turned=False)
    numeric = all(name.replace(".", "", 1).isdigit() for name in order)
    texts = list(order)
    if not numeric:
        wrapped = [wrap(name, 16 * em, em) for name in order]
        if all(text_height(text, em) <= slot for text in wrapped):
            texts = wrapped
    sizes = [text_width(text, em) + 0.6 * em if numeric else text_height(text, em) for text in texts]
    every = next((n for n in (1, 2, 5, 10, 20, 50, 100) if n * slot >= max(sizes)), 200)
    at = list(range(0, len(order), every))
    return Ticks(at, [texts[place] for place in at], turned=not numeric)

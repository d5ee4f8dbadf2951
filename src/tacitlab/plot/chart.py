"""What a chart shows, as plain data that every renderer understands.

A chart is axes and marks. Nothing here knows of a drawing library: ``interactive`` and ``printed`` draw the same
description, for the screen and for paper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[Any]
Given: TypeAlias = Any
"""Any sequence of numbers; it is stored, and so read, as a float64 array. NaN and None mean "missing": a gap."""

Symbol = Literal["circle", "square", "diamond", "triangle", "cross", "x", "star", "star-diamond"]

ON_SCREEN = 4000
"""Points of a cloud that the screen shows at most; paper shows them all."""


def _say(mark: object) -> str:
    name = getattr(mark, "name", "") or getattr(mark, "text", "")
    return f"{type(mark).__name__} '{name}'" if name else type(mark).__name__


def _store(mark: object, *fields: str, ndim: int = 1) -> None:
    """Turn the fields that are set into float64 arrays."""
    for field in fields:
        value = getattr(mark, field)
        if value is None:
            continue
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{_say(mark)}: {field} must be numbers") from None
        if array.ndim != ndim:
            raise ValueError(f"{_say(mark)}: {field} has {array.ndim} dimensions; give {ndim}")
        object.__setattr__(mark, field, array)


def _match(mark: object, reference: str, *fields: str) -> None:
    """Check that the fields that are set are as long as the reference field."""
    wanted = len(getattr(mark, reference))
    for field in fields:
        value = getattr(mark, field)
        if value is not None and len(value) != wanted:
            raise ValueError(f"{_say(mark)}: {field} has {len(value)} values, {reference} has {wanted}")


def _pair(mark: object) -> None:
    if (getattr(mark, "low") is None) != (getattr(mark, "high") is None):  # noqa: B009
        raise ValueError(f"{_say(mark)}: give low and high together, or neither")


def _group(mark: object) -> None:
    """Turn groups into integers; without any, all points are of one group and coloured like a series."""
    _store(mark, "groups")
    _match(mark, "x", "groups")
    groups = getattr(mark, "groups")  # noqa: B009
    if groups is None:
        return
    if not np.all(groups == np.round(groups)):
        raise ValueError(f"{_say(mark)}: groups must be whole numbers")
    object.__setattr__(mark, "groups", groups.astype(np.int64))


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes
    ----------
    label, unit : str
        Shown as "price (money)".
    log : bool
        Logarithmic scale; values that are not positive become gaps.
    range : (low, high), optional
        The interval shown; chosen from the data if absent.
    whole : bool
        Ticks at whole numbers only.

    Examples
    --------
    >>> Axis("price", "money").title
    'price (money)'
    """

    label: str
    unit: str = ""
    log: bool = False
    range: tuple[float, float] | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if self.range is None:
            return
        low, high = self.range
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(f"axis '{self.label}': range {self.range} must be finite and increasing")
        if self.log and low <= 0:
            raise ValueError(f"axis '{self.label}': a logarithmic range must be positive, not {self.range}")

    @property
    def title(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, eq=False)
class Line:
    """A curve, with a band around it if ``low`` and ``high`` are given (absolute values, not distances).

    ``steps`` holds each value until the next x. A point between two gaps is drawn as a dot. A ``reference`` has the
    ink of reference lines and is thinner: theory, beside what was found.
    """

    x: Given
    y: Given
    name: str = ""
    low: Given = None
    high: Given = None
    dash: bool = False
    steps: bool = False
    reference: bool = False

    def __post_init__(self) -> None:
        _store(self, "x", "y", "low", "high")
        _match(self, "x", "y", "low", "high")
        _pair(self)


@dataclass(frozen=True, eq=False)
class Points:
    """A scatter, with vertical error bars from ``low`` to ``high`` and a text beside each point if given.

    Without a ``symbol`` each series gets its own, so that a print without colour stays readable. A ``reference`` has
    the ink of reference lines and is a star unless told otherwise; ``hollow`` symbols have an outline alone.
    """

    x: Given
    y: Given
    name: str = ""
    labels: Sequence[str] | None = None
    symbol: Symbol | None = None
    low: Given = None
    high: Given = None
    hollow: bool = False
    reference: bool = False

    def __post_init__(self) -> None:
        _store(self, "x", "y", "low", "high")
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        _match(self, "x", "y", "low", "high", "labels")
        _pair(self)
        if self.symbol is not None and self.symbol not in get_args(Symbol):
            raise ValueError(f"{_say(self)}: symbol '{self.symbol}' is none of {', '.join(get_args(Symbol))}")


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of values in bins: ``bins`` equal ones, or the given ``edges``, or as many as the data deserve.

    Histograms of one chart that name neither share their bins, so that they can be compared.
    """

    values: Given
    name: str = ""
    bins: int | None = None
    edges: Given = None

    def __post_init__(self) -> None:
        _store(self, "values", "edges")
        if self.bins is not None and self.edges is not None:
            raise ValueError(f"{_say(self)}: give bins or edges, not both")
        if self.bins is not None and self.bins < 1:
            raise ValueError(f"{_say(self)}: bins is {self.bins}; it must be at least 1")
        if self.edges is not None and (len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0)):
            raise ValueError(f"{_say(self)}: edges must be at least two increasing numbers")


@dataclass(frozen=True, eq=False)
class Bars:
    """One bar per category, with error bars from ``low`` to ``high``; several ``Bars`` stand side by side.

    Category i lies at x = i, where ``VLine`` and other marks of the chart can refer to it.
    """

    categories: Sequence[str]
    heights: Given
    name: str = ""
    low: Given = None
    high: Given = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(str(category) for category in self.categories))
        _store(self, "heights", "low", "high")
        _match(self, "categories", "heights", "low", "high")
        _pair(self)
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"{_say(self)}: categories must differ from each other")


@dataclass(frozen=True, eq=False)
class Area:
    """Shares stacked over time; ``parts`` maps a name to its share at each x, the first at the bottom."""

    x: Given
    parts: Mapping[str, Given]

    def __post_init__(self) -> None:
        _store(self, "x")
        parts = {}
        for name, values in self.parts.items():
            array = np.asarray(values, dtype=np.float64)
            if array.shape != self.x.shape:
                raise ValueError(f"Area '{name}': it has {array.size} values, x has {self.x.size}")
            if np.any(array < 0):
                raise ValueError(f"Area '{name}': a share must not be negative")
            parts[str(name)] = array
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True)
class HLine:
    """A horizontal reference line; its text stands in the right margin."""

    y: float
    text: str = ""


@dataclass(frozen=True)
class VLine:
    """A vertical reference line; its text stands above the plot."""

    x: float
    text: str = ""


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Colours over a grid: ``z[j, i]`` belongs to the cell around ``(x[i], y[j])``; ``label`` names the colour."""

    x: Given
    y: Given
    z: Given
    label: str = ""

    def __post_init__(self) -> None:
        _store(self, "x", "y")
        _store(self, "z", ndim=2)
        if self.z.shape != (len(self.y), len(self.x)):
            raise ValueError(f"HeatMap '{self.label}': z is {self.z.shape}, (y, x) is {(len(self.y), len(self.x))}")
        for field in ("x", "y"):
            centres = getattr(self, field)
            if not np.all(np.isfinite(centres)) or not np.all(np.diff(centres) > 0):
                raise ValueError(f"HeatMap '{self.label}': {field} must be finite and increasing")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Very many points, each small and pale, those of one group in one colour.

    Paper shows all of them (as an image within the figure), the screen ``ON_SCREEN`` at most: of each group as many,
    drawn by lot. Groups are whole numbers; a group has the same colour in all clouds and badges of a chart.
    """

    x: Given
    y: Given
    groups: Given = None
    name: str = ""

    def __post_init__(self) -> None:
        _store(self, "x", "y")
        _match(self, "x", "y")
        _group(self)


@dataclass(frozen=True, eq=False)
class Badges:
    """Short texts in small discs, in the colours of their groups.

    Where discs would hide each other or a star, they are moved aside and a thin line leads to their places.
    """

    x: Given
    y: Given
    texts: Sequence[str]
    groups: Given = None
    name: str = ""

    def __post_init__(self) -> None:
        _store(self, "x", "y")
        object.__setattr__(self, "texts", tuple(str(text) for text in self.texts))
        _match(self, "x", "y", "texts")
        _group(self)


@dataclass(frozen=True)
class Rectangle:
    """A region of the plane from ``x0`` to ``x1`` and from ``y0`` to ``y1``: outlined and lightly shaded."""

    x0: float
    x1: float
    y0: float
    y1: float
    name: str = ""

    def __post_init__(self) -> None:
        corners = (self.x0, self.x1, self.y0, self.y1)
        if not (np.all(np.isfinite(corners)) and self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError(f"{_say(self)}: corners {corners} must be finite, x0 below x1 and y0 below y1")


Mark: TypeAlias = Line | Points | Histogram | Bars | Area | HLine | VLine | HeatMap | Cloud | Badges | Rectangle


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture: a title, two axes, what is drawn on them, and a caption below.

    Marks are drawn in order. Marks of the same name share their colour and their entry in the legend, and marks
    without a name have none. An ``equal`` chart is square, with a unit as long on one axis as on the other: for two
    quantities of one kind, such as the costs of two agents.

    Examples
    --------
    >>> curve = Line([0, 1, 2], [1.5, 1.6, 1.7], "firm 1", low=[1.4, 1.5, 1.6], high=[1.6, 1.7, 1.8])
    >>> chart = Chart("Learning", Axis("period"), Axis("price", "money"), (curve, HLine(1.473, "Nash 1.473")))
    >>> [type(mark).__name__ for mark in chart.marks]
    ['Line', 'HLine']
    """

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark] = ()
    caption: str = ""
    legend: bool = True
    equal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", tuple(self.marks))
        if self.equal:
            self._check_equal()
        for mark in self.marks:
            if not isinstance(mark, get_args(Mark)):
                raise ValueError(f"chart '{self.title}': {type(mark).__name__} is not a mark")
            if isinstance(mark, Bars) and self.x.log:
                raise ValueError(f"chart '{self.title}': bars stand on categories; the x axis cannot be logarithmic")
            if isinstance(mark, Area) and self.y.log:
                raise ValueError(f"chart '{self.title}': stacked shares cannot stand on a logarithmic y axis")
            if isinstance(mark, HeatMap) and (
                (self.x.log and np.any(mark.x <= 0)) or (self.y.log and np.any(mark.y <= 0))
            ):
                raise ValueError(f"chart '{self.title}': a heat map on a logarithmic axis needs positive coordinates")
            if isinstance(mark, Rectangle) and ((self.x.log and mark.x0 <= 0) or (self.y.log and mark.y0 <= 0)):
                raise ValueError(f"chart '{self.title}': a rectangle on a logarithmic axis needs positive corners")

    def _check_equal(self) -> None:
        if self.x.log or self.y.log:
            raise ValueError(f"chart '{self.title}': axes of equal units cannot be logarithmic")
        ranges = [axis.range for axis in (self.x, self.y) if axis.range is not None]
        if ranges and (len(ranges) == 1 or not np.isclose(*np.ptp(ranges, axis=1))):
            raise ValueError(f"chart '{self.title}': axes of equal units need ranges of one length, or none")

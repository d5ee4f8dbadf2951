"""Small multiples: many small plots that share their axes, to be compared at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_args

from tacitlab.plot.chart import Axis, Bars, Chart, HeatMap, Histogram, HLine, Mark, VLine


@dataclass(frozen=True, eq=False)
class Panel:
    """One of many plots: a short title, and what is drawn on the axes that it shares with the others."""

    title: str
    marks: Sequence[Mark] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", tuple(self.marks))
        for mark in self.marks:
            if isinstance(mark, Histogram | Bars | HeatMap) or not isinstance(mark, get_args(Mark)):
                raise ValueError(f"panel '{self.title}': {type(mark).__name__} needs a chart of its own")
            if isinstance(mark, HLine | VLine) and mark.text:
                raise ValueError(f"panel '{self.title}': there is no room for '{mark.text}' beside its line")


@dataclass(frozen=True, eq=False)
class Panels:
    """Plots in rows of ``columns``, with axes, legend, title and caption in common.

    Marks of the same name share their colour in all panels. ``equal`` panels are square, as an equal chart is.

    Examples
    --------
    >>> from tacitlab.plot.chart import Line
    >>> runs = [Panel(f"run {n}", [Line([0, 1], [100, 10 * n], "inventory")]) for n in range(3)]
    >>> panels = Panels("Schedules", Axis("step"), Axis("inventory", "shares"), runs, columns=2)
    >>> panels.rows, len(panels.whole().marks)
    (2, 3)
    """

    title: str
    x: Axis
    y: Axis
    panels: Sequence[Panel]
    columns: int = 4
    caption: str = ""
    legend: bool = True
    equal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "panels", tuple(self.panels))
        if self.columns < 1:
            raise ValueError(f"panels '{self.title}': columns is {self.columns}; it must be at least 1")
        if not self.panels:
            raise ValueError(f"panels '{self.title}': give at least one panel")
        self.whole()

    @property
    def rows(self) -> int:
        """Number of rows; the last may be incomplete."""
        return -(-len(self.panels) // self.columns)

    def whole(self) -> Chart:
        """All marks on one pair of axes, from which limits, colours and legend are found."""
        marks = tuple(mark for panel in self.panels for mark in panel.marks)
        return Chart(self.title, self.x, self.y, marks, self.caption, self.legend, self.equal)


Picture: TypeAlias = Chart | Panels

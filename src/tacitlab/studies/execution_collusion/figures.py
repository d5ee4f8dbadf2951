"""Figures of the study of two agents who liquidate the same asset.

Pure functions from arrays to charts. Shortfalls are in currency per agent and episode; Macri and Lillo
(arXiv 2408.11773) plot them per step, with agent 2 on the horizontal axis.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.measures.statistics import curve_interval
from tacitlab.plot.chart import ON_SCREEN, Axis, Badges, Chart, Cloud, HLine, Line, Mark, Points, Rectangle, VLine
from tacitlab.plot.panels import Panel, Panels

Floats = NDArray[np.float64]

UNIT = "currency"
COLUMNS = 5  # schedules of runs in a row
MEAN_PUBLISHED = "mean of a published run"
QUADRANTS = (
    "Dashed lines cut the plane at the Nash equilibrium: to the lower left of them both agents pay less than in "
    "equilibrium."
)


# --- shortfalls of both agents ---------------------------------------------------------------------------------


def shortfall_scatter(
    shortfalls: ArrayLike,
    centroids: ArrayLike,
    nash: ArrayLike,
    optimum: ArrayLike,
    front: ArrayLike,
    *,
    title: str,
    published: ArrayLike | None = None,
    paper_stars: ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    caption: str = "",
) -> Chart:
    """Costs of both agents in every test episode, and each run's mean, beside the benchmarks.

    Parameters
    ----------
    shortfalls : (runs, episodes, 2) array
        Currency per episode.
    centroids : (runs, 2) array
        Means of the runs, numbered from 0 as in the paper.
    nash, optimum : (2,) array
        Costs in equilibrium and in the joint optimum of the game that was played.
    front : (points, 2) array
        Pareto front, in order.
    title : str
    published : (runs, 2) array, optional
        Centroids read from the paper's figure.
    paper_stars : (2, 2) array, optional
        The Nash star and the Pareto star that the paper plots.
    window : (low, high), optional
        The part of both axes that is shown; by default all episodes.
    caption : str
        Stands before what the marks mean.

    Examples
    --------
    >>> costs = np.array([[[11.0, 11.5], [11.2, 11.1]]])
    >>> chart = shortfall_scatter(costs, costs.mean(1), [12.07, 12.07], [11, 11], [[10, 12], [11, 11]], title="σ = 0")
    >>> [type(mark).__name__ for mark in chart.marks][:4]
    ['Cloud', 'VLine', 'HLine', 'Rectangle']
    """
    found, centres = np.asarray(shortfalls, dtype=np.float64), np.asarray(centroids, dtype=np.float64)
    runs, episodes = found.shape[:2]
    numbers = np.arange(runs)
    one, two = np.ravel(found[..., 0]), np.ravel(found[..., 1])
    marks: list[Mark] = [
        Cloud(one, two, np.repeat(numbers, episodes), "test episode"),
        *_benchmarks(nash, optimum, front),
    ]
    if published is not None:
        theirs = np.asarray(published, dtype=np.float64)
        marks.append(Points(theirs[:, 0], theirs[:, 1], MEAN_PUBLISHED, symbol="circle", hollow=True, reference=True))
    marks.append(Badges(centres[:, 0], centres[:, 1], [str(number) for number in numbers], numbers, "mean of a run"))
    marks += _stars(nash, optimum)
    if paper_stars is not None:
        marks += _stars(*np.asarray(paper_stars, dtype=np.float64), of=" in the paper", hollow=True)
    return _costs(title, marks, f"{caption} {_drawn(found, centres, window)} {QUADRANTS}".strip(), window)


def _drawn(shortfalls: Floats, centroids: Floats, window: tuple[float, float] | None) -> str:
    """What the dots are, and how many cannot be seen."""
    runs, episodes = shortfalls.shape[:2]
    text = f"Dots: {episodes:,} test episodes of each of {runs} runs, a colour a run"
    if runs * episodes > ON_SCREEN:
        text += f"; on the screen {ON_SCREEN:,} of them, drawn by lot"
    hidden, share = np.flatnonzero(_outside(centroids, window)), _outside(shortfalls.reshape(-1, 2), window).mean()
    if share or hidden.size:
        few = 0 < share < 0.001
        text += f". Outside the part shown: {'less than 0.1' if few else f'{100 * share:.1f}'} % of the episodes"
    if hidden.size:
        text += f", and the means of runs {', '.join(map(str, hidden))}"
    return f"{text}."


def centroids_by_volatility(
    centroids: Mapping[str, ArrayLike],
    nash: ArrayLike,
    optimum: ArrayLike,
    front: ArrayLike,
    *,
    title: str,
    window: tuple[float, float] | None = None,
    caption: str = "",
) -> Chart:
    """Means of the runs of several settings in one plane.

    Parameters
    ----------
    centroids : mapping of str to (runs, 2) array
        By the name of the setting; currency per episode.
    nash, optimum, front, title, window, caption
        As in :func:`shortfall_scatter`.
    """
    marks: list[Mark] = _benchmarks(nash, optimum, front)
    hidden = 0
    for name, values in centroids.items():
        found = np.asarray(values, dtype=np.float64)
        marks.append(Points(found[:, 0], found[:, 1], name))
        hidden += int(_outside(found, window).sum())
    marks += _stars(nash, optimum)
    text = "Each symbol is the mean of a run" + (f"; {hidden} lie outside the part shown." if hidden else ".")
    return _costs(title, marks, f"{caption} {text} {QUADRANTS}".strip(), window)


def _outside(points: Floats, window: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Which points (points, 2) a window hides."""
    low, high = window or (-np.inf, np.inf)
    return np.any((points < low) | (points > high), axis=1)


def _costs(title: str, marks: Sequence[Mark], caption: str, window: tuple[float, float] | None) -> Chart:
    one, two = (Axis(f"shortfall of agent {agent}", UNIT, range=window) for agent in (1, 2))
    return Chart(title, one, two, marks, caption, equal=True)


def _benchmarks(nash: ArrayLike, optimum: ArrayLike, front: ArrayLike) -> list[Mark]:
    """Quadrants, the collusive area if there is one, and the Pareto front."""
    high, low = np.asarray(nash, dtype=np.float64), np.asarray(optimum, dtype=np.float64)
    marks: list[Mark] = [VLine(high[0], f"Nash {high[0]:.2f}"), HLine(high[1], f"Nash {high[1]:.2f}")]
    if np.all(low < high):
        marks.append(Rectangle(low[0], high[0], low[1], high[1], "collusive area"))
    along = np.asarray(front, dtype=np.float64)
    marks.append(Line(along[:, 0], along[:, 1], "Pareto front", reference=True))
    return marks


def _stars(nash: ArrayLike, optimum: ArrayLike, *, of: str = "", hollow: bool = False) -> list[Mark]:
    """The two benchmarks, to be drawn last."""
    (nash_1, nash_2), (optimum_1, optimum_2) = np.asarray(nash), np.asarray(optimum)
    names = ("Nash", "optimum") if of else ("Nash equilibrium", "joint optimum")
    return [
        Points([nash_1], [nash_2], names[0] + of, symbol="star", hollow=hollow, reference=True),
        Points([optimum_1], [optimum_2], names[1] + of, symbol="star-diamond", hollow=hollow, reference=True),
    ]


def learning_curve(
    time: ArrayLike, shortfall: ArrayLike, nash: float, optimum: float, *, title: str, caption: str = ""
) -> Chart:
    """Costs of both agents while they learn, with 95 % intervals over runs.

    Parameters
    ----------
    time : (windows,) array
        Training episode at which each window ends.
    shortfall : (runs, windows, 2) array
        Means over a window; currency per episode.
    nash, optimum : float
        Cost of an agent in equilibrium and in the joint optimum.
    """
    values = np.asarray(shortfall, dtype=np.float64)
    band = curve_interval(values)
    marks: list[Mark] = [
        Line(time, band.centre[:, agent], f"agent {agent + 1}", band.low[:, agent], band.high[:, agent], bool(agent))
        for agent in (0, 1)
    ]
    marks += [HLine(nash, f"Nash {nash:.2f}"), HLine(optimum, f"joint optimum {optimum:.2f}")]
    return Chart(
        title, Axis("training episode"), Axis("shortfall of an agent", UNIT), marks,
        f"{caption} Mean over {len(values)} runs with its pointwise 95 % interval.".strip(),
    )  # fmt: skip


# --- schedules -------------------------------------------------------------------------------------------------


def schedule_panels(
    schedules: ArrayLike,
    nash: ArrayLike,
    twap: ArrayLike,
    *,
    title: str,
    centroids: ArrayLike | None = None,
    trades: bool = False,
    caption: str = "",
) -> Panels:
    """What both agents of each run sell, a panel a run.

    Parameters
    ----------
    schedules : (runs, steps, 2) array
        Shares sold at each step, averaged over test episodes.
    nash, twap : (steps,) array
        Shares sold by an agent in equilibrium and at a constant rate.
    centroids : (runs, 2) array, optional
        Costs of agents 1 and 2, to stand above the panels.
    trades : bool
        Show the shares sold at each step instead of the inventory left after it.
    """
    sold = np.asarray(schedules, dtype=np.float64)
    references = _references(nash, twap, trades)
    panels = []
    for run, pair in enumerate(sold):
        head = f"run {run}" if centroids is None else "{}: {:.2f}, {:.2f}".format(run, *np.asarray(centroids)[run])
        lines = [_schedule(pair[:, agent], f"agent {agent + 1}", trades, dash=bool(agent)) for agent in (0, 1)]
        panels.append(Panel(head, (*references, *lines)))
    above = "" if centroids is None else f" Above each panel: number of the run, shortfall of agents 1 and 2 ({UNIT})."
    quantity = Axis("sold per step", "shares") if trades else Axis("inventory", "shares")
    return Panels(
        title, Axis("step", whole=True), quantity, panels, COLUMNS,
        f"{caption} Means over the test episodes of a run.{above}".strip(),
    )  # fmt: skip


def _references(nash: ArrayLike, twap: ArrayLike, trades: bool) -> list[Line]:
    pairs = (("TWAP", twap), ("Nash equilibrium", nash))
    return [_schedule(np.asarray(sold, dtype=np.float64), name, trades, reference=True) for name, sold in pairs]


def _schedule(sold: Floats, name: str, trades: bool, *, dash: bool = False, reference: bool = False) -> Line:
    """Trades as steps around the number of the step, or the inventory that they leave."""
    if trades:
        x, y = _steps(sold)
        return Line(x, y, name, dash=dash, steps=True, reference=reference)
    left = sold.sum() - np.concatenate([[0.0], np.cumsum(sold)])
    return Line(np.arange(len(left)), left, name, dash=dash, reference=reference)


def _steps(values: Floats) -> tuple[Floats, Floats]:
    """Path of a step curve whose value for step t holds from t - 1/2 to t + 1/2."""
    return 0.5 + np.arange(len(values) + 1.0), np.append(values, values[-1])


def average_schedules(
    schedules: Mapping[str, ArrayLike],
    nash: ArrayLike,
    twap: ArrayLike,
    *,
    title: str,
    published: Mapping[str, ArrayLike] | None = None,
    caption: str = "",
) -> Panels:
    """Shares sold at each step, averaged over both agents and all runs, a panel for each setting.

    The two agents of a run are exchangeable, and no independent evidence: they are averaged first.

    Parameters
    ----------
    schedules : mapping of str to (runs, steps, 2) array
        By the name of the setting.
    nash, twap : (steps,) array
    published : mapping of str to (runs, steps, 2) array, optional
        Schedules read from the paper's figures.
    """
    references = _references(nash, twap, trades=True)
    panels = []
    for name, values in schedules.items():
        band = curve_interval(np.asarray(values, dtype=np.float64).mean(2))
        x, centre = _steps(band.centre)
        low, high = (_steps(side)[1] for side in (band.low, band.high))
        marks: list[Mark] = [*references, Line(x, centre, "this study", low, high, steps=True)]
        if published is not None and name in published:
            theirs = curve_interval(np.asarray(published[name], dtype=np.float64).mean(2))
            at = np.arange(1, len(theirs.centre) + 1)
            marks.append(Points(at, theirs.centre, "published", low=theirs.low, high=theirs.high, symbol="square"))
        panels.append(Panel(name, marks))
    return Panels(
        title, Axis("step", whole=True), Axis("sold per step", "shares"), panels, min(3, len(panels)),
        f"{caption} Means over both agents and all runs, with pointwise 95 % intervals over runs.".strip(),
    )  # fmt: skip


def published_reconstruction(
    published: Mapping[str, ArrayLike],
    predicted: Mapping[str, Mapping[str, ArrayLike]],
    *,
    title: str,
    caption: str = "",
) -> Panels:
    """Costs read from the paper's figures against those of the schedules in its other figures, a panel a setting.

    Parameters
    ----------
    published : mapping of str to (runs, 2) array
        Centroids by the name of the setting; currency per episode.
    predicted : mapping of str to mapping of str to (runs, 2) array
        For each reading of the game, by setting: the costs of the published mean schedules.
    """
    panels = []
    values = [np.asarray(one) for table in (published, *predicted.values()) for one in table.values()]
    ends = np.array([min(one.min() for one in values), max(one.max() for one in values)])
    for name, theirs in published.items():
        marks: list[Mark] = [Line(ends, ends, "equal", reference=True)]
        title_lines = [name]
        for reading, costs in predicted.items():
            ours = np.asarray(costs[name], dtype=np.float64)
            marks.append(Points(np.ravel(theirs), np.ravel(ours), reading))
            title_lines.append(f"{reading}: {np.sqrt(np.mean((ours - np.asarray(theirs)) ** 2)):.2f}")
        panels.append(Panel("\n".join(title_lines), marks))
    return Panels(
        title, Axis("published shortfall", UNIT), Axis("shortfall of the published schedule", UNIT), panels,
        min(3, len(panels)),
        f"{caption} One symbol for each agent of each run. Above each panel: root mean square errors ({UNIT}).".strip(),
        equal=True,
    )  # fmt: skip

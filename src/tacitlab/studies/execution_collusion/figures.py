"""Sections, tables and figures of the studies of two agents who liquidate the same asset.

Charts are pure functions of arrays. Shortfalls are in currency per agent and episode; Macrì and Lillo
(arXiv 2408.11773) plot them per step, with agent 2 on the horizontal axis.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.audits import execution as measures
from tacitlab.measures.statistics import curve_interval
from tacitlab.plot.chart import ON_SCREEN, Axis, Badges, Chart, Cloud, HLine, Line, Mark, Points, Rectangle, VLine
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.execution_collusion.study import Evidence, impossible, none_beats_nash, twap_saving
from tacitlab.studies.frame import cell, curve
from tacitlab.studies.liquidations import (
    NASH_STAR,
    PARETO_STAR,
    VOLATILITIES,
    Floats,
    Judged,
    Reference,
    Runs,
    centroids,
    digitised,
    estimate,
    label,
    place,
    recosted,
)

UNIT = "currency"
COLUMNS = 5  # schedules of runs in a row
MEAN_PUBLISHED = "mean of a published run"
QUADRANTS = (
    "Dashed lines cut the plane at the Nash equilibrium: to the lower left of them both agents pay less than in "
    "equilibrium."
)
SHOWN = 0.99  # of the test episodes lie in the part of the plane that a scatter shows
MARGIN = 0.05  # of its length beyond what it must show

OVERVIEW_COLUMNS = (
    "runs", "n", "shortfall", "Nash, joint optimum", "K", "by the game played", "runs below Nash",
    "in the paper's rectangle", "a best response saves", "distance to TWAP", "to Nash", "to best responses",
)  # fmt: skip
OVERVIEW = (
    "Currency an agent and episode, below each mean its 95 % interval; distances are root mean squares over steps and "
    "agents, in shares a step. By the game played: whether the interval of the mean shortfall lies below or above what "
    "the Nash equilibrium costs. "
    "The paper's rectangle lies between its stars, {pareto:g} and {nash:g}. A best response to TWAP saves {twap}."
)


def overview(rows: Mapping[str, Judged]) -> Table:
    """Every group of runs beside the benchmarks of its game, and what the paper's stars say of the same runs."""
    games = {judged.reference.nash_cost: judged.reference for judged in rows.values()}
    twap = " or ".join(f"{twap_saving(one):.3f} (Nash cost {cost:.3f})" for cost, one in sorted(games.items()))
    caption = OVERVIEW.format(pareto=PARETO_STAR, nash=NASH_STAR, twap=twap)
    return Table(OVERVIEW_COLUMNS, tuple(_row(name, judged) for name, judged in rows.items()), caption)


def _row(name: str, runs: Judged) -> tuple[Cell, ...]:
    n = len(runs.mean)
    return (
        name, n, cell(estimate(runs.mean)), f"{runs.reference.nash_cost:.3f}\n{runs.reference.optimum_cost:.3f}",
        cell(estimate(runs.index)), f"{place(runs)} Nash", f"{runs.below.sum()} of {n}",
        f"{runs.in_stars.sum()} of {n}",
        *(cell(estimate(values)) for values in (runs.exploitability, runs.to_twap, runs.to_nash, runs.to_best)),
    )  # fmt: skip


# --- all experiments ---------------------------------------------------------------------------------------------


def sections(e: Evidence) -> tuple[Section, ...]:
    """The report of the study of collusion."""
    return (
        Section(
            "Beside the equilibrium of the game that was played",
            "As simulated: trades move prices one step late, as in the authors' public code. As written: Eq 4 of the "
            "paper with a coin toss. Control: as written, with rewards a hundred times smaller for the same return.",
            overview({runs.title: runs for runs in e.everything}),
            tuple(_centroids(e)),
        ),
        published_section(),
        Section("Schedules", charts=tuple(_schedules(e))),
        Section(
            "Does the rival answer a deviation?",
            "One agent is forced to its own mean schedule, then to the best response to what its rival sells "
            "meanwhile. The rival acts greedily by its learned policy; all that it can notice is the price within the "
            "episode.",
            deviations(e),
        ),
        *(run_section(runs) for runs in e.everything),
    )


def published_section() -> Section:
    """The paper's own data, judged by the equilibrium of the game that its code plays and of the one it describes."""
    rows: dict[str, Judged] = {}
    for sigma in VOLATILITIES:
        rows[f"as plotted, {label(sigma)}"] = digitised(sigma)
    for sigma in VOLATILITIES:
        rows[f"schedules costed by Eq 4, {label(sigma)}"] = recosted(sigma, 1, "simultaneous")
    costs = {label(sigma): digitised(sigma).costs for sigma in VOLATILITIES}
    readings = {
        name: {label(sigma): recosted(sigma, lag, "simultaneous").costs for sigma in VOLATILITIES}
        for name, lag in (("lag 2 (code)", 2), ("lag 1 (Eq 4)", 1))
    }
    return Section(
        "The published runs",
        f"Costs and schedules were read from the paper's figures. {impossible()} {none_beats_nash()}",
        overview(rows),
        (
            published_reconstruction(
                costs,
                readings,
                title="Published costs against those of the published schedules",
                caption="Lag 2: a trade moves prices from the step after the next on. Lag 1: from the next step on.",
            ),
            _paper_centroids(),
        ),
    )


def _centroids(e: Evidence) -> Iterator[Chart]:
    for group in (e.simulated, (*e.written, e.control)):
        known = group[0].reference
        costs = {runs.title: runs.costs for runs in group}
        yield centroids_by_volatility(
            costs, known.nash.costs, known.optimum.costs, known.front, title=f"Mean costs {_settings(group)}",
            window=window(np.concatenate([runs.costs for runs in group]), known, share=1.0),
        )  # fmt: skip


def _settings(runs: Sequence[Runs]) -> str:
    return " and ".join(dict.fromkeys(one.setting.words for one in runs))


def _paper_centroids() -> Chart:
    known, costs = digitised(VOLATILITIES[0]).reference, {label(one): digitised(one).costs for one in VOLATILITIES}
    return centroids_by_volatility(
        costs, known.nash.costs, known.optimum.costs, known.front, title="Published mean costs",
        window=window(np.concatenate(list(costs.values())), known, share=1.0),
        caption="Benchmarks of the game with lag 2, which these costs come from.",
    )  # fmt: skip


def _schedules(e: Evidence) -> Iterator[Panels]:
    theirs = {runs.title: digitised(runs.volatility).schedules for runs in e.simulated}
    for group, beside in ((e.simulated, theirs), ((*e.written, e.control), None)):
        known = group[0].reference
        ours = {runs.title: runs.schedules for runs in group}
        title = f"Mean schedules {_settings(group)}"
        yield average_schedules(ours, known.nash_schedule, known.twap, title=title, published=beside)


def deviations(e: Evidence) -> Table:
    """What an agent saves by a best response with and without an answer, and what the rival does."""
    columns = (
        "runs", "saved, rival keeps its schedule", "saved, rival answers", "rival moves (shares)",
        "both agents save in spite of the answer (share of runs)",
    )  # fmt: skip
    rows = []
    for runs in e.everything:
        found = e.answers[runs.title]
        values = (
            *(x.mean(axis=1) for x in (found.kept, found.answered, found.moved)),
            (found.answered > 0).all(axis=1),
        )
        rows.append((runs.title, *(str(estimate(x)) for x in values)))
    return Table(columns, tuple(rows), "Currency an agent and episode; both agents of a run are averaged first.")


# --- one experiment ----------------------------------------------------------------------------------------------


def run_section(runs: Runs, *, published_beside: bool = True) -> Section:
    """Costs of all test episodes, schedules, learning curve and a table of the runs."""
    known = runs.reference
    left = ", ".join(map(str, runs.numbers))
    numbers = f"Runs are numbered in the order of the sessions that are left: {left}." if runs.failed else ""
    shown: dict[str, Any] = {}
    seen = window(runs.shortfalls.reshape(-1, 2), known)
    if runs.setting.key == "simulated":
        shown["paper_stars"] = [[NASH_STAR] * 2, [PARETO_STAR] * 2]
        if published_beside:
            shown["published"] = theirs = centroids()[runs.volatility]
            seen = window(np.concatenate([theirs, [[edge] * 2 for edge in seen]]), known, share=1.0)
    scatter = shortfall_scatter(
        runs.shortfalls, runs.costs, known.nash.costs, known.optimum.costs, known.front,
        title=f"Costs {runs.title}", window=seen, caption=numbers, **shown,
    )  # fmt: skip
    panels = schedule_panels(
        runs.schedules, known.nash_schedule, known.twap, runs.costs, title=f"Schedules {runs.title}", caption=numbers,
    )  # fmt: skip
    curve = learning_curve(
        runs.time, runs.curve, known.nash_cost, known.optimum_cost, title=f"Learning {runs.title}",
        caption="Exploration included, which alone costs more than TWAP.",
    )  # fmt: skip
    return Section(
        f"{runs.title[0].upper()}{runs.title[1:]}", failures(runs), run_table(runs), (scatter, panels, curve)
    )


def failures(runs: Runs) -> str:
    """How many sessions were left out, in words; nothing where none was."""
    if not runs.failed:
        return ""
    of = runs.failed + len(runs.numbers)
    return f"{runs.failed} of {of} sessions failed to learn (values beyond all bounds) and are left out."


def window(points: Any, known: Reference, share: float = SHOWN) -> tuple[float, float]:
    """The part of both axes that holds a share of the points and all benchmarks.

    Examples
    --------
    >>> from tacitlab.studies.liquidations import reference
    >>> low, high = window([[9.0, 12.0]], reference(2, "simultaneous"), share=1.0)
    >>> round(low, 2), round(high, 2)
    (8.15, 12.18)
    """
    found = np.asarray(points, dtype=np.float64)
    tail = (1 - share) / 4
    low, high = np.quantile(found.min(axis=1), tail), np.quantile(found.max(axis=1), 1 - tail)
    low, high = min(low, known.optimum_cost), max(high, known.nash_cost, NASH_STAR)
    room = MARGIN * (high - low)
    return float(low - room), float(high + room)


def run_table(runs: Runs) -> Table:
    """One row a run: costs with their errors, quadrant, K, savings and times of sale."""
    errors, times = measures.episode_error(runs.shortfalls), measures.sale_time(runs.schedules)
    quadrants = ("both above", "predatory", "both below")
    rows: list[tuple[Cell, ...]] = []
    for row, number in enumerate(runs.numbers):
        pair = [f"{cost:.2f} ± {half:.2f}" for cost, half in zip(runs.costs[row], errors[row], strict=True)]
        rows.append(
            (
                int(number), *pair, quadrants[runs.quadrant[row]], quadrants[runs.star_quadrant[row]],
                f"{runs.index[row]:.2f}", *(f"{x:.2f}" for x in runs.saving[row]), *(f"{x:.2f}" for x in times[row]),
            )
        )  # fmt: skip
    columns = (
        "run", "shortfall 1", "shortfall 2", "Nash of the game", "the paper's star", "K", "1 could save",
        "2 could save", "1 sells at", "2 sells at",
    )  # fmt: skip
    return Table(columns, tuple(rows), CAPTION)


CAPTION = (
    "Shortfalls in currency, with 95 % intervals over test episodes (which say nothing about other runs). Below or "
    "above: both costs beside the Nash equilibrium of the game that was played, and beside the star that the paper "
    "calls so. Could save: by a best response to the other's mean schedule. Sells at: mean step, from 1, at which a "
    "share is sold."
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
    marks: list[Mark] = [curve(time, values[..., k], f"agent {k + 1}", dash=bool(k)) for k in (0, 1)]
    marks += [HLine(nash, f"Nash {nash:.2f}"), HLine(optimum, f"joint optimum {optimum:.2f}")]
    return Chart(
        title, Axis("training episode"), Axis("shortfall of an agent", UNIT), marks,
        f"{caption} Mean over {len(values)} runs with its pointwise 95 % interval.".strip(),
    )  # fmt: skip


# --- schedules -------------------------------------------------------------------------------------------------


def schedule_panels(
    schedules: ArrayLike, nash: ArrayLike, twap: ArrayLike, centroids: ArrayLike, *, title: str, caption: str = ""
) -> Panels:
    """What both agents of each run still hold, a panel a run.

    Parameters
    ----------
    schedules : (runs, steps, 2) array
        Shares sold at each step, averaged over test episodes.
    nash, twap : (steps,) array
        Shares sold by an agent in equilibrium and at a constant rate.
    centroids : (runs, 2) array
        Costs of agents 1 and 2, to stand above the panels.
    """
    sold, costs = np.asarray(schedules, dtype=np.float64), np.asarray(centroids, dtype=np.float64)
    references = _references(nash, twap, trades=False)
    panels = []
    for run, pair in enumerate(sold):
        lines = [_schedule(pair[:, agent], f"agent {agent + 1}", trades=False, dash=bool(agent)) for agent in (0, 1)]
        panels.append(Panel("{}: {:.2f}, {:.2f}".format(run, *costs[run]), (*references, *lines)))
    return Panels(
        title, Axis("step", whole=True), Axis("inventory", "shares"), panels, COLUMNS,
        f"{caption} Means over the test episodes of a run. Above each panel: number of the run, shortfall of agents 1 "
        f"and 2 ({UNIT}).".strip(),
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

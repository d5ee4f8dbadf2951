"""Sections of the reports on two agents that liquidate the same asset: what is shown of which runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tacitlab.audits import execution as measures
from tacitlab.plot.chart import Chart
from tacitlab.plot.panels import Panels
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.execution_collusion import figures, published
from tacitlab.studies.execution_collusion.answer import impossible, none_beats_nash, twap_saving
from tacitlab.studies.execution_collusion.claims import Evidence, place
from tacitlab.studies.execution_collusion.evidence import Judged, Reference, Runs, digitised, estimate, recosted
from tacitlab.studies.execution_collusion.published import NASH_STAR, PARETO_STAR, VOLATILITIES, label

SHOWN = 0.99  # of the test episodes lie in the part of the plane that a scatter shows
MARGIN = 0.05  # of its length beyond what it must show

COLUMNS = (
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
    return Table(COLUMNS, tuple(_row(name, judged) for name, judged in rows.items()), caption)


def _row(name: str, runs: Judged) -> tuple[Cell, ...]:
    n = len(runs.mean)
    return (
        name, n, _cell(runs.mean), f"{runs.reference.nash_cost:.3f}\n{runs.reference.optimum_cost:.3f}",
        _cell(runs.index), f"{place(runs)} Nash", f"{runs.below.sum()} of {n}", f"{runs.in_stars.sum()} of {n}",
        *(_cell(values) for values in (runs.exploitability, runs.to_twap, runs.to_nash, runs.to_best)),
    )  # fmt: skip


def _cell(values: Any) -> str:
    """A mean above its interval."""
    found = estimate(values)
    return f"{found.mean:{found.precision}}\n{found.interval}"


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
            figures.published_reconstruction(
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
        yield figures.centroids_by_volatility(
            costs, known.nash.costs, known.optimum.costs, known.front, title=f"Mean costs {_settings(group)}",
            window=window(np.concatenate([runs.costs for runs in group]), known, share=1.0),
        )  # fmt: skip


def _settings(runs: Sequence[Runs]) -> str:
    return " and ".join(dict.fromkeys(one.setting.words for one in runs))


def _paper_centroids() -> Chart:
    known, costs = digitised(VOLATILITIES[0]).reference, {label(one): digitised(one).costs for one in VOLATILITIES}
    return figures.centroids_by_volatility(
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
        yield figures.average_schedules(ours, known.nash_schedule, known.twap, title=title, published=beside)


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
            shown["published"] = theirs = published.centroids()[runs.volatility]
            seen = window(np.concatenate([theirs, [[edge] * 2 for edge in seen]]), known, share=1.0)
    scatter = figures.shortfall_scatter(
        runs.shortfalls, runs.costs, known.nash.costs, known.optimum.costs, known.front,
        title=f"Costs {runs.title}", window=seen, caption=numbers, **shown,
    )  # fmt: skip
    panels = figures.schedule_panels(
        runs.schedules, known.nash_schedule, known.twap, title=f"Schedules {runs.title}", centroids=runs.costs,
        caption=numbers,
    )  # fmt: skip
    curve = figures.learning_curve(
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
    >>> from tacitlab.studies.execution_collusion.evidence import reference
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

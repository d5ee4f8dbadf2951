"""The answer of a run in words and numbers: outcome, interval, benchmarks beside it, verdict."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from tacitlab.lab.experiment import Length
from tacitlab.lab.result import Result
from tacitlab.markets.base import Market
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, mean_interval, proportion
from tacitlab.theory.benchmarks import Benchmarks

TOLERANCE = 0.05  # of the way from the competitive to the cooperative outcome: closer counts as reached


@dataclass(frozen=True)
class Finding:
    """One outcome beside its benchmarks."""

    name: str
    estimate: Estimate
    nash: float | None = None
    optimum: float | None = None
    unit: str = ""
    detail: bool = False  # left out where there is little room


@dataclass(frozen=True)
class Answer:
    """What one cell of an experiment found."""

    findings: tuple[Finding, ...]
    gain: Estimate | None
    verdict: str
    convergence: str
    tally: str  # "20 of 20"; a dash where sessions have a fixed length
    labels: tuple[str, str]  # names of the two benchmarks
    notes: tuple[str, ...] = ()
    tallied: str = "converged"  # what the tally counts
    failed: int = 0  # sessions that are left out

    def sentence(self) -> str:
        """The verdict and how sure it is."""
        return f"{self.verdict} {self.convergence}"


def ends_by_limit(result: Result, cell: int = 0) -> bool:
    """Whether the outcome is greedy play after convergence, rather than play while learning."""
    return result.cells[cell].length.stable_for > 0


def cell_data(result: Result, cell: int) -> xr.Dataset:
    """The data of one cell of the sweep."""
    sizes = {name: len(values) for name, values in result.experiment.sweep_dimensions().items()}
    place = np.unravel_index(cell, tuple(sizes.values())) if sizes else ()
    return result.data.isel({name: int(k) for name, k in zip(sizes, place, strict=True)})


def shown(estimate: Estimate | None) -> str:
    """A mean with its interval, or a dash.

    Examples
    --------
    >>> shown(mean_interval([1.0, 2.0, 3.0, 4.0])), shown(mean_interval([])), shown(None)
    ('2.5 (95 % CI 0.6 to 4.4, n=4)', '-', '-')
    """
    return "-" if estimate is None or np.isnan(estimate.mean) else str(estimate)


def answers(result: Result) -> list[Answer]:
    """The answers of all cells, last field of the sweep fastest, with the findings that all of them have."""
    found = [answer(result, cell) for cell in range(len(result.cells))]
    common = set.intersection(*({finding.name for finding in one.findings} for one in found))
    return [replace(one, findings=tuple(f for f in one.findings if f.name in common)) for one in found]


def answer(result: Result, cell: int = 0) -> Answer:
    """Outcome, benchmarks and verdict of one cell."""
    if isinstance(result.cells[cell].environment, Market):
        from tacitlab.report.market_answer import market_answer

        return market_answer(result, cell)
    data, benchmarks = cell_data(result, cell), result.benchmarks(cell)
    game, by_limit = result.cells[cell].game, ends_by_limit(result, cell)
    payoff = outcome.final_payoff(data, by_limit)
    findings = [_payoff_finding(game, payoff, data)]
    if game.actions().unit:
        findings.append(_action_finding(game, data, benchmarks, by_limit))
    place = outcome.gain(payoff, data)
    gain = mean_interval(place.values) if bool(place.notnull().all()) else None
    labels = names_of(benchmarks)
    length, added = result.cells[cell].length, result.cells[cell].intervention.note()
    return Answer(
        tuple(findings),
        gain,
        verdict(gain, best_equilibrium(benchmarks), labels),
        _convergence(length, data),
        f"{int(data['converged'].sum())} of {data.sizes['session']}" if length.stable_for else "-",
        labels,
        (*benchmarks.notes, *([added] if added else [])),
    )


def names_of(benchmarks: Benchmarks) -> tuple[str, str]:
    """What the competitive and the cooperative reference are called."""
    return (
        benchmarks.nash.name if benchmarks.competitive else "no known equilibrium",
        benchmarks.optimum.name if benchmarks.cooperative else "no optimum",
    )


def sweep_sentence(result: Result, answers: list[Answer]) -> str:
    """Where in a sweep the agents fare best and worst, of the cells that were looked at."""
    dims = result.experiment.sweep_dimensions()
    shape = tuple(len(values) for values in dims.values())

    def setting(cell: int) -> str:
        place = np.unravel_index(cell, shape)
        return ", ".join(f"{name} = {values[k]}" for (name, values), k in zip(dims.items(), place, strict=True))

    sessions = f"{result.data.sizes['session']} sessions in each of {int(np.prod(shape))} cells."
    if failed := sum(found.failed for found in answers):
        sessions += f" Failed and left out: {failed} of {result.data.sizes['session'] * int(np.prod(shape))}."
    gains = [found.gain.mean if found.gain else np.nan for found in answers]
    if not np.isnan(gains).all():
        best, worst = int(np.nanargmax(gains)), int(np.nanargmin(gains))
        return (
            f"The agents fare best at {setting(best)}, with a gain of {answers[best].gain}, and worst at "
            f"{setting(worst)}, with {answers[worst].gain}: 0 is {answers[best].labels[0]}, 1 is "
            f"{answers[best].labels[1]}. {sessions}"
        )
    means = [found.findings[0].estimate.mean for found in answers]
    if np.isnan(means).all():
        return sessions
    least, most = int(np.nanargmin(means)), int(np.nanargmax(means))
    return (
        f"The mean {answers[0].findings[0].name} is lowest at {setting(least)}, "
        f"{answers[least].findings[0].estimate}, and highest at {setting(most)}, {answers[most].findings[0].estimate}. "
        f"{sessions}"
    )


def _payoff_finding(game: Any, payoff: xr.DataArray, data: xr.Dataset) -> Finding:
    sign = -1.0 if game.cost_name else 1.0
    return Finding(
        game.cost_name or game.payoff_name,
        mean_interval(sign * payoff.mean("agent").values),
        sign * float(data["nash_payoff"].mean()),
        sign * float(data["optimum_payoff"].mean()),
        game.payoff_unit,
    )


def _action_finding(game: Any, data: xr.Dataset, benchmarks: Benchmarks, by_limit: bool) -> Finding:
    actions = game.actions()

    def predicted(profiles: tuple[Any, ...]) -> float | None:
        known = profiles and actions.name in profiles[0].quantities
        return float(np.mean(profiles[0].quantities[actions.name])) if known else None

    return Finding(
        actions.name,
        mean_interval(outcome.final_action(data, by_limit).mean("agent").values),
        predicted(benchmarks.competitive),
        predicted(benchmarks.cooperative),
        actions.unit,
    )


def best_equilibrium(benchmarks: Benchmarks) -> float:
    """Place of the equilibrium that pays most between the two references: 0 if there is but one."""
    if not benchmarks.competitive or not benchmarks.cooperative:
        return 0.0
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    return max((profile.average - low) / room if room else 0.0 for profile in benchmarks.competitive)


def verdict(gain: Estimate | None, best: float, labels: tuple[str, str]) -> str:
    """In words; ``best`` is the place of the equilibrium that pays most."""
    nash, optimum = labels
    if gain is None:
        return "The benchmarks coincide or are unknown, so that the outcome has no place between them."
    if np.isnan(gain.low):
        return f"One session alone says nothing; its outcome lies {gain.mean:.0%} of the way from {nash} to {optimum}."
    where = f"{gain.mean:.0%} of the way from {nash} to {optimum} (95 % CI {gain.low:.0%} to {gain.high:.0%})"
    if gain.low > best + TOLERANCE:
        return f"More cooperative than any known equilibrium: the agents end {where}."
    if gain.high < -TOLERANCE:
        return f"Worse for the agents than the competitive benchmark: they end {where}."
    if gain.low > -TOLERANCE and gain.high < best + TOLERANCE:
        known = "the competitive benchmark" if best <= TOLERANCE else f"equilibria, which reach to {best:.0%}"
        return f"Competitive: within {TOLERANCE:.0%} of {known}: the agents end {where}."
    return f"Undecided with so few sessions: {where}; add sessions."


def _convergence(length: Length, data: xr.Dataset) -> str:
    n = data.sizes["session"]
    if not length.stable_for:
        return f"{n} sessions of {length.periods:,} periods; means over the last {outcome.CLOSING_SHARE:.0%}."
    converged = int(data["converged"].sum())
    share = proportion(converged, n)
    if not converged:
        return f"0 of {n} sessions converged within {length.periods:,} periods: judge nothing by this run."
    times = data["periods"].values[data["converged"].values] - length.stable_for
    took = f"after {times.mean() / 1e6:.3g} million periods on average" if times.mean() >= 1e5 else (
        f"after {times.mean():,.0f} periods on average"
    )  # fmt: skip
    interval = "" if converged == n else f" ({share.low:.1%} to {share.high:.1%})"
    return f"{converged} of {n} sessions converged{interval}, {took}."

"""The answer of a run in words and numbers: outcome, interval, benchmarks beside it, verdict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from tacit.lab.experiment import Length
from tacit.lab.result import Result
from tacit.measures import outcome
from tacit.measures.statistics import Estimate, mean_interval, proportion
from tacit.theory.benchmarks import Benchmarks

TOLERANCE = 0.05  # of the way from the competitive to the cooperative outcome: closer counts as reached


@dataclass(frozen=True)
class Finding:
    """One outcome beside its benchmarks."""

    name: str
    estimate: Estimate
    nash: float | None = None
    optimum: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Answer:
    """What one cell of an experiment found."""

    findings: tuple[Finding, ...]
    gain: Estimate | None
    verdict: str
    convergence: str
    converged: str  # "20 of 20"; a dash where sessions have a fixed length
    labels: tuple[str, str]  # names of the two benchmarks
    notes: tuple[str, ...] = ()

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


def answer(result: Result, cell: int = 0) -> Answer:
    """Outcome, benchmarks and verdict of one cell."""
    data, benchmarks = cell_data(result, cell), result.benchmarks(cell)
    game, by_limit = result.cells[cell].game, ends_by_limit(result, cell)
    payoff = outcome.final_payoff(data, by_limit)
    findings = [_payoff_finding(game, payoff, data)]
    if game.actions().unit:
        findings.append(_action_finding(game, data, benchmarks, by_limit))
    place = outcome.gain(payoff, data)
    gain = mean_interval(place.values) if bool(place.notnull().all()) else None
    labels = (
        benchmarks.nash.name if benchmarks.competitive else "no equilibrium",
        benchmarks.optimum.name if benchmarks.cooperative else "no optimum",
    )
    length = result.cells[cell].length
    return Answer(
        tuple(findings),
        gain,
        _verdict(gain, _best_equilibrium(benchmarks), labels),
        _convergence(length, data),
        f"{int(data['converged'].sum())} of {data.sizes['session']}" if length.stable_for else "-",
        labels,
        benchmarks.notes,
    )


def sweep_sentence(result: Result, answers: list[Answer]) -> str:
    """Where in a sweep the agents fare best and worst, of the cells that were looked at."""
    dims = result.experiment.sweep_dimensions()
    shape = tuple(len(values) for values in dims.values())

    def setting(cell: int) -> str:
        place = np.unravel_index(cell, shape)
        return ", ".join(f"{name} = {values[k]}" for (name, values), k in zip(dims.items(), place, strict=True))

    gains = [found.gain.mean if found.gain else np.nan for found in answers]
    sessions = f"{result.data.sizes['session']} sessions in each of {int(np.prod(shape))} cells."
    if np.isnan(gains).all():
        return sessions
    best, worst = int(np.nanargmax(gains)), int(np.nanargmin(gains))
    return (
        f"The agents fare best at {setting(best)}, with a gain of {answers[best].gain}, and worst at {setting(worst)}, "
        f"with {answers[worst].gain}: 0 is {answers[0].labels[0]}, 1 is {answers[0].labels[1]}. {sessions}"
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


def _best_equilibrium(benchmarks: Benchmarks) -> float:
    """Place of the equilibrium that pays most between the two references: 0 if there is but one."""
    if not benchmarks.competitive or not benchmarks.cooperative:
        return 0.0
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    return max((profile.average - low) / room if room else 0.0 for profile in benchmarks.competitive)


def _verdict(gain: Estimate | None, best: float, labels: tuple[str, str]) -> str:
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

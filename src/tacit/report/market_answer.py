"""The answer of a run in a market: what the test with frozen policies brought, benchmarks beside it, verdict.

A session's outcome is its mean over test episodes; sessions are the unit of replication. Those whose learning failed
are counted, explained and left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacit.environment import Words
from tacit.lab.experiment import Experiment
from tacit.lab.result import Result
from tacit.lab.work import CAUSES
from tacit.learners.base import group_sizes
from tacit.markets.base import Market
from tacit.measures.statistics import mean_interval
from tacit.report.answer import (
    TOLERANCE,
    Answer,
    Finding,
    best_equilibrium,
    cell_data,
    names_of,
    verdict,
)
from tacit.theory.benchmarks import Benchmarks, Profile

Floats = NDArray[np.float64]

FEW_AGENTS = 6  # up to here each has a row of its own where they differ
FEW_SESSIONS = 12  # failed sessions that are named
SAME = 1e-6  # payoffs this close, relative to the larger, count as equal


@dataclass(frozen=True)
class Failure:
    """A session that is left out."""

    session: int
    cause: str
    episode: int | None = None


@dataclass(frozen=True)
class Tested:
    """What the sessions of one cell ended in, in the words of the market: costs where people speak of costs.

    Attributes
    ----------
    experiment : Experiment
        That of the cell.
    market : Market
        The one that was tested in.
    benchmarks : Benchmarks
        Of that market.
    data : xarray.Dataset
        Sessions that did not fail.
    sessions : int
        How many there were, failed ones included.
    failures : tuple of Failure
    learned : bool
        Whether anybody learned anything.
    outcomes : (sessions, agents) array
        Means over test episodes.
    nash, optimum : (agents,) array
        NaN where unknown.
    """

    experiment: Experiment
    market: Market
    benchmarks: Benchmarks
    data: xr.Dataset
    sessions: int
    failures: tuple[Failure, ...]
    learned: bool
    outcomes: Floats
    nash: Floats
    optimum: Floats

    @cached_property
    def words(self) -> Words:
        """How people call what happens here."""
        return self.market.words()

    @cached_property
    def learners(self) -> list[str]:
        """Kind of learner of each agent."""
        learners = self.experiment.learners
        sizes = group_sizes(self.market.n_players, learners)
        kinds = [str(type(learner).model_fields["kind"].default) for learner in learners]
        return [kind for kind, size in zip(kinds, sizes, strict=True) for _ in range(size)]

    @cached_property
    def agents(self) -> list[str]:
        """Names of the agents: "trader 1"."""
        roles = self.market.roles()
        if len(roles) == 1:
            return [f"{self.words.role} {k + 1}" for k in range(roles[0].agents)]
        return [f"{role.name} {k + 1}" if role.agents > 1 else role.name for role in roles for k in range(role.agents)]

    @cached_property
    def alike(self) -> bool:
        """Whether the agents' numbers mean nothing: same role, same learner, same payoff in equilibrium.

        The joint optimum of equal agents need not treat them equally; it counts only where there is no equilibrium.
        """
        side = self.nash if np.isfinite(self.nash).all() else self.optimum
        same = bool(np.ptp(side) <= SAME * np.abs(side).max())  # NaN is not
        return same and len(self.market.roles()) == 1 and len(self.experiment.learners) == 1

    @cached_property
    def room(self) -> float | None:
        """By how much the joint optimum pays more than the equilibrium, on average; None if it does not."""
        nash, optimum = self.words.sign * self.nash.mean(), self.words.sign * self.optimum.mean()
        found = optimum - nash
        return float(found) if found > SAME * max(abs(nash), abs(optimum)) else None  # NaN is not more

    @cached_property
    def gains(self) -> Floats | None:
        """Place of each session between equilibrium (0) and joint optimum (1); None if there is no room between."""
        if self.room is None:
            return None
        return self.words.sign * (self.outcomes.mean(axis=1) - self.nash.mean()) / self.room


def outcome_of(result: Result, cell: int = 0) -> Tested:
    """What the sessions of one cell ended in."""
    experiment, data = result.cells[cell], cell_data(result, cell)
    market = experiment.test_market()
    failures, learned = failed(data), bool(data["loss"].notnull().any())
    left = np.setdiff1d(np.arange(data.sizes["session"]), [failure.session for failure in failures])
    data, sessions = data.isel(session=left), data.sizes["session"]
    sign = market.words().sign
    outcomes = sign * data["test_payoff"].astype(np.float64).mean("episode").transpose("session", "agent").values
    nash, optimum = (sign * data[name].values.astype(np.float64) for name in ("nash_payoff", "optimum_payoff"))
    return Tested(
        experiment, market, result.benchmarks(cell), data, sessions, tuple(failures), learned, outcomes, nash, optimum
    )


def failed(data: xr.Dataset) -> list[Failure]:
    """Sessions of one cell whose learning failed, or whose test has no finite outcome."""
    codes, times = data["failure"].values, data["failed_at"].values
    finite = np.isfinite(data["test_payoff"].transpose("session", "episode", "agent").values).all(axis=(1, 2))
    found = [Failure(int(k), CAUSES[int(codes[k])], int(times[k])) for k in np.flatnonzero(codes)]
    found += [Failure(int(k), "the test has no finite outcome") for k in np.flatnonzero(~finite & (codes == 0))]
    return sorted(found, key=lambda failure: failure.session)


def market_answer(result: Result, cell: int = 0) -> Answer:
    """Outcome, benchmarks and verdict of one cell of an experiment in a market."""
    found = outcome_of(result, cell)
    enough = len(found.outcomes) > 0
    gain = mean_interval(found.gains) if enough and found.gains is not None else None
    labels = names_of(found.benchmarks)
    if not enough:
        judged = "Every session failed: nothing can be said about the outcome."
    elif gain is not None:
        judged = verdict(gain, best_equilibrium(found.benchmarks), labels)
    else:
        judged = _from_one_benchmark(found, labels)
    return Answer(
        tuple(_findings(found)), gain, judged, _sessions(found), f"{len(found.failures)} of {found.sessions}", labels,
        found.benchmarks.notes, tallied="failed", failed=len(found.failures),
    )  # fmt: skip


# --- numbers -------------------------------------------------------------------------------------------------------


def _findings(found: Tested) -> list[Finding]:
    """All agents together, then each of them as far as they differ, then prices and the like."""
    name, n = found.words.outcome, found.market.n_players
    rows = [_finding(found, name, list(range(n)))]
    if found.alike and n == 2:
        order, nash, optimum = (np.sort(side) for side in (found.outcomes, found.nash, found.optimum))
        names = ("cheaper", "dearer") if found.words.cost else ("worse-off", "better-off")
        for k, which in enumerate(names):
            estimate, sides = mean_interval(order[:, k]), (float(nash[k]), float(optimum[k]))
            rows.append(Finding(f"{name}, {which} {found.words.role}", estimate, *sides, found.words.unit, detail=True))
    elif not found.alike and 1 < n <= FEW_AGENTS:
        mixed = len(set(found.learners)) > 1
        for k in range(n):
            who = f"{found.agents[k]}, {found.learners[k]}" if mixed else found.agents[k]
            rows.append(_finding(found, f"{name}, {who}", [k]))
    elif len(set(found.learners)) > 1:
        for kind in dict.fromkeys(found.learners):
            these = [k for k in range(n) if found.learners[k] == kind]
            rows.append(_finding(found, f"{name}, {len(these)} {found.words.role}s, {kind}", these))
    return rows + _quantities(found)


def _finding(found: Tested, name: str, agents: list[int]) -> Finding:
    estimate = mean_interval(found.outcomes[:, agents].mean(axis=1))
    nash, optimum = (float(side[agents].mean()) for side in (found.nash, found.optimum))
    return Finding(name, estimate, nash, optimum, found.words.unit, detail=len(agents) < found.market.n_players)


def _quantities(found: Tested) -> list[Finding]:
    """What is recorded and has a benchmark of the same name, such as a price: means over steps and agents."""
    rows = []
    known = (found.benchmarks.competitive[:1], found.benchmarks.cooperative[:1])
    for quantity in found.market.quantities():
        if not any(quantity.name in profile.quantities for profiles in known for profile in profiles):
            continue
        values = found.data[f"test_{quantity.name}"].astype(np.float64)
        means = values.mean([dim for dim in values.dims if dim != "session"]).values
        nash, optimum = (_level(profiles, quantity.name) for profiles in known)
        rows.append(Finding(quantity.name, mean_interval(means), nash, optimum, quantity.unit))
    return rows


def _level(profiles: Sequence[Profile], name: str) -> float | None:
    known = profiles and name in profiles[0].quantities
    return float(np.mean(profiles[0].quantities[name])) if known else None


# --- words ---------------------------------------------------------------------------------------------------------


def _from_one_benchmark(found: Tested, labels: tuple[str, str]) -> str:
    """The verdict where the outcome has no place between two benchmarks: its distance from the one there is."""
    nash, optimum = float(found.nash.mean()), float(found.optimum.mean())
    if np.isnan(nash) and np.isnan(optimum):
        return "No benchmark is known: the outcome stands alone."
    label, reference = (labels[0], nash) if np.isnan(optimum) else (labels[1], optimum)
    if np.isnan(optimum):
        why = "No joint optimum is known."
    elif np.isnan(nash):
        why = "No equilibrium is known."
    elif found.market.n_players == 1:
        why, label = f"With one {found.words.role} alone, equilibrium and optimum are the same.", "the optimum"
    elif abs(optimum - nash) <= SAME * max(abs(nash), abs(optimum)):
        why = f"{labels[0]} and {labels[1]} coincide."
    else:
        why, label, reference = f"The {labels[1]} that was found is no better than {labels[0]}.", labels[0], nash
    return f"{why} {_distance(found, label, reference)}"


def _distance(found: Tested, label: str, reference: float) -> str:
    """How far the outcome lies from one benchmark, and whether that is better or worse."""
    relative = abs(reference) > 0
    estimate = mean_interval((found.outcomes.mean(axis=1) - reference) / (abs(reference) if relative else 1.0))
    form = "{:+.1%}" if relative else f"{{:+.4g}} {found.words.unit}".rstrip()
    where = f"the mean {found.words.outcome} differs from that of {label} by {form.format(estimate.mean)}"
    if np.isnan(estimate.low):
        return f"One session alone says nothing; {where}."
    where += f" (95 % CI {form.format(estimate.low)} to {form.format(estimate.high)})"
    low, high = sorted((found.words.sign * estimate.low, found.words.sign * estimate.high))  # positive: better
    near = TOLERANCE if relative else 0.0
    if low >= -near and high <= near:
        return f"{f'Within {near:.0%} of' if relative else 'As good as'} {label}: {where}."
    if high < -near:
        return f"Worse than {label}: {where}."
    if low > near:
        return f"Better than {label}: {where}."
    return f"Undecided with so few sessions: {where}; add sessions."


def _sessions(found: Tested) -> str:
    """How much was played, and what failed."""
    test, n = found.experiment.test, found.sessions
    many = f"{n} session{'s' if n != 1 else ''}"
    periods = f" of {found.market.payoff_steps:,} periods" if found.market.payoff_steps > 1 else ""
    trained = f"{many} of {found.experiment.length.episodes:,} episodes{periods}, each then"
    still = f" and {test.epsilon:.3g} exploration" if test.epsilon else ""
    policies = f" with frozen policies{still}"
    if not found.learned:
        trained, policies = f"Nobody learned: {many}, each", ""
    other = ", ".join(f"{name} = {value}" for name, value in test.environment.items())
    other = f", in another market than that of training ({other})" if other else ""
    text = f"{trained} tested over {test.episodes:,} episodes{policies}{other}."
    return f"{text} {failure_sentence(found.failures, n)}".strip()


def failure_sentence(failures: Sequence[Failure], sessions: int) -> str:
    """Which sessions are left out, and why; empty if none is.

    Examples
    --------
    >>> failure_sentence([Failure(3, CAUSES[2], 10), Failure(7, CAUSES[2], 12)], 20)
    '2 of 20 sessions failed: values grow beyond learners.largest_value (sessions 3, 7); they are left out.'
    """
    if not failures:
        return ""
    reasons = []
    for cause in dict.fromkeys(failure.cause for failure in failures):
        which = [failure.session for failure in failures if failure.cause == cause]
        named = ", ".join(str(k) for k in which[:FEW_SESSIONS])
        more = f" and {len(which) - FEW_SESSIONS} more" if len(which) > FEW_SESSIONS else ""
        reasons.append(f"{cause} (session{'s' if len(which) > 1 else ''} {named}{more})")
    end = "they are left out" if len(failures) > 1 else "it is left out"
    return f"{len(failures)} of {sessions} sessions failed: {'; '.join(reasons)}; {end}."

"""What the sessions of a run in a market ended in.

A session's outcome is its mean over test episodes; sessions are the unit of replication. Those whose learning failed
are counted, explained and left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.environment import Words
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.playing import CAUSES
from tacitlab.lab.result import Result
from tacitlab.learners.base import group_sizes
from tacitlab.markets.base import Market
from tacitlab.report.agents import SAME
from tacitlab.report.answer import cell_data
from tacitlab.theory.benchmarks import Benchmarks, Profile

Floats = NDArray[np.float64]

FEW_SESSIONS = 12  # failed sessions that are named


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
    def compared(self) -> list[int]:
        """Agents whose outcome is set beside the baselines: all, or with several roles those who learn.

        Of those whose payoffs are of one kind, if there are any: see :attr:`counted`.
        """
        seated = self.experiment.seated()
        every = len(self.market.roles()) == 1
        found = [k for k, (_, learner) in enumerate(seated) if every or learner.learns]
        return [k for k in found if k in self.counted] or found

    @cached_property
    def counted(self) -> list[int]:
        """Agents whose payoffs are of one kind, so that they have a mean: those of the market's own kind.

        What a role gets that is no money, such as a squared error, is told for itself.
        """
        own = [k for k, (role, _) in enumerate(self.experiment.seated()) if not role.outcome]
        return own or list(range(self.market.n_players))

    def mean(self, values: Floats) -> Floats:
        """Mean over the agents that count: (...,) of (..., agents)."""
        return np.asarray(values[..., self.counted].mean(axis=-1))

    def level(self, profile: Profile) -> float:
        """What a benchmark pays on average to those who count; costs as costs."""
        payoffs = self.words.sign * profile.payoffs
        return float(self.mean(payoffs)) if len(payoffs) == self.market.n_players else float(payoffs.mean())

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
        nash, optimum = (float(self.words.sign * self.mean(side)) for side in (self.nash, self.optimum))
        found = optimum - nash
        return float(found) if found > SAME * max(abs(nash), abs(optimum)) else None  # NaN is not more

    @cached_property
    def gains(self) -> Floats | None:
        """Place of each session between equilibrium (0) and joint optimum (1); None if there is no room between."""
        if self.room is None:
            return None
        return np.asarray(self.words.sign * (self.mean(self.outcomes) - self.mean(self.nash)) / self.room)


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

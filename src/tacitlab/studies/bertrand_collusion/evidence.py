"""What the learned strategies of a pricing experiment say, session by session: outcome, deviations, best responses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.audits import collusion
from tacitlab.audits.collusion import Flags
from tacitlab.audits.impulse_response import ImpulseResponse, impulse_response
from tacitlab.errors import TacitError
from tacitlab.games.base import NormalForm
from tacitlab.lab.result import Result
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.theory.benchmarks import Profile
from tacitlab.theory.decision import Floats, Indices
from tacitlab.theory.repeated import LimitCycle, RepeatedPlay

PERIODS = 25  # length of an impulse response, as in Calvano et al. 2020, figure 4
Series = Mapping[tuple[str, str], Floats]  # (who, quantity): (sessions, periods)


class Cuts(NamedTuple):
    """Deviations from a constant price to every lower one: one entry per session, deviator and price, flat arrays.

    ``start`` and ``target`` are indices of the deviator's price before and after the cut; ``loss`` is in percent of
    the discounted profit, ``answer`` the relative change of the rival's price in the next period.
    """

    session: Indices
    start: Indices
    target: Indices
    profitable: Flags
    loss: Floats
    answer: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """The frozen strategies of all sessions, and what is computed from them when it is asked for."""

    result: Result
    play: RepeatedPlay
    cycle: LimitCycle
    prices: tuple[Floats, ...]
    discount: float

    @classmethod
    def of(cls, result: Result) -> "Evidence":
        """From an experiment of learners with a common memory in a game without regimes."""
        experiment, form = result.experiment, result.experiment.game.form()
        memories = {learner.memory for learner in experiment.learners}
        discounts = {learner.gamma for learner in experiment.learners}
        if not isinstance(form, NormalForm) or len(form.payoffs) > 1 or len(memories) > 1 or len(discounts) > 1:
            raise TacitError("environment, learners: the study needs a game without regimes and one memory and gamma")
        strategies = np.stack(result.strategies(), axis=1)
        play = RepeatedPlay(form.payoffs[0], form.shape, memories.pop(), strategies)
        prices = tuple(experiment.game.actions().values)
        cycle = play.limit_cycle(result.final_history()[:, 0], prices)
        return cls(result, play, cycle, prices, discounts.pop())

    @property
    def sessions(self) -> int:
        return self.play.sessions

    @cached_property
    def gain(self) -> collusion.ProfitGain:
        benchmarks = self.result.benchmarks()
        return collusion.profit_gain(self.cycle.payoffs, benchmarks.nash.payoffs, benchmarks.optimum.payoffs)

    @property
    def best_equilibrium(self) -> Profile:
        """The most profitable of the static equilibria, the grid's among them."""
        return max(self.result.benchmarks().competitive, key=lambda profile: profile.average)

    @cached_property
    def one_step(self) -> collusion.OneStepOptimality:
        return collusion.one_step_optimality(self.play.one_step_gap(self.discount), self.cycle)

    @cached_property
    def loss(self) -> collusion.QLoss:
        return collusion.q_loss(self.play.one_step_gap(self.discount), self.cycle)

    @cached_property
    def full(self) -> collusion.FullOptimality:
        return collusion.full_optimality(self.play.best_response_gap(self.discount), self.cycle)

    @cached_property
    def forgone(self) -> collusion.ForgoneValue:
        return collusion.forgone_value(self.play, self.cycle, self.discount)

    @cached_property
    def groups(self) -> dict[str, Flags]:
        return collusion.cycle_groups(self.cycle)

    @cached_property
    def deviations(self) -> ImpulseResponse:
        """One period of the static best reply to the rival's price on the path, then the learned strategies."""
        return impulse_response(self.play, self.cycle, self.discount, self.prices, periods=PERIODS)

    @property
    def ties(self) -> Flags:
        """Deviations that earn exactly as much as the path."""
        return ~self.deviations.profitable & ~self.deviations.incentive_compatible

    @cached_property
    def control(self) -> ImpulseResponse:
        """The same deviations against a rival who keeps to the price it has at that moment."""
        return impulse_response(self.play, self.cycle, self.discount, self.prices, periods=PERIODS, rivals="constant")

    @cached_property
    def defined(self) -> Series:
        return series(self.deviations)

    @cached_property
    def routine(self) -> Series:
        """The responses that the authors' routine computes, averaged over every phase the cycle could start at.

        The routine replies to the rival's price in the states *numbered* 1, 2, ... along the cycle, so that the
        result depends on where a cycle is said to start. The authors start at the successor of the last learning
        state, a phase that learning leaves to chance; its average over all phases is what their number estimates.
        Nothing depends on it in cycles of length 1.
        """
        total = {key: np.zeros((self.sessions, PERIODS)) for key in self.defined}
        for phase in range(int(self.cycle.lengths.max())):
            longer = np.flatnonzero(self.cycle.lengths > phase)
            play = self.play.select(longer)
            cycle = play.limit_cycle(self.cycle.states[longer, phase], self.prices)
            response = impulse_response(play, cycle, self.discount, self.prices, periods=PERIODS, reply_to="position")
            for key, values in series(response).items():
                total[key][longer] += values
        return {key: values / self.cycle.lengths[:, np.newaxis] for key, values in total.items()}

    @cached_property
    def cuts(self) -> Cuts:
        """Every price cut in the sessions whose limit cycle is a constant price."""
        constant = np.flatnonzero(self.cycle.lengths == 1)
        play = self.play.select(constant)
        cycle = play.limit_cycle(self.cycle.states[constant, 0], self.prices)
        found = []
        for target in range(min(play.shape) - 1):
            response = impulse_response(play, cycle, self.discount, self.prices, periods=2, deviation=target)
            start = play.strategies[response.session, response.deviator, cycle.states[response.session, 0]]
            lower = start > target
            found.append(
                (
                    constant[response.session[lower]],
                    start[lower].astype(np.intp),
                    np.full(int(lower.sum()), target),
                    response.profitable[lower],
                    -response.gain_percent[lower],
                    response.immediate_response[lower],
                )
            )
        return Cuts(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def series(response: ImpulseResponse) -> Series:
    """Prices and profits of deviator and rival, each (sessions, periods)."""
    return {
        ("deviator", "price"): response.of_deviator("actions"),
        ("rival", "price"): response.of_rivals("actions"),
        ("deviator", "profit"): response.of_deviator("payoffs"),
        ("rival", "profit"): response.of_rivals("payoffs"),
    }


def over_observations(session: Indices, values: ArrayLike) -> Estimate:
    """Unweighted mean over observations; the session they belong to is the unit of replication."""
    found = np.asarray(values, dtype=np.float64)
    counts = np.bincount(session)
    seen = np.flatnonzero(counts)
    means = np.bincount(session, weights=found)[seen] / counts[seen]
    return mean_interval(means, weights=counts[seen] if len(seen) else None)


def resampled(values: ArrayLike, statistic: Callable[..., float], resamples: int = 2000) -> Estimate:
    """A statistic over sessions other than the mean, with its bootstrap interval (percentiles) and standard error."""
    from scipy.stats import bootstrap

    found = np.asarray(values, dtype=np.float64)
    if len(found) < 3:
        return Estimate(np.nan, np.nan, np.nan, np.nan, len(found))
    drawn = bootstrap(
        (found,), statistic, n_resamples=resamples, method="percentile", vectorized=True, rng=np.random.default_rng(0)
    )
    low, high = drawn.confidence_interval
    return Estimate(float(statistic(found)), float(low), float(high), float(drawn.standard_error), len(found))


def joint_chance(values: Floats, expected: NDArray[np.float64], runs: int) -> float:
    """How often chance puts the mean series as far from that of ``runs`` other sessions, all periods judged at once.

    Hotelling's test: the squared distance of (sessions, periods) from ``expected`` (periods,) in units of the
    covariance of both means; NaN with too few sessions.
    """
    from scipy.stats import f as f_distribution

    n = len(values)
    if n < 2:
        return float("nan")
    covariance = np.cov(values, rowvar=False) * (1 / n + 1 / runs)
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0 or n <= rank + 1:
        return float("nan")
    apart = values.mean(0) - expected
    distance = float(apart @ np.linalg.pinv(covariance, hermitian=True) @ apart)
    return float(f_distribution.sf(distance * (n - rank) / (rank * (n - 1)), rank, n - rank))

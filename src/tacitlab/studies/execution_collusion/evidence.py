"""What the sessions of an execution experiment say: costs and schedules beside the benchmarks of their game."""

import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from tacitlab.audits import execution as measures
from tacitlab.audits.execution import Flags, Floats
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, Length, Test
from tacitlab.lab.result import Result
from tacitlab.learners import DQN, Geometric
from tacitlab.markets import Execution
from tacitlab.markets.execution.liquidation import LiquidationGame, Solution, nash
from tacitlab.markets.execution.optimum import joint_optimum
from tacitlab.markets.execution.pareto import pareto_front
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.execution_collusion import published

FRONT_POINTS = 25


class Setting(NamedTuple):
    """A reading of the paper: which game is played, and how the test is."""

    key: str
    words: str
    market: dict[str, Any]
    keeps_exploring: bool  # the test keeps the final exploration rate of the training


SIMULATED = Setting(
    "simulated", "as simulated", {"lag": 2, "order": "simultaneous", "foresee_last_trade": False}, keeps_exploring=True
)
WRITTEN = Setting(
    "written", "as written", {"lag": 1, "order": "coin-toss", "foresee_last_trade": True}, keeps_exploring=False
)
CONTROL = Setting("control", "control", {**WRITTEN.market, "reward": "trade"}, keeps_exploring=False)


@dataclass(frozen=True)
class Size:
    """How much of the paper's experiment is played."""

    sessions: int
    episodes: int = published.EPISODES
    test_episodes: int = published.TEST_EPISODES
    learner: DQN = field(default_factory=DQN)

    def trained(self) -> DQN:
        """The learner, its exploration stretched so that it ends where the paper's does."""
        every = max(1, round(published.DECAY_EVERY * self.episodes / published.EPISODES))
        return self.learner.model_copy(update={"exploration": Geometric(every=every)})


def experiment(setting: Setting, volatility: float, size: Size, test_volatility: float | None = None) -> Experiment:
    """One experiment of the paper; the seed follows from the volatility of training alone."""
    learner, steps = size.trained(), size.episodes * published.STEPS
    epsilon = float(learner.exploration.knots(steps)[-1, 1]) if setting.keeps_exploring else 0.0
    other = test_volatility is not None and test_volatility != volatility
    name = f"{setting.key}-{volatility:g}" + (f"-{test_volatility:g}" if test_volatility is not None else "")
    return Experiment(
        name=name,
        environment=Execution(volatility=volatility, **setting.market),
        learners=(learner,),
        length=Length(episodes=size.episodes),
        sessions=size.sessions,
        seed=1 + published.VOLATILITIES.index(volatility),
        test=Test(
            episodes=size.test_episodes, epsilon=epsilon, environment={"volatility": test_volatility} if other else {}
        ),
    )


@dataclass(frozen=True, eq=False)
class Reference:
    """The game of a timing, its equilibrium and its joint optimum; nobody may buy."""

    game: LiquidationGame
    nash: Solution
    optimum: Solution

    @property
    def nash_cost(self) -> float:
        """Of an agent; both pay the same."""
        return float(self.nash.costs.mean())

    @property
    def optimum_cost(self) -> float:
        """Of an agent, likewise."""
        return float(self.optimum.costs.mean())

    @property
    def nash_schedule(self) -> Floats:
        """Of both agents, (steps,)."""
        return self.nash.schedules[0, :, 0]

    @property
    def twap(self) -> Floats:
        """The even schedule, (steps,)."""
        return self.game.twap()[0, :, 0]

    @cached_property
    def front(self) -> Floats:
        """Costs along the Pareto front, (points, 2)."""
        return pareto_front(self.game, FRONT_POINTS).costs


@cache
def reference(lag: int, order: str) -> Reference:
    """Benchmarks of the paper's parameters under a timing; volatility plays no role without risk aversion.

    Examples
    --------
    >>> found = reference(2, "simultaneous")
    >>> round(found.nash_cost, 3), round(found.optimum_cost, 3)
    (8.574, 8.333)
    """
    game = Execution(lag=lag, order=order).game  # type: ignore[arg-type]
    return Reference(game, nash(game), joint_optimum(game))


@dataclass(frozen=True, eq=False)
class Judged:
    """Costs (runs, 2) and mean schedules (runs, steps, 2) of runs, judged by the benchmarks of a game."""

    costs: Floats
    schedules: Floats
    reference: Reference

    @property
    def mean(self) -> Floats:
        """Cost of a run, both agents averaged: (runs,)."""
        return np.asarray(self.costs.mean(axis=1))

    @property
    def below(self) -> Flags:
        """Runs that cost less on average than the equilibrium."""
        return np.asarray(self.mean < self.reference.nash_cost)

    @property
    def quadrant(self) -> Any:
        """How many agents pay less than in equilibrium, (runs,)."""
        return measures.agents_below(self.costs, self.reference.nash_cost)

    @property
    def inside(self) -> Flags:
        """Runs in the rectangle between joint optimum and equilibrium."""
        return measures.inside(self.costs, self.reference.optimum_cost, self.reference.nash_cost)

    @property
    def star_quadrant(self) -> Any:
        """How many agents pay less than the star that the paper calls Nash equilibrium, (runs,)."""
        return measures.agents_below(self.costs, published.NASH_STAR)

    @property
    def below_star(self) -> Flags:
        """Runs in which both do."""
        return np.asarray(self.star_quadrant == 2)

    @property
    def in_stars(self) -> Flags:
        """Runs in the rectangle between the paper's stars."""
        return measures.inside(self.costs, published.PARETO_STAR, published.NASH_STAR)

    @property
    def index(self) -> Floats:
        """K by the benchmarks of the game."""
        return measures.index(self.costs, self.reference.nash_cost, self.reference.optimum_cost)

    @property
    def gap(self) -> Floats:
        """Absolute difference between the agents' costs."""
        return measures.cost_gap(self.costs)

    @property
    def faster(self) -> Flags:
        """Whether the faster trader pays less, one entry for each run in which one is faster."""
        found = measures.faster_pays_less(self.schedules, self.costs)
        return np.asarray(found[~np.isnan(found)] > 0)

    @property
    def early(self) -> Floats:
        """Share sold in the first half of the time."""
        return measures.share_sold(self.schedules, self.schedules.shape[1] // 2)

    @property
    def pace(self) -> Floats:
        """Shares sold at each step, averaged over the agents: (runs, steps)."""
        return np.asarray(self.schedules.mean(axis=2))

    @cached_property
    def saving(self) -> Floats:
        """What each agent would save by a best response to the other's mean schedule, (runs, 2)."""
        return measures.exploitability(self.reference.game, self.schedules)

    @property
    def exploitability(self) -> Floats:
        """The same, averaged over the agents: (runs,)."""
        return np.asarray(self.saving.mean(axis=1))

    @property
    def to_twap(self) -> Floats:
        """Distance to the even schedule, shares."""
        return measures.distance(self.schedules, self.reference.twap[:, None])

    @property
    def to_nash(self) -> Floats:
        """Distance to the equilibrium, shares."""
        return measures.distance(self.schedules, self.reference.nash_schedule[:, None])

    @cached_property
    def to_best(self) -> Floats:
        """Distance to best responses to each other, shares."""
        return measures.distance(self.schedules, measures.best_responses(self.reference.game, self.schedules))


@dataclass(frozen=True, eq=False)
class Runs(Judged):
    """The sessions of an experiment whose learning did not fail.

    Attributes
    ----------
    setting : Setting
    volatility, test_volatility : float
    numbers : (runs,) array
        Of the sessions, as figures show them.
    shortfalls : (runs, episodes, 2) array
        Of the test.
    time, curve : (windows,), (runs, windows, 2) arrays
        Training episode at which a window ends, and mean costs in it.
    failed : int
        Sessions left out.
    result : Result
    """

    setting: Setting
    volatility: float
    test_volatility: float
    numbers: Any
    shortfalls: Floats
    time: Floats
    curve: Floats
    failed: int
    result: Result

    @classmethod
    def of(cls, setting: Setting, result: Result) -> "Runs":
        """From a result of :func:`experiment`; sessions that failed are left out.

        Raises
        ------
        TacitError
            If all of them have.
        """
        data, played = result.data, result.experiment
        market: Any = played.market
        numbers = np.flatnonzero(data["failure"].values == 0)
        if not len(numbers):
            raise TacitError(
                f"{played.name}: all {data.sizes['session']} sessions failed to learn; nothing is left to judge"
            )
        kept = data.isel(session=numbers)
        shortfalls = -kept["test_payoff"].transpose("session", "episode", "agent").values.astype(np.float64)
        schedules = kept["test_trade"].transpose("session", "step", "agent").values.astype(np.float64)
        return cls(
            costs=shortfalls.mean(axis=1), schedules=schedules, reference=reference(market.lag, market.order),
            setting=setting, volatility=market.volatility,
            test_volatility=played.test_market().volatility,  # type: ignore[attr-defined]
            numbers=numbers, shortfalls=shortfalls, time=data["time"].values.astype(np.float64),
            curve=-kept["payoff"].transpose("session", "time", "agent").values.astype(np.float64),
            failed=int(data.sizes["session"] - len(numbers)), result=result,
        )  # fmt: skip

    @property
    def title(self) -> str:
        """The setting and its volatility in words."""
        trained = f"{self.setting.words}, {published.label(self.volatility)}"
        if self.test_volatility == self.volatility:
            return trained
        return f"{trained}, tested at {published.plain(self.test_volatility)}"

    @property
    def spread(self) -> Floats:
        """Standard deviation of the costs over the test episodes of a run, averaged over the agents: (runs,)."""
        return np.asarray(self.shortfalls.std(axis=1).mean(axis=1))

    @property
    def noise(self) -> Floats:
        """What of it the chance of the test, noise and coin, would give the mean schedules, (runs,)."""
        market: Any = self.result.experiment.market
        coin = float(market.permanent) if market.order == "coin-toss" and market.lag == 1 else 0.0
        return np.asarray(measures.expected_spread(self.schedules, self.test_volatility, coin).mean(axis=1))


def estimate(values: Any, family: int = 1) -> Estimate:
    """Mean or share over runs with its 95 % interval; NaN where no run is left.

    Of a family of several, the interval is so much wider (Bonferroni) that all of them hold together at 95 %.

    Examples
    --------
    >>> estimate([1.0, 2.0, 4.0], family=6).level
    0.992
    """
    return mean_interval(np.asarray(values), math.ceil(1000 - 50 / family) / 1000)


@cache
def digitised(volatility: float, lag: int = 2, order: str = "simultaneous") -> Judged:
    """The paper's runs: costs as plotted, judged beside their schedules by the game that its code plays, or another."""
    costs, schedules = published.centroids()[volatility], published.schedules()[volatility]
    return Judged(costs, schedules, reference(lag, order))


@cache
def recosted(volatility: float, lag: int, order: str) -> Judged:
    """The paper's schedules, with what they cost in a game instead of what was plotted.

    Examples
    --------
    >>> [round(float(recosted(sigma, 1, "simultaneous").mean.mean()), 2) for sigma in published.VOLATILITIES]
    [11.94, 12.07, 11.6]
    """
    schedules, game = published.schedules()[volatility], reference(lag, order)
    return Judged(measures.expected_costs(game.game, schedules), schedules, game)

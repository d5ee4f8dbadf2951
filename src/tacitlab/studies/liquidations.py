"""What the studies of two agents who liquidate the same asset share: experiments, benchmarks, published runs, words.

A. Macrì and F. Lillo, "Deviations from the Nash equilibrium and emergence of tacit collusion in a two-player optimal
execution game with reinforcement learning", arXiv 2408.11773 (version 1, 2024). (P) is its text; (D) was digitised from
the vector figures of July 2024 in the repository of its code. Costs are in currency per agent and episode; the paper
plots them per step, a tenth of that.
"""

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tacitlab.audits import execution as measures
from tacitlab.audits.execution import Flags, Floats
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result
from tacitlab.learners import DQN, Geometric
from tacitlab.markets import Execution
from tacitlab.markets.execution.liquidation import LiquidationGame, Solution, nash
from tacitlab.markets.execution.optimum import joint_optimum
from tacitlab.markets.execution.pareto import pareto_front
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Claim, by_session, more_than, paired_difference
from tacitlab.studies.frame import compared, published, scenario

STUDY = str(Path(__file__).parent / "execution_collusion" / "study.py")
PUBLISHED = published(STUDY)
STEPS, EPISODES, TEST_EPISODES = 10, 5000, 2500
DECAY_EVERY = 75  # steps
VOLATILITIES = (1e-9, 1e-3, 1e-2)
RUNS = PUBLISHED["half in the rectangle (share of runs)"].runs or 0  # independent trainings at each volatility
NASH_STAR, PARETO_STAR = (PUBLISHED[f"{name} star (currency)"].value for name in ("Nash", "Pareto"))
FRONT_POINTS = 25

BENCHMARKS = (
    "Benchmarks are open-loop: schedules fixed before the first trade, without purchases. Learned policies see the "
    "price and may react to it; greedy ones never buy, but exploration may buy back, in training and where the test "
    "goes on with it, as simulated. The equilibrium at lag 2 was found as a variational inequality, and no proof says "
    "that it is the only one; TWAP costs more than this equilibrium there, so that it is no cartel's schedule in that "
    "game."
)
WORDS = (
    "The paper's words are judged twice, in the rectangle of its stars and in that of the game played. Most means more "
    "than half, with an interval that leaves one half out."
)


# --- what is played ------------------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """A reading of the paper: which game is played, by the name of its scenario, and how the test is."""

    key: str
    words: str
    keeps_exploring: bool = False  # the test keeps the final exploration rate of the training


SIMULATED = Setting("simulated", "as simulated", keeps_exploring=True)
WRITTEN = Setting("written", "as written")
CONTROL = Setting("control", "control")


@dataclass(frozen=True)
class Size:
    """How much of the paper's experiment is played."""

    sessions: int
    episodes: int = EPISODES
    test_episodes: int = TEST_EPISODES
    learner: DQN = field(default_factory=DQN)

    def trained(self) -> DQN:
        """The learner, its exploration stretched so that it ends where the paper's does."""
        every = max(1, round(DECAY_EVERY * self.episodes / EPISODES))
        return self.learner.model_copy(update={"exploration": Geometric(every=every)})


def experiment(setting: Setting, volatility: float, size: Size, test_volatility: float | None = None) -> Experiment:
    """One experiment of the paper; the seed follows from the volatility of training alone."""
    learner, tested = size.trained(), "" if test_volatility is None else f"-{test_volatility:g}"
    epsilon = float(learner.exploration.knots(size.episodes * STEPS)[-1, 1]) if setting.keeps_exploring else 0.0
    other = {} if test_volatility in (None, volatility) else {"volatility": test_volatility}
    changes = {
        "name": f"{setting.key}-{volatility:g}{tested}", "environment.volatility": volatility, "learners": learner,
        "length.episodes": size.episodes, "sessions": size.sessions, "seed": 1 + VOLATILITIES.index(volatility),
        "test": {"episodes": size.test_episodes, "epsilon": epsilon, "environment": other},
    }  # fmt: skip
    return scenario(STUDY, setting.key, changes)


# --- what is published ---------------------------------------------------------------------------------------------


@cache
def centroids() -> dict[float, Floats]:
    """Mean cost of agents 1 and 2 over the test episodes of each run, (20, 2), by volatility; currency per episode.

    Examples
    --------
    >>> centroids()[1e-9][0].round(3)
    array([10.658,  9.7  ])
    """
    found = {sigma: np.full((RUNS, 2), np.nan) for sigma in VOLATILITIES}
    for row in _rows("macri-lillo-centroids.csv"):
        costs = [STEPS * row["IS1_per_step"], STEPS * row["IS2_per_step"]]
        found[row["sigma"]][int(row["run"])] = costs
    return found


@cache
def schedules() -> dict[float, Floats]:
    """Mean shares sold at each step by agents 1 and 2, (20, 10, 2), by volatility.

    The digitised rows add up to 100 within 0.002; they are scaled to do so exactly.

    Examples
    --------
    >>> schedules()[1e-3].mean((0, 2)).round(1)
    array([ 4.5, 10.9, 13. , 12. , 12.6,  9.9,  9.7,  6.6,  5.2, 15.7])
    """
    found = {sigma: np.full((RUNS, STEPS, 2), np.nan) for sigma in VOLATILITIES}
    for row in _rows("macri-lillo-schedules.csv"):
        sold = np.array([row[f"v{step}"] for step in range(1, STEPS + 1)])
        found[row["sigma"]][int(row["run"]), :, int(row["agent"]) - 1] = 100 * sold / sold.sum()
    return found


def _rows(name: str) -> Iterator[dict[str, float]]:
    text = Path(STUDY).with_name(name).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        yield {key: float(value) for key, value in row.items()}


def label(volatility: float) -> str:
    """A volatility with its letter.

    Examples
    --------
    >>> label(1e-9), label(1e-2)
    ('σ = 1e-9', 'σ = 0.01')
    """
    return f"σ = {plain(volatility)}"


def plain(volatility: float) -> str:
    """A volatility as the paper writes it: "1e-9", "0.001"."""
    return f"{volatility:g}".replace("e-0", "e-")


def share_error(successes: int, n: int = RUNS) -> float:
    """Standard error of a published share of runs, from two more successes and failures each (Agresti and Coull 1998).

    Unlike the plain one it is not 0 at 0 or ``n``.

    Examples
    --------
    >>> round(share_error(12), 3), round(share_error(20), 3)
    (0.1, 0.056)
    """
    share = (successes + 2) / (n + 4)
    return float(np.sqrt(share * (1 - share) / (n + 4)))


# --- runs beside benchmarks ----------------------------------------------------------------------------------------


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
        return measures.agents_below(self.costs, NASH_STAR)

    @property
    def below_star(self) -> Flags:
        """Runs in which both do."""
        return np.asarray(self.star_quadrant == 2)

    @property
    def in_stars(self) -> Flags:
        """Runs in the rectangle between the paper's stars."""
        return measures.inside(self.costs, PARETO_STAR, NASH_STAR)

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
        trained = f"{self.setting.words}, {label(self.volatility)}"
        same = self.test_volatility == self.volatility
        return trained if same else f"{trained}, tested at {plain(self.test_volatility)}"

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


@cache
def digitised(volatility: float, lag: int = 2, order: str = "simultaneous") -> Judged:
    """The paper's runs: costs as plotted, judged beside their schedules by the game that its code plays, or another."""
    return Judged(centroids()[volatility], schedules()[volatility], reference(lag, order))


@cache
def recosted(volatility: float, lag: int, order: str) -> Judged:
    """The paper's schedules, with what they cost in a game instead of what was plotted.

    Examples
    --------
    >>> [round(float(recosted(sigma, 1, "simultaneous").mean.mean()), 2) for sigma in VOLATILITIES]
    [11.94, 12.07, 11.6]
    """
    sold, game = schedules()[volatility], reference(lag, order)
    return Judged(measures.expected_costs(game.game, sold), sold, game)


# --- intervals -----------------------------------------------------------------------------------------------------

Rows = NDArray[np.int64]


def estimate(values: Any, family: int = 1) -> Estimate:
    """Mean or share over runs with its 95 % interval; NaN where no run is left.

    Of a family of several, the interval is so much wider (Bonferroni) that all of them hold together at 95 %.

    Examples
    --------
    >>> estimate([1.0, 2.0, 4.0], family=6).level
    0.992
    """
    return mean_interval(np.asarray(values), math.ceil(1000 - 50 / family) / 1000)


def difference(first: Any, second: Any) -> Estimate:
    """Difference between the means of two independent samples, with Welch's interval (1947).

    Examples
    --------
    >>> print(difference([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]))
    1.0 (95 % CI -1.5 to 3.5, n=3)
    """
    one, two = (np.asarray(x, dtype=np.float64) for x in (first, second))
    found, variances = float(one.mean() - two.mean()), [_of_mean(one), _of_mean(two)]
    return _student(found, variances, (len(one), len(two)))


def change(new: Runs, old: Runs, statistic: str) -> Estimate:
    """Mean change of a statistic between experiments that share their seed, session by session.

    Sessions that failed in either are left out: what is left is paired, as the same random numbers began both.
    """
    return paired_difference(*(by_session(getattr(runs, statistic), runs.numbers) for runs in (new, old)))


def jackknife(statistic: Callable[..., float], *sizes: int) -> Estimate:
    """A statistic of one or several independent groups of runs, in which a run may appear many times.

    A mean over pairs of runs has as many terms as pairs, but no more information than runs: each run is left out in
    turn, with all its pairs (J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40, 1969).
    The variances of the groups add up; degrees of freedom are Welch's.

    Parameters
    ----------
    statistic : callable
        Maps the rows that are kept, an array for each group, to a number.
    sizes : int
        Runs in each group.

    Returns
    -------
    Estimate
        ``n`` is the size of the smallest group; NaN bounds where leaving one out leaves nothing.

    Examples
    --------
    Of a mean it gives Student's interval:

    >>> values = np.array([1.0, 2.0, 4.0, 5.0])
    >>> print(jackknife(lambda rows: values[rows].mean(), 4))
    3.0 (95 % CI 0.1 to 5.9, n=4)
    """
    everybody = [np.arange(n) for n in sizes]
    variances = []
    for group, n in enumerate(sizes):
        rest = everybody[:group], everybody[group + 1 :]
        left = [statistic(*rest[0], np.delete(everybody[group], k), *rest[1]) if n > 1 else np.nan for k in range(n)]
        variances.append((n - 1) ** 2 * _of_mean(np.asarray(left)))
    return _student(float(statistic(*everybody)), variances, sizes)


def _of_mean(values: Floats) -> float:
    """Variance of the mean of independent values; NaN for a single one."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else np.nan


def _student(found: float, variances: list[float], sizes: tuple[int, ...]) -> Estimate:
    """An estimate whose variance is the sum of the groups' variances."""
    from scipy.stats import t

    se = float(np.sqrt(sum(variances)))
    half = se
    if se > 0:
        freedom = sum(variances) ** 2 / sum(v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True))
        half = float(t.ppf(0.975, freedom)) * se
    return Estimate(found, found - half, found + half, se, min(sizes))


# --- words ---------------------------------------------------------------------------------------------------------


def place(runs: Judged, family: int = 1) -> str:
    """Whether the mean cost lies below or above that of the equilibrium, by its interval, one of such a family."""
    return compared(estimate(runs.mean, family), "below", "not told from", "above", to=runs.reference.nash_cost)


def majority(name: str, flags: Any, source: str, note: str = "") -> Claim:
    """That more than half of the runs have a property: decided once the interval leaves one half out.

    Examples
    --------
    >>> str(majority("most", np.ones(10, dtype=bool), "").judged())
    'reproduced'
    """
    found = estimate(np.asarray(flags, dtype=bool))
    return Claim(name, found, None, f"{source}: most", margin=more_than(0.5), note=note)


def shortened(episodes: int) -> tuple[str, ...]:
    """That agents have learned for less time than the paper's, where they have."""
    if episodes == EPISODES:
        return ()
    return (
        f"These agents have learned for {episodes:,} episodes, the paper's for {EPISODES:,}. Exploration "
        "decays faster, to the same end, but learning itself is no faster: differences from the paper may be no more "
        "than that. Use --preset paper to judge.",
    )


def left_out(many: Sequence[Runs]) -> tuple[str, ...]:
    """That sessions failed, where some have."""
    failed = [f"{runs.failed} {runs.title}" for runs in many if runs.failed]
    return (f"Sessions that failed to learn are left out: {', '.join(failed)}.",) if failed else ()

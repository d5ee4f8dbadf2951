"""Welfare over time while exploration decays in Braess's paradox (Carissimo 2024)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.games import Braess
from tacitlab.lab.experiment import Experiment, Length, Trace
from tacitlab.lab.result import Result
from tacitlab.learners import Constant, ConstantValue, Exponential, GivenValues, QLearning, UniformValues
from tacitlab.measures import outcome
from tacitlab.measures.chaos import largest_lyapunov
from tacitlab.measures.statistics import Estimate, curve_interval, mean_interval, statistic_of_means
from tacitlab.plot.chart import Area, Axis, Chart, Histogram, HLine, Line, VLine
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study, tally
from tacitlab.studies.braess_exploration_fixed.study import LEARNER as CONSTANT

Floats = NDArray[np.float64]

PERIODS = 10_000
WINDOW = 10
SMOOTH = 10  # windows whose mean is taken before the minimum of the curve is sought
GAME = Braess()
START = GAME.welfare(GAME.random_play_time())
TOTAL_DECAY = 8.0
LEARNER = QLearning(
    alpha=0.1, gamma=0, exploration=Exponential(total_decay=TOTAL_DECAY), initial=UniformValues(low=-2, high=-1)
)
LIKE = 0.1  # value tables closer than this are one group (P)
REPEATS = 100  # of the paper's sweep over constant rates (P), and so of its decayed run (I)
FIGURE = "figure of the decayed run (P)"
RANKS = ("ucd", "udc", "cud", "cdu", "duc", "dcu")  # up, down, cross from best to worst: values -1, -1.5, -2
ROUTES = ("u", "d", "c")


@dataclass(frozen=True)
class Size:
    """Sessions of a preset: of the main run, of the run traced step by step, and for each initialisation."""

    sessions: int
    series_sessions: int
    initial_sessions: int


class BraessExplorationDecay(Study):
    """A hundred drivers with alpha = 0.1 and initial values between -2 and -1 explore at a rate of exp(-8 t / T)."""

    name: ClassVar[str] = "braess-exploration-decay"
    question: ClassVar[str] = "do drivers whose exploration decays settle above the Nash equilibrium?"
    source: ClassVar[str] = (
        "C. Carissimo, Counter-intuitive effects of Q-learning exploration in a congestion dilemma, IEEE Access 12 "
        "(2024) 15984-15996, doi 10.1109/ACCESS.2024.3358608.\n\n(P) published; a re-run of the author's code agrees."
    )
    sizes: ClassVar[Mapping[str, Size]] = {"quick": Size(40, 10, 10), "paper": Size(400, 40, 40)}

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        run = Welfare.of(play(experiment("decay", size.sessions)))
        series = play(experiment("series", size.series_sessions, window=1))
        tables = {
            title: _by_initial(play(_initial(name, learner, size.initial_sessions)))
            for title, name, learner in (
                ("decaying exploration", "initial-decay", LEARNER),
                ("epsilon 0.007, alpha 0.01", "initial-constant",
                 CONSTANT.model_copy(update={"exploration": Constant(epsilon=0.007)})),
            )
        }  # fmt: skip
        claims = (*_path_claims(run), *_end_claims(run), *_lyapunov_claims(series), _forgotten(tables))
        sections = (
            Section("Welfare", text=SCALE, charts=_charts(run)),
            Section("Initial values", text=INITIAL, table=_initial_table(tables)),
        )
        return Finding(_answer(run, claims), claims, sections, NOTES)


SCALE = "Welfare is (2 - travel time) / 0.5: 0 at the Nash equilibrium, 1 at the optimum."
INITIAL = (
    "Initial values rank the routes: u up, d down, c cross, the first of them worth -1, the second -1.5, the third -2. "
    "While all explore, the initial values are forgotten; where few do, they decide."
)
NOTES = (
    "Readings: the reference does not say of what its band is, nor whether the dip is that of a session or of the mean "
    "over sessions. We read the middle half of the sessions, and the dip of a session: the readings that fit. Sessions "
    "dip at different times, and their mean is least earlier.",
    f"Published values carry no errors; theirs are taken to be those of {REPEATS} sessions like ours.",
    "Lyapunov exponents: a series driven by random exploration has a positive estimate without any chaos, as its "
    "shuffled copy shows. With gamma = 0 the learning itself contracts: two value tables that meet the same draws "
    "approach each other by a factor of 1 - alpha whenever an action is taken, except where a small difference "
    "changes the greedy action. That initial values are forgotten to the last bit is this contraction.",
)


def experiment(name: str, sessions: int, window: int = WINDOW) -> Experiment:
    """The paper's experiment, traced in windows of so many steps."""
    return Experiment(
        name=name, environment=GAME, learners=(LEARNER,), length=Length(periods=PERIODS), sessions=sessions, seed=1,
        trace=Trace(window=window, windows=PERIODS // window), keep_values=True,
    )  # fmt: skip


def _initial(name: str, learner: QLearning, sessions: int) -> Experiment:
    """An experiment with every ranking of the routes, equal values, and uniform ones."""
    given = [GivenValues(table=tuple(-1 - 0.5 * rank.index(route) for route in ROUTES)) for rank in RANKS]
    models = (*given, ConstantValue(value=-2), UniformValues(low=-2, high=-1))
    plain = experiment(name, sessions, window=100).model_copy(update={"learners": (learner,), "keep_values": False})
    return plain.model_copy(update={"sweep": {"learners.initial": [model.model_dump(mode="json") for model in models]}})


@dataclass(frozen=True, eq=False)
class Welfare:
    """Welfare by session: over time, over the last fifth, of greedy play afterwards; and the groups of drivers."""

    time: Floats
    path: Floats
    closing: Floats
    spread: Floats
    one_shot: Floats
    groups: Floats
    data: xr.Dataset

    @classmethod
    def of(cls, result: Result) -> "Welfare":
        data, values = result.data, result.values()
        assert values is not None
        path = GAME.welfare(-data["payoff"].mean("agent").transpose("session", "time").values)  # type: ignore[arg-type]
        tables = np.stack([table[:, 0] for table in values], axis=1)
        return cls(
            time=data["time"].values,
            path=np.asarray(path),
            closing=outcome.gain(outcome.closing(data, "payoff"), data).values,
            spread=outcome.closing_spread(data).values,
            one_shot=outcome.gain(data["limit_payoff"], data).values,
            groups=np.array([groups(table) for table in tables], dtype=float),
            data=data,
        )

    def smooth(self) -> tuple[Floats, Floats]:
        """Middle of longer windows, and mean welfare in them by session."""
        centres = self.time.reshape(-1, SMOOTH).mean(axis=1) - WINDOW / 2
        return centres, self.path.reshape(len(self.path), -1, SMOOTH).mean(axis=2)


def groups(table: Floats, distance: float = LIKE) -> int:
    """Number of average-linkage clusters among the rows of a table, cut at a distance.

    Examples
    --------
    >>> groups(np.array([[-2.0, -1.5], [-2.0, -1.45], [-1.0, -1.5]]))
    2
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    return int(fcluster(linkage(table, "average"), distance, "distance").max())


# --- claims ----------------------------------------------------------------------------------------------------


def _path_claims(run: Welfare) -> list[Claim]:
    centres, smooth = run.smooth()
    wide = f"in windows of {WINDOW * SMOOTH} steps"
    least, when = mean_interval(smooth.min(axis=1)), mean_interval(centres[smooth.argmin(axis=1)])
    least_of_mean = statistic_of_means(smooth.T, lambda means: means.min(axis=1))
    when_of_mean = statistic_of_means(smooth.T, lambda means: centres[means.argmin(axis=1)])
    return [
        Claim(f"welfare of the first {WINDOW} steps", mean_interval(run.path[:, 0]), START, "random play (P)",
              rounding=5e-3, note=f"exploration has fallen to {math.exp(-TOTAL_DECAY * WINDOW / PERIODS):.3f} by then"),
        Claim("least welfare of a session", least, 0.1, FIGURE, _error(least), rounding=0.05, note=wide),
        Claim("  when (steps)", when, 3_400, FIGURE, _error(when), rounding=50, note=wide),
        Claim("least welfare of the mean curve", least_of_mean, note=wide),
        Claim("  when, mean curve (steps)", when_of_mean, note=wide),
    ]  # fmt: skip


def _end_claims(run: Welfare) -> list[Claim]:
    closing = mean_interval(run.closing)
    lower, upper = quantile(run.closing, 0.25), quantile(run.closing, 0.75)
    return [
        Claim("welfare, last fifth", closing, 0.57, FIGURE, _error(closing), rounding=5e-3),
        Claim("  lower quartile of the sessions", lower, 0.5, f"band, {FIGURE}", _error(lower), rounding=5e-3),
        Claim("  upper quartile of the sessions", upper, 0.66, f"band, {FIGURE}", _error(upper), rounding=5e-3),
        Claim("one-shot welfare: greedy play afterwards", mean_interval(run.one_shot)),
        Claim("T_std: travel time from step to step, last fifth", mean_interval(run.spread)),
        Claim(f"groups of drivers with values within {LIKE:g}", mean_interval(run.groups)),
    ]


def _error(ours: Estimate) -> float:
    """Standard error of a published mean over as many repeats as the paper's sweep has, spread like our sessions."""
    return ours.se * math.sqrt(ours.n / REPEATS)


def quantile(values: Floats, level: float, resamples: int = 4000) -> Estimate:
    """Quantile over sessions with its percentile-bootstrap interval."""
    n = len(values)
    drawn = np.quantile(values[np.random.default_rng(0).integers(n, size=(resamples, n))], level, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(np.quantile(values, level)), float(low), float(high), float(drawn.std()), n)


def _lyapunov_claims(result: Result) -> list[Claim]:
    """Of the mean reward in the last fifth, step by step; and of the same numbers in random order."""
    payoffs = result.data["payoff"].mean("agent").transpose("session", "time").values[:, -PERIODS // 5 :]
    found = [largest_lyapunov(series) for series in payoffs]
    shuffled = [largest_lyapunov(series) for series in np.random.default_rng(0).permuted(payoffs, axis=1)]
    note = "Rosenstein et al. 1993: dimension 10, lag 1, 20 steps"
    return [
        Claim("Lyapunov exponent of the mean reward (1/step)", mean_interval(found), note=note),
        Claim("  of the same rewards shuffled (1/step)", mean_interval(shuffled), note=note),
    ]


def _by_initial(result: Result) -> Floats:
    """Welfare of the last fifth by initialisation and session."""
    place = outcome.gain(outcome.closing(result.data, "payoff"), result.data)
    return place.transpose("initial", "session").values


def _forgotten(tables: Mapping[str, Floats]) -> Claim:
    decayed = next(iter(tables.values()))
    return Claim("largest effect of initial values on a session's welfare", mean_interval(np.ptp(decayed, axis=0)))


def _answer(run: Welfare, claims: Sequence[Claim]) -> str:
    centres, smooth = run.smooth()
    closing = mean_interval(run.closing)
    yes = "Yes" if closing.low > 0 else "No" if closing.high < 0 else "Undecided"
    lower, upper = np.quantile(run.closing, [0.25, 0.75])
    return (
        f"{yes}: in the last fifth drivers reach a welfare of {closing:.3f}, where 0 is the Nash equilibrium and 1 the "
        f"optimum. They begin with random play ({run.path[:, 0].mean():.2f}), come down to "
        f"{smooth.min(axis=1).mean():.2f} near step {centres[smooth.argmin(axis=1)].mean():,.0f} while they still "
        f"explore, and coordinate as exploration dies out. Sessions differ: the middle half ends between {lower:.2f} "
        f"and {upper:.2f}.\n\n{tally(claims)}"
    )


def _initial_table(tables: Mapping[str, Floats]) -> Table:
    names = (*RANKS, "all -2", "uniform on [-2, -1]")
    rows = [(name, *(str(mean_interval(table[k])) for table in tables.values())) for k, name in enumerate(names)]
    return Table(("initial values", *tables), rows, "Welfare of the last fifth, by initial values.")


def _charts(run: Welfare) -> tuple[Chart, ...]:
    centres, smooth = run.smooth()
    band = curve_interval(smooth)
    lower, middle, upper = np.quantile(smooth, [0.25, 0.5, 0.75], axis=0)
    references: tuple[Any, ...] = (
        HLine(0.0, "Nash 0"),
        HLine(1.0, "optimum 1"),
        HLine(START, f"random play {START:g}"),
    )
    epsilon = np.exp(-TOTAL_DECAY * centres / PERIODS)
    if_crossing = [GAME.welfare(GAME.epsilon_rational_time(float(e))) for e in epsilon]
    lines = (
        Line(centres, band.centre, "mean over sessions", low=band.low, high=band.high),
        Line(centres, middle, "median and middle half of the sessions", low=lower, high=upper, dash=True),
        Line(centres, epsilon, "exploration rate ε"),
        Line(centres, if_crossing, "closed form: all prefer to cross", dash=True),
    )
    time = Axis("time", "steps", range=(0.0, float(PERIODS)))
    shares = run.data["frequency"].mean(["session", "agent"])
    parts = {route: shares.isel(action=k).values for k, route in enumerate(GAME.actions().labels)}
    ends = (Histogram(run.closing), VLine(float(run.closing.mean()), f"mean {run.closing.mean():.3f}"))
    return (
        Chart("Welfare over time", time, Axis("welfare, exploration rate"), (*lines, *references),
              f"In windows of {WINDOW * SMOOTH} steps; the band of the mean is its pointwise 95 % interval."),
        Chart("Routes over time", Axis("time", "steps"), Axis("share of drivers", range=(0.0, 1.0)),
              (Area(run.time, parts),), "Mean over sessions and drivers."),
        Chart("Where sessions end", Axis("welfare, last fifth"), Axis("sessions"), ends, legend=False),
    )  # fmt: skip

"""Travel time against constant exploration in Braess's paradox (Carissimo 2024), and what its minimum depends on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.games import Braess
from tacitlab.lab.experiment import Experiment, Length, Trace
from tacitlab.lab.result import Result
from tacitlab.learners import Constant, ConstantValue, QLearning
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, curve_interval, mean_interval, statistic_of_means
from tacitlab.plot.chart import Area, Axis, Chart, HLine, Line, Mark, Points, VLine
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study, between, less_than, tally

Floats = NDArray[np.float64]

PERIODS = 10_000
WINDOW = 200  # divides every horizon, and the last fifth of each
LEARNER = QLearning(alpha=0.01, gamma=0, exploration=Constant(epsilon=0), initial=ConstantValue(value=-2))
GAME = Braess()
NASH, OPTIMUM, RANDOM = 2.0, 1.5, GAME.random_play_time()
LARGE = 0.1  # exploration from which play follows the closed form (R)
RERUN, OWN = "re-run of the author's code (R)", "independent implementation (O)"
# Travel time by epsilon (R), its standard deviation over REPEATS, and half a unit of its last digit.
REPEATS = 6
CURVE = {
    0.0: (2.0, 0.0, 5e-5),
    0.007: (1.6179, 0.007, 5e-5),
    0.01: (1.665, 0.022, 5e-4),
    0.03: (1.832, 0.025, 5e-4),
    0.1: (1.936, 0.0004, 5e-4),
}


@dataclass(frozen=True)
class Size:
    """How much a preset plays; every grid of exploration rates begins at 0 and holds those of the claims."""

    grid: tuple[float, ...]
    sessions: int
    horizons: tuple[int, ...]
    horizon_grid: tuple[float, ...]
    horizon_sessions: int
    tie_grid: tuple[float, ...]
    tie_sessions: int


QUICK = Size(
    grid=(0.0, *(k / 1000 for k in range(1, 11)), 0.012, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0),
    sessions=20,
    horizons=(3_000, 10_000, 30_000),
    horizon_grid=(0.0, 0.001, 0.0015, 0.002, 0.0025, *(k / 1000 for k in range(3, 10)), 0.01, 0.015, 0.02, 0.025, 0.03,
                  0.05, 0.1),
    horizon_sessions=10,
    tie_grid=(0.0, 0.001, 0.003, 0.007, 0.01, 0.015, 0.02, 0.03, 0.1),
    tie_sessions=10,
)  # fmt: skip
# The reference gives the number of the paper's exploration rates, 101, not which; these are dense at the minimum.
PAPER = Size(
    grid=(*(k / 2000 for k in range(41)), *(k / 1000 for k in range(21, 51)), *(k / 100 for k in range(6, 21)),
          *(k / 20 for k in range(5, 19)), 1.0),
    sessions=100,
    horizons=(3_000, 10_000, 30_000, 100_000),
    horizon_grid=(0.0, 0.0003, *(k / 10_000 for k in range(5, 10)), 0.001, 0.0015, 0.002, 0.0025,
                  *(k / 1000 for k in range(3, 10)), 0.01, 0.012, 0.015, 0.02, 0.025, 0.03, 0.05, 0.1),
    horizon_sessions=20,
    tie_grid=(0.0, 0.001, 0.003, 0.005, 0.007, 0.01, 0.012, 0.015, 0.02, 0.03, 0.05, 0.1),
    tie_sessions=40,
)  # fmt: skip


class BraessExplorationFixed(Study):
    """A hundred drivers with alpha = 0.01, no memory and values of -2 everywhere explore at a constant rate."""

    name: ClassVar[str] = "braess-exploration-fixed"
    question: ClassVar[str] = "does a little constant exploration let drivers escape Braess's paradox?"
    source: ClassVar[str] = (
        "C. Carissimo, Counter-intuitive effects of Q-learning exploration in a congestion dilemma, IEEE Access 12 "
        "(2024) 15984-15996, doi 10.1109/ACCESS.2024.3358608.\n\n(P) published, (R) re-run of the author's code, "
        "(O) independent implementation."
    )
    sizes: ClassVar[Mapping[str, Size]] = {"quick": QUICK, "paper": PAPER}

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        curve = Curve.of(play(experiment("epsilon", size.grid, size.sessions)))
        longest = play(experiment("horizon", size.horizon_grid, size.horizon_sessions, max(size.horizons)))
        horizons = {periods: Curve.of(longest, periods) for periods in size.horizons}
        tied = play(_tie_experiment(size))
        ties = {rule: Curve.of(tied, cell={"ties": rule}) for rule in ("first", "random")}
        claims = (
            *_curve_claims(curve), *_large_epsilon_claims(curve), _still(tied), *_tie_claims(ties["random"]),
            *_horizon_claims(horizons),
        )  # fmt: skip
        sections = (
            Section("Exploration", table=_curve_table(curve), charts=(_curve_chart(curve),)),
            Section("Learning", charts=_learning_charts(curve)),
            Section("Horizon", text=HORIZON, charts=(_horizon_chart(horizons),)),
            Section("Ties", text=TIES, charts=(_tie_chart(ties),)),
        )
        return Finding(_answer(curve, horizons, ties, claims), claims, sections, NOTES)


NOTES = (
    "T = 2 without exploration is no equilibrium: all values tie, the first of them sends everybody up, and up "
    "alone takes as long as the Nash equilibrium, in which everybody crosses.",
    f"The least travel time is sought below epsilon = {LARGE:g}; random play (epsilon = 1) is faster: {RANDOM:g}.",
)
HORIZON = (
    "Exploration does not know how long a session lasts, so that shorter horizons are the beginnings of the longest "
    "sessions; means are over the last fifth of each horizon."
)
TIES = (
    "With random ties the first step spreads the drivers; whatever they meet is better than their initial values, "
    "and each keeps the route it drew first: the travel time is that of random play, as long as few explore."
)


def experiment(name: str, grid: Sequence[float], sessions: int, periods: int = PERIODS) -> Experiment:
    """The paper's experiment with a sweep over epsilon."""
    return Experiment(
        name=name, environment=GAME, learners=(LEARNER,), length=Length(periods=periods), sessions=sessions, seed=1,
        trace=Trace(window=WINDOW, windows=periods // WINDOW), sweep={"learners.exploration.epsilon": list(grid)},
    )  # fmt: skip


def _tie_experiment(size: Size) -> Experiment:
    plain = experiment("ties", size.tie_grid, size.tie_sessions)
    sweep = {"learners.ties": ["first", "random"], **plain.sweep}
    return plain.model_copy(update={"sweep": sweep, "keep_values": True})


@dataclass(frozen=True, eq=False)
class Curve:
    """By exploration rate and session: travel times over the last fifth of a horizon, T_std, and one-shot values.

    The one-shot value is the travel time of greedy play with the values at the end of the whole session.
    """

    epsilon: Floats
    times: Floats
    spread: Floats
    one_shot: Floats
    data: xr.Dataset

    @classmethod
    def of(cls, result: Result, periods: int = PERIODS, cell: Mapping[str, str] | None = None) -> "Curve":
        """The first ``periods`` of a result; ``cell`` fixes what else was swept."""
        data = result.data.sel(cell or {}).isel(time=slice(0, periods // result.experiment.recorded()[0]))
        columns = (
            -outcome.closing(data, "payoff").mean("agent"), outcome.closing_spread(data),
            -data["limit_payoff"].mean("agent"),
        )  # fmt: skip
        times, spread, one_shot = (column.transpose("epsilon", "session").values for column in columns)
        return cls(data["epsilon"].values, times, spread, one_shot, data)

    def at(self, epsilon: float) -> Floats:
        """Travel times of all sessions at one exploration rate."""
        return self.times[int(np.flatnonzero(self.epsilon == epsilon)[0])]

    def best(self, factor: float = 1.0) -> Estimate:
        """Exploration rate of the least travel time below :data:`LARGE`, times a factor."""
        return statistic_of_means(self.times, lambda means: factor * self.epsilon[_lowest(means, self.epsilon)])

    def least(self) -> Estimate:
        """The least travel time below :data:`LARGE`."""
        return statistic_of_means(self.times[self.epsilon < LARGE], lambda means: means.min(axis=1))

    def resolution(self) -> float:
        """Half the distance from the best exploration rate to its neighbours in the grid."""
        place = int(np.flatnonzero(self.epsilon == self.best().mean)[0])
        return float(np.diff(self.epsilon[max(place - 1, 0) : place + 2]).max()) / 2


def _lowest(means: Floats, epsilon: Floats) -> NDArray[np.int64]:
    """Place of the least mean among the exploration rates below :data:`LARGE`."""
    return np.asarray(means[:, epsilon < LARGE].argmin(axis=1))


def _steepest(means: Floats, epsilon: Floats) -> Floats:
    """Middle of the steepest rise above the minimum."""
    slopes = np.diff(means, axis=1) / np.diff(epsilon)
    beyond = np.arange(slopes.shape[1]) >= _lowest(means, epsilon)[:, None]
    place = np.where(beyond, slopes, -np.inf).argmax(axis=1)
    return np.asarray((epsilon[place] + epsilon[place + 1]) / 2)


def _curve_claims(curve: Curve) -> list[Claim]:
    claims = [
        Claim(f"travel time at epsilon {epsilon:g}", mean_interval(curve.at(epsilon)), time, RERUN,
              published_se=sd / REPEATS**0.5, rounding=rounding)
        for epsilon, (time, sd, rounding) in CURVE.items()
    ]  # fmt: skip
    best = curve.best()
    saved = statistic_of_means(curve.times[curve.epsilon < LARGE], lambda means: 100 * (1 - means.min(axis=1) / NASH))
    steep = statistic_of_means(curve.times, lambda means: _steepest(means, curve.epsilon))
    return [
        *claims,
        Claim("epsilon of the least travel time", best, 0.007, RERUN, rounding=5e-4 + curve.resolution(),
              note="rounding: half a unit of the last digit, and half a step of our grid"),
        Claim("least travel time", curve.least(), note="of a grid: biased down a little by the choice of the least"),
        Claim("reduction below Nash at the minimum (%)", saved, 20, "abstract (P)", rounding=2.5,
              note="published as 20 %, read as to the nearest 5 %"),
        Claim("epsilon of the steepest rise", steep, source="steep rise just above the minimum (P)",
              margin=between(best.mean, 2 * best.mean),
              note="no number published; just above is read as: between the minimum and twice its epsilon"),
    ]  # fmt: skip


def _large_epsilon_claims(curve: Curve) -> list[Claim]:
    one_shot = mean_interval(curve.one_shot[curve.epsilon >= LARGE].mean(axis=0))
    continuum = _distance(curve, "continuum's", continuum_time)
    return [
        _distance(curve, "closed form", GAME.epsilon_rational_time),
        replace(continuum, published=None, note="2 - 2/3 epsilon + 2/9 epsilon^2; 100 drivers: 4/900 above it at 1"),
        Claim(f"one-shot value, epsilon >= {LARGE:g}", one_shot, NASH, "returns to 2 (P)"),
    ]


def _distance(curve: Curve, name: str, law: Callable[[float], float]) -> Claim:
    """The largest mean distance from a closed form."""
    large = curve.epsilon >= LARGE
    laws = [law(float(epsilon)) for epsilon in curve.epsilon[large]]
    distances = curve.times[large] - np.array(laws)[:, None]
    worst = int(np.abs(distances.mean(axis=1)).argmax())
    return Claim(
        f"largest distance from the {name}, epsilon >= {LARGE:g}", mean_interval(distances[worst]), 0.0,
        f"at epsilon {curve.epsilon[large][worst]:g} (P)", rounding=5e-4, family=len(laws),
        note="rounding: three decimals are published",
    )  # fmt: skip


def continuum_time(epsilon: float) -> float:
    """Travel time of a continuum of drivers who draw a route with probability epsilon, and cross otherwise."""
    return 2 - 2 / 3 * epsilon + 2 / 9 * epsilon**2


def _still(ties: Result) -> Claim:
    """Without exploration and with first-index ties nobody learns anything: the first cell of the tie experiment."""
    values = ties.values(0)
    assert values is not None
    moved = np.max([np.abs(table - -NASH).max(axis=(1, 2)) for table in values], axis=0)
    return Claim(
        "largest change of a value at epsilon 0, first-index ties", mean_interval(moved), 0.0, "by construction"
    )


def _tie_claims(curve: Curve) -> list[Claim]:
    # Three repeats of unknown spread: ours stands in for theirs.
    return [
        Claim(f"travel time at epsilon {epsilon:g}, random ties", mean_interval(curve.at(epsilon)), 1.55,
              f"{OWN}, 3 repeats", published_se=float(curve.at(epsilon).std(ddof=1)) / 3**0.5, rounding=5e-3,
              note=f"random play takes {RANDOM:g} (closed form)")
        for epsilon in (0.0, 0.007)
    ]  # fmt: skip


def _horizon_claims(horizons: Mapping[int, Curve]) -> list[Claim]:
    claims = []
    for periods, curve in horizons.items():
        claims += [
            Claim(f"{periods:,} steps: epsilon of the least travel time", curve.best()),
            Claim(f"{periods:,} steps: explorations of a driver at that rate", curve.best(periods)),
            Claim(f"{periods:,} steps: least travel time", curve.least()),
        ]
    longest = max(horizons)
    rows = NASH - np.stack([horizons[periods].at(0.007) for periods in (PERIODS, longest)])
    left = statistic_of_means(rows, lambda means: means[:, 1] / means[:, 0])
    long = longest >= 100_000
    return [
        *claims,
        Claim(f"{longest:,} steps: share of the gain at epsilon 0.007 left", left,
              source=f"shrinks strongly: {OWN}" if long else "", margin=less_than(0.5) if long else None,
              note="strongly is read as: to less than half" if long else ""),
    ]  # fmt: skip


def _answer(curve: Curve, horizons: Mapping[int, Curve], ties: Mapping[str, Curve], claims: Sequence[Claim]) -> str:
    distance = _distance(curve, "closed form", GAME.epsilon_rational_time).measured.mean
    places = ", ".join(f"{c.best().mean:g} after {periods:,}" for periods, c in horizons.items())
    explored = [c.best(periods).mean for periods, c in horizons.items()]
    return (
        f"{'Yes, for a while' if curve.least().high < NASH else 'No'}. Drivers who explore at a rate of "
        f"{curve.best().mean:g} need {curve.least():.3f} after {PERIODS:,} steps; the Nash equilibrium takes {NASH:g}, "
        f"the optimum {OPTIMUM:g}. From epsilon = {LARGE:g} on they need, within {abs(distance):.5f}, what they would "
        f"if all preferred to cross.\n\nThe minimum is passed on the way from the initial tie to the equilibrium. It "
        f"lies at {places} steps, after {min(explored):.0f} to {max(explored):.0f} explorations of each driver. With "
        f"random ties drivers need {ties['random'].at(0.0).mean():.3f} without any exploration.\n\n{tally(claims)}"
    )


TIME = Axis("mean travel time", "fixed road = 1")
BANDS = "Mean over sessions with its pointwise 95 % interval."
CLOSING = "Last fifth of the steps, mean over sessions with its 95 % interval."
BENCHMARKS = HLine(NASH, "Nash 2"), HLine(OPTIMUM, "optimum 1.5"), HLine(RANDOM, f"random play {RANDOM:g}")


def _curve_table(curve: Curve) -> Table:
    cells = zip(curve.epsilon, curve.times, curve.spread, curve.one_shot, strict=True)
    rows = [
        (f"{epsilon:g}", str(mean_interval(times)), spread.mean(), str(mean_interval(one_shot)),
         GAME.epsilon_rational_time(float(epsilon)))
        for epsilon, times, spread, one_shot in cells
    ]  # fmt: skip
    return Table(
        ("epsilon", "travel time", "T_std", "one-shot value", "closed form"), rows,
        "Travel time: mean of the last fifth of the steps; T_std: its standard deviation from step to step; one-shot "
        "value: greedy play with the final values; closed form: all drivers prefer to cross.",
    )  # fmt: skip


def _line(curve: Curve, name: str, values: Floats) -> Line:
    band = curve_interval(values.T)
    return Line(curve.epsilon, band.centre, name, low=band.low, high=band.high)


def _closed_form(grid: Floats) -> Line:
    fine = np.minimum(np.geomspace(grid[grid > 0].min(), grid.max(), 200), 1.0)
    times = [GAME.epsilon_rational_time(float(epsilon)) for epsilon in fine]
    return Line(fine, times, "closed form: all prefer to cross", dash=True)


def _against_epsilon(title: str, grid: Floats, marks: Sequence[Mark], caption: str = CLOSING) -> Chart:
    axis = Axis("exploration rate ε", log=True, range=(float(grid[grid > 0].min()), float(grid.max())))
    return Chart(title, axis, TIME, (*marks, _closed_form(grid), *BENCHMARKS), caption)


def _curve_chart(curve: Curve) -> Chart:
    best = curve.best().mean
    known = [(epsilon, time, 2 * sd / REPEATS**0.5) for epsilon, (time, sd, _) in CURVE.items() if epsilon > 0]
    x, y, error = np.array(known).T
    marks: list[Mark] = [
        _line(curve, "while learning", curve.times), _line(curve, "one-shot: greedy play after it", curve.one_shot),
        Points(x, y, "re-run of the author's code", low=y - error, high=y + error), VLine(best, f"ε = {best:g}"),
    ]  # fmt: skip
    caption = f"{CLOSING} At ε = 0, which the axis cannot show, everybody goes up and needs {curve.at(0.0).mean():g}."
    return _against_epsilon("Travel time against exploration", curve.epsilon, marks, caption)


def _horizon_chart(horizons: Mapping[int, Curve]) -> Chart:
    lines = [_line(curve, f"{periods:,} steps", curve.times) for periods, curve in horizons.items()]
    return _against_epsilon("The minimum moves with the horizon", next(iter(horizons.values())).epsilon, lines)


def _tie_chart(ties: Mapping[str, Curve]) -> Chart:
    lines = [_line(curve, f"{rule} best route wins a tie", curve.times) for rule, curve in ties.items()]
    return _against_epsilon("The minimum needs first-index ties", ties["first"].epsilon, lines)


def _learning_charts(curve: Curve) -> tuple[Chart, ...]:
    best = curve.best().mean
    lines = []
    for epsilon in sorted({best, 0.03, 0.1}):
        times = -curve.data["payoff"].sel(epsilon=epsilon).mean("agent").transpose("session", "time")
        band = curve_interval(times.values)
        lines.append(Line(times["time"].values, band.centre, f"ε = {epsilon:g}", low=band.low, high=band.high))
    shares = curve.data["frequency"].sel(epsilon=best).mean(["session", "agent"])
    parts = {route: shares.isel(action=k).values for k, route in enumerate(GAME.actions().labels)}
    time = Axis("time", "steps")
    return (
        Chart("Travel time over time", time, TIME, (*lines, *BENCHMARKS), BANDS),
        Chart(f"Routes over time at ε = {best:g}", time, Axis("share of drivers", range=(0.0, 1.0)),
              (Area(shares["time"].values, parts),), "Mean over sessions and drivers."),
    )  # fmt: skip

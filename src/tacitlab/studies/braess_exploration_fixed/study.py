"""Travel time against constant exploration in Braess's paradox (Carissimo 2024), and what its minimum depends on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.games import Braess
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, mean_interval, statistic_of_means
from tacitlab.studies.base import Claim, Finding, Floats, Player, Study, between, less_than, named, statements, tally
from tacitlab.studies.frame import beside, compared, listed, published, scenario

PUBLISHED = published(__file__)
PERIODS = 10_000
WINDOW = 200
GAME = Braess()
NASH, OPTIMUM = (-profile.average for profile in (GAME.benchmarks().nash, GAME.benchmarks().optimum))
RANDOM = GAME.random_play_time()
RATES = (0.0, 0.007, 0.01, 0.03, 0.1)  # of which travel times are known
BEST = 0.007  # the published rate of the least travel time
LARGE = 0.1  # exploration from which play follows the closed form (R)
LONG = 100_000  # steps after which the gain of exploration is said to have shrunk


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


def _thousandths(*parts: range) -> tuple[float, ...]:
    return tuple(k / 1000 for part in parts for k in part)


QUICK = Size(
    grid=(0.0, *_thousandths(range(1, 11)), 0.012, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0),
    sessions=20,
    horizons=(3_000, 10_000, 30_000),
    horizon_grid=(0.0, 0.001, 0.0015, 0.002, 0.0025, *_thousandths(range(3, 10)), 0.01, 0.015, 0.02, 0.025, 0.03, 0.05,
                  0.1),
    horizon_sessions=10,
    tie_grid=(0.0, 0.001, 0.003, 0.007, 0.01, 0.015, 0.02, 0.03, 0.1),
    tie_sessions=10,
)  # fmt: skip
# The reference gives the number of the paper's exploration rates, 101, not which; these are dense at the minimum.
PAPER = Size(
    grid=(*(k / 2000 for k in range(41)), *_thousandths(range(21, 51)), *(k / 100 for k in range(6, 21)),
          *(k / 20 for k in range(5, 19)), 1.0),
    sessions=100,
    horizons=(3_000, 10_000, 30_000, LONG),
    horizon_grid=(0.0, 0.0003, *(k / 10_000 for k in range(5, 10)), 0.001, 0.0015, 0.002, 0.0025,
                  *_thousandths(range(3, 10)), 0.01, 0.012, 0.015, 0.02, 0.025, 0.03, 0.05, 0.1),
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
        return examine(gather(self.sizes[preset], play))


# --- what is played ------------------------------------------------------------------------------------------------


def experiment(name: str, grid: Sequence[float], sessions: int, periods: int = PERIODS) -> Experiment:
    """The paper's experiment with a sweep over epsilon."""
    changes = {"name": name, "sessions": sessions, "length.periods": periods, "trace.windows": periods // WINDOW}
    return scenario(__file__, "drivers", {**changes, "sweep": {"learners.exploration.epsilon": grid}})


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

    def saved(self) -> Estimate:
        """What the least travel time saves of that of the Nash equilibrium, percent."""
        below = self.times[self.epsilon < LARGE]
        return statistic_of_means(below, lambda means: 100 * (1 - means.min(axis=1) / NASH))

    def steepest(self) -> Estimate:
        """Exploration rate of the steepest rise above the minimum."""
        return statistic_of_means(self.times, lambda means: _steepest(means, self.epsilon))

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


@dataclass(frozen=True, eq=False)
class Evidence:
    """The main curve, the curves by horizon and by how ties are broken, and by how much values moved without both.

    ``moved``: largest change of a value without exploration and with first-index ties, (sessions,).
    """

    curve: Curve
    horizons: Mapping[int, Curve]
    ties: Mapping[str, Curve]
    moved: Floats


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    curve = Curve.of(play(experiment("epsilon", size.grid, size.sessions)))
    longest = play(experiment("horizon", size.horizon_grid, size.horizon_sessions, max(size.horizons)))
    plain = experiment("ties", size.tie_grid, size.tie_sessions)
    sweep = {"learners.ties": ["first", "random"], **plain.sweep}
    tied = play(plain.model_copy(update={"sweep": sweep, "keep_values": True}))
    values = tied.values(0)  # the first cell: no exploration, first-index ties
    assert values is not None
    return Evidence(
        curve, {periods: Curve.of(longest, periods) for periods in size.horizons},
        {rule: Curve.of(tied, cell={"ties": rule}) for rule in ("first", "random")},
        np.max([np.abs(table - -NASH).max(axis=(1, 2)) for table in values], axis=0),
    )  # fmt: skip


# --- claims ----------------------------------------------------------------------------------------------------------


def examine(e: Evidence) -> Finding:
    """Judge the claims by all curves."""
    from tacitlab.studies.braess_exploration_fixed.figures import sections

    claims = all_claims(e)
    return Finding(answer(e, claims), claims, sections(e), NOTES)


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """In the order of the report."""
    return *curve_claims(e.curve), *large_epsilon_claims(e.curve), *tie_claims(e), *horizon_claims(e.horizons)


NOTES = (
    f"T = {NASH:g} without exploration is no equilibrium: all values tie, the first of them sends everybody up, and up "
    "alone takes as long as the Nash equilibrium, in which everybody crosses.",
    f"The least travel time is sought below epsilon = {LARGE:g}; random play (epsilon = 1) is faster: {RANDOM:g}.",
)


def curve_claims(curve: Curve) -> Iterator[Claim]:
    """The published curve, its minimum and the rise beyond it."""
    for epsilon in RATES:
        name = f"travel time at epsilon {epsilon:g}"
        yield beside(name, mean_interval(curve.at(epsilon)), PUBLISHED[name])
    name, best = "epsilon of the least travel time", curve.best()
    yield beside(name, best, PUBLISHED[name], rounding=PUBLISHED[name].rounding + curve.resolution(),
                 note="rounding: half a unit of the last digit, and half a step of our grid")  # fmt: skip
    note = "of a grid: biased down a little by the choice of the least"
    yield Claim("least travel time", curve.least(), note=note)
    name = "reduction below Nash at the minimum (%)"
    least = PUBLISHED[name]
    note = f"published as {least.value:g} %, read as to the nearest {2 * least.rounding:g} %"
    yield beside(name, curve.saved(), least, note=note)
    note = "no number published; just above is read as: between the minimum and twice its epsilon"
    just_above, source = between(best.mean, 2 * best.mean), "steep rise just above the minimum (P)"
    yield Claim("epsilon of the steepest rise", curve.steepest(), source=source, margin=just_above, note=note)


def large_epsilon_claims(curve: Curve) -> Iterator[Claim]:
    """Play beside the closed forms where exploration is large."""
    one_shot = mean_interval(curve.one_shot[curve.epsilon >= LARGE].mean(axis=0))
    yield distance(curve, "closed form", GAME.epsilon_rational_time)
    continuum = distance(curve, "continuum's", continuum_time)
    above = RANDOM - continuum_time(1.0)
    note = f"2 - 2/3 epsilon + 2/9 epsilon^2; {GAME.players} drivers take {above:.5f} longer at epsilon = 1"
    yield replace(continuum, published=None, note=note)
    yield Claim(f"one-shot value, epsilon >= {LARGE:g}", one_shot, NASH, f"returns to {NASH:g} (P)")


def distance(curve: Curve, name: str, law: Callable[[float], float]) -> Claim:
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


def tie_claims(e: Evidence) -> Iterator[Claim]:
    """What the tie that all begin with decides."""
    yield Claim(
        "largest change of a value at epsilon 0, first-index ties", mean_interval(e.moved), 0.0, "by construction"
    )
    for epsilon in (0.0, BEST):
        name = f"travel time at epsilon {epsilon:g}, random ties"
        found, value = mean_interval(e.ties["random"].at(epsilon)), PUBLISHED[name]
        note = f"random play takes {RANDOM:g} (closed form)"
        yield beside(name, found, value, se=value.error_like(found), note=note)


def horizon_claims(horizons: Mapping[int, Curve]) -> Iterator[Claim]:
    """Where the minimum lies by horizon, and what is left of the gain in the end."""
    for periods, curve in horizons.items():
        yield Claim(f"{periods:,} steps: epsilon of the least travel time", curve.best())
        yield Claim(f"{periods:,} steps: explorations of a driver at that rate", curve.best(periods))
        yield Claim(f"{periods:,} steps: least travel time", curve.least())
    longest = max(horizons)
    rows = NASH - np.stack([horizons[periods].at(BEST) for periods in (PERIODS, longest)])
    left = statistic_of_means(rows, lambda means: means[:, 1] / means[:, 0])
    name = f"{longest:,} steps: share of the gain at epsilon {BEST:g} left"
    if longest < LONG:
        yield Claim(name, left)
    else:
        yield Claim(name, left, source="shrinks strongly: independent implementation (O)", margin=less_than(0.5),
                    note="strongly is read as: to less than half")  # fmt: skip


def answer(e: Evidence, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    found = {name: claim.measured for name, claim in named(claims).items()}
    least, far = found["least travel time"], found[f"largest distance from the closed form, epsilon >= {LARGE:g}"]
    places = [f"{curve.best().mean:g} after {periods:,}" for periods, curve in e.horizons.items()]
    explored = [curve.best(periods).mean for periods, curve in e.horizons.items()]
    where = f"The least travel time lies at {listed(places)} steps."
    if min(explored) > 0:
        where = (
            f"The minimum is passed on the way from the initial tie to the equilibrium. It lies at {listed(places)} "
            f"steps, after {min(explored):.0f} to {max(explored):.0f} explorations of each driver."
        )
    return (
        f"{compared(least, 'Yes, for a while', 'Undecided', 'No', to=NASH)}. Drivers who explore at a rate of "
        f"{found['epsilon of the least travel time'].mean:g} need {least:.3f} after {PERIODS:,} steps; the Nash "
        f"equilibrium takes {NASH:g}, the optimum {OPTIMUM:g}. From epsilon = {LARGE:g} on they need, within "
        f"{abs(far.mean):.5f}, what they would if all preferred to cross.\n\n{where} With random ties drivers need "
        f"{found['travel time at epsilon 0, random ties'].mean:.3f} without any exploration.\n\n{tally(claims)} "
        f"{statements(claims)}"
    )

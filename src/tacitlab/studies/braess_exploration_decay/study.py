"""Welfare over time while exploration decays in Braess's paradox (Carissimo 2024)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from tacitlab.games import Braess
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result
from tacitlab.learners import ConstantValue, GivenValues, UniformValues
from tacitlab.measures import outcome
from tacitlab.measures.chaos import largest_lyapunov
from tacitlab.measures.statistics import Estimate, mean_interval, statistic_of_means
from tacitlab.plot.chart import Axis, Chart, Histogram, HLine, Line, Mark, VLine
from tacitlab.report.page import Section, Table
from tacitlab.studies import frame
from tacitlab.studies.base import Claim, Finding, Floats, Player, Study, named, tally
from tacitlab.studies.frame import beside, compared, listed, published, scenario

PUBLISHED = published(__file__)
GAME = Braess()
START = GAME.welfare(GAME.random_play_time())
SMOOTH = 10  # windows whose mean is taken before the minimum of the curve is sought
LIKE = 0.1  # value tables closer than this are one group (P)
RANKS = ("ucd", "udc", "cud", "cdu", "duc", "dcu")  # up, down, cross from best to worst: values -1, -1.5, -2
ROUTES = ("u", "d", "c")
#: Every ranking of the routes, equal values, and uniform ones.
INITIAL = (
    *(GivenValues(table=tuple(-1 - 0.5 * rank.index(route) for route in ROUTES)) for rank in RANKS),
    ConstantValue(value=-2),
    UniformValues(low=-2, high=-1),
)


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
        decaying, constant = (initial(kind, size.initial_sessions) for kind in ("decay", "constant"))
        small: Any = constant.learners[0]
        tables = {
            "decaying exploration": _by_initial(play(decaying)),
            f"epsilon {small.exploration.epsilon:g}, alpha {small.alpha:g}": _by_initial(play(constant)),
        }
        return examine(run, lyapunov_claims(series), tables)


# --- what is played ------------------------------------------------------------------------------------------------


def experiment(name: str, sessions: int, window: int | None = None) -> Experiment:
    """The paper's experiment, traced in windows of so many steps."""
    made = scenario(__file__, "decay", {"name": name, "sessions": sessions})
    if window is None:
        return made
    trace = made.trace.model_copy(update={"window": window, "windows": made.length.periods // window})
    return made.model_copy(update={"trace": trace})


def initial(kind: str, sessions: int) -> Experiment:
    """An experiment with each of the initial values, under decaying or constant exploration."""
    changes = {"name": f"initial-{kind}", "sessions": sessions, "keep_values": False, "trace": {"window": 100}}
    return scenario(__file__, kind, {**changes, "sweep": {"learners.initial": INITIAL}})


@dataclass(frozen=True, eq=False)
class Welfare:
    """Welfare by session: over time, over the last fifth, of greedy play afterwards; and the groups of drivers.

    ``rate`` is the exploration rate of an experiment's schedule at a step, ``window`` the length of a window.
    """

    time: Floats
    path: Floats
    closing: Floats
    spread: Floats
    one_shot: Floats
    groups: Floats
    data: xr.Dataset
    experiment: Experiment

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
            experiment=result.experiment,
        )

    @property
    def window(self) -> int:
        return int(self.time[0])

    def rate(self, time: Any) -> Any:
        """Exploration rate after so many steps."""
        learner: Any = self.experiment.learners[0]
        return np.exp(-learner.exploration.total_decay * time / self.experiment.length.periods)

    def smooth(self) -> tuple[Floats, Floats]:
        """Middle of longer windows, and mean welfare in them by session."""
        centres = self.time.reshape(-1, SMOOTH).mean(axis=1) - self.window / 2
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


def quantile(values: Floats, level: float, resamples: int = 4000) -> Estimate:
    """Quantile over sessions with its percentile-bootstrap interval."""
    n = len(values)
    drawn = np.quantile(values[np.random.default_rng(0).integers(n, size=(resamples, n))], level, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(np.quantile(values, level)), float(low), float(high), float(drawn.std()), n)


def _by_initial(result: Result) -> Floats:
    """Welfare of the last fifth by initialisation and session."""
    place = outcome.gain(outcome.closing(result.data, "payoff"), result.data)
    return place.transpose("initial", "session").values


# --- claims ----------------------------------------------------------------------------------------------------


def examine(run: Welfare, lyapunov: Sequence[Claim], tables: Mapping[str, Floats]) -> Finding:
    """Judge the claims by the main run, the run traced step by step and the welfare by initial values."""
    forgotten = Claim("largest effect of initial values on a session's welfare",
                      mean_interval(np.ptp(tables["decaying exploration"], axis=0)))  # fmt: skip
    claims = (*path_claims(run), *end_claims(run), *lyapunov, forgotten)
    sections = (
        Section("Welfare", text=SCALE, charts=_charts(run)),
        Section("Initial values", text=f"{RANKED} {_decided(tables)}", table=_initial_table(tables)),
    )
    return Finding(answer(run, claims), claims, sections, NOTES)


SCALE = "Welfare is (2 - travel time) / 0.5: 0 at the Nash equilibrium, 1 at the optimum."
RANKED = (
    "Initial values rank the routes: u up, d down, c cross, the first of them worth -1, the second -1.5, the third -2."
)
NOTES = (
    "Readings: the reference does not say of what its band is, nor whether the dip is that of a session or of the mean "
    "over sessions. We read the middle half of the sessions, and the dip of a session: the readings that fit. Sessions "
    "dip at different times, so that the dip of their mean is another one.",
    f"Published values carry no errors; theirs are taken to be those of {PUBLISHED['when (steps)'].runs} sessions like "
    "ours.",
    "Lyapunov exponents: a series driven by random exploration has a positive estimate without any chaos, as its "
    "shuffled copy shows. With gamma = 0 the learning itself contracts: two value tables that meet the same draws "
    "approach each other by a factor of 1 - alpha whenever an action is taken, except where a small difference "
    "changes the greedy action. Where initial values are forgotten to the last bit, it is by this contraction.",
)


def _beside(name: str, found: Estimate, note: str = "") -> Claim:
    """Beside a published mean of sessions that are spread like ours."""
    value = PUBLISHED[name.strip()]
    return beside(name, found, value, se=value.error_like(found), note=note)


def path_claims(run: Welfare) -> Iterator[Claim]:
    """Where play begins, and where and when welfare is least."""
    centres, smooth = run.smooth()
    wide = f"in windows of {run.window * SMOOTH} steps"
    yield Claim(f"welfare of the first {run.window} steps", mean_interval(run.path[:, 0]), START, "random play (P)",
                rounding=5e-3, note=f"exploration has fallen to {run.rate(run.window):.3f} by then")  # fmt: skip
    yield _beside("least welfare of a session", mean_interval(smooth.min(axis=1)), wide)
    yield _beside("  when (steps)", mean_interval(centres[smooth.argmin(axis=1)]), wide)
    least_of_mean = statistic_of_means(smooth.T, lambda means: means.min(axis=1))
    yield Claim("least welfare of the mean curve", least_of_mean, note=wide)
    when_of_mean = statistic_of_means(smooth.T, lambda means: centres[means.argmin(axis=1)])
    yield Claim("  when, mean curve (steps)", when_of_mean, note=wide)


def end_claims(run: Welfare) -> Iterator[Claim]:
    """Where sessions end."""
    yield _beside("welfare, last fifth", mean_interval(run.closing))
    yield _beside("  lower quartile of the sessions", quantile(run.closing, 0.25))
    yield _beside("  upper quartile of the sessions", quantile(run.closing, 0.75))
    yield Claim("one-shot welfare: greedy play afterwards", mean_interval(run.one_shot))
    yield Claim("T_std: travel time from step to step, last fifth", mean_interval(run.spread))
    yield Claim(f"groups of drivers with values within {LIKE:g}", mean_interval(run.groups))


def lyapunov_claims(result: Result) -> tuple[Claim, Claim]:
    """Of the mean reward in the last fifth, step by step; and of the same numbers in random order."""
    payoffs = result.data["payoff"].mean("agent").transpose("session", "time").values
    payoffs = payoffs[:, -int(outcome.CLOSING_SHARE * payoffs.shape[1]) :]
    found = [largest_lyapunov(series) for series in payoffs]
    shuffled = [largest_lyapunov(series) for series in np.random.default_rng(0).permuted(payoffs, axis=1)]
    note = "Rosenstein et al. 1993: dimension 10, lag 1, 20 steps"
    return (
        Claim("Lyapunov exponent of the mean reward (1/step)", mean_interval(found), note=note),
        Claim("  of the same rewards shuffled (1/step)", mean_interval(shuffled), note=note),
    )


def answer(run: Welfare, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    found = {name: claim.measured for name, claim in named(claims).items()}
    ends, when = found["welfare, last fifth"], found["when (steps)"].mean
    lower, upper = (found[f"{which} quartile of the sessions"].mean for which in ("lower", "upper"))
    first, dip = found[f"welfare of the first {run.window} steps"], found["least welfare of a session"]
    return (
        f"{compared(ends, 'No', 'Undecided', 'Yes')}: in the last fifth drivers reach a welfare of {ends:.3f}, where 0 "
        f"is the Nash equilibrium and 1 the optimum. They begin at {first.mean:.2f} (random play: {START:.2f}), come "
        f"down to {dip.mean:.2f} near step {when:,.0f}, where they explore at a rate of {run.rate(when):.2g}, and end "
        f"at {ends.mean:.2f} as exploration dies out. Sessions differ: the middle half ends between {lower:.2f} and "
        f"{upper:.2f}.\n\n{tally(claims)}"
    )


# --- figures ---------------------------------------------------------------------------------------------------------


def _decided(tables: Mapping[str, Floats]) -> str:
    """What depends on initial values, in words."""
    apart = [f"{np.ptp(table.mean(axis=1)):.3f} with {name}" for name, table in tables.items()]
    return f"Mean welfare depends on them by up to {listed(apart)}."


def _initial_table(tables: Mapping[str, Floats]) -> Table:
    names = (*RANKS, "all -2", "uniform on [-2, -1]")
    rows = [(name, *(str(mean_interval(table[k])) for table in tables.values())) for k, name in enumerate(names)]
    return Table(("initial values", *tables), rows, "Welfare of the last fifth, by initial values.")


def _charts(run: Welfare) -> tuple[Chart, ...]:
    centres, smooth = run.smooth()
    lower, middle, upper = np.quantile(smooth, [0.25, 0.5, 0.75], axis=0)
    epsilon = run.rate(centres)
    if_crossing = [GAME.welfare(GAME.epsilon_rational_time(float(e))) for e in epsilon]
    marks: tuple[Mark, ...] = (
        frame.curve(centres, smooth, "mean over sessions"),
        Line(centres, middle, "median and middle half of the sessions", low=lower, high=upper, dash=True),
        Line(centres, epsilon, "exploration rate ε"),
        Line(centres, if_crossing, "closed form: all prefer to cross", dash=True),
        *(HLine(at, f"{name} {at:g}") for name, at in (("Nash", 0.0), ("optimum", 1.0), ("random play", START))),
    )
    time = Axis("time", "steps", range=(0.0, float(run.time[-1])))
    ends = (Histogram(run.closing), VLine(float(run.closing.mean()), f"mean {run.closing.mean():.3f}"))
    caption = f"In windows of {run.window * SMOOTH} steps; the band of the mean is its pointwise 95 % interval."
    return (
        Chart("Welfare over time", time, Axis("welfare, exploration rate"), marks, caption),
        frame.action_shares("Routes over time", run.data, GAME.actions().labels, "drivers"),
        Chart("Where sessions end", Axis("welfare, last fifth"), Axis("sessions"), ends, legend=False),
    )

"""Recommenders that steer drivers who learn (Carissimo, Korecki and Dailisan 2025)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tacitlab.games import Braess, Network
from tacitlab.games.base import StageGame
from tacitlab.interventions import Intervention, NoIntervention, Recommender, Toll
from tacitlab.lab.experiment import Experiment, Length, Trace
from tacitlab.lab.result import Result
from tacitlab.learners import AlignedValues, Constant, ConstantValue, Exponential, QLearning, UniformValues
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.report.page import Section
from tacitlab.studies.base import Claim, Finding, Player, Study, tally
from tacitlab.studies.braess_recommender.report import comparison_table, path_chart, size_charts, two_route_chart

Floats = NDArray[np.float64]

PERIODS = 10_000
RULES = ("none", "random", "optimised")
LEARNER = QLearning(
    alpha=0.1, gamma=0, exploration=Exponential(total_decay=8.0), initial=UniformValues(low=-2, high=-1)
)
TWO_ROUTES = QLearning(alpha=0.01, gamma=0, exploration=Constant(), initial=ConstantValue(value=-1.5))
TWO_PERIODS, TWO_STATES = 500, 2
#: Welfare over the last fifth with 100 drivers: rule, states, value, standard deviation, repeats of the re-run.
REFERENCE = (
    ("none", 3, 0.58, 0.05, 3),
    ("random", 3, 0.18, None, 3),
    ("optimised", 3, 0.62, 0.15, 8),
    ("optimised", 93, 0.957, None, 1),
)


@dataclass(frozen=True)
class Size:
    """Size of a preset: sessions of the main runs; drivers, states and sessions of the grid; and of the others."""

    sessions: int
    drivers: tuple[int, ...]
    states: tuple[int, ...]
    grid_sessions: int
    other_sessions: int
    rates: int  # exploration rates of the two-route game
    periods: int = PERIODS


class BraessRecommender(Study):
    """Drivers in Braess's paradox whose state is what a recommender tells them, with decaying exploration."""

    name: ClassVar[str] = "braess-recommender"
    question: ClassVar[str] = "can a recommender steer drivers who learn to the social optimum?"
    source: ClassVar[str] = (
        "C. Carissimo, M. Korecki and D. Dailisan, arXiv 2502.18988. Values: re-runs of the authors' public code, "
        "which match the published figure."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(20, (100, 300), (3, 33, 93), 4, 8, 11),
        "paper": Size(40, tuple(range(100, 1000, 100)), tuple(range(3, 94, 10)), 10, 40, 51),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        runs = {(rule, m): _main(play, rule, m, size) for rule, m, *_ in REFERENCE}
        grid = _grid(play, size, runs)
        two = {rule: _two_routes(play, rule, size) for rule in (*RULES, "aligned")}
        others = {**_initial(play, size), **_networks(play, size)}
        claims = (*_published(runs), *_grid_claims(grid), *_other_claims(others))
        sections = (
            Section("Welfare over time", text=SCALE, charts=(path_chart(runs, size.periods),)),
            Section("How many drivers, how many states", charts=size_charts(grid, size.drivers, size.states)),
            Section("Two routes, constant exploration", text=TWO, charts=(two_route_chart(two),)),
            Section("Other beginnings, other networks, tolls", text=OTHERS, table=comparison_table(others)),
        )
        return Finding(_answer(runs, others, claims), claims, sections, NOTES)


SCALE = "Welfare is (2 - travel time) / 0.5: 0 at the Nash equilibrium, 1 at the optimum."
TWO = (
    "The link is closed: drivers go up or down, and any even split is both equilibrium and optimum. alpha = 0.01, two "
    "states, all values -1.5 at first, so that the first greedy action is up for all: the question is how fast the "
    "crowd spreads. Mean travel time over the last fifth of 500 steps; an even split takes 1.5."
)
OTHERS = (
    "Welfare of the last fifth: 0 at the least profitable Nash equilibrium, 1 at the social optimum of each network; "
    "welfare with a toll leaves out the toll, a transfer. Aligned tables believe in action k in state k, misaligned "
    "ones in the next action. The nine-node network has 20 routes; for it the recommender is our generalisation."
)
NOTES = (
    "Standard errors of the reference are those of its repeats; where it reports no deviation, ours is used.",
    "The published rule weighs expectations by estimated travel times. An estimate is the same for all states and "
    "drivers that are compared with each other, so it never decides anything and is left out.",
    "With no recommendation (rule none) the number of states does not matter: drivers stay in one state.",
)


def experiment(
    name: str, game: StageGame, intervention: Intervention, sessions: int, learner: QLearning = LEARNER,
    periods: int = PERIODS, windows: int = 100, sweep: Mapping[str, list[Any]] | None = None,
) -> Experiment:  # fmt: skip
    """Drivers who learn, and who steers them."""
    return Experiment(
        name=name, environment=game, learners=(learner,), intervention=intervention, length=Length(periods=periods),
        sessions=sessions, seed=1, trace=Trace(windows=windows), sweep=dict(sweep or {}),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Welfare:
    """Welfare by session: over time, and over the last fifth."""

    time: Floats
    path: Floats
    closing: Floats

    @classmethod
    def of(cls, result: Result) -> "Welfare":
        data = result.data
        path = outcome.gain(data["payoff"], data).transpose("session", "time").values
        closing = outcome.gain(outcome.closing(data, "payoff"), data).values
        return cls(data["time"].values, np.asarray(path), np.asarray(closing))


def _main(play: Player, rule: str, states: int, size: Size) -> Welfare:
    steer = Recommender(rule=rule, states=states)  # type: ignore[arg-type]
    return Welfare.of(play(experiment(f"{rule}-{states}", Braess(), steer, size.sessions, periods=size.periods)))


def _grid(play: Player, size: Size, runs: Mapping[tuple[str, int], Welfare]) -> dict[str, NDArray[np.object_]]:
    """Mean welfare with its interval by rule, number of states and of drivers."""
    found = {}
    for rule in RULES:
        table = np.empty((len(size.states), len(size.drivers)), dtype=object)
        for row, m in enumerate(size.states):
            for column, n in enumerate(size.drivers):
                if rule == "none" and row:
                    table[row, column] = table[0, column]  # nobody is ever in another state
                    continue
                if n == 100 and (rule, m) in runs:
                    table[row, column] = mean_interval(runs[rule, m].closing)
                    continue
                steer = Recommender(rule=rule, states=m)  # type: ignore[arg-type]
                name = f"{rule}-{m}-drivers-{n}"
                made = experiment(name, Braess(players=n), steer, size.grid_sessions, periods=size.periods)
                table[row, column] = mean_interval(Welfare.of(play(made)).closing)
        found[rule] = table
    return found


def _two_routes(play: Player, rule: str, size: Size) -> tuple[Floats, list[Estimate]]:
    """Exploration rates, and mean travel time of the last fifth at each."""
    rates = np.linspace(0.0, 1.0, size.rates).round(4)
    steer = Recommender(rule=rule, states=TWO_STATES)  # type: ignore[arg-type]
    sweep = {"learners.exploration.epsilon": rates.tolist()}
    made = experiment(f"two-routes-{rule}", Braess(link=False), steer, size.other_sessions, TWO_ROUTES, TWO_PERIODS, 50,
                      sweep)  # fmt: skip
    data = play(made).data
    time = -outcome.closing(data, "payoff").mean("agent").transpose("epsilon", "session").values
    return rates, [mean_interval(row) for row in time]


def _initial(play: Player, size: Size) -> dict[str, Estimate]:
    """Welfare with tables that agree with what the signals mean, or do not."""
    found = {}
    for shift, word in enumerate(("aligned", "misaligned")):
        for rule in (*RULES, "aligned"):
            learner = LEARNER.model_copy(update={"initial": AlignedValues(shift=shift)})
            steer = Recommender(rule=rule, states=3)  # type: ignore[arg-type]
            made = experiment(f"{word}-{rule}", Braess(), steer, size.other_sessions, learner, size.periods)
            found[f"Braess, {word} tables, recommender {rule}"] = mean_interval(Welfare.of(play(made)).closing)
    return found


def _networks(play: Player, size: Size) -> dict[str, Estimate]:
    """Welfare with a toll, and on the larger network."""
    nine = Network.nine_nodes()
    low = LEARNER.model_copy(update={"initial": UniformValues(low=-6, high=-3)})
    settings: tuple[tuple[str, StageGame, Intervention, QLearning], ...] = (
        ("Braess, no recommendation", Braess(), NoIntervention(), LEARNER),
        ("Braess, marginal toll", Braess(), Toll(), LEARNER),
        ("Braess, fixed toll", Braess(), Toll(rule="fixed"), LEARNER),
        ("nine nodes, no recommendation", nine, NoIntervention(), low),
        ("nine nodes, recommender random, 20 states", nine, Recommender(rule="random", states=20), low),
        ("nine nodes, recommender optimised, 20 states", nine, Recommender(states=20), low),
        ("nine nodes, recommender optimised, 93 states", nine, Recommender(states=93), low),
        ("nine nodes, marginal toll", nine, Toll(), low),
    )
    found = {}
    for title, game, steer, learner in settings:
        name = title.replace(", ", "-").replace(" ", "-").lower()
        made = experiment(name, game, steer, size.other_sessions, learner, size.periods)
        found[title] = mean_interval(Welfare.of(play(made)).closing)
    return found


# --- claims and answer -----------------------------------------------------------------------------------------


def _published(runs: Mapping[tuple[str, int], Welfare]) -> list[Claim]:
    claims = []
    for rule, m, value, deviation, repeats in REFERENCE:
        ours = mean_interval(runs[rule, m].closing)
        spread = deviation if deviation is not None else ours.se * math.sqrt(ours.n)
        claims.append(
            Claim(f"welfare, {rule}, {m} states", ours, value, f"re-run of the public code, {repeats} repeats",
                  spread / math.sqrt(repeats), rounding=5e-4 if m == 93 else 5e-3)
        )  # fmt: skip
    return claims


def _grid_claims(grid: Mapping[str, NDArray[np.object_]]) -> list[Claim]:
    """What the heat maps show, in two numbers."""
    table = grid["optimised"]
    return [
        Claim("optimised, most drivers, fewest states", table[0, -1]),
        Claim("optimised, most drivers, most states", table[-1, -1]),
    ]


def _other_claims(others: Mapping[str, Estimate]) -> list[Claim]:
    return [Claim(title, estimate) for title, estimate in others.items()]


def _answer(runs: Mapping[tuple[str, int], Welfare], others: Mapping[str, Estimate], claims: Sequence[Claim]) -> str:
    none, random, few, many = (mean_interval(runs[rule, m].closing) for rule, m, *_ in REFERENCE)
    gap = runs["optimised", 93].closing - runs["none", 3].closing  # the same sessions, the same draws
    more = mean_interval(gap)
    yes = "Yes, with enough states" if more.low > 0 else "No" if more.high < 0 else "Undecided"
    toll = others["Braess, marginal toll"]
    return (
        f"{yes}: told one of 93 things by belief improvement, 100 drivers end at a welfare of {many}, where 0 is the "
        f"Nash equilibrium and 1 the optimum; without recommendation they end at {none}. With 3 states it is {few}. "
        f"Random recommendations end at {random}: {'they do harm' if random.high < none.low else 'no better'}. "
        f"A marginal toll, which needs no look into anybody's table, reaches {toll}.\n\n{tally(claims)}"
    )

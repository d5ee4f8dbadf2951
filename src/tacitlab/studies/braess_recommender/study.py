"""Recommenders that steer drivers who learn (Carissimo, Korecki and Dailisan 2025)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.games import Braess, Network
from tacitlab.games.base import StageGame
from tacitlab.interventions import Intervention, NoIntervention, Recommender, Toll
from tacitlab.lab.result import Result
from tacitlab.learners import AlignedValues, UniformValues
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Claim, Finding, Floats, Player, Study, named, paired_difference, tally
from tacitlab.studies.frame import beside, compared, published, scenario

PUBLISHED = published(__file__)
GAME = Braess()
RULES = ("none", "random", "optimised")
MAIN = (("none", 3), ("random", 3), ("optimised", 3), ("optimised", 93))  # rules and states that are published
FEW, MANY = 3, 93
Grid = Mapping[str, NDArray[np.object_]]


@dataclass(frozen=True)
class Size:
    """Size of a preset: sessions of the main runs; drivers, states and sessions of the grid; and of the others."""

    sessions: int
    drivers: tuple[int, ...]
    states: tuple[int, ...]
    grid_sessions: int
    other_sessions: int
    rates: int  # exploration rates of the two-route game
    periods: int = 10_000


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
        return examine(gather(self.sizes[preset], play))


# --- what is played ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Welfare:
    """Welfare by session: over time, and over the last fifth, labelled with the sessions' numbers."""

    time: Floats
    path: Floats
    closing: xr.DataArray

    @classmethod
    def of(cls, result: Result) -> "Welfare":
        data = result.data
        path = outcome.gain(data["payoff"], data).transpose("session", "time").values
        return cls(data["time"].values, np.asarray(path), outcome.gain(outcome.closing(data, "payoff"), data))


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs.

    Attributes
    ----------
    size : Size
    main : mapping of (str, int) to Welfare
        By rule and number of states, with as many drivers as published.
    grid : mapping of str to (states, drivers) array of Estimate
        Welfare of the last fifth by rule.
    two : mapping of str to (rates, estimates)
        Travel times of the two-route game by rule.
    others : mapping of str to Estimate
        Welfare with other initial tables, tolls and networks.
    """

    size: Size
    main: Mapping[tuple[str, int], Welfare]
    grid: Grid
    two: Mapping[str, tuple[Floats, list[Estimate]]]
    others: Mapping[str, Estimate]


def steer(rule: str, states: int) -> Recommender:
    """A recommender of a rule."""
    return Recommender(rule=rule, states=states)  # type: ignore[arg-type]


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""

    def drivers(
        name: str, intervention: Intervention, sessions: int, game: StageGame = GAME, initial: Any = None
    ) -> Welfare:
        changes = {"name": name, "intervention": intervention, "sessions": sessions, "environment": game}
        beginning = {} if initial is None else {"learners.initial": initial}
        made = scenario(__file__, "drivers", {**changes, "length.periods": size.periods, **beginning})
        return Welfare.of(play(made))

    main = {(rule, m): drivers(f"{rule}-{m}", steer(rule, m), size.sessions) for rule, m in MAIN}

    def entry(rule: str, m: int, n: int) -> Estimate:
        if n == GAME.players and (rule, m) in main:
            return mean_interval(main[rule, m].closing)
        found = drivers(f"{rule}-{m}-drivers-{n}", steer(rule, m), size.grid_sessions, Braess(players=n))
        return mean_interval(found.closing)

    grid = {}
    for rule in RULES:
        states = size.states[:1] if rule == "none" else size.states  # nobody is ever in another state
        rows = [[entry(rule, m, n) for n in size.drivers] for m in states]
        grid[rule] = np.array(rows * (len(size.states) // len(states)), dtype=object)
    two = {rule: _two_routes(play, rule, size) for rule in (*RULES, "aligned")}
    others = {
        title: mean_interval(drivers(name, how, size.other_sessions, game, initial).closing)
        for title, name, how, game, initial in (*_beginnings(), *_networks())
    }
    return Evidence(size, main, grid, two, others)


def _two_routes(play: Player, rule: str, size: Size) -> tuple[Floats, list[Estimate]]:
    """Exploration rates, and mean travel time of the last fifth at each."""
    rates = np.linspace(0.0, 1.0, size.rates).round(4)
    changes = {"name": f"two-routes-{rule}", "intervention.rule": rule, "sessions": size.other_sessions}
    sweep = {"learners.exploration.epsilon": rates.tolist()}
    data = play(scenario(__file__, "two-routes", {**changes, "sweep": sweep})).data
    time = -outcome.closing(data, "payoff").mean("agent").transpose("epsilon", "session").values
    return rates, [mean_interval(row) for row in time]


Setting = tuple[str, str, Intervention, StageGame, Any]  # title, name of the run, who steers, game, initial values


def _beginnings() -> Iterator[Setting]:
    """Tables that agree with what the signals mean, or do not."""
    for shift, word in enumerate(("aligned", "misaligned")):
        for rule in (*RULES, "aligned"):
            title = f"Braess, {word} tables, recommender {rule}"
            yield title, f"{word}-{rule}", steer(rule, FEW), GAME, AlignedValues(shift=shift)


def _networks() -> Iterator[Setting]:
    """Tolls, and the larger network."""
    nine, low = Network.nine_nodes(), UniformValues(low=-6, high=-3)
    for title, intervention in (
        ("Braess, no recommendation", NoIntervention()),
        ("Braess, marginal toll", Toll()),
        ("Braess, fixed toll", Toll(rule="fixed")),
        ("nine nodes, no recommendation", NoIntervention()),
        ("nine nodes, recommender random, 20 states", steer("random", 20)),
        ("nine nodes, recommender optimised, 20 states", steer("optimised", 20)),
        ("nine nodes, recommender optimised, 93 states", steer("optimised", MANY)),
        ("nine nodes, marginal toll", Toll()),
    ):
        name = title.replace(", ", "-").replace(" ", "-").lower()
        larger = title.startswith("nine")
        yield title, name, intervention, nine if larger else GAME, low if larger else None


# --- claims and answer -----------------------------------------------------------------------------------------


def examine(e: Evidence) -> Finding:
    """Judge the claims by all runs."""
    from tacitlab.studies.braess_recommender.figures import sections

    claims = all_claims(e)
    return Finding(answer(e, claims), claims, sections(e), NOTES)


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """In the order of the report."""
    return *main_claims(e.main), *grid_claims(e.grid), *(Claim(*other) for other in e.others.items())


NOTES = (
    "Standard errors of the reference are those of its repeats; where it reports no deviation, ours is used.",
    "The published rule weighs expectations by estimated travel times. An estimate is the same for all states and "
    "drivers that are compared with each other, so it never decides anything and is left out.",
    "With no recommendation (rule none) the number of states does not matter: drivers stay in one state.",
)


def main_claims(main: Mapping[tuple[str, int], Welfare]) -> Iterator[Claim]:
    """Welfare beside that of the public code."""
    for rule, states in MAIN:
        name, found = f"welfare, {rule}, {states} states", mean_interval(main[rule, states].closing)
        yield beside(name, found, PUBLISHED[name], se=PUBLISHED[name].error_like(found))


def grid_claims(grid: Grid) -> Iterator[Claim]:
    """What the heat maps show, in two numbers."""
    yield Claim("optimised, most drivers, fewest states", grid["optimised"][0, -1])
    yield Claim("optimised, most drivers, most states", grid["optimised"][-1, -1])


def answer(e: Evidence, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    found = {name: claim.measured for name, claim in named(claims).items()}
    none, random, few, many = (found[f"welfare, {rule}, {states} states"] for rule, states in MAIN)
    alone = e.main["none", FEW].closing  # the same sessions, the same draws
    more, harm = (paired_difference(e.main[told].closing, alone) for told in (("optimised", MANY), ("random", FEW)))
    return (
        f"{compared(more, 'No', 'Undecided', 'Yes, with enough states')}: told one of {MANY} things by belief "
        f"improvement, {GAME.players} drivers end at a welfare of {many}, where 0 is the Nash equilibrium and 1 the "
        f"optimum; without recommendation they end at {none}. With {FEW} states it is {few}. Random recommendations "
        f"end at {random}: {compared(harm, 'they do harm', 'no different for all we see', 'they help')}. A marginal "
        f"toll, which needs no look into anybody's table, reaches {found['Braess, marginal toll']}.\n\n{tally(claims)}"
    )

"""Do a hundred cooperative agents use 85 % of a resource with sigmoid prices, and whose achievement is it?

The paper (section 9) reports "85 % utilization efficiency" and says neither of what nor compared with what. Here a
capacity C is shared by users with utility theta q - q²/2 less the price f(S) for what they hold. First best, price
taking, Nash and joint optimum then follow from the curve and from theta alone, before anybody learns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.lab.result import benchmarks_of
from tacitlab.markets import TokenEconomy
from tacitlab.markets.base import Quantity
from tacitlab.markets.token import utilisation
from tacitlab.markets.token.curves import Sigmoid
from tacitlab.markets.token.parts import Resource
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HeatMap, HLine, Line, Mark, Points
from tacitlab.report.market_paths import heat_map
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study
from tacitlab.studies.frame import cell, curve, exact
from tacitlab.studies.token_volatility.play import LEARNER, PUBLISHED, SOURCE, Floats, Played, Size, cells

AGENTS, CAPACITY, STEPS = 100, 50.0, 100
UTILISATION = 85.0  # percent (P)
RULES = ("hold", "random", "zero-intelligence", "price-taking")
HIGHEST = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)  # highest prices K of the curves of theory
MIDDLES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # their S_0
LEARNED_AT = (1.0, 4.0)  # highest prices at which agents learn, too

NOTES = (
    "Utilisation is supply over capacity, and welfare the service of all holdings over that of the first best, both in "
    "the second half of an episode: what is paid for the resource goes to somebody else and does not count.",
    "Cooperative reward: own gain plus rho times the mean of the others' gains; rho = 99 is the sum of all gains. The "
    "literal reading, the sum weighed by rho, would weigh the others 99 times as much.",
    "Users who cooperate among themselves buy less, not more: they count what each does to the price that all pay. "
    "A cooperative reward is a reason for low utilisation.",
)


def market() -> TokenEconomy:
    """A resource of capacity 50 for a hundred users with theta uniform on [0, 2]; half of it is in use at first."""
    return TokenEconomy(
        agents=AGENTS,
        steps=STEPS,
        curve=Sigmoid(),
        utility=Resource(),
        capacity=CAPACITY,
        holdings=0.25,
        order_size=0.4,
    )


@dataclass(frozen=True)
class Theory:
    """Shares of the capacity in use, and of the first best welfare, exactly."""

    price_taking: float
    nash: float
    joint: float
    welfare: float  # of the price-taking equilibrium

    @classmethod
    def of(cls, curve: Sigmoid) -> "Theory":
        """Of the users of :func:`market` on a curve.

        Examples
        --------
        >>> found = Theory.of(Sigmoid())
        >>> round(found.price_taking, 3), round(found.nash, 3), round(found.joint, 3), round(found.welfare, 3)
        (0.879, 0.869, 0.612, 0.926)
        """
        tastes = Resource().each(AGENTS)
        taking = utilisation.price_taking(tastes, curve.price, CAPACITY)
        try:
            nash = utilisation.nash(tastes, curve.price, curve.slope, CAPACITY).total
        except TacitError:  # users want more than there is, although they count what each does to the price
            nash = CAPACITY
        joint = utilisation.joint_optimum(tastes, curve.price, CAPACITY)
        best = utilisation.first_best(tastes, CAPACITY)
        return cls(taking.total / CAPACITY, nash / CAPACITY, joint.total / CAPACITY, taking.welfare / best.welfare)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs of the study.

    Attributes
    ----------
    rules : mapping of str to Played
    learned : mapping of float to Played
        PPO by the weight of the others' gains, rho.
    elsewhere : mapping of float to Played
        PPO for its own gains by the highest price of the curve.
    """

    rules: Mapping[str, Played]
    learned: Mapping[float, Played]
    elsewhere: Mapping[float, Played]

    @property
    def everybody(self) -> dict[str, Played]:
        """By name, learners last."""
        return {**self.rules, **{named(rho): played for rho, played in self.learned.items()}}


def named(rho: float) -> str:
    """PPO with a weight of the others' gains."""
    return f"PPO, ρ = {rho:g}" if rho else "PPO, profit"


def used(played: Played) -> Floats:
    """Share of the capacity in use in the second half of an episode, percent: (sessions,)."""
    return 100 * played.mean("supply", STEPS // 2) / CAPACITY


def served(played: Played) -> Floats:
    """Welfare of the second half of an episode, percent of first best: (sessions,)."""
    best = benchmarks_of(market()).numbers["first-best welfare of a step"]
    return 100 * played.mean("welfare", STEPS // 2) / best


class ResourceNetwork(Study):
    """A hundred users of a resource: rules, PPO for profit and for cooperation, and what theory says of the curve."""

    name: ClassVar[str] = "resource-network"
    question: ClassVar[str] = "do cooperative agents use 85 % of a resource, or does its price curve?"
    source: ClassVar[str] = SOURCE
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=4, episodes=100, test_episodes=10, grid=(0.0, 1.0, 99.0), everything=False),
        "paper": Size(sessions=8, episodes=400, test_episodes=20, grid=(0.0, 1.0, 10.0, 99.0)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    learner = LEARNER.model_copy(update={"rollout": STEPS})
    grid = {"environment.rewards.cooperation": size.grid}
    learned = cells(play(size.experiment("ppo", market(), [learner], grid)))
    rules = cells(play(size.ruled("rules", market(), RULES)))
    highest = LEARNED_AT if size.everything else LEARNED_AT[-1:]
    at = {"environment.curve.highest": highest}
    elsewhere = cells(play(size.experiment("curves", market(), [learner], at)))
    return Evidence(
        dict(zip(RULES, rules, strict=True)), dict(zip(size.grid, learned, strict=True)),
        dict(zip(highest, elsewhere, strict=True)),
    )  # fmt: skip


def examine(e: Evidence) -> Finding:
    """Judge the claim by theory and by the runs."""
    theory = Theory.of(Sigmoid())
    claims = (*exact_claims(theory), *learned_claims(e, theory))
    return Finding(answer(e, theory), claims, sections(e, theory), NOTES)


# --- claims ------------------------------------------------------------------------------------------------------


def exact_claims(theory: Theory) -> tuple[Claim, ...]:
    """What the curve says before anybody learns."""
    note = "Exact, of the default curve: another curve has another number, see below."
    return (
        Claim("price-taking equilibrium: utilisation (%)", exact(100 * theory.price_taking), UTILISATION, PUBLISHED,
              rounding=0.5, note=note),
        Claim("Nash equilibrium: utilisation (%)", exact(100 * theory.nash), UTILISATION, PUBLISHED, rounding=0.5,
              note=note),
        Claim("users' joint optimum: utilisation (%)", exact(100 * theory.joint), UTILISATION, PUBLISHED, rounding=0.5,
              note=note),
        Claim("highest price of the curve at which price takers use 85 %", exact(highest_at(UTILISATION / 100))),
    )  # fmt: skip


def learned_claims(e: Evidence, theory: Theory) -> tuple[Claim, ...]:
    """What learners use, and what it is worth."""
    claims = [
        Claim(
            f"{name}: utilisation (%)", mean_interval(np.round(used(played), 4)), UTILISATION, PUBLISHED, rounding=0.5
        )
        for name, played in e.rules.items()
    ]
    for rho, played in e.learned.items():
        found = mean_interval(used(played))
        claims.append(Claim(f"{named(rho)}: utilisation (%)", found, UTILISATION, PUBLISHED, rounding=0.5))
        claims.append(Claim(f"  welfare of first best, {named(rho)} (%)", mean_interval(served(played))))
    profit = mean_interval(used(e.learned[0.0]))
    nash = "Nash equilibrium of the stationary game"
    claims.append(Claim("PPO, profit: utilisation beside Nash (%)", profit, 100 * theory.nash, nash))
    for highest, played in e.elsewhere.items():
        there = Theory.of(Sigmoid(highest=highest))
        words = f"PPO, profit, highest price {highest:g}: utilisation (%)"
        claims.append(Claim(words, mean_interval(used(played)), 100 * there.nash, nash))
    return tuple(claims)


def highest_at(share: float) -> float:
    """The highest price of a sigmoid, all else as it is, at which price takers use a share of the capacity.

    Examples
    --------
    >>> round(Theory.of(Sigmoid(highest=highest_at(0.85))).price_taking, 6)
    0.85
    """
    from scipy.optimize import brentq

    return float(brentq(lambda k: Theory.of(Sigmoid(highest=k)).price_taking - share, 1.0, 6.0))


# --- report ------------------------------------------------------------------------------------------------------


def answer(e: Evidence, theory: Theory) -> str:
    """The finding in words."""
    profit, rho = mean_interval(used(e.learned[0.0])), max(e.learned)
    together = mean_interval(used(e.learned[rho]))
    ends = [100 * Theory.of(Sigmoid(highest=k)).price_taking for k in (HIGHEST[0], HIGHEST[-1])]
    gains, random = {key: e.learned[key].payoff.mean() for key in (0.0, rho)}, e.rules["random"]
    return (
        f"85 % is a property of the price curve, not of learning. On the default curve users who take the price as "
        f"given hold {100 * theory.price_taking:.1f} % of the capacity, strategic ones {100 * theory.nash:.1f} %, and "
        f"{100 * theory.welfare:.1f} % of the first best welfare results; between highest prices of {HIGHEST[0]:g} and "
        f"{HIGHEST[-1]:g} the same equilibrium runs from {ends[0]:.0f} % to {ends[1]:.0f} %, and at "
        f"{highest_at(UTILISATION / 100):.2f} it is 85 %. With free capacity the efficient use is 100 %.\n\n"
        f"PPO for profit holds {profit.mean:.1f} % (95 % CI {profit.interval}) with "
        f"{served(e.learned[0.0]).mean():.0f} % of the first best welfare. Cooperation is no reason for high use: "
        f"users who share their gains would do best at {100 * theory.joint:.0f} %, since each purchase raises the "
        f"price that all pay. With ρ = {rho:g} they hold {together.mean:.1f} % (95 % CI {together.interval}) and earn "
        f"{gains[rho]:.1f} an episode, where profit learners earn {gains[0.0]:.1f}: the sum of a hundred gains hardly "
        f"tells an agent what its own orders do. Random traders hold {used(random).mean():.1f} %, with "
        f"{served(random).mean():.0f} % of the first best welfare: use alone says little."
    )


def sections(e: Evidence, theory: Theory) -> tuple[Section, ...]:
    """Figures and tables."""
    return (
        Section("Utilisation and welfare", table=_table(e)),
        Section("A property of the curve", charts=(_curve_chart(e), _map())),
        Section("Learning", charts=(_learning(e, theory), _gains(e))),
        Section("Who trades when", charts=(heat_map(e.learned[0.0].found, Quantity("trade", "tokens")),)),
    )


def _table(e: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            cell(used(p)),
            cell(served(p)),
            cell(p.payoff),
            cell(p.mean("price", STEPS // 2)),
            cell(p.mean("volume")),
        )
        for name, p in e.everybody.items()
    ]
    columns = ("everybody plays", "utilisation (%)", "welfare (%)", "own gain", "price", "volume")
    caption = (
        "Second half of the episodes, but for own gains (currency, whole episode) and volume (tokens a step). "
        "Half of the capacity is in use at the beginning."
    )
    return Table(columns, rows, caption)


def _curve_chart(e: Evidence) -> Chart:
    theory = [Theory.of(Sigmoid(highest=k)) for k in HIGHEST]
    parts = {
        "price-taking equilibrium": [t.price_taking for t in theory], "Nash equilibrium": [t.nash for t in theory],
        "users' joint optimum": [t.joint for t in theory],
    }  # fmt: skip
    marks: list[Mark] = [
        Line(HIGHEST, 100 * np.array(y), name, dash=name.startswith("Nash")) for name, y in parts.items()
    ]
    learned = {Sigmoid().highest: e.learned[0.0], **e.elsewhere}
    found = [mean_interval(used(played)) for played in learned.values()]
    low, high = ([getattr(one, end) for one in found] for end in ("low", "high"))
    marks.append(Points(list(learned), [one.mean for one in found], "PPO, profit", low=low, high=high))
    marks.append(HLine(UTILISATION, "paper: 85 %"))
    caption = "Lines are exact; symbols are means over sessions with 95 % intervals."
    axes = Axis("highest price K", "currency"), Axis("utilisation", "%", range=(0.0, 102.0))
    return Chart("Utilisation by the height of the sigmoid", *axes, marks, caption)


def _map() -> Chart:
    tastes = Resource().each(AGENTS)
    z = [
        [
            100 * utilisation.price_taking(tastes, Sigmoid(highest=k, middle=s).price, CAPACITY).total / CAPACITY
            for k in HIGHEST
        ]
        for s in MIDDLES
    ]
    axes = Axis("highest price K", "currency"), Axis("supply at half of it, S₀", "tokens")
    caption = "Exact, for a capacity of 50 and steepness 0.1: any utilisation can be had by choosing a curve."
    heat = [HeatMap(HIGHEST, MIDDLES, z, "utilisation (%)")]
    return Chart("Utilisation of price takers by the curve", *axes, heat, caption)


def _learning(e: Evidence, theory: Theory) -> Chart:
    marks: list[Mark] = []
    for rho, played in e.learned.items():
        line = played.learning("supply")
        share = 100 / CAPACITY
        marks.append(Line(line.x, share * line.y, named(rho), share * line.low, share * line.high))
    levels = (("price-taking", theory.price_taking), ("Nash", theory.nash), ("joint optimum", theory.joint))
    marks += [HLine(100 * y, f"{name} {100 * y:.0f} %") for name, y in levels if name != "Nash"]
    caption = (
        "Mean over whole episodes, which begin at 50 %, and over sessions, with pointwise 95 % intervals: below what "
        "is reached in the second half."
    )
    return Chart("Utilisation while learning", Axis("training episode"), Axis("utilisation", "%"), marks, caption)


def _gains(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for rho, played in e.learned.items():
        data = played.found.data["payoff"].mean("agent").transpose("session", "time").values / (1 + rho)
        marks.append(curve(played.found.data["time"].values, data, named(rho)))
    marks += [HLine(float(e.rules[name].payoff.mean()), name) for name in ("price-taking", "hold")]
    caption = "Own gains of the average agent, mean over sessions with pointwise 95 % intervals; rules in the test."
    axes = Axis("training episode"), Axis("own gain", "currency/episode")
    return Chart("Own gains while learning", *axes, marks, caption)

"""Do a hundred cooperative agents use 85 % of a resource with sigmoid prices, and whose achievement is it?

The paper (section 9) reports "85 % utilization efficiency" and says neither of what nor compared with what. Here a
capacity C is shared by users with utility theta q - q²/2 less the price f(S) for what they hold. First best, price
taking, Nash and joint optimum then follow from the curve and from theta alone, before anybody learns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.lab.result import benchmarks_of
from tacitlab.markets import TokenEconomy
from tacitlab.markets.token import utilisation
from tacitlab.markets.token.curves import Sigmoid
from tacitlab.markets.token.parts import Resource
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, named, paired_difference
from tacitlab.studies.frame import beside, compared, exact, percent, published
from tacitlab.studies.tokens import LEARNER, SOURCE, Floats, Played, Size, cells

AGENTS, CAPACITY, STEPS = 100, 50.0, 100
UTILISATION = published(__file__)["utilisation (%)"]
USED = UTILISATION.value / 100
RULES = ("hold", "random", "zero-intelligence", "price-taking")
HIGHEST = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)  # highest prices K of the curves of theory
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
    @cache
    def of(cls, curve: Sigmoid) -> "Theory":
        """Of the users of :func:`market` on a curve.

        Examples
        --------
        >>> found = Theory.of(Sigmoid())
        >>> round(found.price_taking, 3), round(found.nash, 3), round(found.joint, 3), round(found.welfare, 3)
        (0.879, 0.869, 0.612, 0.926)
        """
        tastes, taking = Resource().each(AGENTS), _taken(curve)
        try:
            nash = utilisation.nash(tastes, curve.price, curve.slope, CAPACITY).total
        except TacitError:  # users want more than there is, although they count what each does to the price
            nash = CAPACITY
        joint = utilisation.joint_optimum(tastes, curve.price, CAPACITY)
        best = utilisation.first_best(tastes, CAPACITY)
        return cls(taking.total / CAPACITY, nash / CAPACITY, joint.total / CAPACITY, taking.welfare / best.welfare)


def _taken(curve: Sigmoid) -> utilisation.Allocation:
    """What price takers use."""
    return utilisation.price_taking(Resource().each(AGENTS), curve.price, CAPACITY)


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
        return {**self.rules, **{called(rho): played for rho, played in self.learned.items()}}


def called(rho: float) -> str:
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
    from tacitlab.studies.resource_network.figures import sections

    theory = Theory.of(Sigmoid())
    claims = (*exact_claims(theory), *learned_claims(e, theory))
    return Finding(answer(e, theory, claims), claims, sections(e, theory), NOTES)


# --- claims ------------------------------------------------------------------------------------------------------


def exact_claims(theory: Theory) -> tuple[Claim, ...]:
    """What the curve says before anybody learns."""
    note = "Exact, of the default curve: another curve has another number, see below."
    shares = {
        "price-taking equilibrium": theory.price_taking, "Nash equilibrium": theory.nash,
        "users' joint optimum": theory.joint,
    }  # fmt: skip
    known = [beside(f"{x}: utilisation (%)", exact(100 * y), UTILISATION, note=note) for x, y in shares.items()]
    highest = Claim(
        f"highest price of the curve at which price takers use {UTILISATION.value:g} %", exact(highest_at(USED))
    )
    return *known, highest


def learned_claims(e: Evidence, theory: Theory) -> tuple[Claim, ...]:
    """What learners use, and what it is worth."""
    claims = [
        beside(f"{name}: utilisation (%)", mean_interval(np.round(used(played), 4)), UTILISATION)
        for name, played in e.rules.items()
    ]
    for rho, played in e.learned.items():
        claims.append(beside(f"{called(rho)}: utilisation (%)", mean_interval(used(played)), UTILISATION))
        claims.append(Claim(f"  welfare of first best, {called(rho)} (%)", mean_interval(served(played))))
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

    return float(brentq(lambda k: _taken(Sigmoid(highest=k)).total / CAPACITY - share, 1.0, 6.0))


# --- answer ----------------------------------------------------------------------------------------------------------


def answer(e: Evidence, theory: Theory, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    found, rho = {name: claim.measured for name, claim in named(claims).items()}, max(e.learned)
    profit, together = (found[f"{called(weight)}: utilisation (%)"] for weight in (0.0, rho))
    welfare = found[f"welfare of first best, {called(0.0)} (%)"].mean
    ends = [100 * Theory.of(Sigmoid(highest=k)).price_taking for k in (HIGHEST[0], HIGHEST[-1])]
    random, published = e.rules["random"], f"{UTILISATION.value:g} %"
    return (
        f"{published} {whose(ends)}. On the default curve users who take the price as given hold "
        f"{percent(theory.price_taking)} of the capacity, strategic ones {percent(theory.nash)}, and "
        f"{percent(theory.welfare)} of the first best welfare results; between highest prices of {HIGHEST[0]:g} and "
        f"{HIGHEST[-1]:g} the same equilibrium runs from {ends[0]:.0f} % to {ends[1]:.0f} %, and at "
        f"{highest_at(USED):.2f} it is {published}. With free capacity the efficient use is 100 %.\n\n"
        f"PPO for profit holds {level(profit)} with {welfare:.0f} % of the first best "
        f"welfare. Cooperation is {'no' if theory.joint < theory.nash else 'a'} reason for high use: users who share "
        f"their gains would do best at {percent(theory.joint, 0)}, since each purchase raises the price that all pay. "
        f"With ρ = {rho:g} they hold {level(together)} and {earn(e, rho)}. Random "
        f"traders hold {used(random).mean():.1f} %, with {served(random).mean():.0f} % of the first best welfare: use "
        "alone says little."
    )


def level(found: Estimate) -> str:
    """A percentage with its interval, if there is one.

    Examples
    --------
    >>> level(Estimate(85.0, 84.0, 86.5, 0.5, 4)), level(Estimate(85.0, float("nan"), float("nan"), 0.5, 1))
    ('85.0 % (95 % CI 84.0 to 86.5)', '85.0 %')
    """
    return f"{found.mean:.1f} %" + (f" (95 % CI {found.interval})" if found.interval else "")


def whose(ends: Sequence[float]) -> str:
    """Whose achievement the published use is, by the range that price takers have on different curves, percent.

    Examples
    --------
    >>> whose((30.0, 99.0)), whose((30.0, 60.0))
    ('is a property of the price curve, not of learning', 'cannot be had by a choice of the price curve')
    """
    inside = min(ends) <= UTILISATION.value <= max(ends)
    return (
        "is a property of the price curve, not of learning"
        if inside
        else "cannot be had by a choice of the price curve"
    )


def earn(e: Evidence, rho: float) -> str:
    """What agents earn who are paid for the others' gains, beside those who are not."""
    ours, theirs = (e.learned[weight].labelled("payoff") for weight in (rho, 0.0))
    word = compared(paired_difference(ours, theirs), "less than", "as much, for all we see, as", "more than")
    why = ": the sum of all gains hardly tells an agent what its own orders do" if word == "less than" else ""
    return f"earn {float(ours.mean()):.1f} an episode, {word} profit learners, who earn {float(theirs.mean()):.1f}{why}"

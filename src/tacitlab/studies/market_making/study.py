"""Do market makers learn to quote as they should, and do several of them compete?

One maker who is averse to inventory has an optimum, known by dynamic programming for the game as it is simulated, so
that what it has learned is judged exactly: its quotes are a table, and a table has a value. Two makers have a
Markov-perfect equilibrium and a joint optimum; dealers who answer requests for quotes play Bertrand's game with logit
demand. The rules of Avellaneda and Stoikov are played in their own setting, beside exact moments.
"""

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import (
    STANDARD_ERRORS,
    Claim,
    Finding,
    Player,
    Study,
    Verdict,
    at_least,
    between,
    judge,
    paired_difference,
)
from tacitlab.studies.frame import bare, beside, compared, percent, published, say
from tacitlab.studies.market_making.evidence import PAID, Evidence, Learned, Repeated, Size, gather

BAR = 0.97  # share of the optimum that a maker who is alone must reach
BAND = 0.1  # of the way from equilibrium to joint optimum: this near counts as there
LEANING = 0.1  # risk aversion at which leaning on the inventory is compared with the symmetric strategy
PUBLISHED = published(__file__)
TARGET = f"within {percent(1 - BAR, 0)} of the optimum"
COMPETITIVE = "at the equilibrium: within a tenth of the way to the joint optimum"
NEAR = between(-BAND, BAND)  # of the way from equilibrium to joint optimum
NOTES = (
    "Utilities and profits of makers who see time and inventories alone are exact: their quotes are tables, which are "
    "evaluated by dynamic programming in the game that is simulated. The session is the unit of all intervals.",
    "Place: 0 at the equilibrium, 1 at the joint optimum; below 0 makers earn less than in equilibrium.",
)


class MarketMakingStudy(Study):
    """A maker alone by PPO, Q-learning and DQN; two makers; dealers with and without memory; Avellaneda and Stoikov."""

    name: ClassVar[str] = "market-making"
    question: ClassVar[str] = "do market makers learn the optimal quotes, and do several of them compete?"
    source: ClassVar[str] = (
        "M. Avellaneda and S. Stoikov, Quantitative Finance 8(3), 2008, 217-224; Á. Cartea, S. Jaimungal and J. "
        "Penalva, Algorithmic and High-Frequency Trading, 2015, section 10.2; E. Calvano et al., American Economic "
        "Review 110(10), 2020, 3267-3297 (dealers who remember: the same game with prices)."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(
            alone=(20, 2000), table_q=(6, 5000), pair=(6, 3000), request_q=(10, 200_000), request_ppo=(8, 100_000),
            repeated=(5, 300), classic=(20, 200), responses=6,
        ),
        "paper": Size(
            alone=(20, 6000), table_q=(20, 20_000), pair=(20, 12_000), request_q=(20, 500_000),
            request_ppo=(20, 300_000), repeated=(20, 1500), classic=(20, 1000), responses=20, fine=(20, 2000),
            deep_q=(10, 5000), published=True,
        ),
    }  # fmt: skip

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def examine(e: Evidence) -> Finding:
    """Judge the claims by the runs of all experiments."""
    from tacitlab.studies.market_making.figures import sections

    claims = (*alone_claims(e), *pair_claims(e), *dealer_claims(e), *classic_claims(e))
    return Finding(answer(e), claims, sections(e), NOTES)


# --- claims --------------------------------------------------------------------------------------------------------


def alone_claims(e: Evidence) -> Iterator[Claim]:
    """Exact utilities of makers who are alone, as shares of the optimum."""
    for name, one in e.alone.items():
        found = mean_interval(one.share)
        bar = at_least(BAR) if name.startswith("PPO") else None
        yield Claim(f"1 alone, {name}: utility, exact (share of the optimum)", found, None, TARGET, margin=bar)
        least = bare(one.share.min(), len(one.share))
        yield Claim(f"1 alone, {name}: the worst session (share of the optimum)", least)
    ppo = e.alone["PPO"]
    off = mean_interval(ppo.simulated - ppo.payoffs)
    yield Claim(
        "1 alone, PPO: utility in the simulated test less the exact one (currency)", off, 0.0, "policy evaluation"
    )
    rule = ppo.benchmarks.numbers["payoff of fixed-spread"]
    gain = (ppo.payoffs - rule) / (ppo.benchmarks.optimum.average - rule)
    yield Claim("1 alone, PPO: part of what the optimum adds to a fixed spread (share)", mean_interval(gain))


def pair_claims(e: Evidence) -> Iterator[Claim]:
    """Two makers between equilibrium and joint optimum."""
    place = mean_interval(e.pair.place)
    yield Claim("2 two makers, PPO: place, exact (0 to 1)", place, None, COMPETITIVE, margin=NEAR)
    spread, known = mean_interval(e.pair.half_spread), e.pair.benchmarks
    nash = float(known.nash.quantities["half_spread"].mean())
    yield Claim("2 two makers, PPO: mean half-spread less that of the equilibrium (currency)", minus(spread, nash))
    room = known.optimum.average - known.nash.average
    exploited = mean_interval(e.exploited.mean(axis=1) / room)
    yield Claim(
        "2 two makers, PPO: what a best response gains (share of the way from equilibrium to optimum)", exploited
    )


def dealer_claims(e: Evidence) -> Iterator[Claim]:
    """Dealers with and without memory between equilibrium and joint optimum."""
    for name, one in e.requests.items():
        place = mean_interval(one.place)
        yield Claim(f"3 two dealers, {name}: place, exact (0 to 1)", place, None, COMPETITIVE, margin=NEAR)
    for fills, many in e.repeated.items():
        place = mean_interval(many.place)
        words = f"3 two dealers who remember, {PAID[fills]}: place (0 to 1)"
        if e.size.published and words in PUBLISHED:
            yield beside(words, place, PUBLISHED[words])
        else:
            yield Claim(words, place, None, COMPETITIVE, margin=NEAR)


def classic_claims(e: Evidence) -> Iterator[Claim]:
    """The table of Avellaneda and Stoikov's rules, simulated."""
    for one in e.classic:
        words = f"4 {one.rule}, γ = {one.gamma:g}"
        for name, values in (
            (f"{words}: gain (currency)", one.gain),
            (f"{words}: sd of the gain (currency)", one.gain_sd),
            (f"{words}: sd of the last inventory (lots)", one.inventory_sd),
        ):
            if name in PUBLISHED:
                value = PUBLISHED[name]
                se = value.value / math.sqrt(2 * (value.runs or 0)) if value.sd is None else value.se  # of an sd
                yield beside(name, mean_interval(values), value, se=se)


def minus(found: Estimate, number: float) -> Estimate:
    """An estimate less a known number."""
    return Estimate(found.mean - number, found.low - number, found.high - number, found.se, found.n, found.level)


# --- words ---------------------------------------------------------------------------------------------------------


def answer(e: Evidence) -> str:
    """The finding in words."""
    return "\n\n".join((alone(e), pair(e), dealers(e), classic(e)))


def alone(e: Evidence) -> str:
    """What a maker who is alone learns."""
    ppo = e.alone["PPO"]
    known, share = ppo.benchmarks, mean_interval(ppo.share)
    rules = {name: known.numbers[f"payoff of {name}"] / known.optimum.average for name in
             ("avellaneda-stoikov", "fixed-spread")}  # fmt: skip
    verdict = say(judge(share, at_least(BAR)), "yes", "no", "not for certain")
    others = ", ".join(f"{name} {percent(mean_interval(one.share))}" for name, one in e.alone.items() if name != "PPO")
    grid = next(name for name in known.numbers if name.startswith("payoff of the best of"))
    earns = percent(known.numbers[grid] / known.optimum.average)
    return (
        f"Does a maker alone come {TARGET}? With PPO {verdict}: it reaches {percent(share)} of its utility, the worst "
        f"of {share.n} sessions {percent(ppo.share.min())}. One gets near without learning: the formula of Avellaneda "
        f"and Stoikov earns {percent(rules['avellaneda-stoikov'])} of the optimum here, a fixed spread "
        f"{percent(rules['fixed-spread'])}. The others: {others}; learners of values choose from a grid, where "
        f"{grid.removeprefix('payoff of ')} earns {earns}."
    )


def pair(e: Evidence) -> str:
    """Whether two makers compete."""
    place, known = mean_interval(e.pair.place), e.pair.benchmarks
    nash, joint = (float(one.quantities["half_spread"].mean()) for one in (known.nash, known.optimum))
    room = known.optimum.average - known.nash.average
    return (
        f"Two makers under logit choice {where(place)}: {place} of the way from the Markov-perfect equilibrium to the "
        f"joint optimum, with a mean half-spread of {mean_interval(e.pair.half_spread)} (equilibrium {nash:.3f}, joint "
        f"optimum {joint:.3f}). A best response would gain {mean_interval(e.exploited.mean(axis=1))} a maker, "
        f"{percent(e.exploited.mean() / room, 0)} of that way."
    )


def dealers(e: Evidence) -> str:
    """Whether dealers compete."""
    parts = [f"by {name} they {where(place)}, at {place}" for name, place in _places(e.requests).items()]
    memory = _places(e.repeated)
    told = [f"{place} with {PAID[fills]}" for fills, place in memory.items()]
    apart = paired_difference(*(e.repeated[fills].labelled for fills in ("expected", "drawn")))
    colluding = memory["expected"].low > BAND
    noise = "; that a request goes to one dealer alone is noise, and noise disturbs what looks like collusion"
    disturbed = compared(apart, "", "", noise) if colluding else ""
    return (
        f"Two dealers who answer requests without memory, on the way from equilibrium (0) to joint optimum (1): "
        f"{'; '.join(parts)}. Q-learners who see each other's last quote end at {', and '.join(told)}{disturbed}."
    )


def _places(groups: Mapping[str, Learned] | Mapping[str, Repeated]) -> dict[str, Estimate]:
    return {name: mean_interval(one.place) for name, one in groups.items()}


def classic(e: Evidence) -> str:
    """The table of Avellaneda and Stoikov."""
    claims = list(classic_claims(e))
    good = sum(claim.judged() is Verdict.REPRODUCED for claim in claims)
    leaning, plain = (one for one in e.classic if one.gamma == LEANING)
    gain, risk = (float(getattr(leaning, x).mean() / getattr(plain, x).mean()) for x in ("gain", "gain_sd"))
    return (
        f"Avellaneda and Stoikov's table: {good} of {len(claims)} published numbers lie within {STANDARD_ERRORS:g} "
        f"standard errors. Leaning on the inventory (γ = {LEANING:g}) leaves {percent(risk, 0)} of the risk of the "
        f"symmetric strategy and {percent(gain, 0)} of its gain."
    )


def where(place: Estimate) -> str:
    """A place in words."""
    away = compared(place, "end below the equilibrium", "", "end above the equilibrium")
    unknown = "are shown neither to end at the equilibrium nor away from it"
    return say(judge(place, NEAR), "end at the equilibrium", away, unknown)

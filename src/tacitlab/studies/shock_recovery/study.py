"""Do prices recover from a shock within 20 steps, and is it the agents who bring them back?

The paper (section 9) introduces a spike of the factor Z and reports that "prices stabilize within 20 steps". A factor
that is drawn anew in each step, as the paper has it (2.1), is gone after one step whatever anybody does; one with
persistence 0.9 needs 22 steps by its own law. So tests are played in pairs, with the spike and without it and
otherwise with the same noise, by learners, by rules and by nobody, and what is left is the effect of the spike.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.result import Result
from tacitlab.learners import Rule, Trained
from tacitlab.learners.base import Learner
from tacitlab.markets import TokenEconomy
from tacitlab.markets.token.parts import Factors, PrivateValues, Shock
from tacitlab.measures import resilience
from tacitlab.measures.resilience import BAND, HOLD, Recovery, ar1_recovery, deviation, deviation_area, recovery
from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, at_most, by_session, paired
from tacitlab.studies.frame import beside, exact, published
from tacitlab.studies.tokens import LEARNER, SOURCE, Floats, Played, Size, cells

STEPS = published(__file__)["steps to recovery"]
WITHIN_STEPS = at_most(STEPS.value)
STEP, SPIKE = 50, 0.5  # when the spike comes, and its size: the price rises by half where a unit of Z doubles it
PERSISTENCE, NOISE = 0.9, 0.02
RULES = ("hold", "random", "price-taking")
UNSHOCKED, SHOCKED = "PPO, trained without shocks", "PPO, trained with shocks"


class Channel(NamedTuple):
    """A way in which the factor acts."""

    key: str
    words: str
    factors: Mapping[str, Any]

    def test(self, size: float) -> dict[str, Any]:
        """The market of a test with a spike of this size."""
        return {f"factors.{name}": value for name, value in self.factors.items()} | {"factors.shock.size": size}


PRICE = Channel("price", "the factor moves the price, AR(1)", {"persistence": PERSISTENCE, "premium": 1.0})
LITERAL = Channel("literal", "the factor moves the price, independent draws", {"persistence": 0.0, "premium": 1.0})
DEMAND = Channel(
    "demand", "the factor shifts orders, AR(1)", {"persistence": PERSISTENCE, "premium": 0.0, "demand": 1.0}
)
CHANNELS = (PRICE, LITERAL, DEMAND)

NOTES = (
    f"The spike of {SPIKE:g} comes at the end of step {STEP} of {TokenEconomy().steps}. An effect is the shocked price "
    f"over that of the same session, agents and noise without the spike, less 1. Recovery: the first step from which "
    f"it stays within {100 * BAND:.0f} % for {HOLD} steps; times of paths that never do are counted as the least that "
    f"they can be, so that means are lower bounds.",
    "Policies are frozen while they are tested. Those trained with shocks met one in every episode of their training; "
    "the others never did.",
    "Where the factor moves the price, whoever sells to the curve while it is high is paid out of the reserve: agents "
    "bring the price down at the reserve's expense.",
    "Where the factor shifts orders, learners were trained in the market in which it moves the price.",
)
CENSORED = "{n} of {of} paths did not recover while they were observed: the mean is a lower bound."
NOTHING = (
    f"The effect never leaves the band of {100 * BAND:.0f} %: there is nothing to recover from, within "
    f"{STEPS.value:g} steps or any number."
)
SOME = "{n} of {of} paths never leave the band and count as 0 steps."
WITHIN = f"within {STEPS.value:g} steps: judged by whether the interval lies on one side of {STEPS.value:g}"


class ShockRecovery(Study):
    """Pairs of tests with the same noise: learners with and without experience of shocks, rules, nobody."""

    name: ClassVar[str] = "shock-recovery"
    question: ClassVar[str] = "do prices recover from a shock within 20 steps, and thanks to whom?"
    source: ClassVar[str] = SOURCE
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=6, episodes=80, test_episodes=10, grid=()),
        "paper": Size(sessions=16, episodes=250, test_episodes=20, grid=()),
    }

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


# --- what is played ---------------------------------------------------------------------------------------------------


def market(size: float = 0.0) -> TokenEconomy:
    """Fifty agents on an exponential curve whose price a factor moves, with a spike of some size."""
    factors = Factors(persistence=PERSISTENCE, volatility=NOISE, premium=1.0, shock=Shock(step=STEP, size=size))
    return TokenEconomy(utility=PrivateValues(), factors=factors)


@dataclass(frozen=True, eq=False)
class Pair:
    """The same agents and noise without the spike and with it."""

    calm: Played
    shocked: Played

    @classmethod
    def of(cls, calm: Played, shocked: Played) -> "Pair":
        """Of the sessions that failed in neither."""
        both = np.intersect1d(calm.sessions, shocked.sessions)
        return cls(calm.only(both), shocked.only(both))

    @cached_property
    def effect(self) -> Floats:
        """P/P - 1 of the shocked to the calm path from the spike on, first episode of the test: (sessions, steps)."""
        return deviation(self.shocked.prices, self.calm.prices)[:, STEP:]

    @cached_property
    def recovery(self) -> Recovery:
        """Until the effect stays below 5 % for 10 steps."""
        return recovery(self.effect)

    @property
    def still(self) -> NDArray[np.bool_]:
        """Whether the effect never leaves the band, so that there is nothing to recover from: (sessions,)."""
        return np.asarray((np.abs(self.effect) <= resilience.BAND).all(axis=1))

    @property
    def unpaired(self) -> Recovery:
        """The same of the distance to the mean price before the spike, as an outsider sees it, noise included."""
        usual = self.shocked.prices[:, STEP // 2 : STEP].mean(axis=1, keepdims=True)
        return recovery(deviation(self.shocked.prices, usual)[:, STEP:])

    @property
    def placebo(self) -> Recovery:
        """That of the calm path: noise alone."""
        usual = self.calm.prices[:, STEP // 2 : STEP].mean(axis=1, keepdims=True)
        return recovery(deviation(self.calm.prices, usual)[:, STEP:])

    @property
    def area(self) -> Floats:
        """Sum of the effect's absolute sizes, (sessions,), steps."""
        return deviation_area(self.effect)

    def resilience(self, *, literal: bool = False) -> Floats:
        """1/abs(d ln P) in the step of the spike, or in currency: (sessions,)."""
        prices = self.shocked.prices[:, STEP - 1 : STEP + 1]
        return resilience.resilience(prices, np.ones((len(prices), 1), bool), literal=literal)

    @property
    def answer(self) -> Floats:
        """Tokens that agents buy because of the spike, by step from it on: (sessions, steps), negative: sell."""
        return np.asarray((self.shocked.steps("supply", "_path") - self.calm.steps("supply", "_path"))[:, STEP:])

    @property
    def drained(self) -> Floats:
        """What the spike takes out of the reserve's backing by the end of the episode: (sessions,), currency."""
        ends = [played.steps("reserve_gap", "_path")[:, -1] for played in (self.calm, self.shocked)]
        return np.asarray(ends[0] - ends[1])


@dataclass(frozen=True, eq=False)
class Evidence:
    """Pairs by the key of a channel and by who plays; and the learners while they learned."""

    pairs: Mapping[str, Mapping[str, Pair]]
    learning: Mapping[str, Played]

    @property
    def main(self) -> Mapping[str, Pair]:
        """Where an AR(1) factor moves the price."""
        return self.pairs[PRICE.key]


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    runs = {
        UNSHOCKED: play(size.experiment("ppo-calm", market(), [LEARNER])),
        SHOCKED: play(size.experiment("ppo-shocked", market(SPIKE), [LEARNER])),
    }
    found = {
        name: _pairs(size, play, f"test-{run.experiment.name}", [Trained(run=str(run.folder))])
        for name, run in runs.items()
    }
    found |= {name: _pairs(size, play, f"test-{name}", [Rule(rule=name)]) for name in RULES}
    pairs = {channel.key: {name: by[channel.key] for name, by in found.items()} for channel in CHANNELS}
    return Evidence(pairs, {name: cells(run)[0] for name, run in runs.items()})


def _pairs(size: Size, play: Player, name: str, learners: list[Learner]) -> dict[str, Pair]:
    """A test without and with the spike in every channel: nobody learns, and the noise is the same."""
    tests = [channel.test(spike) for channel in CHANNELS for spike in (0.0, SPIKE)]
    found: Result = play(size.experiment(name, market(), learners, {"test.environment": tests}))
    played = cells(found)
    return {channel.key: Pair.of(*played[2 * k : 2 * k + 2]) for k, channel in enumerate(CHANNELS)}


def examine(e: Evidence) -> Finding:
    """Judge the claim by all pairs."""
    from tacitlab.studies.shock_recovery.figures import sections

    claims = (*laws(), *recoveries(e), *sizes(e))
    return Finding(answer(e), claims, sections(e), NOTES)


# --- claims ------------------------------------------------------------------------------------------------------


def laws() -> tuple[Claim, ...]:
    """What takes how long without any agent."""
    logs = math.log(1 + SPIKE), math.log(1 + BAND)
    return (
        _law("independent draws, no agents: steps by law", ar1_recovery(0.0, SPIKE)),
        _law("AR(1) with 0.9, no agents: steps by law", ar1_recovery(PERSISTENCE, SPIKE)),
        _law("  if it moves the logarithm of the price", ar1_recovery(PERSISTENCE, *logs)),
    )


def _law(words: str, steps: int) -> Claim:
    return beside(words, exact(steps), STEPS, margin=WITHIN_STEPS, note="Exact, by the law alone.")


def recoveries(e: Evidence) -> tuple[Claim, ...]:
    """Times of everybody in every channel, from the pairs."""
    claims = []
    for channel in CHANNELS:
        for name, pair in e.pairs[channel.key].items():
            found = pair.recovery
            time, still = mean_interval(found.time), int(pair.still.sum())
            censored = int((~found.recovered).sum())
            note = CENSORED.format(n=censored, of=found.recovered.size) if censored else WITHIN
            verdict = None
            if still == found.recovered.size:
                verdict, note = Verdict.REPORTED, NOTHING
            elif still:
                note = f"{note}. {SOME.format(n=still, of=found.recovered.size)}"
            words = f"{name}: steps to recovery, {channel.words}"
            claims.append(beside(words, time, STEPS, verdict=verdict, margin=WITHIN_STEPS, note=note))
    return tuple(claims)


def sizes(e: Evidence) -> tuple[Claim, ...]:
    """Area and resilience, where an AR(1) factor moves the price, beside nobody trading."""
    idle, claims = e.main["hold"], []
    for name, pair in e.main.items():
        if name == "hold":
            continue
        words = f"{name}: reduction of the area of the effect against nobody trading (%)"
        ours, theirs = paired(*(by_session(one.area, one.calm.sessions) for one in (pair, idle)))
        claims.append(Claim(words, mean_interval(np.round(100 * (1 - ours / theirs), 3))))
    return tuple(claims)


# --- answer -----------------------------------------------------------------------------------------------------------


def answer(e: Evidence) -> str:
    """The finding in words."""
    main, orders, by_law = e.main, e.pairs[DEMAND.key], ar1_recovery(PERSISTENCE, SPIKE)
    return (
        f"It depends on the law of the factor before it depends on anybody's learning. With independent draws, as the "
        f"paper has them, a price that nobody trades at is back after {told(e.pairs[LITERAL.key]['hold'])}; with a "
        f"persistence of {PERSISTENCE:g} after {told(main['hold'])}; the law alone needs {by_law}, "
        f"{'within' if by_law <= STEPS.value else 'beyond'} the paper's {STEPS.value:g}.\n\n"
        f"Where the factor moves the price, price-takers take {told(main['price-taking'])}, PPO that never met a shock "
        f"{told(main[UNSHOCKED])}, PPO that met one in every episode {told(main[SHOCKED])}. Whoever sells while the "
        f"price is high is paid by the reserve: because of the spike it backs "
        f"{less(main['price-taking'].drained.mean())} by the end of an episode with price-takers and "
        f"{less(main[SHOCKED].drained.mean())} with learners who know shocks.\n\n"
        f"Where the factor shifts orders, random traders take {told(orders['random'])} and holders, whose orders it "
        f"moves too, {told(orders['hold'])}{sold_again(orders['hold'])}. Price-takers, who answer with orders of their "
        f"own, take {told(orders['price-taking'])}."
    )


def sold_again(pair: Pair) -> str:
    """What becomes of tokens that a spike of orders has bought; nothing is said where it has bought too few to see."""
    back = pair.recovery.recovered[~pair.still]
    if not back.size:
        return ""
    words = "stays bought" if not back.any() else "is sold again"
    some = f" in {back.sum()} of {back.size} sessions" if back.any() and not back.all() else ""
    return f": what they have bought {words}{some}"


def less(drained: float) -> str:
    """How much less the reserve backs.

    Examples
    --------
    >>> less(0.5), less(-0.5)
    ('0.50 less', '0.50 more')
    """
    return f"{abs(drained):.2f} {'less' if drained >= 0 else 'more'}"


def told(pair: Pair) -> str:
    """Median time in words; exact in spite of censoring."""
    found, of = pair.recovery, len(pair.effect)
    middle, lost = found.quantile(), int((~found.recovered).sum())
    if pair.still.all():
        return f"0 steps, as the effect never exceeds {100 * BAND:.0f} %"
    never = f"({lost} of {of} paths never recover)" if lost else ""
    steps = "more steps than are observed" if math.isinf(middle) else f"{middle:.0f} step{'' if middle == 1 else 's'}"
    return f"{steps} {never}".rstrip()

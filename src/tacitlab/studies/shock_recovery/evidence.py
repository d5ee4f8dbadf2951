"""The runs of the study of shocks: pairs of tests with the same noise, with and without a spike of the factor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.result import Result
from tacitlab.learners import Rule, Trained
from tacitlab.learners.base import Learner
from tacitlab.markets import TokenEconomy
from tacitlab.markets.token.parts import Factors, PrivateValues, Shock
from tacitlab.measures import resilience
from tacitlab.measures.resilience import Recovery, deviation, deviation_area, recovery
from tacitlab.studies.base import Player
from tacitlab.studies.token_volatility.play import LEARNER, Floats, Played, Size, cells

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

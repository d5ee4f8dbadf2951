"""What the study of market making plays, and what its makers learned, exactly where tables exist."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import xarray as xr

from tacitlab.audits.quoting import LearnedQuotes, learned_quotes
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result, benchmarks_of
from tacitlab.markets.quoting.market import QuotingMarket
from tacitlab.report.market_tested import Tested, outcome_of
from tacitlab.studies.base import Floats, Player, by_session
from tacitlab.studies.frame import scenario
from tacitlab.theory.benchmarks import Benchmarks

PAID = {"expected": "each paid by its chance to win", "drawn": "the winner alone paid"}


@dataclass(frozen=True)
class Size:
    """How much is played: sessions and training episodes of each part.

    Attributes
    ----------
    alone, table_q, pair, request_q, request_ppo, repeated : (sessions, episodes)
        Of PPO alone, Q-learning alone, two PPO makers, dealers without memory, dealers who remember.
    fine, deep_q : (sessions, episodes) or None
        Of PPO in shorter steps and of DQN, where they are played.
    classic : (sessions, test episodes)
        Of the rules of Avellaneda and Stoikov.
    responses : int
        Sessions of two makers against which best responses are computed.
    published : bool
        Whether dealers who remember learn as slowly as in the literature.
    """

    alone: tuple[int, int]
    table_q: tuple[int, int]
    pair: tuple[int, int]
    request_q: tuple[int, int]
    request_ppo: tuple[int, int]
    repeated: tuple[int, int]
    classic: tuple[int, int]
    responses: int
    fine: tuple[int, int] | None = None
    deep_q: tuple[int, int] | None = None
    published: bool = False

    def experiment(self, name: str, size: tuple[int, int], scene: str = "", **changes: Any) -> Experiment:
        """Everybody learns alike: (sessions, episodes) of a scenario, which has the experiment's name."""
        fields = {"name": name, "sessions": size[0], "length.episodes": size[1]}
        return scenario(__file__, scene or name, fields | {f"environment.{key}": x for key, x in changes.items()})


@dataclass(frozen=True, eq=False)
class Learned:
    """Makers or dealers whose quotes depend on time and inventories alone, so that they can be judged exactly."""

    found: Tested
    table: LearnedQuotes

    @property
    def market(self) -> QuotingMarket:
        """The market of training and test."""
        return self.table.market

    @property
    def benchmarks(self) -> Benchmarks:
        """Of that market."""
        return benchmarks_of(self.market)

    @property
    def payoffs(self) -> Floats:
        """Exact mean payoff of a maker in each session, (sessions,)."""
        return np.asarray(self.table.payoffs.mean(axis=1))

    @property
    def share(self) -> Floats:
        """Exact payoff over that of the optimum, (sessions,)."""
        return self.payoffs / self.benchmarks.optimum.average

    @property
    def place(self) -> Floats:
        """Between equilibrium, 0, and joint optimum, 1: (sessions,)."""
        nash, joint = self.benchmarks.nash.average, self.benchmarks.optimum.average
        return (self.payoffs - nash) / (joint - nash)

    @cached_property
    def half_spread(self) -> Floats:
        """Mean quoted half-spread of an episode, (sessions,), exact."""
        return np.array([one.half_spread.mean() for one in self.table.records])

    @property
    def simulated(self) -> Floats:
        """Mean payoff of the test, (sessions,)."""
        return np.asarray(self.found.outcomes.mean(axis=1))


@dataclass(frozen=True, eq=False)
class Repeated:
    """Dealers who remember the last quotes: their test alone tells what they do."""

    found: Tested

    @property
    def place(self) -> Floats:
        """Of the profit between equilibrium, 0, and joint optimum, 1: (sessions,).

        From the quotes of the first episode of the test, so that who happened to win adds no noise.
        """
        market: Any = self.found.market
        quotes = self.found.data["test_half_spread_path"].transpose("session", "step", "agent").values
        profits = market.profits(quotes.astype(np.float64)).mean(axis=(1, 2))
        nash, joint = self.found.benchmarks.nash.average, self.found.benchmarks.optimum.average
        return np.asarray((profits - nash) / (joint - nash))

    @property
    def labelled(self) -> xr.DataArray:
        """The same with the numbers of the sessions."""
        return by_session(self.place, self.found.data["session"].values)


@dataclass(frozen=True, eq=False)
class Classic:
    """A rule in the market of Avellaneda and Stoikov, simulated."""

    gamma: float
    rule: str
    found: Tested

    @property
    def gain(self) -> Floats:
        """Mean gain of an episode, (sessions,)."""
        return np.asarray(self.found.outcomes[:, 0])

    @property
    def gain_sd(self) -> Floats:
        """Standard deviation over episodes, (sessions,)."""
        values = self.found.data["test_payoff"].transpose("session", "episode", "agent").values.astype(np.float64)
        return np.asarray(values[..., 0].std(axis=1, ddof=1))

    @property
    def inventory_sd(self) -> Floats:
        """Standard deviation of the last inventory over episodes, (sessions,)."""
        values = self.found.data["test_inventory_sd"].transpose("session", "step", "agent").values
        episodes = self.found.experiment.test.episodes
        return np.asarray(values[:, -1, 0].astype(np.float64) * np.sqrt(episodes / (episodes - 1)))

    @property
    def spread(self) -> Floats:
        """Mean total spread, (sessions,)."""
        values = self.found.data["test_half_spread"].transpose("session", "step", "agent").values
        return np.asarray(2 * values.astype(np.float64).mean(axis=(1, 2)))


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs.

    Attributes
    ----------
    size : Size
    alone : mapping of str to Learned
        Makers who are alone, by learner.
    pair : Learned
        Two makers under logit choice.
    exploited : (sessions, 2) array
        What a best response to the other would gain each of them, currency; of the first sessions.
    requests : mapping of str to Learned
        Two dealers without memory, by learner.
    repeated : mapping of str to Repeated
        Two dealers who remember, by how they are paid.
    classic : tuple of Classic
    """

    size: Size
    alone: Mapping[str, Learned]
    pair: Learned
    exploited: Floats
    requests: Mapping[str, Learned]
    repeated: Mapping[str, Repeated]
    classic: tuple[Classic, ...]


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""

    def learned(name: str, how_much: tuple[int, int]) -> Learned:
        return examined(play(size.experiment(name, how_much)))

    alone = {"PPO": learned("alone-ppo", size.alone), "Q-learning": learned("alone-q", size.table_q)}
    if size.fine is not None:
        alone["PPO, steps of 0.005"] = learned("fine-ppo", size.fine)
    if size.deep_q is not None:
        alone["DQN"] = learned("alone-dqn", size.deep_q)
    pair = learned("pair-ppo", size.pair)
    few = LearnedQuotes(pair.market, pair.table.quotes[: size.responses])
    requests = {"Q-learning": learned("request-q", size.request_q), "PPO": learned("request-ppo", size.request_ppo)}
    repeated = {
        fills: Repeated(outcome_of(play(size.experiment(f"repeated-{fills}", size.repeated, "repeated", fills=fills))))
        for fills in PAID
    }
    return Evidence(size, alone, pair, few.exploitability(), requests, repeated, _classic(size, play))


def examined(result: Result) -> Learned:
    """What was learned in a stored run, without the sessions that failed."""
    found, table = outcome_of(result), learned_quotes(result)
    lost = [failure.session for failure in found.failures]
    return Learned(found, LearnedQuotes(table.market, np.delete(table.quotes, lost, axis=0)))


def _classic(size: Size, play: Player) -> tuple[Classic, ...]:
    """A cell for each aversion and rule."""
    sessions, episodes = size.classic
    made = scenario(__file__, "classic", {"sessions": sessions, "test.episodes": episodes})
    result, cells = play(made), cast(list[Any], list(made.cells()))
    return tuple(
        Classic(one.market.risk_aversion, one.learners[0].rule, outcome_of(result, cell))
        for cell, one in enumerate(cells)
    )

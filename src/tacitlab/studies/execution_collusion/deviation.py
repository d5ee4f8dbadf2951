"""Do learned traders answer a deviation? One agent is forced to another schedule; the other follows what it learned.

Nothing is carried from one episode to the next, and the other agent is never seen: a trader can notice a deviation only
by the price within the episode, and answer only by what it sells in the rest of it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tacitlab.audits import execution as measures
from tacitlab.audits.execution import Floats
from tacitlab.errors import TacitError
from tacitlab.lab.result import Policies
from tacitlab.markets import Execution
from tacitlab.studies.liquidations import Runs

if TYPE_CHECKING:
    from tacitlab.learners.parts.networks import Mlp
    from tacitlab.markets.execution.market import ExecutionDynamics

EPISODES = 50  # of greedy play that a rival's answer is averaged over
OBSERVED = ("time", "inventory", "price")


@dataclass(frozen=True, eq=False)
class Answers:
    """What happens to an agent that switches to its best response, both agents in turn.

    Attributes
    ----------
    kept, answered : (runs, 2) arrays
        What the agent saves, currency: against a rival that keeps to the schedule it sells otherwise, and against the
        rival as it has learned to act.
    moved : (runs, 2) array
        Shares that the rival sells at another time because of the deviation.
    """

    kept: Floats
    answered: Floats
    moved: Floats


def answers(runs: Runs) -> Answers:
    """Force each agent to its mean schedule, then to its best response to what the rival sells meanwhile.

    The rival acts greedily. What the agent pays is linear in the rival's trades, and noise costs a fixed schedule
    nothing on average: the rival's mean trades are all that the agent's expected cost depends on. The rival's own cost
    is not linear in them, and so is not asked for.
    """
    game, rivals = runs.reference.game, Rivals.of(runs)
    own = runs.schedules.swapaxes(1, 2).reshape(-1, runs.schedules.shape[1])  # one row for each run and agent
    before = rivals.against(own)
    best = measures.best_responses(game, np.stack([own, before], axis=2))[:, :, 0]
    after = rivals.against(best)
    paid, kept, answered = (
        measures.expected_costs(game, np.stack(pair, axis=2))[:, 0]
        for pair in ((own, before), (best, before), (best, after))
    )
    moved = np.abs(after - before).sum(axis=1) / 2
    return Answers(*(values.reshape(-1, 2) for values in (paid - kept, paid - answered, moved)))


@dataclass(frozen=True, eq=False)
class Rivals:
    """The other agent's network for each run and agent: one row each.

    Attributes
    ----------
    networks : Mlp
        Arrays with a leading axis of rows.
    market : Execution
        The one that is tested.
    seed : int
        Of the noise, which is the same for all schedules.
    """

    networks: "Mlp"
    market: Execution
    seed: int

    @classmethod
    def of(cls, runs: Runs) -> "Rivals":
        """The networks that the runs ended with.

        Raises
        ------
        TacitError
            If the market or the learner is not of the paper's kind.
        """
        played = runs.result.experiment
        market: Any = played.test_market()
        learner: Any = played.learners[0]
        plain = market.trades == "whole" and market.features == "triangle" and not market.buying and market.assets == 1
        if market.observes != OBSERVED or not plain or learner.action != "input" or len(played.learners) > 1:
            raise TacitError("environment, learners: deviations are known for the paper's market and network only")
        return cls(_networks(runs.result.policy_reader(0), runs.numbers), market, played.seed)

    @cached_property
    def dynamics(self) -> "ExecutionDynamics":
        """The market in motion."""
        return self.market.dynamics()

    def against(self, schedules: Floats) -> Floats:
        """What they sell on average, (rows, steps), while the agent follows these schedules (rows, steps)."""
        market, (rows, steps) = self.market, schedules.shape
        shape = rows, EPISODES
        rng, held = np.random.default_rng(self.seed), np.full(shape, float(market.largest))
        noise, sold = np.zeros(shape), np.zeros((*shape, steps))
        for step in range(steps):
            total = sold + schedules[:, None, :]
            price = market.price + noise - total @ market.impact().mid[step]
            trade = held if step == steps - 1 else self.greedy(step, held, price)
            held, sold[:, :, step] = held - trade, trade
            noise = noise + market.volatility * np.sqrt(market.tau) * rng.standard_normal(shape)
        return np.asarray(sold.mean(axis=1))

    def greedy(self, step: int, held: Floats, price: Floats) -> Floats:
        """What they sell, (rows, episodes), when they hold so much and see this price."""
        from tacitlab.learners.parts.search import greedy

        seen = np.stack([np.full(held.shape, float(step)), held, price], axis=-1).astype(np.float32)
        return np.asarray(greedy(self.dynamics, self.networks, seen), dtype=np.float64)[..., 0]


def _networks(stored: Policies, sessions: Any) -> "Mlp":
    """Those of the other agent of each session and agent, rows first."""
    from tacitlab.learners.parts.networks import Layer, Mlp

    def layer(name: str) -> Layer:
        parts = (np.asarray(stored[f"{name}.{part}"])[sessions][:, ::-1] for part in ("weight", "bias"))
        return Layer(*(x.reshape(-1, *x.shape[2:]) for x in parts))

    names = {name.rpartition(".")[0] for name in stored}
    embedding = next((name for name in names if name.endswith("embedding")), None)
    layers = sorted(names - {embedding}, key=lambda name: int(name.rpartition(".")[2]))
    return Mlp(layer(embedding) if embedding else None, tuple(map(layer, layers)))

"""Do learned traders answer a deviation? One agent is forced to another schedule; the other follows what it learned.

Nothing is carried from one episode to the next, and the other agent is never seen: a trader can notice a deviation only
by the price within the episode, and answer only by what it sells in the rest of it.

The stored networks are evaluated here in plain NumPy, for the paper's market: a stored study is read without the
engine, and a test holds this second implementation against the first.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tacit.errors import TacitError
from tacit.lab.result import Policies
from tacit.markets import Execution
from tacit.measures import execution as measures
from tacit.measures.execution import Floats
from tacit.studies.execution_evidence import Runs

EPISODES = 50  # of greedy play that a rival's answer is averaged over
SLOPE = 0.01  # of the leaky rectifier below zero
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
    harm : (runs, 2) array
        What the deviation costs the rival, currency.
    """

    kept: Floats
    answered: Floats
    moved: Floats
    harm: Floats


def answers(runs: Runs) -> Answers:
    """Force each agent to its mean schedule, then to its best response to what the rival sells meanwhile.

    The rival acts greedily. Costs are those that are expected of the two schedules: an agent whose schedule is fixed
    cannot profit from noise.
    """
    game, rivals = runs.reference.game, Rivals.of(runs)
    own = runs.schedules.swapaxes(1, 2).reshape(-1, runs.schedules.shape[1])  # one row for each run and agent
    before = rivals.against(own)
    best = measures.best_responses(game, np.stack([own, before], axis=2))[:, :, 0]
    after = rivals.against(best)
    costs = [
        measures.expected_costs(game, np.stack(pair, axis=2)) for pair in ((own, before), (best, before), (best, after))
    ]
    moved = np.abs(after - before).sum(axis=1) / 2
    found = (costs[0] - costs[1])[:, 0], (costs[0] - costs[2])[:, 0], moved, (costs[2] - costs[0])[:, 1]
    return Answers(*(values.reshape(-1, 2) for values in found))


@dataclass(frozen=True, eq=False)
class Rivals:
    """The other agent's network for each run and agent: one row each.

    Attributes
    ----------
    layers : tuple of (weights, biases)
        (rows, outputs, inputs) and (rows, outputs); the first may be an embedding, without a rectifier behind it.
    embedding : bool
    market : Execution
        The one that is tested.
    seed : int
        Of the noise, which is the same for all schedules.
    """

    layers: tuple[tuple[Floats, Floats], ...]
    embedding: bool
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
        layers = _layers(runs.result.policy_reader(0), runs.numbers)
        return cls(layers, learner.network.embedding, market, played.seed)

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
        """The whole number of shares with the largest value, the first of equals: (rows, episodes)."""
        shares = np.arange(int(self.market.largest) + 1, dtype=np.float64)
        inputs = features(self.market, step, held[..., None], shares, price[..., None])
        values = self._values(inputs.swapaxes(2, 3))
        return np.where(shares <= np.floor(held)[..., None], values, -np.inf).argmax(axis=-1).astype(np.float64)

    def _values(self, x: Floats) -> Floats:
        """Values (rows, episodes, candidates) of inputs (rows, episodes, 4, candidates)."""
        last = len(self.layers) - 1
        for place, (weights, biases) in enumerate(self.layers):
            x = weights[:, None] @ x + biases[:, None, :, None]  # many small products: threads would only wait
            if place < last and not (self.embedding and place == 0):
                x = np.maximum(x, SLOPE * x)
        return x[:, :, 0]


def features(market: Execution, step: int, held: Floats, shares: Floats, price: Floats) -> Floats:
    """Inputs of the network, (..., 4): the triangle of inventory and trade stretched to a square, time and price."""
    most, half = market.largest + 1, max(market.steps - 1, 1) / 2
    left, sold = 1 - held / most, shares / most
    stretch = np.abs(left + sold) / np.maximum(left, sold)
    reach = float(np.max(market.permanent)) * float(np.abs(market.inventories).sum())
    low, high = market.price_range or (market.price - reach, market.price + reach)
    seen = np.clip(2 * (price - low) / (high - low) - 1, -1, 1)
    parts = (step - half) / half, 1 - 2 * stretch * left, 2 * stretch * sold - 1, seen
    return np.stack(np.broadcast_arrays(*parts), axis=-1).astype(np.float32)


def _layers(stored: Policies, sessions: Any) -> tuple[tuple[Floats, Floats], ...]:
    """Weights and biases, layer by layer, of the other agent of each session and agent."""
    names = [name.removesuffix(".weight") for name in stored if name.endswith(".weight")]
    names.sort(key=lambda name: (not name.endswith("embedding"), len(name), name))
    found = []
    for name in names:
        pair = (np.asarray(stored[f"{name}.{part}"])[sessions][:, ::-1] for part in ("weight", "bias"))
        weights, biases = (x.reshape(-1, *x.shape[2:]) for x in pair)
        found.append((weights, biases))
    return tuple(found)

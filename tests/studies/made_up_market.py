"""Runs in the resource market as the engine would leave them, of orders and gains that are made up."""

import zlib
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import xarray as xr

from tacitlab.audits.trading import Exploitability


def moments(orders, changes, alpha=0.01):
    """What a run keeps of a test: orders (sessions, episodes, steps, agents), changes (sessions, episodes, steps)."""
    buyers, sellers, n = (orders > 0).sum(-1), (orders < 0).sum(-1), orders.shape[-1]
    pairs = n * (n - 1) / 2
    shared = {
        "price": 100 * np.exp(np.cumsum(changes, axis=2)), "change": changes, "change_square": changes**2,
        "impact_square": (alpha * orders.sum(-1)) ** 2,
        "sync": (buyers * (buyers - 1) + sellers * (sellers - 1)) / 2 / pairs, "offset": buyers * sellers / pairs,
        "both": (buyers + sellers) * (buyers + sellers - 1) / 2 / pairs, "turnover": (buyers + sellers) / n,
    }  # fmt: skip
    data = {}
    for name, values in {**shared, "trade": orders}.items():
        dims = ("session", "step", "agent")[: values.ndim - 1]
        for suffix, found in (("", values.mean(1)), ("_sd", values.std(1)), ("_path", values[:, 0])):
            data[f"test_{name}{suffix}"] = (dims, found)
    return data


def fake(experiment, gain=None, orders=None, changes=None):
    """A result as the engine would leave it, of orders at random; ``gain`` by episode and agent is noise otherwise."""
    market, sessions = experiment.test_market(), experiment.sessions
    n, episodes, windows = market.n_players, experiment.test.episodes, 10
    rng = np.random.default_rng(zlib.crc32(experiment.name.encode()))
    if orders is None:
        orders = rng.integers(-1, 2, (sessions, episodes, market.horizon, n))
    if changes is None:
        changes = 0.01 * np.random.default_rng(1).normal(size=orders.shape[:3]) + 0.01 * orders.sum(-1)
    data = moments(orders, changes)
    luck = np.random.default_rng(2).normal(size=(sessions, episodes, 1))
    gains = 5 + luck + 0.1 * rng.normal(size=(sessions, episodes, n)) if gain is None else gain
    data["test_payoff"] = (("session", "episode", "agent"), gains)
    data["payoff"] = (("session", "time", "agent"), rng.normal(size=(sessions, windows, n)))
    sync, offset = rng.uniform(0.1, 0.3, (2, sessions, windows))
    for name, share in (("sync", sync), ("offset", offset), ("both", sync + offset)):
        data[f"learning_{name}"] = (("session", "time"), share)
    found = xr.Dataset(data, coords={"time": 2.0 * np.arange(1, windows + 1)})
    return SimpleNamespace(experiment=experiment, data=found, folder=f"runs/{experiment.name}")


@dataclass(frozen=True)
class World:
    """What happens wherever somebody trades: by who it is, or by the market and who it is, else by default.

    Attributes
    ----------
    gain, scale : mapping of str to float
        In an episode of the test; how much larger all gains are in a market.
    windows : mapping of str to sequence of float
        Gains while learning begins, where it is two tenths done, and at its end.
    active, noise : mapping of str to float
        How often an agent trades; how much prices move without orders, as a multiple of 0.01.
    lean : mapping of str to float
        How often the second agent does what the first does (or, below 0, the opposite).
    apart : float
        Standard deviation of gains over sessions, as a part of their level.
    memory : float
        Of prices: by how much of it a move is taken back in the next step.
    lost : tuple of float
        What a best responder gains, what it and a spoofer take from the other.
    """

    gain: dict
    windows: dict
    active: dict = field(default_factory=dict)
    noise: dict = field(default_factory=dict)
    lean: dict = field(default_factory=dict)
    scale: dict = field(default_factory=dict)
    apart: float = 0.05
    memory: float = 0.0
    lost: tuple = (3.0, 1.0, 2.0)

    def played(self, experiment):
        """A run of an experiment."""
        market, sessions = experiment.test_market(), experiment.sessions
        n, episodes = market.n_players, experiment.test.episodes
        rng = np.random.default_rng(zlib.crc32(experiment.name.encode()))
        shape = (sessions, episodes, market.horizon)

        def of(what, default):
            """By what of the run's name comes last: "random" of "literal-random"."""
            name = f"-{experiment.name}-"
            ends = {(name.rfind(f"-{key}-") + len(key), len(key)): key for key in what if f"-{key}-" in name}
            return what[ends[max(ends)]] if ends else default

        active, lean = of(self.active, 0.6), of(self.lean, 0.0)
        orders = np.sign(rng.uniform(-0.9, 1.1, (*shape, n))) * (rng.uniform(size=(*shape, n)) < active)
        same = rng.uniform(size=shape) < abs(lean)
        orders[..., 1] = np.where(same, np.sign(lean) * orders[..., 0], orders[..., 1])
        noise = np.random.default_rng(1).normal(size=(*shape[:2], shape[2] + 1))
        moved = 0.01 * of(self.noise, 1.0) * (noise[..., 1:] - self.memory * noise[..., :-1])
        result = fake(experiment, orders=orders, changes=moved + 0.001 * orders.sum(-1))
        luck = np.random.default_rng(2).normal(size=(sessions, episodes, 1))
        scale = of(self.scale, 1.0)
        level = scale * of(self.gain, 20.0) * rng.uniform(0.97, 1.03)
        around = rng.normal(size=(sessions, 1, 1))
        own = level * self.apart * (around - around.mean()) + 0.1 * rng.normal(size=(sessions, episodes, n))
        result.data["test_payoff"] = (("session", "episode", "agent"), level + luck + own)
        ways = np.interp(np.linspace(0, 1, 10), [0.0, 0.25, 1.0], scale * np.array(of(self.windows, (15, 60, 90))))
        spread = 1 + self.apart * rng.normal(size=(sessions, 1, 1)) + 0.01 * rng.normal(size=(sessions, 10, n))
        result.data["payoff"] = (("session", "time", "agent"), ways[:, None] * spread)
        return result

    def exploited(self, result, sessions):
        """What dynamic programming would find of it."""
        rng = np.random.default_rng(zlib.crc32(result.experiment.name.encode()))
        values = rng.uniform(4, 6, (sessions, 2))
        best, suffered, spoofed = (lost * rng.uniform(0.9, 1.1, (sessions, 2)) for lost in self.lost)
        return Exploitability(values, values + best, values - suffered, values - spoofed)


def optimum(market):
    """In place of dynamic programming, which takes seconds for each: one number for each cost of holding."""
    known = () if market.highest is None else (SimpleNamespace(average=210 - 9e4 * market.holding_penalty),)
    return SimpleNamespace(cooperative=known)

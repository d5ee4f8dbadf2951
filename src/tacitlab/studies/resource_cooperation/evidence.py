"""What the runs of the resource market say: gains, volatility and coordination by session, beside the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from tacitlab.audits.trading import Exploitability
from tacitlab.lab.result import Result, benchmarks_of
from tacitlab.markets import ResourceMarket
from tacitlab.measures.coordination import Floats, PairShares
from tacitlab.studies.resource_cooperation.settings import CAPPED, CAPPED_POST, CASH10K, SOUND, Setting


@dataclass(frozen=True, eq=False)
class Played:
    """An experiment and what its traders, without adversaries and noise traders, did in it."""

    result: Result

    @property
    def data(self) -> xr.Dataset:
        return self.result.data

    @property
    def market(self) -> ResourceMarket:
        """The market of the test."""
        found: Any = self.result.experiment.test_market()
        return found  # type: ignore[no-any-return]

    # --- the test, with frozen policies ---------------------------------------------------------------------------

    @property
    def episodes(self) -> Floats:
        """Gains of the test, (sessions, episodes, traders)."""
        found = self.data["test_payoff"].transpose("session", "episode", "agent").values.astype(np.float64)
        return np.asarray(found[..., : self.market.traders])

    @property
    def gain(self) -> Floats:
        """Mean gain of a trader in an episode of the test, (sessions,)."""
        return np.asarray(self.episodes.mean(axis=(1, 2)))

    def mean(self, name: str) -> Floats:
        """Mean of a shared quantity over steps and episodes of the test, (sessions,)."""
        return np.asarray(self.data[f"test_{name}"].astype(np.float64).mean("step").values)

    @property
    def volatility(self) -> Floats:
        """Standard deviation of one-step returns over steps and episodes, (sessions,)."""
        return np.sqrt(np.maximum(self.mean("change_square") - self.mean("change") ** 2, 0.0))

    @property
    def excess(self) -> Floats:
        """What net orders add, ``alpha sqrt(E net^2)``, (sessions,): see ``measures.volatility.excess_volatility``."""
        return np.sqrt(self.mean("impact_square"))

    @property
    def turnover(self) -> Floats:
        """Lots that an agent trades in a step, (sessions,)."""
        return self.mean("turnover")

    @property
    def pairs(self) -> PairShares:
        """Synchronous and offsetting trades of the test."""
        return PairShares(self.mean("sync"), self.mean("offset"))

    def path(self, name: str) -> Floats:
        """A quantity in the first episode of the test: (sessions, steps), of traders (sessions, steps, traders)."""
        found = self.data[f"test_{name}_path"]
        if "agent" in found.dims:
            found = found.transpose("session", "step", "agent")[..., : self.market.traders]
        return np.asarray(found.values, dtype=np.float64)

    @property
    def autocorrelation(self) -> Floats:
        """Of one-step returns in the first episode of the test, lag 1, (sessions,); NaN where prices never move."""
        moved = self.path("change")
        moved = moved - moved.mean(axis=1, keepdims=True)
        square = (moved**2).sum(axis=1)
        return np.asarray((moved[:, 1:] * moved[:, :-1]).sum(axis=1) / np.where(square > 0, square, np.nan))

    # --- while learning -------------------------------------------------------------------------------------------

    @property
    def time(self) -> Floats:
        """Episodes at which windows of learning end."""
        return np.asarray(self.data["time"].values, dtype=np.float64)

    @property
    def curve(self) -> Floats:
        """Mean gain of a trader in each window of learning, (sessions, windows)."""
        found = self.data["payoff"].transpose("session", "time", "agent").values.astype(np.float64)
        return np.asarray(found[..., : self.market.traders].mean(axis=2))

    def learning(self, name: str) -> Floats:
        """Mean of a shared quantity in each window of learning, (sessions, windows)."""
        return np.asarray(self.data[f"learning_{name}"].transpose("session", "time").values, dtype=np.float64)

    def between(self, first: float, last: float, curve: Floats | None = None) -> Floats:
        """Mean over the windows from one part of the training to another, (sessions,): 0 its beginning, 1 its end."""
        values, share = self.curve if curve is None else curve, self.time / self.time[-1]
        return np.asarray(values[:, (share > first + 1e-9) & (share <= last + 1e-9)].mean(axis=1))

    @property
    def closing(self) -> Floats:
        """Mean gain of a trader in the last tenth of the training, (sessions,)."""
        return self.between(0.9, 1.0)


def conditional(played: Played) -> tuple[Floats, Floats]:
    """Trades of two agents beside what their habits at each time of an episode would give if they were independent.

    Returns
    -------
    correlation : (sessions,) array
        Between their orders, conditional on time: ``measures.coordination.trade_correlation`` over all episodes of
        the test, from the moments that are kept of them.
    chance : (sessions,) array
        Share of offsetting trades among steps in which both trade, if they were independent at each time.
    """
    lot = played.market.quantity
    first, square = (
        played.data[name].transpose("session", "step", "agent").values.astype(np.float64) / lot
        for name in ("test_trade", "test_trade_sd")
    )
    sync, offset = (played.data[f"test_{name}"].values.astype(np.float64) for name in ("sync", "offset"))
    product = (sync - offset - first.prod(axis=2)).mean(axis=1)
    spread = np.sqrt((square**2).mean(axis=1).prod(axis=1))
    correlation = product / np.where(spread > 0, spread, np.nan)
    trades = square**2 + first**2  # share of episodes in which an agent trades
    buys, sells = (trades + first) / 2, (trades - first) / 2
    both = trades.prod(axis=2).mean(axis=1)
    opposed = (buys[..., 0] * sells[..., 1] + sells[..., 0] * buys[..., 1]).mean(axis=1)
    return np.asarray(correlation), np.asarray(opposed / np.where(both > 0, both, np.nan))


def steadied(episodes: Floats, luck: Floats) -> Floats:
    """Means over the episodes of a session, (sessions,), without the part that is luck: a control variate.

    Parameters
    ----------
    episodes : (sessions, episodes) array
    luck : (sessions, episodes) array
        Of the same noise, with an expectation of 0: gains of those who hold. What of ``episodes`` moves with it, by
        least squares over all episodes, is taken off.

    Examples
    --------
    >>> luck = np.array([[1.0, -1.0, 2.0], [0.5, 1.5, -2.0]])
    >>> steadied(3 + 2 * luck, luck)
    array([3., 3.])
    """
    deviation = luck - luck.mean()
    square = float((deviation**2).sum())
    slope = float((deviation * episodes).sum()) / square if square > 0 else 0.0
    return np.asarray((episodes - slope * luck).mean(axis=1))


@dataclass(frozen=True, eq=False)
class Arena:
    """A market with those who learned in it and those who did not.

    Attributes
    ----------
    setting : Setting
    learned : Played
    baselines : mapping of str to Played
        The rules, ``volume-matched`` and, where it was played, ``myopic``, by name.
    constant : Played or None
        Learners who explore at a constant rate.
    """

    setting: Setting
    learned: Played
    baselines: Mapping[str, Played]
    constant: Played | None = None

    @cached_property
    def optimum(self) -> float | None:
        """Gain of an agent in the joint optimum, where it is known exactly."""
        known = benchmarks_of(self.setting.environment).cooperative
        return float(known[0].average) if known else None

    def gain(self, name: str = "Q-learners") -> Floats:
        """Gain of a trader in the test, (sessions,), the luck of the noise taken off where holding is worth 0."""
        played = self.everybody[name]
        return played.gain if self.costly else self.without_luck(played.episodes.mean(axis=2))

    @property
    def costly(self) -> bool:
        """Whether it costs to hold: the expected gain of those who hold is then not 0."""
        return self.setting.environment.holding_penalty > 0

    def without_luck(self, episodes: Floats) -> Floats:
        """The same for gains (sessions, episodes) of anyone in the market, of the first sessions."""
        return steadied(episodes, self.baselines["hold"].episodes.mean(axis=2)[: len(episodes)])

    @property
    def everybody(self) -> dict[str, Played]:
        """Learners, then all others."""
        return {"Q-learners": self.learned, **self.baselines}


@dataclass(frozen=True, eq=False)
class Talk:
    """Learners with a kind of signals: tested as they learned, and with signals scrambled on their way."""

    setting: Setting
    true: Played
    scrambled: Played | None


@dataclass(frozen=True, eq=False)
class Attack:
    """Learners of a market under adversaries: exact numbers, and what a simulation gives in their place."""

    arena: Arena
    exact: Exploitability
    simulated: Mapping[str, Played]  # by role of the adversary
    noisy: Mapping[tuple[str, int], Played]  # learned or holding pair, and number of noise traders


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of all experiments.

    Attributes
    ----------
    arenas : mapping of str to Arena
        By the key of their setting: markets of the paper.
    sold : Played
        Learners of the literal market, whose inventories are sold in the end.
    talks : tuple of Talk
    crowds : mapping of (int, str) to Arena
        Number of traders and scaling of the impact.
    gains : tuple of Arena
        Markets with gains from trade.
    attacks : tuple of Attack
    lone : mapping of str to Played
        A contrarian whose rival holds, by the key of the setting.
    """

    arenas: Mapping[str, Arena]
    sold: Played
    talks: tuple[Talk, ...]
    crowds: Mapping[tuple[int, str], Arena]
    gains: tuple[Arena, ...]
    attacks: tuple[Attack, ...]
    lone: Mapping[str, Played]

    @property
    def main(self) -> tuple[Arena, ...]:
        """The literal market, the same with limited inventories, and the sound one."""
        return tuple(self.arenas[setting.key] for setting in (CASH10K, CAPPED, SOUND))

    @property
    def post(self) -> Arena | None:
        """The market of the crowds with two traders, where it was played."""
        return self.arenas.get(CAPPED_POST.key)

    @property
    def pairs(self) -> tuple[Arena, ...]:
        """The main markets, and that with fills after impact."""
        return self.main if self.post is None else (*self.main, self.post)

"""Plays the experiments in the resource market: which markets, who trades, and what they did by session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from tacitlab.audits.trading import Exploitability, exploitability
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result, benchmarks_of
from tacitlab.learners import BestResponse, Rule, Trained
from tacitlab.learners.base import Learner
from tacitlab.markets import ResourceMarket
from tacitlab.measures.coordination import Floats, PairShares
from tacitlab.studies.base import ROUNDING, Player
from tacitlab.studies.frame import scenario

# --- markets -------------------------------------------------------------------------------------------------------


class Setting(NamedTuple):
    """A reading of the paper: which market is played."""

    key: str
    words: str
    market: Mapping[str, Any]

    def but(self, key: str, words: str, **market: Any) -> "Setting":
        """The same with a difference."""
        return Setting(f"{self.key}-{key}", f"{self.words}, {words}", {**self.market, **market})

    @property
    def environment(self) -> ResourceMarket:
        """The market that is trained in."""
        return ResourceMarket(**self.market)


LITERAL: dict[str, Any] = {"execution": "pre", "law": "linear", "valuation": "mark-to-market"}
CASH: dict[str, Any] = {"highest": None, "cash": 10_000.0, "inventory": 0, "levels": (18, 37)}
NO_SIGNALS: dict[str, Any] = {"signals": "none", "observes": ("trend", "level")}
GAINS: dict[str, Any] = {
    **LITERAL, **NO_SIGNALS, "execution": "post", "shock": 0.2, "volatility": 0.002, "lowest": -5, "highest": 5,
    "inventory": 0, "levels": (0, 1),
}  # fmt: skip
CASH10K = Setting("literal", "literal market", {**LITERAL, **CASH})
CAPPED = Setting("capped", "capped market", LITERAL)
CAPPED_POST = Setting("capped-post", "capped market, fills after impact", {**LITERAL, "execution": "post"})
SOUND = Setting("sound", "sound market", {})
MAIN = (CASH10K, CAPPED, SOUND)
LIQUIDATED = CASH10K.but("liquidated", "inventory sold at the end", valuation="final-liquidation")
STRONGER = CASH10K.but("0118", "impact 0.0118", impact=0.0118)
TRADING = Setting("gains", "gains from trade", GAINS)
SCALINGS = {"fixed": "fixed impact", "per-agent": "impact over N"}

RULES = ("hold", "random", "trend-follower", "buy-to-limit", "contrarian")
EXPLORING = 0.1  # the constant rate, as a schedule, too: compiled only once
STEADY = {"exploration": {"kind": "schedule", "points": [[0, EXPLORING], [300_000, EXPLORING]], "between": "linear"}}
NOISE = (2, 8)  # noise traders beside a pair, who trade at random in half of all steps
PENALTIES = (0.002, 0.0005)  # cost of holding, kappa
QUIET = 0.001  # volatility at which impact can be heard


#: Parameters of Q-learners that differ from those of the scenario, or others, who do not learn.
Who = Mapping[str, Any] | Sequence[Learner] | None

# --- experiments -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    sessions : int
        Of every experiment with two traders.
    exact_sessions : int
        Of them, those whose exploitability is computed.
    scale_sessions : int
        Of the experiments with many traders.
    agents : tuple of int
        Numbers of traders, besides two.
    everything : bool
        Whether variations are played in all markets; otherwise most of them in one, and some not at all.
    episodes, test_episodes : int
    steps : int or None
        Of an episode, where it is not that of the paper.
    """

    sessions: int
    exact_sessions: int
    scale_sessions: int
    agents: tuple[int, ...]
    everything: bool = True
    episodes: int = 500
    test_episodes: int = 100
    steps: int | None = None

    def experiment(
        self,
        setting: Setting,
        name: str = "",
        who: Who = None,
        *,
        sessions: int | None = None,
        test: Mapping[str, Any] | None = None,
        **market: Any,
    ) -> Experiment:
        """Q-learners but for some parameters; or others, who do not learn and play one episode before the test."""
        length = {} if self.steps is None else {"steps": self.steps}
        if who is None or isinstance(who, Mapping):
            played = {f"learners.{key}": value for key, value in (who or {}).items()}
            played["length.episodes"] = self.episodes
        else:
            played = {"learners": who, "length.episodes": 1}
        return scenario(__file__, "q-learners", {
            "name": "-".join(part for part in (setting.key, name) if part),
            "environment": ResourceMarket(**{**setting.market, **length, **market}), **played,
            "sessions": sessions or self.sessions,
            "test.episodes": self.test_episodes, "test.environment": test or {},
        })  # fmt: skip

    def ruled(self, setting: Setting, rule: str, name: str = "", rate: float = 1.0, **other: Any) -> Experiment:
        """Traders who follow a rule."""
        return self.experiment(setting, name or rule, [Rule(rule=rule, rate=rate)], **other)


SIZES = {
    "quick": Size(sessions=12, exact_sessions=5, scale_sessions=5, agents=(100,), everything=False),
    "paper": Size(sessions=100, exact_sessions=20, scale_sessions=8, agents=(10, 50, 100, 200)),
}

# --- what was played -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Played:
    """An experiment and what its traders, without adversaries and noise traders, did in it."""

    result: Result

    @property
    def data(self) -> xr.Dataset:
        return self.result.data

    @property
    def folder(self) -> str:
        """Of the run, whose policies others may play."""
        return str(self.result.folder)

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
    found = (episodes - slope * luck).mean(axis=1)
    return np.where(np.abs(found) <= ROUNDING * np.abs(episodes).max(), 0.0, found)  # of those who hold nothing is left


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
    def explored(self) -> float:
        """Episode from which exploration falls no more."""
        learner: Any = self.learned.result.experiment.learners[0]
        return float(learner.exploration.points[-1][0] / self.setting.environment.steps)

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
        return tuple(self.arenas[setting.key] for setting in MAIN)

    @property
    def post(self) -> Arena | None:
        """The market of the crowds with two traders, where it was played."""
        return self.arenas.get(CAPPED_POST.key)

    @property
    def pairs(self) -> tuple[Arena, ...]:
        """The main markets, and that with fills after impact."""
        return self.main if self.post is None else (*self.main, self.post)


# --- all of it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """Plays what a size asks for."""

    size: Size
    play: Player

    def of(self, setting: Setting, name: str = "", who: Who = None, **more: Any) -> Played:
        return Played(self.play(self.size.experiment(setting, name, who, **more)))

    def ruled(self, setting: Setting, rule: str, name: str = "", **more: Any) -> Played:
        return Played(self.play(self.size.ruled(setting, rule, name, **more)))

    def arena(
        self, setting: Setting, rules: tuple[str, ...] = RULES, who: Who = None, *, more: bool = False,
        sessions: int | None = None,
    ) -> Arena:  # fmt: skip
        """Learners and baselines; with ``more`` also constant exploration, and myopic learners if all is played."""
        learned = self.of(setting, who=who, sessions=sessions)
        found = {rule: self.ruled(setting, rule, sessions=sessions) for rule in rules}
        if "random" in found:
            wanted = float(learned.turnover.mean()) / float(found["random"].turnover.mean())
            rate = min(1.0, round(wanted, 4))
            found["volume-matched"] = self.ruled(setting, "random", "volume-matched", rate=rate, sessions=sessions)
        if more and self.size.everything:
            found["myopic"] = self.of(setting, "myopic", {"gamma": 0.0})
        return Arena(setting, learned, found, self.of(setting, "constant", STEADY) if more else None)

    def talk(self, setting: Setting, learned: Played | None = None) -> Talk:
        """Learners, and the same with scrambled signals."""
        true = learned or self.of(setting)
        if setting.market.get("signals") == "none":
            return Talk(setting, true, None)
        return Talk(setting, true, self.of(setting, "scrambled", [Trained(run=true.folder)], scrambled=True))

    def attack(self, arena: Arena, noise: tuple[int, ...], *, simulate: bool) -> Attack:
        """Adversaries and noise traders beside learners; programs are computed anew where they are simulated."""
        setting, run = arena.setting, arena.learned.folder
        noisy = {}
        for count in noise:
            for name, pair in (("learned", Trained(run=run, agents=2)), ("hold", Rule(rule="hold", agents=2))):
                both = [pair, Rule(rule="random", rate=0.5)]
                noisy[name, count] = self.of(setting, f"{name}-noise-{count}", both, noise_traders=count)
        simulated = {
            role: self.of(
                setting, role, [Trained(run=run, agents=1), BestResponse(run=run)], traders=1, **{f"{role}s": 1}
            )
            for role in (("responder", "spoofer") if simulate else ())
        }
        return Attack(arena, exploitability(arena.learned.result, self.size.exact_sessions), simulated, noisy)


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    stage = Stage(size, play)
    arenas = {s.key: stage.arena(s, more=True) for s in MAIN}
    arenas[STRONGER.key] = stage.arena(STRONGER)
    if size.everything:
        arenas |= {s.key: stage.arena(s) for s in (LIQUIDATED, CAPPED_POST)}
    literal = [Trained(run=arenas[CASH10K.key].learned.folder)]
    sold = stage.of(CASH10K, "sold", literal, test={"valuation": "final-liquidation"})
    pair = [Rule(rule="hold", agents=1), Rule(rule="contrarian", agents=1)]
    lone = {s.key: stage.of(s, "contrarian-alone", pair) for s in (MAIN if size.everything else ())}
    talks, crowds, gains = _talks(stage, arenas), _crowds(stage), _gains(stage)
    attacked, noise = ((CAPPED, SOUND, CAPPED_POST), NOISE) if size.everything else ((CAPPED, SOUND), ())
    attacks = [stage.attack(arenas[s.key], noise, simulate=size.everything and s is SOUND) for s in attacked]
    return Evidence(arenas, sold, talks, crowds, gains, tuple(attacks), lone)


def _talks(stage: Stage, arenas: Mapping[str, Arena]) -> tuple[Talk, ...]:
    """Explicit signals as in the main markets, implicit ones and none, and explicit ones with less noise."""
    everything = stage.size.everything
    found = [stage.talk(s, arenas[s.key].learned) for s in (MAIN if everything else (CAPPED,))]
    for setting in (CAPPED, SOUND, CASH10K) if everything else (CAPPED,):
        found.append(stage.talk(setting.but("implicit", "implicit signals", signals="implicit")))
        if everything:
            found.append(stage.talk(setting.but("none", "no signals", **NO_SIGNALS)))
    for setting in (CAPPED, CASH10K) if everything else (CAPPED,):
        for volatility in (QUIET, 0.0):
            found.append(stage.talk(setting.but(f"{volatility:g}", f"σ = {volatility:g}", volatility=volatility)))
    return tuple(found)


def _crowds(stage: Stage) -> dict[tuple[int, str], Arena]:
    found = {}
    for agents in stage.size.agents:
        for scaling, words in SCALINGS.items():
            more = {"traders": agents, "impact_scaling": scaling}
            setting = CAPPED_POST.but(f"{agents}-{scaling}", f"N = {agents}, {words}", **more)
            rules = ("hold", "random", "buy-to-limit")
            found[agents, scaling] = stage.arena(setting, rules, sessions=stage.size.scale_sessions)
    return found


def _gains(stage: Stage) -> tuple[Arena, ...]:
    kinds: dict[str, dict[str, Any]] = {"no": {}}
    if stage.size.everything:
        seen = ("trend", "level", "signal")
        kinds |= {kind: {"signals": kind, "observes": seen} for kind in ("explicit", "implicit")}
    found = []
    for kind, market in kinds.items():
        for penalty in PENALTIES:
            words = f"{kind} signals, κ = {penalty:g}"
            setting = TRADING.but(f"{kind}-{penalty:g}", words, holding_penalty=penalty, **market)
            found.append(stage.arena(setting, ("hold", "random", "rebalance"), {"alpha": 0.05}))
    return tuple(found)

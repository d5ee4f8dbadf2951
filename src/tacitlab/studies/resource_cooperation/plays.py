"""Plays the experiments of the study of cooperation in the resource market."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tacitlab.audits.trading import exploitability
from tacitlab.lab.experiment import Experiment
from tacitlab.learners import Rule, Trained
from tacitlab.studies.base import Player
from tacitlab.studies.resource_cooperation.evidence import Arena, Attack, Evidence, Played, Talk
from tacitlab.studies.resource_cooperation.settings import (
    CAPPED,
    CAPPED_POST,
    CASH10K,
    CONSTANT,
    LEARNER,
    LIQUIDATED,
    NO_SIGNALS,
    RULES,
    SOUND,
    STRONGER,
    TRADING,
    Setting,
    Size,
)

NOISE = (2, 8)  # noise traders beside a pair
PENALTIES = (0.002, 0.0005)  # cost of holding, kappa
QUIET = 0.001  # volatility at which impact can be heard


@dataclass(frozen=True)
class Stage:
    """Plays what a size asks for."""

    size: Size
    play: Player

    def of(self, experiment: Experiment) -> Played:
        return Played(self.play(experiment))

    def arena(self, setting: Setting, rules: tuple[str, ...] = RULES, *, more: bool = False, **other: Any) -> Arena:
        """Learners and baselines; with ``more`` also constant exploration, and myopic learners if all is played."""
        size, constant = self.size, None
        learned = self.of(size.learned(setting, **other))
        found = {rule: self.of(size.ruled(setting, rule, **_short(other))) for rule in rules}
        if "random" in found:
            found["volume-matched"] = self._matched(setting, learned, found["random"], _short(other))
        if more and size.everything:
            myopic = LEARNER.model_copy(update={"gamma": 0.0})
            found["myopic"] = self.of(size.learned(setting, "myopic", myopic))
        if more:
            steady = LEARNER.model_copy(update={"exploration": CONSTANT})
            constant = self.of(size.learned(setting, "constant", steady))
        return Arena(setting, learned, found, constant)

    def _matched(self, setting: Setting, learned: Played, plain: Played, other: dict[str, Any]) -> Played:
        """Random traders with the volume of the learners."""
        wanted = float(learned.turnover.mean()) / float(plain.turnover.mean())
        return self.of(self.size.ruled(setting, "random", min(1.0, round(wanted, 4)), "volume-matched", **other))

    def talk(self, setting: Setting, learned: Played | None = None) -> Talk:
        """Learners, and the same with scrambled signals."""
        true = learned or self.of(self.size.learned(setting))
        if setting.market.get("signals") == "none":
            return Talk(setting, true, None)
        frozen = self.size.frozen(setting, str(true.result.folder), "scrambled", scrambled=True)
        return Talk(setting, true, self.of(frozen))

    def attack(self, arena: Arena, noise: tuple[int, ...], *, simulate: bool) -> Attack:
        setting, run = arena.setting, str(arena.learned.result.folder)
        noisy = {
            (name, count): self.of(self.size.disturbed(setting, traders, count, name))
            for count in noise
            for name, traders in (("learned", Trained(run=run)), ("hold", Rule(rule="hold")))
        }
        roles = ("responder", "spoofer") if simulate else ()
        simulated = {role: self.of(self.size.attacked(setting, run, role)) for role in roles}
        return Attack(arena, exploitability(arena.learned.result, self.size.exact_sessions), simulated, noisy)


def _short(other: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in other.items() if key != "learner"}


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    stage = Stage(size, play)
    arenas = {s.key: stage.arena(s, more=True) for s in (CASH10K, CAPPED, SOUND)}
    arenas[STRONGER.key] = stage.arena(STRONGER)
    if size.everything:
        arenas |= {s.key: stage.arena(s) for s in (LIQUIDATED, CAPPED_POST)}
    run = str(arenas[CASH10K.key].learned.result.folder)
    sold = stage.of(size.frozen(CASH10K, run, "sold", test={"valuation": "final-liquidation"}))
    lone = {
        s.key: stage.of(size.beside(s, Rule(rule="hold"), "contrarian", "contrarian-alone"))
        for s in ((CASH10K, CAPPED, SOUND) if size.everything else ())
    }
    return Evidence(
        arenas=arenas, sold=sold, talks=_talks(stage, arenas), crowds=_crowds(stage), gains=_gains(stage),
        attacks=_attacks(stage, arenas), lone=lone,
    )  # fmt: skip


def _attacks(stage: Stage, arenas: Mapping[str, Arena]) -> tuple[Attack, ...]:
    """Adversaries; programs for all sessions are computed anew where they are simulated, which takes long."""
    if not stage.size.everything:
        return tuple(stage.attack(arenas[s.key], (), simulate=False) for s in (CAPPED, SOUND))
    return tuple(stage.attack(arenas[s.key], NOISE, simulate=s is SOUND) for s in (CAPPED, SOUND, CAPPED_POST))


def _talks(stage: Stage, arenas: Mapping[str, Arena]) -> tuple[Talk, ...]:
    """Explicit signals as in the main markets, implicit ones and none, and explicit ones with less noise."""
    everything = stage.size.everything
    found = [
        stage.talk(arenas[s.key].setting, arenas[s.key].learned)
        for s in ((CASH10K, CAPPED, SOUND) if everything else (CAPPED,))
    ]
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
        for scaling, words in (("fixed", "fixed impact"), ("per-agent", "impact over N")):
            key = f"{agents}-{scaling}"
            setting = CAPPED_POST.but(key, f"N = {agents}, {words}", traders=agents, impact_scaling=scaling)
            rules = ("hold", "random", "buy-to-limit")
            found[agents, scaling] = stage.arena(setting, rules, sessions=stage.size.scale_sessions)
    return found


def _gains(stage: Stage) -> tuple[Arena, ...]:
    slow = LEARNER.model_copy(update={"alpha": 0.05})
    kinds: dict[str, dict[str, Any]] = {"no": {}}
    if stage.size.everything:
        seen = ("trend", "level", "signal")
        kinds |= {kind: {"signals": kind, "observes": seen} for kind in ("explicit", "implicit")}
    found = []
    for kind, market in kinds.items():
        for penalty in PENALTIES:
            words = f"{kind} signals, κ = {penalty:g}"
            setting = TRADING.but(f"{kind}-{penalty:g}", words, holding_penalty=penalty, **market)
            found.append(stage.arena(setting, ("hold", "random", "rebalance"), learner=slow))
    return tuple(found)

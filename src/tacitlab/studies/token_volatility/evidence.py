"""The runs of the study of volatility in the token economy: learners, rules and deviators on two bonding curves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from tacitlab.lab.result import Result
from tacitlab.learners import Rule, Trained
from tacitlab.markets import TokenEconomy
from tacitlab.markets.token.curves import Curve, Exponential, Linear
from tacitlab.markets.token.parts import PrivateValues
from tacitlab.measures.stability import Drift, lyapunov_drift
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Player, by_session, paired
from tacitlab.studies.token_volatility.play import LEARNER, UNTRAINED, Floats, Played, Size, cells

AGENTS = 50  # (P)
RULES = ("hold", "random", "zero-intelligence", "price-taking")
DEVIATIONS = ("price-taking", "zero-intelligence", "hold")
MATCHED, NOVICE, STEADY = "random, volume-matched", "PPO, untrained", "PPO, profit, likeliest actions"


def market(curve: Curve) -> TokenEconomy:
    """Fifty agents with private values, so that trade has a purpose."""
    return TokenEconomy(agents=AGENTS, curve=curve, utility=PrivateValues())


def tangent(curve: Curve, supply: float) -> Linear:
    """The linear curve with the same price and slope at a supply.

    Examples
    --------
    >>> line = tangent(Exponential(), 100.0)
    >>> print(round(line.price(100.0) / Exponential().price(100.0), 9), round(line.start, 9))
    1.0 0.0
    """
    rise = float(curve.slope(supply))
    return Linear(rise=rise, start=max(float(curve.price(supply)) - rise * supply, 0.0))


def curves() -> dict[str, Curve]:
    """The paper's curve, and the linear one that is the same to first order where supply begins."""
    paper = Exponential()
    return {"exponential": paper, "linear": tangent(paper, market(paper).supply)}


@dataclass(frozen=True, eq=False)
class OnCurve:
    """Everybody who traded on a curve.

    Attributes
    ----------
    rules : mapping of str to Played
        Those who do not learn, by name.
    learned : mapping of float to Played
        PPO by the weight of stability in its reward, omega.
    steady : Played
        The profit learners, who do in the test what seems best to them, without the randomness that they have kept.
    """

    rules: Mapping[str, Played]
    learned: Mapping[float, Played]
    steady: Played

    @property
    def everybody(self) -> dict[str, Played]:
        """By name, learners last."""
        return {**self.rules, **{named(omega): p for omega, p in self.learned.items()}, STEADY: self.steady}

    @property
    def profit(self) -> Played:
        """PPO that is rewarded with its own gains alone."""
        return self.learned[0.0]

    @cached_property
    def drifts(self) -> dict[str, Drift]:
        """Foster-Lyapunov drift of settled prices to their mean over all sessions, by name."""
        return {name: drift(played) for name, played in self.everybody.items() if name != "hold"}


def named(omega: float) -> str:
    """PPO with a weight of stability."""
    return f"PPO, ω = {omega:g}" if omega else "PPO, profit"


def drift(played: Played) -> Drift:
    """Of the second half of the first episode, to the mean price of all sessions and episodes."""
    half = played.market.steps // 2
    return lyapunov_drift(played.prices[:, half:], float(played.mean("price", half).mean()), resamples=1000)


@dataclass(frozen=True, eq=False)
class Deviation:
    """One agent who does otherwise while all others play what they have learned."""

    name: str
    gain: Floats  # (sessions,): what it earns more than it did with the policy that it had learned with them

    @property
    def estimate(self) -> Estimate:
        """Mean over sessions."""
        return mean_interval(self.gain)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs of the study."""

    curves: Mapping[str, OnCurve]
    deviations: tuple[Deviation, ...]
    size: Size

    @property
    def main(self) -> OnCurve:
        """On the paper's curve."""
        return self.curves["exponential"]

    @property
    def exploitability(self) -> Deviation:
        """The deviation that gains most: a lower bound on what a best response gains."""
        return max(self.deviations, key=lambda one: float(one.gain.mean()))

    @property
    def no_equilibrium(self) -> bool:
        """Whether that deviation gains for certain: the best of several is good by chance, too (Bonferroni)."""
        return mean_interval(self.exploitability.gain, 1 - 0.05 / len(self.deviations)).low > 0


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    found, first = {}, None
    for name, curve in curves().items():
        found[name], learned = _on_curve(size, play, name, market(curve))
        first = first or learned
    assert first is not None
    return Evidence(found, _deviations(size, play, first, found["exponential"].profit), size)


def _on_curve(size: Size, play: Player, name: str, economy: TokenEconomy) -> tuple[OnCurve, Result]:
    grid = {"environment.rewards.stability": size.grid}
    result = play(size.experiment(f"{name}-ppo", economy, [LEARNER], grid))
    learned = dict(zip(size.grid, cells(result), strict=True))
    rules = dict(zip(RULES, cells(play(size.ruled(f"{name}-rules", economy, RULES))), strict=True))
    volumes = paired(learned[0.0].labelled("volume"), rules["random"].labelled("volume"))
    wanted = float(np.divide(*volumes).mean())
    # Orders are as many and scaled: a rate below 1 would trade rarely, and none would trade more than random.
    scaled = economy.model_copy(update={"order_size": economy.order_size * wanted})
    rules[MATCHED] = cells(play(size.ruled(f"{name}-matched", scaled, ["random"])))[0]
    novice = LEARNER.model_copy(update={"rate": UNTRAINED})
    rules[NOVICE] = cells(play(size.experiment(f"{name}-untrained", economy, [novice])))[0]
    steady = LEARNER.model_copy(update={"deterministic_test": True})
    return OnCurve(rules, learned, cells(play(size.experiment(f"{name}-steady", economy, [steady])))[0]), result


def _deviations(size: Size, play: Player, run: Result, stayed: Played) -> tuple[Deviation, ...]:
    """The last agent tries something else, the others keep the policies of the profit learners."""
    economy, last = market(curves()["exponential"]), AGENTS - 1
    others = Trained(run=str(run.folder), agents=last)

    def earned(played: Played) -> xr.DataArray:
        return by_session(played.found.outcomes[:, last], played.sessions)

    retrained = play(size.experiment("deviate-ppo", economy, [others, LEARNER]))
    tried = {"PPO, retrained": cells(retrained)[0]}
    rules = play(
        size.experiment("deviate-rules", economy, [others, Rule(rule=DEVIATIONS[0])], {"learners.1.rule": DEVIATIONS})
    )
    tried |= dict(zip(DEVIATIONS, cells(rules), strict=True))
    return tuple(
        Deviation(name, np.subtract(*paired(earned(played), earned(stayed)))) for name, played in tried.items()
    )

"""Does PPO make prices of a token economy 30 % less volatile? Against whom, and at what cost to trade and welfare?

The paper (section 9) reports "30 % volatility reduction" for 50 agents, an exponential curve and PPO, and names no
baseline. So the reduction is given against everybody who could have been meant, with volume and welfare beside it:
those who never trade have no volatility at all. Agents have private values that change, so that trade has a purpose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import xarray as xr

from tacitlab.lab.result import Result
from tacitlab.learners import Rule, Trained
from tacitlab.markets import TokenEconomy
from tacitlab.markets.token.curves import Curve, Exponential, Linear
from tacitlab.markets.token.parts import PrivateValues
from tacitlab.measures.stability import Drift, lyapunov_drift
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, by_session, named, paired, paired_difference
from tacitlab.studies.frame import beside, compared, percent, published
from tacitlab.studies.tokens import LEARNER, SOURCE, UNTRAINED, Floats, Played, Size, cells, reduction

REDUCTION = published(__file__)["reduction (%)"]
AGENTS = 50  # (P)
RULES = ("hold", "random", "zero-intelligence", "price-taking")
DEVIATIONS = ("price-taking", "zero-intelligence", "hold")
MATCHED, NOVICE, STEADY = "random, volume-matched", "PPO, untrained", "PPO, profit, likeliest actions"
STILL = "nobody trades: reduction against anybody (%)"
SETTLED = "  settled, against "
UNNAMED = "The paper names no baseline: this is one of those that it could mean."
LOWER = "A lower bound: some agent may find a better deviation."

NOTES = (
    "Volatility is the root mean square of d ln P over all steps of an episode; settled: over its second half, when "
    "the way from the first supply to the usual one lies behind. Reductions are taken session by "
    "session: all policies meet the same private values.",
    "Volume-matched random agents order at random, their largest order scaled so that they trade as much as the "
    "profit learners do.",
    "PPO policies are tested as they act in learning, with the randomness that they have kept; the same policies are "
    "tested once more with the likeliest action alone.",
)


class TokenVolatility(Study):
    """Fifty agents with private values on an exponential and a linear curve: rules, PPO for profit, for stability."""

    name: ClassVar[str] = "token-volatility"
    question: ClassVar[str] = "does PPO make token prices 30 % less volatile, and against whom?"
    source: ClassVar[str] = SOURCE
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=5, episodes=80, test_episodes=10, grid=(0.0, 10.0)),
        "paper": Size(sessions=8, episodes=250, test_episodes=20, grid=(0.0, 1.0, 10.0, 100.0)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


# --- what is played ---------------------------------------------------------------------------------------------------


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
        return {**self.rules, **{called(omega): p for omega, p in self.learned.items()}, STEADY: self.steady}

    @property
    def profit(self) -> Played:
        """PPO that is rewarded with its own gains alone."""
        return self.learned[0.0]

    @cached_property
    def drifts(self) -> dict[str, Drift]:
        """Foster-Lyapunov drift of settled prices to their mean over all sessions, by name."""
        return {name: drift(played) for name, played in self.everybody.items() if name != "hold"}


def called(omega: float) -> str:
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


# --- claims -----------------------------------------------------------------------------------------------------------


def examine(e: Evidence) -> Finding:
    """Judge the claim by the runs of all experiments."""
    from tacitlab.studies.token_volatility.figures import sections

    claims = (*reductions(e), *costs(e), *exploitable(e))
    return Finding(answer(e, claims), claims, sections(e), NOTES)


def reductions(e: Evidence) -> tuple[Claim, ...]:
    """By how much less volatile prices are, against everybody: over whole episodes, and once prices have settled."""
    on, claims = e.main, []
    for name, ours in learners(on).items():
        for other, theirs in rivals(on).items():
            whole = reduction(ours, theirs)
            settled = reduction(ours, theirs, "settled_volatility")
            claims += [judged(f"{name}: reduction against {other} (%)", whole), judged(SETTLED + other, settled, name)]
    found = reduction(on.profit, e.curves["linear"].profit)
    claims.append(judged("exponential curve: reduction against the linear one, PPO for profit (%)", found))
    still = reduction(on.rules["hold"], on.rules["random"])
    claims.append(Claim(STILL, still, note="Stability alone is no merit."))
    return tuple(claims)


def judged(words: str, found: Estimate, who: str = "") -> Claim:
    """A reduction beside the paper's 30 %."""
    name = f"{words}, {who} (%)" if who else words
    return beside(name, found, REDUCTION, note=UNNAMED)


def learners(on: OnCurve) -> dict[str, Played]:
    """The profit learners, with and without randomness, and those who care most for stability."""
    return {**{called(omega): on.learned[omega] for omega in (0.0, max(on.learned))}, STEADY: on.steady}


def rivals(on: OnCurve) -> dict[str, Played]:
    """Against whom a reduction can be given: whoever trades and does not learn."""
    return {name: played for name, played in on.rules.items() if name != "hold"}


def costs(e: Evidence) -> tuple[Claim, ...]:
    """What a stability reward changes: volatility, volume and gains, against the profit learners."""
    on, most = e.main, max(e.main.learned)
    stable, profit = on.learned[most], on.profit
    more = paired_difference(*(played.labelled("payoff") for played in (profit, on.rules["price-taking"])))
    whole, settled = f"{called(most)}: reduction against PPO for profit (%)", f"{SETTLED}PPO for profit"
    return (
        judged(whole, reduction(stable, profit)),
        judged(settled, reduction(stable, profit, "settled_volatility"), called(most)),
        Claim("  volume less (%)", reduction(stable, profit, "volume")),
        Claim("  own gain less (%)", reduction(stable, profit, "payoff")),
        Claim("PPO, profit: own gain (currency an episode)", mean_interval(profit.payoff)),
        Claim("  more than price-taking", more),
    )


def exploitable(e: Evidence) -> tuple[Claim, ...]:
    """What a deviation gains, of what agents earn: section 7.3."""
    return tuple(
        Claim(f"PPO, profit: what one agent gains who deviates to {one.name}", one.estimate, note=LOWER)
        for one in e.deviations
    )


# --- answer -----------------------------------------------------------------------------------------------------------


def answer(e: Evidence, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    on, tested = e.main, [claim for claim in claims if claim.published is not None]
    within = sum(claim.judged() is Verdict.REPRODUCED for claim in tested)
    low, high = (end(claim.measured.mean for claim in tested) for end in (min, max))
    everybody = on.everybody
    earned, volume = ({name: f(p) for name, p in everybody.items()} for f in (lambda p: p.payoff.mean(), traded))
    best, most, still = e.exploitability, called(max(on.learned)), named(claims)[STILL].measured
    share, sure = best.gain.mean() / earned[called(0.0)], e.no_equilibrium
    both = "; ".join(f"{name}: {volume[name]:.2f} and {earned[name]:.2f}" for name in (*learners(on), *RULES[:0:-2]))
    return (
        f"{depends(within, len(tested))}: of {len(tested)} reductions that the paper could mean, {within} "
        f"{'is' if within == 1 else 'are'} {REDUCTION.value:g} % within two standard errors, and they run from "
        f"{low:.0f} % to {high:.0f} %. Against random orders {called(0.0)}, which acts with randomness, makes prices "
        f"{against(on, on.profit)}. If the same policies take their likeliest actions, prices are "
        f"{against(on, on.steady)}; {most} makes them {against(on, everybody[most])}.\n\n"
        f"{bought(on)} Tokens traded in a step, and what an agent earns in an episode: {both}. Nobody trading would be "
        f"a reduction by {still.mean:.0f} %: stability without volume and welfare beside it rewards inactivity.\n\n"
        f"{gains(e)} What they have learned is {'no' if sure else 'not shown to be no'} equilibrium: one agent who "
        f"deviates to {best.name} while the others stay gains {best.estimate.mean:.2f} ({percent(share, 0, '+')} of "
        f"what agents earn{'' if sure else '; not shown to be more than 0'}), and a best response at least as much."
    )


def depends(within: int, of: int) -> str:
    """Whether prices are as much calmer as published, by how many of the reductions that could be meant say so.

    Examples
    --------
    >>> depends(0, 9), depends(9, 9)
    ('No, whoever is compared', 'Yes, whoever is compared')
    """
    if 0 < within < of:
        return "It depends on the baseline, on the reward and on when one looks"
    return f"{'Yes' if within else 'No'}, whoever is compared"


def traded(played: Played) -> float:
    """Tokens that all trade in a step."""
    return float(played.mean("volume").mean())


def bought(on: OnCurve) -> str:
    """Whether those who trade more make prices move more."""
    volumes, moves = zip(*((traded(p), p.volatility.mean()) for p in on.everybody.values()), strict=True)
    return f"Less volatility is {'less' if np.cov(volumes, moves)[0, 1] > 0 else 'not less'} trade."


def against(on: OnCurve, ours: Played) -> str:
    """How volatile prices are beside those of random orders, over whole episodes and settled."""
    theirs = on.rules["random"]
    whole, settled = (reduction(ours, theirs, name).mean for name in ("volatility", "settled_volatility"))
    return f"{_less(whole)} volatile ({_less(settled)} once they have settled)"


def _less(percent: float) -> str:
    return f"{abs(percent):.0f} % {'less' if percent > 0 else 'more'}"


def gains(e: Evidence) -> str:
    """Where the learners' gains come from."""
    both = e.main.profit, e.main.rules["price-taking"]
    supply, service = ([played.labelled(name) for played in both] for name in ("supply", "welfare"))
    price = compared(paired_difference(*supply), "lower", "the same, for all we see", "higher")
    more = compared(paired_difference(*service), "less", "as much", "more")
    ours, theirs, serves, served = (float(x.mean()) for x in (*supply, *service))
    return (
        f"Learners keep the supply at {ours:.0f} tokens where price-takers hold {theirs:.0f}: the price that all pay "
        f"interest on is {price}, and holding serves {more} ({serves:.2f} a step, {served:.2f} with price-takers)."
    )

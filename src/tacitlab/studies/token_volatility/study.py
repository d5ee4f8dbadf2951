"""Does PPO make prices of a token economy 30 % less volatile? Against whom, and at what cost to trade and welfare?

The paper (section 9) reports "30 % volatility reduction" for 50 agents, an exponential curve and PPO, and names no
baseline. So the reduction is given against everybody who could have been meant, with volume and welfare beside it:
those who never trade have no volatility at all. Agents have private values that change, so that trade has a purpose.
"""

from collections.abc import Mapping
from typing import ClassVar

from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, paired_difference
from tacitlab.studies.frame import compared
from tacitlab.studies.token_volatility.evidence import STEADY, Evidence, OnCurve, gather, named
from tacitlab.studies.token_volatility.play import PUBLISHED, SOURCE, Played, Size, reduction
from tacitlab.studies.token_volatility.report import sections

REDUCTION = 30.0  # percent (P)
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


def examine(e: Evidence) -> Finding:
    """Judge the claim by the runs of all experiments."""
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
    claims.append(Claim("nobody trades: reduction against anybody (%)", still, note="Stability alone is no merit."))
    return tuple(claims)


def judged(words: str, found: Estimate, who: str = "") -> Claim:
    """A reduction beside the paper's 30 %."""
    name = f"{words}, {who} (%)" if who else words
    return Claim(name, found, REDUCTION, PUBLISHED, rounding=0.5, note=UNNAMED)


def learners(on: OnCurve) -> dict[str, Played]:
    """The profit learners, with and without randomness, and those who care most for stability."""
    return {**{named(omega): on.learned[omega] for omega in (0.0, max(on.learned))}, STEADY: on.steady}


def rivals(on: OnCurve) -> dict[str, Played]:
    """Against whom a reduction can be given: whoever trades and does not learn."""
    return {name: played for name, played in on.rules.items() if name != "hold"}


def costs(e: Evidence) -> tuple[Claim, ...]:
    """What a stability reward changes: volatility, volume and gains, against the profit learners."""
    on, most = e.main, max(e.main.learned)
    stable, profit = on.learned[most], on.profit
    more = paired_difference(*(played.labelled("payoff") for played in (profit, on.rules["price-taking"])))
    whole, settled = f"{named(most)}: reduction against PPO for profit (%)", f"{SETTLED}PPO for profit"
    return (
        judged(whole, reduction(stable, profit)),
        judged(settled, reduction(stable, profit, "settled_volatility"), named(most)),
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


def answer(e: Evidence, claims: tuple[Claim, ...]) -> str:
    """The finding in words."""
    on, tested = e.main, [claim for claim in claims if claim.published is not None]
    within = sum(claim.judged() is Verdict.REPRODUCED for claim in tested)
    earned, most = {name: p.payoff.mean() for name, p in on.everybody.items()}, named(max(on.learned))
    best, volume = e.exploitability, {name: p.mean("volume").mean() for name, p in on.everybody.items()}
    share, sure = 100 * best.gain.mean() / earned["PPO, profit"], e.no_equilibrium
    both = "; ".join(
        f"{name}: {volume[name]:.2f} and {earned[name]:.2f}" for name in (*learners(on), "price-taking", "random")
    )
    return (
        f"It depends on the baseline, on the reward and on when one looks: of {len(tested)} reductions that the paper "
        f"could mean, {within} {'is' if within == 1 else 'are'} {REDUCTION:g} % within two standard errors, and they "
        f"run from {min(c.measured.mean for c in tested):.0f} % to {max(c.measured.mean for c in tested):.0f} %. "
        f"Against random orders PPO for profit, which acts with randomness, makes prices {against(on, on.profit)}. If "
        f"the same policies take their likeliest actions, prices are {against(on, on.steady)}; {most} makes them "
        f"{against(on, on.everybody[most])}.\n\n"
        f"Less volatility is less trade. Tokens traded in a step, and what an agent earns in an episode: {both}. "
        f"Nobody trading would be a reduction by 100 %: stability without volume and welfare beside it "
        f"rewards inactivity.\n\n"
        f"{gains(e)} It is {'no' if sure else 'not shown to be no'} equilibrium: one agent who deviates to {best.name} "
        f"while the others stay gains {best.estimate.mean:.2f} ({share:+.0f} % of what agents earn), "
        f"{'' if sure else 'not told from 0, '}a lower bound on what a best response gains."
    )


def against(on: OnCurve, ours: Played) -> str:
    """How volatile prices are beside those of random orders, over whole episodes and settled."""
    theirs = on.rules["random"]
    whole, settled = (reduction(ours, theirs, name).mean for name in ("volatility", "settled_volatility"))
    return f"{_less(whole)} volatile ({_less(settled)} once they have settled)"


def _less(percent: float) -> str:
    return f"{abs(percent):.0f} % {'less' if percent > 0 else 'more'}"


def gains(e: Evidence) -> str:
    """Where the learners' gains come from."""
    on = e.main
    ours, taking = on.profit.mean("supply"), on.rules["price-taking"].mean("supply")
    service = on.profit.labelled("welfare"), on.rules["price-taking"].labelled("welfare")
    more = compared(paired_difference(*service), "less", "as much", "more")
    return (
        f"Learners keep the supply at {ours.mean():.0f} tokens where price-takers hold {taking.mean():.0f}: the price "
        f"that all pay interest on is lower, and holding serves {more} ({float(service[0].mean()):.2f} a step, "
        f"{float(service[1].mean()):.2f} with price-takers)."
    )

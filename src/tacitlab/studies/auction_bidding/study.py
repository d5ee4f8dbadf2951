"""Do learners bid as theory says? Revenue and exploitability of learned bid functions beside Bayes-Nash, per format.

A learned bid function is read out of the policy and judged in expectation over signals, against the best response to
how the others really bid: nothing is sampled but the learning. A bar, not a publication, is tested: revenue within 3 %
of Bayes-Nash with exploitability under 1 % of a bidder's surplus.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tacitlab.audits.auction_bids import MOST_EXPLOITED, MOST_GAP, slopes
from tacitlab.markets.auction.theory import demand_reduction
from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.auction_bidding.play import PAIR, Evidence, Learned, Size, gather
from tacitlab.studies.auction_bidding.report import sections
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, at_most, between

NOTHING = 0.01  # money: so little revenue is that of the equilibrium without any
NASH = "Bayes-Nash, closed form"
GRID = "Bayes-Nash on the grid"

NOTES = (
    "Revenue and exploitability are expectations over signals under the learned bid functions: the intervals are those "
    "of sessions alone. Exploitability is the mean over the bidders of a session of what each could gain by a best "
    "response to the others, in percent of its surplus in equilibrium.",
    f"A verdict says where the 95 % interval lies: within {MOST_GAP:g} % for revenue, below {MOST_EXPLOITED:g} % for "
    "exploitability. Policies are read without the noise that they learn with.",
    "With bids in steps, theory is the equilibrium of the game on the grid, which brings less revenue than that with "
    "continuous bids.",
)


class AuctionBidding(Study):
    """Two or three PPO learners in nine auctions with private signals; four other learners at first price."""

    name: ClassVar[str] = "auction-bidding"
    question: ClassVar[str] = "do learners bid as theory says?"
    source: ClassVar[str] = (
        "Theory: Krishna, Auction Theory, 2nd edition, 2010. No publication is reproduced: the bar is revenue within "
        "3 % of Bayes-Nash with exploitability under 1 % of surplus, over 20 sessions. Settings, and how they were "
        "chosen: docs/auctions.md."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=10, episodes=409_600, rival_episodes=0, everything=False),
        "paper": Size(sessions=20, episodes=1_638_400, rival_episodes=1_638_400),
    }

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def examine(e: Evidence) -> Finding:
    """Judge all runs."""
    claims: list[Claim] = []
    for key, one in e.auctions.items():
        claims += pair_claims(one) if key == PAIR else bar_claims(one)
        if key == "wallet-second":
            claims.append(asymmetry(one))
    for one in e.rivals.values():
        claims += bar_claims(one)
    return Finding(answer(e), tuple(claims), sections(e), NOTES)


def bar_claims(one: Learned) -> tuple[Claim, ...]:
    """Revenue, exploitability, and how many sessions keep both."""
    where, source = f"{one.setting.words}, {one.who}", NASH if one.grid is None else GRID
    failed = f"{one.failed} sessions failed and are left out." if one.failed else ""
    return (
        Claim(f"{where}: revenue above theory (%)", one.bar.gap, 0.0, source,
              margin=between(-MOST_GAP, MOST_GAP), note=failed),
        Claim(f"{where}: exploitability (% of surplus)", one.bar.exploited, 0.0, source,
              margin=at_most(MOST_EXPLOITED)),
        Claim(f"{where}: share of sessions that keep both", one.bar.within),
    )  # fmt: skip


def pair_claims(one: Learned) -> tuple[Claim, ...]:
    """Two bidders who want two units: exploitability, and which of the equilibria (v, c v) it comes near."""
    where, game = f"{one.setting.words}, {one.who}", one.setting.market.game
    revenue = mean_interval(one.bidding.revenue)
    note = "Every c from 0 to 1 is an equilibrium; revenue is 0 in that with the least, and 2/3 with sincere bids."
    second = slopes(one.bidding.signals, one.bidding.bids[..., 1]).mean(axis=1)
    gap = one.wanted * MOST_GAP / 100
    return (
        Claim(f"{where}: exploitability (% of surplus)", one.bar.exploited, 0.0, NASH,
              margin=at_most(MOST_EXPLOITED)),
        Claim(f"{where}: revenue (money), beside demand reduction", revenue, demand_reduction(game).revenue, NASH,
              margin=between(-NOTHING, NOTHING), note=note),
        Claim(f"{where}: revenue (money), beside sincere bids", revenue, one.wanted, NASH,
              margin=between(one.wanted - gap, one.wanted + gap)),
        Claim(f"{where}: slope of the first bid", mean_interval(one.bidding.slopes.mean(axis=1))),
        Claim(f"{where}: slope of the second bid, c", mean_interval(second), note=note),
    )  # fmt: skip


def asymmetry(one: Learned) -> Claim:
    """How far apart the bidders of a session end, where theory has a continuum of asymmetric equilibria."""
    apart = np.abs(np.diff(one.bidding.slopes, axis=1))[:, 0]
    note = "All pairs of slopes (a, a/(a - 1)) are equilibria; the symmetric one has slopes of 2 and the most revenue."
    name = f"{one.setting.words}, {one.who}: distance between the two slopes"
    return Claim(name, mean_interval(apart), note=note)


def keeps(one: Learned) -> bool:
    """Whether both intervals lie within the bar."""
    return all(claim.judged() is Verdict.REPRODUCED for claim in bar_claims(one)[:2])


def answer(e: Evidence) -> str:
    """The finding in words."""
    usual = {key: one for key, one in e.auctions.items() if key != PAIR}
    good = [one.setting.words for one in usual.values() if keeps(one)]
    parts = [f"PPO bids within the bar in {len(good)} of {len(usual)} auctions with one symmetric equilibrium"]
    missed = [
        f"{one.setting.words} (revenue {one.bar.gap.mean:+.1f} %, exploitability {one.bar.exploited.mean:.2f} %)"
        for one in usual.values() if not keeps(one)
    ]  # fmt: skip
    parts.append(f"; not shown: {', '.join(missed)}." if missed else ".")
    if PAIR in e.auctions:
        pair = e.auctions[PAIR]
        second = slopes(pair.bidding.signals, pair.bidding.bids[..., 1]).mean()
        parts.append(
            f" Two bidders who want two units each end at second bids of {second:.2f} v and a revenue of "
            f"{pair.bidding.revenue.mean():.3f}, between demand reduction (0) and sincere bids (0.667), with an "
            f"exploitability of {pair.bar.exploited.mean:.2f} %."
        )
    for one in e.rivals.values():
        verdict = "keeps the bar" if keeps(one) else "is not shown to keep it"
        parts.append(
            f" At first price {one.who} {verdict} (revenue {one.bar.gap.mean:+.1f} %, exploitability "
            f"{one.bar.exploited.mean:.2f} %)."
        )
    return "".join(parts)

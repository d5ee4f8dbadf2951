"""Do learners bid as theory says? Revenue and exploitability of learned bid functions beside Bayes-Nash, per format.

A learned bid function is read out of the policy and judged in expectation over signals, against the best response to
how the others really bid: nothing is sampled but the learning. A bar, not a publication, is tested: revenue within 3 %
of Bayes-Nash with exploitability under 1 % of a bidder's surplus.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from tacitlab.audits.auction import learned
from tacitlab.audits.auction_bids import MOST_EXPLOITED, MOST_GAP, Bar, Bidding, Floats, bar, slopes
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, Length, Test
from tacitlab.learners import DQN, PPO, QLearning
from tacitlab.learners.base import Learner
from tacitlab.learners.dqn import Memory, QNetwork
from tacitlab.learners.exploration import Schedule
from tacitlab.learners.initial import ConstantValue
from tacitlab.markets import Auction
from tacitlab.markets.auction.grid import GridEquilibrium, solve
from tacitlab.markets.auction.theory import BidFunction, demand_reduction
from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, at_most, between, together
from tacitlab.studies.frame import listed, say

SEED = 1
BIDS = 21  # of the grid
COPIES = 32  # of the auction, that those learn from who can
PAIR = "uniform-two"  # the auction with a continuum of equilibria
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

LEARNER = PPO(
    hidden=(16,), rollout=128, minibatches=4, epochs=4, rate=3e-3, gamma=0.0, trace=0.0, log_sd=-1.0,
    last_log_sd=-3.0, deterministic_test=True,
)  # fmt: skip
"""Discounting has no meaning where an episode is one auction. See docs/auctions.md for how the numbers were chosen."""
ONCE = LEARNER.model_copy(update={"minibatches": 1, "epochs": 1, "last_log_sd": -4.0})
"""Every rollout is learned from once: several gradient steps on the same auctions bend a bid function."""
SHARES = ONCE.model_copy(update={"rollout": 32, "rate": 1e-3, "log_sd": -3.0, "last_log_sd": -3.0})
"""For shares of the signal, which need no room to explore: no share is far from the equilibrium's."""


@dataclass(frozen=True)
class Setting:
    """An auction of the study.

    Attributes
    ----------
    key, words : str
    market : Auction
        With continuous bids.
    learner : PPO
        Who bids.
    longer : int
        Factor of the number of auctions.
    quick : bool
        Whether the small preset plays it.
    """

    key: str
    words: str
    market: Auction
    learner: PPO = LEARNER
    longer: int = 1
    quick: bool = True

    @property
    def theory(self) -> BidFunction:
        """The symmetric equilibrium in closed form."""
        found = self.market.equilibrium
        assert found is not None
        return found


SETTINGS = (
    Setting("first", "first price", Auction(), ONCE, 4),
    Setting("first-three", "first price, 3 bidders", Auction(bidders=3), ONCE, 4, quick=False),
    Setting("second", "second price", Auction(format="second-price")),
    Setting("reserve", "second price, reserve 1/2", Auction(format="second-price", reserve=0.5)),
    Setting("all-pay", "all-pay, shares of the signal", Auction(format="all-pay", bid_as="share"), SHARES, 4),
    Setting("wallet-first", "common value, first price", Auction(values="common"), ONCE, 4),
    Setting("wallet-second", "common value, second price", Auction(values="common", format="second-price")),
    Setting("uniform-one", "uniform price, 2 units, 3 bidders want 1",
            Auction(format="uniform-price", bidders=3, units=2), quick=False),
    Setting(PAIR, "uniform price, 2 units, 2 bidders want 2", Auction(format="uniform-price", units=2, demand=2)),
)  # fmt: skip


@dataclass(frozen=True)
class Rival:
    """Another learner for the first-price auction.

    Attributes
    ----------
    key, words : str
    learner : Learner
    grid : bool
        Whether it chooses among the bids of a grid.
    """

    key: str
    words: str
    learner: Learner
    grid: bool = True


def rivals(episodes: int) -> tuple[Rival, ...]:
    """Learners that are compared at first price; exploration ends after four fifths of the episodes."""
    exploration = Schedule(points=((0, 1.0), (4 * episodes // 5, 0.02)), between="linear")
    table = QLearning(
        alpha=0.005, gamma=0.0, bins=20, initial=ConstantValue(value=0.0), exploration=exploration, ties="random"
    )  # fmt: skip
    deep = DQN(
        gamma=0.0, rate=1e-3, batch=128, memory=Memory(capacity=20_000, when_full="drop-oldest"), update_every=8,
        exploration=exploration, network=QNetwork(width=32, layers=2, embedding=False),
    )  # fmt: skip
    return (
        Rival("shared", "PPO, one network for both", ONCE.model_copy(update={"parameters": "shared"}), False),
        Rival("categorical", f"PPO over {BIDS} bids", LEARNER.model_copy(update={"distribution": "categorical"})),
        Rival("q-learning", f"Q-learning, 20 bins, {BIDS} bids", table),
        Rival("dqn", f"DQN over {BIDS} bids", deep),
    )


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    sessions, episodes : int
    rival_episodes : int
        Of the other learners.
    everything : bool
        Whether all auctions and all learners are played.
    """

    sessions: int
    episodes: int
    rival_episodes: int
    everything: bool = True

    def experiment(self, name: str, market: Auction, learner: Learner, episodes: int) -> Experiment:
        """One auction, one learner for all bidders; so many episodes in all copies together."""
        copies = COPIES if learner.many_copies else 1
        return Experiment(
            name=name, environment=market, learners=(learner,), length=Length(episodes=episodes // copies),
            copies=copies, sessions=self.sessions, seed=SEED, test=Test(episodes=1000, baselines=False),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Learned:
    """Who learned in an auction, and how it bids.

    Attributes
    ----------
    setting : Setting
    who : str
    bidding : Bidding
    failed : int
        Sessions that are left out.
    grid : GridEquilibrium or None
        The equilibrium of the game that was played, where bids came in steps.
    """

    setting: Setting
    who: str
    bidding: Bidding
    failed: int = 0
    grid: GridEquilibrium | None = None

    @cached_property
    def theory(self) -> Floats:
        """First bids of theory, on the grid where there is one, at the signals of ``bidding``."""
        if self.grid is not None:
            return np.interp(self.bidding.signals, self.grid.grid.signals, self.grid.bids[:, 0])
        return self.setting.theory.bids(self.bidding.signals)[:, 0]

    @property
    def wanted(self) -> float:
        """Revenue of theory."""
        return self.setting.theory.revenue if self.grid is None else self.grid.judged.revenue

    @property
    def surplus(self) -> float:
        """A bidder's surplus in theory."""
        return self.setting.theory.surplus if self.grid is None else float(self.grid.judged.surplus[0])

    @cached_property
    def bar(self) -> Bar:
        """Revenue and exploitability beside the bar."""
        return bar(self.gaps, self.exploited)

    @property
    def gaps(self) -> Floats:
        """Revenue above theory, percent, (sessions,)."""
        return self.bidding.revenue_gap(self.wanted)

    @property
    def exploited(self) -> Floats:
        """Percent of a bidder's surplus, (sessions,)."""
        return self.bidding.exploited(self.surplus)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs.

    Attributes
    ----------
    auctions : mapping of str to Learned
        PPO with networks of its own, by the key of the auction.
    rivals : mapping of str to Learned
        Other learners at first price, by key.
    """

    auctions: Mapping[str, Learned]
    rivals: Mapping[str, Learned]


def gather(size: Size, play: Player) -> Evidence:
    """Play everything, and read the bid functions out of the policies."""
    auctions, others = {}, {}
    for setting in SETTINGS:
        if setting.quick or size.everything:
            run = play(size.experiment(setting.key, setting.market, setting.learner, setting.longer * size.episodes))
            found = learned(run)
            auctions[setting.key] = Learned(setting, "PPO", found, size.sessions - len(found.bids))
    first, stepped = SETTINGS[0], Auction(bids=BIDS)
    for rival in rivals(size.rival_episodes) if size.everything else ():
        market = stepped if rival.grid else first.market
        run = play(size.experiment(f"first-{rival.key}", market, rival.learner, size.rival_episodes))
        found = learned(run)
        grid = market.grid
        equilibrium = None if grid is None else solve(grid)
        others[rival.key] = Learned(first, rival.words, found, size.sessions - len(found.bids), equilibrium)
    if not auctions[first.key].bidding.bids.size:
        raise TacitError("auction-bidding: every session failed; nothing can be said")
    return Evidence(auctions, others)


class AuctionBidding(Study):
    """Two or three PPO learners in nine auctions with private signals; four other learners at first price."""

    name: ClassVar[str] = "auction-bidding"
    question: ClassVar[str] = "do learners bid as theory says?"
    source: ClassVar[str] = (
        "Theory: Krishna, Auction Theory, 2nd edition, 2010. No publication is reproduced: the bar is revenue within "
        f"{MOST_GAP:g} % of Bayes-Nash with exploitability under {MOST_EXPLOITED:g} % of surplus, over 20 sessions. "
        "Settings, and how they were chosen: docs/auctions.md."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=10, episodes=409_600, rival_episodes=0, everything=False),
        "paper": Size(sessions=20, episodes=1_638_400, rival_episodes=1_638_400),
    }

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


# --- claims and answer ---------------------------------------------------------------------------------------------


def examine(e: Evidence) -> Finding:
    """Judge all runs."""
    from tacitlab.studies.auction_bidding.figures import sections

    claims = tuple(all_claims(e))
    return Finding(answer(e), claims, sections(e), NOTES)


def all_claims(e: Evidence) -> Iterator[Claim]:
    """In the order of the report."""
    for key, one in e.auctions.items():
        yield from pair_claims(one) if key == PAIR else bar_claims(one)
        if key == "wallet-second":
            yield asymmetry(one)
    for one in e.rivals.values():
        yield from bar_claims(one)


def bar_claims(one: Learned) -> tuple[Claim, ...]:
    """Revenue, exploitability, and how many sessions keep both."""
    where, source = f"{one.setting.words}, {one.who}", NASH if one.grid is None else GRID
    failed = (
        f"{one.failed} session{' is' if one.failed == 1 else 's are'} left out: learning failed." if one.failed else ""
    )
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


def kept(one: Learned) -> Verdict:
    """Whether both intervals lie within the bar."""
    return together(claim.judged() for claim in bar_claims(one)[:2])


def answer(e: Evidence) -> str:
    """The finding in words."""
    usual = {key: one for key, one in e.auctions.items() if key != PAIR}
    missed = [one for one in usual.values() if kept(one) is not Verdict.REPRODUCED]
    told = [f"{one.setting.words} {say(kept(one), '', 'misses it', 'is undecided')} ({numbers(one)})" for one in missed]
    parts = [
        f"PPO bids within the bar in {len(usual) - len(missed)} of {len(usual)} auctions with one symmetric "
        f"equilibrium{f'; {listed(told)}' if told else ''}."
    ]
    if PAIR in e.auctions:
        pair = e.auctions[PAIR]
        second = slopes(pair.bidding.signals, pair.bidding.bids[..., 1]).mean()
        least = demand_reduction(pair.setting.market.game).revenue
        parts.append(
            f"Two bidders who want two units each end at second bids of {second:.2f} v and a revenue of "
            f"{pair.bidding.revenue.mean():.3f}, where demand reduction brings {least:.3g} and sincere bids "
            f"{pair.wanted:.3f}, with an exploitability of {pair.bar.exploited.mean:.2f} %."
        )
    for one in e.rivals.values():
        verdict = say(kept(one), "keeps the bar", "misses the bar", "is not shown to keep the bar")
        parts.append(f"At first price {one.who} {verdict} ({numbers(one)}).")
    return " ".join(parts)


def numbers(one: Learned) -> str:
    """Of the bar."""
    return f"revenue {one.bar.gap.mean:+.1f} %, exploitability {one.bar.exploited.mean:.2f} %"

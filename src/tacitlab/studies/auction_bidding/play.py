"""What is played to see whether learners bid as theory says: auctions, learners, and how much of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tacitlab.audits.auction import learned
from tacitlab.audits.auction_bids import Bar, Bidding, Floats, bar
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, Length, Test
from tacitlab.learners import DQN, PPO, QLearning
from tacitlab.learners.base import Learner
from tacitlab.learners.dqn import Memory, QNetwork
from tacitlab.learners.exploration import Schedule
from tacitlab.learners.initial import ConstantValue
from tacitlab.markets import Auction
from tacitlab.markets.auction.grid import GridEquilibrium, solve
from tacitlab.markets.auction.theory import BidFunction
from tacitlab.studies.base import Player

SEED = 1
BIDS = 21  # of the grid
COPIES = 32  # of the auction, that those learn from who can
PAIR = "uniform-two"  # the auction with a continuum of equilibria

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

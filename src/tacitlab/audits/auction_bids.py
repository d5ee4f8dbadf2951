"""Learned bidding: slopes, distance from theory, revenue and exploitability, with intervals over sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.auction.grid import GridGame
from tacitlab.markets.auction.response import Judged, judge
from tacitlab.markets.auction.theory import AuctionGame
from tacitlab.measures.statistics import Estimate, mean_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bidding:
    """How the bidders of many sessions bid, and what that is worth: expectations over signals, not samples.

    Attributes
    ----------
    signals : (p,) array
    bids : (sessions, n, p, m) array
        In money, the highest first; means where bidders mix.
    judged : tuple of Judged
        One for each session.
    """

    signals: Floats
    bids: Floats
    judged: tuple[Judged, ...]

    @property
    def revenue(self) -> Floats:
        """Expected revenue by session, (sessions,), money."""
        return np.array([one.revenue for one in self.judged])

    @property
    def surplus(self) -> Floats:
        """Expected surplus of each bidder, (sessions, n), money."""
        return np.stack([one.surplus for one in self.judged])

    @property
    def exploitability(self) -> Floats:
        """What each bidder would gain by a best response to the others, (sessions, n), money."""
        return np.stack([one.exploitability for one in self.judged])

    @property
    def error(self) -> float:
        """By how much exploitability may be larger: the largest bound of all sessions and bidders, money."""
        return float(max(one.error.max() for one in self.judged))

    @property
    def slopes(self) -> Floats:
        """Slope of each bidder's first bid, (sessions, n)."""
        return slopes(self.signals, self.bids[..., 0])

    def revenue_gap(self, wanted: float) -> Floats:
        """Revenue above what it should be, by session, in percent of that; (sessions,)."""
        return 100 * (self.revenue / wanted - 1)

    def exploited(self, surplus: float) -> Floats:
        """Exploitability, mean over a session's bidders, in percent of a bidder's surplus in theory; (sessions,)."""
        return np.asarray(100 * self.exploitability.mean(axis=1) / surplus)

    def distance(self, wanted: ArrayLike) -> Floats:
        """Root mean square distance of first bids from some bids (p,), over signals and bidders; (sessions,), money."""
        gaps = self.bids[..., 0] - np.asarray(wanted, dtype=np.float64)
        return np.sqrt((gaps**2).mean(axis=(1, 2)))


def slopes(signals: ArrayLike, bids: ArrayLike) -> Floats:
    """Least-squares slope of bids on the signal, without intercept: ``sum b s / sum s^2`` over the last axis.

    Examples
    --------
    >>> print(slopes([0.0, 0.5, 1.0], [[0.0, 0.25, 0.5], [0.0, 0.5, 1.0]]))
    [0.5 1. ]
    """
    s = np.asarray(signals, dtype=np.float64)
    return np.asarray(np.asarray(bids, dtype=np.float64) @ s / (s @ s))


def continuous(game: AuctionGame, bids: ArrayLike) -> Bidding:
    """Sessions that bid continuously, from bids (sessions, n, p, m) at equally spaced signals from 0 to 1.

    Examples
    --------
    >>> signals = np.linspace(0, 1, 65)
    >>> bids = np.stack([signals, signals / 2]).reshape(2, 1, -1, 1).repeat(2, axis=1)
    >>> found = continuous(AuctionGame("first-price"), bids)
    >>> print(found.slopes.round(3).tolist(), found.exploited(1 / 6).round(2))
    [[1.0, 1.0], [0.5, 0.5]] [50.  0.]
    """
    made = np.asarray(bids, dtype=np.float64)
    if made.ndim != 4:
        raise TacitError(f"bids: the shape {made.shape} is wrong; give (sessions, bidders, signals, units)")
    ordered = -np.sort(-made, axis=-1)
    return Bidding(np.linspace(0, 1, made.shape[2]), ordered, tuple(judge(game, one) for one in ordered))


def on_grid(grid: GridGame, behaviours: ArrayLike) -> Bidding:
    """Sessions that choose among the bids of a grid, from chances (sessions, n, K, A) of actions by signal.

    Examples
    --------
    >>> grid = GridGame(AuctionGame("first-price"), np.array([0.0, 0.5, 1.0]), types=2)
    >>> on_grid(grid, np.tile([0.0, 1.0, 0.0], (4, 2, 2, 1))).revenue
    array([0.5, 0.5, 0.5, 0.5])
    """
    made = np.asarray(behaviours, dtype=np.float64)
    return Bidding(grid.signals, made @ grid.actions, tuple(grid.judge(one) for one in made))


@dataclass(frozen=True)
class Bar:
    """The bar that learned bidding is measured by: revenue within 3 % of theory, exploitability under 1 % of surplus.

    Attributes
    ----------
    gap, exploited : Estimate
        Percent, over sessions.
    within : Estimate
        Share of sessions that keep both.
    """

    gap: Estimate
    exploited: Estimate
    within: Estimate


MOST_GAP, MOST_EXPLOITED = 3.0, 1.0  # percent


def bar(gaps: Sequence[float] | Floats, exploited: Sequence[float] | Floats) -> Bar:
    """Both numbers with their intervals, and how many sessions keep both.

    Examples
    --------
    >>> print(bar([1.0, -2.0, 4.0], [0.2, 0.4, 0.3]).within.mean.__round__(3))
    0.667
    """
    one, other = np.asarray(gaps, dtype=np.float64), np.asarray(exploited, dtype=np.float64)
    both = (np.abs(one) <= MOST_GAP) & (other <= MOST_EXPLOITED)
    return Bar(mean_interval(one), mean_interval(other), mean_interval(both))

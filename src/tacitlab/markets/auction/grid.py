"""Auctions in which bids come in steps: the Bayes game on a grid of signals and bids, and its equilibrium.

A grid moves equilibria, because undercutting takes a whole step and equal bids tie: at first price with 21 bids two
bidders pay 1.2 % less than without a grid. A bidder who treats all signals of a bin alike, like a table of values over
bins, is represented exactly by the middle of the bin, since payoffs are linear in the signal.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.errors import TacitError
from tacitlab.markets.auction.outcome import outcome
from tacitlab.markets.auction.response import Judged, Law, terms
from tacitlab.markets.auction.theory import AuctionGame, Floats, bayes_nash

MOST_ACTIONS = 2000  # combinations of bids of a bidder who wants several units: their table has the square of this
CHECK_EVERY = 100  # rounds between two looks at the certificate


@dataclass(frozen=True, eq=False)
class GridGame:
    """An auction whose bidders see one of so many equal bins of their signal and choose among some bids.

    Attributes
    ----------
    game : AuctionGame
    levels : (g,) array
        Bids in money, increasing, from 0 on.
    types : int
        Bins of the signal, K, each as likely and known by its middle.

    Raises
    ------
    TacitError
        If levels do not increase from 0; if more than two bidders want several units; or if there are too many bids.
    """

    game: AuctionGame
    levels: Floats
    types: int = 100

    def __post_init__(self) -> None:
        levels = np.asarray(self.levels, dtype=np.float64)
        if levels.ndim != 1 or len(levels) < 2 or levels[0] != 0 or not (np.diff(levels) > 0).all():
            raise TacitError("levels: they must be at least two, and increase from 0")
        object.__setattr__(self, "levels", levels)
        if self.game.demand == 1:
            return
        if self.game.bidders > 2:
            raise TacitError("demand: with several units each, grids are solved for two bidders; set demand: 1")
        if (count := count_combinations(len(levels), self.game.demand)) > MOST_ACTIONS:
            raise TacitError(f"levels: {count} combinations of bids are too many; take fewer bids")

    def with_types(self, types: int) -> "GridGame":
        """The same auction with another number of bins."""
        return GridGame(self.game, self.levels, types)

    @property
    def signals(self) -> Floats:
        """The middles of the bins, (K,)."""
        return (np.arange(self.types) + 0.5) / self.types

    @cached_property
    def actions(self) -> Floats:
        """What a bidder may bid, (A, m): for several units every combination, the highest first."""
        return combinations(self.levels, self.game.demand)

    @cached_property
    def _tables(self) -> tuple[Floats, Floats]:
        """Own units and payment by own and the other's action, (A, A); two bidders who want several units."""
        own, other = np.broadcast_arrays(self.actions[:, None], self.actions[None])
        units, payments = outcome(self.game, np.stack([own, other], axis=2))
        return units[..., 0], payments[..., 0]

    def terms(self, others: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
        """Of each action, (A,): expected units, what the others' signals add, and expected payment.

        Parameters
        ----------
        others : sequence of (K, A) arrays
            Each rival's chances of actions by signal.
        """
        if self.game.demand > 1:
            units, payments = self._tables
            chances = others[0].mean(axis=0)
            return units @ chances, np.zeros(len(units)), payments @ chances
        found = terms(self.game, self.levels, [self._law(one) for one in others], continuous=False)
        return found.win, found.extra, found.cost

    def _law(self, behaviour: Floats) -> Law:
        chances, signals = behaviour.mean(axis=0), self.signals @ behaviour / self.types
        upto, signal_upto = np.cumsum(chances), np.cumsum(signals)
        return Law(upto - chances, upto, signal_upto - signals, signal_upto)

    def judge(self, behaviours: ArrayLike) -> Judged:
        """Revenue, surplus and exploitability of mixed behaviours (n, K, A) on the grid; exact.

        Examples
        --------
        Two who always bid the middle one of three bids 0, 1/2 and 1:

        >>> grid = GridGame(AuctionGame("first-price"), np.array([0.0, 0.5, 1.0]), types=2)
        >>> found = grid.judge(np.tile([0.0, 1.0, 0.0], (2, 2, 1)))
        >>> print(found.revenue, found.surplus, found.best)
        0.5 [0. 0.] [0.0625 0.0625]
        """
        made = np.asarray(behaviours, dtype=np.float64)
        wanted = (self.game.bidders, self.types, len(self.actions))
        if made.shape != wanted or not np.allclose(made.sum(axis=-1), 1, rtol=0, atol=1e-6):
            raise TacitError(f"behaviours: {made.shape} is no array of chances; give {wanted}, with sums of 1")
        n = self.game.bidders
        surplus, best, paid, worth = (np.zeros(n) for _ in range(4))
        for i in range(n):
            units, extra, cost = self.terms([made[j] for j in range(n) if j != i])
            payoffs = np.multiply.outer(self.signals, units) + extra - cost
            surplus[i], best[i] = (made[i] * payoffs).sum(axis=1).mean(), payoffs.max(axis=1).mean()
            paid[i] = (made[i] @ cost).mean()
            worth[i] = surplus[i] + paid[i]
        return Judged(float(paid.sum()), float(worth.sum()), surplus, best, np.zeros(n))

    def pure(self, bids: ArrayLike) -> Floats:
        """Behaviour (K, A) that takes the nearest action to some bids (K, m)."""
        wanted = np.asarray(bids, dtype=np.float64).reshape(self.types, 1, -1)
        nearest = ((self.actions[None] - wanted) ** 2).sum(axis=-1).argmin(axis=1)
        return np.eye(len(self.actions))[nearest]


def count_combinations(levels: int, demand: int) -> int:
    """How many ways there are to bid for so many units."""
    return math.comb(levels + demand - 1, demand)


def combinations(levels: Floats, demand: int) -> Floats:
    """Bids for so many units, the highest first: (A, m).

    Examples
    --------
    >>> combinations(np.array([0.0, 1.0]), 2).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    """
    rows = [tuple(reversed(row)) for row in itertools.combinations_with_replacement(levels.tolist(), demand)]
    return np.array(sorted(rows, key=lambda row: row[0]))


@dataclass(frozen=True, eq=False)
class GridEquilibrium:
    """A symmetric equilibrium of the grid, up to what is certified.

    Attributes
    ----------
    grid : GridGame
    behaviour : (K, A) array
        Of everybody.
    judged : Judged
        What it leads to.
    rounds : int
    """

    grid: GridGame
    behaviour: Floats
    judged: Judged
    rounds: int

    @property
    def certificate(self) -> float:
        """What a bidder could still gain: exact, in money."""
        return float(self.judged.exploitability.max())

    @property
    def bids(self) -> Floats:
        """Mean bids by signal, (K, m)."""
        return self.behaviour @ self.grid.actions


def solve(grid: GridGame, tolerance: float = 1e-4, rounds: int = 20_000) -> GridEquilibrium:
    """A symmetric equilibrium by fictitious play: the best response to the past enters it with weight 2/(t + 3).

    It starts from the Bayes-Nash equilibrium without a grid, where one is known. Where there are several, it ends in
    one of them. Convergence is not proved for these games; the certificate is exact.

    Parameters
    ----------
    grid : GridGame
    tolerance : float
        Ends when nobody can gain more than this part of a bidder's surplus.
    rounds : int
        Ends after so many in any case.

    References
    ----------
    G. Brown, in Activity Analysis of Production and Allocation, 1951 (fictitious play); S. Athey, Econometrica 69
    (2001) 861-889 (pure equilibria on grids).

    Examples
    --------
    >>> found = solve(GridGame(AuctionGame("first-price"), np.linspace(0, 1, 21)))
    >>> print(round(found.judged.revenue, 3), found.certificate < 1e-4 * found.judged.surplus[0])
    0.329 True
    """
    known = bayes_nash(grid.game)
    count, n = len(grid.actions), grid.game.bidders
    behaviour = np.full((grid.types, count), 1 / count) if known is None else grid.pure(known.bids(grid.signals))
    rows, done = np.arange(grid.types), 0
    for done in range(1, rounds + 1):
        units, extra, cost = grid.terms([behaviour] * (n - 1))
        payoffs = np.multiply.outer(grid.signals, units) + extra - cost
        chosen = payoffs.argmax(axis=1)
        if done % CHECK_EVERY == 1:
            surplus = (behaviour * payoffs).sum(axis=1).mean()
            if payoffs.max(axis=1).mean() - surplus <= tolerance * abs(surplus):
                break
        weight = 2 / (done + 2)
        behaviour = (1 - weight) * behaviour
        behaviour[rows, chosen] += weight
    return GridEquilibrium(grid, behaviour, grid.judge(np.broadcast_to(behaviour, (n, *behaviour.shape))), done)

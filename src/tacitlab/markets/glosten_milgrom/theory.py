"""Dealers who trade with customers of whom some know the value: Glosten and Milgrom's market, and its variants.

The value lies ``reach`` (Delta) above or below its mean without news. A customer is informed with probability mu and
trades where that pays; the others buy or sell for reasons of their own, at a half-spread of s with probability
``1 - s/L``, where L is the largest reservation; without L always.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # of a level or a profit: closer is the same


# --- the classic market -------------------------------------------------------------------------------------------


def classic_quotes(belief: ArrayLike, informed: float, low: float = 0.0, high: float = 1.0) -> tuple[Floats, Floats]:
    """Bid and ask of competitive dealers, who expect no profit, where all noise traders trade.

    ``ask = E[V | buy] = (p (mu + (1-mu)/2) high + (1-p) (1-mu)/2 low) / (p mu + (1-mu)/2)``, and the bid likewise.

    Parameters
    ----------
    belief : (...) array
        p, the probability that the value is the high one.
    informed : float
        mu.
    low, high : float
        The two values.

    Returns
    -------
    bid, ask : (...) arrays

    References
    ----------
    L. Glosten and P. Milgrom, J. Financial Economics 14 (1985) 71-100.

    Examples
    --------
    >>> classic_quotes(0.5, 0.3)
    (array(0.35), array(0.65))
    """
    p = np.asarray(belief, dtype=np.float64)
    after_buy, after_sale = belief_after(p, informed, 1), belief_after(p, informed, -1)
    return np.asarray(low + (high - low) * after_sale), np.asarray(low + (high - low) * after_buy)


def belief_after(belief: ArrayLike, informed: float, side: int) -> Floats:
    """Bayes: the probability of the high value after a purchase (side 1) or a sale (-1), if noise always trades.

    Examples
    --------
    >>> belief_after(0.5, 0.3, 1)
    array(0.65)
    """
    p, noise = np.asarray(belief, dtype=np.float64), (1 - informed) / 2
    high = informed * (side > 0) + noise
    low = informed * (side < 0) + noise
    return np.asarray(p * high / (p * high + (1 - p) * low))


# --- noise traders who mind the spread ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Customers:
    """Who comes to the dealers.

    Attributes
    ----------
    informed : float
        mu, from 0 to below 1.
    reach : float
        Delta, above 0: the value lies so far from its mean without news.
    reservation : float
        L: noise traders trade at a half-spread of s with probability ``1 - s/L``; infinite: always.

    Examples
    --------
    >>> customers = Customers(informed=0.2, reach=1.0, reservation=1.2)
    >>> customers.zero_profit(), customers.monopoly(), float(customers.profit(customers.monopoly()))
    (0.2377, 0.75, 0.175)
    """

    informed: float = 0.2
    reach: float = 1.0
    reservation: float = 1.2

    def __post_init__(self) -> None:
        if not 0 <= self.informed < 1:
            raise TacitError(f"informed: {self.informed:g} is out of bounds; it must be at least 0 and below 1")
        if not (self.reach > 0 and self.reservation > 0):
            raise TacitError("reach, reservation: they must be above 0; give positive numbers")

    @property
    def widest(self) -> float:
        """The largest half-spread that makes sense: beyond it nobody trades, or only those who trade at any."""
        return max(self.reservation, self.reach) if math.isfinite(self.reservation) else self.reach

    def profit(self, half_spread: ArrayLike) -> Floats:
        """Expected profit from a customer at a half-spread s: ``(1-mu) s (1 - s/L) + mu min(s - Delta, 0)``.

        Informed traders stay away where trading does not pay: beyond Delta the second part is 0, not a gain.
        """
        s = np.asarray(half_spread, dtype=np.float64)
        trades = np.clip(1 - s / self.reservation, 0.0, 1.0)
        return np.asarray((1 - self.informed) * s * trades + self.informed * np.minimum(s - self.reach, 0.0))

    def zero_profit(self) -> float:
        """The least half-spread at which dealers do not lose: the competitive one; Delta if all others lose.

        ``s = L (1 - sqrt(1 - 4 (1-mu) mu Delta/L)) / (2 (1-mu))``, or ``mu Delta`` if all noise traders trade.
        """
        return float(self.markup(0.5))

    def markup(self, belief: ArrayLike) -> Floats:
        """By how much a competitive ask exceeds the expected value, at a belief p that the value is the high one.

        The least a with ``mu p (a - 2 (1-p) Delta) + (1-mu)/2 a (1 - a/L) = 0``; the informed buyer's gain
        ``2 (1-p) Delta``, at which informed traders stay away, if there is none. A bid lies ``markup(1-p)`` below.

        Parameters
        ----------
        belief : (...) array
            From 0 to 1.

        Examples
        --------
        Without reservations these are the classic quotes, here on the values -1 and 1 with the mean 0.4:

        >>> always = Customers(0.3, 1.0, np.inf)
        >>> float(0.4 + always.markup(0.7)), float(classic_quotes(0.7, 0.3, -1.0, 1.0)[1])
        (0.625, 0.625)
        """
        p = np.asarray(belief, dtype=np.float64)
        noise, gain = (1 - self.informed) / 2, 2 * (1 - p) * self.reach
        # noise/L a² - (mu p + noise) a + mu p gain = 0, the smaller root in the form without cancellation
        rate, constant = self.informed * p + noise, self.informed * p * gain
        room = rate**2 - 4 * noise / self.reservation * constant
        root = 2 * constant / (rate + np.sqrt(np.maximum(room, 0.0)))
        return np.asarray(np.where((room >= 0) & (root <= np.minimum(gain, self.reservation)), root, gain))

    def monopoly(self) -> float:
        """The half-spread that earns a single dealer most, ``L/(2 (1-mu))`` where that is below Delta."""
        return float(self.monopoly_markup(0.5))

    def monopoly_markup(self, belief: ArrayLike) -> Floats:
        """By how much an ask exceeds the expected value if it shall earn most with the next customer.

        ``L/2 (1 + 2 mu p/(1-mu))`` where informed buyers still come, else what noise traders alone are worth most at;
        without reservations the informed buyer's gain.

        Parameters
        ----------
        belief : (...) array
            p, from 0 to 1. A monopolist's bid lies ``monopoly_markup(1-p)`` below.

        Examples
        --------
        >>> Customers(0.2, 1.0, 1.2).monopoly_markup([0.1, 0.5, 0.9])
        array([0.63, 0.75, 0.6 ])
        """
        p = np.asarray(belief, dtype=np.float64)
        gain = np.asarray(2 * (1 - p) * self.reach, dtype=np.float64)
        if math.isinf(self.reservation):
            return gain
        half, noise = self.reservation / 2, (1 - self.informed) / 2
        inner = np.minimum(half * (1 + self.informed * p / noise), np.minimum(gain, self.reservation))
        outer = np.maximum(half, gain)  # without informed buyers

        def earned(a: Floats) -> Floats:
            return noise * a * np.maximum(1 - a / self.reservation, 0) + self.informed * p * np.minimum(a - gain, 0)

        return np.asarray(np.where(earned(inner) >= earned(outer), inner, outer))

    # --- ticks -----------------------------------------------------------------------------------------------------

    def levels(self, tick: float) -> Floats:
        """The half-spreads that may be quoted: tick, 2 tick, ... up to :attr:`widest`.

        Raises
        ------
        TacitError
            If the first is too wide already.
        """
        if not 0 < tick <= self.widest * (1 + ROUNDING):
            raise TacitError(f"tick: {tick:g} is out of bounds; it must be above 0 and at most {self.widest:g}")
        count = math.floor(self.widest / tick * (1 + ROUNDING))
        return np.asarray(tick * np.arange(1, count + 1), dtype=np.float64)

    def symmetric_equilibria(self, tick: float, dealers: int = 2) -> Floats:
        """All half-spreads that are a symmetric equilibrium in pure strategies, ascending; there may be none.

        The best quote gets the customer and ties share him, so s is one if ``profit(s)/dealers >= max(0, profit(s'))``
        for all s' < s on the grid.

        Parameters
        ----------
        tick : float
        dealers : int
            At least 2: a single one has no rival.

        Examples
        --------
        >>> customers = Customers(0.2, 1.0, 1.2)
        >>> customers.symmetric_equilibria(0.05), customers.symmetric_equilibria(0.2)
        (array([0.25, 0.3 ]), array([0.4]))
        """
        if dealers < 2:
            raise TacitError(f"dealers: {dealers} is too small; an equilibrium needs at least 2")
        levels = self.levels(tick)
        worth = self.profit(levels)
        below = np.maximum.accumulate(np.concatenate([[0.0], worth[:-1]]))
        return np.asarray(levels[worth / dealers >= below - ROUNDING])

    def payoffs(self, tick: float, dealers: int = 2) -> Floats:
        """Expected profits of all joint quotes, (*levels + 1, dealers): the last action is to quote nothing.

        Examples
        --------
        >>> Customers(0.2, 1.0, 1.2).payoffs(0.6)[:, :, 0].round(3)
        array([[0.08, 0.16, 0.16],
               [0.  , 0.  , 0.  ],
               [0.  , 0.  , 0.  ]])
        """
        worth = np.append(self.profit(self.levels(tick)), 0.0)
        quotes = np.indices((len(worth),) * dealers)
        best = quotes.min(axis=0)
        first = quotes == best
        shares = np.moveaxis(first / first.sum(axis=0), 0, -1)
        return np.asarray(shares * worth[best][..., None])

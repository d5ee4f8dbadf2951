"""Auctions with private information: Bayes-Nash bids, revenue and surplus in closed form.

Signals are uniform on [0, 1] and independent. With independent values a unit is worth its bidder's signal; with a
common value (the wallet game) it is worth the sum of all signals to everybody. Bids must reach the reserve; the highest
win. The stage game ``first-price-auction`` (``games/auction.py``) is the auction with values that everybody knows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]
Format = Literal["first-price", "second-price", "all-pay", "uniform-price"]
PriceRule = Literal["highest-rejected", "lowest-accepted"]


@dataclass(frozen=True)
class AuctionGame:
    """An auction of so many equal units, of which each bidder wants the first few.

    Who wins pays its own bid (first price), the best bid that did not win (second price, and uniform price with
    ``highest-rejected``) or the lowest that did (``lowest-accepted``), at least the reserve; in an all-pay auction
    everybody pays every bid that reaches the reserve. With several units first price is a pay-as-bid auction. A bid
    below the reserve is no bid. A bidder who wants several units values each the same.

    Attributes
    ----------
    format : Format
    bidders : int
        n.
    units, demand : int
        Units for sale, k, and how many a bidder wants, m.
    reserve : float
        r, in the money of the values.
    common : bool
        Whether a unit is worth the sum of all signals to everybody.
    pricing : PriceRule
        Which bid is the price where it is uniform.

    Raises
    ------
    TacitError
        If these do not make an auction.

    Examples
    --------
    >>> AuctionGame("second-price", units=2)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: units: second-price sells one; use uniform-price for 2
    """

    format: Format = "first-price"
    bidders: int = 2
    units: int = 1
    demand: int = 1
    reserve: float = 0.0
    common: bool = False
    pricing: PriceRule = "highest-rejected"

    def __post_init__(self) -> None:
        if self.format == "second-price" and self.units > 1:
            raise TacitError(f"units: second-price sells one; use uniform-price for {self.units}")
        if self.common and self.units > 1:
            raise TacitError(f"units: a common value is for one, not {self.units}; set units: 1")
        if self.demand > self.units:
            raise TacitError(f"demand: {self.demand} units are more than there are; ask for at most {self.units}")
        if not 0 <= self.reserve < self.highest_value:
            bound = f"it must be at least 0 and below {self.highest_value:g}, the highest value"
            raise TacitError(f"reserve: {self.reserve:g} is out of bounds; {bound}")

    @property
    def highest_value(self) -> float:
        """The most that a unit can be worth."""
        return float(self.bidders) if self.common else 1.0

    @property
    def rejected_price(self) -> bool:
        """Whether winners pay the best bid that did not win."""
        return self.format == "second-price" or (
            self.format == "uniform-price" and self.pricing == "highest-rejected"
        )  # fmt: skip

    # --- order statistics ----------------------------------------------------------------------------------------

    def wins(self, signal: ArrayLike, units: int | None = None) -> Floats:
        """Chance that fewer than k of the n - 1 others have a higher signal: Q, the allocation by rank."""
        x, k = np.asarray(signal, dtype=np.float64), self.units if units is None else units
        return betainc(self.bidders - k, k, x) if k < self.bidders else np.ones_like(x)

    def rent(self, signal: ArrayLike) -> Floats:
        """Integral of Q from 0: with a threshold s0, a bidder's surplus is ``rent(s) - rent(s0)``."""
        x, a, b = np.asarray(signal, dtype=np.float64), self.bidders - self.units, self.units
        if a <= 0:
            return x
        return x * betainc(a, b, x) - a / (a + b) * betainc(a + 1, b, x)

    def ranked(self, rank: int, above: float = 0.0) -> float:
        """Expected excess ``E max(v - above, 0)`` of the signal of this rank among all, 0 the highest."""
        if rank >= self.bidders:
            return 0.0
        return self._integral(lambda x: 1 - betainc(self.bidders - rank, rank + 1, x), above)

    def _integral(self, function: Callable[[Floats], Floats], start: float) -> float:
        """Over signals from ``start`` to 1; exact for polynomials of a degree that only auctions of 100 exceed."""
        if start >= 1:
            return 0.0
        nodes, weights = np.polynomial.legendre.leggauss(self.bidders // 2 + 8)
        x = start + (1 - start) * (nodes + 1) / 2
        return float(function(x) @ weights * (1 - start) / 2)

    def shares(self) -> list[int]:
        """Units of each bidder in the order of their values where all units go to the highest values."""
        return [min(self.demand, max(0, self.units - j * self.demand)) for j in range(self.bidders)]


@dataclass(frozen=True, eq=False)
class BidFunction:
    """What a bidder does with its signal, and what it leads to if all do.

    Attributes
    ----------
    name : str
    bids : callable
        Maps signals (...,) to bids (..., m), the highest first, in money; 0 for a signal below the threshold.
    threshold : float
        The least signal that takes part.
    revenue : float
        Expected payments of all.
    surplus : float
        Expected payoff of one bidder.
    welfare : float
        Expected value of what is sold.
    efficiency : float
        Welfare over that of giving every unit to whom it is worth most.
    unique : bool
        Whether it is proved to be the only equilibrium.
    source : str
    pooled_from : float
        Bidders with at least this signal all bid the highest bid allowed.
    """

    name: str
    bids: Callable[[ArrayLike], Floats]
    threshold: float
    revenue: float
    surplus: float
    welfare: float
    efficiency: float
    unique: bool
    source: str
    pooled_from: float = math.inf


KRISHNA = "Krishna, Auction Theory, 2nd edition, 2010"


def best_welfare(game: AuctionGame) -> float:
    """Expected value of all units where they are worth most."""
    if game.common:
        return game.bidders / 2
    return sum(units * game.ranked(j) for j, units in enumerate(game.shares()))


class Ring(NamedTuple):
    """What all bidders together could do: their expected payoff, all of them together, and what they pay."""

    surplus: float
    revenue: float


def ring(game: AuctionGame) -> Ring:
    """The bidders' joint optimum: units go where they are worth most, at the reserve, if they are worth that.

    Independent values: ``sum_j units_j E max(v_(j) - r, 0)``, j the rank of a value. A common value is known to the
    ring from all signals. Without a reserve bids in proportion to values come as near to it as one likes.

    Examples
    --------
    >>> ring(AuctionGame("first-price")), ring(AuctionGame("uniform-price", units=2, demand=2)).surplus
    (Ring(surplus=0.66..., revenue=0.0), 1.33...)
    """
    n, r = game.bidders, game.reserve
    if game.common:
        return Ring(_sum_above(n, r, 1), r * _sum_above(n, r, 0))
    parts = list(enumerate(game.shares()))
    sold = sum(units * float(1 - betainc(n - j, j + 1, r)) for j, units in parts)
    return Ring(sum(units * game.ranked(j, r) for j, units in parts), r * sold)


def _sum_above(n: int, above: float, power: int) -> float:
    """``E[(s_1 + ... + s_n - r)^power; the sum exceeds r]`` for a power of 0 or 1: the Irwin-Hall law from its end."""
    terms = (math.comb(n, k) * (-1) ** k * (n - k - above) ** (n + power) for k in range(n + 1) if n - k > above)
    return math.fsum(terms) / math.factorial(n + power)


def bayes_nash(game: AuctionGame) -> BidFunction | None:
    """The symmetric Bayes-Nash equilibrium; None where no closed form is known.

    With Q(s) the chance to win by rank, s0 the threshold and ``U(s) = integral of Q from s0 to s`` (the envelope
    theorem, which makes all formats with the same Q and s0 equal in revenue):

    ================  =============================================================================================
    first price       ``b = v - U/Q``; one unit: ``(n-1)v/n + r^n/(n v^(n-1))``
    all-pay           ``b = v Q - U``; one unit: ``((n-1)v^n + r)/n``, threshold ``v0 Q(v0) = r``
    second price      ``b = v``, also with several units and one each (highest rejected bid)
    lowest accepted   ``b = a v/(a+1) + r^(a+1)/((a+1) v^a)`` with ``a = n - k``, one unit each
    common value      all with ``E[value | win]`` in place of v: first price ``(n+1)s/2 - s/n``, second ``(n+2)s/2``,
                      all-pay ``s^n((n+1)/2 - 1/n)``, without reserve; threshold ``(n+1)s0/2 = r``, all-pay
                      ``s0^n(n+1)/2 = r``
    bundle            everybody wants all k units: k times the auction of one, pay-as-bid, all-pay or second price
    ================  =============================================================================================

    It need not be the only one. With a common value, second price and n = 2 all pairs ``(a s, a s/(a-1))``, a > 1, are
    equilibria; where bidders want several units at the highest rejected bid see :func:`demand_reduction`.

    Returns
    -------
    BidFunction or None

    References
    ----------
    Krishna 2010, chapters 2 (first and second price, reserve), 3 (revenue equivalence, all-pay), 6 (a common value) and
    13 (several units); P. Milgrom and R. Weber, Econometrica 50 (1982) 1089-1122; B. Lebrun, International Economic
    Review 40 (1999) 125-142 (uniqueness at first price); P. Klemperer, European Economic Review 42 (1998) 757-769 (the
    wallet game).

    Examples
    --------
    >>> found = bayes_nash(AuctionGame("first-price", bidders=3))
    >>> print(found.bids(0.6)), print(round(found.revenue, 6), round(found.surplus, 6))
    [0.4]
    0.5 0.083333
    (None, None)
    >>> round(bayes_nash(AuctionGame("second-price", reserve=0.5)).revenue, 6)
    0.416667
    """
    if game.common:
        return _wallet(game)
    if game.demand == 1:
        return _single(game, 1)
    if game.demand == game.units and (game.format in ("first-price", "all-pay") or game.rejected_price):
        one: Format = "second-price" if game.rejected_price else game.format
        return _single(AuctionGame(one, game.bidders, reserve=game.reserve), game.units)
    return None


def demand_reduction(game: AuctionGame, share: float = 0.0) -> BidFunction:
    """Equilibria ``(v, share v)`` of two bidders who want both of two units at the highest rejected bid.

    Every share from 0 (demand reduction: each takes a unit for nothing) to 1 (sincere bids, as in a second-price
    auction of both units together) is one. With the rival's bids (t, share t) a second bid b earns
    ``2 E[v - t; t < b] + E[v - max(b, share t); b < t, share t < v]``, whose derivative is ``v - b/share`` up to
    ``b = share``, and negative beyond; the first bid v is weakly dominant. Revenue is ``(4/3)(share - share^2/2)``.

    Raises
    ------
    TacitError
        If the auction is another one.

    References
    ----------
    Krishna 2010, chapter 13; L. Ausubel et al., Review of Economic Studies 81 (2014) 1366-1400 (demand reduction). The
    equilibria between the two ends: the derivative above.

    Examples
    --------
    >>> game = AuctionGame("uniform-price", units=2, demand=2)
    >>> [round(demand_reduction(game, share).revenue, 4) for share in (0.0, 0.5, 1.0)]
    [0.0, 0.5, 0.6667]
    >>> demand_reduction(game).bids(0.6), round(demand_reduction(game).efficiency, 6)
    (array([0.6, 0. ]), 0.75)
    """
    if not has_demand_reduction(game):
        raise TacitError("demand: known for two bidders who want both of two units at the highest rejected bid")
    taken = share - share**2 / 2

    def bids(signal: ArrayLike) -> Floats:
        return np.multiply.outer(np.asarray(signal, dtype=np.float64), [1.0, share])

    welfare = 1 + 2 * taken / 3
    name = "demand reduction" if share == 0 else f"Bayes-Nash, second bids {share:g} v"
    return BidFunction(
        name, bids, 0.0, 4 * taken / 3, 0.5 - taken / 3, welfare, welfare / best_welfare(game), False,
        f"{KRISHNA}, chapter 13",
    )  # fmt: skip


def has_demand_reduction(game: AuctionGame) -> bool:
    """Whether :func:`demand_reduction` knows the auction."""
    return game.rejected_price and (game.bidders, game.units, game.demand, game.reserve) == (2, 2, 2, 0.0)


def _single(game: AuctionGame, copies: int) -> BidFunction:
    """Independent values, one unit each; or so many copies of it for bidders who want all."""
    threshold = _threshold(game)
    base = float(game.rent(threshold))

    def bids(signal: ArrayLike) -> Floats:
        v = np.asarray(signal, dtype=np.float64)
        takes_part = v >= threshold
        x = np.where(takes_part & (v > 0), v, 1.0)
        found = np.where(takes_part & (v > 0), _bid(game, x, game.rent(x) - base), 0.0)
        return np.repeat(found[..., None], copies, axis=-1)

    each = game._integral(lambda x: game.rent(x) - base, threshold)
    welfare = game.bidders * game._integral(lambda x: x * game.wins(x), threshold)
    unique = game.format == "first-price" and game.units == 1
    return BidFunction(
        "Bayes-Nash", bids, threshold, copies * (welfare - game.bidders * each), copies * each, copies * welfare,
        welfare / best_welfare(game), unique, f"{KRISHNA}, chapters 2, 3 and 13",
    )  # fmt: skip


def _threshold(game: AuctionGame) -> float:
    """The least signal that takes part: it wins against nobody, and a bid at the reserve leaves it nothing."""
    if game.format != "all-pay" or game.reserve == 0:
        return game.reserve
    from scipy.optimize import brentq

    return float(brentq(lambda x: x * float(game.wins(x)) - game.reserve, 0.0, 1.0, xtol=1e-15))


def _bid(game: AuctionGame, v: Floats, rent: Floats) -> Floats:
    if game.rejected_price:
        return v
    if game.format == "first-price":
        return v - rent / game.wins(v)
    if game.format == "all-pay":
        return v * game.wins(v) - rent
    others = max(game.bidders - game.units, 0)
    return (others * v + game.reserve * (game.reserve / v) ** others) / (others + 1)


def _wallet(game: AuctionGame) -> BidFunction:
    """A common value, the sum of all signals; one unit."""
    n, r = game.bidders, game.reserve
    mean = (n + 1) / 2  # of the value if one's own signal is 1 and the highest, per unit of signal
    threshold = (r / mean) ** (1 / n) if game.format == "all-pay" else r / mean

    def bids(signal: ArrayLike) -> Floats:
        s = np.asarray(signal, dtype=np.float64)
        takes_part = s >= threshold
        x = np.where(takes_part & (s > 0), s, 1.0)
        paid = mean * x**n - (x**n - threshold**n) / n
        if game.format == "all-pay":
            wanted = paid
        elif game.format == "first-price" or not game.rejected_price:
            wanted = paid / x ** (n - 1)
        else:
            wanted = (n + 2) / 2 * x
        return np.where(takes_part & (s > 0), wanted, 0.0)[..., None]

    each = game._integral(lambda x: (x**n - threshold**n) / n, threshold)
    welfare = n * game._integral(lambda x: mean * x**n, threshold)
    return BidFunction(
        "Bayes-Nash", bids, threshold, welfare - n * each, each, welfare, welfare / best_welfare(game), False,
        f"{KRISHNA}, chapter 6",
    )  # fmt: skip


def truthful_revenue(game: AuctionGame) -> float | None:
    """Revenue if all bid what a unit is worth to them; independent values without reserve only.

    Examples
    --------
    >>> truthful_revenue(AuctionGame("uniform-price", units=2, demand=2)), truthful_revenue(AuctionGame("first-price"))
    (0.66..., 0.66...)
    """
    if game.common or game.reserve:
        return None
    if game.format == "all-pay":
        return game.bidders * game.demand / 2
    if game.format == "first-price":
        return best_welfare(game)
    place = game.units if game.rejected_price else game.units - 1
    return min(game.units, game.bidders * game.demand) * game.ranked(place // game.demand)

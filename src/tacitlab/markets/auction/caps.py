"""Auctions with a highest bid: below it bids are as without one, and those who would bid more pool at it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.markets.auction.theory import AuctionGame, BidFunction, Floats, bayes_nash, best_welfare

SIGNALS = 2049  # where bids are compared with the highest: they rise with the signal


def bayes_nash_capped(game: AuctionGame, highest: float, by_share: bool = False) -> BidFunction | None:
    """The symmetric Bayes-Nash equilibrium if bids are at most ``highest``; None where no closed form is known.

    The equilibrium without a cap, if nobody bids more. Else, with independent values and one unit each, bidders with a
    signal of at least v* pool at the cap c, and win by lot with chance ``W = E min(1, k/(K + 1))``, K of the n - 1
    others also having at least v*. With the rent ``U(v)`` of bids below the cap, v* is indifferent:

    ============  =================================================================================
    first price   ``(v* - c) W(v*) = U(v*)``; two bidders, no reserve: ``v*^2 = (v* - c)(1 + v*)``
    all-pay       ``v* W(v*) - c = U(v*)``, or nobody bids less than c: ``v* W(v*) = c``
    second price  bids are ``min(v, c)``: ``v* = c``
    ============  =================================================================================

    Left sides rise faster in v* than right ones, so that there is one solution.

    Parameters
    ----------
    game : AuctionGame
    highest : float
        In money; or, ``by_share``, in signals of the bidder: all bid ``c v`` if the share would be larger.

    References
    ----------
    Y.-K. Che and I. Gale, American Economic Review 88 (1998) 643-651 (caps in all-pay auctions); I. Gavious,
    B. Moldovanu and A. Sela, RAND Journal of Economics 33 (2002) 709-722 (bid caps with private values).

    Examples
    --------
    >>> found = bayes_nash_capped(AuctionGame("first-price"), 0.3)
    >>> print(found.bids([0.42, 0.43])[:, 0], round(found.revenue, 4))
    [0.21 0.3 ] 0.2712
    """
    free = bayes_nash(game)
    if free is None:
        return None
    signals = np.linspace(max(free.threshold, 1 / SIGNALS), 1, SIGNALS)
    asked = free.bids(signals)[..., 0] / (signals if by_share else 1)
    if asked.max() <= highest * (1 + 1e-12):
        return free
    if by_share:
        return _shares(game, free, highest)
    if game.common or game.demand > 1 or game.units >= game.bidders:
        return None
    if game.format not in ("first-price", "all-pay") and not game.rejected_price:
        return None
    return _pooled(game, free, highest)


def pooled_chance(game: AuctionGame, start: float) -> float:
    """Chance to win by lot if all others with a signal of at least ``start`` bid as much: W."""
    from scipy.stats import binom

    rivals = np.arange(game.bidders)
    chances = binom.pmf(rivals, game.bidders - 1, 1 - start)
    return float(chances @ np.minimum(1.0, game.units / (rivals + 1)))


def _pooled(game: AuctionGame, free: BidFunction, cap: float) -> BidFunction:
    from scipy.optimize import brentq

    base = float(game.rent(free.threshold))

    def surplus(start: float) -> float:
        """What the bidder at the start of the pool gains by joining it."""
        chance, rent = pooled_chance(game, start), max(float(game.rent(start)) - base, 0.0)
        return start * chance - cap - rent if game.format == "all-pay" else (start - cap) * chance - rent

    pool = cap if game.rejected_price else float(brentq(surplus, 0.0, 1.0, xtol=1e-15))
    nobody_below = pool <= free.threshold
    threshold = pool if nobody_below else free.threshold
    chance = pooled_chance(game, pool)

    def bids(signal: ArrayLike) -> Floats:
        v = np.asarray(signal, dtype=np.float64)
        below = np.zeros_like(v)[..., None] if nobody_below else free.bids(v)
        return np.where(v[..., None] >= pool, cap, below)

    def expected(worth: Callable[[Floats], Floats]) -> float:
        """Integral over signals of the chance to win times what that is worth."""
        below = 0.0
        if not nobody_below:
            below = game._integral(lambda x: worth(x) * game.wins(x), threshold)
            below -= game._integral(lambda x: worth(x) * game.wins(x), pool)
        return below + chance * game._integral(worth, pool)

    # The envelope theorem: a bidder's surplus rises with its signal by its chance to win.
    each, welfare = expected(lambda x: 1 - x), game.bidders * expected(lambda x: x)
    return replace(
        free,
        name="Bayes-Nash with the cap",
        bids=bids,
        threshold=threshold,
        revenue=welfare - game.bidders * each,
        surplus=each,
        welfare=welfare,
        efficiency=welfare / best_welfare(game),
        unique=False,
        pooled_from=pool,
        source="Gavious, Moldovanu and Sela 2002",
    )


def _shares(game: AuctionGame, free: BidFunction, share: float) -> BidFunction | None:
    """Everybody bids the highest share: of one unit, or where bids are no more than values, no bid is too high."""
    if game.common or game.reserve or game.demand > 1 or game.format == "all-pay":
        return None
    if game.rejected_price:
        revenue = share * game.units * game.ranked(game.units)
    elif game.format == "first-price" and game.units == 1:
        revenue = share * game.ranked(0)
    else:
        return None

    def bids(signal: ArrayLike) -> Floats:
        return share * np.asarray(signal, dtype=np.float64)[..., None]

    surplus = (free.welfare - revenue) / game.bidders
    return replace(free, name="Bayes-Nash with the cap", bids=bids, revenue=revenue, surplus=surplus, unique=False)

"""Exploitability of any bid functions: what each bidder could gain by the best response to how the others bid.

A bid function is given by its bids at equally spaced signals and linear in between, so that the law of a bid is exact.
A bidder's expected payoff is linear in its signal, ``s W(b) + X(b) - C(b)``: W is the chance to win, X what the others'
signals add where the value is common, C the expected payment. The best response is searched over a fine grid of bids
with every kink of the others' laws, and bounded from above between them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.auction.outcome import outcome
from tacitlab.markets.auction.theory import AuctionGame, Floats

POINTS = 4001  # bids of the search, besides the kinks
NODES, WEIGHTS = (np.polynomial.legendre.leggauss(2)[0] + 1) / 2, np.polynomial.legendre.leggauss(2)[1] / 2


@dataclass(frozen=True, eq=False)
class Judged:
    """What bid functions lead to, and what a best response would add.

    Attributes
    ----------
    revenue : float
        Expected payments of all.
    welfare : float
        Expected value of what is sold.
    surplus : (n,) array
        Expected payoff of each bidder.
    best : (n,) array
        Of a best response to the others, who stay as they are: the best that was found.
    error : (n,) array
        No response brings more than ``best + error``.
    """

    revenue: float
    welfare: float
    surplus: Floats
    best: Floats
    error: Floats

    @property
    def exploitability(self) -> Floats:
        """What each bidder could gain, (n,)."""
        return self.best - self.surplus


def judge(game: AuctionGame, bids: ArrayLike) -> Judged:
    """Revenue, surplus and exploitability of bid functions, which may differ between bidders.

    Parameters
    ----------
    game : AuctionGame
        One unit each; or two units, highest rejected bid, and two bidders who want both.
    bids : (n, p) or (n, p, m) array
        Bids at the signals ``linspace(0, 1, p)``, linear in between, in any order over m; at least 0.

    Raises
    ------
    TacitError
        If the shape is wrong, or more than one unit each is wanted in another auction.

    Notes
    -----
    For one unit each the only error is that of the search over bids, which ``error`` bounds; with three bidders or more
    payments are integrated by the trapezium rule, too. For two units each the opponent's law is an average over
    2(p - 1) of its signals: where its bids rise with its signal, and nobody bids above the value, that changes an
    expected payoff of at most 2v by no more than v/(p - 1), and ``error`` is twice the mean of it.

    Examples
    --------
    Both bid 0.8 times their value at first price; the best response gains 0.0375:

    >>> signals = np.linspace(0, 1, 201)
    >>> found = judge(AuctionGame("first-price"), np.stack([0.8 * signals, 0.8 * signals]))
    >>> print(round(found.revenue, 4), found.exploitability.round(4))
    0.5333 [0.0375 0.0375]
    """
    made = np.asarray(bids, dtype=np.float64)
    made = made[..., None] if made.ndim == 2 else made
    if made.ndim != 3 or made.shape[::2] != (game.bidders, game.demand) or made.shape[1] < 2:
        wanted = f"({game.bidders}, signals, {game.demand})"
        raise TacitError(f"bids: the shape {made.shape} is wrong; give {wanted}")
    if not (np.isfinite(made).all() and (made >= 0).all()):
        raise TacitError("bids: some are not finite, or negative; give numbers of at least 0")
    if game.demand == 1:
        return _judge_single(game, made[..., 0])
    if game.rejected_price and (game.bidders, game.units, game.demand) == (2, 2, 2):
        return _judge_pair(game, -np.sort(-made, axis=-1))
    raise TacitError("demand: best responses with several units are known for two bidders and two units at the "
                     "highest rejected bid only; set demand: 1")  # fmt: skip


def own_signals(points: int) -> tuple[Floats, Floats]:
    """Signals at which a bid function is averaged, two in each piece, and their weights."""
    pieces = points - 1
    signals = (np.arange(pieces)[:, None] + NODES) / pieces
    return signals.ravel(), np.tile(WEIGHTS / pieces, pieces)


# --- one unit each -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Law:
    """How likely a bidder bids less than each of some bids, or no more; and its expected signal where it does."""

    below: Floats
    upto: Floats
    signal_below: Floats
    signal_upto: Floats


def law(bids: Floats, at: Floats) -> Law:
    """The law of a bid that is linear in the signal between equally spaced signals."""
    pieces = len(bids) - 1
    start, low, high = np.arange(pieces) / pieces, np.minimum(bids[:-1], bids[1:]), np.maximum(bids[:-1], bids[1:])
    rising, width, x = bids[1:] >= bids[:-1], high - low, at[:, None]
    inside = np.clip((x - low) / np.where(width > 0, width, 1.0), 0.0, 1.0)

    def sums(part: Floats) -> tuple[Floats, Floats]:
        first = np.where(rising, start, start + (1 - part) / pieces)
        return part.mean(axis=1), (part * (first + part / (2 * pieces))).mean(axis=1)

    under, signal_under = sums(np.where(width > 0, inside, x > low))
    flat = width == 0
    if not flat.any():
        return Law(under, under, signal_under, signal_under)
    return Law(under, *_swap(sums(np.where(width > 0, inside, x >= low)), signal_under))


def _swap(upto: tuple[Floats, Floats], signal_under: Floats) -> tuple[Floats, Floats, Floats]:
    return upto[0], signal_under, upto[1]


def fewer_above(upto: Floats, units: int) -> Floats:
    """Chance that fewer than so many of the others bid more, from their chances (others, bids) not to."""
    if units == 0:
        return np.zeros(upto.shape[1:])
    counts = [np.ones(upto.shape[1:])] + [np.zeros(upto.shape[1:])] * (units - 1)
    for chance in upto:
        more = 1 - chance
        counts = [counts[j] * chance + (counts[j - 1] * more if j else 0.0) for j in range(units)]
    return sum(counts[1:], counts[0])


@dataclass(frozen=True, eq=False)
class Terms:
    """Payoff of a bid by signal s, ``s win + extra - cost``: as it is, and of a bid just above it."""

    win: Floats
    extra: Floats
    cost: Floats
    win_above: Floats
    extra_above: Floats
    cost_above: Floats


def terms(game: AuctionGame, at: Floats, others: list[Law], continuous: bool = True) -> Terms:
    """Chance to win, what the others' signals add, and expected payment, of bids in increasing order.

    A uniform price is paid as ``E[max(Y, r); win] = b W(b) - integral_r^b P(Y <= x) dx``, Y the bid that sets it. The
    integral is that of the trapezium rule; of ``continuous: False`` bids, a sum over steps.
    """
    below, upto = (np.stack([getattr(one, name) for one in others]) for name in ("below", "upto"))
    signals = [np.stack([getattr(one, name) for one in others]) for name in ("signal_below", "signal_upto")]
    in_auction = at >= game.reserve
    win = extra = np.zeros_like(at)
    # Each bid draws a uniform number that settles ties: given that it is u, a tied rival loses with probability u.
    nodes, weights = np.polynomial.legendre.leggauss(len(others) // 2 + 1)
    for u, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        beaten, gained = below + u * (upto - below), signals[0] + u * (signals[1] - signals[0])
        win = win + weight * fewer_above(beaten, game.units)
        extra = extra + weight * _added(game, beaten, gained)
    win_above, extra_above = fewer_above(upto, game.units), _added(game, upto, signals[1])
    if game.format == "all-pay":
        cost = cost_above = at
    else:
        setting = 0 if game.format == "first-price" else game.units - (not game.rejected_price)
        left, right = fewer_above(upto, setting), fewer_above(below, setting)
        mean = (left[:-1] + right[1:]) / 2 if continuous else left[:-1]
        least = np.maximum(at, game.reserve)
        area = np.concatenate([[0.0], np.cumsum(mean * np.diff(least))])
        cost, cost_above = at * win - area, at * win_above - area
    parts = (win, extra, cost, win_above, extra_above, cost_above)
    return Terms(*(np.where(in_auction, part, 0.0) for part in parts))


def _added(game: AuctionGame, beaten: Floats, gained: Floats) -> Floats:
    """``E[sum of the others' signals; all of them are beaten]`` where the value is common."""
    if not game.common:
        return np.zeros(beaten.shape[1:])
    total = np.zeros(beaten.shape[1:])
    for j in range(len(beaten)):
        total += gained[j] * np.prod(np.delete(beaten, j, axis=0), axis=0)
    return total


def _judge_single(game: AuctionGame, bids: Floats) -> Judged:
    signals, weights = own_signals(bids.shape[1])
    knots = np.linspace(0, 1, bids.shape[1])
    grid = np.linspace(0, max(bids.max(), game.reserve), POINTS)
    surplus, best, error, paid, worth = (np.zeros(game.bidders) for _ in range(5))
    for i in range(game.bidders):
        own, rivals = np.interp(signals, knots, bids[i]), np.delete(bids, i, axis=0)
        at, place = np.unique(np.concatenate([own, grid, rivals.ravel(), [game.reserve]]), return_inverse=True)
        laws = [law(rival, at) for rival in rivals]
        found, mine = terms(game, at, laws), place[: len(own)]
        worth[i] = weights @ (signals * found.win[mine] + found.extra[mine])
        paid[i] = weights @ found.cost[mine]
        surplus[i] = worth[i] - paid[i]
        top = _highest(signals, found.win_above, found.extra_above - found.cost_above)
        # Between two bids no more is won than just below the upper one, and no less paid than just above the lower one.
        win, extra = _just_below(game, at, laws)
        bound = _highest(signals, win[1:], extra[1:] - found.cost_above[:-1])
        best[i], error[i] = weights @ top, weights @ np.maximum(bound - top, 0.0)
    return Judged(float(paid.sum()), float(worth.sum()), surplus, best, error)


def _just_below(game: AuctionGame, at: Floats, others: list[Law]) -> tuple[Floats, Floats]:
    """Chance to win, and what is added, with bids just below these."""
    below, signals = np.stack([one.below for one in others]), np.stack([one.signal_below for one in others])
    valid = at > game.reserve
    return np.where(valid, fewer_above(below, game.units), 0.0), np.where(valid, _added(game, below, signals), 0.0)


def _highest(signals: Floats, slope: Floats, level: Floats) -> Floats:
    """Largest of the lines, and of staying away, at each signal."""
    found = np.zeros(len(signals))
    for part in np.array_split(np.arange(len(signals)), max(1, len(signals) * len(slope) // 2_000_000)):
        found[part] = np.maximum((signals[part, None] * slope + level).max(axis=1), 0.0)
    return found


# --- two units each ------------------------------------------------------------------------------------------------


def _judge_pair(game: AuctionGame, bids: Floats) -> Judged:
    """Two bidders, two units, both want both, highest rejected bid."""
    signals, weights = own_signals(bids.shape[1])
    knots = np.linspace(0, 1, bids.shape[1])
    made = np.stack([[np.interp(signals, knots, column) for column in one.T] for one in bids]).swapaxes(1, 2)
    surplus, best, paid, worth = (np.zeros(2) for _ in range(4))
    for i in range(2):
        own, rival = made[i], made[1 - i]
        for part in np.array_split(np.arange(len(own)), max(1, len(own) * len(rival) // 200_000)):
            pairs = np.stack(np.broadcast_arrays(own[part, None, :], rival[None, :, :]), axis=2)
            units, payments = (x[..., 0] @ weights for x in outcome(game, pairs))
            worth[i] += (weights[part] * signals[part]) @ units
            paid[i] += weights[part] @ payments
        surplus[i] = worth[i] - paid[i]
        best[i] = weights @ _best_pair(signals, rival, weights, game.reserve)
    error = np.full(2, 1 / (bids.shape[1] - 1))
    return Judged(float(paid.sum()), float(worth.sum()), surplus, best, error)


def _best_pair(signals: Floats, rival: Floats, weights: Floats, reserve: float) -> Floats:
    """Payoff of the best two bids by value: the value itself for the first unit, which nothing beats, and for the
    second none, or just above the reserve or one of the rival's first bids: in between only its price would rise.

    ``2 E[v - max(c1, r); c1 < b2] + E[max(v - max(b2, c2, r), 0); c1 > b2]``, (c1, c2) the rival's bids.
    """
    first, second = np.maximum(rival[:, 0], reserve), np.maximum(rival[:, 1], reserve)
    order = np.argsort(second)
    first_by, second_by, weight_by = rival[order, 0], second[order], weights[order]
    best = np.zeros(len(signals))
    for bid in np.unique(np.concatenate([[-1.0, reserve], first])):
        both = rival[:, 0] <= bid
        gain = 2 * (signals * weights[both].sum() - weights[both] @ first[both])
        alone = np.where(first_by > bid, weight_by, 0.0)
        price = np.maximum(second_by, bid)
        lower = np.searchsorted(price, signals)
        mass, cost = (np.concatenate([[0.0], np.cumsum(x)]) for x in (alone, alone * price))
        gain += signals * mass[lower] - cost[lower]
        best = np.maximum(best, np.where((signals >= reserve) & (bid <= signals), gain, 0.0))
    return best


def best_bids(game: AuctionGame, bids: ArrayLike, signals: ArrayLike) -> NDArray[np.float64]:
    """The best response of the first bidder to the others' bid functions, at some signals; one unit each.

    Examples
    --------
    >>> v = np.linspace(0, 1, 101)
    >>> best_bids(AuctionGame("first-price"), np.stack([v, v / 2]), [0.2, 0.6]).round(3)
    array([0.1, 0.3])
    """
    made = np.asarray(bids, dtype=np.float64)
    at = np.unique(np.concatenate([np.linspace(0, made.max(), POINTS), made[1:].ravel(), [game.reserve]]))
    found = terms(game, at, [law(rival, at) for rival in made[1:]])
    gains = np.multiply.outer(np.asarray(signals), found.win_above) + found.extra_above - found.cost_above
    return at[gains.argmax(axis=-1)]


def slope_exploitability(slope: float) -> float:
    """What a bidder gains at most against another in a first-price auction if both bid slope times value; n = 2.

    ``E_v[max_b (v - b) min(1, b/slope)] - (1 - slope)/3``: ``2(slope - 1/2)^2/3`` for a slope up to 1/2, and
    ``(2 slope - 1)^2/(12 slope)`` above.

    Examples
    --------
    >>> slope_exploitability(0.5), round(slope_exploitability(0.8), 6)
    (0.0, 0.0375)
    """
    if slope <= 0.5:
        return 2 * (slope - 0.5) ** 2 / 3
    return (2 * slope - 1) ** 2 / (12 * slope)

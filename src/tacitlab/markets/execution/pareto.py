"""The Pareto front of the optimal execution game between two agents: who pays how much if nobody can be better off.

The costs are jointly not convex (each agent's trades meet the other's), so that weighted sums of the costs find only
a part of the front; the rest comes from minimising one cost under a bound on the other.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.execution import quadratic
from tacitlab.markets.execution.liquidation import FLAT, LiquidationGame, Solution, best_response
from tacitlab.markets.execution.optimum import joint_optimum
from tacitlab.markets.execution.quadratic import Floats

MIDDLE = 0.5  # part of the convex range of weights that a front without bounds shows
CORNERS = 4096  # one-step liquidations of all assets that are tried at most
RANDOM = 6  # random starts of an uncertified point, beside those with one-step liquidations
TIE = 1e-9  # costs this close, relative to the largest, count as equal


@dataclass(frozen=True, eq=False)
class Front:
    """Points of a Pareto front, by ascending cost of agent 0.

    Attributes
    ----------
    costs : (points, 2) array
        Expected costs, currency.
    schedules : (points, 2, steps, assets) array
        Shares sold.
    weights : (points,) array
        Weight of agent 0's cost in the weighted sum of costs to which the point is stationary, NaN at an end of the
        front where none is known.
    certified : (points,) bool array
        True if that sum is convex at this weight, or the point was found by enumeration: it is a Pareto optimum, up
        to ``error``. Otherwise it is the best of many local searches.
    error : float
        The largest error of a point, currency: by how much its weighted sum, divided by the larger weight, may lie
        above the smallest (of an uncertified point: above the smallest nearby, to first order).
    """

    costs: Floats
    schedules: Floats
    weights: Floats
    certified: NDArray[np.bool_]
    error: float


@dataclass(frozen=True, eq=False)
class _Point:
    flat: Floats  # signs removed where only sales are allowed, (2 D,)
    weight: float
    certified: bool
    error: float


def convex_weights(game: LiquidationGame) -> tuple[float, float] | None:
    """The weights w for which ``w cost_0 + (1 - w) cost_1`` is convex over full liquidations.

    Parameters
    ----------
    game : LiquidationGame
        Of two agents.

    Returns
    -------
    (float, float) or None
        The least and the largest one; None if there is none.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> low, high = convex_weights(almgren_chriss().game([100, 100]))
    >>> round(low, 3), round(high, 3)
    (0.171, 0.829)
    """
    from scipy.optimize import brentq

    _require_pair(game)
    if _margin(game, 0.5) < 0:
        return None
    low = 0.5 if _margin(game, 0.5) == 0 else float(brentq(partial(_margin, game), 0.0, 0.5, xtol=1e-14))
    return low, 1 - low


def weighted_optimum(game: LiquidationGame, weight: float) -> Solution:
    """The schedules that minimise ``weight cost_0 + (1 - weight) cost_1``: a point of the Pareto front.

    Parameters
    ----------
    game : LiquidationGame
        Of two agents.
    weight : float
        Strictly inside :func:`convex_weights`.

    Returns
    -------
    Solution
        Exact to rounding.

    Raises
    ------
    TacitError
        If the weighted sum is not strictly convex, as it is then unbounded below or may have several minima.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> weighted_optimum(almgren_chriss().game([100, 100]), 0.45).costs.round(3)
    array([11.901, 10.186])
    """
    _require_pair(game)
    if _margin(game, weight) <= 0:
        low, high = convex_weights(game) or (np.nan, np.nan)
        allowed = f"choose one between {low:.3f} and {high:.3f}" if low < high else "no weight makes it so"
        raise TacitError(f"weight: {weight:g} makes the weighted sum of costs not strictly convex; {allowed}")
    hessian, totals = _signed(game, weight), game.totals(0, 1)
    zero = np.zeros(len(hessian))
    flat = quadratic.stationary(hessian, zero, totals)
    method = "first-order conditions (one linear system)"
    if game.sales_only and (flat < 0).any():
        flat, method = quadratic.convex_program(hessian, zero, totals), "quadratic program (active set)"
    schedules = _schedules(game, flat)
    return Solution(schedules, game.costs(schedules), _error(game, hessian, flat, weight), method)


def pareto_front(game: LiquidationGame, points: int = 41) -> Front:
    """Points of the Pareto front of two agents, from one end to the other.

    Parameters
    ----------
    game : LiquidationGame
    points : int
        About how many; dominated ones and repetitions are dropped.

    Returns
    -------
    Front
        With sales only: the whole front. Otherwise it has no ends, and the middle ``MIDDLE`` of the range of weights
        for which the weighted sum is convex is shown.

    Raises
    ------
    TacitError
        If there are not two agents, or trades may have any sign and no weighted sum is strictly convex.

    Notes
    -----
    With sales only, evenly spaced bounds on one agent's cost: SLSQP minimises the other's, Newton's method sharpens
    the result. Where the multiplier says that the point minimises a convex weighted sum, that proves it optimal;
    elsewhere the best of many starts is taken (one agent sells everything in one step, neighbouring points, random
    ones). The ends are found exactly: for a given schedule of the one agent its cost is linear in the other's, so
    that the least one occurs where the other sells each asset in a single step. If both agents have the same
    inventories, one half of the front is the mirror image of the other.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> front = pareto_front(almgren_chriss().game([100, 100]), points=3)
    >>> front.costs.round(3)
    array([[ 7.486, 16.271],
           [11.   , 11.   ],
           [16.271,  7.486]])
    """
    _require_pair(game)
    if points < 3:
        raise TacitError(f"points: {points} is too small; it must be 3 or more")
    weights = convex_weights(game)
    if game.sales_only:
        return _bounded_front(game, points)
    if weights is None or weights[0] == weights[1]:
        raise TacitError("game: no weighted sum of the costs is strictly convex; allow sales only")
    half = MIDDLE * (weights[1] - weights[0]) / 2
    found = []
    for weight in np.linspace(0.5 + half, 0.5 - half, points):
        solution = weighted_optimum(game, weight)
        found.append(_Point(solution.schedules.reshape(-1), weight, True, solution.error))
    return _front(game, found)


def least_cost(game: LiquidationGame, bound: float, starts: list[Floats] | None = None) -> Solution | None:
    """Agent 0's least cost if agent 1 pays no more than ``bound``; sales only.

    Parameters
    ----------
    game : LiquidationGame
        Of two agents who may only sell.
    bound : float
        Currency.
    starts : list of (2, steps, assets) arrays, optional
        Schedules to search from, beside the usual ones.

    Returns
    -------
    Solution or None
        None if no schedules keep to the bound. ``error`` is infinite if it is not certified.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> least_cost(almgren_chriss().game([100, 100], sales_only=True), 10.0).costs.round(3)
    array([12.134, 10.   ])
    """
    _require_pair(game)
    if not game.sales_only:
        raise TacitError("sales_only: False leaves the cost without a minimum; set it to True")
    signs, end = game.signs(0, 1), _end(game)
    least = float(game.costs(_schedules(game, end.flat))[1])
    if bound < least - TIE * abs(least):
        return None
    near = [signs * game.flat(start).reshape(-1) for start in starts or [game.twap()]]
    point = end if bound <= least + TIE * abs(least) else _bounded(game, bound, [end.flat, *near]) or end
    schedules = _schedules(game, point.flat)
    error = point.error if point.certified else np.inf
    return Solution(schedules, game.costs(schedules), error, "bound on the other's cost (SLSQP, then Newton)")


def _bounded_front(game: LiquidationGame, points: int) -> Front:
    """Sales only: bounds on agent 1's cost from its least one upwards, then the same with the agents swapped."""
    middle = joint_optimum(game)
    signs = game.signs(0, 1)
    flat, proved = signs * middle.schedules.reshape(-1), bool(np.isfinite(middle.error))
    centre = _Point(flat, 0.5, proved, middle.error if proved else _error(game, _signed(game, 0.5), flat))
    swapped = LiquidationGame(game.own, game.cross, game.inventories[::-1], game.steps, True)
    symmetric = not np.ptp(game.inventories, axis=0).any()
    count = (points - 1) // 2
    top = float(middle.costs.max()) if symmetric else float(middle.costs[1])
    found = _half(game, top, centre, count)
    if symmetric:
        found += [_mirror(point) for point in found]
    else:
        found += [_mirror(p) for p in _half(swapped, float(middle.costs[0]), _mirror(centre), points - 1 - count)]
    return _front(game, [*found, centre])


def _half(game: LiquidationGame, top: float, centre: _Point, count: int) -> list[_Point]:
    """From agent 1's least cost up to ``top``, that not included."""
    end = _end(game)
    bottom = float(game.costs(_schedules(game, end.flat))[1])
    found, last = [end], centre
    for bound in np.linspace(bottom, top, count + 1)[:0:-1][1:]:
        point = _bounded(game, float(bound), [last.flat, end.flat])
        if point is not None:
            found.append(point)
            last = point
    return found


def _end(game: LiquidationGame) -> _Point:
    """Agent 1's least cost, and agent 0's least one given that."""
    corners = list(product(range(game.steps), repeat=game.assets))
    if len(corners) > CORNERS:
        raise TacitError(f"game: {game.steps} steps of {game.assets} assets are too many for a front; take fewer")
    schedules, costs = [], []
    for corner in corners:
        pair = np.zeros((2, game.steps, game.assets))
        pair[0, list(corner), np.arange(game.assets)] = game.inventories[0]
        pair[1], cost = best_response(game, 1, pair)
        schedules.append(pair)
        costs.append(cost)
    ties = [pair for pair, cost in zip(schedules, costs, strict=True) if cost <= min(costs) + TIE * abs(min(costs))]
    best = ties[0][1]
    same = [pair[0] for pair in ties if np.abs(pair[1] - best).max() <= TIE * np.abs(game.inventories).max()]
    mixture = _cheapest_mixture(game, np.array(same).reshape(len(same), -1), best.reshape(-1))
    return _Point(game.signs(0, 1) * np.concatenate([mixture, best.reshape(-1)]), np.nan, len(same) == len(ties), 0.0)


def _cheapest_mixture(game: LiquidationGame, schedules: Floats, other: Floats) -> Floats:
    """Agent 0's cheapest mixture of schedules that are all the same to agent 1."""
    shares = quadratic.Totals(np.arange(len(schedules))[None], np.ones(1))
    inner = schedules @ game.own @ schedules.T
    return np.asarray(quadratic.convex_program(inner, schedules @ game.cross @ other, shares) @ schedules)


def _bounded(game: LiquidationGame, bound: float, near: list[Floats]) -> _Point | None:
    """Minimise agent 0's cost under a bound on agent 1's: from nearby points, then from many unless certified."""
    point = _search(game, bound, near)
    if point is not None and point.certified:
        return point
    corners = np.eye(game.steps)[:, :, None] * np.ones(game.assets)
    starts = []
    for corner in corners:
        pair = game.twap()
        pair[0] = corner * game.inventories[0]
        pair[1] = best_response(game, 1, pair).schedule
        starts.append(game.signs(0, 1) * pair.reshape(-1))
    starts += quadratic.random_points(game.totals(0, 1), RANDOM)
    return _search(game, bound, starts if point is None else [point.flat, *starts])


def _search(game: LiquidationGame, bound: float, starts: list[Floats]) -> _Point | None:
    totals, first, second = game.totals(0, 1), _signed(game, 1.0), _signed(game, 0.0)
    unit = float(totals.amounts.max())
    scaled, level = second / game.scale, bound / (game.scale * unit**2)
    limit = {"type": "ineq", "fun": lambda z: level - 0.5 * z @ scaled @ z, "jac": lambda z: -scaled @ z}
    for flat in quadratic.local_minima(first, totals, starts, limit):
        point = _sharpened(game, np.maximum(flat, 0.0), bound)
        if 0.5 * point.flat @ second @ point.flat <= bound + TIE * abs(bound):
            return point
    return None


def _sharpened(game: LiquidationGame, flat: Floats, bound: float) -> _Point:
    """Newton's method on the conditions of first order, keeping the zeros that SLSQP has found."""
    first, second, totals = _signed(game, 1.0), _signed(game, 0.0), game.totals(0, 1)
    free = flat > 1e-7 * totals.amounts[totals.group]
    rows, size, groups = totals.rows[:, free], int(free.sum()), len(totals.amounts)
    unit = float(totals.amounts.max())
    target = bound / (game.scale * unit**2)
    both = [hessian[np.ix_(free, free)] / game.scale for hessian in (first, second)]
    start = flat[free] / unit
    found = np.concatenate([start, [_multiplier(first @ flat, second @ flat, free, totals)], np.zeros(groups)])
    for _ in range(6):
        trades, multiplier, levels = found[:size], found[size], found[size + 1 :]
        lagrangian, slope = both[0] + multiplier * both[1], both[1] @ trades
        system = np.zeros((len(found), len(found)))
        system[:size, :size], system[:size, size], system[size, :size] = lagrangian, slope, slope
        system[:size, size + 1 :], system[size + 1 :, :size] = rows.T, rows
        left = [
            lagrangian @ trades + levels @ rows,
            [0.5 * trades @ slope - target],
            rows @ trades - totals.amounts / unit,
        ]
        found = found - np.linalg.lstsq(system, np.concatenate(left), rcond=None)[0]  # flat directions: stay
    if found[: size + 1].min() >= 0 and np.abs(found[:size] - start).max() <= 1e-2:
        flat = np.zeros(len(flat))
        flat[free] = found[:size] * unit
    weight = 1 / (1 + _multiplier(first @ flat, second @ flat, free, totals))
    certified = _margin(game, weight) >= -TIE * game.scale
    return _Point(flat, weight, certified, _error(game, _signed(game, weight), flat, weight))


def _multiplier(first: Floats, second: Floats, free: NDArray[np.bool_], totals: quadratic.Totals) -> float:
    """The number, not negative, that makes ``first + number * second`` most nearly equal within groups."""
    slopes = [np.where(free, quadratic.centred(slope, free, totals), 0.0) for slope in (first, second)]
    square = float(slopes[1] @ slopes[1])
    return max(0.0, -float(slopes[0] @ slopes[1]) / square) if square > 0 else 0.0


def _front(game: LiquidationGame, found: list[_Point]) -> Front:
    """Sorted, without dominated points and repetitions."""
    schedules = np.array([_schedules(game, point.flat) for point in found])
    costs = game.costs(schedules)
    near = TIE * float(np.abs(costs).max())
    kept: list[int] = []
    for index in np.lexsort((costs[:, 1], costs[:, 0])):
        if not kept or costs[index, 1] < costs[kept[-1], 1] - near:
            kept.append(int(index))
    certified = np.array([found[index].certified for index in kept])
    weights = np.array([found[index].weight for index in kept])
    return Front(costs[kept], schedules[kept], weights, certified, max(found[index].error for index in kept))


def _mirror(point: _Point) -> _Point:
    flat = np.roll(point.flat, len(point.flat) // 2)
    return _Point(flat, 1 - point.weight, point.certified, point.error)


def _signed(game: LiquidationGame, weight: float) -> Floats:
    """Hessian of the weighted sum of costs, (2 D, 2 D), without signs where only sales are allowed."""
    mixed = weight * game.cross + (1 - weight) * game.cross.T
    hessian = np.block([[weight * game.own, mixed], [mixed.T, (1 - weight) * game.own]])
    return hessian * np.outer(game.signs(0, 1), game.signs(0, 1)) if game.sales_only else hessian


def _schedules(game: LiquidationGame, flat: Floats) -> Floats:
    return game.shaped(flat * game.signs(0, 1) if game.sales_only else flat)


def _margin(game: LiquidationGame, weight: float) -> float:
    """Smallest eigenvalue of the weighted sum over full liquidations, 0 within rounding."""
    signs = game.signs(0, 1) if game.sales_only else np.ones(2 * len(game.own))
    hessian = _signed(game, weight) * np.outer(signs, signs)
    value = quadratic.curvature(hessian, game.totals(0, 1))
    return 0.0 if abs(value) <= FLAT * game.scale else value


def _error(game: LiquidationGame, hessian: Floats, flat: Floats, weight: float = 0.5) -> float:
    """By how much the cost may be too high, to first order; exact bound where the weighted sum is convex."""
    gradient, totals = hessian @ flat, game.totals(0, 1)
    if game.sales_only:
        gap = quadratic.first_order_gap(gradient, flat, totals)
    else:
        apart = quadratic.centred(gradient, np.ones(len(flat), dtype=bool), totals)
        gap = float(np.abs(apart).max() * np.abs(flat).sum())
    return gap / max(weight, 1 - weight)


def _require_pair(game: LiquidationGame) -> None:
    if game.players != 2:
        raise TacitError(f"game: has {game.players} agents; a front is computed for 2")
    if not game.inventories.any(axis=1).all():
        raise TacitError("inventories: an agent has nothing to sell; a front needs two who have")

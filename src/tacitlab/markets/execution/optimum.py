"""What a liquidation game's agents could reach together, and what is unusual about a game."""

from contextlib import suppress
from functools import lru_cache

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.markets.execution import quadratic
from tacitlab.markets.execution.liquidation import FACES, FLAT, STARTS, LiquidationGame, Solution, nash
from tacitlab.markets.execution.quadratic import Floats

CHEAPER = 1e-9  # costs this close, relative to the larger, count as equal
SEARCHED = 120  # most trades of all agents that local searches try: SLSQP's work grows with their cube
CAREFULLY = 40  # up to so many, all starts are tried
FEW = 3  # starts at least
SLOPE = 1e-9  # a slope this small, relative to the largest impact times the largest trade, counts as 0


@lru_cache(maxsize=32)  # games are immutable and compare by identity
def joint_optimum(game: LiquidationGame) -> Solution:
    """The schedules with the smallest sum of costs.

    Parameters
    ----------
    game : LiquidationGame

    Returns
    -------
    Solution
        ``error`` bounds by how much the sum may lie above its minimum: rounding where the sum is convex, and also,
        if agents may only sell, where all inventories of the one asset are equal, there are at most ``FACES`` steps
        and the sum is convex in the differences between agents (these then vanish, and all faces of the simplex are
        tried). Otherwise the best of up to ``STARTS`` local searches by SLSQP, with an infinite error; fewer for more
        than ``CAREFULLY`` trades of all agents, so that the work is bounded.

    Raises
    ------
    TacitError
        If the sum is unbounded below, or would have to be searched over more than ``SEARCHED`` trades.

    Notes
    -----
    The sum splits into a quadratic form of the mean schedule, with matrix ``own + (n-1)(cross + cross')``, and one of
    each agent's deviation from it, with ``own - cross - cross'``. Where one of them is flat there are many optima;
    the one nearest to TWAP is returned.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> joint_optimum(almgren_chriss().game([100, 100])).costs.round(9)
    array([11., 11.])

    The public code of Macrì and Lillo lets trades move prices one step too late; TWAP costs 9.2 there:

    >>> late = joint_optimum(almgren_chriss(lag=2).game([100, 100], sales_only=True))
    >>> late.costs.round(3), late.method
    (array([8.333, 8.333]), 'enumeration of 1,023 faces')
    """
    found = game.curvatures()
    low = min(found["mean"], found["difference"])
    if low >= 0:
        schedules, error, bounded = _modes(game)
        if bounded and not (game.sales_only and game.against(schedules).any()):
            schedules = game.sales(schedules) if game.sales_only else schedules  # without rounding below 0
            many = "; one of many, the nearest to TWAP" if low == 0 else ""
            return Solution(schedules, game.costs(schedules), error, "first-order conditions (linear systems)" + many)
    elif not game.sales_only:
        which = "mean schedule" if found["mean"] < found["difference"] else "difference between schedules"
        reason = f"unbounded below in the {which} (eigenvalue {low:.3g})"
        raise TacitError(f"joint optimum: the sum of costs is {reason}; allow sales only or raise temporary impact")
    if not game.sales_only:
        raise TacitError("joint optimum: the sum of costs falls for ever along a flat direction; allow sales only")
    return _bounded_optimum(game, low > 0, found["difference"])


def lower_bound(game: LiquidationGame) -> float | None:
    """A sum of costs that no full liquidation of all inventories beats.

    It holds for every path that the prices may take if these are without noise, and, as a coin toss only decides who
    of two agents pays for the other's trade, for every outcome of the tosses.

    Parameters
    ----------
    game : LiquidationGame

    Returns
    -------
    float or None
        Currency. None if there is no bound, or none that is proved.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> [round(lower_bound(almgren_chriss(order=order).game([100, 100])), 9) for order in ("simultaneous", "coin-toss")]
    [22.0, 23.0]
    """
    try:
        optimum = joint_optimum(game)
    except TacitError:
        return None
    return float(optimum.costs.sum() - optimum.error) if np.isfinite(optimum.error) else None


def diagnose(game: LiquidationGame) -> tuple[str, ...]:
    """What is unusual about a game, each in a sentence with the number and the reason.

    Parameters
    ----------
    game : LiquidationGame

    Returns
    -------
    tuple of str
        Empty if the equilibrium is proved to be the only one and nobody buys in it, and TWAP is the only joint
        optimum. Eigenvalues are in currency per share squared.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> diagnose(almgren_chriss().game([100, 100]))
    ()
    >>> for sentence in diagnose(almgren_chriss(shared_temporary=True).game([100, 100])):
    ...     print(sentence)
    the sum of costs is flat in the differences between schedules (eigenvalue 0): there are many joint optima
    """
    found = game.curvatures()
    notes = []
    if found["own"] <= 0:
        why = "an agent's own cost is not strictly convex over full liquidations"
        notes.append(f"{why} (smallest eigenvalue {found['own']:.3g}): there is no best response")
    elif found["monotone"] <= 0:
        why = f"the game is not strongly monotone (smallest eigenvalue {found['monotone']:.3g})"
        notes.append(f"{why}: other equilibria than the one found may exist")
    return tuple(notes + _joint_notes(game, found["mean"], found["difference"]) + _nash_notes(game))


def _modes(game: LiquidationGame) -> tuple[Floats, float, bool]:
    """Minimum of a convex sum of costs over trades of any sign: schedules, error, and whether there is a minimum."""
    basis, even = quadratic.tangent(game.totals(0)), game.twap().reshape(game.players, -1)
    both, mean = game.cross + game.cross.T, even.mean(axis=0)
    flat, error, bounded = even.copy(), 0.0, True
    matrices = (game.own + (game.players - 1) * both, game.own - both)
    for matrix, parts in zip(matrices, (mean[None], even - mean), strict=True):
        values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
        vectors, steep = basis @ vectors, values > FLAT * game.scale
        slopes = parts @ matrix @ vectors
        bounded &= bool(np.abs(slopes[:, ~steep]).max(initial=0.0) <= SLOPE * game.scale * np.abs(even).max())
        moves = -slopes[:, steep] / values[steep] @ vectors[:, steep].T
        left = (parts + moves) @ matrix @ vectors[:, steep]
        error += (game.players if len(parts) == 1 else 1) * float((left**2 / values[steep]).sum()) / 2
        flat = flat + moves
    return game.shaped(flat), error, bounded


def _bounded_optimum(game: LiquidationGame, convex: bool, difference: float) -> Solution:
    """Sales only, and some trade would be a purchase otherwise, or the sum of costs is not convex."""
    agents = range(game.players)
    signs, totals = game.signs(*agents), game.totals(*agents)
    both = game.cross + game.cross.T
    blocks = np.kron(np.eye(game.players), game.own - both) + np.tile(both, (game.players, game.players))
    hessian = blocks * np.outer(signs, signs)
    equal = game.assets == 1 and not np.ptp(game.inventories) and totals.amounts[0] > 0
    if convex:
        flat = quadratic.convex_program(hessian, np.zeros(len(signs)), totals)
        error, method = quadratic.first_order_gap(hessian @ flat, flat, totals), "quadratic program (active set)"
    elif equal and difference >= 0 and game.steps <= FACES:
        mean = quadratic.smallest_on_simplex(game.own + (game.players - 1) * both, totals.amounts[0])
        flat, error = np.tile(mean, game.players), 0.0
        method = f"enumeration of {2**game.steps - 1:,} faces"
    else:
        if len(signs) > SEARCHED:
            many = f"{len(signs)} trades of all agents in a sum of costs that is not convex"
            raise TacitError(f"joint optimum: {many} are too many to search; at most {SEARCHED} are tried")
        count = min(STARTS, max(FEW, STARTS * CAREFULLY // len(signs)))
        starts = [totals.even, *quadratic.random_points(totals, count - 1)]
        ends = quadratic.local_minima(hessian, totals, starts)
        if not ends:
            raise TacitError("joint optimum: no local search ended well; scale the inventories")
        flat = quadratic.sharpen(hessian, np.zeros(len(signs)), totals, ends[0])
        error, method = np.inf, f"best of {count} local searches (SLSQP)"
    schedules = game.shaped(signs * flat)
    return Solution(schedules, game.costs(schedules), error, method)


def _joint_notes(game: LiquidationGame, mean: float, difference: float) -> list[str]:
    notes = []
    names = {"mean schedule": mean, "differences between schedules": difference}
    for name, value in names.items():
        if value == 0:
            notes.append(f"the sum of costs is flat in the {name} (eigenvalue 0): there are many joint optima")
        elif value < 0:
            end = "only the ban on purchases bounds it" if game.sales_only else "it is unbounded below"
            notes.append(f"the sum of costs is not convex in the {name} (eigenvalue {value:.3g}): {end}")
    twap = game.costs(game.twap()).sum()
    try:
        optimum = joint_optimum(game).costs.sum()
    except TacitError as error:
        return [*notes, f"{error}; {_at_most(game, twap)}"] if game.sales_only else notes
    if twap - optimum > CHEAPER * abs(twap):
        notes.append(f"TWAP is not the joint optimum: its costs add up to {twap:.6g}, the optimum's to {optimum:.6g}")
    return notes


def _at_most(game: LiquidationGame, twap: float) -> str:
    """What is known of a joint optimum that was not found."""
    known = {"TWAP": twap}
    with suppress(TacitError):
        known["the equilibrium"] = float(nash(game).costs.sum())
    which = min(known, key=lambda name: known[name])
    return f"its costs add up to {known[which]:.6g} at most, those of {which}"


def _nash_notes(game: LiquidationGame) -> list[str]:
    try:
        solution = nash(game)
    except TacitError as error:
        return [f"no equilibrium was computed: {error}"]
    notes = []
    against = game.against(solution.schedules)
    if against.any():
        agent, asset = np.unravel_index(against.argmax(), against.shape)
        volume, owned = against[agent, asset], game.inventories[agent, asset]
        which = f"agent {agent} trades {volume:.6g} shares of asset {asset} against its order of {owned:g}"
        notes.append(f"equilibrium schedules oscillate between sales and purchases: {which}")
    twap = game.costs(game.twap())
    if game.players > 1 and (twap - solution.costs > CHEAPER * np.abs(twap)).all():
        costs = f"{solution.costs.mean():.6g} against {twap.mean():.6g} a head"
        notes.append(f"the equilibrium is cheaper for every agent than TWAP: {costs}")
    return notes

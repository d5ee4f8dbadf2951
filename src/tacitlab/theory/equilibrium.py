"""Equilibria and optima of normal-form games given as payoff tensors of shape (*shape, players).

SciPy and QuantEcon are imported where they are needed: both are slow to load, and most games solve without them.
"""

from collections.abc import Sequence
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

if TYPE_CHECKING:
    from tacitlab.games.base import Actions, NormalForm

Strategies = tuple[NDArray[np.float64], ...]

ROUNDING = 1e-12  # payoffs closer than this, relative to the largest, differ by rounding only
REGRET = 1e-9  # a mixed profile is an equilibrium up to this deviation gain, relative to the payoffs' range
VERTEX_LIMIT = 60_000  # beyond this many polytope vertices, all mixed equilibria take too long
PIVOT_WORK = 2_000_000_000  # table entries updated by Lemke-Howson before it gives up: some seconds
LISTED = 50  # a benchmark lists at most this many equilibria of a kind


def pure_nash(payoffs: NDArray[np.float64], tolerance: float = 0.0) -> NDArray[np.int64]:
    """All Nash equilibria in pure strategies, by enumeration.

    Parameters
    ----------
    payoffs : (*shape, players) array
    tolerance : float
        A deviation counts as profitable if it gains more than this, in units of the payoffs.

    Returns
    -------
    (k, players) int64 array
        Action indices, in row-major order of the profiles; ``k`` may be 0.

    Raises
    ------
    ValueError
        If the tensor does not have one axis a player.

    Examples
    --------
    >>> chicken = np.array([[[0, 0], [7, 2]], [[2, 7], [6, 6]]], dtype=float)
    >>> pure_nash(chicken)
    array([[0, 1],
           [1, 0]])
    """
    players = _players(payoffs)
    stable = np.ones(payoffs.shape[:-1], dtype=bool)
    for player in range(players):
        own = payoffs[..., player]
        stable &= own >= own.max(axis=player, keepdims=True) - tolerance
    return np.argwhere(stable).astype(np.int64)


def undominated(payoffs: NDArray[np.float64]) -> tuple[NDArray[np.int64], ...]:
    """Actions that survive iterated elimination of actions strictly dominated by another pure action.

    No Nash equilibrium, pure or mixed, is lost, and the order of elimination does not matter.

    Parameters
    ----------
    payoffs : (*shape, players) array

    Returns
    -------
    tuple of (survivors,) int64 arrays
        Action indices of each player, ascending.

    Examples
    --------
    >>> dilemma = np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float)
    >>> undominated(dilemma)
    (array([1]), array([1]))
    """
    players = _players(payoffs)
    alive = [np.arange(size) for size in payoffs.shape[:-1]]
    changed = True
    while changed:
        changed = False
        for player in range(players):
            table = payoffs[np.ix_(*alive)][..., player]
            table = np.moveaxis(table, player, 0).reshape(len(alive[player]), -1)
            best = table.max(axis=0)
            keep = np.array([not _is_dominated(row, table, best) for row in table])
            if not keep.all():
                alive[player], changed = alive[player][keep], True
    return tuple(alive)


def mixed_nash(payoffs: NDArray[np.float64]) -> tuple[list[Strategies], bool]:
    """Nash equilibria of a two-player game, pure ones included.

    After elimination of dominated actions, all extreme equilibria are read off the vertices of the two
    best-response polytopes (Qhull through SciPy). Where these would have too many vertices, QuantEcon's
    Lemke-Howson is run from every pivot instead, for some seconds. Spurious results are dropped.

    Parameters
    ----------
    payoffs : (rows, columns, 2) array

    Returns
    -------
    equilibria : list of ((rows,) array, (columns,) array)
        Mixed strategies of both players.
    complete : bool
        True if these are all equilibria. In a degenerate game the list holds the extreme equilibria, of which
        the others (a continuum) are mixtures, and ``complete`` is False.

    Raises
    ------
    ValueError
        If there are not two players.

    Notes
    -----
    B. von Stengel, "Equilibrium computation for two-player games in strategic and extensive form", chapter 3 of
    *Algorithmic Game Theory* (2007). QuantEcon's own vertex enumeration is not used: it misses extreme equilibria
    of most degenerate games and is compiled anew, for seconds, in every process.

    Examples
    --------
    The 3 x 2 game of von Stengel's chapter has three equilibria:

    >>> rows = np.array([[3, 3], [2, 5], [0, 6]])
    >>> columns = np.array([[3, 2], [2, 6], [3, 1]])
    >>> equilibria, complete = mixed_nash(np.stack([rows, columns], axis=-1).astype(float))
    >>> for row, column in sorted(equilibria, key=lambda pair: tuple(pair[0]), reverse=True):
    ...     print(row.round(3) + 0.0, column.round(3) + 0.0)
    [1. 0. 0.] [1. 0.]
    [0.8 0.2 0. ] [0.667 0.333]
    [0.    0.333 0.667] [0.333 0.667]
    >>> complete
    True
    """
    if _players(payoffs) != 2:
        raise ValueError(f"mixed_nash: two players needed, got {payoffs.shape[-1]}; use pure_nash instead")
    alive = undominated(payoffs)
    reduced = payoffs[np.ix_(*alive)]
    enumerable = _enumerable(reduced.shape[:2])
    candidates, complete = _extreme_equilibria(reduced) if enumerable else (_lemke_howson(reduced), False)
    tolerance = REGRET * float(np.ptp(payoffs))
    embed = [np.eye(size)[kept] for kept, size in zip(alive, payoffs.shape[:2], strict=True)]
    full = [(row @ embed[0], column @ embed[1]) for row, column in candidates]
    return [pair for pair in full if _regret(payoffs, pair) <= tolerance], complete


def joint_optimum(payoffs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The joint action with the largest sum of payoffs, the first in row-major order on ties (up to rounding).

    Parameters
    ----------
    payoffs : (*shape, players) array

    Returns
    -------
    (players,) int64 array

    Examples
    --------
    >>> joint_optimum(np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float))
    array([0, 0])
    """
    return _joint_optima(payoffs)[0]


def pareto_front(payoffs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The joint actions whose payoffs no other joint action Pareto-dominates.

    Parameters
    ----------
    payoffs : (*shape, players) array

    Returns
    -------
    (k, players) int64 array
        Action indices in row-major order; joint actions with equal payoffs are all listed.

    Examples
    --------
    >>> pareto_front(np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float))
    array([[0, 0],
           [0, 1],
           [1, 0]])
    """
    players = _players(payoffs)
    points, group = np.unique(payoffs.reshape(-1, players), axis=0, return_inverse=True)
    # No point is dominated by one with a smaller sum: the scan keeps what it has passed.
    order = np.argsort(-points.sum(axis=1), kind="stable")
    position = 0
    while position < len(order):
        pivot = points[order[position]]
        beaten = np.all(points[order] <= pivot, axis=1)
        beaten[position] = False
        order, position = order[~beaten], position + 1 - int(beaten[:position].sum())
    efficient = np.isin(group.reshape(-1), order)
    return np.argwhere(efficient.reshape(payoffs.shape[:-1])).astype(np.int64)


def grid_benchmarks(form: "NormalForm", actions: "Actions") -> Benchmarks:
    """Competitive and cooperative outcomes of a normal-form game on its own action grid.

    Parameters
    ----------
    form : NormalForm
        With several payoff regimes, their long-run average is solved: players commit to one action.
    actions : Actions
        Gives the quantities: ``{actions.name: value of each player's action}``.

    Returns
    -------
    Benchmarks
        All pure Nash equilibria, the one with the lowest mean payoff first; then, of two players, the equilibria
        in mixed strategies; the joint optimum. ``competitive`` is empty only if none was found.

    Examples
    --------
    >>> from tacitlab.games.base import Actions, NormalForm
    >>> dilemma = NormalForm.from_tensor(np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float))
    >>> labels = Actions("action", np.array([[0.0, 1.0]] * 2), labels=("cooperate", "defect"))
    >>> benchmarks = grid_benchmarks(dilemma, labels)
    >>> benchmarks.nash.average, benchmarks.optimum.average
    (1.0, 3.0)
    >>> benchmarks.nash.method
    'enumeration of 4 profiles'
    """
    payoffs = form.tensor()
    where = "" if actions.labels else " on the grid"
    rounding = _rounding(payoffs)
    method = f"enumeration of {int(np.prod(payoffs.shape[:-1])):,} profiles"

    def pure(indices: NDArray[np.int64], name: str, concept: Concept) -> Profile:
        quantities = {actions.name: actions.values[np.arange(len(indices)), indices]}
        return Profile(name, concept, payoffs[tuple(indices)], method, indices, quantities)

    stable = pure_nash(payoffs, rounding)
    worth = payoffs[tuple(stable.T)].mean(axis=1)
    stable = stable[np.argsort(np.round(worth / rounding), kind="stable")]
    names = _numbered("Nash" + where, len(stable))
    competitive = [pure(indices, name, "nash") for indices, name in zip(stable, names, strict=False)]
    notes = _pure_notes(form, stable, worth)
    if form.players == 2:
        mixed, complete = mixed_nash(payoffs)
        mixed = [pair for pair in mixed if max(np.count_nonzero(mixture) for mixture in pair) > 1]
        how = _mixed_method(payoffs)
        names = _numbered("mixed Nash" + where, len(mixed))
        competitive += [_mixed_profile(payoffs, *named, actions, how) for named in zip(mixed, names, strict=False)]
        if not complete:
            notes.append("degenerate or large game: further equilibria in mixed strategies may exist")
        if len(mixed) > LISTED:
            notes.append(f"{len(mixed):,} mixed equilibria found; {LISTED} are listed")
    optima = _joint_optima(payoffs)
    optimum = pure(optima[0], "joint optimum" + where, "joint-optimum")
    if len(optima) > 1:
        notes.append(f"{len(optima):,} joint actions attain the joint optimum; the first is listed")
    if competitive and optimum.average - competitive[0].average <= rounding:
        notes.append("the Nash equilibrium attains the joint optimum: no profit gain is defined")
    return Benchmarks(tuple(competitive), (optimum,), complete=len(stable) <= LISTED, notes=tuple(notes))


def _players(payoffs: NDArray[np.float64]) -> int:
    players = payoffs.shape[-1]
    if payoffs.ndim != players + 1:
        raise ValueError(f"payoffs: shape {payoffs.shape} has {payoffs.ndim - 1} action axes for {players} players")
    return players


def _is_dominated(row: NDArray[np.float64], table: NDArray[np.float64], best: NDArray[np.float64]) -> bool:
    column = (best - row).argmin()  # few actions beat this one where it is nearly the best reply
    rivals = np.flatnonzero(table[:, column] > row[column])
    return any((table[rival] > row).all() for rival in rivals)


def _rounding(payoffs: NDArray[np.float64]) -> float:
    return max(ROUNDING * float(np.abs(payoffs).max()), np.finfo(float).tiny)


def _joint_optima(payoffs: NDArray[np.float64]) -> NDArray[np.int64]:
    total = payoffs.sum(axis=-1)
    return np.argwhere(total >= total.max() - _players(payoffs) * _rounding(payoffs)).astype(np.int64)


def _numbered(name: str, count: int) -> list[str]:
    return [name if index == 0 else f"{name} {index + 1}" for index in range(min(count, LISTED))]


def _pure_notes(form: "NormalForm", stable: NDArray[np.int64], worth: NDArray[np.float64]) -> list[str]:
    notes = []
    if len(stable) == 0:
        notes.append("no Nash equilibrium in pure strategies")
    if len(stable) > 1:
        between = f"mean payoffs {worth.min():.6g} to {worth.max():.6g}"
        cut = f"; {LISTED} are listed" if len(stable) > LISTED else ""
        notes.append(f"{len(stable):,} pure Nash equilibria, {between}; the reference is the least profitable{cut}")
    if form.observed and len(form.transition) > 1:
        notes.append("players see the payoff regime; the benchmarks hold for one action in all regimes")
    return notes


def _mixed_profile(
    payoffs: NDArray[np.float64], strategies: Strategies, name: str, actions: "Actions", method: str
) -> Profile:
    expected = np.array([strategies[0] @ payoffs[..., player] @ strategies[1] for player in range(2)])
    quantities = {}
    if not actions.labels:  # the mean of labels means nothing
        means = [mixture @ values[: len(mixture)] for mixture, values in zip(strategies, actions.values, strict=True)]
        quantities[actions.name] = np.array(means)
    error = _regret(payoffs, strategies)
    return Profile(name, "mixed-nash", expected, method, None, quantities, strategies, error=error)


def _regret(payoffs: NDArray[np.float64], strategies: Strategies) -> float:
    """Largest gain of a deviation of either player."""
    row, column = strategies
    gains_row = payoffs[..., 0] @ column
    gains_column = row @ payoffs[..., 1]
    return float(max(gains_row.max() - row @ gains_row, gains_column.max() - gains_column @ column))


def _enumerable(shape: Sequence[int]) -> bool:
    """Whether the upper bound theorem (McMullen, 1970) allows few enough vertices."""
    facets = sum(shape)  # each a bit of a 64-bit word
    bounds = (sum(comb(facets - half // 2, facets - size) for half in (size + 1, size + 2)) for size in shape)
    return facets <= 63 and max(bounds) <= VERTEX_LIMIT


def _mixed_method(payoffs: NDArray[np.float64]) -> str:
    left = tuple(len(kept) for kept in undominated(payoffs))
    how = "vertex enumeration (Qhull)" if _enumerable(left) else "Lemke-Howson from every pivot (quantecon)"
    return f"{how} of the {left[0]} x {left[1]} game left after elimination of dominated actions"


def _extreme_equilibria(payoffs: NDArray[np.float64]) -> tuple[list[Strategies], bool]:
    """All extreme equilibria and whether the game is nondegenerate.

    Labels 0..rows-1 mean "row i is not played" on the row side and "row i is a best reply" on the column side,
    the others the reverse. A pair of vertices is an equilibrium iff together it carries every label.
    """
    rows, columns, _ = payoffs.shape
    row_side = _vertices(payoffs[..., 1].T)
    column_side = _vertices(payoffs[..., 0])
    powers = np.uint64(1) << np.arange(rows + columns, dtype=np.uint64)
    row_labels = row_side[1] @ powers
    column_labels = np.roll(column_side[1], rows, axis=1) @ powers  # own labels last
    everything = powers.sum()
    equilibria = []
    for index, labels in enumerate(row_labels):
        for match in np.flatnonzero(labels | column_labels == everything):
            pair = row_side[0][index], column_side[0][match]
            if all(vertex.sum() > 0 for vertex in pair):  # not the artificial equilibrium at the origins
                equilibria.append(tuple(vertex / vertex.sum() for vertex in pair))
    regular = bool((row_side[1].sum(axis=1) == rows).all() and (column_side[1].sum(axis=1) == columns).all())
    return equilibria, regular


def _vertices(replies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """Vertices of ``{x >= 0, replies x <= 1}`` and which of the inequalities bind there.

    ``replies`` is (replies of the other, own actions); moved to [1, 2], which changes no best reply.
    """
    from scipy.spatial import HalfspaceIntersection

    others, own = replies.shape
    shifted = replies - replies.min(axis=0)
    positive = 1 + shifted / (shifted.max() or 1.0)
    if own == 1:  # an interval; Qhull needs two dimensions
        points = np.array([[0.0], [1 / positive.max()]])
    else:
        halfspaces = np.block([[-np.eye(own), np.zeros((own, 1))], [positive, -np.ones((others, 1))]])
        points = HalfspaceIntersection(halfspaces, np.full(own, 0.25 / own)).intersections
    slack = np.hstack([points, 1 - points @ positive.T])
    labels, first = np.unique((slack < REGRET).astype(np.uint64), axis=0, return_index=True)
    return np.where(labels[:, :own] == 1, 0.0, points[first]), labels


def _lemke_howson(payoffs: NDArray[np.float64]) -> list[Strategies]:
    """Equilibria found by Lemke-Howson from every pivot (its paths can be very long), and all pure ones."""
    from quantecon.game_theory import NormalFormGame, lemke_howson

    rows, columns, _ = payoffs.shape
    game = NormalFormGame(payoffs)
    found = [(np.eye(rows)[row], np.eye(columns)[column]) for row, column in pure_nash(payoffs)]
    steps = PIVOT_WORK // (rows * columns)
    longest = steps // 20  # one endless path must not use up all
    for pivot in range(rows + columns):
        if steps > 0:
            pair, path = lemke_howson(game, init_pivot=pivot, max_iter=min(steps, longest), full_output=True)
            steps -= path.num_iter + 5  # the tableau is built anew
            found += [pair] if path.converged else []
    distinct: dict[bytes, Strategies] = {}
    for pair in found:
        distinct.setdefault((np.round(np.concatenate(pair), 9) + 0.0).tobytes(), pair)  # no negative zeros
    return list(distinct.values())

"""Equilibria and optima of normal-form games given as payoff tensors of shape (*shape, players).

Whatever the unit of a player's payoffs, and wherever their zero: tolerances go by its own (:mod:`.precision`).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile
from tacitlab.theory.extreme import Found, Strategies, extreme_equilibria, is_equilibrium
from tacitlab.theory.precision import Scale, coarse_note, own_scales, roundings
from tacitlab.theory.quantal import against, gains, is_small, traced_nash

if TYPE_CHECKING:
    from tacitlab.games.base import Actions, NormalForm

LISTED = 50  # a benchmark lists at most this many equilibria of a kind


def pure_nash(payoffs: NDArray[np.float64], tolerance: float | NDArray[np.float64] = 0.0) -> NDArray[np.int64]:
    """All Nash equilibria in pure strategies, by enumeration.

    Parameters
    ----------
    payoffs : (*shape, players) array
    tolerance : float, or array that broadcasts with the payoffs
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
    enough = np.broadcast_to(tolerance, payoffs.shape)
    for player in range(players):
        own = payoffs[..., player]
        stable &= own + enough[..., player] >= own.max(axis=player, keepdims=True)
    return np.argwhere(stable).astype(np.int64)


def undominated(payoffs: NDArray[np.float64]) -> tuple[NDArray[np.int64], ...]:
    """Actions that survive iterated elimination of actions strictly dominated by another pure action.

    By more than rounding. No Nash equilibrium, pure or mixed, is lost, and the order of elimination does not matter.

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
    enough = roundings(payoffs)
    changed = True
    while changed:
        changed = False
        for player in range(players):
            table, more = (
                np.moveaxis(tensor[..., player][np.ix_(*alive)], player, 0).reshape(len(alive[player]), -1)
                for tensor in (payoffs, enough)
            )
            best = table.max(axis=0)
            keep = np.array([not _is_dominated(row, table, best) for row in table + more])
            if not keep.all():
                alive[player], changed = alive[player][keep], True
    return tuple(alive)


def mixed_nash(payoffs: NDArray[np.float64]) -> tuple[list[Strategies], bool]:
    """Nash equilibria of a two-player game, pure ones included.

    After elimination of dominated actions, all extreme equilibria are read off the vertices of the two
    best-response polytopes: in exact arithmetic where these are small, else with Qhull. Where they would have too many
    vertices, QuantEcon's Lemke-Howson is run from every pivot instead, for some seconds. What is listed is a
    probability vector, and its regret is rounding in each player's own unit.

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
    found = _mixed(payoffs)
    return found.equilibria, found.complete


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
        in mixed strategies, of more one if none is pure; the joint optimum. ``competitive`` is empty only if none was
        found, and a note says what was looked for.

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
    scales = own_scales(payoffs)
    rounding = max(scale.rounding for scale in scales)
    method = f"enumeration of {int(np.prod(payoffs.shape[:-1])):,} profiles"

    def pure(indices: NDArray[np.int64], name: str, concept: Concept) -> Profile:
        quantities = {actions.name: actions.values[np.arange(len(indices)), indices]}
        return Profile(name, concept, payoffs[tuple(indices)], method, indices, quantities)

    stable = pure_nash(payoffs, roundings(payoffs))
    worth = payoffs[tuple(stable.T)].mean(axis=1)
    stable = stable[np.argsort(np.round(worth / rounding), kind="stable")]
    names = _numbered("Nash" + where, len(stable))
    competitive = [pure(indices, name, "nash") for indices, name in zip(stable, names, strict=False)]
    notes = [*_pure_notes(form, stable, worth), *coarse_note(scales)]
    if form.players == 2:
        found = _mixed(payoffs)
        mixed = [pair for pair in found.equilibria if max(np.count_nonzero(mixture) for mixture in pair) > 1]
        names = _numbered("mixed Nash" + where, len(mixed))
        named = zip(mixed, names, strict=False)
        competitive += [_mixed_profile(payoffs, *one, actions, found.method) for one in named]
        if not found.complete:
            notes.append("degenerate or large game: further equilibria in mixed strategies may exist")
        if found.doubtful:
            notes.append("rounding decides which mixed equilibria exist: payoffs tie up to the last digits known")
        if len(mixed) > LISTED:
            notes.append(f"{len(mixed):,} mixed equilibria found; {LISTED} are listed")
    elif not competitive:
        traced, note = _traced(payoffs, scales)
        notes.append(note)
        how = "logit path of quantal response equilibria, and Newton's method on its support"
        competitive += [_mixed_profile(payoffs, one, "mixed Nash" + where, actions, how) for one in traced]
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


def _joint_optima(payoffs: NDArray[np.float64]) -> NDArray[np.int64]:
    total = payoffs.sum(axis=-1)
    rounding = sum(scale.rounding for scale in own_scales(payoffs))
    return np.argwhere(total >= total.max() - rounding).astype(np.int64)


def _numbered(name: str, count: int) -> list[str]:
    return [name if index == 0 else f"{name} {index + 1}" for index in range(min(count, LISTED))]


def _pure_notes(form: "NormalForm", stable: NDArray[np.int64], worth: NDArray[np.float64]) -> list[str]:
    notes = []
    if len(stable) == 0:
        notes.append("no Nash equilibrium in pure strategies")
    if len(stable) > 1:
        between = f"mean payoffs {worth.min():.6g} to {worth.max():.6g}"
        cut = f"; {LISTED} are listed" if len(stable) > LISTED else ""
        notes.append(f"{len(stable):,} pure Nash equilibria, {between}{cut}")
    if form.observed and len(form.transition) > 1:
        notes.append("players see the payoff regime; the benchmarks hold for one action in all regimes")
    return notes


def _mixed_profile(
    payoffs: NDArray[np.float64], strategies: Strategies, name: str, actions: "Actions", method: str
) -> Profile:
    expected = np.array([float(against(payoffs[..., player], strategies)) for player in range(len(strategies))])
    quantities = {}
    if not actions.labels:  # the mean of labels means nothing
        means = [mixture @ values[: len(mixture)] for mixture, values in zip(strategies, actions.values, strict=True)]
        quantities[actions.name] = np.array(means)
    error = max(0.0, *gains(payoffs, strategies))
    return Profile(name, "mixed-nash", expected, method, None, quantities, strategies, error=error)


def _traced(payoffs: NDArray[np.float64], scales: list[Scale]) -> tuple[list[Strategies], str]:
    """A mixed equilibrium of three or more players, if it is found, and what was looked for, in words."""
    players = f"{_players(payoffs)} players"
    alive = undominated(payoffs)
    reduced = payoffs[np.ix_(*alive)]
    if not is_small(reduced):
        return [], f"mixed equilibria of {players} were not looked for: there are too many actions"
    found = traced_nash(reduced, scales)
    if found is None:
        return [], f"mixed equilibria of {players} were looked for along the logit path alone, which led to none"
    full = zip(found, alive, payoffs.shape, strict=False)
    one = tuple(np.eye(size)[kept].T @ mixture for mixture, kept, size in full)
    return [one], f"one mixed equilibrium of {players} was looked for and found: others may exist"


def _mixed(payoffs: NDArray[np.float64]) -> Found:
    if _players(payoffs) != 2:
        raise ValueError(f"mixed_nash: two players needed, got {payoffs.shape[-1]}; use pure_nash instead")
    scales = own_scales(payoffs)
    alive = undominated(payoffs)
    reduced = payoffs[np.ix_(*alive)]
    found = extreme_equilibria(reduced, scales)
    candidates = list(found.equilibria)
    if not found.complete:
        listed = {tuple(np.concatenate(pair)) for pair in candidates}
        pure = pure_nash(reduced, roundings(payoffs)[np.ix_(*alive)])
        pairs = [(np.eye(reduced.shape[0])[row], np.eye(reduced.shape[1])[column]) for row, column in pure]
        candidates += [pair for pair in pairs if tuple(np.concatenate(pair)) not in listed]
    embed = [np.eye(size)[kept] for kept, size in zip(alive, payoffs.shape[:2], strict=True)]
    full = [(row @ embed[0], column @ embed[1]) for row, column in candidates]
    how = f"{found.method} of the {len(alive[0])} x {len(alive[1])} game left after elimination of dominated actions"
    return Found([pair for pair in full if is_equilibrium(payoffs, pair, scales)], found.complete, how, found.doubtful)

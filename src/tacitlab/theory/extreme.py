"""Extreme equilibria of two-player games: vertices of the best-response polytopes, and Lemke-Howson beyond.

Small games are solved in exact arithmetic, so that no unit, sentinel or degeneracy misleads a tolerance. SciPy and
QuantEcon are imported where they are needed: both are slow to load.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, gcd, lcm

import numpy as np
from numpy.typing import NDArray

from tacitlab.theory.precision import DIGITS, Scale, meant

Strategies = tuple[NDArray[np.float64], ...]
Labels = NDArray[np.uint64]

REGRET = 1e-9  # a mixed profile is an equilibrium up to this deviation gain, in the player's own unit
EXACT_LIMIT = 1_000  # polytopes with at most so many vertices are solved in exact arithmetic: up to half a second
VERTEX_LIMIT = 60_000  # beyond this many polytope vertices, all mixed equilibria take too long
PIVOT_WORK = 2_000_000_000  # table entries updated by Lemke-Howson before it gives up: some seconds
FARTHEST = 1e3  # sentinels enter floating-point methods as if they were so many units away
PLAYED = (1e-5, 1e-7, 1e-9)  # probabilities below count as zero when a candidate is made exact
DOUBT = 20  # a vertex within so many roundings of a further inequality may carry it


@dataclass(frozen=True)
class Found:
    """Extreme equilibria of a game.

    Attributes
    ----------
    equilibria : list of ((rows,) array, (columns,) array)
    complete : bool
        True if the game is nondegenerate and these are all.
    method : str
    doubtful : bool
        True if rounding could decide which they are: a near tie that may be a tie.
    """

    equilibria: list[Strategies]
    complete: bool
    method: str
    doubtful: bool = False


def extreme_equilibria(payoffs: NDArray[np.float64], scales: Sequence[Scale]) -> Found:
    """All extreme equilibria of a game without dominated actions, where it is small; else some.

    Parameters
    ----------
    payoffs : (rows, columns, 2) array
    scales : sequence of Scale
        The players' own units.
    """
    count = _most_vertices(payoffs.shape[:2])
    if count <= EXACT_LIMIT:
        return _exact(payoffs, scales)
    near = np.stack([_moderate(payoffs[..., player], scales[player]) for player in range(2)], axis=-1)
    if count <= VERTEX_LIMIT:
        candidates, complete = _by_labels(_vertices(near[..., 1].T), _vertices(near[..., 0]))
        method = "vertex enumeration (Qhull)"
    else:
        candidates, complete = _lemke_howson(near), False
        method = "Lemke-Howson from every pivot (quantecon)"
    return Found(_distinct([_sharpened(payoffs, pair, scales) for pair in candidates]), complete, method)


def is_equilibrium(payoffs: NDArray[np.float64], strategies: Strategies, scales: Sequence[Scale]) -> bool:
    """Whether both are probability vectors and nobody gains, each in its own unit and beyond rounding."""
    if min(float(mixture.min()) for mixture in strategies) < 0:
        return False
    row, column = strategies
    for player, scale in enumerate(scales):
        replies = payoffs[..., 0] @ column if player == 0 else row @ payoffs[..., 1]
        regret = replies.max() - replies @ strategies[player]
        terms = float(row @ np.abs(payoffs[..., player]) @ column)
        if not regret <= REGRET * scale.unit + 4 * scale.rounding + DIGITS * terms:
            return False
    return True


def _most_vertices(shape: Sequence[int]) -> float:
    """The upper bound theorem (McMullen, 1970); infinite where labels do not fit the bits of a word."""
    facets = sum(shape)
    bounds = (sum(comb(facets - half // 2, facets - size) for half in (size + 1, size + 2)) for size in shape)
    return max(bounds) if facets <= 63 else float("inf")


def _exact(payoffs: NDArray[np.float64], scales: Sequence[Scale]) -> Found:
    """In exact arithmetic, of the payoffs that are meant."""
    sides, doubtful = [], False
    for player in (1, 0):
        table = meant(payoffs[..., player], scales[player])
        table = table.T if player else table
        rays, labels = _rays(table)
        doubtful |= _near_ties(table, rays, scales[player])
        weights = np.array([[_share(weight, ray[:-1]) for weight in ray[:-1]] for ray in rays])
        order = np.lexsort(labels.T[::-1])
        sides.append((weights[order], labels[order]))
    equilibria, complete = _by_labels(*sides)
    return Found(equilibria, complete, "vertex enumeration in exact arithmetic", doubtful)


def _share(weight: int, weights: NDArray[np.object_]) -> float:
    total = int(weights.sum())
    return float(Fraction(weight, total)) if total else 0.0


def _rays(table: NDArray[np.object_]) -> tuple[list[NDArray[np.object_]], Labels]:
    """Extreme rays of ``{(x, v): x >= 0, v >= table x}`` as integers, and which inequalities bind on each.

    ``table`` is (replies of the other, own actions), of fractions. Double description: T. S. Motzkin, H. Raiffa,
    G. L. Thompson and R. M. Thrall (1953); K. Fukuda and A. Prodon, "Double description method revisited" (1996).
    """
    others, own = table.shape
    rows = [_whole_numbers(row) for row in table]
    first = rows[0]  # factor * v >= row @ x
    rays = [np.array([0] * own + [1], dtype=object)]
    masks = [(1 << own) - 1]
    for action in range(own):
        ray = np.array([0] * own + [int(first[action])], dtype=object)
        ray[action] = int(first[-1])
        rays.append(_primitive(ray))
        masks.append(((1 << own) - 1) ^ (1 << action) | 1 << own)
    for number, row in enumerate(rows[1:], start=1):
        slack = [int(row[-1] * ray[-1] - row[:-1] @ ray[:-1]) for ray in rays]
        bit = 1 << (own + number)
        known = np.array(masks, dtype=np.uint64)
        joined = [
            (_primitive(slack[p] * rays[q] - slack[q] * rays[p]), masks[p] & masks[q] | bit)
            for p, q in _adjacent(known, np.array([np.sign(s) for s in slack], dtype=np.int64), own)
        ]
        kept = [(ray, mask | (bit if s == 0 else 0)) for ray, mask, s in zip(rays, masks, slack, strict=True) if s >= 0]
        rays, masks = map(list, zip(*kept, *joined, strict=True))
    bits = np.arange(own + others, dtype=np.uint64)
    return rays, (np.array(masks, dtype=np.uint64)[:, None] >> bits) & np.uint64(1)


def _adjacent(masks: Labels, signs: NDArray[np.int64], own: int) -> list[tuple[int, int]]:
    """Pairs of rays on the two sides of a new inequality that an edge joins: no third one carries their labels."""
    found = []
    above, below = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    for p in above:
        common = masks[p] & masks[below]
        enough = np.bitwise_count(common) >= own - 1
        for q, shared in zip(below[enough], common[enough], strict=True):
            if np.count_nonzero(masks & shared == shared) == 2:
                found.append((int(p), int(q)))
    return found


def _whole_numbers(row: NDArray[np.object_]) -> NDArray[np.object_]:
    """The fractions times their common denominator, and the denominator."""
    factor = lcm(*(int(value.denominator) for value in row))
    return np.array([*(int(value * factor) for value in row), factor], dtype=object)


def _primitive(ray: NDArray[np.object_]) -> NDArray[np.object_]:
    divisor = gcd(*ray.tolist())
    return ray // divisor if divisor > 1 else ray


def _near_ties(table: NDArray[np.object_], rays: list[NDArray[np.object_]], scale: Scale) -> bool:
    """Whether a vertex nearly carries another label: rounding may have moved it off or onto it."""
    doubt = DOUBT * scale.rounding / scale.unit
    values = table.astype(np.float64)
    heights = np.maximum(np.abs(values).max(axis=0), 1.0)
    for ray in rays:
        total = int(ray[:-1].sum())
        if total == 0:
            continue
        weights = np.array([float(Fraction(weight, total)) for weight in ray[:-1]])
        if ((weights > 0) & (weights * heights < doubt)).any():
            return True
        for row in table[float(Fraction(ray[-1], total)) - values @ weights < 2 * doubt + DIGITS * heights.max()]:
            if 0 < Fraction(ray[-1] - row @ ray[:-1], total) < doubt:
                return True
    return False


def _by_labels(
    row_side: tuple[NDArray[np.float64], Labels], column_side: tuple[NDArray[np.float64], Labels]
) -> tuple[list[Strategies], bool]:
    """All extreme equilibria and whether the game is nondegenerate.

    Labels 0..rows-1 mean "row i is not played" on the row side and "row i is a best reply" on the column side,
    the others the reverse. A pair of vertices is an equilibrium iff together it carries every label.
    """
    rows, columns = row_side[0].shape[1], column_side[0].shape[1]
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


def _moderate(table: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Payoffs in the player's own unit, sentinels not too far away."""
    return ((table - scale.base) / scale.unit).clip(-FARTHEST, FARTHEST)


def _vertices(replies: NDArray[np.float64]) -> tuple[NDArray[np.float64], Labels]:
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
    """Equilibria found by Lemke-Howson from every pivot: its paths can be very long."""
    from quantecon.game_theory import NormalFormGame, lemke_howson

    rows, columns, _ = payoffs.shape
    game = NormalFormGame(payoffs)
    found = []
    steps = PIVOT_WORK // (rows * columns)
    longest = steps // 20  # one endless path must not use up all
    for pivot in range(rows + columns):
        if steps > 0:
            pair, path = lemke_howson(game, init_pivot=pivot, max_iter=min(steps, longest), full_output=True)
            steps -= path.num_iter + 5  # the tableau is built anew
            found += [pair] if path.converged else []
    return found


def _sharpened(payoffs: NDArray[np.float64], pair: Strategies, scales: Sequence[Scale]) -> Strategies:
    """A candidate made exact: everybody is indifferent among what is played; as it was if that is no equilibrium."""
    for least in PLAYED:
        rows, columns = (np.flatnonzero(mixture > least) for mixture in pair)
        part = payoffs[np.ix_(rows, columns)]
        solved = _indifferent(part[..., 1].T, scales[1]), _indifferent(part[..., 0], scales[0])
        if solved[0] is not None and solved[1] is not None:
            sizes = payoffs.shape[:2]
            full = np.eye(sizes[0])[rows].T @ solved[0], np.eye(sizes[1])[columns].T @ solved[1]
            if is_equilibrium(payoffs, full, scales):
                return full
    return tuple(mixture.clip(0.0) / mixture.clip(0.0).sum() for mixture in pair)


def _indifferent(table: NDArray[np.float64], scale: Scale) -> NDArray[np.float64] | None:
    """Weights that make all rows of a table equally good; None if there are none, or several."""
    replies, own = table.shape
    moved = (table - scale.base) / scale.unit
    system = np.block([[moved, -np.ones((replies, 1))], [np.ones((1, own)), np.zeros((1, 1))]])
    answer, _, rank, _ = np.linalg.lstsq(system, np.append(np.zeros(replies), 1.0), rcond=None)
    weights = answer[:-1]
    return None if rank < own + 1 or weights.min() < 0 else weights / weights.sum()


def _distinct(found: list[Strategies]) -> list[Strategies]:
    distinct: dict[bytes, Strategies] = {}
    for pair in found:
        distinct.setdefault((np.round(np.concatenate(pair), 9) + 0.0).tobytes(), pair)  # no negative zeros
    return list(distinct.values())

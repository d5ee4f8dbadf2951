"""Extreme equilibria of small two-player games in exact rational arithmetic, from the definition; and games to try."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np


def solve(matrix, right):
    """The unique solution of a square system of fractions by Gauss-Jordan elimination, or None."""
    size = len(matrix)
    rows = [[*map(Fraction, row), Fraction(value)] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = next((i for i in range(column, size) if rows[i][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for i in range(size):
            if i != column and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column], strict=True)]
    return [row[-1] for row in rows]


def dot(left, right):
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def mixtures(table):
    """Mixtures of the own actions that are alone in making so many replies of the other equally good, and best.

    ``table[reply][own action]`` is the other's payoff: the vertices of its best-reply diagram.
    """
    replies, own = len(table), len(table[0])
    found = set()
    for size in range(1, min(replies, own) + 1):
        for support, best in product(combinations(range(own), size), combinations(range(replies), size)):
            system = [[*(table[reply][action] for action in support), -1] for reply in best]
            answer = solve([*system, [1] * size + [0]], [0] * size + [1])
            if answer is None or min(answer[:-1]) < 0:
                continue
            mixture = [Fraction(0)] * own
            for action, weight in zip(support, answer, strict=False):
                mixture[action] = weight
            if all(dot(row, mixture) <= answer[-1] for row in table):
                found.add(tuple(mixture))
    return found


def extreme_equilibria(payoffs):
    """All pairs of such mixtures in which each puts weight on best replies only; payoffs (rows, columns, 2)."""
    first = [[Fraction(value) for value in row] for row in payoffs[..., 0].tolist()]
    second = [[Fraction(value) for value in column] for column in payoffs[..., 1].T.tolist()]
    equilibria = set()
    for row, column in product(mixtures(second), mixtures(first)):
        mine, theirs = [dot(line, column) for line in first], [dot(line, row) for line in second]
        if dot(row, mine) == max(mine) and dot(column, theirs) == max(theirs):
            equilibria.add((row, column))
    return equilibria


def exact_regret(payoffs, pair):
    """The largest gain of each player in a profile of doubles, exactly."""
    row, column = ([Fraction(value) for value in mixture.tolist()] for mixture in pair)
    gains = []
    for table, own, other in ((payoffs[..., 0], row, column), (payoffs[..., 1].T, column, row)):
        replies = [dot([Fraction(value) for value in line], other) for line in table.tolist()]
        gains.append(max(replies) - dot(own, replies))
    return gains


def _ties(rng, shape):
    return rng.integers(-3, 4, size=shape).astype(float)


def _copies(rng, shape):
    payoffs = _ties(rng, shape)
    payoffs[-1] = payoffs[0]
    if shape[1] > 1:
        payoffs[:, -1] = payoffs[:, 0]
    return payoffs


def _averages(rng, shape):
    """The last action of both is as good as a mixture of two others."""
    payoffs = rng.integers(-3, 4, size=shape).astype(float)
    payoffs[-1, :, 0] = (payoffs[0, :, 0] + payoffs[len(payoffs) // 2, :, 0]) / 2
    payoffs[:, -1, 1] = (payoffs[:, 0, 1] + payoffs[:, shape[1] // 2, 1]) / 2
    return payoffs


def _dominated(rng, shape):
    payoffs = rng.normal(size=shape).round(2)
    payoffs[-1, :, 0] = payoffs[0, :, 0] - rng.integers(0, 2)
    return payoffs


def _one_indifferent(rng, shape):
    payoffs = _ties(rng, shape)
    payoffs[..., rng.integers(2)] = 0
    return payoffs


def _zero_sum(rng, shape):
    first = rng.integers(-2, 3, size=shape[:2]).astype(float)
    return np.stack([first, -first], axis=-1)


def _constant(rng, shape):
    return np.full(shape, float(rng.integers(-2, 3)))


KINDS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "cents": lambda rng, shape: rng.normal(size=shape).round(2),
    "ties": _ties,
    "coordination": lambda rng, shape: np.repeat(rng.integers(0, 3, size=(*shape[:2], 1)), 2, axis=2).astype(float),
    "copies": _copies,
    "averages": _averages,
    "dominated": _dominated,
    "one indifferent": _one_indifferent,
    "zero sum": _zero_sum,
    "constant": _constant,
}


def game(kind, seed, most=4):
    """A game of one of the ``KINDS``, of up to ``most`` x ``most`` actions, whose payoffs are exact as doubles."""
    rng = np.random.default_rng(seed)
    return KINDS[kind](rng, (*(int(size) for size in rng.integers(1, most + 1, size=2)), 2))


#: What an equilibrium does not depend on: factor and shift (in spreads) of each player's payoffs.
UNITS = {
    "as it is": ((1.0, 1.0), (0.0, 0.0)),
    "times 1e-9": ((1e-9, 1e-9), (0.0, 0.0)),
    "times 1e9": ((1e9, 1e9), (0.0, 0.0)),
    "own units": ((3e-9, 7e8), (0.0, 0.0)),
    "shifted by 1e3": ((0.1, 0.1), (1e3, -1e3)),
    "shifted by 1e6": ((1.0, 1.0), (1e6, 1e6)),
    "shifted by 1e9": ((1.0, 1.0), (-1e9, 1e9)),
    "own units, shifted": ((1e9, 1e-9), (1e5, 0.0)),
}


def in_units(payoffs, name):
    """The same game in other units."""
    factors, shifts = UNITS[name]
    spread = np.ptp(payoffs.reshape(-1, 2), axis=0)
    return (payoffs + np.array(shifts) * np.where(spread > 0, spread, 1.0)) * np.array(factors)


def with_sentinel(payoffs, seed):
    """One cell, of one player or both, is never to be played."""
    rng = np.random.default_rng(seed)
    changed = payoffs.copy()
    cell = tuple(rng.integers(size) for size in payoffs.shape[:2])
    changed[(*cell, slice(None) if rng.integers(2) else rng.integers(2))] = -1e9
    return changed

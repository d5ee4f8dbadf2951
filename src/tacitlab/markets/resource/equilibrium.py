"""A Markov-perfect equilibrium of two agents in the trading game, by backward induction of 3 x 3 stage games."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.resource.theory import SIDES, TIE, Floats, TradingGame
from tacitlab.theory.equilibrium import mixed_nash

Bools = NDArray[np.bool_]

MOST = 2**25  # numbers of the strategies: 268 MB


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """One Markov-perfect equilibrium, among possibly many.

    Attributes
    ----------
    values : (2,) array
        Expected reward of an episode of each agent, in currency.
    strategies : (steps, 2, inventories, inventories, 3) array
        Probability that an agent sells, holds or buys at a step, given the inventories of the first and the second
        agent, as indices from the lowest.
    error : float
        The most that either agent could gain by a best response at any step and inventories, in currency at the
        first price.
    mixed : int
        Stage games, of steps * inventories squared, that had no equilibrium in pure strategies.
    """

    values: Floats
    strategies: Floats
    error: float
    mixed: int


def equilibrium(game: TradingGame) -> Equilibrium:
    """A Markov-perfect equilibrium of two agents whose strategies depend on time and both inventories.

    Parameters
    ----------
    game : TradingGame

    Returns
    -------
    Equilibrium
        Others may exist, with other values, also of history-dependent strategies. The rule that selects this one: in
        every stage game the pure equilibrium with the greatest sum of payoffs, of several the first in the order
        (sell, hold, buy) of the first agent, then of the second; where none is pure, the mixed one with the greatest
        sum. Agents may therefore earn different amounts from the same start.

    Raises
    ------
    TacitError
        If prices could reach 0, there are more inventories and steps than memory, or a stage game is too degenerate to
        solve.

    Notes
    -----
    At inventories (i, j) and a step t the agents play the 3 x 3 game with payoffs
    ``gains_k(i, j, x, y) + growth(x + y) E v_{t+1, k}(i + x + shock, j + y + shock)``, penalties inside the
    expectation. D. Fudenberg and J. Tirole, *Game Theory* (1991), chapter 13. Orders that a limit forbids are no
    actions. Mixed equilibria are found by :func:`tacitlab.theory.equilibrium.mixed_nash`.

    Examples
    --------
    Fills before the impact: with one step left everybody buys, as it moves the price under all one holds.

    >>> found = equilibrium(TradingGame(execution="pre", steps=1))
    >>> found.values, found.strategies[0, 0, 5, 5], found.error
    (array([12., 12.]), array([0., 0., 1.]), 0.0)
    """
    game.require_positive_prices(2)
    size = len(game.lots)
    if 2 * len(SIDES) * game.steps * size**2 > MOST:
        raise TacitError(f"steps: {size**2} pairs of inventories in {game.steps} steps are too many; take fewer")
    stage = _Stage(game)
    strategies = np.zeros((game.steps, 2, size, size, len(SIDES)))
    values, best = np.zeros((2, 2, size, size))
    error, mixed = 0.0, 0
    for step in reversed(range(game.steps)):
        last = step == game.steps - 1
        payoffs = stage.payoffs(values, last)
        rows, columns, without = stage_equilibria(payoffs, stage.allowed)
        mixed += without
        strategies[step] = np.stack([rows, columns]).reshape(2, size, size, -1)
        values = _expected(payoffs, rows, columns).T.reshape(2, size, size)
        deviations = stage.payoffs(best, last)
        best = np.stack([
            np.einsum("bxy,by->bx", deviations[..., 0], columns).max(axis=1),
            np.einsum("bxy,bx->by", deviations[..., 1], rows).max(axis=1),
        ]).reshape(2, size, size)  # fmt: skip
        error = max(error, float((best - values).max()))
    return Equilibrium(game.price * values[:, game.begin, game.begin], strategies, game.price * error, mixed)


class _Stage:
    """The stage games at all pairs of inventories, which are numbered in row-major order."""

    def __init__(self, game: TradingGame) -> None:
        size, after = len(game.lots), game.after
        traded = after - np.arange(size)[:, None]
        net = traded[:, None, :, None] + traded[None, :, None, :]
        own = np.arange(size)[:, None, None, None], after[:, None, :, None]
        other = np.arange(size)[None, :, None, None], after[None, :, None, :]
        self.gains = np.stack([game.gains(*own, net), game.gains(*other, net)])
        self.growth, self.successors = game.growth(net), (own[1], other[1])
        possible = traded == SIDES
        self.allowed = (possible[:, None, :, None] & possible[None, :, None, :]).reshape(size**2, 3, 3)
        self.shaken, self.penalties, self.closing = game.shaken, game.penalties, game.closing

    def payoffs(self, values: Floats, last: bool) -> Floats:
        """Payoffs (states, 3, 3, agents), over the price, given the values (agents, inventories, inventories) after."""
        costs = np.stack(np.broadcast_arrays(self.penalties[:, None], self.penalties[None]))
        later = self.shaken @ (values - costs) @ self.shaken.T
        if last:
            later = later + np.stack(np.broadcast_arrays(self.closing[:, None], self.closing[None]))
        payoffs = self.gains + self.growth * later[:, *self.successors]
        return np.asarray(np.moveaxis(payoffs, 0, -1).reshape(-1, 3, 3, 2))


def stage_equilibria(payoffs: Floats, allowed: Bools) -> tuple[Floats, Floats, int]:
    """Strategies (states, 3) of both agents, and how many stage games had no pure equilibrium.

    Parameters
    ----------
    payoffs : (states, 3, 3, 2) array
        By the actions of the first and the second agent.
    allowed : (states, 3, 3) array of bool
        Whether both actions are possible.

    Examples
    --------
    In a dilemma (sell: cooperate) both buy:

    >>> payoffs = np.array([[2.0, 0.0], [3.0, 1.0]])
    >>> table = np.zeros((1, 3, 3, 2))
    >>> table[0, ::2, ::2, 0], table[0, ::2, ::2, 1] = payoffs, payoffs.T
    >>> able = np.zeros((1, 3, 3), dtype=bool)
    >>> able[0, ::2, ::2] = True
    >>> stage_equilibria(table, able)
    (array([[0., 0., 1.]]), array([[0., 0., 1.]]), 0)
    """
    tie = TIE * np.abs(payoffs).max()
    stable = allowed & (payoffs[..., 0] >= payoffs[..., 0].max(axis=1, keepdims=True) - tie)
    stable &= payoffs[..., 1] >= payoffs[..., 1].max(axis=2, keepdims=True) - tie
    sums = np.where(stable, payoffs.sum(axis=-1), -np.inf).reshape(len(payoffs), -1)
    pure = stable.any(axis=(1, 2))
    chosen = (sums >= sums.max(axis=1, keepdims=True) - tie).argmax(axis=1)
    rows, columns = np.eye(3)[chosen // 3], np.eye(3)[chosen % 3]
    for state in np.flatnonzero(~pure):  # few
        rows[state], columns[state] = _mixed(payoffs[state], allowed[state])
    return rows, columns, int(np.count_nonzero(~pure))


def _mixed(payoffs: Floats, allowed: Bools) -> tuple[Floats, Floats]:
    """The equilibrium of one stage game with the greatest sum of payoffs, of the extreme ones."""
    actions = np.ix_(allowed.any(axis=1), allowed.any(axis=0))
    found, _ = mixed_nash(payoffs[actions])
    if not found:
        raise TacitError("game: a stage game is too degenerate to solve; change a number of the game a little")
    row, column = max(found, key=lambda pair: float(pair[0] @ payoffs[actions].sum(axis=-1) @ pair[1]))
    strategies = np.zeros((2, 3))
    strategies[0, allowed.any(axis=1)], strategies[1, allowed.any(axis=0)] = row, column
    return strategies[0], strategies[1]


def _expected(payoffs: Floats, rows: Floats, columns: Floats) -> Floats:
    """Expected payoffs (states, agents)."""
    return np.asarray(np.einsum("bx,bxyk,by->bk", rows, payoffs, columns))

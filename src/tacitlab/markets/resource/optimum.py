"""The joint optimum of the trading game: what its agents could earn together."""

import math
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from tacitlab.errors import TacitError
from tacitlab.markets.resource.theory import SIDES, Integers, TradingGame

PAIRS = 2**20  # joint states times joint orders for which a joint optimum is computed


@dataclass(frozen=True, eq=False)
class JointOptimum:
    """The largest sum of rewards that agents can earn together, and how.

    Attributes
    ----------
    value : float
        Expected reward of an episode per agent, in currency.
    inventories : (states, agents) int array
        Joint states: inventories in lots, ascending.
    successors : (steps, states) int array
        State to trade to in each step: an inventory moves to that of the same rank. Of several optimal choices the
        one with fewest trades, so that trades for which there is time come late.
    """

    value: float
    inventories: Integers
    successors: NDArray[np.int32]
    base: int = field(repr=False)

    def orders(self, step: int, inventories: ArrayLike) -> Integers:
        """Optimal orders in lots.

        Parameters
        ----------
        step : int
            From 0.
        inventories : (..., agents) int array
            In lots, in any order.

        Returns
        -------
        (..., agents) int array
            -1, 0 or 1 of each agent.
        """
        held = np.asarray(inventories, dtype=np.int64)
        ranks = held.argsort(axis=-1, kind="stable")
        ascending = np.take_along_axis(held, ranks, -1)
        lowest = self.inventories[0, 0]
        state = np.searchsorted(_codes(self.inventories - lowest, self.base), _codes(ascending - lowest, self.base))
        orders = np.empty_like(held)
        np.put_along_axis(orders, ranks, self.inventories[self.successors[step, state]] - ascending, -1)
        return orders


def joint_optimum(game: TradingGame, agents: int = 2) -> JointOptimum:
    """The orders that maximise the expected sum of all rewards, by backward induction over multisets of inventories.

    Parameters
    ----------
    game : TradingGame
    agents : int
        1: an agent alone.

    Returns
    -------
    JointOptimum
        Exact to rounding.

    Raises
    ------
    TacitError
        If there are more than ``PAIRS`` joint states times joint orders, or prices could reach 0.

    Notes
    -----
    ``v_t(I) = max_x sum_i gains_i + growth(net) E v_{t+1}(I + x + shock)``, with the penalties inside the expectation
    and ``v_T = 0``. Noise does not matter: rewards are linear in the price and its mean is 0.

    Examples
    --------
    Fills after the impact: two agents buy one lot a step together until both are full.

    >>> optimum = joint_optimum(TradingGame(execution="post"))
    >>> round(optimum.value, 1), int(optimum.orders(990, [5, 5]).sum())
    (76.3, 1)
    """
    if agents < 1:
        raise TacitError(f"agents: {agents} is too small; give at least 1")
    size = len(game.lots)
    count = math.comb(size + agents - 1, agents)
    if count * 3**agents > PAIRS:
        raise TacitError(f"agents: {agents} have {count} joint inventories times {3**agents} orders; at most {PAIRS}")
    game.require_positive_prices(agents)
    states = np.array(list(combinations_with_replacement(range(size), agents)), dtype=np.int64)
    options = _options(states, size)
    net = states[options].sum(axis=-1) - states.sum(axis=-1)
    gains = game.gains(states, states[options], net[..., None]).sum(axis=-1)
    growth, penalties, closing = game.growth(net), game.penalties[states].sum(-1), game.closing[states].sum(-1)
    shaken = _shocks(game, states)
    columns = np.arange(count)
    successors = np.empty((game.steps, count), dtype=np.int32)
    values = np.zeros(count)
    for step in reversed(range(game.steps)):
        later = shaken @ (values - penalties) + (closing if step == game.steps - 1 else 0.0)
        candidates = gains + growth * later[options]
        values = candidates.max(axis=0)
        tied = candidates >= values - game.slack(candidates)
        successors[step] = options[tied.argmax(axis=0), columns]
    begin = np.flatnonzero((states == game.begin).all(axis=1))[0]
    return JointOptimum(float(game.price * values[begin] / agents), states + game.lowest, successors, size)


def _codes(states: Integers, base: int) -> Integers:
    """Ascending numbers for joint states in lexicographic order."""
    return np.asarray(states @ base ** np.arange(states.shape[-1], dtype=np.int64)[::-1])


def _options(states: Integers, size: int) -> Integers:
    """Joint states within reach of one order each, fewest trades first, (options, states), padded with the first."""
    moves = np.array(sorted(product(SIDES, repeat=states.shape[1]), key=np.count_nonzero))
    after = np.sort(np.clip(states[:, None] + moves, 0, size - 1), axis=-1)
    reached = np.searchsorted(_codes(states, size), _codes(after, size))
    firsts = [np.sort(np.unique(row, return_index=True)[1]) for row in reached]
    options = np.repeat(reached[None, :, 0], max(map(len, firsts)), axis=0)
    for state, first in enumerate(firsts):
        options[: len(first), state] = reached[state, first]
    return options


def _shocks(game: TradingGame, states: Integers) -> csr_array:
    """Probability of each joint state (column) after the shocks of all agents in another (row)."""
    agents, size, count = states.shape[1], len(game.lots), len(states)
    chances = np.array([game.shock / 2, 1 - game.shock, game.shock / 2])
    moves = np.array([move for move in product(range(3), repeat=agents) if chances[list(move)].all()])
    after = np.sort(np.clip(states[:, None] + SIDES[moves], 0, size - 1), axis=-1)
    columns = np.searchsorted(_codes(states, size), _codes(after, size)).ravel()
    weights = np.tile(chances[moves].prod(axis=1), count)
    return csr_array((weights, (np.repeat(np.arange(count), len(moves)), columns)), shape=(count, count))

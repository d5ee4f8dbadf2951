"""Two agents who hold whole lots of something and sell one, hold or buy one in every step, without any chance.

Rewards are whatever the two holdings and the two orders make of them, so that dynamic programming over both holdings is
exact whatever the price law. With rewards that are proportional to a random price see
:mod:`tacitlab.markets.resource.theory`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.resource.equilibrium import stage_equilibria
from tacitlab.markets.resource.theory import SIDES, TIE

Floats = NDArray[np.float64]

MOST = 2**20  # states times steps
ORDER = np.array([1, 0, 2])  # among equals: hold before sell before buy


def check_size(states: int, steps: int) -> None:
    """TacitError if so many pairs of holdings in so many steps are too many."""
    if states * steps > MOST:
        raise TacitError(f"steps: {states} pairs of holdings in {steps} steps are too many; take fewer steps")


@dataclass(frozen=True, eq=False)
class HoldingGame:
    """The game.

    Attributes
    ----------
    rewards : (2, holdings of one, holdings of two, 3, 3) array
        What each agent earns in a step, by what both hold, in lots from 0, and what the first and the second order:
        0 sell, 1 hold, 2 buy. An order that leaves the array must earn what holding earns; it becomes a hold.
    start : pair of int
        Lots that the agents hold at first.
    steps : int

    Raises
    ------
    TacitError
        If shapes do not fit, or states times steps are more than ``MOST``.

    Examples
    --------
    Who buys first gains 1, at the other's expense; holdings of 0 or 1.

    >>> rewards = np.zeros((2, 2, 2, 3, 3))
    >>> rewards[:, 0, 0, 2, 1], rewards[:, 0, 0, 1, 2] = (1, -1), (-1, 1)
    >>> found = equilibrium(HoldingGame(rewards, (0, 0), 2))
    >>> found.values, found.strategies[0][0, 0, 0]
    (array([0., 0.]), array([0., 0., 1.]))
    """

    rewards: Floats
    start: tuple[int, int]
    steps: int

    def __post_init__(self) -> None:
        shape, size = self.rewards.shape, int(np.prod(self.rewards.shape[1:3]))
        if len(shape) != 5 or (shape[0], *shape[3:]) != (2, 3, 3):
            raise TacitError(f"rewards: the shape {shape} is wrong; give (2, holdings, holdings, 3, 3)")
        if self.steps < 1 or not all(0 <= lots < most for lots, most in zip(self.start, shape[1:3], strict=True)):
            raise TacitError(
                f"start, steps: {self.start} and {self.steps} are out of bounds; holdings are {shape[1:3]}"
            )
        check_size(size, self.steps)

    @property
    def after(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lots after each order, (holdings, 3), of both agents."""
        one, two = (np.clip(np.arange(n)[:, None] + SIDES, 0, n - 1) for n in self.rewards.shape[1:3])
        return one, two

    def payoffs(self, values: Floats) -> Floats:
        """Rewards and what follows, given the values (2, holdings, holdings) of what follows; as ``rewards``."""
        one, two = self.after
        return np.asarray(self.rewards + values[:, one[:, None, :, None], two[None, :, None, :]])


@dataclass(frozen=True, eq=False)
class Play:
    """What two agents do, and what it is worth.

    Attributes
    ----------
    values : (2,) array
        Sum of each agent's rewards over the steps, exact to rounding.
    strategies : pair of (steps, holdings of one, holdings of two, 3) arrays
        Probability that an agent sells, holds or buys.
    error : float
        Of an equilibrium, the most that either agent could gain by a best response at any step and holdings.
    """

    values: Floats
    strategies: tuple[Floats, Floats]
    error: float = 0.0


def value(game: HoldingGame, strategies: tuple[Floats, Floats]) -> Floats:
    """Expected sums of rewards, (2,), of two strategies (holdings of one, holdings of two, 3) that all steps share."""
    values = np.zeros(game.rewards.shape[:3])
    for _ in range(game.steps):
        values = np.einsum("kijxy,ijx,ijy->kij", game.payoffs(values), *strategies)
    return np.asarray(values[:, *game.start])


def best_response(
    game: HoldingGame, agent: int, strategies: tuple[Floats, Floats], goal: Literal["own", "others"] = "own"
) -> Play:
    """The most that an agent can earn, or the least that it can leave to the other, who plays as in ``strategies``.

    Parameters
    ----------
    game : HoldingGame
    agent : {0, 1}
        Whose part of ``strategies`` is replaced.
    strategies : pair of arrays
        As of :func:`value`.
    goal : {"own", "others"}
        Greatest own rewards, or least rewards of the other.

    Returns
    -------
    Play
        The responder knows both holdings and the step.

    Examples
    --------
    >>> rewards = np.zeros((2, 2, 2, 3, 3))
    >>> rewards[:, 0, 0, 2, 1], rewards[:, 0, 0, 1, 2] = (1, -1), (-1, 1)
    >>> hold = np.broadcast_to([0.0, 1.0, 0.0], (2, 2, 3))
    >>> best_response(HoldingGame(rewards, (0, 0), 2), 1, (hold, hold)).values
    array([-1.,  1.])
    """
    values, shape = np.zeros(game.rewards.shape[:3]), game.rewards.shape[1:3]
    other = 1 - agent
    played = [np.broadcast_to(part, (game.steps, *shape, 3)).copy() for part in strategies]
    for step in reversed(range(game.steps)):
        subscripts = "kijxy,ijy->kijx" if agent == 0 else "kijxy,ijx->kijy"
        mean = np.einsum(subscripts, game.payoffs(values), strategies[other])[..., ORDER]
        score = mean[agent] if goal == "own" else -mean[other]
        chosen = (score >= score.max(axis=-1, keepdims=True) - TIE * np.abs(score).max()).argmax(axis=-1)
        values = np.take_along_axis(mean, chosen[None, ..., None], axis=-1)[..., 0]
        played[agent][step] = np.eye(3)[ORDER[chosen]]
    return Play(values[:, *game.start], (played[0], played[1]))


def joint_optimum(game: HoldingGame) -> Play:
    """The orders with the greatest sum of both agents' rewards; of equal ones those with fewest trades."""
    pairs = np.array(sorted(np.ndindex(3, 3), key=lambda pair: abs(pair[0] - 1) + abs(pair[1] - 1)))
    values, shape = np.zeros(game.rewards.shape[:3]), game.rewards.shape[1:3]
    chosen = np.empty((game.steps, *shape), dtype=np.int64)
    for step in reversed(range(game.steps)):
        options = game.payoffs(values)[..., pairs[:, 0], pairs[:, 1]]
        sums = options.sum(axis=0)
        chosen[step] = (sums >= sums.max(axis=-1, keepdims=True) - TIE * np.abs(options).max()).argmax(axis=-1)
        values = np.take_along_axis(options, chosen[step][None, ..., None], axis=-1)[..., 0]
    orders = np.eye(3)[pairs[chosen]]
    return Play(values[:, *game.start], (orders[..., 0, :], orders[..., 1, :]))


def equilibrium(game: HoldingGame) -> Play:
    """A Markov-perfect equilibrium of strategies that depend on the step and both holdings, by backward induction.

    Of several stage equilibria the pure one with the greatest sum is chosen, as in
    :func:`tacitlab.markets.resource.equilibrium.equilibrium`, which says more. Its error is found by a recursion of
    its own.
    """
    sizes = game.rewards.shape[1:3]
    possible = [after - np.arange(n)[:, None] == SIDES for after, n in zip(game.after, sizes, strict=True)]
    allowed = (possible[0][:, None, :, None] & possible[1][None, :, None, :]).reshape(-1, 3, 3)
    values, best = np.zeros((2, 2, *sizes))
    parts, error = np.empty((2, game.steps, *sizes, 3)), 0.0
    for step in reversed(range(game.steps)):
        payoffs = game.payoffs(values)
        rows, columns, _ = stage_equilibria(np.moveaxis(payoffs, 0, -1).reshape(-1, 3, 3, 2), allowed)
        parts[:, step] = now = np.stack([rows, columns]).reshape(2, *sizes, 3)
        values = np.einsum("kijxy,ijx,ijy->kij", payoffs, *now)
        deviations = game.payoffs(best)
        best = np.stack([
            np.einsum("ijxy,ijy->ijx", deviations[0], now[1]).max(axis=-1),
            np.einsum("ijxy,ijx->ijy", deviations[1], now[0]).max(axis=-1),
        ])  # fmt: skip
        error = max(error, float((best - values).max()))
    return Play(values[:, *game.start], (parts[0], parts[1]), error)

"""Exact solution of finite Markov decision processes with discounting, many of them at once.

The typical caller freezes the strategies of all players but one in each of a thousand sessions: a thousand small
decision processes with the same shape. All functions therefore take leading batch axes and work through them in
chunks of bounded memory.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.theory.precision import SENTINEL, own_scale

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

CELLS = 2**22
"""Largest number of array entries that a chunk of the batch may hold; one double array of it takes 32 MiB."""

ROUNDING = 256 * float(np.finfo(np.float64).eps)
"""Two values closer than this times the largest possible value count as tied."""


FAR = 1e3
"""Rewards this many spreads away from 0 are solved without what they all contain."""

MOST_ROUNDS = 10_000
"""Policies tried at most: rounding of sentinels must not make the iteration go in circles."""


class Solution(NamedTuple):
    """Optimal values and an optimal policy.

    Attributes
    ----------
    values : (..., states) float array
        Discounted value of each state, in units of the rewards.
    policy : (..., states) int array
        An optimal action in each state: the first one if several are tied.
    """

    values: Floats
    policy: Indices


def evaluate(rewards: ArrayLike, next_state: ArrayLike, discount: float) -> Floats:
    """Value of a fixed policy with deterministic transitions, exact to rounding.

    Pointer doubling: with ``V_h`` the discounted rewards of ``h`` periods and ``f^h`` the state after them,
    ``V_2h(s) = V_h(s) + discount**h V_h(f^h(s))`` and ``f^2h = f^h o f^h``, until ``discount**h`` vanishes. Ten
    doublings suffice at a discount factor of 0.95, twenty at 0.9999.

    Parameters
    ----------
    rewards : (..., states) array
        Reward a period in each state.
    next_state : (..., states) int array
        The state that follows; the batch axes of both arrays broadcast.
    discount : float
        Discount factor a period, in [0, 1).

    Returns
    -------
    (..., states) float array
        ``sum_t discount**t rewards(s_t)`` from each starting state.

    Raises
    ------
    TacitError
        If the discount factor, the shapes or a state index are out of bounds.

    Examples
    --------
    State 0 earns 1 and leads to state 1, which earns nothing and leads back:

    >>> evaluate([1.0, 0.0], [1, 0], 0.5).round(4)
    array([1.3333, 0.6667])
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    next_state = _indices(next_state)
    if rewards.ndim < 1 or next_state.shape[-1:] != rewards.shape[-1:]:
        raise TacitError(f"next_state: the shape {next_state.shape} does not fit rewards of shape {rewards.shape}")
    states = rewards.shape[-1]
    _check(rewards, next_state, discount, states)
    batch = np.broadcast_shapes(rewards.shape[:-1], next_state.shape[:-1])
    rewards, next_state = _flatten(rewards, batch, 1), _flatten(next_state, batch, 1)
    values = np.empty((len(rewards), states))
    for rows in chunks(len(rewards), states):
        values[rows] = _doubling(rewards[rows], next_state[rows], float(discount))
    return values.reshape(*batch, states)


def solve(
    rewards: ArrayLike,
    next_state: ArrayLike,
    discount: float,
    *,
    probabilities: ArrayLike | None = None,
    method: Literal["policy", "value"] = "policy",
    tolerance: float | None = None,
) -> Solution:
    """Solve ``V(s) = max_a [rewards(s, a) + discount E V(s')]`` for a batch of decision processes.

    Policy iteration (Howard 1960; Puterman 1994, section 6.4) evaluates every policy exactly: by pointer doubling
    if transitions are deterministic, else by a dense linear system, whose work grows with the cube of the number of
    states. It switches an action only for a gain beyond rounding, so its values lie within
    ``ROUNDING * max |rewards| / (1 - discount)**2`` of the optimum, and usually at rounding error. Value iteration
    is for many states with random transitions.

    Parameters
    ----------
    rewards : (..., states, actions) array
        Expected reward of each action in each state.
    next_state : (..., states, actions) or (..., states, actions, outcomes) int array
        The state that follows; with a trailing axis if ``probabilities`` are given. Batch axes broadcast.
    discount : float
        Discount factor a period, in [0, 1).
    probabilities : (outcomes,) or (states, actions, outcomes) array, optional
        Probability of each outcome, common to the batch; without it transitions are deterministic.
    method : {"policy", "value"}
    tolerance : float, optional
        Value iteration only: bound on the error of every value, in units of the rewards; 1e-10 of their spread if
        None.

    Returns
    -------
    Solution
        ``values`` and ``policy``, each (..., states).

    Raises
    ------
    TacitError
        If the discount factor, a shape, a state index or the probabilities are out of bounds.

    Examples
    --------
    Save (action 0: nothing now, move to the rich state) or spend (action 1: one coin, three in the rich state):

    >>> solution = solve([[0.0, 1.0], [0.0, 3.0]], [[1, 0], [1, 0]], 0.9)
    >>> solution.policy
    array([0, 1])
    >>> solution.values.round(4)
    array([14.2105, 15.7895])
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    next_state = _indices(next_state)
    if rewards.ndim < 2:
        raise TacitError(f"rewards: the shape {rewards.shape} is too short; give (..., states, actions)")
    if method not in ("policy", "value"):
        raise TacitError(f"method: {method!r} is unknown; choose from policy, value")
    if tolerance is not None and not tolerance > 0:
        raise TacitError(f"tolerance: {tolerance} is too small; it must be above 0")
    outcomes = next_state[..., np.newaxis] if probabilities is None else next_state
    _check(rewards, outcomes, discount, states=rewards.shape[-2])
    if outcomes.ndim < 3 or outcomes.shape[-3:-1] != rewards.shape[-2:]:
        raise TacitError(f"next_state: the shape {next_state.shape} does not fit rewards of shape {rewards.shape}")
    weights = None if probabilities is None else _weights(probabilities, outcomes.shape[-3:])
    batch = np.broadcast_shapes(rewards.shape[:-2], outcomes.shape[:-3])
    states = rewards.shape[-2]
    rewards, outcomes = _flatten(rewards, batch, 2), _flatten(outcomes, batch, 3)
    values, policy = np.empty((len(rewards), states)), np.empty((len(rewards), states), dtype=np.intp)
    # A random transition needs a dense (states, states) matrix per problem for the exact evaluation.
    per_problem = max(outcomes[:1].size, states**2 if weights is not None and method == "policy" else 0)
    for rows in chunks(len(rewards), per_problem):
        process = _Process(rewards[rows], outcomes[rows], weights, float(discount))
        solved = _iterate_policies(process) if method == "policy" else _iterate_values(process, tolerance)
        values[rows], policy[rows] = solved
    return Solution(values.reshape(*batch, states), policy.reshape(*batch, states))


class _Process(NamedTuple):
    """A chunk of decision processes: rewards (batch, S, A), outcomes (batch, S, A, K), weights (S, A, K) or None."""

    rewards: Floats
    outcomes: Indices
    weights: Floats | None
    discount: float

    def select(self, rows: Indices) -> "_Process":
        if len(rows) == len(self.rewards):
            return self
        return self._replace(rewards=self.rewards[rows], outcomes=self.outcomes[rows])

    def action_values(self, values: Floats) -> Floats:
        """Rewards plus the discounted expected value of the next state, (batch, S, A)."""
        future = values.take(_offset(self.outcomes, values.shape[-1]))
        expected = future[..., 0] if self.weights is None else np.einsum("bsak,sak->bsa", future, self.weights)
        return self.rewards + self.discount * expected

    def policy_values(self, policy: Indices) -> Floats:
        """Exact values of a policy, (batch, S)."""
        rewards = np.take_along_axis(self.rewards, policy[..., None], -1)[..., 0]
        outcomes = np.take_along_axis(self.outcomes, policy[..., None, None], -2)[..., 0, :]
        if self.weights is None:
            return _doubling(rewards, outcomes[..., 0], self.discount)
        batch, states = rewards.shape
        weights = self.weights[np.arange(states), policy]
        system = np.tile(np.eye(states), (batch, 1, 1))
        index = np.arange(batch)[:, None, None], np.arange(states)[:, None], outcomes
        np.subtract.at(system, index, self.discount * weights)
        return np.linalg.solve(system, rewards[..., None])[..., 0].astype(np.float64, copy=False)


def _centred(rewards: Floats) -> tuple[Floats, Floats]:
    """Rewards without what they all contain, where this is so much that it would swallow their differences."""
    low, high = rewards.min((-2, -1)), rewards.max((-2, -1))
    spread = high - low
    base = np.where(np.minimum(np.abs(low), np.abs(high)) > FAR * spread, low, 0.0)
    return (rewards - base[:, None, None] if base.any() else rewards), base


def _sizes(rewards: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The size of each process's rewards, sentinels aside, and whether it has any."""
    amounts = np.abs(rewards).reshape(len(rewards), -1)
    sizes = amounts.max(-1)
    far = np.flatnonzero(sizes > SENTINEL * np.median(amounts, axis=-1))
    for row in far:
        scale = own_scale(rewards[row])
        sizes[row] = min(sizes[row], abs(scale.base) + scale.unit)
    return sizes, sizes < amounts.max(-1)


def _iterate_policies(process: _Process) -> Solution:
    rewards, base = _centred(process.rewards)
    process = process._replace(rewards=rewards)
    policy = rewards.argmax(-1)
    values = np.empty(policy.shape)
    sizes, sentinels = _sizes(rewards)
    tie = ROUNDING * sizes / (1 - process.discount)
    active, rounds = np.arange(len(policy)), 0
    while active.size:
        part, band = process.select(active), tie[active, None]
        current = part.policy_values(policy[active])
        candidates = part.action_values(current)
        chosen = np.take_along_axis(candidates, policy[active][..., None], -1)[..., 0]
        best = candidates.max(-1)
        band = band + ROUNDING * np.abs(best) * sentinels[active, None]
        switch = (best - chosen > band) & (rounds < MOST_ROUNDS)
        rounds += 1
        policy[active] = np.where(switch, candidates.argmax(-1), policy[active])
        done = ~switch.any(-1)
        values[active[done]] = current[done]
        tied = candidates[done] >= (best[done] - band[done])[..., None]
        policy[active[done]] = tied.argmax(-1)
        active = active[~done]
    return Solution(values + base[:, None] / (1 - process.discount), policy)


def _iterate_values(process: _Process, tolerance: float | None) -> Solution:
    if tolerance is None:
        tolerance = 1e-10 * float(np.ptp(process.rewards)) or 1e-10
    values, discount = process.rewards.max(-1), process.discount
    # The error shrinks by the discount factor a step and is at most discount / (1 - discount) times the last change.
    error = 2 * float(np.abs(process.rewards).max(initial=0.0)) / (1 - discount)
    steps = math.ceil(math.log(tolerance / error) / math.log(discount)) if discount > 0 and error > tolerance else 0
    for _ in range(steps):
        previous, values = values, process.action_values(values).max(-1)
        if discount * np.abs(values - previous).max(initial=0.0) <= tolerance * (1 - discount):
            break
    return Solution(values, process.action_values(values).argmax(-1))


def _doubling(rewards: Floats, next_state: Indices, discount: float) -> Floats:
    """Pointer doubling on (batch, states) arrays; see :func:`evaluate`."""
    jump = _offset(next_state, rewards.shape[-1])
    values, horizon = rewards, 1
    # A power per horizon: squaring the factor again and again would double its rounding error every time.
    while (factor := discount**horizon) > 1e-18:
        values = values + factor * values.take(jump)
        jump = jump.take(jump)
        horizon *= 2
    return values


def chunks(length: int, cells: int) -> Iterator[slice]:
    """Slices of a batch of ``length`` entries of ``cells`` array elements each, within ``CELLS`` elements."""
    step = max(1, CELLS // max(cells, 1))
    return (slice(first, min(first + step, length)) for first in range(0, length, step))


def _offset(next_state: Indices, states: int) -> Indices:
    """State indices of a batch as indices into the flattened (batch, states) array of values."""
    rows = states * np.arange(len(next_state), dtype=np.intp)
    return next_state + rows.reshape(-1, *[1] * (next_state.ndim - 1))


def _flatten(array: NDArray[Any], batch: tuple[int, ...], core: int) -> NDArray[Any]:
    """Merge the batch axes before the last ``core`` axes; no copy where the array has none or all of them."""
    tail, size = array.shape[array.ndim - core :], math.prod(batch)
    if array.ndim == core:
        return np.broadcast_to(array, (size, *tail))
    return np.broadcast_to(array, (*batch, *tail)).reshape(size, *tail)


def _indices(next_state: ArrayLike) -> Indices:
    array = np.asarray(next_state)
    if not np.issubdtype(array.dtype, np.integer):
        raise TacitError(f"next_state: the type {array.dtype} is wrong; give integer state indices")
    return array.astype(np.intp, copy=False)


def _check(rewards: Floats, next_state: Indices, discount: float, states: int) -> None:
    if not 0 <= discount < 1:
        raise TacitError(f"discount: {discount} is out of bounds; it must be at least 0 and below 1")
    if not np.isfinite(rewards).all():
        raise TacitError("rewards: not finite; remove NaN and infinite entries")
    if next_state.size and not 0 <= next_state.min() <= next_state.max() < states:
        raise TacitError(f"next_state: an index is out of bounds; there are {states} states, counted from 0")


def _weights(probabilities: ArrayLike, shape: tuple[int, ...]) -> Floats:
    weights = np.asarray(probabilities, dtype=np.float64)
    if weights.shape not in (shape, shape[-1:]):
        raise TacitError(f"probabilities: the shape {weights.shape} is wrong; it must be {shape[-1:]} or {shape}")
    if not np.all(weights >= 0) or not np.allclose(weights.sum(-1), 1, rtol=0, atol=1e-9):
        raise TacitError("probabilities: not a distribution; they must be at least 0 and sum to 1")
    return np.broadcast_to(weights, shape)

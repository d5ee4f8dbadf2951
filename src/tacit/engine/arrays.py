"""The plain arrays that the compiled loop reads: one experiment, flattened.

All counters and indices are unsigned 64-bit (see :mod:`tacit.engine.rules`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]


class GameArrays(NamedTuple):
    """A stage game in either form; the arrays of the other form are empty."""

    congestion: bool
    sequential: bool  # one player moves a period, in turn
    gathering: bool  # some agents do not move in every period, and gather payoffs in between
    payoffs: F64  # (regimes, joint, players)
    strides: U64  # (players,): joint action = sum of stride * action
    transition: F64  # (regimes, regimes): cumulated along the rows
    start: F64  # (regimes,): cumulated stationary distribution
    observed: bool
    active: NDArray[np.bool_]  # (regimes, players)
    incidence: U64  # (facilities, actions)
    weights: F64  # (actions, facilities)
    values: F64  # (facilities, loads)
    own: F64  # (actions,)


class GroupArrays(NamedTuple):
    """One row a group: consecutive agents that learn in the same way with the same numbers."""

    start: U64  # (groups + 1,): agents start[g] ... start[g+1]-1
    choice: NDArray[np.int64]
    rule: NDArray[np.int64]
    alpha: F64
    gamma: F64
    mixing: F64  # EXP3's share of uniform play; UCB1's width
    low: F64  # payoffs are scaled to [0, 1] by (payoff - low) * scale where a rule needs that
    scale: F64
    fixed: U64  # the action of a fixed policy
    random_ties: NDArray[np.bool_]
    random_values: NDArray[np.bool_]  # initial values uniform on [value_low, value_high)
    value_low: F64
    value_high: F64
    knots: F64  # (groups, knots, 4): from period `time` on, level = value, then level * factor + step each period


class AgentArrays(NamedTuple):
    """One row an agent."""

    actions: U64  # number of actions
    states: U64  # number of states
    table: U64  # offset of the agent's first value
    cell: U64  # offset of the agent's first state in `greedy`
    observes: NDArray[np.int64]
    memory: U64
    base: U64  # number of codes of one period's observation
    span: U64  # base ** memory: number of histories


class Limits(NamedTuple):
    """How long a session lasts and what is recorded."""

    periods: np.uint64
    stable_for: np.uint64  # 0: play to the end
    window: np.uint64
    limit_steps: np.uint64  # longest search for a limit cycle
    average_steps: np.uint64  # greedy periods averaged where play is random


class Record(NamedTuple):
    """What the sessions of one call leave; first axis: session."""

    periods: U64
    converged: NDArray[np.bool_]
    frequency: NDArray[np.float32]  # (session, window, agent | 1, action)
    payoff: F64  # (session, window, agent | 1)
    payoff_square: F64  # (session, window): mean over periods of the squared mean payoff
    limit_frequency: NDArray[np.float32]  # (session, agent | 1, action)
    limit_payoff: F64  # (session, agent | 1)
    cycle_length: U64  # 0: greedy play is not periodic
    history: U64  # (session, agent): code of the last periods' observations, on the limit cycle
    last_actions: U64  # (session, agent)
    greedy: NDArray[np.int16]  # (session, cells): greedy action by agent and state
    values: F64  # (session, all values) or (session, 0)

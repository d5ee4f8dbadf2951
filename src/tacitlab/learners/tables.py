"""Steps that the rules of tabular learners share: plain functions, which the engine compiles into its loop.

They work on one row of a flat value table: ``values[row + a]`` for the actions ``a`` of one agent in one state. Indices
are unsigned: numba then leaves out the test for negative indices, which doubled the loop's speed. Each choice uses the
agent's single uniform draw ``u`` of the period. Given ``u < epsilon``, ``u / epsilon`` is again uniform, so that one
draw decides both whether and what to explore.
"""

import math
from typing import Any

import numpy as np

ZERO: Any = np.uint64(0)
ONE: Any = np.uint64(1)


def first_maximum(values: Any, row: Any, actions: Any) -> Any:
    """The lowest action among those of greatest value."""
    best, top = ZERO, values[row]
    for a in range(ONE, actions):
        value = values[row + a]
        if value > top:
            best, top = a, value
    return best


def assign(values: Any, greedy: Any, row: Any, cell: Any, action: Any, actions: Any, new: Any) -> Any:
    """Write a value and keep ``greedy[cell]`` the first maximum of the row; True if that changed.

    Only a fall of the greedy action's own value needs a new search.
    """
    old = values[row + action]
    values[row + action] = new
    before = greedy[cell]
    if action == before:
        if new >= old:
            return False
        best = first_maximum(values, row, actions)
        greedy[cell] = best
        return best != before
    top = values[row + before]
    if new > top or (new == top and action < before):
        greedy[cell] = action
        return True
    return False


def teach(table: Any, agent: Any, action: Any, new: Any) -> Any:
    """:func:`assign` in the state in which the agent made its last move."""
    return assign(table.values, table.greedy, agent.old_row, agent.old_cell, action, agent.n_actions, new)


def epsilon_greedy(values: Any, row: Any, actions: Any, greedy: Any, u: Any, epsilon: Any, random_ties: Any) -> Any:
    """Uniform over all actions with probability epsilon, otherwise the greedy one."""
    if u < epsilon:
        return min(np.uint64(u / epsilon * actions), actions - ONE)
    if random_ties:
        return random_maximum(values, row, actions, values[row + greedy], (u - epsilon) / (1.0 - epsilon))
    return greedy


def random_maximum(values: Any, row: Any, actions: Any, top: Any, u: Any) -> Any:
    """One of the actions whose value is ``top``."""
    ties = ZERO
    for a in range(actions):
        if values[row + a] == top:
            ties += ONE
    rank = min(np.uint64(u * ties), ties - ONE)
    for a in range(actions):
        if values[row + a] == top:
            if rank == ZERO:
                return a
            rank -= ONE
    return ZERO


def boltzmann(values: Any, row: Any, actions: Any, greedy: Any, u: Any, temperature: Any) -> Any:
    """Probability proportional to exp(value / temperature); greedy at temperature 0."""
    if temperature <= 0.0:
        return greedy
    top = values[row + greedy]
    total = 0.0
    for a in range(actions):
        total += math.exp((values[row + a] - top) / temperature)
    left = u * total
    for a in range(actions):
        left -= math.exp((values[row + a] - top) / temperature)
        if left < 0.0:
            return a
    return actions - ONE


def scaled(turn: Any, reward: Any) -> Any:
    """A payoff by the range of payoffs that the agent can meet: in [0, 1] for rules that need that."""
    return (reward - turn.group.low) * turn.group.scale


def payoff_if(game: Any, table: Any, i: Any, action: Any, joint: Any, regime: Any) -> Any:
    """What agent i would have earned with another action against the same play of the others.

    It knows the game alone, and not what an intervention pays.
    """
    agent = table.agents[i]
    if not game.congestion:
        return game.payoffs[regime, joint + (action - agent.last) * agent.stride, i]
    value = game.own[action]
    for f in range(np.uint64(table.loads.size)):
        load = table.loads[f] - game.incidence[f, agent.last] + game.incidence[f, action]
        value += game.weights[action, f] * game.values[f, load]
    return value


def choose_epsilon_greedy(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """Uniform with probability ``turn.group.level``, otherwise a best action."""
    agent, ties = table.agents[i], turn.group.random_ties != ZERO
    greedy = table.greedy[agent.cell]
    return epsilon_greedy(table.values, agent.row, agent.n_actions, greedy, u, turn.group.level, ties)


def choose_boltzmann(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """At temperature ``turn.group.level``."""
    agent = table.agents[i]
    return boltzmann(table.values, agent.row, agent.n_actions, table.greedy[agent.cell], u, turn.group.level)

"""How one agent chooses and learns: scalar steps, compiled into the engine's loop.

Every function works on one row of a flat value table: ``values[row + a]`` for the actions ``a`` of one agent in one
state. Indices are unsigned: numba then leaves out the test for negative indices, which doubled the loop's speed.
Each choice uses the agent's single uniform draw ``u`` of the period. Given ``u < epsilon``, ``u / epsilon`` is again
uniform, so that one draw decides both whether and what to explore.
"""

import math

from numba import uint64

from tacitlab.engine.compilation import inlined, native
from tacitlab.learners.base import Choice, Observes, Rule

# Plain integers: compiled code compares them faster than enumeration members.
EPSILON_GREEDY, BOLTZMANN, EXP3_MIXTURE, UPPER_BOUND, FIXED, RANDOM, BEST_REPLY = (int(c) for c in Choice)
NOTHING, Q_LEARNING, Q_COUNTERFACTUAL, SARSA, EXP3, AVERAGE = (int(r) for r in Rule)
EVERYBODY, RIVALS, OWN, CROWD = (int(o) for o in Observes)


@inlined
def first_maximum(values, row, actions):
    """The lowest action among those of greatest value."""
    best, top = uint64(0), values[row]
    for a in range(uint64(1), actions):
        value = values[row + a]
        if value > top:
            best, top = a, value
    return best


@inlined
def assign(values, greedy, row, state, action, actions, new):
    """Write a value and keep ``greedy[state]`` the first maximum of the row; True if that changed.

    Only a fall of the greedy action's own value needs a new search.
    """
    old = values[row + action]
    values[row + action] = new
    before = greedy[state]
    if action == before:
        if new >= old:
            return False
        best = first_maximum(values, row, actions)
        greedy[state] = best
        return best != before
    top = values[row + before]
    if new > top or (new == top and action < before):
        greedy[state] = action
        return True
    return False


@inlined
def epsilon_greedy(values, row, actions, greedy, u, epsilon, random_ties):
    """Uniform over all actions with probability epsilon, otherwise the greedy one."""
    if u < epsilon:
        return min(uint64(u / epsilon * actions), actions - uint64(1))
    if random_ties:
        return _random_maximum(values, row, actions, values[row + greedy], (u - epsilon) / (1.0 - epsilon))
    return greedy


@native
def _random_maximum(values, row, actions, top, u):
    ties = uint64(0)
    for a in range(actions):
        if values[row + a] == top:
            ties += uint64(1)
    rank = min(uint64(u * ties), ties - uint64(1))
    for a in range(actions):
        if values[row + a] == top:
            if rank == uint64(0):
                return a
            rank -= uint64(1)
    return uint64(0)


@native
def boltzmann(values, row, actions, greedy, u, temperature):
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
    return actions - uint64(1)


@native
def exp3_probability(values, row, actions, greedy, action, mixing):
    """Probability of an action under EXP3 with log weights ``values``."""
    top = values[row + greedy]
    total = 0.0
    for a in range(actions):
        total += math.exp(values[row + a] - top)
    return (1.0 - mixing) * math.exp(values[row + action] - top) / total + mixing / actions


@native
def exp3_choice(values, row, actions, greedy, u, mixing):
    """Auer, Cesa-Bianchi, Freund and Schapire (2002): exponential weights mixed with uniform play."""
    if u < mixing:
        return min(uint64(u / mixing * actions), actions - uint64(1))
    return boltzmann(values, row, actions, greedy, (u - mixing) / (1.0 - mixing), 1.0)


@native
def upper_bound_choice(values, visits, row, actions, width):
    """UCB1 of Auer, Cesa-Bianchi and Fischer (2002): untried actions first, then mean + sqrt(width ln t / tries)."""
    total = 0.0
    for a in range(actions):
        if visits[row + a] == 0.0:
            return a
        total += visits[row + a]
    best, top = uint64(0), -math.inf
    for a in range(actions):
        bound = values[row + a] + math.sqrt(width * math.log(total) / visits[row + a])
        if bound > top:
            best, top = a, bound
    return best

"""What happens by itself: payoff regimes, exploration schedules, initial states."""

import numpy as np
from numba import uint64

from tacitlab.engine.compilation import inlined, native
from tacitlab.engine.kernel import ONE, ZERO, remember, settle
from tacitlab.engine.streams import uniform
from tacitlab.learners.tables import first_maximum

NEVER = np.uint64((1 << 64) - 1)


@inlined
def next_regime(game, regime, u):
    """Tomorrow's payoff regime, by inversion of the cumulated transition row."""
    following = ZERO
    while u >= game.transition[regime, following]:
        following += ONE
    return following


@native
def first_regime(game, key):
    """A regime from the stationary distribution."""
    regime, u = ZERO, uniform(key, NEVER)
    while u >= game.start[regime]:
        regime += ONE
    return regime


@native
def initial_values(table, given, row, key):
    """Values of a session, given (row ``row``) or drawn, and every greedy action."""
    for k in range(uint64(given.shape[1])):
        table.values[k] = given[row, k]
    for g in range(uint64(table.groups.size)):
        group = table.groups[g]
        for i in range(group.start, group.stop):
            agent = table.agents[i]
            if group.random_values != ZERO:
                for k in range(agent.first_value, agent.first_value + agent.n_states * agent.n_actions):
                    table.values[k] = group.value_low + (group.value_high - group.value_low) * uniform(key, k)
            agent.row, agent.cell = agent.first_value, agent.first_cell
            for s in range(agent.n_states):
                row_of_state = agent.first_value + s * agent.n_actions
                table.greedy[agent.first_cell + s] = first_maximum(table.values, row_of_state, agent.n_actions)


@native
def initial_state(game, table, key, regime):
    """Play of as many periods as the longest memory, as given or uniformly random; returns the last joint action."""
    n, joint, draw, longest, given = uint64(table.agents.size), ZERO, ZERO, ONE, uint64(game.opening.shape[0])
    for i in range(n):
        longest = max(longest, table.agents[i].memory)
    for k in range(longest):
        for i in range(n):
            agent = table.agents[i]
            if given > ZERO:  # before the first period that is given, the same
                action = game.opening[given - min(longest - k, given), i]
            else:
                action = min(uint64(uniform(key, draw) * agent.n_actions), agent.n_actions - ONE)
            agent.action = action if game.active[regime, i] else ZERO
            draw += ONE
        joint, _mean = settle(game, table, regime, False)
        remember(game, table, joint, regime)
    return joint


@inlined
def advance_schedule(table, g, t):
    """Exploration level of a group in period t: geometric and arithmetic steps between its knots."""
    group = table.groups[g]
    if t == group.next_knot:
        k = group.knot
        group.level, group.factor, group.step = table.knots[g, k, 1], table.knots[g, k, 2], table.knots[g, k, 3]
        group.knot = k + ONE
        last = k + ONE >= uint64(table.knots.shape[1])
        group.next_knot = NEVER if last else uint64(table.knots[g, k + ONE, 0])
    else:
        group.level = group.level * group.factor + group.step

"""What happens by itself: payoff regimes, exploration schedules, initial states."""

import numpy as np
from numba import uint64

from tacit.engine import rules
from tacit.engine.compilation import inlined, native
from tacit.engine.kernel import ONE, ZERO, remember, settle
from tacit.engine.streams import uniform

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
def initial_values(groups, agents, table, key):
    """Draw the initial values of groups that start at random, and find every greedy action."""
    for g in range(uint64(groups.choice.size)):
        low, width = groups.value_low[g], groups.value_high[g] - groups.value_low[g]
        for i in range(groups.start[g], groups.start[g + ONE]):
            n_actions = agents.actions[i]
            if groups.random_values[g]:
                for k in range(agents.table[i], agents.table[i] + agents.states[i] * n_actions):
                    table.values[k] = low + width * uniform(key, k)
            for s in range(agents.states[i]):
                row = agents.table[i] + s * n_actions
                table.greedy[agents.cell[i] + s] = rules.first_maximum(table.values, row, n_actions)


@native
def initial_state(game, agents, table, key, regime):
    """Uniform random play of as many periods as the longest memory; returns the last joint action."""
    joint, draw, longest = ZERO, ZERO, ONE
    for i in range(uint64(table.actions.size)):
        longest = max(longest, agents.memory[i])
    for _ in range(longest):
        for i in range(uint64(table.actions.size)):
            n_actions = agents.actions[i]
            action = min(uint64(uniform(key, draw) * n_actions), n_actions - ONE)
            table.actions[i] = action if game.active[regime, i] else ZERO
            draw += ONE
        joint = settle(game, table, regime)
        remember(game, agents, table, joint, regime)
    return joint


@inlined
def advance_schedules(groups, clock, t):
    """Exploration levels of period t: geometric and arithmetic steps between the knots of each group."""
    for g in range(uint64(clock.level.size)):
        if t == clock.following[g]:
            k = clock.pointer[g]
            clock.level[g] = groups.knots[g, k, 1]
            clock.factor[g] = groups.knots[g, k, 2]
            clock.step[g] = groups.knots[g, k, 3]
            clock.pointer[g] = k + ONE
            last = k + ONE >= uint64(groups.knots.shape[1])
            clock.following[g] = NEVER if last else uint64(groups.knots[g, k + ONE, 0])
        else:
            clock.level[g] = clock.level[g] * clock.factor[g] + clock.step[g]

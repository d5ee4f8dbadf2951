"""Greedy play after learning: the limit cycle of frozen policies, and what is earned on it."""

from numba import uint64

from tacit.engine import rules
from tacit.engine.compilation import native
from tacit.engine.kernel import ONE, ZERO, empty_sums, record_period, remember, scripted, settle
from tacit.engine.nature import next_regime
from tacit.engine.streams import uniform


@native
def greedy_step(game, groups, agents, table, t, keys, joint, regime):
    """One period without exploration and without learning; returns joint action and next regime."""
    n = uint64(table.actions.size)
    for g in range(uint64(groups.choice.size)):
        keeps_no_table = groups.choice[g] >= rules.FIXED
        for i in range(groups.start[g], groups.start[g + ONE]):
            if game.sequential and i != t % n:
                continue
            if not game.active[regime, i]:
                table.actions[i] = ZERO
            elif keeps_no_table:
                u = uniform(keys[0], t * n + i)
                table.actions[i] = scripted(game, groups, agents, table, g, i, u, joint, regime)
            else:
                table.actions[i] = table.greedy[table.cell[i]]
    joint = settle(game, table, regime)
    if game.transition.shape[0] > 1:
        regime = next_regime(game, regime, uniform(keys[1], t))
    remember(game, agents, table, joint, regime)
    return joint, regime


@native
def _mark(table):
    for i in range(table.actions.size):
        table.marked_history[i] = table.history[i]
        table.marked_actions[i] = table.actions[i]


@native
def _at_mark(table):
    for i in range(table.actions.size):
        if table.marked_history[i] != table.history[i] or table.marked_actions[i] != table.actions[i]:
            return False
    return True


@native
def _cycle_length(game, groups, agents, table, t, keys, joint, regime, steps):
    """Brent's algorithm (1980) on histories, actions and whose turn it is; leaves the table on the cycle."""
    n = uint64(table.actions.size)
    phase = t
    _mark(table)
    power, length = ONE, ZERO
    for _ in range(steps):
        joint, regime = greedy_step(game, groups, agents, table, t, keys, joint, regime)
        t += ONE
        length += ONE
        same = not game.sequential or (t - phase) % n == ZERO
        if same and _at_mark(table):
            return length, t, joint
        if length == power:
            phase = t
            _mark(table)
            power, length = power * uint64(2), ZERO
    return ZERO, t, joint


@native
def _random_policies(groups):
    for g in range(groups.choice.size):
        if groups.choice[g] == rules.RANDOM:
            return True
    return False


@native
def greedy_play(game, groups, agents, table, limits, t, keys, joint, regime, frequency, payoff, slot):
    """Average greedy play over its limit cycle into row ``slot``; returns the cycle's length.

    Where nature or a policy is random there is no cycle: the length is 0 and the averages are over
    ``limits.average_steps`` periods.
    """
    length = ZERO
    if game.transition.shape[0] == 1 and not _random_policies(groups):
        length, t, joint = _cycle_length(game, groups, agents, table, t, keys, joint, regime, limits.limit_steps)
    steps = length if length > ZERO else limits.average_steps
    for _ in range(steps):
        joint, regime = greedy_step(game, groups, agents, table, t, keys, joint, regime)
        t += ONE
        record_period(game, table)
    empty_sums(game, table, frequency, payoff, slot, steps)
    return length

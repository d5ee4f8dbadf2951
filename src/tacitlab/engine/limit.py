"""Greedy play after learning: the limit cycle of frozen policies, and what is earned on it."""

from numba import uint64

from tacitlab.engine import rules
from tacitlab.engine.arrays import Turn
from tacitlab.engine.compilation import native
from tacitlab.engine.kernel import ONE, ZERO, empty_sums, remember, settle
from tacitlab.engine.nature import next_regime
from tacitlab.engine.streams import substream, uniform


@native
def greedy_actions(game, table, foreign, t, keys, joint, regime):
    """Everybody who moves in period t chooses without exploration."""
    n = uint64(table.agents.size)
    for g in range(uint64(table.groups.size)):
        group = table.groups[g]
        if foreign is not None:
            if group.foreign != ZERO and group.frozen != rules.GREEDY:
                foreign(game, table, g, t, keys, joint, regime, regime, False, True)
                continue
        for i in range(group.start, group.stop):
            agent = table.agents[i]
            if game.sequential and i != t % n:
                continue
            if not game.active[regime, i]:
                agent.action = ZERO
            elif group.frozen != rules.GREEDY:
                place = t * n + i
                turn = Turn(group, t, joint, regime, substream(keys.choosing, place), group.gamma, ZERO)
                agent.action = rules.scripted(game, table, turn, i, uniform(keys.play, place))
            else:
                agent.action = table.greedy[agent.cell]


@native
def greedy_step(game, table, foreign, t, keys, joint, regime, recording):
    """One period without exploration and without learning; returns joint action and next regime."""
    greedy_actions(game, table, foreign, t, keys, joint, regime)
    joint, _mean = settle(game, table, regime, recording)
    if game.transition.shape[0] > 1:
        regime = next_regime(game, regime, uniform(keys.nature, t))
    remember(game, table, joint, regime)
    return joint, regime


@native
def _mark(table):
    for i in range(table.agents.size):
        agent = table.agents[i]
        agent.marked_history, agent.marked_action = agent.history, agent.action


@native
def _at_mark(table):
    for i in range(table.agents.size):
        agent = table.agents[i]
        if agent.marked_history != agent.history or agent.marked_action != agent.action:
            return False
    return True


@native
def _cycle_length(game, table, foreign, t, keys, joint, regime, steps):
    """Brent's algorithm (1980) on histories, actions and whose turn it is; leaves the table on the cycle."""
    n, phase = uint64(table.agents.size), t
    power, length = ONE, ZERO
    _mark(table)
    for _ in range(steps):
        joint, regime = greedy_step(game, table, foreign, t, keys, joint, regime, False)
        t += ONE
        length += ONE
        if (not game.sequential or (t - phase) % n == ZERO) and _at_mark(table):
            return length, t, joint
        if length == power:
            phase = t
            _mark(table)
            power, length = power * uint64(2), ZERO
    return ZERO, t, joint


@native
def _random_policies(table):
    for g in range(table.groups.size):
        if table.groups[g].frozen == rules.RANDOM:
            return True
    return False


@native
def greedy_play(game, table, foreign, limits, t, keys, joint, regime, frequency, payoff, slot):
    """Average greedy play over its limit cycle into row ``slot``; returns the cycle's length.

    Where nature or a policy is random there is no cycle: the length is 0 and the averages are over
    ``limits.average_steps`` periods.
    """
    length = ZERO
    if game.transition.shape[0] == 1 and not _random_policies(table):
        length, t, joint = _cycle_length(game, table, foreign, t, keys, joint, regime, limits.limit_steps)
    steps = length if length > ZERO else limits.average_steps
    for _ in range(steps):
        joint, regime = greedy_step(game, table, foreign, t, keys, joint, regime, True)
        t += ONE
    empty_sums(game, table, frequency, payoff, slot, steps)
    return length

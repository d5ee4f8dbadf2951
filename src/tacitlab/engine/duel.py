"""Two epsilon-greedy Q-learners who remember one period at most: the loop of the meta-game at its fastest.

It computes what the general loop computes, bit for bit, in half the time: where both players stand is kept in local
variables, which the processor holds in registers, instead of in the rows of a table.
"""

from numba import uint64

from tacitlab.engine import rules
from tacitlab.engine.compilation import inlined, native
from tacitlab.engine.kernel import EVERYBODY, ONE, OWN, ZERO
from tacitlab.engine.nature import advance_schedule
from tacitlab.engine.session import deafness
from tacitlab.engine.streams import uniform
from tacitlab.learners.tables import assign, epsilon_greedy


@native
def is_duel(game, table):
    """Whether :func:`duel` plays this game with these learners."""
    plain = not (game.congestion or game.sequential or game.gathering) and game.transition.shape[0] == 1
    if table.agents.size != 2 or not plain:
        return False
    for i in range(uint64(2)):
        group = table.groups[i]
        if group.rule != rules.Q_LEARNING or group.choice != rules.EPSILON_GREEDY or group.random_ties != ZERO:
            return False
        if table.agents[i].memory > ONE:
            return False
    return True


@native
def _steps(agent, rival):
    """By how many states an agent moves for each step of its own action, and for each of the rival's."""
    if agent.memory == ZERO:
        return ZERO, ZERO
    if agent.observes == EVERYBODY:
        return agent.stride, rival.stride
    return (ONE, ZERO) if agent.observes == OWN else (ZERO, ONE)


@inlined
def _learn(table, group, actions, state, was, chosen, payoff):
    """Q-learning's update; ``state`` and ``was`` are (row, cell) of now and of the last move."""
    place = was[0] + chosen
    old = table.values[place]
    continuation = table.values[state[0] + table.greedy[state[1]]]
    new = old + group.alpha * (payoff + group.gamma * continuation - old)
    assign(table.values, table.greedy, was[0], was[1], chosen, actions, new)


@inlined
def _choose(table, group, actions, state, u):
    return epsilon_greedy(table.values, state[0], actions, table.greedy[state[1]], u, group.level, False)


@native
def duel(game, table, span, key, stop, paid):
    """All periods of a session; writes mean payoffs into ``paid`` (window, player), False if interrupted."""
    one, two, first, second = table.agents[0], table.agents[1], table.groups[0], table.groups[1]
    wide, deep = one.n_actions, two.n_actions
    my_own, my_rival = _steps(one, two)
    their_own, their_rival = _steps(two, one)
    here, there = (one.row, one.cell), (two.row, two.cell)
    was_here, was_there = here, there
    mine, theirs, my_payoff, their_payoff = ZERO, ZERO, 0.0, 0.0
    sums, late = (0.0, 0.0), (0.0, 0.0)
    deaf = deafness(uint64(2))
    for t in range(span.periods):
        advance_schedule(table, ZERO, t)
        advance_schedule(table, ONE, t)
        if t > ZERO:
            _learn(table, first, wide, here, was_here, mine, my_payoff)
            _learn(table, second, deep, there, was_there, theirs, their_payoff)
        mine = _choose(table, first, wide, here, uniform(key, t * uint64(2)))
        theirs = _choose(table, second, deep, there, uniform(key, t * uint64(2) + ONE))
        was_here, was_there = here, there
        joint = mine * one.stride + theirs * two.stride
        my_payoff, their_payoff = game.payoffs[0, joint, 0], game.payoffs[0, joint, 1]
        sums = (sums[0] + my_payoff, sums[1] + their_payoff)
        if t >= span.late:
            late = (late[0] + my_payoff, late[1] + their_payoff)
        state = mine * my_own + theirs * my_rival
        here = (one.first_value + state * wide, one.first_cell + state)
        state = theirs * their_own + mine * their_rival
        there = (two.first_value + state * deep, two.first_cell + state)
        if t & deaf == deaf and stop[0]:
            return False
    for i in range(2):
        paid[0, i], paid[1, i] = sums[i] / float(span.periods), late[i] / float(span.periods - span.late)
    return True

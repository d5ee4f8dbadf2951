"""Sessions of many entries in one compiled call: the loop of :mod:`tacitlab.engine.session` without its records.

Only the two groups' mean payoffs are kept. What a period does is shared with the ordinary loop.
"""

import numpy as np
from numba import uint64

from tacitlab.engine.arrays import Table
from tacitlab.engine.compilation import compiled, native
from tacitlab.engine.duel import duel, is_duel
from tacitlab.engine.kernel import ONE, ZERO, remember, settle
from tacitlab.engine.nature import advance_schedule, next_regime
from tacitlab.engine.session import begin, deafness, gather, move_group
from tacitlab.engine.streams import uniform


@native
def _sit_down(table, bank, own, others):
    """Fill the two groups, the agents and their initial values from the bank."""
    n, rows = uint64(table.agents.size), uint64(bank.agents.shape[0])
    value, cell = ZERO, ZERO
    for i in range(n):
        row, k = min(i, rows - ONE), own if i == ZERO else others
        table.agents[i] = bank.agents[row, k]
        agent = table.agents[i]
        agent.first_value, agent.first_cell = value, cell
        place, size = bank.place[row, k], agent.n_states * agent.n_actions
        for v in range(size):
            table.values[value + v] = bank.values[place + v]
        for v in range(uint64(table.numbers.shape[1])):
            table.numbers[i, v], table.memory[i, v] = bank.numbers[row, k, v], bank.memory[row, k, v]
        value, cell = value + size, cell + agent.n_states
    for g in range(uint64(2)):
        row, k = min(g, rows - ONE), own if g == ZERO else others
        table.groups[g] = bank.groups[row, k]
        group = table.groups[g]
        group.start, group.stop = (ZERO, ONE) if g == ZERO else (ONE, n)
        for j in range(table.knots.shape[1]):
            for c in range(table.knots.shape[2]):
                table.knots[g, j, c] = bank.knots[row, k, j, c]
    for v in range(table.visits.size):
        table.visits[v] = 0.0


@native
def _learn_and_earn(game, table, foreign, span, keys, joint, regime, stop, paid):
    """All periods of a session; writes mean payoffs into ``paid`` (window, group), False if interrupted."""
    n = uint64(table.agents.size)
    random_nature = game.transition.shape[0] > 1
    last_regime = regime
    own, others, own_late, others_late = 0.0, 0.0, 0.0, 0.0
    deaf = deafness(n)
    for t in range(span.periods):
        for g in range(uint64(2)):
            advance_schedule(table, g, t)
            move_group(game, table, foreign, g, t, keys, joint, regime, last_regime, True, True)
        joint, _mean = settle(game, table, regime, False)
        mine, theirs = table.agents[0].payoff, 0.0
        for i in range(ONE, n):
            theirs += table.agents[i].payoff
        own += mine
        others += theirs
        if t >= span.late:
            own_late += mine
            others_late += theirs
        if game.gathering:
            gather(table)
        last_regime = regime
        if random_nature:
            regime = next_regime(game, regime, uniform(keys.nature, t))
        remember(game, table, joint, regime)
        if t & deaf == deaf and stop[0]:
            return False
    whole, late, rivals = float(span.periods), float(span.periods - span.late), float(n - ONE)
    paid[0, 0], paid[0, 1] = own / whole, others / (whole * rivals)
    paid[1, 0], paid[1, 1] = own_late / late, others_late / (late * rivals)
    return True


@native
def _play_entry(game, table, foreign, bank, own, others, span, nothing, seed, session, stop, paid):
    swapped = span.exchange and session % uint64(2) == ONE
    if swapped:
        own, others = others, own
    _sit_down(table, bank, own, others)
    keys, joint, regime = begin(game, table, nothing, seed, session)
    if is_duel(game, table):
        finished = duel(game, table, span, keys.play, stop, paid)
    else:
        finished = _learn_and_earn(game, table, foreign, span, keys, joint, regime, stop, paid)
    if not finished:
        return False
    if swapped:
        for w in range(paid.shape[0]):
            paid[w, 0], paid[w, 1] = paid[w, 1], paid[w, 0]
    return True


@compiled()
def play_entries(game, bank, jobs, players, room, counted, foreign, span, stop, paid):
    """Play ``paid.shape[1]`` sessions of every job; if ``stop[0]`` is set the call returns soon.

    ``foreign`` is the function of groups with rules that are not in the table, or None.
    """
    values, cells, actions = room
    table = Table(
        np.zeros(players, bank.agents.dtype),
        np.zeros(2, bank.groups.dtype),
        np.zeros((2, bank.knots.shape[2], bank.knots.shape[3])),
        np.zeros(values),
        np.zeros(values if counted else 0),
        np.zeros(cells, np.uint64),
        np.zeros(game.own.size, np.uint64),
        np.zeros(game.values.shape[0], np.uint64),
        np.zeros(game.own.size),
        np.zeros(actions),
        np.zeros((1, actions)),
        np.zeros(1),
        np.zeros((players, bank.numbers.shape[2])),
        np.zeros((players, bank.memory.shape[2])),
    )
    nothing = np.zeros((1, 0))
    for job in range(jobs.own.size):
        for s in range(paid.shape[1]):
            session = jobs.first[job] + uint64(s)
            if not _play_entry(
                game, table, foreign, bank, jobs.own[job], jobs.others[job], span, nothing, jobs.seed[job],
                session, stop, paid[job, s],
            ):  # fmt: skip
                return

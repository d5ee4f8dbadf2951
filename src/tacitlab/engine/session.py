"""One session from the first draw to the limit cycle, and blocks of sessions in one compiled call.

A period runs: every mover learns from its last transition, then chooses; payoffs are settled; memories advance.
Learning at the start of the next own move lets simultaneous and alternating play share the loop: between two
own moves an agent gathers its discounted payoffs (with two firms, Klein's two-period update, RAND 2021).
"""

import numpy as np
from numba import njit, uint64

from tacitlab.engine import rules, streams
from tacitlab.engine.arrays import Table
from tacitlab.engine.compilation import compiled, inlined, native
from tacitlab.engine.kernel import ONE, ZERO, choose, empty_sums, learn, learn_all, remember, settle
from tacitlab.engine.limit import greedy_play
from tacitlab.engine.nature import advance_schedule, first_regime, initial_state, initial_values, next_regime
from tacitlab.engine.streams import stream_key, uniform

LISTEN = np.uint64(2**20)  # an interruption is heard after about so many steps of agents


@inlined
def move(game, table, group, i, u, joint, regime, moved, choosing):
    """Agent i learns from its last move, if it has moved, then chooses; True if a greedy action changed."""
    agent, rule, changed = table.agents[i], group.rule, False
    if moved and rule != rules.NOTHING and rule != rules.SARSA:
        if rule == rules.Q_COUNTERFACTUAL:
            changed = learn_all(game, table, group, i, joint, regime)
        else:
            changed = learn(game, table, group, i, table.greedy[agent.cell])
    if choosing:
        action = choose(game, table, group, i, u, joint, regime)
        if moved and rule == rules.SARSA:
            changed = learn(game, table, group, i, action)
        agent.action = agent.chosen = action
        agent.old_row, agent.old_cell = agent.row, agent.cell
        if game.gathering:
            agent.waiting, agent.gathered, agent.discount = ONE, 0.0, 1.0
    return changed


@native
def deafness(n):
    """An interruption is heard where no bit of this is set in the number of periods played by n agents."""
    deaf = LISTEN - ONE
    while deaf > ZERO and deaf * n > LISTEN:
        deaf = deaf >> ONE
    return deaf


@native
def begin(game, table, given, seed, session):
    """Values, memories and regime before the first period; the keys of play and of nature, joint action, regime."""
    initial_key = stream_key(seed, session, uint64(streams.INITIAL_STATE))
    play_key = stream_key(seed, session, uint64(streams.PLAY))
    nature_key = stream_key(seed, session, uint64(streams.NATURE))
    value_key = stream_key(seed, session, uint64(streams.INITIAL_VALUES))
    initial_values(table, given, session % uint64(given.shape[0]), value_key)
    regime = first_regime(game, initial_key)
    joint = initial_state(game, table, initial_key, regime)
    return play_key, nature_key, joint, regime


@native
def gather(table):
    for g in range(uint64(table.groups.size)):
        group = table.groups[g]
        for i in range(group.start, group.stop):
            agent = table.agents[i]
            agent.gathered += agent.discount * agent.payoff
            agent.discount *= group.gamma


@native
def _learn_and_play(game, table, limits, play_key, nature_key, joint, regime, stop, trace):
    """The loop over periods; returns periods played, whether play converged, and where it stands."""
    n, n_groups = uint64(table.agents.size), uint64(table.groups.size)
    frequency, payoff, square = trace
    windows, window, in_window = uint64(payoff.shape[0]), ZERO, ZERO
    random_nature = game.transition.shape[0] > 1
    stable, t, last_regime, squares = ZERO, ZERO, regime, 0.0
    deaf = deafness(n)
    while True:
        changed, choosing = False, t < limits.periods
        for g in range(n_groups):
            advance_schedule(table, g, t)
            group = table.groups[g]
            for i in range(group.start, group.stop):
                if game.sequential and i != t % n:
                    continue
                if random_nature and not game.active[regime, i]:
                    table.agents[i].action = ZERO
                    continue
                u = uniform(play_key, t * n + i)
                moved = table.agents[i].waiting != ZERO if game.gathering else t > ZERO
                if move(game, table, group, i, u, joint, last_regime, moved, choosing):
                    changed = True
        if t > ZERO:
            stable = ZERO if changed else stable + ONE
        converged = limits.stable_for > ZERO and stable >= limits.stable_for
        if converged or not choosing:
            return t, converged, joint, regime
        recording = window < windows
        joint, mean = settle(game, table, regime, recording)
        squares += mean * mean
        if game.gathering:
            gather(table)
        last_regime = regime
        if random_nature:
            regime = next_regime(game, regime, uniform(nature_key, t))
        remember(game, table, joint, regime)
        t += ONE
        in_window += ONE
        if in_window == limits.window:
            if recording:
                empty_sums(game, table, frequency, payoff, window, limits.window)
                square[window] = squares / limits.window
            squares, in_window, window = 0.0, ZERO, window + ONE
        if t & deaf == ZERO and stop[0]:
            return t, False, joint, regime


@native
def leave_gaps(table, limits, periods, trace):
    """Windows that the session did not finish are NaN; what it had of one is dropped."""
    frequency, payoff, square = trace
    for i in range(table.earned.size):
        table.earned[i] = 0.0
        for a in range(table.played.shape[1]):
            table.played[i, a] = 0.0
    for w in range(periods // limits.window, uint64(payoff.shape[0])):
        square[w] = np.nan
        for i in range(payoff.shape[1]):
            payoff[w, i] = np.nan
            for a in range(frequency.shape[2]):
                frequency[w, i, a] = np.nan


@native
def keep(table, out, slot):
    """Copy what the session leaves into the record."""
    for i in range(table.agents.size):
        out.history[slot, i] = table.agents[i].history
        out.last_actions[slot, i] = table.agents[i].last
    for cell in range(table.greedy.size):
        out.greedy[slot, cell] = table.greedy[cell]
    for k in range(out.values.shape[1]):
        out.values[slot, k] = table.values[k]


@native
def _play_session(game, table, limits, given, seed, session, stop, out, slot, trace):
    """Play one session into row ``slot``; False if it was interrupted and its row is useless."""
    play_key, nature_key, joint, regime = begin(game, table, given, seed, session)
    periods, converged, joint, regime = _learn_and_play(
        game, table, limits, play_key, nature_key, joint, regime, stop, trace
    )
    if stop[0]:
        return False
    leave_gaps(table, limits, periods, trace)
    out.periods[slot], out.converged[slot] = periods, converged
    for i in range(table.agents.size):
        table.agents[i].action = table.agents[i].last  # a converged session has drawn actions that it never played
    keys = (stream_key(seed, session, uint64(streams.GREEDY_PLAY)), nature_key)
    out.cycle_length[slot] = greedy_play(
        game, table, limits, periods, keys, joint, regime, out.limit_frequency, out.limit_payoff, uint64(slot)
    )
    keep(table, out, slot)
    return True


@njit
def new_table(game, agents, groups, knots, given, counted, out):
    """What changes during a session, at its start; without reference counting the loop could not allocate it."""
    recorded, most = out.payoff.shape[2], out.frequency.shape[3]
    last = agents[agents.size - 1]
    return Table(
        agents.copy(),
        groups.copy(),
        knots,
        np.empty(given.shape[1]),
        np.zeros(given.shape[1] if counted else 0),
        np.zeros(int(last.first_cell + last.n_states), np.uint64),
        np.zeros(game.own.size, np.uint64),
        np.zeros(game.values.shape[0], np.uint64),
        np.zeros(game.own.size),
        np.zeros(most),
        np.zeros((recorded, most)),
        np.zeros(recorded),
    )


@compiled()
def play_sessions(game, agents, groups, knots, limits, given, counted, seed, first, stop, out):
    """Play the sessions ``first``, ``first + 1``, ... that the record ``out`` has room for.

    ``given`` holds the initial values, one row for all sessions or one row a session; ``counted`` says whether a rule
    counts its tries. If ``stop[0]`` is set the call returns soon and its record is useless.
    """
    for slot in range(out.periods.size):
        table = new_table(game, agents, groups, knots, given, counted, out)
        trace = (out.frequency[slot], out.payoff[slot], out.payoff_square[slot])
        if not _play_session(game, table, limits, given, seed, first + uint64(slot), stop, out, slot, trace):
            return

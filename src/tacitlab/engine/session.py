"""One session from the first draw to the limit cycle, and blocks of sessions in one compiled call.

A period runs: every mover learns from its last transition, then chooses; payoffs are settled; memories advance.
Learning at the start of the next own move lets simultaneous and alternating play share the loop: between two
own moves an agent gathers its discounted payoffs (with two firms, Klein's two-period update, RAND 2021).
"""

import numpy as np
from numba import njit, uint64

from tacitlab.engine import rules, streams
from tacitlab.engine.arrays import Keys, Table, Turn
from tacitlab.engine.compilation import compiled, inlined, native, woven
from tacitlab.engine.kernel import ONE, ZERO, empty_sums, remember, settle
from tacitlab.engine.limit import greedy_play
from tacitlab.engine.nature import advance_schedule, first_regime, initial_state, initial_values, next_regime
from tacitlab.engine.streams import stream_key, substream, uniform

LISTEN = np.uint64(2**20)  # an interruption is heard after about so many steps of agents


def mover(learn, choose, learn_after):
    """What a group does in a period, given how rules choose and learn."""

    @inlined
    def move_group(game, table, foreign, g, t, keys, joint, regime, last_regime, learning, choosing):
        """Everybody in group g whose turn it is in period t learns from its last move, if it has moved, then chooses.

        ``foreign`` plays groups with rules that are not in the table; None: there are none. Returns whether a greedy
        action has changed.
        """
        group, n, changed = table.groups[g], uint64(table.agents.size), False
        if foreign is not None:
            if group.foreign != ZERO:
                return foreign(game, table, g, t, keys, joint, regime, last_regime, learning, choosing)
        random_nature, needs_action = game.transition.shape[0] > 1, group.needs_next == rules.ACTION
        for i in range(group.start, group.stop):
            agent = table.agents[i]
            if game.sequential and i != t % n:
                continue
            if random_nature and not game.active[regime, i]:
                agent.action = ZERO
                continue
            moved, reward, discount = t > ZERO, agent.payoff, group.gamma
            if game.gathering:
                moved, reward, discount = agent.waiting != ZERO, agent.gathered, agent.discount
            place, moved = t * n + i, moved and learning
            if moved and not needs_action:
                key = substream(keys.learning, place)
                turn = Turn(group, t, joint, last_regime, key, discount, table.greedy[agent.cell])
                if learn(game, table, turn, i, reward):
                    changed = True
            if choosing:
                key = substream(keys.choosing, place)
                turn = Turn(group, t, joint, last_regime, key, discount, ZERO)
                action = choose(game, table, turn, i, uniform(keys.play, place))
                if moved and needs_action:
                    key = substream(keys.learning, place)
                    if learn_after(game, table, Turn(group, t, joint, last_regime, key, discount, action), i, reward):
                        changed = True
                agent.action = agent.chosen = action
                agent.old_row, agent.old_cell = agent.row, agent.cell
                if game.gathering:
                    agent.waiting, agent.gathered, agent.discount = ONE, 0.0, 1.0
        return changed

    return move_group


move_group = mover(*rules.steps(rules.NUMBERED))


@native
def deafness(n):
    """An interruption is heard where no bit of this is set in the number of periods played by n agents."""
    deaf = LISTEN - ONE
    while deaf > ZERO and deaf * n > LISTEN:
        deaf = deaf >> ONE
    return deaf


@native
def begin(game, table, given, seed, session):
    """Values, memories and regime before the first period; the keys of streams, joint action, regime."""
    initial_key = stream_key(seed, session, uint64(streams.INITIAL_STATE))
    keys = Keys(
        stream_key(seed, session, uint64(streams.PLAY)),
        stream_key(seed, session, uint64(streams.NATURE)),
        stream_key(seed, session, uint64(streams.CHOOSING)),
        stream_key(seed, session, uint64(streams.LEARNING)),
    )
    value_key = stream_key(seed, session, uint64(streams.INITIAL_VALUES))
    initial_values(table, given, session % uint64(given.shape[0]), value_key)
    regime = first_regime(game, initial_key)
    joint = initial_state(game, table, initial_key, regime)
    return keys, joint, regime


@native
def frozen_keys(keys, seed, session):
    """Streams of play after learning; a rule's own go on, as periods do."""
    return Keys(stream_key(seed, session, uint64(streams.GREEDY_PLAY)), keys.nature, keys.choosing, keys.learning)


@native
def gather(table):
    for g in range(uint64(table.groups.size)):
        group = table.groups[g]
        for i in range(group.start, group.stop):
            agent = table.agents[i]
            agent.gathered += agent.discount * agent.payoff
            agent.discount *= group.gamma


@native
def _learn_and_play(game, table, foreign, limits, keys, joint, regime, stop, trace):
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
            if move_group(game, table, foreign, g, t, keys, joint, regime, last_regime, True, choosing):
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
            regime = next_regime(game, regime, uniform(keys.nature, t))
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


@woven
def _play_session(game, table, foreign, limits, given, seed, session, stop, out, slot, trace):
    """Play one session into row ``slot``; False if it was interrupted and its row is useless."""
    keys, joint, regime = begin(game, table, given, seed, session)
    periods, converged, joint, regime = _learn_and_play(game, table, foreign, limits, keys, joint, regime, stop, trace)
    if stop[0]:
        return False
    leave_gaps(table, limits, periods, trace)
    out.periods[slot], out.converged[slot] = periods, converged
    for i in range(table.agents.size):
        table.agents[i].action = table.agents[i].last  # a converged session has drawn actions that it never played
    out.cycle_length[slot] = greedy_play(
        game, table, foreign, limits, periods, frozen_keys(keys, seed, session), joint, regime, out.limit_frequency,
        out.limit_payoff, uint64(slot),
    )  # fmt: skip
    keep(table, out, slot)
    return True


@njit
def new_table(game, agents, groups, knots, given, counted, numbers, memory, out):
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
        numbers,
        memory.copy(),
    )


@compiled()
def play_sessions(
    game, agents, groups, knots, limits, given, counted, numbers, memory, foreign, seed, first, stop, out
):  # fmt: skip
    """Play the sessions ``first``, ``first + 1``, ... that the record ``out`` has room for.

    ``given`` holds the initial values, one row for all sessions or one row a session; ``counted`` says whether a rule
    counts its tries; ``numbers`` and ``memory`` are of :class:`tacitlab.engine.arrays.Table`; ``foreign`` plays groups
    with rules that are not in the table. If ``stop[0]`` is set the call returns soon and its record is useless.
    """
    for slot in range(out.periods.size):
        table = new_table(game, agents, groups, knots, given, counted, numbers, memory, out)
        trace = (out.frequency[slot], out.payoff[slot], out.payoff_square[slot])
        if not _play_session(game, table, foreign, limits, given, seed, first + uint64(slot), stop, out, slot, trace):
            return

"""One session from the first draw to the limit cycle, and blocks of sessions in one compiled call.

A period runs: every mover learns from its last transition, then chooses; payoffs are settled; memories advance.
Learning at the start of the next own move lets simultaneous and alternating play share the loop: between two
own moves an agent gathers its discounted payoffs (with two firms, Klein's two-period update, RAND 2021).
"""

from typing import NamedTuple

import numpy as np
from numba import uint64

from tacit.engine import rules, streams
from tacit.engine.arrays import F64, U64
from tacit.engine.compilation import compiled, inlined, native
from tacit.engine.kernel import (
    ONE,
    ZERO,
    Traits,
    choose,
    empty_sums,
    learn,
    learn_all,
    new_table,
    record_period,
    remember,
    settle,
)
from tacit.engine.limit import greedy_play
from tacit.engine.nature import advance_schedules, first_regime, initial_state, initial_values, next_regime
from tacit.engine.streams import stream_key, uniform


class Clock(NamedTuple):
    """Exploration of each group: today's level, how it moves, when the next knot comes."""

    level: F64
    factor: F64
    step: F64
    following: U64
    pointer: U64


@inlined
def _move(game, groups, agents, table, traits, g, i, u, joint, regime, choosing):
    """Agent i learns from its last move, then chooses; True if a greedy action changed."""
    rule, changed = traits.rule, False
    if table.waiting[i] and rule != rules.NOTHING and rule != rules.SARSA:
        if rule == rules.Q_COUNTERFACTUAL:
            changed = learn_all(game, groups, agents, table, g, i, joint, regime)
        else:
            greedy = table.greedy[table.cell[i]]
            changed = learn(game, groups, agents, table, traits, g, i, greedy)
    if choosing:
        action = choose(game, groups, agents, table, traits, g, i, u, joint, regime)
        if table.waiting[i] and rule == rules.SARSA:
            changed = learn(game, groups, agents, table, traits, g, i, action)
        table.actions[i] = action
        table.chosen[i] = action
        table.old_row[i] = table.row[i]
        table.old_cell[i] = table.cell[i]
        table.waiting[i] = True
        if game.gathering:
            table.gathered[i] = 0.0
            table.discount[i] = 1.0
    return changed


@inlined
def _gather(groups, table):
    for g in range(uint64(groups.choice.size)):
        gamma = groups.gamma[g]
        for i in range(groups.start[g], groups.start[g + ONE]):
            table.gathered[i] += table.discount[i] * table.payoffs[i]
            table.discount[i] *= gamma


@native
def _learn_and_play(game, groups, agents, table, clock, limits, play_key, nature_key, joint, regime, stop, trace):
    """The loop over periods; returns periods played, whether play converged, and where it stands."""
    n, n_groups = uint64(table.actions.size), uint64(groups.choice.size)
    frequency, payoff, square = trace
    windows, window, in_window = uint64(payoff.shape[0]), ZERO, ZERO
    random_nature = game.transition.shape[0] > 1
    stable, t, last_regime, squares = ZERO, ZERO, regime, 0.0
    while True:
        changed, choosing = False, t < limits.periods
        advance_schedules(groups, clock, t)
        for g in range(n_groups):
            traits = Traits(groups.choice[g], groups.rule[g], groups.alpha[g], groups.gamma[g], clock.level[g])
            for i in range(groups.start[g], groups.start[g + ONE]):
                if game.sequential and i != t % n:
                    continue
                if random_nature and not game.active[regime, i]:
                    table.actions[i] = ZERO
                    continue
                u = uniform(play_key, t * n + i)
                if _move(game, groups, agents, table, traits, g, i, u, joint, last_regime, choosing):
                    changed = True
        if t > ZERO:
            stable = ZERO if changed else stable + ONE
        converged = limits.stable_for > ZERO and stable >= limits.stable_for
        if converged or not choosing:
            return t, converged, joint, regime
        joint = settle(game, table, regime)
        if game.gathering:
            _gather(groups, table)
        last_regime = regime
        if random_nature:
            regime = next_regime(game, regime, uniform(nature_key, t))
        remember(game, agents, table, joint, regime)
        t += ONE
        if window < windows:
            mean = record_period(game, table)
            squares += mean * mean
        in_window += ONE
        if in_window == limits.window:
            if window < windows:
                empty_sums(game, table, frequency, payoff, window, limits.window)
                square[window] = squares / limits.window
            squares, in_window, window = 0.0, ZERO, window + ONE
            if stop[0]:
                return t, False, joint, regime


@native
def _leave_gaps(table, limits, periods, trace):
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
def _keep(table, out, slot):
    """Copy what the session leaves into the record."""
    for i in range(table.history.size):
        out.history[slot, i] = table.history[i]
        out.last_actions[slot, i] = table.last[i]
    for cell in range(table.greedy.size):
        out.greedy[slot, cell] = table.greedy[cell]
    for k in range(out.values.shape[1]):
        out.values[slot, k] = table.values[k]


@native
def _start_from(table, given, session):
    row = session % uint64(given.shape[0])
    for k in range(uint64(given.shape[1])):
        table.values[k] = given[row, k]


@compiled()
def play_sessions(game, groups, agents, limits, given, seed, first, stop, out):
    """Play the sessions ``first``, ``first + 1``, ... that the record ``out`` has room for.

    ``given`` holds the initial values, one row for all sessions or one row a session. A session that is
    interrupted by ``stop[0]`` leaves a useless record: the caller drops it.
    """
    for slot in range(out.periods.size):
        session = first + uint64(slot)
        initial_key = stream_key(seed, session, uint64(streams.INITIAL_STATE))
        n_groups = groups.choice.size
        clock = Clock(
            np.zeros(n_groups), np.ones(n_groups), np.zeros(n_groups),
            np.zeros(n_groups, np.uint64), np.zeros(n_groups, np.uint64),
        )  # fmt: skip
        table = new_table(game, groups, agents, given.shape[1])
        _start_from(table, given, session)
        initial_values(groups, agents, table, stream_key(seed, session, uint64(streams.INITIAL_VALUES)))
        regime = first_regime(game, initial_key)
        joint = initial_state(game, agents, table, initial_key, regime)
        trace = (out.frequency[slot], out.payoff[slot], out.payoff_square[slot])
        play_key = stream_key(seed, session, uint64(streams.PLAY))
        nature_key = stream_key(seed, session, uint64(streams.NATURE))
        periods, converged, joint, regime = _learn_and_play(
            game, groups, agents, table, clock, limits, play_key, nature_key, joint, regime, stop, trace
        )
        if stop[0]:
            return
        _leave_gaps(table, limits, periods, trace)
        out.periods[slot], out.converged[slot] = periods, converged
        for i in range(table.last.size):
            table.actions[i] = table.last[i]  # a converged session has already drawn actions that it never played
        keys = (stream_key(seed, session, uint64(streams.GREEDY_PLAY)), nature_key)
        out.cycle_length[slot] = greedy_play(
            game, groups, agents, table, limits, periods, keys, joint, regime,
            out.limit_frequency, out.limit_payoff, uint64(slot),
        )  # fmt: skip
        _keep(table, out, slot)

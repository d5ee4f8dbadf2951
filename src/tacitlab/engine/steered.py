"""Sessions with an intervention: the loop of :mod:`tacitlab.engine.session`, with two functions called in each period.

``before`` runs when everybody who can has learned and nobody has chosen: it says what each agent sees. ``after`` runs
when a period is settled: it may change what each agent is paid. Both are compiled apart and called by their addresses,
so that one compiled loop serves every intervention, and the plain loop knows of none.

An agent learns as soon as it knows everything that its rule needs: from a period's payoff alone at the end of the
period (bandits, and Q-learning with gamma = 0), or, where the next state matters, once the next signal has come. The
intervention sees values as they are by then.
"""

import numpy as np
from numba import uint64

from tacitlab.engine import rules, streams
from tacitlab.engine.arrays import Scene
from tacitlab.engine.compilation import compiled, native, woven
from tacitlab.engine.kernel import ONE, ZERO, empty_sums, remember, settle
from tacitlab.engine.limit import greedy_actions
from tacitlab.engine.nature import advance_schedule, next_regime
from tacitlab.engine.session import begin, deafness, frozen_keys, keep, leave_gaps, move_group, new_table
from tacitlab.engine.streams import stream_key, uniform


@native
def _learns_at_once(group):
    """Whether a transition teaches without its next state."""
    if group.needs_next == rules.ACTION:
        return False  # it learns when it chooses
    return group.gamma == 0.0 or group.needs_next == rules.NOTHING


@native
def _show(table, scene):
    """Every agent's state from its history and its signal; follows :func:`remember`, which knows the history."""
    if scene.signals == ONE:
        return
    last = scene.signals - ONE
    for i in range(uint64(table.agents.size)):
        agent = table.agents[i]
        state = agent.cell - agent.first_cell + agent.n_states // scene.signals * min(scene.signal[i], last)
        agent.row = agent.first_value + state * agent.n_actions
        agent.cell = agent.first_cell + state


@native
def _record_paid(game, table):
    """Add the settled period, as it was paid, to the sums; returns the mean payoff."""
    n, total = uint64(table.agents.size), 0.0
    for i in range(n):
        payoff = table.agents[i].payoff
        total += payoff
        if game.congestion:
            table.played[0, table.agents[i].last] += 1.0
        else:
            table.played[i, table.agents[i].last] += 1.0
            table.earned[i] += payoff
    if game.congestion:
        table.earned[0] += total / n
    return total / n


@native
def _settle(game, table, scene, after, transfer, t, regime, recording):
    """Payoffs, what the intervention makes of them, and whichever of the two is recorded; joint action and mean."""
    joint, mean = settle(game, table, regime, recording and transfer)
    after(game, table, scene, t, joint, regime)
    if recording and not transfer:
        mean = _record_paid(game, table)
    return joint, mean


@native
def _learn_and_play(game, table, scene, before, after, transfer, foreign, limits, keys, joint, regime, stop, trace):
    """The loop over periods; returns periods played, whether play converged, and where it stands."""
    n, n_groups = uint64(table.agents.size), uint64(table.groups.size)
    frequency, payoff, square = trace
    windows, window, in_window = uint64(payoff.shape[0]), ZERO, ZERO
    stable, t, last_regime, squares = ZERO, ZERO, regime, 0.0
    deaf = deafness(n)
    while True:
        changed, choosing = False, t < limits.periods
        for phase in range(2):
            if phase == 1:
                before(game, table, scene, t)
                _show(table, scene)
            for g in range(n_groups):
                group = table.groups[g]
                at_once = _learns_at_once(group)
                if phase == 1:
                    advance_schedule(table, g, t)
                elif not at_once:
                    continue
                learns, chooses = at_once == (phase == 0), choosing and phase == 1
                if move_group(game, table, foreign, g, t, keys, joint, regime, last_regime, learns, chooses):
                    changed = True
        if t > ZERO:
            stable = ZERO if changed else stable + ONE
        converged = limits.stable_for > ZERO and stable >= limits.stable_for
        if converged or not choosing:
            return t, converged, joint, regime
        recording = window < windows
        joint, mean = _settle(game, table, scene, after, transfer, t, regime, recording)
        squares += mean * mean
        last_regime = regime
        if game.transition.shape[0] > 1:
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
def _greedy_play(game, table, scene, before, after, transfer, foreign, limits, t, keys, joint, regime, out, slot):
    """Average frozen policies, with the intervention going on, over ``limits.average_steps`` periods."""
    for _ in range(limits.average_steps):  # the first signals have been given
        greedy_actions(game, table, foreign, t, keys, joint, regime)
        joint, _mean = _settle(game, table, scene, after, transfer, t, regime, True)
        if game.transition.shape[0] > 1:
            regime = next_regime(game, regime, uniform(keys.nature, t))
        remember(game, table, joint, regime)
        t += ONE
        before(game, table, scene, t)
        _show(table, scene)
    empty_sums(game, table, out.limit_frequency, out.limit_payoff, slot, limits.average_steps)


@woven
def _play_session(
    game, table, scene, before, after, transfer, foreign, limits, given, seed, session, stop, out, slot, trace
):
    """Play one session into row ``slot``; False if it was interrupted and its row is useless."""
    keys, joint, regime = begin(game, table, given, seed, session)
    periods, converged, joint, regime = _learn_and_play(
        game, table, scene, before, after, transfer, foreign, limits, keys, joint, regime, stop, trace
    )
    if stop[0]:
        return False
    leave_gaps(table, limits, periods, trace)
    out.periods[slot], out.converged[slot] = periods, converged
    keys = frozen_keys(keys, seed, session)
    _greedy_play(
        game, table, scene, before, after, transfer, foreign, limits, periods, keys, joint, regime, out, uint64(slot)
    )
    keep(table, out, slot)
    return True


@compiled()
def play_steered(
    game, agents, groups, knots, limits, given, counted, numbers, memory, foreign, seed, first, stop, out,
    signals, constants, notes, places, before, after, transfer,
):  # fmt: skip
    """Like :func:`tacitlab.engine.session.play_sessions`, with an intervention.

    ``signals``, ``constants``, ``notes`` and ``places`` are of :class:`tacitlab.engine.arrays.Scene`; with ``transfer``
    what is recorded are payoffs without the intervention, which only moves money.
    """
    for slot in range(out.periods.size):
        session = first + uint64(slot)
        table = new_table(game, agents, groups, knots, given, counted, numbers, memory, out)
        key = stream_key(seed, session, uint64(streams.INTERVENTION))
        scene = Scene(signals, np.zeros(agents.size, np.uint64), constants, notes.copy(), places.copy(), key)
        trace = (out.frequency[slot], out.payoff[slot], out.payoff_square[slot])
        if not _play_session(
            game, table, scene, before, after, transfer, foreign, limits, given, seed, session, stop, out, slot, trace
        ):
            return

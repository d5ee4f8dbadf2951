"""The tabular engine's inner steps: settle a period, remember it.

``game`` is read only, ``table`` is everything of one session that changes (:mod:`tacitlab.engine.arrays`); ``agent``
and ``group`` are rows of its structured arrays, ``i`` the agent's number.
"""

import numpy as np
from numba import uint64

from tacitlab.engine.compilation import inlined, native
from tacitlab.learners.base import Observes
from tacitlab.learners.tables import ONE, ZERO

EVERYBODY, RIVALS, OWN = int(Observes.EVERYBODY), int(Observes.RIVALS), int(Observes.OWN)


@inlined
def settle(game, table, regime, recording):
    """Payoffs of all agents; returns the joint action (0 in a congestion game) and their mean if recorded."""
    if game.congestion:
        _settle_loads(game, table)
        return ZERO, _record_loads(table) if recording else 0.0
    n, joint, total = uint64(table.agents.size), ZERO, 0.0
    for i in range(n):
        agent = table.agents[i]
        agent.last = agent.action
        joint += agent.action * agent.stride
    for i in range(n):
        agent = table.agents[i]
        payoff = game.payoffs[regime, joint, i]
        agent.payoff = payoff
        if recording:
            table.played[i, agent.last] += 1.0
            table.earned[i] += payoff
            total += payoff
    return joint, total / n


@inlined
def _settle_loads(game, table):
    n, n_actions, n_facilities = uint64(table.agents.size), uint64(game.own.size), uint64(table.loads.size)
    for a in range(n_actions):
        table.counts[a] = ZERO
    for i in range(n):
        agent = table.agents[i]
        agent.last = agent.action
        table.counts[agent.action] += ONE
    for f in range(n_facilities):
        load = ZERO
        for a in range(n_actions):
            load += game.incidence[f, a] * table.counts[a]
        table.loads[f] = load
    for a in range(n_actions):
        value = game.own[a]
        for f in range(n_facilities):
            value += game.weights[a, f] * game.values[f, table.loads[f]]
        table.worth[a] = value
    for i in range(n):
        table.agents[i].payoff = table.worth[table.agents[i].last]


@inlined
def _record_loads(table):
    """Add the settled period to the sums over all agents; returns their mean payoff."""
    total = 0.0
    for a in range(uint64(table.counts.size)):
        table.played[0, a] += table.counts[a]
        total += table.worth[a] * table.counts[a]
    mean = total / table.agents.size
    table.earned[0] += mean
    return mean


@native
def empty_sums(game, table, frequency, payoff, slot, periods):
    """Write the means over ``periods`` into row ``slot`` and start new sums."""
    crowd = table.agents.size if game.congestion else 1
    for i in range(table.earned.size):
        payoff[slot, i] = table.earned[i] / periods
        table.earned[i] = 0.0
        for a in range(table.played.shape[1]):
            frequency[slot, i, a] = np.float32(table.played[i, a] / (float(periods) * crowd))
            table.played[i, a] = 0.0


@inlined
def remember(game, table, joint, regime):
    """Push the settled period into every agent's history and derive its state."""
    if game.stateless:
        return
    for i in range(uint64(table.agents.size)):
        agent = table.agents[i]
        state = agent.history
        if agent.memory > ZERO:
            code = joint
            if agent.observes != EVERYBODY:
                code = _observation(table, i, joint)
            state = code
            if agent.memory > ONE:
                state = (agent.history * agent.base + code) % agent.span
            agent.history = state
        if game.observed:
            state += agent.span * regime
        agent.row = agent.first_value + state * agent.n_actions
        agent.cell = agent.first_cell + state


@native
def _observation(table, i, joint):
    agent = table.agents[i]
    if agent.observes == OWN:
        return agent.last
    if agent.observes == RIVALS:
        return joint // (agent.stride * agent.n_actions) * agent.stride + joint % agent.stride
    most = ZERO  # CROWD: the action that most players took, the first of equals
    for a in range(ONE, uint64(table.counts.size)):
        if table.counts[a] > table.counts[most]:
            most = a
    return most

"""The tabular engine's inner steps: settle a period, remember it, learn from it, choose again.

``game`` is read only, ``table`` is everything of one session that changes (:mod:`tacitlab.engine.arrays`); ``agent``
and ``group`` are rows of its structured arrays, ``i`` the agent's number.
"""

import numpy as np
from numba import uint64

from tacitlab.engine import rules
from tacitlab.engine.compilation import inlined, native

ZERO, ONE = np.uint64(0), np.uint64(1)


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


@native
def payoff_if(game, table, i, action, joint, regime):
    """What agent i would have earned with another action against the same play of the others."""
    agent = table.agents[i]
    if not game.congestion:
        return game.payoffs[regime, joint + (action - agent.last) * agent.stride, i]
    value = game.own[action]
    for f in range(uint64(table.loads.size)):
        load = table.loads[f] - game.incidence[f, agent.last] + game.incidence[f, action]
        value += game.weights[action, f] * game.values[f, load]
    return value


@native
def best_reply(game, table, i, joint, regime):
    """Best action against the others' last play, the first of equals."""
    best, top = ZERO, payoff_if(game, table, i, ZERO, joint, regime)
    for a in range(ONE, table.agents[i].n_actions):
        value = payoff_if(game, table, i, a, joint, regime)
        if value > top:
            best, top = a, value
    return best


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
            if agent.observes != rules.EVERYBODY:
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
    if agent.observes == rules.OWN:
        return agent.last
    if agent.observes == rules.RIVALS:
        return joint // (agent.stride * agent.n_actions) * agent.stride + joint % agent.stride
    most = ZERO  # CROWD: the action that most players took, the first of equals
    for a in range(ONE, uint64(table.counts.size)):
        if table.counts[a] > table.counts[most]:
            most = a
    return most


@inlined
def choose(game, table, group, i, u, joint, regime):
    """The action of agent i in its present state, given its uniform draw u."""
    agent = table.agents[i]
    greedy, choice = table.greedy[agent.cell], group.choice
    if choice == rules.EPSILON_GREEDY:
        ties = group.random_ties != ZERO
        return rules.epsilon_greedy(table.values, agent.row, agent.n_actions, greedy, u, group.level, ties)
    if choice == rules.BOLTZMANN:
        return rules.boltzmann(table.values, agent.row, agent.n_actions, greedy, u, group.level)
    if choice == rules.EXP3_MIXTURE:
        action = rules.exp3_choice(table.values, agent.row, agent.n_actions, greedy, u, group.mixing)
        agent.probability = rules.exp3_probability(
            table.values, agent.row, agent.n_actions, greedy, action, group.mixing
        )
        return action
    if choice == rules.UPPER_BOUND:
        return rules.upper_bound_choice(table.values, table.visits, agent.row, agent.n_actions, group.mixing)
    return scripted(game, table, group, i, u, joint, regime)


@native
def scripted(game, table, group, i, u, joint, regime):
    """The action of a policy that keeps no table."""
    n_actions = table.agents[i].n_actions
    if group.choice == rules.FIXED:
        return group.fixed
    if group.choice == rules.RANDOM:
        return min(uint64(u * n_actions), n_actions - ONE)
    return best_reply(game, table, i, joint, regime)


@inlined
def learn(game, table, group, i, next_action):
    """Update the value of agent i's last move; True if the greedy action of that state changed.

    ``next_action`` is what the target continues with: the greedy action, or SARSA's next one.
    """
    agent = table.agents[i]
    place = agent.old_row + agent.chosen
    old = table.values[place]
    reward, discount = agent.payoff, group.gamma
    if game.gathering:
        reward, discount = agent.gathered, agent.discount
    if group.rule == rules.Q_LEARNING or group.rule == rules.SARSA:
        continuation = table.values[agent.row + next_action]
        new = old + group.alpha * (reward + discount * continuation - old)
    else:
        scaled = (reward - group.low) * group.scale
        if group.rule == rules.EXP3:
            new = old + group.mixing / agent.n_actions * scaled / agent.probability
        else:
            table.visits[place] += 1.0
            new = old + (scaled - old) / table.visits[place]
    return rules.assign(table.values, table.greedy, agent.old_row, agent.old_cell, agent.chosen, agent.n_actions, new)


@native
def learn_all(game, table, group, i, joint, regime):
    """Counterfactual Q-learning: every action's value moves as if it had been played (Asker et al. 2022).

    The hypothetical action also changes what agent i would remember, wherever it sees its own action.
    """
    agent, place, changed = table.agents[i], ZERO, False
    if agent.memory > ZERO:
        if agent.observes == rules.EVERYBODY:
            place = agent.stride
        elif agent.observes == rules.OWN:
            place = ONE
    for a in range(agent.n_actions):
        step = (a - agent.last) * place  # unsigned: wraps around and back
        best = table.values[agent.row + step * agent.n_actions + table.greedy[agent.cell + step]]
        table.targets[a] = payoff_if(game, table, i, a, joint, regime) + group.gamma * best
    for a in range(agent.n_actions):
        old = table.values[agent.old_row + a]
        new = old + group.alpha * (table.targets[a] - old)
        if rules.assign(table.values, table.greedy, agent.old_row, agent.old_cell, a, agent.n_actions, new):
            changed = True
    return changed

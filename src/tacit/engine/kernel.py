"""The tabular engine's inner steps: settle a period, remember it, learn from it, choose again.

Every function takes the game, the groups of learners, the agents (read only, :mod:`tacit.engine.arrays`) and the
table: everything of one session that changes.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

from tacit.engine import rules
from tacit.engine.arrays import F64, U64
from tacit.engine.compilation import inlined, native

ZERO, ONE = np.uint64(0), np.uint64(1)


class Traits(NamedTuple):
    """What the loop needs of a group at every step, read once a period."""

    choice: np.int64
    rule: np.int64
    alpha: np.float64
    gamma: np.float64
    level: np.float64  # of exploration


class Table(NamedTuple):
    """What changes during a session; one entry an agent unless said otherwise."""

    values: F64  # all value tables, one after the other
    visits: F64  # tries of every value, for rules that count them
    greedy: U64  # first best action by agent and state
    actions: U64  # being chosen, or standing
    last: U64  # of the last settled period
    chosen: U64  # at the agent's own last move
    history: U64  # code of the last periods' observations
    row: U64  # where the values of the present state begin
    cell: U64  # place of the present state in `greedy`
    old_row: U64  # the same at the agent's own last move
    old_cell: U64
    payoffs: F64  # of the last settled period
    gathered: F64  # discounted payoffs since the own last move
    discount: F64  # gamma to the number of periods since the own last move
    waiting: NDArray[np.bool_]  # has moved and not yet learned
    probability: F64  # of the chosen action, for rules that weigh by it
    counts: U64  # (actions,) players on each action
    loads: U64  # (facilities,)
    worth: F64  # (actions,) payoff of each action
    targets: F64  # (actions,) scratch
    played: NDArray[np.float32]  # (agents, or 1 if anonymous, actions) times played since the sums were emptied
    earned: F64  # (agents or 1,) payoffs earned since then
    marked_history: U64  # where the search for a limit cycle stands
    marked_actions: U64


@njit
def new_table(game, groups, agents, size):
    """Empty arrays for one session, with room for ``size`` values."""
    n = agents.actions.size
    cells = int(agents.cell[n - 1] + agents.states[n - 1])
    recorded, most = 1 if game.congestion else n, int(agents.actions.max())
    counted = False
    for g in range(groups.rule.size):
        counted = counted or groups.rule[g] == rules.AVERAGE
    return Table(
        np.zeros(size),
        np.zeros(size if counted else 0),
        np.zeros(cells, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
        np.zeros(n),
        np.zeros(n),
        np.ones(n),
        np.zeros(n, np.bool_),
        np.ones(n),
        np.zeros(game.own.size, np.uint64),
        np.zeros(game.values.shape[0], np.uint64),
        np.zeros(game.own.size),
        np.zeros(most),
        np.zeros((recorded, most), np.float32),
        np.zeros(recorded),
        np.zeros(n, np.uint64),
        np.zeros(n, np.uint64),
    )


@inlined
def settle(game, table, regime):
    """Payoffs of all agents; returns the joint action, 0 in a congestion game."""
    n, joint = uint64(table.actions.size), ZERO
    for i in range(n):
        table.last[i] = table.actions[i]
    if game.congestion:
        _settle_loads(game, table)
        return joint
    for i in range(n):
        joint += table.actions[i] * game.strides[i]
    for i in range(n):
        table.payoffs[i] = game.payoffs[regime, joint, i]
    return joint


@inlined
def _settle_loads(game, table):
    n, n_actions, n_facilities = uint64(table.actions.size), uint64(game.own.size), uint64(table.loads.size)
    for a in range(n_actions):
        table.counts[a] = ZERO
    for i in range(n):
        table.counts[table.actions[i]] += ONE
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
        table.payoffs[i] = table.worth[table.actions[i]]


@inlined
def record_period(game, table):
    """Add the settled period to the sums; returns the mean payoff over agents."""
    n, total = uint64(table.last.size), 0.0
    if game.congestion:
        for a in range(uint64(table.counts.size)):
            table.played[0, a] += np.float32(table.counts[a])
            total += table.worth[a] * table.counts[a]
        table.earned[0] += total / n
        return total / n
    for i in range(n):
        table.played[i, table.last[i]] += np.float32(1.0)
        table.earned[i] += table.payoffs[i]
        total += table.payoffs[i]
    return total / n


@native
def empty_sums(game, table, frequency, payoff, slot, periods):
    """Write the means over ``periods`` into row ``slot`` and start new sums."""
    crowd = table.last.size if game.congestion else 1
    for i in range(table.earned.size):
        payoff[slot, i] = table.earned[i] / periods
        table.earned[i] = 0.0
        for a in range(table.played.shape[1]):
            frequency[slot, i, a] = table.played[i, a] / np.float32(float(periods) * crowd)
            table.played[i, a] = 0.0


@native
def payoff_if(game, table, i, action, joint, regime):
    """What agent i would have earned with another action against the same play of the others."""
    if not game.congestion:
        return game.payoffs[regime, joint + (action - table.last[i]) * game.strides[i], i]
    value = game.own[action]
    for f in range(uint64(table.loads.size)):
        load = table.loads[f] - game.incidence[f, table.last[i]] + game.incidence[f, action]
        value += game.weights[action, f] * game.values[f, load]
    return value


@native
def best_reply(game, table, i, n_actions, joint, regime):
    """Best action against the others' last play, the first of equals."""
    best, top = ZERO, payoff_if(game, table, i, ZERO, joint, regime)
    for a in range(ONE, n_actions):
        value = payoff_if(game, table, i, a, joint, regime)
        if value > top:
            best, top = a, value
    return best


@inlined
def remember(game, agents, table, joint, regime):
    """Push the settled period into every agent's history and derive its state."""
    for i in range(uint64(table.actions.size)):
        if agents.memory[i] > ZERO:
            code = joint
            if agents.observes[i] != rules.EVERYBODY:
                code = _observation(game, agents, table, i, joint)
            if agents.memory[i] == ONE:
                table.history[i] = code
            else:
                table.history[i] = (table.history[i] * agents.base[i] + code) % agents.span[i]
        state = table.history[i]
        if game.observed:
            state += agents.span[i] * regime
        table.row[i] = agents.table[i] + state * agents.actions[i]
        table.cell[i] = agents.cell[i] + state


@native
def _observation(game, agents, table, i, joint):
    if agents.observes[i] == rules.OWN:
        return table.last[i]
    if agents.observes[i] == rules.RIVALS:
        place = game.strides[i]
        return joint // (place * agents.actions[i]) * place + joint % place
    most = ZERO  # CROWD: the action that most players took, the first of equals
    for a in range(ONE, uint64(table.counts.size)):
        if table.counts[a] > table.counts[most]:
            most = a
    return most


@inlined
def choose(game, groups, agents, table, traits, g, i, u, joint, regime):
    """The action of agent i in its present state, given its uniform draw u."""
    n_actions, row, choice, level = agents.actions[i], table.row[i], traits.choice, traits.level
    greedy = table.greedy[table.cell[i]]
    if choice == rules.EPSILON_GREEDY:
        return rules.epsilon_greedy(table.values, row, n_actions, greedy, u, level, groups.random_ties[g])
    if choice == rules.BOLTZMANN:
        return rules.boltzmann(table.values, row, n_actions, greedy, u, level)
    if choice == rules.EXP3_MIXTURE:
        action = rules.exp3_choice(table.values, row, n_actions, greedy, u, groups.mixing[g])
        table.probability[i] = rules.exp3_probability(table.values, row, n_actions, greedy, action, groups.mixing[g])
        return action
    if choice == rules.UPPER_BOUND:
        return rules.upper_bound_choice(table.values, table.visits, row, n_actions, groups.mixing[g])
    return scripted(game, groups, agents, table, g, i, u, joint, regime)


@native
def scripted(game, groups, agents, table, g, i, u, joint, regime):
    """The action of a policy that keeps no table."""
    n_actions = agents.actions[i]
    if groups.choice[g] == rules.FIXED:
        return groups.fixed[g]
    if groups.choice[g] == rules.RANDOM:
        return min(uint64(u * n_actions), n_actions - ONE)
    return best_reply(game, table, i, n_actions, joint, regime)


@inlined
def learn(game, groups, agents, table, traits, g, i, next_action):
    """Update the value of agent i's last move; True if the greedy action of that state changed.

    ``next_action`` is what the target continues with: the greedy action, or SARSA's next one.
    """
    n_actions, action, rule = agents.actions[i], table.chosen[i], traits.rule
    row = table.old_row[i]
    old = table.values[row + action]
    reward, discount = table.payoffs[i], traits.gamma
    if game.gathering:
        reward, discount = table.gathered[i], table.discount[i]
    if rule == rules.Q_LEARNING or rule == rules.SARSA:
        continuation = table.values[table.row[i] + next_action]
        new = old + traits.alpha * (reward + discount * continuation - old)
    else:
        scaled = (reward - groups.low[g]) * groups.scale[g]
        if rule == rules.EXP3:
            new = old + groups.mixing[g] / n_actions * scaled / table.probability[i]
        else:
            table.visits[row + action] += 1.0
            new = old + (scaled - old) / table.visits[row + action]
    return rules.assign(table.values, table.greedy, row, table.old_cell[i], action, n_actions, new)


@native
def learn_all(game, groups, agents, table, g, i, joint, regime):
    """Counterfactual Q-learning: every action's value moves as if it had been played (Asker et al. 2022).

    The hypothetical action also changes what agent i would remember, wherever it sees its own action.
    """
    n_actions, place = agents.actions[i], ZERO
    if agents.memory[i] > ZERO:
        if agents.observes[i] == rules.EVERYBODY:
            place = game.strides[i]
        elif agents.observes[i] == rules.OWN:
            place = ONE
    for a in range(n_actions):
        step = (a - table.last[i]) * place  # unsigned: wraps around and back
        best = table.values[table.row[i] + step * n_actions + table.greedy[table.cell[i] + step]]
        table.targets[a] = payoff_if(game, table, i, a, joint, regime) + groups.gamma[g] * best
    row, cell, changed = table.old_row[i], table.old_cell[i], False
    for a in range(n_actions):
        old = table.values[row + a]
        new = old + groups.alpha[g] * (table.targets[a] - old)
        if rules.assign(table.values, table.greedy, row, cell, a, n_actions, new):
            changed = True
    return changed

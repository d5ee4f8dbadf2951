"""A second, slow implementation of the tabular engine, written from the definitions, in plain Python.

It shares nothing with the engine but the exploration tape. No caches, no groups, no flat tables: every agent is an
object, every greedy action is searched anew.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from tacitlab.engine.streams import INITIAL_STATE, INITIAL_VALUES, NATURE, PLAY, tape, tape_at
from tacitlab.games.base import NormalForm
from tacitlab.learners.base import Behaviour, Rules


@dataclass
class Agent:
    behaviour: Behaviour
    q: np.ndarray  # (states, actions)
    memory: int
    observes: str
    codes: int
    history: int = 0
    visits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    waiting: bool = False
    old_state: int = 0
    action: int = 0
    rewards: list = field(default_factory=list)  # since the own last move
    probability: float = 1.0

    def greedy(self, state):
        return int(np.argmax(self.q[state]))


def level(knots, t):
    """Exploration level of period t, stepping from the last knot."""
    start = max((k for k in knots if k[0] <= t), key=lambda k: k[0])
    value = start[1]
    for _ in range(int(t - start[0])):
        value = value * start[2] + start[3]
    return value


def softmax(row, temperature):
    weights = [math.exp((v - max(row)) / temperature) for v in row]
    return [w / sum(weights) for w in weights]


def inverse(probabilities, u):
    total = 0.0
    for k, p in enumerate(probabilities):
        total += p
        if u < total:
            return k
    return len(probabilities) - 1


class Play:
    """One session."""

    def __init__(self, form, agents, *, alternating, periods, stable_for, seed, session):
        self.form, self.agents, self.alternating = form, agents, alternating
        self.periods, self.stable_for = periods, stable_for
        self.seed, self.session, self.n = seed, session, len(agents)
        self.normal = isinstance(form, NormalForm)
        self.regime = 0
        self.log = []  # actions and payoffs by period
        self._start()

    def _start(self):
        if self.normal and len(self.form.transition) > 1:
            u = tape_at(self.seed, self.session, INITIAL_STATE, 2**64 - 1)
            self.regime = inverse(self.form.stationary(), u)
        longest = max(1, *(a.memory for a in self.agents))
        draws = tape(self.seed, self.session, INITIAL_STATE, longest * self.n)
        place = 0
        for agent in self.agents:
            if agent.behaviour.uniform_values is not None:
                low, high = agent.behaviour.uniform_values
                all_draws = tape(self.seed, self.session, INITIAL_VALUES, place + agent.q.size)[place:]
                agent.q = low + (high - low) * all_draws.reshape(agent.q.shape)
            place += agent.q.size
        for k in range(longest):
            self.actions = [
                int(draws[k * self.n + i] * a.q.shape[1]) if self._active(i) else 0 for i, a in enumerate(self.agents)
            ]
            self._push()
        self.last_regime = self.regime

    def _active(self, i):
        return not self.normal or bool(self.form.active[self.regime, i])

    def payoff(self, i, actions, regime):
        if self.normal:
            return self.form.payoffs[regime, np.ravel_multi_index(actions, self.form.shape), i]
        counts = np.bincount(actions, minlength=self.form.actions)
        value = self.form.own[actions[i]]
        for f in range(len(self.form.values)):
            value += self.form.weights[actions[i], f] * self.form.values[f, self.form.incidence[f] @ counts]
        return value

    def code(self, i, actions):
        what = self.agents[i].observes
        if what == "own":
            return actions[i]
        if what == "crowd":
            return int(np.argmax(np.bincount(actions, minlength=self.form.actions)))
        shape = self.form.shape
        if what == "rivals":
            rest = [k for k in range(self.n) if k != i]
            return int(np.ravel_multi_index([actions[k] for k in rest], [shape[k] for k in rest]))
        return int(np.ravel_multi_index(actions, shape))

    def _push(self):
        for i, agent in enumerate(self.agents):
            if agent.memory:
                agent.history = (agent.history * agent.codes + self.code(i, self.actions)) % agent.codes**agent.memory

    def state(self, i):
        agent = self.agents[i]
        regime = self.regime if self.normal and self.form.observed else 0
        return agent.history + agent.codes**agent.memory * regime

    def run(self):
        stable = 0
        for t in range(self.periods + 1):
            before = [[a.greedy(s) for s in range(len(a.q))] for a in self.agents]
            following = list(self.actions)
            for i, agent in enumerate(self.agents):
                if self.alternating and i != t % self.n:
                    continue
                if not self._active(i):
                    following[i] = 0
                    continue
                state, b = self.state(i), agent.behaviour
                if agent.waiting and b.rule != Rules.SARSA:
                    self.learn(i, state, agent.greedy(state))
                if t == self.periods:
                    continue
                action = self.choose(i, state, tape_at(self.seed, self.session, PLAY, t * self.n + i), t)
                if agent.waiting and b.rule == Rules.SARSA:
                    self.learn(i, state, action)
                following[i] = agent.action = action
                agent.old_state, agent.waiting, agent.rewards = state, True, []
            after = [[a.greedy(s) for s in range(len(a.q))] for a in self.agents]
            if t > 0:
                stable = stable + 1 if before == after else 0
            if t == self.periods or (self.stable_for and stable >= self.stable_for):
                return t
            self.actions = following
            payoffs = [self.payoff(i, self.actions, self.regime) for i in range(self.n)]
            for agent, payoff in zip(self.agents, payoffs, strict=True):
                agent.rewards.append(payoff)
            self.log.append((tuple(self.actions), tuple(payoffs)))
            self.last_regime = self.regime
            if self.normal and len(self.form.transition) > 1:
                self.regime = inverse(self.form.transition[self.regime], tape_at(self.seed, self.session, NATURE, t))
            self._push()
        return None

    def choose(self, i, state, u, t):
        agent, b = self.agents[i], self.agents[i].behaviour
        row, m = agent.q[state], agent.q.shape[1]
        if b.choice == Rules.EPSILON_GREEDY:
            epsilon = level(b.knots, t)
            if u < epsilon:
                return int(u / epsilon * m)
            best = np.flatnonzero(row == row.max())
            return int(best[int((u - epsilon) / (1 - epsilon) * len(best))]) if b.random_ties else int(best[0])
        if b.choice == Rules.BOLTZMANN:
            return inverse(softmax(row, level(b.knots, t)), u)
        if b.choice == Rules.EXP3:
            p = [(1 - b.mixing) * x + b.mixing / m for x in softmax(row, 1.0)]
            if u < b.mixing:
                action = int(u / b.mixing * m)
            else:
                action = inverse(softmax(row, 1.0), (u - b.mixing) / (1 - b.mixing))
            agent.probability = p[action]
            return action
        if b.choice == Rules.UCB1:
            tries = agent.visits[state]
            if (tries == 0).any():
                return int(np.argmax(tries == 0))
            return int(np.argmax(row + np.sqrt(b.mixing * math.log(tries.sum()) / tries)))
        if b.choice == Rules.FIXED:
            return b.fixed
        if b.choice == Rules.RANDOM:
            return int(u * m)
        return int(np.argmax([self.instead(i, a) for a in range(m)]))

    def instead(self, i, action):
        return self.payoff(i, [action if k == i else a for k, a in enumerate(self.actions)], self.last_regime)

    def learn(self, i, state, next_action):
        agent, b = self.agents[i], self.agents[i].behaviour
        reward = sum(b.gamma**k * r for k, r in enumerate(agent.rewards))
        discount = b.gamma ** len(agent.rewards)
        q, s, a = agent.q, agent.old_state, agent.action
        low, high = b.payoff_range
        scaled = (reward - low) / (high - low)
        if b.rule in (Rules.Q_LEARNING, Rules.SARSA):
            q[s, a] += b.alpha * (reward + discount * q[state, next_action] - q[s, a])
        elif b.rule == Rules.EXP3:
            q[s, a] += b.mixing / q.shape[1] * scaled / agent.probability
        elif b.rule == Rules.AVERAGE:
            agent.visits[s, a] += 1
            q[s, a] += (scaled - q[s, a]) / agent.visits[s, a]
        elif b.rule == Rules.Q_COUNTERFACTUAL:
            targets = []
            for x in range(q.shape[1]):
                hypothetical = state
                if agent.memory and agent.observes in ("everybody", "own"):
                    real = self.code(i, self.actions)
                    imagined = self.code(i, [x if k == i else y for k, y in enumerate(self.actions)])
                    hypothetical = state + imagined - real
                targets.append(self.instead(i, x) + b.gamma * q[hypothetical].max())
            q[s] += b.alpha * (np.array(targets) - q[s])

"""Two bandits as a user writes them, with rules of their own; the tests play them by name and as objects."""

import math
from typing import Literal

import numpy as np

from tacitlab.engine.streams import uniform
from tacitlab.learners.base import Behaviour, TabularLearner, TabularRule, WithMemory, blank
from tacitlab.learners.tables import boltzmann
from tacitlab.schema import param


def normal(key, number):
    """A standard normal draw (Box and Muller 1958) from draws 2k and 2k + 1 of a stream."""
    first, second = uniform(key, np.uint64(2) * number), uniform(key, np.uint64(2) * number + np.uint64(1))
    return math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(2.0 * math.pi * second)


def sample_means(game, table, turn, i, u):
    """The action whose mean, drawn from what is believed of it, is greatest."""
    agent = table.agents[i]
    best, top = np.uint64(0), -math.inf
    for a in range(agent.n_actions):
        place = agent.row + a
        drawn = table.values[place] + table.numbers[i, 0] / math.sqrt(table.visits[place] + 1.0) * normal(turn.key, a)
        if drawn > top:
            best, top = a, drawn
    return best


def posterior_mean(game, table, turn, i, reward):
    """The mean of payoffs and one prior observation of 0."""
    agent = table.agents[i]
    place = agent.old_row + agent.chosen
    table.visits[place] += 1.0
    table.values[place] += (reward - table.values[place]) / (table.visits[place] + 1.0)


THOMPSON = TabularRule(sample_means, posterior_mean, needs_next="nothing", counts=True)


class Thompson(WithMemory):
    """Thompson sampling for payoffs with normal noise (Thompson 1933; Russo et al. 2018, section 4)."""

    kind: Literal["thompson"] = "thompson"
    noise: float = param(1.0, "standard deviation of the payoffs' noise", "payoff", gt=0)

    def behaviour(self, seat):
        return Behaviour(THOMPSON, THOMPSON, blank(seat), numbers=(self.noise,))


def softmax(game, table, turn, i, u):
    """Probability proportional to exp(preference)."""
    agent = table.agents[i]
    return boltzmann(table.values, agent.row, agent.n_actions, table.greedy[agent.cell], u, 1.0)


def ascend(game, table, turn, i, reward):
    """Preferences move with how much better than usual the payoff was. Memory: mean payoff, number of payoffs."""
    agent, memory, total = table.agents[i], table.memory, 0.0
    better = reward - memory[i, 0]
    for a in range(agent.n_actions):
        total += math.exp(table.values[agent.old_row + a])
    for a in range(agent.n_actions):
        place = agent.old_row + a
        here = 1.0 if a == agent.chosen else 0.0
        table.values[place] += turn.group.alpha * better * (here - math.exp(table.values[place]) / total)
    memory[i, 1] += 1.0
    memory[i, 0] += (reward - memory[i, 0]) / memory[i, 1]


GRADIENT = TabularRule(softmax, ascend, needs_next="nothing")


class GradientBandit(TabularLearner):
    """The gradient bandit with a baseline (Sutton and Barto 2018, section 2.8)."""

    kind: Literal["gradient-bandit"] = "gradient-bandit"
    alpha: float = param(0.1, "learning rate, alpha", gt=0)

    def behaviour(self, seat):
        return Behaviour(GRADIENT, GRADIENT, blank(seat), alpha=self.alpha, memory=(0.0, 0.0))

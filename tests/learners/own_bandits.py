"""Two bandits with rules of their own, one of them the template; the tests play them by name and as objects."""

import math
from typing import Literal

import numpy as np

from tacitlab import registry, scaffold
from tacitlab.engine.streams import uniform
from tacitlab.learners.base import Behaviour, TabularRule, WithMemory, blank
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


#: The gradient bandit that `tacit new learner` writes, as the class of a user's file.
TEMPLATE = scaffold.TEMPLATES / "my_learner.py"
GradientBandit = registry.find("learner", f"{TEMPLATE}:MyLearner")

"""A learner with a table of your own: how it chooses and how it learns, as functions for the compiled loop."""

import math
from typing import Literal

from tacitlab.learners.base import Behaviour, Seat, TabularRule, WithMemory, blank
from tacitlab.learners.tables import boltzmann
from tacitlab.schema import param


def choose(game, table, turn, i, u):
    """The action of agent i: probability proportional to exp(preference). ``u`` is a uniform draw."""
    agent = table.agents[i]
    return boltzmann(table.values, agent.row, agent.n_actions, table.greedy[agent.cell], u, 1.0)


def learn(game, table, turn, i, reward):
    """Preferences move with how much better than usual the reward was. Memory: the mean reward, how many there were."""
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


#: All that changes lies in the table, so that play is the same on any number of threads; see TabularRule.
RULE = TabularRule(choose, learn, needs_next="nothing")


class MyLearner(WithMemory):
    """The gradient bandit with a baseline, for each remembered state (Sutton and Barto 2018, section 2.8)."""

    kind: Literal["my-learner"] = "my-learner"  # its name in scenarios
    alpha: float = param(0.1, "learning rate, alpha", gt=0)

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(RULE, RULE, blank(seat), alpha=self.alpha, memory=(0.0, 0.0))

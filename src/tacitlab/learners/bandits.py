"""Bandit algorithms: exponential weights (EXP3) and optimism in the face of uncertainty (UCB1)."""

import math
from typing import Any, Literal

import numpy as np

from tacitlab.learners.base import Behaviour, Rules, Seat, WithMemory, blank
from tacitlab.learners.tables import ONE, ZERO, boltzmann, scaled, teach
from tacitlab.schema import param


class Exp3(WithMemory):
    """Exponential weights with importance-weighted payoffs (Auer, Cesa-Bianchi, Freund and Schapire 2002).

    Action ``a`` of ``K`` has probability ``(1 - mixing) * w_a / sum(w) + mixing / K``; after a payoff ``x`` scaled
    to [0, 1], ``w_a *= exp(mixing * x / (K * p_a))``. The table holds the logarithms of the weights, one row for
    each remembered state.

    Examples
    --------
    >>> Exp3(mixing=0.1).memory
    0
    """

    kind: Literal["exp3"] = "exp3"
    mixing: float = param(0.1, "share of uniform play, gamma in the paper", gt=0, le=1)

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Rules.EXP3, Rules.EXP3, blank(seat), mixing=self.mixing, payoff_range=seat.payoff_range())


def choose_exp3(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """Exponential weights mixed with uniform play; remembers the probability of what it chose."""
    agent, mixing = table.agents[i], turn.group.mixing
    row, actions, greedy = agent.row, agent.n_actions, table.greedy[agent.cell]
    if u < mixing:
        action = min(np.uint64(u / mixing * actions), actions - ONE)
    else:
        action = boltzmann(table.values, row, actions, greedy, (u - mixing) / (1.0 - mixing), 1.0)
    top, total = table.values[row + greedy], 0.0
    for a in range(actions):
        total += math.exp(table.values[row + a] - top)
    agent.probability = (1.0 - mixing) * math.exp(table.values[row + action] - top) / total + mixing / actions
    return action


def learn_exp3(game: Any, table: Any, turn: Any, i: Any, reward: Any) -> Any:
    """The logarithm of the weight moves by the payoff over its probability."""
    agent = table.agents[i]
    old = table.values[agent.old_row + agent.chosen]
    step = turn.group.mixing / agent.n_actions * scaled(turn, reward) / agent.probability
    return teach(table, agent, agent.chosen, old + step)


class Ucb1(WithMemory):
    """The action of greatest ``mean + sqrt(width * ln t / tries)`` (Auer, Cesa-Bianchi and Fischer 2002).

    Untried actions come first. Payoffs are scaled to [0, 1] by the game's payoff range; ``t`` counts the visits of
    the remembered state.

    Examples
    --------
    >>> Ucb1().width
    2.0
    """

    kind: Literal["ucb1"] = "ucb1"
    width: float = param(2.0, "factor under the root", ge=0)

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Rules.UCB1, Rules.AVERAGE, blank(seat), mixing=self.width, payoff_range=seat.payoff_range())


def choose_ucb1(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """Untried actions first, then the greatest upper bound."""
    agent, total = table.agents[i], 0.0
    for a in range(agent.n_actions):
        if table.visits[agent.row + a] == 0.0:
            return a
        total += table.visits[agent.row + a]
    best, top = ZERO, -math.inf
    for a in range(agent.n_actions):
        tries = table.visits[agent.row + a]
        bound = table.values[agent.row + a] + math.sqrt(turn.group.mixing * math.log(total) / tries)
        if bound > top:
            best, top = a, bound
    return best


def learn_average(game: Any, table: Any, turn: Any, i: Any, reward: Any) -> Any:
    """The mean of an action's payoffs, scaled."""
    agent = table.agents[i]
    place = agent.old_row + agent.chosen
    old = table.values[place]
    table.visits[place] += 1.0
    return teach(table, agent, agent.chosen, old + (scaled(turn, reward) - old) / table.visits[place])

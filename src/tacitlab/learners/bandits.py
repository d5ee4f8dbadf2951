"""Bandit algorithms: exponential weights (EXP3) and optimism in the face of uncertainty (UCB1)."""

from typing import Literal

from tacitlab.learners.base import Behaviour, Choice, Rule, Seat, WithMemory, blank
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
        return Behaviour(Choice.EXP3, Rule.EXP3, blank(seat), mixing=self.mixing, payoff_range=seat.payoff_range())


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
        return Behaviour(Choice.UCB1, Rule.AVERAGE, blank(seat), mixing=self.width, payoff_range=seat.payoff_range())

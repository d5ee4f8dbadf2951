"""EXP3: exponential weights for adversarial bandits."""

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

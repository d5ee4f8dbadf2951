"""UCB1: optimism in the face of uncertainty."""

from typing import Literal

from tacitlab.learners.base import Behaviour, Choice, Rule, Seat, WithMemory, blank
from tacitlab.schema import param


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

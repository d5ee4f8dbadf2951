"""SARSA (Rummery and Niranjan 1994): Q-learning on the policy that is really played."""

from typing import Literal

from tacitlab.learners.base import Behaviour, Rule, Seat
from tacitlab.learners.q_learning import ValueLearner


class Sarsa(ValueLearner):
    """On-policy temporal differences: the target continues with the action that is really played next.

    ``Q(s, a) += alpha * (r + gamma * Q(s', a') - Q(s, a))``

    Examples
    --------
    >>> Sarsa(gamma=0.9).gamma
    0.9
    """

    kind: Literal["sarsa"] = "sarsa"

    def behaviour(self, seat: Seat) -> Behaviour:
        return self._behaviour(seat, Rule.SARSA)

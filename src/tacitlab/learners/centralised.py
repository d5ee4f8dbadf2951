"""The third paradigm: one learner decides for all agents."""

from typing import TYPE_CHECKING, ClassVar, Literal

from tacitlab.learners.actor_critic import ActorCritic
from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.learners.dqn import DQN
from tacitlab.learners.ppo import PPO
from tacitlab.learners.q_learning import QLearning
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class Centralised(Learner):
    """Fully centralised control: one policy over the joint action, which sees what all agents of the group see.

    It learns from the mean of their rewards. Discrete joint actions are numbered, so that there are as many as the
    product of what each agent can choose from: they grow exponentially with the agents, and more
    than 4,096 are refused.

    Examples
    --------
    >>> Centralised(learner={"kind": "exp3"})
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: learner.kind: 'exp3' is unknown; choose from ppo, actor-critic, dqn, q-learning
    """

    kind: Literal["centralised"] = "centralised"
    learner: PPO | ActorCritic | DQN | QLearning = param(
        PPO(), "how the one that decides for all learns", discriminator="kind"
    )

    many_copies: ClassVar[bool] = True  # the inner learner is asked when the group is built

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.centralised import build

        return build(self, seat)

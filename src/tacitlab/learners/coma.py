"""Counterfactual multi-agent policy gradients."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tacitlab.learners.actor_critic import PolicyGradient
from tacitlab.learners.base import MarketSeat
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class COMA(PolicyGradient):
    """Counterfactual multi-agent policy gradients: what an own action adds, given what the others did.

    In training a critic sees the market's global state, what the agent itself sees and the others' actions, and values
    each own action. The actor climbs ``log pi(u | o) A`` with ``A = Q(u) - sum_a pi(a | o) Q(a)``: the others' actions
    stay what they were, so that each agent is credited with its own part of a common reward.

    After every rollout the critic makes some steps towards TD(lambda) returns of the joint actions taken, which it has
    estimated itself before them, and the actor makes one. Where a rollout or an episode is merely cut, returns go on
    with actions that the policies draw. Unlike in the source, agents have no memory, ``entropy_weight`` stands in place
    of a least probability of each action, and there is no target network.

    References
    ----------
    J. Foerster et al., "Counterfactual multi-agent policy gradients", AAAI 2018.

    Examples
    --------
    >>> COMA(recurrent=8)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: recurrent: coma acts without memory; set recurrent=0, or take mappo
    """

    kind: Literal["coma"] = "coma"
    parameters: Literal["own", "shared"] = param(
        "shared", "networks of each agent's own, or one actor and one critic for the whole group"
    )
    rollout: int = param(32, "steps lived through between updates", "steps", ge=1, le=1_000_000)
    rate: float = param(5e-4, "learning rate of actor and critic, alpha", gt=0)
    trace: float = param(0.8, "weight of long returns in the critic's targets, lambda", ge=0, le=1)
    critic_steps: int = param(8, "gradient steps of the critic in an update", ge=1, le=10_000)
    normalise_advantages: bool = param(False, "advantages of a gradient step have mean 0 and deviation 1")
    agent_ids: bool = param(True, "agents that share a network are told apart by an input of their own each")
    distribution: Literal["categorical"] = param(  # type: ignore[assignment]
        "categorical", "of actions: discrete, or over the market's candidates"
    )

    @model_validator(mode="after")
    def _without_memory(self) -> Self:
        if self.recurrent:
            raise ValueError("recurrent: coma acts without memory; set recurrent=0, or take mappo")
        return self

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.coma import build

        return build(self, seat)

"""Proximal policy optimisation."""

from typing import TYPE_CHECKING, Literal

from tacitlab.learners.actor_critic import PolicyGradient
from tacitlab.learners.base import MarketSeat
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class PPO(PolicyGradient):
    """Proximal policy optimisation: several epochs of clipped policy-gradient steps on every rollout.

    The actor climbs ``E min(r A, clip(r, 1 - clip, 1 + clip) A)``, where r is the probability of an action over that
    when it was taken, and A its generalised advantage; through an episode that is merely cut, the critic looks on.

    There is no early stop when the policy has moved too far: sessions learn side by side, and it would differ.

    References
    ----------
    J. Schulman et al., arXiv 1707.06347; J. Schulman et al., ICLR 2016 (advantages); M. Andrychowicz et al., arXiv
    2006.05990, and S. Huang et al., ICLR blog track 2022 (what matters in practice).

    Examples
    --------
    >>> PPO(rollout=100, recurrent=32, sequence=16)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: sequence: 16 does not divide a rollout of 100 steps; choose numbers that fit
    """

    kind: Literal["ppo"] = "ppo"
    clip: float = param(0.2, "largest change of an action's probability that pays, epsilon", gt=0, lt=1)
    epochs: int = param(4, "times that a rollout is learned from", ge=1, le=1000)
    minibatches: int = param(4, "gradient steps of an epoch", ge=1, le=100_000)
    clip_values: bool = param(False, "changes of the critic are clipped, too")

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.ppo import build

        return build(self, seat)

"""Multi-agent proximal policy optimisation: PPO whose critics see the global state (C. Yu et al., NeurIPS 2022)."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.deep import ppo

if TYPE_CHECKING:
    from tacitlab.learners.mappo import MAPPO


def build(learner: "MAPPO", seat: MarketSeat) -> ppo.Ppo:
    """A group of agents as a scenario describes them."""
    group = ppo.build(learner, seat, learner.critic_sees)
    return replace(group, apart=True, one_critic=not group.shared and learner.critic == "shared")

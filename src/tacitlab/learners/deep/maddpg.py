"""Deterministic policy gradients with central critics, which see the world and what everybody does.

R. Lowe et al., NeurIPS 2017.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.deep.base import Clock, Transition
from tacitlab.learners.deep.ddpg import Ddpg, common
from tacitlab.learners.deep.group_replay import Rows
from tacitlab.learners.deep.joint import others
from tacitlab.learners.deep.on_policy_build import world_size

if TYPE_CHECKING:
    from tacitlab.learners.ddpg import MADDPG


class Maddpg(Ddpg):
    """Agents whose actors see what their agents see, and whose critics see everything."""

    def around_size(self, seen: int) -> int:
        return self.replay.world + (self.agents - 1) * self.actions.size

    def around(
        self,
        seen: Float[Array, "agents batch inputs"],
        world: Float[Array, "batch features"] | None,
        actions: Float[Array, "agents batch code"],
    ) -> Float[Array, "agents batch around"]:
        """The world, and the others' actions in the order of agents."""
        assert world is not None
        return jnp.concatenate([jnp.broadcast_to(world, (self.agents, *world.shape)), others(actions)], axis=-1)

    def sample(self, memory: Rows, keys: Key[Array, " agents"], clock: Clock) -> Transition:
        """The same moments for all agents: what the others did then, and would do next, is computed once."""
        return self.replay.sample(memory, keys[0], clock + 1, self.batch)


def build(learner: "MADDPG", seat: MarketSeat) -> Maddpg:
    """A group of agents as a scenario describes them."""
    return Maddpg(**common(learner, seat, world_size(seat)))

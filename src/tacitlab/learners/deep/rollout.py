"""The last so many steps of a group, learned from once and then overwritten."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.learners.deep.base import Clock, Transition


class Rollout(eqx.Module):
    """A memory of so many consecutive steps.

    Attributes
    ----------
    steps, agents, copies : int
        Steps remembered; agents of the group; copies of the market that they learn from.
    observation, action : int
        Sizes of an observation and of an action.
    world : int
        Size of the market's global state where that is remembered, too; else 0.
    """

    steps: int = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    copies: int = eqx.field(static=True)
    observation: int = eqx.field(static=True)
    action: int = eqx.field(static=True)
    world: int = eqx.field(static=True, default=0)

    def empty(self) -> tuple[Float[Array, "steps agents copies row"], Float[Array, "steps copies worlds"]]:
        """Nothing remembered yet."""
        row = 2 * self.observation + self.action + 3
        return (
            jnp.zeros((self.steps, self.agents, self.copies, row), jnp.float32),
            jnp.zeros((self.steps, self.copies, 2 * self.world), jnp.float32),
        )

    def add(self, rows: tuple[Array, Array], transition: Transition, clock: Clock) -> tuple[Array, Array]:
        """The memory with the step of this number in its place."""
        t, place = transition, clock % self.steps
        scalars = jnp.stack([t.reward, t.terminated.astype(jnp.float32), t.truncated.astype(jnp.float32)], axis=-1)
        row = jnp.concatenate([t.observation, t.action, t.next_observation, scalars], axis=-1)
        own = jax.lax.dynamic_update_slice(rows[0], row[None], (place, 0, 0, 0))
        if not self.world:
            return own, rows[1]
        assert t.world is not None
        assert t.next_world is not None
        both = jnp.concatenate([t.world, t.next_world], axis=-1)
        return own, jax.lax.dynamic_update_slice(rows[1], both[None].astype(jnp.float32), (place, 0, 0))

    def read(self, rows: tuple[Array, Array]) -> Transition:
        """All steps in their order: (agents, copies, steps, ...); the global state (copies, steps, features)."""
        ends = list(itertools.accumulate([self.observation, self.action, self.observation]))
        before, action, after, scalars = jnp.split(jnp.moveaxis(rows[0], 0, 2), ends, axis=3)
        reward, terminated, truncated = jnp.moveaxis(scalars, 3, 0)
        world, next_world = jnp.split(jnp.swapaxes(rows[1], 0, 1), 2, axis=2) if self.world else (None, None)
        return Transition(before, action, reward, after, terminated > 0, truncated > 0, world, next_world)

"""The last so many steps of a group, learned from once and then overwritten."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacit.learners.deep.base import Clock, Transition


class Rollout(eqx.Module):
    """A memory of so many consecutive steps.

    Attributes
    ----------
    steps, agents : int
    observation, action : int
        Sizes of an observation and of an action.
    """

    steps: int = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    observation: int = eqx.field(static=True)
    action: int = eqx.field(static=True)

    def empty(self) -> Float[Array, "steps agents row"]:
        """Nothing remembered yet."""
        return jnp.zeros((self.steps, self.agents, 2 * self.observation + self.action + 3), jnp.float32)

    def add(self, rows: Float[Array, "steps agents row"], transition: Transition, clock: Clock) -> Array:
        """The memory with the step of this number in its place."""
        t = transition
        scalars = jnp.stack([t.reward, t.terminated.astype(jnp.float32), t.truncated.astype(jnp.float32)], axis=1)
        row = jnp.concatenate([t.observation, t.action, t.next_observation, scalars], axis=1)
        return jax.lax.dynamic_update_slice(rows, row[None], (clock % self.steps, 0, 0))

    def read(self, rows: Float[Array, "steps agents row"]) -> Transition:
        """All steps in their order; agents first, then steps."""
        ends = list(itertools.accumulate([self.observation, self.action, self.observation]))
        before, action, after, scalars = jnp.split(jnp.swapaxes(rows, 0, 1), ends, axis=2)
        reward, terminated, truncated = jnp.moveaxis(scalars, 2, 0)
        return Transition(before, action, reward, after, terminated > 0, truncated > 0)

"""Memories of transitions. Where a transition goes depends on how many came before it, and on nothing else."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.learners.deep.base import Clock, Transition


class Replay(eqx.Module):
    """A memory of the last transitions.

    Attributes
    ----------
    capacity : int
    halving : bool
        Once full, forget every other transition (Macrì and Lillo) instead of always the oldest.
    observation, action : int
        Sizes of an observation and of an action.
    """

    capacity: int = eqx.field(static=True)
    halving: bool = eqx.field(static=True)
    observation: int = eqx.field(static=True)
    action: int = eqx.field(static=True)

    def empty(self) -> Float[Array, "capacity row"]:
        """Nothing remembered yet."""
        return jnp.zeros((self.capacity, 2 * self.observation + self.action + 2), jnp.float32)

    def size(self, count: Clock) -> Int[Array, ""]:
        """How many are remembered after ``count`` were added."""
        if not self.halving:
            return jnp.minimum(count, self.capacity)
        half = self.capacity // 2
        return jnp.where(count <= self.capacity, count, half + 1 + (count - self.capacity - 1) % half)

    def add(self, rows: Float[Array, "capacity row"], transition: Transition, count: Clock) -> Array:
        """The memory with one transition more, ``count`` having been added before."""
        t = transition
        parts = [t.observation, t.action, t.reward[None], t.next_observation, t.terminated[None].astype(jnp.float32)]
        row = jnp.concatenate(parts)[None]
        if not self.halving:
            return jax.lax.dynamic_update_slice(rows, row, (count % self.capacity, 0))
        half = self.capacity // 2
        full = (count >= self.capacity) & ((count - self.capacity) % half == 0)
        # A loop of no or one round changes the memory in place, where a branch would copy it in every step.
        rows = jax.lax.fori_loop(
            0, full.astype(int), lambda _, r: jax.lax.dynamic_update_slice(r, r[1::2], (0, 0)), rows
        )
        return jax.lax.dynamic_update_slice(rows, row, (self.size(count + 1) - 1, 0))

    def sample(self, rows: Float[Array, "capacity row"], key: PRNGKeyArray, count: Clock, batch: int) -> Transition:
        """Transitions drawn uniformly, with replacement, from the ``count`` that were added."""
        size = self.size(count)
        drawn = jnp.floor(jax.random.uniform(key, (batch,)) * size).astype(int)
        chosen = rows[jnp.minimum(drawn, size - 1)]
        ends = list(itertools.accumulate([self.observation, self.action, 1, self.observation]))
        before, action, reward, after, ended = jnp.split(chosen, ends, axis=1)
        terminated = ended[:, 0] > 0
        return Transition(before, action, reward[:, 0], after, terminated, jnp.zeros_like(terminated))

"""A memory of what a whole group lived through: joint transitions, and the world around them."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from tacitlab.learners.deep.base import Clock, Transition

Rows = tuple[Float[Array, "capacity agents row"], Float[Array, "capacity worlds"]]


class GroupReplay(eqx.Module):
    """A memory of the last joint transitions of a group, in all copies of the market that it learns from.

    Attributes
    ----------
    capacity : int
        Most joint transitions, a multiple of the copies: each step of each copy is one.
    copies, agents : int
    observation, action : int
        Sizes of an observation and of an action.
    world : int
        Size of the market's global state where that is remembered, too; else 0.
    """

    capacity: int = eqx.field(static=True)
    copies: int = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    observation: int = eqx.field(static=True)
    action: int = eqx.field(static=True)
    world: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if self.capacity % self.copies:
            raise ValueError(f"capacity: {self.capacity} is no multiple of {self.copies} copies; choose one that is")

    def empty(self) -> Rows:
        """Nothing remembered yet."""
        row = 2 * self.observation + self.action + 3
        return (
            jnp.zeros((self.capacity, self.agents, row), jnp.float32),
            jnp.zeros((self.capacity, 2 * self.world), jnp.float32),
        )

    def size(self, count: Clock) -> Int[Array, ""]:
        """How many joint transitions are remembered after ``count`` steps."""
        return jnp.minimum(count, self.capacity // self.copies) * self.copies

    def add(self, rows: Rows, transition: Transition, count: Clock) -> Rows:
        """The memory with a step more, ``count`` having been added before: the oldest one makes room.

        Parameters
        ----------
        rows : the memory
        transition : Transition
            Arrays (agents, copies, ...); the global state (copies, features).
        count : int scalar
        """
        t, place = transition, count % (self.capacity // self.copies) * self.copies
        scalars = jnp.stack([t.reward, t.terminated.astype(jnp.float32), t.truncated.astype(jnp.float32)], axis=-1)
        own = jnp.concatenate([t.observation, t.action, t.next_observation, scalars], axis=-1)
        lives = jax.lax.dynamic_update_slice(rows[0], jnp.swapaxes(own, 0, 1), (place, 0, 0))
        if not self.world:
            return lives, rows[1]
        assert t.world is not None
        assert t.next_world is not None
        both = jnp.concatenate([t.world, t.next_world], axis=-1).astype(jnp.float32)
        return lives, jax.lax.dynamic_update_slice(rows[1], both, (place, 0))

    def sample(self, rows: Rows, key: PRNGKeyArray, count: Clock, batch: int) -> Transition:
        """Joint transitions drawn uniformly, with replacement, from those of ``count`` steps.

        Returns
        -------
        Transition
            Arrays (agents, batch, ...), the same moments for all agents; the global state (batch, features), or None.
        """
        return self._at(rows, self._drawn(key, count, batch))

    def sequences(self, rows: Rows, key: PRNGKeyArray, count: Clock, batch: int, length: int) -> Transition:
        """Joint transitions in pieces of so many consecutive steps, which divide the memory.

        Returns
        -------
        Transition
            Arrays (agents, batch, length, ...); the global state (batch, length, features), or None.
        """
        steps = self.capacity // self.copies
        # The piece that is being overwritten has a seam in it: it is left out until it is whole again.
        seam = (count > steps) & (count % length > 0)
        pieces = (jnp.minimum(count, steps) // length - seam) * self.copies
        drawn = jnp.minimum(jnp.floor(jax.random.uniform(key, (batch,)) * pieces).astype(int), pieces - 1)
        piece = (drawn // self.copies + seam * (count % steps // length + 1)) % (steps // length)
        first = piece * length * self.copies + drawn % self.copies
        found = self._at(rows, (first[:, None] + self.copies * jnp.arange(length)).ravel())
        lived = (x.reshape(self.agents, batch, length, *x.shape[2:]) for x in found[:6])
        worlds = (None if x is None else x.reshape(batch, length, -1) for x in found[6:])
        return Transition(*lived, *worlds)

    def sample_apart(self, rows: Rows, keys: Key[Array, " agents"], count: Clock, batch: int) -> Transition:
        """Each agent's own transitions, (agents, batch, ...): moments are drawn for each of them by its own key."""
        drawn = jax.vmap(lambda key: self._drawn(key, count, batch))(keys)
        return self._split(rows[0][drawn, jnp.arange(self.agents)[:, None]])

    def _drawn(self, key: PRNGKeyArray, count: Clock, batch: int) -> Int[Array, " batch"]:
        size = self.size(count)
        return jnp.minimum(jnp.floor(jax.random.uniform(key, (batch,)) * size).astype(int), size - 1)

    def _at(self, rows: Rows, places: Int[Array, " batch"]) -> Transition:
        lived = self._split(jnp.swapaxes(rows[0][places], 0, 1))
        world, next_world = jnp.split(rows[1][places], 2, axis=1) if self.world else (None, None)
        return lived._replace(world=world, next_world=next_world)

    def _split(self, lived: Float[Array, "agents batch row"]) -> Transition:
        ends = list(itertools.accumulate([self.observation, self.action, self.observation]))
        before, action, after, scalars = jnp.split(lived, ends, axis=2)
        return Transition(before, action, scalars[..., 0], after, scalars[..., 1] > 0, scalars[..., 2] > 0)

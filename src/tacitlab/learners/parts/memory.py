"""Replay: memories of transitions, of one agent or of a whole group, that are learned from again and again.

Where a transition goes depends on how many came before it, and on nothing else.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from tacitlab.learners.parts.group import Step, Transition


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

    def size(self, count: Step) -> Int[Array, ""]:
        """How many are remembered after ``count`` were added."""
        if not self.halving:
            return jnp.minimum(count, self.capacity)
        half = self.capacity // 2
        return jnp.where(count <= self.capacity, count, half + 1 + (count - self.capacity - 1) % half)

    def add(self, rows: Float[Array, "capacity row"], transition: Transition, count: Step) -> Array:
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

    def sample(self, rows: Float[Array, "capacity row"], key: PRNGKeyArray, count: Step, batch: int) -> Transition:
        """Transitions drawn uniformly, with replacement, from the ``count`` that were added."""
        size = self.size(count)
        drawn = jnp.floor(jax.random.uniform(key, (batch,)) * size).astype(int)
        chosen = rows[jnp.minimum(drawn, size - 1)]
        ends = list(itertools.accumulate([self.observation, self.action, 1, self.observation]))
        before, action, reward, after, ended = jnp.split(chosen, ends, axis=1)
        terminated = ended[:, 0] > 0
        return Transition(before, action, reward[:, 0], after, terminated, jnp.zeros_like(terminated))


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

    def size(self, count: Step) -> Int[Array, ""]:
        """How many joint transitions are remembered after ``count`` steps."""
        return jnp.minimum(count, self.capacity // self.copies) * self.copies

    def add(self, rows: Rows, transition: Transition, count: Step) -> Rows:
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
        own = jax.lax.dynamic_update_slice(rows[0], jnp.swapaxes(own, 0, 1), (place, 0, 0))
        if not self.world:
            return own, rows[1]
        assert t.world is not None
        assert t.next_world is not None
        both = jnp.concatenate([t.world, t.next_world], axis=-1).astype(jnp.float32)
        return own, jax.lax.dynamic_update_slice(rows[1], both, (place, 0))

    def sample(self, rows: Rows, key: PRNGKeyArray, count: Step, batch: int) -> Transition:
        """Joint transitions drawn uniformly, with replacement, from those of ``count`` steps.

        Returns
        -------
        Transition
            Arrays (agents, batch, ...), the same moments for all agents; the global state (batch, features), or None.
        """
        return self._at(rows, self._drawn(key, count, batch))

    def sequences(self, rows: Rows, key: PRNGKeyArray, count: Step, batch: int, length: int) -> Transition:
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
        own = (x.reshape(self.agents, batch, length, *x.shape[2:]) for x in found[:6])
        worlds = (None if x is None else x.reshape(batch, length, -1) for x in found[6:])
        return Transition(*own, *worlds)

    def sample_apart(self, rows: Rows, keys: Key[Array, " agents"], count: Step, batch: int) -> Transition:
        """Each agent's own transitions, (agents, batch, ...): moments are drawn for each of them by its own key."""
        drawn = jax.vmap(lambda key: self._drawn(key, count, batch))(keys)
        return self._split(rows[0][drawn, jnp.arange(self.agents)[:, None]])

    def _drawn(self, key: PRNGKeyArray, count: Step, batch: int) -> Int[Array, " batch"]:
        size = self.size(count)
        return jnp.minimum(jnp.floor(jax.random.uniform(key, (batch,)) * size).astype(int), size - 1)

    def _at(self, rows: Rows, places: Int[Array, " batch"]) -> Transition:
        own = self._split(jnp.swapaxes(rows[0][places], 0, 1))
        world, next_world = jnp.split(rows[1][places], 2, axis=1) if self.world else (None, None)
        return own._replace(world=world, next_world=next_world)

    def _split(self, own: Float[Array, "agents batch row"]) -> Transition:
        ends = list(itertools.accumulate([self.observation, self.action, self.observation]))
        before, action, after, scalars = jnp.split(own, ends, axis=2)
        return Transition(before, action, scalars[..., 0], after, scalars[..., 1] > 0, scalars[..., 2] > 0)

"""What a deep learner is: pure functions on the arrays of a group of agents."""

from abc import abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

LearnerState = Any  # a pytree of arrays
Policy = Any  # the part of it that acts
Carry = Any  # hidden states of recurrent policies: arrays (agents, batch, width); nothing where they have none
Clock = Int[Array, ""]  # steps since the session began; never batched, so that branches on it stay branches


class Transition(NamedTuple):
    """What one agent, or a group of them, lived through in one step.

    A group's arrays have a leading axis of agents, then one of the copies of the market that it learns from.

    Attributes
    ----------
    world, next_world : (copies, features) arrays or None
        Everything there is to know, for critics that may see it in training; the engine always gives it to groups.
    """

    observation: Float[Array, "*agents observation"]
    action: Float[Array, "*agents size"]
    reward: Float[Array, "*agents"]
    next_observation: Float[Array, "*agents observation"]
    terminated: Bool[Array, "*agents"]
    truncated: Bool[Array, "*agents"]
    world: Float[Array, "*copies features"] | None = None
    next_world: Float[Array, "*copies features"] | None = None

    def own(self) -> "Transition":
        """What each agent lived through itself, in the only copy of the market."""
        return Transition(*(x[:, 0] for x in self[:6]))


class Health(NamedTuple):
    """How an agent's learning goes: its loss, and the size of the values it believes in; -1 if it did not learn.

    What is not finite, or a value beyond the learner's :meth:`limit`, means that learning has failed.
    """

    loss: Float[Array, "*agents"]
    value: Float[Array, "*agents"]


class Algorithm(eqx.Module):
    """One agent that learns from its own experience. ``Independent`` makes a group of it."""

    update_every: eqx.AbstractVar[int]  # static, in steps

    @abstractmethod
    def init(self, key: PRNGKeyArray) -> LearnerState:
        """Before the first step."""

    @abstractmethod
    def policy(self, state: LearnerState) -> Policy:
        """What is needed to act, and what is stored when the session ends."""

    @abstractmethod
    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        """How often an action is random while learning."""

    def limit(self) -> Float[Array, ""]:
        """Size of values beyond which learning has failed."""
        return jnp.asarray(jnp.inf)

    @abstractmethod
    def act(
        self,
        policy: Policy,
        observations: Float[Array, "batch observation"],
        key: PRNGKeyArray,
        epsilon: Float[Array, ""],
    ) -> Float[Array, "batch size"]:
        """Actions for a batch of observations, each random with probability epsilon."""

    @abstractmethod
    def observe(self, state: LearnerState, transition: Transition, clock: Clock) -> LearnerState:
        """Remember; cheap, in every step."""

    @abstractmethod
    def update(self, state: LearnerState, key: PRNGKeyArray, clock: Clock) -> tuple[LearnerState, Health]:
        """Learn; every ``update_every`` steps."""


class Group(eqx.Module):
    """Agents that learn as one paradigm says; arrays, random keys among them, have a leading agent axis."""

    agents: eqx.AbstractVar[int]
    update_every: eqx.AbstractVar[int]

    @abstractmethod
    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        """Before the first step of the session of this number."""

    @abstractmethod
    def policy(self, state: LearnerState) -> Policy: ...

    @abstractmethod
    def epsilon(self, clock: Clock) -> Float[Array, ""]: ...

    def limit(self) -> Float[Array, ""]:
        """Size of values beyond which learning has failed."""
        return jnp.asarray(jnp.inf)

    def part(self, first: int, last: int) -> "Group":
        """Some of the agents, as a group that can act."""
        return replace(self, agents=last - first)

    def policy_part(self, policies: Policy, first: int, last: int) -> Policy:
        """What these agents act by; arrays have a leading axis of sessions, then of agents."""
        return jax.tree.map(lambda x: x[:, first:last], policies)

    @abstractmethod
    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]: ...

    def carry(self, batch: int) -> Carry:
        """Hidden states at the beginning of an episode."""
        return ()

    def respond(
        self,
        policy: Policy,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        """Actions, and the hidden states after them."""
        return self.act(policy, observations, keys, epsilon), carry

    @abstractmethod
    def observe(self, state: LearnerState, transition: Transition, clock: Clock) -> LearnerState: ...

    @abstractmethod
    def update(self, state: LearnerState, keys: Key[Array, " agents"], clock: Clock) -> tuple[LearnerState, Health]: ...


class Independent(Group):
    """The first paradigm: every agent learns for itself, and the others are part of its world.

    M. Tan, "Multi-agent reinforcement learning: independent vs. cooperative agents", ICML 1993.
    """

    algorithm: Algorithm
    agents: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True)

    @classmethod
    def of(cls, algorithm: Algorithm, agents: int) -> "Independent":
        """So many agents with the same algorithm, and each with its own experience."""
        return cls(algorithm=algorithm, agents=agents, update_every=algorithm.update_every)

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        return jax.vmap(self.algorithm.init)(keys)

    def policy(self, state: LearnerState) -> Policy:
        return jax.vmap(self.algorithm.policy)(state)

    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        return self.algorithm.epsilon(clock)

    def limit(self) -> Float[Array, ""]:
        return self.algorithm.limit()

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        return jax.vmap(self.algorithm.act, in_axes=(0, 0, 0, None))(policy, observations, keys, epsilon)

    def observe(self, state: LearnerState, transition: Transition, clock: Clock) -> LearnerState:
        return jax.vmap(self.algorithm.observe, in_axes=(0, 0, None))(state, transition.own(), clock)

    def update(self, state: LearnerState, keys: Key[Array, " agents"], clock: Clock) -> tuple[LearnerState, Health]:
        return jax.vmap(self.algorithm.update, in_axes=(0, 0, None))(state, keys, clock)


def nothing_learned(agents: int | None = None) -> Health:
    """Health of an agent, or a group, that has not learned in this step."""
    none = jnp.full(() if agents is None else (agents,), -1.0, jnp.float32)
    return Health(none, none)

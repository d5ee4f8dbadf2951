"""Policies that do not learn: schedules, random play, rules of a market, what an earlier run learned."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray
from numpy.typing import NDArray

from tacitlab.learners.parts.group import Carry, Group, LearnerState, Metrics, Policy, Step, Transition, nothing_learned
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics


class Scripted(Group):
    """What all groups share that learn nothing."""

    update_every: int = eqx.field(static=True, default=0, init=False)

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        return ()

    def policy(self, state: LearnerState) -> Policy:
        return ()

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return jnp.zeros(())

    def observe(self, state: LearnerState, transition: Transition, step: Step) -> LearnerState:
        return state

    def update(self, state: LearnerState, keys: Key[Array, " agents"], step: Step) -> tuple[LearnerState, Metrics]:
        return state, nothing_learned(self.agents)


class FollowSchedule(Scripted):
    """Actions that depend on the time alone, the first component of the observation."""

    actions: Float[Array, "agents steps size"]
    agents: int = eqx.field(static=True)

    def part(self, first: int, last: int) -> "FollowSchedule":
        return FollowSchedule(actions=self.actions[first:last], agents=last - first)

    @classmethod
    def of(cls, actions: NDArray[np.float64]) -> "FollowSchedule":
        return cls(actions=jnp.asarray(actions, jnp.float32), agents=len(actions))

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Any,
    ) -> Float[Array, "agents batch size"]:
        times = observations[:, :, 0].astype(int)
        return jax.vmap(lambda schedule, at: schedule[at])(self.actions, times)


class ActRandomly(Scripted):
    """Any feasible candidate, each as likely."""

    dynamics: Dynamics
    role: Role = eqx.field(static=True)
    agents: int = eqx.field(static=True)

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Any,
    ) -> Float[Array, "agents batch size"]:
        def act(seen: Array, key: PRNGKeyArray) -> Array:
            return jax.vmap(lambda o, u: self.dynamics.any_candidate(self.role, o, u))(
                seen, jax.random.uniform(key, seen.shape[:1])
            )

        return jax.vmap(act)(observations, keys)


class ActByRule(Scripted):
    """A scripted policy of the market, or holding."""

    dynamics: Dynamics
    number: Int[Array, ""]  # of the rule; data, so that one compiled function plays them all
    rate: Float[Array, ""]
    rules: tuple[str, ...] = eqx.field(static=True)
    role: Role = eqx.field(static=True)
    agents: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, dynamics: Dynamics, role: Role, agents: int, rules: Sequence[str], number: int, rate: float
    ) -> "ActByRule":
        where, often = jnp.asarray(number, jnp.int32), jnp.asarray(rate, float)
        return cls(dynamics=dynamics, number=where, rate=often, rules=tuple(rules), role=role, agents=agents)

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Any,
    ) -> Float[Array, "agents batch size"]:
        size = 1 if isinstance(self.role.actions, Discrete) else self.role.actions.size

        follow = [partial(self.dynamics.follow, rule, self.role) for rule in self.rules]

        def one(seen: Array, draws: Array) -> Array:
            wanted = jax.lax.switch(self.number, follow, seen, draws[1:])
            if "hold" not in self.rules:
                return wanted
            return jnp.where(draws[0] < self.rate, wanted, self.dynamics.follow("hold", self.role, seen, draws[1:]))

        def act(seen: Array, key: PRNGKeyArray) -> Array:
            return jax.vmap(one)(seen, jax.random.uniform(key, (len(seen), 2 + size)))

        return jax.vmap(act)(observations, keys)


class Frozen(Scripted):
    """A group that acts as the sessions of an earlier run ended; session ``s`` as session ``s + shift`` did."""

    inner: Group
    policies: Policy  # with a leading axis of sessions
    shift: Int[Array, ""]
    agents: int = eqx.field(static=True)

    @classmethod
    def of(cls, inner: Group, policies: Policy, shift: int) -> "Frozen":
        arrays = jax.tree.map(jnp.asarray, policies)
        return cls(inner=inner, policies=arrays, shift=jnp.asarray(shift, jnp.int32), agents=inner.agents)

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        return jax.tree.map(lambda x: x[(session + self.shift) % len(x)], self.policies)

    def policy(self, state: LearnerState) -> Policy:
        return state

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Any,
    ) -> Float[Array, "agents batch size"]:
        return self.inner.act(policy, observations, keys, jnp.zeros(()))

    def carry(self, batch: int) -> Carry:
        return self.inner.carry(batch)

    def respond(
        self,
        policy: Policy,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Any,
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        return self.inner.respond(policy, carry, observations, keys, jnp.zeros(()))

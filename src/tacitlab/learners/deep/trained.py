"""Policies that were learned in an earlier run and do not change any more."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from tacitlab.learners.deep.base import Carry, Group, LearnerState, Policy
from tacitlab.learners.deep.scripted import Scripted


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

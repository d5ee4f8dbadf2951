"""Proximal policy optimisation: several epochs of clipped policy-gradient steps on every rollout.

J. Schulman et al., arXiv 1707.06347; details as in S. Huang et al., ICLR blog track 2022.
"""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.learners.base import MarketSeat, refuse
from tacitlab.learners.deep.base import Clock
from tacitlab.learners.deep.on_policy import OnPolicy
from tacitlab.learners.deep.on_policy_build import common
from tacitlab.learners.deep.policy import Networks
from tacitlab.learners.deep.samples import Batch, Sees

if TYPE_CHECKING:
    from tacitlab.learners.ppo import PPO


class Ppo(OnPolicy):
    """Agents that learn by proximal policy optimisation."""

    clip: Float[Array, ""]  # of the ratio of probabilities, and of the change of values
    epochs: int = eqx.field(static=True)
    minibatches: int = eqx.field(static=True)
    clipped_values: bool = eqx.field(static=True)

    def learn(
        self, clock: Clock, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        def step(state: tuple[Networks, Any], chosen: Int[Array, " samples"]) -> tuple[tuple[Networks, Any], None]:
            return self.step(clock, *state, jax.tree.map(lambda x: x[chosen], batch)), None

        return jax.lax.scan(step, (networks, optimiser), self.orders(key, len(batch.value)))[0]

    def orders(self, key: PRNGKeyArray, samples: int) -> Int[Array, "steps size"]:
        """Which samples each gradient step sees: all in every epoch, in random order."""
        keys = jax.random.split(key, self.epochs)
        orders = jax.vmap(lambda k: jax.random.permutation(k, samples))(keys)
        return orders.reshape(self.epochs * self.minibatches, -1)

    def objective(
        self, log_probability: Float[Array, " samples"], batch: Batch, advantage: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """``mean min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)`` (Schulman et al. 2017, equation 7)."""
        ratio = jnp.exp(log_probability - batch.log_probability)
        near = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        return jnp.mean(jnp.minimum(ratio * advantage, near * advantage))

    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        """Mean squared error; clipped: the larger one of the new value and of one near the old."""
        target = batch.value + batch.advantage
        error = (value - target) ** 2
        if self.clipped_values:
            near = batch.value + jnp.clip(value - batch.value, -self.clip, self.clip)
            error = jnp.maximum(error, (near - target) ** 2)
        return jnp.mean(error)


def build(learner: "PPO", seat: MarketSeat, sees: Sees = "own") -> Ppo:
    """A group of agents as a scenario describes them.

    Raises
    ------
    TacitError
        If the samples of a rollout cannot be cut into as many gradient steps.
    """
    group = Ppo(
        **common(learner, seat, sees),
        adam=True,
        clip=jnp.asarray(learner.clip, jnp.float32),
        epochs=learner.epochs,
        minibatches=learner.minibatches,
        clipped_values=learner.clip_values,
    )
    pieces = group.streams * group.rollout.steps // group.sequence
    if pieces % learner.minibatches:
        what = "sequences" if group.shape.recurrent else "samples"
        raise refuse("minibatches", f"{learner.minibatches} do not divide {pieces} {what}", "choose numbers that fit")
    return group

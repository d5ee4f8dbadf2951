"""Actor-critic with noise in the parameters: one policy-gradient step on every rollout, and a random push.

R. Sutton et al., NIPS 1999 (the gradient); J. Schulman et al., ICLR 2016 (its advantages).
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.deep.base import Clock
from tacitlab.learners.deep.on_policy import OnPolicy
from tacitlab.learners.deep.on_policy_build import common
from tacitlab.learners.deep.policy import Networks
from tacitlab.learners.deep.samples import Batch

if TYPE_CHECKING:
    from tacitlab.learners.actor_critic import ActorCritic


class NoisyActorCritic(OnPolicy):
    """Agents whose actors are pushed about while they climb."""

    noise: Float[Array, ""]  # standard deviation of the first push
    power: Float[Array, ""]  # with which it falls

    def learn(
        self, clock: Clock, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        networks, optimiser = self.step(clock, networks, optimiser, batch)
        theta, unravel = ravel_pytree((networks.actor, networks.log_sd))
        pushed = theta + self.deviation(clock) * jax.random.normal(key, theta.shape)
        actor, log_sd = unravel(pushed)
        return Networks(actor, networks.critic, log_sd), optimiser

    def deviation(self, clock: Clock) -> Float[Array, ""]:
        """Standard deviation of the push after this step: ``noise * t**-power`` in the t-th update."""
        return self.noise * ((clock + 1) / self.rollout.steps) ** -self.power

    def objective(
        self, log_probability: Float[Array, " samples"], batch: Batch, advantage: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """``mean log pi(a | s) A``, whose slope is the policy gradient."""
        return jnp.mean(log_probability * advantage)

    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        return jnp.mean((value - batch.value - batch.advantage) ** 2)


def build(learner: "ActorCritic", seat: MarketSeat) -> NoisyActorCritic:
    """A group of agents as a scenario describes them."""
    return NoisyActorCritic(
        **common(learner, seat),
        adam=learner.optimiser == "adam",
        noise=jnp.asarray(learner.noise, jnp.float32),
        power=jnp.asarray(learner.noise_power, jnp.float32),
    )

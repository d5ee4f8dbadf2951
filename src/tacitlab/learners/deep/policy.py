"""Stochastic policies: Gaussian or categorical actions."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.learners.deep.trunk import Trunk
from tacitlab.markets.motion import normal

ACTOR_GAIN, CRITIC_GAIN = 0.01, 1.0  # of the last layers
NEVER = -1e9  # logit of an action that is not feasible


class Networks(NamedTuple):
    """What one agent, or a whole group, acts and values by.

    Attributes
    ----------
    actor, critic : Trunk
    log_sd : (size,) array
        Logarithm of a Gaussian policy's standard deviation, which is the same everywhere; empty if categorical.
    """

    actor: Trunk
    critic: Trunk
    log_sd: Float[Array, " size"]


class Gaussian(eqx.Module):
    """Independent normal components around the actor's outputs."""

    size: int = eqx.field(static=True)

    @property
    def outputs(self) -> int:
        return self.size

    @property
    def spreads(self) -> int:
        """How many standard deviations there are to learn."""
        return self.size

    def choose(self, outputs: Array, log_sd: Array, feasible: Array, draws: Array, noisy: Array) -> Array:
        """Actions from uniform draws; the mean where they shall not be noisy."""
        return outputs + jnp.where(noisy[:, None], jnp.exp(log_sd) * normal(draws), 0.0)

    def log_probability(
        self,
        outputs: Float[Array, "samples outputs"],
        log_sd: Float[Array, " size"],
        feasible: Float[Array, " samples"],
        choices: Float[Array, "samples size"],
    ) -> Float[Array, " samples"]:
        scaled = (choices - outputs) * jnp.exp(-log_sd)
        return jnp.sum(-0.5 * scaled**2 - log_sd - 0.5 * math.log(2 * math.pi), axis=1)

    def entropy(
        self, outputs: Float[Array, "samples outputs"], log_sd: Float[Array, " size"], feasible: Array
    ) -> Float[Array, ""]:
        """Mean over the samples, in nats."""
        return jnp.sum(log_sd + 0.5 * math.log(2 * math.pi * math.e))


class Categorical(eqx.Module):
    """One of so many actions, of which the first few are feasible; the actor's outputs are logits."""

    actions: int = eqx.field(static=True)

    @property
    def outputs(self) -> int:
        return self.actions

    @property
    def spreads(self) -> int:
        return 0

    def choose(self, outputs: Array, log_sd: Array, feasible: Array, draws: Array, noisy: Array) -> Array:
        """Numbers of actions, (samples, 1), from one uniform draw each; the likeliest where they shall not be noisy."""
        logs = self.logs(outputs, feasible)
        below = jnp.cumsum(jnp.exp(logs), axis=1)
        # A draw below 1 times the sum, which rounding may have moved off 1, stays below the sum: never infeasible.
        drawn = jnp.sum(draws[:, :1] * below[:, -1:] >= below[:, :-1], axis=1)
        return jnp.where(noisy, drawn, jnp.argmax(logs, axis=1))[:, None].astype(jnp.float32)

    def log_probability(
        self,
        outputs: Float[Array, "samples outputs"],
        log_sd: Float[Array, " size"],
        feasible: Float[Array, " samples"],
        choices: Float[Array, "samples 1"],
    ) -> Float[Array, " samples"]:
        chosen = jnp.arange(self.actions) == choices.astype(int)
        return jnp.sum(jnp.where(chosen, self.logs(outputs, feasible), 0.0), axis=1)

    def entropy(
        self, outputs: Float[Array, "samples outputs"], log_sd: Array, feasible: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """Mean over the samples, in nats."""
        logs = self.logs(outputs, feasible)
        return -jnp.mean(jnp.sum(jnp.exp(logs) * logs, axis=1))

    def logs(self, outputs: Array, feasible: Array) -> Array:
        """Logarithms of the probabilities of all actions."""
        possible = jnp.arange(self.actions) < feasible[:, None]
        return jax.nn.log_softmax(jnp.where(possible, outputs, NEVER), axis=1)


Distribution = Gaussian | Categorical

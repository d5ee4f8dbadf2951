"""Stochastic policies and the values beside them: tanh networks, Gaussian or categorical actions."""

import itertools
import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tacit.learners.deep.network import Layer
from tacit.markets.dynamics.base import normal

GAIN = math.sqrt(2)  # of hidden layers
ACTOR_GAIN, CRITIC_GAIN = 0.01, 1.0  # of the last layers
NEVER = -1e9  # logit of an action that is not feasible


class Networks(NamedTuple):
    """What one agent, or a whole group, acts and values by.

    Attributes
    ----------
    actor, critic : tuples of Layer
    log_sd : (size,) array
        Logarithm of a Gaussian policy's standard deviation, which is the same everywhere; empty if categorical.
    """

    actor: tuple[Layer, ...]
    critic: tuple[Layer, ...]
    log_sd: Float[Array, " size"]


def create(
    key: PRNGKeyArray, inputs: int, hidden: tuple[int, ...], outputs: int, log_sd: Float[Array, " size"]
) -> Networks:
    """Random networks: orthogonal weights, no biases; the first policy hardly depends on what it sees.

    Gains: sqrt 2 in hidden layers, 1 at the end of the critic and 0.01 at the end of the actor.

    References
    ----------
    S. Huang et al., "The 37 implementation details of proximal policy optimization", ICLR blog track 2022, detail 2;
    M. Andrychowicz et al., arXiv 2006.05990, section 3.2 (the small last layer).
    """
    ends = (outputs, ACTOR_GAIN), (1, CRITIC_GAIN)
    shapes = [list(itertools.pairwise((inputs, *hidden, last))) for last, _ in ends]
    sizes = [a * b for shape in shapes for a, b in shape]
    # One draw for all layers: each call of the generator costs a third of a second to compile.
    parts = iter(jnp.split(jax.random.normal(key, (sum(sizes),)), list(itertools.accumulate(sizes))[:-1]))
    actor, critic = (
        tuple(
            Layer((gain if k == len(hidden) else GAIN) * orthogonal(next(parts).reshape(b, a)), jnp.zeros(b))
            for k, (a, b) in enumerate(shape)
        )
        for shape, (_, gain) in zip(shapes, ends, strict=True)
    )
    return Networks(actor, critic, log_sd)


def orthogonal(drawn: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """A uniformly random matrix with orthonormal columns, or rows if they are fewer, from standard normal numbers.

    Gram-Schmidt, each vector twice, is enough (L. Giraud et al., Numer. Math. 101 (2005) 87-100); the result is uniform
    (F. Mezzadri, Notices of the AMS 54 (2007) 592-604). LAPACK's decomposition waits for ever inside a program that is
    spread over several processor devices (jaxlib 0.10).
    """
    tall = drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T

    def add(k: Array, found: Array) -> Array:
        vector = tall[:, k]
        for _ in range(2):
            vector = vector - found @ (found.T @ vector)
        return found.at[:, k].set(vector / jnp.linalg.norm(vector))

    found: Array = jax.lax.fori_loop(0, tall.shape[1], add, jnp.zeros_like(tall))
    return found if tall is drawn else found.T


def forward(layers: tuple[Layer, ...], inputs: Float[Array, "samples inputs"]) -> Float[Array, "samples outputs"]:
    """Linear layers with hyperbolic tangents between them."""
    x = inputs
    for layer in layers[:-1]:
        x = jnp.tanh(x @ layer.weight.T + layer.bias)
    return x @ layers[-1].weight.T + layers[-1].bias


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
        logs = self._logs(outputs, feasible)
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
        return jnp.sum(jnp.where(chosen, self._logs(outputs, feasible), 0.0), axis=1)

    def entropy(
        self, outputs: Float[Array, "samples outputs"], log_sd: Array, feasible: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """Mean over the samples, in nats."""
        logs = self._logs(outputs, feasible)
        return -jnp.mean(jnp.sum(jnp.exp(logs) * logs, axis=1))

    def _logs(self, outputs: Array, feasible: Array) -> Array:
        """Logarithms of the probabilities."""
        possible = jnp.arange(self.actions) < feasible[:, None]
        return jax.nn.log_softmax(jnp.where(possible, outputs, NEVER), axis=1)


Distribution = Gaussian | Categorical

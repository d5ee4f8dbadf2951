"""Actions that a critic's gradient can reach: real numbers, or choices relaxed to shares that add up to one.

Both kinds of actors put out numbers without bounds; ``code`` is an action as a critic sees it.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.learners.parts.networks import NEVER
from tacitlab.markets.motion import LEAST_DRAW, normal

UNIFORM = 2.0  # the epsilon, beyond every schedule's, at which actions are uniformly random


class Real(eqx.Module):
    """Real actions; critics see them in units of ``limit``.

    Attributes
    ----------
    limit : array
        Largest action; without a bound, the unit of actions.
    smoothing, smoothing_clip : array
        Standard deviation and largest size of the noise in the actions of targets, in units of the limit.
    size : int
    bounded : bool
        ``limit * tanh(output)``, or ``limit * output``.
    smooth : bool
        Whether there is noise in the actions of targets.
    """

    limit: Float[Array, ""]
    smoothing: Float[Array, ""]
    smoothing_clip: Float[Array, ""]
    size: int = eqx.field(static=True)
    bounded: bool = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)

    def explore(self, outputs: Array, feasible: Array, draws: Array, epsilon: Float[Array, ""]) -> Array:
        """Actions with noise of standard deviation epsilon, in units of the limit, from uniform draws."""
        noisy = self._within(self.of(outputs, feasible, draws) + epsilon * normal(draws))
        return self.limit * jnp.where(epsilon >= UNIFORM, 2 * draws - 1, noisy)

    def code(self, choices: Float[Array, "*batch size"]) -> Float[Array, "*batch size"]:
        return choices / self.limit

    def of(self, outputs: Array, feasible: Array, draws: Array) -> Array:
        """What the actor does, for its own gradient."""
        return jnp.tanh(outputs) if self.bounded else outputs

    def target(self, outputs: Array, feasible: Array, draws: Array) -> Array:
        """What will be done next, as targets suppose (Fujimoto et al. 2018, equation 14)."""
        action = self.of(outputs, feasible, draws)
        if not self.smooth:
            return action
        return self._within(
            action + jnp.clip(self.smoothing * normal(draws), -self.smoothing_clip, self.smoothing_clip)
        )

    def _within(self, action: Array) -> Array:
        return jnp.clip(action, -1.0, 1.0) if self.bounded else action


class Relaxed(eqx.Module):
    """One of so many choices, of which the first few are feasible; critics see a one where the choice is.

    A choice is the largest of logits with Gumbel noise, which has the probabilities of a softmax. Its gradient is taken
    to be that of ``softmax((logits + noise) / temperature)``.

    References
    ----------
    E. Jang, S. Gu and B. Poole, ICLR 2017 (straight-through); C. Maddison, A. Mnih and Y. Teh, ICLR 2017.
    """

    temperature: Float[Array, ""]
    size: int = eqx.field(static=True)

    def explore(self, outputs: Array, feasible: Array, draws: Array, epsilon: Float[Array, ""]) -> Array:
        """Numbers of choices, (..., 1): drawn from the policy with probability epsilon, else the likeliest.

        The last of the draws decides which.
        """
        outputs = jnp.where(epsilon >= UNIFORM, 0.0, outputs)
        noise = jnp.where(draws[..., -1:] < epsilon, gumbel(draws[..., :-1]), 0.0)
        return jnp.argmax(self._possible(outputs, feasible) + noise, axis=-1, keepdims=True).astype(jnp.float32)

    def code(self, choices: Float[Array, "*batch 1"]) -> Float[Array, "*batch size"]:
        return jax.nn.one_hot(choices[..., 0].astype(int), self.size)

    def of(self, outputs: Array, feasible: Array, draws: Array) -> Array:
        """A choice, with a gradient."""
        noisy = self._possible(outputs, feasible) + gumbel(draws)
        soft = jax.nn.softmax(noisy / self.temperature, axis=-1)
        hard = jax.nn.one_hot(jnp.argmax(noisy, axis=-1), self.size)
        return soft + jax.lax.stop_gradient(hard - soft)

    def target(self, outputs: Array, feasible: Array, draws: Array) -> Array:
        """What will be done next: a choice drawn from the policy."""
        return self.of(outputs, feasible, draws)

    def _possible(self, outputs: Array, feasible: Array) -> Array:
        return jnp.where(jnp.arange(self.size) < feasible[..., None], outputs, NEVER)


def gumbel(draws: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Standard Gumbel numbers from uniform ones."""
    return -jnp.log(-jnp.log(jnp.maximum(draws, LEAST_DRAW)))

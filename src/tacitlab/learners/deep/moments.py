"""Running mean and variance."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

LEAST = 1e-8  # variance, where everything was the same
MOST = 10.0  # standard deviations that a normalised number may be away from the mean


class Moments(NamedTuple):
    """Mean and variance of all that was seen; before anything was, 0 and 1."""

    number: Float[Array, ""]
    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]

    @classmethod
    def empty(cls, *shape: int) -> "Moments":
        """Nothing seen yet."""
        return cls(jnp.zeros(()), jnp.zeros(shape), jnp.ones(shape))

    def with_batch(self, batch: Float[Array, "samples ..."]) -> "Moments":
        """With a batch more.

        References
        ----------
        T. Chan, G. Golub and R. LeVeque, The American Statistician 37 (1983) 242-247, equations 2.1.

        Examples
        --------
        >>> count, mean, variance = Moments.empty().with_batch(jnp.array([1.0, 3.0])).with_batch(jnp.array([8.0]))
        >>> float(mean), round(float(variance), 4)
        (4.0, 8.6667)
        """
        size = batch.shape[0]
        count = self.number + size
        shift = jnp.mean(batch, axis=0) - self.mean
        squares = self.variance * self.number + jnp.var(batch, axis=0) * size
        squares = squares + shift**2 * self.number * size / count
        return Moments(count, self.mean + shift * size / count, squares / count)

    def normalise(self, x: Float[Array, "... features"]) -> Float[Array, "... features"]:
        """In standard deviations from the mean, at most 10."""
        return jnp.clip((x - self.mean) / self.deviation, -MOST, MOST)

    @property
    def deviation(self) -> Array:
        """Standard deviation."""
        return jnp.sqrt(jnp.maximum(self.variance, LEAST))

"""Exploration schedules on arrays."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from tacitlab.learners.deep.base import Clock
from tacitlab.learners.exploration import Knots


class Epsilon(eqx.Module):
    """Epsilon by the clock: from each knot on, level * exp(rate * steps since) + slope * steps since."""

    times: Int[Array, " knots"]
    levels: Float[Array, " knots"]
    rates: Float[Array, " knots"]
    slopes: Float[Array, " knots"]

    @classmethod
    def of(cls, knots: Knots) -> "Epsilon":
        times = np.minimum(knots[:, 0], np.iinfo(np.int32).max).astype(np.int32)
        # exp(n log factor) keeps its digits in single precision, factor**n does not.
        columns = (knots[:, 1], np.log(np.maximum(knots[:, 2], np.finfo(float).tiny)), knots[:, 3])
        return cls(jnp.asarray(times), *(jnp.asarray(c, jnp.float32) for c in columns))

    def __call__(self, clock: Clock) -> Float[Array, ""]:
        k = jnp.searchsorted(self.times, clock, side="right") - 1
        since = (clock - self.times[k]).astype(jnp.float32)
        return self.levels[k] * jnp.exp(self.rates[k] * since) + self.slopes[k] * since

"""Random factors that act on the demand, the price or the supply of tokens."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class FactorLaw(eqx.Module):
    """Market factors and the ways in which they act."""

    persistence: Float[Array, ""]
    mean: Float[Array, ""]
    volatility: Float[Array, ""]
    demand: Float[Array, ""]
    premium: Float[Array, ""]
    mint: Float[Array, ""]
    backed: Float[Array, ""]  # 1 or 0
    shock_step: Int[Array, ""]
    shock: Float[Array, ""]

    def after(
        self, step: Int[Array, ""], factor: Float[Array, " assets"], shocks: Float[Array, " assets"]
    ) -> Float[Array, " assets"]:
        """The factors after a step, at whose end a spike may come."""
        moved = self.mean + self.persistence * (factor - self.mean) + self.volatility * shocks
        return moved + jnp.where(step == self.shock_step, self.shock, 0.0)

"""What agents of the token economy want: what tokens are good for, and what a step is rewarded with."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.markets.token.rules import Seen


class Utility(eqx.Module):
    """Holding H tokens for a step gives ``rate (v H - curvature H²/2 - P H)``; v is autoregressive around its mean."""

    rate: Float[Array, ""]  # 0: tokens are good for nothing
    curvature: Float[Array, ""]
    mean: Float[Array, "agents assets"]
    spread: Float[Array, "agents assets"]  # stationary standard deviation
    persistence: Float[Array, ""]

    def first(self, shocks: Float[Array, "agents assets"]) -> Float[Array, "agents assets"]:
        """Values at the beginning, from their stationary law."""
        return self.mean + self.spread * shocks

    def after(
        self, values: Float[Array, "agents assets"], shocks: Float[Array, "agents assets"]
    ) -> Float[Array, "agents assets"]:
        """Values a step later."""
        moved = self.mean + self.persistence * (values - self.mean)
        return moved + self.spread * jnp.sqrt(1 - self.persistence**2) * shocks

    def service(
        self, values: Float[Array, "agents assets"], holdings: Float[Array, "agents assets"]
    ) -> Float[Array, " agents"]:
        """What holding gives, before the interest on its price."""
        return self.rate * (values * holdings - self.curvature * holdings**2 / 2).sum(axis=1)

    def flow(
        self, values: Float[Array, "agents assets"], holdings: Float[Array, "agents assets"],
        price: Float[Array, " assets"],
    ) -> Float[Array, " agents"]:  # fmt: skip
        """What holding gives, after it."""
        return self.service(values, holdings) - self.rate * holdings @ price

    def gain(self, seen: Seen) -> Float[Array, " assets"]:
        """What one more token adds at its present price, relative to the rate."""
        return jnp.where(self.rate > 0, seen.value - self.curvature * seen.holdings - seen.price, 0.0)


class Rewards(eqx.Module):
    """Own gains, the others' and the stability of prices, weighed."""

    liquidation: bool = eqx.field(static=True)  # else wealth is marked to market
    relative: bool = eqx.field(static=True)  # changes of the price's logarithm, else of the price
    profit: Float[Array, ""]
    stability: Float[Array, ""]
    cooperation: Float[Array, ""]  # weight of each other agent

    def all(
        self, profit: Float[Array, " agents"], utility: Float[Array, " agents"], returns: Float[Array, " assets"],
        changes: Float[Array, " assets"],
    ) -> Float[Array, " agents"]:  # fmt: skip
        """The rewards of a step."""
        own = self.profit * profit + utility
        unstable = jnp.abs(returns if self.relative else changes).sum()
        return own + self.cooperation * (own.sum() - own) - self.stability * unstable

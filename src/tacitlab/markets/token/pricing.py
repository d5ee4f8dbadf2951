"""What moves the price of a token from one step to the next."""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.markets.token.curve_dynamics import Curves
from tacitlab.markets.token.ito import euler_maruyama

LEAST_FACTOR = 0.01  # a premium never takes more than 99 % off the curve's price


class Flows(NamedTuple):
    """What a step has traded."""

    before: Float[Array, " assets"]  # supply before the step
    supply: Float[Array, " assets"]  # supply after it
    bought: Float[Array, " assets"]
    net: Float[Array, " assets"]  # bought less sold
    excess: Float[Array, " assets"]  # net orders that were not filled


class Pricing(eqx.Module):
    """The price law. ``premium`` is the part of the price's factor that it remembers itself."""

    @property
    def normals(self) -> int:
        """Standard normal numbers that it needs in a step for each asset."""
        return 0

    def premium(self, premium: Float[Array, " assets"], flows: Flows) -> Float[Array, " assets"]:
        """The premium after a step."""
        return premium

    @abstractmethod
    def price(
        self, curves: Curves, price: Float[Array, " assets"], factor: Float[Array, " assets"],
        noise: Float[Array, " assets"], flows: Flows, shocks: Float[Array, "normals assets"],
    ) -> Float[Array, " assets"]:  # fmt: skip
        """The price after a step; ``factor`` and ``noise`` are those of the curve."""


class OnCurve(Pricing):
    """P = f(S)(1 + m) + eta, m' = (1 - delta) m + kappa net/S + lambda excess/S."""

    decay: Float[Array, ""]
    flow: Float[Array, ""]
    excess: Float[Array, ""]

    def premium(self, premium: Float[Array, " assets"], flows: Flows) -> Float[Array, " assets"]:
        push = (self.flow * flows.net + self.excess * flows.excess) / jnp.where(flows.before > 0, flows.before, 1.0)
        return (1 - self.decay) * premium + push

    def price(
        self, curves: Curves, price: Float[Array, " assets"], factor: Float[Array, " assets"],
        noise: Float[Array, " assets"], flows: Flows, shocks: Float[Array, "normals assets"],
    ) -> Float[Array, " assets"]:  # fmt: skip
        return curves.price(flows.supply) * factor + noise


class Imbalance(Pricing):
    """P' = P + kappa net + lambda (bought - S), as the paper has it."""

    flow: Float[Array, ""]
    imbalance: Float[Array, ""]

    def price(
        self, curves: Curves, price: Float[Array, " assets"], factor: Float[Array, " assets"],
        noise: Float[Array, " assets"], flows: Flows, shocks: Float[Array, "normals assets"],
    ) -> Float[Array, " assets"]:  # fmt: skip
        return price + self.flow * flows.net + self.imbalance * (flows.bought - flows.before)


class Ito(Pricing):
    """dP = (drift P + pull (f(S) - P)) dt + sigma(P) dW over a step of length 1."""

    proportional: bool = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    drift: Float[Array, ""]
    pull: Float[Array, ""]
    volatility: Float[Array, ""]

    @property
    def normals(self) -> int:
        return self.substeps

    def price(
        self, curves: Curves, price: Float[Array, " assets"], factor: Float[Array, " assets"],
        noise: Float[Array, " assets"], flows: Flows, shocks: Float[Array, "normals assets"],
    ) -> Float[Array, " assets"]:  # fmt: skip
        target, dt = curves.price(flows.supply), 1 / self.substeps
        after: Array = euler_maruyama(
            lambda p: self.drift * p + self.pull * (target - p),
            lambda p: self.volatility * (p if self.proportional else 1.0),
            price, shocks * dt**0.5, dt,
        )  # fmt: skip
        return after


def curve_factor(premium: Float[Array, " assets"], shift: Float[Array, " assets"]) -> Float[Array, " assets"]:
    """What prices on the curve are multiplied by."""
    return jnp.maximum(1 + premium + shift, LEAST_FACTOR)

"""What moves the price of a token from one step to the next."""

from abc import abstractmethod
from typing import Annotated, Literal, NamedTuple, Union

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field

from tacitlab.markets.motion import built
from tacitlab.markets.token.curves import Curves
from tacitlab.markets.token.ito import euler_maruyama
from tacitlab.schema import Spec, param

LEAST_FACTOR = 0.01  # a premium never takes more than 99 % off the curve's price


class Pricing(Spec):
    """What else than the supply moves the price of a token."""

    @abstractmethod
    def dynamics(self) -> "PriceLaw":
        """The law in motion."""


class OnCurve(Pricing):
    """The price is f(S), plus noise."""

    kind: Literal["curve"] = "curve"

    def dynamics(self) -> "PriceLaw":
        return built(CurveLaw, Premium(decay=0.0, flow=0.0, excess=0.0))


class Premium(Pricing):
    """The price is f(S)(1 + m), plus noise; m' = (1 - decay) m + flow net/S + excess (unfilled net orders)/S."""

    kind: Literal["premium"] = "premium"
    decay: float = param(0.1, "what the premium loses in a step, delta", ge=0, le=1)
    flow: float = param(0.5, "response to net trades, kappa")
    excess: float = param(0.5, "response to orders that could not be filled, lambda")

    def dynamics(self) -> "PriceLaw":
        return built(CurveLaw, self)


class Imbalance(Pricing):
    """The literal law: the price changes by flow (net trades) + imbalance (tokens bought - supply).

    It compares a flow with a stock, so that the price falls below 0; nobody pays or gets less than 0 for a token.
    """

    kind: Literal["literal"] = "literal"
    flow: float = param(0.01, "response to net trades, kappa", "currency/token")
    imbalance: float = param(0.01, "response to purchases less supply, lambda", "currency/token")

    def dynamics(self) -> "PriceLaw":
        return built(ImbalanceLaw, self)


class Ito(Pricing):
    """In continuous time: dP = (drift P + pull (f(S) - P)) dt + volatility P dW, or without the last P; a step lasts 1.

    Without pull a geometric Brownian motion; with constant volatility an Ornstein-Uhlenbeck process around f(S).
    """

    kind: Literal["ito"] = "ito"
    drift: float = param(0.0, "growth of the price", "1/step")
    pull: float = param(0.2, "speed at which it returns to the curve", "1/step", ge=0)
    volatility: float = param(0.02, "relative to the price; if constant, in currency", "1/sqrt(step)", ge=0)
    law: Literal["proportional", "constant"] = param("proportional", "how volatility depends on the price")
    substeps: int = param(4, "Euler-Maruyama steps of a step", ge=1, le=100)

    def dynamics(self) -> "PriceLaw":
        return built(ItoLaw, self)


PRICINGS = (OnCurve, Premium, Imbalance, Ito)
AnyPricing = Annotated[Union[*PRICINGS], Field(discriminator="kind")]  # type: ignore[valid-type]


class Flows(NamedTuple):
    """What a step has traded."""

    before: Float[Array, " assets"]  # supply before the step
    supply: Float[Array, " assets"]  # supply after it
    bought: Float[Array, " assets"]
    net: Float[Array, " assets"]  # bought less sold
    excess: Float[Array, " assets"]  # net orders that were not filled


class PriceLaw(eqx.Module):
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


class CurveLaw(PriceLaw):
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


class ImbalanceLaw(PriceLaw):
    """P' = P + kappa net + lambda (bought - S), as the paper has it."""

    flow: Float[Array, ""]
    imbalance: Float[Array, ""]

    def price(
        self, curves: Curves, price: Float[Array, " assets"], factor: Float[Array, " assets"],
        noise: Float[Array, " assets"], flows: Flows, shocks: Float[Array, "normals assets"],
    ) -> Float[Array, " assets"]:  # fmt: skip
        return price + self.flow * flows.net + self.imbalance * (flows.bought - flows.before)


class ItoLaw(PriceLaw):
    """dP = (drift P + pull (f(S) - P)) dt + sigma(P) dW over a step of length 1."""

    law: str = eqx.field(static=True)
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
            lambda p: self.volatility * (p if self.law == "proportional" else 1.0),
            price, shocks * dt**0.5, dt,
        )  # fmt: skip
        return after


def curve_factor(premium: Float[Array, " assets"], shift: Float[Array, " assets"]) -> Float[Array, " assets"]:
    """What prices on the curve are multiplied by."""
    return jnp.maximum(1 + premium + shift, LEAST_FACTOR)

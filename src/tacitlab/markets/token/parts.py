"""The parts that a token economy is put together from: what acts on it, what agents want, what they are paid for."""

from typing import Annotated, Literal, NamedTuple, Union

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.schema import Spec, param


class Shock(Spec):
    """A spike of the factors. Size 0 switches it off without touching any random number: pairs can be compared."""

    step: int = param(50, "step at whose end it comes, from 0", "steps", ge=0)
    size: float = param(1.0, "what is added to the factors")


class Factors(Spec):
    """Market factors Z, one for each asset: Z' = mean + persistence (Z - mean) + volatility xi.

    They act in up to three ways, each with a strength. Persistence 0 is the literal independent noise.
    """

    persistence: float = param(0.9, "what is left of a deviation after a step, phi", ge=0, lt=1)
    mean: float = param(0.0, "where factors return to, mu")
    volatility: float = param(0.1, "standard deviation of their innovations, sigma", ge=0)
    demand: float = param(0.0, "shift of everybody's order, in largest orders for a unit of Z")
    premium: float = param(0.0, "relative shift of the price for a unit of Z")
    mint: float = param(0.0, "tokens that the treasury mints (burns) each step, as a share of supply, for a unit of Z")
    backed: bool = param(True, "whether the treasury pays the curve for what it mints; else the reserve backs less")
    shock: Shock | None = param(None, "a spike at a set time")

    @property
    def shock_step(self) -> int:
        return self.shock.step if self.shock else 0

    @property
    def shock_size(self) -> float:
        return self.shock.size if self.shock else 0.0


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
    shock_size: Float[Array, ""]

    def after(
        self, step: Int[Array, ""], factor: Float[Array, " assets"], shocks: Float[Array, " assets"]
    ) -> Float[Array, " assets"]:
        """The factors after a step, at whose end a spike may come."""
        moved = self.mean + self.persistence * (factor - self.mean) + self.volatility * shocks
        return moved + jnp.where(step == self.shock_step, self.shock_size, 0.0)


class Peer(Spec):
    """What an agent takes over from the others' last trades.

    ``orders``: their mean, times the strength, is added to its order, which it pays for. ``literal``: their sum, times
    the strength, is handed out for nothing (taken away, where they sell), so that holdings no longer add up to the
    supply and may fall below 0.
    """

    mode: Literal["orders", "literal"] = param("orders", "whether it is ordered and paid, or handed out")
    strength: float = param(0.1, "strength, nu", ge=-1, le=1)


class PrivateValues(Spec):
    """What a token is worth to its holder: an autoregressive value v of each agent and asset.

    Holding H tokens at price P for a step gives ``rate (v - P) H``: their service less the interest on their price. So
    it pays to buy where v > P.
    """

    kind: Literal["values"] = "values"
    rate: float = param(0.05, "interest and service of a step as a share of price and value", "1/step", gt=0)
    mean: float = param(1.0, "mean value, in initial prices")
    spread: float = param(0.2, "standard deviation over agents and time, in initial prices", ge=0)
    persistence: float = param(0.95, "what is left of a deviation after a step", ge=0, lt=1)


class Resource(Spec):
    """What a resource is worth to its users: holding q at price p for a step gives ``rate (theta q - q²/2 - p q)``.

    Examples
    --------
    >>> Resource().each(3)
    array([1.024, 1.901, 0.288])
    """

    kind: Literal["resource"] = "resource"
    rate: float = param(1.0, "part of it that a step gives", "1/step", gt=0)
    tastes: tuple[float, ...] | None = param(None, "theta of each agent; none: drawn", "currency")
    lowest: float = param(0.0, "least theta drawn", "currency")
    highest: float = param(2.0, "greatest theta drawn", "currency")
    seed: int = param(1, "seed of the draw (NumPy's default generator)", ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> "Resource":
        if self.lowest > self.highest:
            raise ValueError(f"lowest: {self.lowest} is more than highest, {self.highest}; exchange them")
        return self

    def each(self, agents: int) -> NDArray[np.float64]:
        """Theta of each agent."""
        if self.tastes is not None:
            return np.array(self.tastes, dtype=float)
        return np.random.default_rng(self.seed).uniform(self.lowest, self.highest, agents)


UTILITIES = (PrivateValues, Resource)
AnyUtility = Annotated[Union[*UTILITIES], Field(discriminator="kind")]  # type: ignore[valid-type]


class Preferences(NamedTuple):
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

    def gain(
        self, values: Float[Array, " assets"], holdings: Float[Array, " assets"], price: Float[Array, " assets"]
    ) -> Float[Array, " assets"]:
        """What one more token adds at its present price, relative to the rate."""
        return jnp.where(self.rate > 0, values - self.curvature * holdings - price, 0.0)


class Rewards(Spec):
    """Reward of a step: own + cooperation (mean of others' own) - stability |d ln P|.

    Own is profit (change of wealth) + utility. Wealth on liquidation values tokens at their share of the reserve,
    R(S)/S each, so that it adds up to the money there is; marked to market it does not.
    """

    profit: float = param(1.0, "weight of the change of wealth, income not counted", ge=0)
    wealth: Literal["liquidation", "mark-to-market"] = param("liquidation", "how holdings are valued")
    stability: float = param(0.0, "penalty for each unit of the price's change, omega", ge=0)
    changes: Literal["relative", "literal"] = param("relative", "of the price's logarithm, or of the price itself")
    cooperation: float = param(0.0, "weight of the others' own rewards, rho")
    others: Literal["mean", "literal"] = param("mean", "their mean, or their sum")


class RewardWeights(eqx.Module):
    """The same, set in motion, but for the regard for others, which depends on how many they are."""

    wealth: str = eqx.field(static=True)
    changes: str = eqx.field(static=True)
    profit: Float[Array, ""]
    stability: Float[Array, ""]

"""Bonding curves: the price of a token as a function of its supply, and the reserve that backs it.

A curve's formulas are class methods over its parameters, so that dynamics can hold the parameters as data; they take
NumPy and JAX arrays alike. What a trade costs is computed without subtracting two reserves, which may be almost equal.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from math import inf
from types import ModuleType
from typing import Annotated, Any, Literal, Union

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from tacitlab.schema import Spec, param

Parameters = Mapping[str, Any]
NONE = 1e-30  # tokens: fewer count as none when a mean price is computed, so that it keeps its digits
SERIES = 0.1  # arguments up to which a power series is used instead of a difference
TERMS = 8  # of it: enough for double precision
NEWTON = 12  # steps that solve for the supply of the logarithmic curve: convex, from above
LARGE = 30.0  # exponents up to which exp(x) - 1 fits into single precision, with room for factors


class Curve(Spec):
    """A price f(S) that does not fall with the supply S, and its integral, the reserve R(S).

    ``change`` tokens cost ``R(S + change) - R(S)``: whoever buys and sells back gets exactly nothing out of it.

    Examples
    --------
    >>> curve = Exponential(scale=0.1, growth=0.01)
    >>> print(curve.price(100.0), curve.reserve(100.0), curve.cost(100.0, 10.0))
    0.27183 17.183 2.8588
    >>> print(curve.cost(100.0, 10.0) + curve.cost(110.0, -10.0))
    0.0
    """

    noise: float = param(0.0, "standard deviation of the noise that is added to the price, eta", "currency", ge=0)

    @property
    def limit(self) -> float:
        """Supply that cannot be reached."""
        return inf

    @abstractmethod
    def parameters(self) -> dict[str, float]:
        """What the formulas need."""

    @classmethod
    @abstractmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        """The price f(S) of the next token."""

    @classmethod
    @abstractmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        """The derivative of the price."""

    @classmethod
    @abstractmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        """What ``change`` tokens cost, R(S + change) - R(S), negative if they are sold; nobody may sell more than S."""

    @classmethod
    @abstractmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        """The supply S that a reserve backs."""

    @classmethod
    def reserve_of(cls, p: Parameters, supply: Any) -> Any:
        """The reserve R(S) that backs a supply, 0 for none."""
        return cls.cost_of(p, 0 * supply, supply)

    @classmethod
    def average_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        """Mean price of ``change`` tokens: their cost divided by their number, f(S) for none."""
        xp = arrays(supply, change)
        none = xp.abs(change) < NONE
        some = xp.where(none, 1.0, change)
        return xp.where(none, cls.price_of(p, supply), cls.cost_of(p, supply, some) / some)

    def price(self, supply: Any) -> Any:
        """The price f(S), currency; for a number or an array."""
        return self.price_of(self.parameters(), number(supply))

    def slope(self, supply: Any) -> Any:
        """The derivative f'(S), currency/token; a power law needs a supply above 0."""
        return self.slope_of(self.parameters(), number(supply))

    def elasticity(self, supply: Any) -> Any:
        """By how many percent the price rises where the supply rises by one: S f'(S)/f(S)."""
        return number(supply) * self.slope(supply) / self.price(supply)

    def reserve(self, supply: Any) -> Any:
        """The reserve R(S), currency: the integral of the price from 0 to S."""
        return self.reserve_of(self.parameters(), number(supply))

    def cost(self, supply: Any, change: Any) -> Any:
        """What ``change`` tokens cost at a supply, currency."""
        return self.cost_of(self.parameters(), number(supply), number(change))

    def average(self, supply: Any, change: Any) -> Any:
        """Mean price of ``change`` tokens, currency/token."""
        return self.average_of(self.parameters(), number(supply), number(change))

    def supply(self, reserve: Any) -> Any:
        """The supply that a reserve backs, tokens."""
        return self.supply_of(self.parameters(), number(reserve))


class Linear(Curve):
    """f(S) = rise S + start."""

    kind: Literal["linear"] = "linear"
    rise: float = param(0.1, "rise of the price, m", "currency/token", ge=0)
    start: float = param(1.0, "price of the first token, b", "currency", ge=0)

    def parameters(self) -> dict[str, float]:
        return {"rise": self.rise, "start": self.start}

    @classmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        return p["rise"] * supply + p["start"]

    @classmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        return p["rise"] + 0 * supply

    @classmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        return change * (p["rise"] * (supply + change / 2) + p["start"])

    @classmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        xp = arrays(reserve)
        twice = p["start"] + xp.sqrt(p["start"] ** 2 + 2 * p["rise"] * reserve)
        return 2 * reserve / xp.where(twice > 0, twice, 1.0)


class Logarithmic(Curve):
    """f(S) = scale ln(S + 1) + floor; without a floor the first token is free."""

    kind: Literal["logarithmic"] = "logarithmic"
    scale: float = param(2.0, "scale of the price, k", "currency", gt=0)
    floor: float = param(0.1, "price of the first token", "currency", ge=0)

    def parameters(self) -> dict[str, float]:
        return {"scale": self.scale, "floor": self.floor}

    @classmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        return p["scale"] * arrays(supply).log1p(supply) + p["floor"]

    @classmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        return p["scale"] / (1 + supply)

    @classmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        beyond = (1 + supply) * _log_integral(change / (1 + supply))
        return change * cls.price_of(p, supply) + p["scale"] * beyond

    @classmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        part = reserve / p["scale"]
        supply = part / 3 + arrays(reserve).sqrt(part * part / 9 + 2 * part)  # Bernstein's bound: never too small
        for _ in range(NEWTON):
            gradient = cls.price_of(p, supply)
            excess = cls.reserve_of(p, supply) - reserve
            supply = supply - excess / arrays(supply).where(gradient > 0, gradient, 1.0)
        return supply


class Exponential(Curve):
    """f(S) = scale exp(growth S)."""

    kind: Literal["exponential"] = "exponential"
    scale: float = param(0.1, "price of the first token, a", "currency", gt=0)
    growth: float = param(0.01, "growth of the price, k", "1/token", gt=0)

    def parameters(self) -> dict[str, float]:
        return {"scale": self.scale, "growth": self.growth}

    @classmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        return p["scale"] * arrays(supply).exp(p["growth"] * supply)

    @classmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        return p["growth"] * cls.price_of(p, supply)

    @classmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        return cls.price_of(p, supply) * arrays(supply, change).expm1(p["growth"] * change) / p["growth"]

    @classmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        return arrays(reserve).log1p(p["growth"] * reserve / p["scale"]) / p["growth"]


class Sigmoid(Curve):
    """f(S) = highest/(1 + exp(-steepness (S - middle)))."""

    kind: Literal["sigmoid"] = "sigmoid"
    highest: float = param(2.0, "price that is never reached, K", "currency", gt=0)
    steepness: float = param(0.1, "steepness, k", "1/token", gt=0)
    middle: float = param(50.0, "supply at half of the highest price, S_0", "tokens", ge=0)

    def parameters(self) -> dict[str, float]:
        return {"highest": self.highest, "steepness": self.steepness, "middle": self.middle}

    @classmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        xp = arrays(supply)
        return p["highest"] * xp.exp(-xp.logaddexp(0.0 * supply, -p["steepness"] * (supply - p["middle"])))

    @classmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        return p["steepness"] * cls.price_of(p, supply) * cls.price_of(p, 2 * p["middle"] - supply) / p["highest"]

    @classmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        xp = arrays(supply, change)
        at, wide = p["steepness"] * (supply - p["middle"]), p["steepness"] * change
        share = cls.price_of(p, supply) / p["highest"]
        near = xp.log1p(share * xp.expm1(xp.clip(wide, -1.0, LARGE)))
        far = xp.logaddexp(0 * wide, at + wide) - xp.logaddexp(0 * wide, at + 0 * wide)
        return p["highest"] / p["steepness"] * xp.where((wide >= -1) & (wide <= LARGE), near, far)

    @classmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        xp = arrays(reserve)
        part = p["steepness"] * reserve / p["highest"]
        some = xp.where(part > 0, part, 1.0)
        height = xp.logaddexp(0 * some, p["steepness"] * p["middle"] + 0 * some)
        found = xp.logaddexp(0 * some, some + xp.log(-xp.expm1(-some)) + height)  # ln(1 + (e^r - 1)(1 + e^{k S_0}))
        return xp.where(part > 0, found, 0.0) / p["steepness"]


class ConstantProduct(Curve):
    """Virtual reserves x y of currency and tokens, as of Uniswap (Adams et al. 2020) and pump.fun: f(S) = x y/(y - S)².

    Examples
    --------
    Of 1.073 billion virtual tokens, pump.fun sells 793.1 million for 85 SOL; the price rises to 14.7 times the first.

    >>> curve = ConstantProduct(currency=30.0, tokens=1.073e9)
    >>> print(curve.reserve(793.1e6), curve.price(793.1e6) / curve.price(0.0))
    85.005 14.696
    """

    kind: Literal["constant-product"] = "constant-product"
    currency: float = param(30.0, "virtual reserve of currency, x", "currency", gt=0)
    tokens: float = param(1000.0, "virtual reserve of tokens, y: no supply reaches it", "tokens", gt=0)

    @property
    def limit(self) -> float:
        return self.tokens

    def parameters(self) -> dict[str, float]:
        return {"currency": self.currency, "tokens": self.tokens}

    @classmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        return p["currency"] / p["tokens"] / (1 - supply / p["tokens"]) ** 2

    @classmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        return 2 * cls.price_of(p, supply) / (p["tokens"] - supply)

    @classmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        left = p["tokens"] - supply
        return p["currency"] * p["tokens"] / left * (change / (left - change))

    @classmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        return p["tokens"] * (reserve / (p["currency"] + reserve))


class PowerLaw(Curve):
    """A reserve (S/unit)^exponent times its value at the unit; the price is proportional to (S/unit)^(exponent - 1)."""

    @abstractmethod
    def parameters(self) -> dict[str, float]:
        """``unit``: a supply; ``value``: the reserve that backs it; ``exponent`` of the reserve, at least 1."""

    @classmethod
    def price_of(cls, p: Parameters, supply: Any) -> Any:
        share = supply / p["unit"]
        return p["exponent"] * p["value"] / p["unit"] * share ** (p["exponent"] - 1)

    @classmethod
    def slope_of(cls, p: Parameters, supply: Any) -> Any:
        return (p["exponent"] - 1) * cls.price_of(p, supply) / supply

    @classmethod
    def cost_of(cls, p: Parameters, supply: Any, change: Any) -> Any:
        xp = arrays(supply, change)
        part, extra, e = supply / p["unit"], change / p["unit"], p["exponent"]
        some = xp.where(part > 0, part, 1.0)
        left = extra / some > -1  # else everything is sold
        rise = some**e * xp.expm1(e * xp.log1p(xp.where(left & (part > 0), extra / some, 0.0)))
        none = xp.where(extra > 0, extra, 0.0) ** e  # what the first tokens cost
        return p["value"] * xp.where(part > 0, xp.where(left, rise, -(some**e)), none)

    @classmethod
    def supply_of(cls, p: Parameters, reserve: Any) -> Any:
        return p["unit"] * (reserve / p["value"]) ** (1 / p["exponent"])


class Power(PowerLaw):
    """f(S) = scale S^exponent."""

    kind: Literal["power"] = "power"
    scale: float = param(0.01, "price at a supply of 1, c", "currency", gt=0)
    exponent: float = param(1.0, "exponent, n", ge=0, le=10)

    def parameters(self) -> dict[str, float]:
        return {"unit": 1.0, "value": self.scale / (self.exponent + 1), "exponent": self.exponent + 1}


class Bancor(PowerLaw):
    """The reserve stays a fixed share F of price times supply: R = reserve (S/supply)^(1/F).

    References
    ----------
    E. Hertzog, G. Benartzi and G. Benartzi, "Bancor protocol" (2018).

    Examples
    --------
    For 10 units of currency a buyer gets S((1 + E/R)^F - 1) tokens:

    >>> curve = Bancor(reserve_ratio=0.5, backing=250.0, issued=1000.0)
    >>> print(curve.price(1000.0), curve.supply(260.0) - 1000.0, 1000 * (1.04**0.5 - 1))
    0.5 19.804 19.804
    """

    kind: Literal["bancor"] = "bancor"
    reserve_ratio: float = param(0.5, "reserve as a share of price times supply, F", gt=0.05, le=1)
    backing: float = param(50.0, "reserve at the supply ``issued``", "currency", gt=0)
    issued: float = param(100.0, "a supply", "tokens", gt=0)

    def parameters(self) -> dict[str, float]:
        return {"unit": self.issued, "value": self.backing, "exponent": 1 / self.reserve_ratio}


class Augmented(PowerLaw):
    """The augmented bonding curve, R = S^kappa/V, fixed by what its first buyers, the hatch, paid.

    They pay ``raised`` at ``hatch_price``; the share ``theta`` of it goes into a common fund, the rest is the reserve.

    References
    ----------
    M. Zargham, J. Shorish and K. Paruch, "From curved bonding to configuration spaces" (IEEE ICBC 2020).

    Examples
    --------
    >>> curve = Augmented()
    >>> print(curve.supply(50_000.0), curve.price(1e6))
    1000000.0 0.1
    """

    kind: Literal["augmented"] = "augmented"
    kappa: float = param(2.0, "exponent of the reserve, kappa", gt=1, le=10)
    raised: float = param(100_000.0, "what the hatch pays", "currency", gt=0)
    hatch_price: float = param(0.1, "price that the hatch pays", "currency", gt=0)
    theta: float = param(0.5, "share of it that goes into the common fund", ge=0, lt=1)

    def parameters(self) -> dict[str, float]:
        issued = self.raised / self.hatch_price
        return {"unit": issued, "value": (1 - self.theta) * self.raised, "exponent": self.kappa}


CURVES = (Linear, Logarithmic, Exponential, Sigmoid, Power, ConstantProduct, Bancor, Augmented)
AnyCurve = Annotated[Union[*CURVES], Field(discriminator="kind")]  # type: ignore[valid-type]


class Curves(eqx.Module):
    """The curve of each asset, which is the last axis of every array."""

    kinds: tuple[type[Curve], ...] = eqx.field(static=True)
    parameters: tuple[dict[str, Float[Array, ""]], ...]

    @classmethod
    def of(cls, curves: tuple[Curve, ...]) -> "Curves":
        """Those that were described."""
        numbers = [{name: jnp.asarray(x, float) for name, x in curve.parameters().items()} for curve in curves]
        return cls(tuple(map(type, curves)), tuple(numbers))

    def price(self, supply: Float[Array, "*shape assets"]) -> Float[Array, "*shape assets"]:
        """The price f(S) of the next token."""
        return self._each(lambda kind, p, s: kind.price_of(p, s), supply)

    def average(
        self, supply: Float[Array, "*shape assets"], change: Float[Array, "*shape assets"]
    ) -> Float[Array, "*shape assets"]:
        """Mean price of tokens along the curve."""
        return self._each(lambda kind, p, s, d: kind.average_of(p, s, d), supply, change)

    def reserve(self, supply: Float[Array, "*shape assets"]) -> Float[Array, "*shape assets"]:
        """The money R(S) that backs a supply."""
        return self._each(lambda kind, p, s: kind.reserve_of(p, s), supply)

    def share(self, supply: Float[Array, "*shape assets"]) -> Float[Array, "*shape assets"]:
        """The part of the reserve that backs one token, R(S)/S."""
        return self._each(lambda kind, p, s: kind.average_of(p, 0 * s, s), supply)

    def _each(self, formula: Callable[..., Array], *values: Float[Array, "*shape assets"]) -> Array:
        columns = [
            formula(kind, p, *(value[..., a] for value in values))
            for a, (kind, p) in enumerate(zip(self.kinds, self.parameters, strict=True))
        ]
        return jnp.stack(columns, axis=-1)


def arrays(*values: Any) -> ModuleType:
    """The library that the arrays among some values belong to: NumPy, unless one says otherwise."""
    found = {getattr(value, "__array_namespace__", lambda: np)() for value in values} - {np}
    return found.pop() if found else np


def number(value: Any) -> Any:
    """A number or a list as an array that the formulas take; arrays as they are."""
    return value if hasattr(value, "__array_namespace__") else np.asarray(value, dtype=float)[()]


def _log_integral(x: Any) -> Any:
    """Integral of ln(1 + t) from 0 to x, (1 + x) ln(1 + x) - x, accurate also near 0."""
    xp = arrays(x)
    s = x / (2 + x)  # ln(1 + x) = 2 artanh(s)
    square = xp.clip(s, -SERIES, SERIES) ** 2
    series = sum(square**k / (2 * k + 3) for k in range(TERMS))
    near = x * s + 2 * (1 + x) * s * square * series
    far = (1 + x) * xp.log1p(xp.where(x > -1, x, 0.0)) - x
    return xp.where(xp.abs(s) <= SERIES, near, far)

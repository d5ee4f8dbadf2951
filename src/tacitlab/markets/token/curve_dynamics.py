"""Bonding curves of several assets at once: their kinds are static, their parameters data."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.markets.token.curves import Curve


class Curves(eqx.Module):
    """The curve of each asset, which is the last axis of every array."""

    kinds: tuple[type[Curve], ...] = eqx.field(static=True)
    parameters: tuple[dict[str, Float[Array, ""]], ...]

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

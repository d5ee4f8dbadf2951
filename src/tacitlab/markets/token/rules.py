"""Scripted policies of the token economy: orders in parts of the largest, from what an agent sees."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Seen(NamedTuple):
    """An observation, or one as features, taken apart."""

    cash: Float[Array, ""]
    holdings: Float[Array, " assets"]
    price: Float[Array, " assets"]
    supply: Float[Array, " assets"]
    factor: Float[Array, " assets"]
    value: Float[Array, " assets"]
    returns: Float[Array, "lags assets"]


def order(
    rule: str, seen: Seen, gain: Float[Array, " assets"], curvature: Float[Array, ""], largest: Float[Array, ""],
    draws: Float[Array, " assets"],
) -> Float[Array, " assets"]:  # fmt: skip
    """What a rule orders, from -1 (sells the largest order) to 1.

    ``gain`` is what one more token at its price would add to utility, 0 without utility, and ``curvature`` by how much
    less with each token held.
    """
    if rule == "hold":
        return jnp.zeros_like(seen.price)
    if rule == "random":
        return 2 * draws - 1
    if rule == "zero-intelligence":
        return jnp.sign(gain) * draws
    if rule == "trend-follower":
        return jnp.sign(seen.returns[0])
    if rule == "price-taking":
        target = gain / jnp.where(curvature > 0, curvature * largest, 1.0)
        return jnp.where(curvature > 0, jnp.clip(target, -1, 1), jnp.sign(gain))
    raise NotImplementedError(f"the token economy has no rule {rule}")

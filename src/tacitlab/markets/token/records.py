"""What a token economy records in every step, its accounting errors included."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.markets.token.clearing import Fills

if TYPE_CHECKING:
    from tacitlab.markets.token.dynamics import TokenDynamics, TokenState

PAIRS = 200  # agents up to which comparing all pairs is faster than sorting
MISSED = 1e-3  # of the largest order: an order that misses more than this was not filled
ROUNDING = 256  # last digits of an account that rounding of some hundred steps explains


def record(
    market: "TokenDynamics", before: "TokenState", after: "TokenState", wanted: Float[Array, "agents assets"],
    fills: Fills,
) -> dict[str, Array]:  # fmt: skip
    """Quantities by name, as the market lists them."""
    utility, price = market.utility, after.price
    by_asset = {
        "trade": fills.trades,
        "holdings": after.holdings,
        "price": price,
        "absolute_return": jnp.abs(after.returns[0]),
        "squared_return": after.returns[0] ** 2,
        "volume": jnp.abs(fills.trades).sum(axis=0),
        "supply": after.supply,
        "factor": after.factor,
        "concentration": concentration(after.holdings),
    }
    suffixes = [""] if market.assets == 1 else [f"-{a + 1}" for a in range(market.assets)]
    info = {f"{name}{s}": x[..., a] for name, x in by_asset.items() for a, s in enumerate(suffixes)}
    tokens, wealth = after.holdings.sum(axis=0) + after.treasury, market.wealth(after)
    backed = market.curves.reserve(after.supply).sum()
    return info | {
        "cash": after.cash,
        "wealth": wealth,
        "utility": utility.flow(before.values, after.holdings, price),
        "welfare": utility.service(before.values, after.holdings).sum(),
        "gini": gini(wealth),
        "clipped": (jnp.abs(wanted - fills.trades) > MISSED * market.largest).sum().astype(after.cash.dtype),
        "money_error": beyond_rounding(after.cash.sum() + after.money.sum() - after.granted, after.granted),
        "token_error": beyond_rounding((tokens - after.supply).sum(), after.supply.sum() + market.start.supply.sum()),
        "reserve_gap": beyond_rounding(after.money[0] - backed, backed + market.start.money[0]),
    }


def beyond_rounding(error: Float[Array, ""], size: Float[Array, ""]) -> Float[Array, ""]:
    """An error of an account of some size, 0 if it is rounding."""
    return jnp.where(jnp.abs(error) <= ROUNDING * jnp.finfo(error.dtype).eps * size, 0.0, error)


def concentration(holdings: Float[Array, "agents assets"]) -> Float[Array, " assets"]:
    """Herfindahl-Hirschman index of what agents hold, 0 if it is nothing."""
    total = holdings.sum(axis=0)
    return jnp.where(total > 0, (holdings**2).sum(axis=0) / jnp.where(total > 0, total, 1.0) ** 2, 0.0)


def gini(wealth: Float[Array, " agents"]) -> Float[Array, ""]:
    """Gini coefficient, 0 if there is nothing."""
    count, total = len(wealth), wealth.sum()
    if count <= PAIRS:
        spread = jnp.abs(wealth[:, None] - wealth).sum() / 2
    else:
        spread = (2 * jnp.arange(1, count + 1) - count - 1) @ jnp.sort(wealth)
    return jnp.where(total > 0, spread / (count * jnp.where(total > 0, total, 1.0)), 0.0)

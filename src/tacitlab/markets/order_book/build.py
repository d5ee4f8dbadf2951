"""From a description of the market with a limit order book to its arrays."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tacitlab.markets.order_book import book as lob
from tacitlab.markets.order_book.book import BUY, SELL, Book
from tacitlab.markets.order_book.dynamics import BookState, OrderBookDynamics

if TYPE_CHECKING:
    from tacitlab.markets.order_book.market import OrderBook


def build(market: "OrderBook") -> OrderBookDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    def whole(x: object) -> Array:
        return jnp.asarray(x, jnp.int32)

    weights = np.arange(1, market.levels + 1) ** -market.decay
    limits = market.limit_rate / 2 * weights / weights.sum()
    rates = [market.market_rate / 2] * 2 + [*limits, *limits]
    zero, nobody = whole(0), jnp.zeros(market.n_players, jnp.int32)
    start = BookState(
        zero, _seeded(market), whole([-1, 1]), zero, single(0.0), single(0.0), nobody, nobody
    )  # fmt: skip
    more = 1 - 1 / market.order_size
    return OrderBookDynamics(
        roles=market.roles(),
        levels=market.levels,
        by_value=market.valuation == "value",
        makers=market.makers,
        informed=market.informed,
        start=start,
        horizon=whole(market.steps),
        first_price=whole(market.price),
        below=single(np.cumsum(rates)),
        cancel_rate=single(market.cancel_rate),
        size_rate=single(np.log(more) if more > 0 else -np.inf),
        largest_order=whole(market.largest_order),
        informed_size=whole(market.informed_size),
        maker_size=whole(market.maker_size),
        half_spread=single(market.half_spread),
        widest=single(market.widest),
        skew=single(market.skew),
        inventory_limit=whole(market.inventory_limit),
        volatility=single(market.volatility),
        jump_rate=single(market.jump_rate),
        jump_size=single(market.jump_size),
        holding_penalty=single(market.holding_penalty),
    )


def _seeded(market: "OrderBook") -> Book:
    """At the beginning noise traders have an order at each distance on both sides."""
    book = lob.empty(market.capacity)
    if not market.noise_traders:
        return book
    count, size = market.levels, max(1, round(market.order_size))
    side = np.repeat([BUY, SELL], count)
    price = np.concatenate([-np.arange(1, count + 1), np.arange(1, count + 1)])
    owner = market.makers + market.informed + np.arange(2 * count) % market.noise_traders
    ahead = size * np.tile(np.arange(count), 2)
    columns = {"side": side, "price": price, "quantity": size + 0 * side, "owner": owner, "ahead": ahead}
    return book._replace(
        **{name: getattr(book, name).at[: 2 * count].set(jnp.asarray(x, jnp.int32)) for name, x in columns.items()}
    )

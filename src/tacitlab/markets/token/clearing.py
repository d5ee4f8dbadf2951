"""How orders for tokens become trades: what can be filled, and at which prices."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tacitlab.markets.token.curves import Curves


class Quote(NamedTuple):
    """Terms at which the curve trades in a step."""

    price: Float[Array, " assets"]  # what everybody has seen
    supply: Float[Array, " assets"]
    factor: Float[Array, " assets"]  # what prices on the curve are multiplied by
    noise: Float[Array, " assets"]  # what is added then


class Fills(NamedTuple):
    """What was traded, positive: bought, and what it cost without fees, positive: paid."""

    trades: Float[Array, "agents assets"]
    paid: Float[Array, "agents assets"]

    def within(self, reserve: Float[Array, ""]) -> tuple["Fills", Float[Array, ""]]:
        """The same, with what sellers get cut to what the reserve can pay; and what they miss.

        On the curve alone the reserve can always pay.
        """
        received, owed = jnp.maximum(self.paid, 0).sum(), jnp.maximum(-self.paid, 0).sum()
        part = share_of(jnp.maximum(reserve, 0) + received, owed)
        return self._replace(paid=jnp.where(self.paid < 0, part * self.paid, self.paid)), (1 - part) * owed


class Clearing(eqx.Module):
    """Sells are limited by holdings, buys by capacity and by cash; what is sold in a step pays for nothing in it.

    An agent's buys are all cut by the same factor to what its cash can pay at the highest price that is possible: that
    at which all other orders are filled. So nobody's cash can become negative whatever the others can pay, and the
    order of agents plays no part.
    """

    clearing: str = eqx.field(static=True)
    fee: Float[Array, ""]
    largest_supplies: Float[Array, " assets"]

    def fill(
        self, curves: Curves, quote: Quote, wanted: Float[Array, "agents assets"], cash: Float[Array, " agents"],
        holdings: Float[Array, "agents assets"], draws: Float[Array, " draws"],
    ) -> Fills:  # fmt: skip
        """Trades and payments; ``draws`` decide the order of agents, if it matters."""
        sells = jnp.minimum(jnp.maximum(-wanted, 0), jnp.maximum(holdings, 0))
        buys = jnp.maximum(wanted, 0)
        if self.clearing == "sequential":
            return self._in_turn(curves, quote, buys, sells, cash, draws)
        room = jnp.maximum(self.largest_supplies - quote.supply + sells.sum(axis=0), 0)
        buys = buys * share_of(room, buys.sum(axis=0))
        highest = self._price(curves, quote, buys.sum(axis=0) - sells.sum(axis=0))
        trades = buys * affordable(cash, buys * highest * (1 + self.fee))[:, None] - sells
        return Fills(trades, self._price(curves, quote, trades.sum(axis=0)) * trades)

    def _price(self, curves: Curves, quote: Quote, net: Float[Array, "*shape assets"]) -> Float[Array, "*shape assets"]:
        """What everybody pays if ``net`` tokens are bought together."""
        if self.clearing == "spot":
            return jnp.maximum(jnp.broadcast_to(quote.price, net.shape), 0)
        net = jnp.maximum(net, -quote.supply)  # rounding must not take the supply below 0
        supply = jnp.broadcast_to(quote.supply, net.shape)
        return jnp.maximum(quote.factor * curves.average(supply, net) + quote.noise, 0)

    def _in_turn(
        self, curves: Curves, quote: Quote, buys: Float[Array, "agents assets"], sells: Float[Array, "agents assets"],
        cash: Float[Array, " agents"], draws: Float[Array, " agents"],
    ) -> Fills:  # fmt: skip
        """One agent after the other, each along the curve from where the last has left it."""
        order = jnp.argsort(draws)

        def trade(supply: Array, agent: tuple[Array, Array, Array]) -> tuple[Array, Fills]:
            buy, sell, money = agent
            now = quote._replace(supply=supply)
            buy = jnp.minimum(buy, jnp.maximum(self.largest_supplies - supply, 0))
            cost = buy * self._price(curves, now, buy) * (1 + self.fee)
            amount = buy * affordable(money[None], cost[None])[0] - sell
            return jnp.maximum(supply + amount, 0), Fills(amount, self._price(curves, now, amount) * amount)

        _, fills = jax.lax.scan(trade, quote.supply, (buys[order], sells[order], cash[order]))
        back = jnp.argsort(order)
        return Fills(fills.trades[back], fills.paid[back])


def share_of(available: Float[Array, "*shape"], wanted: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """What part of something wanted there is, at most 1."""
    return jnp.where(wanted > available, available / jnp.where(wanted > 0, wanted, 1.0), 1.0)


def affordable(cash: Float[Array, " agents"], costs: Float[Array, "agents assets"]) -> Float[Array, " agents"]:
    """What part of its purchases each agent can pay; a little less than all, so that rounding leaves no debts."""
    room = cash * (1 - 8 * costs.shape[1] * np.finfo(cash.dtype).eps)
    return share_of(jnp.maximum(room, 0), costs.sum(axis=1))

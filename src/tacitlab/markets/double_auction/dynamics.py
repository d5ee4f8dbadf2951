"""The double auction in motion: quotes, trades, gains."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome

if TYPE_CHECKING:
    from tacitlab.markets.double_auction.market import DoubleAuction

NONE = -1  # no quote
CANDIDATES = 9  # quotes that value-based learners compare
FULL = 0.995  # hyperbolic tangent of the largest candidate
CLOSE = 1e-3  # ticks by which rounding may have moved a price off the grid


class AuctionState(NamedTuple):
    """Between two steps; traders are the buyers, then the sellers."""

    time: Int[Array, ""]
    worth: Float[Array, " traders"]  # value or cost of a unit
    ideal: Float[Array, " 2"]  # largest surplus and competitive price
    units: Int[Array, " traders"]  # that may still be traded
    quote: Int[Array, " traders"]  # live ones in ticks, or NONE
    number: Int[Array, " traders"]  # of arrival, of the live quotes
    arrivals: Int[Array, ""]
    price: Float[Array, ""]  # of the last trade
    sums: Float[Array, " 4"]  # over all trades so far: units, prices, squared distances from the ideal price, gains


class Turns(NamedTuple):
    """What changes while quotes come in."""

    units: Int[Array, " traders"]
    quote: Int[Array, " traders"]
    number: Int[Array, " traders"]
    arrivals: Int[Array, ""]
    price: Float[Array, ""]
    bought: Int[Array, " traders"]  # units; negative where sold
    paid: Float[Array, " traders"]
    sums: Float[Array, " 3"]  # units, prices, squared distances from the ideal price


class DoubleAuctionDynamics(Dynamics):
    """Quotes arrive, trade, and leave the book."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    drawn: bool = eqx.field(static=True)
    call: bool = eqx.field(static=True)
    everybody: bool = eqx.field(static=True)
    improving: bool = eqx.field(static=True)
    clearing: bool = eqx.field(static=True)
    constrained: bool = eqx.field(static=True)
    worth: Float[Array, " traders"]
    sign: Int[Array, " traders"]  # 1: buyer, -1: seller
    units: Int[Array, ""]
    horizon: Int[Array, ""]
    weight: Float[Array, ""]
    highest: Float[Array, ""]
    tick: Float[Array, ""]

    @property
    def buyers(self) -> int:
        return self.roles[0].agents

    def reset(self, key: PRNGKeyArray) -> AuctionState:
        worth = self.worth
        if self.drawn:
            worth = self.highest * jax.random.uniform(key, worth.shape, worth.dtype)
        zero = jnp.zeros((), jnp.int32)
        units = jnp.broadcast_to(self.units, worth.shape)
        nobody = jnp.zeros_like(self.sign)
        return AuctionState(
            zero, worth, self._ideal(worth), units, nobody + NONE, nobody, zero, self.highest / 2,
            jnp.zeros(4, worth.dtype),
        )  # fmt: skip

    def _ideal(self, worth: Float[Array, " traders"]) -> Float[Array, " 2"]:
        """Largest surplus and the middle of the competitive prices, as in ``theory/double_auction.py``."""
        values, costs = -jnp.sort(-worth[: self.buyers]), jnp.sort(worth[self.buyers :])
        both = min(len(values), len(costs))
        gain = values[:both] - costs[:both]
        count = jnp.sum(gain > 0)
        bid = jnp.concatenate([self.highest[None], values, jnp.zeros(1, worth.dtype)])
        ask = jnp.concatenate([jnp.zeros(1, worth.dtype), costs, self.highest[None]])
        low, high = jnp.maximum(ask[count], bid[count + 1]), jnp.minimum(bid[count], ask[count + 1])
        return jnp.stack([self.units * jnp.sum(jnp.maximum(gain, 0)), (low + high) / 2])

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: AuctionState, actions: Actions) -> tuple[AuctionState, Outcome]:
        wanted = jnp.concatenate([actions[role.name][:, 0] for role in self.roles]).astype(state.worth.dtype)
        quotes = self._quotes(state.worth, wanted)
        none = jnp.zeros_like(state.worth)
        turns = Turns(
            state.units, state.quote, state.number, state.arrivals, state.price, jnp.zeros_like(self.sign), none,
            jnp.zeros(3, none.dtype),
        )  # fmt: skip
        if self.call:
            turns = self._called(turns, quotes, jax.random.uniform(key, none.shape), state.ideal[1])
        else:
            order = self._order(key)
            turns, _ = jax.lax.scan(lambda t, i: (self._turn(t, i, quotes[i], state.ideal[1]), None), turns, order)
        gain = turns.bought * state.worth - turns.paid
        sums = state.sums + jnp.append(turns.sums, jnp.sum(gain))
        over = state.time + 1 >= self.horizon
        after = AuctionState(
            state.time + 1, state.worth, state.ideal, turns.units, turns.quote, turns.number, turns.arrivals,
            turns.price, sums,
        )  # fmt: skip
        info = self._info(after) | {"quote": self.tick * quotes, "bought": turns.bought.astype(gain.dtype)}
        rewards = {role.name: part for role, part in zip(self.roles, self._sides(gain), strict=True)}
        return after, Outcome(rewards, over, jnp.zeros((), bool), info)

    def _sides(self, x: Array) -> tuple[Array, Array]:
        return x[: self.buyers], x[self.buyers :]

    def _quotes(self, worth: Float[Array, " traders"], actions: Float[Array, " traders"]) -> Int[Array, " traders"]:
        """Prices in ticks."""
        low, high = self._bounds(worth, self.sign > 0)
        price = (low + (1 + jnp.tanh(actions)) / 2 * (high - low)) / self.tick
        rounded = jnp.where(self.sign > 0, jnp.floor(price + CLOSE), jnp.ceil(price - CLOSE))
        return rounded.astype(jnp.int32)

    def _bounds(self, worth: Array, buys: Array) -> tuple[Array, Array]:
        """Between which prices an action chooses."""
        none, top = jnp.zeros_like(worth), jnp.broadcast_to(self.highest, jnp.shape(worth))
        if not self.constrained:
            return none, top
        return jnp.where(buys, none, worth), jnp.where(buys, worth, top)

    def _order(self, key: PRNGKeyArray) -> Int[Array, " turns"]:
        """Whose quotes come in, one after the other."""
        if self.everybody:
            return jnp.argsort(jax.random.uniform(key, self.sign.shape)).astype(jnp.int32)
        side, who = jax.random.uniform(key, (2,))
        sellers = len(self.sign) - self.buyers
        chosen = jnp.where(side < 0.5, jnp.floor(who * self.buyers), self.buyers + jnp.floor(who * sellers))
        return jnp.minimum(chosen, len(self.sign) - 1).astype(jnp.int32)[None]

    def _turn(self, t: Turns, who: Int[Array, ""], quote: Int[Array, ""], ideal: Float[Array, ""]) -> Turns:
        """One quote comes in: it trades, stands, or is refused."""
        sign, here = self.sign[who], jnp.arange(len(self.sign)) == who
        active, there = t.units[who] > 0, (t.quote != NONE) & (self.sign != sign)
        worst = jnp.iinfo(jnp.int32).max
        best = jnp.min(jnp.where(there, sign * t.quote, worst))
        first = jnp.where(there & (sign * t.quote == best), t.number, worst)
        other = jnp.arange(len(self.sign)) == jnp.argmin(first)
        trade, offer = active & (best != worst) & (sign * quote >= best), sign * quote
        same = (t.quote != NONE) & (self.sign == sign)
        stands = active & ~trade
        if self.improving:
            stands &= offer > jnp.max(jnp.where(same, sign * t.quote, -worst))
        leaves = trade & (jnp.ones_like(here) if self.clearing else here | other)
        new = here & stands
        price = self.tick * (sign * jnp.where(trade, best, 0))
        flow = trade * (here * sign - other * sign)
        count = trade.astype(price.dtype)
        return Turns(
            t.units - jnp.abs(flow),
            jnp.where(new, quote, jnp.where(leaves, NONE, t.quote)),
            jnp.where(new, t.arrivals, t.number),
            t.arrivals + stands,
            jnp.where(trade, price, t.price),
            t.bought + flow,
            t.paid + flow * price,
            t.sums + count * jnp.stack([jnp.ones_like(price), price, (price - ideal) ** 2]),
        )

    def _called(
        self, t: Turns, quotes: Int[Array, " traders"], draws: Float[Array, " traders"], ideal: Float[Array, ""]
    ) -> Turns:
        """All quotes at once, at one price; equal ones are served in random order."""
        top, active = jnp.iinfo(jnp.int32).max, t.units > 0
        bids, asks = self._sides(jnp.where(active, quotes, jnp.where(self.sign > 0, NONE, top)))
        demand, supply = -jnp.sort(-bids), jnp.sort(asks)
        both = min(len(bids), len(asks))
        count = jnp.sum(demand[:both] >= supply[:both])
        bid, ask = jnp.append(demand, NONE), jnp.append(supply, top)
        low = jnp.maximum(ask[jnp.maximum(count - 1, 0)], bid[count])
        high = jnp.minimum(bid[jnp.maximum(count - 1, 0)], ask[count])
        dtype = t.price.dtype
        price = self.tick * jnp.where(count > 0, self.weight * high + (1 - self.weight) * low, 0).astype(dtype)
        offers = jnp.where(active, self.sign * quotes, -top)
        same = self.sign[:, None] == self.sign
        better = (offers > offers[:, None]) | ((offers == offers[:, None]) & (draws > draws[:, None]))
        flow = self.sign * (active & (jnp.sum(same & better, axis=1) < count))
        units = count.astype(dtype)
        return t._replace(
            units=t.units - jnp.abs(flow),
            price=jnp.where(count > 0, price, t.price),
            bought=flow,
            paid=flow * price,
            sums=units * jnp.stack([jnp.ones_like(price), price, (price - ideal) ** 2]),
        )

    def _info(self, after: AuctionState) -> dict[str, Array]:
        """Quantities over all trades of the episode so far; the ideal price stands for that of none."""
        (count, prices, off, surplus), (largest, ideal) = after.sums, after.ideal
        some = jnp.maximum(count, 1)
        return {
            "price": after.price,
            "mean_price": jnp.where(count > 0, prices / some, ideal),
            "alpha": jnp.sqrt(off / some) / jnp.maximum(ideal, self.tick),
            "trades": count,
            "surplus": surplus,
            "efficiency": jnp.where(largest > 0, surplus / jnp.where(largest > 0, largest, 1.0), 1.0),
        }

    # --- what agents see -----------------------------------------------------------------------------------------

    def observe(self, state: AuctionState) -> dict[str, Float[Array, "_ _"]]:
        dtype = state.worth.dtype
        bids, asks = self._sides(state.quote)
        bid = self.tick * jnp.maximum(jnp.max(bids), 0).astype(dtype)
        ask = jnp.min(jnp.where(asks == NONE, jnp.iinfo(jnp.int32).max, asks))
        ask = jnp.where(jnp.any(asks != NONE), self.tick * ask.astype(dtype), self.highest)
        shared = [state.time.astype(dtype), bid, ask, state.price]
        time, bid, ask, price = (jnp.broadcast_to(x, state.worth.shape) for x in shared)
        seen = jnp.stack([time, state.worth, state.units.astype(dtype), bid, ask, price], axis=1)
        return {role.name: part for role, part in zip(self.roles, self._sides(seen), strict=True)}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        top, every = self.highest, jnp.maximum(self.units, 1)
        return 2 * observation / jnp.stack([self.horizon, top, every, top, top, top]).astype(observation.dtype) - 1

    def global_state(self, state: AuctionState) -> Float[Array, " features"]:
        dtype = state.worth.dtype
        time = (2 * state.time / self.horizon - 1).astype(dtype)[None]
        quote = jnp.where(state.quote == NONE, -1.0, 2 * self.tick * state.quote / self.highest - 1).astype(dtype)
        worth, units = 2 * state.worth / self.highest - 1, (state.units / self.units).astype(dtype)
        return jnp.concatenate([time, worth, units, quote, state.price[None] / self.highest])

    # --- actions -------------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Quotes at equal distances between their bounds."""
        return jnp.arctanh(FULL * jnp.linspace(-1.0, 1.0, CANDIDATES))[:, None], jnp.asarray(CANDIDATES)

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " size"]
    ) -> Float[Array, " size"]:
        return jnp.arctanh(FULL * (2 * draws - 1))

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        buys, worth, draw = jnp.asarray(role.name == "buyer"), observation[1], draws[0]
        low, high = self._bounds(worth, buys)
        if rule == "truthful":
            wanted = worth
        elif rule == "zero-intelligence":
            wanted = jnp.where(buys, draw * worth, worth + draw * (self.highest - worth))
        elif rule == "unconstrained":
            wanted = draw * self.highest
        elif rule == "linear-equilibrium":
            k, share = self.weight, worth / self.highest
            bid = share / (1 + k) + k * (1 - k) / (2 * (1 + k))
            wanted = self.highest * jnp.where(buys, bid, share / (2 - k) + (1 - k) / 2)
        else:
            return super().follow(rule, role, observation, draws)
        part = jnp.clip((wanted - low) / jnp.maximum(high - low, self.tick), 0.0, 1.0)
        least = 2.0**-23  # the inverse of the largest part would be infinite
        return jnp.arctanh(jnp.clip(2 * part - 1, -1 + least, 1 - least))[None].astype(observation.dtype)


def build(market: "DoubleAuction") -> DoubleAuctionDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    values, costs = market.worths()
    sides = jnp.concatenate([jnp.ones(market.buyers, jnp.int32), -jnp.ones(market.sellers, jnp.int32)])
    return DoubleAuctionDynamics(
        roles=market.roles(),
        drawn=market.schedule == "uniform",
        call=market.trading == "call",
        everybody=market.arrival == "all",
        improving=market.improving,
        clearing=market.clearing,
        constrained=market.constrained,
        worth=single([*values, *costs]),
        sign=sides,
        units=jnp.asarray(market.units, jnp.int32),
        horizon=jnp.asarray(market.steps, jnp.int32),
        weight=single(market.weight),
        highest=single(market.highest),
        tick=single(market.tick),
    )

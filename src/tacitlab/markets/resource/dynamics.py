"""The resource market in motion."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, normal

if TYPE_CHECKING:
    from tacitlab.markets.resource.market import ResourceMarket

LEAST_GROWTH = 1e-3  # of the price in a step of the linear law, which could make it negative
HOLD = {3: 1, 9: 4}  # index of holding with a neutral signal
SIDES = {"hold": 0, "buy-to-limit": 1, "sell-to-limit": -1}


class ResourceState(NamedTuple):
    """Between two steps; agents are numbered through the roles."""

    time: Int[Array, ""]
    price: Float[Array, ""]
    change: Float[Array, ""]
    inventory: Float[Array, " agents"]
    cash: Float[Array, " agents"]
    trade: Float[Array, " agents"]  # the last one
    signal: Float[Array, " agents"]  # the last one: -1, 0 or 1
    heard: Float[Array, " agents"]  # sign of what the others signalled or traded, or noise


class ResourceDynamics(Dynamics):
    """Orders, prices, fills and what they are worth."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    execution: str = eqx.field(static=True)
    linear: bool = eqx.field(static=True)
    valuation: str = eqx.field(static=True)
    explicit: bool = eqx.field(static=True)
    cash_binds: bool = eqx.field(static=True)
    shocks: bool = eqx.field(static=True)
    scrambled: bool = eqx.field(static=True)
    truncates: bool = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    first_price: Float[Array, ""]
    lot: Float[Array, ""]
    alpha: Float[Array, ""]
    volatility: Float[Array, ""]
    band: Float[Array, ""]
    first_inventory: Float[Array, ""]
    first_cash: Float[Array, ""]
    limits: Float[Array, " 2"]  # of the inventory
    scale: Float[Array, " 2"]  # inventories that networks see as -1 and 1
    levels: Float[Array, " 2"]
    shock: Float[Array, ""]
    penalty: Float[Array, ""]

    @property
    def agents(self) -> int:
        return sum(role.agents for role in self.roles)

    def reset(self, key: PRNGKeyArray) -> ResourceState:
        none = jnp.zeros(self.agents)
        held, cash = none + self.first_inventory, none + self.first_cash
        return ResourceState(jnp.zeros((), jnp.int32), self.first_price, jnp.zeros(()), held, cash, none, none, none)

    # --- what agents see -----------------------------------------------------------------------------------------

    def observe(self, state: ResourceState) -> dict[str, Float[Array, "_ _"]]:
        told = state.signal if self.explicit else jnp.sign(state.trade)
        level = jnp.where(state.inventory < self.levels[0], 0.0, jnp.where(state.inventory >= self.levels[1], 2.0, 1.0))
        peers = jnp.maximum(self.agents - 1, 1)
        known = {
            "trend": jnp.where(state.change > self.band, 2.0, jnp.where(state.change < -self.band, 0.0, 1.0)),
            "level": level,
            "signal": 1 + state.heard,
            "time": state.time.astype(jnp.float32),
            "price": state.price,
            "change": state.change,
            "inventory": state.inventory,
            "cash": state.cash,
            "flow": (jnp.sum(state.trade) - state.trade) / (peers * self.lot),
            "rival-inventory": (jnp.sum(state.inventory) - state.inventory) / peers,
            "own-signal": 1 + told,
            "rival-signal": 1 + state.heard,
        }
        found, begin = {}, 0
        for role in self.roles:
            seat = slice(begin, begin + role.agents)
            parts = [jnp.broadcast_to(known[name], (self.agents,))[seat] for name in role.observes]
            found[role.name] = jnp.stack(parts, axis=1)
            begin += role.agents
        return found

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Everything to about [-1, 1]; changes of the price in units of their usual size."""
        usual = jnp.sqrt(self.volatility**2 + (self.alpha * self.lot) ** 2) + 1e-12
        middle, half = self.scale.mean(), jnp.maximum((self.scale[1] - self.scale[0]) / 2, 1e-12)
        scaled = {
            "time": lambda x: 2 * x / self.horizon - 1,
            "price": lambda x: jnp.tanh(jnp.log(x / self.first_price)),
            "change": lambda x: jnp.tanh(x / (2 * usual)),
            "inventory": lambda x: (x - middle) / half,
            "rival-inventory": lambda x: (x - middle) / half,
            "cash": lambda x: x / jnp.maximum(self.first_cash, 1e-12) - 1,
            "flow": lambda x: x,
        }
        seen = zip(role.observes, observation, strict=True)
        return jnp.stack([scaled.get(name, lambda x: x - 1)(x) for name, x in seen])

    def global_state(self, state: ResourceState) -> Float[Array, " features"]:
        middle, half = self.scale.mean(), jnp.maximum((self.scale[1] - self.scale[0]) / 2, 1e-12)
        whole = jnp.stack([2 * state.time / self.horizon - 1, jnp.tanh(jnp.log(state.price / self.first_price))])
        return jnp.concatenate([whole, (state.inventory - middle) / half, state.trade / self.lot, state.signal])

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: ResourceState, actions: Actions) -> tuple[ResourceState, Outcome]:
        chosen = jnp.concatenate([actions[role.name][:, 0] for role in self.roles]).astype(state.trade.dtype)
        side = jnp.floor(chosen / 3) - 1 if self.explicit else chosen - 1
        signal = chosen - 3 * jnp.floor(chosen / 3) - 1 if self.explicit else jnp.zeros_like(chosen)
        trade = jnp.where(self._feasible(state, side), side, 0.0) * self.lot
        draws = jax.random.uniform(key, (1 + self.agents * (self.shocks + self.scrambled),))
        net, noise = jnp.sum(trade), self.volatility * normal(draws[0])
        growth, change, clipped = self._growth(net, noise)
        price, fill = state.price * growth, state.price * self._fill(net)
        held, cash = state.inventory + trade, state.cash - trade * fill
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        if self.valuation == "liquidation":
            gain = price * self.proceeds(held) - state.price * self.proceeds(state.inventory) - trade * fill
        else:
            gain = held * (price - state.price) + trade * (state.price - fill)
        if self.valuation == "final-liquidation":
            gain = gain + jnp.where(over, price * (self.proceeds(held) - held), 0.0)
        held = self._shaken(held, draws)
        gain = gain - self.penalty * price * held**2
        heard = self._heard(signal if self.explicit else trade, draws)
        after = ResourceState(state.time + 1, price, change, held, cash, trade, signal, heard)
        info = self._info(after, side, net) | {"clipped": clipped}
        flags = (no, over) if self.truncates else (over, no)
        return after, Outcome(self._rewards(gain), *flags, info)

    def _heard(self, told: Float[Array, " agents"], draws: Float[Array, " draws"]) -> Float[Array, " agents"]:
        """Sign of what the others told, or noise."""
        if self.scrambled:
            return jnp.floor(3 * draws[-self.agents :]) - 1
        return jnp.sign(jnp.sum(told) - told)

    def _feasible(self, state: ResourceState, side: Float[Array, " agents"]) -> Bool[Array, " agents"]:
        """Whether limits allow an order; a buyer needs the cash for an order that is alone."""
        wanted = state.inventory + side * self.lot
        fits = (wanted >= self.limits[0] - self.lot / 2) & (wanted <= self.limits[1] + self.lot / 2)
        if self.cash_binds:
            fits &= (side <= 0) | (state.cash >= self.lot * state.price * self._fill(self.lot))
        return fits

    def _growth(
        self, net: Float[Array, ""], noise: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """Factor of the price, its change (relative, or of the logarithm), and whether it had to be clipped."""
        if self.linear:
            change = self.alpha * net + noise
            clipped = 1 + change < LEAST_GROWTH
            return jnp.maximum(1 + change, LEAST_GROWTH), change, clipped.astype(jnp.float32)
        change = self.alpha * net + noise - self.volatility**2 / 2
        return jnp.exp(change), change, jnp.zeros(())

    def _fill(self, net: Float[Array, ""]) -> Float[Array, ""]:
        """Price at which orders fill, over the price before."""
        push = self.alpha * net
        after = jnp.maximum(1 + push, LEAST_GROWTH) if self.linear else jnp.exp(push)
        if self.execution == "pre":
            return jnp.ones(())
        if self.execution == "post":
            return after
        if self.execution == "mid":
            return (1 + after) / 2
        return jnp.where(push == 0, 1.0, jnp.expm1(push) / jnp.where(push == 0, 1.0, push))

    def proceeds(self, inventory: Float[Array, " agents"]) -> Float[Array, " agents"]:
        """What selling an inventory lot by lot, alone, brings over the price; negative for a short position."""

        def total(lots: Float[Array, " agents"], order: Float[Array, ""]) -> Float[Array, " agents"]:
            push = self.alpha * order
            rate = jnp.log(jnp.maximum(1 + push, LEAST_GROWTH)) if self.linear else push
            many = jnp.where(rate == 0, lots, jnp.expm1(lots * rate) / jnp.where(rate == 0, 1.0, jnp.expm1(rate)))
            return self.lot * self._fill(order) * many

        lots = jnp.abs(inventory) / self.lot
        return jnp.where(inventory >= 0, total(lots, -self.lot), -total(lots, self.lot))

    def worth(self, inventory: Float[Array, " agents"]) -> Float[Array, " agents"]:
        """What rewards count an inventory for, over the price, but for its sale in a last step."""
        return self.proceeds(inventory) if self.valuation == "liquidation" else inventory

    def _shaken(self, held: Float[Array, " agents"], draws: Float[Array, " draws"]) -> Float[Array, " agents"]:
        """Inventories after endowment shocks."""
        if not self.shocks:
            return held
        chance = draws[1 : 1 + self.agents]
        given = jnp.where(chance < self.shock / 2, 1.0, jnp.where(chance < self.shock, -1.0, 0.0))
        return jnp.clip(held + given * self.lot, self.limits[0], self.limits[1])

    def _rewards(self, gain: Float[Array, " agents"]) -> dict[str, Float[Array, " _"]]:
        found, begin = {}, 0
        for role in self.roles:
            own = gain[begin : begin + role.agents]
            found[role.name] = own - jnp.sum(gain) if role.name == "spoofer" else own
            begin += role.agents
        return found

    def _info(self, after: ResourceState, side: Float[Array, " agents"], net: Float[Array, ""]) -> dict[str, Array]:
        """Quantities; who trades with or against whom is counted in pairs of agents."""
        buyers, sellers = jnp.sum(after.trade > 0).astype(jnp.float32), jnp.sum(after.trade < 0).astype(jnp.float32)
        pairs = max(self.agents * (self.agents - 1) / 2, 1)
        refused = jnp.sum((side != 0) & (after.trade == 0)) / jnp.maximum(jnp.sum(side != 0), 1)
        return {
            "price": after.price,
            "change": after.change,
            "change_square": after.change**2,
            "impact_square": (self.alpha * net) ** 2,
            "sync": (buyers * (buyers - 1) + sellers * (sellers - 1)) / 2 / pairs,
            "offset": buyers * sellers / pairs,
            "both": (buyers + sellers) * (buyers + sellers - 1) / 2 / pairs,
            "turnover": (buyers + sellers) / self.agents,
            "infeasible": refused,
            "trade": after.trade,
            "inventory": after.inventory,
            "cash": after.cash,
            "wealth": after.cash + after.price * self.worth(after.inventory),
        }

    # --- rules ---------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        size = role.actions.size
        if rule == "random":
            return jnp.minimum(jnp.floor(draws[:1] * size), size - 1)
        seen = dict(zip(role.observes, observation, strict=True))
        if rule in SIDES:
            side = jnp.asarray(float(SIDES[rule]))
        elif rule in ("trend-follower", "contrarian"):
            side = (seen["trend"] - 1) * (1 if rule == "trend-follower" else -1)
        elif rule == "rebalance":
            side = 1 - seen["level"] if "level" in seen else jnp.sign(self.levels.mean() - seen["inventory"])
        else:
            return super().follow(rule, role, observation, draws)
        return HOLD[size] + side[None] * (3 if self.explicit else 1)


def build(market: "ResourceMarket") -> ResourceDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    lot, cash = market.quantity, market.cash
    top = market.highest if market.highest is not None else np.inf
    wide = top if np.isfinite(top) else market.inventory + (cash or 0.0) / (market.price * lot)
    return ResourceDynamics(
        roles=market.roles(),
        execution=market.execution,
        linear=market.law == "linear",
        valuation=market.valuation,
        explicit=market.signals == "explicit",
        cash_binds=cash is not None,
        shocks=market.shock > 0,
        scrambled=market.scrambled,
        truncates=market.end == "truncated",
        horizon=market.steps,
        first_price=single(market.price),
        lot=single(lot),
        alpha=single(market.alpha),
        volatility=single(market.volatility),
        band=single(market.band),
        first_inventory=single(market.inventory * lot),
        first_cash=single(cash or 0.0),
        limits=single([market.lowest * lot, top * lot]),
        scale=single([market.lowest * lot, wide * lot]),
        levels=single(np.array(market.levels) * lot),
        shock=single(market.shock),
        penalty=single(market.holding_penalty),
    )

"""Kyle's auctions in motion."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, normal

if TYPE_CHECKING:
    from tacitlab.markets.kyle.market import KyleMarket

PRIOR = 10.0  # auctions of noise alone that a rational maker's first slope is worth
FEATURE_SD = 2.0  # standard deviations that networks see as 1
PLACES = 8  # auctions up to so many have an input each


class KyleState(NamedTuple):
    """Between two auctions."""

    time: Int[Array, ""]
    value: Float[Array, ""]
    price: Float[Array, ""]  # the last one
    products: Float[Array, ""]  # of values and flows: what a rational maker remembers
    squares: Float[Array, ""]  # of flows


class KyleDynamics(Dynamics):
    """Orders, flow, price; an action of size 1 is an order, or a change of slope, of the size that theory has."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    maker: str = eqx.field(static=True)
    each: bool = eqx.field(static=True)  # every auction has a value of its own
    horizon: int = eqx.field(static=True)
    grid: int = eqx.field(static=True)
    first_price: Float[Array, ""]
    value_sd: Float[Array, ""]
    noise_sd: Float[Array, ""]  # in an auction
    order_unit: Float[Array, ""]
    impact_unit: Float[Array, ""]
    regression: Float[Array, ""]  # that a rational maker begins with
    forgetting: Float[Array, ""]  # 1/memory
    habitat: Float[Array, ""]
    weight: Float[Array, ""]  # of inventory
    slopes: Float[Array, " 2"]
    nash: Float[Array, "2 rounds"]  # orders and impacts by auction
    cartel: Float[Array, "2 rounds"]

    @property
    def insiders(self) -> int:
        return self.roles[0].agents

    def reset(self, key: PRNGKeyArray) -> KyleState:
        value = self.first_price + self.value_sd * normal(jax.random.uniform(key))
        squares = PRIOR * self.noise_sd**2
        return KyleState(jnp.zeros((), jnp.int32), value, self.first_price, self.regression * squares, squares)

    # --- what agents see -------------------------------------------------------------------------------------------

    def observe(self, state: KyleState) -> dict[str, Float[Array, "_ _"]]:
        time = state.time.astype(state.value.dtype)
        known = {"value": state.value, "last-price": state.price, "price": state.price, "auction": time}
        found = {}
        for role in self.roles:
            seen = jnp.stack([known[name] for name in role.observes])
            found[role.name] = jnp.broadcast_to(seen, (role.agents, seen.size))
        return found

    def _gap_and_time(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, ""], Int[Array, ""]]:
        """Value less price before the auction, 0 for a maker; and the auction, as a column of the tables."""
        seen = dict(zip(role.observes, observation, strict=True))
        gap = seen["value"] - seen.get("price", self.first_price) if "value" in seen else jnp.zeros(())
        time = seen["auction"].astype(int) if "auction" in seen else jnp.zeros((), int)
        return gap, jnp.clip(time, 0, self.nash.shape[1] - 1)

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """The gap between value and price, and the last price or the auction; for a maker the auction alone.

        Few auctions have a place each, in which the gap stands: what is best now and what is best later are then not
        learned by the same weights.
        """
        seen, scale = dict(zip(role.observes, observation, strict=True)), FEATURE_SD * self.value_sd
        gap, now = self._gap_and_time(role, observation)
        last = self.nash.shape[1] - 1
        time = (2 * now / last - 1 if last else jnp.zeros(()))[None].astype(observation.dtype)
        places = jnp.arange(last + 1) == now if 0 < last < PLACES else jnp.ones(1)
        if "last-price" in seen:
            return jnp.stack([gap, seen["last-price"] - self.first_price]) / scale
        if "value" in seen:
            parts = [gap / scale * places, *([time] if last else [])]
        else:
            parts = [places.astype(observation.dtype) if 0 < last < PLACES else time]
        return jnp.concatenate(parts)

    def global_state(self, state: KyleState) -> Float[Array, " features"]:
        scale = FEATURE_SD * self.value_sd
        time = 2 * state.time / self.horizon - 1
        moves = jnp.stack([state.value - self.first_price, state.price - self.first_price]) / scale
        return jnp.append(moves, jnp.stack([time, self._remembered(state) / self.impact_unit]))

    # --- what happens ----------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: KyleState, actions: Actions) -> tuple[KyleState, Outcome]:
        draws = normal(jax.random.uniform(key, (2,)))
        before = self.first_price if self.each else state.price
        gap = state.value - before
        orders = self.order_unit * actions["insider"][:, 0].astype(gap.dtype)
        flow = jnp.sum(orders) + self.noise_sd * draws[0]
        slope = self._slope(state, actions)
        price = before + slope * flow
        habit = -self.habitat * (price - before)
        error = state.value - price
        profits = orders * error
        rewards, order, profit = {"insider": profits}, orders, profits
        if self.maker == "learning":
            taken = -(flow + habit)
            rewards["maker"] = -(error**2 + self.weight * taken**2)[None]
            order, profit = jnp.append(orders, taken), jnp.append(profits, taken * error)
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        info = {
            "value": state.value, "flow": flow, "price": price, "slope": slope, "error": error**2, "gap": gap,
            "gap_square": gap**2, "flow_square": flow**2, "gap_flow": gap * flow, "order": order,
            "order_gap": order * gap, "profit": profit,
        }  # fmt: skip
        after = self._after(state, price, flow, draws[1])
        return after, Outcome(rewards, *((no, over) if self.each else (over, no)), info)

    def _after(
        self, state: KyleState, price: Float[Array, ""], flow: Float[Array, ""], draw: Float[Array, ""]
    ) -> KyleState:
        if not self.each:
            return state._replace(time=state.time + 1, price=price)
        kept, news = 1 - self.forgetting, state.value - self.first_price
        return KyleState(
            state.time + 1, self.first_price + self.value_sd * draw, price, kept * state.products + news * flow,
            kept * state.squares + flow**2,
        )  # fmt: skip

    def _slope(self, state: KyleState, actions: Actions) -> Float[Array, ""]:
        if self.maker == "learning":
            return self.impact_unit * (1 + actions["maker"][0, 0].astype(state.value.dtype))
        if self.maker == "rational":
            return (self._remembered(state) + self.weight * self.habitat) / (1 + self.weight * self.habitat**2)
        return self.nash[1, jnp.clip(state.time, 0, self.nash.shape[1] - 1)]

    def _remembered(self, state: KyleState) -> Float[Array, ""]:
        """Regression of past values on past flows."""
        return state.products / state.squares

    # --- choices ---------------------------------------------------------------------------------------------------

    def _unit(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, ""]:
        """What the equilibrium's slope does: an order, or a price slope."""
        gap, time = self._gap_and_time(role, observation)
        return self.nash[0, time] * gap if role.name == "insider" else self.nash[1, time]

    def _action(self, role: Role, wanted: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Orders, or price slopes, as actions."""
        return wanted / self.order_unit if role.name == "insider" else wanted / self.impact_unit - 1

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Equally spaced parts of the equilibrium's slope."""
        parts = jnp.linspace(self.slopes[0], self.slopes[1], self.grid)
        return self._action(role, parts * self._unit(role, observation))[:, None], jnp.asarray(self.grid)

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        gap, time = self._gap_and_time(role, observation)
        insider = role.name == "insider"
        if rule == "hold":
            wanted = jnp.zeros_like(gap)
        elif rule == "random":
            part = self.slopes[0] + draws[0] * (self.slopes[1] - self.slopes[0])
            wanted = part * self._unit(role, observation)
        elif rule in ("nash", "cartel"):
            table = self.nash if rule == "nash" else self.cartel
            wanted = table[0, time] * gap if insider else table[1, time]
        elif rule == "truthful":
            impact = self.nash[1, time]
            wanted = gap / (self.insiders * impact) if insider else impact
        else:
            return super().follow(rule, role, observation, draws)
        return self._action(role, wanted)[None]


def build(market: "KyleMarket") -> KyleDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    auction = market.auction
    nash, cartel = market.nash, market.cartel
    regression = market.slope if market.slope is not None else auction.regression(auction.nash().orders)
    return KyleDynamics(
        roles=market.roles(),
        maker=market.maker,
        each=market.values == "each",
        horizon=market.auctions,
        grid=market.grid,
        first_price=single(market.price),
        value_sd=single(market.value_sd),
        noise_sd=single(market.noise_sd / np.sqrt(market.rounds)),
        order_unit=single(auction.order_unit),
        impact_unit=single(auction.impact_unit),
        regression=single(regression),
        forgetting=single(1 / market.memory),
        habitat=single(market.habitat),
        weight=single(market.inventory_weight),
        slopes=single(market.slopes),
        nash=single(np.stack(nash)),
        cartel=single(np.stack(cartel)),
    )

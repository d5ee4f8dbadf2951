"""Markets of quoting makers in motion: customers, fills, inventories, penalties."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, normal
from tacitlab.markets.quoting.market import WIDEST

if TYPE_CHECKING:
    from tacitlab.markets.quoting.market import QuotingMarket


class QuotingState(NamedTuple):
    """Between two steps."""

    time: Int[Array, ""]
    price: Float[Array, ""]
    side: Float[Array, ""]  # of the request that comes: 0 if the client sells, 1 if it buys
    inventory: Float[Array, " makers"]
    cash: Float[Array, " makers"]
    gain: Float[Array, " makers"]  # so far, penalties taken off
    quote: Float[Array, " makers"]  # the last half-spread, mean of both sides


class QuotingDynamics(Dynamics):
    """Quotes, fills and what they are worth."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    requests: bool = eqx.field(static=True)
    logit: bool = eqx.field(static=True)
    expected: bool = eqx.field(static=True)
    tracked: bool = eqx.field(static=True)
    utility: bool = eqx.field(static=True)
    truncates: bool = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    first_price: Float[Array, ""]
    first_inventory: Float[Array, ""]
    arrival: Float[Array, ""]
    decay: Float[Array, ""]
    value: Float[Array, ""]
    mu: Float[Array, ""]
    cost: Float[Array, " makers"]
    cap: Float[Array, ""]
    running: Float[Array, ""]
    terminal: Float[Array, ""]
    volatility: Float[Array, ""]
    risk_aversion: Float[Array, ""]
    base: Float[Array, ""]
    unit: Float[Array, ""]
    grid: Float[Array, " levels"]
    tables: dict[str, Float[Array, "steps states 2"]]  # half-spreads of rules, by own inventory, then the rival's

    @property
    def makers(self) -> int:
        return len(self.cost)

    def reset(self, key: PRNGKeyArray) -> QuotingState:
        none = jnp.zeros(self.makers)
        side = jnp.floor(2 * jax.random.uniform(key)) if self.requests else jnp.zeros(())
        held, middle = none + self.first_inventory, none + self.grid.mean()
        cash = -held * self.first_price  # wealth begins at 0
        return QuotingState(jnp.zeros((), jnp.int32), self.first_price, side, held, cash, none, middle)

    # --- what makers see -----------------------------------------------------------------------------------------

    def observe(self, state: QuotingState) -> dict[str, Float[Array, "_ _"]]:
        peers = max(self.makers - 1, 1)
        known = {
            "side": state.side,
            "time": state.time.astype(state.price.dtype),
            "inventory": state.inventory,
            "rival-inventory": (jnp.sum(state.inventory) - state.inventory) / peers,
            "own-quote": state.quote,
            "rival-quote": (jnp.sum(state.quote) - state.quote) / peers,
        }
        (role,) = self.roles
        parts = [jnp.broadcast_to(known[name], (self.makers,)) for name in role.observes]
        return {role.name: jnp.stack(parts, axis=1)}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        half = jnp.maximum((self.grid[-1] - self.grid[0]) / 2, 1e-6 * self.unit)
        scaled = {
            "side": lambda x: 2 * x - 1,
            "time": lambda x: 2 * x / self.horizon - 1,
            "inventory": lambda x: x / self.cap,
            "rival-inventory": lambda x: x / self.cap,
            "own-quote": lambda x: (x - self.grid.mean()) / half,
            "rival-quote": lambda x: (x - self.grid.mean()) / half,
        }
        return jnp.stack([scaled[name](x) for name, x in zip(role.observes, observation, strict=True)])

    def global_state(self, state: QuotingState) -> Float[Array, " features"]:
        whole = jnp.stack([2 * state.time / self.horizon - 1, 2 * state.side - 1])
        held = state.inventory / self.cap if self.tracked else state.inventory
        return jnp.concatenate([whole, held, (state.quote - self.base) / self.unit])

    # --- what they may do ----------------------------------------------------------------------------------------

    def half_spreads(self, actions: Float[Array, "makers size"]) -> Float[Array, "makers 2"]:
        """Of bids and asks; a single quote stands for both sides, of which one is asked for."""
        return jnp.broadcast_to(self.base + self.unit * actions, (self.makers, 2))

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All pairs of half-spreads of the grid, or all single ones."""
        one = (self.grid - self.base) / self.unit
        sides = [one] * role.actions.size
        found = jnp.stack([x.ravel() for x in jnp.meshgrid(*sides, indexing="ij")], axis=1)
        return found, jnp.asarray(len(found))

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: QuotingState, actions: Actions) -> tuple[QuotingState, Outcome]:
        (role,) = self.roles
        draws = jax.random.uniform(key, (4,)).astype(state.price.dtype)
        quotes = self.half_spreads(actions[role.name].astype(state.price.dtype))
        feasible = self._feasible(state.inventory)
        chance = self.chances(quotes, feasible)
        if self.requests:
            chance = chance * (jnp.arange(2) == state.side)
        below = jnp.cumsum(chance, axis=0)
        fills = chance if self.expected else ((draws[:2] < below) & (draws[:2] >= below - chance)).astype(chance.dtype)
        trade = fills[:, 0] - fills[:, 1]
        earned = jnp.sum(fills * (quotes - self.cost[:, None]), axis=1)
        held = state.inventory + trade if self.tracked else state.inventory
        change = self.volatility * normal(draws[2])
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        penalty = (self.running + jnp.where(over, self.terminal, 0.0)) * held**2
        gain = state.gain + earned + held * change - penalty
        # What is not held is hedged at the mid price.
        cash = state.cash + earned - (held - state.inventory) * state.price
        side = jnp.floor(2 * draws[3]) if self.requests else state.side
        told = quotes.mean(axis=1)
        after = QuotingState(state.time + 1, state.price + change, side, held, cash, gain, told)
        rewards = self._worth(gain) - self._worth(state.gain) if self.utility else earned + held * change - penalty
        flags = (no, over) if self.truncates else (over, no)
        return after, Outcome({role.name: rewards}, *flags, self._info(after, quotes, feasible, trade, fills))

    def _feasible(self, inventory: Float[Array, " makers"]) -> Bool[Array, "makers 2"]:
        """Which bids and asks inventories allow."""
        return jnp.stack([inventory < self.cap - 0.5, inventory > 0.5 - self.cap], axis=1)

    def chances(self, quotes: Float[Array, "makers 2"], feasible: Bool[Array, "makers 2"]) -> Float[Array, "makers 2"]:
        """Probability of a trade of each maker on each side; of a request, on the side that it comes to."""
        if self.logit:
            utility = jnp.where(feasible, (self.value - quotes) / self.mu, -jnp.inf)
            top = jnp.maximum(jnp.max(utility, axis=0), 0.0)
            weight = jnp.exp(utility - top)
            return self.arrival * weight / (jnp.sum(weight, axis=0) + jnp.exp(-top))
        offered = jnp.where(feasible, quotes, jnp.inf)
        best = jnp.min(offered, axis=0)
        wins = ((offered == best) & feasible).astype(quotes.dtype)
        comes = jnp.minimum(self.arrival * jnp.exp(-self.decay * best), 1.0)
        return comes * wins / jnp.maximum(jnp.sum(wins, axis=0), 1.0)

    def _worth(self, gain: Float[Array, " makers"]) -> Float[Array, " makers"]:
        return -jnp.expm1(-self.risk_aversion * gain) / self.risk_aversion

    def _info(
        self, after: QuotingState, quotes: Array, feasible: Array, trade: Array, fills: Array
    ) -> dict[str, Array]:
        wide = self.base + WIDEST * self.unit
        sides = jnp.sum(jnp.where(feasible, quotes, 0.0), axis=1) / jnp.sum(feasible, axis=1)
        best = jnp.min(jnp.where(feasible, quotes, wide), axis=0)
        return {
            "price": after.price,
            "spread": jnp.sum(best),
            "volume": jnp.sum(fills),
            "bid": quotes[:, 0],
            "ask": quotes[:, 1],
            "half_spread": sides,
            "trade": trade,
            "inventory": after.inventory,
            "wealth": after.cash + after.inventory * after.price,
        }

    # --- rules ---------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule == "random":
            one = (self.grid - self.base) / self.unit
            drawn = draws[: role.actions.size] * len(one)
            return one[jnp.minimum(jnp.floor(drawn).astype(int), len(one) - 1)]
        if rule not in self.tables:
            return super().follow(rule, role, observation, draws)
        seen, table = dict(zip(role.observes, observation, strict=True)), self.tables[rule]
        zero, cap = jnp.zeros(()), jnp.where(self.tracked, self.cap, 0.0)
        time = jnp.clip(seen.get("time", zero), 0, len(table) - 1).astype(int)
        place = jnp.round(seen.get("inventory", zero) + cap)
        if "rival-inventory" in seen and self.tracked and self.makers == 2:
            place = place * (2 * cap + 1) + jnp.round(seen["rival-inventory"] + cap)
        quotes = table[time, jnp.clip(place.astype(int), 0, table.shape[1] - 1)]
        if self.requests:
            quotes = quotes[jnp.where(seen.get("side", zero) > 0.5, 1, 0)][None]
        return jnp.clip((quotes - self.base) / self.unit, -WIDEST, WIDEST)


def build(market: "QuotingMarket") -> QuotingDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    game, scale = market.game, market.scale
    return QuotingDynamics(
        roles=market.roles(),
        requests=game.requests,
        logit=game.fills == "logit",
        expected=market.expected_fills,
        tracked=game.cap is not None,
        utility=game.risk_aversion > 0,
        truncates=market.end == "truncated",
        horizon=game.steps,
        first_price=single(market.first_price),
        first_inventory=single(game.start),
        arrival=single(game.arrival),
        decay=single(game.decay),
        value=single(game.value),
        mu=single(game.mu),
        cost=single(game.cost),
        cap=single(np.inf if game.cap is None else game.cap),
        running=single(game.running),
        terminal=single(game.terminal),
        volatility=single(game.volatility),
        risk_aversion=single(game.risk_aversion),
        base=single(scale.base),
        unit=single(scale.unit),
        grid=single(market.candidates()),
        tables={name: single(quotes[:, :, 0]) for name, quotes in market.tables().items()},
    )

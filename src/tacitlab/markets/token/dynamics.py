"""The token economy in motion: cash, tokens, reserve, prices, values."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, normal
from tacitlab.markets.token.clearing import Clearing, Fills, Quote, affordable
from tacitlab.markets.token.curves import Curves
from tacitlab.markets.token.parts import FactorLaw, Preferences, RewardWeights
from tacitlab.markets.token.pricing import Flows, PriceLaw, curve_factor

FULL = 0.995  # of the largest order: what a candidate or a rule orders at most, as the hyperbolic tangent of an action
SIZES = 9  # of orders that value-based learners compare
SHARPNESS = 2.5  # with which networks see prices: a tenth more is about a quarter
PAIRS = 200  # agents up to which comparing all pairs is faster than sorting
MISSED = 1e-3  # of the largest order: an order that misses more than this was not filled
ROUNDING = 256  # last digits of an account that rounding of some hundred steps explains
LEAST_PRICE = 1e-6  # in initial prices: a price below it counts as this much in logarithms


class TokenState(NamedTuple):
    """Between two steps."""

    step: Int[Array, ""]
    cash: Float[Array, " agents"]
    holdings: Float[Array, "agents assets"]
    supply: Float[Array, " assets"]
    treasury: Float[Array, " assets"]  # tokens
    money: Float[Array, " 3"]  # reserve, fees, the treasury's cash
    granted: Float[Array, ""]  # all money there should be
    price: Float[Array, " assets"]
    premium: Float[Array, " assets"]
    noise: Float[Array, " assets"]
    factor: Float[Array, " assets"]
    values: Float[Array, "agents assets"]
    trades: Float[Array, "agents assets"]
    returns: Float[Array, "lags assets"]  # the last one first


class Chance(NamedTuple):
    """The random numbers of a step."""

    factor: Float[Array, " assets"]
    noise: Float[Array, " assets"]
    price: Float[Array, "normals assets"]
    values: Float[Array, "agents assets"]
    order: Float[Array, " agents"]  # uniform


class Seen(NamedTuple):
    """An observation, or one as features, taken apart."""

    cash: Float[Array, ""]
    holdings: Float[Array, " assets"]
    price: Float[Array, " assets"]
    supply: Float[Array, " assets"]
    factor: Float[Array, " assets"]
    value: Float[Array, " assets"]
    returns: Float[Array, "lags assets"]


class TokenDynamics(Dynamics):
    """Orders, fills along the curve, mint and burn, the next price; then agents are rewarded."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    observed: tuple[str, ...] = eqx.field(static=True)
    free_tokens: bool = eqx.field(static=True)
    bonding: Curves
    exchange: Clearing
    price_law: PriceLaw
    factor_law: FactorLaw
    preferences: Preferences
    rewards: RewardWeights
    regard: Float[Array, ""]
    start: TokenState
    horizon: Int[Array, ""]
    largest: Float[Array, ""]
    exit_tax: Float[Array, ""]
    income: Float[Array, ""]
    noise: Float[Array, " assets"]
    peer_strength: Float[Array, ""]
    return_scale: Float[Array, " assets"]

    @property
    def agents(self) -> int:
        return len(self.start.cash)

    @property
    def assets(self) -> int:
        return len(self.start.supply)

    # --- the game ----------------------------------------------------------------------------------------------

    def reset(self, key: PRNGKeyArray) -> TokenState:
        return self.start._replace(
            values=self.preferences.first(normal(jax.random.uniform(key, self.start.values.shape)))
        )

    def step(self, key: PRNGKeyArray, state: TokenState, actions: Actions) -> tuple[TokenState, Outcome]:
        chance = self._chance(key)
        wanted = self._orders(state, actions[self.roles[0].name])
        fills = self.exchange.fill(self.bonding, self._quote(state), wanted, state.cash, state.holdings, chance.order)
        fills, unpaid = fills.within(state.money[0])
        settled = self._mint(self._settle(state, fills), state.factor)
        after = self._prices(state, settled, wanted, fills, chance)
        after = after._replace(values=self.preferences.after(state.values, chance.values))
        earned = self._rewards(state, after, fills)
        info = self._info(state, after, wanted, fills) | {"unpaid": unpaid}
        over = after.step >= self.horizon
        return after, Outcome({self.roles[0].name: earned}, jnp.zeros((), bool), over, info)

    def _chance(self, key: PRNGKeyArray) -> Chance:
        agents, assets, normals = self.agents, self.assets, self.price_law.normals
        sizes = [assets, assets, normals * assets, agents * assets]
        turns = agents if self.exchange.clearing == "sequential" else 0
        draws = jax.random.uniform(key, (sum(sizes) + turns,))
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        factor, noise, price, values, _ = jnp.split(normal(draws), ends)
        return Chance(factor, noise, price.reshape(normals, assets), values.reshape(agents, assets), draws[ends[-1] :])

    def _orders(self, state: TokenState, actions: Float[Array, "agents size"]) -> Float[Array, "agents assets"]:
        """Orders in tokens: the action, what the others' last trades add, and what the factors add."""
        if isinstance(self.roles[0].actions, Discrete):
            digits = jnp.floor_divide(jnp.round(actions).astype(int), 3 ** jnp.arange(self.assets)) % 3
            parts = (digits - 1).astype(state.cash.dtype)
        else:
            parts = jnp.tanh(actions.astype(state.cash.dtype))
        others = (state.trades.sum(axis=0) - state.trades) / (self.agents - 1)
        taken_over = 0.0 if self.free_tokens else self.peer_strength * others / self.largest
        return self.largest * jnp.clip(parts + taken_over + self.factor_law.demand * state.factor, -1, 1)

    def _quote(self, state: TokenState) -> Quote:
        factor = curve_factor(state.premium, self.factor_law.premium * state.factor)
        return Quote(state.price, state.supply, factor, state.noise)

    def _settle(self, state: TokenState, fills: Fills) -> TokenState:
        """Tokens change hands for money, fees and taxes included; income comes in."""
        fees, taxes = self._charges(fills)
        holdings = state.holdings + fills.trades
        if self.free_tokens:
            holdings += self.peer_strength * (fills.trades.sum(axis=0) - fills.trades)
        return state._replace(
            step=state.step + 1,
            cash=state.cash - (fills.paid + fees + taxes).sum(axis=1) + self.income,
            holdings=holdings,
            supply=jnp.maximum(state.supply + fills.trades.sum(axis=0), 0),
            money=state.money + jnp.stack([fills.paid.sum(), fees.sum(), taxes.sum()]),
            granted=state.granted + self.agents * self.income,
            trades=fills.trades,
        )

    def _charges(self, fills: Fills) -> tuple[Float[Array, "agents assets"], Float[Array, "agents assets"]]:
        """Fees and exit taxes."""
        return self.exchange.fee * jnp.abs(fills.paid), self.exit_tax * jnp.maximum(-fills.paid, 0)

    def _mint(self, state: TokenState, factor: Float[Array, " assets"]) -> TokenState:
        """The treasury mints or burns tokens along the curve, as far as its own, its cash and the capacity go."""
        wanted = self.factor_law.mint * factor * state.supply
        room = jnp.maximum(self.exchange.largest_supplies - state.supply, 0)
        wanted = jnp.clip(wanted, -jnp.minimum(state.treasury, state.supply), room)
        costs = jnp.maximum(self.bonding.average(state.supply, wanted) * wanted, 0)
        part = jnp.where(self.factor_law.backed > 0, affordable(state.money[2:], costs[None])[0], 1.0)
        minted = jnp.where(wanted > 0, part, 1.0) * wanted
        paid = self.factor_law.backed * (self.bonding.average(state.supply, minted) * minted).sum()
        paid = jnp.maximum(paid, -jnp.maximum(state.money[0], 0))
        return state._replace(
            supply=state.supply + minted,
            treasury=state.treasury + minted,
            money=state.money + paid * jnp.array([1.0, 0.0, -1.0]),
        )

    def _prices(
        self, before: TokenState, settled: TokenState, wanted: Float[Array, "agents assets"], fills: Fills,
        chance: Chance,
    ) -> TokenState:  # fmt: skip
        """Factors, premium, noise and price after a step."""
        flows = Flows(
            before.supply, settled.supply, jnp.maximum(fills.trades, 0).sum(axis=0), fills.trades.sum(axis=0),
            (wanted - fills.trades).sum(axis=0),
        )  # fmt: skip
        factor = self.factor_law.after(before.step, before.factor, chance.factor)
        premium, noise = self.price_law.premium(before.premium, flows), self.noise * chance.noise
        times = curve_factor(premium, self.factor_law.premium * factor)
        price = self.price_law.price(self.bonding, before.price, times, noise, flows, chance.price)
        least = LEAST_PRICE * self.start.price
        now = jnp.log(jnp.maximum(price, least) / jnp.maximum(before.price, least))
        returns = jnp.concatenate([now[None], before.returns[:-1]])
        return settled._replace(price=price, premium=premium, noise=noise, factor=factor, returns=returns)

    def _rewards(self, before: TokenState, after: TokenState, fills: Fills) -> Float[Array, " agents"]:
        """Gains are computed without cash itself, in whose rounding they could get lost."""
        costs = (fills.paid + sum(self._charges(fills))).sum(axis=1)
        gain = self._worth(after) - self._worth(before) - costs
        utility = self.preferences.flow(before.values, after.holdings, after.price)
        changes = {"relative": after.returns[0], "literal": after.price - before.price}[self.rewards.changes]
        own = self.rewards.profit * gain + utility
        unstable = jnp.abs(changes).sum()
        return own + self.regard * (own.sum() - own) - self.rewards.stability * unstable

    def wealth(self, state: TokenState) -> Float[Array, " agents"]:
        """Cash and the value of holdings."""
        return state.cash + self._worth(state)

    def _worth(self, state: TokenState) -> Float[Array, " agents"]:
        """The value of holdings: marked to market, or their share of the reserve."""
        each = self.bonding.share(state.supply) if self.rewards.wealth == "liquidation" else state.price
        return state.holdings @ each

    def _info(
        self, before: TokenState, after: TokenState, wanted: Float[Array, "agents assets"], fills: Fills
    ) -> dict[str, Array]:
        """Quantities by name, accounting errors included."""
        preferences, price = self.preferences, after.price
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
        suffixes = [""] if self.assets == 1 else [f"-{a + 1}" for a in range(self.assets)]
        info = {f"{name}{s}": x[..., a] for name, x in by_asset.items() for a, s in enumerate(suffixes)}
        tokens, wealth = after.holdings.sum(axis=0) + after.treasury, self.wealth(after)
        backed = self.bonding.reserve(after.supply).sum()
        return info | {
            "cash": after.cash,
            "wealth": wealth,
            "utility": preferences.flow(before.values, after.holdings, price),
            "welfare": preferences.service(before.values, after.holdings).sum(),
            "gini": gini(wealth),
            "clipped": (jnp.abs(wanted - fills.trades) > MISSED * self.largest).sum().astype(after.cash.dtype),
            "money_error": beyond_rounding(after.cash.sum() + after.money.sum() - after.granted, after.granted),
            "token_error": beyond_rounding((tokens - after.supply).sum(), after.supply.sum() + self.start.supply.sum()),
            "reserve_gap": beyond_rounding(after.money[0] - backed, backed + self.start.money[0]),
        }

    # --- what agents see ---------------------------------------------------------------------------------------

    def observe(self, state: TokenState) -> dict[str, Float[Array, "agents observation"]]:
        shared = {"price": state.price, "supply": state.supply, "factor": state.factor}
        parts = {"holdings": state.holdings, "value": state.values}
        parts |= {name: jnp.broadcast_to(x, state.holdings.shape) for name, x in shared.items()}
        returns = jnp.broadcast_to(state.returns.ravel(), (self.agents, state.returns.size))
        columns = [state.cash[:, None], *(parts[name] for name in self.observed), returns]
        return {self.roles[0].name: jnp.concatenate(columns, axis=1)}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Each number relative to its usual size, squeezed into [-1, 1]."""
        seen = self._split(observation)._asdict()
        return jnp.concatenate(
            [self._scaled(name, jnp.ravel(seen[name])) for name in ("cash", *self.observed, "returns")]
        )

    def global_state(self, state: TokenState) -> Float[Array, " features"]:
        own = {"cash": state.cash, "holdings": state.holdings.ravel()}
        if "value" in self.observed:
            own["value"] = state.values.ravel()
        shared = {
            "price": state.price,
            "supply": state.supply,
            "factor": state.factor,
            "returns": state.returns.ravel(),
        }
        scaled = [self._scaled(name, x) for name, x in (own | shared).items()]
        return jnp.concatenate([2 * state.step[None] / self.horizon - 1, *scaled])

    def _scaled(self, name: str, x: Float[Array, " numbers"]) -> Float[Array, " numbers"]:
        """Numbers for each asset again and again, or for each agent, as a network takes them."""
        if name == "factor":
            return jnp.tanh(x)
        if name == "returns":
            return jnp.tanh(x / jnp.tile(self.return_scale, len(x) // self.assets))
        wealth = (self.start.cash + self.start.holdings @ self.start.price).mean()
        usual = {"cash": wealth[None], "holdings": self.start.supply / self.agents, "supply": self.start.supply}
        size = usual.get(name, self.start.price)
        ratio = jnp.maximum(x / jnp.tile(size, len(x) // len(size)), LEAST_PRICE)
        return jnp.tanh(jnp.log(ratio) * (0.5 if name in ("cash", "holdings") else SHARPNESS))

    def _split(self, observation: Float[Array, " observation"]) -> Seen:
        """An observation by names; what is not seen is 0."""
        count, parts = self.assets, {name: jnp.zeros(self.assets) for name in ("factor", "value")}
        for k, name in enumerate(self.observed):
            parts[name] = observation[1 + k * count : 1 + (k + 1) * count]
        returns = observation[1 + len(self.observed) * count :].reshape(-1, count)
        return Seen(cash=observation[0], returns=returns, **parts)

    # --- actions -----------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All ternary orders; else some sizes of order, or with several assets the largest in one of them."""
        if isinstance(role.actions, Discrete):
            return super().candidates(role, observation)
        if self.assets == 1:
            parts = jnp.linspace(-1.0, 1.0, SIZES)[:, None]
        else:
            one = jnp.eye(self.assets)
            parts = jnp.concatenate([jnp.zeros((1, self.assets)), one, -one])
        return jnp.arctanh(FULL * parts), jnp.asarray(len(parts))

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " size"]
    ) -> Float[Array, " size"]:
        """Any possible order, each as likely."""
        if isinstance(role.actions, Discrete):
            return super().explore(role, observation, draws)
        return jnp.arctanh(FULL * (2 * draws - 1))

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if isinstance(role.actions, Discrete) and rule == "random":  # one draw must do for all assets
            return self.any_candidate(role, observation, draws[0])
        seen = self._split(observation)
        gain = self.preferences.gain(seen.value, seen.holdings, seen.price)
        parts = order(
            rule, seen, gain, self.preferences.curvature, self.largest, jnp.broadcast_to(draws[1:], (self.assets,))
        )
        if isinstance(role.actions, Discrete):
            digits = jnp.sign(parts) if rule == "zero-intelligence" else jnp.round(parts)
            return jnp.sum((digits + 1) * 3.0 ** jnp.arange(self.assets))[None]
        return jnp.arctanh(FULL * parts)


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

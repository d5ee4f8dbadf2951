"""Glosten and Milgrom's dealers in motion."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Continuous, Discrete, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome

if TYPE_CHECKING:
    from tacitlab.markets.glosten_milgrom.market import GlostenMilgrom

BELIEFS = 2001  # at which quotes of the rules are tabulated
SURE = 1e-6  # a belief keeps so far from 0 and 1
CANDIDATES = (21, 9)  # of a quote that is any number: with one part, and for each of two


class GlostenMilgromState(NamedTuple):
    """Between two customers."""

    time: Int[Array, ""]
    high: Float[Array, ""]  # 1: the value of the episode is the high one
    belief: Float[Array, ""]
    last: Float[Array, ""]  # best quote of the last step: its number, or the half-spread


class Visit(NamedTuple):
    """What a customer did, given the best quotes."""

    value: Float[Array, ""]
    side: Float[Array, ""]  # 1: buys, -1: sells, 0: goes
    informed: Float[Array, ""]
    earned: Float[Array, ""]  # by the dealers together


class GlostenMilgromDynamics(Dynamics):
    """Quotes, a customer, who trades with him, and what that tells."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    once: bool = eqx.field(static=True)
    expected: bool = eqx.field(static=True)
    remembers: bool = eqx.field(static=True)
    elastic: bool = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    mu: Float[Array, ""]
    reach: Float[Array, ""]
    reservation: Float[Array, ""]
    widest: Float[Array, ""]
    tick: Float[Array, ""]
    count: Int[Array, ""]  # half-spreads that may be quoted
    named: Int[Array, " 2"]  # numbers of the zero-profit and the monopoly half-spread
    markups: Float[Array, "2 beliefs"]  # zero-profit and monopoly markups of an ask, by belief

    @property
    def discrete(self) -> bool:
        return isinstance(self.roles[0].actions, Discrete)

    def reset(self, key: PRNGKeyArray) -> GlostenMilgromState:
        high = (jax.random.uniform(key) < 0.5).astype(self.mu.dtype)
        nothing = self.count.astype(self.mu.dtype) if self.discrete else self.widest
        return GlostenMilgromState(jnp.zeros((), jnp.int32), high, jnp.full_like(self.mu, 0.5), nothing)

    # --- what dealers see ------------------------------------------------------------------------------------------

    def observe(self, state: GlostenMilgromState) -> dict[str, Float[Array, "_ _"]]:
        seen = state.belief if self.once else state.last if self.remembers else jnp.zeros_like(self.mu)
        return {self.roles[0].name: jnp.broadcast_to(seen, (self.roles[0].agents, 1))}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """From -1 to 1."""
        if self.once:
            return 2 * observation - 1
        if not self.remembers:
            return observation
        return 2 * observation / (role.actions.size - 1 if self.discrete else self.widest) - 1

    def global_state(self, state: GlostenMilgromState) -> Float[Array, " features"]:
        role = self.roles[0]
        seen = self.features(role, self.observe(state)[role.name][0])
        return jnp.append(seen, 2 * state.time / self.horizon - 1)

    # --- what happens ----------------------------------------------------------------------------------------------

    def step(
        self, key: PRNGKeyArray, state: GlostenMilgromState, actions: Actions
    ) -> tuple[GlostenMilgromState, Outcome]:
        role = self.roles[0]
        asks, bids = self._quotes(actions[role.name].astype(self.mu.dtype))
        ask, bid = jnp.min(asks), jnp.min(bids)
        visit = self._visit(jax.random.uniform(key, (4,)), state, ask, bid)
        best = jnp.where(visit.side >= 0, asks == ask, bids == bid)
        share = best / jnp.sum(best)
        profit = share * visit.earned
        rewards = share * self._expected(ask) if self.expected else profit
        belief = self._belief(state, visit.side, ask, bid) if self.once else state.belief
        last = jnp.minimum(jnp.min(actions[role.name]), self.count).astype(self.mu.dtype) if self.discrete else ask
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        after = GlostenMilgromState(state.time + 1, state.high, belief, last)
        quotes = (jnp.minimum(asks, self.widest) + jnp.minimum(bids, self.widest)) / 2
        info = {
            "half_spread": (jnp.minimum(ask, self.widest) + jnp.minimum(bid, self.widest)) / 2,
            "value": visit.value,
            "side": visit.side,
            "traded": jnp.abs(visit.side),
            "informed": visit.informed,
            "belief": belief,
            "belief_error": ((visit.value > 0) - belief) ** 2,
            "quote": quotes,
            "quote_square": quotes**2,
            "profit": profit,
        }
        flags = (over, no) if self.once else (no, over)
        return after, Outcome({role.name: rewards}, *flags, info)

    def _quotes(
        self, actions: Float[Array, "dealers size"]
    ) -> tuple[Float[Array, " dealers"], Float[Array, " dealers"]]:
        """How far asks lie above the expected value, and bids below; infinite: no quote."""
        if self.discrete:
            quotes = jnp.where(actions[:, 0] < self.count, (actions[:, 0] + 1) * self.tick, jnp.inf)
            return quotes, quotes
        quotes = jnp.clip((1 + actions) / 2, 0, 1) * self.widest
        return quotes[:, 0], quotes[:, -1]

    def _visit(
        self, draws: Float[Array, " 4"], state: GlostenMilgromState, ask: Float[Array, ""], bid: Float[Array, ""]
    ) -> Visit:
        high = state.high if self.once else (draws[0] < 0.5).astype(self.mu.dtype)
        value, mean = self.reach * (2 * high - 1), self._mean(state.belief)
        knows, wants = draws[1] < self.mu, jnp.where(draws[2] < 0.5, 1.0, -1.0)
        markup = jnp.where(wants > 0, ask, bid)
        patient = self.reservation * draws[3] > markup if self.elastic else jnp.isfinite(markup)
        news = jnp.where(value > mean + ask, 1.0, jnp.where(value < mean - bid, -1.0, 0.0))
        side = jnp.where(knows, news, wants * patient)
        paid = jnp.where(side > 0, mean + ask - value, jnp.where(side < 0, value - mean + bid, 0.0))
        return Visit(value, side, knows.astype(self.mu.dtype), paid)

    def _mean(self, belief: Float[Array, ""]) -> Float[Array, ""]:
        """The expected value."""
        return self.reach * (2 * belief - 1)

    def _demand(self, markup: Float[Array, ""]) -> Float[Array, ""]:
        """Probability that a noise trader accepts."""
        if not self.elastic:
            return jnp.isfinite(markup).astype(self.mu.dtype)
        return jnp.clip(1 - markup / self.reservation, 0, 1)

    def _expected(self, spread: Float[Array, ""]) -> Float[Array, ""]:
        """What dealers earn together on average at a half-spread."""
        none = jnp.isinf(spread)
        s = jnp.where(none, 0.0, spread)
        earned = (1 - self.mu) * s * self._demand(s) + self.mu * jnp.minimum(s - self.reach, 0)
        return jnp.where(none, 0.0, earned)

    def _belief(
        self, state: GlostenMilgromState, side: Float[Array, ""], ask: Float[Array, ""], bid: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Bayes' rule, for those who know the quotes and who may come."""
        mean, noise = self._mean(state.belief), (1 - self.mu) / 2

        def chance(value: Float[Array, ""]) -> Float[Array, ""]:
            buys = self.mu * (value > mean + ask) + noise * self._demand(ask)
            sells = self.mu * (value < mean - bid) + noise * self._demand(bid)
            return jnp.where(side > 0, buys, jnp.where(side < 0, sells, 1 - buys - sells))

        high, low = state.belief * chance(self.reach), (1 - state.belief) * chance(-self.reach)
        told = high + low > 0
        found = jnp.where(told, high / jnp.where(told, high + low, 1.0), state.belief)
        return jnp.clip(found, SURE, 1 - SURE)

    # --- choices ---------------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All half-spreads, and no quote; of those that are any number, equally spaced ones."""
        if self.discrete:
            return jnp.arange(role.actions.size, dtype=self.mu.dtype)[:, None], self.count + 1
        parts = jnp.linspace(-1.0, 1.0, CANDIDATES[role.actions.size - 1])
        pairs = jnp.stack(jnp.meshgrid(*[parts] * role.actions.size, indexing="ij"), axis=-1)
        found = pairs.reshape(-1, role.actions.size)
        return found, jnp.asarray(len(found))

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule not in ("hold", "random", "zero-profit", "monopoly"):
            return super().follow(rule, role, observation, draws)
        size, which = role.actions.size, 0 if rule == "zero-profit" else 1
        if self.discrete:
            if rule == "hold":
                return self.count.astype(self.mu.dtype)[None]
            if rule == "random":
                return jnp.minimum(jnp.floor(draws[:1] * self.count), self.count - 1)
            return self.named[which].astype(self.mu.dtype)[None]
        if rule == "hold":
            return jnp.ones(size)
        if rule == "random":
            return 2 * draws[:size] - 1
        belief = observation[0] if self.once else jnp.full_like(self.mu, 0.5)
        beliefs = jnp.linspace(0.0, 1.0, self.markups.shape[1])
        markups = [jnp.interp(p, beliefs, self.markups[which]) for p in (belief, 1 - belief)[:size]]
        return 2 * jnp.stack(markups) / self.widest - 1


def build(market: "GlostenMilgrom") -> GlostenMilgromDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    theory, once = market.theory, market.values == "once"
    finite = market.reservation is not None
    # Around a belief an informed customer gains up to twice the reach.
    most = max(market.reservation or 0.0, 2 * market.reach) if once else theory.widest
    beliefs = np.linspace(0, 1, BELIEFS if isinstance(market.roles()[0].actions, Continuous) else 1)
    named = [market.spreads.index(s) for s in (market.zero_profit, market.monopoly)] if market.spreads else [0, 0]
    return GlostenMilgromDynamics(
        roles=market.roles(),
        once=once,
        expected=market.payoffs == "expected",
        remembers=market.observes == "last-quote",
        elastic=finite,
        horizon=market.customers,
        mu=single(market.informed),
        reach=single(market.reach),
        reservation=single(market.reservation if market.reservation is not None else 1.0),
        widest=single(most),
        tick=single(market.tick or 1.0),
        count=jnp.asarray(len(market.spreads), jnp.int32),
        named=jnp.asarray(named, jnp.int32),
        markups=single(np.stack([theory.markup(beliefs), theory.monopoly_markup(beliefs)])),
    )

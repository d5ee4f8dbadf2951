"""The team portfolio in motion: signals, weights, what they earn, risk and cost."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import NDArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome
from tacitlab.markets.portfolio import theory as static
from tacitlab.markets.portfolio import trading
from tacitlab.markets.portfolio.market import linear_optimum

if TYPE_CHECKING:
    from tacitlab.markets.portfolio.market import Portfolio

Floats = NDArray[np.float64]
OWN_RULES = ("independent", "radner")


class PortfolioState(NamedTuple):
    """Between two steps."""

    time: Int[Array, ""]
    signal: Float[Array, " sectors"]  # expected returns of this step
    seen: Float[Array, " sectors"]  # the same, noise included
    holding: Float[Array, " sectors"]  # weights of the step before


class PortfolioDynamics(Dynamics):
    """Everybody chooses a weight; returns are drawn; signals come back towards their mean."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    pooled: bool = eqx.field(static=True)  # managers see all signals
    costly: bool = eqx.field(static=True)
    alike: bool = eqx.field(static=True)
    grid: int = eqx.field(static=True)
    shared: Bool[Array, ""]  # everybody is paid for the team
    realised: Float[Array, ""]  # 1: returns count with their noise; 0: without
    reach: Float[Array, ""]
    unit: Float[Array, " sectors"]  # weight of an action of 1
    deviation: Float[Array, " sectors"]  # of what is seen
    persistence: Float[Array, " sectors"]
    first: Float[Array, "sectors sectors"]  # roots of covariances: of signals, innovations and returns' noise
    fresh: Float[Array, "sectors sectors"]
    shock: Float[Array, "sectors sectors"]
    noise: Float[Array, " sectors"]  # of observations
    risk: Float[Array, "sectors sectors"]  # risk aversion times covariance
    cost: Float[Array, " sectors"]
    own_gains: Float[Array, "rules 2 steps sectors"]  # of the scripted rules: weight for signal and for holding
    pooled_gains: Float[Array, "2 steps sectors sectors"]  # own sector first, then the next ones, around the circle

    @property
    def sectors(self) -> int:
        return self.roles[0].agents

    def reset(self, key: PRNGKeyArray) -> PortfolioState:
        """Signals of the first step, and no holdings."""
        draws = jax.random.normal(key, (2, self.sectors))
        signal = self.first @ draws[0]
        seen = signal + self.noise * draws[1]
        return PortfolioState(jnp.zeros((), jnp.int32), signal, seen, jnp.zeros_like(signal))

    # --- what managers see -----------------------------------------------------------------------------------------

    def observe(self, state: PortfolioState) -> dict[str, Float[Array, "_ _"]]:
        columns = [self._visible(state.seen)]
        if self.costly:
            step = jnp.full((self.sectors, 1), state.time, state.seen.dtype)
            columns += [self._visible(state.holding), step]
        if not self.alike:
            columns.append(jnp.arange(self.sectors, dtype=state.seen.dtype)[:, None])
        return {self.roles[0].name: jnp.concatenate(columns, axis=1)}

    def _visible(self, values: Float[Array, " sectors"]) -> Float[Array, "sectors visible"]:
        """Of each sector's numbers: one's own; or all, one's own first, then the next ones, around the circle."""
        if not self.pooled:
            return values[:, None]
        around = (np.arange(self.sectors)[:, None] + np.arange(self.sectors)) % self.sectors
        return values[around]

    def _parts(
        self, observation: Float[Array, " observation"]
    ) -> tuple[Array, Array, Float[Array, ""], Int[Array, ""]]:
        """Signals, holdings, step and sector; what is not seen is 0."""
        many = self.sectors if self.pooled else 1
        signals, rest = observation[:many], observation[many:]
        holdings, step = (rest[:many], rest[many]) if self.costly else (jnp.zeros_like(signals), jnp.zeros(()))
        sector = jnp.zeros((), int) if self.alike else observation[-1].astype(int)
        return signals, holdings, step, sector

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Signals in standard deviations, holdings in units of actions, step and sector from -1 to 1."""
        signals, holdings, step, sector = self._parts(observation)
        which = (sector + jnp.arange(signals.size)) % self.sectors
        columns = [signals / self.deviation[which]]
        if self.costly:
            columns += [holdings / self.unit[which], (2 * step / max(self.horizon - 1, 1) - 1)[None]]
        if not self.alike:
            columns.append((2 * sector / max(self.sectors - 1, 1) - 1)[None])
        return jnp.concatenate(columns)

    def global_state(self, state: PortfolioState) -> Float[Array, " features"]:
        """The step, all signals as they are and as they are seen, and all holdings."""
        step = (2 * state.time / max(self.horizon - 1, 1) - 1)[None].astype(state.seen.dtype)
        return jnp.concatenate([step, state.signal / self.deviation, state.seen / self.deviation,
                                state.holding / self.unit])  # fmt: skip

    # --- what happens ----------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Actions on a grid that is symmetric around 0."""
        return self.reach * jnp.linspace(-1.0, 1.0, self.grid)[:, None], jnp.asarray(self.grid)

    def inputs(
        self, role: Role, observation: Float[Array, " observation"], action: Float[Array, " size"]
    ) -> Float[Array, " inputs"]:
        return jnp.concatenate([self.features(role, observation), action])

    def step(self, key: PRNGKeyArray, state: PortfolioState, actions: Actions) -> tuple[PortfolioState, Outcome]:
        draws = jax.random.normal(key, (3, self.sectors))
        weight = self.unit * actions[self.roles[0].name][:, 0].astype(state.signal.dtype)
        returns = state.signal + self.realised * (self.shock @ draws[0])
        earned, cost = weight * returns, self.cost * (weight - state.holding) ** 2 / 2
        risk = weight @ self.risk @ weight / 2
        team = jnp.sum(earned) - risk - jnp.sum(cost)
        own = earned - jnp.diag(self.risk) * weight**2 / 2 - cost
        signal = self.persistence * state.signal + self.fresh @ draws[1]
        after = PortfolioState(state.time + 1, signal, signal + self.noise * draws[2], weight)
        info = {
            "team_utility": team,
            "team_return": jnp.sum(earned),
            "team_risk": risk,
            "team_cost": jnp.sum(cost),
            "weight": weight,
            "signal": state.signal,
            "own_utility": own,
            "response": weight * state.seen / self.deviation**2,
        }
        rewards = jnp.where(self.shared, team, own)
        over = state.time + 1 >= self.horizon
        return after, Outcome({self.roles[0].name: rewards}, over, jnp.zeros((), bool), info)

    # --- rules -----------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule == "hold":
            return jnp.zeros(1, observation.dtype)
        signals, holdings, step, sector = self._parts(observation)
        time = jnp.minimum(step.astype(int), self.own_gains.shape[2] - 1)
        if rule in OWN_RULES:
            react, keep = self.own_gains[OWN_RULES.index(rule), :, time, sector]
            weight = react * signals[0] + keep * holdings[0]
        elif rule == "centralised" and self.pooled:
            react, keep = self.pooled_gains[:, time, sector]
            weight = react @ signals + keep @ holdings
        else:
            return super().follow(rule, role, observation, draws)
        return (weight / self.unit[sector])[None].astype(observation.dtype)


def build(market: "Portfolio") -> PortfolioDynamics:
    """The dynamics of a market as it was described."""

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    team, units = market.team, market.units()
    own, pooled = _gains(market)
    return PortfolioDynamics(
        roles=market.roles(),
        horizon=market.steps,
        pooled=market.observe == "all",
        costly=market.costly,
        alike=market.alike,
        shared=jnp.asarray(market.common_reward),
        realised=single(market.realised),
        grid=market.grid,
        reach=single(market.reach),
        unit=single(units),
        deviation=single(np.sqrt(np.diag(team.seen))),
        persistence=single(team.persistence),
        first=single(static.root(team.signal)),
        fresh=single(static.root(team.innovation)),
        shock=single(static.root(team.risk)),
        noise=single(team.noise),
        risk=single(team.aversion * team.risk),
        cost=single(team.cost),
        own_gains=single(own),
        pooled_gains=single(pooled),
    )


def _gains(market: "Portfolio") -> tuple[Floats, Floats]:
    """Weights for signals and holdings: of the rules of own signals, (rules, 2, steps, n), and of one mind, rotated.

    Without trading costs they are the same in every step, and there is but one.
    """
    team, n = market.team, market.sectors
    if market.costly:
        policies = (trading.independent(team), linear_optimum(market))
        one = trading.centralised(team)
        own = np.stack([[np.einsum("tii->ti", p.react), np.einsum("tii->ti", p.keep)] for p in policies])
        whole = np.stack([one.react, one.keep])
    else:
        gains = np.stack([static.independent(team).own, static.team_optimum(team).own])[:, None, None]
        own = np.concatenate([gains, np.zeros_like(gains)], axis=1)
        alone = static.centralised(team).gains[None, None]
        whole = np.concatenate([alone, np.zeros_like(alone)])
    i, k = np.arange(n)[:, None], np.arange(n)
    return own, whole[:, :, i, (i + k) % n]

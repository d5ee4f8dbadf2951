"""Stage games in motion: nothing moves but what players remember, and the payoff regime if there are several."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.games.base import CongestionForm, NormalForm
from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome

if TYPE_CHECKING:
    from tacitlab.markets.repeated_game import RepeatedGame


class RepeatedGameState(NamedTuple):
    """Between two periods."""

    period: Int[Array, ""]
    history: Float[Array, "memory codes"]  # the newest period first: actions, or shares of actions
    regime: Int[Array, ""]


class RepeatedGameDynamics(Dynamics):
    """A payoff table, or congestion payoffs, read with the players' actions."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    memory: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    quantity: str = eqx.field(static=True)
    crowd: bool = eqx.field(static=True)  # anonymous: players see shares, and payoffs depend on numbers only
    sees_regime: bool = eqx.field(static=True)
    values: Float[Array, "players actions"]  # what the actions mean
    payoffs: Float[Array, "regimes joint players"]  # of a payoff table
    transition: Float[Array, "regimes regimes"]
    first: Float[Array, " regimes"]  # how likely each is in the first period: as often as in the long run
    active: Float[Array, "regimes players"]
    incidence: Float[Array, "facilities actions"]  # of a congestion game
    weights: Float[Array, "actions facilities"]
    levels: Float[Array, "facilities loads"]
    own: Float[Array, " actions"]

    @property
    def players(self) -> int:
        return self.roles[0].agents

    @property
    def actions(self) -> int:
        return self.roles[0].actions.size

    def reset(self, key: PRNGKeyArray) -> RepeatedGameState:
        """Random actions are remembered of the time before the first period."""
        past, regime = jax.random.split(key)
        drawn = jax.random.randint(past, (self.memory, self.players), 0, self.actions)
        history = jax.vmap(self._code)(drawn)
        return RepeatedGameState(
            jnp.zeros((), jnp.int32), history, jax.random.choice(regime, len(self.first), p=self.first)
        )

    def observe(self, state: RepeatedGameState) -> dict[str, Float[Array, "players observation"]]:
        seen = state.history.ravel()
        if self.sees_regime:
            seen = jnp.append(seen, state.regime.astype(jnp.float32))
        if len(self.roles[0].observes) != seen.size:  # nothing is remembered
            seen = jnp.zeros(1)
        return {self.roles[0].name: jnp.broadcast_to(seen, (self.players, seen.size))}

    def step(self, key: PRNGKeyArray, state: RepeatedGameState, actions: Actions) -> tuple[RepeatedGameState, Outcome]:
        chosen = actions[self.roles[0].name][:, 0].astype(int)
        if self.crowd:
            rewards = self._congestion(chosen)
        else:
            chosen = jnp.where(self.active[state.regime] > 0, chosen, 0)
            joint = jnp.zeros((), int)
            for player in range(self.players):
                joint = joint * self.actions + chosen[player]
            rewards = self.payoffs[state.regime, joint] * self.active[state.regime]
        history = jnp.concatenate([self._code(chosen)[None], state.history])[: self.memory]
        regime = state.regime
        if len(self.transition) > 1:
            regime = jax.random.choice(key, len(self.transition), p=self.transition[regime])
        rows = self.values if len(self.values) > 1 else jnp.broadcast_to(self.values, (self.players, self.actions))
        info = {self.quantity: jnp.take_along_axis(rows, chosen[:, None], axis=1)[:, 0]}
        after = RepeatedGameState(state.period + 1, history, regime)
        over = state.period + 1 >= self.horizon
        return after, Outcome({self.roles[0].name: rewards}, jnp.zeros((), bool), over, info)

    def global_state(self, state: RepeatedGameState) -> Float[Array, " features"]:
        return self.features(self.roles[0], self.observe(state)[self.roles[0].name][0])

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Actions from -1 to 1; shares likewise."""
        most = 1 if self.crowd else max(self.actions - 1, 1)
        regimes = max(len(self.transition) - 1, 1)
        scale = jnp.full(observation.size, most).at[-1].set(regimes if self.sees_regime else most)
        return 2 * observation / scale - 1

    def inputs(
        self, role: Role, observation: Float[Array, " observation"], action: Float[Array, " size"]
    ) -> Float[Array, " inputs"]:
        return jnp.concatenate([self.features(role, observation), 2 * action / max(self.actions - 1, 1) - 1])

    def _code(self, chosen: Int[Array, " players"]) -> Float[Array, " codes"]:
        """What is remembered of a period."""
        if not self.crowd:
            return chosen.astype(jnp.float32)
        return jax.nn.one_hot(chosen, self.actions).mean(axis=0)

    def _congestion(self, chosen: Int[Array, " players"]) -> Float[Array, " players"]:
        counts = jax.nn.one_hot(chosen, self.actions).sum(axis=0)
        loads = jnp.round(self.incidence @ counts).astype(int)
        level = jnp.take_along_axis(self.levels, loads[:, None], axis=1)[:, 0]
        return (self.own + self.weights @ level)[chosen]


def build(market: "RepeatedGame") -> RepeatedGameDynamics:
    """The dynamics of a market as it was described."""
    form, actions, role = market.stage.form(), market.stage.actions(), market.roles()[0]

    def single(x: object) -> Array:
        return jnp.asarray(x, jnp.float32)

    size = actions.values.shape[1]
    table = form if isinstance(form, NormalForm) else None
    crowd = form if isinstance(form, CongestionForm) else None
    return RepeatedGameDynamics(
        roles=(role,),
        memory=market.memory,
        horizon=market.horizon_periods,
        quantity=actions.name,
        crowd=crowd is not None,
        sees_regime=table is not None and table.observed and len(table.transition) > 1,
        values=single(actions.values),
        payoffs=single(table.payoffs if table else np.zeros((1, 0, 1))),
        transition=single(table.transition if table else np.ones((1, 1))),
        first=single(table.stationary() if table else np.ones(1)),
        active=single(table.active if table else np.ones((1, 1))),
        incidence=single(crowd.incidence if crowd else np.zeros((0, size))),
        weights=single(crowd.weights if crowd else np.zeros((size, 0))),
        levels=single(crowd.values if crowd else np.zeros((0, 0))),
        own=single(crowd.own if crowd else np.zeros(size)),
    )

"""Team games in motion: tables read with the state and everybody's actions."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome

if TYPE_CHECKING:
    from tacitlab.markets.team_game import TeamGame


class TeamGameState(NamedTuple):
    """Where a team stands."""

    place: Int[Array, ""]
    step: Int[Array, ""]


class TeamGameDynamics(Dynamics):
    """Tables over states and numbers of joint actions, the first player's most significant."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    payoffs: Float[Array, "states joint"]
    following: Int[Array, "states joint"]  # -1: the end

    def reset(self, key: PRNGKeyArray) -> TeamGameState:
        return TeamGameState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))

    def observe(self, state: TeamGameState) -> dict[str, Float[Array, "agents one"]]:
        role = self.roles[0]
        return {role.name: jnp.full((role.agents, 1), state.place, jnp.float32)}

    def features(self, role: Role, observation: Float[Array, " one"]) -> Float[Array, " states"]:
        """One input for each state."""
        return (jnp.arange(len(self.payoffs)) == observation[0]).astype(jnp.float32)

    def global_state(self, state: TeamGameState) -> Float[Array, " states"]:
        return (jnp.arange(len(self.payoffs)) == state.place).astype(jnp.float32)

    def step(self, key: PRNGKeyArray, state: TeamGameState, actions: Actions) -> tuple[TeamGameState, Outcome]:
        role = self.roles[0]
        chosen = actions[role.name][:, 0].astype(int)
        number = jnp.zeros((), int)
        for k in range(role.agents):
            number = number * role.actions.size + chosen[k]
        following = self.following[state.place, number]
        terminated, step = following < 0, state.step + 1
        rewards = {role.name: jnp.full(role.agents, self.payoffs[state.place, number])}
        info = {"choice": actions[role.name][:, 0], "place": state.place.astype(jnp.float32)}
        after = TeamGameState(jnp.maximum(following, 0).astype(jnp.int32), step)
        return after, Outcome(rewards, terminated, ~terminated & (step >= self.horizon), info)

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " one"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule == "random":
            return self.any_candidate(role, observation, draws[0])
        return jnp.zeros(1)


def build(game: "TeamGame") -> TeamGameDynamics:
    """The game on arrays."""
    states = len(game.payoffs)
    return TeamGameDynamics(
        roles=game.roles(),
        horizon=game.horizon,
        payoffs=jnp.asarray(game.rewards.reshape(states, -1), float),
        following=jnp.asarray(game.successors.reshape(states, -1), jnp.int32),
    )

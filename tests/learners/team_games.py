"""Games of one step in which all get the same and the best policies are known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.markets.base import Continuous, Discrete, Role
from tacitlab.markets.motion import Dynamics, Outcome


class Team(Dynamics):
    """Everybody sees a number of its own; the numbers correlate; the reward is the same for all."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    correlation: jax.Array

    def reset(self, key):
        drawn = jax.random.normal(key, (self.roles[0].agents + 1,))
        return jnp.sqrt(self.correlation) * drawn[0] + jnp.sqrt(1 - self.correlation) * drawn[1:]

    def observe(self, state):
        return {"player": state[:, None]}

    def step(self, key, state, actions):
        reward = jnp.broadcast_to(self.payoff(state, actions["player"][:, 0]), state.shape)
        return state, Outcome({"player": reward}, jnp.ones((), bool), jnp.zeros((), bool), {})

    def global_state(self, state):
        return state


class Tracking(Team):
    """``-(sum a - sum x)^2 - cost sum a^2`` for standard normal x.

    Where everybody knows its own x alone, the best team (R. Radner, Annals of Mathematical Statistics 33 (1962)
    857-881) has ``a_i = k x_i``: from ``E[sum a - sum x | x_i] + cost a_i = 0`` follows ``k = m / (m + cost)`` with
    ``m = 1 + (n - 1) correlation``.
    """

    cost: jax.Array

    def payoff(self, x, action):
        return -((jnp.sum(action) - jnp.sum(x)) ** 2) - self.cost * jnp.sum(action**2)

    @property
    def slope(self):
        m = 1 + (self.roles[0].agents - 1) * float(self.correlation)
        return m / (m + float(self.cost))


class Table(Team):
    """Two agents and a table of payoffs; where the sum of what they see is below 0, it is turned upside down."""

    table: jax.Array
    turns: jax.Array

    def payoff(self, x, action):
        a, b = action.astype(int)
        turned = self.table[::-1, ::-1]
        return jnp.where(self.turns & (jnp.sum(x) < 0), turned[a, b], self.table[a, b])


def tracking(agents=2, correlation=0.5, cost=0.25):
    role = Role("player", agents, ("x",), Continuous(1))
    return Tracking((role,), jnp.asarray(correlation), jnp.asarray(cost))


def table(payoffs, turns=False):
    """All see the same number."""
    payoffs = np.asarray(payoffs, np.float32)
    return Table((Role("player", 2, ("x",), Discrete(len(payoffs))),), jnp.ones(()), payoffs, jnp.asarray(turns))

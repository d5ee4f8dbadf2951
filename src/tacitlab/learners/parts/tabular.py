"""Q-learning with a table in markets: what an agent sees is sorted into bins."""

import math
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.learners.base import MarketSeat, refuse
from tacitlab.learners.exploration import Boltzmann
from tacitlab.learners.initial import ConstantValue, UniformValues
from tacitlab.learners.parts.group import (
    Algorithm,
    Epsilon,
    Independent,
    Metrics,
    Step,
    Transition,
    array,
    built,
    candidate_shape,
)
from tacitlab.markets.base import Role
from tacitlab.markets.motion import Dynamics

if TYPE_CHECKING:
    from tacitlab.learners.q_learning import QLearning

BINS = 10  # of an observation that is a quantity, where a table has room for so many
MOST_CELLS = 50_000_000  # of one agent's table


class TabularState(NamedTuple):
    """The table, and the last transition."""

    table: Float[Array, "states actions"]
    last: Transition


class TabularQ(Algorithm):
    """One agent with a table over binned observations and candidate actions."""

    dynamics: Dynamics
    alpha: Float[Array, ""]
    gamma: Float[Array, ""]
    low: Float[Array, ""]  # initial values lie between these two
    high: Float[Array, ""]
    exploration: Epsilon
    role: Role = eqx.field(static=True)
    bins: tuple[int, ...] = eqx.field(static=True)
    actions: int = eqx.field(static=True)
    action_size: int = eqx.field(static=True)
    random_ties: bool = eqx.field(static=True)
    update_every: int = eqx.field(static=True)

    def init(self, key: PRNGKeyArray) -> TabularState:
        shape = (math.prod(self.bins), self.actions)
        table = jax.random.uniform(key, shape, minval=self.low, maxval=self.high)
        seen, false = jnp.zeros(len(self.role.observes)), jnp.zeros((), bool)
        return TabularState(table, Transition(seen, jnp.zeros(self.action_size), jnp.zeros(()), seen, false, false))

    def policy(self, state: TabularState) -> Float[Array, "states actions"]:
        return state.table

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return self.exploration(step)

    def state_of(self, observation: Float[Array, " observation"]) -> Int[Array, ""]:
        """Number of the bin that an observation falls into, the first component most significant."""
        sizes = jnp.array(self.bins)
        if self.bins == self.role.levels:
            digits = observation.astype(int)
        else:
            scaled = (self.dynamics.features(self.role, observation) + 1) / 2
            digits = jnp.clip(jnp.floor(scaled * sizes), 0, sizes - 1).astype(int)
        number = jnp.zeros((), int)
        for k, size in enumerate(self.bins):
            number = number * size + digits[k]
        return number

    def choose(
        self,
        table: Float[Array, "states actions"],
        observation: Float[Array, " observation"],
        draw: Float[Array, ""],
        epsilon: Float[Array, ""],
    ) -> Float[Array, " size"]:
        """Epsilon-greedy with a single uniform draw.

        Given that it lies below epsilon, draw / epsilon is uniform; given that it does not, what is above settles ties.
        """
        candidates, feasible = self.dynamics.candidates(self.role, observation)
        values = jnp.where(jnp.arange(self.actions) < feasible, table[self.state_of(observation)], -jnp.inf)
        drawn = jnp.floor(draw / jnp.maximum(epsilon, 1e-30) * feasible).astype(int)
        best = jnp.argmax(values)
        if self.random_ties:
            equal = values == values.max()
            rest = (draw - epsilon) / jnp.maximum(1 - epsilon, 1e-30)
            wanted = jnp.minimum(jnp.floor(rest * equal.sum()), equal.sum() - 1)
            best = jnp.argmax(jnp.cumsum(equal) > wanted)
        return candidates[jnp.where(draw < epsilon, jnp.minimum(drawn, feasible - 1), best)]

    def act(
        self,
        policy: Float[Array, "states actions"],
        observations: Float[Array, "batch observation"],
        key: PRNGKeyArray,
        epsilon: Float[Array, ""],
    ) -> Float[Array, "batch size"]:
        draws = jax.random.uniform(key, observations.shape[:1])
        return jax.vmap(self.choose, in_axes=(None, 0, 0, None))(policy, observations, draws, epsilon)

    def observe(self, state: TabularState, transition: Transition, step: Step) -> TabularState:
        return state._replace(last=transition)

    def update(self, state: TabularState, key: PRNGKeyArray, step: Step) -> tuple[TabularState, Metrics]:
        """Q(s, a) += alpha (r + gamma max_b Q(s', b) - Q(s, a)); r alone if the episode ended by its rules."""
        t, table = state.last, state.table
        _, feasible = self.dynamics.candidates(self.role, t.next_observation)
        after = jnp.where(jnp.arange(self.actions) < feasible, table[self.state_of(t.next_observation)], -jnp.inf)
        place = (self.state_of(t.observation), self.dynamics.index(self.role, t.observation, t.action))
        target = t.reward + self.gamma * jnp.where(t.terminated, 0.0, jnp.max(after))
        error = target - table[place]
        return state._replace(table=table.at[place].add(self.alpha * error)), Metrics(error**2, jnp.abs(table[place]))


def most_bins(features: int, actions: int) -> int:
    """Bins of each observation, at most 10, with which a table has room; 2 where even they are too many.

    Examples
    --------
    >>> most_bins(3, 5), most_bins(8, 11), most_bins(40, 2)
    (10, 6, 2)
    """
    return next((bins for bins in range(BINS, 2, -1) if bins**features * actions <= MOST_CELLS), 2)


def build(learner: "QLearning", seat: MarketSeat) -> Independent:
    """A group of independent agents as a scenario describes them."""
    role, dynamics, initial = seat.role, seat.dynamics, learner.initial or ConstantValue()
    if learner.memory:
        raise refuse("memory", f"{learner.memory}, but a market has a state of its own", "set learners.memory=0")
    if learner.updates == "all":
        raise refuse("updates", "'all' needs a payoff table", "set learners.updates=chosen")
    if isinstance(learner.exploration, Boltzmann):
        raise refuse("exploration", "boltzmann is for stage games", "set learners.exploration={kind: constant}")
    if isinstance(initial, ConstantValue):
        low = high = initial.value
    elif isinstance(initial, UniformValues):
        low, high = initial.low, initial.high
    else:
        raise refuse("initial", f"{initial.kind} needs a payoff table", "set learners.initial={kind: constant}")
    problem = f"{learner.kind} chooses among candidates, and this market names none"
    number, size = candidate_shape(seat, refuse("kind", problem, "use ppo or ddpg"))
    features = jax.eval_shape(lambda o: dynamics.features(role, o), jnp.zeros(len(role.observes))).shape[0]
    bins = learner.bins or role.levels or most_bins(features, number)
    bins = bins if isinstance(bins, tuple) else (bins,) * features
    if bins != role.levels and len(bins) != features:
        raise refuse("bins", f"{len(bins)} numbers for {features} observations", f"give one, or {features}")
    if math.prod(bins) * number > MOST_CELLS:
        mend = "set fewer" if learner.bins else "set learners.kind=dqn, which has no table"
        problem = f"a table of {math.prod(bins):.1e} states and {number} actions is too large"
        raise refuse("bins", problem, mend)
    algorithm = built(
        TabularQ, learner, seat, float, low=array(low, float), high=array(high, float), bins=bins, actions=number,
        action_size=size, exploration=Epsilon.of(learner.exploration.knots(seat.steps)), update_every=1,
        random_ties=learner.ties == "random",
    )  # fmt: skip
    return Independent.of(algorithm, seat.agents)

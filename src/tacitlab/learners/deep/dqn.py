"""Deep Q-learning, read from top to bottom: act, remember, target, gradient step, target network.

V. Mnih et al., Nature 518 (2015); double: H. van Hasselt, A. Guez and D. Silver, AAAI 2016; dueling: Z. Wang et al.,
ICML 2016. With the action as an input of the network: A. Macrì and F. Lillo, arXiv 2408.11773.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.deep import search
from tacitlab.learners.deep.base import Algorithm, Clock, Group, Health, Independent, Transition, nothing_learned
from tacitlab.learners.deep.exploration import Epsilon
from tacitlab.learners.deep.network import Network, create
from tacitlab.learners.deep.replay import Replay
from tacitlab.markets.base import Role
from tacitlab.markets.motion import Dynamics

if TYPE_CHECKING:
    from tacitlab.learners.dqn import DQN


FEW = 8  # observations: networks that see fewer are not worth looping over


class Numbers(eqx.Module):
    """What may differ between cells of a sweep without compiling again."""

    rate: Float[Array, ""]  # of Adam
    discount: Float[Array, ""]
    clip: Float[Array, ""]  # of the gradient's norm
    reset_every: Int[Array, ""]  # steps after which the target network becomes the main one
    blend: Float[Array, ""]  # share of the main network that enters the target in every step
    epsilon: Epsilon
    largest_value: Float[Array, ""]


class DqnState(NamedTuple):
    """Everything that one agent keeps."""

    main: Network
    target: Network
    optimiser: Any
    memory: Float[Array, "capacity row"]


class Dqn(Algorithm):
    """One agent that learns action values with a network."""

    dynamics: Dynamics
    numbers: Numbers
    role: Role = eqx.field(static=True)
    replay: Replay
    width: int = eqx.field(static=True)
    hidden: int = eqx.field(static=True)
    embedding: bool = eqx.field(static=True)
    outputs: int = eqx.field(static=True)  # number of actions; 0: the action is an input
    double: bool = eqx.field(static=True)
    dueling: bool = eqx.field(static=True)
    soft: bool = eqx.field(static=True)  # the target network follows a little in every step
    batch: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True)
    one_by_one: bool = eqx.field(static=True)  # search networks in turn: faster on processors, slower on a GPU

    # --- values ------------------------------------------------------------------------------------------------

    def init(self, key: PRNGKeyArray) -> DqnState:
        observation = jnp.zeros(len(self.role.observes))
        if self.outputs:
            inputs, outputs = self.dynamics.features(self.role, observation).size, self.outputs + self.dueling
        else:
            action = self.dynamics.candidates(self.role, observation)[0][0]
            inputs, outputs = self.dynamics.inputs(self.role, observation, action).size, 1
        main = create(key, inputs, self.width, self.hidden, outputs, self.embedding)
        return DqnState(main, main, self._optimiser().init(main), self.replay.empty())

    def policy(self, state: DqnState) -> Network:
        return state.main

    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        return self.numbers.epsilon(clock)

    def limit(self) -> Float[Array, ""]:
        return self.numbers.largest_value

    def values(self, network: Network, observation: Float[Array, " observation"]) -> Float[Array, " actions"]:
        """Values of all actions of one observation, where actions are outputs."""
        out = network(self.dynamics.features(self.role, observation))
        return out[0] + out[1:] - jnp.mean(out[1:]) if self.dueling else out

    def values_of(
        self, network: Network, observations: Float[Array, "batch observation"], actions: Float[Array, "batch size"]
    ) -> Float[Array, " batch"]:
        """Values of one action of each observation."""
        if self.outputs:
            chosen = jax.vmap(lambda o, a: self.dynamics.index(self.role, o, a))(observations, actions)
            return jax.vmap(lambda o, k: self.values(network, o)[k])(observations, chosen)
        inputs = jax.vmap(lambda o, a: self.dynamics.inputs(self.role, o, a))(observations, actions)
        return network.columns(inputs.T)[0]

    def best(
        self, network: Network, observations: Float[Array, "batch observation"], wanted: Bool[Array, " batch"]
    ) -> tuple[Float[Array, "batch size"], Float[Array, " batch"]]:
        """Best feasible action of every wanted observation, the first of equals, and its value."""
        if self.outputs:
            return jax.vmap(lambda o: self._best_output(network, o))(observations)

        # Passed, not closed over: a function with its own rule for vmap knows nothing of values around it.
        numbers, rest = eqx.partition(self.dynamics, eqx.is_array)

        def find(numbers: Any, network: Network, observations: Array, wanted: Array) -> tuple[Array, Array]:
            market = eqx.combine(numbers, rest)
            return search.best(
                network, observations, wanted,
                lambda o: market.candidates(self.role, o), lambda o, a: market.inputs(self.role, o, a),
            )  # fmt: skip

        many = self.one_by_one and len(observations) > FEW
        return (jax.custom_batching.sequential_vmap(find) if many else find)(numbers, network, observations, wanted)

    def _best_output(self, network: Network, observation: Array) -> tuple[Array, Array]:
        candidates, feasible = self.dynamics.candidates(self.role, observation)
        values = jnp.where(jnp.arange(self.outputs) < feasible, self.values(network, observation), -jnp.inf)
        chosen = jnp.argmax(values)
        return candidates[chosen], values[chosen]

    # --- acting ------------------------------------------------------------------------------------------------

    def act(
        self,
        policy: Network,
        observations: Float[Array, "batch observation"],
        key: PRNGKeyArray,
        epsilon: Float[Array, ""],
    ) -> Float[Array, "batch size"]:
        draws = jax.random.uniform(key, (len(observations), 1 + self.replay.action))
        random = draws[:, 0] < epsilon
        if self.outputs:  # exploration must stay on the grid: the market's own would not
            drawn = jax.vmap(lambda o, u: self.dynamics.any_candidate(self.role, o, u[1]))(observations, draws)
        else:
            drawn = jax.vmap(lambda o, u: self.dynamics.explore(self.role, o, u[1:]))(observations, draws)
        greedy, _ = self.best(policy, observations, ~random)
        return jnp.where(random[:, None], drawn, greedy)

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: DqnState, transition: Transition, clock: Clock) -> DqnState:
        return state._replace(memory=self.replay.add(state.memory, transition, clock))

    def update(self, state: DqnState, key: PRNGKeyArray, clock: Clock) -> tuple[DqnState, Health]:
        """One gradient step, once the memory holds a batch; ``clock + 1`` transitions have been added."""
        # The memory is read in the branch but does not pass through it: that would copy it in every step.
        (main, optimiser), health = jax.lax.cond(
            self.replay.size(clock + 1) >= self.batch,
            lambda: self._learn(state, key, clock),
            lambda: ((state.main, state.optimiser), nothing_learned()),
        )
        return DqnState(main, self._moved(state.target, main, clock), optimiser, state.memory), health

    def _learn(self, state: DqnState, key: PRNGKeyArray, clock: Clock) -> tuple[tuple[Network, Any], Health]:
        sample = self.replay.sample(state.memory, key, clock + 1, self.batch)
        goals = self.targets(state, sample)
        (loss, size), slope = jax.value_and_grad(self.loss, has_aux=True)(state.main, sample, goals)
        change, optimiser = self._optimiser().update(slope, state.optimiser)
        return (optax.apply_updates(state.main, change), optimiser), Health(loss, size)

    def targets(self, state: DqnState, sample: Transition) -> Float[Array, " batch"]:
        """r + discount * Q_target(next, best action by the main network); r alone where nothing follows."""
        chooser = state.main if self.double else state.target
        action, value = self.best(chooser, sample.next_observation, ~sample.terminated)
        if self.double:
            value = self.values_of(state.target, sample.next_observation, action)
        return sample.reward + self.numbers.discount * jnp.where(sample.terminated, 0.0, value)

    def loss(
        self, main: Network, sample: Transition, goals: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean squared error, and the mean size of the values."""
        values = self.values_of(main, sample.observation, sample.action)
        return jnp.mean((goals - values) ** 2), jnp.mean(jnp.abs(values))

    def _optimiser(self) -> optax.GradientTransformation:
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.numbers.clip), optax.adam(self.numbers.rate)))

    def _moved(self, target: Network, main: Network, clock: Clock) -> Network:
        """The target network: the main one every so many steps, or a little of it whenever that learns."""
        if self.soft:
            return jax.tree.map(lambda t, m: t + self.numbers.blend * (m - t), target, main)
        due = (clock + 1) % self.numbers.reset_every < self.update_every  # fell due since the last gradient step
        return jax.lax.cond(due, lambda: main, lambda: target)


def build(learner: "DQN", seat: MarketSeat) -> Group:
    """A group of independent agents as a scenario describes them."""
    role, dynamics = seat.role, seat.dynamics
    candidates = jax.eval_shape(lambda o: dynamics.candidates(role, o)[0], jnp.zeros(len(role.observes)))

    def single(x: float) -> Array:
        return jnp.asarray(x, jnp.float32)

    algorithm = Dqn(
        dynamics=dynamics,
        numbers=Numbers(
            rate=single(learner.rate),
            discount=single(learner.gamma),
            clip=single(learner.clip),
            reset_every=jnp.asarray(learner.target_every or 1),
            blend=single(learner.target_blend or 0.0),
            epsilon=Epsilon.of(learner.exploration.knots(seat.steps)),
            largest_value=single(learner.largest_value),
        ),
        role=role,
        replay=Replay(
            learner.memory.capacity, learner.memory.when_full == "halve", len(role.observes), candidates.shape[1]
        ),
        width=learner.network.width,
        hidden=learner.network.layers,
        embedding=learner.network.embedding,
        outputs=candidates.shape[0] if learner.action == "output" else 0,
        double=learner.double,
        dueling=learner.dueling,
        soft=learner.target_blend is not None,
        batch=learner.batch,
        update_every=learner.update_every,
        one_by_one=seat.one_by_one,
    )
    return Independent.of(algorithm, seat.last - seat.first)

"""Deep Q-learning, read from top to bottom: act, remember, target, gradient step, target network.

V. Mnih et al., Nature 518 (2015); double: H. van Hasselt, A. Guez and D. Silver, AAAI 2016; dueling: Z. Wang et al.,
ICML 2016. With the action as an input of the network: A. Macrì and F. Lillo, arXiv 2408.11773.
"""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from pydantic import model_validator

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.exploration import EpsilonGreedy, Geometric
from tacitlab.learners.parts import search
from tacitlab.learners.parts.group import (
    Algorithm,
    Epsilon,
    Group,
    Independent,
    Metrics,
    Step,
    Transition,
    array,
    built,
    candidate_shape,
    nothing_learned,
)
from tacitlab.learners.parts.memory import Replay
from tacitlab.learners.parts.networks import Mlp, create_mlp
from tacitlab.markets.base import Role
from tacitlab.markets.motion import Dynamics
from tacitlab.schema import Spec, param

FEW = 8  # observations: networks that see fewer are not worth looping over


class QNetwork(Spec):
    """A fully connected network with leaky rectifiers."""

    width: int = param(30, "nodes of a hidden layer", ge=1, le=4096)
    layers: int = param(5, "hidden layers", ge=1, le=64)
    embedding: bool = param(True, "a linear layer without rectifier before them, as in the code of Macrì and Lillo")


class Memory(Spec):
    """Transitions that are learned from again and again, drawn uniformly with replacement."""

    capacity: int = param(15_000, "most transitions remembered", "steps", ge=2, le=10_000_000)
    when_full: Literal["halve", "drop-oldest"] = param(
        "halve", "forget every other transition at once (Macrì and Lillo), or always the oldest"
    )

    @model_validator(mode="after")
    def _even(self) -> "Memory":
        if self.when_full == "halve" and self.capacity % 2:
            raise ValueError(f"capacity: {self.capacity} cannot be halved; give an even number")
        return self


class DQN(Learner):
    """Deep Q-learning with experience replay and a target network (Mnih et al. 2015), double by default.

    The target of a transition (s, a, r, s') is ``r + gamma Q_target(s', argmax_b Q(s', b))``, and ``r`` alone if the
    episode ends there by its rules; through an episode that is merely cut it looks on. The action is an input of the
    network, which is then searched over all feasible candidates, or each action is an output.

    The defaults are those of Macrì and Lillo (arXiv 2408.11773).

    References
    ----------
    V. Mnih et al., Nature 518 (2015) 529-533; H. van Hasselt, A. Guez and D. Silver, AAAI 2016 (double); Z. Wang et
    al., ICML 2016 (dueling).

    Examples
    --------
    >>> DQN(dueling=True)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: dueling: it compares all actions at once; set action=output
    """

    kind: Literal["dqn"] = "dqn"
    rate: float = param(1e-4, "learning rate of Adam", gt=0)
    gamma: float = param(1.0, "discount factor", ge=0, le=1)
    batch: int = param(64, "transitions of a gradient step", ge=1, le=65_536)
    memory: Memory = param(Memory(), "what is remembered")
    exploration: EpsilonGreedy = param(Geometric(), "how the agent explores")
    action: Literal["input", "output"] = param("input", "where the network meets the action")
    network: QNetwork = param(QNetwork(), "size of the network")
    double: bool = param(True, "the main network chooses the action that the target network values")
    dueling: bool = param(False, "value of the state and advantages of actions are learned apart")
    target_every: int | None = param(
        75, "how often the target network becomes the main one; none: blend", "steps", ge=1
    )
    target_blend: float | None = param(
        None, "share of the main network that enters the target network in every step", gt=0, le=1
    )
    update_every: int = param(1, "how often a gradient step is made", "steps", ge=1)
    clip: float = param(1.0, "largest norm of a gradient", gt=0)
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> "DQN":
        if self.dueling and self.action == "input":
            raise ValueError("dueling: it compares all actions at once; set action=output")
        if (self.target_every is None) == (self.target_blend is None):
            raise ValueError("target_every: give either target_every or target_blend; set the other one to null")
        if self.batch > self.memory.capacity // 2:
            raise ValueError(f"batch: {self.batch} is too large for a memory of {self.memory.capacity}; halve it")
        return self

    def group(self, seat: MarketSeat) -> Group:
        problem = "dqn chooses among candidates, and this market names none"
        number, size = candidate_shape(seat, refuse("kind", problem, "use ppo or ddpg"))
        halving = self.memory.when_full == "halve"
        algorithm = built(
            Dqn, self, seat, target_every=array(self.target_every or 1), target_blend=array(self.target_blend or 0.0),
            exploration=Epsilon.of(self.exploration.knots(seat.steps)), soft=self.target_blend is not None,
            replay=Replay(self.memory.capacity, halving, len(seat.role.observes), size),
            outputs=number if self.action == "output" else 0,
        )  # fmt: skip
        return Independent.of(algorithm, seat.agents)


# --- the algorithm ---------------------------------------------------------------------------------------------------


class DqnState(NamedTuple):
    """Everything that one agent keeps."""

    main: Mlp
    target: Mlp
    optimiser: Any
    memory: Float[Array, "capacity row"]


class Dqn(Algorithm):
    """One agent that learns action values with a network."""

    dynamics: Dynamics
    rate: Float[Array, ""]  # of Adam
    gamma: Float[Array, ""]
    clip: Float[Array, ""]  # of the gradient's norm
    target_every: Int[Array, ""]  # steps after which the target network becomes the main one
    target_blend: Float[Array, ""]  # share of the main network that enters the target in every step
    exploration: Epsilon
    largest_value: Float[Array, ""]
    role: Role = eqx.field(static=True)
    replay: Replay
    network: QNetwork = eqx.field(static=True)
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
        main = create_mlp(key, inputs, self.network.width, self.network.layers, outputs, self.network.embedding)
        return DqnState(main, main, self._optimiser().init(main), self.replay.empty())

    def policy(self, state: DqnState) -> Mlp:
        return state.main

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return self.exploration(step)

    def limit(self) -> Float[Array, ""]:
        return self.largest_value

    def values(self, network: Mlp, observation: Float[Array, " observation"]) -> Float[Array, " actions"]:
        """Values of all actions of one observation, where actions are outputs."""
        out = network(self.dynamics.features(self.role, observation))
        return out[0] + out[1:] - jnp.mean(out[1:]) if self.dueling else out

    def values_of(
        self, network: Mlp, observations: Float[Array, "batch observation"], actions: Float[Array, "batch size"]
    ) -> Float[Array, " batch"]:
        """Values of one action of each observation."""
        if self.outputs:
            chosen = jax.vmap(lambda o, a: self.dynamics.index(self.role, o, a))(observations, actions)
            return jax.vmap(lambda o, k: self.values(network, o)[k])(observations, chosen)
        inputs = jax.vmap(lambda o, a: self.dynamics.inputs(self.role, o, a))(observations, actions)
        return network.columns(inputs.T)[0]

    def best(
        self, network: Mlp, observations: Float[Array, "batch observation"], wanted: Bool[Array, " batch"]
    ) -> tuple[Float[Array, "batch size"], Float[Array, " batch"]]:
        """Best feasible action of every wanted observation, the first of equals, and its value."""
        if self.outputs:
            return jax.vmap(lambda o: self._best_output(network, o))(observations)

        # Passed, not closed over: a function with its own rule for vmap knows nothing of values around it.
        numbers, rest = eqx.partition(self.dynamics, eqx.is_array)

        def find(numbers: Any, network: Mlp, observations: Array, wanted: Array) -> tuple[Array, Array]:
            market = eqx.combine(numbers, rest)
            return search.best(
                network, observations, wanted,
                lambda o: market.candidates(self.role, o), lambda o, a: market.inputs(self.role, o, a),
            )  # fmt: skip

        many = self.one_by_one and len(observations) > FEW
        return (jax.custom_batching.sequential_vmap(find) if many else find)(numbers, network, observations, wanted)

    def _best_output(self, network: Mlp, observation: Array) -> tuple[Array, Array]:
        candidates, feasible = self.dynamics.candidates(self.role, observation)
        values = jnp.where(jnp.arange(self.outputs) < feasible, self.values(network, observation), -jnp.inf)
        chosen = jnp.argmax(values)
        return candidates[chosen], values[chosen]

    # --- acting ------------------------------------------------------------------------------------------------

    def act(
        self,
        policy: Mlp,
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

    def observe(self, state: DqnState, transition: Transition, step: Step) -> DqnState:
        return state._replace(memory=self.replay.add(state.memory, transition, step))

    def update(self, state: DqnState, key: PRNGKeyArray, step: Step) -> tuple[DqnState, Metrics]:
        """One gradient step, once the memory holds a batch; ``step + 1`` transitions have been added."""
        # The memory is read in the branch but does not pass through it: that would copy it in every step.
        (main, optimiser), metrics = jax.lax.cond(
            self.replay.size(step + 1) >= self.batch,
            lambda: self._learn(state, key, step),
            lambda: ((state.main, state.optimiser), nothing_learned()),
        )
        return DqnState(main, self._moved(state.target, main, step), optimiser, state.memory), metrics

    def _learn(self, state: DqnState, key: PRNGKeyArray, step: Step) -> tuple[tuple[Mlp, Any], Metrics]:
        sample = self.replay.sample(state.memory, key, step + 1, self.batch)
        targets = self.targets(state, sample)
        (loss, size), gradient = jax.value_and_grad(self.loss, has_aux=True)(state.main, sample, targets)
        change, optimiser = self._optimiser().update(gradient, state.optimiser)
        return (optax.apply_updates(state.main, change), optimiser), Metrics(loss, size)

    def targets(self, state: DqnState, sample: Transition) -> Float[Array, " batch"]:
        """r + gamma * Q_target(next, best action by the main network); r alone where nothing follows."""
        chooser = state.main if self.double else state.target
        action, value = self.best(chooser, sample.next_observation, ~sample.terminated)
        if self.double:
            value = self.values_of(state.target, sample.next_observation, action)
        return sample.reward + self.gamma * jnp.where(sample.terminated, 0.0, value)

    def loss(
        self, main: Mlp, sample: Transition, targets: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean squared error, and the mean size of the values."""
        values = self.values_of(main, sample.observation, sample.action)
        return jnp.mean((targets - values) ** 2), jnp.mean(jnp.abs(values))

    def _optimiser(self) -> optax.GradientTransformation:
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(self.rate)))

    def _moved(self, target: Mlp, main: Mlp, step: Step) -> Mlp:
        """The target network: the main one every so many steps, or a little of it whenever that learns."""
        if self.soft:
            return jax.tree.map(lambda t, m: t + self.target_blend * (m - t), target, main)
        due = (step + 1) % self.target_every < self.update_every  # fell due since the last gradient step
        return jax.lax.cond(due, lambda: main, lambda: target)

"""Value decomposition, read from top to bottom: act on own values, remember, mix, target, gradient step.

A team's value is the sum of the agents' values (VDN), or any function that rises with each of them (QMIX): then the
best joint action is that of agents who each take their own best action.
"""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray
from pydantic import model_validator

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.exploration import EpsilonGreedy, Geometric
from tacitlab.learners.parts.group import (
    Carry,
    Epsilon,
    Group,
    Metrics,
    Networked,
    Step,
    Transition,
    annealing,
    built,
    candidate,
    candidate_shape,
    index,
    last_step,
    nothing_learned,
    state_size,
)
from tacitlab.learners.parts.memory import GroupReplay
from tacitlab.learners.parts.networks import (
    NEVER,
    Activation,
    Mlp,
    Shape,
    Trunk,
    Unrolled,
    Width,
    create,
    create_mlp,
    respond,
    unroll,
)
from tacitlab.markets.base import Market, Role
from tacitlab.markets.motion import Dynamics
from tacitlab.schema import param


class VDN(Learner):
    """Value decomposition: agents learn values of their own, whose sum is the value of what they do together.

    The target of a transition is ``r + gamma Q_tot(s', best own actions)``; ``r`` alone where the episode ends by its
    rules. After training each agent takes the action that it values most, from what it alone sees. All agents must get
    the same reward: a sum of values of different games is no value of anything.

    References
    ----------
    P. Sunehag et al., "Value-decomposition networks for cooperative multi-agent learning", AAMAS 2018; H. van Hasselt,
    A. Guez and D. Silver, AAAI 2016 (double); M. Hausknecht and P. Stone, AAAI fall symposium 2015 (memory).

    Examples
    --------
    >>> VDN(recurrent=16, sequence=30, capacity=1000)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: capacity: 1000 steps are no whole number of sequences of 30; set capacity=990
    """

    kind: Literal["vdn"] = "vdn"
    parameters: Literal["own", "shared"] = param("shared", "networks of each agent's own, or one for the whole group")
    agent_ids: bool = param(True, "agents that share a network are told apart by an input of their own each")
    rate: float = param(5e-4, "learning rate of Adam", gt=0)
    anneal: bool = param(False, "the learning rate falls linearly to 0 over the session")
    gamma: float = param(0.99, "discount factor", ge=0, le=1)
    batch: int = param(32, "transitions, or sequences of them, of a gradient step", ge=1, le=65_536)
    capacity: int = param(5_000, "most steps remembered, the oldest forgotten first", "steps", ge=2, le=10_000_000)
    exploration: EpsilonGreedy = param(Geometric(), "how the agents explore")
    hidden: tuple[Width, ...] = param((64,), "widths of hidden layers")
    activation: Activation = param("relu", "what stands between the layers")
    recurrent: int = param(
        0, "width of a memory (a gated recurrent unit) behind the hidden layers; 0: none", ge=0, le=4096
    )
    sequence: int = param(16, "steps that a memory is learned through in one piece", "steps", ge=1, le=1_000_000)
    double: bool = param(True, "the main networks choose the actions that the target networks value")
    target_every: int = param(200, "how often the target networks become the main ones", "steps", ge=1)
    update_every: int = param(1, "how often a gradient step is made", "steps", ge=1)
    clip: float = param(10.0, "largest norm of a gradient", gt=0)
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    many_copies = True

    @property
    def shared(self) -> bool:
        """Whether one network is the whole group's."""
        return self.parameters == "shared"

    @property
    def learn_every(self) -> int:
        """Steps from one gradient step to the next."""
        return self.update_every

    @model_validator(mode="after")
    def _whole_sequences(self) -> "VDN":
        if self.recurrent and self.capacity % self.sequence:
            raise ValueError(
                f"capacity: {self.capacity} steps are no whole number of sequences of {self.sequence}; "
                f"set capacity={max(1, self.capacity // self.sequence) * self.sequence}"
            )
        return self

    def check(self, market: Market, role: Role) -> None:
        if not market.common_reward:
            problem = f"{self.kind} learns a team's value, but these agents get rewards of their own"
            raise refuse("kind", problem, "give all the same reward, or use independent learners, mappo or maddpg")

    def group(self, seat: MarketSeat) -> Group:
        return self._seated(seat, None)

    def _seated(self, seat: MarketSeat, mixing: tuple[int, int] | None) -> "ValueDecomposition":
        """A group of agents as described here.

        Raises
        ------
        TacitError
            If agents may get different rewards, have actions without candidates, or remember no whole number of steps,
            or sequences, of each copy of the market.
        """
        self.check(seat.market, seat.role)
        piece = seat.copies * (self.sequence if self.recurrent else 1)
        if self.capacity % piece:
            what = f"sequences of {self.sequence} steps in each of" if self.recurrent else "steps in each of"
            problem = f"{self.capacity} hold no whole number of {what} {seat.copies} copies"
            raise refuse("capacity", problem, f"set learners.capacity={max(1, self.capacity // piece) * piece}")
        problem = f"{self.kind} chooses among candidates, and this market names none"
        number, size = candidate_shape(seat, refuse("kind", problem, "use mappo"))
        agents, world = seat.agents, state_size(seat)
        return built(
            ValueDecomposition, self, seat, last=last_step(self.anneal, seat), mixing=mixing, actions=number,
            exploration=Epsilon.of(self.exploration.knots(seat.steps)), shape=Shape(self.hidden, self.recurrent),
            replay=GroupReplay(self.capacity, seat.copies, agents, len(seat.role.observes), size, world),
            ids=jnp.eye(agents) if self.shared and self.agent_ids else jnp.zeros((agents, 0)),
            sequence=self.sequence if self.recurrent else 1,
        )  # fmt: skip


class QMIX(VDN):
    """Monotonic value decomposition: the team's value is a network of the agents' values that rises with each of them.

    Its weights are made by other networks from the market's global state and are never negative, so that agents who
    each take their own best action take the best joint one. Values whose best own action depends on what others do are
    out of reach, as they are for VDN.

    References
    ----------
    T. Rashid et al., "QMIX: monotonic value function factorisation for deep multi-agent reinforcement learning", ICML
    2018; JMLR 21 (2020) 1-51.

    Examples
    --------
    >>> QMIX(mixing=0)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: mixing: 0 is too small; it must be at least 1
    """

    kind: Literal["qmix"] = "qmix"  # type: ignore[assignment]
    mixing: int = param(32, "nodes of the mixing network", ge=1, le=4096)
    hyper: int = param(
        64, "nodes of the hidden layer of the networks that make its weights; 0: these are linear", ge=0, le=4096
    )

    def group(self, seat: MarketSeat) -> Group:
        return self._seated(seat, (self.mixing, self.hyper))


# --- from values of single agents to the value of what they do together ----------------------------------------------


class Mixer(NamedTuple):
    """A monotonic network whose weights other networks make of the global state.

    ``Q_tot = |w2(s)|' elu(|W1(s)|' q + b1(s)) + v(s)``.
    """

    first: Mlp  # W1: (agents, width) numbers
    shift: Mlp  # b1: (width,)
    second: Mlp  # w2: (width,)
    value: Mlp  # v

    def __call__(
        self, values: Float[Array, "samples agents"], world: Float[Array, "samples features"]
    ) -> Float[Array, " samples"]:
        """Joint values; their derivatives by each agent's value are never negative."""
        width = self.second.layers[-1].bias.shape[0]
        first = jnp.abs(self.first(world)).reshape(len(world), -1, width)
        hidden = jax.nn.elu(jnp.einsum("si,siw->sw", values, first) + self.shift(world))
        return jnp.sum(hidden * jnp.abs(self.second(world)), axis=1) + self.value(world)[:, 0]


def monotonic(key: PRNGKeyArray, agents: int, world: int, width: int, hyper: int) -> Mixer:
    """A random mixer of so many agents' values.

    Parameters
    ----------
    key : random key
    agents, world : int
        Number of agents; size of the global state.
    width : int
        Nodes of the mixing network's hidden layer.
    hyper : int
        Nodes of the hidden layer of the networks that make its weights; 0: these are linear.
    """
    keys = jax.random.split(key, 4)
    # Biases are random, not zero: the gradient of an absolute value at 0 is 0, so that weights of 0 would stay so.
    first, second = (
        create_mlp(k, world, hyper or 1, int(hyper > 0), outputs, embedding=False)
        for k, outputs in ((keys[0], agents * width), (keys[1], width))
    )
    shift = create_mlp(keys[2], world, 1, 0, width, embedding=False)
    return Mixer(first, shift, second, create_mlp(keys[3], world, width, 1, 1, embedding=False))


def together(
    mixer: Mixer | None, values: Float[Array, "samples agents"], world: Float[Array, "samples features"]
) -> Float[Array, " samples"]:
    """Joint values: mixed, or the sum where there is no mixer.

    Examples
    --------
    >>> together(None, jnp.array([[1.0, 2.0], [3.0, -1.0]]), jnp.zeros((2, 0))).tolist()
    [3.0, 2.0]
    """
    return jnp.sum(values, axis=1) if mixer is None else mixer(values, world)


# --- the algorithm ---------------------------------------------------------------------------------------------------


class Team(NamedTuple):
    """Networks: own values, with a leading axis of networks (one for each agent, or a single one), and the mixture."""

    values: Trunk
    mixer: Mixer | None


class TeamState(NamedTuple):
    """Everything that a group keeps."""

    main: Team
    target: Team
    optimiser: Any
    rows: Any


class ValueDecomposition(Networked):
    """Agents that learn together what they are worth together."""

    dynamics: Dynamics
    rate: Float[Array, ""]  # of Adam
    last: Float[Array, ""]  # step at which an annealed rate reaches 0; infinite: it stays
    gamma: Float[Array, ""]
    clip: Float[Array, ""]  # of the gradient's norm
    target_every: Int[Array, ""]  # steps after which the target networks become the main ones
    exploration: Epsilon
    largest_value: Float[Array, ""]
    replay: GroupReplay
    ids: Float[Array, "agents marks"]  # what tells agents apart that share a network; nothing: of width 0
    role: Role = eqx.field(static=True)
    shape: Shape = eqx.field(static=True)
    recurrent: int = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
    double: bool = eqx.field(static=True)
    mixing: tuple[int, int] | None = eqx.field(static=True)  # width of the mixer and of its makers; None: the sum
    batch: int = eqx.field(static=True)
    sequence: int = eqx.field(static=True)
    learn_every: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True, default=1, init=False)  # the memory must not pass through a branch

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> TeamState:
        inputs = jax.eval_shape(self.inputs, jnp.zeros((self.agents, 1, len(self.role.observes))))[0].shape[-1]
        ends = ((self.actions, 1.0),)
        values = jax.vmap(lambda key: create(key, inputs, self.shape, ends)[0])(keys[: self.heads])
        mixer = None
        if self.mixing:
            mixer = monotonic(jax.random.fold_in(keys[0], 1), self.agents, self.replay.world, *self.mixing)
        main = Team(values, mixer)
        return TeamState(main, main, self._optimiser(0.0).init(main), self.replay.empty())

    def policy(self, state: TeamState) -> Trunk:
        return state.main.values

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return self.exploration(step)

    def limit(self) -> Float[Array, ""]:
        return self.largest_value

    # --- acting ------------------------------------------------------------------------------------------------

    def respond(
        self,
        policy: Trunk,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        """Each agent's own best action, or any feasible one with probability epsilon."""
        batch = observations.shape[1]
        draws = jax.vmap(lambda key: jax.random.uniform(key, (batch, 2)))(keys)
        inputs, feasible = (x[:, :, 0] for x in self._seen(observations[:, :, None]))
        answer = jax.vmap(lambda trunk, memory, x: respond(trunk, memory, x, self.activation))
        values, after = (self.unfold(x) for x in answer(policy, self.fold(carry), self.fold(inputs)))
        best = jnp.argmax(jnp.where(feasible, values, NEVER), axis=-1)
        count = jnp.sum(feasible, axis=-1)
        drawn = jnp.minimum(jnp.floor(draws[..., 1] * count).astype(int), count - 1)
        chosen = jnp.where(draws[..., 0] < epsilon, drawn, best)
        return candidate(self.dynamics, self.role, observations, chosen), after

    def _seen(self, observations: Float[Array, "agents batch steps observation"]) -> tuple[Array, Array]:
        """What networks see, and which actions are feasible."""
        return self.inputs(observations, lambda feasible: jnp.arange(self.actions) < feasible)

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: TeamState, transition: Transition, step: Step) -> TeamState:
        return state._replace(rows=self.replay.add(state.rows, transition, step))

    def update(self, state: TeamState, keys: Key[Array, " agents"], step: Step) -> tuple[TeamState, Metrics]:
        """One gradient step, once the memory holds a batch; ``step + 1`` steps have been added."""
        rows, count = state.rows, step + 1
        ready = self.replay.size(count) * self.replay.copies >= self.batch * self.sequence
        due = ready & (count % self.learn_every == 0)
        (main, optimiser), metrics = jax.lax.cond(
            due,
            lambda: self._learn(state, keys[0], count),
            lambda: ((state.main, state.optimiser), nothing_learned(self.agents)),
        )
        # As often as told, whether or not a step fell due just now.
        target = jax.lax.cond(count % self.target_every == 0, lambda: main, lambda: state.target)
        return TeamState(main, target, optimiser, rows), metrics

    def _learn(self, state: TeamState, key: PRNGKeyArray, count: Step) -> tuple[tuple[Team, Any], Metrics]:
        sample = self.replay.sequences(state.rows, key, count, self.batch, self.sequence)
        targets = self.targets(state, sample)
        (loss, size), gradient = jax.value_and_grad(self.loss, has_aux=True)(state.main, sample, targets)
        change, optimiser = self._optimiser(annealing(count, self.last) * self.rate).update(gradient, state.optimiser)
        everybody = (jnp.full(self.agents, x) for x in (loss, size))
        return (optax.apply_updates(state.main, change), optimiser), Metrics(*everybody)

    def targets(self, state: TeamState, sample: Transition) -> Float[Array, "batch steps"]:
        """r + gamma * Q_tot of the target networks, at each agent's own best next action; r alone at an end."""
        inputs, feasible = self._seen(sample.next_observation)
        following = [self._next(team.values, sample, inputs) for team in (state.main, state.target)]
        chooser, judge = following if self.double else following[1:] * 2
        best = jnp.argmax(jnp.where(feasible, chooser, NEVER), axis=-1)
        values = jnp.take_along_axis(judge, best[..., None], axis=-1)[..., 0]
        assert sample.next_world is not None
        joint = self._together(state.target.mixer, values, sample.next_world)
        return sample.reward[0] + self.gamma * jnp.where(sample.terminated[0], 0.0, joint)

    def loss(
        self, main: Team, sample: Transition, targets: Float[Array, "batch steps"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean squared error, and the mean size of joint values."""
        values = self._unrolled(main.values, sample)
        chosen = index(self.dynamics, self.role, sample.observation, sample.action)[..., None]
        own = jnp.take_along_axis(self.unfold(values.outputs), chosen, axis=-1)[..., 0]
        assert sample.world is not None
        joint = self._together(main.mixer, own, sample.world)
        return jnp.mean((targets - joint) ** 2), jnp.mean(jnp.abs(joint))

    def _together(
        self,
        mixer: Mixer | None,
        values: Float[Array, "agents batch steps"],
        world: Float[Array, "batch steps features"],
    ) -> Float[Array, "batch steps"]:
        samples = world.shape[0] * world.shape[1]
        joint = together(mixer, values.reshape(self.agents, samples).T, world.reshape(samples, world.shape[2]))
        return joint.reshape(world.shape[:2])

    def _unrolled(self, trunk: Trunk, sample: Transition) -> Unrolled:
        """Own values along sequences, whose first step has nothing to remember."""
        fresh = jnp.concatenate([jnp.ones_like(sample.ended[..., :1]), sample.ended[..., :-1]], axis=2)
        inputs = self.fold(self.inputs(sample.observation)[0])
        blank = jnp.zeros((*inputs.shape[:2], self.recurrent))
        along = jax.vmap(lambda t, memory, x, f: unroll(t, memory, x, f, self.activation))
        return along(trunk, blank, inputs, self.fold(fresh))

    def _next(self, trunk: Trunk, sample: Transition, inputs: Array) -> Float[Array, "agents batch steps actions"]:
        """Own values of what follows each step."""
        memory, inputs = self._unrolled(trunk, sample).memory, self.fold(inputs)
        answer = jax.vmap(jax.vmap(lambda t, m, x: respond(t, m, x, self.activation)[0], in_axes=(None, 0, 0)))
        return self.unfold(answer(trunk, memory, inputs))

    def _optimiser(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(rate)))

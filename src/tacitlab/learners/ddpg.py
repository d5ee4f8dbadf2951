"""Deterministic policy gradients from memory: act, remember, target, two gradient steps (DDPG, TD3, MADDPG).

By oneself, or with critics that see the global state and what everybody does.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray
from pydantic import model_validator

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.exploration import Constant, EpsilonGreedy
from tacitlab.learners.parts.actions import UNIFORM, Real, Relaxed
from tacitlab.learners.parts.group import (
    Epsilon,
    Group,
    Metrics,
    Step,
    Transition,
    annealing,
    array,
    built,
    candidate,
    candidate_shape,
    features,
    for_each,
    index,
    last_step,
    nothing_learned,
    number,
    others,
    state_size,
)
from tacitlab.learners.parts.memory import GroupReplay, Rows
from tacitlab.learners.parts.networks import (
    ACTOR_GAIN,
    CRITIC_GAIN,
    Activation,
    Shape,
    Trunk,
    Width,
    create,
    forward,
)
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics
from tacitlab.schema import param


class DDPG(Learner):
    """Deep deterministic policy gradient: a critic learns what actions are worth, an actor climbs its gradient.

    From remembered transitions (o, a, r, o') the critic learns ``r + gamma Q'(o', mu'(o'))``, and ``r`` alone where the
    episode ended by its rules; the actor climbs ``Q(o, mu(o))``. Networks with a prime follow the others slowly.

    With ``critics=2, actor_every=2, smoothing=0.2`` this is TD3: targets are the lesser of two critics' values, of an
    action with some noise, and actors and targets move with every second update only.

    Discrete actions (or choices among a market's candidates) are drawn from a softmax; the actor's gradient goes
    through the Gumbel-softmax, while critics see what was chosen.

    Every agent has networks of its own, and learns from moments of its own.

    References
    ----------
    T. Lillicrap et al., ICLR 2016; S. Fujimoto, H. van Hoof and D. Meger, ICML 2018 (TD3); E. Jang, S. Gu and B. Poole,
    and C. Maddison, A. Mnih and Y. Teh, ICLR 2017 (Gumbel-softmax).

    Examples
    --------
    >>> DDPG(batch=64, memory=32)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: batch: 64 is more than a memory of 32 holds; set batch=32
    """

    kind: Literal["ddpg"] = "ddpg"
    rate: float = param(1e-3, "learning rate of the critics' Adam", gt=0)
    actor_rate: float = param(1e-4, "learning rate of the actor's Adam", gt=0)
    anneal: bool = param(False, "the learning rates fall linearly to 0 over the session")
    gamma: float = param(0.99, "discount factor", ge=0, le=1)
    batch: int = param(64, "transitions of an update", ge=1, le=65_536)
    memory: int = param(
        100_000, "most transitions remembered, in all copies; the oldest makes room", "steps", ge=2, le=10_000_000
    )
    warmup: int = param(
        1000, "uniformly random steps at the beginning, before anything is learned", "steps", ge=0, le=1_000_000_000
    )
    update_every: int = param(1, "how often networks learn", "steps", ge=1, le=1_000_000)
    actor_every: int = param(1, "how often, in updates, the actor and the targets move", "updates", ge=1, le=1000)
    critics: Literal[1, 2] = param(1, "critics; of two, targets take the lesser value")
    target_blend: float = param(0.005, "share of the networks that enters their targets", gt=0, le=1)
    smoothing: float = param(
        0.0, "standard deviation of the noise in targets' actions, in largest actions (continuous)", ge=0
    )
    smoothing_clip: float = param(0.5, "largest size of that noise, in largest actions", gt=0)
    actions: Literal["auto", "continuous", "discrete"] = param(
        "auto", "as the role's; discrete: a choice among the market's candidates"
    )
    bound: Literal["tanh", "none"] = param("tanh", "how continuous actions are kept within the largest one")
    action_limit: float = param(2.0, "largest continuous action; without a bound, the unit of actions", gt=0)
    noise: EpsilonGreedy = param(
        Constant(epsilon=0.1), "standard deviation of continuous exploration, in largest actions"
    )
    temperature: float = param(1.0, "temperature of the Gumbel-softmax (discrete)", gt=0)
    output_penalty: float = param(
        1e-3, "weight of the actor's mean squared outputs, before the bound, in its loss", "payoff", ge=0
    )
    reward_scale: float = param(1.0, "what networks multiply rewards by", "1/payoff", gt=0)
    clip_gradient: float = param(10.0, "largest norm of a gradient", gt=0)
    hidden: tuple[Width, ...] = param((64, 64), "widths of hidden layers, of the actor and of the critics")
    activation: Activation = param("relu", "what stands between the layers")
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    many_copies: ClassVar[bool] = True

    @model_validator(mode="after")
    def _consistent(self) -> "DDPG":
        if self.batch > self.memory:
            raise ValueError(
                f"batch: {self.batch} is more than a memory of {self.memory} holds; set batch={self.memory}"
            )
        return self

    def group(self, seat: MarketSeat) -> Group:
        return self._seated(Ddpg, seat)

    def _seated(self, kind: "type[Ddpg]", seat: MarketSeat, world: int = 0) -> "Ddpg":
        """A group of agents as described here; its critics see so much of the global state.

        Raises
        ------
        TacitError
            If its kind of actions does not fit the role's, or its memory the copies of the market.
        """
        actions, size = self._actions(seat)
        if self.memory % seat.copies:
            mend = f"set learners.memory={max(1, self.memory // seat.copies) * seat.copies}"
            raise refuse("memory", f"{self.memory} is no multiple of {seat.copies} copies of the market", mend)
        return built(
            kind, self, seat, actions=actions, shape=Shape(self.hidden), last=last_step(self.anneal, seat),
            noise=Epsilon.of(self.noise.knots(seat.steps)), learn_every=array(self.update_every),
            replay=GroupReplay(self.memory, seat.copies, seat.agents, len(seat.role.observes), size, world),
        )  # fmt: skip

    def _actions(self, seat: MarketSeat) -> tuple[Real | Relaxed, int]:
        """The kind of actions, and their size."""
        role = seat.role
        discrete = isinstance(role.actions, Discrete)
        if isinstance(role.actions, Discrete) and self.actions == "continuous":
            raise refuse("actions", f"{role.name} chooses among {role.actions.size} actions", "use discrete")
        if not discrete and self.actions != "discrete":
            real = Real(
                array(self.action_limit), array(self.smoothing), array(self.smoothing_clip),
                role.actions.size, self.bound == "tanh", self.smoothing > 0,
            )  # fmt: skip
            return real, role.actions.size
        problem = "this market names no candidates to choose from"
        choices, size = candidate_shape(seat, refuse("actions", problem, "use continuous"))
        return Relaxed(array(self.temperature), choices), size


class MADDPG(DDPG):
    """Multi-agent DDPG: in training, each agent's critic sees the world and what all agents of the group do.

    Critic i learns ``r_i + gamma Q'_i(x', mu'_1(o'_1), ..., mu'_N(o'_N))`` with x the market's global state; actor i
    climbs ``Q_i(x, a_1, ..., mu_i(o_i), ..., a_N)``, the others' actions being those remembered. Actors see what their
    agents see, in training and afterwards. All learn from the same moments. Rewards may differ.

    The defaults are those of Lowe et al., with a smaller memory.

    References
    ----------
    R. Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments", NeurIPS 2017, equations 5
    and 6 and the appendix.

    Examples
    --------
    >>> MADDPG().gamma
    0.95
    """

    kind: Literal["maddpg"] = "maddpg"  # type: ignore[assignment]
    rate: float = param(1e-2, "learning rate of the critics' Adam", gt=0)
    actor_rate: float = param(1e-2, "learning rate of the actor's Adam", gt=0)
    gamma: float = param(0.95, "discount factor", ge=0, le=1)
    batch: int = param(1024, "transitions of an update", ge=1, le=65_536)
    update_every: int = param(100, "how often networks learn", "steps", ge=1, le=1_000_000)
    target_blend: float = param(0.01, "share of the networks that enters their targets", gt=0, le=1)

    alike: ClassVar[bool] = False

    @classmethod
    def example(cls) -> "MADDPG":
        return cls(batch=4, hidden=(6,), memory=16, warmup=4, update_every=2)

    def group(self, seat: MarketSeat) -> Group:
        return self._seated(Maddpg, seat, state_size(seat))


# --- the algorithm ---------------------------------------------------------------------------------------------------


class ActorCritics(NamedTuple):
    """What agents act and value by; arrays have a leading axis of agents, the critics' then one of critics."""

    actor: Trunk
    critics: Trunk


class DdpgState(NamedTuple):
    """Everything that a group keeps; arrays but the memory have a leading axis of agents."""

    networks: ActorCritics
    targets: ActorCritics
    optimisers: tuple[Any, Any]  # of actor and critics
    memory: Rows | None


class Batch(NamedTuple):
    """A sample as the networks of an agent see it; a group's arrays have a leading axis of agents.

    Attributes
    ----------
    seen : what the actor saw
    feasible : how many actions were feasible
    around : what critics saw beside the agent's own action
    action, next_action : own actions as critics see them, the next one as the target supposes
    draws : uniform ones, for the actor's own gradient
    """

    seen: Float[Array, "*agents batch inputs"]
    feasible: Float[Array, "*agents batch"]
    around: Float[Array, "*agents batch around"]
    action: Float[Array, "*agents batch code"]
    reward: Float[Array, "*agents batch"]
    terminated: Bool[Array, "*agents batch"]
    next_around: Float[Array, "*agents batch around"]
    next_action: Float[Array, "*agents batch code"]
    draws: Float[Array, "*agents batch code"]


class Ddpg(Group):
    """Agents with an actor and critics of their own, each of which sees and learns what its agent does alone."""

    dynamics: Dynamics
    rate: Float[Array, ""]  # of the critics' Adam
    actor_rate: Float[Array, ""]
    last: Float[Array, ""]  # step at which annealed rates reach 0; infinite: they stay
    gamma: Float[Array, ""]
    target_blend: Float[Array, ""]  # share of the networks that enters their targets with each actor's step
    clip_gradient: Float[Array, ""]
    largest_value: Float[Array, ""]
    reward_scale: Float[Array, ""]
    output_penalty: Float[Array, ""]
    noise: Epsilon
    warmup: Int[Array, ""]  # steps
    learn_every: Int[Array, ""]  # steps
    actor_every: Int[Array, ""]  # updates
    actions: Real | Relaxed
    replay: GroupReplay
    role: Role = eqx.field(static=True)
    shape: Shape = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    critics: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    one_by_one: bool = eqx.field(static=True)  # train networks in turn: faster on processors, slower on a GPU
    update_every: int = eqx.field(static=True, default=1, init=False)  # see ``update``

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> DdpgState:
        blank = jnp.zeros((self.agents, 1, len(self.role.observes)))
        seen = jax.eval_shape(self._seen, blank)[0].shape[-1]
        views = self.around_size(seen) + self.actions.size

        def networks(key: PRNGKeyArray) -> ActorCritics:
            (actor,) = create(key, seen, self.shape, ((self.actions.size, ACTOR_GAIN),))
            critics = create(jax.random.fold_in(key, 1), views, self.shape, ((1, CRITIC_GAIN),) * self.critics)
            return ActorCritics(actor, jax.tree.map(lambda *x: jnp.stack(x), *critics))

        made = jax.vmap(networks)(keys)
        optimisers = tuple(jax.vmap(self._optimiser(0.0).init)(some) for some in made)
        return DdpgState(made, made, optimisers, self.replay.empty())

    def policy(self, state: DdpgState) -> Trunk:
        return state.networks.actor

    def epsilon(self, step: Step) -> Float[Array, ""]:
        """Standard deviation of the noise in units of the largest action, or probability of drawing from the policy."""
        level = jnp.ones(()) if isinstance(self.actions, Relaxed) else self.noise(step)
        return jnp.where(step < self.warmup, UNIFORM, level)

    def limit(self) -> Float[Array, ""]:
        return self.largest_value

    # --- what networks see ---------------------------------------------------------------------------------------

    def around_size(self, seen: int) -> int:
        """Numbers that a critic sees beside its agent's own action; its actor sees so many."""
        return seen

    def around(
        self,
        seen: Float[Array, "agents batch inputs"],
        world: Float[Array, "batch features"] | None,
        actions: Float[Array, "agents batch code"],
    ) -> Float[Array, "agents batch around"]:
        """What each agent's critics see beside its own action: what its actor does."""
        return seen

    def sample(self, memory: Rows, keys: Key[Array, " agents"], step: Step) -> Transition:
        """What is learned from after this step: moments of each agent's own."""
        return self.replay.sample_apart(memory, keys, step + 1, self.batch)

    def _seen(
        self, observations: Float[Array, "agents batch observation"]
    ) -> tuple[Float[Array, "agents batch inputs"], Float[Array, "agents batch"]]:
        """What actors see, and how many choices are feasible."""
        return features(self.dynamics, self.role, observations, number if isinstance(self.actions, Relaxed) else None)

    def _code(self, sample: Transition) -> Float[Array, "agents batch code"]:
        """Actions as critics see them."""
        if isinstance(self.actions, Real):
            return self.actions.code(sample.action)
        chosen = index(self.dynamics, self.role, sample.observation, sample.action)
        return self.actions.code(chosen[..., None].astype(jnp.float32))

    # --- acting ------------------------------------------------------------------------------------------------

    def act(
        self,
        policy: Trunk,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        relaxed, batch = isinstance(self.actions, Relaxed), observations.shape[1]
        draws = jax.vmap(lambda key: jax.random.uniform(key, (batch, self.actions.size + relaxed)))(keys)
        seen, feasible = self._seen(observations)
        outputs = jax.vmap(lambda actor, x: forward(actor, x, self.activation))(policy, seen)
        choices = self.actions.explore(outputs, feasible, draws, epsilon)
        if not relaxed or isinstance(self.role.actions, Discrete):
            return choices
        return candidate(self.dynamics, self.role, observations, choices[..., 0].astype(int))

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: DdpgState, transition: Transition, step: Step) -> DdpgState:
        assert state.memory is not None
        return state._replace(memory=self.replay.add(state.memory, transition, step))

    def update(self, state: DdpgState, keys: Key[Array, " agents"], step: Step) -> tuple[DdpgState, Metrics]:
        """Learn if it is time to; the engine's own branch would copy the memory in every step."""
        due = (step + 1) % self.learn_every == 0
        due &= (step + 1 >= self.warmup) & (self.replay.size(step + 1) >= self.batch)
        memory, kept = state.memory, state._replace(memory=None)  # read in the branch, but not passed through it
        assert memory is not None
        after, metrics = jax.lax.cond(
            due,
            lambda: self.learned(kept, self.sample(memory, keys, step), keys, step),
            lambda: (kept, nothing_learned(self.agents)),
        )
        return after._replace(memory=memory), metrics

    def learned(
        self, state: DdpgState, sample: Transition, keys: Key[Array, " agents"], step: Step
    ) -> tuple[DdpgState, Metrics]:
        """One update from a sample."""
        shape = (2, self.batch, self.actions.size)
        draws = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1), shape))(keys)
        (seen, feasible), (next_seen, next_feasible) = (
            self._seen(x) for x in (sample.observation, sample.next_observation)
        )
        action = self._code(sample)
        next_action = for_each(
            self.one_by_one, Ddpg._supposed, self, None, state.targets.actor, next_seen, next_feasible, draws[:, 0]
        )
        batch = Batch(
            seen, feasible, self.around(seen, sample.world, action), action,
            self.reward_scale * sample.reward, sample.terminated,
            self.around(next_seen, sample.next_world, next_action), next_action, draws[:, 1],
        )  # fmt: skip
        networks, targets, optimisers, (loss, size) = for_each(
            self.one_by_one, Ddpg._learn, self, step, state.networks, state.targets, state.optimisers, batch
        )
        state = DdpgState(networks, targets, optimisers, None)
        return state, Metrics(loss / self.reward_scale**2, size / self.reward_scale)

    def _supposed(self, actor: Trunk, seen: Array, feasible: Array, draws: Array) -> Float[Array, "batch code"]:
        """What one agent will do next, as targets suppose."""
        return self.actions.target(forward(actor, seen, self.activation), feasible, draws)

    def _learn(
        self, step: Step, networks: ActorCritics, targets: ActorCritics, optimisers: tuple[Any, Any], batch: Batch
    ) -> tuple[ActorCritics, ActorCritics, tuple[Any, Any], tuple[Array, Array]]:
        """One agent's update: a step of its critics, and one of its actor and the targets if it is their turn."""
        after = self.values(targets.critics, batch.next_around, batch.next_action).min(axis=0)
        target = batch.reward + self.gamma * jnp.where(batch.terminated, 0.0, after)
        left = annealing(step, self.last)
        (_, metrics), gradient = jax.value_and_grad(self.critic_loss, has_aux=True)(networks.critics, batch, target)
        critics, of_critics = self._step(left * self.rate, networks.critics, gradient, optimisers[1])

        def late() -> tuple[ActorCritics, ActorCritics, Any]:
            gradient = jax.grad(self.actor_loss)(networks.actor, critics, batch)
            actor, of_actor = self._step(left * self.actor_rate, networks.actor, gradient, optimisers[0])
            moved = ActorCritics(actor, critics)
            blended = jax.tree.map(lambda old, new: old + self.target_blend * (new - old), targets, moved)
            return moved, blended, of_actor

        turn = (step + 1) // self.learn_every % self.actor_every == 0
        networks, targets, of_actor = jax.lax.cond(
            turn, late, lambda: (networks._replace(critics=critics), targets, optimisers[0])
        )
        return networks, targets, (of_actor, of_critics), metrics

    def values(self, critics: Trunk, around: Array, action: Array) -> Float[Array, "critics batch"]:
        """What each critic thinks of actions."""
        views = jnp.concatenate([around, action], axis=-1)
        return jax.vmap(lambda critic: forward(critic, views, self.activation)[:, 0])(critics)

    def critic_loss(
        self, critics: Trunk, batch: Batch, target: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], tuple[Array, Array]]:
        """Sum of the critics' mean squared errors; their mean, and the mean size of values."""
        values = self.values(critics, batch.around, batch.action)
        errors = jnp.mean((values - target) ** 2, axis=1)
        return jnp.sum(errors), (jnp.mean(errors), jnp.mean(jnp.abs(values)))

    def actor_loss(self, actor: Trunk, critics: Trunk, batch: Batch) -> Float[Array, ""]:
        """``- mean Q(s, mu(s)) + penalty * mean output^2``, by the first critic."""
        outputs = forward(actor, batch.seen, self.activation)
        action = self.actions.of(outputs, batch.feasible, batch.draws)
        first = jax.tree.map(lambda x: x[:1], critics)
        penalty = self.output_penalty * jnp.mean(outputs**2)
        return penalty - jnp.mean(self.values(first, batch.around, action))

    def _step(self, rate: Float[Array, ""], networks: Trunk, gradient: Trunk, memory: Any) -> tuple[Trunk, Any]:
        change, memory = self._optimiser(rate).update(gradient, memory)
        return optax.apply_updates(networks, change), memory

    def _optimiser(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.clip_gradient), optax.adam(rate)))


class Maddpg(Ddpg):
    """Agents whose actors see what their agents see, and whose critics see everything."""

    def around_size(self, seen: int) -> int:
        return self.replay.world + (self.agents - 1) * self.actions.size

    def around(
        self,
        seen: Float[Array, "agents batch inputs"],
        world: Float[Array, "batch features"] | None,
        actions: Float[Array, "agents batch code"],
    ) -> Float[Array, "agents batch around"]:
        """The world, and the others' actions in the order of agents."""
        assert world is not None
        return jnp.concatenate([jnp.broadcast_to(world, (self.agents, *world.shape)), others(actions)], axis=-1)

    def sample(self, memory: Rows, keys: Key[Array, " agents"], step: Step) -> Transition:
        """The same moments for all agents: what the others did then, and would do next, is computed once."""
        return self.replay.sample(memory, keys[0], step + 1, self.batch)

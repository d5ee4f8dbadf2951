"""Deterministic policy gradients from memory, read from top to bottom: act, remember, target, two gradient steps.

T. Lillicrap et al., ICLR 2016; with two critics, late actors and smooth targets: S. Fujimoto et al., ICML 2018.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from tacitlab.learners.base import MarketSeat, refuse
from tacitlab.learners.deep.actions import UNIFORM, Real, Relaxed
from tacitlab.learners.deep.annealing import last_step, share_left
from tacitlab.learners.deep.base import Clock, Group, Health, Transition, nothing_learned
from tacitlab.learners.deep.exploration import Epsilon
from tacitlab.learners.deep.group_replay import GroupReplay, Rows
from tacitlab.learners.deep.policy import ACTOR_GAIN, CRITIC_GAIN
from tacitlab.learners.deep.trunk import Activation, Shape, Trunk, create, forward
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics

if TYPE_CHECKING:
    from tacitlab.learners.ddpg import DDPG


class Numbers(eqx.Module):
    """What may differ between cells of a sweep without compiling again."""

    rate: Float[Array, ""]  # of the critics' Adam
    actor_rate: Float[Array, ""]
    last: Float[Array, ""]  # step at which annealed rates reach 0; infinite: they stay
    discount: Float[Array, ""]
    blend: Float[Array, ""]  # share of the networks that enters their targets with each actor's step
    largest_slope: Float[Array, ""]  # norm of a gradient
    largest_value: Float[Array, ""]
    reward_scale: Float[Array, ""]
    output_penalty: Float[Array, ""]
    noise: Epsilon
    warmup: Int[Array, ""]  # steps
    update_every: Int[Array, ""]  # steps
    actor_every: Int[Array, ""]  # updates


class Networks(NamedTuple):
    """What agents act and value by; arrays have a leading axis of agents, the critics' then one of critics."""

    actor: Trunk
    critics: Trunk


class DdpgState(NamedTuple):
    """Everything that a group keeps; arrays but the memory have a leading axis of agents."""

    networks: Networks
    targets: Networks
    optimisers: tuple[Any, Any]  # of actor and critics
    memory: Rows | None


class Sight(NamedTuple):
    """A sample as the networks of an agent see it; a group's arrays have a leading axis of agents.

    Attributes
    ----------
    seen : what the actor saw
    feasible : how many actions were feasible
    around : what critics saw beside the agent's own action
    action, next_action : own actions as critics see them, the next one as the target supposes
    draws : uniform ones, for the actor's own slope
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
    numbers: Numbers
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
        seen = jax.eval_shape(self._features, jnp.zeros(len(self.role.observes))).shape[0]
        views = self.around_size(seen) + self.actions.size

        def networks(key: PRNGKeyArray) -> Networks:
            (actor,) = create(key, seen, self.shape, ((self.actions.size, ACTOR_GAIN),))
            critics = create(jax.random.fold_in(key, 1), views, self.shape, ((1, CRITIC_GAIN),) * self.critics)
            return Networks(actor, jax.tree.map(lambda *x: jnp.stack(x), *critics))

        made = jax.vmap(networks)(keys)
        optimisers = tuple(jax.vmap(self._optimiser(0.0).init)(some) for some in made)
        return DdpgState(made, made, optimisers, self.replay.empty())

    def policy(self, state: DdpgState) -> Trunk:
        return state.networks.actor

    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        """Standard deviation of the noise in units of the largest action, or probability of drawing from the policy."""
        level = jnp.ones(()) if isinstance(self.actions, Relaxed) else self.numbers.noise(clock)
        return jnp.where(clock < self.numbers.warmup, UNIFORM, level)

    def limit(self) -> Float[Array, ""]:
        return self.numbers.largest_value

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

    def sample(self, memory: Rows, keys: Key[Array, " agents"], clock: Clock) -> Transition:
        """What is learned from after this step: moments of each agent's own."""
        return self.replay.sample_apart(memory, keys, clock + 1, self.batch)

    def _features(self, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        return self.dynamics.features(self.role, observation)

    def _seen(
        self, observations: Float[Array, "agents batch observation"]
    ) -> tuple[Float[Array, "agents batch inputs"], Float[Array, "agents batch"]]:
        """What actors see, and how many choices are feasible."""

        def one(observation: Array) -> tuple[Array, Array]:
            if isinstance(self.actions, Real):
                return self._features(observation), jnp.zeros(())
            return self._features(observation), self.dynamics.candidates(self.role, observation)[1].astype(jnp.float32)

        return jax.vmap(jax.vmap(one))(observations)

    def _code(self, lived: Transition) -> Float[Array, "agents batch code"]:
        """Actions as critics see them."""
        if isinstance(self.actions, Real):
            return self.actions.code(lived.action)
        index = jax.vmap(jax.vmap(lambda o, a: self.dynamics.index(self.role, o, a)))
        return self.actions.code(index(lived.observation, lived.action)[..., None].astype(jnp.float32))

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
        pick = jax.vmap(jax.vmap(lambda o, c: self.dynamics.candidates(self.role, o)[0][c[0].astype(int)]))
        return pick(observations, choices)

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: DdpgState, transition: Transition, clock: Clock) -> DdpgState:
        assert state.memory is not None
        return state._replace(memory=self.replay.add(state.memory, transition, clock))

    def update(self, state: DdpgState, keys: Key[Array, " agents"], clock: Clock) -> tuple[DdpgState, Health]:
        """Learn if it is time to; the engine's own branch would copy the memory in every step."""
        due = (clock + 1) % self.numbers.update_every == 0
        due &= (clock + 1 >= self.numbers.warmup) & (self.replay.size(clock + 1) >= self.batch)
        memory, kept = state.memory, state._replace(memory=None)  # read in the branch, but not passed through it
        assert memory is not None
        after, health = jax.lax.cond(
            due,
            lambda: self.learned(kept, self.sample(memory, keys, clock), keys, clock),
            lambda: (kept, nothing_learned(self.agents)),
        )
        return after._replace(memory=memory), health

    def learned(
        self, state: DdpgState, lived: Transition, keys: Key[Array, " agents"], clock: Clock
    ) -> tuple[DdpgState, Health]:
        """One update from a sample."""
        shape = (2, self.batch, self.actions.size)
        draws = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 1), shape))(keys)
        (seen, feasible), (next_seen, next_feasible) = (
            self._seen(x) for x in (lived.observation, lived.next_observation)
        )
        action = self._code(lived)
        next_action = self._each(Ddpg._supposed, None, state.targets.actor, next_seen, next_feasible, draws[:, 0])
        sight = Sight(
            seen, feasible, self.around(seen, lived.world, action), action,
            self.numbers.reward_scale * lived.reward, lived.terminated,
            self.around(next_seen, lived.next_world, next_action), next_action, draws[:, 1],
        )  # fmt: skip
        networks, targets, optimisers, (loss, size) = self._each(
            Ddpg._learn, clock, state.networks, state.targets, state.optimisers, sight
        )
        state = DdpgState(networks, targets, optimisers, None)
        return state, Health(loss / self.numbers.reward_scale**2, size / self.numbers.reward_scale)

    def _each(self, function: Any, clock: Clock | None, *values: Any) -> Any:
        """A method's results for each agent."""
        # Passed, not closed over: a function with its own rule for vmap knows nothing of values around it.
        arrays, static = eqx.partition(self, eqx.is_array)

        def one(arrays: Any, clock: Clock | None, *values: Any) -> Any:
            group = eqx.combine(arrays, static)
            return function(group, *values) if clock is None else function(group, clock, *values)

        call = jax.custom_batching.sequential_vmap(one) if self.one_by_one else one
        return jax.vmap(call, in_axes=(None, None, *(0 for _ in values)))(arrays, clock, *values)

    def _supposed(self, actor: Trunk, seen: Array, feasible: Array, draws: Array) -> Float[Array, "batch code"]:
        """What one agent will do next, as targets suppose."""
        return self.actions.target(forward(actor, seen, self.activation), feasible, draws)

    def _learn(
        self, clock: Clock, networks: Networks, targets: Networks, optimisers: tuple[Any, Any], sight: Sight
    ) -> tuple[Networks, Networks, tuple[Any, Any], tuple[Array, Array]]:
        """One agent's update: a step of its critics, and one of its actor and the targets if it is their turn."""
        after = self.values(targets.critics, sight.next_around, sight.next_action).min(axis=0)
        goal = sight.reward + self.numbers.discount * jnp.where(sight.terminated, 0.0, after)
        left = share_left(clock, self.numbers.last)
        (_, health), slope = jax.value_and_grad(self.critic_loss, has_aux=True)(networks.critics, sight, goal)
        critics, of_critics = self._step(left * self.numbers.rate, networks.critics, slope, optimisers[1])

        def late() -> tuple[Networks, Networks, Any]:
            slope = jax.grad(self.actor_loss)(networks.actor, critics, sight)
            actor, of_actor = self._step(left * self.numbers.actor_rate, networks.actor, slope, optimisers[0])
            moved = Networks(actor, critics)
            blended = jax.tree.map(lambda old, new: old + self.numbers.blend * (new - old), targets, moved)
            return moved, blended, of_actor

        turn = (clock + 1) // self.numbers.update_every % self.numbers.actor_every == 0
        networks, targets, of_actor = jax.lax.cond(
            turn, late, lambda: (networks._replace(critics=critics), targets, optimisers[0])
        )
        return networks, targets, (of_actor, of_critics), health

    def values(self, critics: Trunk, around: Array, action: Array) -> Float[Array, "critics batch"]:
        """What each critic thinks of actions."""
        views = jnp.concatenate([around, action], axis=-1)
        return jax.vmap(lambda critic: forward(critic, views, self.activation)[:, 0])(critics)

    def critic_loss(
        self, critics: Trunk, sight: Sight, goal: Float[Array, " batch"]
    ) -> tuple[Float[Array, ""], tuple[Array, Array]]:
        """Sum of the critics' mean squared errors; their mean, and the mean size of values."""
        values = self.values(critics, sight.around, sight.action)
        errors = jnp.mean((values - goal) ** 2, axis=1)
        return jnp.sum(errors), (jnp.mean(errors), jnp.mean(jnp.abs(values)))

    def actor_loss(self, actor: Trunk, critics: Trunk, sight: Sight) -> Float[Array, ""]:
        """``- mean Q(s, mu(s)) + penalty * mean output^2``, by the first critic."""
        outputs = forward(actor, sight.seen, self.activation)
        action = self.actions.of(outputs, sight.feasible, sight.draws)
        first = jax.tree.map(lambda x: x[:1], critics)
        penalty = self.numbers.output_penalty * jnp.mean(outputs**2)
        return penalty - jnp.mean(self.values(first, sight.around, action))

    def _step(self, rate: Float[Array, ""], networks: Trunk, slope: Trunk, memory: Any) -> tuple[Trunk, Any]:
        change, memory = self._optimiser(rate).update(slope, memory)
        return optax.apply_updates(networks, change), memory

    def _optimiser(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.numbers.largest_slope), optax.adam(rate)))


def build(learner: "DDPG", seat: MarketSeat) -> Ddpg:
    """A group of agents as a scenario describes them.

    Raises
    ------
    TacitError
        If its kind of actions does not fit the role's, or its memory the copies of the market.
    """
    return Ddpg(**common(learner, seat))


def common(learner: "DDPG", seat: MarketSeat, world: int = 0) -> dict[str, Any]:
    """Fields of a group as a scenario describes them; its critics see so much of the world."""
    role, agents = seat.role, seat.last - seat.first
    actions, size = _actions(learner, seat)
    if learner.memory % seat.copies:
        mend = "choose numbers that fit"
        raise refuse("memory", f"{learner.memory} is no multiple of {seat.copies} copies of the market", mend)
    return {
        "dynamics": seat.dynamics,
        "numbers": Numbers(
            rate=_single(learner.rate),
            actor_rate=_single(learner.actor_rate),
            last=last_step(learner.anneal, seat),
            discount=_single(learner.gamma),
            blend=_single(learner.target_blend),
            largest_slope=_single(learner.clip_gradient),
            largest_value=_single(learner.largest_value),
            reward_scale=_single(learner.reward_scale),
            output_penalty=_single(learner.output_penalty),
            noise=Epsilon.of(learner.noise.knots(seat.steps)),
            warmup=jnp.asarray(learner.warmup),
            update_every=jnp.asarray(learner.update_every),
            actor_every=jnp.asarray(learner.actor_every),
        ),
        "actions": actions,
        "replay": GroupReplay(learner.memory, seat.copies, agents, len(role.observes), size, world),
        "role": role,
        "shape": Shape(learner.hidden),
        "activation": learner.activation,
        "agents": agents,
        "critics": learner.critics,
        "batch": learner.batch,
        "one_by_one": seat.one_by_one,
    }


def _actions(learner: "DDPG", seat: MarketSeat) -> tuple[Real | Relaxed, int]:
    """The kind of actions, and their size."""
    role, seen = seat.role, jnp.zeros(len(seat.role.observes))
    discrete = isinstance(role.actions, Discrete)
    if discrete and learner.actions == "continuous":
        raise refuse("actions", f"{role.name} chooses among {role.actions.size} actions", "use discrete")
    if not discrete and learner.actions != "discrete":
        real = Real(
            _single(learner.action_limit), _single(learner.smoothing), _single(learner.smoothing_clip),
            role.actions.size, learner.bound == "tanh", learner.smoothing > 0,
        )  # fmt: skip
        return real, role.actions.size
    try:
        shape = jax.eval_shape(lambda o: seat.dynamics.candidates(role, o)[0], seen).shape
    except NotImplementedError:
        raise refuse("actions", "this market names no candidates to choose from", "use continuous") from None
    return Relaxed(_single(learner.temperature), shape[0]), shape[1]


def _single(x: float) -> Array:
    return jnp.asarray(x, jnp.float32)

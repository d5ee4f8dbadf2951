"""Value decomposition, read from top to bottom: act on own values, remember, mix, target, gradient step.

P. Sunehag et al., AAMAS 2018 (VDN: the sum); T. Rashid et al., ICML 2018 (QMIX: a monotonic mixture).
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, Shaped

from tacitlab.learners.base import MarketSeat, refuse
from tacitlab.learners.deep.annealing import last_step, share_left
from tacitlab.learners.deep.base import Carry, Clock, Group, Health, Transition, nothing_learned
from tacitlab.learners.deep.exploration import Epsilon
from tacitlab.learners.deep.group_replay import GroupReplay
from tacitlab.learners.deep.mixing import Mixer, monotonic, together
from tacitlab.learners.deep.on_policy_build import world_size
from tacitlab.learners.deep.policy import NEVER
from tacitlab.learners.deep.trunk import Activation, Shape, Trunk, Unrolled, create, respond, unroll
from tacitlab.markets.base import Role
from tacitlab.markets.motion import Dynamics

if TYPE_CHECKING:
    from tacitlab.learners.value_decomposition import VDN


class Numbers(eqx.Module):
    """What may differ between cells of a sweep without compiling again."""

    rate: Float[Array, ""]  # of Adam
    last: Float[Array, ""]  # step at which an annealed rate reaches 0; infinite: it stays
    discount: Float[Array, ""]
    clip: Float[Array, ""]  # of the gradient's norm
    reset_every: Int[Array, ""]  # steps after which the target networks become the main ones
    epsilon: Epsilon
    largest_value: Float[Array, ""]


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


class Sight(NamedTuple):
    """What a batch looks like to the networks: (agents, batch, steps, ...)."""

    inputs: Float[Array, "agents batch steps inputs"]
    feasible: Bool[Array, "agents batch steps actions"]


class ValueDecomposition(Group):
    """Agents that learn together what they are worth together."""

    dynamics: Dynamics
    numbers: Numbers
    replay: GroupReplay
    ids: Float[Array, "agents marks"]  # what tells agents apart that share a network; nothing: of width 0
    role: Role = eqx.field(static=True)
    shape: Shape = eqx.field(static=True)
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

    @property
    def heads(self) -> int:
        """Number of networks of own values."""
        return 1 if self.shared else self.agents

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> TeamState:
        inputs = jax.eval_shape(self._seen, jnp.zeros((self.agents, 1, 1, len(self.role.observes)))).inputs.shape[-1]
        ends = ((self.actions, 1.0),)
        values = jax.vmap(lambda key: create(key, inputs, self.shape, ends)[0])(keys[: self.heads])
        mixer = None
        if self.mixing:
            mixer = monotonic(jax.random.fold_in(keys[0], 1), self.agents, self.replay.world, *self.mixing)
        main = Team(values, mixer)
        return TeamState(main, main, self._optimiser(0.0).init(main), self.replay.empty())

    def policy(self, state: TeamState) -> Trunk:
        return state.main.values

    def policy_part(self, policies: Trunk, first: int, last: int) -> Trunk:
        return policies if self.shared else super().policy_part(policies, first, last)

    def part(self, first: int, last: int) -> "Group":
        return eqx.tree_at(lambda g: g.ids, super().part(first, last), self.ids[first:last])

    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        return self.numbers.epsilon(clock)

    def limit(self) -> Float[Array, ""]:
        return self.numbers.largest_value

    # --- acting ------------------------------------------------------------------------------------------------

    def act(
        self,
        policy: Trunk,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        """Actions at the beginning of an episode."""
        return self.respond(policy, self.carry(observations.shape[1]), observations, keys, epsilon)[0]

    def carry(self, batch: int) -> Carry:
        return jnp.zeros((self.agents, batch, self.shape.recurrent))

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
        values, after = (self._unfold(x) for x in answer(policy, self._fold(carry), self._fold(inputs)))
        best = jnp.argmax(jnp.where(feasible, values, NEVER), axis=-1)
        count = jnp.sum(feasible, axis=-1)
        drawn = jnp.minimum(jnp.floor(draws[..., 1] * count).astype(int), count - 1)
        chosen = jnp.where(draws[..., 0] < epsilon, drawn, best)
        pick = jax.vmap(jax.vmap(lambda o, k: self.dynamics.candidates(self.role, o)[0][k]))
        return pick(observations, chosen), after

    def _seen(self, observations: Float[Array, "agents batch steps observation"]) -> Sight:
        def one(observation: Array) -> tuple[Array, Array]:
            feasible = self.dynamics.candidates(self.role, observation)[1]
            return self.dynamics.features(self.role, observation), jnp.arange(self.actions) < feasible

        features, feasible = jax.vmap(jax.vmap(jax.vmap(one)))(observations)
        marks = jnp.broadcast_to(self.ids[:, None, None], (*features.shape[:3], self.ids.shape[1]))
        return Sight(jnp.concatenate([features, marks], axis=-1), feasible)

    def _fold(self, x: Shaped[Array, "agents batch ..."]) -> Shaped[Array, "networks lives ..."]:
        """What each network sees: the samples of its agent, or of all."""
        return x.reshape(self.heads, x.shape[0] * x.shape[1] // self.heads, *x.shape[2:])

    def _unfold(self, x: Shaped[Array, "networks lives ..."]) -> Shaped[Array, "agents batch ..."]:
        return x.reshape(self.agents, x.shape[0] * x.shape[1] // self.agents, *x.shape[2:])

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: TeamState, transition: Transition, clock: Clock) -> TeamState:
        return state._replace(rows=self.replay.add(state.rows, transition, clock))

    def update(self, state: TeamState, keys: Key[Array, " agents"], clock: Clock) -> tuple[TeamState, Health]:
        """One gradient step, once the memory holds a batch; ``clock + 1`` steps have been added."""
        rows, count = state.rows, clock + 1
        ready = self.replay.size(count) * self.replay.copies >= self.batch * self.sequence
        due = ready & (count % self.learn_every == 0)
        (main, optimiser), health = jax.lax.cond(
            due,
            lambda: self._learn(state, keys[0], count),
            lambda: ((state.main, state.optimiser), nothing_learned(self.agents)),
        )
        # As often as told, whether or not a step fell due just now.
        target = jax.lax.cond(count % self.numbers.reset_every == 0, lambda: main, lambda: state.target)
        return TeamState(main, target, optimiser, rows), health

    def _learn(self, state: TeamState, key: PRNGKeyArray, count: Clock) -> tuple[tuple[Team, Any], Health]:
        sample = self.replay.sequences(state.rows, key, count, self.batch, self.sequence)
        goals = self.targets(state, sample)
        (loss, size), slope = jax.value_and_grad(self.loss, has_aux=True)(state.main, sample, goals)
        rate = share_left(count, self.numbers.last) * self.numbers.rate
        change, optimiser = self._optimiser(rate).update(slope, state.optimiser)
        everybody = (jnp.full(self.agents, x) for x in (loss, size))
        return (optax.apply_updates(state.main, change), optimiser), Health(*everybody)

    def targets(self, state: TeamState, sample: Transition) -> Float[Array, "batch steps"]:
        """r + discount * Q_tot of the target networks, at each agent's own best next action; r alone at an end."""
        then = self._seen(sample.next_observation)
        following = [self._next(team.values, sample, then) for team in (state.main, state.target)]
        chooser, judge = following if self.double else following[1:] * 2
        best = jnp.argmax(jnp.where(then.feasible, chooser, NEVER), axis=-1)
        values = jnp.take_along_axis(judge, best[..., None], axis=-1)[..., 0]
        assert sample.next_world is not None
        joint = self._together(state.target.mixer, values, sample.next_world)
        return sample.reward[0] + self.numbers.discount * jnp.where(sample.terminated[0], 0.0, joint)

    def loss(
        self, main: Team, sample: Transition, goals: Float[Array, "batch steps"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean squared error, and the mean size of joint values."""
        values = self._unrolled(main.values, sample)
        index = jax.vmap(jax.vmap(jax.vmap(lambda o, a: self.dynamics.index(self.role, o, a))))
        chosen = index(sample.observation, sample.action)[..., None]
        own = jnp.take_along_axis(self._unfold(values.outputs), chosen, axis=-1)[..., 0]
        assert sample.world is not None
        joint = self._together(main.mixer, own, sample.world)
        return jnp.mean((goals - joint) ** 2), jnp.mean(jnp.abs(joint))

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
        ended = sample.terminated | sample.truncated
        fresh = jnp.concatenate([jnp.ones_like(ended[..., :1]), ended[..., :-1]], axis=2)
        inputs = self._fold(self._seen(sample.observation).inputs)
        blank = jnp.zeros((*inputs.shape[:2], self.shape.recurrent))
        along = jax.vmap(lambda t, memory, x, f: unroll(t, memory, x, f, self.activation))
        return along(trunk, blank, inputs, self._fold(fresh))

    def _next(self, trunk: Trunk, sample: Transition, then: Sight) -> Float[Array, "agents batch steps actions"]:
        """Own values of what follows each step."""
        memory, inputs = self._unrolled(trunk, sample).memory, self._fold(then.inputs)
        answer = jax.vmap(jax.vmap(lambda t, m, x: respond(t, m, x, self.activation)[0], in_axes=(None, 0, 0)))
        return self._unfold(answer(trunk, memory, inputs))

    def _optimiser(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.numbers.clip), optax.adam(rate)))


def build(learner: "VDN", seat: MarketSeat) -> ValueDecomposition:
    """A group of agents as a scenario describes them.

    Raises
    ------
    TacitError
        If agents may get different rewards, or have actions without candidates.
    """
    from tacitlab.learners.value_decomposition import QMIX

    role, dynamics, agents, kind = seat.role, seat.dynamics, seat.last - seat.first, learner.kind
    if not seat.market.common_reward:
        mend = "give all the same reward, or use independent learners, mappo or maddpg"
        raise refuse("kind", f"{kind} learns a team's value, but these agents get rewards of their own", mend)
    try:
        candidates = jax.eval_shape(lambda o: dynamics.candidates(role, o)[0], jnp.zeros(len(role.observes)))
    except NotImplementedError:
        raise refuse("kind", f"{kind} chooses among candidates, and this market names none", "use mappo") from None

    def single(x: float) -> Array:
        return jnp.asarray(x, jnp.float32)

    sequence = learner.sequence if learner.recurrent else 1
    return ValueDecomposition(
        dynamics=dynamics,
        numbers=Numbers(
            rate=single(learner.rate),
            last=last_step(learner.anneal, seat),
            discount=single(learner.gamma),
            clip=single(learner.clip),
            reset_every=jnp.asarray(learner.target_every),
            epsilon=Epsilon.of(learner.exploration.knots(seat.steps)),
            largest_value=single(learner.largest_value),
        ),
        replay=GroupReplay(
            learner.capacity, seat.copies, agents, len(role.observes), candidates.shape[1], world_size(seat)
        ),
        ids=jnp.eye(agents) if learner.parameters == "shared" and learner.agent_ids else jnp.zeros((agents, 0)),
        role=role,
        shape=Shape(learner.hidden, learner.recurrent),
        activation=learner.activation,
        agents=agents,
        actions=candidates.shape[0],
        shared=learner.parameters == "shared",
        double=learner.double,
        mixing=(learner.mixing, learner.hyper) if isinstance(learner, QMIX) else None,
        batch=learner.batch,
        sequence=sequence,
        learn_every=learner.update_every,
    )

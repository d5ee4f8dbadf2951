"""What policy-gradient learners share: acting, rollouts, advantages, a gradient step; they differ in what they climb.

J. Schulman et al., ICLR 2016 (advantages); details as in S. Huang et al., ICLR blog track 2022.
"""

import itertools
from abc import abstractmethod
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, Shaped

from tacitlab.learners.parts.group import (
    NETWORKS,
    Carry,
    Metrics,
    Networked,
    Step,
    Told,
    Transition,
    annealing,
    candidate,
    for_each,
    index,
    nothing_learned,
    number,
)
from tacitlab.learners.parts.networks import (
    ACTOR_GAIN,
    CRITIC_GAIN,
    LEAST,
    Activation,
    Distribution,
    Gaussian,
    Moments,
    Shape,
    Trunk,
    create,
    respond,
    unroll,
)
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics

ADAM_EPSILON = 1e-5  # Huang et al. 2022, detail 3

Sees = Literal["own", "world", "both"]


class Networks(NamedTuple):
    """What one agent, or a whole group, acts and values by.

    Attributes
    ----------
    actor, critic : Trunk
    log_sd : (size,) array
        Logarithm of a Gaussian policy's standard deviation, which is the same everywhere; empty if categorical.
    """

    actor: Trunk
    critic: Trunk
    log_sd: Float[Array, " size"]


class Acting(NamedTuple):
    """What acts; arrays have a leading axis of networks: one for each agent, or a single one."""

    actor: Trunk
    log_sd: Float[Array, "networks size"]
    seen: Moments | None


class Memories(NamedTuple):
    """What recurrent networks remember; of width 0 without memory."""

    actor: Float[Array, "*networks streams width"]
    critic: Float[Array, "*networks streams width"]


class OnPolicyState(NamedTuple):
    """Everything that a group keeps; arrays but the rollout and the returns have a leading axis of networks."""

    networks: Networks
    optimiser: Any
    rows: tuple[Array, Array] | None
    seen: Moments | None  # of what the actor sees
    viewed: Moments | None  # of what a central critic sees
    earned: Moments | None  # of the squares of discounted returns
    returns: Float[Array, "agents copies"]  # discounted sum of what the running episode has brought
    memories: Memories  # at the beginning of the rollout


class Batch(NamedTuple):
    """Sequences of steps to learn from: of one step each without memory."""

    inputs: Float[Array, "*networks chunks steps inputs"]
    views: Float[Array, "*networks chunks steps views"] | None  # what the critic sees, where that differs
    choices: Float[Array, "*networks chunks steps size"]
    feasible: Float[Array, "*networks chunks steps"]
    fresh: Bool[Array, "*networks chunks steps"]  # steps that begin an episode
    memories: Memories  # before each sequence
    log_probability: Float[Array, "*networks chunks steps"]  # of the choices, when they were made
    value: Float[Array, "*networks chunks steps"]  # when they were made
    advantage: Float[Array, "*networks chunks steps"]

    def pieces(self, length: int) -> "Batch":
        """Cut into sequences of so many steps; memories are those before each of them."""
        bare = self._replace(memories=None)  # type: ignore[arg-type]
        cut = jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1] // length, length, *x.shape[2:]), bare)
        kept: Batch = cut._replace(memories=jax.tree.map(flat, self.memories))
        return kept

    def steps(self) -> "Batch":
        """As single steps, without memories."""
        found: Batch = jax.tree.map(flat, self._replace(memories=None))  # type: ignore[arg-type]
        return found


class RolloutInputs(NamedTuple):
    """What a rollout looked like to the networks, before it is judged: (networks, streams, steps, ...).

    Attributes
    ----------
    inputs, after : arrays
        What the actor saw before and after each step.
    views, views_after : arrays or None
        The same of the critic, where that differs.
    choices, feasible, fresh : arrays
        Actions; how many were feasible; whether a step began an episode.
    over : (networks, streams) array of bool
        Whether the last step ended one.
    next_choices : array or None
        What was done next, or would have been, for critics of actions.
    """

    inputs: Float[Array, "*networks streams steps inputs"]
    after: Float[Array, "*networks streams steps inputs"]
    views: Float[Array, "*networks streams steps views"] | None
    views_after: Float[Array, "*networks streams steps views"] | None
    choices: Float[Array, "*networks streams steps size"]
    feasible: Float[Array, "*networks streams steps"]
    fresh: Bool[Array, "*networks streams steps"]
    over: Bool[Array, "*networks streams"]
    next_choices: Float[Array, "*networks streams steps size"] | None = None


def flat(x: Shaped[Array, "streams steps ..."]) -> Shaped[Array, "samples ..."]:
    """Streams and their steps in one row."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


class Rollout(eqx.Module):
    """A memory of so many consecutive steps.

    Attributes
    ----------
    steps, agents, copies : int
        Steps remembered; agents of the group; copies of the market that they learn from.
    observation, action : int
        Sizes of an observation and of an action.
    world : int
        Size of the market's global state where that is remembered, too; else 0.
    """

    steps: int = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    copies: int = eqx.field(static=True)
    observation: int = eqx.field(static=True)
    action: int = eqx.field(static=True)
    world: int = eqx.field(static=True, default=0)

    def empty(self) -> tuple[Float[Array, "steps agents copies row"], Float[Array, "steps copies worlds"]]:
        """Nothing remembered yet."""
        row = 2 * self.observation + self.action + 3
        return (
            jnp.zeros((self.steps, self.agents, self.copies, row), jnp.float32),
            jnp.zeros((self.steps, self.copies, 2 * self.world), jnp.float32),
        )

    def add(self, rows: tuple[Array, Array], transition: Transition, step: Step) -> tuple[Array, Array]:
        """The memory with the step of this number in its place."""
        t, place = transition, step % self.steps
        scalars = jnp.stack([t.reward, t.terminated.astype(jnp.float32), t.truncated.astype(jnp.float32)], axis=-1)
        row = jnp.concatenate([t.observation, t.action, t.next_observation, scalars], axis=-1)
        own = jax.lax.dynamic_update_slice(rows[0], row[None], (place, 0, 0, 0))
        if not self.world:
            return own, rows[1]
        assert t.world is not None
        assert t.next_world is not None
        both = jnp.concatenate([t.world, t.next_world], axis=-1)
        return own, jax.lax.dynamic_update_slice(rows[1], both[None].astype(jnp.float32), (place, 0, 0))

    def read(self, rows: tuple[Array, Array]) -> Transition:
        """All steps in their order: (agents, copies, steps, ...); the global state (copies, steps, features)."""
        ends = list(itertools.accumulate([self.observation, self.action, self.observation]))
        before, action, after, scalars = jnp.split(jnp.moveaxis(rows[0], 0, 2), ends, axis=3)
        reward, terminated, truncated = jnp.moveaxis(scalars, 3, 0)
        world, next_world = jnp.split(jnp.swapaxes(rows[1], 0, 1), 2, axis=2) if self.world else (None, None)
        return Transition(before, action, reward, after, terminated > 0, truncated > 0, world, next_world)


def generalised_advantages(
    rewards: Float[Array, " steps"],
    values: Float[Array, " steps"],
    next_values: Float[Array, " steps"],
    terminated: Bool[Array, " steps"],
    truncated: Bool[Array, " steps"],
    gamma: Float[Array, ""],
    gae_lambda: Float[Array, ""],
) -> Float[Array, " steps"]:
    """Generalised advantage estimates of consecutive steps, which may belong to several episodes.

    ``A_t = delta_t + gamma lambda (1 - ended_t) A_{t+1}`` with ``delta_t = r_t + gamma (1 - terminated_t) V(s'_t)
    - V(s_t)``: an episode that is merely cut is valued through its end, but nothing of the next episode counts.

    Parameters
    ----------
    rewards, values : (steps,) arrays
        What each step brought, and the value of what was seen before it.
    next_values : (steps,) array
        Value of what was seen after each step, before any reset.
    terminated, truncated : (steps,) arrays of bool
    gamma, gae_lambda : scalars
        Discount factor and lambda; a lambda of 0 gives one-step errors, of 1 whole returns less the values.

    References
    ----------
    J. Schulman, P. Moritz, S. Levine, M. Jordan and P. Abbeel, "High-dimensional continuous control using generalized
    advantage estimation", ICLR 2016, equation 16.

    Examples
    --------
    Two steps that earn 1 each where 0 was expected, then the end:

    >>> one, none, half = jnp.ones(2), jnp.zeros(2), jnp.array(0.5)
    >>> generalised_advantages(one, none, none, jnp.array([False, True]), none > 0, half, half).tolist()
    [1.25, 1.0]
    """
    errors = rewards + gamma * jnp.where(terminated, 0.0, next_values) - values
    decays = gamma * gae_lambda * (1.0 - (terminated | truncated))

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        error, decay = now
        advantage = error + decay * later
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(errors[0]), (errors, decays), reverse=True)[1]


class OnPolicy(Networked):
    """Agents that act by networks of their own, or all by the same one, and learn from what they just experienced."""

    dynamics: Dynamics
    rate: Float[Array, ""]
    last: Float[Array, ""]  # step at which an annealed rate reaches 0; infinite: it stays
    gamma: Float[Array, ""]
    gae_lambda: Float[Array, ""]
    value_weight: Float[Array, ""]
    entropy_weight: Float[Array, ""]
    clip_gradient: Float[Array, ""]
    largest_value: Float[Array, ""]
    log_sd: Float[Array, ""]  # of the first Gaussian policy
    last_log_sd: Float[Array, ""]  # of the last one, where it follows the step; NaN: it is learned
    steps: Float[Array, ""]  # of the session
    distribution: Distribution
    rollout: Rollout
    ids: Float[Array, "agents marks"]  # what tells agents apart that share a network; nothing: of width 0
    role: Role = eqx.field(static=True)
    shape: Shape = eqx.field(static=True)
    sequence: int = eqx.field(static=True)  # steps that are learned from in one piece
    recurrent: int = eqx.field(static=True)
    activation: Activation = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
    sees: Sees = eqx.field(static=True)  # what the critic sees in training
    one_critic: bool = eqx.field(static=True)  # actors differ, but there is a single critic
    apart: bool = eqx.field(static=True)  # gradients of actor and critic are clipped each by its own norm
    normalise_observations: bool = eqx.field(static=True)
    scale_rewards: bool = eqx.field(static=True)
    normalise_advantages: bool = eqx.field(static=True)
    deterministic_test: bool = eqx.field(static=True)  # agents do what seems best where epsilon is 0, as in a test
    adam: bool = eqx.field(static=True)
    one_by_one: bool = eqx.field(static=True)  # train networks in turn: faster on processors, slower on a GPU
    update_every: int = eqx.field(static=True, default=1, init=False)  # see ``update``

    @property
    def streams(self) -> int:
        """Parallel sequences of steps that each network learns from: agents times copies of the market."""
        return self.rollout.copies * self.agents // self.heads

    @property
    def values(self) -> int:
        """Numbers that a critic puts out."""
        return 1

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> OnPolicyState:
        inputs, views = self._sizes()
        log_sd = jnp.broadcast_to(self.log_sd, (self.distribution.spreads,))
        ends, heads = ((self.distribution.outputs, ACTOR_GAIN), (self.values, CRITIC_GAIN)), jnp.arange(self.heads)

        def networks(key: PRNGKeyArray) -> Networks:
            if views is None:
                both = create(key, inputs, self.shape, ends)
                return Networks(both[0], both[1], log_sd)
            (actor,) = create(key, inputs, self.shape, ends[:1])
            of_critic = jax.random.fold_in(keys[0] if self.one_critic else key, 1)
            (critic,) = create(of_critic, views, self.shape, ends[1:])
            return Networks(actor, critic, log_sd)

        made = jax.vmap(networks)(keys[: self.heads])
        memory = jnp.zeros((self.heads, self.streams, self.recurrent))
        return OnPolicyState(
            made,
            jax.vmap(self._optimisers)(made),
            self.rollout.empty(),
            jax.vmap(lambda _: Moments.empty(inputs))(heads) if self.normalise_observations else None,
            jax.vmap(lambda _: Moments.empty(views or 0))(heads) if self.normalise_observations and views else None,
            jax.vmap(lambda _: Moments.empty())(heads) if self.scale_rewards else None,
            jnp.zeros((self.agents, self.rollout.copies)),
            Memories(memory, memory),
        )

    def _sizes(self) -> tuple[int, int | None]:
        """Inputs of the actor, and of the critic where it sees something else."""
        blank = jnp.zeros((self.agents, 1, len(self.role.observes)))
        own = jax.eval_shape(self.inputs, blank)[0].shape[-1]
        return own, {"own": None, "world": self.rollout.world, "both": self.rollout.world + own}[self.sees]

    def policy(self, state: OnPolicyState) -> Acting:
        return Acting(state.networks.actor, state.networks.log_sd, state.seen)

    def epsilon(self, step: Step) -> Float[Array, ""]:
        """Actions are drawn with this probability; otherwise the likeliest is taken, if ``deterministic_test``."""
        return jnp.ones(())

    def _spread(self, learned: Float[Array, "*networks size"], step: Step) -> Float[Array, "*networks size"]:
        """Logarithm of the standard deviation after a step: as it was learned, or by the step."""
        way = jnp.minimum((step + 1) / self.steps, 1.0)
        wanted = self.log_sd + (self.last_log_sd - self.log_sd) * way
        return jnp.where(jnp.isnan(wanted), learned, wanted)

    def _learnable(self, log_sd: Float[Array, " size"]) -> Float[Array, " size"]:
        """The same number; gradients pass through it only where it is learned."""
        return jnp.where(jnp.isnan(self.last_log_sd), log_sd, jax.lax.stop_gradient(log_sd))

    def limit(self) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf) if self.scale_rewards else self.largest_value

    # --- acting ------------------------------------------------------------------------------------------------

    def respond(
        self,
        policy: Acting,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        batch = observations.shape[1]
        draws = jax.vmap(lambda key: jax.random.uniform(key, (batch, 1 + max(self.distribution.spreads, 1))))(keys)
        noisy = (draws[..., 0] < epsilon) | (not self.deterministic_test)
        inputs, feasible = self.inputs(observations)

        def choose(policy: Acting, memory: Array, inputs: Array, *rest: Array) -> tuple[Array, Array]:
            inputs = inputs if policy.seen is None else policy.seen.normalise(inputs)
            outputs, memory = respond(policy.actor, memory, inputs, self.activation)
            return self.distribution.choose(outputs, policy.log_sd, *rest), memory

        folded = jax.tree.map(self.fold, (carry, inputs, feasible, draws[..., 1:], noisy))
        choices, after = jax.vmap(choose)(policy, *folded)
        choices, after = self.unfold(choices), self.unfold(after)
        if isinstance(self.distribution, Gaussian) or isinstance(self.role.actions, Discrete):
            return choices, after
        return candidate(self.dynamics, self.role, observations, choices[..., 0].astype(int)), after

    def inputs(
        self, observations: Float[Array, "agents *batch observation"], told: Told = None
    ) -> tuple[Float[Array, "agents *batch inputs"], Shaped[Array, " agents *rest"]]:
        return super().inputs(observations, None if isinstance(self.distribution, Gaussian) else number)

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: OnPolicyState, transition: Transition, step: Step) -> OnPolicyState:
        assert state.rows is not None
        return state._replace(rows=self.rollout.add(state.rows, transition, step))

    def update(self, state: OnPolicyState, keys: Key[Array, " agents"], step: Step) -> tuple[OnPolicyState, Metrics]:
        """Learn if a rollout is complete; the engine's own branch would copy the rollout in every step."""
        due = (step + 1) % self.rollout.steps == 0
        rows, kept = state.rows, state._replace(rows=None)  # read in the branch, but not passed through it
        assert rows is not None
        after, metrics = jax.lax.cond(
            due,
            lambda: self._learned(kept, self.rollout.read(rows), keys, step),
            lambda: (kept, nothing_learned(self.agents)),
        )
        return after._replace(rows=rows), metrics

    def _learned(
        self, state: OnPolicyState, trajectory: Transition, keys: Key[Array, " agents"], step: Step
    ) -> tuple[OnPolicyState, Metrics]:
        state, scale = self._with_rewards(state, trajectory)
        rollout, ended = self._rollout_inputs(trajectory, state, keys), trajectory.ended
        judged = self._each(OnPolicy._judged, None, state.networks, state.seen, state.viewed, state.memories, rollout)
        batch, next_value, memories = judged
        # Backwards through time for all agents at once: one by one it would take as long as the networks.
        value, next_value = (v.reshape(ended.shape) for v in (batch.value, next_value))
        along = jax.vmap(jax.vmap(generalised_advantages, (0, 0, 0, 0, 0, None, None)), (0, 0, 0, 0, 0, None, None))
        advantage = along(
            trajectory.reward / scale[:, None, None], value, next_value, trajectory.terminated, trajectory.truncated,
            self.gamma, self.gae_lambda,
        )  # fmt: skip
        batch = batch._replace(advantage=advantage.reshape(batch.value.shape))
        networks, optimiser = self._each(
            type(self).learn, step, state.networks, state.optimiser, batch, keys[: self.heads]
        )
        networks = networks._replace(log_sd=self._spread(networks.log_sd, step))
        seen, viewed = (
            None if m is None or x is None else jax.vmap(Moments.with_batch)(m, jax.vmap(flat)(x))
            for m, x in ((state.seen, rollout.inputs), (state.viewed, rollout.views))
        )
        size = jnp.mean(jnp.abs(value), axis=(1, 2))
        # Values that are learned in units of returns are judged in them: payoffs may be of any size.
        beyond = (size > self.largest_value) & self.scale_rewards
        metrics = Metrics(
            jnp.mean((scale[:, None, None] * advantage) ** 2, axis=(1, 2)), jnp.where(beyond, jnp.inf, scale * size)
        )
        state = state._replace(networks=networks, optimiser=optimiser, seen=seen, viewed=viewed, memories=memories)
        return state, metrics

    def _rollout_inputs(
        self, trajectory: Transition, state: OnPolicyState, keys: Key[Array, " agents"]
    ) -> RolloutInputs:
        """What a rollout looked like to each network."""
        (inputs, feasible), (after, _) = self.inputs(trajectory.observation), self.inputs(trajectory.next_observation)
        ended = trajectory.ended
        fresh = jnp.concatenate([jnp.zeros_like(ended[..., :1]), ended[..., :-1]], axis=2)
        found = RolloutInputs(
            inputs, after, self._views(trajectory.world, inputs), self._views(trajectory.next_world, after),
            self._choices(trajectory), feasible, fresh, ended[..., -1],
        )  # fmt: skip
        folded: RolloutInputs = jax.tree.map(self.fold, found)
        return folded

    def _with_rewards(
        self, state: OnPolicyState, trajectory: Transition
    ) -> tuple[OnPolicyState, Float[Array, " agents"]]:
        """The size of discounted returns so far: values are learned in units of it."""
        if state.earned is None:
            return state, jnp.ones(self.agents)

        def on(total: Array, now: Any) -> tuple[Array, Array]:
            reward, ended = now
            total = self.gamma * total + reward
            return jnp.where(ended, 0.0, total), total**2

        steps = jax.tree.map(lambda x: jnp.moveaxis(x, 2, 0), (trajectory.reward, trajectory.ended))
        returns, squares = jax.lax.scan(on, state.returns, steps)
        earned = jax.vmap(Moments.with_batch)(state.earned, jnp.moveaxis(squares, 0, 2).reshape(self.heads, -1))
        scale = jnp.where(earned.mean > 0, jnp.sqrt(earned.mean), 1.0)
        return state._replace(earned=earned, returns=returns), jnp.broadcast_to(scale, (self.agents,))

    def _views(
        self, world: Float[Array, "copies steps features"] | None, own: Float[Array, "agents copies steps inputs"]
    ) -> Float[Array, "agents copies steps views"] | None:
        """What each agent's critic sees, where that differs from what the actor sees."""
        if self.sees == "own":
            return None
        assert world is not None
        everything = jnp.broadcast_to(world, (self.agents, *world.shape))
        return everything if self.sees == "world" else jnp.concatenate([everything, own], axis=-1)

    def _choices(self, trajectory: Transition) -> Float[Array, "agents copies steps size"]:
        """Actions as the distribution knows them."""
        if isinstance(self.distribution, Gaussian):
            return trajectory.action
        found = index(self.dynamics, self.role, trajectory.observation, trajectory.action)
        return found[..., None].astype(jnp.float32)

    def _each(self, method: Any, step: Step | None, *values: Any) -> Any:
        """A method's results for each network; gradients of one critic are averaged over networks, all at once."""
        return for_each(self.one_by_one and not self.one_critic, method, self, step, *values)

    def _judged(
        self,
        networks: Networks,
        seen: Moments | None,
        viewed: Moments | None,
        memories: Memories,
        rollout: RolloutInputs,
    ) -> tuple[Batch, Float[Array, "streams steps"], Memories]:
        """Steps as the networks see them before they learn, but for the advantages; values and memories that follow."""
        inputs, after = (x if seen is None else seen.normalise(x) for x in (rollout.inputs, rollout.after))
        views, views_after = rollout.views, rollout.views_after
        if viewed is not None and views is not None and views_after is not None:
            views, views_after = viewed.normalise(views), viewed.normalise(views_after)
        actor = unroll(networks.actor, memories.actor, inputs, rollout.fresh, self.activation)
        critic = unroll(
            networks.critic, memories.critic, inputs if views is None else views, rollout.fresh, self.activation
        )
        following = after if views_after is None else views_after
        then, _ = respond(networks.critic, flat(critic.memory), flat(following), self.activation)
        told = (flat(x) for x in (rollout.feasible, rollout.choices))
        logs = self.distribution.log_probability(flat(actor.outputs), networks.log_sd, *told)
        starts = Memories(*(
            jnp.concatenate([before[:, None], kept[:, :-1]], axis=1)[:, :: self.sequence]
            for before, kept in zip(memories, (actor.memory, critic.memory), strict=True)
        ))  # fmt: skip
        value = self._valued(critic.outputs, rollout.choices)
        next_value = self._valued(then, None if rollout.next_choices is None else flat(rollout.next_choices))
        batch = Batch(
            inputs, views, rollout.choices, rollout.feasible, rollout.fresh, starts,
            logs.reshape(value.shape), value, jnp.zeros_like(value),
        )  # fmt: skip
        ends = (jnp.where(rollout.over[:, None], 0.0, kept[:, -1]) for kept in (actor.memory, critic.memory))
        return batch.pieces(self.sequence), next_value.reshape(value.shape), Memories(*ends)

    def _valued(self, outputs: Array, choices: Array | None) -> Array:
        """Values, from what critics put out."""
        return outputs[..., 0]

    @abstractmethod
    def learn(
        self, step: Step, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        """What one network makes of a rollout."""

    @abstractmethod
    def objective(
        self, log_probability: Float[Array, " samples"], batch: Batch, advantage: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """What the actor climbs."""

    @abstractmethod
    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        """What the critic descends."""

    def loss(self, networks: Networks, batch: Batch) -> Float[Array, ""]:
        """``-objective + value_weight * value_error - entropy_weight * entropy``."""
        views = batch.inputs if batch.views is None else batch.views
        actor = unroll(networks.actor, batch.memories.actor, batch.inputs, batch.fresh, self.activation)
        critic = unroll(networks.critic, batch.memories.critic, views, batch.fresh, self.activation)
        value = self._valued(critic.outputs, batch.choices).reshape(-1)
        batch = batch.steps()
        outputs = actor.outputs.reshape(len(batch.value), -1)
        log_sd, advantage = self._learnable(networks.log_sd), batch.advantage
        logs = self.distribution.log_probability(outputs, log_sd, batch.feasible, batch.choices)
        if self.normalise_advantages and len(advantage) > 1:  # a single one would become 0
            advantage = (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + LEAST)
        entropy = self.distribution.entropy(outputs, log_sd, batch.feasible)
        gain = self.objective(logs, batch, advantage) + self.entropy_weight * entropy
        return self.value_weight * self.value_error(value, batch) - gain

    def gradient_step(self, step: Step, networks: Networks, optimiser: Any, batch: Batch) -> tuple[Networks, Any]:
        """One gradient step."""
        gradient = jax.grad(self.loss)(networks, batch)
        if self.one_critic:
            gradient = gradient._replace(critic=jax.lax.pmean(gradient.critic, NETWORKS))
        if self.apart:
            gradient = gradient._replace(critic=self._clipped(gradient.critic))
            gradient = gradient._replace(**self._clipped({"actor": gradient.actor, "log_sd": gradient.log_sd}))
        return self._descended(step, networks, gradient, optimiser)

    def _descended(self, step: Step, networks: Any, gradient: Any, optimiser: Any) -> tuple[Any, Any]:
        """Networks, or some of them, a step down a gradient."""
        change, optimiser = self._optimiser().update(gradient, optimiser)
        rate = self.rate * annealing(step, self.last)
        return jax.tree.map(lambda old, new: old - rate * new, networks, change), optimiser

    def _optimisers(self, networks: Networks) -> Any:
        """Memory of what takes the steps of one pair of networks."""
        return self._optimiser().init(networks)

    def _clipped(self, gradient: Any) -> Any:
        return optax.clip_by_global_norm(self.clip_gradient).update(gradient, optax.EmptyState())[0]

    def _optimiser(self) -> optax.GradientTransformation:
        clip = optax.identity() if self.apart else optax.clip_by_global_norm(self.clip_gradient)
        return optax.flatten(
            optax.chain(clip, optax.scale_by_adam(eps=ADAM_EPSILON) if self.adam else optax.identity())
        )

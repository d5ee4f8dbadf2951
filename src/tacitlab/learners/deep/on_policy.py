"""What policy-gradient learners share: networks, rollouts, advantages; they differ in what they make of them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, Shaped

from tacitlab.learners.deep.advantage import generalised
from tacitlab.learners.deep.annealing import share_left
from tacitlab.learners.deep.base import Carry, Clock, Group, Health, Policy, Transition, nothing_learned
from tacitlab.learners.deep.moments import LEAST, Moments
from tacitlab.learners.deep.policy import ACTOR_GAIN, CRITIC_GAIN, Distribution, Gaussian, Networks
from tacitlab.learners.deep.rollout import Rollout
from tacitlab.learners.deep.samples import Acting, Batch, Memories, Numbers, OnPolicyState, Sees, Sight, flat
from tacitlab.learners.deep.trunk import Activation, Shape, create, respond, unroll
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics

ADAM_EPSILON = 1e-5  # Huang et al. 2022, detail 3


NETWORKS = "networks"  # name of the axis of networks


class OnPolicy(Group):
    """Agents that act by networks of their own, or all by the same one, and learn from what they just lived through."""

    dynamics: Dynamics
    numbers: Numbers
    distribution: Distribution
    rollout: Rollout
    ids: Float[Array, "agents marks"]  # what tells agents apart that share a network; nothing: of width 0
    role: Role = eqx.field(static=True)
    shape: Shape = eqx.field(static=True)
    sequence: int = eqx.field(static=True)  # steps that are learned from in one piece
    activation: Activation = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
    sees: Sees = eqx.field(static=True)  # what the critic sees in training
    one_critic: bool = eqx.field(static=True)  # actors differ, but there is a single critic
    apart: bool = eqx.field(static=True)  # gradients of actor and critic are clipped each by its own norm
    normal_inputs: bool = eqx.field(static=True)
    scaled_rewards: bool = eqx.field(static=True)
    normal_advantages: bool = eqx.field(static=True)
    deterministic: bool = eqx.field(static=True)  # agents do what seems best where epsilon is 0, as in a test
    adam: bool = eqx.field(static=True)
    one_by_one: bool = eqx.field(static=True)  # train networks in turn: faster on processors, slower on a GPU
    update_every: int = eqx.field(static=True, default=1, init=False)  # see ``update``

    @property
    def heads(self) -> int:
        """Number of networks."""
        return 1 if self.shared else self.agents

    @property
    def streams(self) -> int:
        """Agents' lives that each network learns from."""
        return self.rollout.copies * self.agents // self.heads

    @property
    def values(self) -> int:
        """Numbers that a critic puts out."""
        return 1

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> OnPolicyState:
        inputs, views = self._sizes()
        log_sd = jnp.broadcast_to(self.numbers.log_sd, (self.distribution.spreads,))
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
        memory = jnp.zeros((self.heads, self.streams, self.shape.recurrent))
        return OnPolicyState(
            made,
            jax.vmap(self._optimisers)(made),
            self.rollout.empty(),
            jax.vmap(lambda _: Moments.empty(inputs))(heads) if self.normal_inputs else None,
            jax.vmap(lambda _: Moments.empty(views or 0))(heads) if self.normal_inputs and views else None,
            jax.vmap(lambda _: Moments.empty())(heads) if self.scaled_rewards else None,
            jnp.zeros((self.agents, self.rollout.copies)),
            Memories(memory, memory),
        )

    def _sizes(self) -> tuple[int, int | None]:
        """Inputs of the actor, and of the critic where it sees something else."""
        own = jax.eval_shape(self._features, jnp.zeros(len(self.role.observes))).shape[0] + self.ids.shape[1]
        return own, {"own": None, "world": self.rollout.world, "both": self.rollout.world + own}[self.sees]

    def policy(self, state: OnPolicyState) -> Acting:
        return Acting(state.networks.actor, state.networks.log_sd, state.seen)

    def policy_part(self, policies: Policy, first: int, last: int) -> Policy:
        return policies if self.shared else super().policy_part(policies, first, last)

    def part(self, first: int, last: int) -> "Group":
        group = super().part(first, last)
        return eqx.tree_at(lambda g: g.ids, group, self.ids[first:last])

    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        """Actions are drawn from the policy with this probability; otherwise ``deterministic`` agents take the mode."""
        return jnp.ones(())

    def limit(self) -> Float[Array, ""]:
        return self.numbers.largest_value

    # --- acting ------------------------------------------------------------------------------------------------

    def act(
        self,
        policy: Acting,
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
        policy: Acting,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        batch = observations.shape[1]
        draws = jax.vmap(lambda key: jax.random.uniform(key, (batch, 1 + max(self.distribution.spreads, 1))))(keys)
        noisy = (draws[..., 0] < epsilon) | (not self.deterministic)
        inputs, feasible = self._seen(observations)

        def choose(policy: Acting, memory: Array, inputs: Array, *rest: Array) -> tuple[Array, Array]:
            inputs = inputs if policy.seen is None else policy.seen.normalise(inputs)
            outputs, memory = respond(policy.actor, memory, inputs, self.activation)
            return self.distribution.choose(outputs, policy.log_sd, *rest), memory

        folded = jax.tree.map(self._fold, (carry, inputs, feasible, draws[..., 1:], noisy))
        choices, after = jax.vmap(choose)(policy, *folded)
        choices, after = (x.reshape(self.agents, batch, x.shape[-1]) for x in (choices, after))
        if isinstance(self.distribution, Gaussian) or isinstance(self.role.actions, Discrete):
            return choices, after
        pick = jax.vmap(jax.vmap(lambda o, c: self.dynamics.candidates(self.role, o)[0][c[0].astype(int)]))
        return pick(observations, choices), after

    def _features(self, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        return self.dynamics.features(self.role, observation)

    def _seen(
        self, observations: Float[Array, "agents *batch observation"]
    ) -> tuple[Float[Array, "agents *batch inputs"], Float[Array, "..."]]:
        """What the actor sees, and how many actions are feasible."""

        def one(observation: Array) -> tuple[Array, Array]:
            if isinstance(self.distribution, Gaussian):
                return self._features(observation), jnp.zeros(())
            return self._features(observation), self.dynamics.candidates(self.role, observation)[1].astype(jnp.float32)

        for _ in observations.shape[:-1]:
            one = jax.vmap(one)
        features, feasible = one(observations)
        shape = (self.agents, *[1] * (features.ndim - 2), self.ids.shape[1])
        marks = jnp.broadcast_to(self.ids.reshape(shape), (*features.shape[:-1], self.ids.shape[1]))
        return jnp.concatenate([features, marks], axis=-1), feasible

    def _fold(self, x: Shaped[Array, "agents streams *rest"]) -> Shaped[Array, "networks lives *rest"]:
        """What each network sees: the lives of its agent, or of all."""
        return x.reshape(1, x.shape[0] * x.shape[1], *x.shape[2:]) if self.shared else x

    # --- learning ----------------------------------------------------------------------------------------------

    def observe(self, state: OnPolicyState, transition: Transition, clock: Clock) -> OnPolicyState:
        assert state.rows is not None
        return state._replace(rows=self.rollout.add(state.rows, transition, clock))

    def update(self, state: OnPolicyState, keys: Key[Array, " agents"], clock: Clock) -> tuple[OnPolicyState, Health]:
        """Learn if a rollout is complete; the engine's own branch would copy the rollout in every step."""
        due = (clock + 1) % self.rollout.steps == 0
        rows, kept = state.rows, state._replace(rows=None)  # read in the branch, but not passed through it
        assert rows is not None
        after, health = jax.lax.cond(
            due,
            lambda: self._learned(kept, self.rollout.read(rows), keys, clock),
            lambda: (kept, nothing_learned(self.agents)),
        )
        return after._replace(rows=rows), health

    def _learned(
        self, state: OnPolicyState, lived: Transition, keys: Key[Array, " agents"], clock: Clock
    ) -> tuple[OnPolicyState, Health]:
        state, scale = self._with_rewards(state, lived)
        sight, ended = self._sight(lived, state, keys), lived.terminated | lived.truncated
        judged = self._each(OnPolicy._judged, None, state.networks, state.seen, state.viewed, state.memories, sight)
        batch, next_value, memories = judged
        # Backwards through time for all agents at once: one by one it would take as long as the networks.
        value, next_value = (v.reshape(ended.shape) for v in (batch.value, next_value))
        along = jax.vmap(jax.vmap(generalised, (0, 0, 0, 0, 0, None, None)), (0, 0, 0, 0, 0, None, None))
        advantage = along(
            lived.reward / scale[:, None, None], value, next_value, lived.terminated, lived.truncated,
            self.numbers.discount, self.numbers.trace,
        )  # fmt: skip
        batch = batch._replace(advantage=advantage.reshape(batch.value.shape))
        networks, optimiser = self._each(
            type(self).learn, clock, state.networks, state.optimiser, batch, keys[: self.heads]
        )
        networks = networks._replace(log_sd=self.numbers.spread(networks.log_sd, clock))
        seen, viewed = (
            None if m is None or x is None else jax.vmap(Moments.with_batch)(m, jax.vmap(flat)(x))
            for m, x in ((state.seen, sight.inputs), (state.viewed, sight.views))
        )
        health = Health(
            jnp.mean((scale[:, None, None] * advantage) ** 2, axis=(1, 2)),
            scale * jnp.mean(jnp.abs(value), axis=(1, 2)),
        )
        state = state._replace(networks=networks, optimiser=optimiser, seen=seen, viewed=viewed, memories=memories)
        return state, health

    def _sight(self, lived: Transition, state: OnPolicyState, keys: Key[Array, " agents"]) -> Sight:
        """What a rollout looked like to each network."""
        (inputs, feasible), (after, _) = self._seen(lived.observation), self._seen(lived.next_observation)
        ended = lived.terminated | lived.truncated
        fresh = jnp.concatenate([jnp.zeros_like(ended[..., :1]), ended[..., :-1]], axis=2)
        sight = Sight(
            inputs, after, self._views(lived.world, inputs), self._views(lived.next_world, after),
            self._choices(lived), feasible, fresh, ended[..., -1],
        )  # fmt: skip
        found: Sight = jax.tree.map(self._fold, sight)
        return found

    def _with_rewards(self, state: OnPolicyState, lived: Transition) -> tuple[OnPolicyState, Float[Array, " agents"]]:
        """The size of discounted returns so far: values are learned in units of it."""
        if state.earned is None:
            return state, jnp.ones(self.agents)

        def on(total: Array, now: Any) -> tuple[Array, Array]:
            reward, ended = now
            total = self.numbers.discount * total + reward
            return jnp.where(ended, 0.0, total), total**2

        steps = jax.tree.map(lambda x: jnp.moveaxis(x, 2, 0), (lived.reward, lived.terminated | lived.truncated))
        returns, squares = jax.lax.scan(on, state.returns, steps)
        earned = jax.vmap(Moments.with_batch)(state.earned, jnp.moveaxis(squares, 0, 2).reshape(self.heads, -1))
        scale = jnp.sqrt(jnp.maximum(earned.mean, LEAST))
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

    def _choices(self, lived: Transition) -> Float[Array, "agents copies steps size"]:
        """Actions as the distribution knows them."""
        if isinstance(self.distribution, Gaussian):
            return lived.action
        index = jax.vmap(jax.vmap(jax.vmap(lambda o, a: self.dynamics.index(self.role, o, a))))
        return index(lived.observation, lived.action)[..., None].astype(jnp.float32)

    def _each(self, function: Callable[..., Any], clock: Clock | None, *values: Any) -> Any:
        """A method's results for each network."""
        # Passed, not closed over: a function with its own rule for vmap knows nothing of values around it.
        arrays, static = eqx.partition(self, eqx.is_array)

        def one(arrays: Any, clock: Clock | None, *values: Any) -> Any:
            group = eqx.combine(arrays, static)
            return function(group, *values) if clock is None else function(group, clock, *values)

        in_turn = self.one_by_one and not self.one_critic  # whose gradients are averaged over networks
        call = jax.custom_batching.sequential_vmap(one) if in_turn else one
        return jax.vmap(call, in_axes=(None, None, *(0 for _ in values)), axis_name=NETWORKS)(arrays, clock, *values)

    def _judged(
        self, networks: Networks, seen: Moments | None, viewed: Moments | None, memories: Memories, sight: Sight
    ) -> tuple[Batch, Float[Array, "streams steps"], Memories]:
        """Steps as the networks see them before they learn, but for the advantages; values and memories that follow."""
        inputs, after = (x if seen is None else seen.normalise(x) for x in (sight.inputs, sight.after))
        views, views_after = sight.views, sight.views_after
        if viewed is not None and views is not None and views_after is not None:
            views, views_after = viewed.normalise(views), viewed.normalise(views_after)
        actor = unroll(networks.actor, memories.actor, inputs, sight.fresh, self.activation)
        critic = unroll(
            networks.critic, memories.critic, inputs if views is None else views, sight.fresh, self.activation
        )
        following = after if views_after is None else views_after
        then, _ = respond(networks.critic, flat(critic.memory), flat(following), self.activation)
        told = (flat(x) for x in (sight.feasible, sight.choices))
        logs = self.distribution.log_probability(flat(actor.outputs), networks.log_sd, *told)
        starts = Memories(*(
            jnp.concatenate([before[:, None], kept[:, :-1]], axis=1)[:, :: self.sequence]
            for before, kept in zip(memories, (actor.memory, critic.memory), strict=True)
        ))  # fmt: skip
        value = self._valued(critic.outputs, sight.choices)
        next_value = self._valued(then, None if sight.next_choices is None else flat(sight.next_choices))
        batch = Batch(
            inputs, views, sight.choices, sight.feasible, sight.fresh, starts,
            logs.reshape(value.shape), value, jnp.zeros_like(value),
        )  # fmt: skip
        ends = (jnp.where(sight.over[:, None], 0.0, kept[:, -1]) for kept in (actor.memory, critic.memory))
        return batch.pieces(self.sequence), next_value.reshape(value.shape), Memories(*ends)

    def _valued(self, outputs: Array, choices: Array | None) -> Array:
        """Values, from what critics put out."""
        return outputs[..., 0]

    @abstractmethod
    def learn(
        self, clock: Clock, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
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
        log_sd, advantage = self.numbers.fixed(networks.log_sd), batch.advantage
        logs = self.distribution.log_probability(outputs, log_sd, batch.feasible, batch.choices)
        if self.normal_advantages:
            advantage = (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + LEAST)
        entropy = self.distribution.entropy(outputs, log_sd, batch.feasible)
        gain = self.objective(logs, batch, advantage) + self.numbers.entropy_weight * entropy
        return self.numbers.value_weight * self.value_error(value, batch) - gain

    def step(self, clock: Clock, networks: Networks, optimiser: Any, batch: Batch) -> tuple[Networks, Any]:
        """One gradient step."""
        slope = jax.grad(self.loss)(networks, batch)
        if self.one_critic:
            slope = slope._replace(critic=jax.lax.pmean(slope.critic, NETWORKS))
        if self.apart:
            slope = slope._replace(critic=self._clipped(slope.critic))
            slope = slope._replace(**self._clipped({"actor": slope.actor, "log_sd": slope.log_sd}))
        return self._descended(clock, networks, slope, optimiser)

    def _descended(self, clock: Clock, networks: Any, slope: Any, optimiser: Any) -> tuple[Any, Any]:
        """Networks, or some of them, a step down a slope."""
        change, optimiser = self._optimiser().update(slope, optimiser)
        rate = self.numbers.rate * share_left(clock, self.numbers.last)
        return jax.tree.map(lambda old, new: old - rate * new, networks, change), optimiser

    def _optimisers(self, networks: Networks) -> Any:
        """Memory of what takes the steps of one pair of networks."""
        return self._optimiser().init(networks)

    def _clipped(self, slope: Any) -> Any:
        return optax.clip_by_global_norm(self.numbers.largest_slope).update(slope, optax.EmptyState())[0]

    def _optimiser(self) -> optax.GradientTransformation:
        clip = optax.identity() if self.apart else optax.clip_by_global_norm(self.numbers.largest_slope)
        return optax.flatten(
            optax.chain(clip, optax.scale_by_adam(eps=ADAM_EPSILON) if self.adam else optax.identity())
        )

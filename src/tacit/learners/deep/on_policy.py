"""What policy-gradient learners share: networks, rollouts, advantages; they differ in what they make of them."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, Shaped

from tacit.learners.base import MarketSeat, refuse
from tacit.learners.deep.advantage import generalised
from tacit.learners.deep.base import Clock, Group, Health, Policy, Transition, nothing_learned
from tacit.learners.deep.moments import LEAST, Moments
from tacit.learners.deep.network import Layer
from tacit.learners.deep.policy import Categorical, Distribution, Gaussian, Networks, create, forward
from tacit.learners.deep.rollout import Rollout
from tacit.markets.base import Discrete, Role
from tacit.markets.dynamics.base import Dynamics

if TYPE_CHECKING:
    from tacit.learners.actor_critic import PolicyGradient

ADAM_EPSILON = 1e-5  # Huang et al. 2022, detail 3


class Numbers(eqx.Module):
    """What may differ between cells of a sweep without compiling again."""

    rate: Float[Array, ""]
    last: Float[Array, ""]  # step at which an annealed rate reaches 0; infinite: it stays
    discount: Float[Array, ""]
    trace: Float[Array, ""]  # lambda of the advantages
    value_weight: Float[Array, ""]
    entropy_weight: Float[Array, ""]
    largest_slope: Float[Array, ""]  # norm of a gradient
    largest_value: Float[Array, ""]
    log_sd: Float[Array, ""]  # of the first Gaussian policy


class Acting(NamedTuple):
    """What acts; arrays have a leading axis of networks: one for each agent, or a single one."""

    actor: tuple[Layer, ...]
    log_sd: Float[Array, "networks size"]
    seen: Moments | None


class OnPolicyState(NamedTuple):
    """Everything that a group keeps; arrays but the rollout and the returns have a leading axis of networks."""

    networks: Networks
    optimiser: Any
    rows: Float[Array, "steps agents row"] | None
    seen: Moments | None  # of what the networks see
    earned: Moments | None  # of the squares of discounted returns
    returns: Float[Array, " agents"]  # discounted sum of what the running episode has brought


class Batch(NamedTuple):
    """Samples to learn from."""

    inputs: Float[Array, "*networks samples inputs"]
    choices: Float[Array, "*networks samples size"]
    feasible: Float[Array, "*networks samples"]
    log_probability: Float[Array, "*networks samples"]  # of the choices, when they were made
    value: Float[Array, "*networks samples"]  # when they were made
    advantage: Float[Array, "*networks samples"]


class OnPolicy(Group):
    """Agents that act by networks of their own, or all by the same one, and learn from what they just lived through."""

    dynamics: Dynamics
    numbers: Numbers
    distribution: Distribution
    rollout: Rollout
    role: Role = eqx.field(static=True)
    hidden: tuple[int, ...] = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
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

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> OnPolicyState:
        inputs = jax.eval_shape(self._features, jnp.zeros(len(self.role.observes))).shape[0]
        log_sd = jnp.broadcast_to(self.numbers.log_sd, (self.distribution.spreads,))
        outputs, heads = self.distribution.outputs, jnp.arange(self.heads)
        networks = jax.vmap(lambda key: create(key, inputs, self.hidden, outputs, log_sd))(keys[: self.heads])
        return OnPolicyState(
            networks,
            jax.vmap(self._optimiser().init)(networks),
            self.rollout.empty(),
            jax.vmap(lambda _: Moments.empty(inputs))(heads) if self.normal_inputs else None,
            jax.vmap(lambda _: Moments.empty())(heads) if self.scaled_rewards else None,
            jnp.zeros(self.agents),
        )

    def policy(self, state: OnPolicyState) -> Acting:
        return Acting(state.networks.actor, state.networks.log_sd, state.seen)

    def policy_part(self, policies: Policy, first: int, last: int) -> Policy:
        return policies if self.shared else super().policy_part(policies, first, last)

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
        batch = observations.shape[1]
        draws = jax.vmap(lambda key: jax.random.uniform(key, (batch, 1 + max(self.distribution.spreads, 1))))(keys)
        noisy = (draws[..., 0] < epsilon) | (not self.deterministic)
        inputs, feasible = jax.vmap(jax.vmap(self._seen))(observations)

        def choose(policy: Acting, inputs: Array, feasible: Array, draws: Array, noisy: Array) -> Array:
            inputs = inputs if policy.seen is None else policy.seen.normalise(inputs)
            outputs = forward(policy.actor, inputs)
            return self.distribution.choose(outputs, policy.log_sd, feasible, draws, noisy)

        folded = jax.tree.map(self._fold, (inputs, feasible, draws[..., 1:], noisy))
        choices = jax.vmap(choose)(policy, *folded).reshape(self.agents, batch, -1)
        if isinstance(self.distribution, Gaussian) or isinstance(self.role.actions, Discrete):
            return choices
        pick = jax.vmap(jax.vmap(lambda o, c: self.dynamics.candidates(self.role, o)[0][c[0].astype(int)]))
        return pick(observations, choices)

    def _features(self, observation: Float[Array, " observation"]) -> Float[Array, " inputs"]:
        return self.dynamics.features(self.role, observation)

    def _seen(self, observation: Float[Array, " observation"]) -> tuple[Float[Array, " inputs"], Float[Array, ""]]:
        """What the networks see, and how many actions are feasible."""
        if isinstance(self.distribution, Gaussian):
            return self._features(observation), jnp.zeros(())
        return self._features(observation), self.dynamics.candidates(self.role, observation)[1].astype(jnp.float32)

    def _fold(self, x: Shaped[Array, "agents steps *rest"]) -> Shaped[Array, "networks samples *rest"]:
        """What each network learns from: the steps of its agent, or of all."""
        return x.reshape(1, -1, *x.shape[2:]) if self.shared else x

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
        features, feasible = jax.vmap(jax.vmap(self._seen))(lived.observation)
        after = jax.vmap(jax.vmap(self._features))(lived.next_observation)
        fixed = jax.tree.map(self._fold, (features, after, self._choices(lived), feasible))
        batch, next_value = self._each(OnPolicy._judged, None, state.networks, state.seen, *fixed)
        # Backwards through time for all agents at once: one by one it would take as long as the networks.
        value, next_value = (v.reshape(self.agents, -1) for v in (batch.value, next_value))
        advantage = jax.vmap(generalised, in_axes=(0, 0, 0, 0, 0, None, None))(
            lived.reward / scale[:, None], value, next_value, lived.terminated, lived.truncated,
            self.numbers.discount, self.numbers.trace,
        )  # fmt: skip
        batch = batch._replace(advantage=self._fold(advantage))
        networks, optimiser = self._each(
            type(self).learn, clock, state.networks, state.optimiser, batch, keys[: self.heads]
        )
        seen = None if state.seen is None else jax.vmap(Moments.with_batch)(state.seen, fixed[0])
        health = Health(jnp.mean((scale[:, None] * advantage) ** 2, axis=1), scale * jnp.mean(jnp.abs(value), axis=1))
        return state._replace(networks=networks, optimiser=optimiser, seen=seen), health

    def _with_rewards(self, state: OnPolicyState, lived: Transition) -> tuple[OnPolicyState, Float[Array, " agents"]]:
        """The size of discounted returns so far: values are learned in units of it."""
        if state.earned is None:
            return state, jnp.ones(self.agents)

        def on(total: Array, now: Any) -> tuple[Array, Array]:
            reward, ended = now
            total = self.numbers.discount * total + reward
            return jnp.where(ended, 0.0, total), total**2

        ended = lived.terminated | lived.truncated
        returns, squares = jax.lax.scan(on, state.returns, (lived.reward.T, ended.T))
        earned = jax.vmap(Moments.with_batch)(state.earned, self._fold(squares.T))
        scale = jnp.sqrt(jnp.maximum(earned.mean, LEAST))
        return state._replace(earned=earned, returns=returns), jnp.broadcast_to(scale, (self.agents,))

    def _choices(self, lived: Transition) -> Float[Array, "agents steps size"]:
        """Actions as the distribution knows them."""
        if isinstance(self.distribution, Gaussian):
            return lived.action
        index = jax.vmap(jax.vmap(lambda o, a: self.dynamics.index(self.role, o, a)))
        return index(lived.observation, lived.action)[..., None].astype(jnp.float32)

    def _each(self, function: Callable[..., Any], clock: Clock | None, *values: Any) -> Any:
        """A method's results for each network."""
        # Passed, not closed over: a function with its own rule for vmap knows nothing of values around it.
        arrays, static = eqx.partition(self, eqx.is_array)

        def one(arrays: Any, clock: Clock | None, *values: Any) -> Any:
            group = eqx.combine(arrays, static)
            return function(group, *values) if clock is None else function(group, clock, *values)

        call = jax.custom_batching.sequential_vmap(one) if self.one_by_one else one
        return jax.vmap(call, in_axes=(None, None, *(0 for _ in values)))(arrays, clock, *values)

    def _judged(
        self, networks: Networks, seen: Moments | None, features: Array, after: Array, choices: Array, feasible: Array
    ) -> tuple[Batch, Float[Array, " samples"]]:
        """Samples as the networks see them before they learn, but for the advantages; and the values that follow."""
        if seen is not None:
            features, after = seen.normalise(features), seen.normalise(after)
        outputs = forward(networks.actor, features)
        logs = self.distribution.log_probability(outputs, networks.log_sd, feasible, choices)
        value, next_value = (forward(networks.critic, x)[:, 0] for x in (features, after))
        return Batch(features, choices, feasible, logs, value, jnp.zeros_like(value)), next_value

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
        outputs = forward(networks.actor, batch.inputs)
        logs = self.distribution.log_probability(outputs, networks.log_sd, batch.feasible, batch.choices)
        advantage = batch.advantage
        if self.normal_advantages:
            advantage = (advantage - jnp.mean(advantage)) / (jnp.std(advantage) + LEAST)
        entropy = self.distribution.entropy(outputs, networks.log_sd, batch.feasible)
        error = self.value_error(forward(networks.critic, batch.inputs)[:, 0], batch)
        gain = self.objective(logs, batch, advantage) + self.numbers.entropy_weight * entropy
        return self.numbers.value_weight * error - gain

    def step(self, clock: Clock, networks: Networks, optimiser: Any, batch: Batch) -> tuple[Networks, Any]:
        """One gradient step."""
        change, optimiser = self._optimiser().update(jax.grad(self.loss)(networks, batch), optimiser)
        rate = self.numbers.rate * jnp.maximum(1 - clock / self.numbers.last, 0.0)
        return jax.tree.map(lambda old, new: old - rate * new, networks, change), optimiser

    def _optimiser(self) -> optax.GradientTransformation:
        clip = optax.clip_by_global_norm(self.numbers.largest_slope)
        return optax.flatten(
            optax.chain(clip, optax.scale_by_adam(eps=ADAM_EPSILON) if self.adam else optax.identity())
        )


def common(learner: "PolicyGradient", seat: MarketSeat) -> dict[str, Any]:
    """Fields of a group as a scenario describes them.

    Raises
    ------
    TacitError
        If its distribution does not fit the role's actions.
    """
    role, agents, seen = seat.role, seat.last - seat.first, jnp.zeros(len(seat.role.observes))
    discrete = isinstance(role.actions, Discrete)
    if discrete and learner.distribution == "gaussian":
        raise refuse("distribution", f"{role.name} chooses among {role.actions.size} actions", "use categorical")
    distribution: Distribution
    if discrete or learner.distribution == "categorical":
        try:
            shape = jax.eval_shape(lambda o: seat.dynamics.candidates(role, o)[0], seen).shape
        except NotImplementedError:
            raise refuse("distribution", "this market names no candidates to choose from", "use gaussian") from None
        distribution, size = Categorical(shape[0]), shape[1]
    else:
        distribution, size = Gaussian(role.actions.size), role.actions.size

    def single(x: float) -> Array:
        return jnp.asarray(x, jnp.float32)

    return {
        "dynamics": seat.dynamics,
        "numbers": Numbers(
            rate=single(learner.rate),
            last=single(float(seat.steps) if learner.anneal else float("inf")),
            discount=single(learner.gamma),
            trace=single(learner.trace),
            value_weight=single(learner.value_weight),
            entropy_weight=single(learner.entropy_weight),
            largest_slope=single(learner.clip_gradient),
            largest_value=single(learner.largest_value),
            log_sd=single(learner.log_sd),
        ),
        "distribution": distribution,
        "rollout": Rollout(learner.rollout, agents, len(role.observes), size),
        "role": role,
        "hidden": learner.hidden,
        "agents": agents,
        "shared": learner.parameters == "shared",
        "normal_inputs": learner.normalise_observations,
        "scaled_rewards": learner.scale_rewards,
        "normal_advantages": learner.normalise_advantages,
        "deterministic": learner.deterministic_test,
        "one_by_one": seat.one_by_one,
    }

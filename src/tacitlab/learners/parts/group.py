"""What a deep learner is: pure functions on the arrays of a group of agents; and what most of them need.

``built`` fills the fields of an algorithm by name from its description, so that no hyperparameter is said twice.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, Shaped
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.markets.base import Role
from tacitlab.markets.motion import Dynamics

LearnerState = Any  # a pytree of arrays
Policy = Any  # the part of it that acts
Carry = Any  # hidden states of recurrent policies: arrays (agents, batch, width); nothing where they have none
Step = Int[Array, ""]  # steps since the session began; never batched, so that branches on it stay branches


class Transition(NamedTuple):
    """What one agent, or a group of them, experienced in one step.

    A group's arrays have a leading axis of agents, then one of the copies of the market that it learns from.

    Attributes
    ----------
    world, next_world : (copies, features) arrays or None
        Everything there is to know, for critics that may see it in training; the engine always gives it to groups.
    """

    observation: Float[Array, "*agents observation"]
    action: Float[Array, "*agents size"]
    reward: Float[Array, "*agents"]
    next_observation: Float[Array, "*agents observation"]
    terminated: Bool[Array, "*agents"]
    truncated: Bool[Array, "*agents"]
    world: Float[Array, "*copies features"] | None = None
    next_world: Float[Array, "*copies features"] | None = None

    @property
    def ended(self) -> Bool[Array, "*agents"]:
        """Whether the episode ended, by its rules or because it was cut."""
        return self.terminated | self.truncated

    def own(self) -> "Transition":
        """What each agent experienced itself, in the only copy of the market."""
        return Transition(*(x[:, 0] for x in self[:6]))


class Metrics(NamedTuple):
    """How an agent's learning goes: its loss, and the mean size of its values; -1 if it did not learn.

    What is not finite, or a value beyond the learner's :meth:`limit`, means that learning has failed. An infinite value
    is beyond any.
    """

    loss: Float[Array, "*agents"]
    value: Float[Array, "*agents"]


class Algorithm(eqx.Module):
    """One agent that learns from its own experience. ``Independent`` makes a group of it."""

    update_every: eqx.AbstractVar[int]  # static, in steps

    @abstractmethod
    def init(self, key: PRNGKeyArray) -> LearnerState:
        """Before the first step."""

    @abstractmethod
    def policy(self, state: LearnerState) -> Policy:
        """What is needed to act, and what is stored when the session ends."""

    @abstractmethod
    def epsilon(self, step: Step) -> Float[Array, ""]:
        """How often an action is random while learning."""

    def limit(self) -> Float[Array, ""]:
        """Size of values beyond which learning has failed."""
        return jnp.asarray(jnp.inf)

    @abstractmethod
    def act(
        self,
        policy: Policy,
        observations: Float[Array, "batch observation"],
        key: PRNGKeyArray,
        epsilon: Float[Array, ""],
    ) -> Float[Array, "batch size"]:
        """Actions for a batch of observations, each random with probability epsilon."""

    @abstractmethod
    def observe(self, state: LearnerState, transition: Transition, step: Step) -> LearnerState:
        """Remember; cheap, in every step."""

    @abstractmethod
    def update(self, state: LearnerState, key: PRNGKeyArray, step: Step) -> tuple[LearnerState, Metrics]:
        """Learn; every ``update_every`` steps."""


class Group(eqx.Module):
    """Agents that learn as one paradigm says; arrays, random keys among them, have a leading agent axis."""

    agents: eqx.AbstractVar[int]
    update_every: eqx.AbstractVar[int]

    @abstractmethod
    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        """Before the first step of the session of this number."""

    @abstractmethod
    def policy(self, state: LearnerState) -> Policy: ...

    @abstractmethod
    def epsilon(self, step: Step) -> Float[Array, ""]: ...

    def limit(self) -> Float[Array, ""]:
        """Size of values beyond which learning has failed."""
        return jnp.asarray(jnp.inf)

    def part(self, first: int, last: int) -> "Group":
        """Some of the agents, as a group that can act."""
        return replace(self, agents=last - first)

    def policy_part(self, policies: Policy, first: int, last: int) -> Policy:
        """What these agents act by; arrays have a leading axis of sessions, then of agents."""
        return jax.tree.map(lambda x: x[:, first:last], policies)

    @abstractmethod
    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]: ...

    def carry(self, batch: int) -> Carry:
        """Hidden states at the beginning of an episode."""
        return ()

    def respond(
        self,
        policy: Policy,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        """Actions, and the hidden states after them."""
        return self.act(policy, observations, keys, epsilon), carry

    @abstractmethod
    def observe(self, state: LearnerState, transition: Transition, step: Step) -> LearnerState: ...

    @abstractmethod
    def update(self, state: LearnerState, keys: Key[Array, " agents"], step: Step) -> tuple[LearnerState, Metrics]: ...


class Independent(Group):
    """The first paradigm: every agent learns for itself, and the others are part of its world.

    M. Tan, "Multi-agent reinforcement learning: independent vs. cooperative agents", ICML 1993.
    """

    algorithm: Algorithm
    agents: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True)

    @classmethod
    def of(cls, algorithm: Algorithm, agents: int) -> "Independent":
        """So many agents with the same algorithm, and each with its own experience."""
        return cls(algorithm=algorithm, agents=agents, update_every=algorithm.update_every)

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        return jax.vmap(self.algorithm.init)(keys)

    def policy(self, state: LearnerState) -> Policy:
        return jax.vmap(self.algorithm.policy)(state)

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return self.algorithm.epsilon(step)

    def limit(self) -> Float[Array, ""]:
        return self.algorithm.limit()

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        return jax.vmap(self.algorithm.act, in_axes=(0, 0, 0, None))(policy, observations, keys, epsilon)

    def observe(self, state: LearnerState, transition: Transition, step: Step) -> LearnerState:
        return jax.vmap(self.algorithm.observe, in_axes=(0, 0, None))(state, transition.own(), step)

    def update(self, state: LearnerState, keys: Key[Array, " agents"], step: Step) -> tuple[LearnerState, Metrics]:
        return jax.vmap(self.algorithm.update, in_axes=(0, 0, None))(state, keys, step)


class Networked(Group):
    """A group whose agents have networks of their own, or share one and may be told apart by an input of their own."""

    dynamics: eqx.AbstractVar[Dynamics]
    role: eqx.AbstractVar[Role]
    ids: eqx.AbstractVar[Float[Array, "agents marks"]]  # of width 0 where nothing tells agents apart
    shared: eqx.AbstractVar[bool]
    recurrent: eqx.AbstractVar[int]  # width of a network's memory, 0 if it has none

    @property
    def heads(self) -> int:
        """Number of networks."""
        return 1 if self.shared else self.agents

    def part(self, first: int, last: int) -> "Group":
        return eqx.tree_at(lambda g: g.ids, super().part(first, last), self.ids[first:last])

    def policy_part(self, policies: Policy, first: int, last: int) -> Policy:
        return policies if self.shared else super().policy_part(policies, first, last)

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        """Actions at the beginning of an episode."""
        return self.respond(policy, self.carry(observations.shape[1]), observations, keys, epsilon)[0]

    def carry(self, batch: int) -> Carry:
        return jnp.zeros((self.agents, batch, self.recurrent))

    def inputs(
        self, observations: Float[Array, "agents *batch observation"], told: "Told" = None
    ) -> tuple[Float[Array, "agents *batch inputs"], Shaped[Array, " agents *rest"]]:
        """What networks see, and what they are told of how many candidates are feasible."""
        seen, feasible = features(self.dynamics, self.role, observations, told)
        marks = self.ids.reshape(self.agents, *[1] * (seen.ndim - 2), self.ids.shape[1])
        marks = jnp.broadcast_to(marks, (*seen.shape[:-1], self.ids.shape[1]))
        return jnp.concatenate([seen, marks], axis=-1), feasible

    def fold(self, x: Shaped[Array, "agents batch *rest"]) -> Shaped[Array, "networks samples *rest"]:
        """What each network sees: the samples of its agent, or of all."""
        return x.reshape(self.heads, x.shape[0] * x.shape[1] // self.heads, *x.shape[2:])

    def unfold(self, x: Shaped[Array, "networks samples *rest"]) -> Shaped[Array, "agents batch *rest"]:
        """Samples by agent again."""
        return x.reshape(self.agents, x.shape[0] * x.shape[1] // self.agents, *x.shape[2:])


def nothing_learned(agents: int | None = None) -> Metrics:
    """Metrics of an agent, or a group, that has not learned in this step."""
    none = jnp.full(() if agents is None else (agents,), -1.0, jnp.float32)
    return Metrics(none, none)


# --- from a description to an algorithm ------------------------------------------------------------------------------

OF_SEAT = ("dynamics", "role", "agents", "one_by_one")
M = TypeVar("M", bound=eqx.Module)


def built(kind: type[M], learner: Learner, seat: MarketSeat, precision: Any = jnp.float32, **known: Any) -> M:
    """An algorithm, its fields filled by name.

    Parameters
    ----------
    kind : type
        The algorithm's class.
    learner : Learner
        Its description: fields that are static are taken as they are, others as arrays.
    seat : MarketSeat
        Where the agents sit: market in motion, role, number of agents, whether networks are trained in turn.
    precision : dtype
        Of the description's fractions.
    **known
        Fields that neither of the two has.
    """
    for field in fields(kind):
        if field.name in known or not field.init:
            continue
        if field.name in OF_SEAT:
            known[field.name] = getattr(seat, field.name)
            continue
        value = getattr(learner, field.name)
        known[field.name] = value if field.metadata.get("static") else array(value, precision)
    return kind(**known)


def array(value: float | int, precision: Any = jnp.float32) -> Array:
    """A hyperparameter as data, so that a sweep over it does not compile again."""
    return jnp.asarray(value, precision if isinstance(value, float) else None)


def candidate_shape(seat: MarketSeat, otherwise: TacitError) -> tuple[int, int]:
    """How many candidates agents choose from, and the size of an action; an error where the market names none."""
    seen = jnp.zeros(len(seat.role.observes))
    try:
        number, size = jax.eval_shape(lambda o: seat.dynamics.candidates(seat.role, o)[0], seen).shape
    except NotImplementedError:
        raise otherwise from None
    return number, size


def state_size(seat: MarketSeat) -> int:
    """Numbers in the market's global state."""
    state = jax.eval_shape(seat.dynamics.reset, jax.random.key(0))
    return int(jax.eval_shape(seat.dynamics.global_state, state).shape[0])


# --- schedules -------------------------------------------------------------------------------------------------------


class Epsilon(eqx.Module):
    """Epsilon by the step: from each knot on, level * exp(rate * steps since) + slope * steps since."""

    times: Int[Array, " knots"]
    levels: Float[Array, " knots"]
    rates: Float[Array, " knots"]
    slopes: Float[Array, " knots"]

    @classmethod
    def of(cls, knots: NDArray[np.float64]) -> "Epsilon":
        times = np.minimum(knots[:, 0], np.iinfo(np.int32).max).astype(np.int32)
        # exp(n log factor) keeps its digits in single precision, factor**n does not.
        columns = (knots[:, 1], np.log(np.maximum(knots[:, 2], np.finfo(float).tiny)), knots[:, 3])
        return cls(jnp.asarray(times), *(jnp.asarray(c, jnp.float32) for c in columns))

    def __call__(self, step: Step) -> Float[Array, ""]:
        k = jnp.searchsorted(self.times, step, side="right") - 1
        since = (step - self.times[k]).astype(jnp.float32)
        return self.levels[k] * jnp.exp(self.rates[k] * since) + self.slopes[k] * since


def last_step(anneal: bool, seat: MarketSeat) -> Float[Array, ""]:
    """Step at which an annealed learning rate reaches 0; infinite: it stays."""
    return array(float(seat.steps) if anneal else float("inf"))


def annealing(step: Step, last: Float[Array, ""]) -> Float[Array, ""]:
    """What a learning rate is multiplied by that falls linearly to 0, which it reaches in the last step.

    Examples
    --------
    >>> step = jnp.asarray(25)
    >>> float(annealing(step, jnp.asarray(100.0))), float(annealing(step, jnp.asarray(jnp.inf)))
    (0.75, 1.0)
    """
    return jnp.maximum(1 - step / last, 0.0)


# --- what networks see, and what their answers mean ------------------------------------------------------------------


Told = Callable[[Int[Array, ""]], Array] | None  # what is made of the number of feasible candidates; None: nothing


def number(feasible: Int[Array, ""]) -> Float[Array, ""]:
    """How many candidates are feasible, as a number among others."""
    return feasible.astype(jnp.float32)


def features(
    dynamics: Dynamics, role: Role, observations: Float[Array, "*batch observation"], told: Told = None
) -> tuple[Float[Array, "*batch features"], Shaped[Array, "..."]]:
    """Observations as a network's inputs; and what is told of the feasible candidates, 0 where none are chosen from."""

    def one(observation: Array) -> tuple[Array, Array]:
        seen = dynamics.features(role, observation)
        return seen, jnp.zeros(()) if told is None else told(dynamics.candidates(role, observation)[1])

    for _ in observations.shape[:-1]:
        one = jax.vmap(one)
    return one(observations)


def candidate(
    dynamics: Dynamics, role: Role, observations: Float[Array, "agents batch observation"], chosen: Array
) -> Float[Array, "agents batch size"]:
    """Actions of the candidates of these numbers."""
    return jax.vmap(jax.vmap(lambda o, k: dynamics.candidates(role, o)[0][k]))(observations, chosen)


def index(
    dynamics: Dynamics,
    role: Role,
    observations: Float[Array, "*batch observation"],
    actions: Float[Array, "*batch size"],
) -> Int[Array, "*batch"]:
    """Numbers of the candidates that actions are."""

    def one(observation: Array, action: Array) -> Array:
        return dynamics.index(role, observation, action)

    for _ in observations.shape[:-1]:
        one = jax.vmap(one)
    return one(observations, actions)


def others(actions: Float[Array, "agents *batch code"]) -> Float[Array, "agents *batch codes"]:
    """For each agent, the actions of all others in the order of agents, side by side: for critics that may see them.

    Examples
    --------
    >>> others(jnp.array([[1.0], [2.0], [3.0]])).tolist()
    [[2.0, 3.0], [1.0, 3.0], [1.0, 2.0]]
    """
    agents = len(actions)
    rest = np.array([[j for j in range(agents) if j != i] for i in range(agents)], int).reshape(agents, agents - 1)
    return jnp.moveaxis(actions[rest], 1, -2).reshape(*actions.shape[:-1], (agents - 1) * actions.shape[-1])


NETWORKS = "networks"  # name of the axis of networks


def for_each(in_turn: bool, method: Callable[..., Any], group: Any, step: Step | None, *values: Any) -> Any:
    """A group's method for each network, whose values have a leading axis: in turn, or all at once.

    In turn is faster on processors, and slower on a GPU.
    """
    # Passed, not closed over: a function with its own rule for vmap knows nothing of values around it.
    arrays, static = eqx.partition(group, eqx.is_array)

    def one(arrays: Any, step: Step | None, *values: Any) -> Any:
        whole = eqx.combine(arrays, static)
        return method(whole, *values) if step is None else method(whole, step, *values)

    call = jax.custom_batching.sequential_vmap(one) if in_turn else one
    return jax.vmap(call, in_axes=(None, None, *(0 for _ in values)), axis_name=NETWORKS)(arrays, step, *values)

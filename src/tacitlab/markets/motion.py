"""The contract of a market's dynamics: pure functions on arrays, which every deep learner plays."""

from abc import abstractmethod
from dataclasses import fields
from inspect import isclass, ismethod
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tacitlab.markets.base import Discrete, Role

LEAST_DRAW = 2.0**-24  # half the smallest uniform draw above 0 in single precision
State = Any  # a pytree of arrays, the market's own
Actions = dict[str, Float[Array, "_ _"]]  # by role: (agents, size); roles differ in both


class Outcome(NamedTuple):
    """What a step leaves behind.

    Attributes
    ----------
    rewards : dict of (agents,) arrays by role
    terminated : bool
        The episode has ended by the rules: nothing can be earned any more.
    truncated : bool
        The episode is cut although it could go on: learners must still value what would follow.
    info : dict of arrays
        Quantities worth recording, as the market's ``quantities`` list them: shape (agents,) or ().
    """

    rewards: dict[str, Float[Array, " agents"]]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    info: dict[str, Array]


class Dynamics(eqx.Module):
    """A market in motion. A market never resets itself; the engine does, when an episode has ended.

    Numbers are array leaves, so that a sweep over them does not recompile; what shapes depend on is static.
    """

    roles: eqx.AbstractVar[tuple[Role, ...]]

    @abstractmethod
    def reset(self, key: PRNGKeyArray) -> State:
        """The beginning of an episode."""

    @abstractmethod
    def observe(self, state: State) -> dict[str, Float[Array, "_ _"]]:
        """What each agent of each role sees, in physical units: (agents, observation) by role."""

    @abstractmethod
    def step(self, key: PRNGKeyArray, state: State, actions: Actions) -> tuple[State, Outcome]:
        """All agents act; time goes on by one step."""

    @abstractmethod
    def global_state(self, state: State) -> Float[Array, " features"]:
        """What a central critic may see in training: everything, scaled to about [-1, 1]."""

    def admissible(self, state: State, actions: Actions) -> Actions:
        """The actions that will be carried out: forced or clipped where the rules say so."""
        return actions

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """An observation as a network's input, scaled to about [-1, 1]."""
        return observation

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Actions that a value-based learner compares, of which the first so many are feasible."""
        if not isinstance(role.actions, Discrete):
            raise NotImplementedError(f"{type(self).__name__} names no candidates for role {role.name}")
        return jnp.arange(role.actions.size, dtype=jnp.float32)[:, None], jnp.asarray(role.actions.size)

    def index(
        self, role: Role, observation: Float[Array, " observation"], action: Float[Array, " size"]
    ) -> Int[Array, ""]:
        """Which candidate an action is (the nearest)."""
        if isinstance(role.actions, Discrete):
            return action[0].astype(int)
        values, _ = self.candidates(role, observation)
        return jnp.argmin(jnp.sum((values - action) ** 2, axis=1))

    def inputs(
        self, role: Role, observation: Float[Array, " observation"], action: Float[Array, " size"]
    ) -> Float[Array, " inputs"]:
        """Observation and action together as a network's input."""
        return jnp.concatenate([self.features(role, observation), action])

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        """What one of the market's scripted ``rules`` does; uniform draws, one more than an action has numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no rule {rule}")

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " size"]
    ) -> Float[Array, " size"]:
        """A random action, for exploration, from uniform draws: any candidate, unless the market knows better."""
        return self.any_candidate(role, observation, draws[0])

    def any_candidate(
        self, role: Role, observation: Float[Array, " observation"], draw: Float[Array, ""]
    ) -> Float[Array, " size"]:
        """One of the feasible candidates, each as likely if the draw is uniform."""
        values, feasible = self.candidates(role, observation)
        return values[jnp.minimum(jnp.floor(draw * feasible).astype(int), feasible - 1)]


M = TypeVar("M", bound=eqx.Module)


def normal(draws: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Standard normal numbers from uniform ones, at most 5.3 standard deviations below 0."""
    return jax.scipy.special.ndtri(jnp.maximum(draws, LEAST_DRAW))


def built(kind: type[M], source: Any) -> M:
    """A dynamics, its fields filled by name from a market's attributes, or methods without arguments.

    What is static stays as it is; all else becomes arrays: of the sort of numbers that the field is annotated with,
    fractions in the precision that JAX is set to and whole numbers in 32 bits. A field that is a module of its own is
    filled the same way, unless the market has it in motion already.
    """
    found = {}
    for field in fields(kind):
        value = getattr(source, field.name)
        value = value() if ismethod(value) else value
        if field.metadata.get("static"):
            found[field.name] = value
        elif isclass(field.type) and issubclass(field.type, eqx.Module):
            found[field.name] = value if isinstance(value, field.type) else built(field.type, value)
        else:
            found[field.name] = _arrays(value, float if getattr(field.type, "dtype", None) is Float else None)
    return kind(**found)


def _arrays(value: Any, dtype: type | None = None) -> Any:
    """Numbers as arrays, also within named tuples and dictionaries; what there is not stays None."""
    if value is None:
        return None
    if hasattr(value, "_fields"):
        return type(value)(*map(_arrays, value))
    if isinstance(value, dict):
        return {name: _arrays(part) for name, part in value.items()}
    array = np.asarray(value)
    return jnp.array(array, dtype or {"f": float, "i": jnp.int32}.get(array.dtype.kind))

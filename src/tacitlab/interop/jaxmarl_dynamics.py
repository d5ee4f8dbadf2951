"""An environment of JaxMARL in motion: dictionaries of agents become arrays of roles, and back."""

import contextlib
import io
import json
import re
import sys
import warnings
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.engine import devices
from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Discrete, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome
from tacitlab.schema import shorten

if TYPE_CHECKING:
    from tacitlab.interop.jaxmarl import JaxMarl

SINGLE = partial(jax.enable_x64, False)  # some environments mix up kinds of numbers where 64 bits are switched on
WORLD = "world_state"  # how environments call what they let a central critic see


class Library(NamedTuple):
    """What there is to know about an environment.

    Attributes
    ----------
    env : jaxmarl.environments.MultiAgentEnv
    roles : tuple of Role
    agents : tuple of tuple of str
        Names of each role's agents in the environment.
    low, high : tuple of tuple of float
        Bounds of each role's continuous actions; empty if they are discrete.
    world : bool
        Whether the environment has a global state of its own.
    longest : int or None
        Steps of the longest episode, where the environment says so.
    """

    env: Any
    roles: tuple[Role, ...]
    agents: tuple[tuple[str, ...], ...]
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]
    world: bool
    longest: int | None


class JaxMarlState(NamedTuple):
    """Between two steps."""

    inner: Any  # the environment's own
    seen: dict[str, Float[Array, "agents observation"]]  # by role: it need not be computed again
    world: Float[Array, " features"]
    step: Int[Array, ""]


class JaxMarlDynamics(Dynamics):
    """An environment of JaxMARL that does not reset itself."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    library: Library = eqx.field(static=True)
    ends: bool = eqx.field(static=True)  # a cut is the end
    team: bool = eqx.field(static=True)
    longest: Int[Array, ""]
    late: Int[Array, ""]  # from this step on, an episode that is over was cut

    def reset(self, key: PRNGKeyArray) -> JaxMarlState:
        with SINGLE():
            seen, inner = self.library.env.reset(key)
        return self._state(jax.tree.map(jnp.asarray, inner), seen, jnp.zeros((), jnp.int32))

    def observe(self, state: JaxMarlState) -> dict[str, Float[Array, "_ _"]]:
        return state.seen

    def step(self, key: PRNGKeyArray, state: JaxMarlState, actions: Actions) -> tuple[JaxMarlState, Outcome]:
        given: dict[str, Array] = {}
        for k, (role, agents) in enumerate(zip(self.roles, self.library.agents, strict=True)):
            given |= dict(zip(agents, self._meant(k, actions[role.name]), strict=True))
        with SINGLE():
            seen, inner, rewards, done, _ = self.library.env.step_env(key, state.inner, given)
        # The next step goes on with the same kinds of numbers.
        inner = jax.tree.map(_alike, inner, state.inner)
        after = self._state(inner, seen, state.step + 1)
        earned = {
            role.name: jnp.stack([jnp.asarray(rewards[agent], jnp.float32).reshape(()) for agent in agents])
            for role, agents in zip(self.roles, self.library.agents, strict=True)
        }
        everything = jnp.concatenate(list(earned.values()))
        if self.team:
            earned = {name: jnp.full_like(own, jnp.mean(everything)) for name, own in earned.items()}
            everything = jnp.full_like(everything, jnp.mean(everything))
        over, stopped = jnp.asarray(done["__all__"], bool).reshape(()), after.step >= self.longest
        cut = stopped | (over & (after.step >= self.late))
        terminated = over | stopped if self.ends else over & ~cut
        return after, Outcome(earned, terminated, cut & ~terminated, {"reward": everything})

    def global_state(self, state: JaxMarlState) -> Float[Array, " features"]:
        return state.world

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Of continuous actions: the middle, and either end of each component with the others in the middle."""
        if isinstance(role.actions, Discrete):
            return super().candidates(role, observation)
        ends = np.eye(role.actions.size, dtype=np.float32)
        values = jnp.asarray(np.concatenate([0 * ends[:1], ends, -ends]))
        return values, jnp.asarray(len(values))

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        """Anything, each as likely."""
        if isinstance(role.actions, Discrete):
            return self.any_candidate(role, observation, draws[0])
        return 2 * draws[: role.actions.size] - 1

    def _meant(self, number: int, actions: Float[Array, "agents size"]) -> list[Array]:
        """A role's actions as the environment understands them."""
        if isinstance(self.roles[number].actions, Discrete):
            return list(actions[:, 0].astype(jnp.int32))
        low, high = (jnp.array(bounds[number], jnp.float32) for bounds in (self.library.low, self.library.high))
        return list(low + (jnp.clip(actions.astype(jnp.float32), -1, 1) + 1) / 2 * (high - low))

    def _state(self, inner: Any, seen: dict[str, Any], step: Int[Array, ""]) -> JaxMarlState:
        own = {
            role.name: jnp.stack([jnp.ravel(seen[agent]).astype(jnp.float32) for agent in agents])
            for role, agents in zip(self.roles, self.library.agents, strict=True)
        }
        if self.library.world:
            world = jnp.ravel(seen[WORLD]).astype(jnp.float32)
        else:
            world = jnp.concatenate([rows.ravel() for rows in own.values()])
        return JaxMarlState(inner, own, world, step)


def _alike(new: Any, old: Array) -> Array:
    new = jnp.asarray(new)
    return new if new.dtype == old.dtype else new.astype(old.dtype)


def library(market: "JaxMarl") -> Library:
    """What is known about a market's environment.

    Raises
    ------
    TacitError
        If JaxMARL has no such environment, does not take the options, or has actions of another kind.
    """
    return _library(market.env, json.dumps(market.options, sort_keys=True))


@cache
def _library(name: str, options: str) -> Library:
    env = _make(name, json.loads(options))
    kinds: dict[tuple[Any, ...], list[str]] = {}
    with SINGLE():
        seen, _ = jax.eval_shape(env.reset, jax.random.key(0))
    for agent in env.agents:
        if not isinstance(seen, dict) or not hasattr(seen.get(agent), "shape"):
            raise TacitError(f"environment.env: {name} does not show agent {agent} one array; choose another one")
        kind = (re.sub(r"_?\d+$", "", str(agent)) or "agent", seen[agent].shape, _actions(name, env, agent))
        kinds.setdefault(kind, []).append(agent)
    roles, used = [], list[str]()
    for (called, shape, (actions, _, _)), agents in kinds.items():
        used.append(called)
        called = called if used.count(called) == 1 else f"{called} {used.count(called)}"
        names = tuple(f"observation {k + 1}" for k in range(int(np.prod(shape))))
        roles.append(Role(called, len(agents), names, actions))
    longest = getattr(env, "max_steps", None)
    if longest is not None:
        # The particle environments ask whether their clock has passed the last step before it goes on.
        longest = int(longest) + name.startswith("MPE_")
    bounds = [(low, high) for _, _, (_, low, high) in kinds]
    return Library(
        env, tuple(roles), tuple(tuple(agents) for agents in kinds.values()), tuple(low for low, _ in bounds),
        tuple(high for _, high in bounds), WORLD in seen, longest,
    )  # fmt: skip


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing printed, no warnings; one of the library's modules puts the original streams back in place."""
    names = ("stdout", "stderr", "__stdout__", "__stderr__")
    streams = {name: getattr(sys, name) for name in names}
    try:
        for name in names:
            setattr(sys, name, io.StringIO())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, stream)


def _make(name: str, options: dict[str, Any]) -> Any:
    """The environment, without what the library prints and warns about when it is imported."""
    devices.prepare()  # before the library makes its first arrays
    try:
        with _silence():
            import jaxmarl

            known = name in jaxmarl.registered_envs
            env = jaxmarl.make(name, **options) if known else None
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TacitError(f"environment.options: {name} cannot be made of {shorten(options)}: {reason}") from error
    if not known:
        close = ", ".join(n for n in jaxmarl.registered_envs if n.split("_")[0] == name.split("_")[0])
        raise TacitError(f"environment.env: JaxMARL has no {name!r}; choose from {close or 'its registered_envs'}")
    return env


def _actions(name: str, env: Any, agent: str) -> tuple[Discrete | Continuous, tuple[float, ...], tuple[float, ...]]:
    """Actions of an agent, and their bounds if they are continuous."""
    space = env.action_space(agent)
    if hasattr(space, "n"):
        return Discrete(int(space.n)), (), ()
    if not hasattr(space, "low") or len(space.shape) != 1:
        raise TacitError(f"environment.env: actions of {agent} in {name} are neither discrete nor a vector of numbers")
    low, high = (tuple(np.broadcast_to(np.asarray(b, float), space.shape).tolist()) for b in (space.low, space.high))
    if not np.isfinite([low, high]).all():
        raise TacitError(f"environment.env: actions of {agent} in {name} have no bounds; choose another environment")
    return Continuous(space.shape[0]), low, high


def build(market: "JaxMarl") -> JaxMarlDynamics:
    """The dynamics of a market as it was described."""
    known = library(market)
    horizon = market.horizon
    late = horizon if known.longest is None else known.longest
    return JaxMarlDynamics(
        roles=known.roles,
        library=known,
        ends=market.cut == "terminated",
        team=market.rewards == "mean",
        longest=jnp.asarray(horizon, jnp.int32),
        late=jnp.asarray(late, jnp.int32),
    )

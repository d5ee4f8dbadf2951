"""Markets and stage games as PettingZoo parallel environments, for the learners of other libraries."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.games.base import StageGame
from tacitlab.markets.base import Discrete, Market, Role
from tacitlab.markets.motion import Actions, State
from tacitlab.markets.repeated_game import RepeatedGame
from tacitlab.schema import shorten

try:
    from gymnasium import spaces
    from pettingzoo import ParallelEnv
except ImportError:
    raise TacitError("pettingzoo: not installed; run pip install 'tacitlab[pettingzoo]'") from None

Observation = NDArray[np.float32]
Action = int | np.int64 | NDArray[np.float32]
Infos = dict[str, dict[str, Any]]


def parallel_env(environment: Market | StageGame, *, memory: int = 1, periods: int = 1000) -> "MarketEnv":
    """A market or a stage game as a PettingZoo parallel environment.

    Parameters
    ----------
    environment : Market or StageGame
        A stage game is played as :class:`tacitlab.markets.RepeatedGame`.
    memory, periods : int
        Of a stage game only: periods that players remember, and length of an episode.

    Raises
    ------
    TacitError
        If a stage game cannot be repeated: its players have different numbers of actions.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> env = parallel_env(PrisonersDilemma(), periods=10)
    >>> observations, infos = env.reset(seed=1)
    >>> observations, rewards, terminations, truncations, infos = env.step({"player_0": 0, "player_1": 1})
    >>> rewards, truncations["player_0"]
    ({'player_0': 0.0, 'player_1': 5.0}, False)
    """
    if isinstance(environment, StageGame):
        environment = RepeatedGame(game=environment, memory=memory, horizon_periods=periods)
    return MarketEnv(environment)


class MarketEnv(ParallelEnv[str, Observation, Action]):
    """All agents of a market act at the same time, and all leave when an episode ends.

    Agents are called ``role_0``, ``role_1`` and so on, blanks in the role's name replaced. They see what the market's
    agents see, in physical units, as float32 vectors without bounds. Actions of a role with a discrete choice are
    ``Discrete``; others are vectors without bounds, of numbers about 1 unless the market says otherwise. Actions that
    rules forbid are carried out as the rules say (``Dynamics.admissible``): infos hold what the market records of an
    agent's step, in the units of ``market.quantities()``.

    Rewards of a stage game are what its payoff table says, in double precision; markets move and pay in single
    precision. Nothing is rendered: ``render_mode`` is None, as wrappers ask for it.

    ``terminated`` and ``truncated`` mean what they mean in PettingZoo: ended by the rules, or merely cut. Chance
    follows from the seed of ``reset``; episodes after the first draw on, and without any seed it is the system's.

    Parameters
    ----------
    market : Market

    References
    ----------
    J. Terry et al., "PettingZoo: gym for multi-agent reinforcement learning", NeurIPS 2021.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.metadata = {"name": getattr(market, "kind", type(market).__name__), "is_parallelizable": True}
        self.render_mode: str | None = None
        self._roles = market.roles()
        self._compile()
        self.possible_agents = [f"{name_of(role)}_{k}" for role in self._roles for k in range(role.agents)]
        self.agents: list[str] = []
        each = dict(zip(self.possible_agents, (r for r in self._roles for _ in range(r.agents)), strict=True))
        self.observation_spaces = {
            agent: spaces.Box(-np.inf, np.inf, (len(role.observes),), np.float32) for agent, role in each.items()
        }
        self.action_spaces = {agent: _choices(role) for agent, role in each.items()}
        self._seen_shapes = [(role.agents, len(role.observes)) for role in self._roles]
        self._recorded = sorted(market.quantities())  # by name, as the program packs them
        self._key, self._state = jax.random.key(_entropy()), None

    def _compile(self) -> None:
        self._numbers, kind = jax.tree.flatten(self.market.dynamics())
        self._programs = _programs(kind)

    def __getstate__(self) -> dict[str, Any]:
        """Wrappers copy environments, and send them to other processes: without what is compiled."""
        kept = {name: value for name, value in vars(self).items() if name not in ("_numbers", "_programs")}
        return {**kept, "_key": np.asarray(jax.random.key_data(self._key))}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        self._key = jax.random.wrap_key_data(kept["_key"])
        self._compile()

    def observation_space(self, agent: str) -> spaces.Space[Observation]:
        """What an agent sees."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Action]:
        """What an agent can do."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], Infos]:
        """A new episode; ``options`` are ignored."""
        if seed is not None:
            self._key = jax.random.key(seed)
        self._key, self._state, seen = self._programs.reset(self._numbers, self._key)
        self.agents = list(self.possible_agents)
        return self._by_agent(_cut(np.asarray(seen), self._seen_shapes)), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Action]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """All agents act; after the last step of an episode there are none until the next ``reset``.

        Raises
        ------
        TacitError
            If the episode is over, or an agent's action is missing, has the wrong size, is no finite number, or is not
            among those that there are.
        """
        if not self.agents:
            raise TacitError("step: the episode is over; call reset first")
        chosen = self._chosen(actions)
        paid = self._paid(chosen)
        self._key, self._state, flat = self._programs.step(self._numbers, self._key, self._state, chosen)
        agents, n = self.agents, len(self._roles)
        shapes = [(len(agents),) if quantity.by_agent else () for quantity in self._recorded]
        found = _cut(np.asarray(flat), [*self._seen_shapes, (len(agents),), (), (), *shapes])
        seen, (rewards, terminated, truncated, *values) = found[:n], found[n:]
        earned: list[float] = (rewards if paid is None else paid).tolist()
        infos: Infos = {agent: {} for agent in agents}
        for quantity, value in zip(self._recorded, values, strict=True):
            each = value.tolist() if quantity.by_agent else [float(value)] * len(agents)
            for info, number in zip(infos.values(), each, strict=True):
                info[quantity.name] = number
        if terminated or truncated:
            self.agents = []
        return (
            self._by_agent(seen), dict(zip(agents, earned, strict=True)),
            dict.fromkeys(agents, bool(terminated)), dict.fromkeys(agents, bool(truncated)), infos,
        )  # fmt: skip

    def state(self) -> NDArray[np.float32]:
        """What a central critic may see: everything, scaled to about [-1, 1]."""
        if self._state is None:
            raise TacitError("state: there is none yet; call reset first")
        return np.asarray(self._programs.world(self._numbers, self._state), np.float32)

    def render(self) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        """Nothing is held open."""

    def _chosen(self, actions: dict[str, Action]) -> Actions:
        """Actions of each role, (agents, size)."""
        missing = next((agent for agent in self.agents if agent not in actions), None)
        if missing is not None:
            raise TacitError(f"step: no action of {missing}; all agents act in every step")
        found, first = {}, 0
        for role in self._roles:
            agents, first = self.possible_agents[first : first + role.agents], first + role.agents
            found[role.name] = np.array([_numbers(role, agent, actions[agent]) for agent in agents], np.float32)
        return found  # type: ignore[return-value]

    def _paid(self, chosen: Actions) -> NDArray[np.float64] | None:
        """What a stage game pays for actions in double precision; None: the market says it itself."""
        if not isinstance(self.market, RepeatedGame):
            return None
        assert self._state is not None
        regime = int(self._state.regime) if self.market.regimes_number > 1 else 0
        (acts,) = chosen.values()
        return self.market.paid(regime, np.asarray(acts)[:, 0].astype(int))

    def _by_agent(self, seen: list[NDArray[np.float32]]) -> dict[str, Observation]:
        return dict(zip(self.possible_agents, (row for rows in seen for row in rows), strict=True))


def name_of(role: Role) -> str:
    """A role's name without blanks."""
    return role.name.replace(" ", "_")


def _numbers(role: Role, agent: str, action: Action) -> NDArray[np.float32]:
    """An agent's action, as the market takes it.

    Raises
    ------
    TacitError
        If it is none that the agent has: one line with agent, action and what there is.
    """
    problem = f"step: {agent} cannot do {shorten(action)}"
    try:
        given = np.asarray(action, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise TacitError(f"{problem}; give it numbers") from None
    with np.errstate(over="ignore"):
        found = given.astype(np.float32)
    size = 1 if isinstance(role.actions, Discrete) else role.actions.size
    if len(found) != size:
        raise TacitError(f"step: an action of {agent} has {len(found)} numbers; give it {size}")
    if isinstance(role.actions, Discrete):
        if not (given[0] == np.floor(given[0]) and 0 <= given[0] < role.actions.size):
            raise TacitError(f"{problem}; give it a whole number from 0 to {role.actions.size - 1}")
    elif not np.isfinite(found).all():
        raise TacitError(f"{problem}; give it finite numbers")
    return found


def _choices(role: Role) -> spaces.Space[Any]:
    if isinstance(role.actions, Discrete):
        return spaces.Discrete(role.actions.size)
    return spaces.Box(-np.inf, np.inf, (role.actions.size,), np.float32)


def _entropy() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])


# --- what is compiled ----------------------------------------------------------------------------------------------


class Programs(NamedTuple):
    """Compiled functions of a market; what they return is packed, because each array costs time to fetch."""

    reset: Callable[..., Any]
    step: Callable[..., Any]
    world: Callable[..., Any]


@cache
def _programs(kind: Any) -> Programs:
    """Compiled once for all markets of the same structure: numbers are inputs."""

    def reset(numbers: list[Array], key: Array) -> tuple[Array, State, Array]:
        dynamics = jax.tree.unflatten(kind, numbers)
        key, now = jax.random.split(key)
        state = dynamics.reset(now)
        seen = dynamics.observe(state)
        return key, state, _pack([seen[role.name] for role in dynamics.roles])

    def step(numbers: list[Array], key: Array, state: State, actions: Actions) -> tuple[Array, State, Array]:
        dynamics = jax.tree.unflatten(kind, numbers)
        key, now = jax.random.split(key)
        state, outcome = dynamics.step(now, state, dynamics.admissible(state, actions))
        seen, names = dynamics.observe(state), [role.name for role in dynamics.roles]
        parts = [seen[name] for name in names] + [outcome.rewards[name] for name in names]
        parts += [outcome.terminated, outcome.truncated, *(outcome.info[name] for name in sorted(outcome.info))]
        return key, state, _pack(parts)

    def world(numbers: list[Array], state: State) -> Array:
        found: Array = jax.tree.unflatten(kind, numbers).global_state(state)
        return found

    return Programs(jax.jit(reset), jax.jit(step), jax.jit(world))


def _pack(parts: list[Array]) -> Array:
    return jnp.concatenate([jnp.ravel(part).astype(jnp.float32) for part in parts])


def _cut(flat: NDArray[np.float32], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.float32]]:
    """Arrays of these shapes out of a vector."""
    found, first = [], 0
    for shape in shapes:
        last = first + math.prod(shape)
        found.append(flat[first:last].reshape(shape))
        first = last
    return found

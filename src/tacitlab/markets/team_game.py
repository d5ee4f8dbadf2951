"""A finite Markov game of a team, given by tables."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator

from tacitlab.markets.base import Discrete, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile
from tacitlab.theory.precision import roundings

END = -1
MOST_JOINT = 100_000  # joint actions of a state


def _nested(value: Any) -> Any:
    """Nested tuples of one table for each state, all of equal shape."""
    try:
        table = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("every row must have the same length and hold numbers only") from None
    if table.ndim < 3 or len(set(table.shape[1:])) > 1 or not table.size:
        raise ValueError("give one table for each state, with one axis for each player and as many actions for all")
    if not np.isfinite(table).all():
        raise ValueError("every entry must be a finite number")
    if table[0].size > MOST_JOINT:
        raise ValueError(f"{table[0].size} joint actions are too many; at most {MOST_JOINT}")
    return _tuples(table.tolist())


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


Tables = Annotated[tuple[Any, ...], BeforeValidator(_nested)]


class TeamGame(Market):
    """A finite Markov game whose players all get the same reward.

    Rewards are ``payoffs[state][action of player 0][of player 1]...``. Play begins in state 0. ``following`` has the
    same shape and says which state comes next; -1 ends the episode. Players see the state. The defaults are the
    two-step game of Rashid et al. (2018): player 0 chooses whether both get 7 for sure, or play a game in which both
    must dare to get 8.

    Benchmarks are the joint optimum, by dynamic programming, and the least that a chain of pure equilibria of the
    states pays: the best joint action is always an equilibrium of a team, but often not the only one.

    References
    ----------
    T. Rashid et al., "QMIX", ICML 2018, section 5; C. Claus and C. Boutilier, AAAI 1998 (the climbing game).

    Examples
    --------
    >>> found = TeamGame(payoffs=[[[11, -30, 0], [-30, 7, 6], [0, 0, 5]]], following=None).benchmarks()
    >>> found.optimum.average, found.nash.average
    (11.0, 7.0)
    >>> TeamGame(payoffs=[[[1, 0], [0, 2]]], following=[[[-1, 1], [-1, -1]]])
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: following: state 1 does not exist; name states 0 to 0, or -1 for the end
    """

    role: ClassVar[str] = "player"
    kind: Literal["team-game"] = "team-game"
    payoffs: Tables = param(
        (((0, 0), (0, 0)), ((7, 7), (7, 7)), ((0, 1), (1, 8))), "what everybody gets, by state and actions", "payoff"
    )
    following: Tables | None = param(
        (((1, 1), (2, 2)), ((-1, -1), (-1, -1)), ((-1, -1), (-1, -1))),
        "the next state, by state and actions, -1 for the end; none: always the end",
    )
    horizon_steps: int | None = param(
        None, "steps after which an episode is cut; none: as many as there are states", "steps", ge=1, le=1_000_000
    )

    @model_validator(mode="after")
    def _consistent(self) -> "TeamGame":
        if self.following is None:
            return self
        table, states = np.asarray(self.following), len(self.payoffs)
        if table.shape != np.shape(self.payoffs):
            raise ValueError(f"following: it is {list(table.shape)}, payoffs are {list(np.shape(self.payoffs))}; match")
        wrong = table[(table != np.round(table)) | (table < END) | (table >= states)]
        if wrong.size:
            raise ValueError(
                f"following: state {wrong[0]:g} does not exist; name states 0 to {states - 1}, or -1 for the end"
            )
        return self

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Rewards by state and actions: (states, actions, actions, ...)."""
        return np.asarray(self.payoffs, float)

    @property
    def successors(self) -> NDArray[np.int64]:
        """Next states, -1 for the end: as the rewards."""
        if self.following is None:
            return np.full(self.rewards.shape, END)
        return np.asarray(self.following).astype(np.int64)

    @property
    def joint_rewards(self) -> NDArray[np.float64]:
        """Rewards by state and number of the joint action, the first player's most significant."""
        return self.rewards.reshape(len(self.payoffs), -1)

    @property
    def joint_successors(self) -> NDArray[np.int64]:
        """Next states, -1 for the end, likewise."""
        return self.successors.reshape(len(self.payoffs), -1)

    @property
    def common_reward(self) -> bool:
        return True

    @property
    def horizon(self) -> int:
        return self.horizon_steps or len(self.payoffs)

    @property
    def n_players(self) -> int:
        return self.rewards.ndim - 1

    def roles(self) -> tuple[Role, ...]:
        return (Role(self.role, self.n_players, ("state",), Discrete(self.rewards.shape[1]), (len(self.payoffs),)),)

    def quantities(self) -> tuple[Quantity, ...]:
        return (Quantity("choice"), Quantity("place", by_agent=False))

    def rules(self) -> dict[str, str]:
        return {"random": "any action, each as likely", "first": "always the first action"}

    def benchmarks(self) -> Benchmarks:
        best, least = (self._induction(worst) for worst in (False, True))
        note = "backward induction over states and steps"
        return Benchmarks(
            competitive=(self._profile("least pure equilibrium", "nash", least, note),),
            cooperative=(self._profile("joint optimum", "joint-optimum", best, note),),
            complete=False,
            notes=("a team's optimum is an equilibrium, too; the reference is the least one",),
        )

    def rule_values(self) -> dict[str, NDArray[np.float64]]:
        rewards, successors = self.rewards, self.successors
        random, first = np.zeros((2, len(rewards) + 1))  # the last is that of the end, which number -1 means
        every = tuple(range(1, rewards.ndim))
        for _ in range(self.horizon):
            random = np.append((rewards + random[successors]).mean(axis=every), 0.0)
            first = np.append((rewards + first[successors]).reshape(len(rewards), -1)[:, 0], 0.0)
        return {name: np.full(self.n_players, values[0]) for name, values in (("random", random), ("first", first))}

    def _profile(self, name: str, concept: Any, value: float, method: str) -> Profile:
        return Profile(name, concept, np.full(self.n_players, value), method)

    def _induction(self, worst: bool) -> float:
        """Value of state 0: of the best joint actions, or of the equilibria of each state that pay least."""
        rewards, successors = self.rewards, self.successors
        values = np.zeros(len(rewards) + 1)  # the last is that of the end, which number -1 means
        for _ in range(self.horizon):
            now = rewards + values[successors]
            found = [self._least(table) if worst else float(table.max()) for table in now]
            values = np.array([*found, 0.0])
        return float(values[0])

    @staticmethod
    def _least(table: NDArray[np.float64]) -> float:
        """The least payoff of a joint action that nobody gains by leaving alone."""
        stable, rounding = np.ones(table.shape, bool), roundings(table[..., None])[..., 0]
        for player in range(table.ndim):
            stable &= table + rounding >= table.max(axis=player, keepdims=True)
        return float(table[stable].min())

    def dynamics(self) -> "TeamGameDynamics":
        return built(TeamGameDynamics, self)


class TeamGameState(NamedTuple):
    """Where a team stands."""

    place: Int[Array, ""]
    step: Int[Array, ""]


class TeamGameDynamics(Dynamics):
    """Tables read with the state and everybody's actions."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    joint_rewards: Float[Array, "states joint"]
    joint_successors: Int[Array, "states joint"]

    def reset(self, key: PRNGKeyArray) -> TeamGameState:
        return TeamGameState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))

    def observe(self, state: TeamGameState) -> dict[str, Float[Array, "agents one"]]:
        role = self.roles[0]
        return {role.name: jnp.full((role.agents, 1), state.place, jnp.float32)}

    def features(self, role: Role, observation: Float[Array, " one"]) -> Float[Array, " states"]:
        """One input for each state."""
        return (jnp.arange(len(self.joint_rewards)) == observation[0]).astype(jnp.float32)

    def global_state(self, state: TeamGameState) -> Float[Array, " states"]:
        return (jnp.arange(len(self.joint_rewards)) == state.place).astype(jnp.float32)

    def step(self, key: PRNGKeyArray, state: TeamGameState, actions: Actions) -> tuple[TeamGameState, Outcome]:
        role = self.roles[0]
        chosen = actions[role.name][:, 0].astype(int)
        number = jnp.zeros((), int)
        for k in range(role.agents):
            number = number * role.actions.size + chosen[k]
        following = self.joint_successors[state.place, number]
        terminated, step = following < 0, state.step + 1
        rewards = {role.name: jnp.full(role.agents, self.joint_rewards[state.place, number])}
        info = {"choice": actions[role.name][:, 0], "place": state.place.astype(jnp.float32)}
        after = TeamGameState(jnp.maximum(following, 0).astype(jnp.int32), step)
        return after, Outcome(rewards, terminated, ~terminated & (step >= self.horizon), info)

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " one"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule == "random":
            return self.any_candidate(role, observation, draws[0])
        return jnp.zeros(1)

"""A stage game as a market, so that learners for markets can play it too: nothing moves but what players remember."""

from functools import cached_property
from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.environment import Words
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.games.prisoners_dilemma import PrisonersDilemma
from tacitlab.kinds import OfKind
from tacitlab.markets.base import Discrete, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

Floats = NDArray[np.float64]
AnyGame = Annotated[StageGame, OfKind("game")]


class Regimes(NamedTuple):
    """Payoffs of a table, by regime; arrays of NumPy in the description, of JAX in play.

    Attributes
    ----------
    payoffs : (regimes, joint, players) array
    transition : (regimes, regimes) array
    first : (regimes,) array
        How likely each is in the first period: as often as in the long run.
    active : (regimes, players) array
        1 for those who play.
    """

    payoffs: Floats
    transition: Floats
    first: Floats
    active: Floats


class Crowd(NamedTuple):
    """Payoffs that depend on numbers of players only, as a :class:`~tacitlab.games.base.CongestionForm` has them."""

    incidence: Floats
    weights: Floats
    levels: Floats
    own: Floats


class RepeatedGame(Market):
    """A stage game played again and again by players who remember the last periods.

    An episode is cut, not ended, after ``horizon_periods`` periods: learners value what would follow. Benchmarks are
    those of the stage game.

    Examples
    --------
    >>> from tacitlab.games import Bertrand
    >>> RepeatedGame(game=Bertrand(), memory=1).roles()[0].observes
    ('action of player 1', 'action of player 2')
    """

    role: ClassVar[str] = "player"
    kind: Literal["repeated-game"] = "repeated-game"
    game: AnyGame = param(..., "the stage game")
    memory: int = param(1, "periods remembered", "periods", ge=0, le=8)
    horizon_periods: int = param(1000, "length of an episode", "periods", ge=1)

    @classmethod
    def example(cls) -> "RepeatedGame":
        return cls(game=PrisonersDilemma(), horizon_periods=3)

    @model_validator(mode="after")
    def _equal_choices(self) -> "RepeatedGame":
        form = self.form
        if isinstance(form, NormalForm) and len(set(form.shape)) > 1:
            raise ValueError(f"game: players have {list(form.shape)} actions; give all of them as many")
        return self

    @property
    def stage(self) -> StageGame:
        return self.game

    @cached_property
    def form(self) -> NormalForm | CongestionForm:
        """Payoffs of the stage game."""
        return self.stage.form()

    # --- what players see and do -----------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.horizon_periods

    @property
    def payoff_steps(self) -> int:
        return self.horizon_periods

    @property
    def common_reward(self) -> bool:
        form = self.form
        return isinstance(form, NormalForm) and bool((form.payoffs == form.payoffs[..., :1]).all())

    @property
    def n_players(self) -> int:
        return self.stage.n_players

    def words(self) -> Words:
        return self.stage.words()

    @property
    def sees_regime(self) -> bool:
        """Whether players see which of several payoff regimes it is."""
        return isinstance(self.form, NormalForm) and self.form.observed and len(self.form.transition) > 1

    def roles(self) -> tuple[Role, ...]:
        form, labels = self.form, []
        for past in range(1, self.memory + 1):
            when = "" if self.memory == 1 else f", {past} periods ago"
            if isinstance(form, NormalForm):
                labels += [f"action of player {i + 1}{when}" for i in range(form.players)]
            else:
                labels += [f"share of {name}{when}" for name in self.stage.actions().labels or range(form.actions)]
        size = max(form.shape) if isinstance(form, NormalForm) else form.actions
        levels: tuple[int, ...] = ()
        if isinstance(form, NormalForm):
            regimes = (len(form.transition),) if self.sees_regime else ()
            levels = (size,) * len(labels) + regimes or (1,)
        labels += ["regime"] if self.sees_regime else []
        return (Role(self.role, self.n_players, tuple(labels) or ("nothing",), Discrete(size), levels),)

    @property
    def quantity(self) -> str:
        """What the actions are."""
        return self.stage.actions().name

    def quantities(self) -> tuple[Quantity, ...]:
        return (Quantity(self.quantity, self.stage.actions().unit),)

    # --- what they earn --------------------------------------------------------------------------------------------

    @property
    def values(self) -> Floats:
        """What the actions mean."""
        return np.asarray(self.stage.actions().values, float)

    @property
    def regimes(self) -> Regimes:
        """The payoff table; of a congestion game a single regime without one."""
        form = self.form
        if not isinstance(form, NormalForm):
            return Regimes(np.zeros((1, 0, 1)), np.ones((1, 1)), np.ones(1), np.ones((1, 1)))
        return Regimes(form.payoffs, form.transition, form.stationary(), np.asarray(form.active, float))

    @property
    def regimes_number(self) -> int:
        """How many payoff regimes there are."""
        return len(self.form.transition) if isinstance(self.form, NormalForm) else 1

    def paid(self, regime: int, chosen: NDArray[np.int64]) -> Floats:
        """What the players earn in a period, in double precision; those who do not play have action 0 and earn nothing.

        Examples
        --------
        >>> RepeatedGame(game=PrisonersDilemma()).paid(0, np.array([0, 1]))
        array([0., 5.])
        """
        form = self.form
        if isinstance(form, CongestionForm):
            return np.asarray(form.payoffs(np.bincount(chosen, minlength=form.actions))[chosen])
        active = form.active[regime]
        joint = np.ravel_multi_index(tuple(np.where(active, chosen, 0)), form.shape)
        return np.where(active, form.payoffs[regime, joint], 0.0)

    @property
    def crowd(self) -> Crowd | None:
        """Congestion payoffs, if the players are anonymous."""
        form = self.form
        if not isinstance(form, CongestionForm):
            return None
        return Crowd(np.asarray(form.incidence, float), form.weights, form.values, form.own)

    def benchmarks(self) -> Benchmarks:
        return self.stage.benchmarks()

    def random_play(self) -> Profile | None:
        return self.stage.random_play()

    def dynamics(self) -> "RepeatedGameDynamics":
        return built(RepeatedGameDynamics, self)


class RepeatedGameState(NamedTuple):
    """Between two periods."""

    period: Int[Array, ""]
    history: Float[Array, "memory codes"]  # the newest period first: actions, or shares of actions
    regime: Int[Array, ""]


class RepeatedGameDynamics(Dynamics):
    """A payoff table, or congestion payoffs, read with the players' actions."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    memory: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    quantity: str = eqx.field(static=True)
    sees_regime: bool = eqx.field(static=True)
    values: Float[Array, "players actions"]
    regimes: Regimes
    crowd: Crowd | None  # if there is one, players see shares

    @property
    def players(self) -> int:
        return self.roles[0].agents

    @property
    def actions(self) -> int:
        return self.roles[0].actions.size

    def reset(self, key: PRNGKeyArray) -> RepeatedGameState:
        """Random actions are remembered of the time before the first period."""
        past, regime = jax.random.split(key)
        drawn = jax.random.randint(past, (self.memory, self.players), 0, self.actions)
        history = jax.vmap(self._code)(drawn)
        return RepeatedGameState(
            jnp.zeros((), jnp.int32), history, jax.random.choice(regime, len(self.regimes.first), p=self.regimes.first)
        )

    def observe(self, state: RepeatedGameState) -> dict[str, Float[Array, "players observation"]]:
        seen = state.history.ravel()
        if self.sees_regime:
            seen = jnp.append(seen, state.regime.astype(jnp.float32))
        if len(self.roles[0].observes) != seen.size:  # nothing is remembered
            seen = jnp.zeros(1)
        return {self.roles[0].name: jnp.broadcast_to(seen, (self.players, seen.size))}

    def step(self, key: PRNGKeyArray, state: RepeatedGameState, actions: Actions) -> tuple[RepeatedGameState, Outcome]:
        chosen = actions[self.roles[0].name][:, 0].astype(int)
        if self.crowd is not None:
            rewards = _congestion(self.crowd, chosen)
        else:
            chosen = jnp.where(self.regimes.active[state.regime] > 0, chosen, 0)
            joint = jnp.zeros((), int)
            for player in range(self.players):
                joint = joint * self.actions + chosen[player]
            rewards = self.regimes.payoffs[state.regime, joint] * self.regimes.active[state.regime]
        history = jnp.concatenate([self._code(chosen)[None], state.history])[: self.memory]
        regime = state.regime
        if len(self.regimes.transition) > 1:
            regime = jax.random.choice(key, len(self.regimes.transition), p=self.regimes.transition[regime])
        rows = self.values if len(self.values) > 1 else jnp.broadcast_to(self.values, (self.players, self.actions))
        info = {self.quantity: jnp.take_along_axis(rows, chosen[:, None], axis=1)[:, 0]}
        after = RepeatedGameState(state.period + 1, history, regime)
        over = state.period + 1 >= self.horizon
        return after, Outcome({self.roles[0].name: rewards}, jnp.zeros((), bool), over, info)

    def global_state(self, state: RepeatedGameState) -> Float[Array, " features"]:
        return self.features(self.roles[0], self.observe(state)[self.roles[0].name][0])

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Actions from -1 to 1; shares likewise."""
        most = 1 if self.crowd is not None else max(self.actions - 1, 1)
        regimes = max(len(self.regimes.transition) - 1, 1)
        scale = jnp.full(observation.size, most).at[-1].set(regimes if self.sees_regime else most)
        return 2 * observation / scale - 1

    def inputs(
        self, role: Role, observation: Float[Array, " observation"], action: Float[Array, " size"]
    ) -> Float[Array, " inputs"]:
        return jnp.concatenate([self.features(role, observation), 2 * action / max(self.actions - 1, 1) - 1])

    def _code(self, chosen: Int[Array, " players"]) -> Float[Array, " codes"]:
        """What is remembered of a period."""
        if self.crowd is None:
            return chosen.astype(jnp.float32)
        return jax.nn.one_hot(chosen, self.actions).mean(axis=0)


def _congestion(crowd: Crowd, chosen: Int[Array, " players"]) -> Float[Array, " players"]:
    counts = jax.nn.one_hot(chosen, len(crowd.own)).sum(axis=0)
    loads = jnp.round(crowd.incidence @ counts).astype(int)
    level = jnp.take_along_axis(crowd.levels, loads[:, None], axis=1)[:, 0]
    return (crowd.own + crowd.weights @ level)[chosen]

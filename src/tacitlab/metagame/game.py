"""The meta-game: designers choose learners, and earn what these earn against each other."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import numpy as np
from pydantic import Field, model_validator

from tacitlab.documents import METAGAMES, read
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.kinds import AS_CLASSES
from tacitlab.lab.described import StoredGame, StoredTable
from tacitlab.lab.experiment import AnyEnvironment, AnyLearner, Scalar, _copy, _set, parse_overrides
from tacitlab.learners.base import TabularLearner
from tacitlab.schema import Spec, param, validate

if TYPE_CHECKING:
    from tacitlab.engine.entries import EntryPlan

MOST_STRATEGIES = 20_000
Values = Annotated[list[Scalar], Field(min_length=1)]


class Adaptive(Spec):
    """Sessions go to the entries that decide which symmetric profiles are equilibria."""

    first: int = param(3, "sessions of every entry to begin with", "sessions", ge=2, le=10_000)
    batch: int = param(8, "sessions that an entry gets at a time", "sessions", ge=1, le=10_000)
    rounds: int = param(20, "rounds of batches at most", ge=1, le=10_000)
    sure: float = param(0.99, "a profile is decided once its probability of being one is so near 0 or 1", gt=0.5, lt=1)


class MetaGame(Spec):
    """Environment + strategies that designers choose from + how payoffs are estimated.

    A strategy is a learner: the base ``learner`` with every combination of the values in ``grid``, and each of
    ``others`` as it is. With two players every pair of strategies is an entry. With more, an entry is one deviator
    among others who are alike. Which designer has which place does not matter where the environment is symmetric, so
    that pairs are unordered; where moves alternate the places change in every other session.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> from tacitlab.learners import QLearning
    >>> game = MetaGame(environment=PrisonersDilemma(), learner=QLearning(), grid={"alpha": [0.1, 0.5]}, periods=100)
    >>> [strategy.alpha for strategy in game.strategies()], game.entries
    ([0.1, 0.5], 3)
    """

    name: str = param("metagame", "what the run is called", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = param("", "one line about it")
    environment: AnyEnvironment = param(..., "the stage game")
    timing: Literal["simultaneous", "alternating"] = param("simultaneous", "all move in a period, or one, in turn")
    learner: AnyLearner | None = param(None, "the learner whose fields the grid changes")
    grid: dict[str, Values] = param({}, "fields of the learner and their values: every combination is a strategy")
    others: tuple[AnyLearner, ...] = param((), "further strategies, each as it is")
    periods: int = param(10_000, "length of a session", "periods", ge=1, le=10**10)
    window: Literal["online", "last"] = param("online", "what is paid: the whole session, or its last share")
    last: float = param(0.2, "the last share of a session", gt=0, le=1)
    sessions: int = param(20, "sessions of every entry; with adaptive, at most", "sessions", ge=2, le=1_000_000)
    adaptive: Adaptive | None = param(None, "which entries get more sessions; none: all get the same number")
    common_random_numbers: bool = param(True, "whether session s has the same draws in all entries")
    seed: int = param(0, "random seed", ge=0, lt=2**63)

    @model_validator(mode="after")
    def _playable(self) -> "MetaGame":
        if not isinstance(self.environment, StageGame):
            raise ValueError("environment: a meta-game is played over a stage game; choose one of `tacit list`")
        if self.learner is None and (self.grid or not self.others):
            raise ValueError("learner: missing; give the learner that the grid changes, or list strategies in others")
        if self.size > MOST_STRATEGIES:
            raise ValueError(f"grid: {self.size} strategies are too many; at most {MOST_STRATEGIES}")
        if self.players > 2 and not self.symmetric:
            raise ValueError("environment: more than two designers must be in the same position; choose another game")
        if self.adaptive is not None and not self.symmetric:
            raise ValueError("adaptive: it looks for symmetric equilibria, and the players differ; leave it out")
        return self

    @property
    def game(self) -> StageGame:
        """The environment, which is known to be a stage game."""
        return cast(StageGame, self.environment)

    @property
    def size(self) -> int:
        """Number of strategies of a designer."""
        combinations = int(np.prod([len(values) for values in self.grid.values()])) if self.grid else 1
        return (combinations if self.learner is not None else 0) + len(self.others)

    @property
    def symmetric(self) -> bool:
        """Whether all players are in the same position."""
        game = self.game
        return bool(game.known["symmetric"]) if isinstance(game, StoredGame) else is_symmetric(game.form())

    @property
    def players(self) -> int:
        return self.game.n_players

    @property
    def entries(self) -> int:
        """Entries that are simulated."""
        unordered = self.players == 2 and self.symmetric
        return self.size * (self.size + 1) // 2 if unordered else self.size**2

    def parameters(self) -> list[dict[str, Any]]:
        """Values of the grid's fields for each strategy of the grid, in the order of :meth:`strategies`."""
        if self.learner is None:
            return []
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]

    def strategies(self) -> list[TabularLearner]:
        """All strategies, the last field of the grid fastest, then the others."""
        for member in (self.learner, *self.others):
            if isinstance(member, StoredTable):
                raise member.refusal()
        found: list[Any] = []
        base = None if self.learner is None else self.model_dump(context=AS_CLASSES)["learner"]
        for values in self.parameters():
            tree = {"strategies": [_copy(base)]}
            for path, value in values.items():
                _set(tree["strategies"][0], path.split("."), value, f"grid.{path}")
            found += validate(_Strategies, tree).strategies
        found += self.others
        for learner in found:
            if not isinstance(learner, TabularLearner):
                raise TacitError(f"learner.kind: {learner.kind} plays no stage game; choose a learner with a table")
        return found

    def labels(self) -> list[str]:
        """A short name for each strategy: the grid's values, or the kind of a learner with what it changes."""
        grid = [", ".join(_shown(v) for v in values.values()) or "base" for values in self.parameters()]
        return grid + [label(learner) for learner in self.others]

    def dump(self) -> dict[str, Any]:
        """The complete description as plain data."""
        return self.model_dump(mode="json")

    def plan(self) -> "EntryPlan":
        """Game and strategies as arrays.

        Raises
        ------
        TacitError
            If a strategy cannot play the game.
        """
        from tacitlab.engine.entries import prepare  # not for `tacit list`
        from tacitlab.lab.seating import trained_policies

        two = self.players == 2
        return prepare(
            self.game.form(), self.strategies(), alternating=self.timing == "alternating", periods=self.periods,
            late=self.late, exchange=two and self.symmetric and self.timing == "alternating", trained=trained_policies,
            named=self.game.actions(),
        )  # fmt: skip

    @property
    def late(self) -> int:
        """First period of the last share."""
        return min(self.periods - 1, round(self.periods * (1 - self.last)))


class _Strategies(Spec):
    strategies: tuple[AnyLearner, ...] = param(..., "learners")


def is_symmetric(form: NormalForm | CongestionForm) -> bool:
    """Whether exchanging any two players leaves the game as it is."""
    if isinstance(form, CongestionForm):
        return True
    if len(set(form.shape)) > 1 or not form.active.all():
        return False
    players = form.players
    scale = float(np.abs(form.payoffs).max()) or 1.0
    for table in form.payoffs:
        tensor = table.reshape(*form.shape, players)
        for i in range(players - 1):  # transpositions of neighbours generate all permutations
            swapped = np.swapaxes(tensor, i, i + 1).copy()
            swapped[..., [i, i + 1]] = swapped[..., [i + 1, i]]
            if np.abs(swapped - tensor).max() > 1e-12 * scale:
                return False
    return True


def load_metagame(source: str, overrides: Sequence[str] = ()) -> MetaGame:
    """A meta-game from a YAML file or a name that ships with the package, with overrides ``field=value``."""
    data = read(source, METAGAMES)
    data.setdefault("name", re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(source).stem).strip("-._") or "metagame")
    return metagame_from(data, parse_overrides(overrides))


def metagame_from(data: Mapping[str, Any], overrides: Sequence[tuple[str, Any]] = ()) -> MetaGame:
    """Validate plain data, after setting dotted fields such as ``("learner.alpha", 0.05)``."""
    tree = _copy(data)
    for path, value in overrides:
        head, _, rest = path.partition(".")
        if head == "grid" and rest:  # names of fields have dots themselves
            tree.setdefault("grid", {})[rest] = _copy(value)
        else:
            _set(tree, path.split("."), value, path)
    return validate(MetaGame, tree)


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def label(learner: Any) -> str:
    """The kind of a learner with what it changes."""
    if isinstance(learner, StoredTable):
        return str(learner.known["label"])
    fields = type(learner).model_fields
    told = [
        f"{name}={_shown(getattr(learner, name))}"
        for name in fields
        if name not in ("kind", "agents") and getattr(learner, name) != fields[name].default
        and not isinstance(getattr(learner, name), Spec)
    ]  # fmt: skip
    return f"{learner.kind}({', '.join(told)})" if told else str(learner.kind)

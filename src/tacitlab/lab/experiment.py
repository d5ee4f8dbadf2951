"""An experiment: environment, learners, length, sessions and seed; read from YAML, changed by dotted overrides."""

import re
from collections.abc import Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ValidationInfo, model_validator

from tacitlab import documents, registry
from tacitlab.documents import read
from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.games.base import StageGame
from tacitlab.games.naming import Act, history_of
from tacitlab.interventions.base import Intervention, NoIntervention
from tacitlab.kinds import AS_CLASSES, OfKind
from tacitlab.lab.changed_kinds import drop_of_other_kinds, kinds_of
from tacitlab.lab.design import Grid, Scalar, short_names
from tacitlab.lab.repeated import as_market, needs_market
from tacitlab.learners.base import Learner, group_sizes
from tacitlab.markets.base import Market, Role
from tacitlab.schema import Spec, by_default, param, shorten, validate

AnyEnvironment = Annotated[Environment, OfKind("game", "market")]
AnyIntervention = Annotated[Intervention, OfKind("intervention")]
AnyLearner = Annotated[Any, OfKind("learner")]  # who knows the kind uses its fields

UNSEATED = {"seats": "later"}  # context in which nobody asks whether everybody can play: whoever plays will
LONGEST = 1_000_000_000  # periods of a session that has no other bound
LEAST_WINDOWS = 5  # so that the last fifth of a session is at least one window


class Length(Spec):
    """When a session ends."""

    periods: int = param(LONGEST, "longest session of a stage game", "periods", ge=1, le=2**62)
    episodes: int | None = param(
        None, "training in a market, in each of its copies", "episodes", ge=1, le=1_000_000_000
    )
    stable_for: int = param(
        0, "end once no greedy action of any agent has changed for so long; 0: never", "periods", ge=0
    )


class Start(Spec):
    """How a stage game begins: what agents with a memory remember, and what a best reply answers, in the first period.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> Start(history=["cooperate", ["cooperate", "defect"]]).opening(PrisonersDilemma())
    array([[0, 0],
           [0, 1]])
    """

    history: Act | tuple[Act | tuple[Act, ...], ...] = param(
        "random",
        "play before the first period: random; or an action (number, label, value, optimum, nash) of everybody; or a "
        "list by period, the oldest first, of such actions or of lists by player. What is older is as the oldest",
    )

    def opening(self, game: StageGame) -> NDArray[np.int64] | None:
        """Joint actions before the first period, (periods, players), the oldest first; None: they are random."""
        if self.history == "random":
            return None
        return history_of(game.form(), game.actions(), self.history, "start.history")


class Trace(Spec):
    """What is recorded of learning: means over consecutive windows of periods, from the first period on."""

    window: int | None = param(
        None, "length of a window; none: a part of the session, or a quarter of length.stable_for", "periods", ge=1
    )
    windows: int = param(100, "how many windows are recorded at most", ge=0, le=1_000_000)


class Test(Spec):
    """Play with frozen policies after training in a market."""

    __test__: ClassVar[bool] = False  # pytest takes it for a test by its name

    episodes: int = param(1000, "episodes played with what was learned", "episodes", ge=1, le=10_000_000)
    epsilon: float = param(0.0, "exploration that goes on", ge=0, le=1)
    baselines: bool = param(True, "play the market's scripted rules too, in place of those who learn")
    environment: dict[str, Scalar] = param({}, "fields of the market that differ from training, and their values")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Mapping | Learner) else value


class Experiment(Spec):
    """Environment + learners + length + sessions + seed.

    A stage game with learners that need networks becomes the repeated game: see :mod:`tacitlab.lab.repeated`.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> from tacitlab.learners import QLearning
    >>> experiment = Experiment(environment=Braess(players=10), learners=QLearning(gamma=0), sessions=5)
    >>> experiment.learners[0].alpha
    0.15
    """

    name: str = param("experiment", "what the run is called", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = param("", "one line for `tacit list`")
    environment: AnyEnvironment = param(..., "the stage game or market")
    learners: Annotated[tuple[AnyLearner, ...], BeforeValidator(_as_list)] = param(
        ..., "how the agents learn: one learner for all, or a list with numbers of agents", min_length=1
    )
    intervention: AnyIntervention = param(NoIntervention(), "what an outsider adds to a stage game to steer the agents")
    timing: Literal["simultaneous", "alternating"] = param("simultaneous", "all move in a period, or one, in turn")
    start: Start = param(Start(), "how a stage game begins")
    length: Length = param(Length(), "when a session ends")
    copies: int = param(
        1, "copies of the market that a session's agents play and learn from at the same time", ge=1, le=65_536
    )
    sessions: int = param(10, "independent repetitions", ge=1, le=10_000_000)
    seed: int = param(0, "random seed", ge=0, lt=2**63)
    trace: Trace = param(Trace(), "what is recorded of learning")
    test: Test = param(Test(), "play with frozen policies, in a market")
    keep_values: bool = param(False, "keep the value tables, not only the greedy strategies")
    sweep: dict[str, list[Scalar]] = param({}, "fields and the values they take: every combination is a cell")

    @model_validator(mode="after")
    def _recordable(self, info: ValidationInfo) -> "Experiment":
        if needs_market(self.environment, self.learners):
            self.__dict__.update(as_market(self))  # what is given is the stage game, and what is made is what is played
        elif isinstance(self.environment, Market):
            self.__dict__["learners"] = by_role(self.environment, self.learners)
        self._check()
        if info.context != UNSEATED:
            self._seat()
        return self

    def _seat(self) -> None:
        """Refuse whoever cannot sit where they are put; what is wrong with a default is called one."""
        from tacitlab.lab.seating import check

        try:
            check(self)
        except TacitError as error:
            text = str(error)
            name = text.partition(":")[0].removeprefix("learners.")
            having = [learner for learner in self.learners if name in type(learner).model_fields]
            if having and not any(name in learner.model_fields_set for learner in having):
                text = by_default(text, getattr(having[0], name))
            raise TacitError(text) from None

    def _check(self) -> None:
        if self.length.periods > 10**10 and not self.length.stable_for:
            raise ValueError(
                "length.periods: without length.stable_for every session lasts so long; set stable_for or shorten it"
            )
        for path, values in self.sweep.items():
            if not values:
                raise ValueError(f"sweep.{path}: no values; list at least one")
            if path.split(".")[0] in ("name", "description", "sessions", "sweep", "trace", "keep_values"):
                raise ValueError(f"sweep.{path}: it must be the same in all cells; run one experiment for each value")
        self.intervention.check(self.environment, self.learners, self.timing)
        if isinstance(self.environment, Market):
            self._check_market()
        elif self.length.episodes is not None:
            raise ValueError("length.episodes: a stage game has none; set length={periods: 100000}, for example")
        elif self.copies > 1:
            raise ValueError("copies: a stage game is played once in a session; add sessions instead")
        else:
            self.start.opening(self.game)
        self._check_trace()

    def _check_market(self) -> None:
        """What only stage games have must be left alone in a market, rather than ignored."""
        if self.length.episodes is None:
            raise ValueError(
                "length.episodes: missing, and a market is played in episodes; set length={episodes: 1000}, for example"
            )
        if self.length.periods != LONGEST or self.length.stable_for:
            raise ValueError("length.periods: a market is played in episodes; set length.episodes alone")
        if self.start != Start():
            raise ValueError("start.history: a market has a beginning of its own; leave it out")
        if self.keep_values:
            raise ValueError("keep_values: networks and tables of a market are always kept; leave it out")
        if self.timing != "simultaneous":
            raise ValueError("timing: markets have their own order of moves; leave it out")
        alone = [learner.kind for learner in self.learners if learner.learns and not learner.many_copies]
        if self.copies > 1 and alone:
            raise ValueError(f"copies: {alone[0]} learns from one market at a time; set copies=1")
        if self.steps >= 2**31:
            raise ValueError(f"length.episodes: {self.steps:.3g} steps are too many; at most 2^31")
        for role, learner in self.seated():
            learner.check(self.market, role)
        self.test_market()

    def _check_trace(self) -> None:
        """A session of fixed length is judged by its last windows: they must reach its end and be fine enough."""
        periods, (window, windows) = self.length.episodes or self.length.periods, self.recorded()
        if self.length.stable_for:
            return
        if self.trace.window is None:  # it follows from the number of windows
            if not windows or (window > 1 and periods // window < LEAST_WINDOWS):
                raise ValueError(
                    f"trace.windows: {self.trace.windows} are too few to judge a session of {periods} by its last; "
                    f"set trace.windows={LEAST_WINDOWS} or more"
                )
        elif periods - window * windows >= window or not windows:
            raise ValueError(
                f"trace.window: {windows} windows of {window} leave out the end of {periods}; "
                f"set trace.window=null, or trace.windows={max(1, periods // window)}"
            )
        elif window > 1 and periods // window < LEAST_WINDOWS:
            raise ValueError(
                f"trace.window: {window} is too much for a session of {periods}, of which at least {LEAST_WINDOWS} "
                f"windows are needed; set trace.window=null, or trace.window={max(1, periods // LEAST_WINDOWS)}"
            )

    def recorded(self) -> tuple[int, int]:
        """Length and number of the windows that are recorded: periods of a stage game, episodes of a market."""
        length, trace = self.length, self.trace
        periods = length.episodes or length.periods
        window = trace.window
        if window is None and length.stable_for:
            window = max(1, length.stable_for // 4)
        elif window is None:
            window = -(-periods // max(1, trace.windows))
        # A given window keeps its number of windows, so that a sweep over the length keeps the size of the results.
        return window, trace.windows if trace.window else min(trace.windows, periods // window)

    @property
    def game(self) -> StageGame:
        """The environment, where it is known to be a stage game."""
        return cast(StageGame, self.environment)

    @property
    def market(self) -> Market:
        """The environment, where it is known to be a market."""
        return cast(Market, self.environment)

    @property
    def steps(self) -> int:
        """Steps of training in a market."""
        return (self.length.episodes or 0) * self.market.horizon

    def baselines(self) -> tuple[str, ...]:
        """Rules of the market that are played for comparison: none where nobody learns.

        If there is but one role everybody follows them. If there are several, whoever learns does, and the others stay
        what they are; then a rule must exist in each role in which somebody learns.
        """
        known = isinstance(self.environment, Market) and self.test.baselines
        if not known or not any(learner.learns for learner in self.learners):
            return ()
        market = self.test_market()
        ours = [market.rules_of(role) for role, learner in self.seated() if learner.learns]
        return tuple(rule for rule in market.rules() if all(rule in rules for rules in ours))

    def seated(self) -> list[tuple[Role, Learner]]:
        """The role of each agent of a market, and what sits there."""
        sizes = group_sizes(self.market.n_players, self.learners)
        learners = [learner for learner, size in zip(self.learners, sizes, strict=True) for _ in range(size)]
        roles = [role for role in self.market.roles() for _ in range(role.agents)]
        return list(zip(roles, learners, strict=True))

    def judged_in(self) -> Environment:
        """The environment whose benchmarks the outcome is judged by."""
        return self.test_market() if isinstance(self.environment, Market) else self.environment

    def test_market(self) -> Market:
        """The market that frozen policies are tested in."""
        if not self.test.environment:
            return self.market
        tree = _copy(self.market.model_dump(context=AS_CLASSES))
        for path, value in self.test.environment.items():
            _set(tree, path.split("."), value, path)
        try:
            found = self.market.changed(tree)
        except TacitError as error:
            raise TacitError(f"test.environment.{error}") from None
        if found.roles() != self.market.roles() or found.quantities() != self.market.quantities():
            raise TacitError("test.environment: it changes who plays or what they see; policies would not fit")
        return found

    def dump(self) -> dict[str, Any]:
        """The complete scenario as plain data, every default written out."""
        return self.model_dump(mode="json")

    def sweep_dimensions(self) -> dict[str, list[Any]]:
        """Dimension name (last part of the path, or the whole where that is taken) and values of the sweep."""
        return dict(zip(short_names(list(self.sweep)), self.sweep.values(), strict=True))

    def cells(self) -> "Iterator[Experiment]":
        """The experiments of the sweep, last field fastest; the experiment itself where nothing is swept."""
        if not self.sweep:
            yield self
            return
        plain, grid = {**self.model_dump(context=AS_CLASSES), "sweep": {}}, Grid(over=self.sweep)
        for cell in range(grid.size):
            yield from_mapping(plain, grid.settings(cell), seated=False)


def by_role(market: Market, learners: tuple[Learner, ...]) -> tuple[Learner, ...]:
    """The learners of a market; a single one for all agents sits in each of its roles."""
    roles = market.roles()
    if len(roles) == 1 or len(learners) > 1 or learners[0].agents is not None:
        return learners
    return tuple(learners[0].model_copy(update={"agents": role.agents}) for role in roles if role.agents)


def from_mapping(
    data: Mapping[str, Any], overrides: Sequence[tuple[str, Any]] = (), *, seated: bool = True
) -> Experiment:
    """Validate plain data, after setting dotted fields such as ``("learners.alpha", 0.05)``.

    Whether everybody can sit where they are put is asked unless ``seated`` is False: what was played before is read
    although an earlier run that agents came from is gone, and cells of a sweep are asked when they are played.
    """
    try:
        tree = _copy(data)
        for path, value in overrides:
            before = kinds_of(tree)
            _set(tree, path.split("."), value, path)
            drop_of_other_kinds(tree, before)
    except RecursionError:
        raise TacitError("scenario: nested without end; remove the anchor that contains itself") from None
    learners = tree.get("learners")
    single = isinstance(learners, Mapping) or (isinstance(learners, Sized) and len(learners) == 1)
    try:
        return validate(Experiment, tree, None if seated else UNSEATED)
    except TacitError as error:
        raise TacitError(str(error).replace("learners.0.", "learners.") if single else str(error)) from None


def described(experiment: Experiment, path: str) -> tuple[str, str]:
    """Unit and meaning of a dotted field; empty where they are not known.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> from tacitlab.learners import QLearning
    >>> described(Experiment(environment=Braess(), learners=QLearning(), length=Length(periods=9)), "length.periods")
    ('periods', 'longest session of a stage game')
    """
    node: Any = experiment
    *way, last = path.split(".")
    for part in way:
        if isinstance(node, tuple):
            node = node[min(int(part), len(node) - 1)] if part.isdigit() else getattr(node[0], part, None)
        else:
            node = getattr(node, part, None)
    node = node[0] if isinstance(node, tuple) and node else node
    return node.said_of(last) if isinstance(node, Spec) else ("", "")


def load(source: str, overrides: Sequence[str] = ()) -> Experiment:
    """An experiment from a YAML file, or a scenario that ships with the package, by its name.

    Parameters
    ----------
    source : str
        Path of a file (it ends in .yaml or .yml, or exists), or a name that ``tacit list`` shows.
    overrides : sequence of str
        ``field.path=value`` with a YAML value.
    """
    data = read(source)
    data.setdefault("name", re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(source).stem).strip("-._") or "experiment")
    return from_mapping(data, parse_overrides(overrides))


def parse_overrides(overrides: Sequence[str]) -> list[tuple[str, Any]]:
    """Paths and values of texts such as ``learners.alpha=0.05``; values are YAML."""
    pairs = []
    for text in overrides:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise TacitError(f"{text!r}: not an override; write field=value, for example sessions=200")
        try:
            pairs += registry.anchored({path: documents.parse(value)}, Path.cwd()).items()
        except ValueError as error:
            raise TacitError(f"{path}: {shorten(value)} is not a YAML value ({error}); quote it") from None
    return pairs


def _copy(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _copy(value) for key, value in data.items()}
    return [_copy(item) for item in data] if isinstance(data, list | tuple) else data


def _set(node: Any, parts: Sequence[str], value: Any, path: str) -> None:
    """Set a dotted field; ``learners.alpha`` reaches every learner of a list, ``learners.1.alpha`` the second."""
    part, *rest = parts
    if isinstance(node, list) and not part.isdigit():
        for item in node:
            _set(item, parts, value, path)
        return
    if isinstance(node, list) and int(part) >= len(node):
        raise TacitError(f"{path}: the list has only {len(node)} entries; count from 0")
    if not isinstance(node, dict | list):
        raise TacitError(f"{path}: no such field; remove {part!r} (`tacit show` lists the fields)")
    key: Any = int(part) if isinstance(node, list) else part
    if not rest:
        node[key] = _copy(value)
    elif isinstance(node, dict):
        if node.get(key) is None:
            node[key] = {}
        _set(node[key], rest, value, path)
    else:
        _set(node[key], rest, value, path)

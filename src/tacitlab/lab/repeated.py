"""Networks learn in markets: a stage game that they are seated in is played as the repeated game.

What a scenario says of the stage game is translated, and the experiment says what it has become:

* ``environment`` becomes ``repeated-game`` around it, in which players see the last period, or as many as the learners
  with tables beside them remember;
* ``length.periods`` become episodes of 1,000 periods, rounded up (or one shorter episode). Networks have
  no greedy strategy that could be stable: where a scenario waits for that (``stable_for``), or says nothing, they train
  for 50,000 periods. ``length.episodes`` may be given instead;
* ``test`` is 20 episodes unless the scenario says otherwise;
* ``trace.window`` counts episodes, ``sweep`` fields of the game are found in it, networks are always kept.

What has no counterpart is refused: moves in turn, interventions.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.games.base import StageGame
from tacitlab.learners.base import Learner, TabularLearner

if TYPE_CHECKING:
    from tacitlab.lab.experiment import Experiment

EPISODE = 1000  # periods
TRAINING = 50_000  # periods, where the scenario names none
TESTED = 20  # episodes


def needs_market(environment: Environment, learners: Sequence[Learner]) -> bool:
    """Whether a stage game is to be played by somebody who learns in markets only."""
    return isinstance(environment, StageGame) and not all(isinstance(one, TabularLearner) for one in learners)


def as_market(experiment: "Experiment") -> dict[str, Any]:
    """The fields of an experiment with a stage game that differ once it is the repeated game.

    Raises
    ------
    ValueError
        If something has no counterpart there: one line.
    """
    from tacitlab.markets.repeated_game import RepeatedGame  # imports JAX

    network = next(one for one in experiment.learners if not isinstance(one, TabularLearner))
    name = network.kind
    if experiment.timing != "simultaneous":
        raise ValueError(f"timing: {name} learns where all move at once; set timing=simultaneous, or use a table")
    if experiment.start != type(experiment.start)():
        raise ValueError(f"start.history: the repeated game of {name} begins without a history; leave it out")
    if (added := experiment.intervention.kind) != "none":
        raise ValueError(
            f"intervention: {added!r} acts on learners with tables, and {name} has none; set intervention.kind=none"
        )
    memory, learners = _memory(experiment.learners)
    episodes, horizon = _length(experiment)
    try:
        game = RepeatedGame(game=experiment.environment, memory=memory, horizon_periods=horizon)
    except TacitError as error:
        raise ValueError(f"learners.kind: {name} plays the repeated game: {error}") from None
    found = {
        "environment": game, "learners": learners, "keep_values": False,
        "length": experiment.length.model_copy(
            update={"episodes": episodes, "stable_for": 0, "periods": type(experiment.length)().periods}
        ),
        "sweep": {_moved(path): values for path, values in experiment.sweep.items()},
        "trace": experiment.trace.model_copy(update={"window": _window(experiment.trace.window, horizon)}),
    }  # fmt: skip
    if "test" not in experiment.model_fields_set or "episodes" not in experiment.test.model_fields_set:
        found["test"] = experiment.test.model_copy(update={"episodes": TESTED})
    return found


def _length(experiment: "Experiment") -> tuple[int, int]:
    """Episodes, and periods of each."""
    length = experiment.length
    if length.episodes is not None:
        if "periods" in length.model_fields_set or length.stable_for:
            raise ValueError("length.periods: the repeated game is played in episodes; set length.episodes alone")
        return length.episodes, EPISODE
    told = "periods" in length.model_fields_set and not length.stable_for
    periods = length.periods if told else min(length.periods, TRAINING)
    horizon = min(EPISODE, periods)
    return -(-periods // horizon), horizon


def _memory(learners: Sequence[Any]) -> tuple[int, tuple[Any, ...]]:
    """What all see, and the learners without what they remember themselves, where that is the same."""
    remembered = {one.memory_of() for one in learners if isinstance(one, TabularLearner) and one.memory_of()[0]}
    if len(remembered) != 1 or next(iter(remembered))[1] != "everybody":
        return 1, tuple(learners)  # whoever remembers something else is refused by the market
    (memory, _), *_ = remembered
    plain = (one.model_copy(update={"memory": 0}) if hasattr(one, "memory_of") else one for one in learners)
    return memory, tuple(plain)


def _window(window: int | None, horizon: int) -> int | None:
    if window is not None and window % horizon:
        raise ValueError(f"trace.window: {window} periods are no whole episodes of {horizon}; set trace.window=null")
    return window // horizon if window is not None else None


def _moved(path: str) -> str:
    """A swept field of the stage game, where it is now."""
    head, dot, rest = path.partition(".")
    return f"environment.game.{rest}" if head == "environment" and dot else path

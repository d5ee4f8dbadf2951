"""Whether everybody can sit where an experiment puts them: asked when it is made, so that nothing is refused later.

The same functions seat agents when the experiment is played. What only plays is not done: nothing is compiled, and no
benchmark is computed.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.engine import tabular
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.lab.playing import check_engine
from tacitlab.markets.base import Market

if TYPE_CHECKING:
    from tacitlab.lab.experiment import Experiment

MOST_CELLS = 100  # each takes up to some hundredths of a second


def check(experiment: "Experiment") -> None:
    """Seat everybody; of a large sweep in its first cells, and in the others when they are played.

    Raises
    ------
    TacitError
        If somebody cannot play there: one line.
    """
    cells = list(islice(experiment.cells(), MOST_CELLS))
    check_engine([isinstance(cell.environment, Market) for cell in cells])
    sizes = [_at_the_market(cell) if isinstance(cell.environment, Market) else _at_the_game(cell) for cell in cells]
    check_equal(experiment, cells, sizes)


def check_equal(experiment: "Experiment", cells: Sequence["Experiment"], sizes: Sequence[Any]) -> None:
    """Refuse a sweep whose cells leave results of different sizes: they are one array."""
    lengths = [cell.recorded()[0] for cell in cells]
    other = next((length for length in lengths if length != lengths[0]), None)
    if other is not None:
        raise TacitError(
            f"sweep.{next(iter(experiment.sweep))}: windows of {lengths[0]} and of {other} are recorded, as sessions "
            f"differ in length; set trace.window={min(lengths)}, or run one experiment for each value"
        )
    if any(size != sizes[0] for size in sizes):
        raise TacitError(
            f"sweep: {', '.join(experiment.sweep)} changes the size of the results between cells; "
            "run one experiment for each value"
        )


def _at_the_market(experiment: "Experiment") -> Any:
    """What is recorded of a market, once everybody has sat down there."""
    from tacitlab.lab.deep_play import seated, variables_of  # imports JAX

    seated(experiment)
    return variables_of(experiment)


def _at_the_game(experiment: "Experiment") -> Any:
    """Sizes of what is recorded of a stage game, once everybody has sat down there."""
    game, form = experiment.game, form_of(experiment.game)
    steering = experiment.intervention.steering(game, form)
    seats, _ = tabular.seated(
        experiment.intervention.paid(game, form), experiment.learners, alternating=experiment.timing == "alternating",
        periods=experiment.length.periods, sessions=experiment.sessions, trained=trained_policies,
        signals=1 if steering is None else steering.signals, named=game.actions(),
    )  # fmt: skip
    cells, values = sum(seat.states for seat in seats), sum(seat.states * seat.actions for seat in seats)
    kept = values if experiment.keep_values else 0
    most = max(seat.actions for seat in seats)
    return experiment.recorded()[1], isinstance(form, CongestionForm), len(seats), most, cells, kept


@lru_cache(maxsize=16)
def form_of(game: StageGame) -> NormalForm | CongestionForm:
    """The payoffs of a game, computed once however many consecutive cells play it."""
    return game.form()


def trained_policies(folder: str, agent: int) -> tuple[NDArray[np.float64] | None, NDArray[np.int64]]:
    """Values and strategies that an agent of an earlier run ended with."""
    from tacitlab.lab.stored import load

    earlier = load(folder)
    if isinstance(earlier.experiment.environment, Market):
        kind = earlier.experiment.environment.kind  # type: ignore[attr-defined]
        raise TacitError(
            f"learners.run: {folder} is a run of the market {kind}, and this is a stage game; play that market, or "
            "name the run of a stage game"
        )
    if agent >= (n := len(earlier.strategies())):
        raise TacitError(f"learners.agent: {agent} is too large; {folder} has agents 0 to {n - 1}")
    values = earlier.values()
    return (values[agent] if values else None), earlier.strategies()[agent].astype(np.int64)

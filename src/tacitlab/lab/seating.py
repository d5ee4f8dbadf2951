"""Whether everybody can sit where an experiment puts them: asked when it is made, so that nothing is refused later.

The same functions seat agents when the experiment is played. What only plays is not done: nothing is compiled, and no
benchmark is computed.
"""

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tacitlab.engine import tabular
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
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
    for cell in islice(experiment.cells(), MOST_CELLS):
        if isinstance(cell.environment, Market):
            from tacitlab.lab.deep_play import seated  # imports JAX

            seated(cell)
        else:
            _seat_at_the_game(cell)


def _seat_at_the_game(experiment: "Experiment") -> None:
    game, form = experiment.game, form_of(experiment.game)
    steering = experiment.intervention.steering(game, form)
    tabular.seated(
        experiment.intervention.paid(game, form), experiment.learners, alternating=experiment.timing == "alternating",
        periods=experiment.length.periods, sessions=experiment.sessions, trained=trained_policies,
        signals=1 if steering is None else steering.signals, named=game.actions(),
    )  # fmt: skip


@lru_cache(maxsize=16)
def form_of(game: StageGame) -> NormalForm | CongestionForm:
    """The payoffs of a game, computed once however many consecutive cells play it."""
    return game.form()


def trained_policies(folder: str, agent: int) -> tuple[NDArray[np.float64] | None, NDArray[np.int64]]:
    """Values and strategies that an agent of an earlier run ended with."""
    from tacitlab.lab.stored import load

    earlier = load(folder)
    if agent >= (n := len(earlier.strategies())):
        raise TacitError(f"learners.agent: {agent} is too large; {folder} has agents 0 to {n - 1}")
    values = earlier.values()
    return (values[agent] if values else None), earlier.strategies()[agent].astype(np.int64)

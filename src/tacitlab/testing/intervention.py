"""Does an intervention keep the contract that the engine and its users rely on?"""

import numpy as np

from tacitlab.engine.arrays import Steering
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, Braess, Cournot, PrisonersDilemma
from tacitlab.games.base import StageGame
from tacitlab.interventions.base import Intervention
from tacitlab.testing.game import LEARNER, check_play
from tacitlab.testing.promises import Promises, together

#: Small games, the first of which an intervention is made for is taken.
GAMES = (PrisonersDilemma(), Bertrand(n_prices=4), Braess(players=6), Cournot())


def check_intervention(intervention: Intervention, game: StageGame | None = None, *, seed: int = 0) -> None:
    """Let learners meet an intervention in a small game, and raise an error about the promises that it breaks.

    What is checked: it names numbers and functions that the compiled loop can use; a note says what readers of the
    outcome must know; what a scenario file says of it makes the same again; and play is the same on one thread and
    two, so that it remembers nothing outside of the session.

    Parameters
    ----------
    intervention : Intervention
    game : StageGame, optional
        If none is given, the first of some small ones that it acts in.
    seed : int
        Of the play.

    Raises
    ------
    AssertionError
        One line for each part that breaks a promise.

    Examples
    --------
    >>> from tacitlab.interventions import Toll
    >>> check_intervention(Toll())
    """
    check = Promises(type(intervention).__name__)
    game = game or _fitting(check, intervention)
    _check_steering(check, intervention, game)
    together(
        lambda: check.stored(intervention),
        lambda: check_play(check, game, LEARNER, seed, intervention=intervention) and None,
    )


def _fitting(check: Promises, intervention: Intervention) -> StageGame:
    reasons = []
    for game in GAMES:
        try:
            intervention.check(game, (LEARNER,), "simultaneous")
            intervention.steering(game, game.form())
            return game
        except (TacitError, ValueError) as error:
            reasons.append(f"{type(game).__name__}: {error}")
        except Exception as error:
            check(False, f"steering() fails in {type(game).__name__}: {type(error).__name__}: {error}; mend it")
    raise AssertionError(f"{check.about}it acts in none of the games that are tried ({reasons[0]}); give a game")


def _check_steering(check: Promises, intervention: Intervention, game: StageGame) -> None:
    signals = intervention.signals(game)
    check(isinstance(signals, int) and signals >= 1, f"signals() is {signals!r}; give a whole number, 1 for none")
    check(isinstance(intervention.note(), str), "note() is no text; say what readers must know, or ''")
    found = intervention.steering(game, game.form())
    check(found is None or isinstance(found, Steering), f"steering() returns {type(found).__name__}; return Steering")
    if found is None:
        return
    check(found.signals == signals, f"steering() gives {found.signals} signals, signals() says {signals}; match")
    for name in ("numbers", "memory"):
        array = getattr(found, name)
        good = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.ndim == 1
        check(good, f"steering().{name} is no vector of float64; make it one")
        check(np.isfinite(array).all(), f"steering().{name} are not all finite; make them numbers")
    places = found.places
    check(places.dtype == np.uint64 and places.ndim == 1, "steering().places is no vector of uint64; make it one")

"""An intervention that a user has written, named by where its class is, with its parameters as options."""

import importlib
from collections.abc import Sequence
from typing import Any, Literal

from tacitlab import registry
from tacitlab.engine.arrays import Steering
from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.interventions.base import Intervention, refuse
from tacitlab.learners.base import Learner
from tacitlab.schema import param, shorten, validate


class OwnIntervention(Intervention):
    """A class of your own: ``source: rules.py:Rotate`` or ``package.module:Rotate``, and its ``options``.

    ``kind: rules.py:Rotate`` with the parameters beside it says the same.
    """

    kind: Literal["own"] = "own"
    source: str = param(..., "where the class is: FILE.py:NAME, or MODULE:NAME", pattern=r"^[^:]+:[A-Za-z_][\w.]*$")
    options: dict[str, Any] = param({}, "the parameters of the class")

    @classmethod
    def example(cls) -> "OwnIntervention":
        return cls(source="tacitlab.interventions.toll:Toll")

    def check(self, environment: Environment, learners: Sequence[Learner], timing: str) -> None:
        """What the class itself checks; a run stays readable when the class is gone, so that shows in playing only."""
        super().check(environment, learners, timing)
        try:
            self.made().check(environment, learners, timing)
        except _NotLoadedError:
            return
        except TacitError as error:
            raise ValueError(str(error)) from None

    def signals(self, game: StageGame) -> int:
        return self.made().signals(game)

    def paid(self, game: StageGame, form: NormalForm | CongestionForm) -> NormalForm | CongestionForm:
        return self.made().paid(game, form)

    def note(self) -> str:
        return f"with an intervention, {self.source}; the benchmarks are those of the game without it"

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Steering | None:
        return self.made().steering(game, form)

    def made(self) -> Intervention:
        """The intervention itself.

        Raises
        ------
        TacitError
            If there is no such class, or its options are wrong.
        """
        place, _, name = self.source.rpartition(":")
        found: Any = _module(place, self.source)
        for part in name.split("."):
            found = getattr(found, part, None)
        if not (isinstance(found, type) and issubclass(found, Intervention)):
            raise refuse("source", f"{self.source!r} is no class of interventions", "derive it from Intervention")
        try:
            return validate(found, self.options)
        except TacitError as error:
            raise TacitError(f"intervention.options.{error}") from None


class _NotLoadedError(TacitError):
    """There is no such file or module, or it fails."""


def _module(place: str, source: str) -> Any:
    try:
        return registry.module_of(place) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        told = refuse("source", f"{source!r} cannot be loaded ({reason})", "name FILE.py:NAME or MODULE:NAME")
        raise _NotLoadedError(str(told)) from None

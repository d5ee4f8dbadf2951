"""An intervention that a user has written, named by where its class is."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tacitlab.engine.arrays import Steering
from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.interventions.base import Intervention, refuse
from tacitlab.learners.base import Learner
from tacitlab.schema import param, shorten, validate


class OwnIntervention(Intervention):
    """A class of your own: ``source: rules.py:Rotate`` or ``package.module:Rotate``, and its ``options``.

    An experiment that is given an instance of such a class writes down this, so that the run can be repeated.
    """

    kind: Literal["own"] = "own"
    source: str = param(..., "where the class is: FILE.py:NAME, or MODULE:NAME", pattern=r"^[^:]+:[A-Za-z_][\w.]*$")
    options: dict[str, Any] = param({}, "the parameters of the class")

    @classmethod
    def of(cls, made: Intervention) -> "OwnIntervention":
        """An instance as its source and options."""
        options = made.model_dump(mode="json", exclude={"kind"})
        return cls(source=f"{type(made).__module__}:{type(made).__qualname__}", options=options)

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
    path = Path(place)
    try:
        if path.suffix != ".py":
            return importlib.import_module(place)
        name = f"tacit_own_{path.stem}"
        if (known := sys.modules.get(name)) is not None and known.__file__ == str(path.resolve()):
            return known
        spec = importlib.util.spec_from_file_location(name, path.resolve())
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except Exception as error:
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        told = refuse("source", f"{source!r} cannot be loaded ({reason})", "name FILE.py:NAME or MODULE:NAME")
        raise _NotLoadedError(str(told)) from None

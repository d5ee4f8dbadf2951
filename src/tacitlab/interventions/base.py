"""What every intervention says about itself."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from tacitlab.engine.arrays import Steering
from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.learners.base import Learner
from tacitlab.schema import Spec


class Intervention(Spec):
    """What an outsider adds to a game to steer those who learn in it.

    A subclass is one file: parameters, ``kind`` (its name in scenario files), and :meth:`steering`, which gives the
    engine numbers and up to two functions that are compiled into the loop. It may set what agents see (a signal that
    becomes part of their state), and what they are paid. ``docs/interventions.md`` shows one written by a user.

    Attributes
    ----------
    pays : bool
        It changes what agents are paid, so that payoffs of actions not taken are unknown to the engine.
    """

    kind: str
    pays: ClassVar[bool] = False

    def check(self, environment: Environment, learners: Sequence[Learner], timing: str) -> None:
        """Refuse what this intervention is not made for, before anything is computed.

        Raises
        ------
        ValueError
            One line: field, problem, mend.
        """
        if not isinstance(environment, StageGame):
            raise ValueError(f"intervention: {self.kind!r} acts in stage games; remove it, or choose a game")
        if timing != "simultaneous":
            raise ValueError(f"intervention: {self.kind!r} needs moves at the same time; set timing=simultaneous")
        for learner in learners:
            if not self.pays:
                continue
            if getattr(learner, "updates", "chosen") == "all":
                raise ValueError(f"learners.updates: 'all' does not know what {self.kind!r} pays; use updates: chosen")
            if learner.kind == "best-reply":  # type: ignore[attr-defined]
                raise ValueError(f"learners.kind: best-reply does not know what {self.kind!r} pays; choose another")

    def signals(self, game: StageGame) -> int:
        """Number of signals that an agent may see; 1: none."""
        return 1

    def paid(self, game: StageGame, form: NormalForm | CongestionForm) -> NormalForm | CongestionForm:
        """The game as agents are paid, where that is a one-shot game: its equilibria, and agents' initial values."""
        return form

    def note(self) -> str:
        """What a reader of the outcome must know; empty if nothing."""
        return f"with an intervention, {self.kind}; the benchmarks are those of the game without it"

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Steering | None:
        """The intervention in numbers and functions; None: the plain game is played.

        Raises
        ------
        TacitError
            If it does not fit the game.
        """
        raise NotImplementedError


class NoIntervention(Intervention):
    """Nothing is added: agents see the game and are paid by it."""

    kind: Literal["none"] = "none"

    def check(self, environment: Environment, learners: Sequence[Learner], timing: str) -> None:
        return None

    def note(self) -> str:
        return ""

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Steering | None:
        return None


def refuse(field: str, problem: str, mend: str) -> TacitError:
    """A one-line error about a field of an intervention."""
    return TacitError(f"intervention.{field}: {problem}; {mend}")

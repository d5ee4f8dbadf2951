"""Strategies of the repeated game that are given, not learned: a table by what is remembered, or a rule by its name."""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm
from tacitlab.games.naming import Act, action_of, joint_action
from tacitlab.learners.base import Behaviour, Observes, ObservesName, Rules, Seat, WithMemory, refuse
from tacitlab.schema import param


class Strategy(WithMemory):
    """A given strategy of the repeated game: what it does in every state, and never learns otherwise.

    ``table`` lists an action a state. A state is what was remembered of the last ``memory`` periods; with
    ``observes: everybody`` joint actions are numbered in row-major order, player 0 most significant, and the newest is
    the lowest digit: with two actions and memory 1 the states are (0, 0), (0, 1), (1, 0), (1, 1). Or a ``rule``:

    always
        ``cooperate``, whatever happened.
    grim-trigger
        ``cooperate`` as long as everybody did in all remembered periods, ``punish`` otherwise.
    tit-for-tat
        ``cooperate`` if all rivals did in the last period, ``punish`` otherwise.
    win-stay-lose-shift
        ``cooperate`` if in the last period everybody did or everybody punished, ``punish`` otherwise (Nowak and Sigmund
        1993).

    Actions are named by their number, label or value, or as ``optimum`` and ``nash`` (the pure equilibrium that pays
    least), of which each player takes its own. ``gamma`` changes nothing that is played: audits of collusion value
    deviations by it.

    Examples
    --------
    >>> Strategy(rule="tit-for-tat", cooperate="cooperate", punish="defect").memory
    1
    >>> Strategy(rule="grim-trigger", table=[0, 1, 1, 1])
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: table: rule: grim-trigger is given too; leave out one of them
    """

    learns: ClassVar[bool] = False
    kind: Literal["strategy"] = "strategy"
    memory: int = param(1, "periods remembered, k", "periods", ge=0, le=8)
    observes: ObservesName = param("everybody", "what is remembered; rules other than always need everybody")
    rule: Literal["always", "grim-trigger", "tit-for-tat", "win-stay-lose-shift"] | None = param(
        None, "a strategy by its name; none: the table, or grim-trigger where there is none"
    )
    table: tuple[Act, ...] | None = param(None, "the action in every state, in their order", min_length=1)
    cooperate: Act = param("optimum", "the action of cooperation: number, label, value, optimum or nash")
    punish: Act = param("nash", "the action of punishment: number, label, value, optimum or nash")
    gamma: float = param(0.95, "discount factor by which audits value deviations", ge=0, lt=1)

    @classmethod
    def example(cls) -> "Strategy":
        return cls(rule="always", memory=0, cooperate=0)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.rule is not None and self.table is not None:
            raise ValueError(f"table: rule: {self.rule} is given too; leave out one of them")
        if self.table is None and self.memory == 0 and self._rule != "always":
            raise ValueError(f"memory: {self._rule} remembers; set memory=1, or rule=always")
        return self

    @property
    def _rule(self) -> str:
        return self.rule or "grim-trigger"

    def behaviour(self, seat: Seat) -> Behaviour:
        actions = self._given(seat) if self.table is not None else self._by_rule(seat)
        repeats = seat.states // len(actions)  # by regime and signal: the strategy looks at neither
        values = np.zeros((1, seat.states, seat.actions))
        values[0, np.arange(seat.states), np.tile(actions, repeats)] = 1.0
        return Behaviour(Rules.EPSILON_GREEDY, Rules.NOTHING, values)

    def _given(self, seat: Seat) -> NDArray[np.int64]:
        assert self.table is not None
        if len(self.table) not in (seat.histories, seat.states):
            raise refuse(
                "table", f"{len(self.table)} actions for {seat.histories} states of memory {self.memory}",
                f"give {seat.histories}, or set rule",
            )  # fmt: skip
        found = [action_of(seat.form, seat.named, act, seat.agent, "learners.table") for act in self.table]
        return np.array(found, np.int64)

    def _by_rule(self, seat: Seat) -> NDArray[np.int64]:
        if self._rule == "always":
            act = action_of(seat.form, seat.named, self.cooperate, seat.agent, "learners.cooperate")
            return np.array([act])
        if isinstance(seat.form, CongestionForm) or seat.observes is not Observes.EVERYBODY:
            raise refuse("rule", f"{self._rule} must see what everybody did", "set observes=everybody, or rule=always")
        good = joint_action(seat.form, seat.named, self.cooperate, "learners.cooperate")
        bad = joint_action(seat.form, seat.named, self.punish, "learners.punish")
        cooperates = keeps_to(seat, self._rule, good, bad)
        return np.where(cooperates, good[seat.agent], bad[seat.agent])


def keeps_to(seat: Seat, rule: str, good: NDArray[np.int64], bad: NDArray[np.int64]) -> NDArray[np.bool_]:
    """In which histories a rule cooperates, (histories,), given everybody's action of cooperation and of punishment."""
    if isinstance(seat.form, CongestionForm):
        raise TacitError("learners.rule: there is no joint action in a congestion game; set rule=always")
    codes = np.arange(seat.codes)
    played = np.stack(np.unravel_index(codes, seat.form.shape), axis=-1)
    cooperated, punished = played == good, played == bad
    if rule == "tit-for-tat":
        kept = np.delete(cooperated, seat.agent, axis=1).all(axis=1)
    elif rule == "win-stay-lose-shift":
        kept = cooperated.all(axis=1) | punished.all(axis=1)
    else:
        kept = cooperated.all(axis=1)
    states = np.arange(seat.histories)
    found = kept[states % seat.codes]
    if rule == "grim-trigger":
        for _ in range(1, seat.memory):
            states = states // seat.codes
            found = found & kept[states % seat.codes]
    return np.asarray(found)

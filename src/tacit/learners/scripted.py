"""Scripted policies: the baselines that do not learn."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from tacit.learners.base import (
    Behaviour,
    Choice,
    MarketSeat,
    ObservesName,
    Rule,
    Seat,
    TabularLearner,
    WithMemory,
    blank,
    check_stored,
    refuse,
)
from tacit.schema import param

if TYPE_CHECKING:
    from tacit.learners.deep.base import Group


class Fixed(TabularLearner):
    """Always the same action."""

    kind: Literal["fixed"] = "fixed"
    action: int = param(0, "index of the action", ge=0)

    def behaviour(self, seat: Seat) -> Behaviour:
        if self.action >= seat.actions:
            raise refuse("action", f"{self.action} is too large", f"the game has actions 0 to {seat.actions - 1}")
        return Behaviour(Choice.FIXED, Rule.NOTHING, blank(seat), fixed=self.action)


class Random(TabularLearner):
    """A uniformly random action in every period."""

    kind: Literal["random"] = "random"

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Choice.RANDOM, Rule.NOTHING, blank(seat))

    def group(self, seat: MarketSeat) -> "Group":
        from tacit.learners.deep.scripted import ActRandomly

        return ActRandomly(dynamics=seat.dynamics, role=seat.role, agents=seat.last - seat.first)


class BestReply(TabularLearner):
    """The best reply to the others' last play (Cournot 1838), the first of equals."""

    kind: Literal["best-reply"] = "best-reply"

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Choice.BEST_REPLY, Rule.NOTHING, blank(seat))


class Trained(WithMemory):
    """The frozen greedy policy that an agent of an earlier run ended with.

    Session ``s`` uses the policy of session ``s + shift`` of that run, so that ``shift: 1`` makes strategies meet
    that were not trained together.
    """

    kind: Literal["trained"] = "trained"
    memory: int = param(1, "periods remembered in that run", "periods", ge=0, le=8)
    observes: ObservesName = param("everybody", "what was remembered in that run")
    run: str = param(..., "folder of the earlier run")
    agent: int = param(0, "which agent of the earlier run", ge=0)
    shift: int = param(0, "how many sessions further", "sessions", ge=0)

    def behaviour(self, seat: Seat) -> Behaviour:
        _, greedy = seat.trained(self.run, self.agent)
        if greedy.shape[1] != seat.states or greedy.max() >= seat.actions:
            raise refuse(
                "run", f"{self.run!r} has {greedy.shape[1]} states an agent where this game has {seat.states}",
                "use the memory, the observation and the game of that run",
            )  # fmt: skip
        check_stored(seat, len(greedy))
        values = np.zeros((len(greedy), seat.states, seat.actions))
        np.put_along_axis(values, np.roll(greedy, -self.shift, axis=0)[..., None], 1.0, axis=2)
        return Behaviour(Choice.EPSILON_GREEDY, Rule.NOTHING, values)

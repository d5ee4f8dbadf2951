"""The frozen policies that agents of an earlier run ended with."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tacitlab.learners.base import (
    Behaviour,
    MarketSeat,
    ObservesName,
    Rules,
    Seat,
    WithMemory,
    check_stored,
    refuse,
)
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.parts.group import Group


class Trained(WithMemory):
    """The frozen greedy policy that an agent of an earlier run ended with.

    Session ``s`` uses the policy of session ``s + shift`` of that run, so that ``shift: 1`` makes strategies meet
    that were not trained together.
    """

    learns: ClassVar[bool] = False
    kind: Literal["trained"] = "trained"
    memory: int = param(1, "periods remembered in that run", "periods", ge=0, le=8)
    observes: ObservesName = param("everybody", "what was remembered in that run")
    run: str = param(..., "folder of the earlier run")
    agent: int = param(0, "which agent of the earlier run; in a market, the first of them", ge=0)
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
        return Behaviour(Rules.EPSILON_GREEDY, Rules.NOTHING, values)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.parts.scripted import Frozen

        assert seat.trained is not None
        group, policies, role = seat.trained(self.run, self.agent, seat.agents)
        if (role.observes, role.actions) != (seat.role.observes, seat.role.actions):
            raise refuse("run", f"agents of {self.run!r} see or do other things", "use the market of that run")
        return Frozen.of(group, policies, self.shift)

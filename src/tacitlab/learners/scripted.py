"""Scripted policies: the baselines that do not learn."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tacitlab.learners.base import (
    Behaviour,
    Choice,
    Learner,
    MarketSeat,
    ObservesName,
    Seat,
    TabularLearner,
    WithMemory,
    blank,
    check_stored,
    refuse,
)
from tacitlab.learners.base import (
    Rule as Learning,
)
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class Fixed(TabularLearner):
    """Always the same action."""

    learns: ClassVar[bool] = False
    kind: Literal["fixed"] = "fixed"
    action: int = param(0, "index of the action", ge=0)

    def behaviour(self, seat: Seat) -> Behaviour:
        if self.action >= seat.actions:
            raise refuse("action", f"{self.action} is too large", f"the game has actions 0 to {seat.actions - 1}")
        return Behaviour(Choice.FIXED, Learning.NOTHING, blank(seat), fixed=self.action)


class Random(TabularLearner):
    """A uniformly random action in every period."""

    learns: ClassVar[bool] = False
    kind: Literal["random"] = "random"

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Choice.RANDOM, Learning.NOTHING, blank(seat))

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.scripted import ActRandomly

        return ActRandomly(dynamics=seat.dynamics, role=seat.role, agents=seat.last - seat.first)


class Rule(Learner):
    """A scripted policy that a market brings along: hold, buy to the limit, follow the trend, ...

    ``tacit show MARKET`` lists them. With ``rate`` below 1 the agent holds in the other steps, which makes a random
    trader with the volume of another policy, for example.
    """

    learns: ClassVar[bool] = False
    kind: Literal["rule"] = "rule"
    rule: str = param(..., "name of the rule")
    rate: float = param(1.0, "probability that a step follows the rule; otherwise the agent holds", ge=0, le=1)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.scripted import ActByRule

        known = seat.market.rules_of(seat.role)
        if self.rule not in known:
            where = "here" if len(seat.market.roles()) == 1 else f"to role {seat.role.name}"
            raise refuse("rule", f"{self.rule!r} is unknown {where}", f"choose from {', '.join(known) or 'none'}")
        if self.rate < 1 and "hold" not in known:
            raise refuse("rate", "this market does not say what holding is", "set rate: 1")
        which = list(known).index(self.rule)
        return ActByRule.of(seat.dynamics, seat.role, seat.last - seat.first, tuple(known), which, self.rate)


class BestReply(TabularLearner):
    """The best reply to the others' last play (Cournot 1838), the first of equals."""

    learns: ClassVar[bool] = False
    kind: Literal["best-reply"] = "best-reply"

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Choice.BEST_REPLY, Learning.NOTHING, blank(seat))


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
        return Behaviour(Choice.EPSILON_GREEDY, Learning.NOTHING, values)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.trained import Frozen

        assert seat.trained is not None
        group, policies, role = seat.trained(self.run, self.agent, seat.last - seat.first)
        if (role.observes, role.actions) != (seat.role.observes, seat.role.actions):
            raise refuse("run", f"agents of {self.run!r} see or do other things", "use the market of that run")
        return Frozen.of(group, policies, self.shift)

"""Scripted policies: the baselines that do not learn."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.learners.base import Behaviour, Learner, MarketSeat, Rules, Seat, TabularLearner, blank, refuse
from tacitlab.learners.tables import ONE, ZERO, payoff_if
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.parts.group import Group
    from tacitlab.markets.base import Market, Role
    from tacitlab.markets.execution.market import Execution


class Fixed(TabularLearner):
    """Always the same action."""

    learns: ClassVar[bool] = False
    kind: Literal["fixed"] = "fixed"
    action: int = param(0, "index of the action", ge=0)

    def behaviour(self, seat: Seat) -> Behaviour:
        if self.action >= seat.actions:
            raise refuse("action", f"{self.action} is too large", f"the game has actions 0 to {seat.actions - 1}")
        return Behaviour(Rules.FIXED, Rules.NOTHING, blank(seat), fixed=self.action)


class Random(TabularLearner):
    """A uniformly random action in every period."""

    learns: ClassVar[bool] = False
    kind: Literal["random"] = "random"

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Rules.RANDOM, Rules.NOTHING, blank(seat))

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.parts.scripted import ActRandomly

        return ActRandomly(dynamics=seat.dynamics, role=seat.role, agents=seat.agents)


class Rule(Learner):
    """A scripted policy that a market brings along: hold, buy to the limit, follow the trend, ...

    ``tacit show MARKET`` lists them. With ``rate`` below 1 the agent holds in the other steps, which makes a random
    trader with the volume of another policy, for example.
    """

    learns: ClassVar[bool] = False
    kind: Literal["rule"] = "rule"
    rule: str = param(..., "name of the rule")
    rate: float = param(1.0, "probability that a step follows the rule; otherwise the agent holds", ge=0, le=1)

    @classmethod
    def example(cls) -> "Rule":
        return cls(rule="random")

    def check(self, market: "Market", role: "Role") -> None:
        known = market.rules_of(role)
        if self.rule not in known:
            where = "here" if len(market.roles()) == 1 else f"to role {role.name}"
            mend = f"choose from {', '.join(known)}" if known else "there are none: set another learners.kind"
            raise refuse("rule", f"{self.rule!r} is unknown {where}", mend)
        if self.rate < 1 and "hold" not in known:
            raise refuse("rate", "this market does not say what holding is", "set rate: 1")

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.parts.scripted import ActByRule

        self.check(seat.market, seat.role)
        known = seat.market.rules_of(seat.role)
        which = list(known).index(self.rule)
        return ActByRule.of(seat.dynamics, seat.role, seat.agents, tuple(known), which, self.rate)


class BestReply(TabularLearner):
    """The best reply to the others' last play (Cournot 1838), the first of equals."""

    learns: ClassVar[bool] = False
    kind: Literal["best-reply"] = "best-reply"

    def behaviour(self, seat: Seat) -> Behaviour:
        return Behaviour(Rules.BEST_REPLY, Rules.NOTHING, blank(seat))


class FixedSchedule(Learner):
    """Trades fixed beforehand in the execution game: TWAP, the Nash schedule, or any other.

    Examples
    --------
    >>> FixedSchedule(trades="nash").trades
    'nash'
    """

    learns: ClassVar[bool] = False
    kind: Literal["fixed-schedule"] = "fixed-schedule"
    trades: Literal["twap", "nash", "schied-zhang"] | tuple[float, ...] = param(
        "twap", "which schedule; or what is sold in each step", "shares"
    )

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.parts.scripted import FollowSchedule

        return FollowSchedule.of(self.schedules(seat))

    def check(self, market: "Market", role: "Role") -> None:
        from tacitlab.markets.execution.market import Execution

        if not isinstance(market, Execution):
            raise refuse("kind", "fixed-schedule trades in the execution game only", "use another learner")

    def schedules(self, seat: MarketSeat) -> NDArray[np.float64]:
        """Trades of the agents that sit here, (agents, steps, assets)."""
        self.check(seat.market, seat.role)
        market: Any = seat.market
        if isinstance(self.trades, tuple):
            wanted = market.steps * market.assets
            if len(self.trades) != wanted:
                raise refuse("trades", f"{len(self.trades)} trades do not fit {market.steps} steps", f"give {wanted}")
            one = np.reshape(self.trades, (1, market.steps, market.assets))
            found = np.broadcast_to(one, (seat.agents, market.steps, market.assets))
        else:
            found = self._known(market)[seat.first : seat.last]
        left = np.array(market.inventories, dtype=float).reshape(market.n_players, 1, -1)[seat.first : seat.last]
        if np.abs(found.sum(axis=1) - left[:, 0]).max() > 1e-3 * market.largest:
            raise refuse("trades", "they do not add up to the inventory", "make them do so")
        _check_allowed(market, found, left)
        return found

    def _known(self, market: "Execution") -> NDArray[np.float64]:
        from tacitlab.markets.execution.liquidation import nash

        if self.trades == "twap":
            return market.game.twap()
        if self.trades == "nash":
            return nash(market.game).schedules
        if (found := market.schied_zhang()) is None:
            raise TacitError("learners.trades: schied-zhang knows constant impact in one asset only; use nash or twap")
        return found


def _check_allowed(market: "Execution", trades: NDArray[np.float64], left: NDArray[np.float64]) -> None:
    """Refuse trades that the market would not carry out, or that its benchmarks must not use."""
    slack = 1e-6 * market.largest
    held = left - np.cumsum(trades, axis=1)
    if market.buying and np.abs(held).max() > market.largest + slack:
        bound = f"beyond the {market.largest:g} that a trader may hold or owe"
        raise refuse(
            "trades", f"they lead to an inventory of {held.flat[np.abs(held).argmax()]:g}, {bound}", "trade less"
        )
    # Who has nothing to trade may do neither.
    against = np.where(left == 0, np.abs(trades), -trades * np.sign(left))
    if not market.buying and against.max() > slack:
        _, step, _ = np.unravel_index(against.argmax(), against.shape)
        verb = "buys" if trades.flat[against.argmax()] < 0 else "sells"
        problem = f"step {step + 1} {verb} {against.max():g} against the inventory"
        raise refuse("trades", problem, "trade one way only, or set environment.buying=true")


def choose_fixed(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """Always the same action."""
    return turn.group.fixed


def choose_random(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """Any action."""
    n_actions = table.agents[i].n_actions
    return min(np.uint64(u * n_actions), n_actions - ONE)


def choose_best_reply(game: Any, table: Any, turn: Any, i: Any, u: Any) -> Any:
    """Best action against the others' last play, the first of equals."""
    best, top = ZERO, payoff_if(game, table, i, ZERO, turn.joint, turn.regime)
    for a in range(ONE, table.agents[i].n_actions):
        value = payoff_if(game, table, i, a, turn.joint, turn.regime)
        if value > top:
            best, top = a, value
    return best

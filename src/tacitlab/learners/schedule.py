"""Agents that follow a schedule fixed beforehand: baselines, and opponents that do not answer."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group
    from tacitlab.markets.execution.market import Execution


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
        from tacitlab.learners.deep.scripted import FollowSchedule

        return FollowSchedule.of(self.schedules(seat))

    def schedules(self, seat: MarketSeat) -> NDArray[np.float64]:
        """Trades of the agents that sit here, (agents, steps, assets)."""
        from tacitlab.markets.execution.market import Execution

        market = seat.market
        if not isinstance(market, Execution):
            raise refuse("kind", "fixed-schedule trades in the execution game only", "use another learner")
        if isinstance(self.trades, tuple):
            wanted = market.steps * market.assets
            if len(self.trades) != wanted:
                raise refuse("trades", f"{len(self.trades)} trades do not fit {market.steps} steps", f"give {wanted}")
            one = np.reshape(self.trades, (1, market.steps, market.assets))
            found = np.broadcast_to(one, (seat.last - seat.first, market.steps, market.assets))
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

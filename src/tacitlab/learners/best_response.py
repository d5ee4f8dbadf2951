"""The exact best response to a trader of an earlier run of the resource market: an adversary who knows everything."""

from typing import TYPE_CHECKING, ClassVar, Literal

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class BestResponse(Learner):
    """Plays the best response to one frozen trader, found by dynamic programming for each session anew.

    It sits in the role ``responder`` or ``spoofer`` of a resource market with one trader, who is ``kind: trained`` with
    the same ``run``, ``agent`` and ``shift``. A responder maximises its own gain, a spoofer minimises the trader's.

    Examples
    --------
    >>> BestResponse(run="runs/resource", agent=1).agent
    1
    """

    learns: ClassVar[bool] = False
    kind: Literal["best-response"] = "best-response"
    run: str = param(..., "folder of the earlier run")
    agent: int = param(0, "the trader of that run who is responded to", ge=0)
    shift: int = param(0, "how many sessions further", "sessions", ge=0)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.best_response import Respond
        from tacitlab.markets.resource.market import ResourceMarket

        market = seat.market
        if not isinstance(market, ResourceMarket) or seat.role.name not in ("responder", "spoofer"):
            raise refuse("kind", "best-response is an adversary in the resource market", "seat it as a responder")
        if market.traders != 1 or market.n_players != 2:
            raise refuse("kind", "a best response is to one trader alone", "set traders: 1 and one adversary")
        return Respond.of(self, seat)

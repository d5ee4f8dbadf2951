"""What the market's scripted rules earn where all bidders follow the same one, in closed form."""

from typing import TYPE_CHECKING

import numpy as np

from tacitlab.markets.auction.theory import AuctionGame, BidFunction, Floats

if TYPE_CHECKING:
    from tacitlab.markets.auction.market import Auction

SHARES = {"truthful": 1.0, "shade-half": 0.5, "zero": 0.0}


def rule_values(market: "Auction") -> dict[str, Floats]:
    """Expected surplus of every bidder, by rule; nothing where it is not known exactly.

    Bids are a part of the own signal: of independent values, without a grid and without a reserve.

    Examples
    --------
    >>> from tacitlab.markets import Auction
    >>> {name: values.round(4).tolist() for name, values in rule_values(Auction()).items()}
    {'bayes-nash': [0.1667, 0.1667], 'truthful': [0.0, 0.0], 'shade-half': [0.1667, 0.1667], 'zero': [0.25, 0.25]}
    """
    if market.discrete or market.common or market.demand > 1:
        return {}
    found = {}
    known: BidFunction | None = market.equilibrium
    if known is not None:
        found["bayes-nash"] = known.surplus
    if market.reserve == 0 and market.top >= 1:
        found |= {rule: _surplus(market.game, share) for rule, share in SHARES.items()}
    return {rule: np.full(market.bidders, value) for rule, value in found.items()}


def _surplus(game: AuctionGame, share: float) -> float:
    """Of a bidder if all bid this part of their signal; equal bids of nothing win by lot."""
    n, sold = game.bidders, min(game.units, game.bidders)
    worth = sum(game.ranked(j) for j in range(sold)) if share else sold / 2
    if game.format == "all-pay":
        paid = share * n / 2
    elif game.format == "first-price":
        paid = share * worth
    else:
        place = game.units if game.rejected_price else game.units - 1
        paid = share * sold * game.ranked(place)
    return (worth - paid) / n

"""What the market's scripted rules earn where two traders follow the same one: exact, by backward induction."""

from typing import TYPE_CHECKING

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.markets.resource.response import Policy, value
from tacitlab.markets.resource.theory import Floats

if TYPE_CHECKING:
    from tacitlab.markets.resource.market import ResourceMarket

SIDES = {"hold": 0, "buy-to-limit": 1, "sell-to-limit": -1}


def rule_values(market: "ResourceMarket") -> dict[str, Floats]:
    """Expected reward of an episode of both traders, by rule; nothing where it is not known exactly.

    Examples
    --------
    >>> from tacitlab.markets import ResourceMarket
    >>> found = rule_values(ResourceMarket(steps=10))
    >>> found["hold"]
    array([0., 0.])
    """
    game = market.game
    if game is None or market.n_players != 2 or market.traders != 2:
        return {}
    try:
        game.require_positive_prices(2)
    except TacitError:
        return {}
    found = {}
    for rule in market.rules():
        table = _table(market, rule)
        if table is not None:
            policy = Policy(table, "none", market.levels, market.band)
            found[rule] = value(game, (policy, policy))
    return found


def _table(market: "ResourceMarket", rule: str) -> Floats | None:
    """Chances of (sell, hold, buy) by (trend, level): nobody listens to signals; None if a rule sees more."""
    if rule == "random":
        return np.full((3, 3, 3), 1 / 3)
    trend, level = np.meshgrid(np.arange(3), np.arange(3), indexing="ij")
    if rule in SIDES:
        action = np.full((3, 3), 1 + SIDES[rule])
    elif rule in ("trend-follower", "contrarian"):
        action = trend if rule == "trend-follower" else 2 - trend
    elif rule == "rebalance" and "level" in market.observes:
        action = 2 - level
    else:
        return None
    return np.eye(3)[action]

"""A changed copy of a market plays and is judged like one made anew: nothing of the old values is kept."""

import jax
import numpy as np
import pytest

from tacitlab.games import Bertrand, Braess
from tacitlab.markets.auction.market import Auction
from tacitlab.markets.base import Market
from tacitlab.markets.glosten_milgrom.market import GlostenMilgrom
from tacitlab.markets.kyle.market import KyleMarket
from tacitlab.markets.repeated_game import RepeatedGame
from tacitlab.markets.team_game import TeamGame

CHANGES = {
    "kyle": (KyleMarket(insiders=2), {"noise_sd": 3.0}),
    "kyle, sequential": (KyleMarket(auctions=3), {"auctions": 4}),
    "kyle, rational": (KyleMarket(maker="rational", values="each", auctions=3), {"value_sd": 2.0, "memory": 5}),
    "dealers": (GlostenMilgrom(tick=0.15), {"tick": 0.2, "informed": 0.3}),
    "dealers who learn a value": (GlostenMilgrom(values="once"), {"reservation": None}),
    "auction": (Auction(reserve=0.2), {"format": "all-pay", "reserve": 0.3}),
    "auction on a grid": (Auction(bids=5), {"bids": 7, "bidders": 3}),
    "team game": (TeamGame(), {"payoffs": (((1.0, 2.0), (3.0, 4.0)),) * 3}),
    "repeated game": (RepeatedGame(game=Bertrand(n_prices=3)), {"game": Bertrand(n_prices=3, mu=0.5)}),
    "repeated game, of a crowd": (RepeatedGame(game=Bertrand(n_prices=3)), {"game": Braess(players=4)}),
}


def known(market: Market) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Every number of its play, and what its benchmarks pay."""
    found = market.benchmarks()
    paid = [profile.payoffs for profile in (*found.competitive, *found.cooperative)]
    return [np.asarray(leaf) for leaf in jax.tree.leaves(market.dynamics())], paid


@pytest.mark.parametrize("name", CHANGES)
def test_copies_keep_nothing_of_the_old_values(name):
    market, changes = CHANGES[name]
    before = known(market)
    copied = known(market.model_copy(update=changes))
    fresh = known(type(market)(**{field: getattr(market, field) for field in type(market).model_fields} | changes))
    for one, other in zip(copied, fresh, strict=True):
        assert [part.tolist() for part in one] == [part.tolist() for part in other]
    assert [part.tolist() for part in copied[0]] != [part.tolist() for part in before[0]]

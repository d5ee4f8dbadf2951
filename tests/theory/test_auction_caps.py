"""Equilibria under a highest bid against simulated auctions, in which no other bid earns more."""

import numpy as np
import pytest

from tacitlab.markets.auction.caps import bayes_nash_capped
from tacitlab.markets.auction.grid import GridGame, solve
from tacitlab.markets.auction.market import Auction
from tacitlab.markets.auction.outcome import outcome
from tacitlab.markets.auction.theory import AuctionGame, bayes_nash

CAPS = [
    (AuctionGame(), 0.3),
    (AuctionGame(bidders=3), 0.2),
    (AuctionGame(reserve=0.2), 0.3),
    (AuctionGame(bidders=4, units=2), 0.3),
    (AuctionGame("all-pay"), 0.3),
    (AuctionGame("all-pay", bidders=3, reserve=0.1), 0.15),
    (AuctionGame("second-price", bidders=3), 0.4),
    (AuctionGame("uniform-price", bidders=4, units=2, reserve=0.1), 0.4),
]


def simulated(game, bids, signals):
    """Units and payments; who bids nothing takes no part."""
    made = np.where(bids > 0, bids, -1.0)[..., None]
    return outcome(game, made)


@pytest.mark.parametrize(("game", "cap"), CAPS, ids=lambda value: str(value)[:60])
def test_revenue_and_surplus_are_those_of_simulated_auctions(game, cap):
    found = bayes_nash_capped(game, cap)
    signals = np.random.default_rng(0).random((200_000, game.bidders))
    bids = found.bids(signals)[..., 0]
    assert bids.max() == cap
    units, payments = simulated(game, bids, signals)
    for right, draws in (
        (found.revenue, payments.sum(axis=1)),
        (found.surplus, (units * signals - payments).mean(axis=1)),
        (found.welfare, (units * signals).sum(axis=1)),
    ):
        assert abs(draws.mean() - right) < 4 * draws.std() / np.sqrt(len(draws))


@pytest.mark.parametrize(("game", "cap"), CAPS, ids=lambda value: str(value)[:60])
def test_no_other_bid_earns_more(game, cap):
    found = bayes_nash_capped(game, cap)
    others = found.bids(np.random.default_rng(1).random((20_000, game.bidders - 1)))[..., 0]

    def earned(signal, bid):
        bids = np.concatenate([np.full((len(others), 1), bid), others], axis=1)
        units, payments = simulated(game, bids, None)
        return (signal * units - payments)[:, 0]

    for signal in (0.2, 0.4, 0.6, 0.9, 1.0):
        own = earned(signal, float(found.bids(np.array(signal))[0]))
        for bid in np.linspace(0, cap, 21):
            gain = earned(signal, bid) - own
            assert gain.mean() < 4 * gain.std() / np.sqrt(len(gain)) + 1e-9


def test_first_price_pools_where_the_signal_is_indifferent():
    """Two bidders: v^2 = (v - .3)(1 + v), so v = 3/7; revenue .2712 by simulation of a million auctions."""
    found = Auction(highest_bid=0.3).benchmarks()
    assert found.nash.name == "Bayes-Nash with the cap"
    assert found.numbers["revenue, Bayes-Nash"] == pytest.approx(0.2712, abs=2e-4)
    assert any("at least 0.4286 bids 0.3" in note for note in found.notes)
    assert "revenue, truthful bids" not in found.numbers


def test_the_grid_agrees():
    grid = solve(GridGame(AuctionGame(), np.linspace(0, 0.3, 31)), 1e-4, rounds=5000)
    assert grid.judged.revenue == pytest.approx(bayes_nash_capped(AuctionGame(), 0.3).revenue, rel=0.005)


def test_a_cap_that_nobody_reaches_changes_nothing():
    for game, highest in ((AuctionGame(), 0.5), (AuctionGame("all-pay", bidders=3), 0.7)):
        assert bayes_nash_capped(game, highest).revenue == bayes_nash(game).revenue
    assert Auction(bid_as="share", highest_bid=0.5).equilibrium.pooled_from == np.inf


def test_shares_are_capped_too():
    found = bayes_nash_capped(AuctionGame(), 0.4, by_share=True)
    signals = np.random.default_rng(2).random((100_000, 2))
    np.testing.assert_allclose(found.bids(signals)[..., 0], 0.4 * signals)
    assert found.revenue == pytest.approx(0.4 * signals.max(axis=1).mean(), rel=5e-3)


@pytest.mark.parametrize(
    "fields",
    [{"values": "common"}, {"units": 2, "demand": 2}, {"bid_as": "share", "format": "all-pay"}],
    ids=str,
)
def test_nothing_is_claimed_where_nothing_is_known(fields):
    found = Auction(highest_bid=0.3, **fields).benchmarks()
    assert not found.competitive
    assert any("no equilibrium is known" in note for note in found.notes)

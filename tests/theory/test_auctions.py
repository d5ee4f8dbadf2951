"""Bayes-Nash bids and what they bring: the reference's digits, Monte Carlo, revenue equivalence, deviations."""

import numpy as np
import pytest
from plain_auction import many, simulate
from scipy.integrate import quad

from tacitlab.errors import TacitError
from tacitlab.markets.auction.theory import (
    AuctionGame,
    bayes_nash,
    best_welfare,
    demand_reduction,
    ring,
    truthful_revenue,
)

LOWEST = {"format": "uniform-price", "pricing": "lowest-accepted"}
GAMES = [
    AuctionGame("first-price", 3),
    AuctionGame("first-price", 2, reserve=0.5),
    AuctionGame("first-price", 4, units=2, reserve=0.3),
    AuctionGame("second-price", 3, reserve=0.2),
    AuctionGame("all-pay", 2),
    AuctionGame("all-pay", 3, reserve=0.2),
    AuctionGame("all-pay", 4, units=2, reserve=0.1),
    AuctionGame("uniform-price", 3, units=2),
    AuctionGame("uniform-price", 4, units=2, reserve=0.4),
    AuctionGame(bidders=4, units=2, reserve=0.4, **LOWEST),
    AuctionGame(bidders=3, units=5, reserve=0.4, **LOWEST),
    AuctionGame("first-price", 3, units=2, demand=2, reserve=0.3),
    AuctionGame("all-pay", 2, units=3, demand=3),
    AuctionGame("uniform-price", 3, units=2, demand=2, reserve=0.2),
    AuctionGame("first-price", 3, common=True, reserve=0.6),
    AuctionGame("second-price", 3, common=True, reserve=0.6),
    AuctionGame("all-pay", 3, common=True, reserve=0.4),
    AuctionGame("second-price", 2, common=True),
]


def name(game):
    numbers = {"k": game.units, "m": game.demand, "r": game.reserve}
    extra = [f"{word}{value:g}" for word, value in numbers.items() if value]
    return "-".join([game.format, game.pricing[:6], f"n{game.bidders}", *extra, "common" * game.common])


# --- the reference -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_reference_table(n):
    v = np.linspace(0, 1, 11)
    first, second, all_pay = (bayes_nash(AuctionGame(kind, n)) for kind in ("first-price", "second-price", "all-pay"))
    np.testing.assert_allclose(first.bids(v)[:, 0], (n - 1) * v / n, atol=1e-14)
    np.testing.assert_allclose(second.bids(v)[:, 0], v)
    np.testing.assert_allclose(all_pay.bids(v)[:, 0], (n - 1) * v**n / n, atol=1e-14)
    for found in (first, second, all_pay):
        assert found.revenue == pytest.approx((n - 1) / (n + 1), abs=1e-14)
        assert found.surplus == pytest.approx(1 / (n * (n + 1)), abs=1e-14)


def test_the_printed_numbers():
    assert bayes_nash(AuctionGame("second-price", 2, reserve=0.5)).revenue == pytest.approx(5 / 12, abs=1e-14)
    assert bayes_nash(AuctionGame("all-pay", 2)).revenue / 2 == pytest.approx(1 / 6, abs=1e-14)
    first, second = (bayes_nash(AuctionGame(kind, 2, common=True)) for kind in ("first-price", "second-price"))
    assert first.bids(0.7)[0] == pytest.approx(0.7)
    assert second.bids(0.7)[0] == pytest.approx(1.4)
    assert first.revenue == pytest.approx(2 / 3)
    assert second.revenue == pytest.approx(2 / 3)
    pair = AuctionGame("uniform-price", units=2, demand=2)
    assert demand_reduction(pair).revenue == 0
    assert demand_reduction(pair).bids(0.6).tolist() == [0.6, 0]
    assert truthful_revenue(pair) == pytest.approx(2 / 3)
    assert bayes_nash(pair).revenue == pytest.approx(2 / 3), "sincere bids are an equilibrium, too"


# --- what bids lead to ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES, ids=name)
def test_revenue_surplus_and_welfare_are_those_of_simulated_auctions(game):
    found = bayes_nash(game)
    mean, error = simulate(game, [found.bids] * game.bidders)
    wanted = [*[found.surplus] * game.bidders, found.revenue, found.welfare]
    assert (np.abs(mean - wanted) <= 4.5 * error + 1e-12).all(), (mean, wanted, error)
    assert found.revenue + game.bidders * found.surplus == pytest.approx(found.welfare)
    assert found.efficiency == pytest.approx(found.welfare / best_welfare(game))


@pytest.mark.parametrize("game", GAMES, ids=name)
def test_no_deviation_pays(game):
    """Against rivals who bid as in equilibrium, the same draws for every deviation."""
    found, rng = bayes_nash(game), np.random.default_rng(1)
    samples = 5000
    signals = rng.random((samples, game.bidders - 1))
    rivals = np.stack([found.bids(signals[:, j]) for j in range(game.bidders - 1)], axis=1)
    for signal in (0.15, 0.5, 0.9):
        wanted = found.bids(signal)
        worth = signal + signals.sum(axis=1) if game.common else np.full(samples, signal)
        gains = []
        for bid in [None, *np.linspace(0, game.highest_value, 11)]:
            own = np.broadcast_to(wanted if bid is None else np.full(game.demand, bid), (samples, 1, game.demand))
            units, payments = many(game, np.concatenate([own, rivals], axis=1), np.random.default_rng(2))
            gains.append(worth * units[:, 0] - payments[:, 0])
        extra = [(gain - gains[0]).mean() for gain in gains[1:]]
        noise = [(gain - gains[0]).std() / np.sqrt(samples) for gain in gains[1:]]
        assert (np.array(extra) <= 4 * np.array(noise) + 1e-9).all(), (signal, extra)


def test_revenue_is_the_same_in_all_formats():
    kinds = [{"format": "first-price"}, {"format": "all-pay"}, {"format": "uniform-price"}, LOWEST]
    for n, k in ((2, 1), (5, 2), (6, 4)):
        found = [bayes_nash(AuctionGame(bidders=n, units=k, **kind)).revenue for kind in kinds]
        np.testing.assert_allclose(found, k * (n - k) / (n + 1), atol=1e-13)
    # With reserves that keep the same bidders out: v0^n is the least bid of an all-pay auction that does.
    low = [AuctionGame("first-price", 3, reserve=0.4), AuctionGame("second-price", 3, reserve=0.4)]
    found = [bayes_nash(game) for game in (*low, AuctionGame("all-pay", 3, reserve=0.4**3))]
    np.testing.assert_allclose([one.revenue for one in found], found[0].revenue)
    np.testing.assert_allclose([one.threshold for one in found], 0.4)


def test_reserves_are_bid_by_the_least_who_take_part():
    for game in GAMES:
        found = bayes_nash(game)
        if game.reserve and not (game.common and game.rejected_price):
            assert found.bids(found.threshold)[0] == pytest.approx(game.reserve)
            assert found.bids(found.threshold - 1e-9).tolist() == [0] * game.demand
            rising = found.bids(np.linspace(found.threshold, 1, 50))[:, 0]
            assert (np.diff(rising) >= -1e-12).all()


@pytest.mark.parametrize(("n", "k"), [(2, 1), (5, 2), (4, 4), (3, 7)])
def test_chances_by_rank(n, k):
    game = AuctionGame("uniform-price", n, units=k)
    others = np.random.default_rng(0).random((50_000, n - 1))
    for signal in (0.2, 0.7):
        share = ((others > signal).sum(axis=1) < k).mean()
        assert float(game.wins(signal)) == pytest.approx(share, abs=0.01)
        assert float(game.rent(signal)) == pytest.approx(quad(lambda x: float(game.wins(x)), 0, signal)[0], abs=1e-9)


@pytest.mark.parametrize(
    "game",
    [
        AuctionGame("first-price", 3, reserve=0.3),
        AuctionGame("uniform-price", 3, units=4, demand=2, reserve=0.2),
        AuctionGame("first-price", 3, common=True, reserve=1.1),
        AuctionGame("first-price", 2, common=True),
    ],
    ids=name,
)
def test_the_ring(game):
    signals = np.random.default_rng(0).random((50_000, game.bidders))
    if game.common:
        total = signals.sum(axis=1)
        earned, paid = np.maximum(total - game.reserve, 0), game.reserve * (total > game.reserve)
    else:
        wanted = np.repeat(-np.sort(-signals, axis=1), game.demand, axis=1)[:, : game.units]
        earned = np.maximum(wanted - game.reserve, 0).sum(axis=1)
        paid = game.reserve * (wanted > game.reserve).sum(axis=1)
    for exact, sample in zip(ring(game), (earned, paid), strict=True):
        assert exact == pytest.approx(sample.mean(), abs=5 * sample.std() / np.sqrt(len(sample)) + 1e-12)


@pytest.mark.parametrize("game", [AuctionGame("first-price", 3, units=2), AuctionGame("all-pay", 2, units=2, demand=2),
                                  AuctionGame("uniform-price", 3, units=3, demand=2),
                                  AuctionGame(bidders=3, units=3, demand=2, **LOWEST),
                                  AuctionGame("uniform-price", 2, units=4, demand=2)], ids=name)  # fmt: skip
def test_truthful_revenue(game):
    mean, error = simulate(game, [lambda v: np.repeat(v[:, None], game.demand, axis=1)] * game.bidders)
    assert truthful_revenue(game) == pytest.approx(mean[-2], abs=5 * error[-2] + 1e-12)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_demand_reduction_and_what_lies_between_it_and_sincere_bids(share):
    game = AuctionGame("uniform-price", units=2, demand=2)
    found = demand_reduction(game, share)
    mean, error = simulate(game, [found.bids] * 2)
    wanted = [found.surplus, found.surplus, found.revenue, found.welfare]
    assert (np.abs(mean - wanted) <= 4.5 * error + 1e-12).all()


def test_what_is_no_auction_is_refused():
    with pytest.raises(TacitError, match="demand: 3 units are more than there are"):
        AuctionGame("all-pay", units=2, demand=3)
    with pytest.raises(TacitError, match="reserve: 1 is out of bounds"):
        AuctionGame("all-pay", reserve=1.0)
    with pytest.raises(TacitError, match="units: a common value is for one"):
        AuctionGame("first-price", units=2, common=True)
    with pytest.raises(TacitError, match="demand: known for two bidders"):
        demand_reduction(AuctionGame("first-price"))
    assert bayes_nash(AuctionGame(units=2, demand=2, **LOWEST)) is None

"""Competitive equilibrium by brute force, bilateral trade by best responses and Monte Carlo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tacitlab.errors import TacitError
from tacitlab.markets.double_auction.theory import (
    BilateralTrade,
    allocative_efficiency,
    competitive_equilibrium,
    expected_surplus,
    smith_alpha,
)

SIDE = st.lists(st.integers(0, 20), min_size=1, max_size=8)


def clears(price, values, costs):
    """Whether some quantity is both demanded and supplied at a price: those who are indifferent do either."""
    demand = (sum(v > price for v in values), sum(v >= price for v in values))
    supply = (sum(c < price for c in costs), sum(c <= price for c in costs))
    return max(demand[0], supply[0]) <= min(demand[1], supply[1])


@given(SIDE, SIDE)
def test_the_interval_holds_just_the_prices_that_clear(values, costs):
    found = competitive_equilibrium(values, costs)
    for price in np.arange(-1, 22, 0.25):
        assert clears(price, values, costs) == (found.low <= price <= found.high)


@given(SIDE, SIDE)
def test_the_surplus_is_that_of_the_best_matching(values, costs):
    gains = np.maximum(np.subtract.outer(values, costs), 0)
    best = gains[linear_sum_assignment(gains, maximize=True)].sum()
    found = competitive_equilibrium(values, costs)
    assert found.surplus == pytest.approx(best)
    v, c = np.sort(values)[::-1], np.sort(costs)
    sums = np.concatenate([[0], np.cumsum(v[: len(c)] - c[: len(v)])])
    assert [k for k, total in enumerate(sums) if total == sums.max()] == list(range(found.least, found.most + 1))


def test_the_ladder_of_the_reference():
    found = competitive_equilibrium(np.linspace(0.95, 0.05, 11), np.linspace(0.05, 0.95, 11))
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    assert (found.least, found.most) == (5, 6)
    assert found.surplus == pytest.approx(2.7)
    assert found.price == pytest.approx(0.5)


def test_measures():
    assert smith_alpha([0.5 + 0.1445, 0.5 - 0.1445], 0.5) == pytest.approx(0.289)
    assert np.isnan(smith_alpha([], 0.5))
    np.testing.assert_allclose(allocative_efficiency([[4.0], [5.0]], [9.0, 1.0], [4.0, 6.0]), [[0.8], [1.0]])
    with pytest.raises(TacitError, match=r"values: no buyer .* nothing to gain"):
        allocative_efficiency(0.0, [1.0], [2.0])
    with pytest.raises(TacitError, match="costs: there are none; give at least one"):
        competitive_equilibrium([1.0], [])
    with pytest.raises(TacitError, match=r"weight: 1.5 is out of bounds; it must be between 0 and 1"):
        BilateralTrade(1.5)


@pytest.mark.parametrize(("buyers", "sellers"), [(1, 1), (3, 2), (11, 11)])
def test_expected_surplus(buyers, sellers):
    rng = np.random.default_rng(1)
    v, c = -np.sort(-rng.random((20_000, buyers)), axis=1), np.sort(rng.random((20_000, sellers)), axis=1)
    both = min(buyers, sellers)
    drawn = np.maximum(v[:, :both] - c[:, :both], 0).sum(axis=1)
    assert abs(drawn.mean() - expected_surplus(buyers, sellers)) < 4 * drawn.std() / np.sqrt(len(drawn))


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_nobody_gains_by_another_quote(weight):
    """Best responses on a grid against the other's strategy, who is drawn from a fine grid too."""
    trade, types = BilateralTrade(weight), (np.arange(4000) + 0.5) / 4000
    quotes = np.linspace(0, 1, 401)
    asks, bids = trade.ask(types), trade.bid(types)
    for own in (0.3, 0.55, 0.9):

        def buying(bid, own=own):
            return np.mean((own - weight * bid - (1 - weight) * asks) * (bid >= asks))

        def selling(ask, own=own):
            return np.mean((weight * bids + (1 - weight) * ask - own) * (bids >= ask))

        assert buying(trade.bid(own)) >= max(buying(b) for b in quotes) - 1e-4
        assert selling(trade.ask(own)) >= max(selling(a) for a in quotes) - 1e-4
        if weight == 0.5 and own == 0.9:  # the test can fail: saying the truth can be improved on
            assert buying(own) < max(buying(b) for b in quotes) - 0.02


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.7])
def test_gains_of_bilateral_trade(weight):
    trade, rng = BilateralTrade(weight), np.random.default_rng(2)
    v, c = rng.random((2, 400_000))
    price = weight * trade.bid(v) + (1 - weight) * trade.ask(c)
    for found, drawn in zip(trade.payoffs, (v - price, price - c), strict=True):
        drawn = drawn * trade.trades(v, c)
        assert abs(found - drawn.mean()) < 4 * drawn.std() / np.sqrt(len(drawn))


def test_printed_digits():
    trade = BilateralTrade()
    np.testing.assert_allclose(trade.bid([0.0, 0.9]), [1 / 12, 0.6 + 1 / 12])
    np.testing.assert_allclose(trade.ask([0.0, 0.6]), [0.25, 0.65])
    assert trade.gains == pytest.approx(9 / 64)
    assert trade.efficiency == pytest.approx(27 / 32)
    assert round(100 * trade.efficiency, 1) == 84.4
    v, c = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    far = np.abs(v - c - 0.25) > 1e-9
    np.testing.assert_array_equal(trade.trades(v, c)[far], (v - c > 0.25)[far])

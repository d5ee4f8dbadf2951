"""Entropies against known values and plain implementations with dictionaries."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tacitlab.errors import TacitError
from tacitlab.measures.price_entropy import level_entropy, permutation_entropy, tied

RNG = np.random.default_rng(0)


def entropy(symbols):
    n = len(symbols)
    return -sum(k / n * math.log(k / n) for k in Counter(symbols).values())


def patterns(series, order):
    windows = [tuple(series[t : t + order]) for t in range(len(series) - order + 1)]
    return [tuple(sorted(range(order), key=lambda i: (w[i], i))) for w in windows]


# --- levels ----------------------------------------------------------------------------------------------------


def plain_bin(price, reference, bins, reach):
    if price <= 0:
        return -1
    place = math.floor((math.log(price / reference) + reach) / (2 * reach / bins))
    return min(max(place, -1), bins)


@given(
    arrays(np.float64, st.integers(1, 60), elements=st.integers(-50, 20_000).map(lambda x: x / 10)), st.floats(0.5, 300)
)
def test_levels_by_hand(prices, reference):
    logs = np.log(np.where(prices > 0, prices, 1) / reference) / (4 / 32)
    if (np.abs(logs - np.round(logs)) < 1e-6).any():
        return  # on an edge, where rounding decides
    expected = entropy([plain_bin(p, reference, 32, 2.0) for p in prices]) / math.log(34)
    assert level_entropy([prices], reference)[0] == pytest.approx(expected, abs=1e-12)


def test_one_bin_and_all_bins():
    centres = np.exp(np.linspace(-2 - 1 / 16, 2 + 1 / 16, 34))
    assert level_entropy([100 * centres], 100.0) == pytest.approx(1.0)
    assert level_entropy([np.full(9, 120.0)], 100.0).tolist() == [0.0]
    assert level_entropy([[1.0, 500.0, 1.1, 700.0]], 100.0, bins=2, reach=1.0) == pytest.approx(0.5)
    assert level_entropy([[-3.0, 0.0, 1e-9]], 100.0).tolist() == [0.0]


def test_uniform_levels_have_the_entropy_of_32_of_34_bins():
    prices = np.exp(RNG.uniform(-2, 2, (1, 200_000)))
    assert level_entropy(prices, 1.0)[0] == pytest.approx(math.log(32) / math.log(34), abs=2e-4)


def test_each_session_has_its_reference_and_a_missing_price_spoils_only_its_own():
    prices = np.exp(RNG.normal(0, 1, (3, 50)))
    levels = np.array([1.0, 10.0, 0.1])
    np.testing.assert_allclose(level_entropy(prices * levels[:, None], levels), level_entropy(prices, 1.0))
    prices[1, 7] = np.nan
    assert np.isnan(level_entropy(prices, 1.0)).tolist() == [False, True, False]


def test_more_volatile_prices_have_more_entropy_however_predictable():
    wave = np.sin(np.arange(4000) / 100)
    found = level_entropy([np.exp(0.1 * wave), np.exp(1.5 * wave)], 1.0)
    assert found[0] < 0.5 < found[1]
    np.testing.assert_allclose(*permutation_entropy([np.exp(0.1 * wave), np.exp(1.5 * wave)]))


# --- patterns --------------------------------------------------------------------------------------------------


@given(arrays(np.float64, st.integers(6, 60), elements=st.integers(0, 6)), st.integers(2, 6))
def test_patterns_with_ties_by_hand(series, order):
    expected = entropy(patterns(series, order)) / math.log(math.factorial(order))
    assert permutation_entropy([series], order)[0] == pytest.approx(expected, abs=1e-12)
    windows = [series[t : t + order] for t in range(len(series) - order + 1)]
    assert tied([series], order)[0] == pytest.approx(np.mean([len(set(w)) < order for w in windows]))


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_white_noise_is_unpredictable_but_for_the_bias(order):
    n, kinds = 20_000, math.factorial(order)
    found = permutation_entropy(RNG.normal(size=(20, n)), order).mean()
    assert found == pytest.approx(1 - (kinds - 1) / (2 * n * math.log(kinds)), abs=4e-4)
    assert found < 1


@pytest.mark.parametrize("series", [np.arange(100.0), -(np.arange(100.0) ** 3), np.ones(100)])
def test_monotone_and_constant_series_have_none(series):
    assert permutation_entropy([series]).tolist() == [0.0]


def test_a_random_walk_of_order_three_has_its_closed_form():
    """Two rises or two falls: 1/4 each; a rise and a fall: by symmetry each larger in half the cases, 1/8 each."""
    walk = np.cumsum(RNG.normal(size=(5, 100_000)), axis=1)
    exact = 2.5 * math.log(2) / math.log(6)
    assert permutation_entropy(walk, 3).mean() == pytest.approx(exact, abs=1e-3)
    assert permutation_entropy(np.diff(walk), 3).mean() > 0.9999


def test_alternation_has_two_patterns():
    assert permutation_entropy([[1.0, 2.0] * 501], 4)[0] == pytest.approx(
        entropy(patterns([1.0, 2.0] * 501, 4)) / math.log(24)
    )
    assert permutation_entropy([[1.0, 2.0] * 501], 4)[0] == pytest.approx(math.log(2) / math.log(24), abs=1e-5)


def test_only_the_order_counts():
    series = RNG.normal(size=(2, 3, 300))
    np.testing.assert_array_equal(permutation_entropy(series), permutation_entropy(np.exp(3 * series)))
    assert permutation_entropy(series).shape == (2, 3)


def test_coarse_prices_have_ties_that_lower_the_value():
    fine = RNG.random((1, 50_000))
    assert tied(fine).tolist() == [0.0]
    coarse = np.floor(4 * fine)
    assert tied(coarse)[0] == pytest.approx(1 - 4 * 3 * 2 / 4**4, abs=0.01)
    assert permutation_entropy(coarse)[0] < 0.97 < permutation_entropy(fine)[0]


def test_missing_values_and_bad_parameters():
    series = RNG.normal(size=(2, 30))
    series[0, 3] = np.nan
    assert np.isnan(permutation_entropy(series)).tolist() == [True, False]
    with pytest.raises(TacitError, match="order: 9 is out of bounds"):
        permutation_entropy(series, 9)
    with pytest.raises(TacitError, match="too short"):
        permutation_entropy([[1.0, 2.0, 3.0]])
    with pytest.raises(TacitError, match="reference"):
        level_entropy(series, 0.0)
    with pytest.raises(TacitError, match="bins, reach"):
        level_entropy(series, 1.0, bins=0)

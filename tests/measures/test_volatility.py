"""Volatility by hand, in closed form, and against simulated markets with known parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tacitlab.errors import TacitError
from tacitlab.measures.volatility import excess_volatility, price_spread, returns, split_variance, volatility

RNG = np.random.default_rng(0)


def test_returns_of_both_kinds():
    prices = RNG.uniform(50, 200, (3, 2, 20))
    simple, logs = returns(prices, logarithmic=False), returns(prices)
    assert simple.shape == (3, 2, 19)
    np.testing.assert_allclose(np.log1p(simple), logs)
    np.testing.assert_allclose(prices[..., :1] * np.exp(np.cumsum(logs, axis=-1)), prices[..., 1:])


def test_volatility_of_geometric_brownian_motion_whatever_its_drift_and_level():
    logs = np.cumsum(RNG.normal(0.003, 0.02, (4, 20_000)), axis=1)
    np.testing.assert_allclose(volatility(100 * np.exp(logs)), 0.02, rtol=0.02)
    np.testing.assert_allclose(volatility(1e6 * np.exp(logs)), volatility(np.exp(logs)))
    steady = 100 * np.exp(0.1 * np.arange(50))
    assert volatility(steady) == pytest.approx(0, abs=1e-12)
    assert volatility(steady, logarithmic=False) == pytest.approx(0, abs=1e-12)


def test_spread_of_a_random_walk_grows_with_its_length():
    for steps in (10, 40):
        walks = np.cumsum(RNG.normal(0, 2, (40_000, steps)), axis=1)
        expected = 4 * (steps**2 - 1) / (6 * steps)
        assert (price_spread(walks) ** 2).mean() == pytest.approx(expected, rel=0.03)


def test_spread_is_the_objective_of_the_paper():
    prices = RNG.uniform(50, 200, (3, 20))
    by_hand = [np.sqrt(sum((p - sum(path) / 20) ** 2 for p in path) / 20) for path in prices]
    np.testing.assert_allclose(price_spread(prices), by_hand)


def test_synchronised_trade_of_two_more_than_doubles_volatility():
    """Reference: alpha = sigma = .01, both agents on the same side of one unit: impact .02, total sqrt(.01² + .02²)."""
    net = 2 * RNG.choice([-1, 1], (1, 400_000))
    assert excess_volatility(net, 0.01) == pytest.approx(0.02)
    logs = np.concatenate([[[0.0]], np.cumsum(0.01 * net + RNG.normal(0, 0.01, net.shape), axis=1)], axis=1)
    assert volatility(np.exp(logs))[0] == pytest.approx(0.0224, rel=0.005)


@given(
    arrays(np.float64, (2, 12), elements=st.floats(-0.5, 0.5)),
    arrays(np.float64, (2, 12), elements=st.integers(-5, 5)),
    st.floats(0, 0.1),
)
def test_parts_of_the_variance_add_up(moved, net, impact):
    split = split_variance(moved, net, impact)
    np.testing.assert_allclose(split.total, moved.var(axis=1), atol=1e-12)
    np.testing.assert_allclose(split.endogenous, impact**2 * net.var(axis=1), atol=1e-12)


def test_parts_are_those_of_the_market():
    net = RNG.integers(-3, 4, (50, 4000))  # variance 4
    noise = RNG.normal(0, 0.02, net.shape)
    split = split_variance(0.01 * net + noise, net, 0.01)
    assert split.exogenous.mean() == pytest.approx(4e-4, rel=0.01)
    assert split.endogenous.mean() == pytest.approx(4e-4, rel=0.01)
    assert abs(split.interaction.mean()) < 4e-6
    follows = split_variance(0.01 * np.sign(noise) + noise, np.sign(noise), 0.01)
    assert follows.interaction.mean() == pytest.approx(2 * 0.01 * 0.02 * np.sqrt(2 / np.pi), rel=0.02)


def test_wrong_prices_are_refused():
    with pytest.raises(TacitError, match="prices: -1 \\(1 such values\\) has no logarithm"):
        volatility([[1.0, -1.0, 2.0]])
    with pytest.raises(TacitError, match="prices: 0 "):
        volatility([[1.0, 0.0, 2.0]])
    assert volatility([[1.0, -1.0, 2.0]], logarithmic=False)[0] == pytest.approx(0.5)
    with pytest.raises(TacitError, match="0 \\(1 such values\\) has no return"):
        returns([[1.0, 0.0, 2.0]], logarithmic=False)
    with pytest.raises(TacitError, match="too short"):
        price_spread([[1.0]])
    with pytest.raises(TacitError, match="net_orders: the shape"):
        split_variance([[0.1, 0.2]], [[1.0]], 0.1)

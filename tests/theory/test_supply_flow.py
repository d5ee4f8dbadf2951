"""Flows of supply against the moments of the lognormal law and simulated paths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.markets.token.supply_flow import ar1_flow, path_flow


@given(st.floats(1e-3, 1e6), st.floats(0.01, 0.3), st.floats(0, 0.99))
def test_moments_of_the_stationary_law(supply, spread, persistence):
    flow = ar1_flow(supply, spread, persistence)
    assert flow.weights.sum() == pytest.approx(1)
    assert (flow.weights >= 0).all()
    for side in (flow.before, flow.after):
        for power in (1, 2):
            exact = supply**power * np.exp((power * spread) ** 2 / 2)
            assert flow.weights @ side**power == pytest.approx(exact, rel=1e-9)
    together = flow.weights @ (np.log(flow.before / supply) * np.log(flow.after / supply))
    assert together == pytest.approx(persistence * spread**2, abs=1e-12)


@given(st.floats(0.01, 0.3), st.floats(0, 0.99))
def test_volatility_of_logarithm_and_of_the_supply_itself(spread, persistence):
    flow = ar1_flow(50.0, spread, persistence)
    assert flow.volatility(np.log) == pytest.approx(spread * np.sqrt(2 * (1 - persistence)), rel=1e-7)
    v = spread**2
    exact = 50 * np.sqrt(2 * np.exp(v) * (np.exp(v) - np.exp(persistence * v)))
    assert flow.volatility(lambda supply: supply) == pytest.approx(exact, rel=1e-6)


def test_sample_paths_say_the_same():
    random, z = np.random.default_rng(0), np.zeros((100, 5001))
    z[:, 0] = random.normal(size=100)
    for t in range(5000):
        z[:, t + 1] = 0.8 * z[:, t] + 0.6 * random.normal(size=100)
    sampled, exact = path_flow(100 * np.exp(0.2 * z)), ar1_flow(100.0, 0.2, 0.8)
    assert sampled.before.shape == sampled.weights.shape == (500_000,)
    for function in (np.log, np.sqrt, lambda s: 0.02 * s, lambda s: np.logaddexp(0, 0.1 * (s - 100))):
        assert sampled.volatility(function) == pytest.approx(exact.volatility(function), rel=0.01)


def test_a_drift_is_no_volatility():
    assert path_flow(100 * 1.1 ** np.arange(5)).volatility(np.log) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: ar1_flow(0.0, 0.1, 0.5),
        lambda: ar1_flow(1.0, 0.0, 0.5),
        lambda: ar1_flow(1.0, 0.1, 1.0),
        lambda: path_flow([1.0]),
        lambda: path_flow([1.0, -1.0]),
    ],
)
def test_wrong_input_is_refused(ask):
    with pytest.raises(TacitError, match=r"above 0|negative"):
        ask()

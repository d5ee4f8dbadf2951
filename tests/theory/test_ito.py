"""Exact laws, the order of convergence of Euler-Maruyama, facts about autoregression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from tacitlab.errors import TacitError
from tacitlab.markets.token.ito import (
    euler_maruyama,
    geometric_brownian_motion,
    geometric_brownian_path,
    lyapunov_ball,
    lyapunov_drift,
    ornstein_uhlenbeck,
    recovery_steps,
)

PATHS, FINEST = 40_000, 64
START, DRIFT, VOLATILITY, TIME = 1.0, 1.2, 0.4, 1.0


def brownian(seed=0):
    """Increments (steps, paths) on the finest grid, antithetic so that means are sharp."""
    half = np.random.default_rng(seed).standard_normal((FINEST, PATHS // 2)) * np.sqrt(TIME / FINEST)
    return np.concatenate([half, -half], axis=1)


def coarser(increments, steps):
    return increments.reshape(steps, -1, increments.shape[1]).sum(axis=1)


def euler(drift, increments):
    """Geometric Brownian motion at the end, by Euler-Maruyama."""
    start, dt = np.full(PATHS, START), TIME / len(increments)
    return euler_maruyama(lambda x: drift * x, lambda x: VOLATILITY * x, start, increments, dt)


@given(st.floats(0.5, 20), st.floats(-0.5, 0.5), st.floats(0.05, 0.8), st.floats(0.1, 3))
def test_geometric_brownian_motion_is_lognormal(start, drift, volatility, time):
    law = geometric_brownian_motion(start, drift, volatility, time)
    spread = volatility * np.sqrt(time)
    exact = stats.lognorm(s=spread, scale=start * np.exp((drift - volatility**2 / 2) * time))
    np.testing.assert_allclose([law.mean, law.variance], [exact.mean(), exact.var()], rtol=1e-9)


@given(st.floats(-5, 5), st.floats(-5, 5), st.just(0.0) | st.floats(1e-6, 3), st.floats(0.05, 2), st.floats(0.1, 3))
def test_moments_of_ornstein_uhlenbeck_solve_their_equations(start, level, speed, volatility, time):
    """m' = speed (level - m), v' = volatility² - 2 speed v."""

    def moments(_, x):
        return [speed * (level - x[0]), volatility**2 - 2 * speed * x[1]]

    solved = integrate.solve_ivp(moments, (0, time), [start, 0.0], rtol=1e-10, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(ornstein_uhlenbeck(start, level, speed, volatility, time), solved, rtol=1e-6, atol=1e-8)


def test_strong_errors_halve_with_a_quarter_of_the_step_and_weak_errors_with_half_of_it():
    increments, steps = brownian(), np.array([4, 8, 16, 32, 64])

    def errors(drift):
        exact = geometric_brownian_path(START, drift, VOLATILITY, TIME, increments.sum(axis=0))
        for n in steps:
            yield euler(drift, coarser(increments, n)) - exact

    weak = [abs(error.mean()) for error in errors(DRIFT)]
    strong = [np.abs(error).mean() for error in errors(0.0)]  # with drift the weak error would hide it
    assert -np.polyfit(np.log(steps), np.log(weak), 1)[0] == pytest.approx(1.0, abs=0.12)
    assert -np.polyfit(np.log(steps), np.log(strong), 1)[0] == pytest.approx(0.5, abs=0.05)


def test_euler_maruyama_has_the_mean_that_its_steps_compound_to():
    """For a linear drift E X is start (1 + drift dt)^steps: not the exact exponential, but exactly known."""
    found = euler(DRIFT, brownian())
    law = geometric_brownian_motion(START, DRIFT, VOLATILITY, TIME)
    error = np.sqrt(law.variance / PATHS)
    assert found.mean() == pytest.approx(START * (1 + DRIFT / FINEST) ** FINEST, abs=3 * error)
    assert abs(found.mean() - law.mean) > 3 * error, "the discretisation is seen"
    growth, noise = (1 + DRIFT / FINEST) ** 2, VOLATILITY**2 / FINEST
    assert found.var() == pytest.approx((growth + noise) ** FINEST - growth**FINEST, rel=0.03)


def test_constant_volatility_gives_the_ornstein_uhlenbeck_law():
    found = euler_maruyama(lambda x: 2.0 * (3.0 - x), lambda x: 0.5, np.zeros(PATHS), brownian(1), TIME / FINEST)
    law = ornstein_uhlenbeck(0.0, 3.0, 2.0, 0.5, TIME)
    decay = 1 - 2.0 / FINEST
    assert found.mean() == pytest.approx(3 * (1 - decay**FINEST), abs=1e-9), "antithetic"
    assert found.mean() == pytest.approx(law.mean, rel=0.005)
    assert found.var() == pytest.approx(0.25 / FINEST * (1 - decay ** (2 * FINEST)) / (1 - decay**2), rel=0.02)
    assert found.var() == pytest.approx(law.variance, rel=0.05)


@given(st.floats(0.05, 0.99), st.floats(0.1, 2), st.floats(0.01, 0.09))
def test_recovery_takes_as_many_steps_as_a_loop_counts(persistence, spike, within):
    left, steps = spike, 0
    while left > within * (1 + 1e-9):
        left, steps = left * persistence, steps + 1
    assert recovery_steps(persistence, spike, within) == steps


def test_recovery_of_the_reference():
    assert recovery_steps(0.9) == 22
    assert recovery_steps(0.0) == 1, "independent noise recovers by construction"
    assert recovery_steps(0.5, spike=0.5, within=0.25) == 1
    assert recovery_steps(0.9, spike=0.01) == 0


@pytest.mark.parametrize(
    ("settings", "problem"),
    [((1.0,), "persistence: 1.0 is out of bounds"), ((0.9, 0.5, 0.0), "within: 0.0 is too small")],
)
def test_wrong_recoveries_are_refused(settings, problem):
    with pytest.raises(TacitError, match=problem):
        recovery_steps(*settings)


def test_drift_is_negative_only_outside_of_the_ball():
    assert lyapunov_ball(0.9, 1.0) == pytest.approx(2.29, abs=0.005)
    shocks = np.random.default_rng(0).standard_normal(200_000) * 0.3
    for deviation in (0.2, 0.5, 1.5):
        found = ((0.8 * deviation + shocks) ** 2 - deviation**2).mean()
        assert found == pytest.approx(lyapunov_drift(deviation, 0.8, 0.3), abs=5e-3)
        assert (found < 0) == (deviation > lyapunov_ball(0.8, 0.3))
    assert lyapunov_drift(lyapunov_ball(0.7, 2.0), 0.7, 2.0) == pytest.approx(0, abs=1e-12)

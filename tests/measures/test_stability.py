"""The drift of V against processes whose drift is known."""

import math

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.measures.stability import drift_profile, lyapunov_drift


def ar1(phi, sigma=1.0, sessions=40, steps=4000, seed=0, start=None):
    noise = np.random.default_rng(seed).normal(0, sigma, (sessions, steps + 1))
    path = np.empty_like(noise)
    path[:, 0] = noise[:, 0] / math.sqrt(1 - phi**2) if start is None else start
    for t in range(steps):
        path[:, t + 1] = phi * path[:, t] + noise[:, t + 1]
    return path


@pytest.mark.parametrize(("phi", "sigma"), [(0.0, 1.0), (0.5, 2.0), (0.9, 0.1), (-0.7, 1.0)])
def test_ar1_has_its_exact_values(phi, sigma):
    drift = lyapunov_drift(50 + ar1(phi, sigma), 50.0)
    for found, exact in (
        (drift.contraction, 1 - phi**2),
        (drift.offset, sigma**2),
        (drift.radius, sigma / math.sqrt(1 - phi**2)),
        (drift.falling, 0.5),
    ):
        width = found.high - found.low
        assert found.low - width < exact < found.high + width  # about 6 standard errors
        assert found.mean == pytest.approx(exact, rel=0.05)
        assert 0 < width < 0.2 * exact


def test_intervals_cover_as_often_as_they_say():
    covered = [
        (d.contraction.low < 0.75 < d.contraction.high, d.radius.low < math.sqrt(4 / 3) < d.radius.high)
        for d in (lyapunov_drift(ar1(0.5, sessions=30, steps=800, seed=k), 0.0, resamples=400) for k in range(120))
    ]
    share = np.mean(covered, axis=0)
    assert (share > 0.86).all()  # 95 % less 4 standard errors, and bootstrap's bias with 30 sessions
    assert (share < 1).all()


def test_the_unit_of_currency_scales_the_answer():
    path = ar1(0.8, sessions=5, steps=300)
    small, large = lyapunov_drift(1e-120 * path, 0.0), lyapunov_drift(1e70 * path, 0.0)
    assert small.contraction.mean == pytest.approx(large.contraction.mean)
    assert large.offset.mean / 1e140 == pytest.approx(small.offset.mean * 1e240)
    assert large.radius.high / 1e70 == pytest.approx(small.radius.high * 1e120)
    assert large.offset.se / 1e140 == pytest.approx(small.offset.se * 1e240)


def test_without_noise_it_falls_always():
    path = 100 + 5 * 0.9 ** np.arange(60) * np.array([[1.0], [-2.0], [3.0]])
    drift = lyapunov_drift(path, 100.0)
    assert drift.contraction.mean == pytest.approx(0.19)
    assert drift.radius.mean == pytest.approx(0, abs=1e-6)
    assert drift.falling.mean == 1.0
    steady = lyapunov_drift(np.linspace(5, 1, 41) * np.array([[1.0], [-1.0], [2.0]]), 0.0)
    assert steady.offset.mean < 0  # V falls even more than in proportion where it is small
    assert steady.radius.mean == 0


def test_a_diverging_price_has_no_ball():
    path = 1.05 ** np.arange(40) * np.array([[1.0], [-2.0], [3.0]])
    drift = lyapunov_drift(path, 0.0)
    assert drift.contraction.mean == pytest.approx(1 - 1.05**2)
    assert drift.radius.mean == drift.radius.high == np.inf
    assert "no drift towards the target" in str(drift)


def test_a_random_walk_shows_hardly_any_contraction():
    drift = lyapunov_drift(np.cumsum(np.random.default_rng(3).normal(size=(200, 1001)), axis=1), 0.0)
    assert abs(drift.contraction.mean) < 0.005
    assert drift.offset.mean == pytest.approx(1, rel=0.1)


def test_no_stationary_price_falls_more_often_than_it_rises_and_the_answer_says_so():
    drift = lyapunov_drift(ar1(0.9, steps=2000), 0.0)
    assert drift.falling.low < 0.5 < drift.falling.high
    assert str(drift).startswith("V = (P - P*)² falls in 50 % of the steps; in the mean it falls only where")
    assert "2.3" in str(drift)


def test_the_ball_of_a_stationary_stretch_is_its_root_mean_square_deviation():
    """Also where the truth has another shape: the drift of a price that is pulled back only outside of a band."""
    noise, path = np.random.default_rng(1).normal(size=(20, 3001)), np.zeros((20, 3001))
    for t in range(3000):
        path[:, t + 1] = np.where(np.abs(path[:, t]) > 5, 0.5, 1.0) * path[:, t] + noise[:, t]
    drift = lyapunov_drift(path, 0.0)
    assert drift.radius.mean == pytest.approx(np.sqrt((path[:, :-1] ** 2).mean()), rel=0.02)
    square, profile = drift_profile(path, 0.0, bins=8)
    inside = square < 20
    np.testing.assert_allclose(profile.mean(axis=0)[inside], 1, atol=0.25)  # sigma² at every distance: no line
    line = drift.offset.mean - drift.contraction.mean * square[inside]
    assert np.abs(line - 1).max() > 0.5


def test_profile_of_ar1_is_its_line():
    square, profile = drift_profile(ar1(0.5, sessions=30, steps=5000), 0.0, bins=6)
    error = profile.std(axis=0, ddof=1) / math.sqrt(30)
    assert (np.abs(profile.mean(axis=0) - (1 - 0.75 * square)) < 4 * error).all()
    assert (np.diff(square) > 0).all()


def test_profile_by_hand_and_unvisited_bins():
    path = np.array([[1.0, 2.0, 1.0, 2.0, 1.0], [3.0, 4.0, 3.0, 4.0, 3.0]])
    square, profile = drift_profile(path, 0.0, bins=2)
    assert square.tolist() == [2.5, 12.5]
    np.testing.assert_array_equal(profile, [[0, np.nan], [np.nan, 0]])
    square, profile = drift_profile([[1.0, 1.0, 2.0, 1.0]], 0.0, bins=2)
    assert (square.tolist(), profile.tolist()) == ([1, 4], [[1.5, -3]])


def test_one_session_has_no_interval_and_a_frozen_price_no_drift():
    one = lyapunov_drift(ar1(0.5, sessions=1), 0.0)
    assert one.contraction.mean == pytest.approx(0.75, abs=0.1)
    assert math.isnan(one.contraction.low)
    assert math.isnan(one.radius.high)
    frozen = lyapunov_drift(np.full((3, 10), 7.0), 5.0)
    assert frozen.falling.mean == 0
    assert math.isnan(frozen.contraction.mean)
    assert math.isnan(frozen.radius.mean)
    assert math.isnan(lyapunov_drift(np.full((3, 10), 7.0), 7.0).contraction.mean)


def test_wrong_shapes_are_refused():
    for prices in (np.zeros(10), np.zeros((2, 2))):
        with pytest.raises(TacitError, match="prices: the shape"):
            lyapunov_drift(prices, 1.0)

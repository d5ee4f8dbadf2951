"""Responses to shocks by hand, by brute force, and in markets whose recovery is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tacitlab.errors import TacitError
from tacitlab.measures.resilience import (
    ar1_recovery,
    deviation,
    deviation_area,
    recovery,
    resilience,
    shock_move,
)

RNG = np.random.default_rng(0)


# --- moves -----------------------------------------------------------------------------------------------------


def test_only_steps_with_a_shock_count():
    prices = RNG.uniform(50, 200, (3, 21))
    hit = RNG.random((3, 20)) < 0.3
    for literal in (False, True):
        moves = [
            np.mean(
                [
                    abs(b - a) if literal else abs(math.log(b / a))
                    for a, b, h in zip(path, path[1:], shocks, strict=False)
                    if h
                ]
            )
            for path, shocks in zip(prices, hit, strict=True)
        ]
        np.testing.assert_allclose(shock_move(prices, hit, literal=literal), moves)
        np.testing.assert_allclose(resilience(prices, hit, literal=literal), 1 / np.array(moves))


def test_the_literal_measure_depends_on_the_currency_and_the_other_does_not():
    prices, hit = RNG.uniform(50, 200, (2, 9)), np.arange(8) == 3
    np.testing.assert_allclose(resilience(1000 * prices, hit), resilience(prices, hit))
    np.testing.assert_allclose(
        resilience(1000 * prices, hit, literal=True), resilience(prices, hit, literal=True) / 1000
    )


def test_a_frozen_price_and_no_shock():
    prices = [[5.0, 5.0, 6.0], [5.0, 5.0, 5.0]]
    assert resilience(prices, [False, True])[1] == np.inf
    assert np.isnan(resilience(prices, [False, False])).all()
    assert resilience([[5.0, -5.0]], [True], literal=True).tolist() == [0.1]
    with pytest.raises(TacitError, match="has no logarithm"):
        resilience([[5.0, -5.0]], [True])
    with pytest.raises(TacitError, match="shocked: the shape"):
        resilience(prices, [[True, False, True]])


# --- recovery --------------------------------------------------------------------------------------------------


def plain_recovery(path, band, hold):
    inside = [abs(x) <= band for x in path]
    for t in range(len(path) - hold + 1):
        if all(inside[t : t + hold]):
            return t, True
    least = len(path)
    while least > 0 and inside[least - 1]:
        least -= 1
    return least, False


@given(arrays(np.float64, (3, 15), elements=st.sampled_from([0.0, 0.01, -0.04, 0.05, 0.06, -0.2])), st.integers(1, 6))
def test_recovery_by_hand(paths, hold):
    found = recovery(paths, hold=hold)
    expected = [plain_recovery(path, 0.05, hold) for path in paths]
    assert list(zip(found.time.tolist(), found.recovered.tolist(), strict=True)) == expected
    assert (found.time[~found.recovered] > 15 - hold).all()  # later than everybody who recovered


def test_edges_of_the_band_count_and_missing_values_do_not():
    assert recovery([deviation(np.full(12, 105.0), 100.0)]).time.tolist() == [0]
    path = np.zeros(25)
    path[3] = np.nan
    assert recovery([path]).time.tolist() == [4]


def test_a_short_visit_is_no_recovery():
    path = np.r_[0.3, np.zeros(9), 0.3, np.zeros(10)]
    assert recovery([path]).time.tolist() == [11]
    assert recovery([path], hold=9).time.tolist() == [1]


def test_quantiles_in_spite_of_censoring():
    speeds = np.array([0.5, 0.8, 0.9, 0.99, 0.999])
    paths = 0.5 * speeds[:, None] ** np.arange(60)
    found = recovery(paths)
    longer = recovery(0.5 * speeds[:, None] ** np.arange(5000))
    assert found.recovered.tolist() == [True] * 3 + [False] * 2
    assert longer.recovered.all()
    assert (found.time <= longer.time).all()
    assert found.quantile(0.5) == longer.quantile(0.5) == 22
    assert found.quantile(0.9) == np.inf
    assert (found.share.mean, found.share.n) == (0.6, 5)


@pytest.mark.parametrize("persistence", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("shock", [0.5, 0.051, 3.0])
def test_ar1_benchmark_is_the_recovery_of_its_path(persistence, shock):
    path = shock * persistence ** np.arange(2000.0)
    assert recovery([path]).time.tolist() == [ar1_recovery(persistence, shock)]


def test_ar1_benchmark_of_the_reference():
    assert ar1_recovery(0.9) == math.ceil(math.log(0.1) / math.log(0.9)) == 22
    assert ar1_recovery(0.9, 1.0, 0.9**4) == 4  # the quotient of logarithms is 4.000000000000001
    assert ar1_recovery(0.9, 0.04) == 0
    for wrong in ((1.0, 0.5), (-0.1, 0.5), (0.5, 0.0)):
        with pytest.raises(TacitError, match="persistence must lie"):
            ar1_recovery(*wrong)


def test_paired_paths_leave_the_shock_alone():
    """Common noise drops out: the effect is that of the path without noise, far below the noise itself."""
    phi, steps, noise = 0.9, 80, RNG.normal(0, 0.1, (30, 80))
    usual, hit = np.zeros((30, steps)), np.zeros((30, steps))
    hit[:, 0] = math.log(1.5)
    for t in range(1, steps):
        usual[:, t] = phi * usual[:, t - 1] + noise[:, t]
        hit[:, t] = phi * hit[:, t - 1] + noise[:, t]
    effect = deviation(np.exp(hit), np.exp(usual))
    np.testing.assert_allclose(effect, np.tile(np.exp(math.log(1.5) * phi ** np.arange(steps)) - 1, (30, 1)))
    assert set(recovery(effect).time) == {21}  # in logarithms from 1.5 to 1.05; levels would take 22
    assert not recovery(deviation(np.exp(hit), 1.0)).recovered.all()


def test_area_of_a_geometric_decay():
    area = deviation_area([0.5 * 0.9 ** np.arange(600), -0.5 * 0.9 ** np.arange(600)])
    np.testing.assert_allclose(area, 0.5 / 0.1)


def test_wrong_input_is_refused():
    with pytest.raises(TacitError, match="target: must be above 0"):
        deviation([[1.0]], 0.0)
    with pytest.raises(TacitError, match="too short to hold for 10 steps"):
        recovery(np.zeros((2, 9)))
    with pytest.raises(TacitError, match="band, hold"):
        recovery(np.zeros((2, 20)), band=0.0)

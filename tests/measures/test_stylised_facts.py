"""Stylised facts of processes for which they are known in closed form."""

import numpy as np
import pytest
from scipy import stats

from tacitlab.errors import TacitError
from tacitlab.measures.statistics import mean_interval
from tacitlab.measures.stylised_facts import (
    autocorrelation,
    excess_kurtosis,
    hill_tail_index,
    price_impact,
    signature,
)

PATHS, STEPS = 60, 4000


@pytest.fixture(scope="module")
def normal():
    return np.random.default_rng(1).standard_normal((PATHS, STEPS))


@pytest.fixture(scope="module")
def garch():
    """T. Bollerslev, J. Econometrics 31 (1986) 307-327; the memory of r²: J. Time Series Analysis 9 (1988) 121-131."""
    a, b, z = 0.1, 0.8, np.random.default_rng(2).standard_normal((2 * PATHS, STEPS + 200))
    variance, found = np.ones(2 * PATHS), []
    for t in range(z.shape[1]):
        found.append(np.sqrt(variance) * z[:, t])
        variance = (1 - a - b) + a * found[-1] ** 2 + b * variance
    return a, b, np.stack(found, axis=1)[:, 200:]


def near(values, expected, slack=0.0):
    found = mean_interval(values)
    assert abs(found.mean - expected) < 4 * found.se + slack, (found, expected)
    return found


def test_nothing_is_found_in_normal_noise(normal):
    near(excess_kurtosis(normal), 0.0)
    for lag in (0, 4, 19):
        near(autocorrelation(normal, 20)[:, lag], -1 / STEPS)
        near(autocorrelation(np.abs(normal), 20)[:, lag], -1 / STEPS)
    level = signature(np.cumsum(normal, axis=1), [1, 5, 50])
    for k in range(3):
        near(level[:, k], 1.0, slack=0.003)


def test_kurtosis_is_unbiased_and_that_of_scipy(normal):
    np.testing.assert_allclose(excess_kurtosis(normal), stats.kurtosis(normal, axis=1, bias=False))
    short = np.random.default_rng(3).standard_normal((20_000, 12))
    near(excess_kurtosis(short), 0.0)
    assert np.isnan(excess_kurtosis(np.ones((2, 9)))).all()


def test_fat_tails_of_student_t():
    t10 = np.random.default_rng(4).standard_t(10, (400, STEPS))
    near(excess_kurtosis(t10), 6 / (10 - 4), slack=0.03)
    t3 = np.random.default_rng(5).standard_t(3, (PATHS, 20 * STEPS))
    near(hill_tail_index(t3, 0.001), 3.0, slack=0.1)  # the tail is a power law in the limit only
    pareto = np.random.default_rng(6).pareto(2.5, (PATHS, STEPS)) + 1
    found = near(hill_tail_index(pareto), 2.5, slack=2.5 / 200)  # biased by 1/k
    assert found.mean != pytest.approx(3.0, abs=0.2)


def test_volatility_clusters_in_garch(garch):
    a, b, r = garch
    near(autocorrelation(r, 3)[:, 0], 0.0, slack=0.002)
    kurtosis = 6 * a**2 / (1 - b**2 - 2 * a * b - 3 * a**2)
    near(excess_kurtosis(r), kurtosis, slack=0.02)
    first = a * (1 - a * b - b**2) / (1 - 2 * a * b - b**2)
    found = autocorrelation(r**2, 10)
    for lag in (1, 2, 5, 10):
        near(found[:, lag - 1], first * (a + b) ** (lag - 1), slack=0.01)
    assert mean_interval(autocorrelation(np.abs(r), 10)[:, 4]).low > 0.05


def test_a_bounce_between_bid_and_ask_shows_at_short_intervals(normal):
    """Roll, Journal of Finance 39 (1984): price = walk + half spread times a coin; cov of changes = -s²/4."""
    spread, side = 3.0, np.random.default_rng(7).choice([-0.5, 0.5], normal.shape)
    price = np.cumsum(normal, axis=1) + spread * side
    near(autocorrelation(np.diff(price), 1)[:, 0], -(spread**2 / 4) / (1 + spread**2 / 2), slack=0.002)
    found = signature(price, [1, 10, 100])
    for k, h in enumerate((1, 10, 100)):
        near(found[:, k] ** 2, 1 + spread**2 / (2 * h), slack=0.02)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.4])
def test_impact_recovers_its_power(power, normal):
    rng = np.random.default_rng(8)
    flow = np.round(rng.standard_t(4, normal.shape) * 5)
    change = 0.2 * np.sign(flow) * np.abs(flow) ** power + normal
    found = price_impact(flow, change)
    assert found.exponent.low < power < found.exponent.high
    assert found.exponent.high - found.exponent.low < 0.15
    assert found.exponent.n == PATHS
    assert found.scale == pytest.approx(0.2, rel=0.1)
    narrow = found.volume < 8  # the mean of powers is that of the mean
    law = 0.2 * found.volume[narrow] ** power
    assert (np.abs(found.impact[narrow] - law) < 4 * (found.high - found.low)[narrow] / 4 + 0.01 * law).all()


def test_intervals_of_impact_are_over_sessions(normal):
    """Sessions with impacts of their own: intervals must show that, not the number of steps."""
    rng = np.random.default_rng(9)
    flow = rng.integers(-9, 10, normal.shape).astype(float)
    own = rng.uniform(0.5, 1.5, (PATHS, 1))
    found = price_impact(flow, own * flow)
    assert found.exponent.mean == pytest.approx(1.0, abs=1e-2)
    wide = (found.high - found.low) / found.impact
    assert wide == pytest.approx(np.full(len(wide), 4 * own.std() / np.sqrt(PATHS)), rel=0.25)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: excess_kurtosis([1.0, 2.0]), "returns: the shape .* give .* 4 steps or more"),
        (lambda: autocorrelation([1.0, 2.0, 3.0], 4), "series: the shape .* 6 steps or more"),
        (lambda: hill_tail_index(np.ones(9), 1.5), "share: 1.5 is out of bounds"),
        (lambda: hill_tail_index(np.ones(9), 0.1), "share: 0.1 of 9 returns are fewer than two; raise it"),
        (lambda: signature([1.0, 2.0], [2]), "intervals: 2 is out of bounds; choose from 1 to 1"),
        (lambda: price_impact([[1.0, 2.0]], [[1.0]]), "changes: the shape .* differs"),
        (lambda: price_impact([[1.0, -1.0]], [[1.0, 1.0]]), "flow: the net volumes have fewer than two sizes"),
        (lambda: price_impact([[0.0, 0.0]], [[1.0, 1.0]]), "flow: the net volumes have fewer than two sizes"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(TacitError, match=words):
        call()

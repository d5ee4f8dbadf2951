"""Intervals against scipy, against their own definition by explicit resampling, and by their coverage."""

import math

import numpy as np
import pytest
import scipy.stats

from tacitlab.errors import TacitError
from tacitlab.measures import statistics
from tacitlab.measures.statistics import (
    Estimate,
    curve_interval,
    interquartile_mean,
    mean_interval,
    proportion,
    statistic_of_means,
)


def test_mean_interval_is_scipys():
    values = np.random.default_rng(0).exponential(size=60)
    found = mean_interval(values, 0.9, resamples=500, seed=3)
    batch = 2**21 // 60
    known = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=500, batch=batch, confidence_level=0.9, rng=np.random.default_rng(3)
    ).confidence_interval
    assert (found.low, found.high) == (known.low, known.high)
    assert found.mean == pytest.approx(values.mean())
    assert found.se == pytest.approx(values.std(ddof=1) / math.sqrt(60))
    assert found == mean_interval(values, 0.9, resamples=500, seed=3)
    assert found != mean_interval(values, 0.9, resamples=500, seed=4)


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_coverage(draw):
    rng = np.random.default_rng(5)
    true = 0.0 if draw == "normal" else 1.0
    hits, trials = 0, 300
    for trial in range(trials):
        found = mean_interval(getattr(rng, draw)(size=40), resamples=400, seed=trial)
        hits += found.low <= true <= found.high
    assert 0.88 <= hits / trials <= 0.98


@pytest.mark.parametrize("n", [2, 4, 8, 20, 49])
def test_coverage_with_few_sessions(n):
    """Unstretched, 95 % intervals of four normal values hold the mean in 80 % of cases, of eight in 88 %."""
    rng, trials, hits = np.random.default_rng(n), 600, np.zeros(3)
    for _ in range(trials):
        values = rng.normal(size=n)
        single = mean_interval(values, resamples=400)
        band = curve_interval(values[:, None], resamples=400)
        several = statistic_of_means(np.stack([values, 0 * values]), lambda means: means[:, 0] - means[:, 1], 400)
        hits += [bool(np.all((one.low <= 0) & (one.high >= 0))) for one in (single, band, several)]
    assert (np.abs(hits / trials - 0.95) <= 0.03).all(), hits / trials


def test_few_sessions_have_students_length():
    values = np.random.default_rng(0).normal(size=10)
    student = scipy.stats.t(9, values.mean(), values.std(ddof=1) / math.sqrt(10)).interval(0.95)
    several = statistic_of_means(values[None], lambda means: means[:, 0], 100_000)
    band = curve_interval(values[:, None], resamples=100_000)
    for found in (mean_interval(values), several, band):
        assert found.high - found.low == pytest.approx(student[1] - student[0], rel=0.05)
    assert several.se == pytest.approx(values.std(ddof=1) / math.sqrt(10), rel=0.01)
    assert statistics.stretch(4) == pytest.approx(math.sqrt(4 / 3) * 3.182446 / 1.959964)
    assert statistics.stretch(50) == statistics.stretch(1) == 1
    assert statistics.stretch(9, 0.8) < statistics.stretch(9, 0.99)


def test_weights_give_the_mean_over_observations():
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 5, size=60)
    means = rng.normal(size=60) + counts
    found = mean_interval(means, weights=counts, resamples=2000)
    assert found.mean == pytest.approx(np.repeat(means, counts).mean())
    assert found.low < found.mean < found.high
    drawn = rng.integers(60, size=(4000, 60))
    ratios = (means * counts)[drawn].sum(1) / counts[drawn].sum(1)
    assert found.se == pytest.approx(ratios.std(), rel=0.1)
    np.testing.assert_allclose([found.low, found.high], np.quantile(ratios, [0.025, 0.975]), atol=0.05)


def test_equal_weights_change_nothing_but_the_resampling():
    values = np.random.default_rng(2).normal(size=30)
    plain, weighted = mean_interval(values), mean_interval(values, weights=np.full(30, 4))
    assert weighted.mean == pytest.approx(plain.mean)
    assert weighted.se == pytest.approx(plain.se)
    assert weighted.low == pytest.approx(plain.low, abs=0.02)


def test_large_samples_use_the_percentile_interval(monkeypatch):
    values = np.random.default_rng(2).exponential(size=200)
    bca = mean_interval(values, resamples=500)
    monkeypatch.setattr(statistics, "LARGEST_BCA", 100)
    percentile = mean_interval(values, resamples=500)
    assert bca.low != percentile.low
    assert bca.low == pytest.approx(percentile.low, abs=0.05)


def test_degenerate_values():
    assert mean_interval([2.0, 2.0, 2.0]) == Estimate(2.0, 2.0, 2.0, 0.0, 3)
    single = mean_interval([2.0])
    assert single.mean == 2.0
    assert single.n == 1
    assert all(math.isnan(x) for x in (single.low, single.high, single.se))
    assert math.isnan(mean_interval([1.0, np.nan, 3.0]).mean)
    empty = mean_interval([])
    assert math.isnan(empty.mean)
    assert empty.n == 0
    two = mean_interval([1.0, 2.0])
    assert two.low < 0 < 1.5 < 3 < two.high, "of two sessions little is known"


def test_nearly_constant_values_have_finite_bounds():
    values = np.zeros(50)
    values[3] = 1.0
    found = mean_interval(values)
    assert 0 <= found.low <= 0.02 <= found.high < 0.2, "from 50 sessions on an interval of the bootstrap alone"


def test_truth_values_are_proportions():
    values = np.array([True] * 30 + [False] * 10)
    assert mean_interval(values) == proportion(30, 40)
    known = scipy.stats.binomtest(30, 40).proportion_ci(0.95, method="wilson")
    found = proportion(30, 40)
    assert (found.low, found.high) == (known.low, known.high)
    assert found.se == pytest.approx(math.sqrt(0.75 * 0.25 / 40))
    assert mean_interval(np.ones(1000, dtype=bool)).low < 1
    assert math.isnan(mean_interval(np.array([True])).low)
    assert mean_interval(np.array([True])).mean == 1
    assert math.isnan(proportion(0, 0).mean)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.84872, 0.8418, 0.8556, 0.0035, 1000), "0.849 (95 % CI 0.842 to 0.856, n=1000)"),
        (Estimate(1751.2, 1733.4, 1769.1, 9.2, 1000), "1751 (95 % CI 1733 to 1769, n=1000)"),
        (Estimate(0.5, math.nan, math.nan, math.nan, 1), "0.5 (no CI, n=1)"),
        (Estimate(2.0, 2.0, 2.0, 0.0, 3, 0.9), "2 (the same in all 3 sessions)"),
    ],
)
def test_text(estimate, text):
    assert str(estimate) == f"{estimate}" == text


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
def test_interquartile_mean_is_scipys(size):
    values = np.random.default_rng(size).exponential(size=(size, 3))
    np.testing.assert_allclose(interquartile_mean(values), scipy.stats.trim_mean(values, 0.25, axis=0))
    np.testing.assert_allclose(interquartile_mean(values.T, axis=1), interquartile_mean(values))


@pytest.mark.parametrize("centre", ["mean", "interquartile-mean"])
def test_curve_by_explicit_resampling(centre):
    values = np.random.default_rng(0).exponential(size=(53, 2, 3)).round(1)
    band = curve_interval(values, 0.9, centre=centre, resamples=200, seed=8)
    assert band.centre.shape == band.low.shape == band.high.shape == (2, 3)
    counts = np.random.default_rng(8).multinomial(53, np.full(53, 1 / 53), size=200)
    middle = np.mean if centre == "mean" else interquartile_mean
    drawn = [middle(np.repeat(values, count, axis=0), axis=0) for count in counts]
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(band.centre, middle(values, axis=0))
    np.testing.assert_allclose(band.low, low)
    np.testing.assert_allclose(band.high, high)


def test_curve_agrees_with_single_intervals():
    values = np.random.default_rng(4).normal(size=(100, 5))
    band = curve_interval(values, resamples=4000)
    for point in range(5):
        single = mean_interval(values[:, point])
        assert band.centre[point] == pytest.approx(single.mean)
        assert band.low[point] == pytest.approx(single.low, abs=0.03)
        assert band.high[point] == pytest.approx(single.high, abs=0.03)


def test_curve_of_one_session_has_no_band():
    band = curve_interval([[1.0, 2.0]])
    np.testing.assert_array_equal(band.centre, [1.0, 2.0])
    assert np.isnan(band.low).all()
    assert np.isnan(band.high).all()


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: mean_interval([[1.0]]), "values"),
        (lambda: mean_interval([1.0, 2.0], level=1.0), "level"),
        (lambda: mean_interval([1.0, 2.0], weights=[1.0]), "weights"),
        (lambda: mean_interval([1.0, 2.0], weights=[1.0, -1.0]), "weights"),
        (lambda: mean_interval([1.0, 2.0], weights=[0.0, 0.0]), "weights"),
        (lambda: proportion(3, 2), "successes"),
        (lambda: curve_interval(np.empty((0, 3))), "values"),
        (lambda: curve_interval([[1.0]], centre="median"), "centre"),
    ],
)
def test_mistakes_are_named(call, field):
    with pytest.raises(TacitError, match=f"^{field}"):
        call()


def test_bootstrap_of_a_statistic_of_means():
    rng = np.random.default_rng(1)
    values = rng.normal([[1.0], [0.0]], 1.0, size=(2, 400))
    found = statistic_of_means(values, lambda means: means[:, 0] - means[:, 1])
    paired = values[0] - values[1]
    assert found.mean == pytest.approx(paired.mean())
    assert found.se == pytest.approx(paired.std(ddof=1) / 20, rel=0.05)
    assert found.low == pytest.approx(paired.mean() - 1.96 * found.se, abs=0.02)
    assert found.n == 400

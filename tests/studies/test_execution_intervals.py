"""Intervals of differences and of means over pairs, against SciPy and by how often they cover."""

import math

import numpy as np
import pytest
from scipy.stats import t, ttest_ind

from tacitlab.studies.liquidations import difference, jackknife

RNG = np.random.default_rng(0)


def test_difference_has_welchs_interval():
    one, two = RNG.normal(1, 1, 8), RNG.normal(0, 3, 12)
    found, expected = difference(one, two), ttest_ind(one, two, equal_var=False)
    low, high = expected.confidence_interval()
    assert (found.mean / found.se, found.low, found.high) == pytest.approx((expected.statistic, low, high))
    assert math.isnan(difference([1.0], [0.0]).low)
    assert difference([1.0, 1.0], [0.0, 0.0]).interval


def test_jackknife_of_means_is_students_and_welchs():
    one, two = RNG.normal(1, 1, 8), RNG.normal(0, 3, 12)
    alone = jackknife(lambda a: one[a].mean(), 8)
    half = t.ppf(0.975, 7) * one.std(ddof=1) / np.sqrt(8)
    assert (alone.low, alone.high) == pytest.approx((one.mean() - half, one.mean() + half))
    both, welch = jackknife(lambda a, b: one[a].mean() - two[b].mean(), 8, 12), difference(one, two)
    assert (both.low, both.high, both.se, both.n) == pytest.approx((welch.low, welch.high, welch.se, 8))
    assert math.isnan(jackknife(lambda a: one[a].mean(), 1).low)
    assert jackknife(lambda a: 1.0, 5).interval


def test_jackknife_of_pairs_knows_that_they_are_shared():
    """Mean products of all pairs of two samples: the variance is known, and rows alone miss half of it."""
    found, rows = [], []
    for _ in range(600):
        one, two = RNG.normal(2, 1, 10), RNG.normal(2, 1, 10)
        table = np.outer(one, two)
        found.append(jackknife(lambda a, b, table=table: table[np.ix_(a, b)].mean(), 10, 10))
        rows.append(table.mean(axis=1).std(ddof=1) / np.sqrt(10))
    true = np.sqrt(4 / 10 + 4 / 10 + 1 / 100)  # of a product of independent means of 2 with variances of a tenth
    assert np.sqrt(np.mean([one.se**2 for one in found])) == pytest.approx(true, rel=0.06)
    assert np.mean(rows) < 0.75 * true
    assert 0.925 <= np.mean([one.low <= 4 <= one.high for one in found]) <= 0.975

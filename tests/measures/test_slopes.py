"""Slopes against numpy.polyfit, and from recorded means."""

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.measures.slopes import relative, slope, slope_of_means


def test_slopes_are_least_squares():
    random = np.random.default_rng(0)
    x, noise = random.normal(3, 2, (4, 50)), random.normal(size=(4, 50))
    y = 0.7 * x - 5 + noise
    wanted = [np.polyfit(a, b, 1)[0] for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(slope(x, y), wanted)
    means = slope_of_means((x * y).mean(1), x.mean(1), y.mean(1), (x**2).mean(1))
    np.testing.assert_allclose(means, wanted)


def test_what_does_not_vary_has_no_slope():
    assert np.isnan(slope([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]))
    assert np.isnan(slope(np.zeros(5), np.arange(5.0)))


def test_relative_slopes_have_intervals():
    found = relative(np.full(5, 0.25), 0.5)
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    with pytest.raises(TacitError, match="wanted: 0"):
        relative([1.0, 2.0], 0.0)

import math

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.measures.chaos import largest_lyapunov


def logistic(n, rate=4.0, start=0.4):
    x = [start]
    for _ in range(n - 1):
        x.append(rate * x[-1] * (1 - x[-1]))
    return np.array(x)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("start", [0.4, 0.123])
def test_logistic_map_at_four_has_ln_two(dimension, start):
    found = largest_lyapunov(logistic(2_000, start=start), dimension=dimension, steps=6)
    assert found == pytest.approx(math.log(2), abs=0.01)


def test_agrees_with_nolds():
    # nolds 0.6.3: lyap_r(x, emb_dim=d, lag=1, min_tsep=10, trajectory_len=steps + 1, fit="poly")
    x = logistic(1_000)
    assert largest_lyapunov(x, dimension=2, steps=6) == pytest.approx(0.6926025098924229, rel=1e-9)
    assert largest_lyapunov(x, dimension=3, steps=8) == pytest.approx(0.6798601330252657, rel=1e-9)


def test_logistic_map_by_its_derivative():
    x = logistic(4_000, rate=3.9)
    exact = np.log(np.abs(3.9 * (1 - 2 * x))).mean()
    assert largest_lyapunov(x, dimension=2, steps=5) == pytest.approx(exact, abs=0.03)


def test_neighbours_on_a_circle_stay_apart_as_they_are():
    assert largest_lyapunov(np.sin(np.sqrt(2) * np.arange(2_000)), dimension=3) == pytest.approx(0, abs=0.005)


def test_scale_and_shift_do_not_matter():
    x = logistic(500)
    assert largest_lyapunov(3 + 10 * x, dimension=2) == pytest.approx(largest_lyapunov(x, dimension=2), rel=1e-6)


def test_a_constant_series_has_none():
    assert math.isnan(largest_lyapunov(np.ones(200)))


def test_too_short_a_series_and_bad_parameters_are_refused():
    with pytest.raises(TacitError, match="too short"):
        largest_lyapunov(np.arange(30.0))
    with pytest.raises(TacitError, match="at least 1"):
        largest_lyapunov(np.arange(300.0), dimension=0)

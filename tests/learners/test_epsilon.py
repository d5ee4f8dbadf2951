"""Exploration on the clock against the schedules' definitions in plain Python."""

import math

import jax
import numpy as np
import pytest

from tacitlab.learners.exploration import Constant, Exponential, Geometric, Schedule
from tacitlab.learners.parts.group import Epsilon

POINTS = [(0, 1.0), (10, 0.4), (300, 0.05), (2_000, 0.01)]


def between(points, clock):
    """The point before, the one after (or None), and how far the clock is between them."""
    before = max(p for p in points if p[0] <= clock)
    after = min((p for p in points if p[0] > clock), default=None)
    return before, after, (clock - before[0]) / (after[0] - before[0]) if after else 0.0


def linear(clock):
    before, after, share = between(POINTS, clock)
    return before[1] + share * (after[1] - before[1]) if after else before[1]


def exponential(clock):
    before, after, share = between(POINTS, clock)
    return before[1] * (after[1] / before[1]) ** share if after else before[1]


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (Constant(epsilon=0.3), lambda t: 0.3),
        (Exponential(beta=2e-3), lambda t: math.exp(-2e-3 * t)),
        (Exponential(start=0.8, beta=1e-2, floor=0.05), lambda t: max(0.8 * math.exp(-1e-2 * t), 0.05)),
        (Exponential(total_decay=8, floor=0.01), lambda t: max(math.exp(-8 * t / 5000), 0.01)),
        (Exponential(start=0.5, beta=1000), lambda t: 0.5 * (t == 0)),
        (Geometric(), lambda t: 0.995 ** (t // 75)),
        (Geometric(start=0.9, factor=0.9, every=7, floor=0.1), lambda t: max(0.9 * 0.9 ** (t // 7), 0.1)),
        (Geometric(start=0.0), lambda t: 0.0),
        (Schedule(points=POINTS), lambda t: between(POINTS, t)[0][1]),
        (Schedule(points=POINTS, between="linear"), linear),
        (Schedule(points=POINTS, between="exponential"), exponential),
    ],
)
def test_epsilon_is_what_the_schedule_says(schedule, wanted):
    epsilon, clocks = Epsilon.of(schedule.knots(5_000)), np.arange(5_000)
    found = jax.jit(jax.vmap(epsilon))(clocks)
    np.testing.assert_allclose(found, [wanted(int(t)) for t in clocks], rtol=2e-6, atol=1e-7)


def test_the_schedule_of_macri_and_lillo():
    found = jax.jit(jax.vmap(Epsilon.of(Geometric().knots(50_000))))(np.arange(50_000))
    assert len(np.unique(found)) - 1 == 666
    assert float(found[-1]) == pytest.approx(0.0355, abs=5e-5)
    assert np.flatnonzero(np.diff(found)).tolist() == [75 * k - 1 for k in range(1, 667)]


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (Exponential(beta=1e-8), lambda t: math.exp(-1e-8 * t)),
        (Schedule(points=[(0, 1.0), (2_000_000_000, 0.0)], between="linear"), lambda t: max(1 - t / 2e9, 0)),
        (Schedule(points=[(0, 0.5), (20_000_001, 0.1)]), lambda t: 0.5 if t < 20_000_001 else 0.1),
        (Schedule(points=[(0, 0.5), (3_000_000_000, 0.1)]), lambda t: 0.5),  # beyond the last step of any session
        (Geometric(factor=0.5, every=100_000_001, floor=0.1), lambda t: max(0.5 ** (t // 100_000_001), 0.1)),
        (Exponential(beta=1e-9, floor=0.2), lambda t: max(math.exp(-1e-9 * t), 0.2)),
    ],
)
def test_large_clocks_lose_no_digits(schedule, wanted):
    clocks = [0, 1, 16_777_217, 20_000_000, 20_000_001, 100_000_001, 10**9, 1_999_999_999, 2**31 - 2]
    epsilon = Epsilon.of(schedule.knots(2**31 - 1))
    found = jax.jit(jax.vmap(epsilon))(np.array(clocks, np.int32))
    np.testing.assert_allclose(found, [wanted(t) for t in clocks], rtol=1e-5, atol=1e-6)

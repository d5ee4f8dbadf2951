"""Allocations of a resource against closed forms, general optimisers and best replies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from tacitlab.errors import TacitError
from tacitlab.markets.token.utilisation import first_best, joint_optimum, nash, payoffs, price_taking, regret, welfare

REFERENCE = np.random.default_rng(1).uniform(0, 2, 100)
SEEDS = st.integers(0, 2**32 - 1)


def sigmoid(q):
    return 2 / (1 + np.exp(-0.1 * (q - 50)))


def slope(q):
    return 0.1 * sigmoid(q) * (1 - sigmoid(q) / 2)


def users(seed):
    """Tastes, a linear price and a capacity for five users."""
    random = np.random.default_rng(seed)
    start, rise = random.uniform(0, 0.5), random.uniform(0.01, 0.5)
    return random.uniform(0, 2, 5), (lambda q: start + rise * q), (lambda q: rise), random.uniform(0.5, 8)


def best(value, count, capacity):
    """Greatest value over quantities of 0 or more that fit, by a general optimiser."""
    fits = LinearConstraint(np.ones(count), ub=capacity)
    start = np.full(count, 0.5 * capacity / count)
    found = minimize(lambda q: -value(q), start, bounds=[(0, None)] * count, constraints=[fits], tol=1e-12)
    return -found.fun


def test_numbers_of_the_reference():
    found, taking = first_best(REFERENCE, 50), price_taking(REFERENCE, sigmoid, 50)
    assert found.price == pytest.approx(0.6155, abs=5e-5)
    assert found.total == pytest.approx(50)
    assert taking.total / 50 == pytest.approx(0.879, abs=5e-4)
    assert taking.welfare / found.welfare == pytest.approx(0.926, abs=5e-4)


def test_the_continuum_has_a_closed_form():
    """theta uniform on [0, 2]: the mean of max(theta - p, 0) is (2 - p)²/4, one half at p = 2 - sqrt 2."""
    many = (np.arange(100_000) + 0.5) / 50_000
    assert first_best(many, 50_000).price == pytest.approx(2 - np.sqrt(2), abs=1e-6)


@settings(max_examples=30)
@given(SEEDS)
def test_first_best_is_what_a_general_optimiser_finds(seed):
    tastes, _, _, capacity = users(seed)
    found = first_best(tastes, capacity)
    assert found.welfare == pytest.approx(best(lambda q: welfare(tastes, q), 5, capacity), abs=1e-6)
    assert found.total <= capacity + 1e-9
    assert found.price == 0 or found.total == pytest.approx(capacity)


@settings(max_examples=30)
@given(SEEDS)
def test_price_takers_choose_best_at_the_price_that_results(seed):
    tastes, price, _, capacity = users(seed)
    found = price_taking(tastes, price, capacity)
    tried = np.linspace(0, 3, 3001)[:, None]
    others = tastes * tried - tried**2 / 2 - found.price * tried
    assert (others.max(axis=0) <= payoffs(tastes, found.quantities, found.price) + 1e-6).all()
    assert found.total <= capacity + 1e-9
    if found.total < capacity - 1e-9:
        assert found.price == pytest.approx(price(found.total))
    else:
        assert found.price >= price(capacity) - 1e-9, "scarcity makes it dearer"


@settings(max_examples=30)
@given(SEEDS)
def test_nobody_gains_by_leaving_the_nash_equilibrium(seed):
    tastes, price, rise, _ = users(seed)
    found = nash(tastes, price, rise, 20.0)
    assert regret(tastes, found.quantities, price, 20.0) < 1e-9
    assert regret(tastes, found.quantities * 1.2, price, 20.0) > 1e-5
    assert found.total < price_taking(tastes, price, 20.0).total, "who counts its own effect on the price uses less"


def test_nash_by_hand():
    """Identical users, f = b + m Q: theta - b = q (1 + m (N + 1))."""
    found = nash(np.full(4, 1.5), lambda q: 0.2 + 0.3 * q, lambda q: 0.3, 50.0)
    np.testing.assert_allclose(found.quantities, 1.3 / 2.5)


def test_the_equilibrium_of_the_reference_is_one_although_its_price_is_not_convex_everywhere():
    found = nash(REFERENCE, sigmoid, slope, 50)
    assert regret(REFERENCE, found.quantities, sigmoid, 50) < 1e-9


@settings(max_examples=20)
@given(SEEDS)
def test_the_joint_optimum_is_what_a_general_optimiser_finds(seed):
    tastes, price, _, capacity = users(seed)

    def together(q):
        return payoffs(tastes, q, price(q.sum())).sum()

    found = joint_optimum(tastes, price, capacity)
    assert together(found.quantities) == pytest.approx(best(together, 5, capacity), abs=1e-6)


def test_the_joint_optimum_is_the_better_of_two_hills():
    """A price that jumps up: full use at the low price, or at the high one."""

    def step(q):
        return 0.1 + 0.8 / (1 + np.exp(-40 * (q - 2)))

    tastes = np.full(4, 2.0)
    found = joint_optimum(tastes, step, 10.0)
    totals = np.linspace(0, 8, 4001)
    gains = [2 * q - q**2 / 8 - step(q) * q for q in totals]
    assert payoffs(tastes, found.quantities, step(found.total)).sum() == pytest.approx(max(gains), abs=1e-4)


def test_where_there_is_not_enough_there_is_no_equilibrium_to_tell():
    with pytest.raises(TacitError, match=r"capacity: 0\.1 is less than what users want together; give more"):
        nash(np.ones(3), lambda q: 0.0, lambda q: 0.0, 0.1)


def test_where_nobody_wants_anything_nothing_is_used():
    dear = np.full(3, 0.5)
    for found in (nash(dear, lambda q: 1 + q, lambda q: 1.0, 5.0), price_taking(dear, lambda q: 1 + q, 5.0)):
        assert found.total == 0

"""Closed forms against the linear systems, their differential equations and each other."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.markets.execution.closed import geometric_nash, schied_zhang, schied_zhang_inventory
from tacitlab.markets.execution.impact import almgren_chriss
from tacitlab.markets.execution.liquidation import exploitability, nash

ALPHA, KAPPA = 0.002, 0.001


@given(
    st.lists(st.sampled_from([-100.0, 0.0, 30.0, 100.0]), min_size=1, max_size=5),
    st.integers(1, 20),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_geometric_schedules_solve_the_first_order_conditions(inventories, steps, toss, shared, tau):
    order = "coin-toss" if toss else "simultaneous"
    impact = almgren_chriss(steps, 0.0023, 0.0011, tau=tau, order=order, shared_temporary=shared)
    theta = 0.0011 / 2 * toss + 0.0023 / tau * shared
    closed = geometric_nash(inventories, steps, 0.0023 / tau, 0.0011, theta)
    np.testing.assert_allclose(closed, nash(impact.game(inventories)).schedules, rtol=0, atol=2e-11)


@pytest.mark.parametrize("theta", [0.0, KAPPA / 2, ALPHA, ALPHA + KAPPA / 2])
@pytest.mark.parametrize("inventories", [[100, 100], [100, 50], [100, 0], [100, -100]])
def test_geometric_schedules_to_twelve_digits(theta, inventories):
    impact = almgren_chriss(
        order="coin-toss" if theta in (KAPPA / 2, ALPHA + KAPPA / 2) else "simultaneous",
        shared_temporary=theta >= ALPHA,
    )
    game = impact.game(inventories)
    np.testing.assert_allclose(game.cross.diagonal(), theta)
    closed = geometric_nash(inventories, same_step=theta)
    np.testing.assert_allclose(closed, nash(game).schedules, rtol=0, atol=1e-12)
    assert exploitability(game, closed).max() < 1e-12


def test_ratios_of_the_reference():
    n, theta = 4, 0.0003
    same = geometric_nash([100.0] * n, same_step=theta)[0, :, 0]
    np.testing.assert_allclose(same[1:] / same[:-1], 1 - (n - 1) * KAPPA / (2 * ALPHA - KAPPA + (n - 1) * theta))
    apart = geometric_nash([100.0, -100.0], same_step=theta)[0, :, 0]
    np.testing.assert_allclose(apart[1:] / apart[:-1], 1 + KAPPA / (2 * ALPHA - KAPPA - theta))


def test_many_agents_alternate_between_sales_and_purchases():
    for order, theta in (("coin-toss", KAPPA / 2), ("simultaneous", 0.0)):
        schedules = geometric_nash([100.0] * 8, same_step=theta)
        assert ((schedules[:, 1:] * schedules[:, :-1]).max() < 0) == (1 - 7 * KAPPA / (0.003 + 7 * theta) < 0)
        np.testing.assert_allclose(nash(almgren_chriss(order=order).game([100.0] * 8)).schedules, schedules, atol=1e-10)


@pytest.mark.parametrize("ratio", [1e-9, 1e9])
def test_extreme_ratios_do_not_overflow(ratio):
    base = KAPPA / (ratio - 1)  # r_d = 1 + kappa / base
    schedule = geometric_nash([1.0, -1.0], 60, (base + KAPPA) / 2, KAPPA)[0, :, 0]
    np.testing.assert_allclose(schedule[[0, -1]], [1, 0] if ratio < 1 else [0, 1], atol=1e-8)


def test_singular_conditions_are_named():
    with pytest.raises(TacitError, match="singular"):
        geometric_nash([100, 100], temporary=0.0, permanent=0.0)
    with pytest.raises(TacitError, match="singular"):
        geometric_nash([1, -1], temporary=0.00025, permanent=0.001)  # r_d = -1, ten steps


@pytest.mark.parametrize("inventories", [[100.0, 100.0], [100.0, 20.0], [50.0, -50.0, 80.0], [70.0]])
@pytest.mark.parametrize("risk", [0.0, 2e-4])
def test_schied_zhang_solves_its_differential_equation(inventories, risk):
    """2 lambda sigma^2 X_i - 2 alpha X_i'' = sum over the others of kappa X_j' + alpha X_j'', by differences."""
    times, h = np.linspace(1, 9, 9), 1e-3
    held = [
        schied_zhang_inventory(times + move, inventories, 10, ALPHA, KAPPA, risk_aversion=risk, volatility=1.0)
        for move in (-h, 0, h)
    ]
    slope, bend = (held[2] - held[0]) / (2 * h), (held[2] - 2 * held[1] + held[0]) / h**2
    others = KAPPA * (slope.sum(axis=0) - slope) + ALPHA * (bend.sum(axis=0) - bend)
    np.testing.assert_allclose(2 * risk * held[1] - 2 * ALPHA * bend, others, atol=1e-8)
    ends = schied_zhang_inventory([0, 10], inventories, 10, ALPHA, KAPPA, risk_aversion=risk, volatility=1.0)
    np.testing.assert_allclose(ends, [[q, 0] for q in inventories], atol=1e-12)


def test_schied_zhang_of_two_agents_as_printed():
    """Reference, equations 7 and 8, whose lambda weighs half the variance: twice ours."""
    times, weight, horizon = np.linspace(0, 10, 21), 3e-4, 10.0
    a = np.sqrt(KAPPA**2 + 12 * ALPHA * weight) / (6 * ALPHA)
    b = np.sqrt(KAPPA**2 + 4 * ALPHA * weight) / (2 * ALPHA)
    total = 130 * np.exp(-KAPPA * times / (6 * ALPHA)) * np.sinh((horizon - times) * a) / np.sinh(horizon * a)
    apart = 70 * np.exp(KAPPA * times / (2 * ALPHA)) * np.sinh((horizon - times) * b) / np.sinh(horizon * b)
    held = schied_zhang_inventory(times, [100, 30], risk_aversion=weight / 2, volatility=1.0)
    np.testing.assert_allclose(held, [(total + apart) / 2, (total - apart) / 2], atol=1e-11)


@pytest.mark.parametrize(("inventories", "risk"), [([100, 100], 0.0), ([100, 30, -20], 1e-4)])
def test_discrete_equilibria_approach_the_continuous_one(inventories, risk):
    """Shared temporary impact, ever shorter steps: the error falls with the length of a step."""
    errors = []
    for steps in (100, 200, 400):
        tau = 10 / steps
        impact = almgren_chriss(steps, tau=tau, shared_temporary=True, risk_aversion=risk, volatility=1.0)
        held = np.array(inventories)[:, None] - np.cumsum(nash(impact.game(inventories)).schedules[..., 0], axis=1)
        limit = schied_zhang_inventory(tau * np.arange(1, steps + 1), inventories, risk_aversion=risk, volatility=1.0)
        errors.append(np.abs(held - limit).max())
    assert errors[2] < 0.7
    np.testing.assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 2, rtol=0.05)


def test_own_temporary_impact_decays_faster():
    """As steps get short, sales fall per unit of time by exp(-kappa / 2 alpha), not exp(-kappa / 3 alpha)."""
    for shared, rate, printed in ((False, 1 / 2, 0.7788), (True, 1 / 3, 0.8465)):
        impact = almgren_chriss(500, tau=0.02, shared_temporary=shared)
        sales = nash(impact.game([100, 100])).schedules[0, :, 0]
        assert sales[200] / sales[150] == pytest.approx(np.exp(-rate * KAPPA / ALPHA), rel=2e-3)
        assert round(np.exp(-rate * KAPPA / ALPHA), 4) == printed


def test_special_cases():
    even = schied_zhang([50.0], permanent=0.001)  # alone and indifferent to risk
    np.testing.assert_allclose(even, 5, atol=1e-10)
    np.testing.assert_allclose(schied_zhang([50.0, 20.0], permanent=0.0)[:, 0, 0], [5, 2], atol=1e-10)
    half = schied_zhang([10.0, 10.0], steps=4, horizon=2.0)
    np.testing.assert_allclose(half.sum(axis=1), 10)
    held = schied_zhang_inventory([0.5, 1.0], [10, 10], 2.0)
    np.testing.assert_allclose(half[0, :2, 0], -np.diff([10, *held[0]]))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"horizon": 0.0}, "horizon: 0.0 is too small"),
        ({"temporary": 0.0}, "temporary: 0.0 is too small"),
        ({"volatility": -1.0}, "volatility: -1.0 is too small"),
        ({"horizon": 3.0}, "times: 0 to 5 leaves [0, 3]"),
    ],
)
def test_mistakes_are_named(numbers, message):
    with pytest.raises(TacitError, match=re.escape(message)):
        schied_zhang_inventory([0.0, 5.0], [100, 100], **numbers)

"""Every measure on schedules whose answer is known by hand or from the theory."""

import numpy as np
import pytest

from tacitlab.audits import execution as measures
from tacitlab.errors import TacitError
from tacitlab.markets.execution.impact import almgren_chriss
from tacitlab.markets.execution.liquidation import nash

RNG = np.random.default_rng(0)
WRITTEN = almgren_chriss(order="coin-toss").game([100, 100], sales_only=True)
TWAP = np.full((1, 10, 2), 10.0)
RANDOM = 100 * RNG.dirichlet(np.ones(10), (6, 2)).swapaxes(1, 2)


def equilibrium():
    return nash(WRITTEN).schedules[:, :, 0].T[None]


def test_quadrants_and_the_rectangle():
    costs = [[12.0, 12.0], [12.0, 13.0], [13.0, 12.0], [13.0, 14.0], [11.0, 12.0], [12.68, 11.5]]
    assert measures.agents_below(costs, 12.68).tolist() == [2, 1, 1, 0, 2, 1]
    assert measures.agents_below(costs, [12.5, 11.9]).tolist() == [1, 1, 0, 0, 1, 1]
    assert measures.inside(costs, 11.5, 12.68).tolist() == [True, False, False, False, False, True]
    assert measures.inside(costs, [11.5, 11.5], [12.68, 12.68]).tolist()[0]


def test_index_is_zero_in_equilibrium_and_one_at_the_optimum():
    cost = nash(WRITTEN).costs
    found = measures.index([cost, [11.5, 11.5], [10.5, 12.5], 2 * cost - 11.5], cost, [11.5, 11.5])
    np.testing.assert_allclose(found, [0, 1, 1, -1], atol=1e-12)


def test_the_error_of_a_mean_over_episodes():
    shortfalls = RNG.normal(12, 2, (3, 2500, 2))
    wide = shortfalls.std(axis=1, ddof=1) * 1.96 / 50
    np.testing.assert_allclose(measures.episode_error(shortfalls), wide)


def test_spread_agrees_with_simulated_paths():
    """Sell fixed schedules at prices with noise, and let a coin decide at each step who pays for whom."""
    sigma, kappa, paths = 2e-3, 1e-3, 40_000
    sold = RANDOM[0]
    noise = np.concatenate([np.zeros((paths, 1)), np.cumsum(RNG.normal(0, sigma, (paths, 9)), axis=1)], axis=1)
    second = RNG.random((paths, 10)) < 0.5
    costs = -noise @ sold[:, 0] + kappa * (second * sold[:, 0] * sold[:, 1]).sum(axis=1)
    found = measures.expected_spread(sold[None], sigma, kappa)[0, 0]
    assert costs.std() == pytest.approx(found, rel=0.02)
    assert measures.expected_spread(sold[None], sigma)[0, 0] < found


def test_schedules():
    assert measures.distance(TWAP, np.full((10, 1), 10.0)).tolist() == [0.0]
    ramp = np.stack([np.arange(10.0), np.arange(10.0)[::-1]], axis=1)[None]
    assert measures.distance(ramp, np.full((10, 1), 4.5)) == pytest.approx(np.sqrt(8.25))
    assert measures.share_sold(TWAP, 5).tolist() == [0.5]
    assert measures.share_sold(ramp, 1).tolist() == pytest.approx([0.1])
    np.testing.assert_allclose(measures.sale_time(TWAP), [[5.5, 5.5]])
    np.testing.assert_allclose(measures.sale_time(ramp).sum(), 11)
    assert measures.cost_gap([[11.0, 13.5], [12.0, 12.0]]).tolist() == [2.5, 0.0]


def test_faster_and_slower():
    quick, slow = np.eye(10)[0] * 100, np.eye(10)[5] * 100
    schedules = np.stack([np.stack(pair, axis=1) for pair in ((quick, slow), (slow, quick), (slow, slow))])
    costs = [[11.0, 12.0], [11.0, 12.0], [11.0, 12.0]]
    np.testing.assert_array_equal(measures.faster_pays_less(schedules, costs), [1.0, 0.0, np.nan])


def test_savings_vanish_in_equilibrium_and_are_those_of_the_theory_elsewhere():
    assert measures.exploitability(WRITTEN, equilibrium()).max() < 1e-9
    np.testing.assert_allclose(measures.exploitability(WRITTEN, TWAP), [[1.325, 1.325]])
    np.testing.assert_allclose(measures.best_responses(WRITTEN, equilibrium()), equilibrium(), atol=1e-6)


def test_a_best_response_is_worth_what_exploitability_says():
    best, saving = measures.best_responses(WRITTEN, RANDOM), measures.exploitability(WRITTEN, RANDOM)
    assert best.shape == RANDOM.shape
    for agent in (0, 1):
        changed = RANDOM.copy()
        changed[:, :, agent] = best[:, :, agent]
        after = measures.expected_costs(WRITTEN, changed)[:, agent]
        np.testing.assert_allclose(measures.expected_costs(WRITTEN, RANDOM)[:, agent] - after, saving[:, agent])


def test_costs_by_hand():
    """TWAP against TWAP: temporary impact 2, permanent impact 9, and half of the other's trade in each step."""
    np.testing.assert_allclose(measures.expected_costs(WRITTEN, TWAP), [[2 + 9 + 0.5] * 2])


def test_schedules_that_do_not_sell_all_are_refused():
    with pytest.raises(TacitError, match="full liquidations"):
        measures.exploitability(WRITTEN, TWAP / 2)

"""Teams on grids: enumeration of all policies, probabilities of scipy, simulation, limits."""

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from team_brute import random_team

from tacitlab.markets.portfolio import theory as tm
from tacitlab.markets.portfolio.grid import grid_optimum, in_bins, independent_on_grid
from tacitlab.markets.portfolio.theory import Team

HALF = tm.covariance([1, 1], 0.5)


def test_probabilities_and_means_of_bins():
    team = Team.of(tm.covariance([1, 2], -0.4), HALF, noise=0.6)
    edges = np.array([-0.7, 0.1, 1.3])
    found = in_bins(team, edges)
    joint = found.load.reshape(2, 4, 2, 4)[0, :, 1] / (team.aversion * team.risk[0, 1])
    law = multivariate_normal(cov=tm.correlation(team.seen))
    ends = np.r_[-12, edges, 12]
    for b, c in itertools.product(range(4), range(4)):
        box = law.cdf(ends[[b + 1, c + 1]], lower_limit=ends[[b, c]])
        assert joint[b, c] == pytest.approx(box, abs=2e-6)
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(2), team.signal, 400_000)
    seen = draws + 0.6 * np.random.default_rng(1).normal(size=draws.shape)
    which = np.searchsorted(edges, seen / np.sqrt(np.diag(team.seen)))
    for i, b in itertools.product(range(2), range(4)):
        inside = np.where(which[:, i] == b, draws[:, i], 0.0)
        assert abs(inside.mean() - found.means[i, b]) < 4 * inside.std() / np.sqrt(len(draws))
    np.testing.assert_allclose(found.means.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(joint.sum(axis=1), found.shares[0], atol=1e-12)


@pytest.mark.parametrize("correlation", [0.5, 0.9, -0.6])
def test_the_best_of_all_policies(correlation):
    """Two managers, three bins, three weights: 729 policies."""
    team = Team.of(tm.covariance([1, 1.5], 0.5), tm.covariance([1, 0.8], correlation))
    grid, edges = np.array([[-1.0, 0.0, 1.2], [-1.5, 0.2, 1.0]]), np.array([-0.5, 0.6])
    binned = in_bins(team, edges)
    every = [binned.value(np.stack([grid[0][list(a)], grid[1][list(b)]]))
             for a in itertools.product(range(3), repeat=3) for b in itertools.product(range(3), repeat=3)]  # fmt: skip
    found = grid_optimum(team, grid, edges)
    assert found.value == pytest.approx(max(every), abs=1e-12)
    assert found.highest >= max(every)


def test_values_are_those_of_simulation():
    team = random_team(Team.of, np.random.default_rng(3), 3)
    found = grid_optimum(team, np.linspace(-3, 3, 9))
    rng = np.random.default_rng(4)
    signals = rng.normal(size=(200_000, 3)) @ np.linalg.cholesky(team.signal).T
    which = np.searchsorted(found.edges, signals / np.sqrt(np.diag(team.signal)))
    weights = found.weights[np.arange(3), which]
    risk = np.einsum("ei,ij,ej->e", weights, team.risk, weights)
    utility = (weights * signals).sum(axis=1) - team.aversion / 2 * risk
    assert abs(utility.mean() - found.value) < 4 * utility.std() / np.sqrt(len(utility))


def test_fine_grids_come_close_to_any_weight_and_bounds_hold():
    team, values = Team.of(HALF, HALF), []
    for weights in (5, 21, 161):
        found = grid_optimum(team, np.linspace(-4, 4, weights))
        assert found.value <= found.highest < 0.8
        values.append(found.value)
    assert values == sorted(values)
    assert values[-1] > 0.799
    assert 0.74 < independent_on_grid(team, np.linspace(-4, 4, 161)) < 0.76


def test_fine_bins_come_close_to_a_signal_that_is_seen_exactly():
    team, grid = Team.of(HALF, HALF), np.linspace(-3, 3, 13)
    exact = grid_optimum(team, grid)
    coarse, fine = (grid_optimum(team, grid, np.linspace(-3, 3, bins - 1)).value for bins in (6, 60))
    assert coarse < fine <= exact.highest
    assert fine == pytest.approx(exact.value, abs=2e-3)
    real = in_bins(team, np.linspace(-3, 3, 59))
    assert real.value(real.relaxed()) == pytest.approx(0.8, abs=2e-3)


def test_one_manager_alone_has_the_bound():
    found = grid_optimum(Team.of([[1.0]], [[2.0]], 1.5), np.linspace(-1.2, 1.2, 9))
    assert 0 < found.error < 1e-3 * found.value

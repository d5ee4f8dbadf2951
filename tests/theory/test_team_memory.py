"""What memory is worth: brute force over histories, regressions, the stationary filter, simulation."""

import numpy as np
import pytest
from team_brute import best, moments, random_team, simulated, utility

from tacitlab.markets.portfolio import memory as me
from tacitlab.markets.portfolio import theory as tm
from tacitlab.markets.portfolio.theory import Team

HALF = tm.covariance([1, 1], 0.5)


def teams(count=3, steps=4):
    rng = np.random.default_rng(13)
    return [
        random_team(
            Team.of, rng, 2 + k % 2, persistence=rng.uniform(0.75, 0.9, 2 + k % 2),
            noise=rng.uniform(0.3, 1.5, 2 + k % 2), steps=steps,
        )
        for k in range(count)
    ]  # fmt: skip


def test_values_are_those_of_brute_force():
    for team in teams():
        assert me.history_value(team) == pytest.approx(best(team, own=True, remembers=True)[0], rel=1e-10)
        assert me.pooled_value(team) == pytest.approx(best(team, own=False, remembers=True)[0], rel=1e-10)
        assert tm.team_optimum(team).value == pytest.approx(best(team, own=True, remembers=False)[0], rel=1e-10)
        assert tm.centralised(team).value == pytest.approx(best(team, own=False, remembers=False)[0], rel=1e-10)
        # Independent: the best for managers whose returns' noise does not covary, in the eyes of the team.
        alone = best(team.alone(), own=True, remembers=True)[1]
        assert me.independent_value(team) == pytest.approx(utility(team, alone), rel=1e-10)


def test_filters_are_regressions():
    for team in teams(steps=5):
        s, y = moments(team)
        found, n = me.filters(team), team.sectors
        for i in range(n):
            own = slice(i, None, n)
            signal, seen, estimate = s[own, own], y[own, own], 0.0
            path = np.random.default_rng(1).normal(size=5)
            for t in range(5):
                gain = found.gains[t, i]
                estimate = (1 - gain) * team.persistence[i] * estimate + gain * path[t]
                regression = np.linalg.solve(seen[: t + 1, : t + 1], signal[: t + 1, t])
                assert estimate == pytest.approx(regression @ path[: t + 1])
                assert found.variances[t, i] == pytest.approx(regression @ signal[: t + 1, t])


def test_filters_settle_where_uncertainty_stays_the_same():
    """With variance 1: p = phi² p N/(p + N) + 1 - phi² before an observation."""
    phi, noise = 0.9, 1.0
    team = Team.of([[1.0]], [[1.0]], noise=noise, persistence=phi, steps=200)
    b = noise**2 * (1 - phi**2) - (1 - phi**2)
    p = (-b + np.sqrt(b**2 + 4 * noise**2 * (1 - phi**2))) / 2
    found = me.filters(team)
    assert found.gains[-1, 0] == pytest.approx(p / (p + noise**2), rel=1e-12)
    assert found.variances[-1, 0] == pytest.approx(1 - p * noise**2 / (p + noise**2), rel=1e-12)


def test_values_are_ordered_and_filters_are_nearly_best():
    for team in teams(6, steps=8):
        alone, filtered, best_own, everything = (
            me.independent_value(team), me.filtered_value(team), me.history_value(team), me.pooled_value(team)
        )  # fmt: skip
        assert alone < filtered <= best_own <= everything
        assert tm.independent(team).value < tm.team_optimum(team).value < best_own
        assert tm.centralised(team).value < everything


def test_filters_of_a_single_manager_are_best():
    team = Team.of([[2.0]], [[1.5]], 2.0, noise=1.0, persistence=0.8, steps=6)
    values = [f(team) for f in (me.filtered_value, me.history_value, me.pooled_value, me.independent_value)]
    np.testing.assert_allclose(values, values[0], rtol=1e-10)


def test_without_noise_or_persistence_memory_is_worth_nothing():
    for more in ({"noise": 0.0, "persistence": 0.9}, {"noise": 0.7, "persistence": 0.0}):
        team = Team.of(HALF, HALF, steps=5, **more)
        assert me.history_value(team) == pytest.approx(tm.team_optimum(team).value)
        assert me.filtered_value(team) == pytest.approx(tm.team_optimum(team).value)
        assert me.pooled_value(team) == pytest.approx(tm.centralised(team).value)


def test_long_episodes_settle():
    short, long = (Team.of(HALF, HALF, noise=1, persistence=0.5, steps=k) for k in (60, 400))
    later = (400 * me.history_value(long) - 60 * me.history_value(short)) / 340
    assert 400 * me.history_value(long) > 60 * me.history_value(short)
    assert later == pytest.approx(best(Team.of(HALF, HALF, noise=1, persistence=0.5, steps=12), own=True,
                                       remembers=True)[0], rel=0.02)  # fmt: skip


def test_filtered_play_is_that_of_simulation():
    team = Team.of(HALF, HALF, noise=0.8, persistence=0.9, steps=6)
    known, rng = me.filters(team), np.random.default_rng(5)
    estimate = 0.0

    def act(t, seen, held):
        nonlocal estimate
        estimate = (1 - known.gains[t]) * team.persistence * estimate + known.gains[t] * seen[t]
        return estimate / (team.aversion * np.diag(team.risk))

    mean, error = simulated(team, act, rng, 60_000)
    assert abs(mean - me.independent_value(team)) < 4 * error
    assert error < 0.01

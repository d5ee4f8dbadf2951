"""Teams with trading costs against brute force, simulation, scipy's Riccati equation and scalar problems."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are
from scipy.optimize import minimize
from team_brute import best, moments, random_team, simulated, unrolled, utility

from tacitlab.markets.portfolio import theory as tm
from tacitlab.markets.portfolio import trading as tt
from tacitlab.markets.portfolio.theory import Team

HALF = tm.covariance([1, 1], 0.5)


def teams(count=4, steps=4):
    rng = np.random.default_rng(11)
    found = []
    while len(found) < count:
        n = 2 + len(found) % 2
        cost = rng.uniform(0.1, 3, n)
        found.append(random_team(Team.of, rng, n, persistence=rng.uniform(0.75, 0.9, n), cost=cost, steps=steps))
    return found


def test_one_mind_is_brute_force():
    for team in teams():
        value, _ = best(team, own=False, remembers=True)
        found = tt.centralised(team)
        assert found.value == pytest.approx(value, rel=1e-10)
        assert tt.value(team, found.react, found.keep) == pytest.approx(value, rel=1e-10)
        assert utility(team, unrolled(team, found.react, found.keep)) == pytest.approx(value, rel=1e-10)


def test_the_team_optimum_is_brute_force_over_own_histories():
    for team in teams():
        value, gains = best(team, own=True, remembers=True)
        assert tt.team_optimum_value(team) == pytest.approx(value, rel=1e-10)
        responses, deviations = tt.team_responses(team)
        n, steps = team.sectors, team.steps
        for i in range(n):
            # weight on own signals -> response to own innovations: signals are innovations, discounted
            mine = gains[i::n, i::n]
            lag = np.arange(steps)[:, None] - np.arange(steps)
            filled = np.where(lag >= 0, team.persistence[i] ** np.maximum(lag, 0), 0.0)
            sd = np.r_[deviations[0, i], np.full(steps - 1, deviations[1, i])]
            np.testing.assert_allclose((mine @ filled * sd).T, responses[:, :, i], atol=1e-9)


def test_independent_managers_solve_their_own_problems():
    for team in teams():
        found = tt.independent(team)
        assert found.value == pytest.approx(utility(team, unrolled(team, found.react, found.keep)), rel=1e-10)
        own = tt.own_values(team, found.react, found.keep)
        for i in range(team.sectors):
            alone = Team.of(
                team.signal[i : i + 1, i : i + 1], team.risk[i : i + 1, i : i + 1], team.aversion,
                persistence=team.persistence[i], cost=team.cost[i], steps=team.steps,
            )  # fmt: skip
            assert own[i] == pytest.approx(tt.centralised(alone).value, rel=1e-10)
        assert tt.value(team.alone(), found.react, found.keep) == pytest.approx(own.sum(), rel=1e-10)


def test_paradigms_are_ordered():
    for team in teams(steps=6):
        linear = tt.linear_optimum(team)
        levels = [tt.independent(team).value, linear.value, tt.team_optimum_value(team), tt.centralised(team).value]
        assert levels == sorted(levels)
        assert linear.error == pytest.approx(levels[2] - levels[1])


def test_gains_of_own_signal_and_holding_are_a_maximum():
    team = teams(2, steps=3)[1]
    team = Team.of(team.signal[:2, :2], team.risk[:2, :2], 1.0, persistence=[0.9, 0.6], cost=[0.5, 1.5], steps=3)
    found, own = tt.linear_optimum(team), np.arange(2)

    def loss(gains):
        react, keep = np.zeros((2, 3, 2, 2))
        react[:, own, own], keep[:, own, own] = gains.reshape(2, 3, 2)
        return -tt.value(team, react, keep)

    starts = np.random.default_rng(0).uniform(0, 1, (4, 12))
    climbed = [minimize(loss, start, tol=1e-10) for start in starts]
    assert -min(run.fun for run in climbed) == pytest.approx(found.value, rel=1e-7)
    assert utility(team, unrolled(team, found.react, found.keep)) == pytest.approx(found.value, rel=1e-10)
    assert found.value < tt.team_optimum_value(team), "holdings do not tell all of the past"


@pytest.mark.parametrize("n", [2, 4])
def test_sectors_that_are_alike_are_one_sector_with_more_risk(n):
    """The others' expected weights are rho_s times one's own: risk counts 1 + (n - 1) rho_e rho_s times."""
    rho_s, rho_e = 0.6, 0.3
    matrices = (tm.covariance(np.ones(n), rho) for rho in (rho_s, rho_e))
    team = Team.of(*matrices, 1.5, persistence=0.8, cost=0.7, steps=7)
    alone = Team.of([[1.0]], [[1 + (n - 1) * rho_s * rho_e]], 1.5, persistence=0.8, cost=0.7, steps=7)
    assert tt.team_optimum_value(team) == pytest.approx(n * tt.centralised(alone).value, rel=1e-12)
    found = tt.linear_optimum(team)
    assert found.value == pytest.approx(n * tt.centralised(alone).value, rel=1e-9)
    assert found.error < 1e-9
    np.testing.assert_allclose(found.react[:, 0, 0], tt.centralised(alone).react[:, 0, 0], rtol=1e-5)


def test_without_costs_or_in_one_step_it_is_the_static_team():
    rng = np.random.default_rng(2)
    for steps, cost in ((1, 0.0), (5, 0.0)):
        team = random_team(Team.of, rng, persistence=0.6, cost=cost, steps=steps)
        for found, static in (
            (tt.centralised(team).value, tm.centralised(team)),
            (tt.independent(team).value, tm.independent(team)),
            (tt.team_optimum_value(team), tm.team_optimum(team)),
            (tt.linear_optimum(team).value, tm.team_optimum(team)),
        ):
            assert found == pytest.approx(static.value, rel=1e-9)


def test_long_discounted_trading_solves_the_algebraic_riccati_equation():
    rng, discount, n = np.random.default_rng(4), 0.95, 3
    team = random_team(Team.of, rng, n, persistence=rng.uniform(0.75, 0.9, n), cost=rng.uniform(0.1, 2, n), steps=400)
    found = tt.riccati(team.risk, team, discount)
    # Minimise the cost with state (signals, holdings before) and control: the weights.
    zero, one, cost = np.zeros((n, n)), np.eye(n), np.diag(team.cost)
    move = np.sqrt(discount) * np.block([[np.diag(team.persistence), zero], [zero, zero]])
    push = np.sqrt(discount) * np.vstack([zero, one])
    stage = np.block([[zero, zero], [zero, cost]])
    cross = -np.vstack([one, cost])
    weigh = team.aversion * team.risk + cost
    p = solve_discrete_are(move, push, stage, weigh, s=cross)
    policy = -np.linalg.solve(weigh + push.T @ p @ push, push.T @ p @ move + cross.T)
    np.testing.assert_allclose(found.react[0], policy[:, :n], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.keep[0], policy[:, n:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.burden[0], p[n:, n:], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.worth[0], -p[:n, :n], rtol=1e-8, atol=1e-10)


def test_values_are_those_of_simulation():
    rng = np.random.default_rng(6)
    for team in teams(2, steps=5):
        for found in (tt.centralised(team), tt.independent(team), tt.linear_optimum(team)):
            mean, error = simulated(
                team, lambda t, seen, held, f=found: seen[t] @ f.react[t].T + held @ f.keep[t].T, rng
            )
            assert abs(mean - found.value) < 4 * error
            assert error < 0.05 * mean


def test_what_a_regression_on_the_own_signal_finds():
    team = Team.of(HALF, HALF, persistence=0.8, cost=0.5, steps=3)
    found = tt.linear_optimum(team)
    k = unrolled(team, found.react, found.keep)
    expected = np.diag(k @ moments(team)[0]).reshape(3, 2).mean(axis=0)
    np.testing.assert_allclose(tt.responses(team, found.react, found.keep), expected)

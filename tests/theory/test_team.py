"""Static teams: the reference's digits, brute force, optimality person by person, other than linear policies."""

import numpy as np
import pytest
from scipy.optimize import minimize
from team_brute import best, random_team, simulated

from tacitlab.errors import TacitError
from tacitlab.markets.portfolio import theory as tm
from tacitlab.markets.portfolio.theory import Team

HALF = tm.covariance([1, 1], 0.5)


def teams(count=5, **more):
    rng = np.random.default_rng(7)
    return [random_team(Team.of, rng, n=2 + k % 3, **more) for k in range(count)]


def test_the_digits_of_the_reference():
    team = Team.of(HALF, HALF)
    assert tm.centralised(team).value == pytest.approx(1.0, abs=1e-12)
    assert tm.team_optimum(team).value == pytest.approx(0.8, abs=1e-12)
    assert tm.independent(team).value == pytest.approx(0.75, abs=1e-12)
    np.testing.assert_allclose(tm.team_optimum(team).own, 0.8)


def test_the_formulas_of_the_reference():
    for team in teams():
        t, sigma, gamma = team.signal, team.risk, team.aversion
        assert tm.centralised(team).value == pytest.approx(np.trace(np.linalg.inv(sigma) @ t) / (2 * gamma))
        k = tm.team_optimum(team).own
        assert tm.team_optimum(team).value == pytest.approx(k @ np.diag(t) / 2)
        k = np.random.default_rng(1).normal(size=len(t))
        assert tm.value(team, k) == pytest.approx(k @ np.diag(t) - gamma / 2 * k @ (sigma * t) @ k)


@pytest.mark.parametrize("noise", [0.0, 0.8])
def test_optima_are_those_of_brute_force(noise):
    for team in teams(noise=noise):
        for found, own in ((tm.centralised(team), False), (tm.team_optimum(team), True)):
            value, gains = best(team, own=own, remembers=True)
            assert found.value == pytest.approx(value, rel=1e-10)
            np.testing.assert_allclose(found.gains, gains, rtol=1e-8, atol=1e-10)
        climbed = minimize(lambda k, team=team: -tm.value(team, k), np.zeros(team.sectors), tol=1e-12)
        np.testing.assert_allclose(climbed.x, tm.team_optimum(team).own, atol=1e-5)
        levels = [tm.independent(team).value, tm.team_optimum(team).value, tm.centralised(team).value]
        assert levels == sorted(levels)


@pytest.mark.parametrize("noise", [0.0, 0.8])
def test_values_are_those_of_simulation(noise):
    rng = np.random.default_rng(3)
    for team in teams(3, noise=noise):
        k = rng.normal(size=(team.sectors, team.sectors))
        mean, error = simulated(team, lambda t, seen, held, k=k: seen[0] @ k.T, rng, 100_000)
        assert abs(mean - tm.value(team, k)) < 4 * error
        assert error < 0.1 * max(1, abs(mean))


def test_nobody_can_improve_the_optimum_alone_and_what_others_can():
    for team in teams(noise=0.3):
        np.testing.assert_allclose(tm.improvements(team, tm.team_optimum(team).own), 0, atol=1e-12)
        k = tm.independent(team).own
        for i, gained in enumerate(tm.improvements(team, k)):
            changed = k.copy()
            changed[i] = tm.best_replies(team, k)[i]
            assert tm.value(team, changed) - tm.value(team, k) == pytest.approx(gained, abs=1e-12)
            assert tm.best_replies(team, changed)[i] == pytest.approx(changed[i])


@pytest.mark.parametrize("shape", [np.sign, np.tanh, lambda x: x**3, lambda x: x**2, np.ones_like, np.abs])
def test_no_policy_that_is_not_linear_helps(shape):
    """A manager who adds a little of a function f gains E[f(s_i)(s_i - gamma sum_j Sigma_ij w_j)]: nothing."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    for team in teams():
        k, sd = tm.team_optimum(team).own, np.sqrt(np.diag(team.signal))
        for i in range(team.sectors):
            expected = team.signal[:, i] / sd[i] * points[:, None]  # of all signals given one
            slope = expected[:, i] - team.aversion * (expected * k) @ team.risk[i]
            assert weights @ (shape(points) * slope) == pytest.approx(0, abs=1e-12)


def test_what_managers_get_for_their_own_sectors():
    rng = np.random.default_rng(5)
    for team in teams(noise=0.4):
        own = tm.own_values(team, tm.independent(team).gains)
        changed = tm.independent(team).own * rng.uniform(0.5, 1.5, team.sectors)
        assert (own >= tm.own_values(team, changed)).all()
        alone = [tm.value(Team.of([[t]], [[s]], team.aversion, noise=0.4), [k]) for t, s, k in
                 zip(np.diag(team.signal), np.diag(team.risk), changed, strict=True)]  # fmt: skip
        np.testing.assert_allclose(tm.own_values(team, changed), alone)
        assert tm.value(team.alone(), changed) == pytest.approx(sum(alone))


def test_signals_that_are_copies_of_each_other():
    team = Team.of(tm.covariance([1, 2], 1.0), HALF)
    assert tm.centralised(team).value == pytest.approx(np.trace(np.linalg.inv(HALF) @ team.signal) / 2)
    noisy = Team.of(team.signal, HALF, noise=0.5)
    assert tm.centralised(noisy).value == pytest.approx(best(noisy, own=False, remembers=True)[0])
    np.testing.assert_allclose(tm.root(team.signal) @ tm.root(team.signal).T, team.signal, atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"signal": [[1, 2], [2, 1]]}, "signal: the matrix is not a covariance matrix (least eigenvalue -1)"),
        ({"signal": [[1, 0.5], [0.4, 1]]}, "signal: the matrix is not symmetric"),
        ({"signal": [[1, 0, 0], [0, 1, 0]]}, "signal: shapes are (2, 3) and (2, 2)"),
        ({"signal": [[1, 0], [0, 0]]}, "signal: a variance is not positive"),
        ({"risk": [[1, 1], [1, 1]]}, "risk: the matrix is not positive definite"),
        ({"persistence": [0.9, 0.0], "signal": tm.covariance([1, 1], 0.95)}, "persistence: the matrix is not possible"),
    ],
)
def test_what_cannot_be_is_refused(fields, problem):
    with pytest.raises(TacitError) as error:
        Team.of(**{"signal": HALF, "risk": HALF, **fields})
    assert problem in str(error.value)
    assert "\n" not in str(error.value)

"""The optimal execution game against price paths, SciPy and the numbers of the reference."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_paths import expected
from scipy.optimize import minimize

from tacitlab.errors import TacitError
from tacitlab.markets.execution.closed import schied_zhang
from tacitlab.markets.execution.impact import almgren_chriss, exponential, power_law, transient
from tacitlab.markets.execution.liquidation import (
    LiquidationGame,
    best_response,
    exploitability,
    fundamental_solutions,
    nash,
)

BASE = almgren_chriss().game([100, 100])
TOSS = almgren_chriss(order="coin-toss").game([100, 100])
SHARED = almgren_chriss(shared_temporary=True).game([100, 100])
LATE = almgren_chriss(lag=2).game([100, 100], sales_only=True)


@st.composite
def markets(draw):
    """Costs of up to five agents from first principles, and the game that claims to have them."""
    players, steps = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    alpha, kappa = random.uniform(2e-3, 5e-3, steps), random.uniform(0, 1e-3, steps)
    lag, toss, shared = draw(st.integers(1, 2)), draw(st.booleans()), draw(st.booleans())
    aversion, sales_only = draw(st.sampled_from([0.0, 1e-3])), draw(st.booleans())
    inventories = (
        random.choice([-50.0, 0.0, 20.0, 100.0], size=players) if draw(st.booleans()) else np.full(players, 60)
    )
    order = ("simultaneous", "coin-toss")[toss]
    impact = almgren_chriss(
        steps, alpha, kappa, lag=lag, order=order, shared_temporary=shared, risk_aversion=aversion, volatility=1.0
    )

    def costs(schedules):
        noise_free = expected(
            schedules, toss, lambda s, t: kappa[s] * (t - s >= lag), lambda s: kappa[s] * (lag == 1), alpha, shared
        )
        held = np.cumsum(schedules[:, ::-1], axis=1)[:, ::-1] - schedules
        return noise_free + aversion * (held**2).sum(axis=1)

    return impact.game(inventories, sales_only), costs


def deviation(costs, schedules, agent):
    """Gradient and Hessian of an agent's cost in moves of one share from the last step to each other one.

    Differences of a quadratic function have no error but rounding.
    """
    steps = schedules.shape[1]
    moves = np.eye(steps)[:-1] - np.eye(steps)[-1]

    def cost(move):
        moved = schedules.copy()
        moved[agent] += move
        return costs(moved)[agent]

    here, up = cost(0.0), np.array([cost(move) for move in moves])
    down = np.array([cost(-move) for move in moves])
    both = np.array([[cost(one + other) for other in moves] for one in moves]).reshape(steps - 1, steps - 1)
    return (up - down) / 2, both - up[:, None] - up + here, moves, here


def by_hand(costs, schedules, agent, sales_only):
    """The least cost of an agent: Newton's step, or SLSQP from here and from even trades."""
    slope, curve, moves, here = deviation(costs, schedules, agent)
    if not len(slope):
        return here
    if not sales_only:
        return here - slope @ np.linalg.solve(curve, slope) / 2
    sign = -1 if schedules[agent].sum() < 0 else 1
    even = np.full(schedules.shape[1], schedules[agent].mean())
    ends = []
    for start in (schedules[agent], even):
        result = minimize(
            lambda x: slope @ x + x @ curve @ x / 2,
            (start - schedules[agent])[:-1],
            jac=lambda x: slope + curve @ x,
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda x: sign * (schedules[agent] + x @ moves),
                "jac": lambda x: sign * moves.T,
            },
            options={"ftol": 1e-15},
        )
        ends.append(here + result.fun)
    return min(ends)


@given(markets())
@settings(max_examples=60)
def test_nobody_gains_by_leaving_nash(market):
    game, costs = market
    solution = nash(game)
    schedules = solution.schedules[..., 0]
    np.testing.assert_allclose(schedules.sum(axis=1), game.inventories[:, 0], atol=1e-10)
    np.testing.assert_allclose(solution.costs, costs(schedules), atol=1e-9)
    assert solution.error <= 1e-9
    if game.sales_only:
        assert (schedules * np.where(game.inventories < 0, -1, 1)).min() >= 0
    for agent in range(game.players):
        least = by_hand(costs, schedules, agent, game.sales_only)
        assert costs(schedules)[agent] - least <= 1e-9 * max(1.0, abs(least))


@given(markets(), st.integers(0, 10**6))
@settings(max_examples=30)
def test_best_responses_and_exploitability(market, seed):
    game, costs = market
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(game.steps), size=game.players)
    schedules = shares * game.inventories
    gains = exploitability(game, schedules[..., None])
    for agent in range(game.players):
        response = best_response(game, agent, schedules[..., None])
        least = by_hand(costs, schedules, agent, game.sales_only)
        assert response.cost == pytest.approx(least, abs=1e-6, rel=1e-7)  # SLSQP's error
        assert response.cost <= least + 1e-9 * max(1.0, abs(least))
        assert gains[agent] == pytest.approx(costs(schedules)[agent] - response.cost, abs=1e-9)
        schedules_after = schedules.copy()
        schedules_after[agent] = response.schedule[:, 0]
        assert costs(schedules_after)[agent] == pytest.approx(response.cost, abs=1e-9)
        assert response.schedule.sum() == pytest.approx(game.inventories[agent, 0], abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_best_responses_in_several_assets_against_scipy(seed):
    random = np.random.default_rng(seed)
    cross = np.array([[1.0, 0.7], [0.7, 0.9]])
    impact = transient(power_law(4, 0.4), [0.05, 0.4], cross_impact=cross)
    game = impact.game(np.array([[4.0, -1.0], [2.0, 3.0], [0.0, 1.0]]), sales_only=True)
    schedules = random.dirichlet(np.ones(4), size=(3, 2)).swapaxes(1, 2) * game.inventories[:, None]
    for agent in range(3):
        response = best_response(game, agent, schedules)
        signs = np.where(game.inventories[agent] < 0, -1.0, 1.0)

        def cost(x, agent=agent):
            moved = schedules.copy()
            moved[agent] = x.reshape(4, 2)
            return game.costs(moved)[agent]

        result = minimize(
            cost,
            schedules[agent].reshape(-1),
            bounds=[(0, None) if sign > 0 else (None, 0) for _ in range(4) for sign in signs],
            constraints={"type": "eq", "fun": lambda x, i=agent: x.reshape(4, 2).sum(axis=0) - game.inventories[i]},
            options={"ftol": 1e-12},
        )
        assert response.cost == pytest.approx(result.fun, abs=1e-6)
        assert response.cost <= result.fun + 1e-9
        assert (response.schedule * signs).min() >= 0
    solution = nash(game)
    assert solution.error <= 1e-12
    assert not game.against(solution.schedules).any()


def rounded(values, digits):
    return [round(float(value), digits) for value in np.ravel(values)]


def test_table_of_equilibria():
    for game, ratio, price, twap in (
        (BASE, 0.6667, 12.0706, 11.0),
        (TOSS, 0.7143, 12.679, 11.5),
        (SHARED, 0.8, 14.1353, 13.0),
    ):
        solution = nash(game)
        assert rounded(solution.costs, 4) == [price] * 2
        assert rounded(game.costs(game.twap()), 12) == [twap] * 2
        assert rounded(solution.schedules[:, 1:] / solution.schedules[:, :-1], 4) == [ratio] * 18
        assert solution.error < 1e-12
    published = [33.922, 22.614, 15.076, 10.051, 6.701, 4.467, 2.978, 1.985, 1.324, 0.882]
    assert rounded(nash(BASE).schedules, 3) == published * 2


def test_against_twap():
    response = best_response(BASE, 1, BASE.twap())
    together = BASE.twap()
    together[1] = response.schedule
    assert rounded(BASE.costs(together), 10) == [13.75, 9.625]


def test_the_papers_nash_is_none():
    schedules = schied_zhang([100, 100])
    published = [18.927, 16.021, 13.562, 11.480, 9.717, 8.225, 6.963, 5.894, 4.989, 4.223]
    assert rounded(schedules, 3) == published * 2
    assert rounded(BASE.costs(schedules), 4) == [11.2186] * 2
    assert rounded(exploitability(BASE, schedules), 4) == [0.4499] * 2
    assert rounded(LATE.costs(schedules), 4) == [9.1857] * 2


def test_eigenvalues_that_decide_uniqueness():
    found = BASE.curvatures()
    assert found["monotone"] == pytest.approx(0.0025, abs=1e-15)
    found_difference = BASE.own - (BASE.cross + BASE.cross.T) / 2
    assert BASE.curvature(found_difference) == pytest.approx(0.0035, abs=1e-15)
    values = {"mean": 2 * (0.002 - 0.001), "difference": 2 * 0.002, "own": 2 * 0.002 - 0.001}
    assert {name: found[name] for name in values} == pytest.approx(values, abs=1e-15)
    assert round(LATE.curvatures()["monotone"], 6) == -2.4e-5
    for players in (2, 3, 4, 6):  # reference, sections 2 and 4
        for theta, impact in ((0.0, almgren_chriss()), (0.0005, almgren_chriss(order="coin-toss"))):
            found = impact.game(np.full(players, 100.0)).curvatures()
            both = 0.004 - 0.001 + (players - 1) * (theta - 0.0005), 0.004 - 0.0005 - theta
            assert found["monotone"] == pytest.approx(min(both), abs=1e-15)
            assert found["mean"] == pytest.approx(2 * (0.002 - players * 0.0005 + (players - 1) * theta), abs=1e-14)


def best_response_radius(game):
    basis = np.linalg.svd(np.ones((1, 10)))[2][1:].T
    move = np.linalg.solve(basis.T @ game.own @ basis, basis.T @ game.cross @ basis)
    return np.abs(np.linalg.eigvals(move)).max()


def test_iterated_best_responses():
    assert round(best_response_radius(BASE), 3) == 0.539
    assert round(best_response_radius(LATE), 3) == 1.087
    schedules = np.random.default_rng(0).dirichlet(np.ones(10), size=2)[..., None] * 100
    for _ in range(80):
        schedules = np.array([best_response(BASE, agent, schedules).schedule for agent in range(2)])
    np.testing.assert_allclose(schedules, nash(BASE).schedules, atol=1e-12)


def test_the_public_code_trades_one_step_late():
    solution = nash(LATE)
    assert rounded(solution.costs, 3) == [8.574] * 2
    assert rounded(LATE.costs(LATE.twap()), 4) == [9.2] * 2
    assert solution.error < 1e-12
    assert "extragradient" in solution.method
    free = nash(almgren_chriss(lag=2).game([100, 100]))
    assert free.schedules.min() < -30  # heavy buying
    assert free.costs[0] == pytest.approx(6.498, abs=5e-4)
    toss = almgren_chriss(lag=2, order="coin-toss").game([100, 100], sales_only=True)
    np.testing.assert_array_equal(toss.cross, LATE.cross)


def test_random_starts_reach_the_same_equilibrium_one_step_late():
    """Uniqueness is not proved there; projected gradient steps from anywhere end at the same schedules."""
    random, known = np.random.default_rng(1), nash(LATE).schedules[..., 0]

    def project(values):
        ordered = -np.sort(-values, axis=1)
        levels = (np.cumsum(ordered, axis=1) - 100) / np.arange(1, 11)
        last = (ordered > levels).sum(axis=1) - 1
        return np.maximum(values - levels[np.arange(2), last][:, None], 0)

    for _ in range(3):
        point = 100 * random.dirichlet(np.ones(10), size=2)
        for _ in range(2500):
            ahead = project(point - 25 * (point @ LATE.own + point[::-1] @ LATE.cross.T))
            point = project(point - 25 * (ahead @ LATE.own + ahead[::-1] @ LATE.cross.T))
        np.testing.assert_allclose(point, known, atol=1e-6)


def test_many_agents_with_coin_toss():
    game = almgren_chriss(order="coin-toss").game([100, 100, 100])
    assert rounded(nash(game).costs, 3) == [20.01] * 3
    assert rounded(game.costs(game.twap()), 10) == [16.5] * 3


def test_fundamental_solutions_are_the_published_formula():
    game = transient(exponential(7, 0.3), 0.4).game([3.0, 1.0, -2.0])
    common, apart = fundamental_solutions(game)
    for found, matrix in ((common, game.own + 2 * game.cross), (apart, game.own - game.cross)):
        formula = np.linalg.solve(matrix, np.ones(7))
        np.testing.assert_allclose(found[:, 0], formula / formula.sum(), atol=1e-14)
    mean = game.inventories.mean()
    together = mean * common.T + (game.inventories - mean) @ apart.T
    np.testing.assert_allclose(nash(game).schedules[..., 0], together, atol=1e-14)


def test_one_linear_system_for_all_agents_is_the_same():
    game = transient(power_law(5, 0.5), 0.3, order="simultaneous").game([[4.0], [0.0], [-1.0]])
    agents, size = 3, 5
    jacobian = np.kron(np.eye(agents), game.own - game.cross) + np.tile(game.cross, (agents, agents))
    rows = np.kron(np.eye(agents), np.ones((1, size)))
    system = np.block([[jacobian, rows.T], [rows, np.zeros((agents, agents))]])
    flat = np.linalg.solve(system, np.concatenate([np.zeros(agents * size), game.inventories[:, 0]]))
    np.testing.assert_allclose(nash(game).schedules.reshape(-1), flat[: agents * size], atol=1e-13)


def test_costs_take_batches():
    schedules = np.random.default_rng(0).normal(size=(3, 4, 2, 10, 1))
    np.testing.assert_allclose(BASE.costs(schedules)[1, 2], BASE.costs(schedules[1, 2]))


def test_agents_without_orders_do_not_trade_if_only_sales_are_allowed():
    impact = almgren_chriss()
    predator = nash(impact.game([100, 0])).schedules[1, :, 0]
    assert predator[0] > 10
    assert predator.sum() == pytest.approx(0, abs=1e-12)
    solution = nash(impact.game([100, 0], sales_only=True))
    assert not solution.schedules[1].any()
    np.testing.assert_allclose(solution.schedules[0], 10, atol=1e-10)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: LiquidationGame(np.eye(2), np.eye(3), [1.0], 2),
            "own, cross: (2, 2) and (3, 3) do not fit 2 steps of 1",
        ),
        (lambda: LiquidationGame(np.tri(2), np.eye(2), [1.0], 2), "own: is not symmetric"),
        (lambda: LiquidationGame(np.eye(2), np.eye(2) * np.nan, [1.0], 2), "cross: has an entry that is not finite"),
        (lambda: LiquidationGame(np.eye(2), np.eye(2), [], 2), "inventories: the shape (0, 1) is wrong"),
        (lambda: BASE.costs(np.ones((2, 10))), "schedules: the shape (2, 10) is wrong"),
        (lambda: exploitability(BASE, 0.9 * BASE.twap()), "agent 0 sells 90 of 100 shares of asset 0"),
        (lambda: nash(almgren_chriss(permanent=0.005).game([1, 1])), "own: no best response, as its smallest eigen"),
        (lambda: best_response(almgren_chriss(permanent=0.004).game([1]), 0, np.ones((1, 10, 1))), "is 0;"),
    ],
)
def test_mistakes_are_named(build, message):
    with pytest.raises(TacitError, match=re.escape(message)):
        build()


def test_singular_conditions_are_named():
    own, later = np.eye(2) * 2, np.tri(2, k=-1)
    game = LiquidationGame(own, 2 * np.eye(2) + later - later.T, [1.0, 2.0], 2)
    with pytest.raises(TacitError, match="the equilibrium conditions are singular"):
        nash(game)
    assert nash(LiquidationGame(own, game.cross, [1.0, 1.0], 2)).error < 1e-12  # the differences do not matter then

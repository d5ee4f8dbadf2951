"""Joint optima against random search and SciPy; bounds that no schedules beat; sentences with their numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tacitlab.errors import TacitError
from tacitlab.markets.execution import quadratic
from tacitlab.markets.execution.impact import almgren_chriss, exponential, transient
from tacitlab.markets.execution.liquidation import LiquidationGame, nash
from tacitlab.markets.execution.optimum import diagnose, joint_optimum, lower_bound
from tacitlab.markets.execution.quadratic import Totals, random_points

BASE = almgren_chriss().game([100, 100])
LATE = almgren_chriss(lag=2).game([100, 100], sales_only=True)


@st.composite
def games(draw):
    players, steps = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    impact = almgren_chriss(
        steps,
        random.uniform(1e-3, 5e-3, steps),
        random.uniform(0, 1e-3, steps),
        lag=draw(st.integers(1, 2)),
        order=draw(st.sampled_from(["simultaneous", "coin-toss"])),
        shared_temporary=draw(st.booleans()),
    )
    equal = draw(st.booleans())
    inventories = np.full(players, 60.0) if equal else random.choice([-40.0, 0.0, 30.0, 100.0], size=players)
    return impact.game(inventories, sales_only=draw(st.booleans())), random


def liquidations(game, random, count):
    """Random full liquidations, (count, agents, steps, assets), with purchases if these are allowed."""
    shares = random.dirichlet(np.ones(game.steps), size=(count, game.players, game.assets)).swapaxes(2, 3)
    if not game.sales_only:
        moves = random.normal(size=shares.shape) * np.exp(random.normal(size=(count, 1, 1, 1)))
        return shares * game.inventories[:, None] + 50 * (moves - moves.mean(axis=2, keepdims=True))
    return shares * game.inventories[:, None]


@given(games())
@settings(max_examples=100)
def test_nobody_beats_the_joint_optimum(case):
    game, random = case
    tried = game.costs(liquidations(game, random, 300)).sum(axis=1)
    if not game.sales_only and min(game.curvatures()["mean"], game.curvatures()["difference"]) < 0:
        with pytest.raises(TacitError, match="unbounded below"):
            joint_optimum(game)
        assert lower_bound(game) is None
        return
    optimum = joint_optimum(game)
    total, size = optimum.costs.sum(), max(1.0, np.abs(tried).max())
    assert total <= tried.min() + 1e-9 * size
    np.testing.assert_allclose(optimum.schedules.sum(axis=1), game.inventories, atol=1e-9)
    if game.sales_only:
        assert (optimum.schedules * np.where(game.inventories < 0, -1, 1)[:, None]).min() >= 0
    bound = lower_bound(game)
    assert (bound is None) == (optimum.error == np.inf)
    if bound is not None:
        assert total - 1e-9 * size <= bound <= total


@given(games())
@settings(max_examples=25)
def test_joint_optimum_is_scipys(case):
    game, _ = case
    if not game.sales_only:
        return
    signs = game.signs(*range(game.players))
    best = np.inf
    for start in [game.totals(*range(game.players)).even, *random_points(game.totals(*range(game.players)), 5)]:
        result = minimize(
            lambda x: game.costs(game.shaped(signs * x)).sum(),
            start,
            method="SLSQP",
            bounds=[(0, None)] * len(start),
            constraints={
                "type": "eq",
                "fun": lambda x: game.shaped(signs * x).sum(axis=1).ravel() - game.inventories.ravel(),
            },
            options={"ftol": 1e-12},
        )
        best = min(best, result.fun)
    assert joint_optimum(game).costs.sum() <= best + 1e-6 * max(1.0, abs(best))


def test_hard_lower_bounds_of_the_reference():
    """And TWAP attains them."""
    for order, bound, seed in (("simultaneous", 22, 1), ("coin-toss", 23, 2)):
        game = almgren_chriss(order=order).game([100, 100])
        assert lower_bound(game) == pytest.approx(bound, abs=1e-10)
        assert game.costs(game.twap()).sum() == pytest.approx(bound, abs=1e-10)
        tried = game.costs(liquidations(game, np.random.default_rng(seed), 20_000)).sum(axis=1)
        assert bound <= tried.min()
        sales = almgren_chriss(order=order).game([100, 100], sales_only=True)
        assert lower_bound(sales) == pytest.approx(bound, abs=1e-10)


def test_the_sum_of_costs_splits_as_in_the_reference():
    schedules = liquidations(BASE, np.random.default_rng(0), 50)[..., 0]
    half, apart = schedules.sum(axis=1) / 2, (schedules[:, 0] - schedules[:, 1]) / 2
    for impact, theta in ((almgren_chriss(), 0.0), (almgren_chriss(order="coin-toss", shared_temporary=True), 0.0025)):
        both = 2 * (0.001 + theta) * (half**2).sum(axis=1) + 2 * (0.002 - theta) * (apart**2).sum(axis=1)
        game = impact.game([100, 100])
        np.testing.assert_allclose(game.costs(schedules[..., None]).sum(axis=1), both + 0.001 * 200**2 / 2)


def test_twap_is_the_joint_optimum_of_the_written_game():
    np.testing.assert_allclose(joint_optimum(BASE).schedules, 10, atol=1e-10)
    several = almgren_chriss(order="coin-toss").game([100.0] * 7)
    np.testing.assert_allclose(joint_optimum(several).schedules, 10, atol=1e-10)
    assert lower_bound(almgren_chriss().game([100.0] * 3)) is not None
    with pytest.raises(TacitError, match="unbounded below"):
        joint_optimum(almgren_chriss().game([100.0, 90.0, 80.0, 70.0, 60.0]))


def test_four_agents_at_the_edge():
    """theta = 0: from n = 2 alpha / kappa = 4 on, TWAP is not the only joint optimum."""
    flat = almgren_chriss().game([100.0] * 4)
    assert flat.curvatures()["mean"] == 0
    optimum = joint_optimum(flat)
    assert "one of many" in optimum.method
    np.testing.assert_allclose(optimum.schedules, 10, atol=1e-10)
    other = 40 * np.random.default_rng(0).dirichlet(np.ones(10))
    assert flat.costs(np.tile(2.5 * other[:, None], (4, 1, 1))).sum() == pytest.approx(optimum.costs.sum())


def test_shared_temporary_impact_has_many_joint_optima():
    game = almgren_chriss(shared_temporary=True).game([100, 60])
    optimum = joint_optimum(game)
    np.testing.assert_allclose(optimum.schedules, game.twap(), atol=1e-10)
    move = np.random.default_rng(0).normal(size=(10, 1))
    other = game.twap() + np.stack([move, -move]) - np.stack([move, -move]).mean(axis=1, keepdims=True)
    assert game.costs(other).sum() == pytest.approx(optimum.costs.sum(), abs=1e-10)


def test_a_flat_sum_that_falls_for_ever():
    game = LiquidationGame(2 * np.eye(2), np.diag([-0.5, -1.5]), [1.0, 1.0], 2)  # own + cross + cross' = diag(1, -1)
    assert game.curvatures()["mean"] == 0
    with pytest.raises(TacitError, match="falls for ever along a flat direction"):
        joint_optimum(game)
    assert lower_bound(game) is None
    sales = LiquidationGame(game.own, game.cross, game.inventories, 2, sales_only=True)
    np.testing.assert_allclose(joint_optimum(sales).schedules[..., 0], [[0, 1], [0, 1]], atol=1e-12)


def test_the_joint_optimum_one_step_late_is_proved():
    """The reference found 8.333 by local search; all faces of the simplex confirm it."""
    optimum = joint_optimum(LATE)
    assert [round(cost, 3) for cost in optimum.costs] == [8.333] * 2
    assert optimum.error == 0
    assert lower_bound(LATE) == pytest.approx(50 / 3, abs=1e-10)
    tried = LATE.costs(liquidations(LATE, np.random.default_rng(0), 20_000)).sum(axis=1)
    assert lower_bound(LATE) < tried.min()
    with pytest.raises(TacitError, match=r"unbounded below in the mean schedule \(eigenvalue -0.00137\)"):
        joint_optimum(almgren_chriss(lag=2).game([100, 100]))


def test_best_of_many_searches_where_nothing_is_proved():
    optimum = joint_optimum(almgren_chriss(lag=2).game([100, 60], sales_only=True))
    assert optimum.error == np.inf
    assert optimum.method == "best of 20 local searches (SLSQP)"
    long = joint_optimum(almgren_chriss(16, lag=2).game([100, 100], sales_only=True))
    assert long.error == np.inf
    assert long.costs.sum() == pytest.approx(50 / 3, abs=1e-9)  # five of ten steps are in use


def test_work_is_bounded_where_nothing_is_proved(monkeypatch):
    """Fewer starts for many trades, and beyond 120 none; what stands instead is said."""
    starts = []

    def count(hessian, totals, tried):
        starts.append(len(tried))
        return local_minima(hessian, totals, tried[:1])

    local_minima = quadratic.local_minima
    monkeypatch.setattr(quadratic, "local_minima", count)
    for steps in (16, 20, 30, 60):
        joint_optimum(almgren_chriss(steps, lag=2).game([100, 100], sales_only=True))
    assert starts == [20, 20, 13, 6]
    large = almgren_chriss(61, lag=2).game([100, 100], sales_only=True)
    with pytest.raises(TacitError, match=r"122 trades of all agents .* too many to search; at most 120 are tried"):
        joint_optimum(large)
    assert lower_bound(large) is None
    assert len(starts) == 4
    equilibrium = nash(large).costs.sum()
    assert f"its costs add up to {equilibrium:.6g} at most, those of the equilibrium" in said(large)
    assert equilibrium > 50 / 3 - 1e-9  # what the first ten steps alone can do


def test_many_steps_are_no_trouble_where_the_sum_is_convex():
    assert "one of many" not in joint_optimum(almgren_chriss(200).game([100, 100])).method
    assert joint_optimum(almgren_chriss(200).game([100, 100])).error < 1e-9


def test_a_convex_program_if_somebody_would_buy():
    impact = almgren_chriss(temporary=np.linspace(0.004, 0.00049, 10), permanent=np.linspace(0.002, 0.00029, 10))
    optimum = joint_optimum(impact.game([20], sales_only=True))
    assert optimum.method == "quadratic program (active set)"
    assert 0 <= optimum.error < 1e-12
    np.testing.assert_allclose(optimum.schedules, nash(impact.game([20], sales_only=True)).schedules, atol=1e-10)


def test_nothing_to_sell():
    for impact in (almgren_chriss(), almgren_chriss(shared_temporary=True, order="coin-toss")):
        game = impact.game([0, 0], sales_only=True)
        assert not joint_optimum(game).schedules.any()
        assert not nash(game).schedules.any()
        assert nash(game).error == 0
        one = impact.game([0, 100], sales_only=True)
        np.testing.assert_allclose(joint_optimum(one).schedules[..., 0], [[0] * 10, [10] * 10], atol=1e-9)


def test_several_assets():
    impact = transient(exponential(5, 0.7), 0.4, cross_impact=[[1.0, 0.5], [0.5, 2.0]], order="coin-toss")
    game = impact.game(np.array([[3.0, 1.0], [2.0, -2.0]]))
    optimum = joint_optimum(game)
    for move in np.random.default_rng(0).normal(size=(200, 2, 5, 2)):
        assert game.costs(optimum.schedules + move - move.mean(axis=1, keepdims=True)).sum() > optimum.costs.sum()


def test_nothing_is_unusual_about_the_written_game():
    assert diagnose(BASE) == ()
    assert diagnose(almgren_chriss(order="coin-toss").game([100, 100])) == ()
    assert diagnose(almgren_chriss().game([100])) == ()


def said(game):
    return "\n".join(diagnose(game))


def test_what_is_unusual_one_step_late():
    late = said(LATE)
    assert "not strongly monotone (smallest eigenvalue -2.38e-05)" in late
    assert "not convex in the mean schedule (eigenvalue -0.00137): only the ban on purchases bounds it" in late
    assert "TWAP is not the joint optimum: its costs add up to 18.4, the optimum's to 16.6667" in late
    assert "the equilibrium is cheaper for every agent than TWAP: 8.57363 against 9.2 a head" in late
    free = said(almgren_chriss(lag=2).game([100, 100]))
    assert "it is unbounded below" in free
    assert "oscillate between sales and purchases: agent 0 trades 77.062 shares of asset 0 against its order" in free


def test_what_is_unusual_elsewhere():
    assert "flat in the differences between schedules" in said(almgren_chriss(shared_temporary=True).game([100, 100]))
    assert "flat in the mean schedule" in said(almgren_chriss().game([100.0] * 4))
    shared = said(almgren_chriss(shared_temporary=True, order="coin-toss").game([100, 100]))
    assert "not convex in the differences between schedules (eigenvalue -0.001): it is unbounded below" in shared
    steep = said(almgren_chriss(permanent=0.005).game([100, 100]))
    assert "own cost is not strictly convex over full liquidations (smallest eigenvalue -0.001)" in steep
    assert "no equilibrium was computed: own: no best response" in steep
    predator = said(almgren_chriss().game([100, 0]))
    assert "oscillate" in predator
    assert "TWAP" not in predator


def test_the_equilibrium_is_never_better_than_the_optimum():
    for game in (BASE, LATE, almgren_chriss(shared_temporary=True).game([100, 30])):
        assert nash(game).costs.sum() >= joint_optimum(game).costs.sum() - 1e-10
    assert isinstance(LATE.totals(0), Totals)

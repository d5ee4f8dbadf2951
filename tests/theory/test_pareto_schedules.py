"""The Pareto front against its optimality conditions, random search, SciPy, NSGA-II and the reference."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize

from tacitlab.errors import TacitError
from tacitlab.markets.execution.impact import almgren_chriss, exponential, transient
from tacitlab.markets.execution.pareto import convex_weights, least_cost, pareto_front, weighted_optimum

FREE = almgren_chriss().game([100, 100])
SALES = almgren_chriss().game([100, 100], sales_only=True)
LATE = almgren_chriss(lag=2).game([100, 100], sales_only=True)


def rounded(values, digits=3):
    return [round(float(value), digits) for value in np.ravel(values)]


def test_weights_that_make_the_sum_convex():
    assert rounded(convex_weights(FREE)) == [0.171, 0.829]
    assert rounded(convex_weights(almgren_chriss(order="coin-toss").game([100, 100]))) == [0.151, 0.849]
    assert convex_weights(almgren_chriss(shared_temporary=True).game([100, 100])) == (0.5, 0.5)
    assert convex_weights(LATE) is None
    np.testing.assert_allclose(
        convex_weights(almgren_chriss().game([100, -100], sales_only=True)), convex_weights(FREE)
    )


def test_check_points_of_the_reference():
    assert rounded(weighted_optimum(FREE, 0.5).costs, 10) == [11, 11]
    assert rounded(weighted_optimum(FREE, 0.45).costs) == [11.901, 10.186]
    for weight, binds in ((0.45, False), (0.4, False), (0.35, True)):
        assert (weighted_optimum(FREE, weight).schedules.min() < 0) == binds
        bounded = weighted_optimum(SALES, weight)
        assert ("active set" in bounded.method) == binds
        assert bounded.schedules.min() >= 0
        assert bounded.error < 1e-12


@pytest.mark.parametrize("game", [FREE, SALES, transient(exponential(6, 0.5), 0.6).game([3.0, 1.0], sales_only=True)])
@pytest.mark.parametrize("weight", [0.3, 0.55])
def test_nobody_beats_a_weighted_optimum(game, weight):
    solution, random = weighted_optimum(game, weight), np.random.default_rng(0)
    best = solution.costs @ [weight, 1 - weight]
    for size in (1e-3, 0.1, 1.0):
        moves = size * game.inventories.max() * random.normal(size=(500, 2, game.steps, 1))
        tried = solution.schedules + moves - moves.mean(axis=2, keepdims=True)
        if game.sales_only:
            tried = np.maximum(tried, 0)
            tried = tried / tried.sum(axis=2, keepdims=True) * game.inventories[:, None]
        assert (game.costs(tried) @ [weight, 1 - weight]).min() > best


def conditions(game, front):
    """Fritz John: some weighted sum of the costs has no slope left, within what may be traded."""
    for schedules, weight in zip(front.schedules, front.weights, strict=True):
        if np.isnan(weight):
            continue
        first, second = schedules[..., 0]
        slopes = [
            weight * (game.own @ first + game.cross @ second) + (1 - weight) * game.cross.T @ second,
            (1 - weight) * (game.own @ second + game.cross @ first) + weight * game.cross.T @ first,
        ]
        for slope, trades in zip(slopes, (first, second), strict=True):
            free = trades > 1e-6 if game.sales_only else np.ones(len(trades), dtype=bool)
            level = slope[free].mean()
            size = np.abs(slope).max()
            np.testing.assert_allclose(slope[free], level, rtol=0, atol=1e-9 * size)
            assert slope[~free].min(initial=np.inf) >= level - 1e-9 * size


@pytest.mark.parametrize(("points", "certified"), [(11, 11), (41, 37)])
def test_front_of_the_written_game(points, certified):
    front = pareto_front(SALES, points=points)
    assert len(front.costs) == points
    assert front.error < 1e-10
    assert front.certified.sum() == certified
    assert (np.diff(front.costs[:, 0]) > 0).all()
    assert (np.diff(front.costs[:, 1]) < 0).all()
    np.testing.assert_allclose(front.costs[points // 2], [11, 11], atol=1e-9)
    np.testing.assert_allclose(front.costs[:, ::-1], front.costs[::-1], atol=1e-9)
    np.testing.assert_allclose(front.costs[[0, -1]], [[6.5, 29], [29, 6.5]], atol=1e-9)  # by hand: one sells at the end
    np.testing.assert_allclose(front.costs, SALES.costs(front.schedules))
    np.testing.assert_allclose(front.schedules.sum(axis=2), 100, atol=1e-9)
    assert front.schedules.min() >= 0
    conditions(SALES, front)
    # Certified points solve the convex weighted sum.
    for weight, costs in zip(front.weights[5:-5:6], front.costs[5:-5:6], strict=True):
        np.testing.assert_allclose(weighted_optimum(SALES, weight).costs, costs, atol=1e-7)


def test_front_without_bounds():
    front = pareto_front(FREE, points=11)
    assert front.certified.all()
    assert front.weights[0] == pytest.approx(0.5 + 0.5 * (0.829046 - 0.5), abs=1e-6)
    conditions(FREE, front)
    np.testing.assert_allclose(front.costs[5], [11, 11], atol=1e-9)


def test_flat_front_of_shared_temporary_impact():
    """At theta = alpha the sum of costs is 26 whoever pays, as long as nobody would buy."""
    front = pareto_front(almgren_chriss(shared_temporary=True).game([100, 100], sales_only=True), points=21)
    middle = front.certified & ~np.isnan(front.weights)
    np.testing.assert_allclose(front.costs[middle].sum(axis=1), 26, atol=1e-9)
    np.testing.assert_allclose(front.weights[middle], 0.5, atol=1e-9)
    assert middle.sum() > 10
    assert front.error < 1e-10


def test_front_of_unequal_agents():
    game = almgren_chriss(order="coin-toss").game([150, 50], sales_only=True)
    front = pareto_front(game, points=15)
    swapped = pareto_front(almgren_chriss(order="coin-toss").game([50, 150], sales_only=True), points=15)
    assert len(front.costs) == 15
    np.testing.assert_allclose(front.costs, swapped.costs[::-1, ::-1], atol=1e-8)
    conditions(game, front)


def test_uncertified_points_against_many_random_starts():
    front = pareto_front(LATE, points=9)
    assert not front.certified[1]
    conditions(LATE, front)
    random = np.random.default_rng(7)
    rows = np.kron(np.eye(2), np.ones(10))

    def cost(x, agent):
        return LATE.costs(100 * x.reshape(2, 10, 1))[agent] / 10

    def slope(x, agent):
        pair = x.reshape(2, 10)
        slopes = np.empty((2, 10))
        slopes[agent] = LATE.own @ pair[agent] + LATE.cross @ pair[1 - agent]
        slopes[1 - agent] = LATE.cross.T @ pair[agent]
        return slopes.ravel() * 1e4 / 10

    for costs in front.costs[[1, 2, 3]]:
        best = np.inf
        for _ in range(15):
            result = minimize(
                cost,
                random.dirichlet(np.full(10, random.choice([0.2, 1.0])), size=2).ravel(),
                args=(0,),
                jac=slope,
                method="SLSQP",
                bounds=[(0, 1)] * 20,
                constraints=[
                    {"type": "eq", "fun": lambda x: rows @ x - 1, "jac": lambda x: rows},
                    {
                        "type": "ineq",
                        "fun": lambda x, c=costs: c[1] / 10 - cost(x, 1),
                        "jac": lambda x: -slope(x, 1),
                    },
                ],
                options={"ftol": 1e-12, "maxiter": 300},
            )
            if result.success:
                best = min(best, 10 * result.fun)
        assert costs[0] <= best + 1e-6


def test_least_cost_under_a_bound():
    solution = least_cost(SALES, 10.0)
    assert solution.costs[1] == pytest.approx(10, abs=1e-9)
    assert solution.error < 1e-10
    again = least_cost(SALES, 10.0, [solution.schedules])
    np.testing.assert_allclose(again.costs, solution.costs, atol=1e-9)
    tail = least_cost(SALES, 6.6)
    assert tail.costs[0] == pytest.approx(25.969585, abs=1e-6)  # an independent search with SLSQP
    assert tail.error == np.inf  # not certified
    assert least_cost(SALES, 6.4) is None
    np.testing.assert_allclose(least_cost(SALES, 6.5).costs, [29, 6.5])
    np.testing.assert_allclose(least_cost(SALES, 40.0).costs[0], 6.5)  # agent 1 may pay what it likes


def test_ends_that_are_not_a_single_step():
    """Two steps late, agent 1 does not feel what is sold in the last two steps: agent 0 splits as it likes."""
    first, second = pareto_front(LATE, points=3).schedules[-1, :, :, 0]
    assert first[:8].max() == 0
    assert first[8:].sum() == pytest.approx(100)
    assert 2 * 0.002 * (first[8] - first[9]) == pytest.approx(0.001 * second[7])  # which moves the last price alone


def test_front_around_an_unproved_optimum():
    game = almgren_chriss(lag=2).game([100, 60], sales_only=True)
    front = pareto_front(game, points=5)
    assert front.error < 1e-9
    conditions(game, front)


def test_several_assets():
    impact = transient(exponential(4, 0.5), 0.6, cross_impact=[[1.0, 0.3], [0.3, 0.7]])
    game = impact.game(np.array([[2.0, 1.0], [2.0, 1.0]]), sales_only=True)
    front = pareto_front(game, points=9)
    assert front.error < 1e-10
    np.testing.assert_allclose(front.costs[:, ::-1], front.costs[::-1], atol=1e-9)
    np.testing.assert_allclose(front.schedules.sum(axis=2), np.broadcast_to([2.0, 1.0], (len(front.costs), 2, 2)))
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(4), size=(20_000, 2, 2)).swapaxes(2, 3)
    tried = game.costs(shares * game.inventories[:, None])
    for first, second in front.costs:
        assert not ((tried[:, 0] < first - 1e-9) & (tried[:, 1] < second - 1e-9)).any()


@pytest.mark.filterwarnings("ignore")
def test_nsga2_approaches_the_front_and_never_passes_it():
    """The tool of Macrì and Lillo."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize as evolve

    class Liquidation(Problem):
        def __init__(self):
            super().__init__(n_var=20, n_obj=2, xl=0.0, xu=1.0)

        def _evaluate(self, x, out, *_, **__):
            pair = x.reshape(-1, 2, 10, 1) + 1e-12
            out["F"] = SALES.costs(100 * pair / pair.sum(axis=2, keepdims=True))

    found = evolve(Liquidation(), NSGA2(pop_size=60), ("n_gen", 500), seed=1).F
    sums = found.sum(axis=1)
    assert 22 <= sums.min() < 22.15
    close = []
    for first, second in found[:: max(1, len(found) // 12)]:
        exact = least_cost(SALES, second)
        assert exact.costs[0] <= first + 1e-9
        close.append(first - exact.costs[0])
    assert np.median(close) < 0.15


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: pareto_front(almgren_chriss().game([1, 1, 1])), "game: has 3 agents; a front is computed for 2"),
        (lambda: pareto_front(almgren_chriss().game([1, 0])), "inventories: an agent has nothing to sell"),
        (lambda: pareto_front(FREE, points=2), "points: 2 is too small"),
        (lambda: pareto_front(almgren_chriss(lag=2).game([1, 1])), "no weighted sum of the costs is strictly convex"),
        (
            lambda: weighted_optimum(FREE, 0.1),
            "weight: 0.1 makes the weighted sum of costs not strictly convex; choose",
        ),
        (lambda: weighted_optimum(LATE, 0.5), "no weight makes it so"),
        (lambda: least_cost(FREE, 10.0), "sales_only: False leaves the cost without a minimum"),
        (
            lambda: pareto_front(
                transient(np.ones(10), 1.0, cross_impact=np.eye(4)).game(np.ones((2, 4)), sales_only=True)
            ),
            "10 steps of 4 assets are too many",
        ),
    ],
)
def test_mistakes_are_named(ask, message):
    with pytest.raises(TacitError, match=re.escape(message)):
        ask()

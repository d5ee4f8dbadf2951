"""The auction on a grid: brute force over all signals, bids and ties on tiny grids; the limit of fine grids."""

import itertools

import numpy as np
import pytest
from plain_auction import expected, values

from tacitlab.errors import TacitError
from tacitlab.markets.auction.grid import GridGame, combinations, solve
from tacitlab.markets.auction.theory import AuctionGame, bayes_nash

LOWEST = {"format": "uniform-price", "pricing": "lowest-accepted"}
LEVELS = np.array([0.0, 0.3, 0.5, 0.9])
GRIDS = [
    GridGame(AuctionGame("first-price", 3, reserve=0.2), LEVELS, types=2),
    GridGame(AuctionGame("second-price", 2), LEVELS, types=3),
    GridGame(AuctionGame("all-pay", 3), LEVELS, types=2),
    GridGame(AuctionGame("uniform-price", 3, units=2, reserve=0.4), LEVELS, types=2),
    GridGame(AuctionGame(bidders=3, units=2, **LOWEST), LEVELS, types=2),
    GridGame(AuctionGame("second-price", 3, common=True), LEVELS, types=2),
    GridGame(AuctionGame("uniform-price", 2, units=2, demand=2), LEVELS, types=2),
    GridGame(AuctionGame("first-price", 2, units=3, demand=2), LEVELS[:3], types=2),
]
IDS = [f"{grid.game.format}-{grid.game.bidders}-{grid.game.units}-{grid.game.demand}" for grid in GRIDS]


def brute(grid, behaviours):
    """Expected payoffs (n,), of each action of each type (n, K, A), and revenue: over everything that can happen."""
    n, types, count = behaviours.shape
    payoffs, revenue, own = np.zeros((n, types, count)), 0.0, np.zeros(n)
    known = {}
    for kinds in itertools.product(range(types), repeat=n):
        worth = np.array(values(grid.game, [grid.signals[k] for k in kinds]))
        for chosen in itertools.product(range(count), repeat=n):
            if chosen not in known:
                known[chosen] = expected(grid.game, [grid.actions[a].tolist() for a in chosen])
            units, paid = known[chosen]
            chances = np.array([behaviours[i, kinds[i], chosen[i]] for i in range(n)])
            gains, all_chances = worth * units - paid, np.prod(chances) / types**n
            own += gains * all_chances
            revenue += paid.sum() * all_chances
            for i in range(n):
                payoffs[i, kinds[i], chosen[i]] += gains[i] * np.prod(np.delete(chances, i)) / types ** (n - 1)
    return own, payoffs, revenue


@pytest.mark.parametrize("grid", GRIDS, ids=IDS)
def test_mixed_behaviours_against_everything_that_can_happen(grid):
    shape = (grid.game.bidders, grid.types, len(grid.actions))
    behaviours = np.random.default_rng(0).dirichlet(np.ones(shape[2]), shape[:2])
    own, payoffs, revenue = brute(grid, behaviours)
    found = grid.judge(behaviours)
    np.testing.assert_allclose(found.surplus, own, atol=1e-12)
    np.testing.assert_allclose(found.best, payoffs.max(axis=2).mean(axis=1), atol=1e-12)
    assert found.revenue == pytest.approx(revenue, abs=1e-12)


@pytest.mark.parametrize("grid", GRIDS, ids=IDS)
def test_the_solver_finds_what_brute_force_calls_an_equilibrium(grid):
    found = solve(grid, tolerance=1e-3, rounds=5000)
    own, payoffs, revenue = brute(grid, np.stack([found.behaviour] * grid.game.bidders))
    left = payoffs.max(axis=2).mean(axis=1) - own
    assert (left <= 2e-3 * np.abs(own).max() + 1e-12).all()
    assert found.certificate == pytest.approx(left.max(), abs=1e-12)
    assert found.judged.revenue == pytest.approx(revenue)


@pytest.mark.parametrize("kind", ["first-price", "all-pay", "second-price"])
def test_pure_equilibria_are_those_of_an_enumeration(kind):
    """Where enumerating all symmetric pure behaviours finds equilibria, the solver ends in one of them or mixes."""
    grid = GridGame(AuctionGame(kind), np.array([0.0, 0.2, 0.4, 0.6]), types=3)
    pure = []
    for chosen in itertools.product(range(4), repeat=3):
        behaviour = np.eye(4)[list(chosen)]
        _, payoffs, revenue = brute(grid, np.stack([behaviour, behaviour]))
        if (payoffs[0].max(axis=1) - (payoffs[0] * behaviour).sum(axis=1) < 1e-12).all():
            pure.append((chosen, revenue))
    found = solve(grid, tolerance=1e-4, rounds=4000)
    rounded = found.behaviour.argmax(axis=1)
    mixes = found.behaviour.max(axis=1).min() < 0.95
    assert pure or mixes
    assert mixes or tuple(rounded) in [chosen for chosen, _ in pure], (rounded, pure)


@pytest.mark.parametrize("game", [AuctionGame("first-price"), AuctionGame("all-pay"),
                                  AuctionGame("first-price", common=True)],
                         ids=lambda game: f"{game.format}-{game.common}")  # fmt: skip
def test_fine_grids_come_near_the_closed_form(game):
    exact, distance = bayes_nash(game), []
    for steps in (10, 40):
        found = solve(GridGame(game, np.linspace(0, game.highest_value, steps + 1), types=60), tolerance=1e-3)
        assert found.certificate <= 1e-3 * found.judged.surplus[0]
        distance.append(abs(found.judged.revenue - exact.revenue))
    assert distance[1] < 0.5 * distance[0]
    assert distance[1] < 0.02 * exact.revenue


def test_grids_shift_equilibria():
    """Undercutting takes a step: two bidders with a coarse grid pay less than without one."""
    coarse = solve(GridGame(AuctionGame("first-price"), np.linspace(0, 1, 6)))
    assert coarse.judged.revenue < 0.95 / 3
    assert coarse.judged.surplus[0] > 1 / 6


def test_combinations_and_nearest_actions():
    found = combinations(np.array([0.0, 0.5, 1.0]), 2)
    assert len(found) == 6
    assert (found[:, 0] >= found[:, 1]).all()
    grid = GridGame(AuctionGame("uniform-price", units=2, demand=2), np.array([0.0, 0.5, 1.0]), types=2)
    assert grid.pure([[0.9, 0.1], [0.4, 0.45]]).argmax(axis=1).tolist() == [
        found.tolist().index([1.0, 0.0]), found.tolist().index([0.5, 0.5]),
    ]  # fmt: skip


def test_what_is_no_grid_is_refused():
    with pytest.raises(TacitError, match="levels: they must be at least two"):
        GridGame(AuctionGame("first-price"), np.array([0.1, 0.2]))
    with pytest.raises(TacitError, match="demand: with several units each"):
        GridGame(AuctionGame("all-pay", 3, units=2, demand=2), LEVELS)
    with pytest.raises(TacitError, match="levels: 5050 combinations"):
        GridGame(AuctionGame("all-pay", 2, units=2, demand=2), np.linspace(0, 1, 100))
    with pytest.raises(TacitError, match=r"behaviours: \(2, 3, 4\) is no array of chances"):
        GRIDS[1].judge(np.ones((2, 3, 4)))

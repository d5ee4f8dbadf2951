"""Games over two holdings: brute force over all sequences of orders, and the trading game in a common case."""

import itertools

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.markets.resource.equilibrium import equilibrium as trading_equilibrium
from tacitlab.markets.resource.optimum import joint_optimum as trading_optimum
from tacitlab.markets.resource.theory import TradingGame
from tacitlab.markets.token.holding_game import MOST, HoldingGame, best_response, equilibrium, joint_optimum, value

LOTS = 4


def random_game(seed, steps=3):
    """Random rewards; an order that leaves the holdings earns what holding does."""
    rewards = np.random.default_rng(seed).normal(size=(2, LOTS, LOTS, 3, 3))
    rewards[:, 0, :, 0], rewards[:, -1, :, 2] = rewards[:, 0, :, 1], rewards[:, -1, :, 1]
    rewards[:, :, 0, :, 0], rewards[:, :, -1, :, 2] = rewards[:, :, 0, :, 1], rewards[:, :, -1, :, 1]
    return HoldingGame(rewards, (1, 2), steps)


def random_strategies(seed):
    return tuple(np.eye(3)[np.random.default_rng(seed).integers(0, 3, (2, LOTS, LOTS))])


def earned(game, orders):
    """Sums of rewards for the orders (steps, 2), each 0 to 2 or a function of both holdings."""
    held, total = list(game.start), np.zeros(2)
    for pair in orders:
        x, y = (order(*held) if callable(order) else order for order in pair)
        total += game.rewards[:, held[0], held[1], x, y]
        held = [min(max(lots + order - 1, 0), LOTS - 1) for lots, order in zip(held, (x, y), strict=True)]
    return total


def table(strategy):
    return lambda i, j: int(strategy[i, j].argmax())


@pytest.mark.parametrize("seed", range(5))
def test_the_joint_optimum_is_the_best_of_all_sequences(seed):
    game = random_game(seed)
    pairs = list(itertools.product(range(3), repeat=2))
    best = max(earned(game, orders).sum() for orders in itertools.product(pairs, repeat=3))
    found = joint_optimum(game)
    assert found.values.sum() == pytest.approx(best)
    plan = [[table(part[step]) for part in found.strategies] for step in range(3)]
    np.testing.assert_allclose(earned(game, plan), found.values)


@pytest.mark.parametrize("agent", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_best_responses_are_the_best_of_all_sequences(seed, agent):
    game, strategies = random_game(seed), random_strategies(seed)
    np.testing.assert_allclose(value(game, strategies), earned(game, [[table(part) for part in strategies]] * 3))
    tried = []
    for orders in itertools.product(range(3), repeat=3):
        pairs = [[order, table(strategies[1])] if agent == 0 else [table(strategies[0]), order] for order in orders]
        tried.append(earned(game, pairs))
    own, spoils = best_response(game, agent, strategies), best_response(game, agent, strategies, "others")
    assert own.values[agent] == pytest.approx(max(one[agent] for one in tried))
    assert spoils.values[1 - agent] == pytest.approx(min(one[1 - agent] for one in tried))
    for found in (own, spoils):
        plan = [[table(part[step]) for part in found.strategies] for step in range(3)]
        np.testing.assert_allclose(earned(game, plan), found.values)


def test_mixed_strategies_are_averaged_over():
    game = random_game(7, steps=1)
    mixed = (np.full((LOTS, LOTS, 3), 1 / 3), np.broadcast_to([0.5, 0.5, 0.0], (LOTS, LOTS, 3)))
    np.testing.assert_allclose(value(game, mixed), game.rewards[:, 1, 2, :, :2].mean(axis=(1, 2)))
    assert best_response(game, 1, mixed).values[1] == pytest.approx(game.rewards[1, 1, 2].mean(axis=0).max())


@pytest.mark.parametrize("seed", range(4))
def test_nobody_gains_by_leaving_an_equilibrium(seed):
    game = random_game(seed)
    found = equilibrium(game)
    tolerance = 1e-12 * np.abs(found.values).max()  # mixtures are rounded, and payoffs add up over the steps
    assert found.error < tolerance
    later = np.zeros((2, LOTS, LOTS))
    for step in reversed(range(3)):
        tables, now = game.payoffs(later), np.empty_like(later)
        for i, j in np.ndindex(LOTS, LOTS):
            row, column = (part[step, i, j] for part in found.strategies)
            now[:, i, j] = [row @ tables[k, i, j] @ column for k in range(2)]
            assert (tables[0, i, j] @ column).max() <= now[0, i, j] + tolerance
            assert (row @ tables[1, i, j]).max() <= now[1, i, j] + tolerance
        later = now
    np.testing.assert_allclose(found.values, later[:, 1, 2])


@pytest.mark.parametrize("execution", ["exact", "pre"])
def test_without_noise_it_is_the_trading_game(execution):
    """Marked to market along an exponential price, values are proportional to the price: another recursion."""
    steps, lot, start, size = 6, 0.5, 3, 10
    game = TradingGame(
        alpha=0.05, quantity=lot, lowest=0, highest=size - 1, start=start, steps=steps, volatility=0.0,
        execution=execution, law="exponential", price=2.0,
    )  # fmt: skip
    one, two = np.indices((size, size))
    price = 2.0 * np.exp(0.05 * lot * (one + two - 2 * start))
    after = game.after
    rewards = np.empty((2, size, size, 3, 3))
    for x, y in np.ndindex(3, 3):
        moved = after[one, x], after[two, y]
        net = moved[0] - one + moved[1] - two
        rewards[0, ..., x, y] = price * game.gains(one, moved[0], net)
        rewards[1, ..., x, y] = price * game.gains(two, moved[1], net)
    found = HoldingGame(rewards, (start, start), steps)
    assert joint_optimum(found).values.sum() / 2 == pytest.approx(trading_optimum(game).value)
    np.testing.assert_allclose(equilibrium(found).values, trading_equilibrium(game).values, atol=1e-12)


@pytest.mark.parametrize(
    ("rewards", "start", "steps", "problem"),
    [
        (np.zeros((2, 3, 3, 3)), (0, 0), 1, "rewards: the shape"),
        (np.zeros((2, 3, 3, 3, 3)), (0, 3), 1, "start, steps"),
        (np.zeros((2, 3, 3, 3, 3)), (0, 0), 0, "start, steps"),
        (np.zeros((2, 3, 3, 3, 3)), (0, 0), MOST, "take fewer steps"),
    ],
)
def test_mistakes_are_named(rewards, start, steps, problem):
    with pytest.raises(TacitError, match=problem):
        HoldingGame(rewards, start, steps)

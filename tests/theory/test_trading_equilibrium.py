"""Equilibria: no deviation gains, by a recursion of its own; known games; the rule that selects."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from test_trading_optimum import CAP10, games, step_rewards

from tacitlab.errors import TacitError
from tacitlab.markets.resource.equilibrium import _mixed, equilibrium
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.theory import TradingGame
from tacitlab.theory.equilibrium import pure_nash

SHOCKED = TradingGame(lowest=-2, highest=2, start=0, steps=6, shock=0.2, holding_penalty=0.002, alpha=0.02)


def continuation(game, later, price, after, role):
    """Expected value of a role after shocks and penalty, given its values at a price of 1."""
    shocks = [(-1, game.shock / 2), (0, 1 - game.shock), (1, game.shock / 2)]
    total = 0.0
    for one, first in shocks:
        for two, second in shocks:
            moved = zip(after, (one, two), strict=True)
            held = [min(max(lots + hit, game.lowest), game.highest) for lots, hit in moved]
            penalty = game.holding_penalty * (game.quantity * held[role]) ** 2
            total += first * second * price * (later[held[0] - game.lowest, held[1] - game.lowest] - penalty)
    return total


def stage_table(game, step, values, held):
    """Payoffs (3, 3, 2) of the stage game at a price of 1, given the values that follow (2, lots, lots)."""
    table = np.empty((3, 3, 2))
    for x, y in np.ndindex(3, 3):
        rewards, price, after = step_rewards(game, held, (x - 1, y - 1), 1.0, step == game.steps - 1)
        for role in (0, 1):
            table[x, y, role] = rewards[role] + continuation(game, values[role], price, after, role)
    return table


def test_what_memory_does_not_hold_is_refused():
    with pytest.raises(TacitError, match="steps: 40401 pairs of inventories in 1000 steps are too many; take fewer"):
        equilibrium(TradingGame(highest=200, start=100))


@given(games())
@settings(max_examples=40)
def test_no_deviation_at_any_step_and_inventories_gains(game):
    assume(2 * game.alpha * game.quantity < 1)
    found = equilibrium(game)
    size = game.highest - game.lowest + 1
    values = np.zeros((2, size, size))
    for step in reversed(range(game.steps)):
        now = np.empty_like(values)
        for i, j in np.ndindex(size, size):
            table = stage_table(game, step, values, (i + game.lowest, j + game.lowest))
            row, column = found.strategies[step, :, i, j]
            np.testing.assert_allclose([row.sum(), column.sum()], 1)
            now[:, i, j] = np.einsum("x,xyk,y->k", row, table, column)
            assert (table[..., 0] @ column).max() <= now[0, i, j] + 1e-9
            assert (row @ table[..., 1]).max() <= now[1, i, j] + 1e-9
        values = now
    start = game.start - game.lowest
    np.testing.assert_allclose(found.values, game.price * values[:, start, start], rtol=1e-9, atol=1e-9)
    assert found.error <= 1e-9 * game.price
    assert found.values.sum() <= 2 * joint_optimum(game).value + 1e-9 * game.price


@pytest.mark.parametrize("execution", ["pre", "mid", "post"])
def test_the_last_step_selects_the_best_pure_equilibrium(execution):
    game = replace(SHOCKED, execution=execution, steps=1, valuation="liquidation")
    found = equilibrium(game)
    for i, j in np.ndindex(5, 5):
        table = stage_table(game, 0, np.zeros((2, 5, 5)), (i - 2, j - 2))
        legal = [(x, y) for x, y in pure_nash(table, 1e-12) if 0 <= i + x - 1 < 5 and 0 <= j + y - 1 < 5]
        greatest = max(table[x, y].sum() for x, y in legal)
        first = next((x, y) for x, y in legal if table[x, y].sum() >= greatest - 1e-12)
        assert tuple(found.strategies[0, :, i, j].argmax(axis=-1)) == first
        assert found.strategies[0, :, i, j].max(axis=-1).tolist() == [1, 1]


def test_mixed_stage_games_are_solved():
    found = equilibrium(replace(SHOCKED, steps=60, lowest=-5, highest=5, execution="post", alpha=0.01))
    assert found.mixed > 0
    assert np.isin(found.strategies, (0, 1)).mean() < 1
    assert found.error < 1e-10


def test_of_mixed_equilibria_the_greatest_sum_is_selected():
    """A game of integers with three mixed equilibria and no pure one, found by random search."""
    table = [[[1, 9], [0, 1], [9, 7]], [[1, 5], [7, 4], [2, 3]], [[2, 0], [5, 9], [2, 5]]]
    row, column = _mixed(np.array(table, dtype=float), np.ones((3, 3), dtype=bool))
    np.testing.assert_allclose(row, [5 / 7, 0, 2 / 7])
    np.testing.assert_allclose(column, [7 / 8, 0, 1 / 8])


def test_orders_that_limits_forbid_are_never_given():
    found = equilibrium(SHOCKED)
    assert not found.strategies[:, 0, 0, :, 0].any()
    assert not found.strategies[:, 0, -1, :, 2].any()
    assert not found.strategies[:, 1, :, 0, 0].any()
    assert not found.strategies[:, 1, :, -1, 2].any()


def test_the_pump_needs_no_cooperation():
    """Under fills before the impact the joint optimum of setup A is an equilibrium."""
    found = equilibrium(replace(CAP10, execution="pre"))
    np.testing.assert_allclose(found.values, joint_optimum(replace(CAP10, execution="pre")).value, rtol=1e-12)
    assert found.error < 1e-9


def test_prices_that_two_agents_take_to_zero_are_refused():
    with pytest.raises(TacitError, match="2 sellers move the price"):
        equilibrium(TradingGame(alpha=0.5))

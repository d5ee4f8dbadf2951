"""Prices, fills and worths of the trading game against the sentences that define them; what round trips earn."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.theory import TradingGame, marked_up_gain

LAWS = [("linear", "pre"), ("linear", "mid"), ("linear", "post")] + [
    ("exponential", execution) for execution in ("pre", "mid", "post", "exact")
]
VALUATIONS = ("mark-to-market", "liquidation", "final-liquidation")


def walk(game, orders):
    """Gain of one agent alone, without noise, step by step: (gain, final price, final inventory), from P = 1."""
    price, held, gain = 1.0, game.begin, 0.0
    for order in orders:
        after = np.array(held + order)
        gain += price * float(game.gains(np.array(held), after, order))
        price, held = price * float(game.growth(order)), int(after)
    return gain, price, held


@st.composite
def plans(draw):
    """A game and orders of one agent that respect its limits."""
    law, execution = draw(st.sampled_from(LAWS))
    lowest, highest = draw(st.integers(-6, 0)), draw(st.integers(1, 6))
    game = TradingGame(
        alpha=draw(st.floats(1e-4, 0.2)), quantity=draw(st.floats(0.1, 3)), lowest=lowest, highest=highest,
        start=draw(st.integers(lowest, highest)), volatility=0.0, execution=execution, law=law,
        valuation=draw(st.sampled_from(VALUATIONS[:2])),
    )  # fmt: skip
    held, orders = game.start, []
    for side in draw(st.lists(st.sampled_from([-1, 0, 1]), max_size=12)):
        order = side if lowest <= held + side <= highest else 0
        orders.append(order)
        held += order
    return game, orders


@given(plans())
@settings(max_examples=200)
def test_rewards_add_up_to_the_change_of_wealth(case):
    game, orders = case
    gain, price, held = walk(game, orders)
    cash, at = 0.0, 1.0
    for order in orders:
        cash -= game.quantity * order * at * float(game.fill(order))
        at *= float(game.growth(order))
    wealth = cash + price * game.worth[held] - game.worth[game.begin]
    assert gain == pytest.approx(wealth, rel=1e-9, abs=1e-9)


@given(plans())
@settings(max_examples=200)
def test_exact_fills_neither_gain_nor_lose_on_round_trips(case):
    game, orders = case
    game = replace(game, law="exponential", execution="exact")
    gain, price, held = walk(game, orders)
    if game.valuation == "liquidation":  # counts every inventory for what it brings: all paths are round trips
        assert gain == pytest.approx(0, abs=1e-9)
    back = [-int(np.sign(held - game.begin))] * abs(held - game.begin)
    gain, price, held = walk(game, orders + back)
    assert (gain, price, held) == (pytest.approx(0, abs=1e-9), pytest.approx(1), game.begin)


@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_round_trips_earn_what_the_reference_says(alpha):
    """A lot bought and sold, and one sold and bought."""
    game = TradingGame(alpha=alpha, lowest=-1, highest=1, start=0, volatility=0.0)
    wanted = {
        "pre": (alpha, alpha),
        "mid": (-(alpha**2) / 2, alpha**2 / 2),
        "post": (-alpha - alpha**2, -alpha + alpha**2),
    }
    for execution, (long, short) in wanted.items():
        for orders, gain in (((1, -1), long), ((-1, 1), short)):
            found, price, held = walk(replace(game, execution=execution), orders)
            assert (found, price, held) == (pytest.approx(gain, abs=1e-15), pytest.approx(1 - alpha**2), 1)


@pytest.mark.parametrize(("law", "execution"), LAWS)
def test_fills_and_growth_are_the_written_ones(law, execution):
    game = TradingGame(alpha=0.03, quantity=2.0, law=law, execution=execution, lowest=-3, highest=3, start=0)
    for net in (-2, -1, 0, 1, 2):
        push = 0.03 * 2 * net
        growth = 1 + push if law == "linear" else math.exp(push)
        fill = {"pre": 1.0, "post": growth, "mid": (1 + growth) / 2, "exact": (math.exp(push) - 1) / (push or np.inf)}
        fill["exact"] = fill["exact"] or 1.0
        assert float(game.growth(net)) == pytest.approx(growth, rel=1e-14)
        assert float(game.fill(net)) == pytest.approx(fill[execution], rel=1e-14)
        gain = 3 * 2 * growth - 2 * 2 - 2 * fill[execution]  # from 2 to 3 lots of 2 units
        assert float(game.gains(np.array(5), np.array(6), net)) == pytest.approx(gain, rel=1e-13)


@pytest.mark.parametrize(("law", "execution"), LAWS)
def test_proceeds_are_those_of_selling_or_buying_back_lot_by_lot(law, execution):
    game = TradingGame(alpha=0.04, quantity=1.5, law=law, execution=execution, lowest=-4, highest=5, start=0)
    for lots, found in zip(game.lots, game.proceeds, strict=True):
        price, cash, left = 1.0, 0.0, int(lots)
        while left:
            side = -int(np.sign(left))
            cash -= 1.5 * side * price * float(game.fill(side))
            price, left = price * float(game.growth(side)), left + side
        assert found == pytest.approx(cash, rel=1e-13, abs=1e-15)


def test_proceeds_of_exact_fills_are_the_integral_of_the_price():
    game = TradingGame(alpha=0.04, quantity=1.5, law="exponential", execution="exact", lowest=-4, start=0)
    np.testing.assert_allclose(game.proceeds, -np.expm1(-0.04 * game.units) / 0.04, rtol=1e-12)


def test_shocks_move_a_lot_and_stay_within_the_limits():
    game = TradingGame(lowest=0, highest=2, start=0, shock=0.4)
    np.testing.assert_allclose(game.shaken, [[0.8, 0.2, 0], [0.2, 0.6, 0.2], [0, 0.2, 0.8]])


@pytest.mark.parametrize(("alpha", "agents"), list(product((0.0046, 0.01, 0.0118), (1, 2, 5))))
def test_the_marked_up_gain_is_the_limit_of_small_lots(alpha, agents):
    """Buying tiny lots before the impact, until the cash is gone."""
    price, cash, held, lot = 100.0, 10_000.0, 0.0, 0.002
    while cash >= lot * price:
        cash, held, price = cash - lot * price, held + lot, price * (1 + agents * alpha * lot)
    gain = cash + held * price - 10_000
    assert marked_up_gain(10_000, alpha, agents, 100) == pytest.approx(gain, rel=1e-3)


def test_the_marked_up_gain_of_the_reference():
    assert marked_up_gain(10_000, 0.01, 2, 100) == pytest.approx(6479, abs=0.5)
    assert marked_up_gain(10_000, 0.0118, 2, 100) == pytest.approx(7254, abs=1)
    assert 2 * marked_up_gain(10_000, 0.0046, 2, 100) == pytest.approx(7254, rel=0.01)  # as the two agents' total
    with pytest.raises(TacitError, match="cash: 0 is out of bounds"):
        marked_up_gain(0, 0.01, 2, 100)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": -0.1}, "alpha: -0.1 is out of bounds"),
        ({"alpha": math.nan}, "alpha: nan is out of bounds"),
        ({"alpha": 1.0}, "alpha: 1 sellers"),
        ({"quantity": 0}, "quantity: 0 is out of bounds; it must be above 0"),
        ({"price": 0}, "price: 0 is out of bounds"),
        ({"volatility": -1}, "volatility"),
        ({"holding_penalty": math.inf}, "holding_penalty"),
        ({"shock": 1.5}, "shock: 1.5 is out of bounds; a probability"),
        ({"execution": "spot"}, "execution: 'spot' is unknown; choose from pre, mid, post, exact"),
        ({"execution": "exact"}, "set law to exponential"),
        ({"law": "log"}, "law: 'log' is unknown"),
        ({"valuation": "cash"}, "valuation: 'cash' is unknown"),
        ({"start": 11}, "start: 11 lots lie outside the limits; choose from 0 to 10"),
        ({"start": 2.5}, "start: 2.5 is not whole"),
        ({"steps": 0}, "steps: 0 is too small"),
    ],
)
def test_wrong_games_are_refused_in_one_line(wrong, message):
    with pytest.raises(TacitError, match=message) as caught:
        TradingGame(**wrong)
    assert "\n" not in str(caught.value)


def test_prices_that_orders_take_to_zero_are_refused():
    game = TradingGame(alpha=0.6)
    joint_optimum(replace(game, steps=1), agents=1)
    with pytest.raises(TacitError, match=r"2 sellers move the price by -1\.2 times itself"):
        joint_optimum(game, agents=2)
    joint_optimum(replace(game, law="exponential", steps=1), agents=2)

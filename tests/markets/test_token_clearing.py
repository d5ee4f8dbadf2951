"""How orders for tokens clear: round trips, the pump, the order of agents, limits."""

import numpy as np
import pytest
from token_play import one, play

from tacitlab.markets.token.curves import ConstantProduct, Exponential, Linear, Sigmoid
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import Peer, Rewards
from tacitlab.markets.token.pricing import Premium

#: A largest order of one token, a supply of 100.
UNITS = {"agents": 10, "holdings": 10.0, "order_size": 0.1, "fee": 0.0, "capital": 1e4}


def alone(parts, agents=10):
    """Only the first agent orders."""
    actions = np.zeros((len(parts), agents, 1))
    actions[:, 0, 0] = parts
    return actions


UP_AND_DOWN = alone([1.0] * 10 + [-1.0] * 10)


@pytest.mark.parametrize("curve", [Exponential(scale=1.0), Linear(rise=0.1, start=1.0), Sigmoid(middle=100.0)])
@pytest.mark.parametrize("clearing", ["batch", "spot", "sequential"])
def test_ten_units_up_and_down_earn_nothing_along_the_curve_and_the_rise_of_the_price_at_spot(curve, clearing):
    market = TokenEconomy(**UNITS, curve=curve, clearing=clearing, steps=20)
    found = one(market, UP_AND_DOWN)
    earned = found["last"].cash[0] - 1e4
    pump = curve.price(110) - curve.price(100)
    assert earned == pytest.approx(pump if clearing == "spot" else 0.0, abs=1e-9)
    assert found["info"]["reserve_gap"][-1] == pytest.approx(-earned, abs=1e-9), "at the reserve's expense"


def test_the_pump_ends_where_the_reserve_is_empty():
    market = TokenEconomy(**UNITS | {"order_size": 1.0}, curve=Linear(rise=0.1, start=1.0), clearing="spot", steps=140)
    found = one(market, alone([1.0, -1.0] * 70))  # ten tokens each time
    reserve = Linear(rise=0.1, start=1.0).reserve(100)
    assert found["info"]["unpaid"].sum() > 0
    assert found["last"].money[0] >= -1e-9
    assert found["last"].cash[0] - 1e4 == pytest.approx(reserve, rel=0.02), "all that there was, and no more"


def test_a_batch_does_not_know_the_order_of_agents():
    market = TokenEconomy(**UNITS, steps=5)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 10, 1))
    order = np.random.default_rng(1).permutation(10)
    found, other = one(market, actions), one(market, actions[:, order], seed=5)
    np.testing.assert_allclose(other["last"].cash, found["last"].cash[order], rtol=1e-12)
    np.testing.assert_allclose(other["rewards"], found["rewards"][:, order], atol=1e-10)


def test_the_price_of_a_batch_is_the_mean_along_the_curve():
    market = TokenEconomy(**UNITS, steps=1)
    actions = np.random.default_rng(0).uniform(-1, 1, (1, 10, 1))
    found = one(market, actions)
    net = found["last"].supply[0] - 100
    paid = (1e4 - found["last"].cash) / found["info"]["trade"][0]
    np.testing.assert_allclose(paid, Exponential().cost(100, net) / net, rtol=1e-9)
    level = one(market, np.repeat([[[0.7], [-0.7]]], 5, axis=0).reshape(1, 10, 1))
    np.testing.assert_allclose(
        (1e4 - level["last"].cash) / level["info"]["trade"][0], Exponential().price(100), rtol=1e-9
    )


def test_random_order_costs_what_a_batch_costs_and_gives_zero_sum_rents():
    actions = np.repeat(np.random.default_rng(0).uniform(-1, 1, (1, 1, 10, 1)), 400, axis=0)
    batch = play(TokenEconomy(**UNITS, steps=1), actions[:1])
    turns = play(TokenEconomy(**UNITS, steps=1, clearing="sequential"), actions)
    np.testing.assert_allclose(turns["info"]["trade"], np.broadcast_to(batch["info"]["trade"], (400, 1, 10)))
    np.testing.assert_allclose(turns["last"].cash.sum(axis=1), batch["last"].cash.sum(), rtol=1e-14)
    rents = turns["last"].cash - batch["last"].cash
    np.testing.assert_allclose(rents.sum(axis=1), 0, atol=1e-9)
    assert rents.std() > 1e-4, "who comes first matters"
    buyers = np.repeat([[1.0]], 10, axis=0)[None, None].repeat(400, axis=0)
    paid = 1e4 - play(TokenEconomy(**UNITS, steps=1, clearing="sequential"), buyers)["last"].cash
    each = Exponential().cost(100 + np.arange(10.0), 1.0)
    np.testing.assert_allclose(np.sort(paid, axis=1), np.tile(each, (400, 1)), rtol=1e-9)
    first = np.bincount(paid.argmin(axis=1), minlength=10)
    assert (abs(first - 40) < 5 * 6).all(), "everybody is as likely to be the first"


@pytest.mark.parametrize("clearing", ["batch", "spot", "sequential"])
def test_buys_stop_at_cash_and_sells_at_holdings(clearing):
    poor = TokenEconomy(
        agents=3, holdings=(0.0, 1.0, 9.0), order_size=2.0, capital=0.3, fee=0.1, clearing=clearing, steps=1,
        curve=Exponential(scale=0.1, growth=0.05),
    )  # fmt: skip
    bought = one(poor, np.ones((1, 3, 1)))
    price = {"batch": poor.curve.average(10, 20), "spot": poor.curve.price(10)}.get(clearing)
    if price:
        np.testing.assert_allclose(bought["info"]["trade"][0], 0.3 / (1.1 * price), rtol=1e-9)
    left = bought["last"].cash
    assert (left >= 0).all()
    assert (left < 0.25 if clearing != "spot" else left < 1e-9).all()
    assert bought["info"]["clipped"][0] == 3
    sold = one(poor, -np.ones((1, 3, 1)))
    np.testing.assert_allclose(sold["info"]["trade"][0], [0.0, -1.0, -20 / 3], rtol=1e-9)
    assert sold["info"]["clipped"][0] == 2


@pytest.mark.parametrize("clearing", ["batch", "sequential"])
def test_buys_share_what_capacity_leaves(clearing):
    market = TokenEconomy(**UNITS | {"order_size": 0.3}, capacity=104.0, clearing=clearing, steps=1)
    actions = np.where(np.arange(10) == 3, -2 / 3, 1.0)[None, :, None]
    found = one(market, actions)
    trades = found["info"]["trade"][0]
    if clearing == "batch":
        np.testing.assert_allclose(np.delete(trades, 3), 6 / 9)
        assert found["last"].supply[0] == pytest.approx(104)
    assert trades[3] == pytest.approx(-2)
    assert found["last"].supply[0] <= 104 + 1e-9


def test_a_curve_with_a_limit_is_left_before_it():
    curve = ConstantProduct(currency=10.0, tokens=110.0)
    market = TokenEconomy(**UNITS | {"order_size": 0.5, "capital": 1e9}, curve=curve, steps=20)
    found = one(market, np.ones((20, 10, 1)))
    assert found["last"].supply[0] == pytest.approx(0.999 * 110)
    assert np.isfinite(found["last"].price).all()


def test_fees_and_exit_tax_are_taken_from_what_is_paid():
    market = TokenEconomy(**UNITS | {"fee": 0.01}, exit_tax=0.05, steps=2)
    found = one(market, alone([1.0, -1.0]))
    cost = Exponential().cost(100, 1)
    assert found["last"].money[1] == pytest.approx(2 * 0.01 * cost)
    assert found["last"].money[2] == pytest.approx(0.05 * cost)
    assert found["last"].cash[0] - 1e4 == pytest.approx(-0.07 * cost)


def test_ternary_orders_are_digits_in_base_three():
    market = TokenEconomy(**UNITS, orders="ternary", assets=2, steps=1)
    actions = np.zeros((1, 10, 1))
    actions[0, :9, 0] = np.arange(9)  # asset 1 counts fastest
    found = one(market, actions)
    np.testing.assert_allclose(found["info"]["trade-1"][0, :9], [-1, 0, 1] * 3, atol=1e-12)
    np.testing.assert_allclose(found["info"]["trade-2"][0, :9], [-1] * 3 + [0] * 3 + [1] * 3, atol=1e-12)


def test_peers_shift_orders_which_are_paid():
    market = TokenEconomy(**UNITS | {"order_size": 0.2}, peer=Peer(strength=0.5), steps=2)
    found = one(market, alone([0.5, 0.0]))  # one token of at most two
    np.testing.assert_allclose(found["info"]["trade"][1], [0.0] + [0.5 / 9] * 9, atol=1e-12)
    assert (found["last"].cash[1:] < 1e4).all()


def test_a_premium_follows_net_trades_and_decays():
    market = TokenEconomy(**UNITS, pricing=Premium(decay=0.25, flow=0.5, excess=0.0), steps=3)
    found = one(market, alone([1.0, 0.0, 0.0]))
    premium = found["info"]["price"] / Exponential().price(101) - 1
    np.testing.assert_allclose(premium, 0.5 / 100 * 0.75 ** np.arange(3), rtol=1e-9)


def test_a_premium_follows_orders_that_cannot_be_filled():
    law = Premium(decay=0.25, flow=0.0, excess=0.8)
    market = TokenEconomy(**UNITS, pricing=law, steps=1, capacity=100.0)
    found = one(market, alone([1.0]))
    assert found["info"]["trade"][0, 0] == 0
    assert found["info"]["price"][0] == pytest.approx(Exponential().price(100) * (1 + 0.8 / 100))


def test_rewards_are_profit_the_others_and_the_stability_of_prices():
    settings = {**UNITS, "steps": 1}
    actions = np.random.default_rng(3).uniform(-1, 1, (1, 10, 1))

    def earned(**rewards):
        return one(TokenEconomy(**settings, rewards=Rewards(**rewards)), actions)["rewards"][0]

    profit, change = earned(), np.log(Exponential().price(100 + actions.sum()) / Exponential().price(100))
    np.testing.assert_allclose(earned(profit=2.0), 2 * profit)
    np.testing.assert_allclose(earned(stability=3.0), profit - 3 * abs(change), rtol=1e-9)
    np.testing.assert_allclose(earned(cooperation=0.5), profit + 0.5 * (profit.sum() - profit) / 9)
    np.testing.assert_allclose(earned(cooperation=0.5, others="literal"), profit + 0.5 * (profit.sum() - profit))
    rise = abs(Exponential().price(100 + actions.sum()) - Exponential().price(100))
    np.testing.assert_allclose(earned(stability=3.0, changes="literal"), profit - 3 * rise, rtol=1e-9)

"""The token economy's accounts: nothing appears or gets lost, nobody is in debt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_play import every_curve, one, play

from tacitlab.markets.token.curves import Exponential
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import Factors, Peer, PrivateValues, Rewards, Shock
from tacitlab.markets.token.pricing import Imbalance, Ito, Premium

STEPS, AGENTS = 12, 4
SUPPLY = 8.0
ASSETS = 8  # one with each kind of curve, so that one compilation does for all


@st.composite
def economies(draw, clearing, **fixed):
    """Four agents with a little cash and eight tokens, everything else at random."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    unit = random.uniform(size=20)
    held = random.permutation([0.0, 1.0, 2.0, 4.0])
    settings = {
        "agents": AGENTS, "steps": STEPS, "assets": ASSETS, "curve": every_curve(random, SUPPLY),
        "capital": float(random.choice([0.0, 1.0, 10.0, 100.0])), "holdings": tuple(held), "treasury": 1.0,
        "treasury_cash": float(random.choice([0.0, 1.0, 50.0])), "fee": 0.5 * unit[0] ** 3,
        "exit_tax": 0.5 * unit[1] ** 3, "income": float(random.choice([0.0, 0.5])), "order_size": 1.5 * unit[2],
        "clearing": clearing, "capacity": float(random.choice([8.5, 12.0, 1000.0])), "peer": Peer(strength=unit[3]),
        "pricing": Premium(decay=unit[4], flow=unit[5] - 0.5, excess=unit[6] - 0.5),
        "utility": PrivateValues(spread=unit[7]),
        "factors": Factors(
            volatility=unit[8], persistence=0.99 * unit[9], demand=unit[10] - 0.5, premium=unit[11] - 0.5,
            mint=0.5 * (unit[12] - 0.5), shock=Shock(step=3, size=4 * unit[13] - 2),
        ),
    }  # fmt: skip
    return TokenEconomy(**settings | fixed), random.uniform(-1, 1, (STEPS, AGENTS, ASSETS))


def check_accounts(market, found):
    """Money and tokens add up, and nobody owes any; relative to all there is, to 1e-9."""
    for states in (found["states"], type(found["last"])(*(x[None] for x in found["last"]))):
        time = states.step
        money = states.cash.sum(axis=1) + states.money.sum(axis=1)
        reserve = sum(curve.reserve(market.supply) for curve in market.curves)
        there = market.agents * (market.capital + market.income * time) + reserve + market.treasury_cash
        np.testing.assert_allclose(money, there, rtol=1e-9)
        tokens = states.holdings.sum(axis=1) + states.treasury
        np.testing.assert_allclose(tokens, states.supply, atol=1e-9 * market.supply)
        assert (states.cash >= 0).all()
        assert (states.holdings >= 0).all()
        assert (states.treasury >= 0).all()
        assert (states.money >= -1e-9 * np.max(there)).all(), "reserve, fees, the treasury's cash"
        assert (states.supply <= np.array(market.largest_supplies()) * (1 + 1e-9)).all()
    scale = np.max(there)
    np.testing.assert_allclose(found["info"]["money_error"], 0, atol=1e-9 * scale)
    np.testing.assert_allclose(found["info"]["token_error"], 0, atol=1e-9 * market.supply * market.assets)


@pytest.mark.parametrize("clearing", ["batch", "sequential", "spot"])
@settings(max_examples=40)
@given(data=st.data())
def test_money_and_tokens_add_up_and_nobody_is_in_debt(clearing, data):
    market, actions = data.draw(economies(clearing))
    check_accounts(market, one(market, actions))


@pytest.mark.parametrize("clearing", ["batch", "sequential"])
@settings(max_examples=20)
@given(data=st.data())
def test_on_the_curve_alone_the_reserve_is_what_backs_the_supply_and_profits_add_up_to_fees(clearing, data):
    plain = {"pricing": Premium(flow=0.0, excess=0.0), "factors": Factors(demand=1.0, mint=0.1), "fee": 0.0}
    market, actions = data.draw(economies(clearing, **plain, exit_tax=0.0, treasury=0.0, utility=None))
    found = one(market, actions)
    check_accounts(market, found)
    reserve = sum(curve.reserve(found["last"].supply[a]) for a, curve in enumerate(market.curves))
    np.testing.assert_allclose(found["last"].money[0], reserve, rtol=1e-9)
    np.testing.assert_allclose(found["info"]["reserve_gap"], 0, atol=1e-9 * reserve)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_liquidation_wealth_is_constant_sum_but_for_fees(seed):
    market = TokenEconomy(agents=6, steps=30, order_size=0.4, fee=0.02)
    found = one(market, np.random.default_rng(seed).uniform(-1, 1, (30, 6, 1)), seed)
    fees = found["last"].money[1]
    assert fees > 0
    np.testing.assert_allclose(found["rewards"].sum(), -fees, rtol=1e-9)


def test_whoever_sells_first_gains():
    """A token is backed by R(S)/S but bought back at f(S); the seller bears 1/N of what that costs all holders."""
    market = TokenEconomy(agents=5, steps=1, order_size=1e-3, fee=0.0)
    found = one(market, np.array([[[-1.0], [0.0], [0.0], [0.0], [0.0]]]))
    curve, supply = market.curve, market.supply
    gain = (1 - 1 / 5) * (curve.price(supply) - curve.reserve(supply) / supply) * 2e-3
    assert found["rewards"][0, 0] == pytest.approx(gain, rel=1e-3)
    assert found["rewards"][0, 0] > 0
    np.testing.assert_allclose(found["rewards"][0, 1:], -gain / 4, rtol=1e-3)


def test_marked_to_market_wealth_is_not():
    """Everybody buys: each gains on paper what the mark-up of the price over the mean price of all tokens grows by."""
    settings = {"agents": 6, "steps": 30, "order_size": 0.4, "fee": 0.0}
    market = TokenEconomy(rewards=Rewards(wealth="mark-to-market"), **settings)
    found = one(market, np.full((30, 6, 1), 0.9))
    curve, last = Exponential(), found["last"]
    rise = [s * curve.price(s) - curve.reserve(s) for s in (market.supply, last.supply[0])]
    assert found["rewards"].sum() == pytest.approx(rise[1] - rise[0])
    assert rise[1] - rise[0] > 0.1


def test_all_agents_can_sell_everything():
    market = TokenEconomy(agents=5, steps=30, order_size=1.0, holdings=(0.0, 1.0, 2.0, 3.0, 4.0), fee=0.0)
    found = one(market, np.full((30, 5, 1), -1.0))
    check_accounts(market, found)
    assert found["last"].holdings.max() == 0
    assert found["last"].money[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found["info"]["concentration"][-1], 0)
    assert np.isfinite(found["rewards"]).all()


def test_noise_moves_prices_and_is_paid_by_the_reserve():
    market = TokenEconomy(agents=4, steps=100, curve=Exponential(noise=0.002), order_size=0.5)
    found = one(market, np.random.default_rng(0).uniform(-1, 1, (100, 4, 1)))
    check_accounts(market, found)
    noise = found["info"]["price"] - Exponential().price(found["info"]["supply"])
    assert noise.std() == pytest.approx(0.002, rel=0.25)
    net = found["info"]["trade"].sum(axis=1)
    gap = np.cumsum(np.append(0.0, noise)[:-1] * net)  # a price is known before the trades that pay it
    np.testing.assert_allclose(found["info"]["reserve_gap"], gap, atol=1e-12)


# --- the literal variants, whose errors are reported ----------------------------------------------------------------


def test_peer_influence_that_hands_out_tokens_breaks_the_account_of_tokens():
    """Holdings grow by 1 + nu (N - 1) for each token bought; the reference's 6.6 extra go with 2.7 bought."""
    market = TokenEconomy(agents=50, steps=200, peer=Peer(mode="literal", strength=0.05), capital=1e4)
    found = play(market, np.random.default_rng(0).uniform(-1, 1, (20, 200, 50, 1)) + 0.0013)
    extra, bought = found["info"]["token_error"][:, -1], found["info"]["supply"][:, -1] - 100
    np.testing.assert_allclose(extra, 0.05 * 49 * bought, atol=1e-9)
    assert np.abs(extra).max() > 1
    np.testing.assert_allclose(found["info"]["money_error"], 0, atol=1e-9 * 5e5)
    paid = TokenEconomy(agents=50, steps=200, peer=Peer(strength=0.05))
    ordered = one(paid, np.random.default_rng(0).uniform(-1, 1, (200, 50, 1)))
    np.testing.assert_allclose(ordered["info"]["token_error"], 0, atol=1e-9)


def test_the_literal_price_law_falls_below_zero():
    """As in the reference: lambda = .01, S = 100, purchases of 20 a step take a price of 10 to -6.2 in 20 steps."""
    law = Imbalance(flow=0.0, imbalance=0.01)
    curve = {"kind": "linear", "rise": 0.09, "start": 1.0}
    market = TokenEconomy(
        agents=40,
        steps=20,
        holdings=2.5,
        pricing=law,
        clearing="spot",
        curve=curve,
        order_size=0.4,
        capital=1e4,
        fee=0.0,
    )
    half = np.repeat([[1.0], [-1.0]], 20, axis=0)  # half buys 20 tokens, half sells 20
    found = one(market, np.where(np.arange(20)[:, None, None] % 2, half, -half))
    price = found["info"]["price"]
    assert found["states"].price[0] == pytest.approx(10)
    assert price[-1] == pytest.approx(10 - 20 * 0.01 * 80, abs=1e-9)
    assert price[-1] == pytest.approx(-6, abs=0.3)
    assert (found["states"].cash >= 0).all(), "for less than nothing, tokens cost nothing"
    np.testing.assert_allclose(found["info"]["money_error"], 0, atol=1e-7)
    assert np.isfinite(found["rewards"]).all()


def test_tokens_minted_without_backing_leave_a_gap():
    factors = {"mean": 1.0, "volatility": 0.0, "mint": 0.02}
    for backed in (True, False):
        market = TokenEconomy(agents=4, steps=10, factors=Factors(backed=backed, **factors), treasury_cash=100.0)
        found = one(market, np.zeros((10, 4, 1)))
        assert found["info"]["supply"][-1] == pytest.approx(8 * 1.02**10)
        gap = 0.0 if backed else Exponential().reserve(8) - Exponential().reserve(8 * 1.02**10)
        assert found["info"]["reserve_gap"][-1] == pytest.approx(gap, abs=1e-12)
        assert found["last"].treasury == pytest.approx(8 * (1.02**10 - 1))


def test_prices_of_their_own_leave_a_gap_that_is_reported():
    market = TokenEconomy(agents=4, steps=50, clearing="spot", pricing=Ito(), order_size=0.3)
    found = one(market, np.random.default_rng(0).uniform(-1, 1, (50, 4, 1)))
    check_accounts(market, found)
    assert np.abs(found["info"]["reserve_gap"]).max() > 1e-3

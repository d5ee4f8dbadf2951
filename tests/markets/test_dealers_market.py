"""Glosten and Milgrom's dealers: customers against a plain loop, accounts, beliefs, and expected profits."""

import numpy as np
import pytest
from informed_play import everybody, played

from tacitlab.errors import TacitError
from tacitlab.markets.glosten_milgrom.market import GlostenMilgrom
from tacitlab.markets.glosten_milgrom.theory import classic_quotes

TICKS = GlostenMilgrom(dealers=3, tick=0.2, levels=8, customers=40, observes="last-quote", reservation=1.0, reach=0.8)
FREE = GlostenMilgrom(dealers=2, customers=40, informed=0.35)
LEARNED = GlostenMilgrom(dealers=2, values="once", customers=12, informed=0.3)
CLASSIC = GlostenMilgrom(dealers=2, values="once", customers=12, informed=0.3, reservation=None)


def random_actions(market, paths, seed=0):
    random, role = np.random.default_rng(seed), market.roles()[0]
    size = (paths, market.customers, market.dealers)
    if market.tick is not None:
        return {"dealer": random.integers(0, len(market.spreads) + 1, size)[..., None].astype(float)}
    return {"dealer": random.uniform(-1.2, 1.2, (*size, role.actions.size))}


def quotes_of(market, actions):
    """Markups of asks and bids, infinite where there is no quote."""
    if market.tick is not None:
        levels = np.append(np.array(market.spreads), np.inf)
        quotes = levels[np.minimum(actions[..., 0].astype(int), len(levels) - 1)]
        return quotes, quotes
    widest = market.theory.widest if market.values == "each" else max(market.reservation or 0, 2 * market.reach)
    quotes = np.clip((actions + 1) / 2, 0, 1) * widest
    return quotes[..., 0], quotes[..., -1]


@pytest.mark.parametrize("market", [TICKS, FREE, LEARNED, CLASSIC], ids=["ticks", "free", "learned", "classic"])
def test_customers_trade_with_the_best_and_pay_what_is_quoted(market):
    told = random_actions(market, 30)
    found = played(market, 30, told)
    info, belief = found["info"], found["state"].belief
    mean = market.reach * (2 * belief - 1)
    asks, bids = quotes_of(market, told["dealer"])
    best_ask, best_bid = asks.min(axis=2), bids.min(axis=2)
    side, value, profit = info["side"], info["value"], info["profit"]
    assert set(np.unique(side)) == {-1, 0, 1}
    np.testing.assert_allclose(np.abs(value), market.reach)
    markup = np.where(side > 0, best_ask, np.where(side < 0, best_bid, 0.0))
    gained = np.abs(side) * markup + side * (mean - value)
    np.testing.assert_allclose(profit.sum(axis=2), gained, atol=1e-12)
    first = np.where(side[..., None] >= 0, asks == best_ask[..., None], bids == best_bid[..., None])
    np.testing.assert_allclose(profit, first / first.sum(axis=2, keepdims=True) * gained[..., None], atol=1e-12)
    if market.payoffs == "realised":
        np.testing.assert_allclose(found["rewards"]["dealer"], profit)
    # Informed customers trade exactly where it pays, on the right side.
    knows = info["informed"] > 0
    right = np.where(value > mean + best_ask, 1, np.where(value < mean - best_bid, -1, 0))
    np.testing.assert_array_equal(side[knows], right[knows])
    assert (profit[knows] <= 0).all()
    if market.reservation is not None:
        taken = np.where(side > 0, best_ask, best_bid)
        assert (taken[~knows & (side != 0)] < market.reservation).all()
    assert np.mean(knows) == pytest.approx(market.informed, abs=4 * 0.5 / np.sqrt(knows.size))


def test_quotes_earn_what_theory_says():
    market = FREE.model_copy(update={"customers": 1})
    for rule in ("zero-profit", "monopoly"):
        found = played(market, 60_000, rules=everybody(market, rule))
        spread = getattr(market, rule.replace("-", "_"))
        np.testing.assert_allclose(found["info"]["half_spread"], spread, rtol=1e-6)
        total = found["info"]["profit"].sum(axis=2)
        wanted = float(market.theory.profit(spread))
        assert total.mean() == pytest.approx(wanted, abs=4 * total.std() / np.sqrt(total.size))
    known = market.benchmarks()
    assert known.optimum.payoffs.sum() == pytest.approx(wanted)
    assert known.nash.payoffs.sum() == pytest.approx(0, abs=1e-12)


def test_expected_payoffs_are_those_of_the_game():
    market = GlostenMilgrom(tick=0.3, customers=60, payoffs="expected")
    told = random_actions(market, 20)
    found, table = played(market, 20, told), market.theory.payoffs(0.3)
    first, second = (told["dealer"][:, :, i, 0].astype(int) for i in range(2))
    np.testing.assert_allclose(found["rewards"]["dealer"], table[first, second], atol=1e-12)
    assert set(np.unique(first)) == set(range(5)), "every half-spread, and no quote"


def test_the_public_belief_is_bayes_rule():
    """Of the paths whose public belief is near a number, that share has the high value: quotes known, values not."""
    for market in (LEARNED, CLASSIC):
        told = {"dealer": np.broadcast_to(random_actions(market, 1, 5)["dealer"], (20_000, 12, 2, 2))}
        found = played(market, 20_000, told)
        belief, high = found["info"]["belief"][:, -1], found["info"]["value"][:, -1] > 0
        for low in np.linspace(0, 0.9, 10):
            near = (belief >= low) & (belief < low + 0.1)
            if near.sum() > 200:
                error = 4 * 0.5 / np.sqrt(near.sum())
                assert high[near].mean() == pytest.approx(belief[near].mean(), abs=error)
        assert np.abs(belief - 0.5).max() > 0.2, "else nothing was told"
        start = found["info"]["belief_error"][:, -1]
        assert start.mean() == pytest.approx((belief * (1 - belief)).mean(), abs=0.01)


def test_competitive_dealers_break_even_at_every_belief():
    for market in (LEARNED, CLASSIC):
        found = played(market, 20_000, rules=everybody(market, "zero-profit"))
        total = found["info"]["profit"].sum(axis=2)
        error = 4 * total.std(axis=0) / np.sqrt(20_000)
        assert (np.abs(total.mean(axis=0)) < error).all()
        belief = found["info"]["belief"].mean(axis=0)
        assert belief == pytest.approx(0.5, abs=0.02), "a martingale"
    # Without reservations the quotes are the classic ones.
    before, spread = found["state"].belief, found["info"]["half_spread"]
    bid, ask = classic_quotes(before, 0.3, -1.0, 1.0)
    np.testing.assert_allclose(spread, (ask - bid) / 2, atol=1e-6)
    monopoly = played(LEARNED, 20_000, rules=everybody(LEARNED, "monopoly"))["info"]["profit"].sum(axis=2)
    assert monopoly.mean() > 0.05


def test_what_dealers_see():
    told = random_actions(TICKS, 30)
    found = played(TICKS, 30, told)
    seen = found["seen"]["dealer"]
    assert (seen[:, 0] == len(TICKS.spreads)).all(), "no quote yet"
    np.testing.assert_array_equal(seen[:, 1:, 0, 0], told["dealer"][:, :-1, :, 0].min(axis=2))
    assert found["cut"][:, -1].all()
    assert not found["over"].any()
    assert played(LEARNED, 30, random_actions(LEARNED, 30))["over"][:, -1].all()


def test_rules_of_a_market_with_ticks():
    spreads = {}
    for rule in TICKS.rules():
        info = played(TICKS, 30, rules=everybody(TICKS, rule))["info"]
        spreads[rule] = np.unique(info["quote"].round(6))
    assert spreads["hold"] == pytest.approx([TICKS.theory.widest])
    assert not played(TICKS, 30, rules=everybody(TICKS, "hold"))["info"]["traded"].any()
    assert spreads["zero-profit"] == pytest.approx([TICKS.zero_profit])
    assert spreads["monopoly"] == pytest.approx([TICKS.monopoly])
    np.testing.assert_allclose(spreads["random"], TICKS.spreads)


def test_benchmarks_list_all_equilibria():
    known = GlostenMilgrom(tick=0.15).benchmarks()
    assert [p.quantities["half_spread"][0] for p in known.competitive] == pytest.approx([0.3, 0.45])
    assert [p.payoffs[0] for p in known.competitive] == pytest.approx([0.02, 0.0575])
    assert known.complete
    assert known.optimum.payoffs == pytest.approx([0.0875, 0.0875])
    assert known.numbers["zero-profit half-spread, without ticks"] == pytest.approx(0.2377, abs=5e-5)
    assert not GlostenMilgrom(dealers=1, tick=0.15).benchmarks().competitive
    assert LEARNED.benchmarks().nash.payoffs == pytest.approx([0, 0])
    ruinous = GlostenMilgrom(informed=0.7, tick=0.7)
    assert ruinous.benchmarks().competitive == (), "nobody quotes"
    assert "no symmetric equilibrium" in ruinous.benchmarks().notes[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tick": 1.5}, "tick: 1.5 is out of bounds; it must be above 0 and at most 1.2"),
        ({"tick": 0.1, "levels": 5}, "levels: 5 are too few for the 12 half-spreads"),
        ({"levels": 5}, "levels: without tick there are none"),
        ({"values": "once", "tick": 0.1}, "tick: bid and ask around a belief move freely"),
        ({"values": "once", "payoffs": "expected"}, "payoffs: expected needs values=each"),
        ({"values": "once", "observes": "last-quote"}, "observes: last-quote needs values=each"),
        ({"tick": 0.1, "observes": "last-quote"}, "observes: an episode of one customer has no last quote"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        GlostenMilgrom(**changes)

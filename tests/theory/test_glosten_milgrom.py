"""Dealers against printed digits, enumeration of the whole game, root finding and simulated customers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from tacitlab.errors import TacitError
from tacitlab.markets.glosten_milgrom.theory import Customers, belief_after, classic_quotes
from tacitlab.theory.equilibrium import pure_nash

REFERENCE = Customers(informed=0.2, reach=1.0, reservation=1.2)
TICKS = (0.02, 0.03, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.24, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2)
customers = st.builds(Customers, st.floats(0, 0.6), st.floats(0.2, 2), st.floats(0.2, 3))


def visits(who, half_spread, count=1_000_000, seed=0):
    """What a lone dealer earns with each of many customers, written down as the story is told."""
    random = np.random.default_rng(seed)
    informed, news = random.random(count) < who.informed, random.choice([-1, 1], count) * who.reach
    patience, side = random.uniform(0, who.reservation, count), random.choice([-1, 1], count)
    earned = np.where(patience > half_spread, half_spread + 0 * side, 0.0)  # the value is news-free on average
    noise_value = np.where(patience > half_spread, -side * news, 0.0)
    pays = np.abs(news) > half_spread
    return np.where(informed, np.where(pays, half_spread - who.reach, 0.0), earned + noise_value)


def test_numbers_of_the_reference():
    bid, ask = classic_quotes(0.5, 0.3)
    assert (float(bid), float(ask)) == pytest.approx((0.35, 0.65))
    assert float(ask - bid) == pytest.approx(0.3), "mu (V_H - V_L)"
    assert REFERENCE.zero_profit() == pytest.approx(0.2377, abs=5e-5)
    assert REFERENCE.monopoly() == pytest.approx(0.75)
    assert REFERENCE.profit(REFERENCE.monopoly()) == pytest.approx(0.175)


@pytest.mark.parametrize("half_spread", [0.2, 0.75, 1.1])
def test_profits_are_those_of_simulated_customers(half_spread):
    earned = visits(REFERENCE, half_spread)
    assert REFERENCE.profit(half_spread) == pytest.approx(earned.mean(), abs=4 * earned.std() / 1000)


@settings(max_examples=60)
@given(customers)
def test_zero_profit_and_monopoly_by_search(who):
    grid = np.linspace(0, who.widest, 20_001)
    worth = who.profit(grid)
    assert who.profit(who.monopoly()) >= worth.max() - 1e-9
    assert who.profit(who.monopoly()) <= worth.max() + 1e-3
    competitive = who.zero_profit()
    assert who.profit(competitive) == pytest.approx(0, abs=1e-9)
    below = grid[grid < competitive - 1e-9]
    if who.informed > 1e-6:
        assert (who.profit(below) < 1e-12).all(), "the least half-spread without a loss"


@settings(max_examples=60)
@given(customers, st.floats(0.02, 0.98))
def test_a_competitive_ask_earns_nothing_at_any_belief(who, p):
    gain = 2 * (1 - p) * who.reach

    def earned(a):
        noise = (1 - who.informed) / 2 * a * max(1 - a / who.reservation, 0)
        return noise + who.informed * p * (a - gain if a < gain else 0.0)

    found = float(who.markup(p))
    if found < gain * (1 - 1e-9):
        assert earned(found) == pytest.approx(0, abs=1e-9)
    if who.informed > 1e-3:
        first = next((a for a in np.linspace(0, gain, 500)[1:-1] if earned(a) > 1e-9), None)
        if first is not None:
            assert found == pytest.approx(brentq(earned, 1e-12, first), abs=1e-6)


@settings(max_examples=60)
@given(customers, st.floats(0.02, 0.98))
def test_a_monopolists_ask_earns_most_with_the_next_customer(who, p):
    gain = 2 * (1 - p) * who.reach

    def earned(a):
        noise = (1 - who.informed) / 2 * a * np.maximum(1 - a / who.reservation, 0)
        return noise + who.informed * p * np.where(a < gain, a - gain, 0.0)

    best = earned(np.linspace(0, max(gain, who.reservation), 20_001)).max()
    assert best - 1e-9 <= earned(who.monopoly_markup(p)) <= best + 1e-3


def test_without_reservations_quotes_are_the_classic_ones():
    beliefs, who = np.linspace(0.05, 0.95, 19), Customers(0.3, 2.0, np.inf)
    bid, ask = classic_quotes(beliefs, 0.3, -2.0, 2.0)
    centre = (2 * beliefs - 1) * 2
    np.testing.assert_allclose(centre + who.markup(beliefs), ask, atol=1e-12)
    np.testing.assert_allclose(centre - who.markup(1 - beliefs), bid, atol=1e-12)
    assert who.zero_profit() == pytest.approx(0.3 * 2.0)


def test_beliefs_follow_bayes_rule():
    """Of simulated days that have seen the same trades, the share with the high value is the belief."""
    random, days, trades, informed = np.random.default_rng(2), 400_000, 3, 0.4
    high = random.random(days) < 0.3
    knows = random.random((days, trades)) < informed
    buys = np.where(knows, high[:, None], random.random((days, trades)) < 0.5)
    for pattern in np.ndindex(2, 2, 2):
        belief = 0.3
        for side in pattern:
            belief = float(belief_after(belief, informed, 1 if side else -1))
        these = high[(buys == np.array(pattern, bool)).all(axis=1)]
        error = 4 * np.sqrt(belief * (1 - belief) / len(these))
        assert these.mean() == pytest.approx(belief, abs=error)


@pytest.mark.parametrize("dealers", [2, 3])
@pytest.mark.parametrize("tick", TICKS)
def test_equilibria_are_those_of_the_whole_game(tick, dealers):
    if tick < 0.05 and dealers == 3:
        pytest.skip("a large table that adds nothing")
    profiles = pure_nash(REFERENCE.payoffs(tick, dealers), 1e-12)
    levels = np.append(REFERENCE.levels(tick), np.inf)
    same = profiles[(profiles == profiles[:, :1]).all(axis=1), 0]
    quoted = levels[same]
    np.testing.assert_allclose(REFERENCE.symmetric_equilibria(tick, dealers), quoted[np.isfinite(quoted)])


@settings(max_examples=25)
@given(customers, st.floats(0.1, 1), st.integers(2, 3))
def test_equilibria_of_other_customers(who, tick, dealers):
    step = tick * who.widest
    profiles = pure_nash(who.payoffs(step, dealers), 1e-12)
    same = profiles[(profiles == profiles[:, :1]).all(axis=1), 0]
    quoted = np.append(who.levels(step), np.inf)[same]
    np.testing.assert_allclose(who.symmetric_equilibria(step, dealers), quoted[np.isfinite(quoted)])
    if not np.isfinite(quoted).all():
        assert who.profit(who.levels(step)).max() <= 1e-12, "nobody quotes where every quote loses"


def test_a_larger_tick_does_not_always_mean_a_wider_spread():
    highest = [REFERENCE.symmetric_equilibria(tick).max() for tick in (0.1, 0.12, 0.2, 0.3, 0.4)]
    np.testing.assert_allclose(highest, [0.4, 0.36, 0.4, 0.6, 0.4])


def test_payoffs_are_shared_among_the_best():
    table = REFERENCE.payoffs(0.4, 3)
    assert table.shape == (4, 4, 4, 3)
    np.testing.assert_allclose(table[3, 3, 3], 0)
    np.testing.assert_allclose(table[0, 1, 3], [REFERENCE.profit(0.4), 0, 0])
    np.testing.assert_allclose(table[1, 1, 2], [REFERENCE.profit(0.8) / 2] * 2 + [0])
    np.testing.assert_allclose(table.sum(axis=-1)[1, 1, 1], REFERENCE.profit(0.8))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Customers(1.0), "informed: 1 is out of bounds"),
        (lambda: Customers(0.2, -1.0), "reach, reservation: they must be above 0"),
        (lambda: REFERENCE.levels(1.3), "tick: 1.3 is out of bounds; it must be above 0 and at most 1.2"),
        (lambda: REFERENCE.symmetric_equilibria(0.1, 1), "dealers: 1 is too small"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(TacitError, match=words):
        call()

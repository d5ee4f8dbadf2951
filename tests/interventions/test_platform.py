"""Platform rules against direct formulas: who is shown, and what it earns."""

import math

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand
from tacitlab.interventions import DynamicProminence, LearnedThreshold, Prominence
from tacitlab.interventions.platform import display_numbers
from tacitlab.lab.experiment import Experiment, Length, Trace, from_mapping
from tacitlab.learners import Constant, ConstantValue, QLearning, Random
from tacitlab.theory.equilibrium import pure_nash

GAME = Bertrand(n_prices=4, cost=(1.0, 1.2), quality=(2.0, 2.3), price_grid=(1.2, 2.1))
FIVE = {"kind": "bertrand", "n_prices": 5}
TRIO = Bertrand(players=3, n_prices=3, price_grid=(1.3, 2.0))


def profit(game, prices, shown, i):
    """(p_i - c_i) exp((a_i - p_i) / mu) / (sum over shown sellers + exp(a_0 / mu))."""
    if i not in shown:
        return 0.0
    weights = {j: math.exp((game.qualities[j] - prices[j]) / game.mu) for j in shown}
    share = weights[i] / (sum(weights.values()) + math.exp(game.outside_quality / game.mu))
    return (prices[i] - game.costs[i]) * share


def surplus(game, prices, shown):
    weights = [math.exp((game.qualities[j] - prices[j]) / game.mu) for j in shown]
    return game.mu * math.log(sum(weights) + math.exp(game.outside_quality / game.mu))


@pytest.mark.parametrize("game", [GAME, TRIO], ids=["two", "three"])
def test_demand_of_shown_sellers(game):
    rng = np.random.default_rng(0)
    for _ in range(20):
        prices = rng.uniform(1.0, 2.5, game.players)
        mask = rng.random(game.players) < 0.5
        shown = set(np.flatnonzero(mask))
        wanted = [profit(game, prices, shown, i) for i in range(game.players)]
        np.testing.assert_allclose(game.profits(prices, shown=mask), wanted, atol=1e-14)
        assert game.consumer_surplus(prices, shown=mask) == pytest.approx(surplus(game, prices, shown), abs=1e-14)
    everybody = np.ones(game.players, dtype=bool)
    assert np.array_equal(game.profits(prices, shown=everybody), game.profits(prices))


def trace(game, rule, periods=400, seed=3):
    """Prices and profits of sellers who price at random, (periods, sellers)."""
    made = Experiment(
        environment=game, learners=Random(), intervention=rule, length=Length(periods=periods), sessions=1, seed=seed,
        trace=Trace(window=1, windows=periods),
    )  # fmt: skip
    data = tacitlab.run(made).data.isel(session=0)
    actions = data["frequency"].values.argmax(axis=2)
    return game.prices()[np.arange(game.players), actions], data["payoff"].values


@pytest.mark.parametrize("shown", [1, 2])
def test_prominence_shows_the_cheapest(shown):
    prices, profits = trace(TRIO, Prominence(shown=shown, ties="all"))
    for p, earned in zip(prices, profits, strict=True):
        visible = {i for i in range(3) if sum(p < p[i]) < shown}
        np.testing.assert_allclose(earned, [profit(TRIO, p, visible, i) for i in range(3)], atol=1e-12)


def test_lots_are_fair_and_fill_the_places():
    prices, profits = trace(TRIO, Prominence(shown=1), periods=3000)
    paid = Prominence(shown=1).paid(TRIO, TRIO.form()).tensor()
    assert ((profits > 0).sum(axis=1) == 1).all()
    winner = profits.argmax(axis=1)
    assert (prices[np.arange(3000), winner] == prices.min(axis=1)).all()
    tied = prices[:, 0] == prices[:, 1]
    tied &= prices[:, 2] > prices[:, 0]
    assert abs((winner[tied] == 0).mean() - 0.5) < 3 * 0.5 / math.sqrt(tied.sum())
    # The one-shot game pays the mean over lots.
    place = [np.flatnonzero(np.isclose(TRIO.prices()[0], p))[0] for p in prices[tied][0]]
    assert paid[tuple(place)][0] == pytest.approx(profit(TRIO, prices[tied][0], {0}, 0) / 2, abs=1e-12)


def test_competition_for_prominence_lowers_the_equilibrium_price():
    game = Bertrand()
    prices = game.prices()[0]
    plain = max(prices[one[0]] for one in pure_nash(game.form().tensor()))
    steered = max(prices[one[0]] for one in pure_nash(Prominence().paid(game, game.form()).tensor()))
    assert steered < plain


def test_dynamic_prominence_keeps_who_keeps_its_price():
    rule = DynamicProminence(advantage=0.35)
    prices, profits = trace(TRIO, rule)
    holder, promised, kept = None, 0.0, 0
    for p, earned in zip(prices, profits, strict=True):
        shown = int(np.flatnonzero(earned > 0)[0])
        assert earned[shown] == pytest.approx(profit(TRIO, p, {shown}, shown), abs=1e-12)
        assert (np.delete(earned, shown) == 0).all()
        if holder is not None and p[holder] <= promised and p[holder] <= p.min() + 0.35:
            assert shown == holder
            kept += p[holder] > p.min()
        else:
            assert p[shown] == p.min()
            holder, promised = shown, p[shown]
    assert kept > 10  # dearer than the cheapest, and yet shown


def test_sellers_can_be_told_who_has_the_place():
    made = Experiment(
        environment=GAME, intervention=DynamicProminence(informed=True), length=Length(periods=2000), sessions=1,
        learners=QLearning(gamma=0.0, alpha=0.5, exploration=Constant(epsilon=1.0), initial=ConstantValue(value=9.0)),
        trace=Trace(windows=10), keep_values=True,
    )  # fmt: skip
    values = tacitlab.run(made).values()[0][0]
    assert values.shape == (2, 4)
    assert (values < 9).all()  # both signals were met with every price


def test_the_platform_learns_a_threshold():
    rule = LearnedThreshold(arms=4, hold=5, epsilon=0.0, alpha=0.5)
    prices, profits = trace(GAME, rule, periods=200)
    grid = np.linspace(1.2, 2.1, 4)
    value, tries = np.zeros(4), np.zeros(4, int)
    for start in range(0, 200, 5):
        arm = int(np.flatnonzero(tries == 0)[0]) if (tries == 0).any() else int(value.argmax())
        reward = 0.0
        for t in range(start, start + 5):
            shown = {i for i in range(2) if prices[t, i] <= grid[arm]}
            np.testing.assert_allclose(profits[t], [profit(GAME, prices[t], shown, i) for i in range(2)], atol=1e-12)
            reward += surplus(GAME, prices[t], shown) / 5
        value[arm] += (1.0 if tries[arm] == 0 else 0.5) * (reward - value[arm])
        tries[arm] += 1
    assert tries.max() > 10


def test_numbers_of_every_display():
    numbers = display_numbers(GAME)
    assert len(numbers) == 2 * 4 + 4 * 16 * 2 + 4 * 16
    profits = numbers[8 : 8 + 128].reshape(4, 16, 2)
    assert (profits[0] == 0).all()
    assert (profits[1][:, 1] == 0).all()
    np.testing.assert_array_equal(profits[3], GAME.form().tensor().reshape(16, 2))


@pytest.mark.parametrize(
    ("environment", "intervention", "words"),
    [
        ({"kind": "cournot"}, "prominence", "intervention.kind: 'prominence' needs logit demand, 'cournot' has none"),
        ({**FIVE, "entry_persistence": 0.9}, "prominence", "leave out environment.entry_persistence"),
        ({**FIVE, "demand_shock": 0.1}, "learned-threshold", "set environment.demand_shock=0"),
        ({"kind": "bertrand", "players": 5}, "dynamic-prominence", "lower environment.n_prices"),
        ({"kind": "braess"}, "dynamic-prominence", "needs logit demand"),
    ],
)  # fmt: skip
def test_games_that_do_not_fit_are_refused(environment, intervention, words):
    tree = {
        "environment": environment, "learners": {"kind": "q-learning"}, "intervention": {"kind": intervention},
        "length": {"periods": 50}, "sessions": 1,
    }  # fmt: skip
    with pytest.raises(TacitError) as error:
        tacitlab.run(from_mapping(tree))
    assert words in str(error.value)
    assert "\n" not in str(error.value)

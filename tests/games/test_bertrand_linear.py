import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from tacitlab.errors import TacitError
from tacitlab.games.bertrand_linear import LinearBertrand


@st.composite
def markets(draw):
    players = draw(st.integers(2, 4))
    slopes = draw(st.lists(st.floats(0.5, 2.0), min_size=players, max_size=players))
    return LinearBertrand(
        players=players,
        cost=draw(st.lists(st.floats(0.0, 0.95), min_size=players, max_size=players)),
        intercept=draw(st.lists(st.floats(0.96, 2.0), min_size=players, max_size=players)),
        slope=slopes,
        substitution=draw(st.floats(0.0, 0.95)) * min(slopes),
        price_grid=[0.0, 2.0],
    )


def bought(game, prices):
    """The consumer's quadratic programme, as non-negative least squares."""
    n = game.players
    slopes, intercepts = (np.broadcast_to(value, n) for value in (game.slope, game.intercept))
    quadratic = np.full((n, n), game.substitution) + np.diag(slopes - game.substitution)
    root = np.linalg.cholesky(quadratic)
    return nnls(root.T, np.linalg.solve(root, intercepts - prices))[0]


@given(markets(), st.lists(st.floats(0.0, 2.5), min_size=4, max_size=4))
@settings(max_examples=100)
def test_demand_solves_the_consumers_problem(game, prices):
    prices = np.array(prices[: game.players])
    assert game.demand(prices) == pytest.approx(bought(game, prices), abs=1e-9)


def test_two_firm_demand_of_singh_and_vives():
    game = LinearBertrand(intercept=[1.0, 1.2], slope=[1.0, 1.5], substitution=0.6)
    p = np.array([0.5, 0.6])
    determinant = 1.0 * 1.5 - 0.36
    first = ((1.0 * 1.5 - 1.2 * 0.6) - 1.5 * p[0] + 0.6 * p[1]) / determinant
    assert game.demand(p)[0] == pytest.approx(first)


def test_corners():
    game = LinearBertrand(players=3, substitution=0.9)
    assert game.demand([0.2, 1.0, 1.5]) == pytest.approx([0.8, 0.0, 0.0])
    assert game.demand([1.0, 1.0, 1.0]).tolist() == [0.0, 0.0, 0.0]
    two = LinearBertrand(substitution=0.9)
    assert game.demand([0.2, 0.25, 1.5])[:2] == pytest.approx(two.demand([0.2, 0.25]))


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9])
def test_symmetric_duopoly_closed_forms(gamma):
    benchmarks = LinearBertrand(substitution=gamma).benchmarks()
    nash = (1 - gamma) / (2 - gamma)
    assert benchmarks.nash.quantities["price"] == pytest.approx([nash] * 2)
    assert benchmarks.nash.payoffs == pytest.approx([nash * (1 - nash) / (1 + gamma)] * 2)
    assert benchmarks.optimum.quantities["price"] == pytest.approx([0.5] * 2)
    assert benchmarks.optimum.payoffs == pytest.approx([0.25 / (1 + gamma)] * 2)
    assert benchmarks.nash.exact


@pytest.mark.parametrize("players", [2, 3, 5])
def test_symmetric_oligopoly_closed_form(players):
    gamma = 0.5
    spare, others = 1 - gamma, players - 1
    expected = spare / (2 * spare + gamma * others)
    game = LinearBertrand(players=players, substitution=gamma, price_grid=[0, 1], n_prices=4)
    assert game.nash_prices() == pytest.approx([expected] * players)


@given(markets())
@settings(max_examples=40)
def test_nash_is_a_mutual_best_reply(game):
    prices = game.nash_prices()
    profits = game.profits(prices)
    for i in range(game.players):
        trials = np.tile(prices, (1500, 1))
        trials[:, i] = np.linspace(game.costs[i], 2.0, 1500)
        assert game.profits(trials)[:, i].max() <= profits[i] + 1e-9
    assert np.all(profits >= 0)


@given(markets())
@settings(max_examples=20)
def test_monopoly_beats_random_prices(game):
    best = game.profits(game.monopoly_prices()).sum()
    trials = np.random.default_rng(0).uniform(0, 2, (3000, game.players))
    assert game.profits(trials).sum(axis=1).max() <= best + 1e-12


def test_limit_pricing():
    """Firm 0 keeps firm 1 out by q_0 = (alpha - c_1)/gamma: below its monopoly quantity's price, above its cost."""
    game = LinearBertrand(cost=[0.0, 0.59], substitution=0.8, price_grid=[0, 1])
    assert game.nash_prices() == pytest.approx([1 - 0.41 / 0.8, 0.59])
    benchmarks = game.benchmarks()
    assert benchmarks.nash.payoffs[1] == 0
    assert any("priced out" in note for note in benchmarks.notes)


def test_consumer_surplus_is_minus_the_integral_of_demand():
    game = LinearBertrand(players=3, slope=[1.0, 1.5, 2.0])
    prices, step = np.array([0.2, 0.3, 0.35]), 1e-6
    for i in range(3):
        shift = step * (np.arange(3) == i)
        slope = (game.consumer_surplus(prices + shift) - game.consumer_surplus(prices - shift)) / (2 * step)
        assert slope == pytest.approx(-game.demand(prices)[i], abs=1e-8)


@given(markets(), st.permutations(range(4)))
@settings(max_examples=25)
def test_permuting_the_firms_permutes_the_profits(game, order):
    order = [k for k in order if k < game.players]
    names = ("cost", "intercept", "slope")
    other = game.model_copy(update={name: tuple(getattr(game, name)[k] for k in order) for name in names})
    prices = np.linspace(0.5, 1.0, game.players)
    assert other.profits(prices[order]) == pytest.approx(game.profits(prices)[order], abs=1e-12)


def test_benchmarks_without_competition_need_a_range():
    with pytest.raises(TacitError, match=r"^price_grid: "):
        LinearBertrand(substitution=0).form()
    assert LinearBertrand(substitution=0, price_grid=[0, 1]).benchmarks().nash.payoffs == pytest.approx([0.25] * 2)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"substitution": 1.0}, "substitution"),
        ({"substitution": -0.1}, "substitution"),
        ({"substitution": float("nan")}, "substitution"),
        ({"slope": [1, 0]}, "slope.1"),
        ({"slope": [1, 1, 1]}, "slope"),
        ({"intercept": float("inf")}, "intercept"),
        ({"cost": 2}, "intercept"),
        ({"players": 21}, "players"),
        ({"players": 20}, "n_prices"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        LinearBertrand(**parameters).form()
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)

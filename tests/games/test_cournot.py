import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.games.cournot import Cournot


def test_market_of_waltman_and_kaymak():
    benchmarks = Cournot().benchmarks()
    assert benchmarks.nash.quantities["quantity"].tolist() == [12, 12]
    assert benchmarks.nash.payoffs.tolist() == [144, 144]
    assert benchmarks.optimum.quantities["quantity"].sum() == 18
    assert benchmarks.optimum.payoffs.tolist() == [162, 162]
    assert benchmarks.numbers["total quantity under perfect competition"] == 36
    on_grid = {tuple(p.actions) for p in benchmarks.competitive if p.actions is not None}
    assert on_grid == {(11, 13), (12, 12), (13, 11)}


def test_price_is_never_negative_but_production_is_paid():
    game = Cournot()
    assert game.price([40, 40]) == 0
    assert game.form().tensor()[40, 40].tolist() == [-160, -160]
    assert game.form().tensor()[12, 10].tolist() == [12 * 14, 10 * 14]


@pytest.mark.parametrize("players", [2, 3, 4])
def test_symmetric_closed_form(players):
    game = Cournot(players=players, n_quantities=5)
    assert game.nash_quantities() == pytest.approx([36 / (players + 1)] * players)
    assert game.optimal_quantities() == pytest.approx([18 / players] * players)


@given(
    st.lists(st.floats(0, 60), min_size=2, max_size=4),
    st.floats(61, 100),
    st.floats(0.5, 3),
    st.permutations(range(4)),
)
@settings(max_examples=50)
def test_nash_is_a_mutual_best_reply_with_corners(costs, intercept, slope, order):
    order = [k for k in order if k < len(costs)]
    game = Cournot(players=len(costs), cost=costs, intercept=intercept, slope=slope)
    nash = game.nash_quantities()
    profits = game.profits(nash)
    for i in range(len(costs)):
        trials = np.tile(nash, (1000, 1))
        trials[:, i] = np.linspace(0, intercept / slope, 1000)
        assert game.profits(trials)[:, i].max() <= profits[i] + 1e-8
    assert game.profits(game.optimal_quantities()).sum() >= profits.sum() - 1e-8
    permuted = Cournot(players=len(costs), cost=[costs[k] for k in order], intercept=intercept, slope=slope)
    assert permuted.nash_quantities() == pytest.approx(nash[order], abs=1e-9)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"intercept": 3}, "intercept"),
        ({"slope": 0}, "slope"),
        ({"cost": -1}, "cost"),
        ({"cost": [1, 2, 3]}, "cost"),
        ({"highest_quantity": float("nan")}, "highest_quantity"),
        ({"n_quantities": 1}, "n_quantities"),
        ({"players": 6}, "n_quantities"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        Cournot(**parameters).form()
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)

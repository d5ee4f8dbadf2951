import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from tacitlab.errors import TacitError
from tacitlab.games.bertrand_homogeneous import HomogeneousBertrand
from tacitlab.theory.equilibrium import pure_nash


def test_kleins_market():
    game = HomogeneousBertrand()
    assert game.prices() == pytest.approx(np.tile(np.arange(7) / 6, (2, 1)))
    tensor = game.form().tensor() * 72
    assert tensor[3, 3] == pytest.approx([9, 9])
    assert tensor[2, 5] == pytest.approx([16, 0])
    assert tensor[6, 4] == pytest.approx([0, 16])
    benchmarks = game.benchmarks()
    assert benchmarks.nash.payoffs.tolist() == [0, 0]
    assert benchmarks.optimum.payoffs == pytest.approx([0.125, 0.125])
    assert benchmarks.optimum.quantities["price"] == pytest.approx([0.5, 0.5])
    assert round(benchmarks.numbers["Edgeworth cycle profit"], 4) == 0.0611
    on_grid = {tuple(p.actions) for p in benchmarks.competitive if p.actions is not None}
    assert on_grid == {(0, 0), (1, 1)}


def test_markov_perfect_edgeworth_cycle_differs_from_kleins_number():
    """Maskin and Tirole's equilibrium on Klein's grid, solved and checked here: undercut to 0, wait, reset to 5/6."""
    payoff, discount = HomogeneousBertrand().form().tensor()[..., 0].T, 0.95  # [rival's price, own price]

    def solve(wait):
        policy = np.zeros((7, 7))  # [rival's price, own price]
        policy[[1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 4]] = 1
        policy[0, [0, 5]] = wait, 1 - wait
        now = (policy * payoff).sum(axis=1)  # when moving
        then = (policy * payoff.T).sum(axis=1)  # when the rival moves, by own price
        moving = np.linalg.solve(np.eye(7) - discount**2 * policy @ policy, now + discount * policy @ then)
        waiting = then + discount * policy @ moving
        return policy, payoff + discount * waiting

    wait = brentq(lambda w: np.diff(solve(w)[1][0, [0, 5]])[0], 0, 0.999)
    policy, action_values = solve(wait)
    assert (policy * action_values).sum(axis=1) == pytest.approx(action_values.max(axis=1))  # Markov perfect
    share = np.linalg.matrix_power(policy, 20_000).mean(axis=0)
    for step in range(1, 6):
        share = share + np.linalg.matrix_power(policy, 20_000 + step).mean(axis=0)
    industry = (policy * (payoff + payoff.T)).sum(axis=1)
    assert share @ industry / share.sum() / 2 == pytest.approx(0.0657, abs=5e-5)


def test_pure_equilibria_of_finer_grids_approach_cost():
    """Undercutting a tie one step above cost gains nothing, two steps above it does."""
    stable = pure_nash(HomogeneousBertrand(n_prices=101).form().tensor())
    assert stable.tolist() == [[0, 0], [1, 1]]


@given(st.lists(st.sampled_from(np.linspace(0, 1, 11).tolist()), min_size=3, max_size=3))
def test_the_cheapest_share_the_market(prices):
    game = HomogeneousBertrand(players=3)
    quantities = game.demand(prices)
    assert quantities.sum() == pytest.approx(1 - min(prices))
    cheapest = [p == min(prices) for p in prices]
    assert quantities == pytest.approx(np.where(cheapest, (1 - min(prices)) / sum(cheapest), 0))


def test_asymmetric_costs():
    game = HomogeneousBertrand(cost=[0.0, 0.3])
    benchmarks = game.benchmarks()
    assert benchmarks.nash.payoffs == pytest.approx([0.3 * 0.7, 0])
    # On a fine grid the low-cost firm sells near the rival's cost in the best of the equilibria.
    tensor = HomogeneousBertrand(cost=[0.0, 0.3], n_prices=1001).form().tensor()
    assert tensor[tuple(pure_nash(tensor).T)][:, 0].max() == pytest.approx(0.21, abs=0.001)
    assert benchmarks.optimum.payoffs == pytest.approx([0.25, 0])
    drastic = HomogeneousBertrand(cost=[0.0, 0.8])
    assert drastic.nash_prices() == pytest.approx([0.5, 0.5])
    assert HomogeneousBertrand(players=3, cost=[0.2, 0.2, 0.5]).nash_prices() == pytest.approx([0.2] * 3)


def test_named_grids():
    game = HomogeneousBertrand(price_grid="nash-monopoly", cost=0.2, xi=0.1)
    assert game.prices()[0, [0, -1]] == pytest.approx([0.16, 0.64])
    assert HomogeneousBertrand(price_grid="cost-based", cost=0.2).prices()[0, 0] == pytest.approx(0.2)


def test_edgeworth_cycle_is_left_out_where_nothing_can_be_earned():
    assert HomogeneousBertrand(cost=0.5, price_grid=[0.0, 0.4]).edgeworth_profit() is None


def test_consumer_surplus():
    assert HomogeneousBertrand().consumer_surplus([0.5, 0.7]) == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"intercept": -1}, "intercept"),
        ({"slope": float("nan")}, "slope"),
        ({"cost": 1.0}, "intercept"),
        ({"cost": [0.1, 0.2, 0.3]}, "cost"),
        ({"price_grid": [1, 1]}, "price_grid"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        HomogeneousBertrand(**parameters)
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)

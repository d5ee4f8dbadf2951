"""Exact values of two agents in the token economy, against the simulated market."""

import itertools

import numpy as np
import pytest
from token_play import play

from tacitlab.errors import TacitError
from tacitlab.markets.token.curves import ConstantProduct, Exponential, Power, Sigmoid
from tacitlab.markets.token.exact import holding_game
from tacitlab.markets.token.holding_game import best_response, equilibrium, joint_optimum, value
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import Factors, Peer, PrivateValues, Resource, Rewards

TWO = {"agents": 2, "orders": "ternary", "steps": 3, "order_size": 0.5, "capital": 1000.0}
MARKETS = {
    "plain": {"holdings": 20.0},
    "fees, taxes, treasury": {
        "holdings": (10.0, 30.0), "order_size": 1 / 3, "fee": 0.02, "exit_tax": 0.05, "treasury": 20.0,
    },
    "marked to market": {"holdings": 20.0, "rewards": Rewards(wealth="mark-to-market", profit=0.7)},
    "a resource, for all": {
        "holdings": (1.0, 0.5), "curve": Sigmoid(highest=1.0, steepness=1.0, middle=2.0), "order_size": 1 / 3,
        "utility": Resource(tastes=(1.5, 0.8)), "rewards": Rewards(cooperation=0.5, stability=0.2),
    },
    "until all is sold": {"holdings": 1.0, "curve": Power(exponent=2.0, scale=0.5), "rewards": Rewards(stability=0.1)},
    "literal weights": {
        "holdings": 2.0, "curve": ConstantProduct(tokens=50.0),
        "rewards": Rewards(cooperation=-0.3, others="literal", stability=0.2, changes="literal"),
    },
}  # fmt: skip


def built(name, **more):
    return TokenEconomy(**{**TWO, **MARKETS[name], **more})


def simulated(market, strategies):
    """Sums of rewards (2,) of play by tables that are sure, (steps, holdings, holdings, 3)."""
    lot, held, orders = market.order_size * market.supply / 2, holding_game(market).start, []
    for step in range(market.steps):
        pair = [int(part[step][tuple(held)].argmax()) for part in strategies]
        orders.append(pair)
        held = [max(lots + order - 1, 0) for lots, order in zip(held, pair, strict=True)]
    found = play(market, np.array(orders, float)[None, :, :, None])
    np.testing.assert_allclose(found["info"]["holdings"][0, -1], lot * np.array(held), atol=1e-9)
    return found["rewards"][0].sum(axis=0)


@pytest.mark.parametrize("name", MARKETS)
def test_the_market_pays_what_the_game_says(name):
    market = built(name)
    game = holding_game(market)
    sizes = game.rewards.shape[1:3]
    tables = np.random.default_rng(1).integers(0, 3, (2, *sizes))
    strategies = tuple(np.eye(3)[tables])
    steady = [np.broadcast_to(part, (market.steps, *part.shape)) for part in strategies]
    np.testing.assert_allclose(simulated(market, steady), value(game, strategies), rtol=1e-9, atol=1e-9)
    nash = equilibrium(game)
    plays = [joint_optimum(game), best_response(game, 0, strategies), best_response(game, 1, strategies, "others")]
    if all((part.max(axis=-1) == 1).all() for part in nash.strategies):
        plays.append(nash)
    for found in plays:
        np.testing.assert_allclose(simulated(market, found.strategies), found.values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["plain", "a resource, for all", "literal weights"])
def test_no_orders_at_all_bring_more_than_the_joint_optimum(name):
    market = built(name, steps=2)
    orders = np.array(list(itertools.product(range(3), repeat=4)), float).reshape(-1, 2, 2, 1)
    sums = play(market, orders)["rewards"].sum(axis=(1, 2))
    assert joint_optimum(holding_game(market)).values.sum() == pytest.approx(sums.max(), abs=1e-12)


def test_who_sells_first_gains_at_the_other_ones_expense():
    """A token is worth its share of the reserve to who keeps it, and the price to who sells it: both sell at once."""
    market = built("plain", fee=0.0)
    found = market.benchmarks()
    nash, joint = found.nash, found.optimum
    assert (nash.name, nash.concept, nash.exact, joint.exact) == ("Markov-perfect", "nash", True, True)
    np.testing.assert_allclose([*nash.payoffs, *joint.payoffs], 0, atol=1e-12)
    game = holding_game(market)
    np.testing.assert_array_equal(equilibrium(game).strategies[0][0, 2, 2], [1, 0, 0])
    curve, lot = Exponential(), 10.0
    alone = curve.reserve(40.0) - curve.reserve(20.0) - 20 * curve.reserve(40.0) / 40  # sells its two lots of 10
    assert found.numbers["gain of an agent whose rival holds"] == pytest.approx(alone)
    assert game.start == (2, 2)
    assert lot == market.order_size * market.supply / 2


def test_benchmarks_of_a_resource_keep_the_long_run_beside_the_episode():
    found = built("a resource, for all").benchmarks()
    assert [one.name for one in found.competitive][:2] == ["Markov-perfect", "price-taking equilibrium"]
    assert [one.name for one in found.cooperative] == ["joint optimum of the episode", "joint optimum"]
    assert found.optimum.average >= found.nash.average


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"agents": 3, "holdings": 2.0}, "agents: exact values need two"),
        ({"orders": "continuous"}, "agents: exact values need two"),
        ({"clearing": "spot"}, "clearing:"),
        ({"peer": Peer()}, "clearing:"),
        ({"factors": Factors()}, "factors:"),
        ({"utility": PrivateValues()}, "factors:"),
        ({"curve": Exponential(noise=0.1)}, "factors:"),
        ({"order_size": 0.3}, "order_size: agents hold 3.33333"),
        ({"capital": 1.0}, "capital: who always buys pays up to"),
        ({"capacity": 60.0}, "capacity: 100 tokens"),
        ({"steps": 2000, "capital": 1e12, "curve": Power(exponent=0.0), "holdings": 20.0}, "take fewer steps"),
    ],
)
def test_what_is_another_game_is_refused(changes, problem):
    market = built("plain", **changes)
    with pytest.raises(TacitError, match=problem):
        holding_game(market)
    if market.agents == 2 and market.orders == "ternary":
        assert any(note.startswith("no exact values: ") and problem in note for note in market.benchmarks().notes)

"""Joint optima against the published table, all plans of small games, and a solver without multisets."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.theory import TradingGame

CAP10 = TradingGame(alpha=0.01, lowest=0, highest=10, start=5, steps=1000, price=100.0)
LAWS = [("linear", "pre"), ("linear", "mid"), ("linear", "post")] + [
    ("exponential", execution) for execution in ("pre", "mid", "post", "exact")
]


@st.composite
def games(draw, steps=3, shocks=True):
    law, execution = draw(st.sampled_from(LAWS))
    lowest, highest = draw(st.sampled_from([(0, 2), (-1, 1), (-2, 0), (0, 1)]))
    return TradingGame(
        alpha=draw(st.floats(0, 0.3)), quantity=draw(st.sampled_from([1.0, 0.5])), lowest=lowest, highest=highest,
        start=draw(st.integers(lowest, highest)), steps=draw(st.integers(1, steps)), volatility=0.1, law=law,
        execution=execution, valuation=draw(st.sampled_from(["mark-to-market", "liquidation", "final-liquidation"])),
        holding_penalty=draw(st.sampled_from([0.0, 0.02])), shock=draw(st.sampled_from([0.0, 0.3])) if shocks else 0.0,
        price=draw(st.sampled_from([1.0, 50.0])),
    )  # fmt: skip


def step_rewards(game, held, sides, price, last):
    """Rewards before shocks and penalties, next price and inventories (lots), from the definitions; no noise."""
    orders = [s if game.lowest <= h + s <= game.highest else 0 for h, s in zip(held, sides, strict=True)]
    net, after = sum(orders), [h + o for h, o in zip(held, orders, strict=True)]
    growth, fill = float(game.growth(net)), float(game.fill(net))

    def proceeds(lots):
        return game.proceeds[lots - game.lowest]

    rewards = []
    for before, order, then in zip(held, orders, after, strict=True):
        units, q = then * game.quantity, game.quantity
        reward = units * price * (growth - 1) + q * order * price * (1 - fill)
        if game.valuation == "liquidation":
            reward = price * (growth * proceeds(then) - proceeds(before) - q * order * fill)
        if game.valuation == "final-liquidation" and last:
            reward += price * growth * (proceeds(then) - units)
        rewards.append(reward)
    return rewards, price * growth, after


def brute_force(game, agents):
    """Greatest expected sum of rewards by recursion over all orders and shocks, with the price carried along."""
    shocks = [((s,), game.shock / 2 if s else 1 - game.shock) for s in (-1, 0, 1) if game.shock or not s]

    @cache
    def best(step, price, held):
        if step == game.steps:
            return 0.0
        found = -np.inf
        for sides in product((-1, 0, 1), repeat=agents):
            rewards, later, after = step_rewards(game, held, sides, price, step == game.steps - 1)
            total = sum(rewards)
            for hits in product(shocks, repeat=agents):
                chance = np.prod([hit[1] for hit in hits])
                shaken = tuple(
                    min(max(a + hit[0][0], game.lowest), game.highest) for a, hit in zip(after, hits, strict=True)
                )
                penalty = sum(game.holding_penalty * later * (game.quantity * s) ** 2 for s in shaken)
                total += chance * (best(step + 1, later, shaken) - penalty)
            found = max(found, total)
        return found

    return best(0, game.price, (game.start,) * agents) / agents


@given(games(), st.integers(1, 2))
@settings(max_examples=60)
def test_joint_optimum_is_the_best_of_all_orders(game, agents):
    assert joint_optimum(game, agents).value == pytest.approx(brute_force(game, agents), rel=1e-9, abs=1e-10)


@given(games(steps=2))
@settings(max_examples=15)
def test_joint_optimum_of_three_agents_is_the_best_of_all_orders(game):
    assert joint_optimum(game, 3).value == pytest.approx(brute_force(game, 3), rel=1e-9, abs=1e-10)


@given(games(shocks=False), st.integers(1, 3))
@settings(max_examples=40)
def test_following_the_orders_earns_the_value(game, agents):
    optimum = joint_optimum(game, agents)
    held, price, total = [game.start] * agents, game.price, 0.0
    for step in range(game.steps):
        shown = np.roll(held, step)  # orders go with agents, whatever the order in which these stand
        orders = np.roll(optimum.orders(step, shown), -step)
        assert all(game.lowest <= h + o <= game.highest for h, o in zip(held, orders, strict=True))
        rewards, price, held = step_rewards(game, held, orders, price, step == game.steps - 1)
        total += sum(rewards) - sum(game.holding_penalty * price * (game.quantity * h) ** 2 for h in held)
    assert total / agents == pytest.approx(optimum.value, rel=1e-9, abs=1e-9)


def test_setup_a_of_the_reference():
    for execution, together, alone in (("pre", 880, 499.6), ("post", 76.3, 35.8)):
        game = replace(CAP10, execution=execution)
        assert joint_optimum(game, 2).value == pytest.approx(together, abs=0.05)
        assert joint_optimum(game, 1).value == pytest.approx(alone, abs=0.05)


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05])
def test_post_fills_are_bought_to_the_limit_one_lot_a_step(alpha):
    """The reference's closed form: a net lot at a total inventory of k earns ``alpha P k``."""
    game = replace(CAP10, alpha=alpha, execution="post")
    total = alpha * 100 * sum((10 + k) * (1 + alpha) ** k for k in range(10))
    assert joint_optimum(game, 2).value == pytest.approx(total / 2, rel=1e-12)
    alone = alpha * 100 * sum((5 + k) * (1 + alpha) ** k for k in range(5))
    assert joint_optimum(game, 1).value == pytest.approx(alone, rel=1e-12)


def test_the_pump_buys_and_sells_together():
    optimum = joint_optimum(replace(CAP10, execution="pre"), 2)
    held, nets = np.array([5, 5]), []
    for step in range(1000):
        orders = optimum.orders(step, held)
        nets.append(orders.sum())
        held = held + orders
    assert np.mean(np.abs(nets) == 2) > 0.98
    assert held.tolist() == [10, 10]
    assert 0.01 * np.std(nets) == pytest.approx(0.02, abs=5e-4)


def test_exact_fills_and_honest_valuation_leave_nothing_to_an_agent_alone():
    game = replace(CAP10, law="exponential", execution="exact", valuation="liquidation")
    optimum = joint_optimum(game, 1)
    assert optimum.value == pytest.approx(0, abs=1e-9)
    assert (optimum.successors == np.arange(11)).all()  # ties: no trade


def test_trades_for_which_there_is_time_come_late():
    """Prices are fair: an agent alone gains nothing by early orders, and rounding decides nothing."""
    game = replace(CAP10, alpha=0.013, law="exponential", execution="exact", steps=60)
    optimum = joint_optimum(game, 1)
    assert (optimum.successors[:50] == np.arange(11)).all()
    assert optimum.successors[-5:, 5].tolist() == [6] * 5


def test_volatility_does_not_matter():
    game = replace(CAP10, steps=50, shock=0.2, holding_penalty=0.001)
    assert joint_optimum(game).value == joint_optimum(replace(game, volatility=0.0)).value


def test_too_many_joint_states_are_refused():
    with pytest.raises(TacitError, match="agents: 10 have 184756 joint inventories times 59049 orders"):
        joint_optimum(CAP10, 10)
    with pytest.raises(TacitError, match="agents: 0 is too small"):
        joint_optimum(CAP10, 0)

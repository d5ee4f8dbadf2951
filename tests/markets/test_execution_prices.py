"""Prices and rewards of the execution game against plain loops over the reference's formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_execution import orders, public, rewards
from playing import paths
from scipy import stats

from tacitlab.markets.execution.market import Execution, Exponential, Liquidity, Permanent, Power

STEPS, AGENTS, PATHS = 4, 3, 128  # the same in many tests, which then share what is compiled
MANY = 2000  # paths of two traders in ten steps
TWO_ASSETS = {"cross_impact": ((1.0, 0.4), (0.4, 0.8)), "trades": "parts", "features": "plain"}


@st.composite
def markets(draw, **fixed):
    """Three agents, four steps, everything else at random."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def coefficients(low, high):
        values = random.uniform(low, high, STEPS)
        return tuple(values) if draw(st.booleans()) else float(values[0])

    kernel = draw(st.sampled_from([Permanent(), Exponential(decay=0.7), Power(exponent=0.6)]))
    permanent = coefficients(1e-3, 4e-3)
    settings = {
        "inventories": tuple(random.choice([-30.0, 0.0, 20.0, 40.0, 100.0], AGENTS - 1)) + (50.0,),
        "steps": STEPS, "tau": draw(st.sampled_from([0.5, 1.0, 2.0])), "temporary": coefficients(5e-3, 2e-2),
        "permanent": permanent if kernel == Permanent() else float(np.max(permanent)), "kernel": kernel,
        "lag": draw(st.integers(1, 2)) if kernel == Permanent() else 1, "price": 7.0, "volatility": 0.05,
        "order": draw(st.sampled_from(["simultaneous", "coin-toss"])), "shared_temporary": draw(st.booleans()),
        "risk_aversion": draw(st.sampled_from([0.0, 2.0])), "trades": "parts",
    }  # fmt: skip
    return Execution(**settings | fixed)


def check_against_loops(market, trades):
    """Each step's rewards are those of one order of the agents, and the public price is right."""
    found, count = paths(market, np.repeat(trades, PATHS // len(trades), axis=0)), len(market.inventories)
    scale = market.price * np.abs(trades).sum() * 1e-6
    for path, traded in zip(range(0, PATHS, PATHS // len(trades)), trades, strict=True):
        noise, liquidity = found["states"].noise[path], found["states"].liquidity[path]
        for step in range(market.steps):
            seen = public(market, traded, step, noise, liquidity)
            prices = [v[path, step] for name, v in found["info"].items() if name.startswith("price")]
            np.testing.assert_allclose(prices, seen, rtol=2e-6)
            possible = orders(market) if market.order == "coin-toss" else [list(range(count))]
            wanted = np.array([rewards(market, traded, step, order, noise, liquidity) for order in possible])
            errors = np.abs(wanted - found["rewards"][path, step]).max(axis=1)
            assert errors.min() <= scale, f"step {step}: nobody's order gives these rewards"


@given(markets(), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_rewards_and_prices_follow_the_formulas(market, seed):
    check_against_loops(market, np.random.default_rng(seed).normal(20, 30, (2, STEPS, AGENTS, 1)).round(3))


@pytest.mark.parametrize("kernel", [Permanent(), Exponential(), Power()], ids=lambda k: k.kind)
@pytest.mark.parametrize("shared", [False, True])
def test_several_assets_move_each_other(kernel, shared):
    market = Execution(
        inventories=((30.0, 0.0), (20.0, -10.0)), steps=3, kernel=kernel, shared_temporary=shared,
        tau=0.5, volatility=0.01, temporary=0.01, permanent=0.003, **TWO_ASSETS,
    )  # fmt: skip
    check_against_loops(market, np.random.default_rng(0).normal(10, 10, (2, 3, 2, 2)))


def test_random_liquidity_scales_what_it_names():
    law = Liquidity(reversion=2.0, permanent_noise=0.02, temporary_noise=0.05)
    market = Execution(
        inventories=(40.0,) * 3, steps=STEPS, liquidity=law, shared_temporary=True, tau=0.5,
        permanent=(0.001, 0.002, 0.003, 0.002), volatility=0.01,
    )  # fmt: skip
    check_against_loops(market, np.random.default_rng(0).normal(10, 10, (2, STEPS, AGENTS, 1)))


def liquidations(market, random, count):
    """Random schedules that sell everything."""
    trades = random.normal(size=(count, market.steps, len(market.inventories), market.assets)) * 20
    inventories = np.reshape(market.inventories, (1, 1, -1, market.assets))
    return trades + (inventories - trades.sum(axis=1, keepdims=True)) / market.steps


@given(markets(volatility=0.0, risk_aversion=0.0), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_without_noise_the_shortfall_is_the_cost_of_the_game(market, seed):
    one = liquidations(market, np.random.default_rng(seed), 1)
    found = paths(market, np.repeat(one, PATHS, axis=0), seed)["rewards"]
    possible = orders(market) if market.order == "coin-toss" else [list(range(AGENTS))]
    expected = np.zeros(AGENTS)
    for step in range(STEPS):  # the mean over all orders, each of which comes up among so many paths
        for order in possible:
            wanted = rewards(market, one[0], step, order, [[0.0]] * STEPS, [[1.0, 1.0]] * STEPS)
            nearest = np.abs(found[:, step] - wanted).max(axis=1).argmin()
            expected -= found[nearest, step] / len(possible)
    np.testing.assert_allclose(expected, market.game.costs(one.swapaxes(1, 2)[0]), rtol=1e-5, atol=2e-3)


def test_a_risk_averse_agent_pays_for_the_variance_of_its_cost():
    settings = {"inventories": (40.0, 100.0), "volatility": 0.3, "tau": 0.5, "order": "simultaneous"}
    plain, averse = Execution(**settings), Execution(risk_aversion=1.5, **settings)
    trades = np.repeat(liquidations(plain, np.random.default_rng(0), 1), MANY, axis=0)
    costs = np.concatenate([-paths(plain, trades, seed)["rewards"].sum(axis=1) for seed in range(8)])
    penalty = costs[0] + paths(averse, trades)["rewards"].sum(axis=1)[0]
    np.testing.assert_allclose(-penalty, 1.5 * costs.var(axis=0), rtol=0.05)
    wanted = averse.game.costs(trades[0].swapaxes(0, 1)) - plain.game.costs(trades[0].swapaxes(0, 1))
    np.testing.assert_allclose(-penalty, wanted, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "twap", "schied_zhang"),
    [
        ({"order": "simultaneous"}, 11.0, 11.2186),
        ({"order": "coin-toss"}, 11.5, None),
        ({"order": "simultaneous", "shared_temporary": True}, 13.0, None),
        ({"lag": 2}, 9.2, 9.1857),
        ({"lag": 2, "order": "simultaneous"}, 9.2, 9.1857),
    ],
)
def test_shortfalls_of_the_reference(settings, twap, schied_zhang):
    market = Execution(volatility=0.0, **settings)
    for wanted, schedule in ((twap, market.game.twap()), (schied_zhang, market.schied_zhang())):
        if wanted is None:
            continue
        trades = np.repeat(schedule.swapaxes(0, 1)[None], MANY, axis=0)
        found = -paths(market, trades)["rewards"].sum(axis=1).mean(axis=0)
        luck = 0.02 if wanted == 11.5 else 2e-4  # 20 coins of which each costs 0.1
        np.testing.assert_allclose(found, wanted, atol=luck)


def test_noise_gives_the_shortfall_of_twap_its_known_spread():
    market = Execution(order="simultaneous")
    found = [paths(market, np.full((MANY, 10, 2, 1), 10.0), seed) for seed in range(10)]
    costs = -np.concatenate([path["rewards"].sum(axis=1) for path in found])
    np.testing.assert_allclose(costs.std(axis=0), 0.1688, rtol=0.02)
    np.testing.assert_allclose(costs.mean(axis=0), 11, atol=5 * 0.1688 / len(costs) ** 0.5)
    steps = np.concatenate([np.diff(path["states"].noise[..., 0], axis=1) for path in found]) / 1e-3
    assert stats.kstest(steps.ravel()[:50_000], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(steps.T) - np.eye(9)).max() < 0.05, "noise is fresh in each step"


def test_all_orders_are_equally_likely():
    market = Execution(inventories=(100.0, 50.0, 50.0), steps=STEPS, volatility=0.0, permanent=0.01, trades="parts")
    trades = np.zeros((PATHS, STEPS, AGENTS, 1))
    trades[:, 0] = [[10.0], [20.0], [40.0]]
    found = np.concatenate([paths(market, trades, seed)["rewards"][:, 0] for seed in range(40)])
    wanted = [rewards(market, trades[0], 0, order, [[0.0]], [[1.0, 1.0]]) for order in orders(market)]
    which = np.array([np.abs(found - w).max(axis=1) < 1e-2 for w in wanted])
    assert (which.sum(axis=0) == 1).all()
    assert stats.chisquare(which.sum(axis=1)).pvalue > 1e-3


def liquidity(law):
    return paths(Execution(liquidity=law), np.zeros((MANY, 10, 2, 1)))["states"].liquidity


@pytest.mark.parametrize("noise", [(0.002, 0.002), (0.004, 0.003)])
def test_random_liquidity_returns_to_its_mean(noise):
    found = liquidity(Liquidity(reversion=8.0, permanent_noise=noise[0], temporary_noise=noise[1]))
    assert (found[:, 0] == 1).all(), "it starts from its mean"
    late, stays = found[:, 4:], 1 - 8.0 * 0.1
    flat, strength = late.reshape(-1, 2), np.array(noise) / np.sqrt([0.001, 0.002]) * np.sqrt(0.1)
    np.testing.assert_allclose(flat.mean(axis=0), 1, atol=0.005)
    np.testing.assert_allclose(flat.var(axis=0), strength**2 / (1 - stays**2), rtol=0.06)
    assert np.corrcoef(flat.T)[0, 1] == pytest.approx(0.9, abs=0.01)
    before, after = late[:, :-1] - 1, late[:, 1:] - 1
    np.testing.assert_allclose((before * after).mean(axis=(0, 1)) / flat.var(axis=0), stays, atol=0.04)


def test_liquidity_never_becomes_negative():
    found = liquidity(Liquidity(permanent_noise=1.0, temporary_noise=1.0, reversion=1.0))
    assert (found >= 0).all()
    assert (found == 0).mean() > 0.05, "else nothing has kept it"
    assert np.isfinite(found).all()

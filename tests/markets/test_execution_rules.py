"""What traders may do, see and choose from in the execution game, against plain NumPy."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_execution import public, received
from playing import paths
from scipy import stats

from tacit.markets.dynamics.base import normal
from tacit.markets.execution import Execution

pytestmark = pytest.mark.usefixtures("quick_compilation")

TWO = {"cross_impact": ((1.0, 0.4), (0.4, 0.8)), "trades": "parts", "features": "plain"}
VARIANTS = {
    "base": {"order": "simultaneous"},
    "buying": {"buying": True},
    "a buyer": {"inventories": (100.0, -50.0)},
    "a buyer, buying": {"inventories": (-20.0, 50.0), "buying": True, "order": "simultaneous"},
    "fractions": {"inventories": (30.5, 0.0), "trades": "parts"},
    "late": {"lag": 2},
    "two assets": {"inventories": ((10.0, -5.0), (0.0, 40.0)), **TWO},
}
SEEN = ("time", "inventory", "rival-inventory", "last-trade", "price", "last-price")


def wild(random, market, count):
    """Trades of every size: far too large, small, none, all of the inventory."""
    shape = (count, market.steps, len(market.inventories), market.assets)
    scale = 10.0 ** random.uniform(-2, 2.3, shape)
    trades = np.where(random.uniform(size=shape) < 0.1, market.largest, scale * random.normal(size=shape))
    return np.where(random.uniform(size=shape) < 0.1, 0.0, trades)


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=3, deadline=None)
def test_inventories_are_accounted_for(variant, seed):
    market = Execution(steps=6, **VARIANTS[variant])
    wanted = wild(np.random.default_rng(seed), market, 50).astype(np.float32)
    found = paths(market, wanted, seed, forced=True)
    start = np.reshape(market.inventories, (-1, market.assets))
    bound = market.largest if market.buying else 0.0
    low, high = np.minimum(start, -bound), np.maximum(start, bound)
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    held = found["states"].inventory
    for step in range(market.steps):
        after = held[:, step] - wanted[:, step]
        allowed = np.where((after >= low - 1e-4) & (after <= high + 1e-4), wanted[:, step], 0.0)
        right = held[:, step] if step == market.steps - 1 else allowed
        np.testing.assert_array_equal(found["trades"][:, step], right)
        np.testing.assert_allclose(held[:, step], start - found["trades"][:, :step].sum(axis=1), atol=2e-3)
    assert (held >= low - 1e-3).all()
    assert (held <= high + 1e-3).all()
    assert (found["last"].inventory == 0).all(), "everything is sold at the end"
    assert (found["over"] == (np.arange(6) == 5)).all()
    assert not found["cut"].any()
    for asset in range(market.assets):
        suffix = f"-{asset + 1}" if market.assets > 1 else ""
        np.testing.assert_array_equal(found["info"][f"trade{suffix}"], found["trades"][..., asset])
        np.testing.assert_array_equal(found["info"][f"inventory{suffix}"][:, :-1], held[:, 1:, :, asset])


@pytest.mark.parametrize("variant", ["base", "a buyer, buying"])
def test_rewards_add_up_to_minus_the_shortfall(variant):
    sums = []
    for reward in ("schedule", "trade"):
        market = Execution(steps=6, volatility=0.05, reward=reward, **VARIANTS[variant])
        found = paths(market, wild(np.random.default_rng(1), market, 4), forced=True)
        sums.append(found["rewards"].sum(axis=1))
    start, trades, noise = np.array(market.inventories), found["trades"], found["states"].noise
    for path in range(4):
        cash = np.zeros(2)
        for step in range(6):
            for agent in range(2):
                price = received(market, trades[path], step, agent, 0, [0, 1], noise[path], np.ones((6, 2)))
                cash[agent] += price * trades[path, step, agent, 0]
        for total in sums:
            np.testing.assert_allclose(total[path], cash - market.price * start, atol=0.01)


@pytest.mark.parametrize("variant", ["base", "two assets"])
def test_observations_are_what_their_names_say(variant):
    market = Execution(steps=6, volatility=0.05, observes=SEEN, **VARIANTS[variant] | {"order": "simultaneous"})
    found = paths(market, wild(np.random.default_rng(2), market, 3), forced=True)
    names, held = market.roles()[0].observes, found["states"].inventory
    start = np.full((3, 1, market.assets), market.price)
    prices = [
        [public(market, found["trades"][path], step, found["states"].noise[path], np.ones((6, 2))) for step in range(6)]
        for path in range(3)
    ]
    nothing = np.zeros((3, 1, 2, market.assets))
    wanted = {
        "time": np.tile(np.arange(6.0), (3, 1))[..., None, None],
        "inventory": held,
        "rival-inventory": held[:, :, ::-1],
        "last-trade": np.concatenate([nothing, found["trades"][:, :-1]], axis=1),
        "price": np.array(prices)[:, :, None],
        "last-price": np.concatenate([start, np.array(prices)[:, :-1]], axis=1)[:, :, None],
    }
    assert len(names) == found["seen"].shape[-1] == 1 + 5 * market.assets
    for place, name in enumerate(names):
        name, _, asset = name.partition("-") if name.split("-")[0] not in ("rival", "last") else split(name)
        values = np.broadcast_to(wanted[name], (3, 6, 2, wanted[name].shape[-1]))[..., int(asset or 1) - 1]
        np.testing.assert_allclose(found["seen"][..., place], values, rtol=2e-6, atol=1e-5)


def split(name):
    """``last-trade-2`` as ``last-trade`` and ``2``."""
    first, second, *asset = name.split("-")
    return f"{first}-{second}", "-", "".join(asset)


# --- what networks are fed with ------------------------------------------------------------------------------------


@cache
def functions(**settings):
    """Inputs and candidates, for many observations at once."""
    market = Execution(**settings)
    dynamics, role = market.dynamics(), market.roles()[0]
    inputs = jax.jit(jax.vmap(lambda o, a: dynamics.inputs(role, o, a)))
    return inputs, jax.jit(jax.vmap(lambda o: dynamics.candidates(role, o)))


def triangle(held, sold, most=101.0):
    """Closed form of the transform of Ning, Lin and Jaimungal (2021)."""
    a, b = 1 - held / most, sold / most
    s = abs(a + b) / max(a, b)
    return 1 - 2 * s * a, 2 * s * b - 1


def test_the_triangle_of_trades_becomes_a_square():
    inputs, _ = functions()
    pairs = np.array([(q, v) for q in range(101) for v in range(q + 1)] + [(100, -10), (50, -100), (37.5, 12.25)])
    seen = np.stack([np.full(len(pairs), 3), pairs[:, 0], np.full(len(pairs), 9.9)], axis=1).astype(np.float32)
    found = np.asarray(inputs(seen, pairs[:, 1:].astype(np.float32)))
    np.testing.assert_allclose(found[:, 1:3], [triangle(q, v) for q, v in pairs], atol=2e-6)
    np.testing.assert_allclose(found[:, 0], (3 - 4.5) / 4.5, atol=1e-6)
    np.testing.assert_allclose(found[:, 3], 2 * (9.9 - 9.8) / 0.4 - 1, atol=1e-5)
    assert np.abs(found[:-3]).max() <= 1 + 1e-6
    square = found[:-3, 1:3]
    for corner in [(-1, -1), (1, -1), (1, 1), (-1, 1)]:
        assert np.abs(square - corner).max(axis=1).min() < 0.05
    assert found[-3, 2] == pytest.approx(-2.78, abs=0.005), "buys leave it"


@pytest.mark.parametrize("settings", [{"price_range": (8.0, 11.0)}, {}])
def test_plain_inputs_are_only_scaled(settings):
    inputs, _ = functions(features="plain", observes=SEEN, **settings)
    low, high = settings.get("price_range", (9.8, 10.2))
    seen = np.array([[9, 25, 75, 12, 10.1, 9.9], [0, 100, 100, 0, 7.0, 12.0]], np.float32)
    found = inputs(seen, np.float32([[5], [-20]]))
    for row, (t, own, rival, last, price, before), trade in zip(found, seen.astype(float), (5, -20), strict=True):
        prices = [min(max(2 * (p - low) / (high - low) - 1, -1), 1) for p in (price, before)]
        wanted = [(t - 4.5) / 4.5, 2 * own / 101 - 1, rival / 101, last / 101, *prices, 2 * trade / 101 - 1]
        np.testing.assert_allclose(row, wanted, atol=2e-5)


@pytest.mark.parametrize(
    ("settings", "time", "held", "wanted"),
    [
        ({}, 0, 100.0, np.arange(101)),
        ({}, 4, 36.7, np.arange(37)),
        ({}, 4, 0.0, [0]),
        ({}, 4, 0.4, [0]),
        ({}, 9, 36.7, [36.7]),
        ({}, 9, 0.0, [0]),
        ({"foresee_last_trade": False}, 9, 36.7, np.arange(37)),
        ({"inventories": (-100.0, 20.0)}, 4, -12.5, -np.arange(13)),
        ({"inventories": (-100.0, 20.0)}, 9, -12.5, [-12.5]),
        ({"trades": "parts", "parts": 4}, 4, 10.0, [0, 2.5, 5, 7.5, 10]),
        ({"trades": "parts", "parts": 4}, 4, -10.0, [0, -2.5, -5, -7.5, -10]),
        ({"trades": "parts", "parts": 4}, 4, 0.0, [0]),
        ({"trades": "parts", "parts": 4}, 9, 10.0, [10]),
        ({"trades": "parts", "parts": 1, "foresee_last_trade": False}, 9, 10.0, [0, 10]),
        ({"buying": True, "inventories": (10.0, 7.0)}, 4, 10.0, np.arange(0, 21)),
        ({"buying": True, "inventories": (10.0, 7.0)}, 4, 4.0, np.arange(-6, 15)),
        ({"buying": True, "inventories": (10.0, 7.0)}, 4, 4.5, np.arange(-5, 15)),
        ({"buying": True, "inventories": (10.0, 7.0)}, 4, -10.0, np.arange(-20, 1)),
        ({"buying": True, "inventories": (10.0, 7.0)}, 9, -3.0, [-3]),
    ],
)
def test_candidates(settings, time, held, wanted):
    _, candidates = functions(**settings)
    values, feasible = candidates(np.float32([[time, held, 10.0]]))
    np.testing.assert_allclose(values[0, : feasible[0], 0], wanted, rtol=1e-6)


def test_candidates_in_two_assets_are_all_pairs_of_parts():
    market = Execution(inventories=((8.0, -4.0),), parts=2, **TWO)
    dynamics, role = market.dynamics(), market.roles()[0]
    candidates = jax.jit(lambda o: dynamics.candidates(role, o))
    values, feasible = candidates(jnp.array([3.0, 8, -4, 10, 10]))
    assert values[:feasible].tolist() == [[a, b] for a in (0, 4, 8) for b in (0, -2, -4)]
    values, feasible = candidates(jnp.array([9.0, 8, -4, 10, 10]))
    assert values[:feasible].tolist() == [[8, -4]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_candidates_are_admissible(variant):
    market = Execution(steps=6, **VARIANTS[variant])
    dynamics, role = market.dynamics(), market.roles()[0]
    found = paths(market, wild(np.random.default_rng(3), market, 20), forced=True)

    @jax.jit
    @jax.vmap
    def check(state):
        seen = dynamics.observe(state)[role.name]
        values, feasible = jax.vmap(lambda o: dynamics.candidates(role, o))(seen)
        done = jax.vmap(lambda a: dynamics.admissible(state, {role.name: a})[role.name], 1, 1)(values)
        same = jnp.all(jnp.isclose(done, values, atol=1e-5), axis=2)
        return same | (jnp.arange(values.shape[1]) >= feasible[:, None])

    states = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), found["states"])
    assert np.asarray(check(states)).all()


@pytest.mark.parametrize(("time", "held"), [(0, 100.0), (7, 30.0), (9, 12.0), (4, -60.0), (3, 0.0)])
def test_exploration_scatters_around_an_even_schedule(time, held):
    market = Execution(inventories=(100.0, -100.0))
    dynamics, role = market.dynamics(), market.roles()[0]
    draws = np.random.default_rng(0).uniform(size=(20_000, 1)).astype(np.float32)
    seen = jnp.array([time, held, 10.0])
    found = np.asarray(jax.jit(jax.vmap(lambda u: dynamics.explore(role, seen, u)))(draws))[:, 0]
    even = held / (10 - time)
    if not even:
        assert not found.any()
    else:
        assert stats.kstest(found, stats.norm(even, abs(even)).cdf).pvalue > 1e-3
        np.testing.assert_allclose(found, even + abs(even) * stats.norm.ppf(draws[:, 0]), rtol=1e-3, atol=1e-3)


def test_normal_numbers_are_finite_for_every_draw():
    draws = np.float32([0.0, 2.0**-24, 0.5, 1 - 2.0**-24])
    found = np.asarray(normal(jnp.asarray(draws)))
    assert np.isfinite(found).all()
    assert abs(found[0]) < 7
    assert found[2] == 0
    assert found[3] == pytest.approx(-found[1], abs=0.2)

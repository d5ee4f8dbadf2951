"""What traders may do, see and choose from in the execution game, against plain NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_execution import public, received
from playing import paths
from scipy import stats

from tacitlab.errors import TacitError
from tacitlab.markets.execution.market import Execution
from tacitlab.markets.motion import normal

SEEN = ("time", "inventory", "rival-inventory", "last-trade", "price", "last-price")
ALIKE = {"steps": 6, "order": "simultaneous", "observes": SEEN, "volatility": 0.05}  # so that little is compiled
PARTS = {"trades": "parts", "parts": 4}
TWO = {"cross_impact": ((1.0, 0.4), (0.4, 0.8)), "features": "plain", **PARTS}
VARIANTS = {
    "base": PARTS,
    "a buyer": {"inventories": (100.0, -50.0), **PARTS},
    "fractions": {"inventories": (30.5, 0.0), **PARTS},
    "late": {"lag": 2, **PARTS},
    "buying": {"buying": True},
    "a buyer, buying": {"inventories": (-100.0, 50.0), "buying": True},
    "two assets": {"inventories": ((10.0, -5.0), (0.0, 40.0)), **TWO},
}
PATHS = 50


def wild(random, market):
    """Trades of every size: far too large, small, none, all of the inventory."""
    shape = (PATHS, market.steps, len(market.inventories), market.assets)
    scale = 10.0 ** random.uniform(-2, 2.3, shape)
    trades = np.where(random.uniform(size=shape) < 0.1, market.largest, scale * random.normal(size=shape))
    return np.where(random.uniform(size=shape) < 0.1, 0.0, trades).astype(np.float32)


def bounds(market):
    """Inventories that are allowed, of each agent in each asset."""
    start, bound = np.reshape(market.inventories, (-1, market.assets)), market.largest if market.buying else 0.0
    return np.minimum(np.minimum(start, -bound), 0), np.maximum(np.maximum(start, bound), 0)


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_inventories_are_accounted_for(variant, seed):
    market = Execution(**ALIKE | VARIANTS[variant])
    wanted = wild(np.random.default_rng(seed), market)
    found = paths(market, wanted, seed, forced=True)
    low, high = bounds(market)
    start, held = np.reshape(market.inventories, (-1, market.assets)), found["states"].inventory
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


@pytest.mark.parametrize("variant", ["base", "a buyer"])
def test_rewards_add_up_to_minus_the_shortfall(variant):
    sums = []
    for reward in ("schedule", "trade"):
        market = Execution(**ALIKE | VARIANTS[variant] | {"reward": reward})
        found = paths(market, wild(np.random.default_rng(1), market), forced=True)
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


@pytest.mark.parametrize("variant", ["base", "late", "two assets"])
def test_observations_are_what_their_names_say(variant):
    market = Execution(**ALIKE | VARIANTS[variant])
    found = paths(market, wild(np.random.default_rng(2), market), forced=True)
    names, held = market.roles()[0].observes, found["states"].inventory
    prices = np.zeros((3, 6, market.assets))
    for path, step in np.ndindex(3, 6):
        noise = found["states"].noise[path]
        prices[path, step] = public(market, found["trades"][path], step, noise, np.ones((6, 2)))
    first, nothing = np.full((3, 1, market.assets), market.price), np.zeros((3, 1, 2, market.assets))
    wanted = {
        "time": np.tile(np.arange(6.0), (3, 1))[..., None, None],
        "inventory": held[:3],
        "rival-inventory": held[:3, :, ::-1],
        "last-trade": np.concatenate([nothing, found["trades"][:3, :-1]], axis=1),
        "price": prices[:, :, None],
        "last-price": np.concatenate([first, prices[:, :-1]], axis=1)[:, :, None],
    }
    assert len(names) == found["seen"].shape[-1] == 1 + 5 * market.assets
    for place, name in enumerate(names):
        asset = int(name[-1]) - 1 if name[-1].isdigit() else 0
        values = wanted[name.rstrip("-12")]
        values = np.broadcast_to(values, (3, 6, 2, values.shape[-1]))[..., asset]
        np.testing.assert_allclose(found["seen"][:3, ..., place], values, rtol=2e-6, atol=1e-5)


# --- what networks are fed with ------------------------------------------------------------------------------------


@eqx.filter_jit
def inputs(dynamics, seen, trades):
    """Network inputs of many observations."""
    return jax.vmap(lambda o, a: dynamics.inputs(dynamics.roles[0], o, a))(seen, trades)


@eqx.filter_jit
def candidates(dynamics, seen):
    """Candidates of many observations, and how many are feasible."""
    return jax.vmap(lambda o: dynamics.candidates(dynamics.roles[0], o))(seen)


def triangle(held, sold, most=101.0):
    """Closed form of the transform of Ning, Lin and Jaimungal (2021)."""
    a, b = 1 - held / most, sold / most
    s = abs(a + b) / max(a, b)
    return 1 - 2 * s * a, 2 * s * b - 1


def test_the_triangle_of_trades_becomes_a_square():
    pairs = np.array([(q, v) for q in range(101) for v in range(q + 1)] + [(100, -10), (50, -100), (37.5, 12.25)])
    seen = np.stack([np.full(len(pairs), 3), pairs[:, 0], np.full(len(pairs), 9.9)], axis=1).astype(np.float32)
    found = np.asarray(inputs(Execution().dynamics(), jnp.asarray(seen), jnp.asarray(pairs[:, 1:], jnp.float32)))
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
    dynamics = Execution(features="plain", observes=SEEN, **settings).dynamics()
    low, high = settings.get("price_range", (9.8, 10.2))
    seen = np.array([[9, 25, 75, 12, 10.1, 9.9], [0, 100, 100, 0, 7.0, 12.0]], np.float32)
    found = inputs(dynamics, jnp.asarray(seen), jnp.array([[5.0], [-20.0]]))
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
    values, feasible = candidates(Execution(**settings).dynamics(), jnp.array([[time, held, 10.0]]))
    np.testing.assert_allclose(values[0, : feasible[0], 0], wanted, rtol=1e-6)


def test_candidates_in_two_assets_are_all_pairs_of_parts():
    dynamics = Execution(inventories=((8.0, -4.0),), **TWO | {"parts": 2}).dynamics()
    values, feasible = candidates(dynamics, jnp.array([[3.0, 8, -4, 10, 10], [9.0, 8, -4, 10, 10]]))
    assert values[0, : feasible[0]].tolist() == [[a, b] for a in (0, 4, 8) for b in (0, -2, -4)]
    assert values[1, : feasible[1]].tolist() == [[8, -4]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_candidates_are_admissible(variant):
    market = Execution(**ALIKE | VARIANTS[variant])
    found = paths(market, wild(np.random.default_rng(3), market), forced=True)
    low, high = bounds(market)
    held = found["states"].inventory.reshape(-1, len(market.inventories), market.assets)
    for agent in range(len(market.inventories)):
        seen = found["seen"][:, :, agent].reshape(len(held), -1)
        values, feasible = map(np.asarray, candidates(market.dynamics(), jnp.asarray(seen)))
        after = held[:, None, agent] - values
        inside = ((after >= low[agent] - 1e-3) & (after <= high[agent] + 1e-3)).all(axis=2)
        assert (inside | (np.arange(values.shape[1]) >= feasible[:, None])).all()
        assert (feasible >= 1).all()
        assert (feasible <= values.shape[1]).all()


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


# --- numbers beyond single precision -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tau", 1e-300), ("tau", 1e-37), ("tau", 1e300), ("price", 1e37), ("volatility", 1e200), ("temporary", 1e300),
        ("permanent", (1e300,) * 10), ("inventories", (1e200, 1.0)), ("inventories", (1e30, 1.0)),
        ("risk_aversion", 1e300), ("price_range", (0.0, 1e39)),
    ],
)  # fmt: skip
def test_numbers_beyond_single_precision_are_refused_by_name(name, value):
    with pytest.raises(TacitError, match=rf"^{name}: .* leads to amounts of .*, beyond single precision; keep them"):
        Execution(**{name: value})


def test_large_numbers_within_single_precision_are_played():
    for changes in ({"tau": 1e-30}, {"tau": 1e30}, {"price": 1e30}, {"inventories": (1e10, 1e10), "trades": "parts"}):
        market = Execution(**changes)
        leaves = jax.tree.leaves(eqx.filter(market.dynamics(), eqx.is_array))
        assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_prices_that_networks_see():
    assert Execution().seen_prices == pytest.approx((9.8, 10.2))
    assert Execution(price_range=(9.0, 11.0)).seen_prices == (9.0, 11.0)
    assert Execution(permanent=0.0, volatility=0.1).seen_prices == pytest.approx(
        (10 - 0.4 * 10**0.5, 10 + 0.4 * 10**0.5)
    )
    assert Execution(permanent=0.0, volatility=0.0).seen_prices == (9.0, 11.0)

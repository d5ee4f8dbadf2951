"""Bonding curves against quadrature, high precision, published formulas and numbers."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from token_play import every_curve

from tacitlab.errors import TacitError
from tacitlab.markets.token.curves import (
    CURVES,
    Augmented,
    Bancor,
    ConstantProduct,
    Exponential,
    Linear,
    Logarithmic,
    Power,
    Sigmoid,
)

KINDS = range(len(CURVES))
SEEDS = st.integers(0, 2**32 - 1)
TOKENS = 100.0


def some_curve(kind, seed):
    """A curve of a kind, and a supply that it can have."""
    random = np.random.default_rng(seed)
    curve = sorted(every_curve(random, TOKENS), key=lambda c: c.kind)[kind]
    return curve, min(random.uniform(0.01, 2.0) * TOKENS, 0.9 * curve.limit)


def test_every_curve_is_tested():
    assert {type(curve) for curve in every_curve(np.random.default_rng(0), TOKENS)} == set(CURVES)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_reserve_is_the_integral_of_the_price_and_the_supply_its_inverse(kind, seed):
    curve, supply = some_curve(kind, seed)
    found = curve.reserve(supply)
    np.testing.assert_allclose(found, quad(curve.price, 0, supply, epsabs=0, epsrel=1e-11)[0], rtol=1e-9)
    np.testing.assert_allclose(curve.supply(found), supply, rtol=1e-9)
    half = brentq(lambda s: curve.reserve(s) - found / 2, 0, supply, xtol=1e-13, rtol=1e-13)
    np.testing.assert_allclose(curve.supply(found / 2), half, rtol=1e-8)
    step = 1e-5 * supply
    slope = (curve.price(supply + step) - curve.price(supply - step)) / (2 * step)
    np.testing.assert_allclose(curve.slope(supply), slope, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(curve.elasticity(supply), slope * supply / curve.price(supply), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(seed=SEEDS, part=st.floats(-1, 1))
def test_costs_are_differences_of_reserves_and_a_round_trip_costs_nothing(kind, seed, part):
    curve, supply = some_curve(kind, seed)
    change = part * supply if part < 0 else part * min(supply, 0.9 * (curve.limit - supply))
    difference = curve.reserve(supply + change) - curve.reserve(supply)
    scale = curve.reserve(supply + max(change, 0))
    np.testing.assert_allclose(curve.cost(supply, change), difference, rtol=0, atol=1e-13 * scale)
    back = curve.cost(supply + change, -change)
    np.testing.assert_allclose(curve.cost(supply, change) + back, 0, atol=1e-13 * scale)
    if abs(change) > 1e-20:
        np.testing.assert_allclose(curve.average(supply, change) * change, curve.cost(supply, change), rtol=1e-14)
    assert curve.average(supply, 0.0) == curve.price(supply)
    low, high = sorted([curve.price(supply), curve.price(supply + change)])
    assert low * (1 - 1e-9) <= curve.average(supply, change) <= high * (1 + 1e-9)


def precise(curve, supply, change):
    """The cost in 60 digits, from the reserve that the reference gives."""
    mpmath.mp.dps = 60
    s, d, p = mpmath.mpf(float(supply)), mpmath.mpf(float(change)), vars(curve)
    p = {name: mpmath.mpf(value) for name, value in p.items() if isinstance(value, float)}

    def reserve(s):
        if isinstance(curve, Linear):
            return p["rise"] * s**2 / 2 + p["start"] * s
        if isinstance(curve, Logarithmic):
            return p["scale"] * ((s + 1) * mpmath.log(s + 1) - s) + p["floor"] * s
        if isinstance(curve, Exponential):
            return p["scale"] / p["growth"] * (mpmath.exp(p["growth"] * s) - 1)
        if isinstance(curve, Sigmoid):
            softplus = [mpmath.log(1 + mpmath.exp(p["steepness"] * (x - p["middle"]))) for x in (s, 0)]
            return p["highest"] / p["steepness"] * (softplus[0] - softplus[1])
        if isinstance(curve, Power):
            return p["scale"] * s ** (p["exponent"] + 1) / (p["exponent"] + 1)
        if isinstance(curve, ConstantProduct):
            return p["currency"] * p["tokens"] / (p["tokens"] - s) - p["currency"]
        if isinstance(curve, Bancor):
            return p["backing"] * (s / p["issued"]) ** (1 / p["reserve_ratio"])
        hatched = p["raised"] / p["hatch_price"]  # V = S^kappa / R stays what it is after the hatch
        return s ** p["kappa"] / (hatched ** p["kappa"] / ((1 - p["theta"]) * p["raised"]))

    return reserve(s + d) - reserve(s)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(seed=SEEDS, size=st.floats(-14, 0), sign=st.sampled_from([-1, 1]))
def test_costs_of_tiny_trades_keep_their_digits(kind, seed, size, sign):
    curve, supply = some_curve(kind, seed)
    change = sign * 10**size * min(supply, 0.5 * (curve.limit - supply))
    np.testing.assert_allclose(curve.cost(supply, change), float(precise(curve, supply, change)), rtol=3e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_and_the_last_tokens(kind):
    curve, supply = some_curve(kind, 3)
    assert curve.reserve(0.0) == 0
    assert curve.supply(0.0) == 0
    np.testing.assert_allclose(curve.cost(0.0, supply), curve.reserve(supply), rtol=1e-13)
    np.testing.assert_allclose(curve.cost(supply, -supply), -curve.reserve(supply), rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_jax_arrays_give_what_numpy_arrays_give(kind):
    curve, supply = some_curve(kind, 5)
    supplies, changes = np.array([0.0, 0.3, 1.0]) * supply, np.array([0.5, -0.3, 0.0]) * supply
    with jax.enable_x64(True):
        p = {name: jnp.asarray(value) for name, value in curve.parameters().items()}

        @jax.jit
        def all_of(p, s, d):
            kind, reserve = type(curve), type(curve).reserve_of(p, s)
            backs = kind.supply_of(p, reserve)
            return kind.price_of(p, s), reserve, kind.cost_of(p, s, d), kind.average_of(p, s, d), backs

        found = all_of(p, jnp.asarray(supplies), jnp.asarray(changes))
    wanted = [
        curve.price(supplies), curve.reserve(supplies), curve.cost(supplies, changes), curve.average(supplies, changes),
        curve.supply(curve.reserve(supplies)),
    ]  # fmt: skip
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, jax.Array)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_single_precision_keeps_its_digits_over_a_wide_range():
    curve = Sigmoid(highest=2.0, steepness=1.0, middle=50.0)
    p = {name: jnp.asarray(value, jnp.float32) for name, value in curve.parameters().items()}
    supply, change = np.array([0.0, 10.0, 49.0, 60.0, 500.0]), np.array([100.0, 1e-3, -1e-3, -59.0, 3.0])
    found = Sigmoid.cost_of(p, jnp.asarray(supply, jnp.float32), jnp.asarray(change, jnp.float32))
    wanted = [float(precise(curve, s, d)) for s, d in zip(supply, change, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=5e-5)


# --- numbers of the reference and of real systems ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "price", "reserve"),
    [
        (Linear(rise=0.1, start=1.0), 11, 600),
        (Logarithmic(scale=2.0, floor=0.0), 9.230, 732.25),
        (Exponential(scale=0.1, growth=0.01), 0.27183, 17.1828),
        (Sigmoid(highest=10.0, steepness=0.02, middle=100.0), 5, 283.11),
    ],
)
def test_numbers_of_the_reference(curve, price, reserve):
    assert curve.price(100) == pytest.approx(price, rel=1e-4)
    assert curve.reserve(100) == pytest.approx(reserve, rel=1e-5)


def test_bancor_formulas_for_buying_selling_and_the_spot_price():
    curve, ratio, supply = Bancor(reserve_ratio=0.4, backing=250.0, issued=1000.0), 0.4, 1300.0
    reserve = curve.reserve(supply)
    paid, sold = 37.0, 210.0
    assert curve.supply(reserve + paid) - supply == pytest.approx(supply * ((1 + paid / reserve) ** ratio - 1))
    assert -curve.cost(supply, -sold) == pytest.approx(reserve * (1 - (1 - sold / supply) ** (1 / ratio)))
    assert curve.price(supply) == pytest.approx(reserve / (supply * ratio))
    assert curve.elasticity(supply) == pytest.approx(1 / ratio - 1), "a power curve with n = 1/F - 1"


def test_one_reserve_of_a_bancor_pool_is_exchanged_for_another_at_the_cross_price():
    first, second = Bancor(reserve_ratio=0.3, backing=80.0), Bancor(reserve_ratio=0.7, backing=120.0)
    pool = first.supply(80.0 + 5.0)  # pool tokens for 5 of the first reserve, which the second curve then takes back
    got = 120.0 * (1 - second.reserve(100.0 * 100.0 / pool) / second.reserve(100.0))
    assert got == pytest.approx(120.0 * (1 - (80.0 / 85.0) ** (0.3 / 0.7)))


def test_augmented_curve_mints_burns_and_starts_from_its_hatch():
    curve, kappa = Augmented(), 2.0
    hatched, reserve = 1e6, 50_000.0
    assert curve.reserve(hatched) == pytest.approx(reserve), "half of what was raised goes into the fund"
    invariant = hatched**kappa / reserve
    supply = 1.7e6
    backing = curve.reserve(supply)
    assert supply**kappa / backing == pytest.approx(invariant)
    assert curve.price(supply) == pytest.approx(kappa * backing ** ((kappa - 1) / kappa) / invariant ** (1 / kappa))
    assert curve.supply(backing + 900) - supply == pytest.approx((invariant * (backing + 900)) ** (1 / kappa) - supply)
    burnt = 30_000.0
    assert -curve.cost(supply, -burnt) == pytest.approx(backing - (supply - burnt) ** kappa / invariant)


def test_uniswap_with_fee_is_the_constant_product_identity():
    x, y, paid = 5_000.0, 800.0, 77.0
    curve = ConstantProduct(currency=x, tokens=y)
    got = curve.supply(0.997 * paid)  # the fee stays outside of the curve
    assert got == pytest.approx(997 * paid * y / (1000 * x + 997 * paid))
    new_x, new_y = x + paid, y - got
    assert (1000 * new_x - 3 * paid) * (1000 * new_y) == pytest.approx(1000**2 * x * y)
    assert curve.price(0.0) == pytest.approx(x / y)


def test_pump_fun():
    curve = ConstantProduct(currency=30.0, tokens=1.073e9)
    assert curve.price(0.0) == pytest.approx(2.796e-8, rel=1e-4)
    assert curve.price(793.1e6) / curve.price(0.0) == pytest.approx(14.70, rel=1e-3)
    assert curve.reserve(793.1e6) == pytest.approx(85.0, rel=1e-3)
    assert curve.price(3e8) == pytest.approx(30 * 1.073e9 / (1.073e9 - 3e8) ** 2)


def test_the_logarithmic_curve_gives_its_first_token_free_unless_it_has_a_floor():
    assert Logarithmic(floor=0.0).price(0.0) == 0
    assert Logarithmic(floor=0.2).price(0.0) == 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_at_a_time_at_spot_prices_a_round_trip_earns_the_rise_of_the_price(kind):
    curve, supply = some_curve(kind, 7)
    steps = supply + np.arange(11) * 1e-3 * supply
    prices = curve.price(steps)
    earned = prices[1:].sum() - prices[:-1].sum()  # bought at the price before, sold at the price after
    assert earned == pytest.approx(curve.price(steps[-1]) - curve.price(supply))
    assert curve.cost(steps[:-1], np.diff(steps)).sum() == pytest.approx(curve.cost(supply, steps[-1] - supply))


def test_wrong_parameters_are_refused():
    with pytest.raises(TacitError, match=r"reserve_ratio: 0\.0 is too small"):
        Bancor(reserve_ratio=0.0)
    with pytest.raises(TacitError, match=r"noise: -1\.0 is too small"):
        Power(noise=-1.0)

"""Kyle's auction against printed digits, numerical integration, general optimisers and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from tacitlab.errors import TacitError
from tacitlab.markets.kyle.theory import LinearPlay, SingleAuction

POINTS, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
POSITIVE = st.floats(0.2, 3.0)
SLOPES = st.lists(st.floats(-0.5, 2.0), min_size=1, max_size=3)


def dou(insiders=2, value_sd=1.0):
    """The parameters of Dou, Goldstein and Ji: xi = 500, theta = 0.1, sigma_u = 0.1."""
    return SingleAuction(insiders, value_sd, 0.1, habitat=500.0, inventory_weight=1 / 0.1)


def mean(values):
    """Expectation of a function on the grid of standard normal values (rows) and noise (columns)."""
    return float(WEIGHTS @ values @ WEIGHTS)


def drawn(auction, play, count=400_000, seed=1):
    """Values, orders, flows and prices of many auctions."""
    random = np.random.default_rng(seed)
    v = auction.value_sd * random.standard_normal(count)
    orders = play.orders[:, None] * v
    flow = orders.sum(axis=0) + auction.noise_sd * random.standard_normal(count)
    return v, orders, flow, play.impact * flow


@pytest.mark.parametrize(
    ("insiders", "order", "impact", "profit"), [(1, 1.0, 0.5, 0.5), (2, 0.70711, 0.47140, 0.47140)]
)
def test_numbers_of_the_reference(insiders, order, impact, profit):
    auction = SingleAuction(insiders)
    nash = auction.nash()
    np.testing.assert_allclose(nash.orders, order, atol=5e-6)
    assert nash.impact == pytest.approx(impact, abs=5e-6)
    assert auction.profits(nash).sum() == pytest.approx(profit, abs=5e-6)
    assert auction.profits(auction.cartel()).sum() == pytest.approx(0.5)
    assert auction.posterior_variance(nash.orders) == pytest.approx(1 / (insiders + 1))
    assert auction.error(nash) == pytest.approx(1 / (insiders + 1))


def test_a_cartel_of_two_earns_little_more():
    auction = SingleAuction(2)
    nash = auction.nash()
    profit = auction.profits(nash).sum()
    assert auction.profits(auction.cartel()).sum() / profit - 1 == pytest.approx(0.0607, abs=5e-5)
    fooled = auction.cartel_against(nash.impact)
    assert auction.profits(fooled).sum() / profit == pytest.approx(9 / 8), "Cournot's (N + 1)²/(4 N)"


def test_slopes_of_dou_goldstein_and_ji():
    auction = dou()
    nash, cartel = auction.nash(), auction.cartel()
    np.testing.assert_allclose(nash.orders, 166.67, atol=5e-3)
    np.testing.assert_allclose(cartel.orders, 125.00, atol=5e-3)
    for play in (nash, cartel):
        ratio = (auction.noise_sd / auction.value_sd) ** 2
        total = play.orders.sum()
        gamma = total / (total**2 + ratio)
        assert play.impact == pytest.approx((0.1 * gamma + 500) / (0.1 + 500**2)), "lambda of the reference"
        assert auction.impact_unit == pytest.approx(0.002, rel=0.01)


@settings(max_examples=25)
@given(st.integers(1, 4), POSITIVE, POSITIVE, st.floats(0.1, 4), st.floats(0.1, 4))
def test_nobody_gains_by_leaving_the_equilibrium(insiders, value_sd, noise_sd, habitat, weight):
    for auction in (
        SingleAuction(insiders, value_sd, noise_sd),
        SingleAuction(insiders, value_sd, noise_sd, habitat=habitat, inventory_weight=weight),
    ):
        nash = auction.nash()
        np.testing.assert_allclose(auction.best_orders(nash), nash.orders, rtol=1e-9)
        np.testing.assert_allclose(auction.exploitability(nash), 0, atol=1e-9)
        assert nash.impact == pytest.approx(auction.best_impact(nash.orders))
        assert nash.orders[0] == pytest.approx(1 / ((insiders + 1) * nash.impact))
        cartel = auction.cartel()
        assert cartel.orders.sum() == pytest.approx(1 / (2 * cartel.impact))


@settings(max_examples=15)
@given(SLOPES, POSITIVE, POSITIVE, st.floats(0.1, 2))
def test_best_replies_are_those_of_a_general_optimiser(slopes, value_sd, noise_sd, impact):
    """An insider may order a + b v + c v³; only b pays, and it is the closed form."""
    auction, play = SingleAuction(len(slopes), value_sd, noise_sd), LinearPlay(np.array(slopes), impact)
    v, u = value_sd * POINTS[:, None], noise_sd * POINTS[None, :]
    rest = play.orders[1:].sum() * v

    def loss(p):
        order = p[0] + p[1] * v + p[2] * v**3
        return -mean(order * (v - impact * (order + rest + u)))

    found = minimize(loss, [0.0, 0.5, 0.0], tol=1e-14, options={"gtol": 1e-9})
    np.testing.assert_allclose(found.x, [0, auction.best_orders(play)[0], 0], atol=2e-3)
    own = mean(play.orders[0] * v * (v - impact * (play.orders.sum() * v + u)))
    assert auction.profits(play)[0] == pytest.approx(own, abs=1e-9)
    assert auction.exploitability(play)[0] == pytest.approx(-found.fun - own, abs=1e-6)


@settings(max_examples=25)
@given(SLOPES, POSITIVE, POSITIVE, st.floats(0.0, 3), st.floats(0.0, 3))
def test_the_maker_minimises_error_and_inventory(slopes, value_sd, noise_sd, habitat, weight):
    auction = SingleAuction(len(slopes), value_sd, noise_sd, habitat=habitat, inventory_weight=weight)
    v = value_sd * POINTS[:, None]
    flow = sum(slopes) * v + noise_sd * POINTS[None, :]

    def loss(impact):
        price = impact * flow
        return mean((v - price) ** 2 + weight * (flow - habitat * price) ** 2)

    found = minimize_scalar(loss, (-1.0, 1.0), tol=1e-12)
    play = LinearPlay(np.array(slopes), 0.3)
    assert auction.best_impact(slopes) == pytest.approx(found.x, abs=1e-6)
    assert auction.loss(play) == pytest.approx(loss(0.3))
    assert auction.exploitability(play)[-1] == pytest.approx(loss(0.3) - found.fun, abs=1e-9)


def test_the_regression_is_bayes_rule():
    """E[v | y] by integrating the posterior density, with nothing normal assumed about it."""
    auction, orders = SingleAuction(2, 1.3, 0.7), np.array([0.4, 0.9])
    v = np.linspace(-10, 10, 20_001)
    for flow in (-1.5, 0.2, 2.0):
        density = np.exp(-0.5 * (v / 1.3) ** 2 - 0.5 * ((flow - 1.3 * v) / 0.7) ** 2)
        posterior = (v * density).sum() / density.sum()
        spread = (v**2 * density).sum() / density.sum() - posterior**2
        assert auction.regression(orders) * flow == pytest.approx(posterior, abs=1e-9)
        assert auction.posterior_variance(orders) == pytest.approx(spread, rel=1e-6)


def test_simulated_auctions_agree():
    auction, play = SingleAuction(2, 1.5, 0.8), LinearPlay(np.array([0.3, 0.5]), 0.9)
    v, orders, flow, price = drawn(auction, play)
    for i in range(2):
        gains = orders[i] * (v - price)
        assert auction.profits(play)[i] == pytest.approx(gains.mean(), abs=4 * gains.std() / np.sqrt(len(v)))
    squares = (v - price) ** 2
    assert auction.error(play) == pytest.approx(squares.mean(), abs=4 * squares.std() / np.sqrt(len(v)))
    assert auction.regression(play.orders) == pytest.approx(np.cov(v, flow)[0, 1] / flow.var(), abs=5e-3)


def test_what_insiders_gain_noise_traders_lose():
    """At the maker's break-even price: the sum of profits is lambda sigma_u²."""
    for insiders in (1, 2, 5):
        auction = SingleAuction(insiders, 1.4, 0.6)
        nash = auction.nash()
        assert auction.profits(nash).sum() == pytest.approx(nash.impact * 0.6**2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SingleAuction(0), "insiders: 0 is too small"),
        (lambda: SingleAuction(1, 0.0), "value_sd: 0 is too small"),
        (lambda: SingleAuction(1, 1.0, 1.0, -1.0), "habitat: -1 is too small"),
        (lambda: SingleAuction(1).best_orders(LinearPlay(np.ones(1), 0.0)), "impact: 0 is too small"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(TacitError, match=words):
        call()

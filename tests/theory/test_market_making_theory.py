"""Closed forms of market making against the differential equations that they solve, and against each other."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from tacitlab.errors import TacitError
from tacitlab.markets.quoting.market_making_theory import ContinuousMaker, avellaneda_stoikov, least_spread, symmetric

CASE = {"arrivals": 50, "decay": 1.5, "running": 0.5, "terminal": 0.01, "horizon": 1.0, "cap": 10}
AVERSE = {"arrivals": 140, "decay": 1.5, "risk_aversion": 0.1, "volatility": 2.0, "cap": 40}


def integrated(maker, time):
    """theta by the Hamilton-Jacobi-Bellman equation itself: each quote is optimised numerically in the derivative."""
    q = maker.inventories.astype(float)
    g, k = maker.risk_aversion, maker.decay

    def rate(gap):
        """Largest rate of gain by one side: max over delta of lambda exp(-k delta) times a fill's certain worth."""
        best = least_spread(k, g) - gap
        worth = (1 - np.exp(-g * (best + gap))) / g if g else best + gap
        return maker.arrivals * np.exp(-k * best) * worth

    def backward(_, theta):
        found = -(maker.running + g * maker.volatility**2 / 2) * q**2
        found[:-1] += rate(np.diff(theta))
        found[1:] += rate(-np.diff(theta))
        return found

    last = -maker.terminal * q**2
    return solve_ivp(backward, (0, maker.horizon - time), last, method="LSODA", rtol=1e-10, atol=1e-10).y[:, -1]


@pytest.mark.parametrize("case", [CASE, AVERSE], ids=["Cartea-Jaimungal", "exponential utility"])
@pytest.mark.parametrize("time", [0.0, 0.9])
def test_the_matrix_exponential_solves_the_equation_of_the_optimum(case, time):
    maker = ContinuousMaker(**case)
    np.testing.assert_allclose(maker.values(time), integrated(maker, time), atol=1e-7)


def test_the_best_half_spread_of_a_single_fill():
    for aversion in (0.0, 0.1, 2.0):
        for gap in (-1.0, 0.3):

            def loss(delta, gap=gap, g=aversion):
                worth = (1 - np.exp(-g * (delta + gap))) / g if g else delta + gap
                return -np.exp(-1.5 * delta) * worth

            found = minimize_scalar(loss, bounds=(-1, 5), method="bounded", options={"xatol": 1e-9}).x
            assert found == pytest.approx(least_spread(1.5, aversion) - gap, abs=1e-6)


@pytest.mark.parametrize("case", [CASE, AVERSE])
def test_quotes_are_mirrored_and_end_at_the_cap(case):
    maker = ContinuousMaker(**case)
    quotes = maker.quotes(0.3)
    np.testing.assert_allclose(quotes[:, 0], quotes[::-1, 1], rtol=1e-9)
    assert np.isinf(quotes[-1, 0])
    assert np.isfinite(quotes[:-1, 0]).all()
    assert (np.diff(quotes[:-1, 0]) > 0).all(), "who holds more bids less"


@pytest.mark.parametrize("case", [CASE, AVERSE])
def test_a_schedule_has_the_quotes_of_its_times(case):
    maker = ContinuousMaker(**case)
    found = maker.schedule(20)
    for step in (0, 7, 19):
        np.testing.assert_allclose(found[step], maker.quotes(step / 20), rtol=1e-8, atol=1e-8)


def test_without_risk_aversion_volatility_does_not_matter_and_the_limit_is_continuous():
    plain = ContinuousMaker(**CASE).values()
    np.testing.assert_array_equal(ContinuousMaker(**CASE, volatility=3.0).values(), plain)
    np.testing.assert_allclose(ContinuousMaker(**CASE, risk_aversion=1e-7).values(), plain, atol=1e-4)
    np.testing.assert_allclose(ContinuousMaker(**CASE, risk_aversion=1e-9).values(), plain, atol=1e-6)


def test_avellaneda_and_stoikov_in_words():
    quotes = avellaneda_stoikov([-3, 0, 3], 0.5, 0.1, 2.0, 1.5)
    reservation, spread = (quotes[:, 1] - quotes[:, 0]) / 2, quotes.sum(axis=1)
    np.testing.assert_allclose(reservation, [3 * 0.1 * 4 * 0.5, 0, -3 * 0.1 * 4 * 0.5])
    np.testing.assert_allclose(spread, 0.1 * 4 * 0.5 + 20 * np.log(1 + 0.1 / 1.5))
    np.testing.assert_allclose(symmetric([-3, 0, 3], 0.5, 0.1, 2.0, 1.5), np.repeat(spread[:, None] / 2, 2, axis=1))
    np.testing.assert_allclose(avellaneda_stoikov(5, 0.5, 0.0, 2.0, 1.5), 2 / 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"arrivals": 0}, "arrivals: 0 is out"), ({"cap": 0}, "cap: 0 is too small"), ({"running": -1}, "running: -1")],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        ContinuousMaker(**{**CASE, **changes})

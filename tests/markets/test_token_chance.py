"""What is random in a token economy: factors, shocks, values, continuous-time prices; against their exact laws."""

import numpy as np
import pytest
from scipy import stats
from token_play import one, play

from tacitlab.markets.token.curves import Exponential
from tacitlab.markets.token.ito import geometric_brownian_motion, ornstein_uhlenbeck, recovery_steps
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import Factors, PrivateValues, Shock
from tacitlab.markets.token.pricing import Ito

AGENTS, PATHS = 4, 4000


def hold(steps, paths=None):
    shape = (steps, AGENTS, 1)
    return np.zeros(shape if paths is None else (paths, *shape))


@pytest.mark.parametrize("persistence", [0.0, 0.9])
def test_factors_are_autoregressive(persistence):
    law = Factors(persistence=persistence, mean=0.5, volatility=0.2)
    market = TokenEconomy(agents=AGENTS, steps=60, factors=law)
    factor = play(market, hold(60, PATHS // 10))["info"]["factor"]
    late = factor[:, 30:] - 0.5
    assert late.mean() == pytest.approx(0, abs=0.04)
    assert late.std() == pytest.approx(0.2 / np.sqrt(1 - persistence**2), rel=0.05)
    shocks = late[:, 1:] - persistence * late[:, :-1]
    assert stats.kstest(shocks.ravel() / 0.2, "norm").pvalue > 1e-3
    assert np.corrcoef(shocks[:, 1:].ravel(), shocks[:, :-1].ravel())[0, 1] == pytest.approx(0, abs=0.05)
    assert factor[:, 0].std() == pytest.approx(0.2, rel=0.15), "they start from their mean"


def test_factors_act_through_demand_premium_and_mint():
    quiet = {"mean": 0.5, "volatility": 0.0}
    settings = {"agents": AGENTS, "steps": 1, "treasury_cash": 100.0, "fee": 0.0}
    demand = one(TokenEconomy(**settings, factors=Factors(demand=0.4, **quiet)), hold(1))
    np.testing.assert_allclose(demand["info"]["trade"][0], 0.4 * 0.5 * 0.05 * 2, rtol=1e-9)
    premium = one(TokenEconomy(**settings, factors=Factors(premium=0.4, **quiet)), hold(1))
    np.testing.assert_allclose(premium["states"].price[0], Exponential().price(8) * 1.2)
    np.testing.assert_allclose(premium["info"]["price"], Exponential().price(8) * 1.2)
    mint = one(TokenEconomy(**settings, factors=Factors(mint=0.4, **quiet)), hold(1))
    np.testing.assert_allclose(mint["info"]["supply"], 8 * 1.2)
    np.testing.assert_allclose(mint["last"].money[2], 100 - Exponential().cost(8, 1.6))


def test_a_shock_can_be_switched_off_without_changing_anything_else():
    """Pairs with the same random numbers differ by the spike and its exact decay; 50 % die down to 5 % in 22 steps."""
    law = {"premium": 1.0, "volatility": 0.05, "persistence": 0.9}
    spiked, calm = (
        one(TokenEconomy(agents=AGENTS, steps=60, factors=Factors(shock=Shock(step=10, size=size), **law)), hold(60))[
            "info"
        ]
        for size in (0.5, 0.0)
    )
    difference = spiked["factor"] - calm["factor"]
    wanted = np.where(np.arange(60) < 10, 0.0, 0.5 * 0.9 ** (np.arange(60.0) - 10))
    np.testing.assert_allclose(difference, wanted, atol=1e-12)
    relative = (spiked["price"] - calm["price"]) / Exponential().price(8)
    np.testing.assert_allclose(relative, wanted, atol=1e-12)
    assert (relative > 0.05 + 1e-12).sum() == recovery_steps(0.9) == 22


def test_values_are_stationary_from_the_beginning():
    market = TokenEconomy(agents=AGENTS, steps=20, utility=PrivateValues(mean=1.1, spread=0.3, persistence=0.8))
    values = play(market, hold(20, PATHS // 10))["states"].values[..., 0] / Exponential().price(8)
    for t in (0, 19):
        assert values[:, t].mean() == pytest.approx(1.1, abs=0.03)
        assert values[:, t].std() == pytest.approx(0.3, rel=0.08)
    before, after = (x - 1.1 for x in (values[:, :-1], values[:, 1:]))
    assert (before * after).mean() / 0.09 == pytest.approx(0.8, rel=0.08)
    assert np.corrcoef(values[:, 5].T)[np.triu_indices(AGENTS, 1)] == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("law", ["proportional", "constant"])
def test_continuous_time_prices_follow_the_exact_law(law):
    """Without pull a geometric Brownian motion, with pull and constant volatility an Ornstein-Uhlenbeck process."""
    start = Exponential().price(8)
    settings = {"proportional": Ito(drift=0.03, pull=0.0, volatility=0.1, substeps=20),
                "constant": Ito(drift=-0.1, pull=0.2, volatility=0.02, law="constant", substeps=20)}  # fmt: skip
    market = TokenEconomy(agents=AGENTS, steps=10, clearing="spot", pricing=settings[law])
    price = play(market, hold(10, PATHS))["info"]["price"]
    for t in (1, 5, 10):
        if law == "proportional":
            exact = geometric_brownian_motion(start, 0.03, 0.1, t)
        else:  # drift and pull together: speed 0.3 towards two thirds of the curve's price
            exact = ornstein_uhlenbeck(start, start * 0.2 / 0.3, 0.3, 0.02, t)
        found = price[:, t - 1]
        error = np.sqrt(exact.variance / PATHS)
        assert abs(found.mean() - exact.mean) < 4 * error + 0.002 * exact.mean
        assert found.var() == pytest.approx(exact.variance, rel=0.1)


def test_noise_is_normal_and_fresh():
    market = TokenEconomy(agents=AGENTS, steps=50, curve=Exponential(noise=0.001))
    noise = play(market, hold(50, 40))["info"]["price"] - Exponential().price(8)
    assert stats.kstest(noise.ravel() / 0.001, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.08

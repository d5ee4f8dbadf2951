"""Measures by name: of runs, of a user's file; each is the function that its name says."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tacitlab
from tacitlab import registry
from tacitlab.audits import collusion
from tacitlab.lab.measuring import measure, measures
from tacitlab.measures import concentration, coordination, outcome, price_entropy, stylised_facts, volatility
from tacitlab.measures.base import Unfit
from tacitlab.theory.repeated import RepeatedPlay

OWN = '''
from tacitlab.measures.base import Measure, path

class Range(Measure):
    """How far the price goes."""

    kind, unit = "price-range", "currency"

    def of(self, run):
        price = path(run, "price")
        return price.max("step") - price.min("step")


class Silent(Measure):
    """Nothing by session."""

    kind = "silent"

    def of(self, run):
        return path(run, "price").mean()
'''


@dataclass
class MarketRun:
    """What a test of a market leaves: prices that wander, four agents who trade."""

    data: xr.Dataset
    experiment: Any = field(default_factory=lambda: SimpleNamespace(sweep={}, environment=None))


@pytest.fixture(scope="module")
def market():
    rng = np.random.default_rng(7)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (5, 60)), axis=1))
    trade = rng.integers(-1, 2, (5, 60, 4)).astype(float)
    return MarketRun(
        xr.Dataset(
            {
                "test_price_path": (("session", "step"), price),
                "test_trade_path": (("session", "step", "agent"), trade),
                "test_inventory_path": (("session", "step", "agent"), 100 + trade.cumsum(1)),
                "test_payoff": (("session", "episode", "agent"), rng.normal(size=(5, 3, 4))),
                "nash_payoff": ("agent", np.zeros(4)),
                "optimum_payoff": ("agent", np.ones(4)),
            }
        )
    )


def test_measures_of_a_market_are_their_functions(market):
    price, trade = market.data.test_price_path.values, market.data.test_trade_path.values
    held = market.data.test_inventory_path.values[:, -1]
    moves = np.diff(np.log(price))
    wanted = {
        "volatility": volatility.volatility(price),
        "price-spread": volatility.price_spread(price),
        "price-entropy": price_entropy.level_entropy(price, price[:, 0]),
        "return-entropy": price_entropy.permutation_entropy(moves),
        "excess-kurtosis": stylised_facts.excess_kurtosis(moves),
        "return-autocorrelation": [np.corrcoef(x[1:], x[:-1])[0, 1] for x in moves],
        "volatility-clustering": [np.corrcoef(x[1:], x[:-1])[0, 1] for x in abs(moves)],
        "holdings-hhi": concentration.hhi(held),
        "holdings-gini": concentration.gini(held),
        "synchronous-trades": coordination.pair_shares(trade).sync,
        "offsetting-trades": coordination.pair_shares(trade).offset,
        "trade-correlation": coordination.trade_correlation(trade),
        "payoff": market.data.test_payoff.mean("episode").values,
        "gain": market.data.test_payoff.mean(("episode", "agent")).values,
        "payoff-inequality": market.data.test_payoff.mean("episode").values.std(axis=1),
    }
    for name, values in wanted.items():
        loose = name in ("return-autocorrelation", "volatility-clustering")  # about the mean of all, not of each part
        np.testing.assert_allclose(measure(market, name), values, atol=0.05 if loose else 1e-12, err_msg=name)
    assert {found.name for found in measures(market)} == set(wanted)


def test_measures_of_learned_strategies(duopoly):
    run = tacitlab.run(duopoly)
    form = run.experiment.game.form()
    play = RepeatedPlay(form.payoffs[0], form.shape, 1, np.stack(run.strategies(), axis=1))
    cycle = play.limit_cycle(run.final_history()[:, 0], tuple(run.experiment.game.actions().values))
    gap = play.best_response_gap(0.95)
    full = collusion.full_optimality(gap, cycle)
    wanted = {
        "nash-on-path": collusion.one_step_optimality(play.one_step_gap(0.95), cycle).nash_on_path,
        "equilibrium-on-path": full.equilibrium_on_path,
        "best-response-on-path": full.optimal_on_path,
        "forgone-value": collusion.forgone_value(play, cycle, 0.95).share,
        "payoff": run.data.limit_payoff.values,
        "gain": outcome.gain(run.data.limit_payoff, run.data).values,
        "action": outcome.final_action(run.data, True).values,
    }
    for name, values in wanted.items():
        np.testing.assert_array_equal(run.measure(name), values, err_msg=name)


def test_every_registered_measure_fits_some_run(duopoly, market):
    fit = {found.name for run in (tacitlab.run(duopoly), market) for found in measures(run)}
    assert fit == set(registry.entries("measure"))


def test_a_measure_of_ones_own(market, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    found = measure(market, f"{tmp_path}/own.py:Range")
    np.testing.assert_allclose(found, np.ptp(market.data.test_price_path.values, axis=1))
    assert (found.units, found.long_name) == ("currency", "How far the price goes.")
    with pytest.raises(tacitlab.TacitError, match="gave no numbers by session"):
        measure(market, f"{tmp_path}/own.py:Silent")


def test_what_does_not_fit_says_why(duopoly, market):
    with pytest.raises(Unfit, match="measure: 'volatility' does not fit this run: the run keeps no test_price_path"):
        tacitlab.run(duopoly).measure("volatility")
    with pytest.raises(tacitlab.TacitError, match="'volatilty' is unknown; did you mean 'volatility'"):
        measure(market, "volatilty")

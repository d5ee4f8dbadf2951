"""Whole runs against published numbers, small enough for every day; the studies do the same at full size."""

import numpy as np
import pytest

import tacitlab
from tacitlab.games import Braess
from tacitlab.measures import outcome


def far(sample, published):
    """Distance of a published value in standard errors of the sample's mean."""
    return abs(np.mean(sample) - published) / (np.std(sample, ddof=1) / np.sqrt(len(sample)))


def test_calvano_profit_gain():
    result = tacitlab.run(tacitlab.load_scenario("bertrand", ["sessions=24", "seed=5"]))
    assert bool(result.data.converged.all())
    gain = outcome.gain(outcome.final_payoff(result.data, by_limit=True), result.data).values
    assert far(gain, 0.84872) < 4
    assert gain.std() < 0.2


def test_klein_sequential_profit():
    result = tacitlab.run(tacitlab.load_scenario("bertrand-sequential", ["sessions=60"]))
    assert far(result.data.payoff.isel(time=-1).mean("agent").values, 0.109) < 4


def test_braess_minimum_and_closed_form():
    sweep = "sweep={learners.exploration.epsilon: [0, 0.007, 0.2]}"
    data = tacitlab.run(tacitlab.load_scenario("braess", ["sessions=10", sweep])).data
    time = -outcome.closing(data, "payoff").isel(agent=0).mean("session")
    assert float(time[0]) == 2.0
    assert 1.58 < float(time[1]) < 1.66  # 1.6179 (sd .007) in the reference
    assert float(time[2]) == pytest.approx(Braess().epsilon_rational_time(0.2, "cross"), abs=0.01)


def test_counterfactual_updates_compete():
    # Asker, Fershtman and Pakes (2022): myopic firms that update all actions reach competitive prices.
    overrides = ["learners.gamma=0", "learners.memory=0", "sessions=20", "learners.exploration.beta=1e-3",
                 "length={periods: 200000, stable_for: 5000}", "learners.updates=all"]  # fmt: skip
    result = tacitlab.run(tacitlab.load_scenario("bertrand", overrides))
    best = max(p.average for p in result.benchmarks().competitive)
    assert float(result.data.limit_payoff.max()) <= best + 1e-9

"""Payoffs in another unit: who scales what it is paid learns the same, bit for bit where the unit is a power of two."""

import numpy as np
import pytest

import tacitlab
from tacitlab import registry
from tacitlab.lab.experiment import from_mapping
from tacitlab.learners.ppo import PolicyGradient

DOMINANT = np.array(
    [[[0.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
)  # action 1 pays 1 more, whatever the other does
SCALING = [kind for kind in registry.entries("learner") if issubclass(registry.find("learner", kind), PolicyGradient)]
POWERS = (-30, 0, 30)  # a billionth to a billion, and what they are in binary


def trained(learner, unit, **more):
    """Learning curves and test of a small duopoly in which a unit of payoff is so large."""
    market = {"kind": "repeated-game", "game": {"kind": "matrix", "payoffs": (unit * DOMINANT).tolist()}}
    plan = {
        "environment": {**market, "memory": 1, "horizon_periods": 24}, "learners": learner, "sessions": 2,
        "length": {"episodes": 12}, "test": {"episodes": 5, "baselines": False}, **more,
    }  # fmt: skip
    return tacitlab.run(from_mapping(plan))


def quick(kind, **more):
    return {"kind": kind, "hidden": [8], "rollout": 24, "rate": 0.01, "gamma": 0.5, **more}


@pytest.mark.parametrize("kind", SCALING)
def test_networks_that_scale_rewards_learn_the_same_bits_in_every_binary_unit(kind):
    found = {power: trained(quick(kind), 2.0**power).data for power in POWERS}
    for power, data in found.items():
        assert not data.failure.any()
        np.testing.assert_array_equal(data.test_action, found[0].test_action)
        for name in ("payoff", "value", "test_payoff"):
            np.testing.assert_array_equal(data[name] / np.float32(2.0**power), found[0][name], err_msg=name)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e5, 1e9])
def test_ppo_finds_the_dominant_action_in_decimal_units(unit):
    result = trained(quick("ppo", gamma=0.0, trace=0.0, minibatches=1), unit, length={"episodes": 40})
    assert not result.manifest["failures"]
    assert float(result.data.test_action.mean()) > 0.9


@pytest.mark.parametrize("normalised", [False, True])
def test_a_gradient_step_on_one_sample_teaches(normalised):
    """Normalised, a single advantage would be 0, and nobody would learn anything."""
    learner = quick("ppo", gamma=0.0, trace=0.0, rollout=4, minibatches=4, normalise_advantages=normalised)
    assert float(trained(learner, 1.0, length={"episodes": 40}).data.test_action.mean()) > 0.9


def test_values_in_units_of_returns_still_fail_where_they_grow_without_bound():
    learner = quick("ppo", rate=1e30, clip_gradient=1e30, anneal=False)
    failures = trained(learner, 1.0).manifest["failures"]
    assert failures
    bounded = trained(quick("ppo", largest_value=1e-6), 2.0**30).manifest["failures"]
    assert {failure["cause"] for failure in bounded} == {"values grow beyond learners.largest_value"}


@pytest.mark.parametrize("learner", [
    {"kind": "q-learning"}, {"kind": "sarsa", "memory": 1}, {"kind": "exp3"}, {"kind": "ucb1"},
    {"kind": "q-learning", "updates": "all", "ties": "random"},
], ids=lambda learner: learner["kind"])  # fmt: skip
def test_tables_learn_the_same_bits_in_every_binary_unit(learner):
    def played(unit):
        game = {"kind": "matrix", "payoffs": (unit * (DOMINANT + 0.1)).tolist()}
        plan = {"environment": game, "learners": learner, "length": {"periods": 400}, "sessions": 3}
        return tacitlab.run(from_mapping(plan)).data

    found = {power: played(2.0**power) for power in POWERS}
    for power, data in found.items():
        np.testing.assert_array_equal(data.frequency, found[0].frequency)
        np.testing.assert_array_equal(data.limit_payoff / 2.0**power, found[0].limit_payoff)

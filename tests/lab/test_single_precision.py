"""A program that has switched 64-bit numbers on gets the results of one that has not."""

import jax
import numpy as np

from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run

SCENARIO = {
    "environment": {"kind": "repeated-game", "game": {"kind": "prisoners-dilemma"}, "horizon_periods": 4},
    "learners": {"kind": "ppo", "rollout": 4, "minibatches": 2, "epochs": 1, "hidden": [4]},
    "length": {"episodes": 6},
    "sessions": 2,
    "test": {"episodes": 3},
}


def test_64_bit_numbers_change_nothing():
    plain = run(from_mapping(SCENARIO)).data
    with jax.enable_x64(True):
        wide = run(from_mapping(SCENARIO)).data
        assert jax.numpy.zeros(1).dtype == np.float64  # and they are still on
    for name in ("payoff", "loss", "value", "test_payoff"):
        np.testing.assert_array_equal(plain[name], wide[name])
    assert np.isfinite(plain["loss"]).any()

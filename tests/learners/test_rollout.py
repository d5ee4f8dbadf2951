"""Memories of rollouts, and running moments."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from probes import experience, group, probe, remembered

from tacitlab.learners import PPO
from tacitlab.learners.parts.networks import Moments


def test_a_rollout_gives_back_what_it_was_given_and_is_overwritten():
    some = group(PPO(rollout=5, minibatches=1), probe("continuous"))
    first, second = (experience(np.random.default_rng(k), 2, 5, "continuous") for k in range(2))
    rows = remembered(some, first)
    for part, right in zip(some.rollout.read(rows).own()[:6], first[:6], strict=True):
        np.testing.assert_array_equal(part, right)
    step = jax.tree.map(lambda x: jnp.asarray(x[:, None, 2]), second)
    rows = some.rollout.add(rows, step, jnp.asarray(12))
    for part, old, new in zip(some.rollout.read(rows).own()[:6], first[:6], second[:6], strict=True):
        np.testing.assert_array_equal(part[:, 2], new[:, 2])
        np.testing.assert_array_equal(np.delete(part, 2, axis=1), np.delete(old, 2, axis=1))


@settings(max_examples=40)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.floats(-100, 100), st.integers(0, 2**32 - 1))
def test_moments_of_batches_are_those_of_everything(sizes, shift, seed):
    random = np.random.default_rng(seed)
    batches = [(random.normal(size=(size, 2)) + shift).astype(np.float32) for size in sizes]
    moments = Moments.empty(2)
    for batch in batches:
        moments = moments.with_batch(jnp.asarray(batch))
    everything = np.concatenate(batches).astype(float)
    np.testing.assert_allclose(moments.mean, everything.mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moments.variance, everything.var(axis=0), rtol=1e-2, atol=1e-3)
    x = jnp.asarray([[shift, shift + 1e6]], jnp.float32)
    found = moments.normalise(x)
    assert np.abs(found).max() <= 10
    wanted = (x - everything.mean(axis=0)) / np.sqrt(np.maximum(everything.var(axis=0), 1e-8))
    if len(everything) > 3:
        np.testing.assert_allclose(found, np.clip(wanted, -10, 10), rtol=2e-2, atol=1e-2)

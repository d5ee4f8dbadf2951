"""Generalised advantages against the sums that define them."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_ppo import advantages

from tacitlab.learners.parts.on_policy import generalised_advantages

STEPS = 12
ESTIMATE = jax.jit(generalised_advantages)
NUMBERS = jnp.float32(0.9), jnp.float32(0.8)


def drawn(seed):
    random = np.random.default_rng(seed)
    rewards, values, after = random.normal(size=(3, STEPS)).astype(np.float32)
    ends = random.integers(0, 5, STEPS)
    return rewards, values, after, ends == 1, ends == 2


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_they_are_discounted_sums_of_errors(seed, discount, trace):
    lived = drawn(seed)
    found = ESTIMATE(*lived, jnp.float32(discount), jnp.float32(trace))
    np.testing.assert_allclose(found, advantages(*lived, discount, trace), rtol=1e-4, atol=1e-5)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_nothing_leaks_out_of_the_next_episode(seed):
    rewards, values, after, terminated, truncated = drawn(seed)
    terminated[5], truncated[5] = bool(seed % 2), not seed % 2
    first = ESTIMATE(rewards, values, after, terminated, truncated, *NUMBERS)
    rewards[6:] += 100
    second = ESTIMATE(rewards, values, after, terminated, truncated, *NUMBERS)
    np.testing.assert_array_equal(first[:6], second[:6])
    after[5] += 1  # the true next observation counts where the episode is cut, not where it has ended
    third = ESTIMATE(rewards, values, after, terminated, truncated, *NUMBERS)
    np.testing.assert_allclose(third[5] - second[5], 0.0 if terminated[5] else 0.9, atol=1e-4)

"""Gradients of a memory against those of a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
from toy_market import keys

from tacitlab.learners.parts.networks import Gru, Layer

STREAMS, STEPS, INPUTS, WIDTH = 3, 7, 4, 5


def plain(gru, memory, seen, fresh):
    """Step by step."""
    kept = []
    for t in range(STEPS):
        memory = gru.step(jnp.where(fresh[:, t, None], 0.0, memory), seen[:, t])
        kept.append(memory)
    return jnp.stack(kept, axis=1)


def test_gradients_are_those_of_a_plain_loop():
    draw = np.random.default_rng(0)
    drawn = lambda *shape: jnp.asarray(draw.normal(size=shape), jnp.float32)  # noqa: E731
    gru = Gru(Layer(drawn(3 * WIDTH, INPUTS), drawn(3 * WIDTH)), Layer(drawn(3 * WIDTH, WIDTH), drawn(3 * WIDTH)))
    memory, seen, weights = drawn(STREAMS, WIDTH), drawn(STREAMS, STEPS, INPUTS), drawn(STREAMS, STEPS, WIDTH)
    fresh = jax.random.uniform(keys(1)[0], (STREAMS, STEPS)) < 0.3
    assert fresh[:, 1:].any()
    assert not fresh.all(axis=0).any()

    def found(function):
        return jax.value_and_grad(lambda *x: jnp.sum(weights * function(*x, fresh)), argnums=(0, 1, 2))(
            gru, memory, seen
        )

    ours, theirs = found(lambda gru, *x: gru.along(*x)), found(plain)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)

"""Networks with memory against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_market import keys

from tacitlab.learners.parts.networks import Shape, create, forward, respond, unroll

RANDOM = np.random.default_rng(0)


def made(shape, inputs=3, outputs=2):
    (trunk,) = create(keys(1)[0], inputs, shape, ((outputs, 1.0),))
    return jax.tree.map(lambda x: jnp.asarray(RANDOM.normal(size=x.shape) * 0.5, x.dtype), trunk)


def plain(trunk, memory, x, act):
    """One step with loops over layers, as in Cho et al. 2014 with the reset behind the product."""
    linear = lambda layer, z: np.asarray(layer.weight, float) @ z + np.asarray(layer.bias, float)  # noqa: E731
    for layer in trunk.hidden:
        x = act(linear(layer, x))
    if trunk.gru is not None:
        width = len(memory)
        seen, recalled = linear(trunk.gru.inputs, x), linear(trunk.gru.memory, memory)
        new = np.zeros(width)
        for k in range(width):
            reset = 1 / (1 + np.exp(-(seen[k] + recalled[k])))
            keep = 1 / (1 + np.exp(-(seen[width + k] + recalled[width + k])))
            candidate = np.tanh(seen[2 * width + k] + reset * recalled[2 * width + k])
            new[k] = (1 - keep) * candidate + keep * memory[k]
        memory = x = new
    for layer in trunk.ends[:-1]:
        x = act(linear(layer, x))
    return linear(trunk.ends[-1], x), memory


@pytest.mark.parametrize(
    ("shape", "activation"),
    [(Shape((5,), 4, (6,)), "relu"), (Shape((), 4), "tanh"), (Shape((5, 4), 0, ()), "tanh")],
    ids=["readout", "memory alone", "no memory"],
)
def test_sequences_are_steps_one_after_the_other(shape, activation):
    trunk, act = made(shape), np.tanh if activation == "tanh" else lambda z: np.maximum(z, 0)
    inputs = RANDOM.normal(size=(2, 6, 3)).astype(np.float32)
    fresh = RANDOM.uniform(size=(2, 6)) < 0.3
    memory = RANDOM.normal(size=(2, shape.recurrent)).astype(np.float32)
    found = unroll(trunk, jnp.asarray(memory), jnp.asarray(inputs), jnp.asarray(fresh), activation)
    for stream in range(2):
        kept = memory[stream].astype(float)
        for t in range(6):
            kept = np.zeros_like(kept) if fresh[stream, t] else kept
            before = jnp.asarray(kept, jnp.float32)[None]
            out, kept = plain(trunk, kept, inputs[stream, t].astype(float), act)
            np.testing.assert_allclose(found.outputs[stream, t], out, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(found.memory[stream, t], kept, rtol=1e-3, atol=1e-5)
            alone, after = respond(trunk, before, jnp.asarray(inputs[stream, t])[None], activation)
            np.testing.assert_allclose(alone[0], out, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(after[0], kept, rtol=1e-3, atol=1e-5)
    if not shape.recurrent:
        np.testing.assert_allclose(forward(trunk, jnp.asarray(inputs), activation), found.outputs, rtol=1e-5)


def test_parts_of_a_memory_begin_orthogonal():
    (trunk,) = create(keys(1)[0], 3, Shape((5,), 4, (6,), 3.0), ((2, 0.01),))
    for layer in (trunk.gru.inputs, trunk.gru.memory):
        for part in np.split(np.asarray(layer.weight), 3):
            np.testing.assert_allclose(np.linalg.svd(part, compute_uv=False), 1.0, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(trunk.hidden[0].weight, compute_uv=False), 2**0.5, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(trunk.ends[0].weight, compute_uv=False), 3.0, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(trunk.ends[1].weight, compute_uv=False), 0.01, rtol=1e-4)

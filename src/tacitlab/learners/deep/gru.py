"""A gated recurrent unit: one step, and along sequences (K. Cho et al., EMNLP 2014).

Along sequences it has a rule of its own for gradients. What automatic differentiation makes of a loop adds up the
gradient of the weights step by step; here the loop carries back the memory alone, and the weights get a single product
at the end. Parts of the unit are separate arrays in the loops, since cut out of one array they would not be vectorised.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from tacitlab.learners.deep.network import Layer, linear


class Gru(NamedTuple):
    """A gated recurrent unit; its three parts are reset, update and candidate.

    Attributes
    ----------
    inputs : Layer
        (3 width, inputs): what is seen.
    memory : Layer
        (3 width, width): what is remembered.
    """

    inputs: Layer
    memory: Layer

    def step(self, memory: Float[Array, "*batch width"], seen: Float[Array, "*batch inputs"]) -> Array:
        """The next memory.

        ``r = s(x_r + h_r); z = s(x_z + h_z); n = tanh(x_n + r h_n); h' = (1 - z) n + z h``.
        """
        return _parts(self.memory.weight.T, self.memory.bias, memory, self._seen(seen))[0]

    def along(
        self,
        memory: Float[Array, "streams width"],
        seen: Float[Array, "streams steps inputs"],
        fresh: Bool[Array, "streams steps"],
    ) -> Float[Array, "streams steps width"]:
        """Memories after each step of sequences that begin with this one, which is empty again in ``fresh`` steps."""
        parts = self._seen(jnp.swapaxes(seen, 0, 1))
        return jnp.swapaxes(_along(self.memory, memory, parts, fresh.T), 0, 1)

    def _seen(self, x: Float[Array, "*batch inputs"]) -> tuple[Array, ...]:
        """What each part makes of an input."""
        return tuple(jnp.split(linear(self.inputs, x), 3, axis=-1))


class _Lived(NamedTuple):
    """The parts of a step, and what they made of the memory."""

    memory: Array
    reset: Array
    keep: Array
    candidate: Array
    recalled: Array


def _parts(weight: Array, bias: Array, memory: Array, seen: tuple[Array, ...]) -> _Lived:
    (x, y, z), (a, b, c) = seen, jnp.split(memory @ weight + bias, 3, axis=-1)
    reset, keep = jax.nn.sigmoid(x + a), jax.nn.sigmoid(y + b)
    candidate = jnp.tanh(z + reset * c)
    return _Lived((1 - keep) * candidate + keep * memory, reset, keep, candidate, c)


def _lived(layer: Layer, memory: Array, seen: tuple[Array, ...], fresh: Array, kept: int) -> tuple[Array, ...]:
    """The first so many of what steps are made of."""
    weight = layer.weight.T

    def on(memory: Array, now: Any) -> tuple[Array, tuple[Array, ...]]:
        seen, fresh = now
        found = _parts(weight, layer.bias, jnp.where(fresh[:, None], 0.0, memory), seen)
        return found.memory, found[:kept]

    return jax.lax.scan(on, memory, (seen, fresh))[1]


@jax.custom_vjp
def _along(layer: Layer, memory: Array, seen: tuple[Array, ...], fresh: Array) -> Array:
    """Memories after each step: (steps, streams, width)."""
    return _lived(layer, memory, seen, fresh, 1)[0]


def _there(layer: Layer, memory: Array, seen: tuple[Array, ...], fresh: Array) -> tuple[Array, Any]:
    lived = _Lived(*_lived(layer, memory, seen, fresh, 5))
    before = jnp.where(fresh[..., None], 0.0, jnp.concatenate([memory[None], lived.memory[:-1]]))
    return lived.memory, (layer, before, fresh, lived)


def _back(known: Any, slope: Array) -> tuple[Layer, Array, tuple[Array, ...], None]:
    layer, before, fresh, (_, reset, keep, candidate, recalled) = known
    # How a change of the memory after a step goes back to each sum inside it.
    of_candidate = (1 - keep) * (1 - candidate**2)
    of_reset = of_candidate * recalled * reset * (1 - reset)
    of_keep = (before - candidate) * keep * (1 - keep)
    of_recalled = of_candidate * reset

    def on(later: Array, now: Any) -> tuple[Array, Array]:
        slope, fresh, of_reset, of_keep, of_recalled, keep = now
        change = jax.lax.optimization_barrier(later + slope)  # once, and not again in each product
        sums = jnp.concatenate([change * of_reset, change * of_keep, change * of_recalled], axis=-1)
        return jnp.where(fresh[:, None], 0.0, change * keep + sums @ layer.weight), change

    steps = (slope, fresh, of_reset, of_keep, of_recalled, keep)
    first, change = jax.lax.scan(on, jnp.zeros_like(slope[0]), steps, reverse=True)
    seen = (change * of_reset, change * of_keep, change * of_candidate)
    sums = jnp.concatenate([seen[0], seen[1], change * of_recalled], axis=-1).reshape(-1, layer.bias.shape[0])
    weight = sums.T @ before.reshape(-1, before.shape[-1])
    return Layer(weight, jnp.sum(sums, axis=0)), first, seen, None


_along.defvjp(_there, _back)

"""Fully connected networks, as plain lists of layers."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

SLOPE = 0.01  # of the leaky rectifier below zero


class Layer(NamedTuple):
    """A linear map; the rectifier between two of them belongs to the network."""

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"]


class Network(NamedTuple):
    """Linear layers with leaky rectifiers between them.

    Attributes
    ----------
    embedding : Layer or None
        A first linear layer without a rectifier behind it, as in the code of Macrì and Lillo.
    layers : tuple of Layer
    """

    embedding: Layer | None
    layers: tuple[Layer, ...]

    def __call__(self, inputs: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
        """Outputs for inputs in the last axis."""
        x = inputs if self.embedding is None else linear(self.embedding, inputs)
        for layer in self.layers[:-1]:
            x = leaky(linear(layer, x))
        return linear(self.layers[-1], x)

    def folded(self) -> "Network":
        """The same function without the embedding, which is merged into the first layer: a fifth fewer operations."""
        if self.embedding is None:
            return self
        outer, inner = self.layers[0], self.embedding
        merged = Layer(outer.weight @ inner.weight, outer.weight @ inner.bias + outer.bias)
        return Network(None, (merged, *self.layers[1:]))

    def columns(self, inputs: Float[Array, "inputs columns"]) -> Float[Array, "outputs columns"]:
        """Outputs for inputs that stand in columns: on processors this order is the faster one."""
        x = inputs if self.embedding is None else _columns(self.embedding, inputs)
        for layer in self.layers[:-1]:
            x = leaky(_columns(layer, x))
        return _columns(self.layers[-1], x)


def leaky(x: Array) -> Array:
    """Leaky rectifier."""
    return jnp.maximum(x, SLOPE * x)


def create(
    key: PRNGKeyArray, inputs: int, width: int, hidden: int, outputs: int, embedding: bool, scale: float | Array = 1.0
) -> Network:
    """A random network: weights and biases uniform within 1/sqrt(inputs of the layer), times ``scale`` at the end.

    That is the default of PyTorch's linear layers (K. He et al., ICCV 2015, with a = sqrt 5).
    """
    widths = [inputs] + [width] * (hidden + embedding) + [outputs]
    shapes = [(b, a + 1) for a, b in itertools.pairwise(widths)]
    # One draw for all layers: each call of the generator costs a third of a second to compile.
    drawn = jax.random.uniform(key, (sum(b * a for b, a in shapes),), minval=-1.0, maxval=1.0)
    parts = jnp.split(drawn, list(itertools.accumulate(b * a for b, a in shapes))[:-1])
    layers = [_layer(part.reshape(shape)) for part, shape in zip(parts, shapes, strict=True)]
    layers[-1] = Layer(layers[-1].weight * scale, layers[-1].bias * scale)
    return Network(layers[0] if embedding else None, tuple(layers[embedding:]))


def _layer(drawn: Float[Array, "outputs more"]) -> Layer:
    """Weights and biases from numbers between -1 and 1; the biases stand in the last column."""
    scaled = drawn / jnp.sqrt(drawn.shape[1] - 1)
    return Layer(scaled[:, :-1], scaled[:, -1])


def linear(layer: Layer, x: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
    """A linear map of the last axis."""
    return x @ layer.weight.T + layer.bias


def _columns(layer: Layer, x: Float[Array, "inputs columns"]) -> Float[Array, "outputs columns"]:
    return layer.weight @ x + layer.bias[:, None]

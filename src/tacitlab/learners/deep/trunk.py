"""Networks of policy-gradient learners: hidden layers, a memory if there is one, and a linear layer at the end.

The memory is a gated recurrent unit between the hidden layers and the last one.
"""

import itertools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tacitlab.learners.deep.gru import Gru
from tacitlab.learners.deep.network import Layer, linear

GAIN = math.sqrt(2)  # of hidden layers

Activation = Literal["tanh", "relu"]
ACTIVATIONS: dict[Activation, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class Trunk(NamedTuple):
    """A network: hidden layers, a memory or None, and layers behind it, of which the last one is linear."""

    hidden: tuple[Layer, ...]
    gru: Gru | None
    ends: tuple[Layer, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers but the memory."""
        return (*self.hidden, *self.ends)


class Shape(NamedTuple):
    """Widths of hidden layers, of the memory (0: none) and of hidden layers behind it, with their first gain."""

    hidden: tuple[int, ...]
    recurrent: int = 0
    readout: tuple[int, ...] = ()
    readout_gain: float = GAIN


def create(key: PRNGKeyArray, inputs: int, shape: Shape, ends: tuple[tuple[int, float], ...]) -> tuple[Trunk, ...]:
    """Random networks, one for each end: its outputs, and the gain of its last layer.

    Weights are orthogonal, biases zero, gains of hidden layers before a memory sqrt 2, of its three parts 1.

    References
    ----------
    S. Huang et al., "The 37 implementation details of proximal policy optimization", ICLR blog track 2022, detail 2.
    """
    sizes = [_sizes(inputs, shape, last) for last, _ in ends]
    numbers = [a * b for size in sizes for a, b in size]
    # One draw for all layers: each call of the generator costs a third of a second to compile.
    parts = iter(jnp.split(jax.random.normal(key, (sum(numbers),)), list(itertools.accumulate(numbers))[:-1]))
    made, first = [], len(shape.hidden)
    for size, (_, gain) in zip(sizes, ends, strict=True):
        weights = [orthogonal(next(parts).reshape(a, b)) for a, b in size]
        behind = first + (6 if shape.recurrent else 0)
        gates = [_layer(jnp.concatenate(weights[k : k + 3])) for k in range(first, behind, 3)]
        hidden = tuple(_layer(GAIN * w) for w in weights[:first])
        readout = (_layer(shape.readout_gain * w) for w in weights[behind:-1])
        made.append(Trunk(hidden, Gru(*gates) if gates else None, (*readout, _layer(gain * weights[-1]))))
    return tuple(made)


def _sizes(inputs: int, shape: Shape, last: int) -> list[tuple[int, int]]:
    """Rows and columns of each matrix: hidden layers, three parts of the unit for inputs and memory, the rest."""
    before = (inputs, *shape.hidden)
    width = shape.recurrent or before[-1]
    gates = [(width, before[-1])] * 3 + [(width, width)] * 3 if shape.recurrent else []
    behind = itertools.pairwise((width, *shape.readout, last))
    return [(b, a) for a, b in itertools.pairwise(before)] + gates + [(b, a) for a, b in behind]


def _layer(weight: Float[Array, "outputs inputs"]) -> Layer:
    return Layer(weight, jnp.zeros(weight.shape[0]))


def orthogonal(drawn: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """A uniformly random matrix with orthonormal columns, or rows if they are fewer, from standard normal numbers.

    Gram-Schmidt, each vector twice, is enough (L. Giraud et al., Numer. Math. 101 (2005) 87-100); the result is uniform
    (F. Mezzadri, Notices of the AMS 54 (2007) 592-604). LAPACK's decomposition waits for ever inside a program that is
    spread over several processor devices (jaxlib 0.10).
    """
    tall = drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T

    def add(k: Array, found: Array) -> Array:
        vector = tall[:, k]
        for _ in range(2):
            vector = vector - found @ (found.T @ vector)
        return found.at[:, k].set(vector / jnp.linalg.norm(vector))

    found: Array = jax.lax.fori_loop(0, tall.shape[1], add, jnp.zeros_like(tall))
    return found if tall is drawn else found.T


# --- what a network makes of what it sees ---------------------------------------------------------------------------


def forward(trunk: Trunk, inputs: Float[Array, "... inputs"], activation: Activation = "tanh") -> Array:
    """Outputs of a network without memory."""
    assert trunk.gru is None
    return _end(trunk, _hidden(trunk.hidden, inputs, activation), activation)


def respond(
    trunk: Trunk, memory: Float[Array, "batch width"], inputs: Float[Array, "batch inputs"], activation: Activation
) -> tuple[Float[Array, "batch outputs"], Float[Array, "batch width"]]:
    """Outputs for one step, and the memory after it."""
    z = _hidden(trunk.hidden, inputs, activation)
    if trunk.gru is not None:
        memory = z = trunk.gru.step(memory, z)
    return _end(trunk, z, activation), memory


class Unrolled(NamedTuple):
    """A network along sequences of steps.

    Attributes
    ----------
    outputs : (streams, steps, outputs)
    memory : (streams, steps, width)
        After each step.
    """

    outputs: Float[Array, "streams steps outputs"]
    memory: Float[Array, "streams steps width"]


def unroll(
    trunk: Trunk,
    memory: Float[Array, "streams width"],
    inputs: Float[Array, "streams steps inputs"],
    fresh: Bool[Array, "streams steps"],
    activation: Activation,
) -> Unrolled:
    """A network along sequences of steps that begin with this memory, which is empty again in ``fresh`` steps."""
    z = _hidden(trunk.hidden, inputs, activation)
    if trunk.gru is None:
        return Unrolled(_end(trunk, z, activation), jnp.zeros((*z.shape[:2], 0)))
    kept = trunk.gru.along(memory, z, fresh)
    return Unrolled(_end(trunk, kept, activation), kept)


def _hidden(
    layers: tuple[Layer, ...], inputs: Float[Array, "... inputs"], activation: Activation
) -> Float[Array, "... width"]:
    x = inputs
    for layer in layers:
        x = ACTIVATIONS[activation](linear(layer, x))
    return x


def _end(trunk: Trunk, z: Float[Array, "... width"], activation: Activation) -> Float[Array, "... outputs"]:
    return linear(trunk.ends[-1], _hidden(trunk.ends[:-1], z, activation))

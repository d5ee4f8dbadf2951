"""Networks of deep learners: plain layers, a memory (GRU), normalisation of inputs, distributions of actions."""

import itertools
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from pydantic import Field

from tacitlab.markets.motion import normal

SLOPE = 0.01  # of the leaky rectifier below zero
GAIN = math.sqrt(2)  # of hidden layers
ACTOR_GAIN, CRITIC_GAIN = 0.01, 1.0  # of the last layers
LEAST = 1e-8  # variance, where everything was the same
MOST = 10.0  # standard deviations that a normalised number may be away from the mean
NEVER = -1e9  # logit of an action that is not feasible

Width = Annotated[int, Field(ge=1, le=4096)]
Activation = Literal["tanh", "relu"]
ACTIVATIONS: dict[Activation, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class Layer(NamedTuple):
    """A linear map; the rectifier between two of them belongs to the network."""

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"]


class Mlp(NamedTuple):
    """A multilayer perceptron: linear layers with leaky rectifiers between them.

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

    def folded(self) -> "Mlp":
        """The same function without the embedding, which is merged into the first layer: a fifth fewer operations."""
        if self.embedding is None:
            return self
        outer, inner = self.layers[0], self.embedding
        merged = Layer(outer.weight @ inner.weight, outer.weight @ inner.bias + outer.bias)
        return Mlp(None, (merged, *self.layers[1:]))

    def columns(self, inputs: Float[Array, "inputs columns"]) -> Float[Array, "outputs columns"]:
        """Outputs for inputs that stand in columns: on processors this order is the faster one."""
        x = inputs if self.embedding is None else _columns(self.embedding, inputs)
        for layer in self.layers[:-1]:
            x = leaky(_columns(layer, x))
        return _columns(self.layers[-1], x)


def leaky(x: Array) -> Array:
    """Leaky rectifier."""
    return jnp.maximum(x, SLOPE * x)


def create_mlp(
    key: PRNGKeyArray, inputs: int, width: int, hidden: int, outputs: int, embedding: bool, scale: float | Array = 1.0
) -> Mlp:
    """A random perceptron: weights and biases uniform within 1/sqrt(inputs of the layer), times ``scale`` at the end.

    That is the default of PyTorch's linear layers (K. He et al., ICCV 2015, with a = sqrt 5).
    """
    widths = [inputs] + [width] * (hidden + embedding) + [outputs]
    shapes = [(b, a + 1) for a, b in itertools.pairwise(widths)]
    # One draw for all layers: each call of the generator costs a third of a second to compile.
    drawn = jax.random.uniform(key, (sum(b * a for b, a in shapes),), minval=-1.0, maxval=1.0)
    parts = jnp.split(drawn, list(itertools.accumulate(b * a for b, a in shapes))[:-1])
    layers = [_uniform(part.reshape(shape)) for part, shape in zip(parts, shapes, strict=True)]
    layers[-1] = Layer(layers[-1].weight * scale, layers[-1].bias * scale)
    return Mlp(layers[0] if embedding else None, tuple(layers[embedding:]))


def _uniform(drawn: Float[Array, "outputs more"]) -> Layer:
    """Weights and biases from numbers between -1 and 1; the biases stand in the last column."""
    scaled = drawn / jnp.sqrt(drawn.shape[1] - 1)
    return Layer(scaled[:, :-1], scaled[:, -1])


def linear(layer: Layer, x: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
    """A linear map of the last axis."""
    return x @ layer.weight.T + layer.bias


def _columns(layer: Layer, x: Float[Array, "inputs columns"]) -> Float[Array, "outputs columns"]:
    return layer.weight @ x + layer.bias[:, None]


# --- a gated recurrent unit ------------------------------------------------------------------------------------------
#
# Along sequences it has a rule of its own for gradients. What automatic differentiation makes of a loop adds up the
# gradient of the weights step by step; here the loop carries back the memory alone, and the weights get one product
# at the end. Parts of the unit are separate arrays in the loops: cut out of one array they would not be vectorised.


class Gru(NamedTuple):
    """A gated recurrent unit (K. Cho et al., EMNLP 2014); its three parts are reset, update and candidate.

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


class _Gates(NamedTuple):
    """The parts of a step, and what they made of the memory."""

    memory: Array
    reset: Array
    keep: Array
    candidate: Array
    recalled: Array


def _parts(weight: Array, bias: Array, memory: Array, seen: tuple[Array, ...]) -> _Gates:
    (x, y, z), (a, b, c) = seen, jnp.split(memory @ weight + bias, 3, axis=-1)
    reset, keep = jax.nn.sigmoid(x + a), jax.nn.sigmoid(y + b)
    candidate = jnp.tanh(z + reset * c)
    return _Gates((1 - keep) * candidate + keep * memory, reset, keep, candidate, c)


def _run(layer: Layer, memory: Array, seen: tuple[Array, ...], fresh: Array, kept: int) -> tuple[Array, ...]:
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
    return _run(layer, memory, seen, fresh, 1)[0]


def _forward(layer: Layer, memory: Array, seen: tuple[Array, ...], fresh: Array) -> tuple[Array, Any]:
    steps = _Gates(*_run(layer, memory, seen, fresh, 5))
    before = jnp.where(fresh[..., None], 0.0, jnp.concatenate([memory[None], steps.memory[:-1]]))
    return steps.memory, (layer, before, fresh, steps)


def _backward(known: Any, gradient: Array) -> tuple[Layer, Array, tuple[Array, ...], None]:
    layer, before, fresh, (_, reset, keep, candidate, recalled) = known
    # How a change of the memory after a step goes back to each sum inside it.
    of_candidate = (1 - keep) * (1 - candidate**2)
    of_reset = of_candidate * recalled * reset * (1 - reset)
    of_keep = (before - candidate) * keep * (1 - keep)
    of_recalled = of_candidate * reset

    def on(later: Array, now: Any) -> tuple[Array, Array]:
        gradient, fresh, of_reset, of_keep, of_recalled, keep = now
        change = jax.lax.optimization_barrier(later + gradient)  # once, and not again in each product
        sums = jnp.concatenate([change * of_reset, change * of_keep, change * of_recalled], axis=-1)
        return jnp.where(fresh[:, None], 0.0, change * keep + sums @ layer.weight), change

    steps = (gradient, fresh, of_reset, of_keep, of_recalled, keep)
    first, change = jax.lax.scan(on, jnp.zeros_like(gradient[0]), steps, reverse=True)
    seen = (change * of_reset, change * of_keep, change * of_candidate)
    sums = jnp.concatenate([seen[0], seen[1], change * of_recalled], axis=-1).reshape(-1, layer.bias.shape[0])
    weight = sums.T @ before.reshape(-1, before.shape[-1])
    return Layer(weight, jnp.sum(sums, axis=0)), first, seen, None


_along.defvjp(_forward, _backward)


# --- trunks: hidden layers, a memory if there is one, and linear layers at the end -----------------------------------


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


# --- what a network makes of what it sees ----------------------------------------------------------------------------


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


# --- normalisation of inputs -----------------------------------------------------------------------------------------


class Moments(NamedTuple):
    """Mean and variance of all that was seen; before anything was, 0 and 1."""

    number: Float[Array, ""]
    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]

    @classmethod
    def empty(cls, *shape: int) -> "Moments":
        """Nothing seen yet."""
        return cls(jnp.zeros(()), jnp.zeros(shape), jnp.ones(shape))

    def with_batch(self, batch: Float[Array, "samples ..."]) -> "Moments":
        """With a batch more.

        References
        ----------
        T. Chan, G. Golub and R. LeVeque, The American Statistician 37 (1983) 242-247, equations 2.1.

        Examples
        --------
        >>> count, mean, variance = Moments.empty().with_batch(jnp.array([1.0, 3.0])).with_batch(jnp.array([8.0]))
        >>> float(mean), round(float(variance), 4)
        (4.0, 8.6667)
        """
        size = batch.shape[0]
        count = self.number + size
        shift = jnp.mean(batch, axis=0) - self.mean
        squares = self.variance * self.number + jnp.var(batch, axis=0) * size
        squares = squares + shift**2 * self.number * size / count
        return Moments(count, self.mean + shift * size / count, squares / count)

    def normalise(self, x: Float[Array, "... features"]) -> Float[Array, "... features"]:
        """In standard deviations from the mean, at most 10."""
        return jnp.clip((x - self.mean) / self.deviation, -MOST, MOST)

    @property
    def deviation(self) -> Array:
        """Standard deviation."""
        return jnp.sqrt(jnp.maximum(self.variance, LEAST))


# --- distributions of actions ----------------------------------------------------------------------------------------


class Gaussian(eqx.Module):
    """Independent normal components around the actor's outputs."""

    size: int = eqx.field(static=True)

    @property
    def outputs(self) -> int:
        return self.size

    @property
    def spreads(self) -> int:
        """How many standard deviations there are to learn."""
        return self.size

    def choose(self, outputs: Array, log_sd: Array, feasible: Array, draws: Array, noisy: Array) -> Array:
        """Actions from uniform draws; the mean where they shall not be noisy."""
        return outputs + jnp.where(noisy[:, None], jnp.exp(log_sd) * normal(draws), 0.0)

    def log_probability(
        self,
        outputs: Float[Array, "samples outputs"],
        log_sd: Float[Array, " size"],
        feasible: Float[Array, " samples"],
        choices: Float[Array, "samples size"],
    ) -> Float[Array, " samples"]:
        scaled = (choices - outputs) * jnp.exp(-log_sd)
        return jnp.sum(-0.5 * scaled**2 - log_sd - 0.5 * math.log(2 * math.pi), axis=1)

    def entropy(
        self, outputs: Float[Array, "samples outputs"], log_sd: Float[Array, " size"], feasible: Array
    ) -> Float[Array, ""]:
        """Mean over the samples, in nats."""
        return jnp.sum(log_sd + 0.5 * math.log(2 * math.pi * math.e))


class Categorical(eqx.Module):
    """One of so many actions, of which the first few are feasible; the actor's outputs are logits."""

    actions: int = eqx.field(static=True)

    @property
    def outputs(self) -> int:
        return self.actions

    @property
    def spreads(self) -> int:
        return 0

    def choose(self, outputs: Array, log_sd: Array, feasible: Array, draws: Array, noisy: Array) -> Array:
        """Numbers of actions, (samples, 1), from one uniform draw each; the likeliest where they shall not be noisy."""
        logs = self.logs(outputs, feasible)
        below = jnp.cumsum(jnp.exp(logs), axis=1)
        # A draw below 1 times the sum, which rounding may have moved off 1, stays below the sum: never infeasible.
        drawn = jnp.sum(draws[:, :1] * below[:, -1:] >= below[:, :-1], axis=1)
        return jnp.where(noisy, drawn, jnp.argmax(logs, axis=1))[:, None].astype(jnp.float32)

    def log_probability(
        self,
        outputs: Float[Array, "samples outputs"],
        log_sd: Float[Array, " size"],
        feasible: Float[Array, " samples"],
        choices: Float[Array, "samples 1"],
    ) -> Float[Array, " samples"]:
        chosen = jnp.arange(self.actions) == choices.astype(int)
        return jnp.sum(jnp.where(chosen, self.logs(outputs, feasible), 0.0), axis=1)

    def entropy(
        self, outputs: Float[Array, "samples outputs"], log_sd: Array, feasible: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """Mean over the samples, in nats."""
        logs = self.logs(outputs, feasible)
        return -jnp.mean(jnp.sum(jnp.exp(logs) * logs, axis=1))

    def logs(self, outputs: Array, feasible: Array) -> Array:
        """Logarithms of the probabilities of all actions."""
        possible = jnp.arange(self.actions) < feasible[:, None]
        return jax.nn.log_softmax(jnp.where(possible, outputs, NEVER), axis=1)


Distribution = Gaussian | Categorical

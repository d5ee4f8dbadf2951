"""From values of single agents to the value of what they do together.

The joint value may be any function that rises with each agent's own value: then the best joint action is that of agents
who each take their own best action. P. Sunehag et al., AAMAS 2018 (the sum); T. Rashid et al., ICML 2018 (monotonic).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tacitlab.learners.deep.network import Network, create


class Mixer(NamedTuple):
    """A monotonic network whose weights other networks make of the global state.

    ``Q_tot = |w2(s)|' elu(|W1(s)|' q + b1(s)) + v(s)``.
    """

    first: Network  # W1: (agents, width) numbers
    shift: Network  # b1: (width,)
    second: Network  # w2: (width,)
    value: Network  # v

    def __call__(
        self, values: Float[Array, "samples agents"], world: Float[Array, "samples features"]
    ) -> Float[Array, " samples"]:
        """Joint values; their derivatives by each agent's value are never negative."""
        width = self.second.layers[-1].bias.shape[0]
        first = jnp.abs(self.first(world)).reshape(len(world), -1, width)
        hidden = jax.nn.elu(jnp.einsum("si,siw->sw", values, first) + self.shift(world))
        return jnp.sum(hidden * jnp.abs(self.second(world)), axis=1) + self.value(world)[:, 0]


def monotonic(key: PRNGKeyArray, agents: int, world: int, width: int, hyper: int) -> Mixer:
    """A random mixer of so many agents' values.

    Parameters
    ----------
    key : random key
    agents, world : int
        Number of agents; size of the global state.
    width : int
        Nodes of the mixing network's hidden layer.
    hyper : int
        Nodes of the hidden layer of the networks that make its weights; 0: these are linear.
    """
    keys = jax.random.split(key, 4)
    # Biases are random, not zero: the slope of an absolute value at 0 is 0, so that weights of 0 would stay so.
    first, second = (
        create(k, world, hyper or 1, int(hyper > 0), outputs, embedding=False)
        for k, outputs in ((keys[0], agents * width), (keys[1], width))
    )
    shift = create(keys[2], world, 1, 0, width, embedding=False)
    return Mixer(first, shift, second, create(keys[3], world, width, 1, 1, embedding=False))


def together(
    mixer: Mixer | None, values: Float[Array, "samples agents"], world: Float[Array, "samples features"]
) -> Float[Array, " samples"]:
    """Joint values: mixed, or the sum where there is no mixer.

    Examples
    --------
    >>> together(None, jnp.array([[1.0, 2.0], [3.0, -1.0]]), jnp.zeros((2, 0))).tolist()
    [3.0, 2.0]
    """
    return jnp.sum(values, axis=1) if mixer is None else mixer(values, world)

"""What the others do, for critics that may see it in training."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def others(actions: Float[Array, "agents *batch code"]) -> Float[Array, "agents *batch codes"]:
    """For each agent, the actions of all others in the order of agents, side by side.

    Examples
    --------
    >>> others(jnp.array([[1.0], [2.0], [3.0]])).tolist()
    [[2.0, 3.0], [1.0, 3.0], [1.0, 2.0]]
    """
    agents = len(actions)
    rest = np.array([[j for j in range(agents) if j != i] for i in range(agents)], int).reshape(agents, agents - 1)
    return jnp.moveaxis(actions[rest], 1, -2).reshape(*actions.shape[:-1], (agents - 1) * actions.shape[-1])

"""Advantages: how much better an action turned out than the policy is on average."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def generalised(
    rewards: Float[Array, " steps"],
    values: Float[Array, " steps"],
    next_values: Float[Array, " steps"],
    terminated: Bool[Array, " steps"],
    truncated: Bool[Array, " steps"],
    discount: Float[Array, ""],
    trace: Float[Array, ""],
) -> Float[Array, " steps"]:
    """Generalised advantage estimates of consecutive steps, which may belong to several episodes.

    ``A_t = delta_t + discount trace (1 - ended_t) A_{t+1}`` with ``delta_t = r_t + discount (1 - terminated_t) V(s'_t)
    - V(s_t)``: an episode that is merely cut is valued through its end, but nothing of the next episode counts.

    Parameters
    ----------
    rewards, values : (steps,) arrays
        What each step brought, and the value of what was seen before it.
    next_values : (steps,) array
        Value of what was seen after each step, before any reset.
    terminated, truncated : (steps,) arrays of bool
    discount, trace : scalars
        gamma and lambda; 0 gives one-step errors, 1 whole returns less the values.

    References
    ----------
    J. Schulman, P. Moritz, S. Levine, M. Jordan and P. Abbeel, "High-dimensional continuous control using generalized
    advantage estimation", ICLR 2016, equation 16.

    Examples
    --------
    Two steps that earn 1 each where 0 was expected, then the end:

    >>> one, none = jnp.ones(2), jnp.zeros(2)
    >>> generalised(one, none, none, jnp.array([False, True]), none > 0, jnp.array(0.5), jnp.array(0.5)).tolist()
    [1.25, 1.0]
    """
    errors = rewards + discount * jnp.where(terminated, 0.0, next_values) - values
    decays = discount * trace * (1.0 - (terminated | truncated))

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        error, decay = now
        advantage = error + decay * later
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(errors[0]), (errors, decays), reverse=True)[1]

"""Learning rates that fall linearly to 0 over a session, or stay."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.deep.base import Clock


def last_step(anneal: bool, seat: MarketSeat) -> Float[Array, ""]:
    """Step at which a rate reaches 0; infinite: it stays."""
    return jnp.asarray(float(seat.steps) if anneal else float("inf"), jnp.float32)


def share_left(clock: Clock, last: Float[Array, ""]) -> Float[Array, ""]:
    """What is left of a rate after so many steps.

    Examples
    --------
    >>> float(share_left(jnp.asarray(25), jnp.asarray(100.0))), float(share_left(jnp.asarray(25), jnp.asarray(jnp.inf)))
    (0.75, 1.0)
    """
    return jnp.maximum(1 - clock / last, 0.0)

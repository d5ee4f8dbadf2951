"""What a segment of learning leaves: sums over its steps, kept on the devices while it runs."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tacitlab.learners.parts.group import Metrics
from tacitlab.markets.motion import Outcome

NOT_FINITE, BEYOND = 1, 2  # causes of failure


class Tally(NamedTuple):
    """Sums over the steps of a segment.

    Attributes
    ----------
    rewards : (agents,)
        Of all steps, in the mean over copies of the market.
    returns, episodes : (agents,), ()
        Of the episodes that ended in all copies, and how many did.
    loss, value, learned : (agents,)
        Of the steps in which an agent learned, and how many those were.
    info : dict of ()
        Quantities of the market as a whole.
    failure, failed_at : ()
        Cause and step of the first failure; 0 and -1 if there is none.
    """

    rewards: Float[Array, " agents"]
    returns: Float[Array, " agents"]
    episodes: Int[Array, ""]
    loss: Float[Array, " agents"]
    value: Float[Array, " agents"]
    learned: Int[Array, " agents"]
    info: dict[str, Float[Array, ""]]
    failure: Int[Array, ""]
    failed_at: Int[Array, ""]


def market_wide(info: dict[str, Array]) -> dict[str, Array]:
    """The quantities that do not differ between agents, of several markets."""
    return {name: values for name, values in info.items() if values.ndim == 1}


def nothing(agents: int, info: dict[str, Array]) -> Tally:
    """Before the first step."""
    none, zero = jnp.zeros(agents), jnp.zeros((), jnp.int32)
    sums = {name: jnp.zeros(()) for name in info}
    return Tally(none, none, zero, none, none, jnp.zeros(agents, jnp.int32), sums, zero, zero - 1)


def add(
    tally: Tally,
    rewards: Float[Array, "copies agents"],
    total: Float[Array, "copies agents"],
    outcome: Outcome,
    metrics: Metrics,
    limits: Float[Array, " agents"],
    clock: Int[Array, ""],
) -> Tally:
    """One more step of each copy; ``total`` is what the running episodes have brought so far."""
    ended: Bool[Array, " copies"] = outcome.terminated | outcome.truncated
    learned = (metrics.loss >= 0) & jnp.isfinite(metrics.loss) & jnp.isfinite(metrics.value)
    finite = jnp.all(jnp.isfinite(rewards) & jnp.isfinite(metrics.loss) & ~jnp.isnan(metrics.value))
    beyond = jnp.any((metrics.value > limits) | jnp.isinf(metrics.value))
    cause = jnp.where(finite, jnp.where(beyond, BEYOND, 0), NOT_FINITE)
    first = (tally.failure == 0) & (cause > 0)
    return Tally(
        tally.rewards + jnp.mean(rewards, axis=0),
        tally.returns + jnp.sum(jnp.where(ended[:, None], total, 0.0), axis=0),
        tally.episodes + jnp.sum(ended),
        tally.loss + jnp.where(learned, metrics.loss, 0.0),
        tally.value + jnp.where(learned, metrics.value, 0.0),
        tally.learned + learned,
        jax.tree.map(lambda sums, new: sums + jnp.mean(new), tally.info, market_wide(outcome.info)),
        jnp.where(first, cause, tally.failure),
        jnp.where(first, clock, tally.failed_at),
    )

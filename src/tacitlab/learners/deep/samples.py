"""What policy-gradient learners keep, see and learn from, as arrays."""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from tacitlab.learners.deep.base import Clock
from tacitlab.learners.deep.moments import Moments
from tacitlab.learners.deep.policy import Networks
from tacitlab.learners.deep.trunk import Trunk

Sees = Literal["own", "world", "both"]


class Numbers(eqx.Module):
    """What may differ between cells of a sweep without compiling again."""

    rate: Float[Array, ""]
    last: Float[Array, ""]  # step at which an annealed rate reaches 0; infinite: it stays
    discount: Float[Array, ""]
    trace: Float[Array, ""]  # lambda of the advantages
    value_weight: Float[Array, ""]
    entropy_weight: Float[Array, ""]
    largest_slope: Float[Array, ""]  # norm of a gradient
    largest_value: Float[Array, ""]
    log_sd: Float[Array, ""]  # of the first Gaussian policy
    last_log_sd: Float[Array, ""]  # of the last one, where it follows the clock; NaN: it is learned
    steps: Float[Array, ""]  # of the session

    def spread(self, learned: Float[Array, "*networks size"], clock: Clock) -> Float[Array, "*networks size"]:
        """Logarithm of the standard deviation after a step: as it was learned, or by the clock."""
        way = jnp.minimum((clock + 1) / self.steps, 1.0)
        wanted = self.log_sd + (self.last_log_sd - self.log_sd) * way
        return jnp.where(jnp.isnan(wanted), learned, wanted)

    def fixed(self, log_sd: Float[Array, " size"]) -> Float[Array, " size"]:
        """The same number; gradients pass through it only where it is learned."""
        return jnp.where(jnp.isnan(self.last_log_sd), log_sd, jax.lax.stop_gradient(log_sd))


class Acting(NamedTuple):
    """What acts; arrays have a leading axis of networks: one for each agent, or a single one."""

    actor: Trunk
    log_sd: Float[Array, "networks size"]
    seen: Moments | None


class Memories(NamedTuple):
    """What recurrent networks remember; of width 0 without memory."""

    actor: Float[Array, "*networks streams width"]
    critic: Float[Array, "*networks streams width"]


class OnPolicyState(NamedTuple):
    """Everything that a group keeps; arrays but the rollout and the returns have a leading axis of networks."""

    networks: Networks
    optimiser: Any
    rows: tuple[Array, Array] | None
    seen: Moments | None  # of what the actor sees
    viewed: Moments | None  # of what a central critic sees
    earned: Moments | None  # of the squares of discounted returns
    returns: Float[Array, "agents copies"]  # discounted sum of what the running episode has brought
    memories: Memories  # at the beginning of the rollout


class Batch(NamedTuple):
    """Sequences of steps to learn from: of one step each without memory."""

    inputs: Float[Array, "*networks chunks steps inputs"]
    views: Float[Array, "*networks chunks steps views"] | None  # what the critic sees, where that differs
    choices: Float[Array, "*networks chunks steps size"]
    feasible: Float[Array, "*networks chunks steps"]
    fresh: Bool[Array, "*networks chunks steps"]  # steps that begin an episode
    memories: Memories  # before each sequence
    log_probability: Float[Array, "*networks chunks steps"]  # of the choices, when they were made
    value: Float[Array, "*networks chunks steps"]  # when they were made
    advantage: Float[Array, "*networks chunks steps"]

    def pieces(self, length: int) -> "Batch":
        """Cut into sequences of so many steps; memories are those before each of them."""
        bare = self._replace(memories=None)  # type: ignore[arg-type]
        cut = jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1] // length, length, *x.shape[2:]), bare)
        kept: Batch = cut._replace(memories=jax.tree.map(flat, self.memories))
        return kept

    def steps(self) -> "Batch":
        """As single steps, without memories."""
        found: Batch = jax.tree.map(flat, self._replace(memories=None))  # type: ignore[arg-type]
        return found


class Sight(NamedTuple):
    """What a rollout looked like to the networks, before it is judged: (networks, streams, steps, ...).

    Attributes
    ----------
    inputs, after : arrays
        What the actor saw before and after each step.
    views, views_after : arrays or None
        The same of the critic, where that differs.
    choices, feasible, fresh : arrays
        Actions; how many were feasible; whether a step began an episode.
    over : (networks, streams) array of bool
        Whether the last step ended one.
    next_choices : array or None
        What was done next, or would have been, for critics of actions.
    """

    inputs: Float[Array, "*networks streams steps inputs"]
    after: Float[Array, "*networks streams steps inputs"]
    views: Float[Array, "*networks streams steps views"] | None
    views_after: Float[Array, "*networks streams steps views"] | None
    choices: Float[Array, "*networks streams steps size"]
    feasible: Float[Array, "*networks streams steps"]
    fresh: Bool[Array, "*networks streams steps"]
    over: Bool[Array, "*networks streams"]
    next_choices: Float[Array, "*networks streams steps size"] | None = None


def flat(x: Shaped[Array, "streams steps ..."]) -> Shaped[Array, "samples ..."]:
    """Streams and their steps in one row."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])

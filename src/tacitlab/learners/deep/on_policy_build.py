"""From a scenario's description of a policy-gradient learner to its arrays."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from tacitlab.learners.base import MarketSeat, refuse
from tacitlab.learners.deep.annealing import last_step
from tacitlab.learners.deep.on_policy import Numbers
from tacitlab.learners.deep.policy import Categorical, Distribution, Gaussian
from tacitlab.learners.deep.rollout import Rollout
from tacitlab.learners.deep.samples import Sees
from tacitlab.learners.deep.trunk import Shape
from tacitlab.markets.base import Discrete

if TYPE_CHECKING:
    from tacitlab.learners.actor_critic import PolicyGradient


def common(learner: "PolicyGradient", seat: MarketSeat, sees: Sees = "own") -> dict[str, Any]:
    """Fields of a group as a scenario describes them.

    Raises
    ------
    TacitError
        If its distribution does not fit the role's actions.
    """
    role, agents = seat.role, seat.last - seat.first
    distribution, size = _distribution(learner, seat)
    copies, shared = seat.copies, learner.parameters == "shared"
    marked = shared and learner.agent_ids and agents > 1
    return {
        "dynamics": seat.dynamics,
        "numbers": Numbers(
            rate=_single(learner.rate),
            last=last_step(learner.anneal, seat),
            discount=_single(learner.gamma),
            trace=_single(learner.trace),
            value_weight=_single(learner.value_weight),
            entropy_weight=_single(learner.entropy_weight),
            largest_slope=_single(learner.clip_gradient),
            largest_value=_single(learner.largest_value),
            log_sd=_single(learner.log_sd),
            last_log_sd=_single(float("nan") if learner.last_log_sd is None else learner.last_log_sd),
            steps=_single(float(seat.steps)),
        ),
        "distribution": distribution,
        "rollout": Rollout(
            learner.rollout, agents, copies, len(role.observes), size, 0 if sees == "own" else world_size(seat)
        ),
        "ids": jnp.eye(agents) if marked else jnp.zeros((agents, 0)),
        "role": role,
        "shape": Shape(
            learner.hidden, learner.recurrent, learner.readout if learner.recurrent else (), learner.readout_gain
        ),
        "sequence": min(learner.sequence, learner.rollout) if learner.recurrent else 1,
        "activation": learner.activation,
        "agents": agents,
        "shared": shared,
        "sees": sees,
        "one_critic": False,
        "apart": False,
        "normal_inputs": learner.normalise_observations,
        "scaled_rewards": learner.scale_rewards,
        "normal_advantages": learner.normalise_advantages,
        "deterministic": learner.deterministic_test,
        "one_by_one": seat.one_by_one,
    }


def world_size(seat: MarketSeat) -> int:
    """Numbers in the market's global state."""
    state = jax.eval_shape(seat.dynamics.reset, jax.random.key(0))
    return int(jax.eval_shape(seat.dynamics.global_state, state).shape[0])


def _distribution(learner: "PolicyGradient", seat: MarketSeat) -> tuple[Distribution, int]:
    """The distribution of actions, and their size."""
    role, seen = seat.role, jnp.zeros(len(seat.role.observes))
    discrete = isinstance(role.actions, Discrete)
    if discrete and learner.distribution == "gaussian":
        raise refuse("distribution", f"{role.name} chooses among {role.actions.size} actions", "use categorical")
    if not discrete and learner.distribution != "categorical":
        return Gaussian(role.actions.size), role.actions.size
    try:
        shape = jax.eval_shape(lambda o: seat.dynamics.candidates(role, o)[0], seen).shape
    except NotImplementedError:
        raise refuse(
            "distribution", "this market names no candidates to choose from", "use gaussian, or another learner"
        ) from None
    return Categorical(shape[0]), shape[1]


def _single(x: float) -> Array:
    return jnp.asarray(x, jnp.float32)

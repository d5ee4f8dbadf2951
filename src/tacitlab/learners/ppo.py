"""Proximal policy optimisation (PPO), and with critics that see everything (MAPPO).

What a scenario says of them comes first, then what is PPO's own in learning; :class:`OnPolicy` has what all
policy-gradient learners share: acting, the rollout, advantages and the gradient step.
"""

from typing import Any, ClassVar, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import model_validator

from tacitlab.learners.base import Learner, MarketSeat, divisor, refuse
from tacitlab.learners.parts.group import Group, Step, array, built, candidate_shape, last_step, state_size
from tacitlab.learners.parts.networks import Activation, Categorical, Distribution, Gaussian, Shape, Width
from tacitlab.learners.parts.on_policy import Batch, Networks, OnPolicy, Rollout, Sees
from tacitlab.markets.base import Discrete
from tacitlab.schema import param

G = TypeVar("G", bound=OnPolicy)


class PolicyGradient(Learner):
    """What policy-gradient learners share."""

    parameters: Literal["own", "shared"] = param(
        "own", "networks of each agent's own (independent learning), or one for the whole group"
    )
    rollout: int = param(128, "steps between updates, which are learned from", "steps", ge=1, le=1_000_000)
    rate: float = param(3e-4, "learning rate, alpha", gt=0)
    anneal: bool = param(True, "the learning rate falls linearly to 0 over the session")
    gamma: float = param(0.99, "discount factor", ge=0, le=1)
    trace: float = param(0.95, "weight of long returns in the advantages, lambda", ge=0, le=1)
    value_weight: float = param(0.5, "weight of the critic's squared error in the loss", ge=0)
    entropy_weight: float = param(0.0, "weight of the policy's entropy in the loss", ge=0)
    clip_gradient: float = param(0.5, "largest norm of a gradient", gt=0)
    normalise_advantages: bool = param(
        True, "advantages of a gradient step have mean 0 and deviation 1, if there are several"
    )
    normalise_observations: bool = param(False, "networks see deviations from the running mean, in running deviations")
    scale_rewards: bool = param(True, "rewards are divided by the running size of discounted returns")
    hidden: tuple[Width, ...] = param((64, 64), "widths of hidden layers, of the actor and of the critic")
    activation: Activation = param("tanh", "what stands between the layers")
    recurrent: int = param(
        0, "width of a memory (a gated recurrent unit) behind the hidden layers; 0: none", ge=0, le=4096
    )
    readout: tuple[Width, ...] = param((), "widths of hidden layers behind the memory")
    readout_gain: float = param(
        2**0.5, "gain of their first weights; a larger one lets a step of the optimiser change more", gt=0
    )
    sequence: int = param(16, "steps that a memory is learned through in one piece", "steps", ge=1, le=1_000_000)
    agent_ids: bool = param(False, "agents that share a network are told apart by an input of their own each")
    distribution: Literal["auto", "gaussian", "categorical"] = param(
        "auto", "of actions: gaussian if continuous, categorical if discrete or over the market's candidates"
    )
    log_sd: float = param(0.0, "logarithm of the first standard deviation of a gaussian", ge=-20, le=20)
    last_log_sd: float | None = param(
        None, "what it ends with, moving there evenly over the session instead of being learned; none: learned",
        ge=-20, le=20,
    )  # fmt: skip
    deterministic_test: bool = param(
        False, "in a test an action is the likeliest one, but for a share test.epsilon; otherwise drawn as in learning"
    )
    largest_value: float = param(
        1e6, "a session whose mean value exceeds this has failed; with scale_rewards in units of the returns' size",
        "payoff", gt=0,
    )  # fmt: skip

    many_copies: ClassVar[bool] = True

    @property
    def shared(self) -> bool:
        """Whether one network is the whole group's."""
        return self.parameters == "shared"

    @property
    def gae_lambda(self) -> float:
        """Lambda of the generalised advantages."""
        return self.trace

    @model_validator(mode="after")
    def _whole_sequences(self) -> "PolicyGradient":
        if self.recurrent and self.rollout % min(self.sequence, self.rollout):
            fits = divisor(self.rollout, self.sequence)
            raise ValueError(
                f"sequence: {self.sequence} does not divide a rollout of {self.rollout} steps; set sequence={fits}"
            )
        return self

    def seated(self, kind: type[G], seat: MarketSeat, sees: Sees = "own", **known: Any) -> G:
        """A group of agents as described here.

        Raises
        ------
        TacitError
            If its distribution does not fit the role's actions.
        """
        agents, world = seat.agents, 0 if sees == "own" else state_size(seat)
        distribution, size = self._distribution(seat)
        readout = self.readout if self.recurrent else ()
        common: dict[str, Any] = {
            "last": last_step(self.anneal, seat),
            "last_log_sd": array(float("nan") if self.last_log_sd is None else self.last_log_sd),
            "steps": array(float(seat.steps)),
            "distribution": distribution,
            "rollout": Rollout(self.rollout, agents, seat.copies, len(seat.role.observes), size, world),
            "ids": jnp.eye(agents) if self.shared and self.agent_ids and agents > 1 else jnp.zeros((agents, 0)),
            "shape": Shape(self.hidden, self.recurrent, readout, self.readout_gain),
            "sequence": min(self.sequence, self.rollout) if self.recurrent else 1,
            "sees": sees,
            "one_critic": False,
            "apart": False,
            "adam": True,
        }
        return built(kind, self, seat, **(common | known))

    def _distribution(self, seat: MarketSeat) -> tuple[Distribution, int]:
        """The distribution of actions, and their size."""
        role, discrete = seat.role, isinstance(seat.role.actions, Discrete)
        if isinstance(role.actions, Discrete) and self.distribution == "gaussian":
            raise refuse("distribution", f"{role.name} chooses among {role.actions.size} actions", "use categorical")
        if not discrete and self.distribution != "categorical":
            return Gaussian(role.actions.size), role.actions.size
        problem, mend = "this market names no candidates to choose from", "use gaussian, or another learner"
        number, size = candidate_shape(seat, refuse("distribution", problem, mend))
        return Categorical(number), size


class PPO(PolicyGradient):
    """Proximal policy optimisation: several epochs of clipped policy-gradient steps on every rollout.

    The actor climbs ``E min(r A, clip(r, 1 - clip, 1 + clip) A)``, where r is the probability of an action over that
    when it was taken, and A its generalised advantage; through an episode that is merely cut, the critic looks on.

    There is no early stop when the policy has moved too far: sessions learn side by side, and it would differ.

    References
    ----------
    J. Schulman et al., arXiv 1707.06347; J. Schulman et al., ICLR 2016 (advantages); M. Andrychowicz et al., arXiv
    2006.05990, and S. Huang et al., ICLR blog track 2022 (what matters in practice).

    Examples
    --------
    >>> PPO(rollout=100, recurrent=32)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: sequence: 16 (its default) does not divide a rollout of 100 steps; set sequence=20
    """

    kind: Literal["ppo"] = "ppo"
    clip: float = param(0.2, "largest change of an action's probability that pays, epsilon", gt=0, lt=1)
    epochs: int = param(4, "times that a rollout is learned from", ge=1, le=1000)
    minibatches: int = param(4, "gradient steps of an epoch", ge=1, le=100_000)
    clip_values: bool = param(False, "changes of the critic are clipped, too")

    def group(self, seat: MarketSeat) -> Group:
        return self._ppo(seat)

    def _ppo(self, seat: MarketSeat, sees: Sees = "own", **known: Any) -> "Ppo":
        """The group.

        Raises
        ------
        TacitError
            If the samples of a rollout cannot be cut into as many gradient steps.
        """
        group = self.seated(Ppo, seat, sees, **known)
        pieces = group.streams * group.rollout.steps // group.sequence
        if pieces % self.minibatches:
            what = "sequences" if self.recurrent else "samples"
            mend = f"set learners.minibatches={divisor(pieces, self.minibatches)}"
            raise refuse("minibatches", f"{self.minibatches} do not divide {pieces} {what}", mend)
        return group


class MAPPO(PPO):
    """Proximal policy optimisation with central critics: in training values depend on all there is to know.

    Actors see what their agents see, in training and afterwards. Critics see the market's global state, and what the
    agent itself sees, and are needed in training alone. Each gradient, of the actor and of the critic, is
    clipped by its own norm.

    With ``parameters: own`` and ``critic: shared`` actors differ and the value function is one: sensible where all get
    the same reward.

    References
    ----------
    C. Yu et al., "The surprising effectiveness of PPO in cooperative multi-agent games", NeurIPS 2022.

    Examples
    --------
    >>> MAPPO(critic="own")
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: critic: agents with one actor have one critic; set parameters=own, or critic=shared
    """

    kind: Literal["mappo"] = "mappo"  # type: ignore[assignment]
    parameters: Literal["own", "shared"] = param("shared", "actors of each agent's own, or one for the whole group")
    critic: Literal["own", "shared"] = param(
        "shared", "value functions of each agent's own, or one for the whole group"
    )
    critic_sees: Literal["world", "both"] = param(
        "both", "the market's global state alone, or what the agent itself sees, too"
    )
    agent_ids: bool = param(True, "agents that share a network are told apart by an input of their own each")

    @model_validator(mode="after")
    def _paired(self) -> "MAPPO":
        if self.parameters == "shared" and self.critic == "own":
            raise ValueError("critic: agents with one actor have one critic; set parameters=own, or critic=shared")
        return self

    def group(self, seat: MarketSeat) -> Group:
        one_critic = not self.shared and self.critic == "shared"
        return self._ppo(seat, self.critic_sees, apart=True, one_critic=one_critic)


# --- the algorithm ---------------------------------------------------------------------------------------------------


class Ppo(OnPolicy):
    """Agents that learn by proximal policy optimisation."""

    clip: Float[Array, ""]  # of the ratio of probabilities, and of the change of values
    epochs: int = eqx.field(static=True)
    minibatches: int = eqx.field(static=True)
    clip_values: bool = eqx.field(static=True)

    def learn(
        self, step: Step, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        def descend(state: tuple[Networks, Any], chosen: Int[Array, " samples"]) -> tuple[tuple[Networks, Any], None]:
            return self.gradient_step(step, *state, jax.tree.map(lambda x: x[chosen], batch)), None

        return jax.lax.scan(descend, (networks, optimiser), self.orders(key, len(batch.value)))[0]

    def orders(self, key: PRNGKeyArray, samples: int) -> Int[Array, "steps size"]:
        """Which samples each gradient step sees: all in every epoch, in random order."""
        keys = jax.random.split(key, self.epochs)
        orders = jax.vmap(lambda k: jax.random.permutation(k, samples))(keys)
        return orders.reshape(self.epochs * self.minibatches, -1)

    def objective(
        self, log_probability: Float[Array, " samples"], batch: Batch, advantage: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """``mean min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)`` (Schulman et al. 2017, equation 7)."""
        ratio = jnp.exp(log_probability - batch.log_probability)
        near = jnp.clip(ratio, 1 - self.clip, 1 + self.clip)
        return jnp.mean(jnp.minimum(ratio * advantage, near * advantage))

    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        """Mean squared error; clipped: the larger one of the new value and of one near the old."""
        target = batch.value + batch.advantage
        error = (value - target) ** 2
        if self.clip_values:
            near = batch.value + jnp.clip(value - batch.value, -self.clip, self.clip)
            error = jnp.maximum(error, (near - target) ** 2)
        return jnp.mean(error)

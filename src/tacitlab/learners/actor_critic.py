"""Actor-critic learning with noise in the parameters; and what all policy-gradient learners share."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group

Width = Annotated[int, Field(ge=1, le=4096)]


class PolicyGradient(Learner):
    """What policy-gradient learners share."""

    parameters: Literal["own", "shared"] = param(
        "own", "networks of each agent's own (independent learning), or one for the whole group"
    )
    rollout: int = param(128, "steps lived through between updates", "steps", ge=1, le=1_000_000)
    rate: float = param(3e-4, "learning rate, alpha", gt=0)
    anneal: bool = param(True, "the learning rate falls linearly to 0 over the session")
    gamma: float = param(0.99, "discount factor", ge=0, le=1)
    trace: float = param(0.95, "weight of long returns in the advantages, lambda", ge=0, le=1)
    value_weight: float = param(0.5, "weight of the critic's squared error in the loss", ge=0)
    entropy_weight: float = param(0.0, "weight of the policy's entropy in the loss", ge=0)
    clip_gradient: float = param(0.5, "largest norm of a gradient", gt=0)
    normalise_advantages: bool = param(True, "advantages of a gradient step have mean 0 and deviation 1")
    normalise_observations: bool = param(False, "networks see deviations from the running mean, in running deviations")
    scale_rewards: bool = param(True, "rewards are divided by the running size of discounted returns")
    hidden: tuple[Width, ...] = param((64, 64), "widths of hidden layers, of the actor and of the critic")
    activation: Literal["tanh", "relu"] = param("tanh", "what stands between the layers")
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
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    many_copies: ClassVar[bool] = True

    @model_validator(mode="after")
    def _whole_sequences(self) -> Self:
        if self.recurrent and self.rollout % min(self.sequence, self.rollout):
            raise ValueError(
                f"sequence: {self.sequence} does not divide a rollout of {self.rollout} steps; choose numbers that fit"
            )
        return self


class ActorCritic(PolicyGradient):
    """Actor-critic with annealed noise in the parameters: after every rollout one gradient step and a random push.

    ``theta += alpha grad J(theta) + xi_t`` with ``xi_t ~ N(0, (noise * t**-noise_power)**2)`` in the t-th update, for
    every parameter of the actor; the critic is not pushed. The gradient is that of ``log pi(a | s) A``, with advantages
    A as in PPO; its norm is clipped, and Adam takes the step unless ``optimiser: sgd``.

    With ``noise_power: 0`` the noise never falls: then the parameters walk at random, and do not converge whatever the
    gradient says. With 1/2, the default, the pushes fall as fast as they may while still reaching any distance.

    References
    ----------
    R. Sutton, D. McAllester, S. Singh and Y. Mansour, NIPS 1999 (the policy gradient); S. Gelfand and S. Mitter, SIAM
    J. Control Optim. 29 (1991) 999-1018 (descent with falling noise).

    Examples
    --------
    >>> ActorCritic(noise=-1)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: noise: -1 is too small; it must be at least 0.0
    """

    kind: Literal["actor-critic"] = "actor-critic"
    rollout: int = param(32, "steps lived through between updates", "steps", ge=1, le=1_000_000)
    rate: float = param(1e-3, "learning rate, alpha", gt=0)
    optimiser: Literal["adam", "sgd"] = param("adam", "how a gradient becomes a step")
    noise: float = param(0.01, "standard deviation of the first push of each parameter, sigma_xi", ge=0)
    noise_power: float = param(0.5, "power of time with which the pushes fall; 0: never", ge=0)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.actor_critic import build

        return build(self, seat)

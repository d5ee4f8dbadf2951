"""Deterministic actor-critic learning from memory: by oneself (DDPG, TD3), or with critics that see everybody."""

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from tacitlab.learners.actor_critic import Width
from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.learners.exploration import Constant, EpsilonGreedy
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class DDPG(Learner):
    """Deep deterministic policy gradient: a critic learns what actions are worth, an actor climbs its slope.

    From remembered transitions (o, a, r, o') the critic learns ``r + gamma Q'(o', mu'(o'))``, and ``r`` alone where the
    episode ended by its rules; the actor climbs ``Q(o, mu(o))``. Networks with a prime follow the others slowly.

    With ``critics=2, actor_every=2, smoothing=0.2`` this is TD3: targets are the lesser of two critics' values, of an
    action with some noise, and actors and targets move with every second update only.

    Discrete actions (or choices among a market's candidates) are drawn from a softmax; the actor's slope goes
    through the Gumbel-softmax, while critics see what was chosen.

    Every agent has networks of its own, and learns from moments of its own.

    References
    ----------
    T. Lillicrap et al., ICLR 2016; S. Fujimoto, H. van Hoof and D. Meger, ICML 2018 (TD3); E. Jang, S. Gu and B. Poole,
    and C. Maddison, A. Mnih and Y. Teh, ICLR 2017 (Gumbel-softmax).

    Examples
    --------
    >>> DDPG(batch=64, memory=32)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: batch: 64 is more than a memory of 32 holds; choose a smaller one
    """

    kind: Literal["ddpg"] = "ddpg"
    rate: float = param(1e-3, "learning rate of the critics' Adam", gt=0)
    actor_rate: float = param(1e-4, "learning rate of the actor's Adam", gt=0)
    anneal: bool = param(False, "the learning rates fall linearly to 0 over the session")
    gamma: float = param(0.99, "discount factor", ge=0, le=1)
    batch: int = param(64, "transitions of an update", ge=1, le=65_536)
    memory: int = param(
        100_000, "most transitions remembered, in all copies; the oldest makes room", "steps", ge=2, le=10_000_000
    )
    warmup: int = param(
        1000, "uniformly random steps at the beginning, before anything is learned", "steps", ge=0, le=1_000_000_000
    )
    update_every: int = param(1, "how often networks learn", "steps", ge=1, le=1_000_000)
    actor_every: int = param(1, "how often, in updates, the actor and the targets move", "updates", ge=1, le=1000)
    critics: Literal[1, 2] = param(1, "critics; of two, targets take the lesser value")
    target_blend: float = param(0.005, "share of the networks that enters their targets", gt=0, le=1)
    smoothing: float = param(
        0.0, "standard deviation of the noise in targets' actions, in largest actions (continuous)", ge=0
    )
    smoothing_clip: float = param(0.5, "largest size of that noise, in largest actions", gt=0)
    actions: Literal["auto", "continuous", "discrete"] = param(
        "auto", "as the role's; discrete: a choice among the market's candidates"
    )
    bound: Literal["tanh", "none"] = param("tanh", "how continuous actions are kept within the largest one")
    action_limit: float = param(2.0, "largest continuous action; without a bound, the unit of actions", gt=0)
    noise: EpsilonGreedy = param(
        Constant(epsilon=0.1), "standard deviation of continuous exploration, in largest actions"
    )
    temperature: float = param(1.0, "temperature of the Gumbel-softmax (discrete)", gt=0)
    output_penalty: float = param(
        1e-3, "weight of the actor's mean squared outputs, before the bound, in its loss", "payoff", ge=0
    )
    reward_scale: float = param(1.0, "what networks multiply rewards by", "1/payoff", gt=0)
    clip_gradient: float = param(10.0, "largest norm of a gradient", gt=0)
    hidden: tuple[Width, ...] = param((64, 64), "widths of hidden layers, of the actor and of the critics")
    activation: Literal["tanh", "relu"] = param("relu", "what stands between the layers")
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    many_copies: ClassVar[bool] = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.batch > self.memory:
            raise ValueError(f"batch: {self.batch} is more than a memory of {self.memory} holds; choose a smaller one")
        return self

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.ddpg import build

        return build(self, seat)


class MADDPG(DDPG):
    """Multi-agent DDPG: in training, each agent's critic sees the world and what all agents of the group do.

    Critic i learns ``r_i + gamma Q'_i(x', mu'_1(o'_1), ..., mu'_N(o'_N))`` with x the market's global state; actor i
    climbs ``Q_i(x, a_1, ..., mu_i(o_i), ..., a_N)``, the others' actions being those remembered. Actors see what their
    agents see, in training and afterwards. All learn from the same moments. Rewards may differ.

    The defaults are those of Lowe et al., with a smaller memory.

    References
    ----------
    R. Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments", NeurIPS 2017, equations 5
    and 6 and the appendix.

    Examples
    --------
    >>> MADDPG().gamma
    0.95
    """

    kind: Literal["maddpg"] = "maddpg"  # type: ignore[assignment]
    rate: float = param(1e-2, "learning rate of the critics' Adam", gt=0)
    actor_rate: float = param(1e-2, "learning rate of the actor's Adam", gt=0)
    gamma: float = param(0.95, "discount factor", ge=0, le=1)
    batch: int = param(1024, "transitions of an update", ge=1, le=65_536)
    update_every: int = param(100, "how often networks learn", "steps", ge=1, le=1_000_000)
    target_blend: float = param(0.01, "share of the networks that enters their targets", gt=0, le=1)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.maddpg import build

        return build(self, seat)

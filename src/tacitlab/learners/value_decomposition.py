"""Learners of a team's value: the sum of the agents' values (VDN), or a monotonic mixture of them (QMIX)."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.learners.exploration import EpsilonGreedy, Geometric
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group

Width = Annotated[int, Field(ge=1, le=4096)]


class VDN(Learner):
    """Value decomposition: agents learn values of their own, whose sum is the value of what they do together.

    The target of a transition is ``r + gamma Q_tot(s', best own actions)``; ``r`` alone where the episode ends by its
    rules. After training each agent takes the action that it values most, from what it alone sees. All agents must get
    the same reward: a sum of values of different games is no value of anything.

    References
    ----------
    P. Sunehag et al., "Value-decomposition networks for cooperative multi-agent learning", AAMAS 2018; H. van Hasselt,
    A. Guez and D. Silver, AAAI 2016 (double); M. Hausknecht and P. Stone, AAAI fall symposium 2015 (memory).

    Examples
    --------
    >>> VDN(recurrent=16, sequence=30, capacity=1000)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: capacity: 1000 steps are no whole number of sequences of 30; choose numbers that fit
    """

    kind: Literal["vdn"] = "vdn"
    parameters: Literal["own", "shared"] = param("shared", "networks of each agent's own, or one for the whole group")
    agent_ids: bool = param(True, "agents that share a network are told apart by an input of their own each")
    rate: float = param(5e-4, "learning rate of Adam", gt=0)
    anneal: bool = param(False, "the learning rate falls linearly to 0 over the session")
    gamma: float = param(0.99, "discount factor", ge=0, le=1)
    batch: int = param(32, "transitions, or sequences of them, of a gradient step", ge=1, le=65_536)
    capacity: int = param(5_000, "most steps remembered, the oldest forgotten first", "steps", ge=2, le=10_000_000)
    exploration: EpsilonGreedy = param(Geometric(), "how the agents explore")
    hidden: tuple[Width, ...] = param((64,), "widths of hidden layers")
    activation: Literal["tanh", "relu"] = param("relu", "what stands between the layers")
    recurrent: int = param(
        0, "width of a memory (a gated recurrent unit) behind the hidden layers; 0: none", ge=0, le=4096
    )
    sequence: int = param(16, "steps that a memory is learned through in one piece", "steps", ge=1, le=1_000_000)
    double: bool = param(True, "the main networks choose the actions that the target networks value")
    target_every: int = param(200, "how often the target networks become the main ones", "steps", ge=1)
    update_every: int = param(1, "how often a gradient step is made", "steps", ge=1)
    clip: float = param(10.0, "largest norm of a gradient", gt=0)
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    many_copies = True

    @model_validator(mode="after")
    def _whole_sequences(self) -> Self:
        if self.recurrent and self.capacity % self.sequence:
            raise ValueError(
                f"capacity: {self.capacity} steps are no whole number of sequences of {self.sequence}; "
                "choose numbers that fit"
            )
        return self

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.value_decomposition import build

        return build(self, seat)


class QMIX(VDN):
    """Monotonic value decomposition: the team's value is a network of the agents' values that rises with each of them.

    Its weights are made by other networks from the market's global state and are never negative, so that agents who
    each take their own best action take the best joint one. Values whose best own action depends on what others do are
    out of reach, as they are for VDN.

    References
    ----------
    T. Rashid et al., "QMIX: monotonic value function factorisation for deep multi-agent reinforcement learning", ICML
    2018; JMLR 21 (2020) 1-51.

    Examples
    --------
    >>> QMIX(mixing=0)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: mixing: 0 is too small; it must be at least 1
    """

    kind: Literal["qmix"] = "qmix"  # type: ignore[assignment]
    mixing: int = param(32, "nodes of the mixing network", ge=1, le=4096)
    hyper: int = param(
        64, "nodes of the hidden layer of the networks that make its weights; 0: these are linear", ge=0, le=4096
    )

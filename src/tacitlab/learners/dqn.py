"""Deep Q-learning: what it is; the algorithm itself is in ``learners/deep/dqn.py``."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.learners.exploration import EpsilonGreedy, Geometric
from tacitlab.schema import Spec, param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class Network(Spec):
    """A fully connected network with leaky rectifiers."""

    width: int = param(30, "nodes of a hidden layer", ge=1, le=4096)
    layers: int = param(5, "hidden layers", ge=1, le=64)
    embedding: bool = param(True, "a linear layer without rectifier before them, as in the code of Macrì and Lillo")


class Memory(Spec):
    """Transitions that are learned from again and again, drawn uniformly with replacement."""

    capacity: int = param(15_000, "most transitions remembered", "steps", ge=2, le=10_000_000)
    when_full: Literal["halve", "drop-oldest"] = param(
        "halve", "forget every other transition at once (Macrì and Lillo), or always the oldest"
    )

    @model_validator(mode="after")
    def _even(self) -> Self:
        if self.when_full == "halve" and self.capacity % 2:
            raise ValueError(f"capacity: {self.capacity} cannot be halved; give an even number")
        return self


class DQN(Learner):
    """Deep Q-learning with experience replay and a target network (Mnih et al. 2015), double by default.

    The target of a transition (s, a, r, s') is ``r + gamma Q_target(s', argmax_b Q(s', b))``, and ``r`` alone if the
    episode ends there by its rules; through an episode that is merely cut it looks on. The action is an input of the
    network, which is then searched over all feasible candidates, or each action is an output.

    The defaults are those of Macrì and Lillo (arXiv 2408.11773).

    References
    ----------
    V. Mnih et al., Nature 518 (2015) 529-533; H. van Hasselt, A. Guez and D. Silver, AAAI 2016 (double); Z. Wang et
    al., ICML 2016 (dueling).

    Examples
    --------
    >>> DQN(dueling=True)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: dueling: it compares all actions at once; set action=output
    """

    kind: Literal["dqn"] = "dqn"
    rate: float = param(1e-4, "learning rate of Adam", gt=0)
    gamma: float = param(1.0, "discount factor", ge=0, le=1)
    batch: int = param(64, "transitions of a gradient step", ge=1, le=65_536)
    memory: Memory = param(Memory(), "what is remembered")
    exploration: EpsilonGreedy = param(Geometric(), "how the agent explores")
    action: Literal["input", "output"] = param("input", "where the network meets the action")
    network: Network = param(Network(), "size of the network")
    double: bool = param(True, "the main network chooses the action that the target network values")
    dueling: bool = param(False, "value of the state and advantages of actions are learned apart")
    target_every: int | None = param(
        75, "how often the target network becomes the main one; none: blend", "steps", ge=1
    )
    target_blend: float | None = param(
        None, "share of the main network that enters the target network in every step", gt=0, le=1
    )
    update_every: int = param(1, "how often a gradient step is made", "steps", ge=1)
    clip: float = param(1.0, "largest norm of a gradient", gt=0)
    largest_value: float = param(1e6, "a session whose mean value exceeds this has failed", "payoff", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.dueling and self.action == "input":
            raise ValueError("dueling: it compares all actions at once; set action=output")
        if (self.target_every is None) == (self.target_blend is None):
            raise ValueError("target_every: give either target_every or target_blend; set the other one to null")
        if self.batch > self.memory.capacity // 2:
            raise ValueError(f"batch: {self.batch} is too large for a memory of {self.memory.capacity}; halve it")
        return self

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.dqn import build

        return build(self, seat)

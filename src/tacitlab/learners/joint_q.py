"""Joint-action Q-learning with an empirical model of the others."""

from typing import TYPE_CHECKING, Literal

from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.learners.exploration import Constant, Exploration
from tacitlab.learners.initial import ConstantValue, UniformValues
from tacitlab.learners.q_learning import Bins
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class JointQLearning(Learner):
    """Joint-action Q-learning: values of what all do together, and a model of what the others do.

    After ``s``, own action ``a``, the others' actions ``b``, reward ``r`` and ``s'``::

        N(s, b) = (1 - forgetting) N(s, b) + 1            (and without the 1 for all other b')
        Q(s, a, b) += alpha (r + gamma max_a' sum_b' N(s', b') Q(s', a', b') / sum N(s', .) - Q(s, a, b))

    and the greedy action is the one with the largest expected value under the model. The others are those of the same
    group; ``opponents: mean`` knows of them only the mean of their actions' numbers, sorted into bins.

    The literal formula of multi-agent Q-learning that is often written, ``E_{A_-i} max_a' Q_i(s', a')``, has nothing to
    take an expectation of: neither Q_i nor the maximum depends on A_-i. It is independent Q-learning (``q-learning``).

    References
    ----------
    C. Claus and C. Boutilier, "The dynamics of reinforcement learning in cooperative multiagent systems", AAAI 1998.

    Examples
    --------
    >>> JointQLearning(opponents="all")
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: opponents: 'all' is unknown; choose from joint, mean
    """

    kind: Literal["joint-q"] = "joint-q"
    alpha: float = param(0.15, "learning rate, alpha", ge=0, le=1)
    gamma: float = param(0.95, "discount factor, gamma; 1 only where episodes end", ge=0, le=1)
    exploration: Exploration = param(Constant(), "how the agents explore")
    initial: ConstantValue | UniformValues = param(ConstantValue(value=0), "initial values, Q_0", discriminator="kind")
    ties: Literal["first", "random"] = param("first", "which of several best actions is greedy")
    bins: Bins | tuple[Bins, ...] | None = param(
        None, "bins that each scaled observation is sorted into; none: 10, or its own values if discrete"
    )
    opponents: Literal["joint", "mean"] = param("joint", "what is told apart of the others: all actions, or their mean")
    mean_bins: int = param(10, "bins of the others' mean action", ge=1, le=10_000)
    forgetting: float = param(0.0, "share of the counts that is forgotten whenever one is added", ge=0, lt=1)
    prior: float = param(1.0, "count of everything before anything was seen", gt=0)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.joint_q import build

        return build(self, seat)

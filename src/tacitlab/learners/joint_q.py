"""Joint-action Q-learning with an empirical model of the others: tables over own and others' actions, and counts.

An agent acts by its expected values, which change in one row of the table only, so that it acts, and its policy is
stored, as with ordinary Q-learning.
"""

import math
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.exploration import Constant, Exploration
from tacitlab.learners.initial import ConstantValue, UniformValues
from tacitlab.learners.parts import tabular
from tacitlab.learners.parts.group import Group, Independent, Metrics, Policy, Step, Transition, built
from tacitlab.learners.q_learning import Bins, QLearning
from tacitlab.schema import param


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
        None, "bins that each scaled observation is sorted into; none: its own values if discrete, else 10 at most"
    )
    opponents: Literal["joint", "mean"] = param("joint", "what is told apart of the others: all actions, or their mean")
    mean_bins: int = param(10, "bins of the others' mean action", ge=1, le=10_000)
    forgetting: float = param(0.0, "share of the counts that is forgotten whenever one is added", ge=0, lt=1)
    prior: float = param(1.0, "count of everything before anything was seen", gt=0)

    def group(self, seat: MarketSeat) -> Group:
        alone = QLearning(
            alpha=self.alpha, gamma=self.gamma, exploration=self.exploration, initial=self.initial, ties=self.ties,
            bins=self.bins,
        )  # fmt: skip
        single = tabular.build(alone, seat).algorithm
        assert isinstance(single, tabular.TabularQ)
        bins = self.mean_bins if self.opponents == "mean" else 0
        group = built(JointQ, self, seat, float, single=single, mean_bins=bins)
        states = jax.eval_shape(single.init, jax.random.key(0)).table.shape[0]
        cells = group.agents * states * single.actions * group.others
        if cells > tabular.MOST_CELLS:
            mend = "take fewer bins" if group.mean_bins else "use opponents: mean, or fewer bins"
            problem = f"the joint tables of {group.agents} agents have 1e{math.log10(cells):.0f} cells"
            raise refuse("opponents", problem, mend)
        return group


# --- the algorithm ---------------------------------------------------------------------------------------------------


class JointState(NamedTuple):
    """Everything that a group keeps."""

    table: Float[Array, "agents states actions others"]
    counts: Float[Array, "agents states others"]
    expected: Float[Array, "agents states actions"]  # values under the model that the counts are
    last: Transition


class JointQ(Group):
    """Agents that see what the other ones do."""

    single: tabular.TabularQ  # how an agent sorts what it sees, chooses and begins
    forgetting: Float[Array, ""]
    prior: Float[Array, ""]
    mean_bins: int = eqx.field(static=True)  # 0: all joint actions of the others are told apart
    agents: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True, default=1, init=False)

    @property
    def others(self) -> int:
        """How many things the others can do together."""
        return self.mean_bins or self.single.actions ** (self.agents - 1)

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> JointState:
        begin = Independent.of(self.single, self.agents).init(keys, session)
        # Before anything was seen the others do not matter, and all they could do is equally likely.
        table = jnp.repeat(begin.table[..., None], self.others, axis=3)
        counts = jnp.broadcast_to(self.prior, (*begin.table.shape[:2], self.others))
        return JointState(table, counts, begin.table, begin.last)

    def policy(self, state: JointState) -> Float[Array, "agents states actions"]:
        return state.expected

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return self.single.epsilon(step)

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        return Independent.of(self.single, self.agents).act(policy, observations, keys, epsilon)

    def observe(self, state: JointState, transition: Transition, step: Step) -> JointState:
        return state._replace(last=transition.own())

    def did(self, chosen: Int[Array, " agents"]) -> Int[Array, " agents"]:
        """What the others did, as each agent sees it: the first of them most significant, or the bin of their mean."""
        if self.mean_bins:
            mean = (jnp.sum(chosen) - chosen) / max(self.agents - 1, 1)
            share = mean / max(self.single.actions - 1, 1)
            return jnp.minimum(jnp.floor(share * self.mean_bins), self.mean_bins - 1).astype(int)
        number = jnp.zeros(self.agents, int)
        me = jnp.arange(self.agents)
        for k in range(self.agents):
            number = jnp.where(me == k, number, number * self.single.actions + chosen[k])
        return number

    def update(self, state: JointState, keys: Key[Array, " agents"], step: Step) -> tuple[JointState, Metrics]:
        """Count, then move the value of what was done towards the reward and the best expected value that follows."""
        t, one, me = state.last, self.single, jnp.arange(self.agents)
        chosen = jax.vmap(lambda o, a: one.dynamics.index(one.role, o, a))(t.observation, t.action)
        did, (at, then) = self.did(chosen), (jax.vmap(one.state_of)(o) for o in (t.observation, t.next_observation))
        row = state.counts[me, at] * (1 - self.forgetting)
        counts = state.counts.at[me, at].set(row.at[me, did].add(1.0))
        expected = self._with_expected(state.expected, state.table, counts, at)  # s' may be s
        feasible = jax.vmap(lambda o: one.dynamics.candidates(one.role, o)[1])(t.next_observation)
        after = jnp.where(jnp.arange(one.actions) < feasible[:, None], expected[me, then], -jnp.inf).max(axis=1)
        target = t.reward + one.gamma * jnp.where(t.terminated, 0.0, after)
        value = state.table[me, at, chosen, did]
        table = state.table.at[me, at, chosen, did].add(one.alpha * (target - value))
        expected = self._with_expected(expected, table, counts, at)
        return JointState(table, counts, expected, t), Metrics((target - value) ** 2, jnp.abs(value))

    def _with_expected(
        self, expected: Array, table: Array, counts: Array, at: Int[Array, " agents"]
    ) -> Float[Array, "agents states actions"]:
        """Expected values, renewed in one state of each agent."""
        me = jnp.arange(self.agents)
        model = counts[me, at] / jnp.sum(counts[me, at], axis=1, keepdims=True)
        return expected.at[me, at].set(jnp.einsum("iab,ib->ia", table[me, at], model))

"""Joint-action Q-learning in markets: tables over own and others' actions, and counts of what the others did.

C. Claus and C. Boutilier, AAAI 1998. An agent acts by its expected values, which change in one row of the table only,
so that it acts, and its policy is stored, as with ordinary Q-learning.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from tacitlab.learners.base import MarketSeat, refuse
from tacitlab.learners.deep import tabular
from tacitlab.learners.deep.base import Clock, Group, Health, Independent, Policy, Transition
from tacitlab.learners.q_learning import QLearning

if TYPE_CHECKING:
    from tacitlab.learners.joint_q import JointQLearning


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

    def epsilon(self, clock: Clock) -> Float[Array, ""]:
        return self.single.epsilon(clock)

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        return Independent.of(self.single, self.agents).act(policy, observations, keys, epsilon)

    def observe(self, state: JointState, transition: Transition, clock: Clock) -> JointState:
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

    def update(self, state: JointState, keys: Key[Array, " agents"], clock: Clock) -> tuple[JointState, Health]:
        """Count, then move the value of what was done towards the reward and the best expected value that follows."""
        t, one, me = state.last, self.single, jnp.arange(self.agents)
        chosen = jax.vmap(lambda o, a: one.dynamics.index(one.role, o, a))(t.observation, t.action)
        did, (at, then) = self.did(chosen), (jax.vmap(one.state_of)(o) for o in (t.observation, t.next_observation))
        row = state.counts[me, at] * (1 - self.forgetting)
        counts = state.counts.at[me, at].set(row.at[me, did].add(1.0))
        expected = self._with_expected(state.expected, state.table, counts, at)  # s' may be s
        feasible = jax.vmap(lambda o: one.dynamics.candidates(one.role, o)[1])(t.next_observation)
        after = jnp.where(jnp.arange(one.actions) < feasible[:, None], expected[me, then], -jnp.inf).max(axis=1)
        goal = t.reward + one.gamma * jnp.where(t.terminated, 0.0, after)
        value = state.table[me, at, chosen, did]
        table = state.table.at[me, at, chosen, did].add(one.alpha * (goal - value))
        expected = self._with_expected(expected, table, counts, at)
        return JointState(table, counts, expected, t), Health((goal - value) ** 2, jnp.abs(value))

    def _with_expected(
        self, expected: Array, table: Array, counts: Array, at: Int[Array, " agents"]
    ) -> Float[Array, "agents states actions"]:
        """Expected values, renewed in one state of each agent."""
        me = jnp.arange(self.agents)
        model = counts[me, at] / jnp.sum(counts[me, at], axis=1, keepdims=True)
        return expected.at[me, at].set(jnp.einsum("iab,ib->ia", table[me, at], model))


def build(learner: "JointQLearning", seat: MarketSeat) -> JointQ:
    """A group of agents as a scenario describes them.

    Raises
    ------
    TacitError
        If there are too many joint actions for a table.
    """
    alone = QLearning(
        alpha=learner.alpha, gamma=learner.gamma, exploration=learner.exploration, initial=learner.initial,
        ties=learner.ties, bins=learner.bins,
    )  # fmt: skip
    single = tabular.build(alone, seat).algorithm
    assert isinstance(single, tabular.TabularQ)
    group = JointQ(
        single=single,
        forgetting=jnp.asarray(learner.forgetting, float),
        prior=jnp.asarray(learner.prior, float),
        mean_bins=learner.mean_bins if learner.opponents == "mean" else 0,
        agents=seat.last - seat.first,
    )
    states = jax.eval_shape(single.init, jax.random.key(0)).table.shape[0]
    cells = group.agents * states * single.actions * group.others
    if cells > tabular.MOST_CELLS:
        mend = "take fewer bins" if group.mean_bins else "use opponents: mean, or fewer bins"
        raise refuse(
            "opponents", f"the joint tables of {group.agents} agents have 1e{math.log10(cells):.0f} cells", mend
        )
    return group

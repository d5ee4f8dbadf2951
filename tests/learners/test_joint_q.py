"""Joint-action Q-learning against its definition in plain Python, and where it finds what the agents should do."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import group
from scipy import stats
from toy_market import fast, keys

from tacitlab.engine import deep
from tacitlab.errors import TacitError
from tacitlab.learners import Constant, Exponential, JointQLearning, QLearning, UniformValues
from tacitlab.learners.parts.group import Transition
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics, Outcome

ACTIONS, STATES = 3, 2
SETTINGS = {"alpha": 0.3, "gamma": 0.9, "initial": UniformValues(low=-1.0, high=1.0)}


class Together(Dynamics):
    """All earn the same, as a table of the joint actions says; one thing to see, of two values."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    payoffs: jax.Array

    def reset(self, key):
        return jnp.zeros(())

    def observe(self, state):
        return {"player": jnp.full((self.roles[0].agents, 1), state)}

    def step(self, key, state, actions):
        chosen = actions["player"][:, 0].astype(int)
        reward = self.payoffs[tuple(chosen)]
        rewards = jnp.full(len(chosen), reward)
        return state, Outcome({"player": rewards}, jnp.zeros((), bool), jnp.zeros((), bool), {})

    def global_state(self, state):
        return state[None]


def market(agents, payoffs=None):
    payoffs = np.zeros((ACTIONS,) * agents) if payoffs is None else payoffs
    role = Role("player", agents, ("signal",), Discrete(ACTIONS), (STATES,))
    return Together((role,), jnp.asarray(payoffs, jnp.float32))


def lived(random, agents, steps):
    """Random transitions of a group, steps first."""
    before, after = random.integers(0, STATES, (2, steps, agents, 1)).astype(np.float32)
    action = random.integers(0, ACTIONS, (steps, agents, 1)).astype(np.float32)
    ends = random.integers(0, 4, (steps, agents))
    return Transition(
        before, action, random.normal(size=(steps, agents)).astype(np.float32), after, ends == 1, ends == 2
    )


class Plain:
    """Dictionaries instead of arrays, and nothing remembered that could be computed again."""

    def __init__(self, initial, others, forgetting, prior):
        self.value = {(s, a, b): initial[s, a] for s in range(STATES) for a in range(ACTIONS) for b in others}
        self.count = {(s, b): prior for s in range(STATES) for b in others}
        self.others, self.forgetting = others, forgetting

    def expected(self, s, a):
        total = sum(self.count[s, b] for b in self.others)
        return sum(self.count[s, b] / total * self.value[s, a, b] for b in self.others)

    def learn(self, s, a, b, reward, after, terminated):
        for other in self.others:
            self.count[s, other] *= 1 - self.forgetting
        self.count[s, b] += 1
        best = 0.0 if terminated else max(self.expected(after, c) for c in range(ACTIONS))
        error = reward + 0.9 * best - self.value[s, a, b]
        self.value[s, a, b] += 0.3 * error
        return error


@pytest.mark.parametrize(
    ("agents", "changes"),
    [(2, {}), (3, {"forgetting": 0.2, "prior": 0.5}), (4, {"opponents": "mean", "mean_bins": 4}), (1, {})],
    ids=["two", "three, forgetting", "mean", "alone"],
)
def test_tables_are_those_of_plain_python(agents, changes):
    some = group(JointQLearning(**SETTINGS | changes), market(agents), agents=agents)
    step = jax.jit(lambda state, t: some.update(some.observe(state, t, jnp.asarray(0)), keys(agents), jnp.asarray(0)))
    state, mean = fast(some.init)(keys(agents), jnp.asarray(0)), changes.get("opponents") == "mean"
    others = list(range(4)) if mean else list(itertools.product(range(ACTIONS), repeat=agents - 1))
    initial = np.asarray(state.expected, float)
    assert np.ptp(initial) > 1
    plain = [
        Plain(initial[i], others, changes.get("forgetting", 0.0), changes.get("prior", 1.0)) for i in range(agents)
    ]
    steps = lived(np.random.default_rng(0), agents, 60)
    for t in range(60):
        now = jax.tree.map(lambda x, t=t: jnp.asarray(x[t, :, None]), steps)
        state, health = step(state, now)
        chosen = [int(a) for a in steps.action[t, :, 0]]
        for i in range(agents):
            rest = chosen[:i] + chosen[i + 1 :]
            did = min(int(np.mean(rest) / (ACTIONS - 1) * 4), 3) if mean else tuple(rest)
            error = plain[i].learn(
                int(steps.observation[t, i, 0]), chosen[i], did, float(steps.reward[t, i]),
                int(steps.next_observation[t, i, 0]), bool(steps.terminated[t, i]),
            )  # fmt: skip
            np.testing.assert_allclose(health.loss[i], error**2, rtol=1e-3, atol=1e-6)
    for i, s, a in itertools.product(range(agents), range(STATES), range(ACTIONS)):
        values = [plain[i].value[s, a, b] for b in others]
        np.testing.assert_allclose(state.table[i, s, a], values, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(some.policy(state)[i, s, a], plain[i].expected(s, a), rtol=1e-4, atol=1e-5)


def test_an_agent_alone_is_an_independent_learner():
    """The paper's literal formula, whose expectation is over nothing."""
    alone, joint = (group(spec(**SETTINGS), market(1), agents=1) for spec in (QLearning, JointQLearning))
    steps, states = lived(np.random.default_rng(1), 1, 40), []
    for some in (alone, joint):
        state = fast(some.init)(keys(1), jnp.asarray(0))
        update = jax.jit(
            lambda s, t, some=some: some.update(some.observe(s, t, jnp.asarray(0)), keys(1), jnp.asarray(0))[0]
        )
        for t in range(40):
            state = update(state, jax.tree.map(lambda x, t=t: jnp.asarray(x[t, :, None]), steps))
        states.append(np.asarray(some.policy(state)))
    np.testing.assert_allclose(*states, rtol=1e-4, atol=1e-6)


def played(payoffs, learner, agents=2, steps=4000, sessions=20, seed=1):
    """Greedy joint actions at the end, (sessions, agents)."""
    table_of, crew = market(agents, payoffs), deep.crew(1)
    some = group(learner, table_of, agents=agents, steps=steps)
    table, keys = deep.Table(table_of, (some,), (deep.Seat("player", 0, agents),)), crew.keys(seed, 0, sessions)
    play, _ = crew.advance(table, keys, crew.begin(table, keys), 0, steps)
    return np.asarray(play.learners[0].expected)[:, :, 0].argmax(axis=2), play.learners[0]


COORDINATION = np.array([[10.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 2.0]])
CLIMBING = np.array([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]])


def test_agents_find_the_joint_optimum_where_nothing_punishes_them():
    learner = JointQLearning(alpha=0.1, gamma=0.0, exploration=Exponential(total_decay=8))
    greedy, state = played(COORDINATION, learner)
    assert (greedy == 0).mean() > 0.9
    table = np.asarray(state.table)[:, :, 0].mean(axis=0)  # one state; each agent has its own action first
    for own in table:
        np.testing.assert_allclose(own, COORDINATION, atol=0.3)


def test_agents_know_every_cell_of_the_climbing_game_and_yet_fear_it():
    """With a model of exploring others, the optimum of 11 does not pay: Claus and Boutilier's point."""
    learner = JointQLearning(alpha=0.1, gamma=0.0, exploration=Constant(epsilon=0.5))
    greedy, state = played(CLIMBING, learner)
    table = np.asarray(state.table)[:, :, 0]
    np.testing.assert_allclose(table[:, 0], np.broadcast_to(CLIMBING, table[:, 0].shape), atol=1.0)
    np.testing.assert_allclose(table[:, 1], np.broadcast_to(CLIMBING.T, table[:, 1].shape), atol=1.0)
    assert (greedy == 0).all(axis=1).mean() < 0.2
    counts = np.asarray(state.counts)[:, :, 0]
    model = counts / counts.sum(axis=2, keepdims=True)
    for s, (i, j) in itertools.product(range(len(greedy)), ((0, 1), (1, 0))):
        payoffs = CLIMBING if i == 0 else CLIMBING.T
        expected = payoffs @ model[s, i]
        assert expected[greedy[s, i]] > expected.max() - 1.5
        assert model[s, i, greedy[s, j]] > 0.3


def test_the_model_counts_what_the_others_do():
    learner = JointQLearning(exploration=Constant(epsilon=1.0), forgetting=0.0)
    _, state = played(COORDINATION, learner, steps=3000, sessions=1)
    counts = np.asarray(state.counts)[0, :, 0]
    np.testing.assert_allclose(counts.sum(axis=1), 3000 + ACTIONS)
    assert stats.chisquare(counts[0]).pvalue > 1e-3
    _, state = played(COORDINATION, learner.model_copy(update={"forgetting": 0.1}), steps=3000, sessions=1)
    np.testing.assert_allclose(np.asarray(state.counts)[0, :, 0].sum(axis=1), 10, rtol=1e-3)


def test_tables_that_are_too_large_are_refused():
    with pytest.raises(
        TacitError, match=r"opponents: the joint tables of 50 agents have 1e26 cells; use opponents: mean"
    ):
        group(JointQLearning(), market(50, np.zeros(1)), agents=50)
    some = group(JointQLearning(opponents="mean"), market(50, np.zeros(1)), agents=50)
    assert some.others == 10

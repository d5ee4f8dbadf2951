"""Counterfactual policy gradients against plain NumPy, enumeration, and small games of a team."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_ddpg import Adam, differences, forward, layers_of
from probes import experience, group, probe
from scipy import special, stats
from team_games import table
from test_ddpg_learning import played
from toy_market import fast, keys

from tacitlab.errors import TacitError
from tacitlab.learners import COMA
from tacitlab.learners.parts.networks import forward as through
from tacitlab.learners.parts.on_policy import Batch, Networks

STEPS, AGENTS, GAMMA, TRACE = 12, 2, 0.9, 0.7
SETTINGS = {
    "rollout": STEPS, "rate": 1e-2, "hidden": (3,), "gamma": GAMMA, "trace": TRACE, "entropy_weight": 0.1,
    "anneal": False, "scale_rewards": False, "critic_steps": 3,
}  # fmt: skip


@cache
def learned(parameters, one_by_one=True):
    """A group, what it lived through, what came next, and its state and health around one update."""
    some = group(COMA(**SETTINGS, parameters=parameters), probe("discrete"), one_by_one)
    random, shapes = np.random.default_rng(0), jax.eval_shape(some.init, keys(AGENTS), jnp.asarray(0))
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    state = state._replace(networks=jax.tree.map(lambda x: jnp.asarray(random.normal(size=x.shape)), shapes.networks))
    lived = experience(random, AGENTS, STEPS, "discrete")
    world, next_world = random.normal(size=(2, STEPS, AGENTS)).astype(np.float32)
    terminated, truncated = (np.tile(x[:1], (AGENTS, 1)) for x in (lived.terminated, lived.truncated))
    going = np.flatnonzero(~(terminated | truncated)[0, :-1])  # what follows is what is seen next
    lived.next_observation[:, going] = lived.observation[:, going + 1]
    next_world[going] = world[going + 1]
    lived = lived._replace(terminated=terminated, truncated=truncated)
    rows, add = state.rows, fast(some.rollout.add)
    for t in range(STEPS):
        now = jax.tree.map(lambda x, t=t: jnp.asarray(x[:, t, None]), lived)
        rows = add(rows, now._replace(world=world[t, None], next_world=next_world[t, None]), jnp.asarray(t))
    state = state._replace(rows=rows)
    following = fast(lambda state: some.following(
        some.rollout.read(rows), some._choices(some.rollout.read(rows)), state, keys(AGENTS)
    ))(state)  # fmt: skip
    after, health = fast(some.update)(state, keys(AGENTS), jnp.asarray(STEPS - 1))
    return (
        some,
        lived._replace(world=world, next_world=next_world),
        np.asarray(following)[:, 0, :, 0],
        state,
        after,
        health,
    )


def of_head(tree, k):
    return jax.tree.map(lambda x: np.asarray(x[k]), tree)


def returns(rewards, follows, terminated, truncated):
    """Lambda-returns as weighted means of n-step returns; ``follows`` values what came after each step."""
    found = []
    for t in range(STEPS):
        steps, total = [], 0.0
        for n in range(t, STEPS):
            total += GAMMA ** (n - t) * rewards[n]
            steps.append(total + (0 if terminated[n] else GAMMA ** (n - t + 1) * follows[n]))
            if terminated[n] or truncated[n]:
                break
        weights = [(1 - TRACE) * TRACE**k for k in range(len(steps) - 1)] + [TRACE ** (len(steps) - 1)]
        found.append(np.dot(weights, steps))
    return np.array(found)


def samples(lived, following, agent, shared):
    """What an agent's networks see, step by step: (inputs, views, choice), and views and choices after it."""
    mark = np.eye(AGENTS)[agent] if shared else np.zeros(0)

    def one(t, observation, world, choices):
        inputs = np.concatenate([observation[agent, t], mark])
        return inputs, np.concatenate([world[t], inputs, np.eye(2)[int(choices[1 - agent, t])]]), int(choices[agent, t])

    now = [one(t, lived.observation, lived.world, lived.action[..., 0]) for t in range(STEPS)]
    return now, [one(t, lived.next_observation, lived.next_world, following) for t in range(STEPS)]


@pytest.mark.parametrize(("parameters", "one_by_one"), [("own", True), ("shared", False)])
def test_an_update_is_that_of_plain_numpy(parameters, one_by_one):
    some, lived, following, state, after, health = learned(parameters, one_by_one)
    shared = parameters == "shared"
    assert some.heads == (1 if shared else AGENTS)
    for head in range(some.heads):
        before, found = of_head(state.networks, head), of_head(after.networks, head)
        actor, critic = layers_of(before.actor), layers_of(before.critic)
        pooled, goals = [], []
        for agent in range(AGENTS) if shared else (head,):
            now, then = samples(lived, following, agent, shared)
            values, follows = ([forward(critic, v, "tanh")[u] for _, v, u in rows] for rows in (now, then))
            wanted = returns(lived.reward[agent], follows, lived.terminated[agent], lived.truncated[agent])
            pooled, goals = pooled + now, [*goals, *wanted]
            np.testing.assert_allclose(health.loss[agent], np.mean((wanted - values) ** 2), rtol=1e-3)
            np.testing.assert_allclose(health.value[agent], np.mean(np.abs(values)), rtol=1e-3)

        def error(critic=critic, pooled=pooled, goals=goals):
            errors = [forward(critic, v, "tanh")[u] - g for (_, v, u), g in zip(pooled, goals, strict=True)]
            return 0.5 * np.mean(np.square(errors))

        descent = Adam(1e-2, 0.5, 1e-5)
        for _ in range(3):
            descent.step(critic, differences(critic, error))
        assert max(descent.norms) > 0.5, "else the clip of the gradient is not seen"
        advantages = []
        for x, v, u in pooled:
            q, p = forward(critic, v, "tanh"), special.softmax(forward(actor, x, "tanh"))
            advantages.append(q[u] - sum(p[a] * q[a] for a in range(2)))

        def loss(actor=actor, pooled=pooled, advantages=advantages):
            p = [special.softmax(forward(actor, x, "tanh")) for x, _, _ in pooled]
            gains = [np.log(q[u]) * a for q, (_, _, u), a in zip(p, pooled, advantages, strict=True)]
            return -np.mean(gains) - 0.1 * np.mean([stats.entropy(q) for q in p])

        Adam(1e-2, 0.5, 1e-5).step(actor, differences(actor, loss))
        for network, old, right in ((found.actor, before.actor, actor), (found.critic, before.critic, critic)):
            for x, was, wanted in zip(layers_of(network), layers_of(old), right, strict=True):
                np.testing.assert_allclose(x, wanted, rtol=2e-3, atol=5e-5)
                assert np.abs(x - was).max() > 1e-3, "else nothing is learned"


def test_what_came_next():
    """The next choice in a rollout; where it was cut, a draw of the policy."""
    some, lived, following, state, _, _ = learned("own")
    ended = lived.terminated | lived.truncated
    ended[:, -1] = True
    assert ended.any()
    assert not ended.all()
    np.testing.assert_array_equal(following[:, :-1][~ended[:, :-1]], lived.action[:, 1:, 0][~ended[:, :-1]])
    draw = fast(lambda key: some.following(read, some._choices(read), state, jax.random.split(key, AGENTS))[:, 0, :, 0])
    read = some.rollout.read(state.rows)
    drawn = np.stack([draw(key) for key in keys(300)])
    for k in range(AGENTS):
        actor = layers_of(of_head(state.networks.actor, k))
        for t in np.flatnonzero(ended[k]):
            p = special.softmax(forward(actor, lived.next_observation[k, t], "tanh"))[1]
            assert stats.binomtest(int(drawn[:, k, t].sum()), 300, p).pvalue > 1e-4


def test_the_baseline_does_not_bend_the_gradient():
    """Summed over own actions with their probabilities, what it adds to the slope is nothing."""
    some, _, _, state, _, _ = learned("own")
    random = np.random.default_rng(5)
    networks = Networks(*of_head(state.networks, 0))
    inputs, views = (jnp.asarray(np.tile(random.normal(size=(1, 1, n)), (2, 1, 1)), jnp.float32) for n in (2, 6))
    blank, choices = jnp.zeros((2, 1)), jnp.array([[[0.0]], [[1.0]]])  # each of the two own actions
    batch = Batch(inputs, views, choices, blank + 2, blank > 0, None, blank, blank, blank)
    chance = jax.nn.softmax(through(networks.actor, inputs[0, 0]))
    advantage = some.counterfactual(networks, batch)[:, 0]
    values = through(networks.critic, views[0, 0])
    np.testing.assert_allclose(advantage, values - chance @ values, rtol=1e-4)
    np.testing.assert_allclose(chance @ advantage, 0, atol=1e-5)

    def slope(gains):
        """Of the actor's objective, with the expectation over its own action in place of a sample."""

        def objective(actor):
            logs = some.distribution.log_probability(
                through(actor, inputs[:, 0]), jnp.zeros(0), blank[:, 0] + 2, choices[:, 0]
            )
            return some.objective(logs, batch, jax.lax.stop_gradient(2 * chance * gains))

        return jax.tree.leaves(jax.grad(objective)(networks.actor))

    baseline = slope(jnp.full(2, chance @ values))
    assert max(np.abs(x).max() for x in baseline) < 1e-5
    for x, y in zip(slope(advantage), slope(values), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
    assert max(np.abs(x).max() for x in slope(values)) > 1e-2


@pytest.mark.parametrize("parameters", ["own", "shared"])
def test_actors_see_what_their_own_agents_see_and_nothing_else(parameters):
    some, _, _, state, _, _ = learned(parameters)
    random, act = np.random.default_rng(3), fast(some.act)
    seen, other = random.normal(size=(2, AGENTS, 50, 2)).astype(np.float32)
    mixed = np.stack([seen[0], other[1]])
    before, after = (
        np.asarray(act(some.policy(state), jnp.asarray(x), keys(AGENTS), jnp.ones(()))) for x in (seen, mixed)
    )
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[1] != before[1]).any()


def test_a_team_finds_the_best_cell_of_a_table():
    """The second row and the third column, the first one where the table is turned; by networks that they share."""
    learner = COMA(rollout=8, hidden=(32,), rate=1e-2, anneal=True, entropy_weight=0.01, gamma=0.5)
    market = table([[0, 1, 2], [1, 3, 5], [0, 2, 3]], turns=True)
    state, _ = played(learner, market, 3000, copies=8)(market)
    seen = jnp.concatenate([jnp.array([[[1.0], [-1.0]]] * 2), jnp.eye(2)[:, None] * jnp.ones((1, 2, 1))], axis=2)
    chance = np.asarray(jax.nn.softmax(jax.vmap(lambda n: through(of_one(n), seen))(state.networks.actor)))
    assert (chance[:, 0, :, 1] > 0.9).all()
    assert (chance[:, 1, 0, 2] > 0.9).all()
    assert (chance[:, 1, 1, 0] > 0.9).all()


def of_one(network):
    """The only one of a group that shares it."""
    return jax.tree.map(lambda x: x[0], network)


def test_what_does_not_fit_is_refused():
    with pytest.raises(TacitError, match=r"distribution: this market names no candidates .* or another learner"):
        group(COMA(), probe("continuous"))

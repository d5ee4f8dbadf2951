"""Deep Q-learning against a plain NumPy implementation of the papers."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_dqn import Learner, Net
from scipy import stats
from toy_market import MOST, PlainToy, agent, beginner, fast, fill, keys, network, observations, transitions

from tacitlab.learners.dqn import QNetwork

KINDS = {
    "input": {},
    "input, single": {"double": False, "network": QNetwork(width=6, layers=1, embedding=False)},
    "output": {"action": "output"},
    "output, single, dueling": {"action": "output", "double": False, "dueling": True, "clip": 1e3},
    "output, dueling": {"action": "output", "dueling": True, "network": QNetwork(width=6, layers=1, embedding=False)},
}
KEYS = keys(40)
SEEN = observations(np.random.default_rng(2), 200)
LIVED = transitions(np.random.default_rng(1), 40)


@cache
def compiled(kind):
    """An agent of this kind, its update with the sample and the targets that belong to it, and how it acts."""
    one = agent(**KINDS[kind])

    def update(state, key, clock):
        sample = one.replay.sample(state.memory, key, clock + 1, one.batch)
        return *one.update(state, key, clock), sample, one.targets(state, jax.tree.map(jnp.asarray, LIVED))

    return one, jax.jit(update), fast(one.act)


def plain(kind):
    """What should do the same."""
    kind = KINDS[kind]
    return Learner(
        PlainToy, output=kind.get("action") == "output", dueling=kind.get("dueling", False),
        double=kind.get("double", True), clip=kind.get("clip", 1.0),
    )  # fmt: skip


def remembering(one):
    """A state with 24 random transitions in its memory."""
    return beginner(one)._replace(memory=fill(one.replay, transitions(np.random.default_rng(0), 24)))


def parameters(network):
    return [np.asarray(x) for x in jax.tree.leaves(network)]


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_steps_and_targets_are_those_of_plain_numpy(kind):
    one, update, _ = compiled(kind)
    state, learner, norms = remembering(one), plain(kind), []
    for step in range(6):
        main, target = Net(state.main), Net(state.target)
        state, health, sample, targets = update(state, KEYS[step], 24 + step)
        wanted, loss, size, norm = learner.step(main, target, jax.tree.map(np.asarray, sample))
        for found, right in zip(parameters(state.main), wanted, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([health.loss, health.value], [loss, size], rtol=1e-4)
        norms.append(norm)
    assert max(norms) > 1.0, "else the clip is not seen"
    goals = learner.targets(main, target, LIVED)
    np.testing.assert_allclose(targets, goals, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(targets[LIVED.terminated], LIVED.reward[LIVED.terminated])
    assert (targets[LIVED.truncated] != LIVED.reward[LIVED.truncated]).all(), "they look on through a cut"
    learner.double = not learner.double
    assert np.abs(goals - learner.targets(main, target, LIVED)).max() > 1e-3, "else double is not seen"


def test_nothing_is_learned_before_the_memory_holds_a_batch():
    one, update, _ = compiled("input")
    state = remembering(one)
    for clock, learns in ((6, False), (7, True)):
        after, health, *_ = update(state, KEYS[2], clock)
        moved = any((a != b).any() for a, b in zip(parameters(after.main), parameters(state.main), strict=True))
        assert moved == learns
        assert (float(health.loss) >= 0) == learns
        assert (float(health.value) == -1) != learns


def test_the_target_network_is_renewed_every_so_many_steps():
    one, update, _ = compiled("input")
    state = remembering(one)
    for clock in range(24, 42):
        after, *_ = update(state, KEYS[clock - 24], clock)
        wanted = after.main if (clock + 1) % 8 == 0 else state.target
        for found, right in zip(parameters(after.target), parameters(wanted), strict=True):
            np.testing.assert_array_equal(found, right)
        state = after


@pytest.mark.parametrize(("update_every", "target_every"), [(2, 3), (4, 3), (2, 75), (5, 10)])
def test_rare_gradient_steps_do_not_delay_the_target_network(update_every, target_every):
    one = agent(update_every=update_every, target_every=target_every)
    zeros, ones = (jax.tree.map(lambda x, v=v: jnp.full_like(x, v), beginner(one).main) for v in (0, 1))
    moved = jax.jit(jax.vmap(lambda clock: jnp.max(one._moved(zeros, ones, clock).layers[-1].bias)))
    after = np.arange(update_every, 400, update_every)  # steps after which a gradient step is made
    np.testing.assert_array_equal(moved(after - 1), np.diff(after // target_every, prepend=0) > 0)


def test_the_target_network_may_follow_slowly():
    one = agent(target_every=None, target_blend=0.25)
    before = beginner(one)
    after = one._moved(before.target, before.main, jnp.asarray(1))
    for new, old, main in zip(*map(parameters, (after, before.target, before.main)), strict=True):
        np.testing.assert_allclose(new, 0.75 * old + 0.25 * main, rtol=1e-5, atol=1e-6)


def test_dueling_networks_know_the_value_of_the_state():
    one = agent(action="output", dueling=True)
    state = beginner(one)
    for seen, values in zip(SEEN, jax.jit(jax.vmap(lambda o: one.values(state.main, o)))(SEEN), strict=True):
        out = Net(state.main)(PlainToy.features(seen))
        assert values.mean() == pytest.approx(out[0], abs=1e-5)
        np.testing.assert_allclose(values - values.mean(), out[1:] - out[1:].mean(), atol=1e-5)


@pytest.mark.parametrize("kind", ["input", "output", "output, dueling"])
def test_greedy_actions_are_the_best_feasible_ones(kind):
    one, _, act = compiled(kind)
    learner, infeasible_is_best = plain(kind), 0
    main = network(one, np.random.default_rng(4))
    net = Net(main)
    for observation, action in zip(SEEN, np.asarray(act(main, SEEN, KEYS[0], 0.0))[:, 0], strict=True):
        values = learner.values(net, observation)
        assert 0 <= action <= observation[1]
        assert values[int(action)] >= max(values) - 1e-6
        infeasible_is_best += learner.best(net, [observation[0], MOST])[0] > observation[1]
    assert infeasible_is_best > 20, "else nothing forbids it"
    blind = jax.tree.map(jnp.zeros_like, main)
    assert not np.asarray(act(blind, SEEN, KEYS[0], 0.0)).any(), "the first of equals"


@pytest.mark.parametrize("kind", ["input", "output"])
def test_random_actions_are_as_likely_as_epsilon_says(kind):
    one, _, act = compiled(kind)
    seen, main = np.tile(np.float32([0.3, 5.0]), (200, 1)), beginner(one).main
    greedy = int(act(main, seen, KEYS[0], 0.0)[0, 0])
    drawn = np.concatenate([act(main, seen, key, 0.4)[:, 0] for key in KEYS])
    if kind == "output":  # uniform over the six feasible actions
        wanted = np.full(6, 0.4 / 6) + 0.6 * (np.arange(6) == greedy)
        counts = np.bincount(drawn.astype(int))
        assert stats.chisquare(counts, len(drawn) * wanted).pvalue > 1e-3
    else:  # the market's own exploration, uniform from 0.5 to 5.5
        others = drawn[drawn != greedy]
        assert stats.binomtest(len(others), len(drawn), 0.4).pvalue > 1e-3
        assert stats.kstest(others, stats.uniform(0.5, 5.0).cdf).pvalue > 1e-3


def test_new_networks_are_drawn_as_in_pytorch():
    one = agent(network=QNetwork(width=40, layers=2))
    main = fast(one.init)(KEYS[0]).main
    for layer, inputs in zip([main.embedding, *main.layers], [4, 40, 40, 40], strict=True):
        drawn = np.concatenate([np.ravel(x) for x in layer]) * inputs**0.5
        assert stats.kstest(drawn, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert [layer.weight.shape for layer in main.layers] == [(40, 40), (40, 40), (1, 40)]


def test_branches_on_the_clock_stay_branches_for_many_agents():
    one = agent()
    state = jax.eval_shape(jax.vmap(one.init), KEYS[:3])
    clock = jax.ShapeDtypeStruct((), jnp.int32)
    program = jax.make_jaxpr(jax.vmap(one.update, in_axes=(0, 0, None)))(state, KEYS[:3], clock)
    assert [e.primitive.name for e in program.jaxpr.eqns].count("cond") == 2, "learning, and renewing the target"

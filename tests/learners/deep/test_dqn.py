"""Deep Q-learning against a plain NumPy implementation of the papers."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_dqn import Learner, Net
from scipy import stats
from toy_market import MOST, PlainToy, agent, fast, observations, transitions

from tacit.learners.dqn import Memory, Network

KINDS = {
    "input": {},
    "input, single": {"double": False, "network": Network(width=6, layers=1, embedding=False)},
    "output": {"action": "output"},
    "output, single, dueling": {"action": "output", "double": False, "dueling": True, "clip": 1e3},
    "output, dueling": {"action": "output", "dueling": True, "network": Network(width=6, layers=1, embedding=False)},
}
KEYS = jax.random.split(jax.random.key(7), 20)


@cache
def compiled(kind):
    """An agent of this kind and its functions."""
    one = agent(**KINDS[kind])
    return one, fast(one.update), fast(one.targets)


def plain(kind):
    """What should do the same."""
    kind = KINDS[kind]
    return Learner(
        PlainToy, output=kind.get("action") == "output", dueling=kind.get("dueling", False),
        double=kind.get("double", True), clip=kind.get("clip", 1.0),
    )  # fmt: skip


def remembering(one, count=24, seed=0):
    """A state with so many random transitions in its memory, and with a target network of its own."""
    lived = transitions(np.random.default_rng(seed), count)
    state = one.init(KEYS[0])._replace(target=one.init(KEYS[1]).main)

    def observe(state, at):
        transition, clock = at
        return one.observe(state, transition, clock), None

    return jax.jit(lambda s: jax.lax.scan(observe, s, (lived, jnp.arange(count)))[0])(state)


def parameters(network):
    return [np.asarray(x) for x in jax.tree.leaves(network)]


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_steps_are_those_of_plain_numpy(kind):
    one, update, _ = compiled(kind)
    state, learner, norms = remembering(one), plain(kind), []
    for step in range(6):
        clock = jnp.asarray(24 + step)
        sample = one.replay.sample(state.memory, KEYS[step], clock + 1, one.batch)
        wanted, loss, size, norm = learner.step(Net(state.main), Net(state.target), jax.tree.map(np.asarray, sample))
        state, health = update(state, KEYS[step], clock)
        for found, right in zip(parameters(state.main), wanted, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([health.loss, health.value], [loss, size], rtol=1e-4)
        norms.append(norm)
    assert (max(norms) > 1.0) == (one.numbers.clip < 1e3), "the clip must bind, or be out of reach"


@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_those_of_plain_numpy(kind):
    one, _, targets = compiled(kind)
    state, lived = remembering(one), transitions(np.random.default_rng(1), 40)
    learner, found = plain(kind), np.asarray(targets(state, lived))
    wanted = learner.targets(Net(state.main), Net(state.target), lived)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found[lived.terminated], lived.reward[lived.terminated])
    assert (found[lived.truncated] != lived.reward[lived.truncated]).all(), "they look on through a cut"
    learner.double = not learner.double
    assert np.abs(found - learner.targets(Net(state.main), Net(state.target), lived)).max() > 1e-3, "double matters"


def test_nothing_is_learned_before_the_memory_holds_a_batch():
    one, update, _ = compiled("input")
    state = remembering(one)._replace(target=one.init(KEYS[0]).main)
    for clock, learns in ((6, False), (7, True)):
        after, health = update(state, KEYS[2], jnp.asarray(clock))
        moved = any((a != b).any() for a, b in zip(parameters(after.main), parameters(state.main), strict=True))
        assert moved == learns
        assert (float(health.loss) >= 0) == learns
        assert (float(health.value) == -1) != learns


def test_the_target_network_is_renewed_every_so_many_steps():
    one, update, _ = compiled("input")
    state = remembering(one)
    for clock in range(24, 34):
        after, _ = update(state, KEYS[clock - 24], jnp.asarray(clock))
        wanted = after.main if (clock + 1) % 3 == 0 else state.target
        for found, right in zip(parameters(after.target), parameters(wanted), strict=True):
            np.testing.assert_array_equal(found, right)
        state = after


@pytest.mark.parametrize(("update_every", "target_every"), [(2, 3), (4, 3), (2, 75), (3, 75)])
def test_rare_gradient_steps_do_not_delay_the_target_network(update_every, target_every):
    one = agent(update_every=update_every, target_every=target_every)
    state = one.init(KEYS[0])
    moved = jax.jit(lambda clock: one._moved(jnp.zeros(()), jnp.ones(()), clock))
    renewed = 0
    for clock in range(update_every - 1, 400, update_every):
        due = (clock + 1) // target_every > renewed
        assert bool(moved(clock)) == due, f"after step {clock + 1}"
        renewed = (clock + 1) // target_every
    assert state.main is not None


def test_the_target_network_may_follow_slowly():
    one = agent(target_every=None, target_blend=0.25)
    state = remembering(one)
    after, _ = fast(one.update)(state, KEYS[3], jnp.asarray(24))
    for new, old, main in zip(*map(parameters, (after.target, state.target, after.main)), strict=True):
        np.testing.assert_allclose(new, 0.75 * old + 0.25 * main, rtol=1e-6, atol=1e-7)


def test_dueling_networks_know_the_value_of_the_state():
    one = agent(action="output", dueling=True)
    state = one.init(KEYS[4])
    for seen in observations(np.random.default_rng(0), 5):
        values = np.asarray(one.values(state.main, jnp.asarray(seen)))
        out = Net(state.main)(PlainToy.features(seen))
        assert values.mean() == pytest.approx(out[0], abs=1e-6)
        np.testing.assert_allclose(values - values.mean(), out[1:] - out[1:].mean(), atol=1e-6)


@pytest.mark.parametrize("kind", ["input", "output", "output, dueling"])
def test_greedy_actions_are_the_best_feasible_ones(kind):
    one, _, _ = compiled(kind)
    seen, learner = observations(np.random.default_rng(2), 200), plain(kind)
    act = fast(one.act)
    infeasible_is_best = 0
    for key in KEYS[:3]:
        network = one.init(key).main
        chosen = np.asarray(act(network, seen, key, jnp.asarray(0.0)))[:, 0]
        net = Net(network)
        for observation, action in zip(seen, chosen, strict=True):
            values = learner.values(net, observation)
            assert 0 <= action <= observation[1]
            assert values[int(action)] >= max(values) - 1e-6
            infeasible_is_best += learner.best(net, [observation[0], MOST])[0] > observation[1]
    assert infeasible_is_best > 50, "else nothing forbids it"


@pytest.mark.parametrize("kind", ["input", "output"])
def test_the_first_of_equals_is_chosen(kind):
    one, _, _ = compiled(kind)
    blind = jax.tree.map(jnp.zeros_like, one.init(KEYS[0]).main)
    seen = observations(np.random.default_rng(3), 50)
    action, value = fast(one.best)(blind, seen, jnp.ones(50, bool))
    assert not np.asarray(action).any()
    assert not np.asarray(value).any()


@pytest.mark.parametrize("kind", ["input", "output"])
def test_random_actions_are_as_likely_as_epsilon_says(kind):
    one, _, _ = compiled(kind)
    seen = np.tile(np.float32([0.3, 5.0]), (6000, 1))
    act, network = fast(one.act), one.init(KEYS[5]).main
    greedy = float(act(network, seen[:1], KEYS[0], jnp.asarray(0.0))[0, 0])
    drawn = np.asarray(act(network, seen, KEYS[1], jnp.asarray(0.4)))[:, 0]
    counts = np.bincount(drawn[drawn == np.round(drawn)].astype(int), minlength=6)
    if kind == "output":  # uniform over the six feasible actions
        wanted = np.full(6, 0.4 / 6)
        wanted[int(greedy)] += 0.6
        assert len(counts) == 6
        assert stats.chisquare(counts, 6000 * wanted).pvalue > 1e-3
    else:  # the market's own exploration, uniform from 0.5 to 5.5
        others = drawn[drawn != greedy]
        assert stats.binomtest(len(others), 6000, 0.4).pvalue > 1e-3
        assert stats.kstest(others, stats.uniform(0.5, 5.0).cdf).pvalue > 1e-3


def test_branches_on_the_clock_stay_branches_for_many_agents():
    one = agent(memory=Memory(capacity=16))
    state = jax.vmap(one.init)(KEYS[:3])
    program = jax.make_jaxpr(jax.vmap(one.update, in_axes=(0, 0, None)))(state, KEYS[:3], jnp.asarray(3))
    assert [e.primitive.name for e in program.jaxpr.eqns].count("cond") == 2, "learning, and renewing the target"

"""Proximal policy optimisation against a plain NumPy implementation with slopes by finite differences."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_ppo import Agent
from probes import experience, group, in_copies, probe, remembered
from toy_market import fast, keys

from tacitlab.errors import TacitError
from tacitlab.learners import PPO
from tacitlab.learners.parts.on_policy import Batch

STEPS = 8
SETTINGS = {
    "rollout": STEPS, "minibatches": 2, "epochs": 3, "rate": 1e-2, "hidden": (3,), "gamma": 0.9, "trace": 0.8,
    "entropy_weight": 0.01, "anneal": False, "scale_rewards": False, "clip": 0.1, "log_sd": -0.5,
}  # fmt: skip


def random_networks(some, seed=0):
    """Random networks of a group, far from their beginning."""
    random, shapes = np.random.default_rng(seed), jax.eval_shape(some.init, keys(some.agents), jnp.asarray(0)).networks
    return jax.tree.map(lambda x: jnp.asarray(random.normal(size=x.shape) * 0.7, x.dtype), shapes)


@cache
def learned(actions, parameters, one_by_one, **changes):
    """A group, what it lived through, its networks before and after one update, and how it went."""
    some = group(PPO(**SETTINGS | {"parameters": parameters} | changes), probe(actions), one_by_one)
    lived = experience(np.random.default_rng(1), 2, STEPS, actions)
    state = fast(some.init)(keys(2), jnp.asarray(0))
    state = state._replace(networks=random_networks(some), rows=remembered(some, lived))
    after, health = fast(some.update)(state, keys(2), jnp.asarray(STEPS - 1))
    return some, lived, state, after, health


def one_of(tree, k):
    return jax.tree.map(lambda x: np.asarray(x[k]), tree)


def leaves(networks):
    layers = (*networks.actor.layers, *networks.critic.layers)
    return [np.asarray(x) for layer in layers for x in layer] + [np.asarray(networks.log_sd)]


@pytest.mark.parametrize(
    ("actions", "parameters", "one_by_one", "clip_values"),
    [
        ("continuous", "own", True, True), ("continuous", "own", False, False), ("discrete", "own", True, False),
        ("discrete", "shared", True, True), ("continuous", "shared", False, False),
    ],
)  # fmt: skip
def test_an_update_is_that_of_plain_numpy(actions, parameters, one_by_one, clip_values):
    some, lived, state, after, health = learned(actions, parameters, one_by_one, clip_values=clip_values)
    settings = {"clip": 0.1, "value_clip": clip_values}
    size = 2 * STEPS if parameters == "shared" else STEPS
    for head in range(some.heads):
        agent = Agent(one_of(state.networks, head), actions, **settings)
        own = [agent.samples(one_of(lived, k), 0.9, 0.8) for k in ((0, 1) if parameters == "shared" else (head,))]
        for k, samples in zip((0, 1) if parameters == "shared" else (head,), own, strict=True):
            wanted = np.mean([s[4] ** 2 for s in samples]), np.mean([abs(s[3]) for s in samples])
            np.testing.assert_allclose([health.loss[k], health.value[k]], wanted, rtol=1e-4)
        pooled = [sample for samples in own for sample in samples]
        orders = np.asarray(some.orders(keys(2)[head], size))
        assert orders.shape == (6, size // 2)
        assert (np.sort(orders.reshape(3, size), axis=1) == np.arange(size)).all(), "each epoch sees everything once"
        assert (orders[0] != orders[2]).any()
        for chosen in orders:
            agent.step([pooled[k] for k in chosen])
        for found, right, before in zip(
            leaves(one_of(after.networks, head)), agent.parameters, leaves(one_of(state.networks, head)), strict=True
        ):
            np.testing.assert_allclose(found, right, rtol=1e-3, atol=2e-5)
            assert found.size == 0 or np.abs(right - before).max() > 1e-3, "else nothing is learned"
        assert max(agent.norms) > 0.5, "else the clip of the gradient is not seen"


def test_nothing_is_learned_before_the_rollout_is_complete():
    some, _, state, _, _ = learned("continuous", "own", True, clip_values=True)
    update = fast(some.update)
    for clock in range(STEPS - 1):
        after, health = update(state, keys(2), jnp.asarray(clock))
        assert all((a == b).all() for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True))
        assert (np.asarray(health.loss) == -1).all()
    after, health = update(state, keys(2), jnp.asarray(3 * STEPS - 1))
    assert (after.networks.log_sd != state.networks.log_sd).all()
    assert (np.asarray(health.loss) > 0).all()


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.0, 1, True), (1.05, 1, True), (1.15, 1, False), (1.15, -1, True), (0.85, -1, False), (0.85, 1, True)],
)
def test_clipping_stops_the_gradient_where_a_step_would_go_too_far(ratio, advantage, moves):
    some = group(PPO(**SETTINGS), probe("continuous"))
    none = jnp.zeros(1)
    batch = Batch(none, None, none, none, none, none, none, none, none)
    slope = jax.grad(lambda log: some.objective(log, batch, jnp.full(1, float(advantage))))(jnp.full(1, np.log(ratio)))
    np.testing.assert_allclose(slope, [advantage * ratio if moves else 0.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "error"),
    [(1.05, 0.95**2), (1.5, 0.9**2), (0.5, 1.5**2), (4.0, 2.0**2)],
    ids=["near", "up", "down", "far"],
)
def test_clipped_values_take_the_larger_error(value, error):
    """The old value is 1, its target 2, and a change of 0.1 is the largest that pays."""
    one = jnp.ones(1)
    batch = Batch(one, None, one, one, one, one, one, one, one)
    some = group(PPO(**SETTINGS, clip_values=True), probe("continuous"))
    np.testing.assert_allclose(some.value_error(value * one, batch), error, rtol=1e-5)


def test_a_group_with_networks_of_their_own_does_what_its_agents_do_alone():
    settings = SETTINGS | {"scale_rewards": True, "normalise_observations": True}
    both, alone = (group(PPO(**settings), probe("continuous", n), agents=n) for n in (2, 1))
    lived = [experience(np.random.default_rng(k), 2, STEPS, "continuous") for k in range(2)]

    def live(some, lived, keys, seen):
        state, session = some.init(keys[0], jnp.asarray(0)), []
        for k, steps in enumerate(lived):
            state = state._replace(rows=remembered(some, steps))
            state, health = some.update(state, keys[1 + k], jnp.asarray((k + 1) * STEPS - 1))
            session.append(health)
        return state, session, some.act(some.policy(state), seen, keys[3], jnp.ones(()))

    random_keys = keys(8).reshape(4, 2)
    seen = jnp.asarray(np.random.default_rng(3).normal(size=(2, 5, 2)), jnp.float32)
    state, health, actions = jax.jit(lambda *x: live(both, *x))(lived, random_keys, seen)
    single = jax.jit(lambda *x: live(alone, *x))
    for k in range(2):
        own = jax.tree.map(lambda x, k=k: x[k : k + 1], lived)
        wanted, how, chosen = single(own, random_keys[:, k : k + 1], seen[k : k + 1])
        found = jax.tree.leaves(state._replace(rows=None))
        for part, right in zip(found, jax.tree.leaves(wanted._replace(rows=None)), strict=True):
            np.testing.assert_allclose(part[k], right[0], rtol=1e-4, atol=1e-5)
        for part, right in zip(jax.tree.leaves(health), jax.tree.leaves(how), strict=True):
            np.testing.assert_allclose(part[k], right[0], rtol=1e-4)
        np.testing.assert_allclose(actions[k], chosen[0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(actions[0], actions[1])


def test_rewards_are_learned_in_units_of_discounted_returns():
    changes = {"scale_rewards": True, "gamma": 0.5}
    some = group(PPO(**SETTINGS | changes), probe("continuous"))
    lived = experience(np.random.default_rng(1), 2, STEPS, "continuous")
    state = fast(some.init)(keys(2), jnp.asarray(0))
    with_rewards = jax.jit(lambda s, x: some._with_rewards(s, x))
    squares, total = [[], []], np.zeros(2)
    for _ in range(2):  # the running returns go on in the next rollout
        state, scale = with_rewards(state, in_copies(lived))
        for t in range(STEPS):
            for k in range(2):
                total[k] = 0.5 * total[k] + lived.reward[k, t]
                squares[k].append(total[k] ** 2)
                if lived.terminated[k, t] or lived.truncated[k, t]:
                    total[k] = 0.0
        np.testing.assert_allclose(scale, np.sqrt(np.mean(squares, axis=1)), rtol=1e-5)
        np.testing.assert_allclose(state.returns[:, 0], total, rtol=1e-4, atol=1e-6)


def test_scale_free():
    """Rewards of any size teach the same policy, and their values are in the right units."""
    results = []
    for size in (1.0, 1e3):
        some = group(PPO(**SETTINGS | {"scale_rewards": True}), probe("continuous"))
        lived = experience(np.random.default_rng(1), 2, STEPS, "continuous")
        rows = remembered(some, lived._replace(reward=np.float32(size) * lived.reward))
        state = fast(some.init)(keys(2), jnp.asarray(0))._replace(rows=rows)
        results.append(fast(some.update)(state, keys(2), jnp.asarray(STEPS - 1)))
    (one, first), (other, second) = results
    for a, b in zip(leaves(one.networks), leaves(other.networks), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(second.loss, 1e6 * np.asarray(first.loss), rtol=1e-3)
    np.testing.assert_allclose(second.value, 1e3 * np.asarray(first.value), rtol=1e-3)


def test_the_rate_falls_to_zero():
    settings = SETTINGS | {"anneal": True, "minibatches": 1, "epochs": 1}
    some = group(PPO(**settings), probe("continuous"), steps=10 * STEPS)
    state = fast(some.init)(keys(2), jnp.asarray(0))
    state = state._replace(rows=remembered(some, experience(np.random.default_rng(1), 2, STEPS, "continuous")))
    update, moved = fast(some.update), []
    for clock in (STEPS - 1, 5 * STEPS - 1, 10 * STEPS - 1):
        after, _ = update(state, keys(2), jnp.asarray(clock))
        moved.append(np.abs(after.networks.log_sd - state.networks.log_sd).max())
    shares = 1 - (np.array([1, 5, 10]) * STEPS - 1) / (10 * STEPS)
    np.testing.assert_allclose(np.array(moved) / moved[0], shares / shares[0], rtol=1e-3)


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_deterministic_agents_take_the_mode_in_a_test(actions):
    settings = SETTINGS | {"log_sd": 0.0}
    drawn, sure = (group(PPO(**settings, deterministic_test=value), probe(actions)) for value in (False, True))
    state = fast(sure.init)(keys(2), jnp.asarray(0))._replace(networks=random_networks(sure))
    seen = jnp.asarray(np.random.default_rng(3).normal(size=(2, 400, 2)), jnp.float32)
    policy = sure.policy(state)
    mode, noisy = (np.asarray(fast(sure.act)(policy, seen, keys(2), jnp.asarray(e))) for e in (0.0, 1.0))
    np.testing.assert_array_equal(noisy, fast(drawn.act)(policy, seen, keys(2), jnp.asarray(0.0)))
    networks = [Agent(one_of(state.networks, k), actions) for k in range(2)]
    out = np.array([[agent.outputs(x) for x in xs] for agent, xs in zip(networks, np.asarray(seen), strict=True)])
    wanted = out.argmax(axis=2)[..., None] if actions == "discrete" else out
    np.testing.assert_allclose(mode, wanted, rtol=1e-4, atol=1e-5)
    assert 0.2 < (noisy != mode).mean() <= 1
    assert float(sure.epsilon(jnp.asarray(3))) == 1, "they learn from noisy actions"


def test_policies_of_some_agents():
    for parameters, alike in (("own", False), ("shared", True)):
        some = group(PPO(**SETTINGS, parameters=parameters), probe("continuous"))
        policy = some.policy(fast(some.init)(keys(2), jnp.asarray(0)))
        stored = jax.tree.map(lambda x: x[None], policy)
        part, one = some.part(1, 2), some.policy_part(stored, 1, 2)
        seen = jnp.asarray(np.random.default_rng(3).normal(size=(2, 4, 2)), jnp.float32)
        every = some.act(policy, seen, keys(2), jnp.ones(()))
        found = part.act(jax.tree.map(lambda x: x[0], one), seen[1:], keys(2)[1:], jnp.ones(()))
        np.testing.assert_allclose(found, every[1:], rtol=1e-5)
        assert (len(policy.log_sd) == 1) == alike


def test_what_does_not_fit_is_refused():
    with pytest.raises(TacitError, match=r"distribution: player chooses among 2 actions; use categorical"):
        group(PPO(distribution="gaussian"), probe("discrete"))
    with pytest.raises(TacitError, match=r"distribution: this market names no candidates .* use gaussian"):
        group(PPO(distribution="categorical"), probe("continuous"))


@pytest.mark.parametrize(("last", "clock"), [(-3.0, STEPS - 1), (-3.0, 1000 * STEPS - 1), (None, STEPS - 1)])
def test_the_spread_follows_the_clock_where_it_is_told_to(last, clock):
    some = group(PPO(**SETTINGS, last_log_sd=last), probe("continuous"), True)
    lived = experience(np.random.default_rng(1), 2, STEPS, "continuous")
    state = fast(some.init)(keys(2), jnp.asarray(0))
    state = state._replace(rows=remembered(some, lived))
    after = fast(some.update)(state, keys(2), jnp.asarray(clock))[0].networks.log_sd
    way = min((clock + 1) / float(some.steps), 1)
    if last is None:
        assert (after != SETTINGS["log_sd"]).all(), "it is learned"
    else:
        np.testing.assert_allclose(after, SETTINGS["log_sd"] + (last - SETTINGS["log_sd"]) * way, rtol=1e-6)

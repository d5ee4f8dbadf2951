"""Distributions of actions against SciPy's, and the first networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_ppo import forward as plain_forward
from probes import group, probe
from scipy import special, stats
from toy_market import Toy, keys

from tacitlab.learners import PPO
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.parts.networks import Categorical, Gaussian, Shape, create, forward, orthogonal

RANDOM = np.random.default_rng(0)
DRAWS = jnp.asarray(RANDOM.uniform(size=(20_000, 2)), jnp.float32)
TRUE = jnp.ones(len(DRAWS), bool)
NONE = jnp.zeros(len(DRAWS))


def test_gaussians():
    mean, log_sd = np.float32([[0.5, -1.0]]), jnp.array([0.3, -0.7])
    gaussian, many = Gaussian(2), jnp.tile(mean, (len(DRAWS), 1))
    found = np.asarray(gaussian.choose(many, log_sd, NONE, DRAWS, TRUE))
    for k in range(2):
        assert stats.kstest(found[:, k], stats.norm(mean[0, k], np.exp(log_sd[k])).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.03
    both = stats.multivariate_normal(mean[0], np.diag(np.exp(2 * np.asarray(log_sd, float))))
    logs = gaussian.log_probability(many, log_sd, NONE, jnp.asarray(found))
    np.testing.assert_allclose(logs, both.logpdf(found), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gaussian.entropy(many, log_sd, NONE), both.entropy(), rtol=1e-5)
    np.testing.assert_array_equal(gaussian.choose(many, log_sd, NONE, DRAWS, ~TRUE), many)


@pytest.mark.parametrize("feasible", [1, 3, 5])
def test_categories(feasible):
    logits = np.float32([0.2, -1.0, 1.5, 0.0, 3.0])
    p = special.softmax(logits[:feasible].astype(float))
    some, many, none = Categorical(5), jnp.tile(logits, (len(DRAWS), 1)), jnp.zeros(0)
    count = jnp.full(len(DRAWS), feasible, jnp.float32)
    found = np.asarray(some.choose(many, none, count, DRAWS, TRUE))[:, 0].astype(int)
    counts = np.bincount(found, minlength=feasible)
    assert len(counts) == feasible
    assert feasible == 1 or stats.chisquare(counts, len(DRAWS) * p).pvalue > 1e-3
    logs = some.log_probability(many[:feasible], none, count[:feasible], jnp.arange(feasible, dtype=float)[:, None])
    np.testing.assert_allclose(logs, np.log(p), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(some.entropy(many, none, count), stats.entropy(p), rtol=1e-4, atol=1e-6)
    assert (np.asarray(some.choose(many, none, count, DRAWS, ~TRUE)) == np.argmax(p)).all()
    edge = some.choose(many, none, count, jnp.full_like(DRAWS, 1 - 2**-24), TRUE)
    assert np.asarray(edge).max() < feasible


def test_networks_begin_orthogonal():
    drawn = jnp.asarray(RANDOM.normal(size=(64, 64)), jnp.float32)
    wanted, triangle = np.linalg.qr(np.asarray(drawn, float))
    np.testing.assert_allclose(orthogonal(drawn), wanted * np.sign(np.diag(triangle)), atol=2e-4)
    for shape in ((64, 8), (8, 64)):
        q = np.asarray(orthogonal(jnp.asarray(RANDOM.normal(size=shape), jnp.float32)))
        np.testing.assert_allclose(q.T @ q if shape[0] > shape[1] else q @ q.T, np.eye(8), atol=1e-6)
    actor, critic = jax.jit(lambda key: create(key, 3, Shape((5, 4)), ((2, 0.01), (1, 1.0))))(keys(1)[0])
    for network, last in ((actor, 0.01), (critic, 1.0)):
        for layer, gain in zip(network.layers, (2**0.5, 2**0.5, last), strict=True):
            singular = np.linalg.svd(layer.weight, compute_uv=False)
            np.testing.assert_allclose(singular, gain, rtol=1e-4)
            assert not np.asarray(layer.bias).any()
    assert not np.allclose(actor.layers[0].weight, critic.layers[0].weight)
    x = jnp.asarray(RANDOM.normal(size=(6, 3)), jnp.float32)
    plain = [(np.asarray(layer.weight), np.asarray(layer.bias)) for layer in critic.layers]
    np.testing.assert_allclose(forward(critic, x), [plain_forward(plain, row) for row in np.asarray(x)], rtol=1e-4)


def test_categories_over_the_candidates_of_a_market():
    toy = Toy()
    some = PPO(rollout=4, hidden=(3,), distribution="categorical").group(
        MarketSeat(None, toy, toy.roles[0], 0, 1, 100, True)
    )
    policy = some.policy(some.init(keys(1), jnp.asarray(0)))
    left = np.arange(300) % 11
    seen = jnp.asarray(np.stack([RANDOM.normal(size=300), left], axis=1)[None], jnp.float32)
    actions = np.asarray(some.act(policy, seen, keys(1), jnp.ones(())))
    assert actions.shape == (1, 300, 1)
    assert (actions[0, :, 0] <= left).all()
    assert (np.asarray(actions[0, left == 10, 0]) > 5).any()


def test_actions_are_drawn_as_the_probabilities_say():
    """Which the update computes again later."""
    some = group(PPO(rollout=4, hidden=(3,)), probe("discrete"))
    networks = some.init(keys(2), jnp.asarray(0)).networks
    networks = jax.tree.map(lambda x: jnp.asarray(RANDOM.normal(size=x.shape), x.dtype), networks)
    state = some.init(keys(2), jnp.asarray(0))._replace(networks=networks)
    x = np.float32([0.3, 1.0])
    actions = some.act(some.policy(state), jnp.tile(x, (2, 5000, 1)), keys(2), jnp.ones(()))
    for k in range(2):
        actor = [(np.asarray(layer.weight[k]), np.asarray(layer.bias[k])) for layer in networks.actor.layers]
        p = special.softmax(plain_forward(actor, x).astype(float))
        assert stats.chisquare(np.bincount(np.asarray(actions[k, :, 0], int), minlength=2), 5000 * p).pvalue > 1e-3

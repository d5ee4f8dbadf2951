"""Actor-critic with noise in the parameters against plain NumPy, and the law of the noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_ppo import Agent
from probes import experience, group, probe, remembered
from scipy import stats
from test_ppo import leaves, one_of, random_networks
from toy_market import fast, keys

from tacitlab.learners import ActorCritic

STEPS = 8
SETTINGS = {"rollout": STEPS, "hidden": (3,), "gamma": 0.9, "trace": 0.8, "anneal": False, "scale_rewards": False}


def prepared(actions="continuous", **changes):
    """A group that has lived through a rollout, and how it learns."""
    some = group(ActorCritic(**SETTINGS | changes), probe(actions))
    lived = experience(np.random.default_rng(1), 2, STEPS, actions)
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(some.init, keys(2), jnp.asarray(0)))
    return some, lived, state._replace(networks=random_networks(some), rows=remembered(some, lived)), fast(some.update)


@pytest.mark.parametrize(("actions", "optimiser"), [("continuous", "sgd"), ("discrete", "adam")])
def test_without_noise_an_update_is_one_step_up_the_policy_gradient(actions, optimiser):
    settings = {"rate": 0.02, "entropy_weight": 0.01, "clip_gradient": 1e3, "normalise_advantages": optimiser == "adam"}
    _, lived, state, update = prepared(actions, noise=0.0, optimiser=optimiser, **settings)
    after, _ = update(state, keys(2), jnp.asarray(STEPS - 1))
    for k in range(2):
        agent = Agent(
            one_of(state.networks, k), actions, adam=optimiser == "adam", rate=0.02, clip_gradient=1e3,
            normalise=optimiser == "adam",
        )  # fmt: skip
        before = [p.copy() for p in agent.parameters]
        agent.step(agent.samples(one_of(lived, k), 0.9, 0.8))
        for found, right, old in zip(leaves(one_of(after.networks, k)), agent.parameters, before, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-3, atol=2e-5)
            assert found.size == 0 or np.abs(right - old).max() > 1e-4, "else nothing is learned"


@pytest.mark.parametrize("power", [0.5, 0.0])
def test_pushes_are_normal_fall_as_told_and_spare_the_critic(power):
    some, _, state, update = prepared(noise=0.1, noise_power=power, rate=1e-30, hidden=(40,))
    for t in (1, 4, 100):
        np.testing.assert_allclose(some.deviation(jnp.asarray(t * STEPS - 1)), 0.1 * t**-power, rtol=1e-5)
    pushes = {}
    for t in (1, 4, 100):
        after, _ = update(state, jax.random.split(jax.random.key(t), 2), jnp.asarray(t * STEPS - 1))
        moved = jax.tree.map(lambda a, b: np.asarray(a - b), after.networks, state.networks)
        assert not any(part.any() for part in jax.tree.leaves(moved.critic))
        pushes[t] = np.concatenate([part.ravel() for part in jax.tree.leaves((moved.actor, moved.log_sd))])
        assert stats.kstest(pushes[t], stats.norm(0, 0.1 * t**-power).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(pushes[1], pushes[4])[0, 1]) < 0.25
    halves = pushes[1][: 2 * 80].reshape(2, 80)  # weights of the first layers of the two agents
    assert abs(np.corrcoef(halves)[0, 1]) < 0.4, "each agent has its own noise"

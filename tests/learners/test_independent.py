"""A group of independent agents against as many single ones."""

import jax
import jax.numpy as jnp
import numpy as np
from toy_market import agent, keys, observations, transitions

from tacitlab.learners.parts.group import Independent


def test_a_group_does_what_its_agents_do_alone():
    one = agent(action="output", batch=10)
    group, random = Independent.of(one, 3), np.random.default_rng(0)
    lived = [transitions(random, 14) for _ in range(3)]
    seen = jnp.asarray(np.stack([observations(random, 12) for _ in range(3)]))

    def live(some, lived, keys, seen):
        """Learn from 14 steps, then act; the first axis of the keys is time."""

        def step(state, at):
            transition, clock, keys = at
            return some.update(some.observe(state, transition, clock), keys, clock)

        state = some.init(keys[0], jnp.int32(0)) if isinstance(some, Independent) else some.init(keys[0])
        state, health = jax.lax.scan(step, state, (lived, jnp.arange(14), keys[1:15]))
        return state, health, some.act(some.policy(state), seen, keys[15], some.epsilon(jnp.asarray(14)))

    random_keys = keys(16 * 3).reshape(16, 3)
    state, health, actions = jax.jit(lambda *x: live(group, *x))(
        jax.tree.map(lambda *x: jnp.stack(x, axis=1)[:, :, None], *lived), random_keys, seen
    )
    assert (np.asarray(health.loss)[9:] > 0).all(), "else nobody has learned"
    alone = jax.jit(lambda *x: live(one, *x))
    for k in range(3):
        wanted, how, chosen = alone(lived[k], random_keys[:, k], seen[k])
        for found, right in zip(jax.tree.leaves(state), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(found[k], right, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(health.loss[:, k], how.loss, rtol=1e-4)
        np.testing.assert_allclose(actions[k], chosen, rtol=1e-6)
    assert not np.array_equal(actions[0], actions[1])

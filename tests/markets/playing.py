"""Plays given trades of the execution game, compiled once for each shape."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


@eqx.filter_jit
def play(dynamics, key_data, trades, forced=False):
    """Everything that happens, paths first; ``forced``: trades as the rules admit them."""
    role = dynamics.roles[0].name

    def episode(key, trades):
        def step(state, at):
            key, trade = at
            actions = {role: trade}
            if forced:
                actions = dynamics.admissible(state, actions)
            after, outcome = dynamics.step(key, state, actions)
            return after, (state, actions[role], dynamics.observe(state)[role], outcome)

        keys = jax.random.split(key, 1 + len(trades))
        last, (states, done, seen, outcomes) = jax.lax.scan(step, dynamics.reset(keys[0]), (keys[1:], trades))
        return {
            "states": states, "last": last, "trades": done, "seen": seen, "rewards": outcomes.rewards[role],
            "over": outcomes.terminated, "cut": outcomes.truncated, "info": outcomes.info,
        }  # fmt: skip

    return jax.vmap(episode)(jax.random.wrap_key_data(key_data), trades)


def paths(market, trades, seed=0, forced=False):
    """Paths of trades (paths, steps, agents, assets), with a random key for each, as NumPy arrays."""
    keys = np.random.default_rng(seed).integers(0, 2**32, (len(trades), 2), dtype=np.uint32)
    return jax.tree.map(np.asarray, play(market.dynamics(), keys, jnp.asarray(trades, jnp.float32), forced))

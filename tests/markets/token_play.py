"""Plays given actions of a token economy in double precision, compiled once for each kind of market."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.markets.token.curves import (
    Augmented,
    Bancor,
    ConstantProduct,
    Exponential,
    Linear,
    Logarithmic,
    Power,
    Sigmoid,
)


@eqx.filter_jit
def episodes(dynamics, key_data, actions):
    """States before each step, the last state, outcomes and observations, for keys and actions (paths, steps, ...)."""
    role = dynamics.roles[0].name

    def episode(key, actions):
        def step(state, at):
            key, action = at
            after, outcome = dynamics.step(key, state, {role: action})
            return after, (state, outcome, dynamics.observe(state)[role])

        keys = jax.random.split(key, 1 + len(actions))
        last, (states, outcomes, seen) = jax.lax.scan(step, dynamics.reset(keys[0]), (keys[1:], actions))
        return {
            "states": states, "last": last, "rewards": outcomes.rewards[role], "info": outcomes.info, "seen": seen,
            "over": outcomes.terminated, "cut": outcomes.truncated,
        }  # fmt: skip

    return jax.vmap(episode)(jax.random.wrap_key_data(key_data), actions)


def play(market, actions, seed=0):
    """What happens with actions (paths, steps, agents, size); continuous ones are parts of the largest order."""
    with jax.enable_x64(True):
        actions = np.asarray(actions, float)
        if market.orders == "continuous":
            actions = np.arctanh(np.clip(actions, -1 + 1e-15, 1 - 1e-15))
        keys = np.random.default_rng(seed).integers(0, 2**32, (len(actions), 2), dtype=np.uint32)
        return jax.tree.map(np.asarray, episodes(market.dynamics(), keys, jnp.asarray(actions)))


def one(market, actions, seed=0):
    """The same for a single path (steps, agents, size)."""
    return jax.tree.map(lambda x: x[0], play(market, np.asarray(actions)[None], seed))


def every_curve(random, tokens):
    """A curve of each kind, for about so many tokens."""
    scale = random.uniform(0.5, 1.5, 12)
    return (
        Linear(rise=scale[0] / tokens, start=scale[1]), Logarithmic(scale=scale[2], floor=0.1),
        Exponential(scale=0.5, growth=scale[3] / tokens), Power(scale=scale[5] / tokens, exponent=scale[6]),
        Sigmoid(highest=2.0, steepness=5 * scale[4] / tokens, middle=tokens), Augmented(raised=scale[7] * tokens),
        ConstantProduct(currency=2 * tokens, tokens=(1 + scale[8]) * tokens), Bancor(reserve_ratio=0.9 * scale[9] / 1.5,
        backing=tokens, issued=tokens),
    )  # fmt: skip

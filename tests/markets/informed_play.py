"""Plays markets with several roles: each follows a rule, or acts as it is told."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


@eqx.filter_jit
def play(dynamics, keys, told, numbers, rules):
    """Everything that happens, paths first; roles follow the rule of their number, or act as told where it is below 0.

    Rules are data, so that one compiled function plays them all.
    """

    def act(role, seen, told, key):
        size = getattr(role.actions, "size", 1)
        draws = jax.random.uniform(key, (role.agents, 1 + size))
        follow = [partial(dynamics.follow, rule, role) for rule in rules]
        number = numbers[role.name]
        ruled = jax.vmap(lambda o, u: jax.lax.switch(jnp.maximum(number, 0), follow, o, u))(seen, draws)
        return jnp.where(number < 0, told, ruled)

    def episode(key, told):
        def step(state, at):
            key, told = at
            world, *own = jax.random.split(key, 1 + len(dynamics.roles))
            seen = dynamics.observe(state)
            parts = zip(dynamics.roles, own, strict=True)
            actions = {role.name: act(role, seen[role.name], told[role.name], k) for role, k in parts}
            after, outcome = dynamics.step(world, state, actions)
            return after, {
                "state": state, "seen": seen, "actions": actions, "rewards": outcome.rewards, "info": outcome.info,
                "over": outcome.terminated, "cut": outcome.truncated,
            }  # fmt: skip

        keys = jax.random.split(key, 1 + dynamics.horizon)
        return jax.lax.scan(step, dynamics.reset(keys[0]), (keys[1:], told))[1]

    return jax.vmap(episode)(keys, told)


def played(market, paths, told=None, rules=None, seed=0):
    """Paths in double precision, as NumPy arrays."""
    told, rules, names = told or {}, rules or {}, tuple(market.rules())
    with jax.enable_x64(True):
        actions, numbers = {}, {}
        for role in market.roles():
            size = 1 if market.kind == "glosten-milgrom" and market.tick is not None else role.actions.size
            shape = (paths, market.horizon, role.agents, size)
            actions[role.name] = jnp.asarray(told.get(role.name, np.zeros(shape)), float)
            numbers[role.name] = jnp.asarray(names.index(rules[role.name]) if role.name in rules else -1)
        found = play(market.dynamics(), jax.random.split(jax.random.key(seed), paths), actions, numbers, names)
        return jax.tree.map(np.asarray, found)


def everybody(market, rule):
    """All roles follow the same rule."""
    return {role.name: rule for role in market.roles()}

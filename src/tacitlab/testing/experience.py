"""What a group of learners is given to learn from when it is tested: random play of a market."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from tacitlab.learners.parts.group import Group, LearnerState, Metrics, Transition, nothing_learned
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics


class Taught(NamedTuple):
    """A group after some steps.

    Attributes
    ----------
    state : what the group keeps
    metrics : arrays (steps, agents); -1 in steps that have not come yet, or in which nothing was learned
    """

    state: LearnerState
    metrics: Metrics


@eqx.filter_jit
def lives(dynamics: Dynamics, role: Role, copies: int, steps: int, key: PRNGKeyArray) -> Transition:
    """What the agents of a role live through when all act at random; arrays have a leading axis of steps."""
    first, later = jax.random.split(key)

    def act(state: Any, key: PRNGKeyArray) -> dict[str, Array]:
        seen, actions = dynamics.observe(state), {}
        for k, who in enumerate(dynamics.roles):
            size = 1 if isinstance(who.actions, Discrete) else who.actions.size
            draws = jax.random.uniform(jax.random.fold_in(key, k), (who.agents, 1 + size))
            actions[who.name] = jax.vmap(partial(_random, dynamics, who))(seen[who.name], draws)
        return dynamics.admissible(state, actions)

    def step(state: Any, key: PRNGKeyArray) -> tuple[Any, Transition]:
        acting, moving, again = (jax.random.split(k, copies) for k in jax.random.split(key, 3))
        actions = jax.vmap(act)(state, acting)
        after, outcome = jax.vmap(dynamics.step)(moving, state, actions)
        before, then = jax.vmap(dynamics.observe)(state), jax.vmap(dynamics.observe)(after)
        own = [jnp.swapaxes(x[role.name], 0, 1) for x in (before, actions, outcome.rewards, then)]
        flags = (jnp.broadcast_to(x, (role.agents, copies)) for x in (outcome.terminated, outcome.truncated))
        worlds = (jax.vmap(dynamics.global_state)(x) for x in (state, after))
        ended = outcome.terminated | outcome.truncated
        new = jax.vmap(dynamics.reset)(again)
        state = jax.tree.map(lambda x, y: jnp.where(ended.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, after)
        return state, Transition(*own, *flags, *worlds)

    begin = jax.vmap(dynamics.reset)(jax.random.split(first, copies))
    return jax.lax.scan(step, begin, jax.random.split(later, steps))[1]


def _random(
    dynamics: Dynamics, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
) -> Float[Array, " size"]:
    """Half of the time a feasible candidate, else what the market explores."""
    drawn = dynamics.any_candidate(role, observation, draws[1])
    return jnp.where(draws[0] < 0.5, drawn, dynamics.explore(role, observation, draws[1:]))


def teach(
    group: Group, lived: Transition, keys: Key[Array, "steps agents"], session: Int[Array, ""], stop: Int[Array, ""]
) -> Taught:
    """The group after it has lived through the first so many steps; the first keys are for its beginning."""
    steps = len(keys) - 1

    def step(k: Int[Array, ""], taught: Taught) -> Taught:
        now = jax.tree.map(lambda x: x[k], lived)
        state, metrics = learn(group, taught.state, now, keys[1 + k], k)
        return Taught(state, jax.tree.map(lambda rows, new: rows.at[k].set(new), taught.metrics, metrics))

    blank = jnp.full((steps, group.agents), -1.0, jnp.float32)
    return jax.lax.fori_loop(0, stop, step, Taught(group.init(keys[0], session), Metrics(blank, blank)))


def learn(
    group: Group, state: LearnerState, now: Transition, keys: Key[Array, " agents"], clock: Int[Array, ""]
) -> tuple[LearnerState, Metrics]:
    """One step, as the engine gives it to a group."""
    state = group.observe(state, now, clock)
    if group.update_every == 0:
        return state, nothing_learned(group.agents)
    if group.update_every == 1:
        return group.update(state, keys, clock)
    due = (clock + 1) % group.update_every == 0
    return jax.lax.cond(due, lambda: group.update(state, keys, clock), lambda: (state, nothing_learned(group.agents)))


def answer(
    group: Group,
    state: LearnerState,
    seen: Float[Array, "two agents batch observation"],
    keys: Key[Array, " agents"],
    clock: Int[Array, ""],
) -> Float[Array, "two agents batch size"]:
    """What the group does in two steps, the first of which begins an episode."""
    return respond(group, group.policy(state), seen, keys, group.epsilon(clock))


def respond(
    group: Group, policy: Any, seen: Float[Array, "two agents batch observation"], keys: Key[Array, " agents"],
    epsilon: Float[Array, ""],
) -> Float[Array, "two agents batch size"]:  # fmt: skip
    """The same by a given policy."""
    carry, actions = group.carry(seen.shape[2]), []
    for now in seen:
        action, carry = group.respond(policy, carry, now, keys, epsilon)
        actions.append(action)
    return jnp.stack(actions)

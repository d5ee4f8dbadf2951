"""Small problems whose values and best actions are known, as CleanRL's probe environments; and random experience."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.parts.group import Transition
from tacitlab.markets.base import Continuous, Discrete, Role
from tacitlab.markets.motion import Dynamics, Outcome

AGENTS = 2


class Probe(Dynamics):
    """Every agent sees x = -1 or 1 and the time, and earns ``constant + seen x + acted match`` at the end.

    The match of a discrete action is 1 if it is 1 where x = 1 and 0 where x = -1; of a continuous one, less its squared
    distance from x / 2. What is a number here can change without compiling again.
    """

    roles: tuple[Role, ...] = eqx.field(static=True)
    constant: jax.Array
    seen: jax.Array
    acted: jax.Array
    always: jax.Array  # earn in every step, not only at the end
    steps: jax.Array  # of an episode
    cut: jax.Array  # episodes are truncated, not terminated

    def reset(self, key):
        return jnp.zeros(()), self._drawn(key)

    def _drawn(self, key):
        return jnp.sign(jax.random.normal(key, (self.roles[0].agents,)))

    def observe(self, state):
        time, x = state
        time = time % self.steps  # what follows a cut must be seen otherwise, too, or else nobody learns its value
        return {"player": jnp.stack([x, jnp.broadcast_to(time, x.shape)], axis=1)}

    def step(self, key, state, actions):
        (time, x), action = state, actions["player"][:, 0]
        discrete = isinstance(self.roles[0].actions, Discrete)
        match = (action == (x > 0)).astype(jnp.float32) if discrete else -((action - x / 2) ** 2)
        over = time + 1 >= self.steps
        reward = jnp.where(over | self.always, self.constant + self.seen * x + self.acted * match, 0.0)
        return (time + 1, self._drawn(key)), Outcome({"player": reward}, over & ~self.cut, over & self.cut, {})

    def global_state(self, state):
        return state[1]


def probe(actions, agents=AGENTS, **numbers):
    """A probe: ``actions`` is ``discrete`` or ``continuous``."""
    role = Role("player", agents, ("x", "time"), Discrete(2) if actions == "discrete" else Continuous(1))
    settings = {"constant": 0.0, "seen": 0.0, "acted": 0.0, "always": False, "steps": 1.0, "cut": False} | numbers
    return Probe((role,), **{name: jnp.asarray(value) for name, value in settings.items()})


def group(learner, market, one_by_one=True, steps=10_000, agents=AGENTS):
    """The learner at a market."""
    return learner.group(MarketSeat(None, market, market.roles[0], 0, agents, steps, one_by_one))


def experience(random, agents, steps, actions):
    """Random steps, agents first; episodes end in both ways."""
    before, after = random.normal(size=(2, agents, steps, 2)).astype(np.float32)
    shape = agents, steps, 1
    action = random.integers(0, 2, shape) if actions == "discrete" else random.normal(size=shape)
    ends = random.integers(0, 6, (agents, steps))
    reward = random.normal(size=(agents, steps)).astype(np.float32)
    return Transition(before, action.astype(np.float32), reward, after, ends == 1, ends == 2)


def in_copies(lived):
    """What was lived through in a single copy of the market, with the axis of copies."""
    return jax.tree.map(lambda x: jnp.asarray(x[:, None]), lived)


def remembered(some, lived):
    """The rollout of a group that has lived through this."""
    rows = some.rollout.empty()
    for t in range(lived.reward.shape[1]):
        rows = some.rollout.add(rows, jax.tree.map(lambda x, t=t: jnp.asarray(x[:, t, None]), lived), jnp.asarray(t))
    return rows

"""A market that only learners look at: few candidates, their number given by the observation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.dqn import DQN, Memory, QNetwork
from tacitlab.learners.exploration import Constant
from tacitlab.learners.parts.group import Transition
from tacitlab.markets.base import Continuous, Role
from tacitlab.markets.motion import Dynamics

MOST = 10


class Toy(Dynamics):
    """Observations (x, left); actions 0, 1, ..., left."""

    roles: tuple[Role, ...] = eqx.field(static=True, default=(Role("player", 1, ("x", "left"), Continuous(1)),))
    most: int = eqx.field(static=True, default=MOST)

    def reset(self, key):
        raise NotImplementedError

    def observe(self, state):
        raise NotImplementedError

    def step(self, key, state, actions):
        raise NotImplementedError

    def global_state(self, state):
        raise NotImplementedError

    def candidates(self, role, observation):
        return jnp.arange(self.most + 1.0)[:, None], observation[1].astype(int) + 1

    def features(self, role, observation):
        return observation * jnp.array([1.0, 0.2]) - 1.0

    def inputs(self, role, observation, action):
        return jnp.concatenate([observation, action * 0.2, action * observation[:1]])

    def explore(self, role, observation, draws):
        """Off the grid, so that it differs from a draw among the candidates."""
        return observation[1:] * draws + 0.5


class PlainToy:
    """The same for the plain implementation, one observation at a time."""

    @staticmethod
    def candidates(observation):
        return list(range(int(observation[1]) + 1))

    @staticmethod
    def features(observation):
        return np.array([observation[0] - 1.0, 0.2 * observation[1] - 1.0])

    @staticmethod
    def inputs(observation, action):
        return np.array([observation[0], observation[1], 0.2 * action, action * observation[0]])


def agent(one_by_one=False, most=MOST, **changes):
    """One small agent at the toy market."""
    settings = {
        "rate": 1e-2, "gamma": 0.9, "batch": 8, "memory": Memory(capacity=32), "exploration": Constant(epsilon=0.3),
        "network": QNetwork(width=6, layers=2), "target_every": 8,
    }  # fmt: skip
    toy = Toy(most=most)
    seat = MarketSeat(None, toy, toy.roles[0], 0, 1, 1000, one_by_one)
    return DQN(**{**settings, **changes}).group(seat).algorithm


def observations(random, count, most=MOST):
    """Random ones, (count, 2)."""
    return np.stack([random.normal(size=count), random.integers(0, most + 1, count)], axis=1).astype(np.float32)


def transitions(random, count):
    """Random ones; some end the episode, others are cut."""
    before, after = observations(random, count), observations(random, count)
    action = np.floor(random.uniform(size=count) * (before[:, 1] + 1)).astype(np.float32)[:, None]
    ends = random.integers(0, 3, count)
    return Transition(before, action, random.normal(size=count).astype(np.float32), after, ends == 1, ends == 2)


def keys(count):
    """Random keys, made without compiling anything."""
    return jax.random.wrap_key_data(np.random.default_rng(1).integers(0, 2**32, (count, 2), dtype=np.uint32))


def network(one, random):
    """A random network of an agent's."""
    shape = jax.eval_shape(one.init, keys(1)[0]).main
    return jax.tree.map(lambda x: jnp.asarray(random.normal(size=x.shape) / x.shape[-1] ** 0.5, x.dtype), shape)


def beginner(one, seed=0):
    """An agent's state with random networks, nothing learned and an empty memory."""
    random = np.random.default_rng(seed)
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(one.init, keys(1)[0]))
    return state._replace(main=network(one, random), target=network(one, random))


@eqx.filter_jit
def fill(replay, lived):
    """A memory with these transitions."""
    clock = jnp.arange(len(lived.reward))
    return jax.lax.scan(lambda rows, x: (replay.add(rows, *x), None), replay.empty(), (lived, clock))[0]


def fast(method):
    """A compiled method; its module is a constant."""
    return jax.jit(lambda *values: method(*values))

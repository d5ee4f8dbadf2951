"""Deterministic policy gradients find the known values and actions of small problems."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import AGENTS, probe
from team_games import table, tracking

from tacitlab.engine import deep
from tacitlab.learners import DDPG, MADDPG
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.exploration import Constant
from tacitlab.learners.parts.networks import forward

SESSIONS, DISCOUNT = 2, 0.5
SETTINGS = {
    "gamma": DISCOUNT, "hidden": (16,), "activation": "tanh", "batch": 32, "memory": 2000, "warmup": 200, "rate": 1e-2,
    "actor_rate": 3e-3, "target_blend": 0.05, "update_every": 2, "output_penalty": 0.0, "action_limit": 1.0,
    "noise": Constant(epsilon=0.2),
}  # fmt: skip
KINDS = {"ddpg": {}, "td3": {"critics": 2, "actor_every": 2, "smoothing": 0.1}}
SEEN = jnp.array([[-1.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [1.0, 1.0]])  # x and the time
NAN = np.nan
VALUES = {
    "constant": ({"constant": 1.0}, [1, 1, NAN, NAN]),
    "seen": ({"seen": 1.0}, [-1, 1, NAN, NAN]),
    "later": ({"constant": 1.0, "steps": 2.0}, [DISCOUNT, DISCOUNT, 1, 1]),
    "cut": ({"constant": 1.0, "cut": True}, [1 / (1 - DISCOUNT)] * 2 + [NAN] * 2),
    "cut later": ({"constant": 1.0, "steps": 2.0, "cut": True, "always": True}, [1 / (1 - DISCOUNT)] * 4),
}


def played(learner, market, steps, copies=1):
    """How to play so many steps of such a market: its numbers do not compile again."""
    crew, role = deep.Crew(deep.devices.mesh(1)), market.roles[0]
    some = learner.group(MarketSeat(None, market, role, 0, role.agents, steps, True, copies))
    keys, seats = crew.keys(1, 0, SESSIONS), (deep.Seat("player", 0, role.agents),)

    def play(market):
        now = deep.Table(market, (some,), seats, copies)
        play, tally = crew.advance(now, keys, crew.begin(now, keys), 0, steps)
        assert not np.asarray(tally.failure).any()
        return play.learners[0], tally

    return play


@cache
def compiled(kind, actions):
    return played(DDPG(**SETTINGS | KINDS[kind]), probe(actions), 2500)


def outputs(state, seen):
    return np.asarray(jax.vmap(jax.vmap(lambda n: forward(n, seen, "tanh")))(state.networks.actor))


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_found(kind):
    play = compiled(kind, "continuous")

    @jax.jit
    def values(networks):
        """Of everything seen and what the actor does there: (sessions, agents, critics, seen)."""

        def one(networks):
            views = jnp.concatenate([SEEN, jnp.tanh(forward(networks.actor, SEEN))], axis=1)
            return jax.vmap(lambda c: forward(c, views)[:, 0])(networks.critics)

        return jax.vmap(jax.vmap(one))(networks)

    for name, (numbers, wanted) in VALUES.items():
        state, tally = play(probe("continuous", **numbers))
        found = np.asarray(values(state.networks))
        assert found.shape == (SESSIONS, AGENTS, 2 if kind == "td3" else 1, len(SEEN))
        known = ~np.isnan(wanted)
        np.testing.assert_allclose(
            found[..., known], np.broadcast_to(wanted, found.shape)[..., known], atol=0.1, err_msg=name
        )
        health = np.asarray(tally.value / tally.learned)
        assert np.nanmin(np.abs(wanted)) * 0.5 < health.mean() < np.nanmax(np.abs(wanted)) * 1.2


@pytest.mark.parametrize(("kind", "actions"), [("ddpg", "continuous"), ("td3", "continuous"), ("ddpg", "discrete")])
def test_best_actions_are_found(kind, actions):
    state, _ = compiled(kind, actions)(probe(actions, acted=1.0))
    found = outputs(state, SEEN[:2])
    if actions == "discrete":
        chance = np.asarray(jax.nn.softmax(found))[..., 1]
        np.testing.assert_allclose(chance, np.broadcast_to([0.0, 1.0], chance.shape), atol=0.1)
    else:
        mean = np.tanh(found)[..., 0]
        np.testing.assert_allclose(mean, np.broadcast_to([-0.5, 0.5], mean.shape), atol=0.1)


def test_a_team_reaches_the_best_linear_policies():
    """With central critics, from several copies of the game."""
    changes = {
        "hidden": (32, 32),
        "batch": 128,
        "warmup": 100,
        "action_limit": 2.0,
        "memory": 8000,
        "reward_scale": 0.1,
    }
    market = tracking(correlation=0.5, cost=1.0)
    assert market.slope == 0.6
    state, _ = played(MADDPG(**SETTINGS | changes), market, 3000, copies=4)(market)
    x = np.linspace(-1.5, 1.5, 7, dtype=np.float32)
    actions = 2 * np.tanh(outputs(state, jnp.asarray(x[:, None])))[..., 0]
    np.testing.assert_allclose(actions, np.broadcast_to(market.slope * x, actions.shape), atol=0.15)
    # Alone, or to those who think that the others do nothing, other slopes would be best: 1/2 and 3/4.


def test_a_team_finds_the_best_cell_of_a_table():
    """By Gumbel-softmax: the second row and the third column, the first one where the table is turned."""
    market = table([[0, 1, 2], [1, 3, 5], [0, 2, 3]], turns=True)
    state, _ = played(MADDPG(**SETTINGS | {"hidden": (32, 32), "batch": 64}), market, 3000)(market)
    chance = np.asarray(jax.nn.softmax(outputs(state, jnp.array([[1.0], [-1.0]]))))
    assert (chance[:, 0, :, 1] > 0.9).all()
    assert (chance[:, 1, 0, 2] > 0.9).all()
    assert (chance[:, 1, 1, 0] > 0.9).all()

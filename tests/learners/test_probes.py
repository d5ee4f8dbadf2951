"""Policy-gradient learners find the known values and actions of small problems."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import AGENTS, group, probe

from tacitlab.engine import deep
from tacitlab.learners import PPO, ActorCritic
from tacitlab.learners.parts.networks import forward

STEPS, SESSIONS, DISCOUNT = 4000, 2, 0.5
LEARNERS = {
    "ppo": (PPO, {"rollout": 16, "minibatches": 2, "rate": 1e-2}),
    "actor-critic": (ActorCritic, {"rollout": 8, "rate": 1e-2, "noise": 1e-3}),
}
SEEN = jnp.array([[-1.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [1.0, 1.0]])  # x and the time
#: Numbers of the probe, and the values of what is seen; NaN where it never is.
NAN = np.nan
VALUES = {
    "constant": ({"constant": 1.0}, [1, 1, NAN, NAN]),
    "seen": ({"seen": 1.0}, [-1, 1, NAN, NAN]),
    "later": ({"constant": 1.0, "steps": 2.0}, [DISCOUNT, DISCOUNT, 1, 1]),
    "cut": ({"constant": 1.0, "cut": True}, [1 / (1 - DISCOUNT)] * 2 + [NAN] * 2),
    "cut later": ({"constant": 1.0, "steps": 2.0, "cut": True, "always": True}, [1 / (1 - DISCOUNT)] * 4),
}


@cache
def compiled(kind, parameters, actions):
    """How to play any probe: its numbers do not compile again."""
    spec, settings = LEARNERS[kind]
    learner = spec(
        parameters=parameters, gamma=DISCOUNT, hidden=(8,), clip_gradient=5.0, log_sd=-0.5, anneal=True, **settings
    )
    crew = deep.Crew(deep.devices.mesh(1))

    def play(**numbers):
        market = probe(actions, **numbers)
        some = group(learner, market, steps=STEPS)
        table, keys = deep.Table(market, (some,), (deep.Seat("player", 0, AGENTS),)), crew.keys(1, 0, SESSIONS)
        play, tally = crew.advance(table, keys, crew.begin(table, keys), 0, STEPS)
        assert not np.asarray(tally.failure).any()
        return play.learners[0], tally

    return play


@jax.jit
def values(state):
    """Of everything seen, in units of reward: (sessions, networks, seen)."""
    found = jax.vmap(jax.vmap(lambda n: forward(n.critic, SEEN)[:, 0]))(state.networks)
    return found * jnp.sqrt(state.earned.mean)[..., None]


@pytest.mark.parametrize("parameters", ["own", "shared"])
@pytest.mark.parametrize("kind", LEARNERS)
def test_values_are_found(kind, parameters):
    play = compiled(kind, parameters, "discrete")
    for name, (numbers, wanted) in VALUES.items():
        state, tally = play(**numbers)
        found = np.asarray(values(state))
        assert found.shape == (SESSIONS, AGENTS if parameters == "own" else 1, len(SEEN))
        known = ~np.isnan(wanted)
        np.testing.assert_allclose(
            found[..., known], np.broadcast_to(wanted, found.shape)[..., known], atol=0.1, err_msg=name
        )
        health = np.asarray(tally.value / tally.learned)
        assert np.nanmin(np.abs(wanted)) * 0.7 < health.mean() < np.nanmax(np.abs(wanted)) * 1.1


@pytest.mark.parametrize("parameters", ["own", "shared"])
@pytest.mark.parametrize("kind", LEARNERS)
@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_best_actions_are_found(kind, parameters, actions):
    state, _ = compiled(kind, parameters, actions)(acted=1.0)
    outputs = jax.vmap(jax.vmap(lambda n: forward(n.actor, SEEN[:2])))(state.networks)
    if actions == "discrete":
        chance = np.asarray(jax.nn.softmax(outputs))[..., 1]
        np.testing.assert_allclose(chance, np.broadcast_to([0.0, 1.0], chance.shape), atol=0.05)
    else:
        mean = np.asarray(outputs)[..., 0]
        np.testing.assert_allclose(mean, np.broadcast_to([-0.5, 0.5], mean.shape), atol=0.1)
        assert np.asarray(state.networks.log_sd).max() < -1, "noise costs"

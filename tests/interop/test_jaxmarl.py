"""JaxMARL's environments play here as they play there; without the library, one line says what to install."""

from importlib.util import find_spec

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.interop.jaxmarl import JaxMarl
from tacitlab.lab.experiment import from_mapping
from tacitlab.markets.base import Continuous, Discrete

needs_jaxmarl = pytest.mark.skipif(find_spec("jaxmarl") is None, reason="jaxmarl is not installed")

SCENARIO = {
    "environment": {"kind": "jaxmarl", "options": {"max_steps": 5}},
    "learners": {"kind": "ppo", "parameters": "shared", "rollout": 6, "minibatches": 2},
    "length": {"episodes": 10},
    "copies": 2,
    "sessions": 2,
    "test": {"episodes": 3},
}


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("tacitlab.interop.jaxmarl.find_spec", lambda name: None)
    with pytest.raises(TacitError) as error:
        from_mapping(SCENARIO)
    assert str(error.value) == "environment.kind: jaxmarl is not installed; run pip install 'tacitlab[jaxmarl]'"


def spread(**fields):
    return JaxMarl(options={"max_steps": 3}, **fields)


@needs_jaxmarl
@pytest.mark.parametrize(
    "market",
    [
        lambda: JaxMarl(env="MPE_simple_tag_v3", options={"max_steps": 2}, cut="terminated", rewards="mean"),
        lambda: JaxMarl(options={"max_steps": 2, "action_type": "Continuous"}),
    ],
    ids=["tag", "continuous"],
)
def test_the_contract_of_markets_is_kept(market):
    from tacitlab.testing import check_market

    check_market(market())


@needs_jaxmarl
def test_it_is_jaxmarls_environment_that_is_played():
    import jaxmarl

    env, market = jaxmarl.make("MPE_simple_spread_v3", max_steps=3), spread()
    dynamics = market.dynamics()
    reset, step = eqx.filter_jit(dynamics.reset), eqx.filter_jit(dynamics.step)
    key = jax.random.key(4)
    seen, inner = env.reset(key)
    state = reset(key)
    for k in range(4):
        rows = jnp.stack([seen[agent] for agent in env.agents])
        np.testing.assert_allclose(dynamics.observe(state)["agent"], rows, rtol=1e-6)
        np.testing.assert_allclose(dynamics.global_state(state), rows.ravel(), rtol=1e-6)
        actions = jnp.array([[1.0], [k], [4.0]])
        key = jax.random.fold_in(key, k)
        given = {agent: actions[n, 0].astype(int) for n, agent in enumerate(env.agents)}
        seen, inner, rewards, done, _ = env.step_env(key, inner, given)
        state, outcome = step(key, state, {"agent": actions})
        wanted = jnp.stack([rewards[agent] for agent in env.agents])
        np.testing.assert_allclose(outcome.rewards["agent"], wanted, rtol=1e-5)
        np.testing.assert_array_equal(outcome.info["reward"], outcome.rewards["agent"])
        assert bool(outcome.truncated) == bool(done["__all__"]) == (k == 3)
        assert not outcome.terminated
    assert market.horizon == 4


@needs_jaxmarl
@pytest.mark.parametrize(
    ("fields", "length", "flags"),
    [
        ({}, 4, (False, True)),
        ({"cut": "terminated"}, 4, (True, False)),
        ({"longest": 2}, 2, (False, True)),
        ({"longest": 2, "cut": "terminated"}, 2, (True, False)),
        ({"longest": 9}, 4, (False, True)),
    ],
)
def test_ends_and_cuts(fields, length, flags):
    market = spread(**fields)
    dynamics = market.dynamics()
    step, state = eqx.filter_jit(dynamics.step), dynamics.reset(jax.random.key(0))
    for k in range(length):
        state, outcome = step(jax.random.key(k), state, {"agent": jnp.zeros((3, 1))})
        assert (bool(outcome.terminated), bool(outcome.truncated)) == (flags if k == length - 1 else (False, False))
    assert market.horizon == length


@needs_jaxmarl
def test_an_episode_that_is_over_early_is_no_cut():
    """Somebody says that all have been in the room: right or wrong, that ends the riddle."""
    dynamics = JaxMarl(env="switch_riddle").dynamics()
    state = dynamics.reset(jax.random.key(0))
    tell = dynamics.library.env.game_actions["TELL"]
    _, outcome = dynamics.step(jax.random.key(1), state, {"agent": jnp.full((3, 1), float(tell))})
    assert (bool(outcome.terminated), bool(outcome.truncated)) == (True, False)


@needs_jaxmarl
def test_agents_of_different_kinds_are_different_roles():
    found = [(r.name, r.agents, len(r.observes), r.actions) for r in JaxMarl(env="MPE_simple_tag_v3").roles()]
    assert found == [("adversary", 3, 16, Discrete(5)), ("agent", 1, 14, Discrete(5))]
    world = JaxMarl(env="MPE_simple_world_comm_v3", options={"action_type": "Discrete"}).roles()
    assert [(role.name, role.agents) for role in world] == [("leadadversary", 1), ("adversary", 3), ("agent", 2)]


@needs_jaxmarl
def test_continuous_actions_reach_from_end_to_end():
    market = JaxMarl(options={"max_steps": 3, "action_type": "Continuous"})
    dynamics = market.dynamics()
    assert market.roles()[0].actions == Continuous(5)
    given = dynamics._meant(0, jnp.array([[-1.0, 1.0, 0.0, -7.0, 7.0]]))
    np.testing.assert_allclose(given[0], [0, 1, 0.5, 0, 1])


@needs_jaxmarl
def test_a_teams_reward_is_the_mean_of_all():
    own, team = spread(), spread(rewards="mean")
    assert (own.common_reward, team.common_reward) == (False, True)
    state = own.dynamics().reset(jax.random.key(3))
    # Two agents on one place: their collision costs them, not the third.
    places = state.inner.p_pos.at[1].set(state.inner.p_pos[0] + 0.01).at[2].set(5.0)
    state = state._replace(inner=state.inner.replace(p_pos=places))
    rewards = [
        np.asarray(m.dynamics().step(jax.random.key(0), state, {"agent": jnp.zeros((3, 1))})[1].rewards["agent"])
        for m in (own, team)
    ]
    assert np.ptp(rewards[0]) > 0.1
    np.testing.assert_allclose(rewards[1], rewards[0].mean(), rtol=1e-6)


@needs_jaxmarl
def test_learners_train_in_a_scenario(tmp_path):
    from tacitlab.lab.run import run

    result = run(from_mapping(SCENARIO), tmp_path / "run")
    assert np.isfinite(result.data["payoff"]).all()
    assert result.data["test_payoff"].shape == (2, 3, 3)
    assert result.benchmarks().competitive == ()


@needs_jaxmarl
@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"env": "MPE_simple_spred"}, "environment.env: JaxMARL has no 'MPE_simple_spred'; choose from MPE_simple_v3,"),
        ({"env": "chess"}, "environment.env: JaxMARL has no 'chess'; choose from its registered_envs"),
        ({"options": {"local_ratio": 3}}, "environment.options: MPE_simple_spread_v3 cannot be made of {'local_ratio'"),
        ({"env": "coin_game"}, "environment.longest: coin_game does not say how long an episode is; give a number"),
        ({"env": "storm_2p"}, "environment.env: storm_2p does not show agent 0 one array; choose another one"),
    ],
)
def test_errors_say_what_to_do(fields, problem):
    with pytest.raises(TacitError) as error:
        from_mapping({**SCENARIO, "environment": {"kind": "jaxmarl", **fields}})
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


@needs_jaxmarl
def test_what_is_equal_is_compiled_once():
    one, other = spread(), spread()
    assert hash(one) == hash(other)
    assert one.dynamics().library.env is other.dynamics().library.env

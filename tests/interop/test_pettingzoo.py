"""Every market and stage game passes PettingZoo's own tests, and plays as it does here."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("pettingzoo")

from gymnasium import spaces
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo.test import parallel_api_test, parallel_seed_test

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, Braess, Matrix, PrisonersDilemma
from tacitlab.interop.jaxmarl import JaxMarl
from tacitlab.interop.pettingzoo import parallel_env
from tacitlab.markets import Execution, RepeatedGame, ResourceMarket, TokenEconomy

#: What cannot be built without being told something, and cases worth testing besides the defaults.
SPECIAL = {
    RepeatedGame: RepeatedGame(
        game=Bertrand(players=3, n_prices=3, entry_persistence=0.9), horizon_periods=7, memory=2
    ),
    TokenEconomy: TokenEconomy(agents=3, steps=7),
}
MORE = {
    "resource market with adversaries": ResourceMarket(steps=7, traders=3, responders=1, spoofers=2, noise_traders=2),
    "execution, two assets": Execution(
        inventories=((8.0, -5.0), (0.0, 3.0)), steps=4, cross_impact=((1.0, 0.4), (0.4, 0.8)), trades="parts",
        features="plain", parts=3,
    ),
}  # fmt: skip
OURS = [
    registry.find(room, kind) for room in ("game", "market") for kind in registry.entries(room) if kind != "jaxmarl"
]
EVERYTHING = {kind.__name__: SPECIAL.get(kind) or kind() for kind in OURS if kind is not JaxMarl} | MORE


@pytest.mark.parametrize("name", EVERYTHING)
def test_pettingzoos_own_tests_pass(name):
    parallel_api_test(parallel_env(EVERYTHING[name], periods=5), num_cycles=40)
    parallel_seed_test(lambda: parallel_env(EVERYTHING[name], periods=5))


def play(env, seed, steps):
    """What happens when random actions are taken, over several episodes; PettingZoo's seed test looks at one step."""
    found = [env.reset(seed=seed)]
    for k, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + k)
    for _ in range(steps):
        if not env.agents:
            found.append(env.reset())
        found.append(env.step({agent: env.action_space(agent).sample() for agent in env.agents}))
        found.append(env.state())
    return found


@pytest.mark.parametrize("name", ["RepeatedGame", "resource market with adversaries", "execution, two assets"])
def test_episodes_follow_from_the_seed(name):
    one, other, third = (play(parallel_env(EVERYTHING[name]), seed, 20) for seed in (3, 3, 4))
    assert data_equivalence(one, other)
    assert not data_equivalence(one, third)


def test_without_a_seed_chance_is_the_systems():
    game = RepeatedGame(game=Bertrand(n_prices=100), memory=4)
    starts = [parallel_env(game).reset()[0]["player_0"].tolist() for _ in range(2)]
    assert starts[0] != starts[1]


def test_it_is_the_market_that_is_played():
    """The same steps by hand: observations, forced trades, rewards, records, flags and the global state."""
    market = EVERYTHING["resource market with adversaries"]
    env, dynamics = parallel_env(market), market.dynamics()
    assert env.possible_agents == [
        "trader_0", "trader_1", "trader_2", "responder_0", "spoofer_0", "spoofer_1", "noise_trader_0", "noise_trader_1",
    ]  # fmt: skip
    for k, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(k)
    seen, _ = env.reset(seed=5)
    key, now = jax.random.split(jax.random.key(5))
    state = dynamics.reset(now)
    while env.agents:
        for role in market.roles():
            own = np.stack([seen[f"{role.name.replace(' ', '_')}_{k}"] for k in range(role.agents)])
            np.testing.assert_allclose(own, dynamics.observe(state)[role.name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(env.state(), dynamics.global_state(state), rtol=1e-5, atol=1e-6)
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        agents, first, chosen = env.agents, 0, {}
        for role in market.roles():
            chosen[role.name] = jnp.array([[actions[a]] for a in agents[first : first + role.agents]], jnp.float32)
            first += role.agents
        seen, rewards, terminations, truncations, infos = env.step(actions)
        key, now = jax.random.split(key)
        state, outcome = dynamics.step(now, state, dynamics.admissible(state, chosen))
        wanted = np.concatenate([outcome.rewards[role.name] for role in market.roles()])
        np.testing.assert_allclose(list(rewards.values()), wanted, rtol=1e-5, atol=1e-4)  # prices are near 100
        assert set(terminations.values()) == {bool(outcome.terminated)}
        assert set(truncations.values()) == {bool(outcome.truncated)}
        for quantity in market.quantities():
            wanted = np.broadcast_to(outcome.info[quantity.name], len(agents))
            found = [infos[agent][quantity.name] for agent in agents]
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert terminations["trader_0"] != truncations["trader_0"]


def test_ends_and_cuts_are_told_apart():
    ended = parallel_env(Execution(steps=1))
    ended.reset(seed=0)
    _, _, terminations, truncations, _ = ended.step({agent: np.zeros(1) for agent in ended.agents})
    assert terminations == {"trader_0": True, "trader_1": True}
    assert truncations == {"trader_0": False, "trader_1": False}
    assert ended.agents == []
    cut = parallel_env(PrisonersDilemma(), periods=1)
    cut.reset(seed=0)
    _, _, terminations, truncations, _ = cut.step({"player_0": 1, "player_1": 1})
    assert (set(terminations.values()), set(truncations.values())) == ({False}, {True})


def test_rules_force_actions():
    """Whatever is said in the last step, everything that is left is sold."""
    env = parallel_env(Execution(inventories=(8.0, 8.0), steps=2))
    env.reset(seed=0)
    first = env.step({"trader_0": np.array([3.0]), "trader_1": np.array([1.0])})
    last = env.step({"trader_0": np.array([0.0]), "trader_1": np.array([0.0])})
    assert [info["trade"] for info in first[-1].values()] == [3.0, 1.0]
    assert [info["trade"] for info in last[-1].values()] == [5.0, 7.0]


def test_spaces():
    env = parallel_env(Execution(steps=2))
    assert env.action_space("trader_0") == spaces.Box(-np.inf, np.inf, (1,), np.float32)
    assert env.observation_space("trader_0").shape == (len(env.market.roles()[0].observes),)
    assert parallel_env(PrisonersDilemma()).action_space("player_1") == spaces.Discrete(2)
    assert parallel_env(PrisonersDilemma(), memory=0).observation_space("player_0").shape == (1,)
    assert str(env) == "execution"


def test_errors_say_what_to_do():
    env = parallel_env(Execution(steps=1))
    with pytest.raises(TacitError, match="state: there is none yet; call reset first"):
        env.state()
    with pytest.raises(TacitError, match="step: the episode is over; call reset first"):
        env.step({})
    env.reset()
    with pytest.raises(TacitError, match="step: no action of trader_1; all agents act in every step"):
        env.step({"trader_0": np.zeros(1)})
    with pytest.raises(TacitError, match="step: an action of trader_0 has 2 numbers; give it 1"):
        env.step({"trader_0": np.zeros(2), "trader_1": np.zeros(2)})
    with pytest.raises(TacitError, match="actions; give all of them as many"):
        parallel_env(Matrix(payoffs=[[[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]]]))


NOTHING_LIKE_IT = [None, float("nan"), "high", float("inf"), [0.0, 1.0, 2.0], -1, 0.5, 2, 1e300]


@pytest.mark.parametrize("action", NOTHING_LIKE_IT, ids=str)
def test_actions_that_there_are_not_are_refused_by_name(action):
    env = parallel_env(PrisonersDilemma(), periods=5)
    env.reset(seed=1)
    with pytest.raises(TacitError, match=r"^step: .*player_1.*; give it [^\n]*$"):
        env.step({"player_0": 1, "player_1": action})
    assert env.step({"player_0": np.int64(1), "player_1": np.array([0])})[1] == {"player_0": 5.0, "player_1": 0.0}


@pytest.mark.parametrize("action", [None, np.nan, np.inf, 1e300, "much", [0.0] * 9], ids=str)
def test_numbers_that_are_none_are_refused_in_markets_too(action):
    env = parallel_env(Execution(steps=3))
    env.reset(seed=1)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    with pytest.raises(TacitError, match=r"^step: .*trader_0"):
        env.step({**actions, "trader_0": action})


def test_rewards_are_those_of_the_payoff_table_in_double_precision():
    payoffs = 1e8 + np.arange(8.0).reshape(2, 2, 2)
    env = parallel_env(Matrix(payoffs=payoffs.tolist()), periods=9)
    env.reset(seed=0)
    for a in range(2):
        for b in range(2):
            rewards = env.step({"player_0": a, "player_1": b})[1]
            assert list(rewards.values()) == payoffs[:, a, b].tolist()


@pytest.mark.parametrize("game", [Bertrand(n_prices=3, entry_persistence=0.6, players=3), Braess(players=5)])
def test_exact_rewards_are_those_that_the_dynamics_pays(game):
    env = parallel_env(game, periods=200)
    env.reset(seed=4)
    dynamics, rng, seen = env.market.dynamics(), np.random.default_rng(0), set()
    for _ in range(40):
        acts = rng.integers(0, 3, len(env.agents))
        _, outcome = dynamics.step(jax.random.key(0), env._state, {"player": jnp.asarray(acts, jnp.float32)[:, None]})
        seen.add(int(env._state.regime))
        rewards = env.step(dict(zip(env.agents, acts, strict=True)))[1]
        np.testing.assert_allclose(list(rewards.values()), outcome.rewards["player"], rtol=1e-5)
    assert len(seen) == env.market.regimes_number


@pytest.mark.parametrize("name", ["RepeatedGame", "TokenEconomy", "Execution"])
def test_a_copy_goes_on_as_the_original(name):
    """Wrappers of SuperSuit send environments through pickle, and read ``render_mode``."""
    env = parallel_env(EVERYTHING[name])
    play(env, 3, 2)
    other = pickle.loads(pickle.dumps(env))
    assert env.render_mode is None is other.render_mode
    assert data_equivalence(steps_of(env), steps_of(other))


def steps_of(env):
    found = []
    for _ in range(6):
        if not env.agents:
            found.append(env.reset())
        found.append(env.step({agent: 0 * env.action_space(agent).sample() for agent in env.agents}))
    return found

"""Q-learning with a table in markets against its definition in plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toy_market import PlainToy, Toy, fast, keys, observations, transitions

from tacitlab.learners import Constant, QLearning, UniformValues
from tacitlab.learners.base import MarketSeat
from tacitlab.markets.repeated_game import RepeatedGame

BINS = (3, 4)
SEEN = observations(np.random.default_rng(0), 300)


def agent(market=None, **changes):
    dynamics = market.dynamics() if market else Toy()
    settings = {"alpha": 0.3, "gamma": 0.9, "bins": BINS, "initial": UniformValues(low=-1.0, high=1.0)}
    learner = QLearning(exploration=Constant(epsilon=0.4), **settings | changes)
    return learner.group(MarketSeat(market, dynamics, dynamics.roles[0], 0, 1, 1000, False)).algorithm


def row(observation):
    """The bin of an observation, in the order of the table."""
    digits = []
    for feature, size in zip(PlainToy.features(observation.astype(float)), BINS, strict=True):
        digits.append(min(max(int(np.floor((feature + 1) / 2 * size)), 0), size - 1))
    return digits[0] * BINS[1] + digits[1]


def test_observations_are_sorted_into_bins():
    found = np.asarray(jax.jit(jax.vmap(agent().state_of))(SEEN))
    assert found.tolist() == [row(o) for o in SEEN]
    assert set(found) == set(range(12))


def test_steps_are_those_of_q_learning():
    one = agent()
    step = jax.jit(
        lambda state, lived: one.update(one.observe(state, lived, jnp.asarray(0)), keys(1)[0], jnp.asarray(0))
    )
    state, lived = fast(one.init)(keys(1)[0]), transitions(np.random.default_rng(1), 200)
    table = np.array(state.table, float)
    assert stats.kstest(table.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    for before, action, reward, after, ended, _ in zip(*lived[:6], strict=True):
        goal = float(reward)
        if not ended:  # however it is cut
            goal += 0.9 * max(table[row(after), b] for b in PlainToy.candidates(after))
        place = row(before), int(action[0])
        error = goal - table[place]
        now = jax.tree.map(jnp.asarray, type(lived)(before, action, reward, after, ended, np.bool_(False)))
        state, health = step(state, now)
        np.testing.assert_allclose([health.loss, health.value], [error**2, abs(table[place])], rtol=1e-3, atol=1e-6)
        table[place] += 0.3 * error
    np.testing.assert_allclose(state.table, table, rtol=1e-4, atol=1e-5)


def test_greedy_and_random_actions():
    one = agent()
    act, table = fast(one.act), fast(one.init)(keys(2)[1]).table
    greedy = np.asarray(act(table, SEEN, keys(1)[0], jnp.asarray(0.0)))[:, 0]
    values = np.asarray(table)
    assert greedy.tolist() == [np.argmax(values[row(o), : int(o[1]) + 1]) for o in SEEN]
    assert not np.asarray(act(jnp.zeros_like(table), SEEN, keys(1)[0], jnp.asarray(0.0))).any(), "the first of equals"
    same = np.tile(np.float32([0.3, 5.0]), (300, 1))
    drawn = np.concatenate([act(table, same, key, one.epsilon(jnp.asarray(7)))[:, 0] for key in keys(40)])
    best = np.argmax(values[row(same[0]), :6])
    wanted = np.full(6, 0.4 / 6) + 0.6 * (np.arange(6) == best)
    assert stats.chisquare(np.bincount(drawn.astype(int)), len(drawn) * wanted).pvalue > 1e-3


@pytest.mark.parametrize("prices", [2, 7, 15])
def test_every_action_of_a_repeated_game_has_its_bin(prices):
    one = agent(RepeatedGame(game={"kind": "bertrand", "n_prices": prices}), bins=None)
    pairs = np.array([(a, b) for a in range(prices) for b in range(prices)], np.float32)
    assert np.asarray(jax.jit(jax.vmap(one.state_of))(pairs)).tolist() == list(range(prices**2))

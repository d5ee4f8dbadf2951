"""Finite team games against their tables and brute force over policies."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.markets import TeamGame

CLIMB = [[[11, -30, 0], [-30, 7, 6], [0, 0, 5]]]  # Claus and Boutilier 1998: equilibria 11 and 7


def random_game(seed, states=3, players=2, actions=2):
    """Play goes on to later states only, so that it ends."""
    random = np.random.default_rng(seed)
    shape = (states, *(actions,) * players)
    later = [random.integers(s + 1, states + 1, shape[1:]) for s in range(states)]
    following = np.where(np.array(later) == states, -1, later)
    return TeamGame(payoffs=random.integers(-5, 6, shape).tolist(), following=following.tolist())


def earned(game, choices):
    """The sum of rewards where joint action ``choices[state]`` is taken in each state, with loops."""
    state, total = 0, 0.0
    for _ in range(game.horizon):
        total += game.rewards[state][choices[state]]
        state = int(game.successors[state][choices[state]])
        if state < 0:
            break
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_the_best_of_all_policies(seed):
    game = random_game(seed)
    joint = list(itertools.product(range(2), repeat=2))
    best = max(earned(game, plan) for plan in itertools.product(joint, repeat=3))
    assert game.benchmarks().optimum.average == pytest.approx(best)


def test_equilibria_of_the_climbing_game():
    found = TeamGame(payoffs=CLIMB, following=None).benchmarks()
    assert (found.optimum.average, found.nash.average) == (11, 7)
    assert TeamGame().benchmarks().optimum.average == TeamGame().benchmarks().nash.average == 8


@pytest.mark.parametrize("seed", range(2))
def test_play_follows_the_tables(seed):
    game = random_game(seed, players=3)
    dynamics, random = game.dynamics(), np.random.default_rng(seed)
    step = jax.jit(lambda *given: dynamics.step(*given))
    for _ in range(5):
        state, place = dynamics.reset(jax.random.key(0)), 0
        for t in range(game.horizon):
            choice = tuple(random.integers(0, 2, 3))
            assert dynamics.observe(state)["player"].tolist() == [[place]] * 3
            assert np.argmax(dynamics.global_state(state)) == place
            state, outcome = step(jax.random.key(1), state, {"player": jnp.asarray(choice, jnp.float32)[:, None]})
            assert outcome.rewards["player"].tolist() == [game.rewards[place][choice]] * 3
            place = int(game.successors[place][choice])
            assert bool(outcome.terminated) == (place < 0)
            assert bool(outcome.truncated) == (place >= 0 and t == game.horizon - 1)
            if place < 0:
                break


def test_mistakes_are_named():
    with pytest.raises(TacitError, match=r"payoffs: .* as many actions for all"):
        TeamGame(payoffs=[[[1, 2, 3], [4, 5, 6]]], following=None)
    with pytest.raises(TacitError, match=r"following: it is \[1, 2, 2\], payoffs are \[3, 2, 2\]; match"):
        TeamGame(following=[[[-1, -1], [-1, -1]]])

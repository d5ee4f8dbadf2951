"""Decision processes against brute force over all policies, linear algebra and quantecon."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantecon.markov import DiscreteDP

from tacitlab.errors import TacitError
from tacitlab.theory import decision

discounts = st.sampled_from([0.0, 0.3, 0.9, 0.99])


def linear_values(rewards, transition, discount):
    return np.linalg.solve(np.eye(len(rewards)) - discount * transition, rewards)


def best_of_all_policies(rewards, transition, discount):
    """Maximal values over every deterministic policy; transition (S, A, S)."""
    states, actions = rewards.shape
    rows = np.arange(states)
    found = [
        linear_values(rewards[rows, list(policy)], transition[rows, list(policy)], discount)
        for policy in itertools.product(range(actions), repeat=states)
    ]
    return np.max(found, axis=0)


@given(seed=st.integers(0, 2**32), states=st.integers(1, 4), actions=st.integers(1, 3), discount=discounts)
@settings(max_examples=60)
def test_deterministic_process_against_all_policies(seed, states, actions, discount):
    rng = np.random.default_rng(seed)
    # Small integers make ties frequent.
    rewards = rng.integers(-2, 3, size=(3, states, actions)).astype(float)
    following = rng.integers(states, size=(3, states, actions))
    values, policy = decision.solve(rewards, following, discount)
    by_value = decision.solve(rewards, following, discount, method="value", tolerance=1e-9)
    for batch in range(3):
        transition = np.eye(states)[following[batch]]
        expected = best_of_all_policies(rewards[batch], transition, discount)
        np.testing.assert_allclose(values[batch], expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(by_value.values[batch], expected, rtol=0, atol=1e-9)
        rows = np.arange(states)
        for found in (policy[batch], by_value.policy[batch]):
            earned = linear_values(rewards[batch][rows, found], transition[rows, found], discount)
            np.testing.assert_allclose(earned, expected, rtol=0, atol=1e-7)
        gain = rewards[batch] + discount * expected[following[batch]]
        first = (gain >= gain.max(1, keepdims=True) - 1e-9).argmax(1)
        np.testing.assert_array_equal(policy[batch], first)


@given(seed=st.integers(0, 2**32), discount=discounts)
@settings(max_examples=30)
def test_random_transitions_against_quantecon(seed, discount):
    rng = np.random.default_rng(seed)
    states, actions, outcomes = 5, 3, 4
    rewards = rng.normal(size=(2, states, actions))
    following = rng.integers(states, size=(2, states, actions, outcomes))
    weights = rng.dirichlet(np.ones(outcomes), size=(states, actions))
    values, policy = decision.solve(rewards, following, discount, probabilities=weights)
    by_value = decision.solve(rewards, following, discount, probabilities=weights, method="value", tolerance=1e-9)
    for batch in range(2):
        transition = np.zeros((states, actions, states))
        for s, a, k in np.ndindex(states, actions, outcomes):
            transition[s, a, following[batch, s, a, k]] += weights[s, a, k]
        known = DiscreteDP(rewards[batch], transition, discount).solve(method="policy_iteration")
        np.testing.assert_allclose(values[batch], known.v, rtol=0, atol=1e-10)
        np.testing.assert_array_equal(policy[batch], known.sigma)
        np.testing.assert_allclose(by_value.values[batch], known.v, rtol=0, atol=1e-9)


def test_common_outcome_probabilities():
    rng = np.random.default_rng(3)
    rewards, following = rng.normal(size=(4, 2)), rng.integers(4, size=(4, 2, 3))
    common = [0.2, 0.5, 0.3]
    full = np.broadcast_to(common, (4, 2, 3))
    one = decision.solve(rewards, following, 0.9, probabilities=common)
    two = decision.solve(rewards, following, 0.9, probabilities=full)
    np.testing.assert_array_equal(one.values, two.values)


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95, 0.9999])
def test_evaluation_against_linear_algebra(discount):
    rng = np.random.default_rng(1)
    rewards, following = rng.normal(size=(2, 5, 40)), rng.integers(40, size=(5, 40))
    values = decision.evaluate(rewards, following, discount)
    assert values.shape == (2, 5, 40)
    for player, session in np.ndindex(2, 5):
        expected = linear_values(rewards[player, session], np.eye(40)[following[session]], discount)
        scale = np.abs(rewards).max() / (1 - discount)
        np.testing.assert_allclose(values[player, session], expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("discount", [0.5, 0.95, 0.9999, 0.999999])
def test_evaluation_is_exact_to_rounding(discount):
    exact = Fraction(discount)
    values = decision.evaluate([1.0, 0.0, 2.0], [1, 0, 0], discount)
    expected = [1 / (1 - exact**2), exact / (1 - exact**2), 2 + exact / (1 - exact**2)]
    np.testing.assert_allclose(values, [float(value) for value in expected], rtol=1e-15)


def test_chunks_do_not_change_a_bit(monkeypatch):
    rng = np.random.default_rng(2)
    rewards, following = rng.normal(size=(7, 6, 3)), rng.integers(6, size=(7, 6, 3))
    weights = [[0.5, 0.5]]
    whole = decision.solve(rewards, following, 0.9)
    drawn = decision.solve(rewards, following[..., None] * [[1, 0]], 0.9, probabilities=weights[0])
    path = decision.evaluate(rewards[..., 0], following[..., 0], 0.9)
    monkeypatch.setattr(decision, "CELLS", 40)
    np.testing.assert_array_equal(decision.solve(rewards, following, 0.9).values, whole.values)
    np.testing.assert_array_equal(decision.solve(rewards, following, 0.9).policy, whole.policy)
    again = decision.solve(rewards, following[..., None] * [[1, 0]], 0.9, probabilities=weights[0])
    np.testing.assert_array_equal(again.values, drawn.values)
    np.testing.assert_array_equal(decision.evaluate(rewards[..., 0], following[..., 0], 0.9), path)


def test_batch_axes_broadcast():
    rng = np.random.default_rng(4)
    rewards, following = rng.normal(size=(2, 1, 5, 3)), rng.integers(5, size=(4, 5, 3))
    values = decision.solve(rewards, following, 0.8).values
    assert values.shape == (2, 4, 5)
    np.testing.assert_array_equal(values[1, 2], decision.solve(rewards[1, 0], following[2], 0.8).values)
    shared = decision.solve(rewards[0, 0], following, 0.8).values
    np.testing.assert_array_equal(shared, values[0])


def test_inputs_are_left_alone():
    rewards, following = np.array([1.0, 2.0]), np.array([1, 0])
    decision.evaluate(rewards, following, 0.0)[:] = 9
    np.testing.assert_array_equal(rewards, [1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: decision.evaluate([1.0], [0], 1.0), "discount"),
        (lambda: decision.evaluate([1.0], [1], 0.5), "next_state"),
        (lambda: decision.evaluate([1.0], [0.0], 0.5), "next_state"),
        (lambda: decision.evaluate([1.0, 2.0], [0], 0.5), "next_state"),
        (lambda: decision.evaluate([np.nan], [0], 0.5), "rewards"),
        (lambda: decision.solve([1.0], [0], 0.5), "rewards"),
        (lambda: decision.solve([[1.0]], [[-1]], 0.5), "next_state"),
        (lambda: decision.solve([[1.0]], [[0, 0]], 0.5), "next_state"),
        (lambda: decision.solve([[1.0]], [[0]], 0.5, method="simplex"), "method"),
        (lambda: decision.solve([[1.0]], [[0]], 0.5, method="value", tolerance=0), "tolerance"),
        (lambda: decision.solve([[1.0]], [[[0, 0]]], 0.5, probabilities=[0.6, 0.6]), "probabilities"),
        (lambda: decision.solve([[1.0]], [[[0, 0]]], 0.5, probabilities=[1.0]), "probabilities"),
    ],
)
def test_mistakes_are_named(call, field):
    with pytest.raises(TacitError, match=f"^{field}"):
        call()


@given(
    seed=st.integers(0, 2**32),
    factor=st.sampled_from([1e-9, 1.0, 1e9]),
    shift=st.sampled_from([0.0, 1e6, -1e9]),
    method=st.sampled_from(["policy", "value"]),
)
@settings(max_examples=60)
def test_the_unit_of_rewards_does_not_matter(seed, factor, shift, method):
    rng = np.random.default_rng(seed)
    rewards = rng.integers(-2, 3, size=(3, 5, 3)).astype(float)
    following = rng.integers(5, size=(3, 5, 3))
    plain = decision.solve(rewards, following, 0.9)
    if method == "value":
        shift = 0.0  # the error of all values is bounded: what all rewards contain is in it
    found = decision.solve((rewards + shift) * factor, following, 0.9, method=method)
    np.testing.assert_allclose(found.values / factor - shift / 0.1, plain.values, atol=1e-7 + 1e-14 * abs(shift) * 10)
    if method == "policy":
        np.testing.assert_array_equal(found.policy, plain.policy)


@given(seed=st.integers(0, 2**32), sentinel=st.sampled_from([-1e9, -1e12, 1e9]))
@settings(max_examples=60)
def test_a_sentinel_hides_no_gains(seed, sentinel):
    rng = np.random.default_rng(seed)
    rewards = rng.integers(-2, 3, size=(3, 4, 3)).astype(float)
    rewards[:, rng.integers(4), rng.integers(3)] = sentinel
    following = rng.integers(4, size=(3, 4, 3))
    found = decision.solve(rewards, following, 0.9)
    for batch in range(3):
        expected = best_of_all_policies(rewards[batch], np.eye(4)[following[batch]], 0.9)
        # What the linear systems of the brute force leave of small values; gains are at least 0.1.
        np.testing.assert_allclose(found.values[batch], expected, rtol=1e-12, atol=1e-14 * abs(sentinel))

"""Pairs by enumeration, correlations by numpy, and transfer entropies of chains whose value is known."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tacitlab.errors import TacitError
from tacitlab.measures.coordination import (
    heard,
    pair_shares,
    pair_shares_of_counts,
    trade_correlation,
    transfer_entropy,
)

RNG = np.random.default_rng(0)
ORDERS = arrays(np.int64, st.tuples(st.just(2), st.integers(1, 3), st.integers(1, 8), st.integers(2, 5)),
                elements=st.integers(-2, 2))  # fmt: skip


# --- pairs -----------------------------------------------------------------------------------------------------


@given(ORDERS)
def test_shares_of_pairs_by_enumeration(orders):
    found = pair_shares(orders)
    for session, traded in enumerate(orders):
        pairs = [(x[i], x[j]) for x in traded.reshape(-1, traded.shape[-1]) for i, j in combinations(range(len(x)), 2)]
        sync, offset = np.mean([a * b > 0 for a, b in pairs]), np.mean([a * b < 0 for a, b in pairs])
        assert found.sync[session] == pytest.approx(sync)
        assert found.offset[session] == pytest.approx(offset)
        assert found.both[session] == pytest.approx(np.mean([a * b != 0 for a, b in pairs]))
        if sync + offset:
            assert found.offset_given_both[session] == pytest.approx(offset / (sync + offset))
        else:
            assert np.isnan(found.offset_given_both[session])


@given(ORDERS)
def test_counts_say_the_same(orders):
    counted = pair_shares_of_counts((orders > 0).sum(-1), (orders < 0).sum(-1), orders.shape[-1])
    np.testing.assert_array_equal(counted.sync, pair_shares(orders).sync)
    np.testing.assert_array_equal(counted.offset, pair_shares(orders).offset)


@pytest.mark.parametrize(("buy", "sell"), [(1 / 3, 1 / 3), (0.5, 0.1)])
def test_independent_agents_are_at_chance(buy, sell):
    orders = RNG.choice([1, 0, -1], (4, 20_000, 6), p=[buy, 1 - buy - sell, sell])
    found, part = pair_shares(orders), buy / (buy + sell)
    np.testing.assert_allclose(found.offset_given_both, 2 * part * (1 - part), atol=0.01)
    np.testing.assert_allclose(found.both, (buy + sell) ** 2, atol=0.01)


def test_a_thousand_agents():
    assert pair_shares(RNG.integers(-1, 2, (2, 50, 1000))).offset_given_both == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize(
    ("buyers", "sellers", "agents", "message"),
    [
        ([[1]], [[0]], 1, "no pair"),
        ([[1.5]], [[0]], 4, "whole numbers"),
        ([[3]], [[2]], 4, "at most 4"),
        ([[-1]], [[2]], 4, "whole numbers"),
        ([[1, 1]], [[2]], 4, "shapes"),
        ([1], [2], 4, "shapes"),
    ],
)
def test_wrong_counts_are_refused(buyers, sellers, agents, message):
    with pytest.raises(TacitError, match=message):
        pair_shares_of_counts(buyers, sellers, agents)


# --- correlation -----------------------------------------------------------------------------------------------


@given(ORDERS)
def test_correlation_by_pairs(orders):
    found = trade_correlation(orders)
    for session, traded in enumerate(orders):
        flat = traded.reshape(-1, traded.shape[-1]).T
        flat = [x for x in flat if x.std() > 0]
        if len(flat) < 2:
            assert np.isnan(found[session])
        else:
            expected = np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(flat, 2)])
            assert found[session] == pytest.approx(expected, abs=1e-9)


def test_joint_buying_at_the_start_is_no_coordination_once_time_is_given():
    """Everybody buys with a probability that falls over the episode, independently."""
    steps, agents = 40, 3
    rate = np.exp(-np.arange(steps) / 6)[:, None]
    orders = (RNG.random((30, 50, steps, agents)) < rate).astype(int)
    raw, conditional = trade_correlation(orders), trade_correlation(orders, given=np.arange(steps)[:, None])
    assert raw.min() > 0.3
    assert abs(conditional.mean()) < 4 * conditional.std(ddof=1) / math.sqrt(30)
    assert conditional.std() < 0.03


def test_coordination_within_steps_survives():
    coin = RNG.choice([-1, 1], (10, 40, 30, 1))
    orders = np.where(RNG.random((10, 40, 30, 4)) < 0.5, coin, RNG.choice([-1, 1], (10, 40, 30, 4)))
    np.testing.assert_allclose(trade_correlation(orders, given=np.arange(30)[:, None]), 0.25, atol=0.06)


def test_common_inventories_are_no_coordination_once_inventory_is_given():
    inventory = RNG.integers(0, 3, (20, 10, 200, 1)) + 0 * np.zeros((1, 1, 1, 2), int)
    chance = np.array([0.9, 0.5, 0.1])[inventory]
    orders = np.where(RNG.random(inventory.shape) < chance, 1, -1)
    assert trade_correlation(orders).min() > 0.3
    found = trade_correlation(orders, given=inventory)
    assert abs(found.mean()) < 4 * found.std(ddof=1) / math.sqrt(20)


def test_conditional_correlation_by_hand():
    orders, label = RNG.integers(-1, 2, (2, 4, 25, 2)), RNG.integers(0, 3, (2, 4, 25, 2))
    found = trade_correlation(orders, given=label)
    for session in range(2):
        rest = []
        for agent in range(2):
            x, c = orders[session, ..., agent].ravel().astype(float), label[session, ..., agent].ravel()
            rest.append([a - x[c == k].mean() for a, k in zip(x, c, strict=True)])
        assert found[session] == pytest.approx(np.corrcoef(*rest)[0, 1])


def test_still_agents_and_opposites():
    x = RNG.normal(size=(1, 50, 1))
    assert trade_correlation(np.concatenate([x, -2 * x], axis=-1)) == pytest.approx(-1)
    assert trade_correlation(np.concatenate([x, 3 * x, np.full_like(x, 0.1)], axis=-1)) == pytest.approx(1)
    assert np.isnan(trade_correlation(np.concatenate([x, np.full_like(x, 0.1)], axis=-1))).all()


# --- transfer entropy ------------------------------------------------------------------------------------------


def plain_transfer(source, target, given):
    """Kullback-Leibler form, from dictionaries, for lists of episodes of one agent."""
    triples = [
        (x[t + 1], (x[t], g[t]), y[t]) for y, x, g in zip(source, target, given, strict=True) for t in range(len(x) - 1)
    ]
    n = len(triples)
    full, known = Counter(triples), Counter(c for _, c, _ in triples)
    own, told = Counter((a, c) for a, c, _ in triples), Counter((c, y) for _, c, y in triples)
    return sum(k / n * math.log(k * known[c] / own[a, c] / told[c, y]) for (a, c, y), k in full.items())


@given(
    arrays(np.int64, (2, 2, 12, 2), elements=st.integers(-1, 1)),
    arrays(np.int64, (2, 2, 12, 2), elements=st.integers(-1, 1)),
    arrays(np.int64, (2, 2, 12, 2), elements=st.integers(0, 1)),
)
def test_transfer_by_hand(source, target, given):
    found = transfer_entropy(source, target, given, corrected=False)
    for s in range(2):
        for a in range(2):
            expected = plain_transfer(source[s, :, :, a], target[s, :, :, a], given[s, :, :, a])
            assert found[s, a] == pytest.approx(expected, abs=1e-12)


def chain(error, sessions=20, steps=4000):
    """The target repeats the source of the step before, but for errors."""
    source = RNG.integers(0, 2, (sessions, steps, 1))
    target = np.roll(source, 1, axis=1) ^ (RNG.random(source.shape) < error)
    return source, target


@pytest.mark.parametrize("error", [0.0, 0.1, 0.3])
def test_a_noisy_copy_has_the_capacity_of_its_channel(error):
    source, target = chain(error)
    lost = -sum(p * math.log(p) for p in (error, 1 - error) if p)
    found = transfer_entropy(source, target)[:, 0]
    assert found.mean() == pytest.approx(math.log(2) - lost, abs=4 * found.std(ddof=1) / math.sqrt(20) + 1e-4)
    backwards = transfer_entropy(target, source)[:, 0]
    assert abs(backwards.mean()) < 4 * backwards.std(ddof=1) / math.sqrt(20)


def test_what_the_own_past_tells_is_not_transferred():
    """A source that only repeats what the target did is of no use, however correlated both are."""
    target = np.cumsum(RNG.integers(0, 2, (10, 3000, 1)) * (RNG.random((10, 3000, 1)) < 0.2), axis=1) % 2
    assert np.abs(transfer_entropy(target, target, corrected=False)).max() < 1e-12


def test_correction_removes_the_bias_of_independent_chains():
    """Frequencies overstate by (3 - 1)(3 - 1) 3/(2n); three values each, and a target with memory."""
    n = 600
    source = RNG.integers(0, 3, (1000, n + 1, 1))
    target = np.where(RNG.random(source.shape) < 0.5, 0, RNG.integers(0, 3, source.shape))
    plain, better = (transfer_entropy(source, target, corrected=c)[:, 0] for c in (False, True))
    assert plain.mean() == pytest.approx(12 / (2 * n), rel=0.06)
    assert abs(better.mean()) < 0.06 * plain.mean()


def test_a_common_cause_is_taken_out_by_conditions_and_shows_in_scrambled_signals():
    """Both follow the time within the episode; neither listens."""
    steps = 30
    rate = np.where(np.arange(steps) < 10, 0.9, 0.1)[:, None]
    source, target = ((RNG.random((20, 200, steps, 1)) < rate).astype(int) for _ in range(2))
    found, scrambled = transfer_entropy(source, target), transfer_entropy(np.roll(source, 1, axis=1), target)
    assert found.min() > 0.02
    np.testing.assert_allclose(found.mean(), scrambled.mean(), rtol=0.05)
    time = np.arange(steps)[:, None]
    left = transfer_entropy(source, target, time) - transfer_entropy(np.roll(source, 1, axis=1), target, time)
    assert abs(left.mean()) < 4 * left.std(ddof=1) / math.sqrt(20)
    assert transfer_entropy(source, target, time).max() < 0.2 * found.min()


def test_agents_hear_the_sum_of_all_others():
    signals = RNG.integers(-1, 2, (2, 3, 5, 4))
    for agent in range(4):
        rest = np.delete(signals, agent, axis=-1).sum(-1)
        np.testing.assert_array_equal(heard(signals)[..., agent], np.sign(rest))


def test_listening_is_found_agent_by_agent():
    """The first of three follows what it hears; the others do not listen."""
    signals, orders = RNG.integers(-1, 2, (5, 2, 3000, 3)), RNG.integers(-1, 2, (5, 2, 3000, 3))
    orders[..., 1:, 0] = heard(signals)[..., :-1, 0]
    found = transfer_entropy(heard(signals), orders)
    assert found[:, 0].min() > 1.0
    assert np.abs(found[:, 1:]).max() < 0.005


def test_wrong_shapes_are_refused():
    with pytest.raises(TacitError, match="orders: the shape"):
        pair_shares([[1, 0]])
    with pytest.raises(TacitError, match="two steps"):
        transfer_entropy(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    with pytest.raises(TacitError, match="must agree"):
        transfer_entropy(np.zeros((1, 5, 2)), np.zeros((1, 5, 3)))
    with pytest.raises(TacitError, match="given: the shape"):
        trade_correlation(np.zeros((1, 5, 2)), given=np.arange(4)[:, None])

"""Statistics of frozen strategies: hand-made automata, and naive loops straight from the definitions."""

import itertools

import numpy as np
import pytest

from tacitlab.audits import collusion
from tacitlab.errors import TacitError
from tacitlab.theory.repeated import RepeatedPlay

# Two firms set a low or a high price: the low one is the static equilibrium, the high one the joint optimum.
PRICES = [[1.0, 2.0], [1.0, 2.0]]
PROFITS = np.array([[1.0, 1.0], [5.0, 0.0], [0.0, 5.0], [3.0, 3.0]])
HIGH = 3
"""The state after two high prices."""


def automaton(*strategies, sessions=1):
    return RepeatedPlay(PROFITS, (2, 2), 1, [[*strategies]] * sessions)


ALWAYS_LOW, ALWAYS_HIGH = [0, 0, 0, 0], [1, 1, 1, 1]
GRIM = [0, 0, 0, 1]
PUNISH_ONCE = [1, 0, 0, 1]


def test_static_nash_players():
    play = automaton(ALWAYS_LOW, ALWAYS_LOW)
    cycle = play.limit_cycle(HIGH, PRICES)
    gain = collusion.profit_gain(cycle.payoffs, 1.0, 3.0)
    np.testing.assert_array_equal(gain.firms, [[0, 0]])
    one_step = collusion.one_step_optimality(play.one_step_gap(0.9), cycle)
    assert one_step.nash_on_path.all()
    assert one_step.best_response_on_path.all()
    np.testing.assert_array_equal(one_step.nash_states, 1)
    full = collusion.full_optimality(play.best_response_gap(0.9), cycle)
    assert full.equilibrium_on_path.all()
    assert full.subgame_perfect.all()
    loss = collusion.q_loss(play.one_step_gap(0.9), cycle)
    np.testing.assert_array_equal(loss.on_path, 0)
    np.testing.assert_array_equal(loss.all_states, 0)
    forgone = collusion.forgone_value(play, cycle, 0.9)
    np.testing.assert_array_equal(forgone.share, 0)
    np.testing.assert_array_equal(forgone.rivals_loss, 0)


def test_grim_trigger_is_an_equilibrium_for_the_patient_only():
    play = automaton(GRIM, GRIM)
    cycle = play.limit_cycle(HIGH, PRICES)
    np.testing.assert_array_equal(collusion.profit_gain(cycle.payoffs, 1.0, 3.0).mean, [1.0])
    patient = collusion.full_optimality(play.best_response_gap(0.6), cycle)
    assert patient.equilibrium_on_path.all()
    assert patient.subgame_perfect.all()
    impatient = collusion.full_optimality(play.best_response_gap(0.4), cycle)
    assert not impatient.optimal_on_path.any()
    np.testing.assert_array_equal(impatient.optimal_states, [[0.75, 0.75]])
    assert not collusion.one_step_optimality(play.one_step_gap(0.4), cycle).nash_on_path.any()


def test_constant_high_price_leaves_money_on_the_table():
    play = automaton(ALWAYS_HIGH, ALWAYS_HIGH)
    cycle = play.limit_cycle(HIGH, PRICES)
    one_step = collusion.one_step_optimality(play.one_step_gap(0.9), cycle)
    assert not one_step.best_response_on_path.any()
    # One low price earns 5 + 0.9 * 30 = 32 instead of 30.
    np.testing.assert_allclose(collusion.q_loss(play.one_step_gap(0.9), cycle).on_path, 2 / 32)
    forgone = collusion.forgone_value(play, cycle, 0.9)
    np.testing.assert_allclose(forgone.share, 2 / 5)
    np.testing.assert_allclose(forgone.per_period, 2)
    np.testing.assert_allclose(forgone.rivals_loss, 3)


def test_one_step_nash_need_not_be_an_equilibrium():
    """Each low price is answered by one low price: one deviation does not pay, deviating for ever does."""
    payoffs = [[2.9, 2.9], [3.2, 0.0], [0.0, 3.2], [3.0, 3.0]]
    copy = RepeatedPlay(payoffs, (2, 2), 1, [[[0, 1, 0, 1], [0, 0, 1, 1]]])
    cycle = copy.limit_cycle(HIGH)
    assert collusion.one_step_optimality(copy.one_step_gap(0.5), cycle).nash_on_path.all()
    assert not collusion.full_optimality(copy.best_response_gap(0.5), cycle).equilibrium_on_path.any()


@pytest.mark.parametrize(("shape", "memory"), [((3, 2), 1), ((2, 2), 2), ((2, 2, 2), 1), ((3, 3), 0)])
def test_statistics_by_naive_loops(shape, memory):
    discount, sessions = 0.6, 12
    rng = np.random.default_rng(11)
    joint = int(np.prod(shape))
    payoffs = rng.normal(size=(joint, len(shape)))
    strategies = np.stack([rng.integers(actions, size=(sessions, joint**memory)) for actions in shape], axis=1)
    play = RepeatedPlay(payoffs, shape, memory, strategies)
    start = rng.integers(play.states, size=sessions)
    cycle = play.limit_cycle(start)
    gap, full_gap = play.one_step_gap(discount), play.best_response_gap(discount)
    one_step = collusion.one_step_optimality(gap, cycle)
    full = collusion.full_optimality(full_gap, cycle)
    loss = collusion.q_loss(gap, cycle)
    forgone = collusion.forgone_value(play, cycle, discount)
    for session in range(sessions):
        states = [int(state) for state in cycle.states[session] if state >= 0]
        best = np.empty((play.players, play.states), dtype=bool)
        for player in range(play.players):
            table = play.one_step_values(player, discount)[session]
            chosen = table[np.arange(play.states), strategies[session, player]]
            best[player] = np.isclose(chosen, table.max(1), rtol=1e-9, atol=1e-12)
            losses = (table.max(1) - chosen) / np.abs(table.max(1))
            np.testing.assert_allclose(loss.all_states[session, player], losses.mean(), atol=1e-12)
            np.testing.assert_allclose(loss.on_path[session, player], losses[states].mean(), atol=1e-12)
            assert one_step.best_response_on_path[session, player] == best[player, states].all()
            np.testing.assert_allclose(one_step.best_response_states[session, player], best[player].mean())
            optimum = play.best_response(player, discount)
            own = play.values(discount)[session]
            optimal = np.isclose(optimum.values[session], own[player], rtol=1e-9, atol=1e-12)
            assert full.optimal_on_path[session, player] == optimal[states].all()
            np.testing.assert_allclose(full.optimal_states[session, player], optimal.mean())
            gained = optimum.values[session, states] - own[player, states]
            np.testing.assert_allclose(forgone.per_period[session, player], 0.4 * gained.mean(), atol=1e-12)
            share = gained / np.abs(optimum.values[session, states])
            np.testing.assert_allclose(forgone.share[session, player], share.mean(), atol=1e-12)
            played = strategies[[session]].copy()
            played[:, player] = optimum.policy[session]
            theirs = (own - RepeatedPlay(payoffs, shape, memory, played).values(discount)[0])[:, states]
            others = [i for i in range(play.players) if i != player]
            expected = 0.4 * theirs[others].sum(0).mean()
            np.testing.assert_allclose(forgone.rivals_loss[session, player], expected, atol=1e-12)
        assert one_step.nash_on_path[session] == best[:, states].all()
        np.testing.assert_allclose(one_step.nash_states[session], best.all(0).mean())
        assert full.equilibrium_on_path[session] == full.optimal_on_path[session].all()


def test_profit_gain():
    gain = collusion.profit_gain([[2.0, 4.0], [1.0, 1.0]], [1.0, 2.0], [3.0, 4.0])
    np.testing.assert_allclose(gain.firms, [[0.5, 1.0], [0.0, -0.5]])
    np.testing.assert_allclose(gain.mean, [0.75, -0.25])
    undefined = collusion.profit_gain([[2.0, 4.0]], [1.0, 2.0], [1.0, 4.0])
    np.testing.assert_array_equal(undefined.firms, [[np.nan, 1.0]])
    np.testing.assert_allclose(undefined.mean, [1.5])
    with pytest.raises(TacitError, match=r"^profits"):
        collusion.profit_gain([1.0], 0.0, 1.0)


def test_cycle_groups():
    rise = [1, 1, 0, 0]
    strategies = [[ALWAYS_LOW, ALWAYS_LOW], [ALWAYS_LOW, ALWAYS_HIGH], [rise, ALWAYS_LOW]]
    play = RepeatedPlay(PROFITS, (2, 2), 1, strategies)
    groups = collusion.cycle_groups(play.limit_cycle(0, PRICES))
    expected = {"1 symmetric": [0], "1 asymmetric": [1], "1": [0, 1], "2": [2], "3 or more": [], "all": [0, 1, 2]}
    assert {name: np.flatnonzero(mask).tolist() for name, mask in groups.items()} == expected


def test_all_two_player_automata_agree_with_the_one_shot_deviation_principle():
    """Over all 256 pairs of memory-one strategies: perfect if and only if one-step Nash in all states."""
    strategies = [[list(a), list(b)] for a, b in itertools.product(itertools.product([0, 1], repeat=4), repeat=2)]
    play = RepeatedPlay(PROFITS, (2, 2), 1, strategies)
    cycle = play.limit_cycle(HIGH)
    one_step = collusion.one_step_optimality(play.one_step_gap(0.7), cycle)
    full = collusion.full_optimality(play.best_response_gap(0.7), cycle)
    np.testing.assert_array_equal(one_step.nash_states == 1, full.subgame_perfect)
    assert 0 < full.subgame_perfect.sum() < full.equilibrium_on_path.sum() < one_step.nash_on_path.sum()

"""Equilibria do not depend on the unit of payoffs, on their zero, or on a cell that nobody would ever play."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_equilibria import KINDS, UNITS, exact_regret, extreme_equilibria, game, in_units, with_sentinel
from scipy.optimize import linprog

from tacitlab.games import Matrix, PrisonersDilemma
from tacitlab.games.base import Actions, NormalForm
from tacitlab.theory import extreme
from tacitlab.theory.equilibrium import grid_benchmarks, mixed_nash, pure_nash
from tacitlab.theory.precision import own_scale, own_scales, roundings

CLOSE = {"shifted by 1e6": 1e-6, "shifted by 1e9": 1e-4}  # what rounding leaves of probabilities; else 1e-7
CANNOT_TELL = ("rounding decides", "double precision cannot tell")


def benchmarks(payoffs):
    labels = tuple(map(str, range(max(payoffs.shape[:2]))))
    values = np.tile(np.arange(len(labels), dtype=float), (2, 1))
    return grid_benchmarks(NormalForm.from_tensor(payoffs), Actions("action", values, labels=labels))


def assert_same(payoffs, right, close):
    """Exactly the right equilibria are found, or it is said that double precision cannot tell."""
    found, _ = mixed_nash(payoffs)
    for pair in found:
        assert all(mixture.min() >= 0 and abs(mixture.sum() - 1) < 1e-12 for mixture in pair)
        for regret, scale in zip(exact_regret(payoffs, pair), own_scales(payoffs), strict=True):
            assert regret <= 1e-9 * scale.unit + 2 * scale.rounding
    listed = [np.concatenate(pair) for pair in found]
    wanted = [np.array([float(weight) for mixture in pair for weight in mixture]) for pair in right]
    missing = [one for one in wanted if not any(np.abs(one - other).max() <= close for other in listed)]
    phantom = [one for one in listed if not any(np.abs(one - other).max() <= close for other in wanted)]
    if missing or phantom or len(listed) != len(wanted):
        assert any(word in note for note in benchmarks(payoffs).notes for word in CANNOT_TELL)


def check_game(kind, seed):
    payoffs = game(kind, seed)
    right = extreme_equilibria(payoffs)
    for name in UNITS:
        assert_same(in_units(payoffs, name), right, CLOSE.get(name, 1e-7))
    forbidden = with_sentinel(payoffs, seed)
    assert_same(forbidden, extreme_equilibria(forbidden), 1e-7)


@given(st.sampled_from(list(KINDS)), st.integers(0, 10**9))
@settings(max_examples=40)
def test_equilibria_are_those_of_exact_arithmetic_whatever_the_unit(kind, seed):
    check_game(kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_games_of_a_kind_in_nine_units(kind):
    for seed in range(200):
        check_game(kind, 1_000_000 + seed)


@pytest.mark.parametrize("name", UNITS)
def test_games_too_large_for_exact_arithmetic(name, monkeypatch):
    monkeypatch.setattr(extreme, "EXACT_LIMIT", 0)
    for seed in range(5):
        payoffs = np.random.default_rng(seed).normal(size=(6, 5, 2))
        exact = {tuple(np.concatenate(pair) > 0) for pair in mixed_nash(payoffs)[0]}
        assert {tuple(np.concatenate(pair) > 0) for pair in mixed_nash(in_units(payoffs, name))[0]} == exact


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9, 1e10])
def test_value_of_a_large_zero_sum_game(scale):
    """QuantEcon.py #949, #951: absolute tolerances in Lemke-Howson. The value is that of the linear program."""
    size = 24
    table = np.random.default_rng(4).normal(size=(size, size))
    bounds = [(0, None)] * size + [(None, None)]
    above, whole = np.c_[-table.T, np.ones(size)], [np.r_[np.ones(size), 0]]
    cost = np.r_[np.zeros(size), -1]
    value = linprog(cost, A_ub=above, b_ub=np.zeros(size), A_eq=whole, b_eq=[1], bounds=bounds).x[-1]
    found = Matrix(payoffs=[(table * scale).tolist(), (-table * scale).tolist()]).benchmarks().competitive
    assert found
    for profile in found:
        assert min(mixture.min() for mixture in profile.strategies) >= 0
        assert profile.payoffs[0] / scale == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(("sentinel", "unit"), [(1e4, 1.0), (1e9, 1.0), (1e10, 1.0), (1e6, 1e-3), (1e9, 1e-3)])
def test_a_forbidden_cell_makes_no_equilibria(sentinel, unit):
    first, second = np.zeros((2, 3, 3))
    first[0, 0], first[1, 1], second[0, 0], second[1, 1] = 2, 1, 1, 2
    first, second = first * unit, second * unit
    first[2, 2] = second[2, 2] = -sentinel
    found = Matrix(payoffs=[first.tolist(), second.tolist()]).benchmarks().competitive
    assert len(found) == 3
    np.testing.assert_allclose(found[2].strategies, [[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0]])
    assert max(profile.error for profile in found) <= 1e-12 * unit


@pytest.mark.parametrize("shift", [0.0, 1e6, 1e9, 1e12])
def test_a_shifted_dilemma_has_one_equilibrium(shift):
    dilemma = np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float) + shift
    found = benchmarks(dilemma)
    assert [profile.actions.tolist() for profile in found.competitive] == [[1, 1]]
    assert any("subtract a constant" in note for note in found.notes) == (shift > 1e10)


def test_where_doubles_cannot_tell_it_is_said():
    dilemma = np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float) + 1e16
    assert any("double precision cannot tell" in note for note in benchmarks(dilemma).notes)


def test_a_tie_up_to_the_last_digit_is_doubtful():
    payoffs = np.array([[[0, 1], [3, 0]], [[3, 0], [0, 1]], [[1.5 + 1e-11, 0.3], [1.5 + 1e-11, 0.2]]])
    assert any("rounding decides" in note for note in benchmarks(payoffs).notes)
    payoffs[2, :, 0] = 1.4
    assert not any("rounding decides" in note for note in benchmarks(payoffs).notes)


def test_units_are_spreads_without_sentinels():
    assert own_scale(np.array([-1e9, 0.0, 1.0, 3.0])).unit == 3
    assert own_scale(np.array([0.0, 1.0, 3.0, 1e9, 1e9 + 1])).unit == 3
    assert own_scale(np.array([0.0, 1e-17, 1.0, 1.0])).unit == 1  # noise is no unit
    assert own_scale(np.array([0.0, 1.0, 9999.0])).unit == 9999
    assert own_scale(np.array([7.0, 7.0])).unit == 7
    assert own_scale(np.zeros(3)).unit == 1


def test_rounding_of_a_sentinel_is_its_own():
    tolerances = roundings(np.array([[[0.0, 1.0], [-1e9, 2.0]], [[1.0, 3.0], [2.0, 4.0]]]))
    assert tolerances[0, 1, 0] > 1e-6 > tolerances[0, 0, 0]


@given(st.integers(0, 10**6), st.sampled_from(["times 1e-9", "times 1e9", "own units", "shifted by 1e6"]))
def test_pure_equilibria_of_three_players(seed, name):
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-2, 3, size=(*rng.integers(1, 4, size=3), 3)).astype(float) / 3
    factors, shifts = (np.array([*pair, pair[0]]) for pair in UNITS[name])
    changed = (payoffs + shifts) * factors
    assert pure_nash(changed, roundings(changed)).tolist() == pure_nash(payoffs, roundings(payoffs)).tolist()


def test_shipped_dilemma_is_as_it_was():
    assert PrisonersDilemma().benchmarks().nash.average == 1

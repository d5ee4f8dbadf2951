"""One mixed equilibrium of three and more players: nobody gains by any deviation, which is enumerated."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.games import Matrix
from tacitlab.theory.equilibrium import mixed_nash, pure_nash
from tacitlab.theory.precision import own_scales
from tacitlab.theory.quantal import traced_nash

SAME = np.array([[1.0, -1.0], [-1.0, 1.0]])
PENNIES = [SAME[:, :, None].repeat(2, 2), SAME[None].repeat(2, 0), -SAME[:, None].repeat(2, 1)]


def largest_gain(payoffs, strategies, player):
    """From the definition, cell by cell."""
    worth = np.zeros(payoffs.shape[player])
    for cell in product(*map(range, payoffs.shape[:-1])):
        others = np.prod([strategies[j][cell[j]] for j in range(len(strategies)) if j != player])
        worth[cell[player]] += others * payoffs[(*cell, player)]
    return worth.max() - worth @ strategies[player]


@given(st.integers(0, 10**6), st.sampled_from([1e-9, 1.0, 1e9]), st.booleans())
@settings(max_examples=25)
def test_nobody_gains(seed, factor, whole):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 4, size=rng.integers(2, 5))
    payoffs = rng.normal(size=(*shape, len(shape)))
    if whole:
        payoffs = rng.integers(-2, 3, size=payoffs.shape).astype(float)
    payoffs = payoffs * factor * np.array([1.0, 1e6, 1e-3, 7.0])[: len(shape)]
    found = traced_nash(payoffs, own_scales(payoffs))
    if found is None:  # a degenerate path may end nowhere; with numbers at random it does not
        assert whole
        return
    for player, scale in enumerate(own_scales(payoffs)):
        assert found[player].min() >= 0
        assert found[player].sum() == pytest.approx(1)
        assert largest_gain(payoffs, found, player) <= 2e-9 * scale.unit


def test_two_players_are_led_to_one_of_all_equilibria():
    for seed in range(10):
        payoffs = np.random.default_rng(seed).normal(size=(3, 3, 2))
        found = np.concatenate(traced_nash(payoffs, own_scales(payoffs)))
        assert min(np.abs(found - np.concatenate(pair)).max() for pair in mixed_nash(payoffs)[0]) < 1e-9


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_matching_pennies_of_three_has_its_column(unit):
    game = Matrix(payoffs=[(table * unit).tolist() for table in PENNIES])
    found = game.benchmarks()
    assert not len(pure_nash(game.form().tensor()))
    assert found.nash.concept == "mixed-nash"
    np.testing.assert_allclose(found.nash.strategies, 0.5)
    np.testing.assert_allclose(found.nash.payoffs / unit, 0, atol=1e-12)
    assert "one mixed equilibrium of 3 players was looked for and found: others may exist" in found.notes


def test_a_forbidden_cell_is_not_played():
    tables = [np.pad(table, [(0, 1)] * 3, constant_values=-2.0) for table in PENNIES]
    for table in tables:
        table[2, 2, 2] = -1e9
    found = Matrix(payoffs=[table.tolist() for table in tables]).benchmarks()
    if found.nash.actions is None:
        np.testing.assert_allclose([mixture[:2] for mixture in found.nash.strategies], 0.5)


def test_what_was_not_looked_for_is_said():
    shape = (2,) * 12
    tables = [np.zeros(shape) for _ in shape]
    for player in range(12):  # each wants to match the next, the last to differ from the first
        sign = -1 if player == 11 else 1
        places = np.indices(shape)
        tables[player] = sign * (places[player] == places[(player + 1) % 12]).astype(float)
    found = Matrix(payoffs=[table.tolist() for table in tables]).benchmarks()
    assert not found.competitive
    assert any("were not looked for: there are too many actions" in note for note in found.notes)

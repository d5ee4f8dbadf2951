"""Solvers of normal-form games against brute force, nashpy and QuantEcon."""

from itertools import product

import nashpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.games.base import Actions, NormalForm
from tacitlab.theory import equilibrium, extreme
from tacitlab.theory.equilibrium import grid_benchmarks, joint_optimum, mixed_nash, pareto_front, pure_nash, undominated

DILEMMA = np.array([[[3, 3], [0, 5]], [[5, 0], [1, 1]]], dtype=float)
PENNIES = np.array([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]], dtype=float)
CHICKEN = np.array([[[0, 0], [7, 2]], [[2, 7], [6, 6]]], dtype=float)


@st.composite
def games(draw, least=1, most=4):
    players = draw(st.integers(least, most))
    shape = draw(st.lists(st.integers(1, 3), min_size=players, max_size=players))
    seed = draw(st.integers(0, 10**6))
    return np.random.default_rng(seed).integers(-3, 4, size=(*shape, players)).astype(float)  # many ties


def brute_force(payoffs):
    """Pure equilibria from the definition, one deviation at a time."""
    shape, players = payoffs.shape[:-1], payoffs.shape[-1]
    found = []
    for joint in product(*map(range, shape)):
        deviations = [
            payoffs[(*joint[:i], action, *joint[i + 1 :], i)] > payoffs[(*joint, i)]
            for i in range(players)
            for action in range(shape[i])
        ]
        if not any(deviations):
            found.append(joint)
    return found


def key(equilibria):
    return {tuple(np.round(np.concatenate(pair), 7) + 0.0) for pair in equilibria}


@given(games())
def test_pure_nash_is_brute_force(payoffs):
    assert list(map(tuple, pure_nash(payoffs))) == brute_force(payoffs)


def test_pure_nash_tolerates_small_gains():
    payoffs = np.array([[[1.0], [1.1]]]).reshape(2, 1)
    assert pure_nash(payoffs).tolist() == [[1]]
    assert pure_nash(payoffs, tolerance=0.2).tolist() == [[0], [1]]


def test_shape_is_checked():
    with pytest.raises(ValueError, match="3 players"):
        pure_nash(np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="two players"):
        mixed_nash(np.zeros((2, 2, 2, 3)))


@given(games())
def test_elimination_keeps_every_equilibrium_and_ends(payoffs):
    alive = undominated(payoffs)
    for joint in brute_force(payoffs):
        assert all(action in kept for action, kept in zip(joint, alive, strict=True))
    reduced = payoffs[np.ix_(*alive)]
    assert [len(kept) for kept in undominated(reduced)] == list(reduced.shape[:-1])


def test_elimination_is_iterated():
    payoffs = np.array([[[3, 0], [2, 1], [0, 0]], [[1, 1], [1, 2], [5, 0]]], dtype=float)
    assert [kept.tolist() for kept in undominated(payoffs)] == [[0], [1]]


@pytest.mark.parametrize("seed", range(25))
def test_mixed_nash_is_nashpys(seed):
    rng = np.random.default_rng(seed)
    payoffs = rng.normal(size=(*rng.integers(2, 5, size=2), 2))
    found, complete = mixed_nash(payoffs)
    known = nashpy.Game(payoffs[..., 0], payoffs[..., 1]).vertex_enumeration()
    assert complete
    assert key(found) == key(known)


@given(games(least=2, most=2))
@settings(max_examples=60)
def test_mixed_nash_of_degenerate_games(payoffs):
    found, _ = mixed_nash(payoffs)
    assert found
    for row, column in found:
        np.testing.assert_allclose([row.sum(), column.sum()], 1)
        assert min(row.min(), column.min()) >= 0
        assert (payoffs[..., 0] @ column).max() <= row @ payoffs[..., 0] @ column + 1e-8
        assert (row @ payoffs[..., 1]).max() <= row @ payoffs[..., 1] @ column + 1e-8
    pure = {(*np.eye(len(payoffs))[i], *np.eye(payoffs.shape[1])[j]) for i, j in brute_force(payoffs)}
    assert pure <= key(found)


def test_all_extreme_equilibria_of_a_degenerate_game():
    # Against row 0 both columns are as good, and row 0 stays a best reply until column 1 has probability 1/2.
    payoffs = np.array([[[1, 1], [1, 1]], [[0, 0], [2, 1]]], dtype=float)
    found, complete = mixed_nash(payoffs)
    assert not complete
    assert key(found) == {(1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 0.5, 0.5)}


def test_degenerate_games_are_marked():
    found, complete = mixed_nash(np.zeros((2, 3, 2)))
    assert not complete
    assert len(found) == 6


def test_lemke_howson_where_enumeration_is_too_long(monkeypatch):
    payoffs = np.random.default_rng(1).normal(size=(5, 5, 2))
    everything, _ = mixed_nash(payoffs)
    monkeypatch.setattr(extreme, "EXACT_LIMIT", 0)
    monkeypatch.setattr(extreme, "VERTEX_LIMIT", 0)
    found, complete = mixed_nash(payoffs)
    assert found
    assert not complete
    assert key(found) <= key(everything)


@given(games())
def test_optimum_and_pareto_front(payoffs):
    rows = payoffs.reshape(-1, payoffs.shape[-1])
    joint = np.array(list(product(*map(range, payoffs.shape[:-1]))))
    assert joint_optimum(payoffs).tolist() == joint[rows.sum(axis=1).argmax()].tolist()
    undominated_rows = [not any(np.all(other >= row) and np.any(other > row) for other in rows) for row in rows]
    assert pareto_front(payoffs).tolist() == joint[undominated_rows].tolist()


def actions(*shape, labels=()):
    values = np.arange(max(shape), dtype=float) * 10
    return Actions("price", np.stack([values] * len(shape)), labels=labels)


def test_benchmarks_of_the_dilemma():
    benchmarks = grid_benchmarks(NormalForm.from_tensor(DILEMMA), actions(2, 2))
    assert [profile.name for profile in benchmarks.competitive] == ["Nash on the grid"]
    assert benchmarks.nash.actions.tolist() == [1, 1]
    assert benchmarks.nash.quantities["price"].tolist() == [10, 10]
    assert benchmarks.optimum.payoffs.tolist() == [3, 3]
    assert benchmarks.complete
    assert not benchmarks.notes


def test_benchmarks_without_pure_equilibrium():
    benchmarks = grid_benchmarks(NormalForm.from_tensor(PENNIES), actions(2, 2, labels=("heads", "tails")))
    assert [profile.concept for profile in benchmarks.competitive] == ["mixed-nash"]
    np.testing.assert_allclose(benchmarks.nash.strategies, 0.5)
    np.testing.assert_allclose(benchmarks.nash.payoffs, 0, atol=1e-12)
    assert "price" not in benchmarks.nash.quantities  # a mean of labels means nothing
    assert "no Nash equilibrium in pure strategies" in benchmarks.notes
    assert any("4 joint actions" in note for note in benchmarks.notes)


def test_benchmarks_list_the_least_profitable_equilibrium_first():
    stag_hunt = np.array([[[4, 4], [0, 3]], [[3, 0], [3, 3]]], dtype=float)
    benchmarks = grid_benchmarks(NormalForm.from_tensor(stag_hunt), actions(2, 2))
    assert [profile.average for profile in benchmarks.competitive[:2]] == [3, 4]
    assert benchmarks.competitive[2].concept == "mixed-nash"
    assert benchmarks.competitive[2].quantities["price"] == pytest.approx([2.5, 2.5])
    assert any("2 pure Nash equilibria" in note for note in benchmarks.notes)


def test_benchmarks_tell_that_nash_is_optimal():
    common = np.array([[[2, 2], [0, 0]], [[0, 0], [1, 1]]], dtype=float)[:1]
    benchmarks = grid_benchmarks(NormalForm.from_tensor(common), actions(1, 2))
    assert any("attains the joint optimum" in note for note in benchmarks.notes)


def test_benchmarks_of_three_players_without_pure_equilibrium():
    form = NormalForm.from_tensor(np.concatenate([PENNIES, np.zeros((2, 2, 1))], axis=2)[:, :, None])
    benchmarks = grid_benchmarks(form, actions(2, 2, 1))
    assert [profile.concept for profile in benchmarks.competitive] == ["mixed-nash"]
    assert benchmarks.complete


def test_benchmarks_average_over_regimes():
    shock = np.array([[0.0, 0.0], [1.0, -1.0]])[:, None]
    payoffs = np.stack([CHICKEN.reshape(-1, 2) + np.repeat(s, 4, axis=0) for s in shock])
    form = NormalForm(payoffs, (2, 2), np.full((2, 2), 0.5), False, np.ones((2, 2), dtype=bool))
    benchmarks = grid_benchmarks(form, actions(2, 2))
    assert benchmarks.nash.payoffs == pytest.approx(CHICKEN[0, 1] + [0.5, -0.5])


def test_long_lists_are_cut():
    benchmarks = grid_benchmarks(NormalForm.from_tensor(np.zeros((8, 8, 2))), actions(8, 8))
    assert len(benchmarks.competitive) == equilibrium.LISTED
    assert not benchmarks.complete
    assert any("64 pure" in note for note in benchmarks.notes)

import nashpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.games.matrix import Matrix

tables = st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=2, max_size=2)


def test_payoffs_are_indexed_by_player_then_actions():
    game = Matrix(payoffs=[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]], labels=["a", "b", "c"])
    form = game.form()
    assert form.shape == (2, 3)
    assert form.tensor()[1, 2].tolist() == [6, 12]
    assert game.actions().labels == ("a", "b", "c")
    assert game.actions().values.shape == (2, 3)
    assert game.n_players == 2


def test_three_players():
    payoffs = np.zeros((3, 2, 2, 2))
    payoffs[:, 1, 1, 1] = 1
    benchmarks = Matrix(payoffs=payoffs.tolist()).benchmarks()
    assert benchmarks.optimum.actions.tolist() == [1, 1, 1]
    assert [1, 1, 1] in [p.actions.tolist() for p in benchmarks.competitive]


@given(tables, tables)
@settings(max_examples=30)
def test_pure_equilibria_agree_with_nashpy(rows, columns):
    game = Matrix(payoffs=[rows, columns])
    oracle = nashpy.Game(rows, columns)
    pure = {(a, b) for a in range(2) for b in range(3) if all(oracle.is_best_response(np.eye(2)[a], np.eye(3)[b]))}
    found = {tuple(p.actions) for p in game.benchmarks().competitive if p.actions is not None}
    assert found == pure


def test_battle_of_the_sexes_agrees_with_nashpy():
    game = Matrix()
    mixed = [p for p in game.benchmarks().competitive if p.strategies]
    expected = [
        pair for pair in nashpy.Game(*np.array(game.payoffs)).support_enumeration() if np.all(np.array(pair) < 1)
    ]
    assert len(mixed) == len(expected) == 1
    assert np.array(mixed[0].strategies) == pytest.approx(np.array(expected[0]))


def test_scenario_file_round_trip():
    game = Matrix(payoffs=[[[1, 2]], [[3, 4]]], labels=["left", "right"])
    assert Matrix.model_validate_json(game.model_dump_json()) == game
    assert isinstance(hash(game), int)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"payoffs": [[1, 2], [3]]}, "payoffs"),
        ({"payoffs": 3}, "payoffs"),
        ({"payoffs": "table"}, "payoffs"),
        ({"payoffs": None}, "payoffs"),
        ({"payoffs": [[[1, 2], [3, 4]]]}, "payoffs"),
        ({"payoffs": [[[]], [[]]]}, "payoffs"),
        ({"payoffs": [[[1, float("nan")]], [[1, 2]]]}, "payoffs"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": ["a", "a"]}, "labels"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        Matrix(**parameters)
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)

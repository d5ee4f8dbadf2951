import nashpy
import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.prisoners_dilemma import PrisonersDilemma


def test_axelrods_dilemma():
    game = PrisonersDilemma()
    tensor = game.form().tensor()
    assert tensor.tolist() == [[[3, 3], [0, 5]], [[5, 0], [1, 1]]]
    equilibria = list(nashpy.Game(tensor[..., 0], tensor[..., 1]).support_enumeration())
    assert np.array(equilibria).tolist() == [[[0, 1], [0, 1]]]
    benchmarks = game.benchmarks()
    assert [p.actions.tolist() for p in benchmarks.competitive] == [[1, 1]]
    assert benchmarks.optimum.actions.tolist() == [0, 0]
    assert not any("taking turns" in note for note in benchmarks.notes)
    assert game.actions().labels == ("cooperate", "defect")


@pytest.mark.parametrize("temptation", [6.0, 9.0])
def test_a_large_temptation_is_noted(temptation):
    assert any("taking turns" in note for note in PrisonersDilemma(temptation=temptation).benchmarks().notes)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"temptation": 3}, "temptation"),
        ({"reward": 1}, "reward"),
        ({"punishment": -1}, "punishment"),
        ({"sucker": float("nan")}, "sucker"),
        ({"temptation": float("inf")}, "temptation"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        PrisonersDilemma(**parameters)
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)

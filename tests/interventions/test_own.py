"""Interventions that users write: in a file, in a module, as an object; and their mistakes."""

import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import TacitError
from tacitlab.interventions import Intervention, Steering
from tacitlab.lab.experiment import from_mapping
from tacitlab.schema import param

DOCS = (Path(__file__).parents[2] / "docs" / "interventions.md").read_text()


def give_every_third(game, table, scene, t, joint, regime):
    """One agent in turn is paid its due and a gift."""
    table.agents[t % table.agents.size].payoff += scene.numbers[0]


class Gifts(Intervention):
    """A gift for one agent after the other."""

    kind: Literal["gifts"] = "gifts"
    size: float = param(1.0, "the gift", ge=0)

    def steering(self, game, form):
        return Steering(after=give_every_third, numbers=np.array([self.size]))


TREE = {
    "environment": {"kind": "braess", "players": 6}, "learners": {"kind": "random"}, "length": {"periods": 60},
    "sessions": 2, "trace": {"windows": 10},
}  # fmt: skip


def test_an_object_acts_and_is_written_down(tmp_path):
    from_object = tacitlab.Experiment(
        **{**TREE, "learners": tacitlab.learners.Random(), "intervention": Gifts(size=3.0)}
    )
    assert from_object.dump()["intervention"] == {"kind": f"{Path(__file__).resolve()}:Gifts", "size": 3.0}
    plain, paid = tacitlab.run(from_mapping(TREE)), tacitlab.run(from_object, tmp_path / "run")
    np.testing.assert_allclose(paid.data["payoff"], plain.data["payoff"] + 3.0 / 6, atol=1e-12)
    read = tacitlab.load(tmp_path / "run").experiment
    assert read.dump() == from_object.dump()
    assert read.intervention.size == 3.0
    own = {"kind": "own", "source": "test_own:Gifts", "options": {"size": 3.0}}
    assert tacitlab.run(from_mapping({**TREE, "intervention": own})).data.equals(paid.data)
    swept = from_mapping(from_object.dump(), [("sweep", {"intervention.size": [0.0, 3.0]})])
    data = tacitlab.run(swept).data
    assert data.sel(size=3.0, drop=True)["payoff"].equals(paid.data["payoff"])
    np.testing.assert_allclose(data.sel(size=0.0, drop=True)["payoff"], plain.data["payoff"], atol=1e-12)


def test_the_example_of_the_documentation(tmp_path, monkeypatch):
    code = re.search(r"```python\n# rotate.py\n(.*?)```", DOCS, re.DOTALL).group(1)
    (tmp_path / "rotate.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    play = re.search(r"```python\nimport tacitlab\n(.*?)```", DOCS, re.DOTALL).group(1)
    exec("import tacitlab\n" + play, names)
    assert names["result"].data.sizes["session"] == names["experiment"].sessions
    assert names["experiment"].intervention.every == 2


def test_a_run_stays_readable_when_the_class_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone.py").write_text(BAD.replace("np.zeros(3).size", "1"))
    monkeypatch.chdir(tmp_path)
    made = from_mapping({**TREE, "intervention": {"kind": "own", "source": "gone.py:Bad"}})
    result = tacitlab.run(made, tmp_path / "run")
    (tmp_path / "gone.py").unlink()
    assert tacitlab.load(tmp_path / "run").data.equals(result.data)
    with pytest.raises(TacitError, match="cannot be loaded"):
        tacitlab.run(made)


BAD = """
from tacitlab.interventions import Intervention, Steering
import numpy as np
from typing import Literal

def allocates(game, table, scene, t):
    scene.signal[0] = np.zeros(3).size

class Bad(Intervention):
    kind: Literal["bad"] = "bad"
    def steering(self, game, form):
        return Steering(2, allocates)

class Lost(Intervention):
    kind: Literal["lost"] = "lost"
    def steering(self, game, form):
        return Steering(2, lambda game, table, scene, t: scene.nothing)
"""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("bad.py:Bad", "intervention: its functions cannot be compiled"),
        ("bad.py:Lost", "intervention: its functions cannot be compiled"),
        ("bad.py:Nobody", "intervention.source: 'bad.py:Nobody' is no class of interventions"),
        ("missing.py:Bad", "intervention.source: 'missing.py:Bad' cannot be loaded"),
        ("no.such.module:Bad", "cannot be loaded"),
        ("bad.py", "intervention.source"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, monkeypatch, source, words):
    (tmp_path / "bad.py").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TacitError) as error:
        tacitlab.run(from_mapping({**TREE, "intervention": {"kind": "own", "source": source}}))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_options_are_checked():
    with pytest.raises(TacitError, match=r"intervention.options.size: -1 is too small"):
        from_mapping({**TREE, "intervention": {"kind": "own", "source": "test_own:Gifts", "options": {"size": -1}}})

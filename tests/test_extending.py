"""Members of one's own: what `tacit new` writes works at once, and the guide shows just that."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tacitlab import scaffold
from tacitlab.cli import app, guarded
from tacitlab.errors import TacitError

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "extending.md").read_text()
SMALL = {
    "game": ["sessions=2", "length.stable_for=200", "--no-report"],
    "market": ["sessions=1", "length.episodes=20", "learners.rollout=8", "learners.hidden=[4]", "--no-report"],
    "learner": ["sessions=2", "length.stable_for=200", "--no-report"],
    "deep-learner": ["sessions=1", "length.episodes=20", "--no-report"],
    "measure": [],
    "study": [],
}


def tacit(*words) -> int:
    return guarded(lambda: app(list(map(str, words)), standalone_mode=False))


def test_the_guide_shows_every_template():
    blocks = re.findall(r"```python\n(.*?)```\n", GUIDE, re.DOTALL)
    assert blocks == [scaffold.written(sort, f"my_{sort.replace('-', '_')}") for sort in scaffold.USES]


def test_the_guide_says_how_each_is_used():
    for sort, use in scaffold.USES.items():
        name = f"my_{sort.replace('-', '_')}"
        told = use.replace("NAME", f"{name}.py:{scaffold.names(name)[0]}").replace("FILE", f"{name}.py")
        for line in (f"tacit new {sort} {name}", *told.split("; ")):
            assert f"\n{line}\n" in GUIDE


@pytest.mark.parametrize("sort", scaffold.USES)
def test_what_is_written_works_at_once(sort, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert tacit("new", sort, "own_thing") == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (said["file"], said["test"]) == ("own_thing.py", "pytest test_own_thing.py")
    _, *words = shlex.split(said["test"])
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    tested = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *words]
    done = subprocess.run(tested, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert tacit(*shlex.split(said["check"])[1:]) == 0
    assert "OwnThing: a" in capsys.readouterr().out
    for line in said["use"].split("; "):
        _, command, *rest = shlex.split(line)
        small = SMALL["game" if sort == "measure" else sort] if command == "run" else []
        assert tacit(command, *rest, *small) == 0, capsys.readouterr().err
    assert list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize("sort", scaffold.USES)
def test_nothing_of_the_template_is_left_under_another_name(sort):
    for part in ("", "test_"):
        text = scaffold.written(sort, "stag_hunt", part)
        assert not re.search(r"\b[mM]y[A-Z_-]", text)
        compile(text, "stag_hunt.py", "exec")
    assert "class StagHunt" in scaffold.written(sort, "stag_hunt")
    assert '= "stag-hunt"' in scaffold.written(sort, "stag_hunt")


MISTAKES = {
    ("gam", "own"): "sort: 'gam' is unknown; did you mean 'game'?",
    ("theory", "own"): "sort: 'theory' is unknown; choose from game, market, learner, deep-learner, measure, study",
    ("game", "my-game"): "name: 'my-game' is no name of a module; take letters, digits and _, such as my_game",
    ("game", "../own"): "name: '../own' is no name of a module",
    ("game", "class"): "name: 'class' is no name of a module",
    ("game", "json"): "name: 'json' is a module that Python knows already; choose another name",
    ("game", "numpy"): "name: 'numpy' is a module that Python knows already",
    ("market", "market"): "name: 'market' gives a market of the name Market, which its file uses; choose another name",
}


@pytest.mark.parametrize(("sort", "name"), MISTAKES)
def test_mistakes_are_told_and_nothing_is_written(sort, name, tmp_path):
    with pytest.raises(TacitError) as error:
        list(scaffold.create(sort, name, tmp_path))
    assert str(error.value).startswith(MISTAKES[sort, name])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["own.py", "test_own.py"])
def test_nothing_is_overwritten(there, tmp_path):
    (tmp_path / there).write_text("mine")
    with pytest.raises(TacitError, match=f"name: {there} is there already; choose another name, or remove it"):
        list(scaffold.create("game", "own", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"

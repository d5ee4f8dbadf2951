"""What is said of a name that is something else than what is needed: read as somebody who tries it first."""

import shlex
import shutil
from pathlib import Path

import pytest

import tacitlab
from tacitlab import catalogue, cli, naming, registry
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import load
from tacitlab.metagame.run import estimate
from tacitlab.metagame.run import load as read_metagame
from tacitlab.studies import run_study
from tacitlab.sweep import sweep
from tacitlab.sweep.driver import begin

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORT = ["sessions=2", "length.periods=100", "length.stable_for=0", "trace.window=20", "trace.windows=5"]
STAG = "use it by `tacit run prisoners-dilemma \"environment={kind: 'stag_hunt.py:StagHunt'}\" sessions=20`"
FISH = 'use it by `tacit run two-step "environment={kind: \'fishery.py:Fishery\'}" "learners={kind: ppo}"'
NO_KIND = """
import numpy as np
from tacitlab.games import Actions, NormalForm, StageGame

class FlatPay(StageGame):
    def actions(self): return Actions("choice", np.array([[0.0, 1.0]] * 2))
    def form(self): return NormalForm.from_tensor(np.ones((2, 2, 2)))
"""
LINE = 'FlatPay has none; add the line `kind: Literal["flat-pay"] = "flat-pay"` to the class'
STUDY = """
from tacitlab.studies.base import Finding, Study
class Plain(Study):
    name, question, source = "plain", "is it?", "mine"
    def find(self, preset, play): return Finding("It is.", ())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of files of all sorts, and of what a run, a sweep, a meta-game and a study leave."""
    place = tmp_path_factory.mktemp("work")
    for name in ("stag_hunt.py", "fishery.py"):
        shutil.copy(EXAMPLES / name, place)
    (place / "nothing.py").write_text("x = 1\n")
    (place / "no_kind.py").write_text(NO_KIND)
    (place / "untyped.py").write_text(NO_KIND.replace("(StageGame):", '(StageGame):\n    kind = "flat"'))
    (place / "plain.py").write_text(STUDY)
    (place / "nameless.py").write_text(STUDY.replace('name, question, source = "plain", "is it?", "mine"', "x = 1"))
    (place / "data.csv").write_text("a,b\n1,2\n")
    (place / "runs" / "empty").mkdir(parents=True)
    tacitlab.run(load("prisoners-dilemma", SHORT), place / "runs/one")
    begin(place / "runs/many", sweep.load("prisoners-dilemma", SHORT, ["learners.alpha=[0.1, 0.2]"]))
    estimate(tacitlab.load_metagame("bertrand-designers", ["periods=20", "sessions=2", "grid={}"]), place / "runs/meta")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(place)
        run_study("plain.py", "quick")
    return place


def test_folders_are_known_by_what_made_them(folder):
    names = {"one": "run", "many": "sweep", "meta": "meta-game", "study-plain-quick": "study", "empty": ""}
    assert {name: naming.holds(folder / "runs" / name) for name in names} == names


@pytest.mark.parametrize(("words", "message"), [
    ("run stag_hunt.py", f"stag_hunt.py: a Python file with a game, no scenario; {STAG}"),
    ("run stag_hunt.py:StagHunt", f"stag_hunt.py:StagHunt: a game, no scenario; {STAG}"),
    ("run fishery.py", f"fishery.py: a Python file with a market, no scenario; {FISH}"),
    ("run tacitlab.learners:PPO", "tacitlab.learners:PPO: a learner, no scenario; use it by `tacit run"),
    ("run nothing.py", "nothing.py: a Python file in which no game or learner is found, no scenario; `tacit new game"),
    ("run missing.py", "missing.py: no such scenario or file; `tacit list` shows them"),
    ("run data.csv", "data.csv: not a scenario; it needs fields such as environment: and learners:"),
    ("run kyle.yaml", "kyle.yaml: cannot be read (No such file or directory); did you mean 'kyle'?"),
    ("run runs/one", "runs/one: the folder of a run, no scenario; use it by `tacit report runs/one`"),
    ("run runs/many", "runs/many: the folder of a sweep, no scenario; use it by `tacit sweep --status runs/many`"),
    ("run runs/empty", "runs/empty: no such scenario or file; `tacit list` shows them"),
    ("run bertrand-collusion", "bertrand-collusion: a study, no scenario; use it by `tacit study bertrand-collusion`"),
    ("run bertrand-designers", "bertrand-designers: a meta-game, no scenario; use it by `tacit metagame bertrand-des"),
    ("run toll", "toll: an intervention, no scenario; use it by `tacit run braess \"intervention={kind: 'toll'}\""),
    ("sweep stag_hunt.py --over x=[1]", f"stag_hunt.py: a Python file with a game, no scenario; {STAG}"),
    ("metagame stag_hunt.py", "stag_hunt.py: a Python file with a game, no meta-game; use it by"),
    ("metagame bertrand", "bertrand: a scenario, no meta-game; use it by `tacit run bertrand`"),
    ("metagame bertrand-designer", "bertrand-designer: no such meta-game or file; did you mean 'bertrand-designers'?"),
    ("metagame data.csv", "data.csv: not a meta-game; it needs fields such as environment: and learner:"),
    ("metagame bertrand-designers --out runs/one", "runs/one: the folder of a run, no meta-game; use it by"),
    ("show data.csv", "data.csv: a file, no kind; `tacit list` shows what there is, or name FILE.py:CLASS"),
    ("show bertrnd", "bertrnd: unknown; did you mean 'bertrand'?"),
    ("show missing.py", "missing.py cannot be read (No such file or directory); name a Python file, from"),
    ("show nothing.py", "nothing.py has no class that is a game, a market, a learner, an intervention, a measure or a"),
    ("show runs/many", "runs/many: the folder of a sweep, no run; use it by `tacit sweep --status runs/many`"),
    ("show runs/empty", "runs/empty: no run (it has no manifest.json); name a folder that `tacit run` made"),
    ("check runs/one", "runs/one: the folder of a run, no kind; use it by `tacit report runs/one`"),
    ("study stag_hunt.py", "stag_hunt.py has no class that is a study; derive one from Study"),
    ("study data.csv", "data.csv: a file, no study; `tacit list` shows them, or name a file of yours"),
    ("study kyle", "kyle: a scenario, no study; use it by `tacit run kyle`"),
    ("report stag_hunt.py", f"stag_hunt.py: a Python file with a game, no run; {STAG}"),
    ("report data.csv", "data.csv: a file, no run; name a folder that `tacit run` made"),
    ("report bertrand", "bertrand: a scenario, no run; use it by `tacit run bertrand`"),
    ("report one", "one: no such file or folder; did you mean runs/one?"),
    ("report runs", "runs: a folder, no run; name one that is in it, for example runs/many, runs/meta, runs/one"),
    ("report runs/one/manifest.json", "runs/one/manifest.json: a file in the folder of a run, no run; name runs/one"),
    ("report runs/many", "runs/many: the folder of a sweep, no run; use it by `tacit sweep --status runs/many`"),
    ("report runs/study-plain-quick", "runs/study-plain-quick: the folder of a study, no run; use it by `tacit study"),
    ("measure runs/meta", "runs/meta: the folder of a meta-game, no run; use it by `tacit report runs/meta`"),
    ("export runs/meta", "runs/meta: the folder of a meta-game, no run; use it by `tacit report runs/meta`"),
    ("run --resume runs/many", "runs/many: the folder of a sweep, no run; use it by `tacit sweep --status"),
    ("sweep --resume runs/one", "runs/one: the folder of a run, no sweep; use it by `tacit report runs/one`"),
    ("sweep --status data.csv", "data.csv: a file, no sweep; name a folder that `tacit sweep` made"),
])  # fmt: skip
def test_what_it_is_and_how_it_is_used(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    assert cli.guarded(lambda: cli.app(words.split(), standalone_mode=False)) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"tacit: {message}")
    assert told.count("\n") == 1


@pytest.mark.parametrize(("words", "message"), [
    (["show", "no_kind.py"], f"kind: {LINE}"),
    (["run", "prisoners-dilemma", "environment={kind: no_kind.py}"], f"environment.kind: {LINE}"),
    (["show", "untyped.py"], 'non-annotated attribute was detected: `kind = \'flat\'`.'),
    (["show", "untyped.py"], 'write kind: Literal["flat"] = "flat"'),
    (["show", "nameless.py"], 'name: Plain has none; add the line `name = "plain"` to the class'),
    (["study", "nameless.py"], 'name: Plain has none; add the line `name = "plain"` to the class'),
])  # fmt: skip
def test_what_a_class_lacks_is_a_line_to_add(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    assert cli.guarded(lambda: cli.app(words, standalone_mode=False)) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_check_says_which_line_is_missing(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert cli.guarded(lambda: cli.app(["check", "no_kind.py"], standalone_mode=False)) == 1
    assert LINE in capsys.readouterr().out


def test_the_line_that_is_said_mends_it(tmp_path):
    line = LINE.split("`")[1]
    text = "from typing import Literal\n" + NO_KIND.replace("(StageGame):", f"(StageGame):\n    {line}")
    (tmp_path / "mended.py").write_text(text)
    assert load("prisoners-dilemma", [f"environment={{kind: {tmp_path}/mended.py}}"]).environment.kind == "flat-pay"


@pytest.mark.parametrize(("room", "name"), [
    ("game", "stag_hunt.py"), ("market", "fishery.py:Fishery"), ("learner", "sarsa"), ("intervention", "toll"),
])  # fmt: skip
def test_what_is_said_to_be_run_can_be(folder, monkeypatch, room, name):
    monkeypatch.chdir(folder)
    _, command, scenario, *overrides = shlex.split(naming.USES[room].replace("NAME", name))
    made = load(scenario, overrides)
    found = {"learner": made.learners[0], "intervention": made.intervention}.get(room, made.environment)
    assert command == "run"
    assert type(found) is registry.find(room, name)


def test_a_meta_game_is_shown(capsys):
    catalogue.print_one("bertrand-designers", ["grid.gamma=[0.5]"])
    told = capsys.readouterr().out
    assert "learning rate, alpha" in told
    assert "joint optimum" in told


def test_reading_a_run_as_a_meta_game(folder):
    with pytest.raises(TacitError, match=r"runs/one: the folder of a run, no meta-game; use it by `tacit report"):
        read_metagame(folder / "runs/one")


def test_members_of_a_file_are_found_without_executing_it(folder):
    assert registry.members_in(folder / "stag_hunt.py") == {"StagHunt": "game"}
    assert registry.members_in(folder / "plain.py") == {"Plain": "study"}
    (folder / "broken.py").write_text("raise SystemExit\n" + NO_KIND + "\nclass Again(FlatPay):\n    pass\n")
    assert registry.members_in(folder / "broken.py") == {"FlatPay": "game", "Again": "game"}

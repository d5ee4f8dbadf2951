"""Going on with a run: by the program that it was begun with, or not without saying so."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import Interrupted, TacitError
from tacitlab.lab import program
from tacitlab.lab.experiment import from_mapping

RULES = """
from typing import Literal
import numpy as np
from tacitlab.interventions import Intervention, Steering
from gift import SIZE

def give(game, table, scene, t, joint, regime):
    table.agents[t % table.agents.size].payoff += scene.numbers[0]

class Gifts(Intervention):
    kind: Literal["gifts"] = "gifts"

    def steering(self, game, form):
        return Steering(after=give, numbers=np.array([SIZE]))
"""


@pytest.fixture
def gifts(tmp_path, monkeypatch):
    """Forty sessions with a rule of the user's, which imports a file beside it."""
    (tmp_path / "rules.py").write_text(RULES)
    (tmp_path / "gift.py").write_text("SIZE = 6.0\n")
    monkeypatch.chdir(tmp_path)
    yield from_mapping({
        "environment": {"kind": "braess", "players": 6}, "learners": {"kind": "random"}, "length": {"periods": 60},
        "sessions": 40, "trace": {"windows": 10},
        "intervention": {"kind": f"{tmp_path}/rules.py:Gifts"},
    })  # fmt: skip
    sys.modules.pop("gift", None)


def interrupted(experiment, folder):
    """Begin a run and stop it after half of its sessions."""

    def stop(done, total):
        if done >= total / 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        tacitlab.run(experiment, folder, threads=1, progress=stop)


GO_ON = "import sys; from tacitlab.cli import main; main()"


def resumed(*more):
    """Go on from the command line: a process that has loaded nothing yet."""
    command = [sys.executable, "-c", GO_ON, "run", "--resume", "run", "--no-report", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def test_a_run_does_not_go_on_with_another_program(gifts, tmp_path):
    full = tacitlab.run(gifts)
    interrupted(gifts, "run")
    (tmp_path / "gift.py").write_text("SIZE = 600.0\n")
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    done = resumed()
    assert done.returncode == 2
    assert "executing" not in done.stderr, "nothing is executed before the comparison"
    assert "20 of 40 sessions were played by another program (gift.py)" in done.stderr.replace("22 of", "20 of")
    assert done.stderr.count("\n") == 1
    assert json.loads((tmp_path / "run/manifest.json").read_text()) == manifest
    mixed = resumed("--anyway")
    assert mixed.returncode == 0, mixed.stderr
    assert f"executing {tmp_path}/gift.py, which has changed" in mixed.stderr
    data = tacitlab.load("run").data["payoff"].mean(("time", "agent")).values
    assert np.allclose(data[:20], full.data["payoff"].mean(("time", "agent")).values[:20])
    assert data[-1] > 90
    (entry,) = json.loads((tmp_path / "run/manifest.json").read_text())["anyway"]
    assert entry["differs"] == "gift.py"
    assert entry["sessions"] in (20, 22)


def test_the_copy_plays_on_when_the_file_is_gone(gifts, tmp_path):
    full = tacitlab.run(gifts)
    interrupted(gifts, "run")
    (tmp_path / "rules.py").unlink()
    done = resumed()
    assert done.returncode == 0, done.stderr
    assert f"executing {tmp_path}/run/sources/rules.py: the copy in the folder" in done.stderr
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["content_hash"] == full.manifest["content_hash"]


def test_a_changed_copy_is_not_executed(gifts, tmp_path):
    interrupted(gifts, "run")
    (tmp_path / "rules.py").unlink()
    (tmp_path / "run/sources/rules.py").write_text("open('EXECUTED', 'w')")
    done = resumed()
    assert done.returncode == 2
    assert "rules.py is gone, and sources/rules.py is not what it was" in done.stderr
    assert not (tmp_path / "EXECUTED").exists()


def test_libraries_and_code_count_too(duopoly, tmp_path, monkeypatch):
    interrupted(duopoly, tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    known = program._version
    monkeypatch.setattr(program, "_version", lambda name: "9.9" if name == "numba" else known(name))
    with pytest.raises(TacitError, match=r"another program \(numba [0-9.]+, now 9.9\); bring that back"):
        tacitlab.resume(tmp_path / "run")
    told = []
    tacitlab.resume(tmp_path / "run", anyway=True, tell=told.append)
    assert told == ["note: goes on with another program than it was begun with (numba 0.68.1, now 9.9)".replace(
        "0.68.1", known("numba"))]  # fmt: skip
    tacitlab.resume(tmp_path / "run")  # complete: nothing is played
    monkeypatch.setattr(program, "_version", known)
    monkeypatch.setattr(program, "_digest", lambda file: "other" if file.name == "kernel.py" else "same")
    program._code.cache_clear()
    with pytest.raises(TacitError, match=r"another program \(.* more of tacitlab\)"):
        tacitlab.resume(tmp_path / "other")
    program._code.cache_clear()


def test_a_run_from_before_goes_on_with_a_note(duopoly, tmp_path):
    full = tacitlab.run(duopoly)
    interrupted(duopoly, tmp_path / "run")
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    for name in ("program", "sources", "description"):
        manifest.pop(name, None)
    (tmp_path / "run/manifest.json").write_text(json.dumps(manifest))
    told = []
    done = tacitlab.resume(tmp_path / "run", tell=told.append)
    assert done.manifest["content_hash"] == full.manifest["content_hash"]
    assert len(told) == 1
    assert "says nothing of the code" in told[0]
    assert "unknown" in done.manifest["anyway"][0]["differs"]


def test_a_run_that_was_interrupted_says_nothing_of_it(duopoly, tmp_path):
    interrupted(duopoly, tmp_path / "run")
    assert "anyway" not in tacitlab.resume(tmp_path / "run").manifest


def test_a_metagame_does_not_go_on_with_another_program(tmp_path, monkeypatch):
    from tacitlab.games import PrisonersDilemma
    from tacitlab.learners import QLearning
    from tacitlab.metagame import run as metagame
    from tacitlab.metagame.game import MetaGame

    monkeypatch.setattr(metagame, "BLOCK", 10_000)  # many blocks
    game = MetaGame(environment=PrisonersDilemma(), learner=QLearning(), grid={"alpha": [0.1, 0.5, 0.9]}, periods=500,
                    sessions=20)  # fmt: skip
    whole = metagame.estimate(game)

    def stop(done, total):
        if done > total / 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        metagame.estimate(game, tmp_path / "m", threads=1, progress=stop)
    with monkeypatch.context() as other:
        known = program._version
        other.setattr(program, "_version", lambda name: "9.9" if name == "numba" else known(name))
        with pytest.raises(TacitError, match=r"played by another program \(numba [0-9.]+, now 9.9\); bring that back"):
            metagame.estimate(game, tmp_path / "m")
        mixed = metagame.estimate(game, tmp_path / "m", anyway=True)
    assert np.array_equal(mixed.game.row.mean, whole.game.row.mean)  # its version number is all that differs
    assert "numba" in json.loads((tmp_path / "m/manifest.json").read_text())["anyway"][0]["differs"]
    assert np.array_equal(metagame.estimate(game, tmp_path / "m").game.row.mean, whole.game.row.mean)  # read


OWN_STUDY = """
import json
from pathlib import Path
import tacitlab
from tacitlab.lab.experiment import from_mapping
from tacitlab.measures.statistics import mean_interval
from tacitlab.metagame.game import metagame_from
from tacitlab.studies.base import Claim, Finding, Study, at_least
from tacitlab.studies.metagames import estimated

class Given(Study):
    name = "given"
    question = "does a gift help?"
    source = "arithmetic"

    def find(self, preset, play):
        result = play(from_mapping(json.loads(Path("gifts.json").read_text())))
        estimated(play, metagame_from(json.loads(Path("designers.json").read_text())))
        payoffs = result.data["payoff"].mean(("time", "agent"))
        return Finding("It does.", (Claim("mean payoff", mean_interval(payoffs), margin=at_least(0.0)),))
"""
DESIGNERS = {
    "name": "designers", "environment": {"kind": "prisoners-dilemma"}, "learner": {"kind": "q-learning"},
    "grid": {"alpha": [0.1, 0.5]}, "periods": 50, "sessions": 2,
}  # fmt: skip


@pytest.fixture
def own_study(gifts, tmp_path):
    """A study of a user's with a run and a meta-game, and the folder that it plays into."""
    (tmp_path / "given.py").write_text(OWN_STUDY)
    (tmp_path / "gifts.json").write_text(json.dumps({**gifts.dump(), "name": "gifts"}))
    (tmp_path / "designers.json").write_text(json.dumps(DESIGNERS))
    return tmp_path / "runs/study-given-quick"


def study(*more):
    command = [sys.executable, "-c", GO_ON, "study", "given.py", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


def refused(done, folder, mend):
    """Whether it ended with one line about a file that has changed."""
    assert done.returncode == 2
    assert f"{folder}: " in done.stderr
    assert "played by another program (gift.py)" in done.stderr
    assert mend in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_a_study_goes_on_with_another_program_only_if_it_is_told_to(own_study, gifts):
    named = gifts.model_copy(update={"name": "gifts"})
    interrupted(named, own_study / "gifts")
    Path("gift.py").write_text("SIZE = 600.0\n")
    refused(study(), "runs/study-given-quick/gifts", "or mix both with --anyway")
    done = study("--anyway")
    assert done.returncode == 0, done.stderr
    assert "gift.py, which has changed" in done.stderr
    assert "another program" in done.stderr
    mixed = json.loads((own_study / "gifts/manifest.json").read_text())["anyway"]
    assert [entry["differs"] for entry in mixed] == ["gift.py"]
    assert tacitlab.load(own_study / "gifts").data["payoff"].mean(("time", "agent")).values[-1] > 90
    assert study().returncode == 0  # all is there, played by what is there now


def test_a_study_reads_what_another_program_has_played_only_if_it_is_told_to(own_study):
    assert study().returncode == 0
    Path("gift.py").write_text("SIZE = 600.0\n")
    refused(study(), "runs/study-given-quick/gifts", "or take it as it is with --anyway")
    assert study("--anyway").returncode == 0
    assert "anyway" not in json.loads((own_study / "gifts/manifest.json").read_text())  # nothing was mixed


def test_a_meta_game_in_a_study_goes_on_anyway_too(own_study, monkeypatch):
    assert study().returncode == 0
    manifest = json.loads((own_study / "designers/manifest.json").read_text())
    manifest = {**manifest, "status": "running"}
    manifest["program"]["libraries"]["numba"] = "0.1"
    (own_study / "designers/manifest.json").write_text(json.dumps(manifest))
    done = study()
    assert done.returncode == 2
    assert "designers: it was played by another program (numba 0.1, now" in done.stderr
    assert study("--anyway").returncode == 0
    assert "numba 0.1" in json.loads((own_study / "designers/manifest.json").read_text())["anyway"][0]["differs"]

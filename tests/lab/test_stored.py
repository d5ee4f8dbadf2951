"""What a run keeps: read without executing anything, whoever wrote its game, market, learner or rule."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import TacitError
from tacitlab.lab import described
from tacitlab.lab.result import benchmarks_of
from tacitlab.metagame import run as metagames
from tacitlab.metagame.analysis import Analysis
from tacitlab.store.folder import RunFolder
from tacitlab.sweep import sweep

OWN = '''
from pathlib import Path
from typing import Literal
import numpy as np
from helper import LEAST
from tacitlab.games.base import Actions, NormalForm, StageGame
from tacitlab.interventions import Intervention, Steering
from tacitlab.learners.q_learning import QLearning
from tacitlab.markets.execution.market import Execution
from tacitlab.schema import param
from tacitlab.theory.equilibrium import grid_benchmarks

with open(Path(__file__).parent / "EXECUTED", "a") as marker:
    marker.write("once")

class Stag(StageGame):
    """Stag hunt."""
    kind: Literal["stag"] = "stag"
    gain: float = param(4.0, "payoff of both hunting the stag", "meals", gt=0)

    @property
    def n_players(self):
        return 2

    def actions(self):
        return Actions("prey", np.array([[0.0, 1.0], [0.0, 1.0]]), labels=("hare", "stag"))

    def form(self):
        return NormalForm.from_tensor(np.array([[[3, 3], [3, 0]], [[0, 3], [self.gain] * 2]], float))

    def benchmarks(self):
        return grid_benchmarks(self.form(), self.actions())

class Meals(Execution):
    """Execution under another name."""
    kind: Literal["meals"] = "meals"

class Timid(QLearning):
    """Expects little."""
    kind: Literal["timid"] = "timid"

def give(game, table, scene, t, joint, regime):
    table.agents[0].payoff += scene.numbers[0]

class Gift(Intervention):
    kind: Literal["gift"] = "gift"
    size: float = param(1.0, "the gift", ge=0)

    def steering(self, game, form):
        return Steering(after=give, numbers=np.array([self.size + LEAST]))

    def note(self):
        return "somebody gives"
'''

STAGE = {
    "environment": {"kind": "own.py:Stag", "gain": 5.0}, "learners": {"kind": "own.py:Timid"},
    "length": {"periods": 400}, "sessions": 6, "trace": {"windows": 10}, "intervention": {"kind": "own.py:Gift"},
}  # fmt: skip
MARKET = {
    "environment": {"kind": "own.py:Meals"}, "learners": {"kind": "ppo"}, "length": {"episodes": 20}, "sessions": 2,
    "test": {"episodes": 2},
}  # fmt: skip

DESIGNERS = {
    "environment": {"kind": "own.py:Stag", "gain": 5.0}, "learner": {"kind": "own.py:Timid"},
    "grid": {"alpha": [0.1, 0.5], "gamma": [0.0, 0.9]},
    "others": [{"kind": "own.py:Timid", "gamma": 0.2}, {"kind": "fixed", "action": 1}], "periods": 60, "sessions": 3,
}  # fmt: skip

KILLED = """
import os, signal, sys
import tacitlab
from tacitlab.store.folder import RunFolder
write = RunFolder.write_shard
def killing(self, index, *rest):
    if index == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, index, *rest)
RunFolder.write_shard = killing
tacitlab.run(tacitlab.load_scenario("own.yaml"), sys.argv[1])
"""

COMMANDS = """
import json, sys
from tacitlab.cli import app, guarded
for command in json.load(sys.stdin):
    if code := guarded(lambda: app(command, standalone_mode=False)):
        sys.exit(code)
"""


def tacit(*commands):
    """Commands, in a process that has loaded nothing yet."""
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], input=json.dumps(commands), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return done


def put(folder, tree):
    (folder / "own.py").write_text(OWN)
    (folder / "helper.py").write_text("LEAST = 0.5\n")
    (folder / "own.yaml").write_text(json.dumps(tree))
    (folder / "EXECUTED").unlink(missing_ok=True)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("helper", None)


def killed_and_resumed(place, tree, shard):
    """The content hash of an uninterrupted run, and that of one that was killed and went on."""
    put(place, tree)
    tacit(["run", "own.yaml", "--out", "full"])
    done = subprocess.run([sys.executable, "-c", KILLED, "part", str(shard)], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    said = tacit(["run", "--resume", "part", "--no-report"]).stderr
    assert f"executing {place}/own.py" in said
    return (RunFolder(run).manifest["content_hash"] for run in ("full", "part"))


def read_everything(place, *runs):
    """Report, export, show and load: nothing is executed, and what is read does not depend on the user's file."""
    pages = [place / run / "report.html" for run in runs]
    commands = [command for run in runs for command in (["report", run], ["export", run, "--to", "csv"], ["show", run])]
    with_file = [page.read_bytes() if page.is_file() else b"" for page in pages]
    (place / "EXECUTED").unlink(missing_ok=True)
    tacit(*commands)
    assert not (place / "EXECUTED").exists()
    read = [page.read_bytes() for page in pages]
    assert all(now == before for now, before in zip(read, with_file, strict=True) if before)
    for run in runs:
        tacitlab.load(run)
    (place / "own.py").unlink()
    (place / "helper.py").write_text("raise SystemExit('executed')")
    tacit(*commands)
    assert [page.read_bytes() for page in pages] == read


def test_an_own_game_rule_and_learner(place):
    full, part = killed_and_resumed(place, STAGE, 3)
    assert full == part
    live = tacitlab.load_scenario("own.yaml")
    known = benchmarks_of(live.environment)
    put(place, STAGE)
    read_everything(place, "full", "part")
    result = tacitlab.load("full")
    assert result.experiment.dump() == live.dump()
    assert (result.experiment.environment.gain, result.experiment.learners[0].alpha) == (5.0, live.learners[0].alpha)
    assert described._benchmarks(live.environment) == described._benchmarks(result.cells[0].environment)
    assert np.array_equal(result.benchmarks().nash.payoffs, known.nash.payoffs)
    assert result.experiment.environment.words() == live.environment.words()
    assert result.experiment.environment.actions().labels == ("hare", "stag")
    assert result.cells[0].intervention.note() == "somebody gives"
    with pytest.raises(TacitError, match=r"own.py:Stag: it was read from a stored run, which executes nothing"):
        tacitlab.run(result.experiment)


def test_an_own_market(place):
    full, part = killed_and_resumed(place, MARKET, 0)
    assert full == part
    live = tacitlab.load_scenario("own.yaml")
    read_everything(place, "full")
    market = tacitlab.load("full").experiment.market
    assert market.roles() == live.market.roles()
    assert market.quantities() == live.market.quantities()
    assert market.rules() == live.market.rules()
    with pytest.raises(TacitError, match="executes nothing"):
        market.dynamics()


def test_cells_of_a_run_over_an_own_game(place):
    put(place, {**STAGE, "sweep": {"environment.gain": [4, 6.5], "intervention.size": [0.0, 1.0]}})
    tacit(["run", "own.yaml", "--out", "full", "--no-report"])
    live = tacitlab.load_scenario("own.yaml")
    (place / "own.py").unlink()
    result = tacitlab.load("full")
    assert [cell.dump()["environment"]["gain"] for cell in result.cells] == [4, 4, 6.5, 6.5]
    for cell in range(4):
        found = [profile.payoffs.max() for profile in result.benchmarks(cell).cooperative]
        assert found == [[4.0, 4.0, 6.5, 6.5][cell]]
    assert result.data["payoff"].sizes["gain"] == 2
    tacit(["report", "full"])
    assert "payoff of both hunting the stag" in (place / "full/report.html").read_text()
    assert live.environment.gain == 5.0


def test_a_sweep_says_where_it_stands_and_executes_nothing(place):
    put(place, {**STAGE, "sessions": 1})
    command = ["sweep", "own.yaml", "--over", "intervention.size=[0.0, -1.0]", "--threads", "1", "--to", "s"]
    done = subprocess.run(
        [sys.executable, "-c", "from tacitlab.cli import main; main()", *command], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr  # one cell fails
    assert "intervention.size" in done.stdout
    (place / "EXECUTED").unlink()
    tacit(["sweep", "--status", "s"], ["export", "s", "--to", "csv"])
    found = sweep.status("s").sweep()
    assert not (place / "EXECUTED").exists()
    assert found.experiment.environment.n_players == 2
    (place / "own.py").write_text("raise SystemExit('executed')")
    with pytest.raises(TacitError, match=r"begun with other code or libraries \(own.py\)"):
        sweep.resume("s")
    (place / "own.py").unlink()
    told = []
    assert sweep.resume("s", tell=told.append).finished == 1
    assert any("s/sources/own.py: the copy" in line for line in told)


def test_a_meta_game_of_own_members(place):
    put(place, DESIGNERS)
    tacit(["metagame", "own.yaml", "--out", "m"])
    written = (place / "m/report.html").read_bytes()
    live = tacitlab.load_metagame("own.yaml")
    benchmarks = live.environment.benchmarks()
    (place / "EXECUTED").unlink()
    tacit(["report", "m", "--figures", "figures", "--suffix", "svg"])
    assert not (place / "EXECUTED").exists()
    assert any((place / "figures").iterdir())
    (place / "own.py").unlink()
    (place / "helper.py").write_text("raise SystemExit('executed')")
    tacit(["report", "m"])
    assert (place / "m/report.html").read_bytes() == written
    read = metagames.load("m")
    assert read.metagame.dump() == live.dump()
    assert read.metagame.labels() == live.labels()
    assert (read.metagame.symmetric, read.metagame.players, read.metagame.size) == (True, 2, 6)
    assert Analysis(read, "last").scale == (benchmarks.nash.average, benchmarks.optimum.average)
    with pytest.raises(TacitError, match=r"own.py:Timid: it was read from a stored run, which executes nothing"):
        read.metagame.strategies()
    with pytest.raises(TacitError, match=r"own.py:Stag: it was read from a stored run, which executes nothing"):
        read.metagame.plan()
    text = (place / "m/environment.json").read_text()
    (place / "m/environment.json").write_text(text.replace('"symmetric": true', '"symmetric": false'))
    with pytest.raises(TacitError, match=r"m: damaged \(environment.json is missing or was changed\); restore it"):
        metagames.load("m")


def test_a_meta_game_from_before_descriptions(place):
    """Reading one of the user's members is refused, rather than executed; who goes on has executed it already."""
    put(place, DESIGNERS)
    live = tacitlab.load_metagame("own.yaml")
    played = metagames.estimate(live, "m")
    manifest = json.loads((place / "m/manifest.json").read_text())
    del manifest["description"]
    (place / "m/manifest.json").write_text(json.dumps(manifest))
    (place / "m/environment.json").unlink()
    with pytest.raises(TacitError, match=r"m: it was stored without a description, .* execute .*/own.py:Stag; `tacit"):
        metagames.load("m")
    again = metagames.estimate(live, "m")
    assert again.metagame is live
    read = metagames.load("m")
    assert np.array_equal(read.game.row.mean, played.game.row.mean)
    assert read.metagame.environment.benchmarks().optimum.average == 5.0


def test_runs_from_before_are_read_as_ever(place):
    """No description, no files: a rule of the user's is not executed either."""
    put(place, {**STAGE, "environment": {"kind": "prisoners-dilemma"}, "learners": {"kind": "random"}})
    tacit(["run", "own.yaml", "--out", "run", "--no-report"])
    manifest = json.loads((place / "run/manifest.json").read_text())
    for name in ("program", "sources", "description"):
        manifest.pop(name)
    (place / "run/manifest.json").write_text(json.dumps(manifest))
    (place / "run/environment.json").unlink()
    shutil.rmtree(place / "run/sources")
    (place / "EXECUTED").unlink()
    tacit(["report", "run"], ["export", "run", "--to", "csv"])
    assert not (place / "EXECUTED").exists()


def test_a_description_that_was_changed_is_said(duopoly, tmp_path):
    tacitlab.run(duopoly, tmp_path / "run")
    text = (tmp_path / "run/environment.json").read_text()
    (tmp_path / "run/environment.json").write_text(text.replace("0.2", "0.3"))
    with pytest.raises(TacitError, match=r"damaged \(environment.json is missing or unreadable\)"):
        tacitlab.load(tmp_path / "run")


@pytest.mark.parametrize("name", ["duopoly", "drivers"])
def test_stored_benchmarks_have_the_bits_of_computed_ones(request, name, tmp_path):
    experiment = request.getfixturevalue(name)
    result = tacitlab.run(experiment, tmp_path / "run")
    for cell, one in enumerate(experiment.cells()):
        computed, stored = benchmarks_of(one.environment), result.benchmarks(cell)
        assert stored is not computed
        for side in ("competitive", "cooperative"):
            for a, b in zip(getattr(computed, side), getattr(stored, side), strict=True):
                assert (a.name, a.concept, a.method, a.exact, a.error) == (
                    b.name,
                    b.concept,
                    b.method,
                    b.exact,
                    b.error,
                )
                assert np.array_equal(a.payoffs, b.payoffs)
                assert a.payoffs.dtype == b.payoffs.dtype
                assert a.quantities.keys() == b.quantities.keys()
                assert all(np.array_equal(a.quantities[q], b.quantities[q]) for q in a.quantities)
        assert (computed.complete, computed.numbers, computed.notes) == (stored.complete, stored.numbers, stored.notes)

"""The program that plays an experiment: nothing that decides its bits is left out, and little else is in it."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tacitlab
from tacitlab import registry
from tacitlab.lab import imports
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.program import NUMERICAL, difference, program
from tacitlab.sweep import sweep

SOURCE = Path(tacitlab.__file__).parent
HERE = Path(__file__).parent

#: Files that are executed and are not part of a program, and why they decide no bit.
APART = {
    "lab/run.py": "it asks which engine plays, and that is a root",
}

#: Libraries that check, read, label and store what others have computed.
NO_BITS = {"pydantic", "pydantic_core", "yaml", "xarray", "zarr", "safetensors", "jaxtyping", "typer", "rich", "pandas",
           "pyarrow"}  # fmt: skip


def traced(trees):
    """What experiments execute in a process of their own."""
    done = subprocess.run(
        [sys.executable, HERE / "traced.py"], input=json.dumps(trees), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stage(environment, learner="q-learning", **more):
    return {"environment": {"kind": environment}, "learners": {"kind": learner}, "length": {"periods": 20},
            "sessions": 2, **more}  # fmt: skip


def market(environment, learner, **more):
    return {"environment": {"kind": environment}, "learners": learner, "length": {"episodes": 5}, "sessions": 2,
            "test": {"episodes": 2}, **more}  # fmt: skip


LEARNERS = ("sarsa", "exp3", "ucb1", "fixed", "random", "best-reply")
STEERED = [
    stage("braess", intervention={"kind": "recommender"}), stage("braess", intervention={"kind": "toll"}),
    *(stage("bertrand", intervention={"kind": kind}) for kind in ("prominence", "dynamic-prominence")),
]  # fmt: skip
STAGES = [*(stage(game) for game in registry.entries("game")),
          *(stage("bertrand", learner) for learner in LEARNERS), *STEERED]  # fmt: skip


def test_a_stage_game_executes_nothing_that_is_not_in_its_program():
    for tree, found in zip(STAGES, traced(STAGES), strict=True):
        assert set(found["executed"]) - set(found["program"]) <= APART.keys(), tree
        assert len(found["executed"]) > 15
        assert not found["arrays"], "a stage game is played without JAX"


MARKETS = [market("team-game", {"kind": "dqn"}), market("execution", {"kind": "ppo"})]


@pytest.mark.parametrize("tree", MARKETS, ids=["team-game", "execution"])
def test_a_market_executes_nothing_that_is_not_in_its_program(tree):
    (found,) = traced([tree])
    assert set(found["executed"]) - set(found["program"]) <= APART.keys()
    assert len(found["executed"]) > 25


# --- the imports ---------------------------------------------------------------------------------------------------


def parsed(path):
    """Modules of the package and libraries that a file imports, by its syntax tree."""
    tree = ast.parse(path.read_text())
    typed = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    left_out = {id(n) for block in typed for part in block.body for n in ast.walk(part)}
    own, others = set(), set()
    for node in ast.walk(tree):
        if id(node) in left_out or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            (own if name.split(".")[0] == "tacitlab" else others).add(name)
    return own, {name.split(".")[0] for name in others} - set(sys.stdlib_module_names)


def test_no_import_is_overlooked():
    for path in SOURCE.rglob("*.py"):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").strip(".")
        found, (own, others) = imports.imports(module), parsed(path)
        assert found.others >= others, path
        for name in own:  # a room's `__init__` stands for the modules that define what is taken from it
            rest = name.partition(".")[2]
            assert rest in found.own or imports.file_of(rest).name == "__init__.py", (path, name)
        assert all(imports.file_of(name).is_file() for name in found.own), path


def test_a_name_that_a_room_passes_on_is_followed_to_its_module():
    assert imports._defining("games", "Bertrand") == "games.bertrand"
    assert imports._defining("interventions", "Steering") == "engine.arrays"
    assert imports._defining("games", "bertrand") == "games.bertrand"


def test_every_library_that_plays_is_counted_or_decides_no_bit():
    known = NUMERICAL.keys() | NO_BITS
    for tree in (*STAGES, *MARKETS):
        for name in program(from_mapping(tree), "cpu").code:
            module = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            assert imports.imports(module).others <= known, name


# --- what moves the address, and what does not ---------------------------------------------------------------------

ADDRESSES = """
import json, sys
from pathlib import Path
import tacitlab
from tacitlab.lab import imports, program
from tacitlab.lab.experiment import from_mapping

trees, files = json.load(sys.stdin)
experiments = [from_mapping(tree) for tree in trees]

def addresses():
    for cached in (imports.imports, imports._defining, program._code, program._digest):
        cached.cache_clear()
    return [program.program(experiment).address for experiment in experiments]

found = [addresses()]
for file in files:
    place = Path(tacitlab.__file__).parent / file
    content = place.read_text()
    place.write_text(content + "EDITED = 1")
    found.append(addresses())
    place.write_text(content)
json.dump(found, sys.stdout)
"""


def test_an_edit_moves_the_addresses_of_what_it_plays_in_and_no_others(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "tacitlab", ignore=shutil.ignore_patterns("__pycache__"))
    trees = [stage("braess", intervention={"kind": "toll"}), stage("braess"), stage("bertrand"),
             market("execution", {"kind": "ppo"})]  # fmt: skip
    edits = {
        "interventions/tolling.py": [True, False, False, False],
        "games/braess.py": [True, True, False, False],
        "games/bertrand.py": [False, False, True, False],
        "schema.py": [True] * 4,
        "documents.py": [True] * 4,
        "engine/kernel.py": [True, True, True, None],
        "markets/execution/market.py": [False, False, False, True],
        "markets/resource/market.py": [False] * 4,
        "studies/base.py": [False] * 4,
        "report/page.py": [False] * 4,
        "plot/chart.py": [False] * 4,
        "cli.py": [False] * 4,
    }
    done = subprocess.run(
        [sys.executable, "-c", ADDRESSES], input=json.dumps([trees, list(edits)]), capture_output=True, text=True,
        timeout=200, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, *after = json.loads(done.stdout)
    assert len(set(before)) == 4
    for (file, moved), now in zip(edits.items(), after, strict=True):
        for k, wanted in enumerate(moved):
            assert wanted is None or (before[k] != now[k]) == wanted, (file, trees[k])


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
GIFTS = {**stage("braess", "random"), "environment": {"kind": "braess", "players": 6}, "trace": {"windows": 10},
         "length": {"periods": 60}}  # fmt: skip


@pytest.fixture
def gifts(tmp_path, monkeypatch):
    """A user's folder with a rule that imports a file beside it; and a scenario that names it."""
    (tmp_path / "rules.py").write_text(RULES)
    (tmp_path / "gift.py").write_text("SIZE = 6.0\n")
    (tmp_path / "other.py").write_text("")
    scenario = {**GIFTS, "intervention": {"kind": "own", "source": "rules.py:Gifts"}}
    (tmp_path / "gifts.yaml").write_text(json.dumps(scenario))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def payoff(status):
    return float(status.data()["payoff"].mean())


def test_cells_are_played_again_when_a_file_of_the_user_changes(gifts):
    plan = sweep.load("gifts.yaml", over=["seed=[1, 2]"])
    one = sweep.run(plan, gifts / "one", cells=gifts / "cells.sqlite", workers=1)
    assert sweep.run(plan, gifts / "again", cells=gifts / "cells.sqlite", workers=1).played == 0
    (gifts / "gift.py").write_text("SIZE = 600.0\n")
    two = sweep.run(plan, gifts / "two", cells=gifts / "cells.sqlite", workers=1)
    assert two.played == 2
    assert payoff(two) == pytest.approx(payoff(one) + 99, abs=1e-9)


def test_a_program_names_files_of_the_user_by_their_place_in_the_folder(gifts):
    made = program(from_mapping(json.loads((gifts / "gifts.yaml").read_text())))
    assert [source.name for source in made.own] == ["gift.py", "rules.py"]
    (gifts / "other.py").write_text("nobody imports it")
    assert program(from_mapping(json.loads((gifts / "gifts.yaml").read_text()))) == made
    (gifts / "gift.py").write_text("SIZE = 7.0\nimport numba\n")
    now = program(from_mapping(json.loads((gifts / "gifts.yaml").read_text())))
    assert difference(made.record(), now) == "gift.py"
    assert re.fullmatch(r"[0-9a-f]{64}", now.address)
    assert now.address != made.address

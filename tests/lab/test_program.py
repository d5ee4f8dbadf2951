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
from tacitlab.games import GAMES
from tacitlab.lab import imports
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.program import NUMERICAL, difference, program

SOURCE = Path(tacitlab.__file__).parent
HERE = Path(__file__).parent

#: Files that are executed and are not part of a program, and why they decide no bit.
APART = {
    "lab/run.py": "it asks which engine plays, and that is a root",
}

#: Libraries that check, read, label and store what others have computed.
NO_BITS = {"pydantic", "yaml", "xarray", "zarr", "safetensors", "jaxtyping", "typer", "rich", "pandas", "pyarrow"}


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
BERTRAND = {"kind": "bertrand", "n_prices": 3, "memory": 0}
STEERED = [
    stage("braess", intervention={"kind": "recommender"}), stage("braess", intervention={"kind": "toll"}),
    *(stage("bertrand", intervention={"kind": kind}) for kind in ("prominence", "dynamic-prominence")),
]  # fmt: skip
STAGES = [*(stage(game.model_fields["kind"].default) for game in GAMES),
          *(stage("bertrand", learner) for learner in LEARNERS), *STEERED]  # fmt: skip


def test_a_stage_game_executes_nothing_that_is_not_in_its_program():
    for tree, found in zip(STAGES, traced(STAGES), strict=True):
        assert set(found["executed"]) - set(found["program"]) <= APART.keys(), tree
        assert len(found["executed"]) > 15
        assert not found["arrays"], "a stage game is played without JAX"


MARKETS = [
    market("two-step", {"kind": "q-learning"}),
    market("execution", {"kind": "ppo"}),
]


def test_a_market_executes_nothing_that_is_not_in_its_program():
    for tree, found in zip(MARKETS, traced(MARKETS), strict=True):
        assert set(found["executed"]) - set(found["program"]) <= APART.keys(), tree
        assert len(found["executed"]) > 25

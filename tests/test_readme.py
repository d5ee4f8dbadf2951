"""What the README shows works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tacitlab
from tacitlab import registry
from tacitlab.lab.experiment import load

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_example_runs():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    names: dict = {}
    exec(code.replace("sessions=100", "sessions=2").replace("100_000", "500"), names)
    assert names["result"].data.sizes["session"] == 2
    assert set(names["result"].data.dims) >= {"session", "agent", "time", "action"}


def test_the_commands_name_what_exists(tmp_path):
    commands = [shlex.split(line, comments=True) for line in README.splitlines() if line.startswith("tacit run ")]
    assert len(commands) >= 4
    for _, _, scenario, *overrides in commands:
        if scenario.islower() and not scenario.startswith(("-", "my-")):
            assert all(cell.sessions for cell in load(scenario, overrides).cells())
    for study in re.findall(r"tacit study ([a-z-]+)", README):
        assert study in registry.entries("study")
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (Path(__file__).parents[1] / link).exists(), link


def test_public_names():
    for name in tacitlab.__all__:
        assert getattr(tacitlab, name) is not None
    assert {"Experiment", "run", "load", "MetaGame", "metagame", "measures", "study", "testing"} <= set(dir(tacitlab))
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        tacitlab.runn  # noqa: B018


@pytest.mark.parametrize("command", [["-m", "tacitlab"], ["-c", "from tacitlab.cli import main; main()"]], ids=str)
def test_the_command_has_a_version(command):
    done = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True)
    assert done.stdout == f"tacitlab {tacitlab.__version__}\n"
    assert done.returncode == 0

"""What the README shows works."""

import re
import shlex
from pathlib import Path

import tacitlab
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
        from tacitlab.studies import STUDIES

        assert study in STUDIES
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (Path(__file__).parents[1] / link).exists(), link


def test_public_names():
    for name in tacitlab.__all__:
        assert getattr(tacitlab, name) is not None

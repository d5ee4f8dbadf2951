"""What is built from the tree is whole: a wheel, its files, and that it plays without the tree beside it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = ("pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
PLAY = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tacitlab.cli import main; main()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of what the tree holds, nothing left over from earlier builds."""
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", clone / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in NEEDED:
        shutil.copy(ROOT / name, clone)
    done = subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("tacitlab-*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("tacitlab/")}
    source = ROOT / "src"
    ours = {
        path.relative_to(source).as_posix()
        for path in (source / "tacitlab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours - inside == set()
    data = ("py.typed", "scenarios/bertrand.yaml", "studies/execution_collusion/macri-lillo-schedules.csv")
    assert {f"tacitlab/{name}" for name in data} <= inside


def test_the_wheel_plays_without_the_tree(wheel, tmp_path):
    home = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(home)
    words = ["run", "bertrand", "sessions=2", "length.stable_for=200", "environment.n_prices=3", "--no-report"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PLAY, str(home), *words], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "profit (money)" in done.stdout
    assert (tmp_path / "runs/bertrand-1/data.zarr").is_dir()


def test_the_name_and_version_are_said_once():
    assert PROJECT["name"] == "tacitlab"
    assert f"\n## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()
    cited = (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^version: {re.escape(PROJECT['version'])}$", cited, re.MULTILINE)


def test_nobody_is_told_to_install_somebody_elses_package():
    """`tacit` on the Python package index is another library."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "src").rglob("*.py")]
    found = [path for path in files if re.search(r"pip install [^\n]*\btacit\b(?!lab)", path.read_text())]
    assert not found

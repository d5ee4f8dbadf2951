"""Sweeps of a market: the deep engine plays the cells, and compiles once for all that differ in numbers only."""

import numpy as np
import pytest
from sweeping import Alone, files

from tacitlab.engine import deep
from tacitlab.lab import run
from tacitlab.lab.experiment import load
from tacitlab.sweep import driver as sweep_driver
from tacitlab.sweep import sweep

SMALL = [
    "environment.parts=4", "environment.steps=3", "learners.network={width: 4, layers: 1}", "learners.batch=4",
    "learners.memory.capacity=100", "length.episodes=20", "trace.windows=10", "test.episodes=10", "sessions=2",
    "test.baselines=false",
]  # fmt: skip
OVER = ["environment.temporary=[1e-3, 2e-3, 3e-3]", "learners.rate=[1e-3, 1e-2]"]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Cells are played in this process, and counted."""
    monkeypatch.setattr(sweep_driver, "LocalCrew", Alone)
    monkeypatch.setattr(Alone, "counted", [])
    return Alone


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_driver, "LocalCrew", Alone)
        return sweep.run(sweep.load("execution", SMALL, OVER), tmp_path_factory.mktemp("market") / "s")


def test_cells_are_those_of_a_run_on_one_device(done):
    assert (done.finished, done.failed) == (6, 0), done.causes
    data = done.data().load()
    assert data["payoff"].dims == ("temporary", "rate", "session", "time", "agent")
    assert data["time"].attrs["units"] == "episodes"
    assert data["step"].values.tolist() == [0, 1, 2]
    one = run.run(done.sweep().cell(3), threads=1).data
    for name in ("payoff", "test_payoff", "loss", "test_trade"):
        assert np.array_equal(data[name].values[1, 1], one[name].values.astype(float), equal_nan=True), name
    assert len(np.unique(data["loss"].mean(["session", "time", "agent"]))) == 6


def test_it_compiles_once(done, tmp_path, monkeypatch):
    traced = []
    real = deep.advance
    monkeypatch.setattr(deep, "advance", lambda *args: traced.append(1) or real(*args))
    deep.crew.cache_clear()
    again = sweep.run(sweep.load("execution", SMALL, OVER), tmp_path / "s")
    assert again.played == 6
    assert len(traced) == 1
    assert files(tmp_path / "s/data.zarr") == files(done.folder / "data.zarr")


def test_a_scenario_with_its_own_sweep_is_the_same_grid(done):
    own = load("execution", [*SMALL, "sweep={environment.temporary: [1e-3, 2e-3, 3e-3]}"])
    assert [cell.dump() for cell in own.cells()][1] == {
        **done.sweep().cell(2).dump(), "learners": own.dump()["learners"],
    }  # fmt: skip


def test_the_manifest_names_the_device(done):
    from tacitlab.sweep.folder import SweepFolder

    computes = SweepFolder(done.folder).manifest["computes"]
    assert "jax-" in computes
    assert "on-" in computes

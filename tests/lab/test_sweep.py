"""Sweeps of a stage game: addresses, interruptions, failures, what lies on disk and what xarray sees."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sweeping import GRID, SHORT, Alone, dilemma, files, slow

import tacitlab
from tacitlab import cli
from tacitlab.errors import Interrupted, TacitError
from tacitlab.lab import program, run
from tacitlab.lab.design import Grid
from tacitlab.lab.experiment import load
from tacitlab.sweep import driver as sweep_driver
from tacitlab.sweep import folder as sweep_folder
from tacitlab.sweep import sweep
from tacitlab.sweep.cells import CellStore
from tacitlab.sweep.table import Table


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Cells are played in this process, and counted."""
    monkeypatch.setattr(sweep_driver, "LocalCrew", Alone)
    monkeypatch.setattr(Alone, "counted", [])
    monkeypatch.setattr(Alone, "stop_after", 10**9)
    return Alone


def test_a_sweep_has_the_bits_of_runs_and_opens_in_xarray(tmp_path):
    done = sweep.run(dilemma(), tmp_path / "s")
    assert (done.cells, done.finished, done.failed, done.played, done.complete) == (6, 6, 0, 6, True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = xr.open_zarr(tmp_path / "s" / "data.zarr").load()
    assert data["payoff"].dims == ("alpha", "gamma", "session", "time", "agent")
    assert data["alpha"].values.tolist() == [0.1, 0.2, 0.4]
    assert data["alpha"].attrs["long_name"] == "learning rate, alpha"
    assert data["time"].values.tolist() == [20, 40, 60, 80, 100]
    assert data["time"].attrs["units"] == "periods"
    assert data["periods"].attrs == {"units": "periods", "long_name": "periods played"}
    assert bool(data["finished"].all())
    assert not bool(data["failed"].any())
    assert {"nash_payoff", "optimum_payoff", "action_value"} <= set(data.coords)
    scenario = load("prisoners-dilemma", [*SHORT, "sweep={learners.alpha: [0.1, 0.2, 0.4], learners.gamma: [0, 0.9]}"])
    wanted = run.run(scenario).data
    for name, values in wanted.data_vars.items():
        assert np.array_equal(data[name].values, values.values.astype(float), equal_nan=True), name
    assert np.array_equal(data["nash_payoff"], wanted["nash_payoff"])


def test_the_sweep_of_a_scenario_is_a_grid():
    own = sweep.load("prisoners-dilemma", [*SHORT, "sweep={learners.alpha: [0.1, 0.2]}"])
    assert own.design == Grid(over={"learners.alpha": [0.1, 0.2]})
    assert own.experiment.sweep == {}


def test_what_is_finished_is_never_played_again(tmp_path, alone):
    shared = tmp_path / "cells.sqlite"
    sweep.run(dilemma(), tmp_path / "grid", cells=shared)
    assert len(alone.counted) == 6
    other = dilemma(["learners.gamma=[0.9, 0.5, 0.9]", "learners.alpha=[0.4, 0.4, 0.4]"], design="list")
    done = sweep.run(other, tmp_path / "list", cells=shared)
    assert done.finished == 3
    assert done.played == 1  # 0.9 was there, in another order of fields; 0.9 stands twice
    assert alone.counted[6:] == [(("learners.gamma", 0.5), ("learners.alpha", 0.4))]
    grid, listed = (xr.open_zarr(tmp_path / name / "data.zarr") for name in ("grid", "list"))
    one = grid["payoff"].sel(alpha=0.4, gamma=0.9)
    assert np.array_equal(one, listed["payoff"][0])
    assert np.array_equal(one, listed["payoff"][2])
    assert sweep.run(other, tmp_path / "list").played == 0
    renamed = dilemma(more=["name=other", "description=other"])
    assert sweep.run(renamed, tmp_path / "renamed", cells=shared).played == 0
    assert sweep.run(dilemma(more=["seed=2"]), tmp_path / "seed", cells=shared).played == 6
    assert sweep.run(dilemma(keep=["periods"]), tmp_path / "keep", cells=shared).played == 6


def test_equal_cells_of_one_sweep_are_played_once(tmp_path, alone):
    done = sweep.run(dilemma(["learners.alpha=[0.3, 0.3, 0.30, 0.1]"], design="list"), tmp_path / "s")
    assert done.finished == 4
    assert len(alone.counted) == 2


def test_an_earlier_run_is_part_of_the_address(tmp_path):
    from tacitlab.sweep.cell import address

    experiment = load("prisoners-dilemma", SHORT)
    found = set()
    for seed in (1, 2):
        run.run(experiment.model_copy(update={"seed": seed}), tmp_path / str(seed))
        (tmp_path / "earlier").unlink(missing_ok=True)
        (tmp_path / "earlier").symlink_to(tmp_path / str(seed))
        frozen = [{"kind": "trained", "run": str(tmp_path / "earlier"), "agents": 1}, {"kind": "q-learning"}]
        found.add(address(tacitlab.Experiment(environment=experiment.environment, learners=frozen,
                                           length=experiment.length), (), ""))  # fmt: skip
    assert len(found) == 2


def test_an_interrupted_sweep_keeps_what_is_finished_and_goes_on(tmp_path, alone, monkeypatch):
    sweep.run(dilemma(), tmp_path / "whole")
    monkeypatch.setattr(alone, "stop_after", 2)
    with pytest.raises(Interrupted, match=r"of 6 cells are safe in .* `tacit sweep --resume "):
        sweep.run(dilemma(), tmp_path / "s")
    state = sweep.status(tmp_path / "s")
    assert 0 < state.finished < 6
    assert not state.complete
    part = state.data().load()
    marked = part["finished"].values
    assert marked.sum() == state.finished
    assert np.array_equal(np.isnan(part["payoff"]).all(dim=["session", "time", "agent"]), ~marked)
    monkeypatch.setattr(alone, "stop_after", 10**9)
    assert sweep.resume(tmp_path / "s").played == 6 - state.finished
    assert files(tmp_path / "s/data.zarr") == files(tmp_path / "whole/data.zarr")


PATHS = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"}
KILLED = """
import sys
from sweeping import slow
from tacitlab.sweep import sweep
sweep.run(slow(100), sys.argv[1], workers=2)
"""


def test_a_killed_sweep_ends_with_the_bytes_of_an_uninterrupted_one(tmp_path):
    sweep.run(slow(100), tmp_path / "whole")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "s")], env=PATHS)
    while process.poll() is None:
        if sweep_folder.holds_sweep(tmp_path / "s") and sweep.status(tmp_path / "s").finished > 15:
            break
        time.sleep(0.01)
    assert int(sweep.status(tmp_path / "s").data()["finished"].sum()) < 100  # others may read while it runs
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = sweep.status(tmp_path / "s")
    assert 15 < left.finished < 100
    done = sweep.resume(tmp_path / "s")
    assert done.finished == 100
    assert done.played <= 100 - left.finished
    assert files(tmp_path / "s/data.zarr") == files(tmp_path / "whole/data.zarr")


def test_workers_die_with_their_driver_and_their_cells_are_played_again(tmp_path, monkeypatch):
    from tacitlab.sweep.crew import LocalCrew

    crews = []

    class Watched(LocalCrew):
        def __init__(self, order, workers):
            super().__init__(order, workers)
            crews.append(self)

        def collect(self, seconds):
            found = super().collect(seconds)
            if found and not hasattr(self, "killed"):
                self.killed = self.workers[0].process.pid
                os.kill(self.killed, signal.SIGKILL)
            return found

    monkeypatch.setattr(sweep_driver, "LocalCrew", Watched)
    plan = dilemma(["learners.alpha={low: 0.1, high: 0.9}"], design="random", count=60)
    done = sweep.run(plan, tmp_path / "s", workers=2)
    assert (done.finished, done.failed, done.played) == (60, 0, 60)
    assert crews[0].killed
    monkeypatch.setattr(sweep_driver, "LocalCrew", Alone)
    sweep.run(plan, tmp_path / "whole")
    assert files(tmp_path / "s/data.zarr") == files(tmp_path / "whole/data.zarr")


def test_a_cell_that_kills_its_worker_is_given_up_alone():
    from tacitlab.sweep.cell import Job
    from tacitlab.sweep.crew import Lost

    lost, jobs = Lost(), [Job(k, []) for k in range(3)]
    singles, given_up = lost.again(jobs, "it died")
    assert singles == [[job] for job in jobs]
    assert not given_up
    assert lost.again(singles[1], "it died") == ([singles[1]], [])
    again, given_up = lost.again(singles[1], "worker: it died (signal 9)")
    assert not again
    assert (given_up[0].number, given_up[0].content) == (1, None)
    assert "signal 9" in given_up[0].cause


def test_cells_that_fail_are_listed_with_their_cause_and_can_be_retried(tmp_path, alone, monkeypatch):
    from tacitlab.sweep import cell

    real = cell.arrays

    def broken(experiment, keep):
        if experiment.learners[0].gamma == 0.9:
            raise RuntimeError("the machine is tired\nof this")
        return real(experiment, keep)

    monkeypatch.setattr(cell, "arrays", broken)
    over = ["learners.alpha=[0.1, 2]", "learners.gamma=[0, 0.9, 0.5]"]
    done = sweep.run(dilemma(over), tmp_path / "s")
    assert (done.finished, done.failed, done.complete) == (2, 4, True)
    assert done.causes[0][:2] == ("learners.alpha: 2 is too large; it must be at most 1.0", 3)
    assert done.causes[1] == ("RuntimeError: the machine is tired", 1, "learners.alpha=0.1, learners.gamma=0.9")
    data = done.data()
    assert data["failed"].values.tolist() == [[False, True, False], [True, True, True]]
    assert np.isnan(data["payoff"].sel(alpha=0.1, gamma=0.9)).all()
    monkeypatch.setattr(cell, "arrays", real)
    count = len(alone.counted)
    assert sweep.resume(tmp_path / "s").failed == 4
    assert len(alone.counted) == count
    assert sweep.resume(tmp_path / "s", retry=True).finished == 3
    assert alone.counted[count:] == [(("learners.alpha", 0.1), ("learners.gamma", 0.9))]
    sweep.run(dilemma(over), tmp_path / "whole")
    assert files(tmp_path / "s/data.zarr") == files(tmp_path / "whole/data.zarr")


def test_cells_may_differ_in_size(tmp_path):
    plan = sweep.load("cournot", ["learners.memory=1", "length.periods=200", "length.stable_for=0", "trace.window=40",
                                  "trace.windows=5", "seed=1"],
                      ["sessions=[2, 3]", "environment.n_quantities=[3, 5]"])  # fmt: skip
    done = sweep.run(plan, tmp_path / "s")
    assert done.failed == 0, done.causes
    data = done.data().load()
    assert data.sizes["session"] == 3
    assert data.sizes["action"] == 5
    assert data["session"].values.tolist() == [0, 1, 2]
    small = data["frequency"].isel(sessions=0, n_quantities=0)
    assert np.isnan(small[2]).all()
    assert np.isnan(small[..., 3:]).all()
    assert not np.isnan(small[:2, ..., :3]).any()
    alone = run.run(plan.cell(0)).data
    assert np.array_equal(small[:2, ..., :3], alone["frequency"])
    assert done.finished == 4


def test_windows_must_agree(tmp_path):
    plan = sweep.load("prisoners-dilemma", ["sessions=2", "length.stable_for=0", "length.periods=100"],
                      ["length.periods=[100, 200]"])  # fmt: skip
    done = sweep.run(plan, tmp_path / "s")
    assert (done.finished, done.failed) == (1, 1)
    assert done.causes[0][0].startswith(
        "length: windows of 2 are recorded here and of 1 in the first cell; set trace.window"
    )
    kept = plan.model_copy(update={"keep": ("limit_payoff",)})
    done = sweep.run(kept, tmp_path / "kept")
    assert (done.finished, list(done.data().data_vars)) == (2, ["failed", "finished", "limit_payoff"])


def test_a_damaged_or_missing_table_is_written_again(tmp_path, alone):
    import shutil

    sweep.run(dilemma(), tmp_path / "s")
    before = files(tmp_path / "s/data.zarr")
    shutil.rmtree(tmp_path / "s/data.zarr")
    assert sweep.resume(tmp_path / "s").played == 0
    assert files(tmp_path / "s/data.zarr") == before
    chunk = next((tmp_path / "s/data.zarr/finished/c").rglob("0"))
    while chunk.is_dir():
        chunk = next(chunk.iterdir())
    chunk.write_bytes(b"nothing")
    sweep.resume(tmp_path / "s")
    assert files(tmp_path / "s/data.zarr") == before
    (tmp_path / "s/cells.sqlite").unlink()
    assert sweep.resume(tmp_path / "s").played == 6
    assert files(tmp_path / "s/data.zarr") == before


def test_other_code_or_another_sweep_is_refused(tmp_path, monkeypatch):
    sweep.run(dilemma(), tmp_path / "s")
    with pytest.raises(TacitError, match="holds another sweep"):
        sweep.run(dilemma(more=["seed=9"]), tmp_path / "s")
    monkeypatch.setattr(program, "_version", lambda name: "9.9" if name == "numba" else "1.0")
    with pytest.raises(TacitError, match=r"begun with other code or libraries \(.*numba [0-9.]+, now 9.9"):
        sweep.resume(tmp_path / "s")
    assert sweep.resume(tmp_path / "s", anyway=True).finished == 6
    assert "numba" in sweep_folder.SweepFolder(tmp_path / "s").manifest["anyway"][0]["differs"]
    command = ["sweep", "prisoners-dilemma", *SHORT, *(f"--over={text}" for text in GRID), "--to", str(tmp_path / "s")]
    monkeypatch.setattr(program, "_version", lambda name: "8.8" if name == "numba" else "1.0")
    assert cli.guarded(lambda: cli.app(command, standalone_mode=False)) == 2
    assert cli.guarded(lambda: cli.app([*command, "--anyway"], standalone_mode=False)) == 0
    (tmp_path / "s/sweep.yaml").write_text("nonsense")
    with pytest.raises(TacitError, match="was changed after the sweep began"):
        sweep.resume(tmp_path / "s")


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_long_and_short_cells_are_all_played(tmp_path, monkeypatch, alone, seconds):
    monkeypatch.setattr(alone, "batch_seconds", seconds)  # cells longer than a batch go one by one
    monkeypatch.setattr(sweep_driver, "LOOKED_UP", 4)
    plan = dilemma(["learners.alpha={low: 0.1, high: 0.9}"], design="random", count=30)
    done = sweep.run(plan, tmp_path / "s")
    assert (done.finished, done.played, len(set(alone.counted))) == (30, 30, 30)
    assert bool(done.data()["finished"].all())


def test_two_processes_do_not_write_at_once(tmp_path):
    from tacitlab.store import atomic

    sweep.run(dilemma(), tmp_path / "s")
    with atomic.locked(tmp_path / "s"), pytest.raises(TacitError, match="another process is writing to it"):
        sweep.resume(tmp_path / "s")


def test_a_worker_with_other_code_fails_its_cells(tmp_path, monkeypatch):
    from tacitlab.sweep import cell

    monkeypatch.setattr(cell, "program_of", lambda experiment: "other")
    done = sweep.run(dilemma(), tmp_path / "s")
    assert done.failed == 6
    assert "worker: its code or libraries differ (other)" in done.causes[0][0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dilemma(["learners.alhpa=[0.1]"]), "learners.alhpa: no such field; did you mean 'alpha'?"),
        (lambda: dilemma(keep=["payof"]), "keep: 'payof' is no variable"),
    ],
)
def test_what_is_wrong_in_every_cell_is_said_at_once(make, message, tmp_path):
    with pytest.raises(TacitError) as caught:
        sweep.run(make(), tmp_path / "s")
    assert message in str(caught.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("experiment: prisoners-dilemma\n", "over: missing"),
        ("experiment: prisoners-dilemma\ndesign: 3\n", "design: 3 is no design"),
        ("experiment: 3\ndesign: {over: {seed: [1]}}\n", "experiment: 3 is none"),
        ("experiment: nothing\ndesign: {over: {seed: [1]}}\n", "nothing: no such scenario"),
        ("experiment: prisoners-dilemma\ndesign: {over: [1]}\n", "design.over"),
        ("experiment: prisoners-dilemma\ndesign: {over: {seed: [1]}}\nfield: 1\n", "field: no such field"),
        ("experiment: {sweep: {seed: [1]}}\ndesign: {over: {seed: [1]}}\n", "environment: missing"),
    ],
)
def test_mistakes_in_a_file_are_one_line(content, message, tmp_path):
    (tmp_path / "s.yaml").write_text(content)
    with pytest.raises(TacitError) as caught:
        sweep.load(str(tmp_path / "s.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_describes_a_sweep(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "{environment: {kind: braess}, learners: {kind: q-learning}, length: {periods: 9}}"
    )
    (tmp_path / "s.yaml").write_text(
        "experiment: mine.yaml\nkeep: [payoff]\n"
        "design:\n  kind: sobol\n  count: 8\n  over:\n    learners.alpha: {low: 1e-3, high: 1, log: true}\n"
    )
    plan = sweep.load(str(tmp_path / "s.yaml"), ["sessions=3"], count=4)
    assert (plan.design.kind, plan.design.size, plan.keep, plan.experiment.sessions) == ("sobol", 4, ("payoff",), 3)
    assert 1e-3 <= plan.cell(3).learners[0].alpha <= 1


SHAPES = [
    ((7, 1000), (1, 1000)), ((3, 5000), (1, 1024)), ((100_000, 2), (512, 2)), ((1,), (1,)), ((5000,), (1024,)),
    ((4, 3, 600), (1, 1, 600)),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "block"), SHAPES)
def test_blocks_cut_the_cells_into_consecutive_pieces(shape, block, tmp_path):
    table = Table(tmp_path, tuple("abc"[: len(shape)]), shape, {}, {})
    assert table.block == block
    cells = [cell for k in range(table.blocks) for cell in table.cells_of(k)]
    assert cells == list(range(int(np.prod(shape))))
    assert all(
        table.block_of(cell) == k for k in range(table.blocks) for cell in (table.cells_of(k)[0], table.cells_of(k)[-1])
    )
    numbers = np.arange(len(cells)).reshape(shape)
    for k in {0, table.blocks // 2, table.blocks - 1}:
        assert numbers[table._place(k)].reshape(-1).tolist() == list(table.cells_of(k))


FULL = """
import resource, sys
from tacitlab.sweep import sweep
from tacitlab.sweep import driver as sweep_driver
from sweeping import Alone, dilemma
from tacitlab.errors import TacitError
sweep_driver.LocalCrew = Alone
plan = dilemma(["learners.alpha={low: 0.1, high: 0.9}"], ["sessions=200"], design="random", count=40)
sweep_driver.probe(plan)
from tacitlab.lab.run import run
run(plan.cell(0))  # compiled before the disk is full
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    sweep.run(plan, sys.argv[1])
except TacitError as error:
    print(error)
"""


def test_partial_results_are_readable_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_driver, "BEHIND", 0.0)
    seen = []

    def look(over, total):
        if over:
            data = xr.open_zarr(tmp_path / "s/data.zarr").load()
            marked = data["finished"].values
            assert np.array_equal(np.isfinite(data["limit_payoff"]).all(["session", "agent"]), marked)
            seen.append(int(marked.sum()))

    sweep.run(
        dilemma(["learners.alpha={low: 0.1, high: 0.9}"], design="random", count=60), tmp_path / "s", progress=look
    )
    assert any(0 < count < 60 for count in seen)
    assert seen == sorted(seen)


def test_a_cell_that_is_too_large_fails_alone(tmp_path, monkeypatch):
    from tacitlab.sweep import cell

    monkeypatch.setattr(cell, "MOST_BYTES", 10)
    done = sweep.run(dilemma(), tmp_path / "s")
    assert done.failed == 6
    assert "bytes are too many for one cell; keep fewer variables" in done.causes[0][0]


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, alone):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "s")], capture_output=True, text=True, env=PATHS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    assert "failed (" in done.stdout
    assert "then" in done.stdout
    finished = sweep.status(tmp_path / "s").finished
    assert finished < 40
    assert sweep.resume(tmp_path / "s").finished == 40


def test_a_store_that_is_none_is_said(tmp_path):
    (tmp_path / "cells.sqlite").write_text("this is no database, but a text that somebody wrote" * 50)
    with pytest.raises(TacitError, match="opening the store of cells failed"):
        sweep.run(dilemma(), tmp_path / "s", cells=tmp_path / "cells.sqlite")
    with pytest.raises(TacitError, match="no sweep"):
        sweep.status(tmp_path)


def test_the_manifest_says_what_computed(tmp_path):
    sweep.run(dilemma(), tmp_path / "s")
    manifest = json.loads((tmp_path / "s/manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert "numba-" in manifest["computes"]
    assert "jax" not in manifest["computes"]
    store = CellStore(tmp_path / "s/cells.sqlite")
    held = sweep_folder.State(sweep_folder.SweepFolder(tmp_path / "s")).addresses(0, 6)
    assert store.known(list(held.values())) == set(held.values())
    assert len(set(held.values())) == 6

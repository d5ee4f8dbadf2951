"""Playing experiments: same bits whatever the threads, batches and interruptions."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import Interrupted, TacitError
from tacitlab.lab import tabular_play as stage_work
from tacitlab.lab.experiment import from_mapping
from tacitlab.store.folder import RunFolder


def fingerprints(folder: Path) -> dict[str, str]:
    """Content of every data and policy file of a run."""
    files = [p for part in ("data.zarr", "policies") for p in (folder / part).rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_threads_and_batches_do_not_change_a_bit(duopoly, tmp_path, monkeypatch):
    one = tacitlab.run(duopoly, tmp_path / "one", threads=1)
    two = tacitlab.run(duopoly, tmp_path / "two", threads=2)
    monkeypatch.setattr(stage_work, "_split", lambda first, count, workers: [(first, count)])
    whole = tacitlab.run(duopoly, tmp_path / "whole", threads=2)
    memory = tacitlab.run(duopoly)
    assert fingerprints(tmp_path / "one") == fingerprints(tmp_path / "two") == fingerprints(tmp_path / "whole")
    for other in (two, whole, memory):
        assert one.data.equals(other.data)
        assert one.manifest["content_hash"] == other.manifest["content_hash"]
        for a, b in zip(one.strategies(), other.strategies(), strict=True):
            assert np.array_equal(a, b)


def test_more_sessions_keep_the_first_ones(duopoly):
    few = tacitlab.run(duopoly)
    many = tacitlab.run(from_mapping(duopoly.dump(), [("sessions", 25)]))
    assert many.data.isel(session=slice(0, 10)).equals(few.data)


def test_seed_changes_everything(duopoly):
    a, b = tacitlab.run(duopoly), tacitlab.run(from_mapping(duopoly.dump(), [("seed", 4)]))
    assert not np.array_equal(a.data.periods, b.data.periods)


def test_stored_and_loaded_results_are_equal(drivers, tmp_path):
    result = tacitlab.run(drivers, tmp_path / "run")
    again = tacitlab.load(tmp_path / "run")
    assert again.data.equals(result.data)
    assert again.experiment == drivers
    assert result.data.sizes["epsilon"] == 3
    assert again.manifest["status"] == "complete"
    for cell in range(3):
        for a, b in zip(again.values(cell), result.values(cell), strict=True):
            assert np.array_equal(a, b)
            assert a.shape == (6, 1, 3)
    import xarray as xr

    with xr.open_zarr(tmp_path / "run" / "data.zarr", consolidated=False) as raw:
        assert raw["payoff"].dims == ("cell", "session", "time", "agent")
        assert raw["payoff"].attrs["units"] == "time"


def test_sweep_cells_are_the_single_experiments(drivers):
    swept = tacitlab.run(drivers)
    alone = tacitlab.run(from_mapping(drivers.dump(), [("sweep", {}), ("learners.exploration.epsilon", 0.5)]))
    cell = swept.data.sel(epsilon=0.5).drop_vars("epsilon")
    assert cell.equals(alone.data)


def test_resume_after_an_interruption_gives_the_same_bytes(duopoly, tmp_path, monkeypatch):
    full = tacitlab.run(duopoly, tmp_path / "full")
    written = RunFolder.write_shard

    def stop_after_three(self, index, *rest):
        if index == 3:
            raise KeyboardInterrupt
        written(self, index, *rest)

    monkeypatch.setattr(RunFolder, "write_shard", stop_after_three)
    with pytest.raises(Interrupted, match="3 of 10 sessions are safe"):
        tacitlab.run(duopoly, tmp_path / "part")
    monkeypatch.setattr(RunFolder, "write_shard", written)
    with pytest.raises(TacitError, match="only 3 of 10 parts"):
        tacitlab.load(tmp_path / "part")
    seen = []
    resumed = tacitlab.resume(tmp_path / "part", progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (3, 10)
    assert seen[-1] == (10, 10)
    assert resumed.data.equals(full.data)
    assert fingerprints(tmp_path / "part") == fingerprints(tmp_path / "full")
    assert resumed.manifest["content_hash"] == full.manifest["content_hash"]
    assert tacitlab.resume(tmp_path / "full").data.equals(full.data)  # nothing left to do


KILLED = """
import sys, tacitlab
from tacitlab.lab.experiment import from_mapping
import yaml
tacitlab.run(from_mapping(yaml.safe_load(open(sys.argv[1]))), sys.argv[2], threads=1)
"""


def test_resume_after_kill_9_gives_the_same_bytes(duopoly, tmp_path):
    import yaml

    long = from_mapping(duopoly.dump(), [("sessions", 60), ("length.stable_for", 100_000), ("length.periods", 10**7)])
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(long.dump()))
    full = tacitlab.run(long, tmp_path / "full")
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "long.yaml", tmp_path / "part"])
    journal = tmp_path / "part" / "journal.jsonl"
    while process.poll() is None and not (journal.is_file() and journal.read_text().count("\n") >= 2):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = len(RunFolder(tmp_path / "part").finished())
    assert done >= 2
    # What a write was doing when the process died may also lie there.
    (tmp_path / "part" / "data.zarr" / "payoff" / "x.partial").write_bytes(b"half")
    with journal.open("a") as torn:
        torn.write('{"shard": 1')
    assert tacitlab.resume(tmp_path / "part").data.equals(full.data)
    assert fingerprints(tmp_path / "part") == fingerprints(tmp_path / "full")


@pytest.fixture
def interrupt_soon():
    """Progress that presses Ctrl-C a moment after play has begun, however long that took.

    A process in the background of a shell ignores the signal, so the test sees to its handler itself.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda done, total: threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_in_the_middle_of_a_session(tmp_path, interrupt_soon):
    """To the end it would play for a quarter of an hour."""
    endless = from_mapping(
        {
            "environment": {"kind": "bertrand"},
            "learners": {"kind": "random"},
            "length": {"periods": 10**10},
            "sessions": 4,
            "trace": {"windows": 5},
        }
    )
    with pytest.raises(Interrupted, match="0 of 4 sessions"):
        tacitlab.run(endless, tmp_path / "endless", progress=interrupt_soon)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "manifest.json").write_text("{"), "manifest.json"),
        (lambda run: (run / "manifest.json").unlink(), "no run"),
        (lambda run: (run / "scenario.yaml").write_text("["), "scenario.yaml was changed"),
        (lambda run: _replace(run / "scenario.yaml", "alpha: 0.15", "alpha: 0.2"), "scenario.yaml was changed"),
        (lambda run: _replace(run / "manifest.json", '"shards": 10', '"shards": "x"'), "manifest.json"),
        (lambda run: _replace(run / "manifest.json", '"status"', '"state"'), "manifest.json"),
        (lambda run: (run / "journal.jsonl").unlink(), "journal.jsonl"),
        (lambda run: (run / "journal.jsonl").write_text("x{:\n"), "journal.jsonl, line 1"),
        (
            lambda run: _replace(run / "data.zarr/periods/zarr.json", "10", "11"),
            "data.zarr/periods is missing or unreadable",
        ),
        (lambda run: (run / "journal.jsonl").write_text('nonsense\n{"shard": 0, "digest": ""}\n'), "journal.jsonl"),
        (lambda run: next((run / "policies").iterdir()).write_bytes(b"abc"), "policies"),
        (lambda run: next((run / "policies").iterdir()).unlink(), "policies"),
        (lambda run: _flip(_chunk(run)), "payoff"),
        (lambda run: _chunk(run).unlink(), "payoff"),
        (lambda run: (run / "data.zarr" / "zarr.json").write_text("{"), "data.zarr"),
        (lambda run: shutil.rmtree(run / "data.zarr" / "periods"), "periods"),
    ],
)
def test_damaged_runs_are_told_in_one_line(duopoly, tmp_path, damage, words):
    run = tmp_path / "run"
    tacitlab.run(duopoly, run)
    damage(run)
    with pytest.raises(TacitError, match=words) as error:
        tacitlab.load(run).strategies()
    assert "\n" not in str(error.value)


def _chunk(run: Path) -> Path:
    """A file that holds traces."""
    return next(p for p in (run / "data.zarr" / "payoff" / "c").rglob("*") if p.is_file())


def _replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def test_folders_that_cannot_be_used(duopoly, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(TacitError, match="exists already"):
        tacitlab.run(duopoly, tmp_path / "full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(TacitError, match="file"):
        tacitlab.run(duopoly, tmp_path / "file" / "run")
    with pytest.raises(TacitError, match="no such folder"):
        tacitlab.load(tmp_path / "nowhere")


LIMITED = """
import resource, signal, sys, tacitlab, yaml
from tacitlab.cli import guarded
from tacitlab.lab.experiment import from_mapping
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
experiment = from_mapping(yaml.safe_load(open(sys.argv[1])))
tacitlab.run(experiment)  # compiled before the disk is full
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
sys.exit(guarded(lambda: tacitlab.run(experiment, sys.argv[2])))
"""


def test_a_disk_that_fills_up_is_one_line_and_loses_nothing(duopoly, tmp_path):
    import yaml

    scenario = from_mapping(duopoly.dump(), [("keep_values", True), ("sessions", 400)])
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(scenario.dump()))
    out = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "s.yaml", tmp_path / "run", "20000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 2, out.stderr
    assert out.stderr.startswith("tacit: ")
    assert out.stderr.count("\n") == 1
    assert "--resume" in out.stderr
    assert tacitlab.resume(tmp_path / "run").data.equals(tacitlab.run(scenario).data)


def test_a_sweep_must_not_change_the_size_of_the_results(duopoly):
    with pytest.raises(TacitError, match="changes the size"):
        tacitlab.run(from_mapping(duopoly.dump(), [("sweep", {"environment.n_prices": [5, 6]})]))


def test_a_sweep_over_the_length_needs_one_window(drivers):
    with pytest.raises(TacitError, match=r"^sweep.length.periods: windows of 20 and of 40 .*; set trace.window=20"):
        from_mapping(drivers.dump(), [("sweep", {"length.periods": [400, 800]}), ("trace.window", None)])


def test_trained_strategies_meet_again(duopoly, tmp_path):
    first = tacitlab.run(from_mapping(duopoly.dump(), [("keep_values", True)]), tmp_path / "first")
    run = str(tmp_path / "first")
    trained = [
        {"kind": "trained", "agents": 1, "run": run, "agent": 0},
        {"kind": "trained", "agents": 1, "run": run, "agent": 1},
    ]
    first_strategy = first.strategies()[1]
    play = [("learners", trained), ("length", {"periods": 1000}), ("trace", {})]
    together = tacitlab.run(from_mapping(duopoly.dump(), play))
    for a, b in zip(together.strategies(), first.strategies(), strict=True):
        assert np.array_equal(a, b)
    rematched = tacitlab.run(from_mapping(duopoly.dump(), [*play, ("learners.1.shift", 3)]))
    assert np.array_equal(rematched.strategies()[1], np.roll(first.strategies()[1], -3, axis=0))
    warm = tacitlab.run(
        from_mapping(duopoly.dump(), [("learners.initial", {"kind": "trained", "run": run}), ("learners.alpha", 0)])
    )
    assert np.array_equal(warm.strategies()[0], first.strategies()[0])
    stored = tacitlab.run(from_mapping(duopoly.dump(), play), tmp_path / "second")
    (tmp_path / "first").rename(tmp_path / "elsewhere")  # what is complete stays readable
    again = tacitlab.load(tmp_path / "second")
    assert again.data.equals(stored.data)
    assert np.array_equal(again.strategies()[1], first_strategy)
    (tmp_path / "elsewhere").rename(tmp_path / "first")
    with pytest.raises(TacitError, match="agents 0 to 1"):
        tacitlab.run(from_mapping(duopoly.dump(), [*play, ("learners.0.agent", 5)]))


def test_names_that_a_sweep_must_not_take(duopoly):
    from tacitlab.lab.design import TAKEN

    data = tacitlab.run(duopoly).data
    assert {*data.variables, *data.dims} <= TAKEN


def test_resume_repairs_what_was_lost_after_it_was_complete(duopoly, tmp_path):
    full = tacitlab.run(duopoly, tmp_path / "run")
    before = fingerprints(tmp_path / "run")
    (tmp_path / "run" / "policies" / "000003.safetensors").unlink()
    _flip(_chunk(tmp_path / "run"))
    repaired = tacitlab.resume(tmp_path / "run")
    assert repaired.data.equals(full.data)
    assert fingerprints(tmp_path / "run") == before
    assert repaired.manifest["content_hash"] == full.manifest["content_hash"]


def test_two_processes_do_not_write_into_one_folder(duopoly, tmp_path):
    tacitlab.run(duopoly, tmp_path / "run")
    (tmp_path / "run" / "policies" / "000003.safetensors").unlink()
    with RunFolder(tmp_path / "run").locked(), pytest.raises(TacitError, match="another process"):
        tacitlab.resume(tmp_path / "run")
    tacitlab.resume(tmp_path / "run")


def test_seeds_can_be_swept(duopoly):
    swept = tacitlab.run(from_mapping(duopoly.dump(), [("sweep", {"seed": [3, 4]})])).data
    for seed in (3, 4):
        alone = tacitlab.run(from_mapping(duopoly.dump(), [("seed", seed)])).data
        assert swept.sel(seed=seed, drop=True).equals(alone)


def test_frequencies_stay_exact_in_long_windows():
    # 2^24 is where a 32-bit count would stop.
    fixed = {"environment": {"kind": "prisoners-dilemma"}, "learners": {"kind": "fixed", "action": 1}, "sessions": 1}
    long = from_mapping({**fixed, "length": {"periods": 5 * 2**24 + 5000}, "trace": {"windows": 5}})
    assert (tacitlab.run(long).data.frequency.sel(action=1) == 1).all()


def test_sessions_of_earlier_runs_of_different_size_meet(duopoly, tmp_path):
    for n in (3, 5):
        tacitlab.run(from_mapping(duopoly.dump(), [("sessions", n)]), tmp_path / f"of-{n}")
    learners = [
        {"kind": "trained", "agents": 1, "run": str(tmp_path / "of-3"), "agent": 0},
        {"kind": "trained", "agents": 1, "run": str(tmp_path / "of-5"), "agent": 1},
    ]
    met = tacitlab.run(from_mapping(duopoly.dump(), [("learners", learners), ("sessions", 7)]))
    for agent, n in enumerate((3, 5)):
        own = tacitlab.load(tmp_path / f"of-{n}").strategies()[agent]
        assert np.array_equal(met.strategies()[agent], own[np.arange(7) % n])


def test_a_crowd_hears_an_interruption(tmp_path, interrupt_soon):
    crowd = from_mapping(
        {"environment": {"kind": "braess", "players": 5000}, "learners": {"kind": "random"}, "sessions": 2,
         "length": {"periods": 10**7}}
    )  # fmt: skip
    with pytest.raises(Interrupted):
        tacitlab.run(crowd, tmp_path / "crowd", progress=interrupt_soon)

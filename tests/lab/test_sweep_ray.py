"""A sweep on a real Ray cluster of three nodes on this machine, of which one is killed in the middle."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweeping import Alone, dilemma, files

from tacitlab.errors import TacitError
from tacitlab.sweep import driver as sweep_driver
from tacitlab.sweep import sweep
from tacitlab.sweep.cells import CellStore
from tacitlab.sweep.folder import State, SweepFolder
from tacitlab.sweep.ray_crew import RayCrew

CELLS = 100
ON_RAY = f"""
import json, os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback only
from ray.cluster_utils import Cluster
from sweeping import slow
from tacitlab.sweep import ray_crew
from tacitlab.sweep import sweep

def open_to_others():
    lines = [line.split() for name in ("tcp", "tcp6") for line in list(open("/proc/net/" + name))[1:]]
    return {{line[1] for line in lines if line[3] == "0A" and not line[1].split(":")[0].endswith("0100007F")}}

ray_crew.BATCH = 0.3
before = open_to_others()
small = dict(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=80_000_000)
cluster = Cluster(initialize_head=True, head_node_args=dict(small, num_cpus=0, include_dashboard=False))
nodes = [cluster.add_node(**small), cluster.add_node(**small)]
killed, listening = [], set()

def kill(over, total):
    if over >= total // 4 and not killed:
        killed.append(over)
        listening.update(open_to_others() - before)
        cluster.remove_node(nodes[0], allow_graceful=False)

try:
    found = sweep.run(slow({CELLS}), sys.argv[1], ray=cluster.address, progress=kill)
finally:
    cluster.shutdown()
print(json.dumps(dict(killed=killed, finished=found.finished, failed=found.failed, played=found.played,
                      listening=list(listening))))
"""


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install 'tacitlab[ray]'")
def test_a_node_that_dies_loses_nothing_doubles_nothing_and_changes_no_bit(tmp_path, monkeypatch):
    from sweeping import slow

    paths = f"{Path(__file__).parent}:{Path(sweep.__file__).parents[2]}:{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-c", ON_RAY, str(tmp_path / "ray")], env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert CELLS // 4 <= told["killed"][0] < CELLS
    assert told["listening"] == []  # nothing but loopback
    assert (told["finished"], told["failed"], told["played"]) == (CELLS, 0, CELLS)
    held = State(SweepFolder(tmp_path / "ray")).addresses(0, CELLS)
    assert len(set(held.values())) == CELLS
    assert CellStore(tmp_path / "ray/cells.sqlite").known(list(held.values())) == set(held.values())
    monkeypatch.setattr(sweep_driver, "LocalCrew", Alone)
    sweep.run(slow(CELLS), tmp_path / "here")
    assert files(tmp_path / "ray/data.zarr") == files(tmp_path / "here/data.zarr")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "ray: no cluster answers at 127.0.0.1:1 (connection refused)"),
        ("somewhere", "ray: 'somewhere' is no address; write HOST:PORT, auto or local"),
    ],
)
def test_a_wrong_address_is_one_line_at_once(address, message):
    with pytest.raises(TacitError) as caught:
        RayCrew(None, address)
    assert message in str(caught.value)


def test_without_ray_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TacitError, match=r"it is not installed; install it with `pip install 'tacitlab\[ray\]'`"):
        sweep.run(dilemma(), tmp_path / "s", ray="auto")


class Dying:
    """What a crew needs of Ray, on a cluster whose processes always die."""

    def wait(self, batches, num_returns, timeout):
        return list(batches)[:num_returns], []

    def get(self, batch):
        raise RuntimeError("the worker died unexpectedly")


def test_a_cell_that_no_node_survives_is_given_up(monkeypatch):
    from tacitlab.sweep.cell import Job
    from tacitlab.sweep.crew import Lost

    crew = object.__new__(RayCrew)
    crew.ray, crew.order, crew.lost, crew.batches, crew.given_up = Dying(), None, Lost(), {}, []
    crew.play = type("Task", (), {"remote": staticmethod(lambda order, jobs: object())})
    crew.submit([Job(0, []), Job(1, [])])
    found = []
    for _ in range(5):
        found += crew.collect(0)
    assert sorted(played.number for played in found) == [0, 1]
    assert "ray: RuntimeError: the worker died unexpectedly; 2 times" in found[0].cause
    assert not crew.batches

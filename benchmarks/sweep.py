"""What a sweep costs beside its cells: 100,000 tiny ones on this machine, and a Ray cluster that loses a node.

Run with ``make benchmarks`` or ``python benchmarks/sweep.py [--cells 100000] [--no-ray]``. Wall time depends on who
else uses the machine; processor time hardly does.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from tacitlab.lab.playing import cores
from tacitlab.lab.run import prepare
from tacitlab.sweep import sweep

TINY = ["sessions=2", "length.periods=100", "length.stable_for=0", "trace.window=20", "trace.windows=5"]
OVER = ["learners.alpha={low: 0.01, high: 1, log: true}", "learners.gamma={low: 0, high: 0.99}"]


def processor_seconds() -> float:
    """Of this process and of the workers that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def own_seconds() -> float:
    """Of this process alone."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def by_hand(plan: sweep.Sweep, cells: int = 1000) -> float:
    """Processor seconds that a cell costs in a plain loop that stores nothing."""
    prepare(plan.cell(0)).alone()
    began = time.process_time()
    for number in range(cells):
        prepare(plan.cell(number % plan.design.size)).alone()
    return (time.process_time() - began) / cells


def weight(folder: Path) -> str:
    """Size and number of the files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else [folder]
    return f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB in {len(files)} files"


def local(cells: int, folder: Path) -> None:
    """Tiny cells on all cores."""
    plan = sweep.load("prisoners-dilemma", TINY, OVER, "random", cells)
    loop = by_hand(plan)
    before, own, began = processor_seconds(), own_seconds(), time.perf_counter()
    done = sweep.run(plan, folder)
    wall = time.perf_counter() - began
    total, driver = (processor_seconds() - before) / cells, (own_seconds() - own) / cells
    assert done.finished == cells
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{cells:,} cells on {cores()} cores: {wall:.1f} s, {1e3 * wall / cells:.2f} ms a cell")
    print(f"  processor time a cell: {1e3 * total:.2f} ms, of which the driver {1e3 * driver:.2f} ms")
    print(
        f"  the same in a plain loop that stores nothing: {1e3 * loop:.2f} ms; overhead {1e3 * (total - loop):.2f} ms"
    )
    print(f"  driver's peak memory: {memory:.0f} MB")
    for name in ("data.zarr", "cells.sqlite", "state.sqlite"):
        print(f"  {name}: {weight(folder / name)}")
    began = time.perf_counter()
    again = sweep.resume(folder)
    print(f"  the same sweep again: {time.perf_counter() - began:.1f} s, {again.played} cells played")
    began = time.perf_counter()
    mean = float(np.nanmean(done.data()["limit_payoff"]))
    print(f"  opening it in xarray and averaging one variable: {time.perf_counter() - began:.1f} s ({mean:.4f})")


def on_ray(cells: int, folder: Path) -> None:
    """Cells of some hundredths of a second on three nodes of this machine, one of which is killed in the middle."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback only
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        print("ray is not installed: pip install 'tacitlab[ray]'")
        return
    longer = [*TINY[1:], "sessions=100", "length.periods=5000", "trace.window=1000"]
    plan = sweep.load("prisoners-dilemma", longer, OVER, "random", cells)
    small = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(**small) for _ in range(2)]
    killed: list[int] = []

    def kill(over: int, total: int) -> None:
        if over >= total // 2 and not killed:
            killed.append(over)
            cluster.remove_node(nodes[0], allow_graceful=False)

    began = time.perf_counter()
    try:
        done = sweep.run(plan, folder / "ray", ray=cluster.address, progress=kill)
    finally:
        cluster.shutdown()
    wall = time.perf_counter() - began
    here = time.perf_counter()
    sweep.run(plan, folder / "here")
    here = time.perf_counter() - here
    print(f"{cells:,} cells on a Ray cluster: {wall:.1f} s (on all cores without Ray: {here:.1f} s)")
    print(f"  a node was killed after {killed[0]} cells; {done.finished} finished, {done.failed} failed, ", end="")
    same = contents(folder / "ray/data.zarr") == contents(folder / "here/data.zarr")
    print(f"the table has {'the same' if same else 'OTHER'} bytes as without Ray")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--ray-cells", type=int, default=400)
    parser.add_argument("--no-ray", action="store_true")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tacit-sweep-"))
    try:
        local(chosen.cells, folder / "local")
        if not chosen.no_ray:
            on_ray(chosen.ray_cells, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Small sweeps, and a crew that plays them in this process and counts."""

from collections import deque
from pathlib import Path
from typing import ClassVar

from tacitlab.sweep import cell, sweep

SHORT = ["sessions=2", "length.periods=100", "length.stable_for=0", "trace.window=20", "trace.windows=5"]
GRID = ["learners.alpha=[0.1, 0.2, 0.4]", "learners.gamma=[0, 0.9]"]


class Alone:
    """Plays a batch when it is collected. ``counted`` has the settings of every cell that was played, ever."""

    batch_seconds: ClassVar[float] = 0.05
    counted: ClassVar[list] = []
    stop_after: ClassVar[int] = 10**9  # batches, after which Ctrl-C is pressed

    def __init__(self, order, workers):
        self.order, self.batches, self.done = order, deque(), 0

    def room(self):
        return 2 - len(self.batches)

    def submit(self, jobs):
        self.batches.append(list(jobs))

    def collect(self, seconds):
        if self.done >= self.stop_after:
            raise KeyboardInterrupt
        self.done += 1
        jobs = self.batches.popleft()
        self.counted += [tuple(job.settings) for job in jobs]
        return cell.play(self.order, jobs)

    def close(self):
        self.batches.clear()


def dilemma(over=tuple(GRID), more=(), **options) -> sweep.Sweep:
    """A sweep over the prisoner's dilemma: a cell takes a millisecond."""
    return sweep.load("prisoners-dilemma", [*SHORT, *more], list(over), **options)


def slow(cells: int) -> sweep.Sweep:
    """A sweep whose cells take some hundredths of a second."""
    more = ["length.periods=5000", "trace.window=1000", "sessions=100"]
    return dilemma(["learners.alpha={low: 0.1, high: 0.9}"], more, design="random", count=cells)


def files(table: Path) -> dict[str, bytes]:
    """Every file of a table and its bytes."""
    return {str(p.relative_to(table)): p.read_bytes() for p in sorted(table.rglob("*")) if p.is_file()}

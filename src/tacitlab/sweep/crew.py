"""Who plays the cells of a sweep: what the driver asks of workers, and a crew of processes on this machine."""

import contextlib
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import IO, Any, Protocol

from tacitlab.errors import TacitError
from tacitlab.sweep.cell import Job, Order, Played

AHEAD = 2  # batches that a worker has: the one it plays, and one that it takes up while the driver writes
TRIES = 2  # of a cell whose worker dies


class Crew(Protocol):
    """Workers that play batches of cells, in any order."""

    batch_seconds: float  # how long a batch should take: what is lost when a worker dies

    def room(self) -> int:
        """How many more batches the workers can take now."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand over a batch."""

    def collect(self, seconds: float) -> list[Played]:
        """Cells that are over; waits so long for the first. Each job comes back exactly once."""

    def close(self) -> None:
        """Stop everything at once; what was not collected is dropped."""


@dataclass
class Lost:
    """Batches whose worker died: they are tried again cell by cell, so that one bad cell does not take others along."""

    tries: dict[int, int] = field(default_factory=dict)

    def again(self, jobs: Sequence[Job], cause: str) -> tuple[list[list[Job]], list[Played]]:
        """Batches to submit again, and cells that are given up."""
        if len(jobs) > 1:
            return [[job] for job in jobs], []
        (job,) = jobs
        self.tries[job.number] = self.tries.get(job.number, 0) + 1
        if self.tries[job.number] < TRIES:
            return [[job]], []
        return [], [Played(job.number, None, f"{cause}; {TRIES} times", 0.0)]


class _Worker:
    """A process that plays one batch after the other, and ends with this one, however this one ends."""

    def __init__(self, order: Order) -> None:
        self.complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the worker)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tacitlab.sweep.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.complaints, start_new_session=True,  # Ctrl-C is the driver's to answer
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.to = Connection(self.process.stdin.fileno(), readable=False)
        self.back = Connection(self.process.stdout.fileno(), writable=False)
        self.ready = False
        self.has: deque[list[Job]] = deque()
        self.to.send(order)

    def last_words(self) -> str:
        """How the process ended, and the last line of its complaints."""
        code = self.process.wait()
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"worker: it died ({ended}{': ' + lines[-1][:200] if lines else ''})"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        for connection in (self.to, self.back):
            connection._handle = None  # type: ignore[attr-defined]  # closed with its stream


class LocalCrew:
    """Processes on this machine, each on one core."""

    batch_seconds: float = 0.5

    def __init__(self, order: Order, workers: int) -> None:
        self.order, self.most = order, workers
        self.workers: list[_Worker] = []
        self.lost, self.waiting = Lost(), deque[list[Job]]()
        self.given_up: list[Played] = []

    def room(self) -> int:
        taken = sum(len(worker.has) for worker in self.workers)
        return max(0, AHEAD * self.most - taken - len(self.waiting))

    def submit(self, jobs: Sequence[Job]) -> None:
        self.waiting.append(list(jobs))
        self._hand_out()

    def _hand_out(self) -> None:
        while self.waiting:
            if len(self.workers) < self.most and all(worker.has for worker in self.workers):
                self.workers.append(_Worker(self.order))
            worker = min(self.workers, key=lambda w: len(w.has))
            if len(worker.has) >= AHEAD:
                return
            jobs = self.waiting.popleft()
            worker.has.append(jobs)
            try:
                worker.to.send(jobs)
            except OSError:  # it died: that shows when its answer is read
                return

    def collect(self, seconds: float) -> list[Played]:
        found, self.given_up = self.given_up, []
        ready: Any = wait([w.back for w in self.workers], 0 if found else seconds)
        for worker in [w for w in self.workers if w.back in ready]:
            try:
                answer = worker.back.recv()
            except (EOFError, OSError):
                found += self._bury(worker)
                continue
            if answer is None:
                worker.ready = True
            else:
                worker.has.popleft()
                found += answer
        self._hand_out()
        return found

    def _bury(self, worker: _Worker) -> list[Played]:
        """A worker died; the batch that it played is suspect, the next one is not."""
        cause = worker.last_words()
        self.workers.remove(worker)
        worker.end()
        if not worker.ready:
            raise TacitError(f"{cause} before it began; mend the installation (`tacit run` shows what is wrong)")
        found: list[Played] = []
        if worker.has:
            batches, found = self.lost.again(worker.has.popleft(), cause)
            self.waiting.extendleft(reversed([*batches, *worker.has]))
        return found

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers.clear()

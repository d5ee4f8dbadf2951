"""The driver of a sweep: hands cells to workers, stores what comes back, and keeps the table up to date."""

import hashlib
import json
import math
import platform
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tacitlab.errors import Interrupted, TacitError
from tacitlab.lab import user_files
from tacitlab.lab.described import FILE, describe
from tacitlab.lab.design import short_names
from tacitlab.lab.experiment import Experiment, described
from tacitlab.lab.playing import cores
from tacitlab.markets.base import Market
from tacitlab.store import atomic
from tacitlab.store.layout import Arrays
from tacitlab.sweep.cell import Job, Leaves, Order, Played, address, check, leaves, program_of
from tacitlab.sweep.cells import CellStore
from tacitlab.sweep.crew import Crew, LocalCrew
from tacitlab.sweep.folder import CELLS, DATA, FAILED, FINISHED, WAITING, State, SweepFolder, create
from tacitlab.sweep.programs import compare, programs
from tacitlab.sweep.sweep import Progress, Status, Sweep, status
from tacitlab.sweep.table import Table

PROBED = 100  # cells that are looked at for one that can be played
LOOKED_UP = 256  # cells whose addresses are sought in the store at once
MOST_JOBS = 512  # of a batch
MOST_BYTES = 64_000_000  # of a batch's results
BEHIND = 10.0  # seconds that the table may lie behind what is finished, at least
SHARE = 0.05  # of the time that may go into writing blocks that are not complete


Row = tuple[int, bytes | None, str | None]  # number, address, cause of failure


class Probe(NamedTuple):
    """The first cell that can be played: it gives the table its layout."""

    experiment: Experiment
    leaves: Leaves


def probe(sweep: Sweep) -> Probe:
    """Look for a cell that can be played, before anything is.

    Raises
    ------
    TacitError
        What is wrong with the first cell, if there is none.
    """
    first: TacitError | None = None
    for number in range(min(sweep.design.size, PROBED)):
        try:
            experiment = sweep.cell(number)
            return Probe(experiment, leaves(experiment, sweep.keep))
        except TacitError as error:
            first = first or error
    assert first is not None
    raise first


def begin(path: Path, sweep: Sweep, cells: Any = None) -> SweepFolder:
    """A new folder for a sweep.

    Raises
    ------
    TacitError
        If no cell can be played, or the folder cannot be written.
    """
    probe(sweep)
    known = programs(sweep)
    said = json.dumps(describe(sweep.experiment, whole=False), indent=1).encode()
    own = user_files.of_programs(known.values())
    facts = {
        "name": sweep.name,
        "cells": sweep.design.size,
        "computes": ", ".join(known),
        "programs": [one.record() for one in known.values()],
        "sources": user_files.record(own),
        "description": hashlib.sha256(said).hexdigest(),
        "store": CELLS if cells is None else str(Path(cells).resolve()),
        "versions": {"tacitlab": metadata.version("tacitlab"), "python": platform.python_version()},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return create(path, sweep.model_dump(mode="json"), facts, {**user_files.copies(own), FILE: said})


class Driver:
    """Runs one sweep in its folder."""

    def __init__(self, folder: SweepFolder, sweep: Sweep, *, retry: bool = False, anyway: bool = False) -> None:
        self.folder, self.sweep, self.design, self.retry = folder, sweep, sweep.design, retry
        found = probe(sweep)
        compare(folder, sweep, anyway)
        kept = found.leaves.variables
        ranks = {name: len(dims) for name, (dims, _) in kept.items()}
        self.order = Order(sweep.experiment.dump(), sweep.keep, ranks)
        self.market = isinstance(found.experiment.environment, Market)
        self.window = found.experiment.recorded()[0] if any("time" in dims for dims, _ in kept.values()) else None
        self.table = _table(folder, sweep, found)
        size = 1 + sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for _, v in kept.values())
        self.most_jobs = max(1, min(MOST_JOBS, MOST_BYTES // size))
        self.away: dict[int, bytes] = {}  # addresses of cells that are ready or with the workers
        self.ready: deque[Job] = deque()
        self.twins: list[Job] = []  # cells that equal one of those
        self.dirty: set[int] = set()  # blocks that the table does not have as they are
        self.touched: set[int] = set()  # those that changed since the last look
        self.codes = np.zeros(self.design.size, np.uint8)
        self.left, self.played = self.design.size, 0
        self.pace = 0.0  # seconds a cell; 0: not known yet

    # --- the loop ----------------------------------------------------------------------------------------------

    def run(self, workers: int | None, ray: str | None, progress: Progress | None) -> Status:
        """Play what is not finished, and write the table."""
        with atomic.locked(self.folder.path):
            self.began, self.tell = time.perf_counter(), progress or (lambda over, total: None)
            self.cells, self.state = CellStore(self.folder.store), State(self.folder)
            try:
                self._prepare()
                self._play(self._crew(workers, ray))
                assert not self.left, f"{self.left} cells were forgotten"
                self._write(self.dirty | self.touched)
                self._enter("complete")
            except KeyboardInterrupt:
                self._interrupted(ray)
            finally:
                self.state.close()
                self.cells.close()
        return status(self.folder.path, self.played)

    def _crew(self, workers: int | None, address: str | None) -> Callable[[], Crew]:
        if address is not None:
            from tacitlab.sweep.ray_crew import RayCrew

            return lambda: RayCrew(self.order, address)
        most = workers or (cores() if not self.market or _on_processor() else 1)
        return lambda: LocalCrew(self.order, max(1, min(most, self.left)))

    def _prepare(self) -> None:
        """Find out what is finished, and which blocks of the table do not say so."""
        if self.retry:
            self.state.forget()
        self.codes = self.state.codes()
        self._miss()
        waiting = np.flatnonzero(self.codes == WAITING)
        self.left = len(waiting)
        self.chunks = iter(np.split(waiting, range(LOOKED_UP, len(waiting), LOOKED_UP)))
        if not self._table_is_sound():
            self.table.create()
        finished, failed = self.table.marks()
        differing = np.flatnonzero((finished != (self.codes == FINISHED)) | (failed != (self.codes == FAILED)))
        self.dirty = {self.table.block_of(int(cell)) for cell in differing}
        self.written, self.pause = time.perf_counter(), BEHIND
        self.tell(len(self.codes) - self.left, len(self.codes))

    def _miss(self) -> None:
        """Cells whose arrays are gone, with a store that was removed, wait again."""
        for first in range(0, len(self.codes), LOOKED_UP):
            held = self.state.addresses(first, first + LOOKED_UP)
            if gone := set(held.values()) - self.cells.known(list(held.values())):
                numbers = [number for number, where in held.items() if where in gone]
                self.state.forget(numbers)
                self.codes[numbers] = WAITING

    def _table_is_sound(self) -> bool:
        try:
            finished, _ = self.table.marks()
        except Exception:  # missing or damaged: it is written again from the store of cells
            return False
        return len(finished) == len(self.codes)

    def _play(self, start: Callable[[], Crew]) -> None:
        """Keep the workers busy until every cell is over."""
        crew: Crew | None = None
        try:
            while True:
                while crew is None or crew.room() > 0:
                    if not (jobs := self._next(crew)):
                        break
                    crew = crew or start()
                    crew.submit(jobs)
                if crew is None or not self.away:
                    return
                self._take_in(crew.collect(0.2))
                self._keep_up()
        finally:
            if crew is not None:
                crew.close()

    # --- what to play ------------------------------------------------------------------------------------------

    def _next(self, crew: Crew | None) -> list[Job]:
        """The next batch: one cell until it is known how long they take."""
        fitting = int(crew.batch_seconds / self.pace) if crew and self.pace else 1
        most = max(1, min(self.most_jobs, fitting))
        while len(self.ready) < most and self._look_up():
            pass
        return [self.ready.popleft() for _ in range(min(most, len(self.ready)))]

    def _look_up(self) -> bool:
        """Settle some more cells that need not be played, and make the others ready; False if there are no more."""
        chunk = next(self.chunks, None)
        if chunk is not None:
            self._settle([Job(int(cell), self.design.settings(int(cell))) for cell in chunk])
            return True
        if self.twins and not self.away:
            twins, self.twins = self.twins, []
            self._settle(twins)
            return True
        return False

    def _settle(self, jobs: list[Job]) -> None:
        found: list[tuple[Job, bytes]] = []
        rows: list[Row] = []
        for job in jobs:
            try:
                found.append(self._addressed(job))
            except TacitError as error:
                rows.append((job.number, None, str(error)))
        known = self.cells.known([where for _, where in found])
        busy = set(self.away.values())
        for job, where in found:
            if where in known:
                rows.append((job.number, where, self._misfit(where)))
            elif where in busy:
                self.twins.append(job)
            else:
                busy.add(where)
                self.away[job.number] = where
                self.ready.append(job)
        self._note(rows)

    def _addressed(self, job: Job) -> tuple[Job, bytes]:
        experiment = self.order.resolve(job)
        if self.window not in (None, experiment.recorded()[0]):
            raise TacitError(
                f"length: windows of {experiment.recorded()[0]} are recorded here and of {self.window} in the first "
                "cell; set trace.window, or keep variables without time"
            )
        computes = program_of(experiment)
        return job._replace(computes=str(computes)), address(experiment, self.order.keep, computes)

    def _misfit(self, where: bytes) -> str | None:
        """Why a cell that another sweep has stored does not fit into the table."""
        try:
            check(self.cells.get(where), self.order.ranks)
        except TacitError as error:
            return str(error)
        return None

    # --- what comes back ---------------------------------------------------------------------------------------

    def _take_in(self, over: list[Played]) -> None:
        if not over:
            return
        pairs = [(played, self.away.pop(played.number)) for played in over]
        self.cells.put((where, played.content) for played, where in pairs if played.content is not None)
        self._note([(played.number, where, played.cause or None) for played, where in pairs])
        self.played += len(over)
        middle = sorted(played.seconds for played in over)[len(over) // 2]
        self.pace = max(1e-5, 0.5 * (self.pace or middle) + 0.5 * middle)

    def _note(self, rows: list[Row]) -> None:
        if not rows:
            return
        self.state.note(rows)
        for number, _, cause in rows:
            self.codes[number] = FINISHED if cause is None else FAILED
            self.touched.add(self.table.block_of(number))
        self.left -= len(rows)
        self.tell(len(self.codes) - self.left, len(self.codes))

    def _keep_up(self) -> None:
        """Write blocks that are complete, and now and then all that changed."""
        self.dirty |= self.touched
        done = {b for b in self.touched if (self.codes[list(self.table.cells_of(b))] != WAITING).all()}
        self.touched = set()
        self._write(done)
        if (began := time.perf_counter()) - self.written > self.pause:
            self._write(self.dirty)
            self.written = time.perf_counter()
            self.pause = max(BEHIND, (self.written - began) / SHARE)

    def _write(self, blocks: set[int]) -> None:
        for block in sorted(blocks):
            cells = self.table.cells_of(block)
            held = self.state.addresses(cells[0], cells[-1] + 1)
            finished: dict[int, Arrays] = {number: self.cells.get(where) for number, where in held.items()}
            self.table.write(block, finished, {n for n in cells if self.codes[n] == FAILED})
        self.dirty = self.dirty - blocks

    def _enter(self, how: str) -> None:
        """Enter into the manifest how the sweep stands, and how long it took so far."""
        spent = float(self.folder.manifest.get("seconds", 0.0)) + time.perf_counter() - self.began
        self.folder.finish({"status": how, "seconds": round(spent, 3)})

    def _interrupted(self, ray: str | None) -> None:
        self._write(self.dirty | self.touched)
        self._enter("running")
        over = f"{len(self.codes) - self.left} of {len(self.codes)} cells are safe in {self.folder.path}"
        on = f" --ray {ray}" if ray else ""
        raise Interrupted(f"interrupted: {over}; continue with `tacit sweep --resume {self.folder.path}{on}`") from None


def _table(folder: SweepFolder, sweep: Sweep, found: Probe) -> Table:
    dims, coordinates = sweep.design.coordinates()
    paths = dict(zip(short_names(sweep.design.fields), sweep.design.fields, strict=True))
    said = {name: described(found.experiment, paths.get(name, name)) for name in coordinates}
    return Table(
        path=folder.path / DATA,
        dims=dims,
        shape=sweep.design.shape,
        coordinates={name: (*entry, *said[name]) for name, entry in coordinates.items()},
        variables=found.leaves.variables,
        known=found.leaves.known,
        shared=found.leaves.shared,
        title=sweep.name,
        mend=folder.mend,
    )


def _on_processor() -> bool:
    from tacitlab.engine import devices

    return devices.on_processor()

"""A sweep on disk, in open formats only.

::

    SWEEP/sweep.yaml     the experiment and its design, complete
    SWEEP/manifest.json  versions, sizes, where the cells are stored, duration
    SWEEP/environment.json, sources/  as in a run
    SWEEP/state.sqlite   for each cell that is over its address, or the cause of its failure
    SWEEP/cells.sqlite   the arrays of finished cells, unless they are shared with other sweeps
    SWEEP/data.zarr      everything finished so far, by the sweep's own dimensions; xarray opens it

The store of cells is what counts; the table (``data.zarr``) is written from it, in blocks of many cells, and can be
written again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.lab.described import FILE
from tacitlab.naming import MANIFEST, SWEEP, refusal
from tacitlab.store import atomic
from tacitlab.sweep.cells import connect, said_plainly

STATE, CELLS, DATA = "state.sqlite", "cells.sqlite", "data.zarr"
FORMAT = 1
WAITING, FINISHED, FAILED = range(3)


def create(
    path: Path, sweep: Mapping[str, Any], facts: Mapping[str, Any], files: Mapping[str, bytes] | None = None
) -> "SweepFolder":
    """Lay out an empty sweep, with files that are kept beside it.

    Raises
    ------
    TacitError
        If the folder exists and is not empty, or cannot be written.
    """
    with atomic.explained(path, "creating the sweep's folder", "name a folder that can be written"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise TacitError(f"{path}: exists already and holds no sweep; name another folder")
        path.mkdir(parents=True, exist_ok=True)
        for name, kept in (files or {}).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            atomic.write(path / name, kept)
        content = yaml.safe_dump(dict(sweep), sort_keys=False).encode()
        atomic.write(path / SWEEP, content)
        with said_plainly(path, "creating the sweep's folder", "name a folder that can be written"):
            state = connect(path / STATE)
            with state:
                state.execute("CREATE TABLE IF NOT EXISTS cell (number INTEGER PRIMARY KEY, address BLOB, cause TEXT)")
            state.close()
        manifest = {"format": FORMAT, "status": "running", **facts, "sweep": hashlib.sha256(content).hexdigest()}
        atomic.write(path / MANIFEST, _json(manifest))  # last: a folder with a manifest is complete in its layout
    return SweepFolder(path)


def holds_sweep(path: Path) -> bool:
    """Whether a folder is one that a sweep was begun in."""
    return (path / MANIFEST).is_file() and (path / SWEEP).is_file()


class SweepFolder:
    """A sweep's folder that exists.

    Raises
    ------
    TacitError
        If it is missing, is no sweep, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not holds_sweep(path):
            known = "no such folder" if not path.is_dir() else f"no sweep (it has no {SWEEP})"
            raise refusal(path, "sweep", f"{known}; name a folder that `tacit sweep` made")
        try:
            self.manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            kinds = {"cells": int, "status": str, "sweep": str, "computes": str, "store": str}
            sound = all(isinstance(self.manifest.get(name), kind) for name, kind in kinds.items())
        except (OSError, ValueError, AttributeError):
            sound = False
        if not sound:
            raise TacitError(f"{path}: {MANIFEST} is damaged; run the sweep into another folder with --cells "
                             f"{path / CELLS}, which plays nothing again")  # fmt: skip
        if self.manifest.get("format") != FORMAT:
            raise TacitError(f"{path}: format {self.manifest.get('format')} is not read here; use its tacit version")

    @property
    def mend(self) -> str:
        """How to go on after trouble with the disk."""
        return f"what was finished is safe: mend that, then `tacit sweep --resume {self.path}`"

    @property
    def store(self) -> Path:
        """The file of finished cells."""
        return self.path / str(self.manifest["store"])  # an absolute path stays what it is

    def sweep(self) -> dict[str, Any]:
        """The sweep as plain data: the one that was begun."""
        with atomic.explained(self.path, f"reading {SWEEP}", self.mend):
            content = (self.path / SWEEP).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.manifest["sweep"]:
            raise TacitError(
                f"{self.path}: {SWEEP} was changed after the sweep began; undo that, or run it into another folder"
            )
        return dict(yaml.safe_load(content.decode()))

    def description(self) -> dict[str, Any] | None:
        """What is said of the experiment before a cell's settings; None in a sweep from before that was kept."""
        if "description" not in self.manifest:
            return None
        with atomic.explained(self.path, f"reading {FILE}", self.mend):
            content = (self.path / FILE).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.manifest["description"]:
            raise TacitError(f"{self.path}: {FILE} was changed after the sweep began; undo that")
        return dict(json.loads(content))

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Enter facts, such as the status, into the manifest."""
        self.manifest = {**self.manifest, **facts}
        with atomic.explained(self.path, "writing the manifest", self.mend):
            atomic.write(self.path / MANIFEST, _json(self.manifest))


class State:
    """Which cells of a sweep are over: finished, under which address, or failed, and why."""

    def __init__(self, folder: SweepFolder, readonly: bool = False) -> None:
        self.folder, self.size = folder, int(folder.manifest["cells"])
        with self._plainly("opening"):
            self._database: Any = connect(folder.path / STATE, readonly)

    def _plainly(self, doing: str) -> Any:
        return said_plainly(self.folder.path / STATE, doing, self.folder.mend)

    def note(self, rows: Iterable[tuple[int, bytes | None, str | None]]) -> None:
        """Enter cells that are over: number, address, and the cause if it failed."""
        with self._plainly("writing"), self._database:
            self._database.executemany("INSERT OR REPLACE INTO cell VALUES (?, ?, ?)", rows)

    def codes(self) -> NDArray[np.uint8]:
        """Of every cell: waiting (0), finished (1) or failed (2)."""
        codes = np.zeros(self.size, np.uint8)
        with self._plainly("reading"):
            for number, failed in self._database.execute("SELECT number, cause IS NOT NULL FROM cell"):
                codes[number] = FAILED if failed else FINISHED
        return codes

    def count(self) -> tuple[int, int]:
        """Numbers of cells that are finished, and that failed."""
        with self._plainly("reading"):
            over, failed = self._database.execute("SELECT count(*), count(cause) FROM cell").fetchone()
        return over - failed, failed

    def addresses(self, first: int, last: int) -> dict[int, bytes]:
        """Addresses of the finished cells from the first to before the last."""
        query = "SELECT number, address FROM cell WHERE number >= ? AND number < ? AND cause IS NULL"
        with self._plainly("reading"):
            return dict(self._database.execute(query, (first, last)))

    def failures(self, most: int = -1) -> list[tuple[int, str]]:
        """Number and cause of cells that failed, in order."""
        with self._plainly("reading"):
            query = "SELECT number, cause FROM cell WHERE cause IS NOT NULL ORDER BY number LIMIT ?"
            return list(self._database.execute(query, (most,)))

    def causes(self, most: int) -> list[tuple[str, int, int]]:
        """The commonest causes of failure: text, how many cells, the first of them."""
        query = (
            "SELECT cause, count(*), min(number) FROM cell WHERE cause IS NOT NULL GROUP BY cause "
            "ORDER BY count(*) DESC, min(number) LIMIT ?"
        )
        with self._plainly("reading"):
            return list(self._database.execute(query, (most,)))

    def forget(self, numbers: Sequence[int] | None = None) -> None:
        """Let cells wait again: these, or all that failed."""
        with self._plainly("writing"), self._database:
            if numbers is None:
                self._database.execute("DELETE FROM cell WHERE cause IS NOT NULL")
            else:
                self._database.executemany("DELETE FROM cell WHERE number = ?", ((n,) for n in numbers))

    def close(self) -> None:
        self._database.close()


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()

"""The store of finished cells: one SQLite file, in which a cell lies under its address.

A cell is written whole or not at all, however the program ends; several sweeps may share a file, also at the same
time. Arrays are safetensors, compressed with zlib: open formats, readable without this package.
"""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.store.layout import Arrays

AT_ONCE = 500  # addresses in one query
MOST_BYTES = 900_000_000  # of a packed cell: SQLite takes no more in one field


def pack(arrays: Arrays) -> bytes:
    """Arrays as bytes.

    Examples
    --------
    >>> unpack(pack({"payoff": np.array([1.0, 2.0])}))
    {'payoff': array([1., 2.])}
    """
    from safetensors.numpy import save

    return zlib.compress(save({name: np.ascontiguousarray(values) for name, values in arrays.items()}), 1)


def unpack(content: bytes) -> Arrays:
    """The arrays of :func:`pack`."""
    from safetensors.numpy import load

    return load(zlib.decompress(content))


@contextlib.contextmanager
def said_plainly(path: Path, doing: str, mend: str) -> Iterator[None]:
    """Turn what SQLite and the operating system say into one line that names the file and the mend."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise TacitError(f"{path}: {doing} failed ({error}); {mend}") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise TacitError(f"{path}: {doing} failed ({reason}); {mend}") from None


def connect(path: Path, readonly: bool = False) -> sqlite3.Connection:
    """A database that other processes may read and write at the same time; transactions survive a kill."""
    if readonly:
        for mode in ("rw", "ro"):  # who may write clears away SQLite's own files when the last reader goes
            with contextlib.suppress(sqlite3.OperationalError):
                database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60)
                database.execute("SELECT count(*) FROM sqlite_master")
                return database
    database = sqlite3.connect(path, timeout=60)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")  # a kill loses nothing; a power cut at most the last seconds
    return database


class CellStore:
    """Finished cells by address.

    Raises
    ------
    TacitError
        If the file cannot be opened or written, or is no store of cells.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mend = f"what is stored is safe: make room or mend {path.parent}, then continue"
        with said_plainly(path, "opening the store of cells", "name a file in a folder that can be written"):
            self._database: Any = connect(path)
            with self._database:
                self._database.execute(
                    "CREATE TABLE IF NOT EXISTS cell (address BLOB PRIMARY KEY, arrays BLOB NOT NULL)"
                )

    def known(self, addresses: Sequence[bytes]) -> set[bytes]:
        """Which of these cells are finished."""
        found: set[bytes] = set()
        with said_plainly(self.path, "reading", self.mend):
            for k in range(0, len(addresses), AT_ONCE):
                some = addresses[k : k + AT_ONCE]
                marks = ",".join("?" * len(some))
                found.update(
                    a for (a,) in self._database.execute(f"SELECT address FROM cell WHERE address IN ({marks})", some)
                )
        return found

    def put(self, cells: Iterable[tuple[bytes, bytes]]) -> None:
        """Store packed cells, all or none of them; what is there stays as it is."""
        with said_plainly(self.path, "writing cells", self.mend), self._database:
            self._database.executemany("INSERT OR IGNORE INTO cell VALUES (?, ?)", cells)

    def get(self, address: bytes) -> Arrays:
        """The arrays of a finished cell.

        Raises
        ------
        TacitError
            If it is not there, or damaged.
        """
        with said_plainly(self.path, "reading", self.mend):
            row = self._database.execute("SELECT arrays FROM cell WHERE address = ?", (address,)).fetchone()
        try:
            return unpack(row[0])
        except Exception:  # missing, or bytes that are none of ours
            raise TacitError(
                f"{self.path}: cell {address.hex()[:12]} is missing or damaged; remove the file and run the sweep again"
            ) from None

    def close(self) -> None:
        """Fold everything into the one file."""
        self._database.close()

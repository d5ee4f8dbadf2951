"""What a run leaves: named arrays by cell and session, cut into shards that are written whole or not at all."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]

SHARDS_PER_CELL = 20
MOST_SESSIONS = 256  # of one shard
MOST_BYTES = 64_000_000  # of one shard


@dataclass(frozen=True)
class Variable:
    """One array of the results; its first dimensions are cell and session.

    Attributes
    ----------
    dims : tuple of str
        Dimensions after cell and session.
    shape : tuple of int
        Their lengths.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Layout:
    """Size and meaning of everything that a run stores.

    Attributes
    ----------
    cells, sessions, shard : int
        ``shard`` sessions of one cell are stored together; it follows from the experiment alone.
    variables : dict of Variable
    coordinates : dict of (dims, values, unit)
    """

    cells: int
    sessions: int
    shard: int
    variables: Mapping[str, Variable]
    coordinates: Mapping[str, tuple[tuple[str, ...], NDArray[np.generic], str]] = field(default_factory=dict)

    def shards(self) -> Iterator[tuple[int, int, int, int]]:
        """Index, cell, first session and number of sessions of every shard."""
        index = 0
        for cell in range(self.cells):
            for first in range(0, self.sessions, self.shard):
                yield index, cell, first, min(self.shard, self.sessions - first)
                index += 1

    def shapes(self) -> dict[str, list[int]]:
        """Sizes of all arrays."""
        by_session = {n: [self.cells, self.sessions, *v.shape] for n, v in self.variables.items()}
        return {**by_session, **{n: list(values.shape) for n, (_, values, _) in self.coordinates.items()}}

    @property
    def n_shards(self) -> int:
        return self.cells * -(-self.sessions // self.shard)


def shard_length(sessions: int, bytes_per_session: int) -> int:
    """Sessions of one shard: a twentieth of a cell, within bounds on number and size."""
    by_size = max(1, MOST_BYTES // max(bytes_per_session, 1))
    return int(min(max(1, -(-sessions // SHARDS_PER_CELL)), MOST_SESSIONS, by_size))


def digest(*groups: Arrays) -> str:
    """Fingerprint of arrays: names, types, shapes and bytes, in order of name."""
    sha = hashlib.sha256()
    for arrays in groups:
        for name in sorted(arrays):
            array = np.ascontiguousarray(arrays[name])
            sha.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
            sha.update(array.data.cast("B") if array.size else b"")
    return sha.hexdigest()


def combined(digests: Iterable[str]) -> str:
    """One fingerprint for the fingerprints of all shards, in order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()

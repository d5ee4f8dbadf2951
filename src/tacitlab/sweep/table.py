"""The table of a sweep: one Zarr store with the sweep's dimensions, written in blocks of many cells.

A cell that is not finished is missing: NaN in every variable, False in ``finished``. Whole numbers and truth values
are therefore stored as floating-point numbers. Cells may differ in size (sessions, agents, actions, windows): the
table has that of the largest, and what a smaller cell lacks is missing, too.
"""

import math
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.store.atomic import explained
from tacitlab.store.layout import Arrays, Variable

Stored = tuple[tuple[str, ...], NDArray[Any], str, str]  # dimensions, values, unit, meaning

MOST_CELLS = 1024  # of a block
MOST_BYTES = 16_000_000  # of a block
SMALL = ("bool", "int8", "uint8", "int16", "float32")  # types whose values 32-bit floating-point numbers hold exactly


@dataclass(frozen=True)
class Table:
    """Size and meaning of a sweep's table.

    Attributes
    ----------
    path : Path
    dims, shape : tuple
        The sweep's dimensions; cells lie in row-major order.
    coordinates : dict of (dims, values, unit, meaning)
        Values of the swept fields.
    variables : dict of (dims, Variable)
        What the first cell leaves: dimensions and sizes after those of the sweep.
    known : tuple of str
        Variables that are known of a cell before it is played, such as benchmarks: coordinates for xarray.
    shared : dict of (first, step, unit)
        Coordinates that all cells share but for their length, such as time: evenly spaced.
    title : str
    """

    path: Path
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coordinates: Mapping[str, Stored]
    variables: Mapping[str, tuple[tuple[str, ...], Variable]]
    known: tuple[str, ...] = ()
    shared: Mapping[str, tuple[float, float, str]] = field(default_factory=dict)
    title: str = ""
    mend: str = "what was finished is safe: mend that and continue"

    @cached_property
    def block(self) -> tuple[int, ...]:
        """Lengths of a block along the sweep's dimensions: whole trailing dimensions, a piece of one, 1 of others."""
        each = sum(math.prod(v.shape) * np.dtype(_missing(v.dtype)).itemsize for _, v in self.variables.values())
        room = max(1, min(MOST_CELLS, MOST_BYTES // max(1, each)))
        lengths: list[int] = []
        for length in reversed(self.shape):
            lengths.append(min(length, room))
            room = room // length if lengths[-1] == length else 1
        return tuple(reversed(lengths))

    @cached_property
    def _cut(self) -> int:
        """Number of the dimension of which a block has a piece: those before it have 1, those after it all."""
        partial = [k for k, (b, n) in enumerate(zip(self.block, self.shape, strict=True)) if b < n]
        return partial[-1] if partial else 0

    @cached_property
    def _row(self) -> int:
        """Cells of all that lies behind one place of the dimensions before the cut one."""
        return math.prod(self.shape[self._cut :])

    @cached_property
    def _piece(self) -> int:
        return math.prod(self.block)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return math.prod(self.shape) // self._row * -(-self._row // self._piece)

    def block_of(self, cell: int) -> int:
        """The block in which a cell lies."""
        row, place = divmod(cell, self._row)
        return row * -(-self._row // self._piece) + place // self._piece

    def cells_of(self, block: int) -> range:
        """The cells of a block: consecutive ones."""
        row, piece = divmod(block, -(-self._row // self._piece))
        first = row * self._row + piece * self._piece
        return range(first, min(first + self._piece, (row + 1) * self._row))

    def _place(self, block: int) -> tuple[slice, ...]:
        cells = self.cells_of(block)
        corner = np.unravel_index(cells[0], self.shape)
        return tuple(slice(int(a), min(int(a) + b, n)) for a, b, n in zip(corner, self.block, self.shape, strict=True))

    # --- on disk -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Lay out the table, with no cell finished; whatever there was is replaced."""
        draft = self.path.with_name(f"{self.path.name}.partial")
        with explained(self.path, "creating the table", self.mend):
            with _opened(draft, "w") as group:
                self._lay_out(group)
            shutil.rmtree(self.path, ignore_errors=True)
            draft.rename(self.path)

    def _lay_out(self, group: Any) -> None:
        group.attrs.update({"title": self.title} if self.title else {})
        beside = [name for name in (*self.coordinates, *self.known) if name not in self.dims]
        group.attrs.update({"coordinates": " ".join(beside)} if beside else {})  # as the CF conventions have it
        for name, (dims, values, unit, meaning) in self.coordinates.items():
            _coordinate(group, name, dims, values, _said(unit, meaning))
        sizes: dict[str, int] = {}
        for name, (dims, variable) in self.variables.items():
            sizes |= dict(zip(dims, variable.shape, strict=True))
            chunks = tuple(max(1, n) for n in variable.shape)
            attributes = _said(variable.unit, variable.meaning)
            self._array(group, name, dims, variable.shape, chunks, _missing(variable.dtype), math.nan, attributes)
        for name, (first, step, unit) in self.shared.items():
            if name in sizes:
                values = _spaced(first, step, sizes[name])
                _coordinate(group, name, (name,), values, _said(unit, ""))
        for name, meaning in (("finished", "the cell is finished"), ("failed", "the cell failed")):
            self._array(group, name, (), (), (), "bool", False, {"long_name": meaning})
        _consolidate(group)

    def _array(
        self, group: Any, name: str, dims: tuple[str, ...], shape: tuple[int, ...], chunks: tuple[int, ...],
        dtype: str, fill: Any, attributes: Mapping[str, str],
    ) -> None:  # fmt: skip
        from zarr.codecs import Crc32cCodec, ZstdCodec

        group.create_array(
            name, shape=(*self.shape, *shape), chunks=(*self.block, *chunks), dtype=dtype, fill_value=fill,
            compressors=[ZstdCodec(level=3), Crc32cCodec()], dimension_names=(*self.dims, *dims),
            attributes=dict(attributes),
        )  # fmt: skip

    def exists(self) -> bool:
        """Whether the table has been laid out completely."""
        return (self.path / "zarr.json").is_file()

    def marks(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which cells the table has, and which it says failed: flat arrays, in the order of cells."""
        with explained(self.path, "reading the table", self.mend), _opened(self.path, "r") as group:
            finished, failed = (np.asarray(group[name][...]).reshape(-1) for name in ("finished", "failed"))
        return finished, failed

    def write(self, block: int, finished: Mapping[int, Arrays], failed: set[int]) -> None:
        """Write a block: arrays of its finished cells by number, and which failed. The marks come last."""
        cells, place = self.cells_of(block), self._place(block)
        shape = tuple(s.stop - s.start for s in place)
        with explained(self.path, "writing the table", self.mend), _opened(self.path, "r+") as group:
            sizes = self._grown(group, finished)
            for name, (dims, variable) in self.variables.items():
                values = np.full((len(cells), *(sizes[d] for d in dims)), math.nan, _missing(variable.dtype))
                for number, arrays in finished.items():
                    found, row = arrays[name], values[number - cells[0]]
                    row[tuple(slice(n) for n in found.shape)] = found
                group[name][(*place, ...)] = values.reshape(*shape, *values.shape[1:])
            for name, marked in (("failed", failed), ("finished", finished)):
                flags = np.array([number in marked for number in cells])
                group[name][place] = flags.reshape(shape)

    def _grown(self, group: Any, finished: Mapping[int, Arrays]) -> dict[str, int]:
        """Sizes of the inner dimensions, after making room for larger cells."""
        sizes: dict[str, int] = {}
        for name, (dims, _) in self.variables.items():
            sizes |= dict(zip(dims, group[name].shape[len(self.shape) :], strict=True))
        wanted = dict(sizes)
        for arrays in finished.values():
            for name, (dims, _) in self.variables.items():
                for dim, length in zip(dims, arrays[name].shape, strict=True):
                    wanted[dim] = max(wanted[dim], length)
        if wanted == sizes:
            return sizes
        for name, (dims, _) in self.variables.items():
            group[name].resize((*self.shape, *(wanted[d] for d in dims)))
        for name, (first, step, _) in self.shared.items():
            if name in wanted and wanted[name] > sizes[name]:
                group[name].resize((wanted[name],))
                group[name][...] = _spaced(first, step, wanted[name])
        _consolidate(group)
        return wanted


def _missing(dtype: str) -> str:
    """The type of floating-point numbers that holds the values of another type, and NaN."""
    return "float32" if dtype in SMALL else "float64"


def _said(unit: str, meaning: str) -> dict[str, str]:
    return {name: text for name, text in (("units", unit), ("long_name", meaning)) if text}


def _spaced(first: float, step: float, length: int) -> NDArray[Any]:
    return first + step * np.arange(length)


def _coordinate(
    group: Any, name: str, dims: tuple[str, ...], values: NDArray[Any], attributes: Mapping[str, str]
) -> None:
    text = values.dtype.kind in "US"
    array = group.create_array(
        name, shape=values.shape, dtype=str if text else values.dtype, chunks=tuple(max(1, n) for n in values.shape),
        dimension_names=dims, attributes=dict(attributes),
    )  # fmt: skip
    array[...] = values.astype(object) if text else values


class _opened:
    """A Zarr group; chunks in which everything is missing are left out, so that the files follow from the content."""

    def __init__(self, path: Path, mode: Literal["r", "r+", "w"]) -> None:
        self.path, self.mode = path, mode

    def __enter__(self) -> Any:
        import zarr

        self._config = zarr.config.set({"array.write_empty_chunks": False})
        self._config.__enter__()
        use = None if self.mode == "w" else False
        return zarr.open_group(self.path, mode=self.mode, zarr_format=3, use_consolidated=use)

    def __exit__(self, *_: object) -> None:
        self._config.__exit__(None, None, None)


def _consolidate(group: Any) -> None:
    """One file that describes all arrays: xarray opens the table at once, and without a warning."""
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is consolidated is not yet part of the format's specification
        zarr.consolidate_metadata(group.store, path=group.path)

"""A run on disk, in open formats only.

::

    RUN/scenario.yaml    the complete experiment
    RUN/manifest.json    versions, seed, sizes, content hash, duration, the program that plays it
    RUN/environment.json what reading needs to know of environment, learners and intervention
    RUN/sources/         files of the user's that play along; reading executes none of them
    RUN/journal.jsonl    one line for every shard that is complete
    RUN/data.zarr        arrays by (cell, session, ...); xarray opens them
    RUN/policies/        safetensors, one file a shard: what the agents learned
    RUN/report.html      figures and tables

A shard enters the journal after its data and policies are on disk; a killed run repeats what the journal lacks, and
because sessions depend on nothing but seed and number, the repeated bytes are the same.
"""

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.naming import MANIFEST, holds, refusal
from tacitlab.store import atomic
from tacitlab.store.layout import Arrays, Layout, digest

SCENARIO, JOURNAL, DATA, POLICIES = "scenario.yaml", "journal.jsonl", "data.zarr", "policies"
SCRATCH = "checkpoints"
Stored = tuple[tuple[str, ...], NDArray[np.generic], str, str]  # dimensions, values, unit, meaning
FORMAT = 1


def create(
    path: Path, scenario: Mapping[str, Any], layout: Layout, facts: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> "RunFolder":  # fmt: skip
    """Lay out an empty run, with files that are kept beside it.

    Raises
    ------
    TacitError
        If the folder exists and is not empty, or cannot be written.
    """
    with atomic.explained(path, "creating the run folder", "name a folder that can be written"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            mend = f"name another folder, or continue it with `tacit run --resume {path}`"
            raise TacitError(f"{path}: exists already; {mend}")
        (path / POLICIES).mkdir(parents=True, exist_ok=True)
        _create_arrays(path / DATA, layout)
        (path / JOURNAL).write_text("")
        for name, content in (files or {}).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            atomic.write(path / name, content)
        atomic.write(path / SCENARIO, yaml.safe_dump(dict(scenario), sort_keys=False).encode())
        before = hashlib.sha256((path / SCENARIO).read_bytes()).hexdigest()
        manifest = {
            "format": FORMAT, "status": "running", **facts, "scenario": before, "cells": layout.cells,
            "shard": layout.shard, "shards": layout.n_shards, "arrays": layout.shapes(),
        }  # fmt: skip
        atomic.write(path / MANIFEST, _json(manifest))  # last: a folder with a manifest is complete in its layout
    return RunFolder(path)


class RunFolder:
    """A run folder that exists; reading it checks that it is whole.

    Raises
    ------
    TacitError
        If the folder is missing, is no run, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / MANIFEST).is_file() or holds(self.path) not in ("run", ""):
            known = "no such folder" if not self.path.is_dir() else f"no run (it has no {MANIFEST})"
            raise refusal(self.path, "run", f"{known}; name a folder that `tacit run` made")
        self.manifest = self._read_json(MANIFEST)
        if self.manifest.get("format") != FORMAT:
            raise TacitError(
                f"{self.path}: format {self.manifest.get('format')} is not read here; use its tacit version"
            )
        kinds = {
            "status": str, "scenario": str, "versions": dict, "arrays": dict,
            "cells": int, "sessions": int, "shard": int, "shards": int,
        }  # fmt: skip
        if any(not isinstance(self.manifest.get(name), kind) for name, kind in kinds.items()):
            raise self._damaged(MANIFEST)

    @property
    def scratch(self) -> Path:
        """Where an engine keeps checkpoints of what is not complete."""
        return self.path / SCRATCH

    def scenario(self) -> dict[str, Any]:
        """The complete experiment as plain data: the one that the run began with."""
        try:
            content = (self.path / SCENARIO).read_bytes()
        except OSError:
            raise self._damaged(SCENARIO) from None
        if hashlib.sha256(content).hexdigest() != self.manifest["scenario"]:
            mend = "undo that, or run the changed scenario into another folder"
            raise TacitError(f"{self.path}: {SCENARIO} was changed after the run began; {mend}")
        return dict(yaml.safe_load(content.decode()))

    def kept(self, name: str, entry: str) -> dict[str, Any] | None:
        """A JSON file that is kept with the run, whose SHA-256 is an entry of the manifest; None if it has none."""
        if entry not in self.manifest:
            return None
        try:
            content = (self.path / name).read_bytes()
        except OSError:
            raise self._damaged(name) from None
        if hashlib.sha256(content).hexdigest() != self.manifest[entry]:
            raise self._damaged(name)
        return dict(json.loads(content))

    def finished(self) -> dict[int, str]:
        """Shards that are complete, with their digests; a torn last line does not count."""
        done: dict[int, str] = {}
        try:
            text = (self.path / JOURNAL).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise self._damaged(JOURNAL) from None
        whole = text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
                done[int(entry["shard"])] = str(entry["digest"])
            except (ValueError, KeyError, TypeError):
                raise self._damaged(f"{JOURNAL}, line {number}") from None
        return done

    def clean(self) -> None:
        """Remove what an interrupted write left behind."""
        self.finished()  # a journal that cannot be read must not be mended
        for pattern in ("**/*.partial", "**/.*.draft"):
            for leftover in self.path.glob(pattern):
                leftover.unlink(missing_ok=True)
        text = (self.path / JOURNAL).read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            atomic.write(self.path / JOURNAL, (text[: text.rfind("\n") + 1]).encode())

    def intact(self, index: int, cell: int, first: int, count: int, wanted: str) -> bool:
        """Whether a shard on disk still is what the journal says."""
        try:
            arrays = self.arrays()
            data = {n: np.asarray(a[cell, first : first + count]) for n, a in arrays.items() if _by_session(a)}
            return digest(data, self.policies(index)) == wanted
        except Exception:  # whatever is wrong with it, it must be played again
            return False

    def lacking(self) -> list[tuple[int, int, int, int]]:
        """Shards that are missing, or are no longer what the journal says: index, cell, first session and number."""
        journal = self.finished()
        layout = Layout(self.manifest["cells"], self.manifest["sessions"], self.manifest["shard"], {})
        return [s for s in layout.shards() if s[0] not in journal or not self.intact(*s, journal[s[0]])]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process may write; the lock goes with the process, however that ends."""
        with atomic.locked(self.path):
            yield

    def write_shard(self, index: int, cell: int, first: int, data: Arrays, policies: Arrays) -> None:
        """Store one shard, then enter it into the journal."""
        from safetensors.numpy import save

        with atomic.explained(self.path, f"writing sessions {first} and following"):
            group = _open_group(self.path / DATA, "r+")
            for name, array in data.items():
                group[name][cell, first : first + len(array)] = array
            atomic.write(self.path / POLICIES / f"{index:06d}.safetensors", save({**policies}))
            entry = json.dumps({"shard": index, "digest": digest(data, policies)}) + "\n"
            with open(self.path / JOURNAL, "a", encoding="utf-8") as journal:
                journal.write(entry)
                journal.flush()
                os.fsync(journal.fileno())

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Mark the run as complete."""
        self.enter({"status": "complete", **facts})

    def enter(self, facts: Mapping[str, Any]) -> None:
        """Enter facts into the manifest."""
        self.manifest = {**self.manifest, **facts}
        with atomic.explained(self.path, "writing the manifest"):
            atomic.write(self.path / MANIFEST, _json(self.manifest))

    def arrays(self) -> dict[str, Any]:
        """The stored arrays by name (zarr arrays: read by slicing); all that the run began with, in their sizes."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what zarr says of strange files is said below, in one line
                group = _open_group(self.path / DATA, "r")
                found = {name: group[name] for name in group.array_keys()}
        except Exception:  # zarr raises many kinds; all mean the same here
            raise self._damaged(DATA) from None
        for name, shape in self.manifest["arrays"].items():
            if name not in found or list(found[name].shape) != shape:
                raise self._damaged(f"{DATA}/{name}")
        return found

    def contents(self) -> tuple[dict[str, Stored], dict[str, Stored]]:
        """Everything in the arrays: variables, whose first dimensions are cell and session, and coordinates."""
        variables: dict[str, Stored] = {}
        coordinates: dict[str, Stored] = {}
        for name, array in self.arrays().items():
            dims, attributes = tuple(array.metadata.dimension_names), dict(array.attrs)
            entry = (dims, self.read(array), attributes.get("units", ""), attributes.get("long_name", ""))
            (variables if _by_session(array) else coordinates)[name] = entry
        return variables, coordinates

    def cell_policies(self, cell: int) -> list[dict[str, NDArray[np.generic]]]:
        """What the agents of one cell learned, shard by shard."""
        layout = Layout(self.manifest["cells"], self.manifest["sessions"], self.manifest["shard"], {})
        return [self.policies(index) for index, at, *_ in layout.shards() if at == cell]

    def read(self, array: Any) -> NDArray[np.generic]:
        """All of a stored array; refuses missing and damaged chunks."""
        try:
            values: NDArray[np.generic] = np.asarray(array[...])
            whole = array.nchunks_initialized == array.nchunks
        except Exception:  # a checksum, a codec or the file system complained
            raise self._damaged(f"{DATA}/{array.name.strip('/')}", self._again()) from None
        if not whole and len(self.finished()) == self.manifest["shards"]:
            raise self._damaged(f"{DATA}/{array.name.strip('/')}", self._again())
        return values

    def policies(self, index: int) -> dict[str, NDArray[np.generic]]:
        """What the agents of one shard learned."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        name = f"{POLICIES}/{index:06d}.safetensors"
        try:
            return load((self.path / name).read_bytes())
        except (OSError, SafetensorError, ValueError):
            raise self._damaged(name, self._again()) from None

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            data = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            data = None
        if not isinstance(data, dict):
            raise self._damaged(name)
        return data

    def _again(self) -> str:
        return f"play that part again with `tacit run --resume {self.path}`"

    def _damaged(self, what: str, mend: str = "restore it from a copy, or run the experiment again") -> TacitError:
        return TacitError(f"{self.path}: damaged ({what} is missing or unreadable); {mend}")


def _by_session(array: Any) -> bool:
    return tuple(array.metadata.dimension_names or ())[:2] == ("cell", "session")


def _create_arrays(path: Path, layout: Layout) -> None:
    group = _open_group(path, "w")
    for name, variable in layout.variables.items():
        group.create_array(
            name,
            shape=(layout.cells, layout.sessions, *variable.shape),
            chunks=(1, layout.shard, *(max(n, 1) for n in variable.shape)),
            dtype=variable.dtype,
            compressors=_compressors(),
            dimension_names=("cell", "session", *variable.dims),
            attributes={"units": variable.unit, "long_name": variable.meaning},
        )
    for name, (dims, values, unit) in layout.coordinates.items():
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, compressors=_compressors(), dimension_names=dims,
            attributes={"units": unit, "coordinate": True},
        )  # fmt: skip
        array[...] = values


def _open_group(path: Path, mode: Literal["r", "r+", "w"]) -> Any:
    import zarr

    zarr.config.set({"array.write_empty_chunks": True})  # a missing chunk then always means damage
    return zarr.open_group(path, mode=mode, zarr_format=3)


def _compressors() -> list[Any]:
    from zarr.codecs import Crc32cCodec, ZstdCodec

    return [ZstdCodec(level=3), Crc32cCodec()]


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()

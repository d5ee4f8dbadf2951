"""Where a long run stands, on disk: sessions that are not complete yet."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.store import atomic

EVERY = 10.0  # seconds between two of them


class Checkpoint:
    """One file for one shard, replaced as a whole.

    Parameters
    ----------
    folder : Path
    shard : int
    layout : str
        Devices that the run is spread over: another layout rounds differently and would not give the same bits.
    """

    def __init__(self, folder: Path, shard: int, layout: str) -> None:
        self.path = folder / f"{shard:06d}.safetensors"
        self.layout = layout
        self._written = time.monotonic()

    def write(self, done: int, leaves: Sequence[Any], more: Mapping[str, NDArray[Any]]) -> None:
        """Keep the state after so many steps, unless that was done a moment ago.

        Raises
        ------
        TacitError
            If it cannot be written; an earlier one stays.
        """
        if time.monotonic() - self._written < EVERY:
            return
        from safetensors.numpy import save

        arrays = {f"state.{k:05d}": np.asarray(leaf) for k, leaf in enumerate(leaves)}
        arrays |= {f"curves.{name}": np.ascontiguousarray(array) for name, array in more.items()}
        with atomic.explained(self.path.parent.parent, "writing a checkpoint"):
            self.path.parent.mkdir(exist_ok=True)
            atomic.write(self.path, save(arrays, metadata={"done": str(done), "layout": self.layout}))
        self._written = time.monotonic()

    def read(self) -> tuple[int, list[NDArray[Any]], dict[str, NDArray[Any]]] | None:
        """Steps done, the state's leaves and the curves; None where there is nothing, or nothing whole.

        Raises
        ------
        TacitError
            If the run began on other devices.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="numpy") as file:
                about = file.metadata()
                arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
        except (OSError, SafetensorError, ValueError):
            return None
        if about["layout"] != self.layout:
            raise TacitError(
                f"{self.path}: the run began on {about['layout']} and would go on on {self.layout}, which rounds "
                "differently; give --threads as before, or remove this file to play that part from its beginning"
            )
        leaves = [array for name, array in arrays.items() if name.startswith("state.")]
        curves = {name.removeprefix("curves."): a for name, a in arrays.items() if name.startswith("curves.")}
        return int(about["done"]), leaves, curves

    def remove(self) -> None:
        """The shard is complete."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

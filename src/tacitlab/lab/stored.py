"""Read what runs have left, without playing anything."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.lab.result import Policies, Result, label
from tacitlab.store.folder import RunFolder


def load(folder: str | os.PathLike[str]) -> Result:
    """Read a complete run.

    Raises
    ------
    TacitError
        If the folder is no run, is damaged, or is not complete yet.
    """
    store = RunFolder(folder)
    done, wanted = len(store.finished()), store.manifest["shards"]
    if store.manifest["status"] != "complete" or done < wanted:
        mend = f"finish it with `tacit run --resume {folder}`"
        raise TacitError(f"{folder}: only {done} of {wanted} parts are complete; {mend}")
    return result_of(store, from_mapping(store.scenario()))


def concatenated(parts: Sequence[Policies]) -> dict[str, NDArray[np.generic]]:
    """Policies of consecutive sessions; the sizes of the agents' tables are the same in all parts."""
    sizes = {name: parts[0][name] for name in ("states", "actions") if name in parts[0]}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name not in sizes} | sizes


def result_of(store: RunFolder, experiment: Experiment) -> Result:
    """A result whose arrays are read from disk, and whose policies are read when they are asked for.

    Nothing is prepared anew: a run stays readable when an earlier run that its agents came from is gone.
    """
    variables, coordinates = store.contents()
    data = label(experiment, variables, coordinates)
    return Result(experiment, data, store.manifest, lambda cell: concatenated(store.cell_policies(cell)), store.path)

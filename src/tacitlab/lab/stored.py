"""Read what runs have left, without playing anything."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.lab.described import FILE, cells_of, experiment_of, has_foreign, without_description
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.lab.result import Policies, Result, label
from tacitlab.lab.user_files import to_play
from tacitlab.store.folder import RunFolder

Described = dict[str, Any]


def load(folder: str | os.PathLike[str]) -> Result:
    """Read a complete run. Nothing that lies in its folder, and no file of the user's, is executed.

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
    return result_of(store)


def described(store: RunFolder) -> tuple[Experiment, list[Experiment], Described]:
    """The experiment of a run, its cells, and what was said of them; nothing outside the package is executed.

    There are no cells where they follow from the experiment.
    """
    tree = store.scenario()
    known = store.kept(FILE, "description")
    found = without_description(tree) if known is None else known
    if not has_foreign(found):
        experiment = from_mapping(tree, seated=False)
        return experiment, [], found
    experiment = experiment_of(tree, found["experiment"], found["members"])
    return experiment, cells_of(experiment, tree, found), found


def playable(folder: str | os.PathLike[str]) -> Result:
    """A complete run whose agents can play on: unlike :func:`load`, this executes the user's files, once compared."""
    read = load(folder)
    return replace(read, experiment=to_play(RunFolder(folder)), experiments=(), known={})


def concatenated(parts: Sequence[Policies]) -> dict[str, NDArray[np.generic]]:
    """Policies of consecutive sessions; the sizes of the agents' tables are the same in all parts."""
    sizes = {name: parts[0][name] for name in ("states", "actions") if name in parts[0]}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name not in sizes} | sizes


def result_of(store: RunFolder) -> Result:
    """A result whose arrays are read from disk, and whose policies are read when they are asked for.

    Nothing is prepared anew: a run stays readable when an earlier run that its agents came from is gone.
    """
    experiment, cells, known = described(store)
    variables, coordinates = store.contents()
    data = label(experiment, variables, coordinates)
    return Result(
        experiment, data, store.manifest, lambda cell: concatenated(store.cell_policies(cell)), store.path,
        tuple(cells), known,
    )  # fmt: skip

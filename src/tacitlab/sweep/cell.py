"""One cell of a sweep: its address, which follows from what determines its bits, and how it is played."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.lab.design import FIXED, Scalar
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.lab.program import Program, earlier_runs, program
from tacitlab.lab.run import prepare
from tacitlab.lab.user_files import unplaced
from tacitlab.markets.base import Market
from tacitlab.store.layout import Arrays, Variable
from tacitlab.sweep.cells import MOST_BYTES, pack


class Job(NamedTuple):
    """A cell as a worker gets it: its number, and the fields that make it differ from the sweep's experiment.

    ``computes`` is the program that the driver would play it by: another one on another machine would give other bits.
    """

    number: int
    settings: list[tuple[str, Scalar]]
    computes: str = ""


class Played(NamedTuple):
    """What a worker returns: the packed arrays, or why there are none; and the time that the cell took, seconds."""

    number: int
    content: bytes | None
    cause: str
    seconds: float


@dataclass(frozen=True)
class Order:
    """What all cells of a sweep have in common, as workers get it.

    Attributes
    ----------
    experiment : dict
        The complete experiment as plain data, before a cell's settings.
    keep : tuple of str
        Variables to keep; all if empty.
    ranks : dict of int
        Dimensions of each variable that a cell must leave.
    """

    experiment: Mapping[str, Any]
    keep: tuple[str, ...]
    ranks: Mapping[str, int]

    def resolve(self, job: Job) -> Experiment:
        """The experiment of a cell, validated."""
        return from_mapping(self.experiment, job.settings, seated=False)


def address(experiment: Experiment, keep: Sequence[str], computes: str | Program) -> bytes:
    """Where a cell is stored: SHA-256 of everything that decides its bits, 32 bytes.

    That is the experiment with every default written out, but for names; what is kept; the program that computes it;
    and the content of earlier runs that its agents come from.

    Examples
    --------
    >>> from tacitlab.games import Pigou
    >>> from tacitlab.learners import QLearning
    >>> from tacitlab.lab.experiment import Length
    >>> one = dict(environment=Pigou(players=3), length=Length(periods=100))
    >>> a = Experiment(name="a", learners=QLearning(alpha=0.5), **one)
    >>> b = Experiment(name="b", learners={"kind": "q-learning", "alpha": 0.5}, **one)
    >>> address(a, (), "code") == address(b, (), "code")
    True
    >>> address(a, (), "code") == address(a, (), "other code")
    False
    """
    tree = {name: value for name, value in experiment.dump().items() if name not in FIXED}
    if isinstance(computes, Program):  # a user's file may lie anywhere: what it holds is part of the program
        tree, computes = unplaced(tree, computes), str(computes)
    facts = [tree, sorted(keep), computes, [_content(run) for run in earlier_runs(tree)]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()


def _content(run: str) -> str:
    """What an earlier run holds, wherever it lies."""
    from tacitlab.store.folder import RunFolder

    return str(RunFolder(run).manifest.get("content_hash", ""))


def program_of(experiment: Experiment) -> Program:
    """What plays a cell: alone, on one device."""
    return program(experiment, _device() if isinstance(experiment.environment, Market) else "")


@cache
def _device() -> str:
    from tacitlab.engine import devices

    return str(devices.devices()[0].device_kind).replace(" ", "-")


class Leaves(NamedTuple):
    """What a cell leaves.

    Attributes
    ----------
    variables : dict of (dims, Variable)
        For each array all of its dimensions, and its description, whose shape is that of a cell.
    known : tuple of str
        Those that are known before anything is played: action values, benchmarks.
    shared : dict of (first, step, unit)
        Evenly spaced coordinates that all cells share but for their length.
    """

    variables: dict[str, tuple[tuple[str, ...], Variable]]
    known: tuple[str, ...]
    shared: dict[str, tuple[float, float, str]]


def leaves(experiment: Experiment, keep: Sequence[str]) -> Leaves:
    """What a cell would leave; nothing is played.

    Raises
    ------
    TacitError
        If it cannot be played, or something is to be kept that it does not leave.
    """
    layout = prepare(experiment).layout
    found = {
        name: (("session", *v.dims), Variable(v.dims, (layout.sessions, *v.shape), v.dtype, v.unit, v.meaning))
        for name, v in layout.variables.items()
    }
    shared: dict[str, tuple[float, float, str]] = {}
    for name, (dims, values, unit) in layout.coordinates.items():
        if dims[0] == "cell":
            found[name] = (dims[1:], Variable(dims[1:], values.shape[1:], str(values.dtype), unit))
        else:
            first = int(values[0]) if len(values) else 0
            shared[name] = (first, int(values[1]) - first if len(values) > 1 else max(first, 1), unit)
    if unknown := [name for name in keep if name not in found]:
        raise TacitError(f"keep: {unknown[0]!r} is no variable of this experiment; choose from {', '.join(found)}")
    kept = {name: entry for name, entry in found.items() if name in keep or not keep}
    return Leaves(kept, tuple(name for name in layout.coordinates if name in kept), shared)


def arrays(experiment: Experiment, keep: Sequence[str]) -> Arrays:
    """Play a cell, all sessions, on one core or device; what it leaves, by session, and what is known of it before."""
    work = prepare(experiment)
    data = dict(work.alone())
    for name, (dims, values, _) in work.layout.coordinates.items():
        if dims[0] == "cell":
            data[name] = values[0]
    return {name: values for name, values in data.items() if name in keep or not keep}


def play(order: Order, jobs: Sequence[Job]) -> list[Played]:
    """Play a batch of cells; one that fails says why, and the others go on."""
    return [_play(order, job) for job in jobs]


def _play(order: Order, job: Job) -> Played:
    began = perf_counter()
    try:
        experiment = order.resolve(job)
        here = str(program_of(experiment))
        if here != job.computes:
            raise TacitError(f"worker: its code or libraries differ ({here}); install the driver's: {job.computes}")
        found = arrays(experiment, order.keep)
        check(found, order.ranks)
        content, cause = pack(found), ""
        if len(content) > MOST_BYTES:
            raise TacitError(f"results: {len(content):.2g} bytes are too many for one cell; keep fewer variables")
    except TacitError as error:
        content, cause = None, str(error)
    except Exception as error:  # whatever a cell meets, the others go on
        content, cause = None, f"{type(error).__name__}: {error}"
    return Played(job.number, content, cause.splitlines()[0][:500] if cause else "", perf_counter() - began)


def check(found: Arrays, ranks: Mapping[str, int]) -> None:
    """Refuse a cell that leaves other variables than the sweep's first: they would not fit into one table."""
    theirs = {name: np.ndim(values) for name, values in found.items()}
    if theirs != dict(ranks):
        differing = sorted(name for name in {*theirs, *ranks} if theirs.get(name) != ranks.get(name))
        raise TacitError(
            f"results: {', '.join(differing)} differ from those of the sweep's first cell; "
            "keep only variables that all cells have"
        )

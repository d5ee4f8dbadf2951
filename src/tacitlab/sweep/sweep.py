"""Sweeps: an experiment whose fields follow a design; what it is, how it is read, and how it is run.

A run with ``sweep`` is one result of a few cells, with policies and a report. This is for many cells: each is stored
under an address that follows from its content, so that none is ever played twice.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from tacitlab import documents, registry
from tacitlab.documents import read
from tacitlab.errors import TacitError
from tacitlab.kinds import AS_CLASSES
from tacitlab.lab.described import experiment_of, has_foreign, without_description
from tacitlab.lab.design import AnyDesign
from tacitlab.lab.experiment import UNSEATED, Experiment, from_mapping, parse_overrides
from tacitlab.lab.user_files import Tell, placed
from tacitlab.schema import Spec, param, shorten, validate
from tacitlab.sweep.folder import SWEEP, State, SweepFolder, holds_sweep

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[int, int], None]  # cells over, and in all


class Sweep(Spec):
    """An experiment and a design: which values its fields take in the cells.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> from tacitlab.lab.design import Grid
    >>> from tacitlab.lab.experiment import Length
    >>> from tacitlab.learners import QLearning
    >>> one = Experiment(environment=PrisonersDilemma(), learners=QLearning(), length=Length(periods=1000))
    >>> sweep = Sweep(experiment=one, design=Grid(over={"learners.alpha": [0.1, 0.2], "learners.gamma": [0, 0.5, 0.9]}))
    >>> sweep.design.shape, sweep.cell(1).learners[0].gamma
    ((2, 3), 0.5)
    """

    experiment: Experiment = param(..., "what every cell plays, with its own values in the swept fields")
    design: AnyDesign = param(..., "which values the fields take: grid, list, random or sobol")
    keep: tuple[str, ...] = param((), "variables to keep; all if empty")

    @model_validator(mode="after")
    def _one_design(self) -> "Sweep":
        if self.experiment.sweep:
            raise ValueError("experiment.sweep: the design says what is swept; remove it")
        return self

    @property
    def name(self) -> str:
        return self.experiment.name

    def cell(self, number: int) -> Experiment:
        """The experiment of a cell."""
        return from_mapping(self.experiment.model_dump(context=AS_CLASSES), self.design.settings(number), seated=False)


def load(
    source: str, overrides: Sequence[str] = (), over: Sequence[str] = (), design: str | None = None,
    count: int | None = None, seed: int | None = None, keep: Sequence[str] = (),
) -> Sweep:  # fmt: skip
    """A sweep from a file that describes one, or from a scenario and what to sweep over.

    Parameters
    ----------
    source : str
        A YAML file with ``experiment`` (a scenario's name, its file, or all of it) and ``design``; or a scenario, by
        name or file, whose own ``sweep`` is the design unless ``over`` names fields.
    overrides : sequence of str
        ``field.path=value`` of the experiment.
    over : sequence of str
        ``field.path=values``: a list, or a range such as ``{low: 0.01, high: 1, log: true}``.
    design, count, seed : optional
        Kind of the design, number of its cells (random, sobol), its seed.
    keep : sequence of str
        Variables to keep.
    """
    data = read(source)
    if "experiment" in data:
        tree = dict(data)
        if isinstance(tree["experiment"], str):
            tree["experiment"] = read(_beside(source, tree["experiment"]))
    else:
        tree = {"experiment": data}
    if not isinstance(tree["experiment"], Mapping):
        raise TacitError(f"experiment: {shorten(tree['experiment'])} is none; name a scenario, or write it out")
    experiment = {"name": Path(source).stem, **tree["experiment"]}
    for path, value in parse_overrides(overrides):
        if path == "sweep":  # as for `tacit run`; a dotted override would be checked as part of the experiment
            experiment["sweep"] = value
            overrides = [text for text in overrides if not text.startswith("sweep=")]
    plan = _design(tree, experiment, over, design, count, seed)
    resolved = from_mapping({**experiment, "sweep": {}}, parse_overrides(overrides))
    rest = {name: value for name, value in tree.items() if name not in ("experiment", "design")}
    return validate(Sweep, {**rest, "experiment": resolved, "design": plan, **({"keep": list(keep)} if keep else {})})


def _beside(source: str, name: str) -> str:
    """A scenario that a file names lies beside that file, if it is a file."""
    near = Path(source).parent / name
    return str(near) if near.is_file() else name


def _design(
    tree: Mapping[str, Any], experiment: Mapping[str, Any], over: Sequence[str], kind: str | None, count: int | None,
    seed: int | None,
) -> dict[str, Any]:  # fmt: skip
    given = tree.get("design", {"over": experiment["sweep"]} if experiment.get("sweep") else {})
    if not isinstance(given, Mapping):
        raise TacitError(f"design: {shorten(given)} is no design; write kind: and over:")
    plan = dict(given)
    if over:
        plan["over"] = registry.anchored(dict(_values(text) for text in over), Path.cwd())
    if "over" not in plan:
        raise TacitError("over: missing; say what to sweep over, for example --over 'learners.alpha=[0.05, 0.1]'")
    plan.update(
        {name: value for name, value in (("kind", kind), ("count", count), ("seed", seed)) if value is not None}
    )
    plan.setdefault("kind", "grid")
    if isinstance(plan["over"], Mapping) and plan["kind"] in ("grid", "list"):
        for path, values in plan["over"].items():
            if isinstance(values, Mapping):
                mend = "add --design sobol --count 64, or random"
                raise TacitError(f"over.{path}: a range has no values of its own; {mend}")
    return plan


def _values(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    try:
        found = documents.parse(value) if equals and path else None
    except ValueError as error:
        raise TacitError(f"over.{path}: {shorten(value)} is not a YAML value ({error}); quote it") from None
    if not isinstance(found, list | dict):
        mend = "write field=[value, value], or field={low: 0.01, high: 1} for a random or sobol design"
        raise TacitError(f"over: {text!r} names no values; {mend}")
    return path, found


# --- results -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Status:
    """Where a sweep stands.

    Attributes
    ----------
    folder : Path
    cells, finished, failed : int
    played : int
        Cells that were played in this call; the others were finished before, by this sweep or by another.
    causes : list of (cause, cells, settings of the first)
        The commonest causes of failure.
    seconds : float
        Time spent so far, over all calls.
    complete : bool
        Whether every cell is over, and the table has all of them.
    """

    folder: Path
    cells: int
    finished: int
    failed: int
    played: int
    causes: list[tuple[str, int, str]]
    seconds: float
    complete: bool

    @property
    def table(self) -> Path:
        """The Zarr store with the sweep's dimensions."""
        return self.folder / "data.zarr"

    def data(self) -> "xr.Dataset":
        """What is finished, labelled; the rest is missing (NaN)."""
        import xarray as xr

        return xr.open_zarr(self.table)

    def sweep(self) -> Sweep:
        """The sweep that is run there, read without executing anything."""
        return stored(SweepFolder(self.folder))


MOST_CAUSES = 10


def status(folder: str | os.PathLike[str], played: int = 0) -> Status:
    """Read where a sweep stands, at any time, while it runs or not.

    Raises
    ------
    TacitError
        If the folder is no sweep.
    """
    found = SweepFolder(Path(folder))
    state, design = State(found, readonly=True), None
    finished, failed = state.count()
    causes: list[tuple[str, int, str]] = []
    for cause, count, first in state.causes(MOST_CAUSES):
        design = design or stored(found).design
        causes.append((cause, count, ", ".join(f"{path}={shorten(v)}" for path, v in design.settings(first))))
    state.close()
    return Status(
        found.path, int(found.manifest["cells"]), finished, failed, played, causes,
        float(found.manifest.get("seconds", 0.0)), found.manifest["status"] == "complete",
    )  # fmt: skip


def stored(folder: SweepFolder) -> Sweep:
    """The sweep of a folder, read: nothing of the user's is executed."""
    tree = folder.sweep()
    found = folder.description() or without_description(tree["experiment"])
    if has_foreign(found):
        tree["experiment"] = experiment_of(tree["experiment"], found["experiment"], found["members"])
    return _validated(folder, tree, UNSEATED)


def to_play(folder: SweepFolder, anyway: bool = False, tell: Tell = lambda line: None) -> Sweep:
    """The sweep of a folder, to go on with: it executes the user's files, after these have been compared.

    Raises
    ------
    TacitError
        If they have changed, and it shall not go on anyway.
    """
    found = placed(folder.path, folder.manifest.get("sources", []), folder.sweep())
    if found.differs and not anyway:
        raise other_program(folder, found.differs)
    for line in found.told:
        tell(line)
    return _validated(folder, found.tree)


def other_program(folder: SweepFolder, differs: str) -> TacitError:
    """Why a sweep does not go on."""
    return TacitError(
        f"{folder.path}: it was begun with other code or libraries ({differs}); bring those back, run it into another "
        "folder, or mix both with --anyway"
    )


def _validated(folder: SweepFolder, tree: dict[str, Any], context: object = None) -> Sweep:
    try:
        return validate(Sweep, tree, context)
    except TacitError as error:
        raise TacitError(f"{folder.path}/{SWEEP}: {error}") from None


def run(
    sweep: Sweep,
    folder: str | os.PathLike[str],
    *,
    cells: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    ray: str | None = None,
    retry: bool = False,
    anyway: bool = False,
    progress: Progress | None = None,
) -> Status:
    """Play the cells of a sweep that are not finished yet, on all cores or on a Ray cluster.

    Parameters
    ----------
    sweep : Sweep
    folder : path
        Where it is stored. If it holds the same sweep, that is continued.
    cells : path, optional
        The store of finished cells, a file that several sweeps may share; in ``folder`` if left out.
    workers : int, optional
        Processes on this machine; one for each core if left out. The results do not depend on it.
    ray : str, optional
        Address of a Ray cluster to play on instead.
    retry : bool
        Play cells again that failed.
    anyway : bool
        Go on although code or libraries differ from those that it was begun with; that is entered into the manifest.
    progress : callable, optional
        Called with the cells that are over, and in all.

    Raises
    ------
    TacitError
        If the sweep cannot be played or stored, or the folder holds another one.
    Interrupted
        If the user pressed Ctrl-C; what is finished is in the folder.
    """
    from tacitlab.sweep.driver import Driver, begin

    path = Path(folder)
    if not holds_sweep(path):
        return Driver(begin(path, sweep, cells), sweep).run(workers, ray, progress)
    found = SweepFolder(path)
    if stored(found).model_dump(mode="json") != sweep.model_dump(mode="json"):
        raise TacitError(f"{path}: it holds another sweep; name another folder, or continue that one with --resume")
    if cells is not None and found.store.resolve() != Path(cells).resolve():
        raise TacitError(f"cells: {cells} is not where {path} has its cells ({found.store}); leave it out")
    return resume(path, workers=workers, ray=ray, retry=retry, anyway=anyway, progress=progress)


def resume(
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    ray: str | None = None,
    retry: bool = False,
    anyway: bool = False,
    tell: Tell = lambda line: None,
    progress: Progress | None = None,
) -> Status:
    """Finish a sweep that was interrupted; the table has the bytes of an uninterrupted one."""
    from tacitlab.sweep.driver import Driver

    found = SweepFolder(Path(folder))
    return Driver(found, to_play(found, anyway, tell), retry=retry, anyway=anyway).run(workers, ray, progress)

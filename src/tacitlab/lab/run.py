"""Play an experiment: all sessions on all cores, shard by shard, into memory or into a run folder."""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tacitlab.errors import Interrupted, TacitError
from tacitlab.lab import described, user_files
from tacitlab.lab.described import describe
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.lab.playing import CAUSES, Work
from tacitlab.lab.program import Program, difference, program
from tacitlab.lab.result import Policies, Result, label
from tacitlab.lab.stored import concatenated, load, result_of
from tacitlab.markets.base import Market
from tacitlab.store.folder import RunFolder, create
from tacitlab.store.layout import Arrays, Layout, combined, digest

__all__ = ["load", "prepare", "resume", "run"]

Progress = Callable[[float, int], None]  # sessions done, in fractions where they are known, and in all
FAILURE = ("failure", "failed_at")  # arrays that tell which sessions failed, and when


def run(
    experiment: Experiment,
    folder: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Play an experiment.

    Parameters
    ----------
    experiment : Experiment
    folder : path, optional
        Where the run is stored, shard by shard; in memory only if left out.
    threads : int, optional
        All cores that this process may use, if left out. The result of a stage game does not depend on it; markets
        round differently on other devices.
    progress : callable, optional
        Called with the sessions done and in all.

    Raises
    ------
    TacitError
        If the experiment cannot be played or stored.
    Interrupted
        If the user pressed Ctrl-C; what is complete is in the folder.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> from tacitlab.learners import Constant, ConstantValue, QLearning
    >>> from tacitlab.lab.experiment import Length
    >>> learner = QLearning(alpha=0.1, gamma=0, exploration=Constant(epsilon=1), initial=ConstantValue(value=-2))
    >>> result = run(Experiment(environment=Braess(), learners=learner, length=Length(periods=10_000), sessions=4))
    >>> round(float(result.data.payoff.mean()), 2)  # random play: -(14/9 + 4/900)
    -1.56
    """
    job = Job(experiment, prepare(experiment))
    if folder is None:
        return job.in_memory(threads, progress)
    path, played_by = Path(folder), job.program(threads)
    said = json.dumps(describe(experiment), indent=1).encode()
    facts = {
        **_facts(experiment, job.work), "program": played_by.record(), "sources": user_files.record(played_by.own),
        "description": hashlib.sha256(said).hexdigest(),
    }  # fmt: skip
    files = {**user_files.copies(played_by.own), described.FILE: said}
    store = create(path, experiment.dump(), job.layout, facts, files)
    return job.in_folder(store, threads, progress)


def resume(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    anyway: bool = False,
    tell: user_files.Tell = lambda line: None,
) -> Result:
    """Finish a run that was interrupted; the result has the bytes of an uninterrupted one.

    Parameters
    ----------
    folder : path
    threads, progress : optional
        As for :func:`run`.
    anyway : bool
        Go on although code, files or libraries differ from those that it was begun with; the manifest says so then.
    tell : callable
        Called with what a user should know before it goes on: which files are executed.

    Raises
    ------
    TacitError
        If the folder is no run or is damaged, or what would play the rest differs from what it was begun with.
    Interrupted
        As for :func:`run`.
    """
    store = RunFolder(folder)
    if store.manifest["status"] == "complete" and not store.lacking():
        return load(folder)  # nothing is played, so nothing is executed
    found = user_files.placed(store.path, store.manifest.get("sources", []), store.scenario())
    if found.differs and not anyway:
        raise _other_program(store, found.differs)
    for line in found.told:
        tell(line)
    experiment = from_mapping(found.tree, seated=False)
    job = Job(experiment, prepare(experiment))
    if store.manifest.get("shards") != job.layout.n_shards:
        raise TacitError(f"{folder}: its scenario and manifest disagree; run the experiment again in another folder")
    _compare(store, job.program(threads), anyway, tell)
    return job.in_folder(store, threads, progress)


def _compare(store: RunFolder, now: Program, anyway: bool, tell: user_files.Tell) -> None:
    """Refuse to go on with another program than that of the beginning, or enter that it happened."""
    before = store.manifest.get("program")
    differs = "unknown: it began before programs were recorded" if before is None else difference(before, now)
    if not differs:
        return
    if before is None:
        tell(f"note: {store.path} says nothing of the code that it was begun with; it may be another one")
    elif store.finished() or store.scratch.is_dir():
        if not anyway:
            raise _other_program(store, differs)
        shutil.rmtree(store.scratch, ignore_errors=True)  # a session is played by one program, from its beginning
        tell(f"note: goes on with another program than it was begun with ({differs})")
    else:
        differs = ""  # nothing has been played yet
    entry = {"when": _now(), "differs": differs, "sessions": _safe(store)}
    store.enter(
        {"program": now.record(), **({"anyway": [*store.manifest.get("anyway", []), entry]} if differs else {})}
    )


def _other_program(store: RunFolder, differs: str) -> TacitError:
    total = store.manifest["cells"] * store.manifest["sessions"]
    mend = "give --threads as before" if differs.startswith("devices ") else "bring that back"
    return TacitError(
        f"{store.path}: {_safe(store)} of {total} sessions were played by another program ({differs}); {mend}, run it "
        "into another folder, or mix both with --anyway"
    )


def _safe(store: RunFolder) -> int:
    """Sessions that are complete."""
    layout = Layout(store.manifest["cells"], store.manifest["sessions"], store.manifest["shard"], {})
    done = store.finished()
    return sum(count for index, *_, count in layout.shards() if index in done)


def prepare(experiment: Experiment) -> Work:
    """The engine for an experiment, with everything validated before anything is played."""
    if isinstance(experiment.environment, Market):
        from tacitlab.lab.deep_play import MarketWork  # imports JAX

        return MarketWork.of(experiment)
    from tacitlab.lab.tabular_play import StageWork

    return StageWork.of(experiment)


@dataclass(frozen=True)
class Job:
    """An experiment and the engine that plays it, into memory or into a folder."""

    experiment: Experiment
    work: Work

    @property
    def layout(self) -> Layout:
        return self.work.layout

    def program(self, threads: int | None) -> Program:
        """What plays it here."""
        return program(self.experiment, self.work.played_on(threads))

    def in_folder(self, store: RunFolder, threads: int | None, progress: Progress | None) -> Result:
        """Play what the folder lacks."""
        with store.locked():
            store.clean()
            self._play_into(store, threads, progress)
        return replace(result_of(store), experiment=self.experiment, experiments=())

    def _play_into(self, store: RunFolder, threads: int | None, progress: Progress | None) -> None:
        began, todo = time.perf_counter(), store.lacking()
        total = self.layout.cells * self.layout.sessions
        try:
            report = _counter(progress, total - sum(count for *_, count in todo), total)
            for (index, cell, first, _), data, policies in self.work.play(todo, threads, store.scratch, report):
                store.write_shard(index, cell, first, data, policies)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted: {_safe(store)} of {total} sessions are safe in {store.path}{_begun(store)}; "
                f"continue with `tacit run --resume {store.path}`"
            ) from None
        digests = store.finished()
        whole = combined(digests[k] for k in sorted(digests))
        if store.manifest["status"] != "complete" or todo:
            spent = store.manifest.get("seconds", 0.0) + time.perf_counter() - began
            arrays = {name: store.read(array) for name, array in store.arrays().items() if name in FAILURE}
            facts = {"content_hash": whole, "seconds": round(spent, 3), "failures": _failures(arrays)}
            store.finish(facts)

    def in_memory(self, threads: int | None, progress: Progress | None) -> Result:
        """Play everything and keep it."""
        began = time.perf_counter()
        report = _counter(progress, 0, self.layout.cells * self.layout.sessions)
        rows: list[tuple[int, Arrays, Policies]] = []
        for (_, cell, *_), data, policies in self.work.play(list(self.layout.shards()), threads, None, report):
            rows.append((cell, data, policies))
        variables = {}
        for name, v in self.layout.variables.items():
            values = np.concatenate([data[name] for _, data, _ in rows])
            shaped = values.reshape(self.layout.cells, self.layout.sessions, *v.shape)
            variables[name] = (("cell", "session", *v.dims), shaped, v.unit, v.meaning)
        coordinates = {name: (*entry, "") for name, entry in self.layout.coordinates.items()}

        def policies_of(cell: int) -> Policies:
            return concatenated([p for c, _, p in rows if c == cell])

        manifest = {
            **_facts(self.experiment, self.work),
            "program": self.program(threads).record(),
            "content_hash": combined(digest(data, p) for _, data, p in rows),
            "seconds": round(time.perf_counter() - began, 3),
            "failures": _failures({name: variables[name][1] for name in FAILURE if name in variables}),
        }
        return Result(self.experiment, label(self.experiment, variables, coordinates), manifest, policies_of)


def _begun(store: RunFolder) -> str:
    """Whether there is a checkpoint of sessions that are not complete."""
    return ", and the others up to their last checkpoint" if store.scratch.is_dir() else ""


def _failures(arrays: Arrays) -> list[dict[str, Any]]:
    """Sessions whose learning failed, with the cause and when it showed."""
    codes, times = (arrays.get(name, np.zeros((0, 0))) for name in FAILURE)
    return [
        {"cell": int(c), "session": int(s), "cause": CAUSES[int(codes[c, s])], "episode": int(times[c, s])}
        for c, s in np.argwhere(codes)
    ]


def _counter(progress: Progress | None, done: float, total: int) -> Callable[[float], None]:
    def report(more: float) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    report(0)
    return report


def _facts(experiment: Experiment, work: Work) -> dict[str, Any]:
    libraries = {name: metadata.version(name) for name in ("tacitlab", *work.libraries)}
    return {
        "name": experiment.name,
        "seed": experiment.seed,
        "sessions": experiment.sessions,
        "versions": {**libraries, "python": platform.python_version()},
        "started": _now(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""Play an experiment: all sessions on all cores, shard by shard, into memory or into a run folder."""

import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacit.engine import tabular
from tacit.engine.arrays import Record
from tacit.errors import Interrupted, TacitError
from tacit.lab.experiment import Experiment, from_mapping
from tacit.lab.result import Policies, Result, benchmarks_of, label
from tacit.store.folder import RunFolder, create
from tacit.store.layout import Arrays, Layout, Variable, combined, digest, shard_length

Progress = Callable[[int, int], None]  # sessions done, sessions in all


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
        All cores that this process may use, if left out. The result does not depend on it.
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
    >>> from tacit.games import Braess
    >>> from tacit.learners import Constant, ConstantValue, QLearning
    >>> from tacit.lab.experiment import Length
    >>> learner = QLearning(alpha=0.1, gamma=0, exploration=Constant(epsilon=1), initial=ConstantValue(value=-2))
    >>> result = run(Experiment(environment=Braess(), learners=learner, length=Length(periods=10_000), sessions=4))
    >>> round(float(result.data.payoff.mean()), 2)  # random play: -(14/9 + 4/900)
    -1.56
    """
    job = Job.of(experiment)
    if folder is None:
        return job.in_memory(threads, progress)
    path = Path(folder)
    return job.in_folder(create(path, experiment.dump(), job.layout, _facts(experiment)), threads, progress)


def resume(folder: str | os.PathLike[str], *, threads: int | None = None, progress: Progress | None = None) -> Result:
    """Finish a run that was interrupted; the result has the bytes of an uninterrupted one."""
    store = RunFolder(folder)
    job = Job.of(from_mapping(store.scenario()))
    if store.manifest.get("shards") != job.layout.n_shards:
        raise TacitError(f"{folder}: its scenario and manifest disagree; run the experiment again in another folder")
    return job.in_folder(store, threads, progress)


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
    return _stored_result(store, from_mapping(store.scenario()))


@dataclass(frozen=True)
class Job:
    """An experiment, prepared: one plan for each cell of the sweep, and the layout of what they leave."""

    experiment: Experiment
    plans: tuple[tabular.Plan, ...]
    seeds: tuple[int, ...]
    layout: Layout

    @classmethod
    def of(cls, experiment: Experiment) -> "Job":
        """Validate and flatten everything before anything is played."""
        cells = list(experiment.cells())
        plans = tuple(_plan(cell) for cell in cells)
        first = tabular.new_record(plans[0], 1)
        for plan in plans[1:]:
            if plan.limits.window != plans[0].limits.window:
                raise TacitError("trace.window: it differs between cells of the sweep; set it, for example to 100")
            if [a.shape for a in tabular.new_record(plan, 1)] != [a.shape for a in first]:
                raise TacitError(
                    f"sweep: {', '.join(experiment.sweep)} changes the size of the results between cells; "
                    "run one experiment for each value"
                )
        layout = Layout(
            cells=len(cells),
            sessions=experiment.sessions,
            shard=shard_length(experiment.sessions, plans[0].bytes_per_session()),
            variables=_variables(plans[0], experiment),
            coordinates=_coordinates(plans, cells),
        )
        return cls(experiment, plans, tuple(cell.seed for cell in cells), layout)

    def in_folder(self, store: RunFolder, threads: int | None, progress: Progress | None) -> Result:
        """Play what the folder lacks."""
        with store.locked():
            store.clean()
            self._play_into(store, threads, progress)
        return _stored_result(store, self.experiment)

    def _play_into(self, store: RunFolder, threads: int | None, progress: Progress | None) -> None:
        began, journal = time.perf_counter(), store.finished()
        done = {s[0] for s in self.layout.shards() if s[0] in journal and store.intact(*s, journal[s[0]])}
        todo = [shard for shard in self.layout.shards() if shard[0] not in done]
        skipped = sum(count for index, *_, count in self.layout.shards() if index in done)
        try:
            report = _counter(progress, skipped, self.layout.cells * self.layout.sessions)
            for (index, cell, first, count), record in _play(self, todo, threads):
                store.write_shard(index, cell, first, _data(record), _policies(record, self.plans[cell]))
                report(count)
        except KeyboardInterrupt:
            finished = sum(count for index, *_, count in self.layout.shards() if index in store.finished())
            raise Interrupted(
                f"interrupted: {finished} of {self.layout.cells * self.layout.sessions} sessions are safe in "
                f"{store.path}; continue with `tacit run --resume {store.path}`"
            ) from None
        digests = store.finished()
        whole = combined(digests[k] for k in sorted(digests))
        if store.manifest["status"] != "complete" or todo:
            spent = store.manifest.get("seconds", 0.0) + time.perf_counter() - began
            store.finish({"content_hash": whole, "seconds": round(spent, 3), "failures": []})

    def in_memory(self, threads: int | None, progress: Progress | None) -> Result:
        """Play everything and keep it."""
        began = time.perf_counter()
        report = _counter(progress, 0, self.layout.cells * self.layout.sessions)
        rows: list[tuple[int, Arrays, Policies]] = []
        for (_, cell, _, count), record in _play(self, list(self.layout.shards()), threads):
            rows.append((cell, _data(record), _policies(record, self.plans[cell])))
            report(count)
        variables = {}
        for name, v in self.layout.variables.items():
            values = np.concatenate([data[name] for _, data, _ in rows])
            shaped = values.reshape(self.layout.cells, self.layout.sessions, *v.shape)
            variables[name] = (("cell", "session", *v.dims), shaped, v.unit, v.meaning)
        coordinates = {name: (*entry, "") for name, entry in self.layout.coordinates.items()}

        def policies(cell: int) -> Policies:
            return _concatenated([p for c, _, p in rows if c == cell])

        manifest = {
            **_facts(self.experiment),
            "content_hash": combined(digest(data, p) for _, data, p in rows),
            "seconds": round(time.perf_counter() - began, 3),
        }
        return Result(self.experiment, label(self.experiment, variables, coordinates), manifest, policies)


def _play(job: Job, todo: list[tuple[int, int, int, int]], threads: int | None) -> Iterator[tuple[Any, Record]]:
    """Records of shards, in order, from a pool of threads: the compiled loop releases the GIL."""
    workers = threads or _cores()
    if not todo:
        return
    stop = np.zeros(1, np.bool_)
    waiting: deque[tuple[Any, list[Future[Record]]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="tacit") as pool:
        try:
            for shard in todo:
                _, cell, first, count = shard
                parts = _split(first, count, workers)
                seed = job.seeds[cell]
                tasks = [pool.submit(tabular.play, job.plans[cell], seed, a, n, stop) for a, n in parts]
                waiting.append((shard, tasks))
                if len(waiting) > 2:  # enough work ahead that no core waits while a shard is written
                    done, futures = waiting.popleft()
                    yield done, _joined([f.result() for f in futures])
            while waiting:
                done, futures = waiting.popleft()
                yield done, _joined([f.result() for f in futures])
        finally:
            stop[0] = True
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _split(first: int, count: int, workers: int) -> list[tuple[int, int]]:
    """Cut a shard into tasks, small enough that all cores finish together."""
    size = max(1, count // (4 * workers))
    return [(a, min(size, first + count - a)) for a in range(first, first + count, size)]


def _joined(records: list[Record]) -> Record:
    return Record(*(np.concatenate(parts) for parts in zip(*records, strict=True)))


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    def report(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    report(0)
    return report


def _plan(experiment: Experiment) -> tabular.Plan:
    game = experiment.game
    return tabular.prepare(
        game.form(),
        experiment.learners,
        alternating=experiment.timing == "alternating",
        periods=experiment.length.periods,
        stable_for=experiment.length.stable_for,
        window=experiment.recorded()[0],
        windows=experiment.recorded()[1],
        sessions=experiment.sessions,
        keep_values=experiment.keep_values,
        trained=_trained,
    )


def _trained(folder: str, agent: int) -> tuple[NDArray[np.float64] | None, NDArray[np.int64]]:
    """Values and strategies that an agent of an earlier run ended with."""
    earlier = load(folder)
    if agent >= (n := len(earlier.strategies())):
        raise TacitError(f"learners.agent: {agent} is too large; {folder} has agents 0 to {n - 1}")
    values = earlier.values()
    return (values[agent] if values else None), earlier.strategies()[agent].astype(np.int64)


def _variables(plan: tabular.Plan, experiment: Experiment) -> dict[str, Variable]:
    game, n, m = experiment.game, plan.recorded_agents, int(plan.agents["n_actions"].max())
    unit, time = game.payoff_unit, ("time",)
    w, by_agent, by_action = (plan.windows,), ("agent",), ("agent", "action")
    name = game.actions().name
    return {
        "periods": Variable((), (), "int64", "periods", "periods played"),
        "converged": Variable((), (), "bool", "", "greedy strategies were stable for length.stable_for periods"),
        "cycle_length": Variable((), (), "int64", "periods", "length of the limit cycle; 0: none found"),
        "limit_payoff": Variable(by_agent, (n,), "float64", unit, f"mean {game.payoff_name} on the limit cycle"),
        "limit_frequency": Variable(by_action, (n, m), "float32", "", f"share of each {name} on the limit cycle"),
        "payoff": Variable((*time, *by_agent), (*w, n), "float64", unit, f"mean {game.payoff_name} in the window"),
        "payoff_square": Variable(
            time, w, "float64", f"({unit})^2" if unit else "", f"mean square of the agents' mean {game.payoff_name}"
        ),
        "frequency": Variable((*time, *by_action), (*w, n, m), "float32", "", f"share of each {name} in the window"),
    }


def _data(record: Record) -> dict[str, NDArray[np.generic]]:
    return {
        "periods": record.periods.astype(np.int64),
        "converged": record.converged,
        "cycle_length": record.cycle_length.astype(np.int64),
        "limit_payoff": record.limit_payoff,
        "limit_frequency": record.limit_frequency,
        "payoff": record.payoff,
        "payoff_square": record.payoff_square,
        "frequency": record.frequency,
    }


def _policies(record: Record, plan: tabular.Plan) -> dict[str, NDArray[np.generic]]:
    return {
        "strategy": record.greedy,
        "history": record.history.astype(np.int64),
        "last_action": record.last_actions.astype(np.int16),
        "values": record.values,
        "states": plan.agents["n_states"].astype(np.int64),
        "actions": plan.agents["n_actions"].astype(np.int64),
    }


def _concatenated(parts: Sequence[Policies]) -> dict[str, NDArray[np.generic]]:
    """Policies of consecutive sessions; the sizes of the agents' tables are the same in all parts."""
    sizes = {name: parts[0][name] for name in ("states", "actions")}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name not in sizes} | sizes


def _coordinates(plans: tuple[tabular.Plan, ...], cells: list[Experiment]) -> dict[str, Any]:
    """Axis values, and what is known of each cell before anything is played: action values and benchmarks."""
    plan, experiment = plans[0], cells[0]
    game, actions = experiment.game, experiment.game.actions()
    n, m = plan.recorded_agents, int(plan.agents["n_actions"].max())
    values = np.full((len(cells), n, m), np.nan)
    nash, optimum = np.full((len(cells), n), np.nan), np.full((len(cells), n), np.nan)
    for k, cell in enumerate(cells):
        table = cell.game.actions().values
        values[k, :, : table.shape[1]] = table[:n] if len(table) >= n else table
        found = benchmarks_of(cell.game)
        if found.competitive:
            nash[k] = found.nash.payoffs if len(found.nash.payoffs) == n else found.nash.average
        if found.cooperative:
            optimum[k] = found.optimum.payoffs if len(found.optimum.payoffs) == n else found.optimum.average
    return {
        "session": (("session",), np.arange(experiment.sessions), ""),
        "time": (("time",), (np.arange(plan.windows) + 1) * int(plan.limits.window), "periods"),
        "action_value": (("cell", "agent", "action"), values, actions.unit),
        "nash_payoff": (("cell", "agent"), nash, game.payoff_unit),
        "optimum_payoff": (("cell", "agent"), optimum, game.payoff_unit),
    }


def _facts(experiment: Experiment) -> dict[str, Any]:
    libraries = {name: metadata.version(name) for name in ("tacit", "numpy", "numba")}
    return {
        "name": experiment.name,
        "seed": experiment.seed,
        "sessions": experiment.sessions,
        "versions": {**libraries, "python": platform.python_version()},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _stored_result(store: RunFolder, experiment: Experiment) -> Result:
    """A result whose arrays are read from disk, and whose policies are read when they are asked for.

    Nothing is prepared anew: a run stays readable when an earlier run that its agents came from is gone.
    """
    variables, coordinates = store.contents()
    data = label(experiment, variables, coordinates)
    return Result(experiment, data, store.manifest, lambda cell: _concatenated(store.cell_policies(cell)), store.path)

"""Stage games: one plan for each cell of the sweep, and sessions in a pool of threads."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tacitlab.engine import tabular
from tacitlab.engine.arrays import Record
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.playing import Played, Shard, check_engine, cores
from tacitlab.lab.result import benchmark_payoffs
from tacitlab.lab.seating import check_equal, form_of, trained_policies
from tacitlab.markets.base import Market
from tacitlab.store.layout import MOST_BYTES, Arrays, Layout, Variable, shard_length


@dataclass(frozen=True)
class StageWork:
    """An experiment with a stage game, prepared: one plan for each cell, and the layout of what they leave."""

    plans: tuple[tabular.Plan, ...]
    seeds: tuple[int, ...]
    layout: Layout
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "numba")

    @classmethod
    def of(cls, experiment: Experiment) -> "StageWork":
        """Validate and flatten everything before anything is played."""
        cells = list(experiment.cells())
        check_engine([isinstance(cell.environment, Market) for cell in cells])
        plans = tuple(_plan(cell) for cell in cells)
        check_equal(experiment, cells, [[a.shape for a in tabular.new_record(plan, 1)] for plan in plans])
        layout = Layout(
            cells=len(cells),
            sessions=experiment.sessions,
            shard=shard_length(experiment.sessions, plans[0].bytes_per_session()),
            variables=_variables(plans[0], experiment),
            coordinates=_coordinates(plans, cells),
        )
        return cls(plans, tuple(cell.seed for cell in cells), layout)

    def play(
        self, todo: Sequence[Shard], threads: int | None, scratch: Path | None, report: Callable[[float], None]
    ) -> Iterator[Played]:
        """Records of shards, in order, from a pool of threads: the compiled loop releases the GIL."""
        for shard, record in _play(self, todo, threads or cores()):
            yield Played(shard, _data(record), _policies(record, self.plans[shard[1]]))
            report(shard[3])

    def played_on(self, threads: int | None) -> str:
        """None are named: the bits are the same on all."""
        return ""

    def alone(self) -> Arrays:
        """All sessions of a single cell in this thread: a pool would cost more than a tiny cell does."""
        (plan,), stop, sessions = self.plans, np.zeros(1, np.bool_), self.layout.sessions
        most = max(1, MOST_BYTES // plan.bytes_per_session())
        parts = [
            _data(tabular.play(plan, self.seeds[0], first, min(most, sessions - first), stop))
            for first in range(0, sessions, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _play(work: StageWork, todo: Sequence[Shard], workers: int) -> Iterator[tuple[Shard, Record]]:
    if not todo:
        return
    stop = np.zeros(1, np.bool_)
    waiting: deque[tuple[Any, list[Future[Record]]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="tacit") as pool:
        try:
            for shard in todo:
                _, cell, first, count = shard
                parts = _split(first, count, workers)
                seed = work.seeds[cell]
                tasks = [pool.submit(tabular.play, work.plans[cell], seed, a, n, stop) for a, n in parts]
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


def _split(first: int, count: int, workers: int) -> list[tuple[int, int]]:
    """Cut a shard into tasks, small enough that all cores finish together."""
    size = max(1, count // (4 * workers))
    return [(a, min(size, first + count - a)) for a in range(first, first + count, size)]


def _joined(records: list[Record]) -> Record:
    return Record(*(np.concatenate(parts) for parts in zip(*records, strict=True)))


def _plan(experiment: Experiment) -> tabular.Plan:
    game, form = experiment.game, form_of(experiment.game)
    return tabular.prepare(
        form,
        experiment.learners,
        alternating=experiment.timing == "alternating",
        periods=experiment.length.periods,
        stable_for=experiment.length.stable_for,
        window=experiment.recorded()[0],
        windows=experiment.recorded()[1],
        sessions=experiment.sessions,
        keep_values=experiment.keep_values,
        trained=trained_policies,
        steering=experiment.intervention.steering(game, form),
        paid=experiment.intervention.paid(game, form),
        named=game.actions(),
        opening=experiment.start.opening(game),
    )


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


def _coordinates(plans: tuple[tabular.Plan, ...], cells: list[Experiment]) -> dict[str, Any]:
    """Axis values, and what is known of each cell before anything is played: action values and benchmarks."""
    plan, experiment = plans[0], cells[0]
    game, actions = experiment.game, experiment.game.actions()
    n, m = plan.recorded_agents, int(plan.agents["n_actions"].max())
    values = np.full((len(cells), n, m), np.nan)
    for k, cell in enumerate(cells):
        table = cell.game.actions().values
        values[k, :, : table.shape[1]] = table[:n] if len(table) >= n else table
    return {
        "session": (("session",), np.arange(experiment.sessions), ""),
        "time": (("time",), (np.arange(plan.windows) + 1) * int(plan.limits.window), "periods"),
        "action_value": (("cell", "agent", "action"), values, actions.unit),
        **benchmark_payoffs([cell.game for cell in cells], n, game.payoff_unit),
    }

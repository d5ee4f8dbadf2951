"""Markets: all sessions of a cell together on the deep engine, in segments with checkpoints, then the test."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.engine import deep, devices
from tacitlab.engine.checkpoint import Checkpoint
from tacitlab.engine.curves import Curves
from tacitlab.errors import TacitError
from tacitlab.lab import baselines
from tacitlab.lab.earlier import named, trained
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.playing import Played, Shard, check_engine, cores
from tacitlab.lab.result import benchmark_payoffs
from tacitlab.lab.seating import check_equal
from tacitlab.learners.base import MarketSeat, group_sizes
from tacitlab.markets.base import Market
from tacitlab.markets.motion import Dynamics
from tacitlab.store.layout import Arrays, Layout, Variable

MOST_BYTES = 2_000_000_000  # of the states of all sessions that are played together
MOST_SESSIONS = 1024
SEGMENT = 1000  # most steps between two chances to show progress and to stop
KEY_BYTES = 100_000_000  # of the random keys of a segment
BY_AGENT = 250_000  # most numbers, steps times agents, that are kept of a quantity in a session
KEPT = (
    ("", "mean over the episodes of the test"), ("_sd", "standard deviation over the episodes of the test"),
    ("_path", "in the first episode of the test"),
)  # fmt: skip
TEST_WEIGHT = 0.02  # of a step of the test beside one of training, in the progress bar


@dataclass(frozen=True)
class Plan:
    """One cell, prepared."""

    table: deep.Table
    test: Dynamics
    seed: int
    baselines: tuple[deep.Table, ...]


@dataclass(frozen=True)
class MarketWork:
    """An experiment with a market, prepared."""

    experiment: Experiment
    plans: tuple[Plan, ...]
    layout: Layout
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "jax", "jaxlib", "equinox", "optax")

    @classmethod
    @devices.single_precision
    def of(cls, experiment: Experiment) -> "MarketWork":
        """Validate and build everything before anything is played."""
        devices.prepare()
        cells = list(experiment.cells())
        check_engine([isinstance(cell.environment, Market) for cell in cells])
        plans = tuple(_plan(cell) for cell in cells)
        shapes = [variables_of(cell) for cell in cells]
        check_equal(experiment, cells, shapes)
        together = min(MOST_SESSIONS, max(1, MOST_BYTES // _bytes_per_session(plans[0].table)))
        shard = -(-experiment.sessions // -(-experiment.sessions // together))
        layout = Layout(len(cells), experiment.sessions, shard, shapes[0], _coordinates(cells))
        return cls(experiment, plans, layout)

    def play(
        self, todo: Sequence[Shard], threads: int | None, scratch: Path | None, report: Callable[[float], None]
    ) -> Iterator[Played]:
        """Shard after shard; within one, sessions run side by side."""
        crew = deep.crew(threads or cores())
        for shard in todo:
            checkpoint = Checkpoint(scratch, shard[0], crew.layout) if scratch else None
            yield self._play_shard(crew, shard, checkpoint, report)
            if checkpoint:
                checkpoint.remove()

    def played_on(self, threads: int | None) -> str:
        """How many there are, of which kind."""
        return deep.crew(threads or cores()).layout

    def alone(self) -> Arrays:
        """All sessions of a single cell on one device: its bits do not depend on how many there are."""
        parts = [played.data for played in self.play(list(self.layout.shards()), 1, None, lambda more: None)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @devices.single_precision
    def _play_shard(
        self, crew: deep.Crew, shard: Shard, checkpoint: Checkpoint | None, report: Callable[[float], None]
    ) -> Played:
        _, cell, first, count = shard
        plan, experiment = self.plans[cell], self.experiment
        horizon, total, test = experiment.market.horizon, experiment.steps, experiment.test
        keys = crew.keys(plan.seed, first, count)
        play, done = crew.begin(plan.table, keys, first), 0
        window, windows = experiment.recorded()
        shared = tuple(q.name for q in experiment.market.quantities() if not q.by_agent)
        curves = Curves.empty(count, windows, window * horizon, plan.table.agents, shared)
        if checkpoint and (found := checkpoint.read()):
            done, leaves, saved = found
            play = jax.tree.unflatten(jax.tree.structure(play), crew.place(leaves))
            curves = curves.restored(saved)
        weight = count / (total + TEST_WEIGHT * test.episodes * horizon)
        report(weight * done)
        longest = min(SEGMENT, max(1, KEY_BYTES // (16 * count * (1 + plan.table.agents))))
        most = max(_segments(0, total, window * horizon, longest))
        for steps in _segments(done, total, window * horizon, longest):
            play, tally = jax.block_until_ready(crew.advance(plan.table, keys, play, done, steps, most))
            curves.add(done, steps, tally)
            done += steps
            report(weight * steps)
            if checkpoint:
                checkpoint.write(done, jax.tree.leaves(play), curves.arrays())
        tested = crew.test(
            plan.table, plan.test, keys, play.learners, test.episodes, horizon, test.epsilon, _by_agent(experiment)
        )
        data = _data(experiment, curves, jax.tree.map(lambda x: np.asarray(x)[:count], tested))
        more = baselines.played(crew, plan.baselines, plan.test, keys, play.learners, experiment, count)
        acting = jax.vmap(plan.table.policies, axis_size=len(keys))(play.learners)
        policies = {name: np.asarray(x)[:count] for name, x in named(acting).items()}
        report(count - weight * total)
        return Played(shard, {**data, **more}, policies)


# --- preparation ---------------------------------------------------------------------------------------------------


def _plan(experiment: Experiment) -> Plan:
    test = experiment.test_market().dynamics()
    table = table_of(experiment)
    return Plan(table, test, experiment.seed, baselines.tables(experiment, test, table))


@devices.single_precision
def seated(experiment: Experiment) -> deep.Table:
    """The market of a single cell with its learners around it, whether or not it will be played."""
    devices.prepare()
    return table_of(experiment)


def table_of(experiment: Experiment) -> deep.Table:
    """The market of a single cell, with its learners around it."""
    market = experiment.market
    dynamics, seats, groups = market.dynamics(), [], []
    roles = market.roles()
    sizes = group_sizes(market.n_players, experiment.learners)
    bounds = np.cumsum([role.agents for role in roles])
    begin = 0
    for learner, size in zip(experiment.learners, sizes, strict=True):
        place = int(np.searchsorted(bounds, begin, side="right"))
        role, offset = roles[place], begin - (bounds[place] - roles[place].agents)
        if offset + size > role.agents:
            raise TacitError(
                f"learners.agents: {size} agents from number {begin} on belong to several roles; "
                f"give each role its own learners ({', '.join(f'{r.agents} {r.name}' for r in roles)})"
            )
        first, last = int(offset), int(offset) + size
        one_by_one = devices.on_processor()
        seat = MarketSeat(market, dynamics, role, first, last, experiment.steps, one_by_one, experiment.copies, trained)
        groups.append(learner.group(seat))
        seats.append(deep.Seat(role.name, first, last))
        begin += size
    return deep.Table(dynamics, tuple(groups), tuple(seats), experiment.copies)


def _bytes_per_session(table: deep.Table) -> int:
    play = eqx.filter_eval_shape(deep.begin, table, jax.random.key(0), jnp.zeros((), jnp.int32))
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(play))


def _segments(done: int, total: int, window: int, longest: int) -> Iterator[int]:
    """Lengths of the segments that are left.

    None reaches over the end of a window. They are as equal as can be: all are compiled for the longest.
    """
    pieces = -(-min(window, total) // longest)
    ends = np.unique([(k * window) // pieces for k in range(1, -(-total // window) * pieces + 1)])
    for end in np.minimum(ends[ends > done], total):
        if end > done:
            yield int(end) - done
            done = int(end)


def _by_agent(experiment: Experiment) -> bool:
    """Whether the test keeps what differs between agents, step by step."""
    return experiment.market.horizon * experiment.market.n_players <= BY_AGENT


def variables_of(experiment: Experiment) -> dict[str, Variable]:
    """What is recorded of a market, by name."""
    market, test = experiment.market, experiment.test
    words, n = market.words(), market.n_players
    w, each = experiment.recorded()[1], "an episode" if market.payoff_steps == 1 else "a period"
    curve, ended = (("time", "agent"), (w, n), "float32"), (("episode", "agent"), (test.episodes, n), "float32")
    variables = {
        "payoff": Variable(*curve, words.unit, f"mean {words.payoff} {each} in the window, while learning"),
        "loss": Variable(*curve, "", "mean loss in the window; NaN where nothing was learned"),
        "value": Variable(*curve, words.unit, "mean size of the learned values in the window"),
        "failure": Variable((), (), "int8", "", "0: none; 1: not finite; 2: values beyond their bound"),
        "failed_at": Variable((), (), "int32", "episodes", "when learning failed; -1: it did not"),
        "test_payoff": Variable(*ended, words.unit, f"{words.payoff} {each} of the test, with frozen policies"),
    }
    for name, unit, by_agent in market.quantities():
        dims: tuple[str, ...] = ("step", "agent") if by_agent else ("step",)
        shape = (market.horizon, n)[: len(dims)]
        if not by_agent:
            text = f"mean {name} of a step in the window, while learning"
            variables[f"learning_{name}"] = Variable(("time",), (w,), "float32", unit, text)
        for suffix, meaning in KEPT if not by_agent or _by_agent(experiment) else ():
            variables[f"test_{name}{suffix}"] = Variable(dims, shape, "float32", unit, meaning)
    return variables | baselines.variables(experiment)


def _coordinates(cells: list[Experiment]) -> dict[str, Any]:
    experiment = cells[0]
    window, windows = experiment.recorded()
    market = experiment.market
    return {
        "session": (("session",), np.arange(experiment.sessions), ""),
        "time": (("time",), (np.arange(windows) + 1) * window, "episodes"),
        "step": (("step",), np.arange(market.horizon), "steps"),
        **benchmark_payoffs([cell.judged_in() for cell in cells], market.n_players, market.words().unit),
    }


# --- results -------------------------------------------------------------------------------------------------------


def _data(experiment: Experiment, curves: Curves, tested: deep.Tested) -> Arrays:
    """Arrays of a shard; the test of a session that failed is unknown."""
    per = experiment.market.payoff_steps
    failure, failed_at = curves.failures(experiment.market.horizon)
    data = {
        "payoff": curves.payoff() / per, "loss": curves.loss(), "value": curves.value(), "failure": failure,
        "failed_at": failed_at,
    }  # fmt: skip
    data |= {f"learning_{name}": values for name, values in curves.means().items()}
    test = {"test_payoff": tested.returns / per}
    for (suffix, _), found in zip(KEPT, (tested.mean, tested.spread, tested.path), strict=True):
        test |= {f"test_{name}{suffix}": values for name, values in found.items()}
    for name, values in test.items():
        data[name] = np.where(failure.reshape(-1, *[1] * (values.ndim - 1)) > 0, np.float32(np.nan), values)
    kinds = {name: variable.dtype for name, variable in variables_of(experiment).items()}
    return {name: np.asarray(values, dtype=kinds[name]) for name, values in data.items()}

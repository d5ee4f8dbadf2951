"""The result of an experiment: labelled data of all sessions, the learned policies, the benchmarks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.lab.design import axis
from tacitlab.lab.experiment import Experiment
from tacitlab.markets.base import Market
from tacitlab.store.folder import Stored
from tacitlab.theory.benchmarks import Benchmarks

Policies = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Result:
    """What an experiment found.

    Attributes
    ----------
    experiment : Experiment
        The scenario, complete.
    data : xarray.Dataset
        Dimensions: those of the sweep, ``session``, ``agent``, ``time`` (end of a window, periods) and ``action``.
    manifest : dict
        Versions, seed, content hash, duration.
    policy_reader : callable
        Arrays of one cell's learned policies, by cell number; see :meth:`strategies`.
    folder : Path or None
        Where the run lies, if it was stored.
    experiments : tuple of Experiment
        Those of the cells, where they have been read; else they follow from ``experiment``.
    known : dict
        What a stored run says of its environments: see :mod:`tacitlab.lab.described`.
    """

    experiment: Experiment
    data: xr.Dataset
    manifest: Mapping[str, Any]
    policy_reader: Callable[[int], Policies]
    folder: Path | None = None
    experiments: tuple[Experiment, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def cells(self) -> list[Experiment]:
        """The experiments of the sweep's cells, last field fastest; one where nothing is swept."""
        return list(self.experiments or self.experiment.cells())

    def benchmarks(self, cell: int = 0) -> Benchmarks:
        """What theory predicts for the environment of a cell; that of the test, where a market is tested in another."""
        if cell >= len(self.cells):
            raise TacitError(f"cell: {cell} is too large; the sweep has {len(self.cells)} cells, counted from 0")
        if stored := self._stored_benchmarks(cell):
            from tacitlab.lab.described import benchmarks_from

            return benchmarks_from(stored)
        return benchmarks_of(self.cells[cell].judged_in())

    def _stored_benchmarks(self, cell: int) -> Any:
        """Those that were stored with the run, as plain data."""
        if not self.known.get("experiment"):
            return None
        entry = self.known["cells"][cell] if "cells" in self.known else self.known["experiment"]
        return self.known["members"][entry["tested_in"]].get("benchmarks")

    def measure(self, name: str) -> xr.DataArray:
        """What a measure (``tacit list`` has them; or ``FILE.py:Class``) finds, by session and where it differs agent.

        Raises
        ------
        TacitError
            If there is no such measure, or the run lacks what it needs.
        """
        from tacitlab.lab.measuring import measure

        return measure(self, name)

    def strategies(self, cell: int = 0) -> list[NDArray[np.int16]]:
        """Greedy action by session and state, one array (sessions, states) for each agent.

        State = history + histories * regime; a history of memory k is ``sum_l code_{t-l} * codes**l``, the newest
        period in the lowest digit, and the code of a period is the joint action in row-major order (or what the
        agent observes of it).
        """
        policies = self.policy_reader(cell)
        return [np.asarray(a) for a in _split(policies["strategy"], policies["states"])]

    def values(self, cell: int = 0) -> list[NDArray[np.float64]] | None:
        """Value tables (sessions, states, actions) of each agent; None unless the run kept them."""
        policies = self.policy_reader(cell)
        if policies["values"].shape[1] == 0:
            return None
        states, actions = (np.asarray(policies[name], dtype=np.int64) for name in ("states", "actions"))
        tables = _split(policies["values"], states * actions)
        return [t.reshape(len(t), int(s), int(a)) for t, s, a in zip(tables, states, actions, strict=True)]

    def final_history(self, cell: int = 0) -> NDArray[np.int64]:
        """Each agent's history code on the limit cycle, shape (sessions, agents)."""
        return np.asarray(self.policy_reader(cell)["history"]).astype(np.int64)


@lru_cache(maxsize=256)
def benchmarks_of(environment: Environment) -> Benchmarks:
    """Benchmarks of an environment, random play and rules among them, computed once however many cells play it."""
    known = environment.benchmarks()
    if isinstance(environment, Market):
        known = replace(known, rules=environment.rule_values())
    return known if known.random else replace(known, random=environment.random_play())


def benchmark_payoffs(environments: Sequence[Environment], agents: int, unit: str) -> dict[str, Any]:
    """Payoffs of the two references in every cell, as coordinates: one entry for all agents where they are anonymous.

    NaN where there is no such benchmark.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name in ("nash_payoff", "optimum_payoff"):
        found[name] = np.full((len(environments), agents), np.nan)
    for k, environment in enumerate(environments):
        known = benchmarks_of(environment)
        for name, profiles in (("nash_payoff", known.competitive), ("optimum_payoff", known.cooperative)):
            if profiles:
                found[name][k] = profiles[0].payoffs if len(profiles[0].payoffs) == agents else profiles[0].average
    return {name: (("cell", "agent"), values, unit) for name, values in found.items()}


def _split(flat: NDArray[np.generic], sizes: Sequence[int] | NDArray[np.generic]) -> list[NDArray[Any]]:
    return np.split(flat, np.cumsum(np.asarray(sizes, dtype=np.int64))[:-1], axis=1)


def label(experiment: Experiment, variables: Mapping[str, Stored], coordinates: Mapping[str, Stored]) -> xr.Dataset:
    """Arrays by (cell, session, ...) as a dataset with the sweep's own dimensions in place of ``cell``."""
    sweep = experiment.sweep_dimensions()
    shape = tuple(len(values) for values in sweep.values())

    def unstacked(entry: Stored) -> Any:
        dims, values, unit, meaning = entry
        attributes = {k: v for k, v in (("units", unit), ("long_name", meaning)) if v}
        if dims[0] != "cell":
            return dims, values, attributes
        return (*sweep, *dims[1:]), values.reshape(*shape, *values.shape[1:]), attributes

    return xr.Dataset(
        {name: unstacked(entry) for name, entry in variables.items()},
        coords={
            **{name: unstacked(entry) for name, entry in coordinates.items()},
            **{name: axis(values) for name, values in sweep.items()},
            **(
                {"rule": np.array(rules)}
                if (rules := experiment.baselines()) and "baseline_payoff" in variables
                else {}
            ),
        },
    )

"""What a run asks of an engine: the layout of the results, and shards one after the other."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tacitlab.errors import TacitError
from tacitlab.store.layout import Arrays, Layout

CAUSES = ("", "the loss or a value is not a finite number", "values grow beyond learners.largest_value")

Shard = tuple[int, int, int, int]  # index, cell, first session, number of sessions


class Played(NamedTuple):
    """A shard that is complete."""

    shard: Shard
    data: Arrays
    policies: Arrays


class Work(Protocol):
    """An experiment, prepared for the engine that plays it."""

    @property
    def layout(self) -> Layout:
        """Size and meaning of everything that it leaves."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Libraries whose versions the manifest should name."""

    def play(
        self, todo: Sequence[Shard], threads: int | None, scratch: Path | None, report: Callable[[float], None]
    ) -> Iterator[Played]:
        """Play shards in order.

        ``scratch`` is a folder for checkpoints, None if nothing is stored. ``report`` is told how many sessions more
        are done, in fractions where an engine knows them.
        """

    def played_on(self, threads: int | None) -> str:
        """What it is played on, in words, where the bits depend on it."""

    def alone(self) -> Arrays:
        """All sessions of a single cell, on one core or device, without policies: how a worker plays a sweep's cell."""


def check_engine(markets: Sequence[bool]) -> None:
    """Refuse a sweep of which some cells are played as a stage game, and others as a market."""
    if len(set(markets)) > 1:
        raise TacitError(
            "sweep: tables play the stage game, and networks the repeated game or another market, with other results; "
            "run one experiment for each"
        )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

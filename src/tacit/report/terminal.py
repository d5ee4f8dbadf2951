"""What a person sees while a run goes on and when it ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from tacit.lab.result import Result
    from tacit.report.answer import Answer

MOST_ROWS = 30  # cells of a sweep that are printed


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, on standard error."""
    with bars() as add:
        yield add(name)


@contextmanager
def bars() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Progress bars, one for each name that is asked for."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("sessions"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    display = Progress(*columns, console=Console(stderr=True))

    def add(name: str) -> Callable[[int, int], None]:
        tasks: list[TaskID] = []  # the bar appears once something is played

        def report(done: int, total: int) -> None:
            if not tasks:
                if not display.tasks:
                    announce_compilation()
                display.start()
                tasks.append(display.add_task(name, total=total))
            display.update(tasks[0], completed=done)

        return report

    try:
        yield add
    finally:
        if display.tasks:
            display.stop()


def announce_compilation() -> None:
    """Say why the first run after an installation begins with a pause."""
    from tacit.engine.compilation import ready

    if not ready():
        print("compiling the engine, once after an installation: half a minute", file=sys.stderr)


def free_folder(parent: Path, name: str) -> Path:
    """The first of NAME-1, NAME-2, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def print_answer(result: "Result") -> None:
    """The answer in words and numbers, with the benchmarks beside it."""
    from tacit.report.answer import answer, sweep_sentence  # xarray and its kin: not for `tacit list`

    out = console()
    dims = result.experiment.sweep_dimensions()
    shape = tuple(len(values) for values in dims.values())
    if not dims:
        _print_cell(out, answer(result))
        return
    table = Table(box=None, pad_edge=False)
    cells = int(np.prod(shape))
    answers = [answer(result, cell) for cell in range(cells)]
    for cell, found in enumerate(answers[:MOST_ROWS]):
        place = np.unravel_index(cell, shape)
        if cell == 0:
            for title in (*dims, *(f.name for f in found.findings), "gain", "converged"):
                table.add_column(title, no_wrap=True)
        settings = [str(values[k]) for values, k in zip(dims.values(), place, strict=True)]
        table.add_row(*settings, *(str(f.estimate) for f in found.findings), str(found.gain or "-"), found.converged)
    out.print(table)
    if cells > MOST_ROWS:
        out.print(f"... and {cells - MOST_ROWS} cells more in the report")
    out.print(sweep_sentence(result, answers))


def _print_cell(out: Console, found: "Answer") -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("", "mean over sessions", *found.labels):
        table.add_column(title, no_wrap=True)
    for finding in found.findings:
        repeats = finding.unit in finding.name.split()  # "travel time (time)"
        name = f"{finding.name} ({finding.unit})" if finding.unit and not repeats else finding.name
        table.add_row(name, str(finding.estimate), _number(finding.nash), _number(finding.optimum))
    if found.gain is not None:
        table.add_row("gain", str(found.gain), "0", "1")
    out.print(table)
    out.print(found.verdict)
    out.print(found.convergence)
    for note in found.notes:
        out.print(f"note: {note}")


def _number(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.5g}"


def print_claims(finding: Any) -> None:
    """A study's claims, one a line, and its verdict."""
    out = console()
    table = Table(box=None, pad_edge=False)
    for title in ("claim", "measured", "published", "z", "verdict"):
        table.add_column(title)
    for claim in finding.claims:
        published = "-" if claim.published is None else f"{claim.published:g}"
        z = "-" if np.isnan(claim.z) else f"{claim.z:+.1f}"
        table.add_row(claim.name, str(claim.measured), published, z, str(claim.judged()))
    out.print(table)
    out.print(finding.answer)
    for note in finding.notes:
        out.print(f"note: {note}")
    out.print(f"verdict: {finding.verdict()}")


def console() -> Console:
    """The terminal, or a wide page where the output goes into a file."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(width=140)

"""What a person sees while a run goes on and when it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tacit.lab.result import Result
from tacit.report.answer import Answer, answer

MOST_ROWS = 30  # cells of a sweep that are printed


@contextmanager
def progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, on standard error."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("sessions"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report


def free_folder(parent: Path, name: str) -> Path:
    """The first of NAME-1, NAME-2, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def print_answer(result: Result) -> None:
    """The answer in words and numbers, with the benchmarks beside it."""
    console = Console(width=None if Console().is_terminal else 120)
    dims = result.experiment.sweep_dimensions()
    shape = tuple(len(values) for values in dims.values())
    if not dims:
        _print_cell(console, answer(result))
        return
    table = Table(box=None, pad_edge=False)
    cells = int(np.prod(shape))
    for cell in range(min(cells, MOST_ROWS)):
        found = answer(result, cell)
        place = np.unravel_index(cell, shape)
        if cell == 0:
            for title in (*dims, *(f.name for f in found.findings), "gain"):
                table.add_column(title, no_wrap=True)
        settings = [str(values[k]) for values, k in zip(dims.values(), place, strict=True)]
        table.add_row(*settings, *(str(f.estimate) for f in found.findings), str(found.gain or "-"))
    console.print(table)
    if cells > MOST_ROWS:
        console.print(f"... and {cells - MOST_ROWS} cells more in the report")


def _print_cell(console: Console, found: Answer) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("", "mean over sessions", *found.labels):
        table.add_column(title, no_wrap=True)
    for finding in found.findings:
        name = f"{finding.name} ({finding.unit})" if finding.unit else finding.name
        table.add_row(name, str(finding.estimate), _number(finding.nash), _number(finding.optimum))
    if found.gain is not None:
        table.add_row("gain", str(found.gain), "0", "1")
    console.print(table)
    console.print(found.verdict, highlight=False)
    console.print(found.convergence, highlight=False)
    for note in found.notes:
        console.print(f"note: {note}", highlight=False)


def _number(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.5g}"

"""What a person sees while a run goes on and when it ends."""

import itertools
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from tacitlab.listing import console

if TYPE_CHECKING:
    import xarray as xr

    from tacitlab.lab.result import Result
    from tacitlab.report.answer import Answer
    from tacitlab.sweep.sweep import Status

MOST_ROWS = 30  # cells of a sweep that are printed
LOOP = 100_000  # bytes: a compiled market has at least as many, what prepares it far less


class Done(ProgressColumn):
    """How many sessions or cells are done; how much of all of them, where they advance together."""

    def __init__(self, what: str) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self.what = what

    def render(self, task: Task) -> Text:
        done, total = task.completed, int(task.total or 0)
        if isinstance(done, int):
            return Text(f"{done}/{total} {self.what}")
        return Text(f"{int(100 * done / max(total, 1)):3}% of {total} {self.what}")  # 100% only at the end


@contextmanager
def progress(name: str, what: str = "sessions") -> Iterator[Callable[[float, int], None]]:
    """A progress bar with the time left, on standard error."""
    with bars(what) as add:
        yield add(name)


@contextmanager
def bars(what: str = "sessions") -> Iterator[Callable[[str], Callable[[float, int], None]]]:
    """Progress bars, one for each name that is asked for."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), Done(what),
        TimeElapsedColumn(), TextColumn("+"), TimeRemainingColumn(), TextColumn("{task.fields[now]}"),
    )  # fmt: skip
    display = Progress(*columns, console=Console(stderr=True))

    def add(name: str) -> Callable[[float, int], None]:
        tasks: list[TaskID] = []  # the bar appears once something is played
        first: list[float] = []

        def report(done: float, total: int) -> None:
            if not tasks:
                if not display.tasks:
                    announce_compilation()
                display.start()
                tasks.append(display.add_task(name, total=total, now="compiling" if deep_engine() else "left"))
                first.append(done)
            display.update(tasks[0], completed=done)
            if done > first[0]:
                display.update(tasks[0], now="left")

        return report

    try:
        yield add
    finally:
        if display.tasks:
            display.stop()


def deep_engine() -> bool:
    """Whether an experiment in a market has been prepared in this process."""
    return "tacitlab.engine.deep" in sys.modules


def announce_compilation() -> None:
    """Say why a run begins with a pause."""
    from tacitlab.engine.compilation import cache_folder, ready

    if deep_engine():
        kept = (file.stat().st_size for file in (cache_folder() / "xla").glob("*"))
        if max(kept, default=0) < LOOP:
            print("compiling for this market: a quarter of a minute; its next run starts sooner", file=sys.stderr)
    elif not ready():
        print("compiling the engine, once after an installation: half a minute", file=sys.stderr)


def free_folder(parent: Path, name: str) -> Path:
    """The first of NAME-1, NAME-2, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def print_answer(result: "Result") -> None:
    """The answer in words and numbers, with the benchmarks beside it."""
    from tacitlab.report.answer import (  # xarray and its kin: not for `tacit list`
        answer,
        answers,
        sweep_sentence,
    )
    from tacitlab.report.finding import shown

    out = console()
    dims = result.experiment.sweep_dimensions()
    if not dims:
        _print_cell(out, answer(result))
        return
    table, found = Table(box=None, pad_edge=False), answers(result)
    names = [finding.name for finding in found[0].findings if not finding.detail]
    for title in (*dims, *names, "gain", found[0].tallied):
        table.add_column(title, no_wrap=True)
    for settings, one in zip(itertools.islice(itertools.product(*dims.values()), MOST_ROWS), found, strict=False):
        estimates = [*(finding.estimate for finding in one.findings if not finding.detail), one.gain]
        table.add_row(*map(str, settings), *map(shown, estimates), one.tally)
    out.print(table)
    if len(found) > MOST_ROWS:
        out.print(f"... and {len(found) - MOST_ROWS} cells more in the report")
    out.print(sweep_sentence(result, found))


def print_sweep(found: "Status") -> None:
    """Where a sweep stands: cells that are finished, those that failed and why, and how to go on."""
    out = console()
    waiting = found.cells - found.finished - found.failed
    told = f"{found.finished:,} of {found.cells:,} cells finished"
    told += f", {found.failed:,} failed" if found.failed else ""
    told += f", {waiting:,} to go" if waiting else ""
    out.print(f"{told}, in {found.seconds:,.1f} s." if found.complete else f"{told}.")
    for cause, count, first in found.causes:
        out.print(f"failed  {count:,} {'cell' if count == 1 else 'cells, first'} at {first}: {cause}")
    if found.failed:
        out.print(f"        mend that, then `tacit sweep --resume {found.folder} --retry`; the others are not touched")
    elif waiting:
        out.print(f"        if nothing plays it now, continue with `tacit sweep --resume {found.folder}`")
    out.print(f"data    {found.table}")


def _print_cell(out: Console, found: "Answer") -> None:
    from tacitlab.report.finding import RANDOM_PLAY, shown

    table, random = Table(box=None, pad_edge=False), found.random_known
    for title in ("", "mean over sessions", *found.labels, *([RANDOM_PLAY] if random else [])):
        table.add_column(title, no_wrap=True)
    for finding in found.findings:
        repeats = finding.unit in finding.name.split()  # "travel time (time)"
        name = f"{finding.name} ({finding.unit})" if finding.unit and not repeats else finding.name
        table.add_row(name, shown(finding.estimate), *map(_number, finding.beside[: 2 + random]))
    if found.gain is not None:
        table.add_row("gain", shown(found.gain), "0", "1", *([_number(found.random_gain)] if random else []))
    out.print(table)
    out.print(found.verdict.text)
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
        published = claim.shown or "-"
        z = "-" if np.isnan(claim.z) else f"{claim.z:+.1f}"
        table.add_row(claim.name, str(claim.measured), published, z, str(claim.judged()))
    out.print(table)
    out.print(finding.answer)
    for note in finding.notes:
        out.print(f"note: {note}")
    out.print(f"verdict: {finding.verdict()}")


def print_measures(found: "Sequence[xr.DataArray]") -> None:
    """Means over sessions with intervals, a row for each agent and each cell of a sweep."""
    from tacitlab.measures.statistics import mean_interval

    table, meanings = Table(box=None, pad_edge=False, header_style="bold"), Table(box=None, pad_edge=False)
    for title in ("measure", "of", "mean over sessions", "unit"):
        table.add_column(title, overflow="fold")
    for values in found:
        others = [name for name in values.dims if name != "session"]
        rows = values.transpose(*others, "session")
        for place in np.ndindex(rows.shape[:-1]):
            where = ", ".join(f"{name} {_at(values, name, k)}" for name, k in zip(others, place, strict=True))
            known = rows.values[place][~np.isnan(rows.values[place])]
            shown = str(mean_interval(known)) if known.size else "unknown: no session has a value"
            table.add_row(str(values.name), where, shown, values.units)
        meanings.add_row(str(values.name), values.long_name)
    out = Console(highlight=False)
    out.print(table)
    out.print()
    out.print(meanings)


def _at(values: "xr.DataArray", name: Hashable, k: int) -> Any:
    """A cell's value of a swept field; agents are counted from 1."""
    return values[name].values[k] if name in values.coords else k + 1

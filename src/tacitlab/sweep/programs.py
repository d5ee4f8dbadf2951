"""The programs that play the cells of a sweep: as many as the swept fields choose kinds."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tacitlab.errors import TacitError
from tacitlab.lab.design import Design, Listed, Range, Scalar
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.program import Program, difference
from tacitlab.sweep.cell import program_of
from tacitlab.sweep.folder import SweepFolder
from tacitlab.sweep.sweep import Sweep, other_program


def programs(sweep: Sweep) -> dict[str, Program]:
    """The programs of all cells, by what is said of them.

    Only values that are no numbers can choose a kind: the others stay at the first of theirs.
    """
    plain, found = sweep.experiment.dump(), dict[str, Program]()
    first: TacitError | None = None
    for settings in _choices(sweep.design):
        try:
            one = program_of(from_mapping(plain, settings, seated=False))
        except TacitError as error:  # a cell that cannot be played says so in its turn
            first = first or error
            continue
        found.setdefault(str(one), one)
    if not found and first is not None:
        raise first
    return found


def _choices(design: Design) -> Iterator[list[tuple[str, Scalar]]]:
    """Settings with every combination of values that are no numbers."""
    over: dict[str, Any] = design.over  # type: ignore[attr-defined]  # every design has it
    names = list(over)
    values = [[v.at(0)] if isinstance(v, Range) else list(v) for v in over.values()]
    if isinstance(design, Listed):
        rows: Iterator[tuple[Any, ...]] = zip(*values, strict=True)
        numbers = [all(_number(v) for v in column) for column in values]
        seen: set[str] = set()
        for row in rows:
            key = repr([v for v, number in zip(row, numbers, strict=True) if not number])
            if key not in seen:
                seen.add(key)
                yield list(zip(names, row, strict=True))
        return
    columns = [column[:1] if all(_number(v) for v in column) else column for column in values]
    for row in itertools.product(*columns):
        yield list(zip(names, row, strict=True))


def _number(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def compare(folder: SweepFolder, sweep: Sweep, anyway: bool) -> None:
    """Refuse to go on with other programs than those that the sweep was begun with, or enter that it happened.

    Raises
    ------
    TacitError
        If they differ, and it shall not go on anyway.
    """
    before, now = folder.manifest.get("programs"), programs(sweep)
    records = [one.record() for one in now.values()]
    if before == records:
        return
    if isinstance(before, list) and len(before) == len(records):
        pairs = zip(before, now.values(), strict=True)
        differs = next(text for then, one in pairs if (text := difference(then, one)))
    else:
        differs = f"{folder.manifest['computes']}; now {', '.join(now)}"
    if not anyway:
        raise other_program(folder, differs)
    entry = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "differs": differs}
    folder.finish({"anyway": [*folder.manifest.get("anyway", []), entry], "programs": records,
                   "computes": ", ".join(now)})  # fmt: skip

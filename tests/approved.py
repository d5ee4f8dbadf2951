"""Whole answers as texts, compared with those that a reader has approved.

``approved("order_flow/worse", finding)`` renders what a study, a report or an audit says, words and numbers, and
compares it with ``tests/approved/order_flow/worse.txt``. Words must be equal; numbers as equal as their four digits
are. ``TACIT_APPROVE=1 pytest FILE`` writes the texts anew: read every line of the difference before you commit it,
since whatever stands there is held to be right from then on.
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from pydantic import BaseModel

from tacitlab.measures.statistics import Estimate
from tacitlab.plot.chart import Axis, Chart
from tacitlab.plot.panels import Panels
from tacitlab.report.page import Page, Section, Table, show
from tacitlab.studies.base import Claim, Finding

FOLDER = Path(__file__).with_name("approved")
NUMBER = re.compile(r"(?<![A-Za-z_])[-−+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![A-Za-z_])")
NEARLY = 2e-3  # relative: a digit of four that rounds the other way on another machine
ALMOST_NOTHING = 1e-9
FEW = 12  # numbers that are told one by one


def approved(name: str, found: object, *, numbers: bool = True, exact: bool = False) -> None:
    """Hold what was found against its approved text.

    With ``numbers=False`` where another machine computes others, ``exact=True`` where nothing was computed.
    """
    path = FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in lines(found)) + "\n"
    if not numbers:
        text = NUMBER.sub("#", text)
    if os.environ.get("TACIT_APPROVE"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if exact or not path.exists() or differs(path.read_text(encoding="utf-8"), text):
            path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"{path.name}: nobody has approved it; run with TACIT_APPROVE=1, and read it"
    wanted = path.read_text(encoding="utf-8")
    if differs(wanted, text) or (exact and wanted != text):
        both = difflib.unified_diff(wanted.splitlines(), text.splitlines(), "approved", "found", lineterm="", n=0)
        raise AssertionError(f"{name}:\n" + "\n".join(list(both)[:40]))


def differs(wanted: str, found: str) -> bool:
    """Whether a word differs, or a number by more than rounding."""
    if wanted == found:
        return False
    if NUMBER.sub("#", wanted) != NUMBER.sub("#", found):
        return True
    pairs = zip(NUMBER.findall(wanted), NUMBER.findall(found), strict=True)
    return any(abs(a - b) > NEARLY * max(abs(a), abs(b)) + ALMOST_NOTHING for a, b in (map(_value, p) for p in pairs))


def _value(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def lines(found: object) -> Iterator[str]:
    """What was found, line by line."""
    if found is None or isinstance(found, str | bool | int | float | np.generic | Estimate):
        yield from _short(found).splitlines() or [""]
    elif isinstance(found, np.ndarray | xr.DataArray):
        yield _array(np.asarray(found))
    elif isinstance(found, Finding):
        yield from (f"verdict: {found.verdict()}", "", *found.answer.splitlines(), "")
        for claim in found.claims:
            yield from lines(claim)
        for note in found.notes:
            yield from ("", f"note: {note}")
        for section in found.sections:
            yield from ("", *lines(section))
    elif isinstance(found, Claim):
        yield from _claim(found)
    elif isinstance(found, Page):
        yield from (found.title, "", *found.answer.splitlines())
        for section in found.sections:
            yield from ("", *lines(section))
    elif isinstance(found, Section):
        yield from (f"# {found.heading}", *found.text.splitlines())
        for part in (*([found.table] if found.table else []), *found.charts):
            yield from lines(part)
    elif isinstance(found, Table):
        for row in (found.columns, *found.rows):
            yield " | ".join(show(cell).replace("\n", " / ") for cell in row)
        yield f"({found.caption})"
    elif isinstance(found, Chart | Panels):
        yield from _picture(found)
    elif isinstance(found, BaseModel):
        yield from lines(found.model_dump(mode="json"))
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from _under(f"{key}", value)
    elif dataclasses.is_dataclass(found):
        yield type(found).__name__
        for field in dataclasses.fields(found):
            yield from _under(f"  {field.name}", getattr(found, field.name))
    elif isinstance(found, Sequence):
        for value in found:
            yield from _under("-", value)
    else:
        raise TypeError(f"{type(found).__name__}: say in tests/approved.py how it is told")


def _under(name: str, value: object) -> Iterator[str]:
    told = list(lines(value))
    if len(told) <= 1:
        yield f"{name}: {''.join(told)}" if name != "-" else f"- {''.join(told)}"
    else:
        yield f"{name}:" if name != "-" else "-"
        yield from (f"  {line}" for line in told)


def _short(value: object) -> str:
    if isinstance(value, Estimate):
        return f"{_short(value.mean)} ({_short(value.low)} to {_short(value.high)}; se {_short(value.se)}; n {value.n})"
    if isinstance(value, float | np.floating):
        return f"{float(value):.4g}"
    return str(value)


def _array(values: np.ndarray) -> str:
    """Few numbers one by one, many by their shape and what moves when any of them does."""
    shape = " x ".join(map(str, values.shape))
    if values.dtype.kind not in "fiub" or values.size <= FEW:
        return f"{shape}: {' '.join(_short(v) for v in values.ravel().tolist())}"
    flat = values.ravel().astype(float)
    known = flat[np.isfinite(flat)]
    told = f"{shape}: {_short(flat[0])} {_short(flat[1])} ... {_short(flat[-1])}"
    if known.size:
        # A mean near 0 is the rounding of a difference.
        mean = known.mean() if abs(known.mean()) > 1e-6 * np.abs(known).max() else 0.0
        told += f", from {_short(known.min())} to {_short(known.max())}, mean {_short(mean)}, sd {_short(known.std())}"
    return told + (f", {flat.size - known.size} missing" if known.size < flat.size else "")


def _claim(claim: Claim) -> Iterator[str]:
    told = f"{claim.name}: {_short(claim.measured)}"
    if claim.published is not None:
        told += f", published {_short(claim.published)} (se {_short(claim.published_se)}, ±{_short(claim.rounding)})"
    if claim.margin is not None:
        told += f", {claim.margin}"
    yield f"{told}: {claim.judged()}" + (f" [{claim.source}]" if claim.source else "")
    if claim.remark:
        yield f"    {claim.remark}"


def _picture(picture: Chart | Panels) -> Iterator[str]:
    shape = {k: getattr(picture, k) for k in ("legend", "equal", "columns") if hasattr(picture, k)}
    odd = [f"{k} {v}" for k, v in shape.items() if v != {"legend": True, "equal": False}.get(k)]
    yield f"[{type(picture).__name__}] {picture.title}" + (f" ({', '.join(odd)})" if odd else "")
    yield f"  x: {_axis(picture.x)}; y: {_axis(picture.y)}"
    groups = [("", picture.marks)] if isinstance(picture, Chart) else [(p.title, p.marks) for p in picture.panels]
    if len(groups) > 3:
        yield f"  {len(groups)} panels, of which the first and the last:"
    for title, marks in groups if len(groups) <= 3 else (groups[0], groups[-1]):
        if title:
            yield f"  -- {title}"
        for mark in marks:
            yield from (f"  {line}" for line in _mark(mark))
    yield f"  ({picture.caption})"


def _axis(axis: Axis) -> str:
    extra = [word for word in ("log", "whole") if getattr(axis, word)]
    extra += [f"{_short(axis.range[0])} to {_short(axis.range[1])}"] if axis.range else []
    return axis.title + (f" [{', '.join(extra)}]" if extra else "")


def _mark(mark: object) -> Iterator[str]:
    fields = {f.name: getattr(mark, f.name) for f in dataclasses.fields(mark)}  # type: ignore[arg-type]
    name = fields.pop("name", "")
    yield f"{type(mark).__name__} {name}".rstrip()
    for key, value in fields.items():
        if value is None or (value is False):
            continue
        if isinstance(value, Mapping):
            for part, numbers in value.items():
                yield f"  {key} {part}: {_array(np.asarray(numbers))}"
        elif isinstance(value, np.ndarray | tuple):
            yield f"  {key}: {_array(np.asarray(value))}"
        else:
            yield f"  {key}: {_short(value)}"

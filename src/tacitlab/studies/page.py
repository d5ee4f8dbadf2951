"""The page of a study and its ``claims.json``."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from tacitlab.measures.statistics import ENOUGH
from tacitlab.naming import CLAIMS
from tacitlab.report import page
from tacitlab.report.page import Align, Page, Section, Table
from tacitlab.store import atomic
from tacitlab.studies.base import STANDARD_ERRORS, Claim, Finding, Study


def write_report(study: Study, preset: str, finding: Finding, folder: Path) -> Path:
    """Write ``report.html`` and ``claims.json`` of a study."""
    claims = [
        {
            "claim": c.name, "measured": _finite(c.measured.mean), "low": _finite(c.measured.low),
            "high": _finite(c.measured.high), "se": _finite(c.measured.se), "sessions": c.measured.n,
            "published": _finite(c.published), "published_se": c.published_se, "source": c.source, "z": _finite(c.z),
            "bound": c.bound, "verdict": str(c.judged()), "note": c.remark,
        }
        for c in finding.claims
    ]  # fmt: skip
    found = {"study": study.name, "preset": preset, "verdict": str(finding.verdict()), "answer": finding.answer}
    text = json.dumps({**found, "claims": claims}, indent=2, ensure_ascii=False, allow_nan=False)
    folder.mkdir(parents=True, exist_ok=True)  # a study of theory alone has no runs that would create it
    atomic.replace(folder / CLAIMS, (text + "\n").encode())
    return page.write(build_page(study, preset, finding), folder / "report.html")


def build_page(study: Study, preset: str, finding: Finding) -> Page:
    """The report of a study: answer, claims, figures, source."""
    sections = (
        Section("Claims", text="\n\n".join(finding.notes), table=claim_table(finding.claims)),
        *_notes(finding.claims), *finding.sections,
        Section("Source", text=f"{study.source}\n\nReproduce: tacit study {study.name} --preset {preset}"),
    )  # fmt: skip
    return Page(f"{study.name}: {study.question}", finding.answer, sections)


def _notes(claims: Sequence[Claim]) -> list[Section]:
    """Why a verdict is what it is, for the claims that need a word: equal words once."""
    claims_by_note: dict[str, list[str]] = {}
    for c in claims:
        if c.remark:
            claims_by_note.setdefault(c.remark, []).append(c.name)
    rows = tuple((", ".join(names), note) for note, names in claims_by_note.items())
    return [Section("Notes on the claims", table=Table(("claim", "note"), rows))] if rows else []


def _finite(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def claim_table(claims: Sequence[Claim]) -> Table:
    """Claims as a table: measured, published, distance, verdict."""
    rows, margins = [], any(c.margin is not None for c in claims)
    for c in claims:
        mean = f"{c.measured.mean:{c.measured.precision}}"
        z = None if math.isnan(c.z) else f"{c.z:+.1f}"
        margin = ("" if c.margin is None else str(c.margin),) if margins else ()
        rows.append((c.name, mean, c.measured.interval, c.measured.n, c.shown, z, *margin, str(c.judged()), c.source))
    named = ("margin", "verdict", "source") if margins else ("verdict", "source")
    columns = ("claim", "measured", "95 % interval", "n", "published", "z", *named)
    align: list[Align] = ["left", *["right"] * 5, *["left"] * len(named)]  # type: ignore[list-item]
    caption = (
        "z: distance from the published value, beyond its rounding, in combined standard errors of both; with fewer "
        f"than {ENOUGH} sessions the normal number that is as rare as Student's t is. Reproduced "
        f"means at most {STANDARD_ERRORS:g}, or Bonferroni's bound where the farthest of several values is shown."
    )
    if margins:
        caption += (
            " A claim with a margin is reproduced if the whole interval lies inside it, not reproduced if all of it "
            "lies outside, and undecided otherwise."
        )
    return Table(columns, tuple(rows), caption, tuple(align))

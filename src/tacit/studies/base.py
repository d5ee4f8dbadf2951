"""What a study is: experiments, statistics beside published values, a verdict on each claim."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import numpy as np

from tacit.errors import TacitError
from tacit.lab.experiment import Experiment
from tacit.lab.result import Result
from tacit.lab.run import load, resume, run
from tacit.measures.statistics import Estimate
from tacit.report import page
from tacit.report.page import Page, Section, Table
from tacit.store.folder import MANIFEST, RunFolder

STANDARD_ERRORS = 2.0  # a published value is reproduced if it lies within so many of ours (its own error included)


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    PARTLY = "partly reproduced"
    NOT = "not reproduced"
    REPORTED = "no published value"


@dataclass(frozen=True)
class Claim:
    """One number beside the published one.

    Attributes
    ----------
    name : str
        The statistic, with its unit in brackets where it has one.
    measured : Estimate
        Over sessions.
    published : float or None
        The published or reference value.
    source : str
        Where that value comes from: "Calvano et al. 2020, table A10", "re-run of the public code".
    published_se : float
        Standard error of the published value, 0 if unknown.
    rounding : float
        Half a unit of the published value's last digit.
    verdict : Verdict or None
        Judged from the numbers unless given.
    note : str
        Why, where the verdict needs it.
    """

    name: str
    measured: Estimate
    published: float | None = None
    source: str = ""
    published_se: float = 0.0
    rounding: float = 0.0
    verdict: Verdict | None = None
    note: str = ""

    def judged(self) -> Verdict:
        """The verdict: within :data:`STANDARD_ERRORS` combined standard errors, rounding allowed for."""
        if self.verdict is not None:
            return self.verdict
        if self.published is None:
            return Verdict.REPORTED
        return Verdict.REPRODUCED if abs(self.z) <= STANDARD_ERRORS else Verdict.NOT

    @property
    def z(self) -> float:
        """Distance from the published value in combined standard errors; 0 where rounding explains it."""
        if self.published is None:
            return float("nan")
        se = self.measured.se if np.isfinite(self.measured.se) else 0.0
        distance = self.measured.mean - self.published
        beyond = float(np.sign(distance) * max(0.0, abs(distance) - self.rounding))
        if beyond == 0.0:
            return 0.0
        spread = float(np.hypot(se, self.published_se))
        return beyond / spread if spread > 0 else float(np.copysign(np.inf, beyond))


@dataclass(frozen=True)
class Finding:
    """What a study found: an answer in words, claims with verdicts, figures and tables."""

    answer: str
    claims: tuple[Claim, ...]
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def verdict(self) -> Verdict:
        """Over all claims that have a published value."""
        verdicts = [c.judged() for c in self.claims]
        tested = [v for v in verdicts if v is not Verdict.REPORTED]
        if not tested:
            return Verdict.REPORTED
        good = sum(v is Verdict.REPRODUCED for v in tested)
        if good == len(tested):
            return Verdict.REPRODUCED
        return Verdict.NOT if not good and Verdict.PARTLY not in tested else Verdict.PARTLY


Progress = Callable[[str], "Callable[[int, int], None]"]


class Study(ABC):
    """A published claim as a program; a subclass is one file and one registry line.

    Attributes
    ----------
    name, question, source : str
    presets : tuple of str
        "quick" takes minutes, "paper" has the size of the publication.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    source: ClassVar[str]
    presets: ClassVar[tuple[str, ...]] = ("quick", "paper")

    @abstractmethod
    def find(self, preset: str, play: "Player") -> Finding:
        """Play the experiments and judge the claims."""


@dataclass(frozen=True)
class Player:
    """Plays a study's experiments into its folder; an experiment that lies there already is not played again."""

    folder: Path
    threads: int | None = None
    progress: Progress | None = None

    def __call__(self, experiment: Experiment) -> Result:
        path = self.folder / experiment.name
        bar = self.progress(experiment.name) if self.progress else None
        if not (path / MANIFEST).is_file():
            return run(experiment, path, threads=self.threads, progress=bar)
        store = RunFolder(path)
        if store.scenario() != experiment.dump():
            raise TacitError(f"{path}: holds another experiment; name another folder with --out, or remove it")
        if store.manifest["status"] == "complete":
            return load(path)
        return resume(path, threads=self.threads, progress=bar)


def write_report(study: Study, preset: str, finding: Finding, folder: Path) -> Path:
    """Write ``report.html`` and ``claims.json`` of a study."""
    from tacit.store import atomic

    claims = [
        {
            "claim": c.name, "measured": c.measured.mean, "low": c.measured.low, "high": c.measured.high,
            "sessions": c.measured.n, "published": c.published, "source": c.source, "z": c.z,
            "verdict": str(c.judged()), "note": c.note,
        }
        for c in finding.claims
    ]  # fmt: skip
    text = json.dumps({"study": study.name, "preset": preset, "verdict": str(finding.verdict()), "claims": claims},
                      indent=2, default=float)  # fmt: skip
    atomic.replace(folder / "claims.json", (text.replace("NaN", "null").replace("Infinity", "null") + "\n").encode())
    sections = (
        Section("Claims", text="\n\n".join(finding.notes), table=claim_table(finding.claims)), *finding.sections,
        Section("Source", text=f"{study.source}\n\nReproduce: tacit study {study.name} --preset {preset}"),
    )  # fmt: skip
    return page.write(Page(f"{study.name}: {study.question}", finding.answer, sections), folder / "report.html")


def claim_table(claims: Sequence[Claim]) -> Table:
    """Claims as a table: measured, published, distance, verdict."""
    rows = []
    for c in claims:
        published = None if c.published is None else f"{c.published:g}"
        rows.append((c.name, str(c.measured), published, c.z, str(c.judged()), c.source, c.note))
    columns = ("claim", "measured", "published", "z", "verdict", "source", "note")
    return Table(columns, tuple(rows), "z: distance from the published value in combined standard errors.")

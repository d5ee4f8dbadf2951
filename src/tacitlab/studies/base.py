"""What a study is: experiments, statistics beside published values, a verdict on each claim."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from statistics import NormalDist
from typing import ClassVar

from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.lab.result import Result
from tacitlab.lab.run import load, resume, run
from tacitlab.measures.statistics import ENOUGH, Estimate
from tacitlab.report import page
from tacitlab.report.page import Align, Page, Section, Table
from tacitlab.store import atomic
from tacitlab.store.folder import MANIFEST, RunFolder

STANDARD_ERRORS = 2.0  # a published value is reproduced if it lies within so many of ours (its own error included)
CHANCE = 2 * NormalDist().cdf(-STANDARD_ERRORS)  # so often a true claim falls outside: 4.6 %
LEAST_CHANCE = 1e-300  # of a distance: less is rounding
SURPRISE = 0.05  # a number of misses that chance alone reaches less often than this is no chance


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    PARTLY = "partly reproduced"
    NOT = "not reproduced"
    UNDECIDED = "too few sessions"
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
    family : int
        Of how many values this is the one farthest from its published value. The largest of many distances is large
        by chance, so the bound is then Bonferroni's.
    """

    name: str
    measured: Estimate
    published: float | None = None
    source: str = ""
    published_se: float = 0.0
    rounding: float = 0.0
    verdict: Verdict | None = None
    note: str = ""
    family: int = 1

    def judged(self) -> Verdict:
        """The verdict: within :attr:`bound` combined standard errors, rounding allowed for."""
        if self.verdict is not None:
            return self.verdict
        if self.published is None:
            return Verdict.REPORTED
        if math.isnan(self.z):
            return Verdict.UNDECIDED
        return Verdict.REPRODUCED if abs(self.z) <= self.bound else Verdict.NOT

    @property
    def z(self) -> float:
        """Distance from the published value in combined standard errors; 0 where rounding explains it.

        With few sessions, less than :data:`tacitlab.measures.statistics.ENOUGH`, the standard error itself is
        uncertain: then it is the normal number that is as rare as Student's t is, with Welch's degrees of freedom. NaN
        if there is nothing to judge by: no published value, or a mean without a standard error.

        Examples
        --------
        Three standard errors are far with a hundred sessions, not with four:

        >>> far = [Claim("far", Estimate(3.0, 1.0, 5.0, 1.0, n), 0.0) for n in (100, 4)]
        >>> [(round(claim.z, 1), str(claim.judged())) for claim in far]
        [(3.0, 'not reproduced'), (1.9, 'reproduced')]
        """
        if self.published is None or math.isnan(self.measured.mean):
            return math.nan
        distance = self.measured.mean - self.published
        # Sums of binary fractions are not exact: half a unit of rounding is meant to include its own end.
        beyond = abs(distance) - self.rounding * (1 + 1e-9)
        if beyond <= 0:
            return 0.0
        spread = math.hypot(self.measured.se, self.published_se)
        return math.copysign(self._as_normal(beyond / spread) if spread else math.inf, distance)

    def _as_normal(self, t: float) -> float:
        """A distance of so many standard errors as a normal number; ours are as certain as sessions are many."""
        n, own, whole = self.measured.n, self.measured.se**2, self.measured.se**2 + self.published_se**2
        if not 2 <= n < ENOUGH or own == 0:
            return t
        from scipy.special import ndtri, stdtr

        freedom = (n - 1) * (whole / own) ** 2
        return float(-ndtri(max(stdtr(freedom, -t), LEAST_CHANCE)))

    @property
    def shown(self) -> str | None:
        """The published value with no more digits than the measured one deserves, but two at least.

        Examples
        --------
        >>> Claim("cost", Estimate(10.61, 10.2, 11.1, 0.2, 20), 10.1325).shown
        '10.1'
        >>> Claim("share", Estimate(4.7, 3.9, 5.5, 0.4, 12), 0.45).shown
        '0.45'
        """
        if self.published is None:
            return None
        kind = self.measured.precision
        if not kind.endswith("f") or not self.published:
            return f"{self.published:g}"
        return f"{round(self.published, max(int(kind[1:-1]), 1 - math.floor(math.log10(abs(self.published))))):g}"

    @property
    def bound(self) -> float:
        """How large ``abs(z)`` may be: :data:`STANDARD_ERRORS`, more for the farthest of a family.

        Examples
        --------
        >>> nothing = Estimate(0.0, 0.0, 0.0, 1.0, 100)
        >>> Claim("alone", nothing).bound, round(Claim("farthest of nine", nothing, family=9).bound, 2)
        (2.0, 2.8)
        """
        return STANDARD_ERRORS if self.family == 1 else -NormalDist().inv_cdf(CHANCE / 2 / self.family)

    @property
    def chance(self) -> float:
        """How often chance alone puts a true claim at least as far away; NaN where ``z`` is."""
        once = 2 * NormalDist().cdf(-abs(self.z))
        return once if math.isnan(once) else min(1.0, self.family * once)


def farthest(claims: Sequence[Claim]) -> Claim:
    """The claim farthest from its published value, to stand for all of them: judged as such, see ``Claim.family``.

    Claims that cannot be judged are left out, unless none can.
    """
    known = [claim for claim in claims if not math.isnan(claim.z)]
    worst = max(known or claims, key=lambda claim: abs(claim.z))
    return replace(worst, family=max(len(known), 1))


@dataclass(frozen=True)
class Finding:
    """What a study found: an answer in words, claims with verdicts, figures and tables."""

    answer: str
    claims: tuple[Claim, ...]
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def verdict(self) -> Verdict:
        """Over all claims that can be tested.

        Of many true claims some fall outside two standard errors. The finding is "reproduced" if chance explains the
        misses: their number (binomial test) and the farthest one (Bonferroni over all claims). Claims of one study
        share their sessions and so miss together, which makes the binomial test strict, not lenient. A verdict
        that the study gave by hand is never explained by chance.
        """
        verdicts = [claim.judged() for claim in self.claims]
        tested = [c for c, v in zip(self.claims, verdicts, strict=True) if v not in UNTESTED]
        if not tested:
            return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.REPORTED
        missed = [claim for claim in tested if claim.judged() is not Verdict.REPRODUCED]
        if not missed:
            return Verdict.REPRODUCED
        if len(missed) == len(tested):
            return Verdict.PARTLY if Verdict.PARTLY in verdicts else Verdict.NOT
        by_hand = any(claim.verdict is not None for claim in missed)
        far = any(claim.chance < CHANCE / len(tested) for claim in missed)
        many = _at_least(len(missed), len(tested)) < SURPRISE
        return Verdict.PARTLY if by_hand or far or many else Verdict.REPRODUCED


UNTESTED = (Verdict.REPORTED, Verdict.UNDECIDED)


def _at_least(misses: int, n: int) -> float:
    """Probability of so many misses or more among ``n`` independent true claims."""
    return sum(math.comb(n, k) * CHANCE**k * (1 - CHANCE) ** (n - k) for k in range(misses, n + 1))


def tally(claims: Sequence[Claim]) -> str:
    """How many published values were reproduced, and how many misses chance would explain, in words.

    Examples
    --------
    >>> exact = Estimate(1.0, 0.9, 1.1, 0.05, 100)
    >>> tally([Claim("a", exact, 1.02), Claim("b", exact, 2.0)])
    '1 of 2 published values lie within 2 standard errors; chance alone would put 0.1 of 2 outside.'
    """
    judged = [v for v in (claim.judged() for claim in claims) if v not in UNTESTED]
    good, families = sum(v is Verdict.REPRODUCED for v in judged), any(claim.family > 1 for claim in claims)
    wider = " (Bonferroni's bound where one stands for the farthest of several)" if families else ""
    return (
        f"{good} of {len(judged)} published values lie within {STANDARD_ERRORS:g} standard errors{wider}; "
        f"chance alone would put {CHANCE * len(judged):.1f} of {len(judged)} outside."
    )


Progress = Callable[[str], "Callable[[float, int], None]"]


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
    """Plays a study's experiments into its folder, which it creates; what lies there is not played again."""

    folder: Path
    threads: int | None = None
    progress: Progress | None = None
    seed: int | None = None  # in place of the study's own: other sessions, the same question

    def __post_init__(self) -> None:
        with atomic.explained(self.folder, "creating the study's folder", "name a folder that can be written"):
            self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, experiment: Experiment) -> Result:
        if self.seed is not None:
            experiment = experiment.model_copy(update={"seed": self.seed})
        path = self.folder / experiment.name
        bar = self.progress(experiment.name) if self.progress else None
        if not (path / MANIFEST).is_file():
            return run(experiment, path, threads=self.threads, progress=bar)
        store = RunFolder(path)
        # A field that a later version has added stands at its default in an older run.
        if from_mapping(store.scenario()).dump() != experiment.dump():
            raise TacitError(f"{path}: holds another experiment; name another folder with --out, or remove it")
        if store.manifest["status"] == "complete":
            return load(path)
        return resume(path, threads=self.threads, progress=bar)


def write_report(study: Study, preset: str, finding: Finding, folder: Path) -> Path:
    """Write ``report.html`` and ``claims.json`` of a study."""
    claims = [
        {
            "claim": c.name, "measured": _finite(c.measured.mean), "low": _finite(c.measured.low),
            "high": _finite(c.measured.high), "se": _finite(c.measured.se), "sessions": c.measured.n,
            "published": _finite(c.published), "published_se": c.published_se, "source": c.source, "z": _finite(c.z),
            "bound": c.bound, "verdict": str(c.judged()), "note": c.note,
        }
        for c in finding.claims
    ]  # fmt: skip
    found = {"study": study.name, "preset": preset, "verdict": str(finding.verdict()), "answer": finding.answer}
    text = json.dumps({**found, "claims": claims}, indent=2, ensure_ascii=False, allow_nan=False)
    folder.mkdir(parents=True, exist_ok=True)  # a study of theory alone has no runs that would create it
    atomic.replace(folder / "claims.json", (text + "\n").encode())
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
        if c.note:
            claims_by_note.setdefault(c.note, []).append(c.name)
    rows = tuple((", ".join(names), note) for note, names in claims_by_note.items())
    return [Section("Notes on the claims", table=Table(("claim", "note"), rows))] if rows else []


def _finite(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def claim_table(claims: Sequence[Claim]) -> Table:
    """Claims as a table: measured, published, distance, verdict."""
    rows = []
    for c in claims:
        mean = f"{c.measured.mean:{c.measured.precision}}"
        z = None if math.isnan(c.z) else f"{c.z:+.1f}"
        rows.append((c.name, mean, c.measured.interval, c.measured.n, c.shown, z, str(c.judged()), c.source))
    columns = ("claim", "measured", "95 % interval", "n", "published", "z", "verdict", "source")
    align: tuple[Align, ...] = ("left", "right", "right", "right", "right", "right", "left", "left")
    caption = (
        "z: distance from the published value, beyond its rounding, in combined standard errors of both; with fewer "
        f"than {ENOUGH} sessions the normal number that is as rare as Student's t is. Reproduced "
        f"means at most {STANDARD_ERRORS:g}, or Bonferroni's bound where the farthest of several values is shown."
    )
    return Table(columns, tuple(rows), caption, align)

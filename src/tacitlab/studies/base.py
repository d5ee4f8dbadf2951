"""What a study is: experiments, statistics beside published values, a verdict on each claim.

How a study is written: one folder with ``study.py``, ``figures.py`` if figures fill a screen (imported where they are
drawn), ``published.csv`` with every number of the source, and ``scenarios/*.yaml`` with experiments as plain data.

1. ``class Size`` and ``sizes``: how much each preset plays. Nothing else may differ between presets.
2. ``find(preset, play)`` gathers and judges. ``play(experiment)`` plays, or continues, or reads what lies in the
   study's folder; experiments come from ``frame.scenario(__file__, "name", {"sessions": 40, ...})``.
3. An ``Evidence`` holds by session what the claims need: arrays (sessions,), the session being the unit of replication.
   What two experiments share is compared by :func:`paired`, never by position: a failed session is lost in both.
4. Claims. A sentence without a number names its margin beforehand, ``Claim(name, found, margin=more_than(0))``, and
   :func:`judge` says what the interval makes of it. A published number stands in ``published.csv`` with its source,
   rounding and spread: ``frame.beside(name, found, PUBLISHED["gain"])``. A number of ours alone has neither. Judge by
   hand (``verdict=``) only what no interval can say, and hand over what :func:`judge` returned.
5. The answer is built from claims by name (``named(claims)["profit gain"]``) and from numbers of the evidence: no
   number is typed, and every word that could be another one comes from ``frame.say`` (of a verdict) or
   ``frame.compared`` (of an interval), so that a test on made-up numbers turns it.
6. ``Finding(answer, claims, sections, notes)``: the page, ``claims.json`` and the overall verdict follow from it.
   ``frame`` has the parts that pages repeat: cells of tables, curves with bands, points with intervals.
7. A test plays the study in small; another holds its whole finding, and what each preset plays, on made-up evidence in
   as many variants as words can turn (`tests/approved.py`).
"""

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from statistics import NormalDist
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.lab import user_files
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.lab.program import own_difference, program
from tacitlab.lab.result import Result
from tacitlab.lab.run import load, resume, run
from tacitlab.measures.statistics import ENOUGH, Estimate, mean_interval, two_digits
from tacitlab.report.page import Section
from tacitlab.store import atomic
from tacitlab.store.folder import MANIFEST, RunFolder

Floats = NDArray[np.float64]

STANDARD_ERRORS = 2.0  # a published value is reproduced if it lies within so many of ours (its own error included)
CHANCE = 2 * NormalDist().cdf(-STANDARD_ERRORS)  # so often a true claim falls outside: 4.6 %
ROUNDING = 1e-12  # relative, of binary fractions
LEAST_CHANCE = 1e-300  # of a distance: less is rounding
SURPRISE = 0.05  # a number of misses that chance alone reaches less often than this is no chance


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    PARTLY = "partly reproduced"
    NOT = "not reproduced"
    UNDECIDED = "undecided"
    REPORTED = "no published value"


@dataclass(frozen=True)
class Margin:
    """Where a number must lie for a claim to hold, named before the sessions are played.

    Made by :func:`at_least`, :func:`at_most`, :func:`more_than`, :func:`less_than` and :func:`between`.

    Attributes
    ----------
    low, high : float
        Its ends; infinite where there is none.
    open : bool
        Whether the ends themselves lie outside: "more than 0" is not "at least 0".
    fewest : int
        With fewer sessions an interval is not trusted, and the claim undecided.
    """

    low: float = -math.inf
    high: float = math.inf
    open: bool = False
    fewest: int = 1

    def __str__(self) -> str:
        """In words.

        Examples
        --------
        >>> print(at_least(0.98), more_than(0), at_most(20), between(-0.05, 0.05), sep="; ")
        at least 0.98; more than 0; at most 20; -0.05 to 0.05
        """
        if math.isinf(self.low):
            return f"{'less than' if self.open else 'at most'} {self.high:g}"
        if math.isinf(self.high):
            return f"{'more than' if self.open else 'at least'} {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


def at_least(low: float, fewest: int = 1) -> Margin:
    """From a number on."""
    return Margin(low=low, fewest=fewest)


def at_most(high: float, fewest: int = 1) -> Margin:
    """Up to a number."""
    return Margin(high=high, fewest=fewest)


def more_than(low: float, fewest: int = 1) -> Margin:
    """Above a number: an effect of one sign where the number is 0."""
    return Margin(low=low, open=True, fewest=fewest)


def less_than(high: float, fewest: int = 1) -> Margin:
    """Below a number."""
    return Margin(high=high, open=True, fewest=fewest)


def between(low: float, high: float, fewest: int = 1) -> Margin:
    """Between two numbers, both included."""
    return Margin(low, high, fewest=fewest)


def judge(found: Estimate, margin: Margin) -> Verdict:
    """What an interval says of a margin: the rule for every claim that names one, and the only one.

    Reproduced needs the whole interval inside, refuted needs it outside; an interval that reaches across an end
    decides nothing, however near its mean is: :func:`sessions_needed` says how many sessions would decide.

    The second and last rule is that for published values, which have errors themselves (:attr:`Claim.z`): a distance
    of at most two combined standard errors. No margin can take its place: one of two combined standard errors could
    never hold an interval that is as wide itself.

    Examples
    --------
    >>> found = Estimate(0.985, 0.955, 1.015, 0.015, 20)
    >>> [str(judge(found, at_least(bar))) for bar in (0.9, 0.98, 1.1)]
    ['reproduced', 'undecided', 'not reproduced']
    """
    if math.isnan(found.low) or math.isnan(found.high) or found.n < margin.fewest:
        return Verdict.UNDECIDED
    less, more = (operator.lt, operator.gt) if margin.open else (operator.le, operator.ge)
    if more(found.low, margin.low) and less(found.high, margin.high):
        return Verdict.REPRODUCED
    outside = not more(found.high, margin.low) or not less(found.low, margin.high)
    return Verdict.NOT if outside else Verdict.UNDECIDED


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Of claims that must all hold: refuted by one of them, undecided while one is.

    Examples
    --------
    >>> str(together([Verdict.REPRODUCED, Verdict.UNDECIDED])), str(together([Verdict.NOT, Verdict.UNDECIDED]))
    ('undecided', 'not reproduced')
    """
    found = set(verdicts)
    return next((v for v in (Verdict.NOT, Verdict.UNDECIDED) if v in found), Verdict.REPRODUCED)


def sessions_needed(found: Estimate, margin: Margin) -> float:
    """How many sessions would decide if the mean stays where it is: an interval is as long as ``1/sqrt(n)``.

    Infinite if the mean lies on the margin's end, NaN if there is no interval to begin with.

    Examples
    --------
    A bar that is 6 times nearer than the end of the interval takes 36 times the sessions:

    >>> sessions_needed(Estimate(0.985, 0.955, 1.015, 0.015, 20), at_least(0.98))
    720
    """
    mean, below, above = found.mean, found.mean - found.low, found.high - found.mean
    if math.isnan(below) or math.isnan(above):
        return math.nan
    if mean < margin.low:
        sides = [(above, margin.low - mean)]
    elif mean > margin.high:
        sides = [(below, mean - margin.high)]
    else:
        sides = [(below, mean - margin.low), (above, margin.high - mean)]
    least = ROUNDING * abs(mean)  # of a room: what is less is none
    times = max(0.0 if half <= 0 else half / room if room > least else math.inf for half, room in sides)
    # Binary fractions are not exact: 36 times 20 sessions are 720.
    return times if math.isinf(times) else max(margin.fewest, math.ceil(found.n * times**2 * (1 - 1e-9)))


def by_session(values: ArrayLike, sessions: ArrayLike) -> xr.DataArray:
    """Values (sessions, ...) labelled with the numbers of their sessions, for :func:`paired`."""
    table = np.asarray(values)
    rest = [f"axis-{k}" for k in range(1, table.ndim)]
    return xr.DataArray(table, dims=("session", *rest), coords={"session": np.asarray(sessions)})


def paired(first: xr.DataArray, second: xr.DataArray) -> tuple[Floats, Floats]:
    """Both experiments' values in the sessions that neither of them lost, (sessions, ...), in the same order.

    Sessions of equal number share their random numbers, so that what they have in common cancels in a difference. A
    session that failed in one experiment, whether it is missing or NaN there, is left out of both: the first *n*
    values of each would pair strangers.

    Parameters
    ----------
    first, second : xarray.DataArray
        With a labelled dimension ``session``, which comes first in what is returned; see :func:`by_session`.

    Examples
    --------
    >>> with_memory = by_session([1.1, 2.1, 3.1], [0, 1, 2])
    >>> without = by_session([1.0, 3.0], [0, 2])  # session 1 failed
    >>> print(paired_difference(with_memory, without))
    0.1 (the same in all 2 sessions)
    """
    for one in (first, second):
        if "session" not in one.coords or "session" not in one.dims:
            raise TacitError("session: the values have no numbers of their sessions; label them by `by_session`")
    others = {d for one in (first, second) for d in one.dims if d != "session"}
    ours, theirs = xr.align(first, second, join="inner", exclude=others)
    a, b = (np.asarray(x.transpose("session", ...).values, dtype=np.float64) for x in (ours, theirs))
    kept = [~np.isnan(x.reshape(len(x), -1)).any(axis=1) for x in (a, b)]
    both = kept[0] & kept[1]
    return a[both], b[both]


def paired_difference(first: xr.DataArray, second: xr.DataArray) -> Estimate:
    """Mean of the first less the second, session by session, with its interval."""
    ours, theirs = paired(first, second)
    less = ours - theirs
    if len(less) and np.ptp(less) <= ROUNDING * max(np.abs(ours).max(), np.abs(theirs).max()):
        less = np.full_like(less, less.mean())  # the same difference in every session, but for binary fractions
    return mean_interval(less)


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
    margin : Margin or None
        Where the number must lie for the claim to hold, if that is what it says: judged by :func:`judge`.
    source : str
        Where that value comes from: "Calvano et al. 2020, table A10", "re-run of the public code".
    published_se : float
        Standard error of the published value, 0 if unknown.
    rounding : float
        Half a unit of the published value's last digit.
    verdict : Verdict or None
        Given where no interval of the number says it; judged otherwise.
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
    margin: Margin | None = None

    def judged(self) -> Verdict:
        """The verdict: by its margin, or within :attr:`bound` combined standard errors, rounding allowed for."""
        if self.verdict is not None:
            return self.verdict
        if self.margin is not None:
            return judge(self.measured, self.margin)
        if self.published is None:
            return Verdict.REPORTED
        if math.isnan(self.z):
            return Verdict.UNDECIDED
        return Verdict.REPRODUCED if abs(self.z) <= self.bound else Verdict.NOT

    @property
    def by_distance(self) -> bool:
        """Whether the claim is judged by its distance from a published value."""
        return self.verdict is None and self.margin is None and self.published is not None

    @property
    def remark(self) -> str:
        """The note; where a margin leaves the claim undecided, with what would decide it.

        Examples
        --------
        >>> Claim("share", Estimate(0.985, 0.955, 1.015, 0.015, 20), margin=at_least(0.98)).remark
        'Undecided: the interval reaches across "at least 0.98"; about 720 sessions would decide.'
        """
        if self.margin is None or self.judged() is not Verdict.UNDECIDED or self.verdict is not None:
            return self.note
        needed = sessions_needed(self.measured, self.margin)
        if math.isnan(needed):
            why = f'there is no interval to judge "{self.margin}" by.'
        elif self.measured.n < self.margin.fewest:
            why = f"{self.measured.n} sessions are too few; {self.margin.fewest} are asked for."
        elif math.isinf(needed):
            why = f'the mean lies at an end of "{self.margin}", where no number of sessions decides.'
        else:
            about = f"about {two_digits(int(needed)):,} sessions would decide."
            why = f'the interval reaches across "{self.margin}"; {about}'
        return f"{self.note.rstrip('.')}. Undecided: {why}" if self.note else f"Undecided: {why}"

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
        if beyond <= ROUNDING * max(abs(self.measured.mean), abs(self.published)):
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
        by a margin, or one that the study gave, is never explained by chance.
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
        by_hand = any(not claim.by_distance for claim in missed)
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
    verdicts = [claim.judged() for claim in claims if claim.by_distance]
    judged = [v for v in verdicts if v not in UNTESTED]
    good, families = sum(v is Verdict.REPRODUCED for v in judged), any(claim.family > 1 for claim in claims)
    wider = " (Bonferroni's bound where one stands for the farthest of several)" if families else ""
    return (
        f"{good} of {len(judged)} published values lie within {STANDARD_ERRORS:g} standard errors{wider}; "
        f"chance alone would put {CHANCE * len(judged):.1f} of {len(judged)} outside."
    )


def statements(claims: Sequence[Claim]) -> str:
    """What became of the claims that are judged by a margin, in words; nothing if there are none.

    Examples
    --------
    >>> found = Estimate(0.985, 0.955, 1.015, 0.015, 20)
    >>> statements([Claim("a", found, margin=at_least(bar)) for bar in (0.9, 0.98, 1.1)] + [Claim("b", found)])
    'Of 3 statements judged by a margin 1 holds, 1 does not, and 1 is undecided.'
    """
    found = [claim.judged() for claim in claims if not claim.by_distance]
    holds, fails, unknown = (found.count(one) for one in (Verdict.REPRODUCED, Verdict.NOT, Verdict.UNDECIDED))
    told = f"{holds} {'holds' if holds == 1 else 'hold'}, {fails} {'does' if fails == 1 else 'do'} not, and {unknown} "
    of = holds + fails + unknown
    many = f"{of} statement{'' if of == 1 else 's'}"
    return f"Of {many} judged by a margin {told}{'is' if unknown == 1 else 'are'} undecided." if of else ""


def named(claims: Sequence[Claim]) -> dict[str, Claim]:
    """Claims by their names, without the blanks that indent them.

    Raises
    ------
    TacitError
        If two have the same name: neither could be told from the other.
    """
    found = {claim.name.strip(): claim for claim in claims}
    if len(found) < len(claims):
        names = [claim.name.strip() for claim in claims]
        raise TacitError(f"claims: {next(n for n in names if names.count(n) > 1)!r} stands twice; name them apart")
    return found


Progress = Callable[[str], "Callable[[float, int], None]"]


class Study(ABC):
    """A published claim as a program; a subclass is found by its ``name``, in the package or in a user's file.

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
    anyway: bool = False  # go on with another program than that of the beginning; manifests say so then
    tell: user_files.Tell = lambda line: None  # is told which files are executed when a run goes on

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
        if from_mapping(store.scenario(), seated=False).dump() != experiment.dump():
            raise TacitError(f"{path}: holds another experiment; name another folder with --out, or remove it")
        if store.manifest["status"] != "complete":
            return resume(path, threads=self.threads, progress=bar, anyway=self.anyway, tell=self.tell)
        before = store.manifest.get("program", {})
        differs = own_difference(before, program(experiment)) if before.get("own") else ""
        if differs and not self.anyway:
            raise TacitError(
                f"{path}: it was played by another program ({differs}); bring that back, name another folder with "
                "--out, or take it as it is with --anyway"
            )
        return load(path)

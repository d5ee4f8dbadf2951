"""What studies repeat: words, cells of tables, curves with bands, published values and scenarios beside a study."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from tacitlab.documents import read
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.measures.statistics import Estimate, curve_interval, mean_interval
from tacitlab.plot.chart import Area, Axis, Chart, Line
from tacitlab.studies.base import Claim, Verdict

# --- words ---------------------------------------------------------------------------------------------------------


def say(verdict: Verdict, holds: str, fails: str, undecided: str) -> str:
    """The word for a verdict.

    Examples
    --------
    >>> say(Verdict.NOT, "yes", "no", "undecided")
    'no'

    Raises
    ------
    TacitError
        For a verdict that says nothing of a claim's truth.
    """
    words = {Verdict.REPRODUCED: holds, Verdict.NOT: fails, Verdict.UNDECIDED: undecided}
    if verdict not in words:
        raise TacitError(f"verdict: {str(verdict)!r} has no word here; it must decide a claim or leave it undecided")
    return words[verdict]


def compared(found: Estimate, less: str, unknown: str, more: str, to: float = 0.0) -> str:
    """The first word if the whole interval lies below a number, the last if above it, the middle one otherwise.

    Examples
    --------
    >>> [compared(Estimate(m, m - 1, m + 1, 0.5, 9), "worse than", "like", "better than") for m in (-2, 0.5, 2)]
    ['worse than', 'like', 'better than']
    """
    return less if found.high < to else more if found.low > to else unknown


def percent(found: Estimate | float, digits: int = 1, sign: str = "") -> str:
    """A share as a percentage, an estimate with its interval if there is one; ``sign="+"`` for changes.

    Examples
    --------
    >>> percent(Estimate(0.9921, 0.9893, 0.9949, 0.0014, 20)), percent(0.061)
    ('99.2 % (98.9 to 99.5)', '6.1 %')
    >>> percent(Estimate(0.25, 0.125, 0.5, 0.1, 9), 0, "+")
    '+25 % (+12 to +50)'
    """
    spec = f"{sign}.{digits}f"
    if not isinstance(found, Estimate):
        return f"{100 * found:{spec}} %"
    if math.isnan(found.low):
        return f"{100 * found.mean:{spec}} %"
    return f"{100 * found.mean:{spec}} % ({100 * found.low:{spec}} to {100 * found.high:{spec}})"


def listed(words: Sequence[str]) -> str:
    """Some words as a list in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else ""


# --- numbers that are no means -------------------------------------------------------------------------------------


def exact(value: float) -> Estimate:
    """A number of theory, without sampling error."""
    return Estimate(float(value), float(value), float(value), 0.0, 1)


def bare(value: float, n: int) -> Estimate:
    """A number of ``n`` sessions that has no interval, such as the worst of them."""
    return Estimate(float(value), math.nan, math.nan, math.nan, n)


# --- published values ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A number of a source.

    Attributes
    ----------
    value : float
    source : str
        Where it stands.
    rounding : float
        Half a unit of its last digit.
    sd : float or None
        Its standard deviation over the source's own runs, if that is known.
    runs : int or None
        How many runs it rests on.
    """

    value: float
    source: str
    rounding: float = 0.0
    sd: float | None = None
    runs: int | None = None

    @property
    def se(self) -> float:
        """Standard error; 0 if it is unknown.

        Examples
        --------
        >>> Published(0.58, "re-run", sd=0.06, runs=9).se
        0.02
        """
        return self.sd / math.sqrt(self.runs) if self.sd is not None and self.runs else 0.0

    def error_like(self, found: Estimate, sessions: int | None = None) -> float:
        """Standard error; where it is unknown that of ours, over as many runs as the source has.

        ``sessions`` is how many we have, where not all of them count in what was found.
        """
        if self.sd is not None or not self.runs:
            return self.se
        return float(np.nan_to_num(found.se * math.sqrt((sessions or found.n) / self.runs)))


def published(study: str, name: str = "published.csv") -> dict[str, Published]:
    """The table of published values beside a study.

    Parameters
    ----------
    study : str
        The study's ``__file__``.
    name : str
        A file with the columns ``name,value,rounding,sd,runs,source``; what is unknown stays empty, and a line that
        begins with # is a remark. Names are looked up, values never typed again.
    """
    path = Path(study).with_name(name)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if line.strip() and not line.startswith("#")))
    found: dict[str, Published] = {}
    for row in rows:
        if row["name"] in found:
            raise TacitError(f"{path.name}: {row['name']!r} stands twice; name them apart")
        sd, runs = row["sd"], row["runs"]
        found[row["name"]] = Published(
            float(row["value"]), row["source"], float(row["rounding"] or 0.0), float(sd) if sd else None,
            int(runs) if runs else None,
        )  # fmt: skip
    return found


def beside(name: str, found: Estimate, value: Published, *, se: float | None = None, **more: Any) -> Claim:
    """A claim beside a published value; its standard error is the published one unless another is given.

    Examples
    --------
    >>> claim = beside("welfare", Estimate(0.6, 0.5, 0.7, 0.05, 20), Published(0.58, "re-run", 0.005, 0.06, 9))
    >>> claim.published, claim.published_se, str(claim.judged())
    (0.58, 0.02, 'reproduced')
    """
    more = {"rounding": value.rounding, **more}
    return Claim(name, found, value.value, value.source, value.se if se is None else se, **more)


# --- experiments as data ---------------------------------------------------------------------------------------------


def scenario(study: str, name: str, changes: Mapping[str, Any] | None = None) -> Experiment:
    """An experiment from ``scenarios/NAME.yaml`` beside a study, after setting dotted fields.

    Parameters
    ----------
    study : str
        The study's ``__file__``.
    name : str
        Of the file; the experiment's, too, unless the file or the changes give another.
    changes : mapping of str to value, optional
        Such as ``{"sessions": 40, "learners.alpha": 0.1}``: what a preset or a cell of the study varies. Descriptions
        (a market, an intervention) are taken as they are, a sweep as a whole.
    """
    return from_mapping(*described(study, name, changes or {}), seated=False)  # agents may come from a run not made yet


def described(study: str, name: str, changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """What a scenario's file says, and the changes as plain data."""
    data = read(str(Path(study).parent / "scenarios" / f"{name}.yaml"))
    return {"name": name, **data}, [(path, _plain(value)) for path, value in changes.items()]


def _plain(value: Any) -> Any:
    """A description as the data it is written as."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


# --- tables and curves -----------------------------------------------------------------------------------------------


def cell(values: ArrayLike | Estimate, scale: float = 1.0) -> str:
    """Mean over sessions, below it its interval, for a table; what is less than 0.0001 is rounding, unless estimated.

    Examples
    --------
    >>> cell([1.0, 2.0, 3.0, 4.0], 100).split()
    ['250', '63', 'to', '437']
    """
    if isinstance(values, Estimate):
        found = values
    else:
        found = mean_interval(np.round(scale * np.asarray(values, dtype=np.float64), 4))
    return f"{found.mean:{found.precision}}\n{found.interval}"


def curve(x: ArrayLike, values: ArrayLike, name: str = "", **style: Any) -> Line:
    """Mean of curves (sessions, points) with its pointwise 95 % interval."""
    band = curve_interval(values)
    return Line(x, band.centre, name, low=band.low, high=band.high, **style)


def through(x: ArrayLike, found: Sequence[Estimate], name: str = "", **style: Any) -> Line:
    """A line through estimates with their intervals, for what is estimated point by point."""
    y, low, high = ([getattr(one, end) for one in found] for end in ("mean", "low", "high"))
    return Line(x, y, name, low=low, high=high, **style)


def action_shares(title: str, data: xr.Dataset, labels: Sequence[str], who: str) -> Chart:
    """Shares of the actions over time, mean over sessions and agents; ``who`` they are in the plural."""
    shares = data["frequency"].mean(["session", "agent"])
    parts = {label: shares.isel(action=k).values for k, label in enumerate(labels)}
    return Chart(
        title, Axis("time", "steps"), Axis(f"share of {who}", range=(0.0, 1.0)), (Area(shares["time"].values, parts),),
        f"Mean over sessions and {who}.",
    )  # fmt: skip

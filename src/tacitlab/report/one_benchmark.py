"""The verdict where an outcome has no place between two benchmarks: its distance from the one there is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tacitlab.environment import Words
from tacitlab.measures.statistics import Estimate, mean_interval, sessions_to_exclude
from tacitlab.report.agents import SAME
from tacitlab.report.verdict import TOLERANCE, Band, Verdict, Word, bands_in_words, reach, too_few

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ends:
    """What sessions ended in, as people speak of it, with all that is known to compare it with.

    Attributes
    ----------
    values : (sessions,) array
        Means over the agents that count.
    nash, optimum : float
        The same mean of the two benchmarks, NaN where unknown.
    labels : (str, str)
        What the benchmarks are called.
    words : Words
        Of the environment.
    agents : int
    null : sequence of Band
        Random play and what forced exploration makes of an equilibrium, as far as they are known: in the outcome's
        own unit.
    """

    values: Floats
    nash: float
    optimum: float
    labels: tuple[str, str]
    words: Words
    agents: int
    null: Sequence[Band] = ()


def distant(ends: Ends) -> Verdict:
    """Why there is no place between two benchmarks, and how far the outcome lies from one of them.

    Examples
    --------
    >>> words, random = Words("firm", "profit", "", ""), Band(Word.RANDOM, "random play", 2.0, 2.0)
    >>> ends = Ends(np.array([2.01, 1.99, 2.0, 2.0]), 4.0, 4.0, ("Nash", "optimum"), words, 2, [random])
    >>> print(distant(ends).text)
    Nash and optimum coincide. Not told from random play (-50.0%): the mean profit differs from that of optimum by
    -50.0% (95 % CI -50.4% to -49.6%).
    """
    nash, optimum, labels = ends.nash, ends.optimum, ends.labels
    if np.isnan(nash) and np.isnan(optimum):
        return Verdict(Word.NOTHING, f"No equilibrium and no {_cooperative(labels)} is known.")
    label, reference = (labels[0], nash) if np.isnan(optimum) else (labels[1], optimum)
    if np.isnan(optimum):
        why = f"No {_cooperative(labels)} is known."
    elif np.isnan(nash):
        why = "No equilibrium is known."
    elif ends.agents == 1:
        why, label = f"With one {ends.words.role} alone, equilibrium and optimum are the same.", "the optimum"
    elif abs(optimum - nash) <= SAME * max(abs(nash), abs(optimum)):
        why = f"{labels[0][:1].upper()}{labels[0][1:]} and {labels[1]} coincide."
    else:
        why, label, reference = f"The {labels[1]} that was found is no better than {labels[0]}.", labels[0], nash
    found = _distance(ends, label, reference)
    return replace(found, text=f"{why} {found.text}")


def _cooperative(labels: tuple[str, str]) -> str:
    return "joint optimum" if labels[1] == "no optimum" else labels[1]


def _distance(ends: Ends, label: str, reference: float) -> Verdict:
    """How far the outcome lies from one benchmark, whether that is better or worse, and what it is not told from."""
    relative, sign = abs(reference) > 0, ends.words.sign
    sizes = [abs(reference)] if relative else [np.abs(ends.values).max(), *(abs(b.low) for b in ends.null)]
    unit = max(sizes) or 1.0

    def tell(place: float) -> str:
        return f"{place:+.1%}" if relative else f"{unit * place:+.4g} {ends.words.unit}".rstrip()

    own = mean_interval(ends.values)  # the interval that stands beside it in the table
    mean, low, high = ((x - reference) / unit for x in (own.mean, own.low, own.high))
    estimate = replace(own, mean=mean, low=low, high=high, se=own.se / unit)
    where = f"the mean {ends.words.outcome} differs from that of {label} by {tell(estimate.mean)}"
    if np.isnan(estimate.low):
        return Verdict(Word.UNDECIDED, f"One session alone says nothing; {where}.")
    if estimate.low == estimate.high:
        where += f" (the same in all {estimate.n} sessions)"
    else:
        where += f" (95 % CI {tell(estimate.low)} to {tell(estimate.high)})"
    if few := too_few(estimate):
        return Verdict(Word.UNDECIDED, f"{few}: {where}.")
    distances = [band.seen_from(reference, unit) for band in ends.null]
    null = [replace(band, place=reach(tell(band.low), tell(band.high))) for band in distances]
    near = TOLERANCE if relative else 0.0
    if estimate.low >= -near and estimate.high <= near:
        close = f"Within {near:.0%} of" if relative else "As good as"
        met = [band for band in null if band.meets(estimate)]
        also = f"; not told from {bands_in_words(met)} either" if met else ""
        return Verdict(Word.COMPETITIVE, f"{close} {label}: {where}{also}.")
    if held := [band for band in null if band.holds(estimate)]:
        first, rest = held[0], held[1:]
        also = f"; not told from {bands_in_words(rest)} either" if rest else ""
        how = "Explained by" if first.word is Word.EXPLORATION else "Not told from"
        return Verdict(first.word, f"{how} {first}: {where}{also}.")
    met = [band for band in null if band.meets(estimate)]
    low, high = sorted((sign * estimate.low, sign * estimate.high))  # positive: better
    if high < -near and not met:
        better = [band for band in null if sign * (estimate.low - band.low) > 0]
        worse = [band for band in null if band not in better]
        others = f" and than {bands_in_words(worse)}" if worse else ""
        others += f", better than {bands_in_words(better)}" if better else ""
        return Verdict(Word.WORSE, f"Worse than {label}{others}: {where}.")
    if low > near and not met:
        return _better(null, estimate, sign, label, where)
    return _undecided(estimate, near, met, label, where)


def _better(null: Sequence[Band], estimate: Estimate, sign: float, label: str, where: str) -> Verdict:
    ahead = [band for band in null if sign * (band.low - estimate.low) > 0]
    if ahead:
        return Verdict(
            Word.BELOW_RANDOM,
            f"Better than {label}, but worse than {bands_in_words(ahead)}, which needs no cooperation: {where}.",
        )
    others = f" and than {bands_in_words(null)}" if null else ""
    return Verdict(Word.COOPERATIVE, f"Better than {label}{others}: {where}.")


def _undecided(estimate: Estimate, near: float, met: Sequence[Band], label: str, where: str) -> Verdict:
    ends = [end for end in (-near, near) if estimate.low <= end <= estimate.high]
    told = "Undecided" + (f" whether within {near:.0%} of {label}" if ends else "")
    told += f", not told from {bands_in_words(met)}" if met else ""
    ends += [end for band in met for end in band.ends if estimate.low <= end <= estimate.high]
    needed = sessions_to_exclude(estimate, ends)
    about = f"; if the mean stays, about {needed:,} sessions would decide" if needed else ""
    return Verdict(Word.UNDECIDED, f"{told}: {where}{about}.")

"""The one sentence about an outcome: which benchmarks and null models it can be told from, by one rule.

Everything has a place on the way from the competitive (0) to the cooperative benchmark (1). An outcome is an interval
there. What needs no cooperation is a band: the set of known equilibria, uniformly random play, what forced exploration
makes of an equilibrium. An interval inside a band has found its explanation, one that meets no band has none among
them, and one that reaches across the end of a band decides nothing about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from tacitlab.measures.statistics import Estimate, sessions_to_exclude, unseen

FEWEST = 4  # sessions: the interval of fewer is no interval
TOLERANCE = 0.05  # of the way from the competitive to the cooperative outcome: closer counts as reached


class Word(StrEnum):
    """What an outcome is called."""

    COOPERATIVE = "more cooperative"  # than all that needs no cooperation
    COMPETITIVE = "competitive"
    RANDOM = "random"  # not told from random play
    EXPLORATION = "exploration"  # explained by forced exploration
    BELOW_RANDOM = "below random"  # above every equilibrium, yet closer to it than random play
    WORSE = "worse"  # than the competitive benchmark
    EXPLOITS = "exploits"  # some gain what others lose
    SCRIPTED = "scripted"  # beyond all that needs no cooperation, but nobody learned it
    OPTIMUM = "optimum"  # a team that has what it can have
    BETWEEN = "between"  # two benchmarks of a team
    NOT_LEARNED = "not learned"
    UNDECIDED = "undecided"
    NOTHING = "nothing"  # no benchmarks, or no session


class Support(StrEnum):
    """What holds an outcome up."""

    HELD = "no deviation pays"  # in more than half of the sessions
    NOT_HELD = "a deviation pays"
    MEMORYLESS = "nobody can punish"
    MYOPIC = "nobody minds a punishment"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """A word and the sentence that says it."""

    word: Word
    text: str
    support: Support = Support.UNKNOWN


@dataclass(frozen=True)
class Band:
    """What needs no cooperation, as places between the two benchmarks.

    Attributes
    ----------
    word : Word
        What an outcome inside is called.
    name : str
        Such as "random play".
    low, high : float
        Without tolerance; equal where a number is known exactly.
    place : str
        Where it lies in words, if not as percentages.
    """

    word: Word
    name: str
    low: float
    high: float
    place: str = ""

    @property
    def ends(self) -> tuple[float, float]:
        """The band with its tolerance, which grows with the distance of what lies far away."""
        near = TOLERANCE * max(1.0, abs(self.low), abs(self.high))
        return self.low - near, self.high + near

    def seen_from(self, origin: float, unit: float) -> "Band":
        """The same band as distances from an origin, in a unit; a negative unit makes gains of costs."""
        low, high = sorted(((self.low - origin) / unit, (self.high - origin) / unit))
        return replace(self, low=low, high=high)

    def holds(self, gain: Estimate) -> bool:
        """Whether the whole interval lies inside."""
        low, high = self.ends
        return gain.low > low and gain.high < high

    def meets(self, gain: Estimate) -> bool:
        """Whether some of the interval lies inside."""
        low, high = self.ends
        return gain.high > low and gain.low < high

    def __str__(self) -> str:
        if self.word is Word.COMPETITIVE:
            return self.name
        return f"{self.name} ({self.place or reach(f'{self.low:.0%}', f'{self.high:.0%}')})"


def reach(low: str, high: str) -> str:
    """From one end to the other, or both where they read the same."""
    return low if low == high else f"{low} to {high}"


def equilibria(levels: Sequence[float], optimum: float) -> Band:
    """The band from the competitive reference to the known equilibrium that pays most, or least.

    Parameters
    ----------
    levels : sequence of float
        Mean payoffs of the known equilibria, the reference first; empty if none is known.
    optimum : float
        Mean payoff of the joint optimum.
    """
    room = optimum - levels[0] if levels else 0.0
    places = [0.0, *((level - levels[0]) / room for level in levels if room)]
    best, worst = max(places), min(places)
    if best > TOLERANCE or worst < -TOLERANCE:
        ends = f"{worst:.0%} to {best:.0%}" if worst < -TOLERANCE else f"to {best:.0%}"
        return Band(Word.COMPETITIVE, f"the known equilibria (which reach {ends})", worst, best)
    return Band(Word.COMPETITIVE, "the competitive benchmark", worst, best)


def judged(
    gain: Estimate, bands: Sequence[Band], labels: tuple[str, str], who: str = "agents", drawn: bool = True
) -> Verdict:
    """Which bands an outcome lies in, meets, or is beyond.

    Parameters
    ----------
    gain : Estimate
        Place between the two benchmarks over sessions that differ.
    bands : sequence of Band
        The equilibria first.
    labels : (str, str)
        Names of the two benchmarks.
    who : str
        What agents are called, in the plural.
    drawn : bool
        Whether anything in a session is left to chance; else equal sessions are certain.

    Examples
    --------
    >>> bands = [Band(Word.COMPETITIVE, "the competitive benchmark", 0, 0), Band(Word.RANDOM, "random play", 0.5, 0.5)]
    >>> for low, high in [(0.80, 0.90), (0.48, 0.52), (0.0, 0.02), (0.2, 0.3), (0.4, 0.9)]:
    ...     print(judged(Estimate((low + high) / 2, low, high, 0.02, 20), bands, ("Nash", "monopoly"), "firms").text)
    More cooperative than the competitive benchmark and random play (50%): the firms end 85% of the way from Nash to
    monopoly (95 % CI 80% to 90%).
    Not told from random play (50%): the firms end 50% of the way from Nash to monopoly (95 % CI 48% to 52%).
    Competitive: within 5% of the competitive benchmark: the firms end 1% of the way from Nash to monopoly (95 % CI 0%
    to 2%).
    Above the competitive benchmark, but below random play (50%), which needs no cooperation: the firms end 25% of the
    way from Nash to monopoly (95 % CI 20% to 30%).
    Undecided: above the competitive benchmark, not told from random play (50%): the firms end 65% of the way from Nash
    to monopoly (95 % CI 40% to 90%); if the mean stays, about 130 sessions would decide.
    """
    nash, optimum = labels
    way = f"of the way from {nash} to {optimum}"
    if np.isnan(gain.low):
        return Verdict(Word.UNDECIDED, f"One session alone says nothing; its outcome lies {gain.mean:.0%} {way}.")
    where = f"the {who} end {gain.mean:.0%} {way}{spread(gain, drawn)}"
    if few := too_few(gain):
        return Verdict(Word.UNDECIDED, f"{few}: {where}.")
    inside = [band for band in bands if band.holds(gain)]
    met = [band for band in bands if band.meets(gain)]
    if inside:
        return _explained(inside, met, where)
    if met:
        return _undecided(gain, bands, met, where)
    below = [band for band in bands if band.ends[1] <= gain.low]
    above = [band for band in bands if band.ends[0] >= gain.high]
    if bands[0] in above:
        found = f"Worse for the {who} than {bands_in_words([bands[0]])}"
        others = [band for band in bands[1:] if band in above]
        found += f" and than {bands_in_words(others)}" if others else ""
        found += f", better than {bands_in_words(below)}" if below else ""
        return Verdict(Word.WORSE, f"{found}: {where}.")
    if above:
        return Verdict(
            Word.BELOW_RANDOM,
            f"Above {bands_in_words(below)}, but below {bands_in_words(above)}, which needs no cooperation: {where}.",
        )
    named = [bands[0], *(band for band in below[1:] if band.low > bands[0].high)]  # the others go without saying
    return Verdict(Word.COOPERATIVE, f"More cooperative than {bands_in_words(named)}: {where}.")


def too_few(found: Estimate) -> str:
    """That fewer sessions than are asked for decide nothing, unless all of them are equal; else empty.

    Examples
    --------
    >>> too_few(Estimate(0.5, 0.4, 0.6, 0.05, 3)), too_few(Estimate(0.5, 0.5, 0.5, 0.0, 3))
    ('Undecided with 3 sessions, 4 at least are asked for', '')
    """
    few = found.n < FEWEST and found.low < found.high
    return f"Undecided with {found.n} sessions, {FEWEST} at least are asked for" if few else ""


def scripted(text: str, support: Support = Support.UNKNOWN) -> Verdict:
    """What is beyond all that needs no cooperation where nobody learns."""
    said = f"Nobody learns here; what was fixed beforehand is {text[:1].lower()}{text[1:]}"
    return Verdict(Word.SCRIPTED, said, support)


def exploiting(exploited: str, text: str) -> Verdict:
    """Who gains and who loses, before what the mean says."""
    return Verdict(Word.EXPLOITS, f"{exploited} Together: {text}")


def not_learned(why: str, text: str) -> Verdict:
    """Why there is no verdict, and what would have been one."""
    return Verdict(Word.NOT_LEARNED, f"No verdict: {why}. So far: {text}")


def spread(gain: Estimate, drawn: bool = True) -> str:
    """How sure a place is; where sessions do not differ there is no interval, and others may differ all the same.

    Examples
    --------
    >>> print(spread(Estimate(0.5, 0.4, 0.6, 0.05, 10)), spread(Estimate(0.5, 0.5, 0.5, 0.0, 10)))
     (95 % CI 40% to 60%)  (the same in all 10 sessions; up to 26% of others may differ)
    """
    if gain.low == gain.high:
        others = f"; up to {unseen(gain.n):.0%} of others may differ" if drawn else ""
        return f" (the same in all {gain.n} sessions{others})"
    digits = next((d for d in range(6) if f"{gain.low:.{d}%}" != f"{gain.high:.{d}%}"), 6)
    return f" ({100 * gain.level:g} % CI {gain.low:.{digits}%} to {gain.high:.{digits}%})"


def _explained(inside: Sequence[Band], met: Sequence[Band], where: str) -> Verdict:
    first = inside[0]
    others = [band for band in met if band is not first]
    also = f"; not told from {bands_in_words(others)} either" if others else ""
    if first.word is Word.COMPETITIVE:
        near = f"within {TOLERANCE:.0%} of" if first.low == first.high else "no further than"
        return Verdict(first.word, f"Competitive: {near} {first.name}: {where}{also}.")
    if first.word is Word.EXPLORATION:
        return Verdict(first.word, f"Explained by {first}: {where}{also}.")
    return Verdict(first.word, f"Not told from {first}: {where}{also}.")


def _undecided(gain: Estimate, bands: Sequence[Band], met: Sequence[Band], where: str) -> Verdict:
    told = []
    if below := [band for band in bands if band.ends[1] <= gain.low]:
        told.append(f"above {bands_in_words(below)}")
    if above := [band for band in bands if band.ends[0] >= gain.high]:
        told.append(f"below {bands_in_words(above)}")
    told.append(f"not told from {bands_in_words(met)}")
    ends = [end for band in met for end in band.ends if gain.low <= end <= gain.high]
    needed = sessions_to_exclude(gain, ends)
    about = f"; if the mean stays, about {needed:,} sessions would decide" if needed else ""
    return Verdict(Word.UNDECIDED, f"Undecided: {', '.join(told)}: {where}{about}.")


def bands_in_words(bands: Sequence[Band]) -> str:
    """Their names with their places."""
    *others, last = map(str, bands)
    return f"{', '.join(others)} and {last}" if others else last

"""The paper's claims about rewards, efficiency, volatility and phases of learning, each beside what it depends on."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tacitlab.measures.coordination import Floats
from tacitlab.measures.statistics import Estimate, mean_interval, statistic_of_means
from tacitlab.studies.base import Claim, Verdict, judge, less_than, more_than
from tacitlab.studies.resource_cooperation.evidence import Arena, Evidence, Played
from tacitlab.studies.resource_cooperation.settings import CASH10K, LIQUIDATED, STRONGER

REWARD = 7254  # currency an episode (P)
EFFICIENCY = 0.45  # (P)
RESULTS, ABSTRACT = "Results (P)", "abstract (P)"
PHASES = ((0.0, 0.2), (0.2, 0.6), (0.6, 1.0))  # episodes 0-100, 100-300, 300-500 (P)
CALMER = ("random", "trend-follower", "buy-to-limit")  # random and "purely greedy" baselines (P), greed read twice
ROUNDING = 1e-6  # relative, of what is kept in single precision
FEWEST = 5  # sessions of which an interval says enough for a verdict
RISES, FALLS = more_than(0.0, FEWEST), less_than(0.0, FEWEST)  # an effect of the sign that the paper names
CHOSEN = "The impact was chosen so that buying for all cash shows this gain: an agreement says nothing about learning."
NO_SCALE = (
    "Gains are proportional to prices and cash, and the paper states neither, nor the impact. In this market they are "
    "what the agents' own purchases add to the price at which they are valued."
)


def estimate(values: Any) -> Estimate:
    """Mean over the sessions in which the value exists, with its interval."""
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    if len(found) and np.ptp(found) <= ROUNDING * np.abs(found).max():
        found = np.full_like(found, found.mean())  # rounding is no spread
    return mean_interval(found)


def ratio(first: Floats, second: Floats) -> Estimate:
    """Mean of one sample over that of another, less 1, sessions paired; the standard error is the linearised one.

    Examples
    --------
    >>> print(ratio(np.array([3.0, 3.0]), np.array([2.0, 2.0])))
    0.5 (95 % CI 0.5 to 0.5, n=2)
    """
    found = statistic_of_means(np.stack([first, second]), lambda means: means[:, 0] / means[:, 1] - 1)
    rest = first - (1 + found.mean) * second
    se = float(rest.std(ddof=1) / math.sqrt(len(rest)) / abs(second.mean())) if len(rest) > 1 else math.nan
    return replace(found, se=se)


def share(first: Floats, second: Floats) -> Estimate:
    """Mean of one sample over that of another, sessions paired."""
    found = ratio(first, second)
    return replace(found, mean=1 + found.mean, low=1 + found.low, high=1 + found.high)


# --- 1, 2: reward --------------------------------------------------------------------------------------------------


def reward_claims(e: Evidence) -> Iterator[Claim]:
    """The reward beside 7254, and what remains of it in cash."""
    literal, stronger = e.arenas[CASH10K.key], e.arenas[STRONGER.key]
    name = "1 reward, last tenth of the training: {} (currency)"
    yield Claim(
        name.format("literal market"), estimate(literal.learned.closing), REWARD, RESULTS, rounding=0.5, note=NO_SCALE
    )
    yield Claim(
        name.format(STRONGER.words), estimate(stronger.learned.closing), REWARD, RESULTS, rounding=0.5,
        verdict=Verdict.REPORTED, note=CHOSEN,
    )  # fmt: skip
    for arena in e.pairs[1:]:
        yield Claim(name.format(arena.setting.words), estimate(arena.learned.closing))
    less = estimate(literal.gain() - literal.gain("buy-to-limit"))
    yield Claim("1 literal market: Q-learners less those who buy until their cash is gone (currency)", less)
    kept = share(e.sold.gain, literal.learned.gain)
    yield Claim("1 literal market: part of the gain that is left if inventories are sold in the end (share)", kept)
    if LIQUIDATED.key in e.arenas:
        found = estimate(e.arenas[LIQUIDATED.key].learned.closing)
        yield Claim(name.format("literal market, learners paid what a final sale brings"), found)


def rise_claims(e: Evidence) -> Iterator[Claim]:
    """Whether rewards rise, and go on rising."""
    for arena in e.main:
        played, words = arena.learned, arena.setting.words
        first, second, last = (played.between(*part) for part in ((0.0, 0.1), (0.2, 0.3), (0.9, 1.0)))
        for name, found in (
            ("last tenth of the training less the first", estimate(last - first)),
            ("last tenth of the training less the third", estimate(last - second)),
        ):
            name = f"2 rise of the reward, {words}: {name} (currency)"
            yield Claim(name, found, None, "steady increase, Results (P)", margin=RISES)


# --- 3: efficiency -------------------------------------------------------------------------------------------------


def efficiency_claims(e: Evidence) -> Iterator[Claim]:
    """Gains over those of every baseline, and as a part of the joint optimum."""
    for arena in e.main:
        learned = arena.gain()
        for name in ("random", "volume-matched", "trend-follower", "buy-to-limit", "myopic"):
            if name in arena.baselines:
                yield _efficiency(arena, name, learned, arena.gain(name))
        if arena.optimum is not None:
            name = f"3 efficiency, {arena.setting.words}: part of the joint optimum {arena.optimum:.1f} (share)"
            yield Claim(name, estimate(learned / arena.optimum))


def _efficiency(arena: Arena, name: str, learned: Floats, base: Floats) -> Claim:
    below, words = estimate(base), f"3 efficiency, {arena.setting.words}: Q-learners over {name}"
    if below.low > 0:
        return Claim(f"{words}, less 1 (share)", ratio(learned, base), EFFICIENCY, ABSTRACT, rounding=0.005)
    found, known = estimate(learned - base), below.high <= 0
    why = "is not positive, so that no percentage exists" if known else "is not told from 0, nor is a percentage"
    note = f"The denominator {why}: the difference is shown. Whoever earns less has no efficiency of +45 %."
    verdict = judge(found, more_than(0.0))
    if verdict is not Verdict.NOT:
        verdict = Verdict.REPORTED if known else Verdict.UNDECIDED
    return Claim(f"{words}, difference (currency)", found, None, ABSTRACT, verdict=verdict, note=note)


# --- 4: volatility -------------------------------------------------------------------------------------------------


def volatility_claims(e: Evidence) -> Iterator[Claim]:
    """Total volatility beside that of every baseline."""
    for arena in e.main:
        for name in (*CALMER, "volume-matched", "hold"):
            found = ratio(arena.learned.volatility, arena.baselines[name].volatility)
            words = f"4 volatility, {arena.setting.words}: Q-learners over {name}, less 1 (share)"
            if name in CALMER:
                yield Claim(words, found, None, ABSTRACT, margin=FALLS)
            else:
                yield Claim(words, found)


# --- 5: phases -----------------------------------------------------------------------------------------------------


def phase_claims(e: Evidence) -> Iterator[Claim]:
    """Phases of the reward while exploration falls, and while it does not."""
    for arena in e.main:
        words = f"5 phases, {arena.setting.words}"
        scheduled = _phase_rise(arena.learned)
        yield Claim(f"{words}: episodes 300-500 less 0-100, exploration falls (currency)", estimate(scheduled))
        if arena.constant is None:
            continue
        steady = _phase_rise(arena.constant)
        part = share(steady, scheduled)
        yield Claim(f"{words}: the same at constant exploration 0.1 (currency)", estimate(steady))
        yield Claim(
            f"{words}: part of the change that learning makes at constant exploration (share)", part, None,
            "three phases, Results (P)", margin=more_than(0.5),
            note="The phases are learning's own if more than half of the change remains when exploration is constant.",
        )  # fmt: skip


def _phase_rise(played: Played) -> Floats:
    return np.asarray(played.between(*PHASES[2]) - played.between(*PHASES[0]))

"""The verdict about a team: how much of what full information would bring its members reach with what they see."""

from dataclasses import replace

import numpy as np

from tacitlab.measures.statistics import Estimate
from tacitlab.report.verdict import FEWEST, TOLERANCE, Verdict, Word, spread
from tacitlab.theory.benchmarks import Benchmarks


def is_team(benchmarks: Benchmarks) -> bool:
    """Whether an optimum is known that takes into account what agents can see: they play for one goal."""
    return any(profile.concept == "team-optimum" for profile in benchmarks.cooperative)


def team_verdict(gain: Estimate, benchmarks: Benchmarks, role: str) -> Verdict:
    """Which benchmark a team has reached, or between which two it ends, on the way to what it can reach.

    Parameters
    ----------
    gain : Estimate
        Place between the first competitive benchmark (0) and the first cooperative one (1).
    benchmarks : Benchmarks
    role : str
        What an agent is called.

    Examples
    --------
    >>> from tacitlab.markets import Portfolio
    >>> for found in (Estimate(0.2, 0.195, 0.205, 0.01, 20), Estimate(0.5, 0.4, 0.6, 0.1, 20)):
    ...     print(team_verdict(found, Portfolio().benchmarks(), "manager").text)
    As good as the team optimum: the managers end at 100% of the way from independent to team optimum (95 % CI 97% to
    102%).
    Between the team optimum and centralised (500%): the managers end at 250% of the way from independent to team
    optimum (95 % CI 200% to 300%).
    """
    profiles = (*benchmarks.competitive, *benchmarks.cooperative)
    reachable = next(profile for profile in benchmarks.cooperative if profile.concept == "team-optimum")
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    reach = (reachable.average - low) / room
    points = {profile.name: (profile.average - low) / room / reach for profile in profiles}
    own = replace(gain, mean=gain.mean / reach, low=gain.low / reach, high=gain.high / reach, se=gain.se / reach)
    way = f"of the way from {benchmarks.nash.name} to {reachable.name}"
    if np.isnan(own.low):
        return Verdict(Word.UNDECIDED, f"One session alone says nothing; its outcome lies {own.mean:.0%} {way}.")
    end = f"the {role}s end at {own.mean:.0%} {way}{spread(own)}."
    below = [name for name, x in points.items() if x < own.low]
    above = [name for name, x in points.items() if x > own.high]
    near = [name for name, x in points.items() if x - TOLERANCE <= own.low and own.high <= x + TOLERANCE]
    told = {name: name if name == benchmarks.nash.name else f"the {name}" if x == 1 else f"{name} ({x:.0%})"
            for name, x in points.items()}  # fmt: skip
    if near:
        name = min(near, key=lambda name: abs(points[name] - own.mean))
        word = Word.OPTIMUM if points[name] >= 1 else Word.COMPETITIVE
        return Verdict(word, f"As good as {told[name]}: {end}")
    if own.n < FEWEST or len(below) + len(above) < len(points):
        across = [name for name in points if name not in below and name not in above] or list(points)
        return Verdict(Word.UNDECIDED, f"Undecided, not told from {' and '.join(told[name] for name in across)}: {end}")
    lower, upper = max(below, key=points.__getitem__, default=""), min(above, key=points.__getitem__, default="")
    if not below:
        return Verdict(Word.WORSE, f"Worse than {told[upper]}: {end}")
    if not above:
        return Verdict(Word.OPTIMUM, f"Better than {told[lower]}: {end}")
    return Verdict(Word.BETWEEN, f"Between {told[lower]} and {told[upper]}: {end}")

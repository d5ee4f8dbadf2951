"""The verdict about a team: how much of what full information would bring its members reach with what they see."""

import numpy as np

from tacitlab.measures.statistics import Estimate
from tacitlab.report.answer import TOLERANCE
from tacitlab.theory.benchmarks import Benchmarks


def is_team(benchmarks: Benchmarks) -> bool:
    """Whether an optimum is known that takes into account what agents can see: they play for one goal."""
    return any(profile.concept == "team-optimum" for profile in benchmarks.cooperative)


def team_verdict(gain: Estimate, benchmarks: Benchmarks, role: str) -> str:
    """Which benchmark a team has reached, or between which two it ends.

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
    >>> print(team_verdict(Estimate(0.19, 0.18, 0.2, 0.01, 20), Portfolio().benchmarks(), "manager"))
    As good as the team optimum (20% of the way from independent to centralised): the managers end at 19% (95 % CI 18%
    to 20%).
    >>> print(team_verdict(Estimate(0.5, 0.4, 0.6, 0.1, 20), Portfolio().benchmarks(), "manager"))
    Between the team optimum (20% of the way from independent to centralised) and centralised: the managers end at 50%
    (95 % CI 40% to 60%).
    """
    profiles = (*benchmarks.competitive, *benchmarks.cooperative)
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    points = {profile.name: (profile.average - low) / room for profile in profiles}
    first, last = benchmarks.nash.name, benchmarks.optimum.name
    way, end = f"of the way from {first} to {last}", f"the {role}s end at {gain.mean:.0%}"
    if np.isnan(gain.low):
        return f"One session alone says nothing; its outcome lies {gain.mean:.0%} {way}."
    end += f" (95 % CI {gain.low:.0%} to {gain.high:.0%})"
    below = [name for name, x in points.items() if x <= gain.low]
    above = [name for name, x in points.items() if x >= gain.high]
    near = [name for name, x in points.items() if x - TOLERANCE <= gain.low and gain.high <= x + TOLERANCE]
    if near:
        beginning, named = "As good as ", [min(near, key=lambda name: abs(points[name] - gain.mean))]
    elif len(below) + len(above) < len(points):
        return f"Undecided with so few sessions: {end} {way}; add sessions."
    elif not below:
        beginning, named = "Worse than ", [min(above, key=lambda name: points[name])]
    elif not above:
        beginning, named = "Better than ", [max(below, key=lambda name: points[name])]
    else:
        beginning = "Between "
        named = [max(below, key=lambda name: points[name]), min(above, key=lambda name: points[name])]
    inner = [name for name in named if name not in (first, last)]
    places = {name: f"the {name} ({points[name]:.0%} {way if name == inner[0] else ''}".strip() + ")" for name in inner}
    where = " and ".join(places.get(name, name) for name in named)
    return f"{beginning}{where}: {end}{'' if inner else f' {way}'}."

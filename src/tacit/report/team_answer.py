"""The verdict about a team: how much of what full information would bring its members reach with what they see."""

from tacit.measures.statistics import Estimate
from tacit.report.answer import TOLERANCE
from tacit.theory.benchmarks import Benchmarks


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
    >>> from tacit.markets import Portfolio
    >>> print(team_verdict(Estimate(0.19, 0.18, 0.2, 0.01, 20), Portfolio().benchmarks(), "manager"))
    At team optimum, which lies 20% of the way from independent to centralised: the managers end at 19% (95 % CI 18% to
    20%).
    >>> print(team_verdict(Estimate(0.5, 0.4, 0.6, 0.1, 20), Portfolio().benchmarks(), "manager"))
    Between team optimum (20% of the way from independent to centralised) and centralised: the managers end at 50% (95 %
    CI 40% to 60%).
    """
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    points = {one.name: (one.average - low) / room for one in (*benchmarks.competitive, *benchmarks.cooperative)}
    first, last = benchmarks.nash.name, benchmarks.optimum.name
    way, end = f"of the way from {first} to {last}", f"the {role}s end at {gain.mean:.0%}"

    def placed(name: str) -> str:
        return name if name in (first, last) else f"{name} ({points[name]:.0%} {way})"

    if gain.low != gain.low:  # NaN
        return f"One session alone says nothing; its outcome lies {gain.mean:.0%} {way}."
    end += f" (95 % CI {gain.low:.0%} to {gain.high:.0%})"
    near = [name for name, x in points.items() if x - TOLERANCE <= gain.low and gain.high <= x + TOLERANCE]
    if near:
        name = min(near, key=lambda one: abs(points[one] - gain.mean))
        where = "" if name in (first, last) else f", which lies {points[name]:.0%} {way}"
        whole = f" {way}" if name in (first, last) else ""
        return f"At {name}{where}: {end}{whole}."
    below = [name for name, x in points.items() if x <= gain.low]
    above = [name for name, x in points.items() if x >= gain.high]
    if len(below) + len(above) < len(points):
        return f"Undecided with so few sessions: {end} {way}; add sessions."
    if not below:
        return f"Worse than {placed(min(above, key=lambda one: points[one]))}: {end} {way}."
    under = placed(max(below, key=lambda one: points[one]))
    if not above:
        return f"Better than {under}: {end} {way}."
    over = placed(min(above, key=lambda one: points[one]))
    more = "" if any("%" in one for one in (under, over)) else f" {way}"
    return f"Between {under} and {over}: {end}{more}."

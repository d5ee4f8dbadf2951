"""Who is better and who is worse off than in equilibrium: a mean hides that some gain what others lose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tacitlab.environment import Words
from tacitlab.measures.statistics import mean_interval, proportion
from tacitlab.report.finding import Finding
from tacitlab.report.verdict import FEWEST, TOLERANCE

Floats = NDArray[np.float64]

FEW_AGENTS = 6  # up to here each has a row of its own where they differ
SAME = 1e-6  # of the level: benchmarks that are closer leave no room
NOISE = 2.0  # standard errors of a session's own outcome that are not counted as a difference


@dataclass(frozen=True)
class Outcomes:
    """What each agent ended with, as people speak of it, in sessions that count.

    Attributes
    ----------
    values : (sessions, agents) array
        Costs where people speak of costs.
    errors : (sessions, agents) array
        Standard errors of a session's own outcomes; 0 where they are exact.
    nash, optimum : (agents,) array
        NaN where unknown.
    equilibria : (equilibria, agents) array
        All that are known by agent.
    random : (agents,) array or None
        Of uniformly random play.
    names : tuple of str
        "firm 1".
    alike : bool
        Whether the agents' numbers mean nothing: same role, same learner, same payoff in equilibrium.
    words : Words
    """

    values: Floats
    errors: Floats
    nash: Floats
    optimum: Floats
    equilibria: Floats
    random: Floats | None
    names: tuple[str, ...]
    alike: bool
    words: Words

    @property
    def scale(self) -> float:
        """What a difference is measured by: the room between the benchmarks, else the equilibrium itself."""
        nash, optimum = float(self.nash.mean()), float(self.optimum.mean())
        room, levels = abs(optimum - nash), [abs(level) for level in (nash, optimum) if np.isfinite(level)]
        level = max(levels, default=float(np.abs(self.values).mean()))
        return room if room > SAME * level else level  # NaN is not more

    @property
    def known(self) -> Floats:
        """Equilibria by agent, or the reference where none tells agents apart."""
        return self.equilibria if len(self.equilibria) else self.nash[None]

    def beyond(self) -> tuple[Floats, Floats]:
        """How far each is above the equilibrium that is best for it, and above its worst, in units of :attr:`scale`."""
        ends = self.words.sign * self.known
        own = self.words.sign * self.values
        return (own - ends.max(axis=0)) / self.scale, (own - ends.min(axis=0)) / self.scale

    def level(self, k: int) -> str:
        """What an agent gets in equilibrium."""
        low, high = self.known[:, k].min(), self.known[:, k].max()
        return f"{self.nash[k]:.4g}" if high - low <= TOLERANCE * self.scale else f"{low:.4g} to {high:.4g}"


def exploitation(found: Outcomes) -> str:
    """Who gains and who loses beside every known equilibrium, in a sentence; empty unless some do each.

    Agents with names are judged by the intervals of their means over sessions. Those who are alike change places from
    session to session: then it takes more than half of the sessions, beyond the noise of each.
    """
    sessions, agents = found.values.shape
    if not 1 < agents <= FEW_AGENTS or not sessions or not np.isfinite(found.nash).all() or not found.scale:
        return ""
    return _among_alike(found) if found.alike else _among_named(found)


def _among_named(found: Outcomes) -> str:
    above, below = found.beyond()
    gains, losses = [], []
    for k, name in enumerate(found.names):
        best, worst = mean_interval(above[:, k]), mean_interval(below[:, k])
        if best.n < FEWEST and best.low != best.high:  # NaN is not
            return ""
        told = f"{name} ({found.words.outcome} {found.values[:, k].mean():.4g}, in equilibrium {found.level(k)})"
        if best.low > TOLERANCE:
            gains.append(told)
        elif worst.high < -TOLERANCE:
            losses.append(told)
    if not gains or not losses:
        return ""
    verb = "gains" if len(gains) == 1 else "gain"
    other = "loses" if len(losses) == 1 else "lose"
    return f"Some gain what others lose: {' and '.join(gains)} {verb}, {' and '.join(losses)} {other}."


def _among_alike(found: Outcomes) -> str:
    margin = NOISE * found.errors / found.scale
    above, below = found.beyond()
    both = np.asarray((above - margin > TOLERANCE).any(axis=1) & (below + margin < -TOLERANCE).any(axis=1))
    if not proportion(int(both.sum()), len(both)).low > 0.5:  # also where one session has no interval
        return ""
    outcome, order = found.words.outcome, np.sort(found.values[both], axis=1).mean(axis=0)
    return (
        f"Some gain what others lose in {int(both.sum())} of {len(both)} sessions: there the mean {outcome} is between "
        f"{order[0]:.4g} and {order[-1]:.4g}, in equilibrium {found.level(0)}."
    )


def agent_rows(found: Outcomes) -> list[Finding]:
    """A row for each agent where they differ by construction or in what they ended with; none where they are many."""
    agents, words = found.values.shape[1], found.words
    if not 1 < agents <= FEW_AGENTS or not len(found.values):
        return []
    if not found.alike:
        return [_row(found, f"{words.outcome}, {name}", found.values[:, k], k) for k, name in enumerate(found.names)]
    order = np.sort(found.values, axis=1)
    if np.ptp(order, axis=1).mean() <= TOLERANCE * found.scale:
        return []  # they hardly differ
    names = ("cheapest", "dearest") if words.cost else ("worst-off", "best-off")
    if agents == 2:
        names = ("cheaper", "dearer") if words.cost else ("worse-off", "better-off")
    rows = []
    for which, k in zip(names, (0, -1), strict=True):
        nash, optimum = (float(np.sort(side)[k]) for side in (found.nash, found.optimum))
        random = None if found.random is None else float(np.sort(found.random)[k])
        estimate = mean_interval(order[:, k])
        rows.append(
            Finding(f"{words.outcome}, {which} {words.role}", estimate, nash, optimum, words.unit, True, random)
        )
    return rows


def _row(found: Outcomes, name: str, values: Floats, k: int) -> Finding:
    random = None if found.random is None else float(found.random[k])
    nash, optimum = float(found.nash[k]), float(found.optimum[k])
    return Finding(name, mean_interval(values), nash, optimum, found.words.unit, True, random)

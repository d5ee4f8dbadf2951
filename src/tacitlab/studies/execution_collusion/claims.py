"""The claims about two deep Q-learners that liquidate the same asset, beside the paper's figures and its words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tacitlab.studies.base import Claim, farthest, less_than, more_than
from tacitlab.studies.execution_collusion import published
from tacitlab.studies.execution_collusion.deviation import Answers, answers
from tacitlab.studies.execution_collusion.evidence import Judged, Runs, digitised, estimate
from tacitlab.studies.execution_collusion.intervals import change, difference
from tacitlab.studies.execution_collusion.published import FIGURES, NASH_STAR, VOLATILITIES
from tacitlab.studies.frame import compared

# What is compared with the paper's figures: a name, and the statistic of each run that a Judged knows by another.
STATISTICS = (
    ("mean shortfall (currency)", "mean"),
    (f"both agents below the paper's Nash star {NASH_STAR:g} (share of runs)", "below_star"),
    ("in the rectangle of the paper's stars (share of runs)", "in_stars"),
    ("difference between the agents' costs (currency)", "gap"),
    ("the faster trader pays less (share of runs)", "faster"),
    ("sold in the first half of the time (share)", "early"),
    ("what a best response would save an agent (currency)", "exploitability"),
)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of all experiments; those of a setting in the order of the volatilities."""

    simulated: tuple[Runs, ...]
    written: tuple[Runs, ...]
    control: Runs
    episodes: int  # of training

    @property
    def everything(self) -> tuple[Runs, ...]:
        return *self.simulated, *self.written, self.control

    @property
    def beside_control(self) -> Runs:
        """The same game at the same volatility, but with the paper's rewards."""
        return next(runs for runs in self.written if runs.volatility == self.control.volatility)

    @cached_property
    def answers(self) -> dict[str, Answers]:
        """What a deviation from the learned schedules leads to, by the title of the runs."""
        return {runs.title: answers(runs) for runs in self.everything}


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """Every claim of the study, in the order of the report."""
    return (
        *(claim for runs in e.simulated for claim in figure_claims(runs)),
        *(claim for runs in e.everything for claim in equilibrium_claims(runs)),
        *(claim for runs in (*e.simulated, *e.written) for claim in rectangle_claims(runs)),
        *(claim for runs in (e.simulated, e.written) for claim in pace_claims(runs)),
        *control_claims(e),
        *(claim for runs in e.everything for claim in deviation_claims(runs, e.answers[runs.title])),
    )


# --- beside the figures ----------------------------------------------------------------------------------------


def beside(name: str, ours: Any, theirs: Any, source: str = FIGURES, note: str = "") -> Claim:
    """A mean or share over our runs beside that over the published ones, which are a sample too.

    Examples
    --------
    >>> claim = beside("share", np.array([True, False]), np.array([True] * 12 + [False] * 8))
    >>> claim.published, round(claim.published_se, 2)
    (0.6, 0.1)
    """
    values = np.asarray(theirs)
    if values.dtype == np.bool_:
        se = published.share_error(int(values.sum()), len(values))
    else:
        se = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Claim(name, estimate(ours), float(values.mean()), source, se, note=note)


def figure_claims(runs: Runs) -> Iterator[Claim]:
    """What was read from the figures at this volatility, and the mean schedule step by step."""
    theirs = digitised(runs.volatility)
    for name, statistic in STATISTICS:
        yield beside(f"{runs.title}: {name}", getattr(runs, statistic), getattr(theirs, statistic))
    steps = [
        beside(f"step {step + 1}", runs.pace[:, step], theirs.pace[:, step]) for step in range(theirs.pace.shape[1])
    ]
    worst = farthest(steps)
    name = f"{runs.title}: shares sold, farthest of {len(steps)} steps: {worst.name}"
    yield replace(worst, name=name, note=f"judged by Bonferroni's bound, {worst.bound:.1f}")


# --- beside the equilibrium of the game played -----------------------------------------------------------------


def place(runs: Judged, family: int = 1) -> str:
    """Whether the mean cost lies below or above that of the equilibrium, by its interval, one of such a family."""
    return compared(estimate(runs.mean, family), "below", "not told from", "above", to=runs.reference.nash_cost)


def equilibrium_claims(runs: Runs) -> Iterator[Claim]:
    """Costs beside the equilibrium of the game that was played."""
    nash = runs.reference.nash_cost
    note = f"benchmarks of the game played: Nash {nash:.3f}, joint optimum {runs.reference.optimum_cost:.3f}"
    yield Claim(f"{runs.title}: K, 0 at Nash and 1 at the joint optimum", estimate(runs.index), note=note)
    name = f"{runs.title}: runs that cost less than Nash, {nash:.3f} (share)"
    if runs.setting.key == "simulated":
        yield beside(name, runs.below, digitised(runs.volatility).below)
    else:
        yield Claim(f"{runs.title}: mean shortfall (currency)", estimate(runs.mean))
        yield Claim(name, estimate(runs.below))
        yield Claim(f"{runs.title}: both agents below Nash, {nash:.3f} (share of runs)", estimate(runs.quadrant == 2))
        saving = runs.exploitability
        yield Claim(f"{runs.title}: what a best response would save an agent (currency)", estimate(saving))
    relative = runs.exploitability / nash
    yield Claim(f"{runs.title}: what a best response would save, share of the Nash cost", estimate(relative))


# --- the paper's words -----------------------------------------------------------------------------------------


def majority(name: str, flags: Any, source: str, note: str = "") -> Claim:
    """That more than half of the runs have a property: decided once the interval leaves one half out.

    Examples
    --------
    >>> str(majority("most", np.ones(10, dtype=bool), "").judged())
    'reproduced'
    """
    found = estimate(np.asarray(flags, dtype=bool))
    return Claim(name, found, None, f"{source}: most", margin=more_than(0.5), note=note)


def rectangle_claims(runs: Runs) -> Iterator[Claim]:
    """Whether runs gather in the rectangle of the paper's stars, and in that of the game that was played."""
    own = f"{runs.reference.optimum_cost:.3f} to {runs.reference.nash_cost:.3f}"
    for which, flags, quadrant in (
        ("the paper's rectangle", runs.in_stars, runs.star_quadrant),
        (f"the rectangle of the game, {own}", runs.inside, runs.quadrant),
    ):
        if runs.volatility == VOLATILITIES[1]:
            yield _half(f"{runs.title}: half in {which}", flags)
            name = f"{runs.title}: outside {which}, predatory (share of those runs)"
            yield majority(name, quadrant[~flags] == 1, '§ 4.2 (P), "the rest"')
        else:
            section = "4.1" if runs.volatility == VOLATILITIES[0] else "4.3"
            yield majority(f"{runs.title}: most in {which}", flags, f"§ {section} (P)")
    yield majority(f"{runs.title}: mostly the faster trader pays less", runs.faster, "§ 4.1 to 4.3 (P)")


def _half(name: str, flags: Any) -> Claim:
    """That one half of the runs have a property; the published half is one of as many runs as the paper has."""
    return Claim(
        name, estimate(np.asarray(flags, dtype=bool)), 0.5, "§ 4.2 (P): half",
        published.share_error(published.RUNS // 2),
    )  # fmt: skip


def pace_claims(runs: Sequence[Runs]) -> Iterator[Claim]:
    """That the start is the slower the larger the noise."""
    calm, noisy = runs[0], runs[-1]
    found = difference(noisy.early, calm.early)
    theirs = 100 * np.array([digitised(sigma).early.mean() for sigma in VOLATILITIES])
    note = (
        f"the paper's own schedules sell {theirs[0]:.0f} %, {theirs[1]:.0f} % and {theirs[2]:.0f} % in the first half "
        "at σ = 1e-9, 1e-3 and 1e-2, so that the start is slowest at moderate noise"
    )
    name = f"{calm.setting.words}: share sold in the first half, large less zero noise"
    yield Claim(name, found, None, "§ 4.4 (P): slower start", margin=less_than(0.0), note=note)


# --- why ---------------------------------------------------------------------------------------------------------


def control_claims(e: Evidence) -> Iterator[Claim]:
    """What changes if the same return is learned from smaller rewards."""
    old, note = e.beside_control, "paired: sessions of both share their random numbers"
    for name, statistic in (
        ("what a best response would save an agent (currency)", "exploitability"),
        ("distance to the Nash schedule (shares)", "to_nash"),
        ("distance to TWAP (shares)", "to_twap"),
        ("K", "index"),
    ):
        yield Claim(f"control less {old.title}: {name}", change(e.control, old, statistic), note=note)


def deviation_claims(runs: Runs, found: Answers) -> Iterator[Claim]:
    """What an agent saves that switches to its best response, and what its rival does about it."""
    yield Claim(
        f"{runs.title}: saved by switching to a best response, the rival free to answer (currency)",
        estimate(found.answered.mean(axis=1)),
    )
    yield Claim(f"{runs.title}: shares that the rival moves in answer", estimate(found.moved.mean(axis=1)))

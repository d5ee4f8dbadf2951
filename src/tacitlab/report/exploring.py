"""What forced exploration is left when an outcome is read, and what it makes of an equilibrium."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tacitlab.environment import Environment
from tacitlab.lab.experiment import Experiment
from tacitlab.learners.base import group_sizes
from tacitlab.learners.exploration import Boltzmann, level_at
from tacitlab.measures.outcome import CLOSING_SHARE
from tacitlab.report.verdict import Band, Word
from tacitlab.theory.benchmarks import Benchmarks
from tacitlab.theory.mixing import with_exploration

NEGLIGIBLE = 1e-3  # of the decisions: less is not told
EARLY = 0.5  # of the way from the first exploration to the last: more left says that training has hardly begun
LITTLE = 0.1  # of that way: training that is called long enough

Floats = NDArray[np.float64]


def forced(experiment: Experiment, players: int) -> Floats:
    """Probability of a random decision of each player over the closing periods of a stage game, (players,)."""
    found = []
    for learner, size in zip(experiment.learners, group_sizes(players, experiment.learners), strict=True):
        found += [_closing(learner, experiment.length.periods)] * size
    return np.array(found)


def _closing(learner: object, periods: int) -> float:
    if (mixing := getattr(learner, "mixing", None)) is not None:
        return float(mixing)
    exploration = getattr(learner, "exploration", None)
    if exploration is None or isinstance(exploration, Boltzmann):
        return 0.0
    times = np.linspace(periods * (1 - CLOSING_SHARE), periods - 1, 101)
    return float(np.mean([level_at(exploration.knots(periods), time) for time in times]))


def explained(environment: Environment, benchmarks: Benchmarks, epsilons: Floats) -> Band | None:
    """The places of the equilibria once their players choose at random so often; None if nobody is forced to."""
    if not benchmarks.competitive or not benchmarks.cooperative or epsilons.max(initial=0.0) <= NEGLIGIBLE:
        return None
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    played = [with_exploration(environment.form(), profile, epsilons) for profile in benchmarks.competitive]  # type: ignore[attr-defined]
    places = [(float(payoffs.mean()) - low) / room for payoffs in played if payoffs is not None and room]
    if not places:
        return None
    often = f"{epsilons.mean():.3g}"
    return Band(
        Word.EXPLORATION, f"an equilibrium in which a share {often} of decisions is random", min(places), max(places)
    )


def temperatures(learners: Sequence[object], periods: int) -> str:
    """How far Boltzmann exploration was from its end, in a note; empty where it has ended or is meant to stay."""
    left = []
    for learner in learners:
        exploration = getattr(learner, "exploration", None)
        if isinstance(exploration, Boltzmann):
            knots = exploration.knots(periods)
            end = level_at(knots, periods)
            if end > exploration.floor and end < exploration.temperature:
                left.append(end)
    if not left:
        return ""
    return f"exploration had not ended: its temperature was still {max(left):.3g} in the last period"

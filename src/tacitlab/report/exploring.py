"""What forced exploration is left when an outcome is read, and what it makes of an equilibrium."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tacitlab.environment import Environment
from tacitlab.lab.experiment import Experiment
from tacitlab.learners.base import group_sizes
from tacitlab.learners.exploration import Boltzmann, Exploration, level_at
from tacitlab.learners.scripted import Random
from tacitlab.measures.outcome import CLOSING_SHARE
from tacitlab.report.verdict import Band, Word
from tacitlab.theory.benchmarks import Benchmarks
from tacitlab.theory.mixing import with_exploration

NEGLIGIBLE = 1e-3  # of the decisions: less is not told
EARLY = 0.5  # of the way from the first exploration to the last: more left says that training has hardly begun
LITTLE = 0.1  # of that way: training that is called long enough
LEFT = 0.02  # of that way: more is told

Floats = NDArray[np.float64]


def forced(experiment: Experiment, players: int) -> Floats:
    """Probability of a random decision of each player over the closing periods of a stage game, (players,)."""
    found = []
    for learner, size in zip(experiment.learners, group_sizes(players, experiment.learners), strict=True):
        found += [_closing(learner, experiment.length.periods)] * size
    return np.array(found)


def _exploration(learner: object) -> Exploration | None:
    """How a learner explores; somebody else's that is read from a stored run has it as the scenario writes it."""
    found = getattr(learner, "exploration", None)
    return TypeAdapter(Exploration).validate_python(found) if isinstance(found, Mapping) else found


def _closing(learner: object, periods: int) -> float:
    if isinstance(learner, Random):
        return 1.0
    if (mixing := getattr(learner, "mixing", None)) is not None:
        return float(mixing)
    exploration = _exploration(learner)
    if exploration is None or isinstance(exploration, Boltzmann):
        return 0.0
    times = np.linspace(periods * (1 - CLOSING_SHARE), periods - 1, 101)
    return float(np.mean([level_at(exploration.knots(periods), time) for time in times]))


def explained(environment: Environment, benchmarks: Benchmarks, epsilons: Floats) -> Band | None:
    """Mean payoffs of the equilibria once their players choose at random so often; None if nobody is forced to.

    None as well if everybody always is: that is random play, and no equilibrium.
    """
    if not benchmarks.competitive or epsilons.max(initial=0.0) <= NEGLIGIBLE or epsilons.min() >= 1:
        return None
    if not type(environment).__module__.startswith("tacitlab.games."):
        return None  # payoffs of somebody else's game are not stored, and a stored run is answered as a new one
    played = [with_exploration(environment.form(), profile, epsilons) for profile in benchmarks.competitive]  # type: ignore[attr-defined]
    levels = [float(payoffs.mean()) for payoffs in played if payoffs is not None]
    if not levels:
        return None
    often = f"{epsilons.mean():.3g}"
    return Band(
        Word.EXPLORATION, f"an equilibrium in which a share {often} of decisions is random", min(levels), max(levels)
    )


def temperatures(learners: Sequence[object], periods: int) -> str:
    """How far Boltzmann exploration was from its end, in a note; empty where it has ended or is meant to stay."""
    left = []
    for learner in learners:
        exploration = _exploration(learner)
        if isinstance(exploration, Boltzmann):
            knots = exploration.knots(periods)
            end = level_at(knots, periods)
            if end > exploration.floor and end < exploration.temperature:
                left.append(end)
    if not left:
        return ""
    return f"exploration had not ended: its temperature was still {max(left):.3g} in the last period"


def not_yet(experiment: Experiment, learned: bool) -> str:
    """Why a training in a market has hardly begun, and what would do; empty if it has."""
    steps, episodes = experiment.steps, experiment.length.episodes or 0
    if not learned:
        needed = [(kind, n, name) for kind, n, name in _first_updates(experiment) if n > steps]
        if not needed:
            return "nobody learned anything"
        kind, n, name = max(needed, key=lambda one: one[1])
        enough = -(-n // experiment.market.horizon)
        return (
            f"nobody learned anything: {steps:,} steps were played and {kind} learns after {n:,} ({name}); set "
            f"length.episodes={enough} or more, or a smaller {name}"
        )
    for start, end, floor, times in _epsilons(experiment):
        if start > floor and (end - floor) / (start - floor) > EARLY:
            when = f"; about {int(np.ceil(times * episodes)):,} episodes would bring it down" if times else ""
            still = f"exploration is still at {end:.2f}, from {start:.3g} on"
            return f"not learned yet, {still} after {episodes:,} episodes{when}"
    return ""


def training_note(experiment: Experiment) -> str:
    """Exploration that is left when a training ends, which frozen policies do without."""
    left = [
        end for start, end, floor, _ in _epsilons(experiment) if end - floor > LEFT * max(start - floor, NEGLIGIBLE)
    ]
    if not left:
        return ""
    return f"training ended with {max(left):.2g} of its decisions still random; frozen policies make none"


def _first_updates(experiment: Experiment) -> list[tuple[str, int, str]]:
    """Kind of each learner, steps until it first learns, and the field that says so."""
    found = []
    for learner in experiment.learners:
        for name in ("rollout", "warmup", "batch"):
            if learner.learns and isinstance(n := getattr(learner, name, None), int):
                found.append((learner.kind, n, f"learners.{name}"))
                break
    return found


def _epsilons(experiment: Experiment) -> list[tuple[float, float, float, float]]:
    """First, last and least epsilon of each learner in a market, and how much longer until little is left, 0: never."""
    found, steps = [], experiment.steps
    for learner in experiment.learners:
        exploration = _exploration(learner)
        if exploration is None or isinstance(exploration, Boltzmann) or not steps:
            continue
        start, end = (level_at(exploration.knots(steps), time) for time in (0, steps - 1))
        floor = getattr(exploration, "floor", start if exploration.kind == "constant" else 0.0)
        longer = (k for k in np.geomspace(1, 1000, 121) if _left(exploration, k * steps, floor, start) <= LITTLE)
        found.append((start, end, floor, float(next(longer, 0.0))))
    return found


def _left(exploration: Exploration, steps: float, floor: float, start: float) -> float:
    """Share of the way from the first to the least epsilon that is left after so many steps."""
    if getattr(exploration, "total_decay", None) is not None:
        return 1.0  # it stretches with the training
    return (level_at(exploration.knots(int(steps)), steps) - floor) / max(start - floor, 1e-300)

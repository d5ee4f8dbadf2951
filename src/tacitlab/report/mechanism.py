"""What holds an outcome up: could anybody punish, would anybody mind, does a deviation pay?"""

from dataclasses import dataclass

import numpy as np

from tacitlab.audits.collusion import forgone_value, frozen_play, full_optimality, one_step_optimality
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result
from tacitlab.learners.base import TabularLearner
from tacitlab.measures.base import Unfit
from tacitlab.report.verdict import Support


@dataclass(frozen=True)
class Mechanism:
    """A word and the sentences that say it."""

    support: Support = Support.UNKNOWN
    text: str = ""


def mechanism(result: Result, cell: int = 0) -> Mechanism:
    """What is known of the strategies at the end of a stage game among players with tables.

    A player without memory cannot answer what others did. One that discounts the future entirely does not mind what
    it will cost. Of other frozen strategies an exact best response says what a deviation would bring.
    """
    experiment = result.cells[cell]
    if not all(isinstance(learner, TabularLearner) for learner in experiment.learners):
        return Mechanism(Support.UNKNOWN)
    cannot, deviation = _cannot(experiment), _deviation(result)
    if cannot.support is not Support.UNKNOWN:
        return Mechanism(cannot.support, f"{cannot.text} {deviation.text}".strip())
    return deviation


def _cannot(experiment: Experiment) -> Mechanism:
    learners = experiment.learners
    if not any(learner.memory_of()[0] for learner in learners):
        return Mechanism(Support.MEMORYLESS, "Nobody remembers what others did, so that nobody can punish.")
    gammas = [getattr(learner, "gamma", None) for learner in learners if learner.learns]
    if gammas and not any(gammas):
        return Mechanism(
            Support.MYOPIC, "The future counts for nothing to the learners, so that no punishment can deter them."
        )
    return Mechanism(Support.UNKNOWN)


def _deviation(result: Result) -> Mechanism:
    try:
        frozen = frozen_play(result)
    except Unfit:
        return Mechanism(Support.UNKNOWN)
    lasting = full_optimality(frozen.play.best_response_gap(frozen.discount), frozen.cycle).equilibrium_on_path
    single = one_step_optimality(frozen.play.one_step_gap(frozen.discount), frozen.cycle).nash_on_path
    n, kept = len(lasting), int(lasting.sum())
    if kept == n:
        return Mechanism(Support.HELD, f"No deviation pays, in any of {n} sessions: the others' answers deter it.")
    share = float(np.mean(forgone_value(frozen.play, frozen.cycle, frozen.discount).share))
    text = (
        f"A deviation of one period pays in {n - int(single.sum())} of {n} sessions, a lasting one in {n - kept}; the "
        f"best earns {share:.1%} more, on average over agents and sessions."
    )
    return Mechanism(Support.HELD if kept > n / 2 else Support.NOT_HELD, text)

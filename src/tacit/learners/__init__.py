"""How agents learn, one file each; scripted policies are the baselines that do not."""

from tacit.learners.base import TabularLearner
from tacit.learners.exp3 import Exp3
from tacit.learners.exploration import Boltzmann, Constant, Exponential, Schedule
from tacit.learners.initial import (
    ConstantValue,
    GivenValues,
    StrategyValues,
    TrainedValues,
    UniformRivals,
    UniformValues,
)
from tacit.learners.q_learning import QLearning
from tacit.learners.sarsa import Sarsa
from tacit.learners.scripted import BestReply, Fixed, Random, Trained
from tacit.learners.ucb1 import Ucb1

#: Every registered learner and scripted policy; a new one is one file and one line here.
LEARNERS: tuple[type[TabularLearner], ...] = (QLearning, Sarsa, Exp3, Ucb1, Fixed, Random, BestReply, Trained)

__all__ = [
    "LEARNERS", "BestReply", "Boltzmann", "Constant", "ConstantValue", "Exp3", "Exponential", "Fixed", "GivenValues",
    "QLearning", "Random", "Sarsa", "Schedule", "StrategyValues", "TabularLearner", "Trained", "TrainedValues", "Ucb1",
    "UniformRivals", "UniformValues",
]  # fmt: skip

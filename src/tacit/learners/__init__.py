"""How agents learn, one file each; scripted policies are the baselines that do not."""

from tacit.learners.actor_critic import ActorCritic
from tacit.learners.base import Learner, TabularLearner
from tacit.learners.best_response import BestResponse
from tacit.learners.centralised import Centralised
from tacit.learners.coma import COMA
from tacit.learners.ddpg import DDPG, MADDPG
from tacit.learners.dqn import DQN, Memory, Network
from tacit.learners.exp3 import Exp3
from tacit.learners.exploration import Boltzmann, Constant, Exponential, Geometric, Schedule
from tacit.learners.initial import (
    AlignedValues,
    ConstantValue,
    GivenValues,
    StrategyValues,
    TrainedValues,
    UniformRivals,
    UniformValues,
)
from tacit.learners.joint_q import JointQLearning
from tacit.learners.mappo import MAPPO
from tacit.learners.ppo import PPO
from tacit.learners.q_learning import QLearning
from tacit.learners.sarsa import Sarsa
from tacit.learners.schedule import FixedSchedule
from tacit.learners.scripted import BestReply, Fixed, Random, Rule, Trained
from tacit.learners.ucb1 import Ucb1
from tacit.learners.value_decomposition import QMIX, VDN

#: Every registered learner and scripted policy; a new one is one file and one line here.
LEARNERS: tuple[type[Learner], ...] = (
    QLearning, JointQLearning, Sarsa, Exp3, Ucb1, DQN, PPO, MAPPO, ActorCritic, DDPG, MADDPG, COMA, VDN, QMIX,
    Centralised, Fixed, Random, Rule, BestReply, Trained, BestResponse, FixedSchedule,
)  # fmt: skip

__all__ = [
    "COMA", "DDPG", "DQN", "LEARNERS", "MADDPG", "MAPPO", "PPO", "QMIX", "VDN", "ActorCritic", "AlignedValues",
    "BestReply", "BestResponse", "Boltzmann", "Centralised", "Constant", "ConstantValue", "Exp3", "Exponential",
    "Fixed", "FixedSchedule", "Geometric", "GivenValues", "JointQLearning", "Learner", "Memory", "Network",
    "QLearning", "Random", "Rule", "Sarsa", "Schedule", "StrategyValues", "TabularLearner", "Trained",
    "TrainedValues", "Ucb1", "UniformRivals", "UniformValues",
]  # fmt: skip

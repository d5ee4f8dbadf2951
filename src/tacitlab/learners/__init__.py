"""How agents learn, one file a family; scripted policies are the baselines that do not."""

from tacitlab.learners.actor_critic import ActorCritic
from tacitlab.learners.bandits import Exp3, Ucb1
from tacitlab.learners.base import Learner, TabularLearner
from tacitlab.learners.best_response import BestResponse
from tacitlab.learners.centralised import Centralised
from tacitlab.learners.coma import COMA
from tacitlab.learners.ddpg import DDPG, MADDPG
from tacitlab.learners.dqn import DQN, Memory, Network
from tacitlab.learners.exploration import Boltzmann, Constant, Exponential, Geometric, Schedule
from tacitlab.learners.initial import (
    AlignedValues,
    ConstantValue,
    GivenValues,
    StrategyValues,
    TrainedValues,
    UniformRivals,
    UniformValues,
)
from tacitlab.learners.joint_q import JointQLearning
from tacitlab.learners.mappo import MAPPO
from tacitlab.learners.ppo import PPO
from tacitlab.learners.q_learning import QLearning, Sarsa
from tacitlab.learners.scripted import BestReply, Fixed, FixedSchedule, Random, Rule
from tacitlab.learners.trained import Trained
from tacitlab.learners.value_decomposition import QMIX, VDN

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

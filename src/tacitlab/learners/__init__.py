"""How agents learn, one file a family; scripted policies are the baselines that do not."""

from typing import TYPE_CHECKING

from tacitlab import registry

if TYPE_CHECKING:
    from tacitlab.learners.actor_critic import COMA as COMA
    from tacitlab.learners.actor_critic import ActorCritic as ActorCritic
    from tacitlab.learners.bandits import Exp3 as Exp3
    from tacitlab.learners.bandits import Ucb1 as Ucb1
    from tacitlab.learners.base import Learner as Learner
    from tacitlab.learners.base import TabularLearner as TabularLearner
    from tacitlab.learners.best_response import BestResponse as BestResponse
    from tacitlab.learners.centralised import Centralised as Centralised
    from tacitlab.learners.ddpg import DDPG as DDPG
    from tacitlab.learners.ddpg import MADDPG as MADDPG
    from tacitlab.learners.dqn import DQN as DQN
    from tacitlab.learners.dqn import Memory as Memory
    from tacitlab.learners.dqn import QNetwork as QNetwork
    from tacitlab.learners.exploration import Boltzmann as Boltzmann
    from tacitlab.learners.exploration import Constant as Constant
    from tacitlab.learners.exploration import Exponential as Exponential
    from tacitlab.learners.exploration import Geometric as Geometric
    from tacitlab.learners.exploration import Schedule as Schedule
    from tacitlab.learners.initial import AlignedValues as AlignedValues
    from tacitlab.learners.initial import ConstantValue as ConstantValue
    from tacitlab.learners.initial import GivenValues as GivenValues
    from tacitlab.learners.initial import StrategyValues as StrategyValues
    from tacitlab.learners.initial import TrainedValues as TrainedValues
    from tacitlab.learners.initial import UniformRivals as UniformRivals
    from tacitlab.learners.initial import UniformValues as UniformValues
    from tacitlab.learners.joint_q import JointQLearning as JointQLearning
    from tacitlab.learners.ppo import MAPPO as MAPPO
    from tacitlab.learners.ppo import PPO as PPO
    from tacitlab.learners.q_learning import QLearning as QLearning
    from tacitlab.learners.q_learning import Sarsa as Sarsa
    from tacitlab.learners.scripted import BestReply as BestReply
    from tacitlab.learners.scripted import Fixed as Fixed
    from tacitlab.learners.scripted import FixedSchedule as FixedSchedule
    from tacitlab.learners.scripted import Random as Random
    from tacitlab.learners.scripted import Rule as Rule
    from tacitlab.learners.strategy import Strategy as Strategy
    from tacitlab.learners.trained import Trained as Trained
    from tacitlab.learners.value_decomposition import QMIX as QMIX
    from tacitlab.learners.value_decomposition import VDN as VDN

__getattr__, __dir__ = registry.lazily(__name__)  # these names, and any new member, are imported when they are used

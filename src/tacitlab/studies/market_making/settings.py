"""What the study of market making plays: markets, learners, and how much of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tacitlab.lab.experiment import Experiment, Length, Test
from tacitlab.learners import DQN, PPO, QLearning, Rule
from tacitlab.learners.base import Learner
from tacitlab.learners.dqn import Memory, QNetwork
from tacitlab.learners.exploration import Exponential
from tacitlab.learners.initial import ConstantValue
from tacitlab.markets import MarketMaking, RequestForQuote
from tacitlab.markets.base import Market

SEED = 1
AVERSIONS = (0.01, 0.1, 0.5)
CLASSIC = MarketMaking(arrivals=140, running=0, terminal=0, cap=60)  # Avellaneda and Stoikov's numbers
ALONE = MarketMaking(steps=50, dt=0.02, grid=5)
FINE = MarketMaking()  # the same with steps of 0.005
PAIR = MarketMaking(
    makers=2, fills="logit", steps=50, dt=0.02, arrivals=25, cap=5, observes=("time", "inventory", "rival-inventory")
)
REQUEST = RequestForQuote()
REPEATED = RequestForQuote(requests=1000, observes=("own-quote", "rival-quote"), end="truncated")

PPO_ALONE = PPO(
    hidden=(32, 32), rollout=1000, minibatches=5, rate=2e-3, gamma=1.0, trace=0.8, log_sd=-1.0, deterministic_test=True
)
PPO_PAIR = PPO_ALONE.model_copy(update={"rate": 3e-3, "log_sd": 0.0})
PPO_REQUEST = PPO(hidden=(16,), rollout=1000, minibatches=5, rate=3e-3, gamma=0.0, trace=0.0, deterministic_test=True)
Q_ALONE = QLearning(
    alpha=0.01, gamma=0.95, bins=(1, 21), initial=ConstantValue(value=5), exploration=Exponential(total_decay=6)
)
Q_REQUEST = QLearning(
    alpha=0.05, gamma=0, initial=ConstantValue(value=0), ties="random", exploration=Exponential(total_decay=8)
)
#: Calvano et al. (2020): alpha 0.15, delta 0.95, memory of one period, beta 4e-6 over 1.5 million periods.
Q_REPEATED = QLearning(
    alpha=0.15, gamma=0.95, bins=(15, 15), initial=ConstantValue(value=5), exploration=Exponential(total_decay=6)
)
DEEP_Q = DQN(
    rate=5e-4, gamma=0.9, batch=128, memory=Memory(capacity=50_000, when_full="drop-oldest"), update_every=4,
    action="output", network=QNetwork(width=32, layers=2, embedding=False), target_every=1000,
    exploration=Exponential(total_decay=5, floor=0.05),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much is played: sessions and training episodes of each part.

    Attributes
    ----------
    alone, table_q, pair, request_q, request_ppo, repeated : (sessions, episodes)
        Of PPO alone, Q-learning alone, two PPO makers, dealers without memory, dealers who remember.
    fine, deep_q : (sessions, episodes) or None
        Of PPO in shorter steps and of DQN, where they are played.
    classic : (sessions, test episodes)
        Of the rules of Avellaneda and Stoikov.
    responses : int
        Sessions of two makers against which best responses are computed.
    published : bool
        Whether dealers who remember learn as slowly as in the literature.
    """

    alone: tuple[int, int]
    table_q: tuple[int, int]
    pair: tuple[int, int]
    request_q: tuple[int, int]
    request_ppo: tuple[int, int]
    repeated: tuple[int, int]
    classic: tuple[int, int]
    responses: int
    fine: tuple[int, int] | None = None
    deep_q: tuple[int, int] | None = None
    published: bool = False
    test_episodes: int = 200

    def experiment(
        self, name: str, market: Market, learner: Learner, size: tuple[int, int], test: int = 0
    ) -> Experiment:
        """Everybody learns alike."""
        return Experiment(
            name=name, environment=market, learners=(learner,), length=Length(episodes=size[1]), sessions=size[0],
            seed=SEED, test=Test(episodes=test or self.test_episodes, baselines=False),
        )  # fmt: skip

    def rules(self, name: str, market: Market, sweep: Mapping[str, Sequence[Any]]) -> Experiment:
        """Rules alone: a cell for each combination of rules and parameters."""
        sessions, episodes = self.classic
        return Experiment(
            name=name, environment=market, learners=(Rule(rule=sweep["learners.rule"][0]),), length=Length(episodes=1),
            sessions=sessions, seed=SEED, test=Test(episodes=episodes, baselines=False),
            sweep={path: list(values) for path, values in sweep.items()},
        )  # fmt: skip


SIZES = {
    "quick": Size(
        alone=(20, 2000), table_q=(6, 5000), pair=(6, 3000), request_q=(10, 200_000), request_ppo=(8, 100_000),
        repeated=(5, 300), classic=(20, 200), responses=6,
    ),
    "paper": Size(
        alone=(20, 6000), table_q=(20, 20_000), pair=(20, 12_000), request_q=(20, 500_000), request_ppo=(20, 300_000),
        repeated=(20, 1500), classic=(20, 1000), responses=20, fine=(20, 2000), deep_q=(10, 5000), published=True,
    ),
}  # fmt: skip

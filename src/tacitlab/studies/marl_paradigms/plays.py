"""The experiments of the study of paradigms: who plays what, and what each session brought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.lab.experiment import Experiment, Length, Test, Trace
from tacitlab.lab.result import Result
from tacitlab.learners import (
    COMA,
    DDPG,
    MADDPG,
    MAPPO,
    PPO,
    QMIX,
    VDN,
    Centralised,
    Constant,
    ConstantValue,
    Exponential,
    JointQLearning,
    QLearning,
    Rule,
)
from tacitlab.learners.base import Learner
from tacitlab.markets import Portfolio, TeamGame
from tacitlab.markets.base import Market
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Player, by_session

Floats = NDArray[np.float64]

SEED = 1  # of every experiment: learners meet the same chance
COPIES = 32  # of the market, that those learn from who can

TWO_STEP = TeamGame()
#: Rashid et al. 2020, table 1: the best joint action is surrounded by the worst ones.
DARE = TeamGame(payoffs=[[[8, -12, -12], [-12, 0, 0], [-12, 0, 0]]], following=None)
#: Claus and Boutilier 1998: equilibria pay 11 and 7.
CLIMBING = TeamGame(payoffs=[[[11, -30, 0], [-30, 7, 6], [0, 0, 5]]], following=None)


def matching(agents: int, actions: int = 3) -> TeamGame:
    """Everybody gets the share of agents that do what is right for them: agent i action i modulo the actions.

    Examples
    --------
    >>> matching(2).rewards[0][0, 1], matching(2).rewards[0][0, 0]
    (np.float64(1.0), np.float64(0.5))
    """
    right = np.zeros((actions,) * agents)
    for i in range(agents):
        shape = [1] * agents
        shape[i] = actions
        right = right + (np.arange(actions) == i % actions).reshape(shape) / agents
    return TeamGame(payoffs=[right.tolist()], following=None)


@dataclass(frozen=True)
class Size:
    """How much is played: sessions, those of the games in which equilibria are counted, and a factor of all lengths."""

    sessions: int
    many: int
    longer: float
    agents: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Played:
    """What the sessions of an experiment brought; those whose learning failed are left out."""

    result: Result

    @property
    def good(self) -> NDArray[np.bool_]:
        return np.asarray(self.result.data["failure"]) == 0

    @property
    def values(self) -> Floats:
        """Mean payoff of the test over episodes and agents, by session."""
        return np.asarray(self.result.data["test_payoff"], float)[self.good].mean(axis=(1, 2))

    @property
    def curve(self) -> Floats:
        """Mean payoff while learning, (sessions, windows, agents)."""
        return np.asarray(self.result.data["payoff"], float)[self.good]

    @property
    def paid(self) -> xr.DataArray:
        """The same, labelled with the sessions' numbers."""
        return by_session(self.values, np.asarray(self.result.data["session"])[self.good])

    @property
    def learning(self) -> xr.DataArray:
        """Mean payoff of a session while learning, labelled likewise."""
        return by_session(self.curve.mean(axis=(1, 2)), np.asarray(self.result.data["session"])[self.good])

    @property
    def seconds(self) -> float:
        """How long it took, compilation included."""
        return float(self.result.manifest["seconds"])

    def estimate(self) -> Estimate:
        """The mean over sessions."""
        return mean_interval(self.values)


@dataclass(frozen=True)
class Stage:
    """Plays experiments of a size."""

    size: Size
    play: Player

    def of(
        self, name: str, market: Market, learners: Learner | Sequence[Learner], episodes: int, *, copies: int = 1,
        sessions: int = 0, tests: int = 1, test: Mapping[str, Any] | None = None,
    ) -> Played:  # fmt: skip
        """One experiment of so many episodes in each copy."""
        group = (learners,) if isinstance(learners, Learner) else tuple(learners)
        experiment = Experiment(
            name=name, environment=market, learners=group, copies=copies, seed=SEED, trace=Trace(windows=20),
            length=Length(episodes=max(20, int(episodes * self.size.longer))), sessions=sessions or self.size.sessions,
            test=Test(episodes=tests, baselines=False, environment=dict(test or {})),
        )  # fmt: skip
        return Played(self.play(experiment))


# --- learners ------------------------------------------------------------------------------------------------------

GRADIENT: dict[str, Any] = {
    "rollout": 32, "minibatches": 8, "rate": 3e-3, "gamma": 0.0, "hidden": (64,), "log_sd": -0.5,
    "deterministic_test": True,
}  # fmt: skip
DETERMINISTIC: dict[str, Any] = {
    "gamma": 0.0, "rate": 3e-3, "actor_rate": 1e-3, "anneal": True, "batch": 256, "update_every": 1, "warmup": 50,
    "memory": 64_000, "action_limit": 4.0, "target_blend": 0.02,
    "noise": Exponential(start=0.25, total_decay=3, floor=0.02),
}  # fmt: skip
#: Values of 21 weights each are told apart by more moments than a slope needs.
VALUES: dict[str, Any] = {
    "gamma": 0.0, "rate": 2e-3, "anneal": True, "batch": 1024, "capacity": 256_000, "hidden": (64,),
    "target_every": 50, "exploration": Exponential(total_decay=12, floor=0.01),
}  # fmt: skip
MORE = 4  # times as many copies of the market for them


def portfolio_learners() -> dict[str, tuple[Learner, str]]:
    """Learners of the portfolio by name, and what their managers are paid."""
    return {
        "centralised PPO": (Centralised(learner=PPO(**GRADIENT)), "team"),
        "MAPPO": (MAPPO(**GRADIENT, parameters="own"), "team"),
        "MADDPG": (MADDPG(**DETERMINISTIC), "team"),
        "QMIX": (QMIX(**VALUES), "team"),
        "VDN": (VDN(**VALUES), "team"),
        "PPO, team reward": (PPO(**GRADIENT), "team"),
        "DDPG, team reward": (DDPG(**DETERMINISTIC), "team"),
        "PPO, own reward": (PPO(**GRADIENT), "own"),
    }


def portfolios(
    stage: Stage, market: Portfolio, label: str = "portfolio", only: Sequence[str] = ()
) -> dict[str, Played]:
    """All learners in a portfolio of one step, tested by what the team expects."""
    found = {}
    for name, (learner, reward) in portfolio_learners().items():
        if only and name not in only:
            continue
        own = market.model_copy(update={"reward": reward})
        found[name] = stage.of(
            f"{label}-{slug(name)}", own, learner, 4000, copies=COPIES * (MORE if isinstance(learner, VDN) else 1),
            tests=50_000, test={"reward": "team", "realised": False},
        )  # fmt: skip
    return found


def memories(stage: Stage, market: Portfolio) -> dict[str, Played]:
    """Managers with and without memory whose signals are hidden behind noise."""
    longer = {**GRADIENT, "rollout": market.steps, "minibatches": 4}
    learners = {
        "PPO without memory": PPO(**longer),
        "PPO with memory": PPO(**longer, recurrent=32, sequence=market.steps),
        "MAPPO with memory": MAPPO(**longer, recurrent=32, sequence=market.steps),
    }
    return {
        name: stage.of(f"noise-{slug(name)}", market, learner, 300, copies=COPIES, tests=1000, test={"realised": False})
        for name, learner in learners.items()
    }


def games(stage: Stage) -> dict[str, dict[str, Played]]:
    """Value decomposition in games that tell sums, monotonic functions and others apart."""
    uniform = {"gamma": 1.0, "exploration": Constant(epsilon=1.0), "capacity": 4000, "hidden": (64,)}
    return {
        label: {
            kind.__name__: stage.of(f"{label}-{slug(kind.__name__)}", market, kind(**uniform), 1500, copies=4)
            for kind in (VDN, QMIX)
        }
        for label, market in (("two-step", TWO_STEP), ("dare", DARE))
    }


def credited(stage: Stage, agents: int) -> dict[str, Played]:
    """Who learns how fast what it contributes to a common reward."""
    choice: dict[str, Any] = {"rollout": 16, "rate": 3e-3, "gamma": 0.0, "hidden": (16,), "anneal": False}
    explore = Constant(epsilon=0.1)
    few = {"gamma": 0.0, "rate": 5e-3, "hidden": (16,), "exploration": explore, "capacity": 2000}
    learners: dict[str, Learner] = {
        "independent Q-learning": QLearning(alpha=0.1, gamma=0.0, initial=ConstantValue(value=0), exploration=explore),
        "PPO": PPO(**choice, minibatches=2, scale_rewards=False),
        # One gradient step an update where PPO makes eight: faster and more often.
        "COMA": COMA(**choice | {"rollout": 8, "rate": 2e-2}, scale_rewards=False),
        "VDN": VDN(**few),
        "QMIX": QMIX(**few),
    }
    return {
        name: stage.of(f"credit-{slug(name)}", matching(agents), learner, 1000, tests=50)
        for name, learner in learners.items()
    }


def scaled(stage: Stage) -> dict[str, dict[int, Played]]:
    """One learner for all against one for each, as the agents become more."""
    explore = Constant(epsilon=0.2)
    table = QLearning(alpha=0.2, gamma=0.0, initial=ConstantValue(value=0), exploration=explore)
    few = {"gamma": 0.0, "rate": 5e-3, "hidden": (16,), "exploration": explore, "capacity": 2000}
    learners = {"centralised Q-learning": Centralised(learner=table), "VDN": VDN(**few)}
    return {
        name: {n: stage.of(f"agents-{n}-{slug(name)}", matching(n), learner, 1000, tests=1) for n in stage.size.agents}
        for name, learner in learners.items()
    }


def selected(stage: Stage) -> dict[str, Played]:
    """Which equilibrium of the climbing game sessions end in."""
    fading = Exponential(total_decay=7)
    alone = {"alpha": 0.1, "gamma": 0.0, "initial": ConstantValue(value=0), "exploration": fading}
    choice: dict[str, Any] = {"rollout": 32, "minibatches": 2, "rate": 3e-3, "gamma": 0.0, "hidden": (16,)}
    values = {"gamma": 0.0, "hidden": (16,), "exploration": fading, "capacity": 4000}
    sure = {"deterministic_test": True}
    learners: dict[str, Learner] = {
        "independent Q-learning": QLearning(**alone),
        "joint-action Q-learning": JointQLearning(**alone),
        "PPO": PPO(**choice, **sure),
        "MAPPO": MAPPO(**choice, **sure, parameters="own"),
        "VDN": VDN(**values),
        "QMIX": QMIX(**values),
        "centralised Q-learning": Centralised(learner=QLearning(**alone)),
    }
    return {
        name: stage.of(f"climbing-{slug(name)}", CLIMBING, learner, 3000, sessions=stage.size.many)
        for name, learner in learners.items()
    }


def surrounded(stage: Stage, market: Portfolio) -> dict[str, Played]:
    """What a manager who never changes earns while the others learn, and while nobody does."""
    steady, learner = Rule(rule="radner", agents=1), PPO(**GRADIENT)
    others: dict[str, Learner] = {
        "others learn": learner, "nobody learns": learner.model_copy(update={"rate": 1e-12})
    }  # fmt: skip
    return {
        name: stage.of(f"drift-{slug(name)}", market, [steady, other], 2000, copies=COPIES, tests=100)
        for name, other in others.items()
    }


def slug(name: str) -> str:
    """A name as part of a folder's.

    Examples
    --------
    >>> slug("PPO, team reward")
    'ppo-team-reward'
    """
    return "-".join(name.lower().replace(",", "").split())

"""The experiments of the study of cooperation in the resource market: which market, who plays, how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tacitlab.lab.experiment import Experiment, Length, Test
from tacitlab.learners import BestResponse, ConstantValue, QLearning, Rule, Schedule, Trained
from tacitlab.learners.base import Learner
from tacitlab.markets import ResourceMarket

EPISODES = 500  # of training (P)
TEST_EPISODES = 100
SEED = 1  # of every experiment, so that baselines meet the noise that learners meet
DECAY = 300_000  # steps in which exploration falls: 300 episodes of 1000 steps

LITERAL: dict[str, Any] = {"execution": "pre", "law": "linear", "valuation": "mark-to-market"}
CASH: dict[str, Any] = {"highest": None, "cash": 10_000.0, "inventory": 0, "levels": (18, 37)}
NO_SIGNALS: dict[str, Any] = {"signals": "none", "observes": ("trend", "level")}
GAINS: dict[str, Any] = {
    **LITERAL, **NO_SIGNALS, "execution": "post", "shock": 0.2, "volatility": 0.002, "lowest": -5, "highest": 5,
    "inventory": 0, "levels": (0, 1),
}  # fmt: skip


class Setting(NamedTuple):
    """A reading of the paper: which market is played."""

    key: str
    words: str
    market: Mapping[str, Any]

    def but(self, key: str, words: str, **market: Any) -> "Setting":
        """The same with a difference."""
        return Setting(f"{self.key}-{key}", f"{self.words}, {words}", {**self.market, **market})

    @property
    def environment(self) -> ResourceMarket:
        """The market that is trained in."""
        return ResourceMarket(**self.market)


CASH10K = Setting("literal", "literal market", {**LITERAL, **CASH})
CAPPED = Setting("capped", "capped market", LITERAL)
CAPPED_POST = Setting("capped-post", "capped market, fills after impact", {**LITERAL, "execution": "post"})
SOUND = Setting("sound", "sound market", {})
LIQUIDATED = CASH10K.but("liquidated", "inventory sold at the end", valuation="final-liquidation")
STRONGER = CASH10K.but("0118", "impact 0.0118", impact=0.0118)
TRADING = Setting("gains", "gains from trade", GAINS)

SCHEDULE = Schedule(points=((0, 1.0), (DECAY, 0.01)), between="linear")
CONSTANT = Schedule(points=((0, 0.1), (DECAY, 0.1)), between="linear")  # two points, as above: compiled only once
LEARNER = QLearning(alpha=0.1, gamma=0.95, initial=ConstantValue(value=0), ties="random", exploration=SCHEDULE)

RULES = ("hold", "random", "trend-follower", "buy-to-limit", "contrarian")


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    sessions : int
        Of every experiment with two traders.
    exact_sessions : int
        Of them, those whose exploitability is computed.
    scale_sessions : int
        Of the experiments with many traders.
    agents : tuple of int
        Numbers of traders, besides two.
    everything : bool
        Whether variations are played in all markets; otherwise most of them in one, and some not at all.
    episodes, test_episodes : int
    steps : int or None
        Of an episode, where it is not that of the paper.
    """

    sessions: int
    exact_sessions: int
    scale_sessions: int
    agents: tuple[int, ...]
    everything: bool = True
    episodes: int = EPISODES
    test_episodes: int = TEST_EPISODES
    steps: int | None = None

    def experiment(
        self,
        setting: Setting,
        learners: tuple[Learner, ...],
        name: str = "",
        *,
        sessions: int | None = None,
        trains: bool = True,
        test: Mapping[str, Any] | None = None,
        **market: Any,
    ) -> Experiment:
        """One experiment; who does not learn plays a single episode before the test."""
        length = {} if self.steps is None else {"steps": self.steps}
        return Experiment(
            name="-".join(part for part in (setting.key, name) if part),
            environment=ResourceMarket(**{**setting.market, **length, **market}),
            learners=learners,
            length=Length(episodes=self.episodes if trains else 1),
            sessions=sessions or self.sessions,
            seed=SEED,
            test=Test(episodes=self.test_episodes, environment=dict(test or {}), baselines=False),  # the study's own
        )

    def learned(self, setting: Setting, name: str = "", learner: QLearning = LEARNER, **other: Any) -> Experiment:
        """Traders who learn."""
        return self.experiment(setting, (learner,), name, **other)

    def ruled(self, setting: Setting, rule: str, rate: float = 1.0, name: str = "", **other: Any) -> Experiment:
        """Traders who follow a rule."""
        return self.experiment(setting, (Rule(rule=rule, rate=rate),), name or rule, trains=False, **other)

    def frozen(self, setting: Setting, run: str, name: str, **other: Any) -> Experiment:
        """Both traders of an earlier run, in a market that differs from theirs."""
        return self.experiment(setting, (Trained(run=run),), name, trains=False, **other)

    def beside(self, setting: Setting, first: Learner, rule: str, name: str) -> Experiment:
        """One trader beside another who follows a rule."""
        pair = first.model_copy(update={"agents": 1}), Rule(rule=rule, agents=1)
        return self.experiment(setting, pair, name, trains=False)

    def attacked(self, setting: Setting, run: str, role: str) -> Experiment:
        """The first trader of an earlier run against an adversary who knows it: a responder or a spoofer."""
        two = (Trained(run=run, agents=1), BestResponse(run=run))
        seats: dict[str, Any] = {"traders": 1, f"{role}s": 1}
        return self.experiment(setting, two, role, trains=False, **seats)

    def disturbed(self, setting: Setting, traders: Learner, noise: int, name: str) -> Experiment:
        """Two traders beside others who trade at random in half of all steps."""
        both = traders.model_copy(update={"agents": 2}), Rule(rule="random", rate=0.5)
        return self.experiment(setting, both, f"{name}-noise-{noise}", trains=False, noise_traders=noise)


SIZES = {
    "quick": Size(sessions=12, exact_sessions=5, scale_sessions=5, agents=(100,), everything=False),
    "paper": Size(sessions=100, exact_sessions=20, scale_sessions=8, agents=(10, 50, 100, 200)),
}

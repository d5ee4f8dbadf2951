"""The experiments of the study of insider trading: which auctions and dealers, who learns, how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tacitlab.lab.experiment import Experiment, Length, Test, Trace
from tacitlab.learners import PPO, ConstantValue, QLearning, Schedule
from tacitlab.learners.base import Learner
from tacitlab.markets import GlostenMilgrom, KyleMarket

SEED = 1  # of every experiment
WINDOWS = 50  # of learning curves
ROUNDS = 4  # sequential auctions of a value
HISTORY = 1000  # auctions that a rational maker remembers
EPISODE = 2000  # auctions of an episode in which one learns from past ones
CUSTOMERS = 500  # of an episode of dealers
FALLING = 0.8  # of a session in which Q-learners' exploration falls to 0

#: Chosen with one insider by how fast and how near the equilibrium slopes come, see docs/insider-trading.md.
LEARNER = PPO(
    hidden=(16,), rollout=1024, minibatches=4, epochs=4, rate=3e-3, gamma=0.0, trace=1.0, log_sd=-1.0,
    deterministic_test=True,
)  # fmt: skip
DEALER = PPO(hidden=(), rollout=250, minibatches=1, rate=1e-2, gamma=0.0, trace=1.0, deterministic_test=True)


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    sessions : int
    auctions : int
        That everybody trains for.
    entropy : (float, float)
        Weight of entropy of insiders and of a maker, which keeps them from becoming certain too soon. What
        randomness it leaves to insiders acts as noise trade; a maker's does not change what is best for anybody.
    tests : int
        Auctions, or days of auctions, of a test.
    customers : int
        That dealers train with.
    ticks : tuple of float
    rates : tuple of float
        Learning rates of Q-learners with realised profits.
    everything : bool
        Whether variations that take long are played.
    """

    sessions: int
    auctions: int
    entropy: tuple[float, float]
    tests: int
    customers: int
    ticks: tuple[float, ...]
    rates: tuple[float, ...]
    everything: bool = True

    # --- auctions --------------------------------------------------------------------------------------------------

    def auction(self, name: str, market: KyleMarket) -> Experiment:
        """Insiders, and the maker if he learns, by PPO with networks of their own."""
        gamma = 1.0 if market.rounds > 1 else 0.0  # profits of later auctions count where there are any
        insider, maker = ({"gamma": gamma, "entropy_weight": weight} for weight in self.entropy)
        learners: list[Learner] = [LEARNER.model_copy(update=insider | {"agents": market.insiders})]
        if market.maker == "learning":
            learners.append(LEARNER.model_copy(update=maker | {"agents": 1}))
        tests = self.tests if market.values == "once" else max(1, self.tests // market.auctions)
        return Experiment(
            name=name, environment=market, learners=tuple(learners), sessions=self.sessions, seed=SEED,
            length=Length(episodes=-(-self.auctions // market.auctions)), trace=Trace(windows=WINDOWS),
            test=Test(episodes=tests, baselines=False),
        )  # fmt: skip

    def auctioned(self) -> dict[str, KyleMarket]:
        """Every market of auctions, by name."""
        found = {
            "one": KyleMarket(insiders=1),
            "two": KyleMarket(insiders=2),
            "two-fixed": KyleMarket(insiders=2, maker="fixed"),
            "two-rational": KyleMarket(
                insiders=2, maker="rational", values="each", auctions=EPISODE, memory=HISTORY, slope=1.0
            ),
            "day": KyleMarket(insiders=1, auctions=ROUNDS),
        }
        if self.everything:
            found["three"] = KyleMarket(insiders=3)
            found["two-day"] = KyleMarket(insiders=2, auctions=ROUNDS)
        return found

    # --- dealers ---------------------------------------------------------------------------------------------------

    def dealers(self, name: str, learner: Learner, payoffs: str, rates: Sequence[float] = ()) -> Experiment:
        """Two dealers for every tick (and learning rate); the room for half-spreads is the same: all compile once."""
        room = len(GlostenMilgrom(tick=min(self.ticks)).spreads)
        market = GlostenMilgrom(tick=self.ticks[0], levels=room, customers=CUSTOMERS, payoffs=payoffs)
        sweep = {"environment.tick": list(self.ticks)} | ({"learners.alpha": list(rates)} if rates else {})
        return Experiment(
            name=name, environment=market, learners=(learner,), sessions=self.sessions, seed=SEED,
            length=Length(episodes=self.customers // CUSTOMERS), trace=Trace(windows=min(WINDOWS, self.windows)),
            test=Test(episodes=1, baselines=False), sweep=sweep,
        )  # fmt: skip

    @property
    def windows(self) -> int:
        """Windows of the dealers' learning curves: whole episodes."""
        return self.customers // CUSTOMERS

    def table(self, alpha: float) -> QLearning:
        """Q-learning without memory and foresight, whose exploration falls to nothing."""
        falls = Schedule(points=((0, 1.0), (int(FALLING * self.customers), 0.0)), between="linear")
        return QLearning(alpha=alpha, gamma=0.0, initial=ConstantValue(value=0), ties="random", exploration=falls)


SIZES = {
    "quick": Size(
        sessions=20, auctions=102_400, entropy=(0.02, 0.05), tests=10_000, customers=40_000,
        ticks=(0.1, 0.15, 0.2, 0.3), rates=(0.01,), everything=False,
    ),
    "paper": Size(
        sessions=20, auctions=614_400, entropy=(0.01, 0.05), tests=20_000, customers=200_000,
        ticks=(0.05, 0.1, 0.15, 0.2, 0.3, 0.4), rates=(0.1, 0.01, 0.001),
    ),
}  # fmt: skip

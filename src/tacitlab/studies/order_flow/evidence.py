"""The runs of the study of order flow: zero intelligence, learners, and four markets with a limit order book."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.experiment import Experiment, Length, Test, Trace
from tacitlab.lab.result import Result
from tacitlab.learners import PPO, Rule
from tacitlab.learners.base import Learner
from tacitlab.markets import DoubleAuction, OrderBook
from tacitlab.measures.statistics import Estimate
from tacitlab.measures.stylised_facts import PriceImpact, autocorrelation, excess_kurtosis, price_impact, signature
from tacitlab.plot.chart import Line
from tacitlab.report.answer import cell_data
from tacitlab.report.market_tested import Tested, outcome_of
from tacitlab.studies.base import Player, by_session, paired_difference
from tacitlab.studies.frame import curve

Floats = NDArray[np.float64]

SEED = 1  # of every experiment: rules meet the chance that learners meet
RULES = ("zero-intelligence", "truthful")
LESSONS = 20  # steps of an episode in which everybody quotes in every step
EVERY = 10  # steps of a return on which verdicts rest
LAGS = 50  # in returns
SETTLING = 0.1  # share of an episode in which the book forgets how it began

#: Chosen among a few by the efficiency of four sessions, see docs/order-flow.md.
LEARNER = PPO(parameters="shared", hidden=(32, 32), rollout=100, rate=3e-3, gamma=1.0)
BARGAINER = LEARNER.model_copy(update={"rollout": 16, "rate": 5e-3, "deterministic_test": True})

#: Who is there besides the noise traders: the rules of maker and informed trader.
MARKETS: Mapping[str, tuple[str, str]] = {
    "zero intelligence": ("hold", "hold"),
    "with informed": ("hold", "informed"),
    "with maker": ("inventory", "hold"),
    "with both": ("inventory", "informed"),
}


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    runs, steps : int
        Of zero-intelligence traders, and their steps.
    sessions, episodes : int
        Of learners in the double auction, in each of 8 copies.
    bargains : int
        Episodes of two learners, in each of 64 copies.
    flows, flow_steps : int
        Sessions of the order book, and their steps.
    """

    runs: int
    steps: int
    sessions: int
    episodes: int
    bargains: int
    flows: int
    flow_steps: int


SIZES: Mapping[str, Size] = {
    "quick": Size(runs=400, steps=1000, sessions=6, episodes=200, bargains=300, flows=12, flow_steps=4000),
    "paper": Size(runs=2000, steps=4000, sessions=20, episodes=1000, bargains=1500, flows=40, flow_steps=20_000),
}


def auction() -> DoubleAuction:
    """The double auction in which everybody quotes in every step: learners hear of what they do."""
    return DoubleAuction(arrival="all", steps=LESSONS)


def bilateral() -> DoubleAuction:
    """One buyer and one seller with private values, who quote once."""
    return DoubleAuction(buyers=1, sellers=1, steps=1, trading="call", schedule="uniform")


def order_book(size: Size) -> OrderBook:
    """Four noise traders, room for a maker and an informed trader."""
    return OrderBook(steps=size.flow_steps, order_size=3.0)


@dataclass(frozen=True, eq=False)
class Auctions:
    """What sessions of a double auction ended in; those whose learning failed are left out."""

    found: Tested

    @property
    def sessions(self) -> NDArray[np.int64]:
        """Their numbers."""
        return np.asarray(self.found.data["session"].values)

    def last(self, name: str) -> Floats:
        """A quantity at the end of an episode, mean over the episodes of the test: (sessions,)."""
        values = self.found.data[f"test_{name}"].transpose("session", "step").values
        return np.asarray(values[:, -1], dtype=np.float64)

    def less(self, other: "Auctions", name: str) -> Estimate:
        """Mean of the same less that of other play, session by session."""
        return paired_difference(*(by_session(one.last(name), one.sessions) for one in (self, other)))

    def buyers_share(self) -> Floats:
        """What buyers gain of all gains: (sessions,)."""
        gains = self.found.outcomes
        return np.asarray(gains[:, : self.found.market.roles()[0].agents].sum(axis=1) / gains.sum(axis=1))

    def learning(self, largest: float, name: str) -> Line:
        """Sum of all gains over the largest surplus, window by window."""
        gains = self.found.data["payoff"].astype(np.float64).sum("agent").transpose("session", "time").values
        return curve(self.found.data["time"].values, gains / largest, name)


@dataclass(frozen=True, eq=False)
class Flow:
    """One market with an order book, after the book has settled.

    Attributes
    ----------
    mid, value, spread, volume, flow : (sessions, steps) arrays
        Of the end of each step: middle of the quotes, what only the informed know, distance of the quotes (ticks); lots
        traded in the step, and bought less sold by those who came in.
    gains : (sessions, 3) array
        Mean gains of a step of maker, informed trader and noise traders (all of them), in ticks.
    refused : float
        Lots that the full book refused, in all sessions.
    """

    mid: Floats
    value: Floats
    spread: Floats
    volume: Floats
    flow: Floats
    gains: Floats
    refused: float

    @classmethod
    def of(cls, result: Result, cell: int) -> "Flow":
        """A cell of the run."""
        data = cell_data(result, cell)
        steps = data.sizes["step"]
        first = int(SETTLING * steps)

        def path(name: str) -> Floats:
            return np.asarray(data[f"test_{name}_path"].transpose("session", "step").values[:, first:], np.float64)

        earned = data["test_payoff"].transpose("session", "episode", "agent").values.mean(axis=1) / steps
        gains = np.column_stack([earned[:, 0], earned[:, 1], earned[:, 2:].sum(axis=1)])
        refused = float(data["test_refused_path"].sum())
        mid, value, spread, volume, flow = (path(name) for name in ("mid", "value", "spread", "volume", "flow"))
        return cls(mid, value, spread, volume, flow, gains, refused)

    def returns(self, every: int = EVERY) -> Floats:
        """Logarithmic returns of the middle over so many steps: (sessions, returns)."""
        return np.diff(np.log(self.mid[:, ::every]), axis=1)

    def kurtosis(self, every: int = EVERY) -> Floats:
        """Excess kurtosis of returns: (sessions,)."""
        return excess_kurtosis(self.returns(every))

    def memory(self, every: int = EVERY, lags: int = LAGS) -> Floats:
        """Autocorrelation of returns: (sessions, lags)."""
        return autocorrelation(self.returns(every), lags)

    def clustering(self, every: int = EVERY, lags: int = LAGS) -> Floats:
        """Autocorrelation of absolute returns: (sessions, lags)."""
        return autocorrelation(np.abs(self.returns(every)), lags)

    @cached_property
    def impact(self) -> PriceImpact:
        """Change of the middle, in ticks, by the net volume of the same steps."""
        kept = EVERY * ((self.mid.shape[1] - 1) // EVERY)
        net = self.flow[:, 1 : kept + 1].reshape(len(self.flow), -1, EVERY).sum(axis=2)
        return price_impact(net, np.diff(self.mid[:, : kept + 1 : EVERY], axis=1))

    def signature(self, intervals: tuple[int, ...]) -> Floats:
        """Volatility by sampling interval, ticks per root of a step: (sessions, intervals)."""
        return signature(self.mid, intervals)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs of the study.

    Attributes
    ----------
    gode_sunder : Auctions
        Zero-intelligence traders, one quote a step.
    rules : mapping of str to Auctions
        Those who do not learn, where everybody quotes in every step.
    learned : Auctions
        PPO there.
    bargained : Auctions
        PPO in bilateral trade.
    flows : mapping of str to Flow
        The markets with an order book.
    """

    gode_sunder: Auctions
    rules: Mapping[str, Auctions]
    learned: Auctions
    bargained: Auctions
    flows: Mapping[str, Flow]


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    ruled = play(_auction("zero-intelligence", DoubleAuction(steps=size.steps), Rule(rule=RULES[0]), size.runs))
    both = play(
        _auction("rules", auction(), Rule(rule=RULES[0]), size.sessions, tests=200, sweep={"learners.rule": RULES})
    )
    learned = play(_auction("learned", auction(), LEARNER, size.sessions, size.episodes, copies=8, tests=200))
    bargained = play(_auction("bilateral", bilateral(), BARGAINER, size.sessions, size.bargains, copies=64, tests=4000))
    flows = play(_flows(size))
    return Evidence(
        Auctions(outcome_of(ruled)),
        {rule: Auctions(outcome_of(both, cell)) for cell, rule in enumerate(RULES)},
        Auctions(outcome_of(learned)),
        Auctions(outcome_of(bargained)),
        {name: Flow.of(flows, cell) for cell, name in enumerate(MARKETS)},
    )


def _auction(
    name: str, market: DoubleAuction, learner: Learner, sessions: int, episodes: int = 1, copies: int = 1,
    tests: int = 1, sweep: Mapping[str, tuple[str, ...]] | None = None,
) -> Experiment:  # fmt: skip
    """Buyers and sellers who play alike, each side by itself."""
    sides = [learner.model_copy(update={"agents": role.agents}) for role in market.roles()]
    return Experiment(
        name=name, environment=market, learners=tuple(sides), length=Length(episodes=episodes), copies=copies,
        sessions=sessions, seed=SEED, trace=Trace(windows=40), test=Test(episodes=tests, baselines=False),
        sweep={path: list(values) for path, values in (sweep or {}).items()},
    )  # fmt: skip


def _flows(size: Size) -> Experiment:
    """The four markets, a cell each."""
    market = order_book(size)
    maker, informed = (list(dict.fromkeys(rules)) for rules in zip(*MARKETS.values(), strict=True))
    learners = (
        Rule(rule="hold", agents=1), Rule(rule="hold", agents=1),
        Rule(rule="zero-intelligence", agents=market.noise_traders),
    )  # fmt: skip
    return Experiment(
        name="order-book", environment=market, learners=learners, length=Length(episodes=1), sessions=size.flows,
        seed=SEED, test=Test(episodes=1, baselines=False),
        sweep={"learners.0.rule": list(maker), "learners.1.rule": list(informed)},
    )  # fmt: skip

"""What do traders without intelligence explain: the efficiency of auctions, and the statistics of prices?

Zero-intelligence traders in the double auction of Gode and Sunder (1993), under rules for which the reference gives
numbers; learners in the same market; and a market with a limit order book whose order flow is random, with a market
maker, with a trader who knows what the asset is worth, and with both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result
from tacitlab.learners import PPO, Rule
from tacitlab.learners.base import Learner
from tacitlab.markets import DoubleAuction
from tacitlab.markets.double_auction.theory import BilateralTrade, expected_surplus
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.measures.stylised_facts import PriceImpact, autocorrelation, excess_kurtosis, price_impact, signature
from tacitlab.plot.chart import Line
from tacitlab.report.answer import cell_data
from tacitlab.report.market_tested import Tested, outcome_of
from tacitlab.studies.base import (
    Claim,
    Finding,
    Floats,
    Player,
    Study,
    Verdict,
    between,
    by_session,
    less_than,
    more_than,
    named,
    paired_difference,
)  # fmt: skip
from tacitlab.studies.frame import beside, compared, curve, published, scenario

PUBLISHED = published(__file__)
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

CONT = "stylised fact (Cont 2001)"
NEAR = 0.05  # autocorrelations of returns within it count as none
LASTING = 0.02  # an autocorrelation of absolute returns above it counts as memory
LATE = 10  # lags from here on show whether memory decays slowly

NOTES = (
    f"Facts are judged by returns over {EVERY} steps, about as many trades, of the middle between the best quotes.",
    f"Returns count as without memory if their first autocorrelation lies within {NEAR:g} of 0; volatility clusters "
    f"if the mean autocorrelation of absolute returns at lags {LATE} to {LAGS} exceeds {LASTING:g}; impact is concave "
    "if its power of the volume is below 1.",
    "Rates of orders are constant and the value makes independent normal steps: what clusters is made by the book.",
)


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


class OrderFlow(Study):
    """Zero intelligence in auctions and order books, beside learners, makers and those who know."""

    name: ClassVar[str] = "order-flow"
    question: ClassVar[str] = "what do traders without intelligence explain of auctions and of prices?"
    source: ClassVar[str] = (
        "D. Gode and S. Sunder, Journal of Political Economy 101 (1993) 119-137; K. Chatterjee and W. Samuelson, "
        "Operations Research 31 (1983) 835-851; E. Smith, J. D. Farmer, L. Gillemot and S. Krishnamurthy, Quantitative "
        "Finance 3 (2003) 481-514; R. Cont, Quantitative Finance 1 (2001) 223-236."
    )
    sizes: ClassVar[Mapping[str, Size]] = SIZES

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


# --- what is played ---------------------------------------------------------------------------------------------------


def auction() -> DoubleAuction:
    """The double auction in which everybody quotes in every step: learners hear of what they do."""
    return DoubleAuction(arrival="all", steps=LESSONS)


def bilateral() -> DoubleAuction:
    """One buyer and one seller with private values, who quote once."""
    return DoubleAuction(buyers=1, sellers=1, steps=1, trading="call", schedule="uniform")


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
    rules = {"learners.rule": list(RULES)}
    seats = enumerate(zip(*MARKETS.values(), strict=True))
    each = {f"learners.{seat}.rule": list(dict.fromkeys(names)) for seat, names in seats}  # a cell for each market
    book = {"environment.steps": size.flow_steps, "sessions": size.flows, "sweep": each}
    ruled = play(_auction("zero-intelligence", DoubleAuction(steps=size.steps), Rule(rule=RULES[0]), size.runs))
    both = play(_auction("rules", auction(), Rule(rule=RULES[0]), size.sessions, tests=200, sweep=rules))
    learned = play(_auction("learned", auction(), LEARNER, size.sessions, size.episodes, copies=8, tests=200))
    bargained = play(_auction("bilateral", bilateral(), BARGAINER, size.sessions, size.bargains, copies=64, tests=4000))
    traded = play(scenario(__file__, "order-book", book))
    return Evidence(
        Auctions(outcome_of(ruled)),
        {rule: Auctions(outcome_of(both, cell)) for cell, rule in enumerate(RULES)},
        Auctions(outcome_of(learned)),
        Auctions(outcome_of(bargained)),
        {name: Flow.of(traded, cell) for cell, name in enumerate(MARKETS)},
    )


def _auction(
    name: str, market: DoubleAuction, learner: Learner, sessions: int, episodes: int = 1, *, tests: int = 1, **more: Any
) -> Experiment:
    sides = [learner.model_copy(update={"agents": role.agents}) for role in market.roles()]
    changes = {"name": name, "environment": market, "learners": sides, "sessions": sessions, **more}
    return scenario(__file__, "auction", {**changes, "length.episodes": episodes, "test.episodes": tests})


# --- claims -----------------------------------------------------------------------------------------------------------


def examine(e: Evidence) -> Finding:
    """Judge what the runs show."""
    from tacitlab.studies.order_flow.figures import sections

    claims = (*auction_claims(e), *(claim for name, flow in e.flows.items() for claim in fact_claims(name, flow)))
    return Finding(answer(e, claims), claims, sections(e), NOTES)


def auction_claims(e: Evidence) -> Iterator[Claim]:
    """Zero intelligence beside the reference, learners beside zero intelligence and beside theory."""
    yield from reference_claims(e.gode_sunder)
    rule = e.rules[RULES[0]]
    yield Claim("ZI-C, everybody quotes: efficiency", mean_interval(rule.last("efficiency")))
    yield Claim("truthful quotes: efficiency", mean_interval(e.rules["truthful"].last("efficiency")))
    yield Claim("PPO: efficiency", mean_interval(e.learned.last("efficiency")))
    better = e.learned.less(rule, "efficiency")
    yield Claim("PPO: efficiency more than ZI-C", better, margin=more_than(0.0), source="learners must beat it")
    yield Claim("PPO: Smith's alpha", mean_interval(e.learned.last("alpha")))
    closer = e.learned.less(rule, "alpha")
    yield Claim("PPO: Smith's alpha more than ZI-C", closer)
    yield Claim("PPO: buyers' share of the gains", mean_interval(e.learned.buyers_share()))
    found = mean_interval(e.bargained.last("surplus") / expected_surplus(1, 1))
    theory = BilateralTrade().efficiency
    yield Claim("bilateral trade, PPO: efficiency", found, theory, "linear equilibrium (Chatterjee and Samuelson 1983)")


def reference_claims(found: Auctions) -> Iterator[Claim]:
    """Means beside those of the reference, whose standard errors are those of as many runs."""
    quantities = {
        "efficiency": "efficiency", "mean_price": "mean price (currency)", "alpha": "Smith's alpha", "trades": "trades",
    }  # fmt: skip
    known = {f"ZI-C: {words}": mean_interval(found.last(name)) for name, words in quantities.items()}
    efficiency = found.last("efficiency")
    square = mean_interval((efficiency - efficiency.mean()) ** 2)
    mean, low, high = (float(np.sqrt(max(x, 0.0))) for x in (square.mean, square.low, square.high))
    se = square.se / (2 * mean) if mean else square.se  # by the delta method
    known["ZI-C: sd of efficiency over runs"] = Estimate(mean, low, high, se, square.n)
    for name, value in known.items():
        yield beside(name, value, PUBLISHED[name], se=PUBLISHED[name].error_like(value))


def fact_claims(name: str, flow: Flow) -> Iterator[Claim]:
    """The four facts in one market."""
    kurtosis = mean_interval(flow.kurtosis())
    yield Claim(f"{name}: excess kurtosis", kurtosis, source=CONT, margin=more_than(0.0))
    first = mean_interval(flow.memory(lags=1)[:, 0])
    yield Claim(f"{name}: autocorrelation of returns", first, source=CONT, margin=between(-NEAR, NEAR))
    late = mean_interval(flow.clustering()[:, LATE - 1 :].mean(axis=1))
    yield Claim(
        f"{name}: autocorrelation of absolute returns, lags {LATE} to {LAGS}", late, source=CONT,
        margin=more_than(LASTING),
    )  # fmt: skip
    power = flow.impact.exponent
    yield Claim(f"{name}: power of price impact", power, source=CONT, margin=less_than(1.0))


# --- answer -----------------------------------------------------------------------------------------------------------


ALPHA = "PPO: Smith's alpha"


def answer(e: Evidence, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    by_name = named(claims)

    def shown(name: str) -> str:
        return str(by_name[name].measured)

    theory = BilateralTrade().efficiency
    nearer = compared(
        by_name[f"{ALPHA} more than ZI-C"].measured, "nearer the competitive price",
        "as near the competitive price, for all we see", "farther from the competitive price",
    )  # fmt: skip
    return (
        f"In the double auction traders without intelligence, who quote anything that brings no loss, realise "
        f"{shown('ZI-C: efficiency')} of the largest surplus, where the reference has "
        f"{PUBLISHED['ZI-C: efficiency'].value:g}. Where everybody quotes in each of {LESSONS} steps they realise "
        f"{shown('ZI-C, everybody quotes: efficiency')}, and PPO {shown('PPO: efficiency')}: a difference of "
        f"{shown('PPO: efficiency more than ZI-C')}. Learners trade {nearer}: Smith's alpha is {shown(ALPHA)}, that of "
        f"ZI-C {e.rules[RULES[0]].last('alpha').mean():.3f}. In bilateral trade with private values they realise "
        f"{shown('bilateral trade, PPO: efficiency')}; the linear equilibrium has {theory:.3f}, and no equilibrium "
        f"more.\n\n{facts(claims)}"
    )


def facts(claims: Sequence[Claim]) -> str:
    """Which facts appear in which market."""
    names = {
        "excess kurtosis": "fat tails",
        "autocorrelation of returns": "returns without memory",
        f"autocorrelation of absolute returns, lags {LATE} to {LAGS}": "lasting clusters of volatility",
        "power of price impact": "concave impact",
    }
    judged = {name: claim.judged() for name, claim in named(claims).items()}
    parts = []
    for market in MARKETS:
        verdicts = {words: judged[f"{market}: {fact}"] for fact, words in names.items()}
        groups = {
            "seen": [w for w, v in verdicts.items() if v is Verdict.REPRODUCED],
            "refuted": [w for w, v in verdicts.items() if v is Verdict.NOT],
            "undecided": [w for w, v in verdicts.items() if v is Verdict.UNDECIDED],
        }
        said = "; ".join(f"{how}: {', '.join(found)}" for how, found in groups.items() if found)
        parts.append(f"{market}, {said}")
    return (
        f"Prices of the order book, by who is there besides noise traders. {'. '.join(p.capitalize() for p in parts)}."
    )

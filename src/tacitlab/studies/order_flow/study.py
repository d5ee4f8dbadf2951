"""What do traders without intelligence explain: the efficiency of auctions, and the statistics of prices?

Zero-intelligence traders in the double auction of Gode and Sunder (1993), under rules for which the reference gives
numbers; learners in the same market; and a market with a limit order book whose order flow is random, with a market
maker, with a trader who knows what the asset is worth, and with both.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from tacitlab.markets.double_auction.theory import BilateralTrade, expected_surplus
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, between, less_than, more_than
from tacitlab.studies.frame import compared
from tacitlab.studies.order_flow.evidence import (
    EVERY,
    LAGS,
    LESSONS,
    MARKETS,
    RULES,
    SIZES,
    Auctions,
    Evidence,
    Flow,
    Size,
    gather,
)
from tacitlab.studies.order_flow.report import sections

REFERENCE = "prototype under the same rules, 400 runs"
RUNS = 400  # of the reference
CONT = "stylised fact (Cont 2001)"
NEAR = 0.05  # autocorrelations of returns within it count as none
LASTING = 0.02  # an autocorrelation of absolute returns above it counts as memory
LATE = 10  # lags from here on show whether memory decays slowly

#: Efficiency, mean price, Smith's alpha and trades of the reference, and half a unit of their last digits.
PUBLISHED: Mapping[str, tuple[str, float, float]] = {
    "efficiency": ("efficiency", 0.958, 5e-4),
    "mean_price": ("mean price (currency)", 0.501, 5e-4),
    "alpha": ("Smith's alpha", 0.289, 5e-4),
    "trades": ("trades", 6.07, 5e-3),
}

NOTES = (
    f"Facts are judged by returns over {EVERY} steps, about as many trades, of the middle between the best quotes.",
    f"Returns count as without memory if their first autocorrelation lies within {NEAR:g} of 0; volatility clusters "
    f"if the mean autocorrelation of absolute returns at lags {LATE} to {LAGS} exceeds {LASTING:g}; impact is concave "
    "if its power of the volume is below 1.",
    "Rates of orders are constant and the value makes independent normal steps: what clusters is made by the book.",
)


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


def examine(e: Evidence) -> Finding:
    """Judge what the runs show."""
    claims = (*auction_claims(e), *(claim for name, flow in e.flows.items() for claim in fact_claims(name, flow)))
    return Finding(answer(e, claims), claims, sections(e), NOTES)


# --- claims ----------------------------------------------------------------------------------------------------------


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
    for quantity, (words, value, rounding) in PUBLISHED.items():
        values = found.last(quantity)
        error = float(values.std(ddof=1) / np.sqrt(RUNS))
        yield Claim(f"ZI-C: {words}", mean_interval(values), value, REFERENCE, published_se=error, rounding=rounding)
    spread = mean_interval(np.abs(found.last("efficiency") - found.last("efficiency").mean()) ** 2)
    deviation, bounds = np.sqrt(spread.mean), np.sqrt([max(spread.low, 0.0), spread.high])
    se = spread.se / (2 * deviation)
    estimate = Estimate(float(deviation), float(bounds[0]), float(bounds[1]), float(se), spread.n)
    yield Claim("ZI-C: sd of efficiency over runs", estimate, 0.051, REFERENCE,
                published_se=float(se * np.sqrt(spread.n / RUNS)), rounding=5e-4)  # fmt: skip


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


# --- answer ----------------------------------------------------------------------------------------------------------


ALPHA = "PPO: Smith's alpha"


def answer(e: Evidence, claims: tuple[Claim, ...]) -> str:
    """The finding in words."""
    by_name = {claim.name: claim for claim in claims}

    def shown(name: str) -> str:
        found = by_name[name].measured
        return f"{found.mean:{found.precision}} (95 % CI {found.interval})"

    theory = BilateralTrade().efficiency
    nearer = compared(
        by_name[f"{ALPHA} more than ZI-C"].measured, "nearer the competitive price",
        "as near the competitive price, for all we see", "farther from the competitive price",
    )  # fmt: skip
    return (
        f"In the double auction traders without intelligence, who quote anything that brings no loss, realise "
        f"{shown('ZI-C: efficiency')} of the largest surplus, where the reference has {PUBLISHED['efficiency'][1]:g}. "
        f"Where everybody quotes in each of {LESSONS} steps they realise "
        f"{shown('ZI-C, everybody quotes: efficiency')}, and PPO {shown('PPO: efficiency')}: a difference of "
        f"{shown('PPO: efficiency more than ZI-C')}. Learners trade {nearer}: Smith's alpha is {shown(ALPHA)}, that of "
        f"ZI-C {e.rules[RULES[0]].last('alpha').mean():.3f}. In bilateral trade with private values they realise "
        f"{shown('bilateral trade, PPO: efficiency')}; the linear equilibrium has {theory:.3f}, and no equilibrium "
        f"more.\n\n{facts(claims)}"
    )


def facts(claims: tuple[Claim, ...]) -> str:
    """Which facts appear in which market."""
    names = {
        "excess kurtosis": "fat tails",
        "autocorrelation of returns": "returns without memory",
        f"autocorrelation of absolute returns, lags {LATE} to {LAGS}": "lasting clusters of volatility",
        "power of price impact": "concave impact",
    }
    by_name = {claim.name: claim.judged() for claim in claims}
    parts = []
    for market in MARKETS:
        verdicts = {words: by_name[f"{market}: {fact}"] for fact, words in names.items()}
        groups = {
            "": [w for w, v in verdicts.items() if v is Verdict.REPRODUCED],
            "not ": [w for w, v in verdicts.items() if v is Verdict.NOT],
            "undecided: ": [w for w, v in verdicts.items() if v is Verdict.UNDECIDED],
        }
        said = "; ".join(f"{how}{', '.join(found)}" for how, found in groups.items() if found)
        parts.append(f"{market}: {said}")
    return (
        f"Prices of the order book, by who is there besides noise traders. {'. '.join(p.capitalize() for p in parts)}."
    )

"""Do insiders, makers and dealers who learn end where theory says? Kyle's auctions, and Glosten and Milgrom's dealers.

No publication is tested here but its model: closed forms, a recursion and an enumeration say where rational play ends,
and the learners' slopes and quotes are put beside them. Where they differ, exact best replies tell collusion from
failure to learn: who colludes could gain by leaving, who plays an equilibrium could not, and who has failed could gain
without giving anything up.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study
from tacitlab.studies.insider_trading.claims import BAR, beside, claims, stayed
from tacitlab.studies.insider_trading.evidence import Evidence, gather
from tacitlab.studies.insider_trading.report import sections
from tacitlab.studies.insider_trading.settings import SIZES, Size

SOURCE = (
    "A. Kyle, Continuous auctions and insider trading, Econometrica 53 (1985) 1315-1335. L. Glosten and P. Milgrom, "
    "Bid, ask and transaction prices in a specialist market with heterogeneously informed traders, J. Financial "
    "Economics 14 (1985) 71-100. C. Holden and A. Subrahmanyam, Long-lived private information and imperfect "
    "competition, J. Finance 47 (1992) 247-270. On learning: W. Dou, I. Goldstein and Y. Ji, NBER "
    "working paper 34054; J.-E. Colliard, T. Foucault and S. Lovo, Algorithmic pricing and liquidity in securities "
    "markets."
)
NOTES = (
    "Orders are any function of value and price (networks), a learning maker's action is his price slope. Tests are "
    "played with frozen policies without randomness; what is left of it while learning acts like noise trade, which "
    "makes orders larger and prices flatter than theory's by half its share of the noise.",
    "Slopes are those of regressions over the test, one for each session. Expected profits, pricing errors and best "
    "replies at these slopes are exact.",
)


class InsiderTrading(Study):
    """Slopes, profits and quotes of learners beside closed forms, with a learning, rational or fixed maker."""

    name: ClassVar[str] = "insider-trading"
    question: ClassVar[str] = "do insiders, makers and dealers who learn end where theory says, or do they collude?"
    source: ClassVar[str] = SOURCE
    sizes: ClassVar[Mapping[str, Size]] = SIZES

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def examine(e: Evidence) -> Finding:
    """Judge the claims by the runs of all experiments."""
    found = claims(e)
    return Finding(answer(e, found), found, sections(e), NOTES)


def answer(e: Evidence, found: tuple[Claim, ...]) -> str:
    """In words and numbers."""
    return f"{_slopes(e)}\n\n{_collusion(e)}\n\n{_day(e)}\n\n{_dealers(e)}"


def _slopes(e: Evidence) -> str:
    parts, worst = [], 0.0
    for name, words in (("one", "one insider"), ("two", "two")):
        one, nash = e.auctions[name], e.auctions[name].market.nash
        beta = mean_interval(one.orders[:, 0].mean(axis=1))
        impact = mean_interval(one.impacts[:, 0])
        worst = max(worst, abs(beta.mean / nash.orders[0] - 1), abs(impact.mean / nash.impacts[0] - 1))
        parts.append(f"{words}: β {beta} ({nash.orders[0]:.4f}), λ {impact} ({nash.impacts[0]:.4f})")
    verb = "learn" if worst <= BAR else "do not quite learn"
    return (
        f"Insiders and a maker who learn together {verb} Kyle's equilibrium, theory in brackets: {'; '.join(parts)}. "
        f"The farthest mean is {100 * worst:.1f} % off."
    )


def _collusion(e: Evidence) -> str:
    fixed, learns, rational = (e.auctions[name] for name in ("two-fixed", "two", "two-rational"))
    place = {name: mean_interval(one.place) for name, one in (("fixed", fixed), ("learning", learns))}
    gain = 100 * rational.exploitability.mean()
    return (
        f"Two insiders do not collude: their slopes lie {place['fixed']} of the way from equilibrium to cartel where "
        f"the price slope is fixed, {place['learning']} where the maker learns. Profits of both: fixed "
        f"{beside(fixed)}, learning {beside(learns)}, rational {beside(rational)}. A cartel that the maker expects "
        f"earns only 6.1 % more than the equilibrium, and 12.5 % more at a fixed slope: an index by profits divides by "
        f"that. Against a rational maker an insider could gain {gain:.2f} % of its equilibrium profit by another order."
    )


def _day(e: Evidence) -> str:
    day = e.auctions["day"]
    nash = day.market.nash
    orders = ", ".join(f"{x:.3f}" for x in day.orders.mean(axis=(0, 2)))
    impacts = ", ".join(f"{x:.3f}" for x in day.impacts.mean(axis=0))
    wanted = ", ".join(f"{x:.3f}" for x in nash.orders), ", ".join(f"{x:.3f}" for x in nash.impacts)
    profit = mean_interval(day.profits)
    return (
        f"Over a day of four auctions an insider orders {orders} for a unit of gap ({wanted[0]}), and the maker's "
        f"slopes are {impacts} ({wanted[1]}). It earns {profit} ({day.market.outcome(nash)[0]:.4f})."
    )


def _dealers(e: Evidence) -> str:
    exact = e.dealers["Q, expected profits"]
    noisy = {name: ticks for name, ticks in e.dealers.items() if "realised" in name}
    at = sum(int(one.settled.sum()) for one in exact.values()), sum(len(one.settled) for one in exact.values())
    parts = []
    for name, ticks in noisy.items():
        settled = np.concatenate([one.settled for one in ticks.values()])
        wider = np.mean([one.best.mean() / one.equilibria.max() - 1 for one in ticks.values()])
        parts.append(
            f"{name}: {settled.sum()} of {len(settled)} sessions at an equilibrium, half-spreads {100 * wider:+.0f} % "
            f"beside the highest, a better quote would gain {np.mean([stayed(one) for one in ticks.values()]):.3f}"
        )
    return (
        f"Of two Q-learning dealers who are rewarded with expected profits, {at[0]} of {at[1]} sessions end at an "
        f"equilibrium of their tick, most often at the highest. Rewarded with what customers bring: "
        f"{'; '.join(parts)}. Wide quotes from which dealers would gain by undercutting are no agreement: noise "
        f"teaches them."
    )

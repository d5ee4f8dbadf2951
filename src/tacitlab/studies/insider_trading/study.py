"""Do insiders, makers and dealers who learn end where theory says? Kyle's auctions, and Glosten and Milgrom's dealers.

No publication is tested here but its model: closed forms, a recursion and an enumeration say where rational play ends,
and the learners' slopes and quotes are put beside them. Where they differ, exact best replies tell collusion from
failure to learn: who colludes could gain by leaving, who plays an equilibrium could not, and who has failed could gain
without giving anything up.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, at_most, judge, more_than, together
from tacitlab.studies.frame import percent, say
from tacitlab.studies.insider_trading.claims import BAR, WORDS, beside, cartel_gain, claims, stayed
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
MIDDLE = 0.5  # of the way from equilibrium to cartel: who stays below is nearer to the equilibrium
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
    return f"{slopes(e, found)}\n\n{collusion(e)}\n\n{_day(e)}\n\n{dealers(e)}"


def slopes(e: Evidence, found: Sequence[Claim]) -> str:
    """Whether slopes are those of the equilibrium where the maker learns, too."""
    parts = []
    for name, words in (("one", "one insider"), ("two", "two")):
        one, nash = e.auctions[name], e.auctions[name].market.nash
        beta, impact = mean_interval(one.orders[:, 0].mean(axis=1)), mean_interval(one.impacts[:, 0])
        parts.append(f"{words}: β {beta} ({nash.orders[0]:.4f}), λ {impact} ({nash.impacts[0]:.4f})")
    learned = tuple(f"{WORDS[name]}: {which} slope over" for name in ("one", "two") for which in ("order", "price"))
    claims = [claim for claim in found if claim.name.startswith(learned)]
    verdict = together(claim.judged() for claim in claims)
    worst = max(abs(claim.measured.mean - 1) for claim in claims)
    return (
        f"Insiders and a maker who learn together {say(verdict, 'learn', 'do not quite learn', 'may have learned')} "
        f"Kyle's equilibrium, theory in brackets: {'; '.join(parts)}. The farthest mean is {percent(worst)} off, where "
        f"{percent(BAR, 0)} are allowed to the whole interval."
    )


def collusion(e: Evidence) -> str:
    """Whether two insiders trade less than in equilibrium, as a cartel would."""
    fixed, learns, rational = (e.auctions[name] for name in ("two-fixed", "two", "two-rational"))
    places = [mean_interval(one.place) for one in (fixed, learns)]
    verdict = together(judge(place, at_most(MIDDLE)) for place in places)
    words = say(verdict, "do not collude", "collude in part", "are not shown to stay apart from a cartel")
    gain = mean_interval(rational.exploitability)
    return (
        f"Two insiders {words}: their slopes lie {places[0]} of the way from equilibrium to cartel where the price "
        f"slope is fixed, {places[1]} where the maker learns. Profits of both: fixed {beside(fixed)}, learning "
        f"{beside(learns)}, rational {beside(rational)}. A cartel that the maker expects earns only "
        f"{percent(cartel_gain(learns))} more than the equilibrium, and {percent(cartel_gain(fixed))} more at a fixed "
        f"slope: an index by profits divides by that. Against a rational maker an insider could gain "
        f"{percent(gain.mean, 2)} of its equilibrium profit by another order."
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


def dealers(e: Evidence) -> str:
    """Where dealers' quotes end, and whether wide ones could be an agreement."""
    exact = e.dealers["Q, expected profits"].values()
    noisy = {name: ticks for name, ticks in e.dealers.items() if "realised" in name}
    of, settled = (sum(len(one.settled) for one in exact), sum(int(one.settled.sum()) for one in exact))
    highest = sum(int((one.settled & np.isclose(one.best, one.equilibria.max())).sum()) for one in exact)
    parts = []
    for name, ticks in noisy.items():
        ended = np.concatenate([one.settled for one in ticks.values()])
        wider = float(np.mean([one.best.mean() / one.equilibria.max() - 1 for one in ticks.values()]))
        parts.append(
            f"{name}: {ended.sum()} of {len(ended)} sessions at an equilibrium, half-spreads {percent(wider, 0, '+')} "
            f"beside the highest, a better quote would gain {np.mean([stayed(one) for one in ticks.values()]):.3f}"
        )
    gains = [one.gains.max(axis=1) for ticks in noisy.values() for one in ticks.values()]
    leave = judge(mean_interval(np.concatenate(gains)), more_than(0.0)) if gains else Verdict.UNDECIDED
    reading = say(
        leave,
        " Quotes from which dealers would gain by leaving are no agreement: noise teaches them.",
        " Nobody would gain by another quote.",
        "",
    )
    return (
        f"Of two Q-learning dealers who are rewarded with expected profits, {settled} of {of} sessions end at an "
        f"equilibrium of their tick, {highest} of them at the highest. Rewarded with what customers bring: "
        f"{'; '.join(parts)}.{reading}"
    )

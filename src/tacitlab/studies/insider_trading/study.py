"""Do insiders, makers and dealers who learn end where theory says? Kyle's auctions, and Glosten and Milgrom's dealers.

No publication is tested here but its model: closed forms, a recursion and an enumeration say where rational play ends,
and the learners' slopes and quotes are put beside them. Where they differ, exact best replies tell collusion from
failure to learn: who colludes could gain by leaving, who plays an equilibrium could not, and who has failed could gain
without giving anything up.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from tacitlab.measures.slopes import relative
from tacitlab.measures.statistics import mean_interval, proportion
from tacitlab.studies.base import (
    Claim,
    Finding,
    Floats,
    Player,
    Study,
    at_most,
    between,
    judge,
    more_than,
    together,
)
from tacitlab.studies.frame import percent, say
from tacitlab.studies.insider_trading.evidence import Auctions, Dealers, Evidence, Size, gather

BAR = 0.03  # of a slope, asked of learned play
SINGLE, SEVERAL, HOLDEN = "Kyle 1985, theorem 1", "Kyle 1985, theorem 2", "Holden and Subrahmanyam 1992"
ENUMERATED = "enumeration of all quotes"
WORDS = {
    "one": "one insider, maker learns",
    "two": "two insiders, maker learns",
    "three": "three insiders, maker learns",
    "two-fixed": "two insiders, maker fixed",
    "two-rational": "two insiders, maker rational",
    "day": "one insider, four auctions",
    "two-day": "two insiders, four auctions",
}
AMONG = "The margin reaches from the lowest to the highest symmetric equilibrium of the tick."
TICKLESS = 1e-7  # currency: quotes nearer than that are the same
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
    source: ClassVar[str] = (
        "A. Kyle, Continuous auctions and insider trading, Econometrica 53 (1985) 1315-1335. L. Glosten and P. "
        "Milgrom, Bid, ask and transaction prices in a specialist market with heterogeneously informed traders, J. "
        "Financial Economics 14 (1985) 71-100. C. Holden and A. Subrahmanyam, Long-lived private information and "
        "imperfect competition, J. Finance 47 (1992) 247-270. On learning: W. Dou, I. Goldstein and Y. Ji, NBER "
        "working paper 34054; J.-E. Colliard, T. Foucault and S. Lovo, Algorithmic pricing and liquidity in "
        "securities markets."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(
            sessions=20, auctions=102_400, entropy=(0.02, 0.05), tests=10_000, customers=40_000,
            ticks=(0.1, 0.15, 0.2, 0.3), rates=(0.01,), everything=False,
        ),
        "paper": Size(
            sessions=20, auctions=614_400, entropy=(0.01, 0.05), tests=20_000, customers=200_000,
            ticks=(0.05, 0.1, 0.15, 0.2, 0.3, 0.4), rates=(0.1, 0.01, 0.001),
        ),
    }  # fmt: skip

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def examine(e: Evidence) -> Finding:
    """Judge the claims by the runs of all experiments."""
    from tacitlab.studies.insider_trading.figures import sections

    found = all_claims(e)
    return Finding(answer(e, found), found, sections(e), NOTES)


# --- claims -------------------------------------------------------------------------------------------------------


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """All of them."""
    return (*slope_claims(e), *profit_claims(e), *day_claims(e), *dealer_claims(e))


# --- slopes --------------------------------------------------------------------------------------------------------


def slope_claims(e: Evidence) -> Iterator[Claim]:
    """Orders on values (beta), the maker's price slope and the regression of values on flows (both lambda)."""
    for name, found in e.auctions.items():
        if found.market.rounds > 1:
            continue
        nash, words = found.market.nash, WORDS[name]
        beta, impact = float(nash.orders[0]), float(nash.impacts[0])
        yield _slope(f"{words}: order slope over β = {beta:.4f}", found.orders[:, 0].mean(axis=1), beta)
        if found.market.maker != "fixed":
            yield _slope(f"{words}: price slope over λ = {impact:.4f}", found.impacts[:, 0], impact)
        yield _slope(f"{words}: regression of value on flow over λ", found.regressions[:, 0], impact)


def _slope(name: str, values: Floats, wanted: float, source: str = SINGLE) -> Claim:
    return Claim(name, relative(values, wanted), 1.0, source, margin=between(1 - BAR, 1 + BAR))


# --- profits -------------------------------------------------------------------------------------------------------


def profit_claims(e: Evidence) -> Iterator[Claim]:
    """Profits beside equilibrium and cartel, and the place of slopes between them."""
    for name, found in e.auctions.items():
        market, words = found.market, WORDS[name]
        nash, _ = market.outcome(market.nash)
        above = 100 * (found.profits / (market.insiders * nash) - 1)
        yield Claim(f"{words}: profit above equilibrium (%)", mean_interval(above))
        if market.insiders > 1:
            more = percent(cartel_gain(found))
            note = f"A cartel would earn {more} more than the equilibrium: the denominator of any index by profits."
            place = mean_interval(found.place)
            yield Claim(f"{words}: slopes from equilibrium (0) to cartel (1)", place, note=note)
        gain = mean_interval(100 * found.exploitability)
        yield Claim(f"{words}: what the best reply of an insider gains (% of equilibrium profit)", gain)


# --- a day of auctions ---------------------------------------------------------------------------------------------


def day_claims(e: Evidence) -> Iterator[Claim]:
    """Slopes of each auction beside the recursion."""
    for name, found in e.auctions.items():
        market = found.market
        if market.rounds == 1:
            continue
        source = SEVERAL if market.insiders == 1 else HOLDEN
        for n in range(market.rounds):
            for words, values, wanted in (
                ("order slope over b", found.orders[:, n].mean(axis=1), market.nash.orders[n]),
                ("price slope over λ", found.impacts[:, n], market.nash.impacts[n]),
            ):
                label = f"{WORDS[name]}, auction {n + 1}: {words} = {wanted:.4f}"
                yield _slope(label, values, float(wanted), source)


# --- dealers -------------------------------------------------------------------------------------------------------


def dealer_claims(e: Evidence) -> Iterator[Claim]:
    """Where quotes end, beside all symmetric equilibria of the tick."""
    for name, ticks in e.dealers.items():
        for tick, found in ticks.items():
            low, high = float(found.equilibria.min()), float(found.equilibria.max())
            best, label = mean_interval(found.best), f"{name}, tick {tick:g}"
            several = f"{low:g} to {high:g}" if high > low else f"{low:g}"
            words = f"{label}: best half-spread, equilibria at {several} (currency)"
            yield Claim(words, best, None, ENUMERATED, margin=between(low - TICKLESS, high + TICKLESS), note=AMONG)
        share = np.concatenate([one.settled for one in ticks.values()])
        yield Claim(f"{name}: sessions that end at an equilibrium (share)", proportion(int(share.sum()), len(share)))


def cartel_gain(found: Auctions) -> float:
    """What a cartel earns more than the equilibrium, as a share."""
    nash, cartel = (found.market.outcome(play)[0] for play in (found.market.nash, found.market.cartel))
    return float(cartel / nash - 1)


def stayed(found: Dealers) -> float:
    """What the dealer who could gain most by another quote would gain, mean over sessions, currency a customer."""
    return float(found.gains.max(axis=1).mean())


def beside(found: Auctions) -> str:
    """Profit of all insiders beside equilibrium and cartel, in words."""
    market = found.market
    nash, cartel = (market.insiders * market.outcome(play)[0] for play in (market.nash, market.cartel))
    return f"{found.profits.mean():.4f} (equilibrium {nash:.4f}, cartel {cartel:.4f})"


# --- the answer ----------------------------------------------------------------------------------------------------


def answer(e: Evidence, found: tuple[Claim, ...]) -> str:
    """In words and numbers."""
    return f"{slopes(e, found)}\n\n{collusion(e)}\n\n{_day(e)}\n\n{dealers(e)}"


def slopes(e: Evidence, found: Sequence[Claim]) -> str:
    """Whether slopes are those of the equilibrium where the maker learns, too."""
    parts = []
    for name, words in (("one", "One insider"), ("two", "Two")):
        one, nash = e.auctions[name], e.auctions[name].market.nash
        beta, impact = mean_interval(one.orders[:, 0].mean(axis=1)), mean_interval(one.impacts[:, 0])
        parts.append(f"{words}: β {beta}, theory {nash.orders[0]:.4f}; λ {impact}, theory {nash.impacts[0]:.4f}")
    learned = tuple(f"{WORDS[name]}: {which} slope over" for name in ("one", "two") for which in ("order", "price"))
    claims = [claim for claim in found if claim.name.startswith(learned)]
    verdict = together(claim.judged() for claim in claims)
    worst = max(abs(claim.measured.mean - 1) for claim in claims)
    return (
        f"Insiders and a maker who learn together {say(verdict, 'learn', 'do not quite learn', 'may have learned')} "
        f"Kyle's equilibrium. {'. '.join(parts)}. The farthest mean is {percent(worst)} off, where "
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
    orders, impacts, b, impact = (
        ", ".join(f"{x:.3f}" for x in values)
        for values in (day.orders.mean(axis=(0, 2)), day.impacts.mean(axis=0), nash.orders, nash.impacts)
    )
    return (
        f"Over a day of {day.market.rounds} auctions an insider orders {orders} for a unit of gap (theory {b}), and "
        f"the maker's slopes are {impacts} (theory {impact}). It earns {mean_interval(day.profits)}; theory "
        f"{day.market.outcome(nash)[0]:.4f}."
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
            f"against the highest, a better quote would gain {np.mean([stayed(one) for one in ticks.values()]):.3f}"
        )
    gains = [one.gains.max(axis=1) for ticks in noisy.values() for one in ticks.values()]
    leave = judge(mean_interval(np.concatenate(gains)), more_than(0.0))
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

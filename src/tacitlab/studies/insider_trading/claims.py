"""Claims of the study of insider trading: learned slopes, profits and quotes beside the closed forms."""

from collections.abc import Iterator

import numpy as np

from tacitlab.measures.slopes import relative
from tacitlab.measures.statistics import mean_interval, proportion
from tacitlab.studies.base import Claim, between
from tacitlab.studies.frame import percent
from tacitlab.studies.insider_trading.evidence import Auctions, Dealers, Evidence, Floats

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
TICKLESS = 1e-6  # currency: quotes nearer than that are the same


def claims(e: Evidence) -> tuple[Claim, ...]:
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

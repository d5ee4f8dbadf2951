"""Sections of the report on learned bidding: bid functions of all sessions beside theory, and a table."""

from collections.abc import Iterable, Iterator

import numpy as np

from tacitlab.audits.auction_bids import MOST_EXPLOITED, MOST_GAP
from tacitlab.markets.auction.theory import demand_reduction
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, Points, VLine
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Section, Table
from tacitlab.studies.auction_bidding.study import PAIR, Evidence, Learned
from tacitlab.studies.frame import cell

SHOWN = 65  # signals of a curve in the figure
COLUMNS = (
    "auction", "who", "revenue in theory", "learned", "gap (%)", "exploitability (%)", "search error (%)",
    "sessions within", "distance of bids",
)  # fmt: skip
CAPTION = (
    "Means over sessions with 95 % intervals. Exploitability in percent of a bidder's surplus in theory; search error: "
    "by how much it may at most be larger. Distance: root mean square, in money, over signals and bidders."
)


def sections(e: Evidence) -> tuple[Section, ...]:
    """The figure of all bid functions, the bar session by session, and the table."""
    everybody = (*e.auctions.values(), *e.rivals.values())
    found = [
        Section("Learned bid functions", charts=(bid_panels(e.auctions.values()),)),
        Section("The bar, session by session", charts=(scatter(everybody),)),
        Section("Numbers", table=Table(COLUMNS, tuple(_row(one) for one in everybody), CAPTION)),
    ]
    if e.rivals:
        found.insert(1, Section("Other learners at first price", charts=(bid_panels(e.rivals.values(), rivals=True),)))
    return tuple(found)


def bid_panels(many: Iterable[Learned], rivals: bool = False) -> Panels:
    """A panel for each auction, or learner: bids of every bidder in every session, and theory."""
    panels = [Panel(one.who if rivals else one.setting.words, list(_curves(one))) for one in many]
    title = "Other learners at first price" if rivals else "Learned bids of all sessions"
    caption = (
        "A line for each bidder and session, and theory on top of them. Bids are shares of the highest value of a "
        "unit: 1, or 2 with a common value."
    )
    if not rivals:
        caption += " Where bidders want two units, every second bid c v with c from 0 to 1 is an equilibrium."
    axes = Axis("signal", range=(0.0, 1.0)), Axis("bid", "share of highest value", range=(0.0, 1.02))
    return Panels(title, *axes, panels, columns=3, caption=caption)


def _curves(one: Learned) -> Iterator[Mark]:
    signals, bids = one.bidding.signals, one.bidding.bids / one.setting.market.game.highest_value
    shown = np.unique(np.linspace(0, len(signals) - 1, SHOWN).astype(int))
    x = signals[shown]
    names = ("learned", "learned, second unit")
    for unit in range(bids.shape[3]):
        for line in bids[:, :, shown, unit].reshape(-1, len(shown)):
            yield Line(x, line, names[unit])
    yield Line(x, one.theory[shown] / one.setting.market.game.highest_value, "theory", reference=True)
    if one.setting.key == PAIR:
        least = demand_reduction(one.setting.market.game).bids(x)[:, 1]
        yield Line(x, least, "demand reduction, second unit", reference=True, dash=True)


def scatter(everybody: Iterable[Learned]) -> Chart:
    """Revenue gap and exploitability of each session."""
    marks: list[Mark] = [
        HLine(MOST_EXPLOITED, f"{MOST_EXPLOITED:g} %"),
        VLine(-MOST_GAP, f"−{MOST_GAP:g} %"),
        VLine(MOST_GAP, f"+{MOST_GAP:g} %"),
    ]
    for one in everybody:
        if one.setting.key != PAIR:
            name = one.setting.words if one.who == "PPO" else one.who
            marks.append(Points(one.gaps, np.maximum(one.exploited, 1e-3), name))
    caption = "A point for each session; the bar is the lower middle. Two units each have no single revenue in theory."
    axes = Axis("revenue above theory", "%"), Axis("exploitability", "% of surplus", log=True)
    return Chart("Revenue and exploitability by session", *axes, marks, caption)


def _row(one: Learned) -> tuple[str, ...]:
    bidding, surplus = one.bidding, one.surplus
    within = "-" if one.setting.key == PAIR else f"{100 * one.bar.within.mean:.0f} %"
    gap = "-" if one.setting.key == PAIR else cell(one.gaps)
    revenue = mean_interval(bidding.revenue)
    least = f"{demand_reduction(one.setting.market.game).revenue:g} to " if one.setting.key == PAIR else ""
    return (
        one.setting.words, one.who, f"{least}{one.wanted:.4f}",
        f"{revenue.mean:{revenue.precision}}\n{revenue.interval}", gap, cell(one.exploited),
        f"{100 * bidding.error / surplus:.2f}", within, cell(bidding.distance(one.theory)),
    )  # fmt: skip

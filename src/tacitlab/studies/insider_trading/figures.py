"""Tables and figures of the study of insider trading."""

from collections.abc import Iterator

import numpy as np

from tacitlab.markets.glosten_milgrom.theory import Customers
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, Points
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.base import Floats
from tacitlab.studies.frame import cell, curve
from tacitlab.studies.insider_trading.evidence import Auctions, Evidence
from tacitlab.studies.insider_trading.study import WORDS

ORDERS = (
    "Slopes of orders on value less price and of prices on flow, with frozen policies that do what seems best, over "
    "theory's: means over sessions, below them 95 % intervals. Regression: of value on flow, what the maker should "
    "set. Line: least share of the variance of an insider's orders that a line through values explains. Randomness "
    "left: standard deviation of orders around it at the end of learning, in units; theory with it: equilibrium slopes "
    "over β and λ if it counts as noise trade."
)
PROFITS = (
    "Expected profits of all insiders at the learned slopes (exact, without the noise of a test), currency. Best "
    "reply: what the insider who could gain most by other orders would gain, in percent of an insider's equilibrium "
    "profit."
)
QUOTES = (
    "Best half-spread of two dealers with frozen policies; profit of both from a customer; sessions of all that end at "
    "an equilibrium; and what the dealer who could gain most by another quote would gain from a customer, exactly."
)
TICKS = tuple(round(0.01 * k, 2) for k in range(2, 46))  # whose equilibria are shown
ASIDE = 0.006  # between the marks of two learners
CUSTOMERS = Customers()


def sections(e: Evidence) -> tuple[Section, ...]:
    """What is shown beside the claims."""
    return (
        Section("Slopes of a single auction", table=slope_table(e), charts=(learning(e), scatter(e))),
        Section("Who sets the price, and whether insiders collude", table=profit_table(e)),
        Section("A day of auctions", charts=tuple(day_charts(e))),
        Section("Dealers and ticks", EQUILIBRIA, quote_table(e), (tick_chart(e), dealer_learning(e))),
    )


EQUILIBRIA = (
    "A larger tick tends to raise the highest equilibrium, but not always. A spread that widens as the tick changes is "
    "no sign of collusion by itself: learned quotes must be judged by the equilibria of their own tick."
)


# --- auctions ------------------------------------------------------------------------------------------------------


def slope_table(e: Evidence) -> Table:
    """All single auctions."""
    rows: list[tuple[Cell, ...]] = []
    for name, found in e.auctions.items():
        market = found.market
        if market.rounds > 1:
            continue
        beta, impact = float(market.nash.orders[0]), float(market.nash.impacts[0])
        line = "-" if market.values == "each" else f"{found.linearity.min():.4f}"
        rows.append(
            (WORDS[name], f"{beta:.4f}", cell(mean_interval(found.orders[:, 0].mean(axis=1) / beta)), f"{impact:.4f}",
             *(cell(mean_interval(x[:, 0] / impact)) for x in (found.impacts, found.regressions)), line,
             f"{found.left.mean():.3f}", _noisy(found))
        )  # fmt: skip
    columns = (
        "auction", "β", "learned / β", "λ", "maker / λ", "regression / λ", "line", "randomness left", "theory with it",
    )  # fmt: skip
    return Table(columns, rows, ORDERS)


def _noisy(found: Auctions) -> str:
    """Equilibrium slopes over those without the insiders' randomness, where the maker answers to it."""
    if found.market.maker == "fixed":
        return "-"
    nash, noisy = found.market.nash, found.noisy
    return f"{noisy.orders[0] / nash.orders[0]:.3f}, {noisy.impact / nash.impacts[0]:.3f}"


def profit_table(e: Evidence) -> Table:
    """Profits of all insiders beside equilibrium and cartel."""
    rows: list[tuple[Cell, ...]] = []
    for name, found in e.auctions.items():
        market = found.market
        nash, cartel = (market.insiders * market.outcome(play)[0] for play in (market.nash, market.cartel))
        place = "-" if market.insiders == 1 else cell(mean_interval(found.place))
        rows.append(
            (WORDS[name], f"{nash:.4f}", f"{cartel:.4f}", f"{100 * (cartel / nash - 1):.1f} %",
             *(cell(mean_interval(x)) for x in (found.profits, found.realised)), place,
             cell(mean_interval(100 * found.exploitability)))
        )  # fmt: skip
    columns = (
        "auction", "equilibrium", "cartel", "cartel earns more", "learned", "in the test",
        "slopes from Nash 0 to cartel 1", "best reply gains (%)",
    )  # fmt: skip
    return Table(columns, rows, PROFITS)


def learning(e: Evidence) -> Chart:
    """Slopes over learning, one and two insiders."""
    marks: list[Mark] = []
    for name, words in (("one", "one insider"), ("two", "two insiders")):
        found = e.auctions[name]
        time, total, impact = found.curves()
        nash = found.market.nash
        wanted = found.market.insiders * float(nash.orders[0])
        marks.append(curve(time, total / wanted, f"{words}: orders"))
        marks.append(curve(time, impact / float(nash.impacts[0]), f"{words}: prices", dash=True))
    marks.append(HLine(1.0, "equilibrium"))
    caption = "Mean over sessions in windows of auctions, with its pointwise 95 % interval; exploration included."
    axes = Axis("auctions"), Axis("slope over theory", range=(0.0, 2.0))
    return Chart("Slopes while learning", *axes, marks, caption)


def scatter(e: Evidence) -> Chart:
    """Where each session ends, beside equilibrium and cartel."""
    marks: list[Mark] = []
    for name in ("one", "two", "two-rational"):
        found = e.auctions[name]
        marks.append(Points(found.total, found.impacts[:, 0], WORDS[name], hollow=True))
    labels, x, y = [], [], []
    for name, what, play in (
        ("one", "one insider", e.auctions["one"].market.nash), ("two", "Nash, two", e.auctions["two"].market.nash),
    ):  # fmt: skip
        labels.append(what)
        x.append(e.auctions[name].market.insiders * float(play.orders[0]))
        y.append(float(play.impacts[0]))
    marks.append(Points(x, y, "theory", labels, reference=True))
    caption = "Each point is a session. A cartel of two has the slopes of one insider."
    axes = Axis("sum of order slopes", "units/(currency/unit)"), Axis("price slope λ", "currency/unit²")
    return Chart("Where sessions end", *axes, marks, caption)


def day_charts(e: Evidence) -> Iterator[Panels]:
    """Slopes by auction, and how fast prices learn."""
    for name, found in e.auctions.items():
        market = found.market
        if market.rounds == 1:
            continue
        auctions = np.arange(1.0, market.rounds + 1)
        panels = [
            Panel(words, (Line(auctions, wanted, "theory", reference=True), _points(auctions, values, "learned")))
            for words, values, wanted in (
                ("order slope of an insider", found.orders.mean(axis=2), market.nash.orders),
                ("price slope", found.impacts, market.nash.impacts),
                ("squared pricing error", found.errors, market.outcome(market.nash)[1]),
            )
        ]
        caption = (
            f"Expected profit of all insiders {found.profits.mean():.4f}, in equilibrium "
            f"{market.insiders * market.outcome(market.nash)[0]:.4f}. Means over sessions with 95 % intervals."
        )
        title = f"Slopes by auction: {WORDS[name]}"
        yield Panels(title, Axis("auction", whole=True), Axis("slope, or error"), panels, 3, caption)


def _points(x: Floats, values: Floats, name: str) -> Points:
    found = [mean_interval(column) for column in values.T]
    return Points(x, [f.mean for f in found], name, low=[f.low for f in found], high=[f.high for f in found])


# --- dealers -------------------------------------------------------------------------------------------------------


def quote_table(e: Evidence) -> Table:
    """All learners and ticks."""
    rows: list[tuple[Cell, ...]] = []
    for name, ticks in e.dealers.items():
        for tick, found in ticks.items():
            known = ", ".join(f"{s:g}" for s in found.equilibria)
            at = f"{int(found.settled.sum())} of {len(found.settled)}"
            gains = found.gains.max(axis=1)
            rows.append(
                (
                    name,
                    f"{tick:g}",
                    known,
                    cell(mean_interval(found.best)),
                    cell(mean_interval(found.profit)),
                    at,
                    f"{gains.mean():.4f}",
                )
            )
    columns = ("learner", "tick", "equilibria", "best half-spread", "profit", "at an equilibrium", "best reply gains")
    return Table(columns, rows, QUOTES)


def tick_chart(e: Evidence) -> Chart:
    """Learned half-spreads and all equilibria by tick."""
    pairs = [(tick, s) for tick in TICKS for s in CUSTOMERS.symmetric_equilibria(tick)]
    x, y = zip(*pairs, strict=True)
    marks: list[Mark] = [Points(x, y, "symmetric equilibria", symbol="cross", reference=True)]
    for k, (name, ticks) in enumerate(e.dealers.items()):
        aside = ASIDE * (k - (len(e.dealers) - 1) / 2)
        best = np.stack([one.best for one in ticks.values()], axis=1)
        marks.append(_points(np.array(list(ticks)) + aside, best, name))
    marks += [HLine(CUSTOMERS.zero_profit(), "zero profit"), HLine(CUSTOMERS.monopoly(), "monopoly")]
    caption = (
        "Mean over sessions with 95 % intervals; equilibria by enumeration, for every tick that is a multiple of 0.01."
    )
    return Chart("Half-spreads by tick", Axis("tick", "currency"), Axis("best half-spread", "currency"), marks, caption)


def dealer_learning(e: Evidence) -> Chart:
    """How quotes move while learning, at one tick."""
    tick = e.size.ticks[len(e.size.ticks) // 2]
    marks: list[Mark] = [curve(*one[tick].curve(), name) for name, one in e.dealers.items()]
    some = next(iter(e.dealers.values()))[tick]
    marks += [HLine(float(s), f"equilibrium {s:g}") for s in some.equilibria]
    title, caption = f"Best half-spread while learning, tick {tick:g}", "Mean over sessions, with its 95 % interval."
    return Chart(title, Axis("customers"), Axis("best half-spread", "currency"), marks, caption)

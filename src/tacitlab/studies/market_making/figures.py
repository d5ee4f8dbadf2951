"""Tables and figures of the study of market making."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tacitlab.markets.quoting.solutions import optimum
from tacitlab.markets.quoting.theory import record, values
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, Points
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.base import Floats
from tacitlab.studies.frame import curve, scenario
from tacitlab.studies.market_making.evidence import PAID, Classic, Evidence, Learned

SHOWN = 5  # lots to either side of 0 in figures
DECIMALS = 4

WORTH = (
    "Exact moments of the rules by dynamic programming, beside the simulated market and the published table (20,000 "
    "paths). Certainty equivalent: of an exponential utility with the same γ, as a share of the optimum of the game as "
    "it is simulated; a symmetric strategy carries inventories that no averse maker would."
)


def sections(e: Evidence) -> tuple[Section, ...]:
    """What is shown beside the claims."""
    return (
        Section("A maker alone", table=alone_table(e), charts=(quote_panels(e), learning_chart(e.alone["PPO"]))),
        Section("Two makers", charts=(pair_panels(e), places_chart(e))),
        Section("The rules of Avellaneda and Stoikov", WORTH, classic_table(e.classic)),
    )


# --- tables --------------------------------------------------------------------------------------------------------


def alone_table(e: Evidence) -> Table:
    """Utilities beside those of the rules, all exact."""
    first = e.alone["PPO"]
    best = first.benchmarks.optimum.average
    rows: list[tuple[Cell, ...]] = [("optimum", best, 1.0, "")]
    for name, value in first.benchmarks.numbers.items():
        if name.startswith("payoff of"):
            rows.append((name.removeprefix("payoff of "), value, value / best, ""))
    for name, one in e.alone.items():
        found = mean_interval(one.share)
        rows.append((name, float(one.payoffs.mean()), found.mean, f"{found.interval}, n = {found.n}"))
    caption = (
        "Exact expected utility of an episode, currency. Shares are of the optimum of the market that was learned in: "
        "steps of 0.02 unless another length is named."
    )
    return Table(("quotes", "utility", "share of the optimum", "95 % interval"), rows, caption)


def classic_table(rules: Sequence[Classic]) -> Table:
    """Moments of the rules: exact, and simulated."""
    rows: list[tuple[Cell, ...]] = []
    plain: Any = scenario(__file__, "classic").market
    for one in rules:
        market = plain.model_copy(update={"risk_aversion": one.gamma})
        quotes, averse = market.tables()[one.rule], market.model_copy(update={"reward": "exponential-utility"}).game
        exact, best = record(market.game, quotes), optimum(averse).at(averse.begin)[0]
        sure = values(averse, quotes)[0, averse.begin, 0]
        for what, number, found in (
            ("total spread", 2 * exact.half_spread[0], one.spread),
            ("gain", exact.gain[0], one.gain),
            ("sd of the gain", exact.gain_sd[0], one.gain_sd),
            ("sd of the last inventory", exact.inventory_sd[0], one.inventory_sd),
        ):
            estimate = mean_interval(np.round(found, DECIMALS))
            share = f"{sure / best:.3f}" if what == "gain" else ""
            rows.append((f"γ = {one.gamma:g}, {one.rule}", what, float(number), str(estimate), share))
    return Table(("rule", "of an episode", "exact", "simulated", "certainty equivalent / optimum"), rows)


# --- figures -------------------------------------------------------------------------------------------------------


def quote_panels(e: Evidence) -> Panels:
    """Bids and asks by inventory in every session, beside the optimum, half-way through an episode."""
    panels = []
    for name, one in e.alone.items():
        game, quotes = one.market.game, one.table.quotes[:, :, :, 0]
        best = one.market.tables()["optimum"][:, :, 0]
        middle, held = game.steps // 2, game.inventories[:, 0]
        shown = np.abs(held) <= SHOWN
        marks: list[Mark] = []
        for side, words in ((0, "bid"), (1, "ask")):
            for session in quotes[:, middle, shown, side]:
                marks.append(Line(held[shown], session, f"{words}, a session"))
        for side in (0, 1):
            marks.append(Line(held[shown], best[middle, shown, side], "optimum", dash=True, reference=True))
        panels.append(Panel(name, marks))
    return Panels(
        "What makers quote who are alone", Axis("inventory", "lots"), Axis("half-spread", "currency"), panels, 2,
        "Half-spreads half-way through an episode: every session, and the optimum of the game as it is simulated. "
        f"Inventories beyond {SHOWN} lots are rarely met.",
    )  # fmt: skip


def learning_chart(one: Learned) -> Chart:
    """Utility while learning."""
    data = one.found.data["payoff"].astype(np.float64).mean("agent").transpose("session", "time")
    best, numbers = one.benchmarks.optimum.average, one.benchmarks.numbers
    marks: list[Mark] = [
        curve(one.found.data["time"].values, data.values, "PPO"),
        HLine(best, f"optimum {best:.1f}"),
    ]
    for name in ("avellaneda-stoikov", "fixed-spread"):
        value = numbers[f"payoff of {name}"]
        marks.append(HLine(value, f"{name} {value:.1f}"))
    return Chart(
        "Utility of a maker alone while it learns", Axis("training episode"), Axis("utility", "currency/episode"),
        marks,
        f"Mean over {len(data)} sessions in windows, with its pointwise 95 % interval. Exploring costs some.",
    )  # fmt: skip


def pair_panels(e: Evidence) -> Panels:
    """Asks of the first of two makers by its own inventory, for three inventories of the other."""
    one, panels = e.pair, []
    game, tables = one.market.game, one.market.tables()
    middle, cap = game.steps // 2, game.cap or 0
    held = game.inventories
    for rival in (-3, 0, 3):
        chosen = (held[:, 1] == rival) & (np.abs(held[:, 0]) <= cap)
        own, marks = held[chosen, 0], list[Mark]()
        for session in one.table.quotes[:, middle, chosen, 0, 1]:
            marks.append(Line(own, finite(session), "a session"))
        for name, words in (("nash", "Markov-perfect"), ("joint-optimum", "joint optimum")):
            marks.append(
                Line(own, finite(tables[name][middle, chosen, 0, 1]), words, dash=name == "nash", reference=True)
            )
        panels.append(Panel(f"the other holds {rival}", marks))
    return Panels(
        "Asks of the first of two makers", Axis("own inventory", "lots"), Axis("half-spread", "currency"), panels, 3,
        "Half-way through an episode; every session. Reference lines: equilibrium and joint optimum.",
    )  # fmt: skip


def finite(quotes: Floats) -> Floats:
    """Gaps where nothing is quoted."""
    return np.where(np.isfinite(quotes), quotes, np.nan)


def places_chart(e: Evidence) -> Chart:
    """Place of every session of makers and dealers between equilibrium and joint optimum."""
    groups = {"two makers, PPO": e.pair.place}
    groups |= {f"dealers, {name}": one.place for name, one in e.requests.items()}
    groups |= {f"dealers who remember, {PAID[fills]}": one.place for fills, one in e.repeated.items()}
    marks: list[Mark] = [HLine(0.0, "equilibrium"), HLine(1.0, "joint optimum")]
    for number, (name, place) in enumerate(groups.items()):
        spread = number + 1 + np.linspace(-0.25, 0.25, len(place))
        marks.append(Points(spread, place, name))
    return Chart(
        "Do several compete?", Axis("", range=(0.4, len(groups) + 0.6), whole=True), Axis("place"), marks,
        "Every session between the equilibrium of its game, 0, and its joint optimum, 1; groups as in the legend.",
    )  # fmt: skip

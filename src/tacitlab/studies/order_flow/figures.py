"""Tables and figures of the study of order flow."""

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from tacitlab.measures.statistics import mean_interval
from tacitlab.measures.stylised_facts import hill_tail_index
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, Points
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.base import Floats
from tacitlab.studies.frame import cell, curve
from tacitlab.studies.order_flow.study import EVERY, LAGS, RULES, Evidence, Flow, auction

INTERVALS = (1, 2, 5, 10, 20, 50, 100, 200)
HORIZONS = (1, 10, 50)
SHOWN = 1000  # steps of a path
BAND = "Mean over sessions with pointwise 95 % intervals."


def sections(e: Evidence) -> tuple[Section, ...]:
    """What is shown beside the claims."""
    return (
        Section("Auctions", table=_auctions(e), charts=(_learning(e),)),
        Section("Order books", table=_books(e), charts=(_path(e.flows["with both"]),)),
        Section("Fat tails", table=_tails(e), charts=(_distribution(e),)),
        Section("Memory", charts=(_memory(e, Flow.memory, "returns"), _memory(e, Flow.clustering, "absolute returns"))),
        Section("Impact and noise", charts=(_impact(e), _signature(e))),
    )


def shown(values: Floats) -> str:
    """Mean over sessions, below it its interval."""
    return cell(mean_interval(values))


def _auctions(e: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    everybody = {"ZI-C, one quote a step": e.gode_sunder, "ZI-C": e.rules[RULES[0]], "truthful": e.rules[RULES[1]]}
    for name, played in {**everybody, "PPO": e.learned}.items():
        parts = [shown(played.last(what)) for what in ("efficiency", "mean_price", "alpha", "trades")]
        rows.append((name, *parts))
    columns = ("everybody plays", "efficiency", "mean price", "Smith's alpha", "trades")
    caption = (
        "Ends of episodes: 11 buyers and 11 sellers, competitive price 0.5, 5 or 6 trades. In the first row one trader "
        "quotes in each step, below everybody in random order. Means over sessions, below them 95 % intervals."
    )
    return Table(columns, rows, caption)


def _learning(e: Evidence) -> Chart:
    largest = auction().benchmarks().numbers["largest surplus"]
    marks: list[Mark] = [e.learned.learning(largest, "PPO")]
    marks += [HLine(float(p.last("efficiency").mean()), rule) for rule, p in e.rules.items()]
    return Chart("Learning to trade", Axis("training episode"), Axis("efficiency"), marks, BAND)


def _books(e: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, flow in e.flows.items():
        error = np.sqrt(((flow.mid - flow.value) ** 2).mean(axis=1))
        parts = (flow.spread.mean(axis=1), flow.volume.mean(axis=1), error, *flow.gains.T)
        rows.append((name, *(shown(x) for x in parts)))
    columns = (
        "market", "spread (ticks)", "volume (lots/step)", "distance from the value (ticks)", "maker (ticks/step)",
        "informed (ticks/step)", "noise traders (ticks/step)",
    )  # fmt: skip
    refused = sum(flow.refused for flow in e.flows.values())
    caption = (
        "Distance: root mean square of the middle of the quotes less the value. Gains at the value add up to 0 but for "
        f"the steps in which the book settles. The book was full for {refused:g} lots in all sessions."
    )
    return Table(columns, rows, caption)


def _tails(e: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, flow in e.flows.items():
        tail = hill_tail_index(flow.returns())
        still = (flow.returns(1) == 0).mean(axis=1)
        rows.append((name, *(shown(flow.kurtosis(h)) for h in HORIZONS), shown(tail), shown(100 * still)))
    columns = (
        "market", *(f"excess kurtosis, {h} step{'s' * (h > 1)}" for h in HORIZONS), f"tail index, {EVERY} steps",
        "steps without a move (%)",
    )  # fmt: skip
    caption = (
        "Tail index: Hill's estimate from the largest 5 % of absolute returns; a normal distribution shows about 5."
    )
    return Table(columns, rows, caption)


def _distribution(e: Evidence) -> Chart:
    """How often returns exceed so many standard deviations."""
    grid, marks = np.linspace(0.25, 6, 24), list[Mark]()
    for name, flow in e.flows.items():
        scaled = np.abs(flow.returns() / flow.returns().std(axis=1, keepdims=True))
        share = np.array([(scaled > x).mean() for x in grid])
        marks.append(Line(grid, np.where(share > 0, share, np.nan), name))
    marks.append(Line(grid, [2 * NormalDist().cdf(-x) for x in grid], "normal", reference=True))
    axes = Axis("size of a return", "standard deviations"), Axis("share of larger returns", log=True, range=(1e-5, 1))
    return Chart(f"Returns over {EVERY} steps", *axes, marks, "All sessions together, each in its own units.")


def _memory(e: Evidence, of: Callable[[Flow], Floats], words: str) -> Chart:
    lags, marks = EVERY * np.arange(1, LAGS + 1), list[Mark]()
    for name, flow in e.flows.items():
        marks.append(curve(lags, of(flow), name))
    marks.append(HLine(0.0))
    axes = Axis("lag", "steps", log=True), Axis("autocorrelation")
    return Chart(f"Memory of {words}", *axes, marks, f"Returns over {EVERY} steps. {BAND}")


def _impact(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for name, flow in e.flows.items():
        found = flow.impact
        words = f"{name}: power {found.exponent.mean:.2f}"
        marks.append(Points(found.volume, found.impact, words, low=found.low, high=found.high))
        grid = np.geomspace(found.volume[0], found.volume[-1], 30)
        marks.append(Line(grid, found.scale * grid**found.exponent.mean, words))
    axes = Axis("net volume", "lots", log=True), Axis("change of the middle", "ticks", log=True)
    caption = (
        f"Over {EVERY} steps, in the direction of the volume; symbols: means in bins with 95 % intervals; lines: fits."
    )
    return Chart("Price impact", *axes, marks, caption)


def _signature(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for name, flow in e.flows.items():
        known = tuple(h for h in INTERVALS if h < flow.mid.shape[1])
        marks.append(curve(known, flow.signature(known), name))
    caption = f"Flat for a random walk; falling where prices come back. {BAND}"
    axes = Axis("sampling interval", "steps", log=True), Axis("volatility", "ticks per root of a step", log=True)
    return Chart("Signature plot", *axes, marks, caption)


def _path(flow: Flow) -> Chart:
    steps = np.arange(min(SHOWN, flow.mid.shape[1]))
    lines: Sequence[Mark] = (
        Line(steps, flow.mid[0, : len(steps)], "middle of the quotes"),
        Line(steps, flow.value[0, : len(steps)], "value", reference=True),
    )
    axes = Axis("step"), Axis("price", "ticks")
    return Chart("Price and value, with maker and informed trader", *axes, lines, "One session.")

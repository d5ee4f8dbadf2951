"""Figures and tables of the study of a shared resource."""

import numpy as np

from tacitlab.markets.base import Quantity
from tacitlab.markets.token import utilisation
from tacitlab.markets.token.curves import Sigmoid
from tacitlab.markets.token.parts import Resource
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HeatMap, HLine, Line, Mark, Points
from tacitlab.report.market_paths import heat_map
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.frame import cell
from tacitlab.studies.resource_network.study import (
    AGENTS,
    CAPACITY,
    HIGHEST,
    STEPS,
    UTILISATION,
    Evidence,
    Theory,
    called,
    served,
    used,
)  # fmt: skip

MIDDLES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # supplies S_0 at half of the highest price


def sections(e: Evidence, theory: Theory) -> tuple[Section, ...]:
    """Figures and tables."""
    return (
        Section("Utilisation and welfare", table=_table(e)),
        Section("A property of the curve", charts=(_curve_chart(e), _map())),
        Section("Learning", charts=(_learning(e, theory), _gains(e))),
        Section("Who trades when", charts=(heat_map(e.learned[0.0].found, Quantity("trade", "tokens")),)),
    )


def _table(e: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, *map(cell, (used(p), served(p), p.payoff, p.mean("price", STEPS // 2), p.mean("volume"))))
        for name, p in e.everybody.items()
    ]
    columns = ("everybody plays", "utilisation (%)", "welfare (%)", "own gain", "price", "volume")
    caption = (
        "Second half of the episodes, but for own gains (currency, whole episode) and volume (tokens a step). "
        "Half of the capacity is in use at the beginning."
    )
    return Table(columns, rows, caption)


def _curve_chart(e: Evidence) -> Chart:
    theory = [Theory.of(Sigmoid(highest=k)) for k in HIGHEST]
    parts = {
        "price-taking equilibrium": [t.price_taking for t in theory], "Nash equilibrium": [t.nash for t in theory],
        "users' joint optimum": [t.joint for t in theory],
    }  # fmt: skip
    marks: list[Mark] = [
        Line(HIGHEST, 100 * np.array(y), name, dash=name.startswith("Nash")) for name, y in parts.items()
    ]
    learned = {Sigmoid().highest: e.learned[0.0], **e.elsewhere}
    found = [mean_interval(used(played)) for played in learned.values()]
    low, high = ([getattr(one, end) for one in found] for end in ("low", "high"))
    marks.append(Points(list(learned), [one.mean for one in found], "PPO, profit", low=low, high=high))
    marks.append(HLine(UTILISATION.value, f"paper: {UTILISATION.value:g} %"))
    caption = "Lines are exact; symbols are means over sessions with 95 % intervals."
    axes = Axis("highest price K", "currency"), Axis("utilisation", "%", range=(0.0, 102.0))
    return Chart("Utilisation by the height of the sigmoid", *axes, marks, caption)


def _map() -> Chart:
    tastes = Resource().each(AGENTS)
    z = [
        [
            100 * utilisation.price_taking(tastes, Sigmoid(highest=k, middle=s).price, CAPACITY).total / CAPACITY
            for k in HIGHEST
        ]
        for s in MIDDLES
    ]
    axes = Axis("highest price K", "currency"), Axis("supply at half of it, S₀", "tokens")
    caption = (
        f"Exact, for a capacity of {CAPACITY:g} and steepness {Sigmoid().steepness:g}: any utilisation from "
        f"{np.min(z):.0f} to {np.max(z):.0f} % can be had by choosing a curve."
    )
    heat = [HeatMap(HIGHEST, MIDDLES, z, "utilisation (%)")]
    return Chart("Utilisation of price takers by the curve", *axes, heat, caption)


def _learning(e: Evidence, theory: Theory) -> Chart:
    marks: list[Mark] = []
    for rho, played in e.learned.items():
        marks.append(played.learning("supply", called(rho), 100 / CAPACITY))
    levels = (("price-taking", theory.price_taking), ("Nash", theory.nash), ("joint optimum", theory.joint))
    marks += [HLine(100 * y, f"{name} {100 * y:.0f} %") for name, y in levels if name != "Nash"]
    caption = (
        "Mean over whole episodes, which begin at 50 %, and over sessions, with pointwise 95 % intervals: below what "
        "is reached in the second half."
    )
    return Chart("Utilisation while learning", Axis("training episode"), Axis("utilisation", "%"), marks, caption)


def _gains(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for rho, played in e.learned.items():
        marks.append(played.learning("payoff", called(rho), 1 / (1 + rho)))
    marks += [HLine(float(e.rules[name].payoff.mean()), name) for name in ("price-taking", "hold")]
    caption = "Own gains of the average agent, mean over sessions with pointwise 95 % intervals; rules in the test."
    axes = Axis("training episode"), Axis("own gain", "currency/episode")
    return Chart("Own gains while learning", *axes, marks, caption)

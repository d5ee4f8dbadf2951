"""Charts that between them show every mark and every awkward case."""

import numpy as np
import pytest

from tacitlab.plot.chart import (
    Area,
    Axis,
    Badges,
    Bars,
    Chart,
    Cloud,
    HeatMap,
    Histogram,
    HLine,
    Line,
    Points,
    Rectangle,
    VLine,
)
from tacitlab.plot.panels import Panel, Panels

RNG = np.random.default_rng(0)
T = np.linspace(0, 2e6, 60)
GAPPY = np.sin(np.arange(30) / 4.0)
GAPPY[[7, 8, 15, 17]] = np.nan
LONG = "a series with an extremely long name that says how it was produced, by whom, when, and why $so$"
X, Y = Axis("period"), Axis("price", "money")

CHARTS = {
    "nothing": Chart("", X, Y),
    "curves": Chart(
        "Learning",
        X,
        Y,
        (
            Line(T, 1.7 - np.exp(-T / 3e5), "firm 1", low=1.6 - np.exp(-T / 3e5), high=1.8 - np.exp(-T / 3e5)),
            Line(T, 1.8 - np.exp(-T / 3e5), "firm 2", dash=True),
            HLine(1.473, "Nash 1.473"),
            HLine(1.925, "monopoly 1.925"),
        ),
        caption="Mean and 95 % interval.",
    ),
    "gaps": Chart(
        "Gaps",
        X,
        Y,
        (
            Line(np.arange(30), GAPPY, LONG, low=GAPPY - 0.2, high=GAPPY + 0.2, steps=True),
            *(Line(np.arange(30), GAPPY + n, f"_{n}") for n in range(8)),
            Line([np.nan], [np.nan], "nothing"),
            Line([], [], "empty", low=[], high=[]),
        ),
    ),
    "one point": Chart("", X, Axis("y", log=True), (Line([3], [5], "one", low=[-4], high=[6]),)),
    "log": Chart(
        "",
        Axis("exploration rate ε", log=True),
        Axis("regret", log=True),
        (
            Line(np.geomspace(1e-7, 1, 20), np.geomspace(5, 5000, 20), "a"),
            Points([-1.0, 0.0, 1e-3], [10.0, 20.0, -30.0], "some cannot be shown"),
            HLine(100, "hundred"),
            HLine(0, "never"),
            VLine(1e-3, "thousandth"),
        ),
    ),
    "points": Chart(
        "",
        X,
        Y,
        (
            Points(RNG.random(9), RNG.random(9), "labelled", labels=tuple("ABCDEFGH$"), symbol="diamond"),
            Points([0.5, np.nan], [0.5, 0.5], "bars", low=[0.4, 0.4], high=[0.6, np.nan]),
            Points([0.1], [0.2], labels=("alone",)),
        ),
    ),
    "histograms": Chart(
        "Profit gain",
        Axis("profit gain"),
        Axis("sessions"),
        (
            Histogram(RNG.normal(0.8, 0.1, 300), "one"),
            Histogram([*RNG.normal(0.3, 0.1, 90), np.nan], "two"),
            Histogram([0.5, 0.6], "edges", edges=[0.4, 0.55, 0.7]),
            Histogram([], "empty"),
            VLine(0.8, "Nash"),
            VLine(0.81, "monopoly"),
        ),
    ),
    "empty histogram": Chart("", X, Axis("sessions"), (Histogram([]),)),
    "constant histogram": Chart("", X, Axis("sessions", log=True), (Histogram([0.85] * 7, bins=5),)),
    "bars": Chart(
        "",
        Axis("cycle length", "periods"),
        Axis("share", "%"),
        (
            Bars([str(n) for n in range(1, 31)], np.linspace(-5, 30, 30), "two firms"),
            Bars(["1", "2", "3"], [1, 2, np.nan], "three firms", low=[0.5, 1, np.nan], high=[2, 3, np.nan]),
        ),
    ),
    "long categories": Chart("", Axis("algorithm"), Y, (Bars([LONG[:n] for n in range(20, 60, 5)], range(8)),)),
    "no categories": Chart("", X, Y, (Bars([], []),)),
    "area": Chart("Routes", X, Axis("share"), (Area(T, {"up": T / 4e6, "down": 0.5 - T / 4e6, "<b>": T * 0 + 0.5}),)),
    "area with gaps": Chart("", X, Y, (Area([0, 1, 2, 3, 4], {"a": [1, 1, np.nan, 1, 1], "b": [1, 2, 3, 4, 5]}),)),
    "heat": Chart(
        "",
        Axis("α"),
        Axis("β", log=True),
        (
            HeatMap([0.1, 0.2, 0.3], [1e-6, 1e-5], [[0, 1, np.nan], [2, 3, 4]], "profit gain"),
            HLine(4e-6, "baseline"),
            VLine(0.15, "baseline"),
        ),
    ),
    "heat of nothing": Chart("", X, Y, (HeatMap([1], [1], [[np.nan]], "nothing"),)),
    "many references": Chart(
        "",
        Axis("x", range=(0, 10)),
        Axis("y"),
        (
            *(HLine(1 + n / 100, f"reference {n}") for n in range(20)),
            *(VLine(1 + n / 100, f"event {n}") for n in range(20)),
            VLine(11, "outside"),
            HLine(np.nan, "unknown"),
            HLine(3),
        ),
    ),
    "plane": Chart(
        "Costs of two agents",
        Axis("cost of agent 1", "money"),
        Axis("cost of agent 2", "money"),
        (
            Cloud(RNG.normal(11, 1, 6000), [np.nan, *RNG.normal(11, 1, 5999)], np.arange(6000) % 5, "episode"),
            Cloud(RNG.normal(14, 1, 50), RNG.normal(8, 1, 50)),
            VLine(12.07, "Nash 12.07"),
            HLine(12.07, "Nash 12.07"),
            Rectangle(11, 12.07, 11, 12.07, "between"),
            Line([8, 11, 15], [15, 11, 8], "front", reference=True),
            Line([8, 15], [8, 15], reference=True, dash=True),
            Badges([11, 11.01, 11, 12, np.nan], [11, 11, 11, 12, 11], list("01234"), range(5), "mean"),
            Badges([9.0, 40.0], [9.0, 9.0], ["$a$", "outside"]),
            Points([12.07], [12.07], "equilibrium", symbol="star", reference=True),
            Points([11, 10], [11, 10], "published", symbol="circle", hollow=True, reference=True, labels=("a", "b")),
            Points([11.2], [11.2], "theirs", hollow=True),
        ),
        caption="Dots are episodes.",
        equal=True,
    ),
    "empty plane": Chart("", X, Y, (Cloud([], [], [], "none"), Badges([], [], [], name="none"))),
    "logarithmic plane": Chart(
        "",
        Axis("x", log=True),
        Axis("y", log=True),
        (Cloud([-1, 1, 10], [1, 1, 10], [7, 7, 7]), Badges([0, 1, 1], [1, 1, 1], "abc"), Rectangle(1, 2, 1, 2)),
    ),
    "whole numbers": Chart("", Axis("step", whole=True), Axis("runs", whole=True), (Line([1, 3], [0, 2]),), equal=True),
    "long words": Chart(LONG, Axis(LONG, LONG), Axis(LONG, LONG), (HLine(1, LONG), VLine(1, LONG)), caption=LONG * 5),
}


@pytest.fixture(params=CHARTS, ids=str)
def chart(request: pytest.FixtureRequest) -> Chart:
    return CHARTS[request.param]


def curves(n: int) -> list[Line]:
    return [
        Line([0, 5, 10], [100, 50 + 3 * n, 0], "agent 1", low=[90, 40, 0], high=[100, 80, 5]),
        Line([0, 5, 10], [100, 50 - 2 * n, 0], "agent 2", dash=True),
        Line([0, 10], [100, 0], "TWAP", reference=True),
        HLine(50),
    ]


PANELS = {
    "runs": Panels(
        "Schedules of the runs",
        Axis("step", whole=True),
        Axis("inventory", "shares"),
        [Panel(f"{n}: 12.62, 12.59", curves(n)) for n in range(20)],
        5,
        "Means over episodes.",
    ),
    "one": Panels("", X, Y, [Panel("", curves(1))]),
    "incomplete row": Panels("", X, Y, [Panel(f"run {n}", curves(n)) for n in range(5)], 3, legend=False),
    "planes": Panels(
        LONG,
        Axis(LONG),
        Axis("predicted cost", "money"),
        [
            Panel(
                "two\nlines",
                (Points([1, 2], [1, 2.2], "lag 1", labels=("a", "b")), Points([1, 2], [2, 3], "lag 2"), VLine(1.5)),
            ),
            Panel(LONG, (Cloud([1, 2], [1, 2], [0, 1]), Badges([1, 2], [1, 2], "01", [0, 1]), Rectangle(1, 2, 1, 2))),
            Panel("none"),
        ],
        3,
        LONG,
        equal=True,
    ),
    "logarithmic": Panels("", Axis("x", log=True), Axis("y", log=True), [Panel("a", [Line([1, 1e6], [1e-6, 1])])] * 4),
}


@pytest.fixture(params=PANELS, ids=str)
def panels(request: pytest.FixtureRequest) -> Panels:
    return PANELS[request.param]

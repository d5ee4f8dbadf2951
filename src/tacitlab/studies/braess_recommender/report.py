"""Figures and tables of the study on recommenders."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.measures.statistics import Estimate, curve_interval
from tacitlab.plot.chart import Axis, Chart, HeatMap, HLine, Line, Mark
from tacitlab.report.page import Table

Floats = NDArray[np.float64]


def path_chart(runs: Mapping[tuple[str, int], Any], periods: int) -> Chart:
    """Welfare over time, mean over sessions with its pointwise interval."""
    lines: list[Mark] = []
    for (rule, states), run in runs.items():
        band = curve_interval(run.path)
        centres = run.time - run.time[0] / 2
        lines.append(Line(centres, band.centre, f"{rule}, {states} states", low=band.low, high=band.high))
    marks: list[Mark] = [*lines, HLine(0.0, "Nash 0"), HLine(1.0, "optimum 1")]
    sessions = len(next(iter(runs.values())).path)
    caption = f"100 drivers; means over {sessions} sessions with pointwise 95 % intervals; exploration exp(-8 t / T)."
    return Chart(
        "Welfare over time", Axis("time", "steps", range=(0.0, float(periods))), Axis("welfare"), marks, caption
    )


def size_charts(
    grid: Mapping[str, NDArray[np.object_]], drivers: tuple[int, ...], states: tuple[int, ...]
) -> tuple[Chart, ...]:
    """A heat map of mean welfare over drivers and states for each rule, and the optimised rows with intervals."""
    charts = []
    for rule, table in grid.items():
        means = np.array([[estimate.mean for estimate in row] for row in table])
        widest = max((estimate.high - estimate.low) / 2 for row in table for estimate in row)
        charts.append(
            Chart(f"Welfare by drivers and states: {rule}", Axis("drivers"), Axis("states"),
                  (HeatMap(drivers, states, means, "welfare, last fifth"),),
                  f"Means over sessions; 95 % intervals reach at most {widest:.2f} to either side.")
        )  # fmt: skip
    lines: list[Mark] = []
    for column, n in enumerate(drivers):
        row = [grid["optimised"][k, column] for k in range(len(states))]
        lines.append(Line(states, [e.mean for e in row], f"{n} drivers", [e.low for e in row], [e.high for e in row]))
    charts.append(
        Chart("Optimised recommender: how many states it needs", Axis("states"), Axis("welfare, last fifth"),
              (*lines, HLine(1.0, "optimum 1")), "Means over sessions with 95 % intervals.")
    )  # fmt: skip
    return tuple(charts)


def two_route_chart(two: Mapping[str, tuple[Floats, list[Estimate]]]) -> Chart:
    """Travel time against constant exploration in the game without the link."""
    lines = [
        Line(rates, [e.mean for e in found], rule, [e.low for e in found], [e.high for e in found])
        for rule, (rates, found) in two.items()
    ]
    return Chart("Two routes: exploration and recommendations", Axis("exploration rate", range=(0.0, 1.0)),
                 Axis("travel time, last fifth", "time"), (*lines, HLine(1.5, "even split 1.5")),
                 "Means over sessions with 95 % intervals.")  # fmt: skip


def comparison_table(others: Mapping[str, Estimate]) -> Table:
    """Setting and welfare."""
    return Table(("setting", "welfare, last fifth"), tuple((title, str(found)) for title, found in others.items()))

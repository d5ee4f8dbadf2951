"""Figures and tables of the study on recommenders."""

from collections.abc import Iterator

import numpy as np

from tacitlab.plot.chart import Axis, Chart, HeatMap, HLine
from tacitlab.report.page import Section, Table
from tacitlab.studies import frame
from tacitlab.studies.braess_recommender.study import GAME, Evidence

SCALE = "Welfare is (2 - travel time) / 0.5: 0 at the Nash equilibrium, 1 at the optimum."
TWO = (
    "The link is closed: drivers go up or down, and any even split is both equilibrium and optimum. alpha = 0.01, two "
    "states, all values -1.5 at first, so that the first greedy action is up for all: the question is how fast the "
    "crowd spreads. Mean travel time over the last fifth of 500 steps; an even split takes 1.5."
)
OTHERS = (
    "Welfare of the last fifth: 0 at the least profitable Nash equilibrium, 1 at the social optimum of each network; "
    "welfare with a toll leaves out the toll, a transfer. Aligned tables believe in action k in state k, misaligned "
    "ones in the next action. The nine-node network has 20 routes; for it the recommender is our generalisation."
)
INTERVALS = "Means over sessions with 95 % intervals."


def sections(e: Evidence) -> tuple[Section, ...]:
    """What the claims rest on."""
    rows = tuple((title, str(found)) for title, found in e.others.items())
    return (
        Section("Welfare over time", text=SCALE, charts=(_paths(e),)),
        Section("How many drivers, how many states", charts=(*_maps(e), _states(e))),
        Section("Two routes, constant exploration", text=TWO, charts=(_two_routes(e),)),
        Section("Other beginnings, other networks, tolls", OTHERS, Table(("setting", "welfare, last fifth"), rows)),
    )


def _paths(e: Evidence) -> Chart:
    lines = [
        frame.curve(run.time - run.time[0] / 2, run.path, f"{rule}, {states} states")
        for (rule, states), run in e.main.items()
    ]
    sessions = len(next(iter(e.main.values())).path)
    caption = (
        f"{GAME.players} drivers; means over {sessions} sessions with pointwise 95 % intervals; exploration "
        "exp(-8 t / T)."
    )
    time = Axis("time", "steps", range=(0.0, float(e.size.periods)))
    return Chart(
        "Welfare over time", time, Axis("welfare"), (*lines, HLine(0.0, "Nash 0"), HLine(1.0, "optimum 1")), caption
    )


def _maps(e: Evidence) -> Iterator[Chart]:
    """A heat map of mean welfare over drivers and states for each rule."""
    for rule, table in e.grid.items():
        means = np.array([[estimate.mean for estimate in row] for row in table])
        widest = max((estimate.high - estimate.low) / 2 for row in table for estimate in row)
        heat = HeatMap(e.size.drivers, e.size.states, means, "welfare, last fifth")
        caption = f"Means over sessions; 95 % intervals reach at most {widest:.2f} to either side."
        yield Chart(f"Welfare by drivers and states: {rule}", Axis("drivers"), Axis("states"), (heat,), caption)


def _states(e: Evidence) -> Chart:
    lines = [
        frame.through(e.size.states, list(e.grid["optimised"][:, column]), f"{n} drivers")
        for column, n in enumerate(e.size.drivers)
    ]
    title, axes = "Optimised recommender: how many states it needs", (Axis("states"), Axis("welfare, last fifth"))
    return Chart(title, *axes, (*lines, HLine(1.0, "optimum 1")), INTERVALS)


def _two_routes(e: Evidence) -> Chart:
    """Travel time against constant exploration in the game without the link."""
    lines = [frame.through(rates, found, rule) for rule, (rates, found) in e.two.items()]
    axes = Axis("exploration rate", range=(0.0, 1.0)), Axis("travel time, last fifth", "time")
    even = HLine(1.5, "even split 1.5")
    return Chart("Two routes: exploration and recommendations", *axes, (*lines, even), INTERVALS)

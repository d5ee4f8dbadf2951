"""Figures and tables of the study of constant exploration."""

from collections.abc import Sequence

import numpy as np

from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, Points, VLine
from tacitlab.report.page import Section, Table
from tacitlab.studies import frame
from tacitlab.studies.base import Floats
from tacitlab.studies.braess_exploration_fixed.study import (
    GAME,
    NASH,
    OPTIMUM,
    PUBLISHED,
    RANDOM,
    RATES,
    Curve,
    Evidence,
)

TIME = Axis("mean travel time", "fixed road = 1")
CLOSING = "Last fifth of the steps, mean over sessions with its 95 % interval."
BENCHMARKS = (
    HLine(NASH, f"Nash {NASH:g}"),
    HLine(OPTIMUM, f"optimum {OPTIMUM:g}"),
    HLine(RANDOM, f"random play {RANDOM:g}"),
)
HORIZON = (
    "Exploration does not know how long a session lasts, so that shorter horizons are the beginnings of the longest "
    "sessions; means are over the last fifth of each horizon."
)
TIES = (
    "With random ties the first step spreads the drivers; whatever they meet is better than their initial values, "
    "and each keeps the route it drew first: the travel time is that of random play, as long as few explore."
)


def sections(e: Evidence) -> tuple[Section, ...]:
    """What the claims rest on."""
    horizons = [_line(curve, f"{periods:,} steps", curve.times) for periods, curve in e.horizons.items()]
    ties = [_line(curve, f"{rule} best route wins a tie", curve.times) for rule, curve in e.ties.items()]
    shortest = next(iter(e.horizons.values()))
    by_horizon = _against_epsilon("Travel time by horizon", shortest.epsilon, horizons)
    by_ties = _against_epsilon("Travel time by how ties are broken", e.ties["first"].epsilon, ties)
    return (
        Section("Exploration", table=_table(e.curve), charts=(_chart(e.curve),)),
        Section("Learning", charts=_learning(e.curve)),
        Section("Horizon", text=HORIZON, charts=(by_horizon,)),
        Section("Ties", text=TIES, charts=(by_ties,)),
    )


def _table(curve: Curve) -> Table:
    cells = zip(curve.epsilon, curve.times, curve.spread, curve.one_shot, strict=True)
    rows = [
        (f"{epsilon:g}", str(mean_interval(times)), spread.mean(), str(mean_interval(one_shot)),
         GAME.epsilon_rational_time(float(epsilon)))
        for epsilon, times, spread, one_shot in cells
    ]  # fmt: skip
    return Table(
        ("epsilon", "travel time", "T_std", "one-shot value", "closed form"), rows,
        "Travel time: mean of the last fifth of the steps; T_std: its standard deviation from step to step; one-shot "
        "value: greedy play with the final values; closed form: all drivers prefer to cross.",
    )  # fmt: skip


def _line(curve: Curve, name: str, values: Floats) -> Line:
    return frame.curve(curve.epsilon, values.T, name)


def _against_epsilon(title: str, grid: Floats, marks: Sequence[Mark], caption: str = CLOSING) -> Chart:
    fine = np.minimum(np.geomspace(grid[grid > 0].min(), grid.max(), 200), 1.0)
    times = [GAME.epsilon_rational_time(float(epsilon)) for epsilon in fine]
    theory = Line(fine, times, "closed form: all prefer to cross", dash=True)
    axis = Axis("exploration rate ε", log=True, range=(float(grid[grid > 0].min()), float(grid.max())))
    return Chart(title, axis, TIME, (*marks, theory, *BENCHMARKS), caption)


def _chart(curve: Curve) -> Chart:
    best, rates = curve.best().mean, [rate for rate in RATES if rate > 0]
    known = [PUBLISHED[f"travel time at epsilon {rate:g}"] for rate in rates]
    low, high = ([one.value + side * one.se for one in known] for side in (-2, 2))
    marks: list[Mark] = [
        _line(curve, "while learning", curve.times), _line(curve, "one-shot: greedy play after it", curve.one_shot),
        Points(rates, [one.value for one in known], "re-run of the author's code", low=low, high=high),
        VLine(best, f"ε = {best:g}"),
    ]  # fmt: skip
    caption = f"{CLOSING} At ε = 0, which the axis cannot show, everybody goes up and needs {curve.at(0.0).mean():g}."
    return _against_epsilon("Travel time against exploration", curve.epsilon, marks, caption)


def _learning(curve: Curve) -> tuple[Chart, ...]:
    best, lines = curve.best().mean, []
    for epsilon in sorted({best, 0.03, 0.1}):
        times = -curve.data["payoff"].sel(epsilon=epsilon).mean("agent").transpose("session", "time")
        lines.append(frame.curve(times["time"].values, times.values, f"ε = {epsilon:g}"))
    return (
        Chart("Travel time over time", Axis("time", "steps"), TIME, (*lines, *BENCHMARKS),
              "Mean over sessions with its pointwise 95 % interval."),
        frame.action_shares(f"Routes over time at ε = {best:g}", curve.data.sel(epsilon=best), GAME.actions().labels,
                            "drivers"),
    )  # fmt: skip

"""Figures and tables of the study of shocks."""

import math
from collections.abc import Mapping

import numpy as np

from tacitlab.measures.resilience import BAND, Recovery
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, VLine
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.frame import cell, curve
from tacitlab.studies.shock_recovery.study import CHANNELS, SHOCKED, STEPS, Evidence, Pair
from tacitlab.studies.tokens import LEARNER

SHOWN = 61  # steps after the spike


def sections(e: Evidence) -> tuple[Section, ...]:
    """Figures and tables."""
    tables = [Section(f"Recovery: {c.words}", table=_table(e.pairs[c.key])) for c in CHANNELS]
    return (
        Section("What the spike does", charts=(_responses(e), _answers(e))),
        Section("With the noise of one session", charts=(_single(e),)),
        *tables,
        Section("Learning", charts=(_learning(e),)),
    )


def _table(pairs: Mapping[str, Pair]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, pair in pairs.items():
        found, alone, noise = pair.recovery, pair.unpaired, pair.placebo
        share = found.share
        rows.append((
            name, _steps(found), f"{share.mean:.2f}", _steps(alone), _steps(noise), cell(pair.area),
            cell(pair.resilience()), cell(pair.resilience(literal=True)), cell(pair.drained),
        ))  # fmt: skip
    columns = (
        "everybody plays", "steps, paired", "recovered", "steps, unpaired", "without spike", "area (steps)",
        "resilience", "literal (1/currency)", "reserve loses",
    )  # fmt: skip
    caption = (
        "Steps: median over sessions, below it the mean, times of those who never recover counted as the least that "
        "they can be. Unpaired: distance to the mean price of the 25 steps before the spike, noise included, and the "
        "same without a spike. Area: sum of the effect's sizes; 1 is one step at twice the price. Resilience: "
        "1/abs(d ln P) in the step of the spike; literal: 1/abs(dP). Reserve loses: money by the end of the episode."
    )
    return Table(columns, rows, caption)


def _steps(found: Recovery) -> str:
    middle = found.quantile()
    return f"{'never' if math.isinf(middle) else f'{middle:.0f}'}\n{cell(found.time)}"


def _responses(e: Evidence) -> Panels:
    panels, x = [], np.arange(SHOWN)
    for channel in CHANNELS:
        marks: list[Mark] = []
        for name, pair in e.pairs[channel.key].items():
            marks.append(curve(x, 100 * pair.effect[:, :SHOWN], name))
        marks += [HLine(100 * BAND), HLine(-100 * BAND), VLine(STEPS.value)]
        panels.append(Panel(channel.words, marks))
    caption = (
        "Shocked over calm price with the same noise, less 1; mean over sessions with pointwise 95 % intervals. Lines: "
        f"the band of {100 * BAND:.0f} % and the paper's {STEPS.value:g} steps."
    )
    axes = Axis("steps since the spike", whole=True), Axis("effect on the price", "%")
    return Panels("The price's response to the spike", *axes, panels, 1, caption)


def _answers(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for name, pair in e.main.items():
        marks.append(curve(np.arange(SHOWN), pair.answer[:, :SHOWN], name))
    caption = "Supply with the spike less that without it: below 0 agents have sold. Where the factor moves the price."
    axes = Axis("steps since the spike", whole=True), Axis("effect on the supply", "tokens")
    return Chart("What agents do about it", *axes, marks, caption)


def _single(e: Evidence) -> Chart:
    x = np.arange(e.main["hold"].calm.prices.shape[1]) + 1
    marks: list[Mark] = []
    for name in (SHOCKED, "hold"):
        pair = e.main[name]
        marks += [
            Line(x, pair.shocked.prices[0], f"{name}, spike"),
            Line(x, pair.calm.prices[0], f"{name}, calm", dash=True),
        ]
    caption = "First episode of the test of session 0: the two paths of a pair are the same until the spike."
    return Chart("A pair", Axis("step", whole=True), Axis("price", "currency"), marks, caption)


def _learning(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for name, played in e.learning.items():
        marks.append(played.learning("payoff", name))
    marks.append(HLine(float(e.main["price-taking"].calm.payoff.mean()), "price-taking, calm"))
    caption = f"Mean over sessions with pointwise 95 % intervals; {LEARNER.kind.upper()} as in the study of volatility."
    return Chart(
        "Own gains while learning", Axis("training episode"), Axis("own gain", "currency/episode"), marks, caption
    )

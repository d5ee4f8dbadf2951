"""How unequally agents end: Lorenz curves of what they own, where a market records it."""

import re

import numpy as np

from tacitlab.markets.base import Quantity
from tacitlab.measures.concentration import gini, lorenz
from tacitlab.measures.statistics import curve_interval, mean_interval
from tacitlab.plot.chart import Axis, Chart, Line, Mark
from tacitlab.report.finding import shown
from tacitlab.report.market_tested import Tested

OWNED = r"(wealth|holdings)(-\d+)?"  # quantities by agent that a market calls so, also those of one of several assets
FEWEST = 3  # agents of whom a curve says more than a number


def lorenz_charts(found: Tested) -> list[Chart]:
    """A curve for each thing that agents own."""
    if found.market.n_players < FEWEST or not len(found.outcomes):
        return []
    owned = [q for q in found.market.quantities() if q.by_agent and re.fullmatch(OWNED, q.name)]
    charts = [lorenz_chart(found, quantity) for quantity in owned if f"test_{quantity.name}_path" in found.data]
    return [chart for chart in charts if chart is not None]


def lorenz_chart(found: Tested, quantity: Quantity) -> Chart | None:
    """Share that the poorest agents own, at the beginning and at the end of an episode; none where all have debts."""
    data = found.data[f"test_{quantity.name}_path"].astype(np.float64)
    values = data.transpose("session", "step", "agent").values[:, [0, -1]]
    owned = (values >= 0).all(axis=(1, 2)) & (values.sum(axis=2) > 0).all(axis=1)  # a debt is no share
    if not owned.any():
        return None
    first, last = values[owned, 0], values[owned, 1]
    share, band = np.linspace(0, 1, found.market.n_players + 1), curve_interval(lorenz(last))
    marks: list[Mark] = [
        Line(share, band.centre, "end of the episode", low=band.low, high=band.high),
        Line(share, lorenz(first).mean(axis=0), "after its first step", dash=True),
        Line([0, 1], [0, 1], f"all {found.words.role}s own the same", reference=True),
    ]
    caption = (
        "One episode of the test of each session; mean over sessions, with its pointwise 95 % interval. Gini index at "
        f"the end: {shown(mean_interval(gini(last)))}."
    )
    if lost := int((~owned).sum()):
        caption += f" Left out: {lost} of {len(owned)} sessions, in which somebody is in debt or nobody owns anything."
    x = Axis(f"share of {found.words.role}s, poorest first", range=(0.0, 1.0))
    y = Axis(f"share of {quantity.label}", range=(0.0, 1.0))
    return Chart(f"Lorenz curve of {quantity.label}", x, y, marks, caption, equal=True)

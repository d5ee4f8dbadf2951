"""How unequally agents end: Lorenz curves of their wealth, where a market records it."""

import numpy as np

from tacit.measures.concentration import gini, lorenz
from tacit.measures.statistics import curve_interval, mean_interval
from tacit.report.answer import shown
from tacit.report.chart import Axis, Chart, Line, Mark
from tacit.report.market_tested import Tested

WEALTH = "wealth"  # the quantity, by agent, that a market calls so
FEWEST = 3  # agents of whom a curve says more than a number


def lorenz_charts(found: Tested) -> list[Chart]:
    """Shares of the wealth of all that the poorest agents own, at the beginning and at the end of an episode."""
    name = f"test_{WEALTH}_path"
    if name not in found.data or found.market.n_players < FEWEST or not len(found.outcomes):
        return []
    wealth = found.data[name].astype(np.float64).transpose("session", "step", "agent").values[:, [0, -1]]
    owned = (wealth >= 0).all(axis=(1, 2)) & (wealth.sum(axis=2) > 0).all(axis=1)  # a debt is no share
    if not owned.any():
        return []
    first, last = wealth[owned, 0], wealth[owned, 1]
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
        caption += f" Left out: {lost} of {len(owned)} sessions, in which somebody is in debt."
    axes = (
        Axis(f"share of {found.words.role}s, poorest first", range=(0.0, 1.0)),
        Axis("share of wealth", range=(0.0, 1.0)),
    )
    return [Chart("Lorenz curve of wealth", *axes, marks, caption, equal=True)]

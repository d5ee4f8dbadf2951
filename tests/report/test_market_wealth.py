"""Lorenz curves of runs in markets: what they show, and when there are none."""

from dataclasses import replace

import numpy as np
import pytest
from test_market_answer import SELLERS, around, pretend

from tacitlab.plot import paper as printed
from tacitlab.report import page, run_page
from tacitlab.report.market_tested import outcome_of
from tacitlab.report.market_wealth import lorenz_charts

FIVE = {"kind": "token", "agents": 5, "steps": 3}
ENDS = np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 5.0, 5.0]])


def with_wealth(ends=ENDS, environment=FIVE):
    """A run of as many sessions that end with such wealth; at first all own 1."""
    sessions, agents = np.shape(ends)
    result = pretend(around(*[1.0] * agents, sessions=sessions), environment)
    paths = np.stack([np.ones_like(ends), 2 * np.ones_like(ends), ends], axis=1)
    dims = ("session", "step", "agent")
    return replace(result, data=result.data.assign(test_wealth_path=(dims, paths)))


def test_the_poorest_own_less():
    (chart,) = lorenz_charts(outcome_of(with_wealth()))
    end, begin, equal = chart.marks
    np.testing.assert_allclose(end.x, np.arange(6) / 5)
    np.testing.assert_allclose(end.y, (np.array([0, 0, 0.1, 0.3, 0.6, 1]) + np.arange(6) / 5) / 2)
    assert (end.low[1:5] < end.y[1:5]).all(), "two sessions differ"
    np.testing.assert_allclose(begin.y, begin.x, atol=1e-12)
    assert begin.dash
    assert equal.reference
    assert "Gini index at the end: 0.2" in chart.caption, "the mean of 0.4 and 0"
    assert "debt" not in chart.caption


def test_it_is_part_of_the_report():
    built = run_page.build(with_wealth())
    (section,) = (section for section in built.sections if section.heading == "Who owns how much")
    assert "Lorenz curve of wealth" in page.render(built)
    printed.figure(section.charts[0])


def test_holdings_of_each_asset_have_curves_of_their_own():
    result = with_wealth(environment={**FIVE, "assets": 2})
    paths = result.data["test_wealth_path"]
    result = replace(result, data=result.data.assign({f"test_holdings-{k}_path": paths for k in (1, 2)}))
    titles = [chart.title for chart in lorenz_charts(outcome_of(result))]
    assert titles == [f"Lorenz curve of {name}" for name in ("wealth", "holdings-1", "holdings-2")]


def test_debts_are_no_shares():
    (chart,) = lorenz_charts(outcome_of(with_wealth(np.concatenate([ENDS, [[-1.0, 1, 1, 1, 1]]]))))
    assert "Left out: 1 of 3 sessions, in which somebody is in debt or nobody owns anything." in chart.caption
    assert lorenz_charts(outcome_of(with_wealth(-ENDS - 1))) == []
    assert lorenz_charts(outcome_of(with_wealth(0 * ENDS))) == []


@pytest.mark.parametrize("environment", [{**FIVE, "agents": 2}, SELLERS])
def test_two_agents_and_markets_without_wealth_have_none(environment):
    assert lorenz_charts(outcome_of(pretend(around(9.0, 9.0), environment))) == []
    if environment is not SELLERS:
        assert lorenz_charts(outcome_of(with_wealth(ENDS[:, :2], environment))) == []

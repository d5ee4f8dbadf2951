"""Reports of runs in markets: what each picture shows, for every number of agents, sessions and steps."""

import numpy as np
import pytest
from test_market_answer import FIRMS, SELLERS, around, pretend

from tacitlab.plot import paper as printed
from tacitlab.plot.chart import Badges, Histogram, HLine, Line, Points, Rectangle, VLine
from tacitlab.plot.panels import Panels
from tacitlab.report import page, run_page
from tacitlab.report.market_paths import MOST_STEPS, path_chart, schedules_of
from tacitlab.report.market_tested import outcome_of
from tacitlab.theory.benchmarks import Profile


def charts(built):
    return {chart.title: chart for section in built.sections for chart in section.charts}


def table(built, heading):
    return next(section.table for section in built.sections if section.heading == heading)


def headings(built):
    return [section.heading for section in built.sections]


def lines(chart):
    return {mark.name: mark for mark in chart.marks if isinstance(mark, Line)}


def references(chart):
    return {mark.text for mark in chart.marks if isinstance(mark, HLine | VLine)}


def assert_draws(built, paper=False):
    """The page renders, with every figure; paper takes longer."""
    assert page.render(built)
    for chart in charts(built).values() if paper else ():
        printed.figure(chart)


@pytest.fixture(scope="module")
def traders():
    return run_page.build(pretend(around(11.4, 12.2, spread=0.5)))


# --- one cell --------------------------------------------------------------------------------------------------


def test_a_report_has_the_answer_the_test_the_paths_learning_theory_and_provenance(traders):
    assert headings(traders) == ["Outcome and benchmarks", "Test", "Paths", "Learning", "Benchmarks", "Provenance"]
    assert "of the way from Nash to joint optimum" in traders.answer
    rows = table(traders, "Outcome and benchmarks").rows
    assert [row[0] for row in rows][:3] == ["shortfall", "shortfall, cheaper trader", "shortfall, dearer trader"]
    assert rows[0][-1] == "currency"
    assert table(traders, "Benchmarks").columns[1] == "shortfall (currency)"
    assert table(traders, "Benchmarks").rows[0][1] == "12.071"  # a cost, and the same for both
    assert_draws(traders, paper=True)


def test_two_agents_are_shown_in_a_plane_with_nash_and_optimum(traders):
    plane = charts(traders)["Shortfall of both traders"]
    assert plane.equal
    assert [type(mark) for mark in plane.marks] == [Rectangle, Badges, Points, Points]
    np.testing.assert_allclose(plane.marks[1].x.mean(), 11.4)
    assert [mark.name for mark in plane.marks[2:]] == ["Nash", "joint optimum"]
    np.testing.assert_allclose([plane.marks[2].x[0], plane.marks[3].y[0]], [12.0706, 11], atol=1e-3)
    found = charts(traders)["Sessions by shortfall"]
    assert references(found) == {"Nash 12.07", "joint optimum 11", "mean 11.8"}
    np.testing.assert_allclose(found.marks[0].values.mean(), 11.8)


def test_paths_stand_beside_the_schedules_of_theory(traders):
    drawn = charts(traders)
    trade = lines(drawn["Trade within an episode"])
    assert list(trade) == ["trader 1", "trader 2", "Nash", "joint optimum"]
    assert trade["Nash"].reference
    assert trade["Nash"].y[0] > trade["Nash"].y[-1]
    np.testing.assert_allclose(trade["joint optimum"].y, 10)
    np.testing.assert_array_equal(trade["trader 1"].x, np.arange(1, 11))
    assert list(lines(drawn["Price within an episode"])) == ["mean over sessions"]
    panels = drawn["Trade in each session"]
    assert isinstance(panels, Panels)
    assert panels.panels[0].title == "session 0: 10.90, 11.70"
    assert len(panels.panels) == 10


def test_learning_is_said_to_be_exploring_and_losses_are_logarithmic(traders):
    drawn = charts(traders)
    curve = drawn["Learning: shortfall"]
    assert list(lines(curve)) == ["trader 1", "trader 2"]
    assert references(curve) == {"Nash 12.07", "joint optimum 11"}
    assert "with exploration" in curve.caption
    assert (curve.x.unit, curve.x.range) == ("episodes", (0.0, 40.0))
    assert lines(curve)["trader 1"].y.mean() == pytest.approx(11.4, abs=0.1)  # a cost
    assert drawn["Learning: loss"].y.log
    assert drawn["Learning: size of the learned values"].y.unit == "currency"


def test_failed_sessions_have_a_section_and_keep_their_numbers():
    built = run_page.build(pretend(around(11.5, 11.6), failed=(0, 3)))
    assert table(built, "Sessions that failed").rows[0] == ("0", "values grow beyond learners.largest_value", 7)
    assert charts(built)["Shortfall of both traders"].marks[1].texts[0] == "1"
    assert charts(built)["Trade in each session"].panels[0].title.startswith("session 1: ")
    assert_draws(built)


@pytest.mark.parametrize(
    ("outcomes", "more"),
    [
        (around(7.0), {"environment": {"kind": "execution", "inventories": [100]}}),
        (around(7.0, 8.0, sessions=1), {}),
        (around(7.0, 8.0, sessions=3), {"failed": (0, 1, 2)}),
        (around(7.0, 8.0, sessions=40), {}),
        (around(8.0, 3.0), {"environment": {**SELLERS, "inventories": [100, 50]}}),
        (around(20.0, 20.0, 20.0), {"environment": {**SELLERS, "inventories": [100] * 3}}),
        (around(*[30.0] * 8), {"environment": {**SELLERS, "inventories": [100] * 8}}),
        (around(7.0, 7.0), {"environment": {**SELLERS, "lag": 2, "buying": True}}),
        (around(90.0, 90.0), {"environment": {**SELLERS, "temporary": 1e-3, "permanent": 0.01, "buying": True}}),
        (around(9.0, 9.0), {"environment": {**SELLERS, "steps": 1}}),
        (around(11.0, 11.0), {"learners": {"kind": "fixed-schedule"}, "learned": False}),
    ],
    ids=["alone", "one session", "all failed", "many sessions", "unequal", "three", "eight", "no optimum", "no theory",
         "one step", "scripted"],
)  # fmt: skip
def test_awkward_runs_have_a_report_too(outcomes, more):
    built = run_page.build(pretend(outcomes, **more))
    assert headings(built)[0] == "Outcome and benchmarks"
    assert_draws(built)
    if more.get("learned") is False:
        assert "Learning" not in headings(built)


def test_unequal_agents_have_their_own_lines_of_theory():
    built = run_page.build(pretend(around(8.0, 3.0), {**SELLERS, "inventories": [100, 50]}))
    names = list(lines(charts(built)["Trade within an episode"]))
    assert "Nash of trader 2" in names
    assert "Nash, trader 2 3.359" in references(charts(built)["Learning: shortfall"])


def test_a_test_in_another_market_has_its_own_benchmarks():
    built = run_page.build(pretend(around(8.5, 8.5), test={"environment": {"lag": 2}, "episodes": 4}))
    assert {"Benchmarks of the test", "Benchmarks of the training market"} < set(headings(built))
    assert "Nash 12.07" in references(charts(built)["Learning: shortfall"])  # that of training
    assert not any("12.07" in text for text in references(charts(built)["Sessions by shortfall"]))


def test_long_episodes_are_thinned_and_prices_have_levels():
    result = pretend(around(0.3, 0.3), {**FIRMS, "horizon_periods": 1001})
    chart = charts(run_page.build(result))["Price within an episode"]
    firm = lines(chart)["firm 1"]
    assert len(firm.x) <= MOST_STEPS
    assert (firm.x[0], firm.x[-1]) == (3.5, 999.0)
    assert "over 6 consecutive steps" in chart.caption
    assert references(chart) == {"Nash 1.473", "monopoly 1.925"}
    found = outcome_of(result, 0)
    assert np.average(firm.y, weights=[*[6] * 166, 5]) == pytest.approx(float(found.data.test_price[..., 0].mean()))


def test_actions_that_are_names_have_no_mean():
    dilemma = {"kind": "repeated-game", "game": {"kind": "prisoners-dilemma"}, "horizon_periods": 5}
    built = run_page.build(pretend(around(1.5, 1.5), dilemma))
    assert "Paths" not in headings(built)
    assert_draws(built)


def test_schedules_of_several_assets_are_told_apart():
    profile = Profile("Nash", "nash", np.zeros(2), "", quantities={"trades": np.arange(6.0), "price": np.ones(2)})
    np.testing.assert_array_equal(schedules_of(profile, "trade-2", 3)[""], [1, 3, 5])
    assert schedules_of(profile, "trade", 3) == {}
    assert schedules_of(profile, "inventory", 3) == {}
    assets = {"inventories": [[100, 50], [50, 100]], "cross_impact": [[1, 0.2], [0.2, 1]], "trades": "parts"}
    result = pretend(around(9.0, 9.0), {**SELLERS, **assets, "parts": 4, "features": "plain"})
    found = outcome_of(result, 0)
    names = list(lines(path_chart(found, found.market.quantities()[0])))
    assert names[:2] == ["trader 1", "trader 2"]
    assert "Nash of trader 1" in names


# --- sweeps ----------------------------------------------------------------------------------------------------


def test_a_sweep_has_curves_a_table_learning_and_failures():
    costs = np.stack([around(12.5, 12.5), around(11.5, 11.5), around(11.0, 11.1)])
    built = run_page.build(pretend(costs, failed=(4,), sweep={"environment.permanent": [5e-4, 1e-3, 2e-3]}))
    assert headings(built) == ["Outcome by cell", "Learning", "Sessions that failed", "Benchmarks of the first cell",
                               "Provenance"]  # fmt: skip
    drawn = charts(built)
    assert list(lines(drawn["Shortfall against permanent"])) == ["", "Nash", "joint optimum"]
    assert "Gain against permanent" in drawn
    assert list(lines(drawn["Learning: shortfall"])) == ["permanent = 0.0005", "permanent = 0.001", "permanent = 0.002"]
    assert "with exploration" in drawn["Learning: shortfall"].caption
    assert drawn["Learning: shortfall"].x.title == "time (episodes)"
    found = table(built, "Outcome by cell")
    assert found.columns == ("permanent", "shortfall", "Nash", "joint optimum", "gain", "failed")
    assert not any("cheaper" in title for title in drawn)
    assert [row[-1] for row in found.rows] == ["1 of 10", "0 of 10", "0 of 10"]
    assert table(built, "Sessions that failed").rows[0][0] == "cell 0, session 4"
    assert_draws(built)


def test_a_cell_whose_sessions_all_failed_leaves_a_gap():
    costs = np.stack([around(12.5, 12.5, sessions=3), around(11.5, 11.5, sessions=3)])
    built = run_page.build(pretend(costs, failed=(0, 1, 2), sweep={"learners.rate": [1e-3, 1e-4]}))
    assert table(built, "Outcome by cell").rows[0][1] == "-"
    assert np.isnan(lines(charts(built)["Shortfall against rate"])[""].y[-1])  # in the order of rates
    assert list(lines(charts(built)["Learning: shortfall"])) == ["rate = 0.0001"]
    assert_draws(built)


def test_a_sweep_where_no_equilibrium_is_known_draws_none():
    market = {**SELLERS, "permanent": 0.01, "buying": True}
    costs = np.stack([around(90.0, 90.0), around(80.0, 80.0)])
    built = run_page.build(pretend(costs, market, sweep={"environment.temporary": [1e-3, 2e-3]}))
    assert list(lines(charts(built)["Shortfall against temporary"])) == [""]


def test_a_sweep_over_the_test_is_named_by_its_field():
    built = run_page.build(pretend(np.stack([around(11.5, 11.5)] * 2), sweep={"test.epsilon": [0.0, 0.1]}))
    assert charts(built)["Shortfall against epsilon"].x.title == "exploration that goes on"
    assert not any(isinstance(mark, Histogram) for chart in charts(built).values() for mark in chart.marks)

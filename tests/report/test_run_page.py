"""Reports of runs: the charts that users of each kind of game look for, and every awkward sweep."""

import numpy as np
import pytest

from tacitlab.lab.experiment import from_mapping, load
from tacitlab.lab.run import run
from tacitlab.plot import paper as printed
from tacitlab.plot.chart import Area, Bars, Histogram, HLine, Line
from tacitlab.report import page, run_page

LEARNER = {"kind": "q-learning", "alpha": 0.1, "gamma": 0, "exploration": {"kind": "constant", "epsilon": 0.1}}
DRIVERS = {
    "name": "drivers", "description": "ten drivers", "environment": {"kind": "braess", "players": 10},
    "learners": LEARNER, "length": {"periods": 500}, "trace": {"window": 10, "windows": 50}, "sessions": 4,
}  # fmt: skip
FIRMS = {
    "name": "firms", "environment": {"kind": "bertrand", "n_prices": 4},
    "learners": {"kind": "q-learning", "memory": 1, "exploration": {"kind": "exponential", "beta": 0.005}},
    "length": {"periods": 100_000, "stable_for": 500}, "trace": {"window": 100, "windows": 30}, "sessions": 5,
}  # fmt: skip


def built(scenario, **more):
    return run_page.build(run(from_mapping({**scenario, **more})))


def charts(built):
    return {chart.title: chart for section in built.sections for chart in section.charts}


def table(built, heading):
    return next(section.table for section in built.sections if section.heading == heading)


def lines(chart):
    return {mark.name: mark for mark in chart.marks if isinstance(mark, Line)}


def references(chart):
    return {mark.text: mark.y for mark in chart.marks if isinstance(mark, HLine)}


def assert_prints(built):
    """Every figure can be drawn, its axes are named, and the page renders."""
    for chart in charts(built).values():
        assert chart.y.label
        printed.figure(chart)
    assert page.render(built)


@pytest.fixture(scope="module")
def braess():
    return built(DRIVERS)


@pytest.fixture(scope="module")
def bertrand():
    return built(FIRMS)


# --- one cell --------------------------------------------------------------------------------------------------


def test_braess_shows_travel_time_with_its_benchmarks_and_route_shares(braess):
    drawn = charts(braess)
    time = drawn["Learning: travel time"]
    assert references(time) == {"Nash 2": 2.0, "social optimum 1.5": 1.5, "random play 1.6": pytest.approx(1.6)}
    assert (time.x.title, time.y.title) == ("time (periods)", "mean travel time")  # not "travel time (time)"
    assert list(lines(time)) == ["mean of all drivers"]
    shares = drawn["Shares of each route"].marks[0]
    assert isinstance(shares, Area)
    assert list(shares.parts) == ["up", "down", "cross"]
    np.testing.assert_allclose(sum(shares.parts.values()), 1.0, rtol=1e-5)
    assert_prints(braess)


def test_a_run_that_never_converges_shows_greedy_play_beside_learning(braess, bertrand):
    assert [row[0] for row in table(braess, "Outcome and benchmarks").rows] == [
        "travel time", "travel time of greedy play afterwards", "gain (0 to 1 between the two)",
    ]  # fmt: skip
    assert not any("greedy play" in row[0] for row in table(bertrand, "Outcome and benchmarks").rows)


def test_bertrand_shows_prices_profits_and_limit_cycles(bertrand):
    drawn = charts(bertrand)
    assert list(drawn) == [
        "Learning: price", "Learning: profit", "Sessions between competition and cooperation",
        "Limit cycles of greedy play",
    ]  # fmt: skip
    assert list(lines(drawn["Learning: price"])) == ["firm 1", "firm 2"]
    assert "limit cycle" in drawn["Learning: profit"].caption
    assert drawn["Learning: price"].y.title == "mean price (money)"
    assert_prints(bertrand)


def test_cycle_lengths_that_never_occurred_have_an_interval_too(bertrand):
    (bars,) = charts(bertrand)["Limit cycles of greedy play"].marks
    assert isinstance(bars, Bars)
    assert sum(bars.heights) == pytest.approx(1)
    assert all(bars.high > bars.heights - 1e-12)
    assert all(bars.high[bars.heights == 0] > 0)


def test_rare_actions_are_drawn_as_one():
    drawn = charts(built({**DRIVERS, "environment": {"kind": "network", "players": 10}}))
    parts = drawn["Shares of each route"].marks[0].parts
    assert len(parts) == run_page.MOST_AREAS
    assert list(parts)[-1] == "14 others"
    np.testing.assert_allclose(sum(parts.values()), 1.0, rtol=1e-5)
    means = [part.mean() for part in list(parts.values())[:-1]]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize(
    "more",
    [
        {"sessions": 1},
        {"environment": {"kind": "braess", "players": 10, "cost": 0.5}},
    ],
)
def test_no_histogram_of_one_session_or_without_a_place_between_the_benchmarks(more):
    page_of = built(DRIVERS, **more)
    assert not any(isinstance(mark, Histogram) for chart in charts(page_of).values() for mark in chart.marks)
    assert_prints(page_of)


def test_write_makes_a_file_that_names_the_run(tmp_path):
    result = run(from_mapping(DRIVERS), tmp_path / "run")
    text = run_page.write(result, tmp_path / "report.html").read_text()
    assert "drivers: ten drivers" in text
    assert "run/data.zarr" in text
    assert result.manifest["content_hash"] in text


# --- sweeps ----------------------------------------------------------------------------------------------------


def swept(**sweep):
    return built(DRIVERS, sweep={key.replace("__", "."): values for key, values in sweep.items()})


def test_a_sweep_over_one_number_is_a_curve_with_benchmarks_and_greedy_play():
    page_of = swept(learners__exploration__epsilon=[0.5, 0.0, 0.1])
    chart = charts(page_of)["Travel time against epsilon"]
    assert list(lines(chart)) == ["while learning, last fifth", "greedy play afterwards"]
    for line in lines(chart).values():
        np.testing.assert_array_equal(line.x, [0.0, 0.1, 0.5])
    assert references(chart) == {"Nash 2": 2.0, "social optimum 1.5": 1.5, "random play 1.6": pytest.approx(1.6)}
    assert chart.x.title == "probability of a uniformly random action, epsilon"
    rows = table(page_of, "Outcome by cell").rows
    assert [row[0] for row in rows] == ["0.5", "0", "0.1"]
    shown = lines(chart)["while learning, last fifth"].y
    np.testing.assert_allclose([float(row[1].split()[0]) for row in rows], shown[[2, 0, 1]], atol=0.01)
    assert_prints(page_of)


def test_what_a_logarithmic_axis_cannot_show_is_said():
    chart = charts(swept(learners__exploration__epsilon=[0, 0.001, 0.003, 0.01, 0.1, 1]))["Travel time against epsilon"]
    assert chart.x.log
    assert "At epsilon = 0, which the logarithmic axis cannot show: " in chart.caption


def test_a_second_dimension_gives_a_line_each():
    page_of = swept(learners__ties=["first", "random"], learners__exploration__epsilon=[0.1, 0.2, 0.5])
    chart = charts(page_of)["Travel time against epsilon"]
    assert list(lines(chart)) == ["ties = first", "ties = random"]
    assert len(lines(charts(page_of)["Learning: travel time"])) == run_page.MOST_LINES
    assert_prints(page_of)


def test_a_line_holds_the_cells_of_its_setting():
    result = run(from_mapping({**DRIVERS, "sweep": {
        "learners.exploration.epsilon": [0.5, 0.1, 0.3], "learners.alpha": [0.1, 0.9],
    }}))  # fmt: skip
    chart = charts(run_page.build(result))["Travel time against epsilon"]
    means = -result.data["payoff"].isel(time=slice(40, None)).mean(["time", "session", "agent"])
    for alpha in (0.1, 0.9):
        np.testing.assert_allclose(lines(chart)[f"alpha = {alpha}"].y, means.sel(alpha=alpha).sortby("epsilon"))


def test_settings_without_numbers_are_bars():
    page_of = swept(learners__ties=["first", "random"])
    chart = charts(page_of)["Travel time by setting"]
    assert chart.marks[0].categories == ("ties = first", "ties = random")
    assert references(chart) == {"Nash 2": 2.0, "social optimum 1.5": 1.5, "random play 1.6": pytest.approx(1.6)}
    assert_prints(page_of)


def test_benchmarks_that_move_with_the_sweep_are_curves_and_columns():
    page_of = swept(environment__cost=[0.0, 0.2, 0.5])
    chart = charts(page_of)["Travel time against cost"]
    np.testing.assert_allclose(lines(chart)["Nash"].y, [2.0, 1.8, 1.5])
    assert references(chart) == {"social optimum 1.5": 1.5}
    found = table(page_of, "Outcome by cell")
    assert found.columns == ("cost", "travel time", "Nash", "social optimum", "random play", "gain", "converged")
    assert found.rows[-1][-2] is None  # the benchmarks coincide at a cost of one half
    gain = lines(charts(page_of)["Gain against cost"])[""]
    assert np.isfinite(gain.y).tolist() == [True, True, False]
    assert_prints(page_of)


def test_too_many_lines_or_bars_leave_the_table():
    page_of = swept(
        learners__alpha=[k / 10 for k in range(1, 8)], learners__exploration__epsilon=[k / 10 for k in range(7)]
    )
    assert list(charts(page_of)) == ["Learning: travel time"]
    assert len(table(page_of, "Outcome by cell").rows) == 49


def test_sweeps_of_whole_parts_and_of_other_games():
    initial = [{"kind": "constant", "value": -2}, {"kind": "uniform", "low": -2, "high": -1}]
    assert_prints(swept(learners__initial=initial))
    page_of = built(FIRMS, sweep={"learners.alpha": [0.1, 0.3]})
    drawn = charts(page_of)
    assert {"Profit against alpha", "Price against alpha", "Learning: profit"} <= set(drawn)
    assert list(lines(drawn["Price against alpha"])) == [""]
    assert drawn["Price against alpha"].x.title == "learning rate, alpha"
    assert_prints(page_of)


@pytest.mark.parametrize("name", ["braess", "braess-exploration", "braess-decay"])
def test_scenarios_of_braess_report_what_they_trace(name):
    scenario = load(name, ["sessions=2", "length.periods=200", "trace.window=4", "trace.windows=50"])
    page_of = run_page.build(run(scenario))
    assert page_of.title.startswith(f"{name}: ")
    assert "Learning: travel time" in charts(page_of)
    assert_prints(page_of)


@pytest.mark.parametrize("name", ["braess", "braess-exploration", "braess-decay"])
def test_scenarios_of_braess_trace_the_whole_session(name):
    scenario = load(name)
    window, windows = scenario.recorded()
    assert window * windows == scenario.length.periods

import re

import numpy as np
import pytest

from tacitlab.plot import paper as printed
from tacitlab.plot import screen as interactive
from tacitlab.plot.chart import ON_SCREEN, Badges, Cloud, HLine, Line, Points, Rectangle, VLine
from tacitlab.studies.execution_collusion import figures

RNG = np.random.default_rng(0)
RUNS, EPISODES, STEPS = 20, 2500, 10
CENTROIDS = RNG.normal(11.5, 1.0, (RUNS, 2))
SHORTFALLS = CENTROIDS[:, None] + RNG.normal(0, 0.3, (RUNS, EPISODES, 2))
NASH, OPTIMUM = np.array([12.07, 12.08]), np.array([11.0, 11.01])
FRONT = np.array([[9.0, 14.0], [11.0, 11.0], [14.0, 9.0]])
TWAP = np.full(STEPS, 10.0)
DECLINING = 100 * (2 / 3) ** np.arange(STEPS) / np.sum((2 / 3) ** np.arange(STEPS))
SCHEDULES = 100 * RNG.dirichlet(np.ones(STEPS), (RUNS, 2)).transpose(0, 2, 1)


def scatter(**options):
    return figures.shortfall_scatter(SHORTFALLS, CENTROIDS, NASH, OPTIMUM, FRONT, title="Costs", **options)


def of(chart, kind):
    return [mark for mark in chart.marks if isinstance(mark, kind)]


def named(chart, name):
    (mark,) = (mark for mark in chart.marks if getattr(mark, "name", "") == name)
    return mark


def test_every_episode_and_every_run_is_in_the_scatter():
    chart = scatter()
    (cloud,), (badges,) = of(chart, Cloud), of(chart, Badges)
    np.testing.assert_array_equal(np.column_stack([cloud.x, cloud.y]), SHORTFALLS.reshape(-1, 2))
    np.testing.assert_array_equal(cloud.groups, np.repeat(np.arange(RUNS), EPISODES))
    np.testing.assert_array_equal(np.column_stack([badges.x, badges.y]), CENTROIDS)
    assert badges.texts == tuple(str(run) for run in range(RUNS))
    assert chart.equal
    assert chart.x.title == "shortfall of agent 1 (currency)"


def test_benchmarks_stand_where_they_should():
    chart = scatter()
    nash, optimum = named(chart, "Nash equilibrium"), named(chart, "joint optimum")
    assert (nash.x[0], nash.y[0], nash.symbol, nash.hollow) == (12.07, 12.08, "star", False)
    assert (optimum.x[0], optimum.y[0]) == (11.0, 11.01)
    assert nash.symbol != optimum.symbol
    assert [(line.x, line.text) for line in of(chart, VLine)] == [(12.07, "Nash 12.07")]
    assert [(line.y, line.text) for line in of(chart, HLine)] == [(12.08, "Nash 12.08")]
    (area,) = of(chart, Rectangle)
    assert (area.x0, area.x1, area.y0, area.y1) == (11.0, 12.07, 11.01, 12.08)
    np.testing.assert_array_equal(named(chart, "Pareto front").x, FRONT[:, 0])


def test_no_collusive_area_where_the_optimum_is_not_better_for_both():
    chart = figures.shortfall_scatter(SHORTFALLS, CENTROIDS, [10.0, 12.0], OPTIMUM, FRONT, title="")
    assert not of(chart, Rectangle)


def test_published_values_are_hollow():
    chart = scatter(published=CENTROIDS - 2, paper_stars=[[11.2186, 11.2186], [9.0, 9.0]])
    theirs = named(chart, "mean of a published run")
    np.testing.assert_array_equal(theirs.x, CENTROIDS[:, 0] - 2)
    stars = named(chart, "Nash in the paper"), named(chart, "optimum in the paper")
    assert [star.x[0] for star in stars] == [11.2186, 9.0]
    assert all(mark.hollow and mark.reference for mark in (theirs, *stars))
    assert len(of(chart, Points)) == 5


def test_the_caption_says_what_the_screen_leaves_out():
    assert f"on the screen {ON_SCREEN:,} of them" in scatter().caption
    few = figures.shortfall_scatter(SHORTFALLS[:, :9], CENTROIDS, NASH, OPTIMUM, FRONT, title="", caption="σ = 0.")
    assert "screen" not in few.caption
    assert few.caption.startswith("σ = 0. Dots: 9 test episodes of each of 20 runs")


def test_the_caption_says_what_a_window_hides():
    centroids = np.array([[11.0, 11.0], [20.0, 11.0], [11.0, 25.0]])
    costs = np.repeat(centroids[:, None], 10, 1)
    caption = figures.shortfall_scatter(costs, centroids, NASH, OPTIMUM, FRONT, title="", window=(8, 14)).caption
    assert "Outside the part shown: 66.7 % of the episodes, and the means of runs 1, 2. Dashed" in caption
    wide = figures.shortfall_scatter(costs, centroids, NASH, OPTIMUM, FRONT, title="", window=(8, 30)).caption
    assert "Outside" not in wide
    chart = figures.centroids_by_volatility({"σ": centroids}, NASH, OPTIMUM, FRONT, title="", window=(8, 14))
    assert "2 lie outside the part shown" in chart.caption


def test_files_of_the_scatter_are_small(tmp_path):
    chart = scatter(window=(11.0, 12.0))
    assert chart.x.range == chart.y.range == (11.0, 12.0)
    assert printed.save(chart, tmp_path / "scatter.pdf").stat().st_size < 1_500_000
    assert len(interactive.figure(chart).to_json()) < 120_000


def test_numbers_of_runs_do_not_cover_each_other_on_paper():
    axes = printed.figure(scatter()).axes[0]
    places = axes.transData.transform([text.get_position() for text in axes.texts if text.get_text().isdigit()])
    distance = np.hypot(*(places[:, None] - places).T) + 1e3 * np.eye(len(places))
    assert len(places) == RUNS
    assert distance.min() * 72 / axes.figure.dpi > 10


def test_centroids_by_volatility_have_a_symbol_each():
    found = {"σ = 1e-9": CENTROIDS, "σ = 0.01": CENTROIDS[:5] + 1}
    chart = figures.centroids_by_volatility(found, NASH, OPTIMUM, FRONT, title="", window=(8, 14))
    assert [len(named(chart, name).x) for name in found] == [20, 5]
    assert named(chart, "Nash equilibrium").x[0] == 12.07
    assert chart.y.range == (8, 14)


def test_learning_curve_has_a_band_for_each_agent():
    time = np.arange(100, 5001, 100)
    costs = 12 + RNG.normal(size=(RUNS, len(time), 2))
    chart = figures.learning_curve(time, costs, 12.07, 11.0, title="Learning")
    one, two = of(chart, Line)
    np.testing.assert_allclose(one.y, costs[..., 0].mean(0))
    assert np.all((two.low < two.y) & (two.y < two.high))
    assert [line.text for line in of(chart, HLine)] == ["Nash 12.07", "joint optimum 11.00"]
    assert "20 runs" in chart.caption


def test_a_panel_for_each_run():
    panels = figures.schedule_panels(SCHEDULES, DECLINING, TWAP, CENTROIDS, title="")
    assert len(panels.panels) == RUNS
    assert panels.panels[3].title == "3: {:.2f}, {:.2f}".format(*CENTROIDS[3])
    twap, nash, one, two = panels.panels[3].marks
    assert [line.name for line in (twap, nash, one, two)] == ["TWAP", "Nash equilibrium", "agent 1", "agent 2"]
    np.testing.assert_allclose(twap.y, np.arange(100, -1, -10))
    np.testing.assert_allclose([one.y[0], one.y[4], one.y[-1]], [100, 100 - SCHEDULES[3, :4, 0].sum(), 0], atol=1e-9)
    assert twap.reference
    assert nash.reference
    assert two.dash


def test_average_schedules_are_means_over_agents_and_runs():
    published = {"σ = 0.01": SCHEDULES[:7]}
    panels = figures.average_schedules(
        {"σ = 1e-9": SCHEDULES, "σ = 0.01": SCHEDULES}, DECLINING, TWAP, title="", published=published
    )
    first, second = panels.panels
    ours = first.marks[2]
    np.testing.assert_allclose(ours.y[:-1], SCHEDULES.mean((0, 2)))
    assert np.all(ours.low <= ours.y)
    assert len(first.marks) == 3
    theirs = second.marks[3]
    np.testing.assert_allclose(theirs.y, SCHEDULES[:7].mean((0, 2)))
    np.testing.assert_array_equal(theirs.x, np.arange(1, 11))


def test_reconstruction_shows_each_agent_of_each_run_and_the_error():
    published = {"σ = 1e-9": CENTROIDS, "σ = 0.01": CENTROIDS + 1}
    predicted = {"lag 1": {name: costs + 2 for name, costs in published.items()}, "lag 2": published}
    panels = figures.published_reconstruction(published, predicted, title="")
    assert panels.equal
    assert panels.panels[0].title == "σ = 1e-9\nlag 1: 2.00\nlag 2: 0.00"
    diagonal, one, two = panels.panels[1].marks
    np.testing.assert_array_equal(diagonal.x, diagonal.y)
    np.testing.assert_allclose(one.y - one.x, 2)
    assert len(two.x) == 2 * RUNS


@pytest.mark.parametrize(
    "picture",
    [
        scatter(published=CENTROIDS - 2, paper_stars=[[11.2, 11.2], [9, 9]]),
        figures.schedule_panels(SCHEDULES, DECLINING, TWAP, CENTROIDS, title="Schedules"),
        figures.average_schedules({"σ = 1e-9": SCHEDULES}, DECLINING, TWAP, title="Schedules"),
        figures.published_reconstruction({"a": CENTROIDS}, {"lag 1": {"a": CENTROIDS}}, title="Costs"),
    ],
    ids=["scatter", "schedules", "average", "reconstruction"],
)
def test_every_figure_is_drawn_and_says_its_units(picture):
    printed.figure(picture)
    assert interactive.figure(picture).data
    assert re.search(r"\((currency|shares)\)", picture.y.title)

import math

import numpy as np
import pytest

from tacitlab.plot import layout, looks
from tacitlab.plot.chart import (
    Area,
    Axis,
    Badges,
    Bars,
    Chart,
    Cloud,
    HeatMap,
    Histogram,
    HLine,
    Line,
    Points,
    Rectangle,
    VLine,
)

X, Y, LOG = Axis("x"), Axis("y"), Axis("log", log=True)


def chart(*marks, x=X, y=Y):
    return Chart("", x, y, marks)


def test_series_of_one_name_share_a_look_and_others_differ():
    by_name, by_mark, _ = looks.find_looks(
        chart(Line([1], [1], "a"), Points([1], [1], "a"), Line([1], [1]), Area([1], {"b": [1]}))
    )
    assert by_mark[0] == by_mark[1] == by_name["a"]
    assert len({by_mark[0].colour, by_mark[2].colour, by_name["b"].colour}) == 3


def test_colours_begin_again_with_another_dash():
    by_name, _, _ = looks.find_looks(chart(*(Line([1], [1], str(n)) for n in range(15))))
    assert len({(look.colour, look.round) for look in by_name.values()}) == 15


def test_limits_hold_data_bands_and_reference_lines():
    x, y = layout.limits(chart(Line([0, 1], [2, 3], low=[1, 1], high=[4, 5]), HLine(9), VLine(-2)))
    assert x == (-2, 1)
    assert y[0] < 1
    assert y[1] > 9


@pytest.mark.parametrize("axis", [X, LOG])
@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [3.0, 3.0], [-1.0, 0.0], [np.inf, 2.0]])
def test_limits_are_an_interval_whatever_the_data(axis, values):
    for low, high in layout.limits(chart(Line(values, values), x=axis, y=axis)):
        assert math.isfinite(low)
        assert low < high
        assert low > 0 or not axis.log


def test_bars_and_counts_stand_on_zero_and_shares_fill_the_plot():
    assert layout.limits(chart(Bars(["a"], [3])))[1][0] == 0
    assert layout.limits(chart(Histogram([1, 2, 2])))[1][0] == 0
    assert layout.limits(chart(Area([0, 1], {"a": [0.3, 0.4], "b": [0.7, 0.6]})))[1] == (0, 1)


def test_a_given_range_is_kept():
    assert layout.limits(chart(Line([0, 9], [0, 9]), y=Axis("y", range=(1, 2))))[1] == (1, 2)


def test_fraction_of_an_axis():
    assert layout.fraction(10, (1, 100), log=True) == pytest.approx(0.5)
    assert math.isnan(layout.fraction(0, (1, 100), log=True))


def test_histograms_share_bins_and_lose_nothing():
    values = np.random.default_rng(0).normal(size=500)
    (edges, one), (same, two) = layout.counted(chart(Histogram(values), Histogram([*values[:100] / 2, np.nan])))
    np.testing.assert_array_equal(edges, same)
    assert one.sum() == 500
    assert two.sum() == 100


@pytest.mark.parametrize("values", [[2.0] * 9, [0.0], [1e-300, 1.0], [1.0, 1.0 + 1e-15], [0, 0, 0, 0, 1e9]])
@pytest.mark.parametrize("axis", [X, LOG])
def test_bins_of_awkward_samples(values, axis):
    ((edges, counts),) = layout.counted(chart(Histogram(values), x=axis))
    assert np.all(np.diff(edges) > 0)
    assert len(counts) <= 60
    assert counts.sum() == sum(value > 0 or not axis.log for value in values)


def test_own_bins():
    ((edges, counts),) = layout.counted(chart(Histogram([0.0, 1.0, 2.0], bins=4)))
    np.testing.assert_allclose(edges, [0, 0.5, 1, 1.5, 2])
    np.testing.assert_array_equal(counts, [1, 0, 1, 1])


def test_cells_meet_half_way():
    np.testing.assert_allclose(layout.cell_edges(np.array([1.0, 2.0, 4.0]), log=False), [0.5, 1.5, 3, 5])
    np.testing.assert_allclose(layout.cell_edges(np.array([1.0, 100.0]), log=True), [0.1, 10, 1000])


def test_a_band_has_a_polygon_for_each_run():
    low = np.array([0, 0, np.nan, 0, np.nan, 0, 0])
    outlines = layout.polygons(np.arange(7.0), low, low + 1)
    assert [list(x) for x, _ in outlines] == [[0, 1, 1, 0], [5, 6, 6, 5]]
    assert list(layout.lone(np.arange(7.0), low)) == [False, False, False, True, False, False, False]


def test_steps_hold_their_value_until_the_next_x():
    x, y = layout.stairs(np.array([0.0, 1, 2, 3]), np.array([5.0, 6, np.nan, 7]))
    np.testing.assert_array_equal(x, [0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(y, [5, 5, 6, np.nan, np.nan, np.nan, 7])


def test_a_band_that_leaves_a_logarithmic_plot_ends_at_its_border():
    drawn = chart(Line([1, 2], [1.0, -1], low=[-1, -2], high=[2, 2]), y=LOG)
    shown = layout.limits(drawn)
    line = layout.ready(drawn, shown).marks[0]
    np.testing.assert_array_equal(line.low, [shown[1][0]] * 2)
    np.testing.assert_array_equal(line.y, [1, np.nan])


def test_groups_of_bars_stand_side_by_side():
    one, two = Bars(["a", "b"], [1, 2]), Bars(["b", "c"], [3, 4])
    order = layout.categories(chart(one, two))
    assert order == ["a", "b", "c"]
    at, wide = layout.bar_places(two, order, 1, 2)
    np.testing.assert_allclose(at, [1.2, 2.2])
    assert wide == pytest.approx(0.4)


def test_heat_map_limits_are_the_borders_of_its_cells():
    assert layout.limits(chart(HeatMap([1, 2], [1], [[1, 2]]))) == ((0.5, 2.5), (0.5, 1.5))


def test_references_have_the_ink_of_reference_lines_and_take_no_colour():
    front, nash = Line([1], [1], "front", reference=True), Points([1], [1], "Nash", reference=True)
    by_name, _, _ = looks.find_looks(chart(front, Rectangle(0, 1, 0, 1, "area"), nash, Line([1], [1], "a")))
    assert {by_name[name].colour for name in ("front", "area", "Nash")} == {looks.INK}
    assert by_name["front"].round != by_name["Nash"].round
    assert by_name["a"].colour == looks.PALETTE[0]
    assert by_name["Nash"].symbol == "star"


def test_twenty_groups_have_colours_of_their_own_and_legible_texts():
    colours = looks.find_looks(chart(Cloud(range(20), range(20), range(20)))).groups
    assert len(set(colours.values())) == 20
    assert looks.text_on("#003350") == "#ffffff"
    assert looks.text_on("#f0e442") == "#000000"


def test_limits_hold_clouds_badges_and_rectangles():
    x, y = layout.limits(chart(Cloud([0], [5]), Badges([1], [9], "a"), Rectangle(-3, 0, 6, 7)))
    assert x[0] < -3 < 1 < x[1]
    assert y[0] < 5 < 9 < y[1]


def test_an_equal_chart_shows_intervals_of_one_length():
    wide = Chart("", X, Y, (Line([0, 10], [4, 6]),), equal=True)
    assert layout.limits(wide) == ((0, 10), (0, 10))
    ranges = Axis("x", range=(0, 2)), Axis("y", range=(5, 7))
    assert layout.limits(Chart("", *ranges, (Line([0, 10], [4, 6]),), equal=True)) == ((0, 2), (5, 7))


def test_points_of_a_cloud_are_drawn_group_by_group_in_turn():
    cloud = Cloud([np.nan, *range(9)], range(10), [0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    order = layout.cloud_order(cloud)
    assert sorted(order) == list(range(1, 10))
    assert set(cloud.groups[order[:3]]) == {0, 1, 2}
    np.testing.assert_array_equal(layout.cloud_order(cloud, 4), order[:4])
    np.testing.assert_array_equal(np.sort(layout.cloud_order(Cloud([1, 2], [1, 2]))), [0, 1])
    assert layout.cloud_order(Cloud([], [], [])).size == 0


def test_fraction_and_its_inverse():
    for interval, log in (((-2, 6), False), ((1e-3, 10), True)):
        assert layout.fraction(layout.at_fraction(0.3, interval, log), interval, log) == pytest.approx(0.3)

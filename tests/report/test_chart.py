import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

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
)
from tacitlab.plot.panels import Panel, Panels

LOG, PLAIN = Axis("x", log=True), Axis("x")


def test_axis_title_has_the_unit():
    assert Axis("price", "money").title == "price (money)"
    assert Axis("share").title == "share"


def test_numbers_become_float_arrays_and_none_a_gap():
    line = Line([1, 2, 3], (1, None, 3))
    assert line.y.dtype == np.float64
    np.testing.assert_array_equal(line.y, [1, np.nan, 3])


def test_marks_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Line([1], [1]).name = "other"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Line([1, 2], [1], "firm"), "Line 'firm': y has 1 values, x has 2"),
        (lambda: Line([1], [1], low=[1, 2], high=[1]), "Line: low has 2 values, x has 1"),
        (lambda: Line([1], [1], low=[1]), "Line: give low and high together, or neither"),
        (lambda: Line([1], ["a"]), "Line: y must be numbers"),
        (lambda: Line([[1]], [1]), "Line: x has 2 dimensions; give 1"),
        (lambda: Points([1], [1], labels=("a", "b")), "Points: labels has 2 values, x has 1"),
        (lambda: Points([1], [1], symbol="heart"), "Points: symbol 'heart' is none of circle,"),
        (lambda: Histogram([1], bins=0), "Histogram: bins is 0; it must be at least 1"),
        (lambda: Histogram([1], bins=3, edges=[0, 1]), "Histogram: give bins or edges, not both"),
        (lambda: Histogram([1], edges=[1, 0]), "Histogram: edges must be at least two increasing numbers"),
        (lambda: Bars(["a"], [1, 2]), "Bars: heights has 2 values, categories has 1"),
        (lambda: Bars(["a", "a"], [1, 2]), "Bars: categories must differ from each other"),
        (lambda: Area([1, 2], {"up": [1]}), "Area 'up': it has 1 values, x has 2"),
        (lambda: Area([1], {"up": [-1]}), "Area 'up': a share must not be negative"),
        (lambda: HeatMap([1, 2], [1], [[1], [2]]), "HeatMap '': z is (2, 1), (y, x) is (1, 2)"),
        (lambda: HeatMap([2, 1], [1], [[1, 2]]), "HeatMap '': x must be finite and increasing"),
        (lambda: Cloud([1, 2], [1]), "Cloud: y has 1 values, x has 2"),
        (lambda: Cloud([1], [1], [0.5], "runs"), "Cloud 'runs': groups must be whole numbers"),
        (lambda: Cloud([1], [1], [None]), "Cloud: groups must be whole numbers"),
        (lambda: Badges([1], [1], "ab"), "Badges: texts has 2 values, x has 1"),
        (lambda: Badges([1], [1], "a", [1, 2]), "Badges: groups has 2 values, x has 1"),
        (lambda: Rectangle(1, 1, 0, 1, "area"), "Rectangle 'area': corners (1, 1, 0, 1) must be finite, x0 below x1"),
        (lambda: Rectangle(0, float("inf"), 0, 1), "must be finite"),
        (lambda: Chart("t", LOG, PLAIN, (Rectangle(0, 1, 0, 1),)), "chart 't': a rectangle on a logarithmic axis"),
        (lambda: Chart("t", LOG, PLAIN, equal=True), "chart 't': axes of equal units cannot be logarithmic"),
        (lambda: Chart("t", Axis("x", range=(0, 1)), PLAIN, equal=True), "need ranges of one length, or none"),
        (lambda: Panels("t", PLAIN, PLAIN, ()), "panels 't': give at least one panel"),
        (lambda: Panels("t", PLAIN, PLAIN, [Panel("a")], 0), "panels 't': columns is 0; it must be at least 1"),
        (lambda: Panel("a", [Histogram([1])]), "panel 'a': Histogram needs a chart of its own"),
        (lambda: Panel("a", [HLine(1, "Nash")]), "panel 'a': there is no room for 'Nash' beside its line"),
        (lambda: Axis("x", range=(1, 0)), "axis 'x': range (1, 0) must be finite and increasing"),
        (lambda: Axis("x", log=True, range=(0, 1)), "axis 'x': a logarithmic range must be positive"),
        (lambda: Chart("t", LOG, PLAIN, (Bars(["a"], [1]),)), "chart 't': bars stand on categories"),
        (lambda: Chart("t", PLAIN, LOG, (Area([1], {}),)), "chart 't': stacked shares cannot stand"),
        (lambda: Chart("t", LOG, PLAIN, (HeatMap([0], [1], [[1]]),)), "chart 't': a heat map on a logarithmic"),
        (lambda: Chart("t", PLAIN, PLAIN, ("line",)), "chart 't': str is not a mark"),
    ],
)
def test_mistakes_are_named_in_one_line(build, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_marks_of_a_chart_may_come_in_a_list():
    assert Chart("", PLAIN, PLAIN, [HLine(1)]).marks == (HLine(1),)

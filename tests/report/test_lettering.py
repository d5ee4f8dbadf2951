import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.plot import lettering
from tacitlab.plot.chart import Axis, Badges, Chart, Points


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 4)), max_size=20))
def test_spread_labels_do_not_overlap_and_keep_their_order(labels):
    centres, sizes = [c for c, _ in labels], [s for _, s in labels]
    placed = lettering.spread(centres, sizes, 0, 100)
    order = np.argsort(centres, kind="stable")
    gaps = np.diff(placed[order]) - (np.array(sizes)[order][1:] + np.array(sizes)[order][:-1]) / 2
    assert np.all(gaps > -1e-9)
    assert all(
        at - size / 2 + 1e-9 >= 0 and at + size / 2 <= 100 + 1e-9 for at, size in zip(placed, sizes, strict=True)
    )


def test_labels_with_room_stay_where_they_are():
    np.testing.assert_allclose(lettering.spread([10, 50], [5, 5], 0, 100), [10, 50])


@pytest.mark.parametrize("room", [1, 30, 60, 500])
def test_wrapped_lines_fit_and_lose_no_letter(room):
    text = "multi-agent proximal policy optimisation WITH CAPITALS\nand a break"
    wrapped = lettering.wrap(text, room, 10)
    assert "".join(wrapped.split()) == "".join(text.split())
    assert all(lettering.text_width(line, 10) <= room or len(line) == 1 for line in wrapped.splitlines())


def test_an_empty_text_has_no_lines():
    assert lettering.wrap("", 100, 10) == ""


def test_short_categories_are_upright_long_ones_turned_and_none_is_dropped():
    upright = lettering.category_ticks(["a", "b"], 50, 10)
    turned = lettering.category_ticks(["a very long category", "independent"], 20, 10)
    assert (upright.texts, upright.turned) == (["a", "b"], False)
    assert (turned.at, turned.turned) == ([0, 1], True)


def test_crowded_numbers_are_thinned():
    assert lettering.category_ticks([str(n) for n in range(100)], 5, 10).at == list(range(0, 100, 5))


def test_texts_of_points_avoid_each_other():
    points = Points([1, 1.05], [1, 1], labels=("left one", "right one"))
    chart = Chart("", Axis("x", range=(0, 2)), Axis("y", range=(0, 2)), (points,))
    one, two = lettering.point_spots(chart, ((0, 2), (0, 2)), (400, 200), 10)[0]
    boxes = [
        lettering.text_box(x, 100, text, spot, 10)
        for x, text, spot in ((200, "left one", one), (210, "right one", two))
    ]
    assert lettering.overlap(*boxes) == 0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=25))
def test_discs_do_not_hide_each_other_nor_what_is_fixed(places):
    found = lettering.apart(np.array(places, dtype=float).reshape(-1, 2), 5.0, np.array([[150, 150, 8.0]]), (300, 300))
    apart = np.hypot(*(found[:, None] - found).T) + 100 * np.eye(len(found))
    assert apart.size == 0 or apart.min() > 9.9
    assert np.all(np.hypot(*(found - 150).T) > 12.9)
    assert np.all((found >= 5) & (found <= 295))


def test_discs_with_room_stay_where_they_are():
    places = np.array([[50.0, 50.0], [70.0, 50.0], [20.0, 90.0]])
    found = lettering.apart(places, 5.0, np.array([[60.0, 80.0, 5.0]]), (100, 100))
    np.testing.assert_allclose(found, places, atol=0.01)


def test_badges_avoid_stars_and_those_outside_stay_outside():
    marks = (Badges([1, 5], [1, 1], "ab"), Points([1], [1], reference=True))
    ((inside, outside),) = lettering.badge_places(Chart("", Axis("x"), Axis("y"), marks), ((0, 2),) * 2, (200, 200), 10)
    assert np.hypot(*(inside - 1)) * 100 >= (lettering.BADGE + 0.6) * 10 - 0.1
    np.testing.assert_allclose(outside, [5, 1])

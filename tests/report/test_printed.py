import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from tacitlab.errors import TacitError
from tacitlab.plot import looks
from tacitlab.plot import paper as printed
from tacitlab.plot.chart import Axis, Badges, Chart, Cloud, HLine, Line, Points, Rectangle

SIMPLE = Chart("t", Axis("period"), Axis("price", "money"), (Line([0, 1], [1, 2], "firm"), HLine(1.5, "Nash 1.5")))


def boxes(artists, renderer):
    return [artist.get_window_extent(renderer) for artist in artists if artist.get_visible()]


def meet(one, other):
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    return wide > 0.5 and min(one.y1, other.y1) - max(one.y0, other.y0) > 0.5


def ticks(axis):
    low, high = sorted(axis.get_view_interval())
    found = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
    return [label for at, label in found if low <= at <= high and label.get_text()]


@pytest.mark.parametrize("width", [6.3, 3.4])
def test_no_text_covers_another_text_or_the_plot_or_leaves_the_sheet(chart, width):
    figure = printed.figure(chart, width)
    figure.draw_without_rendering()
    renderer, axes = figure.canvas.get_renderer(), figure.axes[0]
    plot, sheet = axes.get_window_extent(), figure.bbox
    for axis in (axes.xaxis, axes.yaxis):
        for one, other in itertools.combinations(boxes(ticks(axis), renderer), 2):
            assert not meet(one, other)
    labels = [text for text in axes.texts if text.get_text() and getattr(text, "xyann", None) is not None]
    references = boxes([text for text in labels if text.xycoords != "data"], renderer)
    outside = [*references, *boxes([*figure.texts, *figure.legends], renderer)]
    for one, other in itertools.combinations(outside, 2):
        assert not meet(one, other)
    for box in outside:
        assert not meet(box, plot)
        assert box.x0 > sheet.x0 - 1
        assert box.x1 < sheet.x1 + 1
        assert box.y0 > sheet.y0 - 1
        assert box.y1 < sheet.y1 + 1


def test_twenty_reference_lines_have_their_labels():
    marks = tuple(HLine(1 + n / 1000, f"reference {n}") for n in range(20))
    axes = printed.figure(Chart("", Axis("x"), Axis("y"), marks)).axes[0]
    assert {text.get_text() for text in axes.texts} >= {mark.text for mark in marks}


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".PNG"])
def test_save_by_suffix(tmp_path, suffix):
    path = printed.save(SIMPLE, tmp_path / f"figure{suffix}")
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix.lower()]
    assert path.read_bytes().startswith(start)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_the_same_chart_is_the_same_file(tmp_path, suffix):
    one, two = (printed.save(SIMPLE, tmp_path / f"{n}{suffix}").read_bytes() for n in (1, 2))
    assert one == two


def test_unknown_suffix(tmp_path):
    with pytest.raises(TacitError, match=r"cannot save a figure as '\.gif'; choose \.png, \.pdf, \.svg"):
        printed.save(SIMPLE, tmp_path / "figure.gif")


def test_missing_folder(tmp_path):
    with pytest.raises(TacitError, match="cannot be written"):
        printed.save(SIMPLE, tmp_path / "no" / "figure.png")


def test_labels_colours_and_reference_lines():
    axes = printed.figure(SIMPLE).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("period", "price (money)")
    assert "Nash 1.5" in [text.get_text() for text in axes.texts]
    assert to_hex(axes.lines[0].get_color()).upper() in (looks.PALETTE[0], looks.INK)


def test_text_is_never_mathematics():
    marks = (Line([0, 1], [0, 1], "$x$ and $y"), HLine(1, "$2$"))
    figure = printed.figure(Chart("$t$", Axis("$x_1$"), Axis("y", "$"), marks, caption="$c$"))
    texts = [*figure.texts, *figure.axes[0].texts, *figure.legends[0].get_texts(), figure.axes[0].xaxis.label]
    assert all(not text.get_parse_math() for text in texts if text.get_text())
    assert figure.legends[0].get_texts()[0].get_text() == "$x$ and $y"


def test_nobodys_style_changes_a_figure_and_a_figure_nobodys_style():
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        axes = printed.figure(SIMPLE).axes[0]
        assert matplotlib.rcParams["font.size"] == 30
    assert to_hex(axes.get_facecolor()) == "#ffffff"
    assert axes.xaxis.label.get_size() == printed.EM


def test_large_periods_are_plain_numbers():
    axes = printed.figure(Chart("", Axis("period"), Axis("y"), (Line([0, 2e6], [0, 1]),))).axes[0]
    assert "2,000,000" in [label.get_text() for label in axes.get_xticklabels()]


def test_a_gap_is_a_gap():
    axes = printed.figure(Chart("", Axis("x"), Axis("y"), (Line([0, 1, 2], [1, np.nan, 3]),))).axes[0]
    assert np.isnan(axes.lines[0].get_ydata()[1])


@pytest.mark.parametrize("width", [6.3, 3.4])
def test_no_text_of_panels_covers_another_text_or_a_plot_or_leaves_the_sheet(panels, width):
    figure = printed.figure(panels, width)
    figure.draw_without_rendering()
    renderer, sheet = figure.canvas.get_renderer(), figure.bbox
    numbers = [
        label
        for axes in figure.axes
        for axis, shown in ((axes.xaxis, "labelbottom"), (axes.yaxis, "labelleft"))
        if axis.get_tick_params()[shown]
        for label in ticks(axis)
    ]
    words = boxes([text for text in figure.texts if text.get_text()] + figure.legends, renderer)
    for one, other in itertools.combinations(words + boxes(numbers, renderer), 2):
        assert not meet(one, other)
    plots = [axes.get_window_extent() for axes in figure.axes]
    for one, other in itertools.combinations(plots, 2):
        assert not meet(one, other)
    for box in words:
        assert not any(meet(box, plot) for plot in plots)
        assert box.x0 > sheet.x0 - 1
        assert box.x1 < sheet.x1 + 1
        assert box.y0 > sheet.y0 - 1
        assert box.y1 < sheet.y1 + 1


def test_panels_of_equal_units_are_square(panels):
    for axes in printed.figure(panels).axes:
        box = axes.get_window_extent()
        assert not panels.equal or box.width == pytest.approx(box.height)


def test_a_figure_with_every_episode_is_a_small_file(tmp_path):
    rng = np.random.default_rng(0)
    cloud = Cloud(*rng.uniform(size=(2, 50_000)), np.arange(50_000) % 20, "episode")
    chart = Chart("", Axis("x"), Axis("y"), (cloud,), equal=True)
    assert printed.save(chart, tmp_path / "cloud.pdf").stat().st_size < 1_500_000
    dots = printed.figure(chart).axes[0].collections[0]
    assert len(dots.get_offsets()) == 50_000
    assert dots.get_rasterized()


def test_an_equal_chart_is_square():
    for width in (6.3, 3.4):
        chart = Chart("", Axis("x"), Axis("y"), (Line([0, 9], [0, 1]), HLine(1, "one")), equal=True)
        box = printed.figure(chart, width).axes[0].get_window_extent()
        assert box.width == pytest.approx(box.height)


def test_rectangle_star_and_badge_stand_where_they_should():
    marks = (
        Rectangle(11, 12, 10, 13, "area"),
        Points([12], [13], "Nash", reference=True),
        Points([11], [10], "theirs", hollow=True, reference=True, symbol="star-diamond"),
        Badges([10, 9], [12, 9], "78", [7, 8], "mean"),
    )
    axes = printed.figure(Chart("", Axis("x"), Axis("y"), marks)).axes[0]
    area = axes.patches[0].get_xy()
    assert (area.min(0).tolist(), area.max(0).tolist()) == ([11, 10], [12, 13])
    star = next(line for line in axes.lines if line.get_marker() == "*")
    assert (star.get_xdata(), star.get_ydata()) == ([12], [13])
    assert to_hex(star.get_markerfacecolor()) == looks.INK
    hollow = next(line for line in axes.lines if line.get_marker() == (4, 1, 0))
    assert to_hex(hollow.get_markerfacecolor()) == "#ffffff"
    texts = {text.get_text(): text.get_position() for text in axes.texts}
    assert texts["7"] == pytest.approx((10, 12), abs=0.01)


def test_whole_axes_have_whole_ticks():
    axes = printed.figure(Chart("", Axis("step", whole=True), Axis("y"), (Line([1, 3], [0, 1]),))).axes[0]
    assert all(at == round(at) for at in axes.get_xticks())

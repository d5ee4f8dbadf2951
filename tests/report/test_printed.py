import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from tacit.errors import TacitError
from tacit.report import looks, printed
from tacit.report.chart import Axis, Chart, HLine, Line

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

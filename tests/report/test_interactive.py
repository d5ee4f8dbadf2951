import itertools
import json

import numpy as np

from tacitlab.plot import lettering, looks
from tacitlab.plot import paper as printed
from tacitlab.plot import screen as interactive
from tacitlab.plot.chart import ON_SCREEN, Area, Axis, Badges, Chart, Cloud, HLine, Line, Points, VLine

X, Y = Axis("period"), Axis("price", "money")


def test_every_chart_is_drawn(chart):
    figure = interactive.figure(chart)
    assert json.loads(figure.to_json())["layout"]["height"] > interactive.PLOT_HEIGHT
    names = {trace.name for trace in figure.data if trace.showlegend}
    assert len(names) == len(looks.find_looks(chart)[0])
    margins = figure.layout.margin.t + figure.layout.margin.b
    assert figure.layout.height - margins > interactive.PLOT_HEIGHT - 1e-6


def letters(texts):
    return sorted("".join(text.replace("<br>", " ").split()) for text in texts if text)


def test_both_renderers_show_the_same_intervals_and_reference_labels(chart):
    figure, axes = interactive.figure(chart), printed.figure(chart).axes[0]
    for axis, spec, limits in (
        (figure.layout.xaxis, chart.x, axes.get_xlim()),
        (figure.layout.yaxis, chart.y, axes.get_ylim()),
    ):
        np.testing.assert_allclose([10**end for end in axis.range] if spec.log else axis.range, limits)
    blocks = interactive.GAP - interactive.LEFT  # title and caption stand further left than any label
    ours = letters(note.text for note in figure.layout.annotations if note.xshift != blocks)
    beside = {label for mark in chart.marks if isinstance(mark, Points) for label in mark.labels or ()}
    beside |= {text for mark in chart.marks if isinstance(mark, Badges) for text in mark.texts}
    assert ours == letters(text.get_text() for text in axes.texts if text.get_text() not in beside)


def test_a_band_answers_to_the_legend_entry_of_its_curve():
    band, curve = interactive.figure(Chart("", X, Y, (Line([0, 1], [1, 2], "firm", low=[0, 1], high=[2, 3]),))).data
    assert band.legendgroup == curve.legendgroup == "firm"
    assert (band.showlegend, curve.showlegend) == (False, True)
    assert curve.line.color == looks.PALETTE[0]


def test_unnamed_series_have_no_entry_and_the_legend_can_be_left_out():
    assert not interactive.figure(Chart("", X, Y, (Line([0], [0]),))).layout.showlegend
    assert not interactive.figure(Chart("", X, Y, (Line([0], [0], "firm"),), legend=False)).layout.showlegend


def test_no_text_is_markup():
    evil = "<a href='https://example.org'>x</a>"
    marks = (
        Line([0, 1], [0, 1], evil),
        Points([0], [0], labels=(evil,)),
        Area([0], {evil + "2": [1]}),
        HLine(1, evil),
        VLine(1, evil),
    )
    written = interactive.figure(Chart(evil, Axis(evil), Axis(evil), marks, caption=evil)).to_plotly_json()
    assert "<a" not in str(written)


def test_labels_on_a_logarithmic_axis_stand_at_the_logarithm():
    axis = Axis("x", log=True, range=(1, 1000))
    notes = interactive.figure(Chart("", axis, axis, (HLine(100, "h"), VLine(10, "v")))).layout.annotations
    assert {note.y for note in notes if note.text == "h"} == {2}
    assert {note.x for note in notes if note.text == "v"} == {1}


def test_twenty_labels_stand_apart():
    marks = tuple(HLine(1 + n / 1000, f"reference {n}") for n in range(20))
    figure = interactive.figure(Chart("", X, Y, marks))
    plot = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    low, high = figure.layout.yaxis.range
    heights = sorted((note.y - low) / (high - low) * plot - note.ay for note in figure.layout.annotations)
    assert np.diff(heights).min() >= lettering.text_height("x", interactive.EM) - 1e-6


def test_nothing_offers_to_send_the_data_away():
    assert "sendChartToCloud" in interactive.figure(Chart("", X, Y)).layout.modebar.remove


def test_a_page_carries_few_points_of_a_cloud_of_each_group_as_many():
    rng = np.random.default_rng(0)
    cloud = Cloud(*rng.normal(size=(2, 50_000)), np.repeat(np.arange(20), 2500), "episode")
    drawing = interactive.figure(Chart("", X, Y, (cloud,)))
    dots, entry = drawing.data
    assert len(dots.x) == ON_SCREEN
    assert dots.x.dtype == np.float32
    assert set(np.bincount(dots.customdata)) == {ON_SCREEN // 20}
    assert (dots.showlegend, entry.showlegend) == (False, True)
    assert len(drawing.to_json()) < 100_000


def test_a_group_has_one_colour_in_clouds_and_badges():
    marks = (Cloud([1, 2, 3], [1, 2, 3], [5, 3, 9]), Badges([1], [1], ["9"], [9]))
    dots, _, _, discs, _ = interactive.figure(Chart("", X, Y, marks)).data
    colours = dict(zip(dots.customdata.tolist(), dots.marker.color.tolist(), strict=True))
    scale = [colour for _, colour in dots.marker.colorscale]
    assert [scale[colours[group]] for group in (3, 5, 9)] == [colour.lower() for colour in looks.PALETTE[:3]]
    assert discs.marker.color == (scale[colours[9]],)


def test_the_plot_of_an_equal_chart_is_square():
    figure = interactive.figure(Chart("", X, Y, (Line([0, 10], [0, 1]),), equal=True))
    assert np.ptp(figure.layout.xaxis.range) == np.ptp(figure.layout.yaxis.range)
    assert figure.layout.yaxis.scaleanchor == "x"


def test_panels_share_axes_legend_and_colours(panels):
    figure = interactive.figure(panels)
    json.loads(figure.to_json())
    entries = [trace.name for trace in figure.data if trace.showlegend]
    assert len(entries) == len(set(entries)) == len(looks.find_looks(panels.whole()).by_name)
    for name in set(entries):
        assert len({trace.line.color for trace in figure.data if trace.name == name} - {None}) <= 1
    axes = [figure.layout[f"xaxis{n + 1 if n else ''}"] for n in range(len(panels.panels))]
    assert sum(axis.showticklabels for axis in axes) == min(panels.columns, len(panels.panels))
    assert all(axis.matches == "x" for axis in axes[1:])
    assert set(letters(note.text for note in figure.layout.annotations)) >= set(
        letters(panel.title for panel in panels.panels)
    )


def test_panels_do_not_overlap(panels):
    layout = interactive.figure(panels).layout
    numbers = [n + 1 if n else "" for n in range(len(panels.panels))]
    domains = [(layout[f"xaxis{n}"].domain, layout[f"yaxis{n}"].domain) for n in numbers]
    for one, other in itertools.combinations(domains, 2):
        beside, above = (min(a[1], b[1]) - max(a[0], b[0]) for a, b in zip(one, other, strict=True))
        assert beside <= 0 or above <= 0

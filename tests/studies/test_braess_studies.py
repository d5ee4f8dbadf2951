"""Both exploration studies end to end in small, their closed forms, and their statistics by hand."""

import itertools
import json
from typing import ClassVar

import numpy as np
import pytest

from tacitlab.games import Braess
from tacitlab.lab.run import run
from tacitlab.measures import outcome
from tacitlab.plot import paper as printed
from tacitlab.studies.base import Player, Verdict
from tacitlab.studies.braess_exploration_decay import study as decay
from tacitlab.studies.braess_exploration_fixed import study as fixed
from tacitlab.studies.page import write_report

GRID = (0.0, 0.003, 0.007, 0.01, 0.03, 0.05, 0.1, 0.5, 1.0)


class TinyFixed(fixed.BraessExplorationFixed):
    presets = ("tiny",)
    sizes: ClassVar = {
        "tiny": fixed.Size(
            grid=GRID, sessions=6, horizons=(3_000, 10_000, 20_000), horizon_grid=(0.0, 0.003, 0.007, 0.02, 0.03, 0.1),
            horizon_sessions=3, tie_grid=(0.0, 0.007, 0.03), tie_sessions=4,
        )
    }  # fmt: skip


class TinyDecay(decay.BraessExplorationDecay):
    presets = ("tiny",)
    sizes: ClassVar = {"tiny": decay.Size(sessions=8, series_sessions=2, initial_sessions=3)}


@pytest.fixture(scope="module")
def fixed_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fixed")
    return TinyFixed().find("tiny", Player(folder)), folder


@pytest.fixture(scope="module")
def decay_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decay")
    return TinyDecay().find("tiny", Player(folder)), folder


def by_name(finding):
    assert len({claim.name for claim in finding.claims}) == len(finding.claims)
    return {claim.name.strip(): claim for claim in finding.claims}


# --- constant exploration --------------------------------------------------------------------------------------


def test_fixed_finds_the_shape_of_the_published_curve(fixed_run):
    claims = by_name(fixed_run[0])
    for epsilon in fixed.RATES:
        name = f"travel time at epsilon {epsilon:g}"
        assert claims[name].published == fixed.PUBLISHED[name].value
        assert claims[name].measured.mean == pytest.approx(claims[name].published, abs=0.04)
    assert claims["travel time at epsilon 0"].measured.mean == 2.0
    assert claims["epsilon of the least travel time"].measured.mean in (0.007, 0.01)
    assert claims["reduction below Nash at the minimum (%)"].measured.mean == pytest.approx(19.1, abs=0.5)
    assert abs(claims["largest distance from the closed form, epsilon >= 0.1"].measured.mean) < 2e-3
    assert claims["one-shot value, epsilon >= 0.1"].measured.mean == 2.0


def test_fixed_needs_first_index_ties_and_its_minimum_moves(fixed_run):
    claims = by_name(fixed_run[0])
    still = claims["largest change of a value at epsilon 0, first-index ties"]
    assert (still.measured.mean, still.measured.high, still.judged()) == (0.0, 0.0, Verdict.REPRODUCED)
    assert claims["travel time at epsilon 0, random ties"].measured.mean == pytest.approx(1.56, abs=0.04)
    places = [claims[f"{periods} steps: epsilon of the least travel time"].measured.mean
              for periods in ("3,000", "10,000", "20,000")]  # fmt: skip
    assert places[0] > places[1] > places[2]
    assert claims["20,000 steps: share of the gain at epsilon 0.007 left"].judged() is Verdict.REPORTED


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one():
    long = fixed.Curve.of(run(fixed.experiment("long", (0.0, 0.02), 2, 6_000)), 3_000)
    short = fixed.Curve.of(run(fixed.experiment("short", (0.0, 0.02), 2, 3_000)), 3_000)
    np.testing.assert_array_equal(long.times, short.times)
    np.testing.assert_array_equal(long.spread, short.spread)


def test_fixed_continues_from_what_is_stored(fixed_run):
    finding, folder = fixed_run
    again = TinyFixed().find("tiny", Player(folder))
    assert [str(claim.measured) for claim in again.claims] == [str(claim.measured) for claim in finding.claims]


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_fixed_grids_hold_what_the_claims_ask_for(preset):
    size = fixed.BraessExplorationFixed.sizes[preset]
    assert set(fixed.RATES) <= set(size.grid)
    assert {0.0, 0.007} <= set(size.horizon_grid) & set(size.tie_grid)
    for grid in (size.grid, size.horizon_grid, size.tie_grid):
        assert grid[0] == 0
        assert all(a < b for a, b in itertools.pairwise(grid))
    for periods in size.horizons:
        assert periods % fixed.WINDOW == 0
        assert periods * outcome.CLOSING_SHARE % fixed.WINDOW == 0
    assert fixed.PERIODS in size.horizons
    if preset == "paper":
        assert (len(size.grid), size.sessions) == (101, 100)


def test_closed_forms():
    crowd = Braess(players=10_000)
    for epsilon in (0.0, 0.1, 0.5, 1.0):
        assert fixed.continuum_time(epsilon) == pytest.approx(crowd.epsilon_rational_time(epsilon), abs=1e-4)
    assert pytest.approx(14 / 9 + 4 / 900) == fixed.RANDOM
    assert pytest.approx(0.88) == decay.START


def test_random_play_takes_the_closed_form():
    curve = fixed.Curve.of(run(fixed.experiment("random", (1.0,), 8, 2_000)), 2_000)
    times = curve.at(1.0)
    assert times.mean() == pytest.approx(fixed.RANDOM, abs=4 * times.std(ddof=1) / 8**0.5)


def test_steepest_rise_lies_above_the_minimum():
    epsilon = np.array([0.0, 0.01, 0.02, 0.03, 0.2])
    means = np.array([[9.0, 1.0, 1.5, 3.0, 9.0]])
    assert fixed._steepest(means, epsilon)[0] == pytest.approx(0.025)


# --- decaying exploration --------------------------------------------------------------------------------------


def test_decay_falls_and_recovers(decay_run):
    claims = by_name(decay_run[0])
    assert claims["welfare of the first 10 steps"].measured.mean == pytest.approx(0.88, abs=0.02)
    assert claims["least welfare of a session"].measured.mean == pytest.approx(0.09, abs=0.02)
    assert claims["when (steps)"].measured.mean == pytest.approx(3_400, abs=200)
    assert claims["welfare, last fifth"].measured.mean == pytest.approx(0.58, abs=0.12)
    assert 1 <= claims["groups of drivers with values within 0.1"].measured.mean <= 6


def test_initial_values_are_forgotten_while_all_explore(decay_run):
    assert by_name(decay_run[0])["largest effect of initial values on a session's welfare"].measured.mean == 0.0
    table = next(section.table for section in decay_run[0].sections if section.table)
    assert len(table.rows) == 8
    assert len({row[1] for row in table.rows}) == 1  # decaying exploration
    assert len({row[2] for row in table.rows}) > 1  # constant and small


def test_initial_rankings_are_values_by_route():
    sweep = decay.initial("decay", 2).sweep["learners.initial"]
    assert dict(zip(decay.RANKS, [model["table"] for model in sweep[:6]], strict=True))["ucd"] == [-1.0, -2.0, -1.5]
    assert sweep[6:] == [{"kind": "constant", "value": -2.0}, {"kind": "uniform", "low": -2.0, "high": -1.0}]


def test_welfare_path_and_quartiles_by_hand(decay_run):
    from tacitlab.lab.run import load

    result = load(decay_run[1] / "decay")
    welfare = decay.Welfare.of(result)
    travel = -result.data["payoff"].values[:, :, 0]
    np.testing.assert_allclose(welfare.path, (2 - travel) / 0.5)
    np.testing.assert_allclose(welfare.closing, (2 - travel[:, 800:].mean(axis=1)) / 0.5)
    centres, smooth = welfare.smooth()
    assert (centres[0], centres[-1]) == (50, 9_950)
    np.testing.assert_allclose(smooth[:, 0], welfare.path[:, :10].mean(axis=1))
    assert decay.quantile(welfare.closing, 0.25).mean == np.quantile(welfare.closing, 0.25)


def test_groups_are_average_linkage_clusters():
    rows = np.array([[0.0, 0.0], [0.06, 0.0], [0.12, 0.0], [1.0, 0.0]])
    assert decay.groups(rows) == 2  # 0.12 lies 0.09 from the mean of the first two
    assert decay.groups(rows, distance=0.01) == 4
    assert decay.groups(rows, distance=2.0) == 1


# --- reports ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["fixed_run", "decay_run"])
def test_reports_are_written_and_every_figure_prints(which, request, tmp_path):
    finding, _ = request.getfixturevalue(which)
    study = TinyFixed() if which == "fixed_run" else TinyDecay()
    text = write_report(study, "tiny", finding, tmp_path).read_text()
    assert "closed form: all prefer to cross" in text
    written = json.loads((tmp_path / "claims.json").read_text())
    assert written["study"] == study.name
    charts = [chart for section in finding.sections for chart in section.charts]
    assert len(charts) >= 3
    for chart in charts:
        assert chart.x.label
        assert chart.y.label
        printed.figure(chart)


@pytest.mark.parametrize("which", ["fixed_run", "decay_run"])
def test_every_published_value_has_a_source(which, request):
    for claim in request.getfixturevalue(which)[0].claims:
        assert claim.published is None or claim.source, claim.name

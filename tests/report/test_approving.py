"""Approved texts notice a word and a number, and forgive what rounds the other way."""

import numpy as np
import pytest

from approved import differs, lines
from tacitlab.measures.statistics import Estimate
from tacitlab.plot.chart import Axis, Chart, HLine, Line
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Finding, more_than


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("a gain of 0.4567", True),
        ("a gain of 0.4568", False),
        ("a gain of 0.4667", True),
        ("a loss of 0.4568", True),
        ("a gain of −0.4568", True),
        ("no gain of 0.4568", True),
    ],
)
def test_words_are_exact_and_numbers_nearly(found, told):
    assert differs("a gain of 0.4568", found) is (told and found != "a gain of 0.4567")
    assert differs(found, found) is False


def test_a_finding_is_told_whole():
    curve = Line([0.0, 1.0], [2.0, 3.0], "firm", low=[1.0, 2.0], high=[3.0, 4.0])
    section = Section(
        "Learning", "Text.", Table(("who", "gain"), (("firm", 0.25),), "By session."),
        (Chart("Prices", Axis("period"), Axis("price", "money"), (curve, HLine(1.5, "Nash")), "Means."),),
    )  # fmt: skip
    claim = Claim("gain", Estimate(0.5, 0.25, 0.75, 0.125, 9), margin=more_than(0), source="us", note="Well.")
    told = "\n".join(lines(Finding("It pays.", (claim,), (section,), ("A note.",))))
    for part in (
        "verdict: reproduced", "It pays.", "gain: 0.5 (0.25 to 0.75; se 0.125; n 9), more than 0: reproduced [us]",
        "    Well.", "note: A note.", "# Learning", "Text.", "who | gain", "firm | 0.25", "(By session.)",
        "[Chart] Prices", "x: period; y: price (money)", "Line firm", "y: 2: 2 3", "HLine", "text: Nash", "(Means.)",
    ):  # fmt: skip
        assert part in told


def test_many_numbers_are_told_by_what_moves():
    values = np.linspace(0, 1, 50)
    (before,), (after,) = lines(values), lines(np.where(values > 0.5, values + 0.1, values))
    assert differs(before, after)

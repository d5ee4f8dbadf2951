"""One rule, from numbers to a word: bands, intervals, and how many sessions would decide."""

import numpy as np
import pytest

from tacitlab.measures.statistics import Estimate
from tacitlab.report.verdict import FEWEST, Band, Support, Word, equilibria, judged, spread

ALONE = Band(Word.COMPETITIVE, "the competitive benchmark", 0.0, 0.0)
RANDOM = Band(Word.RANDOM, "random play", 0.5, 0.5)
EXPLORED = Band(Word.EXPLORATION, "exploration", 0.1, 0.15)
LABELS = ("Nash", "monopoly")


def word(low, high, bands=(ALONE, EXPLORED, RANDOM), n=20):
    return judged(Estimate((low + high) / 2, low, high, (high - low) / 4, n), bands, LABELS, "firms")


@pytest.mark.parametrize(
    ("low", "high", "expected", "text"),
    [
        (-0.02, 0.03, Word.COMPETITIVE, "Competitive: within 5% of the competitive benchmark: the firms end 0% of "),
        (0.08, 0.12, Word.EXPLORATION, "Explained by exploration (10% to 15%): the firms end 10% of the way"),
        (0.47, 0.53, Word.RANDOM, "Not told from random play (50%): the firms end 50% of the way"),
        (0.25, 0.35, Word.BELOW_RANDOM, "Above the competitive benchmark and exploration (10% to 15%), but below"),
        (0.60, 0.70, Word.COOPERATIVE, "More cooperative than the competitive benchmark, exploration (10% "),
        (-0.9, -0.7, Word.WORSE, "Worse for the firms than the competitive benchmark and than explor"),
        (0.3, 0.52, Word.UNDECIDED, "Undecided: above the competitive benchmark and exploration (10% "),
        (0.0, 0.12, Word.UNDECIDED, "Undecided: below random play (50%), not told from the competitive "),
        (-0.3, 0.9, Word.UNDECIDED, "Undecided: not told from the competitive benchmark, explorat"),
    ],
)  # fmt: skip
def test_every_word(low, high, expected, text):
    found = word(low, high)
    assert (found.word, found.text[: len(text)]) == (expected, text)


def test_the_ends_of_a_band():
    for low, high, inside in ((0.4501, 0.5499, True), (0.4499, 0.52, False), (0.48, 0.5501, False)):
        assert (word(low, high, (ALONE, RANDOM)).word is Word.RANDOM) is inside
    assert word(0.5501, 0.7, (ALONE, RANDOM)).word is Word.COOPERATIVE
    assert word(0.3, 0.4499, (ALONE, RANDOM)).word is Word.BELOW_RANDOM


def test_what_lies_far_away_has_a_wider_band():
    far = Band(Word.RANDOM, "random play", -8.0, -8.0)
    assert far.ends == pytest.approx((-8.4, -7.6))
    assert word(-8.2, -7.8, (ALONE, far)).word is Word.RANDOM
    assert word(-1.2, -0.9, (ALONE, far)).text.startswith(
        "Worse for the firms than the competitive benchmark, better than random play (-800%): "
    )


def test_what_lies_below_the_equilibria_goes_without_saying():
    far = Band(Word.RANDOM, "random play", -8.0, -8.0)
    assert word(0.6, 0.7, (ALONE, far)).text.startswith(
        "More cooperative than the competitive benchmark: the firms end "
    )


def test_two_explanations_are_both_named():
    near = Band(Word.RANDOM, "random play", 0.02, 0.02)
    text = word(-0.01, 0.02, (ALONE, near)).text
    assert text.startswith("Competitive: ")
    assert text.endswith("; not told from random play (2%) either.")
    assert word(0.11, 0.13, (ALONE, EXPLORED, Band(Word.RANDOM, "random play", 0.1, 0.2))).text.endswith(
        "; not told from random play (10% to 20%) either."
    )


@pytest.mark.parametrize(
    ("levels", "optimum", "low", "high", "name"),
    [
        ([1.0], 3.0, 0.0, 0.0, "the competitive benchmark"),
        ([1.0, 1.05], 3.0, 0.0, 0.025, "the competitive benchmark"),
        ([1.0, 2.0], 3.0, 0.0, 0.5, "the known equilibria (which reach to 50%)"),
        ([1.0, 0.5, 1.5], 3.0, -0.25, 0.25, "the known equilibria (which reach -25% to 25%)"),
        ([1.0, 2.0], 1.0, 0.0, 0.0, "the competitive benchmark"),
        ([], 3.0, 0.0, 0.0, "the competitive benchmark"),
    ],
)
def test_the_band_of_the_equilibria(levels, optimum, low, high, name):
    found = equilibria(levels, optimum)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.name == name


def test_a_wide_set_of_equilibria_is_no_distance():
    wide = equilibria([1.0, 2.0], 3.0)
    assert word(0.2, 0.3, (wide,)).text.startswith(
        "Competitive: no further than the known equilibria (which reach to 50%): "
    )


def test_few_sessions():
    assert word(0.8, 0.9, n=FEWEST).word is Word.COOPERATIVE
    few = word(0.8, 0.9, n=FEWEST - 1)
    assert few.word is Word.UNDECIDED
    assert few.text.startswith("Undecided with 3 sessions, 4 at least are asked for: the firms end 85% of the way")
    one = judged(Estimate(0.8, np.nan, np.nan, np.nan, 1), (ALONE,), LABELS)
    assert (one.word, one.text) == (
        Word.UNDECIDED, "One session alone says nothing; its outcome lies 80% of the way from Nash to monopoly."
    )  # fmt: skip


def test_sessions_that_would_decide():
    """The mean lies .05 above the band's end, the interval reaches .1 down: twice as far, four times the sessions."""
    assert word(0.5, 0.7, (ALONE, RANDOM)).text.endswith("; if the mean stays, about 80 sessions would decide.")


def test_intervals_without_width_are_no_intervals():
    assert spread(Estimate(0.5, 0.5, 0.5, 0.0, 10)) == " (the same in all 10 sessions; up to 26% of others may differ)"
    assert spread(Estimate(0.5, 0.5, 0.5, 0.0, 10), drawn=False) == " (the same in all 10 sessions)"
    assert spread(Estimate(0.1, 0.09646, 0.09697, 0.0001, 40)) == " (95 % CI 9.6% to 9.7%)"
    assert spread(Estimate(0.1, 0.1000001, 0.1000002, 0.0, 40)) == " (95 % CI 10.00001% to 10.00002%)"
    assert spread(Estimate(0.1, 0.05, 0.15, 0.0, 40, 0.9)) == " (90 % CI 5% to 15%)"


def test_words_are_what_others_may_rely_on():
    assert [str(word) for word in Word] == [
        "more cooperative", "competitive", "random", "exploration", "below random", "worse", "exploits", "scripted",
        "optimum", "between", "not learned", "undecided", "nothing",
    ]  # fmt: skip
    assert [str(support) for support in Support] == [
        "no deviation pays", "a deviation pays", "nobody can punish", "nobody minds a punishment", "unknown"
    ]  # fmt: skip

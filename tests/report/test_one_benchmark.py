"""Outcomes without a place between two benchmarks: every word, in gains and in costs, beside random play."""

import numpy as np
import pytest

from tacitlab.environment import Words
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.report.answer import answer
from tacitlab.report.one_benchmark import Ends, distant
from tacitlab.report.verdict import Band, Word

GAINS, COSTS = Words("firm", "profit", "money", ""), Words("driver", "payoff", "hours", "travel time")
LABELS = ("Nash", "joint optimum")


def said(mean, nash=4.0, optimum=4.0, words=GAINS, random=None, agents=2, spread=0.01, sessions=8, labels=LABELS):
    values = mean + spread * np.linspace(-1, 1, sessions)
    null = [] if random is None else [Band(Word.RANDOM, "random play", random, random)]
    found = distant(Ends(values, nash, optimum, labels, words, agents, null))
    return found.word, found.text


@pytest.mark.parametrize(
    ("mean", "words", "word", "text"),
    [
        (
            4.1,
            GAINS,
            Word.COMPETITIVE,
            "Within 5% of joint optimum: the mean profit differs from that of joint optimum by",
        ),
        (5.0, GAINS, Word.COOPERATIVE, "Better than joint optimum and than random play (-50.0%): the mean profit "),
        (3.0, GAINS, Word.WORSE, "Worse than joint optimum, better than random play (-50.0%): the mean profit "),
        (1.0, GAINS, Word.WORSE, "Worse than joint optimum and than random play (-50.0%): the mean profit differs "),
        (2.0, GAINS, Word.RANDOM, "Not told from random play (-50.0%): the mean profit differs from that of joint opt"),
        (
            3.0,
            COSTS,
            Word.COOPERATIVE,
            "Better than joint optimum and than random play (+50.0%): the mean travel time",
        ),
        (5.0, COSTS, Word.WORSE, "Worse than joint optimum, better than random play (+50.0%): the mean travel time "),
        (7.0, COSTS, Word.WORSE, "Worse than joint optimum and than random play (+50.0%): the mean travel time "),
        (6.0, COSTS, Word.RANDOM, "Not told from random play (+50.0%): the mean travel time differs from that of join"),
    ],
)
def test_every_word(mean, words, word, text):
    found = said(mean, words=words, random=2.0 if words is GAINS else 6.0)
    assert found[0] is word
    assert found[1].startswith(f"Nash and joint optimum coincide. {text}")


def test_better_than_nash_is_nothing_where_random_play_is_better_still():
    word, text = said(5.0, optimum=np.nan, random=6.0, labels=("Nash", "no optimum"))
    assert word is Word.BELOW_RANDOM
    assert text.startswith(
        "No joint optimum is known. Better than Nash, but worse than random play (+50.0%), which needs no cooperation: "
        "the mean profit differs from that of Nash by +25.0% (95 % CI +24.9% to +25.1%)."
    )


def test_near_the_benchmark_and_near_random_play():
    word, text = said(4.05, random=4.1)
    assert word is Word.COMPETITIVE
    assert text.endswith("; not told from random play (+2.5%) either.")


def test_what_decides_nothing():
    word, text = said(4.2, spread=0.3)
    assert word is Word.UNDECIDED
    assert " coincide. Undecided whether within 5% of joint optimum: the mean profit differs from that of " in text
    assert text.endswith(" sessions would decide.")
    word, text = said(2.3, spread=0.3, random=2.0)
    assert word is Word.UNDECIDED
    assert " coincide. Undecided, not told from random play (-50.0%): the mean profit " in text
    assert said(3.0, sessions=3)[1].startswith(
        "Nash and joint optimum coincide. Undecided with 3 sessions, 4 at least are asked for: the mean profit differs"
    )
    assert said(3.0, sessions=1) == (
        Word.UNDECIDED,
        "Nash and joint optimum coincide. One session alone says nothing; the mean profit differs from that of joint "
        "optimum by -25.2%.",
    )
    assert "differs from that of joint optimum by -25.0% (the same in all 8 sessions)." in said(3.0, spread=0.0)[1]


@pytest.mark.parametrize(
    ("nash", "optimum", "agents", "why"),
    [
        (np.nan, np.nan, 2, "No equilibrium and no joint optimum is known."),
        (4.0, np.nan, 2, "No joint optimum is known. Worse than Nash: "),
        (np.nan, 4.0, 2, "No equilibrium is known. Worse than joint optimum: "),
        (4.0, 4.0, 1, "With one firm alone, equilibrium and optimum are the same. Worse than the optimum: "),
        (4.0, 4.0 + 1e-7, 2, "Nash and joint optimum coincide. Worse than joint optimum: "),
        (4.0, 3.5, 2, "The joint optimum that was found is no better than Nash. Worse than Nash: "),
    ],
)
def test_why_there_is_no_place(nash, optimum, agents, why):
    assert said(3.0, nash, optimum, agents=agents)[1].startswith(why)


def test_a_benchmark_of_nothing_is_told_in_its_unit():
    assert said(0.0, 0.0, 0.0, spread=0.0)[1].startswith("Nash and joint optimum coincide. As good as joint optimum: ")
    word, text = said(0.5, 0.0, 0.0, random=-1.0)
    assert word is Word.COOPERATIVE
    assert "Better than joint optimum and than random play (-1 money): the mean profit differs from that of" in text
    word, text = said(-0.003, 0.0, 0.0, random=-0.0031, spread=1e-6)  # near in units of what there is, not of 1
    assert word is Word.RANDOM
    assert (
        "Not told from random play (-0.0031 money): the mean profit differs from that of joint optimum by -0.003"
        in text
    )
    assert said(-0.002, 0.0, 0.0, random=-0.0031, spread=1e-6)[0] is Word.WORSE
    word, text = said(0.5, 0.0, 0.0, random=-1.0)
    assert "by +0.5 money (95 % CI +0.4" in text


def test_stage_games_whose_equilibrium_is_the_optimum():
    """Where the link costs half an hour more, nobody who knows his way needs it."""
    scenario = {"name": "x", "environment": {"kind": "braess", "players": 10, "cost": 0.5}, "length": {"periods": 2000},
                "trace": {"window": 100, "windows": 20}, "sessions": 12}  # fmt: skip
    random = answer(run(from_mapping({**scenario, "learners": {"kind": "random"}})))
    assert random.verdict.word is Word.RANDOM
    assert random.verdict.text.startswith(
        "Nash and social optimum coincide. Not told from random play (+17.8%): the mean travel time differs from that "
    )
    learner = {"kind": "q-learning", "gamma": 0, "exploration": {"kind": "constant", "epsilon": 0.01}}
    learned = answer(run(from_mapping({**scenario, "learners": learner})))
    assert learned.verdict.word is Word.COMPETITIVE
    assert "coincide. Within 5% of social optimum: the mean travel time differs" in learned.verdict.text
    forced = answer(run(from_mapping({**scenario, "learners": {"kind": "exp3", "mixing": 0.6}})))
    assert forced.verdict.word is Word.EXPLORATION
    assert " coincide. Explained by an equilibrium in which a share 0.6 of decisions is random (" in forced.verdict.text

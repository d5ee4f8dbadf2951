"""What is said about teams: which benchmark they have reached, and only once what everybody gets."""

import numpy as np
import pytest
from test_market_answer import around, pretend

from tacitlab.markets import Portfolio
from tacitlab.measures.statistics import Estimate
from tacitlab.report.answer import answer
from tacitlab.report.team_answer import is_team, team_verdict
from tacitlab.report.verdict import Word

TEAM = Portfolio().benchmarks()  # 0.75, 1 and 0.8: places 0, 1 and 0.2
WAY = "of the way from independent to team optimum"


@pytest.mark.parametrize(
    ("low", "high", "word", "said"),
    [
        (-0.008, 0.008, Word.COMPETITIVE, f"As good as independent: the managers end at 0% {WAY} (95 % CI -4% to 4%)."),
        (
            0.192,
            0.208,
            Word.OPTIMUM,
            f"As good as the team optimum: the managers end at 100% {WAY} (95 % CI 96% to 104%).",
        ),
        (
            0.992,
            1.004,
            Word.OPTIMUM,
            f"As good as centralised (500%): the managers end at 499% {WAY} (95 % CI 496% to 502%).",
        ),
        (0.05, 0.14, Word.BETWEEN, f"Between independent and the team optimum: the managers end at 47% {WAY}"),
        (0.4, 0.6, Word.BETWEEN, f"Between the team optimum and centralised (500%): the managers end at 250% {WAY}"),
        (-0.5, -0.2, Word.WORSE, f"Worse than independent: the managers end at -175% {WAY}"),
        (1.2, 1.4, Word.OPTIMUM, f"Better than centralised (500%): the managers end at 650% {WAY}"),
        (
            0.0,
            0.4,
            Word.UNDECIDED,
            f"Undecided, not told from independent and the team optimum: the managers end at 100% {WAY}",
        ),
        (np.nan, np.nan, Word.UNDECIDED, f"One session alone says nothing; its outcome lies 100% {WAY}"),
    ],
)
def test_every_verdict(low, high, word, said):
    mean = 0.2 if np.isnan(low) else (low + high) / 2
    found = team_verdict(Estimate(mean, low, high, 0.01, 20), TEAM, "manager")
    assert found.word is word
    assert found.text.startswith(said)


def test_several_optima_between():
    found = Portfolio(steps=20, observation_noise=1.0).benchmarks()
    low, room = found.nash.average, found.optimum.average - found.nash.average
    places = {p.name: (p.average - low) / room for p in (*found.competitive, *found.cooperative)}
    at = (places["independent with memory"] + places["team optimum with memory"]) / 2
    if places["team optimum with memory"] - places["independent with memory"] > 0.1:
        at = places["team optimum with memory"]
    said = team_verdict(Estimate(at, at - 0.01, at + 0.01, 0.01, 20), found, "manager").text
    assert said.startswith(("As good as the team optimum with memory:", "As good as the independent with memory:"))


def test_a_run_of_a_team_says_once_what_everybody_gets():
    found = answer(pretend(around(0.799, 0.799, spread=0.002), Portfolio().model_dump(mode="json")))
    assert [finding.name for finding in found.findings] == ["utility", "response"]
    assert (found.findings[0].nash, found.findings[0].optimum) == pytest.approx((0.75, 1.0))
    assert found.verdict.text.startswith("As good as the team optimum: the managers end at 98%")
    assert found.labels == ("independent", "centralised")
    assert "team optimum at 20%" in found.notes[0]


def test_managers_paid_for_their_own_sectors_are_no_team():
    assert is_team(TEAM)
    assert not is_team(Portfolio(reward="own").benchmarks())
    own = Portfolio(reward="own").model_dump(mode="json")
    found = answer(pretend(around(0.5, 0.5, spread=0.002), own))
    assert "Independent and joint optimum coincide. Within 5% of joint optimum" in found.verdict.text
    assert [finding.name for finding in found.findings][-2:] == ["team_utility", "response"]
    judged = {"environment": {"reward": "team"}, "episodes": 4}
    found = answer(pretend(around(0.75, 0.75, spread=0.002), own, test=judged))
    assert found.verdict.text.startswith("As good as independent")

"""What is said about teams: which benchmark they have reached, and only once what everybody gets."""

import numpy as np
import pytest
from test_market_answer import around, pretend

from tacitlab.markets import Portfolio
from tacitlab.measures.statistics import Estimate
from tacitlab.report.answer import answer
from tacitlab.report.team_answer import is_team, team_verdict

TEAM = Portfolio().benchmarks()  # 0.75, 1 and 0.8: places 0, 1 and 0.2
WAY = "of the way from independent to centralised"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.04, 0.04, f"As good as independent: the managers end at 0% (95 % CI -4% to 4%) {WAY}."),
        (0.16, 0.24, f"As good as the team optimum (20% {WAY}): the managers end at 20% (95 % CI 16% to 24%)."),
        (0.96, 1.02, f"As good as centralised: the managers end at 99% (95 % CI 96% to 102%) {WAY}."),
        (0.05, 0.14, f"Between independent and the team optimum (20% {WAY}): the managers end at 10%"),
        (0.4, 0.6, f"Between the team optimum (20% {WAY}) and centralised: the managers end at 50%"),
        (-0.5, -0.2, "Worse than independent: the managers end at -35%"),
        (1.2, 1.4, "Better than centralised: the managers end at 130%"),
        (0.0, 0.4, "Undecided with so few sessions: the managers end at 20%"),
        (np.nan, np.nan, "One session alone says nothing; its outcome lies 20%"),
    ],
)
def test_every_verdict(low, high, said):
    mean = 0.2 if np.isnan(low) else (low + high) / 2
    assert team_verdict(Estimate(mean, low, high, 0.01, 20), TEAM, "manager").startswith(said)


def test_several_optima_between():
    found = Portfolio(steps=20, observation_noise=1.0).benchmarks()
    low, room = found.nash.average, found.optimum.average - found.nash.average
    places = {p.name: (p.average - low) / room for p in (*found.competitive, *found.cooperative)}
    at = (places["independent with memory"] + places["team optimum with memory"]) / 2
    if places["team optimum with memory"] - places["independent with memory"] > 0.1:
        at = places["team optimum with memory"]
    said = team_verdict(Estimate(at, at - 0.01, at + 0.01, 0.01, 20), found, "manager")
    assert said.startswith(("As good as the team optimum with memory (", "As good as independent with memory ("))


def test_a_run_of_a_team_says_once_what_everybody_gets():
    found = answer(pretend(around(0.799, 0.799, spread=0.002), Portfolio().model_dump(mode="json")))
    assert [finding.name for finding in found.findings] == ["utility", "response"]
    assert (found.findings[0].nash, found.findings[0].optimum) == pytest.approx((0.75, 1.0))
    assert found.verdict.startswith("As good as the team optimum (20%")
    assert found.labels == ("independent", "centralised")
    assert "team optimum at 20%" in found.notes[0]


def test_managers_paid_for_their_own_sectors_are_no_team():
    assert is_team(TEAM)
    assert not is_team(Portfolio(reward="own").benchmarks())
    own = Portfolio(reward="own").model_dump(mode="json")
    found = answer(pretend(around(0.5, 0.5, spread=0.002), own))
    assert "independent and joint optimum coincide. Within 5% of joint optimum" in found.verdict
    assert [finding.name for finding in found.findings][-2:] == ["team_utility", "response"]
    judged = {"environment": {"reward": "team"}, "episodes": 4}
    found = answer(pretend(around(0.75, 0.75, spread=0.002), own, test=judged))
    assert found.verdict.startswith("As good as independent")

"""The study of paradigms: what it concludes from made-up sessions, and that its experiments can be built."""

from types import SimpleNamespace

import numpy as np
import pytest

from tacitlab.markets import Portfolio
from tacitlab.report.page import render
from tacitlab.studies.base import Verdict
from tacitlab.studies.marl_paradigms import plays
from tacitlab.studies.marl_paradigms.plays import Played, Size, Stage, matching
from tacitlab.studies.marl_paradigms.study import (
    APART,
    HIDDEN,
    TEAM,
    Evidence,
    MarlParadigms,
    examine,
    larger,
    reached,
    shares,
)
from tacitlab.studies.page import build_page

SESSIONS, WINDOWS = 8, 5


def played(value, market=TEAM, spread=0.001, seconds=1.0):
    """Sessions that earn about this much, and rise towards it while learning."""
    random = np.random.default_rng(0)
    ends = value + spread * random.normal(size=SESSIONS)
    rise = np.linspace(0.2, 1.0, WINDOWS)[None, :, None] * ends[:, None, None]
    data = {
        "session": np.arange(SESSIONS), "failure": np.zeros(SESSIONS),
        "test_payoff": np.tile(ends[:, None, None], (1, 3, 2)), "payoff": np.tile(rise, (1, 1, 2)),
        "time": np.arange(WINDOWS),
    }  # fmt: skip
    experiment = SimpleNamespace(market=market)
    return Played(SimpleNamespace(data=data, manifest={"seconds": seconds}, experiment=experiment))


def evidence(**changes):
    """What theory says, but for the changes to the portfolio of the team."""
    team = dict.fromkeys(plays.portfolio_learners(), 0.8) | {"centralised PPO": 1.0, "PPO, own reward": 0.75} | changes
    return Evidence(
        team={name: played(value) for name, value in team.items()},
        apart={name: played(1.0, APART) for name in ("MAPPO", "MADDPG", "QMIX")},
        hidden={
            "PPO without memory": played(0.5, HIDDEN), "PPO with memory": played(0.6, HIDDEN),
            "MAPPO with memory": played(0.6, HIDDEN),
        },
        games={"two-step": {"VDN": played(7, spread=0), "QMIX": played(8, spread=0)},
               "dare": {"VDN": played(0, spread=0), "QMIX": played(0, spread=0)}},
        credit={name: played(0.9) for name in ("independent Q-learning", "PPO", "COMA", "VDN", "QMIX")},
        crowds={name: {2: played(1.0), 4: played(0.9)} for name in ("centralised Q-learning", "VDN")},
        climbing={"PPO": played(7, spread=0), "centralised Q-learning": played(11, spread=0)},
        drift={"others learn": played(0.8), "nobody learns": played(0.8)},
        crowd=6,
    )  # fmt: skip


def verdicts(found):
    return {claim.name: claim.judged() for claim in found.claims}


def test_what_theory_says_is_reproduced():
    found = examine(evidence())
    judged = verdicts(found)
    assert Verdict.NOT not in judged.values()
    assert judged["centralised PPO less MAPPO"] is Verdict.REPRODUCED
    assert "QMIX ends at 8 and VDN at 7" in found.answer
    page = render(build_page(MarlParadigms(), "quick", found))
    for heading in ("Paradigms", "Non-stationarity", "Credit assignment", "Scalability", "Partial observability"):
        assert heading in page


@pytest.mark.parametrize(
    ("name", "value", "claim"),
    [
        ("MAPPO", 0.77, "correlated portfolio, MAPPO: utility of the team"),
        ("MADDPG", 0.74, "MADDPG less PPO paid for its own sector"),
        ("centralised PPO", 0.79, "centralised PPO less MAPPO"),
    ],
)
def test_what_misses_is_said(name, value, claim):
    assert verdicts(examine(evidence(**{name: value})))[claim] is Verdict.NOT


@pytest.mark.parametrize(
    ("value", "spread", "words"),
    [
        (0.8, 0.001, "independent learners with the team's reward reach the team optimum, too."),
        (0.77, 0.001, "Independent learners with the team's reward do not reach the team optimum."),
        (0.785, 0.05, "Whether independent learners with the team's reward reach the team optimum is not decided."),
    ],
)
def test_the_answer_on_paradigms_turns_with_the_shares(value, spread, words):
    found = evidence()
    found.team["PPO, team reward"] = played(value, spread=spread)
    assert words in examine(found).answer


def test_optima_of_games_are_not_typed():
    assert (
        "VDN at 7 (optimum 8); in the non-monotonic one they end at 0 and 0 (optimum 8)." in examine(evidence()).answer
    )


def test_a_share_of_98_percent_is_asked_for():
    assert reached("x", played(0.785), 0.8, "").judged() is Verdict.REPRODUCED
    assert reached("x", played(0.780), 0.8, "").judged() is Verdict.NOT
    assert larger("x", played(0.8), played(0.8)).judged() is Verdict.NOT


def test_sessions_are_sorted_by_where_they_end():
    found = shares(played(7, spread=0))
    assert {name: e.mean for name, e in found.items()} == {"11": 0.0, "7": 1.0, "elsewhere": 0.0}


@pytest.mark.parametrize("agents", [1, 2, 4])
def test_everybody_counts_alike_in_the_matching_game(agents):
    game = matching(agents) if agents > 1 else matching(2)
    n = game.n_players
    right = tuple(i % 3 for i in range(n))
    assert game.rewards[0][right] == pytest.approx(1.0)
    wrong = ((right[0] + 1) % 3, *right[1:])
    assert game.rewards[0][wrong] == pytest.approx(1 - 1 / n)
    assert game.benchmarks().optimum.average == pytest.approx(1.0)


def test_every_experiment_can_be_built():
    """Validation without play: names differ, learners fit the markets."""
    asked = []

    def play(experiment):
        asked.append(experiment)
        return SimpleNamespace(data={}, manifest={})

    stage = Stage(Size(2, 2, 0.1, (2, 3)), play)
    plays.portfolios(stage, Portfolio())
    plays.memories(stage, HIDDEN)
    plays.games(stage)
    plays.credited(stage, 3)
    plays.scaled(stage)
    plays.selected(stage)
    plays.surrounded(stage, Portfolio())
    names = [experiment.name for experiment in asked]
    assert len(names) == len(set(names)) > 20

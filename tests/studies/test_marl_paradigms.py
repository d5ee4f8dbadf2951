"""The study of paradigms: what it concludes from made-up sessions, and that its experiments can be built."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import around, asked

from approved import approved
from tacitlab.studies.base import Verdict
from tacitlab.studies.marl_paradigms import plays, study
from tacitlab.studies.marl_paradigms.plays import Played, matching
from tacitlab.studies.marl_paradigms.study import (
    APART,
    HIDDEN,
    TEAM,
    Evidence,
    MarlParadigms,
    examine,
    known,
    larger,
    reached,
    shares,
)

SESSIONS, WINDOWS = 8, 5


def played(value, market=TEAM, spread=0.001, seed=0, lost=()):
    """Sessions that earn about this much, and rise towards it while learning; agents differ, and episodes."""
    ends = value + spread * (around(1, SESSIONS, 1, seed) - 1)
    ends[list(lost)] = 99.0
    rise = np.linspace(0.2, 1.0, WINDOWS)[None, :, None] * ends[:, None, None]
    data = {
        "session": np.arange(SESSIONS), "failure": np.isin(np.arange(SESSIONS), lost),
        "test_payoff": ends[:, None, None] + (spread > 0) * np.array([[0.02, -0.05], [0.01, 0.02]]),
        "payoff": rise * np.array([0.9, 1.1]), "time": 10 * np.arange(1, WINDOWS + 1),
    }  # fmt: skip
    experiment = SimpleNamespace(market=market)
    return Played(SimpleNamespace(data=data, manifest={"seconds": 7 + seed}, experiment=experiment))


def ends(*counts):
    """Sessions of the climbing game: so many at 11, at 7, at 0."""
    found = played(0.0, spread=0)
    payoffs = np.resize(np.repeat([11.0, 7.0, 0.0], counts), SESSIONS)
    found.result.data["test_payoff"] = payoffs[:, None, None] * np.ones((1, 3, 2))
    return found


def evidence(spread=0.001, **changes):
    """What theory says, but for the changes to the portfolio of the team."""
    team = dict.fromkeys(plays.portfolio_learners(), 0.8) | {"centralised PPO": 1.0, "PPO, own reward": 0.75} | changes
    names = ("independent Q-learning", "PPO", "COMA", "VDN", "QMIX")
    return Evidence(
        team={name: played(value, TEAM, spread, k, (k,) * (k < 2)) for k, (name, value) in enumerate(team.items())},
        apart={name: played(0.99 + k / 200, APART, seed=k) for k, name in enumerate(("MAPPO", "MADDPG", "QMIX"))},
        hidden={
            "PPO without memory": played(0.5, HIDDEN), "PPO with memory": played(0.6, HIDDEN, seed=2, lost=[2]),
            "MAPPO with memory": played(0.61, HIDDEN, seed=3),
        },
        games={"two-step": {"VDN": played(7, spread=0), "QMIX": played(8, spread=0)},
               "dare": {"VDN": played(0, spread=0), "QMIX": played(0.02, spread=0.01)}},
        credit={name: played(0.7 + k / 20, spread=0.01, seed=k, lost=(k,)) for k, name in enumerate(names)},
        crowds={name: {n: played(0.9 - n / 100 + k / 30, spread=0.01, seed=n + k) for n in (2, 3, 5)}
                for k, name in enumerate(("centralised Q-learning", "VDN"))},
        climbing={"PPO": ends(2, 3, 3), "QMIX": ends(4, 3, 1), "centralised Q-learning": ends(6, 1, 1)},
        drift={"others learn": played(0.8, seed=4), "nobody learns": played(0.3, spread=0.01, seed=5)},
        crowd=6,
    )  # fmt: skip


def verdicts(found):
    return {claim.name: claim.judged() for claim in found.claims}


def unsure():
    """Sessions too far apart to tell."""
    found = evidence(0.05, **{"PPO, team reward": 0.785})
    return replace(found, climbing={"PPO": ends(4, 4, 0), "QMIX": ends(4, 0, 4)})


VARIANTS = {
    "as-theory": evidence,
    "no-order": lambda: evidence(MAPPO=1.01, MADDPG=0.74, **{"centralised PPO": 0.9}),
    "independent-fails": lambda: evidence(**{"DDPG, team reward": 0.77, "PPO, own reward": 0.85}),
    "unsure": unsure,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_it_says(name):
    found = examine(VARIANTS[name]())
    approved(f"marl_paradigms/{name}", found if name == "as-theory" else [found.answer, *found.claims[:15]])


def test_optima_of_the_portfolio_by_hand():
    """Weights of a times the own signal earn ``2 a - a² (1 + r²)``; a team's best is 1/(1 + r²), alone it is 1."""
    square = TEAM.correlation_signal * TEAM.correlation_return
    found = known(played(1.0))
    assert found["centralised"] == pytest.approx(1.0)
    assert found["team optimum"] == pytest.approx(1 / (1 + square))
    assert found["independent"] == pytest.approx(2 - (1 + square))


def test_a_share_of_98_percent_is_asked_for():
    assert reached("x", played(0.785), 0.8, "").judged() is Verdict.REPRODUCED
    assert reached("x", played(0.780), 0.8, "").judged() is Verdict.NOT
    assert larger("x", played(0.8), played(0.8)).judged() is Verdict.NOT


def test_sessions_are_sorted_by_where_they_end():
    found = shares(played(7, spread=0))
    assert [(name, e.mean) for name, e in found.items()] == [("11", 0.0), ("7", 1.0), ("elsewhere", 0.0)]


@pytest.mark.parametrize("agents", [1, 2, 4])
def test_everybody_counts_alike_in_the_matching_game(agents):
    game = matching(agents) if agents > 1 else matching(2)
    n = game.n_players
    right = tuple(i % 3 for i in range(n))
    assert game.rewards[0][right] == pytest.approx(1.0)
    wrong = ((right[0] + 1) % 3, *right[1:])
    assert game.rewards[0][wrong] == pytest.approx(1 - 1 / n)
    assert game.benchmarks().optimum.average == pytest.approx(1.0)


def test_what_is_played(monkeypatch):
    """Names differ, learners fit the markets, and what is played is what is judged."""
    seen = []

    def play(experiment):
        seen.append(experiment)
        return experiment

    monkeypatch.setattr(study, "examine", lambda found: found)
    found = [MarlParadigms().find(preset, play) for preset in MarlParadigms.presets]
    names = [experiment.name for experiment in seen]
    assert max(names.count(name) for name in names) == len(MarlParadigms.presets)
    tables = re.compile(r"\[{4,}[^;\n]{200,}\]{4,}")  # of the matching game, which has tests of its own
    played = tables.sub(lambda table: f"{len(table[0])} characters", asked(MarlParadigms, seen))
    approved("marl_paradigms/played", played.replace("\n  ", "; "), exact=True)
    told = {group: {name: by.result.name if isinstance(by, Played) else {n: p.result.name for n, p in by.items()}
            for name, by in vars(found[0])[group].items()} for group in vars(found[0]) if group != "crowd"}  # fmt: skip
    approved("marl_paradigms/judged", told, exact=True)
    assert {len(experiment.market.rewards[0].shape) for experiment in seen if experiment.name.startswith("credit")} == {
        found[0].crowd
    }

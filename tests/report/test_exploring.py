"""What is said of exploration that is left, and of training that has hardly begun."""

import pytest
from test_market_answer import SELLERS, around, pretend

from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.report.answer import answer
from tacitlab.report.exploring import forced, not_yet, training_note
from tacitlab.report.verdict import Word

DECAY = {"kind": "exponential", "start": 0.9, "beta": 0.01, "floor": 0.1}


def training(episodes, **learner):
    learner = {"kind": "dqn", **learner}
    text = {"name": "x", "environment": SELLERS, "learners": learner, "length": {"episodes": episodes}}
    return from_mapping(text)


def test_forced_exploration_by_player():
    """Over the last fifth of 1,000 periods: a constant, a mixing share, a mean of a decay, none."""
    falling = {"kind": "schedule", "points": [[0, 1.0], [1000, 0.0]], "between": "linear"}
    learners = [
        {"kind": "q-learning", "agents": 1, "gamma": 0, "exploration": {"kind": "constant", "epsilon": 0.3}},
        {"kind": "exp3", "agents": 1, "mixing": 0.2},
        {"kind": "q-learning", "agents": 1, "gamma": 0, "exploration": falling},
        {"kind": "q-learning", "agents": 1, "gamma": 0, "exploration": {"kind": "boltzmann"}},
        {"kind": "best-reply", "agents": 1},
        {"kind": "random"},
    ]  # fmt: skip
    text = {"name": "x", "environment": {"kind": "public-goods", "players": 6}, "learners": learners}
    found = forced(from_mapping({**text, "length": {"periods": 1000}}), 6)
    assert found == pytest.approx([0.3, 0.2, 0.1, 0.0, 0.0, 1.0], abs=1e-3)


def test_training_that_has_hardly_begun():
    """Of ten steps: .9 exp(-.01 t) is at .67 after 3 episodes and at .18, a tenth of its way, after 161 steps."""
    text = not_yet(training(3, batch=16, exploration=DECAY), learned=True)
    assert text.startswith("not learned yet, exploration is still at 0.67, from 0.9 on after 3 episodes; about ")
    assert 16 <= int(text.split("about ")[1].split()[0]) <= 18
    assert text.endswith(" episodes would bring it down")
    assert not_yet(training(40, batch=16, exploration=DECAY), learned=True) == ""
    stretched = {"kind": "exponential", "start": 1.0, "total_decay": 0.1}
    assert not_yet(training(40, exploration=stretched), learned=True).endswith("from 1 on after 40 episodes")


def test_exploration_that_is_left_is_a_note():
    some = training(12, exploration=DECAY)  # .9 exp(-1.19) = .27 of decisions
    assert training_note(some) == "training ended with 0.27 of its decisions still random; frozen policies make none"
    assert not_yet(some, learned=True) == ""
    assert training_note(training(400, exploration=DECAY)) == ""
    assert training_note(training(4, exploration={"kind": "constant", "epsilon": 0.4})) == ""


def test_why_nobody_learned():
    text = not_yet(training(3, batch=64), learned=False)
    assert text == (
        "nobody learned anything: 30 steps were played and dqn learns after 64 (learners.batch); "
        "set length.episodes=7 or more, or a smaller learners.batch"
    )
    assert not_yet(training(30, batch=64), learned=False) == "nobody learned anything"


def test_no_verdict_comes_first():
    found = answer(pretend(around(11.1, 11.1), learners={"kind": "dqn", "batch": 512}, learned=False))
    assert found.verdict.word is Word.NOT_LEARNED
    assert found.verdict.text.startswith("No verdict: nobody learned anything: 400 steps were played")
    assert ". So far: More cooperative than the competitive benchmark: " in found.verdict.text


def test_a_crowd_of_two_kinds_of_learners_has_an_answer():
    """Nobody in a crowd has a name; what is forced of it is the mean over both kinds."""
    groups = [{"kind": "exp3", "agents": 6, "mixing": 0.3}, {"kind": "random"}]
    text = {"name": "x", "environment": {"kind": "braess", "players": 12}, "learners": groups, "sessions": 4}
    found = answer(run(from_mapping({**text, "length": {"periods": 300}})))
    assert "an equilibrium in which a share 0.65 of decisions is random" in found.verdict.text

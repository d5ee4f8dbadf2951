from my_learner import MyLearner

import tacitlab
from tacitlab.games import PrisonersDilemma
from tacitlab.testing import check_learner


def test_it_keeps_what_all_learners_promise():
    check_learner(MyLearner())


def test_it_finds_the_dominant_action():
    plan = tacitlab.Experiment(
        environment=PrisonersDilemma(), learners=MyLearner(), length=tacitlab.Length(periods=5_000), sessions=4
    )
    assert (tacitlab.run(plan).data["limit_payoff"] == 1).all()

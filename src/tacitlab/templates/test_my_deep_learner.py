from my_deep_learner import MyDeepLearner

import tacitlab
from tacitlab.markets import TeamGame
from tacitlab.testing import check_learner


def test_it_keeps_what_all_learners_promise():
    check_learner(MyDeepLearner())


def test_it_finds_the_best_action():
    market = TeamGame(payoffs=[[[0.0, 0.0], [0.0, 1.0]]], following=None)
    plan = tacitlab.Experiment(
        environment=market, learners=MyDeepLearner(rate=0.1), length=tacitlab.Length(episodes=2000), sessions=4
    )
    assert (tacitlab.run(plan).data["test_payoff"] == 1).all()

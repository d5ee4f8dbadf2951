import numpy as np
from my_game import MyGame

import tacitlab
from tacitlab.learners import QLearning
from tacitlab.testing import check_game


def test_it_keeps_what_all_games_promise():
    check_game(MyGame())


def test_the_equilibrium_is_that_of_the_textbook():
    for players in (2, 4):
        game = MyGame(players=players, prize=16.0, levels=9)
        effort = game.efforts()[game.benchmarks().nash.actions]
        assert np.allclose(effort, 16 * (players - 1) / players**2)
        assert game.benchmarks().optimum.average == 16 / players


def test_it_is_played():
    plan = tacitlab.Experiment(
        environment=MyGame(), learners=QLearning(), length=tacitlab.Length(periods=500), sessions=2
    )
    assert tacitlab.run(plan).data["payoff"].max() <= 4

"""The minority game against explicit enumeration of coin tosses."""

from itertools import product

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.minority import Minority
from tacitlab.theory.congestion import nash_counts, optimum_counts


@pytest.mark.parametrize("players", [3, 5, 9])
def test_closed_forms_are_the_solvers(players):
    game = Minority(players=players, win=2.0, lose=-1.0)
    benchmarks = game.benchmarks()
    counts, complete = nash_counts(game.form())
    assert complete
    pure = [profile.quantities["share"] * players for profile in benchmarks.competitive if profile.concept == "nash"]
    np.testing.assert_allclose(pure, counts)
    best = optimum_counts(game.form())[0]
    assert benchmarks.optimum.average == pytest.approx(best @ game.form().payoffs(best) / players)


def test_coin_toss_is_the_mean_over_all_tosses():
    game = Minority(players=7, win=3.0, lose=1.0)
    wins = [sum(side == (2 * sum(toss) < 7) for side in toss) for toss in product((0, 1), repeat=7)]
    assert game.coin_toss_payoff() == pytest.approx(1 + 2 * np.mean(wins) / 7)
    assert game.benchmarks().nash.average == pytest.approx(game.coin_toss_payoff())
    assert Minority(players=10_001).coin_toss_payoff() == pytest.approx(0.5 - 1 / np.sqrt(2 * np.pi * 10_000), abs=1e-6)


def test_volatility_of_coin_tosses():
    attendance = np.random.default_rng(0).binomial(101, 0.5, size=20_000)
    assert Minority().volatility(attendance) == pytest.approx(0.25, rel=0.05)


def test_errors_say_the_mend():
    with pytest.raises(TacitError, match=r"^players: 100 is even.*take an odd number$"):
        Minority(players=100)
    with pytest.raises(TacitError, match=r"^win: 0 is too small; it must be above lose = 0$"):
        Minority(win=0.0)

"""Pigou's closed forms against enumeration and the convex program."""

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.pigou import Pigou
from tacitlab.theory.congestion import nash_counts, optimum_counts, system_optimum, wardrop


def test_price_of_anarchy_is_four_thirds():
    benchmarks = Pigou(players=100).benchmarks()
    assert benchmarks.nash.average == pytest.approx(-1)
    assert benchmarks.optimum.average == pytest.approx(-0.75)
    assert benchmarks.numbers["price of anarchy"] == pytest.approx(4 / 3)
    assert benchmarks.numbers["price of anarchy (nonatomic)"] == pytest.approx(4 / 3)
    assert benchmarks.complete
    assert {profile.method for profile in (*benchmarks.competitive, *benchmarks.cooperative)} == {"closed form"}


@pytest.mark.parametrize("players", [1, 2, 7, 10])
@pytest.mark.parametrize("constant", [0.0, 0.1, 0.3, 0.5, 1.0, 1.7, 5.0])
@pytest.mark.parametrize("slope", [0.3, 1.0])
def test_closed_forms_are_the_solvers(players, constant, slope):
    game = Pigou(players=players, constant=constant, slope=slope)
    form, known = game.form(), game._closed_forms()
    counts, complete = nash_counts(form)
    assert complete
    assert sorted(known.nash.tolist()) == counts.tolist()
    best = optimum_counts(form)[0]
    assert known.optimum.sum() == players
    assert known.optimum @ form.payoffs(known.optimum) == pytest.approx(best @ form.payoffs(best))
    assert wardrop(form, known.wardrop).gap < 1e-12
    assert system_optimum(form, known.system_optimum).gap < 1e-12
    assert wardrop(form).average == pytest.approx(-min(constant, slope))


def test_actions():
    game = Pigou(players=3)
    assert game.n_players == 3
    assert game.actions().labels == ("constant", "shortcut")
    np.testing.assert_allclose(game.form().payoffs(np.array([1, 2])), [-1, -2 / 3])


def test_errors_say_the_mend():
    with pytest.raises(TacitError, match=r"^slope: 0 is too small; it must be above 0.0$"):
        Pigou(slope=0)

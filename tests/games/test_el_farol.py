"""El Farol against enumeration and the binomial distribution."""

import numpy as np
import pytest
from scipy.stats import binom

from tacitlab.errors import TacitError
from tacitlab.games.el_farol import ElFarol
from tacitlab.theory.congestion import nash_counts, optimum_counts


@pytest.mark.parametrize("players", [2, 5, 10])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 1.0])
def test_closed_forms_are_the_solvers(players, threshold):
    game = ElFarol(players=players, threshold=threshold)
    counts, complete = nash_counts(game.form())
    assert complete
    assert counts.tolist() == [[game.capacity, players - game.capacity]]
    assert optimum_counts(game.form())[0].tolist() == counts[0].tolist()


def test_capacity_is_not_lost_to_rounding():
    assert ElFarol(players=100, threshold=0.29).capacity == 29
    assert ElFarol(players=7, threshold=0.5).capacity == 3


@pytest.mark.parametrize("home", [-0.5, 0.0, 0.9])
def test_mixed_equilibrium_makes_indifferent(home):
    game = ElFarol(players=100, home=home)
    chance = game.attendance_probability()
    room = binom.cdf(game.capacity - 1, 99, chance)
    assert room * 1.0 - (1 - room) == pytest.approx(home)
    benchmarks = game.benchmarks()
    assert benchmarks.nash.concept == "mixed-nash"
    assert benchmarks.nash.average == home
    assert benchmarks.optimum.average == pytest.approx(0.6 + 0.4 * home)


def test_extremes_have_no_mixed_equilibrium():
    assert [ElFarol(threshold=share).attendance_probability() for share in (0, 1)] == [0, 1]
    assert ElFarol(threshold=1).benchmarks().nash.concept == "nash"


def test_form():
    form = ElFarol(players=5, threshold=0.4, home=0.5).form()
    np.testing.assert_allclose(form.payoffs(np.array([[2, 3], [3, 2]])), [[1, 0.5], [-1, 0.5]])


def test_errors_say_the_mend():
    with pytest.raises(TacitError, match=r"^crowded: 1 is too large; it must be below home = 0$"):
        ElFarol(crowded=1)
    with pytest.raises(TacitError, match=r"^uncrowded: 0 is too small; it must be above home = 0$"):
        ElFarol(uncrowded=0)

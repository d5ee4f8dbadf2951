"""Public goods against the formula and enumeration."""

from itertools import product

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.public_goods import PublicGoods
from tacitlab.theory.congestion import nash_counts, optimum_counts


def test_payoffs_are_the_formula():
    game = PublicGoods(players=3, levels=4, multiplier=1.8, endowment=6.0)
    gifts = game.actions().values[0]
    for joint in product(range(4), repeat=3):
        counts = np.bincount(joint, minlength=4)
        given_by = gifts[list(joint)]
        known = 6 - given_by + 1.8 / 3 * given_by.sum()
        np.testing.assert_allclose(game.form().payoffs(counts)[list(joint)], known)


@pytest.mark.parametrize("multiplier", [0.0, 0.5, 1.0, 1.6, 3.9, 4.0, 6.0])
def test_closed_forms_are_the_solvers(multiplier):
    game = PublicGoods(players=4, levels=3, multiplier=multiplier)
    benchmarks, form = game.benchmarks(), game.form()
    counts, _ = nash_counts(form)
    found = [np.rint(profile.quantities["share"] * 4).tolist() for profile in benchmarks.competitive]
    assert sorted(found) == sorted(counts.tolist())
    best = optimum_counts(form)[0]
    assert benchmarks.optimum.average == pytest.approx(best @ form.payoffs(best) / 4)


def test_dilemma():
    benchmarks = PublicGoods(players=100, levels=11, multiplier=1.6, endowment=20.0).benchmarks()
    assert benchmarks.nash.average == pytest.approx(20)
    assert benchmarks.optimum.average == pytest.approx(32)
    assert benchmarks.numbers["price of anarchy"] == pytest.approx(1.6)
    assert benchmarks.nash.quantities["contribution"] == pytest.approx([0])
    assert benchmarks.optimum.quantities["contribution"] == pytest.approx([20])
    assert benchmarks.complete


def test_errors_say_the_mend():
    with pytest.raises(TacitError, match=r"^levels: 1 is too small; it must be at least 2$"):
        PublicGoods(levels=1)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from tacitlab.theory import logit

values = st.lists(st.floats(-20, 60), min_size=1, max_size=4)


@given(values)
@settings(max_examples=50)
def test_nash_markup_is_one_over_one_minus_the_share(row):
    (solution,) = logit.nash(np.array([row]), np.ones(1))
    shares = logit.shares(np.array(row) - solution.markups, 0.0)
    assert solution.markups * (1 - shares) == pytest.approx(np.ones(len(row)), rel=1e-9)


@given(values)
@settings(max_examples=50)
def test_monopoly_markup_is_lamberts(row):
    solution = logit.monopoly(np.array([row]), np.ones(1))
    total = np.exp(np.array(row) - 1).sum()
    assert solution.markups == pytest.approx([1 + lambertw(total).real] * len(row), rel=1e-9)


def test_one_firm_alone_is_a_monopolist():
    row = np.array([[4.0]])
    assert logit.nash(row, np.ones(1))[0].markups == pytest.approx(logit.monopoly(row, np.ones(1)).markups)


def test_identical_regimes_are_one_regime():
    one = np.array([[4.0, 3.0]])
    both = np.repeat(one, 2, axis=0)
    (mixed,) = logit.nash(both, np.array([0.3, 0.7]))
    assert mixed.markups == pytest.approx(logit.nash(one, np.ones(1))[0].markups)
    assert logit.monopoly(both, np.array([0.3, 0.7])).markups == pytest.approx(logit.monopoly(one, np.ones(1)).markups)


def test_deviations_are_noticed():
    row = np.array([[4.0, 4.0]])
    (solution,) = logit.nash(row, np.ones(1))
    assert logit.deviation_gain(solution.markups, row, np.ones(1)) <= 0
    assert logit.deviation_gain(1.3 * solution.markups, row, np.ones(1)) > 0.01


def test_monopoly_of_very_different_regimes_is_the_better_of_two_peaks():
    rows, weights = np.array([[44.0, 44.0], [-36.0, -36.0]]), np.array([0.5, 0.5])
    markup = logit.monopoly(rows, weights).markups[0]
    scan = np.linspace(0.1, 60, 20_001)
    totals = np.log(2) + rows[:, :1]
    profit = scan * (weights @ (1 / (1 + np.exp(np.clip(scan - totals, -700, 700)))))
    assert markup == pytest.approx(scan[np.argmax(profit)], abs=0.01)


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_shares_do_not_overflow(scale):
    shares = logit.shares(np.array([scale, 0.0, -scale, -np.inf]), 0.0)
    assert shares.tolist() == [1, 0, 0, 0]

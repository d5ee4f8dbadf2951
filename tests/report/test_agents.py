"""Who gains and who loses: what few sessions, or copies of one, do not show."""

import numpy as np
import pytest

from tacitlab.environment import Words
from tacitlab.report.agents import Outcomes, exploitation

NASH, OPTIMUM = np.array([1.0, 1.0]), np.array([2.0, 2.0])


def outcomes(values, alike=False, cost=""):
    values, words = np.asarray(values, float), Words("firm", "profit", "", cost)
    names = ("firm 1", "firm 2")
    return Outcomes(values, np.zeros_like(values), NASH, OPTIMUM, NASH[None], None, names, alike, words)


def noisy(sessions):
    return np.array([0.5, 1.5]) + 0.02 * np.arange(sessions)[:, None]


def test_it_takes_four_sessions():
    assert [bool(exploitation(outcomes(noisy(n)))) for n in (1, 2, 3, 4)] == [False, False, False, True]
    assert exploitation(outcomes([[0.5, 1.5]] * 2)) == (
        "Some gain what others lose: firm 2 (profit 1.5, in equilibrium 1) gains, firm 1 (profit 0.5, in equilibrium "
        "1) loses."
    )


def test_costs_are_gained_by_paying_less():
    found = exploitation(outcomes(noisy(8), cost="shortfall"))
    assert found.startswith("Some gain what others lose: firm 1 (shortfall 0.57, in equilibrium 1) gains, firm 2 ")


@pytest.mark.parametrize("values", [[[1.2, 1.5]] * 8, [[0.5, 1.04]] * 8, [[1.0, 1.0]] * 8, [[0.4, 0.6]] * 8])
def test_it_takes_a_winner_and_a_loser(values):
    assert exploitation(outcomes(values)) == ""


def test_equals_that_change_places_are_counted_by_session():
    turns = [[0.5, 1.5], [1.5, 0.5]] * 5
    assert exploitation(outcomes(turns)) == ""  # by name nobody gains
    assert exploitation(outcomes(turns, alike=True)).startswith(
        "Some gain what others lose in 10 of 10 sessions: there"
    )
    assert exploitation(outcomes([[0.5, 1.5], [1.0, 1.0]] * 5, alike=True)) == ""


def test_who_has_less_than_in_one_of_two_equilibria_has_not_lost():
    """A game of chicken: its equilibria pay 0 and 4, or 4 and 0; random play pays both 1.25."""
    values = np.array([1.25, 1.25]) + 0.01 * np.arange(8)[:, None]
    names, words = ("player 1", "player 2"), Words("player", "payoff", "", "")
    nash, known = np.array([0.0, 4.0]), np.array([[0.0, 4.0], [4.0, 0.0]])
    for alike in (False, True):
        found = Outcomes(values, np.zeros_like(values), nash, np.array([2.0, 2.0]), known, None, names, alike, words)
        assert exploitation(found) == ""
        worse = Outcomes(values + [4, -3], 0 * values, nash, np.array([2.0, 2.0]), known, None, names, alike, words)
        assert "in equilibrium 0 to 4" in exploitation(worse)

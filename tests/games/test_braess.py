"""Braess's paradox against the reference's closed forms and explicit joint actions."""

from itertools import product

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.braess import Braess
from tacitlab.theory.congestion import nash_counts, optimum_counts, system_optimum, wardrop


def times(counts, players, cost):
    """Travel times of up, down and cross, as printed in the paper."""
    up, down, cross = counts
    left, right = (up + cross) / players, (down + cross) / players
    return np.array([1 + left, 1 + right, left + right + cost])


@pytest.mark.parametrize("cost", [0.0, 0.25])
def test_travel_times(cost):
    game = Braess(players=7, cost=cost)
    for counts in product(range(8), repeat=3):
        if sum(counts) == 7:
            np.testing.assert_allclose(-game.form().payoffs(np.array(counts)), times(counts, 7, cost), atol=1e-12)
    assert game.actions().labels == ("up", "down", "cross")


def test_benchmarks_of_the_reference():
    benchmarks = Braess(players=100).benchmarks()
    assert benchmarks.nash.average == pytest.approx(-2)
    assert benchmarks.nash.quantities["share"].tolist() == [0, 0, 1]
    assert benchmarks.optimum.average == pytest.approx(-1.5)
    assert benchmarks.optimum.quantities["share"].tolist() == [0.5, 0.5, 0]
    assert benchmarks.numbers["price of anarchy"] == pytest.approx(4 / 3)
    assert benchmarks.numbers["price of anarchy (nonatomic)"] == pytest.approx(4 / 3)
    assert benchmarks.numbers["travel time of random play"] == pytest.approx(1.56)
    assert benchmarks.complete


def test_finite_numbers_have_four_equilibria():
    counts, complete = nash_counts(Braess(players=100).form())
    assert complete
    assert counts.tolist() == [[0, 0, 100], [0, 1, 99], [1, 0, 99], [1, 1, 98]]


def test_without_link_everybody_is_faster():
    benchmarks = Braess(players=100, link=False).benchmarks()
    assert benchmarks.nash.average == benchmarks.optimum.average == pytest.approx(-1.5)
    assert benchmarks.nash.quantities["share"].tolist() == [0.5, 0.5]
    assert any("attains the social optimum" in note for note in benchmarks.notes)


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("players", [1, 2, 5, 8])
@pytest.mark.parametrize("cost", [0.0, 0.2, 0.5, 0.8])
def test_closed_forms_are_the_solvers(players, cost, link):
    game = Braess(players=players, cost=cost if link else 0, link=link)
    form, known = game.form(), game._closed_forms()
    best = optimum_counts(form)[0]
    assert known.optimum @ form.payoffs(known.optimum) == pytest.approx(best @ form.payoffs(best))
    assert wardrop(form, known.wardrop).gap < 1e-12
    assert wardrop(form, known.wardrop).average == pytest.approx(wardrop(form).average)
    assert system_optimum(form, known.system_optimum).gap < 1e-12
    if link:
        assert wardrop(form).average == pytest.approx(-max(2 - cost, 1.5))


@pytest.mark.parametrize(("cost", "link"), [(0.0, True), (0.3, True), (0.0, False)])
@pytest.mark.parametrize("greedy", ["up", "down"])
def test_rational_time_is_the_mean_over_all_draws(cost, link, greedy):
    game, epsilon, players = Braess(players=4, cost=cost, link=link), 0.3, 4
    routes = game.actions().labels
    chance = np.array([epsilon / len(routes) + (1 - epsilon) * (route == greedy) for route in routes])
    mean = 0.0
    for joint in product(range(len(routes)), repeat=players):
        counts = np.bincount(joint, minlength=len(routes))
        mean -= np.prod(chance[list(joint)]) * counts @ game.form().payoffs(counts) / players
    assert game.epsilon_rational_time(epsilon, greedy) == pytest.approx(mean)


def test_published_curves():
    for players in (3, 100, 900):
        assert Braess(players=players).random_play_time() == pytest.approx(14 / 9 + 4 / (9 * players))
    large = Braess(players=10_000)
    for epsilon in (0.0, 0.007, 0.1, 1.0):
        for greedy, limit in (
            ("cross", 2 - 2 / 3 * epsilon + 2 / 9 * epsilon**2),
            ("up", 2 - epsilon + 5 / 9 * epsilon**2),
            ("down", 2 - epsilon + 5 / 9 * epsilon**2),
        ):
            assert large.epsilon_rational_time(epsilon, greedy) == pytest.approx(limit, abs=1e-4)
    assert Braess(players=100).random_play_time() == pytest.approx(1.56)


def test_welfare_of_the_reference():
    game = Braess()
    assert [game.welfare(2.0), game.welfare(1.5)] == [0, 1]
    assert game.welfare(game.random_play_time()) == pytest.approx(0.88)


def test_errors_say_the_mend():
    with pytest.raises(TacitError, match=r"^players: 0 is too small; it must be at least 1$"):
        Braess(players=0)
    with pytest.raises(TacitError, match=r"^cost: .*closed link; set cost=0 or link=true$"):
        Braess(cost=0.1, link=False)
    with pytest.raises(TacitError, match="between 0 and 1"):
        Braess().epsilon_rational_time(1.5)
    with pytest.raises(TacitError, match=r"choose from up, down$"):
        Braess(link=False).epsilon_rational_time(0.1, "cross")

"""Replicator dynamics and alpha-rank against closed forms; the best-response graph; adaptive allocation."""

import numpy as np
import pytest

from tacitlab.metagame.allocation import next_entries
from tacitlab.metagame.estimated_game import PayoffTable
from tacitlab.metagame.evolution import alpha_rank, alpha_rank_profiles, basins, fixation, replicator
from tacitlab.metagame.response_graph import attractors, best_replies, response_path


def test_replicator_has_the_logistic_solution():
    """A strategy that always earns 1 more grows as e^t / (e^t + odds)."""
    steps, pace = 300, 0.01
    end = replicator([[1.0, 1.0], [0.0, 0.0]], [0.1, 0.9], steps=steps, pace=pace)
    grown = 0.1 * np.exp(steps * pace)
    assert end[0] == pytest.approx(grown / (grown + 0.9), rel=1e-9)


def test_basins_of_a_coordination_game():
    """A 1, B 2: populations with more than 2/3 of A settle on A; a uniform start does so in a third of cases."""
    found = basins([[1.0, 0.0], [0.0, 2.0]], starts=2000)
    assert found.share[0] == pytest.approx(1 / 3, abs=0.03)
    assert found.mixed == pytest.approx(0, abs=0.01)
    assert basins([[-1.0, 1.0], [0.0, 0.5]], starts=20).mixed == 1.0


def test_fixation_of_a_constant_lead_and_of_two_populations_agree():
    """Mutants whose lead does not depend on their number: (1 - e^-ad) / (1 - e^-mad)."""
    chance = fixation([[0.0, 0.0], [1.0, 1.0]], population=10, intensity=0.3)  # range 1: not rescaled
    assert chance[0, 1] == pytest.approx((1 - np.exp(-0.3)) / (1 - np.exp(-3)), rel=1e-9)
    assert chance[1, 0] == pytest.approx((1 - np.exp(0.3)) / (1 - np.exp(3)), rel=1e-9)
    np.testing.assert_allclose(np.diagonal(chance), 0.1)


def test_alpha_rank_of_two_strategies():
    payoffs = np.array([[0.2, 0.7], [0.5, 0.0]])
    chance = fixation(payoffs, 20, 1.5)
    expected = chance[1, 0] / (chance[0, 1] + chance[1, 0])
    assert alpha_rank(payoffs, 20, 1.5)[0] == pytest.approx(expected, rel=1e-9)


def test_alpha_rank_of_two_populations():
    """A 1 x 2 game is a chain of two states; rock, paper, scissors visits all alike."""
    game = np.zeros((1, 2, 2))
    game[0, 1, 1] = 1.0
    up, down = (1 - np.exp(-0.2)) / (1 - np.exp(-2)), (1 - np.exp(0.2)) / (1 - np.exp(2))
    assert alpha_rank_profiles(game, 10, 0.2)[0, 1] == pytest.approx(up / (up + down), rel=1e-9)
    rps = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=float)
    found = alpha_rank_profiles(np.stack([rps, -rps], axis=-1), 20, 1.0)
    np.testing.assert_allclose(np.diagonal(found), found[0, 0])
    np.testing.assert_allclose(alpha_rank(rps), 1 / 3)


def test_alpha_rank_of_many_strategies_solves_its_chain():
    payoffs = np.random.default_rng(0).normal(size=(6, 6))
    share, chain = alpha_rank(payoffs, 10, 2.0), fixation(payoffs, 10, 2.0) / 5
    np.fill_diagonal(chain, 0)
    np.testing.assert_allclose(share @ chain, share * chain.sum(axis=1), rtol=1e-8)


def test_fixed_points_and_cycles():
    payoffs = np.zeros((4, 4))
    payoffs[[1, 0, 2, 1], [0, 1, 2, 3]] = 1
    replies = best_replies(payoffs)
    assert replies.tolist() == [1, 0, 2, 1]
    cycle, point = attractors(replies)
    assert (cycle.profiles, cycle.basin, cycle.fixed) == ((0, 1), 0.75, False)
    assert (point.profiles, point.basin, point.fixed) == ((2,), 0.25, True)
    assert response_path(replies, 3) == [3, 1, 0]
    assert attractors([1, -1]) == []
    assert best_replies(np.ones((2, 2))).tolist() == [0, 1]  # nobody moves without gain


def known_game(rng, size=14, gap=0.5):
    """Random payoffs with one symmetric equilibrium: elsewhere some reply is better by a gap or more."""
    payoffs = rng.uniform(0, 1, size=(size, size))
    star = int(rng.integers(size))
    for j in range(size):
        best = payoffs[:, j].max() + gap
        payoffs[star if j == star else (j + 1 + int(rng.integers(size - 1))) % size, j] = best
    return payoffs, star


def success_uniform(rng, payoffs, star, noise, sessions):
    mean = payoffs + noise / sessions**0.5 * rng.standard_normal(payoffs.shape)
    return np.flatnonzero(np.diagonal(mean) >= mean.max(axis=0)).tolist() == [star]


def adaptive(rng, payoffs, noise, first=2, batch=4, most=80):
    """Sessions used until all profiles are decided, and the equilibria found."""
    size = len(payoffs)
    table, (own, others) = PayoffTable.empty(size, size), np.indices((size, size)).reshape(2, -1)
    table.add(own, others, payoffs[own, others][:, None] + noise * rng.standard_normal((own.size, first)))
    for turn in range(most):
        own, others = next_entries(table, 0.99, turn)
        if not len(own):
            break
        table.add(own, others, payoffs[own, others][:, None] + noise * rng.standard_normal((own.size, batch)))
    return int(table.count.sum()), np.flatnonzero(np.diagonal(table.mean) >= table.mean.max(axis=0)).tolist()


def test_adaptive_allocation_needs_less_than_a_third_of_the_sessions():
    """Three times as many sessions, the same number for each entry, find the equilibria of a known game less often."""
    rng, noise, trials = np.random.default_rng(1), 1.0, 8
    games = [known_game(rng) for _ in range(trials)]
    found = [adaptive(rng, payoffs, noise) for payoffs, _ in games]
    right = np.mean([equilibria == [star] for (_, equilibria), (_, star) in zip(found, games, strict=True)])
    each = 3 * np.mean([used for used, _ in found]) / games[0][0].size
    uniform = np.mean([success_uniform(rng, *games[k % trials], noise, each) for k in range(800)])
    assert right >= 0.85
    assert uniform < right - 0.1


def test_profiles_get_a_least_number_of_sessions():
    table = PayoffTable.empty(2, 2)
    own, others = np.indices((2, 2)).reshape(2, -1)
    table.add(own, others, np.array([[3.0, 0.0], [5.0, 1.0]]).reshape(-1, 1) + [[-0.01, 0.01]])
    assert len(next_entries(table, 0.99, 0)[0]) == 0
    assert set(zip(*next_entries(table, 0.99, 0, least=4), strict=True)) == {(0, 0), (1, 0), (0, 1), (1, 1)}


def test_alpha_rank_is_that_of_open_spiel():
    """Both of its models; it is installed for benchmarks only."""
    alpharank = pytest.importorskip("open_spiel.python.egt.alpharank")
    rng = np.random.default_rng(0)
    for _ in range(5):
        one, two = rng.random((4, 4)), rng.random((3, 4, 2))
        one, two = one / np.ptp(one), two / np.ptp(two)
        found = alpharank.compute([one], m=50, alpha=3.0, use_local_selection_model=False)[2]
        np.testing.assert_allclose(alpha_rank(one, 50, 3.0), found, atol=1e-9)
        found = alpharank.compute([two[..., 0], two[..., 1]], m=50, alpha=3.0)[2]
        np.testing.assert_allclose(alpha_rank_profiles(two, 50, 3.0).ravel(), found, atol=1e-9)

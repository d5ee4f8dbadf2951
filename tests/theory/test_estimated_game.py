"""Games in estimates: sums, coverage of intervals on games with known payoffs and known noise, probabilities."""

import numpy as np
import pytest
from scipy.stats import t as student

from tacitlab.metagame.estimated_game import EstimatedGame, PayoffTable, pareto_profiles, reduced_equilibria
from tacitlab.metagame.estimated_regret import (
    best_probabilities,
    best_probability,
    contenders,
    equilibrium_probabilities,
    paired_regret,
    profile_regret,
    regret_interval,
    symmetric_regrets,
)

TRIALS = 2000


def column(rng, means, sessions, noise=1.0):
    """Means, standard errors and degrees of freedom of one simulated column."""
    drawn = means[:, None] + noise * rng.standard_normal((len(means), sessions))
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / sessions**0.5, np.full(len(means), sessions - 1.0)


def test_sums_do_not_depend_on_how_sessions_arrive():
    values = np.random.default_rng(0).normal(5, 2, size=(3, 17))
    at = np.array([0, 1, 1]), np.array([0, 0, 1])
    whole, parts = PayoffTable.empty(2, 2), PayoffTable.empty(2, 2)
    whole.add(*at, values)
    for cut in (slice(0, 1), slice(1, 9), slice(9, 17)):
        parts.add(*at, values[:, cut])
    for name in ("count", "mean", "squares"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
    np.testing.assert_allclose(whole.mean[at], values.mean(axis=1))
    np.testing.assert_allclose(whole.se()[at], values.std(axis=1, ddof=1) / 17**0.5)
    assert np.isinf(whole.se()[0, 1])


def test_entries_are_covered():
    """Students' intervals over all entries of known games, with few sessions: 93 to 97 %."""
    rng = np.random.default_rng(1)
    known, hits = rng.normal(size=(5, 5)), 0
    for _ in range(400):
        table = PayoffTable.empty(5, 5)
        own, others = np.indices((5, 5)).reshape(2, -1)
        table.add(own, others, known.reshape(-1, 1) + rng.standard_normal((25, 6)) * rng.uniform(0.1, 3, (25, 1)))
        low, high = table.interval()
        hits += int(((low <= known) & (known <= high)).sum())
    assert 0.93 < hits / (400 * 25) < 0.97


@pytest.mark.parametrize("sessions", [5, 20])
@pytest.mark.parametrize("size", [2, 30])
def test_regret_is_covered_where_the_best_reply_is_clear(size, sessions):
    """93 to 97 %: neither too short nor too long."""
    rng, means = np.random.default_rng(2), np.zeros(size)
    means[0] = 8.0
    hits = 0
    for _ in range(TRIALS):
        _, low, high = regret_interval(*column(rng, means, sessions), candidate=1)
        hits += low <= 8.0 <= high
    assert 0.93 < hits / TRIALS < 0.97


@pytest.mark.parametrize(
    ("means", "candidate"),
    [
        (np.zeros(30), 3),  # all are best: regret 0, among thirty lucky means
        (np.r_[np.full(15, 0.3), np.zeros(15)], 20),  # many best replies
        (np.linspace(0, 1, 30), 0),  # a slope
        (np.linspace(0, 1, 30), 29),  # the candidate is the best
        (np.r_[0.2, np.zeros(29)], 5),
    ],
    ids=["flat", "half", "slope", "best", "one"],
)
def test_regret_is_conservative_where_many_are_within_error(means, candidate):
    """Never below 93 %, although the largest of thirty noisy means is a lucky one."""
    rng, truth = np.random.default_rng(3), means.max() - means[candidate]
    naive = hits = 0
    for _ in range(TRIALS // 2):
        sample = column(rng, means, 10)
        estimate, low, high = regret_interval(*sample, candidate=candidate)
        hits += low <= truth <= high
        naive += estimate - 2 * sample[1].mean() <= truth
        assert low <= high
    assert hits / (TRIALS // 2) > 0.93


def test_common_random_numbers_shorten_the_interval():
    rng, means = np.random.default_rng(4), np.r_[1.0, np.zeros(9)]
    hits, lengths = 0, []
    for _ in range(500):
        payoffs = means[:, None] + rng.standard_normal((1, 10)) * 5 + rng.standard_normal((10, 10)) * 0.3
        _, low, high = paired_regret(payoffs, candidate=4)
        hits += low <= 1.0 <= high
        single = regret_interval(
            payoffs.mean(axis=1), payoffs.std(axis=1, ddof=1) / 10**0.5, np.full(10, 9.0), candidate=4
        )
        lengths.append((high - low) / (single[2] - single[1]))
    assert 0.92 < hits / 500 < 0.975
    assert np.mean(lengths) < 0.3


def test_the_set_of_best_replies_holds_the_best():
    rng, means = np.random.default_rng(5), np.r_[0.5, np.full(9, 0.3), np.zeros(10)]
    held = [contenders(*column(rng, means, 8)) for _ in range(600)]
    assert np.mean([inside[0] for inside in held]) > 0.94
    assert np.mean([inside[10:].sum() for inside in held]) < 10  # and it does not hold everything
    assert np.mean([contenders(*column(rng, means * 20, 8)).sum() for _ in range(100)]) < 2.5


def test_probabilities_are_those_of_draws():
    rng = np.random.default_rng(6)
    mean, se, freedom = np.array([0.0, 0.3, -0.5, 0.35]), np.array([0.3, 0.1, 0.6, 0.2]), np.array([4.0, 9, 5, 19])
    draws = mean + se * student.rvs(freedom, size=(200_000, 4), random_state=rng)
    expected = np.bincount(draws.argmax(axis=1), minlength=4) / len(draws)
    np.testing.assert_allclose(best_probabilities(mean, se, freedom), expected, atol=0.006)
    one_by_one = [best_probability(mean, se, freedom, k) for k in range(4)]
    np.testing.assert_allclose(one_by_one, best_probabilities(mean, se, freedom), rtol=1e-9)


def test_probabilities_of_profiles():
    """Two independent conditions off the diagonal, one on it; exact ties are equilibria."""
    rng = np.random.default_rng(7)
    table = PayoffTable.empty(3, 3)
    own, others = np.indices((3, 3)).reshape(2, -1)
    table.add(own, others, rng.normal(size=(9, 1)) * 0.3 + rng.normal(size=(9, 12)))
    game = EstimatedGame((table,))
    found = equilibrium_probabilities(game)
    draws = table.mean + table.se() * student.rvs(11, size=(40_000, 3, 3), random_state=rng)
    best = draws >= draws.max(axis=1, keepdims=True)
    np.testing.assert_allclose(np.diagonal(found), np.diagonal(best.mean(axis=0)), atol=0.015)
    both = (best & np.swapaxes(best, 1, 2)).mean(axis=0)
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(found[off], both[off], atol=0.015)
    np.testing.assert_allclose(equilibrium_probabilities(EstimatedGame.exact(np.ones((2, 2)))), 1, atol=1e-5)


def test_games_whose_players_differ():
    """Matching pennies has no pure equilibrium; battle of the sexes two; a profile's regret is the larger one."""
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    game = EstimatedGame.exact(pennies, -pennies.T)
    assert len(game.pure_equilibria()) == 0
    assert equilibrium_probabilities(game).sum() == 0
    assert profile_regret(game, 0, 0)[0] == 2.0
    with pytest.raises(ValueError, match="symmetric_equilibria"):
        game.symmetric_equilibria()
    sexes = EstimatedGame.exact(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 2.0]]))
    assert sexes.pure_equilibria().tolist() == [[0, 0], [1, 1]]
    pairs, regret = reduced_equilibria(sexes)
    assert len(pairs) == 3
    np.testing.assert_allclose(regret, 0, atol=1e-12)
    mixed = next(pair for pair in pairs if 0.1 < pair[0][0] < 0.9)
    np.testing.assert_allclose(mixed[0], [2 / 3, 1 / 3])


def test_the_reduced_game_finds_a_mixed_equilibrium_of_the_whole():
    """Rock, paper and scissors among fifty worse strategies."""
    rng = np.random.default_rng(8)
    payoffs = rng.uniform(-5, -4, size=(53, 53))
    payoffs[:3, :3] = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
    payoffs[:3, 3:] = 0
    pairs, regret = reduced_equilibria(EstimatedGame.exact(payoffs))
    assert regret.min() < 1e-9
    np.testing.assert_allclose(pairs[int(regret.argmin())][0][:3], 1 / 3, atol=1e-9)


def test_the_front_is_what_no_profile_dominates():
    payoffs = np.random.default_rng(9).normal(size=(6, 6))
    game = EstimatedGame.exact(payoffs)
    points = game.payoffs().reshape(-1, 2)
    brute = {divmod(k, 6) for k, p in enumerate(points) if not any((q >= p).all() and (q > p).any() for q in points)}
    assert {tuple(map(int, profile)) for profile in pareto_profiles(game)} == brute


def test_regret_of_symmetric_profiles():
    game = EstimatedGame.exact(np.array([[3.0, 0.0], [5.0, 1.0]]))
    np.testing.assert_allclose(symmetric_regrets(game.row), [[2, 2, 2], [0, 0, 0]], atol=1e-12)
    assert game.symmetric_equilibria().tolist() == [1]

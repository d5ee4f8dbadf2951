"""What mixing players earn, beside brute force over everything that can happen, and known values."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacitlab.games import Bertrand, Braess, Cournot, ElFarol, Pigou, PrisonersDilemma
from tacitlab.games.base import CongestionForm, NormalForm
from tacitlab.lab.result import benchmarks_of
from tacitlab.theory.mixing import Crowd, crowd_payoffs, expected_payoffs, random_play, with_exploration


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_a_table_is_summed_over_all_joint_actions(seed, shape):
    rng = np.random.default_rng(seed)
    payoffs = rng.normal(size=(*shape, len(shape)))
    mixtures = [rng.dirichlet(np.ones(n)) for n in shape]
    brute = np.zeros(len(shape))
    for joint in itertools.product(*map(range, shape)):
        brute += np.prod([m[a] for m, a in zip(mixtures, joint, strict=True)]) * payoffs[joint]
    np.testing.assert_allclose(expected_payoffs(NormalForm.from_tensor(payoffs), mixtures), brute, atol=1e-12)


def test_regimes_count_by_their_share_and_the_inactive_do_not_mix():
    rng = np.random.default_rng(0)
    payoffs = rng.normal(size=(2, 4, 2))
    active = np.array([[True, True], [True, False]])
    form = NormalForm(payoffs, (2, 2), np.array([[0.5, 0.5], [0.25, 0.75]]), True, active)  # a third of the time in 0
    first, second = payoffs[0].mean(axis=0), payoffs[1].reshape(2, 2, 2)[:, 0].mean(axis=0)
    np.testing.assert_allclose(expected_payoffs(form, [[0.5, 0.5]] * 2), first / 3 + 2 * second / 3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3))
def test_a_crowd_is_summed_over_what_everybody_does(seed, first, second):
    rng = np.random.default_rng(seed)
    players, actions, facilities = first + second, 3, 2
    incidence = rng.integers(0, 3, (facilities, actions))
    values = rng.normal(size=(facilities, 2 * players + 1))
    form = CongestionForm(players, incidence, rng.normal(size=(actions, facilities)), values, rng.normal(size=actions))
    crowds = [Crowd(first, rng.dirichlet(np.ones(3))), Crowd(second, rng.dirichlet(np.ones(3)))]
    member = [0] * first + [1] * second
    brute = np.zeros(2)
    for joint in itertools.product(range(actions), repeat=players):
        chance = np.prod([crowds[c].mixture[a] for c, a in zip(member, joint, strict=True)])
        paid = form.payoffs(np.bincount(joint, minlength=actions))[list(joint)]
        brute += chance * np.array([paid[:first].mean(), paid[first:].mean()])
    np.testing.assert_allclose(crowd_payoffs(form, crowds), brute, atol=1e-12)


@pytest.mark.parametrize(
    ("game", "place"),
    [(Bertrand(), 0.497), (PrisonersDilemma(), 0.625), (Braess(), 0.88), (Pigou(), 0.99)],
    ids=lambda x: getattr(x, "kind", None),
)
def test_random_play_has_its_known_place(game, place):
    known = benchmarks_of(game)
    room = known.optimum.average - known.nash.average
    assert (known.random.average - known.nash.average) / room == pytest.approx(place, abs=5e-4)


def test_random_play_says_what_it_is():
    found = benchmarks_of(Bertrand()).random
    assert (found.name, found.concept, found.method) == ("random play", "random", "mean over 225 joint actions")
    np.testing.assert_allclose(found.quantities["price"], Bertrand().prices().mean(axis=1))
    crowd = benchmarks_of(Braess()).random
    assert crowd.method == "exact distribution of loads"
    np.testing.assert_allclose(crowd.quantities["share"], 1 / 3)


def test_exploration_moves_an_equilibrium_towards_random_play():
    for game in (PrisonersDilemma(), Cournot(), Braess(players=10), ElFarol(players=10)):
        known, form = benchmarks_of(game), game.form()
        for profile in known.competitive:
            for epsilon, expected in ((0.0, profile.average), (1.0, known.random.average)):
                found = with_exploration(form, profile, epsilon)
                if found is not None:
                    assert found.mean() == pytest.approx(expected, abs=1e-9)


def test_exploration_of_one_player_alone():
    """Both defect; the first explores with 0.5: it cooperates a quarter of the time and then gets 0, the other 5."""
    game = PrisonersDilemma()
    found = with_exploration(game.form(), benchmarks_of(game).nash, np.array([0.5, 0.0]))
    np.testing.assert_allclose(found, [0.75 * 1 + 0.25 * 0, 0.75 * 1 + 0.25 * 5])


def test_what_a_profile_does_not_say_cannot_be_explored():
    continuous = Bertrand()  # its first equilibrium lies off the grid
    assert with_exploration(continuous.form(), benchmarks_of(continuous).nash, 0.1) is None
    assert random_play(continuous.form(), continuous.actions()).payoffs.shape == (2,)

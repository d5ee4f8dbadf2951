"""Congestion games against the explicit game of all joint actions, and continuous solutions against closed forms."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.games.base import Actions, CongestionForm
from tacitlab.theory import congestion
from tacitlab.theory.congestion import (
    ClosedForms,
    congestion_benchmarks,
    nash_counts,
    optimum_counts,
    system_optimum,
    wardrop,
)


@st.composite
def forms(draw, rosenthal=None):
    rosenthal = draw(st.booleans()) if rosenthal is None else rosenthal
    players, actions, facilities = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    numbers = np.random.default_rng(draw(st.integers(0, 10**6)))
    incidence = numbers.integers(0, 3, size=(facilities, actions))
    weights = incidence.T.astype(float) if rosenthal else numbers.integers(-1, 3, (actions, facilities)) * 0.5
    values = numbers.integers(-4, 4, size=(facilities, players * 2 + 1)) / 4  # ties happen
    return CongestionForm(players, incidence, weights, values, numbers.integers(-4, 4, size=actions) / 4)


def joint_payoffs(form):
    """The game of all joint actions, from the definition: {joint: payoff of each player}."""
    game = {}
    for joint in product(range(form.actions), repeat=form.players):
        loads = [sum(form.incidence[f, action] for action in joint) for f in range(len(form.values))]
        game[joint] = [
            form.own[a] + sum(form.weights[a, f] * form.values[f, load] for f, load in enumerate(loads)) for a in joint
        ]
    return game


def count(joint, form):
    return tuple(np.bincount(joint, minlength=form.actions).tolist())


def brute_force_nash(form):
    game = joint_payoffs(form)
    stable = set()
    for joint, payoffs in game.items():
        moves = [
            game[(*joint[:i], action, *joint[i + 1 :])][i] - payoffs[i]
            for i in range(form.players)
            for action in range(form.actions)
        ]
        if max(moves) <= 1e-12:
            stable.add(count(joint, form))
    return stable


@given(forms())
def test_form_is_the_explicit_game(form):
    for joint, payoffs in joint_payoffs(form).items():
        np.testing.assert_allclose(form.payoffs(np.array(count(joint, form)))[list(joint)], payoffs, atol=1e-12)


@given(forms())
@settings(max_examples=60)
def test_enumeration_is_brute_force(form):
    found, complete = nash_counts(form)
    assert complete
    assert sorted(map(tuple, found.tolist())) == sorted(brute_force_nash(form))
    best, exact = optimum_counts(form)
    assert exact
    assert best @ form.payoffs(best) == pytest.approx(max(sum(p) for p in joint_payoffs(form).values()))


@given(forms(rosenthal=True))
@settings(max_examples=40)
def test_descent_ends_in_equilibria(form):
    found, complete = nash_counts(form, limit=0)
    assert not complete
    assert len(found) > 0  # Rosenthal: there is always one
    assert set(map(tuple, found.tolist())) <= brute_force_nash(form)
    searched, exact = optimum_counts(form, limit=0)
    assert not exact
    assert searched.sum() == form.players


def test_compositions_are_all_and_ordered(monkeypatch):
    monkeypatch.setattr(congestion, "CHUNK", 7)
    found = np.concatenate(list(congestion._compositions(5, 4))).tolist()
    known = [list(counts) for counts in product(range(6), repeat=4) if sum(counts) == 5]
    assert found == known


def roads(players, constants, slopes, routes=None):
    """Affine roads, and routes as rows of a 0-1 matrix; without one, parallel roads."""
    routes = np.eye(len(slopes), dtype=np.int64) if routes is None else np.array(routes)
    values = -np.array(constants)[:, None] - np.array(slopes)[:, None] * np.arange(players + 1) / players
    return CongestionForm(players, routes.T.copy(), routes.astype(float), values, np.zeros(len(routes)))


def named(form):
    return Actions("route", np.arange(form.actions, dtype=float)[None], labels=tuple("abcdefgh"[: form.actions]))


def test_parallel_roads_by_hand():
    # Times 1 + x and 2x: equal at x = 1/3 and 2/3; marginal times 1 + 2x and 4x: equal at x = 1/2.
    form = roads(60, [1.0, 0.0], [1.0, 2.0])
    crowd, ideal = wardrop(form), system_optimum(form)
    np.testing.assert_allclose(crowd.shares, [1 / 3, 2 / 3], atol=1e-9)
    np.testing.assert_allclose(crowd.payoffs, -4 / 3)
    np.testing.assert_allclose(ideal.shares, 0.5, atol=1e-9)
    assert ideal.average == pytest.approx(-1.25)
    assert max(crowd.gap, ideal.gap) < 1e-12
    assert optimum_counts(form)[0].tolist() == [30, 30]
    assert [20, 40] in nash_counts(form)[0].tolist()


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_continuous_solutions_satisfy_their_conditions(seed):
    rng = np.random.default_rng(seed)
    routes = rng.integers(0, 2, size=(rng.integers(1, 9), 5))
    form = roads(30, rng.random(5), rng.random(5) * rng.integers(0, 2, 5), routes)
    crowd, ideal = wardrop(form), system_optimum(form)
    assert crowd.shares.sum() == pytest.approx(1)
    assert crowd.shares.min() >= 0
    assert max(crowd.gap, ideal.gap) < 1e-9
    used = crowd.shares > 1e-6
    np.testing.assert_allclose(crowd.payoffs[used], crowd.payoffs.max(), atol=1e-7)
    assert ideal.average >= crowd.average - 1e-9
    assert crowd.average >= 4 / 3 * ideal.average - 1e-9  # Roughgarden and Tardos (2002)
    best = optimum_counts(form, limit=0)[0]
    assert best @ form.payoffs(best) / 30 <= ideal.average + ideal.gap + 1e-9
    for shares in rng.dirichlet(np.ones(form.actions), size=20):
        assert system_optimum(form, shares).average <= ideal.average + 1e-9


def test_atomic_equilibria_approach_wardrop():
    gaps = []
    for players in (10, 100, 1000):
        form = roads(players, [1.0, 0.0], [1.0, 2.0])
        benchmarks = congestion_benchmarks(form, named(form), cost="travel time")
        gaps.append(abs(benchmarks.nash.average + 4 / 3))
    assert gaps[2] < gaps[0]
    assert gaps[2] < 1e-3


def test_continuous_solutions_need_affine_costs():
    form = CongestionForm(2, np.array([[1]]), np.array([[1.0]]), np.array([[0.0, -1.0, -4.0]]), np.zeros(1))
    with pytest.raises(ValueError, match="affine"):
        wardrop(form)
    assert [profile.concept for profile in congestion_benchmarks(form, named(form)).competitive] == ["nash"]


def test_benchmarks_of_a_game_without_pure_equilibrium():
    # Rock, paper, scissors for two: the load of each hand, won or lost.
    weights = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    form = CongestionForm(2, np.eye(3, dtype=np.int64), weights, np.array([[0.0, 1.0, 2.0]] * 3), np.zeros(3))
    benchmarks = congestion_benchmarks(form, named(form))
    assert not brute_force_nash(form)
    assert benchmarks.competitive == ()
    assert benchmarks.notes[0].startswith("no Nash equilibrium")
    assert "price of anarchy" not in benchmarks.numbers
    assert not congestion_benchmarks(form, named(form), limit=0).complete


def test_benchmarks_tell_what_was_searched():
    form = roads(12, [1.0, 0.0, 0.5], [1.0, 2.0, 0.3])
    exact = congestion_benchmarks(form, named(form), cost="travel time")
    searched = congestion_benchmarks(form, named(form), cost="travel time", limit=10)
    assert exact.complete
    assert not searched.complete
    assert exact.nash.method == "enumeration of 91 count profiles"
    assert searched.nash.method.startswith("best-reply descent")
    assert searched.optimum.average == pytest.approx(exact.optimum.average)
    assert not searched.optimum.exact
    assert searched.optimum.error >= exact.optimum.average - searched.optimum.average
    np.testing.assert_allclose(
        exact.nash.quantities["travel time"], -form.payoffs(np.round(exact.nash.quantities["share"] * 12).astype(int))
    )


def test_closed_forms_are_used_as_given():
    form = roads(4, [1.0, 0.0], [0.0, 1.0])
    known = ClosedForms(nash=np.array([[0, 4]]), optimum=np.array([2, 2]), wardrop=np.array([0.0, 1.0]))
    benchmarks = congestion_benchmarks(form, named(form), cost="travel time", known=known)
    methods = [profile.method for profile in (*benchmarks.competitive, *benchmarks.cooperative)]
    assert methods == ["closed form"] * 3 + ["Beckmann's convex program (SLSQP)"]
    assert benchmarks.numbers["price of anarchy"] == pytest.approx(4 / 3)


def test_indifference_lists_are_cut():
    form = CongestionForm(60, np.array([[0, 0]]), np.zeros((2, 1)), np.zeros((1, 1)), np.ones(2))
    benchmarks = congestion_benchmarks(form, named(form))
    assert not benchmarks.complete
    assert sum(profile.concept == "nash" for profile in benchmarks.competitive) == congestion.LISTED


UNITS = {  # factor of all payoffs, then what is added to them, in largest payoffs
    "times 1e-9": (1e-9, 0.0),
    "times 1e9": (1e9, 0.0),
    "shifted by 1e6": (1.0, -1e6),
    "shifted by 1e9": (0.5, 1e9),
    "shifted, times 1e-9": (1e-9, 1e6),
}


def in_units(form, name):
    factor, shift = UNITS[name]
    return CongestionForm(
        form.players, form.incidence, form.weights, form.values * factor, (form.own + shift * 5) * factor
    )


@given(forms(), st.sampled_from(list(UNITS)))
@settings(max_examples=150)
def test_equilibria_do_not_depend_on_the_unit(form, name):
    found, _ = nash_counts(in_units(form, name))
    assert sorted(map(tuple, found.tolist())) == sorted(brute_force_nash(form))
    best, _ = optimum_counts(in_units(form, name))
    assert best.tolist() == optimum_counts(form)[0].tolist()


@given(forms(), st.integers(0, 10**6))
@settings(max_examples=100)
def test_a_forbidden_action_or_load_makes_no_equilibria(form, seed):
    rng = np.random.default_rng(seed)
    if rng.integers(2):
        form.own[rng.integers(form.actions)] = -1e9
    else:
        form.values[rng.integers(len(form.values)), -1] = -1e9
    assert sorted(map(tuple, nash_counts(form)[0].tolist())) == sorted(brute_force_nash(form))


@pytest.mark.parametrize("name", UNITS)
def test_continuous_solutions_do_not_depend_on_the_unit(name):
    form = roads(30, [1.0, 0.0, 0.4], [1.0, 2.0, 0.7])
    for solve in (wardrop, system_optimum):
        np.testing.assert_allclose(solve(in_units(form, name)).shares, solve(form).shares, atol=1e-6)
    bent = CongestionForm(3, np.eye(2, dtype=np.int64), np.eye(2), -(np.ones((2, 1)) * np.arange(4) ** 2), np.zeros(2))
    shifted = CongestionForm(3, bent.incidence, bent.weights, bent.values + 1e9, bent.own)
    assert not congestion.is_smooth(bent)
    assert not congestion.is_smooth(shifted)


def test_a_closed_road_is_not_taken():
    form = roads(30, [1.0, 0.0, 1e9], [1.0, 2.0, 0.7])
    without = roads(30, [1.0, 0.0], [1.0, 2.0])
    np.testing.assert_allclose(wardrop(form).shares, [*wardrop(without).shares, 0.0], atol=1e-9)
    assert [counts[:2] for counts in nash_counts(form)[0].tolist()] == nash_counts(without)[0].tolist()


def test_where_doubles_cannot_tell_it_is_said():
    form = roads(30, [1.0, 0.0], [1.0, 2.0])
    far = CongestionForm(30, form.incidence, form.weights, form.values, form.own + 1e14)
    assert any("double precision cannot tell" in note for note in congestion_benchmarks(far, named(far)).notes)

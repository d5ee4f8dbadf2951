"""Entries of a meta-game have the bits of ordinary sessions, for every kind of learner, game and timing."""

from types import SimpleNamespace

import numpy as np
import pytest

from tacitlab.engine import entries, tabular
from tacitlab.engine.duel import is_duel
from tacitlab.games import Bertrand, Braess, Matrix, PrisonersDilemma
from tacitlab.games.bertrand_homogeneous import HomogeneousBertrand
from tacitlab.learners import (
    BestReply,
    Boltzmann,
    Constant,
    Exp3,
    Exponential,
    Fixed,
    QLearning,
    Random,
    Sarsa,
    Ucb1,
    UniformValues,
)

PERIODS, SESSIONS, SEED = 300, 4, 11
SEEN = {"memory": 1, "observes": "rivals"}
STRATEGIES = [
    QLearning(alpha=0.3, gamma=0.5, exploration=Constant(epsilon=0.2), initial=UniformValues(), **SEEN),
    QLearning(alpha=0.1, gamma=0.9, memory=2, exploration=Exponential(total_decay=3), observes="own"),
    QLearning(alpha=0.9, gamma=0.0, updates="all", exploration=Constant(epsilon=0.1)),
    QLearning(gamma=0.2, ties="random", exploration=Boltzmann(temperature=0.1, total_decay=2)),
    Sarsa(gamma=0.7, exploration=Constant(epsilon=0.05), **SEEN), Exp3(), Ucb1(memory=1, observes="own"),
    Fixed(action=1), BestReply(), Random(),
]  # fmt: skip


def nobody(run, agent):
    raise AssertionError


def jobs(pairs, first=0):
    own, others = np.array(pairs, np.uint64).T.copy()
    return entries.Jobs(own, others, np.full(len(own), SEED, np.uint64), np.full(len(own), first, np.uint64))


def plan_of(form, strategies, alternating=False, exchange=False):
    return entries.prepare(
        form, strategies, alternating=alternating, periods=PERIODS, late=240, exchange=exchange, trained=nobody
    )


def ordinary(form, learners, alternating=False):
    """Payoffs by session, fifth of the session, and agent (or all), of the ordinary engine."""
    plan = tabular.prepare(
        form, learners, alternating=alternating, periods=PERIODS, stable_for=0, window=60, windows=5,
        sessions=SESSIONS, keep_values=False, trained=nobody,
    )  # fmt: skip
    return tabular.play(plan, SEED, 0, SESSIONS, np.zeros(1, np.bool_)).payoff


def seated(strategy, agents):
    return strategy.model_copy(update={"agents": agents})


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize(
    "game", [HomogeneousBertrand(n_prices=5), PrisonersDilemma(), Bertrand(n_prices=4, players=3)], ids=lambda g: g.kind
)
def test_entries_are_ordinary_sessions(game, alternating):
    form = game.form()
    strategies = [s for s in STRATEGIES if not (alternating and getattr(s, "updates", "") == "all")]
    pairs = [(i, (3 * i + 1) % len(strategies)) for i in range(len(strategies))]
    paid = entries.play(plan_of(form, strategies, alternating), jobs(pairs), SESSIONS, np.zeros(1, np.bool_))
    for (i, j), found in zip(pairs, paid, strict=True):
        payoff = ordinary(form, [seated(strategies[i], 1), seated(strategies[j], form.players - 1)], alternating)
        both = np.stack([payoff[..., 0], payoff[..., 1:].mean(axis=-1)], axis=-1)
        np.testing.assert_allclose(found[:, 0], both.mean(axis=1), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found[:, 1], both[:, -1], rtol=1e-12, atol=1e-12)


DUELISTS = [
    QLearning(alpha=0.3, gamma=0.5, exploration=Constant(epsilon=0.2), initial=UniformValues(), **SEEN),
    QLearning(alpha=0.7, gamma=0.9, exploration=Exponential(total_decay=3), observes="own", memory=1),
    QLearning(alpha=0.05, gamma=0.99, exploration=Constant(epsilon=0.5), memory=1),
    QLearning(alpha=1.0, gamma=0.0, exploration=Constant(epsilon=0.0), memory=0),
]


LOPSIDED = Matrix(payoffs=[[[1, 5, 2], [3, 0, 4]], [[2, 1, 4], [0, 3, 1]]])  # two actions against three


def duels(plan, own, others):
    """Whether the entry is played by the faster loop."""
    agents, groups = plan.bank.agents[[0, 1], [own, others]], plan.bank.groups[[0, 1], [own, others]]
    return is_duel.py_func(plan.game, SimpleNamespace(agents=agents.view(np.recarray), groups=groups.view(np.recarray)))


@pytest.mark.parametrize("game", [HomogeneousBertrand(n_prices=7), LOPSIDED], ids=["bertrand", "lopsided"])
def test_duels_are_ordinary_sessions(game, monkeypatch):
    form, pairs = game.form(), [(i, j) for i in range(4) for j in range(4)]
    plan = plan_of(form, DUELISTS)
    paid = entries.play(plan, jobs(pairs), SESSIONS, np.zeros(1, np.bool_))
    assert all(duels(plan, *pair) for pair in pairs)
    for (i, j), found in zip(pairs, paid, strict=True):
        payoff = ordinary(form, [seated(DUELISTS[i], 1), seated(DUELISTS[j], 1)])
        np.testing.assert_allclose(found[:, 0], payoff.mean(axis=1), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found[:, 1], payoff[:, -1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("number", range(1, len(STRATEGIES)))
def test_other_learners_do_not_duel(number):
    plan = plan_of(HomogeneousBertrand(n_prices=5).form(), STRATEGIES)
    assert not duels(plan, 0, number)
    assert not duels(plan, number, 0)


def test_one_driver_deviates():
    form = Braess(players=9).form()
    strategies = [s for s in STRATEGIES if s.memory_of()[1] == "own" or s.memory_of()[0] == 0]
    pairs = [(0, 1), (3, 0), (2, 2)]
    paid = entries.play(plan_of(form, strategies), jobs(pairs), SESSIONS, np.zeros(1, np.bool_))
    for (i, j), found in zip(pairs, paid, strict=True):
        payoff = ordinary(form, [seated(strategies[i], 1), seated(strategies[j], 8)])[:, :, 0]
        everybody = (found[..., 0] + 8 * found[..., 1]) / 9
        np.testing.assert_allclose(everybody[:, 0], payoff.mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(everybody[:, 1], payoff[:, -1], rtol=1e-12)
    fixed = [Fixed(action=2), Fixed(action=0)]  # one goes down, eight cross and the other way round: by hand
    alone = entries.play(plan_of(form, fixed), jobs([(0, 1)]), 1, np.zeros(1, np.bool_))[0, 0, 0]
    counts = np.zeros(form.actions, np.int64)
    counts[2], counts[0] = 1, 8
    np.testing.assert_allclose(alone, form.payoffs(counts)[[2, 0]])


def test_sessions_can_be_played_in_parts():
    plan = plan_of(HomogeneousBertrand(n_prices=5).form(), STRATEGIES)
    whole = entries.play(plan, jobs([(0, 4), (5, 6)]), 6, np.zeros(1, np.bool_))
    rest = entries.play(plan, jobs([(0, 4), (5, 6)], first=4), 2, np.zeros(1, np.bool_))
    np.testing.assert_array_equal(whole[:, 4:], rest)


def test_seats_change_in_odd_sessions():
    plan = plan_of(HomogeneousBertrand(n_prices=5).form(), STRATEGIES[:2], alternating=True, exchange=True)
    plain = plan_of(HomogeneousBertrand(n_prices=5).form(), STRATEGIES[:2], alternating=True)
    stop = np.zeros(1, np.bool_)
    both = entries.play(plan, jobs([(0, 1)]), 2, stop)[0]
    np.testing.assert_array_equal(both[0], entries.play(plain, jobs([(0, 1)]), 2, stop)[0, 0])
    np.testing.assert_array_equal(both[1], entries.play(plain, jobs([(1, 0)]), 2, stop)[0, 1][..., ::-1])


def test_seeds_of_entries_differ():
    own, others = np.indices((40, 40)).reshape(2, -1).astype(np.uint64)
    assert len(np.unique(entries.entry_seeds(3, own, others))) == 1600

"""The compiled loop against a plain-Python implementation of the definitions, draw for draw."""

import numpy as np
import pytest
from reference import Agent, Play

from tacitlab.engine import tabular
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm
from tacitlab.learners import (
    BestReply,
    Boltzmann,
    Constant,
    ConstantValue,
    Exp3,
    Exponential,
    Fixed,
    GivenValues,
    QLearning,
    Random,
    Sarsa,
    Schedule,
    Ucb1,
    UniformValues,
)
from tacitlab.learners.base import group_sizes

RNG = np.random.default_rng(0)
DUEL = NormalForm.from_tensor(RNG.random((3, 4, 2)))
TRIO = NormalForm.from_tensor(RNG.random((2, 3, 2, 3)))
SHOCKS = NormalForm(
    RNG.random((2, 12, 2)), (3, 4), np.array([[0.5, 0.5], [0.5, 0.5]]), False, np.ones((2, 2), dtype=bool)
)
ENTRY = NormalForm(
    RNG.random((2, 12, 2)), (3, 4), np.array([[0.8, 0.2], [0.1, 0.9]]), True, np.array([[True, False], [True, True]])
)
ROADS = CongestionForm(
    5,
    np.array([[1, 0, 1], [0, 1, 1], [0, 2, 1]]),
    np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [1.0, 1.0, 0.25]]),
    RNG.random((3, 11)),
    RNG.random(3),
)
DECAY = Exponential(beta=0.01)
EXPLORING = Constant(epsilon=0.3)

CASES = {
    "q memory 0": (DUEL, [QLearning(exploration=DECAY)], {}),
    "q memory 1": (DUEL, [QLearning(memory=1, exploration=DECAY)], {}),
    "q memory 2": (DUEL, [QLearning(memory=2, exploration=DECAY, gamma=0.5)], {}),
    "q three players": (TRIO, [QLearning(memory=1, exploration=EXPLORING, initial=UniformValues())], {}),
    "q rivals": (TRIO, [QLearning(memory=1, observes="rivals", exploration=EXPLORING)], {}),
    "q own": (TRIO, [QLearning(memory=2, observes="own", exploration=EXPLORING)], {}),
    "q random ties": (
        DUEL,
        [QLearning(ties="random", exploration=EXPLORING, initial=ConstantValue(value=0), alpha=0)],
        {},
    ),
    "q optimistic": (DUEL, [QLearning(memory=1, exploration=Constant(epsilon=0), initial=ConstantValue(value=30))], {}),
    "q schedules": (
        DUEL,
        [
            QLearning(agents=1, exploration=Schedule(points=((0, 1.0), (100, 0.5), (200, 0.0)), between="linear")),
            QLearning(exploration=Schedule(points=((0, 0.5), (50, 0.1), (150, 0.9)))),
        ],
        {},
    ),
    "q floor": (DUEL, [QLearning(exploration=Exponential(beta=0.05, floor=0.2), memory=1)], {}),
    "boltzmann": (DUEL, [QLearning(memory=1, exploration=Boltzmann(temperature=5, total_decay=4))], {}),
    "counterfactual": (DUEL, [QLearning(memory=1, updates="all", exploration=EXPLORING)], {}),
    "counterfactual own": (TRIO, [QLearning(memory=1, observes="own", updates="all", exploration=EXPLORING)], {}),
    "counterfactual rivals": (TRIO, [QLearning(memory=2, observes="rivals", updates="all", exploration=EXPLORING)], {}),
    "sarsa": (DUEL, [Sarsa(memory=1, exploration=EXPLORING)], {}),
    "exp3": (DUEL, [Exp3(mixing=0.2)], {}),
    "exp3 memory": (DUEL, [Exp3(mixing=0.2, memory=1)], {}),
    "ucb1": (DUEL, [Ucb1()], {}),
    "scripted": (TRIO, [Fixed(agents=1, action=1), Random(agents=1), BestReply()], {}),
    "mixed": (
        TRIO,
        [
            QLearning(agents=1, memory=1, exploration=EXPLORING),
            Sarsa(agents=1, alpha=0.5, exploration=EXPLORING),
            Ucb1(),
        ],
        {},
    ),
    "alternating": (DUEL, [QLearning(memory=1, observes="rivals", exploration=DECAY)], {"alternating": True}),
    "alternating three": (TRIO, [QLearning(memory=1, exploration=DECAY)], {"alternating": True}),
    "alternating sarsa": (TRIO, [Sarsa(memory=1, exploration=DECAY)], {"alternating": True}),
    "alternating bandits": (DUEL, [Exp3(agents=1), Ucb1()], {"alternating": True}),
    "shocks": (SHOCKS, [QLearning(memory=1, exploration=DECAY)], {}),
    "shocks counterfactual": (SHOCKS, [QLearning(memory=1, updates="all", exploration=DECAY)], {}),
    "entry": (ENTRY, [QLearning(memory=1, exploration=DECAY)], {}),
    "entry sarsa": (ENTRY, [Sarsa(memory=1, exploration=DECAY)], {}),
    "roads": (ROADS, [QLearning(gamma=0, exploration=EXPLORING, initial=GivenValues(table=(1, 2, 0)))], {}),
    "roads memory": (ROADS, [QLearning(memory=2, observes="crowd", exploration=EXPLORING)], {}),
    "roads own": (ROADS, [QLearning(memory=1, observes="own", updates="all", exploration=EXPLORING)], {}),
    "roads mixed": (
        ROADS,
        [BestReply(agents=1), Exp3(agents=1), Ucb1(agents=1), QLearning(exploration=DECAY, initial=UniformValues())],
        {},
    ),
    "roads alternating": (ROADS, [QLearning(exploration=DECAY)], {"alternating": True}),
    "stops": (DUEL, [QLearning(memory=1, exploration=Exponential(beta=0.1), gamma=0.3)], {"stable_for": 60}),
}


def prepare(form, learners, *, alternating=False, stable_for=0, periods=400, window=1):
    return tabular.prepare(
        form,
        learners,
        alternating=alternating,
        periods=periods,
        stable_for=stable_for,
        window=window,
        windows=min(periods // window, 400),
        sessions=3,
        keep_values=True,
        trained=lambda *_: pytest.fail("nothing is trained"),
    )


def reference(form, learners, plan, session, *, alternating=False, stable_for=0, periods=400):
    sizes = group_sizes(form.players, learners)
    agents = []
    for learner, count in zip(learners, sizes, strict=True):
        for _ in range(count):
            seat = tabular.seat_of(form, len(agents), learner, 3, periods, lambda *_: None)
            behaviour = learner.behaviour(seat)
            memory, observes = learner.memory_of()
            agents.append(
                Agent(
                    behaviour,
                    np.array(behaviour.values[0]),
                    memory,
                    observes,
                    seat.codes,
                    visits=np.zeros(behaviour.values.shape[1:]),
                )
            )
    return Play(form, agents, alternating=alternating, periods=periods, stable_for=stable_for, seed=11, session=session)


@pytest.mark.parametrize("case", CASES)
def test_engine_plays_what_the_definitions_say(case):
    form, learners, options = CASES[case]
    plan = prepare(form, learners, **options)
    record = tabular.play(plan, 11, 2, 1, np.zeros(1, np.bool_))
    slow = reference(form, learners, plan, 2, **options)
    periods = slow.run()

    assert record.periods[0] == periods
    payoffs = np.array([p for _, p in slow.log])
    actions = np.array([a for a, _ in slow.log])
    if isinstance(form, NormalForm):
        played = record.frequency[0, :periods].argmax(axis=2)
        assert np.array_equal(played, actions)
        assert np.array_equal(record.payoff[0, :periods], payoffs)
    else:
        counts = np.array([np.bincount(a, minlength=form.actions) for a in actions])
        assert np.allclose(record.frequency[0, :periods, 0] * form.players, counts, atol=1e-5)
        assert np.allclose(record.payoff[0, :periods, 0], payoffs.mean(axis=1), rtol=1e-12)
    assert np.allclose(record.values[0], np.concatenate([a.q.ravel() for a in slow.agents]), rtol=1e-9, atol=1e-12)
    greedy = np.concatenate([[a.greedy(s) for s in range(len(a.q))] for a in slow.agents])
    assert np.array_equal(record.greedy[0], greedy)
    if not plan.pooled:
        assert np.array_equal(record.payoff_square[0, :periods], record.payoff[0, :periods].mean(axis=1) ** 2)


def test_convergence_stops_early_and_leaves_windows_empty():
    form, learners, options = CASES["stops"]
    record = tabular.play(prepare(form, learners, **options), 11, 2, 1, np.zeros(1, np.bool_))
    assert record.converged[0]
    assert record.periods[0] < 400
    assert np.isnan(record.payoff[0, int(record.periods[0]) :]).all()
    assert not np.isnan(record.payoff[0, : int(record.periods[0])]).any()


@pytest.mark.parametrize(
    "case", ["q memory 1", "q memory 2", "q rivals", "alternating", "roads memory", "roads alternating"]
)
def test_limit_cycle_is_what_greedy_play_repeats(case):
    form, learners, options = CASES[case]
    plan = prepare(form, learners, **options)
    record = tabular.play(plan, 11, 2, 1, np.zeros(1, np.bool_))
    slow = reference(form, learners, plan, 2, **options)
    slow.run()
    seen, path, t = {}, [], slow.periods
    while True:
        key = (tuple(a.history for a in slow.agents), tuple(slow.actions), t % slow.n if slow.alternating else 0)
        if key in seen:
            break
        seen[key] = len(path)
        for i, agent in enumerate(slow.agents):
            if not slow.alternating or i == t % slow.n:
                agent.action = agent.greedy(slow.state(i))
        slow.actions = [a.action for a in slow.agents]
        path.append([slow.payoff(i, slow.actions, 0) for i in range(slow.n)])
        slow._push()
        t += 1
    cycle = np.array(path[seen[key] :])
    assert record.cycle_length[0] == len(cycle)
    expected = cycle.mean(axis=0) if isinstance(form, NormalForm) else cycle.mean()
    assert np.allclose(record.limit_payoff[0], expected, rtol=1e-12)
    assert np.allclose(record.limit_frequency[0].sum(axis=-1), 1)


def test_random_play_has_no_cycle_but_an_average():
    record = tabular.play(prepare(DUEL, [Random()]), 11, 0, 3, np.zeros(1, np.bool_))
    assert (record.cycle_length == 0).all()
    mean = DUEL.tensor().mean(axis=(0, 1))
    assert np.allclose(record.limit_payoff, mean, atol=0.02)


def test_windows_are_means_of_periods():
    form, learners, options = CASES["q memory 1"]
    fine = tabular.play(prepare(form, learners, **options), 11, 0, 2, np.zeros(1, np.bool_))
    coarse = tabular.play(prepare(form, learners, window=50, **options), 11, 0, 2, np.zeros(1, np.bool_))
    assert np.allclose(coarse.payoff, fine.payoff.reshape(2, 8, 50, 2).mean(axis=2))
    assert np.allclose(coarse.frequency, fine.frequency.reshape(2, 8, 50, 2, 4).mean(axis=2), atol=1e-6)
    assert np.array_equal(coarse.greedy, fine.greedy)


def test_sessions_do_not_depend_on_their_neighbours():
    plan = prepare(*CASES["mixed"][:2])
    stop = np.zeros(1, np.bool_)
    together = tabular.play(plan, 5, 0, 6, stop)
    alone = [tabular.play(plan, 5, k, 1, stop) for k in range(6)]
    for name in together._fields:
        assert np.array_equal(
            getattr(together, name), np.concatenate([getattr(r, name) for r in alone]), equal_nan=True
        ), name


def test_a_stopped_call_returns_at_once():
    plan = prepare(DUEL, [QLearning(exploration=EXPLORING)], periods=10**9, window=100)
    stop = np.ones(1, np.bool_)
    tabular.play(plan, 5, 0, 3, stop)


@pytest.mark.parametrize(
    ("form", "learners", "options", "words"),
    [
        (DUEL, [QLearning(agents=1)], {}, "agents"),
        (DUEL, [QLearning(agents=3)], {}, "agents"),
        (DUEL, [QLearning(), Sarsa()], {}, "several groups"),
        (DUEL, [QLearning(memory=1, observes="crowd")], {}, "crowd"),
        (ROADS, [QLearning(memory=1)], {}, "payoff table"),
        (DUEL, [QLearning(updates="all")], {"alternating": True}, "updates"),
        (ENTRY, [QLearning(updates="all")], {}, "updates"),
        (DUEL, [Fixed(action=9)], {}, "action"),
        (DUEL, [QLearning(memory=8)], {}, "memory"),
        (DUEL, [QLearning(initial=GivenValues(table=(1.0, 2.0)))], {}, "table"),
    ],
)
def test_impossible_pairs_are_refused_in_one_line(form, learners, options, words):
    with pytest.raises(TacitError, match=words) as error:
        prepare(form, learners, **options)
    assert "\n" not in str(error.value)

"""Learners against what is known: exact best responses, published regret bounds, closed forms of initial values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacitlab.engine import tabular
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, Braess, ElFarol, PrisonersDilemma, PublicGoods
from tacitlab.games.base import NormalForm
from tacitlab.learners import (
    BestReply,
    Boltzmann,
    Constant,
    ConstantValue,
    Exp3,
    Exponential,
    Fixed,
    QLearning,
    Sarsa,
    Schedule,
    StrategyValues,
    Ucb1,
    UniformRivals,
)
from tacitlab.learners.base import Observes, Seat
from tacitlab.theory import decision

STOP = np.zeros(1, np.bool_)


def seat(form, agent=0, memory=1):
    codes = int(np.prod(form.shape)) if isinstance(form, NormalForm) else form.actions
    return Seat(form, agent, Observes.EVERYBODY, memory, codes, 1, 1, 1000, lambda *_: (None, np.zeros((1, 1), int)))


def play(form, learners, periods, sessions=1, windows=1, seed=1):
    plan = tabular.prepare(
        form, learners, alternating=False, periods=periods, stable_for=0, window=periods // windows, windows=windows,
        sessions=sessions, keep_values=True, trained=lambda *_: None,
    )  # fmt: skip
    return tabular.play(plan, seed, 0, sessions, STOP)


@pytest.mark.parametrize("learner", [QLearning, Sarsa])
@pytest.mark.parametrize("seed", range(3))
def test_value_learners_find_the_exact_optimum_against_a_known_opponent(learner, seed):
    # The opponent replies to the last play, so that the learner, who remembers it, faces a decision problem.
    form = NormalForm.from_tensor(np.random.default_rng(seed).random((3, 3, 2)))
    payoffs, gamma = form.tensor(), 0.8
    reply = payoffs[..., 1].argmax(axis=1)  # to the learner's last action
    rewards = np.array([[payoffs[a, reply[last], 0] for a in range(3)] for last in range(3)])
    optimum = decision.solve(rewards, np.tile(np.arange(3), (3, 1)), gamma)
    agent = learner(
        agents=1, memory=1, observes="own", alpha=0.1, gamma=gamma,
        exploration=Exponential(beta=1e-4), initial=ConstantValue(value=0),
    )  # fmt: skip
    record = play(form, [agent, BestReply()], 200_000)
    greedy = record.greedy[0, :3]
    best = rewards + gamma * optimum.values[np.tile(np.arange(3), (3, 1))]
    chosen = np.take_along_axis(best, greedy[:, None].astype(int), 1)[:, 0]
    assert np.allclose(chosen, optimum.values, rtol=1e-3)
    if learner is QLearning:
        on_path = record.values[0, :9].reshape(3, 3)[greedy[0], greedy[greedy[0]]]
        assert on_path == pytest.approx(optimum.values[greedy[0]], rel=0.02)


def bandit_regret(learner, means, periods, sessions):
    """Mean regret against always playing the best action; payoffs are fair coins scaled by the opponent's action."""
    # The opponent is uniformly random over two actions; the learner's arm a pays 2 * means[a] or 0.
    payoffs = np.zeros((len(means), 2, 2))
    payoffs[:, 1, 0] = 2 * np.array(means)
    from tacitlab.learners import Random

    record = play(NormalForm.from_tensor(payoffs), [learner, Random()], periods, sessions)
    return periods * (max(means) - record.payoff[:, 0, 0])


def test_exp3_stays_below_its_published_regret_bound():
    means, periods = [0.5, 0.25, 0.25], 20_000
    k = len(means)
    mixing = min(1.0, math.sqrt(k * math.log(k) / ((math.e - 1) * max(means) * periods)))
    regret = bandit_regret(Exp3(agents=1, mixing=mixing), means, periods, 40)
    bound = 2 * math.sqrt(math.e - 1) * math.sqrt(max(means) * periods * k * math.log(k))  # Corollary 3.2
    assert regret.mean() < bound
    assert regret.mean() > 0


def test_ucb1_stays_below_its_published_regret_bound():
    means, periods = [0.5, 0.3, 0.2], 20_000
    regret = bandit_regret(Ucb1(agents=1), means, periods, 40)
    gaps = [max(means) - m for m in means]
    # Theorem 1; the payoffs lie in [0, 1].
    bound = 8 * sum(math.log(periods) / g for g in gaps if g) + (1 + math.pi**2 / 3) * sum(gaps)
    assert regret.mean() < bound
    assert regret.mean() > 0


def test_best_reply_dynamics_find_the_cournot_equilibrium():
    from tacitlab.games import Cournot

    record = play(Cournot(n_quantities=41).form(), [BestReply()], 100)
    assert record.cycle_length[0] == 1
    assert record.last_actions[0].sum() == 24


def test_initial_values_of_calvano():
    game = Bertrand()
    form = game.form()
    values, _ = UniformRivals().values(seat(form), 0.95)
    by_hand = [np.mean([form.payoffs[0, a * 15 + b, 0] for b in range(15)]) / 0.05 for a in range(15)]
    assert np.allclose(values[0], by_hand)
    assert values.shape == (1, 225, 15)


@pytest.mark.parametrize("game", [Braess(players=7), ElFarol(players=6), PublicGoods(players=4, levels=3)])
def test_initial_values_against_a_random_crowd(game):
    form = game.form()
    exact, _ = UniformRivals().values(seat(form, memory=0), 0.5)
    rng = np.random.default_rng(0)
    others = rng.integers(form.actions, size=(40_000, form.players - 1))
    for a in range(form.actions):
        counts = np.stack([(others == b).sum(axis=1) + (b == a) for b in range(form.actions)], axis=1)
        draws = form.payoffs(counts)[:, a] / 0.5
        assert abs(draws.mean() - exact[0, 0, a]) < 5 * draws.std() / 200 + 1e-12


def test_strategic_initial_values_are_closed_forms():
    form = PrisonersDilemma().form()
    t, r, p, s = (form.tensor()[i, j, 0] for i, j in ((1, 0), (0, 0), (1, 1), (0, 1)))
    delta = 0.9
    nash, _ = StrategyValues(kind="nash").values(seat(form), delta)
    assert np.allclose(nash[0], [s + delta * p / (1 - delta), p / (1 - delta)])
    grim, _ = StrategyValues(kind="grim-trigger").values(seat(form), delta)
    assert np.allclose(grim[0, 0], [r / (1 - delta), t + delta * p / (1 - delta)])  # after mutual cooperation
    assert np.allclose(grim[0, 1:], [s + delta * p / (1 - delta), p / (1 - delta)])


def test_grim_trigger_without_exploration_lasts():
    learner = QLearning(memory=1, exploration=Constant(epsilon=0), initial=StrategyValues(kind="grim-trigger"))
    record = play(PrisonersDilemma().form(), [learner], 5_000, sessions=20)
    cooperating = np.isclose(record.limit_payoff.mean(axis=1), 3)
    assert 0 < cooperating.sum() < 20  # those that started after mutual cooperation
    assert np.allclose(record.limit_payoff[~cooperating], 1)


def level(knots, t):
    rows = [row for row in knots if row[0] <= t]
    time, value, factor, step = rows[-1]
    for _ in range(int(t - time)):
        value = value * factor + step
    return value


@given(st.floats(1e-6, 1), st.floats(0, 1e-2), st.integers(0, 2000), st.floats(0, 1))
def test_exponential_schedule_is_its_formula(start, beta, t, share):
    floor = share * start
    knots = Exponential(start=start, beta=beta, floor=floor).knots(10_000)
    assert level(knots, t) == pytest.approx(max(floor, start * math.exp(-beta * t)), rel=1e-9, abs=1e-15)


def test_schedules_are_their_formulas():
    points = ((0, 1.0), (100, 0.01), (300, 0.5))
    for between, at_50 in (("step", 1.0), ("linear", 0.505), ("exponential", 0.1)):
        knots = Schedule(points=points, between=between).knots(1000)
        assert level(knots, 50) == pytest.approx(at_50)
        assert level(knots, 100) == pytest.approx(0.01)
        assert level(knots, 900) == pytest.approx(0.5)
    assert level(Exponential(total_decay=8).knots(10_000), 10_000) == pytest.approx(math.exp(-8))
    assert level(Boltzmann(temperature=1000, beta=1.000005e-5).knots(1), 7) == pytest.approx(1000 * 0.99999**7)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Exponential(beta=1e-3, floor=0.5, start=0.1).knots(10), "floor"),
        (lambda: Exponential(beta=1, total_decay=1), "not both"),
        (lambda: Boltzmann(beta=1, total_decay=1), "not both"),
        (lambda: Schedule(points=((0, 0.1), (0, 0.2))), "increase"),
        (lambda: Schedule(points=((0, 0.0), (5, 0.2)), between="exponential"), "above 0"),
        (lambda: StrategyValues().values(seat(Braess().form()), 0.9), "payoff table"),
        (lambda: Fixed(action=-1), "action"),
    ],
)
def test_wrong_numbers_are_refused(make, words):
    with pytest.raises(TacitError, match=words):
        make()

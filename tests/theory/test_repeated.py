"""Frozen strategies against closed forms of the prisoner's dilemma and naive play with explicit histories."""

import itertools

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.theory import decision
from tacitlab.theory.repeated import RepeatedPlay

DILEMMA = np.array([[3.0, 3.0], [0.0, 5.0], [5.0, 0.0], [1.0, 1.0]])
"""Action 0 cooperates; reward 3, temptation 5, punishment 1, sucker's payoff 0."""

GRIM = [0, 1, 1, 1]
COPY = [[0, 1, 0, 1], [0, 0, 1, 1]]

CASES = [((2, 2), 0), ((2, 3), 1), ((2, 2), 2), ((2, 2, 2), 1), ((3, 1, 2), 1), ((2, 3, 2), 0)]


def random_play(shape, memory, sessions=5, seed=0):
    rng = np.random.default_rng(seed)
    joint = int(np.prod(shape))
    payoffs = rng.normal(size=(joint, len(shape)))
    strategies = np.stack([rng.integers(actions, size=(sessions, joint**memory)) for actions in shape], axis=1)
    return RepeatedPlay(payoffs, shape, memory, strategies)


class Naive:
    """One session played with tuples of action profiles, the newest first."""

    def __init__(self, play, session):
        self.play, self.session = play, session
        self.profiles = list(itertools.product(*map(range, play.shape)))

    def history(self, state):
        joint = len(self.profiles)
        return tuple(self.profiles[state // joint**lag % joint] for lag in range(self.play.memory))

    def state(self, history):
        return sum(self.profiles.index(p) * len(self.profiles) ** lag for lag, p in enumerate(history))

    def profile(self, state):
        return tuple(int(self.play.strategies[self.session, i, state]) for i in range(self.play.players))

    def step(self, state, profile):
        history = (profile, *self.history(state))[: self.play.memory]
        return self.state(history)

    def payoff(self, profile, player):
        return self.play.payoffs[self.profiles.index(profile), player]

    def cycle(self, start):
        seen, state = [], start
        while state not in seen:
            seen.append(state)
            state = self.step(state, self.profile(state))
        first = seen.index(state)
        return first, seen[first:]

    def value(self, player, state, discount, periods=120):
        total = 0.0
        for period in range(periods):
            profile = self.profile(state)
            total += discount**period * self.payoff(profile, player)
            state = self.step(state, profile)
        return total

    def deviate(self, player, state, action):
        profile = list(self.profile(state))
        profile[player] = action
        return tuple(profile)


@pytest.mark.parametrize(("shape", "memory"), CASES)
def test_paths_values_and_deviations_by_naive_play(shape, memory):
    play, discount = random_play(shape, memory), 0.7
    rng = np.random.default_rng(1)
    start = rng.integers(play.states, size=play.sessions)
    prices = [np.linspace(1, 2, actions) ** 2 for actions in shape]
    cycle = play.limit_cycle(start, prices)
    values = play.values(discount)
    one_step = [play.one_step_values(player, discount) for player in range(play.players)]
    following = play.next_state()
    for session in range(play.sessions):
        naive = Naive(play, session)
        transient, states = naive.cycle(int(start[session]))
        assert cycle.lengths[session] == len(states)
        assert cycle.transients[session] == transient
        np.testing.assert_array_equal(cycle.states[session], states + [-1] * (cycle.states.shape[1] - len(states)))
        for player in range(play.players):
            actions = [naive.profile(state)[player] for state in states]
            earned = [naive.payoff(naive.profile(state), player) for state in states]
            np.testing.assert_allclose(cycle.payoffs[session, player], np.mean(earned))
            np.testing.assert_allclose(cycle.actions[session, player], prices[player][actions].mean())
            for state in range(play.states):
                assert following[session, state] == naive.step(state, naive.profile(state))
                expected = naive.value(player, state, discount)
                np.testing.assert_allclose(values[session, player, state], expected, atol=1e-12)
                for action in range(shape[player]):
                    profile = naive.deviate(player, state, action)
                    expected = naive.payoff(profile, player)
                    expected += discount * naive.value(player, naive.step(state, profile), discount)
                    np.testing.assert_allclose(one_step[player][session, state, action], expected, atol=1e-12)


@pytest.mark.parametrize(("shape", "memory"), [((2, 2), 1), ((2, 2, 2), 1), ((3, 2), 0), ((2, 1), 2)])
def test_best_response_by_brute_force(shape, memory):
    play, discount = random_play(shape, memory, sessions=3, seed=7), 0.8
    gap = play.best_response_gap(discount)
    for player in range(play.players):
        solution = play.best_response(player, discount)
        policies = np.array(list(itertools.product(range(shape[player]), repeat=play.states)))
        for session in range(play.sessions):
            strategies = np.repeat(play.strategies[[session]], len(policies), axis=0)
            strategies[:, player] = policies
            values = RepeatedPlay(play.payoffs, shape, memory, strategies).values(discount)[:, player]
            np.testing.assert_allclose(solution.values[session], values.max(0), atol=1e-12)
            np.testing.assert_allclose(gap.best[session, player], values.max(0), atol=1e-12)
            optimal = play.strategies[[session]].copy()
            optimal[:, player] = solution.policy[session]
            earned = RepeatedPlay(play.payoffs, shape, memory, optimal).values(discount)[0, player]
            np.testing.assert_allclose(earned, values.max(0), atol=1e-12)


@pytest.mark.parametrize(("discount", "holds"), [(0.49, False), (0.5, True), (0.51, True)])
def test_grim_trigger_has_its_critical_discount_factor(discount, holds):
    """Cooperation forever, 3 / (1 - d), against 5 once and 1 ever after: critical at (5 - 3) / (5 - 1)."""
    play = RepeatedPlay(DILEMMA, (2, 2), 1, [[GRIM, GRIM]])
    one_step, full = play.one_step_gap(discount), play.best_response_gap(discount)
    cooperate, defect = 3 / (1 - discount), 5 + discount / (1 - discount)
    np.testing.assert_allclose(one_step.own[0, :, 0], cooperate)
    np.testing.assert_allclose(one_step.best[0, :, 0], max(cooperate, defect))
    np.testing.assert_allclose(full.best[0, :, 0], max(cooperate, defect))
    assert one_step.closed[0, :, 0].all() == full.closed[0, :, 0].all() == holds
    assert full.closed[0, :, 1:].all()


@pytest.mark.parametrize(("discount", "holds"), [(0.6, False), (0.66, False), (0.67, True), (0.8, True)])
def test_tit_for_tat_has_its_critical_discount_factor(discount, holds):
    """Best deviations: defect in every other period, 5 / (1 - d^2), or always, 5 + d / (1 - d): critical at 2/3."""
    play = RepeatedPlay(DILEMMA, (2, 2), 1, [COPY])
    full = play.best_response_gap(discount)
    cooperate, alternate, defect = 3 / (1 - discount), 5 / (1 - discount**2), 5 + discount / (1 - discount)
    np.testing.assert_allclose(full.best[0, :, 0], max(cooperate, alternate, defect))
    np.testing.assert_allclose(full.own[0, :, 0], cooperate)
    assert full.closed[0, :, 0].all() == holds


def test_tit_for_tat_cycles_after_one_defection():
    play = RepeatedPlay(DILEMMA, (2, 2), 1, [COPY, COPY, COPY])
    cycle = play.limit_cycle([0, 1, 3])
    np.testing.assert_array_equal(cycle.lengths, [1, 2, 1])
    np.testing.assert_array_equal(cycle.states, [[0, -1], [1, 2], [3, -1]])
    np.testing.assert_array_equal(cycle.payoffs, [[3, 3], [2.5, 2.5], [1, 1]])
    np.testing.assert_array_equal(cycle.actions, [[0, 0], [0.5, 0.5], [1, 1]])
    np.testing.assert_array_equal(cycle.all(play.joint_actions == 0), [True, False, False])
    discount = 0.9
    # Exploited in state 2, player 1 strikes back and earns 5, then 0, in turns.
    expected = 5 / (1 - discount**2)
    np.testing.assert_allclose(play.values(discount)[1, 1, 2], expected)


def test_one_shot_deviation_principle():
    """One-step optimal in every state if and only if fully optimal in every state."""
    plays = [random_play((2, 2), 1, sessions=400, seed=seed) for seed in range(3)]
    found = set()
    for play in plays:
        one_step, full = play.one_step_gap(0.4).closed.all(-1), play.best_response_gap(0.4).closed.all(-1)
        np.testing.assert_array_equal(one_step, full)
        found |= set(one_step.ravel().tolist())
    assert found == {True, False}


def test_static_replies_and_numbering():
    play = random_play((2, 3, 2), 1, seed=5)
    profiles = list(itertools.product(range(2), range(3), range(2)))
    np.testing.assert_array_equal(play.split(np.arange(12)), profiles)
    for player, actions in enumerate(play.shape):
        for joint, profile in enumerate(profiles):
            candidates = []
            for action in range(actions):
                changed = [*profile]
                changed[player] = action
                candidates.append(play.payoffs[profiles.index(tuple(changed)), player])
            assert play.static_replies[player, joint] == np.argmax(candidates)


def test_static_reply_takes_the_first_of_ties():
    play = RepeatedPlay([[1, 0], [0, 1], [1, 0], [2, 1]], (2, 2), 0, [[[0], [0]]])
    np.testing.assert_array_equal(play.static_replies, [[0, 1, 0, 1], [1, 1, 1, 1]])


def test_relative_gap_of_zero_values():
    play = RepeatedPlay(np.zeros((4, 2)), (2, 2), 1, [COPY])
    gap = play.one_step_gap(0.9)
    assert gap.closed.all()
    np.testing.assert_array_equal(gap.relative, 0)


def test_chunks_and_selections_do_not_change_a_bit(monkeypatch):
    play = random_play((2, 2), 2, sessions=6)
    one_step, full, replies = play.one_step_gap(0.9), play.best_response_gap(0.9), play.best_response(1, 0.9)
    part = play.select([4, 1])
    np.testing.assert_array_equal(part.values(0.9), play.values(0.9)[[4, 1]])
    np.testing.assert_array_equal(play.select(slice(2, 4)).strategies, play.strategies[2:4])
    monkeypatch.setattr(decision, "CELLS", 70)
    np.testing.assert_array_equal(play.one_step_gap(0.9).best, one_step.best)
    np.testing.assert_array_equal(play.best_response_gap(0.9).best, full.best)
    np.testing.assert_array_equal(play.best_response(1, 0.9).policy, replies.policy)


def test_small_integer_strategies_are_enough():
    wide = random_play((3, 2), 1)
    narrow = RepeatedPlay(wide.payoffs, wide.shape, 1, wide.strategies.astype(np.uint8))
    np.testing.assert_array_equal(narrow.one_step_gap(0.9).best, wide.one_step_gap(0.9).best)
    np.testing.assert_array_equal(narrow.limit_cycle(0).states, wide.limit_cycle(0).states)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: RepeatedPlay(DILEMMA, (2, 2), -1, [[GRIM, GRIM]]), "memory"),
        (lambda: RepeatedPlay(DILEMMA, (2, 3), 1, [[GRIM, GRIM]]), "payoffs"),
        (lambda: RepeatedPlay(DILEMMA, (2, 2), 2, [[GRIM, GRIM]]), "strategies"),
        (lambda: RepeatedPlay(DILEMMA, (2, 2), 1, [[GRIM, [0, 0, 0, 2]]]), "strategies"),
        (lambda: RepeatedPlay(DILEMMA, (2, 2), 1, [[GRIM, [0.0, 0, 0, 1]]]), "strategies"),
        (lambda: RepeatedPlay(DILEMMA, (2, 2), 1, [[GRIM, GRIM]]).limit_cycle(4), "start_state"),
        (lambda: RepeatedPlay(DILEMMA, (2, 2), 1, [[GRIM, GRIM]]).limit_cycle(0, [[1], [1, 2]]), "action_values"),
        (lambda: RepeatedPlay(DILEMMA, (2, 2), 1, [[GRIM, GRIM]]).values(1.0), "discount"),
    ],
)
def test_mistakes_are_named(call, field):
    with pytest.raises(TacitError, match=f"^{field}"):
        call()


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("shift", [0.0, 1e6, 1e9])
def test_whether_play_is_a_best_response_does_not_depend_on_the_unit(factor, shift):
    for seed, (shape, memory) in enumerate(CASES):
        play = random_play(shape, memory, seed=seed)
        moved = RepeatedPlay((play.payoffs + shift) * factor, shape, memory, play.strategies)
        for gap, same in (
            (play.best_response_gap(0.9), moved.best_response_gap(0.9)),
            (play.one_step_gap(0.9), moved.one_step_gap(0.9)),
        ):
            np.testing.assert_array_equal(gap.closed, same.closed)
    grim = RepeatedPlay((DILEMMA + shift) * factor, (2, 2), 1, [[GRIM, GRIM], [COPY[0], COPY[1]]])
    assert grim.best_response_gap(0.6).closed.all(-1).tolist() == [[True, True], [False, False]]


def test_a_sentinel_off_the_path_closes_no_gap():
    play = RepeatedPlay([[3, 3], [0, 5], [5, 0], [-1e9, -1e9]], (2, 2), 0, [[[0], [0]]])
    assert not play.best_response_gap(0.5).closed.any()

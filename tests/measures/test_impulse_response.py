"""Forced deviations: automata whose answers are known, and naive loops straight from the definitions."""

import numpy as np
import pytest

from tacitlab.audits.impulse_response import impulse_response, nearest_actions
from tacitlab.errors import TacitError
from tacitlab.theory.repeated import RepeatedPlay

# Two firms set a low or a high price: the low one is the static equilibrium, the high one the joint optimum.
PRICES = [[1.0, 2.0], [1.0, 2.0]]
PROFITS = np.array([[1.0, 1.0], [5.0, 0.0], [0.0, 5.0], [3.0, 3.0]])
HIGH = 3

ALWAYS_LOW, ALWAYS_HIGH = [0, 0, 0, 0], [1, 1, 1, 1]
GRIM = [0, 0, 0, 1]
PUNISH_ONCE = [1, 0, 0, 1]


def respond(first, second, start=HIGH, discount=0.9, **options):
    play = RepeatedPlay(PROFITS, (2, 2), 1, [[first, second]])
    return impulse_response(play, play.limit_cycle(start, PRICES), discount, PRICES, **options)


def test_static_nash_players_have_nothing_to_punish():
    response = respond(ALWAYS_LOW, ALWAYS_LOW)
    np.testing.assert_array_equal(response.gain, 0)
    assert not response.incentive_compatible.any()
    assert not response.profitable.any()
    np.testing.assert_array_equal(response.immediate_response, 0)
    np.testing.assert_array_equal(response.length, 1)
    assert response.returned.all()
    np.testing.assert_array_equal(response.of_deviator("actions"), np.ones((1, 25)))


@pytest.mark.parametrize(("discount", "deterred"), [(0.45, False), (0.55, True)])
def test_grim_trigger(discount, deterred):
    """Undercutting earns 5 and then 1 for ever instead of 3: deterred above a discount factor of 1/2."""
    response = respond(GRIM, GRIM, discount=discount)
    np.testing.assert_allclose(response.deviation_value, 5 + discount / (1 - discount))
    np.testing.assert_allclose(response.path_value, 3 / (1 - discount))
    assert (response.incentive_compatible == deterred).all()
    assert (response.profitable == (not deterred)).all()
    np.testing.assert_array_equal(response.immediate_response, -0.5)
    # The other cycle starts in the second period.
    np.testing.assert_array_equal(response.length, 2)
    assert not response.returned.any()
    np.testing.assert_array_equal(response.final_actions, 1)
    np.testing.assert_array_equal(response.final_payoffs, 1)


def test_constant_high_price_does_not_punish():
    response = respond(ALWAYS_HIGH, ALWAYS_HIGH)
    assert response.profitable.all()
    np.testing.assert_allclose(response.gain, 2)
    np.testing.assert_allclose(response.gain_percent, 100 * 2 / 30)
    np.testing.assert_array_equal(response.immediate_response, 0)
    np.testing.assert_array_equal(response.length, 2)
    assert response.returned.all()
    np.testing.assert_array_equal(response.of_rivals("payoffs")[0, :3], [0, 3, 3])


def test_one_period_of_punishment():
    response = respond(PUNISH_ONCE, PUNISH_ONCE, discount=0.9, periods=4)
    np.testing.assert_array_equal(response.of_deviator("actions"), [[1, 1, 2, 2]])
    np.testing.assert_array_equal(response.of_rivals("actions"), [[2, 1, 2, 2]])
    np.testing.assert_array_equal(response.length, 3)
    assert response.returned.all()
    np.testing.assert_allclose(response.gain, 5 + 0.9 * 1 - 3 - 0.9 * 3)


def test_several_forced_periods():
    low = nearest_actions(PRICES, [1.1, 1.1])
    response = respond(PUNISH_ONCE, PUNISH_ONCE, deviation=low, forced_periods=3, periods=6)
    np.testing.assert_array_equal(response.of_deviator("actions"), [[1, 1, 1, 1, 2, 2]])
    np.testing.assert_array_equal(response.of_rivals("actions"), [[2, 1, 2, 1, 2, 2]])
    np.testing.assert_array_equal(response.length, 5)
    np.testing.assert_allclose(response.gain, 5 + 0.9 + 0.81 * 5 + 0.729 - 3 * (1 + 0.9 + 0.81 + 0.729))
    longer = respond(PUNISH_ONCE, PUNISH_ONCE, deviation=low, forced_periods=3, periods=2)
    np.testing.assert_array_equal(longer.gain, response.gain)
    assert longer.actions.shape == (2, 2, 2)


def test_control_tells_punishment_from_the_deviators_own_state():
    """Both answer any difference in prices by a low price; a constant rival does not, the deviator still does."""
    options = {"discount": 0.9, "periods": 4}
    punished = respond(PUNISH_ONCE, PUNISH_ONCE, **options)
    control = respond(PUNISH_ONCE, PUNISH_ONCE, rivals="constant", **options)
    np.testing.assert_array_equal(punished.of_rivals("actions"), [[2, 1, 2, 2]])
    np.testing.assert_array_equal(control.of_rivals("actions"), [[2, 2, 2, 2]])
    np.testing.assert_array_equal(control.of_deviator("actions"), [[1, 1, 1, 1]])
    np.testing.assert_allclose(control.gain, 5 / 0.1 - 3 / 0.1)
    np.testing.assert_array_equal(control.immediate_response, 0)
    assert not control.returned.any()
    np.testing.assert_array_equal(control.final_actions, [[1, 2], [2, 1]])


def test_control_equals_play_against_a_rival_that_is_constant():
    """Where the rival's strategy does not depend on the state, the control is the response itself."""
    for first, second in ((GRIM, ALWAYS_HIGH), (PUNISH_ONCE, ALWAYS_LOW)):
        for start in range(4):
            response = respond(first, second, start)
            control = respond(first, second, start, rivals="constant")
            deviator = response.deviator == 0
            for field in ("actions", "payoffs", "length", "returned", "deviation_value", "path_value", "final_actions"):
                np.testing.assert_array_equal(getattr(control, field)[deviator], getattr(response, field)[deviator])


@pytest.mark.parametrize(("shape", "memory"), [((3, 2), 1), ((2, 2), 2), ((2, 3, 2), 1), ((3, 3), 0)])
def test_control_by_naive_loops(shape, memory):
    discount, sessions, periods = 0.6, 10, 6
    rng = np.random.default_rng(5)
    joint = int(np.prod(shape))
    payoffs = rng.normal(size=(joint, len(shape)))
    strategies = np.stack([rng.integers(actions, size=(sessions, joint**memory)) for actions in shape], axis=1)
    play = RepeatedPlay(payoffs, shape, memory, strategies)
    cycle = play.limit_cycle(rng.integers(play.states, size=sessions))
    forced = rng.integers(np.array(shape))
    control = impulse_response(play, cycle, discount, deviation=forced, periods=periods, rivals="constant")
    for row in range(len(control.session)):
        session, position, deviator = control.session[row], control.position[row], control.deviator[row]
        state = int(cycle.states[session, position])
        frozen = strategies[session].copy()
        for player in range(len(shape)):
            if player != deviator:
                frozen[player] = strategies[session, player, state]
        world = RepeatedPlay(payoffs, shape, memory, frozen[np.newaxis])
        found, total, visited = naive_observation(world, 0, state, deviator, forced[deviator], 1, periods, discount)
        _, path, undisturbed = naive_observation(world, 0, state, deviator, 0, 0, periods, discount)
        np.testing.assert_array_equal(control.actions[row], np.array(np.unravel_index(found, shape)).T)
        np.testing.assert_allclose(control.deviation_value[row], total, atol=1e-12)
        np.testing.assert_allclose(control.path_value[row], path, atol=1e-12)
        length, returned = naive_length(visited, undisturbed[100:], 1)
        assert control.length[row] == length
        assert control.returned[row] == returned


def test_reply_to_the_position_answers_another_state():
    """Three prices; the rivals play the middle one in state 0 and the high one on the path, as in the first state."""
    payoffs = np.zeros((3, 3, 2))
    best_reply = [0, 0, 1]
    for rival, reply in enumerate(best_reply):
        payoffs[reply, rival, 0] = payoffs[rival, reply, 1] = 1.0
    strategy = np.full(9, 2)
    strategy[0] = 1
    play = RepeatedPlay(payoffs.reshape(9, 2), (3, 3), 1, [[strategy, strategy]])
    cycle = play.limit_cycle(8)
    defined = impulse_response(play, cycle, 0.9)
    authors = impulse_response(play, cycle, 0.9, reply_to="position")
    np.testing.assert_array_equal(defined.of_deviator("actions")[0, 0], 1)
    np.testing.assert_array_equal(authors.of_deviator("actions")[0, 0], 0)
    np.testing.assert_array_equal(authors.of_rivals("actions")[0, 0], 2)


def naive_observation(play, session, state, deviator, forced, forced_periods, periods, discount):
    """Joint-action numbers, deviator's discounted payoff and all states, by stepping one period at a time."""
    joint_actions, states, total = [], [], 0.0
    weights = [int(np.prod(play.shape[player + 1 :])) for player in range(play.players)]
    for period in range(200):
        profile = [int(play.strategies[session, player, state]) for player in range(play.players)]
        if period < forced_periods:
            profile[deviator] = int(forced)
        joint = sum(action * weight for action, weight in zip(profile, weights, strict=True))
        total += discount**period * play.payoffs[joint, deviator]
        older = state % play.joint ** max(play.memory - 1, 0)
        state = 0 if play.memory == 0 else joint + play.joint * older
        joint_actions.append(joint)
        states.append(state)
    return joint_actions[:periods], total, states


@pytest.mark.parametrize(("shape", "memory"), [((3, 2), 1), ((2, 2), 2), ((2, 3, 2), 1), ((3, 3), 0)])
@pytest.mark.parametrize("kind", ["path", "position", "given"])
def test_responses_by_naive_loops(shape, memory, kind):
    discount, sessions, periods = 0.6, 10, 6
    rng = np.random.default_rng(3)
    joint = int(np.prod(shape))
    payoffs = rng.normal(size=(joint, len(shape)))
    strategies = np.stack([rng.integers(actions, size=(sessions, joint**memory)) for actions in shape], axis=1)
    play = RepeatedPlay(payoffs, shape, memory, strategies)
    values = [rng.uniform(1, 2, size=actions) for actions in shape]
    cycle = play.limit_cycle(rng.integers(play.states, size=sessions), values)
    given = rng.integers(np.array(shape))
    forced_periods = 2 if kind == "given" else 1
    options = {"deviation": given} if kind == "given" else {"reply_to": kind}
    response = impulse_response(
        play, cycle, discount, values, periods=periods, forced_periods=forced_periods, **options
    )
    assert len(response.session) == cycle.lengths.sum() * len(shape)
    np.testing.assert_array_equal(response.counts, cycle.lengths * len(shape))
    series = {(s, d): [] for s in range(sessions) for d in range(len(shape))}
    for row in range(len(response.session)):
        session, position, deviator = response.session[row], response.position[row], response.deviator[row]
        cycle_states = [int(state) for state in cycle.states[session] if state >= 0]
        state = cycle_states[position]
        if kind == "given":
            forced = given[deviator]
        else:
            answered = state
            if kind == "position":
                digits = [position // joint**k % joint for k in range(memory)]
                answered = sum(digit * joint ** (memory - 1 - k) for k, digit in enumerate(digits))
            table = payoffs[:, deviator].reshape(shape)
            index = [int(strategies[session, player, answered]) for player in range(len(shape))]
            index[deviator] = slice(None)
            forced = np.argmax(table[tuple(index)])
        found, total, visited = naive_observation(
            play, session, state, deviator, forced, forced_periods, periods, discount
        )
        _, path, _ = naive_observation(play, session, state, deviator, 0, 0, periods, discount)
        profiles = np.array(np.unravel_index(found, shape)).T
        expected = np.stack([values[player][profiles[:, player]] for player in range(len(shape))], axis=1)
        np.testing.assert_array_equal(response.actions[row], expected)
        np.testing.assert_array_equal(response.payoffs[row], payoffs[found])
        np.testing.assert_allclose(response.deviation_value[row], total, atol=1e-12)
        np.testing.assert_allclose(response.path_value[row], path, atol=1e-12)
        length, returned = naive_length(visited, cycle_states, forced_periods)
        assert response.length[row] == length
        assert response.returned[row] == returned
        others = [player for player in range(len(shape)) if player != deviator]
        change = np.mean([(expected[1, i] - expected[0, i]) / expected[0, i] for i in others])
        np.testing.assert_allclose(response.immediate_response[row], change)
        series[session, deviator].append((expected[:, deviator], expected[:, others].mean(1)))
    for session in range(sessions):
        by_deviator = np.mean([np.mean(series[session, d], axis=0) for d in range(len(shape))], axis=0)
        np.testing.assert_allclose(response.of_deviator("actions")[session], by_deviator[0])
        np.testing.assert_allclose(response.of_rivals("actions")[session], by_deviator[1])
    weighted = np.average(response.per_session(response.length), weights=response.counts)
    np.testing.assert_allclose(weighted, response.length.mean())


def naive_length(visited, cycle_states, forced_periods):
    for period, state in enumerate(visited, start=1):
        if period < forced_periods:
            continue
        if state in cycle_states:
            return period, True
        seen = visited[forced_periods - 1 : period - 1]
        if state in seen:
            return forced_periods + seen.index(state), False
    raise AssertionError("no cycle")


def test_return_price_is_the_mean_over_the_final_cycle():
    rng = np.random.default_rng(9)
    strategies = rng.integers(3, size=(30, 2, 9))
    play = RepeatedPlay(rng.normal(size=(9, 2)), (3, 3), 1, strategies)
    cycle = play.limit_cycle(0)
    response = impulse_response(play, cycle, 0.9, periods=200)
    assert 0 < response.returned.mean() < 1
    back = response.returned
    np.testing.assert_allclose(response.final_actions[back], cycle.actions[response.session[back]])
    np.testing.assert_allclose(response.final_payoffs[back], cycle.payoffs[response.session[back]])
    # 180 periods are a multiple of every cycle length up to 6.
    assert cycle.lengths.max() <= 6
    tail = response.actions[:, -180:].mean(1)
    np.testing.assert_allclose(response.final_actions, tail)


def test_zero_action_values_have_no_relative_change():
    response = respond(PUNISH_ONCE, PUNISH_ONCE)
    assert np.isfinite(response.immediate_response).all()
    play = RepeatedPlay(PROFITS, (2, 2), 1, [[ALWAYS_LOW, ALWAYS_LOW]])
    assert np.isnan(impulse_response(play, play.limit_cycle(0), 0.9).immediate_response).all()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"deviation": "nash"}, "deviation"),
        ({"deviation": 2}, "deviation"),
        ({"deviation": 0.5}, "deviation"),
        ({"reply_to": "rival"}, "reply_to"),
        ({"rivals": "absent"}, "rivals"),
        ({"forced_periods": 0}, "forced_periods"),
        ({"periods": 1}, "forced_periods, periods"),
    ],
)
def test_mistakes_are_named(options, field):
    with pytest.raises(TacitError, match=f"^{field}"):
        respond(GRIM, GRIM, **options)


def test_one_player_alone_has_no_rivals():
    play = RepeatedPlay([[1.0], [2.0]], (2,), 1, [[[0, 1]]])
    with pytest.raises(TacitError, match=r"^play"):
        impulse_response(play, play.limit_cycle(0), 0.9)

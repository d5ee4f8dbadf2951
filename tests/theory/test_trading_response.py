"""Values and best responses against all plans, recursions with the price carried along, and quadrature."""

from dataclasses import replace
from functools import cache, partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from test_trading_optimum import CAP10, games, step_rewards

from tacitlab.errors import TacitError
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.response import Policy, best_response, exploitability, trend_weights, value
from tacitlab.markets.resource.theory import TradingGame

BAND, LEVELS = 0.005, (4, 7)
SIZES = {"none": ((3, 3), 3), "implicit": ((3, 3, 3), 3), "explicit": ((3, 3, 3), 9)}


def random_policy(random, signals, levels=LEVELS, band=BAND):
    shape, actions = SIZES[signals]
    return Policy(random.dirichlet(np.full(actions, 0.5), size=shape), signals, levels, band)


def constant(action, signals="none"):
    return Policy.deterministic(np.full(SIZES[signals][0], action), signals, LEVELS, BAND)


def split(signals, action):
    """Side (-1, 0, 1) and signal (0, 1, 2, or None where it is not chosen) of an action."""
    return (action // 3 - 1, action % 3) if signals == "explicit" else (action - 1, None)


def recursion(game, policies, goal=None):
    """Expected rewards of both from the start without noise, the price carried along, by recursion over everything.

    ``policies[0]`` None: that agent maximises its own reward, or minus the other's, and knows everything.
    """
    signals, levels, band = policies[1].signals, policies[1].levels, policies[1].band
    count = policies[1].actions
    shocks = [(s, game.shock / 2 if s else 1 - game.shock) for s in (-1, 0, 1) if game.shock or not s]

    def chances(policy, trend, lots, heard):
        level = 0 if lots < levels[0] else 2 if lots >= levels[1] else 1
        return policy.probabilities[(trend, level) if signals == "none" else (trend, level, heard)]

    def after(step, price, held, actions):
        (one, said), (two, told) = (split(signals, action) for action in actions)
        rewards, later, then = step_rewards(game, held, (one, two), price, step == game.steps - 1)
        change = later / price - 1 if game.law == "linear" else np.log(later / price)
        trend = 2 if change > band else 0 if change < -band else 1
        messages = (said, told)
        if signals == "implicit":
            messages = tuple(1 + int(np.sign(b - a)) for a, b in zip(held, then, strict=True))
        total = np.array(rewards)
        for (hit, first), (blow, second) in product(shocks, shocks):
            shaken = tuple(min(max(n + s, game.lowest), game.highest) for n, s in zip(then, (hit, blow), strict=True))
            penalty = game.holding_penalty * later * (game.quantity * np.array(shaken)) ** 2
            total += first * second * (best(step + 1, later, shaken, trend, messages) - penalty)
        return total

    @cache
    def best(step, price, held, trend, messages):
        if step == game.steps:
            return np.zeros(2)
        theirs = chances(policies[1], trend, held[1], messages[0])
        results = []
        for mine in range(count):
            found = [p * after(step, price, held, (mine, a)) for a, p in enumerate(theirs) if p > 0]
            results.append(np.sum(found, axis=0))
        if policies[0] is not None:
            return chances(policies[0], trend, held[0], messages[1]) @ results
        return max(results, key=lambda r: r[0] if goal == "own" else -r[1])

    return best(0, game.price, (game.start,) * 2, 1, (1, 1))


@given(games(steps=2), st.sampled_from(["none", "implicit"]), st.integers(0, 10**6))
@settings(max_examples=15)
def test_values_and_responses_are_those_of_a_recursion_over_everything(game, signals, seed):
    game, random = replace(game, volatility=0.0), np.random.default_rng(seed)
    game = replace(game, alpha=random.choice([0.0, 0.05, 0.3]))
    band = random.choice([0.0, 0.3, 1.3]) * game.alpha * game.quantity
    one, two = (random_policy(random, signals, (game.lowest + 1, game.highest), band) for _ in range(2))
    close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    close(value(game, (one, two)), recursion(game, (one, two)))
    for goal, part in (("own", 0), ("others", 1)):
        close(best_response(game, two, goal).values[part], recursion(game, (None, two), goal)[part])


@pytest.mark.parametrize("shock", [0.0, 0.3])
def test_explicit_signals_are_those_of_a_recursion_over_everything(shock):
    random = np.random.default_rng(5)
    game = TradingGame(alpha=0.05, highest=1, start=0, steps=2, volatility=0.0, shock=shock, holding_penalty=0.01)
    one, two = (random_policy(random, "explicit", (1, 2), 0.06) for _ in range(2))
    np.testing.assert_allclose(value(game, (one, two)), recursion(game, (one, two)))
    for goal, part in (("own", 0), ("others", 1)):
        wanted = recursion(game, (None, two), goal)[part]
        assert best_response(game, two, goal).values[part] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("execution", ["pre", "mid", "post"])
@pytest.mark.parametrize("signals", ["none", "implicit", "explicit"])
def test_no_plan_beats_the_response_to_a_deterministic_trader(execution, signals):
    """Without noise everything is certain, and the best of all plans is the best policy."""
    random = np.random.default_rng(3)
    shape, count = SIZES[signals]
    game = TradingGame(alpha=0.05, highest=2, start=1, steps=3, volatility=0.0, execution=execution)
    policy = Policy.deterministic(random.integers(0, count, shape), signals, (1, 2), 0.02)
    found = {"own": -np.inf, "others": -np.inf}
    for plan in product(range(count), repeat=3):
        price, held, trend, heard, totals = 100.0, [1, 1], 1, 1, np.zeros(2)
        for step, action in enumerate(plan):
            level = held[1]
            seen = policy.probabilities[(trend, level) if signals == "none" else (trend, level, heard)]
            (side, said), (other, _) = split(signals, action), split(signals, int(seen.argmax()))
            before = held[0]
            rewards, later, held = step_rewards(game, held, (side, other), price, step == 2)
            change, price, totals = later / price - 1, later, totals + rewards
            trend = 2 if change > 0.02 else 0 if change < -0.02 else 1
            heard = 1 + held[0] - before if signals == "implicit" else said
        found = {"own": max(found["own"], totals[0]), "others": max(found["others"], -totals[1])}
    assert best_response(game, policy, "own").values[0] == pytest.approx(found["own"], rel=1e-12)
    assert -best_response(game, policy, "others").values[1] == pytest.approx(found["others"], rel=1e-12)


@pytest.mark.parametrize("law", ["linear", "exponential"])
@pytest.mark.parametrize("sigma", [0.002, 0.03])
def test_trend_weights_are_the_integrals_of_growth(law, sigma):
    game, band = TradingGame(alpha=0.01, quantity=2.0, volatility=sigma, law=law), 0.004
    for net, row in zip(range(-2, 3), trend_weights(game, band), strict=True):
        push = 0.01 * 2 * net
        drift = push - (sigma**2 / 2 if law == "exponential" else 0)
        edges = np.clip([-np.inf, -band - drift, band - drift, np.inf], -12 * sigma, 12 * sigma)

        def density(noise, drift=drift):
            growth = 1 + drift + noise if law == "linear" else np.exp(drift + noise)
            return growth * norm.pdf(noise, scale=sigma)

        wanted = [quad(density, *edges[k : k + 2], points=[0], epsabs=1e-13, limit=200)[0] for k in range(3)]
        np.testing.assert_allclose(row, wanted, rtol=1e-8, atol=1e-11)
        assert row.sum() == pytest.approx(float(game.growth(net)), rel=1e-13)


def test_weights_are_continuous_where_noise_vanishes():
    for law in ("linear", "exponential"):
        game = TradingGame(alpha=0.01, volatility=0.0, law=law)
        nearly = trend_weights(replace(game, volatility=1e-6), 0.005)
        np.testing.assert_allclose(trend_weights(game, 0.005), nearly, atol=1e-11)


@pytest.mark.parametrize("signals", ["none", "implicit", "explicit"])
def test_responses_beat_policies_and_joint_optima_beat_both(signals):
    random = np.random.default_rng(11)
    game = replace(CAP10, steps=40, execution="mid", shock=0.1, holding_penalty=0.0005)
    policies = random_policy(random, signals), random_policy(random, signals)
    values, gaps = value(game, policies), exploitability(game, policies)
    assert (gaps > 0).all()
    for role in (0, 1):
        response = best_response(game, policies[1 - role])
        assert response.values[0] == pytest.approx(values[role] + gaps[role], rel=1e-12)
        assert response.values.mean() <= joint_optimum(game, 2).value
        spoofed = best_response(game, policies[1 - role], "others")
        assert spoofed.values[1] <= min(response.values[1], values[1 - role])
        assert spoofed.values[0] <= response.values[0]


def test_roles_are_interchangeable():
    random = np.random.default_rng(2)
    one, two = random_policy(random, "explicit"), random_policy(random, "explicit")
    game = replace(CAP10, steps=30, shock=0.1)
    np.testing.assert_allclose(value(game, (one, two)), value(game, (two, one))[::-1], rtol=1e-12)


def test_signals_that_nobody_heeds_are_worth_nothing():
    """A table that ignores messages, with neutral ones or none."""
    random = np.random.default_rng(4)
    silent = random_policy(random, "none")
    loud = np.zeros((3, 3, 3, 3, 3))
    loud[..., 1] = silent.probabilities[:, :, None]
    loud = Policy(loud.reshape(27, 9), "explicit", LEVELS, BAND)
    heard = Policy(np.repeat(silent.probabilities[:, :, None], 3, axis=2), "implicit", LEVELS, BAND)
    game = replace(CAP10, steps=30)
    for other in (loud, heard):
        np.testing.assert_allclose(value(game, (other, other)), value(game, (silent, silent)), rtol=1e-12)
        best, wanted = best_response(game, other), best_response(game, silent)
        np.testing.assert_allclose(best.values, wanted.values, rtol=1e-12)
    assert (best_response(game, loud).actions % 3 == 1).all()  # ties: neutral


def test_policies_of_the_reference():
    """Buyers to the limit, in closed form; whoever responds to one who holds is alone."""
    game = replace(CAP10, execution="post")
    price = 100 * 1.02 ** np.arange(5)
    gain = sum(price * (0.02 * np.arange(6, 11) - 0.02))
    np.testing.assert_allclose(value(game, (constant(2), constant(2))), gain, rtol=1e-12)
    assert best_response(game, constant(1)).values[0] == pytest.approx(joint_optimum(game, 1).value, rel=1e-12)
    # A spoofer sells all it has and then buys and sells in turns: each round trip leaves 1 - alpha^2 of the price.
    fallen = 100 * 0.99**5 * (1 - 0.01**2) ** ((1000 - 5) // 2)
    assert best_response(game, constant(1), "others").values[1] == pytest.approx(5 * (fallen - 100), rel=1e-12)


def test_rounding_decides_nothing():
    """An agent who is as good as alone buys only when time runs out."""
    game = replace(CAP10, alpha=0.013, law="exponential", execution="exact", steps=60)
    actions = best_response(game, constant(1)).actions
    assert (actions[:50] == 1).all()
    assert (actions[-1, 5] == 2).all()


def test_the_response_array_is_indexed_as_promised():
    game = replace(CAP10, steps=7, lowest=-1, highest=3, start=0)
    for signals, messages in (("none", 1), ("implicit", 3), ("explicit", 3)):
        actions = best_response(game, constant(1, signals)).actions
        assert actions.shape == (7, 5, 5, 3, messages, messages)
        assert actions.dtype == np.int8
        assert (actions == actions[..., :1]).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"signals": "loud"}, "signals: 'loud' is unknown; choose from none, explicit, implicit"),
        ({"probabilities": np.full((3, 3, 9), 1 / 9)}, r"probabilities: the shape \(3, 3, 9\) is wrong"),
        ({"probabilities": np.full((81, 3), 1 / 3)}, r"probabilities: the shape \(81, 3\) is wrong"),
        ({"probabilities": np.full((27, 9), 1 / 8)}, "probabilities: not a distribution"),
        ({"levels": (7, 4)}, r"levels: \(7, 4\) are in the wrong order"),
        ({"band": -1.0}, r"band: -1\.0 is out of bounds"),
    ],
)
def test_wrong_policies_are_refused(wrong, message):
    right = {"probabilities": np.full((27, 9), 1 / 9), "signals": "explicit", "levels": LEVELS, "band": BAND}
    Policy(**right)
    with pytest.raises(TacitError, match=message):
        Policy(**right | wrong)


def test_wrong_questions_are_refused():
    with pytest.raises(TacitError, match="actions: an entry is out of bounds; give integers from 0 to 2"):
        Policy.deterministic(np.full((3, 3), 3), "none", LEVELS, BAND)
    with pytest.raises(TacitError, match="goal: 'peace' is unknown; choose from own, others"):
        best_response(CAP10, constant(1), "peace")
    with pytest.raises(TacitError, match="signals: the agents differ, none and implicit"):
        value(CAP10, (constant(1), constant(1, "implicit")))
    with pytest.raises(TacitError, match=r"band: the agents differ, 0\.005 and 0\.1"):
        value(CAP10, (constant(1), replace(constant(1), band=0.1)))
    with pytest.raises(TacitError, match="2 sellers move the price"):
        best_response(replace(CAP10, alpha=0.5), constant(1))

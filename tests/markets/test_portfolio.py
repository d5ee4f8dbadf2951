"""The team portfolio: a plain loop, its laws of chance, rules against theory, what it says of itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import paths

from tacitlab.errors import TacitError
from tacitlab.markets.portfolio import theory as static
from tacitlab.markets.portfolio import trading
from tacitlab.markets.portfolio.market import Portfolio

UNEQUAL = {
    "sectors": 3,
    "correlation_signal": ((1, 0.5, -0.2), (0.5, 1, 0.3), (-0.2, 0.3, 1)),
    "correlation_return": ((1, 0.6, 0.4), (0.6, 1, 0.1), (0.4, 0.1, 1)),
    "signal_sd": (1.0, 2.0, 0.7),
    "return_sd": (1.0, 0.8, 1.3),
    "risk_aversion": 2.0,
}
VARIANTS = {
    "static": Portfolio(),
    "unequal": Portfolio(**UNEQUAL, realised=False, reward="own"),
    "all signals": Portfolio(**UNEQUAL, observe="all", steps=3, realised=False),
    "trading": Portfolio(**UNEQUAL, steps=4, persistence=(0.9, 0.7, 0.6), trading_cost=(0.5, 2.0, 0.0)),
    "trading, all": Portfolio(sectors=3, steps=3, trading_cost=0.7, observe="all", reward="own"),
    "noisy": Portfolio(steps=4, observation_noise=0.8, realised=False),
}


def played(market, episodes=40, seed=0):
    actions = np.random.default_rng(seed).normal(size=(episodes, market.steps, market.sectors, 1))
    with jax.enable_x64(True):
        return actions.astype(np.float32).astype(float), paths(market, actions, seed)


@pytest.mark.parametrize("name", VARIANTS)
def test_steps_are_those_of_a_plain_loop(name):
    market = VARIANTS[name]
    team, n = market.team, market.sectors
    actions, found = played(market)
    held = np.zeros((len(actions), n))
    for t in range(market.steps):
        signal, seen = found["states"].signal[:, t], found["states"].seen[:, t]
        np.testing.assert_allclose(found["states"].holding[:, t], held, atol=1e-12)
        weight = actions[:, t, :, 0] * market.units()
        info = {name: values[:, t] for name, values in found["info"].items()}
        np.testing.assert_allclose(info["weight"], weight)
        if not market.realised:
            np.testing.assert_allclose(info["team_return"], (weight * signal).sum(axis=1))
        risk = [market.risk_aversion / 2 * w @ team.risk @ w for w in weight]
        cost = (team.cost * (weight - held) ** 2 / 2).sum(axis=1)
        np.testing.assert_allclose(info["team_risk"], risk)
        np.testing.assert_allclose(info["team_cost"], cost, atol=1e-12)
        np.testing.assert_allclose(info["team_utility"], info["team_return"] - risk - cost)
        crossed = [w @ (team.risk - np.diag(np.diag(team.risk))) @ w * team.aversion / 2 for w in weight]
        np.testing.assert_allclose(info["own_utility"].sum(axis=1), info["team_utility"] + crossed, atol=1e-10)
        np.testing.assert_allclose(info["response"], weight * seen / np.diag(team.seen))
        paid = info["team_utility"][:, None] if market.common_reward else info["own_utility"]
        np.testing.assert_allclose(found["rewards"][:, t], np.broadcast_to(paid, weight.shape))
        if market.observation_noise == 0:
            np.testing.assert_array_equal(seen, signal)
        held = weight
    over = np.arange(market.steps) == market.steps - 1
    assert (found["over"] == over).all()
    assert not found["cut"].any()


def test_own_utilities_are_those_of_own_sectors():
    market = Portfolio(**UNEQUAL, steps=2, trading_cost=0.4, realised=False)
    actions, found = played(market)
    weight = actions[..., 0] * market.units()
    before = np.concatenate([np.zeros_like(weight[:, :1]), weight[:, :1]], axis=1)
    expected = weight * found["states"].signal - np.diag(market.team.risk) * weight**2 - 0.2 * (weight - before) ** 2
    np.testing.assert_allclose(found["info"]["own_utility"], expected, atol=1e-10)


def test_what_managers_see():
    market = VARIANTS["trading, all"]
    _, found = played(market, 5)
    names = market.roles()[0].observes
    assert names == (
        "signal", "signal 1 further", "signal 2 further", "holding", "holding 1 further", "holding 2 further", "step"
    )  # fmt: skip
    seen, held = found["states"].seen, found["states"].holding
    for i in range(3):
        np.testing.assert_array_equal(found["seen"][:, :, i, :3], np.roll(seen, -i, axis=2))
        np.testing.assert_array_equal(found["seen"][:, :, i, 3:6], np.roll(held, -i, axis=2))
        np.testing.assert_array_equal(found["seen"][:, :, i, 6], np.broadcast_to(np.arange(3), (5, 3)))
    market = VARIANTS["unequal"]
    _, found = played(market, 5)
    assert market.roles()[0].observes == ("signal", "sector")
    np.testing.assert_array_equal(found["seen"][:, 0, :, 0], found["states"].seen[:, 0])
    np.testing.assert_array_equal(found["seen"][:, 0, :, 1], np.tile([0, 1, 2], (5, 1)))
    assert Portfolio().roles()[0].observes == ("signal",)
    assert Portfolio(sectors=1).roles()[0].observes == ("signal",)


def test_features_are_scaled_by_the_sector():
    market = VARIANTS["all signals"]
    dynamics, role = market.dynamics(), market.roles()[0]
    features = np.asarray(dynamics.features(role, jnp.array([2.0, 0.7, 1.0, 1.0])))
    np.testing.assert_allclose(features, [1, 1, 1, 0], rtol=1e-6)
    market = VARIANTS["trading"]
    unit = market.units()
    features = market.dynamics().features(market.roles()[0], jnp.array([0.7, 2 * unit[2], 3.0, 2.0]))
    np.testing.assert_allclose(features, [1, 2, 1, 1], rtol=1e-6)


def test_candidates_are_a_grid_around_nothing():
    market = Portfolio(grid=5, reach=2.0)
    values, feasible = market.dynamics().candidates(market.roles()[0], jnp.zeros(1))
    np.testing.assert_allclose(values[:, 0], [-2, -1, 0, 1, 2])
    assert int(feasible) == 5


def test_signals_and_noise_have_the_moments_that_they_should():
    market = Portfolio(**UNEQUAL, steps=4, persistence=(0.9, 0.7, 0.6), observation_noise=0.5)
    team, many = market.team, 20_000
    found = paths(market, np.ones((many, 4, 3, 1)), 1)
    signal, seen = found["states"].signal, found["states"].seen
    each = found["info"]["team_return"] - signal @ market.units()  # of noise alone: weights are the units
    variance = market.units() @ team.risk @ market.units()
    assert abs(each.mean()) < 4 * np.sqrt(variance / each.size)
    assert each.var() == pytest.approx(variance, rel=0.03)
    for t in range(4):
        error = 5 * np.sqrt(2 / many) * np.sqrt(np.outer(np.diag(team.signal), np.diag(team.signal)))
        assert (np.abs(np.cov(signal[:, t].T) - team.signal) < error).all()
        later = signal[:, t].T @ signal[:, 0] / many
        assert (np.abs(later - team.persistence[:, None] ** t * team.signal) < error).all()
        noise = seen[:, t] - signal[:, t]
        assert (np.abs(np.cov(noise.T) - 0.25 * np.eye(3)) < 0.02).all()
        assert np.abs(noise.T @ signal[:, t] / many).max() < 0.05


@eqx.filter_jit
def play_rules(dynamics, rules, keys):
    """Rewards of episodes in which all follow a rule, and responses, for each rule: (rules, episodes, steps, n)."""
    role = dynamics.roles[0]
    many = [lambda o, rule=rule: dynamics.follow(rule, role, o, jnp.zeros(2)) for rule in rules]

    def episode(number, key):
        keys = jax.random.split(key, 1 + dynamics.horizon)

        def step(state, key):
            act = jax.vmap(lambda o: jax.lax.switch(number, many, o))
            after, outcome = dynamics.step(key, state, {role.name: act(dynamics.observe(state)[role.name])})
            return after, (outcome.rewards[role.name], outcome.info["response"])

        return jax.lax.scan(step, dynamics.reset(keys[0]), keys[1:])[1]

    each = jax.vmap(jax.vmap(episode, (None, 0)), (0, None))
    return each(jnp.arange(len(rules)), keys)


def followed(market, episodes=20_000):
    """For each rule mean payoffs of a step when all follow it, their standard errors, and mean responses."""
    rules = tuple(market.rules())
    keys = jax.random.split(jax.random.key(3), episodes)
    rewards, responses = (np.asarray(x, dtype=float) for x in play_rules(market.dynamics(), rules, keys))
    payoffs = rewards.mean(axis=2)
    return {
        rule: (payoffs[k].mean(axis=0), payoffs[k].std(axis=0) / np.sqrt(episodes), responses[k].mean(axis=(0, 1)))
        for k, rule in enumerate(rules)
    }


@pytest.mark.parametrize("name", ["all signals", "trading", "trading, all", "noisy"])
def test_rules_are_worth_what_theory_says(name):
    market = VARIANTS[name].model_copy(update={"reward": "team"})
    found = market.benchmarks()
    known = {profile.name: profile for profile in (*found.competitive, *found.cooperative)}
    wanted = {"independent": known["independent"]}
    wanted["radner"] = known.get("own signal and holding", known["team optimum"])
    if market.observe == "all":
        wanted["centralised"] = known["centralised"]
    everything = followed(market)
    assert everything.keys() == {*wanted, "hold"} == set(market.rules())
    for rule, profile in wanted.items():
        mean, error, response = everything[rule]
        assert abs(mean[0] - profile.payoffs[0]) < 4 * error[0], rule
        assert error[0] < 0.02 * abs(mean[0])
        np.testing.assert_allclose(mean, mean[0], rtol=1e-5)
        if "response" in profile.quantities:
            np.testing.assert_allclose(response, profile.quantities["response"], atol=0.03)
    np.testing.assert_allclose(everything["hold"][0], 0, atol=1e-7)


def test_one_mind_that_trades_unequal_sectors():
    market = Portfolio(**UNEQUAL, steps=3, persistence=(0.9, 0.7, 0.6), trading_cost=(0.5, 2.0, 0.1), observe="all")
    mean, error, _ = followed(market)["centralised"]
    assert abs(mean[0] - trading.centralised(market.team).value) < 4 * error[0]
    assert error[0] < 0.02


@pytest.mark.parametrize("name", ["unequal", "trading"])
def test_own_rewards_are_worth_what_theory_says(name):
    market = VARIANTS[name].model_copy(update={"reward": "own", "realised": False})
    found = market.benchmarks()
    mean, error, _ = followed(market)["independent"]
    assert (np.abs(mean - found.nash.payoffs) < 4 * error).all()
    np.testing.assert_array_equal(found.nash.payoffs, found.optimum.payoffs)
    team = market.model_copy(update={"reward": "team"}).benchmarks()
    assert found.nash.quantities["team_utility"] == pytest.approx(team.nash.average)


# --- benchmarks ----------------------------------------------------------------------------------------------------


def test_the_example_of_the_reference():
    found = Portfolio().benchmarks()
    assert found.nash.average == pytest.approx(0.75)
    assert [p.average for p in found.cooperative] == pytest.approx([1.0, 0.8])
    assert [p.concept for p in (*found.competitive, *found.cooperative)] == [
        "independent", "joint-optimum", "team-optimum"
    ]  # fmt: skip
    assert all(p.exact for p in (*found.competitive, *found.cooperative))
    assert found.notes[0] == "of the way from independent to centralised: team optimum at 20%"
    low, high = found.numbers.values()
    assert 0.79 < low <= high < 0.8
    np.testing.assert_allclose(Portfolio(steps=5).benchmarks().nash.payoffs, 0.75)


def test_own_rewards_have_an_equilibrium_that_is_their_optimum():
    found = Portfolio(reward="own").benchmarks()
    np.testing.assert_allclose(found.nash.payoffs, 0.5)
    assert found.nash.quantities["team_utility"] == pytest.approx(0.75)
    assert found.nash.concept == "nash"
    pooled = Portfolio(reward="own", observe="all", observation_noise=1.0).benchmarks()
    alone = Portfolio(reward="own", observation_noise=1.0).benchmarks()
    assert (pooled.nash.payoffs > alone.nash.payoffs).all(), "others' observations tell of one's own signal"


def test_numerical_benchmarks_say_so():
    found = VARIANTS["trading"].benchmarks()
    best, linear = found.cooperative[1:]
    assert best.exact
    assert linear.name == "own signal and holding"
    assert not linear.exact
    assert 0 < linear.error < 0.02 * linear.average
    assert linear.average + linear.error == pytest.approx(best.average)
    assert len(Portfolio(steps=4, trading_cost=1.0).benchmarks().cooperative) == 2, "sectors alike: the same"


def test_memory_is_worth_something_where_signals_are_noisy():
    found = Portfolio(steps=20, observation_noise=1.0).benchmarks()
    by_name = {p.name: p.average for p in (*found.competitive, *found.cooperative)}
    assert by_name["team optimum"] == pytest.approx(4 / 9)
    assert by_name["independent"] == pytest.approx(0.4375)
    assert by_name["team optimum with memory"] > by_name["independent with memory"] > by_name["team optimum"]
    assert len(Portfolio(observation_noise=1.0).benchmarks().cooperative) == 2, "one step: nothing to remember"


def test_managers_who_do_not_matter_to_each_other():
    assert "benchmarks coincide" in Portfolio(correlation_return=0.0).benchmarks().notes[0]
    assert "benchmarks coincide" in Portfolio(sectors=1).benchmarks().notes[0]


def test_units_are_what_a_manager_alone_holds():
    market = Portfolio(**UNEQUAL)
    deviations = static.independent(market.team).own * np.sqrt(np.diag(market.team.signal))
    np.testing.assert_allclose(market.units(), deviations)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"signal_sd": (1.0, 2.0, 3.0)}, "signal_sd: 3 numbers for 2 sectors; give one number, or one for each"),
        ({"correlation_return": ((1, 0.5),)}, "correlation_return: not a square matrix for 2 sectors"),
        ({"correlation_signal": ((1, 0.5), (0.5, 2))}, "correlation_signal"),
        ({"correlation_signal": ((0.9, 0.5), (0.5, 1))}, "correlation_signal: the diagonal is not 1"),
        ({"correlation_return": 1.0}, "correlation_return: the matrix is not positive definite"),
        ({"sectors": 4, "correlation_signal": -0.5}, "correlation_signal: the matrix is not a covariance matrix"),
        ({"steps": 3, "trading_cost": 1.0, "observation_noise": 1.0}, "observation_noise: with trading costs besides"),
        ({"persistence": (0.9, 0.0), "correlation_signal": 0.95}, "persistence: the matrix is not possible"),
        ({"persistence": 1.0}, "persistence: 1.0 is too large; it must be below 1.0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fields, problem):
    with pytest.raises(TacitError) as error:
        Portfolio(**fields)
    assert str(error.value).startswith(problem)
    assert "\n" not in str(error.value)


def test_whether_the_reward_is_common():
    assert Portfolio().common_reward
    assert not Portfolio(reward="own").common_reward


def test_what_was_computed_is_no_part_of_the_description():
    one, other = Portfolio(**UNEQUAL), Portfolio(**UNEQUAL)
    assert one.team.sectors == other.team.sectors == 3  # arrays, which cannot be compared, lie cached in both
    assert one == other
    assert hash(one) == hash(other)
    assert one != Portfolio(**UNEQUAL | {"risk_aversion": 3.0})

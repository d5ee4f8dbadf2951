"""The double auction beside plain loops, theory, and published numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_auction_market import Auction

from tacitlab.errors import TacitError
from tacitlab.markets.double_auction.market import DoubleAuction
from tacitlab.markets.double_auction.theory import BilateralTrade, competitive_equilibrium

TINY = {"buyers": 4, "sellers": 3, "units": 2, "tick": 0.05, "steps": 24}  # a coarse grid: quotes are often equal


def played(market, actions, seed=0):
    """Everything that happens for given actions (steps, traders), and the order in which quotes came in."""

    @eqx.filter_jit
    def run(dynamics, keys, actions):
        def step(state, now):
            key, action = now
            buyers = dynamics.buyers
            given = {"buyer": action[:buyers, None], "seller": action[buyers:, None]}
            after, outcome = dynamics.step(key, state, given)
            rewards = jnp.concatenate([outcome.rewards["buyer"], outcome.rewards["seller"]])
            return after, (after, rewards, outcome.info, dynamics._order(key), outcome.terminated)

        return jax.lax.scan(step, dynamics.reset(keys[0]), (keys[1:], actions))[1]

    keys = jax.random.split(jax.random.key(seed), 1 + len(actions))
    return jax.tree.map(np.asarray, run(market.dynamics(), keys, jnp.asarray(actions, jnp.float32)))


def random_actions(market, seed=1):
    return np.random.default_rng(seed).uniform(-2, 2, (market.steps, market.n_players))


@pytest.mark.parametrize("arrival", ["one", "all"])
@pytest.mark.parametrize(("improving", "clearing", "constrained"), [(1, 1, 1), (0, 1, 0), (1, 0, 1), (0, 0, 0)])
def test_trading_is_that_of_a_plain_loop(arrival, improving, clearing, constrained):
    market = DoubleAuction(
        **TINY, arrival=arrival, improving=bool(improving), clearing=bool(clearing), constrained=bool(constrained)
    )
    states, rewards, info, orders, over = played(market, random_actions(market))
    worth = np.concatenate(market.worths())
    plain = Auction(list(worth), market.buyers, [2] * 7, bool(improving), bool(clearing))
    for t in range(market.steps):
        quoted = np.round(info["quote"][t] / market.tick).astype(int)
        plain.gains = {}
        for who in orders[t]:
            plain.quote(int(who), market.tick * quoted[who])
        np.testing.assert_allclose(rewards[t], [plain.gains.get(k, 0.0) for k in range(7)], atol=1e-6)
        live = {k: quote * market.tick for k, quote in enumerate(states.quote[t]) if quote >= 0}
        assert live == pytest.approx(plain.quotes)
        assert states.units[t].tolist() == plain.units
        assert info["trades"][t] == len(plain.prices)
    assert len(plain.prices) >= 3
    assert over.tolist() == [False] * (market.steps - 1) + [True]
    ideal = market.equilibrium
    assert info["price"][-1] == pytest.approx(plain.prices[-1])
    assert info["mean_price"][-1] == pytest.approx(np.mean(plain.prices), abs=1e-6)
    alpha = np.sqrt(np.mean((np.array(plain.prices) - ideal.price) ** 2)) / ideal.price
    assert info["alpha"][-1] == pytest.approx(alpha, abs=1e-5)
    assert info["efficiency"][-1] == pytest.approx(rewards.sum() / ideal.surplus, abs=1e-5)


def test_a_call_clears_as_many_units_as_possible_at_one_price():
    market = DoubleAuction(**TINY | {"units": 24, "tick": 0.125}, trading="call", weight=0.3, constrained=False)
    _, rewards, info, _, _ = played(market, random_actions(market))
    worth, tied = np.concatenate(market.worths()), 0
    for t in range(market.steps):
        bids, asks = info["quote"][t][:4], info["quote"][t][4:]
        found = competitive_equilibrium(bids.astype(float), asks.astype(float))
        bought = info["bought"][t]
        traded = bought[:4].sum()
        assert traded == -bought[4:].sum() == found.most
        if not traded:
            continue
        price = info["price"][t]
        # The same interval as in theory, for the largest quantity.
        assert price == pytest.approx(0.3 * found.high + 0.7 * found.low, abs=1e-6)
        np.testing.assert_allclose(rewards[t], bought * (worth - price), atol=1e-6)
        assert (bids[bought[:4] > 0] >= price - 1e-6).all()
        assert (asks[bought[4:] < 0] <= price + 1e-6).all()
        refused = bids[bought[:4] == 0]
        assert refused.size == 0 or refused.max() <= bids[bought[:4] > 0].min()
        tied += refused.size > 0 and bool(np.isclose(refused.max(), bids[bought[:4] > 0].min()))
    assert tied, "else equal bids were never tested"


def zero_intelligence(market, rule, sessions, seed=0):
    """Quantities at the end of an episode in which all follow a rule."""
    dynamics = market.dynamics()

    @eqx.filter_jit
    def run(dynamics, key):
        begin, draw, chance = jax.random.split(key, 3)
        draws = jax.random.uniform(draw, (market.steps, market.n_players, 2))

        def step(state, now):
            key, draws = now
            seen, actions, first = dynamics.observe(state), {}, 0
            for role in dynamics.roles:
                own = draws[first : first + role.agents]
                follow = jax.vmap(lambda o, u, role=role: dynamics.follow(rule, role, o, u))
                actions[role.name] = follow(seen[role.name], own)
                first += role.agents
            after, outcome = dynamics.step(key, state, actions)
            least = jnp.minimum(outcome.rewards["buyer"].min(), outcome.rewards["seller"].min())
            return after, (outcome.info, least, state.ideal)

        begun = dynamics.reset(begin)
        _, (info, least, ideal) = jax.lax.scan(step, begun, (jax.random.split(chance, market.steps), draws))
        return {name: x[-1] for name, x in info.items()} | {"least": least.min(), "ideal": ideal[-1]}

    keys = jax.random.split(jax.random.key(seed), sessions)
    return jax.tree.map(np.asarray, eqx.filter_jit(eqx.filter_vmap(run, in_axes=(None, 0)))(dynamics, keys))


def test_zero_intelligence_reaches_the_numbers_of_the_reference():
    """.958 (sd .051), mean price .501, alpha .289, 6.07 trades over 400 runs; after 1,000 steps nothing happens."""
    found = zero_intelligence(DoubleAuction(steps=1000), "zero-intelligence", 300)
    published = {"efficiency": 0.958, "mean_price": 0.501, "alpha": 0.289, "trades": 6.07}
    for name, value in published.items():
        both = np.hypot(found[name].std() / np.sqrt(300), found[name].std() / np.sqrt(400))
        assert abs(found[name].mean() - value) < 3 * both, name
    assert found["efficiency"].std() == pytest.approx(0.051, rel=0.15)
    assert found["least"].min() > -1e-5


def test_without_the_constraint_traders_lose():
    market = DoubleAuction(steps=300, constrained=False)
    found = zero_intelligence(market, "unconstrained", 40)
    assert found["least"].min() < -0.3
    assert found["efficiency"].mean() < 0.7
    again = zero_intelligence(market, "zero-intelligence", 40)
    assert again["least"].min() > -1e-5
    assert again["efficiency"].mean() > 0.9


def test_bilateral_trade_gains_what_theory_says():
    market = DoubleAuction(buyers=1, sellers=1, steps=1, trading="call", schedule="uniform", tick=2**-12)
    assert market.bilateral
    found = zero_intelligence(market, "linear-equilibrium", 20_000)
    gain, trade = found["surplus"], BilateralTrade()
    assert abs(gain.mean() - trade.gains) < 4 * gain.std() / np.sqrt(len(gain)) + 2**-12
    assert found["ideal"][:, 0].mean() == pytest.approx(1 / 6, abs=0.005)
    truthful = zero_intelligence(market, "truthful", 20_000)
    np.testing.assert_allclose(truthful["surplus"], truthful["ideal"][:, 0], atol=2**-11)
    known = market.benchmarks()
    assert known.nash.average == pytest.approx(9 / 128)
    assert known.optimum.average == pytest.approx(1 / 12)
    assert "linear-equilibrium" in market.rules()
    assert "linear-equilibrium" not in DoubleAuction().rules()


def test_the_simulator_knows_the_same_ideal_as_theory():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        values, costs = (tuple(rng.integers(0, 9, 4) / 8) for _ in range(2))
        market = DoubleAuction(buyers=4, sellers=4, values=values, costs=costs, units=2)
        known, state = market.equilibrium, market.dynamics().reset(jax.random.key(0))
        assert float(state.ideal[0]) == pytest.approx(known.surplus)
        if known.least:
            assert float(state.ideal[1]) == pytest.approx(known.price)
        payoffs = market.benchmarks().nash.payoffs
        assert payoffs.sum() == pytest.approx(known.surplus)
        assert (payoffs >= 0).all()


def test_actions_span_what_is_allowed():
    market = DoubleAuction(buyers=2, sellers=2, values=(0.8, 0.4), costs=(0.3, 0.6), steps=1)
    for action, quotes in ((-20.0, (0, 0, 0.3, 0.6)), (0.0, (0.4, 0.2, 0.65, 0.8)), (20.0, (0.8, 0.4, 1, 1))):
        info = played(market, np.full((1, 4), action))[2]
        np.testing.assert_allclose(info["quote"][0], quotes, atol=1e-6)
    info = played(market.model_copy(update={"constrained": False}), np.full((1, 4), 20.0))[2]
    np.testing.assert_allclose(info["quote"][0], 1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"values": (1.0,)}, "values: 1 numbers for 11 buyers; give one for each"),
        ({"costs": (2.0,), "sellers": 1}, "costs: 2 is above the highest price; set highest to it or more"),
        ({"values": (0.5,), "buyers": 1, "schedule": "uniform"}, "values: they are drawn with schedule=uniform"),
        ({"tick": 0.7}, "tick: 0.7 makes 1.43 prices; choose from"),
        ({"tick": 0.3}, "tick: 1 is no multiple of 0.3; choose one that divides it"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        DoubleAuction(**changes)

"""The token economy as a market: the contract, its description, benchmarks, observations, scripted rules."""

import jax.numpy as jnp
import numpy as np
import pytest
from token_play import one

from tacitlab.errors import TacitError
from tacitlab.markets.token.curves import Augmented, Bancor, ConstantProduct, Exponential, Linear, Sigmoid
from tacitlab.markets.token.market import RULES, TokenEconomy
from tacitlab.markets.token.parts import Factors, Peer, PrivateValues, Resource, Rewards, Shock
from tacitlab.markets.token.pricing import Imbalance, Ito, Premium
from tacitlab.testing import check_market

SMALL = {"agents": 3, "steps": 4}
NETWORK = {"curve": Sigmoid(), "utility": Resource(), "capacity": 50.0, "holdings": 0.1, "agents": 100}
MARKETS = {
    "plain": TokenEconomy(**SMALL),
    "everything": TokenEconomy(
        **SMALL, assets=2, curve=(Sigmoid(), ConstantProduct(noise=0.01)), clearing="sequential", pricing=Premium(),
        factors=Factors(demand=0.5, premium=0.3, mint=0.05, shock=Shock(step=1)), peer=Peer(), treasury=1.0,
        treasury_cash=5.0, income=0.1, exit_tax=0.02, utility=PrivateValues(), capacity=70.0,
        rewards=Rewards(stability=1.0, cooperation=0.5),
    ),
    "ternary, poor": TokenEconomy(
        **SMALL, assets=2, orders="ternary", holdings=(1.0, 0.0, 3.0), capital=0.01, curve=Augmented(raised=0.4),
        utility=Resource(), capacity=4.2,
    ),
    "literal": TokenEconomy(
        **SMALL, clearing="spot", pricing=Imbalance(imbalance=0.5), peer=Peer(mode="literal"), curve=Linear(),
        factors=Factors(mint=0.1, backed=False), treasury_cash=1.0,
        rewards=Rewards(wealth="mark-to-market", changes="literal", others="literal", stability=0.1, cooperation=0.1),
    ),
    "continuous time": TokenEconomy(**SMALL, clearing="spot", pricing=Ito(), curve=Bancor()),
}  # fmt: skip


@pytest.mark.parametrize("name", MARKETS)
def test_the_market_keeps_the_contract(name):
    check_market(MARKETS[name])


def test_episodes_are_cut_not_ended():
    found = one(MARKETS["plain"], np.zeros((4, 3, 1)))
    np.testing.assert_array_equal(found["cut"], [False, False, False, True])
    assert not found["over"].any()


def test_numbers_are_data():
    """Other numbers, the shock's size included, do not compile anew: everything static is the same."""
    import jax

    one, other = (
        TokenEconomy(
            agents=3, fee=x, curve=Exponential(growth=x, noise=x), income=x, factors=Factors(shock=Shock(size=x)),
            rewards=Rewards(stability=x, cooperation=x), pricing=Premium(flow=x), utility=PrivateValues(spread=x),
            peer=Peer(strength=x), capacity=1000 * x, order_size=x,
        ).dynamics()
        for x in (0.1, 0.2)
    )  # fmt: skip
    assert jax.tree.structure(one) == jax.tree.structure(other)
    plain, premium = (TokenEconomy(agents=3, pricing=p).dynamics() for p in (TokenEconomy().pricing, Premium()))
    assert jax.tree.structure(plain) == jax.tree.structure(premium)


# --- description ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"curve": (Linear(), Linear())}, "curve: 2 curves for 1 assets; give one, or one for each"),
        ({"holdings": (1.0, 2.0)}, "holdings: 2 numbers for 50 agents; give one number, or one for each agent"),
        ({"holdings": 0.0}, "holdings: nobody has any tokens; give at least one agent or the treasury some"),
        ({"capacity": 50.0}, "holdings: 100 tokens are more than capacity or curve allow"),
        ({"curve": ConstantProduct(tokens=100.0)}, "holdings: 100 tokens are more than capacity or curve allow"),
        ({"utility": Resource(tastes=(1.0,))}, "utility.tastes: 1 numbers for 50 agents; give one for each"),
        ({"utility": {"kind": "resource", "lowest": 3.0}}, "lowest: 3.0 is more than highest, 2.0; exchange them"),
        ({"pricing": Ito()}, "clearing: batch (its default) needs a price on the curve; use clearing=spot"),
        (
            {"pricing": Ito(), "clearing": "spot", "factors": Factors(premium=1.0)},
            "factors.premium: a premium needs a price on the curve; use pricing=curve or premium",
        ),
        ({"orders": "ternary", "assets": 7}, "orders: 7 assets have too many joint orders; use orders=continuous"),
        (
            {"curve": Linear(rise=0.0, start=0.0)},
            "curve: at 100 tokens the price is 0; choose numbers",
        ),
        ({"curve": (Linear(), Exponential(growth=10.0)), "assets": 2}, "curve: at 100 tokens the price is inf; choose"),
        (
            {"factors": Factors(shock=Shock(step=200))},
            "factors.shock.step: 200 is after the last of 200 steps",
        ),
        ({"fee": 0.7}, "fee: 0.7 is too large; it must be at most 0.5"),
        ({"curve": {"kind": "cubic"}}, "'cubic' is unknown"),
    ],
)
def test_mistakes_are_named_in_one_line(settings, problem):
    with pytest.raises(TacitError) as error:
        TokenEconomy(**settings)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_several_assets_have_names_of_their_own():
    market = MARKETS["everything"]
    names = market.roles()[0].observes
    assert names[:3] == ("cash", "holdings-1", "holdings-2")
    assert names[-2:] == ("return-1, 2 steps ago", "return-2, 2 steps ago")
    assert {"factor-1", "value-2"} <= set(names)
    assert {"trade-2", "price-1"} <= {quantity.name for quantity in market.quantities()}
    assert not {"factor", "value"} & set(MARKETS["plain"].roles()[0].observes)


# --- benchmarks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "weight"), [("mean", 1 / 9), ("literal", 1.0)])
def test_benchmarks_count_the_regard_for_others(others, weight):
    utility = {"kind": "resource"}
    plain = TokenEconomy(agents=10, utility=utility).benchmarks()
    found = TokenEconomy(agents=10, utility=utility, rewards={"cooperation": 1.0, "others": others}).benchmarks()
    for regarding, own in ((found.optimum, plain.optimum), (found.nash, plain.nash)):
        wanted = own.payoffs + weight * (own.payoffs.sum() - own.payoffs)
        np.testing.assert_allclose(regarding.payoffs, wanted, rtol=1e-9)
    assert [profile.name for profile in found.competitive] == ["price-taking equilibrium"]
    assert any("regard for others" in note for note in found.notes)


def test_the_network_scenario_has_the_benchmarks_of_the_reference():
    market = TokenEconomy(**NETWORK)
    found = market.benchmarks()
    assert found.numbers["efficient price"] == pytest.approx(0.6155, abs=5e-5)
    assert found.numbers["utilisation at the price-taking equilibrium"] == pytest.approx(0.879, abs=5e-4)
    assert found.numbers["welfare at the price-taking equilibrium, of first best"] == pytest.approx(0.926, abs=5e-4)
    taking, nash = found.competitive
    assert taking.concept == "wardrop"
    assert nash.concept == "nash"
    assert nash.error < 1e-6, "nobody gains by another quantity"
    assert taking.average < nash.average < found.optimum.average


def test_holding_the_equilibrium_quantities_pays_its_payoffs():
    market = TokenEconomy(**NETWORK, steps=5, rewards=Rewards(profit=0.0))
    for profile in (*market.benchmarks().competitive, *market.benchmarks().cooperative):
        held = TokenEconomy(
            **NETWORK | {"holdings": tuple(profile.quantities["holdings"])}, steps=5, rewards=Rewards(profit=0.0)
        )
        found = one(held, np.zeros((5, 100, 1)))
        np.testing.assert_allclose(found["rewards"].sum(axis=0), profile.payoffs, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found["info"]["price"], profile.quantities["price"][0], rtol=1e-9)


def test_price_takers_reach_the_price_taking_equilibrium():
    """The scripted rule, from 10 tokens, in orders so small that they do not overshoot together.

    Utilisation .879 and welfare .926 of first best are the curve's own.
    """
    market = TokenEconomy(**NETWORK, steps=600, fee=0.0, order_size=0.03)
    found, numbers = follow(market, "price-taking"), market.benchmarks().numbers
    assert found["supply"][-2:].mean() / 50 == pytest.approx(0.879, abs=2e-3)
    best = numbers["first-best welfare of a step"]
    assert found["welfare"][-2:].mean() / best == pytest.approx(0.926, abs=2e-3)
    taking = market.benchmarks().nash
    np.testing.assert_allclose(found["holdings"][-1], taking.quantities["holdings"], atol=0.01)


def test_profits_have_a_constant_sum_as_benchmark_only_where_that_is_true():
    assert TokenEconomy().benchmarks().optimum.average == 0
    assert any("constant-sum" in note for note in TokenEconomy().benchmarks().notes)
    others = [
        {"clearing": "spot"}, {"utility": PrivateValues()}, {"rewards": Rewards(wealth="mark-to-market")},
        {"pricing": Premium()}, {"treasury": 5.0}, {"curve": Exponential(noise=0.1)},
    ]  # fmt: skip
    for settings in others:
        assert TokenEconomy(**settings).benchmarks().cooperative == ()


# --- what agents see and rules do ---------------------------------------------------------------------------------


def follow(market, rule, seed=0):
    """Quantities of an episode in which all agents follow a rule, in single precision."""
    import equinox as eqx
    import jax

    dynamics = market.dynamics()
    (role,) = dynamics.roles
    size = role.actions.size if market.orders == "continuous" else 1

    @eqx.filter_jit
    def episode(dynamics, key):
        def step(state, key):
            seen, draws = dynamics.observe(state)[role.name], jax.random.uniform(key, (role.agents, 1 + size))
            actions = jax.vmap(lambda o, u: dynamics.follow(rule, role, o, u))(seen, draws)
            state, outcome = dynamics.step(jax.random.fold_in(key, 1), state, {role.name: actions})
            return state, outcome.info | {"actions": actions, "seen": seen, "rewards": outcome.rewards[role.name]}

        return jax.lax.scan(step, dynamics.reset(key), jax.random.split(key, market.steps))[1]

    return jax.tree.map(np.asarray, episode(dynamics, jax.random.key(seed)))


@pytest.mark.parametrize("orders", ["continuous", "ternary"])
def test_rules_do_what_they_say(orders):
    factors = Factors(premium=1.0, volatility=0.02)
    market = TokenEconomy(agents=20, steps=40, orders=orders, utility=PrivateValues(), factors=factors, fee=0.0)
    largest, found = 0.1, {rule: follow(market, rule) for rule in RULES}
    trade = {rule: found[rule]["trade"] / largest for rule in RULES}
    assert (trade["hold"] == 0).all()
    if orders == "continuous":
        assert (np.histogram(trade["random"], 4, (-1, 1))[0] > 150).all()
    else:
        assert all((np.round(trade["random"]) == x).mean() == pytest.approx(1 / 3, abs=0.06) for x in (-1, 0, 1))
    names = market.roles()[0].observes
    for rule in ("zero-intelligence", "price-taking"):
        seen = found[rule]["seen"]
        gap = seen[:, :, names.index("value")] - seen[:, :, names.index("price")]
        np.testing.assert_array_equal(np.sign(found[rule]["actions"][..., 0] - (orders == "ternary")), np.sign(gap))
    if orders == "continuous":
        sizes = np.abs(np.tanh(found["zero-intelligence"]["actions"]))
        assert (np.histogram(sizes, 4, (0, 1))[0] > 150).all()
    last = found["trend-follower"]["seen"][:, 0, names.index("return")]
    np.testing.assert_array_equal(np.sign(trade["trend-follower"].mean(axis=1))[1:], np.sign(last)[1:])
    assert found["zero-intelligence"]["welfare"][-10:].mean() > found["random"]["welfare"][-10:].mean() + 0.01


def test_small_gains_are_not_lost_in_the_rounding_of_much_cash():
    """In single precision: the sum of profits is minus the fees, although each is a millionth of its agent's cash."""
    market = TokenEconomy(capital=1e5, steps=50)
    found = follow(market, "random")
    fees = market.fee * (np.abs(found["trade"]).sum(axis=1) * market.curve.price(found["supply"]))
    np.testing.assert_allclose(found["rewards"].sum(axis=1), -fees, rtol=0.05)


def test_an_unknown_rule_is_refused():
    market = TokenEconomy(agents=3)
    with pytest.raises(NotImplementedError, match="no rule guess"):
        follow(market, "guess")


def test_price_takers_of_a_resource_stop_where_it_pays_no_more():
    market = TokenEconomy(agents=2, utility=Resource(tastes=(3.05, 0.5)), curve=Linear(rise=0.0, start=1.0), steps=40)
    found = follow(market, "price-taking")
    np.testing.assert_allclose(found["trade"][0], [0.05, -0.1], rtol=0.01)  # half of the largest order is enough
    np.testing.assert_allclose(found["holdings"][-1], [2.05, 0.0], atol=0.01)


@pytest.mark.parametrize("name", MARKETS)
def test_networks_see_numbers_between_minus_one_and_one_that_vary(name):
    market = MARKETS[name]
    dynamics, (role,) = market.dynamics(), market.roles()
    actions = np.random.default_rng(0).uniform(-1, 1, (4, 3, market.assets))
    found = one(market, np.ones((4, 3, 1)) if market.orders == "ternary" else actions)
    for seen in found["seen"].reshape(-1, len(role.observes)):
        features = np.asarray(dynamics.features(role, jnp.asarray(seen, jnp.float32)))
        assert features.shape == seen.shape
        assert (np.abs(features) <= 1).all()


def test_features_are_zero_at_the_usual_size():
    market = TokenEconomy(agents=4, utility=PrivateValues(), factors=Factors())
    names, price = market.roles()[0].observes, market.curve.price(8.0)
    usual = {"cash": 100 + 2 * price, "holdings": 2.0, "price": price, "supply": 8.0, "factor": 0.0, "value": price}
    seen = jnp.array([usual.get(name, 0.0) for name in names], jnp.float32)
    dynamics = market.dynamics()
    np.testing.assert_allclose(dynamics.features(market.roles()[0], seen), 0, atol=1e-5)
    rise = dynamics.features(market.roles()[0], seen.at[names.index("price")].mul(1.1))[names.index("price")]
    assert 0.2 < rise < 0.3


def test_central_critics_see_everything():
    market = MARKETS["everything"]
    dynamics = market.dynamics()
    import jax

    size = len(dynamics.global_state(dynamics.reset(jax.random.key(0))))
    assert size == 1 + 3 * (1 + 2 + 2) + 3 * 2 + 3 * 2, "time, own numbers of all, shared numbers, returns"

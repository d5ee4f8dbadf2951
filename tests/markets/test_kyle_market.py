"""Kyle's auctions: steps against a plain loop, accounts, and what scripted play earns against theory."""

import jax.numpy as jnp
import numpy as np
import pytest
from informed_play import everybody, played

from tacitlab.errors import TacitError
from tacitlab.markets.kyle.market import KyleMarket

PATHS = 6
VARIANTS = {
    "single": KyleMarket(insiders=2, price=3.0, value_sd=0.5, noise_sd=2.0),
    "sequential": KyleMarket(insiders=3, auctions=4, price=-1.0, value_sd=2.0, noise_sd=0.5),
    "fixed slope": KyleMarket(insiders=2, maker="fixed", slope=0.7, auctions=3, values="each"),
    "rational": KyleMarket(insiders=2, maker="rational", slope=1.5, memory=5, auctions=8, values="each", price=2.0),
    "rational with inventory": KyleMarket(
        insiders=2, maker="rational", auctions=6, values="each", habitat=0.7, inventory_weight=0.4, memory=3
    ),
    "learning with inventory": KyleMarket(insiders=2, auctions=3, values="each", habitat=0.7, inventory_weight=0.4),
}


def random_actions(market, paths=PATHS, seed=3):
    random = np.random.default_rng(seed)
    shapes = {role.name: (paths, market.horizon, role.agents, 1) for role in market.roles()}
    return {name: random.normal(size=shape) * 0.6 for name, shape in shapes.items()}


def plain(market, orders, impacts, values, noise):
    """An episode from the words of the description; ``impacts`` of a learning maker."""
    steps, price, products, squares = [], market.price, None, None
    gamma = market.slope if market.slope else market.auction.regression(market.auction.nash().orders)
    w, xi = market.inventory_weight, market.habitat
    squares = 10 * market.noise_sd**2
    products = gamma * squares
    for n in range(market.auctions):
        before = price if market.values == "once" else market.price
        flow = orders[n].sum() + noise[n]
        if market.maker == "learning":
            slope = impacts[n]
        elif market.maker == "rational":
            slope = (products / squares + w * xi) / (1 + w * xi**2)
        else:
            slope = market.nash.impacts[n if market.values == "once" else 0]
        price = before + slope * flow
        error, taken = values[n] - price, -(flow - xi * (price - before))
        steps.append(
            {"price": price, "slope": slope, "insider": orders[n] * error, "maker": -(error**2) - w * taken**2,
             "gap": values[n] - before, "taken": taken}
        )  # fmt: skip
        kept = 1 - 1 / market.memory
        products = kept * products + (values[n] - market.price) * flow
        squares = kept * squares + flow**2
    return steps


@pytest.mark.parametrize("name", VARIANTS)
def test_steps_are_those_of_a_plain_loop(name):
    market = VARIANTS[name]
    told = random_actions(market)
    found = played(market, PATHS, told)
    info, n = found["info"], market.insiders
    unit = market.auction
    orders = unit.order_unit * told["insider"][..., 0]
    np.testing.assert_allclose(info["order"][..., :n], orders)
    noise = info["flow"] - orders.sum(axis=2)
    impacts = unit.impact_unit * (1 + told["maker"][..., 0, 0]) if "maker" in told else np.zeros(noise.shape)
    for k in range(PATHS):
        for t, step in enumerate(plain(market, orders[k], impacts[k], info["value"][k], noise[k])):
            np.testing.assert_allclose(info["price"][k, t], step["price"], rtol=1e-10)
            np.testing.assert_allclose(info["slope"][k, t], step["slope"], rtol=1e-10)
            np.testing.assert_allclose(info["gap"][k, t], step["gap"], atol=1e-12)
            np.testing.assert_allclose(found["rewards"]["insider"][k, t], step["insider"], rtol=1e-9)
            np.testing.assert_allclose(info["profit"][k, t, :n], step["insider"], rtol=1e-9)
            if "maker" in told:
                np.testing.assert_allclose(found["rewards"]["maker"][k, t], step["maker"], rtol=1e-9)
                np.testing.assert_allclose(info["order"][k, t, n], step["taken"], rtol=1e-9)
    np.testing.assert_allclose(info["gap_flow"], info["gap"] * info["flow"])
    np.testing.assert_allclose(info["order_gap"], info["order"] * info["gap"][..., None])
    np.testing.assert_allclose(info["error"], (info["value"] - info["price"]) ** 2)


@pytest.mark.parametrize("name", ["single", "sequential", "learning with inventory"])
def test_what_some_gain_others_lose(name):
    """Insiders, maker, noise traders and investors of habit trade with each other alone."""
    market = VARIANTS[name]
    info = played(market, PATHS, random_actions(market))["info"]
    worth = info["value"] - info["price"]
    noise = info["flow"] - info["order"][..., : market.insiders].sum(axis=2)
    before = info["value"] - info["gap"]
    habit = -market.habitat * (info["price"] - before)
    np.testing.assert_allclose(info["profit"].sum(axis=2) + (noise + habit) * worth, 0, atol=1e-10)
    np.testing.assert_allclose(info["order"].sum(axis=2) + noise + habit, 0, atol=1e-10)


def test_values_and_noise_have_their_laws():
    market = KyleMarket(insiders=1, auctions=4, price=2.0, value_sd=0.5, noise_sd=3.0)
    info = played(market, 20_000, rules=everybody(market, "hold"))["info"]
    assert np.ptp(info["value"], axis=1).max() == 0, "one value an episode"
    assert info["value"].mean() == pytest.approx(2.0, abs=0.015)
    assert info["value"].std() == pytest.approx(0.5, rel=0.02)
    assert info["flow"].std() == pytest.approx(3.0 / 2, rel=0.02), "the noise of a day over four auctions"
    assert (info["price"] == 2.0).all(), "a maker who holds never moves it"
    each = market.model_copy(update={"values": "each"})
    info = played(each, 5_000, rules=everybody(each, "hold"))["info"]
    assert np.corrcoef(info["value"][:, 0], info["value"][:, 1])[0, 1] == pytest.approx(0, abs=0.06)
    assert info["value"].std() == pytest.approx(0.5, rel=0.02)
    assert info["flow"].std() == pytest.approx(3.0, rel=0.02)
    assert abs(np.corrcoef(info["flow"][:, 0], info["flow"][:, 1])[0, 1]) < 0.06


@pytest.mark.parametrize(
    "market",
    [
        KyleMarket(insiders=2, value_sd=1.5, noise_sd=0.7),
        KyleMarket(insiders=2, auctions=4, value_sd=1.5, noise_sd=0.7),
        KyleMarket(insiders=2, values="each", auctions=3, habitat=0.8, inventory_weight=0.5),
    ],
    ids=["single", "sequential", "inventory"],
)
def test_equilibrium_play_earns_what_theory_says(market):
    found = played(market, 40_000, rules=everybody(market, "nash"))
    nash, parts = market.benchmarks().nash, market.payoff_steps
    for name, wanted in (("insider", nash.payoffs[0]), ("maker", nash.payoffs[-1])):
        total = found["rewards"][name].sum(axis=1).mean(axis=1) / parts
        assert total.mean() == pytest.approx(wanted, abs=4 * total.std() / 200), name
    info = found["info"]
    last = market.rounds
    np.testing.assert_allclose(info["error"][:, :last].mean(axis=0), nash.quantities["error"], rtol=0.05)
    np.testing.assert_allclose(info["slope"][0, :last], nash.quantities["slope"])
    for n in range(last):
        flow, gap = info["flow"][:, n], info["gap"][:, n]
        own = (info["order"][:, n, 0] @ gap) / (gap @ gap)
        assert own == pytest.approx(market.nash.orders[n], rel=1e-6), "x on v: beta"
        if not market.habitat:
            assert (gap @ flow) / (flow @ flow) == pytest.approx(market.nash.impacts[n], rel=0.04), "v on y: lambda"


@pytest.mark.parametrize(
    "market",
    [
        KyleMarket(insiders=2, maker="fixed"),
        KyleMarket(insiders=2, maker="fixed", auctions=3),
        KyleMarket(insiders=2, maker="fixed", slope=0.6),
        KyleMarket(insiders=2, value_sd=1.5, noise_sd=0.7),
    ],
    ids=["single", "sequential", "own slope", "a maker who expects it"],
)
def test_a_cartel_earns_what_theory_says(market):
    profits = {}
    for rule in ("nash", "cartel"):
        total = played(market, 40_000, rules=everybody(market, rule))["rewards"]["insider"].sum(axis=1)[:, 0]
        wanted, _ = market.outcome(getattr(market, rule))
        assert total.mean() == pytest.approx(wanted, abs=4 * total.std() / 200)
        profits[rule] = wanted
    assert profits["cartel"] > profits["nash"]
    if market.maker == "fixed":
        known = market.benchmarks()
        assert known.optimum.payoffs == pytest.approx(profits["cartel"])
        assert known.numbers["what the cartel earns more (share)"] == pytest.approx(
            profits["cartel"] / profits["nash"] - 1
        )


def test_who_tells_the_truth_earns_nothing():
    market = KyleMarket(insiders=2, maker="fixed")
    found = played(market, 40_000, rules=everybody(market, "truthful"))
    total, info = found["rewards"]["insider"], found["info"]
    assert total.mean() == pytest.approx(0, abs=4 * total.std() / 200)
    assert (info["value"] - info["price"]).mean() == pytest.approx(0, abs=0.02)
    assert info["error"].mean() == pytest.approx(market.nash.impacts[0] ** 2, rel=0.05), (
        "noise alone moves the price off"
    )


def test_a_rational_maker_learns_the_regression():
    market = KyleMarket(insiders=2, maker="rational", slope=2.0, memory=100_000, auctions=300, values="each")
    slopes = played(market, 100, rules={"insider": "nash"})["info"]["slope"]
    np.testing.assert_allclose(slopes[:, 0], 2.0)
    # Ten auctions of noise, whose flows count a third of what they do with insiders, still say 2.
    prior, news = 10 * 2.0, 300 * 3 * 2**0.5 / 3
    assert slopes[:, -1].mean() == pytest.approx((prior + news) / (10 + 300 * 3), rel=0.01)
    assert market.benchmarks().nash.quantities["slope"] == pytest.approx(2**0.5 / 3)


def test_candidates_are_parts_of_the_equilibrium():
    market = KyleMarket(insiders=2, auctions=3, grid=5, slopes=(0.0, 2.0))
    dynamics = market.dynamics()
    insider, maker = market.roles()
    values, feasible = dynamics.candidates(insider, jnp.array([1.5, 0.5, 1.0]))
    assert int(feasible) == 5
    orders = np.asarray(values)[:, 0] * market.auction.order_unit
    np.testing.assert_allclose(orders, np.linspace(0, 2, 5) * market.nash.orders[1] * 1.0, rtol=1e-5)
    for k in range(5):
        assert int(dynamics.index(insider, jnp.array([1.5, 0.5, 1.0]), values[k])) == k
    values, _ = dynamics.candidates(maker, jnp.array([2.0]))
    impacts = (1 + np.asarray(values)[:, 0]) * market.auction.impact_unit
    np.testing.assert_allclose(impacts, np.linspace(0, 2, 5) * market.nash.impacts[2], atol=1e-6)


def test_what_networks_see():
    market = KyleMarket(insiders=1, auctions=3, price=2.0, value_sd=0.5)
    dynamics = market.dynamics()
    insider, maker = market.roles()
    np.testing.assert_allclose(dynamics.features(insider, jnp.array([3.0, 2.5, 2.0])), [0, 0, 0.5, 1])
    np.testing.assert_allclose(dynamics.features(maker, jnp.array([0.0])), [1, 0, 0])
    many = KyleMarket(insiders=1, auctions=21, price=2.0, value_sd=0.5)
    np.testing.assert_allclose(many.dynamics().features(insider, jnp.array([3.0, 2.5, 5.0])), [0.5, -0.5])
    np.testing.assert_allclose(many.dynamics().features(maker, jnp.array([20.0])), [1.0])
    single = KyleMarket(insiders=1, auctions=1, price=2.0, value_sd=0.5)
    insider, maker = single.roles()
    np.testing.assert_allclose(single.dynamics().features(insider, jnp.array([3.0])), [1.0])
    np.testing.assert_allclose(single.dynamics().features(maker, jnp.array([0.0])), [0.0])
    repeated = market.model_copy(update={"values": "each"})
    insider = repeated.roles()[0]
    assert insider.observes == ("value", "last-price")
    np.testing.assert_allclose(repeated.dynamics().features(insider, jnp.array([3.0, 1.0])), [1.0, -1.0])


def test_slopes_of_dou_goldstein_and_ji():
    market = KyleMarket(insiders=2, maker="rational", noise_sd=0.1, habitat=500.0, inventory_weight=10.0,
                        auctions=300, values="each")  # fmt: skip
    assert market.nash.orders[0] == pytest.approx(166.67, abs=5e-3)
    assert market.cartel.orders[0] == pytest.approx(125.00, abs=5e-3)
    slopes = played(market, 100, rules={"insider": "cartel"})["info"]["slope"]
    np.testing.assert_allclose(slopes[:, -1], market.cartel.impacts[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"maker": "rational"}, "maker: rational needs past auctions"),
        ({"slope": 1.0}, "slope: a learning maker chooses its own"),
        ({"maker": "fixed", "slope": 1.0, "auctions": 2}, "slope: sequential auctions have a slope each"),
        ({"auctions": 2, "habitat": 1.0}, "habitat: known for single auctions only"),
        ({"slopes": (1.0, 1.0)}, r"slopes: \[1.0, 1.0\] is empty"),
        ({"noise_sd": 0.0}, "noise_sd: 0.0 is too small"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        KyleMarket(**changes)


def test_a_copy_with_another_field_forgets_what_was_computed():
    market = KyleMarket()
    market.benchmarks()
    copy = market.model_copy(update={"noise_sd": 3.0})
    np.testing.assert_array_equal(copy.benchmarks().nash.payoffs, KyleMarket(noise_sd=3.0).benchmarks().nash.payoffs)
    assert not np.allclose(copy.benchmarks().nash.payoffs, market.benchmarks().nash.payoffs)

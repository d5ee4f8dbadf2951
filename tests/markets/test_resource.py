"""The resource market against a plain loop, its accounting, and the claims that its fill prices decide."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_resource import episode
from playing import paths

from tacitlab.errors import TacitError
from tacitlab.markets.resource.market import ResourceMarket

STEPS, PATHS = 12, 20
LAWS = [(e, w) for e, w in itertools.product(("pre", "mid", "post", "exact"), ("linear", "exponential"))
        if (e, w) != ("exact", "linear")]  # fmt: skip


def played(market, actions, seed=0):
    with jax.enable_x64(True):
        return paths(market, np.asarray(actions)[..., None], seed)


def random_actions(market, seed=0):
    size = market.roles()[0].actions.size
    return np.random.default_rng(seed).integers(0, size, (PATHS, market.steps, market.n_players))


def check(market, actions):
    """Every number of every path, given the noise that was drawn."""
    found = played(market, actions)
    shocks = np.zeros(actions.shape)
    if market.shock:
        held = np.concatenate([found["states"].inventory[:, 1:], found["last"].inventory[:, None]], axis=1)
        shocks = np.round((held - found["states"].inventory - found["info"]["trade"]) / market.quantity)
    for k in range(PATHS):
        wanted = episode(market, actions[k], found["info"]["change"][k], shocks[k])
        for t, step in enumerate(wanted):
            np.testing.assert_array_equal(found["seen"][k, t], step["seen"])
            np.testing.assert_allclose(found["rewards"][k, t], step["gains"], rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(found["info"]["price"][k, t], step["price"], rtol=1e-10)
            names = {"trade": "trade", "inventory": "held", "cash": "cash", "wealth": "owned"}
            for name, other in names.items():
                np.testing.assert_allclose(found["info"][name][k, t], step[other], rtol=1e-9, atol=1e-9)
    return found


@pytest.mark.parametrize(("execution", "law"), LAWS)
@pytest.mark.parametrize("valuation", ["mark-to-market", "liquidation", "final-liquidation"])
def test_steps_are_those_of_a_plain_loop(execution, law, valuation):
    market = ResourceMarket(
        steps=STEPS, execution=execution, law=law, valuation=valuation, volatility=0.05, impact=0.04, quantity=2.0,
        inventory=3, highest=5, levels=(2, 4),
    )  # fmt: skip
    check(market, random_actions(market))


@pytest.mark.parametrize(
    "changes",
    [
        {"traders": 5, "signals": "implicit", "impact_scaling": "per-agent"},
        {"signals": "none", "observes": ("trend", "level"), "traders": 1},
        {"highest": None, "cash": 350.0, "inventory": 0, "levels": (1, 3)},
        {"lowest": -4, "highest": 4, "inventory": 0, "levels": (-1, 2), "shock": 0.6, "holding_penalty": 0.002},
        {"lowest": -4, "highest": 4, "inventory": -2, "levels": (-1, 2), "valuation": "mark-to-market"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_variants_are_those_of_a_plain_loop(changes):
    market = ResourceMarket(steps=STEPS, **changes)
    found = check(market, random_actions(market))
    if "cash" in changes:
        assert found["info"]["infeasible"].max() > 0, "else nobody ran out of cash"


def test_the_price_law():
    for law in ("linear", "exponential"):
        market = ResourceMarket(steps=400, law=law, execution="post", volatility=0.03, highest=500, inventory=0)
        sides = np.random.default_rng(1).integers(0, 3, (PATHS, 400, 2))
        info = played(market, 3 * sides + 1)["info"]
        noise = info["change"] - market.alpha * info["trade"].sum(axis=2)
        mean = 0 if law == "linear" else -(0.03**2) / 2
        count = noise.size
        assert abs(noise.mean() - mean) < 4 * 0.03 / np.sqrt(count)
        assert abs(noise.std() / 0.03 - 1) < 4 / np.sqrt(2 * count)
        before = np.concatenate([np.full((PATHS, 1), 100.0), info["price"][:, :-1]], axis=1)
        grown = 1 + info["change"] if law == "linear" else np.exp(info["change"])
        np.testing.assert_allclose(info["price"], before * grown, rtol=1e-10)


def round_trip(execution, law, lots=5):
    """Cash of a lone trader who buys some lots and sells them again, without noise."""
    market = ResourceMarket(
        traders=1, steps=2 * lots, execution=execution, law=law, volatility=0.0, inventory=0, signals="none",
        observes=("trend",),
    )  # fmt: skip
    actions = np.repeat([2, 0], lots)[None, :, None]
    return float(played(market, actions)["info"]["cash"][0, -1, 0])


def test_only_exact_fills_make_a_round_trip_cost_nothing():
    assert abs(round_trip("exact", "exponential")) < 1e-10
    assert round_trip("pre", "linear") == pytest.approx(5, rel=0.02), "a money pump: each lot earns one impact"
    assert round_trip("post", "linear") == pytest.approx(-5, rel=0.06)
    assert -0.2 < round_trip("mid", "linear") < 0, "churning ratchets the price down"


def test_short_round_trips_at_mid_prices_earn():
    market = ResourceMarket(
        traders=1, steps=2, execution="mid", law="linear", volatility=0.0, inventory=0, lowest=-5, signals="none",
        observes=("trend",),
    )  # fmt: skip
    cash = played(market, np.array([[[0], [2]]]))["info"]["cash"][0, -1, 0]
    np.testing.assert_allclose(cash, 0.01**2 * 100 / 2, rtol=1e-9)


def test_pairs_are_counted():
    market = ResourceMarket(traders=5, steps=1, volatility=0.0, signals="none", observes=("trend",))
    info = played(market, np.array([[[2, 2, 2, 0, 1]]]))["info"]
    assert info["sync"] == pytest.approx(3 / 10)
    assert info["offset"] == pytest.approx(3 / 10)
    assert info["both"] == pytest.approx(6 / 10)
    assert info["turnover"] == pytest.approx(4 / 5)
    np.testing.assert_allclose(info["impact_square"], (0.01 * 2) ** 2)


def test_a_price_cannot_become_negative():
    market = ResourceMarket(
        traders=4,
        steps=6,
        impact=0.5,
        volatility=0.3,
        law="linear",
        execution="post",
        signals="none",
        observes=("trend",),
    )
    info = played(market, np.zeros((PATHS, 6, 4)))["info"]
    assert (info["price"] > 0).all()
    assert info["clipped"].any()


def test_scrambled_signals_say_nothing():
    market = ResourceMarket(steps=300, scrambled=True, shock=0.1)
    actions = np.full((PATHS, 300, 2), 5)  # hold, and say bull
    heard = played(market, actions)["seen"][:, 1:, :, 2]
    share = np.bincount(heard.astype(int).ravel(), minlength=3) / heard.size
    np.testing.assert_allclose(share, 1 / 3, atol=4 * np.sqrt(2 / 9 / heard.size))
    true = played(market.model_copy(update={"scrambled": False}), actions)["seen"][:, 1:, :, 2]
    assert (true == 2).all()


def test_spoofers_earn_what_the_others_lose():
    market = ResourceMarket(traders=2, spoofers=1, responders=1, noise_traders=1, steps=STEPS)
    assert [role.name for role in market.roles()] == ["trader", "responder", "spoofer", "noise trader"]
    dynamics = market.dynamics()
    state = dynamics.reset(jax.random.key(0))
    actions = {role.name: jnp.full((role.agents, 1), 7.0) for role in market.roles()}
    _, outcome = dynamics.step(jax.random.key(1), state, actions)
    rewards = {name: np.asarray(values) for name, values in outcome.rewards.items()}
    others = rewards["trader"].sum() + rewards["responder"].sum() + rewards["noise trader"].sum()
    np.testing.assert_allclose(rewards["spoofer"], -others, rtol=1e-5)
    seen = {name: np.asarray(values) for name, values in dynamics.observe(state).items()}
    assert seen["spoofer"].shape == (1, 6)
    assert seen["trader"].shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"execution": "exact", "law": "linear"}, "execution: exact is the integral"),
        ({"inventory": 11}, "inventory: 11 lies outside its limits; choose from 0 to 10"),
        ({"highest": None}, "highest: without a limit"),
        ({"levels": (7, 4)}, "levels: .* wrong order"),
        ({"signals": "none"}, "observes: there are no signals to see"),
        ({"observes": ("trend", "trend")}, "observes: .* twice"),
        ({"observes": ("cash",)}, "observes: cash has no limit"),
        ({"observes": ("trend",), "scrambled": True}, "scrambled: traders see no signals"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        ResourceMarket(**changes)


BUYERS = {"execution": "pre", "law": "linear", "valuation": "mark-to-market", "highest": None, "inventory": 0}


def test_what_buyers_show_stands_where_the_formula_holds():
    name = "gain of all who buy until their cash is gone, without noise"
    market = ResourceMarket(**BUYERS, cash=10_000.0)
    assert market.benchmarks().numbers[name] == pytest.approx(6479, abs=0.5)
    for other in ({"cash": 0.0}, {"impact": 0.0}, {"inventory": 5}, {"highest": 10}, {"execution": "post"}):
        assert name not in ResourceMarket(**{**BUYERS, "cash": 10_000.0, **other}).benchmarks().numbers

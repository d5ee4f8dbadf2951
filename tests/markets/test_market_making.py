"""Quoting markets: the simulated game is the one that theory solves, its accounts add up, rules are their tables."""

import itertools
import math
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import paths

from tacitlab.errors import TacitError
from tacitlab.markets.quoting import solutions as quoting_solutions
from tacitlab.markets.quoting.market_making import MarketMaking
from tacitlab.markets.quoting.rfq import Positions, RequestForQuote
from tacitlab.markets.quoting.theory import record, values

PATHS = 4000
SMALL = {"steps": 8, "arrivals": 40.0, "dt": 0.02, "cap": 2, "running": 3.0, "terminal": 0.2, "volatility": 3.0}
VARIANTS = {
    "one maker": MarketMaking(**SMALL, inventory=1),
    "logit": MarketMaking(**SMALL, fills="logit", makers=2),
    "best quote": MarketMaking(**SMALL, makers=3),
    "utility": MarketMaking(**SMALL, reward="exponential-utility", risk_aversion=0.4),
    "requests": RequestForQuote(dealers=3, requests=8, arrival=0.8, cost=[0.0, 0.2, -0.1]),
    "positions": RequestForQuote(requests=8, positions=Positions(cap=2, running=0.1, terminal=0.3, volatility=0.4)),
}


def quotes_of(market, seed=0):
    """Half-spreads that change with the time and the maker alone, often tied: (steps, makers, sides)."""
    shape = (market.horizon, market.n_players, market.roles()[0].actions.size)
    return np.round(np.random.default_rng(seed).uniform(-0.2, 1.2, shape), 1)


def table_of(market, quotes):
    game = market.game
    return np.broadcast_to(quotes[:, None], (game.steps, game.states, game.makers, 2))


def played(market, quotes, many=PATHS):
    """Paths in double precision."""
    actions = (quotes - market.scale.base) / market.scale.unit
    given = np.broadcast_to(actions, (many, *actions.shape))
    with jax.enable_x64(True):
        return paths(market, given)


@cache
def episodes(name):
    """A variant with its quotes."""
    return played(VARIANTS[name], quotes_of(VARIANTS[name]))


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_simulated_is_what_theory_solves(name):
    market = VARIANTS[name]
    quotes, game = quotes_of(market), market.game
    found, exact = episodes(name), values(game, table_of(market, quotes))[0, game.begin]
    total = found["rewards"].astype(float).sum(axis=1)
    wanted = market.payoff(exact) * market.payoff_steps
    error = total.std(axis=0) / math.sqrt(PATHS)
    assert (np.abs(total.mean(axis=0) - wanted) < 3.5 * error).all(), (total.mean(axis=0), wanted, error)
    if game.cap is not None and not game.risk_aversion:
        known, last = record(game, table_of(market, quotes)), found["last"].inventory
        trades = np.abs(found["info"]["trade"]).sum(axis=1) if game.requests else None
        assert last.std(axis=0) == pytest.approx(known.inventory_sd, rel=0.06)
        if trades is not None:
            assert trades.mean(axis=0) == pytest.approx(known.trades, rel=0.05)


@pytest.mark.parametrize("name", VARIANTS)
def test_accounts_add_up(name):
    market = VARIANTS[name]
    found, game = episodes(name), market.game
    info, rewards = found["info"], found["rewards"]
    held, wealth = info["inventory"], info["wealth"]
    before = np.concatenate([found["states"].inventory, found["last"].inventory[:, None]], axis=1)
    change = np.diff(np.concatenate([np.zeros_like(wealth[:, :1]), wealth], axis=1), axis=1)
    penalty = game.running * held**2
    penalty[:, -1] += game.terminal * held[:, -1] ** 2
    gain = change - penalty
    if game.risk_aversion:
        worth = -np.expm1(-game.risk_aversion * np.cumsum(gain, axis=1)) / game.risk_aversion
        gain = np.diff(np.concatenate([np.zeros_like(worth[:, :1]), worth], axis=1), axis=1)
    np.testing.assert_allclose(rewards, gain, atol=1e-9)
    assert set(np.unique(info["trade"])) <= {-1.0, 0.0, 1.0}
    if game.cap is None:
        assert (held == 0).all()
    else:
        np.testing.assert_array_equal(np.diff(before, axis=1), info["trade"])
        assert np.abs(held).max() == game.cap, "else the cap was never met"
    if game.requests:
        assert (np.abs(info["trade"]).sum(axis=2) <= 1).all(), "one request, one dealer"
        side = found["states"].side
        assert (info["trade"].sum(axis=2) * np.where(side == 0, 1, -1) >= 0).all(), "bids are hit by clients who sell"
    else:
        assert (info["volume"] <= 2).all()
    np.testing.assert_array_equal(info["volume"] >= np.abs(info["trade"]).sum(axis=2), True)


def test_expected_fills_pay_the_profits_of_the_bertrand_game():
    market = RequestForQuote(dealers=3, requests=4, fills="expected", cost=[0.0, 0.3, 0.1], arrival=0.7)
    quotes = quotes_of(market)
    rewards = played(market, quotes, many=3)["rewards"]
    np.testing.assert_allclose(rewards, np.broadcast_to(market.profits(quotes[..., 0]), rewards.shape), rtol=1e-5)


def test_the_mid_price_is_a_random_walk():
    market = MarketMaking(steps=50, dt=0.02, volatility=2.0)
    price = played(market, np.full((50, 1, 2), 9.0), many=400)["info"]["price"]
    steps = np.diff(np.concatenate([np.full((400, 1), 100.0), price], axis=1), axis=1)
    assert steps.std() == pytest.approx(2 * math.sqrt(0.02), rel=0.02)
    assert abs(steps.mean()) < 4 * 2 * math.sqrt(0.02 / steps.size)


@pytest.mark.parametrize(
    "market",
    [
        MarketMaking(steps=5),
        MarketMaking(steps=5, reward="exponential-utility", observes=("inventory", "time")),
        MarketMaking(
            steps=3, makers=2, cap=2, fills="logit", dt=0.01, observes=("time", "inventory", "rival-inventory")
        ),
        RequestForQuote(),
        RequestForQuote(
            requests=3, positions=Positions(cap=2), observes=("side", "time", "inventory", "rival-inventory")
        ),
    ],
    ids=lambda market: f"{market.kind}, {market.n_players}",
)  # fmt: skip
def test_rules_quote_what_their_tables_say(market):
    game, dynamics, (role,) = market.game, market.dynamics(), market.roles()
    tables = market.tables()
    assert set(market.rules()) == {*tables, "random"}
    sides = (0, 1) if game.requests else (0,)
    for name, table in tables.items():

        @eqx.filter_jit
        def quote(seen, name=name):
            return dynamics.scale.base + dynamics.scale.unit * dynamics.follow(name, role, seen, jnp.zeros(3))

        for step, state, side in itertools.product((0, game.steps - 1), range(0, game.states, 3), sides):
            held = game.inventories[state]
            known = {"time": step, "inventory": held[0], "rival-inventory": held[-1], "side": side}
            found = np.asarray(quote(jnp.array([known[name] for name in role.observes], float)))
            wanted = table[step, state, 0, side : side + 1] if game.requests else table[step, state, 0]
            allowed = game.feasible[state, 0, side : side + 1] if game.requests else game.feasible[state, 0]
            np.testing.assert_allclose(found[allowed], wanted[allowed], rtol=1e-5, atol=1e-5)


def test_candidates_are_all_pairs_of_the_grid():
    market = MarketMaking(grid=3, quotes=(0.1, 0.9))
    dynamics, (role,) = market.dynamics(), market.roles()
    found, count = dynamics.candidates(role, jnp.zeros(2))
    assert int(count) == 9
    pairs = np.asarray(dynamics.scale.base + dynamics.scale.unit * found)
    np.testing.assert_allclose(pairs, list(itertools.product([0.1, 0.5, 0.9], repeat=2)), rtol=1e-5)


# --- benchmarks ----------------------------------------------------------------------------------------------------


def test_benchmarks_of_a_maker_alone():
    found = MarketMaking().benchmarks()
    numbers, best = found.numbers, found.optimum.average
    assert found.nash.payoffs == found.optimum.payoffs
    assert best == pytest.approx(22.44, abs=0.005)
    assert numbers["payoff in the limit of short steps"] == pytest.approx(22.2686, abs=1e-4)
    for name, value in numbers.items():
        assert value < best, name
    assert numbers["payoff of cartea-jaimungal"] > 0.999 * best
    assert numbers["payoff of the best of 7 half-spreads a side"] > 0.995 * best
    assert numbers["payoff of fixed-spread"] < 0.75 * best


def test_benchmarks_of_an_exponential_utility():
    market = MarketMaking(arrivals=140, running=0, terminal=0, cap=30, reward="exponential-utility", risk_aversion=0.1)
    found = market.benchmarks()
    sure = {name: -math.log1p(-0.1 * value) / 0.1 for name, value in found.numbers.items()}
    best = -math.log1p(-0.1 * found.optimum.average) / 0.1
    assert best == pytest.approx(65.248, abs=2e-3)
    assert sure["payoff of avellaneda-stoikov"] == pytest.approx(62.787, abs=2e-3)
    assert sure["payoff of symmetric"] < 55 < sure["payoff of cartea-jaimungal"] < best


def test_benchmarks_of_requests_are_the_published_ones():
    found = RequestForQuote().benchmarks()
    for profile, quote, profit in ((found.nash, 0.47293, 0.22293), (found.optimum, 0.92498, 0.33749)):
        np.testing.assert_allclose(profile.quantities["half_spread"], quote, atol=5e-6)
        np.testing.assert_allclose(profile.payoffs, profit, atol=5e-6)
    names = [profile.name for profile in found.competitive]
    assert names[0] == "Nash"
    assert any("on the grid" in name for name in names)
    many = RequestForQuote(dealers=6, requests=10).benchmarks()
    assert many.nash.average < found.nash.average
    assert not any("grid" in profile.name for profile in many.competitive), "too many joint quotes to enumerate"


def test_benchmarks_of_several_makers():
    known = {"steps": 10, "makers": 2, "dt": 0.02, "cap": 2}
    found = MarketMaking(**known, fills="logit").benchmarks()
    assert found.nash.average < found.optimum.average
    assert found.nash.error < 1e-8
    assert found.nash.quantities["half_spread"].mean() < found.optimum.quantities["half_spread"].mean()
    best = MarketMaking(**known).benchmarks()
    assert not best.competitive
    assert "nash not computed: fills" in " ".join(best.notes)
    unequal = RequestForQuote(cost=[0.0, 0.2], positions=Positions(cap=1), requests=5).benchmarks()
    assert unequal.nash.payoffs[0] > unequal.nash.payoffs[1]


def test_half_spreads_of_benchmarks_are_what_is_recorded():
    """The market records what the benchmark's quantity means."""
    market = VARIANTS["positions"]
    found = episodes("positions")["info"]["half_spread"]
    exact = record(market.game, table_of(market, quotes_of(market))).half_spread
    np.testing.assert_allclose(found.mean(axis=(0, 1)), exact, rtol=0.02)


def test_equilibria_are_solved_once(monkeypatch):
    market = MarketMaking(steps=4, makers=2, cap=1, fills="logit", dt=0.0123)
    calls = []
    solve = quoting_solutions.equilibrium
    monkeypatch.setattr(quoting_solutions, "equilibrium", lambda game: calls.append(game) or solve(game))
    market.benchmarks()
    market.benchmarks()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (MarketMaking, {"fills": "logit", "dt": 0.05}, "dt: 2.5 customers a step are too many; at most 1/arrivals"),
        (MarketMaking, {"inventory": -11}, "inventory: -11 lies beyond the cap; choose from -10 to 10"),
        (MarketMaking, {"reward": "exponential-utility", "risk_aversion": 0}, "risk_aversion: an exponential utility"),
        (MarketMaking, {"observes": ("side",)}, "observes: makers quote before customers come"),
        (MarketMaking, {"observes": ("time", "time")}, "observes: .* twice"),
        (MarketMaking, {"observes": ("rival-quote",)}, "observes: a maker who is alone has no rival-quote"),
        (MarketMaking, {"quotes": (1.0, 0.5)}, "quotes: .* wrong order"),
        (RequestForQuote, {"cost": [0.0, 1.0, 2.0]}, "cost: 3 numbers for 2 players"),
        (RequestForQuote, {"observes": ("side", "inventory")}, "observes: dealers have no inventories"),
        (RequestForQuote, {"observes": ("side", "side")}, "observes: .* twice"),
        (RequestForQuote, {"dealers": 1, "observes": ("rival-quote",)}, "observes: a dealer who is alone"),
        (RequestForQuote, {"positions": {}, "fills": "expected"}, "fills: expected trades are no lots"),
        (RequestForQuote, {"positions": {}, "observes": ("time",)}, "observes: dealers must see the side"),
    ],
)
def test_mistakes_are_named(kind, changes, words):
    with pytest.raises(TacitError, match=words):
        kind(**changes)

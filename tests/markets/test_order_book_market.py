"""The market with a limit order book beside a plain loop around a plain book; accounts; rules."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_order_book import BUY, SELL, PlainBook
from scipy import stats

from tacitlab.errors import TacitError
from tacitlab.markets.order_book import book as lob
from tacitlab.markets.order_book import market as order_book
from tacitlab.markets.order_book.market import OrderBook

SMALL = {
    "levels": 3,
    "capacity": 24,
    "order_size": 2.5,
    "steps": 40,
    "jump_rate": 0.3,
    "informed_size": 2,
    "widest": 6.0,
}


@eqx.filter_jit
def _run(dynamics, keys, actions):
    def step(state, now):
        key, given = now
        after, outcome = dynamics.step(key, state, given)
        return after, (state, after, outcome)

    return jax.lax.scan(step, dynamics.reset(keys[0]), (keys[1:], actions))[1]


def random_actions(market, seed=1):
    rng, found = np.random.default_rng(seed), {}
    for role in market.roles():
        if role.name == "maker":
            found[role.name] = rng.uniform(-1.5, 1.5, (market.steps, role.agents, 2))
        else:
            found[role.name] = rng.integers(0, role.actions.size, (market.steps, role.agents, 1)).astype(float)
    return found


def played(market, actions, seed=0):
    keys = jax.random.split(jax.random.key(seed), 1 + market.steps)
    given = {name: jnp.asarray(x, jnp.float32) for name, x in actions.items()}
    return (*jax.tree.map(np.asarray, _run(market.dynamics(), keys, given)), keys[1:])


def first_in_line(candidates, draw):
    """Instead of a random order: the one that came first to the table."""
    return candidates & (jnp.arange(len(candidates)) == jnp.argmax(candidates))


class Plain:
    """The rules of a step again, one after the other; prices count from the first one."""

    def __init__(self, market):
        self.market, n = market, market.n_players
        self.book, self.quotes = PlainBook(market.capacity), [-1, 1]
        self.inventory, self.cash = np.zeros(n, int), np.zeros(n, int)
        self.slots = [None] * market.capacity  # numbers of orders by place, to know which is first in the table
        if market.noise_traders:
            for k in range(2 * market.levels):
                side, d = divmod(k, market.levels)
                owner = market.makers + market.informed + k % market.noise_traders
                self.place(side, (2 * side - 1) * (d + 1), max(1, round(market.order_size)), owner, True)

    def place(self, side, price, lots, owner, rests):
        number = self.book.arrivals
        fills = self.book.submit(side, price, lots, owner, rests)
        self.slots = [n if n in self.book.orders else None for n in self.slots]
        if number in self.book.orders:
            self.slots[self.slots.index(None)] = number
        sign = 1 if side == BUY else -1
        for traded, at, other in fills:
            self.inventory[owner] += sign * traded
            self.inventory[other] -= sign * traded
            self.cash[owner] -= sign * traded * at
            self.cash[other] += sign * traded * at
            self.volume += traded
            self.flow += sign * traded
        self.refresh()

    def cancel(self, owner, sides):
        for number in self.slots:
            if number in self.book.orders:
                side, _, _, other = self.book.orders[number]
                if other == owner and side in sides:
                    del self.book.orders[number]
                    break
        self.slots = [n if n in self.book.orders else None for n in self.slots]
        self.refresh()

    volume = flow = 0

    def refresh(self):
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        if bid is None:
            bid = min(self.quotes[0], (self.quotes[1] if ask is None else ask) - 1)
        self.quotes = [bid, max(self.quotes[1], bid + 1) if ask is None else ask]

    def step(self, actions, uniform):
        m, self.volume, self.flow = self.market, 0, 0
        mid = sum(self.quotes) / 2
        order = np.argsort(uniform[3 : 3 + m.makers], kind="stable")
        quoted = {}
        for k in order:
            gaps = m.half_spread * np.exp(actions["maker"][k])
            bid_gap, ask_gap = np.maximum(np.minimum(gaps, m.widest), 0.5)
            bid = int(np.floor(mid - bid_gap))
            quoted[k] = bid, max(int(np.ceil(mid + ask_gap)), bid + 1), self.inventory[k], gaps <= m.widest
        for k in order:
            bid, ask, held, near = quoted[k]
            self.cancel(k, (SELL,))
            self.cancel(k, (BUY,))
            if near[0] and held < m.inventory_limit:
                self.place(BUY, bid, m.maker_size, k, True)
            if near[1] and held > -m.inventory_limit:
                self.place(SELL, ask, m.maker_size, k, True)
        turns, sizes, _ = uniform[3 + m.makers :].reshape(3, -1)
        codes = np.concatenate([actions[name][:, 0] for name in ("informed", "noise") if name in actions]).astype(int)
        before = self.inventory.copy()
        for k in np.argsort(turns, kind="stable"):
            self.trade(m.makers + k, codes[k], sizes[k], before)
        self.quotes[0] -= self.book.best(BUY) is None
        self.quotes[1] += self.book.best(SELL) is None

    def trade(self, who, code, draw, before):
        m = self.market
        knows = who < m.makers + m.informed
        more = 1 - 1 / m.order_size
        drawn = 1 + (int(np.floor(np.log1p(-draw) / np.log(more))) if more else 0)
        lots = m.informed_size if knows else min(drawn, m.largest_order)
        if code == 3:
            self.cancel(who, (BUY, SELL))
        elif code:
            side = code - 1 if code < 3 else (code - 4) // m.levels
            after = before[who] + (lots if side == BUY else -lots)
            if knows and abs(after) > m.inventory_limit:
                return
            distance = 1 + (code - 4) % m.levels
            price = self.quotes[1] - distance if side == BUY else self.quotes[0] + distance
            self.place(side, price, lots, who, code > 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"makers": 2, "informed": 1, "noise_traders": 3, "inventory_limit": 12},
        {"makers": 0, "informed": 0, "noise_traders": 3, "order_size": 1.0, "capacity": 8},
        {"makers": 2, "informed": 2, "noise_traders": 0, "valuation": "mid", "holding_penalty": 0.1},
    ],
    ids=["all", "noise", "no noise"],
)
def test_a_step_is_that_of_a_plain_loop(changes, monkeypatch):
    monkeypatch.setattr(order_book.lob, "pick", first_in_line)
    market = OrderBook(**SMALL | changes)
    actions = random_actions(market)
    _, after, outcome, keys = played(market, actions)
    draws = 3 + market.makers + 3 * (market.informed + market.noise_traders)
    plain, worth, refused = Plain(market), 0.0, 0
    for t in range(market.steps):
        held, cash, mark = plain.inventory.copy(), plain.cash.copy(), worth
        uniform = np.asarray(jax.random.uniform(keys[t], (draws,)))
        plain.step({name: x[t] for name, x in actions.items()}, uniform)
        assert after.quotes[t].tolist() == plain.quotes
        np.testing.assert_array_equal(after.inventory[t], plain.inventory)
        np.testing.assert_array_equal(after.cash[t], plain.cash)
        info = {name: x[t] for name, x in outcome.info.items()}
        assert (info["volume"], info["flow"]) == (plain.volume, plain.flow)
        assert info["refused"] == plain.book.refused - refused
        refused = plain.book.refused
        for side in (BUY, SELL):
            live = np.flatnonzero((after.book.quantity[t] > 0) & (after.book.side[t] == side))
            ours = live[np.argsort(after.book.ahead[t][live])]
            columns = (after.book.price, after.book.quantity, after.book.owner)
            assert [tuple(int(x[t][i]) for x in columns) for i in ours] == plain.book.queue(side)
        worth = after.value[t] if market.valuation == "value" else sum(plain.quotes) / 2
        gain = plain.cash - cash + plain.inventory * worth - held * mark
        gain[: market.makers] -= market.holding_penalty * plain.inventory[: market.makers] ** 2
        np.testing.assert_allclose(info["gain"], gain, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(
            np.concatenate([outcome.rewards[role.name][t] for role in market.roles()]), info["gain"]
        )
        assert info["mid"] == market.price + sum(plain.quotes) / 2
    assert outcome.info["volume"].sum() > 20
    assert refused > 0, "else a full book was never met"


def test_accounts_add_up_and_the_book_is_never_crossed():
    market = OrderBook(makers=2, informed=2, noise_traders=3, steps=400, levels=5, order_size=3.0, capacity=64)
    for seed in (1, 2):
        _, after, outcome, _ = played(market, random_actions(market, seed), seed)
        assert (after.inventory.sum(axis=1) == 0).all()
        assert (after.cash.sum(axis=1) == 0).all()
        scale = np.abs(outcome.info["gain"]).max(axis=1)
        assert (np.abs(outcome.info["gain"].sum(axis=1)) <= 1e-4 * (1 + scale)).all()
        assert (outcome.info["spread"] >= 1).all()
        live = after.book.quantity > 0
        bids = np.where(live & (after.book.side == BUY), after.book.price, -lob.FAR).max(axis=1)
        asks = np.where(live & (after.book.side == SELL), after.book.price, lob.FAR).min(axis=1)
        assert (bids < asks).all()
        makers = np.abs(after.inventory[:, :2])
        assert makers.max() < market.inventory_limit + market.maker_size
        assert outcome.truncated.tolist() == [False] * 399 + [True]
        assert not outcome.terminated.any()
        returns = np.diff(np.log(outcome.info["mid"].astype(float)))
        np.testing.assert_allclose(outcome.info["return"][1:], returns, atol=1e-8)


def follow(market, rule, name, seen, draws):
    dynamics = market.dynamics()
    role = next(role for role in market.roles() if role.name == name)
    one = lambda u: dynamics.follow(rule, role, jnp.asarray(seen, jnp.float32), u)  # noqa: E731
    return np.asarray(jax.vmap(one)(jnp.asarray(draws, jnp.float32)))


def test_zero_intelligence_has_its_rates():
    market = OrderBook(levels=3, decay=1.0, limit_rate=0.6, market_rate=0.2, cancel_rate=0.01)
    draws = np.stack([(np.arange(100_000) + 0.5) / 100_000] * 2, axis=1)
    codes = follow(market, "zero-intelligence", "noise", (0, 0, 2, 7), draws)[:, 0].astype(int)
    shares = np.bincount(codes, minlength=10) / len(codes)
    weights = 0.3 * np.array([1, 1 / 2, 1 / 3]) / (1 + 1 / 2 + 1 / 3)
    np.testing.assert_allclose(shares, [0.13, 0.1, 0.1, 0.07, *weights, *weights], atol=2e-5)
    crowded = follow(market, "zero-intelligence", "noise", (0, 0, 2, 900), draws)[:, 0]
    assert np.mean(crowded == 3) == pytest.approx(0.2, abs=1e-4)  # there is no more room than that


def test_rules_of_makers_and_informed():
    market = OrderBook(half_spread=2.0, skew=0.25, levels=3)
    draws = np.zeros((1, 2))
    assert follow(market, "fixed-spread", "maker", (0, 9, 2, 0, 0), draws).tolist() == [[0, 0]]
    tilted = follow(market, "inventory", "maker", (0, 4, 2, 0, 0), draws)[0]
    np.testing.assert_allclose(2 * np.exp(tilted), [3.0, 1.0], rtol=1e-6)
    for gaps, code in (((-0.1, -2.0), 1), ((3.0, 0.1), 2), ((0.5, -0.5), 0)):
        assert follow(market, "informed", "informed", (0, 0, *gaps, 0), draws)[0] == code
    assert follow(market, "hold", "maker", (0, 4, 2, 0, 0), draws).min() > np.log(market.widest / market.half_spread)
    assert follow(market, "hold", "noise", (0, 0, 2, 0), draws)[0] == 0
    assert set(market.rules_of(market.roles()[0])) == {"fixed-spread", "inventory", "hold"}
    assert "informed" not in OrderBook(makers=1, informed=0, noise_traders=0).rules()


def by_rules(market, rules, sessions, seed=0):
    """Quantities of sessions in which each role follows a rule: (sessions, steps, ...)."""
    dynamics = market.dynamics()

    @eqx.filter_jit
    def run(dynamics, keys):
        def one(key):
            draw, chance = jax.random.split(key)
            draws = jax.random.uniform(draw, (market.steps, market.n_players, 3))

            def step(state, now):
                key, draws = now
                seen, actions, first = dynamics.observe(state), {}, 0
                for role in dynamics.roles:
                    chosen = jax.vmap(lambda o, u, role=role: dynamics.follow(rules[role.name], role, o, u))
                    actions[role.name] = chosen(seen[role.name], draws[first : first + role.agents])
                    first += role.agents
                after, outcome = dynamics.step(key, state, actions)
                return after, (outcome.info, jnp.sum(after.book.quantity > 0))

            state = dynamics.reset(key)
            return jax.lax.scan(step, state, (jax.random.split(chance, market.steps), draws))[1]

        return jax.vmap(one)(keys)

    return jax.tree.map(np.asarray, run(dynamics, jax.random.split(jax.random.key(seed), sessions)))


def test_a_book_of_random_orders_is_a_queue_with_infinitely_many_servers():
    """Without market orders: arrivals at rate lambda, each leaves with probability theta: Poisson of lambda/theta."""
    market = OrderBook(
        makers=0, informed=0, noise_traders=4, steps=600, limit_rate=0.1, market_rate=0.0, cancel_rate=0.02, levels=5
    )
    info, live = by_rules(market, {"noise": "zero-intelligence"}, 60)
    assert info["volume"].max() == 0, "limit orders are placed where they do not trade"
    settled = live[:, 200:].mean(axis=1)
    assert abs(settled.mean() - 4 * 0.1 / 0.02) < 4 * settled.std() / np.sqrt(60)
    last = live[:, -1]
    assert stats.kstest(last + np.random.default_rng(0).uniform(-0.5, 0.5, 60), "norm", (20, np.sqrt(20))).pvalue > 1e-3


def test_market_orders_have_their_rate_and_size():
    market = OrderBook(makers=0, informed=0, noise_traders=4, steps=500, order_size=2.0, cancel_rate=0.005)
    info, _ = by_rules(market, {"noise": "zero-intelligence"}, 30)
    each = info["volume"].mean(axis=1)  # the book is deep enough that all is filled
    assert abs(each.mean() - 4 * 0.1 * 2.0) < 4 * each.std() / np.sqrt(30)
    assert abs(info["flow"].mean()) < 0.05


def test_who_knows_the_value_gains_from_those_who_do_not():
    market = OrderBook(makers=1, informed=1, noise_traders=4, steps=400, volatility=1.0)
    rules = {"maker": "inventory", "informed": "informed", "noise": "zero-intelligence"}
    info, _ = by_rules(market, rules, 60)
    gains = info["gain"].sum(axis=1)
    informed = gains[:, 1]
    assert informed.mean() > 3 * informed.std() / np.sqrt(60)
    assert np.abs(gains.sum(axis=1)).max() < 1e-2 * np.abs(gains).max()
    with_value = [np.corrcoef(v, m)[0, 1] for v, m in zip(info["value"], info["mid"], strict=True)]
    assert np.mean(with_value) > 0.8, "prices follow the value"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"makers": 0, "informed": 0, "noise_traders": 0}, "noise_traders: nobody trades"),
        ({"limit_rate": 0.7, "market_rate": 0.4}, "limit_rate: with market_rate it is 1.1, more than one order a step"),
        ({"capacity": 10}, "capacity: 10 is too small for 22 orders at the start; raise it"),
        ({"half_spread": 30.0}, "widest: 20 \\(its default\\) is less than half_spread; raise it to 30"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        OrderBook(**changes)


def test_benchmarks_say_what_is_known():
    known = OrderBook(levels=5, noise_traders=4, limit_rate=0.4, cancel_rate=0.05).benchmarks()
    assert known.competitive == known.cooperative == ()
    assert next(iter(known.numbers.values())) == pytest.approx(4 * 0.2 / 5 / 0.05)
    assert "add up to 0" in known.notes[0]

"""A market with a limit order book: makers quote, the informed know what it is worth, noise traders know nothing."""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built, normal
from tacitlab.markets.order_book import book as lob
from tacitlab.markets.order_book.book import BUY, SELL, Book, Order
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks

Floats = NDArray[np.float64]
SEEN = {
    "maker": ("time", "inventory", "spread", "imbalance", "change"),
    "informed": ("time", "inventory", "ask", "bid", "orders"),
    "noise": ("time", "inventory", "spread", "orders"),
}
RULES = {
    "fixed-spread": "quotes half_spread on both sides of the middle",
    "inventory": "quotes around the middle less skew times its inventory",
    "informed": "buys at market if the ask lies below the value, sells if the bid lies above it",
    "zero-intelligence": "orders and cancels at random, at constant rates",
    "hold": "does nothing",
}
RULES_OF = {
    "maker": ("fixed-spread", "inventory", "hold"),
    "informed": ("informed", "zero-intelligence", "hold"),
    "noise": ("zero-intelligence", "hold"),
}
HOLD, BUY_NOW, SELL_NOW, CANCEL, FIRST_LIMIT = range(5)  # actions of traders; limit orders of all distances follow
FAR_AWAY = 20.0  # action of a maker who does not quote
QUOTED = 3  # orders of a maker in a step: ask withdrawn; bid replaced; ask placed
DRAWS = 3  # of each trader: its turn, its size, which order it cancels
CLOSEST = 0.5  # least distance of a maker's quote from the middle, ticks
CANDIDATES = (-0.7, 0.0, 0.7)  # logarithms of distances that value-based makers compare


class BookState(NamedTuple):
    """Between two steps; prices are counted from the first one, so that sums stay small and exact."""

    time: Int[Array, ""]
    book: Book
    quotes: Int[Array, " 2"]  # best bid and ask, or where they would be
    last: Int[Array, ""]  # price of the last trade
    value: Float[Array, ""]
    change: Float[Array, ""]  # of the middle in the last step
    inventory: Int[Array, " agents"]
    cash: Int[Array, " agents"]  # at prices less the first one: plus inventory times that it is cash


class Turns(NamedTuple):
    """What traders do one after the other; arrays have a leading axis of turns."""

    agent: Int[Array, " turns"]
    cancels: Bool[Array, "turns 2"]  # an order among those of which sides
    draw: Float[Array, " turns"]  # which of them
    side: Int[Array, " turns"]
    absolute: Bool[Array, " turns"]  # whether a price is one, or a distance from the other side's best quote
    price: Int[Array, " turns"]
    quantity: Int[Array, " turns"]
    rests: Bool[Array, " turns"]


class Running(NamedTuple):
    """What changes from turn to turn."""

    book: Book
    quotes: Int[Array, " 2"]
    last: Int[Array, ""]
    inventory: Int[Array, " agents"]
    cash: Int[Array, " agents"]
    volume: Int[Array, ""]
    flow: Int[Array, ""]  # bought less sold by those who came in


class OrderBook(Market):
    """A continuous market with a limit order book on a grid of prices, priority of price, then of time.

    Prices are in ticks. In every step all traders act at once, and their orders come in one after the other: the
    makers withdraw their quotes and quote anew, then the informed and the noise traders act in random order. Then the
    value, which only the informed see, moves by a normal step and now and then by a jump.

    *Makers* set the distances of a bid and an ask from the middle between the best quotes, ``half_spread`` times the
    exponential of each action, and leave out what lies beyond ``widest``. *Informed* and *noise traders* choose one of
    4 + 2 ``levels`` actions: do nothing, buy or sell at market, cancel one of their orders at random, or place a limit
    order 1, 2, ... ticks from the best quote of the other side. The rule ``zero-intelligence`` does that at constant
    rates: uniform over distances (``decay: 0``) as in Smith et al., or falling with a power of the distance as in Cont
    et al.

    Gains are changes of cash and of the inventory's worth, at the value (``valuation: value``) or at the middle of the
    quotes (``mid``), which traders can push. They add up to 0, before the makers' cost of holding.

    References
    ----------
    E. Smith, J. D. Farmer, L. Gillemot and S. Krishnamurthy, "Statistical theory of the continuous double auction",
    Quantitative Finance 3 (2003) 481-514; R. Cont, S. Stoikov and R. Talreja, "A stochastic model for order book
    dynamics", Operations Research 58 (2010) 549-563.

    Examples
    --------
    >>> market = OrderBook(noise_traders=3, makers=1, informed=2)
    >>> [(role.name, role.agents) for role in market.roles()], market.roles()[1].actions.size
    ([('maker', 1), ('informed', 2), ('noise', 3)], 24)
    """

    role: ClassVar[str] = "trader"
    payoff_name: ClassVar[str] = "profit"
    payoff_unit: ClassVar[str] = "ticks"

    kind: Literal["order-book"] = "order-book"
    makers: int = param(1, "number of market makers", "agents", ge=0, le=1000)
    informed: int = param(1, "number of traders who know the value", "agents", ge=0, le=1000)
    noise_traders: int = param(4, "number of noise traders", "agents", ge=0, le=1000)
    steps: int = param(1000, "length of an episode", "steps", ge=1, le=1_000_000)
    price: int = param(10_000, "value, and middle of the quotes, at the beginning", "ticks", ge=100, le=1_000_000)
    levels: int = param(10, "largest distance of a limit order from the other side's best quote", "ticks", ge=1, le=200)
    limit_rate: float = param(0.3, "limit orders of a noise trader in a step", ge=0, le=1)
    market_rate: float = param(0.1, "market orders of a noise trader in a step", ge=0, le=1)
    cancel_rate: float = param(0.01, "probability that a noise trader's order is cancelled in a step", ge=0, le=1)
    decay: float = param(0.0, "power of the distance with which the rate of limit orders falls", ge=0, le=10)
    order_size: float = param(1.0, "mean size of a noise trader's order, geometric", "lots", ge=1, le=100)
    largest_order: int = param(100, "sizes are cut here", "lots", ge=1, le=10_000)
    informed_size: int = param(1, "size of an informed trader's order", "lots", ge=1, le=1000)
    maker_size: int = param(5, "size of a maker's bid and ask", "lots", ge=1, le=1000)
    half_spread: float = param(2.0, "distance of a maker's quotes at action 0", "ticks", gt=0, le=1000)
    widest: float = param(20.0, "beyond this distance a maker does not quote", "ticks", gt=0, le=10_000)
    skew: float = param(0.1, "by which the rule inventory moves both quotes for a lot held", "ticks/lot", ge=0)
    inventory_limit: int = param(100, "makers and informed do not order beyond it", "lots", ge=1, le=100_000)
    volatility: float = param(0.5, "sd of the value's normal steps", "ticks/step", ge=0, le=1000)
    jump_rate: float = param(0.0, "probability that the value jumps in a step", ge=0, le=1)
    jump_size: float = param(10.0, "sd of the jumps, normal", "ticks", ge=0, le=10_000)
    valuation: Literal["value", "mid"] = param("value", "what an inventory is worth")
    holding_penalty: float = param(0.0, "a maker's cost of a step: this times inventory squared", "ticks/lot²", ge=0)
    capacity: int = param(256, "live orders that the book has room for; others are refused", ge=2, le=65_536)

    @model_validator(mode="after")
    def _consistent(self) -> "OrderBook":
        if not self.n_players:
            raise ValueError("noise_traders: nobody trades; set makers, informed or noise_traders to 1 or more")
        if self.limit_rate + self.market_rate > 1:
            total = self.limit_rate + self.market_rate
            raise ValueError(f"limit_rate: with market_rate it is {total:g}, more than one order a step; lower them")
        seeded = 2 * self.levels * (self.noise_traders > 0) + 2 * self.makers
        if self.capacity < seeded:
            raise ValueError(f"capacity: {self.capacity} is too small for {seeded} orders at the start; raise it")
        if self.widest < self.half_spread:
            raise ValueError(f"widest: {self.widest:g} is less than half_spread; raise it to {self.half_spread:g}")
        return self

    @property
    def n_players(self) -> int:
        return self.makers + self.informed + self.noise_traders

    @property
    def horizon(self) -> int:
        return self.steps

    def roles(self) -> tuple[Role, ...]:
        orders = Discrete(FIRST_LIMIT + 2 * self.levels)
        every = (
            Role("maker", self.makers, SEEN["maker"], Continuous(2)),
            Role("informed", self.informed, SEEN["informed"], orders),
            Role("noise", self.noise_traders, SEEN["noise"], orders),
        )
        return tuple(role for role in every if role.agents)

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("mid", "ticks", False),
            Quantity("return", "", False),
            Quantity("value", "ticks", False),
            Quantity("spread", "ticks", False),
            Quantity("last_price", "ticks", False),
            Quantity("volume", "lots", False),
            Quantity("flow", "lots", False),
            Quantity("bid_depth", "lots", False),
            Quantity("ask_depth", "lots", False),
            Quantity("refused", "lots", False),
            Quantity("gain", "ticks"),
            Quantity("inventory", "lots"),
        )

    def rules(self) -> dict[str, str]:
        known = {rule for role in self.roles() for rule in RULES_OF[role.name]}
        return {rule: meaning for rule, meaning in RULES.items() if rule in known}

    def rules_of(self, role: Role) -> dict[str, str]:
        return {rule: RULES[rule] for rule in RULES_OF[role.name]}

    def dynamics(self) -> "OrderBookDynamics":
        return built(OrderBookDynamics, self)

    # --- numbers of play -----------------------------------------------------------------------------------------

    @property
    def limit_rates(self) -> Floats:
        """Limit orders of a noise trader in a step on one side, by distance: (levels,)."""
        weights = np.arange(1, self.levels + 1) ** -self.decay
        return np.asarray(self.limit_rate / 2 * weights / weights.sum())

    @property
    def below(self) -> Floats:
        """Cumulative rates of zero intelligence: orders to buy and to sell at market, then limit orders to do so."""
        return np.cumsum([*[self.market_rate / 2] * 2, *self.limit_rates, *self.limit_rates])

    @property
    def size_rate(self) -> float:
        """Logarithm of the probability that an order has one lot more."""
        more = 1 - 1 / self.order_size
        return np.log(more) if more > 0 else -np.inf

    def start(self) -> BookState:
        """At the beginning noise traders have an order at each distance on both sides, and nobody holds anything."""
        book, nobody = lob.empty(self.capacity), jnp.zeros(self.n_players, jnp.int32)
        if self.noise_traders:
            count, size = self.levels, max(1, round(self.order_size))
            distance = np.arange(1, count + 1)
            columns = {
                "side": np.repeat([BUY, SELL], count),
                "price": np.concatenate([-distance, distance]),
                "quantity": np.full(2 * count, size),
                "owner": self.makers + self.informed + np.arange(2 * count) % self.noise_traders,
                "ahead": size * np.tile(distance - 1, 2),
            }
            filled = {
                name: getattr(book, name).at[: 2 * count].set(jnp.asarray(x, jnp.int32)) for name, x in columns.items()
            }
            book = book._replace(**filled)
        none, still = jnp.zeros((), jnp.int32), jnp.zeros(())
        return BookState(none, book, jnp.array([-1, 1], jnp.int32), none, still, still, nobody, nobody)

    # --- theory --------------------------------------------------------------------------------------------------

    def benchmarks(self) -> Benchmarks:
        """Gains add up to 0, and that is all that is known."""
        numbers = {}
        if self.noise_traders and self.cancel_rate:
            number = self.noise_traders * float(self.limit_rates[-1]) / self.cancel_rate
            numbers["orders of zero-intelligence traders at a price, if always at the largest distance"] = number
        if self.holding_penalty:
            note = "gains add up to minus the makers' costs of holding: what one gains others lose"
        else:
            note = "gains add up to 0 in every step: what one gains others lose"
        return Benchmarks((), (), False, numbers, (note, "no equilibrium of the order book is known"))


class OrderBookDynamics(Dynamics):
    """Actions become orders, orders trades, trades gains."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    valuation: str = eqx.field(static=True)
    makers: int = eqx.field(static=True)
    informed: int = eqx.field(static=True)
    start: BookState
    horizon: Int[Array, ""]
    price: Int[Array, ""]
    below: Float[Array, " actions"]
    cancel_rate: Float[Array, ""]
    size_rate: Float[Array, ""]
    largest_order: Int[Array, ""]
    informed_size: Int[Array, ""]
    maker_size: Int[Array, ""]
    half_spread: Float[Array, ""]
    widest: Float[Array, ""]
    skew: Float[Array, ""]
    inventory_limit: Int[Array, ""]
    volatility: Float[Array, ""]
    jump_rate: Float[Array, ""]
    jump_size: Float[Array, ""]
    holding_penalty: Float[Array, ""]

    @property
    def agents(self) -> int:
        return len(self.start.inventory)

    @property
    def traders(self) -> int:
        """Agents who are no makers."""
        return self.agents - self.makers

    def reset(self, key: PRNGKeyArray) -> BookState:
        return self.start

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: BookState, actions: Actions) -> tuple[BookState, Outcome]:
        draws = jax.random.uniform(key, (3 + self.makers + DRAWS * self.traders,))
        world, makers, traders = jnp.split(draws, [3, 3 + self.makers])
        turns = self._turns(state, actions, makers, traders.reshape(DRAWS, self.traders))
        none = jnp.zeros((), jnp.int32)
        run = Running(state.book, state.quotes, state.last, state.inventory, state.cash, none, none)
        run, _ = jax.lax.scan(lambda run, turn: (self._turn(run, turn), None), run, turns)
        quotes = self._widened(run)
        value = state.value + self._moved(world)
        change = (jnp.sum(quotes) - jnp.sum(state.quotes)) / 2
        after = BookState(
            state.time + 1, run.book, quotes, run.last, value, change.astype(value.dtype), run.inventory, run.cash
        )
        gain = self._gains(state, after)
        over = after.time >= self.horizon
        info = self._info(state, after, run) | {"gain": gain}
        return after, Outcome(self._by_role(gain), jnp.zeros((), bool), over, info)

    def _by_role(self, x: Array) -> dict[str, Array]:
        found, begin = {}, 0
        for role in self.roles:
            found[role.name] = x[begin : begin + role.agents]
            begin += role.agents
        return found

    def _moved(self, draws: Float[Array, " 3"]) -> Float[Array, ""]:
        """Step of the value."""
        step, size = normal(draws[:2])
        return self.volatility * step + jnp.where(draws[2] < self.jump_rate, self.jump_size * size, 0.0)

    def _gains(self, before: BookState, after: BookState) -> Float[Array, " agents"]:
        """Change of cash and of what the inventory is worth, from differences: nothing large is subtracted."""
        old, new = self._mark(before), self._mark(after)
        traded = after.inventory - before.inventory
        gain = (after.cash - before.cash) + traded * new + before.inventory * (new - old)
        holds = jnp.arange(self.agents) < self.makers
        cost = self.holding_penalty * after.inventory.astype(new.dtype) ** 2
        return (gain - jnp.where(holds, cost, 0.0)).astype(new.dtype)

    def _mark(self, state: BookState) -> Float[Array, ""]:
        """What a lot is worth, less the first price."""
        return state.value if self.valuation == "value" else (jnp.sum(state.quotes) / 2).astype(state.value.dtype)

    def _widened(self, run: Running) -> Int[Array, " 2"]:
        """Best quotes; where a side has been empty to the end of a step, its quote moves away by one tick."""
        bid, ask = lob.quotes(run.book)
        away = jnp.stack([bid == -lob.FAR, ask == lob.FAR])
        return run.quotes + jnp.where(away, jnp.array([-1, 1], jnp.int32), 0)

    # --- turns ---------------------------------------------------------------------------------------------------

    def _turns(self, state: BookState, actions: Actions, makers: Array, traders: Array) -> Turns:
        """Everybody's actions in the order in which they are carried out."""
        parts = []
        if self.makers:
            parts.append(self._quoting(state, actions["maker"], jnp.argsort(makers)))
        if self.traders:
            codes = [actions[role.name][:, 0] for role in self.roles if role.name != "maker"]
            parts.append(self._ordering(state, jnp.concatenate(codes), *traders))
        return jax.tree.map(lambda *x: jnp.concatenate(x), *parts)

    def _quoting(self, state: BookState, actions: Float[Array, "makers 2"], order: Int[Array, " makers"]) -> Turns:
        """Makers one after the other replace their quotes; at their limit they quote on one side only."""
        bid, ask, near = self._maker_quotes(state, actions)
        held = state.inventory[: self.makers]
        buys, sells = near[:, 0] & (held < self.inventory_limit), near[:, 1] & (held > -self.inventory_limit)
        none, yes = jnp.zeros(self.makers, jnp.int32), jnp.ones(self.makers, bool)

        def each(withdrawn: Array, replaced: Array, placed: Array) -> Array:
            return jnp.stack([withdrawn, replaced, placed], axis=1)[order].reshape(QUOTED * self.makers)

        agents = jnp.arange(self.makers, dtype=jnp.int32)
        sides = (none + SELL, none + BUY, none + SELL)
        cancels = jnp.stack([each(~yes, yes, ~yes), each(yes, ~yes, ~yes)], axis=1)
        zero, size = jnp.zeros(QUOTED * self.makers, state.value.dtype), self.maker_size
        return Turns(
            each(agents, agents, agents), cancels, zero, each(*sides), each(yes, yes, yes), each(none, bid, ask),
            each(none, size * buys, size * sells), each(yes, yes, yes),
        )  # fmt: skip

    def _maker_quotes(
        self, state: BookState, actions: Float[Array, "makers 2"]
    ) -> tuple[Int[Array, " makers"], Int[Array, " makers"], Bool[Array, "makers 2"]]:
        """Bids and asks, a tick apart at least, and whether they are near enough to be made."""
        distance = self.half_spread * jnp.exp(actions)
        near, distance = distance <= self.widest, jnp.minimum(distance, self.widest)
        middle = (jnp.sum(state.quotes) / 2).astype(distance.dtype)
        bid = jnp.floor(middle - jnp.maximum(distance[:, 0], CLOSEST)).astype(jnp.int32)
        ask = jnp.ceil(middle + jnp.maximum(distance[:, 1], CLOSEST)).astype(jnp.int32)
        least = 1 - self.price
        bid = jnp.maximum(bid, least)
        return bid, jnp.maximum(ask, bid + 1), near

    def _ordering(
        self, state: BookState, codes: Float[Array, " traders"], turn: Array, sizes: Array, draws: Array
    ) -> Turns:
        """Informed and noise traders in random order."""
        order = jnp.argsort(turn)
        code = jnp.round(codes).astype(jnp.int32)
        knows = jnp.arange(self.traders) < self.informed
        drawn = 1 + jnp.floor(jnp.log1p(-sizes) / self.size_rate).astype(jnp.int32)
        quantity = jnp.where(knows, self.informed_size, jnp.minimum(drawn, self.largest_order))
        limit, sells = code >= FIRST_LIMIT, (code == SELL_NOW) | (code >= FIRST_LIMIT + self.levels)
        distance = 1 + (code - FIRST_LIMIT) - jnp.where(sells, self.levels, 0)
        after = state.inventory[self.makers :] + jnp.where(sells, -quantity, quantity)
        allowed = ~knows | (jnp.abs(after) <= self.inventory_limit)
        orders = (limit | (code == BUY_NOW) | (code == SELL_NOW)) & allowed
        cancels = jnp.broadcast_to((code == CANCEL)[:, None], (self.traders, 2))
        turns = Turns(
            jnp.arange(self.makers, self.agents, dtype=jnp.int32), cancels, draws.astype(state.value.dtype),
            jnp.where(sells, SELL, BUY), jnp.zeros_like(limit), distance, jnp.where(orders, quantity, 0), limit,
        )  # fmt: skip
        return jax.tree.map(lambda x: x[order], turns)

    def _turn(self, run: Running, turn: Turns) -> Running:
        """One trader cancels, orders, or both."""
        own = (run.book.owner == turn.agent) & (run.book.quantity > 0)
        own &= jnp.where(run.book.side == BUY, turn.cancels[0], turn.cancels[1])
        book, _ = lob.cancel(run.book, lob.pick(own, turn.draw))
        bid, ask = self._reference(book, run.quotes)
        placed = jnp.where(turn.side == BUY, ask - turn.price, bid + turn.price)
        price = jnp.maximum(jnp.where(turn.absolute, turn.price, placed), 1 - self.price)
        book, fills = lob.submit(book, Order(turn.side, price, turn.quantity, turn.agent, turn.rests))
        traded, sign = jnp.sum(fills.quantity, dtype=jnp.int32), 1 - 2 * turn.side
        agents = jnp.arange(self.agents, dtype=jnp.int32)
        passive = fills.owner == agents[:, None]
        money = fills.quantity * fills.price
        lots, paid = (jnp.sum(jnp.where(passive, x, 0), axis=1, dtype=jnp.int32) for x in (fills.quantity, money))
        active = agents == turn.agent
        worst = jnp.max(jnp.where(fills.quantity > 0, sign * fills.price, -lob.FAR))
        return Running(
            book,
            jnp.stack(self._reference(book, jnp.stack([bid, ask]))),
            jnp.where(traded > 0, sign * worst, run.last),
            run.inventory + sign * (jnp.where(active, traded, 0) - lots),
            run.cash - sign * (jnp.where(active, jnp.sum(money, dtype=jnp.int32), 0) - paid),
            run.volume + traded,
            run.flow + sign * traded,
        )

    def _reference(self, book: Book, old: Int[Array, " 2"]) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """Best quotes; the last one where a side is empty, moved so that the two do not cross."""
        bid, ask = lob.quotes(book)
        no_bid, no_ask = bid == -lob.FAR, ask == lob.FAR
        bid = jnp.where(no_bid, jnp.minimum(old[0], jnp.where(no_ask, old[1], ask) - 1), bid)
        return bid, jnp.where(no_ask, jnp.maximum(old[1], bid + 1), ask)

    def _info(self, before: BookState, after: BookState, run: Running) -> dict[str, Array]:
        dtype = after.value.dtype
        middle = self.price + jnp.sum(after.quotes) / 2
        bids, asks = lob.depth(run.book)
        found = {
            "mid": middle,
            "return": jnp.log1p(after.change / (middle - after.change)),
            "value": self.price + after.value,
            "spread": after.quotes[1] - after.quotes[0],
            "last_price": self.price + after.last,
            "volume": run.volume,
            "flow": run.flow,
            "bid_depth": bids,
            "ask_depth": asks,
            "refused": run.book.refused - before.book.refused,
            "inventory": after.inventory,
        }
        return {name: x.astype(dtype) for name, x in found.items()}

    # --- what agents see -----------------------------------------------------------------------------------------

    def observe(self, state: BookState) -> dict[str, Float[Array, "_ _"]]:
        agents, dtype = jnp.arange(self.agents, dtype=jnp.int32), state.value.dtype
        bids, asks = lob.depth(state.book)
        live = (state.book.owner == agents[:, None]) & (state.book.quantity > 0)
        known = {
            "time": state.time,
            "inventory": state.inventory,
            "spread": state.quotes[1] - state.quotes[0],
            "imbalance": (bids - asks) / jnp.maximum(bids + asks, 1),
            "change": state.change,
            "ask": state.quotes[1] - state.value,
            "bid": state.quotes[0] - state.value,
            "orders": jnp.sum(live, axis=1),
        }
        every = {name: jnp.broadcast_to(x.astype(dtype), (self.agents,)) for name, x in known.items()}
        parts = {name: self._by_role(x) for name, x in every.items()}
        return {role.name: jnp.stack([parts[name][role.name] for name in role.observes], axis=1) for role in self.roles}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Ticks in units of the distances that orders have, inventories in half their limit."""
        scaled = {
            "time": lambda x: 2 * x / self.horizon - 1,
            "inventory": lambda x: jnp.tanh(2 * x / self.inventory_limit),
            "imbalance": lambda x: x,
            "orders": lambda x: jnp.tanh(x / 5),
            "spread": lambda x: jnp.tanh(x / (2 * self.half_spread) - 1),
        }
        seen = zip(role.observes, observation, strict=True)
        return jnp.stack([scaled.get(name, lambda x: jnp.tanh(x / (2 * self.half_spread)))(x) for name, x in seen])

    def global_state(self, state: BookState) -> Float[Array, " features"]:
        bids, asks = lob.depth(state.book)
        gaps = (state.quotes - state.value) / (2 * self.half_spread)
        parts = [
            jnp.stack([2 * state.time / self.horizon - 1, (bids - asks) / jnp.maximum(bids + asks, 1)]),
            jnp.tanh(jnp.append(gaps, state.change / (2 * self.half_spread))),
            jnp.tanh(2 * state.inventory / self.inventory_limit),
        ]
        return jnp.concatenate([part.astype(state.value.dtype) for part in parts])

    # --- actions -------------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All orders; of makers, half, once and twice the usual distance on each side."""
        if isinstance(role.actions, Discrete):
            return super().candidates(role, observation)
        both = jnp.stack(jnp.meshgrid(*2 * [jnp.array(CANDIDATES)], indexing="ij"), axis=2).reshape(-1, 2)
        return both, jnp.asarray(len(both))

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " size"]
    ) -> Float[Array, " size"]:
        if isinstance(role.actions, Discrete):
            return super().explore(role, observation, draws)
        return 2 * draws - 1

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        seen = dict(zip(role.observes, observation, strict=True))
        if rule == "fixed-spread":
            return jnp.zeros(2, observation.dtype)
        if rule == "inventory":
            shift = self.skew * seen["inventory"]
            distance = self.half_spread + jnp.stack([shift, -shift])
            return jnp.log(jnp.maximum(distance, CLOSEST) / self.half_spread)
        if rule == "informed":
            code = jnp.where(seen["ask"] < 0, BUY_NOW, jnp.where(seen["bid"] > 0, SELL_NOW, HOLD))
        elif rule == "zero-intelligence":
            where = jnp.sum(draws[0] >= self.below)
            order = jnp.where(where < 2, BUY_NOW + where, FIRST_LIMIT + where - 2)
            cancels = draws[0] < self.below[-1] + self.cancel_rate * seen["orders"]
            code = jnp.where(where < len(self.below), order, jnp.where(cancels, CANCEL, HOLD))
        elif rule == "hold" and role.name == "maker":
            return jnp.full(2, FAR_AWAY, observation.dtype)
        elif rule == "hold":
            code = jnp.asarray(HOLD)
        else:
            return super().follow(rule, role, observation, draws)
        return code[None].astype(observation.dtype)

"""The double auction of laboratory markets: buyers with values and sellers with costs quote until they agree."""

from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.double_auction.theory import (
    BilateralTrade,
    CompetitiveEquilibrium,
    competitive_equilibrium,
    expected_surplus,
)
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

Floats = NDArray[np.float64]
NonNegative = Annotated[float, Field(ge=0)]
SEEN = ("time", "worth", "units", "bid", "ask", "price")
LADDER = (0.05, 0.95)  # lowest and highest value and cost, in highest prices
MOST_TICKS = 2**20
NONE = -1  # no quote
CANDIDATES = 9  # quotes that value-based learners compare
FULL = 0.995  # hyperbolic tangent of the largest candidate
CLOSE = 1e-3  # ticks by which rounding may have moved a price off the grid


class DoubleAuctionState(NamedTuple):
    """Between two steps; traders are the buyers, then the sellers."""

    time: Int[Array, ""]
    worth: Float[Array, " traders"]  # value or cost of a unit
    ideal: Float[Array, " 2"]  # largest surplus and competitive price
    units: Int[Array, " traders"]  # that may still be traded
    quote: Int[Array, " traders"]  # live ones in ticks, or NONE
    number: Int[Array, " traders"]  # of arrival, of the live quotes
    arrivals: Int[Array, ""]
    price: Float[Array, ""]  # of the last trade
    sums: Float[Array, " 4"]  # over all trades so far: units, prices, squared distances from the ideal price, gains


class Progress(NamedTuple):
    """What changes while quotes come in."""

    units: Int[Array, " traders"]
    quote: Int[Array, " traders"]
    number: Int[Array, " traders"]
    arrivals: Int[Array, ""]
    price: Float[Array, ""]
    bought: Int[Array, " traders"]  # units; negative where sold
    paid: Float[Array, " traders"]
    sums: Float[Array, " 3"]  # units, prices, squared distances from the ideal price


class DoubleAuction(Market):
    """Buyers and sellers of units, each with a private value or cost, quote prices until they agree.

    ``trading: continuous``. Quotes come in one by one, of one trader drawn at random in each step or of everybody in
    random order (``arrival``). A bid that reaches the best ask trades at that ask, an ask that reaches the best bid at
    that bid: the standing quote makes the price, the earlier one if two are equal. With ``improving`` a quote must be
    better than the standing one or is refused; with ``clearing`` a trade removes all quotes.

    ``trading: call``. In each step all quotes are collected, and as many units change hands as can, all at one price:
    ``weight`` times the highest price that clears plus the rest times the lowest. With one buyer, one seller and one
    step this is the sealed-bid double auction of Chatterjee and Samuelson.

    An action sets the quote between its bounds: 0 to the value for a buyer, the cost to the highest price for a
    seller; the whole range of prices for both, at a loss too, if they are not ``constrained``. Traders gain value less
    price, or price less cost. Prices lie on a grid; buyers round down, sellers up.

    References
    ----------
    D. Gode and S. Sunder, "Allocative efficiency of markets with zero-intelligence traders", Journal of Political
    Economy 101 (1993) 119-137; V. Smith, Journal of Political Economy 70 (1962) 111-137; K. Chatterjee and W.
    Samuelson, Operations Research 31 (1983) 835-851.

    Examples
    --------
    >>> market = DoubleAuction()
    >>> found = market.benchmarks().numbers
    >>> round(found["competitive price"], 9), round(found["largest surplus"], 9)
    (0.5, 2.7)
    """

    role: ClassVar[str] = "trader"
    payoff_name: ClassVar[str] = "gain"
    payoff_unit: ClassVar[str] = "currency"

    kind: Literal["double-auction"] = "double-auction"
    buyers: int = param(11, "number of buyers", "agents", ge=1, le=10_000)
    sellers: int = param(11, "number of sellers", "agents", ge=1, le=10_000)
    schedule: Literal["ladder", "uniform"] = param(
        "ladder", "values and costs: equal steps from 0.95 to 0.05 of the highest price, or drawn in each episode"
    )
    values: tuple[NonNegative, ...] | None = param(None, "in place of the schedule, one for each buyer", "currency")
    costs: tuple[NonNegative, ...] | None = param(None, "in place of the schedule, one for each seller", "currency")
    units: int = param(1, "units that each trader may trade, all worth the same", "units", ge=1, le=1000)
    steps: int = param(4000, "length of an episode", "steps", ge=1, le=1_000_000)
    trading: Literal["continuous", "call"] = param("continuous", "quote by quote, or all at one price")
    arrival: Literal["one", "all"] = param("one", "who quotes in a step: one of a random side, or everybody in turn")
    improving: bool = param(True, "whether a quote must be better than the standing one")
    clearing: bool = param(True, "whether a trade removes all quotes")
    constrained: bool = param(True, "whether quotes at a loss are impossible")
    weight: float = param(0.5, "of the highest price that clears, in a call; k", ge=0, le=1)
    highest: float = param(1.0, "highest price", "currency", gt=0)
    tick: float = param(0.001, "distance of two prices", "currency", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> "DoubleAuction":
        if not 2 <= round(self.highest / self.tick) <= MOST_TICKS:
            raise ValueError(
                f"tick: {self.tick:g} makes {self.highest / self.tick:.3g} prices; choose from "
                f"{self.highest / MOST_TICKS:.2g} to {self.highest / 2:g}"
            )
        if abs(self.highest / self.tick - self.ticks) > 1e-6 * self.ticks:
            raise ValueError(f"tick: {self.highest:g} is no multiple of {self.tick:g}; choose one that divides it")
        for name, given, agents in (("values", self.values, self.buyers), ("costs", self.costs, self.sellers)):
            if given is None:
                continue
            if len(given) != agents:
                who = "buyers" if name == "values" else "sellers"
                raise ValueError(f"{name}: {len(given)} numbers for {agents} {who}; give one for each")
            if max(given) > self.highest:
                raise ValueError(f"{name}: {max(given):g} is above the highest price; set highest to it or more")
            if self.schedule == "uniform":
                raise ValueError(f"{name}: they are drawn with schedule=uniform; leave them out, or the schedule")
        return self

    @property
    def ticks(self) -> int:
        """The highest price in ticks."""
        return round(self.highest / self.tick)

    @property
    def bilateral(self) -> bool:
        """Whether this is the game that Chatterjee and Samuelson solved."""
        alone = self.buyers == self.sellers == self.units == self.steps == 1
        return alone and self.trading == "call" and self.schedule == "uniform"

    def worths(self) -> tuple[Floats, Floats]:
        """Values and costs of a unit, (buyers,) and (sellers,), as given or by the ladder."""
        low, high = (share * self.highest for share in LADDER)
        values = np.linspace(high, low, self.buyers) if self.values is None else np.array(self.values)
        costs = np.linspace(low, high, self.sellers) if self.costs is None else np.array(self.costs)
        return values, costs

    @property
    def worth(self) -> Floats:
        """Values of all buyers, then costs of all sellers: (traders,)."""
        return np.concatenate(self.worths())

    @property
    def sign(self) -> NDArray[np.int32]:
        """1 for each buyer, then -1 for each seller: (traders,)."""
        return np.repeat(np.array([1, -1], np.int32), [self.buyers, self.sellers])

    @property
    def equilibrium(self) -> CompetitiveEquilibrium | None:
        """The competitive equilibrium; None if values are drawn."""
        if self.schedule == "uniform":
            return None
        values, costs = self.worths()
        return competitive_equilibrium(np.repeat(values, self.units), np.repeat(costs, self.units))

    # --- theory --------------------------------------------------------------------------------------------------

    def benchmarks(self) -> Benchmarks:
        """Competitive equilibrium, which is efficient; or bilateral trade, where private values prevent that."""
        known = self.equilibrium
        if known is None:
            return self._drawn()
        values, costs = self.worths()

        def at(name: str, price: float) -> Profile:
            gains = self.units * np.concatenate([np.maximum(values - price, 0), np.maximum(price - costs, 0)])
            return Profile(name, "wardrop", gains, "demand meets supply", quantities={"price": np.array([price])})

        competitive = [at("competitive", known.price)]
        if known.high - known.low > 1e-9 * self.highest:  # whatever the price between them, nobody exploits anybody
            competitive += [at("lowest competitive price", known.low), at("highest competitive price", known.high)]
        numbers = {
            "competitive price": known.price,
            "lowest competitive price": known.low,
            "highest competitive price": known.high,
            "units traded at a least": float(known.least),
            "units traded at most": float(known.most),
            "largest surplus": known.surplus,
        }
        notes = (
            "the competitive equilibrium is efficient: what can be told apart is how near the market comes",
            "payoffs of the joint optimum are those at the competitive price; any other division adds up to the same",
        )
        joint = Profile("largest surplus", "joint-optimum", competitive[0].payoffs, "highest values meet lowest costs")
        return Benchmarks(tuple(competitive), (joint,), False, numbers, notes)

    def _drawn(self) -> Benchmarks:
        """Expectations over values and costs."""
        units = self.units * self.highest
        best = units * expected_surplus(self.buyers, self.sellers)
        numbers = {"largest surplus, in the mean": best}
        agents = self.buyers + self.sellers
        joint = Profile("first best", "joint-optimum", np.full(agents, best / agents), "binomial sums")
        if not self.bilateral:
            note = "with private values no equilibrium is known here"
            return Benchmarks((), (joint,), False, numbers, (note,))
        trade = BilateralTrade(self.weight)
        payoffs = self.highest * np.array(trade.payoffs)
        linear = Profile("linear equilibrium", "nash", payoffs, "closed form (Chatterjee and Samuelson 1983)")
        numbers["efficiency of the linear equilibrium"] = trade.efficiency
        notes = (
            "one of many equilibria; at k = 1/2 no mechanism that leaves traders free to walk away gains more",
            f"prices on a grid of {self.tick:g}, which moves payoffs by about as much",
        )
        return Benchmarks((linear,), (joint,), False, numbers, notes)

    # --- play ----------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.steps

    def roles(self) -> tuple[Role, ...]:
        return tuple(
            Role(name, agents, SEEN, Continuous(1))
            for name, agents in (("buyer", self.buyers), ("seller", self.sellers))
        )

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("price", "currency", False),
            Quantity("mean_price", "currency", False),
            Quantity("alpha", "share of the competitive price", False),
            Quantity("trades", "units", False),
            Quantity("surplus", "currency", False),
            Quantity("efficiency", "share of the largest surplus", False),
            Quantity("quote", "currency"),
            Quantity("bought", "units"),
        )

    def rules(self) -> dict[str, str]:
        found = {
            "zero-intelligence": "any quote that brings no loss, each as likely (ZI-C)",
            "truthful": "its value or cost",
        }
        if not self.constrained:
            found["unconstrained"] = "any quote, each as likely, also at a loss (ZI-U)"
        if self.bilateral:
            found["linear-equilibrium"] = "the equilibrium of Chatterjee and Samuelson"
        return found

    def dynamics(self) -> "DoubleAuctionDynamics":
        return built(DoubleAuctionDynamics, self)


class DoubleAuctionDynamics(Dynamics):
    """Quotes arrive, trade, and leave the book."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    schedule: str = eqx.field(static=True)
    trading: str = eqx.field(static=True)
    arrival: str = eqx.field(static=True)
    improving: bool = eqx.field(static=True)
    clearing: bool = eqx.field(static=True)
    constrained: bool = eqx.field(static=True)
    worth: Float[Array, " traders"]
    sign: Int[Array, " traders"]  # 1: buyer, -1: seller
    units: Int[Array, ""]
    horizon: Int[Array, ""]
    weight: Float[Array, ""]
    highest: Float[Array, ""]
    tick: Float[Array, ""]

    @property
    def buyers(self) -> int:
        return self.roles[0].agents

    def reset(self, key: PRNGKeyArray) -> DoubleAuctionState:
        worth = self.worth
        if self.schedule == "uniform":
            worth = self.highest * jax.random.uniform(key, worth.shape, worth.dtype)
        zero = jnp.zeros((), jnp.int32)
        units = jnp.broadcast_to(self.units, worth.shape)
        nobody = jnp.zeros_like(self.sign)
        return DoubleAuctionState(
            zero, worth, self._ideal(worth), units, nobody + NONE, nobody, zero, self.highest / 2,
            jnp.zeros(4, worth.dtype),
        )  # fmt: skip

    def _ideal(self, worth: Float[Array, " traders"]) -> Float[Array, " 2"]:
        """Largest surplus and the middle of the competitive prices, as :func:`competitive_equilibrium` has it."""
        values, costs = -jnp.sort(-worth[: self.buyers]), jnp.sort(worth[self.buyers :])
        both = min(len(values), len(costs))
        gain = values[:both] - costs[:both]
        count = jnp.sum(gain > 0)
        bid = jnp.concatenate([self.highest[None], values, jnp.zeros(1, worth.dtype)])
        ask = jnp.concatenate([jnp.zeros(1, worth.dtype), costs, self.highest[None]])
        low, high = jnp.maximum(ask[count], bid[count + 1]), jnp.minimum(bid[count], ask[count + 1])
        return jnp.stack([self.units * jnp.sum(jnp.maximum(gain, 0)), (low + high) / 2])

    # --- what happens --------------------------------------------------------------------------------------------

    def step(
        self, key: PRNGKeyArray, state: DoubleAuctionState, actions: Actions
    ) -> tuple[DoubleAuctionState, Outcome]:
        wanted = jnp.concatenate([actions[role.name][:, 0] for role in self.roles]).astype(state.worth.dtype)
        quotes = self._quotes(state.worth, wanted)
        none = jnp.zeros_like(state.worth)
        turns = Progress(
            state.units, state.quote, state.number, state.arrivals, state.price, jnp.zeros_like(self.sign), none,
            jnp.zeros(3, none.dtype),
        )  # fmt: skip
        if self.trading == "call":
            turns = self._called(turns, quotes, jax.random.uniform(key, none.shape), state.ideal[1])
        else:
            order = self._order(key)
            turns, _ = jax.lax.scan(lambda t, i: (self._turn(t, i, quotes[i], state.ideal[1]), None), turns, order)
        gain = turns.bought * state.worth - turns.paid
        sums = state.sums + jnp.append(turns.sums, jnp.sum(gain))
        over = state.time + 1 >= self.horizon
        after = DoubleAuctionState(
            state.time + 1, state.worth, state.ideal, turns.units, turns.quote, turns.number, turns.arrivals,
            turns.price, sums,
        )  # fmt: skip
        info = self._info(after) | {"quote": self.tick * quotes, "bought": turns.bought.astype(gain.dtype)}
        rewards = {role.name: part for role, part in zip(self.roles, self._sides(gain), strict=True)}
        return after, Outcome(rewards, over, jnp.zeros((), bool), info)

    def _sides(self, x: Array) -> tuple[Array, Array]:
        return x[: self.buyers], x[self.buyers :]

    def _quotes(self, worth: Float[Array, " traders"], actions: Float[Array, " traders"]) -> Int[Array, " traders"]:
        """Prices in ticks."""
        low, high = self._bounds(worth, self.sign > 0)
        price = (low + (1 + jnp.tanh(actions)) / 2 * (high - low)) / self.tick
        rounded = jnp.where(self.sign > 0, jnp.floor(price + CLOSE), jnp.ceil(price - CLOSE))
        return rounded.astype(jnp.int32)

    def _bounds(self, worth: Array, buys: Array) -> tuple[Array, Array]:
        """Between which prices an action chooses."""
        none, top = jnp.zeros_like(worth), jnp.broadcast_to(self.highest, jnp.shape(worth))
        if not self.constrained:
            return none, top
        return jnp.where(buys, none, worth), jnp.where(buys, worth, top)

    def _order(self, key: PRNGKeyArray) -> Int[Array, " turns"]:
        """Whose quotes come in, one after the other."""
        if self.arrival == "all":
            return jnp.argsort(jax.random.uniform(key, self.sign.shape)).astype(jnp.int32)
        side, who = jax.random.uniform(key, (2,))
        sellers = len(self.sign) - self.buyers
        chosen = jnp.where(side < 0.5, jnp.floor(who * self.buyers), self.buyers + jnp.floor(who * sellers))
        return jnp.minimum(chosen, len(self.sign) - 1).astype(jnp.int32)[None]

    def _turn(self, t: Progress, who: Int[Array, ""], quote: Int[Array, ""], ideal: Float[Array, ""]) -> Progress:
        """One quote comes in: it trades, stands, or is refused."""
        sign, here = self.sign[who], jnp.arange(len(self.sign)) == who
        active, there = t.units[who] > 0, (t.quote != NONE) & (self.sign != sign)
        worst = jnp.iinfo(jnp.int32).max
        best = jnp.min(jnp.where(there, sign * t.quote, worst))
        first = jnp.where(there & (sign * t.quote == best), t.number, worst)
        other = jnp.arange(len(self.sign)) == jnp.argmin(first)
        trade, offer = active & (best != worst) & (sign * quote >= best), sign * quote
        same = (t.quote != NONE) & (self.sign == sign)
        stands = active & ~trade
        if self.improving:
            stands &= offer > jnp.max(jnp.where(same, sign * t.quote, -worst))
        leaves = trade & (jnp.ones_like(here) if self.clearing else here | other)
        new = here & stands
        price = self.tick * (sign * jnp.where(trade, best, 0))
        flow = trade * (here * sign - other * sign)
        count = trade.astype(price.dtype)
        return Progress(
            t.units - jnp.abs(flow),
            jnp.where(new, quote, jnp.where(leaves, NONE, t.quote)),
            jnp.where(new, t.arrivals, t.number),
            t.arrivals + stands,
            jnp.where(trade, price, t.price),
            t.bought + flow,
            t.paid + flow * price,
            t.sums + count * jnp.stack([jnp.ones_like(price), price, (price - ideal) ** 2]),
        )

    def _called(
        self, t: Progress, quotes: Int[Array, " traders"], draws: Float[Array, " traders"], ideal: Float[Array, ""]
    ) -> Progress:
        """All quotes at once, at one price; equal ones are served in random order."""
        top, active = jnp.iinfo(jnp.int32).max, t.units > 0
        bids, asks = self._sides(jnp.where(active, quotes, jnp.where(self.sign > 0, NONE, top)))
        demand, supply = -jnp.sort(-bids), jnp.sort(asks)
        both = min(len(bids), len(asks))
        count = jnp.sum(demand[:both] >= supply[:both])
        bid, ask = jnp.append(demand, NONE), jnp.append(supply, top)
        low = jnp.maximum(ask[jnp.maximum(count - 1, 0)], bid[count])
        high = jnp.minimum(bid[jnp.maximum(count - 1, 0)], ask[count])
        dtype = t.price.dtype
        price = self.tick * jnp.where(count > 0, self.weight * high + (1 - self.weight) * low, 0).astype(dtype)
        offers = jnp.where(active, self.sign * quotes, -top)
        same = self.sign[:, None] == self.sign
        better = (offers > offers[:, None]) | ((offers == offers[:, None]) & (draws > draws[:, None]))
        flow = self.sign * (active & (jnp.sum(same & better, axis=1) < count))
        units = count.astype(dtype)
        return t._replace(
            units=t.units - jnp.abs(flow),
            price=jnp.where(count > 0, price, t.price),
            bought=flow,
            paid=flow * price,
            sums=units * jnp.stack([jnp.ones_like(price), price, (price - ideal) ** 2]),
        )

    def _info(self, after: DoubleAuctionState) -> dict[str, Array]:
        """Quantities over all trades of the episode so far; the ideal price stands for that of none."""
        (count, prices, off, surplus), (largest, ideal) = after.sums, after.ideal
        some = jnp.maximum(count, 1)
        return {
            "price": after.price,
            "mean_price": jnp.where(count > 0, prices / some, ideal),
            "alpha": jnp.sqrt(off / some) / jnp.maximum(ideal, self.tick),
            "trades": count,
            "surplus": surplus,
            "efficiency": jnp.where(largest > 0, surplus / jnp.where(largest > 0, largest, 1.0), 1.0),
        }

    # --- what agents see -----------------------------------------------------------------------------------------

    def observe(self, state: DoubleAuctionState) -> dict[str, Float[Array, "_ _"]]:
        dtype = state.worth.dtype
        bids, asks = self._sides(state.quote)
        bid = self.tick * jnp.maximum(jnp.max(bids), 0).astype(dtype)
        ask = jnp.min(jnp.where(asks == NONE, jnp.iinfo(jnp.int32).max, asks))
        ask = jnp.where(jnp.any(asks != NONE), self.tick * ask.astype(dtype), self.highest)
        shared = [state.time.astype(dtype), bid, ask, state.price]
        time, bid, ask, price = (jnp.broadcast_to(x, state.worth.shape) for x in shared)
        seen = jnp.stack([time, state.worth, state.units.astype(dtype), bid, ask, price], axis=1)
        return {role.name: part for role, part in zip(self.roles, self._sides(seen), strict=True)}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        top, every = self.highest, jnp.maximum(self.units, 1)
        return 2 * observation / jnp.stack([self.horizon, top, every, top, top, top]).astype(observation.dtype) - 1

    def global_state(self, state: DoubleAuctionState) -> Float[Array, " features"]:
        dtype = state.worth.dtype
        time = (2 * state.time / self.horizon - 1).astype(dtype)[None]
        quote = jnp.where(state.quote == NONE, -1.0, 2 * self.tick * state.quote / self.highest - 1).astype(dtype)
        worth, units = 2 * state.worth / self.highest - 1, (state.units / self.units).astype(dtype)
        return jnp.concatenate([time, worth, units, quote, state.price[None] / self.highest])

    # --- actions -------------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Quotes at equal distances between their bounds."""
        return jnp.arctanh(FULL * jnp.linspace(-1.0, 1.0, CANDIDATES))[:, None], jnp.asarray(CANDIDATES)

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " size"]
    ) -> Float[Array, " size"]:
        return jnp.arctanh(FULL * (2 * draws - 1))

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        buys, worth, draw = jnp.asarray(role.name == "buyer"), observation[1], draws[0]
        low, high = self._bounds(worth, buys)
        if rule == "truthful":
            wanted = worth
        elif rule == "zero-intelligence":
            wanted = jnp.where(buys, draw * worth, worth + draw * (self.highest - worth))
        elif rule == "unconstrained":
            wanted = draw * self.highest
        elif rule == "linear-equilibrium":
            k, share = self.weight, worth / self.highest
            bid = share / (1 + k) + k * (1 - k) / (2 * (1 + k))
            wanted = self.highest * jnp.where(buys, bid, share / (2 - k) + (1 - k) / 2)
        else:
            return super().follow(rule, role, observation, draws)
        part = jnp.clip((wanted - low) / jnp.maximum(high - low, self.tick), 0.0, 1.0)
        least = 2.0**-23  # the inverse of the largest part would be infinite
        return jnp.arctanh(jnp.clip(2 * part - 1, -1 + least, 1 - least))[None].astype(observation.dtype)

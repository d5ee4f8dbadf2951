"""A volatile resource market: agents buy and sell, their orders move the price, and they may signal intentions."""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Discrete, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built, normal
from tacitlab.markets.resource.equilibrium import equilibrium
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.rules import SIDES, rule_values
from tacitlab.markets.resource.theory import TradingGame, marked_up_gain
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

Seen = Literal["trend", "level", "signal", "time", "price", "change", "inventory", "cash", "flow"]
Floats = NDArray[np.float64]
SEEN = "benchmarks know everybody's inventory and the time; traders see less"
FULL = ("time", "inventory", "rival-inventory", "trend", "own-signal", "rival-signal")
LEAST_GROWTH = 1e-3  # of the price in a step of the linear law, which could make it negative
HOLD = {3: 1, 9: 4}  # index of holding with a neutral signal


class ResourceMarket(Market):
    """Agents trade a resource whose price follows their orders and noise.

    In every step each agent buys, sells or holds one lot. With the net order n and noise e the price P becomes
    P (1 + impact n + e) (``law: linear``) or P exp(impact n + e - volatility²/2) (``exponential``). The source never
    says at which price a trade fills, and that decides every result: at the old price (``pre``, a money pump), at the
    mean of old and new (``mid``), at the new one (``post``), or at the integral of the price over the order
    (``exact``: a round trip neither gains nor loses).

    ``valuation: mark-to-market`` counts an inventory at the last price; ``liquidation`` at what selling it, alone and
    lot by lot, would bring, in every step or only in the last one (``final-liquidation``). An order that breaks a limit
    becomes a hold.

    Traders see the trend of the price, the level of their inventory and the sum of the others' signals, each in three
    values, as in the source, or the numbers behind them (``observes``). Adversaries see everything: ``responders`` earn
    as traders do, ``spoofers`` earn what the others lose, ``noise_traders`` are there to be given random rules.

    References
    ----------
    "Emergent Cooperative Intelligence in High-Frequency Resource Allocation", the source of the model and its claims.

    Examples
    --------
    >>> market = ResourceMarket(steps=100)
    >>> market.roles()[0].observes, market.roles()[0].actions.size
    (('trend', 'level', 'signal'), 9)
    """

    role: ClassVar[str] = "trader"
    payoff_name: ClassVar[str] = "gain"
    payoff_unit: ClassVar[str] = "currency"

    kind: Literal["resource"] = "resource"
    traders: int = param(2, "number of traders, N", "agents", ge=1, le=100_000)
    responders: int = param(0, "adversaries who see everything and earn as traders do", "agents", ge=0, le=1000)
    spoofers: int = param(0, "adversaries who see everything and earn what all others lose", "agents", ge=0, le=1000)
    noise_traders: int = param(0, "traders whose orders the others have to live with", "agents", ge=0, le=100_000)
    steps: int = param(1000, "length of an episode, T", "steps", ge=1, le=1_000_000)
    price: float = param(100.0, "price at the beginning, P_0", "currency/unit", gt=0)
    quantity: float = param(1.0, "lot that an order trades, q", "units", gt=0)
    impact: float = param(0.01, "relative change of the price for a unit of net order, alpha", "1/unit", ge=0)
    impact_scaling: Literal["fixed", "per-agent"] = param(
        "fixed", "the impact as given, or times 2 / number of agents, so that all together move the price as two do"
    )
    volatility: float = param(0.01, "sd of the relative noise of a step, sigma", ge=0, le=1)
    law: Literal["exponential", "linear"] = param("exponential", "how orders and noise change the price")
    execution: Literal["exact", "pre", "mid", "post"] = param("exact", "price at which orders fill")
    valuation: Literal["liquidation", "final-liquidation", "mark-to-market"] = param(
        "liquidation", "what an inventory is worth; final: marked to market until the last step sells it"
    )
    signals: Literal["explicit", "implicit", "none"] = param(
        "explicit",
        "what agents see of each other: intentions sent with orders, the others' last net order, or nothing",
    )
    scrambled: bool = param(False, "whether signals are replaced by random ones on their way: what are they worth?")
    inventory: int = param(5, "inventory at the beginning", "lots")
    lowest: int = param(0, "least inventory; below 0: short sales", "lots")
    highest: int | None = param(10, "largest inventory; none: only cash limits it", "lots")
    cash: float | None = param(None, "cash at the beginning, which buyers need; none: no limit", "currency", ge=0)
    levels: tuple[int, int] = param((4, 7), "a low inventory is below the first, a high one from the second on", "lots")
    dead_band: float | None = param(None, "changes of the price up to this are no trend; none: half the impact", ge=0)
    shock: float = param(0.0, "probability that an agent is given or robbed of a lot after a step", ge=0, le=1)
    holding_penalty: float = param(0.0, "cost of a step: this times price times inventory squared", "1/unit", ge=0)
    observes: tuple[Seen, ...] = param(("trend", "level", "signal"), "what a trader sees", min_length=1)
    end: Literal["terminated", "truncated"] = param(
        "terminated", "whether learners take the end of an episode for the end of all earnings, or for a cut"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "ResourceMarket":
        if self.execution == "exact" and self.law == "linear":
            raise ValueError("execution: exact is the integral of the exponential law; set law=exponential")
        top = self.highest if self.highest is not None else self.inventory
        if not self.lowest <= self.inventory <= top:
            raise ValueError(f"inventory: {self.inventory} lies outside its limits; choose from {self.lowest} to {top}")
        if self.highest is None and self.cash is None:
            raise ValueError("highest: without a limit of inventory or cash prices grow for ever; set highest or cash")
        if self.levels[0] > self.levels[1]:
            raise ValueError(f"levels: {list(self.levels)} are in the wrong order; give the lower one first")
        if "signal" in self.observes and self.signals == "none":
            raise ValueError("observes: there are no signals to see; leave out signal, or set signals")
        if self.scrambled and "signal" not in self.observes:
            raise ValueError("scrambled: traders see no signals; add signal to observes, or leave it out")
        if len(set(self.observes)) < len(self.observes):
            raise ValueError(f"observes: {list(self.observes)} has an entry twice; remove one")
        if "cash" in self.observes and self.cash is None:
            raise ValueError("observes: cash has no limit here; leave it out, or set cash")
        return self

    @property
    def alpha(self) -> float:
        """Impact of a unit of net order, scaled for the number of agents."""
        return self.impact * (2 / self.n_players if self.impact_scaling == "per-agent" else 1)

    @property
    def band(self) -> float:
        """Changes of the price up to this are no trend."""
        return self.alpha * self.quantity / 2 if self.dead_band is None else self.dead_band

    # --- theory --------------------------------------------------------------------------------------------------

    @property
    def game(self) -> TradingGame | None:
        """The market as exact dynamic programming sees it; None where cash binds, which would need a price grid."""
        if self.highest is None or self.cash is not None:
            return None
        return TradingGame(
            alpha=self.alpha, quantity=self.quantity, lowest=self.lowest, highest=self.highest, start=self.inventory,
            steps=self.steps, volatility=self.volatility, execution=self.execution, law=self.law,
            valuation=self.valuation, holding_penalty=self.holding_penalty, shock=self.shock, price=self.price,
        )  # fmt: skip

    def benchmarks(self) -> Benchmarks:
        """Exact joint optimum, and a Markov-perfect equilibrium of two traders, where cash does not bind."""
        notes, numbers = [SEEN], {}
        pumps = self.execution == "pre" and self.valuation == "mark-to-market" and self.highest is None
        if self.cash and self.impact and pumps and self.inventory == 0:
            gain = marked_up_gain(self.cash, self.alpha, self.n_players, self.price)
            numbers["gain of all who buy until their cash is gone, without noise"] = gain
        if self.game is None:
            return Benchmarks((), (), False, numbers, ("cash binds: exact dynamic programming would need prices too",))
        if self.n_players > self.traders:
            return Benchmarks((), (), False, numbers, ("adversaries have other goals: no joint optimum is computed",))
        competitive, cooperative = [], []
        try:
            alone = joint_optimum(self.game, 1).value
            numbers["gain of a trader whose rivals hold"] = alone
            together = joint_optimum(self.game, self.traders).value if self.traders > 1 else alone
            cooperative.append(self._profile("joint optimum", "joint-optimum", np.full(self.traders, together), 0.0))
            if self.traders == 2:
                found = equilibrium(self.game)
                competitive.append(self._profile("Markov-perfect", "nash", found.values, found.error))
                notes.append("one of possibly many equilibria: the one that pays most in sum at every step")
        except TacitError as error:
            notes.append(f"not computed: {error}")
        return Benchmarks(tuple(competitive), tuple(cooperative), False, numbers, tuple(notes))

    def _profile(self, name: str, concept: Literal["nash", "joint-optimum"], payoffs: Floats, error: float) -> Profile:
        exact = error <= 1e-8 * max(1.0, float(np.abs(payoffs).max()))
        return Profile(name, concept, payoffs, "dynamic programming over inventories", exact=exact, error=error)

    # --- play ----------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.steps

    @property
    def n_players(self) -> int:
        return self.traders + self.responders + self.spoofers + self.noise_traders

    def roles(self) -> tuple[Role, ...]:
        discrete = set(self.observes) <= {"trend", "level", "signal"}
        trader = Role(
            "trader", self.traders, self.observes, Discrete(9 if self.signals == "explicit" else 3),
            (3,) * len(self.observes) if discrete else (),
        )  # fmt: skip
        others = (("responder", self.responders), ("spoofer", self.spoofers), ("noise trader", self.noise_traders))
        return (
            trader,
            *(
                Role(name, agents, FULL if name != "noise trader" else self.observes, trader.actions,
                     () if name != "noise trader" else trader.levels)
                for name, agents in others
                if agents
            ),
        )  # fmt: skip

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("price", "currency/unit", False),
            Quantity("change", "", False),
            Quantity("change_square", "", False),
            Quantity("impact_square", "", False),
            Quantity("sync", "share of pairs", False),
            Quantity("offset", "share of pairs", False),
            Quantity("both", "share of pairs", False),
            Quantity("turnover", "lots/agent", False),
            Quantity("infeasible", "share of orders", False),
            Quantity("clipped", "share of steps", False),
            Quantity("trade", "units"),
            Quantity("inventory", "units"),
            Quantity("cash", "currency"),
            Quantity("wealth", "currency"),
        )

    def rules(self) -> dict[str, str]:
        found = {
            "hold": "never trades",
            "random": "buys, sells or holds, and signals, each as likely",
            "buy-to-limit": "buys as long as limits allow",
            "sell-to-limit": "sells as long as limits allow",
        }
        if "trend" in self.observes:
            found["trend-follower"] = "buys when the price has risen, sells when it has fallen"
            found["contrarian"] = "sells when the price has risen, buys when it has fallen"
        if {"level", "inventory"} & set(self.observes):
            found["rebalance"] = "sells when its inventory is high, buys when it is low"
        return found

    def rule_values(self) -> dict[str, Floats]:
        return rule_values(self)

    # --- what play needs, beside the parameters ------------------------------------------------------------------

    @property
    def cash_binds(self) -> bool:
        return self.cash is not None

    @property
    def shocks(self) -> bool:
        return self.shock > 0

    @property
    def first_inventory(self) -> float:
        return self.inventory * self.quantity

    @property
    def first_cash(self) -> float:
        return self.cash or 0.0

    @property
    def limits(self) -> Floats:
        """Of the inventory, in units."""
        top = self.highest if self.highest is not None else np.inf
        return np.array([self.lowest * self.quantity, top * self.quantity])

    @property
    def scale(self) -> Floats:
        """Inventories that networks see as -1 and 1; what cash buys, where no limit is set."""
        bought = self.first_cash / (self.price * self.quantity)
        top = self.highest if self.highest is not None else self.inventory + bought
        return np.array([self.lowest * self.quantity, top * self.quantity])

    @property
    def edges(self) -> Floats:
        """Between the levels of an inventory, in units."""
        return np.array(self.levels) * self.quantity

    def dynamics(self) -> "ResourceDynamics":
        return built(ResourceDynamics, self)


class ResourceState(NamedTuple):
    """Between two steps; agents are numbered through the roles."""

    time: Int[Array, ""]
    price: Float[Array, ""]
    change: Float[Array, ""]
    inventory: Float[Array, " agents"]
    cash: Float[Array, " agents"]
    trade: Float[Array, " agents"]  # the last one
    signal: Float[Array, " agents"]  # the last one: -1, 0 or 1
    heard: Float[Array, " agents"]  # sign of what the others signalled or traded, or noise


class ResourceDynamics(Dynamics):
    """Orders, prices, fills and what they are worth."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    execution: str = eqx.field(static=True)
    law: str = eqx.field(static=True)
    valuation: str = eqx.field(static=True)
    signals: str = eqx.field(static=True)
    cash_binds: bool = eqx.field(static=True)
    shocks: bool = eqx.field(static=True)
    scrambled: bool = eqx.field(static=True)
    end: str = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    price: Float[Array, ""]  # the first
    quantity: Float[Array, ""]
    alpha: Float[Array, ""]
    volatility: Float[Array, ""]
    band: Float[Array, ""]
    first_inventory: Float[Array, ""]
    first_cash: Float[Array, ""]
    limits: Float[Array, " 2"]
    scale: Float[Array, " 2"]
    edges: Float[Array, " 2"]
    shock: Float[Array, ""]
    holding_penalty: Float[Array, ""]

    @property
    def agents(self) -> int:
        return sum(role.agents for role in self.roles)

    def reset(self, key: PRNGKeyArray) -> ResourceState:
        none = jnp.zeros(self.agents)
        held, cash = none + self.first_inventory, none + self.first_cash
        return ResourceState(jnp.zeros((), jnp.int32), self.price, jnp.zeros(()), held, cash, none, none, none)

    # --- what agents see -----------------------------------------------------------------------------------------

    def observe(self, state: ResourceState) -> dict[str, Float[Array, "_ _"]]:
        told = state.signal if self.signals == "explicit" else jnp.sign(state.trade)
        level = jnp.where(state.inventory < self.edges[0], 0.0, jnp.where(state.inventory >= self.edges[1], 2.0, 1.0))
        peers = jnp.maximum(self.agents - 1, 1)
        known = {
            "trend": jnp.where(state.change > self.band, 2.0, jnp.where(state.change < -self.band, 0.0, 1.0)),
            "level": level,
            "signal": 1 + state.heard,
            "time": state.time.astype(jnp.float32),
            "price": state.price,
            "change": state.change,
            "inventory": state.inventory,
            "cash": state.cash,
            "flow": (jnp.sum(state.trade) - state.trade) / (peers * self.quantity),
            "rival-inventory": (jnp.sum(state.inventory) - state.inventory) / peers,
            "own-signal": 1 + told,
            "rival-signal": 1 + state.heard,
        }
        found, begin = {}, 0
        for role in self.roles:
            seat = slice(begin, begin + role.agents)
            parts = [jnp.broadcast_to(known[name], (self.agents,))[seat] for name in role.observes]
            found[role.name] = jnp.stack(parts, axis=1)
            begin += role.agents
        return found

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Everything to about [-1, 1]; changes of the price in units of their usual size."""
        usual = jnp.sqrt(self.volatility**2 + (self.alpha * self.quantity) ** 2) + 1e-12
        middle, half = self.scale.mean(), jnp.maximum((self.scale[1] - self.scale[0]) / 2, 1e-12)
        scaled = {
            "time": lambda x: 2 * x / self.horizon - 1,
            "price": lambda x: jnp.tanh(jnp.log(x / self.price)),
            "change": lambda x: jnp.tanh(x / (2 * usual)),
            "inventory": lambda x: (x - middle) / half,
            "rival-inventory": lambda x: (x - middle) / half,
            "cash": lambda x: x / jnp.maximum(self.first_cash, 1e-12) - 1,
            "flow": lambda x: x,
        }
        seen = zip(role.observes, observation, strict=True)
        return jnp.stack([scaled.get(name, lambda x: x - 1)(x) for name, x in seen])

    def global_state(self, state: ResourceState) -> Float[Array, " features"]:
        middle, half = self.scale.mean(), jnp.maximum((self.scale[1] - self.scale[0]) / 2, 1e-12)
        whole = jnp.stack([2 * state.time / self.horizon - 1, jnp.tanh(jnp.log(state.price / self.price))])
        return jnp.concatenate([whole, (state.inventory - middle) / half, state.trade / self.quantity, state.signal])

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: ResourceState, actions: Actions) -> tuple[ResourceState, Outcome]:
        chosen = jnp.concatenate([actions[role.name][:, 0] for role in self.roles]).astype(state.trade.dtype)
        side = jnp.floor(chosen / 3) - 1 if self.signals == "explicit" else chosen - 1
        signal = chosen - 3 * jnp.floor(chosen / 3) - 1 if self.signals == "explicit" else jnp.zeros_like(chosen)
        trade = jnp.where(self._feasible(state, side), side, 0.0) * self.quantity
        draws = jax.random.uniform(key, (1 + self.agents * (self.shocks + self.scrambled),))
        net, noise = jnp.sum(trade), self.volatility * normal(draws[0])
        growth, change, clipped = self._growth(net, noise)
        price, fill = state.price * growth, state.price * self._fill(net)
        held, cash = state.inventory + trade, state.cash - trade * fill
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        if self.valuation == "liquidation":
            gain = price * self.proceeds(held) - state.price * self.proceeds(state.inventory) - trade * fill
        else:
            gain = held * (price - state.price) + trade * (state.price - fill)
        if self.valuation == "final-liquidation":
            gain = gain + jnp.where(over, price * (self.proceeds(held) - held), 0.0)
        held = self._shaken(held, draws)
        gain = gain - self.holding_penalty * price * held**2
        heard = self._heard(signal if self.signals == "explicit" else trade, draws)
        after = ResourceState(state.time + 1, price, change, held, cash, trade, signal, heard)
        info = self._info(after, side, net) | {"clipped": clipped}
        flags = (no, over) if self.end == "truncated" else (over, no)
        return after, Outcome(self._rewards(gain), *flags, info)

    def _heard(self, told: Float[Array, " agents"], draws: Float[Array, " draws"]) -> Float[Array, " agents"]:
        """Sign of what the others told, or noise."""
        if self.scrambled:
            return jnp.floor(3 * draws[-self.agents :]) - 1
        return jnp.sign(jnp.sum(told) - told)

    def _feasible(self, state: ResourceState, side: Float[Array, " agents"]) -> Bool[Array, " agents"]:
        """Whether limits allow an order; a buyer needs the cash for an order that is alone."""
        wanted = state.inventory + side * self.quantity
        fits = (wanted >= self.limits[0] - self.quantity / 2) & (wanted <= self.limits[1] + self.quantity / 2)
        if self.cash_binds:
            fits &= (side <= 0) | (state.cash >= self.quantity * state.price * self._fill(self.quantity))
        return fits

    def _growth(
        self, net: Float[Array, ""], noise: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """Factor of the price, its change (relative, or of the logarithm), and whether it had to be clipped."""
        if self.law == "linear":
            change = self.alpha * net + noise
            clipped = 1 + change < LEAST_GROWTH
            return jnp.maximum(1 + change, LEAST_GROWTH), change, clipped.astype(jnp.float32)
        change = self.alpha * net + noise - self.volatility**2 / 2
        return jnp.exp(change), change, jnp.zeros(())

    def _fill(self, net: Float[Array, ""]) -> Float[Array, ""]:
        """Price at which orders fill, over the price before."""
        push = self.alpha * net
        after = jnp.maximum(1 + push, LEAST_GROWTH) if self.law == "linear" else jnp.exp(push)
        if self.execution == "pre":
            return jnp.ones(())
        if self.execution == "post":
            return after
        if self.execution == "mid":
            return (1 + after) / 2
        return jnp.where(push == 0, 1.0, jnp.expm1(push) / jnp.where(push == 0, 1.0, push))

    def proceeds(self, inventory: Float[Array, " agents"]) -> Float[Array, " agents"]:
        """What selling an inventory lot by lot, alone, brings over the price; negative for a short position."""

        def total(lots: Float[Array, " agents"], order: Float[Array, ""]) -> Float[Array, " agents"]:
            push = self.alpha * order
            rate = jnp.log(jnp.maximum(1 + push, LEAST_GROWTH)) if self.law == "linear" else push
            many = jnp.where(rate == 0, lots, jnp.expm1(lots * rate) / jnp.where(rate == 0, 1.0, jnp.expm1(rate)))
            return self.quantity * self._fill(order) * many

        lots = jnp.abs(inventory) / self.quantity
        return jnp.where(inventory >= 0, total(lots, -self.quantity), -total(lots, self.quantity))

    def worth(self, inventory: Float[Array, " agents"]) -> Float[Array, " agents"]:
        """What rewards count an inventory for, over the price, but for its sale in a last step."""
        return self.proceeds(inventory) if self.valuation == "liquidation" else inventory

    def _shaken(self, held: Float[Array, " agents"], draws: Float[Array, " draws"]) -> Float[Array, " agents"]:
        """Inventories after endowment shocks."""
        if not self.shocks:
            return held
        chance = draws[1 : 1 + self.agents]
        given = jnp.where(chance < self.shock / 2, 1.0, jnp.where(chance < self.shock, -1.0, 0.0))
        return jnp.clip(held + given * self.quantity, self.limits[0], self.limits[1])

    def _rewards(self, gain: Float[Array, " agents"]) -> dict[str, Float[Array, " _"]]:
        found, begin = {}, 0
        for role in self.roles:
            own = gain[begin : begin + role.agents]
            found[role.name] = own - jnp.sum(gain) if role.name == "spoofer" else own
            begin += role.agents
        return found

    def _info(self, after: ResourceState, side: Float[Array, " agents"], net: Float[Array, ""]) -> dict[str, Array]:
        """Quantities; who trades with or against whom is counted in pairs of agents."""
        buyers, sellers = jnp.sum(after.trade > 0).astype(jnp.float32), jnp.sum(after.trade < 0).astype(jnp.float32)
        pairs = max(self.agents * (self.agents - 1) / 2, 1)
        refused = jnp.sum((side != 0) & (after.trade == 0)) / jnp.maximum(jnp.sum(side != 0), 1)
        return {
            "price": after.price,
            "change": after.change,
            "change_square": after.change**2,
            "impact_square": (self.alpha * net) ** 2,
            "sync": (buyers * (buyers - 1) + sellers * (sellers - 1)) / 2 / pairs,
            "offset": buyers * sellers / pairs,
            "both": (buyers + sellers) * (buyers + sellers - 1) / 2 / pairs,
            "turnover": (buyers + sellers) / self.agents,
            "infeasible": refused,
            "trade": after.trade,
            "inventory": after.inventory,
            "cash": after.cash,
            "wealth": after.cash + after.price * self.worth(after.inventory),
        }

    # --- rules ---------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        size = role.actions.size
        if rule == "random":
            return jnp.minimum(jnp.floor(draws[:1] * size), size - 1)
        seen = dict(zip(role.observes, observation, strict=True))
        if rule in SIDES:
            side = jnp.asarray(float(SIDES[rule]))
        elif rule in ("trend-follower", "contrarian"):
            side = (seen["trend"] - 1) * (1 if rule == "trend-follower" else -1)
        elif rule == "rebalance":
            side = 1 - seen["level"] if "level" in seen else jnp.sign(self.edges.mean() - seen["inventory"])
        else:
            return super().follow(rule, role, observation, draws)
        return HOLD[size] + side[None] * (3 if self.signals == "explicit" else 1)

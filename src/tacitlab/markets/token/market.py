"""The token economy: agents trade tokens against bonding curves, which mint them and take them back."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.markets.motion import built
from tacitlab.markets.token import holding_game as exact
from tacitlab.markets.token import utilisation
from tacitlab.markets.token.clearing import Clearing
from tacitlab.markets.token.curves import AnyCurve, Curve, Curves, Exponential
from tacitlab.markets.token.dynamics import TokenDynamics, TokenState
from tacitlab.markets.token.exact import holding_game
from tacitlab.markets.token.parts import (
    AnyUtility,
    Factors,
    Peer,
    Preferences,
    PrivateValues,
    Resource,
    Rewards,
)
from tacitlab.markets.token.pricing import LEAST_FACTOR, AnyPricing, Imbalance, Ito, OnCurve, PriceLaw
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

Floats = NDArray[np.float64]
NonNegative = Annotated[float, Field(ge=0)]
LEAST_SCALE = 1e-6  # of returns, where nobody's orders move the price
MOST_ASSETS = 6  # 3^6 joint orders
LEAST, MOST = 1e-12, 1e12  # first price: single precision has room for its products with cash and holdings

RULES = {
    "hold": "never trades",
    "random": "orders anything that is possible, each as likely",
    "zero-intelligence": "buys below its own value of a token and sells above it, at random sizes",
    "price-taking": "moves towards what it would hold if prices never changed",
    "trend-follower": "buys after the price has risen and sells after it has fallen",
}
BY_ASSET = (
    ("price", "currency"), ("absolute_return", ""), ("squared_return", ""), ("volume", "tokens"), ("supply", "tokens"),
    ("factor", ""), ("concentration", ""),
)  # fmt: skip
OVERALL = (
    ("welfare", "currency"), ("gini", ""), ("clipped", "orders"), ("money_error", "currency"),
    ("token_error", "tokens"), ("reserve_gap", "currency"), ("unpaid", "currency"),
)  # fmt: skip


class TokenEconomy(Market):
    """Agents buy tokens from bonding curves and sell them back, all at once in each step.

    Buys mint tokens and pay the curve's integral into a reserve, sells get it back; by default everybody who trades in
    a step meets the same price, the mean one along the curve. ``clearing: spot`` is the literal rule, where everybody
    pays the price before the step: buying and selling again then takes money out of the reserve.

    Cash, reserve, fees and the treasury's cash add up to what there was plus income; holdings with the treasury's add
    up to the supply. What the variants break is recorded: ``token_error``; ``reserve_gap``, the reserve less what
    backs the supply; and ``unpaid``, what an empty reserve owes to sellers. ``money_error`` is always 0. What rounding
    explains is recorded as 0.

    References
    ----------
    "Reinforcement Learning Framework for Agent-Based Economic Systems with Dynamic Asset Pricing" (preprint). Where it
    contradicts itself, the sound reading is the default here and the literal one a choice.

    Examples
    --------
    The network scenario: capacity 50, a sigmoid price, users with theta uniform on [0, 2].

    >>> from tacitlab.markets.token.curves import Sigmoid
    >>> market = TokenEconomy(agents=100, curve=Sigmoid(), utility=Resource(), capacity=50, holdings=0.1)
    >>> numbers = market.benchmarks().numbers
    >>> print(round(numbers["utilisation at the price-taking equilibrium"], 3))
    0.879
    """

    role: ClassVar[str] = "agent"
    payoff_name: ClassVar[str] = "payoff"
    payoff_unit: ClassVar[str] = "currency"

    kind: Literal["token"] = "token"
    agents: int = param(50, "number of agents, N", ge=2, le=10_000)
    assets: int = param(1, "number of tokens, M", ge=1, le=100)
    steps: int = param(200, "length of an episode", "steps", ge=1)
    curve: AnyCurve | tuple[AnyCurve, ...] = param(Exponential(), "bonding curve; a list gives each asset its own")
    capital: float = param(100.0, "cash of each agent at the beginning", "currency", ge=0)
    holdings: NonNegative | tuple[NonNegative, ...] = param(
        2.0, "what each agent holds of every asset at the beginning; a list gives each its own", "tokens"
    )
    treasury: float = param(0.0, "what the treasury holds of every asset at the beginning", "tokens", ge=0)
    treasury_cash: float = param(0.0, "the treasury's cash at the beginning", "currency", ge=0)
    capacity: float | None = param(None, "largest supply of each asset, C; none: what the curve allows", "tokens", gt=0)
    orders: Literal["continuous", "ternary"] = param(
        "continuous", "any size, or one of: sell the largest order, hold, buy it, in each asset"
    )
    order_size: float = param(0.05, "largest order as a share of the initial supply of an agent", gt=0)
    clearing: Literal["batch", "spot", "sequential"] = param(
        "batch", "everybody at the mean price along the curve, at the price before the step, or in random order"
    )
    fee: float = param(0.001, "fee as a share of what is paid or got", ge=0, le=0.5)
    exit_tax: float = param(0.0, "share of what sellers get that goes to the treasury", ge=0, le=0.5)
    income: float = param(0.0, "cash that each agent gets in each step", "currency", ge=0)
    pricing: AnyPricing = param(OnCurve(), "what else than the supply moves the price")
    factors: Factors | None = param(None, "market factors and how they act")
    peer: Peer | None = param(None, "influence of the others' trades")
    utility: AnyUtility | None = param(None, "what holding tokens is good for, apart from their price")
    rewards: Rewards = param(Rewards(), "what agents are rewarded for")
    lags: int = param(3, "returns of the price that agents see", ge=1, le=100)

    @model_validator(mode="after")
    def _consistent(self) -> "TokenEconomy":
        if isinstance(self.curve, tuple) and len(self.curve) != self.assets:
            raise ValueError(f"curve: {len(self.curve)} curves for {self.assets} assets; give one, or one for each")
        if isinstance(self.holdings, tuple) and len(self.holdings) != self.agents:
            mend = "give one number, or one for each agent"
            raise ValueError(f"holdings: {len(self.holdings)} numbers for {self.agents} agents; {mend}")
        tastes = self.utility.tastes if isinstance(self.utility, Resource) else None
        if tastes is not None and len(tastes) != self.agents:
            raise ValueError(f"utility.tastes: {len(tastes)} numbers for {self.agents} agents; give one for each")
        if self.supply <= 0:
            raise ValueError("holdings: nobody has any tokens; give at least one agent or the treasury some")
        if self.supply > min(self.largest_supplies()):
            mend = "give agents fewer tokens, or the curve more room"
            raise ValueError(f"holdings: {self.supply:g} tokens are more than capacity or curve allow; {mend}")
        with np.errstate(over="ignore"):
            prices = [float(curve.price(self.supply)) for curve in self.curves]
        if not all(LEAST <= price <= MOST for price in prices):
            mend = f"choose numbers that make it {LEAST:g} to {MOST:g}"
            wrong = next(price for price in prices if not LEAST <= price <= MOST)
            raise ValueError(f"curve: at {self.supply:g} tokens the price is {wrong:g}; {mend}")
        if self.factors and self.factors.shock and self.factors.shock.size and self.factors.shock.step >= self.steps:
            step = self.factors.shock.step
            raise ValueError(f"factors.shock.step: {step} is after the last of {self.steps} steps; give an earlier one")
        if isinstance(self.pricing, Imbalance | Ito):
            if self.clearing != "spot":
                raise ValueError(f"clearing: {self.clearing} needs a price on the curve; use clearing=spot")
            if self.factors is not None and self.factors.premium:
                raise ValueError("factors.premium: a premium needs a price on the curve; use pricing=curve or premium")
        if self.orders == "ternary" and self.assets > MOST_ASSETS:
            raise ValueError(f"orders: {self.assets} assets have too many joint orders; use orders=continuous")
        return self

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The bonding curve of each asset."""
        return self.curve if isinstance(self.curve, tuple) else (self.curve,) * self.assets

    def endowments(self) -> Floats:
        """What each agent holds of every asset at the beginning: (agents,) tokens."""
        return np.broadcast_to(np.array(self.holdings, dtype=float), (self.agents,))

    @property
    def supply(self) -> float:
        """Tokens of every asset at the beginning."""
        return float(self.endowments().sum() + self.treasury)

    def largest_supplies(self) -> list[float]:
        """How many tokens there may be of each asset: a curve is left before its price becomes infinite."""
        room = np.inf if self.capacity is None else self.capacity
        return [min(room, 0.999 * curve.limit) for curve in self.curves]

    # --- theory ------------------------------------------------------------------------------------------------

    def benchmarks(self) -> Benchmarks:
        """What theory knows: the allocation of a resource; that profits of trade along a curve add up to minus fees."""
        known = self._resource(self.utility) if isinstance(self.utility, Resource) and self.assets == 1 else None
        if (self.agents, self.orders) == (2, "ternary"):
            return self._of_two(known)
        if known is not None:
            return known
        return Benchmarks((), self._no_trade(), False, {}, self._notes())

    def _no_trade(self) -> tuple[Profile, ...]:
        """Where profits can only be taken from others, nobody trading is the joint optimum."""
        closed = self.clearing != "spot" and isinstance(self.pricing, OnCurve) and self.utility is None
        quiet = all(curve.noise == 0 for curve in self.curves) and self.peer is None and self.factors is None
        if not closed or not quiet or self.rewards.wealth != "liquidation" or self.treasury or self.rewards.stability:
            return ()
        method = "profits add up to minus fees and taxes"
        return (Profile("nobody trades", "joint-optimum", np.zeros(self.agents), method),)

    def _of_two(self, known: Benchmarks | None) -> Benchmarks:
        """Exact values of two agents who order whole lots, before what else is known."""
        rest = known or Benchmarks((), self._no_trade(), False, {}, self._notes())
        try:
            game = holding_game(self)
        except TacitError as error:
            return replace(rest, notes=(*rest.notes, f"no exact values: {error}"))
        notes = rest.notes if known else rest.notes[1:]  # an equilibrium is known
        nash, joint, method = exact.equilibrium(game), exact.joint_optimum(game), "dynamic programming over holdings"
        near = nash.error <= 1e-8 * max(1.0, float(np.abs(nash.values).max()))
        hold = np.broadcast_to([0.0, 1.0, 0.0], (*game.rewards.shape[1:3], 3))
        alone = [exact.best_response(game, agent, (hold, hold)).values[agent] for agent in range(2)]
        one = "one of possibly many equilibria: the one that pays most in sum at every step"
        return Benchmarks(
            (Profile("Markov-perfect", "nash", nash.values, method, exact=near, error=nash.error), *rest.competitive),
            (Profile("joint optimum of the episode", "joint-optimum", joint.values, method), *rest.cooperative),
            False, {"gain of an agent whose rival holds": float(np.mean(alone)), **rest.numbers}, (one, *notes),
        )  # fmt: skip

    def _notes(self) -> tuple[str, ...]:
        notes = ["no equilibrium is known in closed form: compare with the scripted rules and with best responses"]
        if self.utility is None:
            note = "without utility trade along the curve is a constant-sum game: what one gains others lose, and fees"
            first = "whoever sells first gains (1 - 1/N)(f(S) - R(S)/S) a token: that nobody trades is no equilibrium"
            notes += [note, first] if self.rewards.wealth == "liquidation" else [note]
        if self.clearing == "spot":
            notes.append("fills at the spot price pay whoever buys and sells again out of the reserve")
        if self.rewards.wealth == "mark-to-market":
            notes.append("marked to market, holdings are valued at more than the reserve could pay for them all")
        return tuple(notes)

    def _resource(self, utility: Resource) -> Benchmarks:
        """Stationary allocations of one resource, as payoffs of an episode."""
        curve, (most,) = self.curves[0], self.largest_supplies()
        tastes, scale = utility.each(self.agents), utility.rate * self.steps
        if not np.isfinite(most):
            most = float(np.maximum(tastes, 0).sum())  # more than anybody would use at any price
        taking = utilisation.price_taking(tastes, curve.price, most)
        joint = utilisation.joint_optimum(tastes, curve.price, most)
        best = utilisation.first_best(tastes, most)

        regard = self.regard

        def profile(name: str, concept: Concept, found: utilisation.Allocation, error: float = 1e-9) -> Profile:
            own = scale * utilisation.payoffs(tastes, found.quantities, float(curve.price(found.total)))
            payoffs = own + regard * (own.sum() - own)
            quantities = {"holdings": found.quantities, "price": np.array([curve.price(found.total)])}
            error = scale * max(error, 1e-9)
            return Profile(name, concept, payoffs, found.method, quantities=quantities, exact=False, error=error)

        competitive = [profile("price-taking equilibrium", "wardrop", taking)]
        with suppress(TacitError):  # not enough for all: there is none
            nash = utilisation.nash(tastes, curve.price, curve.slope, most)
            error = utilisation.regret(tastes, nash.quantities, curve.price, most)
            competitive += [] if regard else [profile("Nash", "nash", nash, error)]
        numbers = {
            "efficient price": best.price,
            "first-best welfare of a step": utility.rate * best.welfare,
            "utilisation at the price-taking equilibrium": taking.total / most,
            "welfare at the price-taking equilibrium, of first best": taking.welfare / best.welfare,
        }
        notes = ["of what is held in the long run: getting there, and profits of trade, come on top"]
        if regard:
            notes.append("payoffs include the regard for others; no equilibrium of agents who have it is computed")
        cooperative = (profile("joint optimum", "joint-optimum", joint),)
        return Benchmarks(tuple(competitive), cooperative, False, numbers, tuple(notes))

    # --- play --------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.steps

    def roles(self) -> tuple[Role, ...]:
        seen = ["cash"]
        for name in self.observed():
            seen += [f"{name}{suffix}" for suffix in self.suffixes()]
        for lag in range(self.lags):
            past = "" if lag == 0 else f", {lag} steps ago"
            seen += [f"return{suffix}{past}" for suffix in self.suffixes()]
        actions = Continuous(self.assets) if self.orders == "continuous" else Discrete(3**self.assets)
        return (Role(self.role, self.agents, tuple(seen), actions),)

    def observed(self) -> tuple[str, ...]:
        """What agents see of each asset, between their cash and its returns."""
        optional = [("factor", self.factors), ("value", self.utility)]
        return ("holdings", "price", "supply", *(name for name, there in optional if there is not None))

    def suffixes(self) -> list[str]:
        """What tells the names of assets apart."""
        return [""] if self.assets == 1 else [f"-{a + 1}" for a in range(self.assets)]

    def quantities(self) -> tuple[Quantity, ...]:
        found = [Quantity(name, "currency") for name in ("cash", "wealth", "utility")]
        for suffix in self.suffixes():
            found += [Quantity(f"trade{suffix}", "tokens"), Quantity(f"holdings{suffix}", "tokens")]
            found += [Quantity(f"{name}{suffix}", unit, by_agent=False) for name, unit in BY_ASSET]
        return (*found, *(Quantity(name, unit, by_agent=False) for name, unit in OVERALL))

    def rules(self) -> dict[str, str]:
        return dict(RULES)

    # --- what play needs, beside the parameters ----------------------------------------------------------------

    @property
    def free_tokens(self) -> bool:
        """Whether the others' trades are handed out, the literal peer influence."""
        return self.peer is not None and self.peer.mode == "literal"

    @property
    def bonding(self) -> Curves:
        return Curves.of(self.curves)

    @property
    def exchange(self) -> Clearing:
        return built(Clearing, self)

    @property
    def price_law(self) -> PriceLaw:
        return self.pricing.dynamics()

    @property
    def factor_law(self) -> Factors:
        return self.factors or Factors(volatility=0.0)

    @property
    def preferences(self) -> Preferences:
        """What tokens are good for: resources have curvature, private values do not."""
        law, shape = self.utility, (self.agents, self.assets)
        numbers: dict[str, Any] = {
            "rate": 0.0, "curvature": 0.0, "mean": np.zeros(shape), "spread": np.zeros(shape), "persistence": 0.0
        }  # fmt: skip
        if isinstance(law, Resource):
            tastes = np.repeat(law.each(self.agents)[:, None], self.assets, axis=1)
            numbers |= {"rate": law.rate, "curvature": 1.0, "mean": tastes}
        elif isinstance(law, PrivateValues):
            prices = np.broadcast_to(self.first_prices, shape)
            numbers |= {"rate": law.rate, "mean": law.mean * prices, "spread": law.spread * prices}
            numbers |= {"persistence": law.persistence}
        return Preferences(**numbers)

    @property
    def regard(self) -> float:
        """Weight of the own reward of each other agent."""
        weight = self.rewards.cooperation
        return weight / (self.agents - 1) if self.rewards.others == "mean" else weight

    @property
    def start(self) -> TokenState:
        agents, assets, nothing = self.agents, self.assets, np.zeros(self.assets)
        reserve = sum(float(curve.reserve(self.supply)) for curve in self.curves)
        numbers: dict[str, Any] = {
            "step": 0,
            "cash": np.full(agents, self.capital),
            "holdings": np.repeat(self.endowments()[:, None], assets, axis=1),
            "supply": nothing + self.supply,
            "treasury": nothing + self.treasury,
            "money": np.array([reserve, 0.0, self.treasury_cash]),
            "granted": agents * self.capital + reserve + self.treasury_cash,
            "price": self.first_prices,
            "premium": nothing,
            "noise": nothing,
            "factor": nothing + self.factor_law.mean,
            "values": np.zeros((agents, assets)),
            "trades": np.zeros((agents, assets)),
            "returns": np.zeros((self.lags, assets)),
        }
        return TokenState(**numbers)

    @property
    def first_prices(self) -> Floats:
        """Prices of the assets at the beginning, on their curves."""
        shift = self.factor_law.premium * self.factor_law.mean
        return np.array([float(curve.price(self.supply)) for curve in self.curves]) * max(1 + shift, LEAST_FACTOR)

    @property
    def largest(self) -> float:
        """Tokens of the largest order."""
        return self.order_size * self.supply / self.agents

    @property
    def noise(self) -> Floats:
        return np.array([curve.noise for curve in self.curves])

    @property
    def peer_strength(self) -> float:
        return self.peer.strength if self.peer else 0.0

    @property
    def return_scale(self) -> Floats:
        """Return of each asset in a first step in which everybody buys."""
        rises = [float(curve.slope(self.supply) / curve.price(self.supply)) for curve in self.curves]
        return np.maximum(self.agents * self.largest * np.array(rises), LEAST_SCALE)

    def dynamics(self) -> TokenDynamics:
        return built(TokenDynamics, self)

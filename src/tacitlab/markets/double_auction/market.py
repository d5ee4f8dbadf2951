"""The double auction of laboratory markets: buyers with values and sellers with costs quote until they agree."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.double_auction.theory import (
    BilateralTrade,
    CompetitiveEquilibrium,
    competitive_equilibrium,
    expected_surplus,
)
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

if TYPE_CHECKING:
    from tacitlab.markets.double_auction.dynamics import DoubleAuctionDynamics

Floats = NDArray[np.float64]
NonNegative = Annotated[float, Field(ge=0)]
SEEN = ("time", "worth", "units", "bid", "ask", "price")
LADDER = (0.05, 0.95)  # lowest and highest value and cost, in highest prices
MOST_TICKS = 2**20


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
    def _consistent(self) -> Self:
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
        gains = self.units * np.concatenate([np.maximum(values - known.price, 0), np.maximum(known.price - costs, 0)])
        where = {"price": np.array([known.price])}
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
        competitive = Profile("competitive", "wardrop", gains, "demand meets supply", quantities=where)
        joint = Profile("largest surplus", "joint-optimum", gains, "highest values meet lowest costs")
        return Benchmarks((competitive,), (joint,), False, numbers, notes)

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
        from tacitlab.markets.double_auction.dynamics import build

        return build(self)

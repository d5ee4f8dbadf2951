"""A market with a limit order book: makers quote, the informed know what it is worth, noise traders know nothing."""

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks

if TYPE_CHECKING:
    from tacitlab.markets.order_book.dynamics import OrderBookDynamics

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
WITHOUT_DISTANCE = 4  # actions of traders: hold, buy at market, sell at market, cancel; limit orders follow


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
    def _consistent(self) -> Self:
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
        orders = Discrete(WITHOUT_DISTANCE + 2 * self.levels)
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
        from tacitlab.markets.order_book.build import build

        return build(self)

    # --- theory --------------------------------------------------------------------------------------------------

    def benchmarks(self) -> Benchmarks:
        """Gains add up to 0, and that is all that is known."""
        numbers = {}
        if self.noise_traders and self.cancel_rate:
            weights = [distance**-self.decay for distance in range(1, self.levels + 1)]
            rate = self.limit_rate / 2 * weights[-1] / sum(weights)
            number = self.noise_traders * rate / self.cancel_rate
            numbers["orders of zero-intelligence traders at a price, if always at the largest distance"] = number
        if self.holding_penalty:
            note = "gains add up to minus the makers' costs of holding: what one gains others lose"
        else:
            note = "gains add up to 0 in every step: what one gains others lose"
        return Benchmarks((), (), False, numbers, (note, "no equilibrium of the order book is known"))

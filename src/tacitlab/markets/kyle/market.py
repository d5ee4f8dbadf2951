"""Kyle's auctions as a market: insiders trade on what they know, a maker sets prices by the flow of orders."""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.kyle import sequential
from tacitlab.markets.kyle.theory import Auction, Linear
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

if TYPE_CHECKING:
    from tacitlab.markets.kyle.dynamics import KyleDynamics

Floats = NDArray[np.float64]
RULES = {
    "hold": "orders nothing; a maker never moves the price",
    "random": "any slope that value-based learners compare, each as likely",
    "nash": "the equilibrium's slopes",
    "cartel": "slopes of insiders who maximise their joint profit, and of a maker who expects them to",
    "truthful": "orders that together move the expected price to the value, which earns nothing; a maker as in Nash",
}


class Slopes(NamedTuple):
    """Linear play by auction: (auctions,) each; a single entry where all auctions are alike.

    Attributes
    ----------
    orders : array
        Order of each insider for a unit of value less price.
    impacts : array
        lambda.
    """

    orders: Floats
    impacts: Floats


class KyleMarket(Market):
    """Insiders who know the value trade among noise traders; a maker sees their total and sets the price.

    In an auction each insider orders any quantity, noise traders a random one, and the price moves from p to
    ``p + lambda y`` with the flow y of all orders. Orders fill at that price and are worth the value in the end.

    With ``values: once`` the value is drawn once an episode: one auction (Kyle's first model), or several, in which
    insiders see the price so far (his second; noise is that of a single auction, spread over them). With ``values:
    each`` every auction has a new value, prices begin at the mean again, insiders see the last price, and learners
    value what follows the end of an episode: the repeated auction, where insiders could learn to punish each other.

    Who sets the slope lambda:

    * ``learning``: a second role, whose action *is* the slope, chosen before the flow is known. Against linear orders
      the best price is linear in the flow, so that a slope is all that a price rule needs. It is rewarded by minus the
      squared pricing error, which the expected value given the flow minimises: competition among makers in one agent.
      Two steps, the price after the flow, would ask a network for the same line.
    * ``rational``: the regression of values on flows over the past auctions of the episode, of which each counts
      ``1 - 1/memory`` times as much as the next; before, as if ten auctions had shown ``slope``. Prices cannot use
      today's value, so this is what a maker can know. It needs ``values: each``.
    * ``fixed``: ``slope``, or what the equilibrium says.

    With ``habitat`` and ``inventory_weight`` (w) the maker is that of Dou, Goldstein and Ji, who minimises ``(v - p)² +
    w (y + z)²`` with the demand ``z = -habitat (p - p0)`` of investors of habit: slope ``(gamma + w habitat)/(1 + w
    habitat²)`` for the regression's gamma.

    References
    ----------
    A. Kyle, Econometrica 53 (1985) 1315-1335; C. Holden and A. Subrahmanyam, J. Finance 47 (1992) 247-270; W. Dou, I.
    Goldstein and Y. Ji, NBER working paper 34054.

    Examples
    --------
    >>> market = KyleMarket(insiders=2)
    >>> [(role.name, role.agents, role.observes) for role in market.roles()]
    [('insider', 2, ('value',)), ('maker', 1, ('auction',))]
    >>> market.benchmarks().nash.payoffs
    array([ 0.2357, 0.2357, -0.3333])
    """

    role: ClassVar[str] = "insider"
    payoff_name: ClassVar[str] = "profit"
    payoff_unit: ClassVar[str] = "currency"

    kind: Literal["kyle"] = "kyle"
    insiders: int = param(1, "number of insiders, N, who all know the value", "agents", ge=1, le=1000)
    maker: Literal["learning", "rational", "fixed"] = param("learning", "who sets the price slope, lambda")
    auctions: int = param(1, "auctions of an episode", "auctions", ge=1, le=1_000_000)
    values: Literal["once", "each"] = param("once", "whether the value is drawn once an episode or for each auction")
    price: float = param(0.0, "mean of the value, and first price, p_0", "currency/unit")
    value_sd: float = param(1.0, "standard deviation of the value, sqrt(Sigma_0)", "currency/unit", gt=0)
    noise_sd: float = param(1.0, "sd of what noise traders order: in all auctions of one value, sigma_u", "units", gt=0)
    slope: float | None = param(
        None, "lambda of a fixed maker, or the regression that a rational one begins with; none: the equilibrium's",
        "currency/unit²", gt=0,
    )  # fmt: skip
    memory: int = param(1000, "auctions that a rational maker remembers", "auctions", ge=1)
    habitat: float = param(0.0, "units by which investors of habit sell when the price rises by 1, xi", ge=0)
    inventory_weight: float = param(0.0, "weight of the maker's squared inventory beside its squared error, w", ge=0)
    slopes: tuple[float, float] = param(
        (0.0, 2.0), "least and largest slope that value-based learners compare, as parts of the equilibrium's"
    )
    grid: int = param(21, "how many slopes they compare", ge=2, le=10_000)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        several = self.values == "once" and self.auctions > 1
        if self.maker == "rational" and (self.values == "once" or self.auctions == 1):
            mend = "set values=each and auctions to the length of an episode"
            raise ValueError(f"maker: rational needs past auctions with other values; {mend}")
        if self.slope is not None and self.maker == "learning":
            raise ValueError("slope: a learning maker chooses its own; leave slope out, or set maker=fixed")
        if self.slope is not None and several:
            raise ValueError("slope: sequential auctions have a slope each; leave it out")
        if several and (self.habitat or self.inventory_weight):
            raise ValueError("habitat: known for single auctions only; set values=each, or auctions=1")
        if self.slopes[0] >= self.slopes[1]:
            raise ValueError(f"slopes: {list(self.slopes)} is empty; give the smaller one first")
        return self

    # --- theory ----------------------------------------------------------------------------------------------------

    @property
    def auction(self) -> Auction:
        """A single auction as theory knows it."""
        return Auction(self.insiders, self.value_sd, self.noise_sd, self.habitat, self.inventory_weight)

    @property
    def rounds(self) -> int:
        """Auctions of one value."""
        return self.auctions if self.values == "once" else 1

    @cached_property
    def nash(self) -> Slopes:
        """The equilibrium; among insiders alone, where a fixed maker has a slope of its own."""
        if self.rounds > 1:
            day = sequential.equilibrium(self.rounds, self.insiders, self.value_sd, self.noise_sd)
            return Slopes(day.orders, day.impacts)
        if self.maker == "fixed" and self.slope is not None:
            return Slopes(np.array([1 / ((self.insiders + 1) * self.slope)]), np.array([self.slope]))
        return _single(self.auction.nash())

    @cached_property
    def cartel(self) -> Slopes:
        """Joint profits of insiders are largest: at a fixed maker's slopes, or where the maker expects a cartel."""
        if self.maker == "fixed":
            impacts = self.nash.impacts
            if self.rounds > 1:
                alone, _ = sequential.best_orders(impacts, None, self.value_sd, self.noise_sd)
                return Slopes(alone / self.insiders, impacts)
            return _single(self.auction.cartel_against(float(impacts[0])))
        if self.rounds > 1:
            day = sequential.equilibrium(self.rounds, 1, self.value_sd, self.noise_sd)
            return Slopes(day.orders / self.insiders, day.impacts)
        return _single(self.auction.cartel())

    def outcome(self, play: Slopes) -> tuple[float, Floats]:
        """An insider's expected profit, and the expected squared pricing error after each auction of a value."""
        each = np.repeat(play.orders[:, None], self.insiders, axis=1)
        found = sequential.evaluate(each, play.impacts, self.value_sd, self.noise_sd)
        return float(found.profits[0]), found.errors[1:]

    def benchmarks(self) -> Benchmarks:
        """Nash and, where the maker is no player, the cartel as joint optimum; both by closed forms or recursion."""
        nash, cartel = self._profile("Nash", "nash", self.nash), self._profile("cartel", "joint-optimum", self.cartel)
        (each, errors), (together, _) = self.outcome(self.nash), self.outcome(self.cartel)
        numbers = {
            "profit of all insiders at Nash": self.insiders * each,
            "profit of all insiders as a cartel": self.insiders * together,
            "what the cartel earns more (share)": together / each - 1,
            "order slope at Nash (beta), first auction": float(self.nash.orders[0]),
            "order slope of the cartel, first auction": float(self.cartel.orders[0]),
            "price slope at Nash (lambda), first auction": float(self.nash.impacts[0]),
            "squared pricing error at the end": float(errors[-1]),
        }
        if self.maker == "learning":
            note = "the maker's payoff is minus its squared error, no money: it has no joint optimum with insiders"
            return Benchmarks((nash,), (), False, numbers, (NOTE, note))
        return Benchmarks((nash,), (cartel,), False, numbers, (NOTE,))

    def _profile(self, name: str, concept: Concept, play: Slopes) -> Profile:
        profit, errors = self.outcome(play)
        payoffs = np.full(self.n_players, profit)
        if self.maker == "learning":
            single = Linear(np.full(self.insiders, play.orders[0]), float(play.impacts[0]))
            payoffs[-1] = -errors.sum() if self.rounds > 1 else -self.auction.loss(single)
        quantities = {"slope": play.impacts, "error": errors}
        closed = self.rounds == 1 and not (self.habitat and self.inventory_weight)
        method = "closed form" if closed else "root of one equation" if self.rounds == 1 else "backward recursion"
        return Profile(name, concept, payoffs, method, quantities=quantities)

    # --- play ------------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.auctions

    @property
    def payoff_steps(self) -> int:
        return self.auctions if self.values == "each" else 1

    def roles(self) -> tuple[Role, ...]:
        if self.values == "each":
            seen: tuple[str, ...] = ("value", "last-price")
        else:
            seen = ("value",) if self.auctions == 1 else ("value", "price", "auction")
        insiders = Role("insider", self.insiders, seen, Continuous(1))
        makers = (Role("maker", 1, ("auction",), Continuous(1)),) if self.maker == "learning" else ()
        return (insiders, *makers)

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("value", "currency/unit", False),
            Quantity("flow", "units", False),
            Quantity("price", "currency/unit", False),
            Quantity("slope", "currency/unit²", False),
            Quantity("error", "(currency/unit)²", False),
            Quantity("gap", "currency/unit", False),
            Quantity("gap_square", "(currency/unit)²", False),
            Quantity("flow_square", "units²", False),
            Quantity("gap_flow", "currency", False),
            Quantity("order", "units"),
            Quantity("order_gap", "currency"),
            Quantity("profit", "currency"),
        )

    def rules(self) -> dict[str, str]:
        return dict(RULES)

    def dynamics(self) -> "KyleDynamics":
        from tacitlab.markets.kyle.dynamics import build

        return build(self)


NOTE = "the only equilibrium in linear strategies; payoffs are expectations over values and noise"


def _single(play: Linear) -> Slopes:
    return Slopes(play.orders[:1], np.array([play.impact]))

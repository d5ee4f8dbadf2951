"""Glosten and Milgrom's dealers as a market: who quotes best trades with customers of whom some know the value."""

import math
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.markets.glosten_milgrom.theory import Customers
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile
from tacitlab.theory.equilibrium import pure_nash

if TYPE_CHECKING:
    from tacitlab.markets.glosten_milgrom.dynamics import GlostenMilgromDynamics

MOST_PROFILES = 300_000  # joint quotes that are enumerated
RULES = {
    "hold": "quotes nothing, or as widely as possible",
    "zero-profit": "the competitive quote: the narrowest of those allowed that does not lose",
    "monopoly": "what a single dealer earns most with, now",
    "random": "any quote, each as likely",
}


class GlostenMilgrom(Market):
    """Dealers post half-spreads, and one customer a step trades with the best, or shares his trade among the best.

    The value lies ``reach`` above or below its mean without news, each as likely. A customer is informed with
    probability mu (``informed``) and trades one unit where that pays; others buy or sell, each as likely, and at a
    half-spread of s only with probability ``1 - s/L`` (``reservation``; none: always). The best dealer earns s, less
    what an informed customer takes.

    With ``values: each`` every customer meets a new value, so that the mean stays and bid and ask lie equally far from
    it: one half-spread is the whole quote. With ``tick`` it is tick, 2 tick, ..., and the last action quotes nothing:
    the game for which all equilibria can be enumerated. Without, it is any number up to L. With ``values: once``
    the value is drawn once an episode, trades tell about it, and everybody sees the public belief that it is the high
    one, by Bayes' rule; a quote then has two parts, how far the ask lies above the expected value and the bid below.

    ``payoffs: expected`` rewards with what quotes earn on average, which takes the noise of customers out of learning.

    References
    ----------
    L. Glosten and P. Milgrom, J. Financial Economics 14 (1985) 71-100; J.-E. Colliard, T. Foucault and S. Lovo,
    "Algorithmic pricing and liquidity in securities markets" (learning dealers with adverse selection).

    Examples
    --------
    >>> market = GlostenMilgrom(tick=0.15)
    >>> market.roles()[0].actions.size, [p.quantities["half_spread"] for p in market.benchmarks().competitive]
    (9, [array([0.3]), array([0.45])])
    """

    role: ClassVar[str] = "dealer"
    payoff_name: ClassVar[str] = "profit"
    payoff_unit: ClassVar[str] = "currency"

    kind: Literal["glosten-milgrom"] = "glosten-milgrom"
    dealers: int = param(2, "number of dealers", "agents", ge=1, le=1000)
    informed: float = param(0.2, "probability that a customer knows the value, mu", ge=0, lt=1)
    reach: float = param(1.0, "how far the value lies from its mean without news, Delta", "currency", gt=0)
    reservation: float | None = param(
        1.2, "half-spread at which no noise trader trades any more, L; none: all trade at any", "currency", gt=0
    )
    tick: float | None = param(None, "half-spreads are multiples of it; none: any", "currency", gt=0)
    levels: int | None = param(
        None, "room for so many half-spreads, so that a sweep over ticks compiles once; none: as many as there are",
        ge=1, le=10_000,
    )  # fmt: skip
    values: Literal["each", "once"] = param("each", "whether every customer meets a new value, or an episode has one")
    customers: int = param(1, "customers of an episode, one a step", "customers", ge=1, le=1_000_000)
    payoffs: Literal["realised", "expected"] = param("realised", "what dealers are rewarded with")
    observes: Literal["nothing", "last-quote"] = param("nothing", "whether dealers see the best quote of the last step")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.values == "once" and self.tick is not None:
            raise ValueError("tick: bid and ask around a belief move freely; leave tick out, or set values=each")
        if self.values == "once" and self.payoffs == "expected":
            raise ValueError("payoffs: expected needs values=each; what a trade tells comes with the trade")
        if self.values == "once" and self.observes == "last-quote":
            raise ValueError("observes: last-quote needs values=each; with one value dealers see the belief")
        if self.observes == "last-quote" and self.customers == 1:
            raise ValueError("observes: an episode of one customer has no last quote; set customers to its length")
        if self.tick is None:
            if self.levels is not None:
                raise ValueError("levels: without tick there are none; leave it out, or set tick")
            return self
        try:
            count = len(self.theory.levels(self.tick))
        except TacitError as error:
            raise ValueError(str(error)) from None
        if self.levels is not None and count > self.levels:
            raise ValueError(f"levels: {self.levels} are too few for the {count} half-spreads of tick; raise levels")
        return self

    # --- theory ----------------------------------------------------------------------------------------------------

    @property
    def theory(self) -> Customers:
        """Who comes, as theory knows them."""
        return Customers(self.informed, self.reach, math.inf if self.reservation is None else self.reservation)

    @cached_property
    def spreads(self) -> tuple[float, ...]:
        """The half-spreads of a market with ticks, ascending."""
        return tuple(map(float, self.theory.levels(self.tick))) if self.tick is not None else ()

    @property
    def zero_profit(self) -> float:
        """The competitive half-spread; with ticks the narrowest that does not lose, the widest if all do."""
        if self.tick is None:
            return self.theory.zero_profit()
        good = [s for s in self.spreads if self.theory.profit(s) >= 0]
        return good[0] if good else self.spreads[-1]

    @property
    def monopoly(self) -> float:
        """The half-spread that earns most."""
        return max(self.spreads, key=lambda s: float(self.theory.profit(s))) if self.spreads else self.theory.monopoly()

    def benchmarks(self) -> Benchmarks:
        """All pure equilibria with ticks, by enumeration; zero profit without; and the monopoly.

        The competitive reference is the equilibrium that pays least. With one value an episode: zero profit alone.
        """
        theory, n = self.theory, self.dealers
        numbers = {
            "zero-profit half-spread, without ticks": theory.zero_profit(),
            "monopoly half-spread, without ticks": theory.monopoly(),
        }
        if self.values == "once":
            zero = Profile("zero profit", "nash", np.zeros(n), "closed form at every belief")
            note = "no joint optimum is computed: quotes decide what trades tell, and so what is earned later"
            return Benchmarks((zero,) if n > 1 else (), (), False, numbers, (note,))
        method = "closed form" if not self.spreads else "search"
        best = self._profile("monopoly", "joint-optimum", self.monopoly, method)
        if n == 1:
            return Benchmarks((), (best,), False, numbers, ("a single dealer has no rival",))
        if self.tick is None:
            zero = self._profile("zero profit", "nash", self.zero_profit, "closed form")
            return Benchmarks((zero,), (best,), False, numbers, ("Bertrand: any profit would be undercut",))
        return self._enumerated(best, numbers)

    def _enumerated(self, best: Profile, numbers: dict[str, float]) -> Benchmarks:
        assert self.tick is not None
        theory, n, notes = self.theory, self.dealers, []
        symmetric = [
            self._profile(f"Nash at {s:g}", "nash", float(s), f"enumeration of {len(self.spreads)} half-spreads")
            for s in theory.symmetric_equilibria(self.tick, n)
        ]
        complete = (len(self.spreads) + 1) ** n <= MOST_PROFILES
        if complete:
            table = theory.payoffs(self.tick, n)
            profiles = pure_nash(table, 1e-12)
            mixed = profiles[(profiles != profiles[:, :1]).any(axis=1)]
            paid = sorted({round(float(table[tuple(p)].mean()), 12) for p in mixed})
            if len(mixed):
                worth = f"mean payoffs {paid[0]:g} to {paid[-1]:g}"
                notes.append(f"{len(mixed)} more pure equilibria are not symmetric, {worth}")
            complete = not len(mixed)
        if not symmetric:
            notes.append("no symmetric equilibrium in pure strategies")
        return Benchmarks(tuple(symmetric), (best,), complete, numbers, tuple(notes))

    def _profile(self, name: str, concept: Literal["nash", "joint-optimum"], spread: float, method: str) -> Profile:
        payoffs = np.full(self.dealers, float(self.theory.profit(spread)) / self.dealers)
        return Profile(name, concept, payoffs, method, quantities={"half_spread": np.array([spread])})

    # --- play ------------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.customers

    @property
    def payoff_steps(self) -> int:
        return self.customers

    @property
    def room(self) -> int:
        """Half-spreads that there is room for."""
        return self.levels or len(self.spreads)

    def roles(self) -> tuple[Role, ...]:
        if self.values == "once":
            return (Role(self.role, self.dealers, ("belief",), Continuous(2)),)
        if self.tick is None:
            return (Role(self.role, self.dealers, (self.observes,), Continuous(1)),)
        levels = (1,) if self.observes == "nothing" else (self.room + 1,)
        return (Role(self.role, self.dealers, (self.observes,), Discrete(self.room + 1), levels),)

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("half_spread", "currency", False),
            Quantity("value", "currency", False),
            Quantity("side", "units", False),
            Quantity("traded", "share of customers", False),
            Quantity("informed", "share of customers", False),
            Quantity("belief", "", False),
            Quantity("belief_error", "", False),
            Quantity("quote", "currency"),
            Quantity("quote_square", "currency²"),
            Quantity("profit", "currency"),
        )

    def rules(self) -> dict[str, str]:
        return dict(RULES)

    def dynamics(self) -> "GlostenMilgromDynamics":
        from tacitlab.markets.glosten_milgrom.dynamics import build

        return build(self)

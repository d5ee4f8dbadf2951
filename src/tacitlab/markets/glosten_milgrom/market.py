"""Glosten and Milgrom's dealers as a market: who quotes best trades with customers of whom some know the value."""

import math
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.markets.glosten_milgrom.theory import Customers
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile
from tacitlab.theory.equilibrium import pure_nash
from tacitlab.theory.precision import roundings

MOST_PROFILES = 300_000  # joint quotes that are enumerated
BELIEFS = 2001  # at which quotes of the rules are tabulated
SURE = 1e-6  # a belief keeps so far from 0 and 1
CANDIDATES = (21, 9)  # of a quote that is any number: with one part, and for each of two
RULES = {
    "hold": "quotes nothing, or as widely as possible",
    "zero-profit": "the competitive quote: the narrowest of those allowed that does not lose",
    "monopoly": "what a single dealer earns most with, now",
    "random": "any quote, each as likely",
}


class QuoteGrid(NamedTuple):
    """What may be quoted with ticks; arrays of NumPy in the description, of JAX in play.

    Attributes
    ----------
    tick : () array
    levels : () array of int
        Half-spreads that may be quoted.
    named : (2,) array of int
        Which of them are the zero-profit and the monopoly half-spread.
    """

    tick: Any
    levels: Any
    named: Any


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
    def _consistent(self) -> "GlostenMilgrom":
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

    @property
    def once(self) -> bool:
        """Whether an episode has one value."""
        return self.values == "once"

    @property
    def widest(self) -> float:
        """The largest half-spread that makes sense: around a belief the informed gain up to twice the reach."""
        return max(self.reservation or 0.0, 2 * self.reach) if self.once else self.theory.widest

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

    @property
    def grid(self) -> QuoteGrid | None:
        """What may be quoted with ticks."""
        if self.tick is None:
            return None
        named = [self.spreads.index(spread) for spread in (self.zero_profit, self.monopoly)]
        return QuoteGrid(np.asarray(self.tick), np.asarray(len(self.spreads)), np.asarray(named))

    @property
    def markups(self) -> NDArray[np.float64]:
        """Zero-profit and monopoly markups of an ask without ticks, by belief: (2, beliefs)."""
        beliefs = np.linspace(0, 1, BELIEFS)
        return np.stack([self.theory.markup(beliefs), self.theory.monopoly_markup(beliefs)])

    def benchmarks(self) -> Benchmarks:
        """All pure equilibria with ticks, by enumeration; zero profit without; and the monopoly.

        The competitive reference is the equilibrium that pays least. With one value an episode: zero profit alone.
        """
        theory, n = self.theory, self.dealers
        numbers = {
            "zero-profit half-spread, without ticks": theory.zero_profit(),
            "monopoly half-spread, without ticks": theory.monopoly(),
        }
        if self.once:
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
            profiles = pure_nash(table, roundings(table))
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
        if self.once:
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

    def rule_values(self) -> dict[str, NDArray[np.float64]]:
        if self.once:  # what is earned later depends on what trades told
            return {}
        n, theory = self.dealers, self.theory
        found = {"zero-profit": theory.profit(self.zero_profit) / n, "monopoly": theory.profit(self.monopoly) / n}
        if self.tick is None:
            found["hold"] = theory.profit(self.widest) / n
        else:
            found["hold"] = np.zeros(())
            if (len(self.spreads) + 1) ** n <= MOST_PROFILES:
                table = theory.payoffs(self.tick, n)[..., 0]
                found["random"] = table[(slice(len(self.spreads)),) * n].mean()
        return {name: np.full(n, float(value)) for name, value in found.items()}

    def dynamics(self) -> "GlostenMilgromDynamics":
        return built(GlostenMilgromDynamics, self)


class GlostenMilgromState(NamedTuple):
    """Between two customers."""

    time: Int[Array, ""]
    high: Float[Array, ""]  # 1: the value of the episode is the high one
    belief: Float[Array, ""]
    last: Float[Array, ""]  # best quote of the last step: its number, or the half-spread


class Visit(NamedTuple):
    """What a customer did, given the best quotes."""

    value: Float[Array, ""]
    side: Float[Array, ""]  # 1: buys, -1: sells, 0: goes
    informed: Float[Array, ""]
    earned: Float[Array, ""]  # by the dealers together


class GlostenMilgromDynamics(Dynamics):
    """Quotes, a customer, who trades with him, and what that tells."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    once: bool = eqx.field(static=True)
    payoffs: str = eqx.field(static=True)
    observes: str = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    informed: Float[Array, ""]
    reach: Float[Array, ""]
    reservation: Float[Array, ""] | None
    widest: Float[Array, ""]
    grid: QuoteGrid | None
    markups: Float[Array, "2 beliefs"]

    def reset(self, key: PRNGKeyArray) -> GlostenMilgromState:
        high = (jax.random.uniform(key) < 0.5).astype(self.informed.dtype)
        nothing = self.widest if self.grid is None else self.grid.levels.astype(self.informed.dtype)
        return GlostenMilgromState(jnp.zeros((), jnp.int32), high, jnp.full_like(self.informed, 0.5), nothing)

    # --- what dealers see ------------------------------------------------------------------------------------------

    def observe(self, state: GlostenMilgromState) -> dict[str, Float[Array, "_ _"]]:
        last = state.last if self.observes == "last-quote" else jnp.zeros_like(self.informed)
        seen = state.belief if self.once else last
        return {self.roles[0].name: jnp.broadcast_to(seen, (self.roles[0].agents, 1))}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """From -1 to 1."""
        if self.once:
            return 2 * observation - 1
        if self.observes == "nothing":
            return observation
        return 2 * observation / (self.widest if self.grid is None else role.actions.size - 1) - 1

    def global_state(self, state: GlostenMilgromState) -> Float[Array, " features"]:
        role = self.roles[0]
        seen = self.features(role, self.observe(state)[role.name][0])
        return jnp.append(seen, 2 * state.time / self.horizon - 1)

    # --- what happens ----------------------------------------------------------------------------------------------

    def step(
        self, key: PRNGKeyArray, state: GlostenMilgromState, actions: Actions
    ) -> tuple[GlostenMilgromState, Outcome]:
        role = self.roles[0]
        asks, bids = self._quotes(actions[role.name].astype(self.informed.dtype))
        ask, bid = jnp.min(asks), jnp.min(bids)
        visit = self._visit(jax.random.uniform(key, (4,)), state, ask, bid)
        best = jnp.where(visit.side >= 0, asks == ask, bids == bid)
        share = best / jnp.sum(best)
        profit = share * visit.earned
        rewards = share * self._expected(ask) if self.payoffs == "expected" else profit
        belief = self._belief(state, visit.side, ask, bid) if self.once else state.belief
        last = ask
        if self.grid is not None:
            last = jnp.minimum(jnp.min(actions[role.name]), self.grid.levels).astype(self.informed.dtype)
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        after = GlostenMilgromState(state.time + 1, state.high, belief, last)
        quotes = (jnp.minimum(asks, self.widest) + jnp.minimum(bids, self.widest)) / 2
        info = {
            "half_spread": (jnp.minimum(ask, self.widest) + jnp.minimum(bid, self.widest)) / 2,
            "value": visit.value,
            "side": visit.side,
            "traded": jnp.abs(visit.side),
            "informed": visit.informed,
            "belief": belief,
            "belief_error": ((visit.value > 0) - belief) ** 2,
            "quote": quotes,
            "quote_square": quotes**2,
            "profit": profit,
        }
        flags = (over, no) if self.once else (no, over)
        return after, Outcome({role.name: rewards}, *flags, info)

    def _quotes(
        self, actions: Float[Array, "dealers size"]
    ) -> tuple[Float[Array, " dealers"], Float[Array, " dealers"]]:
        """How far asks lie above the expected value, and bids below; infinite: no quote."""
        if self.grid is not None:
            quotes = jnp.where(actions[:, 0] < self.grid.levels, (actions[:, 0] + 1) * self.grid.tick, jnp.inf)
            return quotes, quotes
        quotes = jnp.clip((1 + actions) / 2, 0, 1) * self.widest
        return quotes[:, 0], quotes[:, -1]

    def _visit(
        self, draws: Float[Array, " 4"], state: GlostenMilgromState, ask: Float[Array, ""], bid: Float[Array, ""]
    ) -> Visit:
        high = state.high if self.once else (draws[0] < 0.5).astype(self.informed.dtype)
        value, mean = self.reach * (2 * high - 1), self._mean(state.belief)
        knows, wants = draws[1] < self.informed, jnp.where(draws[2] < 0.5, 1.0, -1.0)
        markup = jnp.where(wants > 0, ask, bid)
        patient = jnp.isfinite(markup) if self.reservation is None else self.reservation * draws[3] > markup
        news = jnp.where(value > mean + ask, 1.0, jnp.where(value < mean - bid, -1.0, 0.0))
        side = jnp.where(knows, news, wants * patient)
        paid = jnp.where(side > 0, mean + ask - value, jnp.where(side < 0, value - mean + bid, 0.0))
        return Visit(value, side, knows.astype(self.informed.dtype), paid)

    def _mean(self, belief: Float[Array, ""]) -> Float[Array, ""]:
        """The expected value."""
        return self.reach * (2 * belief - 1)

    def _demand(self, markup: Float[Array, ""]) -> Float[Array, ""]:
        """Probability that a noise trader accepts."""
        if self.reservation is None:
            return jnp.isfinite(markup).astype(self.informed.dtype)
        return jnp.clip(1 - markup / self.reservation, 0, 1)

    def _expected(self, spread: Float[Array, ""]) -> Float[Array, ""]:
        """What dealers earn together on average at a half-spread."""
        none = jnp.isinf(spread)
        s = jnp.where(none, 0.0, spread)
        earned = (1 - self.informed) * s * self._demand(s) + self.informed * jnp.minimum(s - self.reach, 0)
        return jnp.where(none, 0.0, earned)

    def _belief(
        self, state: GlostenMilgromState, side: Float[Array, ""], ask: Float[Array, ""], bid: Float[Array, ""]
    ) -> Float[Array, ""]:
        """Bayes' rule, for those who know the quotes and who may come."""
        mean, noise = self._mean(state.belief), (1 - self.informed) / 2

        def chance(value: Float[Array, ""]) -> Float[Array, ""]:
            buys = self.informed * (value > mean + ask) + noise * self._demand(ask)
            sells = self.informed * (value < mean - bid) + noise * self._demand(bid)
            return jnp.where(side > 0, buys, jnp.where(side < 0, sells, 1 - buys - sells))

        high, low = state.belief * chance(self.reach), (1 - state.belief) * chance(-self.reach)
        told = high + low > 0
        found = jnp.where(told, high / jnp.where(told, high + low, 1.0), state.belief)
        return jnp.clip(found, SURE, 1 - SURE)

    # --- choices ---------------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All half-spreads, and no quote; of those that are any number, equally spaced ones."""
        if self.grid is not None:
            return jnp.arange(role.actions.size, dtype=self.informed.dtype)[:, None], self.grid.levels + 1
        parts = jnp.linspace(-1.0, 1.0, CANDIDATES[role.actions.size - 1])
        pairs = jnp.stack(jnp.meshgrid(*[parts] * role.actions.size, indexing="ij"), axis=-1)
        found = pairs.reshape(-1, role.actions.size)
        return found, jnp.asarray(len(found))

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule not in ("hold", "random", "zero-profit", "monopoly"):
            return super().follow(rule, role, observation, draws)
        size, which = role.actions.size, 0 if rule == "zero-profit" else 1
        if self.grid is not None:
            if rule == "hold":
                return self.grid.levels.astype(self.informed.dtype)[None]
            if rule == "random":
                return jnp.minimum(jnp.floor(draws[:1] * self.grid.levels), self.grid.levels - 1)
            return self.grid.named[which].astype(self.informed.dtype)[None]
        if rule == "hold":
            return jnp.ones(size)
        if rule == "random":
            return 2 * draws[:size] - 1
        belief = observation[0] if self.once else jnp.full_like(self.informed, 0.5)
        beliefs = jnp.linspace(0.0, 1.0, self.markups.shape[1])
        markups = [jnp.interp(p, beliefs, self.markups[which]) for p in (belief, 1 - belief)[:size]]
        return 2 * jnp.stack(markups) / self.widest - 1

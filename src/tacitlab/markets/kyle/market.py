"""Kyle's auctions as a market: insiders trade on what they know, a maker sets prices by the flow of orders."""

from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.kyle import sequential
from tacitlab.markets.kyle.theory import LinearPlay, SingleAuction
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built, normal
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

Floats = NDArray[np.float64]
PRIOR = 10.0  # auctions of noise alone that a rational maker's first slope is worth
FEATURE_SD = 2.0  # standard deviations that networks see as 1
PLACES = 8  # auctions up to so many have an input each
PENALTY = "minus squared error of the price"  # what a maker that learns gets
NOTE = "the only equilibrium in linear strategies; payoffs are expectations over values and noise"
RULES = {
    "hold": "orders nothing; a maker never moves the price",
    "random": "any slope that value-based learners compare, each as likely",
    "nash": "the equilibrium's slopes",
    "cartel": "slopes of insiders who maximise their joint profit, and of a maker who expects them to",
    "truthful": "orders that together move the expected price to the value, which earns nothing; a maker as in Nash",
}


class Slopes(NamedTuple):
    """Linear play by auction: (auctions,) each; a single entry where all auctions are alike.

    Arrays of NumPy in the description, of JAX in play.

    Attributes
    ----------
    orders : array
        Order of each insider for a unit of value less price.
    impacts : array
        lambda.
    """

    orders: Floats
    impacts: Floats


def _single(play: LinearPlay) -> Slopes:
    return Slopes(play.orders[:1], np.array([play.impact]))


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
    def _consistent(self) -> "KyleMarket":
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
    def auction(self) -> SingleAuction:
        """A single auction as theory knows it."""
        return SingleAuction(self.insiders, self.value_sd, self.noise_sd, self.habitat, self.inventory_weight)

    @property
    def each(self) -> bool:
        """Whether every auction has a value of its own."""
        return self.values == "each"

    @property
    def rounds(self) -> int:
        """Auctions of one value."""
        return 1 if self.each else self.auctions

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise traders' order in an auction."""
        return self.noise_sd / np.sqrt(self.rounds)

    @cached_property
    def order_unit(self) -> float:
        """Order of an action of 1."""
        return self.auction.order_unit

    @cached_property
    def impact_unit(self) -> float:
        """Change of the price slope of an action of 1."""
        return self.auction.impact_unit

    @cached_property
    def regression(self) -> float:
        """What a rational maker begins with."""
        return self.slope if self.slope is not None else self.auction.regression(self.auction.nash().orders)

    @cached_property
    def forgetting(self) -> float:
        """What a rational maker forgets in an auction."""
        return 1 / self.memory

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
            single = LinearPlay(np.full(self.insiders, play.orders[0]), float(play.impacts[0]))
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
        return self.auctions if self.each else 1

    def roles(self) -> tuple[Role, ...]:
        if self.each:
            seen: tuple[str, ...] = ("value", "last-price")
        else:
            seen = ("value",) if self.auctions == 1 else ("value", "price", "auction")
        insiders = Role("insider", self.insiders, seen, Continuous(1))
        makers = (
            (Role("maker", 1, ("auction",), Continuous(1), (), PENALTY, "(currency/unit)²"),)
            if self.maker == "learning"
            else ()
        )
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

    def rule_values(self) -> dict[str, Floats]:
        if self.maker != "fixed":  # a rational maker's slopes move
            return {}
        sincere = Slopes(1 / (self.insiders * self.nash.impacts), self.nash.impacts)
        plays = {"nash": self.nash, "cartel": self.cartel, "truthful": sincere}
        found = {rule: self.outcome(play)[0] for rule, play in plays.items()} | {"hold": 0.0}
        return {rule: np.full(self.insiders, value) for rule, value in found.items()}

    def dynamics(self) -> "KyleDynamics":
        return built(KyleDynamics, self)


class KyleState(NamedTuple):
    """Between two auctions."""

    time: Int[Array, ""]
    value: Float[Array, ""]
    price: Float[Array, ""]  # the last one
    products: Float[Array, ""]  # of values and flows: what a rational maker remembers
    squares: Float[Array, ""]  # of flows


class KyleDynamics(Dynamics):
    """Orders, flow, price; an action of size 1 is an order, or a change of slope, of the size that theory has."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    maker: str = eqx.field(static=True)
    each: bool = eqx.field(static=True)
    insiders: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    rounds: int = eqx.field(static=True)
    grid: int = eqx.field(static=True)
    price: Float[Array, ""]
    value_sd: Float[Array, ""]
    noise: Float[Array, ""]
    order_unit: Float[Array, ""]
    impact_unit: Float[Array, ""]
    regression: Float[Array, ""]
    forgetting: Float[Array, ""]
    habitat: Float[Array, ""]
    inventory_weight: Float[Array, ""]
    slopes: Float[Array, " 2"]
    nash: Slopes
    cartel: Slopes

    def reset(self, key: PRNGKeyArray) -> KyleState:
        value = self.price + self.value_sd * normal(jax.random.uniform(key))
        squares = PRIOR * self.noise**2
        return KyleState(jnp.zeros((), jnp.int32), value, self.price, self.regression * squares, squares)

    # --- what agents see -------------------------------------------------------------------------------------------

    def observe(self, state: KyleState) -> dict[str, Float[Array, "_ _"]]:
        time = state.time.astype(state.value.dtype)
        known = {"value": state.value, "last-price": state.price, "price": state.price, "auction": time}
        found = {}
        for role in self.roles:
            seen = jnp.stack([known[name] for name in role.observes])
            found[role.name] = jnp.broadcast_to(seen, (role.agents, seen.size))
        return found

    def _gap_and_time(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, ""], Int[Array, ""]]:
        """Value less price before the auction, 0 for a maker; and the auction, as a column of the tables."""
        seen = dict(zip(role.observes, observation, strict=True))
        gap = seen["value"] - seen.get("price", self.price) if "value" in seen else jnp.zeros(())
        time = seen["auction"].astype(int) if "auction" in seen else jnp.zeros((), int)
        return gap, jnp.clip(time, 0, self.rounds - 1)

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """The gap between value and price, and the last price or the auction; for a maker the auction alone.

        Few auctions have a place each, in which the gap stands: what is best now and what is best later are then not
        learned by the same weights.
        """
        seen, scale = dict(zip(role.observes, observation, strict=True)), FEATURE_SD * self.value_sd
        gap, now = self._gap_and_time(role, observation)
        last = self.rounds - 1
        time = (2 * now / last - 1 if last else jnp.zeros(()))[None].astype(observation.dtype)
        places = jnp.arange(last + 1) == now if 0 < last < PLACES else jnp.ones(1)
        if "last-price" in seen:
            return jnp.stack([gap, seen["last-price"] - self.price]) / scale
        if "value" in seen:
            parts = [gap / scale * places, *([time] if last else [])]
        else:
            parts = [places.astype(observation.dtype) if 0 < last < PLACES else time]
        return jnp.concatenate(parts)

    def global_state(self, state: KyleState) -> Float[Array, " features"]:
        scale = FEATURE_SD * self.value_sd
        time = 2 * state.time / self.horizon - 1
        moves = jnp.stack([state.value - self.price, state.price - self.price]) / scale
        return jnp.append(moves, jnp.stack([time, self._remembered(state) / self.impact_unit]))

    # --- what happens ----------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: KyleState, actions: Actions) -> tuple[KyleState, Outcome]:
        draws = normal(jax.random.uniform(key, (2,)))
        before = self.price if self.each else state.price
        gap = state.value - before
        orders = self.order_unit * actions["insider"][:, 0].astype(gap.dtype)
        flow = jnp.sum(orders) + self.noise * draws[0]
        slope = self._slope(state, actions)
        price = before + slope * flow
        habit = -self.habitat * (price - before)
        error = state.value - price
        profits = orders * error
        rewards, order, profit = {"insider": profits}, orders, profits
        if self.maker == "learning":
            taken = -(flow + habit)
            rewards["maker"] = -(error**2 + self.inventory_weight * taken**2)[None]
            order, profit = jnp.append(orders, taken), jnp.append(profits, taken * error)
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        info = {
            "value": state.value, "flow": flow, "price": price, "slope": slope, "error": error**2, "gap": gap,
            "gap_square": gap**2, "flow_square": flow**2, "gap_flow": gap * flow, "order": order,
            "order_gap": order * gap, "profit": profit,
        }  # fmt: skip
        after = self._after(state, price, flow, draws[1])
        return after, Outcome(rewards, *((no, over) if self.each else (over, no)), info)

    def _after(
        self, state: KyleState, price: Float[Array, ""], flow: Float[Array, ""], draw: Float[Array, ""]
    ) -> KyleState:
        if not self.each:
            return state._replace(time=state.time + 1, price=price)
        kept, news = 1 - self.forgetting, state.value - self.price
        return KyleState(
            state.time + 1, self.price + self.value_sd * draw, price, kept * state.products + news * flow,
            kept * state.squares + flow**2,
        )  # fmt: skip

    def _slope(self, state: KyleState, actions: Actions) -> Float[Array, ""]:
        if self.maker == "learning":
            return self.impact_unit * (1 + actions["maker"][0, 0].astype(state.value.dtype))
        if self.maker == "rational":
            weight, habitat = self.inventory_weight, self.habitat
            return (self._remembered(state) + weight * habitat) / (1 + weight * habitat**2)
        return self.nash.impacts[jnp.clip(state.time, 0, self.rounds - 1)]

    def _remembered(self, state: KyleState) -> Float[Array, ""]:
        """Regression of past values on past flows."""
        return state.products / state.squares

    # --- choices ---------------------------------------------------------------------------------------------------

    def _unit(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, ""]:
        """What the equilibrium's slope does: an order, or a price slope."""
        gap, time = self._gap_and_time(role, observation)
        return self.nash.orders[time] * gap if role.name == "insider" else self.nash.impacts[time]

    def _action(self, role: Role, wanted: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """Orders, or price slopes, as actions."""
        return wanted / self.order_unit if role.name == "insider" else wanted / self.impact_unit - 1

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Equally spaced parts of the equilibrium's slope."""
        parts = jnp.linspace(self.slopes[0], self.slopes[1], self.grid)
        return self._action(role, parts * self._unit(role, observation))[:, None], jnp.asarray(self.grid)

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        gap, time = self._gap_and_time(role, observation)
        insider = role.name == "insider"
        if rule == "hold":
            wanted = jnp.zeros_like(gap)
        elif rule == "random":
            part = self.slopes[0] + draws[0] * (self.slopes[1] - self.slopes[0])
            wanted = part * self._unit(role, observation)
        elif rule in ("nash", "cartel"):
            table = self.nash if rule == "nash" else self.cartel
            wanted = table.orders[time] * gap if insider else table.impacts[time]
        elif rule == "truthful":
            impact = self.nash.impacts[time]
            wanted = gap / (self.insiders * impact) if insider else impact
        else:
            return super().follow(rule, role, observation, draws)
        return self._action(role, wanted)[None]

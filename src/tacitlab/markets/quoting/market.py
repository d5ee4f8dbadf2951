"""What markets of quoting makers share: what is quoted, what is recorded, rules, benchmarks, and how they move."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built, normal
from tacitlab.markets.quoting import solutions
from tacitlab.markets.quoting.solutions import QuotingSolution
from tacitlab.markets.quoting.theory import QuotingGame, record, values
from tacitlab.schema import param
from tacitlab.theory import logit
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

Floats = NDArray[np.float64]
Seen = Literal["side", "time", "inventory", "rival-inventory", "own-quote", "rival-quote"]
WIDEST = 20.0  # half-spread of who does not want to trade, in units of the market
METHOD = "backward induction over inventories"
KNOWN = "benchmarks know everybody's inventory and the time"
RULES = {
    "optimum": "the best quotes in this market",
    "nash": "quotes of the Markov-perfect equilibrium",
    "joint-optimum": "the quotes that are best for all together",
    "cartea-jaimungal": "the best quotes in the limit of short steps",
    "avellaneda-stoikov": "their approximate quotes for an exponential utility: around a price that leans on inventory",
    "symmetric": "their total spread around the mid price",
    "fixed-spread": "what would be best if inventories did not matter, or customers' choice alone",
    "random": "any of the half-spreads that learners choose from, each as likely",
}


class Scale(NamedTuple):
    """Half-spreads that actions are measured by: action 0 is ``base``, 1 is ``base + unit``; currency."""

    base: float
    unit: float


class QuotingMarket(Market):
    """Makers quote half-spreads around a mid price; a subclass says who comes and how customers choose."""

    payoff_unit: ClassVar[str] = "currency"

    kind: str
    grid: int = param(7, "half-spreads, on each side, that learners of values choose from", ge=1, le=1000)
    quotes: tuple[float, float] | None = param(
        None, "the least and the largest of them; none: as the market suggests", "currency"
    )
    end: Literal["terminated", "truncated"] = param(
        "terminated", "whether learners take the end of an episode for the end of all earnings, or for a cut"
    )

    @model_validator(mode="after")
    def _range(self) -> "QuotingMarket":
        if self.quotes is not None and not self.quotes[0] <= self.quotes[1]:
            raise ValueError(f"quotes: {list(self.quotes)} are in the wrong order; give the least one first")
        return self

    # --- what a subclass says ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def game(self) -> QuotingGame:
        """The market as theory sees it: exactly the game that is simulated."""

    @property
    @abstractmethod
    def seen(self) -> tuple[Seen, ...]:
        """What makers see."""

    @property
    @abstractmethod
    def suggested(self) -> tuple[float, float]:
        """Range of the half-spreads to choose from unless another one is given, currency."""

    @property
    def expected_fills(self) -> bool:
        """Whether makers get their share of each customer, not one of them everything."""
        return False

    @property
    def first_price(self) -> float:
        """Mid price at the beginning, currency."""
        return 0.0

    # --- play ----------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.game.steps

    @property
    def n_players(self) -> int:
        return self.game.makers

    @property
    def scale(self) -> Scale:
        """What actions are measured by: the half-spread that is best where inventories do not matter."""
        game = self.game
        if game.fills == "exponential":
            return Scale(1 / game.decay, 1 / game.decay)
        markups = logit.nash(self._taste(), np.ones(1))[0].markups
        return Scale(float((game.cost + game.mu * markups).mean()), game.mu)

    def _taste(self) -> Floats:
        game = self.game
        return np.asarray((game.value - game.cost)[None] / game.mu)

    @property
    def tracked(self) -> bool:
        """Whether inventories matter."""
        return self.game.cap is not None

    @property
    def utility(self) -> bool:
        """Whether rewards are changes of a utility, not of money."""
        return self.game.risk_aversion > 0

    @property
    def choices(self) -> Floats:
        """Half-spreads that learners of values choose from on each side, ascending, currency."""
        return np.linspace(*(self.quotes or self.suggested), self.grid)

    def roles(self) -> tuple[Role, ...]:
        sizes = {"side": 2, "time": self.horizon}
        levels = tuple(sizes[name] for name in self.seen) if sizes.keys() >= set(self.seen) else ()
        actions = Continuous(1 if self.game.requests else 2)
        return (Role(self.role, self.n_players, self.seen, actions, levels),)

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("price", "currency", False),
            Quantity("spread", "currency", False),
            Quantity("volume", "fills", False),
            Quantity("bid", "currency"),
            Quantity("ask", "currency"),
            Quantity("half_spread", "currency"),
            Quantity("trade", "lots"),
            Quantity("inventory", "lots"),
            Quantity("wealth", "currency"),
        )

    def dynamics(self) -> "QuotingDynamics":
        return built(QuotingDynamics, self)

    # --- rules ---------------------------------------------------------------------------------------------------

    def rules(self) -> dict[str, str]:
        return {name: meaning for name, meaning in RULES.items() if name in {*self._tabled(), "random"}}

    def _tabled(self) -> list[str]:
        """Rules that are tables over time and inventories, which makers must see."""
        game, seen = self.game, set(self.seen)
        if game.makers > 1 and not game.alike:
            return []
        informed = {"time", "inventory"} <= seen and (game.makers == 1 or {"rival-inventory"} <= seen)
        found = ["fixed-spread"]
        if game.makers == 1 and informed:
            found += ["optimum"] * (not game.risk_aversion or game.fills == "exponential")
            found += self.formula_names
        elif game.cap is None or (informed and game.makers == 2):
            found += ["joint-optimum"] + ["nash"] * (game.fills == "logit" or game.makers == 1)
        return found

    @property
    def formula_names(self) -> tuple[str, ...]:
        """Rules with formulas of their own."""
        return ()

    def formula(self, name: str) -> Floats:
        """Half-spreads of such a rule, (steps, states, 1, 2)."""
        raise NotImplementedError(name)

    def tables(self) -> Mapping[str, Floats]:
        """Half-spreads of each rule that has a table, (steps, states, makers, 2); infinite: none."""
        game, found = self.game, {}
        for name in self._tabled():
            if name == "fixed-spread":
                found[name] = np.full((game.steps, game.states, game.makers, 2), self.scale.base)
            elif name in self.formula_names:
                found[name] = self.formula(name)
            else:
                found[name] = solution(game, name).quotes
        return found

    @property
    def own_tables(self) -> dict[str, Floats]:
        """The same as the first maker sees them, (steps, states, 2)."""
        return {name: quotes[:, :, 0] for name, quotes in self.tables().items()}

    def rule_values(self) -> dict[str, Floats]:
        game = self.game
        try:
            tables = self.tables()
        except TacitError:  # no equilibrium was found, for instance
            return {}
        return {name: self.payoff(values(game, quotes)[0, game.begin]) for name, quotes in tables.items()}

    # --- theory --------------------------------------------------------------------------------------------------

    def payoff(self, worth: ArrayLike) -> Floats:
        """Payoffs of certainty equivalents of an episode, of any shape."""
        aversion, certain = self.game.risk_aversion, np.asarray(worth, np.float64)
        found = -np.expm1(-aversion * certain) / aversion if aversion else certain
        return np.asarray(found / self.payoff_steps)

    def benchmarks(self) -> Benchmarks:
        """Optimum, or equilibrium and joint optimum, of the game that is simulated; what the rules are worth."""
        game, competitive, cooperative = self.game, list[Profile](), list[Profile]()
        numbers, notes = dict(self._numbers()), [] if game.cap is None else [KNOWN]
        wanted = ("optimum",) if game.makers == 1 else ("nash", "joint-optimum")
        for name in wanted:
            try:
                profile = self._profile(name)
            except TacitError as error:
                notes.append(f"{name} not computed: {error}")
                continue
            competitive += [profile] if name != "joint-optimum" else []
            cooperative += [profile] if name != "nash" else []
        return Benchmarks(tuple(competitive), tuple(cooperative), False, numbers, tuple(notes))

    def _profile(self, name: str) -> Profile:
        game, found = self.game, solution(self.game, name)
        concept: Concept = "nash" if name == "nash" else "joint-optimum"
        worth = found.at(game.begin)
        if name == "joint-optimum" and game.alike:
            worth = np.full_like(worth, worth.mean())  # which of equals does what is open
        payoffs, spread = self.payoff(worth), record(game, found.quotes).half_spread
        quantities = {"half_spread": spread} if np.isfinite(spread).all() else {}
        exact = found.error <= 1e-8 * max(1.0, float(np.abs(payoffs).max()))
        words = {"nash": "Nash" if game.cap is None else "Markov-perfect", "joint-optimum": "joint optimum"}
        error = found.error / self.payoff_steps
        return Profile(words.get(name, name), concept, payoffs, METHOD, None, quantities, exact=exact, error=error)

    def _numbers(self) -> Iterator[tuple[str, float]]:
        """Payoffs of a maker who is alone and follows a rule, or chooses from the grid; exact."""
        game = self.game
        if game.makers > 1:
            return
        for name, quotes in self.tables().items():
            if name != "optimum":
                yield f"payoff of {name}", float(self.payoff(values(game, quotes)[0, game.begin])[0])
        best = solutions.on_grid(game, self.choices).at(game.begin)
        yield f"payoff of the best of {self.grid} half-spreads a side", float(self.payoff(best)[0])


@lru_cache(maxsize=64)
def solution(game: QuotingGame, name: str) -> QuotingSolution:
    """A solution of a game by its name: ``optimum``, ``nash`` or ``joint-optimum``."""
    solve = {"optimum": solutions.optimum, "nash": solutions.equilibrium, "joint-optimum": solutions.joint_optimum}
    return solve[name](game)


class QuotingState(NamedTuple):
    """Between two steps."""

    time: Int[Array, ""]
    price: Float[Array, ""]
    side: Float[Array, ""]  # of the request that comes: 0 if the client sells, 1 if it buys
    inventory: Float[Array, " makers"]
    cash: Float[Array, " makers"]
    gain: Float[Array, " makers"]  # so far, penalties taken off
    quote: Float[Array, " makers"]  # the last half-spread, mean of both sides


class PlayedGame(eqx.Module):
    """What a step needs of theory's :class:`QuotingGame`, with its meanings, as arrays."""

    requests: bool = eqx.field(static=True)
    fills: str = eqx.field(static=True)
    start: Float[Array, ""]
    arrival: Float[Array, ""]
    decay: Float[Array, ""]
    value: Float[Array, ""]
    mu: Float[Array, ""]
    cost: Float[Array, " makers"]
    limit: Float[Array, ""]
    running: Float[Array, ""]
    terminal: Float[Array, ""]
    volatility: Float[Array, ""]
    risk_aversion: Float[Array, ""]


class QuotingDynamics(Dynamics):
    """Quotes, fills and what they are worth."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    expected_fills: bool = eqx.field(static=True)
    tracked: bool = eqx.field(static=True)
    utility: bool = eqx.field(static=True)
    end: str = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    first_price: Float[Array, ""]
    game: PlayedGame
    scale: Scale
    choices: Float[Array, " levels"]
    own_tables: dict[str, Float[Array, "steps states 2"]]  # half-spreads of rules, by own inventory, then the rival's

    @property
    def makers(self) -> int:
        return len(self.game.cost)

    def reset(self, key: PRNGKeyArray) -> QuotingState:
        none = jnp.zeros(self.makers)
        side = jnp.floor(2 * jax.random.uniform(key)) if self.game.requests else jnp.zeros(())
        held, middle = none + self.game.start, none + self.choices.mean()
        cash = -held * self.first_price  # wealth begins at 0
        return QuotingState(jnp.zeros((), jnp.int32), self.first_price, side, held, cash, none, middle)

    # --- what makers see -----------------------------------------------------------------------------------------

    def observe(self, state: QuotingState) -> dict[str, Float[Array, "_ _"]]:
        peers = max(self.makers - 1, 1)
        known = {
            "side": state.side,
            "time": state.time.astype(state.price.dtype),
            "inventory": state.inventory,
            "rival-inventory": (jnp.sum(state.inventory) - state.inventory) / peers,
            "own-quote": state.quote,
            "rival-quote": (jnp.sum(state.quote) - state.quote) / peers,
        }
        (role,) = self.roles
        parts = [jnp.broadcast_to(known[name], (self.makers,)) for name in role.observes]
        return {role.name: jnp.stack(parts, axis=1)}

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        half = jnp.maximum((self.choices[-1] - self.choices[0]) / 2, 1e-6 * self.scale.unit)
        scaled = {
            "side": lambda x: 2 * x - 1,
            "time": lambda x: 2 * x / self.horizon - 1,
            "inventory": lambda x: x / self.game.limit,
            "rival-inventory": lambda x: x / self.game.limit,
            "own-quote": lambda x: (x - self.choices.mean()) / half,
            "rival-quote": lambda x: (x - self.choices.mean()) / half,
        }
        return jnp.stack([scaled[name](x) for name, x in zip(role.observes, observation, strict=True)])

    def global_state(self, state: QuotingState) -> Float[Array, " features"]:
        whole = jnp.stack([2 * state.time / self.horizon - 1, 2 * state.side - 1])
        held = state.inventory / self.game.limit if self.tracked else state.inventory
        return jnp.concatenate([whole, held, (state.quote - self.scale.base) / self.scale.unit])

    # --- what they may do ----------------------------------------------------------------------------------------

    def half_spreads(self, actions: Float[Array, "makers size"]) -> Float[Array, "makers 2"]:
        """Of bids and asks; a single quote stands for both sides, of which one is asked for."""
        return jnp.broadcast_to(self.scale.base + self.scale.unit * actions, (self.makers, 2))

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All pairs of half-spreads of the grid, or all single ones."""
        one = (self.choices - self.scale.base) / self.scale.unit
        sides = [one] * role.actions.size
        found = jnp.stack([x.ravel() for x in jnp.meshgrid(*sides, indexing="ij")], axis=1)
        return found, jnp.asarray(len(found))

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: QuotingState, actions: Actions) -> tuple[QuotingState, Outcome]:
        (role,) = self.roles
        draws = jax.random.uniform(key, (4,)).astype(state.price.dtype)
        quotes = self.half_spreads(actions[role.name].astype(state.price.dtype))
        feasible = self._feasible(state.inventory)
        chance = self.chances(quotes, feasible)
        if self.game.requests:
            chance = chance * (jnp.arange(2) == state.side)
        below = jnp.cumsum(chance, axis=0)
        fills = chance
        if not self.expected_fills:
            fills = ((draws[:2] < below) & (draws[:2] >= below - chance)).astype(chance.dtype)
        trade = fills[:, 0] - fills[:, 1]
        earned = jnp.sum(fills * (quotes - self.game.cost[:, None]), axis=1)
        held = state.inventory + trade if self.tracked else state.inventory
        change = self.game.volatility * normal(draws[2])
        over, no = state.time + 1 >= self.horizon, jnp.zeros((), bool)
        penalty = (self.game.running + jnp.where(over, self.game.terminal, 0.0)) * held**2
        gain = state.gain + earned + held * change - penalty
        # What is not held is hedged at the mid price.
        cash = state.cash + earned - (held - state.inventory) * state.price
        side = jnp.floor(2 * draws[3]) if self.game.requests else state.side
        told = quotes.mean(axis=1)
        after = QuotingState(state.time + 1, state.price + change, side, held, cash, gain, told)
        rewards = self._worth(gain) - self._worth(state.gain) if self.utility else earned + held * change - penalty
        flags = (no, over) if self.end == "truncated" else (over, no)
        return after, Outcome({role.name: rewards}, *flags, self._info(after, quotes, feasible, trade, fills))

    def _feasible(self, inventory: Float[Array, " makers"]) -> Bool[Array, "makers 2"]:
        """Which bids and asks inventories allow."""
        return jnp.stack([inventory < self.game.limit - 0.5, inventory > 0.5 - self.game.limit], axis=1)

    def chances(self, quotes: Float[Array, "makers 2"], feasible: Bool[Array, "makers 2"]) -> Float[Array, "makers 2"]:
        """Probability of a trade of each maker on each side; of a request, on the side that it comes to."""
        if self.game.fills == "logit":
            utility = jnp.where(feasible, (self.game.value - quotes) / self.game.mu, -jnp.inf)
            top = jnp.maximum(jnp.max(utility, axis=0), 0.0)
            weight = jnp.exp(utility - top)
            return self.game.arrival * weight / (jnp.sum(weight, axis=0) + jnp.exp(-top))
        offered = jnp.where(feasible, quotes, jnp.inf)
        best = jnp.min(offered, axis=0)
        wins = ((offered == best) & feasible).astype(quotes.dtype)
        comes = jnp.minimum(self.game.arrival * jnp.exp(-self.game.decay * best), 1.0)
        return comes * wins / jnp.maximum(jnp.sum(wins, axis=0), 1.0)

    def _worth(self, gain: Float[Array, " makers"]) -> Float[Array, " makers"]:
        return -jnp.expm1(-self.game.risk_aversion * gain) / self.game.risk_aversion

    def _info(
        self, after: QuotingState, quotes: Array, feasible: Array, trade: Array, fills: Array
    ) -> dict[str, Array]:
        wide = self.scale.base + WIDEST * self.scale.unit
        sides = jnp.sum(jnp.where(feasible, quotes, 0.0), axis=1) / jnp.sum(feasible, axis=1)
        best = jnp.min(jnp.where(feasible, quotes, wide), axis=0)
        return {
            "price": after.price,
            "spread": jnp.sum(best),
            "volume": jnp.sum(fills),
            "bid": quotes[:, 0],
            "ask": quotes[:, 1],
            "half_spread": sides,
            "trade": trade,
            "inventory": after.inventory,
            "wealth": after.cash + after.inventory * after.price,
        }

    # --- rules ---------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule == "random":
            one = (self.choices - self.scale.base) / self.scale.unit
            drawn = draws[: role.actions.size] * len(one)
            return one[jnp.minimum(jnp.floor(drawn).astype(int), len(one) - 1)]
        if rule not in self.own_tables:
            return super().follow(rule, role, observation, draws)
        seen, table = dict(zip(role.observes, observation, strict=True)), self.own_tables[rule]
        zero, cap = jnp.zeros(()), jnp.where(self.tracked, self.game.limit, 0.0)
        time = jnp.clip(seen.get("time", zero), 0, len(table) - 1).astype(int)
        place = jnp.round(seen.get("inventory", zero) + cap)
        if "rival-inventory" in seen and self.tracked and self.makers == 2:
            place = place * (2 * cap + 1) + jnp.round(seen["rival-inventory"] + cap)
        quotes = table[time, jnp.clip(place.astype(int), 0, table.shape[1] - 1)]
        if self.game.requests:
            quotes = quotes[jnp.where(seen.get("side", zero) > 0.5, 1, 0)][None]
        return jnp.clip((quotes - self.scale.base) / self.scale.unit, -WIDEST, WIDEST)

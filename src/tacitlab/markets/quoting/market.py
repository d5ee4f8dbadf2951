"""What markets of quoting makers share: what is quoted, what is recorded, rules, benchmarks."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.schema import param
from tacitlab.theory import logit
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

if TYPE_CHECKING:
    from tacitlab.markets.quoting.dynamics import QuotingDynamics
    from tacitlab.markets.quoting.solutions import Solution
    from tacitlab.markets.quoting.theory import QuotingGame

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
    def _range(self) -> Self:
        if self.quotes is not None and not self.quotes[0] <= self.quotes[1]:
            raise ValueError(f"quotes: {list(self.quotes)} are in the wrong order; give the least one first")
        return self

    # --- what a subclass says ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def game(self) -> "QuotingGame":
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

    def candidates(self) -> Floats:
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
        from tacitlab.markets.quoting.dynamics import build

        return build(self)

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

    # --- theory --------------------------------------------------------------------------------------------------

    def payoff(self, worth: Floats) -> Floats:
        """Payoffs of certainty equivalents of an episode."""
        aversion = self.game.risk_aversion
        found = -np.expm1(-aversion * worth) / aversion if aversion else worth
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
        from tacitlab.markets.quoting.theory import record

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
        from tacitlab.markets.quoting.solutions import on_grid
        from tacitlab.markets.quoting.theory import values

        game = self.game
        if game.makers > 1:
            return
        for name, quotes in self.tables().items():
            if name != "optimum":
                yield f"payoff of {name}", float(self.payoff(values(game, quotes)[0, game.begin])[0])
        best = on_grid(game, self.candidates()).at(game.begin)
        yield f"payoff of the best of {self.grid} half-spreads a side", float(self.payoff(best)[0])


@lru_cache(maxsize=64)
def solution(game: "QuotingGame", name: str) -> "Solution":
    """A solution of a game by its name: ``optimum``, ``nash`` or ``joint-optimum``."""
    from tacitlab.markets.quoting import solutions as quoting_solutions

    solve = {"optimum": "optimum", "nash": "equilibrium", "joint-optimum": "joint_optimum"}[name]
    found: Solution = getattr(quoting_solutions, solve)(game)
    return found

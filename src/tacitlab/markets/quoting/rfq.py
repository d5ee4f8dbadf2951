"""Requests for quotes: dealers answer a client, who picks one of them, or none, by logit choice."""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, NormalForm
from tacitlab.games.table import Level, PerPlayer, check_lengths, spread, tabulate
from tacitlab.markets.quoting.market import Floats, QuotingMarket, Seen
from tacitlab.markets.quoting.theory import QuotingGame
from tacitlab.schema import Spec, param
from tacitlab.theory import logit
from tacitlab.theory.benchmarks import Benchmarks

MARGIN = 0.1  # of the grid beyond equilibrium and joint optimum, as in Calvano et al. (2020)
LARGEST_TABLE = 1_000_000  # joint quotes of the game on the grid that is solved


class Positions(Spec):
    """What makes dealers care for their inventories."""

    cap: int = param(5, "largest inventory of either sign; a dealer there does not answer one side", "lots", ge=1)
    running: float = param(0.01, "penalty of each step on the squared inventory", "currency/lot²", ge=0)
    terminal: float = param(0.05, "penalty on the squared last inventory", "currency/lot²", ge=0)
    volatility: float = param(0.0, "standard deviation of the change of the mid price in a step", "currency", ge=0)


class RequestForQuote(QuotingMarket):
    r"""A client asks all dealers for a quote, to buy or to sell with the same probability; each names a half-spread.

    The client trades with dealer i with probability
    ``exp((value - delta_i)/mu) / (1 + sum_j exp((value - delta_j)/mu))``, and with nobody otherwise. The dealer earns
    ``delta_i - cost_i``: with ``positions: null`` it hedges at the mid price at once, and one request is a Bertrand
    game with logit demand. With positions dealers carry inventories, as market
    makers do, and know the side before they quote.

    An action is a half-spread: 0 is the equilibrium without inventories, 1 is mu more.

    Examples
    --------
    >>> found = RequestForQuote().benchmarks()
    >>> for profile in (found.nash, found.optimum):
    ...     print(profile.name, profile.quantities["half_spread"].round(5), profile.payoffs.round(5))
    Nash [0.47293 0.47293] [0.22293 0.22293]
    joint optimum [0.92498 0.92498] [0.33749 0.33749]
    """

    role: ClassVar[str] = "dealer"
    payoff_name: ClassVar[str] = "profit"

    kind: Literal["rfq"] = "rfq"
    dealers: int = param(2, "number of dealers, N", "agents", ge=1, le=1000)
    requests: int = param(1, "length of an episode", "steps", ge=1, le=100_000)
    arrival: float = param(1.0, "probability that a request comes in a step", gt=0, le=1)
    value: float = param(1.0, "what trading is worth to clients, a", "currency")
    mu: float = param(0.25, "differences in clients' tastes", "currency", gt=0)
    cost: PerPlayer[Level] = param(0.0, "what a trade costs a dealer: one number or one per dealer", "currency")
    grid: int = param(15, "half-spreads that learners of values choose from", ge=1, le=1000)
    fills: Literal["drawn", "expected"] = param(
        "drawn", "a request is won by one dealer; or, without positions, each is paid its probability of winning"
    )
    positions: Positions | None = param(None, "inventories and their penalties; none: hedged at once")
    observes: tuple[Seen, ...] | None = param(
        None, "what a dealer sees; none: the side of the request and, with positions, time and inventory", min_length=1
    )

    @model_validator(mode="after")
    def _consistent(self) -> "RequestForQuote":
        check_lengths(self.dealers, cost=self.cost)
        if self.positions is None and self.observes and {"inventory", "rival-inventory"} & set(self.observes):
            raise ValueError("observes: dealers have no inventories; leave them out, or set positions")
        if self.positions is not None and self.fills == "expected":
            raise ValueError("fills: expected trades are no lots to hold; use fills=drawn, or positions=null")
        if len(set(self.seen)) < len(self.seen):
            raise ValueError(f"observes: {list(self.seen)} has an entry twice; remove one")
        if self.positions is not None and "side" not in self.seen:
            raise ValueError("observes: dealers must see the side of a request; add side")
        if self.dealers == 1 and {"rival-inventory", "rival-quote"} & set(self.seen):
            raise ValueError("observes: a dealer who is alone has no rivals; leave them out")
        return self

    @property
    def payoff_steps(self) -> int:
        return self.requests

    @property
    def costs(self) -> Floats:
        """What a trade costs each dealer, (dealers,), currency."""
        return spread(self.cost, self.dealers)

    @property
    def game(self) -> QuotingGame:
        held = self.positions or Positions(running=0, terminal=0)
        return QuotingGame(
            makers=self.dealers, steps=self.requests, arrival=self.arrival, requests=True, fills="logit",
            value=self.value, mu=self.mu, costs=tuple(self.costs.tolist()),
            cap=self.positions.cap if self.positions else None, running=held.running, terminal=held.terminal,
            volatility=held.volatility,
        )  # fmt: skip

    @property
    def expected_fills(self) -> bool:
        return self.fills == "expected"

    @property
    def seen(self) -> tuple[Seen, ...]:
        if self.observes is not None:
            return self.observes
        return ("side", "time", "inventory") if self.positions else ("side",)

    @property
    def suggested(self) -> tuple[float, float]:
        """From below the equilibrium without inventories to beyond the joint optimum."""
        nash = self.costs + self.mu * logit.nash(self._taste(), np.ones(1))[0].markups
        joint = self.costs + self.mu * logit.monopoly(self._taste(), np.ones(1)).markups
        low, high = float(nash.min()), float(joint.max())
        return low - MARGIN * (high - low), high + MARGIN * (high - low)

    def profits(self, quotes: Floats) -> Floats:
        """Expected profit of each dealer from a step without positions, (..., dealers), at quotes of that shape."""
        won = logit.shares((self.value - quotes) / self.mu, 0.0)
        return self.arrival * won * (quotes - self.costs)

    def benchmarks(self) -> Benchmarks:
        """Nash and joint optimum; without positions followed by those on the grid of quotes."""
        found = super().benchmarks()
        small = self.grid**self.dealers <= LARGEST_TABLE
        if self.positions is not None or self.dealers < 2 or not small:
            return found
        from tacitlab.theory.equilibrium import grid_benchmarks

        grid = np.broadcast_to(self.choices, (self.dealers, self.grid))
        try:
            form = NormalForm.from_tensor(tabulate(grid, self.profits, "grid"))
        except TacitError as error:
            return replace(found, notes=(*found.notes, f"not on the grid: {error}"))
        on_grid = grid_benchmarks(form, Actions("half_spread", grid, unit="currency"))
        return replace(
            on_grid, competitive=found.competitive + on_grid.competitive,
            cooperative=found.cooperative + on_grid.cooperative, numbers=found.numbers | on_grid.numbers,
            notes=found.notes + on_grid.notes,
        )  # fmt: skip

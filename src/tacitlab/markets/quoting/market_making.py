"""Market making: inventory-averse makers quote around a mid price and live by the spread."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from tacitlab.markets.quoting.market import Floats, QuotingMarket, Seen
from tacitlab.markets.quoting.market_making_theory import ContinuousMaker, avellaneda_stoikov, symmetric
from tacitlab.markets.quoting.theory import QuotingGame
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks


class MarketMaking(QuotingMarket):
    r"""One or several makers quote a bid and an ask around a mid price that moves at random.

    In a step of length dt at most one customer comes to each side. Under ``fills: exponential`` a bid or ask at the
    half-spread delta trades with probability ``min(1, arrivals exp(-decay delta) dt)``, and the best of several quotes
    wins; a negative half-spread draws more customers than arrive. Under ``logit`` customers come with probability
    ``arrivals dt`` and choose maker i with probability
    ``exp((value - delta_i)/mu) / (1 + sum_j exp((value - delta_j)/mu))``.

    A maker holding q lots after a step pays ``running q² dt`` for it, and ``terminal q²`` at the end; at ``cap`` lots
    it quotes one side only. ``reward: penalised`` is the change of its wealth, inventory at the mid price, less these
    penalties (Cartea and Jaimungal); ``exponential-utility`` the change of
    ``(1 - exp(-risk_aversion W))/risk_aversion`` of that sum W (Avellaneda and Stoikov).

    Actions are half-spreads: 0 is what would be best without inventories, 1/decay or the equilibrium of the logit
    game, and 1 is 1/decay or mu more.

    References
    ----------
    M. Avellaneda and S. Stoikov, Quantitative Finance 8(3), 2008, 217-224; Á. Cartea, S. Jaimungal and J. Penalva,
    *Algorithmic and High-Frequency Trading*, 2015, section 10.2.

    Examples
    --------
    >>> market = MarketMaking()
    >>> print(round(market.benchmarks().optimum.average, 3))
    22.44
    """

    role: ClassVar[str] = "maker"
    payoff_name: ClassVar[str] = "utility"

    kind: Literal["market-making"] = "market-making"
    makers: int = param(1, "number of market makers, N", "agents", ge=1, le=1000)
    steps: int = param(200, "length of an episode", "steps", ge=1, le=100_000)
    dt: float = param(0.005, "length of a step", "time", gt=0)
    price: float = param(100.0, "mid price at the beginning, S_0", "currency", gt=0)
    volatility: float = param(2.0, "volatility of the mid price, sigma", "currency/sqrt(time)", ge=0)
    arrivals: float = param(50.0, "rate at which customers come to each side, lambda or A", "1/time", gt=0)
    fills: Literal["exponential", "logit"] = param("exponential", "how customers choose")
    decay: float = param(1.5, "how fast customers are lost as the half-spread grows, kappa", "1/currency", gt=0)
    value: float = param(1.0, "logit: what trading is worth to customers, a", "currency")
    mu: float = param(0.25, "logit: differences in customers' tastes", "currency", gt=0)
    running: float = param(0.5, "penalty on the squared inventory, phi", "currency/(lot² time)", ge=0)
    terminal: float = param(0.01, "penalty on the squared last inventory, alpha", "currency/lot²", ge=0)
    cap: int = param(10, "largest inventory of either sign", "lots", ge=1, le=1000)
    inventory: int = param(0, "inventory at the beginning", "lots")
    reward: Literal["penalised", "exponential-utility"] = param("penalised", "what makers maximise")
    risk_aversion: float = param(
        0.1, "risk aversion, gamma, of the exponential utility and of the rules of Avellaneda and Stoikov",
        "1/currency", ge=0,
    )  # fmt: skip
    observes: tuple[Seen, ...] = param(("time", "inventory"), "what a maker sees", min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "MarketMaking":
        if self.fills == "logit" and self.arrivals * self.dt > 1:
            raise ValueError(f"dt: {self.arrivals * self.dt:g} customers a step are too many; at most 1/arrivals")
        if abs(self.inventory) > self.cap:
            raise ValueError(f"inventory: {self.inventory} lies beyond the cap; choose from {-self.cap} to {self.cap}")
        if self.reward == "exponential-utility" and not self.risk_aversion:
            raise ValueError("risk_aversion: an exponential utility needs some; raise it, or use reward=penalised")
        if len(set(self.observes)) < len(self.observes):
            raise ValueError(f"observes: {list(self.observes)} has an entry twice; remove one")
        if "side" in self.observes:
            raise ValueError("observes: makers quote before customers come; leave out side, or use kind: rfq")
        rivals = {"rival-inventory", "rival-quote"} & set(self.observes)
        if self.makers == 1 and rivals:
            raise ValueError(f"observes: a maker who is alone has no {sorted(rivals)[0]}; leave it out")
        return self

    @property
    def game(self) -> QuotingGame:
        averse = self.risk_aversion if self.reward == "exponential-utility" else 0.0
        return QuotingGame(
            makers=self.makers, steps=self.steps, arrival=self.arrivals * self.dt, fills=self.fills, decay=self.decay,
            value=self.value, mu=self.mu, cap=self.cap, start=self.inventory, running=self.running * self.dt,
            terminal=self.terminal, volatility=self.volatility * math.sqrt(self.dt), risk_aversion=averse,
        )  # fmt: skip

    @property
    def first_price(self) -> float:
        return self.price

    @property
    def seen(self) -> tuple[Seen, ...]:
        return self.observes

    @property
    def suggested(self) -> tuple[float, float]:
        """From the mid price to twice what is best without inventories, or what makers together would ask."""
        base = self.scale.base
        return 0.0, 2 * base

    @property
    def limit(self) -> ContinuousMaker | None:
        """The same in continuous time, for a maker who is alone; None under logit choice."""
        if self.makers > 1 or self.fills == "logit":
            return None
        game = self.game
        return ContinuousMaker(
            arrivals=self.arrivals, decay=self.decay, running=self.running, terminal=self.terminal,
            horizon=self.steps * self.dt, cap=self.cap, risk_aversion=game.risk_aversion, volatility=self.volatility,
        )  # fmt: skip

    @property
    def formula_names(self) -> tuple[str, ...]:
        return ("cartea-jaimungal", "avellaneda-stoikov", "symmetric") if self.limit else ()

    def formula(self, name: str) -> Floats:
        assert self.limit is not None
        if name == "cartea-jaimungal":
            return self.limit.schedule(self.steps)[:, :, None]
        rule = symmetric if name == "symmetric" else avellaneda_stoikov
        left = self.dt * (self.steps - np.arange(self.steps))[:, None]
        return rule(self.limit.inventories, left, self.risk_aversion, self.volatility, self.decay)[:, :, None]

    def benchmarks(self) -> Benchmarks:
        found, limit = super().benchmarks(), self.limit
        if limit is not None:
            worth = limit.values()[self.cap + self.inventory : self.cap + self.inventory + 1]
            found.numbers["payoff in the limit of short steps"] = float(self.payoff(worth)[0])
        return found

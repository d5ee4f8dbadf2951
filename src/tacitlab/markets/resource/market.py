"""A volatile resource market: agents buy and sell, their orders move the price, and they may signal intentions."""

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Discrete, Market, Quantity, Role
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

if TYPE_CHECKING:
    from tacitlab.markets.resource.dynamics import ResourceDynamics
    from tacitlab.markets.resource.theory import TradingGame

Seen = Literal["trend", "level", "signal", "time", "price", "change", "inventory", "cash", "flow"]
Floats = NDArray[np.float64]
SEEN = "benchmarks know everybody's inventory and the time; traders see less"
FULL = ("time", "inventory", "rival-inventory", "trend", "own-signal", "rival-signal")


class ResourceMarket(Market):
    """Agents trade a resource whose price follows their orders and noise.

    In every step each agent buys, sells or holds one lot. With the net order n and noise e the price P becomes
    P (1 + impact n + e) (``law: linear``) or P exp(impact n + e - volatility²/2) (``exponential``). The source never
    says at which price a trade fills, and that decides every result: at the old price (``pre``, a money pump), at the
    mean of old and new (``mid``), at the new one (``post``), or at the integral of the price over the order
    (``exact``: a round trip neither gains nor loses).

    ``valuation: mark-to-market`` counts an inventory at the last price; ``liquidation`` at what selling it, alone and
    lot by lot, would bring, in every step or only in the last one (``final-liquidation``). An order that breaks a limit
    becomes a hold.

    Traders see the trend of the price, the level of their inventory and the sum of the others' signals, each in three
    values, as in the source, or the numbers behind them (``observes``). Adversaries see everything: ``responders`` earn
    as traders do, ``spoofers`` earn what the others lose, ``noise_traders`` are there to be given random rules.

    References
    ----------
    "Emergent Cooperative Intelligence in High-Frequency Resource Allocation", the source of the model and its claims.

    Examples
    --------
    >>> market = ResourceMarket(steps=100)
    >>> market.roles()[0].observes, market.roles()[0].actions.size
    (('trend', 'level', 'signal'), 9)
    """

    role: ClassVar[str] = "trader"
    payoff_name: ClassVar[str] = "gain"
    payoff_unit: ClassVar[str] = "currency"

    kind: Literal["resource"] = "resource"
    traders: int = param(2, "number of traders, N", "agents", ge=1, le=100_000)
    responders: int = param(0, "adversaries who see everything and earn as traders do", "agents", ge=0, le=1000)
    spoofers: int = param(0, "adversaries who see everything and earn what all others lose", "agents", ge=0, le=1000)
    noise_traders: int = param(0, "traders whose orders the others have to live with", "agents", ge=0, le=100_000)
    steps: int = param(1000, "length of an episode, T", "steps", ge=1, le=1_000_000)
    price: float = param(100.0, "price at the beginning, P_0", "currency/unit", gt=0)
    quantity: float = param(1.0, "lot that an order trades, q", "units", gt=0)
    impact: float = param(0.01, "relative change of the price for a unit of net order, alpha", "1/unit", ge=0)
    impact_scaling: Literal["fixed", "per-agent"] = param(
        "fixed", "the impact as given, or times 2 / number of agents, so that all together move the price as two do"
    )
    volatility: float = param(0.01, "sd of the relative noise of a step, sigma", ge=0, le=1)
    law: Literal["exponential", "linear"] = param("exponential", "how orders and noise change the price")
    execution: Literal["exact", "pre", "mid", "post"] = param("exact", "price at which orders fill")
    valuation: Literal["liquidation", "final-liquidation", "mark-to-market"] = param(
        "liquidation", "what an inventory is worth; final: marked to market until the last step sells it"
    )
    signals: Literal["explicit", "implicit", "none"] = param(
        "explicit",
        "what agents see of each other: intentions sent with orders, the others' last net order, or nothing",
    )
    scrambled: bool = param(False, "whether signals are replaced by random ones on their way: what are they worth?")
    inventory: int = param(5, "inventory at the beginning", "lots")
    lowest: int = param(0, "least inventory; below 0: short sales", "lots")
    highest: int | None = param(10, "largest inventory; none: only cash limits it", "lots")
    cash: float | None = param(None, "cash at the beginning, which buyers need; none: no limit", "currency", ge=0)
    levels: tuple[int, int] = param((4, 7), "a low inventory is below the first, a high one from the second on", "lots")
    dead_band: float | None = param(None, "changes of the price up to this are no trend; none: half the impact", ge=0)
    shock: float = param(0.0, "probability that an agent is given or robbed of a lot after a step", ge=0, le=1)
    holding_penalty: float = param(0.0, "cost of a step: this times price times inventory squared", "1/unit", ge=0)
    observes: tuple[Seen, ...] = param(("trend", "level", "signal"), "what a trader sees", min_length=1)
    end: Literal["terminated", "truncated"] = param(
        "terminated", "whether learners take the end of an episode for the end of all earnings, or for a cut"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.execution == "exact" and self.law == "linear":
            raise ValueError("execution: exact is the integral of the exponential law; set law=exponential")
        top = self.highest if self.highest is not None else self.inventory
        if not self.lowest <= self.inventory <= top:
            raise ValueError(f"inventory: {self.inventory} lies outside its limits; choose from {self.lowest} to {top}")
        if self.highest is None and self.cash is None:
            raise ValueError("highest: without a limit of inventory or cash prices grow for ever; set highest or cash")
        if self.levels[0] > self.levels[1]:
            raise ValueError(f"levels: {list(self.levels)} are in the wrong order; give the lower one first")
        if "signal" in self.observes and self.signals == "none":
            raise ValueError("observes: there are no signals to see; leave out signal, or set signals")
        if self.scrambled and "signal" not in self.observes:
            raise ValueError("scrambled: traders see no signals; add signal to observes, or leave it out")
        if len(set(self.observes)) < len(self.observes):
            raise ValueError(f"observes: {list(self.observes)} has an entry twice; remove one")
        if "cash" in self.observes and self.cash is None:
            raise ValueError("observes: cash has no limit here; leave it out, or set cash")
        return self

    # --- what happens --------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.steps

    @property
    def n_players(self) -> int:
        return self.traders + self.responders + self.spoofers + self.noise_traders

    @property
    def alpha(self) -> float:
        """Impact of a unit of net order, scaled for the number of agents."""
        return self.impact * (2 / self.n_players if self.impact_scaling == "per-agent" else 1)

    @property
    def band(self) -> float:
        """Changes of the price up to this are no trend."""
        return self.alpha * self.quantity / 2 if self.dead_band is None else self.dead_band

    def roles(self) -> tuple[Role, ...]:
        discrete = set(self.observes) <= {"trend", "level", "signal"}
        trader = Role(
            "trader", self.traders, self.observes, Discrete(9 if self.signals == "explicit" else 3),
            (3,) * len(self.observes) if discrete else (),
        )  # fmt: skip
        others = (("responder", self.responders), ("spoofer", self.spoofers), ("noise trader", self.noise_traders))
        return (
            trader,
            *(
                Role(name, agents, FULL if name != "noise trader" else self.observes, trader.actions,
                     () if name != "noise trader" else trader.levels)
                for name, agents in others
                if agents
            ),
        )  # fmt: skip

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("price", "currency/unit", False),
            Quantity("change", "", False),
            Quantity("change_square", "", False),
            Quantity("impact_square", "", False),
            Quantity("sync", "share of pairs", False),
            Quantity("offset", "share of pairs", False),
            Quantity("both", "share of pairs", False),
            Quantity("turnover", "lots/agent", False),
            Quantity("infeasible", "share of orders", False),
            Quantity("clipped", "share of steps", False),
            Quantity("trade", "units"),
            Quantity("inventory", "units"),
            Quantity("cash", "currency"),
            Quantity("wealth", "currency"),
        )

    def rules(self) -> dict[str, str]:
        found = {
            "hold": "never trades",
            "random": "buys, sells or holds, and signals, each as likely",
            "buy-to-limit": "buys as long as limits allow",
            "sell-to-limit": "sells as long as limits allow",
        }
        if "trend" in self.observes:
            found["trend-follower"] = "buys when the price has risen, sells when it has fallen"
            found["contrarian"] = "sells when the price has risen, buys when it has fallen"
        if {"level", "inventory"} & set(self.observes):
            found["rebalance"] = "sells when its inventory is high, buys when it is low"
        return found

    def dynamics(self) -> "ResourceDynamics":
        from tacitlab.markets.resource.dynamics import build

        return build(self)

    # --- theory --------------------------------------------------------------------------------------------------

    @property
    def game(self) -> "TradingGame | None":
        """The market as exact dynamic programming sees it; None where cash binds, which would need a price grid."""
        from tacitlab.markets.resource.theory import TradingGame

        if self.highest is None or self.cash is not None:
            return None
        return TradingGame(
            alpha=self.alpha, quantity=self.quantity, lowest=self.lowest, highest=self.highest, start=self.inventory,
            steps=self.steps, volatility=self.volatility, execution=self.execution, law=self.law,
            valuation=self.valuation, holding_penalty=self.holding_penalty, shock=self.shock, price=self.price,
        )  # fmt: skip

    def benchmarks(self) -> Benchmarks:
        """Exact joint optimum, and a Markov-perfect equilibrium of two traders, where cash does not bind."""
        from tacitlab.markets.resource.equilibrium import equilibrium
        from tacitlab.markets.resource.optimum import joint_optimum
        from tacitlab.markets.resource.theory import marked_up_gain

        notes, numbers = [SEEN], {}
        pumps = self.execution == "pre" and self.valuation == "mark-to-market" and self.highest is None
        if self.cash and self.impact and pumps and self.inventory == 0:
            gain = marked_up_gain(self.cash, self.alpha, self.n_players, self.price)
            numbers["gain of all who buy until their cash is gone, without noise"] = gain
        if self.game is None:
            return Benchmarks((), (), False, numbers, ("cash binds: exact dynamic programming would need prices too",))
        if self.n_players > self.traders:
            return Benchmarks((), (), False, numbers, ("adversaries have other goals: no joint optimum is computed",))
        competitive, cooperative = [], []
        try:
            alone = joint_optimum(self.game, 1).value
            numbers["gain of a trader whose rivals hold"] = alone
            together = joint_optimum(self.game, self.traders).value if self.traders > 1 else alone
            cooperative.append(self._profile("joint optimum", "joint-optimum", np.full(self.traders, together), 0.0))
            if self.traders == 2:
                found = equilibrium(self.game)
                competitive.append(self._profile("Markov-perfect", "nash", found.values, found.error))
                notes.append("one of possibly many equilibria: the one that pays most in sum at every step")
        except TacitError as error:
            notes.append(f"not computed: {error}")
        return Benchmarks(tuple(competitive), tuple(cooperative), False, numbers, tuple(notes))

    def _profile(self, name: str, concept: Literal["nash", "joint-optimum"], payoffs: Floats, error: float) -> Profile:
        exact = error <= 1e-8 * max(1.0, float(np.abs(payoffs).max()))
        return Profile(name, concept, payoffs, "dynamic programming over inventories", exact=exact, error=error)

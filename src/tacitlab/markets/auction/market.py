"""Auctions with private information: each bidder sees its own signal, and all bid at the same time."""

from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.auction.caps import bayes_nash_capped
from tacitlab.markets.auction.grid import MOST_ACTIONS, GridGame, combinations, count_combinations, solve
from tacitlab.markets.auction.rules import rule_values
from tacitlab.markets.auction.theory import (
    AuctionGame,
    BidFunction,
    Floats,
    Format,
    PriceRule,
    demand_reduction,
    has_demand_reduction,
    ring,
    truthful_revenue,
)
from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

NO_BID = -1.0  # stands for bids below the reserve
TINY = 1e-6  # signals below are worth nothing
TABLE = 2049  # signals at which equilibrium bids are known; linear in between
CERTIFIED = 5e-4  # what may be gained in the equilibrium on a grid, of a bidder's surplus
CANDIDATES = {1: 21, 2: 11}  # bids that value-based learners compare where bids are continuous, by units wanted
RULES = {
    "truthful": "bids what a unit is worth to it by its own signal alone",
    "shade-half": "bids half of that",
    "zero": "bids nothing",
}


def in_money(actions: Any, signals: Any, highest: Any, by_share: Any) -> Any:
    """What continuous actions bid: arrays of NumPy or JAX that broadcast; ``by_share`` is 1 for shares of signals.

    Examples
    --------
    >>> in_money(np.array([-2.0, 0.0, 1.0]), 0.5, 1.0, 0), in_money(np.array([-2.0, 0.0, 1.0]), 0.5, 1.0, 1)
    (array([0. , 0.5, 1. ]), array([0.  , 0.25, 0.5 ]))
    """
    return highest * ((1 + actions) / 2).clip(0.0, 1.0) * unit_of_bids(signals, by_share)


def unit_of_bids(signals: Any, by_share: Any) -> Any:
    """What a whole share is, in money: the signal; 1 where bids are no shares."""
    return 1 - by_share + by_share * signals


class Auction(Market):
    """A sealed-bid auction with private signals, uniform on [0, 1]: one auction is one episode.

    The highest bids that reach the reserve win; equal bids win by lot. Winners pay their own bid (``first-price``; with
    several units pay-as-bid), the best bid that did not win (``second-price``, and ``uniform-price`` with ``pricing:
    highest-rejected``), or the lowest that did (``lowest-accepted``); in an ``all-pay`` auction everybody pays. A unit
    is worth its bidder's signal (``values: independent``), or the sum of all signals to everybody (``common``: the
    wallet game). A bid below the reserve is no bid.

    A continuous action a means the bid ``highest_bid (1 + a)/2``, clipped to what is allowed, and networks see
    ``2 signal - 1``, so that a bid proportional to the signal is linear in what they see. Learners begin near half the
    highest bid whatever they see: nothing of the equilibrium is built in. With ``bid_as: share`` the same number is
    what they bid for each unit of their signal, as those who shade bids by a factor do. With ``bids: 21`` agents choose
    among 21 equally spaced bids, and are compared with the equilibrium on that grid.

    ``first-price-auction`` is the stage game in which everybody knows all values.

    References
    ----------
    W. Vickrey, Journal of Finance 16 (1961) 8-37; Krishna, *Auction Theory*, 2nd edition, 2010.

    Examples
    --------
    >>> found = Auction(format="second-price", reserve=0.5).benchmarks()
    >>> round(found.nash.average, 4), round(float(found.nash.quantities["revenue"][0]), 4)
    (0.0833, 0.4167)
    >>> Auction(units=2, format="second-price")
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: units: second-price sells one; use uniform-price for 2
    """

    role: ClassVar[str] = "bidder"
    payoff_name: ClassVar[str] = "surplus"
    payoff_unit: ClassVar[str] = "money"

    kind: Literal["auction"] = "auction"
    format: Format = param("first-price", "who pays what")
    bidders: int = param(2, "number of bidders, n", "agents", ge=2, le=50)
    units: int = param(1, "units for sale, k", "units", ge=1, le=50)
    demand: int = param(1, "units that each bidder wants, m; it makes a bid for each", "units", ge=1, le=4)
    reserve: float = param(0.0, "least bid that counts, r", "money", ge=0)
    values: Literal["independent", "common"] = param(
        "independent", "a unit is worth one's own signal, or the sum of all signals to everybody"
    )
    pricing: PriceRule = param("highest-rejected", "which bid is the price in a uniform-price auction")
    bids: Literal["continuous"] | int = param("continuous", "any bid, or one of so many, equally spaced from 0")
    bid_as: Literal["money", "share"] = param(
        "money", "what a continuous action means: a bid, or a share of the own signal that is bid"
    )
    highest_bid: float | None = param(
        None, "bids (or shares) are at most this; none: 1, or the number of bidders with a common value", gt=0
    )
    rounds: int = param(1, "auctions of an episode, each with new signals", "auctions", ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _consistent(self) -> "Auction":
        try:
            game = self.game
        except TacitError as error:
            raise ValueError(str(error)) from None
        if self.reserve >= self.top:
            raise ValueError(f"highest_bid: {self.top:g} does not exceed the reserve of {game.reserve:g}; raise it")
        if isinstance(self.bids, int) and self.bid_as == "share":
            raise ValueError(f"bid_as: shares have no grid of {self.bids} bids; set bids to continuous")
        if isinstance(self.bids, int) and self.bids < 2:
            raise ValueError(f"bids: {self.bids} are too few; give 2 or more, or continuous")
        if isinstance(self.bids, int) and (count := count_combinations(self.bids, self.demand)) > MOST_ACTIONS:
            raise ValueError(f"bids: {self.bids} make {count} combinations for {self.demand} units; take fewer bids")
        return self

    @property
    def game(self) -> AuctionGame:
        """The auction as theory sees it."""
        return AuctionGame(self.format, self.bidders, self.units, self.demand, self.reserve, self.common, self.pricing)

    @property
    def top(self) -> float:
        """The highest bid."""
        if self.highest_bid is not None:
            return self.highest_bid
        return self.game.highest_value

    @property
    def levels(self) -> Floats:
        """Bids of the grid; where bids are continuous, those that value-based learners compare."""
        many = self.bids if isinstance(self.bids, int) else CANDIDATES.get(self.demand, 5)
        return np.linspace(0.0, self.top, many)

    @cached_property
    def equilibrium(self) -> BidFunction | None:
        """The Bayes-Nash equilibrium without a grid, of bids up to the highest; None where no closed form is known."""
        return bayes_nash_capped(self.game, self.top, self.by_share)

    @property
    def grid(self) -> GridGame | None:
        """The game on the grid of bids; None where bids are continuous, or there are too many bidders to solve it."""
        if self.bids == "continuous" or (self.demand > 1 and self.bidders > 2):
            return None
        return GridGame(self.game, self.levels)

    # --- what play needs -----------------------------------------------------------------------------------------

    @property
    def own_price(self) -> bool:
        """Whether winners pay their bids."""
        return self.format == "first-price"

    @property
    def everybody(self) -> bool:
        """Whether all pay their bids."""
        return self.format == "all-pay"

    @property
    def place(self) -> int:
        """Which bid is the uniform price, among all, 0 the highest."""
        return self.units if self.game.rejected_price else self.units - 1

    @property
    def common(self) -> bool:
        """Whether a unit is worth the sum of signals."""
        return self.values == "common"

    @property
    def by_share(self) -> bool:
        """Whether continuous actions are shares of the own signal."""
        return self.bid_as == "share"

    @property
    def discrete(self) -> bool:
        """Whether bids are those of a grid."""
        return self.bids != "continuous"

    @property
    def shares(self) -> list[int]:
        """Units by rank of the value, in the best allocation."""
        return self.game.shares()

    @property
    def choices(self) -> Floats:
        """Bids that can be chosen, or are compared: (actions, demand)."""
        return combinations(self.levels, self.demand)

    @property
    def threshold(self) -> float:
        """The least signal that takes part in equilibrium."""
        return self.equilibrium.threshold if self.equilibrium else 0.0

    @property
    def table(self) -> Floats:
        """Equilibrium bids: (signals, demand); nothing where no equilibrium is known."""
        if self.equilibrium is None:
            return np.zeros((TABLE, self.demand))
        return self.equilibrium.bids(np.maximum(np.linspace(0, 1, TABLE), self.threshold))

    # --- what happens --------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.rounds

    @property
    def payoff_steps(self) -> int:
        return self.rounds

    def roles(self) -> tuple[Role, ...]:
        actions: Continuous | Discrete = Continuous(self.demand)
        if isinstance(self.bids, int):
            actions = Discrete(count_combinations(self.bids, self.demand))
        return (Role(self.role, self.bidders, ("signal",), actions),)

    def quantities(self) -> tuple[Quantity, ...]:
        more = [Quantity(f"bid_{j}", "money") for j in range(2, self.demand + 1)]
        return (
            Quantity("revenue", "money", False),
            Quantity("welfare", "money", False),
            Quantity("efficiency", "share", False),
            Quantity("signal"),
            Quantity("bid", "money"),
            *more,
            Quantity("won", "units"),
            Quantity("payment", "money"),
        )

    def rules(self) -> dict[str, str]:
        known = {} if self.equilibrium is None else {"bayes-nash": "bids as in Bayes-Nash equilibrium without a grid"}
        return known | RULES

    def rule_values(self) -> dict[str, Floats]:
        return rule_values(self)

    # --- theory --------------------------------------------------------------------------------------------------

    def benchmarks(self) -> Benchmarks:
        """Bayes-Nash equilibria: closed forms, that of the grid with its certificate; the bidders' joint optimum."""
        competitive, notes, numbers = [], [], {}
        if self.grid is not None:
            competitive.append(self._on_grid())
            notes.append("the equilibrium on the grid is one of possibly several; its error is what is left to gain")
        if self.equilibrium is not None:
            competitive.append(self._closed(self.equilibrium))
            numbers["revenue, Bayes-Nash"] = self.equilibrium.revenue
            if (pool := self.equilibrium.pooled_from) < 1:
                notes.append(
                    f"bids are capped: in equilibrium who has a signal of at least {pool:.4g} bids {self.top:g}"
                )
        elif not competitive:
            grid = "" if self.by_share else "; with bids: 21 that of the grid is computed"
            notes.append(f"no equilibrium is known in closed form{grid}")
        if has_demand_reduction(self.game) and self.top >= 1:
            competitive.append(self._closed(demand_reduction(self.game)))
            notes.append("all bids (v, c v) are equilibria, from demand reduction, c = 0, to sincere bids, c = 1")
        if self.common and self.game.rejected_price and self.equilibrium is not None:
            notes.append("there are asymmetric equilibria, too; of two bidders all (a s, a s/(a - 1)) with a > 1")
        if self.top >= 1 and (truthful := truthful_revenue(self.game)) is not None:
            numbers["revenue, truthful bids"] = truthful
        joint = ring(self.game)
        numbers["revenue, ring"] = joint.revenue
        notes.append("the joint optimum is a ring that pays the reserve and gives units to those who value them most")
        cooperative = self._profile(
            "ring", "joint-optimum", joint.surplus / self.bidders, "order statistics", {"revenue": joint.revenue}
        )
        unique = self.equilibrium is not None and self.equilibrium.unique and self.bids == "continuous"
        return Benchmarks(tuple(competitive), (cooperative,), unique, numbers, tuple(notes))

    def _closed(self, found: BidFunction) -> Profile:
        nodes, weights = np.polynomial.legendre.leggauss(64)
        start, stop = found.threshold, min(found.pooled_from, 1.0)
        signals, shares = start + (stop - start) * (nodes + 1) / 2, (stop - start) * weights / 2
        bid = float(shares @ found.bids(signals)[:, 0]) + (1 - stop) * float(found.bids(1.0)[0])
        quantities = {"revenue": found.revenue, "bid": bid}
        if stop < 1:  # the efficiency of one auction, on average, is not that of the averages
            return self._profile(found.name, "nash", found.surplus, "closed form", quantities)
        if start == 0:
            quantities["efficiency"] = found.efficiency
        elif self.units == self.demand:  # of one auction, on average: everything is sold to the best bidder, or nothing
            quantities["efficiency"] = 1 - start**self.bidders
        return self._profile(found.name, "nash", found.surplus, "closed form", quantities)

    def _on_grid(self) -> Profile:
        grid = self.grid
        assert grid is not None
        found = solve(grid, CERTIFIED, rounds=5000)
        quantities = {"revenue": found.judged.revenue, "bid": float(found.bids[:, 0].mean())}
        return self._profile(
            "Bayes-Nash on the grid", "mixed-nash", float(found.judged.surplus[0]), "fictitious play", quantities,
            found.certificate,
        )  # fmt: skip

    def _profile(
        self, name: str, concept: Concept, surplus: float, method: str, quantities: dict[str, float], error: float = 0.0
    ) -> Profile:
        return Profile(
            name, concept, np.full(self.bidders, surplus), method,
            quantities={key: np.array([value]) for key, value in quantities.items()}, exact=error == 0, error=error,
        )  # fmt: skip

    def dynamics(self) -> "AuctionDynamics":
        return built(AuctionDynamics, self)


class AuctionState(NamedTuple):
    """Before the bids."""

    round: Int[Array, ""]
    signals: Float[Array, " bidders"]


class AuctionDynamics(Dynamics):
    """Who wins, who pays. Formats are weights, not branches: one compiled program plays all of them."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    bidders: int = eqx.field(static=True)
    demand: int = eqx.field(static=True)
    discrete: bool = eqx.field(static=True)
    rounds: Int[Array, ""]
    units: Int[Array, ""]
    own_price: Float[Array, ""]  # 0 or 1, as other answers to yes or no
    everybody: Float[Array, ""]
    place: Int[Array, ""]
    reserve: Float[Array, ""]
    common: Float[Array, ""]
    top: Float[Array, ""]
    by_share: Float[Array, ""]
    shares: Float[Array, " bidders"]
    choices: Float[Array, "actions demand"]
    table: Float[Array, "signals demand"]
    threshold: Float[Array, ""]

    def reset(self, key: PRNGKeyArray) -> AuctionState:
        return AuctionState(jnp.zeros((), jnp.int32), jax.random.uniform(key, (self.bidders,)))

    # --- what bidders see and may do -----------------------------------------------------------------------------

    def observe(self, state: AuctionState) -> dict[str, Float[Array, "bidders 1"]]:
        return {self.roles[0].name: state.signals[:, None]}

    def features(self, role: Role, observation: Float[Array, " 1"]) -> Float[Array, " 1"]:
        return 2 * observation - 1

    def global_state(self, state: AuctionState) -> Float[Array, " bidders"]:
        return 2 * state.signals - 1

    def candidates(
        self, role: Role, observation: Float[Array, " 1"]
    ) -> tuple[Float[Array, "actions size"], Int[Array, ""]]:
        if self.discrete:
            return super().candidates(role, observation)
        return self._action(self.choices), jnp.asarray(len(self.choices))

    def inputs(
        self, role: Role, observation: Float[Array, " 1"], action: Float[Array, " size"]
    ) -> Float[Array, " inputs"]:
        scaled = 2 * self.choices[action[0].astype(int)] / self.top - 1 if self.discrete else action
        return jnp.concatenate([self.features(role, observation), scaled])

    def _action(self, bids: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The continuous actions that mean some bids."""
        return 2 * bids / self.top - 1

    def bids(
        self, actions: Float[Array, "agents size"], signals: Float[Array, " agents"]
    ) -> Float[Array, "agents demand"]:
        """What actions mean, in money."""
        if self.discrete:
            return self.choices[actions[:, 0].astype(int)]
        return in_money(actions, signals[:, None], self.top, self.by_share)

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, key: PRNGKeyArray, state: AuctionState, actions: Actions) -> tuple[AuctionState, Outcome]:
        bids = self.bids(actions[self.roles[0].name], state.signals)
        draws = jax.random.uniform(key, (bids.size + self.bidders,))
        counts = bids >= self.reserve
        won, payment = self._auction(bids, counts, draws[: bids.size])
        signals, total = state.signals, jnp.sum(state.signals)
        worth = won * jnp.where(self.common > 0, total, signals)
        best = jnp.where(self.common > 0, total, jnp.sum(-jnp.sort(-signals) * self.shares))
        after = AuctionState(state.round + 1, draws[bids.size :])
        ordered = -jnp.sort(-bids, axis=1)
        info = {
            "revenue": jnp.sum(payment),
            "welfare": jnp.sum(worth),
            "efficiency": jnp.where(best > 0, jnp.sum(worth) / jnp.where(best > 0, best, 1.0), 1.0),
            "signal": signals,
            "bid": ordered[:, 0],
            "won": won,
            "payment": payment,
        } | {f"bid_{j + 1}": ordered[:, j] for j in range(1, self.demand)}
        flags = after.round >= self.rounds, jnp.zeros((), bool)
        return after, Outcome({self.roles[0].name: worth - payment}, *flags, info)

    def _auction(
        self, bids: Float[Array, "bidders demand"], counts: Array, draws: Float[Array, " all"]
    ) -> tuple[Float[Array, " bidders"], Float[Array, " bidders"]]:
        """Units won and payments; a draw for each bid settles ties."""
        flat = jnp.where(counts, bids, NO_BID).ravel()
        number = jnp.arange(flat.size)
        first = (draws[:, None] > draws) | ((draws[:, None] == draws) & (number[:, None] < number))
        beats = (flat[:, None] > flat) | ((flat[:, None] == flat) & first)
        rank = jnp.sum(beats & (number[:, None] != number), axis=0)
        wins = ((rank < self.units).reshape(bids.shape) & counts).astype(bids.dtype)
        won, paid_if_counts = jnp.sum(wins, axis=1), jnp.where(counts, bids, 0.0)
        price = jnp.maximum(jnp.max(jnp.where(rank == self.place, flat, NO_BID)), self.reserve)
        own, all_bids = jnp.sum(wins * paid_if_counts, axis=1), jnp.sum(paid_if_counts, axis=1)
        uniform = 1 - self.own_price - self.everybody
        return won, self.own_price * own + self.everybody * all_bids + uniform * won * price

    # --- rules ---------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " 1"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        signal = observation[0]
        worth = signal + self.common * (self.bidders - 1) / 2  # as expected from one's own signal
        if rule == "bayes-nash":
            place = jnp.linspace(0.0, 1.0, len(self.table))
            known = jax.vmap(lambda column: jnp.interp(signal, place, column), in_axes=1)(self.table)
            bids = jnp.where(signal >= self.threshold, known, 0.0)
        elif rule in ("truthful", "shade-half", "zero"):
            bids = jnp.full(self.demand, {"truthful": 1.0, "shade-half": 0.5, "zero": 0.0}[rule]) * worth
        else:
            return super().follow(rule, role, observation, draws)
        if not self.discrete:
            return self._action(bids / jnp.maximum(unit_of_bids(signal, self.by_share), TINY))
        nearest = jnp.argmin(jnp.sum((self.choices - jnp.minimum(bids, self.top)) ** 2, axis=1))
        return nearest[None].astype(observation.dtype)

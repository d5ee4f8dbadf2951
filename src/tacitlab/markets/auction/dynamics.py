"""The auction in motion: signals are drawn, bids are ranked, winners pay."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tacitlab.markets.auction.market import in_money, unit_of_bids
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome

if TYPE_CHECKING:
    from tacitlab.markets.auction.market import Auction

NO_BID = -1.0  # stands for bids below the reserve
TINY = 1e-6  # signals below are worth nothing
TABLE = 2049  # signals at which equilibrium bids are known; linear in between


class AuctionState(NamedTuple):
    """Before the bids."""

    round: Int[Array, ""]
    signals: Float[Array, " bidders"]


class AuctionDynamics(Dynamics):
    """Who wins, who pays. Formats are weights, not branches: one compiled program plays all of them."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    demand: int = eqx.field(static=True)
    discrete: bool = eqx.field(static=True)
    rounds: Int[Array, ""]
    units: Int[Array, ""]
    own_price: Float[Array, ""]  # 1: winners pay their bids
    everybody: Float[Array, ""]  # 1: all pay their bids
    place: Int[Array, ""]  # of the bid that is the uniform price, among all, 0 the highest
    reserve: Float[Array, ""]
    common: Float[Array, ""]  # 1: a unit is worth the sum of signals
    highest: Float[Array, ""]
    by_share: Float[Array, ""]  # 1: continuous actions are shares of the own signal
    shares: Float[Array, " bidders"]  # units by rank of the value, in the best allocation
    choices: Float[Array, "actions demand"]  # bids that can be chosen, or are compared
    table: Float[Array, "signals demand"]  # equilibrium bids
    threshold: Float[Array, ""]

    @property
    def bidders(self) -> int:
        return self.roles[0].agents

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
        scaled = 2 * self.choices[action[0].astype(int)] / self.highest - 1 if self.discrete else action
        return jnp.concatenate([self.features(role, observation), scaled])

    def _action(self, bids: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The continuous actions that mean some bids."""
        return 2 * bids / self.highest - 1

    def bids(
        self, actions: Float[Array, "agents size"], signals: Float[Array, " agents"]
    ) -> Float[Array, "agents demand"]:
        """What actions mean, in money."""
        if self.discrete:
            return self.choices[actions[:, 0].astype(int)]
        return in_money(actions, signals[:, None], self.highest, self.by_share)

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
        nearest = jnp.argmin(jnp.sum((self.choices - jnp.minimum(bids, self.highest)) ** 2, axis=1))
        return nearest[None].astype(observation.dtype)


def build(market: "Auction") -> AuctionDynamics:
    """The dynamics of a market as it was described."""
    from tacitlab.markets.auction.grid import combinations

    game, known = market.game, market.equilibrium
    table = np.zeros((TABLE, market.demand))
    if known is not None:
        table = known.bids(np.maximum(np.linspace(0, 1, TABLE), known.threshold))

    def single(x: object) -> Array:
        return jnp.asarray(x, float)

    return AuctionDynamics(
        roles=market.roles(),
        demand=market.demand,
        discrete=isinstance(market.roles()[0].actions, Discrete),
        rounds=jnp.asarray(market.rounds, jnp.int32),
        units=jnp.asarray(market.units, jnp.int32),
        own_price=single(market.format == "first-price"),
        everybody=single(market.format == "all-pay"),
        place=jnp.asarray(market.units if game.rejected_price else market.units - 1, jnp.int32),
        reserve=single(market.reserve),
        common=single(market.values == "common"),
        highest=single(market.top),
        by_share=single(market.bid_as == "share"),
        shares=single(game.shares()),
        choices=single(combinations(market.levels, market.demand)),
        table=single(table),
        threshold=single(known.threshold if known else 0.0),
    )

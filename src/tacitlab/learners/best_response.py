"""Exact best responses to tabular traders, as tables over everything that there is to know."""

from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from numpy.typing import NDArray

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.parts.group import Group, Independent, LearnerState, Policy
from tacitlab.learners.parts.scripted import Scripted
from tacitlab.learners.parts.tabular import TabularQ
from tacitlab.markets.base import Market, Role
from tacitlab.markets.resource import response as trading_response
from tacitlab.markets.resource.market import ResourceMarket
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import Resource
from tacitlab.schema import param

Floats = NDArray[Any]


class BestResponse(Learner):
    """Plays the best response to one frozen trader, found by dynamic programming for each session anew.

    It sits in the role ``responder`` or ``spoofer`` of a resource market with one trader, who is ``kind: trained`` with
    the same ``run``, ``agent`` and ``shift``. A responder maximises its own gain, a spoofer minimises the trader's.

    Examples
    --------
    >>> BestResponse(run="runs/resource", agent=1).agent
    1
    """

    learns: ClassVar[bool] = False
    kind: Literal["best-response"] = "best-response"
    run: str = param(..., "folder of the earlier run")
    agent: int = param(0, "the trader of that run who is responded to", ge=0)
    shift: int = param(0, "how many sessions further", "sessions", ge=0)

    def check(self, market: Market, role: Role) -> None:
        if not isinstance(market, ResourceMarket) or role.name not in ("responder", "spoofer"):
            raise refuse("kind", "best-response is an adversary in the resource market", "seat it as a responder")
        if market.traders != 1 or market.n_players != 2:
            raise refuse("kind", "a best response is to one trader alone", "set traders: 1 and one adversary")

    def group(self, seat: MarketSeat) -> Group:
        self.check(seat.market, seat.role)
        return Respond.of(self, seat)


def frozen_policies(
    market: ResourceMarket, group: Group, policies: Any, role: Role, agent: int = 0
) -> list[trading_response.Policy]:
    """What a Q-learner of the group does without exploration, in every session, as theory sees it.

    Raises
    ------
    TacitError
        If they are no Q-learners over trend, level and signal.
    """
    wanted = ("trend", "level") if market.signals == "none" else ("trend", "level", "signal")
    learner = group.algorithm if isinstance(group, Independent) else None
    if not isinstance(learner, TabularQ) or role.observes != wanted:
        raise refuse("run", "exact best responses exist to Q-learners", f"train q-learning over {', '.join(wanted)}")
    shares = _greedy(learner, np.asarray(policies)[:, agent])
    return [trading_response.Policy(p, market.signals, market.levels, market.band) for p in shares]


def frozen_holders(
    market: TokenEconomy, group: Group, policies: Any, role: Role, agent: int, sizes: tuple[int, ...]
) -> list[Floats]:
    """What a Q-learner of a token economy does without exploration in every session, by what both agents hold.

    Parameters
    ----------
    market : TokenEconomy
        One that :func:`tacitlab.markets.token.exact.holding_game` knows.
    group, policies, role
        Of the agent alone, as of ``market_trained.trained``.
    agent : {0, 1}
    sizes : pair of int
        Holdings of both in lots, from 0.

    Returns
    -------
    list of (holdings of one, holdings of two, 3) arrays
        Probability that it sells, holds or buys. Holdings are taken as exact: where one lies on the edge of a bin,
        rounding may put a simulated agent beside it.

    Raises
    ------
    TacitError
        If it is no Q-learner, or tells amounts of cash or returns apart, which do not follow from holdings.
    """
    learner = group.algorithm if isinstance(group, Independent) else None
    if not isinstance(learner, TabularQ):
        raise refuse("run", "exact best responses exist to Q-learners", "train q-learning")
    known = [name in ("holdings", "price", "supply", "value") for name in role.observes]
    if any(size > 1 and not sure for size, sure in zip(learner.bins, known, strict=True)):
        mend = f"set bins to {[10 if sure else 1 for sure in known]}, say"
        raise refuse("bins", "cash and returns do not follow from what agents hold", mend)
    lot, curve = market.order_size * market.supply / 2, market.curves[0]
    held = [lot * lots for lots in np.indices(sizes)]
    supply = market.treasury + held[0] + held[1]
    parts = {
        "holdings": held[agent],
        "price": curve.price(supply),
        "supply": supply,
        "cash": 0 * supply + market.capital,
    }
    if isinstance(market.utility, Resource):
        parts["value"] = 0 * supply + market.utility.each(2)[agent]
    seen = np.stack([parts.get(name, 0 * supply) for name in role.observes], axis=-1)
    states = np.asarray(jax.vmap(learner.state_of)(jnp.asarray(seen.reshape(-1, len(known)), float)))
    shares = _greedy(learner, np.asarray(policies)[:, 0])[:, states]
    return list(shares.reshape(-1, *sizes, 3))


def _greedy(learner: TabularQ, tables: Floats) -> Floats:
    """Probabilities of actions in every state, (sessions, states, actions), without exploration."""
    best = tables == tables.max(axis=-1, keepdims=True)  # tied is what is equal to the last bit, as when it acts
    if not learner.random_ties:
        best = np.arange(tables.shape[-1]) == best.argmax(axis=-1)[..., None]
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


class Respond(Scripted):
    """Acts by a table over time, own and other's inventory, trend, own and other's last signal; one a session."""

    actions: Int[Array, "sessions steps own other 3 mine theirs"]
    lot: Float[Array, ""]
    lowest: Float[Array, ""]
    shift: Int[Array, ""]
    agents: int = eqx.field(static=True)

    @classmethod
    def of(cls, learner: BestResponse, seat: MarketSeat) -> "Respond":
        """The tables for every session of the earlier run."""
        market = seat.market
        assert isinstance(market, ResourceMarket)
        assert seat.trained is not None
        if market.game is None:
            raise refuse("kind", "where cash binds there is no exact best response", "limit inventories instead")
        group, policies, role = seat.trained(learner.run, learner.agent, 1)
        goal: trading_response.Goal = "others" if seat.role.name == "spoofer" else "own"
        frozen = frozen_policies(market, group, policies, role)
        found = [trading_response.best_response(market.game, policy, goal).actions for policy in frozen]
        return cls(
            actions=jnp.asarray(np.stack(found)), lot=jnp.asarray(market.quantity, float),
            lowest=jnp.asarray(market.lowest, float), shift=jnp.asarray(learner.shift, jnp.int32), agents=1,
        )  # fmt: skip

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        return (session + self.shift) % len(self.actions)

    def policy(self, state: LearnerState) -> Policy:
        return state

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Any,
    ) -> Float[Array, "agents batch size"]:
        time, own, other, trend, mine, theirs = jnp.moveaxis(observations, 2, 0)
        lots = [jnp.round(held / self.lot - self.lowest).astype(int) for held in (own, other)]
        last = [(heard if self.actions.shape[-1] == 3 else 0 * heard).astype(int) for heard in (mine, theirs)]
        chosen = self.actions[policy, time.astype(int), *lots, trend.astype(int), *last]
        return chosen[..., None].astype(observations.dtype)

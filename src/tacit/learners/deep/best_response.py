"""Best responses to tabular traders, as tables over everything that there is to know."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from tacit.learners.base import MarketSeat, refuse
from tacit.learners.deep.base import Group, Independent, LearnerState, Policy
from tacit.learners.deep.scripted import Scripted
from tacit.learners.deep.tabular import TabularQ
from tacit.markets.base import Role
from tacit.markets.resource import ResourceMarket
from tacit.theory import trading_response

if TYPE_CHECKING:
    from tacit.learners.best_response import BestResponse

SAME = 1e-6  # values this close are tied, relative to the largest of a state


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
    tables = np.asarray(policies)[:, agent]
    best = tables >= tables.max(axis=-1, keepdims=True) - SAME * np.abs(tables).max(axis=-1, keepdims=True)
    if not learner.random_ties:
        best = np.arange(tables.shape[-1]) == best.argmax(axis=-1)[..., None]
    shares = best / best.sum(axis=-1, keepdims=True)
    return [trading_response.Policy(p, market.signals, market.levels, market.band) for p in shares]


class Respond(Scripted):
    """Acts by a table over time, own and other's inventory, trend, own and other's last signal; one a session."""

    actions: Int[Array, "sessions steps own other 3 mine theirs"]
    lot: Float[Array, ""]
    lowest: Float[Array, ""]
    shift: Int[Array, ""]
    agents: int = eqx.field(static=True)

    @classmethod
    def of(cls, learner: "BestResponse", seat: MarketSeat) -> "Respond":
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

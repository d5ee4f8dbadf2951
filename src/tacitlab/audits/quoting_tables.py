"""What makers of a quoting market have learned to quote, as tables over time and inventories."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.learners.parts.group import Group
from tacitlab.learners.parts.on_policy import OnPolicy
from tacitlab.learners.parts.scripted import ActByRule, ActRandomly
from tacitlab.markets.base import Role
from tacitlab.markets.quoting.market import QuotingMarket

TABLED = {"side", "time", "inventory", "rival-inventory"}


def frozen_quotes(market: QuotingMarket, group: Group, policies: Any, role: Role, first: int) -> NDArray[np.float64]:
    """Half-spreads that a group quotes without exploration in every state of the game.

    Parameters
    ----------
    market : QuotingMarket
    group : Group
    policies : pytree
        What it acts by, arrays with a leading axis of sessions.
    role : Role
    first : int
        Number of its first maker in the market.

    Returns
    -------
    (sessions, steps, states, makers of the group, 2) array
        Currency; what inventories do not allow is infinite. One session alone where all do the same.

    Raises
    ------
    TacitError
        If makers see more than time, inventories and the side of a request, or quote at random: no such table exists.
    """
    if isinstance(group, ActRandomly) or (isinstance(group, ActByRule) and group.rules[int(group.number)] == "random"):
        raise TacitError("learners.kind: random quotes are no table; choose other learners or rules")
    if not set(role.observes) <= TABLED:
        other = sorted(set(role.observes) - TABLED)[0]
        raise TacitError(f"observes: quotes depend on {other}; tables exist over time and inventories alone")
    game, dynamics = market.game, market.dynamics()
    if isinstance(group, OnPolicy):
        group = replace(group, deterministic_test=True)
    seen = jnp.asarray(_observations(market, role, first, group.agents))
    keys = jax.random.split(jax.random.key(0), group.agents)

    @jax.jit
    def act(policy: Any) -> Any:
        return group.act(policy, seen, keys, jnp.zeros(()))

    leaves = jax.tree.leaves(policies)
    one = [jax.tree.map(lambda x, s=s: x[s], policies) for s in range(len(leaves[0]) if leaves else 1)]
    chosen = np.stack([np.asarray(act(policy), dtype=np.float64) for policy in one])
    quotes = float(dynamics.scale.base) + float(dynamics.scale.unit) * chosen
    sides = 2 if game.requests else 1
    quotes = quotes.reshape(len(quotes), group.agents, game.steps, game.states, sides, -1)
    quotes = np.moveaxis(quotes[..., 0] if game.requests else quotes[..., 0, :], 1, 3)
    return np.where(game.feasible[:, first : first + group.agents], quotes, np.inf)


def _observations(market: QuotingMarket, role: Role, first: int, agents: int) -> NDArray[np.float32]:
    """What each maker sees in every state: (makers, steps states sides, observation)."""
    game, found = market.game, []
    time, state, side = np.meshgrid(
        np.arange(game.steps), np.arange(game.states), np.arange(2 if game.requests else 1), indexing="ij"
    )
    held = game.inventories
    for maker in range(first, first + agents):
        rivals = (held.sum(axis=1) - held[:, maker]) / max(game.makers - 1, 1)
        known = {"side": side, "time": time, "inventory": held[state, maker], "rival-inventory": rivals[state]}
        found.append(np.stack([known[name].ravel() for name in role.observes], axis=1))
    return np.asarray(found, dtype=np.float32)

"""What groups of agents ended with in an earlier run of a market, for those who play against them."""

from functools import partial
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from tacitlab.engine import deep
from tacitlab.errors import TacitError
from tacitlab.lab.result import Result
from tacitlab.markets.base import Market, Role

if TYPE_CHECKING:
    from tacitlab.learners.parts.group import Group, Policy


def named(policies: Any) -> dict[str, Any]:
    """Arrays of what the groups act by, with names: ``0.layers[1].weight``."""
    found = jax.tree_util.tree_flatten_with_path(policies)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in found}


def trained(folder: str, first: int, count: int) -> "tuple[Group, Policy, Role]":
    """So many agents of an earlier run, from the first on: how they act, by what, and in which role.

    Raises
    ------
    TacitError
        If the run is no complete run of a market, or these agents did not learn together in it.
    """
    from tacitlab.lab.deep_play import table_of
    from tacitlab.lab.stored import playable

    earlier = playable(folder)
    experiment = next(iter(earlier.experiment.cells()))
    if not isinstance(experiment.environment, Market):
        raise TacitError(f"learners.run: {folder} is a stage game; name the run of a market")
    if first + count > (n := experiment.market.n_players):
        raise TacitError(f"learners.agent: {folder} has agents 0 to {n - 1}, {count} from {first} on are too many")
    table, begin = table_of(experiment), 0
    for k in table.order():
        group = table.groups[k]
        if first < begin + group.agents:
            break
        begin += group.agents
    if first + count > begin + group.agents:
        raise TacitError(f"learners.agent: agents {first} to {first + count - 1} of {folder} did not learn together")
    role = next(role for role in table.dynamics.roles if role.name == table.seats[k].role)
    seats = (first - begin, first - begin + count)
    return group.part(*seats), group.policy_part(_policies(earlier, table)[k], *seats), role


def actions(result: Result, observations: NDArray[np.float64], cell: int = 0, draws: int = 1) -> NDArray[np.float64]:
    """What the agents of a run in a market do with given observations, as in a test, in every session.

    Parameters
    ----------
    result : Result
        Of a market with one role.
    observations : (batch, size) array
        In physical units; each agent is given all of them.
    cell : int
        Of a sweep.
    draws : int
        How often each is answered: more than once for policies that act at random.

    Returns
    -------
    (sessions, agents, batch, draws, action) array
    """
    from tacitlab.lab.deep_play import table_of

    experiment = result.cells[cell]
    table, sessions = table_of(experiment), experiment.sessions
    policies = _policies(result, table, cell)
    seen = jnp.repeat(jnp.asarray(observations, jnp.float32), draws, axis=0)
    epsilon, found = jnp.asarray(experiment.test.epsilon, jnp.float32), []
    for group, policy in zip(table.groups, policies, strict=True):
        own = jnp.broadcast_to(seen, (group.agents, *seen.shape))
        keys = jax.random.split(jax.random.key(experiment.seed), (sessions, group.agents))
        arrays, static = eqx.partition(group, eqx.is_array)

        @jax.jit
        def act(arrays: Any, policy: Any, keys: Any, own: Any = own, static: Any = static) -> Any:
            group = eqx.combine(arrays, static)
            return jax.vmap(lambda p, k: group.act(p, own, k, epsilon))(policy, keys)

        found.append(act(arrays, jax.tree.map(jnp.asarray, policy), keys))
    parts = [np.asarray(found[k], dtype=np.float64) for k in table.order()]
    joint = np.concatenate(parts, axis=1)
    return joint.reshape(*joint.shape[:2], len(observations), draws, -1)


def _policies(earlier: Result, table: deep.Table, cell: int = 0) -> Any:
    """The policies of all groups, sessions first."""
    begin = partial(deep.begin, table)
    play = eqx.filter_eval_shape(begin, jax.random.key(0), jnp.zeros((), jnp.int32))
    shapes = eqx.filter_eval_shape(table.policies, play.learners)
    stored = earlier.policy_reader(cell)
    return jax.tree.unflatten(jax.tree.structure(shapes), [stored[name] for name in named(shapes)])

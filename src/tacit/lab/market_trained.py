"""What groups of agents ended with in an earlier run of a market, for those who play against them."""

from functools import partial
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp

from tacit.engine import deep
from tacit.errors import TacitError
from tacit.lab.result import Result
from tacit.markets.base import Market, Role

if TYPE_CHECKING:
    from tacit.learners.deep.base import Group, Policy


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
    from tacit.lab.market_work import table_of
    from tacit.lab.run import load

    earlier = load(folder)
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


def _policies(earlier: Result, table: deep.Table) -> Any:
    """The policies of all groups, sessions first."""
    begin = partial(deep.begin, table)
    play = eqx.filter_eval_shape(begin, jax.random.key(0), jnp.zeros((), jnp.int32))
    shapes = eqx.filter_eval_shape(table.policies, play.learners)
    stored = earlier.policy_reader(0)
    return jax.tree.unflatten(jax.tree.structure(shapes), [stored[name] for name in named(shapes)])

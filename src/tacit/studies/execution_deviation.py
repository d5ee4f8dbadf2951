"""Do learned traders answer a deviation? One agent is forced to another schedule; the other follows what it learned.

Nothing is carried from one episode to the next, and the other agent is never seen: a trader can notice a deviation only
by the price within the episode, and answer only by what it sells in the rest of it.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacit.engine import deep
from tacit.learners.base import MarketSeat
from tacit.learners.deep.base import Group
from tacit.learners.deep.scripted import FollowSchedule
from tacit.markets.dynamics.base import Dynamics
from tacit.measures import execution as measures
from tacit.measures.execution import Floats
from tacit.studies.execution_evidence import Runs

EPISODES = 100  # of greedy play that the rival's answer is averaged over


@dataclass(frozen=True, eq=False)
class Answers:
    """What happens to an agent that switches to its best response, both agents in turn.

    Attributes
    ----------
    kept, answered : (runs, 2) arrays
        What the agent saves, currency: against a rival that keeps to the schedule it sells otherwise, and against the
        rival as it has learned to act.
    moved : (runs, 2) array
        Shares that the rival sells at another time because of the deviation.
    harm : (runs, 2) array
        What the deviation costs the rival, currency.
    """

    kept: Floats
    answered: Floats
    moved: Floats
    harm: Floats


def answers(runs: Runs) -> Answers:
    """Force each agent to its mean schedule, then to its best response to what the rival sells meanwhile.

    The rival acts greedily. Costs are those that are expected of the two schedules: an agent whose schedule is fixed
    cannot profit from noise.
    """
    game, rivals = runs.reference.game, _Rivals.of(runs)
    own = runs.schedules.swapaxes(1, 2).reshape(-1, runs.schedules.shape[1])  # one row for each run and agent
    before = rivals.against(own)
    best = measures.best_responses(game, np.stack([own, before], axis=2))[:, :, 0]
    after = rivals.against(best)
    costs = [
        measures.expected_costs(game, np.stack(pair, axis=2)) for pair in ((own, before), (best, before), (best, after))
    ]
    moved = np.abs(after - before).sum(axis=1) / 2
    found = costs[0] - costs[1], costs[0] - costs[2], costs[2] - costs[0]
    return Answers(*(x.reshape(-1, 2) for x in (found[0][:, 0], found[1][:, 0], moved, found[2][:, 1])))


class _Rivals(NamedTuple):
    """The other agent's policy for each run and agent, in the second seat of the market that is tested."""

    group: Group
    tested: Dynamics
    seats: tuple[deep.Seat, deep.Seat]
    keys: Any
    policies: Any
    largest: float

    @classmethod
    def of(cls, runs: Runs) -> "_Rivals":
        played = runs.result.experiment
        market: Any = played.market
        role = market.roles()[0]
        seat = MarketSeat(market, market.dynamics(), role, 1, 2, played.steps, one_by_one=False)
        learned = stored_policies(runs)
        policies = jax.tree.map(lambda x: x[runs.numbers][:, ::-1].reshape(-1, 1, *x.shape[2:]), learned)
        keys = deep.session_keys(played.seed, 0, int(runs.numbers.max(initial=0)) + 1)[runs.numbers]
        seats = deep.Seat(role.name, 0, 1), deep.Seat(role.name, 1, 2)
        return cls(
            played.learners[0].group(seat), played.test_market().dynamics(), seats, jnp.repeat(keys, 2, axis=0),
            policies, market.largest,
        )  # fmt: skip

    def against(self, schedules: Floats) -> Floats:
        """What they sell on average, (runs x agents, steps), while the agent follows these schedules."""
        sold = _play(self.group, self.tested, self.seats, self.keys, self.policies, jnp.asarray(schedules, jnp.float32))
        found = np.asarray(sold, dtype=np.float64)
        return np.asarray(found * self.largest / found.sum(axis=1, keepdims=True))  # without the rounding


@eqx.filter_jit
def _play(
    group: Group, tested: Dynamics, seats: tuple[deep.Seat, deep.Seat], keys: Any, policies: Any, schedules: Any
) -> Any:
    def one(key: Any, policy: Any, schedule: Any) -> Any:
        forced = FollowSchedule(actions=schedule[None, :, None], agents=1)
        table = deep.Table(tested, (forced, group), seats)
        found = deep.test(table, tested, key, ((), policy), EPISODES, schedules.shape[1], jnp.zeros(()))
        return found.mean["trade"][:, 1]

    return jax.vmap(one)(keys, policies, schedules)


def stored_policies(runs: Runs) -> Any:
    """What the agents of a run learned, as the engine had it: leaves (sessions, agents, ...)."""
    played = runs.result.experiment
    market: Any = played.market
    dynamics, role = market.dynamics(), market.roles()[0]
    group = played.learners[0].group(MarketSeat(market, dynamics, role, 0, 2, played.steps, one_by_one=False))
    table = deep.Table(dynamics, (group,), (deep.Seat(role.name, 0, 2),))
    shape = eqx.filter_eval_shape(lambda t, key: t.policies(deep.begin(t, key).learners), table, jax.random.key(0))
    paths, structure = jax.tree_util.tree_flatten_with_path(shape)
    arrays = runs.result.policy_reader(0)
    named = [arrays[jax.tree_util.keystr(path, simple=True, separator=".")] for path, _ in paths]
    return jax.tree.unflatten(structure, [jnp.asarray(x) for x in named])[0]

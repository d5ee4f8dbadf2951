"""The deep engine: markets played by learners on arrays, all sessions together.

A session is a loop over steps; sessions are vectorised and spread over the devices. A run is cut into compiled
segments, between which the program can write a checkpoint, show progress and stop. Whatever a segment needs of chance
follows from (seed, session, step), so that a run that goes on from a checkpoint gives the bits of one that never
stopped, on the same devices.
"""

import itertools
from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tacitlab.engine import devices
from tacitlab.engine.tally import Tally, add, market_wide, nothing
from tacitlab.learners.parts.group import Carry, Group, LearnerState, Metrics, Policy, Transition, nothing_learned
from tacitlab.markets.motion import Dynamics, Outcome, State

Keys = tuple[PRNGKeyArray, PRNGKeyArray, PRNGKeyArray]  # of the market, of acting and of learning
INITIAL, TRAINING, TEST = range(3)  # purposes of random streams


class Seat(NamedTuple):
    """Agents of a role that learn together: from the first to before the last."""

    role: str
    first: int
    last: int


class Table(eqx.Module):
    """A market and the groups of learners that sit around it."""

    dynamics: Dynamics
    groups: tuple[Group, ...]
    seats: tuple[Seat, ...] = eqx.field(static=True)
    copies: int = eqx.field(static=True, default=1)  # of the market, that the groups learn from at the same time

    @property
    def agents(self) -> int:
        """Number of agents of all groups."""
        return sum(group.agents for group in self.groups)

    def shares(self, keys: PRNGKeyArray) -> list[PRNGKeyArray]:
        """One key for each agent, cut into those of each group."""
        ends = list(itertools.accumulate(group.agents for group in self.groups))
        return [keys[end - group.agents : end] for end, group in zip(ends, self.groups, strict=True)]

    def policies(self, learners: tuple[LearnerState, ...]) -> tuple[Policy, ...]:
        """What the groups act by."""
        return tuple(group.policy(state) for group, state in zip(self.groups, learners, strict=True))

    def limits(self) -> Float[Array, " agents"]:
        """Size of values beyond which an agent's learning has failed, in the order of agents."""
        groups = [self.groups[k] for k in self.order()]
        return jnp.concatenate([jnp.full(group.agents, group.limit()) for group in groups])

    def order(self) -> list[int]:
        """Groups in the order of the market's agents."""
        places = {role.name: k for k, role in enumerate(self.dynamics.roles)}
        return sorted(range(len(self.seats)), key=lambda k: (places[self.seats[k].role], self.seats[k].first))

    def choose(
        self, policies: tuple[Policy, ...], carries: tuple[Carry, ...], seen: dict[str, Array], keys: PRNGKeyArray,
        epsilons: Sequence[Float[Array, ""]],
    ) -> tuple[dict[str, Array], tuple[Carry, ...]]:  # fmt: skip
        """What all agents do in several markets, of which they see (markets, agents, ...), and what they carry on."""
        chosen, after = [], []
        for group, seat, policy, carry, k, epsilon in zip(
            self.groups, self.seats, policies, carries, self.shares(keys), epsilons, strict=True
        ):
            own = jnp.swapaxes(seen[seat.role][:, seat.first : seat.last], 0, 1)
            action, carry = group.respond(policy, carry, own, k, epsilon)
            chosen.append(action)
            after.append(carry)
        return {name: jnp.swapaxes(parts, 0, 1) for name, parts in self.by_role(chosen).items()}, tuple(after)

    def by_role(self, parts: Sequence[Array]) -> dict[str, Array]:
        """Arrays of each group, agents first, as arrays of each role, in the order of its agents."""
        found: dict[str, list[Array]] = {role.name: [] for role in self.dynamics.roles}
        for k in self.order():
            found[self.seats[k].role].append(parts[k])
        return {name: jnp.concatenate(arrays) for name, arrays in found.items()}


class Play(NamedTuple):
    """Where a session stands.

    Attributes
    ----------
    state : arrays with a leading axis of copies of the market
    learners : tuple of what each group keeps
    carries : tuple of what each group's agents carry through an episode
    total : (copies, agents)
        What the running episodes have brought so far.
    """

    state: State
    learners: tuple[LearnerState, ...]
    carries: tuple[Carry, ...]
    total: Float[Array, "copies agents"]


class Tested(NamedTuple):
    """What a test leaves.

    Attributes
    ----------
    returns : (episodes, agents)
        Sum of the rewards of an episode.
    mean, spread : dict of arrays
        Mean and standard deviation over episodes of each recorded quantity, by step of the episode: (steps, ...).
    path : dict of arrays
        The first episode.
    """

    returns: Float[Array, "episodes agents"]
    mean: dict[str, Array]
    spread: dict[str, Array]
    path: dict[str, Array]


def session_keys(seed: int, first: int, count: int) -> PRNGKeyArray:
    """One key for each session, whatever sessions are played with it."""
    return _keys_of(jnp.array([seed & 0xFFFFFFFF, seed >> 32], jnp.uint32), jnp.arange(first, first + count))


@jax.jit
def _keys_of(seed: Int[Array, " 2"], sessions: Int[Array, " sessions"]) -> PRNGKeyArray:
    root = jax.random.fold_in(jax.random.key(seed[0]), seed[1])
    return jax.vmap(lambda session: jax.random.fold_in(root, session))(sessions)


# --- one session ---------------------------------------------------------------------------------------------------


def begin(table: Table, key: PRNGKeyArray, session: Int[Array, ""]) -> Play:
    """A session, of this number, before its first step."""
    keys = jax.random.split(jax.random.fold_in(key, INITIAL), 1 + table.agents)
    learners = tuple(group.init(k, session) for group, k in zip(table.groups, table.shares(keys[1:]), strict=True))
    state = jax.vmap(table.dynamics.reset)(_for_copies(keys[0], table.copies))
    carries = tuple(group.carry(table.copies) for group in table.groups)
    return Play(state, learners, carries, jnp.zeros((table.copies, table.agents)))


def _for_copies(key: PRNGKeyArray, copies: int) -> PRNGKeyArray:
    """A key for each copy of the market."""
    return key[None] if copies == 1 else jax.random.split(key, copies)


def advance(
    table: Table, key: PRNGKeyArray, play: Play, start: Int[Array, ""], count: Int[Array, ""], steps: int
) -> tuple[Play, Tally]:
    """``count`` steps of learning, at most ``steps``, for which alone it is compiled."""
    clocks, root, limits = start + jnp.arange(steps), jax.random.fold_in(key, TRAINING), table.limits()
    # Three arrays rather than one: what no learner asks for, most often the last, is never computed.
    act, learn, end = 2, 2 + table.agents, 2 + 2 * table.agents
    keys = (_keys(root, clocks, 0, act), _keys(root, clocks, act, learn), _keys(root, clocks, learn, end))

    def step(number: Int[Array, ""], carry: tuple[Play, Tally]) -> tuple[Play, Tally]:
        play, tally = carry
        clock, now = start + number, tuple(jax.lax.dynamic_index_in_dim(k, number, keepdims=False) for k in keys)
        play, outcome, metrics = _step(table, play, clock, now)
        rewards = jnp.concatenate([outcome.rewards[role.name] for role in table.dynamics.roles], axis=1)
        total = play.total + rewards
        tally = add(tally, rewards, total, outcome, metrics, limits, clock)
        ended = outcome.terminated | outcome.truncated
        return play._replace(total=jnp.where(ended[:, None], 0.0, total)), tally

    _, outcome, _ = jax.eval_shape(_step, table, play, clocks[0], tuple(k[0] for k in keys))
    return jax.lax.fori_loop(0, count, step, (play, nothing(table.agents, market_wide(outcome.info))))


def _keys(root: PRNGKeyArray, clocks: Int[Array, " steps"], first: int, last: int) -> PRNGKeyArray:
    """The keys of these numbers for each step, all at once: one by one they would take as long as a small network."""
    numbers = jnp.arange(first, last)
    return jax.vmap(lambda clock: jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(root, clock)))(numbers))(
        clocks
    )


def _step(table: Table, play: Play, clock: Int[Array, ""], keys: Keys) -> tuple[Play, Outcome, Metrics]:
    """One step of learning, and a new episode where one ended."""
    dynamics, groups = table.dynamics, table.groups
    world, acting, learning = keys
    seen, everything = jax.vmap(dynamics.observe)(play.state), jax.vmap(dynamics.global_state)(play.state)
    epsilons = [group.epsilon(clock) for group in groups]
    actions, carries = table.choose(table.policies(play.learners), play.carries, seen, acting, epsilons)
    actions = jax.vmap(dynamics.admissible)(play.state, actions)
    state, outcome = jax.vmap(dynamics.step)(_for_copies(world[0], table.copies), play.state, actions)
    after, next_world = jax.vmap(dynamics.observe)(state), jax.vmap(dynamics.global_state)(state)
    ended = outcome.terminated | outcome.truncated
    learners, metrics = [], []
    for group, seat, learner, k in zip(groups, table.seats, play.learners, table.shares(learning), strict=True):
        role, place = seat.role, slice(seat.first, seat.last)
        before, done, earned, then = (
            jnp.swapaxes(x[role][:, place], 0, 1) for x in (seen, actions, outcome.rewards, after)
        )
        over, cut = (
            jnp.broadcast_to(flag, (group.agents, table.copies)) for flag in (outcome.terminated, outcome.truncated)
        )
        lived = Transition(before, done, earned, then, over, cut, everything, next_world)
        learner = group.observe(learner, lived, clock)
        learner, how = _update(group, learner, k, clock)
        learners.append(learner)
        metrics.append(how)
    state = _where(ended, jax.vmap(dynamics.reset)(_for_copies(world[1], table.copies)), state)
    blank = tuple(group.carry(table.copies) for group in groups)
    carries = jax.tree.map(lambda new, old: jnp.where(ended[None, :, None], new, old), blank, carries)
    return Play(state, tuple(learners), carries, play.total), outcome, _in_order(table, metrics)


def _where(ended: Bool[Array, " copies"], new: Any, old: Any) -> Any:
    """The new arrays in those copies of the market in which an episode has ended."""
    return jax.tree.map(lambda x, y: jnp.where(ended.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, old)


def _update(
    group: Group, learner: LearnerState, keys: PRNGKeyArray, clock: Int[Array, ""]
) -> tuple[LearnerState, Metrics]:
    if group.update_every == 0:
        return learner, nothing_learned(group.agents)
    if group.update_every == 1:
        return group.update(learner, keys, clock)
    due = (clock + 1) % group.update_every == 0
    return jax.lax.cond(
        due, lambda: group.update(learner, keys, clock), lambda: (learner, nothing_learned(group.agents))
    )


def _in_order(table: Table, metrics: Sequence[Metrics]) -> Metrics:
    """Metrics of all agents in the order of roles, whatever the order of groups."""
    return Metrics(*(jnp.concatenate(parts) for parts in zip(*(metrics[k] for k in table.order()), strict=True)))


def test(
    table: Table, dynamics: Dynamics, key: PRNGKeyArray, policies: tuple[Policy, ...], episodes: int, horizon: int,
    epsilon: Float[Array, ""], by_agent: bool,
) -> Tested:  # fmt: skip
    """Frozen policies play episodes of a market, which may be another one than they were trained in.

    Quantities that differ between agents are recorded only ``by_agent``.
    """
    keys = _keys(jax.random.fold_in(key, TEST), jnp.arange(horizon + 1), 0, 1 + table.agents)

    def step(now: Any, keys: PRNGKeyArray) -> Any:
        state, carries, returns, alive = now
        seen, epsilons = jax.vmap(dynamics.observe)(state), [epsilon] * len(table.groups)
        actions, carries = table.choose(policies, carries, seen, keys[1:], epsilons)
        actions = jax.vmap(dynamics.admissible)(state, actions)
        state, outcome = jax.vmap(dynamics.step)(jax.random.split(keys[0], episodes), state, actions)
        rewards = jnp.concatenate([outcome.rewards[role.name] for role in dynamics.roles], axis=1)
        returns = returns + jnp.where(alive[:, None], rewards, 0.0)
        kept = outcome.info if by_agent else market_wide(outcome.info)
        moments = {name: _moments(values, alive) for name, values in kept.items()}
        return (state, carries, returns, alive & ~outcome.terminated & ~outcome.truncated), moments

    state = jax.vmap(dynamics.reset)(jax.random.split(keys[horizon, 0], episodes))
    carries = tuple(group.carry(episodes) for group in table.groups)
    begin = (state, carries, jnp.zeros((episodes, table.agents)), jnp.ones(episodes, bool))
    (_, _, returns, _), moments = jax.lax.scan(step, begin, keys[:horizon])
    mean, spread, path = ({name: parts[k] for name, parts in moments.items()} for k in range(3))
    return Tested(returns, mean, spread, path)


def _moments(values: Array, alive: Bool[Array, " episodes"]) -> tuple[Array, Array, Array]:
    """Mean and standard deviation over the episodes that still go on, and the first; NaN where there is none."""
    shape = (-1,) + (1,) * (values.ndim - 1)
    weight = alive.reshape(shape).astype(values.dtype)
    count = weight.sum()
    mean = (values * weight).sum(axis=0) / count
    spread = jnp.sqrt((((values - mean) ** 2) * weight).sum(axis=0) / count)
    return mean, spread, jnp.where(alive[0], values[0], jnp.nan)


# --- many sessions -------------------------------------------------------------------------------------------------


@cache
def crew(most: int) -> "Crew":
    """The compiled functions for at most so many devices, compiled once in a process."""
    return Crew(devices.mesh(most))


class Crew:
    """Compiled functions that play many sessions side by side on a row of devices."""

    def __init__(self, mesh: jax.sharding.Mesh) -> None:
        self.mesh = mesh
        sharded, same = PartitionSpec("sessions"), PartitionSpec()
        self._sharded = NamedSharding(mesh, sharded)

        def spread(function: Any, in_specs: Any) -> Any:
            return jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=sharded, check_vma=False)

        @eqx.filter_jit
        def begin_all(table: Table, keys: PRNGKeyArray, numbers: Array) -> Play:
            arrays, static = eqx.partition(table, eqx.is_array)

            def run(arrays: Any, keys: PRNGKeyArray, numbers: Array) -> Play:
                return jax.vmap(lambda k, number: begin(eqx.combine(arrays, static), k, number))(keys, numbers)

            return spread(run, (same, sharded, sharded))(arrays, keys, numbers)

        @eqx.filter_jit(donate="all-except-first")
        def advance_all(constant: Any, play: Play, steps: int) -> tuple[Play, Tally]:
            table, keys, start, count = constant
            arrays, static = eqx.partition(table, eqx.is_array)

            def run(arrays: Any, keys: PRNGKeyArray, play: Play, start: Array, count: Array) -> tuple[Play, Tally]:
                table = eqx.combine(arrays, static)
                return jax.vmap(lambda k, p: advance(table, k, p, start, count, steps))(keys, play)

            return spread(run, (same, sharded, sharded, same, same))(arrays, keys, play, start, count)

        @eqx.filter_jit
        def test_all(
            table: Table, dynamics: Dynamics, keys: PRNGKeyArray, learners: Any, episodes: int, horizon: int,
            epsilon: Array, by_agent: bool,
        ) -> Tested:  # fmt: skip
            (arrays, other), static = eqx.partition((table, dynamics), eqx.is_array)

            def run(arrays: Any, keys: PRNGKeyArray, learners: Any, epsilon: Array) -> Tested:
                table, dynamics = eqx.combine(arrays, static)

                def one(key: PRNGKeyArray, learners: Any) -> Tested:
                    policies = table.policies(learners)
                    return test(table, dynamics, key, policies, episodes, horizon, epsilon, by_agent)

                return jax.vmap(one)(keys, learners)

            return spread(run, (same, sharded, sharded, same))((arrays, other), keys, learners, epsilon)

        self._begin, self._advance, self._test = begin_all, advance_all, test_all

    @property
    def layout(self) -> str:
        """The devices in words; results have the same bits on the same ones."""
        return f"{self.mesh.size} x {self.mesh.devices.flat[0].device_kind}"

    def keys(self, seed: int, first: int, count: int) -> PRNGKeyArray:
        """Keys of so many sessions, filled up to a multiple of the devices."""
        width = -(-count // self.mesh.size) * self.mesh.size
        return jax.device_put(session_keys(seed, first, width), self._sharded)

    def begin(self, table: Table, keys: PRNGKeyArray, first: int = 0) -> Play:
        """All sessions, numbered from the first on, before their first step."""
        return self._begin(table, keys, jax.device_put(first + np.arange(len(keys), dtype=np.int32), self._sharded))

    def advance(
        self, table: Table, keys: PRNGKeyArray, play: Play, start: int, steps: int, most: int | None = None
    ) -> tuple[Play, Tally]:
        """So many steps of all sessions; ``play`` is used up. Calls with the same ``most`` are compiled once."""
        begin, count = jnp.asarray(start, jnp.int32), jnp.asarray(steps, jnp.int32)
        return self._advance((table, keys, begin, count), play, max(steps, most or steps))

    def test(
        self, table: Table, dynamics: Dynamics, keys: PRNGKeyArray, learners: Sequence[LearnerState], episodes: int,
        horizon: int, epsilon: float, by_agent: bool = True,
    ) -> Tested:  # fmt: skip
        """Frozen policies of all sessions."""
        return self._test(table, dynamics, keys, tuple(learners), episodes, horizon, jnp.asarray(epsilon), by_agent)

    def place(self, leaves: Sequence[np.ndarray]) -> list[Array]:
        """Arrays with a session axis, spread over the devices."""
        return [jax.device_put(leaf, self._sharded) for leaf in leaves]

"""Does a learner keep the contract that the engine and its users rely on?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.errors import TacitError
from tacitlab.games import PrisonersDilemma
from tacitlab.learners.base import Learner, MarketSeat, TabularLearner
from tacitlab.learners.parts.group import Group, Transition
from tacitlab.markets import Execution, RepeatedGame, ResourceMarket, TeamGame
from tacitlab.markets.base import Discrete, Market, Role
from tacitlab.testing.experience import Taught, answer, learn, lives, respond, teach
from tacitlab.testing.promises import Promises, said
from tacitlab.testing.tabular import check_tabular

CLOSE: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-3}  # between two ways of computing the same in single precision
SESSIONS = 2  # taught side by side
COPIES = 2  # of the market, for learners that learn from several
LENGTHS = (32, 256, 2048)  # steps to learn from, where nobody says how many
REPEATED = RepeatedGame(game=PrisonersDilemma(), horizon_periods=4)

_answer, _respond = (eqx.filter_jit(function) for function in (answer, respond))


def check_learner(
    learner: Learner,
    market: Market | None = None,
    *,
    steps: int | None = None,
    copies: int | None = None,
    private: bool | None = None,
    alike: bool | None = None,
    trained: Callable[[str, int, int], tuple[Any, Any, Role]] | None = None,
    seed: int = 0,
) -> None:
    """Let a learner learn from random play of a market and raise an error about the first promise that it breaks.

    Learners with a table play two stage games first (:func:`tacitlab.testing.tabular.check_tabular`): what they have
    learned is finite, and the same however many threads and sessions there are.

    What is checked: arrays are arrays, and shapes and kinds of numbers stay what they were; something is learned, and
    what acts afterwards is finite and can be stored; actions are feasible; the same keys give the same bits; sessions
    side by side learn what each learns alone, and compiled steps do what steps do one by one; what an agent does
    depends on what it sees itself, not on what the others see; some agents of a group act as they did among all; and
    agents with networks of their own learn the same in whatever order they sit.

    Learners compute in single precision: the engine switches 64-bit numbers off where a program has them on.

    Parameters
    ----------
    learner : Learner
        Small enough to learn within the steps: short rollouts, small batches.
    market : Market, optional
        Whose first role learns; if none is given, the first of some small ones that it can play.
    steps : int, optional
        How long it learns; if left out, until all agents have learned something.
    copies : int, optional
        Copies of the market to learn from; two if the learner can.
    private, alike : bool, optional
        In place of what the learner says itself.
    trained : callable, optional
        For policies of an earlier run in a market; see ``MarketSeat``. With it, stage games are not played.
    seed : int
        Of the random play and of the learner's own chance.

    Raises
    ------
    AssertionError
        One line that says which promise is broken.
    TacitError
        If the learner cannot play this market at all.

    Examples
    --------
    >>> from tacitlab.learners import Random
    >>> check_learner(Random(), steps=4)
    """
    private = learner.private if private is None else private
    alike = learner.alike if alike is None else alike
    copies = copies or (COPIES if learner.many_copies else 1)
    check = Promises(getattr(learner, "kind", type(learner).__name__))
    if isinstance(learner, TabularLearner) and market is None and trained is None:
        check_tabular(check, learner, seed)
        if type(learner).group is Learner.group:
            return  # it plays stage games only
    market = market or _playable(learner, copies, trained)

    def build(steps: int) -> MarketSeat:
        return _seat(market, steps, copies, trained)

    for length in (steps,) if steps else _lengths(learner.group(build(LENGTHS[0])).update_every):
        seat = build(length)
        group = _check_shapes(check, seat, learner, length)
        again: Any = jax.tree.structure(learner.group(build(length)))
        problem = "its group has other static fields each time, so that all compiles anew"
        check(again == jax.tree.structure(group), problem)
        case = Case.of(seat, group, length, seed)
        taught = _check_sessions(check, case)
        if not learner.learns or (np.asarray(taught.metrics.loss) >= 0).any(axis=0).all():
            break
    _check_learned(check, case, taught, learner.learns)
    _check_eager(check, case, taught)
    if private:
        _check_private(check, case, taught)
    if private and seat.role.agents > 1:
        _check_part(check, case, taught)
    if alike and seat.role.agents > 1:
        _check_order(check, case, taught)


def _seat(market: Market, steps: int, copies: int, trained: Any) -> MarketSeat:
    dynamics = market.dynamics()
    role = dynamics.roles[0]
    return MarketSeat(market, dynamics, role, 0, role.agents, steps, True, copies, trained)


def _playable(learner: Learner, copies: int, trained: Any) -> Market:
    """The first of some small markets that a learner can play."""
    traders = Execution(inventories=(8.0, 5.0), steps=4, trades="parts", parts=3)
    markets = (REPEATED, TeamGame(horizon_steps=4), traders, ResourceMarket(steps=4))
    for market in markets:
        try:
            seat = _seat(market, LENGTHS[0], copies, trained)
            learner.check(market, seat.role)
            learner.group(seat)
        except TacitError as error:
            if market is markets[-1]:
                raise error
            continue
        return market
    raise AssertionError("unreachable")


def _lengths(update_every: int) -> tuple[int, ...]:
    """Steps to learn from, until something is learned: two updates at least."""
    least = next((k for k in LENGTHS if k >= 2 * update_every), 2 * update_every)
    return tuple(sorted({least, *(k for k in LENGTHS if k > least)}))


@dataclass(frozen=True)
class Case:
    """A group, and what it is given; lives and keys have a leading axis of sessions, then of steps."""

    group: Group
    seat: MarketSeat
    lived: Transition
    keys: Any
    steps: int

    @classmethod
    def of(cls, seat: MarketSeat, group: Group, steps: int, seed: int) -> "Case":
        roots = jax.random.split(jax.random.key(seed), SESSIONS + 1)
        played = [lives(seat.dynamics, seat.role, seat.copies, steps, key) for key in roots[1:]]
        lived = jax.tree.map(lambda *x: jnp.stack(x), *played)
        keys = jax.random.split(roots[0], (SESSIONS, 1 + steps, seat.role.agents))
        return cls(group, seat, lived, keys, steps)

    def taught(self, stop: int, lanes: tuple[int, int] = (0, 1), order: Any = None) -> Taught:
        """These sessions side by side after so many steps; agents of the first in another order if one is given."""
        lived, keys = (jax.tree.map(lambda x: x[np.array(lanes)], x) for x in (self.lived, self.keys))
        if order is not None:
            own = (x.at[0].set(x[0][:, order]) for x in lived[:6])
            lived = lived._replace(**dict(zip(lived._fields[:6], own, strict=True)))
            keys = keys.at[0].set(keys[0][:, order])
        numbers = jnp.array(lanes, jnp.int32)
        return _side_by_side(self.group, lived, keys, numbers, jnp.asarray(stop, jnp.int32))

    def seen(self) -> Any:
        """What agents see in the last two steps of the first session: (2, agents, copies, observation)."""
        return self.lived.observation[0, -2:]

    def acting(self) -> tuple[Any, Any]:
        """Keys to act with, and the clock."""
        return self.keys[0, -1], jnp.asarray(self.steps, jnp.int32)


# --- shapes --------------------------------------------------------------------------------------------------------


def _check_shapes(check: Promises, seat: MarketSeat, learner: Learner, steps: int) -> Group:
    group, agents, copies = learner.group(seat), seat.role.agents, seat.copies
    check(group.agents == agents, f"its group has {group.agents} agents, but {agents} sit here")
    every = group.update_every
    check(isinstance(every, int) and every >= 0, f"update_every is {every}; give a whole number, 0 for never")
    check.arrays("its group", group)
    lived = check.result("random play", lambda k: lives(seat.dynamics, seat.role, copies, steps, k), jax.random.key(0))
    now = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), lived)
    keys, clock = jax.random.split(jax.random.key(0), agents), jnp.zeros((), jnp.int32)
    state = check.result("init", group.init, keys, clock)
    after = check.result("observe", group.observe, state, now, clock)
    _check_kept(check, "observe", state, after)
    if group.update_every:
        after, metrics = check.result("update", group.update, state, keys, clock)
        _check_kept(check, "update", state, after)
        for what, values in zip(metrics._fields, metrics, strict=True):
            check(values.shape == (agents,), f"the {what} that update reports is {said(values)}; make it [{agents}]")
    policy = check.result("policy", group.policy, state)
    for path, leaf in jax.tree_util.tree_leaves_with_path(policy):
        plain = getattr(leaf.dtype, "kind", "none") in "fiub"  # random keys have none
        check(plain, f"policy{jax.tree_util.keystr(path)} is {said(leaf)}, which cannot be stored; make it numbers")
    epsilon = check.result("epsilon", group.epsilon, clock)
    check(epsilon.shape == (), f"epsilon is {said(epsilon)}; make it one number")
    carry = jax.eval_shape(lambda: group.carry(copies))
    action, carried = check.result("respond", group.respond, policy, carry, now.observation, keys, epsilon)
    size = 1 if isinstance(seat.role.actions, Discrete) else seat.role.actions.size
    good = action.shape == (agents, copies, size) and jnp.issubdtype(action.dtype, jnp.floating)
    check(good, f"its actions are {said(action)}; make them float[{agents}, {copies}, {size}]")
    _check_kept(check, "respond", carry, carried, "what is carried through an episode")
    return group


def _check_kept(check: Promises, where: str, before: Any, after: Any, what: str = "state") -> None:
    kind: Any = jax.tree.structure(before)
    check(kind == jax.tree.structure(after), f"{where} returns another kind of {what} than it takes")
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        same = (old.shape, old.dtype) == (new.shape, new.dtype)
        check(same, f"{where} turns {what}{jax.tree_util.keystr(path)} from {said(old)} into {said(new)}; keep it")


# --- learning ------------------------------------------------------------------------------------------------------


def _check_sessions(check: Promises, case: Case) -> Taught:
    """Same keys, same bits, whatever goes on beside. Returns the first session."""
    both, again, turned = case.taught(case.steps), case.taught(case.steps), case.taught(case.steps, (1, 0))
    _check_same(check, "the same keys give another result", both, again, exact=True)
    _check_same(check, "a session depends on the one beside it", _lane(both, 0), _lane(turned, 1))
    return _lane(both, 0)


@eqx.filter_jit
def _side_by_side(group: Group, lived: Any, keys: Any, numbers: Any, stop: Any) -> Taught:
    found: Taught = jax.vmap(lambda life, k, number: teach(group, life, k, number, stop))(lived, keys, numbers)
    return found


def _lane(taught: Taught, session: int) -> Taught:
    found: Taught = jax.tree.map(lambda x: x[session], taught)
    return found


def _check_learned(check: Promises, case: Case, taught: Taught, learns: bool) -> None:
    loss = np.asarray(taught.metrics.loss)
    check(np.isfinite(np.asarray(taught.metrics)).all(), "loss or value is not finite")
    mend = "learn from more steps, or make rollouts and batches smaller"
    check(not learns or (loss >= 0).any(axis=0).all(), f"nothing was learned in {case.steps} steps; {mend}")
    for path, leaf in jax.tree_util.tree_leaves_with_path(case.group.policy(taught.state)):
        check(np.isfinite(np.asarray(leaf)).all(), f"policy{jax.tree_util.keystr(path)} is not finite")
    actions = np.asarray(_answer(case.group, taught.state, case.seen(), *case.acting()))
    check(np.isfinite(actions).all(), "its actions are not finite")
    role, dynamics = case.seat.role, case.seat.dynamics
    if isinstance(role.actions, Discrete):
        feasible = jax.vmap(jax.vmap(jax.vmap(lambda o: dynamics.candidates(role, o)[1])))(case.seen())
        good = (actions[..., 0] == np.round(actions[..., 0])) & (actions[..., 0] >= 0)
        good &= actions[..., 0] < np.asarray(feasible)
        check(good.all(), f"an action is {actions[..., 0][~good][:1]}, which is not feasible; choose a candidate")


def _check_eager(check: Promises, case: Case, taught: Taught) -> None:
    """The last step in which something was learned, for one session alone, one operation after the other."""
    happened = np.flatnonzero((np.asarray(taught.metrics.loss) >= 0).any(axis=1))
    k = int(happened[-1]) if len(happened) else 0
    before, after = (_lane(case.taught(stop), 0) for stop in (k, k + 1))
    now = jax.tree.map(lambda x: x[0, k], case.lived)
    state, metrics = learn(case.group, before.state, now, case.keys[0, 1 + k], jnp.asarray(k, jnp.int32))
    actions = answer(case.group, taught.state, case.seen(), *case.acting())
    wanted = jax.tree.map(lambda x: x[k], after.metrics)
    problem = "compiled, and beside another session, it learns otherwise than step by step"
    _check_same(check, problem, (state, metrics), (after.state, wanted))
    compiled = _answer(case.group, taught.state, case.seen(), *case.acting())
    _check_same(check, "compiled it acts otherwise than step by step", actions, compiled)


# --- agents of a group ---------------------------------------------------------------------------------------------


def _check_private(check: Promises, case: Case, taught: Taught) -> None:
    """Every agent in turn keeps what it sees, while the others see what they saw at other times."""
    seen, (keys, clock) = case.seen(), case.acting()
    wanted = np.asarray(_answer(case.group, taught.state, seen, keys, clock))
    others = case.lived.observation[1, :2]
    for agent in range(case.group.agents):
        mixed = others.at[:, agent].set(seen[:, agent])
        found = np.asarray(_answer(case.group, taught.state, mixed, keys, clock))[:, agent]
        problem = f"what agent {agent} does depends on what others see; an actor may look at its own observations only"
        check(np.allclose(found, wanted[:, agent], **CLOSE), problem)


def _check_part(check: Promises, case: Case, taught: Taught) -> None:
    """All agents but the first, by what ``part`` and ``policy_part`` make of the group."""
    seen, (keys, clock) = case.seen(), case.acting()
    policy, epsilon, n = case.group.policy(taught.state), case.group.epsilon(clock), case.group.agents
    some = case.group.part(1, n)
    check(some.agents == n - 1, f"part(1, {n}) has {some.agents} agents")
    stored = jax.tree.map(lambda x: x[None], policy)
    own = jax.tree.map(lambda x: x[0], case.group.policy_part(stored, 1, n))
    found, wanted = (
        _respond(some, own, seen[:, 1:], keys[1:], epsilon),
        _respond(case.group, policy, seen, keys, epsilon),
    )
    problem = "some of the agents act otherwise than among all; see part and policy_part"
    _check_same(check, problem, found, wanted[:, 1:])


def _check_order(check: Promises, case: Case, taught: Taught) -> None:
    """Agents who sit in another order, where each has networks of its own."""
    n, policy = case.group.agents, case.group.policy(taught.state)
    if any(leaf.ndim == 0 or leaf.shape[0] != n for leaf in jax.tree.leaves(policy)):
        return  # shared
    order = np.roll(np.arange(n), 1)
    found = _lane(case.taught(case.steps, order=order), 0)
    wanted = jax.tree.map(lambda x: x[order], policy), jax.tree.map(lambda x: x[:, order], taught.metrics)
    problem = "agents learn otherwise when they sit in another order"
    _check_same(check, problem, (case.group.policy(found.state), found.metrics), wanted)


def _check_same(check: Promises, problem: str, found: Any, wanted: Any, exact: bool = False) -> None:
    for (path, one), other in zip(jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(wanted), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        same = np.array_equal(one, other, equal_nan=True) if exact else np.allclose(one, other, equal_nan=True, **CLOSE)
        check(same, f"{problem}: {jax.tree_util.keystr(path) or 'actions'} differs")

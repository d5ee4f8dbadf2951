"""The tabular engine: stage games played again and again by agents that keep tables.

:func:`prepare` flattens games and learners into plain arrays, :func:`play` plays sessions in one compiled call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tacitlab.engine.arrays import AGENT, FROZEN, GROUP, NEEDS, GameArrays, Limits, Record, Rows, Steering
from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, CongestionForm, NormalForm
from tacitlab.learners.base import (
    TABLE,
    Behaviour,
    Observes,
    Seat,
    TabularLearner,
    TabularRule,
    group_sizes,
    refuse,
)

MOST_VALUES = 250_000_000  # table entries of one session: 2 GB of values
LIMIT_STEPS = 1_000_000  # longest search for a limit cycle, periods
Numbered = tuple[tuple[int, TabularRule], ...]
Trained = Callable[[str, int], tuple[NDArray[np.float64] | None, NDArray[np.int64]]]
AVERAGE_STEPS = 10_000  # greedy periods averaged where play is random
STEERED_STEPS = 1_000  # greedy periods averaged where an intervention goes on


@dataclass(frozen=True)
class Plan:
    """An experiment in arrays; made by :func:`prepare`."""

    game: GameArrays
    agents: Rows  # of AGENT
    groups: Rows  # of GROUP
    knots: NDArray[np.float64]
    limits: Limits
    given: NDArray[np.float64]
    windows: int
    keep_values: bool
    counted: bool  # a rule counts its tries
    numbers: NDArray[np.float64]  # (agents, most) constants of rules
    memory: NDArray[np.float64]  # (agents, most) what rules remember, as a session begins
    foreign: Numbered  # rules of groups of which one is not in the table
    steering: Steering | None = None

    @property
    def pooled(self) -> bool:
        """Whether agents are anonymous, so that frequencies and payoffs are recorded over all of them."""
        return self.game.congestion

    @property
    def recorded_agents(self) -> int:
        return 1 if self.pooled else len(self.agents)

    def bytes_per_session(self) -> int:
        """Size of what one session leaves."""
        record = new_record(self, 1)
        return sum(array.nbytes for array in record)


class Seated(NamedTuple):
    """Everybody in a game: where each agent sits, and what it does there."""

    seats: tuple[Seat, ...]
    behaviours: tuple[Behaviour, ...]


def seated(
    form: NormalForm | CongestionForm,
    learners: Sequence[TabularLearner],
    *,
    alternating: bool,
    periods: int,
    sessions: int,
    trained: Trained,
    signals: int = 1,
    named: Actions | None = None,
) -> Seated:
    """Seat all agents of a game, as :func:`prepare` does.

    Raises
    ------
    TacitError
        If numbers of agents do not fit, a learner cannot play this game, or a table would be too large.
    """
    seats: list[Seat] = []
    behaviours: list[Behaviour] = []
    for learner, count in zip(learners, group_sizes(form.players, learners), strict=True):
        group = [
            seat_of(form, len(seats) + k, learner, sessions, periods, trained, signals, named) for k in range(count)
        ]
        check_seat(learner, group[0], alternating)
        if sum(seat.states * seat.actions for seat in seats + group) > MOST_VALUES:
            raise refuse("memory", f"{group[0].states} states an agent need too much memory", "lower memory or actions")
        made = [learner.behaviour(seat) for seat in (group if isinstance(form, NormalForm) else group[:1])]
        behaviours += made if len(made) == count else made * count
        seats += group
    return Seated(tuple(seats), tuple(behaviours))


def prepare(
    form: NormalForm | CongestionForm,
    learners: Sequence[TabularLearner],
    *,
    alternating: bool,
    periods: int,
    stable_for: int,
    window: int,
    windows: int,
    sessions: int,
    keep_values: bool,
    trained: Trained,
    steering: Steering | None = None,
    paid: NormalForm | CongestionForm | None = None,
    named: Actions | None = None,
    opening: NDArray[np.int64] | None = None,
) -> Plan:
    """Flatten a game and its learners into the arrays of the compiled loop.

    Parameters
    ----------
    learners : sequence of TabularLearner
        In the order of the agents; each says how many agents it takes, at most one takes those that are left.
    alternating : bool
        One agent moves a period, in turn.
    periods, stable_for : int
        A session ends after ``periods``, or once no greedy action has changed for ``stable_for`` (0: never).
    window, windows : int
        Traces are means over ``window`` periods, for the first ``windows`` windows.
    steering : Steering, optional
        What an intervention does; without it the loop that knows of none is played.
    paid : NormalForm or CongestionForm, optional
        The game as agents are paid, for their initial values, where it is not ``form``.
    named : Actions, optional
        What the game's actions mean.
    opening : (periods, players) array, optional
        What was played last as a session begins, the oldest first; uniformly random if left out.

    Raises
    ------
    TacitError
        If numbers of agents do not fit, a learner cannot play this game, or a table would be too large.
    """
    found = seated(
        paid or form, learners, alternating=alternating, periods=periods, sessions=sessions, trained=trained,
        signals=1 if steering is None else steering.signals, named=named,
    )  # fmt: skip
    seats, behaviours = list(found.seats), list(found.behaviours)
    starts, merged = _merge(behaviours)
    numbers = numbers_of(behaviours)
    average = AVERAGE_STEPS if steering is None else STEERED_STEPS
    foreign = foreign_rules(behaviours)
    if steering is not None:
        _hooks(steering)  # a user's mistake shows before anything is played
    compiled(foreign)
    return Plan(
        game=game_arrays(form, alternating, seats, opening),
        agents=agent_rows(form, seats),
        groups=group_rows(starts, merged, numbers),
        knots=knot_rows(merged),
        limits=Limits(*(np.uint64(x) for x in (periods, stable_for, max(window, 1), LIMIT_STEPS, average))),
        given=_join([b.values for b in behaviours], sessions),
        windows=windows,
        keep_values=keep_values,
        counted=any(b.rule.counts or b.choice.counts for b in merged),
        numbers=own_rows([b.numbers for b in behaviours]),
        memory=own_rows([b.memory for b in behaviours]),
        foreign=foreign,
        steering=steering,
    )


def play(plan: Plan, seed: int, first: int, count: int, stop: NDArray[np.bool_]) -> Record:
    """Play sessions ``first`` to ``first + count - 1`` in one compiled call that releases the GIL.

    The record of a session depends on ``(plan, seed, session)`` alone. If another thread sets ``stop[0]``, the call
    returns soon and its record must be dropped.
    """
    record, foreign = new_record(plan, count), compiled(plan.foreign)
    everything = (
        plan.game if foreign is None else writable(plan.game), plan.agents, plan.groups, plan.knots, plan.limits,
        plan.given, plan.counted, plan.numbers, plan.memory, foreign, np.uint64(seed), np.uint64(first), stop, record,
    )  # fmt: skip
    if plan.steering is None:
        from tacitlab.engine.session import play_sessions  # numba is imported only where something is played

        play_sessions(*everything)
    else:
        _steer(plan.steering, everything)
    return record


def _steer(steering: Steering, everything: tuple[Any, ...]) -> None:
    from tacitlab.engine.steered import play_steered

    before, after = _hooks(steering)
    own = (_writable(part) for part in (steering.numbers, steering.memory, steering.places))
    play_steered(
        writable(everything[0]), *everything[1:], np.uint64(steering.signals), *own, before, after, steering.transfer
    )


def _hooks(steering: Steering) -> tuple[Any, Any]:
    """The two functions of an intervention, compiled."""
    from tacitlab.engine.hooks import after_hook, before_hook

    with _told("intervention: its", "docs/interventions.md"):
        return before_hook(steering.before), after_hook(steering.after)


def compiled(foreign: Numbered) -> Any:
    """What groups do whose rules are not all in the table, compiled; None if there are none."""
    if not foreign:
        return None
    from tacitlab.engine.hooks import rules_hook

    with _told("learners: their", "TabularRule (tacitlab.learners.base)"):
        return rules_hook(foreign)


@contextmanager
def _told(whose: str, where: str) -> Iterator[None]:
    """A mistake in a user's function as one line."""
    from numba.core.errors import NumbaError

    try:
        yield
    except NumbaError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = next((line for line in lines if not line.startswith("Failed in")), lines[0])
        raise TacitError(f"{whose} functions cannot be compiled ({cause}); see {where}") from None


def writable(game: GameArrays) -> GameArrays:
    """A game of the one type that functions called by their addresses are compiled for."""
    return GameArrays(*(_writable(part) for part in game))


def _writable(part: Any) -> Any:
    return np.require(part, requirements=["C", "W"]) if isinstance(part, np.ndarray) else part


def new_record(plan: Plan, sessions: int) -> Record:
    """Empty arrays for the outcome of some sessions."""
    n, recorded, actions = len(plan.agents), plan.recorded_agents, int(plan.agents["n_actions"].max())
    cells, values = int(plan.agents["n_states"].sum()), plan.given.shape[1] if plan.keep_values else 0
    return Record(
        periods=np.zeros(sessions, np.uint64),
        converged=np.zeros(sessions, np.bool_),
        frequency=np.zeros((sessions, plan.windows, recorded, actions), np.float32),
        payoff=np.zeros((sessions, plan.windows, recorded)),
        payoff_square=np.zeros((sessions, plan.windows)),
        limit_frequency=np.zeros((sessions, recorded, actions), np.float32),
        limit_payoff=np.zeros((sessions, recorded)),
        cycle_length=np.zeros(sessions, np.uint64),
        history=np.zeros((sessions, n), np.uint64),
        last_actions=np.zeros((sessions, n), np.uint64),
        greedy=np.zeros((sessions, cells), np.int16),
        values=np.zeros((sessions, values)),
    )


def seat_of(
    form: NormalForm | CongestionForm, agent: int, learner: TabularLearner, sessions: int, periods: int,
    trained: Trained, signals: int = 1,
    named: Actions | None = None,
) -> Seat:  # fmt: skip
    """The place of an agent in a game, as its learner sees it."""
    memory, name = learner.memory_of()
    observes, regimes = Observes[name.upper()], 1
    if isinstance(form, NormalForm):
        joint = int(np.prod(form.shape))
        codes = {Observes.EVERYBODY: joint, Observes.RIVALS: joint // form.shape[agent]}.get(
            observes, form.shape[agent]
        )
        regimes = len(form.transition) if form.observed else 1
        if observes is Observes.CROWD and memory:
            raise refuse("observes", "'crowd' needs a congestion game", "choose everybody, rivals or own")
    else:
        codes = form.actions
        if observes in (Observes.EVERYBODY, Observes.RIVALS) and memory:
            raise refuse("observes", f"{name!r} needs a game with a payoff table", "choose crowd or own, or memory: 0")
    return Seat(form, agent, observes, memory, codes, regimes, sessions, periods, trained, signals, named)


def check_seat(learner: TabularLearner, seat: Seat, alternating: bool) -> None:
    """Refuse a learner that cannot play from this seat."""
    if seat.actions > np.iinfo(np.int16).max:
        raise TacitError(f"environment: {seat.actions} actions are too many; the engine takes up to 32767")
    counterfactual = getattr(learner, "updates", "chosen") == "all"
    gone = isinstance(seat.form, NormalForm) and not seat.form.active.all()
    if counterfactual and (alternating or gone):
        raise refuse("updates", "'all' is defined for simultaneous play of all firms", "use updates: chosen")


def _merge(behaviours: list[Behaviour]) -> tuple[list[int], list[Behaviour]]:
    """Neighbours with the same numbers become one group of the loop."""

    def numbers(b: Behaviour) -> tuple[object, ...]:
        return (b.choice, b.rule, b.alpha, b.gamma, b.mixing, b.fixed, b.random_ties, b.uniform_values,
                b.knots.tobytes(), b.payoff_range if b.rule.scales or b.choice.scales else None)  # fmt: skip

    starts = [i for i, b in enumerate(behaviours) if i == 0 or numbers(b) != numbers(behaviours[i - 1])]
    return [*starts, len(behaviours)], [behaviours[i] for i in starts]


def game_arrays(
    form: NormalForm | CongestionForm, alternating: bool, seats: list[Seat], opening: NDArray[np.int64] | None = None
) -> GameArrays:
    """A stage game as the loop reads it."""
    begins = np.zeros((0, form.players), np.uint64) if opening is None else np.ascontiguousarray(opening, np.uint64)
    empty, stateless = np.zeros((0, 0)), all(seat.states == 1 for seat in seats)
    if isinstance(form, NormalForm):
        return GameArrays(
            congestion=False,
            sequential=alternating,
            gathering=alternating or not bool(form.active.all()),
            stateless=stateless,
            payoffs=form.payoffs,
            transition=_cumulated(form.transition),
            start=_cumulated(form.stationary()),
            observed=any(seat.regimes > 1 for seat in seats),
            active=form.active,
            incidence=empty.astype(np.uint64),
            weights=empty,
            values=empty,
            own=np.zeros(0),
            opening=begins,
        )
    return GameArrays(
        congestion=True,
        sequential=alternating,
        gathering=alternating,
        stateless=stateless,
        payoffs=np.zeros((1, 0, 0)),
        transition=np.ones((1, 1)),
        start=np.ones(1),
        observed=False,
        active=np.ones((1, form.players), np.bool_),
        incidence=np.ascontiguousarray(form.incidence, np.uint64),
        weights=np.ascontiguousarray(form.weights, np.float64),
        values=np.ascontiguousarray(form.values, np.float64),
        own=np.ascontiguousarray(form.own, np.float64),
        opening=begins,
    )


def _cumulated(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.cumsum(probabilities, axis=-1)
    total[..., -1] = 1.0  # rounding must not leave a gap above which no regime lies
    return total


def numbers_of(behaviours: Sequence[Behaviour]) -> dict[TabularRule, int]:
    """The number of every rule in the compiled loop: its line of the table, and after those the others."""
    return {
        rule: k for k, rule in enumerate(dict.fromkeys([*TABLE, *(r for b in behaviours for r in (b.choice, b.rule))]))
    }


def foreign_rules(behaviours: Sequence[Behaviour]) -> Numbered:
    """All rules, with their numbers, of groups of which one is not in the table."""
    numbers = numbers_of(behaviours)
    mine = {rule for b in behaviours if _foreign(b) for rule in (b.choice, b.rule)}
    return tuple((number, rule) for rule, number in numbers.items() if rule in mine)


def _foreign(behaviour: Behaviour) -> bool:
    return not {behaviour.choice, behaviour.rule} <= set(TABLE)


def own_rows(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Lists of numbers one below the other, the shorter ones filled with zeros."""
    filled = np.zeros((len(rows), max(len(row) for row in rows)))
    for place, row in zip(filled, rows, strict=True):
        place[: len(row)] = row
    return filled


def group_rows(starts: list[int], behaviours: list[Behaviour], numbers: dict[TabularRule, int]) -> Rows:
    """Behaviours as rows of groups; group g has the agents ``starts[g]`` to before ``starts[g + 1]``."""
    rows = np.zeros(len(behaviours), GROUP)
    for row, start, stop, b in zip(rows, starts, starts[1:], behaviours, strict=False):
        low, high = b.payoff_range
        row["start"], row["stop"], row["choice"], row["rule"] = start, stop, numbers[b.choice], numbers[b.rule]
        row["foreign"], row["needs_next"] = _foreign(b), NEEDS.index(b.rule.needs_next)
        row["frozen"] = FROZEN.index(b.choice.frozen)
        row["alpha"], row["gamma"], row["mixing"] = b.alpha, b.gamma, b.mixing
        row["low"], row["scale"] = low, 1.0 / (high - low if high > low else 1.0)
        row["fixed"], row["random_ties"] = b.fixed, b.random_ties
        if b.uniform_values is not None:
            row["random_values"] = True
            row["value_low"], row["value_high"] = b.uniform_values
    return rows


def knot_rows(behaviours: list[Behaviour]) -> NDArray[np.float64]:
    """Schedules of all groups, the shorter ones filled with knots that never come."""
    longest, never = max(len(b.knots) for b in behaviours), [2.0**63, 0.0, 1.0, 0.0]
    return np.array([[*b.knots.tolist(), *[never] * (longest - len(b.knots))] for b in behaviours])


def agent_rows(form: NormalForm | CongestionForm, seats: list[Seat]) -> Rows:
    """Seats as rows of agents whose tables lie one after the other."""
    rows = np.zeros(len(seats), AGENT)
    rows["n_actions"] = [seat.actions for seat in seats]
    rows["n_states"] = [seat.states for seat in seats]
    rows["first_value"] = _offsets(rows["n_actions"] * rows["n_states"])
    rows["first_cell"] = _offsets(rows["n_states"])
    rows["observes"] = [seat.observes for seat in seats]
    rows["memory"] = [seat.memory for seat in seats]
    rows["base"] = [seat.codes for seat in seats]
    rows["span"] = [seat.histories for seat in seats]
    if isinstance(form, NormalForm):
        rows["stride"] = [np.prod(form.shape[seat.agent + 1 :], dtype=np.uint64) for seat in seats]
    return rows


def _offsets(sizes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes)[:-1]]).astype(np.uint64)


def _join(tables: list[NDArray[np.float64]], sessions: int) -> NDArray[np.float64]:
    """One row of initial values for all sessions, or one row for each where any agent's differ by session.

    Session s takes row s of a table, from the first again where the table has fewer rows.
    """
    lengths = {len(table) for table in tables}
    rows = max(lengths) if lengths <= {1, max(lengths)} else sessions
    return np.concatenate([t[np.arange(rows) % len(t)].reshape(rows, -1) for t in tables], axis=1)

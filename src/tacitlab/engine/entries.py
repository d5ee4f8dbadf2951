"""Many pairings of strategies in one compiled call: the payoffs of a meta-game.

A *strategy* is a learner with all its numbers; an *entry* is player 0 with strategy ``a`` among others with strategy
``b``. :func:`prepare` flattens every strategy once into the rows of a bank, and :func:`play` plays sessions of many
entries in one compiled call that fills the two groups of the loop from the bank. A session of an entry has the bits
that it has in the ordinary engine (:mod:`tacitlab.engine.tabular`): the loop's steps, the streams and their keys are
the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tacitlab.engine import tabular
from tacitlab.engine.arrays import F64, U64, GameArrays, Rows
from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, CongestionForm, NormalForm
from tacitlab.learners.base import Behaviour, Seat, TabularLearner, TabularRule, refuse

MOST_BANK = 60_000_000  # initial values of all strategies together: half a gigabyte


class Bank(NamedTuple):
    """All strategies in arrays. The first axis is the player, or of length 1 where players are alike."""

    agents: Rows  # (players or 1, strategies) of AGENT
    groups: Rows  # (players or 1, strategies) of GROUP
    knots: F64  # (players or 1, strategies, knots, 4)
    place: U64  # (players or 1, strategies): where the initial values begin in `values`
    values: F64  # initial values, equal tables once
    numbers: F64  # (players or 1, strategies, most): constants of rules
    memory: F64  # (players or 1, strategies, most): what rules remember, as a session begins


class Jobs(NamedTuple):
    """Entries to be played: one row an entry."""

    own: U64  # (jobs,): strategy of player 0
    others: U64  # (jobs,): strategy of everybody else
    seed: U64  # (jobs,): seed of its streams
    first: U64  # (jobs,): number of its first session


class Span(NamedTuple):
    """How long a session lasts and how it is paid."""

    periods: np.uint64
    late: np.uint64  # first period of the last share
    exchange: bool  # two players change seats in odd sessions


@dataclass(frozen=True)
class EntryPlan:
    """A game and the strategies of a meta-game, ready to be played; made by :func:`prepare`."""

    game: GameArrays
    bank: Bank
    players: int
    room: tuple[int, int, int]  # values, cells and actions that the largest entry needs
    counted: bool
    foreign: tabular.Numbered  # rules of strategies of which one is not in the table
    span: Span

    @property
    def strategies(self) -> int:
        return self.bank.agents.shape[1]


def prepare(
    form: NormalForm | CongestionForm,
    strategies: Sequence[TabularLearner],
    *,
    alternating: bool,
    periods: int,
    late: int,
    exchange: bool,
    trained: tabular.Trained,
    named: Actions | None = None,
) -> EntryPlan:
    """Flatten a game and all strategies.

    Parameters
    ----------
    strategies : sequence of TabularLearner
        Their numbers of agents are ignored: the entry decides.
    alternating : bool
        One player moves a period, in turn.
    periods, late : int
        Length of a session, and the period from which on the last share counts.
    exchange : bool
        Two players change seats in every other session, so that nobody profits from moving first.
    named : Actions, optional
        What the game's actions mean.

    Raises
    ------
    TacitError
        If a strategy cannot play this game, or the tables would be too large.
    """
    players = form.players
    if players < 2:
        raise TacitError(f"environment: {players} player has nobody to play against; choose a game with two or more")
    seats = players if isinstance(form, NormalForm) else 1
    rows = [
        [tabular.seat_of(form, i, learner, 1, periods, trained, named=named) for learner in strategies]
        for i in range(seats)
    ]
    for learner, seat in zip(strategies, rows[0], strict=True):
        tabular.check_seat(learner, seat, alternating)
    behaviours = [[s.behaviour(seat) for s, seat in zip(strategies, row, strict=True)] for row in rows]
    whole = [_check(seat) for row in rows for seat in row]
    game = tabular.game_arrays(form, alternating, whole)
    values, place = _pool(behaviours, rows)
    sizes = np.array([[seat.states * seat.actions for seat in row] for row in rows])
    cells = np.array([[seat.states for seat in row] for row in rows])
    actions = max(seat.actions for seat in whole)
    copies = 1 if seats > 1 else players
    flat = [b for row in behaviours for b in row]
    bank = Bank(
        _agents(form, rows), _groups(behaviours, tabular.numbers_of(flat)), _knots(behaviours), place, values,
        _own([[b.numbers for b in row] for row in behaviours]), _own([[b.memory for b in row] for row in behaviours]),
    )  # fmt: skip
    foreign = tabular.foreign_rules(flat)
    tabular.compiled(foreign)  # a user's mistake shows before anything is played
    return EntryPlan(
        game=game, bank=bank, players=players,
        room=(int(sizes.max(axis=1).sum()) * copies, int(cells.max(axis=1).sum()) * copies, actions),
        counted=any(b.rule.counts or b.choice.counts for b in flat),
        foreign=foreign,
        span=Span(np.uint64(periods), np.uint64(late), exchange),
    )  # fmt: skip


def play(plan: EntryPlan, jobs: Jobs, sessions: int, stop: NDArray[np.bool_]) -> F64:
    """Play some sessions of every entry in one compiled call that releases the GIL.

    Returns
    -------
    (jobs, sessions, 2, 2) array
        Mean payoff a period; third axis: over the whole session, over the last share; fourth: of player 0, of the mean
        of all others. If another thread sets ``stop[0]``, the call returns soon and what it returns is useless.
    """
    from tacitlab.engine.entry_session import play_entries  # numba is imported only where something is played

    paid, foreign = np.empty((len(jobs.own), sessions, 2, 2)), tabular.compiled(plan.foreign)
    game = plan.game if foreign is None else tabular.writable(plan.game)
    play_entries(game, plan.bank, jobs, plan.players, plan.room, plan.counted, foreign, plan.span, stop, paid)
    return paid


def entry_seeds(seed: int, own: U64, others: U64) -> U64:
    """A seed for every entry of its own, for play without common random numbers; shape (entries,).

    Examples
    --------
    >>> pairs = np.array([0, 1], np.uint64), np.array([1, 0], np.uint64)
    >>> len(set(entry_seeds(7, *pairs)))
    2
    """
    z = np.uint64(seed) ^ (own * np.uint64(0x9E3779B97F4A7C15) + others * np.uint64(0xD1B54A32D192ED03))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)  # SplitMix64's output function
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def _check(seat: Seat) -> Seat:
    if seat.states * seat.actions > MOST_BANK:
        raise refuse("memory", f"{seat.states} states an agent need too much memory", "lower memory or actions")
    return seat


def _pool(behaviours: list[list[Behaviour]], rows: list[list[Seat]]) -> tuple[F64, U64]:
    """Initial values of all strategies one after the other, equal ones once, and where each begins."""
    known: dict[bytes, int] = {}
    parts: list[F64] = []
    place, end = np.zeros((len(rows), len(rows[0])), np.uint64), 0
    for i, row in enumerate(behaviours):
        for k, behaviour in enumerate(row):
            if len(behaviour.values) > 1:
                raise refuse("initial", "a strategy must begin alike in all sessions", "choose other initial values")
            table = np.ascontiguousarray(behaviour.values, np.float64).reshape(-1)
            key = hashlib.sha256(table.tobytes()).digest()
            if key not in known:
                known[key], end = end, end + table.size
                parts.append(table)
                if end > MOST_BANK:
                    raise TacitError("strategies: their initial values need too much memory; lower memory or actions")
            place[i, k] = known[key]
    return np.concatenate(parts), place


def _agents(form: NormalForm | CongestionForm, rows: list[list[Seat]]) -> Rows:
    agents = np.stack([tabular.agent_rows(form, row) for row in rows])
    for name in ("first_value", "first_cell"):
        agents[name] = 0  # where its table lies depends on the entry
    return agents


def _groups(behaviours: list[list[Behaviour]], numbers: dict[TabularRule, int]) -> Rows:
    return np.stack([tabular.group_rows([0] * (len(row) + 1), row, numbers) for row in behaviours])


def _own(rows: list[list[tuple[float, ...]]]) -> F64:
    flat = tabular.own_rows([numbers for row in rows for numbers in row])
    return flat.reshape(len(rows), len(rows[0]), -1) if flat.size else np.zeros((len(rows), len(rows[0]), 0))


def _knots(behaviours: list[list[Behaviour]]) -> F64:
    flat = tabular.knot_rows([b for row in behaviours for b in row])
    return np.ascontiguousarray(flat.reshape(len(behaviours), len(behaviours[0]), *flat.shape[1:]))

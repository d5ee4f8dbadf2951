"""The plain arrays that the compiled loop reads and writes: one experiment, flattened.

Agents and groups are rows of structured arrays: the loop then needs few base addresses, and what it needs of an agent
lies together. All counters and indices are unsigned 64-bit (see :mod:`tacitlab.learners.tables`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]
Rows = NDArray[np.void]

#: One agent: what never changes, then what changes during a session.
AGENT = np.dtype(
    [
        # hot: read or written in every period
        ("row", "u8"),  # where the values of the present state begin
        ("cell", "u8"),  # place of the present state in `greedy`
        ("old_row", "u8"),  # the same at the own last move
        ("old_cell", "u8"),
        ("action", "u8"),  # being chosen, or standing
        ("last", "u8"),  # action of the last settled period
        ("chosen", "u8"),  # action of the own last move
        ("payoff", "f8"),  # of the last settled period
        ("n_actions", "u8"),
        ("stride", "u8"),  # joint action = sum of stride * action
        ("history", "u8"),  # code of the last periods' observations
        ("memory", "u8"),
        ("observes", "i8"),
        ("first_value", "u8"),  # offset of the agent's value table
        ("first_cell", "u8"),  # offset of the agent's states in `greedy`
        # rarely needed
        ("n_states", "u8"),
        ("base", "u8"),  # number of codes of one period's observation
        ("span", "u8"),  # base ** memory: number of histories
        ("waiting", "u8"),  # has moved and not yet learned
        ("gathered", "f8"),  # discounted payoffs since the own last move
        ("discount", "f8"),  # gamma to the number of periods since then
        ("probability", "f8"),  # of the chosen action, for rules that weigh by it
        ("marked_history", "u8"),  # where the search for a limit cycle stands
        ("marked_action", "u8"),
    ]
)

NEEDS = ("nothing", "state", "action")  # of the next move, before a rule can learn
FROZEN = ("greedy", "same", "random")  # how an agent plays that has stopped learning

#: One group: consecutive agents that learn in the same way with the same numbers.
GROUP = np.dtype(
    [
        ("start", "u8"),  # its agents are start ... stop - 1
        ("stop", "u8"),
        ("choice", "i8"),  # numbers of its rules: lines of the table, or beyond them
        ("rule", "i8"),
        ("foreign", "u8"),  # one of them is not in the table
        ("needs_next", "i8"),  # place in NEEDS
        ("frozen", "i8"),  # place in FROZEN
        ("alpha", "f8"),
        ("gamma", "f8"),
        ("mixing", "f8"),  # EXP3's share of uniform play; UCB1's width
        ("low", "f8"),  # payoffs are scaled to [0, 1] by (payoff - low) * scale where a rule needs that
        ("scale", "f8"),
        ("fixed", "u8"),  # the action of a fixed policy
        ("random_ties", "u8"),
        ("random_values", "u8"),  # initial values uniform on [value_low, value_high)
        ("value_low", "f8"),
        ("value_high", "f8"),
        # exploration today, and how it moves until the next knot
        ("level", "f8"),
        ("factor", "f8"),
        ("step", "f8"),
        ("next_knot", "u8"),  # period in which it comes
        ("knot", "u8"),  # its number
    ]
)


class GameArrays(NamedTuple):
    """A stage game in either form; the arrays of the other form are empty."""

    congestion: bool
    sequential: bool  # one player moves a period, in turn
    gathering: bool  # some agents do not move in every period, and gather payoffs in between
    stateless: bool  # nobody remembers or sees anything
    payoffs: F64  # (regimes, joint, players)
    transition: F64  # (regimes, regimes): cumulated along the rows
    start: F64  # (regimes,): cumulated stationary distribution
    observed: bool
    active: NDArray[np.bool_]  # (regimes, players)
    incidence: U64  # (facilities, actions)
    weights: F64  # (actions, facilities)
    values: F64  # (facilities, loads)
    own: F64  # (actions,)
    opening: U64  # (periods, agents): what was played last as a session begins, the oldest first; no period: anything


class Limits(NamedTuple):
    """How long a session lasts and what is recorded."""

    periods: np.uint64
    stable_for: np.uint64  # 0: play to the end
    window: np.uint64
    limit_steps: np.uint64  # longest search for a limit cycle
    average_steps: np.uint64  # greedy periods averaged where play is random


class Table(NamedTuple):
    """What changes during a session."""

    agents: Rows  # of AGENT
    groups: Rows  # of GROUP
    knots: F64  # (groups, knots, 4): from period `time` on, level = value, then level * factor + step each period
    values: F64  # all value tables, one after the other
    visits: F64  # tries of every value, for rules that count them
    greedy: U64  # first best action by agent and state
    counts: U64  # (actions,) players on each action
    loads: U64  # (facilities,)
    worth: F64  # (actions,) payoff of each action
    targets: F64  # (actions,) scratch
    played: F64  # (agents, or 1 if anonymous, actions) times played since the sums were emptied
    earned: F64  # (agents or 1,) payoffs earned since then
    numbers: F64  # (agents, most) constants of rules
    memory: F64  # (agents, most) numbers of rules that change, fresh in every session


class Keys(NamedTuple):
    """Random streams of a session; see :mod:`tacitlab.engine.streams`."""

    play: np.uint64
    nature: np.uint64
    choosing: np.uint64
    learning: np.uint64


class Turn(NamedTuple):
    """What a rule sees beside game and table; see :class:`tacitlab.learners.base.TabularRule`."""

    group: Any  # a row of GROUP
    t: Any  # period
    joint: Any  # joint action of the last period, 0 in a congestion game
    regime: Any  # payoff regime of the last period
    key: Any  # random stream of this turn
    discount: Any  # in learning: gamma to the number of periods since the own last move
    next_action: Any  # in learning: what the agent continues with


class Scene(NamedTuple):
    """What an intervention has in a session; it also sees :class:`GameArrays` and :class:`Table`."""

    signals: np.uint64  # number of signals that an agent may see, 1 if the intervention gives none
    signal: U64  # (agents,) what each agent sees in the coming period
    numbers: F64  # constants
    memory: F64  # numbers that change, fresh in every session
    places: U64  # whole numbers that change, fresh in every session
    key: np.uint64  # its random stream: draws are `streams.uniform(key, counter)`


class Record(NamedTuple):
    """What the sessions of one call leave; first axis: session."""

    periods: U64
    converged: NDArray[np.bool_]
    frequency: NDArray[np.float32]  # (session, window, agent | 1, action)
    payoff: F64  # (session, window, agent | 1)
    payoff_square: F64  # (session, window): mean over periods of the squared mean payoff
    limit_frequency: NDArray[np.float32]  # (session, agent | 1, action)
    limit_payoff: F64  # (session, agent | 1)
    cycle_length: U64  # 0: greedy play is not periodic
    history: U64  # (session, agent): code of the last periods' observations, on the limit cycle
    last_actions: U64  # (session, agent)
    greedy: NDArray[np.int16]  # (session, cells): greedy action by agent and state
    values: F64  # (session, all values) or (session, 0)


def nothing_before(game: Any, table: Any, scene: Any, t: Any) -> None:
    """Agents see what they see."""


def nothing_after(game: Any, table: Any, scene: Any, t: Any, joint: Any, regime: Any) -> None:
    """Agents are paid what the game pays."""


@dataclass(frozen=True)
class Steering:
    """An intervention in numbers, ready for the engine.

    Attributes
    ----------
    signals : int
        Number of signals that an agent may see; 1: it gives none.
    before : function (game, table, scene, t)
        Called before agents choose; writes ``scene.signal``. Compiled by numba, so it allocates nothing.
    after : function (game, table, scene, t, joint, regime)
        Called when a period is settled; may change ``table.agents[i].payoff``.
    numbers : float64 array
        Constants that the functions read.
    memory, places : float64 and uint64 array
        What they remember, as it is at the start of every session.
    transfer : bool
        Payments only move money: what is recorded are payoffs without them. Agents learn from what they are paid.
    """

    signals: int = 1
    before: Callable[..., None] = nothing_before
    after: Callable[..., None] = nothing_after
    numbers: F64 = field(default_factory=lambda: np.zeros(0))
    memory: F64 = field(default_factory=lambda: np.zeros(0))
    places: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    transfer: bool = False

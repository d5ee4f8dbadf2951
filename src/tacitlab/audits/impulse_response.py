"""Forced deviations: does a price cut pay, and how do the frozen strategies answer it?

From every state of the limit cycle one player is forced off the path; from then on everybody follows the frozen
strategies again. Definitions follow Calvano, Calzolari, Denicolo and Pastorello, American Economic Review 110(10)
(2020), section IV, and their public code.

What follows a deviation is a punishment only as far as it exceeds the control: the same deviation against rivals who
do not answer. The deviator's own strategy depends on the state too, and keeps its price low by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.theory.decision import Floats, Indices
from tacitlab.theory.repeated import LimitCycle, RepeatedPlay, tie


@dataclass(frozen=True, eq=False)
class ImpulseResponse:
    """Responses to forced deviations: one observation per session, cycle position and deviator.

    Attributes
    ----------
    sessions : int
        Number of sessions.
    session, position, deviator : (observations,) int arrays
        Where the deviation starts and who deviates.
    actions, payoffs : (observations, periods, players) float arrays
        Action values and payoffs from the first forced period on.
    length : (observations,) int array
        Punishment length: periods until the state first re-enters the pre-shock cycle; if play enters another cycle,
        the period at which that starts. Period 1 is the first forced one, and a deviation that leads straight back
        has length 1. With several forced periods the search starts at the last of them.
    returned : (observations,) bool array
        Whether play returns to the pre-shock cycle.
    final_actions, final_payoffs : (observations, players) float arrays
        Means over the cycle that play enters after the deviation.
    deviation_value, path_value : (observations,) float arrays
        Discounted payoff of the deviator, from the first forced period on, if it deviates and if it does not. For a
        single forced period these are two entries of the true Q of the limit strategies.
    unit : (observations,) float array
        What the deviator's unit in every period is worth: gains go by it.
    """

    sessions: int
    session: Indices
    position: Indices
    deviator: Indices
    actions: Floats
    payoffs: Floats
    length: Indices
    returned: NDArray[np.bool_]
    final_actions: Floats
    final_payoffs: Floats
    deviation_value: Floats
    path_value: Floats
    unit: Floats

    @property
    def incentive_compatible(self) -> NDArray[np.bool_]:
        """Whether the deviation earns strictly less than the path, (observations,).

        Ties within rounding do not count, in particular not the "deviations" to the very action of the path.
        """
        return -self.gain > tie(self.unit, self.path_value)

    @property
    def profitable(self) -> NDArray[np.bool_]:
        """Whether the deviation earns strictly more than the path, (observations,)."""
        return self.gain > tie(self.unit, self.path_value)

    @property
    def gain(self) -> Floats:
        """Discounted gain of the deviator, negative for a loss; (observations,), in units of the payoffs."""
        return self.deviation_value - self.path_value

    @property
    def gain_percent(self) -> Floats:
        """Discounted gain in percent of the absolute value of the path, (observations,)."""
        return 100 * _ratio(self.gain, np.abs(self.path_value))

    @property
    def immediate_response(self) -> Floats:
        """Relative change of the rivals' action values from the first to the second period, (observations,).

        Mean over the rivals of ``(p_2 - p_1) / p_1``: -0.13 is a cut of 13 %.
        """
        change = _ratio(self.actions[:, 1] - self.actions[:, 0], self.actions[:, 0])
        return _rivals(change, self.deviator)

    @property
    def counts(self) -> Indices:
        """Observations of each session, (sessions,): cycle length times players."""
        return np.bincount(self.session, minlength=self.sessions)

    def per_session(self, observed: ArrayLike) -> Floats:
        """Mean of (observations, ...) over each session's cycle positions and deviators: (sessions, ...).

        Weight a session by ``counts`` to get the unweighted mean over observations.
        """
        observed = np.asarray(observed, dtype=np.float64)
        total = np.zeros((self.sessions, *observed.shape[1:]))
        np.add.at(total, self.session, observed)
        return total / self.counts.reshape(-1, *[1] * (observed.ndim - 1))

    def of_deviator(self, quantity: Literal["actions", "payoffs"]) -> Floats:
        """Mean response of the deviator over cycle positions, then deviators: (sessions, periods)."""
        series: Floats = getattr(self, quantity)
        return self.per_session(series[np.arange(len(series)), :, self.deviator])

    def of_rivals(self, quantity: Literal["actions", "payoffs"]) -> Floats:
        """Mean response of the rivals over cycle positions, then deviators: (sessions, periods)."""
        return self.per_session(_rivals(getattr(self, quantity), self.deviator[:, np.newaxis]))


def impulse_response(
    play: RepeatedPlay,
    cycle: LimitCycle,
    discount: float,
    action_values: Sequence[ArrayLike] | None = None,
    *,
    deviation: "Literal['static-reply'] | ArrayLike" = "static-reply",
    forced_periods: int = 1,
    periods: int = 25,
    reply_to: Literal["path", "position"] = "path",
    rivals: Literal["respond", "constant"] = "respond",
) -> ImpulseResponse:
    """Force every player off the path from every state of the limit cycle.

    Parameters
    ----------
    play : RepeatedPlay
    cycle : LimitCycle
        From ``play.limit_cycle``.
    discount : float
    action_values : sequence over players of (actions,) arrays, optional
        Prices, say; the actions' indices without it.
    deviation : "static-reply", int or (players,) int array
        What the deviator does in the forced periods: the best one-shot reply to the rivals' current actions (the
        first one on ties), or a given action, for instance the one nearest to Nash (:func:`nearest_actions`).
    forced_periods : int
        For how many periods the deviator keeps to that action.
    periods : int
        Length of the recorded response, at least 2.
    reply_to : {"path", "position"}
        Which actions of the rivals the static reply answers. "path": those they play in the current cycle state, the
        definition in the paper. "position": those they play in the state whose *number* is the position in the cycle
        (1, 2, ...), which is what the authors' impulse-response routine computes, and what their Figure 4 shows.
        Their cycle starts at the successor of the last learning state; start ``limit_cycle`` there to count alike.
    rivals : {"respond", "constant"}
        "constant" is the control: from the first forced period on the rivals keep to the actions they play in the
        current cycle state, whatever happens. All other quantities are those of this world: the path is what follows
        without the deviation, and ``returned`` means that play enters the cycle in which this path ends.

    Raises
    ------
    TacitError
        If there are no rivals or an argument is out of bounds.

    Examples
    --------
    Grim trigger in a prisoner's dilemma (action 0 cooperates), at a discount factor of 0.9: defection earns 5 once
    and 1 ever after, instead of 3 for ever, and play never returns.

    >>> payoffs = [[3, 3], [0, 5], [5, 0], [1, 1]]
    >>> play = RepeatedPlay(payoffs, (2, 2), 1, [[[0, 1, 1, 1], [0, 1, 1, 1]]])
    >>> response = impulse_response(play, play.limit_cycle(0), 0.9)
    >>> response.deviation_value, response.path_value
    (array([14., 14.]), array([30., 30.]))
    >>> response.length, response.returned
    (array([2, 2]), array([False, False]))
    """
    if play.players < 2:
        raise TacitError("play: one player alone has no rivals; give at least two players")
    if forced_periods < 1 or periods < 2:
        raise TacitError(f"forced_periods, periods: {forced_periods}, {periods} are too small; give at least 1 and 2")
    if rivals not in ("respond", "constant"):
        raise TacitError(f"rivals: {rivals!r} is unknown; choose from respond, constant")
    session, position, deviator = _observations(cycle, play.players)
    state = cycle.states[session, position]
    forced = _forced_actions(play, deviation, reply_to, session, position, deviator, state)
    # Where everybody's strategies lie, by observation, and the cycle that play would stay in.
    world, row, home = play, session, cycle.states[session]
    if rivals == "constant":
        world, row = _constant_rivals(play, session, deviator, state), np.arange(len(session))
        home = world.limit_cycle(state).states
    horizon = max(periods, forced_periods)
    joint, states = _simulate(world, row, state, deviator, forced, forced_periods, horizon)
    # The path is valued by the same sums as the deviation: playing the path's own action must give the same bits.
    path_joint, path_states = _simulate(world, row, state, deviator, forced, 0, forced_periods)
    values, weights = world.values(discount), discount ** np.arange(forced_periods)

    def worth(joint: Indices, states: Indices) -> Floats:
        earned = play.payoffs[joint[:, :forced_periods], deviator[:, np.newaxis]] @ weights
        return earned + discount**forced_periods * values[row, deviator, states[:, forced_periods]]

    transient, length, entry = world.enter_cycle(row, states[:, forced_periods])
    final_actions, final_payoffs = _cycle_means(world, row, entry, length, action_values)
    return ImpulseResponse(
        sessions=play.sessions,
        session=session,
        position=position,
        deviator=deviator,
        actions=play.value_of(play.split(joint[:, :periods]), action_values),
        payoffs=play.payoffs[joint[:, :periods]],
        length=forced_periods + transient,
        returned=np.any(home == entry[:, np.newaxis], axis=1),
        final_actions=final_actions,
        final_payoffs=final_payoffs,
        deviation_value=worth(joint, states),
        path_value=worth(path_joint, path_states),
        unit=play.units(discount)[deviator],
    )


def nearest_actions(action_values: Sequence[ArrayLike], targets: ArrayLike) -> Indices:
    """Index of the action nearest to a target for each player, (players,); the first on ties.

    Examples
    --------
    >>> nearest_actions([[1.0, 1.5, 2.0], [1.0, 1.5, 2.0]], [1.4, 1.8])
    array([1, 2])
    """
    goals = np.asarray(targets, dtype=np.float64)
    return np.array([np.abs(np.asarray(v) - goal).argmin() for v, goal in zip(action_values, goals, strict=True)])


def _observations(cycle: LimitCycle, players: int) -> tuple[Indices, Indices, Indices]:
    """Session, cycle position and deviator of each observation, ordered by session, deviator, position."""
    present = np.repeat(cycle.mask[:, np.newaxis], players, axis=1)
    session, deviator, position = np.nonzero(present)
    return session, position, deviator


def _forced_actions(
    play: RepeatedPlay,
    deviation: "Literal['static-reply'] | ArrayLike",
    reply_to: str,
    session: Indices,
    position: Indices,
    deviator: Indices,
    state: Indices,
) -> Indices:
    if reply_to not in ("path", "position"):
        raise TacitError(f"reply_to: {reply_to!r} is unknown; choose from path, position")
    if isinstance(deviation, str):
        if deviation != "static-reply":
            raise TacitError(f"deviation: {deviation!r} is unknown; give 'static-reply' or action indices")
        answered = state if reply_to == "path" else _authors_state(play, position)
        return play.static_replies[deviator, play.joint_actions[session, answered]]
    given = np.broadcast_to(np.asarray(deviation), (play.players,))
    if not np.issubdtype(given.dtype, np.integer) or np.any(given < 0) or np.any(given >= np.array(play.shape)):
        raise TacitError(f"deviation: {deviation} is out of bounds; the players have {play.shape} actions, from 0")
    return given.astype(np.intp)[deviator]


def _constant_rivals(play: RepeatedPlay, session: Indices, deviator: Indices, state: Indices) -> RepeatedPlay:
    """One "session" per observation: the deviator's strategy, and rivals who always do what they do in ``state``."""
    strategies = play.strategies[session]
    own = np.arange(play.players) == deviator[:, np.newaxis]
    current = np.take_along_axis(strategies, state[:, np.newaxis, np.newaxis], axis=2)
    return replace(play, strategies=np.where(own[..., np.newaxis], strategies, current))


def _authors_state(play: RepeatedPlay, number: Indices) -> Indices:
    """Our index of the authors' state ``number``, counted from 0: they put the newest actions in the highest digits."""
    state = np.zeros_like(number)
    for _ in range(play.memory):
        state, number = state * play.joint + number % play.joint, number // play.joint
    return state


def _simulate(
    play: RepeatedPlay,
    session: Indices,
    state: Indices,
    deviator: Indices,
    forced: Indices,
    forced_periods: int,
    periods: int,
) -> tuple[Indices, Indices]:
    """Joint actions (observations, periods) and states (observations, periods + 1), the first one before play."""
    joint = np.empty((len(state), periods), dtype=np.intp)
    states = np.empty((len(state), periods + 1), dtype=np.intp)
    states[:, 0] = state
    for period in range(periods):
        played = play.joint_actions[session, states[:, period]]
        if period < forced_periods:
            own = play.strategies[session, deviator, states[:, period]]
            played = played + play.strides[deviator] * (forced - own)
        joint[:, period] = played
        states[:, period + 1] = play.follow(states[:, period], played)
    return joint, states


def _cycle_means(
    play: RepeatedPlay,
    session: Indices,
    entry: Indices,
    length: Indices,
    action_values: Sequence[ArrayLike] | None,
) -> tuple[Floats, Floats]:
    """Mean action values and payoffs, (observations, players), on cycles given by a state and a length."""
    actions, payoffs = np.zeros((2, len(entry), play.players))
    state = entry
    for step in range(int(length.max(initial=0))):
        joint = play.joint_actions[session, state]
        inside = (step < length)[:, np.newaxis]
        actions += inside * play.value_of(play.split(joint), action_values)
        payoffs += inside * play.payoffs[joint]
        state = play.follow(state, joint)
    return actions / length[:, np.newaxis], payoffs / length[:, np.newaxis]


def _rivals(values: Floats, deviator: Indices) -> Floats:
    """Mean over the players other than the deviator, on the last axis."""
    own = np.take_along_axis(values, np.broadcast_to(deviator, values.shape[:-1])[..., np.newaxis], -1)[..., 0]
    return (values.sum(-1) - own) / (values.shape[-1] - 1)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator != 0)

"""A repeated normal-form game in which everybody follows a frozen strategy with bounded memory.

Learning has stopped; what remains is a deterministic automaton in each session. Its states are the histories of the
last ``memory`` joint actions, and everything about it can be computed exactly: the cycle it ends in, the value of
each state, what one deviation is worth, and what an exact best responder would earn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.theory import decision
from tacitlab.theory.decision import Floats, Indices
from tacitlab.theory.precision import own_scales

TIE = 1e-10
"""Two values of a player count as equal if they differ by less than this in its own unit, beside rounding."""


@dataclass(frozen=True, eq=False)
class Gap:
    """What a player earns in each state and what it could earn.

    Attributes
    ----------
    best, own : (sessions, players, states) float arrays
        Discounted value of the best deviation considered, and of the player's own strategy.
    unit : (players,) float array
        What a player's unit (:mod:`tacitlab.theory.precision`) in every period is worth.
    """

    best: Floats
    own: Floats
    unit: Floats

    @property
    def absolute(self) -> Floats:
        """``best - own``, (sessions, players, states), in discounted payoff."""
        return self.best - self.own

    @property
    def relative(self) -> Floats:
        """``(best - own) / |best|``, (sessions, players, states); 0 where both are equal."""
        gap = self.absolute
        return np.divide(gap, np.abs(self.best), out=np.zeros_like(gap), where=gap != 0)

    @property
    def closed(self) -> NDArray[np.bool_]:
        """Whether the own strategy attains the best value, up to ``TIE``; (sessions, players, states)."""
        return self.absolute <= tie(self.unit[:, np.newaxis], self.best)


def tie(unit: Floats, values: Floats) -> Floats:
    """How much smaller than ``values`` a value may be to count as equal, given what the player's unit is worth."""
    return TIE * unit + decision.ROUNDING * np.abs(values)


@dataclass(frozen=True, eq=False)
class LimitCycle:
    """The states that frozen strategies visit for ever, session by session.

    Attributes
    ----------
    states : (sessions, longest) int array
        States in the order of play, from the first cycle state reached; padded with -1.
    lengths : (sessions,) int array
        Length of each cycle.
    transients : (sessions,) int array
        Periods before the cycle is entered; 0 if the start lies on it.
    payoffs : (sessions, players) float array
        Mean payoff a period on the cycle.
    actions : (sessions, players) float array
        Mean value of the actions played on the cycle.
    """

    states: Indices
    lengths: Indices
    transients: Indices
    payoffs: Floats
    actions: Floats

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which entries of ``states`` are no padding, (sessions, longest)."""
        return self.states >= 0

    def gather(self, values: NDArray) -> NDArray:
        """Entries of (sessions, ..., states) at the cycle states: (sessions, ..., longest), padding arbitrary."""
        index = np.maximum(self.states, 0).reshape(len(self.states), *[1] * (values.ndim - 2), -1)
        return np.take_along_axis(values, index, -1)

    def mean(self, values: NDArray) -> Floats:
        """Mean over the cycle states of an array (sessions, ..., states): (sessions, ...)."""
        found = self.gather(values)
        mask = np.broadcast_to(self.mask.reshape(len(self.states), *[1] * (values.ndim - 2), -1), found.shape)
        return np.mean(found, axis=-1, where=mask)

    def all(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether a condition (sessions, ..., states) holds in every cycle state: (sessions, ...)."""
        return np.asarray(self.mean(values) == 1.0)


@dataclass(frozen=True, eq=False)
class RepeatedPlay:
    """Frozen strategies of all players in a batch of sessions.

    A state is the history of the last ``memory`` joint actions, numbered ``sum_l joint_{t-l} J**l`` for
    ``l = 0, ..., memory - 1`` with the newest joint action in the lowest digit and ``J`` joint actions, which are
    themselves numbered in row-major order, player 0 most significant. Moves are simultaneous, and all players have
    the same memory: strategies with shorter memories must be extended to the longest.

    Attributes
    ----------
    payoffs : (joint, players) float array
        Payoff a period of each player at each joint action.
    shape : tuple of int
        Number of actions of each player.
    memory : int
        How many past joint actions a state holds; 0 means one state and unconditional actions.
    strategies : (sessions, players, states) int array
        Action of each player in each state.

    Raises
    ------
    TacitError
        If a shape does not fit or a strategy names an action that does not exist.

    Examples
    --------
    Tit for tat by both players in a prisoner's dilemma (action 0 cooperates), started after a defection of player 1:
    they defect in turns.

    >>> payoffs = [[3, 3], [0, 5], [5, 0], [1, 1]]
    >>> copy_rival = [[0, 1, 0, 1], [0, 0, 1, 1]]
    >>> play = RepeatedPlay(payoffs, (2, 2), 1, [copy_rival])
    >>> cycle = play.limit_cycle(1)
    >>> cycle.states
    array([[1, 2]])
    >>> cycle.payoffs
    array([[2.5, 2.5]])
    """

    payoffs: Floats
    shape: tuple[int, ...]
    memory: int
    strategies: NDArray[np.integer]

    def __post_init__(self) -> None:
        payoffs, strategies = np.asarray(self.payoffs, dtype=np.float64), np.asarray(self.strategies)
        shape = tuple(int(actions) for actions in self.shape)
        object.__setattr__(self, "payoffs", payoffs)
        object.__setattr__(self, "strategies", strategies)
        object.__setattr__(self, "shape", shape)
        if self.memory < 0:
            raise TacitError(f"memory: {self.memory} is too small; it must be at least 0")
        if payoffs.shape != (int(np.prod(shape)), len(shape)):
            raise TacitError(f"payoffs: the shape {payoffs.shape} is wrong; actions {shape} need (joint, players)")
        expected = (len(shape), len(payoffs) ** self.memory)
        if strategies.ndim != 3 or strategies.shape[1:] != expected:
            raise TacitError(f"strategies: the shape {strategies.shape} is wrong; it must be (sessions, *{expected})")
        if not np.issubdtype(strategies.dtype, np.integer):
            raise TacitError(f"strategies: the type {strategies.dtype} is wrong; give integer action indices")
        bounds = np.array(shape)[:, np.newaxis]
        if strategies.size and (strategies.min() < 0 or np.any(strategies.max(0) >= bounds)):
            raise TacitError(f"strategies: an action index is out of bounds; the players have {shape} actions")

    @property
    def sessions(self) -> int:
        return len(self.strategies)

    @property
    def players(self) -> int:
        return len(self.shape)

    @property
    def joint(self) -> int:
        """Number of joint actions."""
        return len(self.payoffs)

    @property
    def states(self) -> int:
        """Number of states."""
        return self.strategies.shape[-1]

    @cached_property
    def strides(self) -> Indices:
        """How far a step of each player's action moves the joint action's number, (players,)."""
        return np.array([np.prod(self.shape[player + 1 :], dtype=np.intp) for player in range(self.players)])

    def units(self, discount: float) -> Floats:
        """What each player's unit in every period is worth, (players,)."""
        return np.array([scale.unit for scale in own_scales(self.payoffs)]) / (1 - discount)

    @cached_property
    def joint_actions(self) -> Indices:
        """Joint action played in each state, (sessions, states)."""
        played = np.zeros((self.sessions, self.states), dtype=np.intp)
        for player, stride in enumerate(self.strides):
            played += stride * self.strategies[:, player]
        return played

    def select(self, sessions: "slice | ArrayLike") -> "RepeatedPlay":
        """The same game with some of the sessions: a slice, a mask or indices."""
        index = sessions if isinstance(sessions, slice) else np.asarray(sessions)
        return replace(self, strategies=self.strategies[index])

    def follow(self, state: ArrayLike, joint: ArrayLike) -> Indices:
        """State after ``joint`` is played in ``state``; arrays that broadcast."""
        if self.memory == 0:
            return np.zeros(np.broadcast_shapes(np.shape(state), np.shape(joint)), dtype=np.intp)
        return np.asarray(joint) + self.joint * (np.asarray(state) % self.joint ** (self.memory - 1))

    def next_state(self, rows: slice = slice(None)) -> Indices:
        """State that follows each state if all follow their strategies, (sessions, states)."""
        return self.follow(np.arange(self.states), self.joint_actions[rows])

    def _step(self, session: Indices, state: Indices) -> Indices:
        return self.follow(state, self.joint_actions[session, state])

    @cached_property
    def static_replies(self) -> Indices:
        """Best one-shot reply of each player to the others' actions in each joint action, (players, joint).

        The first action if several are tied.
        """
        numbers = np.arange(self.joint)
        replies = np.empty((self.players, self.joint), dtype=np.intp)
        for player, (actions, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            others = numbers - numbers // stride % actions * stride
            replies[player] = self.payoffs[others[:, None] + stride * np.arange(actions), player].argmax(-1)
        return replies

    def split(self, joint: ArrayLike) -> Indices:
        """Actions of the players in joint actions (...): (..., players)."""
        return np.asarray(joint)[..., np.newaxis] // self.strides % np.array(self.shape)

    def enter_cycle(self, session: ArrayLike, start: ArrayLike) -> tuple[Indices, Indices, Indices]:
        """Where play ends that starts in given states of given sessions (arrays of one shape, one axis).

        Brent's cycle detection (1980), all paths in step.

        Returns
        -------
        transient, length, entry : int arrays
            Periods before the cycle, length of the cycle, first cycle state that is reached.
        """
        session, start = np.broadcast_arrays(np.asarray(session, dtype=np.intp), np.asarray(start, dtype=np.intp))
        length = np.zeros(len(start), dtype=np.intp)
        active, anchor, runner = np.arange(len(start)), start.copy(), start.copy()
        power = steps = 1
        while active.size:
            runner = self._step(session[active], runner)
            met = runner == anchor
            length[active[met]] = steps
            active, anchor, runner = active[~met], anchor[~met], runner[~met]
            if power == steps:
                anchor, power, steps = runner.copy(), 2 * power, 0
            steps += 1
        ahead = start.copy()
        for step in range(int(length.max(initial=0))):
            ahead = np.where(step < length, self._step(session, ahead), ahead)
        transient, entry = np.zeros_like(length), start.copy()
        while np.any(apart := ahead != entry):
            transient += apart
            ahead = np.where(apart, self._step(session, ahead), ahead)
            entry = np.where(apart, self._step(session, entry), entry)
        return transient, length, entry

    def limit_cycle(self, start_state: ArrayLike, action_values: Sequence[ArrayLike] | None = None) -> LimitCycle:
        """The cycle that each session ends in.

        Parameters
        ----------
        start_state : int or (sessions,) int array
            State from which the strategies are followed: the last one of learning.
        action_values : sequence over players of (actions,) arrays, optional
            What the actions mean, for example prices; without it, their indices.
        """
        session = np.arange(self.sessions)
        start = np.broadcast_to(np.asarray(start_state, dtype=np.intp), (self.sessions,))
        if start.size and not 0 <= start.min() <= start.max() < self.states:
            raise TacitError(f"start_state: an index is out of bounds; there are {self.states} states, from 0")
        transients, lengths, state = self.enter_cycle(session, start)
        states = np.full((self.sessions, int(lengths.max(initial=1))), -1, dtype=np.intp)
        for position in range(states.shape[1]):
            states[:, position] = np.where(position < lengths, state, -1)
            state = self._step(session, state)
        mask = states[..., np.newaxis] >= 0
        joint = np.take_along_axis(self.joint_actions, np.maximum(states, 0), 1)
        payoffs = np.mean(self.payoffs[joint], axis=1, where=mask)
        actions = np.mean(self.value_of(self.split(joint), action_values), axis=1, where=mask)
        return LimitCycle(states, lengths, transients, payoffs, actions)

    def value_of(self, actions: Indices, action_values: Sequence[ArrayLike] | None) -> Floats:
        """Values of action indices (..., players), for example prices; the indices themselves without a table."""
        if action_values is None:
            return actions.astype(np.float64)
        tables = [np.asarray(table, dtype=np.float64) for table in action_values]
        if [len(table) for table in tables] != list(self.shape):
            raise TacitError(f"action_values: wrong lengths; the players have {self.shape} actions")
        return np.stack([table[actions[..., player]] for player, table in enumerate(tables)], axis=-1)

    def values(self, discount: float) -> Floats:
        """Discounted payoff of each player from each state on, (sessions, players, states)."""
        found = np.empty((self.sessions, self.players, self.states))
        for rows in decision.chunks(self.sessions, self.players * self.states):
            rewards = np.moveaxis(self.payoffs[self.joint_actions[rows]], -1, 1)
            found[rows] = decision.evaluate(rewards, self.next_state(rows)[:, np.newaxis], discount)
        return found

    def _process(self, player: int, rows: slice) -> tuple[Floats, Indices]:
        """The decision process of one player against the others' strategies: rewards and next states."""
        own = self.strides[player] * self.strategies[rows, player]
        others = self.joint_actions[rows] - own
        joint = others[..., np.newaxis] + self.strides[player] * np.arange(self.shape[player])
        return self.payoffs[joint, player], self.follow(np.arange(self.states)[:, np.newaxis], joint)

    def _one_step(self, player: int, rows: slice, values: Floats, discount: float) -> Floats:
        rewards, next_state = self._process(player, rows)
        future = np.take_along_axis(values, next_state.reshape(len(values), -1), 1)
        return rewards + discount * future.reshape(rewards.shape)

    def one_step_values(self, player: int, discount: float) -> Floats:
        """Value of playing ``a`` once in ``s`` and the frozen strategy ever after, (sessions, states, actions).

        All others follow their strategies throughout. Calvano, Calzolari, Denicolo and Pastorello (2020) call this
        the true Q of the limit strategies. It tests one-step deviations; by the one-shot deviation principle a
        strategy that passes in *every* state is a best response.
        """
        values = self.values(discount)[:, player]
        return self._one_step(player, slice(None), values, discount)

    def one_step_gap(self, discount: float) -> Gap:
        """Gain of the best one-step deviation, in every state: maximum and own entry of :meth:`one_step_values`."""
        values = self.values(discount)
        best, own = np.empty_like(values), np.empty_like(values)
        for player, actions in enumerate(self.shape):
            for rows in decision.chunks(self.sessions, self.states * actions):
                candidates = self._one_step(player, rows, values[rows, player], discount)
                best[rows, player] = candidates.max(-1)
                chosen = self.strategies[rows, player, :, np.newaxis].astype(np.intp)
                own[rows, player] = np.take_along_axis(candidates, chosen, -1)[..., 0]
        return Gap(best, own, self.units(discount))

    def best_response(self, player: int, discount: float) -> decision.Solution:
        """Exact best response of one player to the others' frozen strategies.

        The player re-optimises in every state: a decision process over the same histories, which is a best response
        among *all* strategies, since the others remember no more.

        Returns
        -------
        Solution
            ``values`` and ``policy``, each (sessions, states).
        """
        found = np.empty((self.sessions, self.states)), np.empty((self.sessions, self.states), dtype=np.intp)
        for rows in decision.chunks(self.sessions, self.states * self.shape[player]):
            found[0][rows], found[1][rows] = decision.solve(*self._process(player, rows), discount)
        return decision.Solution(*found)

    def best_response_gap(self, discount: float) -> Gap:
        """Gain of full re-optimisation against the others' frozen strategies, in every state."""
        own = self.values(discount)
        best = np.stack([self.best_response(player, discount).values for player in range(self.players)], axis=1)
        return Gap(np.maximum(best, own), own, self.units(discount))

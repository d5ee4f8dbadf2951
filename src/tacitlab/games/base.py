"""Stage games are data: a payoff table over joint actions, or payoffs as a function of facility loads.

Both forms are plain arrays, so that every engine reads the same definition.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tacitlab.environment import Environment
from tacitlab.theory.benchmarks import Benchmarks, Profile


@dataclass(frozen=True)
class Actions:
    """What the actions of a game mean.

    Attributes
    ----------
    name : str
        The quantity, in the singular: "price", "quantity", "route".
    values : (players, actions) array
        Numerical value of each action of each player (0, 1, ... where actions are mere labels); one row for
        all players in a congestion game.
    unit : str
        Unit of the values; empty for labels.
    labels : tuple of str
        Names of the actions, empty if the values speak for themselves.
    """

    name: str
    values: NDArray[np.float64]
    unit: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class NormalForm:
    """Payoff table over joint actions.

    Attributes
    ----------
    payoffs : (regimes, joint, players) float64 array, C-contiguous
        Joint actions are numbered in row-major order, player 0 most significant.
    shape : tuple of int
        Number of actions of each player; ``prod(shape) == joint``.
    transition : (regimes, regimes) array
        Markov chain of the payoff regime: row = today's, column = tomorrow's. ``[[1.0]]`` without regimes.
    observed : bool
        Whether players see the current regime (it is then part of their state).
    active : (regimes, players) bool array
        Who plays in a regime; an inactive player earns zero and its action counts as 0.
    """

    payoffs: NDArray[np.float64]
    shape: tuple[int, ...]
    transition: NDArray[np.float64]
    observed: bool
    active: NDArray[np.bool_]

    @classmethod
    def from_tensor(cls, payoffs: NDArray[np.float64]) -> "NormalForm":
        """From a tensor of shape (actions of player 0, ..., actions of player n-1, players)."""
        *shape, players = payoffs.shape
        table = np.ascontiguousarray(payoffs.reshape(1, -1, players), dtype=np.float64)
        return cls(table, tuple(shape), np.ones((1, 1)), False, np.ones((1, players), dtype=bool))

    @property
    def players(self) -> int:
        return len(self.shape)

    def stationary(self) -> NDArray[np.float64]:
        """Long-run share of each regime, shape (regimes,)."""
        return self._stationary

    @cached_property
    def _stationary(self) -> NDArray[np.float64]:
        regimes = len(self.transition)
        system = np.vstack([self.transition.T - np.eye(regimes), np.ones(regimes)])
        return np.linalg.lstsq(system, np.append(np.zeros(regimes), 1.0), rcond=None)[0]

    def tensor(self, regime: int | None = None) -> NDArray[np.float64]:
        """Payoffs of shape (*shape, players): of one regime, or their long-run average."""
        table = np.tensordot(self.stationary(), self.payoffs, 1) if regime is None else self.payoffs[regime]
        return table.reshape(*self.shape, self.players)


@dataclass(frozen=True)
class CongestionForm:
    """Anonymous payoffs through facilities (roads, bars, a common pot): a generalised congestion game.

    With ``n_a`` players on action ``a``, facility ``f`` carries the load ``l_f = sum_a incidence[f, a] n_a``, and
    a player of action ``a`` earns ``own[a] + sum_f weights[a, f] values[f, l_f]``. Rosenthal's congestion game
    (1973) is the case ``weights == incidence.T``.

    Attributes
    ----------
    players : int
    incidence : (facilities, actions) int64 array
        Load that one player of an action puts on a facility, at least 0.
    weights : (actions, facilities) float64 array
        How much of a facility's value a player of an action receives.
    values : (facilities, loads) float64 array
        Value of a facility at each possible load 0, 1, ..., players * max(incidence).
    own : (actions,) float64 array
        Payoff of an action that depends on nobody else.
    """

    players: int
    incidence: NDArray[np.int64]
    weights: NDArray[np.float64]
    values: NDArray[np.float64]
    own: NDArray[np.float64]

    @property
    def actions(self) -> int:
        return len(self.own)

    def payoffs(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Payoff of each action, shape (..., actions), given counts of players on each action, (..., actions)."""
        loads = np.asarray(counts) @ self.incidence.T
        values = self.values[np.arange(len(self.values)), loads]
        return self.own + values @ self.weights.T


class StageGame(Environment):
    """A one-shot game, played again and again; it has no state of its own.

    A subclass is one file: ``kind``, its name in scenario files, parameters with units and bounds, :meth:`actions` and
    :meth:`form`. A game that knows its equilibria or its optimum in closed form says so in :meth:`benchmarks`.

    Examples
    --------
    >>> class Stag(StageGame):
    ...     def actions(self):
    ...         return Actions("choice", np.array([[0.0, 1.0]] * 2), labels=("hare", "stag"))
    ...
    ...     def form(self):
    ...         return NormalForm.from_tensor(np.array([[[3, 3], [3, 0]], [[0, 3], [5, 5]]], dtype=float))
    >>> [(profile.name, profile.average) for profile in Stag().benchmarks().competitive]
    [('Nash', 3.0), ('Nash 2', 5.0), ('mixed Nash', 3.0)]
    """

    @abstractmethod
    def actions(self) -> Actions:
        """What the actions mean."""

    @abstractmethod
    def form(self) -> NormalForm | CongestionForm:
        """The payoffs as plain arrays."""

    @property
    def n_players(self) -> int:
        return self._players

    @cached_property
    def _players(self) -> int:
        return self.form().players

    def benchmarks(self) -> Benchmarks:
        """Equilibria and joint optimum, as they are found in the payoffs."""
        form = self.form()
        if isinstance(form, CongestionForm):
            from tacitlab.theory.congestion import congestion_benchmarks

            return congestion_benchmarks(form, self.actions(), cost=self.cost_name)
        from tacitlab.theory.equilibrium import grid_benchmarks

        return grid_benchmarks(form, self.actions())

    def random_play(self) -> Profile:
        from tacitlab.theory.mixing import random_play

        return random_play(self.form(), self.actions())

"""Any game given by its payoff table."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator

from tacitlab.games.base import Actions, NormalForm, StageGame
from tacitlab.games.table import check_size
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks


def _table(value: Any) -> tuple[Any, ...]:
    """Nested tuples of finite numbers, one table of equal shape per player."""
    if isinstance(value, str):
        raise ValueError(
            f"{value!r} is text, and a file cannot be given; write the numbers here, payoffs[player][action 0]"
            "[action 1]..., or a game of your own that reads the file (tacit new game NAME)"
        )
    try:
        payoffs = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("every row must have the same length and hold numbers only") from None
    if payoffs.ndim < 3 or len(payoffs) != payoffs.ndim - 1:
        raise ValueError(
            f"{len(payoffs) if payoffs.ndim else 0} tables with {max(payoffs.ndim - 1, 0)} axes each; "
            "give one table per player (at least 2) with one axis per player: payoffs[player][action 0][action 1]..."
        )
    if payoffs.size == 0:
        raise ValueError("empty; every player needs at least one action")
    if not np.all(np.isfinite(payoffs)):
        raise ValueError("every payoff must be a finite number")
    check_size(payoffs.shape[1:], "payoffs")
    return _nested(payoffs.tolist())


def _nested(value: Any) -> Any:
    return tuple(_nested(part) for part in value) if isinstance(value, list) else value


Payoffs = Annotated[tuple[Any, ...], BeforeValidator(_table)]


class Matrix(StageGame):
    """A game of two or more players given by nested lists: ``payoffs[player][action of player 0][of player 1]...``.

    Actions have no values of their own: they are numbered 0, 1, ... unless ``labels`` name them.

    Raises
    ------
    TacitError
        If the tables are ragged, not one per player, or not finite, or the labels do not fit.

    Examples
    --------
    Matching pennies has no equilibrium in pure strategies:

    >>> game = Matrix(payoffs=[[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]], labels=["heads", "tails"])
    >>> game.benchmarks().nash.strategies
    (array([0.5, 0.5]), array([0.5, 0.5]))
    """

    kind: Literal["matrix"] = "matrix"
    payoffs: Payoffs = param(
        (((3.0, 0.0), (0.0, 2.0)), ((2.0, 0.0), (0.0, 3.0))),
        "one table per player, payoffs[player][action 0][action 1]... (default: battle of the sexes)",
    )
    labels: tuple[str, ...] = param(
        (), "names of the actions, the same for all players; if empty they are numbered 0, 1, ..."
    )

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        most = max(self._table.shape[1:])
        if self.labels and len(self.labels) != most:
            raise ValueError(f"labels: {len(self.labels)} names for {most} actions; give one per action, or none")
        if len(set(self.labels)) < len(self.labels):
            twice = next(a for a, b in pairwise(sorted(self.labels)) if a == b)
            raise ValueError(f"labels: {twice!r} names two actions; every name must differ")
        return self

    @property
    def n_players(self) -> int:
        return len(self.payoffs)

    def actions(self) -> Actions:
        """Numbers 0, 1, ...; where a player has fewer actions than another, the surplus numbers mean nothing."""
        count = max(self._table.shape[1:])
        labels = self.labels or tuple(str(action) for action in range(count))
        return Actions("action", np.tile(np.arange(count, dtype=np.float64), (self.n_players, 1)), labels=labels)

    def form(self) -> NormalForm:
        return NormalForm.from_tensor(np.moveaxis(self._table, 0, -1))

    def benchmarks(self) -> Benchmarks:
        """All pure equilibria, of two players the mixed ones too, and the joint optimum."""
        from tacitlab.theory.equilibrium import grid_benchmarks

        return grid_benchmarks(self.form(), self.actions())

    @property
    def _table(self) -> NDArray[np.float64]:
        return np.asarray(self.payoffs, dtype=np.float64)

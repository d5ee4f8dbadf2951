"""Payoff tables from payoff functions, for players who may differ."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag

from tacitlab.errors import TacitError

T = TypeVar("T")

MAX_ENTRIES = 50_000_000
"""Largest payoff table (400 MB): regimes x joint actions x players."""

Amount = Annotated[float, Field(ge=0.0, le=1e6)]
"""A number that cannot be negative; the upper bound keeps sums and squares far from overflow."""

Level = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A number of either sign."""


def _form(value: Any) -> str:
    return "LIST" if isinstance(value, (list, tuple, np.ndarray)) else "NUMBER"


PerPlayer = Annotated[
    Annotated[T, Tag("NUMBER")] | Annotated[tuple[T, ...], Tag("LIST")],
    Discriminator(_form),
]
"""One number for everybody, or a list with one number per player."""


def spread(value: float | tuple[float, ...], players: int) -> NDArray[np.float64]:
    """One number per player, shape (players,), from a parameter of type :data:`PerPlayer`.

    Examples
    --------
    >>> spread(1.5, 3)
    array([1.5, 1.5, 1.5])
    """
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (players,)).copy()


def check_lengths(players: int, **parameters: float | tuple[float, ...]) -> None:
    """Raise ``ValueError`` if a list among the parameters has not one number per player."""
    for name, value in parameters.items():
        if isinstance(value, tuple) and len(value) != players:
            raise ValueError(f"{name}: {len(value)} numbers for {players} players; give one number or one per player")


def check_size(shape: tuple[int, ...], field: str, regimes: int = 1) -> None:
    """Refuse a payoff table that would not fit into memory.

    Parameters
    ----------
    shape : tuple of int
        Number of actions of each player.
    field : str
        The parameter to lower, named in the error.
    regimes : int
        Number of payoff regimes.

    Raises
    ------
    TacitError
        If the table has more than :data:`MAX_ENTRIES` numbers.
    """
    entries = regimes * len(shape)
    for actions in shape:
        entries *= int(actions)
    if entries > MAX_ENTRIES:
        raise TacitError(
            f"{field}: {max(shape)} actions for {len(shape)} players need a payoff table of {entries:.3g} numbers; "
            f"it must be at most {MAX_ENTRIES:.0e}, so lower {field} or players"
        )


def tabulate(
    values: NDArray[np.float64],
    payoff: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    field: str,
    regimes: int = 1,
) -> NDArray[np.float64]:
    """Payoff of each player at every joint action.

    Parameters
    ----------
    values : (players, actions) array
        Value of each action of each player, at least two players.
    payoff : callable
        Maps joint values of shape (..., players) to payoffs of shape (..., players).
    field : str
        Name of the parameter that sets the number of actions, for the error.
    regimes : int
        Number of such tables that the caller will hold, for the limit on the size.

    Returns
    -------
    (actions, ..., actions, players) array

    Raises
    ------
    TacitError
        If the table would be too large.

    Examples
    --------
    >>> tabulate(np.array([[0.0, 1.0], [0.0, 1.0]]), lambda joint: joint - joint[..., ::-1], "actions")[1, 0]
    array([ 1., -1.])
    """
    players, actions = values.shape
    check_size((actions,) * players, field, regimes)
    table = np.empty((actions,) * players + (players,))
    # One slice per action of the first player keeps the temporaries a factor ``actions`` below the table.
    joint = np.empty((actions,) * (players - 1) + (players,))
    joint[..., 1:] = np.stack(np.meshgrid(*values[1:], indexing="ij"), axis=-1)
    for index, first in enumerate(values[0]):
        joint[..., 0] = first
        table[index] = payoff(joint)
    return table

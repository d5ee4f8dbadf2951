"""Actions as a person names them: by number, by label or value, or by what is known of the game."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, CongestionForm, NormalForm
from tacitlab.theory.equilibrium import joint_optimum, pure_nash

Form = NormalForm | CongestionForm
Act = int | float | str  #: an action as it is named: a whole number is its place
NUMBERED = Actions("action", np.zeros((1, 0)))  # of a form that nobody has named
NEAR = 0.1  # of the distance to the next value of the grid: as values are printed


def joint_action(form: Form, named: Actions | None, act: Act, field: str) -> NDArray[np.int64]:
    """The action of every player that a name stands for.

    Parameters
    ----------
    form : NormalForm or CongestionForm
    named : Actions
        What the actions of the game mean; None: they have numbers alone.
    act : int, float or str
        A whole number is the place of an action, another number its value, a text its label; ``nash``: the pure
        equilibrium that pays least; ``optimum``: the joint optimum. Labels come first.
    field : str
        What an error names.

    Raises
    ------
    TacitError
        If there is no such action: one line.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> game = PrisonersDilemma()
    >>> [joint_action(game.form(), game.actions(), act, "action").tolist() for act in ("optimum", "nash", "defect", 0)]
    [[0, 0], [1, 1], [1, 1], [0, 0]]
    """
    if act in ("nash", "optimum") and act not in (named or NUMBERED).labels:
        return _benchmark(form, str(act), field)
    return np.array([action_of(form, named, act, player, field) for player in range(form.players)])


def action_of(form: Form, named: Actions | None, act: Act, player: int, field: str) -> int:
    """The action of one player that a name stands for; see :func:`joint_action`."""
    size, named = actions_of(form)[player], named or NUMBERED
    if isinstance(act, str):
        if act in named.labels[:size]:
            return named.labels.index(act)
        if act in ("nash", "optimum"):
            return int(_benchmark(form, act, field)[player])
        known = (*named.labels[:size], "nash", "optimum") if isinstance(form, NormalForm) else named.labels
        raise TacitError(f"{field}: {act!r} is unknown; choose from {', '.join(known) or f'0 to {size - 1}'}")
    if isinstance(act, int):
        if not 0 <= act < size:
            raise TacitError(f"{field}: there is no action {act}; player {player} has actions 0 to {size - 1}")
        return act
    return _of_value(named, act, player, size, field)


def actions_of(form: Form) -> tuple[int, ...]:
    """How many actions each player has."""
    return form.shape if isinstance(form, NormalForm) else (form.actions,) * form.players


def _of_value(named: Actions, act: float, player: int, size: int, field: str) -> int:
    values = named.values[player if len(named.values) > 1 else 0, :size]
    if named.labels or not values.size or np.array_equal(values, np.arange(size)):
        raise TacitError(f"{field}: {act!r} is no whole number; name the {named.name} by its number, 0 to {size - 1}")
    order = np.argsort(np.abs(values - act))
    spacing = float(np.diff(np.sort(values)).min(initial=np.inf))
    if abs(values[order[0]] - act) > NEAR * (spacing if np.isfinite(spacing) else abs(act)):
        near = " or ".join(f"{values[k]:.6g} ({k})" for k in sorted(order[:2].tolist()))
        raise TacitError(f"{field}: {act:g} is no {named.name} of player {player}; the nearest are {near}")
    return int(order[0])


def _benchmark(form: Form, name: str, field: str) -> NDArray[np.int64]:
    if isinstance(form, CongestionForm):
        raise TacitError(f"{field}: {name!r} is known where payoffs are a table; name the action by its number")
    payoffs = form.tensor()
    if name == "optimum":
        return joint_optimum(payoffs)
    return worst_nash(payoffs, f"{field}: the game has no pure equilibrium; name the action itself")


def worst_nash(payoffs: NDArray[np.float64], otherwise: str) -> NDArray[np.int64]:
    """The pure equilibrium that pays least; where there is none an error that says ``otherwise``."""
    nash = pure_nash(payoffs)
    if not len(nash):
        raise TacitError(otherwise)
    return np.asarray(nash[payoffs[tuple(nash.T)].sum(axis=-1).argmin()])


def history_of(form: Form, named: Actions | None, history: Act | Sequence[Any], field: str) -> NDArray[np.int64]:
    """Joint actions of the last periods, (periods, players), the oldest first.

    Parameters
    ----------
    history : int, float, str or sequence
        One name for all players and one period, or an entry a period, each a name for all players or a name a player.
    """
    entries = history if isinstance(history, list | tuple) else (history,)
    rows = []
    for k, entry in enumerate(entries):
        if not isinstance(entry, list | tuple):
            rows.append(joint_action(form, named, entry, field))
            continue
        if len(entry) != form.players:
            raise TacitError(
                f"{field}: period {k} has {len(entry)} actions for {form.players} players; give one, or one each"
            )
        rows.append(np.array([action_of(form, named, act, i, field) for i, act in enumerate(entry)]))
    return np.array(rows, np.int64)

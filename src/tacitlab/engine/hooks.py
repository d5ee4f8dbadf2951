"""Functions that users write, compiled apart and called from the compiled loops by their addresses.

One compiled loop so serves every intervention and every rule that is not in the table; each function takes a second
or two when it is first used in a process.
"""

from functools import lru_cache

import numpy as np
from numba import typeof, types

from tacitlab.engine.arrays import AGENT, GROUP, GameArrays, Keys, Scene, Table
from tacitlab.engine.compilation import hook
from tacitlab.engine.rules import steps
from tacitlab.engine.session import mover


def _types():
    """Types of game, table, scene and keys, from arrays as the loops have them."""
    whole, numbers = np.zeros(1, np.uint64), np.zeros(1)
    square, cube = np.zeros((1, 1)), np.zeros((1, 1, 1))
    game = GameArrays(False, False, False, False, cube, square, numbers, False, np.zeros((1, 1), np.bool_),
                      np.zeros((1, 1), np.uint64), square, square, numbers, np.zeros((1, 1), np.uint64))  # fmt: skip
    table = Table(np.zeros(1, AGENT), np.zeros(1, GROUP), cube, numbers, numbers, whole, whole, whole, numbers, numbers,
                  square, numbers, square, square)  # fmt: skip
    key = np.uint64(0)
    return (
        typeof(game),
        typeof(table),
        typeof(Scene(np.uint64(1), whole, numbers, numbers, whole, key)),
        typeof(Keys(key, key, key, key)),
    )


GAME, TABLE, SCENE, KEYS = _types()
BEFORE = types.void(GAME, TABLE, SCENE, types.uint64)
AFTER = types.void(GAME, TABLE, SCENE, types.uint64, types.uint64, types.uint64)
MOVE = types.boolean(
    GAME, TABLE, types.uint64, types.uint64, KEYS, types.uint64, types.uint64, types.uint64, types.boolean,
    types.boolean,
)  # fmt: skip


def before_hook(function):
    """Compile an intervention's function ``(game, table, scene, t)``."""
    return hook(function, BEFORE)


def after_hook(function):
    """Compile an intervention's function ``(game, table, scene, t, joint, regime)``."""
    return hook(function, AFTER)


def rules_hook(numbered):
    """Compile what groups do whose rules are not all in the table; ``numbered`` are all rules of theirs."""
    return hook(_mover_of(numbered), MOVE)


@lru_cache(maxsize=64)
def _mover_of(numbered):
    move_group = mover(*steps(numbered))

    def play_group(game, table, g, t, keys, joint, regime, last_regime, learning, choosing):
        return move_group(game, table, None, g, t, keys, joint, regime, last_regime, learning, choosing)

    return play_group

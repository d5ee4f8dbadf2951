"""Random streams derived from (seed, session, purpose): any draw can be made again alone, in any order.

Draw number ``c`` of a stream is the ``c``-th output of the SplitMix64 generator (Steele, Lea and Flood, OOPSLA
2014) started at the stream's key. A counter instead of a hidden state means that no thread, batch or interruption
can change a number, and that the processor computes draws ahead of the loop that consumes them.

In play, period ``t`` and agent ``i`` of ``n`` own draw ``t * n + i`` of the purpose ``PLAY`` and no other: the
*exploration tape*. A rule that needs more draws has a stream of its own in each period (:func:`substream`): its key is
draw ``t * n + i`` of the purpose ``CHOOSING`` or ``LEARNING``, as a whole number. Two sessions share a stretch of the
generator's single cycle of 2^64 with probability about ``sessions**2 * draws / 2**64``: 2e-7 for 1,000 sessions of 4
million draws.
"""

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tacitlab.engine.compilation import inlined

PLAY, INITIAL_STATE, INITIAL_VALUES, NATURE, GREEDY_PLAY, INTERVENTION, CHOOSING, LEARNING = range(8)

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


@inlined
def mix(z):
    """SplitMix64's output function."""
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@inlined
def substream(key, counter):
    """Draw number ``counter`` (uint64) of the stream ``key`` as a whole number: the key of another stream."""
    return mix(key + (counter + uint64(1)) * uint64(0x9E3779B97F4A7C15))


@inlined
def uniform(key, counter):
    """Draw number ``counter`` (uint64) of the stream ``key``: uniform on [0, 1), 53 bits."""
    return (substream(key, counter) >> uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def stream_key(seed, session, purpose):
    """Key of a stream: the three numbers (uint64) hashed one after the other."""
    return mix(mix(mix(seed + uint64(_GOLDEN)) ^ session) + purpose * uint64(_GOLDEN))


def tape_at(seed: int, session: int, purpose: int, draw: int) -> float:
    """One draw of a stream, in plain Python."""
    return _at(_key(seed, session, purpose), draw)


def rule_tape(seed: int, session: int, purpose: int, place: int, draws: int) -> NDArray[np.float64]:
    """The first draws of a rule's own stream in one period, in plain Python; ``place`` is period * agents + agent.

    Examples
    --------
    >>> rule_tape(seed=1, session=0, purpose=CHOOSING, place=0, draws=2).round(4)
    array([0.2989, 0.8032])
    """
    key = _draw(_key(seed, session, purpose), place)
    return np.array([_at(key, draw) for draw in range(draws)])


def _key(seed: int, session: int, purpose: int) -> int:
    return _mix(_mix(_mix((seed + _GOLDEN) & _MASK) ^ session) + purpose * _GOLDEN & _MASK)


def _draw(key: int, draw: int) -> int:
    return _mix(key + (draw + 1) * _GOLDEN & _MASK)


def _at(key: int, draw: int) -> float:
    return (_draw(key, draw) >> 11) / 2**53


def tape(seed: int, session: int, purpose: int, draws: int) -> NDArray[np.float64]:
    """The first draws of a stream, shape (draws,), in plain Python: for tests, and for engines that want bulk.

    Examples
    --------
    >>> tape(seed=1, session=0, purpose=PLAY, draws=3).round(4)
    array([0.3722, 0.355 , 0.3674])
    """
    return np.array([tape_at(seed, session, purpose, draw) for draw in range(draws)])


def _mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)

"""What double precision can tell of payoffs: every player's own unit, and the numbers that are meant.

Equilibria do not change if a player's payoffs are multiplied by a positive number or shifted. Tolerances therefore go
by the player's own unit, the spread of its payoffs, and by the digits that payoffs of their size have. A payoff far
off all others (-1e9 for "never do this") is a sentinel and says nothing about the unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NOISE = 1e-12  # payoffs that differ by less, in own units, differ by rounding only
DIGITS = 16 * float(np.finfo(np.float64).eps)  # relative error of a payoff that a few operations led to
SENTINEL = 1e4  # payoffs farther off all others than this, in spreads of the others, are sentinels
FLOOR = 1e-13  # spreads below this share of the largest payoff are noise, not a unit
SAMPLE = 200_000  # payoffs that are looked at for a player's unit
COARSE = 1e-5  # rounding beyond this, in own units, is worth a warning


@dataclass(frozen=True)
class Scale:
    """One player's unit.

    Attributes
    ----------
    base, unit : float
        Least payoff and spread of the payoffs, sentinels aside; the unit of a constant is its size.
    rounding : float
        Payoffs closer than this differ by rounding only, in units of the payoffs.

    Examples
    --------
    >>> own_scale(np.array([2.0, 0.0, 1.0, -1e9])).unit
    2.0
    """

    base: float
    unit: float
    rounding: float

    @property
    def coarse(self) -> bool:
        """Whether payoffs are so large against their differences that ties cannot be told from near ties."""
        return self.rounding > COARSE * self.unit


def own_scale(payoffs: Floats) -> Scale:
    """The unit of one player's payoffs, an array of any shape; of large tables from a sample and the extremes."""
    flat = np.ravel(payoffs)
    if flat.size > SAMPLE:
        flat = np.append(flat[:: flat.size // SAMPLE + 1], [flat.min(), flat.max()])
    levels, cells = np.unique(flat, return_counts=True)
    largest = float(np.abs(levels).max())
    while True:
        kept = _without_sentinels(levels, cells, FLOOR * largest)
        if len(kept) == len(levels):
            break
        levels, cells = levels[kept], cells[kept]
    size = float(np.abs(levels).max())
    with np.errstate(over="ignore"):
        spread = min(float(np.ptp(levels)), float(np.finfo(np.float64).max))
    unit = spread or size or 1.0
    return Scale(float(levels[0]), unit, max(NOISE * spread, DIGITS * size, float(np.finfo(np.float64).tiny)))


def own_scales(payoffs: Floats) -> list[Scale]:
    """The unit of each player; payoffs of shape (..., players)."""
    return [own_scale(payoffs[..., player]) for player in range(payoffs.shape[-1])]


def roundings(payoffs: Floats) -> Floats:
    """By how much each payoff, of shape (..., players), may be off: more for sentinels."""
    least = np.array([scale.rounding for scale in own_scales(payoffs)])
    players = payoffs.shape[-1]
    largest = [max(abs(payoffs[..., i].min()), abs(payoffs[..., i].max())) for i in range(players)]
    if (DIGITS * np.array(largest) <= least).all():  # no sentinels: a table of them would be large
        return np.broadcast_to(least, payoffs.shape)
    return np.maximum(least, DIGITS * np.abs(payoffs))


def meant(payoffs: Floats, scale: Scale) -> NDArray[np.object_]:
    """Payoffs of one player as exact fractions, in its own unit above its base.

    Of the numbers within rounding of a payoff, the one with a small denominator is meant, if there is one: ties and
    proportions survive whatever unit or shift rounded them.

    Examples
    --------
    >>> tenths = np.array([0.1, 0.3, 0.1 + 0.2, 0.7])
    >>> print(*meant(tenths, own_scale(tenths)))
    0 1/3 1/3 1
    """
    levels, index = np.unique(payoffs, return_inverse=True)
    base, unit = Fraction(scale.base), Fraction(scale.unit)
    exact: list[Fraction] = []
    for position, level in enumerate(levels):
        error = max(scale.rounding, DIGITS * abs(level))
        if position and level - levels[position - 1] <= error:
            exact.append(exact[-1])
        else:
            exact.append(_meant((Fraction(level) - base) / unit, Fraction(error) / unit))
    return np.array(exact, dtype=object)[index].reshape(payoffs.shape)


def coarse_note(scales: Iterable[Scale]) -> tuple[str, ...]:
    """A warning if payoffs are too large against their differences."""
    worst = max(scales, key=lambda scale: scale.rounding / scale.unit)
    if not worst.coarse:
        return ()
    return (
        f"payoffs vary by {worst.unit:.3g} and are known to {worst.rounding:.1g} only: double precision cannot tell "
        "near ties from ties; subtract a constant from the payoffs",
    )


def _without_sentinels(levels: Floats, cells: NDArray[np.intp], least: float) -> NDArray[np.intp]:
    """Which levels remain if those beyond the widest gap are sentinels; all if they are not."""
    everything = np.arange(len(levels))
    if len(levels) < 3:
        return everything
    gaps = np.diff(levels)
    cut = int(gaps.argmax()) + 1
    parts = sorted((everything[:cut], everything[cut:]), key=lambda part: -int(cells[part].sum()))
    for part in parts:
        spread = float(levels[part[-1]] - levels[part[0]])
        if spread > least and spread * SENTINEL < gaps[cut - 1]:
            return part
    return everything


def _meant(value: Fraction, error: Fraction) -> Fraction:
    simple = _simplest(value - error, value + error)
    return simple if 4 * simple.denominator**2 * error < 1 else value


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator in an interval, by continued fractions."""
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -_simplest(-high, -low)
    whole = floor(low)
    if whole == low or whole < floor(high):
        return Fraction(whole + (whole < low))
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))

"""Slopes of linear relations, from samples or from recorded means: orders on values, values on flows."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.measures.statistics import Estimate, mean_interval

Floats = NDArray[np.float64]


def slope(x: ArrayLike, y: ArrayLike) -> Floats:
    """Least-squares slope of y on x, with an intercept, along the last axis.

    Parameters
    ----------
    x, y : (..., samples) arrays

    Returns
    -------
    (...) array
        NaN where x does not vary.

    Examples
    --------
    >>> slope([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    array(2.)
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    means = (first * second).mean(-1), first.mean(-1), second.mean(-1), (first**2).mean(-1)
    return slope_of_means(*means)


def slope_of_means(product: ArrayLike, x: ArrayLike, y: ArrayLike, square: ArrayLike) -> Floats:
    """The same from means: ``(E xy - E x E y)/(E x² - (E x)²)``.

    So that a market can record four numbers in place of every auction.

    Parameters
    ----------
    product, x, y, square : (...) arrays
        Means of ``x y``, ``x``, ``y`` and ``x²``.

    Examples
    --------
    >>> slope_of_means(product=13 / 3, x=1.0, y=3.0, square=5 / 3)
    array(2.)
    """
    p, mx, my, xx = (np.asarray(a, dtype=np.float64) for a in (product, x, y, square))
    spread = xx - mx**2
    flat = spread <= 1e-12 * np.maximum(np.abs(xx), 1e-300)
    return np.asarray(np.where(flat, np.nan, (p - mx * my) / np.where(flat, 1.0, spread)))


def relative(found: ArrayLike, wanted: float) -> Estimate:
    """A slope over its theoretical value: mean over sessions with its interval.

    Parameters
    ----------
    found : (sessions,) array
    wanted : float
        Not 0.

    Examples
    --------
    >>> print(relative([0.49, 0.50, 0.51, 0.52], 0.5))
    1.010 (95 % CI 0.973 to 1.047, n=4)
    """
    if not wanted:
        raise TacitError("wanted: 0 has no relative deviation; compare differences")
    return mean_interval(np.asarray(found, dtype=np.float64) / wanted)

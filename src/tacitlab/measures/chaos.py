"""How fast neighbouring states of a time series part."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

BLOCK = 500  # rows of the distance matrix that are held at a time


def largest_lyapunov(
    series: ArrayLike, dimension: int = 10, lag: int = 1, separation: int = 10, steps: int = 20
) -> float:
    """Largest Lyapunov exponent by the method of Rosenstein, Collins and De Luca (Physica D 65, 1993).

    The series is embedded by delays; every state is followed together with its nearest neighbour, and the exponent
    is the slope of the mean logarithm of their distance over the next ``steps`` points. A positive value proves
    no chaos: neighbours part in noise as well. Compare it with the value of the shuffled series.

    Parameters
    ----------
    series : (n,) array
    dimension, lag : int
        Of the embedding: a state is ``dimension`` points, ``lag`` apart.
    separation : int
        Neighbours must be further apart in time than this, so that they lie on different stretches of the orbit.
    steps : int
        How far neighbours are followed; beyond the size of the attractor their distance grows no more.

    Returns
    -------
    float
        In 1/point; NaN if no two different states can be followed (a constant series).

    Raises
    ------
    TacitError
        If the series is too short or a parameter is out of bounds.

    Examples
    --------
    >>> x = [0.4]
    >>> for _ in range(999):
    ...     x.append(4 * x[-1] * (1 - x[-1]))  # its exponent is ln 2 = 0.693
    >>> round(largest_lyapunov(x, dimension=2, steps=6), 1)
    0.7
    """
    points = np.asarray(series, dtype=np.float64)
    if min(dimension, lag, steps) < 1 or separation < 0:
        raise TacitError("largest_lyapunov: dimension, lag and steps must be at least 1, separation at least 0")
    states = len(points) - (dimension - 1) * lag
    if points.ndim != 1 or states - steps < separation + 2:
        raise TacitError(f"series: {points.shape} is too short for this embedding; give one longer series")
    embedded = np.stack([points[k * lag : k * lag + states] for k in range(dimension)], axis=1)
    start = np.arange(states - steps)
    neighbour = _neighbours(embedded[start], separation)
    apart = np.array([
        _mean_log(np.linalg.norm(embedded[start + k] - embedded[neighbour + k], axis=1)) for k in range(steps + 1)
    ])  # fmt: skip
    known = np.isfinite(apart)
    if known.sum() < 2:
        return math.nan
    return float(np.polyfit(np.flatnonzero(known), apart[known], 1)[0])


def _neighbours(states: NDArray[np.float64], separation: int) -> NDArray[np.int64]:
    """The nearest different state of each, further away in time than ``separation``."""
    from scipy.spatial.distance import cdist

    times = np.arange(len(states))
    found = np.empty(len(states), np.int64)
    for first in range(0, len(states), BLOCK):
        rows = times[first : first + BLOCK]
        distance = cdist(states[rows], states)
        # An exact recurrence would stay at distance zero, whose logarithm says nothing.
        distance[(np.abs(rows[:, None] - times) <= separation) | (distance == 0)] = np.inf
        found[rows] = distance.argmin(axis=1)
    return found


def _mean_log(distances: NDArray[np.float64]) -> float:
    positive = distances[distances > 0]
    return float(np.log(positive).mean()) if positive.size else math.nan

"""Is a price drawn to its target? The drift of a Lyapunov function V = (P - P*)², estimated over sessions.

The token-economy paper (7.2) asks for a V that always falls. Under noise no price does that: at the target V cannot
fall at all, and in a stationary market its mean change is 0. What can hold is the Foster-Lyapunov condition
``E[V' - V given V] <= -c V + b`` with c > 0: V falls in the mean wherever abs(P - P*) > sqrt(b/c), the ball to which
the price returns, and the long-run mean of V is at most b/c.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.measures.statistics import Estimate, mean_interval, statistic_of_means

Floats = NDArray[np.float64]

FLAT = 1e-12  # relative variance of V below which there is nothing to regress on


@dataclass(frozen=True)
class Drift:
    """The line ``E[V' - V given V] = -c V + b`` that fits best, with intervals over sessions.

    Attributes
    ----------
    contraction : Estimate
        c, per step. 1 for independent draws, 1 - phi² for AR(1), 0 for a random walk; short paths bias it upwards.
    offset : Estimate
        b, currency²: what noise adds in a step.
    radius : Estimate
        sqrt(b/c), currency; infinite where c <= 0. Over a stationary stretch of any process this is close to the root
        mean square deviation, so that speed is told by c alone. Its standard error is not given.
    falling : Estimate
        Share of the steps in which V falls; one half for every stationary process that looks the same backwards.
    """

    contraction: Estimate
    offset: Estimate
    radius: Estimate
    falling: Estimate

    def __str__(self) -> str:
        if not self.radius.mean < np.inf:
            return "no drift towards the target: V = (P - P*)² does not fall in the mean, however far the price is"
        return (
            f"V = (P - P*)² falls in {100 * self.falling.mean:.0f} % of the steps; in the mean it falls only where "
            f"abs(P - P*) > {self.radius}, since noise rules out that it always does"
        )


def lyapunov_drift(prices: ArrayLike, target: ArrayLike, resamples: int = 4000) -> Drift:
    """Regress the change of V = (P - P*)² on V, over all steps of all sessions.

    Intervals come from resampling sessions with all their steps. Least squares estimate the mean drift if it is linear
    in V, as for AR(1): c = 1 - phi², b = sigma², ball sigma/sqrt(1 - phi²). Whether a straight line describes the drift
    is seen in :func:`drift_profile`.

    Parameters
    ----------
    prices : (sessions, steps + 1) array
        Logarithms of prices do as well, with the logarithm of the target.
    target : array that fits to it, or float
        P*: the price that is declared to be the equilibrium; the mean of a session is no such declaration.
    resamples : int

    Returns
    -------
    Drift
        NaN if V never changes; without intervals for a single session.

    References
    ----------
    S. P. Meyn and R. L. Tweedie, "Markov chains and stochastic stability" (2nd ed. 2009), chapter 14.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(20, 2001))
    >>> prices = np.zeros_like(noise)
    >>> for t in range(2000):
    ...     prices[:, t + 1] = 0.9 * prices[:, t] + noise[:, t]
    >>> drift = lyapunov_drift(100 + prices, 100.0)
    >>> print(f"{drift.contraction:.2f}; {drift.radius:.1f}")  # exactly 0.19 and 2.294
    0.19 (95 % CI 0.18 to 0.21, n=20); 2.3 (95 % CI 2.2 to 2.4, n=20)
    """
    square, change = _changes(prices, target)
    scale = float(square.mean()) or 1.0  # so that squares of V neither vanish nor overflow
    v, d = square / scale, change / scale
    moments = np.stack([v.mean(axis=1), d.mean(axis=1), (v * v).mean(axis=1), (v * d).mean(axis=1)])
    return Drift(
        _estimate(moments, lambda means: _line(means)[0], resamples),
        _scaled(_estimate(moments, lambda means: _line(means)[1], resamples), scale),
        _radius(moments, scale, resamples),
        mean_interval((change < 0).mean(axis=1)),
    )


def drift_profile(prices: ArrayLike, target: ArrayLike, bins: int = 10) -> tuple[Floats, Floats]:
    """Mean change of V = (P - P*)² by distance from the target, session by session: a test of the straight line.

    Parameters
    ----------
    prices, target
        As of :func:`lyapunov_drift`.
    bins : int
        Of distances, equally filled over all sessions.

    Returns
    -------
    (bins,) array
        Mean of V in each bin, currency².
    (sessions, bins) array
        Mean of V' - V, currency²; NaN where a session never was.

    Examples
    --------
    A price that jumps between 1 and 3 around 0 returns whenever it is far:

    >>> square, drift = drift_profile([[1.0, 3.0, 1.0, 3.0, 1.0]], 0.0, bins=2)
    >>> square, drift
    (array([1., 9.]), array([[ 8., -8.]]))
    """
    square, change = _changes(prices, target)
    edges = np.quantile(square, np.arange(1, bins) / bins)
    sessions = len(square)
    cell = np.searchsorted(edges, square, side="left") + bins * np.arange(sessions)[:, None]

    def summed(values: Floats) -> Floats:
        found = np.bincount(cell.ravel(), values.ravel(), bins * sessions).reshape(sessions, bins)
        return np.asarray(found, dtype=np.float64)

    number = summed(np.ones_like(square))
    some = np.where(number > 0, number, np.nan)
    visits = number.sum(axis=0)
    return summed(square).sum(axis=0) / np.where(visits > 0, visits, np.nan), summed(change) / some


def _changes(prices: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats]:
    """V and V' - V, (sessions, steps) each."""
    path = np.asarray(prices, dtype=np.float64)
    if path.ndim != 2 or path.shape[0] < 1 or path.shape[1] < 3:
        raise TacitError(f"prices: the shape {path.shape} is wrong; give (sessions, steps + 1), at least two steps")
    square = (path - np.asarray(target, dtype=np.float64)) ** 2
    return square[:, :-1], np.diff(square, axis=1)


def _line(means: Floats) -> tuple[Floats, Floats]:
    """c and b from the means of v, d, v² and v d, (resamples, 4), in units of the mean of V."""
    v, d, vv, vd = means.T
    variance = vv - v * v
    c = (v * d - vd) / np.where(variance > FLAT * vv, variance, np.nan)
    return c, d + c * v


def _radius(moments: Floats, scale: float, resamples: int) -> Estimate:
    """The ball through the angle of (c, b), finite where the radius itself is not."""

    def angle(means: Floats) -> Floats:
        c, b = _line(means)
        return np.asarray(np.arctan2(np.maximum(b, 0.0), c))

    found = _estimate(moments, angle, resamples)
    mean, low, high = (
        float(np.sqrt(scale * np.tan(a))) if a < np.pi / 2 else (np.inf if a >= np.pi / 2 else np.nan)
        for a in np.maximum((found.mean, found.low, found.high), 0.0)  # an interval may reach beyond what can be
    )
    return Estimate(mean, low, high, np.nan, found.n)


def _estimate(moments: Floats, statistic: Callable[[Floats], Floats], resamples: int) -> Estimate:
    if moments.shape[1] > 1:
        return statistic_of_means(moments, statistic, resamples)
    return Estimate(float(statistic(moments.T)[0]), np.nan, np.nan, np.nan, 1)  # one session has no interval


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return Estimate(scale * estimate.mean, scale * estimate.low, scale * estimate.high, scale * estimate.se, estimate.n)

"""Means with confidence intervals over sessions: the session is the unit of replication.

Periods of one session are no independent evidence; average them first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]

LARGEST_BCA = 5000
"""From this many sessions on the percentile interval is used: the correction has vanished, its work has not."""

ENOUGH = 50
"""From this many sessions on a bootstrap interval is taken as it is; see :func:`stretch`."""


@dataclass(frozen=True)
class Estimate:
    """A mean over sessions with its confidence interval.

    Attributes
    ----------
    mean : float
    low, high : float
        Bounds of the interval; NaN if there is none (fewer than two sessions).
    se : float
        Standard error of the mean; NaN if there is none.
    n : int
        Number of sessions.
    level : float
        Confidence level.

    Examples
    --------
    >>> print(Estimate(0.8487, 0.8418, 0.8556, 0.0035, 1000))
    0.849 (95 % CI 0.842 to 0.856, n=1000)
    >>> f"{Estimate(0.8487, 0.8418, 0.8556, 0.0035, 1000):.2f}"
    '0.85 (95 % CI 0.84 to 0.86, n=1000)'
    >>> print(Estimate(0.6306, 0.6306, 0.6306, 0.0, 10))
    0.6306 (the same in all 10 sessions)
    """

    mean: float
    low: float
    high: float
    se: float
    n: int
    level: float = 0.95

    @property
    def precision(self) -> str:
        """Format with as many digits as half a standard error deserves."""
        half = (self.high - self.low) / 2
        known = math.isfinite(half) and half > 0
        return f".{max(0, -math.floor(math.log10(half / 4)))}f" if known else ".4g"

    @property
    def interval(self) -> str:
        """The bounds alone, "0.842 to 0.856"; empty if there are none."""
        return "" if math.isnan(self.low) else f"{self.low:{self.precision}} to {self.high:{self.precision}}"

    def __str__(self) -> str:
        return format(self, self.precision)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if math.isnan(self.low):
            return f"{self.mean:{spec}} (no CI, n={self.n})"
        if self.low == self.high and self.n > 1:  # nobody should read that as certainty
            return f"{self.mean:{spec}} (the same in all {self.n:,} sessions)"
        return f"{self.mean:{spec}} ({100 * self.level:g} % CI {self.low:{spec}} to {self.high:{spec}}, n={self.n})"


def mean_interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    weights: ArrayLike | None = None,
    resamples: int = 9999,
    seed: int = 0,
) -> Estimate:
    """Mean over sessions with a bootstrap confidence interval.

    Bias-corrected and accelerated (Efron 1987) by :func:`scipy.stats.bootstrap`, the percentile interval beyond
    ``LARGEST_BCA`` sessions; with few sessions longer by :func:`stretch`. Truth values are handed to
    :func:`proportion`, since a bootstrap cannot tell 1000 of 1000 from certainty. If all values are equal the interval
    is that point; NaN among the values gives NaN.

    Parameters
    ----------
    values : (sessions,) array
        One value per session.
    level : float
        Confidence level, between 0 and 1.
    weights : (sessions,) array, optional
        Estimate ``sum w v / sum w`` instead, sessions being resampled with their weights. With the number of
        observations in each session as weights this is the mean over all observations, with the session still as
        the unit of replication.
    resamples : int
    seed : int
        Same seed, same interval.

    Returns
    -------
    Estimate
        With NaN bounds for a single session, which has no interval.

    Raises
    ------
    TacitError
        If the level, the shapes or the weights are out of bounds.

    Examples
    --------
    >>> print(mean_interval([1.0, 2.0, 3.0, 4.0]))
    2.5 (95 % CI 0.6 to 4.4, n=4)
    >>> print(mean_interval([0.3]))
    0.3 (no CI, n=1)
    """
    found = np.asarray(values)
    if found.ndim != 1:
        raise TacitError(f"values: the shape {found.shape} is wrong; give one value per session")
    _check_level(level)
    if weights is None and found.dtype == np.bool_:
        return proportion(int(found.sum()), len(found), level)
    found = found.astype(np.float64)
    shares = np.ones_like(found) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != found.shape or not np.all(shares >= 0) or (shares.size and shares.sum() == 0):
        raise TacitError("weights: give one weight per session, at least 0 and not all 0")
    n = len(found)
    if n == 0 or np.isnan(found).any():
        return Estimate(math.nan, math.nan, math.nan, math.nan, n, level)
    mean = float(np.sum(shares * found) / shares.sum())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, math.nan, n, level)
    if found.min() == found.max():
        return Estimate(float(found[0]), float(found[0]), float(found[0]), 0.0, n, level)
    # Linearised standard error of a ratio; with equal weights the usual one of a mean.
    se = float(np.std(shares * (found - mean), ddof=1) / shares.mean() / math.sqrt(n))
    low, high = _bootstrap(found, None if weights is None else shares, level, resamples, seed)
    return Estimate(mean, *_stretched(mean, low, high, n, level), se, n, level)


def sessions_to_exclude(found: Estimate, ends: Sequence[float]) -> int | None:
    """How many sessions would have an interval without any of these numbers, if the mean stays where it is.

    An interval is as long as ``1/sqrt(n)``. Told with two digits; None if there is no interval, or the mean is one of
    the numbers.

    Examples
    --------
    A number that is 6 times nearer than the end of the interval takes 36 times the sessions:

    >>> sessions_to_exclude(Estimate(0.985, 0.955, 1.015, 0.015, 20), [0.98])
    720
    """
    halves = {True: found.mean - found.low, False: found.high - found.mean}
    rooms = [(halves[end < found.mean], abs(end - found.mean)) for end in ends]
    if not ends or math.isnan(found.low) or any(room == 0 for _, room in rooms):
        return None
    times = max(half / room for half, room in rooms)
    return two_digits(max(found.n, math.ceil(found.n * times**2 * (1 - 1e-9))))  # binary fractions are not exact


def unseen(n: int, level: float = 0.95) -> float:
    """Share of sessions that may be different although ``n`` of ``n`` were equal (Clopper and Pearson, one-sided).

    Examples
    --------
    >>> round(unseen(10), 3)
    0.259
    """
    return float(1 - (1 - level) ** (1 / n))


def two_digits(number: int) -> int:
    """Rounded up to two digits: no more is known of sessions that were not played."""
    digits = 10 ** max(0, len(str(number)) - 2)
    return math.ceil(number / digits) * digits


def stretch(n: int, level: float = 0.95) -> float:
    """By how much both sides of a bootstrap interval are lengthened: ``sqrt(n/(n - 1)) t/z``, 1 from 50 sessions on.

    Resamples of few sessions differ less than samples do: their variance is (n - 1)/n of what it should be, and that it
    is estimated goes uncounted. Of normal values of four sessions the plain interval of 95 % holds the mean in 80 % of
    cases. Stretched it has the length of Student's, and is still not symmetric where the values are not.

    References
    ----------
    T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69 (2015), section 4.3
    (the expanded percentile interval, of the same length).

    Examples
    --------
    >>> [round(stretch(n), 2) for n in (4, 8, 20, 100)]
    [1.87, 1.29, 1.1, 1.0]
    """
    if not 2 <= n < ENOUGH:
        return 1.0
    from scipy.special import ndtri, stdtrit

    above = (1 + level) / 2
    return float(math.sqrt(n / (n - 1)) * stdtrit(n - 1, above) / ndtri(above))


def _stretched(centre: Any, low: Any, high: Any, n: int, level: float) -> tuple[Any, Any]:
    """Bounds of an interval for so many sessions."""
    factor = stretch(n, level)
    return (low, high) if factor == 1 else (centre - factor * (centre - low), centre + factor * (high - centre))


def _bootstrap(values: Floats, weights: Floats | None, level: float, resamples: int, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    def ratio(v: Any, w: Any, axis: int = -1) -> Any:
        return np.sum(v * w, axis=axis) / np.sum(w, axis=axis)

    result = bootstrap(
        (values,) if weights is None else (values, weights),
        np.mean if weights is None else ratio,
        paired=weights is not None,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2**21 // len(values)),
        confidence_level=level,
        method="BCa" if len(values) < LARGEST_BCA else "percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def statistic_of_means(values: ArrayLike, statistic: Callable[[Floats], ArrayLike], resamples: int = 4000) -> Estimate:
    """A statistic of means over sessions, such as the place of their minimum, with its bootstrap interval.

    A session is resampled with all its cells: the cells of a sweep share their random numbers. With few sessions the
    interval is longer by :func:`stretch`, and the standard error by ``sqrt(n/(n - 1))``.

    Parameters
    ----------
    values : (cells, sessions) array
    statistic : callable
        Maps means of shape (resamples, cells) to one number each.

    Examples
    --------
    >>> print(statistic_of_means([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]], lambda means: means.argmin(axis=1)))
    1 (the same in all 3 sessions)
    """
    table = np.asarray(values, dtype=np.float64)
    n = table.shape[1]
    found = float(np.asarray(statistic(table.mean(axis=1)[None]))[0])
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples)
    drawn = np.asarray(statistic(counts @ table.T / n), dtype=np.float64)
    below, above = np.quantile(drawn, [0.025, 0.975])
    low, high = _stretched(found, below, above, n, 0.95)
    unbiased = math.sqrt(n / (n - 1)) if 2 <= n < ENOUGH else 1.0
    return Estimate(found, float(low), float(high), unbiased * float(drawn.std()), n)


def proportion(successes: int, n: int, level: float = 0.95) -> Estimate:
    """Share of sessions with a property, with Wilson's score interval (1927).

    Unlike the bootstrap's, this interval has a length even at 0 or ``n`` successes.

    Examples
    --------
    >>> print(proportion(505, 1000))
    0.505 (95 % CI 0.474 to 0.536, n=1000)
    >>> print(proportion(1000, 1000))
    1.000 (95 % CI 0.996 to 1.000, n=1000)
    """
    _check_level(level)
    if not 0 <= successes <= n:
        raise TacitError(f"successes: {successes} is out of bounds; it must be between 0 and n = {n}")
    if n < 2:
        return Estimate(successes / n if n else math.nan, math.nan, math.nan, math.nan, n, level)
    from scipy.stats import binomtest

    share = successes / n
    interval = binomtest(successes, n).proportion_ci(level, method="wilson")
    return Estimate(share, float(interval.low), float(interval.high), math.sqrt(share * (1 - share) / n), n, level)


def interquartile_mean(values: ArrayLike, axis: int = 0) -> Any:
    """Mean of the middle half of the sessions: the lowest and highest quarter (rounded down) are left out.

    Robust to a few failed sessions, more efficient than the median (Agarwal et al., NeurIPS 2021).

    Examples
    --------
    >>> float(interquartile_mean([0.0, 1.0, 2.0, 300.0]))
    1.5
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=axis)
    low, high = _middle(ordered.shape[axis])
    return np.mean(np.take(ordered, np.arange(low, high), axis=axis), axis=axis)


@dataclass(frozen=True, eq=False)
class Band:
    """A learning curve with a confidence band, pointwise in time.

    Attributes
    ----------
    centre, low, high : (...) float arrays
        Mean or interquartile mean over sessions, and its interval; NaN bounds for fewer than two sessions.
    n : int
        Number of sessions.
    level : float
        Confidence level of each point, not of the whole curve.
    """

    centre: Floats
    low: Floats
    high: Floats
    n: int
    level: float = 0.95


def curve_interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    centre: Literal["mean", "interquartile-mean"] = "mean",
    resamples: int = 1000,
    seed: int = 0,
) -> Band:
    """Percentile-bootstrap intervals at many time points at once.

    All points share the same resampled sessions, so that means cost one matrix product. With few sessions the band is
    wider by :func:`stretch`.

    Parameters
    ----------
    values : (sessions, ...) array
        One curve per session, for instance (sessions, times).
    level : float
    centre : {"mean", "interquartile-mean"}
    resamples, seed : int

    Returns
    -------
    Band
        Arrays of the shape of ``values`` without its first axis.

    Examples
    --------
    >>> band = curve_interval([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    >>> band.centre, band.low  # of three sessions: three times as far from the centre as the resamples
    (array([1., 1.]), array([-1.689,  1.   ]))
    """
    curves = np.asarray(values, dtype=np.float64)
    if curves.ndim < 1 or len(curves) == 0:
        raise TacitError(f"values: the shape {curves.shape} has no sessions; give (sessions, ...)")
    if centre not in ("mean", "interquartile-mean"):
        raise TacitError(f"centre: {centre!r} is unknown; choose from mean, interquartile-mean")
    _check_level(level)
    n, shape = len(curves), curves.shape[1:]
    middle = curves.mean(0) if centre == "mean" else interquartile_mean(curves)
    if n == 1:
        return Band(middle, np.full(shape, np.nan), np.full(shape, np.nan), n, level)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    flat = curves.reshape(n, -1)
    if centre == "mean":
        drawn = counts @ flat / n
    else:
        by_session = np.ascontiguousarray(counts.T)
        drawn = np.stack([_resampled_middle(column, by_session) for column in flat.T], axis=1)
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0).reshape(2, *shape)
    low, high = _stretched(middle, ends[0], ends[1], n, level)
    return Band(middle, low, high, n, level)


def _resampled_middle(values: Floats, counts: Floats) -> Floats:
    """Interquartile mean of resamples that hold each session ``counts`` (sessions, resamples) times.

    In the order of the values, the running count says how many of a resample's entries are no larger. Cut to the
    middle ranks, its steps are the weights of the values; summation by parts saves computing them.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    low, high = _middle(len(values))
    ranks = counts[order[:-1]]
    np.cumsum(ranks, axis=0, out=ranks)
    np.clip(ranks, low, high, out=ranks)
    return (high * ordered[-1] - low * ordered[0] - np.diff(ordered) @ ranks) / (high - low)


def _middle(n: int) -> tuple[int, int]:
    return n // 4, n - n // 4


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise TacitError(f"level: {level} is out of bounds; it must lie between 0 and 1")

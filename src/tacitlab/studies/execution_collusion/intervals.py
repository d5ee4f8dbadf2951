"""Intervals for what is no mean over independent runs: differences, paired or not, and means over pairs of runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.audits.execution import Floats
from tacitlab.measures.statistics import Estimate
from tacitlab.studies.base import by_session, paired_difference
from tacitlab.studies.execution_collusion.evidence import Runs

Rows = NDArray[np.int64]


def difference(first: Any, second: Any) -> Estimate:
    """Difference between the means of two independent samples, with Welch's interval (1947).

    Examples
    --------
    >>> print(difference([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]))
    1.0 (95 % CI -1.5 to 3.5, n=3)
    """
    one, two = (np.asarray(x, dtype=np.float64) for x in (first, second))
    found, variances = float(one.mean() - two.mean()), [_of_mean(one), _of_mean(two)]
    return _student(found, variances, (len(one), len(two)))


def change(new: Runs, old: Runs, statistic: str) -> Estimate:
    """Mean change of a statistic between experiments that share their seed, session by session.

    Sessions that failed in either are left out: what is left is paired, as the same random numbers began both.
    """
    return paired_difference(*(by_session(getattr(runs, statistic), runs.numbers) for runs in (new, old)))


def jackknife(statistic: Callable[..., float], *sizes: int) -> Estimate:
    """A statistic of one or several independent groups of runs, in which a run may appear many times.

    A mean over pairs of runs has as many terms as pairs, but no more information than runs: each run is left out in
    turn, with all its pairs (J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40, 1969).
    The variances of the groups add up; degrees of freedom are Welch's.

    Parameters
    ----------
    statistic : callable
        Maps the rows that are kept, an array for each group, to a number.
    sizes : int
        Runs in each group.

    Returns
    -------
    Estimate
        ``n`` is the size of the smallest group; NaN bounds where leaving one out leaves nothing.

    Examples
    --------
    Of a mean it gives Student's interval:

    >>> values = np.array([1.0, 2.0, 4.0, 5.0])
    >>> print(jackknife(lambda rows: values[rows].mean(), 4))
    3.0 (95 % CI 0.1 to 5.9, n=4)
    """
    everybody = [np.arange(n) for n in sizes]
    variances = []
    for group, n in enumerate(sizes):
        rest = everybody[:group], everybody[group + 1 :]
        left = [statistic(*rest[0], np.delete(everybody[group], k), *rest[1]) if n > 1 else np.nan for k in range(n)]
        variances.append((n - 1) ** 2 * _of_mean(np.asarray(left)))
    return _student(float(statistic(*everybody)), variances, sizes)


def _of_mean(values: Floats) -> float:
    """Variance of the mean of independent values; NaN for a single one."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else np.nan


def _student(found: float, variances: list[float], sizes: tuple[int, ...]) -> Estimate:
    """An estimate whose variance is the sum of the groups' variances."""
    from scipy.stats import t

    se = float(np.sqrt(sum(variances)))
    half = se
    if se > 0:
        freedom = sum(variances) ** 2 / sum(v**2 / (n - 1) for v, n in zip(variances, sizes, strict=True))
        half = float(t.ppf(0.975, freedom)) * se
    return Estimate(found, found - half, found + half, se, min(sizes))

"""Entropy of prices: how widely their levels spread, and how far their order in time can be predicted.

Series are (..., steps). "The entropy of the price" is not one number: that of the levels, over bins, grows with
volatility and says nothing about prediction; that of the ordinal patterns says nothing about size. A random walk is
unpredictable, yet its patterns are not equally likely, as its levels depend on each other: to judge prediction, take
the permutation entropy of returns.
"""

import math

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from tacitlab.errors import TacitError
from tacitlab.measures.base import Measure, Run, over_steps, path
from tacitlab.measures.volatility import PRICES, returns

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BINS = 32  # of equal width in the logarithm of the price; two more hold what lies outside
REACH = 2.0  # the bins cover the reference price times exp(-2) to exp(2)


def level_entropy(prices: ArrayLike, reference: ArrayLike, bins: int = BINS, reach: float = REACH) -> Floats:
    """Entropy of the distribution of price levels, as a share of the largest possible one.

    ``H = -sum_k p_k ln p_k / ln(bins + 2)`` over ``bins`` equal bins of ln(P/P_ref) on [-reach, reach] and one beyond
    either end: 0 if the price stays in one bin, 1 if it is equally often in each. (Dividing by ln(bins), the two
    outer ones notwithstanding, would allow 1.017.) A price of 0 or below counts as below all bins. Frequencies of n
    steps understate H by about (occupied bins - 1)/(2n ln(bins + 2)).

    Parameters
    ----------
    prices : (..., steps) array
    reference : (...) array or float
        Reference price, positive.
    bins : int
    reach : float

    Returns
    -------
    (...) array
        NaN where a price is missing.

    Raises
    ------
    TacitError
        If the reference is not positive, there are no bins, or the reach is not positive.

    Examples
    --------
    >>> level_entropy([[100.0, 100.0, 100.0, 100.0], [50.0, 90.0, 110.0, 200.0]], 100.0)
    array([0.   , 0.393])
    """
    series = _series(prices, 1)
    if bins < 1 or not reach > 0:
        raise TacitError(f"bins, reach: {bins} and {reach:g} are out of bounds; give at least 1 and more than 0")
    usual = np.asarray(reference, dtype=np.float64)
    if not np.all(usual > 0):
        raise TacitError("reference: must be above 0")
    edges = np.exp(np.linspace(-reach, reach, bins + 1))
    found = _entropy(np.searchsorted(edges, series / usual[..., None], side="right"))
    return np.where(np.isnan(series).any(axis=-1), np.nan, found / math.log(bins + 2))


def permutation_entropy(series: ArrayLike, order: int = 4) -> Floats:
    """Entropy of the order of successive values, as a share of the largest possible one.

    Every ``order`` successive values are replaced by the permutation that sorts them; the entropy of these patterns is
    divided by ln(order!). A monotone or constant series has 0, independent draws of a continuous variable approach 1.
    Of equal values the earlier counts as the smaller, so that a price that stands still is predictable; where many
    values are equal (see :func:`tied`) the patterns are not equally likely even under independence, and the value is
    too low. Frequencies of n windows understate it by about (patterns - 1)/(2n ln(order!)).

    Parameters
    ----------
    series : (..., steps) array
    order : int
        2 to 8.

    Returns
    -------
    (...) array
        NaN where a value is missing.

    Raises
    ------
    TacitError
        If the order is out of bounds or the series is shorter.

    References
    ----------
    C. Bandt and B. Pompe, "Permutation entropy: a natural complexity measure for time series", Physical Review
    Letters 88, 174102 (2002); L. Zunino et al., "Permutation entropy based time series analysis: equalities in the
    input signal can lead to false conclusions", Physics Letters A 381 (2017).

    Examples
    --------
    The example of the paper, in bits: 4 rises and 2 falls; five windows of 3 values, with three patterns.

    >>> x = [4.0, 7.0, 9.0, 10.0, 6.0, 11.0, 3.0]
    >>> permutation_entropy([x], order=2), permutation_entropy([x], order=3) * math.log2(6)
    (array([0.918]), array([1.522]))
    """
    windows = _windows(series, order)
    ranks = np.argsort(windows, axis=-1, kind="stable")
    found = _entropy(ranks @ order ** np.arange(order)) / math.log(math.factorial(order))
    return np.where(np.isnan(windows).any(axis=(-2, -1)), np.nan, found)


def tied(series: ArrayLike, order: int = 4) -> Floats:
    """Share of the windows of ``order`` successive values in which two are equal: (...).

    Examples
    --------
    >>> tied([[1.0, 2.0, 2.0, 3.0, 4.0]], order=2)
    array([0.25])
    """
    return np.asarray((np.diff(np.sort(_windows(series, order), axis=-1), axis=-1) == 0).any(axis=-1).mean(axis=-1))


def _windows(series: ArrayLike, order: int) -> Floats:
    if not 2 <= order <= 8:
        raise TacitError(f"order: {order} is out of bounds; give 2 to 8")
    return np.lib.stride_tricks.sliding_window_view(_series(series, order), order, axis=-1)


def _series(values: ArrayLike, least: int) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim < 1 or found.shape[-1] < least:
        raise TacitError(f"series: the shape {found.shape} is too short; give (..., steps), at least {least} of them")
    return found


def _entropy(symbols: Indices) -> Floats:
    """Plug-in entropy in nats of integer symbols along the last axis."""
    flat = symbols.reshape(-1, symbols.shape[-1])
    # Renumbered by use: most codes of permutations never occur.
    used, codes = np.unique(flat, return_inverse=True)
    codes = codes.reshape(flat.shape) + len(used) * np.arange(len(flat))[:, None]
    counts = np.bincount(codes.ravel(), minlength=len(used) * len(flat)).reshape(len(flat), len(used))
    return np.asarray(entr(counts / flat.shape[-1]).sum(axis=-1).reshape(symbols.shape[:-1]))


class PriceEntropy(Measure):
    """How widely the price spreads around its first value: entropy of its levels, as a share of the largest."""

    kind = "price-entropy"

    def of(self, run: Run) -> xr.DataArray:
        prices = path(run, *PRICES)
        return over_steps(level_entropy, prices, prices.isel(step=0, drop=True))


class ReturnEntropy(Measure):
    """How unpredictable the order of returns is: permutation entropy of four successive ones, 1 if independent."""

    kind = "return-entropy"

    def of(self, run: Run) -> xr.DataArray:
        return over_steps(lambda prices: permutation_entropy(returns(prices)), path(run, *PRICES))

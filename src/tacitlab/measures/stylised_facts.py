"""Statistical regularities of prices: fat tails, memory of returns and of their size, impact of orders, noise.

Arrays are (..., steps), one path per session; intervals are over sessions. What real markets show is collected in
R. Cont, "Empirical properties of asset returns: stylized facts and statistical issues", Quantitative Finance 1 (2001)
223-236.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.measures.base import Measure, Run, over_steps, path
from tacitlab.measures.statistics import Estimate
from tacitlab.measures.volatility import PRICES, returns

Floats = NDArray[np.float64]

POWERS = np.linspace(0.0, 2.0, 81)  # among which the exponent of price impact is sought


def excess_kurtosis(returns: ArrayLike) -> Floats:
    """Fourth moment over the squared second one, less 3; unbiased for normal returns: (...).

    ``(n-1)/((n-2)(n-3)) ((n+1) g + 6)`` with the biased ``g`` (Joanes and Gill, The Statistician 47 (1998) 183-189).
    The variance of the fourth moment is infinite if tails fall more slowly than with power 8: then the value of one
    path says little. NaN where nothing moves.

    Raises
    ------
    TacitError
        If a path has fewer than four returns.

    Examples
    --------
    >>> excess_kurtosis([-1.0, 1.0] * 50)
    array(-2.0412...)
    """
    r = _paths("returns", returns, 4)
    n = r.shape[-1]
    x = r - r.mean(axis=-1, keepdims=True)
    square = (x**2).mean(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        biased = (x**4).mean(axis=-1) / square**2 - 3
    return np.asarray((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * biased + 6))


def autocorrelation(series: ArrayLike, lags: int) -> Floats:
    """Correlation of each path with itself 1, 2, ... ``lags`` steps later: (..., lags).

    About the path's own mean, all sums divided by the same variance, so that sizes do not exceed 1; independent
    numbers have a mean of about -1/n. NaN where nothing moves. For the memory of volatility pass absolute returns.

    Raises
    ------
    TacitError
        If a path is too short for the lags.

    Examples
    --------
    >>> autocorrelation([1.0, -1.0] * 100, 2)
    array([-0.995,  0.99 ])
    """
    x = _paths("series", series, lags + 2)
    x = x - x.mean(axis=-1, keepdims=True)
    whole = (x**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [(x[..., lag:] * x[..., :-lag]).sum(axis=-1) / whole for lag in range(1, lags + 1)]
    return np.stack(found, axis=-1)


def hill_tail_index(returns: ArrayLike, share: float = 0.05) -> Floats:
    """Power with which the tail of absolute returns falls, by its largest values: (...).

    ``1/mean(ln x_i - ln x_(k+1))`` over the k largest of n, ``k = share n`` (B. Hill, Annals of Statistics 3 (1975)
    1163-1174). Real returns have about 3; a normal distribution has no such power, and the value grows as the share
    falls. On a coarse grid of prices ties bias it.

    Raises
    ------
    TacitError
        If the share is not between 0 and 1, or so small that fewer than two values are left.

    Examples
    --------
    A Pareto tail of index 3:

    >>> x = (1 - (np.arange(100_000) + 0.5) / 100_000) ** (-1 / 3)
    >>> hill_tail_index(x)
    array(3.0...)
    """
    if not 0 < share < 1:
        raise TacitError(f"share: {share:g} is out of bounds; it must lie between 0 and 1")
    sizes = np.sort(np.abs(_paths("returns", returns, 3)), axis=-1)
    count = int(share * sizes.shape[-1])
    if count < 2:
        raise TacitError(f"share: {share:g} of {sizes.shape[-1]} returns are fewer than two; raise it")
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(sizes[..., -count - 1 :])
        return np.asarray(1 / (logs[..., 1:] - logs[..., :1]).mean(axis=-1))


def signature(prices: ArrayLike, intervals: ArrayLike) -> Floats:
    """Volatility by sampling interval: root of the mean square of price changes over h steps, over sqrt h.

    Flat for a random walk; falling where prices revert, as with a bounce between bid and ask (the "signature plot" of
    T. Andersen, T. Bollerslev, F. Diebold and P. Labys, Risk, March 2000, 105-108). Overlapping intervals, drift not
    subtracted. Shape (..., intervals).

    Raises
    ------
    TacitError
        If an interval is less than 1 or as long as the path.

    Examples
    --------
    >>> signature([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], [1, 2])
    array([1., 0.])
    """
    path = _paths("prices", prices, 2)
    found = []
    for h in np.atleast_1d(np.asarray(intervals, dtype=np.int64)).tolist():
        if not 1 <= h < path.shape[-1]:
            raise TacitError(f"intervals: {h} is out of bounds; choose from 1 to {path.shape[-1] - 1}")
        found.append(np.sqrt(((path[..., h:] - path[..., :-h]) ** 2).mean(axis=-1) / h))
    return np.stack(found, axis=-1)


@dataclass(frozen=True, eq=False)
class PriceImpact:
    """How prices move with what is bought less what is sold.

    Attributes
    ----------
    volume, impact : (bins,) arrays
        Mean size of the net volume in each bin, and the mean change of the price in its direction.
    low, high : (bins,) arrays
        95 % intervals of ``impact`` over sessions.
    exponent : Estimate
        The power psi that fits ``impact = scale * volume ** psi`` best; 1 is linear, less is concave.
    scale : float
    """

    volume: Floats
    impact: Floats
    low: Floats
    high: Floats
    exponent: Estimate
    scale: float


def price_impact(flow: ArrayLike, changes: ArrayLike, bins: int = 8, resamples: int = 1000) -> PriceImpact:
    """Mean change of the price given the net volume that came in with it, and the power law that fits it.

    Bins, which are there to be shown, hold about the same number of observations with a volume other than 0; where
    volumes are few whole numbers there are fewer bins. The power is that of least squares over all observations,
    between 0 and 2; sessions are resampled as a whole.

    Parameters
    ----------
    flow, changes : (sessions, steps) arrays
        Signed volume and change of the price of the same steps.
    bins : int
    resamples : int

    Raises
    ------
    TacitError
        If the shapes differ, or volumes have fewer than two sizes.

    References
    ----------
    J.-P. Bouchaud, J. D. Farmer and F. Lillo, "How markets slowly digest changes in supply and demand", in: Handbook of
    Financial Markets, Elsevier 2009, section 4.

    Examples
    --------
    >>> flow = np.arange(-10.0, 11.0)[None].repeat(3, axis=0)
    >>> found = price_impact(flow, np.sign(flow) * np.abs(flow) ** 0.5)
    >>> found.exponent.mean
    0.5
    """
    v, x = (np.atleast_2d(_paths(name, given, 1)) for name, given in (("flow", flow), ("changes", changes)))
    if v.shape != x.shape:
        raise TacitError(f"changes: the shape {x.shape} differs from that of the flow, {v.shape}")
    size, toward = np.abs(v), np.sign(v) * x
    some = size[size > 0]
    edges = np.unique(np.quantile(some, np.linspace(0, 1, bins + 1)[1:-1])) if some.size else np.empty(0)
    place = np.searchsorted(edges, size, side="left")
    sums = np.zeros((3, len(v), len(edges) + 1))  # observations, sizes, moves; by session and bin
    for b in range(len(edges) + 1):
        here = (place == b) & (size > 0)
        sums[:, :, b] = here.sum(axis=1), (size * here).sum(axis=1), (toward * here).sum(axis=1)
    sums = sums[:, :, sums[0].sum(axis=0) > 0]
    if sums.shape[2] < 2:
        raise TacitError("flow: the net volumes have fewer than two sizes; record longer, or add up several steps")
    total, n = sums.sum(axis=1), len(v)
    cross, square = _moments(size, toward)
    exponent, scale = _power(cross.sum(axis=0)[None], square.sum(axis=0)[None])
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples)
    drawn = np.einsum("rs,ksb->krb", counts, sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = drawn[2] / drawn[0]
    powers = _power(counts @ cross, counts @ square)[0]
    ends, edge, se = np.full((2, len(total[0])), np.nan), np.full(2, np.nan), np.nan
    if n > 1:
        ends, edge = np.nanquantile(means, [0.025, 0.975], axis=0), np.quantile(powers, [0.025, 0.975])
        se = float(powers.std())
    found = Estimate(float(exponent[0]), float(edge[0]), float(edge[1]), se, n)
    return PriceImpact(total[1] / total[0], total[2] / total[0], ends[0], ends[1], found, float(scale[0]))


def _moments(size: Floats, toward: Floats) -> tuple[Floats, Floats]:
    """Sums of moves times powers of the volume, and of squares of those powers: each (sessions, powers)."""
    session, _ = np.nonzero(size)
    logs, moves = np.log(size[size > 0]), toward[size > 0]
    shapes = (np.exp(power * logs) for power in POWERS)
    sums = [[np.bincount(session, x, len(size)) for x in (moves * shape, shape**2)] for shape in shapes]
    cross, square = np.moveaxis(np.array(sums), 0, 2)
    return cross, square


def _power(cross: Floats, square: Floats) -> tuple[Floats, Floats]:
    """Best exponents and scales for each row of sums: on the grid of exponents, then by a parabola between them."""
    gain = np.maximum(cross, 0) ** 2 / square  # what the fit explains of the sum of squares
    best = np.clip(gain.argmax(axis=1), 1, len(POWERS) - 2)
    rows = np.arange(len(gain))
    left, middle, right = (gain[rows, best + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, np.clip((left - right) / np.where(bend < 0, 2 * bend, 1.0), -1, 1), 0.0)
    return POWERS[best] + shift * (POWERS[1] - POWERS[0]), cross[rows, best] / square[rows, best]


def _paths(name: str, given: ArrayLike, least: int) -> Floats:
    found = np.asarray(given, dtype=np.float64)
    if found.ndim < 1 or found.shape[-1] < least:
        raise TacitError(f"{name}: the shape {found.shape} is too short; give (..., steps) with {least} steps or more")
    return found


class ExcessKurtosis(Measure):
    """Fat tails: excess kurtosis of the price's logarithmic returns, 0 for normal ones."""

    kind = "excess-kurtosis"

    def of(self, run: Run) -> xr.DataArray:
        return over_steps(lambda prices: excess_kurtosis(returns(prices)), path(run, *PRICES))


class ReturnAutocorrelation(Measure):
    """Autocorrelation of the price's logarithmic returns at a lag of one step."""

    kind = "return-autocorrelation"

    def of(self, run: Run) -> xr.DataArray:
        return over_steps(lambda prices: autocorrelation(returns(prices), 1)[..., -1], path(run, *PRICES))


class VolatilityClustering(Measure):
    """Autocorrelation of the absolute logarithmic returns at a lag of one step."""

    kind = "volatility-clustering"

    def of(self, run: Run) -> xr.DataArray:
        return over_steps(lambda prices: autocorrelation(abs(returns(prices)), 1)[..., -1], path(run, *PRICES))

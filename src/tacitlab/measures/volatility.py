"""How much prices move, and how much of it the agents cause. Prices are (..., steps + 1), one path per session."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.measures.base import Measure, Run, over_steps, path

Floats = NDArray[np.float64]
PRICES = ("price", "mid", "last_price", "mean_price")  # what markets call theirs


def returns(prices: ArrayLike, *, logarithmic: bool = True) -> Floats:
    """One-step returns, (..., steps): ln P(t+1) - ln P(t), or P(t+1)/P(t) - 1.

    Raises
    ------
    TacitError
        If there are fewer than two prices, or one has no return: not above 0 (or, of simple returns, equal to 0).

    Examples
    --------
    >>> returns([100.0, 110.0, 99.0]), returns([100.0, 110.0, 99.0], logarithmic=False)
    (array([ 0.095, -0.105]), array([ 0.1, -0.1]))
    """
    path = _path(prices)
    wrong = path <= 0 if logarithmic else path[..., :-1] == 0
    if wrong.any():
        kind = "logarithm; ask for simple returns or differences" if logarithmic else "return: it is 0"
        raise TacitError(f"prices: {path[wrong.nonzero()][0]:g} ({wrong.sum()} such values) has no {kind}")
    if logarithmic:
        return np.diff(np.log(path), axis=-1)
    return np.asarray(path[..., 1:] / path[..., :-1] - 1)


def volatility(prices: ArrayLike, *, logarithmic: bool = True) -> Floats:
    """Standard deviation of the one-step returns of each path, (...): per step, drift not counted.

    It rewards markets in which nobody trades: report volume and welfare beside it, and holding as a baseline.

    Examples
    --------
    >>> volatility([[100.0, 110.0, 100.0, 110.0, 100.0], [100.0, 110.0, 121.0, 133.1, 146.41]])
    array([0.095, 0.   ])
    """
    return np.asarray(returns(prices, logarithmic=logarithmic).std(axis=-1))


def price_spread(prices: ArrayLike) -> Floats:
    """Standard deviation of each path around its own mean price, (...), currency.

    The square is the objective ``1/T sum (P(t) - mean P)²`` of the token-economy paper (7.1). It grows with the length
    of the path unless the price is stationary (sigma² (T² - 1)/(6 T) for a random walk), and with the price level.

    Examples
    --------
    >>> price_spread([[9.0, 11.0, 9.0, 11.0], [9.0, 9.0, 11.0, 11.0]])
    array([1., 1.])
    """
    return np.asarray(_path(prices).std(axis=-1))


def excess_volatility(net_orders: ArrayLike, impact: float) -> Floats:
    """What net orders add to the price's movement: ``alpha sqrt(E net²)``, (...), a return per step.

    Parameters
    ----------
    net_orders : (..., steps) array
        Purchases less sales, units.
    impact : float
        Relative change of the price for a unit of net order, alpha.

    Examples
    --------
    >>> excess_volatility([[2.0, -2.0, 0.0, 0.0]], 0.01)
    array([0.0141])
    """
    return np.asarray(impact * np.sqrt((np.asarray(net_orders, dtype=np.float64) ** 2).mean(axis=-1)))


@dataclass(frozen=True, eq=False)
class VarianceSplit:
    """Variance of one-step returns by origin; the three add up to ``total``. Arrays of shape (...), squared returns.

    Attributes
    ----------
    exogenous : array
        Variance of what net orders do not explain, sigma².
    endogenous : array
        alpha² Var(net).
    interaction : array
        Twice the covariance of both: 0 up to sampling error if noise comes after the orders, positive if agents follow
        what moves the price in the same step.
    """

    exogenous: Floats
    endogenous: Floats
    interaction: Floats

    @property
    def total(self) -> Floats:
        return self.exogenous + self.endogenous + self.interaction


def split_variance(found_returns: ArrayLike, net_orders: ArrayLike, impact: float) -> VarianceSplit:
    """Split the variance of returns r = alpha net + noise: ``Var r = sigma² + alpha² Var(net)``, and what they share.

    Parameters
    ----------
    found_returns : (..., steps) array
        As the market's law has them: simple returns for P' = P (1 + alpha net + noise), logarithmic ones for
        P' = P exp(alpha net + noise).
    net_orders : (..., steps) array
        Of the same steps.
    impact : float
        alpha.

    Examples
    --------
    >>> split = split_variance([[0.03, -0.01, 0.02, -0.02]], [[1.0, 1.0, -1.0, -1.0]], 0.01)
    >>> split.exogenous, split.endogenous, split.interaction, split.total
    (array([0.000425]), array([0.0001]), array([-0.0001]), array([0.000425]))
    """
    moved, pushed = np.asarray(found_returns, dtype=np.float64), impact * np.asarray(net_orders, dtype=np.float64)
    if moved.shape != pushed.shape:
        raise TacitError(f"net_orders: the shape {pushed.shape} differs from that of the returns, {moved.shape}")
    noise = moved - pushed
    both = ((noise - noise.mean(axis=-1, keepdims=True)) * pushed).mean(axis=-1)
    return VarianceSplit(noise.var(axis=-1), pushed.var(axis=-1), np.asarray(2 * both))


def _path(prices: ArrayLike) -> Floats:
    path = np.asarray(prices, dtype=np.float64)
    if path.ndim < 1 or path.shape[-1] < 2:
        raise TacitError(f"prices: the shape {path.shape} is too short; give (..., steps + 1), at least two")
    return path


class Volatility(Measure):
    """Standard deviation of the one-step logarithmic returns of the price, in the first episode of the test."""

    kind = "volatility"

    def of(self, run: Run) -> xr.DataArray:
        return over_steps(volatility, path(run, *PRICES))


class PriceSpread(Measure):
    """Standard deviation of the price around its own mean, in the first episode of the test."""

    kind = "price-spread"
    unit = "currency"

    def of(self, run: Run) -> xr.DataArray:
        return over_steps(price_spread, path(run, *PRICES))

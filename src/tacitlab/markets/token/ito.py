"""Stochastic differential equations with known laws, the Euler-Maruyama method, and facts about its linear relative.

dX = mu(X) dt + sigma(X) dW. Geometric Brownian motion: mu = drift X, sigma = volatility X. Ornstein-Uhlenbeck process:
mu = speed (level - X), sigma = volatility.
"""

from collections.abc import Callable
from math import ceil, exp, expm1, log, sqrt
from typing import Any, NamedTuple

import numpy as np

from tacitlab.errors import TacitError


class Law(NamedTuple):
    """Mean and variance of a process at a time."""

    mean: float
    variance: float


def geometric_brownian_motion(start: float, drift: float, volatility: float, time: float) -> Law:
    """Law of X_t for dX = drift X dt + volatility X dW; ln X_t is normal.

    Examples
    --------
    >>> geometric_brownian_motion(10.0, 0.05, 0.2, 1.0)
    Law(mean=10.5127, variance=4.51029)
    """
    mean = start * exp(drift * time)
    return Law(mean, mean**2 * expm1(volatility**2 * time))


def geometric_brownian_path(start: float, drift: float, volatility: float, time: Any, brownian: Any) -> Any:
    """X_t given the Brownian motion W_t: start exp((drift - volatility²/2) t + volatility W); numbers or arrays.

    Examples
    --------
    >>> import numpy as np
    >>> geometric_brownian_path(10.0, 0.05, 0.2, 1.0, np.array([-1.0, 0.0]))
    array([ 8.437, 10.305])
    """
    return start * np.exp((drift - volatility**2 / 2) * time + volatility * brownian)


def ornstein_uhlenbeck(start: float, level: float, speed: float, volatility: float, time: float) -> Law:
    """Law of X_t for dX = speed (level - X) dt + volatility dW, which is normal.

    Examples
    --------
    >>> ornstein_uhlenbeck(0.0, 1.0, 0.5, 0.3, 2.0)
    Law(mean=0.63212, variance=0.07782)
    """
    if speed == 0:
        return Law(start, volatility**2 * time)
    return Law(level + (start - level) * exp(-speed * time), -(volatility**2) * expm1(-2 * speed * time) / (2 * speed))


def euler_maruyama(
    drift: Callable[[Any], Any], volatility: Callable[[Any], Any], start: Any, increments: Any, dt: Any
) -> Any:
    """X after as many steps as there are increments: X' = X + drift(X) dt + volatility(X) dW.

    Parameters
    ----------
    drift, volatility : callable
        mu and sigma.
    start : number or (*shape) array
        NumPy or JAX.
    increments : (steps, *shape) array
        dW, normal with mean 0 and variance dt.
    dt : float
        Length of a step.

    Returns
    -------
    (*shape) array

    Notes
    -----
    It converges with weak order 1 and strong order 1/2 (1 if sigma is constant): P. Kloeden and E. Platen, "Numerical
    Solution of Stochastic Differential Equations" (1992), chapters 10 and 14.

    Examples
    --------
    Two steps without noise of X' = X + X/2, from 1:

    >>> import numpy as np
    >>> euler_maruyama(lambda x: x, lambda x: 0.3 * x, np.ones(1), np.zeros((2, 1)), 0.5)
    array([2.25])
    """
    value = start
    for increment in increments:
        value = value + drift(value) * dt + volatility(value) * increment
    return value


def recovery_steps(persistence: float, spike: float = 0.5, within: float = 0.05) -> int:
    """Steps that x' = persistence x needs from a spike to a tolerance: ceil(ln(within/spike)/ln persistence).

    Raises
    ------
    TacitError
        If the persistence does not lie between 0 and 1 (0 included), or the tolerance is not positive.

    Examples
    --------
    >>> recovery_steps(0.9), recovery_steps(0.0)
    (22, 1)
    """
    if not 0 <= persistence < 1:
        raise TacitError(f"persistence: {persistence} is out of bounds; give a number from 0 to below 1")
    if within <= 0:
        raise TacitError(f"within: {within} is too small; give a number above 0")
    if spike <= within:
        return 0
    return ceil(log(within / spike) / log(persistence) - 1e-12) if persistence else 1


def lyapunov_drift(deviation: Any, persistence: float, noise: float) -> Any:
    """E[x'² - x²] for x' = persistence x + noise xi: negative only outside of :func:`lyapunov_ball`.

    Examples
    --------
    >>> print(lyapunov_drift(2.0, 0.9, 1.0), lyapunov_drift(3.0, 0.9, 1.0))
    0.24 -0.71
    """
    return noise**2 - (1 - persistence**2) * deviation**2


def lyapunov_ball(persistence: float, noise: float) -> float:
    """Deviation up to which x² grows in expectation: noise/sqrt(1 - persistence²), the stationary standard deviation.

    References
    ----------
    S. Meyn and R. Tweedie, "Markov Chains and Stochastic Stability" (2009), on Foster-Lyapunov drift.

    Examples
    --------
    >>> print(lyapunov_ball(0.9, 1.0))
    2.294
    """
    return noise / sqrt(1 - persistence**2)

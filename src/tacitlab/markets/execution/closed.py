"""Equilibrium schedules of the optimal execution game in closed form: risk-neutral discrete, and continuous time."""

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.errors import TacitError
from tacitlab.markets.execution.quadratic import Floats


def geometric_nash(
    inventories: ArrayLike, steps: int = 10, temporary: float = 0.002, permanent: float = 0.001, same_step: float = 0.0
) -> Floats:
    """Equilibrium under constant Almgren-Chriss impact, without risk aversion, with trades of any sign.

    ``v_i = x geo(r_s) + (q_i - x) geo(r_d)`` with the mean inventory x, where ``geo(r)_t`` is proportional to
    ``r**t`` and adds up to 1, ``r_s = 1 - (n-1) kappa / (2 alpha - kappa + (n-1) theta)`` and
    ``r_d = 1 + kappa / (2 alpha - kappa - theta)``.

    Parameters
    ----------
    inventories : (agents,) array
        Shares to sell.
    steps : int
        Number of trades.
    temporary, permanent : float
        alpha (divided by the time a step) and kappa, currency per share squared.
    same_step : float
        theta, what a share takes off the price that the others receive in the same step: 0 if agents trade
        simultaneously, ``permanent / 2`` with a coin toss, plus ``temporary`` if temporary impact is shared.

    Returns
    -------
    (agents, steps, 1) array
        Shares sold.

    Raises
    ------
    TacitError
        If the equilibrium conditions are singular: a ratio is infinite or -1 to an even power.

    Notes
    -----
    Derived from the first-order conditions, whose differences between neighbouring steps do not depend on the rest of
    the schedule; equal to :func:`tacitlab.markets.execution.liquidation.nash` to rounding.

    Examples
    --------
    >>> geometric_nash([100, 100])[0, :, 0].round(3)
    array([33.922, 22.614, 15.076, 10.051,  6.701,  4.467,  2.978,  1.985,
            1.324,  0.882])
    """
    inventories = np.asarray(inventories, dtype=float)
    others, mean = len(inventories) - 1, inventories.mean()
    common = _geometric(2 * temporary - permanent + others * same_step, -others * permanent, steps)
    schedules = np.tile(mean * common, (len(inventories), 1))
    if (inventories != mean).any():
        apart = _geometric(2 * temporary - permanent - same_step, permanent, steps)
        schedules = schedules + np.outer(inventories - mean, apart)
    return np.asarray(schedules[..., None])


def schied_zhang_inventory(
    times: ArrayLike,
    inventories: ArrayLike,
    horizon: float = 10.0,
    temporary: float = 0.002,
    permanent: float = 0.001,
    *,
    risk_aversion: float = 0.0,
    volatility: float = 0.0,
) -> Floats:
    """Equilibrium in continuous time with shared temporary impact: what each agent still holds.

    With the mean inventory x, ``X_i(t) = x Sigma(t) + (q_i - x) Delta(t)``, ::

        Sigma(t) = exp(-(n-1) kappa t / (2 (n+1) alpha)) sinh((T-t) a) / sinh(T a)
        a        = sqrt((n-1)**2 kappa**2 + 8 (n+1) alpha lambda sigma**2) / (2 (n+1) alpha)
        Delta(t) = exp(kappa t / (2 alpha)) sinh((T-t) b) / sinh(T b)
        b        = sqrt(kappa**2 + 8 alpha lambda sigma**2) / (2 alpha)

    Parameters
    ----------
    times : (times,) array
        Within [0, horizon].
    inventories : (agents,) array
        Shares to sell.
    horizon : float
        Time T at which all is sold.
    temporary, permanent : float
        alpha, currency times time per share squared, and kappa, currency per share squared.
    risk_aversion : float
        lambda: agents minimise ``E[cost] + lambda Var[cost]``, as in the discrete game.
    volatility : float
        sigma, currency per square root of time.

    Returns
    -------
    (agents, times) array
        Shares held.

    Raises
    ------
    TacitError
        If a number is out of bounds.

    Notes
    -----
    A. Schied and T. Zhang, "A state-constrained differential game arising in optimal portfolio liquidation",
    arXiv 1312.7360, for two agents; they weigh the variance by lambda / 2, hence the factors 8 instead of 4. Solves
    ``2 lambda sigma**2 X_i - 2 alpha X_i'' = sum_{j != i} (kappa X_j' + alpha X_j'')``.

    Examples
    --------
    >>> schied_zhang_inventory([0, 5, 10], [100, 100]).round(3)
    array([[100.   ,  30.294,   0.   ],
           [100.   ,  30.294,   0.   ]])
    """
    times, held = np.asarray(times, dtype=float), np.asarray(inventories, dtype=float)
    for name, value in (("horizon", horizon), ("temporary", temporary)):
        if not value > 0:
            raise TacitError(f"{name}: {value} is too small; it must be above 0")
    for name, value in (("permanent", permanent), ("risk_aversion", risk_aversion), ("volatility", volatility)):
        if not value >= 0:
            raise TacitError(f"{name}: {value} is too small; it must be 0 or more")
    if times.min() < 0 or times.max() > horizon:
        raise TacitError(f"times: {times.min():g} to {times.max():g} leaves [0, {horizon:g}]")
    others, mean, risk = len(held) - 1, held.mean(), 8 * temporary * risk_aversion * volatility**2
    width = 2 * (others + 2) * temporary
    rate = np.sqrt((others * permanent) ** 2 + (others + 2) * risk) / width
    common = _sinh_ratio(times, horizon, rate, -others * permanent / width)
    rate = np.sqrt(permanent**2 + risk) / (2 * temporary)
    apart = _sinh_ratio(times, horizon, rate, permanent / (2 * temporary))
    return np.asarray(mean * common + np.outer(held - mean, apart))


def schied_zhang(inventories: ArrayLike, steps: int = 10, horizon: float | None = None, **impact: float) -> Floats:
    """The continuous equilibrium cut into steps: what is sold between ``t horizon / steps`` and the next time.

    This is the "Nash equilibrium" of Macrì and Lillo (arXiv 2408.11773). In their discrete game, where temporary
    impact is one's own, it is none.

    Parameters
    ----------
    inventories : (agents,) array
        Shares to sell.
    steps : int
        Number of trades.
    horizon : float, optional
        One unit of time a step by default.
    **impact
        ``temporary``, ``permanent``, ``risk_aversion``, ``volatility`` of :func:`schied_zhang_inventory`.

    Returns
    -------
    (agents, steps, 1) array
        Shares sold.

    Examples
    --------
    >>> schied_zhang([100, 100])[0, :, 0].round(3)
    array([18.927, 16.021, 13.562, 11.48 ,  9.717,  8.225,  6.963,  5.894,
            4.989,  4.223])
    """
    horizon = float(steps) if horizon is None else horizon
    held = schied_zhang_inventory(np.linspace(0, horizon, steps + 1), inventories, horizon, **impact)
    return np.asarray(-np.diff(held, axis=1)[..., None])


def _geometric(base: float, growth: float, steps: int) -> Floats:
    """Powers of ``1 + growth / base`` that add up to 1, (steps,)."""
    numerator, largest = base + growth, max(abs(base), abs(base + growth))
    if largest == 0:
        raise TacitError("temporary, permanent: the equilibrium conditions are singular; change one a little")
    # Powers of both, so that neither a large ratio nor an infinite one overflows.
    powers = np.arange(steps)
    terms = (numerator / largest) ** powers * (base / largest) ** powers[::-1]
    total = terms.sum()
    if abs(total) < 1e-12:
        raise TacitError("temporary, permanent: the equilibrium conditions are singular; change one a little")
    return np.asarray(terms / total)


def _sinh_ratio(times: Floats, horizon: float, rate: float, drift: float) -> Floats:
    """``exp(drift times) sinh((horizon - times) rate) / sinh(horizon rate)``, any rate >= 0, drift <= rate."""
    if rate * horizon < 1e-9:
        return 1 - times / horizon
    decay = -np.expm1(-2 * (horizon - times) * rate) / -np.expm1(-2 * horizon * rate)
    return np.asarray(np.exp(times * (drift - rate)) * decay)

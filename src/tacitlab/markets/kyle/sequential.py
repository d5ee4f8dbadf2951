"""Kyle's sequential auctions: a value drawn once, several auctions, insiders who trade slowly to hide it.

In auction n each insider orders ``b_n (v - p_{n-1})`` with ``b_n = beta_n dt``, noise traders
``u_n ~ N(0, sigma_u² dt)``, and the price moves by ``lambda_n y_n``. The whole day has the noise of a single auction:
dt = 1/auctions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Day:
    """The equilibrium of sequential auctions.

    Attributes
    ----------
    orders : (auctions,) array
        ``b_n``: order of each insider for a unit of ``v - p_{n-1}``.
    impacts : (auctions,) array
        lambda_n.
    variances : (auctions + 1,) array
        Sigma_0 to Sigma_N: what is not known of the value, before the first auction and after each.
    values : (auctions + 1,) array
        alpha_0 to alpha_N: an insider's expected profit after auction n is ``alpha_n (v - p_n)² + delta_n``.
    constants : (auctions + 1,) array
        delta_0 to delta_N.
    """

    orders: Floats
    impacts: Floats
    variances: Floats
    values: Floats
    constants: Floats

    @property
    def profit(self) -> float:
        """Expected profit of an insider over all auctions, ``alpha_0 Sigma_0 + delta_0``."""
        return float(self.values[0] * self.variances[0] + self.constants[0])


def equilibrium(auctions: int, insiders: int = 1, value_sd: float = 1.0, noise_sd: float = 1.0) -> Day:
    """The linear equilibrium of sequential auctions, by backward recursion.

    With ``q = 1 - 2 alpha_n lambda_n`` and ``k = 1 + N q``, in auction n::

        lambda_n² sigma_u² dt / Sigma_n = N q / k        (the maker's price is the expected value)
        b_n = q / (lambda_n k)                           (every insider replies best)
        alpha_{n-1} = (1 - alpha_n lambda_n) / (lambda_n k²)
        delta_{n-1} = delta_n + alpha_n lambda_n² sigma_u² dt
        Sigma_{n-1} = k Sigma_n

    and alpha = delta = 0 after the last. For N = 1 these are Kyle's equations.

    Parameters
    ----------
    auctions, insiders : int
    value_sd, noise_sd : float
        sqrt(Sigma_0), and sigma_u of the whole day.

    Notes
    -----
    Kyle shoots at the last Sigma for the first. That is not needed: if all Sigma are multiplied by c, lambda becomes
    ``sqrt(c) lambda`` and alpha ``alpha / sqrt(c)``, and all equations still hold. So the recursion runs once from
    Sigma_N = 1 and is scaled.

    References
    ----------
    A. Kyle, Econometrica 53 (1985) 1315-1335, theorem 2; C. Holden and A. Subrahmanyam, J. Finance 47 (1992) 247-270,
    proposition 1 (several insiders).

    Examples
    --------
    >>> day = equilibrium(4)
    >>> day.impacts, day.profit
    (array([0.765, 0.757, 0.737, 0.664]), 0.7307)
    >>> equilibrium(1).orders, equilibrium(1).impacts, equilibrium(1).profit
    (array([1.]), array([0.5]), 0.5)
    """
    if auctions < 1 or insiders < 1:
        raise TacitError("auctions, insiders: there must be at least 1 of each")
    if not (value_sd > 0 and noise_sd > 0):
        raise TacitError("value_sd, noise_sd: they must be above 0; give positive numbers")
    noise = noise_sd**2 / auctions
    orders, impacts = np.zeros(auctions), np.zeros(auctions)
    variances, values, constants = np.ones(auctions + 1), np.zeros(auctions + 1), np.zeros(auctions + 1)
    for n in range(auctions - 1, -1, -1):
        alpha, left = values[n + 1], variances[n + 1]
        impact = _impact(alpha, noise / left, insiders)
        q = 1 - 2 * alpha * impact
        k = 1 + insiders * q
        orders[n], impacts[n] = q / (impact * k), impact
        values[n] = (1 - alpha * impact) / (impact * k**2)
        constants[n] = constants[n + 1] + alpha * impact**2 * noise
        variances[n] = k * left
    scale = value_sd / np.sqrt(variances[0])
    return Day(orders / scale, impacts * scale, variances * scale**2, values / scale, constants * scale)


def _impact(alpha: float, noise: float, insiders: int) -> float:
    """The only root with 2 alpha lambda < 1, where profits are concave: one side rises in lambda, the other falls."""
    if alpha == 0:
        return float(np.sqrt(insiders / (insiders + 1) / noise))
    from scipy.optimize import brentq

    def excess(impact: float) -> float:
        q = 1 - 2 * alpha * impact
        return impact**2 * noise * (1 + insiders * q) - insiders * q

    return float(brentq(excess, 0.0, 1 / (2 * alpha), xtol=1e-15, rtol=1e-14))


# --- any linear play ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayOutcome:
    """What linear play brings.

    Attributes
    ----------
    profits : (insiders,) array
        Expected, over all auctions.
    errors : (auctions + 1,) array
        ``E (v - p_n)²`` before the first auction and after each.
    """

    profits: Floats
    errors: Floats


def evaluate(orders: ArrayLike, impacts: ArrayLike, value_sd: float = 1.0, noise_sd: float = 1.0) -> DayOutcome:
    """Expected profits and pricing errors of any linear play.

    Parameters
    ----------
    orders : (auctions, insiders) array
        ``b_n``, one for each insider; (auctions,) for a single one.
    impacts : (auctions,) array
        lambda_n.
    value_sd, noise_sd : float

    Examples
    --------
    >>> day = equilibrium(3)
    >>> found = evaluate(day.orders, day.impacts)
    >>> bool(np.isclose(found.profits[0], day.profit)), bool(np.allclose(found.errors, day.variances))
    (True, True)
    """
    each, slopes = _by_insider(orders), np.asarray(impacts, dtype=np.float64)
    noise = noise_sd**2 / len(slopes)
    errors, profits = np.empty(len(slopes) + 1), np.zeros(each.shape[1])
    errors[0] = value_sd**2
    for n, impact in enumerate(slopes):
        left = 1 - impact * each[n].sum()
        profits += each[n] * left * errors[n]
        errors[n + 1] = left**2 * errors[n] + impact**2 * noise
    return DayOutcome(profits, errors)


def best_orders(
    impacts: ArrayLike, others: ArrayLike | None = None, value_sd: float = 1.0, noise_sd: float = 1.0
) -> tuple[Floats, float]:
    """An insider's best reply to linear play, and its profit: dynamic programming backwards.

    The best order is linear in ``v - p_{n-1}`` among all functions of what has happened.

    Parameters
    ----------
    impacts : (auctions,) array
        lambda_n, above 0.
    others : (auctions,) array, optional
        Sum of the other insiders' ``b_n``.
    value_sd, noise_sd : float

    Raises
    ------
    TacitError
        If pushing the price now and trading against it later would earn without bound.

    Examples
    --------
    >>> day = equilibrium(3)
    >>> orders, profit = best_orders(day.impacts)
    >>> bool(np.allclose(orders, day.orders)), bool(np.isclose(profit, day.profit))
    (True, True)
    """
    slopes = np.asarray(impacts, dtype=np.float64)
    rest = np.zeros_like(slopes) if others is None else np.asarray(others, dtype=np.float64)
    noise, found = noise_sd**2 / len(slopes), np.zeros_like(slopes)
    alpha = delta = 0.0
    for n in range(len(slopes) - 1, -1, -1):
        impact, seen = slopes[n], 1 - slopes[n] * rest[n]  # what the others leave of v - p
        if not impact * (1 - alpha * impact) > 0:
            raise TacitError(f"impacts: {impact:.4g} in auction {n + 1} lets an insider earn without bound; raise it")
        found[n] = seen * (1 - 2 * alpha * impact) / (2 * impact * (1 - alpha * impact))
        left = seen - impact * found[n]
        delta += alpha * impact**2 * noise
        alpha = found[n] * left + alpha * left**2
    return found, float(alpha * value_sd**2 + delta)


def best_impacts(orders: ArrayLike, value_sd: float = 1.0, noise_sd: float = 1.0) -> Floats:
    """Price slopes that make every price the expected value given all flows, (auctions,): the Kalman filter.

    They minimise the pricing error of every auction at once.

    Examples
    --------
    >>> day = equilibrium(3)
    >>> bool(np.allclose(best_impacts(day.orders), day.impacts))
    True
    """
    total = _by_insider(orders).sum(axis=1)
    noise, left = noise_sd**2 / len(total), value_sd**2
    found = np.zeros_like(total)
    for n, slope in enumerate(total):
        found[n] = slope * left / (slope**2 * left + noise)
        left *= 1 - found[n] * slope
    return found


def exploitability(orders: ArrayLike, impacts: ArrayLike, value_sd: float = 1.0, noise_sd: float = 1.0) -> Floats:
    """What each insider, and last the maker, gains by the best reply of all: (insiders + 1,).

    The maker counts the sum of his squared pricing errors over all auctions.

    Examples
    --------
    >>> day = equilibrium(3)
    >>> bool(exploitability(day.orders, day.impacts).max() < 1e-12)
    True
    """
    each = _by_insider(orders)
    now, total = evaluate(each, impacts, value_sd, noise_sd), each.sum(axis=1)
    gains = [
        best_orders(impacts, total - each[:, i], value_sd, noise_sd)[1] - now.profits[i] for i in range(each.shape[1])
    ]
    better = evaluate(each, best_impacts(each, value_sd, noise_sd), value_sd, noise_sd)
    return np.array([*gains, float(np.sum(now.errors - better.errors))])


def _by_insider(orders: ArrayLike) -> Floats:
    each = np.asarray(orders, dtype=np.float64)
    return each[:, None] if each.ndim == 1 else each

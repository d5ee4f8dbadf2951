r"""Quotes of a single inventory-averse market maker in continuous time: closed forms.

The mid price is a Brownian motion of volatility sigma. Customers on each side arrive at the rate lambda and trade with
a maker who quotes the half-spread delta with probability exp(-kappa delta). The maker holds q lots, pays phi q^2 a unit
of time and alpha q^2 at the end T, quotes nothing that would take it beyond q_max lots, and maximises expected gain
(Cartea and Jaimungal), or expected exponential utility with risk aversion gamma (Avellaneda and Stoikov).

Both are one linear equation. With theta(t, q) the certainty equivalent of what is still to come and
v = exp(kappa theta),

    dv_q/dt = kappa (phi + gamma sigma^2 / 2) q^2 v_q - eta (v_{q-1} + v_{q+1}),   v_q(T) = exp(-kappa alpha q^2),

where eta = lambda (1 + gamma/kappa)^(-(1 + kappa/gamma)), which is lambda/e without risk aversion.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]

SMALL = 1e-8  # relative risk aversion below which its limit 0 is more accurate


def least_spread(decay: float, risk_aversion: float = 0.0) -> float:
    """Half-spread of a maker to whom inventory makes no difference, ``ln(1 + gamma/kappa)/gamma``; ``1/kappa`` at 0.

    Parameters
    ----------
    decay : float
        kappa, 1/currency.
    risk_aversion : float
        gamma, 1/currency.

    Examples
    --------
    >>> print(round(least_spread(1.5), 4), round(least_spread(1.5, 0.1), 4))
    0.6667 0.6454
    """
    ratio = risk_aversion / decay
    return (math.log1p(ratio) / ratio if ratio > SMALL else 1 - ratio / 2) / decay


def avellaneda_stoikov(
    inventory: ArrayLike, left: ArrayLike, risk_aversion: float, volatility: float, decay: float
) -> Floats:
    r"""The approximate quotes of Avellaneda and Stoikov.

    Around the reservation price ``s - q gamma sigma^2 (T - t)`` the total spread is
    ``gamma sigma^2 (T - t) + (2/gamma) ln(1 + gamma/kappa)``.

    Parameters
    ----------
    inventory : (...) array
        q, lots.
    left : (...) array
        T - t, time.
    risk_aversion, volatility, decay : float
        gamma, 1/currency; sigma, currency/sqrt(time); kappa, 1/currency.

    Returns
    -------
    (..., 2) array
        Half-spreads from the mid price: of the bid, of the ask; currency.

    References
    ----------
    M. Avellaneda and S. Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8(3), 2008,
    217-224, eqs. 29 and 30.

    Examples
    --------
    >>> avellaneda_stoikov([0, 2], 1.0, 0.1, 2.0, 1.5)
    array([[0.8454, 0.8454], [1.6454, 0.0454]])
    """
    q, left = np.broadcast_arrays(np.asarray(inventory, dtype=np.float64), np.asarray(left, dtype=np.float64))
    variance = risk_aversion * volatility**2 * left
    half = variance / 2 + least_spread(decay, risk_aversion)
    return np.stack([half + q * variance, half - q * variance], axis=-1)


def symmetric(inventory: ArrayLike, left: ArrayLike, risk_aversion: float, volatility: float, decay: float) -> Floats:
    """The total spread of :func:`avellaneda_stoikov` around the mid price, whatever the inventory.

    Examples
    --------
    >>> symmetric([0, 2], 1.0, 0.1, 2.0, 1.5)
    array([[0.8454, 0.8454], [0.8454, 0.8454]])
    """
    skewed = avellaneda_stoikov(inventory, left, risk_aversion, volatility, decay)
    return np.repeat(skewed.mean(axis=-1, keepdims=True), 2, axis=-1)


@dataclass(frozen=True)
class ContinuousMaker:
    r"""The exact optimum in continuous time, by a matrix exponential.

    Attributes
    ----------
    arrivals : float
        lambda, customers on each side, 1/time.
    decay : float
        kappa, 1/currency.
    running, terminal : float
        phi, currency/(lot² time), and alpha, currency/lot².
    horizon : float
        T, time.
    cap : int
        q_max, lots.
    risk_aversion, volatility : float
        gamma, 1/currency, and sigma, currency/sqrt(time), which matters only beside gamma.

    Notes
    -----
    A quote may be negative, so that more customers come than arrive: ``lambda exp(-kappa delta)`` is a rate.

    References
    ----------
    Á. Cartea, S. Jaimungal and J. Penalva, *Algorithmic and High-Frequency Trading*, Cambridge 2015, section 10.2;
    O. Guéant, C.-A. Lehalle and J. Fernandez-Tapia, "Dealing with the inventory risk", Mathematics and Financial
    Economics 7, 2013, 477-507 (exponential utility).

    Examples
    --------
    >>> maker = ContinuousMaker(arrivals=50, decay=1.5, running=0.5, terminal=0.01, horizon=1, cap=10)
    >>> print(round(maker.values()[10], 4))
    22.2686
    >>> maker.quotes()[[8, 10, 12]]  # bid and ask with -2, 0 and 2 lots
    array([[0.4575..., 1.0125...],
           [0.7366..., 0.7366...],
           [1.0125..., 0.4575...]])
    """

    arrivals: float
    decay: float
    running: float = 0.0
    terminal: float = 0.0
    horizon: float = 1.0
    cap: int = 10
    risk_aversion: float = 0.0
    volatility: float = 0.0

    def __post_init__(self) -> None:
        for name in ("arrivals", "decay", "horizon"):
            if not getattr(self, name) > 0:
                raise TacitError(f"{name}: {getattr(self, name)} is out of bounds; it must be above 0")
        for name in ("running", "terminal", "risk_aversion", "volatility"):
            if not getattr(self, name) >= 0:
                raise TacitError(f"{name}: {getattr(self, name)} is out of bounds; it must be at least 0")
        if self.cap < 1:
            raise TacitError(f"cap: {self.cap} is too small; it must be at least 1")

    @property
    def inventories(self) -> NDArray[np.int64]:
        """All inventories in lots, ascending: (2 cap + 1,)."""
        return np.arange(-self.cap, self.cap + 1)

    @property
    def flow(self) -> float:
        """eta: what a unit of time adds to v from each neighbour."""
        ratio = self.risk_aversion / self.decay
        power = (1 + 1 / ratio) * math.log1p(ratio) if ratio > SMALL else 1 + ratio / 2
        return self.arrivals * math.exp(-power)

    @cached_property
    def matrix(self) -> Floats:
        """The generator A, tridiagonal: dv/dt = -A v."""
        q = self.inventories.astype(np.float64)
        cost = self.decay * (self.running + self.risk_aversion * self.volatility**2 / 2)
        near = np.eye(len(q), k=1) + np.eye(len(q), k=-1)
        return np.asarray(self.flow * near - np.diag(cost * q**2))

    @property
    def last(self) -> Floats:
        """v at the end, (inventories,)."""
        return np.exp(-self.decay * self.terminal * self.inventories.astype(np.float64) ** 2)

    def values(self, time: float = 0.0) -> Floats:
        """Certainty equivalent of what is still to come with each inventory, (inventories,), currency."""
        from scipy.linalg import expm

        return np.asarray(np.log(expm(self.matrix * (self.horizon - time)) @ self.last) / self.decay)

    def quotes(self, time: float = 0.0) -> Floats:
        """Optimal half-spreads with each inventory, (inventories, 2): bid and ask; infinite where none is quoted."""
        return self._quotes(self.values(time))

    def schedule(self, steps: int) -> Floats:
        """Optimal half-spreads at the beginnings of so many equal steps, (steps, inventories, 2)."""
        from scipy.linalg import expm

        step, v, level, found = expm(self.matrix * self.horizon / steps), self.last, 0.0, []
        for _ in range(steps):
            v = step @ v
            level, v = level + np.log(v.max()), v / v.max()
            found.append(self._quotes((np.log(v) + level) / self.decay))
        return np.stack(found[::-1])

    def _quotes(self, theta: Floats) -> Floats:
        base, found = least_spread(self.decay, self.risk_aversion), np.full((len(theta), 2), np.inf)
        found[:-1, 0] = base - np.diff(theta)
        found[1:, 1] = base + np.diff(theta)
        return found

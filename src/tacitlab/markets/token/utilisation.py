"""Who uses how much of a resource with limited capacity: first best, price-taking and strategic users.

User i gains ``theta_i q_i - q_i²/2`` from a quantity and pays ``p q_i``, where the price p = f(sum q) rises with use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]
Price = Callable[[Any], Any]  # of a number or an array
METHOD = "first-order conditions, root of one equation"
GRID = 201  # totals that are compared before the best is refined


@dataclass(frozen=True)
class Allocation:
    """Who gets how much.

    Attributes
    ----------
    quantities : (users,) array
    price : float
        The price at which users would choose these quantities; what they pay for them, except in the first best.
    welfare : float
        Sum of ``theta_i q_i - q_i²/2``: what they pay goes to somebody else.
    method : str
    """

    quantities: Floats
    price: float
    welfare: float
    method: str = METHOD

    @property
    def total(self) -> float:
        """Quantity that is used."""
        return float(self.quantities.sum())


def welfare(tastes: Floats, quantities: Floats) -> float:
    """Sum of ``theta_i q_i - q_i²/2`` over users."""
    return float(np.sum(tastes * quantities - quantities**2 / 2))


def payoffs(tastes: Floats, quantities: Floats, price: float) -> Floats:
    """What each user gains, less what it pays: (users,)."""
    return tastes * quantities - quantities**2 / 2 - price * quantities


def first_best(tastes: Floats, capacity: float) -> Allocation:
    """The allocation of at most ``capacity`` with the greatest welfare: q_i = max(theta_i - p, 0), p >= 0.

    Parameters
    ----------
    tastes : (users,) array
        theta.
    capacity : float
        Above 0.

    Notes
    -----
    p is the price of capacity: 0 if it is not scarce (Karush, Kuhn and Tucker).

    Examples
    --------
    >>> tastes = np.random.default_rng(1).uniform(0, 2, 100)
    >>> print(first_best(tastes, 50).price)
    0.6155
    """
    return _chosen(tastes, _root(lambda p: float(np.maximum(tastes - p, 0).sum()) - capacity, float(tastes.max())))


def price_taking(tastes: Floats, price: Price, capacity: float) -> Allocation:
    """Everybody chooses q_i = max(theta_i - p, 0) at the price p = f(sum q) that results.

    Where users would want more than there is at the price of full use, the price rises until they do not.

    Parameters
    ----------
    tastes : (users,) array
    price : callable
        f, not falling.
    capacity : float

    Examples
    --------
    >>> tastes = np.random.default_rng(1).uniform(0, 2, 100)
    >>> found = price_taking(tastes, lambda q: 2 / (1 + np.exp(-0.1 * (q - 50))), 50)
    >>> print(found.total / 50, found.welfare / first_best(tastes, 50).welfare)
    0.879 0.926
    """

    def excess(p: float) -> float:
        wanted = float(np.maximum(tastes - p, 0).sum())
        return float(price(min(wanted, capacity))) - p if wanted <= capacity else wanted - capacity

    return _chosen(tastes, _root(excess, max(float(tastes.max()), float(price(0.0)))))


def nash(tastes: Floats, price: Price, slope: Price, capacity: float) -> Allocation:
    """Everybody also counts what its own use does to its price: q_i = max(theta_i - p, 0)/(1 + f'(sum q)).

    Parameters
    ----------
    tastes : (users,) array
    price, slope : callable
        f, not falling, and its derivative.
    capacity : float

    Raises
    ------
    TacitError
        If users would want more than there is: whom the shortage hits is then a matter of rules.

    Notes
    -----
    First-order conditions (Cournot). Where f is not convex they need not be an equilibrium: :func:`regret` tells.

    Examples
    --------
    Two users with theta = 1 at the price f(Q) = Q, so that 1 - q - 2q - q = 0:

    >>> nash(np.ones(2), lambda q: q, lambda q: 1.0, 5.0).quantities
    array([0.25, 0.25])
    """

    def excess(total: float) -> float:
        return float(np.maximum(tastes - price(total), 0).sum() / (1 + slope(total))) - total

    if excess(capacity) > 0:
        raise TacitError(f"capacity: {capacity:g} is less than what users want together; give more")
    from scipy.optimize import brentq

    total = float(brentq(excess, 0.0, capacity, xtol=1e-14, rtol=1e-14)) if excess(0.0) > 0 else 0.0
    found = np.maximum(tastes - price(total), 0) / (1 + slope(total))
    return Allocation(found, float(price(total)), welfare(tastes, found))


def regret(tastes: Floats, quantities: Floats, price: Price, capacity: float, points: int = 2001) -> float:
    """Most that any user gains by another quantity, on a grid, while the others keep theirs; 0 in an equilibrium."""
    rest = quantities.sum() - quantities
    tried = np.linspace(0, 1, points)[:, None] * np.minimum(np.maximum(tastes, 0), capacity - rest)
    prices = price(rest + tried)
    now = payoffs(tastes, quantities, float(price(float(quantities.sum()))))
    return float(max((tastes * tried - tried**2 / 2 - prices * tried - now).max(), 0.0))


def joint_optimum(tastes: Floats, price: Price, capacity: float) -> Allocation:
    """The quantities at which all users together gain most after paying: they count what each does to all prices.

    The total is found by search, so that f need not be convex; given it, shares are efficient.

    Examples
    --------
    Two users with theta = 1 at the price f(Q) = Q gain 2q - q² - 4q² together, most at q = 1/5:

    >>> joint_optimum(np.ones(2), lambda q: q, 5.0).quantities
    array([0.2, 0.2])
    """

    def loss(total: float) -> float:
        found = first_best(tastes, total)
        return float(price(found.total)) * found.total - found.welfare

    most = min(capacity, float(np.maximum(tastes, 0).sum()))
    grid = np.linspace(0, most, GRID)
    best = int(np.argmin([loss(total) for total in grid[1:]])) + 1
    around = (grid[best - 1], grid[min(best + 1, GRID - 1)])
    from scipy.optimize import minimize_scalar

    found = float(minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-10}).x)
    return first_best(tastes, min(found, float(grid[best]), key=loss))


def _root(excess: Price, highest: float) -> float:
    """The price from 0 to a highest one from which on the excess is not positive."""
    if excess(0.0) <= 0:
        return 0.0
    from scipy.optimize import brentq

    return float(brentq(excess, 0.0, highest, xtol=1e-14, rtol=1e-14))


def _chosen(tastes: Floats, price: float) -> Allocation:
    quantities = np.maximum(tastes - price, 0)
    return Allocation(quantities, price, welfare(tastes, quantities))

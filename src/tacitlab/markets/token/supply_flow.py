"""How an exogenous supply moves in a step: the joint distribution of supplies before and after, as weighted points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]

NODES = 24  # of the Gauss-Hermite quadrature, in each of two dimensions


@dataclass(frozen=True, eq=False)
class Flow:
    """Steps of a supply, each with its probability; made by :func:`ar1_flow` or :func:`path_flow`.

    Attributes
    ----------
    before, after : (pairs,) arrays
        Supply before and after a step, tokens.
    weights : (pairs,) array
        Probabilities; they add up to 1.
    """

    before: Floats
    after: Floats
    weights: Floats

    def volatility(self, logarithm: Callable[[Floats], Floats]) -> float:
        """Standard deviation of the change in a step of a function of the supply."""
        change = logarithm(self.after) - logarithm(self.before)
        mean = self.weights @ change
        return float(np.sqrt(self.weights @ (change - mean) ** 2))


def ar1_flow(supply: float, spread: float, persistence: float, nodes: int = NODES) -> Flow:
    """A supply whose logarithm is a stationary Gaussian AR(1) process: it never falls to 0.

    Parameters
    ----------
    supply : float
        S_ref, the median, tokens.
    spread : float
        Standard deviation of ln S: for small ones that of S/S_ref.
    persistence : float
        phi, from 0 to below 1.
    nodes : int
        Expected values become sums over ``nodes²`` pairs (Gauss-Hermite quadrature): without sampling error.

    Examples
    --------
    The volatility of a curve f = S is that of the supply, ``spread sqrt(2 (1 - phi))``.

    >>> flow = ar1_flow(100.0, 0.2, 0.9)
    >>> round(flow.volatility(np.log), 4), round(0.2 * 0.2**0.5, 4)
    (0.0894, 0.0894)
    """
    if not supply > 0 or not spread > 0 or not 0 <= persistence < 1:
        raise TacitError("ar1_flow: supply and spread must be above 0, persistence in [0, 1)")
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    first, second = (grid.ravel() for grid in np.meshgrid(points, points, indexing="ij"))
    after = persistence * first + np.sqrt(1 - persistence**2) * second
    return Flow(supply * np.exp(spread * first), supply * np.exp(spread * after), np.outer(weights, weights).ravel())


def path_flow(supplies: ArrayLike) -> Flow:
    """All steps of sample paths (..., steps + 1), equally weighted.

    Examples
    --------
    >>> path_flow([[90.0, 100.0, 110.0]]).before
    array([ 90., 100.])
    """
    paths = np.asarray(supplies, dtype=np.float64)
    if paths.ndim < 1 or paths.shape[-1] < 2 or not np.all(paths >= 0):
        raise TacitError(f"supplies: the shape {paths.shape} is wrong or a supply is negative; give (..., steps + 1)")
    before = paths[..., :-1].ravel()
    return Flow(before, paths[..., 1:].ravel(), np.full(before.size, 1 / before.size))

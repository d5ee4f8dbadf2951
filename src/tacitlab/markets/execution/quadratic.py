"""Quadratic programs and variational inequalities where groups of variables add up to given totals.

Every solver here works on ``m`` variables that fall into groups of equal size: the trades of one agent in one asset,
say, which must add up to its inventory. Either that is all, or no variable may be negative as well. SciPy is imported
where it is needed: it is slow to load.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ROUNDING = 1e-12  # relative error of what would be equal in exact arithmetic
ROUND = 200  # extragradient steps before the exact solution is tried
ROUNDS = 100  # rounds before a variational inequality is given up
CHUNK = 1 << 12  # supports solved at once


@dataclass(frozen=True, eq=False)
class Totals:
    """What the variables of each group must add up to.

    Attributes
    ----------
    members : (groups, size) int array
        Indices of the variables in each group; every variable lies in one group.
    amounts : (groups,) array
        The totals, not negative where variables must not be.
    """

    members: Indices
    amounts: Floats

    @property
    def group(self) -> Indices:
        """Group of each variable, (m,)."""
        group = np.empty(self.members.size, dtype=np.int64)
        group[self.members] = np.arange(len(self.members))[:, None]
        return group

    @property
    def even(self) -> Floats:
        """Totals spread evenly over their groups, (m,)."""
        return (self.amounts / self.members.shape[1])[self.group]

    @property
    def rows(self) -> Floats:
        """The constraints' matrix of ones and zeros, (groups, m)."""
        return (self.group == np.arange(len(self.members))[:, None]).astype(float)


def tangent(totals: Totals) -> Floats:
    """Orthonormal directions that change no total, (m, m - groups)."""
    size = totals.members.shape[1]
    helmert = np.triu(np.ones((size, size - 1)))  # Helmert's contrasts: each entry against the mean of those before
    helmert[np.arange(1, size), np.arange(size - 1)] = -np.arange(1, size)
    helmert /= np.sqrt(np.arange(1, size) * np.arange(2, size + 1))
    basis = np.zeros((totals.members.size, len(totals.members) * (size - 1)))
    for number, members in enumerate(totals.members):
        basis[members, number * (size - 1) : (number + 1) * (size - 1)] = helmert
    return basis


def curvature(matrix: Floats, totals: Totals) -> float:
    """Smallest eigenvalue of the symmetric part of a matrix along directions that change no total; inf if none."""
    basis = tangent(totals)
    if basis.shape[1] == 0:
        return np.inf
    return float(np.linalg.eigvalsh(basis.T @ (matrix + matrix.T) @ basis / 2)[0])


def stationary(matrix: Floats, linear: Floats, totals: Totals, free: NDArray[np.bool_] | None = None) -> Floats:
    """Solve ``matrix z + linear = mu of the group`` on free variables, the others being 0, with given totals.

    Parameters
    ----------
    matrix : (m, m) array
        Need not be symmetric.
    linear : (m,) array
    totals : Totals
    free : (m,) bool array, optional
        All by default; a group without free variables keeps its zeros.

    Returns
    -------
    (m,) array

    Raises
    ------
    numpy.linalg.LinAlgError
        If the linear system is singular.

    Examples
    --------
    >>> stationary(np.diag([1.0, 3.0]), np.zeros(2), Totals(np.array([[0, 1]]), np.array([4.0])))
    array([3., 1.])
    """
    free = np.ones(len(linear), dtype=bool) if free is None else free
    where = np.flatnonzero(free)
    rows = totals.rows[:, where]
    used = rows.any(axis=1)
    rows, size = rows[used], len(where)
    scale = float(np.abs(matrix).max()) or 1.0  # so that both blocks of the system have entries of size one
    system = np.zeros((size + len(rows), size + len(rows)))
    system[:size, :size] = matrix[np.ix_(where, where)] / scale
    system[:size, size:], system[size:, :size] = rows.T, rows
    solution = np.zeros(len(linear))
    solution[where] = np.linalg.solve(system, np.concatenate([-linear[where] / scale, totals.amounts[used]]))[:size]
    return solution


def centred(gradient: Floats, free: NDArray[np.bool_], totals: Totals) -> Floats:
    """How much steeper each variable is than the free ones of its group, (m,); infinite in groups without any."""
    weights = totals.rows * free
    used = weights.sum(axis=1)
    level = np.divide(weights @ gradient, used, out=np.full(len(used), -np.inf), where=used > 0)
    return np.asarray(gradient - level[totals.group])


def first_order_gap(gradient: Floats, point: Floats, totals: Totals) -> float:
    """What the best point with no negative variables would gain if the slopes stayed: 0 iff stationary.

    For a convex function it bounds the distance to the minimum (M. Frank and P. Wolfe, "An algorithm for quadratic
    programming", Naval Research Logistics Quarterly 3, 1956).
    """
    return max(0.0, float(gradient @ point - gradient[totals.members].min(axis=1) @ totals.amounts))


def convex_program(matrix: Floats, linear: Floats, totals: Totals) -> Floats:
    """The point with no negative variables that minimises ``z' matrix z / 2 + linear' z``, exact to rounding.

    Parameters
    ----------
    matrix : (m, m) array
        Symmetric, with positive :func:`curvature`.
    linear : (m,) array
    totals : Totals

    Returns
    -------
    (m,) array

    Raises
    ------
    numpy.linalg.LinAlgError
        If the method does not end, because the matrix is not as it must be.

    Notes
    -----
    Primal active-set method: J. Nocedal and S. J. Wright, *Numerical Optimization* (2006), algorithm 16.3.

    Examples
    --------
    >>> convex_program(np.eye(3), np.array([0.0, 0.0, 9.0]), Totals(np.array([[0, 1, 2]]), np.array([4.0])))
    array([2., 2., 0.])
    """
    alive = totals.amounts[totals.group] > 0
    free, point = alive.copy(), totals.even
    for _ in range(50 * len(linear)):
        target = stationary(matrix, linear, totals, free)
        falling = np.flatnonzero(free & (target < 0))
        if len(falling):
            ratios = point[falling] / (point[falling] - target[falling])
            blocking = falling[ratios.argmin()]
            point = point + ratios.min() * (target - point)
            free[blocking], point[blocking] = False, 0.0
            continue
        point = target
        slopes = np.where(alive & ~free, centred(matrix @ point + linear, free, totals), np.inf)
        if slopes.min() >= -_noise(matrix, linear, point):
            return point
        free[slopes.argmin()] = True
    raise np.linalg.LinAlgError("the active-set method does not end")


def variational_inequality(matrix: Floats, linear: Floats, totals: Totals, start: Floats) -> Floats | None:
    """The point ``z`` with no negative variables at which ``(matrix z + linear)' (y - z) >= 0`` for every such ``y``.

    Projected extragradient steps find the variables that are zero, a linear system the others.

    Parameters
    ----------
    matrix : (m, m) array
        Need not be symmetric; convergence is certain if its curvature is not negative.
    linear : (m,) array
    totals : Totals
    start : (m,) array

    Returns
    -------
    (m,) array or None
        Exact to rounding; None if the steps do not settle.

    Notes
    -----
    G. M. Korpelevich, "The extragradient method for finding saddle points and other problems", Matecon 12 (1976).

    Examples
    --------
    >>> rotation = np.array([[1.0, 2.0], [-2.0, 1.0]])
    >>> variational_inequality(rotation, np.zeros(2), Totals(np.array([[0, 1]]), np.array([1.0])), np.array([0.5, 0.5]))
    array([0., 1.])
    """
    size = 0.5 / (float(np.linalg.norm(matrix, 2)) or 1.0)
    point = start
    for _ in range(ROUNDS):
        for _ in range(ROUND):
            ahead = _project(point - size * (matrix @ point + linear), totals)
            point = _project(point - size * (matrix @ ahead + linear), totals)
        solution = _pivot(matrix, linear, totals, point)
        if solution is not None:
            return solution
    return None


def smallest_on_simplex(matrix: Floats, total: float) -> Floats:
    """A global minimiser of ``z' matrix z`` over points with no negative variables that add up to ``total``.

    The minimum is stationary inside some face of the simplex, so that all faces are tried: ``2**m`` linear systems.

    Parameters
    ----------
    matrix : (m, m) array
        Symmetric, of any curvature.
    total : float
        Positive.

    Returns
    -------
    (m,) array

    Examples
    --------
    >>> smallest_on_simplex(np.array([[2.0, 4.0, 1.0], [4.0, 2.0, 4.0], [1.0, 4.0, 2.0]]), 1.0)
    array([0.5, 0. , 0.5])
    """
    scale = float(np.abs(matrix).max()) or 1.0
    size = len(matrix)
    best, record = np.eye(size)[0], np.inf
    for count in range(1, size + 1):
        supports = np.array(list(combinations(range(size), count)))
        for chunk in np.array_split(supports, -(-len(supports) // CHUNK)):
            points = np.zeros((len(chunk), size))
            np.put_along_axis(points, chunk, _faces(matrix / scale, chunk), axis=1)
            values = np.einsum("ki,ij,kj->k", points, matrix / scale, points)
            values[~((points >= 0).all(axis=1) & (np.abs(points.sum(axis=1) - 1) <= 1e-9))] = np.inf  # NaN too
            if values.min() < record - ROUNDING:
                best, record = points[values.argmin()], values.min()
    return best * total


def local_minima(matrix: Floats, totals: Totals, starts: Iterable[Floats], *constraints: Any) -> list[Floats]:
    """Local minima of ``z' matrix z / 2`` without negative variables by SLSQP, the lowest first.

    Parameters
    ----------
    matrix : (m, m) array
        Symmetric, of any curvature.
    totals : Totals
    starts : iterable of (m,) arrays
    constraints : dict
        Further constraints on ``z`` divided by the largest total, in the form of ``scipy.optimize.minimize``.

    Returns
    -------
    list of (m,) arrays
        One for each start from which the method ends at a point that keeps to the constraints.
    """
    from scipy.optimize import minimize

    unit, scale = float(totals.amounts.max()), float(np.abs(matrix).max())
    if unit == 0:
        return [np.zeros(len(matrix))]
    scaled, share = matrix / scale, totals.amounts / unit
    rows, amounts = totals.rows[share > 0], share[share > 0]  # the others follow from the bounds
    keep: dict[str, Any] = {"type": "eq", "fun": lambda z: rows @ z - amounts, "jac": lambda z: rows}
    problem: dict[str, Any] = {
        "fun": lambda z: 0.5 * z @ scaled @ z,
        "jac": lambda z: scaled @ z,
        "bounds": [(0.0, most) for most in share[totals.group]],
        "constraints": [keep, *constraints],
    }
    found: list[tuple[float, Floats]] = []
    for start in starts:
        result = minimize(x0=start / unit, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500}, **problem)
        kept = [abs(keep["fun"](result.x)).max() <= 1e-9, *(limit["fun"](result.x) >= -1e-9 for limit in constraints)]
        if all(kept):  # SLSQP also fails because it cannot do better
            found.append((float(result.fun), np.asarray(result.x) * unit))
    return [point for _, point in sorted(found, key=lambda pair: pair[0])]


def random_points(totals: Totals, count: int) -> list[Floats]:
    """Points with no negative variables, uniform on the simplices and near their edges; always the same ones."""
    random = np.random.default_rng(0)
    points = []
    for number in range(count):
        shares = random.dirichlet(np.full(totals.members.shape[1], (1.0, 0.3)[number % 2]), size=len(totals.members))
        point = np.empty(totals.members.size)
        point[totals.members] = shares * totals.amounts[:, None]
        points.append(point)
    return points


def sharpen(matrix: Floats, linear: Floats, totals: Totals, point: Floats) -> Floats:
    """A local minimum with the digits that SLSQP leaves out, or the point as it was."""
    free = point > 1e-6 * totals.amounts[totals.group]
    try:
        better = stationary(matrix, linear, totals, free)
    except np.linalg.LinAlgError:
        return point
    near = np.abs(better - point).max() <= 1e-3 * totals.amounts.max()
    return np.maximum(better, 0.0) if near and better.min() >= -ROUNDING * totals.amounts.max() else point


def _project(point: Floats, totals: Totals) -> Floats:
    """The nearest point with no negative variables and the given totals (Held, Wolfe and Crowder, 1974)."""
    values = point[totals.members]
    ordered = -np.sort(-values, axis=1)
    levels = (np.cumsum(ordered, axis=1) - totals.amounts[:, None]) / np.arange(1, values.shape[1] + 1)
    last = np.maximum((ordered > levels).sum(axis=1) - 1, 0)
    projected = np.empty_like(point)
    projected[totals.members] = np.maximum(values - levels[np.arange(len(levels)), last][:, None], 0.0)
    return projected


def _pivot(matrix: Floats, linear: Floats, totals: Totals, point: Floats) -> Floats | None:
    """The exact solution with about the same zeros, or None."""
    alive = totals.amounts[totals.group] > 0
    free = alive & (point > 1e-9 * totals.amounts[totals.group])
    for _ in range(2 * len(point)):
        try:
            solution = stationary(matrix, linear, totals, free)
        except np.linalg.LinAlgError:
            return None
        if (solution < 0).any():
            free &= solution > 0
            if not (totals.rows @ free)[totals.amounts > 0].all():
                return None
            continue
        slopes = np.where(alive & ~free, centred(matrix @ solution + linear, free, totals), np.inf)
        if slopes.min() >= -_noise(matrix, linear, solution):
            return solution
        free[slopes.argmin()] = True
    return None


def _noise(matrix: Floats, linear: Floats, point: Floats) -> float:
    """How far slopes that are equal may lie apart."""
    return ROUNDING * float((np.abs(matrix) @ np.abs(point) + np.abs(linear)).max())


def _faces(matrix: Floats, supports: Indices) -> Floats:
    """Stationary points, adding up to 1, of ``z' matrix z`` on faces of the simplex, (k, size); NaN where none."""
    count, size = supports.shape
    systems = np.ones((count, size + 1, size + 1))
    systems[:, :size, :size] = matrix[supports[:, :, None], supports[:, None, :]]
    systems[:, size, size] = 0.0
    right = np.zeros((count, size + 1, 1))
    right[:, size] = 1.0
    try:
        return np.asarray(np.linalg.solve(systems, right)[:, :size, 0])
    except np.linalg.LinAlgError:  # a singular face has no minimum that a smaller face has not
        regular = np.abs(np.linalg.det(systems)) > 0
        points = np.full((count, size), np.nan)
        points[regular] = np.linalg.solve(systems[regular], right[regular])[:, :size, 0]
        return points

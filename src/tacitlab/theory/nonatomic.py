"""Continuous solutions of congestion games: a continuum of players, each too small to matter.

SciPy is imported where it is needed: it is slow to load.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tacitlab.theory.precision import DIGITS

if TYPE_CHECKING:
    from tacitlab.games.base import CongestionForm

Shares = NDArray[np.float64]

STRAIGHT = 1e-12  # how far a facility's values may be from a line, relative to their spread


@dataclass(frozen=True)
class Flow:
    """A continuous profile.

    Attributes
    ----------
    shares : (actions,) array
        Share of the players on each action.
    payoffs : (actions,) array
        Payoff of each action at these shares.
    gap : float
        Mean gain if everybody switched to the best action (of a system optimum: the largest possible error of
        the mean payoff); 0 if solved exactly.
    """

    shares: Shares
    payoffs: NDArray[np.float64]
    gap: float

    @property
    def average(self) -> float:
        """Mean payoff over players."""
        return float(self.shares @ self.payoffs)


def is_affine(form: "CongestionForm") -> bool:
    """Whether :func:`wardrop` applies: Rosenthal's form, values affine in the load and nowhere increasing."""
    return _lines(form) is not None


def wardrop(form: "CongestionForm", shares: Shares | None = None) -> Flow:
    """Wardrop equilibrium of a continuum of players with affine costs, by Beckmann's convex program.

    Parameters
    ----------
    form : CongestionForm
        Rosenthal's (``weights == incidence.T``), facility values affine and nowhere increasing in the load.
    shares : (actions,) array, optional
        A solution known in closed form: it is not computed, only its gap is measured.

    Returns
    -------
    Flow
        Loads and payoffs are unique, the shares need not be. ``gap`` is the measured equilibrium gap.

    Raises
    ------
    ValueError
        If the form is not of this kind.

    Notes
    -----
    M. Beckmann, C. B. McGuire and C. B. Winsten, *Studies in the Economics of Transportation* (1956); J. G.
    Wardrop, "Some theoretical aspects of road traffic research", Proc. ICE 1 (1952).

    Examples
    --------
    Pigou's network, a constant road and one whose time is the share of players on it:

    >>> from tacitlab.games.base import CongestionForm
    >>> time = np.array([[0.0, -0.5, -1.0]])
    >>> pigou = CongestionForm(2, np.array([[0, 1]]), np.array([[0.0], [1.0]]), time, np.array([-1.0, 0.0]))
    >>> round(wardrop(pigou).average, 9), round(system_optimum(pigou).average, 9)
    (-1.0, -0.75)
    """
    return _flow(form, _convex_program(form, 1.0) if shares is None else shares, 1.0)


def system_optimum(form: "CongestionForm", shares: Shares | None = None) -> Flow:
    """Shares of a continuum of players that maximise the mean payoff; affine costs only.

    The same program as :func:`wardrop` with every slope doubled (marginal-cost pricing: A. C. Pigou, *The
    Economics of Welfare*, 1920). Parameters, result and errors are those of :func:`wardrop`. The mean payoff plus
    ``gap`` bounds the mean payoff of whole players from above.
    """
    return _flow(form, _convex_program(form, 2.0) if shares is None else shares, 2.0)


def _lines(form: "CongestionForm") -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Intercepts and slopes of the facilities' values; None unless the programs are convex and quadratic."""
    slopes = (form.values[:, -1] - form.values[:, 0]) / max(form.values.shape[1] - 1, 1)
    spread, largest = np.ptp(form.values, axis=1), np.abs(form.values).max(axis=1, initial=0.0)
    tolerance = np.maximum(STRAIGHT * spread, DIGITS * largest)
    straight = (np.abs(np.diff(form.values) - slopes[:, None]) <= tolerance[:, None]).all()
    slopes = np.where(spread <= tolerance, 0.0, slopes)
    if not (straight and np.array_equal(form.weights, form.incidence.T) and (slopes <= 0).all()):
        return None
    return form.values[:, 0], slopes


def _marginals(form: "CongestionForm", factor: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Constants c and matrix G, so that an action's payoff (with slopes times ``factor``) is ``c + G shares``."""
    lines = _lines(form)
    if lines is None:
        raise ValueError("continuous solutions need weights == incidence.T and affine values that never increase")
    incidence = form.incidence.astype(float)
    return form.own + lines[0] @ incidence, factor * form.players * (incidence.T * lines[1]) @ incidence


def _flow(form: "CongestionForm", shares: Shares, factor: float) -> Flow:
    constants, matrix = _marginals(form, factor)
    marginal = constants + matrix @ shares
    return Flow(shares, constants + matrix @ shares / factor, max(float(marginal.max() - shares @ marginal), 0.0))


def _convex_program(form: "CongestionForm", factor: float) -> Shares:
    """Maximise ``c x + x G x / 2`` over the simplex, on few actions at first: the best other one joins in turn.

    Few actions are used at a solution (of many routes, about as many as there are roads).
    """
    constants, matrix = _marginals(form, factor)
    scale = float(np.abs(matrix).max()) or float(np.ptp(constants)) or 1.0
    # No congestion on the best empty action makes an action good that starts so much worse.
    linear, quadratic = ((constants - constants.max()) / scale).clip(-2.0), matrix / scale
    shares = np.full(form.actions, 1 / form.actions)
    used: list[int] = []
    while True:
        marginal = linear + quadratic @ shares
        best = int(marginal.argmax())
        if best in used or (used and marginal[best] - shares @ marginal <= STRAIGHT):
            return shares
        used.append(best)
        shares = np.zeros(form.actions)
        shares[used] = _maximise(linear[used], quadratic[np.ix_(used, used)])


def _maximise(linear: NDArray[np.float64], quadratic: NDArray[np.float64]) -> Shares:
    """The program on few actions: SLSQP, then the optimality conditions on its support, solved exactly."""
    from scipy.optimize import LinearConstraint, minimize

    def loss(shares: Shares) -> float:
        return -float(linear @ shares + shares @ quadratic @ shares / 2)

    def slope(shares: Shares) -> Shares:
        return -(linear + quadratic @ shares)

    def gap(shares: Shares) -> float:
        return float(shares @ slope(shares) - slope(shares).min())

    size = len(linear)
    even = np.full(size, 1 / size, dtype=np.float64)
    simplex = LinearConstraint(np.ones((1, size)), 1.0, 1.0)
    result = minimize(loss, even, jac=slope, method="SLSQP", bounds=[(0, 1)] * size, constraints=simplex, tol=1e-15)
    rough = result.x.clip(0.0)
    candidates = [rough / rough.sum()]
    for threshold in (1e-3, 1e-5, 1e-7):
        support = np.flatnonzero(rough > threshold)
        ones = np.ones((len(support), 1))
        system = np.block([[quadratic[np.ix_(support, support)], -ones], [ones.T, np.zeros((1, 1))]])
        answer = np.linalg.lstsq(system, np.append(-linear[support], 1.0), rcond=None)[0]
        exact = np.zeros(size)
        exact[support] = answer[:-1]
        if (exact >= 0).all() and exact.sum() > 0:
            candidates.append(exact / exact.sum())
    return min(candidates, key=gap)

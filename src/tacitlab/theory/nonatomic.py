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
STEPS = 200  # of the Newton method, which needs some ten


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


def is_smooth(form: "CongestionForm", powers: Shares | None = None) -> bool:
    """Whether :func:`wardrop` applies: Rosenthal's form, values affine in the load or of given powers, never rising."""
    return _curves(form, powers) is not None


def wardrop(form: "CongestionForm", shares: Shares | None = None, powers: Shares | None = None) -> Flow:
    """Wardrop equilibrium of a continuum of players, by Beckmann's convex program.

    Parameters
    ----------
    form : CongestionForm
        Rosenthal's (``weights == incidence.T``), facility values affine and nowhere increasing in the load.
    shares : (actions,) array, optional
        A solution known in closed form: it is not computed, only its gap is measured.
    powers : (facilities,) array, optional
        At least 1. A facility's value is ``values[0] + (values[1] - values[0]) load^power`` in between whole loads too;
        without it, all are 1.

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
    return _solve(_Program.of(form, powers, marginal=False), shares)


def system_optimum(form: "CongestionForm", shares: Shares | None = None, powers: Shares | None = None) -> Flow:
    """Shares of a continuum of players that maximise the mean payoff.

    The same program as :func:`wardrop` with every slope times ``1 + power`` (marginal-cost pricing: A. C. Pigou, *The
    Economics of Welfare*, 1920). Parameters, result and errors are those of :func:`wardrop`. The mean payoff plus
    ``gap`` bounds the mean payoff of whole players from above.
    """
    return _solve(_Program.of(form, powers, marginal=True), shares)


def _curves(form: "CongestionForm", powers: Shares | None) -> tuple[Shares, Shares] | None:
    """Intercepts and slopes of the facilities' values; None unless the programs are convex."""
    if powers is None or (powers == 1).all():
        slopes = (form.values[:, -1] - form.values[:, 0]) / max(form.values.shape[1] - 1, 1)
        powers = np.ones(len(slopes))
    else:
        slopes = form.values[:, 1] - form.values[:, 0]
    spread, largest = np.ptp(form.values, axis=1), np.abs(form.values).max(axis=1, initial=0.0)
    tolerance = np.maximum(STRAIGHT * spread, DIGITS * largest)
    slopes = np.where(spread <= tolerance, 0.0, slopes)
    curves = form.values[:, :1] + slopes[:, None] * np.arange(form.values.shape[1]) ** powers[:, None]
    steps = np.abs(np.diff(form.values - curves)) <= np.maximum(tolerance, DIGITS * np.abs(slopes))[:, None]
    if not (steps.all() and np.array_equal(form.weights, form.incidence.T) and (slopes <= 0).all()):
        return None
    return form.values[:, 0], slopes


@dataclass(frozen=True)
class _Program:
    """Payoffs of actions as functions of shares: ``own + weights (intercepts + factors slopes load^powers)``."""

    form: "CongestionForm"
    intercepts: Shares
    slopes: Shares
    powers: Shares
    factors: Shares

    @classmethod
    def of(cls, form: "CongestionForm", powers: Shares | None, marginal: bool) -> "_Program":
        curves = _curves(form, powers)
        if curves is None:
            raise ValueError("continuous solutions need weights == incidence.T and affine values that never increase")
        power = np.ones(len(form.values)) if powers is None else powers
        return cls(form, *curves, power, 1 + power if marginal else np.ones_like(power))

    def payoffs(self, shares: Shares, factors: Shares | None = None) -> Shares:
        """Of each action; marginal ones for a system optimum."""
        loads = self.form.players * (self.form.incidence @ shares)
        factors = self.factors if factors is None else factors
        values = self.intercepts + factors * self.slopes * loads**self.powers
        return np.asarray(self.form.own + values @ self.form.incidence)

    def lines(self, shares: Shares) -> tuple[Shares, NDArray[np.float64]]:
        """Constants c and matrix G, so that payoffs near these shares are ``c + G shares``."""
        incidence = self.form.incidence.astype(float)
        loads = self.form.players * (incidence @ shares)
        rises = self.factors * self.slopes * self.powers * loads ** (self.powers - 1)
        matrix = self.form.players * (incidence.T * rises) @ incidence
        if (self.powers == 1).all():
            return self.form.own + self.intercepts @ incidence, matrix
        return self.payoffs(shares) - matrix @ shares, matrix


def _solve(program: _Program, shares: Shares | None) -> Flow:
    if shares is None:
        even = np.full(program.form.actions, 1 / program.form.actions)
        shares = _quadratic_program(*program.lines(even))
        if not (program.powers == 1).all():
            shares = _newton(program, even)
    marginal = program.payoffs(shares)
    gap = max(float(marginal.max() - shares @ marginal), 0.0)
    return Flow(shares, program.payoffs(shares, np.ones_like(program.powers)), gap)


def _newton(program: _Program, shares: Shares) -> Shares:
    """Solve the program with lines in place of curves, again and again, and go as far that way as it is uphill."""
    from scipy.optimize import brentq

    scale = float(np.ptp(program.payoffs(shares))) or 1.0
    for _ in range(STEPS):
        payoffs = program.payoffs(shares)
        if payoffs.max() - shares @ payoffs <= STRAIGHT * scale:
            break
        towards = _quadratic_program(*program.lines(shares)) - shares

        def rise(step: float, start: Shares = shares, towards: Shares = towards) -> float:
            return float(towards @ program.payoffs(start + step * towards))

        if rise(0.0) <= 0:
            break
        step = 1.0 if rise(1.0) >= 0 else float(brentq(rise, 0.0, 1.0, xtol=1e-14))
        moved = (shares + step * towards).clip(0.0)
        shares = moved / moved.sum()
    return shares


def _quadratic_program(constants: Shares, matrix: NDArray[np.float64]) -> Shares:
    """Maximise ``c x + x G x / 2`` over the simplex, on few actions at first: the best other one joins in turn.

    Few actions are used at a solution (of many routes, about as many as there are roads).
    """
    scale = float(np.abs(matrix).max()) or float(np.ptp(constants)) or 1.0
    # No congestion on the best empty action makes an action good that starts so much worse.
    linear, quadratic = ((constants - constants.max()) / scale).clip(-2.0), matrix / scale
    shares = np.full(len(constants), 1 / len(constants))
    used: list[int] = []
    while True:
        marginal = linear + quadratic @ shares
        best = int(marginal.argmax())
        if best in used or (used and marginal[best] - shares @ marginal <= STRAIGHT):
            return shares
        used.append(best)
        shares = np.zeros(len(constants))
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

"""Tuning a bonding curve: the least volatility of the price that a reference price, a reserve and an elasticity allow.

The supply is exogenous and stationary. To first order in its changes the volatility of the price is the curve's
elasticity e = d ln f/d ln S times that of the supply, whatever the family of curves. Without a bound on the elasticity
the best curve is therefore flat, which stabilises nothing: it stops telling what the token is worth. That is what the
token-economy paper's problem (7.1) amounts to; here an elasticity and a reserve are required.

A curve is any price f(S; parameters) with its reserve R(S; parameters).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.token.supply_flow import Flow

Floats = NDArray[np.float64]

STARTS = 8  # of the local search
STEP = 1e-3  # of ln S, for elasticities: a difference of fourth order leaves an error of about 1e-12
FEASIBLE = 1e-7  # by how much a requirement may be missed, relative to its scale
BINDING = 1e-4  # how close to its bound a requirement or a parameter must be to count as binding
EXTREME = 500.0  # bound on logarithms of prices during the search, where curves may overflow


@dataclass(frozen=True, eq=False)
class CurveFamily:
    """Bonding curves that differ in their parameters.

    Attributes
    ----------
    name : str
    price : callable
        ``price(supply, parameters)``: f(S) for an array of supplies, in currency per token; positive.
    reserve : callable
        ``reserve(supply, parameters)``: the integral of f from 0 to S, currency.
    bounds : tuple of (float, float)
        Of each parameter. Those that span more than a decade above 0 are searched on a logarithmic scale.
    """

    name: str
    price: Callable[[Floats, Floats], ArrayLike]
    reserve: Callable[[Floats, Floats], ArrayLike]
    bounds: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Requirements:
    """What a curve must do.

    Attributes
    ----------
    supply, price : float
        f(supply) = price, both positive: S_ref, tokens, and P_ref, currency per token.
    least_reserve : float
        R(supply) must be at least this, currency.
    least_elasticity : float
        d ln f/d ln S at ``supply`` must be at least this. 0 leaves the degenerate problem.
    """

    supply: float
    price: float
    least_reserve: float = 0.0
    least_elasticity: float = 0.0


@dataclass(frozen=True, eq=False)
class TunedCurve:
    """A curve with what it achieves.

    Attributes
    ----------
    parameters : (n,) array
    volatility : float
        Standard deviation of the logarithm of the price's change in a step.
    elasticity, reserve : float
        At the reference supply.
    binding : tuple of str
        Which of "elasticity", "reserve" and "bounds" (of a parameter) hold with equality.
    error : float
        By how much the worst requirement is missed, relative to its scale.
    """

    parameters: Floats
    volatility: float
    elasticity: float
    reserve: float
    binding: tuple[str, ...]
    error: float

    @property
    def degenerate(self) -> bool:
        """True unless the required elasticity is what keeps the curve from being flatter.

        A required reserve does not: of all curves that do not fall, the flat one has the largest, ``S_ref P_ref``.
        """
        return "elasticity" not in self.binding


# --- one curve -------------------------------------------------------------------------------------------------


def volatility(family: CurveFamily, parameters: ArrayLike, flow: Flow) -> float:
    """Standard deviation of ln P(t+1) - ln P(t) if the supply follows the flow.

    Raises
    ------
    TacitError
        If a price is not a positive number: the flow leaves the domain of the curve.
    """
    chosen = np.asarray(parameters, dtype=np.float64)

    def logarithm(supply: Floats) -> Floats:
        price = np.asarray(family.price(supply, chosen), dtype=np.float64)
        if not np.all((price > 0) & (price < np.inf)):
            wrong = float(supply[~((price > 0) & (price < np.inf))][0])
            raise TacitError(
                f"{family.name}: no positive price at a supply of {wrong:g}; narrow the bounds or the flow"
            )
        return np.log(price)

    return flow.volatility(logarithm)


def elasticity(family: CurveFamily, parameters: ArrayLike, supply: float) -> float:
    """d ln f/d ln S at a supply, by a central difference of fourth order.

    Examples
    --------
    >>> cubic = CurveFamily("power", lambda s, p: p[0] * s ** p[1], lambda s, p: s, ((0.0, 1.0), (0.0, 4.0)))
    >>> elasticity(cubic, [0.5, 3.0], 100.0)
    3.0
    """
    logs = _log_price(family, np.asarray(parameters, dtype=np.float64), supply * np.exp(STEP * np.arange(-2, 3)))
    return float(logs @ [1, -8, 0, 8, -1] / (12 * STEP))


# --- the best curve --------------------------------------------------------------------------------------------


def tune(family: CurveFamily, flow: Flow, requirements: Requirements) -> TunedCurve:
    """The curve of a family with the least volatility of the logarithmic price among those that meet requirements.

    ``min sd(ln P(t+1) - ln P(t))`` subject to ``f(S_ref) = P_ref``, ``R(S_ref) >= R_min`` and ``e(S_ref) >= e_min``, by
    sequential quadratic programming from several starts: the best of local optima, which no proof makes global.

    Parameters
    ----------
    family : CurveFamily
    flow : Flow
    requirements : Requirements

    Raises
    ------
    TacitError
        If no curve was found that meets the requirements.

    Examples
    --------
    Of f = c S^n the one with the required elasticity n; the cost of an elasticity is its multiple of the supply's
    volatility, here 0.0894:

    >>> from tacitlab.markets.token.supply_flow import ar1_flow
    >>> def price(s, p):
    ...     return p[0] * s ** p[1]
    >>> def reserve(s, p):
    ...     return p[0] * s ** (p[1] + 1) / (p[1] + 1)
    >>> power = CurveFamily("power", price, reserve, ((1e-9, 1e3), (0, 4)))
    >>> flow = ar1_flow(100.0, 0.2, 0.9)
    >>> best = tune(power, flow, Requirements(100.0, 10.0, least_elasticity=0.5))
    >>> best.parameters, best.volatility, best.reserve, best.binding
    (array([1. , 0.5]), 0.0447, 666.667, ('elasticity',))

    Without one, the flat curve "wins":

    >>> flat = tune(power, flow, Requirements(100.0, 10.0))
    >>> abs(flat.volatility) < 1e-6, flat.degenerate
    (True, True)
    """
    best = _best(family, flow, requirements)
    if best is None:
        raise TacitError(
            f"{family.name}: found no curve with price {requirements.price:g} at a supply of {requirements.supply:g}, "
            f"reserve of at least {requirements.least_reserve:g} and elasticity of at least "
            f"{requirements.least_elasticity:g}; ask for less or widen the bounds"
        )
    return best


def pareto_front(
    family: CurveFamily, flow: Flow, requirements: Requirements, elasticities: ArrayLike, reserves: ArrayLike
) -> list[TunedCurve]:
    """Curves none of which is less volatile, more elastic and better backed than another one.

    The least volatility for every pair of a least elasticity and a least reserve (epsilon constraints); pairs that no
    curve meets, dominated ones and repetitions are left out.

    Parameters
    ----------
    family, flow, requirements
        As of :func:`tune`; its two bounds hold in addition.
    elasticities, reserves : arrays
        Bounds to go through.

    Returns
    -------
    list of TunedCurve
        By ascending volatility; empty if no pair can be met.

    Examples
    --------
    >>> from tacitlab.markets.token.supply_flow import ar1_flow
    >>> def price(s, p):
    ...     return p[0] + p[1] * s
    >>> def reserve(s, p):
    ...     return (p[0] + p[1] * s / 2) * s
    >>> line = CurveFamily("linear", price, reserve, ((0, 20), (0, 1)))
    >>> front = pareto_front(line, ar1_flow(100.0, 0.1, 0.9), Requirements(100.0, 10.0), [0.0, 0.5, 1.0], [0.0, 800.0])
    >>> [(round(one.elasticity, 3), round(one.volatility, 3), round(one.reserve)) for one in front]
    [(0.0, 0.0, 1000), (0.5, 0.022, 750), (1.0, 0.045, 500)]
    """
    found: list[TunedCurve] = []
    for reserve in np.unique(np.asarray(reserves, dtype=np.float64)):
        for slope in np.unique(np.asarray(elasticities, dtype=np.float64)):
            least = replace(
                requirements,
                least_reserve=max(requirements.least_reserve, float(reserve)),
                least_elasticity=max(requirements.least_elasticity, float(slope)),
            )
            if (best := _best(family, flow, least)) is not None:
                found.append(best)
    found.sort(key=lambda one: one.volatility)
    scale = requirements.supply * requirements.price
    kept = nondominated([[one.volatility, -one.elasticity, -one.reserve / scale] for one in found])
    return [found[place] for place in kept]


def nondominated(objectives: Sequence[Sequence[float]] | Floats, tolerance: float = 1e-6) -> list[int]:
    """Places of the points that no other one beats, in their order; of equal points the first.

    Parameters
    ----------
    objectives : (points, objectives) array
        All to be minimised.
    tolerance : float
        A point is beaten if another one is nowhere worse by more than this, and somewhere better by more.

    Examples
    --------
    >>> nondominated([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])
    [0, 1]
    """
    points = np.asarray(objectives, dtype=np.float64)
    kept = []
    for place, point in enumerate(points):
        no_worse = (points <= point + tolerance).all(axis=1)
        better = (points < point - tolerance).any(axis=1)
        if not (no_worse & better).any() and not no_worse[:place].any():
            kept.append(place)
    return kept


def _best(family: CurveFamily, flow: Flow, requirements: Requirements) -> TunedCurve | None:
    problem = _Problem(family, flow, requirements)
    starts = problem.starts()
    found = [one for start in starts if (one := problem.solve(start)).error <= FEASIBLE]
    if not found:  # where few curves meet the requirements, look for those first
        near = [u for start in starts if problem.curve(u := problem.nearest(start)).error <= FEASIBLE]
        found = [one for u in near for one in (problem.curve(u), problem.solve(u)) if one.error <= FEASIBLE]
    if not found:
        return None
    best = min(found, key=lambda one: one.volatility)
    volatility(family, best.parameters, flow)  # refuses a curve that has no price somewhere in the flow
    return best


@dataclass(frozen=True, eq=False)
class _Problem:
    """The search in coordinates from 0 to 1, with the volatility in units of the supply's."""

    family: CurveFamily
    flow: Flow
    requirements: Requirements

    def __post_init__(self) -> None:
        asked = self.requirements
        if not asked.supply > 0 or not asked.price > 0:
            raise TacitError("requirements: supply and price must be above 0")
        if not self.family.bounds or any(not low <= high for low, high in self.family.bounds):
            raise TacitError(f"{self.family.name}: give bounds of every parameter, low <= high")
        if not self.unit > 0:
            raise TacitError("flow: the supply never changes, so that no curve has a volatility")

    @property
    def unit(self) -> float:
        return self.flow.volatility(lambda supply: supply) / self.requirements.supply

    def parameters(self, u: Floats) -> Floats:
        low, high = np.asarray(self.family.bounds, dtype=np.float64).T
        part = np.clip(u, 0.0, 1.0)
        geometric = (low > 0) & (high > 10 * low)
        safe = np.where(geometric, low, 1.0)
        by_factor = safe * (np.where(geometric, high, 1.0) / safe) ** part
        return np.clip(np.where(geometric, by_factor, low + (high - low) * part), low, high)

    def starts(self) -> list[Floats]:
        from scipy.stats import qmc

        return list(qmc.Halton(len(self.family.bounds), rng=0).random(STARTS))

    def mismatch(self, u: Floats) -> float:
        """ln(price/reference price), which must be 0."""
        at = np.array([self.requirements.supply])
        return float(_log_price(self.family, self.parameters(u), at)[0]) - float(np.log(self.requirements.price))

    def spare(self, u: Floats) -> Floats:
        """By how much reserve, relative to the value at the reference price, and elasticity exceed what is required."""
        asked, chosen = self.requirements, self.parameters(u)
        reserve = (_reserve(self.family, chosen, asked.supply) - asked.least_reserve) / (asked.supply * asked.price)
        return np.array([
            np.clip(reserve, -EXTREME, EXTREME), elasticity(self.family, chosen, asked.supply) - asked.least_elasticity
        ])  # fmt: skip

    def objective(self, u: Floats) -> float:
        chosen = self.parameters(u)
        return (self.flow.volatility(lambda supply: _log_price(self.family, chosen, supply)) / self.unit) ** 2

    def solve(self, start: Floats) -> TunedCurve:
        from scipy.optimize import minimize

        constraints: list[Any] = [
            {"type": "eq", "fun": self.mismatch},
            {"type": "ineq", "fun": self.spare},
        ]
        found = minimize(
            self.objective, start, method="SLSQP", bounds=[(0.0, 1.0)] * len(start), constraints=constraints,
            options={"ftol": 1e-14, "maxiter": 300},
        )  # fmt: skip
        return self.curve(np.asarray(found.x, dtype=np.float64))

    def nearest(self, start: Floats) -> Floats:
        """Where the least is missing to meet all requirements, whatever the volatility."""
        from scipy.optimize import least_squares

        def missing(u: Floats) -> Floats:
            return np.append(np.minimum(self.spare(u), 0.0), self.mismatch(u))

        inside = np.clip(start, 1e-6, 1 - 1e-6)
        found = least_squares(missing, inside, bounds=(0.0, 1.0), xtol=1e-14, ftol=1e-14, gtol=1e-14)
        return np.asarray(found.x, dtype=np.float64)

    def curve(self, u: Floats) -> TunedCurve:
        asked, chosen, (backed, steep) = self.requirements, self.parameters(u), self.spare(u)
        tight = {
            "elasticity": steep < BINDING,
            "reserve": backed < BINDING,
            "bounds": bool((np.minimum(u, 1 - u) < BINDING).any()),
        }
        if asked.least_elasticity == 0:
            tight["elasticity"] = False  # a flat curve meets 0: that is no requirement
        return TunedCurve(
            parameters=chosen,
            volatility=self.flow.volatility(lambda supply: _log_price(self.family, chosen, supply)),
            elasticity=float(steep) + asked.least_elasticity,
            reserve=_reserve(self.family, chosen, asked.supply),
            binding=tuple(name for name, holds in tight.items() if holds),
            error=float(max(abs(self.mismatch(u)), -backed, -steep, 0.0)),
        )


def _reserve(family: CurveFamily, parameters: Floats, supply: float) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.nan_to_num(np.asarray(family.reserve(np.array([supply]), parameters), dtype=np.float64))[0])


def _log_price(family: CurveFamily, parameters: Floats, supply: Floats) -> Floats:
    """Logarithm of the price, within bounds: during a search curves may overflow."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(family.price(supply, parameters), dtype=np.float64))
    return np.asarray(np.clip(np.nan_to_num(logs, nan=-EXTREME), -EXTREME, EXTREME))

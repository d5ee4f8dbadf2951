"""Double auctions with known values and costs: competitive equilibrium, efficiency, bilateral trade."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]

ROUNDING = 1e-12  # a value and a cost that differ by no more than this share are equal


@dataclass(frozen=True)
class CompetitiveEquilibrium:
    """Where demand meets supply.

    Attributes
    ----------
    low, high : float
        The interval of prices at which as much is demanded as supplied.
    least, most : int
        Units traded in equilibrium; they differ where the marginal buyer values a unit at just what it costs.
    surplus : float
        Sum of values less costs of what is traded: the largest that any allocation has.
    """

    low: float
    high: float
    least: int
    most: int
    surplus: float

    @property
    def price(self) -> float:
        """The middle of the interval."""
        return (self.low + self.high) / 2


def competitive_equilibrium(values: ArrayLike, costs: ArrayLike) -> CompetitiveEquilibrium:
    """The competitive equilibrium of unit demands and supplies; who trades several units has several entries.

    With values ``v`` falling and costs ``c`` rising, ``q = #{k: v_k > c_k}`` units are traded at a least, and the
    prices run from ``max(c_q, v_{q+1})`` to ``min(v_q, c_{q+1})``.

    Parameters
    ----------
    values : (buyers,) array
        What each unit is worth to its buyer, in any order.
    costs : (sellers,) array
        What each unit costs its seller.

    Raises
    ------
    TacitError
        If one side is missing.

    References
    ----------
    V. Smith, "An experimental study of competitive market behavior", Journal of Political Economy 70 (1962) 111-137.

    Examples
    --------
    The schedules that the double-auction market has by default:

    >>> competitive_equilibrium(np.linspace(0.95, 0.05, 11), np.linspace(0.05, 0.95, 11))
    CompetitiveEquilibrium(low=0.5, high=0.5, least=5, most=6, surplus=2.7)
    >>> competitive_equilibrium([10.0, 8.0, 3.0], [2.0, 5.0, 9.0])
    CompetitiveEquilibrium(low=5.0, high=8.0, least=2, most=2, surplus=11.0)
    """
    v, c = -np.sort(-_side("values", values)), np.sort(_side("costs", costs))
    both = min(len(v), len(c))
    gain = v[:both] - c[:both]
    tiny = ROUNDING * max(float(np.abs(v).max()), float(np.abs(c).max()))
    least, most = int((gain > tiny).sum()), int((gain >= -tiny).sum())
    ask, bid = np.concatenate([[-np.inf], c, [np.inf]]), np.concatenate([[np.inf], v, [-np.inf]])
    low, high = max(ask[least], bid[least + 1]), min(bid[least], ask[least + 1])
    low, high = (low, high) if low <= high else (high, low)  # rounding of a single price
    return CompetitiveEquilibrium(float(low), float(high), least, most, float(gain[:least].sum()))


def _side(name: str, numbers: ArrayLike) -> Floats:
    found = np.ravel(np.asarray(numbers, dtype=np.float64))
    if not len(found):
        raise TacitError(f"{name}: there are none; give at least one")
    return found


def allocative_efficiency(surplus: ArrayLike, values: ArrayLike, costs: ArrayLike) -> Floats:
    """Realised surplus as a share of the largest, of any shape.

    Parameters
    ----------
    surplus : array
        Values less costs of all units that changed hands.
    values, costs : (buyers,) and (sellers,) arrays

    Raises
    ------
    TacitError
        If there is nothing to gain.

    Examples
    --------
    >>> allocative_efficiency([11.0, 5.5], [10.0, 8.0, 3.0], [2.0, 5.0, 9.0])
    array([1. , 0.5])
    """
    most = competitive_equilibrium(values, costs).surplus
    if most <= 0:
        raise TacitError("values: no buyer values a unit more than it costs any seller; there is nothing to gain")
    return np.asarray(surplus, dtype=np.float64) / most


def smith_alpha(prices: ArrayLike, equilibrium: float) -> float:
    """Smith's coefficient of convergence, ``sqrt(mean (p - p*)²) / p*``; NaN without prices.

    References
    ----------
    V. Smith (1962), as above, who gives it in percent.

    Examples
    --------
    >>> smith_alpha([0.4, 0.6, 0.5, 0.5], 0.5)
    0.141...
    """
    paid = np.asarray(prices, dtype=np.float64)
    return float(np.sqrt(np.mean((paid - equilibrium) ** 2)) / equilibrium) if paid.size else float("nan")


def expected_surplus(buyers: int, sellers: int) -> float:
    """Largest surplus in the mean, if all values and costs are drawn uniformly from [0, 1].

    ``sum_k E (v_(k) - c_(k))⁺ = sum_k ∫ P(v_(k) > t) P(c_(k) < t) dt``: both are binomial tails, and the integrals of
    their products Beta functions.

    Examples
    --------
    >>> expected_surplus(1, 1), expected_surplus(2, 1)
    (0.1666..., 0.25)
    """
    total = 0.0
    for k in range(1, min(buyers, sellers) + 1):
        for i in range(k, buyers + 1):
            for j in range(k, sellers + 1):
                # (1-t)^i t^(buyers-i) t^j (1-t)^(sellers-j), integrated over [0, 1]
                whole = (buyers + sellers + 1) * comb(buyers + sellers, buyers - i + j)
                total += comb(buyers, i) * comb(sellers, j) / whole
    return total


@dataclass(frozen=True)
class BilateralTrade:
    """The linear equilibrium of a sealed-bid double auction between one buyer and one seller.

    Value and cost are private and uniform on [0, 1]. If the bid is at least the ask they trade at
    ``weight * bid + (1 - weight) * ask``.

    Attributes
    ----------
    weight : float
        k, between 0 (the seller's offer is the price) and 1 (the buyer's).

    References
    ----------
    K. Chatterjee and W. Samuelson, "Bargaining under incomplete information", Operations Research 31 (1983) 835-851,
    example 1; R. Myerson and M. Satterthwaite, Journal of Economic Theory 29 (1983) 265-281, who show that for k = 1/2
    no mechanism gains more.

    Examples
    --------
    >>> trade = BilateralTrade()
    >>> float(trade.bid(0.75)), float(trade.ask(0.25))
    (0.58333, 0.41667)
    >>> trade.gains, 9 / 64, trade.efficiency
    (0.14062, 0.14062, 0.84375)
    """

    weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise TacitError(f"weight: {self.weight:g} is out of bounds; it must be between 0 and 1")

    def bid(self, value: ArrayLike) -> Floats:
        """``v/(1 + k) + k(1 - k)/(2(1 + k))``."""
        k = self.weight
        return np.asarray(value, dtype=np.float64) / (1 + k) + k * (1 - k) / (2 * (1 + k))

    def ask(self, cost: ArrayLike) -> Floats:
        """``c/(2 - k) + (1 - k)/2``."""
        k = self.weight
        return np.asarray(cost, dtype=np.float64) / (2 - k) + (1 - k) / 2

    def trades(self, value: ArrayLike, cost: ArrayLike) -> NDArray[np.bool_]:
        """Whether they trade."""
        return np.asarray(self.bid(value) >= self.ask(cost))

    @property
    def payoffs(self) -> tuple[float, float]:
        """What buyer and seller gain in the mean, exactly.

        They trade where ``v >= slope c + start``: polynomials over a triangle.
        """
        k = self.weight
        slope, start = (1 + k) / (2 - k), (1 - k) / 2
        nodes, weights = np.polynomial.legendre.leggauss(4)  # exact up to degree 7
        top = (1 - start) / slope  # the largest cost that trades
        c, over_c = (nodes + 1) / 2 * top, weights / 2 * top
        begin = slope * c + start
        v = begin[:, None] + (nodes + 1) / 2 * (1 - begin)[:, None]
        area = over_c[:, None] * weights / 2 * (1 - begin)[:, None]
        price = k * self.bid(v) + (1 - k) * self.ask(c)[:, None]
        return float((area * (v - price)).sum()), float((area * (price - c[:, None])).sum())

    @property
    def gains(self) -> float:
        """What both gain together in the mean."""
        return sum(self.payoffs)

    @property
    def efficiency(self) -> float:
        """Gains over the largest possible, 1/6."""
        return 6 * self.gains

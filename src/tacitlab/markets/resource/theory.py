"""The trading game of the resource market: what orders, prices and inventories are worth.

Each of a few agents buys, sells or holds one lot a step, the net order moves the price, and fills follow one of four
conventions. All rewards are proportional to the price, and orders do not depend on it, so that the value of a state is
the price times a number: dynamic programming over inventories is exact and needs no grid of prices. Joint optima are
in :mod:`tacitlab.markets.resource.optimum`, equilibria in :mod:`tacitlab.markets.resource.equilibrium`, best responses
to learned policies in :mod:`tacitlab.markets.resource.response`.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Execution = Literal["pre", "mid", "post", "exact"]
Law = Literal["linear", "exponential"]
Valuation = Literal["mark-to-market", "liquidation", "final-liquidation"]

SIDES = np.array([-1, 0, 1])  # lots of the orders sell, hold, buy
TIE = 1e-12  # values closer than this, relative to the largest, are tied


@dataclass(frozen=True)
class TradingGame:
    """A resource whose price P follows the net order of its traders and noise.

    Every agent orders ``x_i`` in {-q, 0, q} units; an order that would break a limit becomes 0. With the net order
    ``n = sum x_i`` and noise ``e ~ N(0, volatility^2)`` the price becomes ``P (1 + alpha n + e)`` (law "linear") or
    ``P exp(alpha n + e - volatility^2 / 2)`` ("exponential").

    Orders fill at P ("pre"), at the price after their impact, without noise ("post"), at the mean of both ("mid"), or
    at ``P (e^{alpha n} - 1) / (alpha n)`` ("exact", the integral of the price over the order).

    The reward is the change of ``cash + P h(inventory)`` over the trade and the new price. "mark-to-market":
    ``h(I) = I``. "liquidation": ``h(I)`` is what selling I lot by lot, alone and without noise, brings over the price;
    short positions are bought back. "final-liquidation": the first until the last step, which ends on the second. Then,
    with probability ``shock``, an agent is given or robbed of a lot (either as likely; nothing beyond the limits; not
    part of any reward), and ``holding_penalty P' I^2`` is taken off.

    Attributes
    ----------
    alpha : float
        Relative impact of one unit of net order, scaled for the number of agents.
    quantity : float
        Lot that an order trades, q, in units. Inventories are whole numbers of lots.
    lowest, highest, start : int
        Limits of every inventory, and where it begins, in lots.
    steps : int
        T.
    volatility : float
        sigma, of the relative change of the price in a step.
    execution, law, valuation : str
        See above.
    holding_penalty : float
        kappa, per squared unit and step.
    shock : float
        Probability of an endowment shock, per agent and step.
    price : float
        P_0, in currency.

    Raises
    ------
    TacitError
        If a number is out of bounds or an option is unknown.

    Notes
    -----
    The linear law can make a price negative, with a probability that vanishes for small ``volatility``; optima count
    on positive prices.

    Examples
    --------
    Under "pre", buying with 5 units in hand earns the impact on all 6 units, of 1 % of 100:

    >>> game = TradingGame(execution="pre")
    >>> game.price * game.gains(np.array([5]), np.array([6]), 1)
    array([6.])
    """

    alpha: float = 0.01
    quantity: float = 1.0
    lowest: int = 0
    highest: int = 10
    start: int = 5
    steps: int = 1000
    volatility: float = 0.01
    execution: Execution = "post"
    law: Law = "linear"
    valuation: Valuation = "mark-to-market"
    holding_penalty: float = 0.0
    shock: float = 0.0
    price: float = 100.0

    def __post_init__(self) -> None:
        for name in ("alpha", "volatility", "holding_penalty", "shock", "quantity", "price"):
            value, positive = getattr(self, name), name in ("quantity", "price")
            if not (math.isfinite(value) and value >= 0) or (positive and value == 0):
                wanted = "it must be above 0" if positive else "it must be a finite number, at least 0"
                raise TacitError(f"{name}: {value} is out of bounds; {wanted}")
        if self.shock > 1:
            raise TacitError(f"shock: {self.shock} is out of bounds; a probability is at most 1")
        for name, known in (("execution", Execution), ("law", Law), ("valuation", Valuation)):
            if getattr(self, name) not in get_args(known):
                wanted = f"choose from {', '.join(get_args(known))}"
                raise TacitError(f"{name}: {getattr(self, name)!r} is unknown; {wanted}")
        if self.execution == "exact" and self.law == "linear":
            raise TacitError("execution: exact is the integral of the exponential law; set law to exponential")
        for name in ("lowest", "highest", "start", "steps"):
            if not isinstance(getattr(self, name), int | np.integer):
                raise TacitError(f"{name}: {getattr(self, name)} is not whole; give lots and steps as integers")
        if not self.lowest <= self.start <= self.highest:
            bounds = f"choose from {self.lowest} to {self.highest}"
            raise TacitError(f"start: {self.start} lots lie outside the limits; {bounds}")
        if self.steps < 1:
            raise TacitError(f"steps: {self.steps} is too small; give at least 1")
        self.require_positive_prices(1)

    def require_positive_prices(self, agents: int) -> None:
        """TacitError if orders of this many agents can take the expected price to 0."""
        if self.law == "linear" and self.alpha * self.quantity * agents >= 1:
            push = f"{agents} sellers move the price by -{self.alpha * self.quantity * agents:g} times itself"
            raise TacitError(f"alpha: {push}; lower alpha, or set law to exponential")

    # --- inventories, counted from 0 at the lowest one ------------------------------------------------------------

    @property
    def lots(self) -> Integers:
        """All inventories in lots, ascending."""
        return np.arange(self.lowest, self.highest + 1, dtype=np.int64)

    @property
    def units(self) -> Floats:
        """All inventories in units, ascending."""
        return np.asarray(self.quantity * self.lots, dtype=np.float64)

    @property
    def begin(self) -> int:
        """Index of the inventory at the beginning."""
        return self.start - self.lowest

    @property
    def after(self) -> Integers:
        """Index of the inventory after each order, (inventories, 3); an order that breaks a limit becomes a hold."""
        size = len(self.lots)
        return np.asarray(np.clip(np.arange(size)[:, None] + SIDES, 0, size - 1))

    @property
    def shaken(self) -> Floats:
        """Probability of each inventory (column) after the endowment shock of an agent with another (row)."""
        up = np.eye(len(self.lots))[self.after]
        return np.asarray((1 - self.shock) * up[:, 1] + self.shock / 2 * (up[:, 0] + up[:, 2]))

    @property
    def penalties(self) -> Floats:
        """Cost of holding each inventory for a step, over the price."""
        return self.holding_penalty * self.units**2

    # --- prices and values ----------------------------------------------------------------------------------------

    def push(self, net: ArrayLike) -> Floats:
        """What a net order in lots adds to the relative change of the price, or to that of its logarithm."""
        return np.asarray(self.alpha * self.quantity * np.asarray(net), dtype=np.float64)

    def growth(self, net: ArrayLike) -> Floats:
        """Expected factor of the price under a net order in lots."""
        push = self.push(net)
        return 1 + push if self.law == "linear" else np.exp(push)

    def fill(self, net: ArrayLike) -> Floats:
        """Price at which orders fill, over the price before, for a net order in lots."""
        if self.execution == "pre":
            return np.ones(np.shape(net))
        if self.execution == "post":
            return self.growth(net)
        if self.execution == "mid":
            return (1 + self.growth(net)) / 2
        push = self.push(net)
        some = np.where(push == 0, 1.0, push)
        return np.where(push == 0, 1.0, np.expm1(some) / some)

    @property
    def proceeds(self) -> Floats:
        """What selling each inventory lot by lot, alone, brings over the price: negative for short positions.

        Examples
        --------
        >>> TradingGame(lowest=-1, highest=2, start=0, execution="post").proceeds
        array([-1.01 ,  0.   ,  0.99 ,  1.9701])
        """
        most = int(np.abs(self.lots).max())

        def path(side: int) -> Floats:
            earned = self.quantity * self.fill(side) * self.growth(side) ** np.arange(most)
            return np.concatenate([[0.0], np.cumsum(earned)])

        return np.where(self.lots >= 0, path(-1)[np.abs(self.lots)], -path(1)[np.abs(self.lots)])

    @property
    def worth(self) -> Floats:
        """What rewards count each inventory for, over the price."""
        return self.proceeds if self.valuation == "liquidation" else self.units

    @property
    def closing(self) -> Floats:
        """What the last step adds to the worth of each inventory after it, over the new price."""
        return self.proceeds - self.units if self.valuation == "final-liquidation" else np.zeros(len(self.lots))

    def slack(self, values: Floats) -> float:
        """By how much rounding may set equal values apart: they are made of differences of worths."""
        return TIE * max(float(np.abs(self.worth).max()), float(np.abs(values).max()))

    def gains(self, before: Integers, after: Integers, net: ArrayLike) -> Floats:
        """Expected reward of an agent before shocks and penalties, over the price.

        Parameters
        ----------
        before, after : (...) int arrays
            Index of the inventory before and after the order, from 0 at the lowest.
        net : (...) int array
            Net order of all agents, in lots.

        Returns
        -------
        (...) array
            The last step of "final-liquidation" adds ``growth(net) * closing[after]``.
        """
        bought = self.units[after] - self.units[before]
        return np.asarray(self.growth(net) * self.worth[after] - self.worth[before] - bought * self.fill(net))


def marked_up_gain(cash: float, impact: float, agents: int, price: float) -> float:
    """What buyers show for spending all their cash, at the price that they drove up themselves.

    ``C ((1 + x) ln(1 + x) / x - 1)`` with ``x = N alpha C / P_0``: all buy at the same rate until the cash C of each
    is gone. The price grows by ``N alpha`` a unit that each buys, fills are at the price before ("pre"), and the
    final price ``P_0 (1 + x)`` values the whole inventory. Small lots: the limit of the game.

    Parameters
    ----------
    cash : float
        C, in currency, of each agent.
    impact : float
        alpha, relative, per unit of net order.
    agents : int
        N.
    price : float
        P_0, in currency per unit.

    Returns
    -------
    float
        Gain of each agent, in currency, marked to market.

    Raises
    ------
    TacitError
        If a number is not positive.

    Examples
    --------
    >>> round(marked_up_gain(10_000, 0.01, 2, 100)), round(marked_up_gain(10_000, 0.0118, 2, 100))
    (6479, 7255)
    """
    for name, value in (("cash", cash), ("impact", impact), ("agents", agents), ("price", price)):
        if not (math.isfinite(value) and value > 0):
            raise TacitError(f"{name}: {value} is out of bounds; it must be above 0")
    growth = agents * impact * cash / price
    return cash * ((1 + growth) * math.log1p(growth) / growth - 1)

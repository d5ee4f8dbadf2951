"""Price competition with a homogeneous product: the lowest price takes the market (Klein, 2021)."""

from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.games.base import NormalForm
from tacitlab.games.pricing import PriceGame, PriceGrid
from tacitlab.games.table import Amount, PerPlayer, tabulate
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

Array = NDArray[np.float64]
Positive = Annotated[float, Field(gt=0.0, le=1e6)]

TIE = 1e-12
"""Prices closer than this, relative to the dearest, are equal: they differ by rounding only."""


class HomogeneousBertrand(PriceGame):
    r"""Firms set prices; customers buy from the cheapest firm, and ties split the market evenly.

    Total demand is D(p) = max(0, a - b p) at the lowest price p. Whether firms move at the same time or in turns is
    not a matter of the stage game.

    Raises
    ------
    TacitError
        If a parameter is out of bounds or no price is above cost.

    References
    ----------
    Klein, "Autonomous algorithmic collusion: Q-learning under sequential pricing", RAND Journal of Economics 52(3),
    2021, 538-558.

    Examples
    --------
    Klein's market: D(p) = 1 - p, no cost, prices 0, 1/6, ..., 1. The joint maximum is 1/8 per firm at p = 1/2.

    >>> game = HomogeneousBertrand()
    >>> game.profits([0.5, 0.5])
    array([0.125, 0.125])
    >>> game.edgeworth_profit()
    0.0611...
    """

    kind: Literal["bertrand-homogeneous"] = "bertrand-homogeneous"
    cost: PerPlayer[Amount] = param(0.0, "marginal cost, c_i: one number or one per firm", unit="money")
    n_prices: int = param(7, "number of prices on the grid, m", ge=2, le=5000)
    price_grid: PriceGrid = param(
        (0.0, 1.0), "ends of the price grid: nash-monopoly, cost-based or a range [low, high]", unit="money"
    )
    intercept: Positive = param(1.0, "demand at price zero, a", unit="units")
    slope: Positive = param(1.0, "fall of demand per unit of price, b", unit="units per money")

    @model_validator(mode="after")
    def _check_demand(self) -> Self:
        if self.intercept <= self.slope * self.costs.min():
            least = self.slope * self.costs.min()
            raise ValueError(
                f"intercept: nobody would produce; it must be above slope times the lowest cost, {least:g}"
            )
        return self

    def total_demand(self, price: Array | float) -> Array:
        """D(p) = max(0, a - b p), elementwise."""
        return np.maximum(self.intercept - self.slope * np.asarray(price, dtype=np.float64), 0.0)

    def demand(self, prices: Array) -> Array:
        """Quantity sold by each firm, shape (..., players), at prices of that shape."""
        joint = self._joint(prices)
        lowest = joint.min(axis=-1, keepdims=True)
        cheapest = joint <= lowest + TIE * np.abs(joint).max(axis=-1, keepdims=True)
        return np.where(cheapest, self.total_demand(lowest) / cheapest.sum(axis=-1, keepdims=True), 0.0)

    def profits(self, prices: Array) -> Array:
        """Profit of each firm, shape (..., players), at prices of that shape."""
        return (self._joint(prices) - self.costs) * self.demand(prices)

    def consumer_surplus(self, prices: Array) -> Array:
        """The triangle under the demand curve, D(p)^2 / (2 b) at the lowest price p, shape (...)."""
        return self.total_demand(self._joint(prices).min(axis=-1)) ** 2 / (2.0 * self.slope)

    def nash_prices(self) -> Array:
        """Market price of the Bertrand equilibrium, for each firm, shape (players,).

        It is the cost if several firms share the lowest cost. A firm with the lowest cost alone takes the market
        just below the second-lowest cost, or at its monopoly price if that is lower.
        """
        second = float(np.sort(self.costs)[1])
        return np.full(self.players, min(second, self._monopoly_price()))

    def monopoly_prices(self) -> Array:
        """Market price (a/b + c)/2 that maximises joint profit, c the lowest cost, for each firm, shape (players,)."""
        return np.full(self.players, self._monopoly_price())

    def edgeworth_profit(self) -> float | None:
        """Mean profit a period and firm in an Edgeworth price cycle of two firms that move in turns, on the grid.

        In turns the firms undercut each other by one step until the market price is the lowest one not below cost;
        then one resets to one step above the price of the joint maximum, while the other still sells at the lowest
        price. At Klein's parameters the cycle gives 22/360 = .0611, the competitive benchmark that he reports. None if
        no price of the grid is above cost.

        Notes
        -----
        The rule is inferred from Klein's number. In the Markov-perfect Edgeworth equilibrium of Maskin and Tirole
        (Econometrica 1988) firms wait at the bottom at random and reset higher; at Klein's parameters and discount
        factor .95 it gives .0657.
        """
        grid = self.prices()[0]
        profits = (grid - self.costs.min()) * self.total_demand(grid)
        best = int(np.argmax(profits))
        if profits[best] <= 0.0:
            return None
        ladder = profits[: best + 1][grid[: best + 1] >= self.costs.min()]
        return float((ladder.sum() + ladder[0]) / (len(ladder) + 1) / 2)

    def form(self) -> NormalForm:
        return NormalForm.from_tensor(tabulate(self.prices(), self.profits, "n_prices"))

    def benchmarks(self) -> Benchmarks:
        """Bertrand equilibrium and joint monopoly without a grid, followed by those on the grid."""
        from tacitlab.theory.equilibrium import grid_benchmarks

        grid = grid_benchmarks(self.form(), self.actions())
        nash, best = self.nash_prices(), self.monopoly_prices()
        competitive = Profile("Nash", "nash", self._earned(nash[0]), "closed form", None, {"price": nash})
        monopoly = Profile("monopoly", "joint-optimum", self._earned(best[0]), "closed form", None, {"price": best})
        numbers = {
            "consumer surplus at Nash": float(self.consumer_surplus(nash)),
            "consumer surplus at monopoly": float(self.consumer_surplus(best)),
        }
        edgeworth = self.edgeworth_profit() if self.players == 2 and np.ptp(self.costs) == 0.0 else None
        if edgeworth is not None:
            numbers["Edgeworth cycle profit"] = edgeworth
        notes = () if np.ptp(self.costs) == 0.0 else ("prices are the market price, at which only low-cost firms sell",)
        return replace(
            grid,
            competitive=(competitive, *grid.competitive),
            cooperative=(monopoly, *grid.cooperative),
            numbers={**grid.numbers, **numbers},
            notes=grid.notes + notes,
        )

    def _monopoly_price(self) -> float:
        return float(self.intercept / self.slope + self.costs.min()) / 2

    def _earned(self, price: float) -> Array:
        """Profits when the firms with the lowest cost share the market at a price."""
        efficient = self.costs == self.costs.min()
        return np.where(efficient, (price - self.costs) * self.total_demand(price) / efficient.sum(), 0.0)

"""Quantity competition with linear demand (Cournot), as in Waltman and Kaymak (2008)."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.games.base import Actions, NormalForm, StageGame
from tacitlab.games.table import Amount, PerPlayer, check_lengths, spread, tabulate
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

Array = NDArray[np.float64]
Positive = Annotated[float, Field(gt=0.0, le=1e6)]


class Cournot(StageGame):
    r"""Firms set quantities of a homogeneous product and sell at the price P = max(0, u - v sum_i q_i).

    Firm i earns (P - w_i) q_i; what is produced is paid for even if the price is zero. With equal costs each of n
    firms produces (u - w)/(v (n + 1)) at the Nash equilibrium and (u - w)/(2 v n) at the joint optimum.

    Raises
    ------
    TacitError
        If a parameter is out of bounds or nobody would produce.

    References
    ----------
    Waltman and Kaymak, "Q-learning agents in a Cournot oligopoly model", Journal of Economic Dynamics and Control
    32(10), 2008, 3275-3293.

    Examples
    --------
    >>> game = Cournot()
    >>> game.nash_quantities(), game.profits(game.nash_quantities())
    (array([12., 12.]), array([144., 144.]))
    >>> game.optimal_quantities(), game.profits(game.optimal_quantities())
    (array([9., 9.]), array([162., 162.]))
    """

    kind: Literal["cournot"] = "cournot"
    players: int = param(2, "number of firms, n", ge=2, le=20)
    intercept: Positive = param(40.0, "price when nothing is sold, u", unit="money")
    slope: Positive = param(1.0, "fall of the price per unit sold, v", unit="money per unit")
    cost: PerPlayer[Amount] = param(4.0, "marginal cost, w_i: one number or one per firm", unit="money")
    highest_quantity: Positive = param(40.0, "largest quantity a firm can choose; the smallest is 0", unit="units")
    n_quantities: int = param(41, "number of quantities, equally spaced", ge=2, le=5000)

    role: ClassVar[str] = "firm"
    payoff_name: ClassVar[str] = "profit"
    payoff_unit: ClassVar[str] = "money"

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_lengths(self.players, cost=self.cost)
        if self.intercept <= self.costs.min():
            raise ValueError(f"intercept: {self.intercept:g} is too small; it must be above the lowest cost")
        return self

    @property
    def n_players(self) -> int:
        return self.players

    @property
    def costs(self) -> Array:
        """Marginal cost of each firm, shape (players,)."""
        return spread(self.cost, self.players)

    def price(self, quantities: Array) -> Array:
        """Market price, shape (...), at quantities of shape (..., players)."""
        return np.maximum(self.intercept - self.slope * np.sum(quantities, axis=-1), 0.0)

    def profits(self, quantities: Array) -> Array:
        """Profit of each firm, shape (..., players), at quantities of that shape."""
        return (self.price(quantities)[..., None] - self.costs) * quantities + 0.0  # no negative zeros

    def nash_quantities(self) -> Array:
        """Nash quantities without a grid, shape (players,).

        If the k firms with the lowest costs produce, P = (u + sum of their costs)/(k + 1) and q_i = (P - w_i)/v; k is
        the largest number such that the price is above all their costs.
        """
        ranked = np.sort(self.costs)
        prices = (self.intercept + np.cumsum(ranked)) / np.arange(2, self.players + 2)
        producing = int(np.logical_and.accumulate(ranked < prices).sum())
        return np.maximum(prices[producing - 1] - self.costs, 0.0) / self.slope

    def optimal_quantities(self) -> Array:
        """Quantities that maximise joint profit, shape (players,): (u - w)/(2 v), shared by the cheapest firms."""
        cheapest = self.costs == self.costs.min()
        return np.where(cheapest, (self.intercept - self.costs.min()) / (2 * self.slope * cheapest.sum()), 0.0)

    def actions(self) -> Actions:
        quantities = np.linspace(0.0, self.highest_quantity, self.n_quantities)
        return Actions("quantity", np.tile(quantities, (self.players, 1)), unit="units")

    def form(self) -> NormalForm:
        return NormalForm.from_tensor(tabulate(self.actions().values, self.profits, "n_quantities"))

    def benchmarks(self) -> Benchmarks:
        """Nash equilibrium and joint optimum without a grid, followed by those on the grid."""
        from tacitlab.theory.equilibrium import grid_benchmarks

        grid = grid_benchmarks(self.form(), self.actions())
        nash, best = self.nash_quantities(), self.optimal_quantities()
        numbers = {
            "total quantity under perfect competition": float(self.intercept - self.costs.min()) / self.slope,
            "consumer surplus at Nash": self.slope * float(nash.sum()) ** 2 / 2,
            "consumer surplus at joint optimum": self.slope * float(best.sum()) ** 2 / 2,
        }
        return replace(
            grid,
            competitive=(self._profile("Nash", "nash", nash), *grid.competitive),
            cooperative=(self._profile("joint optimum", "joint-optimum", best), *grid.cooperative),
            numbers={**grid.numbers, **numbers},
        )

    def _profile(self, name: str, concept: Concept, quantities: Array) -> Profile:
        return Profile(name, concept, self.profits(quantities), "closed form", None, {"quantity": quantities})

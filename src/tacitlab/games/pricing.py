"""What all games of price competition share: firms, costs and the grid of prices."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Tag, model_validator

from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, StageGame
from tacitlab.games.table import Amount, PerPlayer, check_lengths, spread
from tacitlab.schema import param


def _form(value: Any) -> str:
    return "NAME" if isinstance(value, str) else "RANGE"


PriceGrid = Annotated[
    Annotated[Literal["nash-monopoly", "cost-based"], Tag("NAME")] | Annotated[tuple[Amount, Amount], Tag("RANGE")],
    Discriminator(_form),
]
"""Where the prices lie: between benchmarks, by name, or an explicit range [low, high]."""


class PriceGame(StageGame):
    r"""Firms choose prices from a grid of ``n_prices`` equal steps.

    The ends of the grid of firm i, with Nash price p_i^N, joint-monopoly price p_i^M and marginal cost c_i, are

    ================== ==================================== =====================================
    ``price_grid``     lowest price                         highest price
    ================== ==================================== =====================================
    ``nash-monopoly``  p_i^N - xi (p_i^M - p_i^N)           p_i^M + xi (p_i^M - p_i^N)
    ``cost-based``     c_i                                  p_i^M + xi (p_i^M - p_i^N)
    ``[low, high]``    low                                  high
    ================== ==================================== =====================================

    The first two are those of Calvano, Calzolari, Denicolò and Pastorello (AER 2020).
    """

    kind: str
    players: int = param(2, "number of firms, n", ge=2, le=20)
    cost: PerPlayer[Amount] = param(1.0, "marginal cost, c_i: one number or one per firm", unit="money")
    n_prices: int = param(15, "number of prices on the grid, m", ge=2, le=5000)
    price_grid: PriceGrid = param(
        "nash-monopoly", "ends of the price grid: nash-monopoly, cost-based or a range [low, high]", unit="money"
    )
    xi: float = param(0.1, "margin of the price grid beyond the benchmarks, xi (unused with a range)", ge=0.0, le=10.0)

    role: ClassVar[str] = "firm"
    payoff_name: ClassVar[str] = "profit"
    payoff_unit: ClassVar[str] = "money"

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        check_lengths(self.players, cost=self.cost)
        if isinstance(self.price_grid, tuple) and self.price_grid[0] >= self.price_grid[1]:
            low, high = self.price_grid
            raise ValueError(f"price_grid: the range [{low:g}, {high:g}] is empty; the first number must be lower")
        return self

    @property
    def n_players(self) -> int:
        return self.players

    @property
    def costs(self) -> NDArray[np.float64]:
        """Marginal cost of each firm, shape (players,)."""
        return spread(self.cost, self.players)

    @abstractmethod
    def nash_prices(self) -> NDArray[np.float64]:
        """Nash prices without a grid, shape (players,)."""

    @abstractmethod
    def monopoly_prices(self) -> NDArray[np.float64]:
        """Prices that maximise joint profit without a grid, shape (players,)."""

    def prices(self) -> NDArray[np.float64]:
        """The price grid of each firm, shape (players, n_prices).

        Raises
        ------
        TacitError
            If the benchmark prices coincide or do not exist, so that they span no grid.
        """
        if isinstance(self.price_grid, tuple):
            low, high = (np.full(self.players, end) for end in self.price_grid)
        else:
            nash, monopoly = self.nash_prices(), self.monopoly_prices()
            margin = self.xi * (monopoly - nash)
            low = nash - margin if self.price_grid == "nash-monopoly" else self.costs
            high = monopoly + margin
        if np.any(high - low <= 1e-12 * np.abs(high)):
            raise TacitError(
                f"price_grid: {self.price_grid} spans no prices because competition makes no difference to a firm; "
                "give a range, for example price_grid=[0, 1]"
            )
        return np.linspace(low, high, self.n_prices, axis=1)

    def actions(self) -> Actions:
        return Actions("price", self.prices(), unit="money")

    def _joint(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Prices as an array of shape (..., players), or a TacitError."""
        joint = np.asarray(prices, dtype=np.float64)
        if joint.ndim == 0 or joint.shape[-1] != self.players:
            raise TacitError(f"prices: shape {joint.shape} is wrong; the last axis must have {self.players} firms")
        if not np.all(np.isfinite(joint)):
            raise TacitError("prices: every price must be a finite number")
        return joint

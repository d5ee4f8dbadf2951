"""First-price sealed-bid auction with complete information, on a grid of bids."""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.games.base import Actions, NormalForm, StageGame
from tacitlab.games.table import Amount, PerPlayer, check_lengths, spread, tabulate
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks

Array = NDArray[np.float64]


class FirstPriceAuction(StageGame):
    """The highest bidder wins one object and pays its bid.

    A winner with value v and bid b gets v - b, the others nothing; of k tied winners each wins with probability 1/k,
    and payoffs are expectations. Values are known to all. Without a grid two bidders with the same value both bid it;
    on a grid with step h bidding v - h, and v - 2h, are equilibria too, because undercutting takes a whole step.

    Raises
    ------
    TacitError
        If a parameter is out of bounds, the range of bids is empty, or the values are not one per bidder.

    References
    ----------
    Krishna, *Auction Theory*, 2nd edition, 2010, chapter 2.

    Examples
    --------
    Bids 0, 0.1, ..., 1 and a common value of 1: three equilibria, from the least to the most profitable.

    >>> benchmarks = FirstPriceAuction().benchmarks()
    >>> [profile.quantities["bid"].tolist() for profile in benchmarks.competitive if profile.concept == "nash"]
    [[1.0, 1.0], [0.9, 0.9], [0.8, 0.8]]
    """

    kind: Literal["first-price-auction"] = "first-price-auction"
    players: int = param(2, "number of bidders, n", ge=2, le=20)
    value: PerPlayer[Amount] = param(1.0, "value of the object, v_i: one number or one per bidder", unit="money")
    lowest_bid: Amount = param(0.0, "lowest bid on the grid", unit="money")
    highest_bid: Amount = param(1.0, "highest bid on the grid", unit="money")
    n_bids: int = param(11, "number of bids, equally spaced", ge=2, le=5000)

    role: ClassVar[str] = "bidder"
    payoff_unit: ClassVar[str] = "money"

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_lengths(self.players, value=self.value)
        if self.lowest_bid >= self.highest_bid:
            raise ValueError(
                f"highest_bid: {self.highest_bid:g} is too small; it must be above lowest_bid, {self.lowest_bid:g}"
            )
        return self

    @property
    def n_players(self) -> int:
        return self.players

    @property
    def values(self) -> Array:
        """Value of the object to each bidder, shape (players,)."""
        return spread(self.value, self.players)

    def payoffs(self, bids: Array) -> Array:
        """Expected payoff of each bidder, shape (..., players), at bids of that shape."""
        bids = np.asarray(bids, dtype=np.float64)
        winning = bids == bids.max(axis=-1, keepdims=True)
        return np.where(winning, (self.values - bids) / winning.sum(axis=-1, keepdims=True), 0.0)

    def actions(self) -> Actions:
        bids = np.linspace(self.lowest_bid, self.highest_bid, self.n_bids)
        return Actions("bid", np.tile(bids, (self.players, 1)), unit="money")

    def form(self) -> NormalForm:
        return NormalForm.from_tensor(tabulate(self.actions().values, self.payoffs, "n_bids"))

    def benchmarks(self) -> Benchmarks:
        """All pure equilibria on the grid, of two bidders the mixed ones too, and the bidders' joint optimum."""
        from tacitlab.theory.equilibrium import grid_benchmarks

        return grid_benchmarks(self.form(), self.actions())

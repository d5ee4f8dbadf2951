"""Price competition between differentiated products with linear demand (Singh and Vives, 1984)."""

from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.errors import TacitError
from tacitlab.games.base import NormalForm
from tacitlab.games.pricing import PriceGame
from tacitlab.games.table import Amount, PerPlayer, check_lengths, spread, tabulate
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile

Array = NDArray[np.float64]
Positive = Annotated[float, Field(gt=0.0, le=1e6)]

GAIN = 1e-9
"""Largest gain from a deviation, relative to the largest profit, that counts as none."""


class LinearBertrand(PriceGame):
    r"""Firms set prices; a representative consumer has quadratic utility.

    The consumer chooses quantities q >= 0 to maximise sum_i (alpha_i - p_i) q_i - (sum_i beta_i q_i^2 +
    2 gamma sum_{i<j} q_i q_j) / 2, so that p_i = alpha_i - beta_i q_i - gamma sum_{j != i} q_j for every product that
    is bought. A product that is too dear drops out, and the demand of the remaining ones takes over; no quantity is
    ever negative.

    Raises
    ------
    TacitError
        If a parameter is out of bounds, the products are not imperfect substitutes, or nobody would produce.

    References
    ----------
    Singh and Vives, "Price and quantity competition in a differentiated duopoly", RAND Journal of Economics 15(4),
    1984, 546-554; with n firms: Häckner, Journal of Economic Theory 93(2), 2000, 233-239.

    Examples
    --------
    With alpha = beta = 1, gamma = 1/2 and no cost, p^N = (1 - gamma)/(2 - gamma) and p^M = 1/2:

    >>> game = LinearBertrand()
    >>> game.nash_prices(), game.monopoly_prices()
    (array([0.333..., 0.333...]), array([0.5, 0.5]))
    >>> game.demand(np.array([0.1, 0.9]))  # the dear product drops out; q_1 = alpha - p_1
    array([0.9, 0. ])
    """

    kind: Literal["bertrand-linear"] = "bertrand-linear"
    cost: PerPlayer[Amount] = param(0.0, "marginal cost, c_i: one number or one per firm", unit="money")
    intercept: PerPlayer[Positive] = param(1.0, "willingness to pay for the first unit, alpha_i", unit="money")
    slope: PerPlayer[Positive] = param(1.0, "own-quantity slope of inverse demand, beta_i", unit="money per unit")
    substitution: float = param(
        0.5,
        "cross slope, gamma: 0 independent products, towards beta perfect substitutes",
        unit="money per unit",
        ge=0.0,
    )

    @model_validator(mode="after")
    def _check_demand(self) -> Self:
        check_lengths(self.players, intercept=self.intercept, slope=self.slope)
        if self.substitution >= (1.0 - 1e-6) * self._slopes.min():
            raise ValueError(
                f"substitution: {self.substitution:g} is too large; it must be below slope "
                f"({self._slopes.min():g}), or use bertrand-homogeneous for perfect substitutes"
            )
        if np.all(self._intercepts <= self.costs):
            raise ValueError("intercept: nobody would produce; it must be above cost for at least one firm")
        return self

    def demand(self, prices: Array) -> Array:
        """Quantities bought, shape (..., players), at prices of that shape.

        With s_i = alpha_i - p_i and total Q, q_i = max(0, (s_i - gamma Q)/(beta_i - gamma)): the products that are
        bought are those with the largest s_i, as many as keep s_i above gamma Q.
        """
        surplus = self._intercepts - self._joint(prices)
        order = np.argsort(-surplus, axis=-1, kind="stable")
        surplus = np.take_along_axis(surplus, order, axis=-1)
        spare = (self._slopes - self.substitution)[order]
        # Total quantity if the k + 1 products with the largest surplus are bought.
        totals = np.cumsum(surplus / spare, axis=-1) / (1.0 + self.substitution * np.cumsum(1.0 / spare, axis=-1))
        bought = np.logical_and.accumulate(surplus > self.substitution * totals, axis=-1)
        count = bought.sum(axis=-1, keepdims=True)
        total = np.take_along_axis(totals, np.maximum(count - 1, 0), axis=-1)
        sorted_demand = np.where(bought, (surplus - self.substitution * total) / spare, 0.0)
        quantities = np.empty_like(sorted_demand)
        np.put_along_axis(quantities, order, sorted_demand, axis=-1)
        return quantities

    def profits(self, prices: Array) -> Array:
        """Profit of each firm, shape (..., players), at prices of that shape."""
        return (self._joint(prices) - self.costs) * self.demand(prices)

    def consumer_surplus(self, prices: Array) -> Array:
        """The consumer's utility net of what he pays, shape (...); at the optimum half the quadratic form q'Bq."""
        quantities = self.demand(prices)
        return np.einsum("...i,ij,...j->...", quantities, self._quadratic, quantities) / 2

    def nash_prices(self) -> Array:
        """Nash prices without a grid, shape (players,); a firm that is priced out charges its cost."""
        return self._nash()[0]

    def monopoly_prices(self) -> Array:
        """Joint-profit maximum p_i = (alpha_i + c_i)/2, shape (players,).

        It holds with corners too: joint profit is a concave quadratic in q >= 0 whose maximiser is half the demand at
        prices equal to costs, and demand at these prices is exactly that.
        """
        return (self._intercepts + self.costs) / 2

    def form(self) -> NormalForm:
        return NormalForm.from_tensor(tabulate(self.prices(), self.profits, "n_prices"))

    def benchmarks(self) -> Benchmarks:
        """Nash equilibrium and joint monopoly without a grid, followed by those on the grid.

        If a firm is priced out at the Nash equilibrium, further equilibria may exist in which it charges less than
        its cost without selling; the one given has it at cost.
        """
        from tacitlab.theory.equilibrium import grid_benchmarks

        grid = grid_benchmarks(self.form(), self.actions())
        prices, interior, gain = self._nash()
        method = "closed form" if interior else "iterated best replies, some firm priced out"
        nash = Profile(
            "Nash", "nash", self.profits(prices), method, None, self._quantities(prices), exact=interior, error=gain
        )
        best = self.monopoly_prices()
        monopoly = Profile("monopoly", "joint-optimum", self.profits(best), "closed form", None, self._quantities(best))
        surplus = {
            f"consumer surplus at {name}": float(self.consumer_surplus(p))
            for name, p in (("Nash", prices), ("monopoly", best))
        }
        notes = () if interior else ("a firm is priced out at the Nash equilibrium; it is taken to charge its cost",)
        return replace(
            grid,
            competitive=(nash, *grid.competitive),
            cooperative=(monopoly, *grid.cooperative),
            numbers={**grid.numbers, **surplus},
            notes=grid.notes + notes,
        )

    @property
    def _intercepts(self) -> Array:
        return spread(self.intercept, self.players)

    @property
    def _slopes(self) -> Array:
        return spread(self.slope, self.players)

    @property
    def _quadratic(self) -> Array:
        """Matrix of the consumer's quadratic utility: beta_i on the diagonal, gamma elsewhere."""
        return np.diag(self._slopes - self.substitution) + self.substitution

    def _quantities(self, prices: Array) -> dict[str, Array]:
        return {"price": prices, "quantity": self.demand(prices)}

    def _nash(self) -> tuple[Array, bool, float]:
        """Nash prices, whether everybody sells, and the largest gain from a deviation found on a fine grid.

        If everybody sells, D q = alpha - p with D the inverse of the quadratic form turns q_i = D_ii (p_i - c_i) into
        a linear system. Profits are quasi-concave in the own price, so that an equilibrium exists in any case.
        """
        inverse = np.linalg.inv(self._quadratic)
        own = np.diag(np.diag(inverse))
        prices = np.linalg.solve(inverse + own, inverse @ self._intercepts + own @ self.costs)
        interior = bool(np.all(inverse @ (self._intercepts - prices) > 0.0))
        if not interior:
            prices = self._iterate()
        profits = self.profits(prices)
        gain = 0.0
        for firm in range(self.players):
            trials = np.tile(prices, (2001, 1))
            trials[:, firm] = np.linspace(self.costs[firm], max(self._intercepts[firm], self.costs[firm]), 2001)
            gain = max(gain, float(self.profits(trials)[:, firm].max() - profits[firm]))
        if gain > GAIN * profits.max():
            raise TacitError(
                "substitution: no Nash equilibrium was found without a grid; lower it or make the firms more alike"
            )
        return prices, interior, gain

    def _iterate(self) -> Array:
        """Best replies in turn, from prices equal to costs, until nobody moves."""
        prices = self.costs
        for _ in range(1000):
            previous = prices.copy()
            for firm in range(self.players):
                prices[firm] = self._best_reply(prices, firm)
            if np.allclose(prices, previous, rtol=1e-14, atol=0.0):
                break
        return prices

    def _best_reply(self, prices: Array, firm: int) -> float:
        """The firm's most profitable price; its cost if it cannot sell above cost.

        Own demand is linear between the prices at which a further rival starts to sell, strongest rival first. The
        best reply is the peak of one of the linear pieces or one of those prices.
        """
        gamma, alpha, cost = self.substitution, self._intercepts[firm], self.costs[firm]
        spare = self._slopes - gamma
        surplus = self._intercepts - prices
        rivals = sorted((j for j in range(self.players) if j != firm), key=lambda j: -surplus[j])
        candidates, total, weight = [(alpha + cost) / 2], 0.0, 1.0
        for rival in rivals:
            total, weight = total + surplus[rival] / spare[rival], weight + gamma / spare[rival]
            candidates.append((alpha - gamma * total / weight + cost) / 2)
            starts = spare[firm] * (surplus[rival] * (weight / gamma + 1.0 / spare[firm]) - total)
            candidates.append(alpha - starts)
        trials = np.tile(prices, (len(candidates), 1))
        trials[:, firm] = np.maximum(candidates, cost)
        profits = self.profits(trials)[:, firm]
        best = int(np.argmax(profits))
        return float(trials[best, firm]) if profits[best] > 0.0 else float(cost)

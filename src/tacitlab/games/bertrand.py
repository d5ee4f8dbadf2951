"""Price competition between differentiated products with logit demand: the laboratory of Calvano et al. (2020)."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.errors import TacitError
from tacitlab.games.base import NormalForm
from tacitlab.games.pricing import PriceGame
from tacitlab.games.table import Level, PerPlayer, check_lengths, spread, tabulate
from tacitlab.schema import param
from tacitlab.theory import logit
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

Array = NDArray[np.float64]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]

LISTED = 50
"""At most this many equilibria on the grid are listed when the market has entry."""


class Bertrand(PriceGame):
    r"""Firms set prices; a customer buys the product he likes best, or nothing.

    Firm i sells q_i = exp((a_i - p_i)/mu) / (sum_j exp((a_j - p_j)/mu) + exp(a_0/mu)) and earns (p_i - c_i) q_i.

    Two variants make the market random, one at a time:

    * ``demand_shock`` x: every period a_0 is ``outside_quality`` - x (regime 0) or + x (regime 1) with probability
      1/2, independently, and nobody sees which. Benchmarks concern expected profit.
    * ``entry_persistence`` r: the last firm is an outsider, out of the market in regime 0 and in it in regime 1; the
      regime stays as it is with probability r, and everybody sees it. A firm that is out earns nothing. The price
      grid is that of the market with everybody in it.

    Raises
    ------
    TacitError
        If a parameter is out of bounds, a list has not one number per firm, or both variants are asked for.

    References
    ----------
    Calvano, Calzolari, Denicolò and Pastorello, "Artificial intelligence, algorithmic pricing, and collusion",
    American Economic Review 110(10), 2020, 3267-3297.

    Examples
    --------
    The baseline: competition gives each firm 0.223 a period, a cartel 0.337.

    >>> game = Bertrand()
    >>> game.nash_prices(), game.monopoly_prices()
    (array([1.47292..., 1.47292...]), array([1.92498..., 1.92498...]))
    >>> game.profits(game.monopoly_prices())
    array([0.33749..., 0.33749...])
    """

    kind: Literal["bertrand"] = "bertrand"
    quality: PerPlayer[Level] = param(2.0, "product quality, a_i: one number or one per firm", unit="money")
    outside_quality: Level = param(0.0, "value of buying nothing, a_0", unit="money")
    mu: float = param(
        0.25, "differentiation, mu; towards 0 products are perfect substitutes", unit="money", gt=0, le=1e6
    )
    demand_shock: float = param(0.0, "unobserved shock to a_0 of either sign, x", unit="money", ge=0.0, le=1e6)
    shock_values: Literal[2, 3] = param(2, "values of the shock, each as likely: -x and x, or -x, 0 and x")
    entry_persistence: Probability | None = param(
        None, "probability that the last firm stays in, or out of, the market; null: it is always in"
    )

    @model_validator(mode="after")
    def _check_demand(self) -> Self:
        check_lengths(self.players, quality=self.quality)
        if self.demand_shock > 0 and self.entry_persistence is not None:
            raise ValueError("entry_persistence: cannot be combined with demand_shock; leave out one of the two")
        largest = np.abs(self.qualities - self.costs - self.outside_quality).max() + self.demand_shock
        if largest > 1e6 * self.mu:
            least = f"{largest / 1e6:.3g}"
            raise ValueError(f"mu: {self.mu:g} is too small for these qualities and costs; it must be at least {least}")
        return self

    @property
    def qualities(self) -> Array:
        """Product quality of each firm, shape (players,)."""
        return spread(self.quality, self.players)

    def demand(self, prices: Array, regime: int | None = None, shown: NDArray[np.bool_] | None = None) -> Array:
        """Market shares, shape (..., players), at prices of that shape: in a regime, or their long-run average.

        With ``shown``, shape (..., players) or (players,), customers know of those firms only, and choose among them
        and the outside option.

        Raises
        ------
        TacitError
            If the prices are not finite or their last axis is not the firms.
        """
        joint = self._joint(prices)
        regimes = range(self._regimes) if regime is None else [regime]
        shares = [logit.shares(self._utilities(joint, r, shown), self._outside[r] / self.mu) for r in regimes]
        return np.mean(shares, axis=0)

    def profits(self, prices: Array, regime: int | None = None, shown: NDArray[np.bool_] | None = None) -> Array:
        """Profit of each firm, shape (..., players): in a regime, or its long-run average."""
        return (self._joint(prices) - self.costs) * self.demand(prices, regime, shown)

    def consumer_surplus(
        self, prices: Array, regime: int | None = None, shown: NDArray[np.bool_] | None = None
    ) -> Array:
        """mu ln(sum_i exp((a_i - p_i)/mu) + exp(a_0/mu)), shape (...): in a regime, or its long-run average."""
        joint = self._joint(prices)
        regimes = range(self._regimes) if regime is None else [regime]
        values = []
        for r in regimes:
            utilities, outside = self._utilities(joint, r, shown), self._outside[r] / self.mu
            values.append(np.logaddexp.reduce(utilities, axis=-1, initial=outside) if shown is not None
                          else logit.inclusive_value(utilities, outside))  # fmt: skip
        return self.mu * np.mean(values, axis=0)

    def nash_prices(self) -> Array:
        """Nash prices without a grid, shape (players,).

        They concern expected profit under demand shocks, and the market with everybody in it under entry.

        Raises
        ------
        TacitError
            If demand shocks are so large that no Nash equilibrium in pure strategies was found.
        """
        equilibria = self._equilibria()
        if not equilibria:
            raise TacitError(
                f"demand_shock: at {self.demand_shock:g} no Nash equilibrium in pure strategies was found; "
                "lower it, or give price_grid as a range [low, high]"
            )
        return equilibria[0].prices[-1]

    def monopoly_prices(self) -> Array:
        """Prices that maximise joint profit without a grid, shape (players,), under the same conventions."""
        return self._cartel().prices[-1]

    def form(self) -> NormalForm:
        grid, regimes = self.prices(), self._regimes
        tables = [tabulate(grid, partial(self.profits, regime=r), "n_prices", regimes) for r in range(regimes)]
        payoffs = np.stack(tables).reshape(regimes, -1, self.players)
        observed = self.entry_persistence is not None
        return NormalForm(payoffs, (self.n_prices,) * self.players, self._transition(), observed, self._active)

    def benchmarks(self) -> Benchmarks:
        """Nash equilibrium and joint monopoly without a grid, followed by those on the grid.

        Under demand shocks they concern expected profit. Under entry firms know who is in the market: the payoffs
        are the long-run average of each regime's equilibrium; the prices and shares are those with everybody in.
        """
        grid = self._on_grid(self.form())
        equilibria, cartel = self._equilibria(), self._cartel()
        numbers, notes = dict(grid.numbers), grid.notes
        numbers["consumer surplus at monopoly"] = self._surplus(cartel)
        if equilibria:
            numbers["consumer surplus at Nash"] = self._surplus(equilibria[0])
        if len(equilibria) != 1:
            which = "; the reference has the lowest prices" if equilibria else ""
            notes += (f"{len(equilibria)} Nash equilibria in pure strategies found without a grid{which}",)
        nash = tuple(self._profile("Nash", "nash", outcome) for outcome in equilibria)
        monopoly = self._profile("monopoly", "joint-optimum", cartel)
        return replace(
            grid,
            competitive=nash + grid.competitive,
            cooperative=(monopoly, *grid.cooperative),
            numbers=numbers,
            notes=notes,
        )

    @property
    def _regimes(self) -> int:
        if self.demand_shock > 0:
            return self.shock_values
        return 1 if self.entry_persistence is None else 2

    @property
    def _outside(self) -> Array:
        """a_0 in each regime, shape (regimes,)."""
        return self.outside_quality + np.linspace(-self.demand_shock, self.demand_shock, self._regimes)

    @property
    def _active(self) -> NDArray[np.bool_]:
        """Which firms are in the market, shape (regimes, players)."""
        active = np.ones((self._regimes, self.players), dtype=bool)
        if self.entry_persistence is not None:
            active[0, -1] = False
        return active

    def _transition(self) -> Array:
        """Markov chain of the regimes, shape (regimes, regimes); in the long run all are equally frequent."""
        if self.entry_persistence is None:
            return np.full((self._regimes, self._regimes), 1 / self._regimes)
        stay = self.entry_persistence
        return np.array([[stay, 1.0 - stay], [1.0 - stay, stay]])

    def _utilities(self, prices: Array, regime: int, shown: NDArray[np.bool_] | None = None) -> Array:
        there = self._active[regime] if shown is None else self._active[regime] & shown
        return np.where(there, (self.qualities - prices) / self.mu, -np.inf)

    def _information(self) -> list[list[int]]:
        """The regimes, grouped by what firms can tell apart."""
        regimes = list(range(self._regimes))
        return [regimes] if self.entry_persistence is None else [[regime] for regime in regimes]

    def _market(self, regimes: list[int]) -> tuple[Array, Array]:
        """(a_i - c_i - a_0) / mu of the firms in the market, shape (regimes, firms), and the regimes' weights."""
        values = (self.qualities - self.costs)[self._active[regimes[0]]] - self._outside[regimes][:, None]
        return values / self.mu, np.full(len(regimes), 1.0 / len(regimes))

    def _equilibria(self) -> list["_Outcome"]:
        """Nash equilibria without a grid, the one with the lowest prices first."""
        found = [logit.nash(*self._market(regimes)) for regimes in self._information()]
        return [self._outcome(solutions) for solutions in product(*found)]

    def _cartel(self) -> "_Outcome":
        return self._outcome([logit.monopoly(*self._market(regimes)) for regimes in self._information()])

    def _outcome(self, solutions: Iterable[logit.Solution]) -> "_Outcome":
        """Prices in every regime, from one solution for each group of regimes that firms cannot tell apart."""
        prices, residual = np.tile(self.costs, (self._regimes, 1)), 0.0
        for regimes, solution in zip(self._information(), solutions, strict=True):
            prices[np.ix_(regimes, self._active[regimes[0]])] += self.mu * solution.markups
            residual = max(residual, solution.residual)
        return _Outcome(prices, residual)

    def _profile(self, name: str, concept: Concept, outcome: "_Outcome") -> Profile:
        payoffs = np.mean([self.profits(prices, regime) for regime, prices in enumerate(outcome.prices)], axis=0)
        prices = outcome.prices[-1]
        with_everybody = None if self.entry_persistence is None else 1
        quantities = {"price": prices, "share": self.demand(prices, with_everybody)}
        method = "first-order conditions, no gain from deviations on a fine grid"
        if concept == "joint-optimum":
            method = "first-order condition of the common markup"
        return Profile(name, concept, payoffs, method, None, quantities, exact=False, error=outcome.residual)

    def _surplus(self, outcome: "_Outcome") -> float:
        return float(np.mean([self.consumer_surplus(prices, r) for r, prices in enumerate(outcome.prices)]))

    def _on_grid(self, form: NormalForm) -> Benchmarks:
        """Benchmarks on the grid. Firms that know the regime play an equilibrium of each: all pairs are averaged."""
        from tacitlab.theory.equilibrium import grid_benchmarks, joint_optimum, pure_nash
        from tacitlab.theory.precision import roundings

        if self.entry_persistence is None:
            return grid_benchmarks(form, self.actions())
        alone, everybody = form.tensor(0)[..., :1, :], form.tensor(1)  # the outsider's price is idle when it is out
        grid, method = self.prices(), f"enumeration of {form.payoffs[..., 0].size:,} profiles, regime by regime"

        def profile(name: str, concept: Concept, without: NDArray[np.int64], within: NDArray[np.int64]) -> Profile:
            payoffs = (alone[tuple(without)] + everybody[tuple(within)]) / 2
            return Profile(name, concept, payoffs, method, None, {"price": grid[np.arange(self.players), within]})

        pairs = list(product(*(pure_nash(table, roundings(table)) for table in (alone, everybody))))
        found = sorted((profile("Nash on the grid", "nash", *pair) for pair in pairs), key=lambda p: p.average)[:LISTED]
        found[1:] = [replace(one, name=f"{one.name} {number}") for number, one in enumerate(found[1:], start=2)]
        best = profile("joint optimum on the grid", "joint-optimum", joint_optimum(alone), joint_optimum(everybody))
        notes = () if len(pairs) == 1 else (f"{len(pairs)} pure Nash equilibria on the grid, {len(found)} listed",)
        return Benchmarks(tuple(found), (best,), complete=len(pairs) <= LISTED, notes=notes)


class _Outcome(NamedTuple):
    """Prices in each regime, shape (regimes, players), and the residual of their equations."""

    prices: Array
    residual: float

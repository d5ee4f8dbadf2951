"""Pigou's two roads, the smallest example of inefficient selfish routing."""

from typing import Literal

import numpy as np

from tacitlab.games.base import CongestionForm
from tacitlab.games.network import Edge, RoutingGame, routing_form
from tacitlab.schema import param
from tacitlab.theory.congestion import ClosedForms


class Pigou(RoutingGame):
    """Drivers choose between a road of constant time and a shortcut whose time rises with its load.

    The constant road takes ``constant`` (A), the shortcut ``slope`` (B) times the share of drivers on it. With
    x = min(A / B, 1), a continuum of drivers sends the share x to the shortcut in Wardrop equilibrium, but only
    min(x, A / 2B) at the optimum: with A = B the price of anarchy is 4/3, the worst that affine times allow.

    Raises
    ------
    TacitError
        If a parameter is out of bounds.

    References
    ----------
    A. C. Pigou, *The Economics of Welfare* (1920); T. Roughgarden and E. Tardos, "How bad is selfish routing?",
    Journal of the ACM 49(2), 2002.

    Examples
    --------
    >>> benchmarks = Pigou(players=100).benchmarks()
    >>> -benchmarks.nash.average, -benchmarks.optimum.average, benchmarks.numbers["price of anarchy"]
    (1.0, 0.75, 1.333...)
    """

    kind: Literal["pigou"] = "pigou"
    constant: float = param(1.0, "travel time of the constant road", unit="time", ge=0, le=1e6)
    slope: float = param(1.0, "travel time of the shortcut with every driver on it", unit="time", gt=0, le=1e6)

    def form(self) -> CongestionForm:
        edges = [Edge(start=0, end=1, constant=self.constant), Edge(start=0, end=1, slope=self.slope)]
        return routing_form(edges, [[0], [1]], self.players, self.players)

    def _labels(self) -> tuple[str, ...]:
        return ("constant", "shortcut")

    def _closed_forms(self) -> ClosedForms:
        # On the shortcut, k drivers are stable iff B k/n <= A (nobody leaves) and A <= B (k+1)/n (nobody joins).
        balance = self.players * self.constant / self.slope
        rounding = 1e-12 * max(balance, 1.0)
        most = min(int(np.floor(balance + rounding)), self.players)
        least = min(max(int(np.ceil(balance - 1 - rounding)), 0), self.players)
        stable = np.arange(least, most + 1)
        # The total time (n-k) A + B k^2/n is a parabola in k: the best count is one of the integers around its vertex.
        best = min(int(np.ceil(balance / 2 - 0.5 - rounding)), self.players)
        ratio = self.constant / self.slope
        share, ideal = min(ratio, 1.0), min(ratio / 2, 1.0)
        return ClosedForms(
            nash=np.column_stack([self.players - stable, stable]),
            optimum=np.array([self.players - best, best]),
            wardrop=np.array([1 - share, share]),
            system_optimum=np.array([1 - ideal, ideal]),
        )

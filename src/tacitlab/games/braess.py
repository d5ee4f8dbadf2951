"""Braess's paradox: a new road that makes everybody slower."""

from dataclasses import replace
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm
from tacitlab.games.network import Edge, RoutingGame, routing_form
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks
from tacitlab.theory.congestion import ClosedForms

ROUTES = ("up", "down", "cross")
CLASSIC_NASH_TIME, CLASSIC_OPTIMAL_TIME = 2.0, 1.5


class Braess(RoutingGame):
    """Drivers go up, down or cross over between the two.

    With shares f of drivers on the routes, up takes 1 + (f_up + f_cross), down 1 + (f_down + f_cross), and cross
    (f_up + f_cross) + (f_down + f_cross) + ``cost``. Without cost everybody crosses in equilibrium and needs 2;
    half up, half down would need 1.5, and so it is in equilibrium if the link is closed. For a continuum of drivers
    and 0 <= cost <= 1/2, the equilibrium shares are (cost, cost, 1 - 2 cost) with travel time 2 - cost.

    Raises
    ------
    TacitError
        If a parameter is out of bounds, or a cost is given without the link.

    References
    ----------
    D. Braess, "Über ein Paradoxon aus der Verkehrsplanung", Unternehmensforschung 12 (1968). With learning drivers:
    C. Carissimo, IEEE Access 12 (2024) 15984-15996, doi 10.1109/ACCESS.2024.3358608.

    Examples
    --------
    >>> game = Braess(players=100)
    >>> benchmarks = game.benchmarks()
    >>> -benchmarks.nash.average, -benchmarks.optimum.average, game.random_play_time()
    (2.0, 1.5, 1.56)
    """

    kind: Literal["braess"] = "braess"
    cost: float = param(0.0, "travel time of the link that route cross uses", unit="time", ge=0, le=1)
    link: bool = param(True, "whether the link is open; if not, there are the routes up and down only")

    @model_validator(mode="after")
    def _check_cost(self) -> Self:
        if self.cost > 0 and not self.link:
            raise ValueError(f"cost: {self.cost:g} is charged on a closed link; set cost=0 or link=true")
        return self

    def form(self) -> CongestionForm:
        edges = [
            Edge(start="origin", end="left", slope=1.0),
            Edge(start="left", end="destination", constant=1.0),
            Edge(start="origin", end="right", constant=1.0),
            Edge(start="right", end="destination", slope=1.0),
            Edge(start="left", end="right", constant=self.cost),
        ]
        routes = [(0, 1), (2, 3), (0, 4, 3)]
        return routing_form(edges, routes if self.link else routes[:2], self.players, self.players)

    def _labels(self) -> tuple[str, ...]:
        return ROUTES if self.link else ROUTES[:2]

    def _closed_forms(self) -> ClosedForms:
        outer = min(self.cost, 0.5) if self.link else 0.5
        half, routes = self.players // 2, len(self._labels())
        return ClosedForms(
            optimum=np.array([half, self.players - half, 0])[:routes],
            wardrop=np.array([outer, outer, 1 - 2 * outer])[:routes],
            system_optimum=np.array([0.5, 0.5, 0.0])[:routes],
        )

    def benchmarks(self) -> Benchmarks:
        """As of all routing games; the numbers also tell the travel time of random play."""
        benchmarks = super().benchmarks()
        return replace(benchmarks, numbers=benchmarks.numbers | {"travel time of random play": self.random_play_time()})

    def random_play_time(self) -> float:
        """Expected mean travel time if every driver draws a route uniformly: 14/9 + 4/(9n) + cost/3 with the link.

        Examples
        --------
        >>> Braess(players=100, link=False).random_play_time()
        1.505
        """
        return self.epsilon_rational_time(1.0, ROUTES[0])

    def epsilon_rational_time(self, epsilon: float, greedy: str = "cross") -> float:
        """Expected mean travel time if all drivers prefer the same route, and draw any with probability epsilon.

        Drivers draw independently of each other. With p the probability that a driver takes a route, the expected
        mean time is (1-p_down)² + (1-p_up)² + p_up + p_down + [p_up (1-p_up) + p_down (1-p_down)] / n
        + cost p_cross. The last but one term is due to the finite number of drivers; without it, 2 - (2/3) epsilon
        + (2/9) epsilon² for cross, and 2 - epsilon + (5/9) epsilon² for up or down.

        Parameters
        ----------
        epsilon : float
            Probability of exploration; the preferred route is among those explored.
        greedy : str
            "up", "down" or "cross".

        Raises
        ------
        TacitError
            If epsilon is no probability or there is no such route.

        Examples
        --------
        >>> round(Braess(players=10_000).epsilon_rational_time(0.1), 4), round(2 - 0.2 / 3 + 0.02 / 9, 4)
        (1.9356, 1.9356)
        """
        routes = self._labels()
        if not 0 <= epsilon <= 1:
            raise TacitError(f"epsilon: {epsilon:g} is no probability; it must be between 0 and 1")
        if greedy not in routes:
            raise TacitError(f"greedy: {greedy!r} is unknown; choose from {', '.join(routes)}")
        chance = {route: epsilon / len(routes) + (1 - epsilon) * (route == greedy) for route in routes}
        up, down = chance["up"], chance["down"]
        variance = (up * (1 - up) + down * (1 - down)) / self.players
        return (1 - down) ** 2 + (1 - up) ** 2 + up + down + variance + self.cost * chance.get("cross", 0.0)

    def welfare(self, time: float) -> float:
        """Normalised welfare (2 - time) / 0.5: 0 at the Nash equilibrium, 1 at the optimum of the game without cost.

        The same scale for every cost and with the link closed, so that variants can be compared.

        Parameters
        ----------
        time : float or array
            Mean travel time.

        Examples
        --------
        >>> Braess().welfare(1.56)
        0.88
        """
        return (CLASSIC_NASH_TIME - time) / (CLASSIC_NASH_TIME - CLASSIC_OPTIMAL_TIME)

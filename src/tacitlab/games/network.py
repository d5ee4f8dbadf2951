"""Selfish routing on a network of roads whose travel times rise with their load."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Discriminator, Tag, model_validator

from tacitlab.games.base import Actions, CongestionForm, StageGame
from tacitlab.schema import Spec, param
from tacitlab.theory.benchmarks import Benchmarks
from tacitlab.theory.congestion import ClosedForms, congestion_benchmarks

Node = Annotated[
    Annotated[int, Tag("NUMBER")] | Annotated[str, Tag("NAME")],
    Discriminator(lambda node: "NAME" if isinstance(node, str) else "NUMBER"),
]
"""A number or a name."""

MAX_ROUTES = 1_000
MAX_PLAYERS = 10_000


class Edge(Spec):
    """A one-way road: travel time = constant + slope * (load / scale)^power, the load being the drivers on it.

    A road of the Bureau of Public Roads with free time t0, capacity c and its usual 0.15 and 4 has ``constant: t0``,
    ``slope: 0.15 t0`` and ``power: 4`` at a scale of c, or ``slope: 0.15 t0 (scale / c)^4`` at another.

    Examples
    --------
    >>> Edge.model_validate({"from": 0, "to": "airport", "slope": 1.0}).time(50, scale=100)
    0.5
    """

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    start: Node = param(..., "node where the road starts", alias="from")
    end: Node = param(..., "node where the road ends", alias="to")
    constant: float = param(0.0, "travel time on the empty road", unit="time", ge=0, le=1e6)
    slope: float = param(0.0, "travel time added by a load of `scale` drivers", unit="time", ge=0, le=1e6)
    power: float = param(
        1.0, "how steeply travel time rises: 1 in proportion to the load, 4 on many roads", ge=1, le=20
    )

    def time(self, load: Any, scale: float) -> Any:
        """Travel time at a load, a number or an array."""
        return self.constant + self.slope * (load / scale) ** self.power


def routing_form(edges: Sequence[Edge], routes: Sequence[Sequence[int]], players: int, scale: float) -> CongestionForm:
    """Routing as a congestion game; payoff = -travel time.

    Parameters
    ----------
    edges : sequence of Edge
    routes : sequence of sequences of int
        The edges of each route, by their position in ``edges``.
    players : int
    scale : float
        Load at which an edge takes ``constant + slope``.

    Returns
    -------
    CongestionForm
        Its facilities are the edges with a slope that some route uses; constant times are in ``own``.

    Examples
    --------
    >>> form = routing_form([Edge(start=0, end=1, constant=1), Edge(start=0, end=1, slope=1)], [[0], [1]], 4, 4)
    >>> form.payoffs(np.array([1, 3]))
    array([-1.  , -0.75])
    """
    uses = np.array([[float(edge in route) for route in routes] for edge in range(len(edges))])
    constants = np.array([edge.constant for edge in edges])
    slopes = np.array([edge.slope for edge in edges])
    congested = np.flatnonzero((slopes > 0) & uses.any(axis=1))
    values = -slopes[congested, None] * np.arange(players + 1) / scale
    for row, edge in enumerate(congested):
        if (power := edges[int(edge)].power) != 1:
            values[row] = -slopes[edge] * (np.arange(players + 1) / scale) ** power
    weights = np.ascontiguousarray(uses[congested].T)
    return CongestionForm(players, uses[congested].astype(np.int64), weights, values, -(constants @ uses))


class RoutingGame(StageGame):
    """What all routing games share: drivers, and payoff = -travel time."""

    role: ClassVar[str] = "driver"
    payoff_name: ClassVar[str] = "minus travel time"
    cost_name: ClassVar[str] = "travel time"
    payoff_unit: ClassVar[str] = "time"

    kind: str
    players: int = param(100, "number of drivers", unit="drivers", ge=1, le=MAX_PLAYERS)

    @property
    def n_players(self) -> int:
        return self.players

    @abstractmethod
    def form(self) -> CongestionForm:
        """Routing as a congestion game, see :func:`routing_form`."""

    @abstractmethod
    def _labels(self) -> tuple[str, ...]:
        """Names of the routes."""

    def _closed_forms(self) -> ClosedForms:
        return ClosedForms()

    def actions(self) -> Actions:
        labels = self._labels()
        return Actions("route", np.arange(len(labels), dtype=np.float64)[None], labels=labels)

    def benchmarks(self) -> Benchmarks:
        """Nash equilibria and social optimum of the drivers, and of a continuum of drivers (Wardrop)."""
        form = self.form()
        return congestion_benchmarks(
            form, self.actions(), cost="travel time", known=self._closed_forms(), powers=self._powers(form)
        )

    def _powers(self, form: CongestionForm) -> NDArray[np.float64] | None:
        """How the facilities' values depend on their loads; None: as lines, or not known."""
        return None


def _edges(text: str) -> tuple[Edge, ...]:
    """Edges from "01x 02:1": from node 0 to node 1 with slope 1, from 0 to 2 with constant 1."""
    words = text.split()
    times = [{"slope": 1.0} if word.endswith("x") else {"constant": float(word[3:])} for word in words]
    return tuple(Edge(start=int(word[0]), end=int(word[1]), **time) for word, time in zip(words, times, strict=True))


NINE_NODES = _edges("01x 02:1 13x 14:1 12:0 24x 25:1 34:0 36:1 46x 47:1 45:0 57x 68:1 67:0 78x")
"""A chain of Braess's paradoxes with 20 routes from 0 to 8 (Carissimo, Korecki and Dailisan, arXiv 2502.18988)."""


class Network(RoutingGame):
    """Drivers choose among all simple routes from an origin to a destination.

    Raises
    ------
    TacitError
        If a parameter is out of bounds, no route or more than 1,000 routes lead to the destination.

    Examples
    --------
    >>> roads = [{"from": "home", "to": "work", "constant": 1}, {"from": "home", "to": "work", "slope": 1}]
    >>> pigou = Network(edges=roads, origin="home", destination="work", players=10)
    >>> pigou.actions().labels
    ('home-work', 'home-work (2)')
    >>> pigou.benchmarks().numbers["price of anarchy"]
    1.333...
    """

    kind: Literal["network"] = "network"
    edges: tuple[Edge, ...] = param(
        NINE_NODES, "one-way roads: a list of {from, to, constant, slope, power}", min_length=1
    )
    origin: Node = param(0, "node where every driver starts")
    destination: Node = param(8, "node where every driver goes")
    scale: float | None = param(
        None, "load that adds an edge's slope to its travel time; null: the number of drivers", unit="drivers", gt=0
    )

    @model_validator(mode="after")
    def _check_routes(self) -> Self:
        for name, node in (("origin", self.origin), ("destination", self.destination)):
            if not any(node in (edge.start, edge.end) for edge in self.edges):
                raise ValueError(f"{name}: no edge touches node {node!r}; name a node of the edges")
        if self.origin == self.destination:
            raise ValueError(f"destination: {self.destination!r} is the origin too; choose another node")
        count = len(self.routes())
        if count == 0:
            raise ValueError(f"edges: no route leads from {self.origin!r} to {self.destination!r}; add an edge")
        if count > MAX_ROUTES:
            raise ValueError(f"edges: more than {MAX_ROUTES:,} routes; drop edges or move the destination closer")
        return self

    @classmethod
    def nine_nodes(cls, players: int = 100) -> Self:
        """The 9-node network of Carissimo, Korecki and Dailisan: loads count per 100 drivers, however many drive.

        Examples
        --------
        >>> len(Network.nine_nodes().routes())
        20
        """
        return cls(players=players, scale=100.0)

    def routes(self) -> list[tuple[int, ...]]:
        """Edge numbers of each simple route, in depth-first order of the edges; one more than allowed at most."""
        import networkx as nx  # slow to load

        graph = nx.MultiDiGraph()
        for number, edge in enumerate(self.edges):
            graph.add_edge(edge.start, edge.end, key=number)
        paths = nx.all_simple_edge_paths(graph, self.origin, self.destination)
        return [tuple(number for _, _, number in path) for path in islice(paths, MAX_ROUTES + 1)]

    def form(self) -> CongestionForm:
        return routing_form(self.edges, self.routes(), self.players, self.scale or self.players)

    def _powers(self, form: CongestionForm) -> NDArray[np.float64]:
        used = {number for route in self.routes() for number in route}
        return np.array([edge.power for number, edge in enumerate(self.edges) if edge.slope > 0 and number in used])

    def _labels(self) -> tuple[str, ...]:
        labels: list[str] = []
        seen: dict[str, int] = {}
        for route in self.routes():
            nodes = [self.origin, *(self.edges[number].end for number in route)]
            name = "-".join(map(str, nodes))
            seen[name] = seen.get(name, 0) + 1
            labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")  # parallel roads
        return tuple(labels)

"""The best-response graph among symmetric profiles: fixed points, cycles, and what leads there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import networkx as nx

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Attractor:
    """A set of profiles that best replies do not leave.

    Attributes
    ----------
    profiles : tuple of int
        One for a fixed point (a symmetric pure equilibrium), several for a cycle, in the order of play.
    basin : float
        Share of all profiles from which best replies lead here, its own included.
    """

    profiles: tuple[int, ...]
    basin: float

    @property
    def fixed(self) -> bool:
        return len(self.profiles) == 1


def best_replies(payoffs: ArrayLike) -> Ints:
    """The first best own strategy (axis 0) against each strategy of the others (axis 1), shape (others,).

    A strategy that is among the best replies to itself is its own reply: nobody moves without gain.

    Examples
    --------
    >>> best_replies([[3.0, 0.0], [5.0, 1.0]])
    array([1, 1])
    """
    table = np.asarray(payoffs, dtype=np.float64)
    replies = table.argmax(axis=0)
    if table.shape[0] == table.shape[1]:
        still = np.diagonal(table) >= table.max(axis=0)
        replies = np.where(still, np.arange(len(table)), replies)
    return np.asarray(replies, dtype=np.int64)


def response_graph(replies: ArrayLike) -> "nx.DiGraph":
    """The graph with an edge from each profile to the profile of its best reply.

    Parameters
    ----------
    replies : (strategies,) int array
        Best reply to each symmetric profile; -1 where it is not known.
    """
    import networkx as nx

    graph: nx.DiGraph = nx.DiGraph()
    targets = np.asarray(replies, dtype=np.int64)
    graph.add_nodes_from(range(len(targets)))
    graph.add_edges_from((j, int(i)) for j, i in enumerate(targets) if i >= 0)
    return graph


def attractors(replies: ArrayLike) -> list[Attractor]:
    """Fixed points and cycles of best replies, that with the largest basin first.

    Parameters
    ----------
    replies : (strategies,) int array
        Best reply to each symmetric profile; -1 where it is not known (such profiles lead nowhere).

    Examples
    --------
    >>> attractors([0, 0, 3, 2, 3])
    [Attractor(profiles=(2, 3), basin=0.6), Attractor(profiles=(0,), basin=0.4)]
    """
    import networkx as nx

    graph = response_graph(replies)
    found = []
    for cycle in nx.simple_cycles(graph):  # of a graph with one edge a node: each component has at most one
        start = cycle.index(min(cycle))
        basin = set(cycle) | nx.ancestors(graph, cycle[0])
        found.append(Attractor(tuple(map(int, cycle[start:] + cycle[:start])), len(basin) / max(len(graph), 1)))
    return sorted(found, key=lambda a: (-a.basin, a.profiles))


def response_path(replies: ArrayLike, start: int) -> list[int]:
    """Profiles that best replies visit from a start, each once; the last one leads back to one of them, or nowhere.

    Examples
    --------
    >>> response_path([1, 2, 1], 0)
    [0, 1, 2]
    """
    targets, path = np.asarray(replies, dtype=np.int64), [int(start)]
    while (following := int(targets[path[-1]])) not in path and following >= 0:
        path.append(following)
    return path

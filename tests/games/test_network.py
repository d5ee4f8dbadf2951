"""Routing on networks: the 9-node network of the reference, and the small networks built by hand."""

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.braess import Braess
from tacitlab.games.network import Edge, Network, routing_form

TWO_ROADS = ({"from": "home", "to": "work", "constant": 1}, {"from": "home", "to": "work", "slope": 1})


def test_nine_nodes():
    game = Network.nine_nodes()
    labels = game.actions().labels
    assert len(labels) == len(set(labels)) == 20
    assert "0-1-3-6-8" in labels
    benchmarks = game.benchmarks()
    assert benchmarks.nash.average == pytest.approx(-3)
    assert benchmarks.competitive[-1].concept == "wardrop"
    assert benchmarks.competitive[-1].average == pytest.approx(-3)
    assert benchmarks.competitive[-1].error < 1e-12
    assert benchmarks.optimum.average == pytest.approx(-2.5)
    assert benchmarks.optimum.exact  # it attains the continuous optimum, a bound
    assert benchmarks.numbers["price of anarchy (nonatomic)"] == pytest.approx(1.2)
    assert not benchmarks.complete


def test_nine_nodes_equilibria_have_no_profitable_deviation():
    game = Network.nine_nodes(players=40)
    form, routes = game.form(), game.routes()

    def times(counts):
        load = np.zeros(len(game.edges))
        for route, drivers in zip(routes, counts, strict=True):
            load[list(route)] += drivers
        edge_times = [edge.constant + edge.slope * on / 100 for edge, on in zip(game.edges, load, strict=True)]
        return np.array([sum(edge_times[number] for number in route) for route in routes])

    for profile in game.benchmarks().competitive[:5]:
        counts = np.rint(profile.quantities["share"] * 40).astype(int)
        now = times(counts)
        np.testing.assert_allclose(-form.payoffs(counts), now)
        for leave in np.flatnonzero(counts):
            for join in range(20):
                moved = counts.copy()
                moved[leave] -= 1
                moved[join] += 1
                assert times(moved)[join] >= now[leave] - 1e-12


def test_braess_as_a_network():
    edges = [
        {"from": "s", "to": "a", "slope": 1},
        {"from": "a", "to": "t", "constant": 1},
        {"from": "s", "to": "b", "constant": 1},
        {"from": "b", "to": "t", "slope": 1},
        {"from": "a", "to": "b"},
    ]
    game, known = Network(edges=edges, origin="s", destination="t", players=30), Braess(players=30)
    order = [game.actions().labels.index(name) for name in ("s-a-t", "s-b-t", "s-a-b-t")]
    for counts in ([30, 0, 0], [3, 7, 20], [15, 15, 0]):
        mixed = np.empty(3, dtype=int)
        mixed[order] = counts
        np.testing.assert_allclose(game.form().payoffs(mixed)[order], known.form().payoffs(np.array(counts)))
    assert game.benchmarks().numbers["price of anarchy"] == pytest.approx(4 / 3)


def test_parallel_roads_have_names():
    game = Network(edges=TWO_ROADS, origin="home", destination="work", players=4)
    assert game.actions().labels == ("home-work", "home-work (2)")
    np.testing.assert_allclose(game.form().payoffs(np.array([1, 3])), [-1, -0.75])


def test_only_congested_edges_are_facilities():
    form = Network.nine_nodes().form()
    assert len(form.values) == 6
    assert form.values.shape[1] == 101
    empty = routing_form([Edge(start=0, end=1, constant=2)], [[0]], 3, 3.0)
    np.testing.assert_allclose(empty.payoffs(np.array([3])), -2)


def test_scenario_round_trip():
    game = Network(edges=TWO_ROADS, origin="home", destination="work", players=4)
    data = game.model_dump(mode="json")
    assert data["edges"][0] == {"from": "home", "to": "work", "constant": 1.0, "slope": 0.0}
    assert Network(**data) == game


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"origin": "nowhere"}, r"^origin: no edge touches node 'nowhere'; name a node of the edges$"),
        ({"destination": "home"}, r"^destination: 'home' is the origin too; choose another node$"),
        ({"origin": "work", "destination": "home"}, r"^edges: no route leads from 'work' to 'home'; add an edge$"),
        ({"edges": [{"from": 0}]}, r"^edges.0.to: missing"),
        ({"scale": 0}, r"^scale: 0 is too small; it must be above 0.0$"),
    ],
)
def test_errors_say_the_mend(change, message):
    with pytest.raises(TacitError, match=message):
        Network(**{"edges": TWO_ROADS, "origin": "home", "destination": "work"} | change)


def test_too_many_routes_are_refused():
    ladder = [{"from": step, "to": step + 1, "constant": lane} for step in range(10) for lane in range(2)]
    with pytest.raises(TacitError, match="more than 1,000 routes"):
        Network(edges=ladder, origin=0, destination=10)

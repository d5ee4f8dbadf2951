"""Routing on networks: the 9-node network of the reference, and the small networks built by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

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
    assert data["edges"][0] == {"from": "home", "to": "work", "constant": 1.0, "slope": 0.0, "power": 1.0}
    assert Network(**data) == game


def test_roads_of_the_bureau_of_public_roads():
    """Ten drivers, 1 + .15 (load/4)^4 against 1.5: equilibria by hand, the continuum's by its two equations."""
    roads = [
        {"from": 0, "to": 1, "constant": 1, "slope": 0.15 / 4**4, "power": 4},
        {"from": 0, "to": 1, "constant": 1.5},
    ]
    found = Network(edges=roads, origin=0, destination=1, players=10, scale=1).benchmarks()
    crowd, ideal = 4 * (0.5 / 0.15) ** 0.25, 4 * (0.5 / 0.75) ** 0.25
    mean = 1.5 - (0.5 * ideal - 0.15 * ideal * (ideal / 4) ** 4) / 10
    profiles = {profile.name: profile for profile in (*found.competitive, *found.cooperative)}
    assert [round(-profile.average, 4) for profile in profiles.values()] == [1.4331, 1.5, 1.36, round(mean, 4)]
    np.testing.assert_allclose(profiles["Wardrop"].quantities["share"][0], crowd / 10, atol=1e-9)
    np.testing.assert_allclose(profiles["continuous optimum"].quantities["share"][0], ideal / 10, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e4])
def test_curved_roads_of_a_network_against_a_general_method(unit):
    rng = np.random.default_rng(3)
    edges = [
        {"from": a, "to": b, "constant": unit * rng.random(), "slope": unit * rng.random(), "power": power}
        for (a, b), power in zip([(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], [4, 1, 2.5, 1, 4], strict=True)
    ]
    game = Network(edges=edges, origin=0, destination=3, players=40)
    uses = np.array([[edge in route for edge in range(5)] for route in game.routes()], float)
    constants, slopes, powers = (np.array([edge[name] for edge in edges]) for name in ("constant", "slope", "power"))

    def times(shares):
        return uses @ (constants + slopes * (shares @ uses) ** powers)

    def potential(shares):
        loads = shares @ uses
        return loads @ (constants + slopes * loads**powers / (powers + 1)) / unit

    simplex = {"constraints": {"type": "eq", "fun": lambda x: x.sum() - 1}, "bounds": [(0, 1)] * 3, "tol": 1e-14}
    crowd = minimize(potential, np.full(3, 1 / 3), **simplex).x
    ideal = minimize(lambda x: x @ times(x) / unit, np.full(3, 1 / 3), **simplex).x
    found = game.benchmarks()
    assert -found.competitive[-1].average / unit == pytest.approx(crowd @ times(crowd) / unit, rel=1e-6)
    assert -found.cooperative[-1].average / unit == pytest.approx(ideal @ times(ideal) / unit, rel=1e-9)
    assert max(found.competitive[-1].error, found.cooperative[-1].error) < 1e-9 * unit
    assert found.optimum.average <= found.cooperative[-1].average + 1e-9 * unit


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

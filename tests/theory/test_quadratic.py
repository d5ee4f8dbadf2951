"""Quadratic programs and variational inequalities against their optimality conditions, SciPy and random search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tacitlab.markets.execution.quadratic import (
    Totals,
    centred,
    convex_program,
    curvature,
    first_order_gap,
    local_minima,
    random_points,
    sharpen,
    smallest_on_simplex,
    stationary,
    tangent,
    variational_inequality,
)


@st.composite
def problems(draw, symmetric=True):
    """A positive definite matrix (symmetric part), slopes and totals, some of them 0."""
    groups, size = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    root = random.normal(size=(groups * size, groups * size))
    matrix = root @ root.T + 0.05 * np.eye(len(root))
    if not symmetric:
        twist = random.normal(size=matrix.shape) * 2
        matrix = matrix + twist - twist.T
    members = random.permutation(groups * size).reshape(groups, size)
    amounts = random.choice([0.0, 0.5, 1.0, 3.0], size=groups)
    return matrix * 1e-3, random.normal(size=len(root)) * 3e-3, Totals(members, amounts)


def is_solution(gradient, point, totals):
    """Totals hold, nothing is negative, and only the cheapest variables of each group are used."""
    np.testing.assert_allclose(totals.rows @ point, totals.amounts, atol=1e-12)
    assert point.min() >= 0
    return first_order_gap(gradient, point, totals) <= 1e-13


@given(problems())
def test_convex_program(problem):
    matrix, linear, totals = problem
    point = convex_program(matrix, linear, totals)
    assert is_solution(matrix @ point + linear, point, totals)


@given(problems(symmetric=False))
@settings(max_examples=60)
def test_variational_inequality(problem):
    matrix, linear, totals = problem
    point = variational_inequality(matrix, linear, totals, totals.even)
    assert point is not None
    assert is_solution(matrix @ point + linear, point, totals)


@given(problems(symmetric=False))
def test_stationary_points_and_tangents(problem):
    matrix, linear, totals = problem
    point, basis = stationary(matrix, linear, totals), tangent(totals)
    np.testing.assert_allclose(totals.rows @ point, totals.amounts, atol=1e-11)
    np.testing.assert_allclose(basis.T @ (matrix @ point + linear), 0, atol=1e-12)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    np.testing.assert_allclose(totals.rows @ basis, 0, atol=1e-12)
    np.testing.assert_allclose(centred(matrix @ point + linear, np.ones(len(point), dtype=bool), totals), 0, atol=1e-12)


def test_fixed_variables_stay_zero():
    totals = Totals(np.array([[0, 1], [2, 3]]), np.array([2.0, 0.0]))
    free = np.array([False, True, False, False])
    assert stationary(np.eye(4), np.zeros(4), totals, free).tolist() == [0, 2, 0, 0]


def test_curvature_is_the_smallest_quotient():
    random = np.random.default_rng(0)
    matrix = random.normal(size=(6, 6))
    totals = Totals(np.arange(6).reshape(2, 3), np.ones(2))
    moves = random.normal(size=(20_000, 4)) @ tangent(totals).T
    quotients = np.einsum("ki,ij,kj->k", moves, matrix, moves) / np.einsum("ki,ki->k", moves, moves)
    assert curvature(matrix, totals) <= quotients.min() <= curvature(matrix, totals) + 0.1
    assert curvature(matrix, Totals(np.arange(6)[:, None], np.ones(6))) == np.inf


def test_the_gap_bounds_the_error_of_a_convex_program():
    matrix, linear = np.diag([1.0, 2.0, 3.0]), np.array([0.0, 0.5, -1.0])
    totals = Totals(np.arange(3)[None], np.array([2.0]))
    value = lambda z: 0.5 * z @ matrix @ z + linear @ z  # noqa: E731
    best = value(convex_program(matrix, linear, totals))
    for point in random_points(totals, 50):
        assert 0 < value(point) - best <= first_order_gap(matrix @ point + linear, point, totals)


def test_extragradient_gives_up():
    matrix = -np.diag([1.0, 2.0, 3.0])  # its solutions repel
    totals = Totals(np.arange(3)[None], np.array([1.0]))
    found = variational_inequality(matrix, np.zeros(3), totals, totals.even)
    assert found is None or is_solution(matrix @ found, found, totals)
    with pytest.raises(np.linalg.LinAlgError):
        convex_program(np.zeros((3, 3)), np.zeros(3), totals)


@pytest.mark.parametrize("seed", range(20))
def test_enumeration_of_faces_finds_the_global_minimum(seed):
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(6, 6))
    matrix = matrix + matrix.T
    point = smallest_on_simplex(matrix, 3.0)
    assert point.min() >= 0
    assert point.sum() == pytest.approx(3, abs=1e-12)
    totals = Totals(np.arange(6)[None], np.array([3.0]))
    searched = local_minima(matrix, totals, random_points(totals, 30))
    best = sharpen(matrix, np.zeros(6), totals, searched[0])
    assert point @ matrix @ point == pytest.approx(best @ matrix @ best, abs=1e-9)


def test_singular_faces_are_skipped():
    assert smallest_on_simplex(np.zeros((3, 3)), 1.0) @ np.ones(3) == 1
    flat = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [2.0, 2.0, 0.5]])
    point = smallest_on_simplex(flat, 1.0)
    values = [z @ flat @ z for z in np.random.default_rng(0).dirichlet(np.ones(3), 5000)]
    assert point @ flat @ point <= min(values)


def test_local_search_is_scipys():
    matrix = np.array([[2.0, 0.3], [0.3, 1.0]])
    totals = Totals(np.array([[0, 1]]), np.array([10.0]))
    limit = {"type": "ineq", "fun": lambda z: z[0] - 0.5, "jac": lambda z: np.array([1.0, 0.0])}
    (found,) = local_minima(matrix, totals, [totals.even], limit)
    result = minimize(
        lambda z: z @ matrix @ z,
        [8, 2],
        bounds=[(5, None), (0, None)],
        constraints={"type": "eq", "fun": lambda z: z.sum() - 10},
    )
    np.testing.assert_allclose(found, result.x, atol=1e-5)
    np.testing.assert_allclose(found, [5, 5], atol=1e-6)


def test_sharpen_keeps_what_it_cannot_improve():
    totals = Totals(np.array([[0, 1]]), np.array([2.0]))
    np.testing.assert_allclose(sharpen(np.eye(2), np.zeros(2), totals, np.array([1 + 1e-6, 1 - 1e-6])), 1, atol=1e-14)
    far = np.array([1.5, 0.5])
    assert sharpen(np.eye(2), np.zeros(2), totals, far) is far
    assert sharpen(np.zeros((2, 2)), np.zeros(2), totals, far) is far

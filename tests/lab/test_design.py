"""Designs give the cells that they promise."""

import itertools

import numpy as np
import pytest
from scipy.stats import qmc

from tacitlab.errors import TacitError
from tacitlab.lab.design import Grid, Listed, Random, Range, Sobol, axis

UNIT = {"learners.alpha": Range(low=0, high=1), "learners.gamma": Range(low=0, high=1)}


def test_a_grid_is_the_product_of_its_values_last_field_fastest():
    over = {"a.x": [1, 2, 3], "b.y": ["p", "q"], "c.z": [0.5, 0.25]}
    grid = Grid(over=over)
    assert [grid.values(k) for k in range(grid.size)] == list(itertools.product(*over.values()))
    dims, coordinates = grid.coordinates()
    assert dims == ("x", "y", "z")
    assert coordinates["y"][1].tolist() == ["p", "q"]
    assert grid.shape == (3, 2, 2)


def test_a_list_is_zipped():
    cells = Listed(over={"a.x": [1, 2, 3], "b.y": [4, 5, 6]})
    assert [cells.values(k) for k in range(cells.size)] == [(1, 4), (2, 5), (3, 6)]
    dims, coordinates = cells.coordinates()
    assert dims == ("cell",)
    assert coordinates["x"][0] == ("cell",)
    assert coordinates["y"][1].tolist() == [4, 5, 6]


def test_random_places_are_numpys():
    design = Random(over=UNIT, count=50, seed=7)
    assert np.array([design.values(k) for k in range(50)]).tolist() == np.random.default_rng(7).random((50, 2)).tolist()


def test_sobol_places_are_scipys_on_the_wanted_scales():
    design = Sobol(
        over={
            "a": Range(low=2, high=5), "b": Range(low=0.01, high=100, log=True),
            "c": Range(low=1, high=4, integer=True), "d": ["u", "v"],
        },
        count=64, seed=3,
    )  # fmt: skip
    unit = qmc.Sobol(4, scramble=True, rng=3).random_base2(6)
    cells = [design.values(k) for k in range(64)]
    assert np.allclose([c[0] for c in cells], qmc.scale(unit[:, :1], 2, 5)[:, 0], rtol=0, atol=1e-14)
    assert np.allclose(np.log10([c[1] for c in cells]), qmc.scale(unit[:, 1:2], -2, 2)[:, 0], atol=1e-12)
    assert [c[2] for c in cells] == (1 + np.floor(4 * unit[:, 2])).tolist()
    assert [sum(c[2] == k for c in cells) for k in (1, 2, 3, 4)] == [16] * 4  # a Sobol design is balanced
    assert [c[3] for c in cells] == ["u" if u < 0.5 else "v" for u in unit[:, 3]]


@pytest.mark.parametrize("kind", [Random, Sobol])
def test_a_greater_count_keeps_the_cells(kind):
    few, many = kind(over=UNIT, count=16, seed=1), kind(over=UNIT, count=64, seed=1)
    assert [few.values(k) for k in range(16)] == [many.values(k) for k in range(16)]
    assert kind(over=UNIT, count=16, seed=2).values(0) != few.values(0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sobol(over=UNIT, count=100), "count: 100 is no power of two; choose 64 or 128"),
        (lambda: Listed(over={"a": [1], "b": [1, 2]}), "1 of a, 2 of b"),
        (lambda: Grid(over={"a": []}), "over.a: no values"),
        (lambda: Grid(over={}), "over"),
        (lambda: Grid(over={"name": ["x"]}), "over.name: it must be the same in all cells"),
        (lambda: Grid(over={str(k): list(range(10)) for k in range(9)}), "too many"),
        (lambda: Range(low=1, high=1), "high: 1 is too small; it must be above low"),
        (lambda: Range(low=0, high=1, log=True), "low: 0 has no logarithm"),
        (lambda: Range(low=0.5, high=2, integer=True), "whole numbers"),
        (lambda: Random(over={}, count=3), "over: no fields"),
        (lambda: Random(over=UNIT, count=0), "count: 0 is too small"),
    ],
)
def test_mistakes_are_one_line(make, message):
    with pytest.raises(TacitError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_axes_are_numbers_or_text():
    assert axis([1, 2.5]).dtype == float
    assert axis([True, False]).tolist() == ["True", "False"]
    assert axis([1, "a", None]).tolist() == ["1", "a", "None"]

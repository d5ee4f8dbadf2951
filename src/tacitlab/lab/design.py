"""Designs: which values the fields of an experiment take in the cells of a sweep."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Union

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.schema import Spec, param

Scalar = bool | int | float | str | list[Any] | dict[str, Any] | None
Values = dict[str, list[Scalar]]

#: Names of a result's own dimensions and variables.
TAKEN = frozenset(
    """session agent time action cell periods converged cycle_length payoff payoff_square frequency limit_payoff
    limit_frequency action_value nash_payoff optimum_payoff episode step loss value failure failed_at test_payoff rule
    baseline_payoff finished failed
    """.split()  # noqa: SIM905
)
FIXED = ("name", "description", "sweep", "keep_values")  # fields that no cell of a sweep may change
MOST_CELLS = 10**8


def short_names(paths: Sequence[str], taken: frozenset[str] = TAKEN) -> list[str]:
    """Names of dimensions for dotted fields: the last part, or the whole path where that is not unique or is taken.

    Examples
    --------
    >>> short_names(["learners.alpha", "environment.cost", "test.cost", "length.periods"])
    ['alpha', 'environment.cost', 'test.cost', 'length.periods']
    """
    last = [path.rsplit(".", 1)[-1] for path in paths]
    pairs = zip(paths, last, strict=True)
    return [name if last.count(name) == 1 and name not in taken else path for path, name in pairs]


class Range(Spec):
    """An interval of values, even on the line or on the logarithmic scale; whole numbers only, if wanted.

    Examples
    --------
    >>> Range(low=0.01, high=1, log=True).at(0.5)
    0.1
    >>> [Range(low=1, high=3, integer=True).at(u) for u in (0, 0.3, 0.4, 0.7, 0.999)]
    [1, 1, 2, 3, 3]
    """

    low: float = param(..., "least value")
    high: float = param(..., "greatest value")
    log: bool = param(False, "even on the logarithmic scale")
    integer: bool = param(False, "whole numbers only, both ends included")

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.high <= self.low:
            raise ValueError(f"high: {self.high:g} is too small; it must be above low, which is {self.low:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low: {self.low:g} has no logarithm; make it positive, or leave out log")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("low: it and high must be whole numbers; round them, or leave out integer")
        return self

    def at(self, u: float) -> int | float:
        """The value at place ``u`` of [0, 1): ``low`` at 0, the limit ``high`` at 1."""
        low, high = self.low, self.high + self.integer  # whole numbers share the interval in equal parts
        value = low * (high / low) ** u if self.log else low + u * (high - low)
        return min(math.floor(value), int(self.high)) if self.integer else value


class Design(Spec):
    """Base of all designs: cells are counted from 0, and each is made by itself, so that none are held in memory."""

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The dotted fields that differ between cells."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of cells."""

    @abstractmethod
    def values(self, cell: int) -> tuple[Scalar, ...]:
        """What the fields are in a cell, in their order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions of the results; cells lie in row-major order."""
        return (self.size,)

    def settings(self, cell: int) -> list[tuple[str, Scalar]]:
        """Fields and values of a cell, as the overrides of an experiment."""
        return list(zip(self.fields, self.values(cell), strict=True))

    def coordinates(self) -> tuple[tuple[str, ...], dict[str, tuple[tuple[str, ...], NDArray[Any]]]]:
        """Names of the dimensions, and each coordinate with its dimensions and values."""
        names = short_names(self.fields)
        columns = zip(*(self.values(cell) for cell in range(self.size)), strict=True)
        known = {name: (("cell",), axis(column)) for name, column in zip(names, columns, strict=True)}
        return ("cell",), {"cell": (("cell",), np.arange(self.size)), **known}


def _check_fields(fields: Mapping[str, Any], where: str) -> None:
    for path, values in fields.items():
        if isinstance(values, list) and not values:
            raise ValueError(f"{where}.{path}: no values; list at least one")
        if path.split(".")[0] in FIXED:
            raise ValueError(f"{where}.{path}: it must be the same in all cells; remove it")


class Grid(Design):
    """Every combination of the listed values, last field fastest.

    Examples
    --------
    >>> grid = Grid(over={"learners.alpha": [0.1, 0.2], "environment.mu": [0.25, 0.5, 1.0]})
    >>> grid.size, grid.settings(4)
    (6, [('learners.alpha', 0.2), ('environment.mu', 0.5)])
    """

    kind: Literal["grid"] = "grid"
    over: Values = param(..., "fields and the values they take", min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> "Grid":
        _check_fields(self.over, "over")
        if self.size > MOST_CELLS:
            raise ValueError(f"over: {self.size:.3g} combinations are too many; at most {MOST_CELLS:.0e}")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.over)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.over.values())

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def values(self, cell: int) -> tuple[Scalar, ...]:
        places = []
        for length in reversed(self.shape):
            cell, place = divmod(cell, length)
            places.append(place)
        return tuple(v[k] for v, k in zip(self.over.values(), reversed(places), strict=True))

    def coordinates(self) -> tuple[tuple[str, ...], dict[str, tuple[tuple[str, ...], NDArray[Any]]]]:
        names = short_names(self.fields)
        return tuple(names), {n: ((n,), axis(v)) for n, v in zip(names, self.over.values(), strict=True)}


class Listed(Design):
    """Cells one by one: the first values of all fields together, then the second, and so on.

    Examples
    --------
    >>> Listed(over={"learners.alpha": [0.1, 0.2], "learners.gamma": [0, 0.9]}).values(1)
    (0.2, 0.9)
    """

    kind: Literal["list"] = "list"
    over: Values = param(..., "fields and their values, cell by cell", min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> "Listed":
        _check_fields(self.over, "over")
        lengths = {path: len(values) for path, values in self.over.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{n} of {path}" for path, n in lengths.items())
            raise ValueError(f"over: the fields have different numbers of values ({told}); make them equal")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.over)

    @property
    def size(self) -> int:
        return len(next(iter(self.over.values())))

    def values(self, cell: int) -> tuple[Scalar, ...]:
        return tuple(values[cell] for values in self.over.values())


class Sampled(Design):
    """Base of designs that draw places in the unit cube, one coordinate for each field."""

    over: dict[str, Range | list[Scalar]] = param(..., "fields and their ranges, or the values to choose from")
    count: int = param(..., "number of cells", ge=1, le=2**24)
    seed: int = param(0, "seed of the design; that of the experiment is another", ge=0, lt=2**63)

    @model_validator(mode="after")
    def _sound(self) -> "Sampled":
        if not self.over:
            raise ValueError("over: no fields; name at least one")
        _check_fields(self.over, "over")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.over)

    @property
    def size(self) -> int:
        return self.count

    @abstractmethod
    def _places(self) -> NDArray[np.float64]:
        """Places in the unit cube, shape (cells, fields)."""

    @cached_property
    def _unit(self) -> NDArray[np.float64]:
        return self._places()

    def values(self, cell: int) -> tuple[Scalar, ...]:
        pairs = zip(self.over.values(), self._unit[cell].tolist(), strict=True)
        return tuple(v.at(u) if isinstance(v, Range) else v[int(u * len(v))] for v, u in pairs)


class Random(Sampled):
    """Independent uniform draws. A greater count keeps the cells of a smaller one and adds to them.

    Examples
    --------
    >>> design = Random(over={"learners.alpha": Range(low=0, high=1)}, count=2, seed=1)
    >>> design.values(0) == (float(np.random.default_rng(1).random()),)
    True
    """

    kind: Literal["random"] = "random"

    def _places(self) -> NDArray[np.float64]:
        return np.random.default_rng(self.seed).random((self.count, len(self.over)))


class Sobol(Sampled):
    """A scrambled Sobol sequence: fills the ranges more evenly than chance. Twice the count keeps all cells.

    Owen (1998), "Scrambling Sobol' and Niederreiter-Xing points", as ``scipy.stats.qmc.Sobol`` computes it.

    Examples
    --------
    >>> design = Sobol(over={"learners.alpha": Range(low=0, high=1), "learners.gamma": Range(low=0, high=1)}, count=4)
    >>> sorted(int(4 * design.values(k)[0]) for k in range(4))  # one in every quarter
    [0, 1, 2, 3]
    """

    kind: Literal["sobol"] = "sobol"

    @model_validator(mode="after")
    def _balanced(self) -> "Sobol":
        if self.count & (self.count - 1):
            down = 1 << (self.count.bit_length() - 1)
            raise ValueError(f"count: {self.count} is no power of two; choose {down} or {2 * down}")
        return self

    def _places(self) -> NDArray[np.float64]:
        from scipy.stats import qmc

        return qmc.Sobol(len(self.over), scramble=True, rng=self.seed).random_base2(self.count.bit_length() - 1)


DESIGNS = (Grid, Listed, Random, Sobol)
AnyDesign = Annotated[Union[*DESIGNS], Field(discriminator="kind")]  # type: ignore[valid-type]


def axis(values: Sequence[Any]) -> NDArray[Any]:
    """Coordinate of swept values: numbers as numbers, anything else as text."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return np.array(values)
    return np.array([v if isinstance(v, str) else str(v) for v in values])

"""What a measure is: numbers by session that any run can be asked for by name, where it has what they need."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import xarray as xr

from tacitlab.errors import TacitError


class Unfit(TacitError):
    """The run lacks what the measure needs."""


class Run(Protocol):
    """What a measure may look at: the public face of a result."""

    @property
    def experiment(self) -> Any: ...
    @property
    def data(self) -> xr.Dataset: ...
    def strategies(self, cell: int = 0) -> Any: ...
    def final_history(self, cell: int = 0) -> Any: ...
    def benchmarks(self, cell: int = 0) -> Any: ...


class Measure(ABC):
    """Numbers by session. A subclass with a ``kind`` and a docstring is all there is to write.

    Attributes
    ----------
    kind : str
        What it is called: ``tacit measure RUN KIND``, ``result.measure(KIND)``.
    unit : str
        Of its values; empty where they have none.

    Examples
    --------
    >>> class Range(Measure):
    ...     "How far the price goes from its lowest to its highest value."
    ...     kind, unit = "price-range", "currency"
    ...
    ...     def of(self, run):
    ...         price = path(run, "price")
    ...         return price.max("step") - price.min("step")
    """

    kind: ClassVar[str]
    unit: ClassVar[str] = ""

    @abstractmethod
    def of(self, run: Run) -> xr.DataArray:
        """The values, with dimension ``session``, those of a sweep, and ``agent`` where agents differ.

        Raises
        ------
        Unfit
            If the run lacks what is needed; in one line.
        """


def variable(run: Run, *names: str) -> xr.DataArray:
    """The first of some variables that the run has.

    Raises
    ------
    Unfit
        If it has none of them.
    """
    for name in names:
        if name in run.data:
            return run.data[name]
    raise Unfit(f"the run keeps no {' nor '.join(names)}")


def path(run: Run, *quantities: str) -> xr.DataArray:
    """What a quantity of a market did in the first episode of the test, by step: the first that there is."""
    return variable(run, *(f"test_{name}_path" for name in quantities))


def over_steps(function: Callable[..., Any], values: xr.DataArray, *more: xr.DataArray) -> xr.DataArray:
    """A function of arrays (..., steps) on data by session and step."""
    return xr.apply_ufunc(function, values, *more, input_core_dims=[["step"], *([[]] * len(more))])

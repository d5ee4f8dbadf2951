"""Measures of a run, by name: those of the package, of installed packages, and of users' files."""

from collections.abc import Iterator, Sequence

import xarray as xr

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.lab.result import Result
from tacitlab.measures.base import Measure, Unfit


def measure(result: Result, name: str) -> xr.DataArray:
    """What a measure finds in a run, by session.

    Parameters
    ----------
    result : Result
    name : str
        A kind that ``tacit list`` shows, or ``FILE.py:Class``.

    Returns
    -------
    xarray.DataArray
        Dimensions: those of a sweep, ``session``, and ``agent`` where agents differ.

    Raises
    ------
    TacitError
        If there is no such measure, or the run lacks what it needs.

    Examples
    --------
    >>> from tacitlab.lab.experiment import load
    >>> from tacitlab.lab.run import run
    >>> done = run(load("prisoners-dilemma", ["sessions=3", "length.stable_for=500"]))
    >>> measure(done, "payoff").dims
    ('session', 'agent')
    """
    kind: type[Measure] = registry.find("measure", name)
    try:
        found = kind().of(result)
    except TacitError as error:
        raise Unfit(f"measure: {name!r} does not fit this run: {error}") from None
    if not isinstance(found, xr.DataArray) or "session" not in found.dims:
        raise TacitError(f"measure: {name!r} gave no numbers by session; return a DataArray with dimension session")
    about = " ".join((kind.__doc__ or "").split())
    return found.reset_coords(drop=True).rename(name).assign_attrs(long_name=about, units=kind.unit)


def measures(result: Result, names: Sequence[str] = ()) -> Iterator[xr.DataArray]:
    """The named measures of a run; all registered ones that fit if none is named."""
    for name in names or registry.entries("measure"):
        try:
            yield measure(result, name)
        except Unfit:
            if names:
                raise

"""Copies of a run's data for other programs: R, Stata, spreadsheets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tacitlab.errors import TacitError

FORMATS = ("csv", "parquet", "netcdf")


def export(data: xr.Dataset, folder: Path, to: str) -> list[Path]:
    """Write a dataset as tidy tables (CSV, Parquet) or as one NetCDF file.

    Tables hold one row for every combination of dimensions, one file for every set of dimensions: ``session.csv``
    (one row a session), ``session-agent.csv``, ``session-time-agent.csv`` and so on.

    Parameters
    ----------
    data : xarray.Dataset
    folder : Path
        Created if need be.
    to : {"csv", "parquet", "netcdf"}

    Returns
    -------
    list of Path

    Raises
    ------
    TacitError
        If the format is unknown or the folder cannot be written.
    """
    if to not in FORMATS:
        raise TacitError(f"to: {to!r} is unknown; choose from {', '.join(FORMATS)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if to == "netcdf":
            path = folder / "data.nc"
            _plain(data).to_netcdf(path, engine="scipy")
            return [path]
        return [_write_table(table, folder / name, to) for name, table in _tables(data)]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TacitError(f"{folder}: export failed ({reason}); name a writable folder with --out") from None


def _plain(data: xr.Dataset) -> xr.Dataset:
    """NetCDF 3 knows neither booleans nor 64-bit integers."""
    flat = data.copy()
    for name, array in data.variables.items():
        if array.dtype == np.bool_:
            flat[name] = array.astype(np.int8)
        elif array.dtype.kind in "iu" and array.dtype.itemsize > 4:
            flat[name] = array.astype(np.float64)  # exact up to 2^53 periods
    return flat


def _tables(data: xr.Dataset) -> Iterator[tuple[str, Any]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, array in data.variables.items():
        if name not in data.dims:
            groups.setdefault(tuple(str(d) for d in array.dims), []).append(str(name))
    for dims, names in groups.items():
        if dims:
            plain = data[names].reset_coords()
            yield "-".join(dims), plain.to_dataframe().reset_index()


def _write_table(table: Any, path: Path, to: str) -> Path:
    path = path.with_name(f"{path.name}.{to}")
    if to == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return path

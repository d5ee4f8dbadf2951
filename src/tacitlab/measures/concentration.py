"""How unequally an asset is held: Herfindahl-Hirschman index, effective number of holders, Lorenz curve and Gini index.

Holdings are (..., agents), of one asset and one moment, those in circulation only: the caller leaves a treasury out.
Agents that hold nothing count. Where nobody holds anything the measures are NaN.
"""

from abc import abstractmethod

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.measures.base import Measure, Run, path

Floats = NDArray[np.float64]


def hhi(holdings: ArrayLike) -> Floats:
    """Herfindahl-Hirschman index: the sum of squared shares, 1/agents if all hold the same, 1 if one holds all.

    Parameters
    ----------
    holdings : (..., agents) array
        In any unit, none negative.

    Returns
    -------
    (...) array

    Raises
    ------
    TacitError
        If a holding is negative (a short position has no share), infinite or missing.

    References
    ----------
    A. O. Hirschman, "The paternity of an index", American Economic Review 54 (1964).

    Examples
    --------
    >>> hhi([[5.0, 3.0, 2.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    array([0.38, 1.  ,  nan])
    """
    return np.asarray((_shares(holdings) ** 2).sum(axis=-1))


def normalised_hhi(holdings: ArrayLike) -> Floats:
    """(HHI - 1/N)/(1 - 1/N): 0 if all N agents hold the same, 1 if one holds all; NaN for a single agent.

    Examples
    --------
    >>> normalised_hhi([[5.0, 3.0, 2.0], [4.0, 0.0, 0.0]])
    array([0.07, 1.  ])
    """
    shares = _shares(holdings)
    agents = shares.shape[-1]
    if agents == 1:
        return np.full(shares.shape[:-1], np.nan)
    # HHI - 1/N is the sum of squared distances from the equal share, which rounding does not make negative.
    return np.asarray(((shares - 1 / agents) ** 2).sum(axis=-1) / (1 - 1 / agents))


def effective_holders(holdings: ArrayLike) -> Floats:
    """1/HHI: the number of equal holders that would be as concentrated.

    Examples
    --------
    >>> effective_holders([[2.0, 2.0, 2.0], [5.0, 3.0, 2.0]])
    array([3.   , 2.632])
    """
    return np.asarray(1 / hhi(holdings))


def lorenz(holdings: ArrayLike) -> Floats:
    """Lorenz curve: the share that the poorest 0, 1, ..., N agents hold together.

    Returns
    -------
    (..., agents + 1) array
        From 0 to 1.

    Examples
    --------
    >>> lorenz([3.0, 0.0, 1.0])
    array([0.  , 0.  , 0.25, 1.  ])
    """
    poorest = np.cumsum(np.sort(_shares(holdings), axis=-1), axis=-1)
    return np.concatenate([0 * poorest[..., :1], poorest], axis=-1)


def gini(holdings: ArrayLike) -> Floats:
    """Gini index: half the mean difference between two agents, drawn with replacement, divided by the mean holding.

    Twice the area between the Lorenz curve and equality; 0 if all hold the same, 1 - 1/N if one of N holds all.

    Examples
    --------
    >>> gini([[2.0, 2.0, 2.0], [3.0, 0.0, 1.0], [0.0, 0.0, 9.0]])
    array([0.   , 0.5  , 0.667])
    """
    shares = np.sort(_shares(holdings), axis=-1)
    agents = shares.shape[-1]
    return np.asarray(shares @ (2.0 * np.arange(1, agents + 1) - agents - 1) / agents)


def _shares(holdings: ArrayLike) -> Floats:
    """Shares of the total, (..., agents); NaN where it is 0."""
    held = np.asarray(holdings, dtype=np.float64)
    if held.ndim < 1 or held.shape[-1] == 0:
        raise TacitError(f"holdings: the shape {held.shape} has no agents; give (..., agents)")
    wrong = held[~((held >= 0) & (held < np.inf))]
    if wrong.size:
        raise TacitError(
            f"holdings: {wrong[0]:g} has no share ({wrong.size} such values); give finite holdings of at least 0"
        )
    largest = held.max(axis=-1, keepdims=True)
    scaled = held / np.where(largest > 0, largest, np.nan)  # first, so that no sum overflows
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


class _AtTheEnd(Measure):
    """Of what agents hold after the first episode of the test."""

    def of(self, run: Run) -> xr.DataArray:
        held = path(run, "holdings", "inventory").isel(step=-1, drop=True)
        return xr.apply_ufunc(type(self).measured, held, input_core_dims=[["agent"]])

    @staticmethod
    @abstractmethod
    def measured(holdings: ArrayLike) -> Floats:
        """The measure of holdings (..., agents)."""


class HoldingsHHI(_AtTheEnd):
    """Herfindahl-Hirschman index of what agents hold at the end: 1/N if all hold the same, 1 if one holds all."""

    kind = "holdings-hhi"
    measured = staticmethod(hhi)


class HoldingsGini(_AtTheEnd):
    """Gini index of what agents hold at the end: 0 if all hold the same."""

    kind = "holdings-gini"
    measured = staticmethod(gini)

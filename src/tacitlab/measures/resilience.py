"""How a market answers shocks: how far the price moves, how long it stays away, and what the shock alone has done.

Deviations from a target price are (..., steps), one path per session, the first entry at the shock. A path without the
shock but with the same noise is a target too: what is left is the effect of the shock (common random numbers).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.measures.statistics import Estimate, proportion
from tacitlab.measures.volatility import returns

Floats = NDArray[np.float64]

BAND = 0.05  # relative distance from the target within which a price counts as recovered
HOLD = 10  # steps in a row that it must stay there
ROUNDING = 1e-9  # of a band's edge


# --- how far the price moves -----------------------------------------------------------------------------------


def shock_move(prices: ArrayLike, shocked: ArrayLike, *, literal: bool = False) -> Floats:
    """Mean absolute move of the price in the steps with a shock: E[abs(ln P(t+1) - ln P(t)) given a shock], (...).

    Parameters
    ----------
    prices : (..., steps + 1) array
    shocked : (..., steps) bool array
        Whether a shock hits between P(t) and P(t+1).
    literal : bool
        Take abs(P(t+1) - P(t)), in currency, as the token-economy paper (8.3) does: such numbers of markets with
        different price levels cannot be compared.

    Returns
    -------
    (...) array
        NaN where there is no shock. Average this over sessions rather than its inverse, :func:`resilience`, which has
        no mean if a price may stand still.

    Examples
    --------
    >>> shock_move([[100.0, 100.0, 110.0, 105.0]], [False, True, False])
    array([0.0953])
    """
    path = np.asarray(prices, dtype=np.float64)
    moves = np.abs(np.diff(path, axis=-1) if literal else returns(path))
    try:
        hit = np.broadcast_to(np.asarray(shocked, dtype=bool), moves.shape)
    except ValueError as error:
        raise TacitError(f"shocked: the shape {np.shape(shocked)} does not fit {moves.shape}, that of the steps") from (
            error
        )
    number = hit.sum(axis=-1)
    return np.asarray(np.where(hit, moves, 0).sum(axis=-1) / np.where(number > 0, number, np.nan))


def resilience(prices: ArrayLike, shocked: ArrayLike, *, literal: bool = False) -> Floats:
    """1/:func:`shock_move`: infinite for a price that stands still, NaN without a shock.

    Examples
    --------
    >>> prices, shocked = [[100.0, 100.0, 110.0]], [False, True]
    >>> resilience(prices, shocked), resilience(prices, shocked, literal=True)
    (array([10.492]), array([0.1]))
    """
    move = shock_move(prices, shocked, literal=literal)
    return np.asarray(np.where(move == 0, np.inf, 1 / np.where(move == 0, 1.0, move)))


# --- how long and how much it stays away -----------------------------------------------------------------------


def deviation(prices: ArrayLike, target: ArrayLike) -> Floats:
    """P/P* - 1, (..., steps).

    Parameters
    ----------
    prices : (..., steps) array
    target : array that fits to it, or float
        P*, positive: a number, one for each session as (sessions, 1), or the paths of the same sessions without the
        shock, with the same noise.

    Examples
    --------
    The second session meets a shock of +20 % that decays; its own noise drops out.

    >>> deviation([[120.0, 121.0, 99.0]], [[100.0, 110.0, 99.0]])
    array([[0.2, 0.1, 0. ]])
    """
    usual = np.asarray(target, dtype=np.float64)
    if not np.all(usual > 0):
        raise TacitError("target: must be above 0")
    return np.asarray(np.asarray(prices, dtype=np.float64) / usual - 1)


def deviation_area(deviations: ArrayLike) -> Floats:
    """Sum over the steps of the absolute relative deviation, (...), in steps: 1 is one step at twice the target.

    It counts a market's usual noise as well; compare with paths without a shock, or take deviations from these.

    Examples
    --------
    >>> deviation_area([[0.5, 0.25, -0.25, 0.0]])
    array([1.])
    """
    return np.asarray(np.abs(np.asarray(deviations, dtype=np.float64)).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Recovery:
    """When prices returned to their target for good, path by path.

    Attributes
    ----------
    time : (...) array
        Steps from the shock to the first of the quiet ones. Of a path that did not recover while it was observed
        (censored), the least that it can be.
    recovered : (...) bool array
    """

    time: Floats
    recovered: NDArray[np.bool_]

    @property
    def share(self) -> Estimate:
        """Share of the paths that recovered while they were observed."""
        return proportion(int(self.recovered.sum()), self.recovered.size)

    def quantile(self, level: float = 0.5) -> float:
        """The time by which a share ``level`` of the paths has recovered; infinite if fewer have.

        Exact in spite of censoring: whoever has not recovered takes longer than all who have.
        """
        times = np.where(self.recovered, self.time, np.inf)
        return float(np.quantile(times, level, method="inverted_cdf"))


def recovery(deviations: ArrayLike, band: float = BAND, hold: int = HOLD) -> Recovery:
    """First time from which a price stays within a band around its target for a number of steps in a row.

    A market that is noisier than the band is wide recovers by chance, late or never, even without a shock: compare
    with paths without one.

    Parameters
    ----------
    deviations : (..., steps) array
        P/P* - 1; the time of the first entry is 0. Missing values are outside.
    band : float
        Edges included.
    hold : int
        Steps in a row, the first included.

    Raises
    ------
    TacitError
        If the paths are shorter than ``hold`` or a parameter is out of bounds.

    Examples
    --------
    >>> found = recovery([0.5 * 0.9 ** np.arange(60), 0.5 * 0.99 ** np.arange(60)])
    >>> found.time, found.recovered, found.quantile(0.5)
    (array([22., 60.]), array([ True, False]), 22.0)
    """
    away = np.asarray(deviations, dtype=np.float64)
    if not band > 0 or hold < 1:
        raise TacitError(f"band, hold: {band:g} and {hold} are out of bounds; give more than 0 and at least 1")
    if away.ndim < 1 or away.shape[-1] < hold:
        raise TacitError(f"deviations: the shape {away.shape} is too short to hold for {hold} steps; watch longer")
    inside = np.abs(away) <= band * (1 + ROUNDING)
    held = np.lib.stride_tricks.sliding_window_view(inside, hold, axis=-1).all(axis=-1)
    found = held.any(axis=-1)
    quiet = (~inside[..., ::-1]).argmax(axis=-1)  # steps at the end
    return Recovery(np.where(found, held.argmax(axis=-1), away.shape[-1] - quiet).astype(np.float64), np.asarray(found))


def ar1_recovery(persistence: float, shock: float = 0.5, band: float = BAND) -> int:
    """Steps that a deviation of AR(1) needs without noise: ``ceil(ln(band/shock)/ln phi)``.

    The benchmark that needs no agents: what recovers this fast has learned nothing. It is for the variable that follows
    AR(1); if that is ln P, give the logarithms, ln 1.5 and ln 1.05 for a jump by 50 %.

    Parameters
    ----------
    persistence : float
        phi, from 0 (independent draws: one step) to below 1.
    shock, band : float
        Positive, in the same unit.

    Examples
    --------
    >>> ar1_recovery(0.9), ar1_recovery(0.0), ar1_recovery(0.9, math.log(1.5), math.log(1.05))
    (22, 1, 21)
    """
    if not 0 <= persistence < 1 or not shock > 0 or not band > 0:
        raise TacitError("ar1_recovery: persistence must lie in [0, 1), shock and band must be above 0")
    if shock <= band:
        return 0
    steps = math.log(band / shock) / math.log(persistence) if persistence else 1.0
    return math.ceil(steps - ROUNDING)

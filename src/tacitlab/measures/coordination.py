"""Do agents trade together, against each other, or in answer to what they tell each other?

Orders are (sessions, ..., steps, agents), positive for purchases, 0 for none; axes between the first and the last two,
such as episodes, are pooled, and every measure gives one value per session. All pairs of agents count, at a cost that
is linear in the number of agents.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from tacitlab.errors import TacitError
from tacitlab.measures.base import Measure, Run, path

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

STILL = 1e-12  # standard deviation, relative to the largest order, below which an agent does not vary


# --- who trades with whom --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PairShares:
    """How often two agents trade in the same step: means over pairs and steps, (sessions,).

    Attributes
    ----------
    sync : array
        Share of pairs that trade on the same side.
    offset : array
        Share of pairs of a buyer and a seller.
    """

    sync: Floats
    offset: Floats

    @property
    def both(self) -> Floats:
        """Share of pairs of which both trade."""
        return self.sync + self.offset

    @property
    def offset_given_both(self) -> Floats:
        """Share of pairs of a buyer and a seller among those of which both trade; NaN where there are none.

        Chance is 2 pi (1 - pi) if agents trade independently and buy with probability pi when they trade: one half
        only if purchases and sales are as frequent.
        """
        return np.asarray(self.offset / np.where(self.both > 0, self.both, np.nan))


def pair_shares(orders: ArrayLike) -> PairShares:
    """Synchronous and offsetting trades, from orders.

    Parameters
    ----------
    orders : (sessions, ..., steps, agents) array
        Only signs count.

    Raises
    ------
    TacitError
        If there are fewer than two agents.

    Examples
    --------
    >>> found = pair_shares([[[1, 1], [1, -1], [0, 1], [0, 0]]])
    >>> found.sync, found.offset, found.offset_given_both
    (array([0.25]), array([0.25]), array([0.5]))
    """
    traded = _orders(orders)
    return pair_shares_of_counts((traded > 0).sum(axis=-1), (traded < 0).sum(axis=-1), traded.shape[-1])


def pair_shares_of_counts(buyers: ArrayLike, sellers: ArrayLike, agents: int) -> PairShares:
    """The same from the numbers b of buyers and s of sellers in each of N agents' steps.

    ``sync = [C(b, 2) + C(s, 2)]/C(N, 2)``, ``offset = b s/C(N, 2)``.

    Parameters
    ----------
    buyers, sellers : (sessions, ..., steps) arrays
        Whole numbers of every single step: the shares are not linear in them, so that means over steps will not do.
    agents : int
        N.

    Raises
    ------
    TacitError
        If counts are not whole numbers that fit to ``agents``, at least 2.

    Examples
    --------
    >>> found = pair_shares_of_counts([[2, 3]], [[2, 0]], agents=4)
    >>> found.sync, found.offset  # (2 of 6 + 3 of 6)/2 and (4 of 6 + 0)/2
    (array([0.417]), array([0.333]))
    """
    b, s = np.asarray(buyers, dtype=np.float64), np.asarray(sellers, dtype=np.float64)
    if agents < 2:
        raise TacitError(f"agents: {agents} are no pair; give at least 2")
    if b.shape != s.shape or b.ndim < 2:
        raise TacitError(f"buyers, sellers: the shapes {b.shape} and {s.shape} are wrong; give (sessions, ..., steps)")
    if (b != np.floor(b)).any() or (s != np.floor(s)).any() or min(b.min(), s.min()) < 0 or (b + s).max() > agents:
        raise TacitError(f"buyers, sellers: give whole numbers of every step, together at most {agents}")
    pairs, rest = agents * (agents - 1) / 2, tuple(range(1, b.ndim))
    sync = (b * (b - 1) + s * (s - 1)) / 2 / pairs
    return PairShares(np.asarray(sync.mean(axis=rest)), np.asarray((b * s / pairs).mean(axis=rest)))


def trade_correlation(orders: ArrayLike, given: ArrayLike | None = None) -> Floats:
    """Correlation between the orders of two agents, mean over all pairs: (sessions,).

    The raw one is positive if all buy at the start and hold from then on, without any coordination. ``given`` takes
    such common causes out: each agent's mean order under each condition is subtracted first. Orders that depend on the
    condition, and are otherwise independent, then have correlation 0.

    Parameters
    ----------
    orders : (sessions, ..., steps, agents) array
    given : array that fits to it, optional
        Labels of conditions: ``np.arange(steps)[:, None]`` for time (over the episodes of a session, of which there
        must be several), each agent's inventory, or a number for both. A condition that occurs once tells nothing.

    Returns
    -------
    (sessions,) array
        Agents whose orders never vary are left out; NaN where fewer than two are left. With n of them not below
        -1/(n - 1).

    Examples
    --------
    Two agents buy in the first two steps of each episode, each once more at random:

    >>> orders = np.array([[[1, 1], [1, 1], [0, 1], [0, 0]], [[1, 1], [1, 1], [1, 0], [0, 0]]])[None]
    >>> trade_correlation(orders), trade_correlation(orders, given=np.arange(4)[:, None])
    (array([0.467]), array([-1.]))
    """
    traded = _orders(orders)
    sessions, agents = traded.shape[0], traded.shape[-1]
    labels, size = _coded(0 if given is None else given, traded.shape)
    cell = labels + size * _group(traded)
    number = np.bincount(cell.ravel())
    mean = np.bincount(cell.ravel(), traded.ravel()) / np.maximum(number, 1)
    rest = (traded - mean[cell]).reshape(sessions, -1, agents)
    spread = np.sqrt((rest**2).mean(axis=1, keepdims=True))
    varies = spread > STILL * np.abs(traded).max()
    standard = np.where(varies, rest / np.where(varies, spread, 1.0), 0.0)
    n = varies.sum(axis=(1, 2))
    # The square of a sum over agents holds every pair twice, and the n variances of 1.
    shared = (standard.sum(axis=-1) ** 2).mean(axis=1) - n
    return np.asarray(shared / np.where(n > 1, n * (n - 1.0), np.nan))


# --- who answers whom ------------------------------------------------------------------------------------------


def heard(signals: ArrayLike) -> Indices:
    """What each agent hears: the sign of the sum of all others' signals, in the shape of ``signals``.

    Examples
    --------
    >>> heard([[[1, 1, -1]]])
    array([[[0, 0, 1]]])
    """
    sent = _orders(signals)
    return np.asarray(np.sign(sent.sum(axis=-1, keepdims=True) - sent), dtype=np.int64)


def transfer_entropy(
    source: ArrayLike, target: ArrayLike, given: ArrayLike | None = None, *, corrected: bool = True
) -> Floats:
    """Information that a source adds about an agent's next order: I(x(t+1); y(t) given x(t)), in nats.

    From frequencies, which overstate it by about (degrees of freedom)/(2n) over n steps; corrected by Miller's and
    Madow's term for each of the four entropies, which makes it about 0 in the mean, at times negative, if the source
    adds nothing. Where conditions are many and cells rare it still is too high, and no correction undoes a common
    cause: subtract the value of scrambled signals, for instance those of another episode,
    ``np.roll(source, 1, axis=1)``, which has the same error and keeps what follows from time.

    Parameters
    ----------
    source : (sessions, ..., steps, agents) array
        y, what each agent can know of the others, such as :func:`heard`; few different values.
    target : (sessions, ..., steps, agents) array
        x, the agent's own orders; few different values.
    given : array that fits to it, optional
        Labels of further conditions at t, such as the agent's inventory.
    corrected : bool

    Returns
    -------
    (sessions, agents) array
        Values of different agents are not independent: average them before an interval over sessions is taken.

    Raises
    ------
    TacitError
        If the shapes differ or there is only one step.

    References
    ----------
    T. Schreiber, "Measuring information transfer", Physical Review Letters 85 (2000); G. A. Miller, "Note on the bias
    of information estimates" (1955).

    Examples
    --------
    The second agent does what the first said a step before:

    >>> said = np.random.default_rng(0).integers(0, 2, (1, 5000, 1))
    >>> does = np.roll(said, 1, axis=1)
    >>> transfer_entropy(said, does)  # ln 2 = 0.693
    array([[0.693]])
    >>> bool(abs(transfer_entropy(does, said)) < 0.001)
    True
    """
    sent, acted = _orders(source), _orders(target)
    if sent.shape != acted.shape or acted.shape[-2] < 2:
        raise TacitError(f"source, target: the shapes {sent.shape} and {acted.shape} must agree and have two steps")
    own, owns = _coded(acted, acted.shape)
    label, _ = _coded(0 if given is None else given, acted.shape)
    known, knowns = _coded(own + owns * label, acted.shape)
    told, tolds = _coded(sent, acted.shape)
    now, then = (..., slice(None, -1), slice(None)), (..., slice(1, None), slice(None))
    cell = (_group(acted)[now] * owns + own[then]) * knowns + known[now]
    groups = acted.shape[0] * acted.shape[-1]
    counts = np.bincount((cell * tolds + told[now]).ravel(), minlength=groups * owns * knowns * tolds)
    table = counts.reshape(groups, owns, knowns, tolds).astype(np.float64)  # next, known, told
    found = _entropy(table.sum(axis=3), corrected) + _entropy(table.sum(axis=1), corrected)
    found -= _entropy(table.sum(axis=(1, 3))[..., None], corrected) + _entropy(table, corrected)
    return found.reshape(acted.shape[0], acted.shape[-1])


def _entropy(counts: Floats, corrected: bool) -> Floats:
    """Entropy in nats by group, (groups,), from counts (groups, ...)."""
    flat = counts.reshape(len(counts), -1)
    n = flat.sum(axis=1)
    plain = entr(flat / n[:, None]).sum(axis=1)
    return np.asarray(plain + ((flat > 0).sum(axis=1) - 1) / (2 * n) if corrected else plain)


def _group(orders: Floats) -> Indices:
    """Number of the session and agent of each entry, as an array of the orders' shape."""
    sessions, agents = orders.shape[0], orders.shape[-1]
    group = np.arange(sessions * agents).reshape(sessions, *[1] * (orders.ndim - 2), agents)
    return np.broadcast_to(group, orders.shape)


def _coded(labels: ArrayLike, shape: tuple[int, ...]) -> tuple[Indices, int]:
    """Labels as whole numbers from 0, in a shape, and how many there are."""
    plain = np.asarray(labels)
    used, codes = np.unique(plain, return_inverse=True)
    try:
        return np.broadcast_to(codes.reshape(plain.shape), shape), len(used)
    except ValueError as error:
        raise TacitError(f"given: the shape {plain.shape} does not fit to {shape}") from error


def _orders(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim < 3 or 0 in found.shape:
        raise TacitError(f"orders: the shape {found.shape} is wrong; give (sessions, ..., steps, agents)")
    return found


class _OfTrades(Measure):
    """Of who trades when, in the first episode of the test."""

    def of(self, run: Run) -> xr.DataArray:
        trades = path(run, "trade", "order")
        found = trades.stack(_row=[d for d in trades.dims if d not in ("step", "agent")])
        values = type(self).measured(found.transpose("_row", "step", "agent").values)
        return xr.DataArray(values, dims="_row", coords={"_row": found["_row"]}).unstack("_row")

    @staticmethod
    @abstractmethod
    def measured(trades: ArrayLike) -> Floats:
        """The measure of trades (rows, steps, agents), by row."""


class SynchronousTrades(_OfTrades):
    """Share of pairs of agents that trade on the same side in the same step."""

    kind = "synchronous-trades"
    unit = "share of pairs"

    @staticmethod
    def measured(trades: ArrayLike) -> Floats:
        return pair_shares(trades).sync


class OffsettingTrades(_OfTrades):
    """Share of pairs of a buyer and a seller in the same step."""

    kind = "offsetting-trades"
    unit = "share of pairs"

    @staticmethod
    def measured(trades: ArrayLike) -> Floats:
        return pair_shares(trades).offset


class TradeCorrelation(_OfTrades):
    """Mean correlation of two agents' trades over the steps."""

    kind = "trade-correlation"

    @staticmethod
    def measured(trades: ArrayLike) -> Floats:
        return trade_correlation(trades)

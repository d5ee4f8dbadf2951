"""Matrices of linear price impact: who moves which price by how much, and when.

Steps are numbered from 0. Schedules list trades step by step and, within a step, asset by asset (entry
``t * assets + a``); matrices act on them. A kernel ``G`` says how much of the impact of one share is left after
``0, 1, 2, ...`` steps.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.errors import TacitError
from tacitlab.markets.execution.liquidation import LiquidationGame
from tacitlab.markets.execution.quadratic import Floats

Order = Literal["simultaneous", "coin-toss"]


class Blocks(NamedTuple):
    """What a share takes off prices: by the step and asset in which one trades, and those in which it was sold.

    Attributes
    ----------
    lasting_own, lasting_cross : (steps, assets, steps, assets) arrays
        An agent's own shares and the others', but for what is met in the same step only.
    mid : (steps, assets, steps, assets) array
        Off the price that everybody sees.
    temporary_own, temporary_cross : (steps, assets, assets) arrays
        What is met in the same step only.
    toss : (steps, assets, assets) array
        What the others sell earlier in the same step.
    """

    lasting_own: Floats
    lasting_cross: Floats
    mid: Floats
    temporary_own: Floats
    temporary_cross: Floats
    toss: Floats


@dataclass(frozen=True, eq=False)
class Impact:
    """Linear price impact, as a market simulates it and a game is made of it.

    At step t an agent with trades ``v_i`` (D,) (shares sold), D = steps * assets, receives the prices ::

        S_0 + noise - felt_own[t] v_i - felt_cross[t] sum_{j != i} v_j

    where row t stands for the rows of all assets. Its expected cost, in currency, is
    ``v_i' felt_own v_i + v_i' felt_cross sum_{j != i} v_j + 1/2 v_i' risk v_i``.

    Under a coin toss this is the mean over the order within the steps. The price itself is ::

        S_0 + noise - felt_own[t] v_i - (felt_cross - toss / 2)[t] sum_{j != i} v_j - toss[t] sum_{j before i} v_j

    The public mid price at the start of step t, before anybody trades, is
    ``S_0 + noise - mid[t] sum_j v_j``, the sum going over all agents.

    Attributes
    ----------
    felt_own, felt_cross : (D, D) arrays
        Entry (t, s): what a share that the agent itself, or another one, sells at s takes off the price that it
        receives at t. Currency per share squared.
    mid : (D, D) array
        The same for the public price; strictly lower triangular in time.
    toss : (D, D) array
        What a share sold earlier within the same step takes off, if a fair coin (a random permutation of more than
        two agents) orders each step; otherwise 0. ``felt_cross`` holds half of it.
    risk : (D, D) array
        Twice the risk aversion times the covariance of the noise that trades meet: no price impact, but a part of
        the cost that a risk-averse agent minimises. Only the noise counts, not the coin.
    steps : int
    """

    felt_own: Floats
    felt_cross: Floats
    mid: Floats
    toss: Floats
    risk: Floats
    steps: int

    @property
    def assets(self) -> int:
        """Number of assets."""
        return len(self.felt_own) // self.steps

    def game(self, inventories: ArrayLike, sales_only: bool = False) -> LiquidationGame:
        """The game of agents with these inventories, (agents,) or (agents, assets), in shares."""
        own = self.felt_own + self.felt_own.T + self.risk
        return LiquidationGame(own, self.felt_cross, np.asarray(inventories, dtype=float), self.steps, sales_only)

    def blocks(self, temporary: Floats, shared: bool) -> Blocks:
        """The matrices by step and asset; ``temporary``: (D,) of a share in its own step, ``shared`` by who trades."""
        shape = (self.steps, self.assets) * 2
        own = np.diag(temporary)
        others = own * shared

        def within(matrix: Floats) -> Floats:
            """What is met within a step: the diagonal blocks."""
            return np.einsum("tatb->tab", matrix.reshape(shape))

        return Blocks(
            lasting_own=(self.felt_own - own).reshape(shape),
            lasting_cross=(self.felt_cross - self.toss / 2 - others).reshape(shape),
            mid=self.mid.reshape(shape),
            temporary_own=within(own),
            temporary_cross=within(others),
            toss=within(self.toss),
        )


def almgren_chriss(
    steps: int = 10,
    temporary: ArrayLike = 0.002,
    permanent: ArrayLike = 0.001,
    *,
    tau: float = 1.0,
    lag: int = 1,
    order: Order = "simultaneous",
    shared_temporary: bool = False,
    risk_aversion: float = 0.0,
    volatility: float = 0.0,
) -> Impact:
    """Permanent impact shared by all, temporary impact of one's own trade: the game of Macrì and Lillo.

    Parameters
    ----------
    steps : int
        Number of trades N.
    temporary : float or (steps,) array
        Temporary impact alpha of each step, currency times time per share squared.
    permanent : float or (steps,) array
        Permanent impact kappa of what is traded at each step, currency per share squared.
    tau : float
        Time a step.
    lag : int
        A trade moves the price from that many steps later on: 1 in the paper, 2 in its authors' public code.
    order : {"simultaneous", "coin-toss"}
        Coin toss: a random order in each step, and who comes later pays the permanent impact of who came before.
        Without effect if ``lag > 1``, as in that code: nobody's trade reaches the price within the step.
    shared_temporary : bool
        Everybody's trade depresses the price that others receive in the same step by the temporary impact too.
    risk_aversion : float
        Weight lambda of the variance of the cost, per currency.
    volatility : float
        Of the price, currency per square root of time; its noise enters after the first trade.

    Returns
    -------
    Impact
        ``felt_own = alpha / tau I + kappa L`` and ``felt_cross = kappa L + theta I`` with L strictly lower triangular
        and theta the sum of kappa / 2 (coin toss) and alpha / tau (shared temporary impact); with impact that varies
        in time alpha becomes a diagonal matrix, and kappa multiplies the columns of L.

    Raises
    ------
    TacitError
        If a number is out of bounds or an array has another length.

    Notes
    -----
    R. Almgren and N. Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3 (2001); A. Macrì and
    F. Lillo, arXiv 2408.11773, and arXiv 2402.12049 for impact that varies in time. ``Var[cost] = volatility**2 tau
    sum_t q_t**2`` with ``q_t`` the inventory after trade t; a coin toss adds its own variance, which is not counted.

    Examples
    --------
    >>> impact = almgren_chriss(steps=3, order="coin-toss")
    >>> impact.felt_own * 1000
    array([[2., 0., 0.],
           [1., 2., 0.],
           [1., 1., 2.]])
    >>> impact.felt_cross * 1000
    array([[0.5, 0. , 0. ],
           [1. , 0.5, 0. ],
           [1. , 1. , 0.5]])
    """
    _above("steps", steps, 1)
    _above("lag", lag, 1)
    if not tau > 0:
        raise TacitError(f"tau: {tau} is too small; it must be above 0")
    alpha = _varying("temporary", temporary, steps) / tau
    kappa = _varying("permanent", permanent, steps)
    past = np.tri(steps, k=-lag) * kappa
    same = kappa * (lag == 1)
    risk = _risk(steps, risk_aversion, np.array([[volatility**2 * tau]]))
    return _impact(past, same, np.eye(1), np.diag(alpha), order, np.diag(alpha) * shared_temporary, risk)


def transient(
    kernel: ArrayLike,
    temporary: ArrayLike = 0.0,
    *,
    cross_impact: ArrayLike = 1.0,
    order: Order = "coin-toss",
    shared_temporary: bool = False,
    risk_aversion: float = 0.0,
    volatility: ArrayLike = 0.0,
) -> Impact:
    """Impact that decays, in one asset or in several that move each other's prices.

    A trade is executed while its impact builds up and so pays half of it, as in a block-shaped order book.

    Parameters
    ----------
    kernel : (steps,) array
        Impact G that is left 0, 1, 2, ... steps after a trade: see :func:`exponential` and :func:`power_law`. A
        constant is permanent impact. ``G[0] = 0`` means that nothing is felt within the step.
    temporary : float, (assets,) or (steps, assets) array
        Quadratic trading cost theta of each asset, currency per share squared: a trade v costs ``theta v**2``.
    cross_impact : float or (assets, assets) array
        Q, symmetric and positive definite; multiplies the kernel. A float means one asset.
    order : {"simultaneous", "coin-toss"}
        What others pay for a trade within the same step: nothing, or on average half its impact, as who comes later
        pays all of it.
    shared_temporary : bool
        Everybody pays theta for everybody's trades.
    risk_aversion : float
        Weight of the variance of the cost, per currency.
    volatility : float or (assets, assets) array
        Standard deviation of each price's change a step, independent ones, or the covariance matrix of the changes.

    Returns
    -------
    Impact
        ``felt_own = (lower part of G + G(0) / 2 I) x Q + theta`` and ``felt_cross = (lower part of G + G(0) / 2 I)
        x Q``, the latter without G(0) if simultaneous (x is the Kronecker product).

    Raises
    ------
    TacitError
        If a number is out of bounds, a shape is wrong or ``cross_impact`` is not symmetric positive definite.

    Notes
    -----
    M. Nutz and A. Prosperi, arXiv 2512.11765 (2025); two agents: A. Schied and T. Zhang, arXiv 1305.4013; several
    assets: F. Cordoni and F. Lillo, arXiv 2004.03546. A constant kernel kappa with ``temporary = alpha - kappa / 2``
    is :func:`almgren_chriss` with tau = 1, either order included.

    Examples
    --------
    >>> transient([1.0, 0.5, 0.25], 0.1).felt_own
    array([[0.6 , 0.  , 0.  ],
           [0.5 , 0.6 , 0.  ],
           [0.25, 0.5 , 0.6 ]])
    """
    kernel, matrix = np.asarray(kernel, dtype=float), np.atleast_2d(np.asarray(cross_impact, dtype=float))
    if kernel.ndim != 1 or not len(kernel) or not np.isfinite(kernel).all():
        raise TacitError(f"kernel: an array of shape {kernel.shape} is wrong; give (steps,) finite numbers")
    steps, assets = len(kernel), len(matrix)
    if matrix.shape != (assets, assets) or not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise TacitError(f"cross_impact: {matrix.tolist()} is wrong; give a symmetric positive definite matrix")
    theta = np.diag(_varying("temporary", temporary, steps, assets))
    lags = np.subtract.outer(np.arange(steps), np.arange(steps))
    past = np.where(lags > 0, kernel[np.abs(lags)], 0.0)
    noise = np.asarray(volatility, dtype=float)
    if noise.shape not in ((), matrix.shape):
        raise TacitError(f"volatility: the shape {noise.shape} is wrong; give a number or a matrix {matrix.shape}")
    risk = _risk(steps, risk_aversion, noise if noise.ndim else noise**2 * np.eye(assets))
    same = np.full(steps, kernel[0])
    half = np.kron(np.diag(same / 2), matrix)
    return _impact(past, same, matrix, half + theta, order, theta * shared_temporary, risk)


def exponential(steps: int, decay: float, *, scale: float = 1.0, tau: float = 1.0) -> Floats:
    """Kernel ``scale exp(-decay t)`` at times 0, tau, 2 tau, ...: (steps,).

    Notes
    -----
    A. A. Obizhaeva and J. Wang, "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets
    16 (2013).

    Examples
    --------
    >>> exponential(3, decay=0.5).round(4)
    array([1.    , 0.6065, 0.3679])
    """
    return _checked(scale * np.exp(-decay * tau * np.arange(steps)), scale, tau, decay=decay)


def power_law(steps: int, exponent: float, *, scale: float = 1.0, tau: float = 1.0) -> Floats:
    """Kernel ``scale (1 + t)**-exponent`` at times 0, tau, 2 tau, ...: (steps,).

    Notes
    -----
    The bounded form of J.-P. Bouchaud, Y. Gefen, M. Potters and M. Wyart, "Fluctuations and response in financial
    markets", Quantitative Finance 4 (2004), with their time scale as the unit of time; a pure power has no finite
    G(0). It is convex and decreasing, hence positive definite, for every positive exponent.

    Examples
    --------
    >>> power_law(3, exponent=0.5).round(4)
    array([1.    , 0.7071, 0.5774])
    """
    return _checked(scale * np.power(1 + tau * np.arange(steps), -exponent), scale, tau, exponent=exponent)


def _impact(
    past: Floats, same: Floats, matrix: Floats, paid: Floats, order: Order, shared: Floats, risk: Floats
) -> Impact:
    """Put together: impact of past steps (T, T), of the same step (T,), what a trade itself pays (D, D), ..."""
    if order not in ("simultaneous", "coin-toss"):
        raise TacitError(f"order: {order!r} is unknown; choose from simultaneous, coin-toss")
    later = np.asarray(np.kron(past, matrix), dtype=np.float64)
    toss = np.asarray(np.kron(np.diag(same), matrix) * (order == "coin-toss"), dtype=np.float64)
    return Impact(later + paid, later + toss / 2 + shared, later, toss, risk, len(past))


def _risk(steps: int, aversion: float, covariance: Floats) -> Floats:
    """Hessian of ``aversion * Var``, the noise of step t, with this covariance, being met by all later trades."""
    if not (np.isfinite(aversion) and aversion >= 0):
        raise TacitError(f"risk_aversion: {aversion} is out of bounds; it must be 0 or more")
    if not np.isfinite(covariance).all() or np.linalg.eigvalsh(covariance)[0] < -1e-12 * np.abs(covariance).max():
        raise TacitError(f"volatility: {covariance.tolist()} is wrong; give a number or a covariance matrix")
    met = np.minimum.outer(np.arange(steps), np.arange(steps)).astype(float)  # noise that both trades have met
    return 2 * aversion * np.kron(met, covariance)


def _varying(name: str, values: ArrayLike, steps: int, assets: int = 1) -> Floats:
    """Values of each step and asset, (steps * assets,), from a number or an array that says less."""
    array = np.asarray(values, dtype=float)
    if array.shape == (steps,) and assets == 1:
        array = array[:, None]
    if array.shape not in ((), (assets,), (steps, assets)):
        raise TacitError(f"{name}: the shape {array.shape} is wrong; give a number or ({steps}, {assets}) numbers")
    if not np.isfinite(array).all():
        raise TacitError(f"{name}: has an entry that is not finite; give numbers")
    return np.broadcast_to(array, (steps, assets)).reshape(-1).copy()


def _above(name: str, value: int, least: int) -> None:
    if value < least:
        raise TacitError(f"{name}: {value} is too small; it must be {least} or more")


def _checked(kernel: Floats, scale: float, tau: float, **shape: float) -> Floats:
    for name, value in (("scale", scale), ("tau", tau), *shape.items()):
        if not (np.isfinite(value) and value > 0):
            raise TacitError(f"{name}: {value} is out of bounds; it must be above 0")
    return kernel

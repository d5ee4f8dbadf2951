"""The optimal execution game with linear price impact: agents who sell the same assets move each other's prices.

Costs are quadratic in the schedules, so that equilibria, best responses and joint optima are linear systems or, where
agents may not buy back, small quadratic programs. Everything is open-loop: a schedule is fixed before the first trade.
The builders of the matrices are in :mod:`tacitlab.markets.execution.impact`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.errors import TacitError
from tacitlab.markets.execution import quadratic
from tacitlab.markets.execution.quadratic import Floats, Totals

FLAT = 1e-12  # an eigenvalue this small, relative to the largest impact, counts as 0
MISSING = 1e-4  # share of an inventory by which a schedule may miss it
FACES = 14  # trades a schedule may have for a non-convex joint optimum by enumeration
STARTS = 20  # of SLSQP beyond that


@dataclass(frozen=True, eq=False)
class LiquidationGame:
    """Agents who sell given inventories at least expected cost, all facing the same impact matrices.

    The expected cost of agent i, in currency, is ``1/2 v_i' own v_i + v_i' cross sum_{j != i} v_j``, where ``v_i``
    (D,) lists its sales step by step and, within a step, asset by asset: entry ``t * assets + a``, D = steps * assets.

    Attributes
    ----------
    own : (D, D) array
        Symmetric, currency per share squared.
    cross : (D, D) array
        Row: when the agent trades; column: when another one does. Currency per share squared.
    inventories : (agents, assets) array
        Shares to sell, negative ones to buy; an array (agents,) means one asset.
    steps : int
    sales_only : bool
        Nobody may trade against the sign of its inventory: no round trips.

    Raises
    ------
    TacitError
        If shapes do not fit, a number is not finite or ``own`` is not symmetric.

    Examples
    --------
    Two steps, own temporary impact 0.5, permanent impact 1 from the next step on:

    >>> later = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> game = LiquidationGame(np.eye(2) + later + later.T, later, np.array([[4.0], [4.0]]), steps=2)
    >>> game.costs(game.twap())
    array([12., 12.])
    """

    own: Floats
    cross: Floats
    inventories: Floats
    steps: int
    sales_only: bool = False

    def __post_init__(self) -> None:
        for name in ("own", "cross", "inventories"):
            array = np.array(getattr(self, name), dtype=float)
            if not np.isfinite(array).all():
                raise TacitError(f"{name}: has an entry that is not finite; give numbers")
            object.__setattr__(self, name, array)
        if self.inventories.ndim == 1:
            object.__setattr__(self, "inventories", self.inventories[:, None])
        if self.inventories.ndim != 2 or 0 in self.inventories.shape:
            raise TacitError(f"inventories: the shape {self.inventories.shape} is wrong; give (agents, assets)")
        size = self.steps * self.assets
        if self.steps < 1 or self.own.shape != (size, size) or self.cross.shape != (size, size):
            shapes = f"{self.own.shape} and {self.cross.shape}"
            raise TacitError(
                f"own, cross: {shapes} do not fit {self.steps} steps of {self.assets} assets; give {(size,) * 2}"
            )
        if np.abs(self.own - self.own.T).max() > FLAT * self.scale:
            raise TacitError("own: is not symmetric; give the felt impact plus its transpose")

    @property
    def players(self) -> int:
        """Number of agents."""
        return len(self.inventories)

    @property
    def assets(self) -> int:
        """Number of assets."""
        return int(self.inventories.shape[1])

    @property
    def scale(self) -> float:
        """The largest impact, currency per share squared."""
        return max(float(np.abs(self.own).max()), float(np.abs(self.cross).max()), np.finfo(float).tiny)

    def costs(self, schedules: ArrayLike) -> Floats:
        """Expected cost of each agent.

        Parameters
        ----------
        schedules : (..., agents, steps, assets) array
            Shares sold.

        Returns
        -------
        (..., agents) array
            Currency.
        """
        flat = self.flat(schedules)
        others = flat.sum(axis=-2, keepdims=True) - flat
        return np.einsum("...d,...d->...", flat, 0.5 * flat @ self.own + others @ self.cross.T)

    def twap(self) -> Floats:
        """Every agent sells the same amount at every step: schedules (agents, steps, assets)."""
        return np.repeat(self.inventories[:, None] / self.steps, self.steps, axis=1)

    def flat(self, schedules: ArrayLike) -> Floats:
        """Schedules (..., agents, steps, assets) as (..., agents, D); TacitError if the shape is another."""
        schedules = np.asarray(schedules, dtype=float)
        if schedules.shape[-3:] != (self.players, self.steps, self.assets):
            wanted = f"({self.players}, {self.steps}, {self.assets})"
            raise TacitError(
                f"schedules: the shape {schedules.shape} is wrong; give (agents, steps, assets) = {wanted}"
            )
        return schedules.reshape(*schedules.shape[:-2], -1)

    def totals(self, *agents: int) -> Totals:
        """What the trades of these agents, one agent after the other, must add up to (without signs if sales only)."""
        count = len(agents) * self.steps * self.assets
        members = np.arange(count).reshape(len(agents), self.steps, self.assets).swapaxes(1, 2).reshape(-1, self.steps)
        amounts = self.inventories[list(agents)].reshape(-1)
        return Totals(members, np.abs(amounts) if self.sales_only else amounts)

    def signs(self, *agents: int) -> Floats:
        """1 for trades of agents who sell, -1 for those of agents who buy; (agents * D,)."""
        signs = np.where(self.inventories[list(agents)] < 0, -1.0, 1.0)
        return np.repeat(signs[:, None], self.steps, axis=1).reshape(-1)

    def shaped(self, flat: Floats) -> Floats:
        """Trades (agents * D,) as schedules (agents, steps, assets)."""
        return flat.reshape(-1, self.steps, self.assets)

    def against(self, schedules: Floats) -> Floats:
        """Shares that each agent trades against the sign of its inventory, (agents, assets); 0 within rounding."""
        volumes = np.abs(schedules - self.sales(schedules)).sum(axis=1)
        return np.where(volumes > FLAT * np.abs(self.inventories).max() * self.steps, volumes, 0.0)

    def sales(self, schedules: Floats) -> Floats:
        """Schedules without what is traded against the sign of the inventories."""
        signs = np.where(self.inventories < 0, -1.0, 1.0)[:, None]
        return np.asarray(signs * np.maximum(signs * schedules, 0.0))

    def curvatures(self) -> dict[str, float]:
        """What decides whether solutions exist and are unique: smallest eigenvalues over full liquidations.

        Returns
        -------
        dict
            Currency per share squared. "own": of an agent's own cost (second-order condition of its best response).
            "monotone": of the game's Jacobian (symmetric part), positive iff it is strongly monotone. "mean" and
            "difference": of the sum of costs in the agents' mean schedule and in the differences between them.
        """
        others, both = self.players - 1, self.cross + self.cross.T
        modes = [self.own + others * both / 2] + [self.own - both / 2] * (others > 0)
        return {
            "own": self.curvature(self.own),
            "monotone": min(self.curvature(mode) for mode in modes),
            "mean": self.curvature(self.own + others * both),
            "difference": self.curvature(self.own - both) if others else np.inf,
        }

    def curvature(self, matrix: Floats) -> float:
        """Smallest eigenvalue of a matrix over full liquidations of one agent, 0 within rounding; inf if no choice."""
        value = quadratic.curvature(matrix, self.totals(0))
        return 0.0 if abs(value) <= FLAT * self.scale else value


@dataclass(frozen=True, eq=False)
class Solution:
    """Schedules that solve a game.

    Attributes
    ----------
    schedules : (agents, steps, assets) array
        Shares sold.
    costs : (agents,) array
        Expected costs, currency.
    error : float
        Currency. Of an equilibrium: the largest exploitability found. Of an optimum: by how much its value may lie
        above the minimum; infinite if that is unknown.
    method : str
        How it was obtained.
    """

    schedules: Floats
    costs: Floats
    error: float
    method: str


class Response(NamedTuple):
    """A best response: shares sold, (steps, assets), and its expected cost in currency."""

    schedule: Floats
    cost: float


def best_response(game: LiquidationGame, agent: int, schedules: ArrayLike) -> Response:
    """The cheapest full liquidation of one agent against the others' schedules, exact to rounding.

    Parameters
    ----------
    game : LiquidationGame
    agent : int
        From 0.
    schedules : (agents, steps, assets) array
        The agent's own entry plays no role.

    Returns
    -------
    Response

    Raises
    ------
    TacitError
        If the agent's cost is not strictly convex over full liquidations, or the shape is wrong.

    Examples
    --------
    The base game of Macrì and Lillo (arXiv 2408.11773): what a best responder to TWAP pays instead of 11.

    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> game = almgren_chriss().game([100, 100])
    >>> round(best_response(game, 0, game.twap()).cost, 12)
    9.625
    """
    _require_convex(game)
    flat = game.flat(schedules)
    pressure = game.cross @ (flat.sum(axis=0) - flat[agent])
    totals, signs = game.totals(agent), game.signs(agent)
    if game.sales_only:
        own, linear = game.own * np.outer(signs, signs), signs * pressure
        schedule = signs * quadratic.convex_program(own, linear, totals)
    else:
        schedule = quadratic.stationary(game.own, pressure, totals)
    cost = schedule @ (0.5 * game.own @ schedule + pressure)
    return Response(schedule.reshape(game.steps, game.assets), float(cost))


def exploitability(game: LiquidationGame, schedules: ArrayLike) -> Floats:
    """What each agent would save by a best response to the others' schedules.

    Parameters
    ----------
    game : LiquidationGame
    schedules : (agents, steps, assets) array
        Must add up to the inventories.

    Returns
    -------
    (agents,) array
        Currency, not negative: 0 for a schedule that is not allowed (round trips although sales only) and beats all
        that are.

    Raises
    ------
    TacitError
        If the schedules miss the inventories by more than ``MISSING``, or as in :func:`best_response`.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> game = almgren_chriss().game([100, 100])
    >>> exploitability(game, game.twap())
    array([1.375, 1.375])
    """
    flat = game.flat(schedules)
    sold = game.shaped(flat).sum(axis=1)
    gap = np.abs(sold - game.inventories)
    if (gap > MISSING * max(np.abs(game.inventories).max(), np.abs(flat).max())).any():
        agent, asset = np.unravel_index(gap.argmax(), gap.shape)
        wanted = f"agent {agent} sells {sold[agent, asset]:g} of {game.inventories[agent, asset]:g} shares"
        raise TacitError(f"schedules: {wanted} of asset {asset}; full liquidations are compared")
    best = [best_response(game, agent, schedules).cost for agent in range(game.players)]
    return np.maximum(game.costs(schedules) - best, 0.0)


def fundamental_solutions(game: LiquidationGame) -> tuple[Floats, Floats]:
    """The two schedules that every equilibrium is made of, as long as trades may have any sign.

    ``v_i = V x + W (q_i - x)`` with the mean inventory ``x``; with one asset ``V ~ (own + (n-1) cross)^-1 1`` and
    ``W ~ (own - cross)^-1 1``, each adding up to 1.

    Returns
    -------
    V, W : (D, assets) arrays
        Column a: the schedule in all assets if one share of asset a, and none of the others, is to be sold.

    Raises
    ------
    TacitError
        If an equilibrium condition is singular.

    Notes
    -----
    M. Nutz and A. Prosperi, arXiv 2512.11765 (2025), theorem 2.7; for two agents A. Schied and T. Zhang, "A market
    impact game under transient price impact", arXiv 1305.4013.
    """
    return _units(game, game.own + (game.players - 1) * game.cross), _units(game, game.own - game.cross)


@lru_cache(maxsize=32)  # games are immutable and compare by identity
def nash(game: LiquidationGame) -> Solution:
    """The open-loop Nash equilibrium.

    Parameters
    ----------
    game : LiquidationGame

    Returns
    -------
    Solution
        Exact to rounding; ``error`` is the exploitability found. It is the only equilibrium if
        ``game.curvatures()["monotone"]`` is positive.

    Raises
    ------
    TacitError
        If no agent has a best response, the conditions are singular, or the steps do not settle (sales only).

    Notes
    -----
    Trades of any sign: first-order conditions, one linear system each for the mean schedule and the deviations from
    it (:func:`fundamental_solutions`). Sales only: the same where nothing is bought, else a variational inequality.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> solution = nash(almgren_chriss().game([100, 100]))
    >>> solution.costs.round(4), solution.error < 1e-12
    (array([12.0706, 12.0706]), True)
    """
    _require_convex(game)
    try:
        schedules, method = _unbounded_nash(game), "first-order conditions (one linear system)"
    except TacitError:
        if not game.sales_only:
            raise
        schedules = -game.signs(*range(game.players)).reshape(game.twap().shape)  # not allowed: look on
    if game.sales_only and game.against(schedules).any():
        schedules, method = _bounded_nash(game), "variational inequality (extragradient, then one linear system)"
    schedules = game.sales(schedules) if game.sales_only else schedules  # without rounding below 0
    return Solution(schedules, game.costs(schedules), float(exploitability(game, schedules).max()), method)


def _units(game: LiquidationGame, matrix: Floats) -> Floats:
    totals = Totals(game.totals(0).members, np.zeros(game.assets))
    units = [Totals(totals.members, unit) for unit in np.eye(game.assets)]
    try:
        return np.stack([quadratic.stationary(matrix, np.zeros(len(matrix)), unit) for unit in units], axis=1)
    except np.linalg.LinAlgError:
        raise TacitError("own, cross: the equilibrium conditions are singular; change an impact a little") from None


def _unbounded_nash(game: LiquidationGame) -> Floats:
    mean = game.inventories.mean(axis=0)
    flat = np.tile(_units(game, game.own + (game.players - 1) * game.cross) @ mean, (game.players, 1))
    if np.abs(game.inventories - mean).any():  # else the second system does not matter, singular or not
        flat = flat + (game.inventories - mean) @ _units(game, game.own - game.cross).T
    return game.shaped(flat)


def _bounded_nash(game: LiquidationGame) -> Floats:
    agents = range(game.players)
    signs = game.signs(*agents)
    blocks = np.kron(np.eye(game.players), game.own - game.cross)
    jacobian = (blocks + np.tile(game.cross, (game.players, game.players))) * np.outer(signs, signs)
    totals = game.totals(*agents)
    solution = quadratic.variational_inequality(jacobian, np.zeros(len(signs)), totals, totals.even)
    if solution is None:
        value = game.curvatures()["monotone"]
        raise TacitError(
            f"own, cross: no equilibrium found, the game is not monotone ({value:.3g}); raise temporary impact"
        )
    return game.shaped(signs * solution)


def _require_convex(game: LiquidationGame) -> None:
    value = game.curvature(game.own)
    if value <= 0:
        wanted = "it must be positive: raise temporary impact"
        raise TacitError(
            f"own: no best response, as its smallest eigenvalue over liquidations is {value:.3g}; {wanted}"
        )

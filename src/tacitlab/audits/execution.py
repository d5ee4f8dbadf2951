"""Where agents that liquidate the same asset end up, one value per run: costs, schedules, money left on the table.

Costs are (runs, agents), in currency per agent and episode; schedules are (runs, steps, agents), in shares sold and
averaged over the episodes of a run. The run, a session of an experiment, is the unit of replication.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.markets.execution import liquidation
from tacitlab.markets.execution.liquidation import LiquidationGame

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SAME_TIME = 1e-6  # steps: agents whose mean times of sale differ by less are equally fast


# --- costs beside benchmarks -----------------------------------------------------------------------------------


def agents_below(costs: ArrayLike, nash: ArrayLike) -> NDArray[np.int64]:
    """How many agents of a run pay less than in equilibrium: its quadrant in the plane of both costs.

    With two agents: 2, both gain ("collusive"); 1, one gains at the other's expense ("predatory"); 0, both pay more.

    Parameters
    ----------
    costs : (runs, agents) array
    nash : (agents,) array or float
        Costs in equilibrium.

    Returns
    -------
    (runs,) array

    Examples
    --------
    >>> agents_below([[11.5, 12.0], [11.5, 13.0], [13.0, 13.0]], 12.68).tolist()
    [2, 1, 0]
    """
    return np.asarray((np.asarray(costs, dtype=np.float64) < np.asarray(nash)).sum(axis=-1), dtype=np.int64)


def inside(costs: ArrayLike, optimum: ArrayLike, nash: ArrayLike) -> Flags:
    """Whether a run lies in the rectangle between joint optimum and equilibrium, its edges included.

    Examples
    --------
    >>> inside([[11.6, 12.0], [11.6, 13.0], [11.0, 12.0]], 11.5, 12.68).tolist()
    [True, False, False]
    """
    found = np.asarray(costs, dtype=np.float64)
    low, high = np.asarray(optimum, dtype=np.float64), np.asarray(nash, dtype=np.float64)
    return np.asarray(((found >= low) & (found <= high)).all(axis=-1))


def index(costs: ArrayLike, nash: ArrayLike, optimum: ArrayLike) -> Floats:
    """Place of the agents' mean cost: K = (IS_Nash - IS) / (IS_Nash - IS_optimum), 0 in equilibrium, 1 at the optimum.

    Both benchmarks must be those of the game that was played.

    Parameters
    ----------
    costs : (runs, agents) array
    nash, optimum : (agents,) arrays or floats

    Returns
    -------
    (runs,) array

    Examples
    --------
    >>> index([[12.68, 12.68], [11.0, 12.0]], 12.68, 11.5).round(6).tolist()
    [0.0, 1.0]
    """
    high, low = (np.asarray(one, dtype=np.float64).mean() for one in (nash, optimum))
    return np.asarray((high - np.asarray(costs, dtype=np.float64).mean(axis=-1)) / (high - low))


def cost_gap(costs: ArrayLike) -> Floats:
    """Absolute difference between the costs of the dearest and the cheapest agent, (runs,)."""
    return np.asarray(np.ptp(np.asarray(costs, dtype=np.float64), axis=-1))


def episode_error(shortfalls: ArrayLike) -> Floats:
    """Half the 95 % interval of each agent's mean cost over the test episodes of its run.

    Parameters
    ----------
    shortfalls : (runs, episodes, agents) array

    Returns
    -------
    (runs, agents) array
        1.96 standard errors: there are many episodes. It says how well a frozen pair of policies is known, and
        nothing about other runs.

    Examples
    --------
    >>> episode_error(np.array([[[1.0], [3.0]]])).round(2).tolist()
    [[1.96]]
    """
    found = np.asarray(shortfalls, dtype=np.float64)
    return np.asarray(1.96 * found.std(axis=1, ddof=1) / np.sqrt(found.shape[1]))


def expected_spread(schedules: ArrayLike, volatility: float, coin: float = 0.0) -> Floats:
    """Standard deviation of the cost over episodes that chance alone gives two fixed schedules.

    Noise of the price contributes ``sigma sqrt(sum q_t^2)``, where ``q_t`` is what is left after trade t; a coin that
    decides at each step who pays for the other's trade, ``coin / 2 sqrt(sum (v_t w_t)^2)``.

    Parameters
    ----------
    schedules : (runs, steps, agents) array
    volatility : float
        Of a step.
    coin : float
        Permanent impact if a fair coin orders each step, otherwise 0; for two agents.

    Returns
    -------
    (runs, agents) array

    Examples
    --------
    >>> expected_spread(np.full((1, 10, 2), 10.0), 1e-3).round(4).tolist()
    [[0.1688, 0.1688]]
    >>> expected_spread(np.full((1, 10, 2), 10.0), 0.0, coin=0.001).round(4).tolist()
    [[0.1581, 0.1581]]
    """
    sold = np.asarray(schedules, dtype=np.float64)
    left = sold.sum(axis=1, keepdims=True) - np.cumsum(sold, axis=1)
    tossed = (sold.prod(axis=2, keepdims=True) ** 2).sum(axis=1)
    return np.asarray(np.sqrt(volatility**2 * (left**2).sum(axis=1) + (coin / 2) ** 2 * tossed))


# --- schedules -------------------------------------------------------------------------------------------------


def distance(schedules: ArrayLike, reference: ArrayLike) -> Floats:
    """Root mean square difference between schedules and a reference, over steps and agents: (runs,), in shares.

    Parameters
    ----------
    schedules : (runs, steps, agents) array
    reference : array that fits to it
        (steps, 1) for one schedule of all agents.

    Examples
    --------
    >>> distance([[[10.0], [10.0]], [[13.0], [7.0]]], [[10.0], [10.0]]).tolist()
    [0.0, 3.0]
    """
    apart = np.asarray(schedules, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return np.asarray(np.sqrt((apart**2).mean(axis=(1, 2))))


def share_sold(schedules: ArrayLike, steps: int) -> Floats:
    """Share of the inventories that is sold in the first steps, both agents together: (runs,).

    Examples
    --------
    >>> share_sold([[[6.0], [3.0], [1.0]]], 2).tolist()
    [0.9]
    """
    sold = np.asarray(schedules, dtype=np.float64).sum(axis=-1)
    return np.asarray(sold[:, :steps].sum(axis=1) / sold.sum(axis=1))


def sale_time(schedules: ArrayLike) -> Floats:
    """Mean step, counted from 1, at which an agent sells a share: (runs, agents).

    Examples
    --------
    >>> sale_time([[[3.0, 0.0], [1.0, 4.0]]]).tolist()
    [[1.25, 2.0]]
    """
    sold = np.asarray(schedules, dtype=np.float64)
    steps = np.arange(1, sold.shape[1] + 1)[:, None]
    return np.asarray((sold * steps).sum(axis=1) / sold.sum(axis=1))


def faster_pays_less(schedules: ArrayLike, costs: ArrayLike) -> Floats:
    """Whether the agent that sells earlier has the lower cost: 1 or 0 for each run of two, NaN if both are as fast.

    Examples
    --------
    >>> both = [[[3.0, 0.0], [1.0, 4.0]]] * 2
    >>> faster_pays_less(both, [[11.0, 12.0], [12.0, 11.0]]).tolist()
    [1.0, 0.0]
    """
    times, paid = sale_time(schedules), np.asarray(costs, dtype=np.float64)
    runs, fast = np.arange(len(times)), times.argmin(axis=1)
    cheaper = paid[runs, fast] < paid[runs, 1 - fast]
    return np.asarray(np.where(np.ptp(times, axis=1) > SAME_TIME, cheaper.astype(np.float64), np.nan))


# --- best responses --------------------------------------------------------------------------------------------


def exploitability(game: LiquidationGame, schedules: ArrayLike) -> Floats:
    """What each agent would save by the best schedule against the other's mean schedule: (runs, agents), currency.

    Of an open-loop game: it says nothing about a rival who answers. A joint optimum is exploitable too, so that a
    positive number alone tells collusion from failure to learn no better than the cost does.

    Parameters
    ----------
    game : LiquidationGame
        Of one asset.
    schedules : (runs, steps, agents) array
        Must add up to the inventories.

    Examples
    --------
    >>> from tacitlab.markets.execution.impact import almgren_chriss
    >>> game = almgren_chriss(order="coin-toss").game([100, 100], sales_only=True)
    >>> exploitability(game, np.full((1, 10, 2), 10.0)).round(4).tolist()
    [[1.325, 1.325]]
    """
    return np.stack([liquidation.exploitability(game, one) for one in _theory(schedules)])


def best_responses(game: LiquidationGame, schedules: ArrayLike) -> Floats:
    """Each agent's best schedule against the other's: (runs, steps, agents), as :func:`exploitability` takes them."""
    found = [
        [liquidation.best_response(game, agent, one).schedule[:, 0] for agent in range(game.players)]
        for one in _theory(schedules)
    ]
    return np.asarray(found).swapaxes(1, 2)


def expected_costs(game: LiquidationGame, schedules: ArrayLike) -> Floats:
    """Costs of schedules in a game, (runs, agents): what they would have cost there if nobody had known."""
    return game.costs(_theory(schedules))


def _theory(schedules: ArrayLike) -> Floats:
    """Schedules as the theory takes them: (runs, agents, steps, one asset)."""
    return np.asarray(schedules, dtype=np.float64).swapaxes(1, 2)[..., None]

r"""Price equilibria under logit demand, computed in logarithms so that near-perfect substitutes are safe.

Everything is in units of the substitution parameter mu: with markups x_i = (p_i - c_i) / mu and values
v_ri = (a_i - c_i - a_0r) / mu in demand regime r, firm i's share is

    s_ri = exp(v_ri - x_i) / (1 + sum_j exp(v_rj - x_j)).

Firms do not observe the regime, which occurs with probability w_r, so that firm i earns mu x_i sum_r w_r s_ri.
With one regime the Nash equilibrium exists and is unique (Caplin and Nalebuff, Econometrica 1991).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESIDUAL = 1e-9
"""Largest relative residual of a first-order condition that counts as solved."""

GAIN = 1e-9
"""Largest gain in log profit from a deviation that counts as none."""


@dataclass(frozen=True)
class Solution:
    """Markups in units of mu, shape (firms,), and the largest relative residual of the first-order conditions."""

    markups: Array
    residual: float


def shares(utilities: Array, outside: float) -> Array:
    """Logit market shares.

    Parameters
    ----------
    utilities : (..., firms) array
        (a_i - p_i) / mu; minus infinity for a firm that is not in the market.
    outside : float
        a_0 / mu.

    Returns
    -------
    (..., firms) array

    Examples
    --------
    >>> shares(np.array([0.0, 0.0]), 0.0)
    array([0.333..., 0.333...])
    """
    top = np.maximum(utilities.max(axis=-1, keepdims=True), outside)
    weights = np.exp(utilities - top)
    # Summed in sorted order, so that permuting the firms permutes the shares to the last bit.
    return weights / (np.sort(weights, axis=-1).sum(axis=-1, keepdims=True) + np.exp(outside - top))


def inclusive_value(utilities: Array, outside: float) -> Array:
    """Expected utility of the best choice, ln(exp(outside) + sum_i exp(utility_i)), shape (...)."""
    return np.logaddexp(_logsumexp(utilities), outside)


def nash(values: Array, weights: Array) -> list[Solution]:
    """Nash equilibria in pure strategies.

    Solves the first-order conditions ln x_i + ln E[s_i (1 - s_i)] - ln E[s_i] = 0 from the equilibria of the
    single regimes and of their average, and keeps the solutions at which no firm gains on a fine grid of prices.

    Parameters
    ----------
    values : (regimes, firms) array
        v_ri.
    weights : (regimes,) array
        w_r, positive.

    Returns
    -------
    list of Solution
        By increasing mean markup. With one regime exactly one; with several there may be none, or (not proven to
        be complete) more than one.

    Examples
    --------
    >>> nash(np.array([[4.0, 4.0]]), np.ones(1))[0].markups
    array([1.8917..., 1.8917...])
    """
    from scipy.optimize import root

    found: list[Solution] = []
    regimes = values if len(values) == 1 else np.vstack([values, weights @ values])
    for start in (_single_regime(row) for row in regimes):
        markups = start
        if len(values) > 1:
            with np.errstate(over="ignore", invalid="ignore"):  # a wild step of the root finder fails the test below
                markups = np.exp(root(_conditions, np.log(start), args=(values, weights), tol=1e-14).x)
        markups = _same_for_same(markups, values)
        if not np.all((markups > 0.0) & (markups < np.inf)):
            continue
        residual = float(np.abs(_conditions(np.log(markups), values, weights)).max())
        known = any(np.allclose(markups, other.markups, rtol=1e-7) for other in found)
        if residual < RESIDUAL and not known and deviation_gain(markups, values, weights) < GAIN:
            found.append(Solution(markups, residual))
    return sorted(found, key=lambda solution: float(solution.markups.mean()))


def monopoly(values: Array, weights: Array) -> Solution:
    r"""The joint optimum: all firms have the same markup m, with m = E[S] / E[S (1 - S)], S = sum of the shares.

    The common markup is optimal for any regimes: given sum_j exp(v_j - x_j), and so every regime's S, the mean
    markup over customers is largest when customers are spread in proportion to exp(v_i). With one regime
    m = 1 + W(sum_j exp(v_j - 1)), W Lambert's function; with several the optimum is the best point of a scan between
    the regimes' optima, refined by root finding.

    Parameters and result are those of :func:`nash`.

    Examples
    --------
    >>> monopoly(np.array([[4.0, 4.0]]), np.ones(1)).markups
    array([3.6999..., 3.6999...])
    """
    from scipy.optimize import brentq
    from scipy.special import wrightomega

    totals = _logsumexp(values)
    peaks = 1.0 + wrightomega(totals - 1.0)
    log_weights = np.log(weights)

    def log_sales(markup: Array) -> Array:
        return _logsumexp(log_weights - np.logaddexp(0.0, markup[..., None] - totals))

    def condition(markup: float) -> float:
        """ln m + ln E[S (1 - S)] - ln E[S]."""
        bought, left = -np.logaddexp(0.0, markup - totals), -np.logaddexp(0.0, totals - markup)
        return float(np.log(markup) + _logsumexp(log_weights + bought + left) - _logsumexp(log_weights + bought))

    markup = float(peaks[0])
    if np.ptp(peaks) > 0.0:
        scan = np.linspace(peaks.min(), peaks.max(), 4001)
        best = int(np.argmax(np.log(scan) + log_sales(scan)))
        low, high = scan[max(best - 1, 0)], scan[min(best + 1, len(scan) - 1)]
        markup = brentq(condition, low, high, xtol=1e-14) if condition(low) * condition(high) < 0 else scan[best]
    return Solution(np.full(values.shape[1], markup), abs(condition(markup)))


def deviation_gain(markups: Array, values: Array, weights: Array) -> float:
    """Largest gain in log profit of a firm that deviates to another markup, over a fine grid.

    The grid reaches from zero to beyond the joint optimum, finer between the single regimes' best replies, where a
    best reply must lie because each regime's profit has a single peak.
    """
    from scipy.special import wrightomega

    gain = 0.0
    for firm, markup in enumerate(markups):
        rivals = _others(values - markups)[:, firm]
        replies = 1.0 + wrightomega(values[:, firm] - 1.0 - rivals)
        grid = np.concatenate(
            [
                np.linspace(0.0, 3.0 * max(replies.max(), markup) + 10.0, 2001)[1:],
                np.linspace(replies.min(), replies.max(), 1001),
            ]
        )

        def log_profit(x: Array, value: Array = values[:, firm], rivals: Array = rivals) -> Array:
            shares = -np.logaddexp(0.0, x + (rivals - value)[:, None])
            return np.log(x) + _logsumexp((shares + np.log(weights)[:, None]).T)

        gain = max(gain, float(log_profit(grid).max() - log_profit(np.array([markup]))[0]))
    return gain


def _single_regime(values: Array) -> Array:
    """Nash markups of one regime, shape (firms,), by best replies x_i = 1 + W(exp(v_i - 1) / (1 + sum_-i)).

    Best replies rise with the rivals' prices, so that from the lowest markups they rise to the equilibrium.
    """
    from scipy.special import wrightomega

    markups = np.ones_like(values)
    for _ in range(1000):
        previous = markups
        markups = 1.0 + wrightomega(values - 1.0 - _others((values - markups)[None])[0])
        if np.all(np.abs(markups - previous) <= 1e-15 * markups):
            break
    return markups


def _conditions(log_markups: Array, values: Array, weights: Array) -> Array:
    """First-order conditions ln x_i + ln E[s_i (1 - s_i)] - ln E[s_i], shape (firms,)."""
    utilities = values - np.exp(log_markups)
    others = _others(utilities)
    total = np.logaddexp(utilities, others)
    chosen, left = utilities - total, others - total
    sales = chosen + np.log(weights)[:, None]
    # Normalised first: a wild step makes the terms so large that they would swallow the markup.
    return log_markups + _logsumexp((sales - _logsumexp(sales.T) + left).T)


def _others(utilities: Array) -> Array:
    """ln(1 + sum of exp(utility) over the rivals), shape (regimes, firms)."""
    firms = utilities.shape[1]
    rivals = np.where(np.eye(firms, dtype=bool), -np.inf, utilities[:, None, :])
    return np.logaddexp(_logsumexp(rivals), 0.0) if firms > 1 else np.zeros_like(utilities)


def _same_for_same(markups: Array, values: Array) -> Array:
    """Equal firms get equal markups to the last bit."""
    _, kinds = np.unique(values, axis=1, return_inverse=True)
    kinds = kinds.ravel()
    return (np.bincount(kinds, markups) / np.bincount(kinds))[kinds]


def _logsumexp(terms: Array) -> Array:
    """ln(sum(exp(terms))) over the last axis."""
    top = terms.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(terms - top).sum(axis=-1))

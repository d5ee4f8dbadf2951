"""What memory is worth to a team: persistent signals that each manager sees through noise.

Signals follow s_{t+1} = Phi s_t + u_{t+1}, manager i sees y_i,t = s_i,t + noise_i n_i,t, and changing weights costs
nothing, so that every step is a problem of its own. Without memory a manager acts on its last observation: that is a
team of a single step (``theory/team.py``). With memory it acts on all of them. Values are means of a step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tacitlab.markets.portfolio.theory import Team

Floats = NDArray[np.float64]

SETTLED = 1e-13  # change of the value from one step to the next, relative to it, after which nothing changes any more


@dataclass(frozen=True)
class Filters:
    """The Kalman filter of each manager: ``m_t = (1 - gain_t) phi m_{t-1} + gain_t y_t``, where m_{-1} = 0.

    Attributes
    ----------
    gains : (steps, n) array
    variances : (steps, n) array
        Of the estimates m.
    """

    gains: Floats
    variances: Floats


def filters(team: Team) -> Filters:
    """E[s_i,t | y_i,0 ... y_i,t] of each manager's own signal, and its variance.

    Examples
    --------
    The first observation alone; later ones add less and less.

    >>> found = filters(Team.of([[1.0]], [[1.0]], noise=1, persistence=0.9, steps=3))
    >>> found.gains.ravel().round(3), found.variances.ravel().round(3)
    (array([0.5  , 0.373, 0.33 ]), array([0.5  , 0.627, 0.67 ]))
    """
    variance, noise, phi = np.diag(team.signal), team.noise**2, team.persistence
    left, rows = variance.copy(), []  # what is uncertain before an observation
    for _ in range(team.steps):
        gain = left / (left + noise)
        left = (1 - gain) * left
        rows.append((gain, variance - left))
        left = phi**2 * left + (1 - phi**2) * variance
    gains, variances = (np.stack(parts) for parts in zip(*rows, strict=True))
    return Filters(gains, variances)


def pooled_value(team: Team) -> float:
    """One mind that remembers everything that anybody saw: tr(Sigma^-1 Cov(m_t))/(2 gamma), m the Kalman filter.

    Examples
    --------
    >>> pooled_value(Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]], steps=4))
    1.0
    """
    noise, phi = np.diag(team.noise**2), np.diag(team.persistence)
    left, found = team.signal, 0.0
    for _ in range(team.steps):
        gain = left @ np.linalg.pinv(left + noise, hermitian=True)
        left = left - gain @ left
        found += np.trace(np.linalg.solve(team.risk, team.signal - left))
        left = phi @ left @ phi + team.innovation
    return float(found / (2 * team.aversion * team.steps))


def history_value(team: Team) -> float:
    """The best team whose managers remember all that they saw themselves: exact.

    Notes
    -----
    A team in the sense of Radner (1962) whose managers see vectors: weights on own observations solve
    ``gamma sum_j Sigma_ij Cov(Y_i, Y_j) k_j = Cov(Y_i, s_i)``, for every step anew.
    """
    found: list[float] = []
    for t in range(team.steps):
        moments, aims = _histories(team, t)
        load = team.aversion * np.einsum("ij,iujv->iujv", team.risk, moments)
        size = team.sectors * (t + 1)
        best = np.linalg.solve(load.reshape(size, size), aims.ravel())
        found.append(float(best @ aims.ravel()) / 2)
        if t and abs(found[-1] - found[-2]) <= SETTLED * abs(found[-1]):
            found += [found[-1]] * (team.steps - t - 1)
            break
    return float(np.mean(found))


def filtered_value(team: Team) -> float:
    """The best team whose managers act on their own Kalman filters, w_i,t = k_i,t m_i,t: a little less than the best.

    What a manager would like to know of the others' filters is not a multiple of its own: the others' past noise is not
    its own. See :func:`history_value`.
    """
    return _filtered(team, cooperative=True)


def independent_value(team: Team) -> float:
    """Everybody filters its own signal and ignores the others, w_i,t = m_i,t/(gamma Sigma_ii): what the team gets."""
    return _filtered(team, cooperative=False)


# --- parts ---------------------------------------------------------------------------------------------------------


def _filtered(team: Team, cooperative: bool) -> float:
    found, known = 0.0, filters(team)
    weights = np.zeros((team.sectors, 0))
    for t in range(team.steps):
        gain, variance = known.gains[t], known.variances[t]
        weights = np.hstack([((1 - gain) * team.persistence)[:, None] * weights, gain[:, None]])
        moments, _ = _histories(team, t)
        load = team.aversion * team.risk * np.einsum("iu,iujv,jv->ij", weights, moments, weights)
        k = np.linalg.solve(load, variance) if cooperative else 1 / (team.aversion * np.diag(team.risk))
        found += k @ variance - k @ load @ k / 2
    return float(found / team.steps)


def _histories(team: Team, t: int) -> tuple[Floats, Floats]:
    """Cov(y_i,u, y_j,v) for u, v up to step t: (n, t+1, n, t+1); and Cov(y_i,u, s_i,t): (n, t+1)."""
    steps = np.arange(t + 1)
    lag = steps[:, None] - steps  # u - v
    since, until = np.maximum(lag, 0), np.maximum(-lag, 0)
    phi = team.persistence
    one, other = phi[:, None, None] ** since, phi[:, None, None] ** until
    moments = np.einsum("iuv,juv,ij->iujv", one, other, team.signal)
    for i in range(team.sectors):
        moments[i, steps, i, steps] += team.noise[i] ** 2
    return moments, np.diag(team.signal)[:, None] * phi[:, None] ** (t - steps)

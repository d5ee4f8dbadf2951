"""Gaussian teams: managers who share one goal, but each of whom sees only its own signal (Radner 1962).

The sectors' returns are r = s + e with s ~ N(0, T) and e ~ N(0, Sigma). Manager i sees y_i = s_i (plus noise, if there
is any) and chooses the weight w_i. The team gets ``w'r - (gamma/2) w'Sigma w``. Given the signals the return noise has
mean 0, so that the expected utility of any policies is that of ``w's - (gamma/2) w'Sigma w``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]
NEGATIVE = 1e-12  # eigenvalues above minus this, relative to the largest, count as rounding of 0


@dataclass(frozen=True)
class Team:
    """A team of n managers, in one step or in many.

    Attributes
    ----------
    signal : (n, n) array
        T, covariance of the signals.
    risk : (n, n) array
        Sigma, covariance of the returns that no signal foretells.
    aversion : float
        gamma, risk aversion, above 0.
    noise : (n,) array
        Standard deviation of what is added to a signal before its manager sees it.
    persistence : (n,) array
        phi, autocorrelation of the signals from step to step; their distribution is N(0, T) in every step.
    cost : (n,) array
        c: changing a weight by d costs c d²/2.
    steps : int
        Steps of an episode, which begins without holdings.
    """

    signal: Floats
    risk: Floats
    aversion: float
    noise: Floats
    persistence: Floats
    cost: Floats
    steps: int = 1

    @classmethod
    def of(
        cls,
        signal: ArrayLike,
        risk: ArrayLike,
        aversion: float = 1.0,
        *,
        noise: ArrayLike = 0.0,
        persistence: ArrayLike = 0.0,
        cost: ArrayLike = 0.0,
        steps: int = 1,
    ) -> "Team":
        """A team from plain numbers; a single one holds for every sector.

        Raises
        ------
        TacitError
            If a matrix is no covariance, or if signals cannot have such a persistence and such a covariance.
        """
        t, sigma = (np.array(matrix, dtype=float) for matrix in (signal, risk))
        if t.ndim != 2 or t.shape[0] != t.shape[1] or t.shape != sigma.shape:
            raise TacitError(f"signal: shapes are {t.shape} and {sigma.shape}; give two square matrices of one size")
        unseen, lasting, charge = (
            np.broadcast_to(np.array(value, dtype=float), (len(t),)) for value in (noise, persistence, cost)
        )
        team = cls(t, sigma, float(aversion), unseen, lasting, charge, steps)
        _check_covariance("signal", t, positive=False)
        _check_covariance("risk", sigma, positive=True)
        if (np.diag(t) <= 0).any():
            raise TacitError("signal: a variance is not positive; leave out sectors without a signal")
        _check_covariance("persistence", team.innovation, positive=False)
        return team

    @property
    def sectors(self) -> int:
        """n."""
        return len(self.signal)

    @property
    def seen(self) -> Floats:
        """Covariance of what the managers see in a step: T + diag(noise²)."""
        return self.signal + np.diag(self.noise**2)

    @property
    def innovation(self) -> Floats:
        """Covariance of what is new in the signals of a step: T - Phi T Phi."""
        return self.signal - self.persistence[:, None] * self.signal * self.persistence

    def alone(self) -> "Team":
        """The team as managers see it who ignore each other: without the covariances of returns."""
        return Team(self.signal, np.diag(np.diag(self.risk)), self.aversion, self.noise, self.persistence, self.cost,
                    self.steps)  # fmt: skip


@dataclass(frozen=True)
class LinearPolicy:
    """A linear policy w = K y of a single step.

    Attributes
    ----------
    gains : (n, n) array
        K; diagonal where managers see only their own signal.
    value : float
        Expected utility of the team.
    """

    gains: Floats
    value: float

    @property
    def own(self) -> Floats:
        """k: weight of each manager for a unit of its own signal, (n,)."""
        return np.diag(self.gains)


def value(team: Team, gains: ArrayLike) -> float:
    """Expected team utility of a step in which all follow a linear policy.

    Parameters
    ----------
    team : Team
        Costs are not counted.
    gains : (n,) or (n, n) array
        k of w_i = k_i y_i, or K of w = K y.

    Notes
    -----
    ``tr(K T) - (gamma/2) tr(Sigma K Y K')`` with Y the covariance of what is seen. For own signals without noise it is
    ``sum k_i T_ii - (gamma/2) k'(Sigma * T)k``, products entry by entry.

    Examples
    --------
    >>> team = Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]])
    >>> value(team, [1, 1]), value(team, [0.8, 0.8])
    (0.75, 0.8)
    """
    k = _matrix(gains)
    return float(np.trace(k @ team.signal) - team.aversion / 2 * np.trace(team.risk @ k @ team.seen @ k.T))


def own_values(team: Team, gains: ArrayLike) -> Floats:
    """Expected utilities of the managers' own sectors, E[w_i r_i] - (gamma/2) Sigma_ii E[w_i²]: (n,) array."""
    k = _matrix(gains)
    squares = np.diag(k @ team.seen @ k.T)
    return np.diag(k @ team.signal) - team.aversion / 2 * np.diag(team.risk) * squares


def centralised(team: Team) -> LinearPolicy:
    """One mind sees everything: w = Sigma^-1 E[s | y]/gamma, worth tr(Sigma^-1 Cov(E[s | y]))/(2 gamma).

    Without noise E[s | y] is s itself and the value is tr(Sigma^-1 T)/(2 gamma).

    Examples
    --------
    >>> team = Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]])
    >>> centralised(team).value
    1.0
    """
    found = np.asarray(np.linalg.solve(team.risk, estimate(team)) / team.aversion, dtype=np.float64)
    return LinearPolicy(found, value(team, found))


def estimate(team: Team) -> Floats:
    """The matrix that makes E[s | y], all signals pooled, of what is seen in a step."""
    if not team.noise.any():
        return np.eye(team.sectors)  # whether or not T can be inverted
    return team.signal @ np.linalg.pinv(team.seen, hermitian=True)


def team_optimum(team: Team) -> LinearPolicy:
    """The best that managers can do who act on their own signals and know each other's policies.

    Notes
    -----
    For a quadratic goal and Gaussian signals the best of all policies, linear or not, is linear, and the only one that
    is best person by person (R. Radner, "Team decision problems", Annals of Mathematical Statistics 33 (1962)
    857-881). Its gains solve ``gamma (Sigma * Y) k = diag T``, and it is worth ``k'diag(T)/2``.

    Examples
    --------
    >>> found = team_optimum(Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]]))
    >>> found.own, round(found.value, 12)
    (array([0.8, 0.8]), 0.8)
    """
    gains = np.linalg.solve(team.aversion * team.risk * team.seen, np.diag(team.signal))
    return LinearPolicy(np.diag(gains), value(team, gains))


def independent(team: Team) -> LinearPolicy:
    """Everybody optimises its own sector and ignores the others: k_i = T_ii/(gamma Sigma_ii Y_ii).

    ``value`` is what that is worth to the team.

    Examples
    --------
    >>> independent(Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]])).value
    0.75
    """
    gains = np.diag(team.signal) / (team.aversion * np.diag(team.risk) * np.diag(team.seen))
    return LinearPolicy(np.diag(gains), value(team, gains))


def best_replies(team: Team, gains: ArrayLike) -> Floats:
    """For each manager the gain that is best for the team while the others keep theirs: (n,) array.

    No other policy is better either: if the others' are linear, the best reply is.
    """
    k = np.asarray(gains, dtype=float)
    load = team.aversion * team.risk * team.seen
    return (np.diag(team.signal) - load @ k) / np.diag(load) + k


def improvements(team: Team, gains: ArrayLike) -> Floats:
    """What the team would gain if one manager alone changed its policy for the best: (n,) array; 0 at the optimum."""
    load = team.aversion * np.diag(team.risk) * np.diag(team.seen)
    return load / 2 * (best_replies(team, gains) - np.asarray(gains, dtype=float)) ** 2


def covariance(deviations: ArrayLike, correlation: ArrayLike) -> Floats:
    """A covariance matrix from standard deviations and one correlation for all pairs, or a matrix of them.

    Examples
    --------
    >>> covariance([1, 2], 0.5)
    array([[1., 1.],
           [1., 4.]])
    """
    sd, rho = np.asarray(deviations, dtype=float), np.array(correlation, dtype=float)
    if rho.ndim == 0:
        rho = np.full((len(sd), len(sd)), float(rho))
        np.fill_diagonal(rho, 1.0)
    return sd[:, None] * rho * sd


def correlation(matrix: Floats) -> Floats:
    """Correlations of a covariance matrix with positive variances."""
    sd = np.sqrt(np.diag(matrix))
    return matrix / sd[:, None] / sd


def root(matrix: Floats) -> Floats:
    """A square matrix L with L L' the given covariance, which may be singular."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _matrix(gains: ArrayLike) -> Floats:
    found = np.asarray(gains, dtype=float)
    return np.diag(found) if found.ndim == 1 else found


def _check_covariance(name: str, matrix: Floats, positive: bool) -> None:
    scale = float(np.abs(matrix).max())
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-9 * scale):
        raise TacitError(f"{name}: the matrix is not symmetric; give each pair of sectors one number")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < -NEGATIVE * max(scale, 1e-300) or (positive and least <= NEGATIVE * scale):
        what = "positive definite" if positive else "a covariance matrix"
        if name == "persistence":
            what = "possible together with these correlations of signals"
        raise TacitError(f"{name}: the matrix is not {what} (least eigenvalue {least:.3g}); use smaller correlations")

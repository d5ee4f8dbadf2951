"""Teams whose weights come from a grid, as value-based learners choose them.

Each manager sees in which bin its own signal lies and chooses one of finitely many weights. Fine bins stand for a
signal that is seen exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from tacitlab.markets.portfolio.theory import Team, correlation, team_optimum

Floats = NDArray[np.float64]

FINE = 160  # bins of a signal that is seen exactly, from -WIDE to WIDE
WIDE = 6.0  # standard deviations
FAR = 9.0  # beyond which nothing is integrated
PANEL, NODES = 0.25, 6  # width and order of the quadrature within bins
STARTS = 3  # random ones, besides those that theory suggests
SWEEPS = 1000


@dataclass(frozen=True)
class OnGrid:
    """The best policies that were found.

    Attributes
    ----------
    weights : (n, bins) array
        Weight of each manager for each bin of its own signal.
    value : float
        Expected utility of the team; exact for these policies, up to quadrature.
    highest : float
        No policies from the grid can be worth more.
    edges : (bins - 1,) array
        Where bins end, in standard deviations of what is seen.
    """

    weights: Floats
    value: float
    highest: float
    edges: Floats

    @property
    def error(self) -> float:
        """At most so much is missing to the optimum."""
        return max(self.highest - self.value, 0.0)


@dataclass(frozen=True)
class Binned:
    """The team's utility as a function of weights by bin: ``w'm - w'L w/2``.

    Attributes
    ----------
    team : Team
    shares : (n, bins) array
        Probabilities of the bins.
    means : (n, bins) array
        m: E[s_i; own bin].
    load : (n bins, n bins) array
        L: gamma Sigma_ij times the probability of each pair of bins.
    """

    team: Team
    shares: Floats
    means: Floats
    load: Floats

    def value(self, weights: Floats) -> float:
        """Expected utility of the team."""
        w = weights.ravel()
        return float(w @ self.means.ravel() - w @ self.load @ w / 2)

    def targets(self, weights: Floats, manager: int) -> Floats:
        """The real weight that would be best in each bin for one manager, while the others keep theirs."""
        bins = self.means.shape[1]
        own = slice(manager * bins, (manager + 1) * bins)
        load = np.maximum(np.diag(self.load)[own], 1e-300)
        slope = self.means[manager] - self.load[own] @ weights.ravel()
        return weights[manager] + slope / load

    def relaxed(self) -> Floats:
        """The best real weights by bin (Radner 1962): they solve a linear system."""
        used = self.shares.ravel() > 0
        found = np.zeros(used.size)
        found[used] = np.linalg.solve(self.load[np.ix_(used, used)], self.means.ravel()[used])
        return found.reshape(self.means.shape)


def grid_optimum(team: Team, grid: ArrayLike, edges: ArrayLike | None = None, seed: int = 0) -> OnGrid:
    """The best policies with weights from a grid: numerical, with a bound on what is missing.

    Parameters
    ----------
    team : Team
        In one step, or in many that do not depend on each other.
    grid : (n, weights) or (weights,) array
        What each manager, or everybody, may choose.
    edges : (bins - 1,) array or None
        Where bins of the own signal end, in standard deviations of what is seen; none: the signal is seen exactly, for
        which many bins stand.
    seed : int
        Of random starts.

    Notes
    -----
    Managers in turn choose, in every bin, the weight of the grid that is best given the others' policies, until nobody
    changes anything: the best of several starts. The bound: with w* the best real weights, any policies w of the own
    signal are worth V(w*) - (gamma/2) E[(w - w*)'Sigma(w - w*)], and the expectation is at least the least eigenvalue
    of Sigma times the mean squared distances of w* from the grid.

    Examples
    --------
    >>> team = Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]])
    >>> found = grid_optimum(team, np.linspace(-3, 3, 21))
    >>> print(round(found.value, 3), found.highest < 0.8, found.error < 0.005)
    0.792 True True
    """
    cuts = np.linspace(-WIDE, WIDE, FINE - 1) if edges is None else np.asarray(edges, dtype=float)
    choices = np.broadcast_to(np.asarray(grid, dtype=float), (team.sectors, np.shape(grid)[-1]))
    binned = in_bins(team, cuts)
    relaxed = binned.relaxed()
    best: tuple[float, Floats] | None = None
    for start in _starts(team, binned, relaxed, choices, np.random.default_rng(seed)):
        weights = _climb(binned, start, choices)
        found = binned.value(weights)
        if best is None or found > best[0]:
            best = (found, weights)
    assert best is not None
    highest = _bound(team, choices) if edges is None else _bound_in_bins(binned, relaxed, choices)
    return OnGrid(best[1], best[0], highest, cuts)


def in_bins(team: Team, edges: Floats) -> Binned:
    """Probabilities and means by bin; by Gauss-Legendre quadrature of a conditional normal distribution."""
    rho, deviations = correlation(team.seen), np.sqrt(np.diag(team.seen))
    ends = np.concatenate([[-FAR], np.clip(edges, -FAR, FAR), [FAR]])
    density = np.exp(-(ends**2) / 2) / np.sqrt(2 * np.pi)
    density[[0, -1]] = 0.0
    n, bins = team.sectors, len(ends) - 1
    slopes = np.diag(team.signal) / deviations  # E[s_i | y_i] = slope (y_i in deviations)
    means = slopes[:, None] * (density[:-1] - density[1:])
    points, weights, owner = _nodes(ends)
    joint = np.zeros((n, bins, n, bins))
    shares = np.diff(ndtr(np.concatenate([[-np.inf], edges, [np.inf]])))
    for i in range(n):
        joint[i, :, i] = np.diag(shares)
        for j in range(i):
            spread = np.sqrt(max(1 - rho[i, j] ** 2, 1e-24))
            below = ndtr((edges - rho[i, j] * points[:, None]) / spread)
            mass = np.diff(below, axis=1, prepend=0.0, append=1.0) * weights[:, None]
            table = np.zeros((bins, bins))
            np.add.at(table, owner, mass)
            joint[i, :, j], joint[j, :, i] = table, table.T
    load = team.aversion * np.einsum("ij,ibjc->ibjc", team.risk, joint).reshape(n * bins, n * bins)
    return Binned(team, np.broadcast_to(shares, (n, bins)), means, load)


# --- parts ---------------------------------------------------------------------------------------------------------


def _nodes(ends: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Points, their normal probabilities, and the bin that each lies in."""
    cuts = np.unique(np.concatenate([ends, np.arange(-FAR, FAR, PANEL)]))
    x, w = np.polynomial.legendre.leggauss(NODES)
    half, middle = np.diff(cuts) / 2, (cuts[1:] + cuts[:-1]) / 2
    points = (middle[:, None] + half[:, None] * x).ravel()
    weights = (half[:, None] * w).ravel() * np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    return points, weights / weights.sum(), np.searchsorted(ends[1:-1], points, side="right")


def _nearest(values: Floats, choices: Floats) -> Floats:
    return choices[np.argmin(np.abs(values[:, None] - choices), axis=1)]


def _starts(team: Team, binned: Binned, relaxed: Floats, choices: Floats, rng: np.random.Generator) -> list[Floats]:
    """Rounded optima of teams that may choose any weight, everybody alone, nobody, and some at random."""
    ideas = [relaxed, _alone(binned), np.zeros_like(relaxed)]
    found = [_rounded(idea, choices) for idea in ideas]
    return found + [np.stack([rng.choice(row, relaxed.shape[1]) for row in choices]) for _ in range(STARTS)]


def _alone(binned: Binned) -> Floats:
    """The real weights that are best for each sector alone: E[s_i | own bin]/(gamma Sigma_ii)."""
    load = binned.team.aversion * np.diag(binned.team.risk)[:, None]
    return binned.means / np.maximum(binned.shares, 1e-300) / load


def _rounded(weights: Floats, choices: Floats) -> Floats:
    return np.stack([_nearest(row, among) for row, among in zip(weights, choices, strict=True)])


def _climb(binned: Binned, weights: Floats, choices: Floats) -> Floats:
    """Managers in turn make their best reply until nobody changes anything."""
    for _ in range(SWEEPS):
        before = weights.copy()
        for i in range(len(weights)):
            weights[i] = _nearest(binned.targets(weights, i), choices[i])
        if np.array_equal(weights, before):
            break
    return weights


def _bound(team: Team, choices: Floats) -> float:
    """What policies of the exact own signal cannot exceed."""
    best, missed = team_optimum(team), 0.0
    for gain, row in zip(best.own * np.sqrt(np.diag(team.seen)), np.sort(choices, axis=1), strict=True):
        kinks = (row[1:] + row[:-1]) / (2 * gain) if gain else np.zeros(0)  # where another weight becomes the nearest
        points, weights, _ = _nodes(np.sort(np.concatenate([[-FAR], kinks[np.abs(kinks) < FAR], [FAR]])))
        missed += float(weights @ (gain * points - _nearest(gain * points, row)) ** 2)
    return float(best.value - team.aversion / 2 * np.linalg.eigvalsh(team.risk)[0] * missed)


def _bound_in_bins(binned: Binned, relaxed: Floats, choices: Floats) -> float:
    """What policies of the own bin cannot exceed."""
    team = binned.team
    missed = float(np.sum(binned.shares * (relaxed - _rounded(relaxed, choices)) ** 2))
    least = team.aversion / 2 * float(np.linalg.eigvalsh(team.risk)[0])
    return float(np.sum(relaxed * binned.means)) / 2 - least * missed


def independent_on_grid(team: Team, grid: ArrayLike, edges: ArrayLike | None = None) -> float:
    """Value to the team of managers who choose the weight that is best for their own sector alone."""
    cuts = np.linspace(-WIDE, WIDE, FINE - 1) if edges is None else np.asarray(edges, dtype=float)
    choices = np.broadcast_to(np.asarray(grid, dtype=float), (team.sectors, np.shape(grid)[-1]))
    binned = in_bins(team, cuts)
    return binned.value(_rounded(_alone(binned), choices))

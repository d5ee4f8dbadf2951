"""How easily an equilibrium is reached: replicator dynamics and alpha-rank.

Both look at payoffs alone; neither knows a learner. Payoffs are those of an own strategy (axis 0) against a strategy of
the others (axis 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SETTLED = 0.99  # a population has settled on a strategy that has so large a share
STEPS = 20_000  # of the replicator equation at most
STILL = 1e-9  # shares that move less than this in a unit of time are at rest


def replicator(payoffs: ArrayLike, shares: ArrayLike, steps: int = STEPS, pace: float = 0.1) -> Floats:
    """Where the replicator equation of one population leads.

    x_i' = x_i ((A x)_i - x A x) (Taylor and Jonker 1978), with payoffs scaled to a range of 1. Each step is exact for
    payoffs that stay as they are, so shares remain positive and sum to 1.

    Parameters
    ----------
    payoffs : (strategies, strategies) array
    shares : (..., strategies) array
        Starting populations.
    steps : int
        At most; fewer once all populations are at rest.
    pace : float
        Time of a step.

    Returns
    -------
    (..., strategies) array

    Examples
    --------
    Hawk and dove with value 1 and cost 2: half are hawks.

    >>> replicator([[-0.5, 1.0], [0.0, 0.5]], [0.9, 0.1]).round(3)
    array([0.5, 0.5])
    """
    table = np.asarray(payoffs, dtype=np.float64)
    table = (table - table.min()) / (float(np.ptp(table)) or 1.0)
    x = np.array(shares, dtype=np.float64)
    for _ in range(steps):
        fitness = x @ table.T
        grown = x * np.exp(pace * (fitness - fitness.max(axis=-1, keepdims=True)))
        grown /= grown.sum(axis=-1, keepdims=True)
        moved = np.abs(grown - x).max()
        x = grown
        if moved < STILL * pace:
            break
    return x


@dataclass(frozen=True, eq=False)
class Basins:
    """Where random populations go.

    Attributes
    ----------
    share : (strategies,) array
        Share of starting populations that settle on each strategy.
    mixed : float
        Share that settles on none: mixtures, cycles, or too slow.
    starts : int
    """

    share: Floats
    mixed: float
    starts: int


def basins(payoffs: ArrayLike, starts: int = 200, seed: int = 0, steps: int = STEPS) -> Basins:
    """Basins of attraction of the replicator equation, from uniformly random populations.

    Examples
    --------
    Stag hunt: stags pay where more than three fifths hunt them.

    >>> found = basins([[3.0, 0.0], [2.0, 1.5]], starts=400)
    >>> np.round(found.share, 1), found.mixed
    (array([0.4, 0.6]), 0.0)
    """
    table = np.asarray(payoffs, dtype=np.float64)
    begin = np.random.default_rng(seed).dirichlet(np.ones(len(table)), size=starts)
    end = replicator(table, begin, steps)
    top = end.argmax(axis=1)
    settled = end.max(axis=1) > SETTLED
    share = np.bincount(top[settled], minlength=len(table)) / starts
    return Basins(share, float(1 - settled.mean()), starts)


def fixation(payoffs: ArrayLike, population: int = 50, intensity: float = 10.0) -> Floats:
    """Probability that one mutant (axis 1) takes over a population of residents (axis 0).

    Two who meet compare what they earn on average against all others, and one imitates the other with probability
    1 / (1 + exp(-intensity * difference)); payoffs are scaled to a range of 1. With f_j the mutants' lead among j of
    them, the probability is 1 / (1 + sum_k prod_{j<=k} exp(-intensity f_j)) (Traulsen, Nowak and Pacheco, Physical
    Review E 2006).

    Returns
    -------
    (strategies, strategies) array
        The diagonal is that of a neutral mutant, 1 / population.

    Examples
    --------
    >>> bool(fixation([[3.0, 0.0], [5.0, 1.0]])[0, 1] > 0.9)
    True
    """
    table = np.asarray(payoffs, dtype=np.float64)
    table = table / (float(np.ptp(table)) or 1.0)
    own = np.diagonal(table)
    log = np.zeros(table.shape)  # of the product so far
    logs = [log]
    for j in range(1, population):
        mutant = ((j - 1) * own[None, :] + (population - j) * table.T) / (population - 1)
        resident = (j * table + (population - j - 1) * own[:, None]) / (population - 1)
        log = log - intensity * (mutant - resident)
        logs.append(log)
    top = np.max(logs, axis=0)
    total = np.sum([np.exp(part - top) for part in logs], axis=0)
    return np.asarray(np.exp(-top - np.log(total)))


def alpha_rank(payoffs: ArrayLike, population: int = 50, intensity: float = 10.0) -> Floats:
    """Share of time that a population with rare mutations spends at each strategy, shape (strategies,).

    The Markov chain over populations in which all are alike: a random mutant arises and takes over with the
    probability of :func:`fixation` (Fudenberg and Imhof, Journal of Economic Theory 2006; alpha-rank of one
    population, Omidshafiei et al., Scientific Reports 2019).

    Examples
    --------
    >>> alpha_rank([[3.0, 0.0], [5.0, 1.0]]).round(3)
    array([0., 1.])
    """
    chance = fixation(payoffs, population, intensity)
    return _stationary(chance / max(len(chance) - 1, 1))


def alpha_rank_profiles(payoffs: ArrayLike, population: int = 50, intensity: float = 10.0) -> Floats:
    """Share of time at each profile of a game between two populations, shape (rows, columns).

    A mutant arises in one population and takes over with probability (1 - exp(-a d)) / (1 - exp(-m a d)), d its lead
    over the residents, a the intensity and m the size of a population (Omidshafiei et al. 2019, equation 9 in two
    populations). The chain has rows x columns states: reduce the game first.

    Parameters
    ----------
    payoffs : (rows, columns, 2) array

    Examples
    --------
    >>> dilemma = np.array([[[3.0, 3.0], [0.0, 5.0]], [[5.0, 0.0], [1.0, 1.0]]])
    >>> alpha_rank_profiles(dilemma).round(3)
    array([[0., 0.],
           [0., 1.]])
    """
    table = np.asarray(payoffs, dtype=np.float64)
    table = table / (float(np.ptp(table)) or 1.0)
    rows, columns, _ = table.shape
    chain = np.zeros((rows, columns, rows, columns))
    for i in range(rows):
        for j in range(columns):
            chain[i, j, :, j] += _takes_over(table[:, j, 0] - table[i, j, 0], population, intensity)
            chain[i, j, i, :] += _takes_over(table[i, :, 1] - table[i, j, 1], population, intensity)
    flat = chain.reshape(rows * columns, rows * columns) / max(rows + columns - 2, 1)
    return _stationary(flat).reshape(rows, columns)


def _takes_over(lead: Floats, population: int, intensity: float) -> Floats:
    """Fixation probability of a mutant with a constant lead, 1 / population without one."""
    x = intensity * lead
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rising = np.expm1(-x) / np.expm1(-population * x)
        # (1 - e^-x) / (1 - e^-mx) = e^((m-1)x) (1 - e^x) / (1 - e^mx) for a mutant that earns less
        falling = np.exp((population - 1) * x) * np.expm1(x) / np.expm1(population * x)
    return np.where(x > 0, rising, np.where(x < 0, falling, 1.0 / population))


def _stationary(chain: Floats) -> Floats:
    """Stationary distribution of a chain given by its moves to other states (the diagonal is ignored).

    By the elimination of Grassmann, Taksar and Heyman (Operations Research 1985), which subtracts nothing: tiny
    probabilities keep their digits.
    """
    p = np.array(chain, dtype=np.float64)
    np.fill_diagonal(p, 0.0)
    n = len(p)
    p = np.maximum(p, 1e-290)
    for k in range(n - 1, 0, -1):
        p[:k, k] /= p[k, :k].sum()
        p[:k, :k] += np.outer(p[:k, k], p[k, :k])
    share = np.zeros(n)
    share[0] = 1.0
    for k in range(1, n):
        share[k] = share[:k] @ p[:k, k]
    return share / share.sum()

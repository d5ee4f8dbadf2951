"""What estimated payoffs say about best replies: regret with intervals, best replies within error, probabilities.

All functions look at one column of a payoff table: own strategies against one strategy of the others. Entries have
independent errors, means ``mean`` with standard errors ``se`` and degrees of freedom ``freedom``. With common random
numbers errors are correlated, mostly in the same direction; differences are then more certain than said here, and
:func:`paired_regret` uses that.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import roots_legendre, stdtr, stdtrit

from tacitlab.metagame.estimated_game import EstimatedGame, PayoffTable

Floats = NDArray[np.float64]

SELECTION = 0.005  # chance that a best reply is not among the contenders of a lower limit
NODES = 48  # of the quadrature over a candidate's payoff
TIE = 1e-9  # of the largest payoff: payoffs closer than this are equal
HOPELESS = 1e-7  # chance of exceeding another entry below which an entry is no contender


def regret_interval(
    mean: ArrayLike, se: ArrayLike, freedom: ArrayLike, candidate: int, level: float = 0.95
) -> tuple[float, float, float]:
    """What the candidate forgoes against the best reply: estimate, lower and upper limit.

    The estimate is the largest mean less the candidate's, which is too large on average where many entries are close to
    the best: the largest of noisy means is lucky. The limits are honest about that. *Upper*: the true best reply is one
    of the entries, and whichever it is, its gain lies below Student's one-sided limit; so the largest of these limits
    is one, without any correction. *Lower*: the gain of any entry is a lower bound, and the largest of many limits
    needs Bonferroni's correction, but only over those entries that may be best (Gupta's subset, :func:`contenders`).

    Coverage is 95 % where the best reply is clear, and higher (the interval is conservative) where several entries
    are within error of the best, or where the candidate itself is best: the regret is then 0, the end of its range.

    Parameters
    ----------
    mean, se, freedom : (own,) arrays
        Of one column.
    candidate : int
        Whose regret.
    level : float

    Returns
    -------
    estimate, low, high : float
        All at least 0.

    Examples
    --------
    >>> estimate, low, high = regret_interval([1.0, 2.0], [0.1, 0.1], [20, 20], candidate=0)
    >>> round(estimate, 2), round(low, 2), round(high, 2)
    (1.0, 0.7, 1.29)
    """
    m, s, v = (np.asarray(x, dtype=np.float64) for x in (mean, se, freedom))
    gain = m - m[candidate]
    error, welch = _differences(s, v, candidate)
    best = contenders(m, s, v, 1 - SELECTION)
    return _limits(gain, error, welch, candidate, best, level)


def paired_regret(payoffs: ArrayLike, candidate: int, level: float = 0.95) -> tuple[float, float, float]:
    """:func:`regret_interval` from single sessions with common random numbers.

    Parameters
    ----------
    payoffs : (own, sessions) array
        Payoffs by own strategy and session; a session has the same draws for all.
    candidate : int
    level : float

    Examples
    --------
    What sessions share does not blur the difference:

    >>> luck = np.array([0.0, 10.0, -20.0, 5.0])
    >>> paired_regret([luck, luck + [1.0, 1.1, 0.9, 1.0]], candidate=0)[0]
    1.0
    """
    values = np.asarray(payoffs, dtype=np.float64)
    n = values.shape[1]
    gains = values - values[candidate]
    error = gains.std(axis=1, ddof=1) / np.sqrt(n)
    freedom = np.full(len(values), n - 1.0)
    top = int(gains.mean(axis=1).argmax())
    behind = values - values[top]
    reach = stdtrit(freedom, 1 - SELECTION / max(len(values) - 1, 1)) * behind.std(axis=1, ddof=1) / np.sqrt(n)
    best = behind.mean(axis=1) + reach >= 0
    return _limits(gains.mean(axis=1), error, freedom, candidate, best, level)


def contenders(mean: ArrayLike, se: ArrayLike, freedom: ArrayLike, level: float = 0.95) -> NDArray[np.bool_]:
    """The set of best replies within error, which holds the true best reply with the given probability; shape (own,).

    Gupta's subset selection (Technometrics 1965) with unequal variances: an entry stays unless some other is better by
    more than Bonferroni's one-sided limit of their difference.

    Examples
    --------
    >>> contenders([1.0, 1.9, 2.0], [0.1, 0.1, 0.1], [20, 20, 20])
    array([False,  True,  True])
    """
    m, s, v = (np.asarray(x, dtype=np.float64) for x in (mean, se, freedom))
    inside = np.ones(len(m), dtype=bool)
    share = (1 - level) / max(len(m) - 1, 1)
    # Whoever is far below a sure entry is beaten by it; a few of the best lower ends are enough to compare with.
    lower = np.where(np.isfinite(s), m - stdtrit(v, 1 - share) * s, -np.inf)
    for k in np.argsort(-lower)[:8]:
        error, welch = _differences(s, v, int(k))
        beaten = m[k] - m > stdtrit(welch, 1 - share) * error + _tie(m)
        inside &= ~beaten
    return inside


def best_probabilities(mean: ArrayLike, se: ArrayLike, freedom: ArrayLike) -> Floats:
    """Probability that each entry is the largest, given independent Student errors around the means; shape (own,).

    With flat priors on means and log variances this is a posterior probability. A one-dimensional integral over the
    entry's payoff of the product of the others' distribution functions, by Gauss-Legendre quadrature in the probability
    of the entry (:data:`NODES` nodes). Entries that tie exactly are all best.

    Examples
    --------
    >>> best_probabilities([0.0, 0.0, -9.0], [1.0, 1.0, 1.0], [50, 50, 50]).round(3)
    array([0.5, 0.5, 0. ])
    """
    m, s, v = (np.asarray(x, dtype=np.float64) for x in (mean, se, freedom))
    found = np.zeros(len(m))
    running = _running(m, s, v)
    points, weights = _nodes()
    least = np.maximum(s[running], 1e-6 * _tie(m))
    centre, freedoms = m[running], v[running]
    x = centre[:, None] + least[:, None] * stdtrit(freedoms[:, None], points) + _tie(m)
    log = np.zeros(x.shape)
    for k in range(len(centre)):
        with np.errstate(divide="ignore"):
            part = np.log(stdtr(freedoms[k], (x - centre[k]) / least[k]))
        part[k] = 0.0
        log += part
    found[running] = np.exp(log) @ weights
    return found


def best_probability(mean: ArrayLike, se: ArrayLike, freedom: ArrayLike, candidate: int) -> float:
    """Probability that one entry is the largest: an entry of :func:`best_probabilities` at a fraction of its work.

    Examples
    --------
    >>> round(best_probability([0.0, 0.0, -9.0], [1.0, 1.0, 1.0], [50, 50, 50], 0), 3)
    0.5
    """
    m, s, v = (np.asarray(x, dtype=np.float64) for x in (mean, se, freedom))
    others = _running(m, s, v)
    if candidate not in others:
        return 0.0
    others = others[others != candidate]
    points, weights = _nodes()
    least = np.maximum(s, 1e-6 * _tie(m))
    x = m[candidate] + least[candidate] * stdtrit(v[candidate], points) + _tie(m)
    below = stdtr(v[others, None], (x - m[others, None]) / least[others, None])
    return float(below.prod(axis=0) @ weights)


def reply_probabilities(table: PayoffTable) -> Floats:
    """Probability that each own strategy is a best reply to each strategy of the others, shape (own, others).

    Columns with an entry of unknown error are NaN.
    """
    se, freedom, known = table.se(), table.freedom(), table.known().all(axis=0)
    found = np.full(table.mean.shape, np.nan)
    for j in np.flatnonzero(known):
        found[:, j] = best_probabilities(table.mean[:, j], se[:, j], freedom[:, j])
    return found


def equilibrium_probabilities(game: EstimatedGame) -> Floats:
    """Probability that each pure profile is an equilibrium, shape (rows, columns).

    The product of the probabilities that either strategy is a best reply to the other: different entries decide the
    two, except the profile's own, whose two payoffs are treated as independent. On the diagonal of a symmetric game
    both are the same event: there the probability is that of one.

    Examples
    --------
    >>> dilemma = EstimatedGame.exact(np.array([[3.0, 0.0], [5.0, 1.0]]))
    >>> equilibrium_probabilities(dilemma).round(3)
    array([[0., 0.],
           [0., 1.]])
    """
    mine = reply_probabilities(game.row)
    if not game.symmetric:
        return mine * reply_probabilities(game.column).T
    both = mine * mine.T
    np.fill_diagonal(both, np.diagonal(mine))
    return both


def symmetric_regrets(table: PayoffTable, level: float = 0.95) -> Floats:
    """Regret of every symmetric profile of a symmetric game, shape (strategies, 3): estimate, low, high.

    NaN where some entry of the column has no error.
    """
    se, freedom, known = table.se(), table.freedom(), table.known().all(axis=0)
    found = np.full((table.mean.shape[1], 3), np.nan)
    for j in np.flatnonzero(known):
        found[j] = regret_interval(table.mean[:, j], se[:, j], freedom[:, j], int(j), level)
    return found


def profile_regret(game: EstimatedGame, row: int, column: int, level: float = 0.95) -> tuple[float, float, float]:
    """Regret of a pure profile, the larger of both players': estimate, low, high.

    Each player's limits have half the error (Bonferroni), so the interval is conservative unless one regret is clearly
    the larger.
    """
    half = 1 - (1 - level) / 2
    sides = [(game.row, row, column), (game.column, column, row)]
    found = [
        regret_interval(t.mean[:, other], t.se()[:, other], t.freedom()[:, other], own, half) for t, own, other in sides
    ]
    return max(f[0] for f in found), max(f[1] for f in found), max(f[2] for f in found)


def _limits(
    gain: Floats, error: Floats, freedom: Floats, candidate: int, best: NDArray[np.bool_], level: float
) -> tuple[float, float, float]:
    tail = (1 - level) / 2
    others = np.arange(len(gain)) != candidate
    if not others.any():
        return 0.0, 0.0, 0.0
    rivals = others & best
    high = (gain + stdtrit(freedom, 1 - tail) * error)[others].max()
    low = 0.0
    if rivals.any():
        share = max(tail - SELECTION, tail / 2) / int(rivals.sum())
        low = float((gain - stdtrit(freedom, 1 - share) * error)[rivals].max())
    return max(0.0, float(gain.max())), max(0.0, low), max(0.0, float(high))


def _differences(se: Floats, freedom: Floats, k: int) -> tuple[Floats, Floats]:
    """Standard errors of the differences from entry k, and Welch's degrees of freedom."""
    both = se**2 + se[k] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        welch = both**2 / (se**4 / freedom + se[k] ** 4 / freedom[k])
    return np.sqrt(both), np.where(np.isfinite(welch) & (welch >= 1), welch, 1.0)


def _running(mean: Floats, se: Floats, freedom: Floats) -> NDArray[np.int64]:
    """Entries that have a chance worth counting of being the largest."""
    reach = stdtrit(freedom, 1 - HOPELESS) * se
    return np.flatnonzero(mean + reach >= (mean - reach).max())


def _nodes() -> tuple[Floats, Floats]:
    points, weights = roots_legendre(NODES)
    return (points + 1) / 2, weights / 2


def _tie(mean: Floats) -> float:
    return TIE * max(float(np.abs(mean).max()), 1e-290)

"""Which entries of an estimated game should get more sessions: those that decide what is an equilibrium.

A symmetric profile is an equilibrium if no other own strategy does better against it. Most profiles are refuted by one
strategy that clearly does better, and need no more than a few sessions; of those that are left, what decides are
the profile's own payoff and that of its strongest challenger (top-two sampling, Russo, Operations Research 2020).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tacitlab.metagame.estimated_game import PayoffTable
from tacitlab.metagame.estimated_regret import best_probability

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR = 4.0  # degrees of freedom that the typical variance of all entries counts for


def pooled_errors(table: PayoffTable) -> tuple[Floats, Floats]:
    """Standard errors that lean on the typical variance of all entries, and their degrees of freedom.

    With two or three sessions an entry's own variance is worth little. For allocation only: verdicts use the entries'
    own.
    """
    freedom = np.maximum(table.count - 1, 0)
    own = table.squares[table.known()] / freedom[table.known()]
    typical = float(np.median(own)) if own.size else 0.0
    variance = (PRIOR * typical + table.squares) / (PRIOR + freedom)
    return np.sqrt(variance / np.maximum(table.count, 1)), PRIOR + freedom


def column_probabilities(table: PayoffTable) -> Floats:
    """Probability that each strategy is a best reply to itself, with pooled errors; shape (strategies,)."""
    se, freedom = pooled_errors(table)
    found = np.zeros(table.mean.shape[1])
    mean = table.mean
    # A profile that some entry beats beyond doubt needs no integral.
    reach = stdtrit(freedom, 1 - 1e-4) * se
    own = np.arange(len(found))
    open_ = (mean - reach).max(axis=0) <= mean[own, own] + reach[own, own]
    for j in np.flatnonzero(open_):
        found[j] = best_probability(mean[:, j], se[:, j], freedom[:, j], int(j))
    return found


def undecided(probabilities: Floats, sure: float) -> Ints:
    """Profiles whose probability of being an equilibrium is neither near 0 nor near 1."""
    return np.flatnonzero((probabilities > 1 - sure) & (probabilities < sure)).astype(np.int64)


def next_entries(table: PayoffTable, sure: float, seed: int, challengers: int = 2, least: int = 0) -> tuple[Ints, Ints]:
    """Entries that should get the next batch of sessions: for each undecided profile its own and its challengers'.

    A challenger is the own strategy that is best in a draw from what is known of the column, the profile's own left out
    (Thompson's rule), so that strategies within error of each other take turns.

    Parameters
    ----------
    table : PayoffTable
        Of a symmetric game, every entry with two sessions or more.
    sure : float
        A profile is decided once its probability of being an equilibrium is below ``1 - sure`` or above ``sure``.
    seed : int
        Of the draws: the same seed, the same entries.
    challengers : int
        Draws for each profile.
    least : int
        Profiles whose own entry has fewer sessions are not yet decided either, whatever the probability: verdicts
        should not rest on an error that itself is hardly known.

    Returns
    -------
    own, others : (k,) int arrays
        Different entries; empty if all profiles are decided.
    """
    columns = np.union1d(undecided(column_probabilities(table), sure), np.flatnonzero(np.diagonal(table.count) < least))
    se, freedom = pooled_errors(table)
    rng = np.random.default_rng(seed)
    pairs = {(int(j), int(j)) for j in columns}
    for j in columns:
        noise = rng.standard_t(freedom[:, j], size=(challengers, len(freedom)))
        drawn = table.mean[:, j] + se[:, j] * noise
        drawn[:, j] = -np.inf
        pairs |= {(int(i), int(j)) for i in drawn.argmax(axis=1)}
    ordered = np.array(sorted(pairs, key=lambda p: (p[1], p[0])), np.int64).reshape(-1, 2)
    return ordered[:, 0], ordered[:, 1]

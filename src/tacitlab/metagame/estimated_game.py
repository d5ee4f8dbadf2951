"""Games whose payoffs are estimates: means of independent sessions, with what is known of their error.

A :class:`PayoffTable` says what each own strategy earns against each strategy of the others. A symmetric game has one,
whoever plays: with two players, or with one who deviates among many alike. Another two-player game has two, each seen
by its player. Only counts, means and sums of squares are kept, so that sessions can be added at any time.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PayoffTable:
    """Sums of what own strategies (axis 0) earned against the others' strategies (axis 1).

    Attributes
    ----------
    count : (own, others) int64 array
        Sessions of each entry.
    mean : (own, others) array
        Their mean payoff; 0 without sessions.
    squares : (own, others) array
        Sum of squared deviations from the mean.

    Examples
    --------
    >>> table = PayoffTable.empty(2, 2)
    >>> table.add([0, 1], [0, 0], [[1.0, 3.0], [5.0, 5.0]])
    >>> table.mean[:, 0], table.se()[:, 0], int(table.count.sum())
    (array([2., 5.]), array([1., 0.]), 4)
    """

    count: Ints
    mean: Floats
    squares: Floats

    @classmethod
    def empty(cls, own: int, others: int) -> Self:
        """A table without sessions."""
        return cls(np.zeros((own, others), np.int64), np.zeros((own, others)), np.zeros((own, others)))

    def add(self, own: ArrayLike, others: ArrayLike, payoffs: ArrayLike) -> None:
        """Add sessions to entries, in place.

        Parameters
        ----------
        own, others : (k,) int arrays
            Entries, each at most once.
        payoffs : (k, sessions) array
            One payoff a session.
        """
        values = np.asarray(payoffs, dtype=np.float64)
        mean = values.mean(axis=1)
        self.merge(
            own, others, np.full(len(values), values.shape[1]), mean, ((values - mean[:, None]) ** 2).sum(axis=1)
        )

    def merge(self, own: ArrayLike, others: ArrayLike, count: ArrayLike, mean: ArrayLike, squares: ArrayLike) -> None:
        """Add the sums of other sessions, in place (Chan, Golub and LeVeque, The American Statistician 1983).

        Parameters
        ----------
        own, others : (k,) int arrays
            Entries, each at most once.
        count, mean, squares : (k,) arrays
            Number of sessions, their mean, and their sum of squared deviations from it.
        """
        at = (np.asarray(own, dtype=np.int64), np.asarray(others, dtype=np.int64))
        new, before = np.asarray(count, dtype=np.int64), self.count[at]
        total = np.maximum(before + new, 1)
        gap = np.asarray(mean, dtype=np.float64) - self.mean[at]
        self.mean[at] += gap * new / total
        self.squares[at] += np.asarray(squares, dtype=np.float64) + gap**2 * before * new / total
        self.count[at] = before + new

    def known(self) -> NDArray[np.bool_]:
        """Entries whose error is known: at least two sessions, shape (own, others)."""
        return self.count >= 2

    def se(self) -> Floats:
        """Standard error of every entry, shape (own, others); infinite with fewer than two sessions."""
        freedom = np.maximum(self.count - 1, 1)
        se = np.sqrt(self.squares / freedom / np.maximum(self.count, 1))
        return np.where(self.known(), se, np.inf)

    def freedom(self) -> Floats:
        """Degrees of freedom of every standard error, shape (own, others), at least 1."""
        return np.maximum(self.count - 1, 1).astype(np.float64)

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Student's interval of every entry; infinite where nothing is known of its error.

        Examples
        --------
        >>> table = PayoffTable.empty(1, 1)
        >>> table.add([0], [0], [[1.0, 2.0, 3.0]])
        >>> low, high = table.interval()
        >>> round(float(high[0, 0]), 3)  # 2 + 4.303 / sqrt(3)
        4.484
        """
        reach = stdtrit(self.freedom(), (1 + level) / 2) * self.se()
        return self.mean - reach, self.mean + reach


@dataclass(frozen=True, eq=False)
class EstimatedGame:
    """A game of two sides in estimates: one table if it is symmetric, else the row and the column player's.

    The column player's table has its own strategies on axis 0, as every table has.

    Examples
    --------
    >>> chicken = np.array([[0.0, 7.0], [2.0, 6.0]])
    >>> game = EstimatedGame.exact(chicken)
    >>> game.pure_equilibria()
    array([[0, 1],
           [1, 0]])
    """

    tables: tuple[PayoffTable, ...]

    @classmethod
    def exact(cls, *payoffs: ArrayLike) -> Self:
        """A game with known payoffs, one array (own, others) a table: for comparison and tests."""
        tables = []
        for given in payoffs:
            mean = np.array(given, dtype=np.float64)
            tables.append(PayoffTable(np.full(mean.shape, 2, np.int64), mean, np.zeros(mean.shape)))
        return cls(tuple(tables))

    @property
    def symmetric(self) -> bool:
        return len(self.tables) == 1

    @property
    def row(self) -> PayoffTable:
        """The row player's table."""
        return self.tables[0]

    @property
    def column(self) -> PayoffTable:
        """The column player's table, own strategies on axis 0."""
        return self.tables[-1]

    def payoffs(self) -> Floats:
        """Mean payoffs of both players, shape (rows, columns, 2)."""
        return np.stack([self.row.mean, self.column.mean.T], axis=-1)

    def pure_equilibria(self) -> Ints:
        """Pure equilibria of the mean payoffs, shape (k, 2)."""
        stable = (self.row.mean >= self.row.mean.max(axis=0)) & (self.column.mean >= self.column.mean.max(axis=0)).T
        return np.argwhere(stable).astype(np.int64)

    def symmetric_equilibria(self) -> Ints:
        """Strategies that are best replies to themselves in the mean payoffs of a symmetric game, shape (k,).

        Raises
        ------
        ValueError
            If the game is not symmetric.
        """
        if not self.symmetric:
            raise ValueError("symmetric_equilibria: the players differ; use pure_equilibria")
        mean = self.row.mean
        return np.flatnonzero(np.diagonal(mean) >= mean.max(axis=0)).astype(np.int64)


def reduced_equilibria(game: EstimatedGame, most: int = 6) -> tuple[list[tuple[Floats, Floats]], Floats]:
    """Equilibria of the mean payoffs, mixed ones included, on a reduced set of strategies.

    The reduced game starts from the pure equilibria (or the profile of least regret) and takes in the best replies to
    whatever it finds, until nothing outside is a better reply or it is as large as allowed (the double-oracle method of
    McMahan, Gordon and Blum, ICML 2003).

    Parameters
    ----------
    game : EstimatedGame
        Of two players.
    most : int
        Strategies of a player in the reduced game.

    Returns
    -------
    equilibria : list of (row strategy, column strategy)
        Probabilities over all strategies of each player.
    regret : (k,) array
        Largest gain of a deviation to any strategy, in the mean payoffs; 0 for an equilibrium of the whole game.

    Examples
    --------
    >>> pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> (pair,), regret = reduced_equilibria(EstimatedGame.exact(pennies, -pennies.T))
    >>> pair[0], regret.round(6)
    (array([0.5, 0.5]), array([0.]))
    """
    from tacitlab.theory.equilibrium import mixed_nash

    mine, theirs = game.row.mean, game.column.mean
    start = game.pure_equilibria()
    if not len(start):
        gain = np.maximum(mine.max(axis=0) - mine, (theirs.max(axis=0) - theirs).T)
        start = np.array([np.unravel_index(int(gain.argmin()), gain.shape)])
    rows, columns = (list(dict.fromkeys(map(int, start[: most // 2, side]))) for side in (0, 1))
    while True:
        part = np.stack([mine[np.ix_(rows, columns)], theirs[np.ix_(columns, rows)].T], axis=-1)
        found, _ = mixed_nash(part)
        pairs = [(np.eye(mine.shape[0])[rows].T @ x, np.eye(theirs.shape[0])[columns].T @ y) for x, y in found]
        grown = False
        for x, y in pairs:
            for best, known in ((int((mine @ y).argmax()), rows), (int((theirs @ x).argmax()), columns)):
                if best not in known and len(known) < most:
                    known.append(best)
                    grown = True
        if not grown:
            regret = [max((mine @ y).max() - x @ mine @ y, (theirs @ x).max() - y @ theirs @ x) for x, y in pairs]
            return pairs, np.array(regret)


def pareto_profiles(game: EstimatedGame) -> Ints:
    """Profiles whose mean payoffs no other profile Pareto-dominates, by falling payoff of the row player; shape (k, 2).

    Examples
    --------
    >>> pareto_profiles(EstimatedGame.exact(np.array([[3.0, 0.0], [5.0, 1.0]])))
    array([[1, 0],
           [0, 0],
           [0, 1]])
    """
    payoffs = game.payoffs().reshape(-1, 2)
    order = np.lexsort((-payoffs[:, 1], -payoffs[:, 0]))
    best = np.maximum.accumulate(payoffs[order, 1])
    front = order[np.concatenate([[True], payoffs[order[1:], 1] > best[:-1]])]
    return np.stack(np.unravel_index(front, game.payoffs().shape[:2]), axis=1).astype(np.int64)

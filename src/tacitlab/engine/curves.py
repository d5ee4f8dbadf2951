"""Learning curves: what happened in each window of steps, gathered segment by segment on the host."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Curves:
    """Sums over windows; no segment may reach over the end of one.

    Attributes
    ----------
    steps : int
        Length of a window.
    quantities : tuple of str
        Of the market as a whole.
    sums : (3, sessions, windows, agents)
        Of returns, losses and values.
    counts : (3, sessions, windows, agents)
        How many entries each sum has.
    totals : (quantities, sessions, windows)
        Sums of the quantities.
    lengths : (windows,)
        Steps that have been entered.
    failure, failed_at : (sessions,)
        Cause and step of the first failure.
    """

    steps: int
    quantities: tuple[str, ...]
    sums: Floats
    counts: NDArray[np.int64]
    totals: Floats
    lengths: NDArray[np.int64]
    failure: NDArray[np.int8]
    failed_at: NDArray[np.int64]

    kept: ClassVar[tuple[str, ...]] = ("sums", "counts", "totals", "lengths", "failure", "failed_at")

    @classmethod
    def empty(cls, sessions: int, windows: int, steps: int, agents: int, quantities: tuple[str, ...] = ()) -> "Curves":
        """Nothing has happened yet."""
        shape = (3, sessions, windows, agents)
        return cls(
            steps, quantities, np.zeros(shape), np.zeros(shape, np.int64),
            np.zeros((len(quantities), sessions, windows)), np.zeros(windows, np.int64),
            np.zeros(sessions, np.int8), np.full(sessions, -1, np.int64),
        )  # fmt: skip

    def add(self, start: int, steps: int, tally: Any) -> None:
        """Enter a segment of so many steps that began at step ``start``; its arrays have sessions first."""
        n, window = len(self.failure), min(start // self.steps, len(self.lengths) - 1)
        for k, (values, number) in enumerate(
            ((tally.returns, tally.episodes), (tally.loss, tally.learned), (tally.value, tally.learned))
        ):
            self.sums[k, :, window] += np.asarray(values, dtype=np.float64)[:n]
            count = np.asarray(number)[:n]
            self.counts[k, :, window] += count if count.ndim == 2 else count[:, None]
        for k, name in enumerate(self.quantities):
            self.totals[k, :, window] += np.asarray(tally.info[name], dtype=np.float64)[:n]
        self.lengths[window] += steps
        new = (self.failure == 0) & (np.asarray(tally.failure)[:n] > 0)
        self.failure = np.where(new, np.asarray(tally.failure)[:n], self.failure).astype(np.int8)
        self.failed_at = np.where(new, np.asarray(tally.failed_at)[:n], self.failed_at)

    def payoff(self) -> Floats:
        """Mean return of the episodes that ended in each window: (sessions, windows, agents)."""
        return self._mean(0)

    def loss(self) -> Floats:
        """Mean loss in each window; NaN where nothing was learned."""
        return self._mean(1)

    def value(self) -> Floats:
        """Mean size of the values in each window."""
        return self._mean(2)

    def means(self) -> dict[str, Floats]:
        """Mean of each quantity over the steps of each window: (sessions, windows)."""
        return {name: self.totals[k] / np.maximum(self.lengths, 1) for k, name in enumerate(self.quantities)}

    def failures(self, horizon: int) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Cause by session, 0 for none, and the episode in which it showed, -1 for none."""
        return self.failure, np.where(self.failure > 0, self.failed_at // horizon, -1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that a checkpoint must keep."""
        return {name: getattr(self, name) for name in self.kept}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> "Curves":
        """As a checkpoint left it."""
        kept: dict[str, Any] = {name: np.array(arrays[name]) for name in self.kept}
        return replace(self, **kept)

    def _mean(self, k: int) -> Floats:
        return np.where(self.counts[k] > 0, self.sums[k] / np.maximum(self.counts[k], 1), np.nan)

"""Learning curves: what happened in each window of steps, gathered segment by segment on the host."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Curves:
    """Sums over windows; agents in the last axis.

    Attributes
    ----------
    steps : int
        Length of a window.
    limits : (agents,)
        Size of values beyond which learning has failed.
    partial : (sessions, agents)
        What the running episode has brought so far.
    sums : (3, sessions, windows, agents)
        Of returns, losses and values.
    counts : (3, sessions, windows, agents)
        How many entries each sum has.
    failure, failed_at : (sessions,)
        Cause and step of the first failure.
    """

    steps: int
    limits: Floats
    partial: Floats
    sums: Floats
    counts: NDArray[np.int64]
    failure: NDArray[np.int8]
    failed_at: NDArray[np.int64]

    kept: ClassVar[tuple[str, ...]] = ("partial", "sums", "counts", "failure", "failed_at")

    @classmethod
    def empty(cls, sessions: int, windows: int, steps: int, limits: Any) -> "Curves":
        """Nothing has happened yet."""
        bounds = np.asarray(limits, dtype=np.float64)
        shape = (3, sessions, windows, len(bounds))
        return cls(
            steps, bounds, np.zeros((sessions, len(bounds))), np.zeros(shape), np.zeros(shape, np.int64),
            np.zeros(sessions, np.int8), np.full(sessions, -1, np.int64),
        )  # fmt: skip

    def add(self, start: int, left: Any) -> None:
        """Enter a segment that began at step ``start``: rewards, ends of episodes and health, sessions first."""
        n = len(self.partial)
        rewards = np.asarray(left.rewards, dtype=np.float64)[:n]
        ended = np.asarray(left.ended)[:n]
        health = [np.asarray(x, dtype=np.float64)[:n] for x in left.health]
        self._look_for_failures(start, rewards, health[0], health[1])
        windows = np.minimum((start + np.arange(rewards.shape[1])) // self.steps, self.sums.shape[2] - 1)
        for k, values in enumerate(health):
            known = (values >= 0) & np.isfinite(values)
            for window in np.unique(windows):
                here = windows == window
                self.sums[1 + k, :, window] += np.where(known[:, here], values[:, here], 0.0).sum(axis=1)
                self.counts[1 + k, :, window] += known[:, here].sum(axis=1)
        self._gather_returns(rewards, ended, windows)

    @np.errstate(invalid="ignore")  # sums of sessions that have failed
    def _gather_returns(self, rewards: Floats, ended: NDArray[np.bool_], windows: NDArray[np.int64]) -> None:
        total = self.partial[:, None] + np.cumsum(rewards, axis=1)  # since the beginning of the running episode
        for session in range(len(rewards)):
            at = np.flatnonzero(ended[session])
            if not len(at):
                self.partial[session] = total[session, -1]
                continue
            returns = np.diff(total[session, at], axis=0, prepend=np.zeros((1, rewards.shape[2])))
            np.add.at(self.sums[0, session], windows[at], returns)
            np.add.at(self.counts[0, session], windows[at], 1)
            self.partial[session] = total[session, -1] - total[session, at[-1]]

    def _look_for_failures(self, start: int, rewards: Floats, loss: Floats, value: Floats) -> None:
        broken = ~np.all(np.isfinite(rewards) & np.isfinite(loss) & np.isfinite(value), axis=2)
        with np.errstate(invalid="ignore"):
            beyond = np.any(value > self.limits, axis=2)
        for code, found in ((1, broken), (2, beyond & ~broken)):
            for session in np.flatnonzero(found.any(axis=1)):
                step = start + int(found[session].argmax())
                if self.failure[session] == 0 or step < self.failed_at[session]:
                    self.failure[session], self.failed_at[session] = code, step

    def payoff(self) -> Floats:
        """Mean return of the episodes that ended in each window: (sessions, windows, agents)."""
        return self._mean(0)

    def loss(self) -> Floats:
        """Mean loss in each window; NaN where nothing was learned."""
        return self._mean(1)

    def value(self) -> Floats:
        """Mean size of the values in each window."""
        return self._mean(2)

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.where(self.counts[k] > 0, self.sums[k] / np.maximum(self.counts[k], 1), np.nan)

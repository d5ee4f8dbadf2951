"""One mixed equilibrium of a game of any number of players: the end of the logit path of quantal response equilibria.

With precision 0 everybody plays at random; as precision grows, a path of quantal response equilibria leads to a Nash
equilibrium (R. D. McKelvey and T. R. Palfrey, Games and Economic Behavior 10 (1995); T. L. Turocy, ibid. 51 (2005),
whose equations in logarithms of probabilities these are).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tacitlab.theory.extreme import REGRET, Strategies
from tacitlab.theory.precision import Scale

Floats = NDArray[np.float64]

MOST_CELLS = 20_000  # payoffs of a game that is looked at
MOST_ACTIONS = 40  # of all players together
STEPS = 1_000  # along the path
FARTHEST = 1e3  # sentinels count as if they were so many units away
SHARP = 1e6  # precision at which the path ends, in own units
PLAYED = (1e-2, 1e-3, 1e-5)  # probabilities below may be those of actions that are not played in the end


def is_small(payoffs: Floats) -> bool:
    """Whether a path of :func:`traced_nash` takes seconds at most."""
    return payoffs.size <= MOST_CELLS and sum(payoffs.shape[:-1]) <= MOST_ACTIONS


def traced_nash(payoffs: Floats, scales: Sequence[Scale]) -> Strategies | None:
    """A Nash equilibrium in mixed strategies; None if the path ends elsewhere.

    Parameters
    ----------
    payoffs : (*shape, players) array
        :func:`is_small`.
    scales : sequence of Scale
        The players' own units: its regret is at most rounding in each.

    Examples
    --------
    Three players of whom the first wants to match the second, the second the third, the third not the first:

    >>> from tacitlab.theory.precision import own_scales
    >>> same = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> tables = [np.repeat(same[:, :, None], 2, 2), np.repeat(same[None], 2, 0), -np.repeat(same[:, None], 2, 1)]
    >>> pennies = np.stack(tables, axis=-1)
    >>> [mixture.tolist() for mixture in traced_nash(pennies, own_scales(pennies))]
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """
    units = np.array([scale.unit for scale in scales])
    game = _Game(((payoffs - np.array([scale.base for scale in scales])) / units).clip(-FARTHEST, FARTHEST))
    place = np.append(game.even, 0.0)
    direction, length, looked_at = game.tangent(place, None), 0.01, 1.0
    for _ in range(STEPS):
        ahead = game.corrected(place + length * direction)
        if ahead is None:
            length /= 2
            if length < 1e-12:
                return None
            continue
        turned = game.tangent(ahead, direction)
        length = length * 1.5 if turned @ direction > 0.98 else max(length / 2, 1e-4)
        place, direction = ahead, turned
        if place[-1] > looked_at:
            looked_at = 2 * place[-1]
            for least in PLAYED:
                found = game.sharpened(np.exp(place[:-1]), least)
                if found is not None and _is_equilibrium(payoffs, found, scales):
                    return found
        if place[-1] > SHARP:
            return None
    return None


def gains(payoffs: Floats, strategies: Strategies) -> list[float]:
    """The largest gain of a deviation of each player, in its payoffs."""
    replies = [against(payoffs[..., player], strategies, (player,)) for player in range(len(strategies))]
    return [float(own.max() - own @ mixture) for own, mixture in zip(replies, strategies, strict=True)]


def _is_equilibrium(payoffs: Floats, strategies: Strategies, scales: Sequence[Scale]) -> bool:
    most = [REGRET * scale.unit + 4 * scale.rounding for scale in scales]
    return all(gain <= allowed for gain, allowed in zip(gains(payoffs, strategies), most, strict=True))


def against(table: Floats, strategies: Sequence[Floats], kept: tuple[int, ...] = ()) -> Floats:
    """Expected payoffs by the actions of the players that are kept, in their order."""
    for player in reversed(range(len(strategies))):
        if player not in kept:
            table = np.tensordot(table, strategies[player], (player, 0))
    return np.asarray(table)


class _Game:
    """The equations of quantal response: logarithms of all probabilities, player by player, then precision."""

    def __init__(self, payoffs: Floats) -> None:
        self.payoffs = payoffs
        self.sizes = payoffs.shape[:-1]
        self.ends = np.cumsum(self.sizes)
        self.starts = self.ends - self.sizes
        self.even = -np.log(np.repeat(self.sizes, self.sizes))

    def split(self, values: Floats) -> list[Floats]:
        return np.split(values, self.ends[:-1])

    def replies(self, mixtures: Sequence[Floats]) -> Floats:
        """Expected payoff of every action, (actions,)."""
        return np.concatenate([against(self.payoffs[..., i], mixtures, (i,)) for i in range(len(self.sizes))])

    def slopes(self, mixtures: Sequence[Floats]) -> Floats:
        """How the expected payoff of every action changes with every probability, (actions, actions)."""
        found = np.zeros((self.ends[-1], self.ends[-1]))
        for i, k in ((i, k) for i in range(len(self.sizes)) for k in range(len(self.sizes)) if i != k):
            table = against(self.payoffs[..., i], mixtures, (i, k))
            found[self.starts[i] : self.ends[i], self.starts[k] : self.ends[k]] = table if i < k else table.T
        return found

    def equations(self, place: Floats) -> tuple[Floats, Floats]:
        """Residuals, (actions,), and their derivatives, (actions, actions + 1)."""
        logs, precision = place[:-1], place[-1]
        chances = np.exp(logs)
        mixtures = self.split(chances)
        replies, slopes = self.replies(mixtures), self.slopes(mixtures) * chances
        residual = logs - precision * replies
        changes = np.hstack([np.eye(len(logs)) - precision * slopes, -replies[:, None]])
        first = np.repeat(self.starts, self.sizes)
        residual, changes = residual - residual[first], changes - changes[first]
        for i, start in enumerate(self.starts):  # of the first action: that probabilities add up
            residual[start] = mixtures[i].sum() - 1
            changes[start] = 0.0
            changes[start, start : self.ends[i]] = mixtures[i]
        return residual, changes

    def tangent(self, place: Floats, before: Floats | None) -> Floats:
        """The direction of the path: onwards from ``before``, and first of all to more precision."""
        direction = np.linalg.svd(self.equations(place)[1])[2][-1]
        onwards = direction[-1] if before is None else direction @ before
        return direction if onwards > 0 else -direction

    def corrected(self, place: Floats) -> Floats | None:
        """The nearest place on the path; None if the step was too long."""
        for _ in range(8):
            if place[:-1].max() > 1:
                return None
            residual, changes = self.equations(place)
            if np.abs(residual).max() < 1e-10 * max(1.0, float(np.abs(place).max())):
                return place
            place = place - np.linalg.lstsq(changes, residual, rcond=None)[0]
        return None

    def sharpened(self, chances: Floats, least: float) -> Strategies | None:
        """The equilibrium with the support of these probabilities: who is played is equally good."""
        played = chances > least
        first = np.concatenate(
            [np.flatnonzero(played[s:e])[:1] + s for s, e in zip(self.starts, self.ends, strict=True)]
        )
        own_first = np.repeat(first, self.sizes)
        chances = np.where(played, chances, 0.0)
        for _ in range(50):
            mixtures = self.split(chances)
            replies, slopes = self.replies(mixtures), self.slopes(mixtures)
            residual = np.where(played, replies - replies[own_first], chances)
            changes = np.where(played[:, None], slopes - slopes[own_first], np.eye(len(chances)))
            for i, start in enumerate(first):
                residual[start] = mixtures[i].sum() - 1
                changes[start] = 0.0
                changes[start, self.starts[i] : self.ends[i]] = 1.0
            step = np.linalg.lstsq(changes, residual, rcond=None)[0]
            chances = chances - step
            if not np.isfinite(chances).all() or np.abs(chances).max() > 2:
                return None
            if np.abs(step).max() < 1e-15:
                break
        if chances.min() < -1e-12 or np.abs(residual).max() > 1e-9:
            return None
        return tuple(mixture.clip(0.0) / mixture.clip(0.0).sum() for mixture in self.split(chances))

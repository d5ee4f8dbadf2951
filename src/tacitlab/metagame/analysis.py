"""What an estimated meta-game says: equilibria with their uncertainty, how they are reached, what they cost."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.measures.statistics import Estimate
from tacitlab.metagame import evolution
from tacitlab.metagame.estimated_game import EstimatedGame, PayoffTable, pareto_profiles, reduced_equilibria
from tacitlab.metagame.estimated_regret import best_probability, contenders, symmetric_regrets
from tacitlab.metagame.response_graph import Attractor, attractors, best_replies
from tacitlab.metagame.run import MetaResult

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_STARTS = 200  # populations of the replicator equation
DRAWS = 2000  # of independent events, for the number of equilibria

_SCALES: dict[tuple[type, str], tuple[float, float]] = {}  # benchmarks by game


@dataclass(frozen=True, eq=False)
class Analysis:
    """A symmetric meta-game seen through one payoff window.

    Attributes
    ----------
    result : MetaResult
    window : str
        "online" or "last".
    """

    result: MetaResult
    window: str

    @property
    def game(self) -> EstimatedGame:
        return self.result.games[self.window]

    @property
    def table(self) -> PayoffTable:
        return self.game.row

    @cached_property
    def labels(self) -> list[str]:
        return self.result.metagame.labels()

    @cached_property
    def replies(self) -> Ints:
        """Best reply to each symmetric profile, in the mean payoffs; shape (strategies,)."""
        return best_replies(self.table.mean)

    @cached_property
    def attractors(self) -> list[Attractor]:
        """Fixed points and cycles of best replies in the mean payoffs."""
        return attractors(self.replies)

    @cached_property
    def regrets(self) -> Floats:
        """Regret of each symmetric profile: estimate, low, high; shape (strategies, 3)."""
        return symmetric_regrets(self.table)

    @cached_property
    def probabilities(self) -> Floats:
        """Probability that each symmetric profile is an equilibrium, shape (strategies,)."""
        se, freedom, mean = self.table.se(), self.table.freedom(), self.table.mean
        found = np.zeros(len(mean))
        for j in np.flatnonzero(self.regrets[:, 1] <= 0):  # of the others, some reply is surely better
            found[j] = best_probability(mean[:, j], se[:, j], freedom[:, j], int(j))
        return found

    @cached_property
    def possible(self) -> Ints:
        """Symmetric profiles that are not refuted as equilibria: no reply gains beyond the lower limit."""
        return np.flatnonzero(self.regrets[:, 1] <= 0).astype(np.int64)

    @cached_property
    def number(self) -> Estimate:
        """How many symmetric pure equilibria there are: expected number and 95 % range of it.

        Whether profiles are equilibria is decided by different columns, and so by independent estimates.
        """
        p = self.probabilities[self.probabilities > 1e-6]
        drawn = (np.random.default_rng(0).random((DRAWS, len(p))) < p).sum(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Estimate(float(p.sum()), float(low), float(high), float(drawn.std()), self.sessions)

    @property
    def sessions(self) -> int:
        """Sessions of a typical entry."""
        return int(np.median(self.table.count))

    @cached_property
    def leading(self) -> int:
        """The symmetric profile most likely to be an equilibrium; of equals that of the least regret."""
        return int(np.lexsort((self.regrets[:, 0], -np.round(self.probabilities, 6)))[0])

    def regret(self, profile: int) -> Estimate:
        """Regret of a symmetric profile with its interval."""
        estimate, low, high = (float(x) for x in self.regrets[profile])
        return Estimate(estimate, low, high, float("nan"), int(self.table.count[profile, profile]))

    def relative_regret(self, profile: int) -> Estimate:
        """Regret in per cent of the best reply's mean payoff."""
        scale = 100 / max(abs(float(self.table.mean[:, profile].max())), 1e-300)
        found = self.regret(profile)
        return Estimate(found.mean * scale, found.low * scale, found.high * scale, found.se, found.n)

    def rank(self, profile: int) -> Estimate:
        """Place of a strategy among the replies to itself, 1 for the best.

        The range counts the strategies that are surely better, and those that may be (single 95 % intervals of the
        differences).
        """
        mean, se = self.table.mean[:, profile], self.table.se()[:, profile]
        gain, error = mean - mean[profile], np.hypot(se, se[profile])
        others = np.arange(len(mean)) != profile
        low, high = (1 + int((gain + s * 1.96 * error > 0)[others].sum()) for s in (-1, 1))
        return Estimate(1 + float((gain[others] > 0).sum()), low, high, float("nan"), self.sessions)

    def replies_within_error(self, profile: int) -> Ints:
        """The set of best replies to a profile that holds the true one in 95 % of cases."""
        column = (self.table.mean[:, profile], self.table.se()[:, profile], self.table.freedom()[:, profile])
        return np.flatnonzero(contenders(*column)).astype(np.int64)

    # --- welfare ---------------------------------------------------------------------------------------------------

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Mean payoff of the competitive and of the cooperative benchmark of the stage game."""
        environment = self.result.metagame.environment
        key = type(environment), environment.model_dump_json()
        if key not in _SCALES:  # solving a game with many actions takes a second
            benchmarks = environment.benchmarks()
            _SCALES[key] = benchmarks.nash.average, benchmarks.optimum.average
        return _SCALES[key]

    @cached_property
    def _alike(self) -> tuple[Floats, Floats]:
        """Limits of the payoffs of all symmetric profiles."""
        low, high = self.table.interval()
        return np.diagonal(low), np.diagonal(high)

    def gain(self, profile: int) -> Estimate:
        """Profit gain of a symmetric profile, 0 at the competitive and 1 at the cooperative benchmark."""
        nash, best = self.scale
        low, high = (float(x[profile]) for x in self._alike)
        mean, se = float(self.table.mean[profile, profile]), float(self.table.se()[profile, profile])
        # equal sessions differ by rounding
        centre, bottom, top = (round((x - nash) / (best - nash), 9) for x in (mean, low, high))
        return Estimate(centre, bottom, top, se / abs(best - nash), int(self.table.count[profile, profile]))

    @cached_property
    def best(self) -> int:
        """The symmetric profile of greatest mean payoff."""
        return int(np.diagonal(self.table.mean).argmax())

    def price(self, profile: int | None = None) -> float:
        """Share of the best symmetric profile's gain that is left at a profile (the leading one).

        The best of many estimates is a lucky one, so that the share is a little too small.
        """
        most = self.gain(self.best).mean
        return self.gain(self.leading if profile is None else profile).mean / most if most else float("nan")

    # --- how it is reached -----------------------------------------------------------------------------------------

    @cached_property
    def basins(self) -> evolution.Basins:
        """Where random populations of designers go under the replicator equation."""
        return evolution.basins(self.table.mean, MOST_STARTS, steps=4000)

    @cached_property
    def ranking(self) -> Floats:
        """Share of time at each strategy under alpha-rank, shape (strategies,)."""
        return evolution.alpha_rank(self.table.mean)

    @cached_property
    def front(self) -> Ints:
        """Profiles on the Pareto front of two designers, shape (k, 2)."""
        return pareto_profiles(self.game)

    @cached_property
    def mixed(self) -> tuple[list[tuple[Floats, Floats]], Floats]:
        """Equilibria of two designers on a reduced set of strategies, mixed ones included, and their regrets."""
        return reduced_equilibria(self.game)

    # --- parameters ------------------------------------------------------------------------------------------------

    @cached_property
    def axes(self) -> dict[str, tuple[list[Any], Ints]]:
        """For each field of the grid: its values, and the index of its value in each strategy of the grid."""
        grid, parameters = self.result.metagame.grid, self.result.metagame.parameters()
        return {
            name: (values, np.array([values.index(p[name]) for p in parameters], np.int64))
            for name, values in grid.items()
        }

    def reply_shares(self, name: str) -> Floats:
        """Among opponents with each value of a field, the share whose best reply has each value; (own, opponent)."""
        values, index = self.axes[name]
        size = len(index)
        shares = np.zeros((len(values), len(values)))
        for j in range(size):
            if self.replies[j] < size:
                shares[index[self.replies[j]], index[j]] += 1
        return shares / np.maximum(np.bincount(index, minlength=len(values)), 1)

    def find(self, **fields: float) -> int:
        """The strategy of the grid whose fields are nearest to the given values.

        Fields are named by the last part of their path.
        """
        distance = np.zeros(len(self.result.metagame.parameters()))
        for path, (values, index) in self.axes.items():
            wanted = fields.get(path.rsplit(".", 1)[-1])
            if wanted is not None:
                span = float(np.ptp(values)) or 1.0
                distance += ((np.asarray(values, dtype=np.float64)[index] - wanted) / span) ** 2
        return int(distance.argmin())

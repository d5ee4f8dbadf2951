"""What the studies of the token economy share: who plays, how much of it, and what the sessions of a run did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.lab.experiment import Experiment, Length, Test
from tacitlab.lab.result import Result
from tacitlab.learners import PPO, Rule, Trained
from tacitlab.learners.base import Learner
from tacitlab.markets import TokenEconomy
from tacitlab.measures.concentration import lorenz
from tacitlab.measures.price_entropy import level_entropy, permutation_entropy
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.measures.volatility import returns
from tacitlab.plot.chart import Line
from tacitlab.report.market_tested import Tested, outcome_of
from tacitlab.studies.base import by_session, paired
from tacitlab.studies.frame import curve

Floats = NDArray[np.float64]

SOURCE = (
    "Reinforcement Learning Framework for Agent-Based Economic Systems with Dynamic Asset Pricing (preprint, no code). "
    "The paper names no parameters, no baseline and no number of runs; what had to be decided, and why, is in "
    "docs/token-economy.md."
)
SEED = 1  # of every experiment, so that baselines meet the noise that learners meet
UNTRAINED = 1e-12  # learning rate of those who do not learn

#: Chosen by what a single learner earns beside price-takers and beside frozen learners, see docs/token-economy.md.
LEARNER = PPO(hidden=(32, 32), rollout=200, rate=3e-3, gamma=0.998, trace=0.99)


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    sessions, episodes, test_episodes : int
    grid : tuple of float
        Of the weight that a study varies.
    everything : bool
        Whether variations that take long are played.
    """

    sessions: int
    episodes: int
    test_episodes: int
    grid: tuple[float, ...]
    everything: bool = True

    def experiment(
        self,
        name: str,
        market: TokenEconomy,
        learners: Sequence[Learner],
        sweep: Mapping[str, Sequence[Any]] | None = None,
        test: Mapping[str, Any] | None = None,
    ) -> Experiment:
        """One experiment; where nobody learns a single episode is played before the test."""
        learns = any(getattr(learner, "rate", 0.0) > UNTRAINED for learner in learners if learner.learns)
        return Experiment(
            name=name, environment=market, learners=tuple(learners),
            length=Length(episodes=self.episodes if learns else 1), sessions=self.sessions, seed=SEED,
            test=Test(episodes=self.test_episodes, baselines=False, environment=dict(test or {})),
            sweep={path: list(values) for path, values in (sweep or {}).items()},
        )  # fmt: skip

    def ruled(self, name: str, market: TokenEconomy, rules: Sequence[str], **more: Any) -> Experiment:
        """Everybody follows a rule, a cell for each of some rules."""
        return self.experiment(name, market, [Rule(rule=rules[0])], {"learners.rule": rules}, **more)

    def frozen(self, name: str, market: TokenEconomy, run: Result, **more: Any) -> Experiment:
        """Everybody acts as it has learned to in the first cell of an earlier run."""
        return self.experiment(name, market, [Trained(run=str(run.folder))], **more)


@dataclass(frozen=True, eq=False)
class Played:
    """The sessions of one cell in their test, with frozen policies; sessions whose learning failed are left out."""

    found: Tested

    @property
    def market(self) -> TokenEconomy:
        """The market of the test."""
        market: Any = self.found.market
        return market  # type: ignore[no-any-return]

    @property
    def sessions(self) -> NDArray[np.int64]:
        """Their numbers."""
        return np.asarray(self.found.data["session"].values)

    def labelled(self, name: str) -> xr.DataArray:
        """A property of this class, or the mean of a shared quantity, labelled with the numbers of its sessions."""
        return by_session(getattr(self, name) if hasattr(type(self), name) else self.mean(name), self.sessions)

    def only(self, sessions: NDArray[np.int64]) -> "Played":
        """Some of the sessions, by their numbers."""
        rows = np.flatnonzero(np.isin(self.sessions, sessions))
        data, outcomes = self.found.data.isel(session=rows), self.found.outcomes[rows]
        return Played(replace(self.found, data=data, outcomes=outcomes))

    def mean(self, name: str, first: int = 0) -> Floats:
        """Mean of a shared quantity over episodes and over steps from the ``first`` on: (sessions,)."""
        values = self.found.data[f"test_{name}"].transpose("session", "step").values.astype(np.float64)
        return np.asarray(values[:, first:].mean(axis=1))

    def steps(self, name: str, what: str = "") -> Floats:
        """A quantity step by step, (sessions, steps) or (sessions, steps, agents): mean, or first episode "_path"."""
        data = self.found.data[f"test_{name}{what}"]
        dims = ("session", "step", "agent") if "agent" in data.dims else ("session", "step")
        return np.asarray(data.transpose(*dims).values, dtype=np.float64)

    @property
    def payoff(self) -> Floats:
        """Own gain of the average agent in an episode, (sessions,), currency: profit and utility.

        Rewards without what stability costs and without what the others' gains add, (1 + rho) times the mean together.
        """
        rewards = self.market.rewards
        penalty = rewards.stability * self.market.steps * self.mean("absolute_return")
        return np.asarray((self.found.outcomes.mean(axis=1) + penalty) / (1 + rewards.cooperation))

    @property
    def volatility(self) -> Floats:
        """Root mean square of d ln P over all steps of the test, (sessions,): the drift is too small to matter."""
        return np.sqrt(self.mean("squared_return"))

    @property
    def settled_volatility(self) -> Floats:
        """The same over the second half of the episodes."""
        return np.sqrt(self.mean("squared_return", self.market.steps // 2))

    @property
    def prices(self) -> Floats:
        """Prices of the first episode of the test, (sessions, steps)."""
        return self.steps("price", "_path")

    @property
    def lorenz(self) -> Floats:
        """Lorenz curves of what agents hold at the end of that episode, (sessions, agents + 1)."""
        return lorenz(self.steps("holdings", "_path")[:, -1])

    @property
    def entropy(self) -> tuple[Floats, Floats]:
        """Of price levels and of the order of returns in that episode, each (sessions,), as shares of the largest."""
        curve, supply = self.market.curves[0], self.market.supply
        levels = level_entropy(self.prices, float(curve.price(supply)))
        return levels, permutation_entropy(returns(self.prices))

    def learning(self, name: str, label: str = "", scale: float = 1.0) -> Line:
        """Means over windows of learning with intervals over sessions; ``payoff`` is the mean reward."""
        data = self.found.data[name if name == "payoff" else f"learning_{name}"].astype(np.float64)
        data = data.mean("agent") if "agent" in data.dims else data
        return curve(data["time"].values, scale * data.transpose("session", "time").values, label)


def cells(result: Result) -> tuple[Played, ...]:
    """All cells of a run, the last swept field fastest."""
    return tuple(Played(outcome_of(result, cell)) for cell in range(len(result.cells)))


def percent_less(ours: xr.DataArray, theirs: xr.DataArray) -> Estimate:
    """By how many percent ours is less than theirs, session by session.

    Examples
    --------
    >>> print(percent_less(by_session([0.5, 0.7], [0, 2]), by_session([1.0, 9.0, 1.0], [0, 1, 2])).mean)
    40.0
    """
    found, other = paired(ours, theirs)
    return mean_interval(100 * (1 - found / other))


def reduction(ours: Played, theirs: Played, name: str = "volatility") -> Estimate:
    """By how many percent one's volatility, or something else of theirs, is less."""
    return percent_less(ours.labelled(name), theirs.labelled(name))

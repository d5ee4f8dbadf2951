"""What the study of insider trading plays, and what it ended in: slopes, profits and what deviations gain; quotes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.experiment import Experiment
from tacitlab.lab.result import Result
from tacitlab.learners import Schedule
from tacitlab.markets import GlostenMilgrom, KyleMarket
from tacitlab.markets.kyle import sequential
from tacitlab.markets.kyle.theory import LinearPlay, SingleAuction
from tacitlab.measures.slopes import slope_of_means
from tacitlab.report.market_tested import Tested, outcome_of
from tacitlab.studies.base import Floats, Player
from tacitlab.studies.frame import scenario

ROUNDS = 4  # sequential auctions of a value
HISTORY = 1000  # auctions that a rational maker remembers
EPISODE = 2000  # auctions of an episode in which one learns from past ones
FALLING = 0.8  # of a session in which Q-learners' exploration falls to 0


@dataclass(frozen=True)
class Size:
    """How much is played.

    Attributes
    ----------
    sessions : int
    auctions : int
        That everybody trains for.
    entropy : (float, float)
        Weight of entropy of insiders and of a maker, which keeps them from becoming certain too soon. What
        randomness it leaves to insiders acts as noise trade; a maker's does not change what is best for anybody.
    tests : int
        Auctions, or days of auctions, of a test.
    customers : int
        That dealers train with.
    ticks : tuple of float
    rates : tuple of float
        Learning rates of Q-learners with realised profits.
    everything : bool
        Whether variations that take long are played.
    """

    sessions: int
    auctions: int
    entropy: tuple[float, float]
    tests: int
    customers: int
    ticks: tuple[float, ...]
    rates: tuple[float, ...]
    everything: bool = True

    def auction(self, name: str, market: KyleMarket) -> Experiment:
        """Insiders, and the maker if he learns, by PPO with networks of their own."""
        one = scenario(__file__, "auction").learners[0]
        gamma = 1.0 if market.rounds > 1 else 0.0  # profits of later auctions count where there are any
        insider, maker = ({"gamma": gamma, "entropy_weight": weight} for weight in self.entropy)
        learners = [one.model_copy(update=insider | {"agents": market.insiders})]
        if market.maker == "learning":
            learners.append(one.model_copy(update=maker | {"agents": 1}))
        tests = self.tests if market.values == "once" else max(1, self.tests // market.auctions)
        changes = {
            "name": name, "environment": market, "learners": learners, "sessions": self.sessions,
            "length.episodes": -(-self.auctions // market.auctions), "test.episodes": tests,
        }  # fmt: skip
        return scenario(__file__, "auction", changes)

    def auctioned(self) -> dict[str, KyleMarket]:
        """Every market of auctions, by name."""
        found = {
            "one": KyleMarket(insiders=1),
            "two": KyleMarket(insiders=2),
            "two-fixed": KyleMarket(insiders=2, maker="fixed"),
            "two-rational": KyleMarket(
                insiders=2, maker="rational", values="each", auctions=EPISODE, memory=HISTORY, slope=1.0
            ),
            "day": KyleMarket(insiders=1, auctions=ROUNDS),
        }
        if self.everything:
            found["three"] = KyleMarket(insiders=3)
            found["two-day"] = KyleMarket(insiders=2, auctions=ROUNDS)
        return found

    def dealers(self, learner: str, payoffs: str, rates: tuple[float, ...] = ()) -> Experiment:
        """Two dealers for every tick (and learning rate); the room for half-spreads is the same: all compile once."""
        name, room = f"dealers-{learner}", len(GlostenMilgrom(tick=min(self.ticks)).spreads)
        falls = Schedule(points=((0, 1.0), (int(FALLING * self.customers), 0.0)), between="linear")
        episodes = self.customers // scenario(__file__, name).market.customers  # type: ignore[attr-defined]
        changes: dict[str, Any] = {
            "name": name if payoffs == "realised" else f"{name}-{payoffs}", "environment.tick": self.ticks[0],
            "environment.levels": room, "environment.payoffs": payoffs, "sessions": self.sessions,
            "length.episodes": episodes, "trace.windows": min(50, episodes),
            "sweep": {"environment.tick": self.ticks} | ({"learners.alpha": rates} if rates else {}),
        }  # fmt: skip
        if learner == "q":
            changes |= {"learners.exploration": falls} | ({"learners.alpha": rates[0]} if rates else {})
        return scenario(__file__, name, changes)


@dataclass(frozen=True, eq=False)
class Auctions:
    """Insiders and a maker after learning, with frozen policies that do what seems best.

    Attributes
    ----------
    found : Tested
    left : (sessions, insiders) array
        Standard deviation of the randomness that orders still had when learning ended, in units; 0 for scripted ones.
    """

    found: Tested
    left: Floats

    @property
    def market(self) -> KyleMarket:
        market: Any = self.found.market
        return market  # type: ignore[no-any-return]

    def _means(self, name: str) -> Floats:
        """A recorded quantity by auction of a value: (sessions, rounds) or (sessions, rounds, agents).

        Where every auction has a value of its own all count as one, from the middle of an episode on: a rational maker
        has learned by then.
        """
        data = self.found.data[f"test_{name}"].astype(np.float64)
        values = data.transpose(*(("session", "step", "agent") if "agent" in data.dims else ("session", "step"))).values
        if self.market.values == "each":
            values = values[:, values.shape[1] // 2 :].mean(axis=1, keepdims=True)
        return np.asarray(values)

    @cached_property
    def orders(self) -> Floats:
        """Slopes of each insider's order on the gap between value and price, (sessions, rounds, insiders)."""
        n, gap, square = self.market.insiders, self._means("gap"), self._means("gap_square")
        product, order = self._means("order_gap")[..., :n], self._means("order")[..., :n]
        return slope_of_means(product, gap[..., None], order, square[..., None])

    @cached_property
    def impacts(self) -> Floats:
        """Price slopes that the maker sets, (sessions, rounds)."""
        return self._means("slope")

    @cached_property
    def regressions(self) -> Floats:
        """Slopes of the gap on the flow: what a maker should set, measured as an outsider would, (sessions, rounds)."""
        return slope_of_means(
            self._means("gap_flow"), self._means("flow"), self._means("gap"), self._means("flow_square")
        )

    @property
    def total(self) -> Floats:
        """Sum of the insiders' slopes in the first auction, (sessions,)."""
        return np.asarray(self.orders[:, 0].sum(axis=1))

    @cached_property
    def profits(self) -> Floats:
        """Expected profit of all insiders at the learned slopes, (sessions,): exact, without the noise of a test."""
        m = self.market
        parts = zip(self.orders, self.impacts, strict=True)
        return np.array([sequential.evaluate(b, i, m.value_sd, m.noise_sd).profits.sum() for b, i in parts])

    @cached_property
    def errors(self) -> Floats:
        """Expected squared pricing error after each auction at the learned slopes, (sessions, rounds)."""
        m = self.market
        parts = zip(self.orders, self.impacts, strict=True)
        return np.array([sequential.evaluate(b, i, m.value_sd, m.noise_sd).errors[1:] for b, i in parts])

    @property
    def realised(self) -> Floats:
        """Profit of all insiders in the test, (sessions,)."""
        return np.asarray(self.found.outcomes[:, : self.market.insiders].sum(axis=1))

    @cached_property
    def exploitability(self) -> Floats:
        """What the insider who could gain most by another order gains, over the profit of an equilibrium, (sessions,).

        Exact: the best reply to linear play among all strategies.
        """
        m, (equilibrium, _) = self.market, self.market.outcome(self.market.nash)
        parts = zip(self.orders, self.impacts, strict=True)
        gains = [sequential.exploitability(b, i, m.value_sd, m.noise_sd)[:-1].max() for b, i in parts]
        return np.array(gains) / equilibrium

    @cached_property
    def linearity(self) -> Floats:
        """Share of the variance of orders that the line through values explains, (sessions, rounds): lowest insider."""
        if self.market.values == "each":
            return np.full((len(self.orders), 1), np.nan)
        n = self.market.insiders
        spread = self._means("order_sd")[..., :n] ** 2
        gap = (self._means("gap_square") - self._means("gap") ** 2)[..., None]
        return np.asarray((self.orders**2 * gap / spread).min(axis=2))

    @property
    def noisy(self) -> LinearPlay:
        """The equilibrium of a single auction with the insiders' own randomness as further noise trade."""
        m = self.market
        noise = float(np.sqrt(m.noise_sd**2 + (self.left**2).sum(axis=1).mean()))
        return SingleAuction(m.insiders, m.value_sd, noise).nash()

    @property
    def place(self) -> Floats:
        """Where the sum of slopes lies: 0 in equilibrium, 1 in a cartel, (sessions,)."""
        nash, cartel = (self.market.insiders * play.orders[0] for play in (self.market.nash, self.market.cartel))
        return np.asarray((self.total - nash) / (cartel - nash))

    def curves(self) -> tuple[Floats, Floats, Floats]:
        """Windows of learning, and the insiders' sum of slopes and the maker's slope in each: (sessions, windows)."""
        data = self.found.data
        parts = [
            data[f"learning_{name}"].astype(np.float64).transpose("session", "time").values
            for name in ("gap_flow", "gap", "flow", "gap_square", "slope")
        ]
        time = data["time"].values * self.market.auctions
        return np.asarray(time), slope_of_means(*parts[:4]), parts[4]


@dataclass(frozen=True, eq=False)
class Dealers:
    """Two dealers after learning, for one tick."""

    found: Tested

    @property
    def market(self) -> GlostenMilgrom:
        market: Any = self.found.market
        return market  # type: ignore[no-any-return]

    @cached_property
    def quotes(self) -> Floats:
        """Half-spread that each dealer quotes with what it has learned, (sessions, dealers)."""
        data = self.found.data["test_quote"].astype(np.float64)
        return np.asarray(data.mean("step").transpose("session", "agent").values)

    @property
    def best(self) -> Floats:
        """The half-spread that customers meet, (sessions,)."""
        return np.asarray(self.quotes.min(axis=1))

    @property
    def equilibria(self) -> Floats:
        """All symmetric equilibria in pure strategies, ascending."""
        return self.market.theory.symmetric_equilibria(self.market.tick or 0.0, self.market.dealers)

    @cached_property
    def actions(self) -> NDArray[np.int64]:
        """Numbers of the quotes, (sessions, dealers)."""
        levels = np.append(self.market.spreads, self.market.theory.widest)
        return np.asarray(np.abs(self.quotes[..., None] - levels).argmin(axis=2))

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Whether a session ended at an equilibrium: no dealer gains by another quote, (sessions,)."""
        return np.asarray(self.gains.max(axis=1) <= 1e-9)

    @cached_property
    def gains(self) -> Floats:
        """What each dealer would gain by the best quote against the other's, exactly, (sessions, dealers)."""
        table, a = self.market.theory.payoffs(self.market.tick or 0.0, 2), self.actions
        own = table[a[:, 0], a[:, 1]]
        best = np.stack([table[:, a[:, 1], 0].max(axis=0), table[a[:, 0], :, 1].max(axis=1)], axis=1)
        return np.asarray(best - own)

    @property
    def profit(self) -> Floats:
        """Expected profit of both from a customer, (sessions,)."""
        table, a = self.market.theory.payoffs(self.market.tick or 0.0, 2), self.actions
        return np.asarray(table[a[:, 0], a[:, 1]].sum(axis=1))

    def curve(self) -> tuple[Floats, Floats]:
        """Windows of learning and the best half-spread in each: (sessions, windows)."""
        data = self.found.data
        values = data["learning_half_spread"].astype(np.float64).transpose("session", "time").values
        return np.asarray(data["time"].values * self.market.customers), np.asarray(values)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All runs of the study.

    Attributes
    ----------
    auctions : mapping of str to Auctions
    dealers : mapping of str to mapping of float to Dealers
        By learner, then by tick.
    """

    auctions: Mapping[str, Auctions]
    dealers: Mapping[str, Mapping[float, Dealers]]
    size: Size


def gather(size: Size, play: Player) -> Evidence:
    """Play everything."""
    auctions = {name: _auctions(play(size.auction(name, market))) for name, market in size.auctioned().items()}
    run = play(size.dealers("q", "realised", size.rates))
    dealers = {
        "Q, expected profits": _ticks(play(size.dealers("q", "expected"))),
        **{f"Q, realised profits, α = {rate:g}": _ticks(run, rate) for rate in size.rates},
        "PPO, expected profits": _ticks(play(size.dealers("ppo", "expected"))),
        "PPO, realised profits": _ticks(play(size.dealers("ppo", "realised"))),
    }
    return Evidence(auctions, dealers, size)


def _auctions(result: Result) -> Auctions:
    """A run, with what is left of its insiders' randomness."""
    found = outcome_of(result)
    market: Any = found.market
    logs = np.asarray(result.policy_reader(0)["0.log_sd"], dtype=np.float64)[..., 0]
    kept = np.setdiff1d(np.arange(len(logs)), [failure.session for failure in found.failures])
    return Auctions(found, market.auction.order_unit * np.exp(logs[kept]))


def _ticks(result: Result, rate: float | None = None) -> dict[float, Dealers]:
    """Cells of a run by their tick, of one learning rate where several are swept."""
    found = {}
    for cell, experiment in enumerate(result.cells):
        if rate is None or getattr(experiment.learners[0], "alpha", None) == rate:
            one = Dealers(outcome_of(result, cell))
            found[float(one.market.tick or 0.0)] = one
    return found

"""Quoting games: makers quote half-spreads, customers trade with them, step by step; what given quotes are worth.

This is the game that the simulated market plays, in discrete time: in each step at most one customer comes to each
side, or one request to one side. With inventories capped, dynamic programming over the joint inventories is exact. Mid
prices are a random walk, so that expected gains do not depend on them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.theory import logit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_STATES = 2_000_000  # steps times joint inventories times makers
BID, ASK = 0, 1


@dataclass(frozen=True)
class QuotingGame:
    r"""The rules.

    A maker's bid at half-spread delta is filled at delta below the mid price, its ask at delta above. On each side a
    customer trades with

    * ``exponential``: the maker with the least half-spread (equally likely if there are several), with probability
      ``min(1, arrival exp(-decay delta))``;
    * ``logit``: maker i with probability ``arrival exp((value - delta_i)/mu) / (1 + sum_j exp((value - delta_j)/mu))``.

    The two sides are independent, unless ``requests``: then in a step one customer comes with probability ``arrival``,
    to either side as likely, and makers know the side before they quote.

    Attributes
    ----------
    makers, steps : int
    arrival : float
        Probability of a customer in a step: on each side, or of a request.
    requests : bool
    fills : str
    decay : float
        kappa, 1/currency (``exponential``).
    value, mu : float
        a, what trading is worth to customers more than not trading, and the size of their differences in taste;
        currency (``logit``).
    costs : (makers,) tuple of float
        What a fill costs each maker, currency; empty: nothing.
    cap : int or None
        Largest inventory of either sign, lots; a maker there does not quote on one side. None: inventories do not
        matter.
    start : int
        Inventory of each maker at the beginning, lots.
    running, terminal : float
        Penalties: of each step on the squared inventory after it, and of the end; currency/lot².
    volatility : float
        Standard deviation of the change of the mid price in a step, currency.
    risk_aversion : float
        gamma, 1/currency: makers value the certainty equivalent of an exponential utility; 0: the expectation.
    """

    makers: int = 1
    steps: int = 200
    arrival: float = 0.25
    requests: bool = False
    fills: Literal["exponential", "logit"] = "exponential"
    decay: float = 1.5
    value: float = 1.0
    mu: float = 0.25
    costs: tuple[float, ...] = ()
    cap: int | None = 10
    start: int = 0
    running: float = 0.0
    terminal: float = 0.0
    volatility: float = 0.0
    risk_aversion: float = 0.0

    def __post_init__(self) -> None:
        if self.costs and len(self.costs) != self.makers:
            raise TacitError(f"costs: {len(self.costs)} numbers for {self.makers} makers; give one for each")
        if not self.arrival > 0 or (self.arrival > 1 and (self.fills == "logit" or self.requests)):
            raise TacitError(f"arrival: {self.arrival:g} is no probability; shorten the step, or lower the rate")
        if self.cap is not None and abs(self.start) > self.cap:
            raise TacitError(f"start: {self.start} lies beyond the cap; choose from {-self.cap} to {self.cap}")
        size = float(self.width) ** self.makers * self.makers * self.steps
        if size > MOST_STATES:
            problem = f"{self.width} inventories of {self.makers} makers in {self.steps} steps are too many states"
            raise TacitError(f"cap: {problem}; lower it, or the number of makers or steps")

    # --- inventories ---------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Number of inventories of a maker."""
        return 1 if self.cap is None else 2 * self.cap + 1

    @property
    def states(self) -> int:
        """Number of joint inventories; the first maker's is most significant, the lowest comes first."""
        return int(self.width**self.makers)

    @property
    def limit(self) -> float:
        """Largest inventory of either sign, lots; infinite where inventories do not matter."""
        return np.inf if self.cap is None else self.cap

    @cached_property
    def inventories(self) -> Integers:
        """Of each maker in each state, lots: (states, makers)."""
        digits = np.indices((self.width,) * self.makers).reshape(self.makers, -1).T
        return np.asarray(digits - (self.cap or 0), dtype=np.int64)

    @property
    def begin(self) -> int:
        """State at the beginning."""
        if self.cap is None:
            return 0
        return int(np.flatnonzero((self.inventories == self.start).all(axis=1))[0])

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which bids and asks inventories allow: (states, makers, 2)."""
        held = self.inventories
        return np.stack([held < self.limit, held > -self.limit], axis=-1)

    @cached_property
    def after(self) -> Integers:
        """State after each outcome, (states, makers + 1, makers + 1): whose bid, whose ask was filled; 0: nobody's."""
        if self.cap is None:
            return np.zeros((1, self.makers + 1, self.makers + 1), dtype=np.int64)
        lots = np.concatenate([np.zeros((1, self.makers), np.int64), np.eye(self.makers, dtype=np.int64)])
        held = self.inventories[:, None, None] + lots[:, None] - lots
        digits = np.clip(held + self.cap, 0, self.width - 1)
        return np.asarray(digits @ self.width ** np.arange(self.makers)[::-1], dtype=np.int64)

    @cached_property
    def holding(self) -> Floats:
        """Certainty equivalent of holding each joint inventory through a step, negative: (states, makers)."""
        rate = self.running + self.risk_aversion * self.volatility**2 / 2
        return np.asarray(-rate * self.inventories.astype(np.float64) ** 2)

    @cached_property
    def closing(self) -> Floats:
        """What each joint inventory is worth at the end beyond its mid price: (states, makers)."""
        return np.asarray(-self.terminal * self.inventories.astype(np.float64) ** 2)

    @property
    def cost(self) -> Floats:
        """Of a fill, (makers,)."""
        return np.asarray(self.costs or (0.0,) * self.makers, dtype=np.float64)

    @property
    def alike(self) -> bool:
        """Whether makers differ in nothing but their inventories."""
        return bool(np.ptp(self.cost) == 0)

    # --- chance --------------------------------------------------------------------------------------------------

    def chances(self, quotes: Floats, feasible: NDArray[np.bool_]) -> Floats:
        """Probability that each maker trades on one side in a step.

        Parameters
        ----------
        quotes : (..., makers) array
            Half-spreads; what is not feasible is ignored.
        feasible : (..., makers) bool array

        Returns
        -------
        (..., makers) array
        """
        often = self.arrival / 2 if self.requests else self.arrival
        if self.fills == "logit":
            utilities = np.where(feasible, (self.value - np.asarray(quotes)) / self.mu, -np.inf)
            return often * logit.shares(utilities, 0.0)
        offered = np.where(feasible, quotes, np.inf)
        best = offered.min(axis=-1, keepdims=True)
        wins = (offered == best) & np.isfinite(best)
        with np.errstate(over="ignore"):
            comes = np.minimum(often * np.exp(-self.decay * best), 0.5 if self.requests else 1.0)
        return np.where(wins, comes / np.maximum(wins.sum(axis=-1, keepdims=True), 1), 0.0)

    def joint(self, quotes: Floats) -> Floats:
        """Probability of each outcome in each state, (states, makers + 1, makers + 1), as in :attr:`after`.

        Parameters
        ----------
        quotes : (states, makers, 2) array
            Half-spreads of bids and asks.
        """
        sides = [self.with_nobody(self.chances(quotes[..., k], self.feasible[..., k])) for k in (BID, ASK)]
        if not self.requests:
            return np.asarray(sides[BID][:, :, None] * sides[ASK][:, None, :])
        found = np.zeros((self.states, self.makers + 1, self.makers + 1))
        found[:, 1:, 0], found[:, 0, 1:] = sides[BID][:, 1:], sides[ASK][:, 1:]
        found[:, 0, 0] = 1 - found.sum(axis=(1, 2))
        return found

    @staticmethod
    def with_nobody(chances: Floats) -> Floats:
        """Probabilities of all makers with that of nobody before them."""
        return np.concatenate([1 - chances.sum(axis=-1, keepdims=True), chances], axis=-1)

    def earned(self, quotes: Floats) -> Floats:
        """What each maker earns by its fills in each outcome, (states, makers + 1, makers + 1, makers)."""
        net = np.where(np.isfinite(quotes), quotes, 0.0) - self.cost[:, None]
        found = np.zeros((self.states, self.makers + 1, self.makers + 1, self.makers))
        for maker in range(self.makers):
            found[:, 1 + maker, :, maker] += net[:, maker, BID][:, None]
            found[:, :, 1 + maker, maker] += net[:, maker, ASK][:, None]
        return found

    def worth(self, quotes: Floats, later: Floats) -> Floats:
        """Certainty equivalents before a step, (states, makers), from those after it (holding included).

        Parameters
        ----------
        quotes : (states, makers, 2) array
        later : (states, makers) array
            Of the state after the fills.
        """
        joint, gains = self.joint(quotes), self.earned(quotes) + later[self.after]
        if self.risk_aversion == 0:
            return np.einsum("sba,sbam->sm", joint, gains)
        powers = np.exp(-self.risk_aversion * (gains - later[:, None, None]))
        return np.asarray(later - np.log(np.einsum("sba,sbam->sm", joint, powers)) / self.risk_aversion)


def values(game: QuotingGame, quotes: Floats) -> Floats:
    """Exact value of given quotes, by backward induction: the expected gain, or its certainty equivalent.

    Gains are those of fills, with inventories at the mid price, less penalties.

    Parameters
    ----------
    game : QuotingGame
    quotes : (steps, states, makers, 2) array
        Half-spreads of bids and asks, currency; infinite: no quote.

    Returns
    -------
    (steps + 1, states, makers) array
        Of what is still to come before each step, and at the end; currency.

    Examples
    --------
    A step with a customer on each side for certain, who takes a quote of 1 with probability 1/e:

    >>> game = QuotingGame(steps=1, arrival=1.0, decay=1.0, cap=2)
    >>> print(round(values(game, np.ones((1, 5, 1, 2)))[0, game.begin, 0], 4))
    0.7358
    """
    found = np.empty((game.steps + 1, game.states, game.makers))
    found[-1] = game.closing
    for step in reversed(range(game.steps)):
        found[step] = game.worth(check(game, quotes)[step], game.holding + found[step + 1])
    return found


def check(game: QuotingGame, quotes: Floats) -> Floats:
    """The quotes, or an error if their shape is another or one is not a number."""
    wanted = (game.steps, game.states, game.makers, 2)
    if quotes.shape != wanted:
        raise TacitError(f"quotes: the shape {quotes.shape} is wrong; make it {wanted}")
    if np.isnan(quotes).any():
        raise TacitError("quotes: some are not numbers; give half-spreads, infinite where nothing is quoted")
    return quotes


@dataclass(frozen=True)
class Record:
    """Exact means over episodes of what given quotes lead to.

    Attributes
    ----------
    gain, gain_sd : (makers,) arrays
        Mean and standard deviation of the gain of an episode, currency; penalties are off.
    inventory_sd : (makers,) array
        Standard deviation of the inventory at the end, lots.
    half_spread : (makers,) array
        Mean over steps of what is quoted on average on the sides that inventories allow, currency; infinite for a maker
        who sometimes quotes nothing there.
    trades : (makers,) array
        Fills of an episode.
    occupancy : (steps + 1, states) array
        Probability of each joint inventory before each step and at the end.
    """

    gain: Floats
    gain_sd: Floats
    inventory_sd: Floats
    half_spread: Floats
    trades: Floats
    occupancy: Floats


def record(game: QuotingGame, quotes: Floats) -> Record:
    """Exact means and deviations of an episode with given quotes, shape (steps, states, makers, 2).

    Second moments follow backwards from ``E (x + Y)^2 = x^2 + 2 x E Y + E Y^2`` in each outcome; how often each
    inventory is met, forwards.

    Examples
    --------
    >>> game = QuotingGame(steps=1, arrival=1.0, decay=1.0, cap=2, volatility=2.0)
    >>> found = record(game, np.ones((1, 5, 1, 2)))
    >>> print(round(found.gain_sd[0], 4), round(found.inventory_sd[0], 4))
    1.5249 0.682
    """
    check(game, quotes)
    odds = [game.joint(one) for one in quotes]
    mean = np.zeros((game.states, game.makers))
    square, move = mean.copy(), (game.volatility * game.inventories.astype(np.float64)) ** 2
    for joint, one in zip(odds[::-1], quotes[::-1], strict=True):
        gains, square = game.earned(one), square + move
        later, squares = mean[game.after], square[game.after]
        square = np.einsum("sba,sbam->sm", joint, gains**2 + 2 * gains * later + squares)
        mean = np.einsum("sba,sbam->sm", joint, gains + later)
    occupancy, spread, trades = np.zeros((game.steps + 1, game.states)), np.zeros(game.makers), np.zeros(game.makers)
    occupancy[0, game.begin] = 1.0
    for step, joint in enumerate(odds):
        weights = occupancy[step][:, None, None] * joint
        occupancy[step + 1] = np.bincount(game.after.ravel(), weights.ravel(), game.states)
        trades += weights.sum(axis=(0, 2))[1:] + weights.sum(axis=(0, 1))[1:]
        often = occupancy[step][:, None]
        spread += (
            np.where(often > 0, often * np.where(often > 0, half_spreads(game, quotes[step]), 0.0), 0.0).sum(axis=0)
            / game.steps
        )
    begin, held = game.begin, game.inventories.astype(np.float64)
    spread_out = occupancy[-1] @ held**2 - (occupancy[-1] @ held) ** 2
    return Record(
        gain=mean[begin], gain_sd=np.sqrt(np.maximum(square[begin] - mean[begin] ** 2, 0.0)),
        inventory_sd=np.sqrt(np.maximum(spread_out, 0.0)), half_spread=spread, trades=trades, occupancy=occupancy,
    )  # fmt: skip


def half_spreads(game: QuotingGame, quotes: Floats) -> Floats:
    """What makers quote on average on the sides that inventories allow, (states, makers)."""
    allowed = game.feasible
    return np.asarray(np.where(allowed, quotes, 0.0).sum(axis=-1) / np.maximum(allowed.sum(axis=-1), 1))

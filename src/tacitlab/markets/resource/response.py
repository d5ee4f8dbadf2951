"""Exact values of, and best responses to, frozen tabular policies in the trading game of two agents.

What a learned trader sees, the trend of the price, the level of its inventory and the other's message, depends on the
noise only through three bins of the price's change. The value of a state is therefore still the price times a number,
and finite-horizon dynamic programming over inventories, trend and messages is exact.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from tacitlab.errors import TacitError
from tacitlab.markets.resource.theory import Floats, Integers, TradingGame

Signals = Literal["none", "explicit", "implicit"]
Goal = Literal["own", "others"]

FLAT = 1  # code of the trend at the beginning
NETS = np.arange(-2, 3)  # net orders of two agents, in lots


@dataclass(frozen=True, eq=False)
class Policy:
    """A frozen trader who sees what the source's learners see, in three values each.

    Trend: 0 (down), 1 (flat) or 2 (up), as the last change of the price, relative under the linear law and of the
    logarithm under the exponential one, lies below ``-band``, within it or above. Level of the own inventory: 0 below
    the first of ``levels``, 2 from the second on, else 1. Message: 0, 1 or 2 for the sign of the other's last signal
    ("explicit") or last executed order ("implicit"). Trend and message begin at 1.

    Attributes
    ----------
    probabilities : (3, 3, 3, actions) array
        Over (trend, level, message); without signals (3, 3, actions). Also accepted with the leading axes merged in
        this order. Actions are 0 sell, 1 hold, 2 buy; with explicit signals 9 of them, ``3 * trade + signal`` with
        signal 0 bear, 1 neutral, 2 bull.
    signals : {"none", "explicit", "implicit"}
    levels : (float, float)
        Edges between the levels, in lots.
    band : float
        theta: changes of the price up to this are flat.

    Raises
    ------
    TacitError
        If a shape, a distribution or an edge is wrong.

    Examples
    --------
    >>> follower = Policy.deterministic([[0, 0, 0], [1, 1, 1], [2, 2, 2]], "none", (4, 7), 0.005)
    >>> follower.probabilities[2, 0]
    array([0., 0., 1.])
    """

    probabilities: Floats
    signals: Signals
    levels: tuple[float, float]
    band: float

    def __post_init__(self) -> None:
        if self.signals not in get_args(Signals):
            raise TacitError(f"signals: {self.signals!r} is unknown; choose from {', '.join(get_args(Signals))}")
        table, shape = np.array(self.probabilities, dtype=float), (3, 3, self.messages, self.actions)
        if table.size != np.prod(shape) or table.shape[-1] != self.actions:
            raise TacitError(f"probabilities: the shape {table.shape} is wrong; {self.signals} signals need {shape}")
        if not (table >= 0).all() or not np.allclose(table.sum(axis=-1), 1, rtol=0, atol=1e-9):
            raise TacitError("probabilities: not a distribution; they must be at least 0 and sum to 1")
        if not self.levels[0] <= self.levels[1]:
            raise TacitError(f"levels: {self.levels} are in the wrong order; give the lower one first")
        if not (np.isfinite(self.band) and self.band >= 0):
            raise TacitError(f"band: {self.band} is out of bounds; it must be a finite number, at least 0")
        object.__setattr__(self, "probabilities", table.reshape(shape if self.messages > 1 else (3, 3, -1)))

    @classmethod
    def deterministic(cls, actions: ArrayLike, signals: Signals, levels: tuple[float, float], band: float) -> "Policy":
        """The policy of a table of actions: int array (trend, level, message), without signals (trend, level)."""
        table = np.asarray(actions)
        size = 9 if signals == "explicit" else 3
        if not (np.issubdtype(table.dtype, np.integer) and ((table >= 0) & (table < size)).all()):
            raise TacitError(f"actions: an entry is out of bounds; give integers from 0 to {size - 1}")
        return cls(np.eye(size)[table], signals, levels, band)

    @property
    def actions(self) -> int:
        """Number of actions."""
        return 9 if self.signals == "explicit" else 3

    @property
    def messages(self) -> int:
        """Number of messages that an agent can send."""
        return 1 if self.signals == "none" else 3

    def seen(self, game: TradingGame) -> Floats:
        """Probabilities by (trend, inventory, message, action)."""
        level = (game.lots >= self.levels[0]).astype(int) + (game.lots >= self.levels[1])
        table: Floats = self.probabilities.reshape(3, 3, self.messages, self.actions)
        return table[:, level]


@dataclass(frozen=True, eq=False)
class Response:
    """A best response to a frozen policy.

    Attributes
    ----------
    values : (2,) array
        Expected reward of an episode of the responder and of the frozen trader, in currency.
    actions : (steps, inventories, inventories, 3, messages, messages) int8 array
        What the responder does, by step, own inventory, the other's inventory (indices from the lowest), trend, own
        last message and the other's last message. Messages are signals (explicit) or signs of executed orders
        (implicit), + 1. Among equals: hold before sell before buy, neutral before bear before bull.
    """

    values: Floats
    actions: NDArray[np.int8]


def value(game: TradingGame, policies: tuple[Policy, Policy]) -> Floats:
    """Expected reward of an episode when two frozen policies play, exact to rounding.

    Parameters
    ----------
    game : TradingGame
    policies : pair of Policy
        Of the first and the second agent; same signals, same band.

    Returns
    -------
    (2,) array
        Currency.

    Raises
    ------
    TacitError
        If the policies do not see the same trend or messages.

    Notes
    -----
    With b the trend that follows, ``v_t = gains + sum_b E[P'/P 1{b}] E v_{t+1}(.., b)``, the mean taken over both
    agents' actions and shocks; the weights are :func:`trend_weights`.

    Examples
    --------
    A buyer earns the impact on its own 5 units, less what it pays for its lot; one who holds earns it for nothing.

    >>> buy, hold = (Policy.deterministic(np.full((3, 3), a), "none", (4, 7), 0.005) for a in (2, 1))
    >>> value(TradingGame(execution="mid", steps=1), (buy, hold))
    array([5.5, 5. ])
    """
    first, second = policies
    for name in ("signals", "band"):
        ours, theirs = getattr(first, name), getattr(second, name)
        if ours != theirs:
            raise TacitError(f"{name}: the agents differ, {ours} and {theirs}; both live in one market")
    messages, size = first.messages, len(game.lots)
    chain = _Chain(game, first.band, _moves(game, first), _moves(game, second))
    one = first.seen(game).swapaxes(2, 3)  # (trend, own inventory, action, other's message)
    two = second.seen(game).transpose(1, 3, 0, 2).reshape(size, second.actions, 3 * messages)
    values = np.zeros((2, 3, size * messages, size * messages))
    for step in reversed(range(game.steps)):
        mean = chain.worth(values, last=step == game.steps - 1) @ two
        mean = mean.reshape(2, size, size, first.actions, 3, messages).transpose(4, 2, 0, 1, 5, 3)
        both = mean.reshape(3, size, -1, first.actions) @ one
        values = both.reshape(3, size, 2, size, messages, messages).transpose(2, 0, 1, 4, 3, 5).reshape(values.shape)
    begin = game.begin * messages + messages // 2
    return np.asarray(game.price * values[:, FLAT, begin, begin])


def best_response(game: TradingGame, policy: Policy, goal: Goal = "own") -> Response:
    """The best that an agent who knows everything can do against one frozen trader.

    Parameters
    ----------
    game : TradingGame
    policy : Policy
        Of the frozen trader.
    goal : {"own", "others"}
        "own": the greatest own reward. "others": the least reward of the frozen trader, whatever it costs (a spoofer).

    Returns
    -------
    Response
        Exact to rounding. The responder knows the time, both inventories, the trend and its own last message; the
        other's last message tells it nothing more.

    Raises
    ------
    TacitError
        If the goal is unknown or prices could reach 0.

    Notes
    -----
    The equation of :func:`value` with the maximum over the responder's actions instead of their mean.

    Examples
    --------
    Against one who always holds, an agent is as good as alone:

    >>> from tacitlab.markets.resource.optimum import joint_optimum
    >>> game = TradingGame(execution="pre", steps=50)
    >>> hold = Policy.deterministic(np.full((3, 3), 1), "none", (4, 7), 0.005)
    >>> round(float(best_response(game, hold).values[0] - joint_optimum(game, agents=1).value), 9)
    0.0
    """
    if goal not in get_args(Goal):
        raise TacitError(f"goal: {goal!r} is unknown; choose from {', '.join(get_args(Goal))}")
    game.require_positive_prices(2)
    messages, size = policy.messages, len(game.lots)
    order = np.array([3 * trade + signal for trade in (1, 0, 2) for signal in (1, 0, 2)])  # of preference
    order = order if policy.signals == "explicit" else np.array([1, 0, 2])
    trades = policy.seen(game).reshape(3, size, messages, 3, -1).sum(axis=-1)
    trades = trades.transpose(1, 3, 0, 2).reshape(size, 3, 3 * messages)
    chain = _Chain(game, policy.band, _moves(game, policy, order), _trades(game))
    values = np.zeros((2, 3, size * messages, size))
    actions = np.empty((game.steps, size, size, 3, messages), dtype=np.int8)
    for step in reversed(range(game.steps)):
        mean = chain.worth(values, last=step == game.steps - 1) @ trades
        mean = mean.reshape(2, size, size, len(order), 3, messages)  # (role, other, own, action, trend, message)
        score = mean[0] if goal == "own" else -mean[1]
        tied = score >= score.max(axis=2, keepdims=True) - game.slack(score)
        chosen = tied.argmax(axis=2)
        actions[step] = order[chosen].swapaxes(0, 1)
        best = np.take_along_axis(mean, chosen[None, :, :, None], axis=3)[:, :, :, 0]
        values = best.transpose(0, 3, 2, 4, 1).reshape(values.shape)
    start = values[:, FLAT, game.begin * messages + messages // 2, game.begin]
    return Response(game.price * start, np.repeat(actions[..., None], messages, axis=-1))


def exploitability(game: TradingGame, policies: tuple[Policy, Policy]) -> Floats:
    """What each agent could gain by a best response to the other's frozen policy.

    Parameters
    ----------
    game : TradingGame
    policies : pair of Policy

    Returns
    -------
    (2,) array
        Expected currency an episode, not negative but for rounding.

    Raises
    ------
    TacitError
        As :func:`value` and :func:`best_response`.

    Examples
    --------
    >>> hold = Policy.deterministic(np.full((3, 3), 1), "none", (4, 7), 0.005)
    >>> exploitability(TradingGame(execution="post"), (hold, hold)).round(1)
    array([35.8, 35.8])
    """
    first, second = policies
    best = [best_response(game, second).values[0], best_response(game, first).values[0]]
    return np.array(best) - value(game, policies)


def trend_weights(game: TradingGame, band: float) -> Floats:
    """Expected growth of the price on the event that the next trend is down, flat or up.

    Parameters
    ----------
    game : TradingGame
    band : float
        theta, of :class:`Policy`.

    Returns
    -------
    (5, 3) array
        ``E[P'/P 1{trend}]`` for net orders of -2 to 2 lots; rows sum to the expected growth.

    Notes
    -----
    Normal noise e in (l, h) standard deviations: ``E[(1 + m + e) 1] = (1 + m)(Phi(h) - Phi(l)) + sigma (phi(l) -
    phi(h))``; the lognormal analogue is ``exp(m) (Phi(h - sigma) - Phi(l - sigma))``.

    Examples
    --------
    >>> trend_weights(TradingGame(volatility=0.0), 0.005)[2:]
    array([[0.  , 1.  , 0.  ], [0.  , 0.  , 1.01], [0.  , 0.  , 1.02]])
    """
    growth, sigma = game.growth(NETS)[:, None], game.volatility
    change = game.push(NETS) - (sigma**2 / 2 if game.law == "exponential" else 0.0)
    if sigma == 0:
        return np.asarray(growth * np.eye(3)[1 + (change > band) - (change < -band)])
    inner = (np.array([-band, band]) - change[:, None]) / sigma
    edges = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
    if game.law == "exponential":
        return np.asarray(growth * np.diff(norm.cdf(edges - sigma)))
    return np.asarray(growth * np.diff(norm.cdf(edges)) - sigma * np.diff(norm.pdf(edges)))


class _Moves(NamedTuple):
    """What an agent's actions do, each (inventories, actions); messages can take ``kinds`` values."""

    after: Integers
    message: Integers
    kinds: int


def _trades(game: TradingGame) -> _Moves:
    """Of an agent whose messages nobody hears."""
    return _Moves(game.after, np.zeros_like(game.after), 1)


def _moves(game: TradingGame, policy: Policy, order: Integers | None = None) -> _Moves:
    """Of an agent with the signals of a policy; ``order`` lists the actions."""
    actions = np.arange(policy.actions) if order is None else order
    if policy.signals == "explicit":
        after = game.after[:, actions // 3]
        return _Moves(after, np.broadcast_to(actions % 3, after.shape), 3)
    after = game.after[:, actions]
    executed = after - np.arange(len(after))[:, None]
    return _Moves(after, executed + 1 if policy.signals == "implicit" else np.zeros_like(after), policy.messages)


class _Chain:
    """One step of two agents; values are over the price, (role, trend, state of one, state of two), a state being
    ``inventory * kinds + message``."""

    def __init__(self, game: TradingGame, band: float, one: _Moves, two: _Moves) -> None:
        size = len(game.lots)
        held = np.arange(size)
        own, other = (
            (held[None, :, None, None], one.after[None, :, :, None]),
            (held[:, None, None, None], two.after[:, None, None]),
        )
        net = own[1] - own[0] + other[1] - other[0]
        states = one.after * one.kinds + one.message, two.after * two.kinds + two.message
        self.gains = np.stack([game.gains(*own, net), game.gains(*other, net)]).reshape(2, size, -1, two.after.shape[1])
        self.weights = trend_weights(game, band)
        shape = len(NETS), size * one.kinds, size * two.kinds
        self.successors = np.ravel_multi_index((net + 2, states[0][None, :, :, None], states[1][:, None, None]), shape)
        self.shape = 2, 3, size, one.kinds, size, two.kinds
        self.costs, self.closing = (self._each(array) for array in (game.penalties, game.closing))
        self.shaken = game.shaken if game.shock else None

    def _each(self, amounts: Floats) -> Floats:
        """Amounts by inventory as an array (role, 1, own inventory, 1, other inventory, 1)."""
        return np.stack(np.broadcast_arrays(amounts[:, None], amounts))[:, None, :, None, :, None]

    def worth(self, values: Floats, last: bool) -> Floats:
        """Gains and what follows: (role, inventory of two, inventory and action of one, action of two)."""
        later = values.reshape(self.shape) - self.costs
        if self.shaken is not None:
            later = np.moveaxis(np.tensordot(self.shaken, later, (1, 2)), 0, 2)
            later = np.moveaxis(np.tensordot(self.shaken, later, (1, 4)), 0, 4)
        later = later + self.closing if last else later
        follows = self.weights @ later.reshape(2, 3, -1)
        return np.asarray(self.gains + follows.reshape(2, -1)[:, self.successors].reshape(self.gains.shape))

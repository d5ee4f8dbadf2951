r"""Optimal and equilibrium quotes of a quoting game, by backward induction over joint inventories.

In a state let D_ji be what maker i gains, beyond the half-spread, if maker j's quote on one side is filled rather than
nobody's. Under logit choice i then competes as in a Bertrand game with the cost

    c_i - D_ii + sum_{j != i} q_j D_ji,

where q_j is j's share of the customers whom i does not win: its best reply is Lambert's function of that. The two sides
of a step are independent, so that a fill on one changes D on the other; they are solved in turn until nobody moves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.markets.quoting.market_making_theory import least_spread
from tacitlab.markets.quoting.theory import ASK, BID, QuotingGame, check

Floats = NDArray[np.float64]

CLOSE = 1e-11  # largest change of a quote, in units of 1/kappa or mu, that ends the iteration
ROUNDS = 1000  # of replies on both sides
UNDERCUT = 1e-9  # by how much a maker undercuts, in units of 1/kappa: customers see it, values hardly do
SideSolver = Callable[[QuotingGame, Floats, Floats, NDArray[np.bool_]], Floats]


@dataclass(frozen=True)
class QuotingSolution:
    """Quotes and what they are worth.

    Attributes
    ----------
    quotes : (steps, states, makers, 2) array
        Half-spreads of bids and asks, currency; infinite: no quote.
    values : (steps + 1, states, makers) array
        Certainty equivalents of what is still to come.
    error : float
        Largest gain of a maker from a best response at the beginning, currency; 0 where one decides alone.
    """

    quotes: Floats
    values: Floats
    error: float = 0.0

    def at(self, state: int) -> Floats:
        """Value of an episode that begins in a state, (makers,)."""
        return np.asarray(self.values[0, state])


# --- what is solved --------------------------------------------------------------------------------------------------


def optimum(game: QuotingGame) -> QuotingSolution:
    """The best quotes of a maker who is alone.

    Raises
    ------
    TacitError
        If there are several makers, or risk aversion meets logit choice.

    Examples
    --------
    >>> game = QuotingGame(steps=200, arrival=0.25, running=0.0025, terminal=0.01)
    >>> print(round(optimum(game).at(game.begin)[0], 3))
    22.44
    """
    if game.makers > 1:
        raise TacitError(f"makers: {game.makers} do not decide alone; use joint_optimum or equilibrium")
    if game.risk_aversion and game.fills == "logit":
        raise TacitError("risk_aversion: the optimum under logit choice is not solved; set it to 0")
    return _solved(game, _replies_of([0]), [0])


def equilibrium(game: QuotingGame) -> QuotingSolution:
    """A Markov-perfect equilibrium: nobody gains by other quotes in any state, given what follows.

    Everybody knows all inventories, and customers choose by logit, so that each side of a step has one equilibrium
    given the other (Caplin and Nalebuff 1991). Where both sides trade in the same step for a good part of the time
    there may be others, in which one maker is keen on both. The error says what a best response would gain.

    Raises
    ------
    TacitError
        If makers are averse to risk, or the best of several quotes wins: whoever buys is then keener to sell in the
        same step, and replies go round in circles.
    """
    if game.risk_aversion:
        raise TacitError("risk_aversion: equilibria of makers averse to risk are not solved; set it to 0")
    if game.fills == "exponential" and game.makers > 1:
        raise TacitError("fills: equilibria of several makers of whom the best quote wins are not solved; use logit")
    everybody = list(range(game.makers))
    found = _solved(game, _replies_of(everybody))
    asked = everybody[:1] if game.alike else everybody
    gains = [best_response(game, found.quotes, i).values - found.values for i in asked]
    error = max(float(gain[0, game.begin, i]) for gain, i in zip(gains, asked, strict=True))
    return QuotingSolution(found.quotes, found.values, max(error, 0.0))


def joint_optimum(game: QuotingGame) -> QuotingSolution:
    """The quotes that are best for all makers together, in every state.

    Raises
    ------
    TacitError
        If makers are averse to risk.
    """
    if game.risk_aversion:
        raise TacitError("risk_aversion: the sum of several certainty equivalents is not solved; set it to 0")
    return _solved(game, _together, range(game.makers))


def best_response(game: QuotingGame, quotes: Floats, maker: int) -> QuotingSolution:
    """The best quotes of one maker against given ones of the others, which may be learned.

    Parameters
    ----------
    game : QuotingGame
    quotes : (steps, states, makers, 2) array
        The maker's own are not used.
    maker : int

    Returns
    -------
    QuotingSolution
        All makers' quotes, the maker's replaced.
    """
    if game.risk_aversion and game.makers > 1:
        raise TacitError("risk_aversion: best responses of makers averse to risk are not solved; set it to 0")
    return _solved(game, _replies_of([maker]), [maker], check(game, quotes))


def on_grid(game: QuotingGame, grid: ArrayLike) -> QuotingSolution:
    """The best quotes of a maker who is alone among given half-spreads, by comparing all pairs of them.

    Examples
    --------
    >>> game = QuotingGame(steps=200, arrival=0.25, running=0.0025, terminal=0.01)
    >>> print(round(on_grid(game, [0.0, 0.5, 1.0, 1.5]).at(game.begin)[0], 3))
    21.78
    """
    if game.makers > 1:
        raise TacitError(f"makers: {game.makers} do not decide alone; use joint_optimum or equilibrium")
    pairs = np.array(list(product(np.asarray(grid, dtype=np.float64), repeat=2)))
    tables = [np.where(game.feasible[:, 0], pair, np.inf)[:, None] for pair in pairs]
    values, quotes = np.empty((game.steps + 1, game.states, 1)), np.empty((game.steps, game.states, 1, 2))
    values[-1] = game.closing
    for step in reversed(range(game.steps)):
        later = game.holding + values[step + 1]
        worth = np.stack([game.worth(table, later)[:, 0] for table in tables])
        best = worth.argmax(axis=0)
        values[step, :, 0] = worth.max(axis=0)
        quotes[step] = np.stack(tables)[best, np.arange(game.states)]
    return QuotingSolution(quotes, values)


# --- backward induction ----------------------------------------------------------------------------------------------


def _solved(
    game: QuotingGame, side: SideSolver, judges: Sequence[int] = (), given: Floats | None = None
) -> QuotingSolution:
    """Solve the steps from the last to the first.

    A step begins with the quotes of the next one, or given ones. ``judges``: the makers whose sum is maximised; where a
    step may have several local optima, it is solved from several beginnings, and each state takes the best.
    """
    values = np.empty((game.steps + 1, game.states, game.makers))
    quotes = np.empty((game.steps, game.states, game.makers, 2))
    values[-1] = game.closing
    current = np.where(game.feasible, _unit(game), np.inf)
    for step in reversed(range(game.steps)):
        if given is not None:
            current = np.where(game.feasible, given[step], np.inf)
        later = game.holding + values[step + 1]
        found = [_step(game, side, start, later) for start in (current, *_beginnings(game, current, later, judges))]
        worth = [game.worth(one, later) for one in found]
        best = np.argmax([w[:, judges].sum(axis=1) for w in worth], axis=0) if len(found) > 1 else np.zeros(1, int)
        place = (np.broadcast_to(best, game.states), np.arange(game.states))
        quotes[step] = current = np.stack(found)[place]
        values[step] = np.stack(worth)[place]
    return QuotingSolution(quotes, values)


def _unit(game: QuotingGame) -> float:
    """Size of the changes of half-spreads that matter."""
    return game.mu if game.fills == "logit" else 1 / game.decay


def _beginnings(game: QuotingGame, quotes: Floats, later: Floats, judges: Sequence[int]) -> list[Floats]:
    """Where else to begin: one of those who are judged is keen on both sides, or on one; the others of them are not."""
    if not judges or game.requests or _concave(game, later, judges):
        return []
    found = []
    for maker, shift in product(judges, ((-1, -1), (-1, 1), (1, -1))):
        moved = quotes.copy()
        moved[:, judges] += _unit(game)
        moved[:, maker] = quotes[:, maker] + _unit(game) * np.array(shift)
        found.append(moved)
    return found


def _concave(game: QuotingGame, later: Floats, judges: Sequence[int]) -> bool:
    """Whether what is maximised in a step is concave in the probabilities of trades, so that there is one optimum.

    The value of a side is concave with a modulus of ``1/(kappa arrival)``, or ``mu/arrival`` under logit choice, and
    the sides interact by the probabilities of both trades times the second differences of the value: these must be
    smaller.
    """
    if game.risk_aversion or (game.fills == "exponential" and game.makers > 1):
        return False
    worth = later[:, judges].sum(axis=1)[game.after]
    cross = worth[:, 1:, 1:] - worth[:, 1:, :1] - worth[:, :1, 1:] + worth[:, :1, :1]
    modulus = game.mu if game.fills == "logit" else 1 / game.decay
    return bool(game.makers * np.abs(cross).max() * game.arrival < modulus)


def _step(game: QuotingGame, solve: SideSolver, quotes: Floats, later: Floats) -> Floats:
    """Quotes of both sides, (states, makers, 2), each answered given the other until nobody moves."""
    quotes, worth = quotes.copy(), later[game.after]
    for _ in range(ROUNDS):
        before = quotes.copy()
        for k in (BID, ASK):
            effects = _effects(game, quotes, later, worth, k)
            quotes[..., k] = solve(game, effects, quotes[..., k], game.feasible[..., k])
        if _moved(before, quotes) <= CLOSE * _unit(game):
            return quotes
    raise TacitError("quotes: replies found no rest; shorten the step, or lower the penalties")


def _moved(before: Floats, after: Floats) -> float:
    """Largest change of a finite quote; infinite if one began or ceased to be finite."""
    finite = np.isfinite(before)
    if (finite != np.isfinite(after)).any():
        return np.inf
    return float(np.abs(before[finite] - after[finite]).max(initial=0.0))


def _effects(game: QuotingGame, quotes: Floats, later: Floats, worth: Floats, k: int) -> Floats:
    """D: what maker i gains if j's quote on side k is filled, beyond the half-spread: (states, j, i), currency.

    ``worth``: (states, makers + 1, makers + 1, makers), of the state after each outcome.
    """
    worth, other = worth if k == BID else np.swapaxes(worth, 1, 2), 1 - k
    if game.requests:
        along = worth[:, :, 0]
        return np.asarray(along[:, 1:] - along[:, :1])
    odds = game.with_nobody(game.chances(quotes[..., other], game.feasible[..., other]))
    if game.risk_aversion == 0:
        along = (odds[:, None, :, None] * worth).sum(axis=2)
        return np.asarray(along[:, 1:] - along[:, :1])
    # One maker: what it earns on the other side counts, since its certainty equivalent is not linear.
    net = np.where(np.isfinite(quotes[:, 0, other]), quotes[:, 0, other] - game.cost[0], 0.0)
    gains = worth[..., 0] - later[:, None] + np.stack([0 * net, net], axis=-1)[:, None]
    powers = np.einsum("sp,sop->so", odds, np.exp(-game.risk_aversion * gains))
    return np.asarray(-np.log(powers[:, 1:] / powers[:, :1])[..., None] / game.risk_aversion)


# --- one side, given the effects of fills ----------------------------------------------------------------------------


def _replies_of(makers: Sequence[int]) -> SideSolver:
    """Best replies of some makers, at the same time, so that equal ones stay equal; the others' quotes stay."""

    def found(game: QuotingGame, effects: Floats, quotes: Floats, feasible: NDArray[np.bool_]) -> Floats:
        reply, after = _logit_reply if game.fills == "logit" else _winning_reply, quotes.copy()
        for i in makers:
            after[:, i] = np.where(feasible[:, i], reply(game, effects, quotes, feasible, i), np.inf)
        return after

    return found


def _logit_reply(game: QuotingGame, effects: Floats, quotes: Floats, feasible: NDArray[np.bool_], i: int) -> Floats:
    """Half-spread of maker i in each state, (states,)."""
    from scipy.special import wrightomega

    others = np.where(feasible & (np.arange(game.makers) != i), (game.value - quotes) / game.mu, -np.inf)
    rest = np.logaddexp(np.logaddexp.reduce(others, axis=1), 0.0)
    lost = (np.exp(others - rest[:, None]) * effects[:, :, i]).sum(axis=1)
    cost = game.cost[i] - effects[:, i, i] + lost
    return np.asarray(cost + game.mu * (1 + wrightomega((game.value - cost) / game.mu - 1 - rest)))


def _alone(game: QuotingGame, cost: Floats) -> Floats:
    """Best half-spread of a maker whom nobody undercuts, for a cost of trading; all customers come at the least one."""
    certain = np.log(game.arrival) / game.decay
    return np.maximum(least_spread(game.decay, game.risk_aversion) + cost, certain)


def _winning_reply(game: QuotingGame, effects: Floats, quotes: Floats, feasible: NDArray[np.bool_], i: int) -> Floats:
    """The same where the best quote wins: undercut if that is better than to let the others trade."""
    cost = game.cost[i] - effects[:, i, i]
    offered = np.where(feasible & (np.arange(game.makers) != i), quotes, np.inf)
    best = offered.min(axis=1)
    own = np.minimum(_alone(game, cost), best - UNDERCUT / game.decay)
    wins = (offered == best[:, None]) & np.isfinite(offered)
    lost = (wins * effects[:, :, i]).sum(axis=1) / np.maximum(wins.sum(axis=1), 1)

    def comes(quote: Floats) -> Floats:
        return np.minimum(game.arrival * np.exp(-game.decay * quote), 1.0)

    return np.where(comes(own) * (own - cost) >= comes(best) * lost, own, np.inf)


def _together(game: QuotingGame, effects: Floats, quotes: Floats, feasible: NDArray[np.bool_]) -> Floats:
    """All makers maximise their sum: a common markup under logit, else only the one whose trade is worth most."""
    from scipy.special import wrightomega

    cost = np.where(feasible, game.cost - effects.sum(axis=2), np.inf)
    if game.fills == "logit":
        total = np.logaddexp.reduce(np.where(feasible, (game.value - cost) / game.mu, -np.inf), axis=1)
        markup = game.mu * (1 + wrightomega(total - 1))
        return np.asarray(cost + markup[:, None])
    chosen = np.arange(game.makers) == cost.argmin(axis=1)[:, None]
    return np.where(chosen & feasible, _alone(game, cost), np.inf)

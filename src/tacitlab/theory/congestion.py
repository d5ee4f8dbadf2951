"""Equilibria and optima of congestion games, over counts of players instead of joint actions.

Whole players: solutions come from enumeration of all count profiles or, where there are too many, from descents.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile
from tacitlab.theory.nonatomic import Flow, Shares, is_smooth, system_optimum, wardrop
from tacitlab.theory.precision import DIGITS, Scale, coarse_note, own_scale

if TYPE_CHECKING:
    from tacitlab.games.base import Actions, CongestionForm

Counts = NDArray[np.int64]

LIMIT = 2_000_000  # count profiles that are enumerated at most
CHUNK = 1 << 16  # count profiles held in memory at once
CELLS = 2_000_000  # array entries of one descent step at once
WORK = 300_000_000  # array entries of all descents, about: two seconds
OVERHEAD = 10_000  # cost of a descent step beside its array entries, in array entries
LOADS = 100  # at which payoffs are looked at for their unit
LISTED = 50  # equilibria listed at most


@dataclass(frozen=True)
class ClosedForms:
    """What a game knows about itself; what is None is computed.

    Attributes
    ----------
    nash : (k, actions) int64 array
        Counts of all pure Nash equilibria.
    optimum : (actions,) int64 array
        Counts that maximise the sum of payoffs.
    wardrop, system_optimum : (actions,) array
        Shares of the continuous solutions.
    """

    nash: Counts | None = None
    optimum: Counts | None = None
    wardrop: Shares | None = None
    system_optimum: Shares | None = None


def nash_counts(form: "CongestionForm", limit: int = LIMIT) -> tuple[Counts, bool]:
    """Count profiles of pure Nash equilibria.

    Parameters
    ----------
    form : CongestionForm
    limit : int
        At most this many count profiles are enumerated; a larger game is solved by best-reply descent of
        Rosenthal's potential from several starts, which finds some equilibria only (where the game has no
        potential, possibly none).

    Returns
    -------
    counts : (k, actions) int64 array
    complete : bool
        True if these are all.

    Notes
    -----
    R. W. Rosenthal, "A class of games possessing pure-strategy Nash equilibria", Int. J. Game Theory 2 (1973).
    Gains within rounding do not count as profitable deviations.

    Examples
    --------
    Pigou's network with two players, a constant road and one whose time is the share of players on it:

    >>> from tacitlab.games.base import CongestionForm
    >>> time = np.array([[0.0, -0.5, -1.0]])
    >>> pigou = CongestionForm(2, np.array([[0, 1]]), np.array([[0.0], [1.0]]), time, np.array([-1.0, 0.0]))
    >>> nash_counts(pigou)
    (array([[0, 2],
           [1, 1]]), True)
    """
    if _profiles(form) <= limit:
        stable = [chunk[_is_nash(form, chunk)] for chunk in _compositions(form.players, form.actions)]
        return np.concatenate(stable), True
    ends = [_climb(form, start, selfish=True) for start in _starts(form)]
    found = np.unique(np.array(ends), axis=0)
    return found[_is_nash(form, found)], False


def optimum_counts(form: "CongestionForm", limit: int = LIMIT) -> tuple[Counts, bool]:
    """The count profile with the largest sum of payoffs.

    Parameters
    ----------
    form : CongestionForm
    limit : int
        At most this many count profiles are enumerated; beyond, the best end of local searches (one player moves
        at a time, always the best move) from several starts, the rounded continuous optimum among them.

    Returns
    -------
    counts : (actions,) int64 array
        The first in lexicographic order on ties.
    exact : bool
        False after local search.

    Examples
    --------
    >>> from tacitlab.games.base import CongestionForm
    >>> time = np.array([[0.0, -0.5, -1.0]])
    >>> pigou = CongestionForm(2, np.array([[0, 1]]), np.array([[0.0], [1.0]]), time, np.array([-1.0, 0.0]))
    >>> optimum_counts(pigou)
    (array([1, 1]), True)
    """
    exact = _profiles(form) <= limit
    searched = np.array([_climb(form, start, selfish=False) for start in _starts(form)]) if not exact else None
    best, record = np.zeros(form.actions, dtype=np.int64), -np.inf
    for chunk in _compositions(form.players, form.actions) if searched is None else [searched]:
        totals = (chunk * form.payoffs(chunk)).sum(axis=1)
        if totals.max() > record + form.players * _rounding(form):
            first = np.flatnonzero(totals >= totals.max() - form.players * _rounding(form))[0]
            best, record = chunk[first], totals.max()
    return best, exact


def congestion_benchmarks(
    form: "CongestionForm",
    actions: "Actions",
    *,
    cost: str = "",
    known: ClosedForms = ClosedForms(),
    powers: NDArray[np.float64] | None = None,
    limit: int = LIMIT,
) -> Benchmarks:
    """Competitive and cooperative outcomes of a congestion game.

    Parameters
    ----------
    form : CongestionForm
    actions : Actions
        If the actions have no labels, the profiles' quantities tell their mean value: ``{actions.name: (1,)}``.
    cost : str
        What the players pay, if payoffs are negative costs: "travel time".
    known : ClosedForms
        Solutions in closed form, used instead of numerical ones.
    powers : (facilities,) array, optional
        See :func:`.nonatomic.wardrop`.
    limit : int
        See :func:`nash_counts`.

    Returns
    -------
    Benchmarks
        Competitive: pure Nash equilibria, the least profitable one first, and, with costs that are affine or of known
        powers, Wardrop's. Cooperative: the social optimum and, with such costs, the continuous one. Payoffs are means
        over players; quantities are each action's "share" and its "payoff", or its cost under the name ``cost``.
        Numbers: "price of anarchy" (worst Nash equilibrium against optimum: the ratio of the costs, or the
        inverse ratio of positive payoffs) and "price of anarchy (nonatomic)".

    Examples
    --------
    >>> from tacitlab.games.pigou import Pigou
    >>> benchmarks = congestion_benchmarks(Pigou(players=10).form(), Pigou().actions(), cost="travel time")
    >>> [(profile.name, round(profile.average, 3)) for profile in benchmarks.competitive]
    [('Nash', -1.0), ('Nash 2', -0.91), ('Wardrop', -1.0)]
    """
    nash, complete = (known.nash, True) if known.nash is not None else nash_counts(form, limit)
    best, exact = (known.optimum, True) if known.optimum is not None else optimum_counts(form, limit)
    searched = f"enumeration of {_profiles(form):,} count profiles"
    how_nash = _method(known.nash, searched if complete else _descent(form))
    how_best = _method(known.optimum, searched if exact else "local search of single moves from several starts")
    competitive = _equilibria(form, nash, cost, how_nash)
    optimum = _profile("social optimum", "joint-optimum", _at(form, best), cost, how_best, exact)
    cooperative = [optimum]
    notes = [*_notes(competitive, len(nash), complete, optimum, _rounding(form)), *coarse_note([_scale(form)])]
    numbers = {"price of anarchy": _anarchy(competitive[0], optimum)} if competitive else {}
    if is_smooth(form, powers):
        crowd, ideal = wardrop(form, known.wardrop, powers), system_optimum(form, known.system_optimum, powers)
        program = f"Beckmann's convex program ({'SLSQP' if is_smooth(form) else 'a Newton method on SLSQP'})"
        competitive.append(_continuous("Wardrop", "wardrop", crowd, cost, known.wardrop, program))
        ideal_profile = _continuous("continuous optimum", "joint-optimum", ideal, cost, known.system_optimum, program)
        cooperative.append(ideal_profile)
        if not exact:
            cooperative[0] = _bounded(optimum, ideal.average + ideal.gap, _rounding(form))
        numbers["price of anarchy (nonatomic)"] = _anarchy(competitive[-1], cooperative[-1])
    numbers = {name: number for name, number in numbers.items() if not np.isnan(number)}
    for profile in () if actions.labels else competitive + cooperative:
        profile.quantities[actions.name] = actions.values @ profile.quantities["share"]
    return Benchmarks(tuple(competitive), tuple(cooperative), complete and len(nash) <= LISTED, numbers, tuple(notes))


def _equilibria(form: "CongestionForm", nash: Counts, cost: str, method: str) -> list[Profile]:
    """Profiles of the equilibria, the least profitable one first."""
    worth = (nash * form.payoffs(nash)).sum(axis=1) / form.players
    order = np.argsort(np.round(worth / _rounding(form)), kind="stable")[:LISTED]
    flows = [_at(form, counts) for counts in nash[order]]
    return [_profile(f"Nash {i + 1}" if i else "Nash", "nash", flow, cost, method) for i, flow in enumerate(flows)]


def _profile(name: str, concept: Concept, flow: Flow, cost: str, method: str, exact: bool = True) -> Profile:
    quantities = {"share": flow.shares, cost or "payoff": -flow.payoffs if cost else flow.payoffs}
    error = flow.gap if exact else np.inf
    return Profile(name, concept, np.array([flow.average]), method, None, quantities, exact=exact, error=error)


def _bounded(optimum: Profile, bound: float, rounding: float) -> Profile:
    """A searched optimum, judged by the continuous one, which no whole players can beat."""
    error = max(bound - optimum.average, 0.0)
    if error > rounding:
        return replace(optimum, error=error)
    return replace(optimum, error=error, exact=True, method=f"{optimum.method}; attains the continuous optimum")


def _continuous(name: str, concept: Concept, flow: Flow, cost: str, known: Shares | None, program: str) -> Profile:
    return replace(_profile(name, concept, flow, cost, _method(known, program)), exact=known is not None)


def _method(known: Shares | Counts | None, otherwise: str) -> str:
    return otherwise if known is None else "closed form"


def _descent(form: "CongestionForm") -> str:
    rosenthal = np.array_equal(form.weights, form.incidence.T)
    return ("best-reply descent of Rosenthal's potential" if rosenthal else "best replies") + " from several starts"


def _notes(competitive: list[Profile], found: int, complete: bool, optimum: Profile, rounding: float) -> list[str]:
    notes = []
    if not competitive:
        notes.append("no Nash equilibrium in pure strategies" + ("" if complete else " was found"))
        notes.append("equilibria in mixed strategies were not looked for")
    elif optimum.average - competitive[0].average <= rounding:
        notes.append("every pure Nash equilibrium listed attains the social optimum: no gain over Nash is defined")
    if found > 1:
        notes.append(f"{found:,} pure Nash equilibria in counts")
    if found > LISTED:
        notes.append(f"only {LISTED} pure Nash equilibria are listed")
    if not complete:
        notes.append("too many count profiles to enumerate: other pure Nash equilibria may exist, worse ones too")
    return notes


def _anarchy(worst: Profile, best: Profile) -> float:
    """Worst equilibrium against optimum, at least 1; NaN if the mean payoffs differ in sign or vanish."""
    if worst.average * best.average <= 0:
        return np.nan
    return worst.average / best.average if best.average < 0 else best.average / worst.average


def _at(form: "CongestionForm", counts: Counts) -> Flow:
    return Flow(counts / form.players, form.payoffs(counts), 0.0)


def _profiles(form: "CongestionForm") -> int:
    return comb(form.players + form.actions - 1, form.actions - 1)


def _scale(form: "CongestionForm") -> Scale:
    """The players' unit, from payoffs with all facilities at one load; rounding goes by the terms of the sums."""
    loads = np.unique(np.linspace(0, form.values.shape[1] - 1, LOADS).astype(int))
    values = form.values[:, loads]
    payoffs = own_scale(form.own + (form.weights @ values).T)
    terms = own_scale(np.abs(form.own) + (np.abs(form.weights) @ np.abs(values)).T)
    return replace(payoffs, rounding=max(payoffs.rounding, DIGITS * (terms.base + terms.unit)))


def _rounding(form: "CongestionForm") -> float:
    return _scale(form).rounding


def _compositions(players: int, actions: int) -> Iterator[Counts]:
    """All count profiles in lexicographic order, in chunks of shape (k, actions)."""
    # ways[k - 1][n]: profiles of n players on k actions; those with at least x on the first: ways[k - 1][n - x].
    ways = [np.array([comb(n + k - 1, n) for n in range(players + 1)]) for k in range(1, actions + 1)]
    total = int(ways[-1][-1])
    for start in range(0, total, CHUNK):
        rank = np.arange(start, min(start + CHUNK, total))
        left = np.full(len(rank), players)
        counts = np.empty((len(rank), actions), dtype=np.int64)
        for action in range(actions - 1):
            table = ways[actions - action - 1]
            rest = np.searchsorted(table, table[left] - rank)
            rank -= table[left] - table[rest]
            counts[:, action], left = left - rest, rest
        counts[:, -1] = left
        yield counts


def _is_nash(form: "CongestionForm", counts: Counts) -> NDArray[np.bool_]:
    """Which of the count profiles, shape (k, actions), are pure Nash equilibria; shape (k,)."""
    stable = np.ones(len(counts), dtype=bool)
    now, loads = form.payoffs(counts), counts @ form.incidence.T
    facilities, rounding = np.arange(len(form.values)), _rounding(form)
    for leave in range(form.actions):
        for join in range(form.actions):
            rows = np.flatnonzero(stable & (counts[:, leave] > 0))  # most profiles fall at the first moves
            after = loads[rows] + form.incidence[:, join] - form.incidence[:, leave]
            payoff = form.own[join] + form.values[facilities, after] @ form.weights[join]
            gain = payoff - now[rows, leave]
            stable[rows[gain > rounding + DIGITS * np.abs(payoff)]] = False  # more for sentinels
    return stable


def _climb(form: "CongestionForm", counts: Counts, selfish: bool) -> Counts:
    """Let the best single move happen until none gains: for the mover (selfish) or for the sum of payoffs."""
    counts, rounding = counts.copy(), _rounding(form)
    for _ in range(1000 + 100 * form.players):  # a game without potential may cycle
        used = np.flatnonzero(counts)
        gains = _gains(form, counts, used, selfish)
        leave, join = divmod(int(gains.argmax()), form.actions)
        if gains[leave, join] <= rounding:
            break
        counts[used[leave]] -= 1
        counts[join] += 1
    return counts


def _gains(form: "CongestionForm", counts: Counts, used: Counts, selfish: bool) -> NDArray[np.float64]:
    """Gain of the mover, or of all, if one player moves from a used action to any; shape (used, actions)."""
    facilities, loads = np.arange(len(form.values)), form.incidence @ counts
    received = counts @ form.weights
    now = form.values[facilities, loads]
    blocks = -(-len(used) * form.weights.size // CELLS)
    gains = []
    for leave in np.array_split(used, max(blocks, 1)):
        after = loads + form.incidence.T - form.incidence.T[leave, None]
        values = form.values[facilities, after]  # (leavers, actions, facilities)
        own = form.own - form.own[leave, None]
        if selfish:
            gains.append(own + (values * form.weights).sum(axis=2) - (form.weights[leave] @ now)[:, None])
        else:
            weights = received + form.weights - form.weights[leave, None]
            gains.append(own + (values * weights).sum(axis=2) - received @ now)
    return np.concatenate(gains)


def _starts(form: "CongestionForm") -> list[Counts]:
    """Where descents start: both continuous solutions, even, everybody on one action, random; two at least."""
    shares = [np.full(form.actions, 1 / form.actions)]
    if is_smooth(form):  # few steps lead from there to a solution
        shares = [wardrop(form).shares, system_optimum(form).shares] + shares
    shares += list(np.eye(form.actions)[:: -(-form.actions // 10)])
    shares += list(np.random.default_rng(0).dirichlet(np.ones(form.actions), size=10))
    work = form.players * (min(form.players, form.actions) * form.weights.size + OVERHEAD)
    return [_whole(share, form.players) for share in shares[: max(2, WORK // work)]]


def _whole(shares: Shares, players: int) -> Counts:
    """Counts nearest to the shares: the largest remainders are rounded up."""
    counts = np.floor(shares * players).astype(np.int64)
    remainders = np.argsort(counts - shares * players, kind="stable")
    counts[remainders[: players - counts.sum()]] += 1
    return counts

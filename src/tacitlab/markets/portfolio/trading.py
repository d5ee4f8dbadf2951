"""Teams whose holdings cost money to change: signals that come back to their mean, quadratic trading costs.

In every step of an episode the team gets ``w_t's_t - (gamma/2) w_t'Sigma w_t - (w_t - w_{t-1})'C(w_t - w_{t-1})/2``
with C = diag(c), s_{t+1} = Phi s_t + u_{t+1} and no holdings before the first step: the model of N. Garleanu and
L. Pedersen, "Dynamic trading with predictable returns and transaction costs", Journal of Finance 68 (2013) 2309-2340,
in discrete time, over finitely many steps, with managers who see different things. Values are means of a step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tacitlab.markets.portfolio.theory import Team, correlation

Floats = NDArray[np.float64]

SWEEPS = 200  # over the steps of an episode, at most
SMALL = 1e-12  # change of the value in a sweep, relative to it, that ends the search


@dataclass(frozen=True)
class Trading:
    """Policies w_t = react_t s_t + keep_t w_{t-1}.

    Attributes
    ----------
    react, keep : (steps, n, n) arrays
        Diagonal where managers see only their own sector.
    value : float
        Expected utility of the team in a step, on average over an episode.
    error : float
        At most so much is missing to the best policy of its kind.
    """

    react: Floats
    keep: Floats
    value: float
    error: float = 0.0


@dataclass(frozen=True)
class Recursion:
    """Solution of a linear-quadratic problem, backwards through time.

    With v the holdings before step t, what is still to come from it on is worth
    ``worth_t(s, s)/2 + v'lever_t s - v'burden_t v/2`` and a constant.
    """

    react: Floats  # (steps, n, n)
    keep: Floats
    worth: Floats
    lever: Floats
    burden: Floats


def riccati(risk: Floats, team: Team, discount: float = 1.0) -> Recursion:
    """Optimal trading of one mind that knows all signals and holdings.

    Parameters
    ----------
    risk : (n, n) array
        Sigma; not necessarily that of the team.
    team : Team
        Aversion, persistence, costs and steps.
    discount : float
        Of the next step's utility.

    Notes
    -----
    With J = gamma Sigma + C + discount P_{t+1} the best weights are
    ``w_t = J^-1 (C w_{t-1} + (I + discount Q_{t+1} Phi) s_t)``, after which P_t = C - C J^-1 C,
    Q_t = C J^-1 (I + discount Q_{t+1} Phi) and R_t = (I + discount Q_{t+1} Phi)'J^-1 (...) + discount Phi R_{t+1} Phi
    (as Garleanu and Pedersen 2013, but for finitely many steps).
    """
    n, phi, c = team.sectors, np.diag(team.persistence), np.diag(team.cost)
    burden, lever, worth = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n))
    rows = []
    for _ in range(team.steps):
        aim = np.eye(n) + discount * lever @ phi
        solved = np.linalg.solve(team.aversion * risk + c + discount * burden, np.hstack([aim, c]))
        react, keep = solved[:, :n], solved[:, n:]
        burden, lever = c - c @ keep, c @ react
        worth = aim.T @ react + discount * phi @ worth @ phi
        rows.append((react, keep, worth, lever, burden))
    return Recursion(*(np.stack(parts[::-1]) for parts in zip(*rows, strict=True)))


def centralised(team: Team) -> Trading:
    """One mind sees all signals and holdings: exact.

    Examples
    --------
    Without costs it is that of a single step:

    >>> round(centralised(Team.of([[1, 0.5], [0.5, 1]], [[1, 0.5], [0.5, 1]], steps=3)).value, 12)
    1.0
    """
    found = riccati(team.risk, team)
    return Trading(found.react, found.keep, _worth(found.worth[0], found.worth[1:], team.signal, team.innovation, team))


def independent(team: Team) -> Trading:
    """Everybody trades its own sector for the best and ignores the others; the value is the team's: exact."""
    found = riccati(team.alone().risk, team)
    return Trading(found.react, found.keep, value(team, found.react, found.keep))


def team_optimum_value(team: Team) -> float:
    """Mean utility of a step of the best team whose managers remember all own signals: exact.

    Notes
    -----
    An own history is as good as the own innovations so far. Those of one step are independent of all others, and with R
    their correlations, E[u_j | u_i] = R_ij u_i (in units of their deviations). A linear policy is a path of responses
    to each own innovation, and covariances of weights are sums over innovations of products of responses, times R_ij.
    Each innovation is therefore a problem of its own without chance: the paths x of n responses maximise
    ``x's - (gamma/2) x'(Sigma * R)x`` less costs, with signals that decay from one deviation on. That is
    :func:`riccati` with Sigma * R (entry by entry) in the place of Sigma. That linear policies are best follows from
    Radner (1962), because nobody's actions change what another sees.
    """
    return _own(team)[0]


def team_responses(team: Team) -> tuple[Floats, Floats]:
    """The team optimum itself: what each manager's weight owes to its own innovations.

    Returns
    -------
    responses : (steps, steps, n) array
        ``[u, t]``: weight in step t for an innovation of one standard deviation in step u; 0 for t < u.
    deviations : (2, n) array
        Standard deviations of the first signals, and of later innovations.
    """
    _, first, later = _own(team)
    sd = np.sqrt(np.stack([np.diag(team.signal), np.diag(team.innovation)]))
    found = np.zeros((team.steps, team.steps, team.sectors))
    for u in range(team.steps):
        policy, signal = (later, sd[1]) if u else (first, sd[0])
        held = np.zeros(team.sectors)
        for t in range(u, team.steps):
            held = policy.react[t] @ signal + policy.keep[t] @ held
            found[u, t], signal = held, team.persistence * signal
    return found, sd


def linear_optimum(team: Team) -> Trading:
    """The best policies ``w_i = react_i s_i + keep_i w_i'`` of the own signal and the own holding: numerical.

    Notes
    -----
    Block ascent: with all other steps as they are, the utility is a concave quadratic function of one step's gains,
    whose maximum is taken; steps in turn, backwards, until nothing changes. No sweep can lower the value, but a local
    maximum cannot be ruled out, and where holdings can be made to carry news of the past, the search creeps and is cut
    short. ``error`` is the distance from :func:`team_optimum_value`, which remembers more and is
    exact: nothing that managers could do with their own signal and holding is better by more than that. Where all
    sectors are alike it is 0: the others' expected holdings are then a multiple of one's own.
    """
    n, own = team.sectors, np.arange(team.sectors)
    start = independent(team)
    react, keep = (np.einsum("tii->ti", x).copy() for x in (start.react, start.keep))
    best = team_optimum_value(team)
    now = value(team, _wide(react), _wide(keep))
    for _ in range(SWEEPS):
        spreads, future = _moments(team, react, keep), np.zeros((2 * n, 2 * n))
        for t in range(team.steps)[::-1]:
            react[t], keep[t] = _best_gains(team, spreads[t], future)
            policy = np.zeros((n, 2 * n))
            policy[own, own], policy[own, n + own] = react[t], keep[t]
            future = _backwards(team, policy, future)
        before, now = now, value(team, _wide(react), _wide(keep))
        if now - before <= SMALL * abs(now):
            break
    return Trading(_wide(react), _wide(keep), now, max(best - now, 0.0))


def value(team: Team, react: Floats, keep: Floats) -> float:
    """Mean expected utility of a step under ``w_t = react_t s_t + keep_t w_{t-1}``, from the moments of s and w: exact.

    Parameters
    ----------
    team : Team
    react, keep : (steps, n, n) arrays
    """
    return float(np.mean([np.trace(_stage(team, np.hstack([g, f])) @ x)
                          for g, f, x in zip(react, keep, _moments(team, react, keep), strict=True)]))  # fmt: skip


def own_values(team: Team, react: Floats, keep: Floats) -> Floats:
    """Mean expected utilities of the managers' own sectors, own costs included: (n,) array."""
    n, found = team.sectors, np.zeros(team.sectors)
    for g, f, x in zip(react, keep, _moments(team, react, keep), strict=True):
        policy, before = np.hstack([g, f]), np.hstack([np.zeros((n, n)), np.eye(n)])
        earned = np.diag(policy @ x[:, :n])
        variances, moved = np.diag(policy @ x @ policy.T), np.diag((policy - before) @ x @ (policy - before).T)
        found += earned - team.aversion / 2 * np.diag(team.risk) * variances - team.cost / 2 * moved
    return found / team.steps


def responses(team: Team, react: Floats, keep: Floats) -> Floats:
    """E[w_i s_i]/T_ii on average over steps: what a regression of the weight on the own signal finds, (n,) array."""
    n = team.sectors
    found = [np.diag(np.hstack([g, f]) @ x[:, :n])
             for g, f, x in zip(react, keep, _moments(team, react, keep), strict=True)]  # fmt: skip
    return np.mean(found, axis=0) / np.diag(team.signal)


# --- parts ---------------------------------------------------------------------------------------------------------


def _own(team: Team) -> tuple[float, Recursion, Recursion]:
    """Value of the team optimum, and the policies of responses to first signals and to later innovations."""
    fresh = team.innovation
    first = riccati(team.risk * correlation(team.signal), team)
    later = riccati(team.risk * correlation(fresh), team)
    sd = [np.sqrt(np.outer(np.diag(m), np.diag(m))) for m in (team.signal, fresh)]
    return _worth(first.worth[0], later.worth[1:], sd[0], sd[1], team), first, later


def _worth(first: Floats, later: Floats, begin: Floats, fresh: Floats, team: Team) -> float:
    """Mean of a step: what the first signals are worth, and what comes in anew."""
    return float(np.trace(first @ begin) + np.einsum("tij,ij->", later, fresh)) / (2 * team.steps)


def _wide(gains: Floats) -> Floats:
    """Diagonal matrices from (steps, n) gains."""
    return np.einsum("ti,ij->tij", gains, np.eye(gains.shape[1]))


def _moments(team: Team, react: Floats, keep: Floats) -> Floats:
    """E[x x'] of x = (signals, holdings before the step) in each step: (steps, 2n, 2n)."""
    n, phi = team.sectors, np.diag(team.persistence)
    now = np.zeros((2 * n, 2 * n))
    now[:n, :n] = team.signal
    found = [now]
    for g, f in list(zip(react, keep, strict=True))[:-1]:
        g, f = (np.diag(x) if x.ndim == 1 else x for x in (g, f))
        move = np.block([[phi, np.zeros((n, n))], [g, f]])
        now = move @ now @ move.T
        now[:n, :n] = team.signal
        found.append(now)
    return np.stack(found)


def _stage(team: Team, policy: Floats) -> Floats:
    """The symmetric matrix M with utility x'M x of a step, x = (signals, holdings before)."""
    n = team.sectors
    signal, before = np.hstack([np.eye(n), np.zeros((n, n))]), np.hstack([np.zeros((n, n)), np.eye(n)])
    moved, cost = policy - before, np.diag(team.cost)
    earned = (policy.T @ signal + signal.T @ policy) / 2
    return earned - team.aversion / 2 * policy.T @ team.risk @ policy - moved.T @ cost @ moved / 2


def _backwards(team: Team, policy: Floats, future: Floats) -> Floats:
    """The matrix of everything from a step on, given that of everything after it."""
    n = team.sectors
    move = np.vstack([np.hstack([np.diag(team.persistence), np.zeros((n, n))]), policy])
    return _stage(team, policy) + move.T @ future @ move


def _best_gains(team: Team, spread: Floats, future: Floats) -> tuple[Floats, Floats]:
    """The best diagonal gains of a step, given E[x x'] before it and the matrix of everything after it."""
    n, cost = team.sectors, np.diag(team.cost)
    load = team.aversion * team.risk + cost - 2 * future[n:, n:]
    signal = spread[:n]  # E[s x'], E[w' x']
    before = spread[n:]
    wanted = signal + cost @ before + 2 * future[n:, :n] @ (team.persistence[:, None] * signal)
    # sum_j load_ij (g_j E[s_j x] + f_j E[v_j x]) = wanted_i x for x = s_i and x = v_i
    blocks = [[load * spread[a : a + n, b : b + n] for b in (0, n)] for a in (0, n)]
    aim = np.concatenate([np.diag(wanted[:, :n]), np.diag(wanted[:, n:])])
    found = np.linalg.lstsq(np.block(blocks), aim, rcond=None)[0]  # without holdings keeping them means nothing
    return found[:n], found[n:]

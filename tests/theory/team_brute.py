"""Teams as one quadratic problem in all weights on all observations: slow, and with nothing in common with the solvers.

Numbers are ordered by step, then sector. W = K Y with Y all that is seen, and the utility of an episode is
``E[W'S] - E[W'Q W]/2``, Q risk and costs.
"""

import numpy as np


def moments(team):
    """Covariances of signals S and of what is seen, over an episode."""
    n, steps = team.sectors, team.steps
    s = np.zeros((steps, n, steps, n))
    for u in range(steps):
        for v in range(steps):
            for i in range(n):
                for j in range(n):
                    lag = team.persistence[i] ** (u - v) if u >= v else team.persistence[j] ** (v - u)
                    s[u, i, v, j] = lag * team.signal[i, j]
    s = s.reshape(n * steps, n * steps)
    return s, s + np.diag(np.tile(team.noise**2, steps))


def load(team):
    """Q."""
    n, steps = team.sectors, team.steps
    move = np.eye(n * steps) - np.eye(n * steps, k=-n)
    cost = np.diag(np.tile(team.cost, steps))
    return team.aversion * np.kron(np.eye(steps), team.risk) + move.T @ cost @ move


def utility(team, k):
    """Mean utility of a step under W = K Y."""
    s, y = moments(team)
    return (np.trace(k @ s) - np.trace(load(team) @ k @ y @ k.T) / 2) / team.steps


def best(team, *, own, remembers):
    """Utility and K of the best policy under an information structure."""
    n, steps = team.sectors, team.steps
    s, y = moments(team)
    step, sector = np.repeat(np.arange(steps), n), np.tile(np.arange(n), steps)
    known = step[:, None] >= step if remembers else step[:, None] == step
    if own:
        known = known & (sector[:, None] == sector)
    rows, columns = np.nonzero(known)
    system = load(team)[rows[:, None], rows] * y[columns[:, None], columns]
    k = np.zeros_like(s)
    k[rows, columns] = np.linalg.solve(system, s[rows, columns])
    return utility(team, k), k


def unrolled(team, react, keep):
    """K of ``w_t = react_t y_t + keep_t w_{t-1}``."""
    n, steps = team.sectors, team.steps
    k, before = np.zeros((n * steps, n * steps)), np.zeros((n, n * steps))
    for t in range(steps):
        before = keep[t] @ before
        before[:, t * n : (t + 1) * n] += react[t]
        k[t * n : (t + 1) * n] = before
    return k


def random_team(make, rng, n=3, **more):
    """Sectors that differ in everything."""

    def covariance():
        root = rng.normal(size=(n, n + 2))
        return root @ root.T / (n + 2)

    return make(covariance(), covariance() + 0.1 * np.eye(n), rng.uniform(0.5, 3), **more)


def simulated(team, act, rng, episodes=20_000):
    """Mean utility of a step and its standard error; ``act(t, seen so far, weights before)`` gives the weights."""
    fresh = np.linalg.cholesky(team.innovation + 1e-12 * np.eye(team.sectors))
    signal = rng.normal(size=(episodes, team.sectors)) @ np.linalg.cholesky(team.signal).T
    held, total, seen = np.zeros_like(signal), np.zeros(episodes), []
    for t in range(team.steps):
        seen.append(signal + team.noise * rng.normal(size=signal.shape))
        weights = act(t, seen, held)
        risk = np.einsum("ei,ij,ej->e", weights, team.risk, weights)
        cost = (team.cost * (weights - held) ** 2).sum(axis=1)
        total += (weights * signal).sum(axis=1) - team.aversion / 2 * risk - cost / 2
        held = weights
        signal = team.persistence * signal + rng.normal(size=signal.shape) @ fresh.T
    return total.mean() / team.steps, total.std() / team.steps / np.sqrt(episodes)

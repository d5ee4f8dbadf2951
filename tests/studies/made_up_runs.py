"""Runs of two agents who liquidate the same asset, of costs and schedules that are made up."""

from types import SimpleNamespace

import numpy as np
import pytest
from made_up import around

from tacitlab.learners import DQN
from tacitlab.learners.dqn import Memory, QNetwork
from tacitlab.studies import liquidations
from tacitlab.studies.liquidations import Runs, Size, reference

LEARNER = DQN(network=QNetwork(width=4, layers=1), batch=4, memory=Memory(capacity=32))
SMALL = Size(sessions=2, episodes=20, test_episodes=10, learner=LEARNER)
TWAP = np.full((10, 2), 10.0)


def front(game, points):
    """In place of the search for a Pareto front."""
    return SimpleNamespace(costs=np.array([[9, 14 + points / 100], [10, 11], [14, 9]]))


def runs_of(setting, volatility, costs, schedules=TWAP, test=None, spread=0.1, failed=0, seed=0):
    """Runs with these costs (runs, 2) and schedules, as an experiment would have left them."""
    costs = np.asarray(costs, dtype=float)
    noise = np.random.default_rng(seed).normal(0, 1, (len(costs), 50, 2))
    noise = spread * (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, keepdims=True)
    shape = (len(costs), 10, 2)
    market = liquidations.experiment(setting, volatility, SMALL).market
    learned = costs[:, None] + np.array([3.0, 0.5])[:, None]
    return Runs(
        costs=costs, schedules=np.broadcast_to(np.asarray(schedules, dtype=float), shape).copy(),
        reference=reference(market.lag, market.order), setting=setting, volatility=volatility,
        test_volatility=volatility if test is None else test, numbers=failed + np.arange(len(costs)),
        shortfalls=costs[:, None] + noise, time=np.array([10.0, 20.0]), curve=learned,
        failed=failed, result=SimpleNamespace(experiment=SimpleNamespace(market=market)),
    )  # fmt: skip


def learned(setting, volatility, cost, seed, *, mix=0.0, n=6, apart=0.01, gap=0.4, early=0.0, **more):
    """Runs around a cost, agent 1 paying less by a gap, on schedules that are mixed of TWAP and the equilibrium.

    ``early`` is how many shares more than that they sell in the first half; no two runs and agents sell the same.
    """
    market = liquidations.experiment(setting, volatility, SMALL).market
    nash = reference(market.lag, market.order).nash_schedule
    pull = np.random.default_rng(seed).normal(0, 0.3, (n, 10, 2))
    tilt = early / 5 * np.repeat([1.0, -1.0], 5)[:, None] + np.outer(np.linspace(1, -1, 10), [0.3, -0.2])
    schedules = (1 - mix) * 10.0 + mix * nash[:, None] + tilt + pull - pull.mean(axis=1, keepdims=True)
    costs = around(cost, n, apart, seed)[:, None] + gap * around(1, n, 0.9, seed + 1)[:, None] * np.array([-0.5, 0.5])
    return runs_of(setting, volatility, costs, schedules, spread=0.2 + 0.01 * seed, seed=seed, **more)


@pytest.fixture(scope="module", autouse=True)
def fronts():
    """No search for Pareto fronts, in a file of tests that imports this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquidations, "pareto_front", front)
        liquidations.reference.cache_clear()
        yield
        liquidations.reference.cache_clear()

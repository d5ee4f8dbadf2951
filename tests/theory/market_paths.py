"""Costs of liquidation from first principles: a price path, one trade at a time, without any matrix."""

from itertools import permutations, product

import numpy as np


def walk(schedules, orders, kernel, same_step, temporary, shared, noise=None):
    """Costs of all agents on one path of prices; one asset, and prices relative to the first.

    ``kernel(s, t)``: what a share sold at step s takes off the price from step t > s; ``same_step(s)``: off the price
    of those who come later within step s (``orders[s]`` lists the agents). ``temporary[s]``: off the price of the
    trade itself and, if shared, off those of all in that step. ``noise[s]``: added to the price after step s.
    """
    players, steps = schedules.shape
    noise = np.zeros(steps) if noise is None else noise
    costs = np.zeros(players)
    for step in range(steps):
        mid = sum(noise[:step])
        for earlier in range(step):
            mid -= kernel(earlier, step) * sum(schedules[:, earlier])
        for agent in range(players):
            price = mid - temporary[step] * schedules[agent, step]
            for other in range(players):
                if other != agent and shared:
                    price -= temporary[step] * schedules[other, step]
                if other in orders[step][: orders[step].index(agent)]:
                    price -= same_step(step) * schedules[other, step]
            costs[agent] -= price * schedules[agent, step]
    return costs


def expected(schedules, toss, kernel, same_step, temporary, shared):
    """Mean over the orders of trades; every step's order matters for that step alone."""
    players, steps = schedules.shape
    if not toss:
        return walk(schedules, [list(range(players))] * steps, kernel, lambda s: 0.0, temporary, shared)
    orders = [list(order) for order in permutations(range(players))]
    return np.mean([walk(schedules, [o] * steps, kernel, same_step, temporary, shared) for o in orders], axis=0)


def every_toss(schedules, kernel, same_step, temporary, shared):
    """Costs of both agents for each of the ``2**steps`` outcomes of the tosses."""
    outcomes = product([[0, 1], [1, 0]], repeat=schedules.shape[1])
    return np.array([walk(schedules, orders, kernel, same_step, temporary, shared) for orders in outcomes])

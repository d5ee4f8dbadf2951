"""The execution game as loops over the formulas of the reference: one price, one trade, one agent at a time."""

from itertools import permutations

import numpy as np

from tacitlab.markets.execution.market import Exponential, Permanent, Power


def at(values, step):
    return values[step] if isinstance(values, tuple) else values


def left(market, steps):
    """What share of an impact is left after so many steps."""
    if isinstance(market.kernel, Exponential):
        return np.exp(-market.kernel.decay * market.tau * steps)
    if isinstance(market.kernel, Power):
        return (1 + market.tau * steps) ** -market.kernel.exponent
    return 1.0


def received(market, trades, step, agent, asset, order, noise, liquidity):
    """The price of an agent's trade, ``order`` being the order of the agents within the step."""
    cross = np.array(market.cross_impact or ((1.0,),))
    now, price = trades[step], market.price + noise[step][asset]
    for earlier in range(step):
        if step - earlier < market.lag:
            continue
        for other in range(len(now)):
            for b in range(len(cross)):
                size = at(market.permanent, earlier) * liquidity[earlier][0] * left(market, step - earlier)
                price -= size * cross[asset, b] * trades[earlier][other][b]
    alpha = at(market.temporary, step) / market.tau * liquidity[step][1]
    kappa = at(market.permanent, step) * liquidity[step][0]
    price -= alpha * now[agent][asset]
    for b in range(len(cross)):  # a trade meets half of its own impact, of permanent one only in the other assets
        if not isinstance(market.kernel, Permanent) or b != asset:
            price -= kappa * cross[asset, b] / 2 * now[agent][b]
    for other in range(len(now)):
        if other == agent:
            continue
        if market.shared_temporary:
            price -= alpha * now[other][asset]
        if market.order == "coin-toss" and market.lag == 1 and order.index(other) < order.index(agent):
            price -= sum(kappa * cross[asset, b] * now[other][b] for b in range(len(cross)))
    return price


def public(market, trades, step, noise, liquidity):
    """The prices that everybody sees before a step: those of one who trades nothing in it, like everybody else."""
    quiet = np.array(trades, float)
    quiet[step] = 0.0
    order = list(range(trades.shape[1]))
    return [received(market, quiet, step, 0, asset, order, noise, liquidity) for asset in range(trades.shape[2])]


def rewards(market, trades, step, order, noise, liquidity):
    """Rewards of all agents in a step."""
    found, inventories = [], np.reshape(market.inventories, (trades.shape[1], -1))
    for agent, start in enumerate(inventories):
        total = 0.0
        for asset in range(trades.shape[2]):
            trade = trades[step, agent, asset]
            price = received(market, trades, step, agent, asset, order, noise, liquidity)
            held = start[asset] - sum(trades[: step + 1, agent, asset])
            even = trade if market.reward == "trade" else start[asset] / market.steps
            total += price * trade - market.price * even
            total -= market.risk_aversion * market.volatility**2 * market.tau * held**2
        found.append(total)
    return np.array(found)


def orders(market):
    return [list(order) for order in permutations(range(len(market.inventories)))]

"""The resource market once more, as a plain loop over agents and lots, from the words of its description."""

import math


def growth(m, law, net):
    return 1 + m * net if law == "linear" else math.exp(m * net)


def fill(m, law, execution, net):
    after = growth(m, law, net)
    if execution == "exact":
        return 1.0 if net == 0 else (after - 1) / (m * net)
    return {"pre": 1.0, "mid": (1 + after) / 2, "post": after}[execution]


def worth(market, inventory):
    """Proceeds over the price of selling an inventory lot by lot."""
    side = 1 if inventory > 0 else -1
    price, total = 1.0, 0.0
    for _ in range(round(abs(inventory) / market.quantity)):
        order = -side * market.quantity
        total += side * market.quantity * price * fill(market.alpha, market.law, market.execution, order)
        price *= growth(market.alpha, market.law, order)
    return total


def episode(market, actions, changes, shocks):
    """Gains, prices, inventories and observations of every step, given changes of the price and shocks."""
    explicit, n, q = market.signals == "explicit", market.n_players, market.quantity
    held, cash = [market.inventory * q] * n, [market.cash or 0.0] * n
    price, change, trades, signals = market.price, 0.0, [0.0] * n, [0] * n
    steps = []
    for t, chosen in enumerate(actions):
        seen = [observed(market, i, change, held[i], signals, trades) for i in range(n)]
        wanted = [int(a) // 3 - 1 if explicit else int(a) - 1 for a in chosen]
        signals = [int(a) % 3 - 1 if explicit else 0 for a in chosen]
        trades = []
        for i in range(n):
            lots = held[i] / q + wanted[i]
            good = market.lowest - 0.5 <= lots and (market.highest is None or lots <= market.highest + 0.5)
            if market.cash is not None and wanted[i] > 0:
                good = good and cash[i] >= q * price * fill(market.alpha, market.law, market.execution, q)
            trades.append(wanted[i] * q if good else 0.0)
        net, change = sum(trades), changes[t]
        after = price * (1 + change if market.law == "linear" else math.exp(change))
        paid = price * fill(market.alpha, market.law, market.execution, net)
        gains, owned = [], []
        for i in range(n):
            before, new = held[i], held[i] + trades[i]
            if market.valuation == "liquidation":
                gain = after * worth(market, new) - price * worth(market, before) - trades[i] * paid
            else:
                gain = (after * new - trades[i] * paid) - price * before
            if market.valuation == "final-liquidation" and t == len(actions) - 1:
                gain += after * (worth(market, new) - new)
            cash[i] -= trades[i] * paid
            held[i] = new + shocks[t][i] * q
            if market.shock:
                held[i] = min(max(held[i], market.lowest * q), market.highest * q)
            owned.append(cash[i] + after * (worth(market, held[i]) if market.valuation == "liquidation" else held[i]))
            gains.append(gain - market.holding_penalty * after * held[i] ** 2)
        price = after
        steps.append({
            "seen": seen, "gains": gains, "price": price, "trade": trades, "held": list(held), "cash": list(cash),
            "owned": owned,
        })  # fmt: skip
    return steps


def observed(market, i, change, held, signals, trades):
    trend = 2 if change > market.band else 0 if change < -market.band else 1
    lots = held / market.quantity
    level = 0 if lots < market.levels[0] else 2 if lots >= market.levels[1] else 1
    others = sum(x for k, x in enumerate(signals if market.signals == "explicit" else trades) if k != i)
    heard = 1 + (others > 0) - (others < 0)
    known = {"trend": trend, "level": level, "signal": heard}
    return [known[name] for name in market.observes]

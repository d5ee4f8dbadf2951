"""Auctions once more, from the words of their description: one auction at a time, ties broken by a given order."""

import itertools

import numpy as np


def settle(game, bids, order):
    """Units and payments; ``order`` lists the n m bids, an earlier one beats an equal later one."""
    n, m = len(bids), len(bids[0])
    offers = [(bids[i][j], order.index(i * m + j), i) for i in range(n) for j in range(m) if bids[i][j] >= game.reserve]
    offers.sort(key=lambda offer: (-offer[0], offer[1]))
    winners, losers = offers[: game.units], offers[game.units :]
    units, payments = [0] * n, [0.0] * n
    if game.format == "all-pay":
        for bid, _, i in offers:
            payments[i] += bid
    for bid, _, i in winners:
        units[i] += 1
        if game.format == "first-price":
            payments[i] += bid
        elif game.rejected_price:
            payments[i] += losers[0][0] if losers else game.reserve
        elif game.format == "uniform-price":
            full = len(winners) == game.units
            payments[i] += winners[-1][0] if full else game.reserve
    return units, payments


def expected(game, bids):
    """Means over all orders in which ties can be broken."""
    orders = list(itertools.permutations(range(len(bids) * len(bids[0]))))
    results = [settle(game, bids, list(order)) for order in orders]
    return np.mean([units for units, _ in results], axis=0), np.mean([paid for _, paid in results], axis=0)


def values(game, signals):
    """What a unit is worth to each."""
    return [sum(signals)] * len(signals) if game.common else list(signals)


def many(game, bids, rng):
    """Units and payments of many auctions at once: bids (samples, n, m)."""
    flat = np.where(bids >= game.reserve, bids, -1.0).reshape(len(bids), -1)
    place = np.lexsort((rng.random(flat.shape), -flat), axis=-1).argsort(axis=-1)
    won = (place < game.units) & (flat >= 0)
    shape = bids.shape
    units = won.reshape(shape).sum(axis=2)
    made = np.maximum(flat, 0.0)
    if game.format in ("all-pay", "first-price"):
        paid = made if game.format == "all-pay" else made * won
        return units, paid.reshape(shape).sum(axis=2)
    wanted = game.units if game.rejected_price else game.units - 1
    price = np.max(np.where(place == wanted, flat, game.reserve), axis=1)
    return units, units * np.maximum(price, game.reserve)[:, None]


def simulate(game, functions, samples=40_000, seed=0):
    """Means and standard errors of surpluses (n,), revenue and welfare if bidders follow bid functions."""
    rng = np.random.default_rng(seed)
    signals = rng.random((samples, game.bidders))
    bids = np.stack([function(signals[:, i]) for i, function in enumerate(functions)], axis=1)
    units, payments = many(game, bids, rng)
    worth = (signals.sum(axis=1, keepdims=True) if game.common else signals) * units
    columns = np.column_stack([worth - payments, payments.sum(axis=1), worth.sum(axis=1)])
    return columns.mean(axis=0), columns.std(axis=0) / np.sqrt(samples)

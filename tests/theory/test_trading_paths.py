"""Values of the trading game against simulated prices, inventories and cash, written from the game's description."""

from dataclasses import replace

import numpy as np
import pytest

from tacitlab.markets.resource.equilibrium import equilibrium
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.response import Policy, best_response, value
from tacitlab.markets.resource.theory import TradingGame

PATHS = 20_000
LAWS = [("linear", "pre"), ("linear", "mid"), ("linear", "post")] + [
    ("exponential", execution) for execution in ("pre", "mid", "post", "exact")
]
VALUATIONS = ("mark-to-market", "liquidation", "final-liquidation")
GAME = TradingGame(
    alpha=0.02, quantity=1.5, lowest=-1, highest=3, start=1, steps=7, volatility=0.02, holding_penalty=0.002, shock=0.2
)
LEVELS, BAND = (0, 2), 0.02


class Tape:
    """What is known when agents act; arrays over paths, then agents."""

    def __init__(self, game, agents, paths):
        self.step = 0
        self.price = np.full(paths, game.price)
        self.lots = np.full((paths, agents), game.start)
        self.change = np.zeros(paths)
        self.signals = np.zeros((paths, agents), dtype=int)
        self.executed = np.zeros((paths, agents), dtype=int)

    def trend(self, band):
        return np.where(self.change > band, 2, np.where(self.change < -band, 0, 1))


def impact(game, net):
    """Price after a net order in lots, and price of fills, both over the price before."""
    x = game.alpha * game.quantity * net
    after = 1 + x if game.law == "linear" else np.exp(x)
    if game.execution == "exact":
        return after, np.where(x == 0, 1, (after - 1) / np.where(x == 0, 1, x))
    return after, {"pre": 1 + 0 * x, "mid": (1 + after) / 2, "post": after}[game.execution]


def liquidated(game, lots):
    """Proceeds of trading all inventories to 0, lot by lot, at a price of 1."""
    left, price, cash = lots.copy(), np.ones(lots.shape), np.zeros(lots.shape)
    while left.any():
        side = -np.sign(left)
        after, fill = impact(game, side)
        cash -= game.quantity * side * price * fill
        price, left = price * after, left + side
    return cash


def simulate(game, decide, random, agents=2, paths=PATHS):
    """Rewards of an episode, (paths, agents); ``decide(tape)`` gives sides and signals, each -1, 0 or 1."""
    tape, totals = Tape(game, agents, paths), np.zeros((paths, agents))
    for step in range(game.steps):
        tape.step = step
        sides, tape.signals = decide(tape)
        wanted = tape.lots + sides
        tape.executed = np.where((wanted < game.lowest) | (wanted > game.highest), 0, sides)
        net = tape.executed.sum(axis=1)
        noise = random.normal(0, game.volatility, paths)
        fill = impact(game, net)[1]
        if game.law == "linear":
            tape.change = game.alpha * game.quantity * net + noise
            price = tape.price * (1 + tape.change)
        else:
            tape.change = game.alpha * game.quantity * net + noise - game.volatility**2 / 2
            price = tape.price * np.exp(tape.change)
        before, lots = tape.lots, tape.lots + tape.executed
        paid = tape.executed * game.quantity * (tape.price * fill)[:, None]
        old, new = before * game.quantity, lots * game.quantity
        if game.valuation == "liquidation":
            old, new = liquidated(game, before), liquidated(game, lots)
        elif game.valuation == "final-liquidation" and step == game.steps - 1:
            new = liquidated(game, lots)
        totals += price[:, None] * new - tape.price[:, None] * old - paid
        hit = random.random((paths, agents)) < game.shock
        lots = np.clip(lots + hit * random.choice([-1, 1], (paths, agents)), game.lowest, game.highest)
        totals -= game.holding_penalty * price[:, None] * (lots * game.quantity) ** 2
        tape.price, tape.lots = price, lots
    return totals


def drawn(random, chances):
    """An index along the last axis for each row of probabilities."""
    return (random.random(chances.shape[:-1])[..., None] > chances.cumsum(axis=-1)[..., :-1]).sum(axis=-1)


def act(policy, tape, agent, random):
    """Action of a frozen trader."""
    lots, other = tape.lots[:, agent], 1 - agent
    level = np.where(lots < policy.levels[0], 0, np.where(lots >= policy.levels[1], 2, 1))
    seen = [tape.trend(policy.band), level]
    if policy.signals != "none":
        seen.append(1 + (tape.signals if policy.signals == "explicit" else tape.executed)[:, other])
    return drawn(random, policy.probabilities[tuple(seen)])


def respond(response, game, policy, tape):
    """Action of the responder, as the first agent."""
    told = {"none": -1 + 0 * tape.signals, "explicit": tape.signals, "implicit": tape.executed}[policy.signals] + 1
    lots = (tape.lots - game.lowest).T
    return response.actions[(tape.step, *lots, tape.trend(policy.band), *told.T)]


def decoded(policy, actions):
    """Sides and signals, (paths, agents), of a list of actions."""
    actions = np.stack(actions, axis=1).astype(int)
    if policy.signals == "explicit":
        return actions // 3 - 1, actions % 3 - 1
    return actions - 1, np.zeros_like(actions)


def frozen(random, signals):
    shape, count = {"none": ((3, 3), 3), "implicit": ((3, 3, 3), 3), "explicit": ((3, 3, 3), 9)}[signals]
    return Policy(random.dirichlet(np.full(count, 0.3), size=shape), signals, LEVELS, BAND)


def assert_confirmed(values, totals):
    """Within four standard errors: of all comparisons here, some 250, one is expected beyond three."""
    error = totals.std(axis=0, ddof=1) / np.sqrt(len(totals))
    deviation = (totals.mean(axis=0) - values) / error
    assert np.abs(deviation).max() < 4, deviation


CASES = [(law, execution, valuation) for law, execution in LAWS for valuation in VALUATIONS]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_values_of_frozen_policies_and_of_responses(case):
    law, execution, valuation = case
    number = CASES.index(case)
    random, signals = np.random.default_rng(number), ("none", "implicit", "explicit")[(number + number // 3) % 3]
    game = replace(GAME, law=law, execution=execution, valuation=valuation)
    one, two = frozen(random, signals), frozen(random, signals)
    totals = simulate(game, lambda t: decoded(one, [act(one, t, 0, random), act(two, t, 1, random)]), random)
    assert_confirmed(value(game, (one, two)), totals)
    for goal in ("own", "others"):
        best = best_response(game, two, goal)
        totals = simulate(
            game, lambda t, b=best: decoded(two, [respond(b, game, two, t), act(two, t, 1, random)]), random
        )
        assert_confirmed(best.values, totals)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_joint_optima_and_equilibria(case):
    law, execution, valuation = case
    random = np.random.default_rng(100 + CASES.index(case))
    game = replace(GAME, law=law, execution=execution, valuation=valuation)
    for agents in (1, 2, 3):
        best = joint_optimum(game, agents)
        totals = simulate(game, lambda t, b=best: (b.orders(t.step, t.lots), t.signals), random, agents)
        assert_confirmed(best.value, totals.mean(axis=1))
    found = equilibrium(game)

    def decide(tape):
        lots = tape.lots - game.lowest
        chances = found.strategies[tape.step, :, lots[:, 0], lots[:, 1]]
        return drawn(random, chances) - 1, tape.signals

    assert_confirmed(found.values, simulate(game, decide, random))


@pytest.mark.parametrize("sigma", [0.0, 0.01])
def test_long_episodes(sigma):
    random = np.random.default_rng(9)
    game = replace(GAME, steps=100, volatility=sigma, alpha=0.01)
    one, two = frozen(random, "explicit"), frozen(random, "explicit")
    best = best_response(game, two)
    totals = simulate(
        game, lambda t: decoded(two, [respond(best, game, two, t), act(two, t, 1, random)]), random, paths=2000
    )
    assert_confirmed(best.values, totals)
    totals = simulate(
        game, lambda t: decoded(one, [act(one, t, 0, random), act(two, t, 1, random)]), random, paths=2000
    )
    assert_confirmed(value(game, (one, two)), totals)

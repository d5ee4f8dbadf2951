"""A step of the token economy against plain loops."""

from copy import deepcopy
from itertools import permutations

import numpy as np
import pytest
from plain_token import Economy
from token_play import one

from tacitlab.markets.token.curves import Exponential, Linear, Power, Sigmoid
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import Factors, Peer, PrivateValues, Resource, Rewards, Shock
from tacitlab.markets.token.pricing import Imbalance, Ito, Premium

STEPS, AGENTS = 8, 3
TIGHT = {"agents": AGENTS, "steps": STEPS, "order_size": 0.6, "holdings": (0.5, 2.0, 3.5), "capital": 1.5}
TWO = {"assets": 2, "curve": (Sigmoid(steepness=0.5, middle=7.0), Linear(rise=0.1, start=0.3))}
EVERYTHING = {
    "fee": 0.02, "exit_tax": 0.05, "income": 0.3, "capacity": 8.0, "treasury": 1.0, "treasury_cash": 30.0,
    "factors": Factors(
        mean=0.3, volatility=0.0, demand=0.5, premium=0.4, mint=0.1, shock=Shock(step=2, size=-1.5), persistence=0.8
    ),
    "peer": Peer(strength=0.4),
    "pricing": Premium(decay=0.2, flow=0.5, excess=0.3),
    "utility": PrivateValues(spread=0.0, mean=1.2),
    "rewards": Rewards(stability=0.7, cooperation=0.4),
}  # fmt: skip
MARKETS = {
    "plain": TokenEconomy(**TIGHT, **TWO),
    "everything": TokenEconomy(**TIGHT, **TWO, **EVERYTHING),
    "everything, in turn": TokenEconomy(**TIGHT, **TWO, **EVERYTHING, clearing="sequential"),
    "spot, free tokens": TokenEconomy(
        **TIGHT, curve=Power(scale=0.2), clearing="spot", peer=Peer(mode="literal", strength=0.2),
        utility=Resource(rate=0.3), rewards=Rewards(wealth="mark-to-market", others="literal", cooperation=0.2),
    ),
    "literal price": TokenEconomy(
        **TIGHT, clearing="spot", pricing=Imbalance(flow=0.2, imbalance=0.005), curve=Linear(),
        rewards=Rewards(changes="literal", stability=0.3, profit=2.0),
        factors=Factors(mean=0.5, volatility=0.0, mint=0.2, backed=False), treasury_cash=1.0,
    ),
    "ito": TokenEconomy(
        **TIGHT, clearing="spot", pricing=Ito(drift=0.02, pull=0.3, volatility=0.0), curve=Exponential(growth=0.2),
        factors=Factors(mean=0.5, volatility=0.0, mint=0.2), treasury_cash=0.1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MARKETS)
def test_steps_are_those_of_plain_loops(name):
    market = MARKETS[name]
    parts = np.random.default_rng(0).uniform(-1, 1, (STEPS, AGENTS, market.assets))
    parts[1], parts[4] = 0.999, -0.999  # everybody buys, then sells: limits bind
    found, economy = one(market, parts), Economy(market)
    binding = 0
    for t in range(STEPS):
        state = state_at(found, t + 1)
        economy = ahead(economy, parts[t], state.cash)
        np.testing.assert_allclose(state.cash, economy.cash, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(state.holdings, economy.holdings, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(state.supply, economy.supply, rtol=1e-9)
        np.testing.assert_allclose(state.treasury, economy.treasury, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(state.price, economy.price, rtol=1e-9)
        money = [economy.reserve, economy.fees, economy.treasury_cash]
        np.testing.assert_allclose(state.money, money, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found["rewards"][t], economy.rewarded, rtol=1e-8, atol=1e-9)
        binding += found["info"]["clipped"][t]
    assert binding > 0, "else no limit has been tested"


def state_at(found, t):
    states = found["states"]
    return found["last"] if t == len(states.cash) else type(states)(*(x[t] for x in states))


def ahead(economy, parts, cash):
    """The economy one step on, in the order of agents that comes nearest to some cash, if there is one."""
    reached = []
    for order in permutations(range(AGENTS)) if economy.market.clearing == "sequential" else [None]:
        after = deepcopy(economy)
        after.rewarded = after.step(parts, order)
        reached.append(after)
    return min(reached, key=lambda after: np.abs(np.array(after.cash) - cash).max())

"""The token economy of two agents as a game over what they hold, where it is one: then its theory is exact."""

from typing import TYPE_CHECKING

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.markets.token.holding_game import Floats, HoldingGame, check_size
from tacitlab.markets.token.parts import PrivateValues, Resource
from tacitlab.markets.token.pricing import OnCurve

if TYPE_CHECKING:
    from tacitlab.markets.token.market import TokenEconomy

WHOLE = 1e-9  # how far a holding may be from a whole number of lots
LEAST_PRICE = 1e-6  # in initial prices, in logarithms, as in the dynamics
SIDES = np.array([-1, 0, 1])


def holding_game(market: "TokenEconomy") -> HoldingGame:
    """Two agents who sell, hold or buy one lot, the largest order, of one token at the mean price along its curve.

    Raises
    ------
    TacitError
        If this is another game, if something is random, or if cash or capacity may bind.

    Notes
    -----
    Price, reserve and supply follow from what both hold, so that rewards need no grid of prices, on any curve. The
    reward is that of the market: the change of wealth less what a lot costs with fee and tax, utility, and the weights
    of cooperation and stability.

    Examples
    --------
    Nobody can gain by trading along a curve but at the other's expense, and who sells first does:

    >>> from tacitlab.markets.token.market import TokenEconomy
    >>> from tacitlab.markets.token.holding_game import equilibrium, joint_optimum
    >>> game = holding_game(TokenEconomy(agents=2, orders="ternary", steps=3, fee=0.0, holdings=50.0))
    >>> joint_optimum(game).values, equilibrium(game).strategies[0][0, 20, 20]
    (array([0., 0.]), array([1., 0., 0.]))
    """
    if problem := _another(market):
        raise TacitError(problem)
    lot = market.largest
    first = market.endowments() / lot
    start = np.rint(first).astype(int)
    if np.abs(first - start).max() > WHOLE * max(1.0, float(first.max())):
        raise TacitError(f"order_size: agents hold {first[0]:g} and {first[1]:g} largest orders; choose whole numbers")
    if problem := _binding(market, lot):
        raise TacitError(problem)
    sizes = [int(lots) + market.steps + 1 for lots in start]
    check_size(sizes[0] * sizes[1], market.steps)
    rewards = _rewards(market, lot, *sizes)
    return HoldingGame(rewards, (int(start[0]), int(start[1])), market.steps)


def _another(market: "TokenEconomy") -> str:
    """Why it is no such game; empty if it is."""
    if (market.agents, market.assets, market.orders) != (2, 1, "ternary"):
        return "agents: exact values need two agents, one asset and orders=ternary"
    if market.clearing != "batch" or not isinstance(market.pricing, OnCurve) or market.peer is not None:
        return "clearing: exact values need clearing=batch, pricing on the curve, and no peer influence"
    if market.factors is not None or market.curves[0].noise or isinstance(market.utility, PrivateValues):
        return "factors: exact values need a market without chance: no factors, noise or private values"
    return ""


def _binding(market: "TokenEconomy", lot: float) -> str:
    """Whether someone who always buys could run out of cash, or both out of room; empty if not."""
    most = market.supply + 2 * market.steps * lot
    if most > market.largest_supplies()[0]:
        return f"capacity: {most:g} tokens, as many as can be bought, are more than there may be; take fewer steps"
    worst = market.steps * lot * float(market.curves[0].price(most)) * (1 + market.fee)
    if worst > market.capital * (1 - WHOLE):
        return f"capital: who always buys pays up to {worst:g}; give agents more than that, or take fewer steps"
    return ""


def _rewards(market: "TokenEconomy", lot: float, *sizes: int) -> Floats:
    """Rewards as of :class:`HoldingGame`."""
    curve, weights = market.curves[0], market.rewards
    one, two = (np.arange(n)[:, None] for n in sizes)
    traded = [np.clip(lots + SIDES, 0, n - 1) - lots for lots, n in zip((one, two), sizes, strict=True)]
    held = lot * one[:, :, None, None], lot * two[None, :, None]
    trade = lot * traded[0][:, None, :, None], lot * traded[1][None, :, None, :]
    before, net = market.treasury + held[0] + held[1], trade[0] + trade[1]
    after = np.maximum(before + net, 0.0)
    each, price = curve.average(before + 0 * net, np.maximum(net, -before)), curve.price(after)
    least = LEAST_PRICE * float(curve.price(market.supply))
    changes = price - curve.price(before)
    if weights.changes == "relative":
        changes = np.log(np.maximum(price, least) / np.maximum(curve.price(before), least))

    def worth(supply: Floats) -> Floats:
        return np.asarray(curve.average(0 * supply, supply) if weights.wealth == "liquidation" else curve.price(supply))

    own = []
    for agent in range(2):
        paid, has = each * trade[agent], held[agent] + trade[agent]
        charges = market.fee * np.abs(paid) + market.exit_tax * np.maximum(-paid, 0)
        profit = worth(after) * has - worth(before) * held[agent] - paid - charges
        own.append(weights.profit * profit + _utility(market, agent, has, price))
    regard = np.stack([own[0] + weights.cooperation * own[1], own[1] + weights.cooperation * own[0]])
    return np.asarray(regard - weights.stability * np.abs(changes))


def _utility(market: "TokenEconomy", agent: int, held: Floats, price: Floats) -> Floats:
    """What holding gives in a step, after interest."""
    if not isinstance(market.utility, Resource):
        return np.zeros_like(held)
    taste = market.utility.each(2)[agent]
    return np.asarray(market.utility.rate * (taste * held - held**2 / 2 - price * held))

"""From the description of a token economy to its dynamics."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tacitlab.markets.token import parts, pricing
from tacitlab.markets.token.clearing import Clearing
from tacitlab.markets.token.curve_dynamics import Curves
from tacitlab.markets.token.dynamics import TokenDynamics, TokenState
from tacitlab.markets.token.factors import FactorLaw
from tacitlab.markets.token.rewards import Rewards, Utility

if TYPE_CHECKING:
    from tacitlab.markets.token.market import TokenEconomy

LEAST_SCALE = 1e-6  # of returns, where nobody's orders move the price


def build(market: "TokenEconomy") -> TokenDynamics:
    """The dynamics of a market as it was described."""
    largest = market.order_size * market.supply / market.agents
    return TokenDynamics(
        roles=market.roles(),
        observed=market.observed(),
        free_tokens=market.peer is not None and market.peer.mode == "literal",
        curves=Curves(
            tuple(type(curve) for curve in market.curves),
            tuple({name: _array(x) for name, x in curve.parameters().items()} for curve in market.curves),
        ),
        clearing=Clearing(market.clearing, _array(market.fee), _array(market.largest_supplies())),
        pricing=_pricing(market.pricing),
        factors=_factors(market.factors or parts.Factors(volatility=0.0)),
        utility=_utility(market),
        rewards=_rewards(market),
        start=_start(market),
        horizon=jnp.asarray(market.steps, jnp.int32),
        largest=_array(largest),
        exit_tax=_array(market.exit_tax),
        income=_array(market.income),
        noise=_array([curve.noise for curve in market.curves]),
        peer=_array(market.peer.strength if market.peer else 0.0),
        return_scale=_array(np.maximum(market.agents * largest * _steepness(market), LEAST_SCALE)),
    )


def _array(x: Any) -> Array:
    return jnp.asarray(x, float)  # single precision, unless JAX is told otherwise


def _steepness(market: "TokenEconomy") -> Any:
    """By what part the price of each asset rises with a token, at the beginning."""
    return np.array([float(curve.slope(market.supply) / curve.price(market.supply)) for curve in market.curves])


def _first_prices(market: "TokenEconomy") -> Any:
    """Prices at the beginning, on the curve."""
    prices = np.array([float(curve.price(market.supply)) for curve in market.curves])
    shift = market.factors.premium * market.factors.mean if market.factors else 0.0
    return prices * max(1 + shift, pricing.LEAST_FACTOR)


def _start(market: "TokenEconomy") -> TokenState:
    agents, assets, nothing = market.agents, market.assets, np.zeros(market.assets)
    reserve = sum(float(curve.reserve(market.supply)) for curve in market.curves)
    return TokenState(
        step=jnp.zeros((), jnp.int32),
        cash=_array(np.full(agents, market.capital)),
        holdings=_array(np.repeat(market.endowments()[:, None], assets, axis=1)),
        supply=_array(nothing + market.supply),
        treasury=_array(nothing + market.treasury),
        money=_array([reserve, 0.0, market.treasury_cash]),
        granted=_array(agents * market.capital + reserve + market.treasury_cash),
        price=_array(_first_prices(market)),
        premium=_array(nothing),
        noise=_array(nothing),
        factor=_array(nothing + (market.factors.mean if market.factors else 0.0)),
        values=_array(np.zeros((agents, assets))),
        trades=_array(np.zeros((agents, assets))),
        returns=_array(np.zeros((market.lags, assets))),
    )


def _pricing(law: parts.AnyPricing) -> pricing.Pricing:
    if isinstance(law, parts.Imbalance):
        return pricing.Imbalance(_array(law.flow), _array(law.imbalance))
    if isinstance(law, parts.Ito):
        numbers = [_array(x) for x in (law.drift, law.pull, law.volatility)]
        return pricing.Ito(law.law == "proportional", law.substeps, *numbers)
    if isinstance(law, parts.Premium):
        return pricing.OnCurve(_array(law.decay), _array(law.flow), _array(law.excess))
    return pricing.OnCurve(_array(0.0), _array(0.0), _array(0.0))


def _factors(law: parts.Factors) -> FactorLaw:
    step, size = (law.shock.step, law.shock.size) if law.shock else (0, 0.0)
    return FactorLaw(
        persistence=_array(law.persistence), mean=_array(law.mean), volatility=_array(law.volatility),
        demand=_array(law.demand), premium=_array(law.premium), mint=_array(law.mint),
        backed=_array(float(law.backed)), shock_step=jnp.asarray(step, jnp.int32), shock=_array(size),
    )  # fmt: skip


def _utility(market: "TokenEconomy") -> Utility:
    law, shape = market.utility, (market.agents, market.assets)
    if isinstance(law, parts.Resource):
        tastes = np.repeat(law.each(market.agents)[:, None], market.assets, axis=1)
        numbers: tuple[Any, ...] = (law.rate, 1.0, tastes, 0.0, 0.0)
    elif isinstance(law, parts.PrivateValues):
        prices = np.broadcast_to(_first_prices(market), shape)
        numbers = (law.rate, 0.0, law.mean * prices, law.spread * prices, law.persistence)
    else:
        numbers = (0.0, 0.0, np.zeros(shape), 0.0, 0.0)
    rate, curvature, mean, spread, persistence = numbers
    spreads = _array(np.broadcast_to(spread, shape))
    return Utility(_array(rate), _array(curvature), _array(mean), spreads, _array(persistence))


def _rewards(market: "TokenEconomy") -> Rewards:
    rewards = market.rewards
    each = rewards.cooperation / (market.agents - 1) if rewards.others == "mean" else rewards.cooperation
    return Rewards(
        liquidation=rewards.wealth == "liquidation", relative=rewards.changes == "relative",
        profit=_array(rewards.profit), stability=_array(rewards.stability), cooperation=_array(each),
    )  # fmt: skip

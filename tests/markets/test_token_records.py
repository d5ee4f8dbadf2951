"""What a token economy records, against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from token_play import one

from tacitlab.markets.token.curves import Exponential
from tacitlab.markets.token.dynamics import PAIRS, beyond_rounding, concentration, gini
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.markets.token.parts import PrivateValues


@pytest.mark.parametrize("agents", [2, 7, PAIRS, PAIRS + 1])
def test_gini_is_half_the_relative_mean_difference(agents):
    wealth = np.random.default_rng(0).exponential(size=agents)
    wanted = np.abs(np.subtract.outer(wealth, wealth)).mean() / (2 * wealth.mean())
    assert gini(jnp.asarray(wealth)) == pytest.approx(wanted, rel=1e-4)
    assert gini(jnp.zeros(agents)) == 0


def test_concentration_is_the_sum_of_squared_shares():
    found = concentration(jnp.array([[1.0, 0.0], [3.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [(1 + 9) / 16, 0])


def test_rounding_is_no_error():
    small, large = jnp.float32(1e-3), jnp.float32(0.2)
    assert beyond_rounding(small, jnp.float32(5000.0)) == 0
    assert beyond_rounding(-large, jnp.float32(5000.0)) == -large
    with jax.enable_x64(True):
        assert beyond_rounding(jnp.float64(1e-9), jnp.float64(100.0)) == 1e-9, "double precision hides nothing of this"


def test_quantities_are_what_their_names_say():
    market = TokenEconomy(agents=4, steps=6, order_size=0.4, utility=PrivateValues(), fee=0.01)
    found = one(market, np.random.default_rng(0).uniform(-1, 1, (6, 4, 1)))
    info, states = found["info"], found["states"]
    np.testing.assert_allclose(np.diff(states.holdings[..., 0], axis=0), info["trade"][:-1], atol=1e-12)
    np.testing.assert_allclose(info["holdings"][:-1], states.holdings[1:, :, 0])
    np.testing.assert_allclose(info["cash"][:-1], states.cash[1:])
    np.testing.assert_allclose(info["volume"], np.abs(info["trade"]).sum(axis=1))
    np.testing.assert_allclose(info["supply"], 8 + np.cumsum(info["trade"].sum(axis=1)))
    np.testing.assert_allclose(info["price"], Exponential().price(info["supply"]), rtol=1e-9)
    returns = np.diff(np.log(np.append(Exponential().price(8), info["price"])))
    np.testing.assert_allclose(info["absolute_return"], np.abs(returns), atol=1e-12)
    np.testing.assert_allclose(info["squared_return"], returns**2, atol=1e-12)
    seen, names = found["seen"][-1, 0], market.roles()[0].observes
    np.testing.assert_allclose([seen[names.index(f"return{k}")] for k in ("", ", 1 steps ago")], returns[[4, 3]])
    values = states.values[..., 0]
    np.testing.assert_allclose(info["welfare"], 0.05 * (values * info["holdings"]).sum(axis=1), rtol=1e-9)
    flow = 0.05 * (values - info["price"][:, None]) * info["holdings"]
    np.testing.assert_allclose(info["utility"], flow, atol=1e-12)
    curve = Exponential()
    wealth = info["cash"] + info["holdings"] * (curve.reserve(info["supply"]) / info["supply"])[:, None]
    np.testing.assert_allclose(info["wealth"], wealth, rtol=1e-9)
    gaps = np.abs(wealth[:, :, None] - wealth[:, None]).mean(axis=(1, 2))
    np.testing.assert_allclose(info["gini"], gaps / (2 * wealth.mean(axis=1)), rtol=1e-9)
    first = 100 + 2 * curve.reserve(8) / 8
    profit = np.diff(wealth, axis=0, prepend=np.full((1, 4), first))
    np.testing.assert_allclose(found["rewards"], profit + info["utility"], atol=1e-10)
    assert (info["clipped"] == 0).all()
    assert (info["unpaid"] == 0).all()

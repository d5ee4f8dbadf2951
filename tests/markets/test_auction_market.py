"""The auction in motion against plain auctions, its accounts, ties, rules, and its benchmarks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import paths

from tacitlab.errors import TacitError
from tacitlab.markets.auction.market import Auction
from tacitlab.markets.auction.outcome import outcome
from tacitlab.testing import check_market

UNIFORM = {"format": "uniform-price"}
SINGLE = [
    Auction(bidders=3, format="first-price", reserve=0.3),
    Auction(bidders=3, format="second-price", reserve=0.2),
    Auction(bidders=3, format="all-pay", reserve=0.1),
    Auction(bidders=3, units=2, reserve=0.2, **UNIFORM),
    Auction(bidders=3, units=2, pricing="lowest-accepted", reserve=0.3, **UNIFORM),
    Auction(bidders=3, units=2, format="first-price"),
    Auction(bidders=3, format="second-price", values="common", reserve=0.5),
    Auction(bidders=3, format="all-pay", values="common", highest_bid=2.0),
]
SEVERAL = [
    Auction(units=2, demand=2, **UNIFORM),
    Auction(units=3, demand=2, format="first-price", reserve=0.2),
    Auction(units=3, demand=2, pricing="lowest-accepted", reserve=0.2, **UNIFORM),
    Auction(units=3, demand=2, format="all-pay"),
]
GRIDS = [
    Auction(bids=5, format="first-price", reserve=0.25),
    Auction(bids=5, format="all-pay", values="common"),
    Auction(bids=3, units=2, demand=2, **UNIFORM),
    Auction(bids=3, units=3, demand=2, pricing="lowest-accepted", **UNIFORM),
]


def label(market):
    return f"{market.format}-{market.units}-{market.demand}-{market.values}-{market.bids}"


AUCTIONS = 1000


def played(market, seed=0, widest=0.999, actions=None):
    """Auctions with random bids in double precision: signals, bids in money, rewards, what was recorded."""
    role, rng = market.roles()[0], np.random.default_rng(seed)
    if actions is not None:
        actions = np.broadcast_to(actions, (AUCTIONS, 1, *actions.shape))
    elif market.bids == "continuous":
        actions = rng.uniform(-widest, widest, (AUCTIONS, 1, market.bidders, market.demand))
    else:
        actions = rng.integers(0, role.actions.size, (AUCTIONS, 1, market.bidders, 1)).astype(float)
    with jax.enable_x64(True):
        found = paths(market, actions, seed)
        signals = found["states"].signals[:, 0]
        bids = jax.vmap(market.dynamics().bids)(jnp.asarray(actions[:, 0]), jnp.asarray(signals))
    return signals, np.asarray(bids), found["rewards"][:, 0], found["info"]


def test_shares_are_of_the_own_signal():
    """The same actions, once bids and once shares, and what an equilibrium of bids is in shares."""
    bids, shares = (Auction(format="all-pay", bid_as=unit) for unit in ("money", "share"))
    signals, money, _, _ = played(bids)
    np.testing.assert_allclose(played(shares)[1], money * signals[..., None], atol=1e-12)
    with jax.enable_x64(True):
        dynamics, seen = shares.dynamics(), jnp.asarray([0.8])
        action = dynamics.follow("bayes-nash", shares.roles()[0], seen, jnp.zeros(1))
        np.testing.assert_allclose(dynamics.bids(action[None], seen), 0.8**2 / 2, atol=1e-6)
    with pytest.raises(TacitError, match="bid_as"):
        Auction(bids=5, bid_as="share")


SHARES = [Auction(bidders=3, format="first-price", values="common", bid_as="share")]


@pytest.mark.parametrize("market", SINGLE + SEVERAL + SHARES, ids=label)
def test_auctions_are_those_of_theory(market):
    """Without ties; grids are below."""
    signals, bids, rewards, info = played(market)
    units, payments = outcome(market.game, bids)
    worth = signals.sum(axis=1, keepdims=True) if market.values == "common" else signals
    np.testing.assert_array_equal(info["won"][:, 0], units)
    np.testing.assert_allclose(info["payment"][:, 0], payments, atol=1e-6)
    np.testing.assert_allclose(rewards, worth * units - payments, atol=1e-6)
    np.testing.assert_allclose(info["bid"][:, 0], bids.max(axis=2), atol=1e-6)
    if market.demand == 2:
        np.testing.assert_allclose(info["bid_2"][:, 0], bids.min(axis=2), atol=1e-6)


@pytest.mark.parametrize("market", SINGLE + SEVERAL + GRIDS, ids=label)
def test_accounts_add_up(market):
    signals, bids, rewards, info = played(market, seed=1, widest=1.3)
    assert bids.min() == 0
    assert bids.max() == market.top
    won, payment = info["won"][:, 0], info["payment"][:, 0]
    np.testing.assert_allclose(rewards.sum(axis=1) + info["revenue"][:, 0], info["welfare"][:, 0], atol=1e-6)
    np.testing.assert_allclose(payment.sum(axis=1), info["revenue"][:, 0], atol=1e-6)
    valid = (bids >= market.reserve - 1e-9).sum(axis=(1, 2))
    np.testing.assert_array_equal(won.sum(axis=1), np.minimum(market.units, valid))
    assert (won <= market.demand).all()
    assert (payment >= won * market.reserve * (market.format != "all-pay") - 1e-6).all()
    efficiency = info["efficiency"][:, 0]
    assert ((efficiency >= 0) & (efficiency <= 1 + 1e-6)).all()
    if market.values == "independent":
        shares = np.array(market.game.shares())
        best = (-np.sort(-signals, axis=1) * shares).sum(axis=1)
        np.testing.assert_allclose(efficiency, info["welfare"][:, 0] / best, atol=1e-6)


@pytest.mark.parametrize("market", GRIDS, ids=label)
def test_ties_are_broken_by_lot(market):
    """The same actions many times: means are the expectations of theory."""
    rng, size = np.random.default_rng(0), market.roles()[0].actions.size
    for seed in range(6):
        actions = rng.integers(0, size, (market.bidders, 1)).astype(float)
        actions = np.full_like(actions, actions[0]) if seed < 2 else actions
        _, bids, _, info = played(market, seed, actions=actions)
        units, payments = outcome(market.game, bids[0])
        np.testing.assert_allclose(info["won"][:, 0].mean(axis=0), units, atol=0.08)
        np.testing.assert_allclose(info["payment"][:, 0].mean(axis=0), payments, atol=0.08)


def test_signals_are_uniform_and_new_in_every_round():
    market = Auction(bidders=4, rounds=5)
    with jax.enable_x64(True):
        found = paths(market, np.zeros((2000, 5, 4, 1)))
    signals = found["states"].signals
    assert abs(signals.mean() - 0.5) < 4 / np.sqrt(12 * signals.size)
    assert abs(signals.var() - 1 / 12) < 0.002
    flat = signals.reshape(2000, 20)
    assert np.abs(np.corrcoef(flat.T) - np.eye(20)).max() < 0.1
    assert found["over"][:, :-1].sum() == 0
    assert found["over"][:, -1].all()
    assert not found["cut"].any()
    np.testing.assert_array_equal(found["seen"][..., 0], signals)


@pytest.mark.parametrize("market", [*SINGLE[:3], SINGLE[6], SEVERAL[0], GRIDS[1]], ids=label)
def test_rules(market):
    dynamics, role = market.dynamics(), market.roles()[0]
    for signal in (0.1, 0.4, 0.9):
        seen, draws = jnp.array([signal]), jnp.array([0.3, 0.3])
        worth = signal + (market.bidders - 1) / 2 * (market.values == "common")
        wanted = {"truthful": worth, "shade-half": worth / 2, "zero": 0.0}
        if market.equilibrium is not None:
            wanted["bayes-nash"] = market.equilibrium.bids(signal)
        assert set(wanted) == set(market.rules())
        for rule, bid in wanted.items():
            found = dynamics.bids(dynamics.follow(rule, role, seen, draws)[None], seen)[0]
            step = 1e-3 if market.bids == "continuous" else market.levels[1] / 2 + 1e-6
            np.testing.assert_allclose(found, np.broadcast_to(bid, market.demand), atol=step)
    with pytest.raises(NotImplementedError, match="no rule fold"):
        dynamics.follow("fold", role, jnp.array([0.5]), jnp.array([0.3, 0.3]))


@pytest.mark.parametrize("market", [Auction(rounds=2), Auction(bids=5, units=2, demand=2, **UNIFORM)], ids=label)
def test_auctions_keep_the_contract(market):
    check_market(market)


def test_formats_are_one_compiled_program():
    """What differs between formats with the same bidders is data."""
    shapes = [jax.tree.structure(Auction(format=kind, bidders=3, units=k, reserve=r, values=v).dynamics())
              for kind, k, r, v in (("first-price", 1, 0.0, "independent"), ("uniform-price", 2, 0.2, "independent"),
                                    ("all-pay", 1, 0.0, "common"))]  # fmt: skip
    assert shapes[0] == shapes[1] == shapes[2]


# --- benchmarks ----------------------------------------------------------------------------------------------------


def test_benchmarks_in_closed_form():
    found = Auction().benchmarks()
    assert found.complete
    assert found.nash.average == pytest.approx(1 / 6)
    assert found.optimum.average == pytest.approx(1 / 3)
    assert found.nash.quantities["bid"] == pytest.approx(0.25)
    assert found.numbers == pytest.approx(
        {"revenue, Bayes-Nash": 1 / 3, "revenue, truthful bids": 2 / 3, "revenue, ring": 0.0}
    )
    second = Auction(format="second-price", reserve=0.5).benchmarks()
    assert not second.complete
    assert second.nash.quantities["revenue"] == pytest.approx(5 / 12)
    assert second.nash.quantities["efficiency"] == pytest.approx(3 / 4)
    assert second.numbers["revenue, ring"] == pytest.approx(0.5 * 0.75)
    pair = Auction(units=2, demand=2, **UNIFORM).benchmarks()
    assert [round(profile.average, 6) for profile in pair.competitive] == [0.333333, 0.5]
    assert pair.optimum.average == pytest.approx(2 / 3)


def test_the_equilibrium_of_the_grid_comes_first_with_its_certificate():
    found = Auction(bids=11).benchmarks()
    assert [profile.name for profile in found.competitive] == ["Bayes-Nash on the grid", "Bayes-Nash"]
    assert 0 <= found.nash.error <= 5e-4 * found.nash.average
    assert found.nash.average > found.competitive[1].average
    unknown = Auction(units=3, demand=2, pricing="lowest-accepted", **UNIFORM)
    assert unknown.benchmarks().competitive == ()
    assert "bayes-nash" not in unknown.rules()
    on_grid = unknown.model_copy(update={"bids": 6}).benchmarks()
    assert on_grid.nash.name == "Bayes-Nash on the grid"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"bids": 1}, "bids: 1 are too few; give 2 or more, or continuous"),
        ({"bids": "cont"}, "bids: 'cont' is unknown; choose from continuous"),
        ({"demand": 2}, "demand: 2 units are more than there are; ask for at most 1"),
        ({"reserve": 1.0}, "reserve: 1 is out of bounds; it must be at least 0 and below 1, the highest value"),
        ({"units": 2, "format": "second-price"}, "units: second-price sells one; use uniform-price for 2"),
        ({"units": 2, "values": "common"}, "units: a common value is for one, not 2; set units: 1"),
        ({"units": 4, "demand": 4, "bids": 30}, "bids: 30 make 40920 combinations for 4 units; take fewer bids"),
        ({"highest_bid": 0.3, "reserve": 0.4}, "highest_bid: 0.3 does not exceed the reserve of 0.4; raise it"),
    ],
)
def test_what_is_no_auction_is_refused_in_one_line(fields, error):
    with pytest.raises(TacitError) as found:
        Auction(**fields)
    assert str(found.value) == error

"""Exploitability of any bid functions: the reference's formula, plain auctions, and bounds that hold."""

import numpy as np
import pytest
from plain_auction import expected, many, simulate

from tacitlab.errors import TacitError
from tacitlab.markets.auction import response as auction_response
from tacitlab.markets.auction.outcome import outcome
from tacitlab.markets.auction.response import best_bids, judge, law, slope_exploitability
from tacitlab.markets.auction.theory import AuctionGame, bayes_nash, demand_reduction

V = np.linspace(0, 1, 129)
LOWEST = {"format": "uniform-price", "pricing": "lowest-accepted"}
PAIR = AuctionGame("uniform-price", units=2, demand=2)
GAMES = [
    AuctionGame("first-price", 3, reserve=0.1),
    AuctionGame("second-price", 2),
    AuctionGame("all-pay", 3, reserve=0.05),
    AuctionGame("uniform-price", 4, units=2, reserve=0.2),
    AuctionGame("first-price", 3, units=2),
    AuctionGame(bidders=4, units=3, reserve=0.1, **LOWEST),
    AuctionGame("first-price", 3, common=True),
    AuctionGame("second-price", 3, common=True, reserve=0.3),
]
IDS = [f"{game.format}-{game.bidders}-{game.units}-{game.common}" for game in GAMES]


def wild(game, seed=0):
    """Bid functions that differ, are flat in parts, fall in parts, and are 0 for some signals."""
    rng, top = np.random.default_rng(seed), game.highest_value
    knots = rng.uniform(0, 0.9 * top, (game.bidders, 6)) * np.linspace(0.2, 1, 6)
    knots[0, 2], knots[-1, 0] = knots[0, 1], 0.0
    found = np.stack([np.interp(V, np.linspace(0, 1, 6), row) for row in knots])
    return np.where(found < 0.1 * top, 0.0, found)


def as_functions(bids):
    return [lambda s, row=row: np.interp(s, V, row)[:, None] for row in bids]


# --- the mechanism -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", [*GAMES[:6:2], PAIR, AuctionGame("all-pay", 2, units=3, demand=2, reserve=0.2),
                                  AuctionGame("first-price", 2, units=3, demand=2),
                                  AuctionGame(bidders=2, units=3, demand=2, **LOWEST)],
                         ids=lambda game: f"{game.format}-{game.bidders}-{game.units}-{game.demand}")  # fmt: skip
def test_outcomes_are_means_over_all_ways_to_break_ties(game):
    rng = np.random.default_rng(0)
    for _ in range(12):
        bids = rng.integers(0, 4, (game.bidders, game.demand)) / 4
        for found, wanted in zip(outcome(game, bids), expected(game, bids.tolist()), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-12)


# --- the reference -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.2, 0.4, 0.5, 0.6, 0.9])
def test_two_bidders_with_the_same_slope(slope):
    found = judge(AuctionGame("first-price"), np.stack([slope * V, slope * V]))
    bids = np.linspace(0, 1, 20_001)
    values = (np.arange(4000) + 0.5) / 4000
    best = [((v - bids) * np.minimum(1, bids / slope)).max() for v in values]  # the reference's formula as it stands
    assert slope_exploitability(slope) == pytest.approx(np.mean(best) - (1 - slope) / 3, abs=1e-6)
    np.testing.assert_allclose(found.exploitability, slope_exploitability(slope), atol=2e-6)
    np.testing.assert_allclose(found.surplus, (1 - slope) / 3, atol=1e-12)
    assert found.revenue == pytest.approx(2 * slope / 3, abs=1e-12)
    assert (found.error < 0.001).all()
    if slope == 0.5:
        assert (np.abs(found.exploitability) < 1e-9).all()


# --- any bid functions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES, ids=IDS)
def test_wild_bid_functions_against_plain_auctions(game):
    bids = wild(game)
    found = judge(game, bids)
    mean, error = simulate(game, as_functions(bids), samples=60_000)
    wanted = [*found.surplus, found.revenue, found.welfare]
    assert (np.abs(mean - wanted) <= 4.5 * error + 1e-9).all(), (mean, wanted)
    assert (found.exploitability > -1e-9).all()
    if not game.common:
        assert found.revenue + found.surplus.sum() == pytest.approx(found.welfare)


@pytest.mark.parametrize("game", GAMES, ids=IDS)
def test_best_responses_against_a_search_over_simulated_auctions(game):
    bids, rng, samples = wild(game, seed=1), np.random.default_rng(2), 20_000
    signals = rng.random((samples, game.bidders))
    made = np.stack([function(signals[:, i])[:, 0] for i, function in enumerate(as_functions(bids))], axis=1)
    for signal in (0.3, 0.95):
        worth = signal + signals[:, 1:].sum(axis=1) if game.common else np.full(samples, signal)
        gains = []
        for bid in np.linspace(0.01, game.highest_value, 60):
            deviated = made.copy()
            deviated[:, 0] = bid
            units, payments = many(game, deviated[..., None], np.random.default_rng(3))
            gains.append((worth * units[:, 0] - payments[:, 0]).mean())
        at = np.unique(np.concatenate([np.linspace(0, 1.1 * game.highest_value, 3001), bids[1:].ravel()]))
        found = auction_response.terms(game, at, [law(row, at) for row in bids[1:]])
        lines = signal * found.win_above + found.extra_above - found.cost_above
        assert max(lines.max(), 0) == pytest.approx(max(*gains, 0), abs=0.015 * game.highest_value)
        assert lines[np.searchsorted(at, best_bids(game, bids, [signal])[0])] == pytest.approx(lines.max(), abs=1e-3)


def test_the_bound_holds_and_shrinks(monkeypatch):
    """A search ten times as fine finds no more than a coarse one allows."""
    for game in GAMES[:3] + GAMES[6:7]:
        bids, found = wild(game, seed=3), {}
        for points in (101, 4001):
            monkeypatch.setattr(auction_response, "POINTS", points)
            found[points] = judge(game, bids)
        assert (found[4001].best <= found[101].best + found[101].error + 1e-12).all()
        assert (found[4001].best >= found[101].best - 1e-12).all()
        assert (found[4001].error < found[101].error).all()


def test_asymmetric_equilibria_of_the_wallet_game():
    game = AuctionGame("second-price", common=True)
    for slope in (1.5, 2.0, 4.0):
        pair = np.stack([slope * V, slope / (slope - 1) * V])
        np.testing.assert_allclose(judge(game, pair).exploitability, 0, atol=1e-6)
    assert judge(game, np.stack([1.5 * V, 2.0 * V])).exploitability.max() > 0.01


def test_signals_where_a_bid_falls():
    bids, at = np.array([0.4, 0.2, 0.2, 0.6]), np.array([0.1, 0.2, 0.3, 0.5])
    found = law(bids, at)
    signals = (np.arange(300_000) + 0.5) / 300_000
    made = np.interp(signals, np.linspace(0, 1, 4), bids)
    for k, x in enumerate(at):
        assert found.upto[k] == pytest.approx((made <= x + 1e-12).mean(), abs=1e-5)
        assert found.below[k] == pytest.approx((made < x - 1e-12).mean(), abs=1e-5)
        assert found.signal_upto[k] == pytest.approx((signals * (made <= x + 1e-12)).mean(), abs=1e-5)
        assert found.signal_below[k] == pytest.approx((signals * (made < x - 1e-12)).mean(), abs=1e-5)


# --- two units each ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_bids_between_demand_reduction_and_sincerity_are_equilibria(share):
    found, wanted = judge(PAIR, np.stack([demand_reduction(PAIR, share).bids(V)] * 2)), demand_reduction(PAIR, share)
    assert (found.exploitability < found.error).all()
    assert (found.exploitability > -1e-6).all()
    np.testing.assert_allclose(found.surplus, wanted.surplus, atol=1e-4)
    assert found.revenue == pytest.approx(wanted.revenue, abs=1e-4)


def test_two_units_each_against_a_search_over_simulated_auctions():
    game = AuctionGame("uniform-price", units=2, demand=2, reserve=0.1)
    first = np.stack([0.2 + 0.5 * V, np.minimum(0.5 * V, 0.3)], axis=1)
    second = np.stack([0.9 * V, np.where(V > 0.5, 0.4, 0.0)], axis=1)
    found = judge(game, np.stack([first, second]))
    rng, samples = np.random.default_rng(0), 30_000
    rival, gains = np.sort(rng.random(samples)), []
    made = np.stack([np.interp(rival, V, column) for column in second.T], axis=1)
    values = (np.arange(10) + 0.5) / 10
    for one in np.linspace(0, 1, 21):
        for two in np.linspace(0, one, 21):
            own = np.broadcast_to([[one, two]], (samples, 1, 2))
            units, paid = many(game, np.concatenate([own, made[:, None]], axis=1), rng)
            gains.append(values * units[:, 0].mean() - paid[:, 0].mean())
    assert found.best[0] == pytest.approx(np.max(gains, axis=0).mean(), abs=0.006)
    functions = [lambda s, f=f: np.stack([np.interp(s, V, c) for c in f.T], axis=1) for f in (first, second)]
    mean, error = simulate(game, functions)
    assert (np.abs(mean[:3] - [*found.surplus, found.revenue]) < 4.5 * error[:3] + 2e-3).all()


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(TacitError, match=r"bids: the shape \(3, 129, 1\) is wrong; give \(2, signals, 1\)"):
        judge(AuctionGame("first-price"), np.stack([V, V, V]))
    with pytest.raises(TacitError, match="bids: some are not finite, or negative"):
        judge(AuctionGame("first-price"), np.stack([V, -V]))
    with pytest.raises(TacitError, match="demand: best responses with several units"):
        judge(AuctionGame("all-pay", units=2, demand=2), np.zeros((2, 9, 2)))


@pytest.mark.parametrize("game", [game for game in GAMES if bayes_nash(game)], ids=IDS)
def test_equilibria_cannot_be_exploited(game):
    """The bid function jumps at the threshold, where linear interpolation errs by a signal step."""
    found = bayes_nash(game)
    judged = judge(game, np.stack([found.bids(np.linspace(0, 1, 1025))[:, 0]] * game.bidders))
    np.testing.assert_allclose(judged.surplus, found.surplus, atol=2e-3 * game.highest_value)
    assert (judged.exploitability < 2e-3 * game.highest_value).all()

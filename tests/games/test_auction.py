from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.errors import TacitError
from tacitlab.games.auction import FirstPriceAuction


def pure(benchmarks):
    return {tuple(p.actions) for p in benchmarks.competitive if p.concept == "nash"}


@pytest.mark.parametrize("ticks", [3, 8, 12])
def test_equal_bidders_bid_the_value_or_one_or_two_ticks_below(ticks):
    """Undercutting a tie k ticks below v gains k/2 -> k - 1 ticks: no gain for k <= 2."""
    benchmarks = FirstPriceAuction(n_bids=ticks + 1).benchmarks()
    assert pure(benchmarks) == {(ticks - k, ticks - k) for k in (0, 1, 2)}
    assert benchmarks.nash.payoffs.tolist() == [0, 0]
    assert benchmarks.optimum.payoffs == pytest.approx([0.5, 0.5])


def test_the_higher_value_wins_just_above_the_rivals_bid():
    benchmarks = FirstPriceAuction(value=[1.0, 0.65]).benchmarks()
    for profile in benchmarks.competitive:
        assert profile.payoffs[1] == pytest.approx(0, abs=1e-12)
    assert pure(benchmarks) >= {(7, 6)}
    assert benchmarks.optimum.payoffs.sum() == pytest.approx(0.9)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=3))
@settings(max_examples=25)
def test_enumeration_by_definition(values):
    game = FirstPriceAuction(players=len(values), value=values, highest_bid=5, n_bids=6)

    def payoff(bids, i):
        winners = [j for j, bid in enumerate(bids) if bid == max(bids)]
        return (values[i] - bids[i]) / len(winners) if i in winners else 0

    stable = {
        bids
        for bids in product(range(6), repeat=len(values))
        if all(
            payoff(bids, i) >= payoff((*bids[:i], other, *bids[i + 1 :]), i) - 1e-12
            for i in range(len(values))
            for other in range(6)
        )
    }
    benchmarks = game.benchmarks()
    assert pure(benchmarks) <= stable
    if len(stable) <= 50:  # longer lists are cut
        assert pure(benchmarks) == stable
    for bids in product(range(6), repeat=len(values)):
        assert game.payoffs(np.array(bids)) == pytest.approx([payoff(bids, i) for i in range(len(values))])


def test_ties_split():
    assert FirstPriceAuction(players=3).payoffs([0.4, 0.4, 0.1]) == pytest.approx([0.3, 0.3, 0])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"value": -1}, "value"),
        ({"value": [1, float("nan")]}, "value.1"),
        ({"value": [1, 1, 1]}, "value"),
        ({"lowest_bid": 2}, "highest_bid"),
        ({"n_bids": 5000, "players": 3}, "n_bids"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        FirstPriceAuction(**parameters).form()
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)

"""What the studies of the token economy share, on numbers that are known."""

import numpy as np
import pytest
from made_up import recorder, tokens_played

from tacitlab.learners import Rule
from tacitlab.markets import TokenEconomy
from tacitlab.markets.token.parts import Rewards
from tacitlab.measures.price_entropy import level_entropy, permutation_entropy
from tacitlab.studies.base import by_session
from tacitlab.studies.tokens import LEARNER, UNTRAINED, Size, percent_less, reduction

SIZE = Size(3, 40, 7, ())
STEPS = 6
MARKET = TokenEconomy(steps=STEPS, rewards=Rewards(stability=2.0, cooperation=3.0))


def test_own_gains_are_rewards_without_what_is_added():
    """Reward: own gain + 3 times the mean of the others' less 2 times the sum of absolute returns."""
    own, moves = np.array([5.0, 7.0]), np.array([[0.1] * 3 + [0.3] * 3, [0.2] * 6])
    played = tokens_played(MARKET, [4, 9], gain=own * (1 + 3) - 2 * moves.sum(axis=1), absolute_return=moves)
    np.testing.assert_allclose(played.payoff, own)
    np.testing.assert_array_equal(played.labelled("payoff")["session"], [4, 9])
    np.testing.assert_allclose(played.labelled("absolute_return"), [0.2, 0.2])
    np.testing.assert_allclose(played.mean("absolute_return", 3), [0.3, 0.2])
    np.testing.assert_allclose(played.only(np.array([9, 11])).payoff, [7.0])


def test_volatility_and_when_it_has_settled():
    played = tokens_played(MARKET, [0], squared_return=np.array([[0.04, 0.04, 0.04, 0.16, 0.16, 0.16]]))
    np.testing.assert_allclose(played.volatility, np.sqrt(0.1))
    np.testing.assert_allclose(played.settled_volatility, 0.4)


def test_what_agents_hold_at_the_end_and_how_orderly_prices_are():
    holdings = np.zeros((1, STEPS, 3))
    holdings[:, :-1], holdings[:, -1] = 5.0, [1.0, 0.0, 3.0]
    start = float(MARKET.curves[0].price(MARKET.supply))
    played = tokens_played(
        MARKET, [0], holdings_path=holdings, price_path=start * np.exp([[0.1, 0.2, 0.4, 0.3, 0.5, 0.1]])
    )
    np.testing.assert_allclose(played.lorenz, [[0, 0, 0.25, 1]])
    levels, orders = played.entropy
    np.testing.assert_allclose(levels, level_entropy(played.prices, start))
    np.testing.assert_allclose(orders, permutation_entropy(np.diff(np.log(played.prices), axis=1)))
    assert 0 < levels[0] < 1


def test_curves_of_learning_are_means_of_agents_and_sessions():
    rewards = np.array([[1.0, 2.0], [3.0, 5.0]])
    played = tokens_played(MARKET, [0, 1], learning={"payoff": rewards, "learning_supply": 10 * rewards})
    assert played.learning("payoff", "who", 0.5).y.tolist() == [1.0, 1.75]
    line = played.learning("supply", "who")
    assert (line.name, line.x.tolist(), line.y.tolist()) == ("who", [0.0, 10.0], [20.0, 35.0])


def test_reductions_are_by_session():
    calm, wild = (
        tokens_played(MARKET, [0, 1], squared_return=np.full((2, 6), x**2), volume=np.full((2, 6), 9 * x))
        for x in (0.1, 0.4)
    )
    assert reduction(calm, wild).mean == pytest.approx(75)
    assert reduction(wild, calm, "volume").mean == pytest.approx(-300)
    found = percent_less(by_session([1.0, 3.0], [0, 2]), by_session([2.0, 9.0, 3.0], [0, 1, 2]))
    assert (found.mean, found.n) == (25.0, 2)


@pytest.mark.parametrize(
    ("learners", "episodes"),
    [([LEARNER], 40), ([Rule(rule="hold")], 1), ([LEARNER.model_copy(update={"rate": UNTRAINED})], 1)],
)
def test_only_who_learns_trains(learners, episodes):
    found = SIZE.experiment("name", MARKET, learners, {"seed": (3, 4)}, {"steps": 9})
    assert (found.length.episodes, found.sessions, found.test.episodes, found.test.environment) == (
        episodes,
        3,
        7,
        {"steps": 9},
    )
    assert (found.name, found.seed, found.sweep, found.test.baselines) == ("name", 1, {"seed": [3, 4]}, False)


def test_rules_and_frozen_agents(monkeypatch):
    monkeypatch.setattr("tacitlab.lab.seating.check", lambda experiment: None)
    rules = SIZE.ruled("rules", MARKET, ["random", "hold"], test={"steps": 8})
    assert (rules.learners[0].rule, rules.sweep, rules.test.environment) == (
        "random",
        {"learners.rule": ["random", "hold"]},
        {"steps": 8},
    )
    frozen = SIZE.frozen("again", MARKET, recorder([])(rules), sweep={"seed": [1, 2]})
    assert (frozen.learners[0].run, frozen.sweep, frozen.length.episodes) == ("runs/rules", {"seed": [1, 2]}, 1)

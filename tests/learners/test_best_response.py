"""Adversaries and frozen opponents: what is simulated is what dynamic programming says."""

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import TacitError
from tacitlab.lab.earlier import trained
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.experiment import Test as FrozenPlay
from tacitlab.learners import BestResponse, Constant, ConstantValue, QLearning, Random, Rule, Trained
from tacitlab.learners.best_response import frozen_policies
from tacitlab.markets.resource import response as trading_response
from tacitlab.markets.resource.market import ResourceMarket

SESSIONS, EPISODES = 2, 3000
LITERAL = {"execution": "pre", "law": "linear", "valuation": "mark-to-market"}
KINDS = {
    "explicit": ResourceMarket(steps=25, highest=6, levels=(2, 5), **LITERAL),
    "implicit": ResourceMarket(steps=25, highest=6, levels=(2, 5), signals="implicit", volatility=0.003),
    "none": ResourceMarket(steps=25, highest=6, levels=(2, 5), signals="none", observes=("trend", "level")),
}


def experiment(market, learners, episodes=5):
    return Experiment(
        environment=market, learners=learners, length=Length(episodes=episodes), sessions=SESSIONS,
        test=FrozenPlay(episodes=EPISODES), seed=3,
    )  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def earlier(request, tmp_path_factory):
    """A run of two Q-learners, and what theory sees in their tables."""
    market, folder = KINDS[request.param], tmp_path_factory.mktemp("runs") / request.param
    learner = QLearning(
        alpha=0.1, gamma=0.9, initial=ConstantValue(value=0), ties="random", exploration=Constant(epsilon=0.3)
    )
    result = tacitlab.run(experiment(market, learner, 40), folder)
    group, policies, role = trained(str(folder), 0, 2)
    pairs = zip(*(frozen_policies(market, group, policies, role, agent) for agent in (0, 1)), strict=True)
    return market, folder, result, list(pairs)


def close(payoffs, wanted):
    """Means over test episodes lie within 3.5 standard errors (5 tests of each kind)."""
    error = payoffs.std(axis=1) / np.sqrt(EPISODES)
    assert (np.abs(payoffs.mean(axis=1) - wanted) < 3.5 * error + 1e-6).all(), (payoffs.mean(axis=1), wanted, error)


def test_the_value_of_a_learned_pair(earlier):
    market, _, result, pairs = earlier
    close(result.data.test_payoff.values, [trading_response.value(market.game, tuple(pair)) for pair in pairs])


def test_frozen_opponents_play_what_they_learned(earlier):
    market, folder, result, _ = earlier
    again = tacitlab.run(experiment(market, Trained(run=str(folder))))
    np.testing.assert_allclose(again.data.test_payoff, result.data.test_payoff, rtol=1e-4, atol=1e-3)
    shifted = tacitlab.run(experiment(market, Trained(run=str(folder), shift=1)))
    other = result.data.test_payoff.values[::-1]
    error = np.hypot(*(x.std(axis=1) / np.sqrt(EPISODES) for x in (shifted.data.test_payoff.values, other)))
    assert (np.abs(shifted.data.test_payoff.values.mean(axis=1) - other.mean(axis=1)) < 3.5 * error + 1e-6).all()


@pytest.mark.parametrize("role", ["responder", "spoofer"])
def test_adversaries_earn_what_dynamic_programming_says(earlier, role):
    market, folder, result, pairs = earlier
    changed = market.model_copy(update={"traders": 1, f"{role}s": 1})
    learners = (Trained(run=str(folder), agent=1, agents=1), BestResponse(run=str(folder), agent=1, agents=1))
    found = tacitlab.run(experiment(changed, learners)).data.test_payoff.values
    goal = "own" if role == "responder" else "others"
    values = [trading_response.best_response(market.game, pair[1], goal).values for pair in pairs]
    for values_of, mean in zip(values, found.mean(axis=1), strict=True):
        if role == "responder":
            assert mean[1] > result.data.test_payoff.values.mean() - 1
        assert values_of.shape == (2,)
    trader, adversary = np.array(values)[:, 1], np.array(values)[:, 0]
    close(found, np.stack([trader, adversary if role == "responder" else -trader], axis=1))


def test_what_cannot_be_responded_to_is_refused(earlier, tmp_path):
    market, folder, *_ = earlier
    both = market.model_copy(update={"responders": 1})
    learners = (Trained(run=str(folder), agents=2), BestResponse(run=str(folder), agents=1))
    with pytest.raises(TacitError, match="a best response is to one trader alone"):
        tacitlab.run(experiment(both, learners))
    with pytest.raises(TacitError, match="seat it as a responder"):
        tacitlab.run(experiment(market, BestResponse(run=str(folder))))
    tacitlab.run(experiment(market, Random()), tmp_path / "random")
    one = market.model_copy(update={"traders": 1, "responders": 1})
    learners = (Rule(rule="hold", agents=1), BestResponse(run=str(tmp_path / "random"), agents=1))
    with pytest.raises(TacitError, match=r"learners\.run: exact best responses exist to Q-learners"):
        tacitlab.run(experiment(one, learners))
    with pytest.raises(TacitError, match=r"learners\.agent: .* has agents 0 to 1, 1 from 2 on"):
        tacitlab.run(experiment(one, (Trained(run=str(folder), agent=2, agents=1), Rule(rule="hold", agents=1))))
